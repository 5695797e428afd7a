"""How much of the best of many trials is selection: statistics on Sharpe ratios and on arrays of returns.

All Sharpe ratios here are per bar (not annualised) unless a name says otherwise, kurtosis is 3 for Normal returns (not
excess), and a trial is one configuration that was tried and could have been chosen, whether it was any good or not.

Sources:

- PSR, MinTRL: Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of Risk 15(2), 2012.
- DSR: Bailey and Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest Overfitting and
  Non-Normality", Journal of Portfolio Management 40(5), 2014.
- MinBTL: Bailey, Borwein, Lopez de Prado and Zhu, "Pseudo-Mathematics and Financial Charlatanism", Notices of the
  American Mathematical Society 61(5), 2014.
- PBO: the same four, 2017; in `facade.sweeps.statistics.cscv`.
"""

from math import e, inf, isnan, nan, sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from facade.results.metrics import CONSTANT
from facade.sweeps.statistics.cscv import Dominance, Overfitting, overfitting

__all__ = [
    "Dominance",
    "Moments",
    "Overfitting",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "minimum_backtest_length",
    "minimum_track_record_length",
    "moments",
    "overfitting",
    "probabilistic_sharpe_ratio",
]

EULER = 0.5772156649015329
"""The constant of Euler and Mascheroni."""

NORMAL = NormalDist()


class Moments(NamedTuple):
    """What the Sharpe statistics need of a series of returns."""

    sharpe: float
    """mean / standard deviation (ddof 1) a bar; NaN when the returns are constant."""
    skewness: float
    kurtosis: float
    observations: int


def moments(returns: np.ndarray) -> Moments:
    """Moments of (T,) returns: the third and fourth are those of the sample, m3 / m2^1.5 and m4 / m2^2."""
    count = len(returns)
    if count < 2:
        return Moments(nan, nan, nan, count)
    mean = float(returns.mean())
    around = returns - mean
    second = float(np.mean(around**2))
    if second <= CONSTANT * float(np.mean(returns**2)):
        return Moments(nan, nan, nan, count)
    third, fourth = float(np.mean(around**3)), float(np.mean(around**4))
    return Moments(mean / sqrt(second * count / (count - 1)), third / second**1.5, fourth / second**2, count)


