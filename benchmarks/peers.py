"""Other engines against the floor and ours, on equal results only; `make peers` installs them in `.venv-peers`.

    python -m benchmarks.peers [W1 W1b W5 W2 W3 W3m W4] [--rounds 10] [--patience 60] [--threads 2] [--rows N]
                               [--results] [--gaps] [--cpu]

vectorbt (Numba and Rust), raptorbt and the event engine (ml4t-backtest); of one that is not installed the reason is
printed. W1, W1b, W5 and W2 are single runs (`benchmarks.peer_runs`), W3, W3m and W4 sweeps (`benchmarks.peer_sweeps`);
these say how the workloads are cut to what all can express.

All arms of a workload run once a round, up to `--rounds` or until an arm has taken `--patience` seconds. Medians and,
in brackets, the range of the ratios within rounds. No ratio is printed for an engine that ends elsewhere, and it is
not run again. Where others use the cores, `--cpu` counts the CPU time of all threads instead of the clock's.

Our side is `Config` with decisions filled at their own close, fractional shares, no cap, and `tie="pessimistic"`, which
is what all do with a bar that reaches stop and target. What must agree does so to a relative 1e-9: rounding over up to
a million fills comes to 1e-11, and one fill at another price to more than 1e-7.
"""

import argparse
import gc
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks import peer_runs
from benchmarks.peer_sweeps import (
    Arm,
    Case,
    case_of,
    event_arm,
    floor_arm,
    our_arm,
    raptorbt_portfolio_arm,
    raptorbt_single_arm,
    vectorbt_arm,
)

AGREE = 1e-9
EVENT_ROWS = 4
"""Configurations of W3 that the event engine runs."""
PEERS = ("vectorbt", "vectorbt-rust", "raptorbt", "ml4t-backtest")
SINGLE = ("W1", "W1b", "W5", "W2")
SWEPT = ("W3", "W3m", "W4")


@dataclass
class Contest:
    """Arms that must return the same; `against`: which of ours an arm is compared with; units: of work a call."""

    name: str
    arms: dict[str, peer_runs.Run]
    against: dict[str, str]
    warm: list[Callable[[], object]] = field(default_factory=list)
    units: int = 0


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def reason(package: str) -> str:
    """Why a peer is not installed: the end of what pip said, if `make peers` tried."""
    log = Path(sys.prefix, "refused", package)
    told = [line for line in log.read_text().splitlines() if "ERROR" in line] if log.exists() else []
    return told[0].removeprefix("ERROR: ")[:120] if told else "nobody asked for it; `make peers` does"


def engines() -> list[str]:
    """Of vectorbt."""
    if not installed("vectorbt"):
        return []
    return ["numba", "rust"] if installed("vectorbt-rust") else ["numba"]


def swept(case: Case, grid: np.ndarray, threads: int, results: bool) -> list[Contest]:
    """The contests of a sweep: all engines on the grid, the event engine on a few rows of it."""
    many = f"{threads} thread{'s' * (threads > 1)}"
    counts = {f"{n} thread{'s' * (n > 1)}": n for n in sorted({1, threads})}
    arms = {f"ours, {name}": our_arm(case, n) for name, n in counts.items()}
    against = {}
    if not case.shared:
        floors = {f"floor, {name}": floor_arm(case, n) for name, n in counts.items()}
        against = {f"ours, {name}": f"floor, {name}" for name in counts}
        arms = {**floors, **arms}
    for engine in engines():
        name = f"vectorbt {installed('vectorbt')} {engine}, 1 thread"
        arms[name] = vectorbt_arm(case, engine, False)
        if results:
            arms[f"{name}, results"] = vectorbt_arm(case, engine, True)
    if installed("raptorbt"):
        name = f"raptorbt {installed('raptorbt')}"
        if case.shared:
            arms[f"{name}, 1 thread"] = raptorbt_portfolio_arm(case)  # it holds the interpreter's lock
        else:
            arms[f"{name}, {many}"] = raptorbt_single_arm(case)
    for name in arms:
        if not name.startswith(("ours", "floor")):
            against[name] = "ours, 1 thread" if "1 thread" in name else f"ours, {many}"
    contests = [_on(case.name, arms, against, grid)]
    if installed("ml4t-backtest") and case.name == "W3":
        few = grid[np.linspace(0, len(grid) - 1, EVENT_ROWS).astype(int)]
        name, own = f"ml4t-backtest {installed('ml4t-backtest')}", "ours, 1 thread"
        contests.append(_on(f"W3, {EVENT_ROWS} rows", {own: our_arm(case, 1), name: event_arm(case)}, {name: own}, few))
    return contests


def _on(name: str, arms: dict[str, Arm], against: dict[str, str], grid: np.ndarray) -> Contest:
    bound = {arm: (lambda call=call: call(grid)) for arm, call in arms.items()}
    warm = [lambda call=call: call(grid[:2]) for call in arms.values()]
    return Contest(name, bound, against, warm, len(grid))


