"""Corporate actions: from frames to rows of the kernel, and prices adjusted by them (contract clauses 1.1 and 1.4)."""

import math
import warnings
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import Clock, bar_dates
from facade.data.dated import session_days
from facade.data.names import ACTIONS, find
from facade.data.sources import collect, open_source, schema_of
from facade.errors import DataError, DataWarning, describe, listing
from ml4t_kernel.schema import ACTION, ActionKind

KINDS = {"split": ActionKind.SPLIT, "dividend": ActionKind.DIVIDEND, "delisting": ActionKind.DELISTING}
_LONG = ("symbol", "ex_date", "kind", "value")
# Splits at least this large, either way, leave a jump in raw prices that no ordinary day hides.
_LARGE_SPLIT = 1.5


class Actions(NamedTuple):
    """frame: symbol, ex_date, kind, value of what is in force; rows: (E,) ACTION; counts of those outside the panel."""

    frame: pl.DataFrame
    rows: np.ndarray
    before: int = 0
    after: int = 0


def read_actions(source: Any, clock: Clock, symbols: tuple[str, ...], close: np.ndarray, selection: bool) -> Actions:
    """Actions of a source, checked against the panel and mapped to its bars.

    `source` is None or anything that prices can be, in long form (symbol, ex_date, kind, value) or wide form
    (timestamp, symbol, split_ratio, dividend), names in any case and as yfinance has them. close: (T, A). With
    `selection`, actions of symbols outside the panel are left out, because the caller selected symbols; otherwise they
    are an error. Actions before the first session or after the last are dropped and counted: they cannot meet a
    position.
    """
    if source is None:
        return Actions(_empty(clock), np.zeros(0, dtype=ACTION))
    frame = _to_long(source, clock, symbols)
    if selection:
        frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
    _check_rows(frame)
    frame = frame.sort("ex_date", "symbol", pl.col("kind").replace_strict({kind: int(KINDS[kind]) for kind in KINDS}))
    _refuse_bars_after_delisting(frame, clock, symbols, close)
    dates = bar_dates(clock.sessions, clock.session_dates)
    ex_dates = frame["ex_date"].to_physical().cast(pl.Int64).to_numpy()
    before, after = ex_dates < dates[0], ex_dates > dates[-1]
    frame = frame.filter(pl.Series(~(before | after)))
    unknown = frame.filter(~pl.col("symbol").is_in(list(symbols)))
    if len(unknown):
        names = listing(unknown["symbol"].unique(maintain_order=True))
        raise DataError(f"actions name symbols that the prices do not have: {names}")
    return Actions(frame, action_rows(frame, clock, symbols), int(before.sum()), int(after.sum()))


def action_rows(frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...]) -> np.ndarray:
    """(E,) ACTION sorted by bar, ex-date, asset, kind; bar: the first whose session date is at or after the ex-date."""
    place = {name: number for number, name in enumerate(symbols)}
    ex_dates = frame["ex_date"].to_physical().cast(pl.Int64).to_numpy()
    rows = np.zeros(len(frame), dtype=ACTION)
    rows["bar"] = np.searchsorted(bar_dates(clock.sessions, clock.session_dates), ex_dates)
    rows["asset"] = [place[name] for name in frame["symbol"]]
    rows["kind"] = [int(KINDS[name]) for name in frame["kind"]]
    rows["value"] = frame["value"].to_numpy()
    return rows[np.lexsort((rows["kind"], rows["asset"], ex_dates, rows["bar"]))]


def infer_delistings(
    actions: Actions, clock: Clock, symbols: tuple[str, ...], close: np.ndarray
) -> tuple[Actions, tuple[str, ...]]:
    """Add a delisting on the first session after the last bar of each symbol that stops before the panel does.

    This reads the end of the series, which the kernel never does; the panel remembers the symbols.
    """
    declared = set(actions.frame.filter(pl.col("kind") == "delisting")["symbol"])
    present = ~np.isnan(close)
    last_bars = len(close) - 1 - np.argmax(present[::-1], axis=0)
    found: dict[str, int] = {}
    for asset in np.flatnonzero(present.any(axis=0)):
        session = int(clock.sessions[last_bars[asset]]) + 1
        if session < len(clock.session_dates) and symbols[asset] not in declared:
            found[symbols[asset]] = session
    if not found:
        return actions, ()
    added = pl.DataFrame(
        {
            "symbol": list(found),
            "ex_date": clock.session_dates.gather(list(found.values())),
            "kind": ["delisting"] * len(found),
            "value": [None] * len(found),
        },
        schema=actions.frame.schema,
    )
    frame = pl.concat([actions.frame, added]).sort("ex_date", "symbol", maintain_order=True)
    rows = action_rows(frame, clock, symbols)
    return actions._replace(frame=frame, rows=rows), tuple(found)


