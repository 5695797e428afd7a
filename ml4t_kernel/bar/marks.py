"""Valuation, water marks, streaming statistics and the equity row (clauses 4.3, 4.4, 4.8)."""

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.compile.references import prefetch
from ml4t_kernel.money.instruments import initial_unit, maintenance_unit
from ml4t_kernel.money.prices import absent, present
from ml4t_kernel.orders.reach import is_late
from ml4t_kernel.rules.levels import follow_water_mark
from ml4t_kernel.schema import ADDED, STOCK, TRAILING_STOP

AHEAD = 1
"""Bars between asking for a bar of what is held and reading it; with 2, W4 takes 6 percent more, W1 the same."""


@inlined
def raise_extremes(high, low, close, p, water_mark_close):
    """Extremes of the trade and the rules' water mark; returns True if the mark moved."""
    # Selects, not branches: which bars make a new extreme cannot be foreseen.
    old = p.water_mark
    p.high = high if high > p.high else p.high
    p.low = low if low < p.low else p.low
    if p.shares > 0.0:
        top = close if water_mark_close else high
        p.water_mark = top if top > old else old
    else:
        bottom = close if water_mark_close else low
        p.water_mark = bottom if bottom < old else old
    return p.water_mark != old


@inlined
def value_positions(t, market, params, book):
    """4.3, 4.4: marks, water marks and levels of held positions; equity and gross exposure.

    What is held lies scattered over the panel, a miss a position and bar: without asking ahead W1 took twice as long.
    """
    s = book.state[0]
    equity = s.cash
    gross = 0.0
    ahead = min(t + AHEAD, market.close.shape[0] - 1)
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        prefetch(market.close, ahead, a)
        close = market.close[t, a]
        if present(close):
            p.mark = close
            if is_late(t, p):
                # Born after the open: the extremes of the bar may lie before the birth.
                moved = raise_extremes(close, close, close, p, params.water_mark_close)
            else:
                moved = raise_extremes(market.high[t, a], market.low[t, a], close, p, params.water_mark_close)
            if params.has_rules and (moved or p.stale_levels == ADDED):
                follow_water_mark(p)
        value = p.shares * p.mark
        equity += value
        gross += abs(value)
    s.equity = equity
    s.gross = gross


@compiled
def revalue(t, market, book):
    """After 4.7: equity is marked again; the first mark of what was just opened is C, others are untouched."""
    s = book.state[0]
    equity = s.cash
    gross = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        close = market.close[t, a]
        if present(close):
            p.mark = close
            if is_late(t, p):
                p.high = max(p.high, close)
                p.low = min(p.low, close)
        value = p.shares * p.mark
        equity += value
        gross += abs(value)
    s.equity = equity
    s.gross = gross


@compiled
def revalue_shorts(t, prices, book):
    """Value of all shorts at the phase's prices, the opens or closes; last marks where there is no bar (6.2)."""
    s = book.state[0]
    total = 0.0
    for i in range(s.held):
        p = book.positions[book.held[i]]
        if p.shares < 0.0:
            price = prices[t, book.held[i]]
            total -= p.shares * (price if present(price) else p.mark)
    book.work[0].short_value = total


@compiled
def sum_requirements(market, params, book):
    """Sums of the initial and maintenance requirements at the marks, to w.initial and w.maintenance (6.2)."""
    s = book.state[0]
    w = book.work[0]
    w.initial = 0.0
    w.maintenance = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.shares != 0.0:
            w.initial += abs(p.shares) * initial_unit(p.shares, p.mark, a, market, params)
            w.maintenance += abs(p.shares) * maintenance_unit(p.shares, p.mark, a, market, params)


@cold
def raise_trailing_orders(t, market, params, book, tape):
    """Water marks of live trailing orders, for the next bar."""
    s = book.state[0]
    for j in range(s.waiting):
        a = book.waiting[j]
        close = market.close[t, a]
        if absent(close) or book.queues[a].trailing + book.queues[a].dirty == 0:
            continue
        i = book.queues[a].head
        while i > 0:
            d = tape.details[i]
            i = d.next
            o = tape.orders[d.order]
            if o.kind == TRAILING_STOP and not d.triggered:
                raise_water_mark(t, a, o.left > 0.0, d, market, params)


@inlined
def raise_water_mark(t, a, buys, d, market, params):
    if absent(d.water_mark):
        d.water_mark = market.close[t, a]
    elif params.water_mark_close or is_late(t, d):
        d.water_mark = min(d.water_mark, market.close[t, a]) if buys else max(d.water_mark, market.close[t, a])
    elif buys:
        d.water_mark = min(d.water_mark, market.low[t, a])
    else:
        d.water_mark = max(d.water_mark, market.high[t, a])


@inlined
def add_return(s):
    """Streaming moments of the simple return and the running drawdown."""
    # Below zero a return means nothing; the account is frozen anyhow.
    if s.previous_equity > 0.0:
        x = s.equity / s.previous_equity - 1.0
        s.sum1 += x
        s.sum2 += x * x
        if x < 0.0:
            s.down2 += x * x
    s.previous_equity = s.equity
    if s.equity > s.peak:
        s.peak = s.equity
    elif s.equity < s.peak * (1.0 - s.drawdown):
        s.drawdown = 1.0 - s.equity / s.peak


@inlined
def add_activity(s):
    """Turnover and number of positions of the bar."""
    if s.bar_notional > 0.0:
        if s.equity > 0.0:
            turnover = s.bar_notional / s.equity
            s.sum_turnover += turnover
            s.max_turnover = max(s.max_turnover, turnover)
        s.bar_notional = 0.0
    if s.held > 0:
        s.exposed_bars += 1
        s.sum_positions += s.held
        s.max_positions = max(s.max_positions, s.held)


@cold
def record_limits(t, params, book, tape):
    """Leverage of an account with limits of its own, and on margin its requirements at the marks."""
    s = book.state[0]
    w = book.work[0]
    if s.held > 0 and s.equity > 0.0:
        leverage = s.gross / s.equity
        s.sum_leverage += leverage
        s.max_leverage = max(s.max_leverage, leverage)
    if params.margin:
        r = tape.margin[t * params.record]
        r.initial = w.initial if s.held > 0 else 0.0
        r.maintenance = w.maintenance if s.held > 0 else 0.0


@cold
def notional_paid(market, book):
    """What this cash has paid for futures and perpetuals and recorded cash has not: their value at the marks (0.7)."""
    total = 0.0
    for i in range(book.state[0].held):
        p = book.positions[book.held[i]]
        if market.instruments[book.held[i]].kind != STOCK:
            total += p.shares * p.mark
    return total


@inlined
def record_equity(t, market, params, book, tape):
    """4.8: one row a bar, and the statistics that a sweep keeps instead."""
    s = book.state[0]
    s.returns += t > 0 or s.equity != s.previous_equity  # the first bar is a mark unless the account traded on it
    if s.equity != s.previous_equity:
        add_return(s)
    add_activity(s)
    r = tape.equity[t * params.record]
    r.equity = s.equity
    r.cash = s.cash + notional_paid(market, book) if params.has_instruments else s.cash
    if params.allow_short or params.margin:
        tape.gross[t * params.record] = s.gross
    if params.has_limits:
        record_limits(t, params, book, tape)


@inlined
def drop_closed(book):
    """Positions gone flat leave the list; the order of the others never depends on which exit came first."""
    s = book.state[0]
    if not s.unlist:
        return
    n = 0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.shares != 0.0:
            book.held[n] = a
            n += 1
        else:
            p.listed = 0
    s.held = n
    s.unlist = 0
