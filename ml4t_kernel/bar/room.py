"""Room for the worst bar: before a bar is touched, every row that it can write must fit (contract, "How many rows")."""

from ml4t_kernel.compile.jit import inlined
from ml4t_kernel.decide.signals import skip_signals
from ml4t_kernel.schema import (
    EVENT_ACTION,
    EVENT_ORDER,
    EVENT_SIGNAL,
    EVENT_STALE,
    EVENT_TARGET,
    GROW_QUEUES,
    GROW_TAPE,
    OK,
)


@inlined
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


@inlined
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
    # A bar is never entered twice, so the bound is that of the worst bar, not of this one.
    births = 2 * busy + 3 * s.held if params.has_rules else new + s.dormant
    if params.has_forced:
        births += 2 * s.held
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
    if params.record and s.incidents + s.held + 3 > tape.incidents.shape[0]:
        return GROW_TAPE
    return OK if s.ambiguous + 3 * (s.held + busy + 1) <= tape.ambiguous.shape[0] else GROW_TAPE
