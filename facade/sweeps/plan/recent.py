"""The values asked for last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np


class Recent:
    """The values asked for last: at most so many, and of at most so much weight, but always the last one."""

    def __init__(self, most: int, weight: float = np.inf) -> None:
        self._most, self._weight = most, weight
        self._held: OrderedDict[int, tuple[Any, float]] = OrderedDict()

    def get(self, key: int, build: Callable[[], Any], weigh: Callable[[Any], float] = lambda value: 0.0) -> Any:
        """The value of `key`, built when it is not held."""
        if key not in self._held:
            value = build()
            self._held[key] = value, weigh(value)
        self._held.move_to_end(key)
        while len(self._held) > 1 and (len(self._held) > self._most or self._heavy()):
            self._held.popitem(last=False)
        return self._held[key][0]

    def _heavy(self) -> bool:
        return sum(weight for _, weight in self._held.values()) > self._weight
