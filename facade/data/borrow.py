"""What can be borrowed to be sold short, and at which fee, from a session on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import Clock, bar_dates
from facade.data.dated import (
    EVERYONE,
    assets_of,
    need,
    read_frame,
    refuse_unknown_symbols,
    refuse_where,
    session_days,
    unusable,
)
from facade.data.names import BORROW as NAMES
from facade.errors import DataError, listing
from ml4t_kernel.schema import BORROW

MOST = 10.0
"""Largest annual fee, a fraction: what is hard to borrow costs more than 100 percent a year, but hardly 1,000."""
_WHAT = "borrow"


class Borrow(NamedTuple):
    """frame: symbol, timestamp, available, fee of what is in force; rows: (B,) BORROW; after: rows after the panel."""

    frame: pl.DataFrame | None
    rows: np.ndarray
    after: int = 0


def read_borrow(source: Any, clock: Clock, symbols: tuple[str, ...], actions: pl.DataFrame, selection: bool) -> Borrow:
    """Rows of a source, checked against the panel and mapped to its bars; see `in_force`.

    The rows of "*" are of each symbol that has no row of its own in the source, whenever that is, and are written out
    for it. actions: those in force, whose splits restate `available`. With `selection`, rows of symbols outside the
    panel are left out, because the caller selected symbols; otherwise they are an error.
    """
    if source is None:
        return Borrow(None, np.zeros(0, BORROW))
    frame = read_frame(source, _WHAT, NAMES, ("symbol",), symbols[0] if len(symbols) == 1 else None)
    need(frame, _WHAT, ("symbol", "timestamp"))
    absent = [name for name in ("available", "fee") if name not in frame.columns]
    if len(absent) == 2:
        raise DataError(f"{_WHAT}: no column for 'available' and none for 'fee'; got {listing(frame.columns)}")
    frame = frame.with_columns(
        session_days(frame["timestamp"], clock, _WHAT), *(pl.lit(None, pl.Float64).alias(name) for name in absent)
    ).select(*NAMES)
    if selection:
        frame = frame.filter(pl.col("symbol").is_null() | pl.col("symbol").is_in([*symbols, EVERYONE]))
    _check(frame, symbols)
    return in_force(_written_out(frame, symbols), clock, symbols, actions)


def _check(frame: pl.DataFrame, symbols: tuple[str, ...]) -> None:
    refuse_unknown_symbols(frame, _WHAT, (*symbols, EVERYONE))
    refuse_where(frame, pl.col("timestamp").is_null(), f"{_WHAT}: timestamp must not be null", "timestamp")
    rule = f"{_WHAT}: available must be at least 0 and finite, in shares"
    refuse_where(frame, unusable("available", 0), rule, "available", "Null is no limit.")
    refuse_where(frame, unusable("fee", 0), f"{_WHAT}: fee must be at least 0 and finite", "fee")
    rule = f"{_WHAT}: fee must be at most {MOST:g}, an annual fraction"
    refuse_where(frame, pl.col("fee") > MOST, rule, "fee", "In percent? 3 percent a year is 0.03.")
    repeated = ~pl.struct("symbol", "timestamp").is_first_distinct()
    refuse_where(frame, repeated, f"{_WHAT}: a row must be unique in (symbol, date)", "timestamp")


def _written_out(frame: pl.DataFrame, symbols: tuple[str, ...]) -> pl.DataFrame:
    own = frame.filter(pl.col("symbol") != EVERYONE)
    everyone = frame.filter(pl.col("symbol") == EVERYONE).drop("symbol")
    named = set(own["symbol"])
    others = pl.DataFrame({"symbol": [name for name in symbols if name not in named]}, schema={"symbol": pl.String})
    return pl.concat([own, others.join(everyone, how="cross").select(own.columns)])


def in_force(frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...], actions: pl.DataFrame) -> Borrow:
    """What is in force on the bars of a clock, of the rows of its symbols.

    A row holds from the first bar whose session date is at or after its date until the next row of its symbol. Of
    those up to the first session the last one holds from the first bar; rows after the last session are dropped and
    counted.
    """
    dates = bar_dates(clock.sessions, clock.session_dates)
    frame = frame.sort("timestamp", "symbol")
    late = frame["timestamp"].to_physical().cast(pl.Int64).to_numpy() > dates[-1]
    frame = frame.filter(pl.Series(~late))
    early = pl.col("timestamp").to_physical() <= int(dates[0])
    first = frame.filter(early).unique("symbol", keep="last", maintain_order=True)
    frame = pl.concat([first, frame.filter(~early)])
    rows = _rows(frame, dates, symbols, actions)
    rows.flags.writeable = False
    return Borrow(frame, rows, int(late.sum()))


def cut(
    frame: pl.DataFrame, clock: Clock, symbols: tuple[str, ...], earlier: pl.DataFrame, actions: pl.DataFrame
) -> Borrow:
    """The rows in force of a part of a panel, as they were in force in the whole.

    clock, symbols, actions: of the part; earlier: actions of the whole, whose splits before the part's first session
    have restated what was available then.
    """
    found = in_force(frame.filter(pl.col("symbol").is_in(list(symbols))), clock, symbols, actions)
    assert found.frame is not None
    begin = int(bar_dates(clock.sessions[:1], clock.session_dates)[0])
    split = (pl.col("kind") == "split") & (pl.col("ex_date").to_physical() < begin)
    past = earlier.filter(split, pl.col("symbol").is_in(list(symbols)))
    held = found.frame["timestamp"].to_physical().cast(pl.Int64).to_numpy() < begin
    if not held.any() or not len(past):
        return found
    available = found.frame["available"].to_list()
    place = {found.frame["symbol"][int(row)]: int(row) for row in np.flatnonzero(held)}
    for symbol, date, ratio in past.select("symbol", "ex_date", "value").iter_rows():
        row = place.get(symbol)
        if row is not None and available[row] is not None and found.frame["timestamp"][row] < date:
            available[row] *= ratio
    restated = found.frame.with_columns(pl.Series("available", available, dtype=pl.Float64))
    return in_force(restated, clock, symbols, actions)._replace(after=found.after)


def _rows(frame: pl.DataFrame, dates: np.ndarray, symbols: tuple[str, ...], actions: pl.DataFrame) -> np.ndarray:
    """(B,) BORROW sorted by bar and asset, one of each; dates: (T,) session date of each bar.

    A split restates what was available on a day before its ex-date, with a row of its own on its bar.
    """
    days = frame["timestamp"].to_physical().cast(pl.Int64).to_numpy()
    rows = np.zeros(len(frame), BORROW)
    rows["asset"] = assets_of(frame, symbols)
    rows["bar"] = np.searchsorted(dates, days)
    rows["available"] = frame["available"].fill_null(float("inf")).to_numpy()
    rows["fee"] = frame["fee"].fill_null(float("nan")).to_numpy()
    order = np.lexsort((days, rows["asset"]))
    rows, days = rows[order], days[order]
    # Of several rows that would hold from one bar on the last one does.
    last = np.ones(len(rows), bool)
    last[:-1] = (rows["asset"][1:] != rows["asset"][:-1]) | (rows["bar"][1:] != rows["bar"][:-1])
    rows, days = rows[last], days[last]
    rows = np.concatenate([rows, _restated(rows, days, dates, symbols, actions)])
    # Stable: a split on the bar of a row comes after it.
    rows = rows[np.lexsort((rows["asset"], rows["bar"]))]
    last = np.ones(len(rows), bool)
    last[:-1] = (rows["asset"][1:] != rows["asset"][:-1]) | (rows["bar"][1:] != rows["bar"][:-1])
    return rows[last]


def _restated(
    rows: np.ndarray, days: np.ndarray, dates: np.ndarray, symbols: tuple[str, ...], actions: pl.DataFrame
) -> np.ndarray:
    """(n,) BORROW of splits, in their order; rows: sorted by asset and bar, days: (B,) dates of them."""
    place = {name: number for number, name in enumerate(symbols)}
    ratios: dict[int, float] = {}
    made = []
    splits = actions.filter(pl.col("kind") == "split").with_columns(pl.col("ex_date").to_physical().cast(pl.Int64))
    for symbol, date, ratio in splits.sort("ex_date").select("symbol", "ex_date", "value").iter_rows():
        asset = place[symbol]
        begin, end = np.searchsorted(rows["asset"], (asset, asset + 1))
        at = int(begin + np.searchsorted(days[begin:end], date)) - 1  # the last one of a day before
        bar = int(np.searchsorted(dates, date))
        followed = at + 1 < end and rows["bar"][at + 1] <= bar
        if at < begin or followed or rows["available"][at] == np.inf:
            continue
        ratios[at] = ratios.get(at, 1.0) * ratio
        made.append((rows["available"][at] * ratios[at], rows["fee"][at], bar, asset))
    return np.array(made, BORROW)
