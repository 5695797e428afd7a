"""Probability of backtest overfitting by combinatorially symmetric cross-validation (CSCV).

Bailey, Borwein, Lopez de Prado and Zhu, "The Probability of Backtest Overfitting", Journal of Computational Finance
20(4), 2017. Arrays in, arrays out; what they are of is the caller's to know.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, nan

import numpy as np

from facade.errors import DataError, describe
from facade.results.metrics import CONSTANT

MOST_BLOCKS = 20
"""184,756 splits; each two further blocks make it four times as many."""
CHUNK = 500_000
"""Cells (splits x trials) of one step: a few megabytes, whatever the number of trials."""

ROUNDING = 1e-12
"""Of the sums in an integral of shares."""

Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Dominance:
    """Whether choosing in sample beat not choosing, out of sample: two distributions over the splits.

    The chosen trial is compared with the mean of all trials of the same split. Values that are not finite are left out.
    """

    x: np.ndarray
    """(M,) every value of either, increasing."""
    chosen: np.ndarray
    """(M,) share of splits in which the chosen trial was at most x."""
    mean: np.ndarray
    """(M,) share of splits in which the mean of all trials was at most x."""
    second: np.ndarray
    """(M,) integral of mean - chosen up to x (SD2)."""

    @property
    def first_order(self) -> bool:
        """Nowhere more often low, somewhere less often."""
        return bool((self.chosen <= self.mean).all() and (self.chosen < self.mean).any())

    @property
    def second_order(self) -> bool:
        """Preferred by everyone who is averse to risk: the integral is nowhere negative, somewhere positive."""
        return bool((self.second >= -ROUNDING).all() and (self.second > ROUNDING).any())


@dataclass(frozen=True, eq=False, repr=False)
class Overfitting:
    """Result of `overfitting`: C = comb(blocks, blocks / 2) splits of the bars into two halves of blocks."""

    probability: float
    """PBO: share of splits in which the best trial in sample was at or below the median out of sample."""
    slope: float
    """Performance degradation: out of sample = intercept + slope x in sample, least squares over the splits."""
    intercept: float
    r2: float
    probability_of_loss: float
    """Share of splits in which the chosen trial had a statistic below zero out of sample."""
    trials: int
    blocks: int
    bars: int
    """Bars used, a multiple of blocks."""
    bars_dropped: int
    """First bars, left out to make it one."""
    statistic: str
    chosen: np.ndarray
    """(C,) int32: column of the best trial in sample of each split; of equal ones the first."""
    logits: np.ndarray
    """(C,) ln(w / (1 - w)), w = rank out of sample / (N + 1); ranks from 1, the worst; equal values share the mean."""
    in_sample: np.ndarray
    """(C,) statistic of the chosen trial in sample."""
    out_of_sample: np.ndarray
    """(C,) statistic of the chosen trial out of sample."""
    mean_out_of_sample: np.ndarray
    """(C,) mean of the statistic of all trials out of sample."""

    def dominance(self) -> Dominance:
        """Distributions of the chosen trial and of the mean of all trials, out of sample."""
        chosen = np.sort(self.out_of_sample[np.isfinite(self.out_of_sample)])
        mean = np.sort(self.mean_out_of_sample[np.isfinite(self.mean_out_of_sample)])
        x = np.union1d(chosen, mean)
        below_chosen = np.searchsorted(chosen, x, side="right") / max(len(chosen), 1)
        below_mean = np.searchsorted(mean, x, side="right") / max(len(mean), 1)
        steps = (below_mean - below_chosen)[:-1] * np.diff(x)
        return Dominance(x, below_chosen, below_mean, np.concatenate([np.zeros(min(len(x), 1)), np.cumsum(steps)]))

    def __repr__(self) -> str:
        return (
            f"Overfitting(probability {self.probability:.3f} in {len(self.logits):,} splits of {self.blocks} blocks; "
            f"{self.trials:,} trials x {self.bars:,} bars; {self.statistic}: out of sample = {self.intercept:.3g} "
            f"{self.slope:+.3g} x in sample, R2 {self.r2:.2f}; probability of loss {self.probability_of_loss:.3f})"
        )


def overfitting(
    returns: np.ndarray,
    blocks: int = 16,
    statistic: str | Statistic = "sharpe",
    names: Sequence[object] | None = None,
) -> Overfitting:
    """Probability of backtest overfitting by combinatorially symmetric cross-validation (Bailey et al. 2017).

    The bars are cut into an even number S of blocks of equal length. Each choice of S / 2 of them is in sample once,
    the rest out of sample: the best trial in sample is looked up among all trials out of sample.

        S = 4    blocks 1 2 | 3 4    1 3 | 2 4    1 4 | 2 3    and the same with the sides exchanged: 6 splits

    Parameters
    ----------
    returns : (T, N) float64
        Returns a bar of N >= 2 trials over the same T bars. The T modulo S first bars are left out.
    blocks : int
        S: even, 2 to 20. 16 blocks are 12,870 splits; a block has to be long against the holding period.
    statistic : "sharpe" or callable
        What the best is chosen and ranked by: mean / standard deviation (ddof 1) a bar, 0 for returns that are all
        zero; or a function of (n, N) returns in order of time -> (N,) values, higher is better, never NaN, called
        once a split.
    names : sequence, optional
        What errors call the columns; their numbers when not given.

    Raises
    ------
    DataError
        A return that is NaN or infinite (naming the column), one column, too few bars.
    ValueError
        An odd or impossible number of blocks, an unknown statistic.

    Notes
    -----
    A rank at the median counts as overfitted (logit <= 0). Trials without skill have an expected probability near one
    half; de-meaned ones have 1, since what was won in one half was then lost in the other. Memory is a few megabytes
    beside the returns. Permuting trials or blocks changes nothing but which of two equal trials is chosen.

    Examples
    --------
    >>> import numpy as np
    >>> returns = np.random.default_rng(0).normal(0.0, 0.01, (400, 20))
    >>> returns[:, 7] += 0.01
    >>> overfitting(returns, blocks=8).probability
    0.0
    """
    returns, dropped = _checked(returns, blocks, names)
    if statistic == "sharpe":
        measure: Statistic = _Sharpe(returns, blocks)
    elif callable(statistic):
        measure = _Called(returns, blocks, statistic, names)
    else:
        raise ValueError(f"statistic={statistic!r} is not allowed; it is 'sharpe' or a function of (n, N) returns")
    splits = comb(blocks, blocks // 2)
    logits, in_sample, out_of_sample, mean = (np.empty(splits) for _ in range(4))
    chosen = np.empty(splits, dtype=np.int32)
    for rows, members in _halves(blocks, returns.shape[1]):
        inside, outside = measure(members), measure(_complement(members, blocks))
        for at, first, second in ((rows, inside, outside), (splits - 1 - rows, outside, inside)):
            chosen[at], logits[at], in_sample[at], out_of_sample[at] = _judge(first, second)
            mean[at] = second.mean(axis=1)
    for array in (chosen, logits, in_sample, out_of_sample, mean):
        array.flags.writeable = False
    return Overfitting(
        float(np.mean(logits <= 0.0)),
        *_line(in_sample, out_of_sample),
        probability_of_loss=float(np.mean(out_of_sample < 0.0)),
        trials=returns.shape[1],
        blocks=blocks,
        bars=len(returns),
        bars_dropped=dropped,
        statistic=statistic if isinstance(statistic, str) else getattr(statistic, "__name__", "statistic"),
        chosen=chosen,
        logits=logits,
        in_sample=in_sample,
        out_of_sample=out_of_sample,
        mean_out_of_sample=mean,
    )


def _checked(returns: np.ndarray, blocks: int, names: Sequence[object] | None) -> tuple[np.ndarray, int]:
    """The bars that are used, and how many first ones are not."""
    if (
        isinstance(blocks, bool)
        or not isinstance(blocks, int | np.integer)
        or blocks % 2
        or not 2 <= blocks <= MOST_BLOCKS
    ):
        raise ValueError(f"blocks={blocks!r} is not allowed; it must be an even number from 2 to {MOST_BLOCKS}")
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise DataError(f"returns must be an array (bars, trials) of two trials or more, not {returns.shape}")
    bars = len(returns)
    if bars < max(blocks, 4):
        raise DataError(f"{bars:,} bars are too few for {blocks} blocks; at least {max(blocks, 4)} are needed")
    bad = ~np.isfinite(returns).all(axis=0)
    if bad.any():
        column = int(bad.argmax())
        bar = int((~np.isfinite(returns[:, column])).argmax())
        name = column if names is None else names[column]
        more = int(bad.sum()) - 1
        raise DataError(
            describe(
                "returns must be finite", date=f"bar {bar}", column=str(name), value=returns[bar, column], more=more
            )
        )
    dropped = bars % blocks
    return returns[dropped:], dropped


def _halves(blocks: int, trials: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers (c,) and blocks (c, S / 2) of the splits that have block 0 in sample, in chunks.

    In lexicographic order they are the first half of all splits, and the complement of split i is split C - 1 - i.
    """
    half = np.array(list(combinations(range(blocks), blocks // 2))[: comb(blocks, blocks // 2) // 2], dtype=np.intp)
    size = max(1, CHUNK // trials)
    for first in range(0, len(half), size):
        members = half[first : first + size]
        yield np.arange(first, first + len(members)), members


def _complement(members: np.ndarray, blocks: int) -> np.ndarray:
    """(c, S / 2) the other blocks, increasing."""
    other = np.ones((len(members), blocks), dtype=bool)
    np.put_along_axis(other, members, False, axis=1)
    return np.nonzero(other)[1].reshape(members.shape)


class _Sharpe:
    """Sharpe ratios of halves from sums and sums of squares of each block.

    Blocks are added in a fixed order and column by column, so that equal trials have equal bits wherever they stand
    (a matrix product would not promise that).
    """

    def __init__(self, returns: np.ndarray, blocks: int) -> None:
        cut = returns.reshape(blocks, len(returns) // blocks, returns.shape[1])
        self._count = len(returns) // 2
        self._sums = cut.sum(axis=1)
        self._squares = np.stack([np.square(block).sum(axis=0) for block in cut])

    def __call__(self, members: np.ndarray) -> np.ndarray:
        total, squares = self._sums[members[:, 0]], self._squares[members[:, 0]]
        for block in members.T[1:]:
            total += self._sums[block]
            squares += self._squares[block]
        mean = total / self._count
        around = squares - total * mean
        around[around <= CONSTANT * squares] = 0.0
        with np.errstate(divide="ignore", invalid="ignore"):
            sharpe: np.ndarray = mean / np.sqrt(around / (self._count - 1.0))
        sharpe[squares == 0.0] = 0.0
        return sharpe


class _Called:
    """A user's statistic of halves."""

    def __init__(self, returns: np.ndarray, blocks: int, statistic: Statistic, names: Sequence[object] | None) -> None:
        self._cut = returns.reshape(blocks, len(returns) // blocks, returns.shape[1])
        self._statistic, self._names = statistic, names

    def __call__(self, members: np.ndarray) -> np.ndarray:
        trials = self._cut.shape[2]
        values = np.empty((len(members), trials))
        for row, blocks in enumerate(members):
            found = np.asarray(self._statistic(self._cut[blocks].reshape(-1, trials)), dtype=np.float64)
            if found.shape != (trials,):
                raise ValueError(f"statistic must return one value a trial, ({trials},), not {found.shape}")
            if np.isnan(found).any():
                column = int(np.isnan(found).argmax())
                name = column if self._names is None else self._names[column]
                raise DataError(describe("statistic must not be NaN", column=str(name)))
            values[row] = found
        return values


def _judge(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Best column in sample, its logit, and its statistic in and out of sample, of (c, N) statistics."""
    best = inside.argmax(axis=1)
    rows = np.arange(len(best))
    value = outside[rows, best]
    below = (outside < value[:, None]).sum(axis=1)
    equal = (outside == value[:, None]).sum(axis=1)
    rank = below + (equal + 1.0) / 2.0
    above = inside.shape[1] + 1.0 - rank
    return best, np.log(rank / above), inside[rows, best], value


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Slope, intercept and R2 of least squares over the pairs that are finite; NaN when x does not vary."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if not len(x) or np.ptp(x) == 0.0:
        return nan, nan, nan
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    residual, spread = dy - slope * dx, float(dy @ dy)
    return slope, float(y.mean() - slope * x.mean()), 1.0 - float(residual @ residual) / spread if spread else nan
