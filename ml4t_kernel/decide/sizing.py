"""Sizes fixed in shares at the close that decides, and what refuses them (clauses 6.0, 6.3)."""

from math import nan

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.prices import RESIDUE, absent, floor_to_lot, present
from ml4t_kernel.orders.birth import new_detail, new_order, refuse_order
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import (
    A_SPLIT,
    FRACTION,
    G_DELISTED,
    G_STALE,
    MARKET,
    R_COOLDOWN,
    R_DELISTED,
    R_MARGIN_CALL,
    R_MINIMUM,
    R_NONE,
    SHARES,
    TARGET_FRACTION,
    TARGET_SHARES,
    TARGET_VALUE,
    VALUE,
)

# Sizes ---------------------------------------------------------------------------------------------------------------


@inlined
def is_target_size(size_type):
    """Does a size of this type order the difference to what is held, in a batch (2.3)?"""
    return size_type == TARGET_SHARES or size_type == TARGET_VALUE or size_type == TARGET_FRACTION


@inlined
def counts_shares(size_type):
    return size_type == SHARES or size_type == TARGET_SHARES


@inlined
def counts_value(size_type):
    return size_type == VALUE or size_type == TARGET_VALUE


@inlined
def counts_equity(size_type):
    """Is the size a fraction of equity?"""
    return size_type == FRACTION or size_type == TARGET_FRACTION


@inlined
def target_delta(target, held, lot, price, equity):
    """Shares to trade toward a target: floored to lots, dust is nothing; closing whole is exempt (6.3)."""
    if target == 0.0:
        return -held
    delta = target - held
    if lot > 0.0:
        return floor_to_lot(delta, lot)
    return delta if abs(delta) * price >= RESIDUE * equity else 0.0


# Prices and refusals -------------------------------------------------------------------------------------------------


@cold
def last_close(t, a, market):
    """Last close of the asset at or before t in today's shares; NaN if it never had a bar."""
    b = t
    while b >= 0 and absent(market.close[b, a]):
        b -= 1
    if b < 0:
        return nan
    price = market.close[b, a]
    for i in range(market.actions.shape[0]):
        row = market.actions[i]
        if row.bar > t:
            break
        if row.bar > b and row.asset == a and row.kind == A_SPLIT:
            price /= row.value
    return price


@inlined
def sizing_price(t, a, market, book):
    """Close of the deciding bar, or the last mark of an asset without a bar."""
    price = market.close[t, a]
    if absent(price):
        p = book.positions[a]
        price = p.mark if p.shares != 0.0 else last_close(t, a, market)
    return price


@compiled
def refuse(t, a, quantity, origin, reason, book, tape):
    """A decision that makes no order leaves its row."""
    refuse_order(new_order(t, a, quantity, MARKET, origin, book, tape), reason, t, book, tape)


@inlined
def is_reduction(quantity, held):
    return quantity * held < 0.0 and abs(quantity) <= abs(held) * (1.0 + RESIDUE)


@cold
def has_gone_stale(t, a, market):
    """Has the asset had no bar since it was last closed as stale? (4.5)"""
    since = -1
    for i in range(market.stale.shape[0]):
        row = market.stale[i]
        if row.asset == a and row.bar <= t:
            since = row.bar
    for b in range(since + 1, t + 1):
        if present(market.close[b, a]):
            return False
    return True


@inlined
def refusal(t, a, quantity, held, price, exempt, market, params, book):
    """Why an order of this quantity is refused at decision, R_NONE if it is not (6.3, 5.2, 4.5, 1.4).

    exempt: from min_notional.
    """
    p = book.positions[a]
    if not exempt and quantity != -held and params.min_notional > 0.0 and abs(quantity) * price < params.min_notional:
        return R_MINIMUM
    if t < p.cool_until and not is_reduction(quantity, held):
        return R_COOLDOWN
    if params.has_forced and book.state[0].called_bar == t and not (quantity * held < 0.0):
        return R_MARGIN_CALL
    if p.gone == G_DELISTED or (p.gone == G_STALE and has_gone_stale(t, a, market)):
        return R_DELISTED
    return R_NONE


@cold
def rest_of_forced(a, book, tape):
    """Signed shares that forced orders of the asset are still to trade, at most the position."""
    p = book.positions[a]
    rest = 0.0
    if p.called >= 0 and is_open(tape.orders[p.called]):
        rest += tape.orders[p.called].left
    if p.recalled >= 0 and is_open(tape.orders[p.recalled]):
        rest += tape.orders[p.recalled].left
    return rest if abs(rest) < abs(p.shares) else -p.shares


@inlined
def forced_rest(a, params, book, tape):
    """What of the position is going anyhow (6.0)."""
    return rest_of_forced(a, book, tape) if params.has_forced else 0.0


@cold
def bind_order(t, k, book, tape):
    """Reduce-only is what trades with a forced order, or against a position at a margin call (2.2, 4.6)."""
    s = book.state[0]
    o = tape.orders[k]
    called = s.called_bar == t and o.left * book.positions[o.asset].shares < 0.0
    if called or rest_of_forced(o.asset, book, tape) * o.left > 0.0:
        o.reduce_only = 1


@inlined
def bind_decision(t, k, params, book, tape):
    if params.has_forced:
        bind_order(t, k, book, tape)


@inlined
def submit_sized(t, a, quantity, origin, market, intents, params, book, tape):
    """A market order of a sized decision; returns its row."""
    k = new_order(t, a, quantity, MARKET, origin, book, tape)
    bind_decision(t, k, params, book, tape)
    rules = intents.asset_rules[a] if params.has_rules else 0
    if rules > 0 or params.basis_signal:
        d = tape.details[new_detail(k, book, tape)]
        d.rules = rules
        d.arrival = sizing_price(t, a, market, book)
        book.state[0].special = 1
    return k
