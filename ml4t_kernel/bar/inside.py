"""Inside the bar each asset is walked alone: levels nearest first on one side of the open, then on the other (3).

Which side came first is not known: the tie policy says. What is born on the way meets certain levels at once, others
only if the close proves them.
"""

from math import inf

from ml4t_kernel.bar.meeting import (
    NOTHING,
    RULE_STOP,
    RULE_TAKE_PROFIT,
    meet,
    meet_awaited,
    prove_trailing_orders,
    prove_trailing_rule,
)
from ml4t_kernel.bar.rule_orders import stop_is_idle, take_profit_is_idle
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.compile.sorting import sort_rows, sort_rows_by_key
from ml4t_kernel.money.ledger import buying_power
from ml4t_kernel.money.limits import funds, leverage_room
from ml4t_kernel.money.prices import absent, meets_limit, present, reaches
from ml4t_kernel.orders.chains import remake_band, wakes_inside
from ml4t_kernel.orders.reach import (
    awaits_proof,
    born_on,
    certain,
    in_range,
    is_exit,
    may_act_inside,
    note_ambiguous,
)
from ml4t_kernel.orders.types import act_level, acts_upward
from ml4t_kernel.rules.levels import rules_reached
from ml4t_kernel.schema import INSIDE, NO_ROW, OPTIMISTIC, PESSIMISTIC, TWO_SIDED

# The nearest level on one side ---------------------------------------------------------------------------------------


@inlined
def precedes(distance, exit_, rank, row, best_distance, best_exit, best_rank, best_row):
    """Nearest first; at equal prices exits first, orders by row before rules; then entries by rank and row."""
    # Exact comparison: levels that are equal to the last bit tie, and the next keys decide.
    if distance != best_distance:
        return distance < best_distance
    if exit_ != best_exit:
        return exit_
    if not exit_ and rank != best_rank:
        return rank < best_rank
    if (row < 0) != (best_row < 0):
        return best_row < 0
    return row < best_row if row >= 0 else row > best_row


@inlined
def nearest_rule(t, a, side, market, params, book, tape):
    """RULE_STOP, RULE_TAKE_PROFIT or NOTHING: the rule level of the position that this side meets next."""
    p = book.positions[a]
    if not params.has_rules or p.shares == 0.0 or not stop_is_idle(p, tape):
        return NOTHING
    adverse = -1.0 if p.shares > 0.0 else 1.0
    born = born_on(t, p)
    extreme = market.high[t, a] if side > 0.0 else market.low[t, a]
    if side == adverse:
        if reaches(side, extreme, p.stop_level) and (not born or certain(side, p.stop_level, p)):
            return RULE_STOP
        return NOTHING
    if (
        p.take_profit_met_bar != t
        and take_profit_is_idle(p, tape)
        and meets_limit(side, extreme, p.take_profit_level, params.limit_through)
    ):
        if not born or certain(side, p.take_profit_level, p):
            return RULE_TAKE_PROFIT
    return NOTHING


@compiled
def nearest_on(t, a, side, market, params, book, tape):
    """The order row, RULE_STOP or RULE_TAKE_PROFIT that this side of the open meets next; NOTHING if none."""
    p = book.positions[a]
    open_, high, low = market.open[t, a], market.high[t, a], market.low[t, a]
    best = nearest_rule(t, a, side, market, params, book, tape)
    best_distance, best_exit, best_rank = inf, False, 0.0
    if best != NOTHING:
        level = p.stop_level if best == RULE_STOP else p.take_profit_level
        best_distance, best_exit = max(0.0, side * (level - open_)), True
    for j in range(book.work[0].reachable):
        d = tape.details[book.queue[j]]
        if not may_act_inside(t, d) or acts_upward(d) != (side > 0.0) or not in_range(high, low, d, params):
            continue
        if awaits_proof(t, side, d, p):
            continue
        distance = max(0.0, side * (act_level(d) - open_))
        exit_ = is_exit(d, p)
        rank = d.rank if params.rank_given else 0.0
        if best == NOTHING or precedes(distance, exit_, rank, d.order, best_distance, best_exit, best_rank, best):
            best, best_distance, best_exit, best_rank = d.order, distance, exit_, rank
    return best


@inlined
def next_on(t, a, side, market, params, book, tape):
    """What this side of the open meets next; most assets have no orders in reach."""
    if book.work[0].reachable > 0:
        return nearest_on(t, a, side, market, params, book, tape)
    return nearest_rule(t, a, side, market, params, book, tape)


# The walk ------------------------------------------------------------------------------------------------------------


@inlined
def first_side(t, a, params, market, book):
    """1 up first, -1 down first (3.0)."""
    p = book.positions[a]
    open_ = market.open[t, a]
    up, down = market.high[t, a] - open_, open_ - market.low[t, a]
    if p.shares == 0.0:
        return 1.0 if up < down else -1.0
    adverse = -1.0 if p.shares > 0.0 else 1.0
    if params.tie == PESSIMISTIC:
        return adverse
    if params.tie == OPTIMISTIC:
        return -adverse
    if up == down:
        return adverse
    return 1.0 if up < down else -1.0


@compiled
def list_reachable(t, a, market, params, book, tape):
    """The asset's orders that this bar reaches, rows of details in book.queue; children born on the way are added.

    One search of the chain a bar: searching it anew for every level met grows with the square of its length.
    """
    w = book.work[0]
    high, low = market.high[t, a], market.low[t, a]
    w.reachable = 0
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        if may_act_inside(t, d) and in_range(high, low, d, params):
            book.queue[w.reachable] = i
            w.reachable += 1
        i = d.next


