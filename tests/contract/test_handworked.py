"""Clauses 0 to 4, worked by hand: a few bars each, every number with its reason. The facade is driven as a user would.

Fills read (bar, phase, signed shares, price); a market order decided at bar 0 fills at the open of bar 1.
"""

import numpy as np
import pytest

from contract.worked import FLAT, GONE, ambiguous, asset_fills, ends, fills, order, panel, run
from facade import TargetShares, TargetWeights

# 0 Time and data -----------------------------------------------------------------------------------------------------


def test_0_1_a_decision_trades_at_the_next_open():
    market = panel([(10, 12, 9, 11), (13, 14, 12, 12)])
    assert fills(run(market, [order(0, 5)])) == [(1, "open", 5.0, 13.0)]


def test_0_2_an_order_waits_for_a_bar_and_the_mark_stays():
    market = panel([FLAT, (11, 12, 11, 12), GONE, (9, 9, 9, 9)])
    result = run(market, [order(0, 10), order(1, -4)])
    # bought 10 at 11: cash 99,890; bar 2 has no bar: marked at 12; the sale waits for the open of bar 3
    assert fills(result) == [(1, "open", 10.0, 11.0), (3, "open", -4.0, 9.0)]
    assert result.equity["equity"].to_list() == [100_000, 100_010, 100_010, 99_980]


def test_0_5_what_is_decided_on_the_last_bar_stays_pending_and_nothing_is_closed():
    result = run(panel([FLAT] * 2), [order(0, 5), order(1, 5)])
    assert ends(result) == [("filled", None, 5.0), ("decided", None, 0.0)]
    assert result.positions["quantity"].to_list() == [5.0]


# 1 Before the open ---------------------------------------------------------------------------------------------------


def test_1_1_a_split_restates_shares_stops_and_pending_orders():
    # 2 for 1 before bar 2: 10 shares at 20 are 20 at 10; the limit to sell 10 at 24 is one to sell 20 at 12
    market = panel([(20, 20, 20, 20), (20, 20, 20, 20), (10, 13, 10, 12)], actions=[(2, 0, "split", 2.0)])
    result = run(market, [order(0, 10), order(0, -10, "limit", limit=24)])
    assert fills(result) == [(1, "open", 10.0, 20.0), (2, "inside", -20.0, 12.0)]
    assert result.trades.select("quantity", "entry_price", "gross_pnl").rows() == [(20.0, 10.0, 40.0)]


def test_1_1_the_fraction_of_a_split_position_is_paid_at_the_mark():
    # 3 shares, 1 for 2: 1.5 shares; half a share at the mark 10 x 2 = 20 is paid: 10
    market = panel([FLAT, FLAT, (20, 20, 20, 20)], actions=[(2, 0, "split", 0.5)])
    result = run(market, [order(0, 3)])
    assert fills(result) == [(1, "open", 3.0, 10.0), (2, "booking", -0.5, 20.0)]
    assert result.fills["exit_reason"].to_list() == [None, "cash_in_lieu"]
    assert result.equity["equity"].to_list() == [100_000] * 3


def test_1_1_a_dividend_is_paid_lowers_buy_limits_and_sell_stops_and_leaves_the_others():
    # 1.00 on bar 2: the stop at 9 becomes 8 and lives (L = 8.5); the limit to buy at 8 becomes 7; to sell at 12 stays
    market = panel([FLAT, FLAT, (9, 9, 8.5, 9), (9, 12.5, 6.5, 9)], actions=[(2, 0, "dividend", 1.0)])
    rows = [order(0, 10), order(1, -10, "stop", stop=9), order(1, 1, "limit", limit=8), order(1, -1, "limit", limit=12)]
    result = run(market, rows)
    # bar 3: pessimistic, down first: stop at 8, then buy at 7, then up: sell 1 at 12
    expected = [(1, "open", 10.0, 10.0), (3, "inside", -10.0, 8.0), (3, "inside", 1.0, 7.0), (3, "inside", -1.0, 12.0)]
    assert fills(result) == expected
    assert result.actions.select("timestamp", "kind", "cash").rows() == [(2, "dividend", 10.0)]


def test_1_4_a_delisting_closes_at_the_recovery_price_and_cancels():
    market = panel([FLAT, FLAT, GONE], actions=[(2, 0, "delisting", 4.0)])
    result = run(market, [order(0, 10), order(1, -10, "stop", stop=8)])
    assert fills(result) == [(1, "open", 10.0, 10.0), (2, "booking", -10.0, 4.0)]
    assert ends(result)[1] == ("cancelled", "delisted", 0.0)


