"""Signals become orders: entries of a size, exits of the whole position (clause 4.6)."""

from math import inf

from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.compile.references import prefetch
from ml4t_kernel.decide.sizing import (
    counts_shares,
    counts_value,
    forced_rest,
    is_target_size,
    refusal,
    refuse,
    sizing_price,
    submit_sized,
    target_delta,
)
from ml4t_kernel.money.instruments import lot_of
from ml4t_kernel.money.prices import absent, floor_to_lot
from ml4t_kernel.orders.birth import new_detail
from ml4t_kernel.orders.life import end_order
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import (
    AGAINST,
    CANCELLED,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    IN_BATCH,
    NO_ROW,
    O_SIGNAL_ENTRY,
    O_SIGNAL_EXIT,
    R_LOT,
    R_NO_PRICE,
    R_NO_SHORT,
    R_NONE,
    R_REPLACED,
    R_SIGNAL_EXIT,
    REPLACED,
)

SIGNALS_AHEAD = 2


@inlined
def working_entry(a, side, book, tape):
    """Row of a live entry order that a signal in direction `side` made, -1 if none."""
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if o.origin == O_SIGNAL_ENTRY and is_open(o) and (o.left * side > 0.0) != (o.batch == AGAINST):
            return d.order
    return NO_ROW


@inlined
def end_working_entries(t, a, side, status, reason, book, tape):
    """An exit, an opposite entry or a new target ends what is left of the entries on `side`."""
    k = working_entry(a, side, book, tape)
    while k >= 0:
        end_order(k, status, reason, t, book, tape)
        k = working_entry(a, side, book, tape)


@compiled
def submit_signal_exit(t, a, market, intents, params, book, tape):
    """Reduce-only market order for the whole position, once."""
    p = book.positions[a]
    if p.closing >= 0 and is_open(tape.orders[p.closing]):
        return
    k = submit_sized(t, a, -p.shares, O_SIGNAL_EXIT, market, intents, params, book, tape)
    tape.orders[k].reduce_only = 1
    p.closing = k


@inlined
def signal_target(amount, side, price, equity, params):
    """Shares that a signal's size means, signed."""
    if counts_shares(params.size_type):
        return side * amount
    if counts_value(params.size_type):
        return side * amount / price
    return side * (amount * equity / price)


@compiled
def signal_quantity(wanted, counted, lot, price, equity, params):
    """Signed shares that a signal orders: its size, or for target sizes what is missing to it; 0: nothing to order."""
    if is_target_size(params.size_type):
        return target_delta(wanted, counted, lot, price, equity)
    return floor_to_lot(wanted, lot)


@compiled
def submit_signal_entry(t, a, side, g, market, intents, params, book, tape):
    """Size the entry and submit it. A position on the other side counts as none: an exit of its own closes it."""
    s = book.state[0]
    held = book.positions[a].shares
    price = sizing_price(t, a, market, book)
    if absent(price):
        refuse(t, a, 0.0, O_SIGNAL_ENTRY, R_NO_PRICE, book, tape)
        return
    wanted = signal_target(g.amount, side, price, s.equity, params)
    lot = lot_of(a, market, params)
    if side < 0.0 and not params.allow_short:
        refuse(t, a, floor_to_lot(wanted, lot), O_SIGNAL_ENTRY, R_NO_SHORT, book, tape)
        return
    is_target = is_target_size(params.size_type)
    counted = held if is_target and held * side > 0.0 else 0.0
    kept = counted + forced_rest(a, params, book, tape) if counted != 0.0 else 0.0
    quantity = signal_quantity(wanted, kept, lot, price, s.equity, params)
    if quantity == 0.0:
        if counted == 0.0 and lot > 0.0:
            refuse(t, a, wanted, O_SIGNAL_ENTRY, R_LOT, book, tape)
        return
    reason = refusal(t, a, quantity, counted, price, False, market, params, book)
    if reason != R_NONE:
        refuse(t, a, quantity, O_SIGNAL_ENTRY, reason, book, tape)
        return
    k = submit_sized(t, a, quantity, O_SIGNAL_ENTRY, market, intents, params, book, tape)
    if is_target:
        tape.orders[k].batch = IN_BATCH if quantity * side > 0.0 else AGAINST
    if params.rank_given:
        if tape.orders[k].detail == 0:
            new_detail(k, book, tape)
            s.special = 1
        tape.details[tape.orders[k].detail].rank = inf if absent(g.rank) else g.rank


