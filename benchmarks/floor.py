"""The floor: the contract's arithmetic for one workload, and nothing else, as fast as plain Numba gets.

No partial fills, no order types, no records beyond what a result needs. Sizes at the deciding close, exits first, buys
scaled together when cash is short, fills at that close; stops as clause 3 has them with `tie="pessimistic"` and
`limit_fill="touch"`.
"""

import numpy as np
from numba import njit, prange


@njit(cache=True)
def rebalance(close, weights, cash, fee, slip, record, equity):
    """Targets every bar whose row is not NaN; returns the number of orders. record: (N, 5), equity: (T,), written."""
    bars, assets = close.shape
    shares, delta, k = np.zeros(assets), np.empty(assets), 0
    for t in range(bars):
        if not np.isnan(weights[t, 0]):
            value = cash
            for a in range(assets):
                value += shares[a] * close[t, a]
            needed = 0.0
            for a in range(assets):
                delta[a] = weights[t, a] * value / close[t, a] - shares[a]
                if delta[a] > 0.0:
                    needed += delta[a] * (close[t, a] * (1 + slip)) * (1 + fee)
            for a in range(assets):
                if delta[a] < 0.0:
                    price = close[t, a] * (1 - slip)
                    cost = -delta[a] * price * fee
                    cash += -delta[a] * price - cost
                    shares[a] += delta[a]
                    record[k, 0], record[k, 1], record[k, 2], record[k, 3], record[k, 4] = t, a, delta[a], price, cost
                    k += 1
            scale = min(1.0, cash / needed) if needed > 0.0 else 1.0
            for a in range(assets):
                if delta[a] > 0.0:
                    price = close[t, a] * (1 + slip)
                    quantity = delta[a] * scale
                    cost = quantity * price * fee
                    cash -= quantity * price + cost
                    shares[a] += quantity
                    record[k, 0], record[k, 1], record[k, 2], record[k, 3], record[k, 4] = t, a, quantity, price, cost
                    k += 1
        value = cash
        for a in range(assets):
            value += shares[a] * close[t, a]
        equity[t] = value
    return k


@njit(cache=True)
def stops(open_, high, low, close, entry, exit_, stop, trail, target, fee, slip, cash):
    """One asset, all in, three rules; returns final equity and the number of round trips."""
    shares = level = goal = mark = 0.0
    trades = 0
    for t in range(len(close)):
        if shares > 0.0:
            in_force, price = max(level, mark * (1 - trail)), 0.0
            if open_[t] <= in_force:
                price = open_[t] * (1 - slip)
            elif open_[t] >= goal:
                price = max(open_[t] * (1 - slip), goal)
            elif low[t] <= in_force:
                price = in_force * (1 - slip)
            elif high[t] >= goal:
                price = goal
            elif high[t] > mark:
                mark = high[t]
            if price > 0.0:
                cash, shares = cash + shares * price * (1 - fee), 0.0
                trades += 1
        if shares > 0.0:
            if exit_[t]:
                cash, shares = cash + shares * (close[t] * (1 - slip)) * (1 - fee), 0.0
                trades += 1
        elif entry[t]:
            price = close[t] * (1 + slip)
            shares = cash / (price * (1 + fee))
            cash -= shares * price * (1 + fee)
            level, goal, mark = price * (1 - stop), price * (1 + target), price
    return cash + shares * close[-1], trades


@njit(cache=True, parallel=True)
def sweep(open_, high, low, close, entry, exit_, grid, fee, slip, cash, final, trades):
    """`stops` for each row of grid (K, 3): stop, trail, target; final: (K,) and trades: (K,) written.

    The number of threads is numba's (`numba.set_num_threads`).
    """
    for k in prange(len(grid)):
        stop, trail, target = grid[k, 0], grid[k, 1], grid[k, 2]
        final[k], trades[k] = stops(open_, high, low, close, entry, exit_, stop, trail, target, fee, slip, cash)


