"""One slice of one order: volume budget, price, cash, ledger, and what it does to the orders tied to it."""

from math import inf, nan

from ml4t_kernel.bar.locates import locate
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.instruments import fixed_slippage, lot_of
from ml4t_kernel.money.ledger import (
    book_fill,
    cut_to_cash,
    draft_fill,
    refresh_budget,
    use_budget,
    value_shorts,
    within_budget,
)
from ml4t_kernel.money.limits import cut_to_limits, follow_fill
from ml4t_kernel.money.prices import RESIDUE, absent, present, reaches, slice_price
from ml4t_kernel.orders.birth import detail_of
from ml4t_kernel.orders.groups import NO_GROUP, cancel_group, release_flat, scale_group, serve_children
from ml4t_kernel.orders.life import cut_for, finish_filled, hold_back, refuse_rest
from ml4t_kernel.orders.types import acts_as_limit, is_open, is_stop_out, limit_of
from ml4t_kernel.rules.levels import adopt_rules, rules_hit, set_levels
from ml4t_kernel.schema import (
    ADDED,
    ALONE,
    DECISION_CLOSE,
    INSIDE,
    NEITHER,
    NO_ROW,
    OPEN,
    PER_ASSET,
    PER_BAR,
    R_NO_SHORT,
    STOP_LIMIT,
)

# How a slice executes ------------------------------------------------------------------------------------------------


@inlined
def half_spread_of(t, a, market, params):
    """Half the spread of the asset on the bar, a fraction of price; none where the data has none (7.1)."""
    spread = params.half_spread
    if params.spread_mode == PER_ASSET:
        spread = market.half_spread[0, a]
    elif params.spread_mode == PER_BAR:
        spread = market.half_spread[t, a]
    return 0.0 if absent(spread) else spread


@inlined
def look_up(t, a, w, market, params):
    """Market data the slice's price needs."""
    w.bar = t
    w.asset = a
    w.volume = inf
    w.sigma = nan
    if params.needs_volume:
        w.volume = market.volume[t, a]
        if params.impact_sigma != 0.0:
            w.sigma = market.sigma[t, a]
    w.half_spread = half_spread_of(t, a, market, params)
    if params.has_instruments:
        w.fixed = fixed_slippage(a, market, params)


@inlined
def begin_slice(t, k, want, o, w, market, params):
    """Whose slice this is, and the market data of its price."""
    w.want = want
    w.order = k
    w.origin = o.origin
    w.short_cash = 0
    w.batch = o.batch
    look_up(t, o.asset, w, market, params)


@inlined
def take(level, limit, w):
    """The slice takes liquidity at `level`, with costs, never beyond `limit`."""
    w.level = level
    w.limit = limit
    w.passive = 0
    w.stop = 0


@inlined
def take_as_stop(level, limit, w):
    """The same with the slippage of a stop."""
    w.level = level
    w.limit = limit
    w.passive = 0
    w.stop = 1


@inlined
def rest_at(level, w):
    """The slice rests at `level` and is met there: no costs but fees."""
    w.level = level
    w.limit = level
    w.passive = 1
    w.stop = 0


# One slice -----------------------------------------------------------------------------------------------------------


@inlined
def found_position(t, a, k, market, intents, params, book, tape):
    """A fill has just opened a position: list it, give it its rules and levels."""
    s = book.state[0]
    p = book.positions[a]
    if p.listed == 0:
        p.listed = 1
        book.active[a] = 1
        book.held[s.held] = a
        s.held += 1
    w = book.work[0]
    w.opened = 1
    p.born_after_open = w.phase != OPEN
    p.born_at = w.level
    p.born_side = w.born_side
    w.births_inside += w.phase == INSIDE
    p.stop_order = NO_ROW
    p.take_profit_order = NO_ROW
    if params.has_rules:
        detail = tape.orders[k].detail
        d = tape.details[detail]
        p.basis = p.avg
        if params.basis_signal and detail > 0 and present(d.arrival):
            p.basis = d.arrival
        adopt_rules(p, d, intents.rules[d.rules], params)
        set_levels(p)
        if p.time_exit > 0:
            s.timed = 1
            p.time_exit += w.phase == DECISION_CLOSE  # its first bar is the next (5.1)


@inlined
def budgeted(t, a, quantity, market, params, book):
    """Unsigned quantity that the volume budget of the asset and bar still allows; the slice's volume is set."""
    p = book.positions[a]
    volume = 0.0
    if params.max_participation < inf:
        volume = market.budget_volume[t, a]
    refresh_budget(book.work[0], volume, p, params)
    return within_budget(quantity, lot_of(a, market, params), p, params)


