"""Decisions of the close become orders with sizes fixed in shares: targets and signals (clauses 4.6, 6.0, 6.3)."""

from math import inf, nan

from ml4t_kernel.compile.jit import leaf, phase, rare, routine
from ml4t_kernel.money.prices import RESIDUE, floor_to_lot
from ml4t_kernel.orders.life import (
    CANCELLED,
    R_REPLACED,
    REJECTED,
    REPLACED,
    count_end,
    end_order,
    is_open,
    new_detail,
    write_order,
)
from ml4t_kernel.schema import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    MARKET,
    ActionKind,
    Origin,
    Reason,
    SizeType,
)

TARGET, SIGNAL_ENTRY, SIGNAL_EXIT = int(Origin.TARGET), int(Origin.SIGNAL_ENTRY), int(Origin.SIGNAL_EXIT)
R_NO_SHORT, R_COOLDOWN, R_MINIMUM = int(Reason.NO_SHORT), int(Reason.COOLDOWN), int(Reason.MINIMUM)
R_LOT, R_DELISTED, R_NO_PRICE = int(Reason.LOT), int(Reason.DELISTED), int(Reason.NO_PRICE)
R_SIGNAL_EXIT = int(Reason.SIGNAL_EXIT)
SPLIT = int(ActionKind.SPLIT)
SHARES, VALUE, FRACTION = int(SizeType.SHARES), int(SizeType.VALUE), int(SizeType.FRACTION)
TARGET_SHARES = int(SizeType.TARGET_SHARES)
DELISTED, STALE = 1, 2  # POSITION.gone
IN_BATCH, AGAINST = 1, 2  # ORDER.batch: part of a batch; the latter trades against the direction of its signal


# Prices and refusals -------------------------------------------------------------------------------------------------


@rare
def last_close(t, a, market):
    """Last close of the asset at or before t in today's shares; NaN if it never had a bar."""
    b = t
    while b >= 0 and market.close[b, a] != market.close[b, a]:
        b -= 1
    if b < 0:
        return nan
    price = market.close[b, a]
    for i in range(market.actions.shape[0]):
        row = market.actions[i]
        if row.bar > t:
            break
        if row.bar > b and row.asset == a and row.kind == SPLIT:
            price /= row.value
    return price


@phase
def sizing_price(t, a, market, book):
    """Close of the deciding bar, or the last mark of an asset without a bar."""
    price = market.close[t, a]
    if price != price:
        p = book.positions[a]
        price = p.last if p.shares != 0.0 else last_close(t, a, market)
    return price


@routine
def refuse(t, a, quantity, origin, reason, book, tape):
    """A decision that makes no order leaves its row."""
    s = book.state[0]
    o = tape.orders[s.orders]
    s.orders += 1
    s.live += 1
    write_order(o, t, a, quantity, MARKET, origin)
    o.status = REJECTED
    o.reason = reason
    o.end_bar = t
    o.left = 0.0
    count_end(REJECTED, reason, s)


@leaf
def is_reduction(quantity, held):
    return quantity * held < 0.0 and abs(quantity) <= abs(held) * (1.0 + RESIDUE)


@rare
def has_gone_stale(t, a, market):
    """Has the asset had no bar since it was last closed as stale? (4.5)"""
    since = -1
    for i in range(market.stale.shape[0]):
        row = market.stale[i]
        if row.asset == a and row.bar <= t:
            since = row.bar
    for b in range(since + 1, t + 1):
        if market.close[b, a] == market.close[b, a]:
            return False
    return True


@phase
def refusal(t, a, quantity, held, price, exempt, market, params, book):
    """Why an order of this quantity is refused at decision, 0 if it is not (6.3, 5.2, 1.4). exempt: from
    min_notional."""
    p = book.positions[a]
    if not exempt and quantity != -held and params.min_notional > 0.0 and abs(quantity) * price < params.min_notional:
        return R_MINIMUM
    if t < p.cool_until and not is_reduction(quantity, held):
        return R_COOLDOWN
    if p.gone == DELISTED or (p.gone == STALE and has_gone_stale(t, a, market)):
        return R_DELISTED
    return 0


@phase
def submit_sized(t, a, quantity, origin, market, intents, params, book, tape):
    """A market order of a sized decision; returns its row."""
    s = book.state[0]
    k = s.orders
    s.orders += 1
    s.live += 1
    write_order(tape.orders[k], t, a, quantity, MARKET, origin)
    rules = intents.asset_rules[a] if params.has_rules else 0
    if rules > 0 or params.basis_signal:
        d = tape.details[new_detail(k, book, tape)]
        d.rules = rules
        d.arrival = sizing_price(t, a, market, book)
        s.special = 1
    return k


@routine
def replace_working(t, a, status, reason, book, tape):
    """End the asset's earlier working order (6.0)."""
    p = book.positions[a]
    if p.working >= 0 and is_open(tape.orders[p.working]):
        end_order(p.working, status, reason, t, book, tape)
    p.working = -1


# Targets -------------------------------------------------------------------------------------------------------------


@leaf
def target_delta(target, held, price, equity, params):
    """Shares to trade toward a target: floored to lots, dust is nothing; closing whole is exempt (6.3)."""
    if target == 0.0:
        return -held
    delta = target - held
    if params.lot > 0.0:
        return floor_to_lot(delta, params.lot)
    return delta if abs(delta) * price >= RESIDUE * equity else 0.0


