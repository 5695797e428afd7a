"""Stops, targets, trails, break-even and time exits of a position, and the quiet bars between them (clause 5, 4.4)."""

import pytest

from contract.by_hand import ambiguous, ends, fills, order, play

BUY = [order(0, 10.0)]


SHORT = {"allow_short_selling": True}


def exits(result):
    """(bar, price, reason) of what closed the position."""
    return [(bar, price, origin) for bar, shares, price, origin in fills(result, "origin")][1:]


# 5.1 Levels ----------------------------------------------------------------------------------------------------------


def test_a_stop_loss_is_a_fraction_of_the_basis_and_pays_stop_slippage():
    result = play([10, 10, (10, 10, 8, 9)], BUY, stop_loss=0.1, stop_slippage_rate=0.1)
    assert exits(result) == [(2, 8.1, "stop_loss")]
    result = play([10, 10, (10, 12, 10, 11)], [order(0, -10.0)], stop_loss=0.1, **SHORT)
    assert exits(result) == [(2, 11.0, "stop_loss")]


@pytest.mark.parametrize(
    ("low", "open_", "price", "phase"),
    [
        (8.75, 10.0, 9.0, "inside"),  # touched inside: at the stop, 10 % below 10
        (8.0, 8.5, 8.5, "open"),  # gapped through: at the open
    ],
)
def test_a_stop_loss_fills_at_the_stop_or_the_open(low, open_, price, phase):
    result = play([10, 10, (open_, 10, low, 9.5)], BUY, stop_loss=0.1)
    assert fills(result, "phase")[1:] == [(2, -10.0, price, phase)]
    assert result.trades["exit_reason"].to_list() == ["stop_loss"]


def test_a_take_profit_is_a_passive_limit_inside_and_improves_at_the_open():
    # bought at 10 x 1.01 = 10.1; target 10.1 x 1.1 = 11.11, without slippage; the open of 12 with it
    result = play([10, 10, (10, 12, 10, 11)], BUY, take_profit=0.1, slippage_rate=0.01, maker_rate=0.0)
    assert fills(result, "passive")[1] == (2, -10.0, 11.11, True)
    assert exits(play([10, 10, 12], BUY, take_profit=0.1)) == [(2, 12.0, "take_profit")]
    result = play([10, 10, 12], BUY, take_profit=0.1, slippage_rate=0.01)
    assert fills(result, "phase")[1] == (2, -10.0, 11.88, "open")
    result = play([10, 10, (10, 10, 8, 9)], [order(0, -10.0)], take_profit=0.1, **SHORT)
    assert exits(result) == [(2, 9.0, "take_profit")]


def test_the_rules_of_an_order_replace_the_defaults_one_by_one():
    result = play([10, 10, (10, 10, 8, 9), 12], [order(0, 10.0, stop_loss=0.3)], stop_loss=0.1, take_profit=0.15)
    assert exits(result) == [(3, 12.0, "take_profit")]


def test_a_rule_of_the_opening_order_may_be_nearer_or_off():
    bars = [10, 10, (10, 10, 8.75, 9.5)]
    assert exits(play(bars, [order(0, 10.0, stop_loss=0.05)], stop_loss=0.1)) == [(2, 9.5, "stop_loss")]
    assert exits(play(bars, [order(0, 10.0, stop_loss=float("inf"))], stop_loss=0.1)) == []


def test_the_basis_is_the_average_fill_or_the_price_of_the_signal():
    bars = [10, 12, (12, 12, 10.5, 11), (11, 11, 8.75, 9)]
    assert exits(play(bars, BUY, stop_loss=0.1)) == [(2, 10.8, "stop_loss")]
    assert exits(play(bars, BUY, stop_loss=0.1, rule_basis="signal")) == [(3, 9.0, "stop_loss")]


def test_adding_to_a_position_moves_its_basis_at_the_same_open():
    # 10 at 10 and 10 at 20: the stop is 0.9 x 15 for the rest of the bar
    result = play([10, 10, (20, 20, 13, 15)], [*BUY, order(1, 10.0)], stop_loss=0.1)
    assert fills(result)[2] == (2, -20.0, 13.5)


def test_a_trail_is_armed_by_its_activation_profit_only():
    bars = [10, 10, (10, 10.5, 10, 10.5), (10.5, 10.5, 9, 9.25), (9.25, 12, 9.25, 12), (12, 12, 10, 10)]
    result = play(bars, BUY, trailing_stop=0.1, trail_activation=0.15)
    assert exits(result) == [(5, 10.8, "trailing_stop")]


def test_a_trail_that_its_mark_has_armed_follows_it_from_the_next_bar_on():
    # bought at 10; the high of 12 arms it (activation 10 %: 11): level 12 x 0.9 = 10.8 from bar 3 on
    rules = {"trailing_stop": 0.1, "trail_activation": 0.1}
    assert exits(play([10, 10, (10, 12, 10, 12), (12, 12, 10.5, 11)], BUY, **rules)) == [(3, 10.8, "trailing_stop")]
    # never at 11: never armed
    assert exits(play([10, 10, (10, 10.9, 10, 10.9), (10.9, 10.9, 9, 9.5)], BUY, **rules)) == []


