"""Frames of market data beside prices: read by the names of their columns, dated as the panel is, refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from typing import Any

import numpy as np
import polars as pl

from facade.data.clock import Clock, time_zone
from facade.data.names import find
from facade.data.sources import collect, open_source, schema_of
from facade.data.times import integers_as
from facade.errors import DataError, describe, listing
from facade.wording import did_you_mean

EVERYONE = "*"
"""The symbol of a row that is of everyone without rows of his own."""
_TEXT = (pl.String, pl.Categorical, pl.Enum)


def read_frame(
    source: Any, what: str, names: Mapping[str, Sequence[str]], text: Sequence[str], only: str | None = None
) -> pl.DataFrame:
    """Columns of a source by our names, those that it lacks left out; DataError for a column that nothing reads.

    source: anything that prices can be, or a list of dicts, one a row. names: our name -> what it may be called. text:
    columns of text; the others but `timestamp` become Float64. only: the symbol of all rows where no column has any.
    """
    lazy = _opened(source, what, by_file="timestamp" in names and only is None)
    schema = schema_of(lazy, what)
    found = {ours: find(called, schema, what) for ours, called in names.items()}
    known = {ours: name for ours, name in found.items() if name is not None}
    for name in schema:
        if name not in known.values():
            raise DataError(
                f"{what}: unknown column {name!r}{did_you_mean(name.lower(), names)} (columns: {', '.join(names)})"
            )
    if only is not None and "symbol" not in known:
        lazy, known["symbol"] = lazy.with_columns(pl.lit(only).alias("symbol")), "symbol"
    frame = collect(lazy.select(pl.col(known[name]).alias(name) for name in names if name in known), what)
    return frame.with_columns(_typed(column, what, text) for column in frame if column.name != "timestamp")


def _opened(source: Any, what: str, by_file: bool) -> pl.LazyFrame:
    if isinstance(source, list) and source and all(isinstance(row, Mapping) for row in source):
        try:
            return pl.from_dicts(source, infer_schema_length=None).lazy()
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise DataError(f"{what} given as a list of dicts cannot be read: {error}") from error
    return open_source(source, what, by_file=by_file).frame


def _typed(column: pl.Series, what: str, text: Sequence[str]) -> pl.Series:
    dtype = column.dtype
    if column.name in text:
        if dtype == pl.Null or isinstance(dtype, _TEXT) or (column.name == "symbol" and dtype.is_integer()):
            return column.cast(pl.String)
        wanted = "text"
    else:
        if dtype == pl.Null or dtype.is_numeric():
            return column.cast(pl.Float64)
        wanted = "a number"
    raise DataError(describe(f"{what}: {column.name} must be {wanted}", column=column.name, value=f"of type {dtype}"))


def need(frame: pl.DataFrame, what: str, names: Sequence[str]) -> None:
    """DataError where a column is missing."""
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise DataError(f"{what}: no column for {listing(missing)}; got {listing(frame.columns, 12)}")


def refuse_where(frame: pl.DataFrame, offends: pl.Expr, rule: str, column: str, hint: str = "") -> None:
    """DataError naming the first row that offends, and how many more do; the rule begins with what the frame is."""
    bad = frame.filter(offends)
    if len(bad):
        row = bad.row(0, named=True)
        value = "null" if row[column] is None else row[column]
        raise DataError(
            describe(
                rule,
                symbol=row["symbol"],
                date=row.get("timestamp"),
                column=column,
                value=value,
                more=len(bad) - 1,
                hint=hint,
            )
        )


def refuse_unknown_symbols(frame: pl.DataFrame, what: str, symbols: Sequence[str]) -> None:
    """DataError for the first symbol that the panel does not have, with the one that may be meant."""
    refuse_where(frame, pl.col("symbol").is_null(), f"{what}: symbol must not be null", "symbol")
    unknown = frame.filter(~pl.col("symbol").is_in(list(symbols)))
    if len(unknown):
        row = unknown.row(0, named=True)
        told = describe(
            f"{what}: symbol must be one of the prices",
            symbol=row["symbol"],
            date=row.get("timestamp"),
            column="symbol",
            value=row["symbol"],
            more=len(unknown) - 1,
        )
        raise DataError(told + did_you_mean(row["symbol"], symbols))


def unusable(column: str, low: float, high: float = np.inf, open_low: bool = False) -> pl.Expr:
    """Whether a value that is given is NaN, infinite, or outside low .. high; with `open_low` low itself is outside."""
    value = pl.col(column)
    inside = value.is_finite() & (value > low if open_low else value >= low) & (value <= high)
    return value.is_not_null() & ~inside


def session_days(column: pl.Series, clock: Clock, what: str) -> pl.Series:
    """Dates in the unit of the session dates: Date, or bar numbers (Int64)."""
    name = column.name
    if clock.session_dates.dtype != pl.Date:
        if not column.dtype.is_integer():
            raise DataError(f"{what}: {name} must be a bar number, as the panel has no dates; it is {column.dtype}")
        return column.cast(pl.Int64)
    if isinstance(column.dtype, pl.Datetime):
        zone, ours = time_zone(column.dtype), time_zone(clock.timestamps.dtype)
        # Midnights are dates, whatever zone they are in.
        if zone is not None and zone != ours and bool((column.dt.time() != time()).any()):
            raise DataError(f"mixed timezones: {name} of {what} is in {zone}, the prices in {ours or 'none'}")
        return column.dt.date()
    if column.dtype == pl.Date:
        return column
    if not len(column):
        return pl.Series(name, [], dtype=pl.Date)
    raise _no_time(column, what)


def moments(column: pl.Series, clock: Clock, what: str) -> pl.Series:
    """Times in the kind of the labels: bar numbers, dates, or times that have a zone where the labels have one."""
    name, labels = column.name, clock.timestamps.dtype
    if labels.is_integer():
        return session_days(column, clock, what)
    if isinstance(column.dtype, pl.Datetime):
        zone, ours = time_zone(column.dtype), time_zone(labels)
        if (zone is None) != (ours is None):
            raise DataError(
                f"mixed timezones: {name} of {what} is in {zone or 'none'}, the prices in {ours or 'none'}; "
                f".dt.replace_time_zone says of which zone times are"
            )
        return column
    if column.dtype == pl.Date:
        return column
    if not len(column):
        return pl.Series(name, [], dtype=pl.Date)
    raise _no_time(column, what)


def _no_time(column: pl.Series, what: str) -> DataError:
    hint = f"{integers_as(column, column.name)}." if column.dtype.is_integer() else ""
    rule = f"{column.name} of {what} must be a Date or a Datetime"
    return DataError(describe(rule, value=f"of type {column.dtype}", hint=hint))


def assets_of(frame: pl.DataFrame, symbols: Sequence[str]) -> np.ndarray:
    """(n,) column of the panel of each row."""
    return frame["symbol"].cast(pl.Enum(list(symbols))).to_physical().cast(pl.Int64).to_numpy()
