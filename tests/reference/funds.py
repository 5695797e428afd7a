"""What the account can carry: cash, margin and leverage, all of one form (6.2, 2.3, 3.4)."""

import math

from .book import floor_to_lots
from .coverage import reached
from .enums import INSIDE, OPEN, Reason
from .instruments import lot_of, value_of, worth
from .ledger import short_value
from .margin import requirement_of, requirements
from .prices import costs_are_linear, slice_fee, slice_price


def limits(run):
    """Reasons of the limits in force, in their order: that of the account, then leverage."""
    first = Reason.MARGIN if run.config["account"] == "margin" else Reason.CASH
    return [first] if run.config["max_leverage"] is None else [first, Reason.LEVERAGE]


def price_at(run, phase):
    """Price of an asset at a phase: O at the open and inside, C at a close, the mark where there is no bar."""
    name = "open" if phase in (OPEN, INSIDE) else "close"

    def price_of(asset):
        price = run.price(name, asset)
        return run.last[asset] if price is None else price

    return price_of


def equity_at(run, price_of):
    """Cash and holdings at the prices of a phase, added in order of opening."""
    equity = run.cash
    for asset in run.places:
        if run.positions[asset].shares != 0:
            equity += worth(run, asset, price_of(asset))
    return equity


def gross_at(run, price_of):
    """Value of all positions, each without its sign."""
    total = 0.0
    for asset in run.places:
        total += abs(value_of(run, asset, run.positions[asset].shares, price_of(asset)))
    return total


def release(run):
    """Before the open: sales whose sessions are over can be spent."""
    still = []
    for sale in run.unsettled:
        passed = run.scenario["session"][sale["bar"] : run.t + 1]
        if len(set(passed)) - 1 < sale["sessions"]:
            still.append(sale)
        elif any(run.scenario["close"][bar][sale["asset"]] is None for bar in range(sale["bar"], run.t + 1)):
            reached("settlement x holiday")
    run.unsettled = still


def unsettled(run):
    """What sales have brought that cannot be spent yet."""
    return sum(sale["amount"] for sale in run.unsettled)


def left(run, reason, phase):
    """What a limit leaves to entries with the fills so far, at the prices of a phase."""
    config, price_of = run.config, price_at(run, phase)
    if reason == Reason.CASH:
        cash = run.cash - unsettled(run) - 2 * short_value(run, price_of)
        return cash - config["cash_buffer"] * equity_at(run, price_of) if config["cash_buffer"] else cash
    if reason == Reason.MARGIN:
        return equity_at(run, price_of) * (1 - config["cash_buffer"]) - requirements(run, price_of, "initial")
    return config["max_leverage"] * equity_at(run, price_of) - gross_at(run, price_of)


def available(run, phase):
    """By limit what entries may use; inside the bar at most what the open left, less what entries have used."""
    now = [left(run, reason, phase) for reason in limits(run)]
    if phase == INSIDE:
        return [min(pair) for pair in zip(now, run.pools, strict=True)]
    return now


def start_pools(run):
    """3.4: what the limits leave at the start of section 3."""
    run.pools = [left(run, reason, INSIDE) for reason in limits(run)]


def take_from_pools(run, order, quantity, moment):
    """An entry inside the bar uses up what the open left."""
    uses = [use(run, order, quantity, moment, reason) for reason in limits(run)]
    run.pools = [pool - used for pool, used in zip(run.pools, uses, strict=True)]


def use(run, order, quantity, moment, reason):
    """What opening `quantity` unsigned shares takes of a limit, costs included."""
    config = run.config
    price = slice_price(run, order, quantity, moment.base, moment.passive)
    fee = slice_fee(run, order, quantity, price, moment.passive)[0]
    costs = value_of(run, order.asset, quantity, abs(price - moment.base)) + fee
    if reason == Reason.CASH:
        if order.side < 0:
            price = 2 * price_at(run, moment.phase)(order.asset) - price
        need = value_of(run, order.asset, quantity, price) + fee
        return need - config["cash_buffer"] * costs if config["cash_buffer"] else need
    if reason == Reason.MARGIN:
        tied = requirement_of(run, order.asset, order.side * quantity, moment.base, "initial")
        return tied + (1 - config["cash_buffer"]) * costs
    return value_of(run, order.asset, quantity, moment.base) + config["max_leverage"] * costs


