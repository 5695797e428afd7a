"""New rows of the tables of orders and details."""

from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.schema import ALONE, DECIDED, GTC, NO_ROW, R_NONE, REJECTED


@inlined
def new_order(t, a, quantity, kind, origin, book, tape):
    """A decided order, flags off and without a detail; returns its row. The only writer of the counter of orders."""
    s = book.state[0]
    k = s.orders
    s.orders += 1
    s.live += 1
    o = tape.orders[k]
    o.asset = a
    o.bar = t
    o.end_bar = NO_ROW
    o.detail = 0
    o.requested = quantity
    o.left = quantity
    o.filled = 0.0
    o.kind = kind
    o.time_in_force = GTC
    o.status = DECIDED
    o.reason = R_NONE
    o.origin = origin
    o.reduce_only = 0
    o.batch = ALONE
    o.chained = 0
    return k


@compiled
def new_detail(k, book, tape):
    """A side row for order k (-1: a child not yet born), linked both ways; a copy of row 0 to begin with."""
    s = book.state[0]
    i = s.details
    s.details += 1
    tape.details[i] = tape.details[0]
    d = tape.details[i]
    d.order = k
    if k >= 0:
        o = tape.orders[k]
        o.detail = i
        d.kind = o.kind
        d.time_in_force = o.time_in_force
        d.reduce_only = o.reduce_only
        d.buys = o.left > 0.0
    return i


@compiled
def detail_of(k, book, tape):
    """Row of the order's detail, made if it has none."""
    i = tape.orders[k].detail
    if i == 0:
        i = new_detail(k, book, tape)
    return i


@compiled
def refuse_order(k, reason, t, book, tape):
    """A decision that is refused: its row is REJECTED from the start."""
    s = book.state[0]
    o = tape.orders[k]
    o.status = REJECTED
    o.reason = reason
    o.end_bar = t
    o.left = 0.0
    s.live -= 1
    s.rejected += 1
    s.refusals[reason] += 1
