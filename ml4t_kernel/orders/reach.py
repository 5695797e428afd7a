"""What a bar says of an order's level (clause 3): reached or not, certain or not; bars that do not tell the order."""

from ml4t_kernel.compile.jit import cold, inlined
from ml4t_kernel.money.prices import meets_limit, reaches
from ml4t_kernel.orders.types import act_level, acts_as_limit, acts_as_market, acts_upward, rests_inside
from ml4t_kernel.schema import DOWN, ENTRY_BAR, NEITHER, TWO_SIDED, UP


@inlined
def may_act_inside(t, d):
    """Live, resting, not bound to the open or the close, not met on this bar."""
    if not d.chained or d.met_bar == t or acts_as_market(d):
        return False
    return rests_inside(d.time_in_force)


@inlined
def in_range(high, low, d, params):
    """Does the bar reach the order's level?"""
    if acts_upward(d):
        if acts_as_limit(d):
            return meets_limit(1.0, high, d.limit, params.limit_through)
        return reaches(1.0, high, act_level(d))
    if acts_as_limit(d):
        return meets_limit(-1.0, low, d.limit, params.limit_through)
    return reaches(-1.0, low, act_level(d))


@inlined
def is_exit(d, p):
    """Is the order opposite to the position?"""
    return p.shares < 0.0 if d.buys else p.shares > 0.0


@inlined
def born_side_of(side):
    """The move on `side` (1 up, -1 down, 0 not known) as a birth remembers it."""
    if side == 0.0:
        return NEITHER
    return UP if side > 0.0 else DOWN


@inlined
def further_along(side, level, born_side, born_at):
    """Is the level certainly met by the move on `side` (1 up, -1 down) that bore its holder at `born_at`? (3.2)"""
    # The other direction would need a trade at the level after the birth, which only the close can prove.
    return born_side == born_side_of(side) and side * (level - born_at) >= 0.0


@inlined
def is_late(t, born):
    """Was the order or position born on bar t after its open? It has not lived through the extremes of the bar."""
    return born.born_after_open != 0 and born.born_bar == t


@inlined
def born_on(t, p):
    """Is a position held that was born on bar t after its open?"""
    return p.shares != 0.0 and is_late(t, p)


@inlined
def certain(side, level, p):
    return further_along(side, level, p.born_side, p.born_at)


@inlined
def awaits_proof(t, side, d, p):
    """Is the order kept from being met on this side by a birth inside the bar?"""
    if is_late(t, d):
        return not further_along(side, act_level(d), d.born_side, d.born_at)
    if d.reduce_only and born_on(t, p) and is_exit(d, p):
        return not certain(side, act_level(d), p)
    return False


@cold
def note_ambiguous(t, a, kind, book, tape):
    """One row per bar, asset and kind."""
    s = book.state[0]
    p = book.positions[a]
    # Bits by kind, so that a bar with many levels makes one row of each.
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
