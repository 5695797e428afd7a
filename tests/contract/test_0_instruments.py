"""Futures, perpetuals, multipliers, lots and margins of their own (0.7), funding (1.2)."""

from datetime import date

import pytest

from contract.by_hand import order
from contract.on_terms import told

THURSDAY, FRIDAY, MONDAY, TUESDAY = (date(2024, 1, day) for day in (4, 5, 8, 9))
MARGIN = {"account": "margin"}


def future(multiplier, **more):
    """The row of a future."""
    return {"kind": "future", "multiplier": float(multiplier), **more}


def weights(*rows):
    """Target weights, a row a bar."""
    return {
        "kind": "weights",
        "rows": [{"bar": bar, "targets": list(row)} for bar, row in enumerate(rows)],
        "min_notional": None,
        "min_weight_change": 0.0,
    }


# What a fill and a mark pay -------------------------------------------------------------------------------------------


def test_the_worked_example_a_future_is_held_over_a_missing_bar():
    bars = [100, (100, 101, 100, 101), None, (99, 102, 99, 102)]
    rows = [order(0, 2), order(1, -1)]
    config = {"initial_cash": 10_000.0, "commission_per_trade": 5.0, **MARGIN}
    for run in told(bars, rows, instruments={"A": future(50)}, **config):
        assert run.fills == [(1, "A", 2.0, 100.0), (3, "A", -1.0, 99.0)], run.judge
        # bar 1: -5 and 2 x (101 - 100) x 50 = +100; bar 2: no bar, no mark; bar 3: 1 x (99 - 101) x 50 = -100, -5 of
        # fee, and 1 x (102 - 101) x 50 = +50 of the other
        assert run.cash == pytest.approx([10_000, 10_095, 10_095, 10_040]), run.judge
        assert run.equity == pytest.approx(run.cash), run.judge
        # 2 x 101 x 50 while no bar follows, then 1 x 102 x 50
        assert run.gross == pytest.approx([0, 10_100, 10_100, 5_100]), run.judge
        assert run.fees == pytest.approx(10.0), run.judge


def test_an_addition_gains_from_its_own_fill_on():
    bars = [100, (100, 101, 100, 101), (103, 104, 103, 104), 104]
    rows = [order(0, 2), order(1, 1), order(2, -3)]
    for run in told(bars, rows, instruments={"A": future(10)}, initial_cash=5_000.0, **MARGIN):
        # bar 1: 2 x 1 x 10 = 20; bar 2: 2 x (104 - 101) x 10 + 1 x (104 - 103) x 10 = 70; bar 3 sells at its mark
        assert run.cash == pytest.approx([5_000, 5_020, 5_090, 5_090]), run.judge


def test_what_is_closed_before_the_mark_gains_from_the_fills():
    # 2 at the open at 100, 1 inside at a limit of 98, all three sold at the close at 99 by an order of that bar
    bars = [100, (100, 100, 97, 99), 99]
    rows = [order(0, 2), order(0, 1, limit=98), order(0, -2, type="market", time_in_force="at_close")]
    for run in told(bars, rows, instruments={"A": future(10)}, initial_cash=5_000.0, **MARGIN):
        assert run.fills == [(1, "A", 2.0, 100.0), (1, "A", 1.0, 98.0), (1, "A", -2.0, 99.0)], run.judge
        # 2 x (99 - 100) x 10 + 1 x (99 - 98) x 10 = -10, whichever contracts are said to be sold
        assert run.cash == pytest.approx([5_000, 4_990, 4_990]), run.judge


def test_a_short_future_that_turns_is_paid_on_each_leg():
    bars = [100, 100, (98, 99, 98, 99)]
    rows = [order(0, -2), order(1, 3)]
    config = {"initial_cash": 1_000.0, "allow_short_selling": True, **MARGIN}
    for run in told(bars, rows, instruments={"A": future(5)}, **config):
        assert run.fills == [(1, "A", -2.0, 100.0), (2, "A", 2.0, 98.0), (2, "A", 1.0, 98.0)], run.judge
        # -2 x (98 - 100) x 5 = +20, then 1 x (99 - 98) x 5 = +5
        assert run.cash == pytest.approx([1_000, 1_000, 1_025]), run.judge


