"""Random scenarios of many bars: sparse ones, in which orders sleep through blocks, and thousands of busy bars.

What saves work must change no result (clause 9). Levels lie at the extremes of later stretches of 64 bars, a tick
inside or outside of them, after everything that splits and dividends will do to them on the way.
"""

from .accounts import with_account
from .intents import Desk
from .knobs import financing, fraction, off, random_config, random_rules
from .panels import TICK
from .terms import dress

STRETCH = 64
NAMES = ("open", "high", "low", "close", "volume")
LIVES = ("gtc", "gtc", "gtc", "day", "bars", "bars", "ioc", "at_open", "at_close")
SHORT_LIVES = ("bars", "bars", "bars", "day", "ioc", "ioc", "at_open", "at_close")


# Sparse ---------------------------------------------------------------------------------------------------------------


def sparse_scenario(rng, exact):
    """130 to 400 bars that hardly move, rare spikes, and few orders with levels near them."""
    bars, assets = rng.randint(130, 400), rng.choice([1, 1, 2, 3])
    panel, restated = quiet_panel(rng, bars, assets)
    config = random_config(rng, exact, panel, rules_on=False, short=off(rng, 0.3))
    config["max_stale"] = rng.choice([1, 5, 20, 70, 200])
    config["initial_cash"] = 1e6
    if off(rng, 0.4):
        config.update(random_rules(rng, exact))
    for name in ("stop_loss", "take_profit", "trailing_stop"):
        if off(rng, 0.25):
            config[name] = fraction(rng, exact, 0.02, 0.4)
    if off(rng, 0.3):
        config["time_exit"] = rng.randint(20, 200)
    if config.get("max_participation") is not None or config.get("impact_coefficient"):
        panel["volume"] = [[256.0 if price is not None else None for price in row] for row in panel["close"]]
    pen = Pen(Desk(rng, exact, panel, config), restated)
    rows = []
    for bar in sorted(rng.randrange(bars - 1) for _ in range(rng.randint(3, 14))):
        rows += pen.orders(bar if off(rng, 0.7) else min(bar, 40), rng.randrange(assets))
    rows.sort(key=lambda row: row["bar"])
    drawn = {**panel, "config": config, "strategy": {"kind": "orders", "rows": known(rows)}}
    return dress(rng, exact, with_account(rng, exact, drawn, large=512.0))


def known(rows):
    """Rows without the changes of orders that are submitted later than the change."""
    seen, kept = set(), []
    for row in rows:
        if row.get("action") is None:
            seen.add(row["id"])
        elif row["id"] not in seen:
            continue
        kept.append(row)
    return kept


