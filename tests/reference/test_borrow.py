"""What can be borrowed, for the reference engine itself; every number has its arithmetic in a comment."""

import math

import pytest

from . import run
from .book import new_run
from .borrow import available_of, excess, fee_of, restate, room_to_short, start_rows
from .enums import CANCELLED, DECIDED, FILLED, FUTURE, LIVE, MARKET, RECALLED, REJECTED, Origin, Reason
from .instruments import PLAIN
from .scenarios import scenario_of
from .test_reference import ends, fills, flat, order, scenario

INF, NONE = math.inf, math.nan
SHORTS = {"allow_short_selling": True}


def lent(bar, available, fee=NONE, asset=0):
    """A row of `borrow`."""
    return {"asset": asset, "bar": bar, "available": available, "fee": fee}


def account(rows=(), **config):
    """A run on its first bar, with the rows of it in force."""
    fresh = new_run(scenario([flat(10.0)], config=config, borrow=list(rows)))
    fresh.t = 0
    start_rows(fresh)
    return fresh


def short(fresh, shares):
    """The run with that many shares short."""
    fresh.positions[0].shares = -float(shares)
    return fresh


def test_without_a_row_there_is_no_limit_unless_the_market_is_listed():
    assert available_of(account(), 0) is None and room_to_short(account(), 0) == INF
    assert available_of(account(short_availability="listed"), 0) == 0.0
    assert available_of(account([lent(0, INF)], short_availability="listed"), 0) is None


def test_a_fee_of_zero_is_a_fee_and_none_is_the_configurations():
    assert fee_of(account([lent(0, INF, 0.0)], borrow_fee=0.1), 0) == 0.0
    assert fee_of(account([lent(0, INF)], borrow_fee=0.1), 0) == 0.1
    assert fee_of(account(borrow_fee=0.1), 0) == 0.1


def test_rows_of_a_scenario_are_not_changed_by_a_split():
    rows = [lent(0, 30.0)]
    fresh = account(rows)
    restate(fresh, 0, 1.5)
    assert available_of(fresh, 0) == 45.0 and rows == [lent(0, 30.0)] and rows[0]["available"] == 30.0


@pytest.mark.parametrize(
    ("available", "lot", "room", "too_many"),
    [
        (45.0, 1.0, 0.0, 5.0),
        (45.5, 1.0, 0.0, 5.0),  # 4.5 are five lots
        (55.5, 1.0, 5.0, 0.0),  # 5.5 are five lots
        (45.5, 0.0, 0.0, 4.5),
        (43.0, 4.0, 0.0, 8.0),  # 7 are two lots of 4
        (1.0, 50.0, 0.0, 50.0),
        (0.0, 60.0, 0.0, 50.0),  # no more than the position
        (50.0 - 1e-9, 1.0, 0.0, 0.0),  # 1e-9 lots are none
        (50.0 * (1 - 1e-10), 0.0, 0.0, 0.0),  # nor is 1e-10 of the position
        (INF, 1.0, INF, 0.0),
    ],
)
def test_room_is_floored_and_an_excess_is_rounded_up(available, lot, room, too_many):
    fresh = short(account([lent(0, available)], lot=lot), 50)
    assert (room_to_short(fresh, 0), excess(fresh, 0)) == (room, too_many)


def test_futures_are_not_borrowed():
    instruments = [{**PLAIN, "kind": FUTURE}]
    fresh = new_run(
        scenario([flat(10.0)], borrow=[lent(0, 0.0)], instruments=instruments, config={"short_availability": "listed"})
    )
    fresh.t = 0
    start_rows(fresh)
    assert available_of(short(fresh, 5), 0) is None and excess(fresh, 0) == 0.0


def test_a_recall_is_a_live_market_order_with_its_event():
    out = run(scenario([flat(10.0)] * 3, [order(0, -50)], SHORTS, borrow=[lent(0, 50.0), lent(2, 30.0)]))
    row = out["orders"][1]
    assert (row["bar"], row["kind"], row["origin"], row["status"]) == (2, MARKET, Origin.RECALL, FILLED)
    assert (row["requested"], row["filled"], row["end_bar"]) == (20.0, 20.0, 2)
    event = {"kind": RECALLED, "bar": 2, "asset": 0, "quantity": 20.0, "value": 50.0, "limit": 30.0}
    assert out["events"] == [event]


def test_the_requested_quantity_is_what_filled_and_what_is_left():
    bars = [flat(10.0, 1000), flat(10.0, 1000), flat(10.0, 100), flat(10.0, 0)]
    rows = [lent(0, 50.0), lent(2, 20.0), lent(3, 35.0)]
    out = run(scenario(bars, [order(0, -50)], {**SHORTS, "max_participation": 0.1}, borrow=rows))
    row = out["orders"][1]
    # 30 requested, 10 filled; then 40 are short of 35: 5 are left of 15
    assert (row["status"], row["requested"], row["filled"], row["left"]) == (LIVE, 15.0, 10.0, 5.0)


