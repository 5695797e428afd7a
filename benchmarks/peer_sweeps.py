"""Sweeps of other engines against the floor and ours: W3, W3m, W4; `benchmarks.peers` prints them.

A call begins with prices, signals and grid in NumPy arrays and ends with the final value of every configuration. For
vectorbt that is the simulation alone; `--results` also asks it for a part of what our table and raptorbt always hold:
Sharpe and Sortino ratio, drawdown, number of trades. Peers run in as many calls as keep their arrays small.

The workloads are cut to what all of them can express:

- One stop and a target (W3 100 x 100, W3m 10 x 10): none has a fixed and a trailing stop at once.
- No slippage: vectorbt charges it on targets as on stops, or on neither; ours and raptorbt's targets are limits.
  Commissions stay.
- W4's sizes are fractions of the initial cash: neither sizes a signal by equity (vectorbt knows amounts, values and
  shares of the cash that is left; raptorbt an allotted capital, which holds the commission, so it is given more).
  The floor does nothing else, so W4 has none.
- The open of a bar is the close before. Where an open has passed the target, raptorbt still fills at the target;
  and vectorbt looks at the stop first, though the open came before the low. `--gaps` leaves the opens as they are: a
  peer that then differs is refused.
- The event engine has no sweeps: it runs a few configurations of W3, one after the other, and so do we. One of W3m or
  W4 takes it minutes.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import polars as pl

from benchmarks import floor, peer_runs, workloads
from benchmarks.speed import CASH, FLOOR_POLICIES
from facade import Config, Panel, Signals, sweep

CELLS = 32_000_000
"""Bars x columns of one call: 256 MB an array. More is not faster."""
SHARED_CELLS = 4_000_000
"""The same for vectorbt with shared cash, which is slower the more there is."""

Arm = Callable[[np.ndarray], np.ndarray]
"""From rows of the grid to final values."""


@dataclass(frozen=True)
class Case:
    """Prices and signals (T, A), commission, grid (K, 2) of stops and targets, or (K, 3) with values of a position."""

    name: str
    prices: workloads.Prices
    entries: np.ndarray
    exits: np.ndarray
    commission: float
    grid: np.ndarray

    @property
    def shared(self) -> bool:
        return self.grid.shape[1] == 3


def case_of(name: str, gaps: bool) -> Case:
    """W3, W3m or W4, cut to what the peers can express."""
    work = workloads.sweep_workload(name)
    axes = {axis: values for axis, values in work.axes.items() if axis != "trailing_stop"}
    if "size" in axes:
        axes["size"] = axes["size"] * CASH
    else:
        side = 100 if name == "W3" else 10
        axes = {axis: np.linspace(values[0], values[-1], side) for axis, values in axes.items()}
    prices = work.prices if gaps else workloads.without_gaps(work.prices)
    return Case(name, prices, work.entries, work.exits, work.costs["commission_rate"], workloads.product(axes))


# Ours ----------------------------------------------------------------------------------------------------------------


def our_arm(case: Case, threads: int) -> Arm:
    panel = Panel.from_arrays(**vars(case.prices))
    config = Config(initial_cash=CASH, commission_rate=case.commission, **FLOOR_POLICIES)
    strategy: Any = Signals.from_arrays(case.entries, case.exits)
    names = ["stop_loss", "take_profit"]
    if case.shared:
        names.append("value")

        def strategy(value: float) -> Signals:
            return Signals.from_arrays(case.entries, case.exits, size=value, size_type="value")

    def run(rows: np.ndarray) -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = sweep(panel, strategy, config, pl.DataFrame(rows, names), n_jobs=threads, progress=False)
        return result.table["final_value"].to_numpy()

    return run


# vectorbt ------------------------------------------------------------------------------------------------------------


def vectorbt_arm(case: Case, engine: str, results: bool) -> Arm:
    import vectorbt as vbt
    from vectorbt.portfolio.enums import StopEntryPrice, StopExitPrice

    bars, assets = case.prices.close.shape
    settings = dict(
        fees=case.commission,
        slippage=0.0,
        init_cash=CASH,
        stop_entry_price=StopEntryPrice.FillPrice,
        stop_exit_price=StopExitPrice.StopMarket,
        engine=engine,
        freq="1D",
    )

    def simulate(rows: np.ndarray) -> np.ndarray:
        copies = len(rows) if assets > 1 else 1  # one asset is broadcast
        fields = {name: np.tile(getattr(case.prices, name), (1, copies)) for name in ("open", "high", "low", "close")}
        signals = [np.tile(signal, (1, copies)) for signal in (case.entries, case.exits)]
        columns = [np.repeat(column, assets)[None, :] for column in rows.T]
        sizes: dict[str, Any] = {}
        if case.shared:
            groups = np.repeat(np.arange(len(rows)), assets)
            sizes = dict(size=columns[2], size_type="value", group_by=groups, cash_sharing=True, call_seq="auto")
        stops = dict(sl_stop=columns[0], tp_stop=columns[1])
        portfolio = vbt.Portfolio.from_signals(fields.pop("close"), *signals, **fields, **stops, **sizes, **settings)
        if results:
            for figure in ("sharpe_ratio", "sortino_ratio", "max_drawdown"):
                getattr(portfolio, figure)()
            portfolio.trades.count()
        return portfolio.final_value().to_numpy()

    step = max(1, (SHARED_CELLS if case.shared else CELLS) // (bars * assets))
    return lambda rows: np.concatenate([simulate(rows[at : at + step]) for at in range(0, len(rows), step)])


# raptorbt ------------------------------------------------------------------------------------------------------------


def raptorbt_config(case: Case, stop: float, target: float) -> Any:
    import raptorbt

    config = raptorbt.BacktestConfig(
        initial_capital=CASH, fees=case.commission, slippage=0.0, fill_timing="same_bar_close"
    )
    config.set_fixed_stop(float(stop))
    config.set_fixed_target(float(target))
    return config


def columns_of(case: Case, asset: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Timestamps, open to volume; entries and exits of one asset, each (T,)."""
    minutes = np.arange(len(case.entries), dtype=np.int64) * 60_000_000_000
    prices = [getattr(case.prices, name) for name in ("open", "high", "low", "close", "volume")]
    own = [np.ascontiguousarray(field[:, asset]) for field in (*prices, case.entries, case.exits)]
    return [minutes, *own[:5]], own[5:]


