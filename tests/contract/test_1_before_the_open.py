"""Splits, dividends, delistings and stale assets: what they do to positions, levels and orders (clauses 1.1, 1.4)."""

import numpy as np

from contract.by_hand import ends, equity, fills, order, play, rows, trades
from facade import TargetWeights

SPLIT = [(2, "A", "split", 2.0)]


HALVED = [10, 10, 5, 5, 5]


DIVIDEND = [(2, "A", "dividend", 1.0)]


def booked(result):
    return rows(result.actions, "timestamp", "kind", "quantity", "cash")


# 1.1 Splits ----------------------------------------------------------------------------------------------------------


def test_a_split_moves_shares_and_prices_but_not_equity():
    result = play(HALVED, [order(0, 10.0), order(3, -20.0)], SPLIT, initial_cash=1000.0)
    assert equity(result) == [1000.0] * 5
    assert fills(result) == [(1, 10.0, 10.0), (4, -20.0, 5.0)]
    assert trades(result, "quantity", "entry_price", "gross_pnl", "mfe", "mae") == [(20.0, 5.0, 0.0, 0.0, 0.0)]
    assert booked(result) == [(2, "split", 20.0, 0.0)]


def test_a_split_restates_shares_average_price_and_the_limit_that_sells_them():
    # 2 for 1 before bar 2: 10 shares at 20 are 20 at 10; the limit to sell 10 at 24 is one to sell 20 at 12
    result = play([20, 20, (10, 13, 10, 12)], [order(0, 10), order(0, -10, limit=24)], SPLIT)
    assert fills(result, "phase") == [(1, 10.0, 20.0, "open"), (2, -20.0, 12.0, "inside")]
    assert trades(result, "quantity", "entry_price", "gross_pnl") == [(20.0, 10.0, 40.0)]


def test_a_split_trips_neither_stop_nor_trail_nor_target():
    rules = {"stop_loss": 0.2, "trailing_stop": 0.3, "take_profit": 0.5}
    result = play([10, 10, 5, 5, (5, 5, 3.5, 4)], [order(0, 10.0)], SPLIT, **rules)
    assert fills(result)[1:] == [(4, -20.0, 4.0)]
    reverse = play([10, 10, 20, 20, (20, 31, 20, 20)], [order(0, 10.0)], [(2, "A", "split", 0.5)], **rules)
    assert fills(reverse)[1:] == [(4, -5.0, 30.0)]


def test_a_trail_goes_on_rising_after_a_split():
    bars = [10, 10, 5, (5, 6, 5, 6), (6, 6, 5, 5.25)]
    assert fills(play(bars, [order(0, 10.0)], SPLIT, trailing_stop=0.1))[1:] == [(4, -20.0, 5.4)]


def test_a_split_restates_absolute_levels_of_rules():
    bars = [10, 10, 5, (5, 6, 5, 6), (6, 6, 3.5, 4)]
    assert fills(play(bars, [order(0, 10.0, stop_loss_price=8.0)], SPLIT))[1:] == [(4, -20.0, 4.0)]


def test_a_split_restates_pending_orders():
    bars = [10, 10, 5, (5, 7, 3, 5), 5]
    pending = [
        order(0, 10.0, limit=8.0),
        order(0, 10.0, stop=12.0),
        order(0, 10.0, limit=6.0),
    ]
    result = play(bars, pending, SPLIT)
    # equally far from the open, flat: down first
    assert fills(result) == [(3, 20.0, 4.0), (3, 20.0, 6.0)]
    assert result.orders["signed_quantity"].to_list() == [20.0, 20.0, 20.0]
    assert result.orders["limit_price"].to_list() == [4.0, None, 3.0]
    assert ends(result)[2][0] == "live"


def test_a_split_restates_what_was_decided_and_is_not_yet_live():
    assert fills(play(HALVED, [order(1, 10.0)], SPLIT)) == [(2, 20.0, 5.0)]
    late = [order(1, 10.0, limit=8.0)]
    assert fills(play([10, 10, 5, (5, 5, 3.5, 5)], late, SPLIT)) == [(3, 20.0, 4.0)]


def test_a_split_restates_trailing_orders_and_unborn_children():
    trail = [order(0, 10.0), order(0, -10.0, trail=2.0)]
    assert fills(play([10, 10, 5, (5, 5, 3.5, 4)], trail, SPLIT))[1:] == [(3, -20.0, 4.0)]
    bracket = [
        order(0, 10.0, limit=9.0, id="entry"),
        order(0, -10.0, stop=8.0, parent="entry"),
    ]
    bars = [10, 10, 5, (5, 5, 4.25, 4.5), (4.5, 4.5, 3.5, 4)]
    assert fills(play(bars, bracket, SPLIT)) == [(3, 20.0, 4.5), (4, -20.0, 4.0)]