def test_1_4_an_asset_without_bars_for_max_stale_sessions_is_closed_at_the_mark():
    result = run(panel([FLAT, FLAT, GONE, GONE, GONE]), [order(0, 10)], max_stale=2, delisting_return=-0.5)
    assert fills(result)[1:] == [(3, "booking", -10.0, 5.0)]


@pytest.mark.parametrize(
    ("time_in_force", "bars", "end"),
    [
        ("gtc", None, ("live", None, 0.0)),
        ("day", None, ("expired", "expired", 0.0)),  # session 1 is bars 1 and 2; it ends before bar 3
        ("bars", 2, ("expired", "expired", 0.0)),  # live on bars 1 and 2
        ("ioc", None, ("expired", "expired", 0.0)),  # the open of bar 1 only
        ("at_open", None, ("expired", "expired", 0.0)),
        ("at_close", None, ("expired", "expired", 0.0)),
    ],
)
def test_1_6_a_limit_out_of_reach_ends_with_its_time(time_in_force, bars, end):
    market = panel([FLAT] * 4, sessions=[0, 1, 1, 2])
    result = run(market, [order(0, 5, "limit", limit=9, time_in_force=time_in_force, bars=bars)])
    assert ends(result) == [end]
    ended = {"day": 3, "bars": 3, "ioc": 1, "at_open": 1, "at_close": 1}.get(time_in_force)
    assert result.orders["end_timestamp"].to_list() == [ended]


# 2 Open --------------------------------------------------------------------------------------------------------------


def test_2_1_stops_and_limits_at_the_open_take_its_price():
    market = panel([FLAT, (12, 12, 12, 12)], [FLAT, (8, 8, 8, 8)])
    rows = [order(0, 5, "stop", stop=11), order(0, 5, "limit", asset=1, limit=9)]
    # O = 12 is through the buy stop at 11: at 12. O = 8 is better than the limit of 9: at 8, as a taker
    assert asset_fills(run(market, rows)) == [(1, "A0", 5.0, 12.0), (1, "A1", 5.0, 8.0)]


def test_2_2_an_order_that_crosses_is_cut_or_split_at_zero():
    market = panel([FLAT] * 3)
    rows = [order(0, 4), order(1, -10)]
    cut = run(market, rows)
    assert fills(cut)[1:] == [(2, "open", -4.0, 10.0)]
    assert ends(cut)[1] == ("cancelled", "no_short", 4.0)
    split = run(market, rows, allow_short_selling=True)
    assert fills(split)[1:] == [(2, "open", -4.0, 10.0), (2, "open", -6.0, 10.0)]
    assert split.fills["order_id"].to_list() == [0, 1, 1]
    assert split.trades.height == 1


def test_2_3_exits_go_first_and_pay_for_entries():
    # all 1,000 of cash is in A0; the purchase of A1, submitted first, is paid by the sale
    market = panel([FLAT] * 3, [FLAT] * 3)
    rows = [order(0, 100), order(1, 100, asset=1), order(1, -100)]
    result = run(market, rows, initial_cash=1_000.0)
    assert asset_fills(result)[1:] == [(2, "A0", -100.0, 10.0), (2, "A1", 100.0, 10.0)]


def test_2_3_a_batch_short_of_cash_is_scaled_once():
    # sized at 10: 50 and 50 shares. At the opens 20 and 20 they need 2,000; there are 1,000: halves, 25 and 25
    up = (20, 20, 20, 20)
    weights = TargetWeights.from_array(np.array([[0.5, 0.5], [np.nan, np.nan]]))
    result = run(panel([FLAT, up], [FLAT, up]), weights, initial_cash=1_000.0)
    assert asset_fills(result) == [(1, "A0", 25.0, 20.0), (1, "A1", 25.0, 20.0)]
    assert [row[0] for row in ends(result)] == ["live", "live"]  # the rest of a target waits


