"""Clauses 4.6 and 5 to 8, worked by hand: signals, rules, quantities, prices, commissions, trades."""

import numpy as np
import pytest

from contract.worked import FLAT, ends, fills, order, panel, run
from facade import Signals, TargetWeights

SLIDE = [FLAT, FLAT, (10, 10, 10, 10), (10, 10.5, 9, 9.25), (9.25, 9.25, 9.25, 9.25)]


# 4.6 Signals ---------------------------------------------------------------------------------------------------------


def flags(bars, *on):
    """(T, 1) booleans, True on the bars named."""
    values = np.zeros((bars, 1), bool)
    values[list(on)] = True
    return values


def test_4_6_entries_are_ignored_while_held_and_exits_close():
    signals = Signals.from_arrays(flags(5, 0, 1), flags(5, 2), size=10, size_type="shares")
    result = run(panel([FLAT] * 5), signals)
    assert fills(result) == [(1, "open", 10.0, 10.0), (3, "open", -10.0, 10.0)]


def test_4_6_accumulate_adds():
    signals = Signals.from_arrays(flags(4, 0, 1), size=10, size_type="shares", accumulate=True)
    assert [row[2] for row in fills(run(panel([FLAT] * 4), signals))] == [10.0, 10.0]


def test_4_6_entry_and_exit_on_one_bar_exit_what_is_held_and_do_nothing_when_flat():
    signals = Signals.from_arrays(flags(5, 0, 1, 3), flags(5, 0, 3), size=10, size_type="shares")
    # bar 0: flat, nothing; bar 1: enters; bar 3: held, exit only
    assert [(row[0], row[2]) for row in fills(run(panel([FLAT] * 5), signals))] == [(2, 10.0), (4, -10.0)]


def test_4_6_an_opposite_entry_closes_and_reverses_where_shorting_is_allowed():
    signals = Signals.from_arrays(flags(4, 0), short_entries=flags(4, 1), size=10, size_type="shares")
    assert [row[2] for row in fills(run(panel([FLAT] * 4), signals))] == [10.0, -10.0]
    reversed_ = run(panel([FLAT] * 4), signals, allow_short_selling=True)
    assert [row[2] for row in fills(reversed_)] == [10.0, -10.0, -10.0]


def test_4_6_long_and_short_entry_on_one_bar_are_neither():
    signals = Signals.from_arrays(flags(3, 0), short_entries=flags(3, 0), size=10, size_type="shares")
    result = run(panel([FLAT] * 3), signals, allow_short_selling=True)
    assert result.orders.height == 0


# 5 Rules -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "open_", "price", "phase"),
    [
        (8.75, 10.0, 9.0, "inside"),  # touched inside: at the stop, 10 % below 10
        (8.0, 8.5, 8.5, "open"),  # gapped through: at the open
    ],
)
def test_5_1_a_stop_loss_fills_at_the_stop_or_the_open(low, open_, price, phase):
    market = panel([FLAT, FLAT, (open_, 10, low, 9.5)])
    result = run(market, [order(0, 10)], stop_loss=0.1)
    assert fills(result)[1:] == [(2, phase, -10.0, price)]
    assert result.trades["exit_reason"].to_list() == ["stop_loss"]


def test_5_1_the_rules_of_the_opening_order_come_before_the_run_wide_ones():
    market = panel([FLAT, FLAT, (10, 10, 8.75, 9.5)])
    assert fills(run(market, [order(0, 10, stop_loss=0.05)], stop_loss=0.1))[1:] == [(2, "inside", -10.0, 9.5)]
    assert len(fills(run(market, [order(0, 10, stop_loss=float("inf"))], stop_loss=0.1))) == 1


def test_5_1_a_trail_is_armed_by_its_activation_and_follows_the_mark():
    # bought at 10; the high of 12 arms it (activation 10 %: 11): level 12 x 0.9 = 10.8 from bar 3 on
    market = panel([FLAT, FLAT, (10, 12, 10, 12), (12, 12, 10.5, 11)])
    result = run(market, [order(0, 10)], trailing_stop=0.1, trail_activation=0.1)
    assert fills(result)[1:] == [(3, "inside", -10.0, pytest.approx(10.8))]
    # never above 11: never armed
    quiet = panel([FLAT, FLAT, (10, 10.9, 10, 10.9), (10.9, 10.9, 9, 9.5)])
    assert len(fills(run(quiet, [order(0, 10)], trailing_stop=0.1, trail_activation=0.1))) == 1


def test_5_1_break_even_lifts_the_stop_to_the_average_price():
    market = panel([FLAT, FLAT, (10, 11, 10, 11), (11, 11, 9, 9)])
    result = run(market, [order(0, 10)], break_even=0.1, stop_loss=0.5)
    assert fills(result)[1:] == [(3, "inside", -10.0, 10.0)]
    assert result.trades["exit_reason"].to_list() == ["break_even"]


