"""The entries of a phase that come from targets share its cash: all are scaled once when it is short (clause 2.3)."""

from math import inf

from ml4t_kernel.bar.fills import fill, look_up, take
from ml4t_kernel.bar.locates import locate
from ml4t_kernel.compile.jit import cold, inlined
from ml4t_kernel.money.instruments import lot_of
from ml4t_kernel.money.ledger import buying_power, cash_needed, refresh_budget, within_budget
from ml4t_kernel.money.limits import funds, leverage_room, note_use, rate_entry
from ml4t_kernel.money.prices import EPS, RESIDUE, absent, floor_to_lot, present, slice_price
from ml4t_kernel.orders.life import hold_back
from ml4t_kernel.orders.types import is_open, limit_of
from ml4t_kernel.schema import ALONE, OPEN


@inlined
def phase_price(t, a, at, market):
    """Price of the phase: O at the open, C at the close and the deciding close."""
    return market.open[t, a] if at == OPEN else market.close[t, a]


@inlined
def batch_quantity(t, k, at, market, params, book, tape):
    """Unsigned shares of a batch order at this price before cash: its rest, cut to budget and lots. Sets the slice."""
    o = tape.orders[k]
    p = book.positions[o.asset]
    w = book.work[0]
    price = phase_price(t, o.asset, at, market)
    if absent(price) or o.batch == ALONE or not is_open(o) or o.left * p.shares < 0.0:
        return 0.0
    # What may not enter any more is still in its place, to end there.
    if o.reduce_only or (o.left < 0.0 and not params.allow_short):
        return 0.0
    w.phase_price = price
    w.want = o.left
    take(price, limit_of(o, tape.details[0]), w)
    look_up(t, o.asset, w, market, params)
    quantity = abs(o.left)
    if params.needs_volume:
        volume = market.budget_volume[t, o.asset] if params.max_participation < inf else 0.0
        refresh_budget(w, volume, p, params)
        quantity = within_budget(quantity, lot_of(o.asset, market, params), p, params)
        if quantity < abs(o.left):
            hold_back(o, book.state[0])
    return quantity


@inlined
def weigh_batch(t, at, market, params, book, tape):
    """Shares of each batch entry in book.amounts, and the cash they need together (added in submission order)."""
    w = book.work[0]
    needed = 0.0
    for j in range(w.entries):
        k = book.entries[j]
        quantity = batch_quantity(t, k, at, market, params, book, tape)
        book.amounts[j] = quantity
        if quantity > 0.0:
            o = tape.orders[k]
            price = slice_price(quantity, w, book.positions[o.asset], params)
            needed += cash_needed(quantity, price, w, o, tape.details[o.detail], params)
    return needed


@cold
def locate_batch(t, at, market, params, book, tape):
    """Opening legs of the batch that go short, cut to what can be borrowed before anything is weighed (1.5)."""
    for j in range(book.work[0].entries):
        k = book.entries[j]
        o = tape.orders[k]
        p = book.positions[o.asset]
        enters = is_open(o) and o.batch != ALONE and o.left < 0.0 and p.shares <= 0.0
        if enters and not o.reduce_only and params.allow_short and present(phase_price(t, o.asset, at, market)):
            locate(t, k, market, params, book, tape)


@inlined
def is_spent(available, s, params):
    """Without cash nothing of the batch is weighed: what then waits is not held back by volume."""
    return not (available > 0.0) or (params.lot <= 0.0 and available < RESIDUE * s.equity)


@inlined
def scale_to(available, needed):
    """Scaled once: scaling again after lots were floored would favour whoever comes last."""
    return available / needed if needed > available * (1.0 + EPS) else 1.0


@cold
def scale_to_limits(t, at, market, params, book, tape):
    """The scale of a batch where the account has limits of its own, 0: nothing is weighed. Sets book.amounts."""
    s = book.state[0]
    w = book.work[0]
    available, room = funds(w, s, params), leverage_room(w, s, params)
    if is_spent(available, s, params) or is_spent(room, s, params):
        return 0.0
    needed = leverage_needed = 0.0
    for j in range(w.entries):
        k = book.entries[j]
        quantity = batch_quantity(t, k, at, market, params, book, tape)
        book.amounts[j] = quantity
        if quantity > 0.0:
            o = tape.orders[k]
            rate_entry(o.asset, w, market, params)
            note_use(quantity, w, o, tape.details[o.detail], book.positions[o.asset], params)
            needed += w.need
            leverage_needed += w.leverage_need
    return min(scale_to(available, needed), scale_to(room, leverage_needed))


@inlined
def batch_scale(t, at, market, params, book, tape):
    """By what the account can carry, the batch is scaled; 0: nothing of it is weighed. Sets book.amounts."""
    s = book.state[0]
    if params.has_limits:
        return scale_to_limits(t, at, market, params, book, tape)
    available = max(0.0, buying_power(book.work[0], s))
    if is_spent(available, s, params):
        return 0.0
    return scale_to(available, weigh_batch(t, at, market, params, book, tape))


@inlined
def serve_batch(t, at, market, intents, params, book, tape):
    """If cash is short all entries of the batch are scaled once by available / needed; each passes the cash check."""
    w = book.work[0]
    if params.has_borrow:
        locate_batch(t, at, market, params, book, tape)
    scale = batch_scale(t, at, market, params, book, tape)
    if scale <= 0.0:
        return
    for j in range(w.entries):
        quantity = book.amounts[j]
        if quantity > 0.0 and scale < 1.0:
            quantity = floor_to_lot(quantity * scale, lot_of(tape.orders[book.entries[j]].asset, market, params))
        if quantity > 0.0:
            k = book.entries[j]
            o = tape.orders[k]
            w.phase_price = phase_price(t, o.asset, at, market)
            take(w.phase_price, limit_of(o, tape.details[0]), w)
            w.entry = 1
            fill(t, k, quantity if o.left > 0.0 else -quantity, market, intents, params, book, tape)
