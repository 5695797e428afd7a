"""Random price panels that a public interface accepts: consistent bars, gaps, listings, actions, sessions."""

import math

TICK = 1 / 64


def sessions(rng, bars):
    """Session number of each bar: one bar each, or a few."""
    if rng.random() < 0.6:
        return list(range(bars))
    numbers, session = [], 0
    while len(numbers) < bars:
        numbers += [session] * rng.randint(1, 4)
        session += 1
    return numbers[:bars]


def rounded(rng_tick, price):
    """A price on the panel's grid, at least one tick."""
    if rng_tick is None:
        return max(price, 0.01)
    return max(round(price / rng_tick), 1) * rng_tick


def grid(rng, exact):
    """Tick of one asset: coarse grids make ties; None is free floats."""
    if exact:
        return rng.choice([TICK, 8 * TICK, 16 * TICK, 64 * TICK])
    return rng.choice([None, None, 0.01, 0.25])


def one_bar(rng, previous, volatility, tick):
    """Open, high, low and close after a previous close; opens on the close, flat bars and spikes are common."""
    opened = previous if rng.random() < 0.35 else previous * math.exp(rng.gauss(0, volatility))
    close = opened * math.exp(rng.gauss(0, volatility))
    if rng.random() < 0.06:
        close = opened
    opened, close = rounded(tick, opened), rounded(tick, close)
    high, low = max(opened, close), min(opened, close)
    if rng.random() < 0.35:
        volatility *= 2.5
    if rng.random() > 0.12:
        high = max(high, rounded(tick, high * (1 + abs(rng.gauss(0, volatility)))))
    if rng.random() > 0.12:
        low = min(low, rounded(tick, low / (1 + abs(rng.gauss(0, volatility)))))
    return opened, high, low, close


def missing_bars(rng, bars):
    """Bars the asset does not have: a late listing, single gaps and one longer hole."""
    gone = set()
    if rng.random() < 0.12:
        gone |= set(range(rng.randint(0, max(bars // 3, 1))))
    if rng.random() < 0.25:
        gone |= {t for t in range(bars) if rng.random() < 0.12}
    if rng.random() < 0.15:
        start = rng.randrange(bars)
        gone |= set(range(start, min(bars, start + rng.randint(2, 5))))
    return gone


def asset_actions(rng, asset, first_bars, bars, exact, busy):
    """Actions of one asset, on first bars of sessions after the first bar; the delisting comes last."""
    actions = []
    days = [t for t in first_bars if t > 0]
    if not days:
        return actions
    if rng.random() < (0.6 if busy else 0.12):
        ratio = rng.choice([2.0, 0.5, 0.5, 4.0]) if exact else rng.choice([2.0, 0.5, 3.0, 1.5, 1.5])
        actions.append({"bar": rng.choice(days), "asset": asset, "kind": "split", "value": ratio})
    for day in rng.sample(days, min(len(days), rng.choice([1, 1, 2]))):
        if rng.random() < (0.5 if busy else 0.12):
            actions.append({"bar": day, "asset": asset, "kind": "dividend", "value": rng.randint(1, 48) * TICK})
    late = [t for t in days if t >= bars // 3]
    if late and rng.random() < (0.45 if busy else 0.06):
        day = rng.choice(late)
        value = rng.choice([None, None, 8 * TICK * rng.randint(0, 100)])
        actions = [a for a in actions if a["bar"] < day]
        actions.append({"bar": day, "asset": asset, "kind": "delisting", "value": value})
    return actions


def volume_of(rng, scale, exact):
    """Volume of one bar; zero now and then."""
    if rng.random() < 0.06:
        return 0.0
    volume = rng.randint(1, 40)
    return float(volume * 8 * scale) if exact else round(volume * 8 * scale * rng.uniform(0.8, 1.2), rng.choice([0, 2]))


QUIET, VIOLENT = (0.01, 0.02, 0.04, 0.06), (0.04, 0.08, 0.12, 0.16)  # deviations of what a bar moves


def random_panel(rng, bars, assets, exact, busy, jumpy, volatilities=QUIET):
    """Prices, volumes, sessions and actions of a scenario. busy: many actions; jumpy: rare jumps to a multiple."""
    names = ("open", "high", "low", "close", "volume")
    panel = {name: [[None] * assets for _ in range(bars)] for name in names}
    panel["session"] = sessions(rng, bars)
    first_bars = [t for t in range(bars) if t == 0 or panel["session"][t] != panel["session"][t - 1]]
    panel["actions"] = []
    for asset in range(assets):
        actions = asset_actions(rng, asset, first_bars, bars, exact, busy)
        kept = _fill_asset(rng, panel, asset, actions, exact, jumpy, volatilities)
        panel["actions"] += kept
    order = {"split": 0, "dividend": 1, "delisting": 2}
    panel["actions"].sort(key=lambda a: (a["bar"], a["asset"], order[a["kind"]]))
    return panel


def _fill_asset(rng, panel, asset, actions, exact, jumpy, volatilities):
    """Write one asset's bars; returns the actions that stay plausible with them."""
    bars = len(panel["open"])
    tick, volatility = grid(rng, exact), rng.choice(volatilities)
    price = rounded(tick, float(rng.randint(10, 100)))
    gone, scale = missing_bars(rng, bars), rng.choice([1, 4, 16])
    listed = [action["bar"] for action in actions if action["kind"] == "delisting"]
    if gone.issuperset(range(min(listed, default=bars))):
        gone.discard(0)  # an asset has at least one bar
    kept, ratio_since, previous = [], 1.0, None
    split = None
    for t in range(bars):
        for action in actions:
            if action["bar"] == t and action["kind"] == "split" and price / action["value"] > 4:
                price, split = price / action["value"], action
                scale = max(1, round(scale * action["value"]))
            elif action["bar"] == t and action["kind"] == "dividend" and action["value"] < price / 8:
                kept.append(action)
                price = max(price - action["value"] if rng.random() < 0.7 else price, 1.0)
            elif action["bar"] == t and action["kind"] == "delisting":
                return [*kept, action]
        if jumpy and rng.random() < 0.2:
            price = price * rng.choice([1.5, 3.0, 4.0, 6.0])
        if t in gone:
            continue
        opened, high, low, close = one_bar(rng, price, volatility, tick)
        if split is not None:
            if previous is None or split_is_plausible(opened, previous, split["value"] * ratio_since):
                kept.append(split)
            split = None
        for name, value in zip(("open", "high", "low", "close"), (opened, high, low, close), strict=True):
            panel[name][t][asset] = value
        panel["volume"][t][asset] = volume_of(rng, scale, exact)
        price = previous = close
    if split is not None:
        kept.append(split)
    return kept


def split_is_plausible(opened, previous, ratio):
    """Prices look raw: the split explains the gap better than no split does."""
    return abs(math.log(opened * ratio / previous)) <= abs(math.log(opened / previous))