def test_an_armed_trail_stays_armed_when_the_basis_rises():
    bars = [10, 10, (10, 12, 10, 12), (12, 12, 11.5, 12), (12, 12, 10, 11)]
    result = play(bars, [*BUY, order(2, 10.0)], trailing_stop=0.1, trail_activation=0.2)
    # basis 11 after the second buy: a mark of 12 would no longer arm it
    assert fills(result)[2] == (4, -20.0, 10.8)


def test_a_trail_follows_the_mark_of_earlier_bars():
    bars = [10, 10, (10, 12, 10, 12), (12, 14, 11, 13.5), 13]
    result = play(bars, BUY, trailing_stop=0.1)
    assert exits(result) == []  # 10.8 in bar 3; 12.6 from bar 4 on


def test_the_water_mark_is_the_extreme_or_the_close():
    bars = [10, 10, (10, 12, 10, 11), (11, 11, 9, 10)]
    resting = order(0, 1.0, limit=1.0)  # with an order that waits no bar is quiet
    for rows in (BUY, [*BUY, resting]):
        assert exits(play(bars, rows, trailing_stop=0.1)) == [(3, 10.8, "trailing_stop")]
        assert exits(play(bars, rows, trailing_stop=0.1, water_mark="close")) == [(3, 9.9, "trailing_stop")]


def test_a_position_born_inside_has_the_close_for_its_first_mark():
    bars = [10, (10, 15, 8.9, 11), (11, 11, 9.5, 10)]
    rows = [order(0, 10.0, limit=9.0)]
    assert exits(play(bars, rows, trailing_stop=0.1)) == [(2, 9.9, "trailing_stop")]


def test_break_even_puts_the_stop_at_the_average_price():
    bars = [10, 10, (10, 12, 10, 12), (12, 12, 9, 9.5)]
    result = play(bars, BUY, break_even=0.2, stop_loss=0.3)
    assert exits(result) == [(3, 10.0, "break_even")]
    assert exits(play(bars, BUY, break_even=0.25, stop_loss=0.05)) == [(3, 9.5, "stop_loss")]
    # a high of 11 is 10 x 1.1, which is 11.000000000000002 in float64
    at_it = play([10, 10, (10, 11, 10, 11), (11, 11, 9, 9)], BUY, break_even=0.1, stop_loss=0.5)
    assert exits(at_it) == [(3, 10.0, "break_even")]
    assert at_it.trades["exit_reason"].to_list() == ["break_even"]


def test_the_highest_stop_is_in_force_and_gives_the_reason():
    bars = [10, 10, (10, 12, 10, 12), (12, 12, 9, 9.5)]
    result = play(bars, BUY, break_even=0.2, stop_loss=0.3, trailing_stop=0.15)
    assert exits(result) == [(3, 10.2, "trailing_stop")]


@pytest.mark.parametrize("limit", ["through", "touch"])
def test_a_target_is_met_as_limits_are(limit):
    result = play([10, 10, (10, 11, 10, 10), 10], [order(0, 10.0, take_profit_price=11.0)], limit_fill=limit)
    assert exits(result) == ([(2, 11.0, "take_profit")] if limit == "touch" else [])


# 5.2 What fires ------------------------------------------------------------------------------------------------------


def test_a_time_exit_is_decided_at_the_close_of_its_bar_and_leaves_at_the_next_open():
    bars = [10, 10, 10, 10, (11, 12, 11, 12), 12]
    result = play(bars, BUY, time_exit=3)
    assert exits(result) == [(4, 11.0, "time_exit")]  # bars 1, 2, 3; the open of bar 4
    assert result.orders["timestamp"].to_list() == [0, 3]


def test_of_a_fill_at_the_deciding_close_the_next_bar_is_the_first():
    result = play([10, 10, 10, 11, 12], BUY, time_exit=2, timing="same_bar_close")
    assert [(bar, price) for bar, _, price in fills(result)] == [(0, 10.0), (2, 10.0)]


def test_a_time_exit_takes_the_rest_of_the_target_out():
    bars = [(10, 10, 10, 10, 4000), (10, 10, 10, 10, 4000), (10, 12, 10, 11, 400), (11, 11, 11, 11, 4000)]
    rows = [order(0, 100.0, take_profit_price=11.5)]
    result = play(bars, rows, time_exit=2, max_participation=0.1)
    assert exits(result) == [(2, 11.5, "take_profit"), (3, 11.0, "time_exit")]
    assert ends(result)[1:] == [("cancelled", "group", 40.0), ("filled", None, 60.0)]


