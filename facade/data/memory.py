"""Memory of arrays: where they begin, and that nobody may write to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ml4t_kernel.schema import PRICES

LINE = 64
"""Bytes of a line of cache."""


def on_lines(shape: tuple[int, ...]) -> np.ndarray:
    """Float64 of any values that begin with a line of cache, so that no bar of four prices lies on two."""
    size = 8 * math.prod(shape)
    memory = np.empty(size + LINE, np.uint8)
    offset = -memory.ctypes.data % LINE
    return memory[offset : offset + size].view(np.float64).reshape(shape)


def begun_on_line(array: np.ndarray) -> np.ndarray:
    """The array if it begins with a line of cache, or half of one, else a copy that does."""
    if array.ctypes.data % (LINE // 2) == 0:
        return array
    moved = on_lines(array.shape)
    moved[:] = array
    return moved


def new_bars(bars: int, assets: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(T, A, 4) float64 of any values, and the (T, A) view of it that is each price: those of a bar lie on one line."""
    whole = on_lines((bars, assets, len(PRICES)))
    return whole, {name: whole[:, :, number] for number, name in enumerate(PRICES)}


def columns_of(array: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A copy of some columns of (T, A) values or (T, A, 4) bars, which begins with a line of cache."""
    cut = on_lines((array.shape[0], len(columns), *array.shape[2:])) if array.dtype == np.float64 else None
    # Any mode but "raise" writes to `out` without a buffer of its size; there is no column outside.
    return np.take(array, columns, axis=1, out=cut, mode="clip")


def frozen(array: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    """A read-only, aligned, C-order view of `array`, copied only where it has to be."""
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view


def all_frozen(value: Any) -> Any:
    """An array, or the arrays of a tuple, as `frozen` of their own dtype makes them; anything else as it is."""
    if isinstance(value, np.ndarray):
        return frozen(value, value.dtype)
    return tuple(map(all_frozen, value)) if type(value) is tuple else value
