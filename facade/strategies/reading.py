"""Frames and arrays of strategies as users hold them: names of columns in any case, names of frames before places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import polars as pl

from facade.data.matching import Named, read_named
from facade.data.names import SYMBOL, TIME, find, is_no_symbol, plain
from facade.data.panel import Panel
from facade.data.sources import from_pandas, is_pandas
from facade.errors import DataError, StrategyError, listing
from facade.strategies.frames import TEXT, collect_frame

Given = TypeVar("Given", bound=Any)
"""Values with names that are to meet a panel: GivenTargets or Cells."""


MOST = 1e15
"""Largest quantity of an order, target in shares and size of a signal; nobody can mean more."""


def read_named_frame(source: Any, what: str, columns: Sequence[str] = (), long: bool = False) -> pl.DataFrame:
    """A frame whose columns of time and symbol are called `timestamp` and `symbol`.

    They are found by the names that prices may have, in any case; of pandas an index of times is the column of times.
    Of a long frame (and with `long`) other columns are called as in `columns` where they are those but for their
    spelling. Columns of a wide frame are symbols and stay.
    """
    try:
        frame = _collected(source, what)
        frame = _renamed(frame, "timestamp", find(TIME, frame.columns, what))
        symbol = find(SYMBOL, frame.columns, what)
        if symbol is not None and (long or isinstance(frame.schema[symbol], TEXT)):
            frame = _renamed(frame, "symbol", symbol)
    except DataError as error:
        raise StrategyError(str(error)) from error
    if "symbol" not in frame.columns and not long:
        return frame
    known = {plain(name): name for name in columns}
    others = {name: known[plain(name)] for name in frame.columns if plain(name) in known and name not in columns}
    return frame.rename({name: ours for name, ours in others.items() if ours not in frame.columns})


def _collected(source: Any, what: str) -> pl.DataFrame:
    if not is_pandas(source):
        return collect_frame(source, what)
    # A ticker may be called LOW, but not low.
    if not hasattr(source, "columns") and is_no_symbol(source.name) and not str(source.name).isupper():
        raise StrategyError(f"{what}: a Series without the name of its symbol; Series go to from_array or from_arrays")
    return from_pandas(source, what)


def _renamed(frame: pl.DataFrame, ours: str, name: str | None) -> pl.DataFrame:
    return frame if name is None or name == ours or ours in frame.columns else frame.rename({name: ours})


def spelled(name: str, names: Sequence[str]) -> str:
    """The one of `names` that is `name` but for its spelling, `name` itself where there is none."""
    return name if name in names else next((other for other in names if plain(other) == plain(name)), name)


def read_array_names(array: Any, what: str) -> Named:
    """The values (T, n) of an array, a frame or a Series, and the names and times it carries."""
    try:
        named = read_named(array, what)
    except DataError as error:
        raise StrategyError(str(error)) from error
    values = np.asarray(named.values)
    return named._replace(values=values[:, None] if values.ndim == 1 else values)


def on_panel(panel: Panel, given: Given, what: str) -> Given:
    """Values that were given as an array with names, in the order of the panel; others as they are.

    An array has all symbols of the panel: StrategyError for a frame that has not, or has others.
    """
    if not given.whole:
        return given
    names = given.symbols
    if names is None:
        if given.values.shape[1] != panel.shape[1]:
            raise StrategyError(
                f"{what}: {given.values.shape[1]} column{'s' * (given.values.shape[1] != 1)} without names given for a "
                f"panel of {panel.shape[1]} symbols"
            )
        names = panel.symbols
    elif set(names) != set(panel.symbols):
        missing = [name for name in panel.symbols if name not in names]
        further = [name for name in names if name not in panel.symbols]
        parts = [f"it has not {listing(missing)}"] if missing else []
        parts += [f"it has {listing(further)} besides"] if further else []
        raise StrategyError(
            f"{what}: the columns of the frame are not the symbols of the panel: {' and '.join(parts)}; an array has "
            f"all of them, a frame of some goes to {what.partition(':')[0]}(frame)"
        )
    if given.stamps is not None:
        return replace(given, symbols=tuple(names), whole=False)
    values = given.values
    if tuple(names) != panel.symbols:
        values = values[:, [names.index(name) for name in panel.symbols]]
    return replace(given, values=values, symbols=None, whole=False)
