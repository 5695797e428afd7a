"""Runs that follow each other in time as one account: its equity, and its metrics as `results.metrics` has them.

The night between two runs is charged in neither: to the second one its first bar is a first bar (1.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from facade.data.clock import calendar_years
from facade.results.decode import performance
from facade.results.metrics import Metrics, Paid, metrics_of, stitched
from facade.results.result import Result
from facade.results.returns import returns_of
from facade.results.run import Run
from ml4t_kernel.schema import FLOW, STATE

EQUITY = (
    *("timestamp", "equity", "return", "cumulative_return", "drawdown", "high_water_mark"),
    *("cash", "gross_exposure", "net_exposure", "open_positions"),
)
"""Columns of `Result.equity`."""
NO_FLOWS = np.zeros(0, FLOW)


@dataclass(frozen=True)
class Stretch:
    """What a stretch of time leaves behind. state: (1,) STATE; equity: the frame of `Result.equity`; flows: (T,) what
    was paid in and out before each bar."""

    state: np.ndarray
    equity: pl.DataFrame
    result: Result | None
    """None where nothing was run."""
    flows: np.ndarray
    given: np.ndarray
    """(W,) FLOW that were to be paid."""
    limited: bool = False
    """Whether the account had limits of its own."""

    @property
    def final_value(self) -> float:
        return float(self.state["equity"][0])


def ran(run: Run) -> Stretch:
    """The stretch of a finished run."""
    result = Result.from_run(run)
    paid = np.zeros(run.bars) if run.flows is None else run.flows
    limited = bool(run.inputs.params["has_limits"][0])
    return Stretch(run.book.state[:1], result.equity, result, paid, run.inputs.intents.flows, limited)


def rested(timestamps: pl.Series, cash: float, given: np.ndarray = NO_FLOWS) -> Stretch:
    """Bars on which the account held nothing but cash; given: (W,) FLOW on these bars."""
    bars = len(timestamps)
    state = np.zeros(1, STATE)
    state["bar"], state["returns"] = bars, bars - 1
    held, paid, state["flow_factor"] = _resting(cash, given, bars)
    state["equity"], state["flows"] = held[-1], paid.sum()
    zeros = ("drawdown", "gross_exposure", "net_exposure")
    values = {
        "timestamp": timestamps,
        "return": pl.Series(returns_of(held, cash, paid)).fill_nan(None),
        **dict.fromkeys(("cumulative_return", *zeros), np.zeros(bars)),
        **dict.fromkeys(("equity", "high_water_mark", "cash"), held),
        "open_positions": np.zeros(bars, dtype=np.int32),
    }
    return Stretch(state, pl.DataFrame({name: values[name] for name in EQUITY}), None, paid, given)


def _resting(cash: float, given: np.ndarray, bars: int) -> tuple[np.ndarray, np.ndarray, float]:
    """(T,) cash at the end of each bar, (T,) flows that were paid, and by what they have multiplied it (1.3)."""
    held, paid, factor = np.full(bars, cash), np.zeros(bars), 1.0
    for row in given:
        before, bar, amount = float(held[-1]), int(row["bar"]), float(row["amount"])
        if before > 0.0 and before + amount > 0.0:
            paid[bar], factor = amount, factor * (before + amount) / before
            held[bar:] = before + amount
    return held, paid, factor


def stitched_equity(stretches: Sequence[Stretch], initial_cash: float) -> pl.DataFrame:
    """The equity of all stretches, one after the other; what depends on the past anew from the first bar on."""
    whole = pl.concat([stretch.equity for stretch in stretches])
    equity = whole["equity"].to_numpy()
    paid = np.concatenate([stretch.flows for stretch in stretches])
    return whole.with_columns(
        pl.Series(values).alias(name)
        for name, values in performance(equity, initial_cash, paid if paid.any() else None).items()
    )


def stitched_metrics(
    stretches: Sequence[Stretch], equity: pl.DataFrame, initial_cash: float, periods_per_year: float
) -> Metrics:
    """Metrics of the account that went through all stretches; of one alone, its own bits."""
    years = calendar_years(equity["timestamp"])
    states = np.concatenate([stretch.state for stretch in stretches])
    fall = 1.0 - equity["equity"].to_numpy() / equity["high_water_mark"].to_numpy()
    whole = stitched(states, max(0.0, float(fall.max(initial=0.0))))
    given = [stretch.given.copy() for stretch in stretches]
    for rows, done in zip(given, np.cumsum([0, *states["bar"]]), strict=False):
        rows["bar"] += done
    return metrics_of(
        *(whole, initial_cash, periods_per_year, years),
        limited=any(stretch.limited for stretch in stretches),
        paid=Paid.of(np.concatenate(given), equity["timestamp"], periods_per_year),
    )
