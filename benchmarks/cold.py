"""First results in fresh processes: an empty cache, then a warm one, and what the compile time is spent on.

    python -m benchmarks.cold

Marks: 30 s with an empty cache; 1.5 s with a warm one (import of facade and the demo's first result, median of 5).
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

FIRST_RESULT = """
import warnings
from facade import Config, TargetWeights, datasets, load_panel, run_backtest
warnings.simplefilter("ignore")
panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions())
weights = panel.adjusted("close") * 0 + 0.2
run_backtest(panel, TargetWeights.from_array(weights, scale=True), config=Config(commission_rate=0.0005)).metrics
"""
STAGES = """
import time
from ml4t_kernel import entries
from ml4t_kernel.compile import jit
spent = {"optimise and assemble": 0.0}
finalize = jit._EntryLibrary.finalize
def timed(self):
    start = time.perf_counter()
    finalize(self)
    spent["optimise and assemble"] += time.perf_counter() - start
jit._EntryLibrary.finalize = timed
start = time.perf_counter()
entries.runner()
total = time.perf_counter() - start
llvm = spent["optimise and assemble"]
print(f"compiling the kernel: {total:.1f} s: Numba types and lowers {total - llvm:.1f} s,",
      f"LLVM links, optimises and assembles {llvm:.1f} s")
"""


def run(code: str, cache: str) -> tuple[float, str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout.strip()


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        cold, _ = run(FIRST_RESULT, cache)
        warm = median(run(FIRST_RESULT, cache)[0] for _ in range(5))
    with tempfile.TemporaryDirectory() as cache:
        _, stages = run(STAGES, cache)
    print(f"first result in a fresh process, empty cache: {cold:.1f} s (mark 30)")
    print(f"first result in a fresh process, warm cache:  {warm:.2f} s, median of 5 (mark 1.5)")
    print(stages)
    kept = cold <= 30 and warm <= 1.5
    print("marks kept" if kept else "marks MISSED")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
