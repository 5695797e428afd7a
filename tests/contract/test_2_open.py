"""What executes at one price, and in which order cash is granted (clauses 2 and 4)."""

import numpy as np

from contract.by_hand import ends, fills, order, play, rows
from facade import TargetShares, TargetWeights

TWO = {"A": [10, 10, 10, 10], "B": [10, 10, 10, 10]}


def shares(*targets):
    """Target shares, one row a bar; None leaves the bar alone."""
    width = len(next(row for row in targets if row is not None))
    table = [[np.nan] * width if row is None else [np.nan if x is None else float(x) for x in row] for row in targets]
    return TargetShares.from_array(np.array(table))


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


def test_a_scaled_entry_that_still_fails_the_cash_check_shrinks_and_waits():
    # 2,000 and two fees of 50 need 2,100: 71 and 23 shares; the second finds 240, less its fee 190
    result = play(TWO, shares([150, 50], None, None, None), initial_cash=1000.0, commission_per_trade=50.0)
    assert fills(result) == [(1, 71.0, 10.0), (1, 19.0, 10.0)]
    assert ends(result) == [("live", None, 71.0), ("live", None, 19.0)]


def test_what_cash_left_of_a_target_joins_the_next_batch():
    bars = {"A": [10, 10, 10, 10], "B": [10, 10, 10, 10], "C": [10, 10, 10, 10]}
    result = play(bars, shares([60, 0, 0], [0, 150, 50], None, None), initial_cash=600.0)
    assert fills(result, "symbol")[1:] == [(2, -60.0, 10.0, "A"), (2, 45.0, 10.0, "B"), (2, 15.0, 10.0, "C")]


def test_what_a_batch_may_spend_is_less_twice_the_shorts():
    bars = {"A": [10, 10, 10], "B": [10, 10, 10], "C": [10, 10, 10]}
    result = play(bars, shares([-40, None, None], [None, 60, 60], None), initial_cash=1000.0, allow_short_selling=True)
    assert fills(result)[1:] == [(2, 30.0, 10.0), (2, 30.0, 10.0)]  # 1,400 - 800 = 600 for 1,200


def test_other_entries_are_served_by_submission_or_by_rank():
    bars = {"A": [10, 10], "B": [10, 10]}
    one, other = order(0, 80.0, symbol="B"), order(0, 80.0, symbol="A")
    result = play(bars, [one, other], initial_cash=1000.0)
    assert fills(result, "symbol") == [(1, 80.0, 10.0, "B"), (1, 20.0, 10.0, "A")]
    result = play(bars, [{**one, "rank": 2.0}, {**other, "rank": 1.0}], initial_cash=1000.0, entry_rank="rank")
    assert fills(result, "symbol") == [(1, 80.0, 10.0, "A"), (1, 20.0, 10.0, "B")]


def test_resting_orders_of_all_assets_are_served_by_submission():
    bars = {"A": [10, 10, 8], "B": [10, 10, 8]}
    rest = [order(0, 50.0, symbol=symbol, type="limit", limit_price=9.0) for symbol in "ABA"]
    result = play(bars, rest, initial_cash=800.0)
    assert fills(result, "symbol") == [(2, 50.0, 8.0, "A"), (2, 50.0, 8.0, "B")]


def test_a_level_already_passed_by_the_open_at_which_it_is_born_executes_there():
    rows = [
        order(0, 10.0, id="entry"),
        order(0, -10.0, parent="entry", type="stop", stop_price=11.0),
        order(0, -10.0, parent="entry", type="limit", limit_price=12.0),
    ]
    assert fills(play([10, (10, 13, 10, 13)], rows), "phase") == [(1, 10.0, 10.0, "open"), (1, -10.0, 10.0, "open")]


def test_a_target_already_passed_at_the_entry_executes_at_the_open():
    rows = [order(0, 10.0, take_profit_price=9.0)]
    assert fills(play([10, (10, 13, 10, 13)], rows), "origin")[1] == (1, -10.0, 10.0, "take_profit")


def test_nothing_fills_on_the_bar_of_its_decision_under_next_bar():
    assert fills(play([10, 11], [order(0, 10.0), order(1, 10.0)])) == [(1, 10.0, 11.0)]


def test_same_bar_close_fills_market_orders_at_the_deciding_close_and_others_later():
    bars = [(10, 12, 8, 11), (11, 11, 8, 9)]
    rows = [order(0, 10.0), order(0, 10.0, type="limit", limit_price=10.0), order(0, 10.0, type="moo")]
    result = play(bars, rows, timing="same_bar_close", initial_cash=1000.0)
    assert fills(result, "phase") == [
        (0, 10.0, 11.0, "decision_close"),
        (1, 10.0, 11.0, "open"),
        (1, 10.0, 10.0, "inside"),
    ]
    assert result.equity["equity"].to_list() == [1000.0, 1000 + 30 * 9 - 110 - 110 - 100]


def test_a_position_of_the_deciding_close_does_not_meet_its_bar():
    bars = [(10, 13, 7, 10), (10, 11, 9.5, 10), (10, 10, 9.5, 10)]
    result = play(bars, [order(0, 10.0), order(2, -10.0)], timing="same_bar_close", stop_loss=0.2, take_profit=0.2)
    assert fills(result) == [(0, 10.0, 10.0), (2, -10.0, 10.0)]
    assert rows(result.trades, "mfe", "mae") == [(0.1, -0.05)]


def test_exits_are_first_at_the_deciding_close_too():
    buys_first = [order(0, 100.0), order(1, 100.0, symbol="B"), order(1, -100.0)]
    result = play(TWO, buys_first, initial_cash=1000.0, timing="same_bar_close")
    assert fills(result, "symbol")[1:] == [(1, -100.0, 10.0, "A"), (1, 100.0, 10.0, "B")]


def test_orders_at_the_close_may_use_what_the_bar_brought():
    bars = {"A": [10, 10, (10, 12, 10, 12)], "B": [10, 10, 10]}
    rows = [order(0, 100.0), order(1, -100.0, type="limit", limit_price=11.0), order(1, 110.0, symbol="B", type="moc")]
    result = play(bars, rows, initial_cash=1000.0)
    assert fills(result)[1:] == [(2, -100.0, 11.0), (2, 110.0, 10.0)]


def test_bankruptcy_closes_everything_at_marks_and_decides_nothing_after():
    bars = {"A": [10, 10, (10, 31, 10, 31), 10, 10], "B": [10, 10, 10, 10, 10]}
    rows_ = [order(0, -100.0), order(1, 10.0, symbol="B", type="limit", limit_price=5.0), order(3, 10.0, symbol="B")]
    result = play(bars, rows_, initial_cash=2000.0, allow_short_selling=True, slippage_rate=0.0, commission_rate=0.01)
    # cash 3,000 - 10 of commission, then 100 bought back at 31 with 31 of commission
    assert fills(result, "origin", "phase")[1] == (2, 100.0, 31.0, "bankruptcy", "booking")
    assert [round(x, 9) for x in result.equity["equity"]] == [2000.0, 1990.0, -141.0, -141.0, -141.0]
    assert ends(result)[1:] == [("cancelled", "bankrupt", 0.0)]


def test_weights_are_sized_at_the_deciding_close():
    weights = np.full((3, 2), np.nan)
    weights[0] = (0.5, 0.25)
    result = play(
        {"A": [(9, 11, 9, 10), 12, 20], "B": [5, 8, 5]}, TargetWeights.from_array(weights), initial_cash=1000.0
    )
    assert fills(result) == [(1, 50.0, 12.0), (1, 50.0, 8.0)]
