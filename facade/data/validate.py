"""What prices must be before the kernel sees them (contract clauses 0.2 and 0.4), checked on dense arrays in blocks."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from facade.errors import DataError, describe, listing

REPAIRS = {
    "flat_from_close": "a missing open becomes the close; a missing high or low, the higher or lower of open and close",
    "widen_range": "a high below, or a low above, open and close is moved to them",
    "keep_last": "of several rows with one (timestamp, symbol) the last one counts",
    "text": "numbers and ISO times written as text are read; integers as YYYYMMDD, or s to ns since 1970 by their size",
}
_PRICES = ("open", "high", "low", "close")
_TOLERANCE = 1e-12  # relative; columns that were adjusted each on its own differ by a unit in the last place
_BLOCK = 32_768  # cells; the dense fields of a block stay in cache


def check_repairs(repair: str | Iterable[str] | None) -> frozenset[str]:
    """The repairs asked for; an unknown one is a DataError."""
    asked = frozenset([repair] if isinstance(repair, str) else repair or ())
    unknown = sorted(asked - set(REPAIRS))
    if unknown:
        raise DataError(f"repair has no {listing(unknown)}; known are {', '.join(REPAIRS)}")
    return asked


def clean_prices(
    fields: Mapping[str, np.ndarray], timestamps: pl.Series, symbols: tuple[str, ...], repairs: frozenset[str]
) -> dict[str, int]:
    """Check open, high, low, close, volume: (T, A) float64, evenly spaced; returns how many bars each repair changed.

    Modified in place: without a close there is no bar, so the other fields become NaN there; a high below (or a low
    above) open and close by no more than rounding becomes the higher (lower) of them; and the repairs asked for.
    Everything else that breaks a rule is a DataError naming its first offender.
    """
    repaired = dict.fromkeys(sorted(repairs - {"keep_last", "text"}), 0)
    bars = broken = 0
    for cells, block in _blocks(fields):
        close = block["close"]
        present = close == close
        count = int(np.count_nonzero(present))
        changed = count < len(close) or bool(repaired)
        if changed:
            _blank(block, ~present)
        if "widen_range" in repaired:
            _round_range(block)  # what is no violation is not counted as mended
        for name in repaired:
            repaired[name] += _repair(name, block, present)
        bars += count
        unsound = count - int(np.count_nonzero(_sound(block)))
        if unsound and _round_range(block):
            changed = True
            unsound = count - int(np.count_nonzero(_sound(block)))
        broken += unsound
        if changed:
            for name, values in block.items():
                cells[name][:] = values
    if broken:
        _refuse(fields, timestamps, symbols)
    if not bars:
        raise DataError("prices have no bar: every close is missing")
    return repaired


def _blocks(fields: Mapping[str, np.ndarray]) -> Iterator[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]:
    """Blocks of cells as they lie in the panel, and dense, a copy where they lie apart: that is half the time."""
    flat = {name: array.reshape(-1) for name, array in fields.items()}
    for begin in range(0, len(flat["close"]), _BLOCK):
        cells = {name: array[begin : begin + _BLOCK] for name, array in flat.items()}
        yield cells, {name: np.ascontiguousarray(values) for name, values in cells.items()}


def _blank(block: dict[str, np.ndarray], absent: np.ndarray) -> None:
    for values in block.values():
        values[absent] = np.nan


def _sound(block: dict[str, np.ndarray]) -> np.ndarray:
    """Bars that break no rule. 0 < low <= open, close <= high < inf says it all for prices; NaN fails each test."""
    open_, high, low, close, volume = (block[name] for name in (*_PRICES, "volume"))
    sound = low > 0.0
    for test in (low <= open_, low <= close, high >= open_, high >= close, high < np.inf):
        sound &= test
    unusable = volume < 0.0
    unusable |= volume == np.inf
    sound &= ~unusable
    return sound


def _round_range(block: dict[str, np.ndarray]) -> bool:
    """Move highs and lows that lie within rounding of open and close to these, in place; whether there were any."""
    open_, high, low, close = (block[field] for field in _PRICES)
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    short = (high < top) & (high >= top * (1.0 - _TOLERANCE))
    long = (low > bottom) & (low <= bottom * (1.0 + _TOLERANCE))
    np.copyto(high, top, where=short)
    np.copyto(low, bottom, where=long)
    return bool(short.any() or long.any())


def _repair(name: str, block: dict[str, np.ndarray], present: np.ndarray) -> int:
    """Mend one block in place; the number of bars changed."""
    open_, high, low, close = (block[field] for field in _PRICES)
    if name == "flat_from_close":
        missing = present & (np.isnan(open_) | np.isnan(high) | np.isnan(low))
        if not missing.any():
            return 0
        np.copyto(open_, close, where=missing & np.isnan(open_))
        np.copyto(high, np.maximum(open_, close), where=missing & np.isnan(high))
        np.copyto(low, np.minimum(open_, close), where=missing & np.isnan(low))
        return int(np.count_nonzero(missing))
    top, bottom = np.maximum(open_, close), np.minimum(open_, close)
    narrow = present & ((high < top) | (low > bottom))
    np.copyto(high, top, where=narrow & (high < top))
    np.copyto(low, bottom, where=narrow & (low > bottom))
    return int(np.count_nonzero(narrow))


def _refuse(fields: Mapping[str, np.ndarray], timestamps: pl.Series, symbols: tuple[str, ...]) -> None:
    """Raise with the first offender of each broken rule, one a line."""
    lines = []
    for rule, column, offends in _rules(fields):
        count = int(np.count_nonzero(offends))
        if count:
            bar, asset = divmod(int(np.argmax(offends)), len(symbols))
            value: Any = float(fields[column][bar, asset])
            if rule.startswith(("high", "low")):
                value = f"{value} (open {fields['open'][bar, asset]}, close {fields['close'][bar, asset]})"
            hint = next((hint for start, hint in _HINTS.items() if rule.startswith(start)), "")
            label = f"bar {timestamps[bar]}" if timestamps.dtype.is_integer() else timestamps[bar]
            where = {"symbol": symbols[asset], "date": label, "column": column, "value": value}
            lines.append(describe(rule, **where, more=count - 1, hint=hint))
    raise DataError("\n".join(lines))


_HINTS = {
    "a bar with": "repair='flat_from_close' fills it.",
    "high must": "repair='widen_range' moves it there.",
    "low must": "repair='widen_range' moves it there.",
}


def _rules(fields: Mapping[str, np.ndarray]) -> Iterator[tuple[str, str, np.ndarray]]:
    """(rule, column, offending cells), lazily: only the failing path pays for whole-panel masks."""
    present = ~np.isnan(fields["close"])
    for name in ("open", "high", "low"):
        yield "a bar with a close must have open, high and low", name, present & np.isnan(fields[name])
    for name in _PRICES:
        yield "price must be positive", name, present & (fields[name] <= 0.0)
        yield "price must be finite", name, present & np.isposinf(fields[name])
    open_, close = fields["open"], fields["close"]
    yield "high must be at least max(open, close)", "high", present & (fields["high"] < np.fmax(open_, close))
    yield "low must be at most min(open, close)", "low", present & (fields["low"] > np.fmin(open_, close))
    yield "volume must not be negative", "volume", present & (fields["volume"] < 0.0)
    yield "volume must be finite", "volume", present & np.isposinf(fields["volume"])
