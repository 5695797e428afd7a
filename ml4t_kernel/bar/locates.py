"""What can be borrowed: how far an order may go short, and by how much a short is too large (1.5)."""

from math import inf

from ml4t_kernel.compile.jit import cold, inlined
from ml4t_kernel.money.instruments import is_settled_daily, lot_of
from ml4t_kernel.money.prices import RESIDUE, absent, floor_to_lot, present
from ml4t_kernel.orders.life import cut_for, refuse_rest
from ml4t_kernel.schema import R_NO_BORROW


@inlined
def borrowable(a, p, market, params):
    """Shares that may be short in all."""
    if is_settled_daily(a, market, params):
        return inf
    if absent(p.available):
        return 0.0 if params.listed_only else inf
    return p.available


@cold
def locate(t, k, market, params, book, tape):
    """Cut an order's opening leg to what can be borrowed; False: there is nothing, and the order is over."""
    o = tape.orders[k]
    p = book.positions[o.asset]
    room = max(0.0, borrowable(o.asset, p, market, params) - max(0.0, -p.shares))
    if -o.left <= room * (1.0 + RESIDUE):
        return True
    room = floor_to_lot(room, lot_of(o.asset, market, params))
    if room > 0.0:
        o.left = -room
        cut_for(R_NO_BORROW, o)
        return True
    refuse_rest(k, R_NO_BORROW, t, book, tape)
    return False


@inlined
def excess_short(p):
    """Shares by which a short exceeds what can be borrowed, 0 if it does not; rounding is none."""
    if p.shares < 0.0 and present(p.available):
        excess = -p.shares - p.available
        if excess > -p.shares * RESIDUE:
            return excess
    return 0.0