def raptorbt_single_arm(case: Case) -> Arm:
    import raptorbt

    series, (entries, exits) = columns_of(case, 0)

    def run(rows: np.ndarray) -> np.ndarray:
        items = [
            raptorbt.BatchSingleItem(str(number), entries, exits, config=raptorbt_config(case, stop, target))
            for number, (stop, target) in enumerate(rows)
        ]
        done = raptorbt.batch_single_backtest(*series, items)
        return np.array([result.metrics.end_value for _, result in done])

    def in_parts(rows: np.ndarray) -> np.ndarray:
        step = max(1, CELLS // len(case.entries))  # every result keeps its curves
        return np.concatenate([run(rows[at : at + step]) for at in range(0, len(rows), step)])

    return in_parts


def raptorbt_portfolio_arm(case: Case) -> Arm:
    import raptorbt

    names = [f"A{asset}" for asset in range(case.entries.shape[1])]
    instruments = []
    for asset, name in enumerate(names):
        series, signals = columns_of(case, asset)
        instruments.append((*series, *signals, 1, 1.0, name))

    def run(rows: np.ndarray) -> np.ndarray:
        sizes, ends = {}, []
        for stop, target, value in rows:
            if value not in sizes:
                capital = float(value) * (1 + case.commission)
                sizes[value] = {name: raptorbt.InstrumentConfig(alloted_capital=capital) for name in names}
            config = raptorbt_config(case, stop, target)
            done = raptorbt.run_portfolio_backtest(instruments, config, "full", sizes[value])
            ends.append(done.metrics.end_value)
        return np.array(ends)

    return run


# The floor and the event engine ---------------------------------------------------------------------------------------


def floor_arm(case: Case, threads: int) -> Arm:
    """Of W3 and W3m; a trail of 1 is none."""
    names = ("open", "high", "low", "close")
    columns = [np.ascontiguousarray(getattr(case.prices, name)[:, 0]) for name in names]
    signals = [np.ascontiguousarray(flags[:, 0]) for flags in (case.entries, case.exits)]

    def run(rows: np.ndarray) -> np.ndarray:
        grid = np.column_stack([rows[:, 0], np.ones(len(rows)), rows[:, 1]])
        final, trades = np.empty(len(rows)), np.empty(len(rows), np.int64)
        numba.set_num_threads(threads)
        with numba.parallel_chunksize(16):
            floor.sweep(*columns, *signals, grid, case.commission, 0.0, CASH, final, trades)
        return final

    return run


def event_arm(case: Case) -> Arm:
    single = peer_runs.Crossing(case.prices, case.entries, case.exits)

    def run(rows: np.ndarray) -> np.ndarray:
        runs = [peer_runs.event_run(single, (stop, target), case.commission) for stop, target in rows.tolist()]
        return np.concatenate([one() for one in runs])

    return run
