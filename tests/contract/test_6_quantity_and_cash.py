"""Touch and tolerance, costs and limits, lots, the volume budget and the cash check (clauses 3.1, 6.1 to 6.3,
7.1, 7.2)."""

import pytest

from contract.by_hand import ends, fills, order, play

DIP_TO_NINE = [10, (10, 10, 9, 10), (10, 10, 8.5, 10)]


def test_a_limit_needs_a_trade_through_it_unless_touch_is_asked_for():
    buy = [order(0, 5.0, type="limit", limit_price=9.0)]
    assert fills(play(DIP_TO_NINE, buy)) == [(2, 5.0, 9.0)]
    assert fills(play(DIP_TO_NINE, buy, limit_fill="touch")) == [(1, 5.0, 9.0)]
    spike = [10, (10, 11, 10, 10), (10, 11.5, 10, 10)]
    sell = [order(0, -5.0, type="limit", limit_price=11.0)]
    assert fills(play(spike, sell, allow_short_selling=True)) == [(2, -5.0, 11.0)]
    assert fills(play(spike, sell, allow_short_selling=True, limit_fill="touch")) == [(1, -5.0, 11.0)]


def test_a_stop_triggers_when_the_bar_touches_it():
    below = [order(0, -5.0, type="stop", stop_price=9.0)]
    assert fills(play(DIP_TO_NINE, below, allow_short_selling=True)) == [(1, -5.0, 9.0)]
    above = [order(0, 5.0, type="stop", stop_price=11.0)]
    assert fills(play([10, (10, 11, 10, 10), 10], above)) == [(1, 5.0, 11.0)]


def test_a_computed_level_equals_a_price_but_for_rounding():
    # 10 x (1 - 0.07) is 9.299999999999999 in float64: a low of 9.3 is at it all the same.
    result = play([10, 10, (10, 10, 9.3, 10), 10], [order(0, 5.0)], stop_loss=0.07)
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 9.3)]


def test_a_stop_through_which_the_open_gaps_fills_at_the_open():
    result = play([10, 10, (8, 8.5, 7, 8)], [order(0, 5.0), order(1, -5.0, type="stop", stop_price=9.0)])
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 8.0)]
    result = play([10, (12, 13, 11, 12)], [order(0, 5.0, type="stop", stop_price=11.0)])
    assert fills(result) == [(1, 5.0, 12.0)]


def test_a_limit_better_than_the_open_improves_and_one_equal_to_it_waits_for_a_trade_through():
    assert fills(play([10, (8, 10, 7, 9)], [order(0, 5.0, type="limit", limit_price=9.0)])) == [(1, 5.0, 8.0)]
    equal = [order(0, 5.0, type="limit", limit_price=9.0)]
    assert fills(play([10, (9, 10, 8, 9)], equal), "phase") == [(1, 5.0, 9.0, "inside")]
    assert fills(play([10, (9, 10, 8, 9)], equal, limit_fill="touch"), "phase") == [(1, 5.0, 9.0, "open")]


def test_costs_never_push_a_fill_beyond_its_limit():
    costly = {"slippage_rate": 0.10, "allow_short_selling": True}
    buys = [order(0, 5.0), order(0, 5.0, type="limit", limit_price=10.5), order(0, 5.0, type="limit", limit_price=12.0)]
    assert fills(play([10, 10], buys, **costly)) == [(1, 5.0, 11.0), (1, 5.0, 10.5), (1, 5.0, 11.0)]
    sells = [order(0, -5.0), order(0, -5.0, type="limit", limit_price=9.5)]
    assert fills(play([10, 10], sells, **costly)) == [(1, -5.0, 9.0), (1, -5.0, 9.5)]


def test_a_limit_met_inside_the_bar_pays_no_slippage():
    dear = {"slippage_rate": 0.10, "spread": 0.02}
    result = play([10, (10, 10, 8, 10)], [order(0, 5.0, type="limit", limit_price=9.0)], **dear)
    assert fills(result, "passive", "slippage") == [(1, 5.0, 9.0, True, 0.0)]


