"""Arrays given for a panel: their shapes, their names, and that nobody writes to them afterwards."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from facade.data.memory import new_bars
from facade.data.pivot import refuse_too_large
from facade.errors import DataError, listing

_PART = 262_144  # bytes


def copy_arrays(given: Mapping[str, Any]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(T, A, 4) float64 bars, and (T, A) copies by name, all of one shape, prices as views of the bars."""
    if "close" not in given:
        raise DataError("prices need a close")
    sources = {name: _to_columns(name, values) for name, values in given.items()}
    bars, assets = sources["close"].shape
    for name, source in sources.items():
        if source.shape != (bars, assets):
            raise DataError(f"{name} has the shape {source.shape}, close has {(bars, assets)}")
    if not bars or not assets:
        raise DataError(f"prices have no rows or no symbols: shape {(bars, assets)}")
    refuse_too_large(bars, assets, len(sources))
    whole, prices = new_bars(bars, assets)
    arrays = {name: prices[name] if name in prices else np.empty((bars, assets)) for name in sources}
    # In parts, so that a line of cache is written by its four prices while it is there.
    step = max(1, _PART // (32 * assets))
    for first in range(0, bars, step):
        for name, source in sources.items():
            arrays[name][first : first + step] = source[first : first + step]
    return whole, arrays


def _to_columns(name: str, values: Any) -> np.ndarray:
    """The values as a two-dimensional array of numbers, not copied if they are one."""
    source = np.asarray(values)
    if source.dtype.kind == "O":  # Decimal and the like
        try:
            source = source.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} must be an array of numbers: {error}") from error
    if source.dtype.kind not in "fiu":
        raise DataError(f"{name} must be an array of numbers, not {source.dtype}")
    if source.ndim not in (1, 2):
        raise DataError(f"{name} must have the shape (bars, symbols), not {source.shape}")
    return source[:, None] if source.ndim == 1 else source


def check_symbols(symbols: Sequence[str] | None, assets: int) -> tuple[str, ...]:
    """(A,) names of the columns, A0, A1, ... where none are given; DataError when they are not one a column."""
    if symbols is None:
        return tuple(f"A{number}" for number in range(assets))
    if isinstance(symbols, str):
        raise DataError(f"symbols must be a list of symbols: [{symbols!r}]")
    names = tuple(str(name) for name in symbols)
    if len(names) != assets:
        raise DataError(f"symbols must be one a column: {len(names):,} given for {assets:,} columns")
    if len(set(names)) < len(names):
        raise DataError(
            f"symbols must be unique; repeated: {listing(sorted({n for n in names if names.count(n) > 1}))}"
        )
    return names


def freeze(state: Mapping[str, Any]) -> None:
    """Make the arrays of a panel read-only, its extras too."""
    for value in (*state.values(), *state.get("extras", {}).values()):
        if isinstance(value, np.ndarray):
            value.flags.writeable = False


def raw_bytes(array: np.ndarray) -> Iterator[memoryview]:
    """The values of an array as bytes, for a digest; of a view they are copied in parts."""
    rows = max(1, len(array)) if array.flags.c_contiguous else max(1, _PART * len(array) // max(1, array.nbytes))
    for first in range(0, len(array), rows):
        yield np.ascontiguousarray(array[first : first + rows]).data.cast("B")
