"""Read-only inputs derived from a panel before the loop: sessions, stale assets, previous volumes, volatility.

Plain NumPy, once a panel. Every value of bar t depends on bars up to t (volatility: before t) only.
"""

import numpy as np

from ml4t_kernel.schema import ACTION, BLOCK, ActionKind


def session_end(sessions: np.ndarray) -> np.ndarray:
    """(T,) int32: the first bar of the next session, T when there is none. sessions: (T,) non-decreasing."""
    bars = len(sessions)
    return np.searchsorted(sessions, sessions, side="right").astype(np.int32) if bars else np.zeros(0, np.int32)


def days_between(dates: np.ndarray) -> np.ndarray:
    """(T,) float64: days since the bar before, 0 of the first. dates: (T,) integers, the day of each bar's session."""
    return np.diff(dates, prepend=dates[:1]).astype(np.float64)


def stale_rows(close: np.ndarray, sessions: np.ndarray, max_stale: int | None) -> np.ndarray:
    """ACTION rows: last bar of the `max_stale`-th session in a row without a bar, after an asset's last one (1.4)."""
    missing = np.isnan(close)
    if max_stale is None or not missing.any():
        return np.zeros(0, ACTION)
    starts = np.flatnonzero(np.diff(sessions, prepend=sessions[0] - 1))
    last_bars = np.append(starts[1:], len(sessions)) - 1
    traded = np.logical_or.reduceat(~missing, starts, axis=0)  # sessions x assets
    number = np.arange(len(starts))[:, None]
    last = np.maximum.accumulate(np.where(traded, number, -1), axis=0)
    session, asset = np.nonzero((last >= 0) & (number - last == max_stale))
    rows = np.zeros(len(session), ACTION)
    rows["bar"], rows["asset"] = last_bars[session], asset
    rows["kind"], rows["value"] = int(ActionKind.STALE), np.nan
    return rows


def block_extremes(high: np.ndarray, low: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Highest high and lowest low of each BLOCK bars, (ceil(T / BLOCK), A); -inf and inf where an asset has no bar.

    An index for skipping work only: no price, size or level is taken from it.
    """
    starts = np.arange(0, len(high), BLOCK)
    highest, lowest = np.fmax.reduceat(high, starts, axis=0), np.fmin.reduceat(low, starts, axis=0)
    return np.where(np.isnan(highest), -np.inf, highest), np.where(np.isnan(lowest), np.inf, lowest)


def split_factors(shape: tuple[int, int], action_rows: np.ndarray) -> np.ndarray:
    """(T, A): product of the split ratios up to each bar."""
    factors = np.ones(shape)
    splits = action_rows[action_rows["kind"] == int(ActionKind.SPLIT)]
    for bar, asset, value in zip(splits["bar"], splits["asset"], splits["value"], strict=True):
        factors[bar:, asset] *= value
    return factors


def _previous_rows(close: np.ndarray) -> np.ndarray:
    """(T, A) int: the asset's last bar before t, -1 if none."""
    bars = np.where(np.isnan(close), -1, np.arange(len(close))[:, None])
    previous = np.full(close.shape, -1)
    previous[1:] = np.maximum.accumulate(bars, axis=0)[:-1]
    return previous


def previous_volume(volume: np.ndarray, close: np.ndarray, action_rows: np.ndarray) -> np.ndarray:
    """(T, A) volume of the asset's last bar before t in today's shares, 0 when it has none (6.1, volume_basis
    previous)."""
    previous = _previous_rows(close)
    factors = split_factors(close.shape, action_rows)
    rows = np.maximum(previous, 0)
    result = np.take_along_axis(volume, rows, 0) * (factors / np.take_along_axis(factors, rows, 0))
    return np.ascontiguousarray(np.where(previous < 0, 0.0, np.nan_to_num(result)))


def volatility(close: np.ndarray, action_rows: np.ndarray, window: int) -> np.ndarray:
    """(T, A) sample standard deviation of the last `window` simple returns of split-adjusted closes before bar t.

    Returns run over the asset's own bars; with fewer than two of them the value is 0 (7.1).
    """
    adjusted = close * split_factors(close.shape, action_rows)
    result = np.zeros(close.shape)
    for asset in range(close.shape[1]):
        bars = np.flatnonzero(~np.isnan(close[:, asset]))
        if len(bars) < 3:
            continue
        returns = np.diff(adjusted[bars, asset]) / adjusted[bars[:-1], asset]
        deviations = np.zeros(len(bars))  # by own bar: known after it
        for n in range(2, len(returns) + 1):
            deviations[n] = np.std(returns[max(0, n - window) : n], ddof=1)
        known = np.searchsorted(bars, np.arange(len(close)), side="left") - 1
        result[:, asset] = np.where(known >= 0, deviations[np.maximum(known, 0)], 0.0)
    return result
