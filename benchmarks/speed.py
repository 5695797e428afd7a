"""Kernel and call against the floor: W1, W1b, W2, W5.

    python -m benchmarks.speed [W1 W1b W2 W5] [--rounds 9]

For each workload the kernel (`advance` on prepared inputs and tape) and the call (`run_backtest` on a prepared panel,
frames not decoded) run with the floor's policies and with `Config()`'s, interleaved with the floor in one process. The
final equity of the floor's policies must equal the floor's to 1e-9 before a ratio is printed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import floor, workloads
from benchmarks.timing import host, interleave, ratios, shown
from facade import Config, Panel, Signals, TargetWeights, run_backtest
from facade.encode.inputs import encode
from facade.execute import prepare
from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries

MARKS = {"W1": (2, 3.5), "W1b": (2, 3), "W5": (2, 3), "W2": (2, 3)}
"""Kernel and call, times the floor."""
FLOOR_POLICIES = dict(timing="same_bar_close", lot=0, limit_fill="touch", max_participation=None)
CASH = 1_000_000.0


def kernel_arm(panel: Panel, strategy: Any, config: Config) -> tuple[Callable[[], None], Callable[[], float]]:
    """A call of the kernel on inputs and tape that are prepared once, and the final equity it leaves."""
    inputs = encode(panel, strategy, config)
    account, tape = prepare(inputs)
    bars = panel.shape[0]
    done = 0
    while (done := entries.advance(inputs.market, inputs.intents, inputs.params, account, tape, done, bars)) < bars:
        account, tape = kernel_book.grow(account, tape)
    call = entries.bind(inputs.market, inputs.intents, inputs.params, account, tape, account.state)

    def run() -> None:
        call(0, 1, 0, bars)

    return run, lambda: float(account.state["equity"][0])


def call_arm(panel: Panel, strategy: Any, config: Config) -> Callable[[], None]:
    def run() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run_backtest(panel, strategy, config=config)

    return run


def rebalancing(name: str) -> tuple[Callable[[], float], Panel, Any, dict[str, Any]]:
    """Floor arm, panel, strategy and costs of W1, W1b and W5."""
    prices = (
        workloads.random_prices(2520, 5000, 6, 0.02) if name == "W5" else workloads.random_prices(2520, 500, 1, 0.02)
    )
    make = {"W1": workloads.momentum_weights, "W1b": workloads.daily_weights, "W5": workloads.rotating_weights}[name]
    weights = make(prices.close)
    record = np.empty((2 * int(np.nansum(weights != 0)) + 10, 5))
    equity = np.empty(len(weights))

    def run_floor() -> float:
        floor.rebalance(prices.close, weights, CASH, 0.001, 0.0005, record, equity)
        return float(equity[-1])

    panel = Panel.from_arrays(**vars(prices))
    return run_floor, panel, TargetWeights.from_array(weights), dict(commission_rate=0.001, slippage_rate=0.0005)


def stop_rules() -> tuple[Callable[[], float], Panel, Any, dict[str, Any]]:
    """Floor arm, panel, strategy and settings of W2."""
    prices = workloads.random_prices(1_000_000, 1, 2, 0.002, 0.0)
    entries, exits = workloads.crossover(prices.close[:, 0])
    columns = [np.ascontiguousarray(field[:, 0]) for field in (prices.open, prices.high, prices.low, prices.close)]

    def run_floor() -> float:
        return floor.stops(*columns, entries, exits, 0.02, 0.03, 0.05, 0.0001, 0.00005, CASH)[0]

    settings = dict(commission_rate=0.0001, slippage_rate=0.00005, stop_loss=0.02, trailing_stop=0.03, take_profit=0.05)
    return run_floor, Panel.from_arrays(**vars(prices)), Signals.from_arrays(entries[:, None], exits[:, None]), settings


def measure(name: str, rounds: int) -> bool:
    """Time one workload, print its rows; False when a first mark is missed."""
    run_floor, panel, strategy, settings = stop_rules() if name == "W2" else rebalancing(name)
    as_floor = Config(initial_cash=CASH, **settings, **FLOOR_POLICIES)
    default = Config(initial_cash=CASH, **settings)
    kernel_run, final = kernel_arm(panel, strategy, as_floor)
    default_run, _ = kernel_arm(panel, strategy, default)
    kernel_run()
    expected = run_floor()
    if abs(final() - expected) > 1e-9 * abs(expected):
        sys.exit(f"{name}: the kernel ends with {final()!r}, the floor with {expected!r}: nothing to compare")
    arms = {
        "floor": run_floor,
        "kernel": kernel_run,
        "call": call_arm(panel, strategy, as_floor),
        "kernel, Config()": default_run,
        "call, Config()": call_arm(panel, strategy, default),
    }
    seconds = interleave(arms, rounds)
    times = ratios(seconds, "floor")
    for arm, told in shown(seconds, "floor").items():
        print(f"{name:4s} {arm:18s} {told}", flush=True)
    kernel_mark, call_mark = MARKS[name]
    kept = times["kernel"] <= kernel_mark and times["call"] <= call_mark
    print(f"{name:4s} marks: kernel {kernel_mark} x, call {call_mark} x: {'kept' if kept else 'MISSED'}", flush=True)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help="W1 W1b W5 W2; all when none is named")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    print(host(), flush=True)
    kept = [measure(name, options.rounds) for name in options.workloads or MARKS]
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