@inlined
def may_pass_levels(a, price, p, params, book):
    """Could a level of what has just been opened or increased be passed at the price of the phase already (2.1)?"""
    if params.has_children or (book.queues[a].count > 0 and params.has_rules):
        return True
    return params.has_rules and (p.stale_levels == ADDED or rules_hit(price, p, params.limit_through))


@inlined
def list_touched(a, p, w, book):
    """What is opened or increased meets the levels it has passed after all entries of the phase, once (2.1 iv)."""
    p.touched = 1
    book.touched[w.touched] = a
    w.touched += 1


@inlined
def execute(t, k, want, market, intents, params, book, tape):
    """Fill what budget and cash allow of `want` signed shares of order k as drafted in the slice; returns the shares.

    How it executes (`take`, `take_as_stop`, `rest_at`), phase, phase_price and entry are set by the caller.
    """
    s = book.state[0]
    w = book.work[0]
    o = tape.orders[k]
    p = book.positions[o.asset]
    begin_slice(t, k, want, o, w, market, params)
    quantity = abs(want)
    if params.needs_volume:
        quantity = budgeted(t, o.asset, quantity, market, params, book)
        if quantity < abs(want):
            hold_back(o, s)
        if not (quantity > 0.0):
            return 0.0
    w.price = slice_price(quantity, w, p, params)
    if w.entry:
        lot = lot_of(o.asset, market, params)
        if params.has_limits:
            quantity = cut_to_limits(quantity, lot, w, o, tape.details[o.detail], p, s, market, params)
        else:
            quantity = cut_to_cash(quantity, lot, w, o, tape.details[o.detail], p, s, params)
        if not (quantity > 0.0):
            return 0.0
    # An order that will be charged again has to remember what it has paid.
    if o.detail == 0 and not params.linear_costs and quantity < abs(o.left) * (1.0 - RESIDUE):
        detail_of(k, book, tape)
    # record 0: every fill is written to row 0 and only STATE is kept, without a branch.
    f = tape.fills[s.fills * params.record]
    draft_fill(quantity, w, f, o, tape.details[o.detail], params)
    use_budget(quantity, w, p, params)
    old = p.shares
    opened = book_fill(f, p, tape.trades[s.trades * params.record], s, params)
    if params.allow_short:
        value_shorts(old, p, w)
    if params.has_limits:
        follow_fill(old, f, p, market, params, book)
    if w.entry and w.phase == INSIDE:
        w.spendable -= w.need
        if params.has_limits:
            w.leeway -= w.leverage_need
    if opened:
        found_position(t, o.asset, k, market, intents, params, book, tape)
    # Exits before entries, and what entries open meets passed levels only after all of them (2.1 iv).
    if w.entry and w.phase != INSIDE and p.touched == 0 and may_pass_levels(o.asset, w.phase_price, p, params, book):
        list_touched(o.asset, p, w, book)
    return quantity


@cold
def settle_ties(t, k, quantity, left_before, market, params, book, tape):
    """What a fill does to the order's group, parent and children."""
    s = book.state[0]
    w = book.work[0]
    d = tape.details[tape.orders[k].detail]
    if d.group != NO_GROUP or d.parent > 0:
        lot = lot_of(tape.orders[k].asset, market, params)
        scale_group(k, min(1.0, quantity / abs(left_before)), lot, t, book, tape)
    if w.entry and d.first_child > 0:
        d.opened += quantity
        serve_children(k, tape.fills[(s.fills - 1) * params.record].price, t, market, params, book, tape)


@compiled
def settle_flat(t, k, params, book, tape):
    """A fill has flattened the position: cooldown, and the orders that lived for it."""
    s = book.state[0]
    o = tape.orders[k]
    p = book.positions[o.asset]
    s.closed = 0
    s.unlist = 1
    if params.cooldown > 0 and is_stop_out(o.origin):
        p.cool_until = t + params.cooldown
    # Nothing to release in most runs: no chain, no decided order with a detail, no rule order that works.
    waits = book.queues[o.asset].count > 0 or s.special or params.has_forced
    if waits or (p.stop_order >= 0 and is_open(tape.orders[p.stop_order])):
        release_flat(o.asset, t, book, tape)
    else:
        p.stop_order = NO_ROW
        p.take_profit_order = NO_ROW


