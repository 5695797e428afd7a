"""Arrays that nobody may write to."""

from __future__ import annotations

from typing import Any

import numpy as np


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
