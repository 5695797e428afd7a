"""Birth and end of orders, groups and brackets (1.6, 1.7, 2.4, states of an order)."""

from .book import RESIDUE, Birth, floor_to_lots, sign
from .coverage import reached
from .enums import (
    AT_CLOSE,
    AT_OPEN,
    BARS,
    CANCELLED,
    CLOSE,
    DAY,
    DECIDED,
    DECISION_CLOSE,
    EXPIRED,
    FILLED,
    FORCED,
    IOC,
    LIVE,
    OPEN,
    REFUSALS,
    REJECTED,
    REPLACED,
    RULE_ORDERS,
    STOP,
    STOP_LIMIT,
    TIME_NAMES,
    TRAILING_STOP,
    UNBORN,
    WITHDRAWN,
    Origin,
    Reason,
)
from .instruments import lot_of


def submit(run, order):
    """Give an order its row; the row number is the order of submission."""
    order.row = len(run.orders)
    order.first_live = run.t + 1
    order.arrival = run.known_price(order.asset)
    run.orders.append(order)
    run.active.append(order)
    return order


def write_event(run, kind, asset=None, quantity=None, value=None, limit=None):
    """One row an event of the account; what the contract does not name of it is None."""
    row = {"kind": kind, "bar": run.t, "asset": asset, "quantity": quantity, "value": value, "limit": limit}
    run.events.append(row)


def force(run, order):
    """The row of an order that the account makes of itself; what trades to its side only reduces from now on (2.2)."""
    for other in run.pending(order.asset):
        if other.side == order.side and not other.reduce_only:
            reached("2.2 beside a forced order")
            other.reduce_only = True
    return submit(run, order)


def only_reduce(run, order):
    """A decision beside a forced order of its asset, or against the position at the close of a call, only reduces."""
    beside = any(forced.side == order.side for forced in run.forced(order.asset))
    against = run.called and sign(run.positions[order.asset].shares) == -order.side
    if beside and order.origin in (Origin.ORDER, Origin.TARGET):
        reached("call x user exit" if order.origin == Origin.ORDER else "call x target")
    if (beside or (against and not order.replaces)) and not order.reduce_only:
        reached("2.2 decided beside" if beside else "4.6 against the position")
        order.reduce_only = True


def refuse(run, order, reason):
    """A decision that makes no order leaves a row that ends where it began."""
    submit(run, order)
    order.status, order.reason, order.end_bar, order.left = REJECTED, reason, run.t, 0.0
    return order


def end(run, order, status, reason):
    """Close an order's row; children that were never born are withdrawn."""
    order.status, order.reason, order.end_bar, order.left = status, reason, run.t, 0.0
    if order.origin == Origin.ORDER:
        part = "whole" if status == FILLED else "partial" if order.filled else "unfilled"
        reached(f"tif:{TIME_NAMES[order.time_in_force]} x {part}")
    if status != REPLACED:
        for child in order.children:
            if child.status == UNBORN:
                child.status = WITHDRAWN


def cancel(run, order, reason):
    """End an order for a reason: refused if that reason refuses and nothing was filled, else cancelled."""
    if order.status == UNBORN:
        order.status = WITHDRAWN
    elif order.pending:
        refused = reason in REFUSALS and order.filled == 0
        end(run, order, REJECTED if refused else CANCELLED, reason)


def take_away(run, order, left, reason):
    """Reduce what is left of an order to `left` (signed), remembering why; nothing left ends it."""
    if abs(left) < abs(order.left):
        order.cut = reason
        order.left = left
    finish_when_empty(run, order)


def finish_when_empty(run, order):
    """An order with nothing left is filled, or was cut short."""
    if not order.pending or abs(order.left) > RESIDUE * abs(order.requested):
        return
    if abs(order.filled) >= abs(order.requested) * (1 - RESIDUE):
        end(run, order, FILLED, Reason.NONE)
    else:
        cancel(run, order, order.cut)


def lapse(run, order):
    """The time of an order is over: held back by a budget before, it is the volume that kept it (6.1)."""
    if order.held_back:
        reached("6.1 expired")
    end(run, order, EXPIRED, Reason.VOLUME if order.held_back else Reason.EXPIRED)


def expire(run):
    """1.6: day and n-bar orders end before the open."""
    sessions = run.scenario["session"]
    for order in run.live():
        over = False
        if order.time_in_force == DAY:
            over = sessions[run.t] > sessions[order.first_live]
        elif order.time_in_force == BARS:
            over = run.t >= order.first_live + order.bars
        if over:
            reached("1.6")
            lapse(run, order)


