"""Orders as given: submit, cancel, replace, brackets (clauses 2.4, 4.6)."""

from math import inf

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.decide.sizing import bind_decision, refusal, sizing_price
from ml4t_kernel.money.instruments import lot_of
from ml4t_kernel.money.prices import RESIDUE, absent, floor_to_lot, present
from ml4t_kernel.orders.birth import new_detail, new_order, refuse_order
from ml4t_kernel.orders.life import cut_for, end_order, end_with_children, withdraw_child
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import (
    CANCEL,
    CANCELLED,
    GTC,
    MARKET,
    NO_ROW,
    O_ORDER,
    R_CANCELLED,
    R_LOT,
    R_NONE,
    R_REPLACED,
    REJECTED,
    REPLACED,
    SUBMIT,
    UNBORN,
    WITHDRAWN,
)


@inlined
def copy_terms(d, row, intents):
    """Levels, rank, group and rules of an intent."""
    if row.rules > 0:
        d.stop_loss_price = intents.rules[row.rules].stop_loss_price
        d.take_profit_price = intents.rules[row.rules].take_profit_price
    d.limit = row.limit
    d.stop = row.stop
    d.trail = row.trail
    d.rank = inf if absent(row.rank) else row.rank
    d.group = row.group
    d.rules = row.rules
    d.bars = row.bars
    d.kind = row.kind
    d.time_in_force = row.time_in_force
    d.quantity = abs(row.quantity)


@inlined
def is_plain(row, params):
    """A market order that needs no detail."""
    if row.kind != MARKET or row.time_in_force != GTC or row.group >= 0 or row.first_child >= 0:
        return False
    return row.rules == 0 and absent(row.rank) and not params.basis_signal


@compiled
def conceive_children(first, i, intents, book, tape):
    """Details of the children of the parent with detail i, unborn; they are one group."""
    s = book.state[0]
    j = first
    last = 0
    while j >= 0:
        row = intents.orders[j]
        c = new_detail(NO_ROW, book, tape)
        d = tape.details[c]
        copy_terms(d, row, intents)
        d.group = -2 - i
        d.parent = i
        d.intent = j
        d.dormant = 1
        d.reduce_only = 1
        s.dormant += 1
        book.placed[j] = UNBORN - c
        if last > 0:
            tape.details[last].next_sibling = c
        else:
            tape.details[i].first_child = c
        last = c
        j = row.next_sibling


@inlined
def withdraw_rows(first, intents, book):
    """Children of a refused parent."""
    j = first
    while j >= 0:
        book.placed[j] = WITHDRAWN
        j = intents.orders[j].next_sibling


@compiled
def refusal_of_intent(t, row, price, live, market, params, book):
    """Why an order as given is refused at decision; R_NONE if it is not."""
    p = book.positions[row.asset]
    if live == 0.0:
        return R_LOT
    held = -live if row.reduce_only else p.shares  # a reduce-only order is a reduction whatever is held
    return refusal(t, row.asset, live, held, price, absent(price), market, params, book)


@compiled
def submit_intent(t, j, market, intents, params, book, tape):
    """An order as given joins the fresh range, or leaves a refused row."""
    s = book.state[0]
    row = intents.orders[j]
    a = row.asset
    p = book.positions[a]
    k = new_order(t, a, row.quantity, row.kind, O_ORDER, book, tape)
    o = tape.orders[k]
    o.time_in_force = row.time_in_force
    o.reduce_only = row.reduce_only
    book.placed[j] = k
    live = row.quantity
    # Closing the whole position is exempt from lots: a split may have left a fraction of one.
    if row.quantity != -p.shares:
        live = floor_to_lot(row.quantity, lot_of(a, market, params))
        if abs(live) < abs(row.quantity) * (1.0 - RESIDUE):
            cut_for(R_LOT, o)
    price = market.close[t, a]
    if absent(price):
        price = sizing_price(t, a, market, book)
    reason = R_NONE
    if live == 0.0 or params.min_notional > 0.0 or t < p.cool_until or p.gone or params.has_forced:
        reason = refusal_of_intent(t, row, price, live, market, params, book)
    if reason != R_NONE:
        refuse_order(k, reason, t, book, tape)
        withdraw_rows(row.first_child, intents, book)
        return
    o.left = live
    bind_decision(t, k, params, book, tape)
    if not is_plain(row, params):
        i = new_detail(k, book, tape)
        d = tape.details[i]
        copy_terms(d, row, intents)
        d.intent = j
        d.water_mark = price
        d.arrival = price
        s.special = 1
        if row.first_child >= 0:
            conceive_children(row.first_child, i, intents, book, tape)


