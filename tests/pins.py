"""Digests of what runs write, to hold a change of the house to the bits of the house before it.

    PYTHONPATH=.:tests python -m pins write FILE        # before the change
    PYTHONPATH=.:tests python -m pins compare FILE      # after it: what differs, by run and column

Runs are the first N random scenarios of the differential test, in both profiles, and the workloads W1, W1b, W2 and W5
of the benchmarks. Tables are compared column by column of those that both sides have, so that scratch may move.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from benchmarks import speed
from differential import kernel_run
from facade import Config
from facade.encode.inputs import encode
from facade.execute import execute
from reference.scenarios import scenario_of

WORKLOADS = ("W1", "W1b", "W5", "W2")
COUNTED = {
    name: name for name in ("orders", "details", "fills", "trades", "ambiguous", "booked", "charges", "incidents")
}  # tables and their counters


def digest(array):
    """Digest of the bytes of one column; every NaN is the same NaN."""
    column = np.ascontiguousarray(array)
    if column.dtype.kind == "f":
        column = np.where(np.isnan(column), np.nan, column)
    return hashlib.sha256(column.tobytes()).hexdigest()[:16]


def pins_of(run):
    """Digest of every column that a run wrote, and the values of its state."""
    state, pins = run.state, {}
    tables = {name: np.asarray(getattr(run.tape, name))[: int(state[name])] for name in COUNTED}
    tables["equity"] = np.asarray(run.tape.equity)[: run.bars]
    tables["margin"] = np.asarray(run.tape.margin)[: run.bars if run.inputs.params["margin"][0] else 0]
    for table, rows in tables.items():
        for column in rows.dtype.names:
            if not column.startswith("pad"):
                pins[f"{table}.{column}"] = digest(rows[column])
    for column in state.dtype.names:
        pins[f"state.{column}"] = digest(np.atleast_1d(state[column]))
    return pins


def runs(count, workloads=WORKLOADS):
    """(name, finished run) of everything that is pinned."""
    for number in range(count):
        yield f"scenario {number}", kernel_run(scenario_of(number // 2, number % 2 == 0))
    for name in workloads:
        _, panel, strategy, settings = speed.stop_rules() if name == "W2" else speed.rebalancing(name)
        for policies in (speed.FLOOR_POLICIES, {}):
            config = Config(initial_cash=speed.CASH, **settings, **policies)
            label = f"{name}, {'policies of the floor' if policies else 'Config()'}"
            yield label, execute(panel, config, encode(panel, strategy, config), False, ())


def add_runs(parser):
    """Which runs: the same for both sides."""
    parser.add_argument("--scenarios", type=int, default=2000)
    parser.add_argument("--workloads", nargs="*", choices=WORKLOADS, default=WORKLOADS)


def compare(before, after):
    """Print what differs; returns how many runs do."""
    different = 0
    for name, old in before.items():
        new = after.get(name, {})
        apart = [key for key in old if key in new and old[key] != new[key]]
        if apart or not new:
            different += 1
            print(f"{name}: {', '.join(apart) or 'not run'}")
    first = next(iter(before))
    for word, names in (
        ("gone", before[first].keys() - after[first].keys()),
        ("new", after[first].keys() - before[first].keys()),
    ):
        if names:
            print(f"{word}: {', '.join(sorted(names))}")
    print(f"{different} of {len(before)} runs differ")
    return different


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["write", "compare"])
    parser.add_argument("file", type=Path)
    add_runs(parser)
    options = parser.parse_args()
    pins = {name: pins_of(run) for name, run in runs(options.scenarios, options.workloads)}
    if options.action == "write":
        options.file.write_text(json.dumps(pins), encoding="utf-8")
        print(f"{len(pins):,} runs pinned")
        return 0
    return int(compare(json.loads(options.file.read_text(encoding="utf-8")), pins) > 0)


if __name__ == "__main__":
    sys.exit(main())
