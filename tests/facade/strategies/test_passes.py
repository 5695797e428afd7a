"""Passes in pieces tell what passes over the whole array do."""

import numpy as np
import pytest

from facade.strategies.passes import PIECE_BYTES, nonzero_bytes, pieces, rows_of_nan, sums_of_sizes, survey

SHAPES = [(0, 3), (1, 1), (5, 1), (40_000, 1), (3, 65), (1500, 64), (1500, 65), (700, 301), (2, 50_000)]


def targets_of(shape, seed):
    """Targets with zeros, some negative, some NaN, some rows and columns without any number."""
    rng = np.random.default_rng(seed)
    targets = rng.uniform(-0.2, 1, shape)
    targets[:, rng.random(shape[1]) < 0.6] = 0
    if seed:
        targets[rng.random(shape) < 0.1] = np.nan
        targets[rng.random(shape[0]) < 0.3] = np.nan
    return targets


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", SHAPES)
def test_a_survey_tells_what_the_whole_array_does(shape, seed):
    targets = targets_of(shape, seed)
    told = survey(targets)
    assert told.sums.tobytes() == targets.sum(axis=1).tobytes()
    known = targets[~np.isnan(targets)]
    assert told.least == (known.min() if len(known) else np.inf)
    assert told.nonzero == np.count_nonzero(targets)
    used = ((targets != 0) & ~np.isnan(targets)).any(axis=0)
    if shape[1] <= 64 or 2 * np.count_nonzero(used) > shape[1]:
        assert told.used is None
    else:
        assert told.used.tolist() == used.tolist()
    assert sums_of_sizes(targets).tobytes() == np.abs(targets).sum(axis=1).tobytes()
    assert rows_of_nan(targets).tolist() == np.isnan(targets).all(axis=1).tolist()


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_of_nan_in_any_order_and_dtype(order):
    targets = np.asarray(targets_of((60_000, 5), 1), np.float32, order=order)
    missing = rows_of_nan(targets)
    assert 0 < np.count_nonzero(missing) < len(missing)
    assert missing.tolist() == np.isnan(targets).all(axis=1).tolist()
    assert not rows_of_nan(np.zeros((4, 2), np.int64)).any()


def test_infinite_rows_warn_nobody_and_are_not_finite():
    told = survey(np.array([[np.inf, -np.inf], [1.0, 2.0], [1e308, 1e308]]))
    assert np.isfinite(told.sums).tolist() == [False, True, False]
    assert told.least == -np.inf


@pytest.mark.parametrize("share", [0, 0.001, 0.02, 0.3, 1])
@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 4096, 4103])
def test_bytes_that_are_not_zero(length, share):
    rng = np.random.default_rng(length)
    array = np.where(rng.random(length) < share, rng.integers(1, 256, length), 0).astype(np.uint8)
    assert nonzero_bytes(array).tolist() == np.flatnonzero(array).tolist()
    padded = np.append(array, np.uint8(0))
    assert nonzero_bytes(padded).tolist() == np.flatnonzero(padded).tolist()


def test_pieces_are_all_rows_once():
    for shape in SHAPES:
        array = np.zeros(shape)
        parts = [array[piece] for piece in pieces(array)]
        assert sum(map(len, parts)) == len(array)
        assert all(len(part) == 1 or part.nbytes <= PIECE_BYTES for part in parts)
