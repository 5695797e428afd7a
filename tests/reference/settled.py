"""Random scenarios around what two readers of the contract would differ on: few bars, each kind dense in its clause."""

import math

from .accounts import with_account
from .intents import Desk, new_row
from .knobs import charge, fraction, off, random_config, random_rules
from .panels import TICK, random_panel

SHORT_LIVES = ("ioc", "ioc", "at_open", "at_close", "bars", "day", "gtc")
OF_ONE_CLOSE = ("ioc", "at_open", "at_close", "at_close", "bars", "gtc")


def settled_scenario(rng, exact):
    """A scenario of one of the kinds below."""
    kind = rng.choice([kind for kind in KINDS if not (exact and kind is beyond)])
    return with_account(rng, exact, kind(rng, exact))


def market_of(rng, exact, bars=None, assets=1, **config):
    """A panel and a configuration with the given fields, without rules; and the desk that writes its rows."""
    bars = rng.choice([8, 12, 20]) if bars is None else bars
    panel = random_panel(rng, bars, assets, exact, busy=False, jumpy=False)
    drawn = random_config(rng, exact, panel, rules_on=False, short=off(rng, 0.5))
    for name in ("entry_rank", "rule_basis", "min_notional"):
        drawn.pop(name, None)
    drawn.update(config)
    if drawn.get("max_participation") is not None:
        fill_volume(rng, panel)
    return panel, drawn, Desk(rng, exact, panel, drawn)


def fill_volume(rng, panel):
    """Volumes of every traded bar, small ones among them."""
    for row, closes in zip(panel["volume"], panel["close"], strict=True):
        for asset, close in enumerate(closes):
            if close is not None and row[asset] is None:
                row[asset] = float(rng.choice([0, 16, 64, 256, 1024]))


def scenario(panel, config, rows):
    """Plain data of a scenario of orders as given, rows by bar."""
    rows = sorted(rows, key=lambda row: row["bar"])
    return {**panel, "config": config, "strategy": {"kind": "orders", "rows": rows}}


def add_child(desk, parent, level=None, kind=None, lives=SHORT_LIVES):
    """A child of a parent row: a limit, stop, stop-limit, trailing or market order with a short life."""
    rng, side = desk.rng, 1 if parent["quantity"] > 0 else -1
    kind = kind or rng.choice(["limit", "limit", "stop", "stop", "stop_limit", "trailing_stop", "market"])
    row = new_row(desk, parent["bar"], parent["asset"], -parent["quantity"], kind)
    price = desk.price(parent["bar"], parent["asset"])
    if kind == "limit":
        row["limit_price"] = level or desk.near(price, *sorted((-0.03 * side, 0.03 * side)))
    elif kind in ("stop", "stop_limit"):
        row["stop_price"] = level or desk.near(price, *sorted((0.02 * side, -0.04 * side)))
        if kind == "stop_limit":
            row["limit_price"] = desk.near(row["stop_price"], -0.01, 0.01)
    row["parent"] = parent["id"]
    live_for(rng, row, lives)
    return row


def live_for(rng, row, lives):
    """A time in force that the type of the row allows."""
    allowed = [life for life in lives if life not in ("at_open", "at_close") or row["type"] in ("market", "limit")]
    row["time_in_force"] = rng.choice(allowed or ["gtc"])
    if row["time_in_force"] == "bars":
        row["bars"] = rng.randint(1, 3)


def side_of(desk):
    """A long parent, or a short one where that is allowed."""
    return -1 if desk.config.get("allow_short_selling") and off(desk.rng, 0.4) else 1


