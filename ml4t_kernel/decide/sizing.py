"""Decisions of the close become orders with sizes fixed in shares: targets and signals (clauses 4.6, 6.0, 6.3)."""

from math import inf, nan

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.compile.references import prefetch
from ml4t_kernel.money.prices import RESIDUE, absent, floor_to_lot, present
from ml4t_kernel.orders.birth import new_detail, new_order, refuse_order
from ml4t_kernel.orders.life import end_order
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import (
    A_SPLIT,
    AGAINST,
    CANCELLED,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    FRACTION,
    G_DELISTED,
    G_STALE,
    IN_BATCH,
    MARKET,
    NO_ROW,
    O_SIGNAL_ENTRY,
    O_SIGNAL_EXIT,
    O_TARGET,
    R_COOLDOWN,
    R_DELISTED,
    R_LOT,
    R_MINIMUM,
    R_NO_PRICE,
    R_NO_SHORT,
    R_NONE,
    R_REPLACED,
    R_SIGNAL_EXIT,
    REPLACED,
    SHARES,
    TARGET_FRACTION,
    TARGET_SHARES,
    TARGET_VALUE,
    VALUE,
)

SIGNALS_AHEAD = 2

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
    """Why an order of this quantity is refused at decision, R_NONE if it is not (6.3, 5.2, 1.4).

    exempt: from min_notional.
    """
    p = book.positions[a]
    if not exempt and quantity != -held and params.min_notional > 0.0 and abs(quantity) * price < params.min_notional:
        return R_MINIMUM
    if t < p.cool_until and not is_reduction(quantity, held):
        return R_COOLDOWN
    if p.gone == G_DELISTED or (p.gone == G_STALE and has_gone_stale(t, a, market)):
        return R_DELISTED
    return R_NONE


@inlined
def submit_sized(t, a, quantity, origin, market, intents, params, book, tape):
    """A market order of a sized decision; returns its row."""
    k = new_order(t, a, quantity, MARKET, origin, book, tape)
    rules = intents.asset_rules[a] if params.has_rules else 0
    if rules > 0 or params.basis_signal:
        d = tape.details[new_detail(k, book, tape)]
        d.rules = rules
        d.arrival = sizing_price(t, a, market, book)
        book.state[0].special = 1
    return k


@compiled
def replace_working(t, a, status, reason, book, tape):
    """End the asset's earlier working order (6.0)."""
    p = book.positions[a]
    if p.working >= 0 and is_open(tape.orders[p.working]):
        end_order(p.working, status, reason, t, book, tape)
    p.working = NO_ROW


# Targets -------------------------------------------------------------------------------------------------------------


@inlined
def target_delta(target, held, price, equity, params):
    """Shares to trade toward a target: floored to lots, dust is nothing; closing whole is exempt (6.3)."""
    if target == 0.0:
        return -held
    delta = target - held
    if params.lot > 0.0:
        return floor_to_lot(delta, params.lot)
    return delta if abs(delta) * price >= RESIDUE * equity else 0.0


@inlined
def size_target(t, a, wanted, market, intents, params, book, tape):
    """One asset's target weight or shares: replace the earlier order, submit target minus held."""
    s = book.state[0]
    p = book.positions[a]
    held = p.shares
    price = market.close[t, a]
    if absent(price):
        price = sizing_price(t, a, market, book)
    # Zero is exempt: a close is meant, however small the position is.
    if params.min_weight_change > 0.0 and wanted != 0.0:
        if abs(wanted - held * price / s.equity) < params.min_weight_change:
            return
    # The new target is computed from what is held, so what still works of the old one would be bought twice.
    if p.working >= 0:
        replace_working(t, a, REPLACED, R_REPLACED, book, tape)
    if wanted == 0.0 and held == 0.0:
        return
    if absent(price):
        refuse(t, a, 0.0, O_TARGET, R_NO_PRICE, book, tape)
        return
    target = wanted if params.targets_are_shares else wanted * s.equity / price
    delta = target_delta(target, held, price, s.equity, params)
    if delta == 0.0:
        if held == 0.0 and params.lot > 0.0:
            refuse(t, a, target, O_TARGET, R_LOT, book, tape)
        return
    reason = refusal(t, a, delta, held, price, False, market, params, book)
    if reason != R_NONE:
        refuse(t, a, delta, O_TARGET, reason, book, tape)
        return
    k = submit_sized(t, a, delta, O_TARGET, market, intents, params, book, tape)
    tape.orders[k].batch = IN_BATCH


@inlined
def may_be_active(a, book):
    """Is the asset held, or does an order of it work? A byte an asset says so of most without their positions.

    5,000 assets of W5 are told to hold nothing on each bar; reading two lines of each position was 18 percent of it.
    """
    if book.active[a] == 0:
        return False
    p = book.positions[a]
    if p.shares != 0.0 or p.working >= 0:
        return True
    if p.listed == 0:
        book.active[a] = 0
    return False


@inlined
def size_targets(t, market, intents, params, book, tape):
    """The row of targets of bar t, by asset."""
    s = book.state[0]
    row = s.target_row
    s.target_row += 1
    # No fraction of nothing: a size would be zero or of the wrong sign.
    if s.equity <= 0.0:
        return
    for column in range(intents.weights.shape[1]):
        wanted = intents.weights[row, column]
        a = intents.target_assets[column]
        if present(wanted) and (wanted != 0.0 or may_be_active(a, book)):
            size_target(t, a, wanted, market, intents, params, book, tape)


# Signals -------------------------------------------------------------------------------------------------------------


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
def signal_quantity(wanted, counted, price, equity, params):
    """Signed shares that a signal orders: its size, or for target sizes what is missing to it; 0: nothing to order."""
    if is_target_size(params.size_type):
        return target_delta(wanted, counted, price, equity, params)
    return floor_to_lot(wanted, params.lot)


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
    if side < 0.0 and not params.allow_short:
        refuse(t, a, floor_to_lot(wanted, params.lot), O_SIGNAL_ENTRY, R_NO_SHORT, book, tape)
        return
    is_target = is_target_size(params.size_type)
    counted = held if is_target and held * side > 0.0 else 0.0
    quantity = signal_quantity(wanted, counted, price, s.equity, params)
    if quantity == 0.0:
        if counted == 0.0 and params.lot > 0.0:
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
