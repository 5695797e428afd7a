"""Inside the bar each asset is walked alone: levels nearest first on one side of the open, then on the other (clause 3).

Which side came first is not known: the tie policy says. What is born on the way meets certain levels at once, others only
if the close proves them.
"""

from math import inf

from .fills import at_price, draft_met_order, fill_at_turn, limit_of, pull_trigger
from .jit import leaf, phase, routine
from .levels import TAKE_PROFIT, levels_in_range, trail_proven
from .orders import act_level, acts_as_limit, acts_as_market, acts_upward, remake_band, wakes
from .prices import meets_limit, reaches
from .risk import fire_stop, fire_target, serve_passed_levels, stop_is_idle, target_is_idle
from .schema import IOC, TRAILING_STOP, Ambiguity, Tie
from .sorting import sort_rows, sort_rows_by_key

TWO_SIDED, ENTRY_BAR, TRAIL = int(Ambiguity.TWO_SIDED), int(Ambiguity.ENTRY_BAR), int(Ambiguity.TRAIL)
PESSIMISTIC, OPTIMISTIC = int(Tie.PESSIMISTIC), int(Tie.OPTIMISTIC)
INSIDE = 1
NOTHING, RULE_STOP, RULE_GOAL = -1, -2, -3  # what a search found, besides order rows


# One level -----------------------------------------------------------------------------------------------------------


@leaf
def may_act_inside(t, d):
    """Live, resting, not bound to the open or the close, not met on this bar."""
    if not d.chained or d.met_bar == t or acts_as_market(d):
        return False
    return d.time_in_force < IOC


@leaf
def in_range(high, low, d, params):
    """Does the bar reach the order's level?"""
    if acts_upward(d):
        if acts_as_limit(d):
            return meets_limit(1.0, high, d.limit, params.limit_through)
        return reaches(1.0, high, act_level(d))
    if acts_as_limit(d):
        return meets_limit(-1.0, low, d.limit, params.limit_through)
    return reaches(-1.0, low, act_level(d))


@leaf
def is_exit(d, p):
    """Is the order opposite to the position?"""
    return p.shares < 0.0 if d.buys else p.shares > 0.0


@leaf
def further_along(side, level, born_side, born_at):
    """Is the level certainly met by the move on `side` (1 up, -1 down) that bore its holder at `born_at`? (3.2)"""
    return born_side == (1 if side > 0.0 else 2) and side * (level - born_at) >= 0.0


@leaf
def born_on(t, p):
    """Was the position born inside bar t?"""
    return p.shares != 0.0 and p.born_inside != 0 and p.entry_bar == t


@leaf
def certain(side, level, p):
    return further_along(side, level, p.birth_side, p.birth_price)


@leaf
def awaits_proof(t, side, d, p):
    """Is the order kept from being met on this side by a birth inside the bar?"""
    if d.born_bar == t and d.born_inside:
        return not further_along(side, act_level(d), d.born_side, d.arrival)
    if d.reduce_only and born_on(t, p) and is_exit(d, p):
        return not certain(side, act_level(d), p)
    return False


# The nearest level on one side ---------------------------------------------------------------------------------------


@leaf
def precedes(distance, exit_, rank, row, best_distance, best_exit, best_rank, best_row):
    """Nearest first; at equal prices exits first, orders by row before rules; then entries by rank and row."""
    if distance != best_distance:
        return distance < best_distance
    if exit_ != best_exit:
        return exit_
    if not exit_ and rank != best_rank:
        return rank < best_rank
    if (row < 0) != (best_row < 0):
        return best_row < 0
    return row < best_row if row >= 0 else row > best_row


