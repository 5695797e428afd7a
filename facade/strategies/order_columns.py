"""The columns of a frame of orders, and the error that names one of its cells."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import polars as pl

from facade.errors import StrategyError
from facade.strategies.frames import TEXT, float_values
from facade.wording import further

WHAT = "Orders"


class OrderColumns:
    """The columns of a frame of orders in time order, defaults for those missing, and the error that names a cell."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.rows = np.arange(frame.height)
        if not frame["timestamp"].is_sorted():
            self.rows = np.argsort(frame["timestamp"].to_physical().to_numpy(), kind="stable")
            frame = frame[self.rows]
        self.frame = frame

    def number(self, name: str) -> np.ndarray:
        """(I,) float64, NaN where not given."""
        if name not in self.frame.columns:
            return np.full(self.frame.height, np.nan)
        return float_values(self.frame[name], WHAT)

    def text(self, name: str) -> pl.Series:
        """(I,) String, null where not given; integers are taken as labels."""
        if name not in self.frame.columns:
            return pl.Series(name, [None], pl.String).new_from_index(0, self.frame.height)
        column = self.frame[name]
        labels = name in ("id", "parent", "group", "tag") and column.dtype.is_integer()
        if not (labels or isinstance(column.dtype, TEXT) or column.dtype == pl.Null):
            raise StrategyError(f"{WHAT}: column {name!r} must be text, got {column.dtype}")
        return column.cast(pl.String)

    def flag(self, name: str) -> np.ndarray:
        """(I,) bool, False where not given."""
        if name not in self.frame.columns:
            return np.zeros(self.frame.height, bool)
        column = self.frame[name]
        if column.dtype not in (pl.Boolean, pl.Null):
            raise StrategyError(f"{WHAT}: column {name!r} must be boolean, got {column.dtype}")
        return column.cast(pl.Boolean).fill_null(False).to_numpy()

    def code(self, name: str, codes: dict[str, int], default: int) -> tuple[np.ndarray, np.ndarray]:
        """(I,) uint8 codes of a column of names in any case, and where it was given."""
        given = self.text(name)
        if given.null_count() == len(given):
            return np.full(len(given), default, np.uint8), np.zeros(len(given), bool)
        plain = given.str.to_lowercase().str.replace_all("[- ]", "_")
        coded = plain.replace_strict(codes, default=None, return_dtype=pl.UInt8)
        present = given.is_not_null()
        self.fail_where((coded.is_null() & present).to_numpy(), name, f"is not one of {', '.join(codes)}")
        return coded.fill_null(default).to_numpy(), present.to_numpy()

    def fail_where(self, wrong: np.ndarray, column: str, rule: str) -> None:
        """Refuse the first row where `wrong`; its row, symbol, date, column, value and rule are in the error."""
        if wrong.any():
            self._refuse(wrong, column, rule)

    def _refuse(self, wrong: np.ndarray, column: str, rule: str) -> NoReturn:
        at = int(wrong.argmax())
        value = self.frame[column][at] if column in self.frame.columns else None
        raise StrategyError(
            f"{WHAT}: row {self.rows[at]} ({self.frame['symbol'][at]}, {self.frame['timestamp'][at]}), "
            f"column {column!r}, value {value!r}: {rule}{further(int(wrong.sum()))}"
        )
