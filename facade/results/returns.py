"""Returns of an equity curve, bar by bar, net of what was paid in and out (contract clause 1.3)."""

import numpy as np


def returns_of(curves: np.ndarray, initial_cash: float | np.ndarray, flows: np.ndarray | None = None) -> np.ndarray:
    """(T,) or (n, T) returns of equity of that shape: E_t / (E_(t-1) + F_t) - 1, and 0 after equity was gone.

    flows: F of each bar, of that shape; None: there are none. The first bar is a mark: NaN, unless the account traded
    on it (its equity differs from the initial cash, a float or (n,), and the flow of that bar); then its return is
    against that.
    """
    initial = np.broadcast_to(np.asarray(initial_cash, dtype=np.float64), curves.shape[:-1])[..., None]
    before = _before(curves, initial)
    if flows is not None:
        before = before + flows
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.where(before > 0, curves / before - 1.0, 0.0)
    first = returns[..., :1]
    first[curves[..., :1] == before[..., :1]] = np.nan
    return returns


def flow_factors(curves: np.ndarray, initial_cash: float, flows: np.ndarray) -> np.ndarray:
    """(T,) by what flows have multiplied the account up to each bar: product of (E_(t-1) + F_t) / E_(t-1)."""
    before = _before(curves, np.asarray([initial_cash], dtype=np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.cumprod(np.where(flows != 0, (before + flows) / before, 1.0))


def paid_flows(curves: np.ndarray, initial_cash: float | np.ndarray, flows: np.ndarray) -> np.ndarray:
    """(n, T) flows of (n, T) curves that were paid, of (T,) that were given: not what would have left nothing, nor what
    came after the account was gone. Whoever has a tape reads its charges instead."""
    initial = np.broadcast_to(np.asarray(initial_cash, dtype=np.float64), curves.shape[:-1])[..., None]
    before = _before(curves, initial)
    with np.errstate(invalid="ignore"):
        return np.where((before > 0) & (before + flows > 0), flows, 0.0)


def _before(curves: np.ndarray, initial: np.ndarray) -> np.ndarray:
    """Equity of the bar before."""
    return np.concatenate([initial, curves[..., :-1]], axis=-1)