def test_5_1_a_time_exit_counts_the_bar_of_the_fill_as_the_first():
    # filled on bar 1; bar 3 is the third bar: decided at its close, sold at the open of bar 4
    result = run(panel([FLAT] * 6), [order(0, 10)], time_exit=3)
    assert fills(result)[1:] == [(4, "open", -10.0, 10.0)]


def test_5_1_the_basis_is_the_fill_or_the_signal():
    # decided at 10, filled at 12: the stop of 10 % lies at 10.8 or at 9
    market = panel([FLAT, (12, 12, 12, 12), (12, 12, 10.5, 12)])
    assert fills(run(market, [order(0, 10)], stop_loss=0.1))[1:] == [(2, "inside", -10.0, pytest.approx(10.8))]
    assert len(fills(run(market, [order(0, 10)], stop_loss=0.1, rule_basis="signal"))) == 1


def test_5_2_what_the_cap_leaves_of_a_stop_goes_at_the_next_opens():
    bars = [(10, 10, 10, 10, 1_000)] * 2 + [(10, 10, 8.5, 9, 40), (9.5, 9.5, 9.5, 9.5, 1_000)]
    result = run(panel(bars), [order(0, 10)], stop_loss=0.1, max_participation=0.10)
    assert fills(result)[1:] == [(2, "inside", -4.0, 9.0), (3, "open", -6.0, 9.5)]


def test_5_2_a_take_profit_is_a_limit_without_slippage_inside_and_improves_at_the_open():
    inside = panel([FLAT, FLAT, (10, 12, 10, 11)])
    costs = {"take_profit": 0.1, "slippage_rate": 0.01}
    # bought at 10 x 1.01 = 10.1; target 10.1 x 1.1 = 11.11
    assert fills(run(inside, [order(0, 10)], **costs))[1:] == [(2, "inside", -10.0, pytest.approx(11.11))]
    gap = panel([FLAT, FLAT, (12, 12, 12, 12)])
    assert fills(run(gap, [order(0, 10)], **costs))[1:] == [(2, "open", -10.0, pytest.approx(12 * 0.99))]


def test_5_2_no_entry_is_accepted_in_the_cooldown():
    market = panel([FLAT, FLAT, (10, 10, 8.5, 9), FLAT, FLAT, FLAT])
    rows = [order(0, 10), order(2, 1), order(3, 1), order(4, 1)]
    result = run(market, rows, stop_loss=0.1, cooldown=2)
    # stopped out on bar 2: entries decided at the closes of bars 2 and 3 are refused; bar 4 trades at 5
    assert [end for end in ends(result) if end[1] == "cooldown"] == [("rejected", "cooldown", 0.0)] * 2
    assert fills(result)[-1] == (5, "open", 1.0, 10.0)


# 6 Quantity ----------------------------------------------------------------------------------------------------------


def test_6_0_sizes_are_fixed_in_shares_at_the_deciding_close():
    # half of 100,000 at C = 10 is 5,000 shares, whatever the next open is
    market = panel([FLAT, (8, 8, 8, 8)])
    weights = TargetWeights.from_array(np.array([[0.5], [np.nan]]))
    assert fills(run(market, weights)) == [(1, "open", 5_000.0, 8.0)]


def test_6_1_all_orders_of_an_asset_and_bar_share_one_budget():
    market = panel([(10, 10, 10, 10, 1_000)] * 2)
    result = run(market, [order(0, 70), order(0, 70)], max_participation=0.10)
    assert [row[2] for row in fills(result)] == [70.0, 30.0]


def test_6_1_the_volume_before_may_be_the_basis():
    market = panel([(10, 10, 10, 10, 200), (10, 10, 10, 10, 1_000), (10, 10, 10, 10, 1_000)])
    result = run(market, [order(0, 100)], max_participation=0.10, volume_basis="previous")
    assert [row[2] for row in fills(result)] == [20.0, 80.0]


def test_6_2_a_short_ties_up_its_value_twice():
    # 1,000 cash: 200 shares short at 10 would leave 3,000 - 2 x 2,000 < 0; 100 leave 2,000 - 2,000 = 0
    result = run(panel([FLAT] * 2), [order(0, -200)], initial_cash=1_000.0, allow_short_selling=True)
    assert fills(result) == [(1, "open", -100.0, 10.0)]


def test_6_3_quantities_are_floored_to_lots_but_a_whole_position_closes():
    result = run(panel([FLAT] * 3), [order(0, 25)], lot=10)
    assert fills(result) == [(1, "open", 20.0, 10.0)] and ends(result) == [("cancelled", "lot", 20.0)]
    assert ends(run(panel([FLAT] * 2), [order(0, 9)], lot=10)) == [("rejected", "lot", 0.0)]
    assert ends(run(panel([FLAT] * 2), [order(0, 9)], min_notional=100)) == [("rejected", "minimum", 0.0)]


