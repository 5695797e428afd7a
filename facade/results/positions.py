"""Positions bar by bar, rebuilt from what moved them: fills, and the splits that were booked.

A split sets the quantity to what the kernel booked; every fill of the bar comes after it. (Cash paid for the fraction
of a share is part of the booking.) Deliveries are summed per asset in order of execution, so that a quantity is what
the kernel held, to the last bit for whole shares.
"""

import numpy as np
import polars as pl

from facade.results.columns import finite, symbols, times
from facade.results.run import Run
from ml4t_kernel.schema import ActionKind, InstrumentKind, Origin

RESIDUE = 1e-9  # of the position before the fill: what is left counts as flat


def decode_positions(run: Run) -> pl.DataFrame:
    """Every position held at the end of every bar done, sorted by time, then symbol as in the panel."""
    bar, asset, quantity = _expand(*_end_of_bar_changes(run), run.bars)
    mark = _marks(run, bar, asset)
    value = quantity * mark
    if run.panel.multipliers is not None:
        value *= run.panel.multipliers[asset]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = value / run.tape.equity["equity"][bar]
    return pl.DataFrame(
        {
            "timestamp": times(run, bar),
            "symbol": symbols(run, asset),
            "quantity": quantity,
            "mark": mark,
            "value": value,
            "weight": finite(weight),
        }
    )


def settled_exposure(run: Run) -> np.ndarray | float:
    """(bars,) value of futures and perpetuals held, signed, which is not in equity (0.7); 0 without any."""
    if run.panel.instruments is None or not (run.panel.instrument_rows["kind"] != InstrumentKind.STOCK).any():
        return 0.0
    bar, asset, quantity = _expand(*_end_of_bar_changes(run), run.bars)
    settled = run.panel.instrument_rows["kind"][asset] != InstrumentKind.STOCK
    bar, asset, quantity = bar[settled], asset[settled], quantity[settled]
    value = quantity * _marks(run, bar, asset) * run.panel.instrument_rows["multiplier"][asset]
    return np.bincount(bar, value, run.bars)


def _booked_splits(run: Run) -> np.ndarray:
    booked = run.tape.booked[: run.state["booked"]]
    return booked[booked["kind"] == ActionKind.SPLIT]


def _end_of_bar_changes(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(E,) bar, asset, quantity from that bar's end on, sorted by asset and bar: one row where a position changed."""
    splits = _booked_splits(run)
    fills = run.fills
    fills = fills[fills["origin"] != Origin.CASH_IN_LIEU]
    asset = np.concatenate([splits["asset"], fills["asset"]])
    bar = np.concatenate([splits["bar"], fills["bar"]])
    amount = np.concatenate([splits["shares"], fills["quantity"]])
    order = np.argsort(asset.astype(np.int64) * (run.bars + 1) + bar, kind="stable")
    asset, bar, amount = asset[order], bar[order], amount[order]
    restarts = order < len(splits)
    if len(asset):
        restarts[1:] |= asset[1:] != asset[:-1]
        restarts[0] = True
    frame = pl.DataFrame({"run": np.cumsum(restarts), "amount": amount})
    held = frame.select(pl.col("amount").cum_sum().over("run")).to_series().to_numpy().copy()
    before = np.where(restarts, 0.0, held - amount)
    held[(np.abs(held) <= RESIDUE * np.abs(before)) & ~restarts] = 0.0
    last = np.ones(len(asset), dtype=bool)
    last[:-1] = (asset[1:] != asset[:-1]) | (bar[1:] != bar[:-1])
    return bar[last], asset[last], held[last]


def _expand(
    bar: np.ndarray, asset: np.ndarray, quantity: np.ndarray, bars: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One row for each bar on which something is held, from the bars on which holdings changed."""
    until = np.full(len(bar), bars, dtype=np.int64)
    if len(bar):
        same = asset[1:] == asset[:-1]
        until[:-1][same] = bar[1:][same]
    held = quantity != 0.0
    start, length = bar[held], (until - bar)[held]
    row = np.repeat(np.arange(len(start)), length)
    offset = np.arange(len(row)) - (np.cumsum(length) - length)[row]
    every = start[row] + offset
    order = np.argsort(every, kind="stable")
    row = row[order]
    return every[order], asset[held][row], quantity[held][row]


def _marks(run: Run, bar: np.ndarray, asset: np.ndarray) -> np.ndarray:
    """(P,) close, or the last close in today's shares where the asset has no bar."""
    close = run.panel.close
    mark = close[bar, asset]
    absent = np.flatnonzero(np.isnan(mark))
    for a in np.unique(asset[absent]):
        rows = absent[asset[absent] == a]
        priced = np.flatnonzero(~np.isnan(close[:, a]))
        last = priced[np.searchsorted(priced, bar[rows], side="right") - 1]
        mark[rows] = close[last, a] / _split_between(run, a, last, bar[rows])
    return mark


def _split_between(run: Run, asset: int, after: np.ndarray, until: np.ndarray) -> np.ndarray:
    """Product of the asset's splits on the bars (after, until]."""
    splits = _booked_splits(run)
    splits = splits[splits["asset"] == asset]
    product = np.concatenate([[1.0], np.cumprod(splits["value"])])
    first, end = (np.searchsorted(splits["bar"], bars, side="right") for bars in (after, until))
    return product[end] / product[first]
