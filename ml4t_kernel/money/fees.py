"""Commission of an order on its cumulative quantity and notional; a slice pays the difference (clause 7.3)."""

from ml4t_kernel.compile.jit import cold, compiled, inlined


@compiled
def tiered(before, after, params):
    """Marginal tiers between two cumulative notionals: rate i applies to the part above from i."""
    total = 0.0
    for i in range(params.tiers):
        start = max(before, params.tier_from[i])
        end = min(after, params.tier_from[i + 1]) if i + 1 < params.tiers else after
        if end > start:
            total += (end - start) * params.tier_rate[i]
    return total


@inlined
def commission_rate(w, params):
    """Rate of the slice, which the maker rate replaces for what rested (7.3)."""
    return params.maker_rate if w.passive else params.commission_rate


@inlined
def sell_tax(quantity, price, w, params):
    return params.sell_tax_rate * (quantity * price) if w.want < 0.0 else 0.0


@inlined
def raw_slice(quantity, price, w, o, d, params):
    """Commission of a slice of `quantity` unsigned shares before minimum and maximum."""
    value = quantity * price
    if params.tiers > 0:
        fee = tiered(d.notional, d.notional + value, params)
    else:
        fee = value * commission_rate(w, params)
    fee += params.commission_per_share * quantity
    if o.filled == 0.0:
        fee += params.commission_per_trade
    return fee


@inlined
def clamp(raw, params):
    """One minimum and one maximum per order."""
    if params.commission_minimum > 0.0:
        raw = max(raw, params.commission_minimum)
    return min(raw, params.commission_maximum)


@cold
def nonlinear_commission(quantity, price, w, o, d, params):
    """What a slice adds to the order's commission, minimum and maximum taken on the order's total."""
    return clamp(d.raw_fee + raw_slice(quantity, price, w, o, d, params), params) - d.fee


@compiled
def whole_commission(quantity, price, sells, params):
    """Commission and tax of an order filled at once: `quantity` unsigned shares, all of them taken."""
    value = quantity * price
    raw = tiered(0.0, value, params) if params.tiers > 0 else value * params.commission_rate
    raw += params.commission_per_share * quantity + params.commission_per_trade
    return clamp(raw, params) + (params.sell_tax_rate * value if sells else 0.0)


@inlined
def slice_fee(quantity, price, w, o, d, params):
    """What a slice pays: commission and the tax on sells."""
    if params.linear_costs:
        fee = quantity * price * commission_rate(w, params) + params.commission_per_share * quantity
    else:
        fee = nonlinear_commission(quantity, price, w, o, d, params)
    return fee + sell_tax(quantity, price, w, params)
