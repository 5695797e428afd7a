"""Finished rows of a sweep: in memory, or as Parquet parts in a directory that a later sweep takes up again.

Up to `limit` rows are kept in preallocated arrays, some 300 bytes a row. Above it, and in a directory given by the
user, they go to the parts that `facade.sweeps.rows.checkpoint` describes. A part is written when many rows have come
together or a while has passed, so that a sweep of hours leaves hundreds of parts, not a hundred thousand, and what a
killed process loses is a second of work, or a hundredth of what it has done.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import polars as pl

from facade.errors import ConfigError, DataError
from facade.sweeps.rows.checkpoint import CURVES, Folder, make_manifest
from facade.sweeps.rows.columns import (
    ROW,
    Held,
    as_table,
    column_types,
    columns_of,
    empty_columns,
    from_table,
    table_names,
)
from facade.sweeps.rows.kept import Curves, available_memory, trades_array, trades_frame

__all__ = ["LIMIT", "Rows", "columns_of"]

LIMIT = 250_000
"""Rows kept in memory."""
PART_ROWS = 16_384
PART_SECONDS = 1.0
PART_SHARE = 0.01  # of the time since the rows were opened
KEPT_BYTES = 2**28  # of trades that wait for their part


class Axes(Protocol):
    """What is read of a Grid."""

    @property
    def rows(self) -> int: ...
    def frame(self, rows: Any = None) -> pl.DataFrame: ...


def as_slice(rows: np.ndarray) -> slice | np.ndarray:
    """(n,) ascending numbers, n > 0, as a slice where they are one stretch, which is copied several times faster."""
    stretch = rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    return slice(int(rows[0]), int(rows[-1]) + 1) if stretch else rows


class Rows:
    """Results of the rows of a sweep, in whatever order they come.

    Attributes
    ----------
    done : (K,) bool
        Rows that are finished; those found in a checkpoint from the start. Not to be written.
    resumed : int
        How many were found there.
    durable : bool
        Whether a directory was given in which the rows stay.
    """

    def __init__(self, grid: Axes, digest: str, keep: str, bars: int, limit: int) -> None:
        names = grid.frame(slice(0, 0)).columns
        if ROW in names:
            raise ConfigError(f"the grid has a parameter named {ROW!r}, which numbers the rows of the table; rename it")
        self.grid, self.keep = grid, keep
        self.names = table_names(names)
        self.done = np.zeros(grid.rows, dtype=bool)
        self.resumed = 0
        self._digest, self._bars, self._limit = digest, bars, limit
        self._columns = Held(grid.rows) if grid.rows <= limit else None
        self._folder: Folder | None = None
        self._curves: Curves | None = None
        self._kept: dict[int, np.ndarray] = {}
        self._kept_bytes = 0
        self._part_of = np.full(grid.rows if keep == "trades" else 0, -1, dtype=np.int32)
        self._waiting: list[tuple[np.ndarray, Mapping[str, np.ndarray]]] = []
        self._opened = self._written = perf_counter()
        self.durable = self._closed = self._failed = False

    @cached_property
    def _memory(self) -> int:
        """Bytes that curves and trades may take before they go to disk."""
        return available_memory() // 4

    @classmethod
    def open(
        cls,
        grid: Axes,
        digest: str,
        keep: str = "metrics",
        bars: int = 0,
        directory: str | os.PathLike[str] | None = None,
        limit: int = LIMIT,
        digests: Mapping[str, str] | None = None,
    ) -> Rows:
        """Room for the rows of a grid.

        Parameters
        ----------
        grid : Grid
        digest : str
            Of everything that decides a row; hexadecimal. A directory with another one is refused.
        keep : "metrics", "equity" or "trades"
            What comes with each row.
        bars : int
            T of the equity curves: bars of the longest panel of the sweep.
        directory : path, optional
            Checkpoint. Finished rows that are in it are taken up.
        limit : int
            Rows kept in memory; more go to a temporary directory when none is given.
        digests : mapping, optional
            The parts of `digest` by name (prices, strategy, ...), to say what differs.

        Raises
        ------
        DataError
            The directory holds another sweep, or a damaged one.
        FileExistsError
            It holds something else.
        LockedError
            Another process writes there.
        OSError
            It cannot be written.
        """
        rows = cls(grid, digest, keep, bars, limit)
        if directory is not None:
            columns = [*grid.frame(slice(0, 0)).columns, *rows.names.values()]
            manifest = make_manifest(digest, grid.rows, keep, bars, columns, digests)
            rows._take_up(Path(directory), manifest)
        elif rows._columns is None:
            rows._folder = Folder.temporary(digest)
        if keep == "equity":
            rows._curves = rows._curves or Curves(grid.rows, bars, rows._curves_path())
        return rows

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def count(self) -> int:
        """Rows done."""
        return int(np.count_nonzero(self.done))

    @property
    def missing(self) -> np.ndarray:
        """Rows still to run, ascending, int64."""
        return np.flatnonzero(~self.done)

    def add(
        self, rows: np.ndarray, columns: Mapping[str, np.ndarray], kept: Sequence[np.ndarray] | None = None
    ) -> None:
        """Take n finished rows; those that are done already are passed over.

        rows: (n,) distinct numbers. columns: as of `columns_of`. kept: curve or trades of each row. Nothing
        given is referred to afterwards. OSError when the disk is full; what was written before stays loadable.
        """
        rows = np.asarray(rows, dtype=np.int64)
        fresh = ~self.done[rows]
        if not fresh.any():
            return
        if not fresh.all():
            rows, columns = rows[fresh], {name: values[fresh] for name, values in columns.items()}
            kept = None if kept is None else [one for one, new in zip(kept, fresh, strict=True) if new]
        try:
            self._keep(rows, kept)
            if self._columns is not None:
                self._columns.put(as_slice(rows), columns)
            self.done[rows] = True
            if self._folder is not None:
                self._waiting.append((rows, {name: columns[name] for name in column_types()}))
                if self._is_due():
                    self._write()
        except OSError as error:
            raise self._explained(error) from error

    def flush(self) -> None:
        """Write what waits."""
        try:
            self._write()
        except OSError as error:
            raise self._explained(error) from error

    def close(self) -> None:
        """Write what waits (unless writing has failed before) and let the directory go; reading goes on.

        A second call does nothing.
        """
        if self._closed:
            return
        self._closed = True
        try:
            if not self._failed:
                self.flush()
        finally:
            if self._curves is not None:
                self._curves.close()
            if self._folder is not None:
                self._folder.release()

    def scan(self) -> pl.LazyFrame:
        """The table of the rows done: `row`, parameters, result columns; sorted by row."""
        if self._columns is not None:
            return self.frame().lazy()
        paths = list(self._folder.parts.values()) if self._folder else []
        waiting = [as_table(self.grid.frame(rows), rows, columns).lazy() for rows, columns in self._waiting]
        if not paths and not waiting:
            none = np.zeros(0, dtype=np.int64)
            return as_table(self.grid.frame(none), none, empty_columns(0)).lazy()
        return pl.concat([*([pl.scan_parquet(paths)] if paths else []), *waiting]).sort(ROW)

    def frame(self) -> pl.DataFrame:
        """`scan`, in memory."""
        if self._columns is None:
            return self.scan().collect()
        if self.done.all():
            # Polars shares these arrays: from here on nothing writes to them.
            return as_table(self.grid.frame(), np.arange(len(self.done)), self._columns.take())
        rows = np.flatnonzero(self.done)
        return as_table(self.grid.frame(rows), rows, self._columns.take(rows))

    def equity(self, row: int) -> np.ndarray:
        """(T_row,) equity at the end of each bar of the row's panel; needs keep="equity"."""
        self._require("equity", row)
        assert self._curves is not None
        return self._curves.row(row)

    @property
    def curves(self) -> np.ndarray:
        """(K, T) read-only equity of all rows; NaN after a row's last bar, anything where `done` is False."""
        self._require("equity")
        assert self._curves is not None
        return self._curves.table()

    def trades(self, row: int) -> np.ndarray:
        """(n,) TRADE rows of a row, closed and open; needs keep="trades"."""
        self._require("trades", row)
        if row in self._kept:
            return self._kept[row]
        assert self._folder is not None
        path = self._folder.part_path("trades", int(self._part_of[row]))
        return trades_array(pl.scan_parquet(path).filter(pl.col(ROW) == row).collect())

    def _require(self, keep: str, row: int | None = None) -> None:
        if self.keep != keep:
            raise DataError(f"the sweep kept {self.keep!r}; run it with keep={keep!r}, or drill into the row")
        if row is not None and not (0 <= row < len(self.done) and self.done[row]):
            raise IndexError(f"row {row} is not among the {self.count:,} rows that were run")

    # Writing ---------------------------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        if self._kept_bytes > min(self._memory, KEPT_BYTES):
            return True
        now = perf_counter()
        waiting = sum(len(rows) for rows, _ in self._waiting)
        return waiting >= PART_ROWS or now - self._written >= max(PART_SECONDS, PART_SHARE * (now - self._opened))

    def _keep(self, rows: np.ndarray, kept: Sequence[np.ndarray] | None) -> None:
        if self.keep == "metrics":
            return
        if kept is None:
            raise ValueError(f"keep={self.keep!r}, but nothing came with the rows")
        if self._curves is not None:
            self._curves.write(rows, kept)
            return
        for row, trades in zip(rows.tolist(), kept, strict=True):
            self._kept[row] = np.array(trades)
        self._kept_bytes += sum(trades.nbytes + 200 for trades in kept)
        if self._folder is None and self._kept_bytes > self._memory:
            self._spill_trades()

    def _spill_trades(self) -> None:
        """Too many trades for the memory: from here on rows go to the parts of a temporary directory."""
        self._folder = Folder.temporary(self._digest)
        done = np.flatnonzero(self.done)
        if len(done) and self._columns is not None:
            self._waiting.append((done, self._columns.take(done)))

    def _as_part(self, rows: np.ndarray, columns: Mapping[str, np.ndarray]) -> pl.DataFrame:
        order = np.argsort(rows, kind="stable")
        return as_table(self.grid.frame(rows[order]), rows[order], {n: v[order] for n, v in columns.items()})

    def _write(self) -> None:
        if self._folder is None or not self._waiting:
            return
        rows = np.concatenate([rows for rows, _ in self._waiting])
        columns = {name: np.concatenate([one[name] for _, one in self._waiting]) for name in column_types()}
        number = self._folder.next_number()
        if self.keep == "trades":
            owners = np.sort(rows)
            trades = trades_frame(owners, [self._kept[row] for row in owners.tolist()])
            self._folder.write_part("trades", number, trades)
        if self._curves is not None:
            self._curves.sync()
        self._folder.write_part("part", number, self._as_part(rows, columns))
        if self.keep == "trades":
            self._part_of[rows] = number
            for row in rows.tolist():
                del self._kept[row]
            self._kept_bytes = 0
        self._waiting.clear()
        self._written, self._failed = perf_counter(), False

    def _explained(self, error: OSError) -> OSError:
        self._failed = True
        if self._folder is None:
            return error
        safe = self.count - sum(len(rows) for rows, _ in self._waiting)
        text = f"{error.strerror or error}: {safe:,} of {len(self.done):,} rows are safe in {self._folder.path}"
        if self.durable:
            text += "; make room and start the sweep again with the same checkpoint to go on from there"
        return type(error)(error.errno, text)

    # Taking up -------------------------------------------------------------------------------------------------------

    def _curves_path(self) -> Path | None:
        """Where curves lie: in the directory, or in memory when they fit in a quarter of what is free."""
        if self._folder is None and len(self.done) * self._bars * 8 > self._memory:
            self._folder = Folder.temporary(self._digest)
        return None if self._folder is None else self._folder.path / CURVES

    def _take_up(self, path: Path, manifest: Mapping[str, Any]) -> None:
        """Claim the directory and read its parts. A sweep that is complete there is only read: no lock, no writing."""
        self.durable = True
        if (path / "manifest.json").is_file():
            self._folder = Folder.read(path, manifest)
            self._read_parts()
            if self.done.all():
                self._closed = True
                return
            self.done[:] = False
        self._folder = Folder.claim(path, manifest)
        try:
            self._read_parts()
        except BaseException:
            self._folder.release()
            raise

    def _read_parts(self) -> None:
        assert self._folder is not None
        if self.keep == "equity":
            missing = self._folder.parts and not (self._folder.path / CURVES).is_file()
            for number in list(self._folder.parts) if missing else []:
                self._folder.set_aside(number, f"{CURVES}, with the curves of its rows, is missing")
            if self._folder.parts:
                self._curves = Curves(len(self.done), self._bars, self._folder.path / CURVES)
        for number in list(self._folder.parts):
            try:
                self._read_part(number)
            except (DataError, OSError, pl.exceptions.PolarsError) as error:
                self._folder.set_aside(number, str(error).partition("\n")[0])
        self.resumed = self.count

    def _read_part(self, number: int) -> None:
        """Rows of a part that are new; DataError or an error of Polars when it cannot be used."""
        assert self._folder is not None
        none = np.zeros(0, dtype=np.int64)
        schema = as_table(self.grid.frame(none), none, empty_columns(0)).schema
        path = self._folder.parts[number]
        if pl.read_parquet_schema(path) != schema:
            raise DataError("its columns are not those of this sweep")
        frame = pl.read_parquet(path, columns=None if self._columns is not None else [ROW])
        rows = frame[ROW].to_numpy()
        if not len(rows) or rows.min() < 0 or rows.max() >= len(self.done) or self.done[rows].any():
            raise DataError("it has rows that are not of this sweep, or that another part has")
        if self.keep == "trades":
            pl.read_parquet_schema(self._folder.part_path("trades", number))
            self._part_of[rows] = number
        if self._columns is not None:
            self._columns.put(rows, from_table(frame, self.names))
        self.done[rows] = True