def children_of_closes(rng, exact):
    """Parents filled at 4.1, at 4.7, inside and at opens, with children of every time in force (1.7, 2.1)."""
    timing = rng.choice(["next_bar", "same_bar_close"])
    panel, config, desk = market_of(rng, exact, timing=timing)
    rows = []
    for bar in range(desk.bars - 1):
        if not off(rng, 0.6):
            continue
        quantity = side_of(desk) * min(desk.shares(bar, 0), 8 * (desk.lot or 1.0))
        parent = new_row(desk, bar, 0, quantity, rng.choice(["market", "market", "limit"]))
        parent["time_in_force"] = rng.choice(["gtc", "at_close", "at_close"] if timing == "next_bar" else ["gtc"])
        rows += [parent, *(add_child(desk, parent, lives=OF_ONE_CLOSE) for _ in range(rng.randint(1, 2)))]
        if off(rng, 0.8):  # an addition at the close, for which an older child is none of its business
            rows.append(new_row(desk, bar, 0, quantity, "market"))
            rows[-1]["time_in_force"] = rng.choice(["at_close", "gtc"])
    return scenario(panel, config, rows)


def older_children(rng, exact):
    """Children that a parent bears inside for the next open, and additions at the close that passes them (2.1)."""
    timing = rng.choice(["next_bar", "same_bar_close"])
    panel, config, desk = market_of(rng, exact, timing=timing, initial_cash=1e6)
    rows = []
    for bar in range(desk.bars - 1):
        side, price, lot = side_of(desk), desk.price(bar, 0), desk.lot or 1.0
        parent = new_row(desk, bar, 0, side * 4 * lot, "limit")
        parent["limit_price"] = desk.near(price, *sorted((-0.01 * side, -0.001 * side)))
        level = desk.near(price, *sorted((0.02 * side, -0.01 * side)))
        rows += [parent, add_child(desk, parent, level=level, kind="stop", lives=("ioc",))]
        addition = new_row(desk, bar + (timing == "same_bar_close"), 0, side * lot, "market")
        addition["time_in_force"] = "gtc" if timing == "same_bar_close" else "at_close"
        rows.append(addition)
    return scenario(panel, config, rows)


def replaced_parents(rng, exact):
    """Part-filled parents, and their children, replaced while a rule may flatten the position (2.4, 4.6, 5.2)."""
    cap = 0.125 if exact else rng.uniform(0.02, 0.2)
    panel, config, desk = market_of(rng, exact, max_participation=cap, initial_cash=50_000.0)
    config.pop("shortfall", None)
    rows = []
    for bar in range(0, desk.bars - 3, rng.randint(3, 5)):
        side = side_of(desk)
        parent = new_row(desk, bar, 0, side * desk.shares(bar, 0), rng.choice(["market", "market", "limit"]))
        parent["stop_loss"] = fraction(rng, exact, 0.005, 0.03)
        if off(rng, 0.3):
            parent["take_profit"] = fraction(rng, exact, 0.005, 0.03)
        child = add_child(desk, parent, kind=rng.choice(["limit", "limit", "market"]), lives=("gtc",))
        if child["type"] == "limit":  # far away: the rules come first
            child["limit_price"] = desk.near(desk.price(bar, 0), *sorted((0.2 * side, 0.3 * side)))
        rows += [parent, child]
        for old in (parent, parent, child):
            if off(rng, 0.6):
                rows.append(replacement(desk, rng.randint(bar + 1, bar + 2), old))
        if off(rng, 0.4):
            rows.append(new_row(desk, bar + 1, 0, -parent["quantity"], "market"))
            rows[-1]["reduce_only"] = True
    return scenario(panel, config, rows)


def replacement(desk, bar, old):
    """A row that replaces another, at times with a quantity or a limit of its own."""
    row = {"bar": bar, "asset": 0, "quantity": None, "type": old["type"], "id": old["id"], "action": "replace"}
    if off(desk.rng, 0.3):
        row["quantity"] = old["quantity"]
    if "limit_price" in old and off(desk.rng, 0.5):
        row["limit_price"] = desk.near(old["limit_price"], -0.01, 0.01)
    return row


