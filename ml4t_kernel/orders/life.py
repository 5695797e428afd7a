"""The book of pending orders: birth, chains and wake bands, activation, expiry, ends (clauses 1.6, 1.7).

A decided order lies in the fresh range orders[s.fresh : s.orders] until the open of the next bar. What is not a plain
market order, or outlives that open, joins the chain of its asset. A chain knows the band of prices outside of which
none of its orders can act, so a resting order that cannot fire costs nothing.
"""

from math import inf

from ml4t_kernel.compile.jit import leaf, phase, rare, routine
from ml4t_kernel.schema import (
    AT_CLOSE,
    AT_OPEN,
    BARS,
    BLOCK,
    DAY,
    IOC,
    LIMIT,
    MARKET,
    NEVER,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    Origin,
    Reason,
    Status,
)

DECIDED, LIVE, FILLED = int(Status.DECIDED), int(Status.LIVE), int(Status.FILLED)
CANCELLED, REJECTED = int(Status.CANCELLED), int(Status.REJECTED)
EXPIRED, REPLACED = int(Status.EXPIRED), int(Status.REPLACED)
R_CASH, R_EXPIRED, R_REPLACED = int(Reason.CASH), int(Reason.EXPIRED), int(Reason.REPLACED)
R_NO_SHORT, R_COOLDOWN, R_MINIMUM = int(Reason.NO_SHORT), int(Reason.COOLDOWN), int(Reason.MINIMUM)
R_LOT, R_VOLUME, R_DIVIDEND = int(Reason.LOT), int(Reason.VOLUME), int(Reason.DIVIDEND)
HELD_BACK = 128  # besides the reason of an order that works: the volume budget has held it back
STOP_LOSS, TAKE_PROFIT = int(Origin.STOP_LOSS), int(Origin.TAKE_PROFIT)


# Birth ---------------------------------------------------------------------------------------------------------------


@leaf
def write_order(o, t, a, quantity, kind, origin):
    """A decided order in its row; flags off, no detail."""
    o.asset = a
    o.bar = t
    o.end_bar = -1
    o.detail = 0
    o.requested = quantity
    o.left = quantity
    o.filled = 0.0
    o.kind = kind
    o.time_in_force = 0
    o.status = DECIDED
    o.reason = 0
    o.origin = origin
    o.reduce_only = 0
    o.batch = 0
    o.chained = 0


@routine
def new_detail(k, book, tape):
    """A side row for order k (-1: a child not yet born), linked both ways; a copy of row 0 to begin with."""
    s = book.state[0]
    i = s.details
    s.details += 1
    tape.details[i] = tape.details[0]
    d = tape.details[i]
    d.order = k
    if k >= 0:
        o = tape.orders[k]
        o.detail = i
        d.kind = o.kind
        d.time_in_force = o.time_in_force
        d.reduce_only = o.reduce_only
        d.buys = o.left > 0.0
    return i


@routine
def detail_of(k, book, tape):
    """Row of the order's detail, made if it has none."""
    i = tape.orders[k].detail
    if i == 0:
        i = new_detail(k, book, tape)
    return i


# Chains and wake bands -----------------------------------------------------------------------------------------------


@routine
def wake_chain(a, book):
    """Put the asset's chain on the list that every bar looks at."""
    s = book.state[0]
    q = book.queues[a]
    if q.listed != 1:
        q.listed = 1
        book.waiting[s.waiting] = a
        s.waiting += 1


@routine
def wake_due(t, book):
    """Chains whose sleep ends at bar t, or that something has woken, leave the list of sleepers."""
    s = book.state[0]
    n = 0
    s.next_wake = NEVER
    for j in range(s.asleep):
        a = book.asleep[j]
        q = book.queues[a]
        if q.listed == 2 and q.wake <= t:
            wake_chain(a, book)
        if q.listed == 2:
            s.next_wake = min(s.next_wake, q.wake)
            book.asleep[n] = a
            n += 1
        else:
            q.sleeper = 0
    s.asleep = n


