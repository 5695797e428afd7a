"""Samples of a space: reproducible, within bounds, spread as their method says."""

import importlib
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.errors import ConfigError
from facade.sweeps.grid import samplers
from facade.sweeps.grid.samplers import Integers, LogUniform, Sample, Uniform, latin_hypercube, sobol
from sweep_grids import NAN, TWO, assert_sound, read, rows_of

SPACE = {
    "fast": Integers(2, 5),
    "slow": [None, "auto", {"a": 1}],
    "stop_loss": LogUniform(0.001, 0.1),
    "take_profit": Uniform(0.5, 1.5),
    "tie": ["nearest", "optimistic"],
    "max_participation": ["auto", 0.5, None],
    "window": {"early": (None, "2019-12-31"), "late": ("2020-01-01", None)},
}


def method(name):
    if name != "random":
        pytest.importorskip("scipy.stats.qmc")
    return getattr(samplers, name)


@pytest.mark.parametrize("name", ["random", "latin_hypercube", "sobol"])
def test_a_sample_is_a_grid_and_its_seed_repeats_it(name):
    draw = method(name)
    grid = assert_sound(read(draw(SPACE, 64, 7), None, TWO))
    assert grid.rows == 64 and grid.seed == 7 and [column.name for column in grid.columns] == list(SPACE)
    assert set(grid.column("fast").values) == {2, 3, 4, 5}
    assert set(grid.column("window").labels) == {"early", "late"}
    assert len(grid.column("stop_loss").values) == 64
    assert all(0.001 <= value <= 0.1 for value in grid.column("stop_loss").values)
    assert all(0.5 <= value <= 1.5 for value in grid.column("take_profit").values)
    assert rows_of(read(draw(SPACE, 64, 7), None, TWO)) == rows_of(grid)
    assert rows_of(read(draw(SPACE, 64), None, TWO, seed=7)) == rows_of(grid)
    assert rows_of(read(draw(SPACE, 64, 7), None, TWO, seed=8)) == rows_of(grid)
    assert rows_of(read(draw(SPACE, 64, 8), None, TWO)) != rows_of(grid)
    assert rows_of(read(draw(SPACE, 64, 7).draw(), None, TWO)) == rows_of(grid)
    made_up = read(draw(SPACE, 64), None, TWO)
    assert isinstance(made_up.seed, int)
    assert rows_of(read(draw(SPACE, 64, made_up.seed), None, TWO)) == rows_of(made_up)
    assert read(made_up, None, TWO).seed == made_up.seed


def test_a_larger_sample_adds_rows_at_the_end():
    pytest.importorskip("scipy.stats.qmc")
    space = {"fast": Uniform(0, 1), "slow": Integers(1, 9)}
    for draw in (samplers.random, sobol):
        assert draw(space, 32, 3).draw()[:16].equals(draw(space, 16, 3).draw())


def test_a_latin_hypercube_has_one_row_in_every_stratum():
    pytest.importorskip("scipy.stats.qmc")
    frame = latin_hypercube({"fast": Uniform(0, 1), "slow": Integers(1, 20), "lot": [1, 2]}, 20, 5).draw()
    assert sorted((frame["fast"] * 20).floor().to_list()) == list(range(20))
    assert sorted(frame["slow"].to_list()) == list(range(1, 21))
    assert frame["lot"].to_list().count(1) == 10


def test_sobol_warns_as_scipy_does_when_n_is_no_power_of_two():
    pytest.importorskip("scipy.stats.qmc")
    with pytest.warns(UserWarning, match="power of 2"):
        frame = sobol({"fast": Uniform(0, 1)}, 20, 5).draw()
    assert frame.height == 20


@pytest.mark.parametrize("name", ["latin_hypercube", "sobol"])
def test_without_scipy_the_extra_is_named(name, monkeypatch):
    def missing(module):
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(ImportError, match=rf"{name}\(\) needs scipy: pip install 'ml4t-kernel\[sweep\]'"):
        getattr(samplers, name)({"lot": [1]}, 4, 1).draw()
    assert samplers.random({"lot": [1]}, 4, 1).draw()["lot"].to_list() == [1] * 4


