"""Times that are not written as times: text, YYYYMMDD, counts since 1970; and dates at the clock of a zone."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import polars as pl

from facade.errors import DataError, describe

# Values of the years 1973 to 2286 in each unit; what lies between two ranges is ambiguous or no time.
_RANGES = {"s": (10**8, 10**10), "ms": (10**11, 10**13), "us": (10**14, 10**16), "ns": (10**17, 10**19)}
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_DAYS = (19_000_101, 21_991_231)
_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f")


def unit_of(numbers: pl.Series) -> str | None:
    """What all of these integers count: "s", "ms", "us", "ns" since 1970, "date" for YYYYMMDD, None for none of these.

    >>> unit_of(pl.Series([1_606_715_820_000])), unit_of(pl.Series([20200102])), unit_of(pl.Series([7]))
    ('ms', 'date', None)
    """
    least, most = numbers.min(), numbers.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return None
    if _DAYS[0] <= least and most <= _DAYS[1]:
        return "date"
    return next((unit for unit, (low, high) in _RANGES.items() if low <= least and most < high), None)


def integers_as(numbers: pl.Series, name: str) -> str:
    """What integers in a column of times read as, and how to convert them."""
    unit, known = unit_of(numbers), numbers.drop_nulls()
    first: Any = known[0] if len(known) else None
    if unit == "date":
        return (
            f"{first} reads as a date written YYYYMMDD; convert it with "
            f"pl.col({name!r}).cast(pl.String).str.to_date('%Y%m%d')"
        )
    if unit is not None:
        return f"{first} reads as {_WORDS[unit]} since 1970; convert it with pl.from_epoch(pl.col({name!r}), {unit!r})"
    return f"{first} is no date and no time since 1970 of a known unit; pl.from_epoch(pl.col({name!r}), unit) converts"


def as_times(column: pl.Series, what: str = "prices") -> pl.Series:
    """Times of a column of text (ISO or YYYYMMDD) or integers (YYYYMMDD, or s to ns since 1970, which are UTC).

    Text with an offset from UTC becomes UTC, or dates where each is midnight at its offset. DataError for other text.
    """
    if column.dtype.is_integer() or column.dtype.is_float():
        return _from_numbers(column.cast(pl.Int64), what)
    text = column.cast(pl.String).str.strip_chars()
    if len(text.drop_nulls()) and bool(text.drop_nulls().str.contains(r"^\d+$").all()):
        return _from_numbers(text.cast(pl.Int64).alias(column.name), what)
    plain = text.str.replace("T", " ").str.replace(r"Z$", "+00:00")
    if bool(plain.str.contains(r"[+-]\d\d:?\d\d$").any()):
        return _with_offsets(plain, column, what)
    for pattern in _FORMATS:
        parsed = _parsed(plain, pattern)
        if parsed is not None:
            return parsed
    raise _unreadable(column, plain, what)


def _parsed(text: pl.Series, pattern: str) -> pl.Series | None:
    kind: Any = pl.Date if pattern == _FORMATS[0] else pl.Datetime("us")
    parsed = text.str.strptime(kind, pattern, strict=False)
    return parsed if parsed.null_count() == text.null_count() else None


def _from_numbers(numbers: pl.Series, what: str) -> pl.Series:
    unit: Any = unit_of(numbers)
    if unit is None:
        raise DataError(f"{what}: column {numbers.name!r}: {integers_as(numbers, numbers.name)}")
    if unit != "date":
        return pl.from_epoch(numbers, unit).dt.replace_time_zone("UTC").alias(numbers.name)
    days = numbers.cast(pl.String).str.to_date("%Y%m%d", strict=False)
    if days.null_count() > numbers.null_count():
        raise _unreadable(numbers, numbers.cast(pl.String), what)
    return days


def _with_offsets(text: pl.Series, column: pl.Series, what: str) -> pl.Series:
    local = text.str.replace(r"[+-]\d\d:?\d\d$", "")
    if bool(local.str.contains(r" 00:00(:00(\.0+)?)?$").all()):
        days = local.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if days.null_count() == text.null_count():
            return days
    for pattern in _FORMATS[1:]:
        parsed = text.str.strptime(pl.Datetime("us", "UTC"), f"{pattern}%z", strict=False)
        if parsed.null_count() == text.null_count():
            return parsed
    raise _unreadable(column, text, what)


def _unreadable(column: pl.Series, text: pl.Series, what: str) -> DataError:
    """The first value that is no ISO date or time."""
    good = text.str.contains(r"^\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d(\.\d+)?)?)?([+-]\d\d:?\d\d)?$").fill_null(True)
    at = int((~good).arg_max() or 0) if not bool(good.all()) else 0
    rule = f"{what}: text must be ISO dates or times, all in one form"
    hint = "Convert others with .str.to_date(format) or .str.to_datetime(format)."
    return DataError(describe(rule, column=column.name, value=f"{column[at]!r} in row {at}", hint=hint))


# Zones ---------------------------------------------------------------------------------------------------------------


def first_moment(local: date | datetime, zone: str) -> datetime:
    """The first moment, in UTC, at which the clock of a zone shows `local` or later.

    Midnight may be skipped when clocks change (then: the moment of the change), or come twice (then: the first).

    >>> first_moment(date(2018, 11, 4), "America/Sao_Paulo").isoformat()
    '2018-11-04T03:00:00+00:00'
    """
    wanted = local if isinstance(local, datetime) else datetime(local.year, local.month, local.day)
    shown = _moment(wanted, zone, "earliest")
    if shown is not None:
        return shown
    # The clock jumps over it, at a full minute, within two days: Samoa once left out a whole one.
    start = datetime(wanted.year, wanted.month, wanted.day) - timedelta(days=2)
    minutes = pl.datetime_range(start, start + timedelta(days=5), "1m", time_zone="UTC", eager=True)
    clock = minutes.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return _utc(minutes.gather([int((clock >= wanted).arg_max() or 0)]))


def last_moment(local: datetime, zone: str) -> datetime | None:
    """The last moment, in UTC, at which the clock of a zone shows `local`; None when it never does."""
    return _moment(local, zone, "latest")


def _moment(local: datetime, zone: str, ambiguous: Literal["earliest", "latest"]) -> datetime | None:
    """The moment at which the clock shows `local`; None where it jumps over it."""
    shown = pl.Series([local], dtype=pl.Datetime("us"))
    moment = shown.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    return None if moment.null_count() else _utc(moment)


def _utc(moment: pl.Series) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(moment.to_physical()[0]))