@routine
def quiet_until(t, a, market, book):
    """First bar from t on at which an order of the chain may act or expire: t, or the start of a later block of bars.

    Far resting orders cost nothing while they sleep; W6 with 25 of them an asset took three times the run without when
    each bar tested the band.
    """
    q = book.queues[a]
    if q.dirty or q.market + q.trailing > 0:
        return t
    block = t // BLOCK
    while block < market.block_high.shape[0]:
        if not (market.block_low[block, a] > q.band_low and market.block_high[block, a] < q.band_high):
            break
        block += 1
    return max(t, min(block * BLOCK, q.expiry))


@routine
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


@routine
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
    wake_chain(a, book)


@routine
def unchain(k, book, tape):
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
    book.state[0].starved -= o.batch != 0 and o.requested > 0.0


@leaf
def acts_as_market(d):
    """A carried market order or a triggered stop: executable at any open, by nothing inside the bar."""
    if d.kind == MARKET:
        return True
    return d.triggered != 0 and (d.kind == STOP or d.kind == TRAILING_STOP)


@leaf
def acts_as_limit(d):
    return d.kind == LIMIT or (d.kind == STOP_LIMIT and d.triggered != 0)


@leaf
def trigger_level(d):
    """The stop of an untriggered stop, stop-limit or trailing order; NaN while a trailing order has no mark."""
    if d.kind == TRAILING_STOP:
        return d.mark + d.trail if d.buys else d.mark - d.trail
    return d.stop


@leaf
def act_level(d):
    return d.limit if acts_as_limit(d) else trigger_level(d)


@leaf
def acts_upward(d):
    """True if the price has to rise for the order to act inside the bar."""
    return (d.buys != 0) != acts_as_limit(d)


@leaf
def widen_band(o, d, q):
    if d.expiry < q.expiry:
        q.expiry = d.expiry
    if o.time_in_force == IOC or o.time_in_force == AT_OPEN or o.time_in_force == AT_CLOSE or acts_as_market(d):
        q.market += 1
        return
    if o.kind == TRAILING_STOP:
        q.trailing += 1
        return
    level = act_level(d)
    if acts_upward(d):
        q.band_high = min(q.band_high, level)
    else:
        q.band_low = max(q.band_low, level)
    # A limit beyond the market that volume left unfilled executes at any price on its better side.


@routine
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
    q.band_low *= 1.0 + 1e-11 if q.band_low > 0.0 else 1.0
    q.band_high *= 1.0 - 1e-11 if q.band_high > 0.0 else 1.0
    q.dirty = 0


@leaf
def wakes(high, low, q):
    """Can any order of the chain act on a bar of this range?"""
    return low <= q.band_low or high >= q.band_high or q.market > 0 or q.trailing > 0


# Ends ----------------------------------------------------------------------------------------------------------------


@leaf
def is_cut(reason):
    """Does a reason say that the account or the market cut the order, rather than that somebody ended it?"""
    if reason == R_CASH or reason == R_NO_SHORT or reason == R_COOLDOWN or reason == R_MINIMUM or reason == R_LOT:
        return True
    return reason == R_VOLUME or reason == R_DIVIDEND


@leaf
def count_end(status, reason, s):
    s.live -= 1
    if status == REJECTED:
        s.rejected += 1
        s.refusals[reason] += 1
    elif is_cut(reason):
        s.cut += 1
        s.refusals[reason] += 1


@leaf
def cut_reason(o):
    """What has cut the order so far."""
    return o.reason & ~HELD_BACK


@leaf
def cut_for(reason, o):
    """The order goes on with less, for this reason."""
    o.reason = reason | (o.reason & HELD_BACK)


@leaf
def hold_back(o, s):
    """The volume budget leaves a part of the order for later bars (6.1): said of it if it expires with a rest."""
    if not o.reason & HELD_BACK:
        o.reason |= HELD_BACK
        s.capped += 1


@phase
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


@phase
def refuse_rest(k, reason, t, book, tape):
    """End an order that a rule of the account cut: CANCELLED if anything was filled, else REJECTED."""
    filled = tape.orders[k].filled != 0.0
    end_order(k, CANCELLED if filled else REJECTED, reason, t, book, tape)


