"""From a frame of orders to the kernel's table of order intents: everything that needs no panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import polars as pl

from facade.errors import StrategyError
from facade.strategies.frames import (
    TEXT,
    did_you_mean,
    float_values,
    further,
    require_columns,
    require_symbols,
    require_timestamps,
)
from facade.strategies.order_checks import check_orders, check_references
from facade.strategies.reading import read_named_frame
from ml4t_kernel.schema import INTENT, RULES, IntentAction, Kind, TimeInForce

WHAT = "Orders"
KINDS = {kind.name.lower(): int(kind) for kind in Kind}
KIND_ALIASES = {"moo": TimeInForce.AT_OPEN, "moc": TimeInForce.AT_CLOSE}
TIMES = {time.name.lower(): int(time) for time in TimeInForce}
ACTIONS = {action.name.lower(): int(action) for action in IntentAction}
RULE_COLUMNS = {
    "stop_loss": "stop_loss",
    "take_profit": "take_profit",
    "trailing_stop": "trailing_stop",
    "trail_activation": "trail_activation",
    "break_even": "break_even",
    "time_exit": "time_exit",
    "stop_loss_price": "stop_price",
    "take_profit_price": "target_price",
}
"""Column of the frame -> field of RULES."""
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


class OrderColumns:
    """The columns of a frame of orders in time order, defaults for those missing, and the error that names a cell."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.rows = np.arange(frame.height)
        if not frame["timestamp"].is_sorted():
            self.rows = np.argsort(frame["timestamp"].to_physical().to_numpy(), kind="stable")
            frame = frame[self.rows]
        self.frame = frame

    def number(self, name: str) -> np.ndarray:
        """(I,) float64, NaN where not given."""
        if name not in self.frame.columns:
            return np.full(self.frame.height, np.nan)
        return float_values(self.frame[name], WHAT)

    def text(self, name: str) -> pl.Series:
        """(I,) String, null where not given; integers are taken as labels."""
        if name not in self.frame.columns:
            return pl.Series(name, [None], pl.String).new_from_index(0, self.frame.height)
        column = self.frame[name]
        labels = name in ("id", "parent", "group", "tag") and column.dtype.is_integer()
        if not (labels or isinstance(column.dtype, TEXT) or column.dtype == pl.Null):
            raise StrategyError(f"{WHAT}: column {name!r} must be text, got {column.dtype}")
        return column.cast(pl.String)

    def flag(self, name: str) -> np.ndarray:
        """(I,) bool, False where not given."""
        if name not in self.frame.columns:
            return np.zeros(self.frame.height, bool)
        column = self.frame[name]
        if column.dtype not in (pl.Boolean, pl.Null):
            raise StrategyError(f"{WHAT}: column {name!r} must be boolean, got {column.dtype}")
        return column.cast(pl.Boolean).fill_null(False).to_numpy()

    def code(self, name: str, codes: dict[str, int], default: int) -> tuple[np.ndarray, np.ndarray]:
        """(I,) uint8 codes of a column of names in any case, and where it was given."""
        given = self.text(name)
        if given.null_count() == len(given):
            return np.full(len(given), default, np.uint8), np.zeros(len(given), bool)
        plain = given.str.to_lowercase().str.replace_all("[- ]", "_")
        coded = plain.replace_strict(codes, default=None, return_dtype=pl.UInt8)
        present = given.is_not_null()
        self.fail_where((coded.is_null() & present).to_numpy(), name, f"is not one of {', '.join(codes)}")
        return coded.fill_null(default).to_numpy(), present.to_numpy()

    def fail_where(self, wrong: np.ndarray, column: str, rule: str) -> None:
        """Refuse the first row where `wrong`; its row, symbol, date, column, value and rule are in the error."""
        if wrong.any():
            self._refuse(wrong, column, rule)

    def _refuse(self, wrong: np.ndarray, column: str, rule: str) -> NoReturn:
        at = int(wrong.argmax())
        value = self.frame[column][at] if column in self.frame.columns else None
        raise StrategyError(
            f"{WHAT}: row {self.rows[at]} ({self.frame['symbol'][at]}, {self.frame['timestamp'][at]}), "
            f"column {column!r}, value {value!r}: {rule}{further(int(wrong.sum()))}"
        )


def _checked_frame(source: Any) -> pl.DataFrame:
    frame = read_named_frame(source, WHAT, COLUMNS, long=True)
    require_columns(frame, ("timestamp", "symbol"), WHAT)
    for name in frame.columns:
        if name not in COLUMNS:
            raise StrategyError(f"{WHAT}: column {name!r} is not known{did_you_mean(name, COLUMNS)}")
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
    columns.fail_where(~np.isnan(bars) & ~((bars >= 1) & (bars == np.floor(bars)) & (bars < 2**31)), "bars",
                       f"must be an integer 1 <= n <= {2**31 - 1:,}")  # fmt: skip
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
        rules[RULE_COLUMNS[name]][1:] = column[rows]
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
