"""What an account with limits of its own can carry: margin, leverage, a buffer of cash, sales not settled yet (6.2).

Two limits of one form. Of what a limit leaves, an entry uses rate x value + keep x costs: the first is cash or margin,
the second leverage. Nothing here runs for a plain cash account (params.has_limits).
"""

from math import inf

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.fees import commission_rate, slice_fee
from ml4t_kernel.money.instruments import initial_unit
from ml4t_kernel.money.ledger import COUNTABLE, LARGE, cash_needed, is_dust
from ml4t_kernel.money.prices import EPS, floor_to_lot, present, slice_price
from ml4t_kernel.schema import INSIDE, R_CASH, R_LEVERAGE, R_MARGIN

# What is left --------------------------------------------------------------------------------------------------------


@compiled
def settle_sales(t, market, book):
    """Cash of sales that cannot be spent in the session of bar t; book.settling moves on with the sessions (6.2)."""
    s = book.state[0]
    slots = book.settling
    while s.session_edge <= t:
        for j in range(slots.shape[0] - 1):
            slots[j] = slots[j + 1]
        slots[slots.shape[0] - 1] = 0.0
        s.session_edge = market.session_end[s.session_edge]
    total = 0.0
    for j in range(1, slots.shape[0]):
        total += slots[j]
    return total


@cold
def weigh_book(t, prices, market, params, book):
    """Value, gross and initial requirement of what is held at the phase's prices, the mark where there is no bar."""
    s = book.state[0]
    w = book.work[0]
    w.net_value = 0.0
    w.gross_value = 0.0
    w.requirement = 0.0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.shares != 0.0:
            price = prices[t, a]
            if not present(price):
                price = p.mark
            add_holding(0.0, p.shares, price, a, w, market, params)
    w.unsettled = settle_sales(t, market, book) if params.settlement > 0 else 0.0


@inlined
def add_holding(old, new, price, a, w, market, params):
    """The position of the asset goes from `old` to `new` shares, valued at `price`."""
    w.net_value += (new - old) * price
    w.gross_value += (abs(new) - abs(old)) * price
    if params.margin:
        if old != 0.0:
            w.requirement -= abs(old) * initial_unit(old, price, a, market, params)
        if new != 0.0:
            w.requirement += abs(new) * initial_unit(new, price, a, market, params)


@cold
def follow_fill(old, f, p, market, params, book):
    """After a fill: what is held, and what its sale brought that cannot be spent yet."""
    w = book.work[0]
    add_holding(old, p.shares, w.phase_price, f.asset, w, market, params)
    # What reduces a long position, the opening leg of a flip left out: that is a fill of its own.
    if params.settlement > 0 and old > 0.0 and f.quantity < 0.0:
        amount = -f.quantity * f.price - f.fee
        book.settling[params.settlement] += amount
        w.unsettled += amount


@inlined
def funds(w, s, params):
    """What entries may use of the first limit: cash, or equity less initial margin."""
    equity = s.cash + w.net_value
    if params.margin:
        return equity * (1.0 - params.cash_buffer) - w.requirement
    return s.cash - w.unsettled - 2.0 * w.short_value - params.cash_buffer * equity


@inlined
def leverage_room(w, s, params):
    """The same of gross exposure; inf: no limit."""
    if params.max_leverage == inf:
        return inf
    return params.max_leverage * (s.cash + w.net_value) - w.gross_value


# What an entry uses --------------------------------------------------------------------------------------------------


@inlined
def rate_entry(a, w, market, params):
    """Set the parts that do not depend on the quantity: w.unit, of the first limit a share, and w.keep."""
    w.keep = 1.0 - params.cash_buffer
    if params.margin:
        w.unit = initial_unit(w.want, w.level, a, market, params)


@inlined
def first_use(quantity, price, fee, w, o, d, params):
    """What an entry of `quantity` at `price` uses of `funds`."""
    costs = quantity * abs(price - w.level) + fee
    if params.margin:
        return quantity * w.unit + w.keep * costs
    return cash_needed(quantity, price, w, o, d, params) - params.cash_buffer * costs


@inlined
def leverage_use(quantity, price, fee, w, params):
    """The same of `leverage_room`."""
    if params.max_leverage == inf:
        return 0.0
    return quantity * w.level + params.max_leverage * (quantity * abs(price - w.level) + fee)


@compiled
def note_use(quantity, w, o, d, p, params):
    """Price `quantity` and note in w.need and w.leverage_need what it uses."""
    w.price = slice_price(quantity, w, p, params)
    fee = slice_fee(quantity, w.price, w, o, d, params)
    w.need = first_use(quantity, w.price, fee, w, o, d, params)
    w.leverage_need = leverage_use(quantity, w.price, fee, w, params)