def test_a_future_opened_at_the_deciding_close_is_marked_there():
    for run in told(
        [100, 102],
        [order(0, 1)],
        instruments={"A": future(50)},
        initial_cash=10_000.0,
        slippage_fixed=0.5,
        timing="same_bar_close",
        **MARGIN,
    ):
        # filled at C + 0.5 = 100.5 and marked at 100: -0.5 x 50 = -25; then 2 x 50 = +100
        assert run.cash == pytest.approx([9_975, 10_075]), run.judge


def test_equity_is_cash_and_the_value_of_stocks():
    prices = {"A": [100, 100, 101], "S": [10, 10, 12]}
    rows = [order(0, 1), order(0, 100, "S")]
    for run in told(prices, rows, instruments={"A": future(50)}, initial_cash=10_000.0, **MARGIN):
        # 100 shares at 10 are paid, 1 contract is not: 9,000, then + 1 x 50
        assert run.cash == pytest.approx([10_000, 9_000, 9_050]), run.judge
        assert run.equity == pytest.approx([10_000, 10_000, 9_050 + 1_200]), run.judge
        assert run.gross == pytest.approx([0, 5_000 + 1_000, 5_050 + 1_200]), run.judge


def test_a_future_can_take_an_account_below_zero():
    for run in told([100, 100, 30], [order(0, 2)], instruments={"A": future(50)}, initial_cash=6_000.0, **MARGIN):
        # 2 x (30 - 100) x 50 = -7,000; closed at its mark, which moves nothing any more
        assert run.cash == pytest.approx([6_000, 6_000, -1_000]), run.judge
        assert run.fills[-1] == (2, "A", -2.0, 30.0), run.judge
        assert [event[:3] for event in run.events] == [(2, None, "bankrupt")], run.judge
        assert run.events[0][4] == pytest.approx(-1_000), run.judge


def test_a_delisted_future_is_paid_up_to_its_recovery_value():
    actions = [(2, "A", "delisting", 97.0)]
    config = {"initial_cash": 6_000.0, **MARGIN}
    for run in told([100, (100, 101, 100, 101), None], [order(0, 2)], actions, instruments={"A": future(50)}, **config):
        # +100 at 101, then 2 x (97 - 101) x 50 = -400
        assert run.cash == pytest.approx([6_000, 6_100, 5_700]), run.judge


# Sizes, costs, lots ---------------------------------------------------------------------------------------------------


def test_costs_are_of_the_value_and_commissions_a_share_are_a_contract():
    config = {
        "initial_cash": 10_000.0,
        "spread": 0.002,
        "slippage_rate": 0.001,
        "slippage_fixed": 0.01,
        "commission_rate": 0.0005,
        "commission_per_share": 1.5,
        "sell_tax_rate": 0.001,
        **MARGIN,
    }
    rows = [order(0, 2), order(1, -2)]
    for run in told([100, 100, 100], rows, instruments={"A": future(50)}, **config):
        # 100 x 1.002 + 0.01 = 100.21, 100 x 0.998 - 0.01 = 99.79: 2 x 0.21 x 50 = 21 of slippage each
        assert run.fills == [(1, "A", 2.0, 100.21), (2, "A", -2.0, 99.79)], run.judge
        assert run.slippage == pytest.approx(42.0), run.judge
        # 10,021 x 0.0005 + 2 x 1.5 = 8.0105; 9,979 x 0.0015 + 3 = 17.9685
        assert run.fees == pytest.approx(25.979), run.judge
        # -8.0105 - 21 to the mark of 100; then the sale 21 below it and its fee
        assert run.cash == pytest.approx([10_000, 9_970.9895, 9_932.021]), run.judge


def test_a_tier_counts_the_value_of_contracts():
    tiers = [(0.0, 0.001), (10_000.0, 0.0005)]
    for run in told(
        [100, 100],
        [order(0, 3)],
        instruments={"A": future(50)},
        initial_cash=20_000.0,
        commission_tiers=tiers,
        **MARGIN,
    ):
        # 15,000: 10,000 x 0.001 + 5,000 x 0.0005
        assert run.fees == pytest.approx(12.5), run.judge


@pytest.mark.parametrize(("multiplier", "contracts"), [(5, 50.0), (0.1, 2_500.0), (50, 5.0)])
def test_weights_are_of_the_value(multiplier, contracts):
    for run in told(
        [20, 20], weights([0.5], [None]), instruments={"A": future(multiplier)}, initial_cash=10_000.0, **MARGIN
    ):
        # 0.5 x 10,000 / (20 x m)
        assert run.fills == [(1, "A", contracts, 20.0)] and run.gross[1] == pytest.approx(5_000), run.judge


