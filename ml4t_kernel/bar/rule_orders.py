"""Position rules become orders: the birth of a rule order, at the open, inside the bar and at the close (5.1, 5.2)."""

from ml4t_kernel.bar.fills import (
    budgeted,
    draft_met_order,
    fill_at_turn,
    fill_once,
    look_up,
    pull_trigger,
    rest_at,
    take,
    take_as_stop,
)
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.compile.sorting import sort_rows
from ml4t_kernel.money.prices import meets_limit, present, reaches, worst_price
from ml4t_kernel.orders.birth import detail_of, new_order
from ml4t_kernel.orders.chains import chain
from ml4t_kernel.orders.life import end_order
from ml4t_kernel.orders.types import (
    act_level,
    acts_as_limit,
    acts_as_market,
    is_open,
    limit_of,
    may_act_at_birth,
    rests_inside,
)
from ml4t_kernel.rules.levels import rules_hit, set_levels, stop_hit, take_profit_hit
from ml4t_kernel.schema import (
    ADDED,
    CANCELLED,
    DECISION_CLOSE,
    INSIDE,
    LIMIT,
    LIVE,
    MARKET,
    NO_ROW,
    O_TAKE_PROFIT,
    O_TIME_EXIT,
    OPEN,
    R_GROUP,
    STOP,
    STOP_LIMIT,
)


@inlined
def stop_is_idle(p, tape):
    """No stop or time exit of the position lives."""
    if p.stop_order >= 0 and not is_open(tape.orders[p.stop_order]):
        p.stop_order = NO_ROW
    return p.stop_order < 0


@inlined
def take_profit_is_idle(p, tape):
    if p.take_profit_order >= 0 and not is_open(tape.orders[p.take_profit_order]):
        p.take_profit_order = NO_ROW
    return p.take_profit_order < 0


@inlined
def new_rule_order(t, a, kind, origin, book, tape):
    """A reduce-only order for the whole position; returns its row."""
    k = new_order(t, a, -book.positions[a].shares, kind, origin, book, tape)
    tape.orders[k].reduce_only = 1
    return k


@compiled
def drop_take_profit(a, t, book, tape):
    """A stop or time exit takes the rest of the take profit out."""
    p = book.positions[a]
    if p.take_profit_order >= 0 and is_open(tape.orders[p.take_profit_order]):
        end_order(p.take_profit_order, CANCELLED, R_GROUP, t, book, tape)
    p.take_profit_order = NO_ROW


@inlined
def fire_stop(t, a, level, market, intents, params, book, tape):
    """The stop in force is met at `level`: one order for the whole position; its rest goes at the next opens."""
    w = book.work[0]
    p = book.positions[a]
    k = new_rule_order(t, a, STOP, p.stop_origin, book, tape)
    o = tape.orders[k]
    o.status = LIVE
    p.stop_order = k
    drop_take_profit(a, t, book, tape)
    take_as_stop(level, worst_price(o.left), w)
    w.entry = 0
    fill_once(t, k, o.left, market, intents, params, book, tape)
    if is_open(o):
        i = detail_of(k, book, tape)
        # The cap has left a part: it is a market order now, at the opens to come.
        tape.details[i].triggered = 1
        chain(k, book, tape)


@compiled
def fire_take_profit(t, a, level, resting, market, intents, params, book, tape):
    """The take profit is met: a limit at its level, for what the volume budget allows; its rest waits there.

    resting: it is met where it rests; otherwise the price is better already (level: that price) and it takes it.
    """
    w = book.work[0]
    p = book.positions[a]
    look_up(t, a, w, market, params)
    if params.needs_volume:
        # A resting limit without budget has not traded: no order, and not another try in this bar.
        if not (budgeted(t, a, abs(p.shares), market, params, book) > 0.0):
            p.take_profit_met_bar = t
            return
    k = new_rule_order(t, a, LIMIT, O_TAKE_PROFIT, book, tape)
    o = tape.orders[k]
    o.status = LIVE
    p.take_profit_order = k
    limit = p.take_profit_level
    if resting:
        rest_at(limit, w)
    else:
        take(level, limit, w)
    w.entry = 0
    fill_once(t, k, o.left, market, intents, params, book, tape)
    if is_open(o):
        i = detail_of(k, book, tape)
        tape.details[i].limit = limit
        tape.details[i].met_bar = t
        chain(k, book, tape)


