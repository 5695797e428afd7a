"""What the contract settles where two honest readers differed, by both judges: every number with its reason."""

import numpy as np
import pytest

from contract.both import told
from contract.by_hand import order


def buy(bar, quantity=10.0, **columns):
    return order(bar, quantity, **columns)


def sell(bar, quantity=10.0, **columns):
    return order(bar, -quantity, **columns)


FILLED, LIVE, GROUP, FLAT = ("filled", None), ("live", None), ("cancelled", "group"), ("cancelled", "flat")
NO_SHORT, DIVIDEND, EXPIRED = ("rejected", "no_short"), ("cancelled", "dividend"), ("expired", "expired")


def status(run):
    """(status, reason) of every order by submission."""
    return [end[:2] for end in run.ends]


# 1.1 A dividend carries an order to zero or below ---------------------------------------------------------------------


def test_orders_that_a_dividend_carries_to_zero_can_never_be_met_and_end():
    rows = [
        buy(0, limit=0.25),  # 0.25 - 0.25 = 0
        buy(0, limit=0.5),  # 0.25 is still a price
        buy(0),
        sell(1, stop=0.2),  # 0.2 - 0.25 is below zero
        sell(1, limit=6.0),  # a sell limit stays where it is
        sell(1, trail=4.9),  # mark 5 - 0.25, level -0.15: rises again with the price
    ]
    for run in told([5, 5, 5, 4.75, 4.75], rows, [(3, "A", "dividend", 0.25)]):
        assert status(run) == [DIVIDEND, LIVE, FILLED, DIVIDEND, LIVE, LIVE], run.judge
        assert run.end_bars[0] == run.end_bars[3] == 3


def test_a_child_that_is_not_born_yet_is_withdrawn_by_such_a_dividend():
    rows = [buy(0, limit=4.0, id="p"), sell(0, stop=0.2, parent="p"), sell(0, limit=6.0, parent="p")]
    for run in told([5, 5, 4.75, (4.75, 4.75, 3.5, 4)], rows, [(2, "A", "dividend", 0.25)]):
        assert run.fills == [(3, 10.0, 3.75)]  # the parent's limit fell with the price
        assert status(run) == [FILLED, LIVE], run.judge  # only the sell limit was born


def test_a_triggered_stop_is_a_market_order_and_stays():
    bars = [5, 5, (5, 5, 0.2, 5, 50), 4.75, 4.75]
    for run in told(bars, [buy(0), sell(1, stop=0.25)], [(3, "A", "dividend", 0.25)], max_participation=0.1):
        # 5 of 10 at the stop; the stop falls to zero, what the budget left goes at the next open
        assert run.fills == [(1, 10.0, 5.0), (2, -5.0, 0.25), (3, -5.0, 4.75)], run.judge


# 1.7 Time in force of children ----------------------------------------------------------------------------------------

BORN_INSIDE = [buy(0, limit=20.0, id="p")]
DIP_TO_20 = (21, 21, 19, 20)


def child(bar, **columns):
    return sell(bar, parent="p", **columns)


@pytest.mark.parametrize("comes_by", [5, 140, None])
def test_an_ioc_child_born_inside_is_judged_at_the_next_open_however_long_the_price_stays_away(comes_by):
    bars = [21, DIP_TO_20] + [20] * 200
    if comes_by is not None:
        bars[comes_by] = (20, 20, 15, 20)
    for run in told(bars, [*BORN_INSIDE, child(0, stop=17.5, time_in_force="ioc")]):
        assert run.fills == [(1, 10.0, 20.0)], run.judge
        assert status(run) == [FILLED, EXPIRED] and run.end_bars == [1, 2]


def test_an_ioc_child_born_inside_acts_at_the_next_open_and_at_no_other_price():
    rows = [*BORN_INSIDE, child(0, stop=17.5, time_in_force="ioc")]
    for run in told([21, DIP_TO_20, (17, 20, 16, 20)], rows):
        assert run.fills == [(1, 10.0, 20.0), (2, -10.0, 17.0)], run.judge
    for run in told([21, DIP_TO_20, (18, 20, 16, 20), 16], rows):  # through the stop inside only
        assert run.fills == [(1, 10.0, 20.0)] and run.end_bars == [1, 2], run.judge
    for run in told([21, DIP_TO_20, None, 16], rows):  # no bar: the open of the next bar passes all the same
        assert run.fills == [(1, 10.0, 20.0)] and run.end_bars == [1, 2], run.judge


