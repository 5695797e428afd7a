"""Valuation, water marks, streaming statistics and the equity row (clauses 4.3, 4.4, 4.8)."""

from .jit import leaf, phase, routine
from .levels import levels_in_range, set_levels, trail_proven
from .schema import TRAILING_STOP


@leaf
def raise_extremes(high, low, close, p, mark_close):
    """Extremes of the trade and the rules' water mark; returns True if the mark moved."""
    if high > p.high:
        p.high = high
    if low < p.low:
        p.low = low
    if p.shares > 0.0:
        top = close if mark_close else high
        if top > p.mark:
            p.mark = top
            return True
    else:
        bottom = close if mark_close else low
        if bottom < p.mark:
            p.mark = bottom
            return True
    return False


@phase
def value_positions(t, market, params, book):
    """4.3, 4.4: marks, water marks and levels of held positions; equity and gross exposure."""
    s = book.state[0]
    equity = s.cash
    gross = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        close = market.close[t, a]
        if close == close:
            p.last = close
            if p.born_inside and p.entry_bar == t:
                moved = raise_extremes(close, close, close, p, params.mark_close)
            else:
                moved = raise_extremes(market.high[t, a], market.low[t, a], close, p, params.mark_close)
            if params.has_rules and (moved or p.stale_levels):
                set_levels(p)
        value = p.shares * p.last
        equity += value
        gross += abs(value)
    s.equity = equity
    s.gross = gross


@routine
def revalue(t, market, book):
    """After 4.7: equity is marked again; water marks of what was held are untouched."""
    s = book.state[0]
    equity = s.cash
    gross = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        close = market.close[t, a]
        if close == close:
            p.last = close
        value = p.shares * p.last
        equity += value
        gross += abs(value)
    s.equity = equity
    s.gross = gross


@routine
def raise_trailing_orders(t, market, book, tape):
    """Water marks of live trailing orders, for the next bar."""
    s = book.state[0]
    for j in range(s.waiting):
        a = book.waiting[j]
        close = market.close[t, a]
        if close != close or book.queues[a].trailing + book.queues[a].dirty == 0:
            continue
        i = book.queues[a].head
        while i > 0:
            d = tape.details[i]
            i = d.next
            o = tape.orders[d.order]
            if o.kind == TRAILING_STOP and not d.triggered:
                raise_trailing_mark(t, a, o.left > 0.0, d, market)


@phase
def raise_trailing_mark(t, a, buys, d, market):
    if d.mark != d.mark:
        d.mark = market.close[t, a]
    elif d.born_bar == t and d.born_inside:
        d.mark = min(d.mark, market.close[t, a]) if buys else max(d.mark, market.close[t, a])
    elif buys:
        d.mark = min(d.mark, market.low[t, a])
    else:
        d.mark = max(d.mark, market.high[t, a])


@leaf
def add_return(s):
    """Streaming moments of the simple return and the running drawdown."""
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


@leaf
def add_activity(s):
    """Turnover and number of positions of the bar."""
    if s.bar_notional > 0.0:
        s.notional += s.bar_notional
        if s.equity > 0.0:
            turnover = s.bar_notional / s.equity
            s.sum_turnover += turnover
            s.max_turnover = max(s.max_turnover, turnover)
        s.bar_notional = 0.0
    if s.held > 0:
        s.exposed_bars += 1
        s.sum_positions += s.held
        s.max_positions = max(s.max_positions, s.held)


@phase
def record_equity(t, params, book, tape):
    """4.8: one row a bar, and the statistics that a sweep keeps instead."""
    s = book.state[0]
    s.returns += 1
    if s.equity != s.previous_equity:
        add_return(s)
    add_activity(s)
    r = tape.equity[t * params.record]
    r.equity = s.equity
    r.cash = s.cash
    r.gross = s.gross
    r.positions = s.held


@phase
def unlist_closed(book):
    """Positions gone flat leave the list; the order of the others never depends on which exit came first."""
    s = book.state[0]
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


@phase
def unlist_idle_queues(book):
    """Assets whose last waiting order has ended."""
    s = book.state[0]
    n = 0
    for j in range(s.waiting):
        a = book.waiting[j]
        q = book.queues[a]
        if q.count > 0:
            book.waiting[n] = a
            n += 1
        else:
            q.listed = 0
            q.dirty = 0
    s.waiting = n


# Bars in which nothing can happen ------------------------------------------------------------------------------------


@phase
def is_idle(t, params, intents, book):
    """Flat, nothing pending, nothing decided: equity stands still."""
    s = book.state[0]
    return intents.events[t] == 0 and s.held + s.waiting == 0 and s.orders == s.fresh and params.has_strategy == 0


@phase
def record_idle(t, stop, intents, params, book, tape):
    """Rows of idle bars; returns the first bar that is not."""
    s = book.state[0]
    equity = s.equity
    cash = s.cash
    start = t
    while t < stop and intents.events[t] == 0:
        if params.record:
            r = tape.equity[t]
            r.equity = equity
            r.cash = cash
            r.gross = 0.0
            r.positions = 0
        t += 1
    s.gross = 0.0
    s.returns += t - start
    return t


@phase
def is_quiet(params, book):
    """One position, nothing pending: until a level is touched, bars only move marks."""
    s = book.state[0]
    return s.held == 1 and s.waiting == 0 and s.orders == s.fresh and params.has_strategy == 0


@phase
def is_quiet_bar(high, low, close, p, params):
    if close != close:
        return False
    if not params.has_rules:
        return True
    return not (levels_in_range(high, low, p, params) or trail_proven(high, low, close, p, params))


@phase
def walk_quiet(t, stop, market, intents, params, book, tape):
    """The bars on which the only position meets nothing: the same leaves as the full bar, without its phases."""
    s = book.state[0]
    a = book.held[0]
    p = book.positions[a]
    start = t
    while t < stop and intents.events[t] == 0:
        if p.time_exit > 0 and params.has_rules and t - p.entry_bar + 1 >= p.time_exit:
            break
        high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
        if not is_quiet_bar(high, low, close, p, params):
            break
        value = p.shares * close
        if s.cash + value <= 0.0:
            break
        p.last = close
        if raise_extremes(high, low, close, p, params.mark_close) and params.has_rules:
            set_levels(p)
        s.equity = s.cash + value
        if s.equity != s.previous_equity:
            add_return(s)
        if params.record:
            r = tape.equity[t]
            r.equity = s.equity
            r.cash = s.cash
            r.gross = abs(value)
            r.positions = 1
        t += 1
    s.gross = abs(p.shares * p.last)
    walked = t - start
    s.returns += walked
    s.exposed_bars += walked
    s.sum_positions += walked
    if walked > 0:
        s.max_positions = max(s.max_positions, 1)
    return t
