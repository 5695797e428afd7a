"""A million configurations to the end: does the sweep keep its pace, and does its memory stay flat?

    python -m benchmarks.million [--rows 1000000] [--threads 2]

W3's prices and signals, its three axes made longer. The pace of each tenth of the run is compared with that of a sweep
of 10,000 configurations spread over the same tenth, because tight stops are flat, and quick, more often than wide ones:
once as the call takes, once less what a call takes for ten of them, which a long run pays only once. Marks: no tenth
more than 20 percent slower than the former; resident memory grows by at most 400 bytes a row after the first chunk.
The number of rows is rounded to a cube.
"""

import argparse
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from benchmarks import workloads
from benchmarks.speed import CASH, FLOOR_POLICIES
from facade import Config, Panel, Signals, sweep
from facade.sweeps.rows.rows import Rows

SAMPLE = 10_000
SLOWER, BYTES = 0.20, 400
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Watch:
    """Notes resident memory every 10 ms and the rows done whenever the sweep stores some."""

    def __init__(self) -> None:
        self.memory: list[tuple[float, int]] = []
        self.done: list[tuple[float, int]] = []
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)
        self._add = Rows.add

    def _sample(self) -> None:
        while not self._ended.wait(0.01):
            self.memory.append((time.perf_counter(), resident()))

    def __enter__(self) -> "Watch":
        add, done = self._add, self.done

        def noting(store: Rows, rows: np.ndarray, *rest: Any, **named: Any) -> None:
            add(store, rows, *rest, **named)
            done.append((time.perf_counter(), done[-1][1] + len(rows)))

        Rows.add = noting  # type: ignore[method-assign]
        self.started = time.perf_counter()
        done.append((self.started, 0))
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._sampler.join()
        Rows.add = self._add  # type: ignore[method-assign]


def run(panel: Panel, strategy: Signals, config: Config, grid: Any, threads: int) -> int:
    """One sweep; returns its number of rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sweep(panel, strategy, config, grid, n_jobs=threads, progress=False).trials


def spread_over(axes: dict[str, np.ndarray], first: int, last: int) -> pl.DataFrame:
    """At most SAMPLE of the rows first .. last - 1 of the product of the axes, evenly spaced."""
    rows = np.unique(np.linspace(first, last - 1, min(SAMPLE, last - first)).astype(np.int64))
    places = np.unravel_index(rows, [len(values) for values in axes.values()])
    return pl.DataFrame({name: axes[name][place] for name, place in zip(axes, places, strict=True)})


def paces(grid: pl.DataFrame, *arguments: Any) -> tuple[float, float]:
    """Configurations a second of a sweep of these rows, and without the time of a sweep of ten of them; medians of
    3."""
    seconds = []
    for rows in (grid, grid[:: -(-grid.height // 10)]):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run(*arguments[:3], rows, arguments[3])
            times.append(time.perf_counter() - start)
        seconds.append(median(times))
    return grid.height / seconds[0], grid.height / max(seconds[0] - seconds[1], 1e-9)


def table(watch: Watch, rows: int, small: list[tuple[float, float]]) -> tuple[float, float]:
    """Print the tenths; returns the worst pace of a tenth against that of the call, and bytes a row after the first
    chunk. small: `paces` of each tenth."""
    when, count = (np.array(column, float) for column in zip(*watch.done, strict=True))
    clock, memory = (np.array(column, float) for column in zip(*watch.memory, strict=True))
    edges = np.interp(np.linspace(0, rows, 11), count, when)
    print("rows done      seconds        cfg/s   against 10,000 rows: call   less its start   resident MB")
    worst = np.inf
    for tenth in range(10):
        rate = rows / 10 / (edges[tenth + 1] - edges[tenth])
        call, rest = (rate / each for each in small[tenth])
        worst = min(worst, call)
        print(
            f"{rows * (tenth + 1) / 10:9,.0f} {edges[tenth + 1] - watch.started:12.2f} {rate:12,.0f} {call:27.2f} "
            f"{rest:16.2f} {np.interp(edges[tenth + 1], clock, memory) / 1e6:13.1f}"
        )
    # What the first chunk brings into memory (books, compiled code, buffers) is there however many rows follow.
    later = memory[clock >= when[1]]
    return worst, float(later.max() - np.interp(when[1], clock, memory)) / (rows - count[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    side = max(2, round(options.rows ** (1 / 3)))
    work = workloads.sweep_workload("W3")
    axes = {name: np.linspace(values[0], values[-1], side) for name, values in work.axes.items()}
    rows = side**3
    panel, strategy = Panel.from_arrays(**vars(work.prices)), Signals.from_arrays(work.entries, work.exits)
    config = Config(initial_cash=CASH, **work.costs, **FLOOR_POLICIES)
    fixed = (panel, strategy, config, options.threads)
    small = [paces(spread_over(axes, rows * i // 10, rows * (i + 1) // 10), *fixed) for i in range(10)]
    with Watch() as watch:
        trials = run(panel, strategy, config, {name: values.tolist() for name, values in axes.items()}, options.threads)
    if trials != rows or watch.done[-1][1] != rows:
        sys.exit(f"{rows:,} configurations were asked for, {trials:,} are in the result: nothing to compare")
    worst, bytes_a_row = table(watch, rows, small)
    seconds = watch.memory[-1][0] - watch.started
    print(f"{rows:,} configurations in {seconds:.1f} s, {rows / seconds:,.0f} cfg/s, {options.threads} threads")
    kept = [worst >= 1 - SLOWER, bytes_a_row <= BYTES]
    for text, good in zip(
        (
            f"slowest tenth: {worst:.2f} x the pace of a call of {SAMPLE:,} rows (mark {1 - SLOWER:.2f})",
            f"memory: {bytes_a_row:.0f} bytes a row after the first chunk (mark {BYTES})",
        ),
        kept,
        strict=True,
    ):
        print(f"{text}: {'kept' if good else 'MISSED'}")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
