"""0.7: what an asset is: a stock, a future or a perpetual, its multiplier, its lot and margins of its own.

Prices, levels and averages stay in quoted prices everywhere; money is quantity x price x multiplier.
"""

import math

from .coverage import reached
from .enums import FUTURE, PERPETUAL, STOCK

PLAIN = {"kind": STOCK, "multiplier": 1.0, "lot": math.nan, "by_contract": False}
MARGINS = {  # what the row of an instrument calls a margin, and what Config does
    "initial": "initial_margin",
    "maintenance": "maintenance_margin",
    "short_initial": "short_initial_margin",
    "short_maintenance": "short_maintenance_margin",
}


def instrument(run, asset):
    """The row of an asset; without one it is a stock with the values of the configuration."""
    rows = run.scenario.get("instruments")
    return {**PLAIN, **rows[asset]} if rows else PLAIN


def is_stock(run, asset):
    """Whether its value is paid for in cash; else only what it gains and loses is."""
    return instrument(run, asset)["kind"] == STOCK


def is_perpetual(run, asset):
    """Whether funding is paid on it."""
    return instrument(run, asset)["kind"] == PERPETUAL


def multiplier(run, asset):
    """What one share or contract counts."""
    return instrument(run, asset)["multiplier"]


def lot_of(run, asset):
    """Smallest tradable multiple of the asset (6.3)."""
    lot = instrument(run, asset)["lot"]
    if lot is None or math.isnan(lot):
        return run.config["lot"]
    reached("6.3 own lot")
    return lot


def value_of(run, asset, quantity, price):
    """Value of signed or unsigned shares or contracts, with the sign of the quantity."""
    return quantity * price * multiplier(run, asset)


def margin_term(run, asset, shares, name):
    """(rate or amount, by contract) of the margin "initial" or "maintenance" of a position of that sign.

    A margin of the instrument without one of its own for shorts holds for both sides.
    """
    row = instrument(run, asset)
    given = row.get(name)
    if shares < 0:
        own = row.get(f"short_{name}")
        if own is not None and not math.isnan(own):
            given = own
        name = f"short_{name}"
    if given is not None and not math.isnan(given):
        reached("0.7 own margin")
        return given, bool(row["by_contract"])
    return run.config[MARGINS[name]], False


# Variation margin: what a future gains or loses is paid when it is marked and when it is closed -----------------------


def pay_fill(run, asset, quantity, price):
    """Cash that a fill moves, without its fee.

    A stock costs its value. Of a future all contracts count from one price, `paid`: from the fill that opened it on,
    later from its mark. What a further fill is away from that is paid with it, so that the sum at the next mark, and
    the gain of what was closed, are what they gained from their own fills on.
    """
    position = run.positions[asset]
    if is_stock(run, asset):
        return -value_of(run, asset, quantity, price)
    reached(f"0.7 {_name(run, asset)}")
    if position.shares == 0:
        position.paid = price
        return 0.0
    return value_of(run, asset, quantity, position.paid - price)


def pay_marks(run):
    """4.3 and 4.8: futures and perpetuals with a bar are paid up to its close."""
    for asset in range(run.assets):
        position, close = run.positions[asset], run.price("close", asset)
        if position.shares == 0 or is_stock(run, asset):
            continue
        if close is None:
            reached("0.7 no bar")
        elif close != position.paid:
            reached("0.7 variation")
            run.cash += value_of(run, asset, position.shares, close - position.paid)
            position.paid = close


def worth(run, asset, price):
    """What a position adds to equity at a price: its value, of a future what has not been paid yet."""
    position = run.positions[asset]
    if is_stock(run, asset):
        return value_of(run, asset, position.shares, price)
    return value_of(run, asset, position.shares, price - position.paid)


def _name(run, asset):
    return "future" if instrument(run, asset)["kind"] == FUTURE else "perpetual"
