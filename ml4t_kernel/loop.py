"""The causal loop: what happens in a bar, in the order of the contract. Phase calls only."""

from ml4t_kernel.bar.actions import apply_actions, book_without_order, remove_stale
from ml4t_kernel.bar.auction import CLOSE, DECISION, OPEN, serve_auction
from ml4t_kernel.bar.inside import fill_inside_bar
from ml4t_kernel.bar.marks import (
    raise_trailing_orders,
    record_equity,
    revalue,
    unlist_closed,
    value_positions,
)
from ml4t_kernel.bar.quiet import is_idle, is_quiet, moves_no_idle, next_event, record_idle, walk_quiet
from ml4t_kernel.bar.rule_orders import decide_time_exits, exit_by_rules
from ml4t_kernel.compile.jit import phase, rare, routine
from ml4t_kernel.compile.references import reference_to, value_of
from ml4t_kernel.decide.given_orders import take_intents
from ml4t_kernel.decide.sizing import size_signals, size_targets, skip_signals
from ml4t_kernel.money.fees import whole_commission
from ml4t_kernel.money.prices import RESIDUE
from ml4t_kernel.orders.life import (
    activate,
    cancel_chain,
    count_phase_orders,
    expire_chain,
    expire_phase,
    falls_asleep,
    remake_band,
    wake_due,
)
from ml4t_kernel.rules.levels import rules_reached
from ml4t_kernel.schema import (
    BLOCK,
    EVENT_ACTION,
    EVENT_ORDER,
    EVENT_SIGNAL,
    EVENT_STALE,
    EVENT_TARGET,
    Origin,
    Reason,
    RunStatus,
)

OK, GROW_TAPE, GROW_QUEUES = (int(status) for status in RunStatus)
R_BANKRUPT, O_BANKRUPTCY = int(Reason.BANKRUPT), int(Origin.BANKRUPTCY)


# Room for the worst bar ----------------------------------------------------------------------------------------------


@phase
def decisions_of(t, market, intents, book):
    """How many orders the decisions of bar t can make."""
    s = book.state[0]
    event = intents.events[t]
    new = 0
    if event & EVENT_TARGET:
        new += intents.weights.shape[1]
    if event & EVENT_SIGNAL:
        skip_signals(t, intents, s)
        i = s.signal
        while i < intents.signals.shape[0] and intents.signals[i].bar <= t:
            i += 1
        new += 2 * (i - s.signal)
    if event & EVENT_ORDER:
        i = s.intent
        while i < intents.orders.shape[0] and intents.orders[i].bar <= t:
            i += 1
        new += 2 * (i - s.intent)
    return new


@phase
def lack_of_room(t, market, intents, params, book, tape):
    """What has to grow before bar t, so that every row that it can write fits; OK when nothing has to.

    Each order alive, unborn or decided may fill two legs and open a position whose rules fire; each position may fire a
    rule at the open, inside and at the close.
    """
    s = book.state[0]
    new = 0
    if intents.events[t] & (EVENT_TARGET | EVENT_SIGNAL | EVENT_ORDER):
        new = decisions_of(t, market, intents, book)
    busy = s.live + s.dormant + new
    births = 2 * busy + 3 * s.held if params.has_rules else new + s.dormant
    fills = 4 * busy + births + 2 * s.held  # both legs, rules, and a bankruptcy's bookings
    if intents.events[t] & (EVENT_ACTION | EVENT_STALE):
        fills += 2 * (market.actions.shape[0] - s.action) + market.stale.shape[0] - s.stale
        if s.booked + market.actions.shape[0] - s.action + market.stale.shape[0] - s.stale > tape.booked.shape[0]:
            return GROW_TAPE
    if s.orders + births > tape.orders.shape[0] or s.details + births + busy > tape.details.shape[0]:
        return GROW_TAPE
    if busy + s.orders - s.fresh > book.queue.shape[0]:
        return GROW_QUEUES
    if params.record and (s.fills + fills > tape.fills.shape[0] or s.trades + fills > tape.trades.shape[0]):
        return GROW_TAPE
    return OK if s.ambiguous + 3 * (s.held + busy + 1) <= tape.ambiguous.shape[0] else GROW_TAPE


# Phases --------------------------------------------------------------------------------------------------------------