# 7 Price of execution ------------------------------------------------------------------------------------------------


def test_7_1_costs_add_up_and_are_adverse():
    # spread 2 %: half is 1 %; slippage 1 %; fixed 0.05; a stop pays 2 % more
    costs = {"spread": 0.02, "slippage_rate": 0.01, "slippage_fixed": 0.05, "stop_slippage_rate": 0.02}
    result = run(panel([FLAT] * 2 + [(10, 10, 8, 9)]), [order(0, 10), order(1, -10, "stop", stop=9)], **costs)
    assert fills(result) == [
        (1, "open", 10.0, pytest.approx(10 * 1.02 + 0.05)),
        (2, "inside", -10.0, pytest.approx(9 * 0.96 - 0.05)),
    ]
    assert result.fills["slippage"].to_list() == pytest.approx([2.5, 10 * (0.36 + 0.05)])


def test_7_1_impact_is_a_power_of_the_share_of_volume():
    # 0.1 x (100 / 10,000) ^ 0.5 = 1 % of 10
    market = panel([(10, 10, 10, 10, 10_000)] * 2)
    assert fills(run(market, [order(0, 100)], impact_coefficient=0.1)) == [(1, "open", 100.0, pytest.approx(10.1))]


def test_7_2_costs_never_push_a_fill_beyond_its_limit():
    # O = 10 is better than the limit of 10.05; 1 % of slippage would make 10.1
    result = run(panel([FLAT] * 2), [order(0, 10, "limit", limit=10.05)], slippage_rate=0.01)
    assert fills(result) == [(1, "open", 10.0, 10.05)]


@pytest.mark.parametrize(
    ("costs", "fees"),
    [
        ({"commission_rate": 0.001}, [0.4, 0.6]),  # 400 and 600 of notional
        ({"commission_per_share": 0.01}, [0.4, 0.6]),
        ({"commission_per_trade": 2.0}, [2.0, 0.0]),  # once an order
        ({"commission_rate": 0.001, "commission_minimum": 0.7}, [0.7, 0.3]),  # 1.0 in all: a slice pays the difference
        ({"commission_rate": 0.001, "commission_maximum": 0.5}, [0.4, 0.1]),
        ({"commission_tiers": [(0.0, 0.01), (500.0, 0.001)]}, [4.0, 1.0 + 0.5]),  # the part above 500 at 0.1 %
        ({"sell_tax_rate": 0.01}, [0.0, 0.0]),
    ],
)
def test_7_3_commission_is_on_the_orders_totals_and_a_slice_pays_the_difference(costs, fees):
    market = panel([(10, 10, 10, 10, 1_000), (10, 10, 10, 10, 400), (10, 10, 10, 10, 1_000)])
    result = run(market, [order(0, 100)], max_participation=0.10, **costs)
    assert [row[2] for row in fills(result)] == [40.0, 60.0]
    assert result.fills["commission"].to_list() == pytest.approx(fees)


def test_7_3_makers_pay_their_own_rate_and_sales_are_taxed():
    market = panel([FLAT, (10, 10, 8, 9), (9, 9, 9, 9)])
    costs = {"commission_rate": 0.01, "maker_rate": 0.001, "sell_tax_rate": 0.002}
    result = run(market, [order(0, 100, "limit", limit=9), order(1, -100)], **costs)
    assert result.fills["commission"].to_list() == pytest.approx([0.9, 9.0 + 1.8])


# 8 Records -----------------------------------------------------------------------------------------------------------


def test_8_a_trade_is_a_round_trip_at_average_cost():
    # 10 at 10 and 10 at 12: average 11; 5 sold at 13, 15 at 10: (13 - 11) x 5 + (10 - 11) x 15 = -5
    market = panel([FLAT, FLAT, (12, 12, 12, 12), (13, 14, 9, 13), FLAT])
    rows = [order(0, 10), order(1, 10), order(2, -5), order(3, -15)]
    result = run(market, rows, commission_per_trade=1.0)
    trade = result.trades.row(0, named=True)
    assert (trade["quantity"], trade["entry_price"], trade["gross_pnl"], trade["fees"], trade["pnl"]) == (
        20,
        11,
        -5,
        4,
        -9,
    )
    assert trade["exit_price"] == pytest.approx(11 - 5 / 20)
    # extremes of the bars held: 14 and 9, as fractions of the entry price
    assert (trade["mfe"], trade["mae"]) == (pytest.approx(3 / 11), pytest.approx(-2 / 11))


def test_8_equity_is_recorded_once_a_bar_after_the_close():
    result = run(panel(SLIDE), [order(0, 10)])
    # 10 shares at 10; marked at 10, 10, 9.25, 9.25
    assert result.equity["equity"].to_list() == [100_000, 100_000, 100_000, 99_992.5, 99_992.5]
    assert result.equity["cash"].to_list() == [100_000] + [99_900] * 4
