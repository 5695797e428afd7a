"""Orders given as data, one a row: the class, checked when it is built, and what the kernel reads of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from facade.config.model import Config
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import StrategyError
from facade.strategies.draft import SWITCHES, Draft
from facade.strategies.order_table import OrderTable, parse_orders
from facade.strategies.placing import assets_of, bars_of
from facade.strategies.strategy import Placed, Strategy, named_arguments
from ml4t_kernel.schema import INTENT, RULES, IntentAction


@named_arguments
@dataclass(frozen=True, eq=False, repr=False)
class Orders(Strategy):
    """Orders decided at the close of the bar of their timestamp, one a row.

    Parameters
    ----------
    frame
        A Polars DataFrame or LazyFrame, a pandas frame (whose index of times is a column), or a table with the Arrow C
        stream; names in any case, those of time and symbol as prices may have them. Columns `timestamp`, `symbol`,
        `quantity` (signed shares) and, each with its default when missing or null: `type` ("market", "limit", "stop",
        "stop_limit", "trailing_stop"; "moo" and "moc" are market orders at the open and at the close; any case),
        `limit_price`, `stop_price`, `trail_amount` (currency), `time_in_force` ("gtc", "day", "bars", "ioc", "at_open",
        "at_close"), `bars`, `action` ("submit", "cancel", "replace"), `id`, `parent` and `group` (labels),
        `reduce_only`, `rank` (smaller is served first, null last), `tag`, and the rules the order carries: `stop_loss`,
        `take_profit`, `trailing_stop`, `trail_activation`, `break_even`, `time_exit`, `stop_loss_price`,
        `take_profit_price` (null is the run-wide value, inf is off).

        A cancel or a replacement names an earlier order by `id`; a replacement changes the prices given, and the
        quantity still to trade when given. A child names its `parent`, of the same timestamp, in a row before it.

    Raises
    ------
    StrategyError
        Naming row, symbol, date, column, value and rule.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"timestamp": [0, 1], "symbol": ["A", "A"], "quantity": [10.0, -10.0], "type": "moo"})
    >>> Orders(frame)
    Orders(2 rows)
    """

    UNPARSED = ("frame",)

    frame: Any
    table: OrderTable = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", parse_orders(self.frame))

    def encode(self, panel: Panel, config: Config, draft: Draft) -> None:
        table = self.table
        ranked = config.entry_rank == "rank"
        if ranked and not table.ranked:
            raise StrategyError("Orders: entry_rank='rank' needs a column 'rank'")
        bars, assets = _place(table, panel, draft.align)
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
        draft.order_ids, draft.tags, draft.rows = table.ids[:kept], table.tags[:kept], table.rows[:kept]

    def within(self, selection: Selection, placed: Placed) -> Self:
        table = self.table
        bars, assets = placed.kept("orders", lambda: _place(table, placed.panel, placed.align))
        wanted_bars, wanted = selection.numbers(placed.panel.shape[1])
        keep = np.isin(bars, wanted_bars) & np.isin(assets, wanted)
        target = table.intents["target"]
        keep &= (target < 0) | keep[target]  # what changes an order that was left out goes with it
        return self.changed(frame=None, table=table.kept(keep))

    def __repr__(self) -> str:
        return f"Orders({len(self.table.intents):,} rows)"


def _place(table: OrderTable, panel: Panel, align: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Bar and asset of each order."""
    bars = bars_of(panel, table.stamps, align, "Orders", table.symbols, table.rows)
    return bars, assets_of(panel, table.symbols, "Orders", table.stamps, table.rows)


def _merge_rules(orders: np.ndarray, carried: np.ndarray, draft: Draft) -> None:
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
