"""1.5: what can be borrowed to be sold short, the fee of it, and shorts that are called back."""

import math

from .book import RESIDUE, Order, ceil_to_lots, floor_to_lots
from .coverage import reached
from .enums import CANCELLED, LIVE, MARKET, RECALLED, Origin, Reason
from .instruments import is_stock, lot_of
from .orders import end, force, take_away, write_event


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


# Recalls --------------------------------------------------------------------------------------------------------------


def excess(run, asset):
    """Shares short beyond what is available, up to whole lots, at most the position; other orders do not count."""
    available, short = available_of(run, asset), short_shares(run, asset)
    if available is None or short - available <= RESIDUE * short:
        return 0.0
    return min(ceil_to_lots(short - available, lot_of(run, asset)), short)


def recall(run):
    """1.5: before the open shorts beyond what is available are called back, and what calls earlier is set anew."""
    if run.config["recall"] == "off":
        for asset in range(run.assets):
            if excess(run, asset) > 0:
                reached("1.5 off")
        return
    for asset in range(run.assets):
        wanted, order = excess(run, asset), called_back(run, asset)
        if wanted > 0 and order is None:
            order = Order(asset, run.t, MARKET, wanted, wanted, origin=Origin.RECALL, reduce_only=True)
            force(run, order)
            order.status, order.first_live = LIVE, run.t
            _count_birth(run, order)
        elif wanted > 0:
            _count_waiting(run, order, wanted)
            order.left = wanted
            order.requested = order.filled + wanted
        elif order is not None:
            reached("1.5 restored" if order.filled == 0 else "1.5 rest restored")
            end(run, order, CANCELLED, Reason.RESTORED)
        if wanted > 0:
            limit = available_of(run, asset)
            write_event(run, RECALLED, asset, quantity=wanted, value=short_shares(run, asset), limit=limit)


def called_back(run, asset):
    """The recall of the asset that works, or None."""
    return next((order for order in run.live(asset) if order.origin == Origin.RECALL), None)


def assert_borrowed(run, asset):
    """9: no fill raises a short above what can be borrowed."""
    available, short = available_of(run, asset), short_shares(run, asset)
    assert short == 0 or available is None or short <= available + 2e-9 * max(short, lot_of(run, asset)), (run.t, asset)


def assert_called_back(run):
    """9: a short beyond what can be borrowed has a live recall."""
    if run.config["recall"] == "excess" and not run.frozen:
        for asset in range(run.assets):
            assert excess(run, asset) == 0 or called_back(run, asset) is not None, (run.t, asset)


def _count_birth(run, order):
    """Count recalls by their part of the short and by what they meet."""
    asset = order.asset
    reached("1.5 recall" if order.left < short_shares(run, asset) else "1.5 whole recall")
    if not run.has_bar(asset):
        reached("recall x no bar")
    elif run.config["max_participation"] is not None and run.price("volume", asset) == 0:
        reached("recall x no volume")
    _count_call_beside(run, asset)
    for action in run.actions.get(run.t, []):
        if action["asset"] == asset:
            reached(f"recall x action:{action['kind']}")


def _count_call_beside(run, asset):
    """Count recalls of what a margin call closes as well."""
    if any(other.origin == Origin.MARGIN_CALL for other in run.forced(asset)):
        reached("recall x margin call")


def _count_waiting(run, order, wanted):
    """Count recalls that still wait, and those that grow or shrink."""
    _count_call_beside(run, order.asset)
    reached("1.5 still recalled")
    if order.filled:
        reached("1.5 over several bars")
    if wanted != order.left:
        reached("1.5 more" if wanted > order.left else "1.5 less")


def _count_cut(run, order, room):
    """Count locates by what they leave, and where the order comes from."""
    reached("1.5 locate" if room > 0 else "1.5 no room")
    if run.borrow[order.asset] is None:
        reached("1.5 listed")
    if order.batch:
        reached("1.5 batch")
    if order.slices:
        reached("1.5 flip" if order.opened == 0 else "1.5 later slice")
