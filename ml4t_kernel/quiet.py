"""Bars in which nothing can happen, walked without the phases: flat and idle, or one position between its levels.

The same arithmetic as the full bar. With the state in local variables W2 (one asset x 1,000,000 bars, its 7,000 trades
included) takes 9 to 10 ns a bar; with the state in memory it took 14.
"""

from math import inf

from .jit import leaf, phase
from .levels import set_levels
from .prices import pass_edge, reach_edge


@phase
def is_idle(t, params, intents, book):
    """Flat, nothing pending, nothing decided: equity stands still."""
    s = book.state[0]
    return (
        intents.events[t] == 0
        and s.held + s.waiting + s.asleep == 0
        and s.orders == s.fresh
        and params.has_strategy == 0
    )


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
            if params.allow_short:
                tape.gross[t] = 0.0
        t += 1
    s.gross = 0.0
    s.returns += t - start
    return t


@phase
def is_quiet(params, book):
    """One position, nothing pending: until a level is touched, bars only move marks."""
    s = book.state[0]
    return s.held == 1 and s.waiting + s.asleep == 0 and s.orders == s.fresh and params.has_strategy == 0


@leaf
def quiet_stop(p, params):
    """Edge of the stop: a bar whose adverse extreme is short of it leaves the position alone."""
    if params.has_rules:
        return reach_edge(-1.0 if p.shares > 0.0 else 1.0, p.stop)
    return -inf if p.shares > 0.0 else inf


@leaf
def quiet_goal(p, params):
    """Edge of the take profit, as quiet_stop; under `through` the edge itself is still short of it."""
    if not params.has_rules:
        return inf if p.shares > 0.0 else -inf
    side = 1.0 if p.shares > 0.0 else -1.0
    return pass_edge(side, p.goal) if params.limit_through else reach_edge(side, p.goal)


@leaf
def last_quiet_bar(stop, p, params):
    """The walk ends before the bar at whose close the time exit is decided."""
    if params.has_rules and p.time_exit > 0:
        return min(stop, p.entry_bar + p.time_exit - 1)
    return stop


@phase
def walk_quiet(t, stop, market, intents, params, book, tape):
    """Walk the bars on which the only position meets nothing; returns the first bar that needs its phases."""
    s = book.state[0]
    a = book.held[0]
    p = book.positions[a]
    start = t
    long, through, mark_close, record = p.shares > 0.0, params.limit_through != 0, params.mark_close != 0, params.record
    shares, cash, shorts = p.shares, s.cash, params.allow_short != 0
    top, bottom, mark, last = p.high, p.low, p.mark, p.last
    stop_edge, goal_edge = quiet_stop(p, params), quiet_goal(p, params)
    equity, previous, peak, drawdown = s.equity, s.previous_equity, s.peak, s.drawdown
    sum1, sum2, down2 = s.sum1, s.sum2, s.down2
    stop = last_quiet_bar(stop, p, params)
    trails = params.has_rules != 0 and p.armed != 0 and not mark_close
    while t < stop and intents.events[t] == 0:
        high, low, close = market.high[t, a], market.low[t, a], market.close[t, a]
        if long:
            quiet = low > stop_edge and (high <= goal_edge if through else high < goal_edge)
        else:
            quiet = high < stop_edge and (low >= goal_edge if through else low > goal_edge)
        value = shares * close
        if not quiet or not (cash + value > 0.0):
            break
        best = close if mark_close else (high if long else low)
        raised = best > mark if long else best < mark
        if raised and trails:
            if long and close <= reach_edge(-1.0, best * (1.0 - p.trailing_stop)):
                break
            if not long and close >= reach_edge(1.0, best * (1.0 + p.trailing_stop)):
                break
        top, bottom = max(top, high), min(bottom, low)
        if raised:
            mark = best
            if params.has_rules:
                p.mark = mark
                set_levels(p)
                stop_edge = quiet_stop(p, params)
                trails = p.armed != 0 and not mark_close
        last = close
        equity = cash + value
        if equity != previous:
            x = equity / previous - 1.0
            sum1 += x
            sum2 += x * x
            if x < 0.0:
                down2 += x * x
            previous = equity
            if equity > peak:
                peak = equity
            elif equity < peak * (1.0 - drawdown):
                drawdown = 1.0 - equity / peak
        if record:
            r = tape.equity[t]
            r.equity = equity
            r.cash = cash
            if shorts:
                tape.gross[t] = abs(value)
        t += 1
    p.high, p.low, p.mark, p.last = top, bottom, mark, last
    s.equity, s.previous_equity, s.peak, s.drawdown = equity, previous, peak, drawdown
    s.sum1, s.sum2, s.down2 = sum1, sum2, down2
    s.gross = abs(shares * last)
    s.returns += t - start
    s.exposed_bars += t - start
    s.sum_positions += t - start
    if t > start:
        s.max_positions = max(s.max_positions, 1)
    return t
