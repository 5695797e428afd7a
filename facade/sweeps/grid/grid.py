"""What the user gave to be swept -> `Grid`: columns of distinct values and codes, all checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.memory import frozen
from facade.errors import ConfigError, StrategyError
from facade.strategies.frames import collect_frame
from facade.sweeps.grid.axes import DEFAULT, LABELLED, Axis, axes_of_frame, axes_of_rows, axis_values, distinct
from facade.sweeps.grid.checks import Names
from facade.sweeps.grid.labels import label_series, labels_of, numbered
from facade.sweeps.grid.samplers import Distribution, Sample, check_seed, new_seed
from facade.wording import did_you_mean

MOST_ROWS = 2**31 - 1
"""Codes are 32 bits wide."""
Constraint = Callable[[dict[str, Any]], bool] | pl.Expr


@dataclass(frozen=True, eq=False)
class Column:
    """One name of a grid: its distinct values, and which of them each of the K rows has."""

    name: str
    kind: str
    """config (a field of Config), parameter (an argument of the strategy function), strategy, symbols or window."""
    values: tuple[Any, ...]
    """Distinct, in order of first appearance, coerced: a field as Config holds it; symbols a tuple, or None for all;
    a window (start, end), None where open; a parameter as given, or `axes.DEFAULT` for the function's own default."""
    codes: np.ndarray
    """(K,) int32 into values, read-only."""
    labels: tuple[Any, ...]
    """What a table shows for each value, as `labels.labels_of` says; no two alike."""

    def value(self, row: int) -> Any:
        return self.values[self.codes[row]]

    @cached_property
    def shown(self) -> pl.Series:
        """The labels as a series of Boolean, Int64, Float64 or String, one row a value."""
        return label_series(self.name, self.labels)


@dataclass(frozen=True, eq=False)
class Grid:
    """K checked configurations; row k of every column belongs to configuration k."""

    columns: tuple[Column, ...]
    rows: int
    """K, after the constraint."""
    dropped: int
    """Combinations that the constraint removed: never run, so no trials."""
    seed: int | None = None
    """Of the sample that was drawn: given again, it draws the same rows. None when nothing was drawn."""

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def values_of(self, field: str, config: Config) -> tuple[Any, ...]:
        """The values of a field of Config that rows have: those of its column, else that of `config`."""
        column = self.column(field)
        return (getattr(config, field),) if column is None else column.values

    def changes(self, row: int) -> dict[str, Any]:
        """Fields of Config of a row, for `config.replace(**changes)`."""
        return {column.name: column.value(row) for column in self.columns if column.kind == "config"}

    def parameters(self, row: int) -> dict[str, Any]:
        """Arguments of the strategy function of a row, without those left to its defaults."""
        own = {column.name: column.value(row) for column in self.columns if column.kind == "parameter"}
        return {name: value for name, value in own.items() if value is not DEFAULT}

    def frame(self, rows: np.ndarray | slice | None = None) -> pl.DataFrame:
        """The labels of all rows, or of `rows` (numbers, mask or slice), one column a name."""
        part = slice(None) if rows is None else rows
        return pl.DataFrame([column.shown.gather(column.codes[part]) for column in self.columns])


def read_grid(
    grid: Any,
    config: Config,
    *,
    parameters: Mapping[str, bool],
    variants: Sequence[str] | None = None,
    constraint: Constraint | None = None,
    seed: int | None = None,
    taken: Collection[str] = ("row",),
) -> Grid:
    """The checked configurations of a grid, in the user's order.

    grid: a dict name -> list (their product, the last name varying fastest), a list of dicts (names left out keep the
    value of `config` or the function's default), a frame with one row a configuration, a `Sample`, a `Grid`, or None
    for nothing but the strategies. Names are fields of Config, arguments of the strategy (`parameters`: name -> has a
    default), "strategy" (one of `variants`; without it every variant is an axis in front), "symbols" (lists of
    symbols, or a dict label -> list) and "window" (pairs start, end, or a dict label -> pair). A null of a frame is
    None. `constraint` is a function of a row as a dict name -> value (without arguments left to their defaults), or a
    Polars expression over `Grid.frame`. `seed` is for a sample without its own; `taken` are columns of the result
    that no argument may be called.

    Raises ConfigError naming row, column, value and what is allowed; rows are counted before the constraint, except
    where fields contradict each other.
    """
    if variants is not None and not variants:
        raise ConfigError("the mapping of strategies is empty")
    names = Names(parameters, variants, taken)
    blocks, drawn = _blocks_of(grid, seed)
    if variants is not None and not any(axis.name == "strategy" for block in blocks for axis in block.axes):
        blocks.insert(0, Block(len(variants), [Axis("strategy", list(variants))]))
    columns, rows = _columns_of(blocks, names, config)
    names.require([column.name for column in columns])
    if not columns:
        raise ConfigError("the grid is empty: nothing is varied; give it at least one name with its values")
    dropped = grid.dropped if isinstance(grid, Grid) else 0
    read = Grid(columns, rows, dropped, drawn)
    if constraint is not None:
        read = _constrained(read, constraint)
    _check_pairs(read, config)
    return read


