"""Random scenarios, each dense in a clause of accounts that others meet once in a hundred (1.3, 4.5, 4.6)."""

from .accounts import margin
from .intents import Desk, new_row
from .knobs import fraction, off, random_config
from .panels import QUIET, random_panel

PRICES = ("open", "high", "low", "close", "volume")


def flat_bar(price, volume):
    """One bar that trades at one price."""
    return dict(zip(PRICES, (price, price, price, price, volume), strict=True))


def halted_beside(rng, exact):
    """One asset without bars while another falls, and orders against both; the halted one may be worth nothing."""
    bars, halted = rng.choice([10, 14]), rng.randint(3, 5)
    panel = {name: [[None, None] for _ in range(bars)] for name in PRICES} | {
        "session": list(range(bars)),
        "actions": [],
    }
    price = 64.0
    for bar in range(bars):
        price = max(price * rng.choice([1.0, 0.96875, 0.9375, 0.875, 0.75, 0.5]), 1.0) if bar >= halted - 1 else price
        price = max(round(price * 64), 64) / 64
        gone = halted <= bar < bars - 2
        for asset, at in ((0, None if gone else 64.0), (1, price)):
            for name, value in (flat_bar(at, 4096.0) if at is not None else {}).items():
                panel[name][bar][asset] = value
    config = random_config(rng, exact, panel, rules_on=False, short=True)
    for name in ("min_notional", "cooldown", "volume_basis", "spread"):
        config.pop(name, None)
    panel["volume"] = [[None if price is None else 4096.0 for price in row] for row in panel["close"]]
    margin(rng, exact, config, (0.5, 0.25), (0.875, 1.0))
    config |= {"max_stale": rng.choice([2, 3, 20, 20]), "delisting_return": rng.choice([-1.0, -0.5]), "lot": 1.0}
    config |= {
        "initial_cash": 8192.0,
        "allow_short_selling": True,
        "margin_call": rng.choice(["pro_rata", "pro_rata", "all"]),
    }
    if off(rng, 0.2):
        config["sell_tax_rate"] = 0.25
    if off(rng, 0.3):
        config["time_exit"] = halted - 1 + rng.randint(0, 3)
    desk = Desk(rng, exact, panel, config)
    large = float(int(8192 / 64 / config.get("initial_margin", 0.5) * rng.choice([0.3, 0.4, 0.45])))
    rows = [new_row(desk, 0, asset, large, "market") for asset in (0, 1)]
    for bar in range(halted - 1, bars - 1):
        if off(rng, 0.7):
            rows.append(new_row(desk, bar, 0, -large * rng.choice([0.25, 1.0, 2.0]), rng.choice(["market", "limit"])))
            rows[-1]["quantity"] = float(int(rows[-1]["quantity"]))
    drawn = {**panel, "config": config, "strategy": {"kind": "orders", "rows": rows}}
    if off(rng, 0.4):
        drawn["flows"] = [(bar, -desk.cash * fraction(rng, exact, 0.001, 0.1)) for bar in range(halted, bars)]
    return drawn


def drained(rng, exact):
    """Withdrawals that take a cash account below zero, and entries and sales after them; flows on bars of actions."""
    bars, assets = rng.choice([10, 16]), rng.choice([1, 2])
    panel = random_panel(rng, bars, assets, exact, busy=True, jumpy=False, volatilities=QUIET)
    config = random_config(rng, exact, panel, rules_on=False, short=off(rng, 0.3))
    for name in ("min_notional", "entry_rank", "cooldown"):
        config.pop(name, None)
    desk = Desk(rng, exact, panel, config)
    rows, lot = [], desk.lot or 1.0
    for bar in range(bars - 1):
        asset = rng.randrange(assets)
        shares = max(int(desk.cash / desk.price(bar, asset) * rng.choice([0.1, 0.4]) / lot), 1) * lot
        side = 1 if bar < 3 or off(rng, 0.7) else -1
        rows.append(new_row(desk, bar, asset, side * shares, rng.choice(["market", "market", "limit"])))
    acted = [action["bar"] for action in panel["actions"]]
    flows = [(bar, desk.cash * fraction(rng, exact, 0.05, 0.3) * rng.choice([1, -1])) for bar in acted]
    flows += [(rng.randint(2, 5), -desk.cash * fraction(rng, exact, 0.4, 0.8)) for _ in range(rng.randint(1, 2))]
    drawn = {**panel, "config": config, "strategy": {"kind": "orders", "rows": rows}}
    return {**drawn, "flows": sorted(flows, key=lambda flow: flow[0])}


DENSE = (halted_beside, drained)
