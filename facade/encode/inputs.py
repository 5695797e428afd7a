"""Panel, strategy and configuration as the kernel's inputs: names stripped, arrays read-only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.encode.market import make_market
from facade.encode.narrow import WIDE, cut_intents, cut_market, traded_assets
from facade.encode.params import asset_rule_rows, params_row
from facade.errors import BacktestWarning, StrategyError
from facade.strategies.frames import assets_of, bars_of, frozen
from facade.strategies.order_table import OrderTable
from facade.strategies.orders import Orders, Signals, TargetShares, TargetWeights, require_strategy
from facade.strategies.signal_cells import place_signals
from facade.strategies.target_rows import check_targets, place_targets, refuse_large_targets, refuse_short_targets
from ml4t_kernel.schema import (
    ENTER_LONG,
    ENTER_SHORT,
    EVENT_ACTION,
    EVENT_ENTRY,
    EVENT_ORDER,
    EVENT_SIGNAL,
    EVENT_STALE,
    EVENT_TARGET,
    INTENT,
    RULES,
    SIGNAL,
    IntentAction,
    Intents,
    Kind,
    Market,
    SizeType,
)

__all__ = ["EncodedInputs", "apply_settings", "encode", "params_row"]

SWITCHES = ("stop_loss", "take_profit", "trailing_stop", "break_even", "time_exit", "stop_price", "target_price")
"""Fields of RULES of which any finite one is a rule to watch."""
COUNTS = ("dropped_rows", "superseded_rows", "closes_left_out", "scaled_rows", "lifted_weights")


@dataclass(frozen=True, eq=False)
class EncodedInputs:
    """What the kernel reads, and what is needed to put names back.

    params: (1,) PARAMS. order_ids, tags: label of each row of `intents.orders` (None without orders). rows: (I,) int64
    row of each in the user's frame. assets: (C,) columns of the panel that market and intents are cut to, None: all.
    settings: fields of `params` that the strategy decides, and their values.
    expected_orders: estimate of the orders the run will write, for sizing the tape.
    counts: dropped_rows (after the last bar), superseded_rows (a later time on the same bar, under align),
    closes_left_out (targets closed because the symbol was left out), scaled_rows and lifted_weights (by scale=True).
    """

    market: Market
    intents: Intents
    params: np.ndarray
    counts: dict[str, int]
    expected_orders: int
    order_ids: pl.Series | None = None
    tags: pl.Series | None = None
    rows: np.ndarray | None = None
    assets: np.ndarray | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Draft:
    """The parts of the intents that a strategy fills; the rest keeps its empty value."""

    n_bars: int
    n_assets: int
    weights: np.ndarray = field(init=False)
    target_bars: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0), np.int32))
    target_assets: np.ndarray = field(init=False)
    signals: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0, SIGNAL), SIGNAL))
    orders: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0, INTENT), INTENT))
    rules: np.ndarray = field(init=False)
    asset_rules: np.ndarray = field(init=False)
    settings: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    expected_orders: int = 0

    def __post_init__(self) -> None:
        self.weights = frozen(np.zeros((0, self.n_assets)))
        self.target_assets = frozen(np.arange(self.n_assets), np.int32)
        self.rules = _no_rules(1)
        self.asset_rules = np.zeros(self.n_assets, np.int32)


def _no_rules(rows: int) -> np.ndarray:
    rules = np.zeros(rows, RULES)
    for name in RULES.names or ():
        rules[name] = np.nan
    return rules


def encode(panel: Any, strategy: Any, config: Config, align: str | None = None) -> EncodedInputs:
    """The kernel's inputs for a run of `strategy` on `panel` under `config`.

    Parameters
    ----------
    align
        None: timestamps of the strategy are exactly those of prices. "next": the first bar at or after.

    Raises
    ------
    StrategyError, ConfigError
        Naming symbol, date, value and rule. Rows after the last bar are dropped, counted and warned of.
    """
    params = params_row(config, panel)
    draft = _Draft(panel.shape[0], panel.shape[1])
    _set_asset_rules(draft, config, panel)
    labels = _encode_strategy(panel, strategy, draft, config, align)
    apply_settings(params, draft.settings)
    resting = bool((draft.orders["kind"] != Kind.MARKET).any())
    market = make_market(panel, config, params, resting)
    events = _events(panel.shape[0], market, draft)
    intents = Intents(
        events=events,
        event_bars=frozen(np.append(np.flatnonzero(events), panel.shape[0]), np.int32),
        weights=draft.weights,
        target_bars=draft.target_bars,
        target_assets=draft.target_assets,
        signals=draft.signals,
        orders=draft.orders,
        rules=frozen(draft.rules, RULES),
        asset_rules=frozen(draft.asset_rules, np.int32),
    )
    used = traded_assets(intents, panel.shape[1])
    if used is not None:
        market, intents = cut_market(panel, market, used), cut_intents(intents, used)
    counts = {name: draft.counts.get(name, 0) for name in COUNTS}
    _warn(panel, counts)
    params.flags.writeable = False
    return EncodedInputs(
        market, intents, params, counts, draft.expected_orders, assets=used, settings=draft.settings, **labels
    )


def apply_settings(rows: np.ndarray, settings: Mapping[str, Any]) -> None:
    """Write what the strategy decides into (n,) PARAMS, in place."""
    for name, value in settings.items():
        rows[name] = value


def _encode_strategy(panel: Any, strategy: Any, draft: _Draft, config: Config, align: str | None) -> dict[str, Any]:
    """Fills the draft; returns the labels of orders, if any."""
    require_strategy(strategy)
    if isinstance(strategy, Orders):
        return _encode_orders(panel, strategy.table, draft, config, align)
    if isinstance(strategy, Signals):
        _encode_signals(panel, strategy, draft, config, align)
    else:
        _encode_targets(panel, strategy, draft, config, align)
    return {}


def _warn(panel: Any, counts: dict[str, int]) -> None:
    sentences = {
        "dropped_rows": f"rows of the strategy lie after the last bar {panel.timestamps[-1]} and were dropped",
        "superseded_rows": "rows were superseded by a later one that align moved to the same bar",
        "scaled_rows": "bars had weights above 1 in sum and were scaled",
        "lifted_weights": "negative weights were lifted to zero, because allow_short_selling is False",
    }
    for name, sentence in sentences.items():
        if counts[name]:
            warnings.warn(f"{counts[name]:,} {sentence}", BacktestWarning, stacklevel=4)


def _events(n_bars: int, market: Market, draft: _Draft) -> np.ndarray:
    """(T,) uint8 of EVENT_* bits."""
    events = np.zeros(n_bars, np.uint8)
    for bit, bars in (
        (EVENT_ACTION, market.actions["bar"]),
        (EVENT_STALE, market.stale["bar"]),
        (EVENT_TARGET, draft.target_bars),
        (EVENT_SIGNAL, draft.signals["bar"]),
        (EVENT_ENTRY, draft.signals["bar"][(draft.signals["bits"] & (ENTER_LONG | ENTER_SHORT)) != 0]),
        (EVENT_ORDER, draft.orders["bar"]),
    ):
        events[bars] |= np.uint8(bit)
    return frozen(events, np.uint8)


def _set_asset_rules(draft: _Draft, config: Config, panel: Any) -> None:
    """Rows 1 .. A of the rules, one an asset, when any rule is given per asset."""
    rows = asset_rule_rows(config, panel)
    if rows is not None:
        draft.rules = np.concatenate((_no_rules(1), rows))
        draft.asset_rules = np.arange(1, panel.shape[1] + 1, dtype=np.int32)


def _encode_orders(panel: Any, table: OrderTable, draft: _Draft, config: Config, align: str | None) -> dict[str, Any]:
    ranked = config.entry_rank == "rank"
    if ranked and not table.ranked:
        raise StrategyError("Orders: entry_rank='rank' needs a column 'rank'")
    bars = bars_of(panel, table.stamps, align, "Orders", table.symbols, table.rows)
    assets = assets_of(panel, table.symbols, "Orders", table.stamps, table.rows)
    kept = int(np.searchsorted(bars, panel.shape[0]))
    orders = table.intents[:kept].copy()
    orders["bar"], orders["asset"] = bars[:kept], assets[:kept]
    if not ranked:
        orders["rank"] = np.nan  # an order without a rank is cheaper, and nothing reads it
    _merge_rules(orders, table.rules, draft)
    carried = draft.rules[orders["rules"]]
    if len(table.rules) > 1 and any(np.isfinite(carried[name]).any() for name in SWITCHES):
        draft.settings["has_rules"] = 1
    draft.settings["has_children"] = bool((orders["parent"] >= 0).any())
    draft.orders = frozen(orders, INTENT)
    draft.counts["dropped_rows"] = len(bars) - kept
    draft.expected_orders = int((orders["action"] != IntentAction.CANCEL).sum())
    return {"order_ids": table.ids[:kept], "tags": table.tags[:kept], "rows": table.rows[:kept]}


def _merge_rules(orders: np.ndarray, carried: np.ndarray, draft: _Draft) -> None:
    """Rules of the orders after those per asset, which fill what an order leaves open. `orders` changes in place."""
    own = np.flatnonzero(orders["rules"] > 0)
    assets = orders["asset"]
    rows = carried[orders["rules"][own]]
    defaults = draft.rules[draft.asset_rules[assets[own]]]
    for name in RULES.names or ():
        rows[name] = np.where(np.isnan(rows[name]), defaults[name], rows[name])
    orders["rules"] = draft.asset_rules[assets]
    orders["rules"][own] = len(draft.rules) + np.arange(len(own), dtype=np.int32)
    draft.rules = np.concatenate((draft.rules, rows))


def _encode_targets(
    panel: Any, strategy: TargetWeights | TargetShares, draft: _Draft, config: Config, align: str | None
) -> None:
    what = type(strategy).__name__
    draft.settings["has_batch"] = 1
    rows = place_targets(panel, strategy.given, align, what)
    if isinstance(strategy, TargetWeights):
        rows = check_targets(panel, rows, config.allow_short_selling, strategy.scale, what)
        draft.settings["min_weight_change"] = strategy.min_weight_change
    else:
        draft.settings["targets_are_shares"] = 1
        refuse_large_targets(panel, rows, what)
        if not config.allow_short_selling:
            refuse_short_targets(panel, rows, what, "")
    if strategy.min_notional is not None:
        draft.settings["min_notional"] = strategy.min_notional
    draft.weights, draft.target_assets = _wanted_columns(rows.weights)
    draft.target_bars, draft.counts = frozen(rows.bars, np.int32), rows.counts
    wanted = int(np.count_nonzero(draft.weights))
    draft.expected_orders = min(draft.weights.size, 2 * wanted)


def _wanted_columns(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Targets of the assets that are ever wanted, and which they are; all of them unless most are not.

    A column of zeros and NaN decides nothing, and a wide panel of which few assets trade should not cost its width.
    """
    everything = np.arange(weights.shape[1], dtype=np.int32)
    first = weights[:1]
    if (
        len(everything) <= WIDE
        or not len(weights)
        or np.count_nonzero((first != 0) & ~np.isnan(first)) * 2 > len(everything)
    ):
        return weights, frozen(everything, np.int32)
    used = np.flatnonzero(((weights != 0) & ~np.isnan(weights)).any(axis=0)).astype(np.int32)
    if 2 * len(used) > len(everything):
        return weights, frozen(everything, np.int32)
    return frozen(np.ascontiguousarray(weights[:, used])), frozen(used, np.int32)


def _encode_signals(panel: Any, strategy: Signals, draft: _Draft, config: Config, align: str | None) -> None:
    if config.entry_rank == "rank" and strategy.ranks is None:
        raise StrategyError("Signals: entry_rank='rank' needs rank")
    signals, draft.counts = place_signals(panel, strategy.flags, strategy.sizes, strategy.ranks, align)
    draft.signals = frozen(signals, SIGNAL)
    draft.expected_orders = len(signals)
    size_type = SizeType[strategy.size_type.upper()]
    draft.settings |= {"size_type": int(size_type), "has_batch": size_type >= SizeType.TARGET_SHARES}
    draft.settings["accumulate"] = strategy.accumulate
    if isinstance(strategy.sizes, float):
        draft.settings["signal_size"] = strategy.sizes
