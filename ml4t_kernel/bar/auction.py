"""Everything that executes at one price of the bar: the open, the close, the deciding close (clauses 2, 4.1, 4.7).

Exits by submission, position rules, batch entries scaled together, other entries by rank, and the levels already passed
of what was just opened.
"""

from ml4t_kernel.bar.batch import phase_price, serve_batch
from ml4t_kernel.bar.fills import (
    closing_shares,
    cut_to_position,
    fill,
    fill_at_turn,
    pull_trigger,
    take,
    take_as_stop,
)
from ml4t_kernel.bar.forced import serve_forced
from ml4t_kernel.bar.marks import drop_closed, revalue, revalue_shorts, sum_requirements
from ml4t_kernel.bar.rule_orders import exit_by_rules, serve_passed_levels
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.compile.sorting import sort_rows, sort_rows_by_key
from ml4t_kernel.money.limits import weigh_book
from ml4t_kernel.money.prices import absent, meets_limit, present, reaches
from ml4t_kernel.orders.chains import chain, remake_band
from ml4t_kernel.orders.life import (
    activate,
    count_phase_orders,
    expire_order,
    expire_phase,
    is_over,
    start_clock,
)
from ml4t_kernel.orders.types import (
    act_level,
    acts_as_limit,
    acts_as_market,
    acts_at_opens_only,
    has_limit,
    is_bound_to_a_phase,
    is_open,
    is_sized_entry,
    limit_of,
)
from ml4t_kernel.schema import (
    ALONE,
    AT_CLOSE,
    CLOSE,
    DECISION_CLOSE,
    IOC,
    LIMIT,
    MARKET,
    O_SIGNAL_EXIT,
    OPEN,
)

# Who may act ---------------------------------------------------------------------------------------------------------


@inlined
def could_act(price, at, o, d, params):
    """May the order execute at this price? Changes nothing; a stop is tested against its level."""
    if (at == CLOSE) != (o.time_in_force == AT_CLOSE):
        return False
    if acts_as_market(d):
        return True
    side = 1.0 if o.left > 0.0 else -1.0
    if acts_as_limit(d):
        return meets_limit(-side, price, d.limit, params.limit_through)
    return reaches(side, price, act_level(d))


@compiled
def gather_chained(t, at, market, params, book, tape):
    """Chained orders that could act at this price, in submission order; returns how many."""
    s = book.state[0]
    n = 0
    for j in range(s.waiting):
        a = book.waiting[j]
        price = phase_price(t, a, at, market)
        q = book.queues[a]
        if q.dirty:
            remake_band(a, book, tape)
        # The band says that no order of the chain can act at this open: the chain is not walked.
        if absent(price) or (at == OPEN and price > q.band_low and price < q.band_high and q.market + q.trailing == 0):
            continue
        i = q.head
        while i > 0:
            d = tape.details[i]
            i = d.next
            if could_act(price, at, tape.orders[d.order], d, params):
                book.queue[n] = d.order
                n += 1
    return n


@inlined
def is_fresh_candidate(o, at):
    """A market order in the fresh range that this phase serves."""
    if o.kind != MARKET or not is_open(o) or o.chained:
        return False
    if at == DECISION_CLOSE:
        return o.time_in_force == IOC or not is_bound_to_a_phase(o.time_in_force)
    return o.time_in_force != AT_CLOSE


@inlined
def gather(t, at, market, params, book, tape):
    """All candidates in submission order in book.queue; returns how many."""
    s = book.state[0]
    n = 0
    if at != DECISION_CLOSE and s.waiting > 0:
        n = gather_chained(t, at, market, params, book, tape)
    chained = n
    if at != CLOSE:
        for k in range(s.fresh, s.orders):
            book.queue[n] = k
            n += is_fresh_candidate(tape.orders[k], at)
    if chained > 0:
        sort_rows(book.queue, n)
    return n