@pytest.mark.parametrize(("wanted", "end"), [(1, ("rejected", "minimum", 0.0)), (2, ("filled", None, 2.0))])
def test_min_notional_is_of_the_value(wanted, end):
    config = {"initial_cash": 10_000.0, "min_notional": 2_000.0, **MARGIN}
    for run in told([20, 20], [order(0, wanted)], instruments={"A": future(50)}, **config):
        assert run.ends == [end], run.judge  # 1 x 20 x 50 = 1,000, or 2,000


def test_an_asset_has_its_own_lot_and_a_split_floors_to_it():
    prices = {"A": [12, 12, 8], "B": [12, 12, 12]}
    rows = [order(0, 35), order(0, 5, "B"), order(1, 10)]
    actions = [(2, "A", "split", 1.5)]
    for run in told(prices, rows, actions, instruments={"A": {"lot": 10.0}}, initial_cash=1_000.0):
        # 35 are 30 in lots of 10, 5 of B are 5 in Config's lot of 1; 30 x 1.5 = 45: 40, and 5 are paid at 12 / 1.5 = 8;
        # the order of 10 is one of 15 and keeps 10
        fills = [(1, "A", 30.0, 12.0), (1, "B", 5.0, 12.0), (2, "A", -5.0, 8.0), (2, "A", 10.0, 8.0)]
        assert run.fills == fills, run.judge
        assert run.ends == [("cancelled", "lot", 30.0), ("filled", None, 5.0), ("cancelled", "lot", 10.0)], run.judge
        # 1,000 - 360 - 60 = 580; + 40 - 80 = 540 beside 50 x 8 + 60
        assert run.cash == pytest.approx([1_000, 580, 540]), run.judge
        assert run.equity == pytest.approx([1_000] * 3), run.judge


def test_a_fractional_lot_of_one_asset():
    prices = {"A": [30, 30], "B": [30, 30]}
    strategy = weights([0.5, 0.5], [None, None])
    for run in told(prices, strategy, instruments={"A": {"lot": 0.0}}, initial_cash=1_000.0):
        # 500 / 30 = 16.666..., of B 16
        assert run.fills == [(1, "A", round(50 / 3, 9), 30.0), (1, "B", 16.0, 30.0)], run.judge


# Margins --------------------------------------------------------------------------------------------------------------


def test_margins_by_contract_cut_an_entry_and_call_a_future():
    terms = {"A": future(50, initial=500.0, maintenance=400.0, by_contract=True)}
    for run in told([100, 100, 97, 96, 96], [order(0, 12)], instruments=terms, initial_cash=5_200.0, **MARGIN):
        # 12 x 500 = 6,000: 10 pass. C = 97: E = 5,200 - 3 x 50 x 10 = 3,700, MM = 10 x 400: f = 300 / 4,000, of 10 that
        # is 0.75: 1 contract, at 96. E = 3,700 - 500 = 3,200, MM = 9 x 400: f = 400 / 3,600, of 9 that is 1, at 96;
        # then MM = 3,200, which E is not below
        fills = [(1, "A", 10.0, 100.0), (3, "A", -1.0, 96.0), (4, "A", -1.0, 96.0)]
        assert run.fills == fills, run.judge
        assert run.ends[0] == ("cancelled", "margin", 10.0), run.judge
        assert run.origins == ["order", "margin_call", "margin_call"], run.judge
        calls = [(2, None, "margin_call", None, 3_700.0, 4_000.0), (3, None, "margin_call", None, 3_200.0, 3_600.0)]
        assert run.events == calls, run.judge
        assert run.cash == pytest.approx([5_200, 5_200, 3_700, 3_200, 3_200]), run.judge


@pytest.mark.parametrize(("side", "passed"), [(1, 8.0), (-1, 4.0)])
def test_rates_of_an_instrument_are_of_its_side(side, passed):
    terms = {"A": future(5, initial=0.25, maintenance=0.2, short_initial=0.5, short_maintenance=0.4)}
    config = {"initial_cash": 1_000.0, "allow_short_selling": True, **MARGIN}
    for run in told([100, 100], [order(0, 20 * side)], instruments=terms, **config):
        # a contract is worth 500 and ties up 125 long, 250 short
        assert run.fills == [(1, "A", passed * side, 100.0)], run.judge


