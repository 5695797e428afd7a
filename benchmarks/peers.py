"""Sweeps of other engines, where they are installed, against ours: W3, W3m, W4.

    python -m benchmarks.peers [W3 W3m W4] [--rounds 3] [--threads 2] [--rows N] [--results] [--gaps]

vectorbt (`Portfolio.from_signals`, Numba and Rust) and raptorbt (`batch_single_backtest`, `run_portfolio_backtest`).
A call begins with prices, signals and grid in NumPy arrays and ends with the final value of every configuration. For
vectorbt that is the simulation alone; `--results` also asks it for a part of what our table and raptorbt always hold:
Sharpe and Sortino ratio, drawdown, number of trades. Peers run in as many calls as keep their arrays small.

No ratio is printed for an engine that ends elsewhere. The workloads are cut to what all of them can express:

- One stop and a target (W3 100 x 100, W3m 10 x 10): none has a fixed and a trailing stop at once.
- No slippage: vectorbt charges it on targets as on stops, or on neither; ours and raptorbt's targets are limits.
  Commissions stay.
- W4's sizes are fractions of the initial cash: neither sizes a signal by equity (vectorbt knows amounts, values and
  shares of the cash that is left; raptorbt an allotted capital, which holds the commission, so it is given more).
- The open of a bar is the close before. Where an open has passed the target, raptorbt still fills at the target;
  and vectorbt looks at the stop first, though the open came before the low. `--gaps` leaves the opens as they are: a
  peer that then differs is refused.

Our side is `Config` with decisions filled at their own close, fractional shares, no cap, and `tie="pessimistic"`, which
is what both do with a bar that reaches stop and target. Final values must agree to a relative 1e-9: rounding over up to
14,000 fills comes to 1e-12, and one fill at another price to more than 1e-7.
"""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks import workloads
from benchmarks.speed import CASH, FLOOR_POLICIES
from facade import Config, Panel, Signals, sweep

CELLS = 32_000_000
"""Bars x columns of one call: 256 MB an array. More is not faster."""
SHARED_CELLS = 4_000_000
"""The same for vectorbt with shared cash, which is slower the more there is."""
AGREE = 1e-9

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
    prices = work.prices if gaps else without_gaps(work.prices)
    return Case(name, prices, work.entries, work.exits, work.costs["commission_rate"], workloads.product(axes))


def without_gaps(prices: workloads.Prices) -> workloads.Prices:
    """Every bar opens at the close before."""
    open_ = np.vstack([prices.open[:1], prices.close[:-1]])
    return workloads.Prices(
        open_, np.maximum(prices.high, open_), np.minimum(prices.low, open_), prices.close, prices.volume
    )


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


# Comparison ----------------------------------------------------------------------------------------------------------


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def peer_arms(case: Case, threads: int, results: bool) -> dict[str, Arm]:
    """Those that are installed, by name and number of threads."""
    arms: dict[str, Arm] = {}
    if installed("vectorbt"):
        engines = ("numba", "rust") if installed("vectorbt-rust") else ("numba",)
        for engine in engines:
            name = f"vectorbt {installed('vectorbt')} {engine}"
            arms[f"{name}, 1 thread"] = vectorbt_arm(case, engine, False)
            if results:
                arms[f"{name}, 1 thread, results"] = vectorbt_arm(case, engine, True)
    if installed("raptorbt"):
        name = f"raptorbt {installed('raptorbt')}"
        if case.shared:
            arms[f"{name}, 1 thread"] = raptorbt_portfolio_arm(case)  # it holds the interpreter's lock
        else:
            arms[f"{name}, {threads} threads"] = raptorbt_single_arm(case)
    return arms


def time_arms(arms: dict[str, Arm], grid: np.ndarray, rounds: int) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Median seconds, and final values, of each arm over interleaved rounds; compiled before, on two rows."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    ends = {}
    for arm in arms.values():
        arm(grid[:2])
    for _ in range(rounds):
        for name, arm in arms.items():
            start = time.perf_counter()
            ends[name] = arm(grid)
            seconds[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}, ends


def measure(case: Case, options: argparse.Namespace) -> bool:
    """Print one workload; False when a peer ends elsewhere."""
    grid = case.grid
    if options.rows and options.rows < len(grid):
        grid = grid[np.linspace(0, len(grid) - 1, options.rows).astype(int)]
    ours = {f"ours, {n} thread{'s' * (n > 1)}": our_arm(case, n) for n in sorted({1, options.threads})}
    peers = peer_arms(case, options.threads, options.results)
    seconds, ends = time_arms({**ours, **peers}, grid, options.rounds)
    base = f"ours, {options.threads} thread{'s' * (options.threads > 1)}"
    expected, agreed = ends[base], True
    for name in (*ours, *peers):
        ours_then = "ours, 1 thread" if "1 thread" in name else base
        line = f"{case.name:4s} {name:40s} {seconds[name] * 1e3:11.1f} ms {len(grid) / seconds[name]:10,.0f} cfg/s"
        away = np.abs(ends[name] / expected - 1)
        if away.max() > AGREE:
            agreed = False
            line += f"   refused: {(away > AGREE).sum():,} of {len(grid):,} end elsewhere, by up to {away.max():.1e}"
        elif name in peers:
            line += f"   {seconds[name] / seconds[ours_then]:8.1f} x {ours_then}"
        print(line, flush=True)
    return agreed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="W3 W3m W4; all when none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, help="only so many configurations, spread over the grid")
    parser.add_argument("--results", action="store_true", help="also ask vectorbt for four figures of each run")
    parser.add_argument("--gaps", action="store_true", help="leave opens that differ from the close before")
    options = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # read by raptorbt when it is first used
    if not (installed("vectorbt") or installed("raptorbt")):
        sys.exit("neither vectorbt nor raptorbt is installed: nothing to compare with")
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of NumPy, inside the peers
    agreed = [measure(case_of(name, options.gaps), options) for name in options.workloads or ("W3", "W3m", "W4")]
    sys.exit(0 if all(agreed) else 1)


if __name__ == "__main__":
    main()
