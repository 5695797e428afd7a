"""Bars in which nothing can happen, walked without the phases: flat and idle, or one position between its levels.

The same arithmetic as the full bar, with the state in local variables: with it in memory W2 (one asset x 1,000,000
bars) took half as long again.
"""

from math import inf

from ml4t_kernel.compile.jit import inlined
from ml4t_kernel.money.prices import pass_edge, reach_edge
from ml4t_kernel.rules.levels import follow_water_mark
from ml4t_kernel.schema import BLOCK


@inlined
def record_idle(t, stop, params, book, tape):
    """Bars t .. stop - 1 of an idle account: rows where they are recorded, else a jump."""
    s = book.state[0]
    if params.record:
        equity = s.equity
        cash = s.cash
        for b in range(t, stop):
            r = tape.equity[b]
            r.equity = equity
            r.cash = cash
            if params.allow_short or params.margin:
                tape.gross[b] = 0.0
            if params.margin:
                tape.margin[b].initial = 0.0
                tape.margin[b].maintenance = 0.0
    s.gross = 0.0
    s.returns += stop - max(t, 1)


@inlined
def quiet_stop(p, params):
    """Edge of the stop: a bar whose adverse extreme is short of it leaves the position alone."""
    if params.has_rules:
        return reach_edge(-1.0 if p.shares > 0.0 else 1.0, p.stop_level)
    return -inf if p.shares > 0.0 else inf


@inlined
def quiet_take_profit(p, params):
    """Edge of the take profit, as quiet_stop; under `through` the edge itself is still short of it."""
    if not params.has_rules:
        return inf if p.shares > 0.0 else -inf
    side = 1.0 if p.shares > 0.0 else -1.0
    return pass_edge(side, p.take_profit_level) if params.limit_through else reach_edge(side, p.take_profit_level)


@inlined
def last_quiet_bar(stop, p, params):
    """The walk ends before the bar at whose close the time exit is decided."""
    # Its order is decided at 4.5, which a quiet bar does not have.
    if params.has_rules and p.time_exit > 0:
        return min(stop, p.born_bar + p.time_exit - 1)
    return stop


@inlined
def quiet_bars(t, stop, a, market, params, book):
    """Move the marks of position a over bars from t on that meet none of its levels; returns the first that does."""
    p = book.positions[a]
    shares, cash = p.shares, book.state[0].cash
    long, through, water_mark_close = shares > 0.0, params.limit_through != 0, params.water_mark_close != 0
    # A long position without debt cannot be bankrupt by a price above zero: no test in the loop.
    solvent = long and cash >= 0.0
    top, bottom, water_mark = p.high, p.low, p.water_mark
    stop_edge, take_profit_edge = quiet_stop(p, params), quiet_take_profit(p, params)
    trails = params.has_rules != 0 and p.armed != 0 and not water_mark_close
    while t < stop:
        high, low = market.high[t, a], market.low[t, a]
        if long:
            quiet = low > stop_edge and (high <= take_profit_edge if through else high < take_profit_edge)
        else:
            quiet = high < stop_edge and (low >= take_profit_edge if through else low > take_profit_edge)
        if not quiet or not (solvent or cash + shares * market.close[t, a] > 0.0):
            break
        best = high if long else low
        if water_mark_close:
            best = market.close[t, a]
        if best > water_mark if long else best < water_mark:
            if trails:
                # The close lies at the trail of this bar's own extreme: counted or executed by 3.1, not a quiet bar.
                if long and market.close[t, a] <= reach_edge(-1.0, best * (1.0 - p.trailing_stop)):
                    break
                if not long and market.close[t, a] >= reach_edge(1.0, best * (1.0 + p.trailing_stop)):
                    break
            water_mark = best
            if params.has_rules:
                p.water_mark = water_mark
                follow_water_mark(p)
                stop_edge = quiet_stop(p, params)
                trails = p.armed != 0 and not water_mark_close
        top, bottom = max(top, high), min(bottom, low)
        t += 1
    p.high, p.low, p.water_mark = top, bottom, water_mark
    return t


@inlined
def record_quiet(t, stop, a, market, params, book, tape):
    """Equity, returns and drawdown of bars t .. stop - 1, over which position a alone is held."""
    s = book.state[0]
    p = book.positions[a]
    shares, cash = p.shares, s.cash
    equity, previous, peak, drawdown = s.equity, s.previous_equity, s.peak, s.drawdown
    sum1, sum2, down2 = s.sum1, s.sum2, s.down2
    floor = peak * (1.0 - drawdown)
    for b in range(t, stop):
        value = shares * market.close[b, a]
        equity = cash + value
        x = equity / previous - 1.0
        sum1 += x
        sum2 += x * x
        if x < 0.0:
            down2 += x * x
        previous = equity
        if equity > peak:
            peak = equity
            floor = peak * (1.0 - drawdown)
        elif equity < floor:
            drawdown = 1.0 - equity / peak
            floor = peak * (1.0 - drawdown)
        if params.record:
            r = tape.equity[b]
            r.equity = equity
            r.cash = cash
            if params.allow_short:
                tape.gross[b] = abs(value)
    s.equity, s.previous_equity, s.peak, s.drawdown = equity, previous, peak, drawdown
    s.sum1, s.sum2, s.down2 = sum1, sum2, down2


@inlined
def walk_quiet(t, stop, market, params, book, tape):
    """Walk the bars on which the only position meets nothing; returns the first bar that needs its phases."""
    s = book.state[0]
    a = book.held[0]
    p = book.positions[a]
    start = t
    stop = last_quiet_bar(stop, p, params)
    while t < stop:
        # In pieces of 64 bars, so that the second pass finds the prices of the first in cache.
        edge = min(stop, t + BLOCK)
        reached = quiet_bars(t, edge, a, market, params, book)
        record_quiet(t, reached, a, market, params, book, tape)
        t = reached
        if t < edge:
            break
    if t > start:
        p.mark = market.close[t - 1, a]
        s.gross = abs(p.shares * p.mark)
        s.returns += t - start
        s.exposed_bars += t - start
        s.sum_positions += t - start
        s.max_positions = max(s.max_positions, 1)
    return t
