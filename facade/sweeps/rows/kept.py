"""What a sweep keeps of its rows besides the table: equity curves, trades."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facade.errors import DataError
from facade.sweeps.rows.columns import ROW
from ml4t_kernel.schema import TRADE

TRADE_FIELDS = tuple(name for name in TRADE.names or () if not name.startswith("pad"))


def available_memory() -> int:
    """Bytes that a process may still take: what the system can free, within the limit of its control group."""
    room = [2**62]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        room += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError, IndexError):
        if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:  # macOS: half of what there is
            room.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
    for group in ("memory.max memory.current", "memory/memory.limit_in_bytes memory/memory.usage_in_bytes"):
        try:
            limit, used = (int(Path("/sys/fs/cgroup", name).read_text(encoding="utf-8")) for name in group.split())
        except (OSError, ValueError):  # no such version of control groups, or "max"
            continue
        room.append(max(limit - used, 0))
    return min(room)


class Curves:
    """Equity of every row at the end of every bar: (K, T) float64, in memory or in a file that is mapped.

    A row whose panel has fewer bars (a window) fills the first of its columns; the others are NaN.
    """

    def __init__(self, rows: int, bars: int, path: Path | None) -> None:
        self._shape = (rows, bars)
        self._file: Any = None
        self._table: np.ndarray | None = None
        if path is None or not rows * bars:
            self._table = np.empty(self._shape)
            return
        self._path = path
        size = rows * bars * 8
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(size)
        elif path.stat().st_size != size:
            raise DataError(f"{path} is damaged: it has {path.stat().st_size:,} bytes, {size:,} are expected")

    def write(self, rows: np.ndarray, curves: Sequence[np.ndarray]) -> None:
        """Curves of these rows, each at most T values; OSError when the disk is full.

        By plain writes: a store to a mapped file on a full disk would end the process (SIGBUS).
        """
        for row, curve in zip(rows.tolist(), curves, strict=True):
            if self._table is not None:
                self._table[row, : len(curve)] = curve
                self._table[row, len(curve) :] = np.nan
                continue
            if self._file is None:
                self._file = self._path.open("r+b", buffering=0)
                weakref.finalize(self, self._file.close)
            line = np.full(self._shape[1], np.nan)
            line[: len(curve)] = curve
            self._file.seek(row * line.nbytes)
            self._file.write(line.tobytes())

    def sync(self) -> None:
        """Have what was written on disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """No more writing."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def table(self) -> np.ndarray:
        """(K, T) read-only; rows that are not done hold anything."""
        if self._table is not None:
            view = self._table.view()
            view.flags.writeable = False
            return view
        return np.memmap(self._path, dtype=np.float64, mode="r", shape=self._shape)

    def row(self, row: int) -> np.ndarray:
        """Curve of one row, without the NaN after its last bar."""
        curve = np.array(self.table()[row])
        return curve[: len(curve) - int(np.argmin(np.isnan(curve[::-1])))] if not np.isnan(curve).all() else curve[:0]


def trades_frame(rows: np.ndarray, trades: Sequence[np.ndarray]) -> pl.DataFrame:
    """TRADE rows of several rows of a sweep as a frame: `row`, then the fields of TRADE."""
    table = np.concatenate([np.zeros(0, TRADE), *trades])
    owner = np.repeat(rows, [len(some) for some in trades]).astype(np.int64)
    return pl.DataFrame({ROW: owner, **{name: np.ascontiguousarray(table[name]) for name in TRADE_FIELDS}})


def trades_array(frame: pl.DataFrame) -> np.ndarray:
    """TRADE rows of a frame of `trades_frame`."""
    table = np.zeros(frame.height, TRADE)
    for name in TRADE_FIELDS:
        table[name] = frame[name].to_numpy()
    return table