def probabilistic_sharpe_ratio(
    sharpe: float, benchmark: float, observations: int, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio is above a benchmark (Bailey and Lopez de Prado 2012, PSR).

    cdf((sharpe - benchmark) x sqrt(T - 1) / sqrt(1 - skewness x sharpe + (kurtosis - 1) / 4 x sharpe^2))

    Returns
    -------
    float in [0, 1]; NaN when an argument is NaN.

    Raises
    ------
    ValueError
        Fewer than two observations, or moments that no returns can have (kurtosis < 1 + skewness^2).

    Examples
    --------
    >>> round(probabilistic_sharpe_ratio(0.458, 0.0, 24, skewness=-2.448, kurtosis=10.164), 3)
    0.913
    """
    if any(isnan(value) for value in (sharpe, benchmark, skewness, kurtosis)):
        return nan
    if observations < 2:
        raise ValueError(f"observations={observations!r} is not allowed; it must be at least 2")
    spread = sqrt(_variance_factor(sharpe, skewness, kurtosis))
    distance = (sharpe - benchmark) * sqrt(observations - 1)
    if spread == 0.0:
        return 0.5 if distance == 0 else float(distance > 0)
    return NORMAL.cdf(distance / spread)


def _variance_factor(sharpe: float, skewness: float, kurtosis: float) -> float:
    """T - 1 times the variance of the estimate of a Sharpe ratio."""
    if kurtosis < 1.0 + skewness * skewness - 1e-9:
        raise ValueError(
            f"kurtosis={kurtosis!r} is not allowed with skewness={skewness!r}; no returns have less than "
            "1 + skewness^2 (a Normal distribution has 3: not excess kurtosis)"
        )
    return max(0.0, 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe * sharpe)


def expected_maximum_sharpe(variance_of_sharpes: float, trials: int) -> float:
    """Sharpe ratio that the best of N independent trials without skill is expected to show; 0 for one trial.

    sqrt(V) x ((1 - g) x z(1 - 1 / N) + g x z(1 - 1 / (N x e))), z the Normal quantile, g Euler's constant
    (Bailey et al. 2014, equation 4). Approximate: exact as N grows, within 3 % from N = 5 on.

    >>> round(expected_maximum_sharpe(1 / 2 / 250, trials=100), 4)
    0.1132
    """
    if isnan(variance_of_sharpes):
        return nan
    if not 0.0 <= variance_of_sharpes < inf:
        raise ValueError(f"variance_of_sharpes={variance_of_sharpes!r} is not allowed; it must be finite and >= 0")
    _check_trials(trials)
    if trials == 1:
        return 0.0
    low, high = NORMAL.inv_cdf(1.0 - 1.0 / trials), NORMAL.inv_cdf(1.0 - 1.0 / (trials * e))
    return sqrt(variance_of_sharpes) * ((1.0 - EULER) * low + EULER * high)


def _check_trials(trials: int) -> None:
    if trials < 1:
        raise ValueError(f"trials={trials!r} is not allowed; it must be at least 1")


def deflated_sharpe_ratio(
    sharpe: float,
    variance_of_sharpes: float,
    trials: int,
    observations: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """Probability that the true Sharpe ratio of the best of N trials is above zero (Bailey and Lopez de Prado 2014).

    The probabilistic Sharpe ratio against the expected maximum of N trials without skill.

    Parameters
    ----------
    sharpe
        Of the trial that was chosen, per bar.
    variance_of_sharpes
        Variance (ddof 1) of the Sharpe ratios of all trials, per bar: an annualised variance divided by the bars a
        year.
    trials
        Number of independent trials. Trials that resemble each other count as fewer; their full number errs on the
        side of caution.
    observations, skewness, kurtosis
        Of the returns of the trial that was chosen; see `moments`.

    Examples
    --------
    >>> round(deflated_sharpe_ratio(2.5 / 250**0.5, 0.5 / 250, 100, 1250, skewness=-3.0, kurtosis=10.0), 4)
    0.9004
    """
    benchmark = expected_maximum_sharpe(variance_of_sharpes, trials)
    return probabilistic_sharpe_ratio(sharpe, benchmark, observations, skewness, kurtosis)


def minimum_track_record_length(
    sharpe: float, benchmark: float = 0.0, confidence: float = 0.95, skewness: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Observations from which on the probabilistic Sharpe ratio reaches the confidence (2012, MinTRL); not rounded.

    1 + (1 - skewness x sharpe + (kurtosis - 1) / 4 x sharpe^2) x (z(confidence) / (sharpe - benchmark))^2

    inf when the Sharpe ratio is not above the benchmark.

    >>> round(minimum_track_record_length(2 / 52**0.5, benchmark=1 / 52**0.5) / 52, 2)
    2.83
    """
    if any(isnan(value) for value in (sharpe, benchmark, skewness, kurtosis)):
        return nan
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence={confidence!r} is not allowed; it must be 0.5 <= x < 1")
    if sharpe <= benchmark:
        return inf
    return 1.0 + _variance_factor(sharpe, skewness, kurtosis) * (NORMAL.inv_cdf(confidence) / (sharpe - benchmark)) ** 2


def minimum_backtest_length(trials: int, annual_sharpe: float = 1.0) -> float:
    """Years of data below which the best of N trials without skill is expected to show that Sharpe ratio a year.

    The square of the expected maximum of N standard Normal variables over the Sharpe ratio (Bailey et al. 2014,
    equation 6): five years allow 45 trials if none is to show a Sharpe ratio of one.

    >>> round(minimum_backtest_length(45), 2)
    5.0
    """
    if not annual_sharpe > 0.0:
        raise ValueError(f"annual_sharpe={annual_sharpe!r} is not allowed; it must be above 0")
    return (expected_maximum_sharpe(1.0, trials) / annual_sharpe) ** 2
