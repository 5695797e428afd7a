"""Names that users bring from other engines, and what to write here: one table for every place that refuses a name.

Of vectorbt, backtesting.py and the event engine, and the short names that people try first.
"""

from __future__ import annotations

from collections.abc import Iterable

from facade.wording import did_you_mean

_SIZE = "size= of Signals with its size_type (0.5 is half of the equity), or the column quantity of Orders"
_SHARES = "the column quantity of Orders (signed shares), or the column shares of TargetShares"
_TRAIL = "trailing_stop of Config or of an order (a fraction: 0.1 is 10 percent)"
_STOP = "stop_loss of Config or of an order (a fraction: 0.05 is 5 percent)"
_PROFIT = "take_profit of Config or of an order (a fraction: 0.05 is 5 percent)"
_COMMISSION = "commission_rate of Config (a fraction of notional: 0.001 is 0.1 percent)"
_SLIPPAGE = "slippage_rate of Config (a fraction of the price)"
_CASH = "initial_cash of Config"
_SHORT = "short_entries and short_exits of Signals, under allow_short_selling=True of Config"
_CLOSE = "timing of Config: timing='same_bar_close' trades at the close of the deciding bar"
_MARGIN = "account='margin' of Config, with its initial_margin and maintenance_margin (fractions: 0.5 carries 2 times)"
_FLOWS = "flows= of run_backtest and sweep: a table of timestamp and amount, above zero for deposits"
_BORROW = "borrow_fee of Config (a fraction a year), or the table borrow= of load_panel"
_LOT = "lot of Config (1 is whole shares, 0 is fractional)"

RENAMED = {
    # sizes and sides
    "size": _SIZE,
    "qty": _SHARES,
    "shares": _SHARES,
    "amount": _SHARES,
    "side": "the sign of the column quantity of Orders (negative sells)",
    "direction": _SHORT,
    "shorting": "allow_short_selling of Config",
    "allow_short": "allow_short_selling of Config",
    "size_granularity": _LOT,
    "fractional": _LOT,
    "min_size": "min_notional of Config (in account currency), or its lot",
    "max_size": "max_participation of Config (a share of the bar's volume)",
    # orders
    "price": "limit_price or stop_price of Orders; without one an order trades at the next open",
    "limit": "limit_price of Orders, with type 'limit'",
    "stop": "stop_price of Orders with type 'stop'; a rule of the position is stop_loss",
    "order_type": "type of Orders",
    "tif": "time_in_force of Orders",
    "trail": "trail_amount of Orders (currency), or the rule trailing_stop (a fraction)",
    "buy": "entries of Signals, or a positive quantity of Orders",
    "sell": "exits of Signals, or a negative quantity of Orders",
    # rules of a position
    "sl": _STOP,
    "sl_stop": _STOP,
    "stoploss": _STOP,
    "tp": _PROFIT,
    "tp_stop": _PROFIT,
    "takeprofit": _PROFIT,
    "sl_trail": _TRAIL,
    "tsl_stop": _TRAIL,
    "ts_stop": _TRAIL,
    "tsl_th": "trail_activation of Config or of an order (the profit that arms the trail)",
    "td_stop": "time_exit of Config or of an order (bars)",
    "dt_stop": "exits of Signals on that bar",
    # costs
    "fee": _COMMISSION,
    "fees": _COMMISSION,
    "commission": _COMMISSION,
    "fixed_fees": "commission_per_trade of Config (account currency)",
    "slippage": _SLIPPAGE,
    # the account and the run
    "cash": _CASH,
    "init_cash": _CASH,
    "capital": _CASH,
    "initial_capital": _CASH,
    "freq": "periods_per_year of Config; without it the bars a year are counted from the timestamps",
    "trade_on_close": _CLOSE,
    "leverage": "max_leverage of Config (a multiple of equity), with account='margin' above 1",
    "margin": _MARGIN,
    "margin_rate": _MARGIN,
    "margin_requirement": _MARGIN,
    "initial_margin_rate": "initial_margin of Config (a fraction of the value)",
    "maintenance_margin_rate": "maintenance_margin of Config (a fraction of the value)",
    "long_initial_margin": "initial_margin of Config, of shorts short_initial_margin",
    "long_maintenance_margin": "maintenance_margin of Config, of shorts short_maintenance_margin",
    "account_type": "account of Config ('cash' or 'margin')",
    "allow_leverage": "account='margin' of Config, and its max_leverage",
    "cash_buffer_pct": "cash_buffer of Config (a fraction of equity)",
    "settlement_delay": "settlement of Config (sessions)",
    "point_value": "multiplier of the table instruments= of load_panel",
    "contract_specs": "the table instruments= of load_panel",
    "deposits": _FLOWS,
    "withdrawals": _FLOWS,
    "cash_deposits": _FLOWS,
    "borrow_rate": _BORROW,
    "short_borrow_rate": _BORROW,
    "call_seq": "entry_rank of Config (exits are always served first)",
    "allow_partial": "shortfall of Config ('shrink' or 'reject')",
    "accumulate": "accumulate= of Signals",
    "size_type": "size_type= of Signals",
    # the event engine
    "execution_mode": "timing ('next_bar' or 'same_bar_close')",
    "execution_price": "timing",
    "next_bar_execution_price": "timing",
    "stop_level_basis": "rule_basis ('fill' or 'signal')",
    "trail_hwm_source": "water_mark ('extreme' or 'close')",
    "trail_stop_timing": "trail_timing ('lagged' or 'proved')",
    "share_type": "lot (1 is whole shares, 0 is fractional)",
    "share_rounding": "lot",
    "commission_type": "the commission_* fields themselves; those above zero add up",
    "slippage_type": "slippage_rate, slippage_fixed and spread themselves; those above zero add up",
    "slippage_spread": "spread (a fraction of the price)",
    "slippage_spread_by_asset": "spread (a mapping symbol -> fraction of the price)",
    "slippage_spread_convention": "spread (the full spread)",
    "partial_fills_allowed": "shortfall ('shrink')",
    "reject_on_insufficient_cash": "shortfall ('reject')",
    "entry_order_priority": "entry_rank ('submission' or 'rank')",
    "fill_ordering": "entry_rank (exits are always served first)",
    "multiplier": "multiplier of the table instruments= of load_panel",
    "contract_size": "multiplier of the table instruments= of load_panel",
    "contract_multiplier": "multiplier of the table instruments= of load_panel",
    "funding_rate": "rate of the table funding= of load_panel",
    "cancel_policy": "time_in_force of each order",
    "max_volume_participation": "max_participation",
}
"""Name -> what it is called here."""

