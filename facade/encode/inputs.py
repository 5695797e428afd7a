"""Panel, strategy and configuration as the kernel's inputs: names stripped, arrays read-only."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.flows import Flows
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.encode.contracts import contract_orders, contract_rules
from facade.encode.market import make_market
from facade.encode.narrow import cut_intents, cut_market, traded_assets
from facade.encode.params import asset_rule_rows, params_row, pays_borrow
from facade.errors import BacktestWarning
from facade.strategies.draft import Draft, no_rules
from facade.strategies.passes import nonzero_bytes
from facade.strategies.strategy import require_strategy
from ml4t_kernel.schema import (
    ENTER_LONG,
    ENTER_SHORT,
    EVENT_ACTION,
    EVENT_BORROW,
    EVENT_ENTRY,
    EVENT_ORDER,
    EVENT_SIGNAL,
    EVENT_STALE,
    EVENT_TARGET,
    FLOW,
    RULES,
    Intents,
    Kind,
    Market,
)

__all__ = ["EncodedInputs", "apply_inputs", "apply_settings", "encode", "params_row"]

COUNTS = ("dropped_rows", "superseded_rows", "closes_left_out", "scaled_rows", "lifted_weights", "dropped_flows")


@dataclass(frozen=True, eq=False)
class EncodedInputs:
    """What the kernel reads, and what is needed to put names back.

    params: (1,) PARAMS. order_ids, tags: label of each row of `intents.orders` (None without orders). rows: (I,) int64
    row of each in the user's frame. assets: (C,) columns of the panel that market and intents are cut to, None: all.
    settings: fields of `params` that the strategy decides, and their values.
    expected_orders: estimate of the orders the run will write, for sizing the tape.
    counts: dropped_rows (after the last bar), superseded_rows (a later time on the same bar, under align),
    closes_left_out (targets closed because the symbol was left out), scaled_rows and lifted_weights (by scale=True),
    dropped_flows (after the last bar). quoted_orders: (I,) INTENT with their levels as they were written, where
    multipliers made others of them.
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
    quoted_orders: np.ndarray | None = None


def encode(
    panel: Panel, strategy: Any, config: Config, align: str | None = None, flows: Flows | None = None
) -> EncodedInputs:
    """The kernel's inputs for a run of `strategy` on `panel` under `config`.

    Parameters
    ----------
    align
        None: timestamps of the strategy are exactly those of prices. "next": the first bar at or after.
    flows
        Deposits and withdrawals on the bars of this panel.

    Raises
    ------
    StrategyError, ConfigError
        Naming symbol, date, value and rule. Rows after the last bar are dropped, counted and warned of.
    """
    params = params_row(config, panel)
    draft = Draft(panel.shape[0], panel.shape[1], align)
    _set_asset_rules(draft, config, panel)
    require_strategy(strategy).encode(panel, config, draft)
    apply_settings(params, draft.settings)
    resting = bool((draft.orders["kind"] != Kind.MARKET).any())
    market = make_market(panel, config, params, resting)
    events = _events(panel.shape[0], market, draft)
    orders = contract_orders(panel, draft.orders)
    intents = Intents(
        events=events,
        event_bars=frozen(np.append(nonzero_bytes(events), panel.shape[0]), np.int32),
        weights=draft.weights,
        target_bars=draft.target_bars,
        target_assets=draft.target_assets,
        signals=draft.signals,
        orders=orders,
        rules=frozen(contract_rules(panel, orders, draft.rules), RULES),
        asset_rules=frozen(draft.asset_rules, np.int32),
        flows=frozen(np.zeros(0, FLOW), FLOW) if flows is None else flows.rows,
    )
    used = traded_assets(intents, panel.shape[1])
    if used is not None:
        market, intents = cut_market(panel, market, used), cut_intents(intents, used)
    counts = {name: draft.counts.get(name, 0) for name in COUNTS}
    counts["dropped_flows"] = 0 if flows is None else flows.dropped  # of which its reader has warned
    _warn(panel, counts)
    apply_inputs(params, market, intents)
    params.flags.writeable = False
    return EncodedInputs(
        market,
        intents,
        params,
        counts,
        draft.expected_orders,
        order_ids=draft.order_ids,
        tags=draft.tags,
        rows=draft.rows,
        assets=used,
        settings=draft.settings,
        quoted_orders=None if orders is draft.orders else draft.orders,
    )


def apply_settings(rows: np.ndarray, settings: Mapping[str, Any]) -> None:
    """Write what the strategy decides into (n,) PARAMS, in place."""
    for name, value in settings.items():
        rows[name] = value


def apply_inputs(rows: np.ndarray, market: Market, intents: Intents) -> None:
    """Write what is there besides prices into (n,) PARAMS, in place: instruments, rows of `borrow`, what moves cash."""
    # The row that stands for none has a multiplier of zero.
    given = len(market.instruments) == market.close.shape[1] and market.instruments["multiplier"].all()
    rows["has_instruments"] = int(given)
    rows["has_borrow"] = (rows["listed_only"] != 0) | (len(market.borrow) > 0)
    rows["has_forced"] |= rows["has_borrow"]
    if len(intents.flows) or len(market.funding) or pays_borrow(market.borrow):
        rows["has_charges"] = 1


def _warn(panel: Panel, counts: dict[str, int]) -> None:
    sentences = {
        "dropped_rows": f"rows of the strategy lie after the last bar {panel.timestamps[-1]} and were dropped",
        "superseded_rows": "rows were superseded by a later one that align moved to the same bar",
        "scaled_rows": "bars had weights above 1 in sum and were scaled",
        "lifted_weights": "negative weights were lifted to zero, because allow_short_selling is False",
    }
    for name, sentence in sentences.items():
        if counts[name]:
            warnings.warn(f"{counts[name]:,} {sentence}", BacktestWarning, stacklevel=4)


def _events(n_bars: int, market: Market, draft: Draft) -> np.ndarray:
    """(T,) uint8 of EVENT_* bits."""
    events = np.zeros(n_bars, np.uint8)
    signalled = draft.signals["bar"].astype(np.intp)
    for bit, bars in (
        (EVENT_ACTION, market.actions["bar"]),
        (EVENT_STALE, market.stale["bar"]),
        (EVENT_BORROW, market.borrow["bar"]),
        (EVENT_TARGET, draft.target_bars),
        (EVENT_SIGNAL, signalled),
        (EVENT_ENTRY, signalled[(draft.signals["bits"] & (ENTER_LONG | ENTER_SHORT)) != 0]),
        (EVENT_ORDER, draft.orders["bar"]),
    ):
        if len(bars):
            events[bars] |= np.uint8(bit)
    return frozen(events, np.uint8)


def _set_asset_rules(draft: Draft, config: Config, panel: Panel) -> None:
    """Rows 1 .. A of the rules, one an asset, when any rule is given per asset."""
    rows = asset_rule_rows(config, panel)
    if rows is not None:
        draft.rules = np.concatenate((no_rules(1), rows))
        draft.asset_rules = np.arange(1, panel.shape[1] + 1, dtype=np.int32)
