"""Greedy minimiser: the smallest scenario that still fails, and a compact way to print it."""

from . import shrink_terms as terms
from .book import DEFAULTS

BARWISE = ("open", "high", "low", "close", "volume", "session")
SIGNAL_GRIDS = ("entries", "exits", "short_entries", "short_exits", "size", "rank")
OPTIONAL = ("stop_loss", "take_profit", "trailing_stop", "trail_activation", "break_even", "time_exit")
OPTIONAL += ("stop_loss_price", "take_profit_price", "reduce_only", "group", "rank", "time_in_force")


def shrink(scenario, fails, rounds=6):
    """Drop bars, assets, rows, actions and knobs while `fails(scenario)` stays true; returns a smaller scenario.

    `fails` takes a scenario and returns a bool; a candidate for which it raises is skipped.
    """
    for _ in range(rounds):
        before = size(scenario)
        for candidates in STEPS:
            scenario = _descend(scenario, candidates, fails)
        if size(scenario) == before:
            break
    return scenario


def _descend(scenario, candidates, fails):
    """Take the first candidate that still fails, until none does."""
    progress = True
    while progress:
        progress = False
        for candidate in candidates(scenario):
            try:
                failing = fails(candidate)
            except Exception:  # a candidate that is not a valid scenario is no counterexample
                failing = False
            if failing:
                scenario, progress = candidate, True
                break
    return scenario


def size(scenario):
    """How much there is to read in a scenario."""
    strategy = scenario["strategy"]
    rows = sum(len(row) for row in strategy.get("rows", []))
    flags = sum(sum(map(bool, row)) for name in SIGNAL_GRIDS[:4] for row in strategy.get(name, []))
    volumes = sum(v is not None for row in scenario["volume"] for v in row)
    cells = len(scenario["close"]) * len(scenario["close"][0])
    happens = len(scenario["actions"]) + len(scenario.get("flows", [])) + terms.size(scenario)
    return (cells, rows + flags, happens, len(scenario["config"]), volumes, _distinct_prices(scenario))


def _distinct_prices(scenario):
    """Bars that are not flat."""
    pairs = zip(scenario["high"], scenario["low"], strict=True)
    return sum(h != low for high_row, low_row in pairs for h, low in zip(high_row, low_row, strict=True))


def _keep_bars(scenario, kept):
    """The scenario on some of its bars; what happened on dropped bars is dropped."""
    place = {bar: i for i, bar in enumerate(kept)}
    new = {**scenario, **{name: [scenario[name][t] for t in kept] for name in BARWISE}}
    new["actions"] = [{**a, "bar": place[a["bar"]]} for a in scenario["actions"] if a["bar"] in place]
    new.update(terms.of_bars(scenario, place))
    if "flows" in scenario:
        new["flows"] = [(place[bar], amount) for bar, amount in scenario["flows"] if bar in place]
    strategy = dict(scenario["strategy"])
    if "rows" in strategy:
        rows = [{**row, "bar": place[row["bar"]]} for row in strategy["rows"] if row["bar"] in place]
        strategy["rows"] = with_known_ids(rows)
    for name in SIGNAL_GRIDS:
        if isinstance(strategy.get(name), list):
            strategy[name] = [strategy[name][t] for t in kept]
    spread = scenario["config"].get("spread")
    if isinstance(spread, list) and isinstance(spread[0], list):
        new["config"] = {**scenario["config"], "spread": [spread[t] for t in kept]}
    new["strategy"] = strategy
    return new


def with_known_ids(rows):
    """Rows whose parent and whose cancelled or replaced order still exist."""
    known, kept = set(), []
    for row in rows:
        action = row.get("action") or "submit"
        refers = row.get("parent") if action == "submit" else row.get("id")
        if refers is not None and refers not in known:
            continue
        if action == "submit" and row.get("id") is not None:
            known.add(row["id"])
        kept.append(row)
    return kept


def stretches(count):
    """(start, stop) of what to leave out of `count` things: halves, then ever smaller parts, each from the end."""
    length = count // 2
    while length:
        for stop in range(count, 0, -length):
            yield max(stop - length, 0), stop
        length //= 2


def shorter(scenario):
    """Fewer bars."""
    bars = len(scenario["close"])
    for start, stop in stretches(bars):
        yield _keep_bars(scenario, [*range(start), *range(stop, bars)])


def fewer_assets(scenario):
    """One asset less."""
    assets = len(scenario["close"][0])
    if assets < 2:
        return
    for gone in range(assets):
        kept = [a for a in range(assets) if a != gone]
        place = {a: i for i, a in enumerate(kept)}

        def cut(grid, kept=kept):
            return [[row[a] for a in kept] for row in grid]

        new = {**scenario, **{name: cut(scenario[name]) for name in BARWISE[:5]}}
        new["actions"] = [{**a, "asset": place[a["asset"]]} for a in scenario["actions"] if a["asset"] in place]
        new.update(terms.of_assets(scenario, place))
        strategy = dict(scenario["strategy"])
        if strategy["kind"] == "orders":
            rows = [{**row, "asset": place[row["asset"]]} for row in strategy["rows"] if row["asset"] in place]
            strategy["rows"] = with_known_ids(rows)
        elif strategy["kind"] in ("weights", "shares"):
            strategy["rows"] = [{**r, "targets": [r["targets"][a] for a in kept]} for r in strategy["rows"]]
        for name in SIGNAL_GRIDS:
            if isinstance(strategy.get(name), list):
                strategy[name] = cut(strategy[name])
        new["strategy"] = strategy
        spread = scenario["config"].get("spread")
        if isinstance(spread, list):
            spread = cut(spread) if isinstance(spread[0], list) else [spread[a] for a in kept]
            new["config"] = {**scenario["config"], "spread": spread}
        yield new