@phase
def size_target(t, a, wanted, market, intents, params, book, tape):
    """One asset's target weight or shares: replace the earlier order, submit target minus held."""
    s = book.state[0]
    p = book.positions[a]
    held = p.shares
    price = market.close[t, a]
    if price != price:
        price = sizing_price(t, a, market, book)
    if params.min_weight_change > 0.0 and wanted != 0.0:
        if abs(wanted - held * price / s.equity) < params.min_weight_change:
            return
    if p.working >= 0:
        replace_working(t, a, REPLACED, R_REPLACED, book, tape)
    if wanted == 0.0 and held == 0.0:
        return
    if price != price:
        refuse(t, a, 0.0, TARGET, R_NO_PRICE, book, tape)
        return
    target = wanted if params.targets_are_shares else wanted * s.equity / price
    delta = target_delta(target, held, price, s.equity, params)
    if delta == 0.0:
        if held == 0.0 and params.lot > 0.0:
            refuse(t, a, target, TARGET, R_LOT, book, tape)
        return
    reason = refusal(t, a, delta, held, price, False, market, params, book)
    if reason > 0:
        refuse(t, a, delta, TARGET, reason, book, tape)
        return
    k = submit_sized(t, a, delta, TARGET, market, intents, params, book, tape)
    tape.orders[k].batch = 1


@phase
def size_targets(t, market, intents, params, book, tape):
    """The row of targets of bar t, by asset."""
    s = book.state[0]
    row = s.target_row
    s.target_row += 1
    if s.equity <= 0.0:
        return
    for column in range(intents.weights.shape[1]):
        wanted = intents.weights[row, column]
        a = intents.target_assets[column]
        if wanted == wanted and (wanted != 0.0 or book.positions[a].shares != 0.0 or book.positions[a].working >= 0):
            size_target(t, a, wanted, market, intents, params, book, tape)


# Signals -------------------------------------------------------------------------------------------------------------


@phase
def working_entry(a, side, book, tape):
    """Row of a live entry order that a signal in direction `side` made, -1 if none."""
    i = book.queues[a].head
    while i > 0:
        d = tape.details[i]
        i = d.next
        o = tape.orders[d.order]
        if o.origin == SIGNAL_ENTRY and is_open(o) and (o.left * side > 0.0) != (o.batch == AGAINST):
            return d.order
    return -1


@phase
def end_working_entries(t, a, side, status, reason, book, tape):
    """An exit, an opposite entry or a new target ends what is left of the entries on `side`."""
    k = working_entry(a, side, book, tape)
    while k >= 0:
        end_order(k, status, reason, t, book, tape)
        k = working_entry(a, side, book, tape)


@routine
def submit_signal_exit(t, a, market, intents, params, book, tape):
    """Reduce-only market order for the whole position, once."""
    p = book.positions[a]
    if p.closing >= 0 and is_open(tape.orders[p.closing]):
        return
    k = submit_sized(t, a, -p.shares, SIGNAL_EXIT, market, intents, params, book, tape)
    tape.orders[k].reduce_only = 1
    p.closing = k


@leaf
def signal_target(amount, side, price, equity, params):
    """Shares that a signal's size means, signed."""
    kind = params.size_type % 3
    if kind == SHARES:
        return side * amount
    if kind == VALUE:
        return side * amount / price
    return side * (amount * equity / price)


@routine
def signal_quantity(wanted, counted, price, equity, params):
    """Signed shares that a signal orders: its size, or for target sizes what is missing to it; 0: nothing to order."""
    if params.size_type >= TARGET_SHARES:
        return target_delta(wanted, counted, price, equity, params)
    return floor_to_lot(wanted, params.lot)


@routine
def submit_signal_entry(t, a, side, g, market, intents, params, book, tape):
    """Size the entry and submit it. A position on the other side counts as none: an exit of its own closes it."""
    s = book.state[0]
    held = book.positions[a].shares
    price = sizing_price(t, a, market, book)
    if price != price:
        refuse(t, a, 0.0, SIGNAL_ENTRY, R_NO_PRICE, book, tape)
        return
    wanted = signal_target(g.amount, side, price, s.equity, params)
    if side < 0.0 and not params.allow_short:
        refuse(t, a, floor_to_lot(wanted, params.lot), SIGNAL_ENTRY, R_NO_SHORT, book, tape)
        return
    is_target = params.size_type >= TARGET_SHARES
    counted = held if is_target and held * side > 0.0 else 0.0
    quantity = signal_quantity(wanted, counted, price, s.equity, params)
    if quantity == 0.0:
        if counted == 0.0 and params.lot > 0.0:
            refuse(t, a, wanted, SIGNAL_ENTRY, R_LOT, book, tape)
        return
    reason = refusal(t, a, quantity, counted, price, False, market, params, book)
    if reason > 0:
        refuse(t, a, quantity, SIGNAL_ENTRY, reason, book, tape)
        return
    k = submit_sized(t, a, quantity, SIGNAL_ENTRY, market, intents, params, book, tape)
    if is_target:
        tape.orders[k].batch = IN_BATCH if quantity * side > 0.0 else AGAINST
    if params.rank_given:
        if tape.orders[k].detail == 0:
            new_detail(k, book, tape)
            s.special = 1
        tape.details[tape.orders[k].detail].rank = inf if g.rank != g.rank else g.rank


@routine
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
    if params.size_type >= TARGET_SHARES:
        end_working_entries(t, a, side, REPLACED, R_REPLACED, book, tape)
    submit_signal_entry(t, a, side, g, market, intents, params, book, tape)


@routine
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


@phase
def skip_signals(t, intents, s):
    """Move the cursor past the signals of bars before t, which an idle account did not look at."""
    while s.signal < intents.signals.shape[0] and intents.signals[s.signal].bar < t:
        s.signal += 1


@routine
def size_signals(t, market, intents, params, book, tape):
    s = book.state[0]
    while s.signal < intents.signals.shape[0] and intents.signals[s.signal].bar <= t:
        g = intents.signals[s.signal]
        s.signal += 1
        if s.equity > 0.0:
            follow_signal(t, g, market, intents, params, book, tape)
