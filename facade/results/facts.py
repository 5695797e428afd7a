"""What is known of a run besides its frames, and where a result comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, Protocol

import polars as pl

from facade.config.model import Config

FRAMES = (
    *("orders", "fills", "trades", "equity", "positions", "rejections", "actions", "charges", "ambiguous_bars"),
    *("events", "margin"),
)
"""Names of the frames of a result."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run besides its frames and metrics; plain data that goes to disk as it is.

    bars, panel_bars: bars done and bars of the panel; they differ when the run was interrupted. first, last: timestamps
    of the first and the last bar done, as text. counts: what the strategy's encoding counted (rows dropped, closes of
    symbols left out, ...). rejection_reasons: orders refused or cut by reason, most frequent first.
    """

    bars: int
    panel_bars: int
    symbols: int
    first: str
    last: str
    policies: Mapping[str, Any]
    notices: tuple[str, ...]
    counts: Mapping[str, int]
    rejection_reasons: Mapping[str, int]
    versions: Mapping[str, str]


class Source(Protocol):
    """Where a result comes from: a run, or files."""

    config: Config

    def frame(self, name: str) -> pl.DataFrame:
        """The frame of that name, decoded or read."""

    def metrics(self) -> dict[str, float | int]:
        """The metrics of `facade.results.metrics`."""

    def facts(self) -> Facts:
        """Everything else."""

    def data_digest(self) -> str:
        """Digest of the panel that was traded."""


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    known = {"python": python_version()}
    for name in ("ml4t-kernel", "numba", "numpy", "polars"):
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "unknown"
    return known
