"""The clock, bars that are missing, the first and the last bar (clause 0)."""

from contract.by_hand import ends, equity, fills, order, play


def test_a_decision_trades_at_the_next_open():
    assert fills(play([(10, 12, 9, 11), (13, 14, 12, 12)], [order(0, 5)]), "phase") == [(1, 5.0, 13.0, "open")]


def test_nothing_fills_on_the_bar_of_its_decision_under_next_bar():
    assert fills(play([10, 11], [order(0, 10.0), order(1, 10.0)])) == [(1, 10.0, 11.0)]


def test_an_order_waits_for_a_bar_and_the_mark_stays():
    result = play([10, (11, 12, 11, 12), None, 9], [order(0, 10), order(1, -4)])
    # bought 10 at 11: cash 99,890; bar 2 has no bar: marked at 12; the sale waits for the open of bar 3
    assert fills(result, "phase") == [(1, 10.0, 11.0, "open"), (3, -4.0, 9.0, "open")]
    assert equity(result) == [100_000, 100_010, 100_010, 99_980]


def test_the_last_mark_values_what_has_no_bar():
    result = play([10, (10, 12, 10, 12), None, 11], [order(0, 10.0)], initial_cash=100.0)
    assert equity(result) == [100.0, 120.0, 120.0, 110.0]


def test_what_is_decided_on_the_last_bar_stays_pending():
    result = play([10, 10], [order(0, 5), order(1, 5)])
    assert ends(result) == [("filled", None, 5.0), ("decided", None, 0.0)]
    assert result.positions["quantity"].to_list() == [5.0]  # nothing is closed because the data ends
