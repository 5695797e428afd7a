"""When a level is met inside the bar and at which price: limits, stops, stop-limits, trails (clause 3.1)."""

import pytest

from contract.by_hand import ambiguous, ends, fills, order, play

# Limits and stops ----------------------------------------------------------------------------------------------------


DIP_TO_NINE = [10, (10, 10, 9, 10), (10, 10, 8.5, 10)]


def test_a_limit_needs_a_trade_through_it_unless_touch_is_asked_for():
    buy = [order(0, 5.0, limit=9.0)]
    assert fills(play(DIP_TO_NINE, buy)) == [(2, 5.0, 9.0)]
    assert fills(play(DIP_TO_NINE, buy, limit_fill="touch")) == [(1, 5.0, 9.0)]
    spike = [10, (10, 11, 10, 10), (10, 11.5, 10, 10)]
    sell = [order(0, -5.0, limit=11.0)]
    assert fills(play(spike, sell, allow_short_selling=True)) == [(2, -5.0, 11.0)]
    assert fills(play(spike, sell, allow_short_selling=True, limit_fill="touch")) == [(1, -5.0, 11.0)]


def test_a_stop_triggers_when_the_bar_touches_it():
    below = [order(0, -5.0, stop=9.0)]
    assert fills(play(DIP_TO_NINE, below, allow_short_selling=True)) == [(1, -5.0, 9.0)]
    above = [order(0, 5.0, stop=11.0)]
    assert fills(play([10, (10, 11, 10, 10), 10], above)) == [(1, 5.0, 11.0)]


def test_a_computed_level_equals_a_price_but_for_rounding():
    # 10 x (1 - 0.07) is 9.299999999999999 in float64: a low of 9.3 is at it all the same.
    result = play([10, 10, (10, 10, 9.3, 10), 10], [order(0, 5.0)], stop_loss=0.07)
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 9.3)]


def test_a_triggered_stop_is_a_market_order_for_good():
    bars = [(10, 10, 10, 10, 2000), (10, 10, 10, 10, 2000), (10, 10, 9, 10, 1000), (12, 12, 12, 12, 1000)]
    rows = [order(0, 200.0), order(1, -200.0, stop=9.0)]
    # 100 at the stop; the rest at the next open, though the price has recovered
    assert fills(play(bars, rows, max_participation=0.1)) == [(1, 200.0, 10.0), (2, -100.0, 9.0), (3, -100.0, 12.0)]


def test_a_limit_without_budget_waits_and_a_stop_without_budget_triggers():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 1000), (10, 12, 8, 10, 0), (11, 11, 11, 11, 1000)]
    rows = [order(0, 100.0), order(1, 10.0, limit=9.0), order(1, -100.0, stop=8.5)]
    result = play(bars, rows, max_participation=0.1)
    assert fills(result) == [(1, 100.0, 10.0), (3, -100.0, 11.0)]
    assert ends(result)[1] == ("live", None, 0.0)


# Stop-limits ---------------------------------------------------------------------------------------------------------


def stop_limit(stop, limit):
    return [order(0, 5.0, stop=stop, limit=limit)]


@pytest.mark.parametrize(
    ("limit", "close", "filled"),
    [
        (12.0, 10.0, [(1, 5.0, 11.0, "inside")]),  # limit beyond the stop: at the stop
        (10.5, 11.5, []),  # limit on the better side, C above it: rests from bar 2
        (10.5, 10.25, [(1, 5.0, 10.5, "inside")]),  # C at or through the limit proves it
    ],
)
def test_a_stop_limit_triggered_inside(limit, close, filled):
    assert fills(play([10, (10, 12, 10, close)], stop_limit(11.0, limit)), "phase") == filled


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


# Trails --------------------------------------------------------------------------------------------------------------


TRAIL_BARS = [10, 10, (10, 12, 10, 10.5), 10.5]  # 12 x 0.9 = 10.8: the close of bar 2 is below it


def test_a_trailing_order_follows_the_best_price_of_earlier_bars():
    rows = [order(0, 5.0), order(0, -5.0, trail=2.0)]
    # the mark is 10, then 12 from bar 1: the level of bar 2 is 10, whatever its own high of 13 would make of it
    result = play([10, (10, 12, 9, 12), (12, 13, 10, 11.5)], rows)
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 10.0)]
    assert fills(play([10, (10, 12, 8.5, 12), (12, 13, 10.5, 12)], rows)) == [(1, 5.0, 10.0)]
    # decided at 10 on bar 1; bar 2 makes the mark 14: level 12 for bar 3, whose own high of 16 does not count
    rows = [order(0, 10.0), order(1, -10.0, trail=2.0)]
    result = play([10, 10, (10, 14, 10, 14), (14, 16, 11.5, 15)], rows)
    assert fills(result)[1:] == [(3, -10.0, 12.0)]


def test_a_trailing_buy_follows_the_lowest_price():
    rows = [order(0, 5.0, trail=2.0)]
    assert fills(play([10, (10, 10, 7, 7.5), (7.5, 9.5, 7, 9)], rows)) == [(2, 5.0, 9.0)]


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
    rows = [order(0, 10.0), order(1, -10.0, trail=1.0)]
    lagged = play(TRAIL_BARS, rows)
    assert fills(lagged)[1:] == [(3, -10.0, 10.5)]
    assert ambiguous(lagged) == [(2, "trail")]
    assert fills(play(TRAIL_BARS, rows, trail_timing="proved"))[1:] == [(2, -10.0, 10.5)]
    # own high 15 makes the level 13, C = 12.5 is below it; the level of the mark before (10) is 8, not reached
    bars, rows = [10, 10, (10, 15, 10, 12.5)], [order(0, 10.0), order(1, -10.0, trail=2.0)]
    lagged = play(bars, rows)
    assert len(fills(lagged)) == 1 and ambiguous(lagged) == [(2, "trail")]
    assert fills(play(bars, rows, trail_timing="proved"), "phase")[1:] == [(2, -10.0, 12.5, "inside")]