def test_types_of_a_drawn_frame():
    space = {"fast": [1, 2], "slow": [None, 0.5], "lot": Integers(1, 3), "x": ["a", 1], "big": [2**200]}
    frame = samplers.random(space, 50, 1).draw()
    assert frame.dtypes == [pl.Int64, pl.Float64, pl.Int64, pl.Object, pl.Object]
    assert frame["slow"].null_count() and set(frame["x"].to_list()) == {"a", 1}


@given(st.integers(-(2**53) + 1, 2**53 - 1), st.integers(0, 3), st.integers(0, 2**32))
def test_integers_stay_within_their_bounds(low, width, seed):
    high = min(low + width, 2**53)
    drawn = samplers.random({"fast": Integers(low, high)}, 30, seed).draw()["fast"]
    assert low <= drawn.min() and drawn.max() <= high


@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300), st.integers(0, 2**32))
def test_uniform_numbers_stay_within_their_bounds(one, other, seed):
    low, high = sorted((one, other))
    if low < high:
        drawn = samplers.random({"fast": Uniform(low, high)}, 10, seed).draw()["fast"]
        assert low <= drawn.min() and drawn.max() <= high
    if 0 < low < high:
        drawn = samplers.random({"fast": LogUniform(low, high)}, 10, seed).draw()["fast"]
        assert low <= drawn.min() and drawn.max() <= high


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Uniform(1, 1), "low must be below high"),
        (lambda: Uniform(2, 1), "low must be below high"),
        (lambda: Uniform(0, math.inf), "high=inf is not allowed; it must be a finite number"),
        (lambda: Uniform(NAN, 1), "low=nan"),
        (lambda: Uniform("0", 1), "low='0'"),
        (lambda: Uniform(True, 2), "low=True"),
        (lambda: Uniform(-1e308, 1e308), "their distance finite"),
        (lambda: LogUniform(0, 1), "low=0 is not allowed; a logarithm needs low > 0"),
        (lambda: Integers(0.5, 1), "low=0.5 is not allowed; it must be a whole number"),
        (lambda: Integers(1, True), "high=True"),
        (lambda: Integers(2, 1), "low <= high"),
        (lambda: Integers(0, 2**60), "2\\*\\*53"),
        (lambda: samplers.random({}, 5), "a space is a dict"),
        (lambda: samplers.random([1], 5), "a space is a dict"),
        (lambda: samplers.random({"lot": [1]}, 0), "n=0 is not allowed"),
        (lambda: samplers.random({"lot": [1]}, 2.0), "n=2.0 is not allowed"),
        (lambda: samplers.random({"lot": [1]}, True), "n=True is not allowed"),
        (lambda: samplers.random({"lot": [1]}, 5, -1), "seed=-1 is not allowed"),
        (lambda: samplers.random({"lot": [1]}, 5, 0.5), "seed=0.5 is not allowed"),
        (lambda: samplers.random({"lot": [1]}, 5, True), "seed=True is not allowed"),
        (lambda: samplers.random({"lot": [1]}, 5).draw(), "a seed is missing"),
        (lambda: read(samplers.random({"lot": [1]}, 5), seed="x"), "seed='x' is not allowed"),
        (lambda: samplers.random({"lot": []}, 5, 1).draw(), "grid axis 'lot' is empty"),
        (lambda: samplers.random({"tie": "nearest"}, 5, 1).draw(), "not a list of values"),
        (lambda: Sample({"lot": [1]}, 5, "halton"), "method='halton' is not known"),
        (lambda: read(samplers.random({"lott": [1]}, 5, 1)), "did you mean 'lot'"),
        (
            lambda: read(samplers.random({"time_exit": Uniform(1, 9)}, 5, 1)),
            "row 0, column 'time_exit': Config time_exit=",
        ),
        (lambda: read(samplers.random({"lot": [1, *[2] * 99, -1]}, 2, 1)), "grid, column 'lot': Config lot=-1"),
    ],
)
def test_spaces_that_cannot_be_drawn_from_are_refused(make, words):
    with pytest.raises(ConfigError, match=words):
        make()


def test_a_constraint_on_a_sample():
    space = {"fast": Integers(1, 9), "slow": Integers(1, 9)}
    grid = assert_sound(read(samplers.random(space, 100, 1), None, TWO, constraint=pl.col("fast") < pl.col("slow")))
    assert grid.rows + grid.dropped == 100 and grid.seed == 1
    assert all(row["fast"] < row["slow"] for row in rows_of(grid))
