"""A run of a few bars written by hand, through the public facade, and its tables as plain tuples."""

import datetime
import warnings

import numpy as np
import polars as pl

from facade import BacktestWarning, Config, Orders, Panel, Result, run_backtest
from facade.strategies.order_table import COLUMNS

WORDS = {"symbol", "type", "time_in_force", "action", "id", "parent", "group", "tag"}
LEVELS = {"limit": "limit_price", "stop": "stop_price", "trail": "trail_amount"}
TYPES = {("limit",): "limit", ("stop",): "stop", ("limit", "stop"): "stop_limit", ("trail",): "trailing_stop"}


def panel(prices, actions=(), sessions=None, **terms):
    """A panel of bars: (open, high, low, close[, volume]), one number for a flat bar, or None for no bar.

    prices: the bars of asset A, or a dict of symbol to bars; actions: (bar, symbol, kind, value); sessions: numbers,
    or dates, which make a panel with dates; terms: frames of `instruments`, `borrow` and `funding`.
    """
    prices = prices if isinstance(prices, dict) else {"A": prices}
    table = np.array([[_bar(bar) for bar in bars] for bars in prices.values()], dtype=np.float64)
    open_, high, low, close, volume = table.transpose(2, 1, 0)
    return Panel.from_arrays(
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        symbols=list(prices),
        sessions=None
        if sessions is None
        else np.array(sessions, dtype="datetime64[D]" if is_dated(sessions) else None),
        actions=_actions(actions, sessions),
        **terms,
    )


def _bar(bar):
    if bar is None:
        return (np.nan,) * 5
    if isinstance(bar, (int, float)):
        return (bar, bar, bar, bar, 1000.0)
    return (*bar, 1000.0) if len(bar) == 4 else bar


def is_dated(sessions):
    """Whether sessions are given as dates."""
    return sessions is not None and isinstance(sessions[0], datetime.date)


def _actions(rows, sessions):
    if not rows:
        return None
    if is_dated(sessions):
        rows = [(sessions[bar], *row) for bar, *row in rows]
    columns = {
        "ex_date": pl.Date if is_dated(sessions) else pl.Int64,
        "symbol": pl.String,
        "kind": pl.String,
        "value": pl.Float64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def order(bar, quantity=None, symbol="A", **columns):
    """One row of `Orders`, decided at the close of `bar`.

    limit, stop, trail: short for the column of that level; they say the type of the order, unless one is given.
    """
    levels = {name: columns.pop(name) for name in LEVELS if name in columns}
    if levels:
        columns = {"type": TYPES[tuple(levels)], **columns}
    return {
        "timestamp": bar,
        "symbol": symbol,
        "quantity": quantity,
        **columns,
        **{LEVELS[name]: level for name, level in levels.items()},
    }


def orders(*rows):
    """The rows as an `Orders` strategy; what a row leaves out is null."""
    used = {name for row in rows for name in row}
    schema = {name: _dtype(name) for name in COLUMNS if name in used}
    return Orders(pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema))


def _dtype(name):
    if name == "timestamp":
        return pl.Int64
    if name == "reduce_only":
        return pl.Boolean
    return pl.String if name in WORDS else pl.Float64


def play(prices, strategy, actions=(), sessions=None, flows=(), **config) -> Result:
    """The run of a strategy, or of a list of order rows; without a volume cap unless one is given.

    flows: (bar, amount) of deposits and withdrawals.
    """
    if isinstance(strategy, list):
        strategy = orders(*strategy)
    settings = Config(**{"max_participation": None, **config})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)  # refused and cut orders are the point of many tests
        given = {"flows": flow_frame(flows)} if flows else {}
        return run_backtest(panel(prices, actions, sessions), strategy, config=settings, **given)


def flow_frame(flows):
    """Deposits and withdrawals by the numbers of their bars."""
    return pl.DataFrame(flows, schema={"timestamp": pl.Int64, "amount": pl.Float64}, orient="row")


def rows(frame, *columns):
    """Rows of the named columns, floats to nine places."""
    return [tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in frame.select(columns).rows()]


def fills(result, *columns):
    """(bar, signed shares, price) of every fill and the columns asked for besides."""
    return rows(result.fills, "timestamp", "signed_quantity", "price", *columns)


def ends(result):
    """(status, reason, filled shares) of every order in order of submission."""
    return rows(result.orders, "status", "reason", "filled_quantity")


def closed_trades(result):
    """The round trips of a result, without what is still open."""
    return result.trades.filter(pl.col("status") == "closed")


def charges(result):
    """(bar, symbol or None, kind, amount) of every charge."""
    return rows(result.charges, "timestamp", "symbol", "kind", "amount")


NAMED = {
    "margin_call": ("value", "limit"),
    "bankrupt": ("value",),
    "flow_refused": ("value", "limit"),
    "recall": ("quantity", "value", "limit"),
}
"""What the contract names of an event of each kind; other columns say nothing."""


def events(result):
    """(bar, kind, symbol or None, quantity, value, limit) of every event of the account, None for what is not named."""
    table = rows(result.events, "timestamp", "kind", "symbol", "quantity", "value", "limit")
    return [event(*row) for row in table]


def event(bar, kind, symbol=None, quantity=None, value=None, limit=None):
    """One event as a test writes it."""
    given = {"quantity": quantity, "value": value, "limit": limit}
    return (bar, kind, symbol, *(given[name] if name in NAMED[kind] else None for name in given))


def margin(result):
    """(initial, maintenance) requirement of every bar, none of a cash account."""
    return rows(result.margin, "initial", "maintenance")


def trades(result, *columns):
    """The named columns of every round trip."""
    return rows(closed_trades(result), *columns)


def equity(result):
    """The equity of every bar."""
    return [value for (value,) in rows(result.equity, "equity")]


def ambiguous(result):
    """(bar, kind) of every ambiguous bar."""
    return rows(result.ambiguous_bars, "timestamp", "kind")
