"""Where to train and where to test: index arithmetic on the bars of a panel, no data.

A window is a pair of bars, both inclusive, as the dates of a grid's "window" axis are. Nothing here knows prices; what
must not be seen is kept apart by position alone.

Sources of purging and embargo: Lopez de Prado, Advances in Financial Machine Learning (2018), chapter 7, sections 7.4.1
and 7.4.2; of combinatorial splits chapter 12.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, count
from math import comb
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import to_timestamps
from facade.errors import DataError

Size = int | str
"""A number of bars, or a calendar duration as Polars spells it: "3y", "6mo", "2w", "10d", "1y6mo"; "4h" of hours."""

MOST_SPLITS = 10_000
_PART = re.compile(r"(\d+)(mo|ms|us|ns|y|q|w|d|h|m|s)")
_OF_DATES = ("mo", "y", "q", "w", "d")


class Window(NamedTuple):
    """Bars first to last, both included."""

    first: int
    last: int

    @property
    def bars(self) -> int:
        return self.last - self.first + 1

    @property
    def slice(self) -> slice:
        """For arrays of bars."""
        return slice(self.first, self.last + 1)


@dataclass(frozen=True)
class Split:
    """One fold: bars to choose on and bars to judge on, each one or more windows in order of time."""

    train: tuple[Window, ...]
    test: tuple[Window, ...]

    @property
    def train_bars(self) -> np.ndarray:
        """(n,) indices."""
        return _bars_of(self.train)

    @property
    def test_bars(self) -> np.ndarray:
        """(m,) indices."""
        return _bars_of(self.test)

    def __repr__(self) -> str:
        train, test = (
            " + ".join(f"{window.first:,} to {window.last:,}" for window in windows)
            for windows in (self.train, self.test)
        )
        return f"Split(train {train}; test {test})"


def _bars_of(windows: Sequence[Window]) -> np.ndarray:
    pieces = [np.arange(window.first, window.last + 1) for window in windows]
    return np.concatenate([np.arange(0), *pieces])


def walk_forward_splits(
    bars: Any,
    train: Size,
    test: Size,
    step: Size | None = None,
    *,
    anchored: bool = False,
    purge: Size = 0,
    whole: bool = False,
) -> tuple[Split, ...]:
    """Windows that walk through time: train on the past, test on what comes next, move on.

        bars            0         1         2         3
                        0123456789012345678901234567890123
        rolling         TTTTTTTTTT..ooooooooo                   train 12, test 9, purge 2
                                 TTTTTTTTTT..ooooooooo
                                          TTTTTTTTTT..oooo      the last test window is shorter
        anchored        TTTTTTTTTT..ooooooooo
                        TTTTTTTTTTTTTTTTTTT..ooooooooo

    Parameters
    ----------
    bars
        Number of bars; or the timestamps of the bars (`panel.timestamps`), or a panel.
    train, test
        Length of the windows: bars, or calendar durations when there are dates. Durations are counted from the first
        bar, so that folds of "1y" begin on the same day of each year.
    step
        From one test window to the next; `test` when not given, so that test windows follow each other.
    anchored
        Train always from the first bar.
    purge
        Bars (or a duration) before each test window that are not trained on: what was decided there may be held, or
        its outcome known, only in the test window. They are dropped from the end of the train window.
    whole
        Leave out a last test window that the end of the data cuts short.

    Returns
    -------
    tuple of Split
        In order of time; train and test are one window each, and no bar of train is at or after the first of test. A
        duration without a bar in it (a hole in the data) gives no fold.

    Raises
    ------
    DataError
        Sizes that leave no fold or no bar to train on, durations without dates, naming the argument and what is
        allowed.

    Examples
    --------
    >>> walk_forward_splits(34, train=12, test=9, purge=2)[0]
    Split(train 0 to 9; test 12 to 20)
    >>> [split.test for split in walk_forward_splits(34, 12, 9)]
    [(Window(first=12, last=20),), (Window(first=21, last=29),), (Window(first=30, last=33),)]
    """
    axis = _Axis(bars)
    for name, size in (("train", train), ("test", test), ("step", step), ("purge", purge)):
        axis.check(name, size, least=int(name != "purge"))
    splits = []
    for fold in count():
        start = axis.start(train, test if step is None else step, fold)
        if start.bar >= axis.count:
            break
        if fold == MOST_SPLITS:
            raise DataError(f"step={step!r} is too short: more than {MOST_SPLITS:,} folds")
        end = axis.shift(start, test, 1)
        if end.bar == start.bar or (whole and not axis.holds(end)):
            continue
        first = 0 if anchored else axis.shift(start, train, -1).bar
        last = axis.shift(start, purge, -1).bar - 1
        if last < max(first, 0):
            raise DataError(f"train={train!r} with purge={purge!r} leaves no bar to train on before bar {start.bar:,}")
        splits.append(Split((Window(max(first, 0), last),), (Window(start.bar, min(end.bar, axis.count) - 1),)))
    if not splits:
        raise DataError(f"train={train!r} and test={test!r} do not fit into {axis.count:,} bars")
    return tuple(splits)


def purged_splits(
    bars: Any, groups: int = 6, tests: int = 1, *, purge: Size = 0, embargo: Size = 0
) -> tuple[Split, ...]:
    """Cross-validation on bars: K-fold (tests = 1) or combinatorial (tests > 1), purged, with embargo.

    The bars are cut into groups of equal length (the first ones a bar longer where they do not divide). Each choice of
    `tests` groups is the test of one split, comb(groups, tests) in all; the other bars are trained on, except

        bars            0         1         2
                        012345678901234567890123456789
        groups 3        TTTTTTTT--oooooooooo--eTTTTTTT      purge 2 (-), embargo 1 (e)

    purge
        Bars (or a duration) by which the outcome of a decision reaches past its own bar, such as the longest holding
        period. So many bars are dropped before each test window, since their outcome lies in it, and so many after
        it, since the outcome of the test lies in them.
    embargo
        Further bars (or a duration) dropped after each test window, for what lasts longer, such as serial correlation.

    Train windows may lie after the test: this measures how a rule would have done in a part of history that it was not
    chosen on. It is no backtest of choosing as time goes by; that is `walk_forward_splits`.

    Raises
    ------
    DataError
        Naming the argument; also when nothing is left to train on.

    Examples
    --------
    >>> purged_splits(30, groups=3, purge=2, embargo=1)[1]
    Split(train 0 to 7 + 23 to 29; test 10 to 19)
    """
    axis = _Axis(bars)
    axis.check("purge", purge, least=0)
    axis.check("embargo", embargo, least=0)
    if not 2 <= groups <= axis.count:
        raise DataError(f"groups={groups!r} is not allowed; it must be 2 to the number of bars, {axis.count:,}")
    if not 1 <= tests < groups:
        raise DataError(f"tests={tests!r} is not allowed; it must be 1 to groups - 1 = {groups - 1}")
    if comb(groups, tests) > MOST_SPLITS:
        many = f"{comb(groups, tests):,} splits; at most {MOST_SPLITS:,}"
        raise DataError(f"groups={groups!r} with tests={tests!r} is not allowed: {many}")
    short = axis.count % groups
    edges = [group * (axis.count // groups) + min(group, short) for group in range(groups + 1)]
    splits = []
    for chosen in combinations(range(groups), tests):
        test = _runs(np.concatenate([np.arange(edges[group], edges[group + 1]) for group in chosen]))
        free = np.ones(axis.count, dtype=bool)
        for window in test:
            after = axis.shift(axis.shift(axis.at(window.last), purge, 1), embargo, 1).bar
            free[max(0, axis.shift(axis.at(window.first), purge, -1).bar) : after + 1] = False
        if not free.any():
            raise DataError(f"purge={purge!r} and embargo={embargo!r} leave no bar to train on beside groups {chosen}")
        splits.append(Split(_runs(np.flatnonzero(free)), test))
    return tuple(splits)


def _runs(bars: np.ndarray) -> tuple[Window, ...]:
    """Increasing bars as windows without holes."""
    breaks = np.flatnonzero(np.diff(bars) > 1)
    firsts, lasts = bars[np.concatenate([[0], breaks + 1])], bars[np.concatenate([breaks, [len(bars) - 1]])]
    return tuple(Window(int(first), int(last)) for first, last in zip(firsts, lasts, strict=True))


class _Edge(NamedTuple):
    """A point between bars: those before `bar` lie before it. time: its label in ticks, where there are dates."""

    bar: int
    time: int | None


class _Axis:
    """The bars of a panel: their number, and their labels if these are dates."""

    def __init__(self, bars: Any) -> None:
        bars = getattr(bars, "timestamps", bars)
        if isinstance(bars, int | np.integer) and not isinstance(bars, bool):
            self.count, self._labels = int(bars), None
        else:
            values = bars if hasattr(bars, "__len__") else list(bars)
            labels = to_timestamps(values, len(values))
            self.count, self._labels = len(labels), labels if labels.dtype.is_temporal() else None
        if self.count < 1:
            raise DataError(f"bars={self.count} is not allowed; it must be at least 1")
        self._ticks = None if self._labels is None else self._labels.to_physical().cast(pl.Int64).to_numpy()

    def check(self, name: str, size: Size | None, least: int) -> None:
        """Refuse a size that cannot be laid out on this axis."""
        if size is None and name == "step":
            return
        if isinstance(size, int | np.integer) and not isinstance(size, bool):
            if size < least:
                raise DataError(f"{name}={size!r} is not allowed; it must be at least {least} bars")
            return
        parts = _PART.findall(size) if isinstance(size, str) else []
        if not parts or "".join(number + unit for number, unit in parts) != size:
            allowed = "a number of bars, or a duration such as '3y' or '6mo'"
            raise DataError(f"{name}={size!r} is not allowed; it is {allowed}")
        if self._labels is None:
            raise DataError(f"{name}={size!r} needs the timestamps of the bars; numbered bars have no calendar")
        if self._labels.dtype == pl.Date and not all(unit in _OF_DATES for _, unit in parts):
            raise DataError(f"{name}={size!r} is finer than the bars, which are dates; units: {', '.join(_OF_DATES)}")
        if least and not any(int(number) for number, _ in parts):
            raise DataError(f"{name}={size!r} is not allowed; it must be longer than nothing")

    def at(self, bar: int) -> _Edge:
        """The edge before a bar."""
        known = self._ticks is not None and 0 <= bar < self.count
        return _Edge(bar, int(self._ticks[bar]) if known and self._ticks is not None else None)

    def holds(self, end: _Edge) -> bool:
        """Whether the data reach up to an edge: to within its largest distance of two bars, where there are dates."""
        if self._ticks is None or end.time is None or end.bar < self.count:
            return end.bar <= self.count
        return end.time <= int(self._ticks[-1] + np.diff(self._ticks, append=self._ticks[-1]).max())

    def start(self, train: Size, step: Size, fold: int) -> _Edge:
        """Where the test of a fold begins; durations are added up before they are counted from the first bar."""
        if isinstance(train, str) and isinstance(step, str):
            return self.shift(self.at(0), train + _repeated(step, fold), 1)
        begin = self.shift(self.at(0), train, 1)
        return self.shift(begin, _repeated(step, fold) if isinstance(step, str) else step * fold, 1)

    def shift(self, edge: _Edge, size: Size, sign: int) -> _Edge:
        """The edge a size later (sign 1) or earlier (-1); it may lie outside of the data."""
        if not isinstance(size, str):
            return self.at(edge.bar + sign * int(size))
        if edge.time is None or self._labels is None or self._ticks is None:
            return _Edge(self.count if sign > 0 else 0, None)
        label = pl.Series([edge.time], dtype=pl.Int64).cast(self._labels.dtype)
        moved = int(label.dt.offset_by(f"-{size}" if sign < 0 else size).to_physical().cast(pl.Int64)[0])
        return _Edge(int(np.searchsorted(self._ticks, moved)), moved)


def _repeated(duration: str, times: int) -> str:
    return "".join(f"{int(number) * times}{unit}" for number, unit in _PART.findall(duration))
