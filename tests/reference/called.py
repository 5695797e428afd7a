"""Random scenarios of violent prices and accounts at their limits: margin calls, and what stands beside them (4.5)."""

import math

from .accounts import buffer, grow, leverage, margin, random_flows
from .dense_accounts import DENSE
from .intents import Desk, new_row, random_orders, random_signals, random_targets
from .knobs import off, random_config
from .panels import QUIET, VIOLENT, random_panel

TIGHT = (0.5, 0.25, 0.25, 0.125)
KEPT = (0.75, 0.875, 1.0)


def called_scenario(rng, exact):
    """Positions as large as margin carries them, on prices that move too much for that."""
    if off(rng, 0.25):
        return rng.choice(DENSE)(rng, exact)
    bars, assets = rng.choice([8, 14, 20, 24]), rng.choice([1, 2, 2, 3])
    jumpy, short = off(rng, 0.2), off(rng, 0.6)
    panel = random_panel(rng, bars, assets, exact, off(rng, 0.3), jumpy, VIOLENT if off(rng, 0.7) else QUIET)
    config = random_config(rng, exact, panel, rules_on=off(rng, 0.2), short=short)
    margin(rng, exact, config, TIGHT, KEPT)
    config.pop("min_notional", None)
    if off(rng, 0.5):
        config["time_exit"] = rng.randint(2, 6)
    if off(rng, 0.1):
        config["sell_tax_rate"] = rng.choice([0.125, 0.25])
    if off(rng, 0.2):
        buffer(rng, exact, config)
    if off(rng, 0.2):
        leverage(rng, exact, config)
    narrow(rng, exact, config, panel)
    halt(rng, config, panel)
    drawn = {**panel, "config": config, "strategy": strategy_of(rng, exact, panel, config)}
    grow(rng, drawn, 1.0)
    if off(rng, 0.5):
        drawn["flows"] = random_flows(rng, exact, drawn, most=8)
    return drawn


def narrow(rng, exact, config, panel):
    """A cap, more often than not, that lets positions in on the first bars and not out of them later."""
    if off(rng, 0.5):
        return
    config["max_participation"] = rng.choice([0.125, 0.25, 0.5])
    easy = rng.randint(2, 5)
    for bar, row in enumerate(panel["volume"]):
        closes = panel["close"][bar]
        for asset, close in enumerate(closes):
            if close is not None:
                row[asset] = float(rng.choice([2**14, 2**16]) if bar < easy else rng.choice([0, 16, 64, 256, 1024]))


def halt(rng, config, panel):
    """Bars that one asset, or now and then all of them, do not have after the first ones; it may be worth less then."""
    bars, assets = len(panel["close"]), len(panel["close"][0])
    if not off(rng, 0.5 if assets > 1 else 0.2):
        return
    if off(rng, 0.5):
        config |= {"max_stale": rng.randint(1, 2), "delisting_return": rng.choice([-0.5, -1.0, -1.0])}
    else:
        config["max_stale"] = 20
    alone, start = rng.randrange(assets), rng.randint(2, bars - 1)
    for bar in range(start, min(start + rng.randint(1, 6), bars - 1)):
        for asset in range(assets) if off(rng, 0.15) else [alone]:
            for name in ("open", "high", "low", "close", "volume"):
                panel[name][bar][asset] = None
    # Without the bars before it a split may no longer be the smaller step, which the facade refuses (1.1).
    panel["actions"] = [action for action in panel["actions"] if action["kind"] != "split"]


def strategy_of(rng, exact, panel, config):
    """Weights of a fully used account, signals, or orders with exits and entries beside the positions."""
    kind = rng.choice(["orders", "orders", "orders", "weights", "shares", "signals"])
    if kind == "signals":
        return random_signals(rng, exact, panel, config)
    if kind != "orders":
        return random_targets(rng, exact, panel, config, kind)
    desk = Desk(rng, exact, panel, config)
    rows = []
    for asset in range(desk.assets):
        if off(rng, 0.8):
            rows.append(first_position(desk, asset))
    for bar in range(1, desk.bars - 1):
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            rows.append(beside(desk, bar, rng.randrange(desk.assets)))
    if off(rng, 0.4):
        more = random_orders(rng, exact, panel, config, rules_on=False, limit=rng.randint(1, 6))["rows"]
        rows += [{**row, **{name: f"m{row[name]}" for name in ("id", "parent") if name in row}} for row in more]
    return {"kind": "orders", "rows": sorted(rows, key=lambda row: row["bar"])}


def first_position(desk, asset):
    """A market order for about what the asset's part of the account buys."""
    rng = desk.rng
    lot = desk.lot or 1.0
    shares = desk.cash / desk.price(0, asset) / desk.assets * rng.choice([0.6, 0.9, 1.2])
    side = -1 if desk.config.get("allow_short_selling") and off(rng, 0.45) else 1
    quantity = side * max(math.floor(shares / lot), 1) * lot
    desk.leaning[asset] = quantity
    return new_row(desk, rng.randint(0, 1), asset, quantity, "market")


def beside(desk, bar, asset):
    """An exit of a part, of the whole or of more than that, or an entry that rests or goes."""
    rng, lot = desk.rng, desk.lot or 1.0
    held = desk.leaning[asset] or lot
    part = rng.choice([0.05, 0.2, 0.5, 1.0, 1.5, 2.0])
    quantity = math.copysign(max(math.floor(abs(held) * part / lot), 1) * lot, held)
    leaves = off(rng, 0.65)
    row = new_row(desk, bar, asset, -quantity if leaves else quantity, rng.choice(["market", "limit", "limit", "stop"]))
    if row["type"] == "limit" and off(rng, 0.5):  # far away: it lives until a call
        row["limit_price"] = desk.near(desk.price(bar, asset), *((0.5, 0.6) if row["quantity"] < 0 else (-0.6, -0.5)))
    if leaves and off(rng, 0.25):
        row["reduce_only"] = True
    return row
