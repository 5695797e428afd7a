"""A process from its start to its first result, as whoever has just installed the package meets it.

    python benchmarks/first_result.py          # of the package that this Python imports; needs nothing else of here
    python benchmarks/first_result.py --facts  # fails by what is exact only: imports, messages, results

Marks, with a shared object: 1.5 s to the first result (1.0 is the goal), 0.8 s for `import facade`, no import of Numba,
10 microseconds for a call on arrays that are bound.
"""

import json
import os
import platform
import subprocess
import sys
from statistics import median
from typing import Any

CHILD = """
import time
began = time.perf_counter()
import facade
imported = time.perf_counter()
import hashlib, json, sys, warnings
warnings.simplefilter("ignore")
panel = facade.load_panel(facade.datasets.wiki_stocks(), facade.datasets.wiki_actions())
weights = panel.adjusted("close") * 0 + 0.2
loaded = time.perf_counter()
config = facade.Config(commission_rate=0.0005)
result = facade.run_backtest(panel, facade.TargetWeights.from_array(weights, scale=True), config=config)
metrics = result.metrics
ended = time.perf_counter()
foreign = [name for name in ("numba", "llvmlite", "facade.sweeps", "plotly", "scipy") if name in sys.modules]

from facade.encode.inputs import encode
from facade.execute import prepare
from ml4t_kernel import entries
inputs = encode(panel, facade.TargetWeights.from_array(weights, scale=True), config)
account, tape = prepare(inputs)
call = entries.bind(inputs.market, inputs.intents, inputs.params, account, tape, account.state)
call(0, 1, 0, 0)
many = time.perf_counter()
for _ in range(1000):
    call(0, 1, 0, 0)
each = (time.perf_counter() - many) / 1000
frames = [result.fills, result.trades, result.equity, result.orders]
digest = hashlib.sha256(b"".join(frame.write_csv().encode() for frame in frames)).hexdigest()
print(json.dumps(dict(
    imported=imported - began, loaded=loaded - imported, run=ended - loaded, total=ended - began, call=each * 1e6,
    foreign=foreign, digest=digest, kernel=getattr(entries.runner(), "level", "numba"))))
"""


def first_result(**settings: str) -> dict[str, Any]:
    """Times of one fresh process (s; `call` in microseconds), what it imported, and the digest of what it found."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env={**os.environ, **settings},
        check=True,
        capture_output=True,
        text=True,
    )
    return {**json.loads(done.stdout.splitlines()[-1]), "said": done.stderr}


def main() -> int:
    processes = [first_result() for _ in range(11)]
    first, later = processes[0], processes[1:]
    middle = {name: median(p[name] for p in later) for name in ("imported", "loaded", "run", "total", "call")}
    least, most = (choose(p["total"] for p in later) for choose in (min, max))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"Python {platform.python_version()}, kernel {first['kernel']}, load {load:.1f}")
    of_ten = f"{least:.2f} to {most:.2f} s, median {middle['total']:.2f}"
    print(f"  first process {first['total']:.2f} s; of ten more {of_ten}:")
    print(f"  import {middle['imported']:.2f}, load {middle['loaded']:.2f}, run and metrics {middle['run']:.2f} s")
    print(f"  a call on bound arrays {middle['call']:.1f} microseconds; sha256 of the result {first['digest'][:16]}")
    facts = {
        "nothing imported that a run does not need": not first["foreign"],
        "nothing said": not first["said"],
        "one result": len({p["digest"] for p in processes}) == 1,
    }
    marks = {
        "first result within 1.5 s": middle["total"] <= 1.5,
        "import within 0.8 s": middle["imported"] <= 0.8,
        "a call within 10 microseconds": middle["call"] <= 10,
    }
    missed = [name for name, kept in {**facts, **marks}.items() if not kept]
    print(f"  marks MISSED: {', '.join(missed)}" if missed else "  marks kept")
    return 1 if set(missed) & set(facts) or (missed and "--facts" not in sys.argv) else 0


if __name__ == "__main__":
    sys.exit(main())