def test_an_at_open_child_born_inside_waits_for_a_bar():
    rows = [*BORN_INSIDE, child(0, limit=18.0, time_in_force="at_open")]
    for run in told([21, DIP_TO_20, None, 19, 19], rows):  # passed at its birth (20), but that was no open
        assert run.fills == [(1, 10.0, 20.0), (3, -10.0, 19.0)], run.judge
    for run in told([21, DIP_TO_20, None, 17, 19], rows):
        assert status(run) == [FILLED, EXPIRED] and run.end_bars == [1, 3], run.judge


@pytest.mark.parametrize("time_in_force", ["ioc", "at_open", "gtc"])
def test_a_child_born_at_an_open_past_its_level_acts_at_that_open(time_in_force):
    rows = [buy(0, id="p"), child(0, limit=18.0, time_in_force=time_in_force)]
    for run in told([20, 20, 21], rows):
        assert run.fills == [(1, 10.0, 20.0), (1, -10.0, 20.0)], run.judge


@pytest.mark.parametrize("time_in_force", ["ioc", "at_open"])
def test_a_market_child_of_one_open_has_none_left_when_it_is_born_there(time_in_force):
    rows = [buy(0, id="p"), sell(0, parent="p", time_in_force=time_in_force)]
    for run in told([20, 20, 21], rows):  # never at the moment of its birth, and this open was its last
        assert run.fills == [(1, 10.0, 20.0)] and status(run) == [FILLED, EXPIRED], run.judge
        assert run.end_bars == [1, 1]


AT_THE_CLOSE = {  # how the parent comes to be filled at C = 20: at 4.1 of bar 1, or at 4.7 of bar 0
    "4.1": ([20, 20, 21, 21], [buy(0, time_in_force="at_close", id="p")], {}, 1),
    "4.7": ([20, 21, 21, 21], [buy(0, id="p")], {"timing": "same_bar_close"}, 0),
}


@pytest.mark.parametrize("where", ["4.1", "4.7"])
@pytest.mark.parametrize("time_in_force", ["gtc", "day", "bars"])
def test_a_child_born_at_a_close_past_its_level_acts_there(where, time_in_force):
    bars, rows, config, bar = AT_THE_CLOSE[where]
    extra = {"bars": 1.0} if time_in_force == "bars" else {}
    for run in told(bars, [*rows, child(0, limit=18.0, time_in_force=time_in_force, **extra)], **config):
        assert run.fills == [(bar, 10.0, 20.0), (bar, -10.0, 20.0)], run.judge


@pytest.mark.parametrize("where", ["4.1", "4.7"])
@pytest.mark.parametrize("time_in_force", ["ioc", "at_open"])
def test_a_child_of_one_open_born_at_a_close_acts_at_the_next_open(where, time_in_force):
    bars, rows, config, bar = AT_THE_CLOSE[where]
    for run in told(bars, [*rows, child(0, limit=18.0, time_in_force=time_in_force)], **config):
        assert run.fills == [(bar, 10.0, 20.0), (bar + 1, -10.0, 21.0)], run.judge
    for run in told(bars, [*rows, child(0, stop=20.0, time_in_force="ioc")], **config):
        assert run.fills == [(bar, 10.0, 20.0)] and run.end_bars == [bar, bar + 1], run.judge  # O = 21 is above it


def test_an_at_close_child_born_at_a_close_has_the_next_one_at_4_7_and_none_at_4_1():
    for where, fills in (("4.1", [(1, 10.0, 20.0)]), ("4.7", [(0, 10.0, 20.0), (1, -10.0, 21.0)])):
        bars, rows, config, _ = AT_THE_CLOSE[where]
        for run in told(bars, [*rows, child(0, limit=18.0, time_in_force="at_close")], **config):
            assert run.fills == fills, run.judge
            assert run.end_bars == [fills[0][0], 1]  # expired at 4.2 of its own bar, or filled at C of the next