@inlined
def waits_for_cash(o, w):
    """What cash leaves of a batch order joins the batch of the next open (2.3); other rests are cancelled."""
    return o.batch != ALONE and (w.phase == OPEN or w.phase == DECISION_CLOSE)


@inlined
def conclude(t, k, quantity, left_before, market, params, book, tape):
    """After a slice: the order's own end, then its siblings and children, then a position gone flat."""
    s = book.state[0]
    w = book.work[0]
    o = tape.orders[k]
    if o.left == 0.0:
        finish_filled(k, t, book, tape)
    elif w.entry and w.short_cash and not waits_for_cash(o, w):
        refuse_rest(k, w.cash_reason, t, book, tape)
    if quantity > 0.0 and o.detail > 0:
        settle_ties(t, k, quantity, left_before, market, params, book, tape)
    if s.closed:
        settle_flat(t, k, params, book, tape)


@inlined
def cut_to_position(k, params, book, tape):
    """An order that may not cross zero keeps what closes the position; the rest is cancelled NO_SHORT (2.2)."""
    o = tape.orders[k]
    p = book.positions[o.asset]
    if abs(o.left) > abs(p.shares) * (1.0 + RESIDUE):
        # Also when the cap lets only a part of the closing leg fill: the rest is a closing leg still.
        if o.reduce_only or (o.left < 0.0 and not params.allow_short):
            o.left = -p.shares
            cut_for(R_NO_SHORT, o)


@inlined
def fill(t, k, want, market, intents, params, book, tape):
    """Execute `want` signed shares of order k as drafted in the slice and conclude; returns the shares filled."""
    left = tape.orders[k].left
    filled = execute(t, k, want, market, intents, params, book, tape)
    conclude(t, k, filled, left, market, params, book, tape)
    return filled


@compiled
def fill_once(t, k, want, market, intents, params, book, tape):
    """`fill` for what is not in the hot loops."""
    return fill(t, k, want, market, intents, params, book, tape)


@inlined
def closing_shares(o, p):
    """Signed shares of the order that reduce the position."""
    return o.left if abs(o.left) <= abs(p.shares) * (1.0 + RESIDUE) else -p.shares


@inlined
def fill_at_turn(t, k, market, intents, params, book, tape):
    """Both legs of order k, as it stands at its turn: what closes first, then what opens.

    The closing leg is an exit and never waits for cash; the opening leg is an entry with its own cash check.
    """
    o = tape.orders[k]
    p = book.positions[o.asset]
    w = book.work[0]
    if o.left * p.shares < 0.0:
        cut_to_position(k, params, book, tape)
        w.entry = 0
        fill_once(t, k, closing_shares(o, p), market, intents, params, book, tape)
        if o.left == 0.0 or p.shares != 0.0:
            return
    if o.reduce_only or (o.left < 0.0 and not params.allow_short):
        refuse_rest(k, R_NO_SHORT, t, book, tape)
        return
    if params.has_borrow and o.left < 0.0 and not locate(t, k, market, params, book, tape):
        return
    w.entry = 1
    fill_once(t, k, o.left, market, intents, params, book, tape)


@compiled
def pull_trigger(t, k, book, tape):
    """A stop is touched: it is a market (stop-limit: limit) order for good, and its group's others go at once."""
    o = tape.orders[k]
    d = tape.details[o.detail]
    # For good: a replacement inherits it, and a price that comes back does not undo it.
    d.triggered = 1
    book.queues[o.asset].dirty = 1
    if d.group != NO_GROUP or d.parent > 0:
        cancel_group(k, t, book, tape)


@compiled
def draft_met_order(t, k, level, close, book, tape):
    """Draft how order k executes when the bar trades at `level`, pulling the trigger of a stop; False: it does not yet.

    A limit executes passively at its own price, a stop at the level. A stop-limit with the limit at or beyond the level
    executes at it; with the limit on the better side only if the close proves it, else it rests from t + 1 (3.1).
    """
    w = book.work[0]
    o = tape.orders[k]
    d = tape.details[o.detail]
    if acts_as_limit(d):
        rest_at(level, w)
        return True
    pull_trigger(t, k, book, tape)
    if o.kind != STOP_LIMIT:
        take_as_stop(level, limit_of(o, d), w)
        return True
    buy = 1.0 if o.left > 0.0 else -1.0
    if reaches(buy, d.limit, level):
        take(level, d.limit, w)
        return True
    if reaches(-buy, close, d.limit):
        rest_at(d.limit, w)
        w.born_side = NEITHER  # the close proves the limit, not the way to it
        return True
    return False
