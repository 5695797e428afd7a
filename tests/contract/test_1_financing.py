"""Borrow fees and interest, by the facade with the kernel and by the reference engine (clause 1.2)."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from contract.both import told
from contract.by_hand import charges, closed_trades, fills, order, panel, play
from facade import Config, Panel, TargetWeights, run_backtest

THURSDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2024, 1, day) for day in (4, 5, 8, 9, 10))
WEEKEND = [FRIDAY, FRIDAY, MONDAY]  # decided and filled on the Friday, charged on the Monday
SHORTS = {"allow_short_selling": True}
# 40 sold short at 10 make 1,000 in cash; fee 400 x 0.09 x 3 / 360 = 0.30, interest 600 x 0.036 x 3 / 360 = 0.18
WORKED = {"initial_cash": 600.0, "borrow_fee": 0.09, "credit_rate": 0.036, **SHORTS}
FEE, INTEREST = (2, "A", "borrow", -0.3), (2, None, "interest", 0.18)
SELL = [order(0, -40)]


def idle(bars):
    """A strategy that never decides anything."""
    return {
        "kind": "weights",
        "rows": [{"bar": bar, "targets": [None]} for bar in range(bars)],
        "min_notional": None,
        "min_weight_change": 0.0,
    }


# Days ----------------------------------------------------------------------------------------------------------------


def test_a_weekend_counts_three_days():
    for run in told([10, 10, 10], SELL, sessions=WEEKEND, **WORKED):
        assert run.charges == [FEE, INTEREST], run.judge
        assert run.cash == pytest.approx([600, 1000, 999.88], abs=1e-9), run.judge
        assert run.equity == pytest.approx([600, 600, 599.88], abs=1e-9), run.judge


def test_bars_of_one_session_pay_nothing():
    for run in told([10] * 5, SELL, sessions=[FRIDAY] * 5, **WORKED):
        assert run.charges == [] and run.cash == [600, 1000, 1000, 1000, 1000], run.judge


def test_the_first_bar_of_a_session_pays_for_all_days_and_the_others_for_none():
    sessions = [FRIDAY, FRIDAY, MONDAY, MONDAY, MONDAY, TUESDAY]
    for run in told([10] * 6, SELL, sessions=sessions, **WORKED):
        # Tuesday, one day: 400 x 0.09 / 360 = 0.1; (999.88 - 400) x 0.036 / 360 = 0.059988
        assert run.charges == [FEE, INTEREST, (5, "A", "borrow", -0.1), (5, None, "interest", 0.059988)], run.judge


def test_the_first_bar_is_charged_nothing():
    for run in told([10], idle(1), sessions=[FRIDAY], credit_rate=0.1):
        assert run.charges == [] and run.equity == [100_000], run.judge


def test_what_was_opened_at_the_deciding_close_of_the_first_bar_is_charged_on_the_second():
    for run in told([10, 10], SELL, sessions=[FRIDAY, MONDAY], timing="same_bar_close", **WORKED):
        assert run.charges == [(1, *FEE[1:]), (1, *INTEREST[1:])], run.judge
        assert run.cash == pytest.approx([1000, 999.88], abs=1e-9), run.judge


@pytest.mark.parametrize("sessions", [None, [0, 0, 1]])
def test_without_dates_each_bar_counts_360_by_bars_a_year(sessions):
    for run in told([10] * 3, idle(3), sessions=sessions, initial_cash=25_200.0, credit_rate=0.01):
        # 25,200 x 0.01 / 252 = 1, then 25,201 x 0.01 / 252 = 1.000039683
        assert run.charges == [(1, None, "interest", 1.0), (2, None, "interest", 1.000039683)], run.judge


def test_without_dates_the_bars_a_year_may_be_given():
    # 12 bars a year are 30 days each: 1,000 x 0.012 / 12 = 1
    for run in told([10] * 2, idle(2), initial_cash=1000.0, credit_rate=0.012, periods_per_year=12):
        assert run.charges == [(1, None, "interest", 1.0)], run.judge


def test_with_dates_the_bars_a_year_do_not_matter():
    for run in told([10] * 3, SELL, sessions=WEEKEND, periods_per_year=12, **WORKED):
        assert run.charges == [FEE, INTEREST], run.judge


def test_labels_with_a_time_have_the_days_of_their_sessions():
    # hourly bars that end at 15 and 16 o'clock on Friday, at 15 on Monday
    ends = [datetime(2024, 1, 5, 15), datetime(2024, 1, 5, 16), datetime(2024, 1, 8, 15)]
    prices = np.full(3, 10.0)
    labelled = Panel.from_arrays(prices, prices, prices, prices, timestamps=pl.Series(ends), symbols=["A"])
    nothing = TargetWeights.from_array(np.full((3, 1), np.nan))
    result = run_backtest(labelled, nothing, config=Config(initial_cash=1200.0, credit_rate=0.1))
    # 1,200 x 0.1 x 3 / 360 = 1
    assert charges(result) == [(ends[2], None, "interest", 1.0)]


# What is charged -----------------------------------------------------------------------------------------------------


def test_an_idle_account_earns_interest_on_every_bar():
    for run in told([10] * 5, idle(5), initial_cash=36_000.0, credit_rate=0.01, sessions=days(5)):
        # 36,000 x 0.01 / 360 = 1, and interest on interest: a bar multiplies cash by 1 + 1 / 36,000
        assert run.equity == pytest.approx([36_000 * (1 + 1 / 36_000) ** bar for bar in range(5)], rel=1e-14), run.judge
        assert [row[:3] for row in run.charges] == [(bar, None, "interest") for bar in range(1, 5)], run.judge


def days(count):
    """Consecutive dates."""
    return [date.fromordinal(THURSDAY.toordinal() + day) for day in range(count)]


def test_a_long_position_that_is_held_quietly_earns_on_the_cash_beside_it():
    bars = 200
    config = {"initial_cash": 46_000.0, "credit_rate": 0.01, "sessions": days(bars)}
    for run in told([10] * bars, [order(0, 1000)], **config):
        # bar 1 earns on 46,000, then 10,000 are spent; each bar multiplies what is left by 1 + 1 / 36,000
        left = 46_000 * (1 + 1 / 36_000) - 10_000
        expected = [46_000, *(10_000 + left * (1 + 1 / 36_000) ** bar for bar in range(bars - 1))]
        assert run.equity == pytest.approx(expected, rel=1e-13), run.judge
        assert len(run.charges) == bars - 1, run.judge


def test_a_charge_of_zero_is_no_row():
    rates = {"credit_rate": 0.1, "debit_rate": 0.1, "borrow_fee": 0.1}
    for run in told(
        [10] * 4, [order(0, 100)], sessions=[FRIDAY, FRIDAY, MONDAY, TUESDAY], initial_cash=1000.0, **rates
    ):
        # everything is in shares: no cash to earn on, none is owed
        assert run.charges == [] and run.cash == [1000, 0, 0, 0], run.judge


@pytest.mark.parametrize(("left", "rows"), [(5e-7, 0), (2e-6, 1)])
def test_what_rounding_leaves_of_cash_is_neither_lent_nor_owed(left, rows):
    # 100 bought at 10 leave less than 1e-9 of 1,000, or more
    sessions = [FRIDAY, FRIDAY, MONDAY]
    for run in told([10] * 3, [order(0, 100)], sessions=sessions, initial_cash=1000.0 + left, credit_rate=0.9):
        assert len(run.charges) == rows, run.judge


def test_cash_below_zero_pays_the_debit_rate():
    prices = {"A": [10, 10, 30, 30, 30], "B": [10, 10, 40, 40, 40]}
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    rows = [order(0, -40), order(0, 30, "B"), order(1, 40)]
    for run in told(prices, rows, sessions=sessions, initial_cash=800.0, debit_rate=0.09, **SHORTS):
        # 800 + 400 - 300 = 900, covered at 30: 900 - 1,200 = -300 beside B at 1,200; -300 x 0.09 / 360 = -0.075, then
        # -300.075 x 0.09 / 360 = -0.07501875
        assert run.charges == [(3, None, "interest", -0.075), (4, None, "interest", -0.07501875)], run.judge
        assert run.cash[2:] == pytest.approx([-300, -300.075, -300.15001875], abs=1e-9), run.judge


# 90 of A bought and 5 of B sold at 10 leave 1,000 - 900 + 50 = 150; B at 50 is 250 short: b = -100, equity 800
SQUEEZED = [order(0, 90), order(0, -5, "B")]


def test_cash_less_the_shorts_below_zero_pays_the_debit_rate_beside_a_long_held_quietly():
    bars = 120
    prices = {"A": [10] * bars, "B": [10, 10, *[50] * (bars - 2)]}
    sessions = [THURSDAY, *days(bars - 1)]
    for run in told(prices, SQUEEZED, sessions=sessions, initial_cash=1000.0, debit_rate=0.036, **SHORTS):
        # -100 x 0.036 / 360 = -0.01 a day; b grows by 1 / 10,000 of itself a day, from bar 3 on
        expected = [800 + 100 - 100 * (1 + 1e-4) ** bar for bar in range(bars - 2)]
        assert run.equity[2:] == pytest.approx(expected, rel=1e-12), run.judge
        assert run.charges[0] == (3, None, "interest", -0.01) and len(run.charges) == bars - 3, run.judge


def test_fees_are_written_by_asset_before_the_interest():
    prices = {"A": [10] * 3, "B": [10] * 3}
    rows = [order(0, -20, "B"), order(0, -20)]
    for run in told(prices, rows, sessions=WEEKEND, **WORKED):
        # 200 x 0.09 x 3 / 360 = 0.15 each, though B was sold first
        assert run.charges == [(2, "A", "borrow", -0.15), (2, "B", "borrow", -0.15), INTEREST], run.judge


def test_fees_are_written_by_asset_whenever_the_positions_were_opened():
    prices = {"A": [10] * 4, "B": [10] * 4, "C": [10] * 4}
    rows = [order(0, -10, "C"), order(0, -10, "B"), order(1, -20)]
    for run in told(prices, rows, sessions=[FRIDAY, FRIDAY, FRIDAY, MONDAY], **WORKED):
        # A was sold last and comes first: 200 x 0.09 x 3 / 360 = 0.15, then 100 each
        fees = [(3, "A", "borrow", -0.15), (3, "B", "borrow", -0.075), (3, "C", "borrow", -0.075)]
        assert run.charges == [*fees, (3, *INTEREST[1:])], run.judge


def test_a_short_without_a_bar_pays_on_its_mark():
    for run in told([10, 10, None], SELL, sessions=WEEKEND, **WORKED):
        assert run.charges == [FEE, INTEREST], run.judge


def test_the_mark_is_that_of_the_bar_before():
    for run in told([10, (10, 10, 8, 8), 12], SELL, sessions=WEEKEND, **WORKED):
        # 40 x 8 = 320: 320 x 0.09 x 3 / 360 = 0.24; (1,000 - 320) x 0.036 x 3 / 360 = 0.204
        assert run.charges == [(2, "A", "borrow", -0.24), (2, None, "interest", 0.204)], run.judge


def test_what_is_covered_at_the_open_was_held_over_night():
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([10] * 4, [*SELL, order(1, 40)], sessions=sessions, **WORKED):
        # Monday leaves 1,000 - 0.30 + 0.18 - 400 = 599.88, flat: 599.88 x 0.036 / 360 = 0.059988
        assert run.charges == [FEE, INTEREST, (3, None, "interest", 0.059988)], run.judge


def test_what_is_opened_and_covered_within_a_session_pays_nothing():
    sessions = [FRIDAY, FRIDAY, FRIDAY, MONDAY]
    for run in told([10] * 4, [*SELL, order(1, 40)], sessions=sessions, borrow_fee=0.09, **SHORTS):
        assert run.charges == [] and run.fills == [(1, -40.0, 10.0), (2, 40.0, 10.0)], run.judge


# Actions, delistings, bankruptcy -------------------------------------------------------------------------------------


def test_a_split_does_not_change_what_its_bar_is_charged():
    actions, sessions = [(2, "A", "split", 2.0)], [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([10, 10, 5, 5], SELL, actions, sessions, **WORKED):
        # 40 x 10 as recorded; then 80 x 5 x 0.09 / 360 = 0.1
        assert run.charges == [FEE, INTEREST, (3, "A", "borrow", -0.1), (3, None, "interest", 0.059988)], run.judge


def test_a_split_that_pays_a_fraction_is_charged_on_what_was_recorded():
    actions, sessions = [(2, "A", "split", 1.5)], [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([12, 12, 8, 8], [order(0, -41)], actions, sessions, initial_cash=600.0, borrow_fee=0.09, **SHORTS):
        # 41 x 12 = 492: 492 x 0.09 x 3 / 360 = 0.369; 61.5 less half a share at 8: 61 x 8 = 488 x 0.09 / 360 = 0.122
        assert run.charges == [(2, "A", "borrow", -0.369), (3, "A", "borrow", -0.122)], run.judge
        assert run.cash == pytest.approx([600, 1092, 1092 - 4 - 0.369, 1088 - 0.491], abs=1e-9), run.judge


def test_a_dividend_comes_off_the_cash_after_the_interest_is_reckoned():
    actions, sessions = [(2, "A", "dividend", 1.0)], [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([10, 10, 9, 9], SELL, actions, sessions, **WORKED):
        # cash 1,000 - 40 - 0.30 + 0.18 = 959.88; 360 x 0.09 / 360 = 0.09; 599.88 x 0.036 / 360 = 0.059988
        assert run.charges == [FEE, INTEREST, (3, "A", "borrow", -0.09), (3, None, "interest", 0.059988)], run.judge
        assert run.cash[2:] == pytest.approx([959.88, 959.849988], abs=1e-9), run.judge


def test_a_delisted_short_pays_until_the_bar_of_its_delisting():
    actions, sessions = [(2, "A", "delisting", 10.0)], [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([10, 10, None, None], SELL, actions, sessions, **WORKED):
        # Monday leaves 1,000 - 0.12 - 400 = 599.88
        assert run.charges == [FEE, INTEREST, (3, None, "interest", 0.059988)], run.judge
        assert run.cash[2:] == pytest.approx([599.88, 599.939988], abs=1e-9), run.judge


def test_a_stale_short_pays_for_the_bar_on_which_it_is_closed():
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told([10, 10, None, None], SELL, sessions=sessions, max_stale=1, **WORKED):
        # closed at its mark of 10 at 4.5 of Monday
        assert run.charges == [FEE, INTEREST, (3, None, "interest", 0.059988)], run.judge


def test_a_bankrupt_account_is_charged_nothing():
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    for run in told([10, 10, 30, 30, 30], SELL, sessions=sessions, debit_rate=0.5, **WORKED):
        # 1,000 - 0.12 - 1,200 = -200.12, closed at 30 and frozen
        assert run.charges == [FEE, INTEREST], run.judge
        assert run.equity == pytest.approx([600, 600, -200.12, -200.12, -200.12], abs=1e-9), run.judge


def test_an_account_that_closed_its_last_position_below_zero_is_charged_nothing():
    bars = [10, 10, (40, 40, 40, 40), 40, 40]
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    rules = {"stop_loss": 0.5, "debit_rate": 0.36, **SHORTS}
    for run in told(bars, [order(0, -50)], sessions=sessions, initial_cash=600.0, **rules):
        # 50 sold at 10, stopped out at 40: 600 + 500 - 2,000 = -900, and flat
        assert run.charges == [] and run.equity[2:] == [-900, -900, -900], run.judge


def test_a_fee_can_bankrupt_an_account():
    for run in told(
        [10, (10, 25, 10, 24.9), 24.99], SELL, sessions=WEEKEND, initial_cash=600.0, borrow_fee=0.12, **SHORTS
    ):
        # 40 x 24.9 = 996 x 0.12 x 3 / 360 = 0.996; 1,000 - 0.996 - 999.6 = -0.596
        assert run.charges == [(2, "A", "borrow", -0.996)], run.judge
        assert run.fills[-1] == (2, 40.0, 24.99) and run.equity[-1] == pytest.approx(-0.596), run.judge


# Entries -------------------------------------------------------------------------------------------------------------


def test_a_fee_leaves_less_to_an_entry_at_the_open():
    prices = {"A": [10] * 3, "B": [10] * 3}
    rows = [*SELL, order(1, 20, "B")]
    free, charged = ({**WORKED, "credit_rate": 0.0, "borrow_fee": fee} for fee in (0.0, 0.09))
    for run in told(prices, rows, sessions=WEEKEND, **free):
        assert run.ends[1] == ("filled", None, 20.0), run.judge  # 1,000 - 2 x 400 = 200
    for run in told(prices, rows, sessions=WEEKEND, **charged):
        assert run.ends[1] == ("cancelled", "cash", 19.0), run.judge  # 199.70


def test_interest_pays_for_an_entry_at_the_open():
    for rate, bought in ((0.0, 99.0), (0.1, 100.0)):
        for run in told([10] * 3, [order(1, 100)], sessions=WEEKEND, initial_cash=999.9, credit_rate=rate):
            # 999.9 x 0.1 x 3 / 360 = 0.83325
            assert run.fills == [(2, bought, 10.0)], run.judge


def test_interest_on_a_debit_can_refuse_an_entry():
    prices = {"A": [10] * 4, "B": [10, 10, 50, 50], "C": [800] * 4}
    sessions = [FRIDAY, FRIDAY, FRIDAY, MONDAY]
    rows = [*SQUEEZED, order(2, -90), order(2, 5, "B"), order(2, 1, "C")]
    for rate, end in ((0.0, ("filled", None, 1.0)), (0.036, ("rejected", "cash", 0.0))):
        for run in told(prices, rows, sessions=sessions, initial_cash=1000.0, debit_rate=rate, **SHORTS):
            # 150 + 900 - 250 = 800 to spend, or 0.03 less: 100 x 0.036 x 3 / 360
            assert run.ends[4] == end, run.judge
            assert run.charges == ([(3, None, "interest", -0.03)] if rate else []), run.judge


# What a charge leaves alone, and how it is told ----------------------------------------------------------------------


def test_a_charge_is_no_part_of_a_trade():
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    result = play([10] * 4, [*SELL, order(2, 40)], sessions=sessions, **WORKED)
    columns = ("entry_price", "exit_price", "gross_pnl", "fees", "pnl")
    assert closed_trades(result).select(columns).rows() == [(10.0, 10.0, 0.0, 0.0, 0.0)]
    assert fills(result, "commission", "slippage") == [(1, -40.0, 10.0, 0.0, 0.0), (3, 40.0, 10.0, 0.0, 0.0)]


def test_a_charge_moves_no_level():
    # sold at 10: the stop of 0.1 is at 11 whatever the fee, which is 400 x 0.6 x 3 / 360 = 2, or 0.05 a share
    bars = [10, 10, (10, 10.99, 10, 10), (10, 11, 10, 10)]
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    for run in told(bars, SELL, sessions=sessions, stop_loss=0.1, borrow_fee=0.6, **SHORTS):
        assert run.fills == [(1, -40.0, 10.0), (3, 40.0, 11.0)], run.judge


def test_returns_and_sums_of_a_result_have_the_charges():
    sessions = [FRIDAY, FRIDAY, MONDAY, TUESDAY]
    result = play([10] * 4, SELL, sessions=sessions, **WORKED)
    returns = result.equity["return"].to_list()
    # 599.88 / 600 - 1 = -0.0002; Tuesday: -0.1 + 0.059988 = -0.040012
    assert returns[0] is None
    assert returns[1:] == pytest.approx([0.0, -0.0002, -0.040012 / 599.88], abs=1e-15)
    assert result.metrics["total_borrow_fees"] == pytest.approx(0.4)  # 0.30 + 0.10
    assert result.metrics["total_interest"] == pytest.approx(0.239988)  # 0.18 + 0.059988


def test_accounts_with_charges_add_up():
    # profit -40 x 2 of the short, no fees; interest and fees are the rest of the change of equity
    result = play([10, 10, 12, 11], SELL, sessions=[FRIDAY, FRIDAY, MONDAY, TUESDAY], **WORKED)
    moved = sum(amount for *_, amount in charges(result))
    assert result.metrics["final_value"] == pytest.approx(600 - 40 * (11 - 10) + moved, abs=1e-9)


def test_rates_of_zero_charge_nothing():
    result = play([10] * 3, SELL, sessions=WEEKEND, initial_cash=600.0, **SHORTS)
    assert charges(result) == [] and result.charges.columns == ["timestamp", "symbol", "kind", "amount"]


def test_a_panel_of_dates_counts_the_days_between_them():
    assert panel([10] * 3, sessions=WEEKEND).session_dates.to_list() == [FRIDAY, MONDAY]
