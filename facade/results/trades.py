"""Trades, closed and open, one row each: their profits and the dividends are the change of equity (clause 8)."""

import numpy as np
import polars as pl

from facade.data.panel import Panel
from facade.results.columns import DIRECTION, column, finite, null_unless, pick, words
from facade.results.origins import ORIGIN, origin_codes, told_origins
from facade.results.run import Run
from ml4t_kernel.schema import TRADE

STATUS = pl.Enum(["closed", "open"])
OPEN = -1
"""Exit bar of a trade that is open."""


def decode_trades(run: Run) -> pl.DataFrame:
    """Every trade: the closed ones in order of closing, then the open ones in the order of the panel."""
    closed = run.tape.trades[: run.state["trades"]]
    rows = all_trades(closed, run.book.positions, run.tape.booked[: run.state["booked"]])
    return trades_table(run.panel, rows, len(run.orders), run.bars)


def all_trades(closed: np.ndarray, positions: np.ndarray, booked: np.ndarray) -> np.ndarray:
    """(n,) TRADE rows of a run: closed: (K,) TRADE; positions: (A,) POSITION at its end; booked: (R,) BOOKED.

    Those of stale assets have the origin STALE, and open ones the exit bar OPEN.
    """
    closed = closed.copy()
    closed["origin"] = told_origins(closed, closed["exit_bar"], booked)
    return np.concatenate([closed, open_trades(positions)])


def open_trades(positions: np.ndarray) -> np.ndarray:
    """(n,) TRADE rows of the positions held at the end, as if they stood still at their last mark.

    pnl is realised and unrealised together; fees, slippage, mfe and mae are those so far.
    """
    assets = np.flatnonzero(positions["shares"] != 0.0)
    held = positions[assets]
    rows = np.zeros(len(held), TRADE)
    long = held["shares"] > 0.0
    rows["asset"] = assets
    rows["exit_bar"] = rows["exit_order"] = OPEN
    rows["exit_price"] = np.nan
    rows["entry_bar"] = held["born_bar"]
    for name in ("entry_order", "fees", "slippage"):
        rows[name] = held[name]
    rows["quantity"] = np.where(long, held["opened"], -held["opened"])
    with np.errstate(invalid="ignore", divide="ignore"):
        rows["entry_price"] = held["opened_value"] / held["opened"]
    rows["pnl"] = held["realised"] + held["shares"] * (held["mark"] - held["avg"])
    rows["mfe"] = np.where(long, held["high"], held["low"])
    rows["mae"] = np.where(long, held["low"], held["high"])
    return rows


def trades_table(panel: Panel, trades: np.ndarray, orders: int, bars: int) -> pl.DataFrame:
    """The frame of `Result.trades`.

    trades: (n,) TRADE rows of `all_trades`; orders: number of orders of the run; bars: bars done.
    """
    quantity = np.ascontiguousarray(trades["quantity"])
    entry = np.ascontiguousarray(trades["entry_price"])
    # Prices of the kernel are those of whole contracts (0.7).
    factors = 1.0 if panel.multipliers is None else panel.multipliers[trades["asset"]]
    gross = np.ascontiguousarray(trades["pnl"])
    fees = np.ascontiguousarray(trades["fees"])
    direction = np.where(quantity < 0, -1.0, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.abs(quantity) * entry
        net_fraction, gross_fraction = (gross - fees) / value, gross / value
        mfe, mae = (direction * (trades[name] - entry) / entry for name in ("mfe", "mae"))
    ids = pl.Series(np.arange(orders, dtype=np.int64))
    closed = trades["exit_bar"] != OPEN
    last = np.where(closed, trades["exit_bar"], bars - 1).astype(np.int32)
    return pl.DataFrame(
        {
            "symbol": pick(pl.Series("symbol", list(panel.symbols), dtype=pl.String), trades["asset"]),
            "direction": words((quantity < 0).astype(np.uint8), DIRECTION),
            "status": words((~closed).astype(np.uint8), STATUS),
            "entry_time": pick(panel.timestamps, trades["entry_bar"]),
            "exit_time": pick(panel.timestamps, trades["exit_bar"], closed),
            "bars_held": column(last - trades["entry_bar"]),
            "quantity": quantity,
            "entry_price": entry / factors,
            "exit_price": null_unless(column(trades["exit_price"] / factors), closed),
            "pnl": gross - fees,
            "pnl_percent": finite(net_fraction),
            "gross_pnl": gross,
            "gross_return": finite(gross_fraction),
            "fees": fees,
            "slippage": column(trades["slippage"]),
            "mfe": finite(mfe),
            "mae": finite(mae),
            "exit_reason": words(origin_codes(trades["origin"]), ORIGIN, closed),
            "entry_order_id": pick(ids, trades["entry_order"], trades["entry_order"] >= 0),
            "exit_order_id": pick(ids, trades["exit_order"], trades["exit_order"] >= 0),
        }
    )