def large_dividends(rng, exact):
    """A price that rises to a multiple, then pays dividends beyond the basis of what was bought before (1.1, 5.1)."""
    bars = rng.choice([14, 20, 24])
    panel = {name: [[None] for _ in range(bars)] for name in ("open", "high", "low", "close", "volume")}
    rise, factor = rng.randint(3, 5), rng.randint(6, 12)
    price, panel["session"], panel["actions"] = float(rng.randint(4, 8)), list(range(bars)), []
    for bar in range(bars):
        price = price * factor if bar == rise else price
        if bar > rise and off(rng, 0.75):
            paid = math.ceil(price * rng.uniform(0.02, 0.11) / TICK) * TICK
            panel["actions"].append({"bar": bar, "asset": 0, "kind": "dividend", "value": paid})
            price -= paid
        opened, close = (max(round(price * (1 + rng.gauss(0, 0.02)) / TICK), 64) * TICK for _ in range(2))
        high, low = max(opened, close), min(opened, close)
        if off(rng, 0.3):
            low = max(round(low * rng.choice([0.1, 0.5, 0.97]) / TICK), 1) * TICK
        traded = {"open": opened, "high": high, "low": low, "close": close, "volume": 4096.0}
        for name, value in traded.items():
            panel[name][bar][0] = value
        price = close
    config = random_config(rng, exact, panel, rules_on=False, short=off(rng, 0.4))
    if config.get("max_participation") is not None or config.get("impact_coefficient"):
        panel["volume"] = [[4096.0] for _ in range(bars)]
    config.pop("min_notional", None)
    return scenario(panel, config, dividend_rows(rng, exact, panel, config, rise))


def dividend_rows(rng, exact, panel, config, rise):
    """Positions from before the rise, and orders with levels so low that dividends reach them."""
    desk, rows = Desk(rng, exact, panel, config), []
    for bar in range(rise):
        side = side_of(desk)
        row = new_row(desk, bar, 0, side * rng.randint(1, 8) * (desk.lot or 1.0), "market")
        row.update(random_rules(rng, exact))
        for name in ("take_profit", "break_even", "trail_activation"):
            if off(rng, 0.4):
                row[name] = float(rng.randint(2, 30))
        if off(rng, 0.5):
            row.pop("stop_loss", None)
        rows.append(row)
    for bar in range(rise, len(panel["close"]) - 2):
        if not off(rng, 0.4):
            continue
        price, shares = desk.price(bar, 0), rng.randint(1, 8) * (desk.lot or 1.0)
        kind = rng.choice(["limit", "limit", "stop", "stop_limit", "trailing_stop", "parent", "parent"])
        low = desk.near(price, -0.97, -0.8)
        if kind == "parent":  # a limit that is not met soon, and a sell stop below its dividends
            parent = new_row(desk, bar, 0, shares, "limit")
            parent["limit_price"] = desk.near(price, -0.3, -0.02)
            rows += [parent, add_child(desk, parent, level=low, kind="stop", lives=("gtc",))]
            continue
        row = new_row(desk, bar, 0, shares if kind == "limit" or off(rng, 0.1) else -shares, kind)
        if "limit_price" in row:
            row["limit_price"] = low
        if "stop_price" in row:
            row["stop_price"] = low
        rows.append(row)
    return rows


def held_back(rng, exact):
    """Orders of every time in force, larger than the volume of their bars (6.1)."""
    cap = rng.choice([0.03125, 0.125, 0.5]) if exact else rng.uniform(0.02, 0.5)
    timing = rng.choice(["next_bar", "next_bar", "same_bar_close"])
    panel, config, desk = market_of(rng, exact, max_participation=cap, timing=timing, initial_cash=1e6)
    config.pop("shortfall", None)
    rows = []
    for bar in range(desk.bars - 1):
        volume = panel["volume"][bar][0] or 64.0
        lot = desk.lot or 1.0
        shares = max(round(volume * cap * rng.choice([0.5, 1.0, 1.0, 2.0, 5.0]) / lot), 1) * lot
        side = (1 if off(rng, 0.5) else -1) if bar else 1
        row = new_row(desk, bar, 0, side * shares, rng.choice(["market", "market", "limit", "stop"]))
        live_for(rng, row, SHORT_LIVES)
        rows.append(row)
        if off(rng, 0.3):
            rows.append(replacement(desk, bar + 1, row))
    return scenario(panel, config, rows)


