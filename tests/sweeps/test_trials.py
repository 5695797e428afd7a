"""Statistics of a search reproduce what the papers print, and cross-validation equals a naive loop."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.errors import DataError
from facade.sweeps.statistics.trials import (
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    minimum_backtest_length,
    minimum_track_record_length,
    moments,
    overfitting,
    probabilistic_sharpe_ratio,
)

DAYS = 250
SHARPE, VARIANCE, BARS = 2.5 / math.sqrt(DAYS), 0.5 / DAYS, 1250


# ---- what the papers print


def test_the_expected_maximum_of_the_deflated_sharpe_paper():
    # Bailey and Lopez de Prado 2014, "A Numerical Example": N = 100, V = 1/2 a year, 250 days: 0.1132 a day.
    assert round(expected_maximum_sharpe(VARIANCE, 100), 4) == 0.1132


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "printed"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_the_deflated_sharpe_ratios_of_the_paper(trials, skewness, kurtosis, printed):
    found = deflated_sharpe_ratio(SHARPE, VARIANCE, trials, BARS, skewness, kurtosis)
    assert round(found, 4) == printed


def test_in_the_papers_example_46_skewed_and_88_normal_trials_are_the_last_whose_dsr_rounds_to_95_percent():
    normal = [deflated_sharpe_ratio(SHARPE, VARIANCE, trials, BARS) for trials in (88, 89)]
    skewed = [deflated_sharpe_ratio(SHARPE, VARIANCE, trials, BARS, -3.0, 10.0) for trials in (46, 47)]
    assert normal[0] >= 0.95 > normal[1]
    assert skewed[0] >= 0.95 > skewed[1]


@pytest.mark.parametrize(
    ("bars_a_year", "skewness", "kurtosis", "years"),
    [(252, 0.0, 3.0, 2.73), (52, 0.0, 3.0, 2.83), (12, 0.0, 3.0, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_the_minimum_track_records_of_the_efficient_frontier_paper(bars_a_year, skewness, kurtosis, years):
    # Bailey and Lopez de Prado 2012, section 5: Sharpe ratio 2 against 1 a year, 95 % confidence.
    one = 1.0 / math.sqrt(bars_a_year)
    found = minimum_track_record_length(2.0 * one, one, 0.95, skewness, kurtosis)
    assert round(found / bars_a_year, 2) == years


@pytest.mark.parametrize(("skewness", "kurtosis", "printed"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)])
def test_the_probabilistic_sharpe_ratios_of_the_efficient_frontier_paper(skewness, kurtosis, printed):
    # Bailey and Lopez de Prado 2012, section 3: two years of months, Sharpe ratio 1.59 a year (0.458 a month).
    assert round(probabilistic_sharpe_ratio(0.458, 0.0, 24, skewness, kurtosis), 3) == printed


def test_the_minimum_backtest_length_of_the_charlatanism_paper():
    # Bailey et al. 2014: E[max] of 10 trials is 1.57; five years allow no more than 45 trials.
    assert math.floor(100 * expected_maximum_sharpe(1.0, 10)) / 100 == 1.57
    assert minimum_backtest_length(45) < 5.0 < minimum_backtest_length(46)
    assert minimum_backtest_length(45, annual_sharpe=2.0) == pytest.approx(minimum_backtest_length(45) / 4.0)
    assert minimum_backtest_length(45) < 2.0 * math.log(45)  # the bound of the paper


# ---- Sharpe statistics


def test_at_the_minimum_track_record_the_confidence_is_reached():
    for confidence in (0.6, 0.95, 0.99):
        length = minimum_track_record_length(0.2, 0.05, confidence, -0.5, 4.0)
        z = (0.2 - 0.05) * math.sqrt(length - 1.0) / math.sqrt(1.0 + 0.5 * 0.2 + 0.75 * 0.04)
        assert math.erf(z / math.sqrt(2.0)) / 2.0 + 0.5 == pytest.approx(confidence)
    assert minimum_track_record_length(0.1, 0.1) == math.inf


def test_one_trial_is_not_deflated_and_more_trials_always_are():
    assert expected_maximum_sharpe(1.0, 1) == 0.0
    assert deflated_sharpe_ratio(0.1, 0.01, 1, 500) == probabilistic_sharpe_ratio(0.1, 0.0, 500)
    found = [deflated_sharpe_ratio(0.1, 0.01, trials, 500) for trials in (1, 2, 3, 10, 100, 10_000)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_nan_goes_through_and_impossible_arguments_do_not():
    assert math.isnan(deflated_sharpe_ratio(math.nan, 0.01, 10, 100))
    assert math.isnan(deflated_sharpe_ratio(0.1, math.nan, 10, 100))
    assert math.isnan(minimum_track_record_length(0.1, skewness=math.nan))
    with pytest.raises(ValueError, match="kurtosis=0.0 .* skewness=0.0"):
        probabilistic_sharpe_ratio(0.1, 0.0, 100, 0.0, 0.0)
    with pytest.raises(ValueError, match="observations=1"):
        probabilistic_sharpe_ratio(0.1, 0.0, 1)
    with pytest.raises(ValueError, match="trials=0"):
        expected_maximum_sharpe(0.1, 0)
    with pytest.raises(ValueError, match="variance_of_sharpes=-0.1"):
        expected_maximum_sharpe(-0.1, 3)
    with pytest.raises(ValueError, match="confidence=1.0"):
        minimum_track_record_length(0.1, confidence=1.0)
    with pytest.raises(ValueError, match="annual_sharpe=0.0"):
        minimum_backtest_length(3, 0.0)


def test_an_estimate_without_variance_is_a_certainty():
    # Two-point returns have kurtosis 1 + skewness^2; at sharpe = 2 / skewness the variance factor is zero.
    assert probabilistic_sharpe_ratio(2.0, 0.0, 10, 1.0, 2.0) == 1.0
    assert probabilistic_sharpe_ratio(2.0, 3.0, 10, 1.0, 2.0) == 0.0
    assert probabilistic_sharpe_ratio(2.0, 2.0, 10, 1.0, 2.0) == 0.5


def test_moments_by_hand():
    # 0.01 0.01 0.01 0.05: mean 0.02, m2 = 3e-4, m3 = 6e-6, m4 = 2.1e-7
    found = moments(np.array([0.01, 0.01, 0.01, 0.05]))
    assert found.sharpe == pytest.approx(0.02 / 0.02)
    assert found.skewness == pytest.approx(6e-6 / 3e-4**1.5)
    assert found.kurtosis == pytest.approx(2.1e-7 / 9e-8)
    assert found.observations == 4
    assert all(math.isnan(value) for value in moments(np.full(9, 0.01))[:3])
    assert all(math.isnan(value) for value in moments(np.zeros(1))[:3])


# ---- cross-validation


def naive_sharpe(returns):
    spread = np.std(returns, ddof=1)
    return 0.0 if not returns.any() else np.mean(returns) / spread


def naive_overfitting(returns, blocks, statistic=naive_sharpe):
    """Every split by itself, on copies of the rows: (best column, logit, in sample, out of sample) of each."""
    bars, trials = returns.shape
    size = bars // blocks
    start = bars - size * blocks
    pieces = [list(range(start + block * size, start + (block + 1) * size)) for block in range(blocks)]
    found = []
    for chosen in itertools.combinations(range(blocks), blocks // 2):
        inside = [row for block in chosen for row in pieces[block]]
        outside = [row for block in range(blocks) if block not in chosen for row in pieces[block]]
        first = [statistic(returns[inside, column]) for column in range(trials)]
        second = [statistic(returns[outside, column]) for column in range(trials)]
        best = first.index(max(first))
        lower = sum(value < second[best] for value in second)
        same = sum(value == second[best] for value in second)
        weight = (lower + (same + 1) / 2) / (trials + 1)
        found.append((best, math.log(weight / (1 - weight)), first[best], second[best], sum(second) / trials))
    return found


def noise(bars, trials, seed=0):
    return np.random.default_rng(seed).normal(0.0, 0.01, (bars, trials))


def test_four_blocks_of_two_trials_by_hand():
    # Means by block: A 4 1 1 0, B 1 2 2 2 (hundredths). In sample A wins only where block 1 is in with enough:
    #   1 2: A 5 > 3, out A 1 < B 4     1 3: A 5 > 3, out A 1 < B 4     1 4: A 4 > 3, out A 2 < B 4
    #   2 3: B, out B 3 < A 4           2 4: B, out B 3 < A 5           3 4: B, out B 3 < A 5
    returns = np.repeat([[4.0, 1.0], [1.0, 2.0], [1.0, 2.0], [0.0, 2.0]], 2, axis=0)
    found = overfitting(returns, 4, lambda values: values.mean(axis=0))
    assert found.chosen.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.logits.tolist() == [math.log((1 / 3) / (2 / 3))] * 6
    assert found.in_sample.tolist() == [2.5, 2.5, 2.0, 2.0, 2.0, 2.0]
    assert found.out_of_sample.tolist() == [0.5, 0.5, 1.0, 1.5, 1.5, 1.5]
    assert found.mean_out_of_sample.tolist() == [1.25, 1.25, 1.5, 1.75, 2.0, 2.0]
    assert (found.probability, found.probability_of_loss) == (1.0, 0.0)
    # Sums over the splits: x 13, y 6.5, xy 2.5 + 2 + 9, xx 28.5.
    assert found.slope == pytest.approx((2.5 + 2.0 + 9.0 - 13.0 * 6.5 / 6.0) / (28.5 - 169.0 / 6.0))
    assert found.intercept == pytest.approx(6.5 / 6.0 - found.slope * 13.0 / 6.0)


@pytest.mark.parametrize(("bars", "trials", "blocks"), [(12, 3, 4), (41, 5, 4), (60, 7, 6), (64, 2, 8), (5, 4, 2)])
def test_block_sums_give_what_a_naive_loop_gives(bars, trials, blocks):
    returns = noise(bars, trials, bars)
    found, wanted = overfitting(returns, blocks), naive_overfitting(returns, blocks)
    assert found.chosen.tolist() == [row[0] for row in wanted]
    arrays = (found.logits, found.in_sample, found.out_of_sample, found.mean_out_of_sample)
    for array, column in zip(arrays, (1, 2, 3, 4), strict=True):
        np.testing.assert_allclose(array, [row[column] for row in wanted], rtol=1e-12, atol=1e-12)
    x, y = [row[2] for row in wanted], [row[3] for row in wanted]
    if len(wanted) > 2:
        slope, intercept = np.polyfit(x, y, 1)
        assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
        assert found.r2 == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
    assert found.probability == np.mean([row[1] <= 0 for row in wanted])
    assert found.probability_of_loss == np.mean([row[3] < 0 for row in wanted])


def test_steps_over_many_splits_are_the_same_as_one(monkeypatch):
    returns = noise(80, 6)
    whole = overfitting(returns, 10)
    monkeypatch.setattr("facade.sweeps.statistics.cscv.CHUNK", 30)
    for name in ("chosen", "logits", "in_sample", "out_of_sample", "mean_out_of_sample"):
        np.testing.assert_array_equal(getattr(overfitting(returns, 10), name), getattr(whole, name))


def test_a_statistic_of_the_user_sees_whole_halves_in_order_of_time():
    returns = np.arange(24.0).reshape(12, 2)
    seen = []

    def last(values):
        seen.append(values[:, 0].tolist())
        return values[-1]

    found = overfitting(returns, 4, last)
    assert found.statistic == "last"
    assert [0.0, 2.0, 4.0, 6.0, 8.0, 10.0] in seen and [12.0, 14.0, 16.0, 18.0, 20.0, 22.0] in seen
    assert all(values == sorted(values) for values in seen)
    assert len(seen) == 6


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.permutations(range(6)), st.permutations(range(4)))
def test_the_order_of_trials_and_of_blocks_does_not_matter(seed, columns, blocks):
    returns = noise(24, 6, seed)
    found = overfitting(returns, 4)
    other = overfitting(returns.reshape(4, 6, 6)[list(blocks)].reshape(24, 6)[:, list(columns)], 4)
    assert other.probability == found.probability
    np.testing.assert_allclose(np.sort(other.logits), np.sort(found.logits), rtol=1e-12)
    np.testing.assert_allclose(np.sort(other.out_of_sample), np.sort(found.out_of_sample), rtol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 9), st.sampled_from([2, 4, 6]))
def test_what_always_holds(seed, trials, blocks):
    returns = noise(31, trials, seed)
    found = overfitting(returns, blocks)
    assert len(found.logits) == math.comb(blocks, blocks // 2)
    assert 0.0 <= found.probability <= 1.0
    assert found.bars + found.bars_dropped == 31 and found.bars % blocks == 0
    assert np.all(np.abs(found.logits) <= math.log(trials) + 1e-12)
    # Scaling a trial by a positive number changes no Sharpe ratio.
    scaled = overfitting(returns * np.linspace(1.0, 4.0, trials), blocks)
    np.testing.assert_array_equal(scaled.chosen, found.chosen)
    # A trial that dominates everything is always found again.
    with_best = overfitting(np.column_stack([returns, np.abs(returns[:, 0]) + 0.02]), blocks)
    assert with_best.probability == 0.0 and (with_best.chosen == trials).all()


def test_a_duplicate_is_chosen_never_and_shares_its_rank():
    returns = noise(40, 4)
    found = overfitting(np.column_stack([returns, returns[:, 1]]), 4)
    assert 4 not in found.chosen
    np.testing.assert_array_equal(found.chosen, overfitting(returns, 4).chosen)
    best_of_all = np.column_stack([returns, *[np.abs(returns[:, 0]) + 0.02] * 2])
    assert set(overfitting(best_of_all, 4).logits) == {math.log(5.5 / 1.5)}  # ranks 5 and 6 of 6, shared
    same = overfitting(np.column_stack([returns[:, 0]] * 3), 4)
    assert set(same.logits) == {0.0} and same.probability == 1.0


def test_trials_that_never_trade_count_as_zero_and_constant_ones_as_infinite():
    returns = np.column_stack([noise(40, 2), np.zeros(40), np.full(40, -0.01)])
    found = overfitting(returns, 4)
    assert 3 not in found.chosen
    assert (found.in_sample >= 0.0).all()
    certain = overfitting(np.column_stack([noise(40, 2), np.full(40, 0.01)]), 4)
    assert (certain.chosen == 2).all() and (certain.in_sample == math.inf).all()
    assert math.isnan(certain.slope) and certain.probability == 0.0


def test_noise_is_overfitted_about_half_of_the_time_and_skill_never():
    # Bailey et al. 2017: without skill the best in sample is anywhere out of sample; de-meaned trials (the paper's
    # test case of full overfitting) lose out of sample what they won in sample; a true edge is found again.
    found = [overfitting(noise(160, 40, seed), 8).probability for seed in range(60)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)
    returns = noise(800, 100)
    centred = overfitting(returns - returns.mean(axis=0), 8)
    assert (centred.probability, centred.probability_of_loss) == (1.0, 1.0)
    assert centred.slope == pytest.approx(-1.0, abs=0.1)
    returns[:, 3] += 0.005
    skilled = overfitting(returns, 8)
    assert skilled.probability == 0.0 and skilled.probability_of_loss == 0.0
    assert skilled.dominance().first_order and skilled.dominance().second_order
    assert not centred.dominance().first_order and not centred.dominance().second_order


def test_dominance_by_hand():
    returns = np.repeat([[4.0, 1.0], [1.0, 2.0], [1.0, 2.0], [0.0, 2.0]], 2, axis=0)
    found = overfitting(returns, 4, lambda values: values.mean(axis=0)).dominance()
    # chosen: 0.5 0.5 1 1.5 1.5 1.5; mean: 1.25 1.25 1.5 1.75 2 2
    assert found.x.tolist() == [0.5, 1.0, 1.25, 1.5, 1.75, 2.0]
    np.testing.assert_allclose(found.chosen, np.array([2, 3, 3, 6, 6, 6]) / 6)
    np.testing.assert_allclose(found.mean, np.array([0, 0, 2, 3, 4, 6]) / 6)
    steps = np.array([-2 * 0.5, -3 * 0.25, -1 * 0.25, -3 * 0.25, -2 * 0.25]) / 6
    np.testing.assert_allclose(found.second, [0.0, *np.cumsum(steps)])
    assert not found.first_order and not found.second_order


def test_the_first_bars_are_left_out_when_blocks_do_not_divide_them():
    returns = noise(43, 3)
    found = overfitting(returns, 4)
    assert (found.bars, found.bars_dropped) == (40, 3)
    np.testing.assert_array_equal(found.logits, overfitting(returns[3:], 4).logits)


def test_what_cannot_be_validated_is_refused_by_name():
    returns = noise(40, 3)
    for blocks in (3, 0, 22, 4.0, True):
        with pytest.raises(ValueError, match=f"blocks={blocks!r} .* even number from 2 to 20"):
            overfitting(returns, blocks)
    with pytest.raises(DataError, match="two trials or more"):
        overfitting(returns[:, :1], 4)
    with pytest.raises(DataError, match="3 bars are too few for 4 blocks"):
        overfitting(returns[:3], 4)
    with pytest.raises(DataError, match="3 bars are too few for 2 blocks; at least 4"):
        overfitting(returns[:3], 2)
    returns[7, 1:] = np.nan
    with pytest.raises(DataError, match="finite: bar 7, column '1', value nan; 1 more offender"):
        overfitting(returns, 4)
    with pytest.raises(DataError, match="column 'row 31'"):
        overfitting(returns, 4, names=("row 12", "row 31", "row 99"))
    with pytest.raises(ValueError, match="statistic='sortino' .* 'sharpe' or a function"):
        overfitting(noise(40, 3), 4, "sortino")
    with pytest.raises(ValueError, match="one value a trial, .3,., not .."):
        overfitting(noise(40, 3), 4, lambda values: values.mean())
    with pytest.raises(DataError, match="statistic must not be NaN: column '0'"):
        overfitting(noise(40, 3), 4, lambda values: np.full(3, np.nan))


def test_the_result_is_readable_and_frozen():
    found = overfitting(noise(41, 3), 4)
    assert repr(found).startswith(f"Overfitting(probability {found.probability:.3f} in 6 splits of 4 blocks; 3 trials")
    assert "probability of loss" in repr(found)
    with pytest.raises(ValueError, match="read-only"):
        found.logits[0] = 0.0
    with pytest.raises(AttributeError):
        found.probability = 0.0
