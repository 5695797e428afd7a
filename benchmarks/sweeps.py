"""Sweeps against the floor: W3, W3m, W4.

    python -m benchmarks.sweeps [W3 W3m W4] [--rounds 10] [--threads 1 2]

For each workload and number of threads these run interleaved in one process: the floor on as many threads, the whole
`sweep` call on a prepared panel, table included, the kernel alone (`Scratch.run` over the parameter rows), and `sweep`
with the policies of `Config()`. Under the floor's policies (those of `benchmarks.speed`) the final equity of every
configuration must equal the floor's to 1e-9 before a ratio is printed. Peak memory is that of a fresh process that does
nothing but one such call. Marks, at two threads: twice the floor, W4 besides 2,500 configurations a second; the peak of
W3 under 400 MB.
"""

import argparse
import subprocess
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

import numba
import numpy as np

from benchmarks import floor, workloads
from benchmarks.speed import CASH, FLOOR_POLICIES
from benchmarks.timing import host, interleave, ratios, shown
from facade import Config, Panel, Signals, sweep
from facade.sweeps.grid.grid import read_grid
from facade.sweeps.plan.plan import make_plan
from facade.sweeps.workers.pool import make_job
from ml4t_kernel.entries import Scratch
from ml4t_kernel.schema import PARAMS, STATE

MARK = 2.0
"""A sweep at two threads, times the floor."""
RATES = {"W4": 2500}
"""Least configurations a second, at two threads."""
MEGABYTES = 400
"""Mark of the peak memory of a process that runs W3."""
PARTS = 8
"""Calls of the kernel a thread and group of rows: an uneven end costs more than a call."""


@dataclass(frozen=True)
class Case:
    """A workload, ready to be swept: `strategy` is given to `sweep` as it is, `axes` are its grid."""

    workload: workloads.Sweep
    panel: Panel
    strategy: Any
    axes: dict[str, list[float]]

    @property
    def rows(self) -> int:
        return int(np.prod([len(values) for values in self.axes.values()]))


def case_of(name: str) -> Case:
    """W3, W3m or W4."""
    work = workloads.sweep_workload(name)
    strategy: Any = Signals.from_arrays(work.entries, work.exits)
    if "size" in work.axes:

        def strategy(size: float) -> Signals:
            return Signals.from_arrays(work.entries, work.exits, size=size)

    axes = {axis: values.tolist() for axis, values in work.axes.items()}
    return Case(work, Panel.from_arrays(**vars(work.prices)), strategy, axes)


def floor_arm(work: workloads.Sweep, threads: int) -> Callable[[], np.ndarray]:
    """The floor on `threads` threads; returns the final equities (K,)."""
    grid = work.rows()
    final, trades = np.empty(len(grid)), np.empty(len(grid), np.int64)
    prices = [getattr(work.prices, name) for name in ("open", "high", "low", "close")]
    costs = (work.costs["commission_rate"], work.costs["slippage_rate"], CASH)
    if "size" in work.axes:
        signals = floor.listed_signals(work.entries, work.exits)
        arguments = (*prices, *signals, grid, *costs, final, trades)
        loop = floor.shared_sweep
    else:
        columns = [np.ascontiguousarray(field[:, 0]) for field in (*prices, work.entries, work.exits)]
        arguments = (*columns, grid, *costs, final, trades)
        loop = floor.sweep

    def run() -> np.ndarray:
        numba.set_num_threads(threads)
        with numba.parallel_chunksize(16):  # neighbours in a grid are alike: halves of it are not
            loop(*arguments)
        return final

    return run


def sweep_arm(case: Case, config: Config, threads: int) -> Callable[[], np.ndarray]:
    """The whole call; returns the final equities (K,) of its table."""

    def run() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = sweep(case.panel, case.strategy, config, case.axes, n_jobs=threads, progress=False)
            return result.table["final_value"].to_numpy()

    return run


