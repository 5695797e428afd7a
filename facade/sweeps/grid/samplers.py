"""Grids drawn from a space instead of enumerated: at random, as a Latin hypercube, or as a Sobol sequence.

A space is a dict name -> list of choices or a distribution (`Uniform`, `LogUniform`, `Integers`). Each method places n
points in the unit cube of as many dimensions as the space has names; the inverse distribution of a name then makes
values of its coordinate.
"""

from __future__ import annotations

import importlib
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.errors import ConfigError
from facade.sweeps.grid.axes import axis_values, object_series

MOST_INTEGERS = 2**53
"""A uniform double has 53 bits, so a wider range of integers could not be drawn evenly."""


@dataclass(frozen=True)
class Uniform:
    """Real numbers between low and high, all equally likely."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_bounds(self, self.low, self.high)

    def at(self, unit: np.ndarray) -> np.ndarray:
        """(n,) values at the coordinates `unit`, 0 <= unit < 1."""
        low, high = float(self.low), float(self.high)
        return np.clip(low * (1 - unit) + high * unit, low, high)


@dataclass(frozen=True)
class LogUniform:
    """Positive numbers between low and high whose logarithm is uniform: 0.001 to 0.01 as likely as 0.01 to 0.1."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_bounds(self, self.low, self.high)
        if self.low <= 0:
            raise ConfigError(f"{self!r}: low={self.low!r} is not allowed; a logarithm needs low > 0")

    def at(self, unit: np.ndarray) -> np.ndarray:
        """(n,) values at the coordinates `unit`, 0 <= unit < 1."""
        low, high = math.log(self.low), math.log(self.high)
        return np.clip(np.exp(low * (1 - unit) + high * unit), float(self.low), float(self.high))


@dataclass(frozen=True)
class Integers:
    """Whole numbers from low to high, both included, all equally likely."""

    low: int
    high: int

    def __post_init__(self) -> None:
        for name, bound in (("low", self.low), ("high", self.high)):
            if not _is_whole(bound):
                raise ConfigError(f"{self!r}: {name}={bound!r} is not allowed; it must be a whole number")
        if not -MOST_INTEGERS <= self.low <= self.high <= MOST_INTEGERS or self.high - self.low >= MOST_INTEGERS:
            raise ConfigError(f"{self!r} is not allowed; low <= high, both and their distance within 2**53")

    def at(self, unit: np.ndarray) -> np.ndarray:
        """(n,) int64 values at the coordinates `unit`, 0 <= unit < 1."""
        steps = np.floor(unit * (int(self.high) - int(self.low) + 1)).astype(np.int64)
        return np.minimum(int(self.low) + steps, int(self.high))


Distribution = Uniform | LogUniform | Integers


class Drawn(NamedTuple):
    """One drawn column: `values[codes]`, or the values row by row when codes is None."""

    values: list[Any]
    codes: np.ndarray | None
    labels: list[str] | None


@dataclass(frozen=True, eq=False)
class Sample:
    """n configurations to be drawn from a space; give it to `sweep` as the grid.

    The same space, n, method and seed give the same rows. A seed of None is taken from the sweep (its `seed=`), which
    makes one up when it has none either; the grid and the result say which it was.
    """

    space: Mapping[str, Any]
    n: int
    method: str
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method={self.method!r} is not known; it is one of {', '.join(METHODS)}")
        if not _is_whole(self.n) or self.n < 1:
            raise ConfigError(f"n={self.n!r} is not allowed; it is a number of configurations, n >= 1")
        if not isinstance(self.space, Mapping) or not self.space:
            raise ConfigError(
                "a space is a dict name -> list of choices, Uniform, LogUniform or Integers, with at least one name; "
                f"got {self.space!r}"
            )
        check_seed(self.seed)

    def columns(self, seed: int | None = None) -> dict[str, Drawn]:
        """The drawn columns by name; `seed` is used when the sample has none of its own."""
        seed = self.seed if self.seed is not None else check_seed(seed)
        if seed is None:
            raise ConfigError(f"a seed is missing: {self.method}(space, n, seed=7), or draw(seed=7)")
        choices = {name: _choices(name, axis) for name, axis in self.space.items()}
        unit = METHODS[self.method](len(choices), int(self.n), np.random.default_rng(int(seed)))
        return {name: _column(choices[name], unit[:, at]) for at, name in enumerate(choices)}

    def draw(self, seed: int | None = None) -> pl.DataFrame:
        """The configurations as a frame of n rows, which `sweep` takes as a grid just as well.

        `seed` is used when the sample has none of its own. Choices that no single type of Polars holds as they are
        (mappings, functions, 'auto' beside numbers) become a column of objects.

        >>> random({"stop_loss": [None, 0.05], "fast": Integers(2, 20)}, 3, seed=1).draw()["fast"].to_list()
        [20, 20, 10]
        """
        return pl.DataFrame([_series(str(name), drawn) for name, drawn in self.columns(seed).items()])


