"""Columns of frames from columns of arrays: codes to words, numbers to names, absent to null."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import polars as pl

from facade.results.run import Run


def enum_dtype(enum: type[IntEnum]) -> pl.Enum:
    """Polars type of a kernel enum: its names in lower case."""
    return pl.Enum([member.name.lower() for member in enum])


SIDE = pl.Enum(["buy", "sell"])
DIRECTION = pl.Enum(["long", "short"])


def words(codes: np.ndarray, dtype: pl.Enum, where: np.ndarray | None = None) -> pl.Series:
    """(N,) enum column from (N,) codes; null where `where` is False."""
    return pick(pl.Series(dtype.categories, dtype=dtype), codes, where)


def pick(values: pl.Series, index: np.ndarray, where: np.ndarray | None = None) -> pl.Series:
    """(N,) values at (N,) index; null where `where` is False, whatever the index is there."""
    if where is not None and not where.all():
        index = np.where(where, index, 0)
        return values.gather(column(index).set(column(~where), None)) if len(values) else nulls(values, len(index))
    return values.gather(column(index))


def nulls(like: pl.Series, n: int) -> pl.Series:
    return pl.Series(like.name, [None], dtype=like.dtype).new_from_index(0, n)


def column(array: np.ndarray) -> pl.Series:
    """A Series of a strided or contiguous (N,) array."""
    return pl.Series("", np.ascontiguousarray(array))


def null_unless(values: pl.Series, where: np.ndarray) -> pl.Series:
    """The values, null where `where` is False."""
    return values if where.all() else values.set(column(~where), None)


def finite(array: np.ndarray, where: np.ndarray | None = None) -> pl.Series:
    """(N,) float column; null where not finite, or where `where` is False."""
    array = np.ascontiguousarray(array, dtype=np.float64)
    absent = ~np.isfinite(array)
    if where is not None:
        absent |= ~where
    return null_unless(pl.Series("", array), ~absent)


def times(run: Run, bars: np.ndarray, where: np.ndarray | None = None) -> pl.Series:
    return pick(run.panel.timestamps, bars, where)


def symbols(run: Run, assets: np.ndarray) -> pl.Series:
    return pick(pl.Series("symbol", list(run.panel.symbols), dtype=pl.String), assets)


def side_of(quantity: np.ndarray) -> pl.Series:
    """buy or sell by sign; null for a quantity of zero."""
    return words((quantity < 0).astype(np.uint8), SIDE, quantity != 0)