def test_children_born_at_every_deciding_close_for_a_thousand_bars():
    bars, rows = 1200, []
    for bar in range(bars):
        rows += [buy(bar, 1.0, id=f"p{bar}")]
        rows += [sell(bar, 1.0, stop=10.0, parent=f"p{bar}", time_in_force="bars", bars=1.0)]
    for run in told([100] * bars, rows, timing="same_bar_close", initial_cash=1e6):
        assert len(run.fills) == bars and set(run.fills) == {(bar, 1.0, 100.0) for bar in range(bars)}
        # born at 4.7 of t, a child lives on t + 1: the one of the last bar has no bar yet, that of the one before does
        assert status(run) == [FILLED, EXPIRED] * (bars - 2) + [FILLED, LIVE] * 2, run.judge


# 2.1, 2.2 Reduce-only orders, older children, levels ------------------------------------------------------------------


def test_a_reduce_only_order_waits_among_the_entries():
    rows = [buy(0), sell(0, reduce_only=True)]
    for run in told([100, 100], rows):
        assert run.fills == [(1, 10.0, 100.0), (1, -10.0, 100.0)], run.judge
    for run in told([100, 100], rows[::-1]):
        assert run.fills == [(1, 10.0, 100.0)] and status(run) == [NO_SHORT, FILLED], run.judge


def test_only_children_that_the_close_has_borne_act_there():
    rows = [
        *BORN_INSIDE,
        child(0, stop=20.5, time_in_force="ioc"),
        buy(0, 5.0, time_in_force="at_close"),
    ]
    for run in told([21, DIP_TO_20, 20.25], rows):
        # the child is past its level at C = 20, where an addition fills; its turn is O of bar 2
        assert run.fills == [(1, 10.0, 20.0), (1, 5.0, 20.0), (2, -10.0, 20.25)], run.judge


def test_levels_are_renewed_once_after_all_additions_of_an_open():
    bars = [100, (100, 110, 100, 100), 96, 98]
    rows = [buy(0, trailing_stop=0.02, trail_activation=0.105), buy(2), buy(2, stop=97.0)]
    for run in told(bars, rows, stop_slippage_rate=0.1):
        # Mark 110. At O = 98 the first addition makes the basis 99, of which 110 would be 1.105 and more: armed, and
        # the level of 107.8 passed. The second pays 107.8, the basis is 101.93: never armed.
        assert run.fills == [(1, 10.0, 100.0), (3, 10.0, 98.0), (3, 10.0, 107.8)], run.judge


# 2.4 Groups and brackets ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bar", [94, (100, 100, 79, 100)])
def test_a_trigger_takes_its_group_with_it_whatever_it_finds(bar):
    rows = [sell(0, stop=95.0, group="g", reduce_only=True), buy(0, limit=80.0, group="g")]
    for run in told([100, bar, 70], rows):
        assert run.fills == [] and status(run) == [NO_SHORT, GROUP], run.judge


def test_the_rest_of_a_replaced_parent_ends_with_the_position():
    rows = [
        buy(0, 25.0, id="p", stop_loss=0.1),
        sell(0, 25.0, limit=30.0, parent="p"),
        order(1, id="p", action="replace"),
    ]
    bars = [(10, 10, 10, 10, 40), (10, 10, 10, 10, 40), (8, 8, 8, 8, 1000), 8]
    for run in told(bars, rows, max_participation=0.1):
        assert run.fills == [(1, 4.0, 10.0), (2, -4.0, 8.0)], run.judge
        assert status(run) == [("replaced", "replaced"), FLAT, FLAT, FILLED], run.judge


def test_a_replaced_market_child_ends_with_the_position():
    rows = [buy(0, id="p"), sell(0, parent="p", id="c"), sell(1), order(1, id="c", action="replace")]
    for run in told([10, 10, 11], rows):
        assert run.fills == [(1, 10.0, 10.0), (2, -10.0, 11.0)], run.judge
        assert status(run) == [FILLED, ("replaced", "replaced"), FILLED, FLAT], run.judge