@routine
def wake_chains(t, market, book, tape):
    """1.6, and which chains this bar has to look at: bands that changed are made anew, what cannot act goes to
    sleep."""
    s = book.state[0]
    n = 0
    for j in range(s.waiting):
        a = book.waiting[j]
        q = book.queues[a]
        changed = q.dirty != 0 or t % BLOCK == 0
        if q.dirty:
            remake_band(a, book, tape)
        if q.expiry <= t:
            expire_chain(a, t, book, tape)
        if q.count == 0:
            q.listed = 0
            q.dirty = 0
        elif changed and falls_asleep(t, a, market, book):
            q.listed = 2
        else:
            book.waiting[n] = a
            n += 1
    s.waiting = n


@routine
def revalue_shorts(t, prices, book):
    """Value of all shorts at the phase's prices, the opens or closes; last marks where there is no bar (6.2)."""
    s = book.state[0]
    total = 0.0
    for i in range(s.held):
        p = book.positions[book.held[i]]
        if p.shares < 0.0:
            price = prices[t, book.held[i]]
            total -= p.shares * (price if price == price else p.last)
    s.short_value = total


@phase
def fill_at_open(t, market, intents, params, book, tape):
    """Clause 2."""
    s = book.state[0]
    if s.special:
        activate(t, market, book, tape)
    if params.allow_short:
        revalue_shorts(t, market.open, book)
    if s.waiting > 0 or s.orders > s.fresh:
        serve_auction(t, OPEN, market, intents, params, book, tape)
    elif params.has_rules:
        book.work[0].phase = OPEN
        exit_by_rules(t, market, intents, params, book, tape)
        s.fresh = s.orders
        s.special = 0
    if s.open_only > 0:
        expire_phase(False, t, market, book, tape)
        count_phase_orders(book, tape)


@rare
def fill_at_close(t, market, intents, params, book, tape):
    """4.1, 4.2."""
    if params.allow_short:
        revalue_shorts(t, market.close, book)
    serve_auction(t, CLOSE, market, intents, params, book, tape)
    expire_phase(True, t, market, book, tape)
    count_phase_orders(book, tape)


@rare
def liquidate_bankrupt(t, market, params, book, tape):
    """4.5: equity is gone: everything closed at marks with costs, no cap; nothing is decided ever after."""
    s = book.state[0]
    s.frozen = 1
    for j in range(book.queues.shape[0]):
        cancel_chain(j, R_BANKRUPT, t, book, tape)
    for a in range(book.positions.shape[0]):
        if book.positions[a].shares != 0.0:
            close_at_mark(t, a, market, params, book, tape)


@routine
def close_at_mark(t, a, market, params, book, tape):
    """One position of a bankrupt account at its mark, with spread, slippage and commission."""
    s = book.state[0]
    p = book.positions[a]
    spread = params.half_spread
    if params.spread_mode == 1:
        spread = market.half_spread[0, a]
    elif params.spread_mode == 2:
        spread = market.half_spread[t, a]
    if spread != spread:
        spread = 0.0
    rate = spread + params.slippage_rate
    sells = p.shares > 0.0
    if sells:
        price = max(0.0, p.last * (1.0 - rate) - params.slippage_fixed)
    else:
        price = p.last * (1.0 + rate) + params.slippage_fixed
    fee = whole_commission(abs(p.shares), price, sells, params)
    book_without_order(t, a, -p.shares, price, p.last, fee, O_BANKRUPTCY, params, book, tape)
    s.equity = s.cash


@routine
def settle_close(t, market, intents, params, book, tape):
    """4.5: bankruptcy, stale assets, rules that decide at the close."""
    s = book.state[0]
    if s.equity <= 0.0 and s.held > 0:
        liquidate_bankrupt(t, market, params, book, tape)
    if intents.events[t] & EVENT_STALE:
        remove_stale(t, market, params, book, tape)
    if s.timed and not s.frozen:
        decide_time_exits(t, book, tape)
    if s.unlist:
        unlist_closed(book)
        revalue(t, market, book)


@phase
def decide(t, market, intents, params, book, tape, strategy):
    """4.6."""
    event = intents.events[t]
    if event & EVENT_TARGET:
        size_targets(t, market, intents, params, book, tape)
    if event & EVENT_SIGNAL:
        size_signals(t, market, intents, params, book, tape)
    if event & EVENT_ORDER:
        take_intents(t, market, intents, params, book, tape)
    if params.has_strategy:
        strategy(t, value_of(market), value_of(book), value_of(tape))


@routine
def fill_at_deciding_close(t, market, intents, params, book, tape):
    """4.7."""
    s = book.state[0]
    if params.allow_short:
        revalue_shorts(t, market.close, book)
    serve_auction(t, DECISION, market, intents, params, book, tape)
    if s.unlist:
        unlist_closed(book)
    revalue(t, market, book)