@compiled
def enter(t, a, side, g, market, intents, params, book, tape):
    """An entry signal: ignored while held or working unless accumulating; the opposite position is closed first."""
    p = book.positions[a]
    if not params.accumulate and (p.shares * side > 0.0 or working_entry(a, side, book, tape) >= 0):
        return
    end_working_entries(t, a, -side, CANCELLED, R_SIGNAL_EXIT, book, tape)
    if p.shares * side < 0.0:
        submit_signal_exit(t, a, market, intents, params, book, tape)
        if side < 0.0 and not params.allow_short:
            return
    if is_target_size(params.size_type):
        end_working_entries(t, a, side, REPLACED, R_REPLACED, book, tape)
    submit_signal_entry(t, a, side, g, market, intents, params, book, tape)


@compiled
def follow_signal(t, g, market, intents, params, book, tape):
    """One asset's signals of one bar, conflicts resolved (clause 4.6 with the signal rules of the contract)."""
    s = book.state[0]
    a = g.asset
    p = book.positions[a]
    enter_long = g.bits & ENTER_LONG != 0
    enter_short = g.bits & ENTER_SHORT != 0
    exit_long = g.bits & EXIT_LONG != 0
    exit_short = g.bits & EXIT_SHORT != 0
    if enter_long and enter_short:
        s.conflicts += 1
        enter_long = enter_short = False
    if enter_long and exit_long:
        exit_long = p.shares != 0.0
        enter_long = p.shares < 0.0
    if enter_short and exit_short:
        exit_short = p.shares != 0.0
        enter_short = p.shares > 0.0
    if exit_long:
        end_working_entries(t, a, 1.0, CANCELLED, R_SIGNAL_EXIT, book, tape)
    if exit_short:
        end_working_entries(t, a, -1.0, CANCELLED, R_SIGNAL_EXIT, book, tape)
    if (exit_long and p.shares > 0.0) or (exit_short and p.shares < 0.0):
        submit_signal_exit(t, a, market, intents, params, book, tape)
    if enter_long or enter_short:
        enter(t, a, 1.0 if enter_long else -1.0, g, market, intents, params, book, tape)


@inlined
def skip_signals(t, intents, s):
    """Move the cursor past the signals of bars before t, which an idle account did not look at."""
    while s.signal < intents.signals.shape[0] and intents.signals[s.signal].bar < t:
        s.signal += 1


@inlined
def fetch_ahead(market, intents, s):
    """Ask for the bars of the next signals, and for those after, on which their orders execute.

    A sweep jumps from signal to signal, and each first touch of a bar was a miss: a third of W3m and W4.
    """
    last = market.close.shape[0] - 1
    for i in range(s.signal, min(s.signal + SIGNALS_AHEAD, intents.signals.shape[0])):
        g = intents.signals[i]
        prefetch(market.close, g.bar, g.asset)
        prefetch(market.close, min(g.bar + 1, last), g.asset)


@compiled
def size_signals(t, market, intents, params, book, tape):
    s = book.state[0]
    while s.signal < intents.signals.shape[0] and intents.signals[s.signal].bar <= t:
        g = intents.signals[s.signal]
        s.signal += 1
        if s.equity > 0.0:
            follow_signal(t, g, market, intents, params, book, tape)
    fetch_ahead(market, intents, s)
