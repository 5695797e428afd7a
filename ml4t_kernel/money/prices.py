"""Scalars of price and quantity: trigger tests, rounding, costs, impact, the price of a slice (3.1, 6.3, 7.1, 7.2)."""

from math import inf

from numpy import floor

from ml4t_kernel.compile.jit import compiled, inlined

EPS = 1e-12  # a computed level equals a price within this, relative (6.3)
RESIDUE = 1e-9  # what is left of a quantity below this share of it is nothing


@inlined
def absent(x):
    """NaN: no price, no rank, no rule."""
    return x != x


@inlined
def present(x):
    return x == x


@inlined
def reach_edge(side, level):
    """The price from which a move to `side` (1 up, -1 down) is at `level`."""
    return level * (1.0 - EPS) if side > 0.0 else level * (1.0 + EPS)


@inlined
def pass_edge(side, level):
    """The price beyond which a move to `side` is through `level`."""
    return level * (1.0 + EPS) if side > 0.0 else level * (1.0 - EPS)


@inlined
def reaches(side, price, level):
    """True if `price` is at `level` or beyond it in the direction of `side` (1 up, -1 down)."""
    edge = reach_edge(side, level)
    return price >= edge if side > 0.0 else price <= edge


@inlined
def passes(side, price, level):
    """True if `price` is beyond `level` in the direction of `side`, by more than rounding."""
    edge = pass_edge(side, level)
    return price > edge if side > 0.0 else price < edge


@inlined
def meets_limit(side, price, limit, through):
    """True if a limit is met by a move up (side 1) or down (-1) to `price`: traded through, or touched (3.1)."""
    return passes(side, price, limit) if through else reaches(side, price, limit)


@inlined
def floor_to_lot(quantity, lot):
    """Quantity cut toward zero to whole lots, after adding 1e-9 lots; lot 0: unchanged (6.3)."""
    # floor of NumPy, not of math: the latter is an integer in Numba, and 2^63 lots or more would turn to the other side
    if lot <= 0.0:
        return quantity
    lots = floor(abs(quantity) / lot + 1e-9) * lot
    return lots if quantity > 0.0 else -lots


@inlined
def worst_price(quantity):
    """The limit of an order without one."""
    return inf if quantity > 0.0 else 0.0


@compiled
def impact_rate(quantity, used, w, params):
    """k sigma^s (filled so far on that side, this slice included / V)^p, a fraction of price (7.1)."""
    # inf: an asset without volume, which has no impact; 0: nothing trades anyhow.
    if not (w.volume > 0.0) or w.volume == inf:
        return 0.0
    rate = params.impact_coefficient * ((used + quantity) / w.volume) ** params.impact_exponent
    if params.impact_sigma != 0.0:
        if absent(w.sigma):
            return 0.0
        rate *= w.sigma**params.impact_sigma
    return rate


@inlined
def after_costs(side, base, rate, fixed):
    """The price that costs leave of `base`: `rate` of it and the fixed part, always adverse (7.1); side > 0 buys."""
    if side > 0.0:
        return base * (1.0 + rate) + fixed
    return max(0.0, base * (1.0 - rate) - fixed)


@inlined
def taker_rate(half_spread, params):
    """What every fill pays that takes liquidity, a fraction of price."""
    return half_spread + params.slippage_rate


@inlined
def slice_price(quantity, w, p, params):
    """Price of `quantity` unsigned shares of the slice: adverse costs, never beyond the limit; passive: the level."""
    if w.passive:
        return w.level
    rate = taker_rate(w.half_spread, params)
    if w.stop:
        rate += params.stop_slippage_rate
    if params.impact_coefficient != 0.0:
        rate += impact_rate(quantity, p.used_buy if w.want > 0.0 else p.used_sell, w, params)
    # A limit is a promise: costs never carry a fill beyond it (7.2).
    fixed = w.fixed if params.has_instruments else params.slippage_fixed
    price = after_costs(w.want, w.level, rate, fixed)
    return min(price, w.limit) if w.want > 0.0 else max(price, w.limit)
