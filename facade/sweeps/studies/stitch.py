"""Runs that follow each other in time as one account: its equity, and its metrics as `results.metrics` has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from facade.data.clock import calendar_years
from facade.results.metrics import Metrics, metrics_of, stitched
from facade.results.result import Result
from facade.results.returns import returns_of
from facade.results.run import Run
from ml4t_kernel.schema import STATE

EQUITY = (
    *("timestamp", "equity", "return", "cumulative_return", "drawdown", "high_water_mark"),
    *("cash", "gross_exposure", "net_exposure", "open_positions"),
)
"""Columns of `Result.equity`."""


@dataclass(frozen=True)
class Stretch:
    """What a stretch of time leaves behind. state: (1,) STATE; equity: the frame of `Result.equity`."""

    state: np.ndarray
    equity: pl.DataFrame
    result: Result | None
    """None where nothing was run."""

    @property
    def final_value(self) -> float:
        return float(self.state["equity"][0])


def ran(run: Run) -> Stretch:
    """The stretch of a finished run."""
    result = Result.from_run(run)
    return Stretch(run.book.state[:1], result.equity, result)


def rested(timestamps: pl.Series, cash: float) -> Stretch:
    """Bars on which the account held nothing but cash."""
    bars = len(timestamps)
    state = np.zeros(1, STATE)
    state["bar"], state["returns"] = bars, bars - 1
    state["equity"] = cash
    zeros = ("cumulative_return", "drawdown", "gross_exposure", "net_exposure")
    values = {
        "timestamp": timestamps,
        "return": pl.Series(returns_of(np.full(bars, cash), cash)).fill_nan(None),
        **dict.fromkeys(zeros, np.zeros(bars)),
        **dict.fromkeys(("equity", "high_water_mark", "cash"), np.full(bars, cash)),
        "open_positions": np.zeros(bars, dtype=np.int32),
    }
    return Stretch(state, pl.DataFrame({name: values[name] for name in EQUITY}), None)


def stitched_equity(stretches: Sequence[Stretch], initial_cash: float) -> pl.DataFrame:
    """The equity of all stretches, one after the other; what depends on the past anew from the first bar on."""
    whole = pl.concat([stretch.equity for stretch in stretches])
    equity = whole["equity"].to_numpy()
    peak = np.maximum.accumulate(np.concatenate([[initial_cash], equity]))[1:]
    return whole.with_columns(
        pl.Series("return", returns_of(equity, initial_cash)).fill_nan(None),
        cumulative_return=equity / initial_cash - 1.0,
        drawdown=equity / peak - 1.0,
        high_water_mark=peak,
    )


def stitched_metrics(
    stretches: Sequence[Stretch], equity: pl.DataFrame, initial_cash: float, periods_per_year: float
) -> Metrics:
    """Metrics of the account that went through all stretches; of one alone, its own bits."""
    years = calendar_years(equity["timestamp"])
    states = np.concatenate([stretch.state for stretch in stretches])
    fall = 1.0 - equity["equity"].to_numpy() / equity["high_water_mark"].to_numpy()
    whole = stitched(states, max(0.0, float(fall.max(initial=0.0))))
    return metrics_of(whole, initial_cash, periods_per_year, years)
