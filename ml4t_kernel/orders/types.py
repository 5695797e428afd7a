"""What follows from an order's type, time in force, state, reason and origin (clauses 1.7, 3, 8).

Members are listed, never tested as ranges: values are added at the end of an enum, and a range would take them in or
leave them out in silence. `tests/kernel/test_enums.py` classifies every member for every predicate.
"""

from ml4t_kernel.compile.jit import inlined
from ml4t_kernel.money.prices import worst_price
from ml4t_kernel.schema import (
    AT_CLOSE,
    AT_OPEN,
    BARS,
    DAY,
    DECIDED,
    GTC,
    IOC,
    LIMIT,
    LIVE,
    MARKET,
    O_BREAK_EVEN,
    O_CHILD,
    O_MARGIN_CALL,
    O_RECALL,
    O_SIGNAL_ENTRY,
    O_STOP_LOSS,
    O_TAKE_PROFIT,
    O_TARGET,
    O_TIME_EXIT,
    O_TRAILING_STOP,
    R_CASH,
    R_COOLDOWN,
    R_DIVIDEND,
    R_LEVERAGE,
    R_LOT,
    R_MARGIN,
    R_MARGIN_CALL,
    R_MINIMUM,
    R_NO_BORROW,
    R_NO_SHORT,
    R_VOLUME,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
)

# Members -------------------------------------------------------------------------------------------------------------


@inlined
def has_limit(kind):
    """Does the type carry a worst price?"""
    return kind == LIMIT or kind == STOP_LIMIT


@inlined
def has_fixed_stop(kind):
    """Does the type carry a stop that stays where it is?"""
    return kind == STOP or kind == STOP_LIMIT


@inlined
def rests_inside(time_in_force):
    """May an order with it act inside a bar?"""
    return time_in_force == GTC or time_in_force == DAY or time_in_force == BARS


@inlined
def acts_at_opens_only(time_in_force):
    """Is it bound to one open?"""
    return time_in_force == IOC or time_in_force == AT_OPEN


@inlined
def is_open_status(status):
    """Is an order in this state not over?"""
    return status == DECIDED or status == LIVE


@inlined
def is_cut(reason):
    """Does the reason say that account or market cut the order, rather than that somebody or something ended it?"""
    if reason == R_CASH or reason == R_NO_SHORT or reason == R_COOLDOWN or reason == R_MINIMUM or reason == R_LOT:
        return True
    if reason == R_MARGIN or reason == R_LEVERAGE or reason == R_MARGIN_CALL or reason == R_NO_BORROW:
        return True
    return reason == R_VOLUME or reason == R_DIVIDEND


@inlined
def is_stop_out(origin):
    """Does a fill of this origin that flattens start the cooldown (5.2)?"""
    return origin == O_STOP_LOSS or origin == O_TRAILING_STOP or origin == O_BREAK_EVEN


@inlined
def is_forced(origin):
    """Does the account trade because it must (1.5, 4.5)?"""
    return origin == O_MARGIN_CALL or origin == O_RECALL


@inlined
def exits_a_position(origin):
    """Is it the order of a position's rule or bracket, or a forced one, which ends with the position?"""
    if origin == O_CHILD or is_stop_out(origin) or origin == O_TAKE_PROFIT or origin == O_TIME_EXIT:
        return True
    return is_forced(origin)


@inlined
def is_sized_entry(origin):
    """Is it an order that a later target or signal of its asset replaces or withdraws (6.0, 4.6)?"""
    return origin == O_TARGET or origin == O_SIGNAL_ENTRY


# Orders --------------------------------------------------------------------------------------------------------------


@inlined
def is_open(o):
    return is_open_status(o.status)


@inlined
def acts_as_market(d):
    """A carried market order or a triggered stop: executable at any open, by nothing inside the bar."""
    if d.kind == MARKET:
        return True
    return d.triggered != 0 and (d.kind == STOP or d.kind == TRAILING_STOP)


@inlined
def acts_as_limit(d):
    return d.kind == LIMIT or (d.kind == STOP_LIMIT and d.triggered != 0)


@inlined
def trigger_level(d):
    """The stop of an untriggered stop, stop-limit or trailing order; NaN while a trailing order has no mark."""
    if d.kind == TRAILING_STOP:
        return d.water_mark + d.trail if d.buys else d.water_mark - d.trail
    return d.stop


@inlined
def act_level(d):
    return d.limit if acts_as_limit(d) else trigger_level(d)


@inlined
def acts_upward(d):
    """True if the price has to rise for the order to act inside the bar."""
    return (d.buys != 0) != acts_as_limit(d)


@inlined
def limit_of(o, d):
    """Worst price the order allows."""
    return d.limit if has_limit(o.kind) else worst_price(o.left)


@inlined
def may_act_at_birth(time_in_force, at_open):
    """May a child act at the moment of its birth? Not if it is bound to a phase that this moment is not (1.7)."""
    return rests_inside(time_in_force) or (at_open and acts_at_opens_only(time_in_force))


@inlined
def is_bound_to_a_phase(time_in_force):
    return acts_at_opens_only(time_in_force) or time_in_force == AT_CLOSE
