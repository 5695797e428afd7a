"""Forced orders: what the account trades because it must, before anybody else (1.5, 2.1, 4.5)."""

from numpy import ceil

from ml4t_kernel.bar.fills import closing_shares, cut_to_position, fill_once, take
from ml4t_kernel.compile.jit import cold, compiled
from ml4t_kernel.compile.sorting import sort_rows
from ml4t_kernel.money.prices import absent, worst_price
from ml4t_kernel.orders.birth import new_order
from ml4t_kernel.orders.chains import first_pending, next_pending
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import DECISION_CLOSE, MARKET, NO_ROW, OPEN


@compiled
def rounded_up(quantity, lot):
    """Unsigned quantity in whole lots, rounded up after taking 1e-9 lots off (4.5)."""
    if lot <= 0.0:
        return quantity
    return max(0.0, ceil(quantity / lot - 1e-9)) * lot


@compiled
def only_reduce(k, tape):
    """The order may not cross zero any more."""
    o = tape.orders[k]
    o.reduce_only = 1
    if o.detail > 0:
        tape.details[o.detail].reduce_only = 1


@cold
def bear_forced(t, a, quantity, origin, book, tape):
    """A forced order for `quantity` signed shares; what trades to its side may only reduce from now on (2.2)."""
    k = new_order(t, a, quantity, MARKET, origin, book, tape)
    tape.orders[k].reduce_only = 1
    book.state[0].forced += 1
    other = first_pending(a, book, tape)
    while other >= 0:
        if tape.orders[other].left * quantity > 0.0:
            only_reduce(other, tape)
        other = next_pending(other, a, book, tape)
    return k


@compiled
def serve_forced_order(t, k, price, market, intents, params, book, tape):
    """At its turn, which comes before any exit."""
    w = book.work[0]
    o = tape.orders[k]
    w.phase_price = price
    take(price, worst_price(o.left), w)
    cut_to_position(k, params, book, tape)
    w.entry = 0
    fill_once(t, k, closing_shares(o, book.positions[o.asset]), market, intents, params, book, tape)


@compiled
def forced_order(p, recalls, tape):
    """Row of the position's forced order that lives, of a recall or else of a margin call; NO_ROW: none."""
    k = p.recalled if recalls else p.called
    return k if k >= 0 and is_open(tape.orders[k]) else NO_ROW


@compiled
def serve_forced_of(recalls, t, at, market, intents, params, book, tape):
    """Those of margin calls, or of recalls, by asset; returns how many are still alive."""
    s = book.state[0]
    n = 0
    for i in range(s.held):
        if forced_order(book.positions[book.held[i]], recalls, tape) >= 0:
            book.inside[n] = book.held[i]
            n += 1
    if n > 1:
        sort_rows(book.inside, n)
    alive = 0
    for i in range(n):
        a = book.inside[i]
        p = book.positions[a]
        k = forced_order(p, recalls, tape)
        price = market.open[t, a] if at == OPEN else market.close[t, a]
        # What waits from an earlier bar does so for an open.
        waits = at == DECISION_CLOSE and tape.orders[k].chained
        if k >= 0 and not absent(price) and not waits:
            serve_forced_order(t, k, price, market, intents, params, book, tape)
        alive += forced_order(p, recalls, tape) >= 0
    return alive


@cold
def serve_forced(t, at, market, intents, params, book, tape):
    """2.1: forced orders first, those of margin calls before recalls."""
    alive = serve_forced_of(False, t, at, market, intents, params, book, tape)
    alive += serve_forced_of(True, t, at, market, intents, params, book, tape)
    book.state[0].forced = alive