def levels_at_births(rng, exact):
    """Children and exits whose level is the very price at which the position is born inside the bar (3.2)."""
    panel, config, desk = market_of(rng, exact)
    rows = []
    for bar in range(desk.bars - 1):
        side, price = side_of(desk), desk.price(bar, 0)
        kind = rng.choice(["limit", "stop"])
        parent = new_row(desk, bar, 0, side * desk.shares(bar, 0), kind)
        if kind == "limit":  # O is better than the level often enough: the level is met inside
            parent["limit_price"] = desk.near(price, *sorted((-0.03 * side, -0.002 * side)))
        level = parent.get("limit_price") or parent["stop_price"]
        parent["time_in_force"] = rng.choice(["day", "gtc"])
        child = add_child(desk, parent, level=level, kind=rng.choice(["limit", "limit", "stop"]), lives=("day",))
        rows += [parent, child]
    return scenario(panel, config, rows)


def groups_in_vain(rng, exact):
    """Groups of a reduce-only stop and an entry while flat, and reduce-only orders beside entries (2.1, 2.2, 2.4)."""
    panel, config, desk = market_of(rng, exact)
    if off(rng, 0.4):
        config["entry_rank"] = "rank"
    rows = []
    for bar in range(desk.bars - 1):
        side, shares, name = side_of(desk), desk.shares(bar, 0), f"g{bar}"
        exits = [new_row(desk, bar, 0, -side * shares, rng.choice(["stop", "trailing_stop", "stop_limit", "market"]))]
        entry = new_row(desk, bar, 0, side * shares, rng.choice(["limit", "limit", "market"]))
        exits[0]["reduce_only"] = True
        if exits[0]["type"] != "market":
            exits[0]["group"] = entry["group"] = name
        both = [*exits, entry]
        rng.shuffle(both)
        for row in both:
            live_for(rng, row, ("day", "gtc", "bars"))
        rows += both
        if off(rng, 0.5):
            rows.append(new_row(desk, bar, 0, -side * shares, "market"))
            rows[-1]["reduce_only"] = True
    return scenario(panel, config, rows)


def entries_against(rng, exact):
    """Signals that turn around on every other bar, with a minimum and a cooldown (4.6)."""
    config = {"allow_short_selling": True, "min_notional": rng.choice([0.0, 1024.0, 2048.0])}
    if off(rng, 0.5):
        config |= {"cooldown": rng.randint(2, 5), "stop_loss": fraction(rng, exact, 0.005, 0.02)}
    panel, config, desk = market_of(rng, exact, assets=rng.randint(1, 2), **config)
    shape = range(desk.bars), range(desk.assets)
    turns = [[rng.choice([1, -1, 0]) for _ in shape[1]] for _ in shape[0]]
    kind = rng.choice(["shares", "value", "fraction", "target_shares", "target_value", "target_fraction"])
    large = 2048.0 if config["min_notional"] else 1024.0
    lots = max(round(large / desk.price(0, 0) / (desk.lot or 1.0)), 1) * (desk.lot or 1.0)
    per = {"shares": lots, "value": large, "fraction": large / desk.cash}[kind.removeprefix("target_")]
    none = [[False for _ in shape[1]] for _ in shape[0]]
    return {
        **panel,
        "config": config,
        "strategy": {
            "kind": "signals",
            "size": [[per * rng.choice([0.25, 1.0, 1.5]) for _ in shape[1]] for _ in shape[0]],
            "size_type": kind,
            "rank": None,
            "accumulate": off(rng, 0.3),
            "entries": [[turn > 0 for turn in row] for row in turns],
            "short_entries": [[turn < 0 for turn in row] for row in turns],
            "exits": none,
            "short_exits": none,
        },
    }


