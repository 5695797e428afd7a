"""The walk inside the bar: nearest first, ties, entry bars, proof by the close, ambiguous bars (clauses 3.0 to
3.2, 3.4)."""

import pytest

from contract.by_hand import ambiguous, ends, fills, order, play

WIDE = (10, 12, 8, 10)


def limit(bar, quantity, price, **columns):
    return order(bar, quantity, type="limit", limit_price=price, **columns)


def stop(bar, quantity, price, **columns):
    return order(bar, quantity, type="stop", stop_price=price, **columns)


def test_levels_on_one_side_are_met_nearest_first():
    rows = [limit(0, 1.0, 8.5), limit(0, 2.0, 9.5), limit(0, 3.0, 9.0)]
    assert fills(play([10, WIDE], rows)) == [(1, 2.0, 9.5), (1, 3.0, 9.0), (1, 1.0, 8.5)]


def test_at_one_price_exits_go_before_entries():
    rows = [order(0, 10.0), limit(1, 4.0, 9.0), stop(1, -10.0, 9.0)]
    assert fills(play([10, 10, (10, 10, 8, 9.5)], rows)) == [(1, 10.0, 10.0), (2, -10.0, 9.0), (2, 4.0, 9.0)]


@pytest.mark.parametrize(
    ("tie", "bar", "exit_price"),
    [
        ("pessimistic", WIDE, 9.0),
        ("optimistic", WIDE, 11.0),
        ("nearest", (10, 12, 8.5, 10), 9.0),
        ("nearest", (10, 11.5, 8, 10), 11.0),
        ("nearest", WIDE, 9.0),  # equally far: adverse
    ],
)
def test_which_side_came_first_is_a_policy_and_the_bar_is_counted(tie, bar, exit_price):
    result = play([10, 10, bar, 10], [order(0, 10.0)], tie=tie, stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, -10.0, exit_price)]
    assert ambiguous(result) == [(2, "two_sided")]
    assert result.metrics["ambiguous_bars"] == 1


def test_for_a_short_the_adverse_side_is_up():
    result = play([10, 10, WIDE], [order(0, -10.0)], allow_short_selling=True, stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, 10.0, 11.0)]
    assert ambiguous(result) == [(2, "two_sided")]


def test_flat_the_nearer_extreme_came_first():
    rows = [limit(0, 5.0, 9.0), stop(0, 7.0, 11.0)]
    assert fills(play([10, (10, 11.5, 8, 10)], rows)) == [(1, 7.0, 11.0), (1, 5.0, 9.0)]
    assert fills(play([10, (10, 12, 8.5, 10)], rows)) == [(1, 5.0, 9.0), (1, 7.0, 11.0)]


def test_levels_on_one_side_only_are_certain():
    result = play([10, 10, (10, 10.5, 8, 10)], [order(0, 10.0)], stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, -10.0, 9.0)]
    assert ambiguous(result) == []


def test_a_position_of_the_open_meets_the_whole_bar():
    assert fills(play([10, (10, 10, 8, 10)], [order(0, 10.0)], stop_loss=0.1))[1:] == [(1, -10.0, 9.0)]


# Entry bars ----------------------------------------------------------------------------------------------------------


def entered_inside(bar, **config):
    """A limit at 9.5 met inside the bar, with its stop at 9 and its target at 11."""
    rows = [limit(0, 10.0, 9.5, stop_loss_price=9.0, take_profit_price=11.0)]
    return play([10, bar, 10, 10], rows, **config)


def test_a_level_further_along_the_move_that_filled_it_is_certain():
    result = entered_inside((10, 10.5, 8, 10))
    assert fills(result) == [(1, 10.0, 9.5), (1, -10.0, 9.0)]
    assert ambiguous(result) == []


def test_a_target_against_the_move_needs_the_close_to_prove_it():
    result = entered_inside((10, 12, 9.25, 10.5))
    assert fills(result) == [(1, 10.0, 9.5)]
    assert ambiguous(result) == [(1, "entry_bar")]
    result = entered_inside((10, 12, 9.25, 11))
    assert fills(result) == [(1, 10.0, 9.5), (1, -10.0, 11.0)]
    assert ambiguous(result) == []


def bought_on_the_way_up(bar, **config):
    """A buy stop at 11 met inside the bar, with a stop loss at 9.9."""
    return play([10, bar, 12, 12], [stop(0, 10.0, 11.0)], stop_loss=0.1, **config)


def test_an_adverse_level_against_the_move_is_proved_by_the_close_or_assumed_by_policy():
    open_question = (10, 12, 9, 11)
    result = bought_on_the_way_up(open_question)
    assert fills(result) == [(1, 10.0, 11.0)]
    assert ambiguous(result) == [(1, "entry_bar")]
    result = bought_on_the_way_up(open_question, entry_bar="assumed")
    assert fills(result) == [(1, 10.0, 11.0), (1, -10.0, 9.9)]
    assert ambiguous(result) == [(1, "entry_bar")]  # counted also when it is taken
    result = bought_on_the_way_up((10, 12, 9, 9.5))
    assert fills(result) == [(1, 10.0, 11.0), (1, -10.0, 9.9)]
    assert ambiguous(result) == []


