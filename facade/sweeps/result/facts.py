"""What a sweep knows of itself besides its table, and statistics over all trials that filtering does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facade.config.model import Config
from facade.results.metrics import CONSTANT
from facade.sweeps.rows.columns import table_names

METRIC_SETTINGS: Mapping[str, Any] = {"risk_free_rate": 0.0, "degrees_of_freedom": 1, "constant_below": CONSTANT}
"""How ratios of `facade.results.metrics` are computed; bars a year are a column of the table."""


@dataclass(frozen=True)
class Sharpes:
    """Sharpe ratios per bar of all trials that have a finite one: number, mean, sum of squares around the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, sharpe: np.ndarray, periods_per_year: np.ndarray) -> Sharpes:
        """Of annualised Sharpe ratios; (n,) each."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = sharpe / np.sqrt(periods_per_year)
        values = values[np.isfinite(values)]
        if not len(values):
            return cls()
        mean = float(values.mean())
        return cls(len(values), mean, float(np.sum((values - mean) ** 2)))

    def with_others(self, others: Sharpes) -> Sharpes:
        """Of both together (Chan, Golub and LeVeque 1979)."""
        count = self.count + others.count
        if not count:
            return self
        apart = others.mean - self.mean
        return Sharpes(
            count,
            self.mean + apart * others.count / count,
            self.squares + others.squares + apart * apart * self.count * others.count / count,
        )

    @property
    def variance(self) -> float:
        """With ddof 1; NaN of fewer than two."""
        return self.squares / (self.count - 1) if self.count > 1 else float("nan")


@dataclass(frozen=True)
class SweepFacts:
    """What travels with a result.

    parameters: name -> kind of every column of the grid, in order ("config", "parameter", "strategy", "symbols",
    "window"). names: result column -> its name in the table. asked: rows of the grid. dropped: combinations that the
    constraint removed before anything ran. trials: configurations that were run, also those that a filter has removed
    since. seed: of the sample that was drawn, if one was.
    """

    parameters: Mapping[str, str]
    names: Mapping[str, str]
    config: Config
    keep: str
    asked: int
    dropped: int
    trials: int
    sharpes: Sharpes
    interrupted: bool
    versions: Mapping[str, str]
    seed: int | None = None
    settings: Mapping[str, Any] = field(default_factory=lambda: METRIC_SETTINGS)

    def joined(self, other: SweepFacts) -> SweepFacts:
        """Of two sweeps over one panel, one after the other; fields in which their configurations differ are varied."""
        ours, theirs = vars(self.config), vars(other.config)
        differing = {name: "config" for name, value in ours.items() if value != theirs[name]}
        parameters = {**self.parameters, **other.parameters}
        parameters |= {name: kind for name, kind in differing.items() if name not in parameters}
        return replace(
            self,
            parameters=parameters,
            names=table_names(parameters),
            keep=self.keep if self.keep == other.keep else "metrics",
            asked=self.asked + other.asked,
            dropped=self.dropped + other.dropped,
            trials=self.trials + other.trials,
            sharpes=self.sharpes.with_others(other.sharpes),
            interrupted=self.interrupted or other.interrupted,
            seed=self.seed if self.seed == other.seed else None,
        )
