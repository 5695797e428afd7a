"""What the user gave as a grid, taken apart into axes: names with their values, and which row has which.

Nothing is checked here but the form. Axes of one block move together (the columns of a frame); blocks are multiplied.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any

import numpy as np
import polars as pl

from facade.errors import ConfigError

LABELLED = ("symbols", "window")
"""Axes that may be given as a dict label -> value."""
_PLAIN = frozenset({bool, int, float, str, type(None), date, datetime})


class Default(Enum):
    """The value of a cell that a list of dicts left out: what the configuration or the function has by itself."""

    DEFAULT = "default"


DEFAULT = Default.DEFAULT


@dataclass(frozen=True, eq=False)
class Axis:
    """A name with its values as given. Row i of the block has `values[codes[i]]`, or `values[i]` if codes is None."""

    name: Any
    values: list[Any]
    codes: np.ndarray | None = None
    labels: list[str] | None = None
    where: str = "grid"
    """Where the name was first met, for messages."""

    def __len__(self) -> int:
        return len(self.values) if self.codes is None else len(self.codes)

    def first(self, at: int) -> int | None:
        """First row of the block with value number `at`; None when no row has it."""
        if self.codes is None:
            return at
        rows = np.flatnonzero(self.codes == at)
        return int(rows[0]) if len(rows) else None


def axis_values(name: Any, axis: Any) -> tuple[list[Any], list[str] | None]:
    """Values and labels of one axis: a list, tuple, range, array or series, or a dict label -> value where it may be.

    Raises ConfigError for what is no list of values, and for an empty one.
    """
    labels: list[str] | None = None
    if isinstance(axis, Mapping) and name in LABELLED:
        labels = list(axis)
        for label in labels:
            if not isinstance(label, str):
                raise ConfigError(f"grid axis {name!r}: the label {label!r} is not allowed; labels are text")
        axis = list(axis.values())
    no_list = isinstance(axis, str | bytes | Mapping) or not (isinstance(axis, Collection) or hasattr(axis, "tolist"))
    if no_list or hasattr(axis, "columns") or getattr(axis, "ndim", 1) == 0:  # a frame would give its column names
        raise ConfigError(
            f"grid axis {name!r}: {shown(axis)} is not a list of values; one value alone is [{shown(axis)}]"
        )
    if isinstance(axis, set | frozenset):
        raise ConfigError(f"grid axis {name!r}: the set {shown(axis)} has no order; give a list")
    values = _as_list(axis)
    if not values:
        raise ConfigError(f"grid axis {name!r} is empty; leave it out or give it at least one value")
    return values, labels


def _as_list(axis: Any) -> list[Any]:
    if isinstance(axis, pl.Series):
        return axis.to_list()
    if isinstance(axis, np.ndarray) and axis.dtype.kind in "mM":
        return list(axis)  # tolist() makes integers of nanoseconds
    return axis.tolist() if hasattr(axis, "tolist") else list(axis)


def shown(value: Any, limit: int = 60) -> str:
    """A value in one line of at most so many characters."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def axes_of_rows(rows: Sequence[Any]) -> list[Axis]:
    """One axis a name that any of the dicts has; DEFAULT where a dict leaves it out."""
    if not rows:
        raise ConfigError("the grid is empty: a list of dicts needs at least one")
    columns: dict[Any, list[Any]] = {}
    met: dict[Any, int] = {}
    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise ConfigError(f"grid row {at}: {shown(row)} is not a dict name -> value")
        for name, value in row.items():
            if name not in columns:
                columns[name], met[name] = [DEFAULT] * len(rows), at
            columns[name][at] = value
    return [Axis(name, *distinct(values), where=f"grid row {met[name]}") for name, values in columns.items()]


def axes_of_frame(frame: pl.DataFrame) -> list[Axis]:
    """One axis a column."""
    if not frame.width or not frame.height:
        raise ConfigError(f"the grid is empty: the frame has {frame.height} rows and {frame.width} columns")
    return [Axis(series.name, *_distinct_cells(series)) for series in frame]


def _distinct_cells(series: pl.Series) -> tuple[list[Any], np.ndarray | None]:
    """Distinct cells in order of first appearance, with codes; null is None."""
    if series.dtype == pl.Object:
        return distinct(series.to_list())
    if series.dtype.is_numeric() and series.n_unique() == len(series):
        return series.to_list(), None
    groups = series.alias("value").to_frame().with_row_index("at").group_by("value", maintain_order=True).agg("at")
    sizes = groups["at"].list.len().to_numpy()
    codes = np.empty(len(series), np.int32)
    codes[groups["at"].explode().to_numpy()] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    values = groups["value"].to_list()
    if series.name == "commission_tiers":  # a list of structs is a list of pairs
        values = [tier if tier is None else [_pair(entry) for entry in tier] for tier in values]
    return values, codes


def _pair(entry: Any) -> Any:
    return tuple(entry.values()) if isinstance(entry, dict) else entry


def object_series(name: str, values: Sequence[Any]) -> pl.Series:
    """A column of Python objects, whatever they are."""
    return pl.Series(name, values, dtype=pl.Object)


def distinct(values: list[Any]) -> tuple[list[Any], np.ndarray | None]:
    """Distinct values in order of first appearance, with codes (None when all differ). 1, 1.0 and True are three."""
    if _all_differ(values):
        return values, None
    numbers: dict[Any, int] = {}
    firsts: list[Any] = []
    codes = np.empty(len(values), np.int32)
    for at, value in enumerate(values):
        identity = _identity(value)
        code = numbers.get(identity)
        if code is None:
            code = numbers[identity] = len(firsts)
            firsts.append(value)
        codes[at] = code
    return firsts, codes


def _all_differ(values: list[Any]) -> bool:
    """Whether all are plain values of one type and no two are equal, told without looking at each."""
    kinds = set(map(type, values))
    if len(kinds) != 1 or not kinds <= _PLAIN:
        return False
    if kinds <= {int, float} and len(values) > 1000:
        numbers = np.array(values)
        if numbers.dtype.kind in "fi":  # sorting doubles is ten times as fast as hashing them
            return len(np.unique(numbers)) == len(values)
    return len(set(values)) == len(values)


def _identity(value: Any) -> Any:
    """A hashable that two values share when they are equal and of the same type, inside containers as well.

    An unhashable object that is no container or array is only the same as itself.
    """
    kind = type(value)
    if kind is float and value != value:
        return kind, "nan"
    if kind in _PLAIN:
        return kind, value
    if isinstance(value, list | tuple):
        return kind, tuple(map(_identity, value))
    if isinstance(value, Mapping):
        return kind, frozenset(_identities(value.items()))
    if isinstance(value, set | frozenset):
        return kind, frozenset(_identities(value))
    if isinstance(value, np.ndarray):
        content = _identity(value.tolist()) if value.dtype.hasobject else value.tobytes()
        return kind, value.dtype.str, value.shape, content
    try:
        hash(value)
    except TypeError:
        return kind, id(value)
    return kind, value


def _identities(values: Any) -> Iterator[Any]:
    return (_identity(value) for value in values)
