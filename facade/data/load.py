"""Market data as a long frame with known names and dtypes, read in one lazy pass; prices are judged elsewhere."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from facade.data.clock import parse_bound, time_zone
from facade.data.names import ADJUSTED_CLOSE, FIELDS, PRICES, SYMBOL, TIME, find, plain, unread
from facade.data.sources import collect, open_source, schema_of
from facade.data.times import as_times, first_moment, integers_as, last_moment
from facade.errors import DataError, DataWarning, describe, listing

KEYS = ("timestamp", "symbol")
KNOWN = ("timestamp", "symbol", *PRICES, "volume", "session")


def load(
    source: Any,
    *,
    symbols: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    columns: Mapping[str, str | None] | None = None,
    extras: Iterable[str] = (),
    close_only: bool = False,
    symbol: str | None = None,
    text: bool = False,
) -> "Long":
    """Columns of the selected rows: timestamp, symbol (categorical), prices, perhaps volume and session, extras.

    Numeric columns are Float64. `symbols`, `start` and `end` (inclusive, compared with the labels in the source) are
    pushed into the scan. `columns` maps names of ours to names of the source (None: leave an optional column out).
    With `close_only`, open, high and low may be missing. `symbol`: of all rows, where no column has symbols. With
    `text`, times and numbers that are written as text, and times that are written as integers, are read.
    """
    frame, from_file = open_source(source, "prices", symbol)
    schema = schema_of(frame)
    names = resolve_names(schema, columns or {}, extras, close_only)
    converted = 0
    if text:
        rows = _read_text(collect(frame.select(list(dict.fromkeys(names.values())))), names)
        converted = rows.height if rows.schema != {name: schema[name] for name in rows.columns} else 0
        frame, left, schema = rows.lazy(), unread(schema, names.values()), rows.schema
    else:
        left = unread(schema, names.values())
    _check_dtypes(frame, schema, names)
    filters = _row_filters(schema, names, symbols, start, end)
    selected = {ours: _column(ours, schema[name], name).alias(ours) for ours, name in names.items()}
    # Each column of a file can be read on its own, which keeps the long form from ever being whole in memory; with a
    # filter that would read the keys again and again, and a lazy frame may be a computation.
    first = KEYS if from_file and not text and not filters else tuple(selected)
    rows = collect(frame.filter(*filters).select(selected[name] for name in first))
    if rows.is_empty():
        raise DataError("prices have no rows" + (" in the selection" if filters else ""))
    _check_keys(rows)
    return Long(rows, frame, selected, left, converted)


class Long:
    """Columns of equal length, handed out one by one; each can be taken once."""

    def __init__(
        self,
        rows: pl.DataFrame,
        scan: pl.LazyFrame | None = None,
        selected: Mapping[str, pl.Expr] | None = None,
        unread: tuple[str, ...] = (),
        converted: int = 0,
    ) -> None:
        """rows: columns in memory; selected: all columns, those not in `rows` being read from `scan` when taken.

        unread: columns of the source that tell of adjustment or actions, and that nobody asked for. converted: rows
        in which text was read.
        """
        self.unread, self.converted = unread, converted
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


def told_of(unread: tuple[str, ...], actions: Any) -> tuple[str, ...]:
    """Columns that say that the data knows more of splits and dividends than the panel does."""
    if not unread:
        return ()
    told = (
        f"{listing(unread)} of the prices {'is' if len(unread) == 1 else 'are'} not read: orders trade at open, high, "
        f"low and close as they are, splits and dividends are those given as actions"
    )
    if actions is None and any(plain(name) in map(plain, ADJUSTED_CLOSE) for name in unread):
        warnings.warn(f"{told} (none are)", DataWarning, stacklevel=3)
    return (told,)


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
    _refuse_wide(schema, columns)
    optional = {"volume", "session"} | ({"open", "high", "low"} if close_only else set())
    names: dict[str, str] = {}
    for ours in (*KNOWN, *extras):
        tried = (columns[ours] or "",) if ours in columns else FIELDS.get(ours, (ours,))
        found = next((name for name in tried if name in schema), None) if ours in columns else find(tried, schema)
        if found is not None:
            names[ours] = found
        elif ours not in optional or columns.get(ours) is not None:
            raise DataError(_missing(ours, tried, schema))
    _refuse_two_times(schema, names["timestamp"])
    return names


def _refuse_wide(schema: Mapping[str, pl.DataType], columns: Mapping[str, str | None]) -> None:
    """A frame with a column a symbol has no column that any field could be read from."""
    found = [name for name in PRICES if name in columns or find(FIELDS[name], schema) is not None]
    if "close" in found or len(found) > 1:  # a ticker may be called LOW
        return
    if not schema:
        raise DataError("prices have no columns")
    if any(name.startswith("('") for name in schema):
        raise DataError(
            f"prices have columns of two levels, written as text: {listing(schema, 3)}; give the pandas frame itself"
        )
    numbers = [name for name, dtype in schema.items() if dtype.is_numeric() and plain(name) not in TIME]
    if numbers and find(SYMBOL, schema) is None:
        when = find(TIME, schema) or "timestamp"
        raise DataError(
            f"prices have no column open, high, low or close; {listing(numbers)} look like symbols of a wide frame. "
            f"Prices are long, one row a (timestamp, symbol): a frame of closes is made long with "
            f".unpivot(index={when!r}, variable_name='symbol', value_name='close') and loaded with "
            f"repair='flat_from_close'; frames of open, high, low and close go to Panel.from_arrays"
        )


def _refuse_two_times(schema: Mapping[str, pl.DataType], name: str) -> None:
    """A date in one column and the time of day in another."""
    time = next((other for other in schema if plain(other) == "time" and other != name), None)
    if time is not None and plain(name) == "date" and (schema[time] == pl.Time or schema[time] == schema[name]):
        raise DataError(
            f"prices have dates in {name!r} and times of day in {time!r}; join them in one column, such as "
            f"pl.col({name!r}).dt.combine(pl.col({time!r}))"
        )


def _missing(ours: str, tried: Sequence[str], schema: Mapping[str, pl.DataType]) -> str:
    hint = f"Name it with columns={{{ours!r}: ...}}"
    if ours in ("open", "high", "low"):
        hint += ", or ask for repair='flat_from_close'"
    if ours == "symbol":
        hint += ", or give symbol='ABC' for prices of a single one"
    looked = " then ".join(map(repr, tried))
    rule = f"prices have no column for {ours!r}: looked for {looked} among {listing(schema, 12)}"
    return describe(rule, hint=hint + ".")


def _check_dtypes(frame: pl.LazyFrame, schema: Mapping[str, pl.DataType], names: Mapping[str, str]) -> None:
    for ours, name in names.items():
        dtype, hint = schema[name], ""
        if dtype == pl.Null:  # no value at all: judged by what is missing
            continue
        if ours == "timestamp":
            good = dtype == pl.Date or isinstance(dtype, pl.Datetime)
            wanted = "a Date or a Datetime"
            hint = "" if good else _how_to_read(frame, name, dtype)
        elif ours == "symbol":
            good = isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)) or dtype.is_integer()
            wanted = "text, categorical or enum"
        elif ours == "session":
            good = dtype.is_temporal() or dtype.is_integer() or isinstance(dtype, (pl.String, pl.Categorical, pl.Enum))
            wanted = "a Date, a number or text"
        else:
            good, wanted = dtype.is_numeric(), "a number"
            hint = "repair='text' reads numbers written as text." if dtype == pl.String else ""
        if not good:
            if not collect(frame.select(pl.len())).item():
                raise DataError("prices have no rows")
            raise DataError(describe(f"{ours} must be {wanted}", column=name, value=f"of type {dtype}", hint=hint))


def _how_to_read(frame: pl.LazyFrame, name: str, dtype: pl.DataType) -> str:
    """The way from what is no time to times."""
    if dtype.is_integer():
        column = collect(frame.select(name)).to_series()
        if not len(column):
            return ""
        way = integers_as(column, name)
        return f"{way}, or ask for repair='text'." if "reads as" in way else f"{way}; Panel.from_arrays numbers bars."
    return f"repair='text' reads ISO text; convert other text with pl.col({name!r}).str.to_datetime(format)."


def _read_text(rows: pl.DataFrame, names: Mapping[str, str]) -> pl.DataFrame:
    """Times and numbers of the columns that are written as text, and times written as integers (repair="text")."""
    for ours, name in names.items():
        column = rows[name]
        text = isinstance(column.dtype, (pl.String, pl.Categorical))
        if ours == "timestamp" and (text or column.dtype.is_numeric()):
            rows = rows.with_columns(as_times(column).alias(name))
        elif text and ours not in ("symbol", "session"):
            rows = rows.with_columns(_as_numbers(column.cast(pl.String)).alias(name))
    return rows


def _as_numbers(column: pl.Series) -> pl.Series:
    stripped = column.str.strip_chars()
    given = stripped.is_not_null() & (stripped.str.len_chars() > 0)
    numbers = stripped.cast(pl.Float64, strict=False)
    wrong = given & numbers.is_null()
    if bool(wrong.any()):
        at = int(wrong.arg_max() or 0)
        raise DataError(
            describe("text must be a number", column=column.name, value=f"{column[at]!r}", more=int(wrong.sum()) - 1)
        )
    return numbers


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
    """Conditions for a column of dates or times to lie within `start` and `end`, inclusive; a date is the whole day.

    In a zone whose clock skips a bound, as midnight on the day that summer begins, the moment of the change bounds;
    where the clock shows it twice, all of both is inside.
    """
    filters: list[pl.Expr] = []
    column = pl.col(name)
    first, last = parse_bound(start, "start"), parse_bound(end, "end")
    if first is not None:
        filters.append(column >= _literal(first, dtype, "start"))
    if last is not None:
        whole_day = not isinstance(last, datetime) and isinstance(dtype, pl.Datetime)
        if whole_day:
            filters.append(column < _literal(last + timedelta(days=1), dtype, "end"))
        elif _is_skipped(last, time_zone(dtype)):
            filters.append(column < _literal(last, dtype, "end"))
        else:
            filters.append(column <= _literal(last, dtype, "end", latest=True))
    return filters


def _is_skipped(bound: date | datetime, zone: str | None) -> bool:
    local = zone is not None and isinstance(bound, datetime) and bound.tzinfo is None
    return local and last_moment(bound, str(zone)) is None  # type: ignore[arg-type]


def _literal(bound: date | datetime, dtype: pl.DataType, name: str, latest: bool = False) -> pl.Expr:
    """A bound in the dtype of the timestamp column, so that the comparison reaches the scan."""
    aware = isinstance(bound, datetime) and bound.tzinfo is not None
    zone = time_zone(dtype)
    if aware and zone is None:
        raise DataError(f"mixed timezones: {name}={bound} has a time zone, the timestamps of the prices have none")
    if not isinstance(dtype, pl.Datetime):
        return pl.lit(bound.date() if isinstance(bound, datetime) else bound, dtype=pl.Date)
    if zone is not None:
        moment = bound if aware else last_moment(bound, zone) if latest and isinstance(bound, datetime) else None
        return pl.lit(moment or first_moment(bound, zone)).dt.convert_time_zone(zone).cast(dtype)
    naive = bound if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day)
    return pl.lit(naive, dtype=pl.Datetime(dtype.time_unit))


def _check_keys(long: pl.DataFrame) -> None:
    for name, other in (("timestamp", "symbol"), ("symbol", "timestamp")):
        nulls = long[name].null_count()
        if nulls:
            at = int(long[name].is_null().arg_max() or 0)
            seen = long[other][at]
            where: dict[str, Any] = {"symbol": seen} if other == "symbol" else {"date": seen}
            rule = f"{name} must not be null"
            raise DataError(describe(rule, **where, column=name, value=f"null in row {at}", more=nulls - 1))