@routine
def nearest_rule(t, a, side, market, params, book, tape):
    """RULE_STOP, RULE_GOAL or NOTHING: the rule level of the position that this side meets next."""
    p = book.positions[a]
    if not params.has_rules or p.shares == 0.0 or not stop_is_idle(p, tape):
        return NOTHING
    adverse = -1.0 if p.shares > 0.0 else 1.0
    born = born_on(t, p)
    extreme = market.high[t, a] if side > 0.0 else market.low[t, a]
    if side == adverse:
        if reaches(side, extreme, p.stop) and (not born or certain(side, p.stop, p)):
            return RULE_STOP
        return NOTHING
    if p.goal_met_bar != t and target_is_idle(p, tape) and meets_limit(side, extreme, p.goal, params.limit_through):
        if not born or certain(side, p.goal, p):
            return RULE_GOAL
    return NOTHING


@routine
def nearest_on(t, a, side, market, params, book, tape):
    """The order row, RULE_STOP or RULE_GOAL that this side of the open meets next; NOTHING if none."""
    p = book.positions[a]
    open_, high, low = market.open[t, a], market.high[t, a], market.low[t, a]
    best = nearest_rule(t, a, side, market, params, book, tape)
    best_distance, best_exit, best_rank = inf, False, 0.0
    if best != NOTHING:
        level = p.stop if best == RULE_STOP else p.goal
        best_distance, best_exit = max(0.0, side * (level - open_)), True
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
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


# Meeting it ----------------------------------------------------------------------------------------------------------


@leaf
def start_turn(s, w):
    """From here on, what comes alive is the work of this turn."""
    w.opened = 0
    w.born_from = s.orders


@routine
def meet_order(t, k, side, market, intents, params, book, tape):
    """The price is at the order's level: trigger, price, both legs; what it opens meets its own levels.

    side: 1 on the way up, -1 down, 0 when the way is not known and nothing that is born here is certain.
    """
    w = book.work[0]
    o = tape.orders[k]
    d = tape.details[o.detail]
    a = o.asset
    d.met_bar = t
    level = act_level(d)
    w.born_side = 1 if side > 0.0 else 2 if side < 0.0 else 0
    if o.origin == TAKE_PROFIT:
        book.positions[a].goal_met_bar = t  # the rule it frees would act at a level that the bar has left behind
    if not draft_met_order(t, k, level, market.close[t, a], book, tape):
        return
    born_at = w.level
    born = book.state[0].born_inside
    start_turn(book.state[0], w)
    fill_at_turn(t, k, market, intents, params, book, tape)
    if book.state[0].born_inside != born:
        serve_passed_levels(t, a, born_at, market, intents, params, book, tape)


@routine
def meet(t, a, found, side, market, intents, params, book, tape):
    if found >= 0:
        meet_order(t, found, side, market, intents, params, book, tape)
    elif found == RULE_STOP:
        fire_stop(t, a, book.positions[a].stop, market, intents, params, book, tape)
    else:
        fire_target(t, a, book.positions[a].goal, 1, market, intents, params, book, tape)


# What the close proves (3.2) -----------------------------------------------------------------------------------------


@leaf
def awaited(assumed, adverse, proven):
    """Is an undecided level met in this pass: adverse ones when assumed, then those that the close proves?"""
    return adverse if assumed else proven


@routine
def awaited_rule(t, a, assumed, market, params, book, tape):
    """The rule level of a position born inside that this pass meets next: (what, distance from the birth)."""
    p = book.positions[a]
    if not params.has_rules or not born_on(t, p) or not stop_is_idle(p, tape):
        return NOTHING, inf
    high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
    adverse = -1.0 if p.shares > 0.0 else 1.0
    found, best = NOTHING, inf
    if reaches(adverse, low if adverse < 0.0 else high, p.stop):
        proven = reaches(adverse, close, p.stop)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        if awaited(assumed, True, proven):
            found, best = RULE_STOP, abs(p.stop - p.birth_price)
    favourable = high if adverse < 0.0 else low
    if p.goal_met_bar != t and target_is_idle(p, tape) and meets_limit(-adverse, favourable, p.goal, params.limit_through):
        proven = reaches(-adverse, close, p.goal)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        if awaited(assumed, False, proven) and abs(p.goal - p.birth_price) < best:
            found, best = RULE_GOAL, abs(p.goal - p.birth_price)
    return found, best