def test_rates_given_once_hold_for_both_sides():
    terms = {"A": future(5, initial=0.25, maintenance=0.2)}
    config = {"initial_cash": 1_000.0, "allow_short_selling": True, **MARGIN}
    for run in told([100, 100], [order(0, -20)], instruments=terms, **config):
        assert run.fills == [(1, "A", -8.0, 100.0)], run.judge


# Financing ------------------------------------------------------------------------------------------------------------


def test_a_perpetual_pays_and_receives_three_fundings():
    prices = {"A": [20, 20, 22, 22], "B": [50, 50, 48, 48]}
    terms = {name: {"kind": "perpetual", "multiplier": 10.0} for name in prices}
    rows = [order(0, 3), order(0, -2, "B")]
    funding = [(1, "A", 0.5), (2, "A", 0.001), (2, "B", 0.002), (3, "A", -0.0005)]
    config = {"initial_cash": 10_000.0, "allow_short_selling": True, **MARGIN}
    for run in told(prices, rows, instruments=terms, funding=funding, **config):
        # bar 1: nothing was held before. Bar 2, at the marks of bar 1: -3 x 10 x 20 x 0.001 = -0.6 of the long, and
        # 2 x 10 x 50 x 0.002 = +2 to the short. Bar 3: -3 x 10 x 22 x -0.0005 = +0.33
        paid = [(2, "A", "funding", -0.6), (2, "B", "funding", 2.0), (3, "A", "funding", 0.33)]
        assert run.charges == paid, run.judge
        # bar 2: 1.4 of funding, 3 x 2 x 10 = 60 of A and 2 x 2 x 10 = 40 of B
        assert run.cash == pytest.approx([10_000, 10_000, 10_101.4, 10_101.73]), run.judge


def test_several_fundings_of_one_bar_are_rows_of_their_own():
    sessions = [THURSDAY, FRIDAY, MONDAY, TUESDAY]
    terms = {"A": {"kind": "perpetual"}}
    funding = [(2, "A", 0.001), (2, "A", -0.002), (2, "A", 0.0), (3, "A", 0.004)]
    rows = [order(0, 4), order(2, -4)]
    for run in told([25] * 4, rows, sessions=sessions, instruments=terms, funding=funding, initial_cash=1e4, **MARGIN):
        # 4 x 25 = 100: -0.1 and +0.2, nothing at a rate of 0; sold at the open of Tuesday, it was held before
        paid = [(2, "A", "funding", -0.1), (2, "A", "funding", 0.2), (3, "A", "funding", -0.4)]
        assert run.charges == paid, run.judge


def test_a_perpetual_without_a_bar_is_funded_at_its_mark():
    terms, funding = {"A": {"kind": "perpetual", "multiplier": 2.0}}, [(2, "A", 0.01), (3, "A", 0.01)]
    for run in told([25, 25, None, 30], [order(0, 4)], instruments=terms, funding=funding, initial_cash=1e4, **MARGIN):
        # 4 x 2 x 25 x 0.01 = 2, twice
        assert run.charges == [(2, "A", "funding", -2.0), (3, "A", "funding", -2.0)], run.judge
        assert run.cash == pytest.approx([1e4, 1e4, 9_998, 9_996 + 40]), run.judge


def test_a_short_future_pays_no_borrow_fee_needs_no_locate_and_leaves_its_cash_to_interest():
    sessions = [THURSDAY, FRIDAY, MONDAY]
    config = {
        "initial_cash": 10_000.0,
        "allow_short_selling": True,
        "borrow_fee": 0.36,
        "credit_rate": 0.036,
        "short_availability": "listed",
        **MARGIN,
    }
    for run in told([100] * 3, [order(0, -1)], sessions=sessions, instruments={"A": future(50)}, **config):
        assert run.fills == [(1, "A", -1.0, 100.0)], run.judge
        # 10,000 x 0.036 / 360 = 1, then 10,001 x 0.036 x 3 / 360 = 3.0003
        assert run.charges == [(1, None, "interest", 1.0), (2, None, "interest", 3.0003)], run.judge


def test_selling_a_future_short_needs_leave():
    for run in told([100] * 2, [order(0, -1)], instruments={"A": future(50)}, initial_cash=1e5, **MARGIN):
        assert run.ends == [("rejected", "no_short", 0.0)], run.judge
