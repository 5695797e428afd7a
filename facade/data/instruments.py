"""What kind of thing each symbol is: multiplier, sector, lot and margins (one row a symbol)."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from facade.data.dated import need, read_frame, refuse_unknown_symbols, refuse_where, unusable
from facade.data.names import INSTRUMENTS
from facade.errors import DataError, listing
from facade.wording import did_you_mean
from ml4t_kernel.schema import INSTRUMENT, InstrumentKind

KINDS = tuple(kind.name.lower() for kind in InstrumentKind)
"""Kinds of instruments; the place of each is its number in `INSTRUMENT`."""
BASES = ("value", "contract")
"""What margins are given of: fractions of the value, or currency a contract."""
SCHEMA = {
    "symbol": pl.String,
    "kind": pl.String,
    "multiplier": pl.Float64,
    "sector": pl.String,
    "lot": pl.Float64,
    "initial_margin": pl.Float64,
    "maintenance_margin": pl.Float64,
    "short_initial_margin": pl.Float64,
    "short_maintenance_margin": pl.Float64,
    "margin_basis": pl.String,
}
_TEXT = ("symbol", "kind", "sector", "margin_basis")
_MARGINS = ("initial_margin", "maintenance_margin", "short_initial_margin", "short_maintenance_margin")
_WHAT = "instruments"


def read_instruments(source: Any, symbols: tuple[str, ...], selection: bool) -> pl.DataFrame | None:
    """(A,) rows in the order of the panel's symbols, columns as in `SCHEMA`; None where nothing is given.

    A symbol without a row is a stock. Defaults of kind, multiplier and margin_basis are filled in; other nulls stay and
    mean the value of Config (of short margins: those of both sides). With `selection`, rows of symbols outside the
    panel are left out, because the caller selected symbols; otherwise they are an error. DataError for a row that
    breaks a rule.
    """
    if source is None:
        return None
    given = read_frame(source, _WHAT, INSTRUMENTS, _TEXT)
    need(given, _WHAT, ("symbol",))
    if selection:
        given = given.filter(pl.col("symbol").is_null() | pl.col("symbol").is_in(list(symbols)))
    refuse_unknown_symbols(given, _WHAT, symbols)
    repeated = ~pl.col("symbol").is_first_distinct()
    refuse_where(given, repeated, f"{_WHAT}: a symbol has one row", "symbol")
    rows = pl.DataFrame({"symbol": list(symbols)}, schema={"symbol": pl.String})
    rows = rows.join(given, on="symbol", how="left", maintain_order="left")
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in rows.columns]
    rows = rows.with_columns(absent).select(*SCHEMA)
    filled = {"kind": "stock", "multiplier": 1.0, "margin_basis": "value"}
    rows = rows.with_columns(pl.col(name).fill_null(value) for name, value in filled.items())
    _check(rows)
    return rows


def _check(rows: pl.DataFrame) -> None:
    _refuse_words(rows, "kind", KINDS)
    _refuse_words(rows, "margin_basis", BASES)
    rule = f"{_WHAT}: multiplier must be positive and finite"
    refuse_where(rows, unusable("multiplier", 0, open_low=True), rule, "multiplier")
    scaled = (pl.col("kind") == "stock") & (pl.col("multiplier") != 1.0)
    hint = "kind='future' or 'perpetual' has one."
    refuse_where(rows, scaled, f"{_WHAT}: multiplier of a stock must be 1", "multiplier", hint)
    rule = f"{_WHAT}: lot must be at least 0 and finite"
    refuse_where(rows, unusable("lot", 0), rule, "lot")
    _check_sectors(rows)
    _check_margins(rows)


def _refuse_words(rows: pl.DataFrame, column: str, known: tuple[str, ...]) -> None:
    bad = rows.filter(~pl.col(column).is_in(list(known)))
    near = did_you_mean(str(bad[column][0]).lower(), known) if len(bad) else ""
    refuse_where(rows, ~pl.col(column).is_in(list(known)), f"{_WHAT}: {column} must be {_one_of(known)}{near}", column)


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _check_sectors(rows: pl.DataFrame) -> None:
    without = rows.filter(pl.col("sector").is_null() | (pl.col("sector").str.strip_chars() == ""))
    if 0 < len(without) < len(rows):
        raise DataError(
            f"{_WHAT}: sector must be given to all symbols of the prices or to none: column 'sector', "
            f"missing for {listing(without['symbol'])}"
        )


def _check_margins(rows: pl.DataFrame) -> None:
    by_contract = pl.col("margin_basis") == "contract"
    for name in _MARGINS:
        refuse_where(rows, unusable(name, 0, open_low=True), f"{_WHAT}: {name} must be positive and finite", name)
        rule = f"{_WHAT}: {name} must be at most 1, a fraction of the value"
        hint = "In percent? 50 percent is 0.5; margin_basis='contract' has currency a contract."
        refuse_where(rows, ~by_contract & (pl.col(name) > 1), rule, name, hint)
    for name in _MARGINS[:2]:
        rule = f"{_WHAT}: {name} must be given where margin_basis is 'contract'"
        refuse_where(rows, by_contract & pl.col(name).is_null(), rule, name)
    long, short = _MARGINS[:2], _MARGINS[2:]
    for initial, maintenance in (long, short):
        sides = [pl.coalesce(name, both) for name, both in zip((initial, maintenance), long, strict=True)]
        rule = f"{_WHAT}: {maintenance} must be at most {initial}"
        refuse_where(rows, sides[1] > sides[0], rule, initial if initial == short[0] else maintenance)


def instrument_rows(frame: pl.DataFrame | None, assets: int) -> np.ndarray:
    """(A,) INSTRUMENT; of stocks without a word of their own where nothing was given."""
    rows = np.zeros(assets, INSTRUMENT)
    rows["multiplier"] = 1.0
    for name in ("lot", "initial", "maintenance", "short_initial", "short_maintenance"):
        rows[name] = np.nan
    if frame is None:
        return rows
    rows["kind"] = [KINDS.index(kind) for kind in frame["kind"]]
    rows["multiplier"] = frame["multiplier"].to_numpy()
    rows["by_contract"] = (frame["margin_basis"] == "contract").to_numpy()
    rows["lot"] = _numbers(frame["lot"])
    for name in ("initial", "maintenance"):
        both = frame[f"{name}_margin"]
        rows[name] = _numbers(both)
        rows[f"short_{name}"] = _numbers(frame[f"short_{name}_margin"].fill_null(both))
    return rows


def _numbers(column: pl.Series) -> np.ndarray:
    return column.fill_null(float("nan")).to_numpy()
