"""Warnings of a sweep: each once at the end, however many groups and rows had the same to say."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from facade.errors import BacktestWarning


class Notes:
    """Warnings held back while a sweep runs."""

    def __init__(self) -> None:
        self._held: dict[tuple[type[Warning], str], list[warnings.WarningMessage]] = {}

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Warnings of this block are held back. Those that differ in numbers only count as the same."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            finally:
                for one in caught:
                    text = "".join("#" if character.isdigit() else character for character in str(one.message))
                    self._held.setdefault((one.category, text), []).append(one)

    def warn(self, stacklevel: int = 3) -> None:
        """Warn of each kind once, and how often it came; the facade's own where the caller's caller stands."""
        held, self._held = self._held, {}
        for (category, _), (first, *others) in held.items():
            text = str(first.message)
            if others:
                text += f" (and {len(others):,} further warnings like this in the sweep)"
            if issubclass(category, BacktestWarning):
                warnings.warn(text, category, stacklevel=stacklevel)
            else:
                warnings.warn_explicit(text, category, first.filename, first.lineno)