def fewer_rows(scenario):
    """One row or one signal less, or one target left alone."""
    strategy = scenario["strategy"]
    rows = strategy.get("rows", [])
    for start, stop in [*stretches(len(rows)), *([(0, 1)] if len(rows) == 1 else [])]:
        yield {**scenario, "strategy": {**strategy, "rows": with_known_ids(rows[:start] + rows[stop:])}}
    for i, row in enumerate(rows):
        for asset, target in enumerate(row.get("targets", [])):
            if target is not None:
                targets = [None if a == asset else w for a, w in enumerate(row["targets"])]
                yield _with_row(scenario, i, {**row, "targets": targets})
    for name in SIGNAL_GRIDS[:4]:
        for t, flags in enumerate(strategy.get(name, [])):
            for asset, flag in enumerate(flags):
                if flag:
                    grid = [list(line) for line in strategy[name]]
                    grid[t][asset] = False
                    yield {**scenario, "strategy": {**strategy, name: grid}}


def _with_row(scenario, i, row):
    """The scenario with row i of its strategy replaced."""
    rows = list(scenario["strategy"]["rows"])
    rows[i] = row
    return {**scenario, "strategy": {**scenario["strategy"], "rows": rows}}


def fewer_actions(scenario):
    """One corporate action less (a delisting stays: its asset has no bars after it)."""
    actions = scenario["actions"]
    for i, action in enumerate(actions):
        if action["kind"] != "delisting":
            yield {**scenario, "actions": actions[:i] + actions[i + 1 :]}


def fewer_flows(scenario):
    """One flow less."""
    flows = scenario.get("flows", [])
    for i in range(len(flows)):
        yield {**scenario, "flows": flows[:i] + flows[i + 1 :]}


def plainer_config(scenario):
    """One knob back to its default."""
    for name in scenario["config"]:
        yield {**scenario, "config": {key: value for key, value in scenario["config"].items() if key != name}}
    for name in ("min_notional", "min_weight_change", "accumulate"):
        if scenario["strategy"].get(name):
            yield {**scenario, "strategy": {**scenario["strategy"], name: None if name == "min_notional" else 0.0}}


def plainer_rows(scenario):
    """One optional field of an order less."""
    if scenario["strategy"]["kind"] != "orders":
        return
    for i, row in enumerate(scenario["strategy"]["rows"]):
        for name in OPTIONAL:
            if row.get(name) is not None:
                plain = {key: value for key, value in row.items() if key != name}
                if name == "time_in_force":
                    plain.pop("bars", None)
                yield _with_row(scenario, i, plain)


def plainer_bars(scenario):
    """One bar of one asset made flat on its close, or its open and close moved onto each other."""
    for t, closes in enumerate(scenario["close"]):
        for asset, close in enumerate(closes):
            if close is None or scenario["high"][t][asset] == scenario["low"][t][asset]:
                continue
            new = dict(scenario)
            for name in ("open", "high", "low"):
                new[name] = [list(row) for row in scenario[name]]
                new[name][t][asset] = close
            yield new


STEPS = (shorter, fewer_assets, fewer_rows, fewer_actions, fewer_flows, terms.plainer)
STEPS += (plainer_config, plainer_rows, plainer_bars)


def describe(scenario):
    """A counterexample as text: knobs, actions, bars by asset, strategy."""
    moved = {name: value for name, value in scenario["config"].items() if value != DEFAULTS[name]}
    lines = [f"config: {moved}", f"dated: {bool(scenario.get('dated'))}"]
    lines += [f"action: {action}" for action in scenario["actions"]]
    lines += terms.describe(scenario)
    lines += [f"flow: {amount} on bar {bar}" for bar, amount in scenario.get("flows", [])]
    for asset in range(len(scenario["close"][0])):
        lines.append(f"asset {asset}:  bar session open high low close volume")
        for t in range(len(scenario["close"])):
            values = [scenario[name][t][asset] for name in BARWISE[:5]]
            lines.append(f"  {t:2d} {scenario['session'][t]:2d}  " + " ".join(str(v) for v in values))
    strategy = scenario["strategy"]
    lines += [f"{name}: {value}" for name, value in strategy.items() if name != "rows"]
    for row in strategy.get("rows", []):
        given = {name: value for name, value in row.items() if value is not None}
        lines.append(f"row: {given}")
    return "\n".join(lines)
