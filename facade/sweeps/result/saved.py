"""A sweep's result on disk: a directory of Parquet, NumPy and JSON files with a manifest of checksums.

    table.parquet    the rows
    codes.parquet    which value of each parameter every configuration of the grid had (absent after `concat`)
    equity.npy       (rows, T) float64, with bars.parquet: `row` and the `clock` it runs by; keep="equity"
    clocks.parquet   timestamps of each clock; keep="equity"
    flows.parquet    what was to be paid in and out on the bars of each clock; keep="equity", with flows (format 2)
    trades.parquet   the trades as `Result.trades` shows them, with `row`; keep="trades"
    sweep.json       trials, axes, configuration, metric settings, digests, versions
    manifest.json    format, and size and SHA-256 of every other file; written last

A directory is written under another name and moved into its place when it is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.config.per_asset import PerAsset
from facade.data.memory import frozen
from facade.errors import ConfigError, DataError
from facade.files import Kind, load_json, read_file, verified, write_directory, write_json
from facade.results.result import Result
from facade.sweeps.grid.axes import DEFAULT
from facade.sweeps.grid.grid import Column, Grid
from facade.sweeps.result.facts import Sharpes, SweepFacts
from facade.sweeps.result.sources import RunRow, Source
from facade.sweeps.rows.columns import ROW

KIND = Kind("ml4t-kernel sweep result", 2, "result of a sweep", ("table.parquet", "sweep.json"))
CLOCK = "clock"


class StoredSource:
    """A result read from files; its rows can be run once prices and strategy are attached."""

    def __init__(
        self,
        facts: SweepFacts,
        digests: Mapping[str, str],
        grid: Grid | None,
        files: Mapping[str, Any],
        run_row: RunRow | None,
    ) -> None:
        self.facts, self.digests, self.grid, self.files = facts, digests, grid, files
        self.can_run = run_row is not None
        self._run_row = run_row
        self._rows = files["table"][ROW].to_numpy()

    @property
    def prices(self) -> str:
        """As written."""
        return self.digests["prices"]

    def scan(self) -> pl.LazyFrame:
        """As written."""
        table: pl.DataFrame = self.files["table"]
        return table.lazy()

    def curves(self, rows: np.ndarray) -> np.ndarray:
        """As written."""
        curves: np.ndarray = self.files["equity"]
        return curves if len(rows) == len(curves) else curves[np.searchsorted(self._rows, rows)]

    def clocks(self, rows: np.ndarray) -> np.ndarray:
        """As written."""
        numbers: np.ndarray = self.files["bars"][CLOCK].to_numpy()[np.searchsorted(self._rows, rows)]
        return numbers

    def clock(self, row: int) -> pl.Series:
        """As written."""
        clocks: pl.DataFrame = self.files["clocks"]
        return clocks.filter(pl.col(CLOCK) == int(self.clocks(np.array([row]))[0]))["timestamp"]

    def flows(self, row: int) -> np.ndarray | None:
        """As written."""
        if "flows" not in self.files:
            return None
        rows = self.files["flows"].filter(pl.col(CLOCK) == int(self.clocks(np.array([row]))[0]))
        return np.bincount(rows["bar"].to_numpy(), rows["amount"].to_numpy(), len(self.clock(row)))

    def trades(self, row: int) -> pl.DataFrame:
        """As written."""
        trades: pl.DataFrame = self.files["trades"]
        return trades.filter(pl.col(ROW) == row).drop(ROW)

    def run(self, row: int, changes: dict[str, Any]) -> Result:
        """By what was attached."""
        if self._run_row is None:
            raise DataError(f"row {row} cannot be run: the result has no prices and strategy; attach() them")
        return self._run_row(row, changes)


def write_sweep(directory: str | PathLike[str], table: pl.DataFrame, source: Source) -> None:
    """Write the rows of `table` into `directory`, whole or not at all; see `SweepResult.to_parquet`."""
    write_directory(Path(directory), KIND, lambda draft: _write_files(table, source, draft))


def read_sweep(directory: str | PathLike[str]) -> StoredSource:
    """Read a result; DataError names the file that is missing, damaged or too new."""
    place = Path(directory)
    names = verified(place, KIND)
    told = read_file(place / "sweep.json", load_json)
    files: dict[str, Any] = {
        path.stem: read_file(path, pl.read_parquet)
        for path in (place / name for name in names)
        if path.suffix == ".parquet"
    }
    if "equity.npy" in names:
        files["equity"] = read_file(place / "equity.npy", lambda path: np.load(path, mmap_mode="r", allow_pickle=False))
    try:
        facts = _facts_of(told)
        grid = _grid_of(told, files["codes"]) if "codes" in files else None
    except (ConfigError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{place}: written by another version, and it does not fit this one: {error}") from error
    return StoredSource(facts, told["digests"], grid, files, None)


# Writing -------------------------------------------------------------------------------------------------------------


def _write_files(table: pl.DataFrame, source: Source, draft: Path) -> None:
    table.write_parquet(draft / "table.parquet", compression="zstd")
    rows = table[ROW].to_numpy()
    if source.facts.keep == "equity":
        _write_curves(source, rows, draft)
    if source.facts.keep == "trades" and len(rows):
        trades = pl.concat([source.trades(row).with_columns(pl.lit(row).alias(ROW)) for row in rows.tolist()])
        trades.write_parquet(draft / "trades.parquet", compression="zstd")
    axes = None
    if source.grid is not None:
        axes = [_axis_told(column) for column in source.grid.columns]
        codes = {column.name: column.codes for column in source.grid.columns}
        pl.DataFrame(codes).write_parquet(draft / "codes.parquet", compression="zstd")
    write_json(draft / "sweep.json", _told(source, axes))


def _write_curves(source: Source, rows: np.ndarray, draft: Path) -> None:
    np.save(draft / "equity.npy", source.curves(rows), allow_pickle=False)
    _, first, clock = np.unique(source.clocks(rows), return_index=True, return_inverse=True)
    pl.DataFrame({ROW: rows, CLOCK: clock.astype(np.int32)}).write_parquet(draft / "bars.parquet", compression="zstd")
    clocks = [
        pl.DataFrame({"timestamp": source.clock(int(rows[at])).alias("timestamp")}).with_columns(
            pl.lit(number, dtype=pl.Int32).alias(CLOCK)
        )
        for number, at in enumerate(first.tolist())
    ]
    if clocks:
        pl.concat(clocks).write_parquet(draft / "clocks.parquet", compression="zstd")
    flows = [
        pl.DataFrame({"bar": np.flatnonzero(given), "amount": given[given != 0]}).with_columns(
            pl.lit(number, dtype=pl.Int32).alias(CLOCK)
        )
        for number, at in enumerate(first.tolist())
        if (given := source.flows(int(rows[at]))) is not None
    ]
    if flows:
        pl.concat(flows).write_parquet(draft / "flows.parquet", compression="zstd")


def _told(source: Source, axes: list[dict[str, Any]] | None) -> dict[str, Any]:
    """Facts and digests as plain data."""
    facts = source.facts
    plain = {name: value for name, value in vars(facts).items() if name not in ("config", "sharpes", "settings")}
    plain |= {name: dict(value) for name, value in plain.items() if isinstance(value, Mapping)}
    return {
        **plain,
        "sharpes": asdict(facts.sharpes),
        "metric_settings": dict(facts.settings),
        "config": facts.config.to_dict(),
        "digests": dict(source.digests),
        "axes": axes,
    }


def _axis_told(column: Column) -> dict[str, Any]:
    """A column of the grid as plain data; values and labels are null when a value is neither text nor a number."""
    told = {"name": column.name, "kind": column.kind, "labels": None, "values": None}
    try:
        known = {"labels": list(column.labels), "values": [_encoded(value) for value in column.values]}
        json.dumps(known, allow_nan=False)
    except (TypeError, ValueError):
        return told
    return told | known


def _encoded(value: Any) -> Any:
    """A value as JSON: plain ones as they are, others as {type: content}; TypeError for what has no such form."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if value is DEFAULT:
        return {"default": True}
    if type(value) in (date, datetime) and getattr(value, "tzinfo", None) is None:
        return {type(value).__name__: value.isoformat()}
    if type(value) in (tuple, list):
        return {type(value).__name__: [_encoded(entry) for entry in value]}
    if type(value) in (dict, PerAsset) and all(type(key) is str for key in value):
        return {type(value).__name__: {key: _encoded(entry) for key, entry in value.items()}}
    raise TypeError(f"{value!r} cannot be written as text")