def random(space: Mapping[str, Any], n: int, seed: int | None = None) -> Sample:
    """n independent draws. With the same seed a larger n only adds rows at the end.

    space: dict name -> list of choices, `Uniform`, `LogUniform` or `Integers`. Raises ConfigError for a bad argument.
    """
    return Sample(space, n, "random", seed)


def latin_hypercube(space: Mapping[str, Any], n: int, seed: int | None = None) -> Sample:
    """n draws of which each name has exactly one in every nth of its range (McKay, Beckman and Conover 1979).

    space: as in `random`. Needs scipy (the extra `ml4t-kernel[sweep]`) when drawn.
    """
    return Sample(space, n, "latin_hypercube", seed)


def sobol(space: Mapping[str, Any], n: int, seed: int | None = None) -> Sample:
    """The first n points of a scrambled Sobol sequence (Sobol 1967, scrambled after Owen 1998), which fill the space.

    Its balance needs n to be a power of two; scipy warns with a UserWarning when it is not. With the same seed a
    larger n only adds rows at the end. space: as in `random`. Needs scipy (the extra `ml4t-kernel[sweep]`) when drawn.
    """
    return Sample(space, n, "sobol", seed)


def new_seed() -> int:
    """A seed from the system's randomness, short enough to be typed."""
    return secrets.randbits(32)


def check_seed(seed: Any) -> int | None:
    """The seed as an int, or None; anything but a whole number >= 0 is refused."""
    if seed is None:
        return None
    if not _is_whole(seed) or seed < 0:
        raise ConfigError(f"seed={seed!r} is not allowed; it is a whole number >= 0, or None")
    return int(seed)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _require_bounds(distribution: Any, low: Any, high: Any) -> None:
    for name, bound in (("low", low), ("high", high)):
        number = isinstance(bound, int | float | np.number) and not isinstance(bound, bool)
        if not number or not math.isfinite(bound):
            raise ConfigError(f"{distribution!r}: {name}={bound!r} is not allowed; it must be a finite number")
    if not low < high or not math.isfinite(float(high) - float(low)):
        raise ConfigError(f"{distribution!r} is not allowed; low must be below high, their distance finite")


def _choices(name: Any, axis: Any) -> Any:
    return axis if isinstance(axis, Distribution) else axis_values(name, axis)


def _column(choices: Any, unit: np.ndarray) -> Drawn:
    if isinstance(choices, Distribution):
        return Drawn(choices.at(unit).tolist(), None, None)
    values, labels = choices
    codes = np.minimum((unit * len(values)).astype(np.int32), np.int32(len(values) - 1))
    return Drawn(values, codes, labels)


def _series(name: str, drawn: Drawn) -> pl.Series:
    kinds = {type(value) for value in drawn.values} - {type(None)}
    if len(kinds) == 1 and kinds <= {bool, int, float, str, date, datetime}:
        try:
            values = pl.Series(name, drawn.values, strict=True)
        except (OverflowError, TypeError, pl.exceptions.PolarsError):
            values = object_series(name, drawn.values)  # integers wider than 64 bits, mixed time zones
    else:
        values = object_series(name, drawn.values)
    if drawn.codes is None:
        return values
    if values.dtype == pl.Object:
        return object_series(name, [drawn.values[code] for code in drawn.codes.tolist()])
    return values.gather(drawn.codes)


def _draw_random(dimensions: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.random((n, dimensions))


def _draw_latin_hypercube(dimensions: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return _engine("latin_hypercube", "LatinHypercube", dimensions, rng).random(n)


def _draw_sobol(dimensions: int, n: int, rng: np.random.Generator) -> np.ndarray:
    return _engine("sobol", "Sobol", dimensions, rng).random(n)


def _engine(method: str, name: str, dimensions: int, rng: np.random.Generator) -> Any:
    try:
        qmc = importlib.import_module("scipy.stats.qmc")
    except ImportError as error:
        raise ImportError(f"{method}() needs scipy: pip install 'ml4t-kernel[sweep]'") from error
    engine = getattr(qmc, name)
    try:
        return engine(dimensions, rng=rng)
    except TypeError:  # scipy before 1.15 calls it seed
        return engine(dimensions, seed=rng)


METHODS = {"random": _draw_random, "latin_hypercube": _draw_latin_hypercube, "sobol": _draw_sobol}
"""Method -> function of (dimensions, n, generator) that gives (n, dimensions) coordinates in [0, 1)."""