def activate(run):
    """1.7: what was decided at the close before becomes live."""
    for order in run.pending():
        if order.status == DECIDED:
            reached("1.7")
            order.status = LIVE


def expire_after_open(run):
    """Immediate-or-cancel ends with the first open, at-the-open with the first open that has a price."""
    for order in run.live():
        if order.time_in_force == IOC and run.t >= order.first_live:
            reached("1.7 ioc")
            _count_child(run, order)
            lapse(run, order)
        elif order.time_in_force == AT_OPEN and run.has_bar(order.asset):
            reached("1.7 at_open")
            _count_child(run, order)
            lapse(run, order)


def expire_after_close(run):
    """4.2: what is left of an at-the-close order ends with the first close that has a price."""
    for order in run.live():
        if order.time_in_force == AT_CLOSE and run.has_bar(order.asset):
            reached("4.2")
            if newborn(run, order, CLOSE):
                reached("1.7 child too late")
            lapse(run, order)


def newborn(run, order, phase):
    """A child that this phase of this bar has borne."""
    return order.birth is not None and (order.birth.bar, order.birth.phase) == (run.t, phase)


def _count_child(run, order):
    """Count children for which the first open after their birth was the last one too."""
    if order.birth is not None and not newborn(run, order, OPEN):
        reached("1.7 child of one open")


def siblings(run, order):
    """Pending members of the order's group, and the other children of its parent."""
    found = []
    for other in run.pending(order.asset):
        if other is order:
            continue
        same_group = order.group is not None and other.group == order.group
        same_parent = order.parent is not None and other.parent is order.parent
        if same_group or same_parent:
            found.append(other)
    return found


def trigger(run, order):
    """A stop, stop-limit or trailing order triggers for good and ends its siblings and its parent's rest (2.4)."""
    if order.triggered or order.kind not in (STOP, STOP_LIMIT, TRAILING_STOP):
        return
    order.triggered = True
    in_vain = order.reduce_only and sign(run.positions[order.asset].shares) != -order.side
    for other in siblings(run, order):
        reached("2.4 in vain" if in_vain else "2.4 ended")
        cancel(run, other, Reason.GROUP)
    end_parent(run, order)


def end_parent(run, child):
    """The first fill or trigger of a child ends the rest of its parent."""
    if child.parent is not None and child.parent.pending:
        reached("2.4 parent")
        cancel(run, child.parent, Reason.GROUP)


def share_fill(run, order, part):
    """After a fill of `part` of what was left, each sibling keeps the rest, at least what the position still holds."""
    for other in siblings(run, order):
        keep = abs(other.left) * (1 - part)
        if other.reduce_only:
            position = run.positions[other.asset].shares
            holds = abs(position) if sign(position) == -other.side else 0.0
            keep = max(keep, min(abs(other.left), holds))
        keep = floor_to_lots(keep, lot_of(run, other.asset))
        if keep <= RESIDUE * abs(other.requested):
            reached("2.4 ended")
            cancel(run, other, Reason.GROUP)
        elif keep < abs(other.left):
            reached("2.4 scaled")
            take_away(run, other, other.side * keep, Reason.GROUP)
    end_parent(run, order)


def grow_children(run, parent, price, moment):
    """Children are live for what the parent's opening legs have filled, from the first such fill on."""
    for child in parent.children:
        now = floor_to_lots(min(child.size, abs(parent.opened)), lot_of(run, parent.asset))
        if child.status == UNBORN and now > 0:
            reached("2.4 born")
            _bear(run, child, now, price, moment)
        elif child.pending and now > child.granted:
            reached("2.4 grow")
            child.requested += child.side * (now - child.granted)
            child.left += child.side * (now - child.granted)
            child.granted = now


def _bear(run, child, quantity, price, moment):
    """A child gets its row and is live at once; a trailing child's mark starts at the parent's fill."""
    parent = child.parent
    side = -parent.side
    child.granted = quantity
    child.requested = child.left = side * child.granted
    child.bar = run.t
    submit(run, child)
    child.status = LIVE
    child.first_live = run.t + (1 if moment.phase == DECISION_CLOSE else 0)
    child.birth = Birth(run.t, moment.phase, moment.base, moment.side, moment.certain)
    if child.kind == TRAILING_STOP:
        child.mark = price


def end_exits_of_flat(run, asset):
    """A flat asset keeps no rule or forced order, no live child, and no rest of a parent whose children were born."""
    for order in run.pending(asset):
        born = any(child.row >= 0 for child in order.children)
        if order.origin in RULE_ORDERS or order.origin in FORCED or order.parent is not None or born:
            reached("2.4 replaced" if order.replaces else "5.2 flat")
            cancel(run, order, Reason.FLAT)