def shrink(run, order, quantity, moment):
    """(the largest part of `quantity` that passes every limit, the reason of the limit that left least)."""
    _count_check(run, order, moment)
    smallest, named = quantity, Reason.NONE
    for reason, has in zip(limits(run), available(run, moment.phase), strict=True):
        passed = shrink_to(run, order, quantity, moment, reason, has)
        if passed < smallest:
            smallest, named = passed, reason
    if named != Reason.NONE:
        _count_short(run, named)
    return smallest, named


def shrink_to(run, order, quantity, moment, reason, has):
    """The largest part of `quantity` that passes one limit, of which there is `has`."""

    def passes(shares):
        return use(run, order, shares, moment, reason) <= has * (1 + 1e-12)

    if passes(quantity):
        return quantity
    if has <= 0:
        return 0.0
    lot = lot_of(run, order.asset)
    if costs_are_linear(run.config):
        smaller = floor_to_lots(has / use(run, order, 1.0, moment, reason), lot)
    elif lot == 0:
        smaller, too_many = 0.0, quantity
        for _ in range(60):
            middle = (smaller + too_many) / 2
            fits = use(run, order, middle, moment, reason) <= has
            smaller, too_many = (middle, too_many) if fits else (smaller, middle)
    else:
        lots, too_many = 0, math.floor(quantity / lot + 1e-9)
        while too_many - lots > 1:
            middle = (lots + too_many) // 2
            lots, too_many = (middle, too_many) if passes(middle * lot) else (lots, middle)
        smaller = lots * lot
    if lot == 0 and value_of(run, order.asset, smaller, moment.base) < 1e-9 * run.equity:
        return 0.0
    return min(smaller, quantity)


def available_to_batch(run, phase):
    """By limit what a batch may use, at least 0."""
    return [max(0.0, has) for has in available(run, phase)]


def counts(run, asset, has):
    """Whether what is available is any: with fractional lots of the asset, less than 1e-9 of equity is none (2.3)."""
    return has > 0 and not (lot_of(run, asset) == 0 and has < 1e-9 * run.equity)


def scale(run, wanted, has):
    """(needed, available) of the limit that scales a batch most, or None; wanted: (order, quantity, moment)."""
    tightest = None
    for reason, there_is in zip(limits(run), has, strict=True):
        needed = 0.0
        for order, quantity, moment in wanted:
            needed += use(run, order, quantity, moment, reason)
        if needed > there_is * (1 + 1e-12) and (tightest is None or there_is / needed < tightest[1] / tightest[0]):
            if tightest is not None:
                reached("2.3 tighter leverage")
            tightest = (needed, there_is)
    return tightest


def assert_within(run, phase):
    """9: after an entry no limit is overdrawn, at the prices of the phase; inside the bar what the open left is not."""
    scale_of = 1e-9 * (abs(run.cash) + gross_at(run, price_at(run, phase)) + 1.0)
    factor = max(1.0, run.config["max_leverage"] or 1.0)
    lefts = run.pools if phase == INSIDE else [left(run, reason, phase) for reason in limits(run)]
    assert all(value >= -scale_of * factor for value in lefts), (run.t, phase, lefts)


def _count_check(run, order, moment):
    """Count checks by what is checked."""
    name = "margin" if run.config["account"] == "margin" else "cash"
    if name == "cash":
        reached("6.2 buy" if order.side > 0 else "6.2 short")
    else:
        reached("6.2 margin buy" if order.side > 0 else "6.2 margin short")
    if run.config["cash_buffer"]:
        reached(f"6.2 buffer of {name}")
    if moment.phase == INSIDE and name == "margin":
        reached("3.4 margin")
    if moment.phase == INSIDE and run.config["max_leverage"] is not None:
        reached("3.4 leverage")
    if run.unsettled:
        reached("6.2 unsettled")


def _count_short(run, reason):
    """Count the limit that cut an entry, and cash that is there but cannot be spent."""
    reached({Reason.CASH: "6.2 cut cash", Reason.MARGIN: "6.2 cut margin", Reason.LEVERAGE: "6.2 cut leverage"}[reason])
    if reason == Reason.CASH and run.unsettled:
        reached("6.2 cut unsettled")
    if reason == Reason.CASH and run.cash < 0 and run.flows < 0:
        reached("1.3 blocks entries")
