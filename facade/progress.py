"""Progress bars; tqdm is imported when one is shown."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


class _Hidden:
    """What is asked of a bar, for one that nobody sees."""

    def update(self, count: int) -> None:
        """As of tqdm."""


def progress_bar(total: int, unit: str, shown: bool, done: int = 0) -> AbstractContextManager[Any]:
    """A bar on stderr that counts `unit` from `done` to `total`, for `with`; without `shown` it swallows all calls."""
    if not shown:
        return nullcontext(_Hidden())
    from tqdm import tqdm

    bar: AbstractContextManager[Any] = tqdm(total=total, initial=done, unit=unit, leave=True)
    return bar
