"""Timestamps and symbols of a user's frame as bars and columns of a panel (clause 0.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import numpy as np
import polars as pl

from facade.data.panel import Panel
from facade.data.times import integers_as
from facade.errors import StrategyError
from facade.wording import did_you_mean, further


def _time_kind(dtype: pl.DataType) -> str:
    if dtype.is_integer():
        return "bar numbers"
    zone = getattr(dtype, "time_zone", None)
    return "times with a time zone" if zone else "times without a time zone"


def _ticks(stamps: pl.Series, unit: Literal["us", "ns"]) -> np.ndarray:
    if stamps.dtype.is_integer():
        return stamps.cast(pl.Int64).to_numpy()
    return stamps.cast(pl.Datetime(unit, getattr(stamps.dtype, "time_zone", None))).to_physical().to_numpy()


def bars_of(
    panel: Panel,
    stamps: pl.Series,
    align: str | None,
    what: str,
    symbols: pl.Series | None = None,
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Bar of each timestamp, int32; `panel.shape[0]` for what lies after the last bar.

    Times are labels of the data (`panel.labels`): where these are begins of bars, a row belongs to the bar that begins
    there, and a time that is only the end of a bar is an error. A time between bars, or before the first, is an error
    unless `align="next"`: then the first bar after it.
    `symbols` and `rows` (row in the user's frame of each row here) are for the error only.
    """
    if align not in (None, "next"):
        raise StrategyError(f"align={align!r} is not known; it is None (exact times) or 'next' (first bar at or after)")
    if not len(stamps):
        return np.zeros(0, np.int32)
    clock = panel.labels
    kinds = _time_kind(clock.dtype), _time_kind(stamps.dtype)
    if kinds[0] != kinds[1]:
        way = f"; {integers_as(stamps, 'timestamp')}" if stamps.dtype.is_integer() else ""
        raise StrategyError(f"{what}: the timestamps are {kinds[1]} ({stamps.dtype}), the prices have {kinds[0]}{way}")
    unit: Literal["us", "ns"] = (
        "ns" if "ns" in (getattr(clock.dtype, "time_unit", ""), getattr(stamps.dtype, "time_unit", "")) else "us"
    )
    times = panel.derived("clock", lambda: _ticks(clock, unit), of=unit)
    given = _ticks(stamps, unit)
    starts = np.flatnonzero(np.concatenate(([True], given[1:] != given[:-1])))
    unique = given[starts]
    bars = np.searchsorted(times, unique).astype(np.int32)
    differs = times[np.minimum(bars, len(times) - 1)] != unique
    off = (bars < len(times)) & differs & (align is None)
    if panel.begins is not None:
        off |= differs & np.isin(unique, _ticks(panel.timestamps, unit))
    if off.any():
        row, bar = int(starts[off][0]), int(bars[off][0])
        counted = int(np.diff(np.append(starts, len(given)))[off].sum())
        where = _cell(row, rows, None if symbols is None else symbols[row], None)
        _refuse_time(panel, stamps[row], bar, f"{what}: {where}", further(counted))
    return np.repeat(bars, np.diff(np.append(starts, len(given))))


def _cell(row: int, rows: np.ndarray | None, symbol: Any, stamp: Any) -> str:
    """'row 3 (A, 2024-01-02)': what is known of a row, by its number in the user's frame."""
    known = ", ".join(str(part) for part in (symbol, stamp) if part is not None)
    return f"row {row if rows is None else rows[row]}" + (f" ({known})" if known else "")


def _refuse_time(panel: Panel, stamp: Any, bar: int, where: str, more: str) -> NoReturn:
    clock = panel.labels
    if panel.begins is not None:
        raise StrategyError(
            f"{where}, column 'timestamp': no bar begins at {stamp}{more}; the data labels bars by their begin "
            f"(bar_label='open'), and rows of a strategy carry the same labels, those of panel.labels"
        )
    place = f"between the bars {clock[bar - 1]} and {clock[bar]}" if bar else f"before the first bar {clock[0]}"
    raise StrategyError(
        f"{where}, column 'timestamp': {stamp} lies {place}; "
        f"align='next' moves it to the first bar at or after it{more}"
    )


def assets_of(
    panel: Panel, symbols: pl.Series, what: str, stamps: pl.Series | None = None, rows: np.ndarray | None = None
) -> np.ndarray:
    """Column of the panel of each symbol, int32; an unknown symbol is an error. Null gives -1.

    `stamps` and `rows` (row in the user's frame of each row here) are for the error only.
    """
    index = panel.derived("symbols", lambda: pl.Enum(list(panel.symbols)))
    text = symbols if symbols.dtype == pl.String else symbols.cast(pl.String)
    known = text.cast(index, strict=False)
    unknown = known.is_null() & text.is_not_null()
    if unknown.any():
        row = int(unknown.arg_max() or 0)
        where = _cell(row, rows, None, None if stamps is None else stamps[row])
        raise StrategyError(
            f"{what}: {where}, column 'symbol': {text[row]!r} is not in the prices"
            f"{did_you_mean(text[row], panel.symbols)}{further(int(unknown.sum()))}"
        )
    codes = known.to_physical().cast(pl.Int32)
    return (codes.fill_null(-1) if codes.null_count() else codes).to_numpy()


def asset_columns(panel: Panel, names: Sequence[str], what: str) -> np.ndarray:
    """Column of the panel of each column name of a wide frame."""
    index = {symbol: asset for asset, symbol in enumerate(panel.symbols)}
    for name in names:
        if name not in index:
            raise StrategyError(
                f"{what}: column {name!r} is not a symbol of the prices{did_you_mean(name, panel.symbols)}"
            )
    return np.array([index[name] for name in names], np.int64)
