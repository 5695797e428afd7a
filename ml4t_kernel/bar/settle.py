"""4.5: what the marked book settles: bankruptcy, stale assets, the margin call, time exits."""

from math import nan

from ml4t_kernel.bar.actions import book_without_order, remove_stale
from ml4t_kernel.bar.fills import half_spread_of
from ml4t_kernel.bar.incidents import note_incident
from ml4t_kernel.bar.margin_call import test_margin
from ml4t_kernel.bar.marks import drop_closed, revalue
from ml4t_kernel.bar.rule_orders import decide_time_exits
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.fees import whole_commission
from ml4t_kernel.money.instruments import fixed_slippage
from ml4t_kernel.money.prices import after_costs, taker_rate
from ml4t_kernel.orders.life import cancel_pending
from ml4t_kernel.schema import E_BANKRUPT, EVENT_STALE, NO_ROW, O_BANKRUPTCY, R_BANKRUPT


@cold
def liquidate_bankrupt(t, market, params, book, tape):
    """4.5: equity is gone: everything closed at marks with costs, no cap; nothing is decided ever after."""
    s = book.state[0]
    note_incident(t, NO_ROW, E_BANKRUPT, nan, s.equity, nan, params, book, tape)
    # First of all: what is cancelled and booked below must not decide anything again.
    s.frozen = 1
    for j in range(book.queues.shape[0]):
        cancel_pending(j, R_BANKRUPT, t, book, tape)
    for a in range(book.positions.shape[0]):
        if book.positions[a].shares != 0.0:
            close_at_mark(t, a, market, params, book, tape)


@compiled
def close_at_mark(t, a, market, params, book, tape):
    """One position of a bankrupt account at its mark, with spread, slippage and commission."""
    s = book.state[0]
    p = book.positions[a]
    sells = p.shares > 0.0
    rate = taker_rate(half_spread_of(t, a, market, params), params)
    price = after_costs(-p.shares, p.mark, rate, fixed_slippage(a, market, params))
    fee = whole_commission(abs(p.shares), price, sells, params)
    book_without_order(t, a, -p.shares, price, p.mark, fee, O_BANKRUPTCY, params, book, tape)
    s.equity = s.cash


@inlined
def mark_again(t, market, book):
    """What was closed has changed cash: equity is what is left after it."""
    if book.state[0].unlist:
        drop_closed(book)
        revalue(t, market, book)


@compiled
def settle_close(t, market, intents, params, book, tape):
    """4.5: bankruptcy, stale assets, the margin call, rules that decide at the close."""
    s = book.state[0]
    if s.equity <= 0.0 and s.held > 0:
        liquidate_bankrupt(t, market, params, book, tape)
    if intents.events[t] & EVENT_STALE:
        remove_stale(t, market, params, book, tape)
        mark_again(t, market, book)
        if s.equity <= 0.0 and s.held > 0:
            liquidate_bankrupt(t, market, params, book, tape)
    mark_again(t, market, book)
    if params.margin and not s.frozen:
        test_margin(t, market, params, book, tape)
    if s.timed and not s.frozen:
        decide_time_exits(t, book, tape)
