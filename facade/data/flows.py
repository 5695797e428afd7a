"""Deposits and withdrawals of an account, on the clock of a panel (contract clause 1.3)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from facade.data.clock import bar_dates, time_zone
from facade.data.memory import frozen
from facade.data.names import TIME, find
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.data.sources import collect, open_source, to_lazy
from facade.data.times import as_times, integers_as
from facade.errors import BacktestWarning, DataError, describe
from facade.wording import did_you_mean, further, plural
from ml4t_kernel.schema import FLOW

COLUMNS = {"timestamp": TIME, "amount": ("amount", "flow")}
"""Column -> its names, in any case."""


@dataclass(frozen=True, eq=False)
class Flows:
    """Flows of an account on the bars of a panel.

    bars: (n,) int64, ascending, the bar before whose open each is booked; amounts: (n,) float64, + into the account;
    dropped: how many more came after the last bar; length: bars of the panel.
    """

    bars: np.ndarray
    amounts: np.ndarray
    dropped: int
    length: int

    @property
    def rows(self) -> np.ndarray:
        """(W,) FLOW for the kernel: the flows of one bar are their sum, and a sum of zero is none."""
        bars, place = np.unique(self.bars, return_inverse=True)
        sums = np.bincount(place.reshape(-1), self.amounts, len(bars))
        found = np.zeros(int(np.count_nonzero(sums)), FLOW)
        found["bar"], found["amount"] = bars[sums != 0], sums[sums != 0]
        return frozen(found, FLOW)

    def within(self, selection: Selection | None) -> Flows:
        """Those that fall into a part of the panel; the rest is left out, and counted nowhere."""
        if selection is None:
            return self
        chosen = selection.bars
        kept = np.arange(chosen.start, chosen.stop) if isinstance(chosen, slice) else chosen
        inside = (self.bars >= kept[0]) & (self.bars <= kept[-1])
        bars = np.searchsorted(kept, self.bars[inside])
        return Flows(bars, self.amounts[inside], 0, len(kept))


def read_flows(source: Any, panel: Panel) -> Flows | None:
    """Flows as users hold them, checked and placed on the bars of a panel; None where none are given.

    Parameters
    ----------
    source
        None, or a table with the columns `timestamp` and `amount`, names in any case: a Polars or pandas frame, the
        Arrow C stream, a file, a dict of columns, a list of dicts. Times are those of the clock, ends of bars where
        the data labels their begins; a date is the session of that date, or the next one; bar numbers where bars are
        numbered.

    Raises
    ------
    DataError
        A column is missing; an amount is no finite number; a time is null, no time, of another kind than those of the
        prices, or before the first bar. Flows after the last bar are dropped, counted and warned of.

    Examples
    --------
    >>> panel = Panel.from_arrays(*[np.full((5, 1), 10.0)] * 4)
    >>> found = read_flows([{"timestamp": 2, "amount": 500.0}, {"timestamp": 2, "amount": -80.0}], panel)
    >>> found.rows[["bar", "amount"]].tolist()
    [(2, 420.0)]
    """
    if source is None:
        return None
    if isinstance(source, Flows):
        if source.length != panel.shape[0]:
            raise DataError(f"flows were placed on {source.length:,} bars, and the prices have {panel.shape[0]:,}")
        return source
    frame = _frame_of(source)
    times, amounts = _times_of(frame["timestamp"]), _amounts_of(frame["amount"])
    bars = _bars_of(times, panel) if len(frame) else np.zeros(0, np.int64)
    late = bars >= panel.shape[0]
    dropped = int(np.count_nonzero(late))
    if dropped:
        last = panel.timestamps[-1]
        verb = "lies" if dropped == 1 else "lie"
        told = f"{plural(dropped, 'flow')} {verb} after the last bar {last} and {'was' if dropped == 1 else 'were'}"
        warnings.warn(f"{told} dropped", BacktestWarning, stacklevel=3)
    order = np.argsort(bars[~late], kind="stable")
    return Flows(bars[~late][order], amounts[~late][order], dropped, panel.shape[0])


def _frame_of(source: Any) -> pl.DataFrame:
    """The columns of `COLUMNS`."""
    frame = _collected(source)
    found = {ours: find(names, frame.columns, "flows") for ours, names in COLUMNS.items()}
    for ours, name in found.items():
        if name is None:
            known = f" (columns: {', '.join(frame.columns)})" if frame.columns else ""
            raise DataError(f"flows: column {ours!r} is missing{did_you_mean(ours, frame.columns)}{known}")
    return frame.select(pl.col(str(name)).alias(ours) for ours, name in found.items())


def _collected(source: Any) -> pl.DataFrame:
    try:
        if isinstance(source, Mapping):
            return pl.DataFrame(dict(source))
        if isinstance(source, (list, tuple)):
            if not all(isinstance(row, Mapping) for row in source):
                raise DataError("flows given as a list must be dicts: [{'timestamp': ..., 'amount': ...}]")
            columns = dict.fromkeys(COLUMNS, pl.Null)
            return pl.from_dicts(list(source), infer_schema_length=None) if source else pl.DataFrame(schema=columns)
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise DataError(f"flows cannot be read: {error}") from error
    if isinstance(source, (str, os.PathLike)):
        return collect(open_source(source, "flows", by_file=False).frame, "flows")
    if not isinstance(source, (pl.DataFrame, pl.LazyFrame)) and not hasattr(source, "__arrow_c_stream__"):
        raise DataError(
            f"flows must be a table with the columns {' and '.join(COLUMNS)} (a Polars or pandas frame, a file, a list "
            f"of dicts), not {type(source).__name__}"
        )
    return collect(to_lazy(source, "flows"), "flows")


def _amounts_of(column: pl.Series) -> np.ndarray:
    """(n,) float64; DataError for what is no finite number."""
    if not (column.dtype.is_numeric() or (column.dtype == pl.Null and not len(column))):
        rule = "flows: amount must be a number"
        raise DataError(describe(rule, column="amount", value=f"of type {column.dtype}"))
    amounts = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = np.flatnonzero(~np.isfinite(amounts))
    if len(wrong):
        value = f"{column[int(wrong[0])]} in row {wrong[0]}"
        rule = "flows: amount must be a finite number"
        raise DataError(describe(rule, column="amount", value=value, more=len(wrong) - 1))
    return amounts


def _times_of(column: pl.Series) -> pl.Series:
    """Dates, datetimes or bar numbers, none of them null; text is read as of prices."""
    if column.dtype == pl.String:
        column = as_times(column, "flows")
    if not (column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime) or column.dtype.is_integer()):
        if not len(column):
            return column
        rule = "flows: timestamp must be a Date, a Datetime or a bar number"
        raise DataError(describe(rule, column="timestamp", value=f"of type {column.dtype}"))
    if column.null_count():
        at = int(column.is_null().arg_max() or 0)
        raise DataError(describe("flows: timestamp must not be null", column="timestamp", value=f"null in row {at}"))
    return column


def _bars_of(times: pl.Series, panel: Panel) -> np.ndarray:
    """(n,) int64 first bar at or after each time, T for what lies after the last; DataError before the first."""
    clock, dtype = panel.timestamps, times.dtype
    if clock.dtype.is_integer() != dtype.is_integer():
        if dtype.is_integer():
            hint = f"{integers_as(times, 'timestamp')}."
            raise DataError(describe("flows: timestamp must be a Date or a Datetime", value=times[0], hint=hint))
        raise DataError(f"flows: timestamp must be a bar number, as the panel has no dates; it is {dtype}")
    if dtype.is_integer():
        given = times.cast(pl.Int64).to_numpy()
        bars, early = np.searchsorted(clock.cast(pl.Int64).to_numpy(), given), given < int(clock[0])
    else:
        bars, early = _moments_on(times, panel)
    if early.any():
        at = int(early.argmax())
        raise DataError(
            f"flows: row {at}, column 'timestamp': {times[at]} lies before the first bar {clock[0]}; what is there "
            f"from the beginning is initial_cash of Config{further(int(early.sum()))}"
        )
    return np.asarray(bars, np.int64)


def _moments_on(times: pl.Series, panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """(n,) first bar at or after each time, and whether that session is over before the first bar's begins."""
    clock = panel.timestamps
    zone, ours = time_zone(times.dtype), time_zone(clock.dtype)
    as_dates = times.dtype == pl.Date or clock.dtype == pl.Date
    if not as_dates and (zone is None) != (ours is None):
        raise DataError(
            f"mixed timezones: timestamp of flows is in {zone or 'none'}, that of the prices in {ours or 'none'}; "
            f".dt.replace_time_zone says of which zone times are, and dates (.dt.date()) name sessions"
        )
    local = times.dt.convert_time_zone(ours) if zone is not None and ours is not None else times
    days = (local if local.dtype == pl.Date else local.dt.date()).to_physical().cast(pl.Int64).to_numpy()
    of_bars = bar_dates(panel.sessions, panel.session_dates)
    if as_dates:
        return np.searchsorted(of_bars, days), days < of_bars[0]
    unit = "ns" if "ns" in (clock.dtype.time_unit, times.dtype.time_unit) else "us"  # type: ignore[attr-defined]
    moments, ends = (column.dt.cast_time_unit(unit).to_physical().to_numpy() for column in (times, clock))  # type: ignore[arg-type]
    bars = np.searchsorted(ends, moments)
    return bars, (bars == 0) & (moments < ends[0]) & (days < of_bars[0])
