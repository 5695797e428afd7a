"""Time in force, resting and triggered orders, groups and brackets (clauses 1.6, 1.7, 2.4, 3.1)."""

import pytest

from contract.by_hand import ends, fills, order, play

DEEP = (10, 10, 8, 10)


def buy(bar, limit=9.0, **columns):
    return order(bar, 5.0, type="limit", limit_price=limit, **columns)


@pytest.mark.parametrize(("dip", "filled"), [(1, True), (2, True), (3, False)])
def test_an_order_of_two_bars_lives_on_the_two_bars_after_its_decision(dip, filled):
    bars = [DEEP if bar == dip else 10 for bar in range(5)]
    result = play(bars, [buy(0, time_in_force="bars", bars=2)])
    assert fills(result) == ([(dip, 5.0, 9.0)] if filled else [])
    assert ends(result) == [("filled", None, 5.0) if filled else ("expired", "expired", 0.0)]


def test_a_day_order_ends_with_the_session_of_its_first_live_bar():
    day = [buy(0, time_in_force="day")]
    sessions = [0, 1, 1, 2, 2]
    assert fills(play([10, 10, DEEP, 10, 10], day, sessions=sessions)) == [(2, 5.0, 9.0)]
    result = play([10, 10, 10, DEEP, 10], day, sessions=sessions)
    assert ends(result) == [("expired", "expired", 0.0)]
    assert result.orders["end_timestamp"].to_list() == [3]


def test_an_order_good_till_cancelled_waits_through_bars_without_prices():
    assert fills(play([10, None, 10, DEEP], [buy(0)])) == [(3, 5.0, 9.0)]


def test_immediate_or_cancel_is_the_open_of_the_first_live_bar_only():
    rows = [buy(0, time_in_force="ioc"), order(0, 5.0, time_in_force="ioc"), buy(0, 11.0, time_in_force="ioc")]
    assert fills(play([10, DEEP, 10], rows)) == [(1, 5.0, 10.0), (1, 5.0, 10.0)]
    result = play([10, None, DEEP], rows)  # also when the asset has no bar
    assert [end[0] for end in ends(result)] == ["expired"] * 3
    assert result.orders["end_timestamp"].to_list() == [1, 1, 1]


def test_at_the_open_waits_for_the_first_open_with_a_price():
    rows = [order(0, 5.0, type="moo"), buy(0, 10.5, time_in_force="at_open"), buy(0, time_in_force="at_open")]
    result = play([10, None, DEEP, DEEP], rows)
    assert fills(result) == [(2, 5.0, 10.0), (2, 5.0, 10.0)]
    assert ends(result)[2] == ("expired", "expired", 0.0)


def test_at_the_close_acts_at_the_close_of_the_first_bar_with_a_price():
    rows = [order(0, 5.0, type="moc"), buy(0, 9.5, time_in_force="at_close"), buy(0, 8.5, time_in_force="at_close")]
    result = play([10, None, (10, 10, 8, 9), 8], rows)
    assert fills(result, "phase") == [(2, 5.0, 9.0, "close"), (2, 5.0, 9.0, "close")]
    assert ends(result)[2] == ("expired", "expired", 0.0)


def test_a_resting_order_wakes_on_its_own_side():
    rows = [buy(0), order(0, -5.0, type="limit", limit_price=12.0)]
    result = play([10, 10, DEEP, 10, (10, 13, 10, 10)], rows)
    assert fills(result) == [(2, 5.0, 9.0), (4, -5.0, 12.0)]
    rows = [order(0, 5.0, type="stop", stop_price=12.0), order(1, -5.0, type="stop", stop_price=9.0)]
    result = play([10, 10, 10, (10, 13, 10, 10), DEEP], rows, allow_short_selling=True)
    assert fills(result) == [(3, 5.0, 12.0), (4, -5.0, 9.0)]


