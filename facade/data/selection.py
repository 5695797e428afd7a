"""Some symbols and a stretch of time of a panel, as `load_panel` would have loaded them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import polars as pl

from facade.data.clock import Clock, periods_per_year
from facade.data.load import time_filters
from facade.data.memory import columns_of
from facade.errors import DataError, listing
from facade.wording import did_you_mean

T = TypeVar("T")
BLOCK = 64  # bars looked at together, where the first few nearly always tell


class Prices(Protocol):
    """What is read here of a `Panel`, whose file is above this one."""

    @property
    def timestamps(self) -> pl.Series: ...
    @property
    def begins(self) -> pl.Series | None: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def sessions(self) -> np.ndarray: ...
    @property
    def session_dates(self) -> pl.Series: ...
    @property
    def close(self) -> np.ndarray: ...
    @property
    def volume(self) -> np.ndarray: ...
    @property
    def has_volume(self) -> bool: ...
    @property
    def periods_per_year(self) -> float: ...
    def derived(self, name: str, build: Callable[[], T], of: Hashable = None) -> T: ...


class Selection(NamedTuple):
    """bars: a slice of the panel's bars, or (T',) int64, ascending; assets: (A',) int64 columns, None: all of them."""

    bars: slice | np.ndarray
    assets: np.ndarray | None

    def cut(self, array: np.ndarray) -> np.ndarray:
        """The cells of a (T, A, ...) array: a view where all columns of a stretch of bars are selected, else a copy."""
        rows = array[self.bars]
        return rows if self.assets is None else columns_of(rows, self.assets)

    def numbers(self, assets: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the bars and of the columns, of a panel of so many."""
        bars = self.bars
        columns = np.arange(assets) if self.assets is None else self.assets
        return (np.arange(bars.start, bars.stop) if isinstance(bars, slice) else bars), columns


def locate(panel: Prices, symbols: Sequence[str] | None = None, start: Any = None, end: Any = None) -> Selection:
    """Bars and columns of a selection; DataError where it names an unknown symbol, or holds no bar."""
    assets = None if symbols is None else _columns(panel, symbols)
    first, last = _stretch(panel.timestamps, start, end)
    if first == last:
        raise DataError(
            f"prices have no bar in the selection: start={start}, end={end}, but the bars are "
            f"{panel.timestamps[0]} to {panel.timestamps[-1]}"
        )
    found = Selection(slice(first, last), assets)
    if assets is not None:
        bars = _bars_of(panel, first, last, assets)
        if bars is not None:
            found = Selection(bars, assets)
    if not _any_number(panel.close, found):
        raise DataError("prices have no bar in the selection: every close is missing")
    return found


def _columns(panel: Prices, symbols: Sequence[str]) -> np.ndarray | None:
    """(A',) int64; None for all columns in their order."""
    if isinstance(symbols, str):
        raise DataError(f"symbols must be a list of symbols: [{symbols!r}]")
    names = tuple(dict.fromkeys(str(name) for name in symbols))
    if not names:
        raise DataError("symbols must name at least one symbol")
    place = {name: column for column, name in enumerate(panel.symbols)}
    absent = [name for name in names if name not in place]
    if absent:
        raise DataError(
            f"symbols= names {listing(absent)}, which the prices do not have{did_you_mean(absent[0], panel.symbols)}"
        )
    return None if names == panel.symbols else np.array([place[name] for name in names], np.int64)


def _stretch(timestamps: pl.Series, start: Any, end: Any) -> tuple[int, int]:
    """First bar from `start` on, and the bar after the last up to `end`."""
    if start is None and end is None:
        return 0, len(timestamps)
    if timestamps.dtype.is_integer():
        filters = [_bar_number(name, value) for name, value in (("start", start), ("end", end)) if value is not None]
    else:
        filters = time_filters(timestamps.dtype, timestamps.name, start, end)
    inside = timestamps.to_frame().select(pl.all_horizontal(filters)).to_series().to_numpy()
    bars = np.flatnonzero(inside)
    return (int(bars[0]), int(bars[-1]) + 1) if len(bars) else (0, 0)


def _bar_number(name: str, value: Any) -> pl.Expr:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DataError(f"{name}={value!r} must be a bar number, as the panel has no dates")
    number = pl.first()
    return number >= int(value) if name == "start" else number <= int(value)


def _bars_of(panel: Prices, first: int, last: int, assets: np.ndarray) -> np.ndarray | None:
    """(T',) bars without those on which only other columns trade; None: all of first .. last - 1.

    Without the other symbols those timestamps would not be in the data; a bar that nobody trades was given as one.
    """
    traded = panel.derived("traded bars", lambda: (~np.isnan(panel.close)).any(axis=1))
    keep = (~np.isnan(panel.close[first:last, assets])).any(axis=1) | ~traded[first:last]
    return None if keep.all() else first + np.flatnonzero(keep)


def has_volume(panel: Prices, selection: Selection) -> bool:
    """Whether any bar of the selection has a volume."""
    return panel.has_volume and _any_number(panel.volume, selection)


def _any_number(array: np.ndarray, selection: Selection) -> bool:
    """Whether any selected cell of (T, A) values is not NaN."""
    return any(not np.isnan(block).all() for block in _blocks(array, selection))


def _blocks(array: np.ndarray, selection: Selection) -> Iterator[np.ndarray]:
    bars = selection.bars
    rows = np.arange(bars.start, bars.stop) if isinstance(bars, slice) else bars
    for begin in range(0, len(rows), BLOCK):
        part = array[rows[begin : begin + BLOCK]]
        yield part if selection.assets is None else part[:, selection.assets]


def clock_of(panel: Prices, selection: Selection) -> Clock:
    """Clock of the selected bars: sessions are numbered anew and keep their dates; see `_bars_a_year`."""
    bars = selection.bars
    timestamps, begins = (
        None if column is None else column[bars] if isinstance(bars, slice) else column.gather(bars)
        for column in (panel.timestamps, panel.begins)
    )
    assert timestamps is not None
    kept, sessions = np.unique(panel.sessions[bars], return_inverse=True)
    dates = panel.session_dates.gather(kept)
    numbers = sessions.reshape(-1).astype(np.int32)
    return Clock(timestamps, numbers, dates, _bars_a_year(panel, selection), begins)


def _bars_a_year(panel: Prices, selection: Selection) -> float:
    """Those of the whole panel, whatever the stretch of time.

    Only where symbols are left out with bars on which nobody else trades (shares out of a panel that has currencies
    too) they are counted anew, over all of the panel's time.
    """
    if selection.assets is None or not panel.timestamps.dtype.is_temporal():
        return panel.periods_per_year
    assets = selection.assets

    def count() -> float:
        bars = _bars_of(panel, 0, len(panel.sessions), assets)
        if bars is None:
            return panel.periods_per_year
        kept, sessions = np.unique(panel.sessions[bars], return_inverse=True)
        return periods_per_year(sessions.reshape(-1), panel.session_dates.gather(kept))

    return panel.derived("bars a year", count, assets.tobytes())