@inlined
def part_exits(n, book, tape):
    """Split the candidates into orders opposite to their position and the others, without a branch on noise."""
    w = book.work[0]
    exits = entries = 0
    for j in range(n):
        k = book.queue[j]
        o = tape.orders[k]
        # Written to both lists and counted in one: a branch on the sign would be mispredicted half of the time.
        opposite = o.left * book.positions[o.asset].shares < 0.0
        book.exits[exits] = k
        book.entries[entries] = k
        exits += opposite
        entries += not opposite
    w.exits = exits
    w.entries = entries


# At its turn ---------------------------------------------------------------------------------------------------------


@inlined
def ready(t, k, price, params, book, tape):
    """Is order k executable at this price now? Pulls the trigger of a stop; drafts how it executes."""
    o = tape.orders[k]
    if not is_open(o) or absent(price):
        return False
    w = book.work[0]
    d = tape.details[o.detail]
    w.phase_price = price
    if o.kind == MARKET:
        take(price, limit_of(o, d), w)
        return True
    side = 1.0 if o.left > 0.0 else -1.0
    if o.kind != LIMIT and not d.triggered:
        if not reaches(side, price, act_level(d)):
            return False
        pull_trigger(t, k, book, tape)
    if has_limit(o.kind):
        if not meets_limit(-side, price, d.limit, params.limit_through):
            return False
        take(price, d.limit, w)
        return True
    take_as_stop(price, limit_of(o, d), w)
    return True


@compiled
def serve_exits(t, at, market, intents, params, book, tape):
    """Closing legs in submission order; what crosses zero keeps its opening leg for the entries."""
    w = book.work[0]
    late = 0
    for j in range(w.exits):
        k = book.exits[j]
        o = tape.orders[k]
        p = book.positions[o.asset]
        price = phase_price(t, o.asset, at, market)
        if is_open(o) and o.left * p.shares < 0.0:
            if not ready(t, k, price, params, book, tape):
                continue
            cut_to_position(k, params, book, tape)
            w.entry = 0
            fill(t, k, closing_shares(o, p), market, intents, params, book, tape)
            # What crossed zero has closed, and its opening leg waits for its turn among the entries.
            if not is_open(o) or p.shares != 0.0:
                continue
        if is_open(o):
            book.entries[w.entries] = k
            w.entries += 1
            late += 1
    # They were found in the order of exits; among the entries submission decides.
    if late > 0:
        sort_rows(book.entries, w.entries)


# Other entries -------------------------------------------------------------------------------------------------------


@cold
def rank_entries(book, tape):
    """Entries outside the batch in the order in which cash is granted."""
    entries = book.work[0].entries
    for j in range(entries):
        book.key_rank[j] = tape.details[tape.orders[book.entries[j]].detail].rank
    sort_rows_by_key(book.entries, book.key_rank, entries)


@compiled
def serve_entries(t, at, market, intents, params, book, tape):
    """Entries outside the batch at their turns, and those of it that may not enter: refused."""
    for j in range(book.work[0].entries):
        k = book.entries[j]
        o = tape.orders[k]
        p = book.positions[o.asset]
        # The batch has been served; only those of it that may not go short, or not enter any more, are still to be
        # refused here.
        bound = o.reduce_only or (o.left < 0.0 and not params.allow_short)
        if o.batch != ALONE and not (bound and o.left * p.shares >= 0.0):
            continue
        if ready(t, k, phase_price(t, o.asset, at, market), params, book, tape):
            fill_at_turn(t, k, market, intents, params, book, tape)


@compiled
def serve_newly_passed(t, at, market, intents, params, book, tape):
    """Levels already passed of what entries have just opened or increased, by asset."""
    w = book.work[0]
    if w.touched > 1:
        sort_rows(book.touched, w.touched)
    for j in range(w.touched):
        a = book.touched[j]
        w.phase = at
        w.phase_price = phase_price(t, a, at, market)
        book.positions[a].touched = 0
        if book.positions[a].shares != 0.0:
            serve_passed_levels(t, a, w.phase_price, market, intents, params, book, tape)
    w.touched = 0


# What is left --------------------------------------------------------------------------------------------------------