@compiled
def cancel_intent(t, row, book, tape):
    """Cancel what the row names: a live or decided order, or a child not yet born."""
    k = book.placed[row.target]
    if k >= 0:
        o = tape.orders[k]
        if is_open(o):
            end_with_children(k, CANCELLED, R_CANCELLED, t, book, tape)
    elif k <= UNBORN:
        d = tape.details[UNBORN - k]
        if d.dormant:
            withdraw_child(d, book.state[0], book)
        book.placed[row.target] = WITHDRAWN


@compiled
def edit_terms(d, row):
    """A replacement changes the levels that are given."""
    if present(row.limit):
        d.limit = row.limit
    if present(row.stop):
        d.stop = row.stop
    if present(row.trail):
        d.trail = row.trail


@compiled
def inherit(new, old, i, tape):
    """The new order takes over levels, group, parent and children of the old one."""
    new.limit = old.limit
    new.stop = old.stop
    new.trail = old.trail
    new.water_mark = old.water_mark
    new.rank = old.rank
    new.triggered = old.triggered
    new.group = old.group
    new.parent = old.parent
    new.rules = old.rules
    new.stop_loss_price = old.stop_loss_price
    new.take_profit_price = old.take_profit_price
    new.bars = old.bars
    new.intent = old.intent
    new.opened = old.opened
    new.quantity = old.quantity
    new.first_child = old.first_child
    new.next_sibling = old.next_sibling
    child = old.first_child
    while child > 0:
        tape.details[child].parent = i
        child = tape.details[child].next_sibling


@compiled
def relink_sibling(old, new, tape):
    """A replaced child keeps its place among its parent's children."""
    parent = tape.details[new].parent
    if parent == 0:
        return
    c = tape.details[parent].first_child
    if c == old:
        tape.details[parent].first_child = new
        return
    while c > 0:
        if tape.details[c].next_sibling == old:
            tape.details[c].next_sibling = new
            return
        c = tape.details[c].next_sibling


@compiled
def replace_order(t, k, row, market, params, book, tape):
    """The old order ends REPLACED; a new row with its terms and the changes is decided now."""
    s = book.state[0]
    old = tape.orders[k]
    quantity = old.left if absent(row.quantity) else row.quantity
    n = new_order(t, old.asset, quantity, old.kind, old.origin, book, tape)
    o = tape.orders[n]
    o.time_in_force = old.time_in_force
    o.reduce_only = old.reduce_only
    o.left = quantity if quantity == old.left else floor_to_lot(quantity, lot_of(old.asset, market, params))
    if abs(o.left) < abs(quantity) * (1.0 - RESIDUE):
        cut_for(R_LOT, o)
    bind_decision(t, n, params, book, tape)
    i = new_detail(n, book, tape)
    d = tape.details[i]
    if old.detail > 0:
        inherit(d, tape.details[old.detail], i, tape)
        relink_sibling(old.detail, i, tape)
    edit_terms(d, row)
    # A replacement is a decision of its own: cost analysis measures it from here.
    d.arrival = sizing_price(t, old.asset, market, book)
    end_order(k, REPLACED, R_REPLACED, t, book, tape)
    book.placed[row.target] = n
    s.special = 1
    if o.left == 0.0:
        end_order(n, REJECTED, R_LOT, t, book, tape)


@compiled
def replace_intent(t, row, market, params, book, tape):
    k = book.placed[row.target]
    if k >= 0:
        if is_open(tape.orders[k]):
            replace_order(t, k, row, market, params, book, tape)
    elif k <= UNBORN and tape.details[UNBORN - k].dormant:
        d = tape.details[UNBORN - k]
        edit_terms(d, row)
        if present(row.quantity):
            d.quantity = abs(row.quantity)


@cold
def take_intents(t, market, intents, params, book, tape):
    """The rows of bar t as submitted."""
    s = book.state[0]
    while s.intent < intents.orders.shape[0] and intents.orders[s.intent].bar <= t:
        j = s.intent
        row = intents.orders[j]
        s.intent += 1
        if row.action == SUBMIT:
            if row.parent < 0:
                submit_intent(t, j, market, intents, params, book, tape)
        elif row.action == CANCEL:
            cancel_intent(t, row, book, tape)
        else:
            replace_intent(t, row, market, params, book, tape)