def test_a_target_of_an_asset_without_a_bar_is_sized_at_its_mark_in_todays_shares():
    weights = np.full((5, 1), np.nan)
    weights[3] = 0.5
    result = play([10, 10, None, None, 5], TargetWeights.from_array(weights), SPLIT, initial_cash=1000.0)
    assert fills(result) == [(4, 100.0, 5.0)]


def test_with_lots_the_fraction_of_a_split_is_paid_in_cash():
    result = play([12, 12, 8, 8], [order(0, 3.0)], [(2, "A", "split", 1.5)], initial_cash=100.0)
    assert fills(result, "origin", "phase")[1] == (2, -0.5, 8.0, "cash_in_lieu", "booking")
    assert equity(result) == [100.0] * 4
    assert booked(result) == [(2, "split", 4.0, 4.0)]
    pending = play([12, 12, 8, 8], [order(1, 3.0)], [(2, "A", "split", 1.5)])
    assert fills(pending) == [(2, 4.0, 8.0)]
    assert ends(pending) == [("cancelled", "lot", 4.0)]


def test_a_reverse_split_pays_the_fraction_of_the_position_at_the_mark():
    # 3 shares, 1 for 2: 1.5 shares; half a share at the mark 10 x 2 = 20 is paid: 10
    result = play([10, 10, 20], [order(0, 3)], [(2, "A", "split", 0.5)])
    assert fills(result, "phase", "exit_reason") == [
        (1, 3.0, 10.0, "open", None),
        (2, -0.5, 20.0, "booking", "cash_in_lieu"),
    ]
    assert equity(result) == [100_000] * 3


# 1.1 Dividends -------------------------------------------------------------------------------------------------------


def test_a_dividend_is_paid_on_the_shares_of_the_bar_before_and_by_shorts():
    long = play([10, 10, 9, 9], [order(0, 10.0), order(1, 5.0)], DIVIDEND, initial_cash=1000.0)
    assert equity(long) == [1000.0] * 4
    assert booked(long) == [(2, "dividend", 10.0, 10.0)]
    short = play([10, 10, 9, 9], [order(0, -10.0)], DIVIDEND, initial_cash=1000.0, allow_short_selling=True)
    assert equity(short) == [1000.0] * 4
    assert booked(short) == [(2, "dividend", -10.0, -10.0)]


def test_on_one_date_the_split_comes_before_the_dividend_per_new_share():
    both = [(2, "A", "dividend", 1.0), (2, "A", "split", 2.0)]
    result = play([10, 10, 4, 4], [order(0, 10.0)], both, initial_cash=1000.0)
    assert [row[1:] for row in booked(result)] == [("split", 20.0, 0.0), ("dividend", 20.0, 20.0)]
    assert equity(result) == [1000.0] * 4


def test_a_dividend_lowers_basis_and_marks_so_that_no_stop_trips():
    result = play([10, 10, (9, 9, 8.5, 8.5), (8.5, 8.5, 8, 8)], [order(0, 10.0)], DIVIDEND, stop_loss=0.1)
    assert fills(result)[1:] == [(3, -10.0, 8.1)]  # 0.9 x (10 - 1)
    bars = [10, (10, 12, 10, 12), (11, 11, 10.5, 11), (11, 11, 9, 10)]
    result = play(bars, [order(0, 10.0)], DIVIDEND, trailing_stop=0.1)
    assert fills(result)[1:] == [(3, -10.0, 9.9)]  # 0.9 x (12 - 1)
    result = play([10, 10, (9, 9, 7.5, 8), (8, 8, 6.5, 7)], [order(0, 10.0, stop_loss_price=8.0)], DIVIDEND)
    assert fills(result)[1:] == [(3, -10.0, 7.0)]


def test_break_even_is_the_average_price_that_a_dividend_leaves():
    bars = [10, (10, 12, 10, 12), 11, (11, 11, 9, 10)]
    result = play(bars, [order(0, 10.0)], DIVIDEND, break_even=0.1)
    assert fills(result)[1:] == [(3, -10.0, 10.0)]  # not the basis of 9


