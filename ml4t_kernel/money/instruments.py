"""What an asset is (0.7): its lot, its margin rates, and whether its notional is cash.

The kernel sees the prices of whole contracts, and its cash pays the notional of a future like that of a stock. That
leaves equity, sizes, costs and requirements as they are; cash is recorded with that notional taken back.
"""

from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.prices import present
from ml4t_kernel.schema import STOCK


@cold
def own_lot(a, market, params):
    return market.instruments[a].lot if present(market.instruments[a].lot) else params.lot


@inlined
def lot_of(a, market, params):
    """Smallest tradable multiple of the asset."""
    return own_lot(a, market, params) if params.has_instruments else params.lot


@inlined
def is_settled_daily(a, market, params):
    """Is it a future or a perpetual, whose gains are cash and whose value is not?"""
    return params.has_instruments and market.instruments[a].kind != STOCK


@inlined
def fixed_slippage(a, market, params):
    """`slippage_fixed` of one share or contract: it is given in quoted prices."""
    if params.has_instruments:
        return params.slippage_fixed * market.instruments[a].multiplier
    return params.slippage_fixed


@compiled
def initial_unit(side, price, a, market, params):
    """Initial requirement of one share or contract at `price`; side > 0: held long (6.2)."""
    rate = params.initial_margin if side > 0.0 else params.short_initial_margin
    if params.has_instruments:
        row = market.instruments[a]
        own = row.initial if side > 0.0 else row.short_initial
        if present(own):
            if row.by_contract:
                return own
            rate = own
    return rate * price


@compiled
def maintenance_unit(side, price, a, market, params):
    """Maintenance requirement of one share or contract at `price` (6.2)."""
    rate = params.maintenance_margin if side > 0.0 else params.short_maintenance_margin
    if params.has_instruments:
        row = market.instruments[a]
        own = row.maintenance if side > 0.0 else row.short_maintenance
        if present(own):
            if row.by_contract:
                return own
            rate = own
    return rate * price