@compiled
def note_two_sided(t, a, market, params, book, tape):
    """TWO_SIDED if levels on both sides of the open lie in the bar's range."""
    p = book.positions[a]
    high, low = market.high[t, a], market.low[t, a]
    up = down = False
    if params.has_rules and p.shares != 0.0 and stop_is_idle(p, tape):
        adverse = -1.0 if p.shares > 0.0 else 1.0
        stop_met = reaches(adverse, low if adverse < 0.0 else high, p.stop_level)
        take_profit_met = take_profit_is_idle(p, tape) and meets_limit(
            -adverse, high if adverse < 0.0 else low, p.take_profit_level, params.limit_through
        )
        down = stop_met if adverse < 0.0 else take_profit_met
        up = take_profit_met if adverse < 0.0 else stop_met
    for j in range(book.work[0].reachable):
        d = tape.details[book.queue[j]]
        if not d.reduce_only or is_exit(d, p):
            if acts_upward(d):
                up = True
            else:
                down = True
    if up and down:
        note_ambiguous(t, a, TWO_SIDED, book, tape)


@compiled
def walk_asset(t, a, market, intents, params, book, tape):
    """One asset through one bar."""
    w = book.work[0]
    born = w.births_inside
    w.phase = INSIDE
    w.phase_price = market.open[t, a]
    w.reachable = 0
    if book.queues[a].count > 0:
        list_reachable(t, a, market, params, book, tape)
    # Counted before the walk: afterwards one side has changed what the other would have met.
    note_two_sided(t, a, market, params, book, tape)
    side = first_side(t, a, params, market, book)
    for _ in range(2):
        found = next_on(t, a, side, market, params, book, tape)
        while found != NOTHING:
            meet(t, a, found, side, market, intents, params, book, tape)
            if book.positions[a].shares == 0.0 and book.queues[a].count == 0:
                return  # nothing is left that could act
            found = next_on(t, a, side, market, params, book, tape)
        side = -side
    # Only a birth leaves levels that the walk could not decide.
    if w.births_inside != born:
        meet_awaited(t, a, market, intents, params, book, tape)
    if book.queues[a].trailing > 0:
        prove_trailing_orders(t, a, market, intents, params, book, tape)
    prove_trailing_rule(t, a, market, intents, params, book, tape)


# Which assets, in which order (3.4) ----------------------------------------------------------------------------------


@compiled
def list_awake(t, market, params, book, tape):
    """Assets with a chain or a rule that this bar can reach, in book.inside; returns how many."""
    s = book.state[0]
    n = 0
    for j in range(s.waiting):
        a = book.waiting[j]
        close = market.close[t, a]
        q = book.queues[a]
        if q.dirty:
            remake_band(a, book, tape)
        # A bar without a close does not exist for the asset, whatever its other columns say.
        if present(close) and wakes_inside(market.high[t, a], market.low[t, a], q):
            book.positions[a].walk_bar = t
            book.inside[n] = a
            n += 1
    if params.has_rules:
        for j in range(s.held):
            a = book.held[j]
            p = book.positions[a]
            close = market.close[t, a]
            if p.shares == 0.0 or absent(close) or p.walk_bar == t:
                continue
            high, low = market.high[t, a], market.low[t, a]
            if rules_reached(high, low, close, p, params):
                p.walk_bar = t
                book.inside[n] = a
                n += 1
    return n


@compiled
def best_entry(t, a, params, book, tape):
    """Row of the asset's best-ranked live entry order, -1 if none."""
    p = book.positions[a]
    best_rank, best = inf, NO_ROW
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        if d.reduce_only or is_exit(d, p) or not may_act_inside(t, d) or absent(act_level(d)):
            continue  # a trailing order without a mark has no level and cannot act
        rank = d.rank if params.rank_given else 0.0
        if best < 0 or rank < best_rank or (rank == best_rank and d.order < best):
            best_rank, best = rank, d.order
    return best


@cold
def order_assets(t, n, params, book, tape):
    """Sort book.inside by the best-ranked live entry of each asset, then by index."""
    ranked = plain = 0
    for j in range(n):
        a = book.inside[j]
        row = best_entry(t, a, params, book, tape)
        if row >= 0:
            book.queue[ranked] = row
            book.key_rank[ranked] = tape.details[tape.orders[row].detail].rank if params.rank_given else 0.0
            ranked += 1
        else:
            book.exits[plain] = a
            plain += 1
    sort_rows_by_key(book.queue, book.key_rank, ranked)
    sort_rows(book.exits, plain)
    for j in range(ranked):
        book.inside[j] = tape.orders[book.queue[j]].asset
    for j in range(plain):
        book.inside[ranked + j] = book.exits[j]


@compiled
def fill_inside_bar(t, market, intents, params, book, tape):
    """Clause 3 for every asset that the bar can reach."""
    w = book.work[0]
    n = list_awake(t, market, params, book, tape)
    if n == 0:
        return
    s = book.state[0]
    if params.has_limits:
        w.spendable, w.leeway = funds(w, s, params), leverage_room(w, s, params)
    else:
        w.spendable = buying_power(w, s)
    # One asset needs no order; with several, whoever enters first takes the cash (3.4).
    if n > 1:
        order_assets(t, n, params, book, tape)
    for j in range(n):
        walk_asset(t, book.inside[j], market, intents, params, book, tape)
