"""Small markets written as bars, and what a run of them did: the tools of the tables worked by hand."""

import warnings

import numpy as np
import polars as pl

from facade import Config, Orders, Panel, run_backtest
from facade.errors import BacktestWarning

GONE = (None,) * 4
FLAT = (10, 10, 10, 10)


def panel(*columns, volume=None, actions=None, sessions=None):
    """Panel of assets A0, A1, ...; each column is a list of (open, high, low, close) or (..., volume), None: no bar."""
    names = ("open", "high", "low", "close")
    arrays = {
        name: np.array([[np.nan if bar[i] is None else bar[i] for bar in column] for column in columns], float).T
        for i, name in enumerate(names)
    }
    if volume is None and any(len(bar) == 5 for bar in columns[0]):
        volume = np.array([[bar[4] if len(bar) == 5 else np.nan for bar in column] for column in columns], float).T
    frame = None
    if actions:
        frame = pl.DataFrame(
            [
                {"symbol": f"A{asset}", "ex_date": bar, "kind": kind, "value": value}
                for bar, asset, kind, value in actions
            ],
            schema={"symbol": pl.String, "ex_date": pl.Int64, "kind": pl.String, "value": pl.Float64},
        )
    return Panel.from_arrays(**{name: np.ascontiguousarray(a) for name, a in arrays.items()}, volume=volume,
                             sessions=sessions, actions=frame)  # fmt: skip


def order(bar, quantity, kind="market", asset=0, **more):
    """A row of orders; levels by their short names limit, stop, trail."""
    names = {"limit": "limit_price", "stop": "stop_price", "trail": "trail_amount"}
    row = {"timestamp": bar, "symbol": f"A{asset}", "quantity": quantity, "type": kind}
    return row | {names.get(name, name): value for name, value in more.items()}


def run(market, strategy, **config):
    """The result of orders (a list of rows) or of another strategy; refusals are part of the tables, not warned of."""
    if isinstance(strategy, list):
        columns = list(dict.fromkeys(name for row in strategy for name in row))
        data = {name: [row.get(name) for row in strategy] for name in columns}
        data["quantity"] = [None if q is None else float(q) for q in data["quantity"]]
        strategy = Orders(pl.DataFrame(data, strict=False))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        return run_backtest(market, strategy, config=Config(**{"max_participation": None, **config}))


def fills(result):
    """(bar, phase, signed quantity, price) of each fill, in order of execution."""
    return result.fills.select("timestamp", "phase", "signed_quantity", "price").rows()


def asset_fills(result):
    """(bar, asset, signed quantity, price) of each fill."""
    return result.fills.select("timestamp", "symbol", "signed_quantity", "price").rows()


def ends(result):
    """(status, reason, filled) of each order, in order of submission."""
    return result.orders.select("status", "reason", "filled_quantity").rows()


def ambiguous(result):
    """(bar, kind) of each ambiguous bar."""
    return result.ambiguous_bars.select("timestamp", "kind").rows()
