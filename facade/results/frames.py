"""Columns of frames that may be empty and are then made of nothing else."""

from __future__ import annotations

from typing import Any

import polars as pl

from facade.results.columns import enum_dtype
from ml4t_kernel.schema import EventKind


def events_schema(times: pl.DataType) -> dict[str, Any]:
    """Of `Result.events`, by the type of the timestamps."""
    numbers = dict.fromkeys(("quantity", "value", "limit"), pl.Float64)
    return {"timestamp": times, "kind": enum_dtype(EventKind), "symbol": pl.String, **numbers}


def margin_schema(times: pl.DataType) -> dict[str, Any]:
    """Of `Result.margin`, likewise."""
    names = ("initial", "maintenance", "available_funds", "excess_liquidity", "leverage")
    return {"timestamp": times, **dict.fromkeys(names, pl.Float64)}
