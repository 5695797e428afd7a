"""Arrays that nobody may write to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

_MEMO: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


def remember(panel: Any, key: tuple[Any, ...], build: Callable[[], Any]) -> Any:
    """`build()`, kept for as long as `panel` lives; one value for each first item of `key` (the latest)."""
    entry = _MEMO.setdefault(panel, {})
    held = entry.get(key[0])
    if held is None or held[0] != key:
        held = entry[key[0]] = (key, build())
    return held[1]


def frozen(array: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    """A read-only, aligned, C-order view of `array`, copied only where it has to be."""
    view = np.require(array, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view
