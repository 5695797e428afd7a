"""Strategies cut to a selection of their panel: decisions on other bars and symbols are left out.

A strategy is first placed on the panel it was made for, where its timestamps and symbols are checked, and then cut to
any number of selections. What a symbol left out of a frame of targets means, zero, is decided by the whole frame.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from facade.data.selection import Selection
from facade.strategies.frames import asset_columns, assets_of, bars_of, require_panel_shape
from facade.strategies.order_table import OrderTable
from facade.strategies.orders import Orders, Signals, require_strategy
from facade.strategies.reading import on_panel
from facade.strategies.signal_cells import Cells
from facade.strategies.target_rows import GivenTargets, TargetRows, place_targets


class Placed:
    """A strategy on the panel it was made for.

    align: as for `run_backtest`; under "next" a row belongs to the bar that it is moved to.
    """

    def __init__(self, strategy: Any, panel: Any, align: str | None = None) -> None:
        require_strategy(strategy)
        self.strategy: Any = strategy
        self.panel, self.align = panel, align
        self._places: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def within(self, selection: Selection | None) -> Any:
        """The strategy for `select(panel, selection)`; None: the whole panel.

        Arrays of a stretch of bars are views. Raises StrategyError for what cannot be placed on the whole panel.
        """
        if selection is None:
            return self.strategy
        if isinstance(self.strategy, Orders):
            return self._orders(self.strategy, selection)
        if isinstance(self.strategy, Signals):
            return self._signals(self.strategy, selection)
        return _changed(self.strategy, frame=None, given=self._targets(self.strategy.given, selection))

    # Targets ---------------------------------------------------------------------------------------------------------

    def _targets(self, given: GivenTargets, selection: Selection) -> GivenTargets:
        given = on_panel(self.panel, given, type(self.strategy).__name__)
        if given.stamps is None:
            require_panel_shape(given.values, self.panel, type(self.strategy).__name__)
            return GivenTargets(selection.cut(given.values))
        rows = self._target_rows
        bars, columns = _numbers(selection, self.panel)
        keep = np.isin(rows.bars, bars)
        values = rows.weights[keep][:, columns]
        return GivenTargets(values, self.panel.labels.gather(rows.bars[keep]), self._symbols(columns))

    @cached_property
    def _target_rows(self) -> TargetRows:
        return place_targets(self.panel, self.strategy.given, self.align, type(self.strategy).__name__)

    def _symbols(self, columns: np.ndarray) -> tuple[str, ...]:
        return tuple(self.panel.symbols[column] for column in columns)

    # Signals ---------------------------------------------------------------------------------------------------------

    def _signals(self, strategy: Signals, selection: Selection) -> Signals:
        flags = {name: self._cells(name, cells, selection) for name, cells in strategy.flags.items()}
        sizes, ranks = (
            self._cells(name, cells, selection) if isinstance(cells, Cells) else cells
            for name, cells in (("size", strategy.sizes), ("rank", strategy.ranks))
        )
        given = dict.fromkeys(("entries", "exits", "short_entries", "short_exits", "size", "rank"))
        return _changed(strategy, **given, flags=flags, sizes=sizes, ranks=ranks)

    def _cells(self, name: str, cells: Cells, selection: Selection) -> Cells:
        what = f"Signals: {name}"
        cells = on_panel(self.panel, cells, what)
        if cells.stamps is None:
            require_panel_shape(cells.values, self.panel, what)
            return Cells(selection.cut(cells.values))
        bars, assets = self._place(name, cells, what)
        wanted_bars, wanted = _numbers(selection, self.panel)
        keep = np.isin(bars, wanted_bars)
        if isinstance(cells.symbols, tuple):
            columns = np.flatnonzero(np.isin(assets, wanted))
            names = tuple(cells.symbols[column] for column in columns)
            return Cells(cells.values[keep][:, columns], cells.stamps.filter(pl.Series(keep)), names)
        assert cells.symbols is not None
        keep &= np.isin(assets, wanted)
        mask = pl.Series(keep)
        return Cells(cells.values[keep], cells.stamps.filter(mask), cells.symbols.filter(mask))

    def _place(self, name: str, cells: Cells, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Bar of each row, and column of the panel of each row (long) or of each column (wide)."""
        if name not in self._places:
            assert cells.stamps is not None and cells.symbols is not None
            names = cells.symbols if isinstance(cells.symbols, pl.Series) else None
            bars = bars_of(self.panel, cells.stamps, self.align, what, names)
            if isinstance(cells.symbols, tuple):
                assets = asset_columns(self.panel, cells.symbols, what)
            else:
                assets = assets_of(self.panel, cells.symbols, what, cells.stamps)
            self._places[name] = bars, assets
        return self._places[name]

    # Orders ----------------------------------------------------------------------------------------------------------

    def _orders(self, strategy: Orders, selection: Selection) -> Orders:
        table = strategy.table
        bars, assets = self._order_places
        wanted_bars, wanted = _numbers(selection, self.panel)
        keep = np.isin(bars, wanted_bars) & np.isin(assets, wanted)
        target = table.intents["target"]
        keep &= (target < 0) | keep[target]  # what changes an order that was left out goes with it
        return _changed(strategy, frame=None, table=_kept_orders(table, keep))

    @cached_property
    def _order_places(self) -> tuple[np.ndarray, np.ndarray]:
        table = self.strategy.table
        bars = bars_of(self.panel, table.stamps, self.align, "Orders", table.symbols, table.rows)
        return bars, assets_of(self.panel, table.symbols, "Orders", table.stamps, table.rows)


def _kept_orders(table: OrderTable, keep: np.ndarray) -> OrderTable:
    """The orders where `keep`, (I,) bool; whole brackets and orders with all that changes them are kept or not."""
    number = np.full(len(keep) + 1, -1, np.int32)  # the last entry is that of "none", which is -1
    number[:-1][keep] = np.arange(np.count_nonzero(keep))
    intents = table.intents[keep]
    for name in ("target", "parent", "first_child", "next_sibling"):
        intents[name] = number[intents[name]]
    intents.flags.writeable = False
    mask = pl.Series(keep)
    labels = {name: getattr(table, name).filter(mask) for name in ("stamps", "symbols", "ids", "tags")}
    return OrderTable(intents=intents, rules=table.rules, rows=table.rows[keep], ranked=table.ranked, **labels)


def _numbers(selection: Selection, panel: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bars and columns of a selection as numbers."""
    bars = selection.bars
    columns = np.arange(panel.shape[1]) if selection.assets is None else selection.assets
    return (np.arange(bars.start, bars.stop) if isinstance(bars, slice) else bars), columns


def _changed(strategy: Any, **values: Any) -> Any:
    """A copy with other attributes, not checked again."""
    made = copy(strategy)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made
