"""What an asset is, for the reference engine itself; every number has its arithmetic in a comment."""

import math
import random

import pytest

from . import run
from .book import new_run
from .enums import FUNDING, FUTURE, PERPETUAL, STOCK
from .instruments import PLAIN, lot_of, margin_term, multiplier, value_of
from .scenarios import scenario_of
from .shrink import describe, shrink, size
from .shrink_terms import moved
from .terms import costs_of_contracts
from .test_reference import fills, flat, order, scenario

NONE = math.nan
UNSAID = dict.fromkeys(("initial", "maintenance", "short_initial", "short_maintenance"), NONE)


def row(kind=STOCK, **given):
    """A row of an instrument."""
    return {**PLAIN, **UNSAID, "kind": kind, **given}


def account(*rows, **config):
    """A run before its first bar."""
    bars = [[flat(10.0) for _ in rows]]
    return new_run(scenario(bars, config=config, instruments=list(rows)))


def test_what_is_not_given_is_a_stock_with_the_values_of_the_configuration():
    fresh = new_run(scenario([flat(10.0)], config={"lot": 4.0}))
    assert (lot_of(fresh, 0), multiplier(fresh, 0), value_of(fresh, 0, -3.0, 10.0)) == (4.0, 1.0, -30.0)
    assert margin_term(fresh, 0, 1.0, "initial") == (0.5, False)
    assert margin_term(fresh, 0, -1.0, "maintenance") == (0.30, False)


def test_a_lot_of_zero_is_one_of_its_own():
    fresh = account(row(lot=0.0), row(), lot=4.0)
    assert (lot_of(fresh, 0), lot_of(fresh, 1)) == (0.0, 4.0)


def test_margins_of_both_sides_and_of_each():
    fresh = account(row(initial=0.2), row(initial=0.2, short_initial=0.4), row(initial=900.0, by_contract=True))
    assert margin_term(fresh, 0, 1.0, "initial") == margin_term(fresh, 0, -1.0, "initial") == (0.2, False)
    assert margin_term(fresh, 1, -1.0, "initial") == (0.4, False)
    assert margin_term(fresh, 2, -1.0, "initial") == (900.0, True)
    # what an instrument does not say is the configuration's, a rate, whatever its other margins are of
    assert margin_term(fresh, 2, -1.0, "maintenance") == (0.30, False)


def test_the_profit_of_a_trade_counts_the_multiplier_and_its_prices_do_not():
    rows = [order(0, 2), order(1, -2)]
    out = run(
        scenario(
            [flat(100.0), flat(100.0), flat(103.0)],
            rows,
            {"account": "margin"},
            instruments=[row(FUTURE, multiplier=50.0)],
        )
    )
    trade = out["trades"][0]
    # 2 x 3 x 50 = 300
    assert (trade["entry_price"], trade["exit_price"], trade["pnl"]) == (100.0, 103.0, 300.0)
    assert (trade["mfe"], trade["mae"]) == (103.0, 100.0) and out["final"]["realised"] == 300.0
    assert fills(out) == [(1, 2.0, 100.0), (2, -2.0, 103.0)] and out["cash"] == [100_000.0, 100_000.0, 100_300.0]


@pytest.mark.parametrize(("kind", "paid"), [(STOCK, []), (FUTURE, []), (PERPETUAL, [(2, 0, FUNDING, -0.2)])])
def test_only_perpetuals_are_funded(kind, paid):
    funding = [{"asset": 0, "bar": 2, "rate": 0.01}]
    drawn = scenario([flat(10.0)] * 3, [order(0, 2)], {"account": "margin"}, instruments=[row(kind)], funding=funding)
    # 2 x 10 x 0.01
    assert [tuple(charge.values()) for charge in run(drawn)["charges"]] == paid


def test_a_held_future_loses_what_is_not_paid_yet_at_the_open():
    instruments = [row(FUTURE, multiplier=10.0), row()]
    bars = [[flat(100.0), flat(10.0)], [flat(100.0), flat(10.0)], [(90.0, 90.0, 90.0, 90.0), flat(10.0)]]
    rows = [order(0, 2), order(1, 200, asset=1)]
    config = {"account": "margin", "initial_cash": 1_500.0}
    out = run(scenario(bars, rows, config, instruments=instruments))
    # at O of bar 2, E = 1,500 + 2 x 10 x (90 - 100) = 1,300, IM = 0.5 x 2 x 10 x 90 = 900: 400 / 5 = 80 shares
    assert fills(out)[1:] == [(2, 80.0, 10.0)]


@pytest.mark.parametrize("exact", [True, False])
def test_futures_and_perpetuals_have_no_actions_of_stocks_and_need_margin(exact):
    for seed in range(150):
        for profile in ("short", "terms", "called"):
            drawn = scenario_of(seed, exact, profile)
            instruments = drawn.get("instruments") or []
            paid_daily = {asset for asset, given in enumerate(instruments) if given["kind"] != STOCK}
            assert not paid_daily or drawn["config"]["account"] == "margin"
            assert all(given["kind"] != STOCK or given["multiplier"] == 1 for given in instruments)
            acted = {action["asset"] for action in drawn["actions"] if action["kind"] != "delisting"}
            assert not paid_daily & acted
            assert all(instruments[given["asset"]]["kind"] == PERPETUAL for given in drawn.get("funding", []))


def test_prices_times_four_and_a_quarter_of_the_multiplier_are_the_same_contract():
    for seed in range(60):
        drawn = costs_of_contracts(random.Random(seed), exact=True)
        scaled = dict(drawn, config=dict(drawn["config"]))
        for name in ("open", "high", "low", "close"):
            scaled[name] = [[None if price is None else price * 4 for price in line] for line in drawn[name]]
        scaled["config"]["slippage_fixed"] = drawn["config"].get("slippage_fixed", 0.0) * 4
        scaled["actions"] = [
            {**action, "value": None if action["value"] is None else action["value"] * 4} for action in drawn["actions"]
        ]
        scaled["instruments"] = [{**given, "multiplier": given["multiplier"] / 4} for given in drawn["instruments"]]
        ours, theirs = run(drawn), run(scaled)
        for name in ("equity", "cash", "gross", "margin", "charges", "events"):
            assert ours[name] == theirs[name], (seed, name)


def test_shrink_takes_terms_away():
    def fails(candidate):
        return any(charge["kind"] == FUNDING for charge in run(candidate)["charges"])

    seed = next(seed for seed in range(200) if fails(scenario_of(seed, True, "terms")))
    drawn = scenario_of(seed, True, "terms")
    smallest = shrink(drawn, fails)
    assert fails(smallest) and size(smallest) < size(drawn)
    assert len(smallest["funding"]) == 1 and not smallest.get("borrow")
    assert [moved(given) for given in smallest["instruments"]] == [{"kind": PERPETUAL}]
    assert "instrument 0" in describe(smallest) and "funding: " in describe(smallest)