def trails_by_one_bar(rng, exact):
    """Trails with an activation that one bar reaches and gives back, and additions at the open (3.1, 5.1)."""
    timing = rng.choice(["lagged", "proved"])
    panel, config, desk = market_of(rng, exact, trail_timing=timing, initial_cash=1e6)
    rows = []
    for bar in range(desk.bars - 1):
        side = side_of(desk)
        for _ in range(rng.randint(1, 3)):
            row = new_row(desk, bar, 0, side * rng.randint(1, 8) * (desk.lot or 1.0), "market")
            row["trailing_stop"] = fraction(rng, exact, 0.005, 0.03)
            row["trail_activation"] = fraction(rng, exact, 0.005, 0.06)
            rows.append(row)
    return scenario(panel, config, rows)


def charged_shorts(rng, exact):
    """Shorts that are held over splits, dividends, delistings and jumps against them, and cash they leave (1.2)."""
    bars, assets = rng.choice([8, 14, 20]), rng.choice([1, 2, 2])
    panel = random_panel(rng, bars, assets, exact, busy=True, jumpy=off(rng, 0.7))
    config = random_config(rng, exact, panel, rules_on=False, short=True)
    for name in ("entry_rank", "min_notional", "max_participation", "volume_basis"):
        config.pop(name, None)
    charge(rng, exact, config, panel)
    desk = Desk(rng, exact, panel, config)
    cash, rows = config.get("initial_cash", 100_000.0), []
    hedged = assets > 1  # longs beside a short that jumps take the cash below the value of the short
    for bar in range(bars - 1):
        asset = rng.randrange(assets)
        if off(rng, 0.8 if bar < 3 else 0.2):
            side = 1 if (hedged and asset == 0) or off(rng, 0.1) else -1
            part = rng.choice([0.03, 0.06, 0.1] if hedged and side < 0 else [0.3, 0.6, 0.9])
            lots = max(math.floor(cash * part / desk.price(bar, asset) / (desk.lot or 1.0)), 1)
            rows.append(new_row(desk, bar, asset, side * lots * (desk.lot or 1.0), "market"))
    return scenario(panel, config, rows)


def beyond(rng, exact):
    """Tiny prices and lots, and one huge entry from flat: with no cash but dust left, nothing enters again (6.3)."""
    scale, lot = rng.choice([1e-6, 1e-6, 1.0]), rng.choice([0.0, 1e-8, 1e-8, 1.0])
    panel, config, desk = market_of(rng, exact, lot=lot, initial_cash=1e6)
    config.pop("slippage_fixed", None)
    for name in ("open", "high", "low", "close"):
        panel[name] = [[None if price is None else price * scale for price in row] for row in panel[name]]
    for action in panel["actions"]:
        if action["kind"] != "split" and action["value"] is not None:
            action["value"] *= scale
    side, first = side_of(desk), rng.randint(0, 2)
    if off(rng, 0.4):
        rows = [{"bar": first, "targets": [side * rng.choice([0.25, 0.5])]}]
        if desk.bars > first + 4:
            rows.append({"bar": rng.randint(first + 1, desk.bars - 1), "targets": [0.0]})
        strategy = {"kind": "weights", "rows": rows, "min_notional": None, "min_weight_change": 0.0}
        return {**panel, "config": config, "strategy": strategy}
    shares = min(desk.cash / desk.price(first, 0) * rng.choice([10.0, 1e3, 1e6]), 1e15)
    entry = new_row(desk, first, 0, side * shares, rng.choice(["market", "market", "limit", "stop"]))
    rows = [entry, add_child(desk, entry, lives=("gtc", "day", "bars"))]
    for bar in range(first + 1, desk.bars - 1):
        if off(rng, 0.5):
            row = new_row(desk, bar, 0, -side * shares, rng.choice(["market", "limit", "stop", "trailing_stop"]))
            row["reduce_only"] = True
            live_for(rng, row, SHORT_LIVES)
            rows.append(row)
    return scenario(panel, config, rows)


KINDS = (
    children_of_closes,
    children_of_closes,
    children_of_closes,
    older_children,
    replaced_parents,
    large_dividends,
    large_dividends,
    held_back,
    levels_at_births,
    groups_in_vain,
    entries_against,
    entries_against,
    trails_by_one_bar,
    charged_shorts,
    charged_shorts,
    charged_shorts,
    beyond,
)
