"""Splits, dividends and delistings falling on bar t (clauses 1.1, 1.4), and stale assets (4.5)."""

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.instruments import is_settled_daily, lot_of
from ml4t_kernel.money.ledger import book_fill
from ml4t_kernel.money.prices import RESIDUE, absent, floor_to_lot
from ml4t_kernel.orders.chains import first_pending, next_pending, wake_chain
from ml4t_kernel.orders.groups import release_flat
from ml4t_kernel.orders.life import (
    cancel_pending,
    cut_for,
    end_with_children,
    finish_filled,
    withdraw_child,
    withdraw_children,
)
from ml4t_kernel.orders.types import has_fixed_stop, has_limit
from ml4t_kernel.rules.levels import set_levels
from ml4t_kernel.schema import (
    A_DELISTING,
    A_DIVIDEND,
    A_SPLIT,
    ADDED,
    ASLEEP,
    BOOKING,
    CANCELLED,
    DIVIDED,
    EXIT_LEG,
    G_DELISTED,
    G_STALE,
    NO_ROW,
    O_CASH_IN_LIEU,
    O_DELISTING,
    R_DELISTED,
    R_DIVIDEND,
    R_LOT,
    TRAILING_STOP,
)

# Bookings without an order -------------------------------------------------------------------------------------------


@cold
def book_without_order(t, a, quantity, price, mark, fee, origin, params, book, tape):
    """A fill that no order made: no cap, flagged by phase BOOKING. mark: the price before costs."""
    s = book.state[0]
    p = book.positions[a]
    f = tape.fills[s.fills * params.record]
    f.order = NO_ROW
    f.bar = t
    f.asset = a
    f.phase = BOOKING
    f.origin = origin
    f.bits = EXIT_LEG
    f.quantity = quantity
    f.price = price
    f.fee = fee
    f.slippage = abs(quantity) * abs(price - mark)
    book_fill(f, p, tape.trades[s.trades * params.record], s, params)
    if s.closed:
        s.closed = 0
        s.unlist = 1
        release_flat(a, t, book, tape)


@inlined
def write_booked(r, row, p, cash):
    r.bar = row.bar
    r.asset = row.asset
    r.kind = row.kind
    r.value = row.value
    r.shares = p.shares
    r.cash = cash


# Splits --------------------------------------------------------------------------------------------------------------


@inlined
def split_position(p, ratio):
    p.shares *= ratio
    p.opened *= ratio
    p.avg /= ratio
    p.basis /= ratio
    p.water_mark /= ratio
    p.stop_level /= ratio
    p.take_profit_level /= ratio
    if p.stale_levels != ADDED:
        p.stale_levels = DIVIDED
    p.stop_loss_price /= ratio
    p.take_profit_price /= ratio
    p.high /= ratio
    p.low /= ratio
    p.mark /= ratio


@inlined
def split_detail(d, ratio):
    d.limit /= ratio
    d.stop /= ratio
    d.trail /= ratio
    d.water_mark /= ratio
    d.arrival /= ratio
    d.stop_loss_price /= ratio
    d.take_profit_price /= ratio
    d.opened *= ratio
    d.quantity *= ratio


@inlined
def split_order(o, ratio):
    """Shares of today."""
    o.requested *= ratio
    o.filled *= ratio
    o.left *= ratio


@compiled
def split_children(d, ratio, tape):
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        if child.dormant:
            split_detail(child, ratio)
        i = child.next_sibling


@compiled
def disturb_chain(a, book):
    """Levels of the asset's orders are about to move: the band is made anew, and the chain is awake for it."""
    q = book.queues[a]
    q.dirty = 1
    if q.listed == ASLEEP:
        wake_chain(a, book)


@compiled
def split_pending(a, ratio, book, tape):
    """Live and decided orders of the asset."""
    disturb_chain(a, book)
    k = first_pending(a, book, tape)
    while k >= 0:
        o = tape.orders[k]
        split_order(o, ratio)
        if o.detail > 0:
            split_detail(tape.details[o.detail], ratio)
            split_children(tape.details[o.detail], ratio, tape)
        k = next_pending(k, a, book, tape)


@compiled
def floor_order(k, lot, t, book, tape):
    """The fraction of a lot that a split left is cut from the order; one of which nothing is left is over."""
    o = tape.orders[k]
    left = floor_to_lot(o.left, lot)
    if abs(left) < abs(o.left):
        cut_for(R_LOT, o)
        o.left = left
    if o.detail > 0 and tape.details[o.detail].parent > 0:
        d = tape.details[o.detail]
        d.opened = floor_to_lot(d.opened, lot)
    if abs(o.left) <= RESIDUE * abs(o.requested):
        if o.detail > 0:
            withdraw_children(tape.details[o.detail], book, tape)
        o.left = 0.0
        finish_filled(k, t, book, tape)


@compiled
def floor_pending(a, lot, t, book, tape):
    """After a split: live and decided orders of the asset in whole lots."""
    k = first_pending(a, book, tape)
    while k >= 0:
        following = next_pending(k, a, book, tape)
        floor_order(k, lot, t, book, tape)
        k = following


