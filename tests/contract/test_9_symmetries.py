"""The symmetries of section 9: permuted assets, scaled prices, and raw prices with splits against adjusted ones."""

import copy
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential import BARWISE, kernel_run, outcome_of
from reference.scenarios import scenario_of

MANY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
SEEDS = st.integers(0, 2**32 - 1)
MONEY_COSTS = (
    "slippage_fixed commission_per_share commission_per_trade commission_minimum commission_maximum commission_tiers"
).split()
MARGINS = ("initial", "maintenance", "short_initial", "short_maintenance")
PRICE_FIELDS = ("limit_price", "stop_price", "trail_amount", "stop_loss_price", "take_profit_price")


def percent_costs_only(scenario, lot=0.0):
    """The scenario without costs in money, fractional: what the scaling laws of section 9 are stated for."""
    config = {name: value for name, value in scenario["config"].items() if name not in MONEY_COSTS}
    changed = {**scenario, "config": {**config, "lot": lot}}
    if "instruments" in scenario:
        changed["instruments"] = [{**row, "lot": lot} for row in scenario["instruments"]]
    return changed


def permuted(scenario, order):
    """The scenario with its assets in another order; place i holds what was asset order[i]."""
    place = {asset: i for i, asset in enumerate(order)}

    def mixed(grid):
        return [[row[asset] for asset in order] for row in grid]

    moved = {**scenario, **{name: mixed(scenario[name]) for name in BARWISE if name != "session"}}
    for name in ("actions", "borrow", "funding"):
        if name in scenario:
            rows = [{**row, "asset": place[row["asset"]]} for row in scenario[name]]
            moved[name] = rows if name == "actions" else sorted(rows, key=lambda row: (row["bar"], row["asset"]))
    if "instruments" in scenario:
        moved["instruments"] = [scenario["instruments"][asset] for asset in order]
    strategy = dict(scenario["strategy"])
    strategy["rows"] = [{**row, "targets": [row["targets"][asset] for asset in order]} for row in strategy["rows"]]
    moved["strategy"] = strategy
    spread = scenario["config"].get("spread")
    if isinstance(spread, list):
        other = mixed(spread) if isinstance(spread[0], list) else [spread[asset] for asset in order]
        moved["config"] = {**scenario["config"], "spread": other}
    return moved


@MANY
@given(SEEDS, st.booleans())
def test_the_order_of_assets_does_not_matter_to_targets(seed, exact):
    rng = random.Random(seed)
    scenario = percent_costs_only(scenario_of(seed, exact), rng.choice([0.0, 1.0]))
    if scenario["strategy"]["kind"] not in ("weights", "shares"):
        return
    order = list(range(len(scenario["close"][0])))
    rng.shuffle(order)
    ours, theirs = outcome_of(kernel_run(scenario)), outcome_of(kernel_run(permuted(scenario, order)))
    assert ours["equity"] == pytest.approx(theirs["equity"], rel=1e-9, abs=1e-6)
    names = ("bar", "asset", "phase", "origin", "quantity", "price")
    first = sorted(zip(*(ours["fills"][name] for name in names), strict=True))
    assets = [order[asset] for asset in theirs["fills"]["asset"]]
    second = sorted(zip(*({**theirs["fills"], "asset": assets}[name] for name in names), strict=True))
    assert len(first) == len(second)
    for row, other in zip(first, second, strict=True):
        assert row[:4] == other[:4] and row[4:] == pytest.approx(other[4:], rel=1e-7, abs=1e-9)


def scaled(scenario, k):
    """Prices times k, shares and volumes divided by k; k is a power of two."""
    changed = copy.deepcopy(percent_costs_only(scenario))
    for name in BARWISE[:5]:
        factor = 1 / k if name == "volume" else k
        changed[name] = [[None if v is None else v * factor for v in row] for row in changed[name]]
    for action in changed["actions"]:
        if action["kind"] != "split" and action["value"] is not None:
            action["value"] *= k
    for row in changed.get("borrow", ()):
        row["available"] /= k
    for row in changed.get("instruments", ()):
        for name in MARGINS if row["by_contract"] else ():
            row[name] *= k
    strategy = changed["strategy"]
    for row in strategy.get("rows", []):
        if row.get("quantity") is not None:
            row["quantity"] /= k
        for name in PRICE_FIELDS:
            if row.get(name) is not None:
                row[name] *= k
        if strategy["kind"] == "shares":
            row["targets"] = [None if target is None else target / k for target in row["targets"]]
    if strategy["kind"] == "signals" and strategy["size_type"].endswith("shares"):
        size = strategy["size"]
        strategy["size"] = [[v / k for v in row] for row in size] if isinstance(size, list) else size / k
    return changed


