"""Returns of an equity curve, bar by bar."""

import numpy as np


def returns_of(curves: np.ndarray, initial_cash: float | np.ndarray) -> np.ndarray:
    """(T,) or (n, T) returns of equity of that shape: E_t / E_(t-1) - 1, and 0 after equity was gone.

    The first bar is a mark: NaN, unless the account traded on it (its equity differs from the initial cash, a float or
    (n,)); then its return is against that.
    """
    initial = np.broadcast_to(np.asarray(initial_cash, dtype=np.float64), curves.shape[:-1])[..., None]
    before = np.concatenate([initial, curves[..., :-1]], axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = np.where(before > 0, curves / before - 1.0, 0.0)
    first = returns[..., :1]
    first[curves[..., :1] == initial] = np.nan
    return returns