def test_spread_slippage_and_stop_slippage_are_adverse_and_add_up():
    # half of the spread 0.02, slippage 0.01 and 0.5 a share; a stop 0.05 more
    costs = {"spread": 0.02, "slippage_rate": 0.01, "slippage_fixed": 0.5, "stop_slippage_rate": 0.05}
    rows = [order(0, 10.0), order(1, -4.0), order(1, -6.0, type="stop", stop_price=90.0)]
    result = play([100, 100, (100, 100, 90, 95)], rows, **costs)
    # 100 x 1.02 + 0.5; 100 x 0.98 - 0.5; 90 x 0.93 - 0.5
    assert fills(result, "slippage") == [(1, 10.0, 102.5, 25.0), (2, -4.0, 97.5, 10.0), (2, -6.0, 83.2, 40.8)]


def test_impact_grows_with_what_the_side_has_traded_in_the_bar():
    law = {"impact_coefficient": 0.1, "impact_exponent": 0.5}
    bars = [(100, 100, 100, 100, 1000), (100, 100, 100, 100, 10_000), (100, 100, 100, 100, 2500)]
    result = play(bars, [order(0, 100.0), order(0, 300.0), order(1, -100.0)], **law)
    # 0.1 sqrt(100 / 10,000), then 0.1 sqrt(400 / 10,000); the sells of bar 2 start anew: 0.1 sqrt(100 / 2,500)
    assert fills(result) == [(1, 100.0, 101.0), (1, 300.0, 102.0), (2, -100.0, 98.0)]


def test_impact_scales_with_volatility_when_asked():
    law = {"impact_coefficient": 1.0, "impact_exponent": 0.5, "impact_sigma": 1.0, "volatility_window": 2}
    bars = [(p, p, p, p, 10_000) for p in (100, 110, 99, 100)]
    # before bar 3: returns 0.1 and -0.1, sample deviation 0.1 sqrt(2); x sqrt(100 / 10,000)
    assert fills(play(bars, [order(2, 100.0)], **law)) == [(3, 100.0, round(100 * (1 + 0.1 * 2**0.5 * 0.1), 9))]


def test_quantities_are_floored_toward_zero_to_whole_lots():
    result = play([10, 10, 10], [order(0, 18.0), order(0, 8.0), order(1, -8.0)], lot=5)
    assert fills(result) == [(1, 15.0, 10.0), (1, 5.0, 10.0), (2, -5.0, 10.0)]
    assert ends(result) == [("cancelled", "lot", 15.0), ("cancelled", "lot", 5.0), ("cancelled", "lot", 5.0)]
    # 0.3 / 0.1 is 2.9999999999999996: three lots, because 1e-9 lots are added first
    assert fills(play([10, 10], [order(0, 0.3)], lot=0.1)) == [(1, 0.3, 10.0)]


def test_all_orders_of_an_asset_and_bar_share_one_budget():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 8, 10, 1000), (10, 10, 10, 10, 1000)]
    rows = [order(0, 80.0), order(0, 50.0), order(0, 30.0, type="limit", limit_price=9.0)]
    result = play(bars, rows, max_participation=0.10)
    # 10 % of 1,000: the second order waits for bar 2 and the limit met inside bar 1 has nothing left
    assert fills(result) == [(1, 80.0, 10.0), (1, 20.0, 10.0), (2, 30.0, 10.0)]


def test_buys_and_sells_use_one_budget():
    bars = [(10, 10, 10, 10, 1000)] * 4
    rows = [order(0, 100.0), order(1, -70.0), order(1, 70.0)]
    assert fills(play(bars, rows, max_participation=0.10)) == [
        (1, 100.0, 10.0),
        (2, -70.0, 10.0),
        (2, 30.0, 10.0),
        (3, 40.0, 10.0),
    ]