def test_only_adverse_levels_are_assumed():
    result = entered_inside((10, 12, 9.25, 10.5), entry_bar="assumed")
    assert fills(result) == [(1, 10.0, 9.5)]


def test_children_born_inside_are_held_to_the_same_proof():
    rows = [
        limit(0, 10.0, 9.5, id="entry"),
        limit(0, -10.0, 11.0, parent="entry"),
        stop(0, -10.0, 9.0, parent="entry"),
    ]
    assert fills(play([10, (10, 12, 9.25, 10.5)], rows)) == [(1, 10.0, 9.5)]
    assert fills(play([10, (10, 12, 9.25, 11.5)], rows)) == [(1, 10.0, 9.5), (1, -10.0, 11.0)]
    assert fills(play([10, (10, 12, 8, 10)], rows)) == [(1, 10.0, 9.5), (1, -10.0, 9.0)]


def test_a_level_already_passed_when_it_is_born_inside_executes_at_that_price():
    result = play([10, (10, 10, 9.25, 9.5), 9], [limit(0, 10.0, 9.5, stop_loss_price=9.75)])
    assert fills(result, "origin") == [(1, 10.0, 9.5, "order"), (1, -10.0, 9.5, "stop_loss")]


def test_an_exit_order_of_before_waits_for_proof_against_a_position_born_inside():
    rows = [limit(0, -10.0, 11.0, reduce_only=True, id="out"), limit(0, 10.0, 9.5)]
    result = play([10, (10, 12, 9.25, 10)], rows)
    assert fills(result) == [(1, 10.0, 9.5)]
    assert ambiguous(result) == [(1, "entry_bar")]


# Trails --------------------------------------------------------------------------------------------------------------

TRAIL_BARS = [10, 10, (10, 12, 10, 10.5), 10.5]  # 12 x 0.9 = 10.8: the close of bar 2 is below it


def test_a_trail_of_this_bars_extreme_is_counted_or_taken_when_the_close_proves_it():
    lagged = play(TRAIL_BARS, [order(0, 10.0)], trailing_stop=0.1)
    assert fills(lagged, "origin") == [(1, 10.0, 10.0, "order"), (3, -10.0, 10.5, "trailing_stop")]
    assert ambiguous(lagged) == [(2, "trail")]
    proved = play(TRAIL_BARS, [order(0, 10.0)], trailing_stop=0.1, trail_timing="proved")
    assert fills(proved, "origin") == [(1, 10.0, 10.0, "order"), (2, -10.0, 10.5, "trailing_stop")]
    assert ambiguous(proved) == []
    close_marks = play(TRAIL_BARS, [order(0, 10.0)], trailing_stop=0.1, water_mark="close")
    assert ambiguous(close_marks) == []


def test_a_trail_of_a_short_is_counted_too():
    bars = [10, 10, (10, 10, 8, 9.5), 9.5]  # 8 x 1.1 = 8.8
    result = play(bars, [order(0, -10.0)], trailing_stop=0.1, allow_short_selling=True)
    assert fills(result)[1:] == [(3, 10.0, 9.5)]
    assert ambiguous(result) == [(2, "trail")]


def test_a_trailing_order_is_held_to_the_same_proof():
    rows = [order(0, 10.0), order(1, -10.0, type="trailing_stop", trail_amount=1.0)]
    lagged = play(TRAIL_BARS, rows)
    assert fills(lagged)[1:] == [(3, -10.0, 10.5)]
    assert ambiguous(lagged) == [(2, "trail")]
    assert fills(play(TRAIL_BARS, rows, trail_timing="proved"))[1:] == [(2, -10.0, 10.5)]


# Which asset first ---------------------------------------------------------------------------------------------------


def test_assets_are_walked_by_their_best_ranked_entry():
    dip = [10, (10, 10, 8, 10)]
    rows = [limit(0, 80.0, 9.0, symbol="B"), limit(0, 80.0, 9.0, symbol="A")]
    result = play({"A": dip, "B": dip}, rows, initial_cash=900.0)
    assert fills(result, "symbol") == [(1, 80.0, 9.0, "B"), (1, 20.0, 9.0, "A")]
    ranked = [{**rows[0], "rank": 2.0}, {**rows[1], "rank": 1.0}]
    result = play({"A": dip, "B": dip}, ranked, initial_cash=900.0, entry_rank="rank")
    assert fills(result, "symbol") == [(1, 80.0, 9.0, "A"), (1, 20.0, 9.0, "B")]


def test_a_limit_without_budget_waits_and_a_stop_without_budget_triggers():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 1000), (10, 12, 8, 10, 0), (11, 11, 11, 11, 1000)]
    rows = [order(0, 100.0), limit(1, 10.0, 9.0), stop(1, -100.0, 8.5)]
    result = play(bars, rows, max_participation=0.1)
    assert fills(result) == [(1, 100.0, 10.0), (3, -100.0, 11.0)]
    assert ends(result)[1] == ("live", None, 0.0)