@phase
def is_starved(params, book):
    """Nothing waits but rests of target buys, and no cash will come before they are served: they can do nothing.

    A fully invested account leaves such rests after each rebalance; serving them cost five floors on W1.
    """
    s = book.state[0]
    if s.starved != s.live or s.orders > s.fresh or params.allow_short or params.has_rules:
        return False
    return s.cash <= 0.0 or (params.lot <= 0.0 and s.cash < RESIDUE * s.equity)


@phase
def reaches_rules(t, market, params, book):
    """Can any rule of a held position act on bar t, at its open or inside? Both lie in the bar's range."""
    s = book.state[0]
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
        if rules_reached(high, low, close, p, params):
            return True
    return False


@phase
def bar(t, market, intents, params, book, tape, strategy):
    """One bar."""
    s = book.state[0]
    event = intents.events[t]
    if event & EVENT_ACTION:
        apply_actions(t, market, params, book, tape)  # 1.1, 1.4
        if s.unlist:
            unlist_closed(book)
    if s.asleep > 0 and t >= s.next_wake:
        wake_due(t, book)
    busy = s.waiting > 0 and not is_starved(params, book)
    if busy:
        wake_chains(t, market, book, tape)  # 1.6
    if busy or s.orders > s.fresh or (params.has_rules and s.held > 0 and reaches_rules(t, market, params, book)):
        fill_at_open(t, market, intents, params, book, tape)  # 1.7, 2
        if s.waiting > 0 or params.has_rules:
            fill_inside_bar(t, market, intents, params, book, tape)  # 3
        if s.close_only > 0:
            fill_at_close(t, market, intents, params, book, tape)  # 4.1, 4.2
        busy = s.waiting > 0
    if s.unlist:
        unlist_closed(book)
    value_positions(t, market, params, book)  # 4.3, 4.4
    if busy:
        raise_trailing_orders(t, market, params, book, tape)
    if s.held > 0 or event & EVENT_STALE:
        settle_close(t, market, intents, params, book, tape)  # 4.5
    if event != 0 or params.has_strategy:
        if not s.frozen:
            decide(t, market, intents, params, book, tape, strategy)  # 4.6
    if params.same_bar and s.orders > s.fresh and not s.frozen:
        fill_at_deciding_close(t, market, intents, params, book, tape)  # 4.7
    record_equity(t, params, book, tape)  # 4.8


@phase
def walk(start, stop, market, intents, params, book, tape, strategy):
    """Bars start .. stop - 1; returns the first bar not done. Before a bar is touched its worst case must fit."""
    s = book.state[0]
    t = start
    while t < stop:
        event = min(stop, next_event(t, intents, book))
        if is_idle(params, book) and (event > t or moves_no_idle(intents.events[t])):
            event = max(event, t + 1)
            record_idle(t, event, params, book, tape)
            t = event
            continue
        if event > t and is_quiet(params, book):
            t = walk_quiet(t, event, market, params, book, tape)
            if t == stop:
                break
        s.status = lack_of_room(t, market, intents, params, book, tape)
        if s.status != OK:
            return t
        bar(t, market, intents, params, book, tape, strategy)
        t += 1
        s.bar = t
    s.status = OK
    s.bar = t
    return t


@routine
def begin_account(params, book):
    """Cash, no positions, no orders."""
    book.state[0] = book.new_state[0]
    s = book.state[0]
    s.cash = s.equity = s.previous_equity = s.peak = params.initial_cash
    for a in range(book.positions.shape[0]):
        book.positions[a] = book.new_position[0]
        book.queues[a] = book.new_queue[0]
    for i in range(book.placed.shape[0]):
        book.placed[i] = -1


def run_accounts(market, intents, params_rows, book, tape, finals, first, last, start, stop, strategy):
    """Run bars start .. stop - 1 of the accounts first .. last - 1, one row of `params_rows` each, one after the other.

    All use the same `book` and `tape`, modified in place; an account is made new at bar 0 and its state after the last
    bar goes to its row of `finals`. start > 0 goes on with the account in `book`, which must be the only one asked for.
    Returns the first account not finished: `last`, or less, with state.bar short of `stop` and state.status a GROW_*,
    when a tape or queue has to grow first.
    """
    s = book.state[0]
    for k in range(first, last):
        if start == 0:
            begin_account(params_rows[k], reference_to(book))
        if start < stop:
            walk(
                start,
                stop,
                reference_to(market),
                reference_to(intents),
                params_rows[k],
                reference_to(book),
                reference_to(tape),
                strategy,
            )
        if s.bar < stop:
            return k
        finals[k] = book.state[0]
    return last
