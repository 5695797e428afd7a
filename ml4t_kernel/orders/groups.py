"""One-cancels-other groups and brackets: what a fill or a trigger does to the orders tied to it (clause 2.4)."""

from ml4t_kernel.compile.jit import rare, routine
from ml4t_kernel.money.prices import floor_to_lot
from ml4t_kernel.orders.life import (
    CANCELLED,
    LIVE,
    chain,
    cut_for,
    end_order,
    is_open,
    start_clock,
    withdraw_children,
    write_order,
)
from ml4t_kernel.schema import AT_CLOSE, AT_OPEN, IOC, Origin, Phase, Reason

CHILD, TIME_EXIT, STOP_LOSS = int(Origin.CHILD), int(Origin.TIME_EXIT), int(Origin.STOP_LOSS)
OPEN, INSIDE, DECISION_CLOSE = int(Phase.OPEN), int(Phase.INSIDE), int(Phase.DECISION_CLOSE)
R_GROUP, R_FLAT = int(Reason.GROUP), int(Reason.FLAT)
EVERYTHING = 2.0  # a share that leaves siblings nothing, not even what the position holds


@routine
def cancel_parent(d, t, book, tape):
    """The first fill or trigger of a child ends what is left of its parent."""
    if d.parent > 0:
        k = tape.details[d.parent].order
        if k >= 0 and is_open(tape.orders[k]):
            end_order(k, CANCELLED, R_GROUP, t, book, tape)


@routine
def scale_order(k, share, lot, t, book, tape):
    """A sibling keeps its part that was not filled; a reduce-only one at least what the position still holds."""
    if share == EVERYTHING:
        end_order(k, CANCELLED, R_GROUP, t, book, tape)
        return
    o = tape.orders[k]
    left = abs(o.left) * (1.0 - share)
    if o.reduce_only and o.left * book.positions[o.asset].shares < 0.0:
        left = max(left, min(abs(o.left), abs(book.positions[o.asset].shares)))
    left = floor_to_lot(left, lot)
    if left <= 1e-9 * abs(o.requested):
        end_order(k, CANCELLED, R_GROUP, t, book, tape)
    elif left < abs(o.left):
        cut_for(R_GROUP, o)
        o.left = left if o.left > 0.0 else -left


@rare
def scale_group(k, share, lot, t, book, tape):
    """After a fill of `share` of order k's rest: its parent's rest ends, its siblings shrink (EVERYTHING: end too)."""
    s = book.state[0]
    o = tape.orders[k]
    d = tape.details[o.detail]
    cancel_parent(d, t, book, tape)
    if d.group == -1:
        return
    i = book.queues[o.asset].head
    while i > 0:
        other = tape.details[i]
        i = other.next
        if other.group == d.group and other.order != k and is_open(tape.orders[other.order]):
            scale_order(other.order, share, lot, t, book, tape)
    for j in range(s.fresh, s.orders):
        other_order = tape.orders[j]
        if j != k and is_open(other_order) and other_order.detail > 0 and other_order.chained == 0:
            if tape.details[other_order.detail].group == d.group:
                scale_order(j, share, lot, t, book, tape)


@rare
def cancel_group(k, t, book, tape):
    """A triggered stop takes the other members and its parent's rest out at once."""
    scale_group(k, EVERYTHING, 0.0, t, book, tape)


@routine
def bear_child(i, quantity, price, t, market, book, tape):
    """The parent's first opening fill makes the child a live order; what is born after the close counts from t + 1."""
    s = book.state[0]
    w = book.work[0]
    d = tape.details[i]
    parent = tape.orders[tape.details[d.parent].order]
    k = s.orders
    s.orders += 1
    s.live += 1
    s.dormant -= 1
    o = tape.orders[k]
    write_order(o, t, parent.asset, quantity, d.kind, CHILD)
    o.status = LIVE
    o.detail = i
    o.reduce_only = 1
    o.time_in_force = d.time_in_force
    d.dormant = 0
    d.opened = abs(quantity)
    d.order = k
    d.reduce_only = 1
    d.mark = price
    d.arrival = w.level
    d.born_bar = t
    d.born_at = w.level
    d.born_side = w.born_side
    d.born_after_open = w.phase != OPEN
    if w.phase == INSIDE:
        # The walk of the asset has listed what it can reach in book.queue, with room for its children (lack_of_room);
        # outside of a walk nothing resets that cursor.
        s.births_inside += 1
        book.queue[s.reachable] = i
        s.reachable += 1
    start_clock(t + 1 if w.phase == DECISION_CLOSE else t, d, market)
    if d.intent >= 0:
        book.placed[d.intent] = k
    chain(k, book, tape)
    s.close_only += o.time_in_force == AT_CLOSE
    s.open_only += o.time_in_force == IOC or o.time_in_force == AT_OPEN


@rare
def serve_children(k, price, t, market, params, book, tape):
    """After an opening fill of parent k: its children are live for what it has opened so far, in whole lots."""
    o = tape.orders[k]
    parent = tape.details[o.detail]
    side = 1.0 if o.requested < 0.0 else -1.0
    i = parent.first_child
    while i > 0:
        d = tape.details[i]
        covered = floor_to_lot(min(d.quantity, parent.opened), params.lot)
        if d.dormant and covered > 0.0:
            bear_child(i, side * covered, price, t, market, book, tape)
        elif d.order >= 0 and covered > d.opened:
            child = tape.orders[d.order]
            if is_open(child):
                child.left += side * (covered - d.opened)
                child.requested += side * (covered - d.opened)
                d.opened = covered
        i = d.next_sibling


@routine
def has_born_child(d, tape):
    i = d.first_child
    while i > 0:
        if tape.details[i].order >= 0:
            return True
        i = tape.details[i].next_sibling
    return False


@routine
def lives_for_position(o, d, tape):
    """Does the order end with the position: a rule's, a child, or the rest of a parent whose children were born?"""
    if o.origin == CHILD or (o.origin >= STOP_LOSS and o.origin <= TIME_EXIT):
        return True
    return d.first_child > 0 and has_born_child(d, tape)


@rare
def release_flat(a, t, book, tape):
    """The position is flat: its rule orders and children end, and the rest of a parent whose children were born."""
    s = book.state[0]
    p = book.positions[a]
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if is_open(o) and lives_for_position(o, d, tape):
            withdraw_children(d, book, tape)
            end_order(d.order, CANCELLED, R_FLAT, t, book, tape)
    if s.special:
        for k in range(s.fresh, s.orders):
            o = tape.orders[k]
            if o.asset == a and is_open(o) and o.detail > 0 and o.chained == 0:
                if lives_for_position(o, tape.details[o.detail], tape):
                    withdraw_children(tape.details[o.detail], book, tape)
                    end_order(k, CANCELLED, R_FLAT, t, book, tape)
    if p.stop_order >= 0 and is_open(tape.orders[p.stop_order]):
        end_order(p.stop_order, CANCELLED, R_FLAT, t, book, tape)
    p.stop_order = -1
    p.target_order = -1
