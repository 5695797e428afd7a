"""The only writer of cash, shares, fills and trades.

A slice is drafted in the scratch record `w` (want, level, limit, market data), cut to the volume budget and to cash,
priced, and booked. Records passed: w the slice, f the next fill row, o the order, d its detail, p the position, s the
state, r the next trade row.
"""

from math import inf

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.fees import clamp, commission_rate, raw_slice, slice_fee
from ml4t_kernel.money.prices import EPS, RESIDUE, absent, floor_to_lot, slice_price
from ml4t_kernel.schema import ADDED, EXIT_LEG, INSIDE, PASSIVE, R_CASH

COUNTABLE = 2.0**52  # lots above which floats are whole numbers anyway, and integers could overflow
LARGE = 2.0**10  # times what cash buys: above it 60 halvings would not come down to the last digits

# Volume budget (6.1) -------------------------------------------------------------------------------------------------


@inlined
def budget_of_bar(budget_volume, volume, params):
    """Shares that a bar lets an account trade of the asset; volume: of the bar itself."""
    budget = inf if volume > 0.0 else 0.0
    if params.max_participation < inf:
        # The volume of the bar before is no licence to trade more than this bar did.
        budget = max(0.0, min(params.max_participation * budget_volume, volume))
    return 0.0 if absent(budget) else budget


@compiled
def refresh_budget(w, budget_volume, p, params):
    """Budget of the asset and bar, shared by both sides and all phases; made at the first use on a bar."""
    # Made when first used, not for every asset at every bar: most assets trade on few bars.
    if p.budget_bar == w.bar:
        return
    p.budget_bar = w.bar
    p.used_buy = 0.0
    p.used_sell = 0.0
    p.budget = budget_of_bar(budget_volume, w.volume, params)


@inlined
def within_budget(quantity, lot, p, params):
    """Unsigned quantity cut to the budget, then to whole lots."""
    if params.needs_volume and quantity > p.budget:
        return floor_to_lot(p.budget, lot)
    return quantity


# Cash (6.2) ----------------------------------------------------------------------------------------------------------


@inlined
def buying_power(w, s):
    """What entries may spend: cash less twice the value of all shorts at the prices of the phase (6.2).

    Short proceeds fund nothing, and as much again stands behind them: once as proceeds, once as collateral.
    """
    return s.cash - 2.0 * w.short_value


@inlined
def cash_needed(quantity, price, w, o, d, params):
    """What an entry takes off cash - 2 x shorts: value and costs of a buy, twice the value less proceeds of a short."""
    fee = slice_fee(quantity, price, w, o, d, params)
    if w.want > 0.0:
        return quantity * price + fee
    return quantity * (2.0 * w.phase_price - price) + fee


@inlined
def spendable_cash(w, s):
    """Cash an entry may use: cash - 2 x shorts; inside the bar also no more than the open left (3.4)."""
    free = buying_power(w, s)
    # Only fills change what the open left, never prices of the bar: which of them came first is not known.
    if w.phase == INSIDE:
        free = min(free, w.spendable)
    return free


@inlined
def within_reach(quantity, lot, w):
    """An absurdly large quantity cut to twice what the cash buys without costs: the search has digits left for it."""
    unit = w.level if w.want > 0.0 else 2.0 * w.phase_price - w.level
    if unit > 0.0:
        most = 2.0 * w.available / unit + lot
        if quantity > LARGE * most:
            return most
    return quantity


