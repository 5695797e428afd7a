"""User frames on the clock of a panel: collecting, checking columns, joining timestamps and symbols (clause 0.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from facade.data.panel import Panel
from facade.errors import StrategyError
from facade.wording import did_you_mean

TEXT = (pl.String, pl.Categorical, pl.Enum)


def collect_frame(source: Any, what: str) -> pl.DataFrame:
    """A DataFrame from a DataFrame, a LazyFrame or anything with the Arrow C stream."""
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if hasattr(source, "__arrow_c_stream__"):
        import pyarrow as pa

        # By way of pyarrow, which keeps a named index of pandas as a column (an unnamed one carries no data).
        try:
            frame = pl.DataFrame(pa.table(source))
        except (pa.ArrowException, pl.exceptions.PolarsError, TypeError) as error:
            raise StrategyError(f"{what}: {type(source).__name__} cannot be read as a table: {error}") from error
        return frame.select(name for name in frame.columns if not name.startswith("__index_level_"))
    raise StrategyError(
        f"{what}: expected a Polars DataFrame or LazyFrame, or a table with the Arrow C stream, "
        f"got {type(source).__name__}; numpy arrays go to from_array or from_arrays"
    )


def require_columns(frame: pl.DataFrame, names: Sequence[str], what: str) -> None:
    for name in names:
        if name not in frame.columns:
            raise StrategyError(
                f"{what}: column {name!r} is missing{did_you_mean(name, frame.columns)}"
                f" (columns: {', '.join(frame.columns)})"
            )


def require_timestamps(stamps: pl.Series, what: str) -> None:
    """Date, Datetime or (for bar numbers) integer, without nulls."""
    if stamps.dtype == pl.Null and not len(stamps):  # a frame without rows
        return
    if not (stamps.dtype in (pl.Date, pl.Datetime) or stamps.dtype.is_integer()):
        raise StrategyError(
            f"{what}: column 'timestamp' must be Date, Datetime or bar numbers, got {stamps.dtype}"
            + (" (parse text with str.to_date or str.to_datetime)" if stamps.dtype == pl.String else "")
        )
    if stamps.null_count():
        raise StrategyError(f"{what}: row {stamps.is_null().arg_max()}, column 'timestamp': null is not a time")


def require_symbols(symbols: pl.Series, what: str) -> None:
    if not isinstance(symbols.dtype, TEXT) and (symbols.dtype != pl.Null or len(symbols)):
        raise StrategyError(f"{what}: column 'symbol' must be text, categorical or enum, got {symbols.dtype}")


def float_values(column: pl.Series, what: str) -> np.ndarray:
    """Numbers as float64, null as NaN."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        raise StrategyError(f"{what}: column {column.name!r} must be numeric, got {column.dtype}")
    cast = column.cast(pl.Float64)
    return (cast.fill_null(float("nan")) if cast.null_count() else cast).to_numpy()


def require_panel_shape(values: np.ndarray, panel: Panel, what: str) -> None:
    """An array given for a panel is (T, A)."""
    bars, assets = panel.shape
    if values.shape != (bars, assets):
        raise StrategyError(f"{what}: array of shape {values.shape} given for a panel of {bars} bars x {assets} assets")


def is_long(frame: pl.DataFrame) -> bool:
    """Whether a frame has one row a (timestamp, symbol), rather than one column a symbol."""
    return "symbol" in frame.columns


def wide_names(frame: pl.DataFrame) -> list[str]:
    return [name for name in frame.columns if name != "timestamp"]
