"""Levels of the position rules: stop loss, take profit, break-even, trailing stop (clauses 5.1, 5.2). Pure records."""

from math import inf

from ml4t_kernel.compile.jit import inlined
from ml4t_kernel.money.prices import absent, meets_limit, present, reaches
from ml4t_kernel.schema import NO_ROW, O_BREAK_EVEN, O_STOP_LOSS, O_TRAILING_STOP


@inlined
def own_or_default(own, default):
    return default if absent(own) else own


@inlined
def adopt_rules(p, d, rule, params):
    """The position carries the rules of the order that opened it (detail and row of rules); NaN: the run-wide value."""
    p.stop_loss = own_or_default(rule.stop_loss, params.stop_loss)
    p.take_profit = own_or_default(rule.take_profit, params.take_profit)
    p.trailing_stop = own_or_default(rule.trailing_stop, params.trailing_stop)
    p.trail_activation = own_or_default(rule.trail_activation, params.trail_activation)
    p.break_even = own_or_default(rule.break_even, params.break_even)
    p.stop_loss_price = d.stop_loss_price
    p.take_profit_price = d.take_profit_price
    p.time_exit = params.time_exit
    if present(rule.time_exit):
        p.time_exit = 0 if rule.time_exit == inf else int(rule.time_exit)
    p.armed = 0
    p.even = 0
    p.take_profit_met_bar = NO_ROW


@inlined
def at_activation(side, fraction, p):
    """Has the water mark come `fraction` beyond the basis, in favour of the holder?"""
    return reaches(side, p.water_mark, p.basis * (1.0 + side * fraction))


@inlined
def arm(side, p):
    """Activation of the trail and of break-even by the mark in force; both stay until flat."""
    if not (p.basis > 0.0):
        return  # a fraction of it names no price
    if not p.armed and p.trailing_stop < inf and at_activation(side, p.trail_activation, p):
        p.armed = 1
    if not p.even and p.break_even < inf and at_activation(side, p.break_even, p):
        p.even = 1


@inlined
def fraction_level(side, base, fraction):
    """The price `fraction` from `base` on `side` (1 above, -1 below) of it.

    No price (infinitely far) when the fraction is off, or when dividends have carried the base to zero or below (5.1).
    """
    if fraction < inf and base > 0.0:
        return base * (1.0 + side * fraction)
    return side * inf


@inlined
def raise_to_trail(side, p):
    """The trail of the water mark is the stop where it is above the stop in force."""
    trail = fraction_level(-side, p.water_mark, p.trailing_stop)
    if side * trail > side * p.stop_level:
        p.stop_level = trail
        p.stop_origin = O_TRAILING_STOP


@inlined
def set_levels(p):
    """Stop and take profit in force from basis, average price and water mark; stop_origin names the binding rule."""
    side = 1.0 if p.shares > 0.0 else -1.0
    arm(side, p)
    stop = p.stop_loss_price
    if absent(stop):
        stop = fraction_level(-side, p.basis, p.stop_loss)
    p.stop_origin = O_STOP_LOSS
    # Strictly above: where two levels are equal the earlier name stands, stop loss before break-even before trail.
    if p.even and side * (p.avg - stop) > 0.0:
        stop = p.avg
        p.stop_origin = O_BREAK_EVEN
    p.stop_level = stop
    if p.armed:
        raise_to_trail(side, p)
    p.take_profit_level = p.take_profit_price
    if absent(p.take_profit_level):
        p.take_profit_level = fraction_level(side, p.basis, p.take_profit)
    p.stale_levels = 0


@inlined
def follow_water_mark(p):
    """`set_levels` once the water mark has moved in favour: where nothing else has, the trail alone can follow.

    The stop in force is the first level or an earlier trail, and no trail lies above one of a better mark, since its
    fraction is below 1: so the last is compared with all of them, as `set_levels` would.
    """
    unarmed = not p.armed and p.trailing_stop < inf
    if unarmed or p.stale_levels or (not p.even and p.break_even < inf):
        set_levels(p)
    elif p.armed:
        raise_to_trail(1.0 if p.shares > 0.0 else -1.0, p)


@inlined
def own_trail(high, low, p):
    """Trailing level from this bar's own extreme of an armed trail (3.1)."""
    if p.shares > 0.0:
        return fraction_level(-1.0, max(p.water_mark, high), p.trailing_stop)
    return fraction_level(1.0, min(p.water_mark, low), p.trailing_stop)


@inlined
def stop_hit(price, p):
    """Is the price at the stop or beyond it, against the holder?"""
    return reaches(-1.0 if p.shares > 0.0 else 1.0, price, p.stop_level)


@inlined
def take_profit_hit(price, p, through):
    return meets_limit(1.0 if p.shares > 0.0 else -1.0, price, p.take_profit_level, through)


@inlined
def rules_hit(price, p, through):
    """Is the price at either level in force, or beyond it?"""
    return stop_hit(price, p) or take_profit_hit(price, p, through)


@inlined
def levels_in_range(high, low, p, params):
    """Can a rule of the position act on a bar of this range?"""
    if p.shares > 0.0:
        return reaches(-1.0, low, p.stop_level) or meets_limit(1.0, high, p.take_profit_level, params.limit_through)
    return reaches(1.0, high, p.stop_level) or meets_limit(-1.0, low, p.take_profit_level, params.limit_through)


@inlined
def trail_proven(high, low, close, p, params):
    """Does the close lie at or through the trail of this bar's own extreme?"""
    # A mark of closes cannot be raised by the bar's own extreme, and an unarmed trail is armed at 4.4 only.
    if not p.armed or params.water_mark_close:
        return False
    return reaches(-1.0 if p.shares > 0.0 else 1.0, close, own_trail(high, low, p))


@inlined
def rules_reached(high, low, close, p, params):
    """Can a rule of the position act on this bar, or be proved by its close?"""
    return levels_in_range(high, low, p, params) or trail_proven(high, low, close, p, params)
