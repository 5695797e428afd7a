"""Frames given where arrays may be given: their columns and index are matched by name, never by place."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import time_zone, to_timestamps
from facade.data.names import TIME, is_no_symbol, plain
from facade.data.sources import from_pandas, is_pandas
from facade.errors import DataError, listing


class Named(NamedTuple):
    """values: (T, n), or (T,) of a Series or array; names: of the columns, None where they have none; stamps: (T,)."""

    values: Any
    names: tuple[str, ...] | None = None
    stamps: pl.Series | None = None


class Matched(NamedTuple):
    """arrays: by name, all in the order of `symbols`; symbols, timestamps: given, or those of the first frame."""

    arrays: dict[str, Any]
    symbols: Sequence[str] | None
    timestamps: Any


def read_named(source: Any, what: str) -> Named:
    """The values of an array, a frame or a Series, with the names it carries.

    Columns that are merely numbered (pandas' default, "column_0" of Polars) have no names, nor has a Series that is
    called after what it holds ("Close", "entry"). Times are an index of times of pandas, or a Polars column of times.
    """
    if is_pandas(source):
        return _read_pandas(source, what)
    if isinstance(source, pl.LazyFrame):
        source = source.collect()
    if isinstance(source, pl.Series):
        return Named(source.to_numpy(), None if is_no_symbol(source.name) else (str(source.name),))
    if isinstance(source, pl.DataFrame):
        return _read_polars(source, what)
    return Named(source)


def _read_pandas(source: Any, what: str) -> Named:
    index = source.index
    if index.nlevels > 1:
        raise DataError(f"{what}: an index of {index.nlevels} levels; (bars, symbols) has one, of times")
    stamps = None
    if str(index.dtype).startswith("datetime64"):
        stamps = from_pandas(index.to_frame(index=False, name="timestamp"), what)["timestamp"]
    if not hasattr(source, "columns"):
        name = source.name
        return Named(_values(source, [source.dtype]), None if is_no_symbol(name) else (str(name),), stamps)
    if source.columns.nlevels > 1:
        raise DataError(f"{what}: columns of {source.columns.nlevels} levels; one frame a field is needed")
    names = tuple(str(name) for name in source.columns)
    numbered = names == tuple(str(number) for number in range(len(names)))
    return Named(_values(source, source.dtypes), None if numbered else _distinct(names, what), stamps)


def _values(source: Any, dtypes: Iterable[Any]) -> np.ndarray:
    """The array of a pandas object; missing numbers of its nullable dtypes are NaN."""
    if all(getattr(dtype, "kind", "O") in "iuf" for dtype in dtypes):
        return np.asarray(source.to_numpy(dtype=np.float64, na_value=np.nan))
    return np.asarray(source.to_numpy())


def _read_polars(source: pl.DataFrame, what: str) -> Named:
    stamps = None
    times = {plain(name) for name in TIME}
    for name, dtype in source.schema.items():
        if dtype == pl.Date or isinstance(dtype, pl.Datetime) or (plain(name) in times and dtype.is_integer()):
            if stamps is not None:
                raise DataError(f"{what}: two columns of times, {stamps.name!r} and {name!r}")
            stamps = source[name]
    rest = source if stamps is None else source.drop(stamps.name)
    rest = rest.with_columns(pl.col(pl.Boolean).fill_null(False))
    numbered = all(name.startswith("column_") for name in rest.columns)
    return Named(rest.to_numpy(), None if numbered else _distinct(tuple(rest.columns), what), stamps)


def _distinct(names: tuple[str, ...], what: str) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise DataError(f"{what}: repeated columns {listing(sorted({n for n in names if names.count(n) > 1}))}")
    return names


def match_names(given: Mapping[str, Any], symbols: Sequence[str] | None, timestamps: Any) -> Matched:
    """Arrays of one order of columns from arrays, frames and Series; DataError naming what disagrees."""
    read = {name: read_named(values, name) for name, values in given.items()}
    wanted = None if symbols is None or isinstance(symbols, str) else tuple(str(name) for name in symbols)
    source = "symbols"
    stamps, clock = None, "timestamps"
    arrays: dict[str, Any] = {}
    for name, values in read.items():
        if values.names is not None and wanted is None and symbols is None:
            wanted, source = values.names, name
        arrays[name] = _in_order(values, wanted, name, source)
        if values.stamps is not None:
            if stamps is None:
                stamps = _given_stamps(timestamps, values.stamps, name)
                clock = name if timestamps is None else "timestamps"
            _refuse_other_times(values.stamps, stamps, name, clock)
    return Matched(arrays, symbols if symbols is not None else wanted, timestamps if timestamps is not None else stamps)


def _given_stamps(timestamps: Any, own: pl.Series, name: str) -> pl.Series:
    """The timestamps given, or those of the first frame."""
    if timestamps is None:
        return own
    count = len(timestamps) if hasattr(timestamps, "__len__") else len(own)
    return to_timestamps(timestamps, count)


def _in_order(values: Named, wanted: tuple[str, ...] | None, what: str, source: str) -> Any:
    """The values with their columns in the order wanted."""
    if values.names is None or wanted is None:
        return values.values
    if set(values.names) != set(wanted):
        missing = [name for name in wanted if name not in values.names]
        further = [name for name in values.names if name not in wanted]
        parts = [f"has not {listing(missing)}"] if missing else []
        parts += [f"has {listing(further)} besides"] if further else []
        raise DataError(f"the columns of {what} are not those of {source}: {what} {' and '.join(parts)}")
    if values.names == wanted or np.ndim(values.values) == 1:
        return values.values
    return values.values[:, [values.names.index(name) for name in wanted]]


def _refuse_other_times(own: pl.Series, stamps: pl.Series, what: str, source: str) -> None:
    if len(own) != len(stamps):
        raise DataError(f"{what} has {len(own):,} times, {source} has {len(stamps):,}")
    first, second = _moments(own), _moments(stamps)
    if first.dtype != second.dtype:
        raise DataError(f"the times of {what} are {own.dtype}, those of {source} {stamps.dtype}")
    differs = first.ne_missing(second)
    if bool(differs.any()):
        at = int(differs.arg_max() or 0)
        raise DataError(f"the times of {what} are not those of {source}: {own[at]} and {stamps[at]} in row {at}")


def _moments(stamps: pl.Series) -> pl.Series:
    """Dates and times of any unit in one; numbers as they are."""
    if stamps.dtype.is_integer():
        return stamps.cast(pl.Int64)
    return stamps.cast(pl.Datetime("us", time_zone(stamps.dtype)))