# 3.1, 3.2 Inside the bar ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trail_timing", ["lagged", "proved"])
@pytest.mark.parametrize("others", [[], [buy(0, limit=50.0)]])
def test_the_extreme_of_a_bar_arms_a_trail_for_the_next_bar(trail_timing, others):
    # others: an order that waits, with which no bar is passed over
    rows = [buy(0, trailing_stop=0.05, trail_activation=0.10), *others]
    for run in told([100, 100, (100, 120, 100, 110), 110], rows, trail_timing=trail_timing):
        # armed at 4.4 of bar 2, level 114 from bar 3 on
        assert run.fills == [(1, 10.0, 100.0), (3, -10.0, 110.0)] and run.ambiguous == [], run.judge


def test_a_trail_that_was_armed_is_counted_or_proved():
    rows = [buy(0, trailing_stop=0.05)]
    bars = [100, 100, (100, 120, 100, 110), 110]
    for run in told(bars, rows):
        assert run.fills[1] == (3, -10.0, 110.0) and run.ambiguous == [(2, "trail")], run.judge
    for run in told(bars, rows, trail_timing="proved"):
        assert run.fills[1] == (2, -10.0, 110.0) and run.ambiguous == [], run.judge


@pytest.mark.parametrize("limit_fill", ["touch", "through"])
@pytest.mark.parametrize(("close", "met"), [(100, True), (99.5, False)])
@pytest.mark.parametrize("high", [101, 110])  # 110: the way down comes first, and the way up is walked after the birth
def test_a_level_at_the_price_of_a_birth_on_the_other_side_needs_the_close(limit_fill, close, met, high):
    rows = [buy(0, limit=100.0, id="p"), child(0, limit=100.0)]
    for run in told([101, (101, high, 99, close)], rows, limit_fill=limit_fill):
        assert run.fills == [(1, 10.0, 100.0)] + [(1, -10.0, 100.0)] * met, run.judge
        assert run.ambiguous == ([] if met else [(1, "entry_bar")]), run.judge


def test_a_level_at_the_price_of_a_birth_on_the_same_side_is_certain():
    rows = [buy(0, stop=102.0, id="p"), child(0, limit=102.0)]
    for run in told([101, (101, 102, 100.5, 100.5)], rows, limit_fill="touch"):
        assert run.fills == [(1, 10.0, 102.0), (1, -10.0, 102.0)] and run.ambiguous == [], run.judge


# 4.6 Entries against an opposite position -----------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["", "target_"])
@pytest.mark.parametrize(
    ("kind", "first", "then"), [("shares", 10, 10), ("value", 3000, 1000), ("fraction", 0.03, 0.01)]
)
def test_an_entry_against_an_opposite_position_passes_the_minimum_as_an_entry(target, kind, first, then):
    none = [[False]] * 4
    signals = {"kind": "signals", "exits": none, "short_exits": none, "size_type": target + kind, "rank": None}
    signals |= {"entries": [[bar == 2] for bar in range(4)], "short_entries": [[bar == 0] for bar in range(4)]}
    signals["size"] = [[first], [first], [then], [then]]
    for run in told([300, 300, 100, 100], signals, allow_short_selling=True, min_notional=2000.0):
        # short 10 at 300; the entry of about 1,000 at C = 100 is too small, though it would cover the short
        assert run.fills == [(1, -10.0, 300.0), (3, 10.0, 100.0)], run.judge
        assert sorted(status(run)) == [FILLED, FILLED, ("rejected", "minimum")], run.judge


# 5.1 Rules of a basis below zero --------------------------------------------------------------------------------------

SIX = [(bar, "A", "dividend", 1.0) for bar in range(3, 9)]
ONCE = [(3, "A", "dividend", 5.5)]


@pytest.mark.parametrize("rules", [{"stop_loss": 0.1}, {"time_exit": 50.0}, {"trailing_stop": 0.5}])
def test_six_dividends_carry_a_basis_below_zero(rules):
    bars = [5, 5, 20, 19.5, 19, 18.5, 18, 17.5, 17, 17, 17]
    for run in told(bars, [buy(0, **rules)], SIX):  # the basis is -1, the mark 20 - 6 = 14, half of which is a level
        assert run.fills == [(1, 10.0, 5.0)], run.judge