@compiled
def apply_split(t, row, market, params, book, tape):
    """Equity does not move; with lots the position's fraction is paid at the mark."""
    s = book.state[0]
    a, ratio = row.asset, row.value
    p = book.positions[a]
    met = p.shares != 0.0 or has_orders(a, book, tape)
    cash = 0.0
    split_position(p, ratio)
    split_pending(a, ratio, book, tape)
    # Everything is restated before anything is floored: a fraction is one of today's shares.
    lot = lot_of(a, market, params)
    whole = floor_to_lot(p.shares, lot)
    rest = p.shares - whole
    if abs(rest) > RESIDUE * abs(p.shares):
        cash = rest * p.mark
        book_without_order(t, a, -rest, p.mark, p.mark, 0.0, O_CASH_IN_LIEU, params, book, tape)
    # A fraction below rounding is none: 3 x (1 / 3) is a whole share.
    elif p.shares != 0.0:
        p.shares = whole
    floor_pending(a, lot, t, book, tape)
    if met:
        write_booked(tape.booked[s.booked], row, p, cash)
        s.booked += 1


# Dividends -----------------------------------------------------------------------------------------------------------


@inlined
def lower_detail(o_left, d, cash):
    """Buy limits, sell stops and water marks fall by the dividend; sell limits and buy stops stay (FINRA rule 5330)."""
    if o_left > 0.0:
        d.stop_loss_price -= cash
        if has_limit(d.kind):
            d.limit -= cash
    else:
        d.take_profit_price -= cash
        if has_fixed_stop(d.kind):
            d.stop -= cash
    if d.kind == TRAILING_STOP:
        d.water_mark -= cash


@inlined
def out_of_reach(buys, d):
    """Has a dividend carried a buy limit or a sell stop to where no price is?"""
    if buys:
        return has_limit(d.kind) and d.limit <= 0.0
    return has_fixed_stop(d.kind) and not d.triggered and d.stop <= 0.0


@compiled
def lower_children(o, d, cash, book, tape):
    """Children not yet born; one that can never be met never will be."""
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        i = child.next_sibling
        if child.dormant:
            lower_detail(-o.requested, child, cash)
            if out_of_reach(o.requested < 0.0, child):
                withdraw_child(child, book.state[0], book)


@compiled
def lower_pending(a, cash, t, book, tape):
    """Levels of live and decided orders of the asset; an order that can never be met any more ends."""
    disturb_chain(a, book)
    k = first_pending(a, book, tape)
    while k >= 0:
        following = next_pending(k, a, book, tape)
        o = tape.orders[k]
        if o.detail > 0:
            d = tape.details[o.detail]
            lower_detail(o.left, d, cash)
            lower_children(o, d, cash, book, tape)
            if out_of_reach(o.left > 0.0, d):
                end_with_children(k, CANCELLED, R_DIVIDEND, t, book, tape)
        k = following


@compiled
def apply_dividend(t, row, params, book, tape):
    """Cash for the shares held at the end of the bar before, shorts pay; levels fall by it."""
    s = book.state[0]
    a = row.asset
    p = book.positions[a]
    cash = row.value * p.shares
    s.cash += cash
    s.dividends += cash
    if p.shares != 0.0:
        p.basis -= row.value
        p.water_mark -= row.value
        if p.shares > 0.0:
            p.stop_loss_price -= row.value
        else:
            p.take_profit_price -= row.value
        if params.has_rules:
            set_levels(p)
    met = p.shares != 0.0 or has_orders(a, book, tape)
    lower_pending(a, row.value, t, book, tape)
    if met:
        write_booked(tape.booked[s.booked], row, p, cash)
        s.booked += 1


# Delisting -----------------------------------------------------------------------------------------------------------


@compiled
def has_orders(a, book, tape):
    return first_pending(a, book, tape) >= 0


@compiled
def remove_asset(t, row, market, params, book, tape):
    """Position closed at the recovery price or the last mark x (1 + delisting_return), orders cancelled."""
    s = book.state[0]
    a = row.asset
    p = book.positions[a]
    p.gone = G_DELISTED if row.kind == A_DELISTING else G_STALE
    if p.shares == 0.0 and not has_orders(a, book, tape):
        return
    cancel_pending(a, R_DELISTED, t, book, tape)
    cash = 0.0
    if p.shares != 0.0:
        price = row.value
        if absent(price):
            price = p.mark * (1.0 + params.delisting_return)
        cash = p.shares * price
        if is_settled_daily(a, market, params):
            cash -= p.shares * p.mark
        book_without_order(t, a, -p.shares, price, price, 0.0, O_DELISTING, params, book, tape)
    write_booked(tape.booked[s.booked], row, p, cash)
    s.booked += 1


@cold
def apply_actions(t, market, params, book, tape):
    """1.1 and 1.4 in the order of the table."""
    s = book.state[0]
    while s.action < market.actions.shape[0] and market.actions[s.action].bar <= t:
        row = market.actions[s.action]
        s.action += 1
        if row.kind == A_SPLIT:
            apply_split(t, row, market, params, book, tape)
        elif row.kind == A_DIVIDEND:
            apply_dividend(t, row, params, book, tape)
        else:
            remove_asset(t, row, market, params, book, tape)


@cold
def remove_stale(t, market, params, book, tape):
    """4.5: assets that have had no bar for max_stale sessions in a row."""
    s = book.state[0]
    while s.stale < market.stale.shape[0] and market.stale[s.stale].bar <= t:
        row = market.stale[s.stale]
        s.stale += 1
        remove_asset(t, row, market, params, book, tape)
