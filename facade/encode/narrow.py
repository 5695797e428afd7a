"""A run that trades few assets of a wide panel reads only those: inputs cut to them, results put back in their columns.

A bar of twenty assets scattered over five thousand columns costs four times one of twenty columns, all of it waiting
for memory.
"""

from __future__ import annotations

import numpy as np

from facade.data.memory import columns_of, frozen
from facade.data.panel import Panel
from facade.strategies.draft import WIDE
from ml4t_kernel.schema import (
    ACTION,
    BORROW,
    FUNDING,
    INSTRUMENT,
    INTENT,
    POSITION,
    SIGNAL,
    Book,
    Intents,
    Market,
    Tape,
)

BY_ASSET = (ACTION, BORROW, FUNDING)
"""Tables of the market whose rows name an asset."""


def traded_assets(intents: Intents, assets: int) -> np.ndarray | None:
    """(C,) int32 columns that the strategy can trade, ascending; None when they are a quarter of the panel or more."""
    if assets <= WIDE:
        return None
    traded = np.zeros(assets, bool)
    traded[intents.signals["asset"]] = True
    traded[intents.orders["asset"]] = True
    if len(intents.weights):
        traded[intents.target_assets] = True
    used = np.flatnonzero(traded).astype(np.int32)
    return used if 0 < 4 * len(used) <= assets else None


def cut_market(panel: Panel, market: Market, used: np.ndarray) -> Market:
    """The market of the columns `used`; kept with the panel, which is shared by runs."""
    return Market(**{name: _cut_array(panel, name, array, used) for name, array in market._asdict().items()})


def _cut_array(panel: Panel, name: str, array: np.ndarray, used: np.ndarray) -> np.ndarray:
    if array.dtype in BY_ASSET:
        rows = array[np.isin(array["asset"], used)]
        rows["asset"] = np.searchsorted(used, rows["asset"])
        return frozen(rows, array.dtype)
    if array.dtype == INSTRUMENT:
        return frozen(array[used], INSTRUMENT) if len(array) == panel.shape[1] else array
    if array.ndim < 2 or array.shape[1] != panel.shape[1]:
        return array
    # What was cut is kept beside the cut: the memory of an array that is made for one run, as spreads per symbol are,
    # would be freed, and the next one could be taken for it by its place.
    place = array.__array_interface__["data"]
    _, cut = panel.derived(f"cut {name}", lambda: (array, columns_of(array, used)), of=(place, used.tobytes()))
    return cut


def cut_intents(intents: Intents, used: np.ndarray) -> Intents:
    """The strategy in the numbering of `used`."""
    signals, orders = intents.signals.copy(), intents.orders.copy()
    signals["asset"] = np.searchsorted(used, signals["asset"])
    orders["asset"] = np.searchsorted(used, orders["asset"])
    return intents._replace(
        signals=frozen(signals, SIGNAL),
        orders=frozen(orders, INTENT),
        target_assets=frozen(np.searchsorted(used, np.asarray(intents.target_assets)), np.int32),
        asset_rules=frozen(intents.asset_rules[used], np.int32),
    )


def widen(book: Book, tape: Tape, used: np.ndarray, assets: int) -> tuple[Book, Tape]:
    """Book and tape in the panel's numbering; rows of the tape are renumbered in place."""
    state = book.state[0]
    for name in ("orders", "fills", "trades", "ambiguous", "booked"):
        rows = getattr(tape, name)[: state[name]]
        rows["asset"] = used[rows["asset"]]
    for name in ("charges", "incidents"):
        rows = getattr(tape, name)[: state[name]]
        rows["asset"] = np.where(rows["asset"] < 0, rows["asset"], used[rows["asset"]])  # below zero: the account
    positions = np.zeros(assets, POSITION)
    positions[used] = book.positions
    return book._replace(positions=positions), tape
