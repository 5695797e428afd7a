"""Dividends that the prices contradict: too large to be meant, or paid already inside adjusted prices (clause 1.1).

On an ex-date raw prices open lower by about the dividend; dividend-adjusted ones do not. A single gap hides that in
its noise, so all dividends are judged together: l is the log likelihood ratio of the gaps without a fall to the gaps
with one, under a Student t with 4 degrees of freedom (gaps have fat tails), scaled by the median of the gaps nearby.
If prices are raw, l is above x with a chance of at most e^-x.

Measured on the bars of `facade.datasets` (2000 to 2013): IBM, 52 dividends of 0.3 percent, raw -2.7, adjusted by its
dividends +13.6; MSFT, 37 dividends, -4.2 and +28.9; AAPL, 3 dividends, +0.2 and +0.8, too few to tell.
Shifting the dividends of IBM and MSFT to other days and taking them out of the gaps there, 300 times each, never came
above -1.3; taking out only 70 percent of each, as taxes make of it, never above 4.0.
"""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from facade.data.clock import Clock
from facade.errors import DataError, DataWarning, describe
from ml4t_kernel.schema import ActionKind

LARGE, NOTED = 1 / 3, 0.2
"""Shares of the price from which a dividend that did not lower it is refused (a split of 1.5), or warned of."""
CERTAIN, LIKELY = 10.0, 5.0
"""Log likelihood ratios from which prices count as adjusted, and from which they are warned of."""
FREEDOM, MOST, NEAR = 4.0, 3.0, 20
"""Degrees of freedom; the most that one dividend may say; gaps on each side that make the scale."""


class Gaps(NamedTuple):
    """What the prices of one asset did at its dividends; (n,) each, of those between two of its bars.

    bars: of the first bar at or after; before, first: last close before it in its shares, first price of it; paid:
    dividends; fall: ln(1 - paid / before), at most 0; moved: ln(first / before); scale: of ordinary gaps nearby.
    """

    bars: np.ndarray
    before: np.ndarray
    first: np.ndarray
    paid: np.ndarray
    moved: np.ndarray
    scale: np.ndarray


def guard_dividends(
    rows: np.ndarray, open_: np.ndarray, close: np.ndarray, clock: Clock, symbols: tuple[str, ...]
) -> None:
    """Refuse dividends that cannot be, and those of prices that contain them already; warn where it is likely.

    rows: (E,) ACTION; open_, close: (T, A).
    """
    likely: list[tuple[float, int, int]] = []
    for asset in np.unique(rows["asset"][rows["kind"] == ActionKind.DIVIDEND]).tolist():
        gaps = gaps_of(rows[rows["asset"] == asset], open_[:, asset], close[:, asset], clock.sessions)
        if len(gaps.bars):
            _refuse_large(gaps, clock, symbols[asset])
            likely.append((adjusted_likelihood(gaps), asset, len(gaps.bars)))
    if not likely:
        return
    together = sum(found[0] for found in likely)
    # Of many symbols one is unlikely by chance.
    alone = [found for found in likely if found[0] >= LIKELY + math.log(len(likely))]
    worst = max(max(likely)[0] - math.log(len(likely)), together)
    if worst < LIKELY:
        return
    names = [symbols[asset] for _, asset, _ in sorted(alone or likely, reverse=True)]
    count = sum(found[2] for found in (alone or likely))
    text = describe(
        "prices look dividend-adjusted already, but dividends are declared",
        symbol=names[0],
        value=f"{count:,} dividends, at whose ex-dates prices did not fall",
        more=len(names) - 1,
        hint="Give raw prices with their dividends, or adjusted prices without.",
    )
    if worst >= CERTAIN:
        raise DataError(text)
    warnings.warn(text, DataWarning, stacklevel=5)