_ONE_ACCOUNT = "all symbols of a run share one account and its cash"

ABSENT = {
    "hedging": "a symbol has one net position, never a long and a short one",
    "exclusive_orders": "a signal closes an opposite position before it enters, and a target replaces the earlier one",
    "upon_opposite_entry": "a signal closes an opposite position before it enters, where shorting is allowed",
    "upon_long_conflict": "of an entry and an exit on one bar the exit counts, and a flat account does nothing",
    "upon_short_conflict": "of an entry and an exit on one bar the exit counts, and a flat account does nothing",
    "upon_dir_conflict": "of a long and a short entry on one bar neither is taken",
    "cash_sharing": _ONE_ACCOUNT,
    "group_by": _ONE_ACCOUNT,
    "finalize_trades": "what is open at the end is a row of result.trades with status 'open'",
    "raise_reject": "refused orders are rows of result.rejections, with the reason",
    "reject_prob": "no order is refused at random",
    "max_orders": "results grow as they need",
    "max_logs": "results grow as they need",
    "log": "every order is a row of result.orders, with the reason why it ended",
}
"""Name -> why there is nothing to write."""


def here(name: str) -> str:
    """'; here it is ...' for the name of another engine, why there is no such thing, or nothing."""
    plain = name.lower()
    if plain in RENAMED:
        return f"; here it is {RENAMED[plain]}"
    return f"; there is none here: {ABSENT[plain]}" if plain in ABSENT else ""


def hint(name: str, known: Iterable[str]) -> str:
    """`here` for the name of another engine, else '; did you mean ...?' where one of `known` is near, else nothing."""
    return here(name) or did_you_mean(name, known)