@phase
def finish_filled(k, t, book, tape):
    """Nothing is left: FILLED, or CANCELLED for what a lot, a group or the position had cut off before."""
    o = tape.orders[k]
    whole = abs(o.filled) >= abs(o.requested) * (1.0 - 1e-9)
    if whole and not o.chained:
        o.status = FILLED
        o.reason = 0
        o.end_bar = t
        book.state[0].live -= 1
    elif whole:
        end_order(k, FILLED, 0, t, book, tape)
    else:
        refuse_rest(k, cut_reason(o), t, book, tape)


@phase
def expire_order(k, t, book, tape):
    """The order's time is over, and with it that of children not yet born."""
    o = tape.orders[k]
    if o.detail > 0:
        withdraw_children(tape.details[o.detail], book, tape)
    end_order(k, EXPIRED, R_VOLUME if o.reason & HELD_BACK else R_EXPIRED, t, book, tape)


@leaf
def is_open(o):
    return o.status <= LIVE


@routine
def cancel_chain(a, reason, t, book, tape):
    """End every live order of the asset, and every decided one in the fresh range."""
    s = book.state[0]
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        withdraw_children(d, book, tape)
        end_order(d.order, CANCELLED, reason, t, book, tape)
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if o.asset == a and is_open(o):
            if o.detail > 0:
                withdraw_children(tape.details[o.detail], book, tape)
            end_order(k, CANCELLED, reason, t, book, tape)


@routine
def withdraw_child(child, s, book):
    child.dormant = 0
    s.dormant -= 1
    if child.intent >= 0:
        book.placed[child.intent] = -2


@rare
def withdraw_children(d, book, tape):
    """Children not yet born never will be."""
    s = book.state[0]
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        if child.dormant:
            withdraw_child(child, s, book)
        i = child.next_sibling


# Time in force (1.6, 1.7) --------------------------------------------------------------------------------------------


@leaf
def expiry_bar(t, d, session_end):
    """First bar on which an order live from bar t is no longer alive."""
    if d.time_in_force == DAY:
        return session_end
    if d.time_in_force == BARS:
        return t + d.bars
    return NEVER


@routine
def start_clock(first, d, market):
    """Set the expiry of an order live from bar `first`."""
    if d.expiry == NEVER and first < market.session_end.shape[0]:
        d.expiry = expiry_bar(first, d, market.session_end[first])


@rare
def activate(t, market, book, tape):
    """1.7: orders decided at t - 1 are live; all but market orders join their chains now."""
    s = book.state[0]
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if o.status <= LIVE and o.detail > 0 and o.chained == 0:
            o.status = LIVE
            d = tape.details[o.detail]
            start_clock(t, d, market)
            if o.kind != MARKET or o.time_in_force == AT_CLOSE:
                chain(k, book, tape)
                s.close_only += o.time_in_force == AT_CLOSE
                s.open_only += o.time_in_force == IOC or o.time_in_force == AT_OPEN


@rare
def expire_chain(a, t, book, tape):
    """1.6: orders whose last bar has passed."""
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        if d.expiry <= t:
            expire_order(d.order, t, book, tape)


@rare
def expire_phase(at_close, t, market, book, tape):
    """Rests of IOC and at-the-open orders after the open, of at-the-close orders at 4.2."""
    s = book.state[0]
    for w in range(s.waiting):
        a = book.waiting[w]
        priced = market.close[t, a] == market.close[t, a]
        i = book.queues[a].head
        while i > 0:
            d = tape.details[i]
            i = d.next
            tif = tape.orders[d.order].time_in_force
            over = tif == AT_CLOSE and priced if at_close else tif == IOC or (tif == AT_OPEN and priced)
            if over:
                expire_order(d.order, t, book, tape)


@rare
def count_phase_orders(book, tape):
    """How many live orders act at one phase only."""
    s = book.state[0]
    s.open_only = 0
    s.close_only = 0
    for w in range(s.waiting):
        i = book.queues[book.waiting[w]].head
        while i > 0:
            tif = tape.orders[tape.details[i].order].time_in_force
            s.open_only += tif == IOC or tif == AT_OPEN
            s.close_only += tif == AT_CLOSE
            i = tape.details[i].next
