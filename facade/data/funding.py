"""Funding of perpetuals: what longs pay to shorts, booked before the open of the first bar after its time."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import Clock, bar_dates
from facade.data.dated import (
    assets_of,
    moments,
    need,
    read_frame,
    refuse_unknown_symbols,
    refuse_where,
    unusable,
)
from facade.data.names import FUNDING as NAMES
from facade.errors import DataError, describe
from ml4t_kernel.schema import FUNDING

_WHAT = "funding"


class Funding(NamedTuple):
    """frame: timestamp, symbol, rate of what is in force; rows: (R,) FUNDING; counts of those outside the panel."""

    frame: pl.DataFrame | None
    rows: np.ndarray
    before: int = 0
    after: int = 0


def read_funding(
    source: Any, clock: Clock, symbols: tuple[str, ...], instruments: pl.DataFrame | None, selection: bool
) -> Funding:
    """Rows of a source, checked against the panel and mapped to its bars; see `in_force`.

    Timestamps are clock times, also where the labels of the bars are their begins: they are never moved. instruments:
    those of the panel; only perpetuals have funding. With `selection`, rows of symbols outside the panel are left out,
    because the caller selected symbols; otherwise they are an error.
    """
    if source is None:
        return Funding(None, np.zeros(0, FUNDING))
    frame = read_frame(source, _WHAT, NAMES, ("symbol",), symbols[0] if len(symbols) == 1 else None)
    need(frame, _WHAT, tuple(NAMES))
    frame = frame.with_columns(moments(frame["timestamp"], clock, _WHAT))
    if selection:
        frame = frame.filter(pl.col("symbol").is_null() | pl.col("symbol").is_in(list(symbols)))
    _check(frame, symbols, instruments)
    return in_force(frame, clock, symbols)


def _check(frame: pl.DataFrame, symbols: tuple[str, ...], instruments: pl.DataFrame | None) -> None:
    refuse_unknown_symbols(frame, _WHAT, symbols)
    refuse_where(frame, pl.col("timestamp").is_null(), f"{_WHAT}: timestamp must not be null", "timestamp")
    _refuse_kinds(frame, instruments)
    rule = f"{_WHAT}: rate must be given and finite"
    refuse_where(frame, pl.col("rate").is_null() | ~pl.col("rate").is_finite(), rule, "rate")
    rule = f"{_WHAT}: rate must lie within -1 and 1, a fraction each time"
    refuse_where(frame, unusable("rate", -1, 1), rule, "rate", "In percent? 0.01 percent is 0.0001.")
    repeated = ~pl.struct("symbol", "timestamp").is_first_distinct()
    refuse_where(frame, repeated, f"{_WHAT}: a row must be unique in (symbol, timestamp)", "timestamp")


def _refuse_kinds(frame: pl.DataFrame, instruments: pl.DataFrame | None) -> None:
    kinds = {} if instruments is None else dict(zip(instruments["symbol"], instruments["kind"], strict=True))
    perpetual = [symbol for symbol, kind in kinds.items() if kind == "perpetual"]
    others = frame.filter(~pl.col("symbol").is_in(perpetual))
    if len(others):
        row = others.row(0, named=True)
        rule = f"{_WHAT}: only a perpetual has funding"
        value = f"of a {kinds.get(row['symbol'], 'stock')}"
        where: dict[str, Any] = {"symbol": row["symbol"], "date": row["timestamp"], "column": "symbol", "value": value}
        hint = "instruments= says of which kind a symbol is."
        raise DataError(describe(rule, **where, more=len(others) - 1, hint=hint))


def in_force(frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...]) -> Funding:
    """What is booked on the bars of a clock, of the rows of its symbols; those of the first bar meet nobody.

    Rows before the first bar, and at or after the last one, are dropped and counted.
    """
    bars = _bars_after(frame["timestamp"], clock)
    before, after = bars == 0, bars == len(clock.timestamps)
    kept = pl.Series(~(before | after))
    place = pl.Series("asset", assets_of(frame, symbols), dtype=pl.Int64)
    frame = frame.with_columns(place, pl.Series("bar", bars)).filter(kept).sort("bar", "timestamp", "asset")
    rows = np.zeros(len(frame), FUNDING)
    for name in ("rate", "bar", "asset"):
        rows[name] = frame[name].to_numpy()
    rows.flags.writeable = False
    return Funding(frame.select(*NAMES), rows, int(before.sum()), int(after.sum()))


def cut(frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...]) -> Funding:
    """What is booked in a part of a panel; clock and symbols are those of the part."""
    return in_force(frame.filter(pl.col("symbol").is_in(list(symbols))), clock, symbols)


def _bars_after(stamps: pl.Series, clock: Clock) -> np.ndarray:
    """(n,) first bar that is complete after each time; the number of bars where none is.

    A date is the end of its session, and the first bar after it the first one of the next. Where the labels of bars
    are dates a bar is complete at the end of its day, so that the first one after a time is the one of its day.
    """
    labels = clock.timestamps
    if stamps.dtype == pl.Date:
        days = stamps.to_physical().cast(pl.Int64).to_numpy()
        return np.searchsorted(bar_dates(clock.sessions, clock.session_dates), days, side="right")
    if labels.dtype == pl.Date:
        days = stamps.dt.date().to_physical().cast(pl.Int64).to_numpy()
        return np.searchsorted(labels.to_physical().cast(pl.Int64).to_numpy(), days)
    fine = "ns" in (getattr(labels.dtype, "time_unit", ""), getattr(stamps.dtype, "time_unit", ""))
    ticks = [_ticks(times, "ns" if fine else "us") for times in (labels, stamps)]
    return np.searchsorted(ticks[0], ticks[1], side="right")


def _ticks(times: pl.Series, unit: Literal["us", "ns"]) -> np.ndarray:
    """Since 1970 in that unit, or bar numbers."""
    counted = times.dt.cast_time_unit(unit) if isinstance(times.dtype, pl.Datetime) else times
    return counted.to_physical().cast(pl.Int64).to_numpy()
