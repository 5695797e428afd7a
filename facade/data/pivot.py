"""Long rows to dense (T, A) arrays: one rank per key, one scatter per column, no pass per timestamp."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from facade.data.load import Long
from facade.data.memory import new_bars
from facade.errors import DataError, describe, listing

_CHUNK = 131_072  # rows


class Grid(NamedTuple):
    """timestamps: (T,) sorted; symbols: (A,); bars: (T, A, 4) float64 of `facade.data.memory.new_bars`; arrays: (T, A)
    float64 by name, NaN where no row is, prices as views of `bars`; session: (T,) or None."""

    timestamps: pl.Series
    symbols: tuple[str, ...]
    bars: np.ndarray
    arrays: dict[str, np.ndarray]
    session: pl.Series | None


def pivot(long: Long, symbols: Sequence[str] | None = None, keep_last: bool = False) -> tuple[Grid, int]:
    """Dense arrays of every column of `long` but timestamp, symbol and session, and the number of duplicates dropped.

    Rows may come in any order. Columns of the arrays are sorted by symbol, or follow `symbols` if given. The columns of
    `long` are taken out of it one by one as they are written.
    """
    times, tickers = long.take("timestamp"), long.take("symbol")
    labels = _distinct(times).sort()
    names, place = _symbol_places(tickers, symbols)
    shape = (len(labels), len(names))
    columns = [name for name in long.columns if name != "session"]
    refuse_too_large(*shape, len(columns))
    cells = _cells(times, tickers, labels, place)
    del times, tickers
    session = None
    if "session" in long.columns:
        session = _session_per_bar(long.take("session"), cells // shape[1], labels)
    increasing = bool(np.all(cells[1:] > cells[:-1]))
    duplicates = 0 if increasing else _count_duplicates(cells, shape, labels, names, keep_last)
    full = len(cells) - duplicates == shape[0] * shape[1]
    bars, prices = new_bars(*shape)
    arrays = {}
    for name in columns:
        arrays[name] = prices[name] if name in prices else np.empty(shape)
        _scatter(long.take(name), None if full and increasing else cells, arrays[name], full)
    return Grid(labels, names, bars, arrays, session), duplicates


def refuse_too_large(bars: int, assets: int, fields: int) -> None:
    """DataError when `fields` arrays of (bars, assets) float64 do not fit in memory; called before allocating."""
    needed = 8 * bars * assets * fields
    free = available_memory()
    if free is not None and needed > free:
        raise DataError(
            f"the panel is too large for memory: {bars:,} bars x {assets:,} symbols x {fields} columns need "
            f"{needed / 1e9:,.1f} GB, {free / 1e9:,.1f} GB are available; choose symbols=, start= or end="
        )


def available_memory() -> int | None:
    """Bytes that can be allocated now, or the physical memory where the system does not say more; None if unknown."""
    try:
        with open("/proc/meminfo", encoding="ascii") as info:
            for line in info:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    if sys.platform == "win32" or not hasattr(os, "sysconf"):
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        return None


def _cells(times: pl.Series, tickers: pl.Series, labels: pl.Series, place: np.ndarray) -> np.ndarray:
    """Flat cell, bar x A + column, of each row as int64.

    Chunk by chunk: whole-column intermediates cost 50 MB for 1.26 million rows, more than a third of the peak.
    """
    rank = _ranker(labels.to_physical().to_numpy())
    assets = int(place.max()) + 1
    cells = np.empty(len(times), dtype=np.int64)
    chunks = pl.DataFrame([times.to_physical().alias("time"), tickers.to_physical().alias("code")])
    for begin in range(0, len(cells), _CHUNK):
        part = chunks.slice(begin, _CHUNK)
        into = cells[begin : begin + _CHUNK]
        np.multiply(rank(part["time"].to_numpy()), assets, out=into)
        into += place[part["code"].to_numpy()]
    return cells


def _distinct(column: pl.Series) -> pl.Series:
    """Distinct values in no particular order; by chunks, because a hash table of all rows is as large as the column."""
    parts = [column.slice(begin, _CHUNK).unique() for begin in range(0, len(column), _CHUNK)]
    return pl.concat(parts).unique()


def _ranker(distinct: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Function from keys to their positions in the sorted `distinct`: a table where keys are spaced evenly enough."""
    first = np.int64(distinct[0])
    offsets = distinct.astype(np.int64) - first
    step = max(1, int(np.gcd.reduce(offsets)))
    span = int(offsets[-1]) // step + 1
    if span > max(64 * len(distinct), 65_536):
        return lambda keys: np.searchsorted(distinct, keys)
    table = np.zeros(span, dtype=np.int64)
    table[offsets // step] = np.arange(len(distinct))
    return lambda keys: table[(keys.astype(np.int64) - first) // step]


def _symbol_places(column: pl.Series, order: Sequence[str] | None) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the panel's columns, and the panel's column of each physical code."""
    codes = column.to_physical().to_numpy()
    # A row in which each code occurs; half the time of Series.unique().
    row = np.full(int(codes.max()) + 1, -1, dtype=np.int64)
    row[codes] = np.arange(len(codes))
    used = np.flatnonzero(row >= 0)
    found = column.gather(row[used]).cast(pl.String).to_list()
    if order is None:
        names = tuple(sorted(found))
    else:
        names = tuple(dict.fromkeys(str(name) for name in order))
        absent = sorted(set(names) - set(found))
        if absent:
            raise DataError(f"symbols= names {listing(absent)}, which the prices do not have in the selection")
    number = {name: column for column, name in enumerate(names)}
    place = np.zeros(len(row), dtype=np.int64)
    place[used] = [number[name] for name in found]
    return names, place


def _session_per_bar(column: pl.Series, rows: np.ndarray, timestamps: pl.Series) -> pl.Series:
    """The session of each bar; all rows of a bar must agree."""
    first = np.empty(len(timestamps), dtype=np.int64)
    first[rows] = np.arange(len(rows))
    per_bar = column.gather(first)
    differing = (column.ne_missing(per_bar.gather(rows))).to_numpy()
    if differing.any():
        at = int(np.argmax(differing))
        more = int(differing.sum()) - 1
        rule = "all symbols of a bar must be in the same session"
        raise DataError(describe(rule, date=timestamps[int(rows[at])], column="session", value=column[at], more=more))
    return per_bar


def _count_duplicates(
    cells: np.ndarray, shape: tuple[int, int], timestamps: pl.Series, names: tuple[str, ...], keep_last: bool
) -> int:
    seen = np.zeros(shape[0] * shape[1], dtype=bool)
    seen[cells] = True
    duplicates = len(cells) - int(np.count_nonzero(seen))
    if duplicates and not keep_last:
        ordered = np.sort(cells)
        bar, asset = divmod(int(ordered[1:][ordered[1:] == ordered[:-1]][0]), shape[1])
        raise DataError(
            describe(
                "(timestamp, symbol) must be unique",
                symbol=names[asset],
                date=timestamps[bar],
                more=duplicates - 1,
                hint="repair='keep_last' keeps the last row of each.",
            )
        )
    return duplicates


def _scatter(column: pl.Series, cells: np.ndarray | None, dense: np.ndarray, full: bool) -> None:
    """Write one column into its (T, A) array, chunk by chunk; `cells` None: rows are in dense order already."""
    if not full:
        dense.fill(np.nan)
    flat = dense.reshape(-1)  # a view: the cells of an array or of bars are evenly spaced
    done = 0
    for chunk in column.get_chunks():
        values = chunk.to_numpy()  # null becomes NaN
        place = slice(done, done + len(values)) if cells is None else cells[done : done + len(values)]
        flat[place] = values
        done += len(values)
