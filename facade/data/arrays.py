"""Arrays given for a panel: their shapes, their names, and that nobody writes to them afterwards."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facade.data.pivot import refuse_too_large
from facade.errors import DataError, listing


def copy_arrays(given: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """(T, A) float64 copies in C order, all of one shape."""
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
    return {name: np.array(source, dtype=np.float64, order="C", copy=True) for name, source in sources.items()}


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


def raw_bytes(array: np.ndarray) -> memoryview:
    """The values of an array as bytes, for a digest."""
    return np.ascontiguousarray(array).data.cast("B")
