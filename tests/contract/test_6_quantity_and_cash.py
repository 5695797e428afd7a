"""The volume budget, the cash check, lots and minima (clauses 6.1 to 6.3)."""

import pytest

from contract.by_hand import ends, fills, order, play

# 6.1 The budget ------------------------------------------------------------------------------------------------------


def test_all_orders_of_an_asset_and_bar_share_one_budget():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 8, 10, 1000), (10, 10, 10, 10, 1000)]
    rows = [order(0, 80.0), order(0, 50.0), order(0, 30.0, limit=9.0)]
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


def test_the_volume_of_the_bar_before_may_be_the_basis():
    bars = [(10, 10, 10, 10, 200), (10, 10, 10, 10, 1_000), (10, 10, 10, 10, 1_000)]
    result = play(bars, [order(0, 100)], max_participation=0.10, volume_basis="previous")
    assert fills(result) == [(1, 20.0, 10.0), (2, 80.0, 10.0)]


def test_the_volume_of_the_bar_before_is_no_licence_beyond_that_of_the_bar():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 60), (10, 10, 10, 10, 1000)]
    result = play(bars, [order(0, 100.0)], max_participation=0.10, volume_basis="previous")
    # bar 1: min(10 % of 1,000, 60); bar 2: min(10 % of 60, 1,000)
    assert fills(result) == [(1, 60.0, 10.0), (2, 6.0, 10.0)]


# 6.2 Cash ------------------------------------------------------------------------------------------------------------


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


# 6.3 Lots and minima -------------------------------------------------------------------------------------------------


def test_quantities_are_floored_toward_zero_to_whole_lots():
    result = play([10, 10, 10], [order(0, 18.0), order(0, 8.0), order(1, -8.0)], lot=5)
    assert fills(result) == [(1, 15.0, 10.0), (1, 5.0, 10.0), (2, -5.0, 10.0)]
    assert ends(result) == [("cancelled", "lot", 15.0), ("cancelled", "lot", 5.0), ("cancelled", "lot", 5.0)]
    # 0.3 / 0.1 is 2.9999999999999996: three lots, because 1e-9 lots are added first
    assert fills(play([10, 10], [order(0, 0.3)], lot=0.1)) == [(1, 0.3, 10.0)]


def test_a_rest_below_a_lot_is_cut_and_less_than_a_lot_or_the_minimum_is_refused():
    result = play([10] * 3, [order(0, 25)], lot=10)
    assert fills(result) == [(1, 20.0, 10.0)] and ends(result) == [("cancelled", "lot", 20.0)]
    assert ends(play([10] * 2, [order(0, 9)], lot=10)) == [("rejected", "lot", 0.0)]
    assert ends(play([10] * 2, [order(0, 9)], min_notional=100)) == [("rejected", "minimum", 0.0)]


def test_a_residue_of_rounding_is_flat():
    # 0.1 + 0.2 is 0.30000000000000004
    result = play([10, 10, 10, 10], [order(0, 0.1), order(0, 0.2), order(1, -0.3)], lot=0)
    assert len(result.trades) == 1
    assert result.equity["open_positions"].to_list() == [0, 1, 0, 0]
