"""Splits, dividends and delistings falling on bar t (clauses 1.1, 1.4), and stale assets (4.5)."""

from ml4t_kernel.compile.jit import leaf, rare, routine
from ml4t_kernel.money.ledger import book_fill
from ml4t_kernel.money.prices import RESIDUE, floor_to_lot
from ml4t_kernel.orders.groups import release_flat
from ml4t_kernel.orders.life import (
    CANCELLED,
    R_DIVIDEND,
    R_LOT,
    cancel_chain,
    cut_for,
    end_order,
    finish_filled,
    is_open,
    wake_chain,
    withdraw_child,
    withdraw_children,
)
from ml4t_kernel.rules.levels import set_levels
from ml4t_kernel.schema import ActionKind, Kind, Origin, Reason

SPLIT, DIVIDEND, DELISTING, STALE = (int(kind) for kind in ActionKind)
R_DELISTED = int(Reason.DELISTED)
O_DELISTING, O_IN_LIEU = int(Origin.DELISTING), int(Origin.CASH_IN_LIEU)
LIMIT, STOP, STOP_LIMIT, TRAILING = int(Kind.LIMIT), int(Kind.STOP), int(Kind.STOP_LIMIT), int(Kind.TRAILING_STOP)
BOOKING = 4


# Bookings without an order -------------------------------------------------------------------------------------------


@rare
def book_without_order(t, a, quantity, price, mark, fee, origin, params, book, tape):
    """A fill that no order made: no cap, flagged by phase BOOKING. mark: the price before costs."""
    s = book.state[0]
    p = book.positions[a]
    f = tape.fills[s.fills * params.record]
    f.order = -1
    f.bar = t
    f.asset = a
    f.phase = BOOKING
    f.origin = origin
    f.bits = 2
    f.quantity = quantity
    f.price = price
    f.fee = fee
    f.slippage = abs(quantity) * abs(price - mark)
    book_fill(f, p, tape.trades[s.trades * params.record], s, params)
    if s.closed:
        s.closed = 0
        s.unlist = 1
        release_flat(a, t, book, tape)


@leaf
def write_booked(r, row, p, cash):
    r.bar = row.bar
    r.asset = row.asset
    r.kind = row.kind
    r.value = row.value
    r.shares = p.shares
    r.cash = cash


# Splits --------------------------------------------------------------------------------------------------------------


@leaf
def split_position(p, ratio):
    p.shares *= ratio
    p.opened *= ratio
    p.avg /= ratio
    p.basis /= ratio
    p.mark /= ratio
    p.stop /= ratio
    p.goal /= ratio
    p.stop_price /= ratio
    p.target_price /= ratio
    p.high /= ratio
    p.low /= ratio
    p.last /= ratio


@leaf
def split_detail(d, ratio):
    d.limit /= ratio
    d.stop /= ratio
    d.trail /= ratio
    d.mark /= ratio
    d.arrival /= ratio
    d.stop_price /= ratio
    d.target_price /= ratio
    d.opened *= ratio
    d.quantity *= ratio


@leaf
def split_order(o, ratio):
    """Shares of today."""
    o.requested *= ratio
    o.filled *= ratio
    o.left *= ratio


@routine
def split_children(d, ratio, tape):
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        if child.dormant:
            split_detail(child, ratio)
        i = child.next_sibling


@routine
def split_pending(a, ratio, book, tape):
    """Live and decided orders of the asset."""
    s = book.state[0]
    i = book.queues[a].head
    book.queues[a].dirty = 1
    if book.queues[a].listed == 2:
        wake_chain(a, book)
    while i > 0:
        d = tape.details[i]
        i = d.next
        split_order(tape.orders[d.order], ratio)
        split_detail(d, ratio)
        split_children(d, ratio, tape)
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if o.asset == a and is_open(o) and o.chained == 0:
            split_order(o, ratio)
            if o.detail > 0:
                split_detail(tape.details[o.detail], ratio)
                split_children(tape.details[o.detail], ratio, tape)


@routine
def floor_order(k, t, params, book, tape):
    """The fraction of a lot that a split left is cut from the order; one of which nothing is left is over."""
    o = tape.orders[k]
    left = floor_to_lot(o.left, params.lot)
    if abs(left) < abs(o.left):
        cut_for(R_LOT, o)
        o.left = left
    if o.detail > 0 and tape.details[o.detail].parent > 0:
        d = tape.details[o.detail]
        d.opened = floor_to_lot(d.opened, params.lot)
    if abs(o.left) <= RESIDUE * abs(o.requested):
        if o.detail > 0:
            withdraw_children(tape.details[o.detail], book, tape)
        o.left = 0.0
        finish_filled(k, t, book, tape)


@routine
def floor_pending(a, t, params, book, tape):
    """After a split: live and decided orders of the asset in whole lots."""
    s = book.state[0]
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        floor_order(d.order, t, params, book, tape)
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if o.asset == a and is_open(o) and o.chained == 0:
            floor_order(k, t, params, book, tape)


