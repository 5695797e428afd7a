"""What executes at the open, what is an exit, and in which order cash is granted (clauses 2.1 to 2.3)."""

import numpy as np

from contract.by_hand import ends, fills, order, play, trades
from facade import TargetShares, TargetWeights

TWO = {"A": [10, 10, 10, 10], "B": [10, 10, 10, 10]}


def shares(*targets):
    """Target shares, one row a bar; None leaves the bar alone."""
    width = len(next(row for row in targets if row is not None))
    table = [[np.nan] * width if row is None else [np.nan if x is None else float(x) for x in row] for row in targets]
    return TargetShares.from_array(np.array(table))


# 2.1 What executes, and in which order -------------------------------------------------------------------------------


def test_stops_and_limits_at_the_open_take_its_price():
    rows = [order(0, 5, stop=11), order(0, 5, "B", limit=9)]
    # O = 12 is through the buy stop at 11: at 12. O = 8 is better than the limit of 9: at 8, as a taker
    result = play({"A": [10, 12], "B": [10, 8]}, rows)
    assert fills(result, "symbol", "passive") == [(1, 5.0, 12.0, "A", False), (1, 5.0, 8.0, "B", False)]


def test_a_stop_through_which_the_open_gaps_fills_at_the_open():
    result = play([10, 10, (8, 8.5, 7, 8)], [order(0, 5.0), order(1, -5.0, stop=9.0)])
    assert fills(result) == [(1, 5.0, 10.0), (2, -5.0, 8.0)]
    result = play([10, (12, 13, 11, 12)], [order(0, 5.0, stop=11.0)])
    assert fills(result) == [(1, 5.0, 12.0)]


def test_a_limit_better_than_the_open_improves_and_one_equal_to_it_waits_for_a_trade_through():
    assert fills(play([10, (8, 10, 7, 9)], [order(0, 5.0, limit=9.0)])) == [(1, 5.0, 8.0)]
    equal = [order(0, 5.0, limit=9.0)]
    assert fills(play([10, (9, 10, 8, 9)], equal), "phase") == [(1, 5.0, 9.0, "inside")]
    assert fills(play([10, (9, 10, 8, 9)], equal, limit_fill="touch"), "phase") == [(1, 5.0, 9.0, "open")]


def test_a_level_already_passed_by_the_open_at_which_it_is_born_executes_there():
    rows = [
        order(0, 10.0, id="entry"),
        order(0, -10.0, parent="entry", stop=11.0),
        order(0, -10.0, parent="entry", limit=12.0),
    ]
    assert fills(play([10, (10, 13, 10, 13)], rows), "phase") == [(1, 10.0, 10.0, "open"), (1, -10.0, 10.0, "open")]


def test_a_target_already_passed_at_the_entry_executes_at_the_open():
    rows = [order(0, 10.0, take_profit_price=9.0)]
    assert fills(play([10, (10, 13, 10, 13)], rows), "origin")[1] == (1, -10.0, 10.0, "take_profit")


# 2.2 Exits -----------------------------------------------------------------------------------------------------------


def test_an_order_that_crosses_zero_makes_two_fills_and_two_trades():
    bars = [10, 10, 12, 11]
    result = play(bars, [order(0, 100.0), order(1, -150.0), order(2, 50.0)], allow_short_selling=True)
    assert fills(result, "order_id") == [
        (1, 100.0, 10.0, 0),
        (2, -100.0, 12.0, 1),
        (2, -50.0, 12.0, 1),
        (3, 50.0, 11.0, 2),
    ]
    assert trades(result, "quantity", "gross_pnl") == [(100.0, 200.0), (-50.0, 50.0)]


def test_without_shorting_an_order_that_would_cross_is_cut_to_the_position():
    result = play([10, 10, 12, 11], [order(0, 100.0), order(1, -150.0), order(2, -1.0)])
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 12.0)]
    assert ends(result) == [("filled", None, 100.0), ("cancelled", "no_short", 100.0), ("rejected", "no_short", 0.0)]


