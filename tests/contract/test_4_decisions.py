"""Targets, signals and orders as given become orders with sizes fixed in shares (clauses 4.6, 6.0, 6.3)."""

import numpy as np

from contract.by_hand import ends, fills, order, play
from facade import Signals, TargetShares, TargetWeights


def targets(kind, *values, **options):
    """Targets of one asset, None leaves it alone."""
    table = np.array([[np.nan if value is None else float(value)] for value in values])
    return kind.from_array(table, **options)


def weights(*values, **options):
    return targets(TargetWeights, *values, **options)


def shares(*values, **options):
    return targets(TargetShares, *values, **options)


# 6.0 Targets ---------------------------------------------------------------------------------------------------------


def test_a_target_replaces_what_is_left_of_the_one_before():
    bars = [(10, 10, 10, 10, 400)] * 5
    result = play(bars, shares(100, 100, 100, None, None), max_participation=0.1)
    assert fills(result) == [(1, 40.0, 10.0), (2, 40.0, 10.0), (3, 20.0, 10.0)]
    assert [end[0] for end in ends(result)] == ["replaced", "replaced", "filled"]


def test_weights_are_sized_at_the_deciding_close():
    weights = np.full((3, 2), np.nan)
    weights[0] = (0.5, 0.25)
    result = play(
        {"A": [(9, 11, 9, 10), 12, 20], "B": [5, 8, 5]}, TargetWeights.from_array(weights), initial_cash=1000.0
    )
    assert fills(result) == [(1, 50.0, 12.0), (1, 50.0, 8.0)]


def test_a_weight_is_of_the_equity_of_its_bar():
    result = play([10, 10, 20, 20, 20], weights(0.5, None, 0.5, None, None), initial_cash=1000.0)
    # equity 1,500 at bar 2: 37.5 shares, of which 12.5 are to be sold, floored to lots
    assert fills(result) == [(1, 50.0, 10.0), (3, -12.0, 20.0)]


def test_small_orders_are_refused_by_the_minimum_but_not_those_that_close():
    bars = [10, 10, 10, 10, 10]
    result = play(bars, shares(100, 105, None, 0, None), min_notional=100.0)
    assert fills(result) == [(1, 100.0, 10.0), (4, -100.0, 10.0)]
    assert ends(result)[1] == ("rejected", "minimum", 0.0)
    result = play([10, 10, 5, 5], [order(0, 15.0), order(2, -15.0)], min_notional=100.0)
    assert fills(result)[1:] == [(3, -15.0, 5.0)]  # 75 are less than the minimum, but nothing is left


def test_dust_is_no_order_and_less_than_a_lot_is_refused_only_when_flat():
    # 0.2 + (0.9 - 0.2) is not 0.9 in float64
    result = play([10, 10, 10, 10], shares(0.2, 0.9, 0.9, None), lot=0)
    assert len(result.orders) == 2
    result = play([600, 600, 600], weights(0.5, None, None), initial_cash=1000.0)
    assert ends(result) == [("rejected", "lot", 0.0)]
    result = play([300, 300, 300], weights(0.5, 0.55, None), initial_cash=1000.0)
    assert len(result.orders) == 1


def test_a_small_change_of_weight_leaves_the_position_alone():
    result = play([10, 10, 11, 11], weights(0.5, None, 0.5, None), lot=0, initial_cash=1000.0)
    assert len(result.fills) == 2
    strategy = weights(0.5, None, 0.5, None, min_weight_change=0.05)
    result = play([10, 10, 11, 11], strategy, lot=0, initial_cash=1000.0)
    assert len(result.fills) == 1


def test_a_target_of_an_asset_never_priced_is_refused():
    result = play({"A": [None, 10], "B": [10, 10]}, TargetWeights.from_array(np.array([[0.5, 0.0], [np.nan] * 2])))
    assert ends(result) == [("rejected", "no_price", 0.0)]


def test_targets_wait_out_the_cooldown_too():
    bars = [10, 10, (10, 10, 8, 9), 9, 9, 9]
    result = play(bars, shares(10, None, 5, 5, 5, None), stop_loss=0.1, cooldown=2)
    assert [end[:2] for end in ends(result)[2:]] == [("rejected", "cooldown")] * 2 + [("filled", None)]


# 4.6 Signals ---------------------------------------------------------------------------------------------------------


def signals(length, entries=(), exits=(), short_entries=(), short_exits=(), **options):
    """Signals of one asset, given as the bars on which they stand."""
    flags = {}
    given = {"entries": entries, "exits": exits, "short_entries": short_entries, "short_exits": short_exits}
    for name, bars in given.items():
        flags[name] = np.zeros((length, 1), dtype=bool)
        flags[name][list(bars)] = True
    return Signals.from_arrays(**flags, **options)