def test_2_3_other_entries_are_served_in_submission_order_and_shrink_or_are_refused():
    market = panel([FLAT] * 2, [FLAT] * 2)
    rows = [order(0, 60), order(0, 60, asset=1)]
    shrunk = run(market, rows, initial_cash=1_000.0)
    assert asset_fills(shrunk) == [(1, "A0", 60.0, 10.0), (1, "A1", 40.0, 10.0)]
    assert ends(shrunk)[1] == ("cancelled", "cash", 40.0)
    refused = run(market, rows, initial_cash=1_000.0, shortfall="reject")
    assert ends(refused)[1] == ("rejected", "cash", 0.0)
    ranked = run(
        market, [row | {"rank": 1.0 - i} for i, row in enumerate(rows)], initial_cash=1_000.0, entry_rank="rank"
    )
    assert asset_fills(ranked) == [(1, "A1", 60.0, 10.0), (1, "A0", 40.0, 10.0)]


def test_2_4_children_live_from_the_parents_fill_and_one_takes_the_other_out():
    market = panel([FLAT, (10, 11, 9.5, 10), (10, 10.5, 8, 9)])
    rows = [
        order(0, 10, id="p"),
        order(0, -10, "limit", limit=12, parent="p"),
        order(0, -10, "stop", stop=9, parent="p"),
    ]
    result = run(market, rows)
    assert fills(result) == [(1, "open", 10.0, 10.0), (2, "inside", -10.0, 9.0)]
    assert ends(result)[1:] == [("cancelled", "group", 0.0), ("filled", None, 10.0)]


# 3 Inside the bar ----------------------------------------------------------------------------------------------------

TWO_SIDED = [FLAT, FLAT, (10, 12.5, 8.5, 10)]
BRACKET = [order(0, 10), order(1, -10, "limit", limit=12, group="g"), order(1, -10, "stop", stop=9, group="g")]


@pytest.mark.parametrize(
    ("tie", "low", "price"),
    [
        ("pessimistic", 8.5, 9.0),  # the stop, adverse to the holder, first
        ("optimistic", 8.5, 12.0),
        ("nearest", 8.5, 9.0),  # the low is 1.5 away, the high 2.5
        ("nearest", 7.0, 12.0),  # now the high is nearer
    ],
)
def test_3_0_the_tie_policy_says_which_side_came_first(tie, low, price):
    market = panel([FLAT, FLAT, (10, 12.5, low, 10)])
    result = run(market, BRACKET, tie=tie)
    assert fills(result)[1:] == [(2, "inside", -10.0, price)]
    assert ambiguous(result) == [(2, "two_sided")]


def test_3_0_levels_on_one_side_are_met_nearest_first():
    market = panel([FLAT, FLAT, (10, 13, 10, 13)])
    rows = [order(0, 10), order(1, -5, "limit", limit=12), order(1, -5, "limit", limit=11)]
    assert fills(run(market, rows))[1:] == [(2, "inside", -5.0, 11.0), (2, "inside", -5.0, 12.0)]


@pytest.mark.parametrize(("limit_fill", "filled"), [("through", []), ("touch", [(1, "inside", 5.0, 9.0)])])
def test_3_1_a_limit_fills_when_traded_through_or_touched(limit_fill, filled):
    market = panel([FLAT, (10, 10, 9, 10)])
    assert fills(run(market, [order(0, 5, "limit", limit=9)], limit_fill=limit_fill)) == filled


@pytest.mark.parametrize(
    ("limit", "close", "filled"),
    [
        (12.0, 10.0, [(1, "inside", 5.0, 11.0)]),  # limit beyond the stop: at the stop
        (10.5, 11.5, []),  # limit on the better side, C above it: rests from bar 2
        (10.5, 10.25, [(1, "inside", 5.0, 10.5)]),  # C at or through the limit proves it
    ],
)
def test_3_1_a_stop_limit_triggered_inside(limit, close, filled):
    market = panel([FLAT, (10, 12, 10, close)])
    assert fills(run(market, [order(0, 5, "stop_limit", stop=11, limit=limit)])) == filled


def test_3_1_a_trailing_order_uses_the_mark_of_the_bars_before():
    # mark 10 at the decision; bar 1 makes it 14: level 12 for bar 2, whose own high does not count
    market = panel([FLAT, FLAT, (10, 14, 10, 14), (14, 16, 11.5, 15)])
    result = run(market, [order(0, 10), order(1, -10, "trailing_stop", trail=2.0)])
    assert fills(result)[1:] == [(3, "inside", -10.0, 12.0)]