def test_a_take_profit_of_what_is_left_of_a_basis():
    bars = [5, 5, 20, 19.5, 19, 18.5, 18, 17.5, 17, 17, 17]
    for run in told(bars, [buy(0, take_profit=10.0)], SIX):  # 11 times the basis: 22 on bar 5, 11 on bar 6
        assert run.fills == [(1, 10.0, 5.0), (6, -10.0, 18.0)], run.judge


@pytest.mark.parametrize(
    ("rules", "after"),
    [
        ({"take_profit": 25.0}, 100),  # -0.5 x 26 is below every price
        ({"break_even": 20.0}, 4),  # any mark is above -0.5 x 21, and 4 below the average of 5
        ({"trailing_stop": 0.1, "trail_activation": 20.0}, 50),  # armed by that, 50 would be below 0.9 of the mark
    ],
)
def test_a_fraction_of_a_basis_below_zero_names_no_price_and_arms_nothing(rules, after):
    for run in told([5, 5, 100, 95, after, after], [buy(0, **rules)], ONCE):
        assert run.fills == [(1, 10.0, 5.0)], run.judge


def test_a_basis_below_zero_does_not_arm_the_break_even_stop_of_a_short():
    bars, actions = [5, (5, 5, 4.9, 5), 60, 57, 54, 54], [(3, "A", "dividend", 3.0), (4, "A", "dividend", 3.0)]
    for run in told(bars, [sell(0, break_even=0.1)], actions, allow_short_selling=True):
        # basis -1, mark -1.1: below 0.9 of the basis, were that a price; the stop at the average of 5 would act at once
        assert run.fills == [(1, -10.0, 5.0)], run.judge


def test_a_trail_of_a_mark_at_zero_names_no_price():
    bars = [20, 20, (20, 20, 1, 20), (19, 19, 19, 19), 19]
    for run in told(bars, [sell(0, trailing_stop=0.9)], [(3, "A", "dividend", 1.0)], allow_short_selling=True):
        # mark 1, less the dividend 0: 1.9 times that is not a level for O = 19 to be at
        assert run.fills == [(1, -10.0, 20.0)], run.judge


def test_an_absolute_price_stays_one():
    for run in told([5, 5, 100, 95, (95, 130, 95, 95)], [buy(0, take_profit_price=120.0, stop_loss=0.1)], ONCE):
        assert run.fills == [(1, 10.0, 5.0), (4, -10.0, 120.0)], run.judge


# 6.1 What a budget held back ------------------------------------------------------------------------------------------

THIN = (100, 100, 100, 100, 400)
TIMES = [("ioc", {}), ("at_open", {}), ("at_close", {}), ("day", {}), ("bars", {"bars": 1.0})]


@pytest.mark.parametrize(("time_in_force", "extra"), TIMES)
@pytest.mark.parametrize(("volume", "filled"), [(400, 40.0), (0, 0.0), (9, 0.0)])
def test_an_order_that_a_budget_held_back_expires_for_volume(time_in_force, extra, volume, filled):
    thin = (100, 100, 100, 100, volume)
    rows = [buy(0, 100.0, time_in_force=time_in_force, **extra)]
    for run in told([100, thin, 100], rows, max_participation=0.1):
        assert run.ends == [("expired", "volume", filled)], run.judge


def test_an_order_that_no_budget_held_back_just_expires():
    rows = [buy(0, 40.0, limit=99.0, time_in_force="day"), buy(0, 40.0, time_in_force="day")]
    for run in told([100, THIN, THIN], rows, max_participation=0.1):
        assert status(run) == [EXPIRED, FILLED], run.judge  # 40 are just the budget


def test_what_the_deciding_close_leaves_of_an_ioc_order_expires_for_volume():
    for run in told([THIN, 100], [buy(0, 100.0, time_in_force="ioc")], max_participation=0.1, timing="same_bar_close"):
        assert run.ends == [("expired", "volume", 40.0)] and run.end_bars == [0], run.judge


def test_a_held_back_order_that_does_not_expire_keeps_its_reason_and_a_replacement_begins_anew():
    rows = [buy(0, 100.0, limit=101.0, time_in_force="day", id="a")]
    for run in told([100, THIN, THIN], [*rows, order(1, id="a", action="cancel")], max_participation=0.1):
        assert status(run) == [("cancelled", "cancelled")], run.judge
    change = order(1, id="a", action="replace", limit_price=90.0)
    for run in told([100, THIN, THIN, THIN], [*rows, change], max_participation=0.1):
        assert status(run) == [("replaced", "replaced"), EXPIRED], run.judge