@routine
def apply_split(t, row, params, book, tape):
    """Equity does not move; with lots the position's fraction is paid at the mark."""
    s = book.state[0]
    a, ratio = row.asset, row.value
    p = book.positions[a]
    met = p.shares != 0.0 or has_orders(a, book, tape)
    cash = 0.0
    split_position(p, ratio)
    split_pending(a, ratio, book, tape)
    whole = floor_to_lot(p.shares, params.lot)
    rest = p.shares - whole
    if abs(rest) > 1e-9 * abs(p.shares):
        cash = rest * p.last
        book_without_order(t, a, -rest, p.last, p.last, 0.0, O_IN_LIEU, params, book, tape)
    elif p.shares != 0.0:
        p.shares = whole
    floor_pending(a, t, params, book, tape)
    if met:
        write_booked(tape.booked[s.booked], row, p, cash)
        s.booked += 1


# Dividends -----------------------------------------------------------------------------------------------------------


@leaf
def lower_detail(o_left, d, cash):
    """Buy limits, sell stops and water marks fall by the dividend; sell limits and buy stops stay (FINRA rule 5330)."""
    if o_left > 0.0:
        d.stop_price -= cash
        if d.kind == LIMIT or d.kind == STOP_LIMIT:
            d.limit -= cash
    else:
        d.target_price -= cash
        if d.kind == STOP or d.kind == STOP_LIMIT:
            d.stop -= cash
    if d.kind == TRAILING:
        d.mark -= cash


@leaf
def out_of_reach(buys, d):
    """Has a dividend carried a buy limit or a sell stop to where no price is?"""
    if buys:
        return (d.kind == LIMIT or d.kind == STOP_LIMIT) and d.limit <= 0.0
    return (d.kind == STOP or d.kind == STOP_LIMIT) and not d.triggered and d.stop <= 0.0


@routine
def lower_children(o, d, cash, book, tape):
    i = d.first_child
    while i > 0:
        child = tape.details[i]
        i = child.next_sibling
        if child.dormant:
            lower_detail(-o.requested, child, cash)
            if out_of_reach(o.requested < 0.0, child):
                withdraw_child(child, book.state[0], book)


@routine
def lower_order(k, d, cash, t, book, tape):
    """Levels of an order and of its children not yet born."""
    o = tape.orders[k]
    lower_detail(o.left, d, cash)
    lower_children(o, d, cash, book, tape)
    if out_of_reach(o.left > 0.0, d):
        withdraw_children(d, book, tape)
        end_order(k, CANCELLED, R_DIVIDEND, t, book, tape)


@routine
def lower_pending(a, cash, t, book, tape):
    s = book.state[0]
    i = book.queues[a].head
    book.queues[a].dirty = 1
    if book.queues[a].listed == 2:
        wake_chain(a, book)
    while i > 0:
        d = tape.details[i]
        i = d.next
        lower_order(d.order, d, cash, t, book, tape)
    for k in range(s.fresh, s.orders):
        o = tape.orders[k]
        if o.asset == a and is_open(o) and o.chained == 0 and o.detail > 0:
            lower_order(k, tape.details[o.detail], cash, t, book, tape)


@routine
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
        p.mark -= row.value
        if p.shares > 0.0:
            p.stop_price -= row.value
        else:
            p.target_price -= row.value
        if params.has_rules:
            set_levels(p)
    met = p.shares != 0.0 or has_orders(a, book, tape)
    lower_pending(a, row.value, t, book, tape)
    if met:
        write_booked(tape.booked[s.booked], row, p, cash)
        s.booked += 1


# Delisting -----------------------------------------------------------------------------------------------------------


@routine
def has_orders(a, book, tape):
    s = book.state[0]
    if book.queues[a].count > 0:
        return True
    for k in range(s.fresh, s.orders):
        if tape.orders[k].asset == a and is_open(tape.orders[k]):
            return True
    return False


@routine
def remove_asset(t, row, params, book, tape):
    """Position closed at the recovery price or the last mark x (1 + delisting_return), orders cancelled."""
    s = book.state[0]
    a = row.asset
    p = book.positions[a]
    p.gone = 1 if row.kind == DELISTING else 2
    if p.shares == 0.0 and not has_orders(a, book, tape):
        return
    cancel_chain(a, R_DELISTED, t, book, tape)
    cash = 0.0
    if p.shares != 0.0:
        price = row.value
        if price != price:
            price = p.last * (1.0 + params.delisting_return)
        cash = p.shares * price
        book_without_order(t, a, -p.shares, price, price, 0.0, O_DELISTING, params, book, tape)
    write_booked(tape.booked[s.booked], row, p, cash)
    s.booked += 1


@rare
def apply_actions(t, market, params, book, tape):
    """1.1 and 1.4 in the order of the table."""
    s = book.state[0]
    while s.action < market.actions.shape[0] and market.actions[s.action].bar <= t:
        row = market.actions[s.action]
        s.action += 1
        if row.kind == SPLIT:
            apply_split(t, row, params, book, tape)
        elif row.kind == DIVIDEND:
            apply_dividend(t, row, params, book, tape)
        else:
            remove_asset(t, row, params, book, tape)


@rare
def remove_stale(t, market, params, book, tape):
    """4.5: assets that have had no bar for max_stale sessions in a row."""
    s = book.state[0]
    while s.stale < market.stale.shape[0] and market.stale[s.stale].bar <= t:
        row = market.stale[s.stale]
        s.stale += 1
        remove_asset(t, row, params, book, tape)
