"""From a frame of orders to the kernel's table of order intents: everything that needs no panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from facade.errors import StrategyError
from facade.foreign_names import hint
from facade.strategies.frames import (
    require_columns,
    require_symbols,
    require_timestamps,
)
from facade.strategies.order_checks import RULE_COLUMNS, check_orders, check_references
from facade.strategies.order_columns import WHAT, OrderColumns
from facade.strategies.reading import read_named_frame
from ml4t_kernel.schema import INTENT, MOST_BARS, RULES, IntentAction, Kind, TimeInForce

KINDS = {kind.name.lower(): int(kind) for kind in Kind}
KIND_ALIASES = {"moo": TimeInForce.AT_OPEN, "moc": TimeInForce.AT_CLOSE}
TIMES = {time.name.lower(): int(time) for time in TimeInForce}
ACTIONS = {action.name.lower(): int(action) for action in IntentAction}
COLUMNS = (
    "timestamp",
    "symbol",
    "quantity",
    "type",
    "limit_price",
    "stop_price",
    "trail_amount",
    "time_in_force",
    "bars",
    "action",
    "id",
    "parent",
    "group",
    "reduce_only",
    "rank",
    "tag",
    *RULE_COLUMNS,
)


@dataclass(frozen=True, eq=False)
class OrderTable:
    """Parsed orders, sorted by time, then as submitted; row numbers refer to this order.

    intents: (I,) INTENT with bar and asset not yet known (-1), rules a row of `rules`; rules: (>=1,) RULES, row 0 all
    NaN; stamps, symbols, ids, tags: (I,) Series; rows: (I,) int64 row in the user's frame.
    """

    intents: np.ndarray
    rules: np.ndarray
    stamps: pl.Series
    symbols: pl.Series
    ids: pl.Series
    tags: pl.Series
    rows: np.ndarray
    ranked: bool

    def kept(self, keep: np.ndarray) -> OrderTable:
        """The orders where `keep`, (I,) bool: whole brackets, and orders with all that changes them, or none of it."""
        number = np.full(len(keep) + 1, -1, np.int32)  # the last entry is that of "none", which is -1
        number[:-1][keep] = np.arange(np.count_nonzero(keep))
        intents = self.intents[keep]
        for name in ("target", "parent", "first_child", "next_sibling"):
            intents[name] = number[intents[name]]
        intents.flags.writeable = False
        mask = pl.Series(keep)
        labels = {name: getattr(self, name).filter(mask) for name in ("stamps", "symbols", "ids", "tags")}
        return OrderTable(intents=intents, rules=self.rules, rows=self.rows[keep], ranked=self.ranked, **labels)


def _checked_frame(source: Any) -> pl.DataFrame:
    frame = read_named_frame(source, WHAT, COLUMNS, long=True)
    require_columns(frame, ("timestamp", "symbol"), WHAT)
    for name in frame.columns:
        if name not in COLUMNS:
            raise StrategyError(f"{WHAT}: column {name!r} is not known{hint(name, COLUMNS)}")
    require_timestamps(frame["timestamp"], WHAT)
    if frame["symbol"].dtype != pl.Null:
        require_symbols(frame["symbol"], WHAT)
    return frame


def _kinds_and_times(columns: OrderColumns) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """kind, time_in_force (uint8), and where each was given; MOO and MOC resolved."""
    codes = KINDS | {name: 100 + int(time) for name, time in KIND_ALIASES.items()}
    kind, kind_given = columns.code("type", codes, int(Kind.MARKET))
    times, times_given = columns.code("time_in_force", TIMES, int(TimeInForce.GTC))
    alias = kind >= 100
    if alias.any():
        implied = np.where(alias, kind - 100, times).astype(np.uint8)
        columns.fail_where(alias & times_given & (implied != times), "time_in_force", "contradicts the order type")
        times, times_given = implied, times_given | alias
        kind = np.where(alias, int(Kind.MARKET), kind).astype(np.uint8)
    return kind, kind_given, times, times_given


def _fill_intents(columns: OrderColumns) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(I,) INTENT of the columns themselves, and where the codes were given."""
    intents = np.zeros(columns.frame.height, INTENT)
    for field in ("bar", "asset", "target", "parent", "first_child", "next_sibling", "group"):
        intents[field] = -1
    intents["quantity"] = columns.number("quantity")
    intents["limit"] = columns.number("limit_price")
    intents["stop"] = columns.number("stop_price")
    intents["trail"] = columns.number("trail_amount")
    intents["rank"] = columns.number("rank")
    bars = columns.number("bars")
    columns.fail_where(~np.isnan(bars) & ~((bars >= 1) & (bars == np.floor(bars)) & (bars <= MOST_BARS)), "bars",
                       f"must be an integer 1 <= n <= {MOST_BARS:,}")  # fmt: skip
    intents["bars"] = np.nan_to_num(bars)
    kind, kind_given, times, times_given = _kinds_and_times(columns)
    intents["kind"], intents["time_in_force"] = kind, times
    intents["action"], _ = columns.code("action", ACTIONS, int(IntentAction.SUBMIT))
    intents["reduce_only"] = columns.flag("reduce_only")
    return intents, {"type": kind_given, "time_in_force": times_given, "rank": ~np.isnan(intents["rank"])}