@cold
def search_affordable(quantity, lot, w, o, d, p, params):
    """Largest affordable part of `quantity` when costs are not linear in it: bisection, on whole lots if any."""
    quantity = within_reach(quantity, lot, w)
    if 0.0 < lot and quantity < COUNTABLE * lot:
        low, high = 0, int(quantity / lot + 1e-9)
        while low < high:
            middle = (low + high + 1) // 2
            part = middle * lot
            if cash_needed(part, slice_price(part, w, p, params), w, o, d, params) <= w.available * (1.0 + EPS):
                low = middle
            else:
                high = middle - 1
        return low * lot
    below, above = 0.0, quantity
    # 60 halvings are more than the 53 bits of a quantity; the lower end is kept, so cash never goes below zero.
    for _ in range(60):
        part = 0.5 * (below + above)
        if cash_needed(part, slice_price(part, w, p, params), w, o, d, params) <= w.available:
            below = part
        else:
            above = part
    return floor_to_lot(below, lot)


@inlined
def cash_per_share(w, params):
    """`cash_needed` of one share where costs are linear in the quantity."""
    rate = commission_rate(w, params)
    if w.want > 0.0:
        return w.price * (1.0 + rate) + params.commission_per_share
    return (2.0 * w.phase_price - w.price) + w.price * (rate + params.sell_tax_rate) + params.commission_per_share


@inlined
def affordable(quantity, lot, w, o, d, p, params):
    """Largest part of `quantity` that w.available pays, in whole lots (2.3 shrink)."""
    if not (w.available > 0.0):
        return 0.0
    if not params.linear_costs:
        return search_affordable(quantity, lot, w, o, d, p, params)
    unit = cash_per_share(w, params)
    if not (unit > 0.0):
        return quantity
    return min(quantity, floor_to_lot(w.available / unit, lot))


@inlined
def is_dust(quantity, lot, w, s):
    """Without lots a batch would buy ever smaller rests with what rounding leaves of the cash (6.2)."""
    return lot <= 0.0 and quantity * w.level < RESIDUE * s.equity


@inlined
def shrink_to_cash(quantity, lot, w, o, d, p, s, params):
    """Unsigned quantity of an entry that cash pays; sets w.short_cash (2.3)."""
    w.short_cash = 1
    w.cash_reason = R_CASH
    # A batch is scaled to the cash together: refusing its orders one by one would depend on their order.
    if params.reject_short and not w.batch:
        return 0.0
    quantity = affordable(quantity, lot, w, o, d, p, params)
    if is_dust(quantity, lot, w, s):
        return 0.0
    if quantity > 0.0:
        w.price = slice_price(quantity, w, p, params)
        w.need = cash_needed(quantity, w.price, w, o, d, params)
    return quantity


@inlined
def cut_to_cash(quantity, lot, w, o, d, p, s, params):
    """Unsigned quantity of an entry that cash pays; sets w.need."""
    w.available = spendable_cash(w, s)
    w.need = cash_needed(quantity, w.price, w, o, d, params)
    # The tolerance lets a weight of 1 buy what was sized with the same cash.
    if w.need <= w.available * (1.0 + EPS) and w.available >= 0.0:
        return quantity
    return shrink_to_cash(quantity, lot, w, o, d, p, s, params)


# Booking -------------------------------------------------------------------------------------------------------------


@inlined
def open_position(f, p):
    p.avg = f.price
    p.water_mark = f.price
    p.high = f.price
    p.low = f.price
    p.born_bar = f.bar
    p.entry_order = f.order
    p.opened = abs(f.quantity)
    p.opened_value = abs(f.quantity) * f.price
    p.realised = 0.0
    p.fees = f.fee
    p.slippage = f.slippage
    p.shares = f.quantity


@inlined
def add_to_position(f, p, params):
    old = p.shares
    p.shares = old + f.quantity
    p.avg = (old * p.avg + f.quantity * f.price) / p.shares
    if not params.basis_signal:
        p.basis = (old * p.basis + f.quantity * f.price) / p.shares
    p.opened += abs(f.quantity)
    p.opened_value += abs(f.quantity) * f.price
    p.high = max(p.high, f.price)
    p.low = min(p.low, f.price)
    p.fees += f.fee
    p.slippage += f.slippage
    # Levels do not follow at once: during a bar they depend on bars before it and on its own open (5.1).
    p.stale_levels = ADDED


