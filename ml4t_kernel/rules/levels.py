"""Levels of the position rules: stop loss, take profit, break-even, trailing stop (clauses 5.1, 5.2). Pure records."""

from math import inf

from ml4t_kernel.compile.jit import leaf
from ml4t_kernel.money.prices import meets_limit, reaches
from ml4t_kernel.schema import Origin

STOP_LOSS, TAKE_PROFIT = int(Origin.STOP_LOSS), int(Origin.TAKE_PROFIT)
TRAILING, BREAK_EVEN = int(Origin.TRAILING_STOP), int(Origin.BREAK_EVEN)


@leaf
def own_or_default(own, default):
    return default if own != own else own


@leaf
def adopt_rules(p, d, rule, params):
    """The position carries the rules of the order that opened it (its detail, its row of rules); NaN: the
    run-wide value."""
    p.stop_loss = own_or_default(rule.stop_loss, params.stop_loss)
    p.take_profit = own_or_default(rule.take_profit, params.take_profit)
    p.trailing_stop = own_or_default(rule.trailing_stop, params.trailing_stop)
    p.trail_activation = own_or_default(rule.trail_activation, params.trail_activation)
    p.break_even = own_or_default(rule.break_even, params.break_even)
    p.stop_price = d.stop_price
    p.target_price = d.target_price
    p.time_exit = params.time_exit
    if rule.time_exit == rule.time_exit:
        p.time_exit = 0 if rule.time_exit == inf else int(rule.time_exit)
    p.armed = 0
    p.even = 0
    p.goal_met_bar = -1


@leaf
def arm(side, p):
    """Activation of the trail and of break-even by the mark in force; both stay until flat."""
    if not (p.basis > 0.0):
        return  # a fraction of it names no price
    if not p.armed and p.trailing_stop < inf and reaches(side, p.mark, p.basis * (1.0 + side * p.trail_activation)):
        p.armed = 1
    if not p.even and p.break_even < inf and reaches(side, p.mark, p.basis * (1.0 + side * p.break_even)):
        p.even = 1


@leaf
def fraction_level(side, base, fraction):
    """The price `fraction` from `base` on `side` (1 above, -1 below) of it.

    No price (infinitely far) when the fraction is off, or when dividends have carried the base to zero or below (5.1).
    """
    if fraction < inf and base > 0.0:
        return base * (1.0 + side * fraction)
    return side * inf


@leaf
def set_levels(p):
    """Stop and take profit in force from basis, average price and water mark; stop_origin names the binding rule."""
    side = 1.0 if p.shares > 0.0 else -1.0
    arm(side, p)
    stop = p.stop_price
    if stop != stop:
        stop = fraction_level(-side, p.basis, p.stop_loss)
    p.stop_origin = STOP_LOSS
    if p.even and side * (p.avg - stop) > 0.0:
        stop = p.avg
        p.stop_origin = BREAK_EVEN
    if p.armed:
        trail = fraction_level(-side, p.mark, p.trailing_stop)
        if side * (trail - stop) > 0.0:
            stop = trail
            p.stop_origin = TRAILING
    p.stop = stop
    p.goal = p.target_price
    if p.goal != p.goal:
        p.goal = fraction_level(side, p.basis, p.take_profit)
    p.stale_levels = 0


@leaf
def own_trail(high, low, p):
    """Trailing level from this bar's own extreme of an armed trail (3.1)."""
    if p.shares > 0.0:
        return fraction_level(-1.0, max(p.mark, high), p.trailing_stop)
    return fraction_level(1.0, min(p.mark, low), p.trailing_stop)


@leaf
def stop_hit(price, p):
    """Is the price at the stop or beyond it, against the holder?"""
    return reaches(-1.0 if p.shares > 0.0 else 1.0, price, p.stop)


@leaf
def goal_hit(price, p, through):
    return meets_limit(1.0 if p.shares > 0.0 else -1.0, price, p.goal, through)


@leaf
def levels_in_range(high, low, p, params):
    """Can a rule of the position act on a bar of this range?"""
    if p.shares > 0.0:
        return reaches(-1.0, low, p.stop) or meets_limit(1.0, high, p.goal, params.limit_through)
    return reaches(1.0, high, p.stop) or meets_limit(-1.0, low, p.goal, params.limit_through)


@leaf
def trail_proven(high, low, close, p, params):
    """Does the close lie at or through the trail of this bar's own extreme?"""
    if not p.armed or params.mark_close:
        return False
    return reaches(-1.0 if p.shares > 0.0 else 1.0, close, own_trail(high, low, p))


@leaf
def rules_reached(high, low, close, p, params):
    """Can a rule of the position act on this bar, or be proved by its close?"""
    return levels_in_range(high, low, p, params) or trail_proven(high, low, close, p, params)
