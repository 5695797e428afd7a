"""One run written by hand through two judges: the facade with the kernel, and the reference engine."""

from typing import Any, NamedTuple

import numpy as np

from contract import by_hand
from facade import Signals, TargetWeights
from reference import enums
from reference import run as reference_run

PRICES = ("open", "high", "low", "close", "volume")
STATES = ("decided", "live", "filled", "cancelled", "rejected", "expired", "replaced")
REASONS = {value: name.lower() for name, value in vars(enums.Reason).items() if name.isupper()}
AMBIGUOUS = ("two_sided", "entry_bar", "trail")
CHARGES = ("borrow", "interest", "flow", "funding")
EVENTS = ("margin_call", "bankrupt", "flow_refused", "recall")


class Told(NamedTuple):
    """What a run wrote, the same words for both judges."""

    judge: str
    fills: list  # (bar, signed shares, price)
    ends: list  # (status, reason, filled shares) by submission
    end_bars: list  # None while the order works
    ambiguous: list  # (bar, kind)
    equity: list
    cash: list
    charges: list  # (bar, symbol or None, kind, amount)
    returns: list  # net of flows, None where there is none
    events: list  # (bar, kind, symbol or None, quantity, value, limit), None for what is not named
    margin: list  # (initial, maintenance) by bar, on margin
    result: Any  # of the facade, None for the reference


def told(prices, strategy, actions=(), sessions=None, flows=(), **config):
    """The run through the kernel and through the reference engine, as a list of two `Told`."""
    result = by_hand.play(prices, kernel_strategy(strategy), actions, sessions, flows, **config)
    ours = Told(
        "kernel",
        by_hand.fills(result),
        by_hand.ends(result),
        result.orders["end_timestamp"].to_list(),
        by_hand.ambiguous(result),
        result.equity["equity"].to_list(),
        result.equity["cash"].to_list(),
        by_hand.charges(result),
        result.equity["return"].to_list(),
        by_hand.events(result),
        by_hand.margin(result),
        result,
    )
    plain = scenario(prices, strategy, actions, sessions, config)
    return [ours, reference_told({**plain, "flows": list(flows)}, symbols_of(prices))]


def kernel_strategy(strategy):
    """Order rows as they are; signals and weights as the facade takes them."""
    if isinstance(strategy, list):
        return strategy
    if strategy["kind"] == "weights":
        table = [row["targets"] for row in strategy["rows"]]
        return TargetWeights.from_array(np.array(table, dtype=np.float64))
    flags = {name: np.array(strategy[name]) for name in ("entries", "exits", "short_entries", "short_exits")}
    return Signals.from_arrays(**flags, size=np.array(strategy["size"], dtype=float), size_type=strategy["size_type"])


def scenario(prices, strategy, actions, sessions, config):
    """The plain data that the reference engine reads."""
    symbols = symbols_of(prices)
    assets = list(prices.values()) if isinstance(prices, dict) else [prices]
    bars = [[by_hand._bar(bar) for bar in row] for row in zip(*assets, strict=True)]
    columns = {
        name: [[None if bar[i] != bar[i] else bar[i] for bar in row] for row in bars] for i, name in enumerate(PRICES)
    }
    dated = by_hand.is_dated(sessions)
    numbers = range(len(bars)) if sessions is None else sessions
    return {
        **columns,
        "session": [day.toordinal() for day in sessions] if dated else list(numbers),
        "dated": dated,
        "actions": [
            {"bar": bar, "asset": symbols.index(symbol), "kind": kind, "value": value}
            for bar, symbol, kind, value in actions
        ],
        "config": config,
        "strategy": order_rows(strategy, symbols) if isinstance(strategy, list) else strategy,
    }


def symbols_of(prices):
    """Names of the assets in the order of their numbers."""
    return list(prices) if isinstance(prices, dict) else ["A"]


def order_rows(rows, symbols):
    """A strategy of rows of `by_hand.order`; a change names the type of the order it changes."""
    types, found = {}, []
    for row in rows:
        kind = row.get("type") or types.get(row.get("id"), "market")
        if "id" in row:
            types.setdefault(row["id"], kind)
        plain = {name: value for name, value in row.items() if name not in ("timestamp", "symbol", "type")}
        found.append({"bar": row["timestamp"], "asset": symbols.index(row["symbol"]), "type": kind, **plain})
    return {"kind": "orders", "rows": found}


def reference_told(plain, symbols):
    """The reference's outcome in the words of the facade."""
    out = reference_run(plain)
    return Told(
        "reference",
        [(f["bar"], round(f["quantity"], 9), round(f["price"], 9)) for f in out["fills"]],
        [_end(row) for row in out["orders"]],
        [None if row["end_bar"] < 0 else row["end_bar"] for row in out["orders"]],
        sorted((bar, AMBIGUOUS[kind]) for bar, _, kind in out["ambiguous"]),
        out["equity"],
        out["cash"],
        [_charge(row, symbols) for row in out["charges"]],
        out["returns"],
        [_event(row, symbols) for row in out["events"]],
        [tuple(round(amount, 9) for amount in row) for row in out["margin"]],
        None,
    )


def _event(row, symbols):
    symbol = None if row["asset"] is None else symbols[row["asset"]]
    amounts = [None if row[name] is None else round(row[name], 9) for name in ("quantity", "value", "limit")]
    return by_hand.event(row["bar"], EVENTS[row["kind"]], symbol, *amounts)


def _charge(row, symbols):
    symbol = None if row["asset"] < 0 else symbols[row["asset"]]
    return (row["bar"], symbol, CHARGES[row["kind"]], round(row["amount"], 9))


def _end(row):
    works = row["end_bar"] < 0
    reason = None if works or row["reason"] == enums.Reason.NONE else REASONS[row["reason"]]
    return (STATES[row["status"]], reason, round(abs(row["filled"]), 9))
