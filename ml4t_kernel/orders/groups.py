"""One-cancels-other groups and brackets: what a fill or a trigger does to the orders tied to it (clause 2.4)."""

from ml4t_kernel.compile.jit import cold, compiled
from ml4t_kernel.money.instruments import lot_of
from ml4t_kernel.money.prices import RESIDUE, floor_to_lot
from ml4t_kernel.orders.birth import new_order
from ml4t_kernel.orders.chains import chain, first_pending, next_pending
from ml4t_kernel.orders.life import count_phase_order, cut_for, end_order, end_with_children, start_clock
from ml4t_kernel.orders.types import exits_a_position, is_open
from ml4t_kernel.schema import (
    CANCELLED,
    DECISION_CLOSE,
    INSIDE,
    LIVE,
    NO_ROW,
    O_CHILD,
    OPEN,
    R_FLAT,
    R_GROUP,
)

EVERYTHING = 2.0  # a share that leaves siblings nothing, not even what the position holds
NO_GROUP = -1


@compiled
def cancel_parent(d, t, book, tape):
    """The first fill or trigger of a child ends what is left of its parent."""
    if d.parent > 0:
        k = tape.details[d.parent].order
        if k >= 0 and is_open(tape.orders[k]):
            end_order(k, CANCELLED, R_GROUP, t, book, tape)


@compiled
def scale_order(k, share, lot, t, book, tape):
    """A sibling keeps its part that was not filled; a reduce-only one at least what the position still holds."""
    if share == EVERYTHING:
        end_order(k, CANCELLED, R_GROUP, t, book, tape)
        return
    o = tape.orders[k]
    left = abs(o.left) * (1.0 - share)
    if o.reduce_only and o.left * book.positions[o.asset].shares < 0.0:
        left = max(left, min(abs(o.left), abs(book.positions[o.asset].shares)))
    # A sibling that protects the position never keeps less than it needs to close it.
    left = floor_to_lot(left, lot)
    if left <= RESIDUE * abs(o.requested):
        end_order(k, CANCELLED, R_GROUP, t, book, tape)
    elif left < abs(o.left):
        cut_for(R_GROUP, o)
        o.left = left if o.left > 0.0 else -left


@cold
def scale_group(k, share, lot, t, book, tape):
    """After a fill of `share` of order k's rest: its parent's rest ends, its siblings shrink (EVERYTHING: end too)."""
    o = tape.orders[k]
    a = o.asset
    d = tape.details[o.detail]
    group = d.group
    cancel_parent(d, t, book, tape)
    if group == NO_GROUP:
        return
    other = first_pending(a, book, tape)
    while other >= 0:
        following = next_pending(other, a, book, tape)
        detail = tape.orders[other].detail
        if other != k and detail > 0 and tape.details[detail].group == group and is_open(tape.orders[other]):
            scale_order(other, share, lot, t, book, tape)
        other = following


@cold
def cancel_group(k, t, book, tape):
    """A triggered stop takes the other members and its parent's rest out at once, whatever it then finds."""
    scale_group(k, EVERYTHING, 0.0, t, book, tape)


@compiled
def bear_child(i, quantity, price, t, market, book, tape):
    """The parent's first opening fill makes the child a live order; what is born after the close counts from t + 1."""
    s = book.state[0]
    w = book.work[0]
    d = tape.details[i]
    k = new_order(t, tape.orders[tape.details[d.parent].order].asset, quantity, d.kind, O_CHILD, book, tape)
    s.dormant -= 1
    o = tape.orders[k]
    o.status = LIVE
    o.detail = i
    o.reduce_only = 1
    o.time_in_force = d.time_in_force
    d.dormant = 0
    d.opened = abs(quantity)
    d.order = k
    d.reduce_only = 1
    d.water_mark = price
    d.arrival = w.level
    d.born_bar = t
    d.born_at = w.level
    d.born_side = w.born_side
    d.born_after_open = w.phase != OPEN
    if w.phase == INSIDE:
        # The walk of the asset has listed what it can reach in Book.queue, and has room for the children (`room`).
        # Outside of a walk nothing resets that cursor: it would run beyond the list over thousands of bars.
        w.births_inside += 1
        book.queue[w.reachable] = i
        w.reachable += 1
    start_clock(t + 1 if w.phase == DECISION_CLOSE else t, d, market)
    if d.intent >= 0:
        book.placed[d.intent] = k
    chain(k, book, tape)
    count_phase_order(o.time_in_force, s)


@cold
def serve_children(k, price, t, market, params, book, tape):
    """After an opening fill of parent k: its children are live for what it has opened so far, in whole lots."""
    o = tape.orders[k]
    parent = tape.details[o.detail]
    side = 1.0 if o.requested < 0.0 else -1.0
    i = parent.first_child
    while i > 0:
        d = tape.details[i]
        covered = floor_to_lot(min(d.quantity, parent.opened), lot_of(o.asset, market, params))
        # Less than a lot is not born yet: an order of nothing could neither fill nor end.
        if d.dormant and covered > 0.0:
            bear_child(i, side * covered, price, t, market, book, tape)
        elif d.order >= 0 and covered > d.opened:
            child = tape.orders[d.order]
            if is_open(child):
                child.left += side * (covered - d.opened)
                child.requested += side * (covered - d.opened)
                d.opened = covered
        i = d.next_sibling


@compiled
def has_born_child(d, tape):
    i = d.first_child
    while i > 0:
        if tape.details[i].order >= 0:
            return True
        i = tape.details[i].next_sibling
    return False


@compiled
def lives_for_position(o, tape):
    """Does the order end with the position: a rule's, a child, or the rest of a parent whose children were born?"""
    if exits_a_position(o.origin):
        return True
    return o.detail > 0 and has_born_child(tape.details[o.detail], tape)


@cold
def release_flat(a, t, book, tape):
    """The position is flat: its rule orders and children end, and the rest of a parent whose children were born.

    Decided ones too: a parent or child that a replacement has just made new is not in the chain yet.
    """
    p = book.positions[a]
    k = first_pending(a, book, tape)
    while k >= 0:
        following = next_pending(k, a, book, tape)
        if lives_for_position(tape.orders[k], tape):
            end_with_children(k, CANCELLED, R_FLAT, t, book, tape)
        k = following
    p.stop_order = NO_ROW
    p.take_profit_order = NO_ROW
