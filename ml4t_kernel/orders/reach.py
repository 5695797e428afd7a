"""What a bar says of an order's level: reached or not, certain or not; the bars that do not tell which came first
(3)."""

from ml4t_kernel.compile.jit import leaf, rare
from ml4t_kernel.money.prices import meets_limit, reaches
from ml4t_kernel.orders.life import act_level, acts_as_limit, acts_as_market, acts_upward
from ml4t_kernel.schema import IOC, Ambiguity

TWO_SIDED, ENTRY_BAR, TRAIL = int(Ambiguity.TWO_SIDED), int(Ambiguity.ENTRY_BAR), int(Ambiguity.TRAIL)


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
    return p.shares != 0.0 and p.born_after_open != 0 and p.entry_bar == t


@leaf
def certain(side, level, p):
    return further_along(side, level, p.born_side, p.born_at)


@leaf
def awaits_proof(t, side, d, p):
    """Is the order kept from being met on this side by a birth inside the bar?"""
    if d.born_bar == t and d.born_after_open:
        return not further_along(side, act_level(d), d.born_side, d.born_at)
    if d.reduce_only and born_on(t, p) and is_exit(d, p):
        return not certain(side, act_level(d), p)
    return False


@rare
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