class Block(NamedTuple):
    """Axes that move together over so many rows."""

    rows: int
    axes: list[Axis]


def _blocks_of(grid: Any, seed: int | None) -> tuple[list[Block], int | None]:
    """The blocks whose product the grid is, and the seed with which they were drawn."""
    if grid is None:
        return [], None
    if isinstance(grid, Grid):
        return [Block(grid.rows, [_axis_of(column) for column in grid.columns])], grid.seed
    if isinstance(grid, Sample):
        chosen = grid.seed if grid.seed is not None else check_seed(seed)
        chosen = new_seed() if chosen is None else int(chosen)
        drawn = grid.columns(chosen)
        return [Block(grid.n, [Axis(name, *column) for name, column in drawn.items()])], chosen
    if isinstance(grid, Mapping):
        axes = [_axis_given(name, axis) for name, axis in grid.items()]
        return [Block(len(axis), [axis]) for axis in axes], None
    if isinstance(grid, list | tuple):
        return [Block(len(grid), axes_of_rows(grid))], None
    try:
        frame = collect_frame(grid, "grid")
    except StrategyError:
        raise ConfigError(
            f"a grid is a dict name -> list, a list of dicts, a frame or a sample, not {type(grid).__name__}"
        ) from None
    return [Block(frame.height, axes_of_frame(frame))], None


def _axis_given(name: Any, axis: Any) -> Axis:
    if isinstance(axis, Distribution):
        raise ConfigError(
            f"grid axis {name!r}: {axis!r} is drawn from; give random(space, n), latin_hypercube(space, n) or "
            "sobol(space, n) as the grid"
        )
    values, labels = axis_values(name, axis)
    return Axis(name, values, None, labels)


def _axis_of(column: Column) -> Axis:
    labels = list(column.labels) if column.name in LABELLED else None
    return Axis(column.name, list(column.values), column.codes, labels)


def _columns_of(blocks: Sequence[Block], names: Names, config: Config) -> tuple[tuple[Column, ...], int]:
    """Columns of the product of the blocks, and its number of rows."""
    kinds = [[names.kind(axis.name, axis.where) for axis in block.axes] for block in blocks]
    lengths = [int(block.rows) for block in blocks]
    rows = math.prod(lengths)
    if rows > MOST_ROWS:
        raise ConfigError(f"the grid has {rows:,} rows; at most {MOST_ROWS:,} are possible: draw a sample of them")
    columns = []
    for at, block in enumerate(blocks):
        inner, outer = math.prod(lengths[at + 1 :]), math.prod(lengths[:at])
        for axis, kind in zip(block.axes, kinds[at], strict=True):
            columns.append(_column(axis, kind, names.values(axis, kind, config, inner), outer, inner))
    return tuple(columns), rows


def _column(axis: Axis, kind: str, values: list[Any], outer: int, inner: int) -> Column:
    """The column of an axis with checked values: equal ones merged, its codes repeated for the other blocks."""
    labelled: list[Any] = values if axis.labels is None else list(zip(axis.labels, values, strict=True))
    unique, merged = distinct(labelled)
    codes = merged if merged is not None else np.arange(len(values), dtype=np.int32)
    if axis.codes is not None:
        codes, used = _densely(codes[axis.codes], len(unique))
        unique = [unique[code] for code in used]
    if outer > 1 or inner > 1:
        codes = np.broadcast_to(codes[None, :, None], (outer, len(codes), inner)).reshape(-1)
    if axis.labels is None:
        return Column(axis.name, kind, tuple(unique), frozen(codes, np.int32), labels_of(unique, kind))
    return Column(
        axis.name,
        kind,
        tuple(value for _, value in unique),
        frozen(codes, np.int32),
        numbered([label for label, _ in unique]),
    )


