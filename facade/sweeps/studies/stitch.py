"""Runs that follow each other in time as one account: its equity, and its metrics as `results.metrics` has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from facade.results.metrics import metrics_of
from facade.results.result import Result
from facade.results.run import Run
from ml4t_kernel.schema import STATE

SUMMED = (
    *("sum1", "sum2", "down2", "returns", "bar", "fees", "slippage", "realised", "dividends"),
    *("gross_profit", "gross_loss", "trades", "wins", "orders", "fills", "rejected", "cut"),
    *("sum_turnover", "sum_positions", "exposed_bars", "two_sided", "entry_bars", "trails", "conflicts"),
)
"""Fields of STATE that add up over runs one after the other."""
LARGEST = ("max_turnover", "max_positions")
"""Fields of which the largest counts."""
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
    state["bar"] = state["returns"] = bars
    state["equity"] = cash
    zeros = ("return", "cumulative_return", "drawdown", "gross_exposure", "net_exposure")
    values = {
        "timestamp": timestamps,
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
        cumulative_return=equity / initial_cash - 1.0,
        drawdown=equity / peak - 1.0,
        high_water_mark=peak,
    )


def stitched_metrics(
    stretches: Sequence[Stretch], equity: pl.DataFrame, initial_cash: float, periods_per_year: float
) -> dict[str, float | int]:
    """Metrics of the account that went through all stretches; of one alone, its own bits."""
    states = np.concatenate([stretch.state for stretch in stretches])
    whole = np.zeros(1, STATE)
    for name in SUMMED:
        whole[name] = states[name].sum()
    for name in LARGEST:
        whole[name] = states[name].max()
    whole["equity"] = states["equity"][-1]
    fall = 1.0 - equity["equity"].to_numpy() / equity["high_water_mark"].to_numpy()
    whole["drawdown"] = max(0.0, float(fall.max(initial=0.0)))
    return metrics_of(whole, initial_cash, periods_per_year)