# Reading -------------------------------------------------------------------------------------------------------------


def _facts_of(told: dict[str, Any]) -> SweepFacts:
    known = {name: value for name, value in told.items() if name not in ("axes", "digests", "metric_settings")}
    known |= {"config": Config.from_dict(told["config"]), "sharpes": Sharpes(**told["sharpes"])}
    return SweepFacts(**known, settings=told["metric_settings"])


def _grid_of(told: dict[str, Any], codes: pl.DataFrame) -> Grid | None:
    """The grid as it was read from the user; None when a value was not written."""
    if any(axis["values"] is None for axis in told["axes"]):
        return None
    columns = tuple(
        Column(
            axis["name"],
            axis["kind"],
            tuple(_decoded(value) for value in axis["values"]),
            frozen(codes[axis["name"]].to_numpy(), np.int32),
            tuple(axis["labels"]),
        )
        for axis in told["axes"]
    )
    return Grid(columns, told["asked"], told["dropped"], told["seed"])


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    (kind, content), *_ = value.items()
    if kind == "default":
        return DEFAULT
    if kind in ("date", "datetime"):
        return {"date": date, "datetime": datetime}[kind].fromisoformat(content)
    if kind in ("tuple", "list"):
        return {"tuple": tuple, "list": list}[kind](_decoded(entry) for entry in content)
    entries = {key: _decoded(entry) for key, entry in content.items()}
    return PerAsset(entries) if kind == "PerAsset" else entries