@routine
def nearest_awaited(t, a, assumed, market, params, book, tape):
    """The undecided level of what was born inside that this pass meets next; those left unproven are counted."""
    p = book.positions[a]
    high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
    best, least = awaited_rule(t, a, assumed, market, params, book, tape)
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if not d.reduce_only or not is_exit(d, p) or not (born_on(t, p) or (d.born_bar == t and d.born_inside)):
            continue
        if not may_act_inside(t, d) or not in_range(high, low, d, params):
            continue
        level = act_level(d)
        proven = reaches(1.0 if acts_upward(d) else -1.0, close, level)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        distance = abs(level - (d.arrival if d.born_bar == t and d.born_inside else p.birth_price))
        if awaited(assumed, not acts_as_limit(d), proven):
            if distance < least or (distance == least and (best < 0 or d.order < best)):
                best, least = d.order, distance
    return best


@routine
def meet_awaited(t, a, market, intents, params, book, tape):
    """What the walk could not decide: adverse levels when they are assumed, then those that the close proves (3.2)."""
    for assumed in (True, False):
        if assumed and not params.entry_assumed:
            continue
        found = nearest_awaited(t, a, assumed, market, params, book, tape)
        while found != NOTHING:
            meet(t, a, found, 0.0, market, intents, params, book, tape)
            found = nearest_awaited(t, a, assumed, market, params, book, tape)


@routine
def note_ambiguous(t, a, kind, book, tape):
    """One row per bar, asset and kind."""
    s = book.state[0]
    p = book.positions[a]
    if p.ambiguous_bar != t:
        p.ambiguous_bar = t
        p.ambiguous_kinds = 0
    bit = 1 << kind
    if p.ambiguous_kinds & bit:
        return
    p.ambiguous_kinds |= bit
    r = tape.ambiguous[s.ambiguous]
    r.bar = t
    r.asset = a
    r.kind = kind
    s.ambiguous += 1
    if kind == TWO_SIDED:
        s.two_sided += 1
    elif kind == ENTRY_BAR:
        s.entry_bars += 1
    else:
        s.trails += 1


# Trails of this bar's own extreme (3.1) ------------------------------------------------------------------------------


@routine
def prove_trailing_rule(t, a, market, intents, params, book, tape):
    p = book.positions[a]
    if not params.has_rules or p.shares == 0.0 or not stop_is_idle(p, tape):
        return
    if p.entry_bar == t and p.born_inside:
        return
    if trail_proven(market.high[t, a], market.low[t, a], market.close[t, a], p, params):
        if params.trail_proved:
            p.stop_origin = 7
            fire_stop(t, a, market.close[t, a], market, intents, params, book, tape)
        else:
            note_ambiguous(t, a, TRAIL, book, tape)


@routine
def prove_trailing_orders(t, a, market, intents, params, book, tape):
    s = book.state[0]
    p = book.positions[a]
    w = book.work[0]
    close = market.close[t, a]
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if d.kind != TRAILING_STOP or not may_act_inside(t, d) or (d.born_bar == t and d.born_inside):
            continue
        if d.reduce_only and not is_exit(d, p):
            continue
        if o.left > 0.0:
            proven = reaches(1.0, close, min(d.mark, close if params.mark_close else market.low[t, a]) + d.trail)
        else:
            proven = reaches(-1.0, close, max(d.mark, close if params.mark_close else market.high[t, a]) - d.trail)
        if proven and params.trail_proved:
            born = s.born_inside
            d.met_bar = t
            w.born_side = 0
            start_turn(s, w)
            pull_trigger(t, d.order, book, tape)
            at_price(close, limit_of(o, d), 0, 1, w)
            fill_at_turn(t, d.order, market, intents, params, book, tape)
            if s.born_inside != born:
                serve_passed_levels(t, a, close, market, intents, params, book, tape)
        elif proven:
            note_ambiguous(t, a, TRAIL, book, tape)