def test_the_volume_of_the_bar_before_is_no_licence_beyond_that_of_the_bar():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 60), (10, 10, 10, 10, 1000)]
    result = play(bars, [order(0, 100.0)], max_participation=0.10, volume_basis="previous")
    # bar 1: min(10 % of 1,000, 60); bar 2: min(10 % of 60, 1,000)
    assert fills(result) == [(1, 60.0, 10.0), (2, 6.0, 10.0)]


def test_a_buy_shrinks_to_what_cash_pays_with_its_costs():
    result = play([10, 10], [order(0, 150.0)], initial_cash=1000.0, commission_rate=0.01)
    assert fills(result) == [(1, 99.0, 10.0)]  # 99 x 10.1 = 999.9
    assert ends(result) == [("cancelled", "cash", 99.0)]
    result = play([10, 10], [order(0, 150.0)], initial_cash=1000.0, commission_per_trade=15.0)
    assert fills(result) == [(1, 98.0, 10.0)]  # 980 + 15
    result = play([10, 10], [order(0, 150.0)], initial_cash=1000.0, commission_per_trade=15.0, lot=0)
    assert fills(result) == [(1, 98.5, 10.0)]


def test_a_short_needs_its_value_as_cash():
    result = play([10, 10], [order(0, -150.0)], initial_cash=1000.0, allow_short_selling=True)
    assert fills(result) == [(1, -100.0, 10.0)]


def test_a_short_of_cash_order_is_refused_whole_when_asked():
    result = play([10, 10, 9], [order(0, 150.0), order(0, 100.0)], initial_cash=1000.0, shortfall="reject")
    assert fills(result) == [(1, 100.0, 10.0)]
    assert ends(result) == [("rejected", "cash", 0.0), ("filled", None, 100.0)]


@pytest.mark.parametrize("later", [0, 1])
def test_twice_the_value_of_all_shorts_is_not_spendable(later):
    # after the short: cash 1,400, shorts 400: 1,400 - 800 = 600 for B, at the same open or at the next
    bars = {"A": [10, 10, 10], "B": [10, 10, 10]}
    rows = [order(0, -40.0), order(later, 100.0, symbol="B")]
    result = play(bars, rows, initial_cash=1000.0, allow_short_selling=True)
    assert fills(result) == [(1, -40.0, 10.0), (1 + later, 60.0, 10.0)]


def test_shorts_are_valued_at_the_open_for_the_cash_check():
    bars = {"A": [10, 10, 12], "B": [10, 10, 10]}
    rows = [order(0, -40.0), order(1, 100.0, symbol="B")]
    result = play(bars, rows, initial_cash=1000.0, allow_short_selling=True)
    assert fills(result) == [(1, -40.0, 10.0), (2, 44.0, 10.0)]  # 1,400 - 2 x 480 = 440


def test_proceeds_of_exits_inside_the_bar_are_not_spendable_inside_it():
    bars = {"A": [10, 10, (10, 12, 9.5, 10)], "B": [10, 10, (10, 10, 8, 10)]}
    rows = [
        order(0, 100.0),
        order(1, 10.0, type="limit", limit_price=5.0),  # out of range, yet it lets A be walked before B
        order(1, -100.0, type="limit", limit_price=11.0),
        order(1, 50.0, symbol="B", type="limit", limit_price=9.0),
    ]
    result = play(bars, rows, initial_cash=1090.0)
    # 90 were left at the open: 10 of B, though A has brought 1,100 by then
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 11.0), (2, 10.0, 9.0)]


def test_entries_inside_the_bar_share_what_the_open_left():
    bars = {"A": [10, (10, 10, 8, 10)], "B": [10, (10, 10, 8, 10)]}
    rows = [
        order(0, 60.0, type="limit", limit_price=9.0),
        order(0, -20.0, type="stop", stop_price=8.5),
        order(0, 60.0, symbol="B", type="limit", limit_price=9.0),
    ]
    # 900 - 540 leave 360 for B; the 170 that A's stop brings on the way down are not spendable inside the bar
    assert fills(play(bars, rows, initial_cash=900.0)) == [(1, 60.0, 9.0), (1, -20.0, 8.5), (1, 40.0, 9.0)]