# 6.3 Any finite quantity ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [1.0, -1.0])
def test_more_lots_than_an_integer_holds_are_filled_on_their_own_side(weight):
    weights = {"kind": "weights", "rows": [{"bar": 0, "targets": [weight]}, {"bar": 1, "targets": [None]}]}
    config = {"lot": 1e-8, "initial_cash": 1e6, "allow_short_selling": True}
    for run in told([1e-5, 1e-5], weights, **config):
        # 1e6 / 1e-5 = 1e11 shares are 1e19 lots
        ((bar, quantity, price),) = run.fills
        assert (bar, price) == (1, 1e-5) and quantity == pytest.approx(weight * 1e11, rel=1e-12), run.judge
        assert run.equity[1] == pytest.approx(1e6)


@pytest.mark.parametrize("side", [1.0, -1.0])
@pytest.mark.parametrize(("shares", "lot"), [(1e15, 1), (9.3e14, 1e-4), (1e15, 1e-8), (1e15, 0)])
def test_an_order_beyond_all_cash_is_shrunk_to_it(side, shares, lot):
    # up to 1e23 lots; 2^63 is 9.2e18
    for run in told([100, 100], [order(0, side * shares)], allow_short_selling=True, lot=lot):
        assert run.fills == [(1, side * 1000.0, 100.0)], run.judge  # 100,000 of cash, and of room below a short
        assert status(run) == [("cancelled", "cash")], run.judge


def test_the_search_for_what_cash_covers_finds_the_largest_number_of_lots_however_many_were_asked_for():
    for run in told([1e-5, 1e-5], [buy(0, 1e15)], commission_per_trade=1.0, initial_cash=100_001.0, lot=1e-6):
        assert run.fills[0][1] == pytest.approx(1e10, rel=1e-11), run.judge  # 100,000 after the fee, at 1e-5


def test_a_replacement_is_floored_to_lots_like_an_order_as_given():
    rows = [buy(0, 8.0, limit=90.0, id="a")]
    for run in told([100] * 3, [*rows, order(1, 6.0, id="a", action="replace", limit_price=110.0)], lot=4):
        assert run.ends == [("replaced", "replaced", 0.0), ("cancelled", "lot", 4.0)], run.judge
    for run in told([100] * 3, [*rows, order(1, 3.0, id="a", action="replace", limit_price=110.0)], lot=4):
        assert status(run) == [("replaced", "replaced"), ("rejected", "lot")], run.judge


def test_what_a_cut_leaves_of_a_huge_order_is_no_rest_of_it():
    for run in told([100, 100, 100], [buy(0, 13.0), sell(1, 4e14)]):  # 13 are less than 1e-9 of it
        assert run.fills == [(1, 13.0, 100.0), (2, -13.0, 100.0)], run.judge
        assert run.ends[1] == ("cancelled", "no_short", 13.0), run.judge


def test_orders_cut_by_volume_or_a_dividend_are_rejections():
    rows = [buy(0, 100.0, time_in_force="day"), buy(0, limit=5.0)]
    run = told([100, THIN, 95], rows, [(2, "A", "dividend", 5.0)], max_participation=0.1)[0]
    assert sorted(run.result.rejections["rejection_code"].to_list()) == ["dividend", "volume"]


# 8 The first bar ------------------------------------------------------------------------------------------------------


def test_the_first_bar_is_a_return_only_if_the_account_traded_on_it():
    rows = [buy(0, 1000.0)]
    free = told([100, 110, 121], rows, timing="same_bar_close")[0].result.metrics
    assert free["volatility"] == pytest.approx(0.0, abs=1e-9)  # 10 percent twice, no zero before them
    paid = told([100, 110, 121], rows, timing="same_bar_close", commission_per_trade=1000.0, initial_cash=101_000.0)
    before = np.array([-1000 / 101_000, 0.1, 0.1])
    found = paid[0].result.metrics
    assert found["volatility"] == pytest.approx(before.std(ddof=1) * np.sqrt(found["periods_per_year"]))