def kernel_arm(case: Case, config: Config, threads: int) -> Callable[[], np.ndarray]:
    """`Scratch.run` over rows, inputs and books that are prepared once, a book a thread and group of rows."""
    parameters = {"size": False} if "size" in case.axes else {}
    plan = make_plan(case.panel, case.strategy, config, read_grid(case.axes, config, parameters=parameters))
    states = np.zeros(case.rows, STATE)
    tasks: list[tuple[int, np.ndarray, np.ndarray]] = []
    books: list[list[Scratch]] = []
    for number, group in enumerate(plan.groups):
        inputs, count = plan.inputs(group), len(group.rows)
        params = plan.params(group, 0, count)
        job = make_job(inputs, "metrics")
        books.append([Scratch(job.market, job.intents, job.rows, 1) for _ in range(threads)])
        size = -(-count // (PARTS * threads))
        for first in range(0, count, size):
            tasks.append((number, params[first : first + size], group.rows[first : first + size]))
    books[0][0].run(np.zeros(0, PARAMS), np.zeros(0, STATE))  # loads the kernel
    pool = ThreadPoolExecutor(threads)

    def work(thread: int, queue: Any) -> None:
        for number, params, rows in queue:
            finals = np.zeros(len(rows), STATE)
            books[number][thread].run(params, finals)
            states[rows] = finals

    def run() -> np.ndarray:
        queue = iter(tasks)  # shared: a thread takes the next chunk when it is done with one
        for done in [pool.submit(work, thread, queue) for thread in range(threads)]:
            done.result()
        return states["equity"].copy()

    return run


def check_equal(name: str, arm: str, values: np.ndarray, expected: np.ndarray) -> None:
    """Leave when a configuration does not end where the floor does."""
    apart = np.abs(values - expected) > 1e-9 * np.abs(expected)
    if apart.any():
        row = int(np.argmax(apart))
        sys.exit(
            f"{name}: {apart.sum():,} of {len(apart):,} configurations differ, the first in row {row}: {arm} ends with "
            f"{values[row]!r}, the floor with {expected[row]!r}: nothing to compare"
        )


def measure(name: str, case: Case, threads: int, rounds: int) -> bool:
    """Time one workload on `threads` threads, print its rows; False when its mark is missed."""
    as_floor = Config(initial_cash=CASH, **case.workload.costs, **FLOOR_POLICIES)
    arms = {
        "floor": floor_arm(case.workload, threads),
        "kernel": kernel_arm(case, as_floor, threads),
        "sweep": sweep_arm(case, as_floor, threads),
        "sweep, Config()": sweep_arm(case, Config(initial_cash=CASH, **case.workload.costs), threads),
    }
    expected = arms["floor"]()
    for arm in ("kernel", "sweep"):
        check_equal(name, arm, arms[arm](), expected)
    seconds = interleave(arms, rounds)
    times = ratios(seconds, "floor")
    for arm, told in shown(seconds, "floor").items():
        rate = f"{case.rows / median(seconds[arm]):11,.0f} cfg/s"
        print(f"{name:4s} {threads} threads  {arm:16s} {rate} {told}", flush=True)
    if threads < 2:
        return True
    kept = times["sweep"] <= MARK and case.rows / median(seconds["sweep"]) >= RATES.get(name, 0)
    wanted = f"{MARK:g} x the floor" + (f", {RATES[name]:,} cfg/s" if name in RATES else "")
    print(f"{name:4s} {threads} threads  sweep, mark {wanted}: {'kept' if kept else 'MISSED'}", flush=True)
    return kept


def peak_of(name: str, threads: int) -> tuple[float, float]:
    """Peak memory, in bytes, of a fresh process that makes the workload and sweeps it once: before the call, at the
    end."""
    # VmHWM, not ru_maxrss: the latter starts at the parent's peak.
    code = (
        "from pathlib import Path; from benchmarks import sweeps, speed; "
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) * 1024; "
        f"case = sweeps.case_of({name!r}); "
        "config = sweeps.Config(initial_cash=speed.CASH, **case.workload.costs, **speed.FLOOR_POLICIES); "
        f"before = peak(); sweeps.sweep_arm(case, config, {threads})(); print(before, peak())"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    before, end = printed.split()
    return float(before), float(end)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="W3 W3m W4; all when none is named")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    print(host(), flush=True)
    kept = []
    for name in options.workloads or ("W3", "W3m", "W4"):
        case = case_of(name)
        kept += [measure(name, case, threads, options.rounds) for threads in options.threads]
        before, peak = peak_of(name, max(options.threads))
        print(f"{name:4s} peak memory {peak / 1e6:.0f} MB, {before / 1e6:.0f} MB of it before the call", end="")
        if name == "W3":
            kept.append(peak < MEGABYTES * 1e6)
            print(f" (mark {MEGABYTES}): {'kept' if kept[-1] else 'MISSED'}", end="")
        print(flush=True)
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
