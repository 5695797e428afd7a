"""User frames on the clock of a panel: collecting, checking columns, joining timestamps and symbols (clause 0.3)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NoReturn
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl
import pyarrow as pa

from facade.data.times import integers_as
from facade.errors import StrategyError

TEXT = (pl.String, pl.Categorical, pl.Enum)
_MEMO: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


def remember(panel: Any, key: tuple[Any, ...], build: Callable[[], Any]) -> Any:
    """`build()`, kept for as long as `panel` lives; one value for each first item of `key` (the latest)."""
    entry = _MEMO.setdefault(panel, {})
    held = entry.get(key[0])
    if held is None or held[0] != key:
        held = entry[key[0]] = (key, build())
    return held[1]


def collect_frame(source: Any, what: str) -> pl.DataFrame:
    """A DataFrame from a DataFrame, a LazyFrame or anything with the Arrow C stream."""
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        # By way of pyarrow, which keeps a named index of pandas as a column (an unnamed one carries no data).
        try:
            frame = pl.DataFrame(pa.table(source))
        except (pa.ArrowException, pl.exceptions.PolarsError, TypeError) as error:
            raise StrategyError(f"{what}: {type(source).__name__} cannot be read as a table: {error}") from error
        return frame.select(name for name in frame.columns if not name.startswith("__index_level_"))
    raise StrategyError(
        f"{what}: expected a Polars DataFrame or LazyFrame, or a table with the Arrow C stream, "
        f"got {type(source).__name__}; numpy arrays go to from_array or from_arrays"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' when one of `known` is near `name`, else nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def require_columns(frame: pl.DataFrame, names: Sequence[str], what: str) -> None:
    for name in names:
        if name not in frame.columns:
            raise StrategyError(
                f"{what}: column {name!r} is missing{did_you_mean(name, frame.columns)}"
                f" (columns: {', '.join(frame.columns)})"
            )


def require_timestamps(stamps: pl.Series, what: str) -> None:
    """Date, Datetime or (for bar numbers) integer, without nulls."""
    if stamps.dtype == pl.Null and not len(stamps):  # a frame without rows
        return
    if not (stamps.dtype in (pl.Date, pl.Datetime) or stamps.dtype.is_integer()):
        raise StrategyError(
            f"{what}: column 'timestamp' must be Date, Datetime or bar numbers, got {stamps.dtype}"
            + (" (parse text with str.to_date or str.to_datetime)" if stamps.dtype == pl.String else "")
        )
    if stamps.null_count():
        raise StrategyError(f"{what}: row {stamps.is_null().arg_max()}, column 'timestamp': null is not a time")


def require_symbols(symbols: pl.Series, what: str) -> None:
    if not isinstance(symbols.dtype, TEXT) and (symbols.dtype != pl.Null or len(symbols)):
        raise StrategyError(f"{what}: column 'symbol' must be text, categorical or enum, got {symbols.dtype}")


def float_values(column: pl.Series, what: str) -> np.ndarray:
    """Numbers as float64, null as NaN."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise StrategyError(f"{what}: column {column.name!r} must be numeric, got {column.dtype}")
    cast = column.cast(pl.Float64)
    return (cast.fill_null(float("nan")) if cast.null_count() else cast).to_numpy()


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
    panel: Any,
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
    times = remember(panel, ("clock", unit), lambda: np.ascontiguousarray(_ticks(clock, unit)))
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


def _refuse_time(panel: Any, stamp: Any, bar: int, where: str, more: str) -> NoReturn:
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
    panel: Any, symbols: pl.Series, what: str, stamps: pl.Series | None = None, rows: np.ndarray | None = None
) -> np.ndarray:
    """Column of the panel of each symbol, int32; an unknown symbol is an error. Null gives -1.

    `stamps` and `rows` (row in the user's frame of each row here) are for the error only.
    """
    index = remember(panel, ("symbols",), lambda: pl.Enum(list(panel.symbols)))
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


def asset_columns(panel: Any, names: Sequence[str], what: str) -> np.ndarray:
    """Column of the panel of each column name of a wide frame."""
    index = {symbol: asset for asset, symbol in enumerate(panel.symbols)}
    for name in names:
        if name not in index:
            raise StrategyError(
                f"{what}: column {name!r} is not a symbol of the prices{did_you_mean(name, panel.symbols)}"
            )
    return np.array([index[name] for name in names], np.int64)


def further(offenders: int) -> str:
    """' (n more like it)' when there is more than one offender."""
    return f" ({offenders - 1} more like it)" if offenders > 1 else ""


def frozen(array: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    """A read-only, aligned, C-order view of `array`, copied only where it has to be."""
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view


def require_panel_shape(values: np.ndarray, panel: Any, what: str) -> None:
    """An array given for a panel is (T, A)."""
    bars, assets = panel.shape
    if values.shape != (bars, assets):
        raise StrategyError(f"{what}: array of shape {values.shape} given for a panel of {bars} bars x {assets} assets")


def is_long(frame: pl.DataFrame) -> bool:
    """Whether a frame has one row a (timestamp, symbol), rather than one column a symbol."""
    return "symbol" in frame.columns


def wide_names(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name != "timestamp"]
