"""The price is at a level inside the bar: what is there acts; what only the close can prove comes last (3.1, 3.2)."""

from math import inf

from ml4t_kernel.bar.fills import at_price, draft_met_order, fill_at_turn, limit_of, pull_trigger
from ml4t_kernel.bar.rule_orders import fire_stop, fire_target, serve_passed_levels, stop_is_idle, target_is_idle
from ml4t_kernel.compile.jit import leaf, phase, rare, routine
from ml4t_kernel.money.prices import meets_limit, reaches
from ml4t_kernel.orders.life import act_level, acts_as_limit, acts_upward
from ml4t_kernel.orders.reach import ENTRY_BAR, TRAIL, born_on, in_range, is_exit, may_act_inside, note_ambiguous
from ml4t_kernel.rules.levels import TAKE_PROFIT, trail_proven
from ml4t_kernel.schema import TRAILING_STOP

NOTHING, RULE_STOP, RULE_GOAL = -1, -2, -3  # what a search found, besides order rows


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
    born = book.state[0].births_inside
    start_turn(book.state[0], w)
    fill_at_turn(t, k, market, intents, params, book, tape)
    if book.state[0].births_inside != born:
        serve_passed_levels(t, a, born_at, market, intents, params, book, tape)


@phase
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
            found, best = RULE_STOP, abs(p.stop - p.born_at)
    favourable = high if adverse < 0.0 else low
    if (
        p.goal_met_bar != t
        and target_is_idle(p, tape)
        and meets_limit(-adverse, favourable, p.goal, params.limit_through)
    ):
        proven = reaches(-adverse, close, p.goal)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        if awaited(assumed, False, proven) and abs(p.goal - p.born_at) < best:
            found, best = RULE_GOAL, abs(p.goal - p.born_at)
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
        if not d.reduce_only or not is_exit(d, p) or not (born_on(t, p) or (d.born_bar == t and d.born_after_open)):
            continue
        if not may_act_inside(t, d) or not in_range(high, low, d, params):
            continue
        level = act_level(d)
        proven = reaches(1.0 if acts_upward(d) else -1.0, close, level)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        distance = abs(level - (d.born_at if d.born_bar == t and d.born_after_open else p.born_at))
        if awaited(assumed, not acts_as_limit(d), proven):
            if distance < least or (distance == least and (best < 0 or d.order < best)):
                best, least = d.order, distance
    return best


@rare
def meet_awaited(t, a, market, intents, params, book, tape):
    """What the walk could not decide: adverse levels when they are assumed, then those that the close proves (3.2)."""
    for assumed in (True, False):
        if assumed and not params.entry_assumed:
            continue
        found = nearest_awaited(t, a, assumed, market, params, book, tape)
        while found != NOTHING:
            meet(t, a, found, 0.0, market, intents, params, book, tape)
            found = nearest_awaited(t, a, assumed, market, params, book, tape)


# Trails of this bar's own extreme (3.1) ------------------------------------------------------------------------------


@routine
def prove_trailing_rule(t, a, market, intents, params, book, tape):
    p = book.positions[a]
    if not params.has_rules or p.shares == 0.0 or not stop_is_idle(p, tape):
        return
    if p.entry_bar == t and p.born_after_open:
        return
    if trail_proven(market.high[t, a], market.low[t, a], market.close[t, a], p, params):
        if params.trail_proved:
            p.stop_origin = 7
            fire_stop(t, a, market.close[t, a], market, intents, params, book, tape)
        else:
            note_ambiguous(t, a, TRAIL, book, tape)


@rare
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
        if d.kind != TRAILING_STOP or not may_act_inside(t, d) or (d.born_bar == t and d.born_after_open):
            continue
        if d.reduce_only and not is_exit(d, p):
            continue
        if o.left > 0.0:
            proven = reaches(1.0, close, min(d.mark, close if params.mark_close else market.low[t, a]) + d.trail)
        else:
            proven = reaches(-1.0, close, max(d.mark, close if params.mark_close else market.high[t, a]) - d.trail)
        if proven and params.trail_proved:
            born = s.births_inside
            d.met_bar = t
            w.born_side = 0
            start_turn(s, w)
            pull_trigger(t, d.order, book, tape)
            at_price(close, limit_of(o, d), 0, 1, w)
            fill_at_turn(t, d.order, market, intents, params, book, tape)
            if s.births_inside != born:
                serve_passed_levels(t, a, close, market, intents, params, book, tape)
        elif proven:
            note_ambiguous(t, a, TRAIL, book, tape)
