"""The price is at a level inside the bar: what is there acts; what only the close can prove comes last (3.1, 3.2)."""

from math import inf

from ml4t_kernel.bar.fills import draft_met_order, fill_at_turn, pull_trigger, take_as_stop
from ml4t_kernel.bar.rule_orders import (
    fire_stop,
    fire_take_profit,
    serve_passed_levels,
    stop_is_idle,
    take_profit_is_idle,
)
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.prices import meets_limit, reaches
from ml4t_kernel.orders.reach import born_on, born_side_of, in_range, is_exit, is_late, may_act_inside, note_ambiguous
from ml4t_kernel.orders.types import act_level, acts_as_limit, acts_upward, limit_of
from ml4t_kernel.rules.levels import trail_proven
from ml4t_kernel.schema import ENTRY_BAR, NEITHER, O_TAKE_PROFIT, O_TRAILING_STOP, TRAIL, TRAILING_STOP

NOTHING, RULE_STOP, RULE_TAKE_PROFIT = -1, -2, -3  # what a search found, besides order rows


# Meeting it ----------------------------------------------------------------------------------------------------------


@inlined
def start_turn(s, w):
    """From here on, what comes alive is the work of this turn."""
    w.opened = 0
    w.born_from = s.orders


@compiled
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
    w.born_side = born_side_of(side)
    if o.origin == O_TAKE_PROFIT:
        book.positions[a].take_profit_met_bar = t  # the rule it frees would act at a level that the bar has left behind
    # A stop-limit may trigger here and yet rest: then nothing is filled on this bar.
    if not draft_met_order(t, k, level, market.close[t, a], book, tape):
        return
    born_at = w.level
    born = w.births_inside
    start_turn(book.state[0], w)
    fill_at_turn(t, k, market, intents, params, book, tape)
    if w.births_inside != born:
        serve_passed_levels(t, a, born_at, market, intents, params, book, tape)


@inlined
def meet(t, a, found, side, market, intents, params, book, tape):
    if found >= 0:
        meet_order(t, found, side, market, intents, params, book, tape)
    elif found == RULE_STOP:
        fire_stop(t, a, book.positions[a].stop_level, market, intents, params, book, tape)
    else:
        fire_take_profit(t, a, book.positions[a].take_profit_level, True, market, intents, params, book, tape)


# What the close proves (3.2) -----------------------------------------------------------------------------------------


@inlined
def awaited(assumed, adverse, proven):
    """Is an undecided level met in this pass: adverse ones when assumed, then those that the close proves?"""
    return adverse if assumed else proven


@compiled
def awaited_rule(t, a, assumed, market, params, book, tape):
    """The rule level of a position born inside that this pass meets next: (what, distance from the birth)."""
    p = book.positions[a]
    if not params.has_rules or not born_on(t, p) or not stop_is_idle(p, tape):
        return NOTHING, inf
    high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
    adverse = -1.0 if p.shares > 0.0 else 1.0
    found, best = NOTHING, inf
    if reaches(adverse, low if adverse < 0.0 else high, p.stop_level):
        proven = reaches(adverse, close, p.stop_level)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        if awaited(assumed, True, proven):
            found, best = RULE_STOP, abs(p.stop_level - p.born_at)
    favourable = high if adverse < 0.0 else low
    if (
        p.take_profit_met_bar != t
        and take_profit_is_idle(p, tape)
        and meets_limit(-adverse, favourable, p.take_profit_level, params.limit_through)
    ):
        proven = reaches(-adverse, close, p.take_profit_level)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        if awaited(assumed, False, proven) and abs(p.take_profit_level - p.born_at) < best:
            found, best = RULE_TAKE_PROFIT, abs(p.take_profit_level - p.born_at)
    return found, best


@compiled
def nearest_awaited(t, a, assumed, market, params, book, tape):
    """The undecided level of what was born inside that this pass meets next; those left unproven are counted."""
    p = book.positions[a]
    high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
    best, least = awaited_rule(t, a, assumed, market, params, book, tape)
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        if not d.reduce_only or not is_exit(d, p) or not (born_on(t, p) or is_late(t, d)):
            continue
        if not may_act_inside(t, d) or not in_range(high, low, d, params):
            continue
        level = act_level(d)
        proven = reaches(1.0 if acts_upward(d) else -1.0, close, level)
        if not proven:
            note_ambiguous(t, a, ENTRY_BAR, book, tape)
        distance = abs(level - (d.born_at if is_late(t, d) else p.born_at))
        if awaited(assumed, not acts_as_limit(d), proven):
            if distance < least or (distance == least and (best < 0 or d.order < best)):
                best, least = d.order, distance
    return best


@cold
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


@compiled
def prove_trailing_rule(t, a, market, intents, params, book, tape):
    p = book.positions[a]
    if not params.has_rules or p.shares == 0.0 or not stop_is_idle(p, tape):
        return
    if is_late(t, p):
        return
    if trail_proven(market.high[t, a], market.low[t, a], market.close[t, a], p, params):
        if params.trail_proved:
            # The level in force may still be another rule's: what is proved is the trail.
            p.stop_origin = O_TRAILING_STOP
            fire_stop(t, a, market.close[t, a], market, intents, params, book, tape)
        else:
            note_ambiguous(t, a, TRAIL, book, tape)


@inlined
def own_trail_of(high, low, close, d, params):
    """Level of a trailing order from this bar's own extreme."""
    if d.buys:
        return min(d.water_mark, close if params.water_mark_close else low) + d.trail
    return max(d.water_mark, close if params.water_mark_close else high) - d.trail


@cold
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
        if d.kind != TRAILING_STOP or not may_act_inside(t, d) or is_late(t, d):
            continue
        if d.reduce_only and not is_exit(d, p):
            continue
        level = own_trail_of(market.high[t, a], market.low[t, a], close, d, params)
        proven = reaches(1.0 if d.buys else -1.0, close, level)
        if proven and params.trail_proved:
            born = w.births_inside
            d.met_bar = t
            w.born_side = NEITHER
            start_turn(s, w)
            pull_trigger(t, d.order, book, tape)
            take_as_stop(close, limit_of(o, d), w)
            fill_at_turn(t, d.order, market, intents, params, book, tape)
            if w.births_inside != born:
                serve_passed_levels(t, a, close, market, intents, params, book, tape)
        elif proven:
            note_ambiguous(t, a, TRAIL, book, tape)