@inlined
def rule_at_price(t, a, price, market, intents, params, book, tape):
    """The position's rules against one price, the open or the price it was born at: stop first, else take profit."""
    p = book.positions[a]
    phase = book.work[0].phase
    # Inside the bar additions leave the levels alone, at an open or deciding close they renew them once (5.1).
    if p.shares != 0.0 and p.stale_levels == ADDED and (phase == OPEN or phase == DECISION_CLOSE):
        set_levels(p)
    if p.shares == 0.0 or not stop_is_idle(p, tape):
        return
    through = params.limit_through or phase == INSIDE
    if stop_hit(price, p):
        fire_stop(t, a, price, market, intents, params, book, tape)
    elif take_profit_is_idle(p, tape) and p.take_profit_met_bar != t and take_profit_hit(price, p, through):
        fire_take_profit(t, a, price, False, market, intents, params, book, tape)


@inlined
def exit_by_rules(t, market, intents, params, book, tape):
    """2.1: the rules of held positions at the open, by asset."""
    s = book.state[0]
    hits = 0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        price = market.open[t, a]
        if p.shares != 0.0 and present(price) and rules_hit(price, p, params.limit_through):
            book.inside[hits] = a
            hits += 1
    if hits > 1:
        sort_rows(book.inside, hits)
    for i in range(hits):
        a = book.inside[i]
        book.work[0].phase_price = market.open[t, a]
        rule_at_price(t, a, market.open[t, a], market, intents, params, book, tape)


@compiled
def serve_passed_order(t, k, price, market, intents, params, book, tape):
    """An order that came alive at `price`: if its level is already passed it executes at that price, never better."""
    w = book.work[0]
    o = tape.orders[k]
    d = tape.details[o.detail]
    side = 1.0 if o.left > 0.0 else -1.0
    if acts_as_limit(d):
        if not meets_limit(-side, price, d.limit, params.limit_through or w.phase == INSIDE):
            return
        take(price, d.limit, w)
    elif not reaches(side, price, act_level(d)):
        return
    elif w.phase == INSIDE:
        if not draft_met_order(t, k, price, market.close[t, o.asset], book, tape):
            d.met_bar = t
            return
    else:
        pull_trigger(t, k, book, tape)
        if o.kind == STOP_LIMIT:
            if not meets_limit(-side, price, d.limit, params.limit_through):
                return
            take(price, d.limit, w)
        else:
            take_as_stop(price, limit_of(o, d), w)
    if w.phase == INSIDE:
        d.met_bar = t
    fill_at_turn(t, k, market, intents, params, book, tape)


@inlined
def came_alive(t, o, d, p, w):
    """Has the fill just made brought the order to life: a child born in this bar, an exit of a position born inside?"""
    if w.phase == INSIDE:
        if not rests_inside(o.time_in_force):
            return False
        return d.order >= w.born_from or (w.opened and o.reduce_only and o.left * p.shares < 0.0)
    return may_act_at_birth(o.time_in_force, w.phase == OPEN) and d.born_bar == t and d.order >= w.born_from


@compiled
def serve_passed_levels(t, a, price, market, intents, params, book, tape):
    """2.1, 3.2: levels passed when they come alive execute at the price of that moment: children, then rules."""
    w = book.work[0]
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if came_alive(t, o, d, book.positions[a], w) and d.met_bar != t and is_open(o) and not acts_as_market(d):
            serve_passed_order(t, d.order, price, market, intents, params, book, tape)
    if params.has_rules and (w.phase != INSIDE or w.opened):
        rule_at_price(t, a, price, market, intents, params, book, tape)


@cold
def decide_time_exits(t, book, tape):
    """4.5: a position held for its number of bars leaves by a market order at the next open; by asset."""
    s = book.state[0]
    due = 0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.time_exit > 0 and p.shares != 0.0 and t - p.born_bar + 1 >= p.time_exit and stop_is_idle(p, tape):
            book.inside[due] = a
            due += 1
    if due > 1:
        sort_rows(book.inside, due)
    for i in range(due):
        a = book.inside[i]
        drop_take_profit(a, t, book, tape)
        book.positions[a].stop_order = new_rule_order(t, a, MARKET, O_TIME_EXIT, book, tape)
