"""Scales, numbers and colours that the figures of a sweep share.

A numeric parameter with many values (drawn at random) is cut into intervals of equal width, in the logarithm when they
span two decades.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from facade.results.metrics import FRACTIONS, SIGNED
from facade.sweeps.grid.labels import numbered
from facade.sweeps.result.ranking import direction_of
from facade.sweeps.rows.columns import column_types

LONGEST_LABEL = 24
NONE = "None"
LETTERS = {1e12: "T", 1e9: "B", 1e6: "M"}
DIVERGING = (
    ["#67001F", "#B2182B", "#D6604D", "#F4A582", "#FDDBC7"],
    "#F7F7F7",
    ["#D1E5F0", "#92C5DE", "#4393C3", "#2166AC", "#053061"],
)
"""Below zero, at zero, above; in the order of the values."""
LOPSIDED = 0.25  # of the larger side, from which on the other one gets half of the colours


@dataclass(frozen=True)
class Scale:
    """The categories of a parameter. codes: (n,) int of each row; labels: texts in order; binned: of intervals."""

    name: str
    codes: np.ndarray
    labels: list[str]
    binned: bool

    @property
    def title(self) -> str:
        return f"{self.name} ({len(self.labels)} intervals)" if self.binned else self.name


def scale_of(values: pl.Series, bins: int, whole: pl.Series | None = None) -> Scale:
    """Categories of a parameter: numbers ascending, texts as they first appear in `whole`, None first."""
    numeric = values.dtype.is_numeric()
    if numeric and values.n_unique() > 3 * bins:
        return _binned(values, bins)
    known = (values if whole is None else whole).drop_nulls().unique(maintain_order=True)
    known = known.sort() if numeric or values.dtype == pl.Boolean else known
    texts = [_number_text(value) if numeric else _short(str(value)) for value in known.to_list()]
    has_none = values.null_count() > 0
    index = pl.DataFrame({"value": known, "code": np.arange(len(known)) + has_none})
    codes = values.alias("value").to_frame().join(index, on="value", how="left", maintain_order="left")["code"]
    return Scale(values.name, codes.fill_null(0).to_numpy(), list(numbered([NONE] * has_none + texts)), False)


def _binned(values: pl.Series, bins: int) -> Scale:
    """Intervals of equal width, or of equal ratio when all values are positive and span two decades."""
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    none = np.isnan(numbers)
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    even = low <= 0 or high / low < 100
    edges = np.linspace(low, high, bins + 1) if even else np.geomspace(low, high, bins + 1)
    codes = np.clip(np.searchsorted(edges, np.where(none, low, numbers), side="right") - 1, 0, bins - 1)
    texts = [f"{a:.3g} to {b:.3g}" for a, b in pairwise(edges)]
    if none.any():
        codes = np.where(none, 0, codes + 1)
    return Scale(values.name, codes, list(numbered([NONE] * bool(none.any()) + texts)), True)


def _number_text(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 3]}..."


def value_text(metric: str, value: float) -> str:
    if math.isnan(value):
        return ""
    if metric in FRACTIONS:
        return f"{value:.1%}"
    if math.isfinite(value) and abs(value) >= 10_000:
        size = next((size for size in LETTERS if abs(value) >= size), 1.0)
        return f"{value / size:,.3g}{LETTERS.get(size, '')}" if size > 1 else f"{value:,.0f}"
    counted = not metric or column_types()[metric].kind in "ib"
    return f"{value:.2f}" if not counted else f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def clipped(values: np.ndarray) -> np.ndarray:
    """Infinite values as the largest and smallest finite ones."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return np.clip(values, low, high)


def colours(metric: str, values: np.ndarray, palette: tuple[list[str], str, list[str]] = DIVERGING) -> dict[str, Any]:
    """From dark to light, light being better; where zero means something the hue tells the sign.

    Values of both signs: symmetric about zero, unless one side is small, which then has one colour. Of one sign: one
    hue, over the range of the values.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    if metric not in SIGNED:
        if low == high:
            high = low + (abs(low) or 1.0)
        lighter = "Viridis" if not metric or direction_of(metric) else "Viridis_r"
        return {"colorscale": lighter, "cmin": low, "cmax": high}
    below, zero, above = palette
    if low == high:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high == 0.0 or (low < 0.0 < high and min(-low, high) >= LOPSIDED * max(-low, high)):
        far = max(-low, high) or 1.0
        return {"colorscale": [*below, zero, *above], "cmin": -far, "cmax": far}
    if low < 0.0 < high:
        at = -low / (high - low)
        left, right = (below[-1:], above) if high > -low else (below, above[:1])
        scale = [*zip(np.linspace(0.0, at, len(left) + 1), [*left, zero], strict=True)]
        scale += [*zip(np.linspace(at, 1.0, len(right) + 1)[1:], right, strict=True)]
        return {"colorscale": [(float(place), colour) for place, colour in scale], "cmin": low, "cmax": high}
    return {"colorscale": above if high > 0.0 else below, "cmin": low, "cmax": high}


def tick_format(metric: str) -> dict[str, Any]:
    return {"tickformat": ".0%"} if metric in FRACTIONS else {}
