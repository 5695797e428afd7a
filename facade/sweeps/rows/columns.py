"""The columns of a sweep that come from the accounts: metrics, refusals by reason, and what is odd about a row.

Everything is computed in one pass over an array of STATE rows, so that a row has the same bits whatever chunk, thread
or machine it came from.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from facade.results import metrics
from facade.results.refusals import REASON_TEXT
from ml4t_kernel.schema import STATE, Reason

BANKRUPT, IDLE = "bankrupt", "no trades"
REFUSED = "every order refused"
REMARKS = ("", BANKRUPT, IDLE, *(f"{REFUSED}: {reason.name.lower()}" for reason in REASON_TEXT))
"""What the column `reason` says, by the code that is kept of it; the first is null."""
REFUSALS = tuple(f"refused_{reason.name.lower()}" for reason in REASON_TEXT)
"""Columns that count orders refused or cut, by reason."""
ROW = "row"


def columns_of(
    state: np.ndarray,
    initial_cash: Any,
    periods_per_year: Any,
    years: Any = None,
    limited: Any = False,
    paid: metrics.Paid | None = None,
) -> dict[str, np.ndarray]:
    """Result columns of n accounts.

    Parameters
    ----------
    state : (n,) STATE
        Final state of each account; nothing of it is kept.
    initial_cash, periods_per_year, years : float or (n,) float64
        Account currency; bars a year; time from the first bar to the last, as of `results.metrics.compute`.
    limited, paid
        As of `results.metrics.compute`.

    Returns
    -------
    dict of (n,) arrays
        The metrics of `results.metrics` (Float64, counts Int32); `refused_<reason>` (Int32), orders refused or cut by
        reason; `bankrupt` (bool), equity was gone and the account frozen; `reason` (uint8), an index of `REMARKS`: why
        the row deserves a look.
    """
    found = metrics.compute(state, initial_cash, periods_per_year, years, limited, paid)
    columns = {
        name: values.astype(np.float64 if values.dtype.kind == "f" else np.int32) for name, values in found.items()
    }
    refusals = np.ascontiguousarray(state["refusals"][:, [int(reason) for reason in REASON_TEXT]].T, dtype=np.int32)
    columns |= dict(zip(REFUSALS, refusals, strict=True))
    columns["bankrupt"] = state["frozen"] != 0
    columns["reason"] = _remarks(state, refusals, columns["bankrupt"])
    return columns


def _remarks(state: np.ndarray, refusals: np.ndarray, bankrupt: np.ndarray) -> np.ndarray:
    """(n,) uint8 codes; refusals: (reasons, n). The first that applies: bankrupt, all refused, no trades."""
    refused = (state["orders"] > 0) & (state["rejected"] == state["orders"])
    most = np.argmax(refusals, axis=0) + REMARKS.index(IDLE) + 1
    remark = np.where(refused, most, np.where(state["fills"] == 0, REMARKS.index(IDLE), 0))
    return np.where(bankrupt, REMARKS.index(BANKRUPT), remark).astype(np.uint8)


@cache
def column_types() -> dict[str, np.dtype[Any]]:
    """Name and dtype of every result column, in order."""
    return {name: values.dtype for name, values in columns_of(np.zeros(1, STATE), 1.0, 1.0).items()}


def empty_columns(count: int) -> dict[str, np.ndarray]:
    """Arrays of `count` rows for every result column; not initialised, so that unused memory costs nothing."""
    return {name: np.empty(count, dtype) for name, dtype in column_types().items()}


UNUSED: Mapping[str, float] = {
    **metrics.without_use(),
    **{f"refused_{reason.name.lower()}": 0 for reason in (Reason.MARGIN, Reason.LEVERAGE)},
    **{f"refused_{reason.name.lower()}": 0 for reason in (Reason.MARGIN_CALL, Reason.NO_BORROW)},
}
"""Columns of what most sweeps do not use, and their value there."""


class Held:
    """The result columns of `count` rows in memory; those of `UNUSED` take none until a row has another value."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._arrays = {name: values for name, values in empty_columns(count).items() if name not in UNUSED}

    def put(self, place: slice | np.ndarray, columns: Mapping[str, np.ndarray]) -> None:
        """Write rows; nothing given is referred to afterwards."""
        for name, dtype in column_types().items():
            values = columns[name]
            if name not in self._arrays:
                unused = UNUSED[name]
                if (values == unused).all() or (unused != unused and (values != values).all()):
                    continue
                self._arrays[name] = np.full(self._count, unused, dtype)
            self._arrays[name][place] = values

    def take(self, rows: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Columns of these rows, copied; of all of them as they are: nothing may be written after that."""
        count = self._count if rows is None else len(rows)
        found = {}
        for name, dtype in column_types().items():
            held = self._arrays.get(name)
            if held is None:
                found[name] = np.full(count, UNUSED[name], dtype)
            else:
                found[name] = held if rows is None else held[rows]
        return found


def table_names(parameters: Iterable[str]) -> dict[str, str]:
    """Result column -> its name in the table: `result_<name>` where a parameter has the same name."""
    taken = set(parameters)
    return {name: f"result_{name}" if name in taken else name for name in column_types()}


def as_series(name: str, values: np.ndarray, label: str) -> pl.Series:
    """One result column as a Series named `label`; codes of `reason` become words."""
    if name != "reason":
        return pl.Series(label, values)
    words = pl.Series(label, [remark or None for remark in REMARKS], dtype=pl.String)
    return words.gather(pl.Series(values))


def as_table(parameters: pl.DataFrame, rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """The frame of these rows: `row`, the parameters, the result columns."""
    names = table_names(parameters.columns)
    series = [as_series(name, values, names[name]) for name, values in columns.items()]
    return pl.DataFrame([pl.Series(ROW, rows, dtype=pl.Int64), *parameters.get_columns(), *series])


def from_table(frame: pl.DataFrame, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """The arrays of `as_table`, from a frame that was read back."""
    columns = {}
    for name, dtype in column_types().items():
        values = frame[names[name]]
        if name == "reason":
            values = values.fill_null("").replace_strict(
                list(REMARKS), list(range(len(REMARKS))), return_dtype=pl.UInt8
            )
        columns[name] = values.to_numpy().astype(dtype, copy=False)
    return columns
