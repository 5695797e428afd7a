"""The causal loop: what happens in a bar, in the order of the contract. One line a clause; gates skip what is idle."""

from ml4t_kernel.bar.actions import apply_actions
from ml4t_kernel.bar.auction import fill_at_close, fill_at_deciding_close, fill_at_open
from ml4t_kernel.bar.gates import (
    chains_may_act,
    decides,
    executes_at_decision,
    may_recall,
    settles,
    something_executes,
    something_wakes,
    wake_chains,
    walks_inside,
)
from ml4t_kernel.bar.inside import fill_inside_bar
from ml4t_kernel.bar.marks import drop_closed, raise_trailing_orders, record_equity, value_positions
from ml4t_kernel.bar.recalls import recall_shorts
from ml4t_kernel.bar.settle import settle_close
from ml4t_kernel.compile.jit import inlined
from ml4t_kernel.decide.given_orders import take_intents
from ml4t_kernel.decide.signals import size_signals
from ml4t_kernel.decide.targets import size_targets
from ml4t_kernel.orders.chains import wake_due
from ml4t_kernel.schema import EVENT_ACTION, EVENT_ORDER, EVENT_SIGNAL, EVENT_TARGET


@inlined
def decide(t, market, intents, params, book, tape):
    """4.6."""
    event = intents.events[t]
    if event & EVENT_TARGET:
        size_targets(t, market, intents, params, book, tape)
    if event & EVENT_SIGNAL:
        size_signals(t, market, intents, params, book, tape)
    if event & EVENT_ORDER:
        take_intents(t, market, intents, params, book, tape)


@inlined
def bar(t, market, intents, params, book, tape):
    """One bar. `busy`: some chain has to be looked at."""
    s = book.state[0]
    if intents.events[t] & EVENT_ACTION:
        apply_actions(t, market, params, book, tape)  # 1.1, 1.4
        drop_closed(book)
    if may_recall(t, intents, params, book):
        recall_shorts(t, market, params, book, tape)  # 1.5
    if something_wakes(t, s):
        wake_due(t, book)
    busy = chains_may_act(t, market, params, book, tape)
    if busy:
        wake_chains(t, market, book, tape)  # 1.6
    if something_executes(busy, t, market, params, book):
        fill_at_open(t, market, intents, params, book, tape)  # 1.7, 2
        if walks_inside(params, book):
            fill_inside_bar(t, market, intents, params, book, tape)  # 3
        if s.close_only > 0:
            fill_at_close(t, market, intents, params, book, tape)  # 4.1, 4.2
        busy = s.waiting > 0
    drop_closed(book)
    value_positions(t, market, params, book)  # 4.3, 4.4
    if busy:
        raise_trailing_orders(t, market, params, book, tape)  # 4.4
    if settles(t, intents, book):
        settle_close(t, market, intents, params, book, tape)  # 4.5
    if decides(t, intents, book):
        decide(t, market, intents, params, book, tape)  # 4.6
    if executes_at_decision(params, book):
        fill_at_deciding_close(t, market, intents, params, book, tape)  # 4.7
    record_equity(t, market, params, book, tape)  # 4.8
