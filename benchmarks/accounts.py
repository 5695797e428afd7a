"""What an account on margin costs: W4 in a cash account, against the same with margin, calls, fees and interest.

    python -m benchmarks.accounts [--rounds 10] [--threads 1]

Both accounts trade the same signals, long on a cross up and short on a cross down, over 1,000 configurations of stop
loss, take profit and size. They run interleaved in one process, and between them the cash account with the same fees
and interest: `sweep` on a prepared panel, table included. The account on margin may hold four times its equity, of
which a few percent lost are a margin call, and pays a fee for what is short and interest. So it fills other orders; the
fills of each are printed. Mark: 1.5 times the cash account.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import polars as pl

from benchmarks.speed import CASH, FLOOR_POLICIES
from benchmarks.sweeps import Case, case_of
from benchmarks.timing import host, interleave, ratios, shown
from facade import Config, Signals, run_backtest, sweep

MARK = 1.5
"""The account on margin, times the cash account."""
RATES = dict(borrow_fee=0.03, credit_rate=0.01, debit_rate=0.05)
ON_MARGIN = dict(
    account="margin",
    **dict(initial_margin=0.25, maintenance_margin=0.24, short_initial_margin=0.25, short_maintenance_margin=0.24),
)


def both_sides() -> Case:
    """W4 that goes short where it would only leave."""
    case = case_of("W4")

    def strategy(size: float) -> Signals:
        up, down = case.workload.entries, case.workload.exits
        return Signals.from_arrays(up, down, short_entries=down, short_exits=up, size=size)

    return replace(case, strategy=strategy)


def arm(case: Case, config: Config, threads: int) -> Callable[[], pl.DataFrame]:
    """The whole call; returns its table."""

    def run() -> pl.DataFrame:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return sweep(case.panel, case.strategy, config, case.axes, n_jobs=threads, progress=False).table

    return run


def charges_of(case: Case, config: Config, row: int, table: pl.DataFrame) -> int:
    """How many charges one row of the sweep books."""
    values = {name: table[name][row] for name in case.axes}
    strategy = case.strategy(values.pop("size"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run_backtest(case.panel, strategy, config=config.replace(**values)).charges.height


def measure(case: Case, threads: int, rounds: int) -> bool:
    """Time all, print their rows; False when the mark is missed."""
    plain = Config(initial_cash=CASH, allow_short_selling=True, **case.workload.costs, **FLOOR_POLICIES)
    fees = plain.replace(**RATES)
    margin = fees.replace(**ON_MARGIN)
    arms = {name: arm(case, config, threads) for name, config in [("cash", plain), ("fees", fees), ("margin", margin)]}
    tables = {name: run() for name, run in arms.items()}
    found = tables["margin"]
    calls = found["margin_calls"]
    row = int(calls.arg_max() or 0)
    charges = charges_of(case, margin, row, found)
    for name, table in tables.items():
        told = f"{table['num_fills'].sum():,} fills, {table['bankrupt'].sum():,} of {table.height:,} bankrupt"
        print(f"{name:7s} {told}", flush=True)
    told = f"{calls.sum():,} calls in {(calls > 0).sum():,} rows; row {row}: {calls[row]:,} calls, {charges:,} charges"
    print(f"margin  {told}", flush=True)
    if not calls.sum() or not charges:
        sys.exit("no margin calls or no charges: nothing to compare")
    seconds = interleave(arms, rounds)
    for name, told in shown(seconds, "cash").items():
        print(f"{name:7s} {threads} threads {told.replace('floor', 'cash')}", flush=True)
    kept = ratios(seconds, "cash")["margin"] <= MARK
    print(f"mark {MARK:g} x the cash account: {'kept' if kept else 'MISSED'}", flush=True)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(host(), flush=True)
    sys.exit(0 if measure(both_sides(), options.threads, options.rounds) else 1)


if __name__ == "__main__":
    main()
