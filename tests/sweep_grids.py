"""Reading grids in tests: what holds for every one, and values that no grid expects."""

from enum import IntEnum, StrEnum

import numpy as np
import polars as pl
import pytest

from facade.config.model import Config
from facade.errors import ConfigError
from facade.sweeps.grid.grid import read_grid

NAN = float("nan")
TWO = {"fast": False, "slow": True}
"""Arguments of a strategy: fast has no default, slow has one."""


class Whole(IntEnum):
    TWO = 2


class Word(StrEnum):
    BAR = "bar"


class Thing:
    """Hashable by identity, with the address in its repr."""


class Unhashable:
    __hash__ = None

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __repr__(self):
        return f"Unhashable({self.value})"


def read(grid, config=None, parameters=(), **named):
    return read_grid(grid, config or Config(), parameters=dict(parameters), **named)


def rows_of(grid):
    """Every row as the dict of its values."""
    return [{column.name: column.value(row) for column in grid.columns} for row in range(grid.rows)]


def refusal(grid, config=None, parameters=(), **named):
    with pytest.raises(ConfigError) as caught:
        read(grid, config, parameters, **named)
    return str(caught.value)


def assert_sound(grid):
    """What holds for every grid: shapes, dtypes, distinct values in order of first appearance, distinct labels."""
    names = [column.name for column in grid.columns]
    assert len(set(names)) == len(names) > 0
    for column in grid.columns:
        assert column.codes.dtype == np.int32 and column.codes.shape == (grid.rows,)
        assert not column.codes.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            column.codes[0] = 0
        first = {code: row for row, code in reversed(list(enumerate(column.codes.tolist())))}
        assert sorted(first) == list(range(len(column.values)))
        assert sorted(first.values()) == [first[code] for code in sorted(first)]
        assert len(column.labels) == len(column.values) == len(set(column.shown.to_list()))
    frame = grid.frame()
    assert frame.columns == names and frame.height == grid.rows
    assert set(frame.dtypes) <= {pl.Float64, pl.Int64, pl.String, pl.Boolean}
    return grid