def listed_signals(entries, exits):
    """(first, asset, enters) of signals (T, A) by bar, then asset; bar t has rows first[t] to first[t + 1] - 1."""
    bar, asset = np.nonzero(entries | exits)
    first = np.searchsorted(bar, np.arange(len(entries) + 1)).astype(np.int32)
    return first, asset.astype(np.int32), entries[bar, asset]


@njit(cache=True)
def exit_price(t, a, open_, high, low, level, goal, slip):
    """Price of a bar that reached the stop or the target (clauses 2.1, 3.0): the open first, then the stop."""
    if open_[t, a] <= level:
        return open_[t, a] * (1 - slip)
    if open_[t, a] >= goal:
        return max(open_[t, a] * (1 - slip), goal)
    return level * (1 - slip) if low[t, a] <= level else goal


@njit(cache=True)
def shared_cash(open_, high, low, close, first, asset, enters, stop, target, size, fee, slip, cash):
    """Signals of many assets on one cash, a fraction of equity each, two rules; returns final equity and round trips.

    At each close: equity is marked, exits sell, then entries in order of assets buy size x equity / close shares, or
    what cash pays for; less than 1e-9 of equity is nothing.
    """
    assets = close.shape[1]
    shares, level, goal, held = np.zeros(assets), np.empty(assets), np.empty(assets), np.empty(assets, np.int32)
    count = trades = 0
    for t in range(len(close)):
        kept = 0
        for i in range(count):
            a = held[i]
            if low[t, a] <= level[a] or high[t, a] >= goal[a]:
                price = exit_price(t, a, open_, high, low, level[a], goal[a], slip)
                cash += shares[a] * price * (1 - fee)
                shares[a] = 0.0
                trades += 1
            else:
                held[kept] = a
                kept += 1
        count = kept
        if first[t] == first[t + 1]:
            continue
        equity = cash
        for i in range(count):
            equity += shares[held[i]] * close[t, held[i]]
        for j in range(first[t], first[t + 1]):
            a = asset[j]
            if not enters[j] and shares[a] > 0.0:
                cash += shares[a] * (close[t, a] * (1 - slip)) * (1 - fee)
                shares[a] = 0.0
                trades += 1
        kept = 0
        for i in range(count):
            if shares[held[i]] > 0.0:
                held[kept] = held[i]
                kept += 1
        count = kept
        for j in range(first[t], first[t + 1]):
            a = asset[j]
            if enters[j] and shares[a] == 0.0:
                price = close[t, a] * (1 + slip)
                quantity = min(size * equity / close[t, a], max(0.0, cash) / (price * (1 + fee)))
                if quantity * close[t, a] >= 1e-9 * equity:
                    shares[a] = quantity
                    cash -= quantity * price * (1 + fee)
                    level[a], goal[a] = price * (1 - stop), price * (1 + target)
                    held[count] = a
                    count += 1
    for i in range(count):
        cash += shares[held[i]] * close[-1, held[i]]
    return cash, trades


@njit(cache=True, parallel=True)
def shared_sweep(open_, high, low, close, first, asset, enters, grid, fee, slip, cash, final, trades):
    """`shared_cash` for each row of grid (K, 3): stop, target, size; final: (K,) and trades: (K,) written."""
    for k in prange(len(grid)):
        final[k], trades[k] = shared_cash(
            open_, high, low, close, first, asset, enters, grid[k, 0], grid[k, 1], grid[k, 2], fee, slip, cash
        )


@njit(cache=True)
def stop_walk(open_, high, low, close, stop, trail):
    """The least that a held position costs a bar: a trailing stop that never fires; returns the last level."""
    mark = close[0]
    for t in range(len(close)):
        if low[t] <= mark * (1 - trail) or open_[t] <= stop:
            return mark
        mark = max(mark, high[t])
    return mark * (1 - trail)