def test_orders_before_a_cancelled_one_go_on_living():
    rows = [buy(0, id="first"), buy(0, 8.5, id="second"), order(1, action="cancel", id="second"), buy(2, 9.5)]
    result = play([10, 10, 10, 10, DEEP], rows)
    assert fills(result) == [(4, 5.0, 9.5), (4, 5.0, 9.0)]
    assert ends(result)[1] == ("cancelled", "cancelled", 0.0)


def test_a_trailing_order_follows_the_best_price_of_earlier_bars():
    rows = [order(0, 5.0), order(0, -5.0, type="trailing_stop", trail_amount=2.0)]
    # the mark is 10, then 12 from bar 1: the level of bar 2 is 10, whatever its own high of 13 would make of it
    result = play([10, (10, 12, 9, 12), (12, 13, 10, 11.5)], rows)
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 10.0)]
    assert fills(play([10, (10, 12, 8.5, 12), (12, 13, 10.5, 12)], rows)) == [(1, 5.0, 10.0)]


def test_a_trailing_buy_follows_the_lowest_price():
    rows = [order(0, 5.0, type="trailing_stop", trail_amount=2.0)]
    assert fills(play([10, (10, 10, 7, 7.5), (7.5, 9.5, 7, 9)], rows)) == [(2, 5.0, 9.0)]


def test_a_triggered_stop_is_a_market_order_for_good():
    bars = [(10, 10, 10, 10, 2000), (10, 10, 10, 10, 2000), (10, 10, 9, 10, 1000), (12, 12, 12, 12, 1000)]
    rows = [order(0, 200.0), order(1, -200.0, type="stop", stop_price=9.0)]
    # 100 at the stop; the rest at the next open, though the price has recovered
    assert fills(play(bars, rows, max_participation=0.1)) == [(1, 200.0, 10.0), (2, -100.0, 9.0), (3, -100.0, 12.0)]


def stop_limit(stop, limit):
    return [order(0, 5.0, type="stop_limit", stop_price=stop, limit_price=limit)]


def test_a_stop_limit_met_inside_fills_at_its_stop_when_the_limit_is_beyond_it():
    assert fills(play([10, (10, 12, 10, 12)], stop_limit(11.0, 11.5))) == [(1, 5.0, 11.0)]


def test_a_stop_limit_with_its_limit_on_the_better_side_needs_the_close_to_prove_it():
    back, away = (10, 12, 9, 10), (10, 12, 9, 12)
    assert fills(play([10, back, 10], stop_limit(11.0, 10.5)), "passive") == [(1, 5.0, 10.5, True)]
    # the close is above the limit: it rests from the next bar on, where the open is better
    assert fills(play([10, away, 10], stop_limit(11.0, 10.5))) == [(2, 5.0, 10.0)]


def test_a_stop_limit_passed_by_the_open_is_a_limit_for_the_whole_bar():
    assert fills(play([10, (12, 12, 10, 11)], stop_limit(11.0, 11.5)), "phase") == [(1, 5.0, 11.5, "inside")]
    assert fills(play([10, 11.25], stop_limit(11.0, 11.5))) == [(1, 5.0, 11.25)]


# Groups --------------------------------------------------------------------------------------------------------------

CAP = {"max_participation": 0.1}


def thin(*bar):
    """A bar of which 40 shares may be taken."""
    return (*bar, 400)


def test_a_fill_scales_its_siblings_down():
    rows = [
        order(0, 100.0, type="limit", limit_price=9.0, group="one"),
        order(0, 100.0, type="limit", limit_price=8.0, group="one"),
    ]
    result = play([10, thin(10, 10, 8.5, 10), (10, 10, 7, 10, 4000)], rows, **CAP)
    # 40 of the first leave 60 of each; then the first takes 60 and nothing is left of the second
    assert fills(result) == [(1, 40.0, 9.0), (2, 60.0, 9.0)]
    assert ends(result) == [("filled", None, 100.0), ("cancelled", "group", 0.0)]


