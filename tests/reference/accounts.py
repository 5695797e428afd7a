"""Random accounts (margin, calls, buffers, leverage, settlement) and capital flows, given to a drawn scenario."""

import math

from .knobs import fraction, off

RATES = (1.0, 0.5, 0.5, 0.25, 0.125)
KEPT = (0.5, 0.75, 0.875, 1.0)  # maintenance as a part of the initial rate


def with_account(rng, exact, drawn, large=1.0):
    """A scenario with an account of its own, more often than not; large: what makes its orders fill an account."""
    config = drawn["config"]
    if off(rng, 0.3):
        margin(rng, exact, config)
        grow(rng, drawn, large if off(rng, 0.7) else 1.0)
    elif off(rng, 0.2):
        config["settlement"] = rng.randint(1, 3)
    if off(rng, 0.15):
        buffer(rng, exact, config)
    if off(rng, 0.15):
        leverage(rng, exact, config)
    if off(rng, 0.25):
        drawn["flows"] = random_flows(rng, exact, drawn)
    return drawn


def margin(rng, exact, config, rates=RATES, kept=KEPT):
    """An account on margin, with rates of both sides and a way of calls."""
    config["account"] = "margin"
    config["initial_margin"], config["maintenance_margin"] = two_rates(rng, exact, rates, kept)
    config["short_initial_margin"], config["short_maintenance_margin"] = two_rates(rng, exact, rates, kept)
    if not exact and off(rng, 0.1):
        for name in ("initial_margin", "maintenance_margin", "short_initial_margin", "short_maintenance_margin"):
            del config[name]
    if off(rng, 0.3):
        config["margin_call"] = "all"


def two_rates(rng, exact, rates, kept):
    """An initial and a maintenance rate, at times equal."""
    initial, part = rng.choice(rates), rng.choice(kept)
    if exact:
        return initial, initial * part
    initial *= rng.uniform(0.8, 1.0)
    return initial, initial * part


def buffer(rng, exact, config):
    """Cash that is not to be used."""
    config["cash_buffer"] = rng.choice([1 / 64, 1 / 16, 1 / 8, 1 / 4]) if exact else rng.uniform(0.005, 0.3)


def leverage(rng, exact, config):
    """A largest leverage, below 1 as well; of floats none that says the same as a rate."""
    largest = rng.choice([0.5, 0.75, 1.0, 1.5, 2.0, 3.0])
    config["max_leverage"] = largest if exact else largest * rng.uniform(0.8, 1.1)


def grow(rng, drawn, large):
    """Orders, targets and sizes for what the margin carries instead of what the cash buys, at times for more."""
    factor = large * 2.0 ** math.floor(math.log2(1 / drawn["config"].get("initial_margin", 0.5)))
    factor *= rng.choice([1.0, 1.0, 2.0])
    strategy = drawn["strategy"]
    if strategy["kind"] == "orders":
        for row in strategy["rows"]:
            if row["quantity"] is not None:
                row["quantity"] *= factor
        return
    if strategy["kind"] != "signals":
        for row in strategy["rows"]:
            row["targets"] = [None if target is None else target * factor for target in row["targets"]]
        return
    most = 1.0 if strategy["size_type"].endswith("fraction") else math.inf
    size = strategy["size"]
    if isinstance(size, list):
        strategy["size"] = [[min(value * factor, most) for value in row] for row in size]
    else:
        strategy["size"] = min(size * factor, most)


def random_flows(rng, exact, drawn, most=4):
    """(bar, amount) of a few deposits and withdrawals by bar, beyond what there is now and then."""
    bars, cash = len(drawn["close"]), drawn["config"].get("initial_cash", 100_000.0)
    flows = []
    for _ in range(rng.randint(1, most)):
        bar = rng.choice([rng.randrange(bars)] * 4 + [0, bars - 1])
        if flows and off(rng, 0.2):
            bar = flows[-1][0]
        part = rng.choice([0.02, 0.1, 0.3, 0.6, 0.9, 0.9, 2.0, 8.0])
        amount = cash * fraction(rng, exact, part / 2, part)
        flows.append((bar, amount if off(rng, 0.45) else -amount))
    return sorted(flows, key=lambda flow: flow[0])
