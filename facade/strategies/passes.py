"""Passes over large arrays, in pieces that stay in cache: memory is read once, whatever is asked of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from facade.strategies.draft import WIDE

PIECE_BYTES = 1 << 18
"""Of a piece, and an eighth of that for its Booleans: together less than the second cache of any machine."""


@dataclass(frozen=True, eq=False)
class Survey:
    """What one pass over (R, A) targets tells.

    sums: (R,) of each row, as `numpy.sum` adds it. least: the smallest target, NaN apart; infinity without any.
    nonzero: how many are not zero, NaN among them. used: (A,) bool, columns with a number that is not zero; None when
    these are more than half of the columns, or the columns are few (`WIDE`).
    """

    sums: np.ndarray
    least: float
    nonzero: int
    used: np.ndarray | None


def survey(targets: np.ndarray) -> Survey:
    """The survey of (R, A) float64 in C order, A > 0."""
    rows, columns = targets.shape
    sums, least, nonzero = np.empty(rows), np.inf, 0
    used = np.zeros(columns, bool) if columns > WIDE else None
    with np.errstate(invalid="ignore", over="ignore"):
        for piece in pieces(targets):
            part, own = targets[piece], sums[piece]
            part.sum(axis=1, out=own)
            least = min(least, float(np.fmin.reduce(part, axis=None)))  # min() passes NaN over, if it comes second
            told = part != 0
            nonzero += int(np.count_nonzero(told))
            if used is not None:
                if np.isnan(own).any():
                    told &= part == part
                used |= told.any(axis=0)
                used = used if 2 * np.count_nonzero(used) <= columns else None
    return Survey(sums, least, nonzero, used)


def sums_of_sizes(targets: np.ndarray) -> np.ndarray:
    """(R,) sums of the absolute values of each row of (R, A) float64 in C order."""
    sums = np.empty(len(targets))
    for piece in pieces(targets):
        np.abs(targets[piece]).sum(axis=1, out=sums[piece])
    return sums


def rows_of_nan(array: np.ndarray) -> np.ndarray:
    """(R,) bool: rows of (R, A) numbers, A > 0, that hold nothing but NaN."""
    missing = np.isnan(array[:, 0])
    if missing.any():  # one pass: only its Booleans need to stay in cache
        for piece in pieces(array, 8 * PIECE_BYTES):
            np.isnan(array[piece]).all(axis=1, out=missing[piece])
    return missing


def pieces(array: np.ndarray, size: int = PIECE_BYTES) -> Iterator[slice]:
    """Stretches of rows of an array, each of `size` bytes or a row."""
    step = max(1, size // max(1, array.itemsize * array[:1].size))
    for start in range(0, len(array), step):
        yield slice(start, start + step)


def nonzero_bytes(array: np.ndarray) -> np.ndarray:
    """Ascending numbers of the bytes of (n,) uint8 that are not zero, eight looked at at a time where they are few."""
    whole = len(array) - len(array) % 8
    eights = array[:whole].view(np.uint64)
    hit = np.flatnonzero(eights != 0)
    if 4 * len(hit) > len(eights):
        return np.flatnonzero(array != 0)  # of Booleans: ten times faster than of bytes
    near = np.flatnonzero(eights[hit].view(np.uint8) != 0)
    found = 8 * hit[near >> 3] + (near & 7)
    return found if whole == len(array) else np.append(found, whole + np.flatnonzero(array[whole:]))