# The walk ------------------------------------------------------------------------------------------------------------


@phase
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


@routine
def note_two_sided(t, a, market, params, book, tape):
    """TWO_SIDED if levels on both sides of the open lie in the bar's range."""
    p = book.positions[a]
    high, low = market.high[t, a], market.low[t, a]
    up = down = False
    if params.has_rules and p.shares != 0.0 and stop_is_idle(p, tape):
        adverse = -1.0 if p.shares > 0.0 else 1.0
        stop_met = reaches(adverse, low if adverse < 0.0 else high, p.stop)
        goal_met = target_is_idle(p, tape) and meets_limit(
            -adverse, high if adverse < 0.0 else low, p.goal, params.limit_through
        )
        down = stop_met if adverse < 0.0 else goal_met
        up = goal_met if adverse < 0.0 else stop_met
    i = book.queues[a].head
    while i > 0 and not (up and down):
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if may_act_inside(t, d) and in_range(high, low, d, params) and (not d.reduce_only or is_exit(d, p)):
            if acts_upward(d):
                up = True
            else:
                down = True
    if up and down:
        note_ambiguous(t, a, TWO_SIDED, book, tape)


@routine
def walk_asset(t, a, market, intents, params, book, tape):
    """One asset through one bar."""
    s = book.state[0]
    w = book.work[0]
    born = s.born_inside
    w.phase = INSIDE
    w.mark = market.open[t, a]
    note_two_sided(t, a, market, params, book, tape)
    side = first_side(t, a, params, market, book)
    for _ in range(2):
        found = nearest_on(t, a, side, market, params, book, tape)
        while found != NOTHING:
            meet(t, a, found, side, market, intents, params, book, tape)
            found = nearest_on(t, a, side, market, params, book, tape)
        side = -side
    if s.born_inside != born:
        meet_awaited(t, a, market, intents, params, book, tape)
    if book.queues[a].trailing > 0 or book.queues[a].dirty:
        prove_trailing_orders(t, a, market, intents, params, book, tape)
    prove_trailing_rule(t, a, market, intents, params, book, tape)


# Which assets, in which order (3.4) ----------------------------------------------------------------------------------


@routine
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
        if close == close and wakes(market.high[t, a], market.low[t, a], q):
            book.positions[a].walk_bar = t
            book.inside[n] = a
            n += 1
    if params.has_rules:
        for j in range(s.held):
            a = book.held[j]
            p = book.positions[a]
            close = market.close[t, a]
            if p.shares == 0.0 or close != close or p.walk_bar == t:
                continue
            high, low = market.high[t, a], market.low[t, a]
            if levels_in_range(high, low, p, params) or trail_proven(high, low, close, p, params):
                p.walk_bar = t
                book.inside[n] = a
                n += 1
    return n


@routine
def best_entry(t, a, params, book, tape):
    """Row of the asset's best-ranked live entry order, -1 if none."""
    p = book.positions[a]
    best_rank, best = inf, -1
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if d.reduce_only or is_exit(d, p) or not may_act_inside(t, d):
            continue
        rank = d.rank if params.rank_given else 0.0
        if best < 0 or rank < best_rank or (rank == best_rank and d.order < best):
            best_rank, best = rank, d.order
    return best


@routine
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


@routine
def fill_inside_bar(t, market, intents, params, book, tape):
    """Clause 3 for every asset that the bar can reach."""
    s = book.state[0]
    n = list_awake(t, market, params, book, tape)
    if n == 0:
        return
    s.spendable = s.cash - 2.0 * s.short_value
    if n > 1:
        order_assets(t, n, params, book, tape)
    for j in range(n):
        walk_asset(t, book.inside[j], market, intents, params, book, tape)