def test_a_dividend_lowers_buy_limits_and_sell_stops_only():
    pending = [
        order(0, 10.0),
        order(0, 10.0, limit=8.0),
        order(0, -10.0, limit=12.0),
        order(0, 10.0, stop=13.0),
        order(0, -10.0, stop=6.0),
    ]
    result = play([10, 10, 9, 9], pending, DIVIDEND)
    assert result.orders["limit_price"].to_list() == [None, 7.0, 12.0, None, None]
    assert result.orders["stop_price"].to_list() == [None, None, None, 13.0, 5.0]
    decided = play([10, 10, 9], [order(1, 10.0, limit=8.0)], DIVIDEND)
    assert decided.orders["limit_price"].to_list() == [7.0]


def test_levels_that_a_dividend_lowers_are_met_there_and_the_others_where_they_were():
    # 1.00 on bar 2: the stop at 9 becomes 8 and lives (L = 8.5); the limit to buy at 8 becomes 7; to sell at 12 stays
    bars = [10, 10, (9, 9, 8.5, 9), (9, 12.5, 6.5, 9)]
    pending = [order(0, 10), order(1, -10, stop=9), order(1, 1, limit=8), order(1, -1, limit=12)]
    result = play(bars, pending, DIVIDEND)
    # bar 3: pessimistic, down first: stop at 8, then buy at 7, then up: sell 1 at 12
    assert fills(result, "phase") == [
        (1, 10.0, 10.0, "open"),
        (3, -10.0, 8.0, "inside"),
        (3, 1.0, 7.0, "inside"),
        (3, -1.0, 12.0, "inside"),
    ]
    assert rows(result.actions, "timestamp", "kind", "cash") == [(2, "dividend", 10.0)]


def test_a_dividend_lowers_the_mark_of_a_trailing_order_and_unborn_children():
    trail = [order(0, 10.0), order(0, -10.0, trail=2.0)]
    assert fills(play([10, 10, (9, 9, 7.5, 8), (8, 8, 6.5, 7)], trail, DIVIDEND))[1:] == [(3, -10.0, 7.0)]
    bracket = [
        order(0, 10.0, limit=9.0, id="entry"),
        order(0, -10.0, stop=7.0, parent="entry"),
    ]
    bars = [10, 10, 9, (9, 9, 7.5, 8), (8, 8, 6.5, 7), (7, 7, 5.5, 6)]
    assert fills(play(bars, bracket, DIVIDEND)) == [(3, 10.0, 8.0), (5, -10.0, 6.0)]


# 1.4 Delistings ------------------------------------------------------------------------------------------------------


def test_a_delisting_closes_at_the_recovery_price_or_the_last_mark_and_cancels_orders():
    bars = [10, 10, 9, None, None]
    held = [order(0, 10.0), order(0, 5.0, limit=1.0), order(1, -10.0, stop=8.0), order(3, 5.0)]
    result = play(bars, held, [(3, "A", "delisting", 4.0)], initial_cash=1000.0)
    assert fills(result, "origin", "phase")[1:] == [(3, -10.0, 4.0, "delisting", "booking")]
    assert ends(result)[1:] == [("cancelled", "delisted", 0.0)] * 2 + [("rejected", "delisted", 0.0)]
    assert equity(result)[-1] == 940.0
    gone = [(3, "A", "delisting", None)]
    assert fills(play(bars, [order(0, 10.0)], gone))[1:] == [(3, -10.0, 9.0)]
    assert fills(play(bars, [order(0, 10.0)], gone, delisting_return=-0.5))[1:] == [(3, -10.0, 4.5)]


def test_an_asset_without_bars_for_so_many_sessions_is_stale():
    bars = {"A": [10, 10, 9, None, None, None, 8, 8], "B": [1] * 8}
    late = [order(bar, 5.0) for bar in (4, 5, 6)]
    result = play(bars, [order(0, 10.0), *late], max_stale=2, delisting_return=-0.5)
    # without a bar on 3 and 4: closed at the close of 4 and gone until its bar of 6
    assert fills(result, "origin") == [(1, 10.0, 10.0, "order"), (4, -10.0, 4.5, "stale"), (7, 5.0, 8.0, "order")]
    assert [end[:2] for end in ends(result)[1:]] == [("rejected", "delisted")] * 2 + [("filled", None)]
    assert fills(play(bars, [order(0, 10.0)], max_stale=4))[1:] == []


def test_the_last_asset_without_bars_is_closed_when_it_is_stale():
    result = play([10, 10, None, None, None], [order(0, 10)], max_stale=2, delisting_return=-0.5)
    assert fills(result)[1:] == [(3, -10.0, 5.0)]  # half of its mark of 10
