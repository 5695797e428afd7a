"""The walk inside the bar: nearest first, ties, entry bars, proof by the close, cash (clauses 3.0, 3.2, 3.4)."""

import pytest

from contract.by_hand import ambiguous, ends, fills, order, play

WIDE = (10, 12, 8, 10)


def limit(bar, quantity, price, **columns):
    return order(bar, quantity, limit=price, **columns)


def stop(bar, quantity, price, **columns):
    return order(bar, quantity, stop=price, **columns)


# 3.0 Which level is met first ----------------------------------------------------------------------------------------


def test_levels_on_one_side_are_met_nearest_first():
    rows = [limit(0, 1.0, 8.5), limit(0, 2.0, 9.5), limit(0, 3.0, 9.0)]
    assert fills(play([10, WIDE], rows)) == [(1, 2.0, 9.5), (1, 3.0, 9.0), (1, 1.0, 8.5)]
    rows = [order(0, 10.0), limit(1, -5.0, 12.0), limit(1, -5.0, 11.0)]
    assert fills(play([10, 10, (10, 13, 10, 13)], rows))[1:] == [(2, -5.0, 11.0), (2, -5.0, 12.0)]


def test_at_one_price_exits_go_before_entries():
    rows = [order(0, 10.0), limit(1, 4.0, 9.0), stop(1, -10.0, 9.0)]
    assert fills(play([10, 10, (10, 10, 8, 9.5)], rows)) == [(1, 10.0, 10.0), (2, -10.0, 9.0), (2, 4.0, 9.0)]


@pytest.mark.parametrize(
    ("tie", "bar", "exit_price"),
    [
        ("pessimistic", WIDE, 9.0),
        ("optimistic", WIDE, 11.0),
        ("nearest", (10, 12, 8.5, 10), 9.0),
        ("nearest", (10, 11.5, 8, 10), 11.0),
        ("nearest", WIDE, 9.0),  # equally far: adverse
    ],
)
def test_which_side_came_first_is_a_policy_and_the_bar_is_counted(tie, bar, exit_price):
    result = play([10, 10, bar, 10], [order(0, 10.0)], tie=tie, stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, -10.0, exit_price)]
    assert ambiguous(result) == [(2, "two_sided")]
    assert result.metrics["ambiguous_bars"] == 1


@pytest.mark.parametrize(
    ("tie", "low", "price"),
    [
        ("pessimistic", 8.5, 9.0),  # the stop, adverse to the holder, first
        ("optimistic", 8.5, 12.0),
        ("nearest", 8.5, 9.0),  # the low is 1.5 away, the high 2.5
        ("nearest", 7.0, 12.0),  # now the high is nearer
    ],
)
def test_which_order_of_a_group_came_first_is_the_same_policy(tie, low, price):
    group = [order(0, 10.0), limit(1, -10.0, 12.0, group="g"), stop(1, -10.0, 9.0, group="g")]
    result = play([10, 10, (10, 12.5, low, 10)], group, tie=tie)
    assert fills(result, "phase")[1:] == [(2, -10.0, price, "inside")]
    assert ambiguous(result) == [(2, "two_sided")]


def test_for_a_short_the_adverse_side_is_up():
    result = play([10, 10, WIDE], [order(0, -10.0)], allow_short_selling=True, stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, 10.0, 11.0)]
    assert ambiguous(result) == [(2, "two_sided")]


def test_flat_the_nearer_extreme_came_first():
    rows = [limit(0, 5.0, 9.0), stop(0, 7.0, 11.0)]
    assert fills(play([10, (10, 11.5, 8, 10)], rows)) == [(1, 7.0, 11.0), (1, 5.0, 9.0)]
    assert fills(play([10, (10, 12, 8.5, 10)], rows)) == [(1, 5.0, 9.0), (1, 7.0, 11.0)]


