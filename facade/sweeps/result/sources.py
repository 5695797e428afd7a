"""Where the table of a sweep and what was kept of its rows come from: a sweep just run, or several put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import polars as pl

from facade.data.panel import Panel
from facade.errors import DataError
from facade.results.facts import versions
from facade.results.result import Result
from facade.results.trades import trades_table
from facade.sweeps.grid.grid import Grid
from facade.sweeps.grid.labels import labels_of
from facade.sweeps.plan.plan import Plan
from facade.sweeps.result.facts import Sharpes, SweepFacts
from facade.sweeps.rows.columns import ROW
from facade.sweeps.rows.rows import Rows

RunRow = Callable[[int, dict[str, Any]], Result]
"""Runs a row by itself, with some fields of its configuration changed."""


class Source(Protocol):
    """What a SweepResult reads."""

    @property
    def facts(self) -> SweepFacts: ...
    @property
    def digests(self) -> Mapping[str, str]:
        """Digests of the "sweep" and of what it was made of ("prices", "strategy", ...), made when asked for."""

    @property
    def prices(self) -> str:
        """Digest of the prices."""

    @property
    def grid(self) -> Grid | None:
        """All configurations; None where they are not known."""

    @property
    def can_run(self) -> bool:
        """Whether `run` has prices and strategy."""

    def scan(self) -> pl.LazyFrame:
        """The table, sorted by row."""

    def curves(self, rows: np.ndarray) -> np.ndarray:
        """(n, T) equity of these rows, NaN after a row's last bar."""

    def clocks(self, rows: np.ndarray) -> np.ndarray:
        """(n,) int: a number for the bars of each row; rows of one number have the same bars."""

    def clock(self, row: int) -> pl.Series:
        """Timestamps of the bars of a row."""

    def flows(self, row: int) -> np.ndarray | None:
        """(T,) what was to be paid in and out before each bar of a row; None without flows."""

    def trades(self, row: int) -> pl.DataFrame:
        """Trades of a row, as `Result.trades`."""

    def run(self, row: int, changes: dict[str, Any]) -> Result:
        """The row, run by itself."""


class LiveSource:
    """A sweep that was run by this process, or taken up from its checkpoint."""

    def __init__(self, rows: Rows, plan: Plan, run_row: RunRow | None, interrupted: bool) -> None:
        self._rows, self._plan, self._run_row, self._interrupted = rows, plan, run_row, interrupted
        self._clocks: dict[int, pl.Series] = {}
        self.grid: Grid | None = plan.grid
        self.can_run = run_row is not None

    @cached_property
    def facts(self) -> SweepFacts:
        """Gathered when first asked for."""
        rows, plan, grid = self._rows, self._plan, self._plan.grid
        names = rows.names
        known = rows.scan().select(names["sharpe"], names["periods_per_year"]).collect()
        return SweepFacts(
            parameters={column.name: column.kind for column in grid.columns},
            names=names,
            config=plan.config,
            keep=rows.keep,
            asked=grid.rows,
            dropped=grid.dropped,
            trials=rows.count,
            sharpes=Sharpes.of(*(column.to_numpy() for column in known)),
            interrupted=self._interrupted,
            versions=versions(),
            seed=grid.seed,
        )

    @property
    def digests(self) -> Mapping[str, str]:
        """Of the plan."""
        return {**self._plan.digests, "sweep": self._plan.digest}

    @property
    def prices(self) -> str:
        """Of the whole panel."""
        return self._plan.panel.digest

    def scan(self) -> pl.LazyFrame:
        """As stored."""
        return self._rows.scan()

    def curves(self, rows: np.ndarray) -> np.ndarray:
        """As stored."""
        curves = self._rows.curves
        return curves if len(rows) == len(curves) else curves[rows]

    def clocks(self, rows: np.ndarray) -> np.ndarray:
        """By symbols and window, which are all that changes the bars."""
        numbers = np.zeros(len(rows), dtype=np.int64)
        for name in ("symbols", "window"):
            column = self._plan.grid.column(name)
            if column is not None:
                numbers = numbers * len(column.values) + column.codes[rows]
        return numbers

    def clock(self, row: int) -> pl.Series:
        """Of the row's panel."""
        number = int(self.clocks(np.array([row]))[0])
        if number not in self._clocks:
            self._clocks[number] = self._plan.panel_of(row).timestamps
        return self._clocks[number]

    def flows(self, row: int) -> np.ndarray | None:
        """Of the plan."""
        given = self._plan.flows_of(row)
        if given is None:
            return None
        rows = given.rows
        return np.bincount(rows["bar"], rows["amount"], given.length)

    def trades(self, row: int) -> pl.DataFrame:
        """Decoded with the names of the row's panel."""
        return decode_kept_trades(self._plan.panel_of(row), self._rows.trades(row))

    def run(self, row: int, changes: dict[str, Any]) -> Result:
        """By what ran the sweep."""
        if self._run_row is None:
            raise DataError("this sweep cannot run a row again: it was made without prices and strategy")
        return self._run_row(row, changes)