def test_what_a_cap_leaves_of_a_stop_is_a_market_order_at_the_next_opens():
    bars = [(10, 10, 10, 10, 4000), (10, 10, 10, 10, 4000), (10, 10, 8, 9, 400), (12, 12, 12, 12, 400)]
    result = play([*bars, (13, 13, 13, 13, 400)], [order(0, 100.0)], stop_loss=0.1, max_participation=0.1)
    assert exits(result) == [(2, 9.0, "stop_loss"), (3, 12.0, "stop_loss"), (4, 13.0, "stop_loss")]
    assert len(result.orders) == 2  # one order; it does not fire again while it lives


def test_a_stop_takes_the_rest_of_the_target_out():
    bars = [(10, 10, 10, 10, 4000), (10, 10, 10, 10, 4000), (10, 12, 10, 10, 400), (10, 10, 8, 9, 4000)]
    result = play(bars, [order(0, 100.0)], take_profit=0.1, stop_loss=0.1, max_participation=0.1)
    assert exits(result) == [(2, 11.0, "take_profit"), (3, 9.0, "stop_loss")]
    assert ends(result)[1:] == [("cancelled", "group", 40.0), ("filled", None, 60.0)]


def test_a_stop_out_keeps_entries_away_for_its_cooldown():
    bars = [10, 10, (10, 10, 8, 9), 9, 9, 9]
    again = [order(bar, 5.0) for bar in (2, 3, 4)]
    result = play(bars, [*BUY, *again], stop_loss=0.1, cooldown=2)
    assert ends(result)[2:] == [("rejected", "cooldown", 0.0), ("rejected", "cooldown", 0.0), ("filled", None, 5.0)]
    result = play([10, 10, (10, 12, 10, 11), 11], [*BUY, order(2, 5.0)], take_profit=0.1, cooldown=2)
    assert fills(result)[2:] == [(3, 5.0, 11.0)]  # a target starts none


# Quiet bars: one position between its levels is walked without the phases --------------------------------------------


def test_quiet_bars_end_at_the_level_and_not_beyond():
    calm = [(10, 10.5, 9.5, 10)] * 20
    assert exits(play([10, *calm, (10, 10.5, 9, 10), 10], BUY, stop_loss=0.1)) == [(21, 9.0, "stop_loss")]
    assert exits(play([10, *calm, (10, 11.5, 9.5, 10), 10], BUY, take_profit=0.1)) == [(21, 11.0, "take_profit")]
    short = play([10, *calm, (10, 11, 9.5, 10), 10], [order(0, -10.0)], stop_loss=0.1, **SHORT)
    assert exits(short) == [(21, 11.0, "stop_loss")]


def test_quiet_bars_raise_the_trail_and_count_what_the_close_proves():
    climb = [(x, x + 1, x - 0.25, x + 1) for x in range(10, 15)]
    result = play([10, *climb, (15, 20, 15, 16), (16, 16, 15, 15)], BUY, trailing_stop=0.1)
    assert ambiguous(result) == [(6, "trail")]  # 20 x 0.9 = 18 is above the close of 16
    assert exits(result) == [(7, 16.0, "trailing_stop")]


def test_quiet_bars_keep_the_statistics_of_the_account():
    closes = [10, 10, 12, 11, 9, 9.5, 13]
    calm = play(closes, BUY, initial_cash=100.0)
    # with an order that rests far away the same bars go through all phases
    busy = play(closes, [*BUY, order(0, 1.0, limit=1.0)], initial_cash=100.0)
    same = ("final_value", "volatility", "sharpe", "sortino", "max_drawdown")
    assert {name: calm.metrics[name] for name in same} == {name: busy.metrics[name] for name in same}
    assert round(calm.metrics["max_drawdown"], 9) == 0.25
    assert calm.equity.equals(busy.equity)
    quiet_trade = play([*closes, 13], [*BUY, order(6, -10.0)], initial_cash=100.0)
    assert quiet_trade.trades.select("mfe", "mae").rows() == [(0.3, -0.1)]


def test_quiet_bars_end_before_an_account_is_bankrupt():
    result = play([10, 10, 15, 21, 9], [order(0, -10.0)], allow_short_selling=True, initial_cash=100.0)
    assert result.fills.select("timestamp", "price", "origin").rows()[1:] == [(3, 21.0, "bankruptcy")]
    assert result.metrics["final_value"] == -10.0


def test_a_trail_of_a_quiet_bar_is_counted():
    result = play([10, 10, (10, 30, 10, 18)], BUY, trailing_stop=0.2)
    assert ambiguous(result) == [(2, "trail")]  # 30 x 0.8 = 24 is above the close of 18, the stop in force was 8


def test_excursions_of_quiet_bars_are_those_of_their_extremes():
    calm = [(10, 11, 9, 10)] * 4
    result = play([10, 10, *calm, 10, 10], [*BUY, order(6, -10.0)])
    assert result.trades.select("mfe", "mae").rows() == [(0.1, -0.1)]
