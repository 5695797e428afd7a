"""A grid on a strategy and a panel: groups of rows that share inputs, and everything about a row.

A group shares the kernel's `Market` and `Intents`: the same strategy with the same values of its own parameters, the
same symbols and window, and the same structure of the configuration, which is what of it reaches those two. All else
only changes PARAMS, a record a row.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from facade.config.model import PER_ASSET, Config
from facade.config.per_asset import PerAsset
from facade.data.clock import calendar_years
from facade.data.flows import Flows
from facade.data.panel import Panel, select
from facade.data.selection import Selection, clock_of, has_volume, locate
from facade.encode.inputs import EncodedInputs, apply_inputs, apply_settings, encode
from facade.encode.margins import READ, check_instruments
from facade.encode.market import half_spread, has_zero_volume
from facade.encode.params import (
    LIMITS,
    Knobs,
    Varied,
    asset_values,
    cap_in_force,
    check_volume,
    is_limited,
    missing_volume,
    params_rows,
    pays_borrow,
)
from facade.errors import ConfigError, DataError, StrategyError
from facade.results.facts import versions
from facade.results.metrics import Paid
from facade.strategies.strategy import Placed, Strategy
from facade.sweeps.grid.axes import DEFAULT, Default
from facade.sweeps.grid.grid import Grid
from facade.sweeps.grid.variants import Variant, Variants
from facade.sweeps.plan.fingerprint import fingerprint
from facade.sweeps.plan.groups import Group, Groups, any_of, number, parts, structure_columns
from facade.sweeps.plan.recent import Recent
from ml4t_kernel.sources import package_digest

__all__ = ["Group", "Groups", "Plan", "make_plan"]

RECENT_INPUTS, RECENT_STRATEGIES, RECENT_PANELS = 3, 2, 64


class Plan:
    """Groups of a grid, and inputs, parameters, panel, strategy and configuration of its rows; see `make_plan`.

    For one thread. Inputs, strategies and panels are kept for the groups of late only, whatever the number of rows.
    """

    def __init__(
        self,
        panel: Panel,
        variants: Variants,
        config: Config,
        grid: Grid,
        align: str | None,
        flows: Flows | None = None,
    ) -> None:
        self.panel, self.variants, self.config, self.grid, self.align = panel, variants, config, grid, align
        self.flows = flows
        self._columns: dict[str, Any] = dict(vars(config))
        self._columns |= {
            column.name: Varied(column.values, column.codes) for column in grid.columns if column.kind == "config"
        }
        self._check_names()
        self._check_arguments()
        self._knobs = Knobs(self._columns)
        self._mapped = [name for name in PER_ASSET if any_of(self._values(name), (PerAsset,))]
        self._strategies = number(self._strategy_columns(), grid.rows)
        axes = [column.codes for column in grid.columns if column.kind in ("symbols", "window")]
        self._selections = number(axes, grid.rows)
        self._has_volume = np.zeros(len(self._selections.first), bool)
        self._bars_a_year = np.zeros(len(self._selections.first))
        self._years = np.full(len(self._selections.first), np.nan)
        self._paid: dict[int, Paid | None] = {}
        self._check_selections()
        self._check_per_asset()
        structure = structure_columns(
            *(self._columns, self._knobs, panel.has_volume, grid.rows),
            has_zeros=has_zero_volume(panel),
            pays_borrow=pays_borrow(panel.borrow_rows),
        )
        self.groups = Groups(self._strategies, self._selections, number(structure, grid.rows))
        self._inputs = Recent(RECENT_INPUTS)
        self._placed = Recent(RECENT_STRATEGIES)

    # Of groups -------------------------------------------------------------------------------------------------------

    def inputs(self, group: Group) -> EncodedInputs:
        """What the rows of a group share; its `params` are those of the group's first row.

        Raises StrategyError or ConfigError naming that row: what `run_backtest` raises for it, or what the strategy
        function raised.
        """
        return self._inputs.get(group.index, lambda: self._encode(group.row))

    def params(self, group: Group, first: int, last: int) -> np.ndarray:
        """(last - first,) PARAMS of group.rows[first:last], as a run of each alone would have, but for `record`: 0."""
        selection = group.key[1]
        rows = group.rows[first:last]
        params = params_rows(self._knobs, rows, bool(self._has_volume[selection]), self._without_others(group.row))
        inputs = self.inputs(group)
        apply_settings(params, inputs.settings)
        apply_inputs(params, inputs.market, inputs.intents)
        params["record"] = 0
        return params

    def _encode(self, row: int) -> EncodedInputs:
        strategy, panel = self.strategy_of(row), self.panel_of(row)
        try:
            return encode(panel, strategy, self.config_of(row), self.align, self.flows_of(row))
        except (ConfigError, StrategyError) as error:
            if len(self.groups) == 1:
                raise
            raise type(error)(f"{self._where(row)}: {error}") from error

    # Of rows ---------------------------------------------------------------------------------------------------------

    def config_of(self, row: int) -> Config:
        """Configuration of a row; mappings symbol -> value are without symbols that the row leaves out."""
        changes = self.grid.changes(row) | self._without_others(row)
        return self.config.replace(**changes) if changes else self.config

    def panel_of(self, row: int) -> Panel:
        """The part of the panel that a row trades on: the panel itself without symbols and window."""

        def build() -> Panel:
            selection = self._selection(row)
            return self.panel if selection is None else select(self.panel, selection)

        return self._panels.get(int(self._selections.of[row]), build, self._weight)

    def flows_of(self, row: int) -> Flows | None:
        """Flows that fall into the bars of a row."""
        return None if self.flows is None else self.flows.within(self._selection(row))

    def strategy_of(self, row: int) -> Strategy:
        """Strategy of a row, cut to `panel_of(row)`; a function is called at most once while its rows follow.

        Raises StrategyError naming row and parameters for what a strategy function raised.
        """
        kind = int(self._strategies.of[row])

        def build() -> Placed:
            column = self.grid.column("strategy")
            variant = self.variants.of(None if column is None else column.value(row))
            first = int(self._strategies.first[kind])
            return Placed(variant.make(self.grid.parameters(row), self.panel, first), self.panel, self.align)

        placed = self._placed.get(kind, build)
        selection = self._selection(row)
        try:
            return placed.within(selection)
        except StrategyError as error:
            raise StrategyError(f"{self._where(row)}: {error}") from error

    def initial_cash(self, rows: np.ndarray) -> np.ndarray:
        """(n,) float64 of (n,) row numbers."""
        return np.broadcast_to(np.float64(self._knobs.at(rows, ("initial_cash",))["initial_cash"]), (len(rows),))

    def periods_per_year(self, rows: np.ndarray) -> np.ndarray:
        """(n,) float64 of (n,) row numbers: given, or derived from the timestamps of each row's panel."""
        derived = self._bars_a_year[self._selections.of[rows]]
        given = self._columns["periods_per_year"]
        if isinstance(given, Varied):
            values = self._given_bars_a_year[given.codes[rows]]
            return np.where(np.isnan(values), derived, values)
        return derived if given is None else np.full(len(rows), float(given))

    def years(self, rows: np.ndarray) -> np.ndarray | None:
        """(n,) float64 of (n,) row numbers: calendar time of each row's panel; None where bars are numbered."""
        return self._years[self._selections.of[rows]] if self.panel.timestamps.dtype.is_temporal() else None

    def limited(self, rows: np.ndarray) -> np.ndarray:
        """(n,) bool of (n,) row numbers: whether the account has limits of its own."""
        return np.broadcast_to(np.asarray(is_limited(self._knobs.at(rows, LIMITS)), bool), (len(rows),))

    def paid(self, rows: np.ndarray) -> Paid | None:
        """What the accounts of (n,) row numbers, all of one group, were to be paid in and out."""
        return self._paid[int(self._selections.of[rows[0]])] if self._paid and len(rows) else None

    @cached_property
    def _given_bars_a_year(self) -> np.ndarray:
        values = self._columns["periods_per_year"].values
        return np.array([np.nan if value is None else value for value in values], np.float64)

    # Identity --------------------------------------------------------------------------------------------------------

    @cached_property
    def digests(self) -> dict[str, str]:
        """Digests of what decides the rows, by name: prices, strategy, config, grid, versions; flows where given."""
        columns = [(column.name, column.kind, column.values, column.codes) for column in self.grid.columns]
        strategies = [variant.given for variant in self.variants.all]
        given = {} if self.flows is None else {"flows": fingerprint(self.flows.rows)}
        return given | {
            "prices": self.panel.digest,
            "strategy": fingerprint(self.variants.names, strategies, self.align),
            "config": fingerprint(self.config),
            "grid": fingerprint(self.grid.rows, columns),
            "versions": fingerprint(versions(), package_digest()),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all of `digests`."""
        return hashlib.sha256(repr(sorted(self.digests.items())).encode()).hexdigest()

    # Selections ------------------------------------------------------------------------------------------------------

    @cached_property
    def _panels(self) -> Recent:
        """Parts of the panel; what they hold of their own may come to as much as the panel."""
        return Recent(RECENT_PANELS, 7.0 * self.panel.close.nbytes)

    def _weight(self, panel: Panel) -> float:
        """Bytes that a part of the panel may come to hold: copies of columns, and volatility and earlier volume."""
        if panel is self.panel:
            return 0.0
        copied = 0 if np.shares_memory(panel.bars, self.panel.bars) else 5 + len(panel.extras)
        copied += 4 * (panel.multipliers is not None)
        return float(panel.close.nbytes * (2 + copied))

    def _selection(self, row: int) -> Selection | None:
        """Where the row's part of the panel is; None for the whole panel. Raises ConfigError naming the row."""
        symbols = self._symbols(row)
        column = self.grid.column("window")
        start, end = (None, None) if column is None else column.value(row)
        if symbols is None and start is None and end is None:
            return None
        try:
            found = locate(self.panel, symbols, start, end)
        except DataError as error:
            raise ConfigError(f"{self._where(row)}: {error}") from error
        everything = found.assets is None and found.bars == slice(0, self.panel.shape[0])
        return None if everything else found

    def _symbols(self, row: int) -> tuple[str, ...] | None:
        column = self.grid.column("symbols")
        return None if column is None else column.value(row)

    def _without_others(self, row: int) -> dict[str, Any]:
        """Fields that name symbols which the row leaves out, without them; the default where none is left."""
        symbols = self._symbols(row) if self._mapped else None
        changed: dict[str, Any] = {}
        for name in self._mapped if symbols is not None else ():
            given = self._columns[name]
            value = given.values[given.codes[row]] if isinstance(given, Varied) else given
            if isinstance(value, PerAsset):
                kept = {symbol: entry for symbol, entry in value.items() if symbol in (symbols or ())}
                if len(kept) < len(value):
                    changed[name] = PerAsset(kept) if kept else Config.model_fields[name].default
        return changed

    # Checks before anything runs -------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        """A grid may have been read for another strategy."""
        for column in self.grid.columns:
            argument = column.name in self.variants.parameters
            if column.kind == "config" and argument:
                raise ConfigError(
                    f"grid: {column.name!r} is a field of Config and an argument of the strategy; rename the argument"
                )
            if column.kind == "parameter" and not argument:
                raise ConfigError(f"grid: {column.name!r} is not an argument of the strategy")
        if (self.variants.names is None) != (self.grid.column("strategy") is None):
            raise ConfigError("grid: the axis 'strategy' belongs to a mapping name -> strategy, and that to the axis")

    def _check_arguments(self) -> None:
        """Every row gives its strategy the arguments that it cannot do without."""
        chosen, codes = self._chosen_variants()
        for at, variant in enumerate(chosen):
            for name in variant.needed:
                column = self.grid.column(name)
                left_out = codes == at
                if column is not None:  # which may have a million values
                    if not any_of(column.values, (Default,)):
                        continue
                    left_out = left_out & np.array([value is DEFAULT for value in column.values])[column.codes]
                if left_out.any():
                    rule = f"{variant.what} needs its argument {name!r}, which the row does not give"
                    raise ConfigError(f"{self._where(int(left_out.argmax()))}: {rule}")

    def _chosen_variants(self) -> tuple[list[Variant], np.ndarray]:
        """The strategies that rows have, and which of them: (K,) codes, or (1,) where all have the same."""
        column = self.grid.column("strategy")
        if column is None:
            return [self.variants.of(None)], np.zeros(1, np.int32)
        return [self.variants.of(name) for name in column.values], column.codes

    def _check_per_asset(self) -> None:
        """Symbols that fields name are in the panel, and so is the column that spread names, with values allowed."""
        for name in PER_ASSET:
            if not any_of(self._values(name), (PerAsset, str)):
                continue
            given = self._columns[name]
            for at, value in enumerate(self._values(name)):
                rows = np.flatnonzero(given.codes == at) if isinstance(given, Varied) else np.arange(self.grid.rows)
                row = int(rows[0])
                try:
                    if isinstance(value, PerAsset):
                        asset_values(self.panel, name, value)
                    elif isinstance(value, str):
                        # A column may hold nonsense where no row trades.
                        for row in rows[np.unique(self._selections.of[rows], return_index=True)[1]].tolist():
                            half_spread(self.panel_of(row), self.config.replace(spread=value))
                except ConfigError as error:
                    if not isinstance(given, Varied) and self._selection(row) is None:
                        raise
                    raise ConfigError(f"{self._where(row)}: {error}") from error

    def _check_selections(self) -> None:
        """Every part of the panel has bars, and volume where a row reads it; derives its bars a year and its years."""
        for at, rows in enumerate(parts(self._selections)):
            selection = self._selection(int(rows[0]))
            if selection is None:
                self._has_volume[at], self._bars_a_year[at] = self.panel.has_volume, self.panel.periods_per_year
                timestamps = self.panel.timestamps
            else:
                self._has_volume[at] = has_volume(self.panel, selection)
                clock = clock_of(self.panel, selection)
                self._bars_a_year[at], timestamps = clock.periods_per_year, clock.timestamps
            years = calendar_years(timestamps)
            if self.flows is not None:
                flows = self.flows.within(selection).rows
                self._paid[at] = Paid.of(flows, timestamps, float(self._bars_a_year[at]))
            if years is not None:
                self._years[at] = years
            self._check_instruments(selection, rows)
            values = self._knobs.at(rows, ("cap", "cap_is_auto", "impact_coefficient"))
            cap, impact = cap_in_force(values, bool(self._has_volume[at])), values["impact_coefficient"]
            if not (np.any(cap < np.inf) or np.any(impact > 0)):
                continue
            if not self._has_volume[at] or missing_volume(self.panel) is not None:
                check_volume(self.panel_of(int(rows[0])), cap, impact, rows)

    def _check_instruments(self, selection: Selection | None, rows: np.ndarray) -> None:
        """The accounts of (n,) rows can hold what their part of the panel has."""
        if self.panel.instruments is None:
            return
        assets = slice(None) if selection is None or selection.assets is None else selection.assets
        symbols = np.array(self.panel.symbols, object)[assets].tolist()
        check_instruments(symbols, self.panel.instrument_rows[assets], self._knobs.at(rows, READ), rows)

    # Pieces ----------------------------------------------------------------------------------------------------------

    def _values(self, name: str) -> tuple[Any, ...]:
        given = self._columns[name]
        return tuple(given.values) if isinstance(given, Varied) else (given,)

    def _strategy_columns(self) -> list[np.ndarray]:
        """(K,) columns that tell strategies apart: the variant, and the values of those parameters that it takes."""
        chosen, codes = self._chosen_variants()
        columns = [] if self.grid.column("strategy") is None else [codes]
        for parameter in self.grid.columns:
            if parameter.kind == "parameter":
                takes = np.array([parameter.name in variant.arguments for variant in chosen])
                columns.append(np.where(takes[codes], parameter.codes + 1, 0))
        return columns

    def _where(self, row: int) -> str:
        """'row 3 (fast=5, window=2001-01-02 to 2001-12-31)', without fields of the configuration."""
        columns = [column for column in self.grid.columns if column.kind != "config"]
        shown = ", ".join(f"{column.name}={column.labels[column.codes[row]]}" for column in columns)
        return f"row {row} ({shown})" if shown else f"row {row}"


def make_plan(
    panel: Panel, strategy: Any, config: Config, grid: Grid, align: str | None = None, flows: Flows | None = None
) -> Plan:
    """The plan of a sweep: a grid of configurations, strategies and parts of a panel, checked before anything runs.

    Parameters
    ----------
    strategy
        A strategy, a function of parameters that returns one (an argument `panel` receives the whole panel), a mapping
        name -> either, or the `Variants` of one of these. Functions are not called yet. Strategies are made for the
        whole panel; what they decide on symbols and bars that a row leaves out is left out.
    config
        What the grid does not vary.
    align
        As for `run_backtest`.
    flows
        Deposits and withdrawals on the bars of the panel; each row takes those that fall into its bars.

    Raises
    ------
    ConfigError
        Naming the row: an argument of its strategy that it does not give, an unknown symbol, a window without bars, a
        cap or impact without volume.
    StrategyError
        For what is no strategy.
    """
    variants = strategy if isinstance(strategy, Variants) else Variants(strategy)
    return Plan(panel, variants, config, grid, align, flows)
