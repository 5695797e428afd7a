"""How the values of a column are shown in a table: readable, and no two alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, TypeVar

import polars as pl

from facade.sweeps.grid.axes import DEFAULT, shown

Text = TypeVar("Text", str, str | None)
WIDEST_INT, EXACT_IN_FLOAT = 2**63, 2**53


def labels_of(values: Sequence[Any], kind: str) -> tuple[Any, ...]:
    """A label for each of the distinct values of a column.

    Booleans, numbers and text stand for themselves where all of a column are of one such type; in any other column
    labels are text, the second and later of the same text numbered. None and what was left out are None (null).
    """
    if kind == "symbols":
        return numbered([_symbols_text(value) for value in values])
    if kind == "window":
        return numbered([_window_text(*value) for value in values])
    kinds = set(map(type, values))
    left_out = type(DEFAULT) in kinds
    if not (left_out and type(None) in kinds) and _is_uniform(values, kinds - {type(None), type(DEFAULT)}):
        return tuple(None if value is DEFAULT else value for value in values) if left_out else tuple(values)
    return numbered([None if value is None else "default" if value is DEFAULT else _text(value) for value in values])


def label_series(name: str, labels: Sequence[Any]) -> pl.Series:
    """The labels as Boolean, Int64, Float64 or String."""
    kinds = set(map(type, labels)) - {type(None)}
    if kinds == {bool}:
        return pl.Series(name, labels, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, labels, dtype=pl.Int64)
    if kinds and kinds <= {int, float}:
        return pl.Series(name, labels, dtype=pl.Float64, strict=False)
    return pl.Series(name, labels, dtype=pl.String)


def numbered(texts: Sequence[Text]) -> tuple[Text, ...]:
    """The texts with ' (2)', ' (3)' ... after those that were there before."""
    used = set(texts)
    seen: dict[str, int] = {}
    result: list[Text] = []
    for text in texts:
        if text is None or text not in seen:
            result.append(text)
            if text is not None:
                seen[text] = 1
            continue
        label = text
        while label in used:
            seen[text] += 1
            label = f"{text} ({seen[text]})"
        used.add(label)
        result.append(label)
    return tuple(result)


def _is_uniform(values: Sequence[Any], kinds: set[type]) -> bool:
    """Whether the values, of these types but for nulls, fit one type of Polars as they are and none become equal."""
    if kinds <= {bool} or kinds == {str} or kinds == {float}:
        return True
    whole = [value for value in values if type(value) is int]
    if kinds == {int}:
        return -WIDEST_INT <= min(whole) <= max(whole) < WIDEST_INT
    exact = kinds == {int, float} and -EXACT_IN_FLOAT <= min(whole) <= max(whole) <= EXACT_IN_FLOAT
    return exact and len(set(values)) == len(values)


def _text(value: Any) -> str:
    """A name or a short text: never an address in memory, which would differ between runs."""
    if isinstance(value, str):
        return str(value)
    name = getattr(value, "__name__", None)
    if isinstance(name, str):
        return name
    text = repr(value)
    if " at 0x" in text:
        return type(value).__name__
    if "\n" in text and hasattr(value, "shape"):
        return f"{type(value).__name__}{tuple(value.shape)}"
    return shown(value)


def _symbols_text(symbols: Sequence[str] | None) -> str:
    if symbols is None:
        return "all"
    text = ", ".join(symbols[:3])
    return f"{text} and {len(symbols) - 3:,} more" if len(symbols) > 3 else text


def _window_text(start: date | None, end: date | None) -> str:
    if start is None and end is None:
        return "all"
    return f"{'start' if start is None else start} to {'end' if end is None else end}"
