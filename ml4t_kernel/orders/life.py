"""The life of pending orders: activation, expiry, cuts and ends (clauses 1.6, 1.7, 8).

A decided order lies in the fresh range orders[s.fresh : s.orders] until the open of the next bar. What is not a plain
market order, or outlives that open, joins the chain of its asset (`chains`).
"""

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.prices import RESIDUE, present
from ml4t_kernel.orders.chains import chain, first_pending, next_pending, unchain
from ml4t_kernel.orders.types import acts_at_opens_only, is_cut, is_open
from ml4t_kernel.schema import (
    AT_CLOSE,
    AT_OPEN,
    BARS,
    CANCELLED,
    DAY,
    EXPIRED,
    FILLED,
    HELD_BACK,
    LIVE,
    MARKET,
    NEVER,
    R_EXPIRED,
    R_NONE,
    R_VOLUME,
    REASON_BITS,
    REJECTED,
    WITHDRAWN,
)

# Cuts ----------------------------------------------------------------------------------------------------------------


@inlined
def cut_reason(o):
    """What has cut the order so far."""
    return o.reason & REASON_BITS


@inlined
def cut_for(reason, o):
    """The order goes on with less, for this reason."""
    o.reason = reason | (o.reason & HELD_BACK)


@inlined
def hold_back(o, s):
    """The volume budget leaves a part of the order for later bars (6.1): said of it if it expires with a rest."""
    if not o.reason & HELD_BACK:
        o.reason |= HELD_BACK
        s.capped += 1


# Ends ----------------------------------------------------------------------------------------------------------------


@inlined
def count_end(status, reason, s):
    s.live -= 1
    if status == REJECTED:
        s.rejected += 1
        s.refusals[reason] += 1
    elif is_cut(reason):
        s.cut += 1
        s.refusals[reason] += 1


@inlined
def end_order(k, status, reason, t, book, tape):
    """The order is over: nothing is left, out of its chain."""
    o = tape.orders[k]
    o.status = status
    o.reason = reason
    o.end_bar = t
    o.left = 0.0
    count_end(status, reason, book.state[0])
    if o.chained:
        unchain(k, book, tape)


@inlined
def refuse_rest(k, reason, t, book, tape):
    """End an order that a rule of the account cut: CANCELLED if anything was filled, else REJECTED."""
    filled = tape.orders[k].filled != 0.0
    end_order(k, CANCELLED if filled else REJECTED, reason, t, book, tape)


@inlined
def finish_filled(k, t, book, tape):
    """Nothing is left: FILLED, or CANCELLED for what a lot, a group or the position had cut off before."""
    o = tape.orders[k]
    whole = abs(o.filled) >= abs(o.requested) * (1.0 - RESIDUE)
    if whole and not o.chained:
        # the plain order of the hot loops, without the calls of `end_order`
        o.status = FILLED
        o.reason = R_NONE
        o.end_bar = t
        book.state[0].live -= 1
    elif whole:
        end_order(k, FILLED, R_NONE, t, book, tape)
    else:
        refuse_rest(k, cut_reason(o), t, book, tape)


@inlined
def withdraw_child(child, s, book):
    """A child not yet born never will be."""
    child.dormant = 0
    s.dormant -= 1
    if child.intent >= 0:
        book.placed[child.intent] = WITHDRAWN


@cold
def withdraw_children(d, book, tape):
    """The children not yet born of the order with detail d."""
    s = book.state[0]
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        if child.dormant:
            withdraw_child(child, s, book)
        i = child.next_sibling


@compiled
def end_with_children(k, status, reason, t, book, tape):
    """The order ends, and with it the children that it has not born."""
    o = tape.orders[k]
    if o.detail > 0:
        withdraw_children(tape.details[o.detail], book, tape)
    end_order(k, status, reason, t, book, tape)


@inlined
def expire_order(k, t, book, tape):
    """The order's time is over; the volume budget is named if that is why something is left (6.1)."""
    reason = R_VOLUME if tape.orders[k].reason & HELD_BACK else R_EXPIRED
    end_with_children(k, EXPIRED, reason, t, book, tape)


@compiled
def cancel_pending(a, reason, t, book, tape):
    """End every live order of the asset, and every decided one."""
    k = first_pending(a, book, tape)
    while k >= 0:
        following = next_pending(k, a, book, tape)
        end_with_children(k, CANCELLED, reason, t, book, tape)
        k = following


# Time in force (1.6, 1.7) --------------------------------------------------------------------------------------------


@inlined
def expiry_bar(t, d, session_end):
    """First bar on which an order live from bar t is no longer alive."""
    if d.time_in_force == DAY:
        return session_end
    if d.time_in_force == BARS:
        return t + d.bars
    return NEVER


@compiled
def start_clock(first, d, market):
    """Set the expiry of an order live from bar `first`."""
    if d.expiry == NEVER and first < market.session_end.shape[0]:
        d.expiry = expiry_bar(first, d, market.session_end[first])


@inlined
def count_phase_order(time_in_force, s):
    """One more live order that acts at one phase only: without any, the phase has nothing to end."""
    s.open_only += acts_at_opens_only(time_in_force)
    s.close_only += time_in_force == AT_CLOSE


@cold
def activate(t, market, book, tape):
    """1.7: orders decided at t - 1 are live; all but market orders join their chains now."""
    s = book.state[0]
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if is_open(o) and o.detail > 0 and o.chained == 0:
            o.status = LIVE
            start_clock(t, tape.details[o.detail], market)
            if o.kind != MARKET or o.time_in_force == AT_CLOSE:
                chain(k, book, tape)
                count_phase_order(o.time_in_force, s)


@cold
def expire_chain(a, t, book, tape):
    """1.6: orders whose last bar has passed."""
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        if d.expiry <= t:
            expire_order(d.order, t, book, tape)


@inlined
def is_over(time_in_force, at_close, priced):
    """Does the phase that has just been served end an order with this time in force?"""
    if at_close:
        return time_in_force == AT_CLOSE and priced
    # at the open: an at_open order waits for a bar with a price, an immediate one does not
    return acts_at_opens_only(time_in_force) and (priced or time_in_force != AT_OPEN)


@cold
def expire_phase(at_close, t, market, book, tape):
    """Rests of IOC and at-the-open orders after the open, of at-the-close orders at 4.2."""
    s = book.state[0]
    for j in range(s.waiting):
        a = book.waiting[j]
        priced = present(market.close[t, a])
        i = book.queues[a].head
        while i > 0:
            d = tape.details[i]
            i = d.next
            if is_over(d.time_in_force, at_close, priced):
                expire_order(d.order, t, book, tape)


@cold
def count_phase_orders(book, tape):
    """How many live orders act at one phase only."""
    s = book.state[0]
    s.open_only = 0
    s.close_only = 0
    for j in range(s.waiting):
        i = book.queues[book.waiting[j]].head
        while i > 0:
            count_phase_order(tape.details[i].time_in_force, s)
            i = tape.details[i].next