@inlined
def write_trade(f, p, r, s):
    """One row a round trip; pnl before fees by average cost (clause 8)."""
    side = 1.0 if f.quantity < 0.0 else -1.0
    p.high = max(p.high, f.price)
    p.low = min(p.low, f.price)
    r.asset = f.asset
    r.entry_bar = p.born_bar
    r.exit_bar = f.bar
    r.entry_order = p.entry_order
    r.exit_order = f.order
    r.origin = f.origin
    r.quantity = side * p.opened
    r.entry_price = p.opened_value / p.opened
    r.exit_price = r.entry_price + p.realised / r.quantity
    r.pnl = p.realised
    r.fees = p.fees
    r.slippage = p.slippage
    r.mfe = p.high if side > 0.0 else p.low
    r.mae = p.low if side > 0.0 else p.high
    net = p.realised - p.fees
    s.trades += 1
    if net > 0.0:
        s.wins += 1
        s.gross_profit += net
    else:
        s.gross_loss -= net


@inlined
def reduce_position(f, p, r, s):
    old = p.shares
    new = old + f.quantity
    gain = -f.quantity * (f.price - p.avg)
    p.realised += gain
    p.fees += f.fee
    p.slippage += f.slippage
    s.realised += gain
    if abs(new) <= RESIDUE * abs(old):
        p.shares = 0.0
        write_trade(f, p, r, s)
        s.closed = 1
    else:
        p.shares = new


@inlined
def book_fill(f, p, r, s, params):
    """Book the drafted fill: cash, position, trade, counters. Returns 1 if it opened a position."""
    value = f.quantity * f.price
    s.cash -= value + f.fee
    s.fees += f.fee
    s.slippage += f.slippage
    s.bar_notional += abs(value)
    s.fills += 1
    if p.shares == 0.0:
        open_position(f, p)
        return 1
    if p.shares * f.quantity > 0.0:
        add_to_position(f, p, params)
    else:
        reduce_position(f, p, r, s)
    return 0


@compiled
def charge(quantity, w, o, d, params):
    """Fee of the slice; an order that lives on remembers in its detail what it has been charged so far."""
    fee = slice_fee(quantity, w.price, w, o, d, params)
    if o.detail > 0:
        d.raw_fee += raw_slice(quantity, w.price, w, o, d, params)
        d.fee = clamp(d.raw_fee, params)
        d.notional += quantity * w.price
    return fee


@inlined
def draft_fill(quantity, w, f, o, d, params):
    """Write the fill row of `quantity` unsigned shares at w.price and its fee; advance the order."""
    signed = quantity if w.want > 0.0 else -quantity
    f.order = w.order
    f.bar = w.bar
    f.asset = w.asset
    f.phase = w.phase
    f.origin = w.origin
    f.bits = (PASSIVE if w.passive else 0) | (0 if w.entry else EXIT_LEG)
    f.quantity = signed
    f.price = w.price
    f.slippage = quantity * abs(w.price - w.level)
    # Linear costs need no memory of the order: no side row, and no load of it in the hot loops.
    if params.linear_costs:
        f.fee = slice_fee(quantity, w.price, w, o, d, params)
    else:
        f.fee = charge(quantity, w, o, d, params)
    o.filled += signed
    o.left -= signed
    if abs(o.left) <= RESIDUE * abs(o.requested):
        o.left = 0.0


@inlined
def use_budget(quantity, w, p, params):
    if params.needs_volume:
        left = p.budget - quantity
        # What rounding leaves of a budget must not become an order of a millionth of a share.
        p.budget = left if left > RESIDUE * quantity else 0.0
        if w.want > 0.0:
            p.used_buy += quantity
        else:
            p.used_sell += quantity


@inlined
def value_shorts(old, p, w):
    """Keep the value of all shorts at the prices of the phase (6.2)."""
    w.short_value += (max(-p.shares, 0.0) - max(-old, 0.0)) * w.phase_price