def test_levels_on_one_side_only_are_certain():
    result = play([10, 10, (10, 10.5, 8, 10)], [order(0, 10.0)], stop_loss=0.1, take_profit=0.1)
    assert fills(result)[1:] == [(2, -10.0, 9.0)]
    assert ambiguous(result) == []


def test_a_position_of_the_open_meets_the_whole_bar():
    assert fills(play([10, (10, 10, 8, 10)], [order(0, 10.0)], stop_loss=0.1))[1:] == [(1, -10.0, 9.0)]


# 3.2 Positions born inside the bar -----------------------------------------------------------------------------------


def entered_inside(bar, **config):
    """A limit at 9.5 met inside the bar, with its stop at 9 and its target at 11."""
    rows = [limit(0, 10.0, 9.5, stop_loss_price=9.0, take_profit_price=11.0)]
    return play([10, bar, 10, 10], rows, **config)


def test_a_level_further_along_the_move_that_filled_it_is_certain():
    result = entered_inside((10, 10.5, 8, 10))
    assert fills(result) == [(1, 10.0, 9.5), (1, -10.0, 9.0)]
    assert ambiguous(result) == []


def test_a_target_against_the_move_needs_the_close_to_prove_it():
    result = entered_inside((10, 12, 9.25, 10.5))
    assert fills(result) == [(1, 10.0, 9.5)]
    assert ambiguous(result) == [(1, "entry_bar")]
    result = entered_inside((10, 12, 9.25, 11))
    assert fills(result) == [(1, 10.0, 9.5), (1, -10.0, 11.0)]
    assert ambiguous(result) == []


def bought_on_the_way_up(bar, **config):
    """A buy stop at 11 met inside the bar, with a stop loss at 9.9."""
    return play([10, bar, 12, 12], [stop(0, 10.0, 11.0)], stop_loss=0.1, **config)


def test_an_adverse_level_against_the_move_is_proved_by_the_close_or_assumed_by_policy():
    open_question = (10, 12, 9, 11)
    result = bought_on_the_way_up(open_question)
    assert fills(result) == [(1, 10.0, 11.0)]
    assert ambiguous(result) == [(1, "entry_bar")]
    result = bought_on_the_way_up(open_question, entry_bar="assumed")
    assert fills(result) == [(1, 10.0, 11.0), (1, -10.0, 9.9)]
    assert ambiguous(result) == [(1, "entry_bar")]  # counted also when it is taken
    result = bought_on_the_way_up((10, 12, 9, 9.5))
    assert fills(result) == [(1, 10.0, 11.0), (1, -10.0, 9.9)]
    assert ambiguous(result) == []


def test_only_adverse_levels_are_assumed():
    result = entered_inside((10, 12, 9.25, 10.5), entry_bar="assumed")
    assert fills(result) == [(1, 10.0, 9.5)]


def test_a_target_further_along_the_move_is_met_where_a_stop_behind_it_needs_proof():
    # bought by the stop at 11 on the way up; the rule stop 5 % below, 10.45, is in range, but C = 12 proves nothing
    bars, rows = [10, (10, 13, 9, 12), 12], [stop(0, 10.0, 11.0)]
    proved = play(bars, rows, stop_loss=0.05)
    assert fills(proved) == [(1, 10.0, 11.0)] and ambiguous(proved) == [(1, "entry_bar")]
    assert fills(play(bars, rows, stop_loss=0.05, entry_bar="assumed"))[1:] == [(1, -10.0, 10.45)]
    # the target 10 % above, 12.1, lies further along the move: certain
    assert fills(play(bars, rows, take_profit=0.1))[1:] == [(1, -10.0, 12.1)]


def test_children_born_inside_are_held_to_the_same_proof():
    rows = [
        limit(0, 10.0, 9.5, id="entry"),
        limit(0, -10.0, 11.0, parent="entry"),
        stop(0, -10.0, 9.0, parent="entry"),
    ]
    assert fills(play([10, (10, 12, 9.25, 10.5)], rows)) == [(1, 10.0, 9.5)]
    assert fills(play([10, (10, 12, 9.25, 11.5)], rows)) == [(1, 10.0, 9.5), (1, -10.0, 11.0)]
    assert fills(play([10, (10, 12, 8, 10)], rows)) == [(1, 10.0, 9.5), (1, -10.0, 9.0)]


