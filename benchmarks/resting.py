"""W6 and W7: what resting orders and idle assets cost. No other engine can run these; they are judged against
ourselves.

    python -m benchmarks.resting [--rounds 5]

W6: 500 assets x 2,520 bars, held throughout, with n resting orders an asset under a 5 percent participation cap. "near"
orders lie 1 to 10 percent from the price, live 21 bars unless filled and are placed anew every 21; "far" orders stay
50 percent away from all that is traded. Marks: near orders cost, per live order and bar, at most 10 times the floor's
bar in W2, at most linear in their number; 25 far orders an asset at most 1.2 times the run without them.
W7: 5,000 assets of which 20 are traded, against a panel of those 20. Mark: at most 2 times.
"""

import argparse
import sys
from statistics import median

import numpy as np
import polars as pl

from benchmarks import workloads
from benchmarks.speed import CASH, call_arm, kernel_arm, stop_rules
from benchmarks.timing import interleave
from facade import Config, Orders, Panel, Result, TargetWeights, run_backtest

ASSETS, BARS, LIFE = 500, 2520, 21


def order_frame(prices: workloads.Prices, an_asset: int, distance: str) -> pl.DataFrame:
    """A first purchase of every asset, and `an_asset` resting orders on each: buy limits, sell limits, stops in
    turn."""
    rng = np.random.default_rng(11)
    first = pl.DataFrame(
        {"timestamp": np.zeros(ASSETS, int), "symbol": np.arange(ASSETS), "quantity": 10.0, "type": "market"}
    )
    if an_asset == 0:
        return named(first)
    bars = np.array([1]) if distance == "far" else np.arange(1, BARS - LIFE, LIFE)
    bar, asset, number = (
        grid.ravel() for grid in np.meshgrid(bars, np.arange(ASSETS), np.arange(an_asset), indexing="ij")
    )
    below, above = prices.close[bar, asset], prices.close[bar, asset]
    gap = 0.5 if distance == "far" else rng.uniform(0.01, 0.10, len(bar))
    if distance == "far":
        below, above = prices.low.min(axis=0)[asset], prices.high.max(axis=0)[asset]
    kind = number % 3
    frame = pl.DataFrame(
        {
            "timestamp": bar,
            "symbol": asset,
            "quantity": np.where(kind == 0, 1.0, -1.0),
            "type": np.array(["limit", "limit", "stop"])[kind],
            "limit_price": np.where(kind == 0, below * (1 - gap), np.where(kind == 1, above * (1 + gap), np.nan)),
            "stop_price": np.where(kind == 2, below * (1 - gap), np.nan),
            "time_in_force": "gtc" if distance == "far" else "bars",
            "bars": None if distance == "far" else np.full(len(bar), LIFE),
        }
    ).with_columns(pl.col("limit_price", "stop_price").fill_nan(None))
    return named(pl.concat([first, frame], how="diagonal"))


def named(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.lit("A").add(pl.col("symbol").cast(pl.String)).alias("symbol"))


def order_bars(result: Result) -> int:
    """Bars that orders spent live, summed over the orders of a run, market orders aside."""
    resting = result.orders.filter(pl.col("order_type") != "market")
    end = resting["end_timestamp"].fill_null(BARS)
    return int((end - resting["timestamp"]).sum())


def resting_arms(prices: workloads.Prices) -> tuple[dict, dict]:
    """Kernel arms by number and distance of orders, and how many order-bars each holds live."""
    panel = Panel.from_arrays(**vars(prices))
    config = Config(initial_cash=100 * CASH, max_participation=0.05)
    arms, live = {}, {}
    for an_asset, distance in ((0, "none"), (1, "near"), (5, "near"), (25, "near"), (25, "far")):
        name = f"{an_asset} {distance}"
        strategy = Orders(order_frame(prices, an_asset, distance))
        arms[name], _ = kernel_arm(panel, strategy, config)
        live[name] = order_bars(run_backtest(panel, strategy, config=config))
    return arms, live


def measure_resting(rounds: int) -> bool:
    prices = workloads.random_prices(BARS, ASSETS, 1, 0.02)
    arms, live = resting_arms(prices)
    run_stops, *_ = stop_rules()
    seconds = {name: median(times) for name, times in interleave({**arms, "W2 floor": run_stops}, rounds).items()}
    bar = seconds["W2 floor"] / 1_000_000
    kept = seconds["25 far"] <= 1.2 * seconds["0 none"]
    print(f"W6   without orders {seconds['0 none'] * 1e3:8.2f} ms; the floor's bar in W2 {bar * 1e9:.2f} ns")
    far = seconds["25 far"] / seconds["0 none"]
    print(f"W6   25 far orders  {seconds['25 far'] * 1e3:8.2f} ms: {far:.2f} x without (mark 1.2)")
    costs = []
    for name in ("1 near", "5 near", "25 near"):
        cost = (seconds[name] - seconds["0 none"]) / live[name]
        costs.append(cost)
        cost_text = f"{cost * 1e9:6.2f} ns an order and bar, {cost / bar:.1f} x the floor's bar (mark 10)"
        print(f"W6   {name:14s} {seconds[name] * 1e3:8.2f} ms: {cost_text}")
        kept &= cost <= 10 * bar
    return bool(kept and max(costs[1:]) <= 1.1 * costs[0])  # at most linear


def measure_idle_assets(rounds: int) -> bool:
    wide = workloads.random_prices(BARS, 5000, 6, 0.02)
    chosen = np.linspace(0, 4999, 20).astype(int)
    narrow = workloads.Prices(*(np.ascontiguousarray(field[:, chosen]) for field in vars(wide).values()))
    weights = workloads.daily_weights(narrow.close)
    spread = np.full(wide.close.shape, np.nan)
    spread[:, chosen] = weights
    config = Config(initial_cash=CASH, commission_rate=0.001)
    cases = {"20 assets": (narrow, weights), "20 of 5,000": (wide, spread)}
    arms = {}
    for name, (prices, targets) in cases.items():
        panel, strategy = Panel.from_arrays(**vars(prices)), TargetWeights.from_array(targets)
        arms[name], _ = kernel_arm(panel, strategy, config)
        arms[f"{name}, call"] = call_arm(panel, strategy, config)
    seconds = {name: median(times) for name, times in interleave(arms, rounds).items()}
    for name, time in seconds.items():
        print(f"W7   {name:18s} {time * 1e3:8.2f} ms")
    ratio = seconds["20 of 5,000"] / seconds["20 assets"]
    print(f"W7   kernel, 20 of 5,000 assets against a panel of 20: {ratio:.2f} x (mark 2)")
    return ratio <= 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    kept = [measure_resting(rounds), measure_idle_assets(rounds)]
    print("marks kept" if all(kept) else "marks MISSED")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
