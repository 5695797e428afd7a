"""Random scenarios: always-true properties of the reference engine, the minimiser and the counts."""

import json

import pytest
from hypothesis import given, settings

from . import coverage, run
from .book import DEFAULTS
from .enums import BANKRUPT, CALLED, STOCK
from .instruments import PLAIN
from .knobs import knobs_off_default
from .pairs import CLAUSES, IMPOSSIBLE, PAIRS
from .scenarios import scenario_of, scenarios
from .shrink import describe, shrink, size


@pytest.mark.parametrize("profile", ["short", "called"])
@pytest.mark.parametrize("exact", [True, False])
def test_random_scenarios_hold_the_accounting_and_are_not_modified(exact, profile):
    for seed in range(150):
        drawn = scenario_of(seed, exact, profile)
        before = json.dumps(drawn)
        out = run(drawn)
        assert json.dumps(drawn) == before
        assert_accounting(drawn, out)


def assert_accounting(drawn, out):
    """Section 9: the identity of equity, states of orders, fills inside the bar."""
    final = out["final"]
    start = drawn["config"].get("initial_cash", 100_000.0)
    terms = drawn.get("instruments") or [PLAIN] * len(final["shares"])
    holdings = zip(final["shares"], final["avg"], final["last"], terms, strict=True)
    held = [(shares * row["multiplier"], *prices, row["kind"]) for shares, *prices, row in holdings if shares]
    unrealised = sum(counted * (last - average) for counted, average, last, _ in held)
    equity = start + final["realised"] + unrealised - final["fees"] + final["dividends"]
    equity += final["interest"] - final["borrow_fees"] + final["funding"] + final["flows"]
    worth = sum(counted * last for counted, _, last, kind in held if kind == STOCK)  # of the others nothing (0.7)
    assert out["cash"][-1] + worth == pytest.approx(
        out["equity"][-1], rel=1e-9, abs=1e-9 * max(start, out["gross"][-1])
    )
    assert out["equity"][-1] == pytest.approx(equity, rel=1e-9, abs=1e-9 * max(start, out["gross"][-1]))
    assert_no_call_is_left_out(drawn, out)
    for row in out["orders"]:
        pending = row["end_bar"] < 0
        assert pending == (row["status"] <= 1) == (row["left"] != 0)
        assert abs(row["filled"]) <= abs(row["requested"]) * (1 + 1e-9)
    for fill in out["fills"]:
        if fill["phase"] < 4 and fill["price"] > 0:
            bar, asset, side = fill["bar"], fill["asset"], 1 if fill["quantity"] > 0 else -1
            counted = abs(fill["quantity"]) * terms[asset]["multiplier"]
            base = fill["price"] - side * fill["slippage"] / counted
            low, high = drawn["low"][bar][asset], drawn["high"][bar][asset]
            assert low * (1 - 1e-9) <= base <= high * (1 + 1e-9)


def assert_no_call_is_left_out(drawn, out):
    """Section 9: no close has less than its maintenance requirement without a call or a bankruptcy."""
    on_margin = drawn["config"].get("account") == "margin"
    assert len(out["margin"]) == (len(drawn["close"]) if on_margin else 0)
    if drawn["config"].get("timing") == "same_bar_close":  # 4.7 comes after the call
        return
    called = {event["bar"] for event in out["events"] if event["kind"] in (CALLED, BANKRUPT)}
    for bar, (_, maintenance) in enumerate(out["margin"]):
        short = out["positions"][bar] > 0 and out["equity"][bar] < maintenance * (1 - 1e-9)
        assert not short or bar in called


def test_shrink_gives_a_small_scenario_that_still_fails():
    def fails(candidate):
        return any(fill["phase"] == 1 for fill in run(candidate)["fills"])

    seed = next(s for s in range(100) if fails(scenario_of(s, True)))
    smallest = shrink(scenario_of(seed, True), fails)
    assert fails(smallest) and size(smallest) <= size(scenario_of(seed, True))
    assert len(smallest["close"]) <= 4 and "asset 0" in describe(smallest)


def test_coverage_counts_known_names_only():
    for seed in range(60):
        run(scenario_of(seed, False))
        run(scenario_of(seed, True, "called"))
    unknown = set(coverage.counts()) - set(CLAUSES) - set(PAIRS) - set(IMPOSSIBLE)
    assert not unknown


def test_every_knob_leaves_its_default():
    moved = set()
    for seed in range(300):
        moved |= set(knobs_off_default(scenario_of(seed, seed % 2 == 0)))
    assert moved == set(DEFAULTS)


@settings(max_examples=25, deadline=None)
@given(scenarios(exact=True))
def test_a_prefix_of_a_scenario_has_the_same_past(drawn):
    """Nothing up to bar t depends on what comes after it."""
    bars = len(drawn["close"])
    half = (bars + 1) // 2
    names = ("open", "high", "low", "close", "volume", "session")
    first = {**drawn, **{name: drawn[name][:half] for name in names}}
    first["actions"] = [action for action in drawn["actions"] if action["bar"] < half]
    strategy = dict(drawn["strategy"])
    if "rows" in strategy:
        strategy["rows"] = [row for row in strategy["rows"] if row["bar"] < half]
    first["strategy"] = strategy
    whole, part = run(drawn), run(first)
    ends_in_a_session = half == bars or drawn["session"][half] != drawn["session"][half - 1]
    last = half if ends_in_a_session else half - 1  # a cut session can make an asset stale one bar early
    assert part["equity"][:last] == whole["equity"][:last]
    assert [f for f in part["fills"] if f["bar"] < last] == [f for f in whole["fills"] if f["bar"] < last]