def test_3_1_a_close_that_proves_a_trail_is_counted_or_taken():
    # bar 2: own high 15 makes the level 13, C = 12.5 is below it; the level of bar 1's mark (10) is 8, not reached
    market = panel([FLAT, FLAT, (10, 15, 10, 12.5)])
    rows = [order(0, 10), order(1, -10, "trailing_stop", trail=2.0)]
    lagged = run(market, rows)
    assert len(fills(lagged)) == 1 and ambiguous(lagged) == [(2, "trail")]
    assert fills(run(market, rows, trail_timing="proved"))[1:] == [(2, "inside", -10.0, 12.5)]


def test_3_2_a_position_born_inside_needs_proof_for_what_lies_behind_it():
    # bought by the stop at 11 on the way up; the rule stop 5 % below, 10.45, is in range, but C = 12 proves nothing
    market = panel([FLAT, (10, 13, 9, 12), (12, 12, 12, 12)])
    rows = [order(0, 10, "stop", stop=11)]
    proved = run(market, rows, stop_loss=0.05)
    assert fills(proved) == [(1, "inside", 10.0, 11.0)] and ambiguous(proved) == [(1, "entry_bar")]
    assumed = run(market, rows, stop_loss=0.05, entry_bar="assumed")
    assert fills(assumed)[1:] == [(1, "inside", -10.0, pytest.approx(10.45))]
    # the target 10 % above, 12.1, lies further along the move: certain
    assert fills(run(market, rows, take_profit=0.1))[1:] == [(1, "inside", -10.0, pytest.approx(12.1))]


def test_3_4_entries_inside_use_what_the_open_left_and_exits_do_not_pay_them():
    # 500 left after A0; A1's limit asks 100 x 9 = 900: 55 shares, though A0 is sold inside the same bar
    market = panel([FLAT, FLAT, (10, 13, 10, 12)], [FLAT, FLAT, (10, 10, 8, 9)])
    rows = [order(0, 50), order(1, -50, "limit", limit=12), order(1, 100, "limit", asset=1, limit=9)]
    result = run(market, rows, initial_cash=1_000.0)
    assert sorted(asset_fills(result)[1:]) == [(2, "A0", -50.0, 12.0), (2, "A1", 55.0, 9.0)]
    assert ends(result)[2] == ("cancelled", "cash", 55.0)


# 4 Close -------------------------------------------------------------------------------------------------------------


def test_4_1_market_on_close_fills_at_the_close_and_expires_there():
    market = panel([(10, 10, 10, 10, 100)] * 2 + [(10, 12, 10, 11, 100)])
    result = run(market, [order(1, 20, "moc")], max_participation=0.10)
    assert fills(result) == [(2, "close", 10.0, 11.0)]  # a tenth of 100 shares; 4.2: the rest expires
    assert ends(result) == [("expired", "expired", 10.0)]


def test_4_5_an_account_without_equity_is_closed_at_marks_and_frozen():
    # short 100 at 10 with 1,000: at 25 equity is 2,000 - 2,500 < 0; covered at 25
    market = panel([FLAT, FLAT, (25, 25, 25, 25), FLAT])
    result = run(market, [order(0, -100), order(2, 1)], initial_cash=1_000.0, allow_short_selling=True)
    assert fills(result) == [(1, "open", -100.0, 10.0), (2, "booking", 100.0, 25.0)]
    assert result.equity["equity"].to_list() == [1_000, 1_000, -500, -500]
    assert result.orders.height == 1


def test_4_7_the_deciding_close_trades_under_its_own_name_only():
    market = panel([(10, 12, 9, 11), (13, 13, 13, 13)])
    result = run(market, [order(0, 5), order(0, 5, "stop", stop=12.5)], timing="same_bar_close")
    assert fills(result) == [(0, "decision_close", 5.0, 11.0), (1, "open", 5.0, 13.0)]


def test_6_0_a_target_replaces_what_is_left_of_the_one_before():
    # 100 wanted on each bar under a cap of 20: each day's order is for what is missing, never stacked
    shares = TargetShares.from_array(np.full((6, 1), 100.0))
    result = run(panel([(10, 10, 10, 10, 200)] * 6), shares, max_participation=0.10)
    assert [row[2] for row in fills(result)] == [20.0] * 5
    assert [row[0] for row in ends(result)] == ["replaced"] * 4 + ["filled"]
    assert result.positions["quantity"].to_list()[-1] == 100.0