@inlined
def passes(w, room, slack):
    """Do both limits have room for what was noted? slack: relative, what rounding may take."""
    return w.need <= w.available * (1.0 + slack) and w.leverage_need <= room * (1.0 + slack)


@inlined
def most(available, unit, quantity):
    """Shares at `unit` each that are within what is available, at most `quantity`."""
    return min(quantity, available / unit) if unit > 0.0 else quantity


@inlined
def units_of_use(w, o, d, params):
    """What one share uses of the first limit and of leverage, where costs are linear in the quantity."""
    rate = commission_rate(w, params)
    if w.want < 0.0:
        rate += params.sell_tax_rate
    costs = abs(w.price - w.level) + w.price * rate + params.commission_per_share
    if params.margin:
        first = w.unit + w.keep * costs
    elif w.want > 0.0:
        first = w.price * (1.0 + rate) + params.commission_per_share - params.cash_buffer * costs
    else:
        first = 2.0 * w.phase_price - w.price + w.price * rate + params.commission_per_share
        first -= params.cash_buffer * costs
    return first, w.level + (params.max_leverage * costs if params.max_leverage < inf else 0.0)


@cold
def search_carried(quantity, lot, room, w, o, d, p, params):
    """Largest part of `quantity` that both limits carry, when costs are not linear in it: by bisection."""
    # An absurdly large quantity is cut to what the account could carry without costs: the search has digits left.
    bound = min(most(w.available, w.unit if params.margin else w.level, inf), most(room, w.level, inf))
    if bound < inf and quantity > LARGE * (2.0 * bound + lot):
        quantity = 2.0 * bound + lot
    if 0.0 < lot and quantity < COUNTABLE * lot:
        low, high = 0, int(quantity / lot + 1e-9)
        while low < high:
            middle = (low + high + 1) // 2
            note_use(middle * lot, w, o, d, p, params)
            if passes(w, room, EPS):
                low = middle
            else:
                high = middle - 1
        return low * lot
    below, above = 0.0, quantity
    for _ in range(60):
        part = 0.5 * (below + above)
        note_use(part, w, o, d, p, params)
        if passes(w, room, 0.0):
            below = part
        else:
            above = part
    return floor_to_lot(below, lot)


@inlined
def name_limit(first, second, params):
    """The limit that left less: of equals the first."""
    if second < first:
        return R_LEVERAGE
    return R_MARGIN if params.margin else R_CASH


@inlined
def within(available, unit, quantity, lot):
    """Part of `quantity` that what is available carries at `unit` a share, in whole lots unless it is all of it."""
    if not (available > 0.0):
        return 0.0
    kept = most(available, unit, quantity)
    return floor_to_lot(kept, lot) if kept < quantity else quantity


@cold
def carried(quantity, lot, room, w, o, d, p, params):
    """Largest part of `quantity` that both limits carry, in whole lots; names the one that left less."""
    available = w.available
    first = second = 0.0
    if params.linear_costs:
        unit, leverage_unit = units_of_use(w, o, d, params)
        first = within(available, unit, quantity, lot)
        second = within(room, leverage_unit, quantity, lot) if room < inf else quantity
    else:
        if available > 0.0:
            first = search_carried(quantity, lot, inf, w, o, d, p, params)
        if room > 0.0:
            w.available = inf
            second = search_carried(quantity, lot, room, w, o, d, p, params) if room < inf else quantity
            w.available = available
    w.cash_reason = name_limit(first, second, params)
    return min(first, second)


@cold
def cut_to_limits(quantity, lot, w, o, d, p, s, market, params):
    """Unsigned quantity of an entry that the account can carry; sets w.need, w.leverage_need and w.cash_reason."""
    rate_entry(o.asset, w, market, params)
    w.available = funds(w, s, params)
    room = leverage_room(w, s, params)
    # Only fills change what the open left, never prices of the bar (3.4).
    if w.phase == INSIDE:
        w.available = min(w.available, w.spendable)
        room = min(room, w.leeway)
    note_use(quantity, w, o, d, p, params)
    if passes(w, room, EPS) and w.available >= 0.0 and room >= 0.0:
        return quantity
    w.short_cash = 1
    kept = carried(quantity, lot, room, w, o, d, p, params)
    if params.reject_short and not w.batch:
        return 0.0
    if is_dust(kept, lot, w, s):
        return 0.0
    if kept > 0.0:
        note_use(kept, w, o, d, p, params)
    return kept