def decode_kept_trades(panel: Panel, trades: np.ndarray) -> pl.DataFrame:
    """TRADE rows without the tape they come from, as `Result.trades`; order ids are those of the run."""
    orders = max((int(trades[name].max(initial=-1)) for name in ("entry_order", "exit_order")), default=-1) + 1
    return trades_table(panel, trades, orders, panel.shape[0])


@dataclass(frozen=True)
class _Part:
    """A result among several: its source, and the numbers that its rows have there."""

    source: Source
    rows: np.ndarray
    table: pl.LazyFrame


class JoinedSource:
    """Several results as one, rows renumbered from 0 in the order given."""

    grid: Grid | None = None

    def __init__(self, parts: Sequence[tuple[Source, pl.LazyFrame]]) -> None:
        self._parts = [
            _Part(source, table.select(ROW).collect().to_series().to_numpy(), table) for source, table in parts
        ]
        self._first = np.cumsum([0, *(len(part.rows) for part in self._parts)])
        self.can_run = all(source.can_run for source, _ in parts)
        self.facts = parts[0][0].facts
        for number, (source, _) in enumerate(parts[1:], start=1):
            if source.prices != self.prices:
                raise DataError(f"result {number} is of other prices than result 0: one table cannot hold rows of both")
            self.facts = self.facts.joined(source.facts)
        for number, (source, _) in enumerate(parts):
            _check_names(self.facts, source.facts, number)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Of the prices and of all sweeps; there is no strategy or grid of the whole."""
        return {"prices": self.prices, "sweep": "+".join(part.source.digests["sweep"] for part in self._parts)}

    @property
    def prices(self) -> str:
        """Those of all parts."""
        return self._parts[0].source.prices

    def scan(self) -> pl.LazyFrame:
        """One table; a field of the configuration that a part did not vary has that part's value."""
        whole = pl.concat([_completed(part, self.facts) for part in self._parts], how="diagonal_relaxed")
        return (
            whole.drop(ROW)
            .select(*self.facts.parameters, *self.facts.names.values())
            .with_row_index(ROW)
            .cast({ROW: pl.Int64})
        )

    def _found(self, row: int) -> tuple[Source, int]:
        part = int(np.searchsorted(self._first, row, side="right")) - 1
        return self._parts[part].source, int(self._parts[part].rows[row - self._first[part]])

    def curves(self, rows: np.ndarray) -> np.ndarray:
        """Padded with NaN to the longest."""
        curves = [self._one_curve(int(row)) for row in rows]
        table = np.full((len(rows), max(map(len, curves), default=0)), np.nan)
        for line, curve in zip(table, curves, strict=True):
            line[: len(curve)] = curve
        return table

    def _one_curve(self, row: int) -> np.ndarray:
        source, own = self._found(row)
        return source.curves(np.array([own]))[0]

    def clocks(self, rows: np.ndarray) -> np.ndarray:
        """A range of numbers for each part."""
        numbers = np.empty(len(rows), dtype=np.int64)
        for at, row in enumerate(rows.tolist()):
            source, own = self._found(row)
            part = int(np.searchsorted(self._first, row, side="right")) - 1
            numbers[at] = int(source.clocks(np.array([own]))[0]) * len(self._parts) + part
        return numbers

    def clock(self, row: int) -> pl.Series:
        """Of the part."""
        source, own = self._found(row)
        return source.clock(own)

    def flows(self, row: int) -> np.ndarray | None:
        """Of the part."""
        source, own = self._found(row)
        return source.flows(own)

    def trades(self, row: int) -> pl.DataFrame:
        """Of the part."""
        source, own = self._found(row)
        return source.trades(own)

    def run(self, row: int, changes: dict[str, Any]) -> Result:
        """By the part."""
        source, own = self._found(row)
        return source.run(own, changes)


def _check_names(whole: SweepFacts, part: SweepFacts, number: int) -> None:
    """An argument of one strategy must not have the name of a result of another; a field of Config may."""
    for name, kind in whole.parameters.items():
        if name in whole.names and kind != "config" and name not in part.parameters:
            raise DataError(
                f"result {number}: {name} is a parameter of another result and only a column of this one; rename the "
                "argument of the strategy"
            )


def _completed(part: _Part, whole: SweepFacts) -> pl.LazyFrame:
    """The part's table with names of the whole, and the configuration's value for each field that only others vary."""
    facts = part.source.facts
    own = [name for name, kind in whole.parameters.items() if kind == "config" and name not in facts.parameters]
    values = [pl.lit(labels_of([getattr(facts.config, name)], "config")[0]).alias(name) for name in own]
    return part.table.rename({facts.names[name]: whole.names[name] for name in whole.names}).with_columns(values)
