"""What a bar may leave out. Each gate says what it saves and why leaving it out changes nothing.

Exact laws, not heuristics: `tests/kernel/test_sleep.py`, `test_narrow.py` and the differential fuzz hold that no bit
changes. A new phase or rule that can act on a bar that a gate skips has to be named in that gate.
"""

from math import inf

from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.compile.references import prefetch
from ml4t_kernel.money.ledger import budget_of_bar
from ml4t_kernel.money.prices import RESIDUE, absent
from ml4t_kernel.orders.chains import falls_asleep, remake_band, stop_waiting
from ml4t_kernel.orders.life import expire_chain
from ml4t_kernel.rules.levels import rules_reached
from ml4t_kernel.schema import ASLEEP, BLOCK, EVENT_BORROW, EVENT_SIGNAL, EVENT_STALE

AHEAD = 2
"""Bars between asking for a volume and reading it."""
LOT_MARGIN = 1e-6
"""By which lots have to be dearer than the cash: more than what lots and sums of cash are rounded by."""

# Bars without phases -------------------------------------------------------------------------------------------------


@inlined
def next_event(t, intents, book):
    """First bar from t on with an event; T when there is none. The cursor only moves forward.

    A list of event bars, not a scan of their bytes: idle stretches of a sweep cost nothing, W3 5.3 to 4.4 floors.
    """
    s = book.state[0]
    while intents.event_bars[s.event] < t:
        s.event += 1
    return intents.event_bars[s.event]


@inlined
def is_idle(book):
    """Flat and nothing pending: without an event, or a charge of 1.2, equity stands still, whatever prices do."""
    s = book.state[0]
    return s.held + s.waiting + s.asleep == 0 and s.orders == s.fresh


@inlined
def moves_no_idle(event):
    """Signals that only exit do nothing to an account without positions and orders; their cursor catches up later."""
    return event == EVENT_SIGNAL


@inlined
def is_quiet(params, book):
    """One position, nothing pending: until a level is touched or an event comes, bars only move marks.

    Not where a mark can call the account (4.5), or its leverage is counted.

    `quiet.walk_quiet` does the same arithmetic with the state in locals, 3 to 4 ns a bar instead of 14 with the state
    in memory and 40 through the phases.
    """
    s = book.state[0]
    return s.held == 1 and s.waiting + s.asleep == 0 and s.orders == s.fresh and not params.has_limits


# Phases of a bar -----------------------------------------------------------------------------------------------------


@inlined
def may_recall(t, intents, params, book):
    """1.5 needs a row that acts from this bar on, or a recall that lives: no fill takes a short beyond its limit."""
    return params.has_borrow and (intents.events[t] & EVENT_BORROW != 0 or book.state[0].forced > 0)


@inlined
def something_wakes(t, s):
    """Sleepers are looked at on the bar for which the earliest of them was put to sleep, not before."""
    return s.asleep > 0 and t >= s.next_wake


@compiled
def cash_buys_no_lot(t, market, params, book, tape):
    """Would the batch of what waits, scaled to the cash at this open, come to less than a lot of everything?

    Costs only make it dearer. Not where the volume budget cuts an order, which serving would note of it (6.1).
    """
    s = book.state[0]
    ahead = min(t + AHEAD, market.close.shape[0] - 1)
    needed = most = 0.0
    for j in range(s.waiting):
        a = book.waiting[j]
        i = book.queues[a].head
        price = market.open[t, a]
        if i <= 0:
            return False  # the chain has come to its end, and has to leave the list
        if absent(price):
            continue
        budget = inf
        if params.needs_volume:
            prefetch(market.volume, ahead, a)
            budget_volume = market.budget_volume[t, a] if params.max_participation < inf else 0.0
            budget = budget_of_bar(budget_volume, market.volume[t, a], params)
        while i > 0:
            d = tape.details[i]
            left = tape.orders[d.order].left
            if left > budget:
                return False
            needed += left * price
            most = max(most, left)
            i = d.next
    scarce = s.cash * (1.0 + LOT_MARGIN)
    return scarce < needed and most * scarce < params.lot * needed


@inlined
def is_starved(t, market, params, book, tape):
    """Nothing waits but rests of target buys, and no cash will come before they are served: they can do nothing.

    A fully invested account leaves such rests after each rebalance; serving them cost five floors on W1, and in whole
    lots, where some cash is always left, as many. Cash comes from exits, dividends and interest: the latter two came
    before this open, and for an exit a rule, a short or an order decided since would have to wait as well.
    """
    s = book.state[0]
    if s.starved != s.live or s.orders > s.fresh or params.allow_short or params.has_rules:
        return False
    if params.has_limits or params.has_instruments:
        return False  # what they can carry changes with every price, what is a lot with every asset
    if s.cash <= 0.0:
        return True
    return cash_buys_no_lot(t, market, params, book, tape) if params.lot > 0.0 else s.cash < RESIDUE * s.equity


@inlined
def chains_may_act(t, market, params, book, tape):
    """Is there a chain to look at?"""
    return book.state[0].waiting > 0 and not is_starved(t, market, params, book, tape)


@inlined
def reaches_rules(t, market, params, book):
    """Can any rule of a held position act on bar t, at its open or inside? Both lie in the bar's range."""
    s = book.state[0]
    if not params.has_rules:
        return False
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if rules_reached(market.high[t, a], market.low[t, a], market.close[t, a], p, params):
            return True
    return False


@inlined
def something_executes(busy, t, market, params, book):
    """Orders in chains, orders just decided, or a rule in reach: without any of them clauses 2 to 4.2 find nothing."""
    s = book.state[0]
    return busy or s.orders > s.fresh or reaches_rules(t, market, params, book)


@inlined
def walks_inside(params, book):
    """Clause 3 needs a chain or a rule."""
    return book.state[0].waiting > 0 or params.has_rules


@inlined
def settles(t, intents, book):
    """4.5 needs a position, or an asset that goes stale."""
    return book.state[0].held > 0 or intents.events[t] & EVENT_STALE


@inlined
def decides(t, intents, book):
    """4.6 needs an intent of this bar; a bankrupt account decides nothing any more."""
    return intents.events[t] != 0 and not book.state[0].frozen


@inlined
def executes_at_decision(params, book):
    """4.7 needs an order decided on this bar."""
    s = book.state[0]
    return params.same_bar and s.orders > s.fresh and not s.frozen


# Chains --------------------------------------------------------------------------------------------------------------


@compiled
def wake_chains(t, market, book, tape):
    """1.6, and which chains this bar has to look at: bands that changed are made anew, what cannot act goes to sleep.

    A chain that no bar of the next blocks reaches sleeps; whether it may is asked when its band has changed and at the
    first bar of each block, since asking on every bar is what sleep replaces.
    """
    s = book.state[0]
    n = 0
    for j in range(s.waiting):
        a = book.waiting[j]
        q = book.queues[a]
        changed = q.dirty != 0 or t % BLOCK == 0
        if q.dirty:
            remake_band(a, book, tape)
        if q.expiry <= t:
            expire_chain(a, t, book, tape)
        if q.count == 0:
            stop_waiting(q)
        elif changed and falls_asleep(t, a, market, book):
            q.listed = ASLEEP
        else:
            book.waiting[n] = a
            n += 1
    s.waiting = n