def declared(frame: pl.DataFrame, inferred: Iterable[str], symbols: tuple[str, ...] | None) -> pl.DataFrame:
    """Actions of the symbols (None: all) without the delistings that were inferred."""
    if symbols is not None:
        frame = frame.filter(pl.col("symbol").is_in(list(symbols)))
    if inferred:
        frame = frame.filter((pl.col("kind") != "delisting") | ~pl.col("symbol").is_in(list(inferred)))
    return frame


def guard_against_adjusted(
    rows: np.ndarray, open_: np.ndarray, close: np.ndarray, clock: Clock, symbols: tuple[str, ...]
) -> None:
    """Refuse prices that look split-adjusted already, which declared splits would adjust twice (clause 1.1).

    With r the splits between the last close C before and the first open O at or after the action: refused for r >= 1.5
    or r <= 1/1.5 when |ln(O r / C)| > |ln(O / C)|; smaller ratios warn.
    """
    ratios: dict[tuple[int, int], float] = {}
    for row in rows[rows["kind"] == ActionKind.SPLIT]:
        bar, asset = int(row["bar"]), int(row["asset"])
        present = ~np.isnan(close[:, asset])
        later = int(np.argmax(present[bar:])) + bar
        if present[later]:
            ratios[later, asset] = ratios.get((later, asset), 1.0) * float(row["value"])
    suspects = []
    for (bar, asset), ratio in ratios.items():
        before = close[:bar, asset]
        before = before[~np.isnan(before)]
        first = float(open_[bar, asset])
        if len(before) and abs(math.log(first * ratio / before[-1])) > abs(math.log(first / before[-1])) + 1e-12:
            suspects.append((bar, asset, ratio, first, float(before[-1])))
    large = [s for s in suspects if s[2] >= _LARGE_SPLIT or s[2] <= 1 / _LARGE_SPLIT]
    small = [s for s in suspects if s not in large]
    if large:
        raise DataError(_already_adjusted(large, clock, symbols))
    if small:
        warnings.warn(_already_adjusted(small, clock, symbols), DataWarning, stacklevel=4)


def _already_adjusted(
    suspects: list[tuple[int, int, float, float, float]], clock: Clock, symbols: tuple[str, ...]
) -> str:
    bar, asset, ratio, first, before = suspects[0]
    return describe(
        "prices look split-adjusted already, but a split is declared",
        symbol=symbols[asset],
        date=clock.session_dates[int(clock.sessions[bar])],
        column="open",
        value=f"{first} after a close of {before:g}, split {ratio:g} for 1",
        more=len(suspects) - 1,
        hint="Give raw prices with their splits, or adjusted prices without.",
    )


def adjust(
    values: np.ndarray, close: np.ndarray, rows: np.ndarray, dividends: bool = False, volume: bool = False
) -> np.ndarray:
    """(T, A) prices times the splits up to each bar (volume: divided by them), each bar in terms of the first.

    With `dividends`, each cash dividend is reinvested at the close of the first bar at or after its ex-date; on that
    bar it is part of the price, (x + d), so that every return is price plus dividend over the price before. Nothing
    after a bar enters its value.
    """
    adjusted = values.copy()
    for asset in np.unique(rows["asset"]):
        scale, cash, begin = 1.0, 0.0, 0
        for row in rows[rows["asset"] == asset]:
            bar, kind = int(row["bar"]), int(row["kind"])
            if bar > begin:
                scale, cash = _write(adjusted[:, asset], close[:, asset], begin, bar, scale, cash, volume)
                begin = bar
            if kind == ActionKind.SPLIT:
                scale *= float(row["value"])
            elif kind == ActionKind.DIVIDEND and dividends and not volume:
                cash += scale * float(row["value"])
        _write(adjusted[:, asset], close[:, asset], begin, len(values), scale, cash, volume)
    return adjusted


def _write(
    column: np.ndarray, close: np.ndarray, begin: int, end: int, scale: float, cash: float, volume: bool
) -> tuple[float, float]:
    """Adjust bars [begin, end) in place; cash not yet reinvested joins at the first close. Scale and cash at `end`."""
    if volume:
        column[begin:end] /= scale
        return scale, cash
    if cash:
        present = np.flatnonzero(~np.isnan(close[begin:end]))
        if not len(present):
            column[begin:end] = column[begin:end] * scale + cash
            return scale, cash
        first = begin + int(present[0])
        column[begin : first + 1] = column[begin : first + 1] * scale + cash
        scale, cash, begin = scale + cash / float(close[first]), 0.0, first + 1
    column[begin:end] *= scale
    return scale, cash


def _empty(clock: Clock) -> pl.DataFrame:
    dates = pl.Date if clock.session_dates.dtype == pl.Date else pl.Int64
    return pl.DataFrame(schema={"symbol": pl.String, "ex_date": dates, "kind": pl.String, "value": pl.Float64})