FLAT = [10] * 6


SHARES = {"size": 10.0, "size_type": "shares"}


def test_an_entry_while_held_is_ignored_unless_accumulating():
    assert fills(play(FLAT, signals(6, [0, 2], **SHARES))) == [(1, 10.0, 10.0)]
    both = play(FLAT, signals(6, [0, 2], accumulate=True, **SHARES))
    assert fills(both) == [(1, 10.0, 10.0), (3, 10.0, 10.0)]


def test_an_entry_while_one_works_is_ignored_and_an_exit_cancels_it():
    bars = [10, (10, 10, 10, 10, 40), (10, 10, 10, 10, 40), (10, 10, 10, 10, 40), 10, 10]
    result = play(bars, signals(6, [0, 1], [2], **SHARES), max_participation=0.1)
    assert fills(result) == [(1, 4.0, 10.0), (2, 4.0, 10.0), (3, -4.0, 10.0), (4, -4.0, 10.0)]
    assert ends(result) == [("cancelled", "signal_exit", 8.0), ("filled", None, 8.0)]


def test_entry_and_exit_on_one_bar_exit_what_is_held_and_leave_flat_alone():
    assert fills(play(FLAT, signals(6, [0], [0], **SHARES))) == []
    result = play(FLAT, signals(6, [0, 2], [2], **SHARES))
    assert fills(result) == [(1, 10.0, 10.0), (3, -10.0, 10.0)]


def test_long_and_short_entry_on_one_bar_are_neither_and_counted():
    result = play(FLAT, signals(6, [0], short_entries=[0], **SHARES), allow_short_selling=True)
    assert fills(result) == []
    assert result.metrics["signal_conflicts"] == 1


def test_an_opposite_entry_closes_and_reverses_where_shorting_is_allowed():
    both = signals(6, [0], short_entries=[2], **SHARES)
    result = play(FLAT, both, allow_short_selling=True)
    assert fills(result, "origin") == [
        (1, 10.0, 10.0, "signal_entry"),
        (3, -10.0, 10.0, "signal_exit"),
        (3, -10.0, 10.0, "signal_entry"),
    ]
    assert fills(play(FLAT, both), "origin")[1:] == [(3, -10.0, 10.0, "signal_exit")]
    result = play(FLAT, signals(6, short_entries=[0], **SHARES))
    assert ends(result) == [("rejected", "no_short", 0.0)]


def test_sizes_are_shares_value_or_fraction_of_equity():
    for size, kind, expected in ((7.0, "shares", 7.0), (150.0, "value", 15.0), (0.25, "fraction", 25.0)):
        result = play(FLAT, signals(6, [0], size=size, size_type=kind), initial_cash=1000.0)
        assert fills(result) == [(1, expected, 10.0)]


def test_target_sizes_order_what_is_missing_and_are_a_batch():
    result = play(
        [10, 10, 20, 20],
        signals(4, [0, 2], size=0.5, size_type="target_fraction", accumulate=True),
        initial_cash=1000.0,
        lot=0,
    )
    assert fills(result) == [(1, 50.0, 10.0), (3, -12.5, 20.0)]


def test_an_exit_signal_exits_once():
    bars = [10, 10, (10, 10, 10, 10, 40), (10, 10, 10, 10, 40), (10, 10, 10, 10, 40), 10]
    result = play(bars, signals(6, [0], [1, 2, 3], **SHARES), max_participation=0.1)
    assert len(result.orders) == 2
    assert [row[1] for row in fills(result)[1:]] == [-4.0, -4.0, -2.0]


# 4.6 Orders as given -------------------------------------------------------------------------------------------------


def test_an_order_is_cancelled_at_the_close_of_the_bar_that_says_so():
    rows = [order(0, 5.0, limit=9.0, id="x"), order(1, action="cancel", id="x")]
    assert fills(play([10, (10, 10, 8, 10), 10], rows)) == [(1, 5.0, 9.0)]
    result = play([10, 10, (10, 10, 8, 10)], rows)
    assert fills(result) == []
    assert ends(result) == [("cancelled", "cancelled", 0.0)]


def test_a_replacement_changes_what_is_given_and_keeps_the_rest():
    rows = [
        order(0, 100.0, id="x", limit=9.0),
        order(1, id="x", action="replace", limit=9.5),
        order(2, 30.0, id="x", action="replace", type="limit"),
    ]
    result = play([10, 10, 10, (10, 10, 9.25, 10)], rows)
    assert fills(result) == [(3, 30.0, 9.5)]
    assert [end[0] for end in ends(result)] == ["replaced", "replaced", "filled"]
