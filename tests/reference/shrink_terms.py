"""The terms of a scenario made smaller: what can be borrowed, funding and instruments."""

import math

from .enums import PERPETUAL
from .instruments import PLAIN

TABLES = ("borrow", "funding")


def size(scenario):
    """How many rows and fields there are to read."""
    rows = sum(len(scenario.get(name, [])) for name in TABLES)
    return rows + sum(len(moved(row)) for row in scenario.get("instruments") or [])


def moved(row):
    """Fields of an instrument that are not those of a plain stock."""
    return {name: value for name, value in row.items() if value != PLAIN.get(name, math.nan) and value == value}


def of_bars(scenario, place):
    """Tables on some of the bars; place: new number of each bar that is kept."""
    return {
        name: [{**row, "bar": place[row["bar"]]} for row in scenario[name] if row["bar"] in place]
        for name in TABLES
        if name in scenario
    }


def of_assets(scenario, place):
    """Tables and instruments of some of the assets; place: new number of each asset that is kept."""
    found = {
        name: [{**row, "asset": place[row["asset"]]} for row in scenario[name] if row["asset"] in place]
        for name in TABLES
        if name in scenario
    }
    if scenario.get("instruments"):
        found["instruments"] = [row for asset, row in enumerate(scenario["instruments"]) if asset in place]
    return found


def plainer(scenario):
    """One table or row less, or one field of an instrument back to that of a plain stock."""
    for name in (*TABLES, "instruments"):
        if name in scenario and (name != "instruments" or not scenario.get("funding")):
            yield {key: value for key, value in scenario.items() if key != name}
    for name in TABLES:
        rows = scenario.get(name, [])
        for i in range(len(rows)):
            yield {**scenario, name: rows[:i] + rows[i + 1 :]}
    instruments = scenario.get("instruments") or []
    for asset, row in enumerate(instruments):
        for name in moved(row):
            plain = {**row, name: PLAIN.get(name, math.nan)}
            if name == "kind":
                plain["multiplier"] = 1.0
            new = {**scenario, "instruments": [*instruments[:asset], plain, *instruments[asset + 1 :]]}
            kinds = [instrument["kind"] for instrument in new["instruments"]]
            new["funding"] = [row for row in scenario.get("funding", []) if kinds[row["asset"]] == PERPETUAL]
            yield new


def describe(scenario):
    """The terms as lines of text."""
    lines = [f"instrument {asset}: {moved(row)}" for asset, row in enumerate(scenario.get("instruments") or [])]
    return lines + [f"{name}: {row}" for name in TABLES for row in scenario.get(name, [])]