def single(name: str, gaps: bool) -> list[Contest]:
    """The contests of one run: all engines on all bars, the event engine on the first."""
    case: Any = peer_runs.crossing(gaps) if name == "W2" else peer_runs.rebalancing(name)
    bars = peer_runs.EVENT_BARS[name]
    short = case.first(bars)

    def arms_on(part: Any) -> dict[str, peer_runs.Run]:
        arms = {"floor": peer_runs.floor_run(part), "ours": peer_runs.our_run(part)}
        for engine in engines():
            arms[f"vectorbt {installed('vectorbt')} {engine}"] = peer_runs.vectorbt_run(part, engine)
        if installed("raptorbt") and name == "W2":
            arms[f"raptorbt {installed('raptorbt')}"] = peer_runs.raptorbt_run(part)
        return arms

    arms, warm = arms_on(case), arms_on(short)
    against = {arm: "floor" if arm == "ours" else "ours" for arm in arms if arm != "floor"}
    # Ours on all bars: what is derived from a panel is kept with it. Theirs compile on the first bars.
    contests = [Contest(name, arms, against, [arms["ours"], *warm.values()])]
    if installed("ml4t-backtest"):
        engine = f"ml4t-backtest {installed('ml4t-backtest')}"
        few = {"floor": warm["floor"], "ours": warm["ours"], engine: peer_runs.event_run(short)}
        contests.append(Contest(f"{name}, {bars:,} bars", few, {"ours": "floor", engine: "ours"}))
    return contests


def race(contest: Contest, rounds: int, patience: float, clock: Callable[[], float]) -> bool:
    """Run a contest and print it; False when an arm ends elsewhere than the first."""
    for call in contest.warm:
        call()
    seconds: dict[str, list[float]] = {name: [] for name in contest.arms}
    expected, wrong = None, {}
    for count in range(rounds):
        for name, call in contest.arms.items():
            if name in wrong or sum(seconds[name]) > patience:
                continue
            gc.collect()
            start = clock()
            ended = call()
            seconds[name].append(clock() - start)
            expected = ended if expected is None else expected
            if count == 0:
                away = np.abs(ended / expected - 1) if ended.shape == expected.shape else np.full(1, np.inf)
                if not away.max() <= AGREE:
                    wrong[name] = f"{np.count_nonzero(~(away <= AGREE)):,} of {len(away):,}, by up to {away.max():.1e}"
    for name in contest.arms:
        print(line_of(contest, name, seconds, wrong), flush=True)
    return not wrong


def line_of(contest: Contest, name: str, seconds: dict[str, list[float]], wrong: dict[str, str]) -> str:
    """One row: median time, rounds, pace of a sweep, and the ratio with its range."""
    times = seconds[name]
    head = f"{contest.name:14s} {name:36s}"
    if name in wrong:
        return f"{head} not timed: it ends elsewhere ({wrong[name]})"
    head += f" {median(times) * 1e3:10,.1f} ms in {len(times):2d}"
    head += f" {contest.units / median(times):9,.0f} cfg/s" if contest.units else " " * 16
    other = contest.against.get(name)
    if other is None or other in wrong:
        return head.rstrip()
    ratios = [own / base for own, base in zip(times, seconds[other], strict=False)]
    return f"{head}  {median(ratios):8.2f} x {other} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="of W1 W1b W5 W2 W3 W3m W4; all when none is named")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--patience", type=float, default=60, help="seconds after which an arm is not run again")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rows", type=int, help="only so many configurations, spread over the grid")
    parser.add_argument("--results", action="store_true", help="also ask vectorbt for four figures of each run")
    parser.add_argument("--gaps", action="store_true", help="leave opens that differ from the close before")
    parser.add_argument("--cpu", action="store_true", help="CPU time of all threads instead of the clock's")
    options = parser.parse_args()
    os.environ["RAYON_NUM_THREADS"] = str(options.threads)  # read by raptorbt when it is first used
    for package in PEERS:
        print(f"{package:14s} {installed(package) or f'not installed: {reason(package)}'}")
    if not any(map(installed, PEERS)):
        sys.exit("no peer is installed: nothing to compare with")
    load = " ".join(f"{share:.1f}" for share in os.getloadavg())
    print(f"{'load':14s} {load}, {options.threads} threads, {'CPU time' if options.cpu else 'clock'}\n", flush=True)
    clock = time.process_time if options.cpu else time.perf_counter
    warnings.filterwarnings("ignore")  # of the peers' libraries, inside them
    agreed = []
    for name in options.workloads or (*SINGLE, *SWEPT):
        if name in SINGLE:
            contests = single(name, options.gaps)
        else:
            case = case_of(name, options.gaps)
            grid = case.grid
            if options.rows and options.rows < len(grid):
                grid = grid[np.linspace(0, len(grid) - 1, options.rows).astype(int)]
            contests = swept(case, grid, options.threads, options.results)
        agreed += [race(contest, options.rounds, options.patience, clock) for contest in contests]
    sys.exit(0 if all(agreed) else 1)


if __name__ == "__main__":
    main()
