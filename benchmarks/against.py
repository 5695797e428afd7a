"""This checkout against another one: kernel, call and sweep of the workloads, pair by pair.

    python -m benchmarks.against ../other [W1 W1b W5 W2 W3 W3m W4] [--pairs 30] [--python PATH]

Each checkout runs in a process of its own that prepares a workload once; the two then take turns, so that a host whose
speed drifts slows both. After every sixth pair both begin anew: where its arrays lie in memory stays good or bad for
the life of a process (W2 took 11 or 19 ms, of the same machine code). Printed per arm: median ratio this / other, and
the bounds of its 95 percent interval by rank (binomial), which needs no assumption about the noise. With --compile
instead: how long each compiles its kernel with an empty cache, in turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SINGLE = ("W1", "W1b", "W5", "W2")
SWEEPS = ("W3", "W3m", "W4")
PAIRS_A_PROCESS = 6

# What a process of either checkout runs: it knows the names that `benchmarks.speed` and `benchmarks.sweeps` share.
SERVER = """
import json, sys, warnings
from time import perf_counter
warnings.simplefilter("ignore")
from facade import Config
arms = {}
def prepare(name):
    if name in ("W3", "W3m", "W4"):
        from benchmarks import speed, sweeps
        case = sweeps.case_of(name)
        config = Config(initial_cash=speed.CASH, **case.workload.costs, **speed.FLOOR_POLICIES)
        made = {"kernel": sweeps.kernel_arm(case, config, 1), "sweep": sweeps.sweep_arm(case, config, 1)}
    else:
        from benchmarks import speed
        _, panel, strategy, settings = speed.stop_rules() if name == "W2" else speed.rebalancing(name)
        config = Config(initial_cash=speed.CASH, **settings, **speed.FLOOR_POLICIES)
        made = {"kernel": speed.kernel_arm(panel, strategy, config)[0], "call": speed.call_arm(panel, strategy, config)}
    for run in made.values():
        run()
    arms.clear()
    arms.update(made)
    return list(made)
for line in sys.stdin:
    word, name = line.split()
    if word == "prepare":
        print(json.dumps(prepare(name)), flush=True)
    else:
        start = perf_counter()
        arms[name]()
        print(json.dumps(perf_counter() - start), flush=True)
"""
COMPILE = (
    "from time import perf_counter; start = perf_counter()\n"
    "try:\n    from ml4t_kernel.entries import runner\n"
    "except ImportError:\n    from ml4t_kernel.book import runner\n"
    "runner(); print(perf_counter() - start)"
)


class Checkout:
    """A process that runs the arms of one checkout."""

    def __init__(self, root: Path, python: str, cache: Path) -> None:
        self.root = root
        self.environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)}
        self.python = python
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.python, "-c", SERVER],
            cwd=self.root,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, word: str, name: str) -> Any:
        assert self.process is not None and self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{word} {name}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"the process of {self.root} ended")
        return json.loads(answer)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def compile(self) -> float:
        """Seconds from nothing to a compiled kernel, in a fresh process with an empty cache."""
        with tempfile.TemporaryDirectory() as empty:
            environment = {**self.environment, "NUMBA_CACHE_DIR": empty}
            done = subprocess.run(
                [self.python, "-c", COMPILE], cwd=self.root, env=environment, check=True, capture_output=True, text=True
            )
        return float(done.stdout)


def take_turns(pair: list[Checkout], arm: str) -> list[list[float]]:
    """Seconds of the arm in both checkouts, PAIRS_A_PROCESS times, in changing order."""
    rows = []
    for turn in range(PAIRS_A_PROCESS):
        order = pair if turn % 2 == 0 else pair[::-1]
        times = {id(one): one.ask("run", arm) for one in order}
        rows.append([times[id(one)] for one in pair])
    return rows


def interval(ratios: list[float]) -> tuple[float, float]:
    """Bounds of the median at 95 percent, by rank: n / 2 -/+ 0.98 sqrt(n), of a binomial with n trials of 1/2."""
    ordered, count = sorted(ratios), len(ratios)
    reach = 0.98 * count**0.5
    low, high = max(0, int(count / 2 - reach)), min(count - 1, int(count / 2 + reach))
    return ordered[low], ordered[high]


def report(label: str, ours: list[float], others: list[float]) -> None:
    ratios = [a / b for a, b in zip(ours, others, strict=True)]
    low, high = interval(ratios)
    print(
        f"{label:14s} {median(ours) * 1e3:10.2f} ms {median(others) * 1e3:10.2f} ms   this / other "
        f"{median(ratios):5.3f}   95 percent: {low:5.3f} to {high:5.3f}   "
        f"({len(ratios)} pairs, load {os.getloadavg()[0]:.1f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    parser.add_argument("workloads", nargs="*", default=[*SINGLE, *SWEEPS])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(os.environ.get("NUMBA_CACHE_DIR", folder))
        pair = [Checkout(root.resolve(), options.python, cache) for root in (ROOT, options.other)]
        if options.compile:
            seconds = [[one.compile() for one in pair] for _ in range(options.pairs)]
            report("compile", [row[0] for row in seconds], [row[1] for row in seconds])
            return
        for name in options.workloads:
            turns: dict[str, list[list[float]]] = {}
            for begun in range(0, options.pairs, PAIRS_A_PROCESS):
                for one in pair if begun % (2 * PAIRS_A_PROCESS) == 0 else pair[::-1]:
                    one.start()
                    ours = one.ask("prepare", name)
                for arm in ours:
                    turns.setdefault(arm, []).extend(take_turns(pair, arm))
                for one in pair:
                    one.stop()
            for arm, seconds in turns.items():
                report(f"{name} {arm}", [row[0] for row in seconds], [row[1] for row in seconds])


if __name__ == "__main__":
    main()
