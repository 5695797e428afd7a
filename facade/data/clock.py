"""The time axis of a panel: bar ends, sessions, bars a year (contract clauses 0.1 and 1.7).

Bars are labelled with a Date, a Datetime (naive or zoned), or a bar number when there are no timestamps at all.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.errors import DataError, describe

TRADING_DAYS = 252.0
DAYS_A_YEAR = 365.2425
WEEKS_A_YEAR = 51  # whole weeks between the first and the last session of a calendar year
_TICKS_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
# Bars at least this long (in days) are dated by their label. Less than a whole day, because daily closes of a zoned
# market are 23 hours apart when the clocks change.
_DAILY = 20 / 24


class Clock(NamedTuple):
    """timestamps: (T,) bar ends; sessions: (T,) int32; session_dates: (S,) Date, or bar numbers; bars a year.

    begins: (T,) labels of the data where these are the begins of bars and were moved; None: timestamps are the labels.
    """

    timestamps: pl.Series
    sessions: np.ndarray
    session_dates: pl.Series
    periods_per_year: float
    begins: pl.Series | None = None


def make_clock(timestamps: pl.Series, bar_label: str = "close", session: pl.Series | None = None) -> Clock:
    """Clock of strictly increasing bar labels; `session` is the given session of each bar, if any.

    A session is the date, in the zone of the labels, on which a bar begins. For labels at the close the beginning is
    the label less the most common spacing, for bars shorter than a day; longer bars are dated by their label.
    """
    if bar_label not in ("close", "open"):
        raise DataError(describe("bar_label must be 'close' or 'open'", value=repr(bar_label)))
    if timestamps.dtype.is_integer():
        sessions, dates = _group(session, timestamps) if session is not None else (None, timestamps)
        numbers = np.arange(len(timestamps), dtype=np.int32) if sessions is None else sessions
        return Clock(timestamps, numbers, dates, TRADING_DAYS)
    begins = timestamps if bar_label == "open" else _begins(timestamps)
    # Where clocks are set back over midnight a date comes again: its bars are those of the session that has begun.
    begin_dates = begins if begins.dtype == pl.Date else begins.dt.date().cum_max()
    sessions, dates = _group(begin_dates if session is None else session, begin_dates)
    moved = bar_label == "open" and timestamps.dtype != pl.Date
    ends = _ends(timestamps) if moved else timestamps
    return Clock(ends, sessions, dates, periods_per_year(sessions, dates), timestamps if moved else None)


def bar_dates(clock_sessions: np.ndarray, session_dates: pl.Series) -> np.ndarray:
    """(T,) session date of each bar as integers: days since 1970, or bar numbers."""
    return session_dates.to_physical().cast(pl.Int64).to_numpy()[clock_sessions]


def periods_per_year(sessions: np.ndarray, session_dates: pl.Series) -> float:
    """Bars a year: bars a session x sessions a year, both counted.

    Sessions a year are those within the last whole weeks of the span, over their days, if the span is a year or more.
    Where that comes within 2.5 percent of 252, or 1 percent of 365, it is that. In a shorter span a few holidays more
    or less would tell: there the weekdays that have a session on at least every second date count, five of them as
    252 sessions, seven as 365, others as so many of 7 x 365.2425. Less than a week is taken for a week of five days
    unless it has more. Sessions that are five days or more apart are weekly, monthly, quarterly or yearly bars: 52, 12,
    4, 1, or whatever their mean distance says.

    Bars a session are the mean over the whole weeks between the first session and the last, which may be cut off;
    within less than a week of them the median, the larger of two. Panels without dates have 252 bars a year.
    """
    if not session_dates.dtype.is_temporal():
        return TRADING_DAYS
    days = session_dates.to_physical().cast(pl.Int64).to_numpy()
    return bars_a_session(np.bincount(sessions), days) * sessions_a_year(days)


def sessions_a_year(days: np.ndarray) -> float:
    """Of (S,) ascending days since 1970; see `periods_per_year`."""
    if len(days) < 2:
        return TRADING_DAYS
    span = int(days[-1] - days[0])
    distance = float(np.median(np.diff(days)))
    if distance >= 5:
        for low, high, rate in ((5, 9, 52.0), (25, 35, 12.0), (80, 100, 4.0), (350, 380, 1.0)):
            if low <= distance <= high:
                return rate
        return DAYS_A_YEAR * (len(days) - 1) / span
    weeks = span // 7
    if weeks < WEEKS_A_YEAR:
        return _of_a_pattern(days, span)
    counted = np.count_nonzero(days > days[-1] - 7 * weeks) / (7 * weeks) * DAYS_A_YEAR
    for usual, near in ((TRADING_DAYS, 0.025), (365.0, 0.01)):
        if abs(counted / usual - 1.0) <= near:
            return usual
    return float(counted)


def _of_a_pattern(days: np.ndarray, span: int) -> float:
    """Sessions a year of a stretch of less than a year, by the days of its weeks."""
    seen = np.bincount(days % 7, minlength=7)
    every = np.bincount((days[0] + np.arange(span + 1)) % 7, minlength=7)
    weekly = int(np.count_nonzero((2 * seen >= every) & (seen > 0)))
    if span < 7:
        weekly = max(weekly, 5)
    return {5: TRADING_DAYS, 7: 365.0}.get(weekly, weekly / 7 * DAYS_A_YEAR)


def bars_a_session(bars: np.ndarray, days: np.ndarray) -> float:
    """Of (S,) bars of each session and its day; see `periods_per_year`."""
    if not len(days):
        return 1.0
    weeks = (days[-1] - 1 - days[0]) // 7
    inside = (days < days[-1]) & (days >= days[-1] - 7 * weeks)
    return float(bars[inside].mean() if weeks > 0 and inside.any() else np.sort(bars)[len(bars) // 2])


def calendar_years(timestamps: pl.Series) -> float | None:
    """Years of 365.2425 days from the first label to the last; None where bars are numbered, or of no bar."""
    if not timestamps.dtype.is_temporal() or not len(timestamps):
        return None
    first, last = timestamps.to_physical()[0], timestamps.to_physical()[-1]
    ticks = _TICKS_PER_DAY[timestamps.dtype.time_unit] if isinstance(timestamps.dtype, pl.Datetime) else 1
    return float((last - first) / ticks / DAYS_A_YEAR)


def days_since_first(timestamps: pl.Series) -> np.ndarray | None:
    """(T,) float64 days from the first label to each; None where bars are numbered."""
    if not timestamps.dtype.is_temporal():
        return None
    ticks = _TICKS_PER_DAY[timestamps.dtype.time_unit] if isinstance(timestamps.dtype, pl.Datetime) else 1
    numbers = timestamps.to_physical().cast(pl.Int64).to_numpy()
    days: np.ndarray = (numbers - numbers[:1]) / ticks
    return days


def to_timestamps(values: Any, bars: int) -> pl.Series:
    """Labels given with arrays: None (bar numbers), or a sequence, numpy array or Series of T increasing labels."""
    if values is None:
        return pl.Series("timestamp", np.arange(bars, dtype=np.int64))
    try:
        series = values if isinstance(values, pl.Series) else pl.Series(values=values, strict=True)
        series = _days_to_date(series, values).alias("timestamp")
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"timestamps cannot be read: {error}") from error
    if not (series.dtype == pl.Date or isinstance(series.dtype, pl.Datetime) or series.dtype.is_integer()):
        raise DataError(f"timestamps must be dates, datetimes or bar numbers, not {series.dtype}")
    if len(series) != bars:
        raise DataError(f"timestamps must be one a bar: {len(series):,} given for {bars:,} bars")
    if series.null_count():
        raise DataError(describe("timestamps must not be null", value=f"null at bar {series.is_null().arg_max()}"))
    falls = np.flatnonzero(np.diff(series.to_physical().cast(pl.Int64).to_numpy()) <= 0)
    if len(falls):
        at = int(falls[0]) + 1
        rule = "timestamps must increase from bar to bar"
        raise DataError(describe(rule, date=f"bar {at}", value=series[at], more=len(falls) - 1))
    return series


def parse_bound(value: Any, name: str) -> date | datetime | None:
    """`start` or `end` as a date or datetime; ISO strings are read."""
    if value is None or isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
        except ValueError as error:
            raise DataError(f"{name}={value!r} is not an ISO date or datetime") from error
    if isinstance(value, np.datetime64):
        return parse_bound(str(value)[:26], name)
    raise DataError(f"{name} must be a date, a datetime or an ISO string, not {type(value).__name__}")


def time_zone(dtype: pl.DataType) -> str | None:
    """Time zone of a timestamp dtype; None for dates, naive datetimes and bar numbers."""
    return dtype.time_zone if isinstance(dtype, pl.Datetime) else None


def _days_to_date(series: pl.Series, values: Any) -> pl.Series:
    """numpy days arrive as datetimes or dates depending on the version of Polars; they are dates."""
    return series.cast(pl.Date) if getattr(values, "dtype", None) == np.dtype("datetime64[D]") else series


def _spacing(timestamps: pl.Series) -> int | None:
    """Most common distance of neighbouring labels, in ticks; the smallest of equals; None for one bar."""
    gaps = np.diff(timestamps.to_physical().cast(pl.Int64).to_numpy())
    if not len(gaps):
        return None
    values, counts = np.unique(gaps, return_counts=True)
    return int(values[np.argmax(counts)])


def _begins(timestamps: pl.Series) -> pl.Series:
    dtype = timestamps.dtype
    if not isinstance(dtype, pl.Datetime):
        return timestamps
    spacing = _spacing(timestamps)
    if spacing is None or spacing >= _DAILY * _TICKS_PER_DAY[dtype.time_unit]:
        return timestamps
    return timestamps - pl.Series([spacing], dtype=pl.Duration(dtype.time_unit))


def _ends(timestamps: pl.Series) -> pl.Series:
    """Labels moved by one bar, never past the next label. A Date names its whole session and stays."""
    dtype = timestamps.dtype
    spacing = _spacing(timestamps)
    if not isinstance(dtype, pl.Datetime):
        return timestamps
    if spacing is None:
        raise DataError("bar_label='open' needs at least two bars to know how long a bar is")
    days, rest = divmod(spacing, _TICKS_PER_DAY[dtype.time_unit])
    if rest == 0:  # calendar days, which have 23 to 25 hours where clocks change
        moved = _days_later(timestamps, days)
    else:
        moved = timestamps + pl.Series([spacing], dtype=pl.Duration(dtype.time_unit))
    following = timestamps.shift(-1)
    frame = pl.DataFrame({"moved": moved, "next": following})
    return frame.select(pl.min_horizontal("moved", "next").alias(timestamps.name)).to_series()


def _days_later(timestamps: pl.Series, days: int) -> pl.Series:
    """The same time of day that many days later; where the clock skips it, that many times 24 hours later."""
    zone = time_zone(timestamps.dtype)
    if zone is None:
        return timestamps.dt.offset_by(f"{days}d")
    local = timestamps.dt.replace_time_zone(None).dt.offset_by(f"{days}d")
    moved = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return moved.fill_null(timestamps.dt.offset_by(f"{24 * days}h"))


def _group(session: pl.Series, begin_dates: pl.Series) -> tuple[np.ndarray, pl.Series]:
    """Session number of each bar, and the date of each session: its own if it is one, else that of its first bar."""
    if isinstance(session.dtype, pl.Datetime):
        session = session.dt.date()
    if session.null_count():
        at = int(session.is_null().arg_max() or 0)
        raise DataError(describe("session must not be null", date=begin_dates[at], column="session"))
    starts = session.ne_missing(session.shift(1)).to_numpy()
    first = np.flatnonzero(starts)
    runs = session.gather(first)
    ordered = session.dtype == pl.Date or session.dtype.is_integer()
    broken = np.flatnonzero(~runs.is_first_distinct().to_numpy())
    if ordered:
        broken = np.flatnonzero((runs < runs.shift(1)).fill_null(False).to_numpy())
    if len(broken):
        at = int(first[broken[0]])
        again = not bool(runs.is_first_distinct()[int(broken[0])])
        raise DataError(
            describe(
                "the bars of a session must be consecutive" if again else "sessions must not fall from bar to bar",
                date=begin_dates[at],
                column="session",
                value=session[at],
                more=len(broken) - 1,
                hint="Leave the column out with columns={'session': None} if it means something else.",
            )
        )
    dates = runs if session.dtype == pl.Date else begin_dates.gather(first)
    return (np.cumsum(starts) - 1).astype(np.int32), dates.alias("session")


def session_values(values: Sequence[Any] | np.ndarray | pl.Series | None, bars: int) -> pl.Series | None:
    """Sessions given with arrays, one a bar."""
    if values is None:
        return None
    series = values if isinstance(values, pl.Series) else pl.Series("session", values)
    if len(series) != bars:
        raise DataError(f"sessions must be one a bar: {len(series):,} given for {bars:,} bars")
    return _days_to_date(series, values)
