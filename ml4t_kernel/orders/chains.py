"""Chains of live orders, one an asset, and what keeps far orders from costing anything: wake bands and sleep.

A chain knows the band of prices outside of which none of its orders can act (QUEUE). A chain whose band the next blocks
of 64 bars do not reach leaves the list that every bar looks at.
"""

from math import inf

from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.orders.birth import detail_of
from ml4t_kernel.orders.types import act_level, acts_as_market, acts_upward, is_bound_to_a_phase, is_open
from ml4t_kernel.schema import ALONE, ASLEEP, BLOCK, LIVE, NEVER, NO_ROW, NOWHERE, TRAILING_STOP, WAITING

# Going through what pends --------------------------------------------------------------------------------------------


@compiled
def next_fresh(first, a, book, tape):
    """First order of the asset in the fresh range from row `first` on that is open and in no chain; -1: none."""
    for k in range(first, book.state[0].orders):
        o = tape.orders[k]
        if o.asset == a and is_open(o) and o.chained == 0:
            return k
    return NO_ROW


@compiled
def first_pending(a, book, tape):
    """First pending order of the asset: its chain in order of submission, then what is decided and not served; -1."""
    i = book.queues[a].head
    if i > 0:
        return tape.details[i].order
    return next_fresh(book.state[0].fresh, a, book, tape)


@compiled
def next_pending(k, a, book, tape):
    """The pending order after k, which must still pend: ask before k is ended; -1: none."""
    o = tape.orders[k]
    if o.chained:
        i = tape.details[o.detail].next
        return tape.details[i].order if i > 0 else next_fresh(book.state[0].fresh, a, book, tape)
    return next_fresh(k + 1, a, book, tape)


# Chains --------------------------------------------------------------------------------------------------------------


@compiled
def wake_chain(a, book):
    """Put the asset's chain on the list that every bar looks at."""
    s = book.state[0]
    q = book.queues[a]
    if q.listed != WAITING:
        q.listed = WAITING
        book.waiting[s.waiting] = a
        s.waiting += 1


@compiled
def chain(k, book, tape):
    """Append order k to its asset's chain; it is live from now on."""
    i = detail_of(k, book, tape)
    o = tape.orders[k]
    a = o.asset
    q = book.queues[a]
    d = tape.details[i]
    d.previous = q.tail
    d.next = 0
    if q.tail > 0:
        tape.details[q.tail].next = i
    else:
        q.head = i
    q.tail = i
    q.count += 1
    q.dirty = 1
    o.chained = 1
    d.chained = 1
    d.reduce_only = o.reduce_only
    d.buys = o.left > 0.0
    q.trailing += d.kind == TRAILING_STOP
    o.status = LIVE
    # whoever adds an order has to wake its chain: the bars it sleeps through were chosen without it
    wake_chain(a, book)


@compiled
def unchain(k, book, tape):
    """Take order k out of its chain. Its own links stay, so that a walk that stands on it finds the next."""
    o = tape.orders[k]
    q = book.queues[o.asset]
    d = tape.details[o.detail]
    if d.previous > 0:
        tape.details[d.previous].next = d.next
    else:
        q.head = d.next
    if d.next > 0:
        tape.details[d.next].previous = d.previous
    else:
        q.tail = d.previous
    q.count -= 1
    q.dirty = 1
    o.chained = 0
    d.chained = 0
    book.state[0].starved -= o.batch != ALONE and o.requested > 0.0


# Wake bands ----------------------------------------------------------------------------------------------------------


@inlined
def widen_band(o, d, q):
    """Take one order into the band of its chain."""
    if d.expiry < q.expiry:
        q.expiry = d.expiry
    if is_bound_to_a_phase(o.time_in_force) or acts_as_market(d):
        # What is bound to a phase ends there whatever the price is: a chain that slept would let it live on.
        q.market += 1
        return
    if o.kind == TRAILING_STOP:
        q.trailing += 1  # its level moves with every bar
        return
    level = act_level(d)
    if acts_upward(d):
        q.band_high = min(q.band_high, level)
    else:
        q.band_low = max(q.band_low, level)
    # A limit beyond the market that volume left unfilled executes at any price on its better side.


@compiled
def remake_band(a, book, tape):
    """Wake band, earliest expiry and counts of the asset's chain."""
    q = book.queues[a]
    q.band_low = -inf
    q.band_high = inf
    q.market = 0
    q.trailing = 0
    q.expiry = NEVER
    i = q.head
    while i > 0:
        d = tape.details[i]
        widen_band(tape.orders[d.order], d, q)
        i = d.next
    # Wider by ten times the tolerance of a level (1e-12): a band may wake for nothing, never sleep through a touch.
    q.band_low *= 1.0 + 1e-11 if q.band_low > 0.0 else 1.0
    q.band_high *= 1.0 - 1e-11 if q.band_high > 0.0 else 1.0
    q.dirty = 0


@inlined
def wakes_inside(high, low, q):
    """Can any order of the chain act inside a bar of this range? What acts as market does so at opens only."""
    return low <= q.band_low or high >= q.band_high or q.trailing > 0


# Sleep ---------------------------------------------------------------------------------------------------------------


@compiled
def wake_due(t, book):
    """Chains whose sleep ends at bar t, or that something has woken, leave the list of sleepers."""
    s = book.state[0]
    n = 0
    s.next_wake = NEVER
    for j in range(s.asleep):
        a = book.asleep[j]
        q = book.queues[a]
        if q.listed == ASLEEP and q.wake <= t:
            wake_chain(a, book)
        if q.listed == ASLEEP:
            s.next_wake = min(s.next_wake, q.wake)
            book.asleep[n] = a
            n += 1
        else:
            q.sleeper = 0
    s.asleep = n


@compiled
def quiet_until(t, a, market, book):
    """First bar from t on at which an order of the chain may act or expire: t, or the start of a later block of bars.

    Far resting orders cost nothing while they sleep; W6 with 25 of them an asset took three times the run without when
    each bar tested the band.
    """
    q = book.queues[a]
    if q.dirty or q.market + q.trailing > 0:
        return t
    block = t // BLOCK
    # The extremes of a block are an index: they say that nothing can act, and no price or decision is taken from them.
    while block < market.block_high.shape[0]:
        if not (market.block_low[block, a] > q.band_low and market.block_high[block, a] < q.band_high):
            break
        block += 1
    return max(t, min(block * BLOCK, q.expiry))


@compiled
def falls_asleep(t, a, market, book):
    """Put the chain on the list of sleepers if nothing can happen to it on bar t."""
    s = book.state[0]
    q = book.queues[a]
    if market.block_high.shape[0] == 0:
        return False
    q.wake = quiet_until(t, a, market, book)
    if q.wake <= t:
        return False
    if q.sleeper == 0:
        q.sleeper = 1
        book.asleep[s.asleep] = a
        s.asleep += 1
    s.next_wake = min(s.next_wake, q.wake)
    return True


@inlined
def stop_waiting(q):
    """An empty chain is on no list."""
    q.listed = NOWHERE
    q.dirty = 0