@inlined
def keep_unfilled(t, at, market, book, tape):
    """Market orders that outlive the phase join their chains; immediate-or-cancel and at-the-open rests expire."""
    s = book.state[0]
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if not is_fresh_candidate(o, at):
            continue
        if is_over(o.time_in_force, False, present(market.close[t, o.asset])):
            expire_order(k, t, book, tape)
        else:
            chain(k, book, tape)
            if at == DECISION_CLOSE:
                start_clock(t + 1, tape.details[o.detail], market)
            s.open_only += acts_at_opens_only(o.time_in_force)
            s.starved += o.batch != ALONE and o.requested > 0.0
            note_working(k, book, tape)
    if at == OPEN:
        close_fresh(s)


@inlined
def close_fresh(s):
    """What was decided before the open has been served: filled, ended, or in its chain."""
    s.fresh = s.orders
    s.special = 0


@compiled
def note_working(k, book, tape):
    """An entry or target order that waits is found again by the next decision on its asset."""
    o = tape.orders[k]
    p = book.positions[o.asset]
    if is_sized_entry(o.origin):
        p.working = k
        book.active[o.asset] = 1
    elif o.origin == O_SIGNAL_EXIT:
        p.closing = k


@compiled
def serve_auction(t, at, market, intents, params, book, tape):
    """All that executes at the open, the close or the deciding close of bar t."""
    s = book.state[0]
    w = book.work[0]
    w.phase = at
    w.born_from = s.orders
    n = gather(t, at, market, params, book, tape)
    if params.has_forced and s.forced > 0 and at != CLOSE:
        serve_forced(t, at, market, intents, params, book, tape)
    if n > 0:
        part_exits(n, book, tape)
        if w.exits > 0:
            serve_exits(t, at, market, intents, params, book, tape)
    else:
        w.exits = 0
        w.entries = 0
    if at == OPEN and params.has_rules:
        exit_by_rules(t, market, intents, params, book, tape)
    if w.entries > 0:
        if at != CLOSE and params.has_batch:
            serve_batch(t, at, market, intents, params, book, tape)
        if params.rank_given:
            rank_entries(book, tape)
        serve_entries(t, at, market, intents, params, book, tape)
        if w.touched > 0:
            serve_newly_passed(t, at, market, intents, params, book, tape)
    if at != CLOSE:
        keep_unfilled(t, at, market, book, tape)


# The three auctions of a bar -----------------------------------------------------------------------------------------


@inlined
def weigh_phase(t, prices, market, params, book):
    """What is held at the prices of the phase, as far as the account's limits ask (6.2)."""
    if params.allow_short:
        revalue_shorts(t, prices, book)
    if params.has_limits:
        weigh_book(t, prices, market, params, book)


@inlined
def fill_at_open(t, market, intents, params, book, tape):
    """1.7, 2."""
    s = book.state[0]
    if s.special:
        activate(t, market, book, tape)
    weigh_phase(t, market.open, market, params, book)
    if s.waiting > 0 or s.orders > s.fresh:
        serve_auction(t, OPEN, market, intents, params, book, tape)
    elif params.has_rules:
        book.work[0].phase = OPEN
        exit_by_rules(t, market, intents, params, book, tape)
        close_fresh(s)
    if s.open_only > 0:
        expire_phase(False, t, market, book, tape)
        count_phase_orders(book, tape)


@cold
def fill_at_close(t, market, intents, params, book, tape):
    """4.1, 4.2."""
    weigh_phase(t, market.close, market, params, book)
    serve_auction(t, CLOSE, market, intents, params, book, tape)
    expire_phase(True, t, market, book, tape)
    count_phase_orders(book, tape)


@compiled
def fill_at_deciding_close(t, market, intents, params, book, tape):
    """4.7."""
    weigh_phase(t, market.close, market, params, book)
    serve_auction(t, DECISION_CLOSE, market, intents, params, book, tape)
    drop_closed(book)
    revalue(t, market, book)
    if params.margin:
        sum_requirements(market, params, book)
