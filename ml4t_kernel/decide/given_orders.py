"""Orders as given: submit, cancel, replace, brackets (clauses 2.4, 4.6)."""

from math import inf

from ml4t_kernel.compile.jit import phase, rare, routine
from ml4t_kernel.decide.sizing import R_LOT, refusal, sizing_price
from ml4t_kernel.money.prices import floor_to_lot
from ml4t_kernel.orders.life import (
    CANCELLED,
    R_REPLACED,
    REJECTED,
    REPLACED,
    count_end,
    end_order,
    is_open,
    new_detail,
    withdraw_children,
    write_order,
)
from ml4t_kernel.schema import GTC, MARKET, IntentAction, Origin, Reason

ORDER = int(Origin.ORDER)
SUBMIT, CANCEL = int(IntentAction.SUBMIT), int(IntentAction.CANCEL)
R_CANCELLED = int(Reason.CANCELLED)
WITHDRAWN, UNBORN = -2, -3


@phase
def copy_terms(d, row, intents):
    """Levels, rank, group and rules of an intent."""
    if row.rules > 0:
        d.stop_price = intents.rules[row.rules].stop_price
        d.target_price = intents.rules[row.rules].target_price
    d.limit = row.limit
    d.stop = row.stop
    d.trail = row.trail
    d.rank = inf if row.rank != row.rank else row.rank
    d.group = row.group
    d.rules = row.rules
    d.bars = row.bars
    d.kind = row.kind
    d.time_in_force = row.time_in_force
    d.quantity = abs(row.quantity)


@phase
def is_plain(row, params):
    """A market order that needs no detail."""
    if row.kind != MARKET or row.time_in_force != GTC or row.group >= 0 or row.first_child >= 0:
        return False
    return row.rules == 0 and row.rank != row.rank and not params.basis_signal


@routine
def conceive_children(first, i, intents, book, tape):
    """Details of the children of the parent with detail i, unborn; they are one group."""
    s = book.state[0]
    j = first
    last = 0
    while j >= 0:
        row = intents.orders[j]
        c = new_detail(-1, book, tape)
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


@phase
def withdraw_rows(first, intents, book):
    """Children of a refused parent."""
    j = first
    while j >= 0:
        book.placed[j] = WITHDRAWN
        j = intents.orders[j].next_sibling


@routine
def refusal_of_intent(t, row, price, live, market, params, book):
    """Why an order as given is refused at decision; 0 if it is not."""
    p = book.positions[row.asset]
    if live == 0.0:
        return R_LOT
    held = -live if row.reduce_only else p.shares  # a reduce-only order is a reduction whatever is held
    return refusal(t, row.asset, live, held, price, price != price, market, params, book)


@routine
def submit_intent(t, j, market, intents, params, book, tape):
    """An order as given joins the fresh range, or leaves a refused row."""
    s = book.state[0]
    row = intents.orders[j]
    a = row.asset
    p = book.positions[a]
    k = s.orders
    s.orders += 1
    s.live += 1
    o = tape.orders[k]
    write_order(o, t, a, row.quantity, row.kind, ORDER)
    o.time_in_force = row.time_in_force
    o.reduce_only = row.reduce_only
    book.placed[j] = k
    live = row.quantity
    if row.quantity != -p.shares:
        live = floor_to_lot(row.quantity, params.lot)
        if abs(live) < abs(row.quantity) * (1.0 - 1e-9):
            o.reason = R_LOT
    price = market.close[t, a]
    if price != price:
        price = sizing_price(t, a, market, book)
    reason = 0
    if live == 0.0 or params.min_notional > 0.0 or t < p.cool_until or p.gone:
        reason = refusal_of_intent(t, row, price, live, market, params, book)
    if reason > 0:
        o.status = REJECTED
        o.reason = reason
        o.end_bar = t
        o.left = 0.0
        count_end(REJECTED, reason, s)
        withdraw_rows(row.first_child, intents, book)
        return
    o.left = live
    if not is_plain(row, params):
        i = new_detail(k, book, tape)
        d = tape.details[i]
        copy_terms(d, row, intents)
        d.intent = j
        d.mark = price
        d.arrival = price
        s.special = 1
        if row.first_child >= 0:
            conceive_children(row.first_child, i, intents, book, tape)


@routine
def cancel_intent(t, row, book, tape):
    """Cancel what the row names: a live or decided order, or a child not yet born."""
    k = book.placed[row.target]
    if k >= 0:
        o = tape.orders[k]
        if is_open(o):
            if o.detail > 0:
                withdraw_children(tape.details[o.detail], book, tape)
            end_order(k, CANCELLED, R_CANCELLED, t, book, tape)
    elif k <= UNBORN:
        d = tape.details[UNBORN - k]
        if d.dormant:
            d.dormant = 0
            book.state[0].dormant -= 1
        book.placed[row.target] = WITHDRAWN


@routine
def edit_terms(d, row):
    """A replacement changes the levels that are given."""
    if row.limit == row.limit:
        d.limit = row.limit
    if row.stop == row.stop:
        d.stop = row.stop
    if row.trail == row.trail:
        d.trail = row.trail


@routine
def inherit(new, old, i, tape):
    """The new order takes over levels, group, parent and children of the old one."""
    new.limit = old.limit
    new.stop = old.stop
    new.trail = old.trail
    new.mark = old.mark
    new.rank = old.rank
    new.triggered = old.triggered
    new.group = old.group
    new.parent = old.parent
    new.rules = old.rules
    new.stop_price = old.stop_price
    new.target_price = old.target_price
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


@routine
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


@routine
def replace_order(t, k, row, market, params, book, tape):
    """The old order ends REPLACED; a new row with its terms and the changes is decided now."""
    s = book.state[0]
    old = tape.orders[k]
    quantity = old.left if row.quantity != row.quantity else row.quantity
    n = s.orders
    s.orders += 1
    s.live += 1
    o = tape.orders[n]
    write_order(o, t, old.asset, quantity, old.kind, old.origin)
    o.time_in_force = old.time_in_force
    o.reduce_only = old.reduce_only
    o.left = quantity if quantity == old.left else floor_to_lot(quantity, params.lot)
    if abs(o.left) < abs(quantity) * (1.0 - 1e-9):
        o.reason = R_LOT
    i = new_detail(n, book, tape)
    d = tape.details[i]
    if old.detail > 0:
        inherit(d, tape.details[old.detail], i, tape)
        relink_sibling(old.detail, i, tape)
    edit_terms(d, row)
    d.arrival = sizing_price(t, old.asset, market, book)
    end_order(k, REPLACED, R_REPLACED, t, book, tape)
    book.placed[row.target] = n
    s.special = 1
    if o.left == 0.0:
        end_order(n, REJECTED, R_LOT, t, book, tape)


@routine
def replace_intent(t, row, market, params, book, tape):
    k = book.placed[row.target]
    if k >= 0:
        if is_open(tape.orders[k]):
            replace_order(t, k, row, market, params, book, tape)
    elif k <= UNBORN and tape.details[UNBORN - k].dormant:
        d = tape.details[UNBORN - k]
        edit_terms(d, row)
        if row.quantity == row.quantity:
            d.quantity = abs(row.quantity)


@rare
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