def quiet_panel(rng, bars, assets):
    """Bars of a tick or two around one price, spikes now and then, holes; and what actions do to a level, by asset."""
    panel = {name: [[None] * assets for _ in range(bars)] for name in NAMES}
    length = rng.choice([1, 1, 7, 40, 100])
    panel["session"] = [bar // length for bar in range(bars)]
    panel["actions"], restated = [], []
    for asset in range(assets):
        actions = far_actions(rng, asset, bars, length)
        panel["actions"] += actions
        restated.append(actions)
        gone = holes(rng, bars)
        price, tick = float(rng.randint(20, 80)), rng.choice([TICK, 16 * TICK])
        often = rng.choice([0.005, 0.02, 0.05])
        for bar in range(bars):
            for action in actions:
                if action["bar"] == bar:
                    value = action["value"]
                    price = price / value if action["kind"] == "split" else max(price - value, 4.0)
                    price = max(round(price / tick), 8) * tick
            if bar not in gone:
                traded = spike(rng, price, tick) if off(rng, often) else quiet_bar(rng, price, tick)
                for name, value in zip(NAMES, (*traded, float(rng.choice([64, 256, 1024]))), strict=True):
                    panel[name][bar][asset] = value
    panel["actions"].sort(key=lambda action: action["bar"])
    return panel, restated


def holes(rng, bars):
    """Bars an asset does not have: none, a late listing, or a long stretch; the last bar at least is there."""
    if off(rng, 0.6):
        return set()
    start, length = (0, rng.randint(1, 100)) if off(rng, 0.3) else (rng.randrange(bars), rng.randint(2, 150))
    return set(range(start, min(start + length, bars - 1)))


def far_actions(rng, asset, bars, length):
    """A split or a few dividends, on first bars of sessions, mostly far in."""
    days = list(range(length * (40 // length + 1), bars, length))
    if not days or off(rng, 0.5):
        return []
    if off(rng, 0.5):
        return [{"bar": rng.choice(days), "asset": asset, "kind": "split", "value": rng.choice([2.0, 0.5])}]
    chosen = sorted(rng.sample(days, min(len(days), rng.randint(1, 4))))
    return [{"bar": day, "asset": asset, "kind": "dividend", "value": rng.randint(1, 64) * TICK} for day in chosen]


def quiet_bar(rng, price, tick):
    """A flat bar, or one of a tick or two."""
    if off(rng, 0.7):
        return (price,) * 4
    low, high = price - tick * rng.randint(0, 2), price + tick * rng.randint(0, 2)
    return rng.choice([price, low, high]), high, low, rng.choice([price, low, high])


def spike(rng, price, tick):
    """A bar that reaches far to one side, or opens there; it may close there."""
    far = max(round(price * (1 + rng.choice([-1, 1]) * rng.uniform(0.03, 0.3)) / tick), 1) * tick
    opened, close = (far if off(rng, 0.3) else price for _ in range(2))
    return opened, max(price, far), min(price, far), close


class Pen:
    """Writes the rows of a sparse scenario."""

    def __init__(self, desk, restated):
        self.desk, self.rng, self.restated = desk, desk.rng, restated

    def extreme(self, bar, asset, high):
        """Largest high or lowest low of a later stretch, in prices of `bar`; None when it has no bars."""
        stretches = range(bar // STRETCH, (self.desk.bars - 1) // STRETCH + 1)
        start = self.rng.choice(stretches) * STRETCH
        rows = self.desk.panel["high" if high else "low"][max(start, bar + 1) : start + STRETCH]
        found = [row[asset] for row in rows if row[asset] is not None]
        if not found:
            return None
        level = max(found) if high else min(found)
        level += self.rng.choice([0, 0, TICK, -TICK, 1 / 2**20])
        return self.as_of(level, bar, start, asset, falls=not high)

    def as_of(self, level, bar, until, asset, falls):
        """The level that the actions between two bars turn into the given one; buy limits and sell stops fall."""
        for action in reversed(self.restated[asset]):
            if bar < action["bar"] <= until:
                if action["kind"] == "split":
                    level *= action["value"]
                elif falls:
                    level += action["value"]
        return max(level, TICK)

    def level(self, row, up):
        """A level above or below the price, at what is to come or near the price."""
        bar, asset = row["bar"], row["asset"]
        found = self.extreme(bar, asset, up) if off(self.rng, 0.8) else None
        return (
            self.desk.near(self.desk.price(bar, asset), *((0.0, 0.1) if up else (-0.1, 0.0)))
            if found is None
            else found
        )

    def row(self, bar, asset, quantity, kind, **more):
        """A submitting row with its levels."""
        row = {"bar": bar, "asset": asset, "quantity": quantity, "type": kind, "id": f"o{self.desk.next_id}", **more}
        self.desk.next_id += 1
        buys = quantity > 0
        if kind == "limit":
            row["limit_price"] = self.level(row, up=not buys)
        elif kind in ("stop", "stop_limit"):
            row["stop_price"] = self.level(row, up=buys)
            if kind == "stop_limit":
                row["limit_price"] = self.desk.near(row["stop_price"], -0.02, 0.02)
        elif kind == "trailing_stop":
            row["trail_amount"] = self.desk.near(self.desk.price(bar, asset), -0.99, -0.75)
        if self.desk.config.get("entry_rank") == "rank":
            row["rank"] = float(self.rng.randint(0, 3))
        return row

    def live(self, row, lives=LIVES):
        """A time in force, of up to hundreds of bars."""
        rng = self.rng
        row["time_in_force"] = rng.choice(lives)
        if row["time_in_force"] in ("at_open", "at_close") and row["type"] not in ("market", "limit"):
            row["time_in_force"] = "ioc"
        if row["time_in_force"] == "bars":
            row["bars"] = rng.choice([1, 2, 30, 63, 64, 65, 129, 250])
        return row

    def orders(self, bar, asset):
        """One order, a bracket or a group; at times with a change later on."""
        rng, lot = self.rng, self.desk.lot or 1.0
        side = -1 if self.desk.config.get("allow_short_selling") and off(rng, 0.4) else 1
        quantity = side * lot * rng.randint(1, 40)
        draw = rng.random()
        if draw < 0.5:
            parent = self.row(bar, asset, quantity, rng.choice(["market", "market", "limit", "limit", "stop"]))
            parent["time_in_force"] = rng.choice(["gtc", "gtc", "at_close"]) if "stop_price" not in parent else "gtc"
            rows = [parent]
            for kind in rng.sample(["limit", "stop", "stop_limit", "trailing_stop", "limit"], rng.randint(1, 2)):
                child = self.row(bar, asset, -quantity, kind, parent=parent["id"])
                rows.append(self.live(child))
        elif draw < 0.7:
            kinds, name = rng.sample(["limit", "stop", "trailing_stop"], 2), f"g{self.desk.next_id}"
            rows = [self.live(self.row(bar, asset, -quantity, kind, group=name)) for kind in kinds]
            for row in rows:
                row["reduce_only"] = off(rng, 0.7)
        else:
            kind = rng.choice(["market", "limit", "limit", "stop", "stop_limit", "trailing_stop"])
            rows = [self.live(self.row(bar, asset, quantity * rng.choice([1, 1, -1]), kind))]
        if off(rng, 0.25):
            rows.append(self.change(rng.choice(rows), rng.randint(bar, self.desk.bars - 1)))
        return rows

    def change(self, old, bar):
        """A cancel or a replacement of an order, long after it."""
        row = {key: old[key] for key in ("asset", "type", "id")} | {"bar": bar, "quantity": None, "action": "cancel"}
        if off(self.rng, 0.6):
            row["action"] = "replace"
            if "limit_price" in old:
                row["limit_price"] = self.level(old | {"bar": bar}, up=old["quantity"] < 0)
        return row


# Thousands of bars ----------------------------------------------------------------------------------------------------


def long_scenario(rng, exact, bars=None):
    """2,000 to 5,000 bars of one or two assets; every few bars a parent with children that do not live long."""
    bars = rng.randint(2000, 5000) if bars is None else bars
    assets = rng.choice([1, 1, 2])
    panel = walking_panel(rng, bars, assets)
    config = {"initial_cash": 1e7, "timing": rng.choice(["next_bar", "same_bar_close"])}
    config["allow_short_selling"] = off(rng, 0.5)
    if off(rng, 0.3):
        config |= {"max_participation": 0.125, "tie": "nearest"}
    if off(rng, 0.3):
        config |= {"stop_loss": fraction(rng, exact, 0.02, 0.1), "cooldown": 1}
    if off(rng, 0.3):
        config |= {"entry_bar": "assumed", "limit_fill": "touch", "trail_timing": "proved"}
    desk, rows = Desk(rng, exact, panel, config), []
    step = rng.choice([1, 1, 2, 5])
    for bar in range(0, bars, step):
        rows += short_lived(desk, bar, rng.randrange(assets))
    financing(rng, exact, config, panel)
    drawn = {**panel, "config": config, "strategy": {"kind": "orders", "rows": rows}}
    return dress(rng, exact, with_account(rng, exact, drawn, large=4096.0))


def walking_panel(rng, bars, assets):
    """Prices that walk a few ticks a bar and come back to 50."""
    panel = {name: [[None] * assets for _ in range(bars)] for name in NAMES}
    length = rng.choice([1, 8])
    panel["session"] = [bar // length for bar in range(bars)]
    panel["actions"] = []
    for asset in range(assets):
        price = 50.0
        for bar in range(bars):
            opened = price + rng.randint(-2, 2) * 4 * TICK
            close = opened + rng.randint(-4, 4) * 4 * TICK + (4 * TICK if opened < 50 else -4 * TICK)
            high, low = (
                max(opened, close) + rng.randint(0, 3) * 4 * TICK,
                min(opened, close) - rng.randint(0, 3) * 4 * TICK,
            )
            if off(rng, 0.01):
                continue  # no bar
            for name, value in zip(NAMES, (opened, high, low, close, float(rng.choice([8, 64, 512]))), strict=True):
                panel[name][bar][asset] = value
            price = close
    return panel


def short_lived(desk, bar, asset):
    """A parent filled soon and one or two children; on some bars everything is sold instead."""
    rng, config = desk.rng, desk.config
    price = desk.panel["close"][bar][asset] or 50.0
    side = -1 if config["allow_short_selling"] and off(rng, 0.4) else 1
    name = f"p{bar}"
    parent = {"bar": bar, "asset": asset, "quantity": side * float(rng.randint(1, 4)), "type": "market", "id": name}
    if off(rng, 0.03):
        return [parent | {"quantity": -side * 100_000.0, "reduce_only": True, "time_in_force": "ioc"}]
    if off(rng, 0.3):
        parent |= {"type": "limit", "limit_price": price - side * rng.randint(0, 6) * 4 * TICK}
        parent |= {"time_in_force": "bars", "bars": rng.randint(1, 3)}
    elif off(rng, 0.2):
        parent["time_in_force"] = "at_close"
    rows = [parent]
    for kind in rng.sample(["limit", "stop", "stop_limit", "trailing_stop", "market"], rng.choice([1, 1, 2])):
        child = {"bar": bar, "asset": asset, "quantity": -parent["quantity"], "type": kind, "id": f"{name}{kind}"}
        child |= {"parent": name, "time_in_force": rng.choice(SHORT_LIVES) if rng.random() < 0.99 else "gtc"}
        away = rng.randint(-2, 30) * 4 * TICK
        if kind == "limit":
            child["limit_price"] = price + side * away
        elif kind == "trailing_stop":
            child["trail_amount"] = abs(away) + 4 * TICK
        elif kind != "market":
            child["stop_price"] = price - side * away
        if kind == "stop_limit":
            child["limit_price"] = child["stop_price"] - side * rng.randint(-4, 8) * 4 * TICK
        if child["time_in_force"] in ("at_open", "at_close") and kind not in ("market", "limit"):
            child["time_in_force"] = "bars"
        if child["time_in_force"] == "bars":
            child["bars"] = rng.randint(1, 3)
        rows.append(child)
    return rows
