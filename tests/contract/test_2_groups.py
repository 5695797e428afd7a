"""Groups share one fate; children live and die with what they protect (clause 2.4)."""

from contract.by_hand import ends, fills, order, play

CAP = {"max_participation": 0.1}


def thin(*bar):
    """A bar of which 40 shares may be taken."""
    return (*bar, 400)


# Groups --------------------------------------------------------------------------------------------------------------


def test_a_fill_scales_its_siblings_down():
    rows = [
        order(0, 100.0, limit=9.0, group="one"),
        order(0, 100.0, limit=8.0, group="one"),
    ]
    result = play([10, thin(10, 10, 8.5, 10), (10, 10, 7, 10, 4000)], rows, **CAP)
    # 40 of the first leave 60 of each; then the first takes 60 and nothing is left of the second
    assert fills(result) == [(1, 40.0, 9.0), (2, 60.0, 9.0)]
    assert ends(result) == [("filled", None, 100.0), ("cancelled", "group", 0.0)]


def test_a_reduce_only_sibling_keeps_what_the_position_still_holds():
    rows = [
        order(0, 100.0),
        order(1, -100.0, limit=11.0, group="out", reduce_only=True),
        order(1, -50.0, limit=12.0, group="out", reduce_only=True),
    ]
    result = play([10, (10, 10, 10, 10, 4000), thin(10, 11.5, 10, 11), (11, 11, 11, 11, 4000)], rows, **CAP)
    assert fills(result) == [(1, 100.0, 10.0), (2, -40.0, 11.0)]
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0, 50.0]  # not 50 x 0.6


def test_a_triggered_stop_takes_the_others_out_at_once():
    rows = [
        order(0, 100.0),
        order(1, -100.0, stop=9.0, group="out"),
        order(1, -100.0, limit=11.0, group="out"),
    ]
    result = play([10, (10, 10, 10, 10, 4000), thin(10, 10, 8.5, 9.5), (9.5, 12, 9.5, 12, 4000)], rows, **CAP)
    assert fills(result) == [(1, 100.0, 10.0), (2, -40.0, 9.0), (3, -60.0, 9.5)]
    assert ends(result)[2] == ("cancelled", "group", 0.0)
    assert result.orders["end_timestamp"].to_list() == [1, 3, 2]


# Brackets ------------------------------------------------------------------------------------------------------------


def bracket(bar=0, quantity=100.0, stop=9.0, target=11.0, **parent):
    """An entry with a stop and a target as its children."""
    return [
        order(bar, quantity, id="entry", **parent),
        order(bar, -quantity, parent="entry", id="stop", stop=stop),
        order(bar, -quantity, parent="entry", id="target", limit=target),
    ]


def test_children_live_from_the_parents_fill_on_and_one_cancels_the_other():
    met_by_the_target = play([10, (10, 10.5, 9.5, 10), (10, 12, 9.5, 12), 12], bracket())
    assert fills(met_by_the_target) == [(1, 100.0, 10.0), (2, -100.0, 11.0)]
    assert ends(met_by_the_target) == [("filled", None, 100.0), ("cancelled", "group", 0.0), ("filled", None, 100.0)]
    met_by_the_stop = play([10, (10, 10.5, 9.5, 10), (10, 10.5, 8, 9)], bracket())
    assert fills(met_by_the_stop, "phase") == [(1, 100.0, 10.0, "open"), (2, -100.0, 9.0, "inside")]
    assert ends(met_by_the_stop)[1:] == [("filled", None, 100.0), ("cancelled", "group", 0.0)]


def test_children_cover_what_the_parent_has_opened_and_grow_with_it():
    result = play([10, thin(10, 10, 10, 10), thin(10, 10, 10, 10), thin(10, 10, 10, 10)], bracket(), **CAP)
    assert result.orders["signed_quantity"].to_list() == [100.0, -100.0, -100.0]
    result = play([10, thin(10, 10, 10, 10), thin(10, 10, 10, 10)], bracket(), **CAP)
    assert result.orders["signed_quantity"].to_list() == [100.0, -80.0, -80.0]
    assert result.orders["working_quantity"].to_list() == [20.0, 80.0, 80.0]


def test_a_child_that_fires_cancels_the_rest_of_its_parent():
    bars = [10, thin(10, 10, 10, 10), (10, 10, 8.5, 9, 100), (9, 9, 9, 9, 4000), (9, 9, 9, 9, 4000)]
    result = play(bars, bracket(), **CAP)
    # bar 2: the parent's 10 come first at the open and use up the budget; the stop of 50 waits for bar 3
    assert fills(result) == [(1, 40.0, 10.0), (2, 10.0, 10.0), (3, -50.0, 9.0)]
    assert ends(result)[0] == ("cancelled", "group", 50.0)


def test_children_end_with_the_position():
    result = play([10, 10, 10, (10, 12, 8, 10)], [*bracket(), order(1, -100.0)])
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 10.0)]
    assert ends(result)[1:] == [("cancelled", "flat", 0.0), ("cancelled", "flat", 0.0), ("filled", None, 100.0)]


def test_children_never_enlarge_or_flip_a_position():
    rows = [*bracket(), order(1, -70.0)]
    result = play([10, 10, 10, (10, 10, 8, 8)], rows, allow_short_selling=True)
    assert fills(result) == [(1, 100.0, 10.0), (2, -70.0, 10.0), (3, -30.0, 9.0)]
    assert ends(result)[1] == ("cancelled", "no_short", 30.0)


def test_cancelling_a_parent_before_its_fill_withdraws_its_children():
    rows = [*bracket(limit=9.5), order(0, action="cancel", id="entry")]
    result = play([10, (10, 12, 8, 10), 10], rows)
    assert fills(result) == []
    assert ends(result) == [("cancelled", "cancelled", 0.0)]


def test_a_child_may_be_changed_or_cancelled_before_it_is_born():
    rows = bracket(limit=9.5)
    edits = [
        order(0, id="stop", action="replace", stop=8.0),
        order(0, id="target", action="cancel"),
    ]
    result = play([10, (9.25, 9.5, 8.5, 9), (9, 12, 8.5, 9), (9, 9, 7, 9)], [*rows, *edits])
    assert fills(result) == [(1, 100.0, 9.25), (3, -100.0, 8.0)]


def test_a_replaced_order_keeps_its_rest_and_its_place_in_the_bracket():
    rows = [*bracket(), order(1, id="stop", action="replace", stop=9.75)]
    result = play([10, 10, (10, 10, 9.5, 10), 10], rows)
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 9.75)]
    assert ends(result)[1:] == [
        ("replaced", "replaced", 0.0),
        ("cancelled", "group", 0.0),
        ("filled", None, 100.0),
    ]
