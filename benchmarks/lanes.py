"""What accounts in lockstep could give: the floor of a sweep, row after row, against eight rows a bar.

    python -m benchmarks.lanes [--rounds 10]

W3 and W3m, one thread. In lockstep every rule is arithmetic on vectors of eight accounts: no branch but whether any of
them holds something. Both loops must end with the same equity, to the bit, and the same trades.
"""

import argparse
from functools import partial

import numpy as np
from numba import njit

from benchmarks import floor, workloads
from benchmarks.speed import CASH
from benchmarks.timing import host, interleave, shown

LANES = 8


@njit(cache=True)
def lockstep(open_, high, low, close, entry, exit_, grid, fee, slip, cash0, final, trades):
    """`floor.stops` for each row of grid (K, 3), K a multiple of LANES; final: (K,) and trades: (K,) written."""
    shares, level, goal, mark = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    cash, count = np.empty(LANES), np.empty(LANES)
    stop, trail, target = np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for k in range(0, len(grid), LANES):
        for i in range(LANES):
            shares[i], level[i], goal[i], mark[i], cash[i], count[i] = 0.0, 0.0, 0.0, 0.0, cash0, 0.0
            stop[i], trail[i], target[i] = grid[k + i, 0], grid[k + i, 1], grid[k + i, 2]
        some = False
        for t in range(len(close)):
            if some:
                for i in range(LANES):
                    held = shares[i] > 0.0
                    in_force = max(level[i], mark[i] * (1 - trail[i]))
                    price = goal[i] if high[t] >= goal[i] else 0.0
                    price = in_force * (1 - slip) if low[t] <= in_force else price
                    price = max(open_[t] * (1 - slip), goal[i]) if open_[t] >= goal[i] else price
                    price = open_[t] * (1 - slip) if open_[t] <= in_force else price
                    out = held and price > 0.0
                    mark[i] = high[t] if not out and high[t] > mark[i] else mark[i]
                    cash[i] = cash[i] + shares[i] * price * (1 - fee) if out else cash[i]
                    shares[i] = 0.0 if out else shares[i]
                    count[i] = count[i] + 1.0 if out else count[i]
            if not (entry[t] or (some and exit_[t])):
                continue
            price = close[t] * (1 + slip)
            some = False
            for i in range(LANES):
                held = shares[i] > 0.0
                out = held and exit_[t]
                enters = not held and entry[t]
                cash[i] = cash[i] + shares[i] * (close[t] * (1 - slip)) * (1 - fee) if out else cash[i]
                count[i] = count[i] + 1.0 if out else count[i]
                quantity = cash[i] / (price * (1 + fee))
                shares[i] = quantity if enters else (0.0 if out else shares[i])
                cash[i] = cash[i] - quantity * price * (1 + fee) if enters else cash[i]
                level[i] = price * (1 - stop[i]) if enters else level[i]
                goal[i] = price * (1 + target[i]) if enters else goal[i]
                mark[i] = price if enters else mark[i]
                some = some or shares[i] > 0.0
        for i in range(LANES):
            final[k + i], trades[k + i] = cash[i] + shares[i] * close[-1], count[i]


@njit(cache=True)
def row_by_row(open_, high, low, close, entry, exit_, grid, fee, slip, cash, final, trades):
    """The same, each row over all bars before the next."""
    for k in range(len(grid)):
        stop, trail, target = grid[k, 0], grid[k, 1], grid[k, 2]
        final[k], trades[k] = floor.stops(open_, high, low, close, entry, exit_, stop, trail, target, fee, slip, cash)


def measure(name: str, rounds: int) -> None:
    """Time one workload and print its rows."""
    work = workloads.sweep_workload(name)
    prices = [getattr(work.prices, field) for field in ("open", "high", "low", "close")]
    columns = [np.ascontiguousarray(field[:, 0]) for field in (*prices, work.entries, work.exits)]
    grid = work.rows()
    grid = grid[: len(grid) // LANES * LANES]
    given = (*columns, grid, work.costs["commission_rate"], work.costs["slippage_rate"], CASH)
    ends = [(np.empty(len(grid)), np.empty(len(grid), np.int64)) for _ in range(2)]
    arms = {"row by row": partial(row_by_row, *given, *ends[0]), "lockstep": partial(lockstep, *given, *ends[1])}
    for run in arms.values():
        run()
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)
    for arm, told in shown(interleave(arms, rounds), "row by row").items():
        print(f"{name:4s} {arm:12s} {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    print(host())
    for name in ("W3", "W3m"):
        measure(name, options.rounds)


if __name__ == "__main__":
    main()