def test_an_order_is_cut_to_the_position_also_when_the_cap_fills_it_in_part():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 1000), (10, 10, 10, 10, 400)]
    held = order(0, 100.0)
    result = play(bars, [held, order(1, -150.0)], max_participation=0.1)
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0]  # of 100, not of 150
    reduce = order(1, -150.0, reduce_only=True)
    result = play(bars, [held, reduce], max_participation=0.1, allow_short_selling=True)
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0]


def test_two_reduce_only_orders_never_flip_a_position():
    sells = [order(1, -60.0, reduce_only=True), order(1, -60.0, reduce_only=True)]
    result = play([10, 10, 10], [order(0, 100.0), *sells], allow_short_selling=True)
    assert fills(result) == [(1, 100.0, 10.0), (2, -60.0, 10.0), (2, -40.0, 10.0)]
    assert ends(result)[2] == ("cancelled", "no_short", 40.0)


# 2.3 Cash ------------------------------------------------------------------------------------------------------------


def test_exits_come_first_and_pay_for_entries_submitted_before_them():
    buys_first = [order(0, 100.0), order(1, 100.0, symbol="B"), order(1, -100.0)]
    result = play(TWO, buys_first, initial_cash=1000.0)
    assert fills(result, "symbol") == [(1, 100.0, 10.0, "A"), (2, -100.0, 10.0, "A"), (2, 100.0, 10.0, "B")]


def test_only_what_the_cap_let_exits_bring_is_spendable():
    bars = {"A": [10, 10, (10, 10, 10, 10, 300), 10], "B": [10, 10, 10, 10]}
    result = play(
        bars,
        [order(0, 100.0), order(1, -100.0), order(1, 100.0, symbol="B")],
        initial_cash=1000.0,
        max_participation=0.1,
    )
    assert fills(result, "symbol")[1:] == [(2, -30.0, 10.0, "A"), (2, 30.0, 10.0, "B"), (3, -70.0, 10.0, "A")]


def test_the_entries_of_one_rebalance_are_scaled_together():
    # 150 and 50 shares need 2,000 of 1,000
    result = play(TWO, shares([150, 50], None, None, None), initial_cash=1000.0)
    assert fills(result, "symbol") == [(1, 75.0, 10.0, "A"), (1, 25.0, 10.0, "B")]
    assert ends(result) == [("live", None, 75.0), ("live", None, 25.0)]  # what is left waits


def test_a_batch_short_of_cash_at_the_open_is_scaled_once():
    # sized at 10: 50 and 50 shares. At the opens 20 and 20 they need 2,000; there are 1,000: halves, 25 and 25
    weights = TargetWeights.from_array(np.array([[0.5, 0.5], [np.nan, np.nan]]))
    result = play({"A": [10, 20], "B": [10, 20]}, weights, initial_cash=1_000.0)
    assert fills(result, "symbol") == [(1, 25.0, 20.0, "A"), (1, 25.0, 20.0, "B")]
    assert [end[0] for end in ends(result)] == ["live", "live"]  # the rest of a target waits


def test_a_scaled_entry_that_still_fails_the_cash_check_shrinks_and_waits():
    # 2,000 and two fees of 50 need 2,100: 71 and 23 shares; the second finds 240, less its fee 190
    result = play(TWO, shares([150, 50], None, None, None), initial_cash=1000.0, commission_per_trade=50.0)
    assert fills(result) == [(1, 71.0, 10.0), (1, 19.0, 10.0)]
    assert ends(result) == [("live", None, 71.0), ("live", None, 19.0)]


def test_what_cash_left_of_a_target_joins_the_next_batch():
    bars = {"A": [10, 10, 10, 10], "B": [10, 10, 10, 10], "C": [10, 10, 10, 10]}
    result = play(bars, shares([60, 0, 0], [0, 150, 50], None, None), initial_cash=600.0)
    assert fills(result, "symbol")[1:] == [(2, -60.0, 10.0, "A"), (2, 45.0, 10.0, "B"), (2, 15.0, 10.0, "C")]