def test_a_recall_that_a_split_leaves_less_than_a_lot_of_begins_anew():
    # lots of 4: 8 short of 4, 4 are called back; half of that is no lot: LOT. 4 short of 2 are 2 too many: a lot of 4
    bars = [flat(10.0, 1000), flat(10.0, 1000), flat(10.0, 0), flat(20.0, 1000)]
    action = {"bar": 3, "asset": 0, "kind": "split", "value": 0.5}
    config = {**SHORTS, "max_participation": 0.1, "lot": 4.0}
    out = run(scenario(bars, [order(0, -8)], config, borrow=[lent(0, 8.0), lent(2, 4.0)], actions=[action]))
    assert ends(out)[1:] == [(REJECTED, Reason.LOT), (FILLED, 0)]
    assert fills(out)[1:] == [(3, 4.0, 20.0)] and [event["quantity"] for event in out["events"]] == [4.0, 4.0]


def test_a_buy_that_is_alive_only_reduces_from_the_birth_of_a_recall_on():
    bars = [flat(10.0, 1000), flat(10.0, 1000), flat(10.0, 0), flat(9.0, 1000)]
    rows = [order(0, -50), order(1, 80, "limit", limit_price=9.5)]
    borrow = [lent(0, 50.0), lent(2, 40.0)]
    out = run(scenario(bars, rows, {**SHORTS, "max_participation": 0.1}, borrow=borrow))
    # bar 3, at 9: 10 of the recall first, then 40 of the order, whose rest would have turned the position
    assert fills(out)[1:] == [(3, 10.0, 9.0), (3, 40.0, 9.0)]
    assert ends(out)[1:] == [(CANCELLED, Reason.NO_SHORT), (FILLED, 0)] and out["final"]["shares"] == [0.0]


def test_a_recall_decided_at_a_close_trades_at_no_close():
    borrow = [lent(0, 50.0), lent(1, 30.0)]
    config = {**SHORTS, "timing": "same_bar_close"}
    out = run(scenario([flat(10.0), flat(11.0)], [order(0, -50)], config, borrow=borrow))
    # sold at the close of bar 0, called back at the open of bar 1
    assert fills(out) == [(0, -50.0, 10.0), (1, 20.0, 11.0)]


def test_a_locate_at_the_deciding_close_is_of_the_row_of_that_bar():
    config = {**SHORTS, "timing": "same_bar_close"}
    out = run(scenario([flat(10.0), flat(11.0)], [order(0, -50)], config, borrow=[lent(0, 20.0), lent(1, 90.0)]))
    assert fills(out) == [(0, -20.0, 10.0)] and ends(out) == [(CANCELLED, Reason.NO_BORROW)]


def test_an_order_that_waits_for_its_level_is_cut_when_it_is_met():
    rows = [order(0, -50, "limit", limit_price=12.0)]
    borrow = [lent(0, 0.0), lent(2, 20.0)]
    out = run(scenario([flat(10.0), flat(11.0), flat(13.0)], rows, SHORTS, borrow=borrow))
    # nothing could be borrowed on bar 1, where the order did not act
    assert fills(out) == [(2, -20.0, 13.0)]
    out = run(scenario([flat(10.0)], rows, SHORTS, borrow=borrow))
    assert out["orders"][0]["status"] == DECIDED


def test_a_bankrupt_account_recalls_nothing():
    bars = [flat(10.0), flat(10.0), flat(40.0), flat(40.0)]
    config = {**SHORTS, "initial_cash": 600.0}
    out = run(scenario(bars, [order(0, -50)], config, borrow=[lent(0, 50.0), lent(3, 0.0)]))
    assert [event["kind"] for event in out["events"] if event["kind"] == RECALLED] == []
    assert len(out["charges"]) == 0 and out["equity"][2:] == [-900.0, -900.0]  # 600 + 500 - 50 x 40


@pytest.mark.parametrize("exact", [True, False])
def test_rows_lie_on_first_bars_of_sessions_one_of_each(exact):
    for seed in range(150):
        for profile in ("short", "terms"):
            drawn = scenario_of(seed, exact, profile)
            sessions = drawn["session"]
            places = [(row["asset"], row["bar"]) for row in drawn.get("borrow", [])]
            assert len(places) == len(set(places))
            assert all(bar == 0 or sessions[bar] != sessions[bar - 1] for _, bar in places)
