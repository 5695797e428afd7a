"""4.5: the margin call: entries go, and of each position as much as restores the requirement."""

from math import nan

from ml4t_kernel.bar.fills import half_spread_of
from ml4t_kernel.bar.forced import bear_forced, only_reduce, rounded_up
from ml4t_kernel.bar.incidents import note_incident
from ml4t_kernel.bar.marks import sum_requirements
from ml4t_kernel.compile.jit import cold, compiled
from ml4t_kernel.compile.sorting import sort_rows
from ml4t_kernel.money.instruments import fixed_slippage, lot_of, maintenance_unit
from ml4t_kernel.money.prices import RESIDUE, present, taker_rate
from ml4t_kernel.orders.chains import first_pending, next_pending
from ml4t_kernel.orders.life import cut_for, end_order, end_with_children
from ml4t_kernel.orders.types import is_forced, is_open
from ml4t_kernel.schema import (
    CANCELLED,
    E_MARGIN_CALL,
    NO_ROW,
    O_MARGIN_CALL,
    R_MARGIN_CALL,
    R_REPLACED,
    R_RESTORED,
    REPLACED,
)


@compiled
def end_earlier_call(t, called, book, tape):
    """Orders of an earlier call: a new one replaces them, or the account no longer needs them."""
    s = book.state[0]
    for i in range(s.held):
        p = book.positions[book.held[i]]
        if p.called >= 0 and is_open(tape.orders[p.called]):
            s.forced -= 1
            if called:
                end_order(p.called, REPLACED, R_REPLACED, t, book, tape)
            else:
                end_order(p.called, CANCELLED, R_RESTORED, t, book, tape)
        p.called = NO_ROW


@compiled
def cancel_entry(k, t, book, tape):
    """What would enter goes; what crosses zero keeps its closing leg."""
    o = tape.orders[k]
    held = book.positions[o.asset].shares
    if o.reduce_only or (o.left * held < 0.0 and abs(o.left) <= abs(held) * (1.0 + RESIDUE)):
        return
    if o.left * held < 0.0:
        o.left = -held
        cut_for(R_MARGIN_CALL, o)
        only_reduce(k, tape)
    else:
        end_with_children(k, CANCELLED, R_MARGIN_CALL, t, book, tape)


@compiled
def cancel_entries(t, book, tape):
    for a in range(book.queues.shape[0]):
        k = first_pending(a, book, tape)
        while k >= 0:
            following = next_pending(k, a, book, tape)
            if not is_forced(tape.orders[k].origin):
                cancel_entry(k, t, book, tape)
            k = following


@compiled
def closing_cost(t, a, p, market, params):
    """What closing the position at C is estimated to cost: no impact, no minimum, nothing per order."""
    rate = taker_rate(half_spread_of(t, a, market, params), params)
    rate += params.tier_rate[0] if params.tiers > 0 else params.commission_rate
    if p.shares > 0.0:
        rate += params.sell_tax_rate
    fixed = fixed_slippage(a, market, params) + params.commission_per_share
    return abs(p.shares) * (market.close[t, a] * rate + fixed)


@compiled
def called_fraction(t, market, params, book):
    """Of each position, the part that has to go: what is missing, over what closing everything would set free."""
    s = book.state[0]
    if params.call_all:
        return 1.0
    freed = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.shares != 0.0 and present(market.close[t, a]):
            freed += abs(p.shares) * maintenance_unit(p.shares, p.mark, a, market, params)
            freed -= closing_cost(t, a, p, market, params)
    missing = book.work[0].maintenance - s.equity
    return 1.0 if freed <= missing else missing / freed


@cold
def call_margin(t, fraction, market, params, book, tape):
    """A forced order for the fraction of each position, by asset."""
    s = book.state[0]
    n = 0
    for i in range(s.held):
        a = book.held[i]
        if book.positions[a].shares != 0.0 and (fraction >= 1.0 or present(market.close[t, a])):
            book.inside[n] = a
            n += 1
    if n > 1:
        sort_rows(book.inside, n)
    for i in range(n):
        a = book.inside[i]
        p = book.positions[a]
        held = abs(p.shares)
        quantity = held if fraction >= 1.0 else min(held, rounded_up(fraction * held, lot_of(a, market, params)))
        if quantity > 0.0:
            p.called = bear_forced(t, a, -quantity if p.shares > 0.0 else quantity, O_MARGIN_CALL, book, tape)


@cold
def test_margin(t, market, params, book, tape):
    """4.5: the marked book against its maintenance requirement."""
    s = book.state[0]
    w = book.work[0]
    sum_requirements(market, params, book)
    called = s.held > 0 and s.equity < w.maintenance * (1.0 - RESIDUE)
    if s.forced > 0:
        end_earlier_call(t, called, book, tape)
    if not called:
        return
    s.called_bar = t
    s.margin_calls += 1
    note_incident(t, NO_ROW, E_MARGIN_CALL, nan, s.equity, w.maintenance, params, book, tape)
    cancel_entries(t, book, tape)
    call_margin(t, called_fraction(t, market, params, book), market, params, book, tape)