def _rule_rows(columns: OrderColumns, intents: np.ndarray) -> np.ndarray:
    """Sets intents["rules"] in place; (>=1,) RULES, row 0 all NaN."""
    given = [name for name in RULE_COLUMNS if name in columns.frame.columns]
    values = {name: columns.number(name) for name in given}
    carrying = np.zeros(len(intents), bool)
    for column in values.values():
        carrying |= ~np.isnan(column)
    rows = np.flatnonzero(carrying)
    rules = np.zeros(len(rows) + 1, RULES)
    for field in RULES.names or ():
        rules[field] = np.nan
    for name, column in values.items():
        rules[name][1:] = column[rows]
    intents["rules"][rows] = np.arange(1, len(rows) + 1)
    return rules


def _rows_of(labels: pl.Series, submitted: pl.DataFrame) -> np.ndarray:
    """Row of the submission each label refers to; -1 where there is none."""
    if labels.null_count() == len(labels):
        return np.full(len(labels), -1, np.int32)
    found = labels.rename("id").to_frame().join(submitted, on="id", how="left", maintain_order="left")["row"]
    return found.fill_null(-1).cast(pl.Int32).to_numpy()


def _link_children(intents: np.ndarray) -> None:
    """first_child and next_sibling from parent, in row order."""
    children = np.flatnonzero(intents["parent"] >= 0)
    if not len(children):
        return
    parents = intents["parent"][children]
    order = np.argsort(parents, kind="stable")
    children, parents = children[order], parents[order]
    same = parents[1:] == parents[:-1]
    first = np.concatenate(([True], ~same))
    intents["first_child"][parents[first]] = children[first]
    intents["next_sibling"][children[:-1][same]] = children[1:][same]
    intents["reduce_only"][children] = 1


def _link(columns: OrderColumns, intents: np.ndarray, given: dict[str, np.ndarray]) -> None:
    """References by label become row numbers, in place; whatever refers to nothing is an error."""
    ids, parents, groups = columns.text("id"), columns.text("parent"), columns.text("group")
    submits = intents["action"] == int(IntentAction.SUBMIT)
    named = submits & ids.is_not_null().to_numpy()
    submitted = pl.DataFrame({"id": ids.filter(named), "row": np.flatnonzero(named).astype(np.int32)})
    if submitted["id"].n_unique() != submitted.height:
        again = submitted.filter(~pl.col("id").is_first_distinct())["row"].to_numpy()
        columns.fail_where(np.isin(np.arange(len(intents)), again), "id", "is the id of an earlier order")
    intents["parent"] = np.where(submits, _rows_of(parents, submitted), -1)
    intents["target"] = np.where(submits, -1, _rows_of(ids, submitted))
    if groups.null_count() != len(groups):
        intents["group"] = groups.rank("dense").cast(pl.Int32).fill_null(0).to_numpy() - 1
    check_references(columns, intents, given)
    changes = np.flatnonzero(~submits)
    for field in ("kind", "time_in_force"):
        intents[field][changes] = intents[field][intents["target"][changes]]
    _link_children(intents)


def parse_orders(source: Any) -> OrderTable:
    """The table of a frame of orders; every error names row, symbol, date, column, value and rule."""
    columns = OrderColumns(_checked_frame(source))
    intents, given = _fill_intents(columns)
    rules = _rule_rows(columns, intents)
    check_orders(columns, intents, rules)
    _link(columns, intents, given)
    symbols = columns.frame["symbol"].cast(pl.String)
    changed = np.flatnonzero(intents["target"] >= 0)
    if len(changed):
        source_rows = np.arange(len(intents))
        source_rows[changed] = intents["target"][changed]
        symbols = symbols[source_rows]
    for rows in (intents, rules):
        rows.flags.writeable = False
    return OrderTable(
        intents,
        rules,
        columns.frame["timestamp"],
        symbols,
        columns.text("id"),
        columns.text("tag"),
        columns.rows,
        bool(given["rank"].any()),
    )