def test_a_level_already_passed_when_it_is_born_inside_executes_at_that_price():
    result = play([10, (10, 10, 9.25, 9.5), 9], [limit(0, 10.0, 9.5, stop_loss_price=9.75)])
    assert fills(result, "origin") == [(1, 10.0, 9.5, "order"), (1, -10.0, 9.5, "stop_loss")]


def test_an_exit_order_of_before_waits_for_proof_against_a_position_born_inside():
    rows = [limit(0, -10.0, 11.0, reduce_only=True, id="out"), limit(0, 10.0, 9.5)]
    result = play([10, (10, 12, 9.25, 10)], rows)
    assert fills(result) == [(1, 10.0, 9.5)]
    assert ambiguous(result) == [(1, "entry_bar")]


# 3.4 Cash, and which asset comes first -------------------------------------------------------------------------------


def test_assets_are_walked_by_their_best_ranked_entry():
    dip = [10, (10, 10, 8, 10)]
    rows = [limit(0, 80.0, 9.0, symbol="B"), limit(0, 80.0, 9.0, symbol="A")]
    result = play({"A": dip, "B": dip}, rows, initial_cash=900.0)
    assert fills(result, "symbol") == [(1, 80.0, 9.0, "B"), (1, 20.0, 9.0, "A")]
    ranked = [{**rows[0], "rank": 2.0}, {**rows[1], "rank": 1.0}]
    result = play({"A": dip, "B": dip}, ranked, initial_cash=900.0, entry_rank="rank")
    assert fills(result, "symbol") == [(1, 80.0, 9.0, "A"), (1, 20.0, 9.0, "B")]


def test_entries_inside_use_what_the_open_left_and_exits_do_not_pay_them():
    # 500 left after A; B's limit asks 100 x 9 = 900: 55 shares, though A is sold inside the same bar
    bars = {"A": [10, 10, (10, 13, 10, 12)], "B": [10, 10, (10, 10, 8, 9)]}
    rows = [order(0, 50.0), limit(1, -50.0, 12.0), limit(1, 100.0, 9.0, symbol="B")]
    result = play(bars, rows, initial_cash=1_000.0)
    assert sorted(fills(result, "symbol")[1:]) == [(2, -50.0, 12.0, "A"), (2, 55.0, 9.0, "B")]
    assert ends(result)[2] == ("cancelled", "cash", 55.0)


def test_proceeds_of_exits_inside_the_bar_are_not_spendable_inside_it():
    bars = {"A": [10, 10, (10, 12, 9.5, 10)], "B": [10, 10, (10, 10, 8, 10)]}
    rows = [
        order(0, 100.0),
        order(1, 10.0, limit=5.0),  # out of range, yet it lets A be walked before B
        order(1, -100.0, limit=11.0),
        order(1, 50.0, symbol="B", limit=9.0),
    ]
    result = play(bars, rows, initial_cash=1090.0)
    # 90 were left at the open: 10 of B, though A has brought 1,100 by then
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 11.0), (2, 10.0, 9.0)]


def test_entries_inside_the_bar_share_what_the_open_left():
    bars = {"A": [10, (10, 10, 8, 10)], "B": [10, (10, 10, 8, 10)]}
    rows = [
        order(0, 60.0, limit=9.0),
        order(0, -20.0, stop=8.5),
        order(0, 60.0, symbol="B", limit=9.0),
    ]
    # 900 - 540 leave 360 for B; the 170 that A's stop brings on the way down are not spendable inside the bar
    assert fills(play(bars, rows, initial_cash=900.0)) == [(1, 60.0, 9.0), (1, -20.0, 8.5), (1, 40.0, 9.0)]
