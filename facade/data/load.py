"""Market data as a long frame with known names and dtypes, read in one lazy pass; prices are judged elsewhere."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from facade.data.clock import parse_bound, time_zone
from facade.errors import DataError, describe, listing

TIMESTAMP_NAMES = ("timestamp", "datetime", "date")
SYMBOL_NAMES = ("symbol", "asset", "product", "ticker")
CLOSE_NAMES = ("close", "price")
KEYS = ("timestamp", "symbol")
PRICES = ("open", "high", "low", "close")
KNOWN = ("timestamp", "symbol", *PRICES, "volume", "session")


def to_lazy(source: Any, what: str = "prices") -> pl.LazyFrame:
    """Lazy frame over a Parquet path or glob, a Polars frame, or anything with the Arrow C stream."""
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if path.lower().endswith((".csv", ".csv.gz", ".json", ".ipc", ".feather")):
            raise DataError(f"{what}: only Parquet is read from a path; use pl.scan_csv or the like for {path!r}")
        return pl.scan_parquet(path)
    if hasattr(source, "__arrow_c_stream__"):
        _refuse_mixed_zones(source, what)
        try:
            # By way of pyarrow, which keeps the named index of a pandas frame; Polars itself would drop it.
            return pl.DataFrame(pa.table(source)).lazy()
        except Exception as error:  # whatever the producer raises
            raise DataError(f"{what}: {type(source).__name__} cannot be read as an Arrow stream: {error}") from error
    raise DataError(
        f"{what} must be a Parquet path, a Polars frame or an object with the Arrow C stream "
        f"(pandas, pyarrow, duckdb), not {type(source).__name__}"
    )


def _refuse_mixed_zones(source: Any, what: str) -> None:
    """Arrow takes the zone of the first value of a pandas object column for all, and naive values for UTC."""
    if not type(source).__module__.startswith("pandas"):
        return
    for name, dtype in zip(source.columns, source.dtypes, strict=True):
        if str(dtype) == "object" and len(source) and isinstance(source[name].iloc[0], datetime):
            zones = {str(value.tzinfo) for value in source[name] if isinstance(value, datetime)}
            if len(zones) > 1:
                raise DataError(f"{what}: mixed timezones in column {name!r}: {listing(sorted(zones))}")


def schema_of(frame: pl.LazyFrame, what: str = "prices") -> pl.Schema:
    """Column names and dtypes; a source that cannot be opened is a DataError."""
    try:
        return frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{what} cannot be read: {error}") from error


def collect(frame: pl.LazyFrame, what: str = "prices") -> pl.DataFrame:
    """The rows of a lazy frame; what Polars refuses is a DataError."""
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{what} cannot be read: {error}") from error


def load(
    source: Any,
    *,
    symbols: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    columns: Mapping[str, str | None] | None = None,
    extras: Iterable[str] = (),
    close_only: bool = False,
) -> "Long":
    """Columns of the selected rows: timestamp, symbol (categorical), prices, perhaps volume and session, extras.

    Numeric columns are Float64. `symbols`, `start` and `end` (inclusive, compared with the labels in the source) are
    pushed into the scan. `columns` maps names of ours to names of the source (None: leave an optional column out).
    With `close_only`, open, high and low may be missing.
    """
    frame = to_lazy(source)
    schema = schema_of(frame)
    names = resolve_names(schema, columns or {}, extras, close_only)
    _check_dtypes(schema, names)
    filters = _row_filters(schema, names, symbols, start, end)
    selected = {ours: _column(ours, schema[name], name).alias(ours) for ours, name in names.items()}
    # Each column of a file can be read on its own, which keeps the long form from ever being whole in memory; with a
    # filter that would read the keys again and again, and a lazy frame may be a computation.
    piecewise = isinstance(source, (str, os.PathLike)) and not filters
    first = KEYS if piecewise else tuple(selected)
    rows = collect(frame.filter(*filters).select(selected[name] for name in first))
    if rows.is_empty():
        raise DataError("prices have no rows" + (" in the selection" if filters else ""))
    _check_keys(rows)
    return Long(rows, frame, selected)


class Long:
    """Columns of equal length, handed out one by one; each can be taken once."""

    def __init__(
        self, rows: pl.DataFrame, scan: pl.LazyFrame | None = None, selected: Mapping[str, pl.Expr] | None = None
    ) -> None:
        """rows: columns in memory; selected: all columns, those not in `rows` being read from `scan` when taken."""
        self._rows = rows.clone()
        self._height = rows.height
        self._scan = scan
        self._selected = dict(selected or {})
        self.columns = list(selected or rows.columns)

    def take(self, name: str) -> pl.Series:
        """The column, which this object no longer holds."""
        self.columns.remove(name)
        if name in self._rows.columns:
            return self._rows.drop_in_place(name)
        assert self._scan is not None
        column = collect(self._scan.select(self._selected[name])).to_series()
        if len(column) != self._height:
            raise DataError(f"prices changed while they were read: {len(column):,} rows after {self._height:,}")
        return column


def resolve_names(
    schema: Mapping[str, pl.DataType], columns: Mapping[str, str | None], extras: Iterable[str], close_only: bool
) -> dict[str, str]:
    """Our column name -> name in the source, for every column that is needed."""
    extras = (extras,) if isinstance(extras, str) else tuple(extras)
    clash = [name for name in extras if name in KNOWN]
    if clash:
        raise DataError(f"extras may not repeat {listing(clash)}: those columns are read anyway")
    unknown = [name for name in columns if name not in KNOWN and name not in extras]
    if unknown:
        raise DataError(f"columns maps unknown names {listing(unknown)}; known are {', '.join(KNOWN)} and extras")
    candidates = {"timestamp": TIMESTAMP_NAMES, "symbol": SYMBOL_NAMES, "close": CLOSE_NAMES}
    optional = {"volume", "session"} | ({"open", "high", "low"} if close_only else set())
    names: dict[str, str] = {}
    for ours in (*KNOWN, *extras):
        if ours in columns:
            tried: tuple[str, ...] = (columns[ours] or "",)
        else:
            tried = candidates.get(ours, (ours,))
        found = next((name for name in tried if name in schema), None)
        if found is not None:
            names[ours] = found
        elif ours not in optional or columns.get(ours) is not None:
            raise DataError(_missing(ours, tried, schema))
    return names


def _missing(ours: str, tried: Sequence[str], schema: Mapping[str, pl.DataType]) -> str:
    hint = f"Name it with columns={{{ours!r}: ...}}"
    if ours in ("open", "high", "low"):
        hint += ", or ask for repair='flat_from_close'"
    looked = " then ".join(map(repr, tried))
    rule = f"prices have no column for {ours!r}: looked for {looked} among {listing(schema, 12)}"
    return describe(rule, hint=hint + ".")


def _check_dtypes(schema: Mapping[str, pl.DataType], names: Mapping[str, str]) -> None:
    for ours, name in names.items():
        dtype = schema[name]
        if ours == "timestamp":
            good = dtype == pl.Date or isinstance(dtype, pl.Datetime)
            wanted = "a Date or a Datetime; convert text with .str.to_datetime()"
        elif ours == "symbol":
            good = isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)) or dtype.is_integer()
            wanted = "text, categorical or enum"
        elif ours == "session":
            good = dtype.is_temporal() or dtype.is_integer() or isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))
            wanted = "a Date, a number or text"
        else:
            good, wanted = dtype.is_numeric(), "a number"
        if not good:
            raise DataError(describe(f"{ours} must be {wanted}", column=name, value=f"of type {dtype}"))


def _column(ours: str, dtype: pl.DataType, name: str) -> pl.Expr:
    column = pl.col(name)
    if ours == "symbol":
        if isinstance(dtype, (pl.Categorical, pl.Enum)):
            return column
        return (column if isinstance(dtype, pl.String) else column.cast(pl.String)).cast(pl.Categorical)
    if ours in ("timestamp", "session"):
        return column
    return column.cast(pl.Float64)


def _row_filters(
    schema: Mapping[str, pl.DataType], names: Mapping[str, str], symbols: Sequence[str] | None, start: Any, end: Any
) -> list[pl.Expr]:
    filters: list[pl.Expr] = []
    if symbols is not None:
        if isinstance(symbols, str):
            raise DataError(f"symbols must be a list of symbols: [{symbols!r}]")
        column = pl.col(names["symbol"])
        text = column if isinstance(schema[names["symbol"]], pl.String) else column.cast(pl.String)
        filters.append(text.is_in([str(symbol) for symbol in symbols]))
    return filters + time_filters(schema[names["timestamp"]], names["timestamp"], start, end)


def time_filters(dtype: pl.DataType, name: str, start: Any, end: Any) -> list[pl.Expr]:
    """Conditions for a column of dates or times to lie within `start` and `end`, inclusive; a date is the whole day."""
    filters: list[pl.Expr] = []
    column = pl.col(name)
    first, last = parse_bound(start, "start"), parse_bound(end, "end")
    if first is not None:
        filters.append(column >= _literal(first, dtype, "start"))
    if last is not None:
        whole_day = not isinstance(last, datetime) and isinstance(dtype, pl.Datetime)
        bound = _literal(last + timedelta(days=1) if whole_day else last, dtype, "end")
        filters.append(column < bound if whole_day else column <= bound)
    return filters


def _literal(bound: date | datetime, dtype: pl.DataType, name: str) -> pl.Expr:
    """A bound in the dtype of the timestamp column, so that the comparison reaches the scan."""
    aware = isinstance(bound, datetime) and bound.tzinfo is not None
    zone = time_zone(dtype)
    if aware and zone is None:
        raise DataError(f"mixed timezones: {name}={bound} has a time zone, the timestamps of the prices have none")
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(bound.date() if isinstance(bound, datetime) else bound, dtype=pl.Date)
    moment = bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day)
    if aware:
        return pl.lit(moment).dt.convert_time_zone(zone or "UTC").cast(dtype)
    literal = pl.lit(moment, dtype=pl.Datetime(dtype.time_unit))
    return literal.dt.replace_time_zone(zone) if zone else literal


def _check_keys(long: pl.DataFrame) -> None:
    for name, other in (("timestamp", "symbol"), ("symbol", "timestamp")):
        nulls = long[name].null_count()
        if nulls:
            at = int(long[name].is_null().arg_max() or 0)
            seen = long[other][at]
            where: dict[str, Any] = {"symbol": seen} if other == "symbol" else {"date": seen}
            rule = f"{name} must not be null"
            raise DataError(describe(rule, **where, column=name, value=f"null in row {at}", more=nulls - 1))