def gaps_of(rows: np.ndarray, open_: np.ndarray, close: np.ndarray, sessions: np.ndarray) -> Gaps:
    """Gaps of one asset at its dividends. rows: its ACTION rows; open_, close, sessions: (T,)."""
    bars = np.flatnonzero(~np.isnan(close))
    starts = np.flatnonzero(np.diff(sessions[bars])) + 1  # of sessions that have one before
    if not len(starts):
        return Gaps(*(np.zeros(0, int), *[np.zeros(0)] * 5))
    first_bars, last_bars = bars[starts], bars[starts - 1]
    ratio, paid = np.ones(len(starts)), np.zeros(len(starts))
    for row in rows[(rows["kind"] == ActionKind.SPLIT) | (rows["kind"] == ActionKind.DIVIDEND)]:
        at = int(np.searchsorted(first_bars, int(row["bar"])))
        if at == len(starts) or int(row["bar"]) <= last_bars[at]:
            continue  # before the first bar that can hold it, or after the last
        if row["kind"] == ActionKind.SPLIT:
            ratio[at] *= float(row["value"])
        else:
            paid[at] += float(row["value"])
    before = close[last_bars] / ratio
    first = open_[first_bars]
    moved = np.log(first / before)
    if np.mean(moved == 0.0) > 0.5:  # opens that were made from the close before show nothing
        last_of_session = bars[np.append(starts[1:], len(bars)) - 1]
        first = close[last_of_session]
        moved = np.log(first / before)
    ex = np.flatnonzero(paid > 0.0)
    return Gaps(first_bars[ex], before[ex], first[ex], paid[ex], moved[ex], _scales(moved, ex))


def _scales(moved: np.ndarray, ex: np.ndarray) -> np.ndarray:
    """Median size of the gaps around each of `ex`, those themselves left out, as a standard deviation; NaN: unknown."""
    ordinary = np.abs(moved)
    ordinary[ex] = np.nan
    padded = np.concatenate([np.full(NEAR, np.nan), ordinary, np.full(NEAR, np.nan)])
    around = padded[ex[:, None] + np.arange(2 * NEAR + 1)]
    known = np.count_nonzero(~np.isnan(around), axis=1) >= NEAR
    scale = np.full(len(ex), np.nan)
    scale[known] = np.nanmedian(around[known], axis=1) * 1.4826
    scale[~(scale > 0.0)] = np.nan
    return scale


def adjusted_likelihood(gaps: Gaps) -> float:
    """Log likelihood ratio of prices that do not fall by these dividends to prices that do; 0 where nothing tells."""
    with np.errstate(invalid="ignore", divide="ignore"):
        fall = np.log1p(-gaps.paid / gaps.before)
    told = ~np.isnan(gaps.scale) & np.isfinite(fall)
    moved, scale, fall = gaps.moved[told], gaps.scale[told], fall[told]
    raw, adjusted = ((moved - fall) / scale) ** 2, (moved / scale) ** 2
    each = (FREEDOM + 1) / 2 * (np.log1p(raw / FREEDOM) - np.log1p(adjusted / FREEDOM))
    return float(np.clip(each, -MOST, MOST).sum())


def _refuse_large(gaps: Gaps, clock: Clock, symbol: str) -> None:
    """Dividends of a large part of the price, after which the price did not fall."""
    share = gaps.paid / gaps.before
    with np.errstate(over="ignore"):
        worse = np.abs(np.log((gaps.first + gaps.paid) / gaps.before)) > np.abs(gaps.moved) + 1e-12
    refused = (share >= LARGE) & worse
    noted = (share > NOTED) & worse & ~refused
    for found, refuse in ((refused, True), (noted, False)):
        if not found.any():
            continue
        at = int(np.argmax(found))
        value: Any = f"{gaps.paid[at]:g} after a close of {gaps.before[at]:g}, first price then {gaps.first[at]:g}"
        text = describe(
            "a dividend must be less than the share was worth"
            if share[at] >= 1.0
            else "the price did not fall by this dividend",
            symbol=symbol,
            date=clock.session_dates[int(clock.sessions[int(gaps.bars[at])])],
            column="dividend",
            value=value,
            more=int(found.sum()) - 1,
            hint="Is it in another unit, such as pence, or are prices adjusted already?",
        )
        if refuse:
            raise DataError(text)
        warnings.warn(text, DataWarning, stacklevel=6)
