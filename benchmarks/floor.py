"""The floor: the contract's arithmetic for one workload, and nothing else, as fast as plain Numba gets.

No partial fills, no order types, no records beyond what a result needs. Sizes at the deciding close, exits first, buys
scaled together when cash is short, fills at that close; stops as clause 3 has them with `tie="pessimistic"` and
`limit_fill="touch"`.
"""

import numpy as np
from numba import njit


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


@njit(cache=True)
def stop_walk(open_, high, low, close, stop, trail):
    """The least that a held position costs a bar: a trailing stop that never fires; returns the last level."""
    mark = close[0]
    for t in range(len(close)):
        if low[t] <= mark * (1 - trail) or open_[t] <= stop:
            return mark
        mark = max(mark, high[t])
    return mark * (1 - trail)