@MANY
@given(SEEDS, st.booleans(), st.sampled_from([0.125, 0.5, 4.0, 1024.0]))
def test_scaling_prices_by_a_power_of_two_changes_no_bit(seed, exact, k):
    scenario = scenario_of(seed, exact)
    ours, theirs = outcome_of(kernel_run(percent_costs_only(scenario))), outcome_of(kernel_run(scaled(scenario, k)))
    assert ours["equity"] == theirs["equity"] and ours["cash"] == theirs["cash"]
    assert [q / k for q in ours["fills"]["quantity"]] == theirs["fills"]["quantity"]
    assert [p * k for p in ours["fills"]["price"]] == theirs["fills"]["price"]
    assert ours["orders"]["status"] == theirs["orders"]["status"] and ours["ambiguous"] == theirs["ambiguous"]


def adjusted(scenario):
    """The scenario in the shares of its first bar: splits are gone from prices, volumes and orders."""
    changed = copy.deepcopy(scenario)
    bars, assets = len(scenario["close"]), len(scenario["close"][0])
    factor = np.ones((bars, assets))
    for action in scenario["actions"]:
        if action["kind"] == "split":
            factor[action["bar"] :, action["asset"]] *= action["value"]
    for t in range(bars):
        for asset in range(assets):
            for name in BARWISE[:5]:
                if changed[name][t][asset] is not None:
                    changed[name][t][asset] *= factor[t, asset] ** (-1 if name == "volume" else 1)
    for row in changed.get("borrow", ()):
        row["available"] /= factor[row["bar"], row["asset"]]
    changed["actions"] = [a for a in changed["actions"] if a["kind"] != "split"]
    for action in changed["actions"]:
        if action["value"] is not None:
            action["value"] *= factor[action["bar"], action["asset"]]
    strategy = changed["strategy"]
    for row in strategy.get("rows", []):
        if strategy["kind"] == "orders":
            ratio = factor[row["bar"], row["asset"]]
            if row.get("quantity") is not None:
                row["quantity"] /= ratio
            for name in PRICE_FIELDS:
                if row.get(name) is not None:
                    row[name] *= ratio
        elif strategy["kind"] == "shares":
            targets = zip(row["targets"], factor[row["bar"]], strict=True)
            row["targets"] = [None if target is None else target / ratio for target, ratio in targets]
    if strategy["kind"] == "signals" and strategy["size_type"].endswith("shares"):
        size = strategy["size"]
        strategy["size"] = [
            [(size[t][a] if isinstance(size, list) else size) / factor[t, a] for a in range(assets)]
            for t in range(bars)
        ]
    return changed, factor


@MANY
@given(SEEDS)
def test_raw_prices_with_splits_equal_adjusted_prices(seed):
    scenario = percent_costs_only(scenario_of(seed, True))
    scenario["actions"] = [a for a in scenario["actions"] if a["kind"] != "dividend"]
    for name in ("instruments", "funding"):  # margins a share are of the shares of their day
        scenario.pop(name, None)
    changed, factor = adjusted(scenario)
    ours, theirs = outcome_of(kernel_run(scenario)), outcome_of(kernel_run(changed))
    assert ours["equity"] == pytest.approx(theirs["equity"], rel=1e-9, abs=1e-6)
    assert len(ours["fills"]["bar"]) == len(theirs["fills"]["bar"])
    ratios = [factor[t, a] for t, a in zip(ours["fills"]["bar"], ours["fills"]["asset"], strict=True)]
    prices = [price * ratio for price, ratio in zip(ours["fills"]["price"], ratios, strict=True)]
    assert prices == pytest.approx(theirs["fills"]["price"], rel=1e-9)
    shares = [quantity / ratio for quantity, ratio in zip(ours["fills"]["quantity"], ratios, strict=True)]
    assert shares == pytest.approx(theirs["fills"]["quantity"], rel=1e-9, abs=1e-9)
