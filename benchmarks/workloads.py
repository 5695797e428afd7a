"""The common synthetic workloads W1 to W7 (fixed seeds, float64, C order, rows are bars).

W1   500 assets x 2,520 bars, the 50 strongest by 63-bar momentum, equal weights, every 21 bars
W1b  the same panel, new weights for all 500 assets every bar (1.26 million orders)
W2   one asset x 1,000,000 bars, moving-average crosses, stop loss 2 %, trailing stop 3 %, take profit 5 %
W3   one asset x 2,520 bars, moving-average crosses, 10,000 configurations of stop loss, trailing stop, take profit
W3m  one asset x 1,000,000 bars, 100 configurations of the same three
W4   100 assets x 2,520 bars, moving-average crosses, one cash, 1,000 configurations of stop loss, take profit, size
W5   5,000 assets x 2,520 bars, 500 names with new weights every bar
W6   500 assets x 2,520 bars with resting orders on each, under a 5 percent participation cap
W7   5,000 assets x 2,520 bars of which 20 are traded

Costs: commission 10 bp, slippage 5 bp (W2, W3m: 1 bp and 0.5 bp); initial cash 1,000,000.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prices:
    """(T, A) float64 arrays; volume in shares."""

    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray


def random_prices(bars: int, assets: int, seed: int, deviation: float, drift: float = 0.0002) -> Prices:
    """Geometric random walks with gaps at the open and a range around them."""
    rng = np.random.default_rng(seed)
    returns = rng.normal(drift, deviation, (bars, assets))
    start = rng.uniform(10, 200, assets)
    close = start * np.exp(np.cumsum(returns, 0))
    gap = rng.normal(0, deviation * 0.2, (bars, assets))
    open_ = np.vstack([start[None], close[:-1]]) * np.exp(gap)
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, deviation * 0.4, (bars, assets))))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, deviation * 0.4, (bars, assets))))
    volume = np.round(rng.lognormal(13, 1, (bars, assets)))
    return Prices(*(np.ascontiguousarray(field) for field in (open_, high, low, close, volume)))


def without_gaps(prices: Prices) -> Prices:
    """Every bar opens at the close before."""
    open_ = np.vstack([prices.open[:1], prices.close[:-1]])
    return Prices(open_, np.maximum(prices.high, open_), np.minimum(prices.low, open_), prices.close, prices.volume)


def momentum_weights(close: np.ndarray, names: int = 50, lookback: int = 63, every: int = 21) -> np.ndarray:
    """(T, A) weights; a NaN row is a bar without rebalance."""
    weights = np.full(close.shape, np.nan)
    for bar in range(lookback, len(close), every):
        strongest = np.argpartition(-(close[bar] / close[bar - lookback] - 1), names)[:names]
        weights[bar] = 0.0
        weights[bar, strongest] = 1.0 / names
    return weights


def daily_weights(close: np.ndarray, seed: int = 5) -> np.ndarray:
    """(T, A) random long weights of all assets, 98 percent invested."""
    weights = np.random.default_rng(seed).uniform(0.5, 1.5, close.shape)
    return weights / weights.sum(1, keepdims=True) * 0.98


def rotating_weights(close: np.ndarray, names: int = 500, seed: int = 7) -> np.ndarray:
    """(T, A) weights of a slowly changing selection of names, 98 percent invested."""
    rng = np.random.default_rng(seed)
    weights = np.zeros(close.shape)
    score = rng.normal(size=close.shape[1])
    for bar in range(len(close)):
        score = 0.98 * score + 0.2 * rng.normal(size=close.shape[1])
        chosen = np.argpartition(-score, names)[:names]
        drawn = rng.uniform(0.5, 1.5, names)
        weights[bar, chosen] = drawn / drawn.sum() * 0.98
    return weights


def crossover(close: np.ndarray, fast: int = 20, slow: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Entries and exits (T,) of one series: the bar on which the fast mean crosses the slow one."""
    total = np.concatenate([[0], np.cumsum(close)])
    means = [np.full(len(close), np.nan) for _ in range(2)]
    for mean, window in zip(means, (fast, slow), strict=True):
        mean[window - 1 :] = (total[window:] - total[:-window]) / window
    above = means[0] > means[1]
    before = np.concatenate([[False], above[:-1]])
    known = ~np.isnan(means[1]) & np.concatenate([[False], ~np.isnan(means[1][:-1])])
    return above & ~before & known, ~above & before & known


@dataclass(frozen=True)
class Sweep:
    """A workload of many configurations: prices, entry and exit signals (T, A), costs, and the values of each axis.

    Rows of the grid are the product of the axes, the last one fastest. `size` is a fraction of equity; without that
    axis a position takes all cash.
    """

    prices: Prices
    entries: np.ndarray
    exits: np.ndarray
    costs: dict[str, float]
    axes: dict[str, np.ndarray]

    def rows(self) -> np.ndarray:
        """(K, axes) float64, C order."""
        return product(self.axes)


STOP_AXES = {
    "stop_loss": np.linspace(0.01, 0.10, 25),
    "trailing_stop": np.linspace(0.01, 0.15, 20),
    "take_profit": np.linspace(0.02, 0.30, 20),
}
MINUTE_AXES = {
    "stop_loss": np.linspace(0.005, 0.03, 5),
    "trailing_stop": np.linspace(0.005, 0.04, 5),
    "take_profit": np.linspace(0.01, 0.08, 4),
}
SIZE_AXES = {
    "stop_loss": np.linspace(0.01, 0.10, 20),
    "take_profit": np.linspace(0.03, 0.30, 10),
    "size": np.array([0.01, 0.02, 0.05, 0.1, 0.2]),
}


def product(axes: dict[str, np.ndarray]) -> np.ndarray:
    """(K, axes) rows of the product of the axes, the last one fastest."""
    return np.array(np.meshgrid(*axes.values(), indexing="ij")).reshape(len(axes), -1).T.copy()


def sweep_workload(name: str) -> Sweep:
    """W3, W3m or W4."""
    axes = {"W3": STOP_AXES, "W3m": MINUTE_AXES, "W4": SIZE_AXES}[name]
    costs = dict(commission_rate=0.001, slippage_rate=0.0005)
    if name == "W3m":
        prices = random_prices(1_000_000, 1, 2, 0.002, 0.0)
        costs = dict(commission_rate=0.0001, slippage_rate=0.00005)
    else:
        prices = random_prices(2520, 1, 3, 0.02) if name == "W3" else random_prices(2520, 100, 4, 0.02)
    crosses = [crossover(prices.close[:, asset]) for asset in range(prices.close.shape[1])]
    entries, exits = (np.ascontiguousarray(np.stack([cross[side] for cross in crosses], 1)) for side in range(2))
    return Sweep(prices, entries, exits, costs, axes)
