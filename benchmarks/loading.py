"""Loading and pivoting against the least that reading can cost.

    python -m benchmarks.loading [--rows 1260000] [--rounds 5]

The base is `pl.read_parquet` and one NumPy scatter of five columns into (T, A) arrays. Marks: time at most twice the
base;
peak memory, in a process of its own, at most three times the dense arrays; ten times the rows at most twelve times
the time.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks import workloads
from benchmarks.timing import interleave
from facade import load_panel

COLUMNS = ("open", "high", "low", "close", "volume")
ASSETS = 500


def write_prices(path: Path, rows: int) -> None:
    """A long Parquet file of 500 symbols, sorted by time."""
    bars = rows // ASSETS
    prices = workloads.random_prices(bars, ASSETS, 1, 0.01)
    start = np.datetime64("2000-01-01T00:00", "us")
    times = start + np.arange(bars) * np.timedelta64(1, "h")
    symbols = np.array([f"S{a:04d}" for a in range(ASSETS)])
    frame = pl.DataFrame({"timestamp": np.repeat(times, ASSETS), "symbol": np.tile(symbols, bars)})
    frame.with_columns(**{name: getattr(prices, name).ravel() for name in COLUMNS}).write_parquet(path)


def scatter(path: Path) -> list[np.ndarray]:
    """Read everything, then one assignment a column."""
    frame = pl.read_parquet(path)
    bar = (frame["timestamp"].rank("dense") - 1).to_numpy()
    asset = frame["symbol"].cast(pl.Categorical).to_physical().to_numpy()
    shape = (int(bar.max()) + 1, int(asset.max()) + 1)
    dense = [np.full(shape, np.nan) for _ in COLUMNS]
    for array, name in zip(dense, COLUMNS, strict=True):
        array[bar, asset] = frame[name].to_numpy()
    return dense


def peak_of(path: Path) -> float:
    """Peak memory over that of a process that has only imported, in bytes."""
    # VmHWM, not ru_maxrss: the latter starts at the parent's peak.
    code = (
        "from pathlib import Path; from facade import load_panel; "
        "peak = lambda: int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]) * 1024; "
        f"base = peak(); panel = load_panel({str(path)!r}); print(peak() - base)"
    )
    return float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_260_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.parquet", Path(folder) / "large.parquet"
        write_prices(small, options.rows)
        write_prices(large, 10 * options.rows)
        seconds = interleave({"base": lambda: scatter(small), "load_panel": lambda: load_panel(small)}, options.rounds)
        base, load = (median(seconds[name]) for name in ("base", "load_panel"))
        ten = median(interleave({"large": lambda: load_panel(large)}, 2)["large"])
        dense = options.rows * len(COLUMNS) * 8
        peaks = [peak_of(path) / size for path, size in ((small, dense), (large, 10 * dense))]
    print(f"load {options.rows:,} rows: {load * 1e3:.0f} ms, read and scatter {base * 1e3:.0f} ms")
    print(f"load against read and scatter: {load / base:.2f} x (mark 2)")
    print(f"load {10 * options.rows:,} rows: {ten:.2f} s, {ten / load:.1f} x the time (mark 12)")
    print(f"peak memory over the dense arrays: {peaks[0]:.2f} x, {peaks[1]:.2f} x (mark 3)")
    kept = load <= 2 * base and ten <= 12 * load and max(peaks) <= 3
    print("marks kept" if kept else "marks MISSED")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