def test_a_reduce_only_sibling_keeps_what_the_position_still_holds():
    rows = [
        order(0, 100.0),
        order(1, -100.0, type="limit", limit_price=11.0, group="out", reduce_only=True),
        order(1, -50.0, type="limit", limit_price=12.0, group="out", reduce_only=True),
    ]
    result = play([10, (10, 10, 10, 10, 4000), thin(10, 11.5, 10, 11), (11, 11, 11, 11, 4000)], rows, **CAP)
    assert fills(result) == [(1, 100.0, 10.0), (2, -40.0, 11.0)]
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0, 50.0]  # not 50 x 0.6


def test_a_triggered_stop_takes_the_others_out_at_once():
    rows = [
        order(0, 100.0),
        order(1, -100.0, type="stop", stop_price=9.0, group="out"),
        order(1, -100.0, type="limit", limit_price=11.0, group="out"),
    ]
    result = play([10, (10, 10, 10, 10, 4000), thin(10, 10, 8.5, 9.5), (9.5, 12, 9.5, 12, 4000)], rows, **CAP)
    assert fills(result) == [(1, 100.0, 10.0), (2, -40.0, 9.0), (3, -60.0, 9.5)]
    assert ends(result)[2] == ("cancelled", "group", 0.0)
    assert result.orders["end_timestamp"].to_list() == [1, 3, 2]


def bracket(bar=0, quantity=100.0, stop=9.0, target=11.0, **parent):
    """An entry with a stop and a target as its children."""
    return [
        order(bar, quantity, id="entry", **parent),
        order(bar, -quantity, parent="entry", id="stop", type="stop", stop_price=stop),
        order(bar, -quantity, parent="entry", id="target", type="limit", limit_price=target),
    ]


def test_children_live_from_the_parents_fill_on_and_one_cancels_the_other():
    result = play([10, (10, 10.5, 9.5, 10), (10, 12, 9.5, 12), 12], bracket())
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 11.0)]
    assert ends(result) == [("filled", None, 100.0), ("cancelled", "group", 0.0), ("filled", None, 100.0)]


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
    rows = [*bracket(type="limit", limit_price=9.5), order(0, action="cancel", id="entry")]
    result = play([10, (10, 12, 8, 10), 10], rows)
    assert fills(result) == []
    assert ends(result) == [("cancelled", "cancelled", 0.0)]


def test_a_child_may_be_changed_or_cancelled_before_it_is_born():
    rows = bracket(type="limit", limit_price=9.5)
    edits = [
        order(0, id="stop", action="replace", type="stop", stop_price=8.0),
        order(0, id="target", action="cancel"),
    ]
    result = play([10, (9.25, 9.5, 8.5, 9), (9, 12, 8.5, 9), (9, 9, 7, 9)], [*rows, *edits])
    assert fills(result) == [(1, 100.0, 9.25), (3, -100.0, 8.0)]


def test_a_replaced_order_keeps_its_rest_and_its_place_in_the_bracket():
    rows = [*bracket(), order(1, id="stop", action="replace", type="stop", stop_price=9.75)]
    result = play([10, 10, (10, 10, 9.5, 10), 10], rows)
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 9.75)]
    assert ends(result)[1:] == [
        ("replaced", "replaced", 0.0),
        ("cancelled", "group", 0.0),
        ("filled", None, 100.0),
    ]


def test_a_replacement_changes_what_is_given_and_keeps_the_rest():
    rows = [
        order(0, 100.0, id="x", type="limit", limit_price=9.0),
        order(1, id="x", action="replace", type="limit", limit_price=9.5),
        order(2, 30.0, id="x", action="replace", type="limit"),
    ]
    result = play([10, 10, 10, (10, 10, 9.25, 10)], rows)
    assert fills(result) == [(3, 30.0, 9.5)]
    assert [end[0] for end in ends(result)] == ["replaced", "replaced", "filled"]