def _to_long(source: Any, clock: Clock, symbols: tuple[str, ...]) -> pl.DataFrame:
    """Rows symbol, ex_date, kind, value. Without a column of symbols they are of the only symbol of the panel."""
    lazy, _ = open_source(source, "actions", by_file=len(symbols) != 1)
    schema = schema_of(lazy, "actions")
    found = {ours: find(names, schema, "actions") for ours, names in ACTIONS.items()}
    if found["symbol"] is None and len(symbols) == 1:
        lazy, found["symbol"] = lazy.with_columns(pl.lit(symbols[0]).alias("symbol")), "symbol"
    wide = [name for name in ("split_ratio", "dividend") if found[name] is not None]
    long = found["kind"] is not None and found["value"] is not None
    if found["symbol"] is None or found["ex_date"] is None or not (wide or long) or (wide and long):
        raise DataError(
            f"actions need the columns {', '.join(_LONG)}, or timestamp, symbol, split_ratio, dividend; "
            f"got {listing(schema, 12)}"
        )
    values = ["value"] if long else wide
    wanted = ["symbol", "ex_date", *(["kind"] if long else []), *values]
    frame = collect(lazy.select(pl.col(str(found[name])).alias(name) for name in wanted), "actions")
    frame = frame.with_columns(session_days(frame["ex_date"], clock, "actions"))
    for name in values:
        if not frame[name].dtype.is_numeric() and frame[name].dtype != pl.Null:
            raise DataError(
                describe("actions must have a numeric column", column=name, value=f"of type {frame[name].dtype}")
            )
    text = [pl.col("symbol").cast(pl.String), pl.col("ex_date")]
    if long:
        return frame.select(*text, pl.col("kind").cast(pl.String), pl.col("value").cast(pl.Float64))
    # A wide row says "nothing" with null, NaN or zero; and with 1 for a split.
    parts = []
    for name, kind in (("split_ratio", "split"), ("dividend", "dividend")):
        if name in wide:
            value = pl.col(name).cast(pl.Float64).fill_nan(None).alias("value")
            part = frame.select(*text, pl.lit(kind).alias("kind"), value).filter(pl.col("value") != 0.0)
            parts.append(part.filter(pl.col("value") != 1.0) if kind == "split" else part)
    return pl.concat(parts)


def _check_rows(frame: pl.DataFrame) -> None:
    """Keys not null, kinds known, values positive, no duplicates."""
    for name in ("symbol", "ex_date", "kind"):
        _refuse_where(frame, pl.col(name).is_null(), f"{name} of an action must not be null", name)
    _refuse_where(frame, ~pl.col("kind").is_in(list(KINDS)), f"kind must be one of {', '.join(KINDS)}", "kind")
    value = pl.col("value")
    usable = value.is_not_null() & value.is_finite() & (value > 0)
    for kind in ("split", "dividend"):
        _refuse_where(
            frame, (pl.col("kind") == kind) & ~usable, f"value of a {kind} must be positive and finite", "value"
        )
    odd = value.is_not_null() & ~value.is_nan() & ((value < 0) | value.is_infinite())
    rule = "recovery price of a delisting must be null, or at least 0 and finite"
    _refuse_where(frame, (pl.col("kind") == "delisting") & odd, rule, "value")
    repeated = ~pl.struct("symbol", "ex_date", "kind").is_first_distinct()
    hint = "Add up the dividends, or multiply the splits, of one day."
    _refuse_where(frame, repeated, "an action must be unique in (symbol, ex_date, kind)", "kind", hint)
    several = (pl.col("kind") == "delisting") & ~pl.struct("symbol", "kind").is_first_distinct()
    _refuse_where(frame, several, "a symbol is delisted once", "kind")


def _refuse_where(frame: pl.DataFrame, offends: pl.Expr, rule: str, column: str, hint: str = "") -> None:
    bad = frame.filter(offends)
    if len(bad):
        row = bad.row(0, named=True)
        value = "null" if row[column] is None else row[column]
        where = {"symbol": row["symbol"], "date": row["ex_date"], "column": column, "value": value}
        raise DataError(describe(f"actions: {rule}", **where, more=len(bad) - 1, hint=hint))


def _refuse_bars_after_delisting(
    frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...], close: np.ndarray
) -> None:
    dates = bar_dates(clock.sessions, clock.session_dates)
    place = {name: number for number, name in enumerate(symbols)}
    delistings = frame.filter(pl.col("kind") == "delisting")
    days = delistings["ex_date"].to_physical().cast(pl.Int64).to_numpy()
    for symbol, day in zip(delistings["symbol"], days, strict=True):
        if symbol not in place:
            continue
        begin = int(np.searchsorted(dates, day))
        bars = np.flatnonzero(~np.isnan(close[begin:, place[symbol]]))
        if len(bars):
            bar = begin + int(bars[0])
            rule = "a symbol must have no bar at or after its delisting"
            where: dict[str, Any] = {"symbol": symbol, "date": _label(clock, bar), "column": "close"}
            raise DataError(describe(rule, **where, value=float(close[bar, place[symbol]]), more=len(bars) - 1))


def _label(clock: Clock, bar: int) -> str | datetime:
    label = clock.timestamps[bar]
    return f"bar {label}" if isinstance(label, int) else label