def _densely(codes: np.ndarray, size: int) -> tuple[np.ndarray, list[int]]:
    """The codes numbered by first appearance, and the old code of each new one."""
    first = np.full(size, len(codes), np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    used = np.argsort(first, kind="stable")[: int((first < len(codes)).sum())]
    number = np.zeros(size, np.int32)
    number[used] = np.arange(len(used), dtype=np.int32)
    return number[codes], used.tolist()


def _constrained(grid: Grid, constraint: Constraint) -> Grid:
    """The rows that the constraint keeps."""
    if isinstance(constraint, pl.Expr):
        keep = _kept_by_expression(grid, constraint)
    elif callable(constraint):
        keep = _kept_by_function(grid, constraint)
    else:
        raise ConfigError(
            f"a constraint is a function of a row or a Polars expression, not {type(constraint).__name__}"
        )
    rows = int(keep.sum())
    if not rows:
        raise ConfigError(f"the constraint drops all {grid.rows:,} rows of the grid; nothing is left to run")
    if rows == grid.rows:
        return grid
    columns = tuple(_kept(column, keep) for column in grid.columns)
    return Grid(columns, rows, grid.dropped + grid.rows - rows, grid.seed)


def _kept(column: Column, keep: np.ndarray) -> Column:
    codes, used = _densely(column.codes[keep], len(column.values))
    values, labels = (tuple(given[code] for code in used) for given in (column.values, column.labels))
    return replace(column, values=values, labels=labels, codes=frozen(codes, np.int32))


def _kept_by_expression(grid: Grid, constraint: pl.Expr) -> np.ndarray:
    names = [column.name for column in grid.columns]
    try:
        answer = grid.frame().select(constraint)
    except pl.exceptions.ColumnNotFoundError as error:
        missing = [name for name in constraint.meta.root_names() if name not in names]
        near = did_you_mean(missing[0], names) if missing else ""
        raise ConfigError(f"the constraint names a column that the grid has not ({', '.join(names)}){near}") from error
    except pl.exceptions.PolarsError as error:
        raise ConfigError(f"the constraint cannot be evaluated over the grid: {error}") from error
    if answer.width != 1 or answer.to_series().dtype != pl.Boolean:
        kinds = ", ".join(str(kind) for kind in answer.dtypes)
        raise ConfigError(f"the constraint must give one Boolean column, got {kinds or 'none'}")
    keep = answer.to_series()
    if len(keep) != grid.rows and len(keep) != 1:
        raise ConfigError(f"the constraint must give one value a row: {len(keep):,} for {grid.rows:,} rows")
    if keep.null_count():
        row = int(keep.is_null().arg_max() or 0)
        raise ConfigError(f"grid row {row}: the constraint is null; it must be true or false (see fill_null)")
    return np.broadcast_to(keep.to_numpy(), grid.rows)


def _kept_by_function(grid: Grid, constraint: Callable[[dict[str, Any]], bool]) -> np.ndarray:
    names = [column.name for column in grid.columns]
    cells = [map(column.values.__getitem__, column.codes.tolist()) for column in grid.columns]
    has_defaults = any(value is DEFAULT for column in grid.columns for value in column.values)
    keep = np.empty(grid.rows, np.bool_)
    for row, values in enumerate(zip(*cells, strict=True)):
        given = dict(zip(names, values, strict=True))
        if has_defaults:
            given = {name: value for name, value in given.items() if value is not DEFAULT}
        try:
            answer = constraint(given)
        except Exception as error:
            raise ConfigError(f"grid row {row}: the constraint fails for {given}: {error!r}") from error
        if not isinstance(answer, bool | np.bool_):
            raise ConfigError(f"grid row {row}: the constraint gives {answer!r} for {given}; allowed: True or False")
        keep[row] = answer
    return keep


ORDERED = (
    ("commission_minimum", "commission_maximum"),
    ("maintenance_margin", "initial_margin"),
    ("short_maintenance_margin", "short_initial_margin"),
)
"""Pairs of fields of which the second must not be below the first."""


def _check_pairs(grid: Grid, config: Config) -> None:
    """The rules of Config that join two fields: of `ORDERED`, and no settlement on margin."""
    for lower, upper in ORDERED:
        low, high = grid.column(lower), grid.column(upper)
        if low is not None or high is not None:
            least, most = _amounts(low, getattr(config, lower), 0.0), _amounts(high, getattr(config, upper), np.inf)
            _refuse_first(grid, config, most < least)
    if grid.column("account") is not None or grid.column("settlement") is not None:
        account, settlement = grid.column("account"), grid.column("settlement")
        borrows = np.array([value == "margin" for value in ((config.account,) if account is None else account.values)])
        later = _amounts(settlement, config.settlement, 0.0) > 0
        _refuse_first(grid, config, (borrows if account is None else borrows[account.codes]) & later)


def _refuse_first(grid: Grid, config: Config, wrong: np.ndarray) -> None:
    """Refuse the first row that is wrong in the words of Config; wrong: (K,) bool, or (1,) of all rows."""
    if wrong.any():
        row = int(wrong.argmax())
        try:
            config.replace(**grid.changes(row))
        except ConfigError as error:
            raise ConfigError(f"grid row {row}: {error}") from None


def _amounts(column: Column | None, own: float | None, absent: float) -> np.ndarray:
    """(K,) amounts of a column, or (1,) the configuration's own; None is `absent`."""
    values = (own,) if column is None else column.values
    amounts = np.array([absent if value is None else value for value in values])
    return amounts if column is None else amounts[column.codes]
