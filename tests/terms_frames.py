"""The terms of a scenario as the facade takes them, and the kernel's prices a contract in quoted prices again."""

import math

import numpy as np
import polars as pl

KINDS = ("stock", "future", "perpetual")
MARGINS = {
    "initial_margin": "initial",
    "maintenance_margin": "maintenance",
    "short_initial_margin": "short_initial",
    "short_maintenance_margin": "short_maintenance",
}
QUOTED = {  # columns of an outcome that are prices
    "fills": ("price",),
    "trades": ("entry_price", "exit_price", "mfe", "mae"),
    "booked": ("value",),
    "": ("avg", "last"),  # one value an asset
}


def terms_of(scenario, symbol):
    """Keywords of `Panel.from_arrays` for what the scenario gives; symbol(asset): its name."""
    made = {"instruments": instruments_of, "borrow": borrow_of, "funding": funding_of}
    return {name: make(scenario, symbol) for name, make in made.items() if scenario.get(name)}


def null(value):
    """None for NaN."""
    return None if value is None or math.isnan(value) else value


def instruments_of(scenario, symbol):
    """One row an asset."""
    rows = scenario["instruments"]
    columns = {
        "symbol": [symbol(asset) for asset in range(len(rows))],
        "kind": [KINDS[row["kind"]] for row in rows],
        "multiplier": [row["multiplier"] for row in rows],
        "lot": [null(row["lot"]) for row in rows],
        **{theirs: [null(row.get(ours)) for row in rows] for theirs, ours in MARGINS.items()},
        "margin_basis": ["contract" if row["by_contract"] else "value" for row in rows],
    }
    text = dict.fromkeys(("symbol", "kind", "margin_basis"), pl.String)
    return pl.DataFrame(columns, schema={name: text.get(name, pl.Float64) for name in columns})


def days_of(scenario):
    """Session date of each bar, or its number where there are no dates."""
    if scenario.get("dated"):
        return np.array(scenario["session"], dtype="datetime64[D]").tolist()
    return list(range(len(scenario["session"])))


def time_type(scenario):
    """Dates, or numbers of bars."""
    return pl.Date if scenario.get("dated") else pl.Int64


def borrow_of(scenario, symbol):
    """Rows by the date of their bar, which is the first one of its session."""
    rows, days = scenario["borrow"], days_of(scenario)
    return pl.DataFrame(
        {
            "symbol": [symbol(row["asset"]) for row in rows],
            "timestamp": [days[row["bar"]] for row in rows],
            "available": [None if math.isinf(row["available"]) else row["available"] for row in rows],
            "fee": [null(row["fee"]) for row in rows],
        },
        schema={"symbol": pl.String, "timestamp": time_type(scenario), "available": pl.Float64, "fee": pl.Float64},
    )


def funding_of(scenario, symbol):
    """Rows timed after the bar before: its number, or its date and the days that follow, one each."""
    seen, times = {}, []
    for row in scenario["funding"]:
        key = row["asset"], row["bar"]
        seen[key] = seen.get(key, -1) + 1
        times.append(time_before(scenario, row["bar"], seen[key]))
    return pl.DataFrame(
        {
            "timestamp": times,
            "symbol": [symbol(row["asset"]) for row in scenario["funding"]],
            "rate": [row["rate"] for row in scenario["funding"]],
        },
        schema={"timestamp": time_type(scenario), "symbol": pl.String, "rate": pl.Float64},
    )


def time_before(scenario, bar, number):
    """The time of the row with that number, from 0 on, among those of a bar."""
    if not scenario.get("dated"):
        assert number == 0, "between two numbers of bars there is no time"
        return bar - 1
    before, day = scenario["session"][bar - 1 : bar + 1]
    assert before + number < day, "a date is the end of its session"
    return np.datetime64(before + number, "D").item()


def in_quoted_prices(outcome, multipliers):
    """The outcome with its prices a contract divided by the multiplier of their asset; money stays."""
    found = dict(outcome)
    for name in ("fills", "trades", "booked"):
        table = found[name] = dict(outcome[name])
        for column in QUOTED[name]:
            pairs = zip(table[column], table["asset"], strict=True)
            table[column] = [price / multipliers[asset] for price, asset in pairs]
    for name in QUOTED[""]:
        found[name] = [price / multiplier for price, multiplier in zip(outcome[name], multipliers, strict=True)]
    return found
