"""1.5: what can be borrowed to be sold short, and the fee of it."""

import math

from .book import RESIDUE, floor_to_lots
from .coverage import reached
from .enums import Reason
from .instruments import is_stock, lot_of
from .orders import take_away


def start_rows(run):
    """Rows of this bar are in force from now on, after the splits of the bar, until the next one of their asset."""
    for row in run.borrow_rows.get(run.t, []):
        run.borrow[row["asset"]] = {"available": row["available"], "fee": row["fee"]}


def restate(run, asset, ratio):
    """A split: what is available is in shares of the row's date."""
    row = run.borrow[asset]
    if row is not None and math.isfinite(row["available"]):
        reached("1.5 split")
        row["available"] *= ratio


def fee_of(run, asset):
    """Annual fee of a short: that of the row in force, else the configuration's. Asked before rows of the bar start."""
    row = run.borrow[asset]
    if row is None or math.isnan(row["fee"]):
        return run.config["borrow_fee"]
    reached("1.2 own fee")
    return row["fee"]


def available_of(run, asset):
    """Shares of the asset that the account may be short in all; None where there is no limit."""
    if not is_stock(run, asset):
        return None
    row = run.borrow[asset]
    if row is None:
        return 0.0 if run.config["short_availability"] == "listed" else None
    return row["available"] if math.isfinite(row["available"]) else None


def short_shares(run, asset):
    """Shares short, unsigned; 0 of a long position."""
    return max(0.0, -run.positions[asset].shares)


def room_to_short(run, asset):
    """Whole lots by which a short may still grow."""
    available = available_of(run, asset)
    if available is None:
        return math.inf
    return floor_to_lots(max(0.0, available - short_shares(run, asset)), lot_of(run, asset))


def locate(run, order):
    """Cut what is left of an opening sale to what can be borrowed, whatever the budget; False where that ends it."""
    if order.side > 0:
        return True
    room = room_to_short(run, order.asset)
    if abs(order.left) > room * (1 + RESIDUE):
        _count_cut(run, order, room)
        take_away(run, order, -room, Reason.NO_BORROW)
    return order.pending


def _count_cut(run, order, room):
    """Count locates by what they leave, and where the order comes from."""
    reached("1.5 locate" if room > 0 else "1.5 no room")
    if run.borrow[order.asset] is None:
        reached("1.5 listed")
    if order.batch:
        reached("1.5 batch")
    if order.slices:
        reached("1.5 flip" if order.opened == 0 else "1.5 later slice")