def test_what_waits_in_whole_lots_is_bought_as_soon_as_the_cash_pays_one():
    # 1,000 buys 33 of 50 at 30; the 10 that are left buy nothing at 30 or 10.01, and one share at 10
    result = play([30, 30, 30, 10.01, 10, 10], shares([50], *[None] * 5), initial_cash=1000.0)
    assert fills(result) == [(1, 33.0, 30.0), (4, 1.0, 10.0)]
    # 33 of a dividend and 10: one share at 30
    paid = play([30, 30, 30, 30], shares([50], *[None] * 3), [(2, "A", "dividend", 1.0)], initial_cash=1000.0)
    assert fills(paid) == [(1, 33.0, 30.0), (2, 1.0, 30.0)]
    # a split of three makes 51 of the 17 that wait, and 10 the price
    split = play([30, 30, 30, 10, 10], shares([50], *[None] * 4), [(3, "A", "split", 3.0)], initial_cash=1000.0)
    assert fills(split) == [(1, 33.0, 30.0), (3, 1.0, 10.0)]


def test_volume_holds_back_what_waits_even_where_the_cash_pays_no_lot():
    # 10 percent of 100 shares is less than the 17 that wait, of 1,000 it is not
    for volume, capped in ((100.0, 1), (1000.0, 0)):
        bars = [30, 30, (30, 30, 30, 30, volume), 30]
        result = play(bars, shares([50], *[None] * 3), initial_cash=1000.0, max_participation=0.1)
        assert fills(result) == [(1, 33.0, 30.0)]
        assert result.metrics["num_capped_orders"] == capped


def test_what_a_batch_may_spend_is_less_twice_the_shorts():
    bars = {"A": [10, 10, 10], "B": [10, 10, 10], "C": [10, 10, 10]}
    result = play(bars, shares([-40, None, None], [None, 60, 60], None), initial_cash=1000.0, allow_short_selling=True)
    assert fills(result)[1:] == [(2, 30.0, 10.0), (2, 30.0, 10.0)]  # 1,400 - 800 = 600 for 1,200


def test_other_entries_are_served_by_submission_or_by_rank():
    bars = {"A": [10, 10], "B": [10, 10]}
    one, other = order(0, 80.0, symbol="B"), order(0, 80.0, symbol="A")
    result = play(bars, [one, other], initial_cash=1000.0)
    assert fills(result, "symbol") == [(1, 80.0, 10.0, "B"), (1, 20.0, 10.0, "A")]
    assert ends(result)[1] == ("cancelled", "cash", 20.0)
    result = play(bars, [one, other], initial_cash=1000.0, shortfall="reject")
    assert ends(result)[1] == ("rejected", "cash", 0.0)
    result = play(bars, [{**one, "rank": 2.0}, {**other, "rank": 1.0}], initial_cash=1000.0, entry_rank="rank")
    assert fills(result, "symbol") == [(1, 80.0, 10.0, "A"), (1, 20.0, 10.0, "B")]


def test_an_order_of_its_own_rank_is_last_without_one():
    bars = {"A": [10, 10], "B": [10, 10]}
    rows = [order(0, 80.0, symbol="A", limit=11.0), order(0, 80.0, symbol="B", rank=5.0)]
    result = play(bars, rows, initial_cash=1000.0, entry_rank="rank")
    assert fills(result, "symbol") == [(1, 80.0, 10.0, "B"), (1, 20.0, 10.0, "A")]


def test_resting_orders_of_all_assets_are_served_by_submission():
    bars = {"A": [10, 10, 8], "B": [10, 10, 8]}
    rest = [order(0, 50.0, symbol=symbol, limit=9.0) for symbol in "ABA"]
    result = play(bars, rest, initial_cash=800.0)
    assert fills(result, "symbol") == [(2, 50.0, 8.0, "A"), (2, 50.0, 8.0, "B")]
