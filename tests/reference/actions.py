"""Splits, dividends, delistings, stale assets and bankruptcy: bookings outside of trading (1.1, 1.4, 4.5)."""

from .book import Order, at_or_below, floor_to_lots, sign
from .borrow import restate
from .coverage import reached
from .enums import (
    ACTIONS,
    BANKRUPT,
    BOOKING,
    DELISTING,
    DIVIDEND,
    LIMIT,
    MARKET,
    SPLIT,
    STALE,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    UNBORN,
    Origin,
    Reason,
)
from .instruments import lot_of, value_of
from .ledger import marked_equity, settle
from .orders import cancel, end_exits_of_flat, take_away, write_event
from .prices import half_spread, slice_fee
from .rules import update_levels


def apply_actions(run):
    """1.1 and 1.4: what falls on this bar, in the order given."""
    for action in run.actions.get(run.t, []):
        asset, value, kind = action["asset"], action["value"], ACTIONS[action["kind"]]
        touches = run.positions[asset].shares != 0 or run.pending(asset) != []
        _count_rules(run, asset, action["kind"])
        cash = run.cash
        if kind == SPLIT:
            split(run, asset, value)
        elif kind == DIVIDEND:
            dividend(run, asset, value)
        else:
            run.delisted[asset] = True
            close_out(run, asset, value)
        if touches:
            reached("1.4 delisting" if kind == DELISTING else f"1.1 {action['kind']}")
            book(run, asset, kind, value, run.cash - cash)


def book(run, asset, kind, value, cash):
    """One row an action that met a position or a pending order."""
    shares = run.positions[asset].shares
    run.booked.append({"bar": run.t, "asset": asset, "kind": kind, "value": value, "shares": shares, "cash": cash})


def _count_rules(run, asset, action):
    """Count the pairs of rule and action for the position held."""
    position = run.positions[asset]
    if position.shares == 0:
        return
    for rule in ("stop_loss", "take_profit"):
        if position.rules[rule] is not None or position.rules[f"{rule}_price"] is not None:
            reached(f"rule:{rule} x action:{action}")
    for rule in ("trailing_stop", "break_even", "time_exit"):
        if position.rules[rule] is not None:
            reached(f"rule:{rule} x action:{action}")


def with_unborn(orders):
    """Orders and their children that wait to be born."""
    found = []
    for order in orders:
        found.append(order)
        found.extend(child for child in order.children if child.status == UNBORN)
    return found


def split(run, asset, ratio):
    """New shares per old: quantities times the ratio, prices divided by it; equity does not move."""
    if run.last[asset] is not None:
        run.last[asset] /= ratio
    if run.volume_before[asset] is not None:
        run.volume_before[asset] *= ratio
    restate(run, asset, ratio)
    run.closes[asset] = [(bar, close / ratio) for bar, close in run.closes[asset]]
    position = run.positions[asset]
    if position.shares != 0:
        position.shares *= ratio
        position.opened *= ratio
        for name in ("average", "basis", "mark", "high", "low"):
            setattr(position, name, getattr(position, name) / ratio)
        for name in ("stop_loss_price", "take_profit_price"):
            if position.rules[name] is not None:
                position.rules[name] /= ratio
        update_levels(position)
    for order in with_unborn(run.pending(asset)):
        _split_order(order, ratio)
    if position.shares != 0:
        _cash_in_lieu(run, asset)
    for order in run.pending(asset):
        order.granted = floor_to_lots(order.granted, lot_of(run, asset))
        take_away(run, order, floor_to_lots(order.left, lot_of(run, asset)), Reason.LOT)


def _split_order(order, ratio):
    """Restate one order, unborn children and the rules it carries included."""
    for name in ("requested", "left", "filled", "opened", "size", "granted"):
        setattr(order, name, getattr(order, name) * ratio)
    for name in ("limit", "stop", "trail", "mark", "arrival"):
        if getattr(order, name) is not None:
            setattr(order, name, getattr(order, name) / ratio)
    for name in ("stop_loss_price", "take_profit_price"):
        if order.rules.get(name) is not None:
            order.rules[name] /= ratio


def _cash_in_lieu(run, asset):
    """The fraction of a position below one lot is paid out at the mark, without a fee."""
    position = run.positions[asset]
    whole = floor_to_lots(position.shares, lot_of(run, asset))
    fraction = position.shares - whole
    if abs(fraction) <= 1e-9 * abs(position.shares):
        if lot_of(run, asset):
            position.shares = whole
        return
    reached("1.1 cash in lieu")
    price = run.last[asset]
    settle(run, asset, -fraction, price, 0.0, base=price, phase=BOOKING, origin=Origin.CASH_IN_LIEU)
    if run.positions[asset].shares == 0:
        end_exits_of_flat(run, asset)
    else:
        run.positions[asset].shares = whole


def dividend(run, asset, amount):
    """Cash per share held; what sells at a stop or buys at a limit, and water marks, fall with the price."""
    position = run.positions[asset]
    if position.shares != 0:
        cash = value_of(run, asset, position.shares, amount)
        run.cash += cash
        run.dividends += cash
        position.basis -= amount
        position.mark -= amount
        if position.shares > 0 and position.rules["stop_loss_price"] is not None:
            position.rules["stop_loss_price"] -= amount
        if position.shares < 0 and position.rules["take_profit_price"] is not None:
            position.rules["take_profit_price"] -= amount
        update_levels(position)
    for order in with_unborn(run.pending(asset)):
        buy = order.side > 0
        if buy and order.kind in (LIMIT, STOP_LIMIT):
            order.limit -= amount
        if not buy and order.kind in (STOP, STOP_LIMIT) and order.stop is not None:
            order.stop -= amount
        if order.kind == TRAILING_STOP and order.mark is not None:
            order.mark -= amount
        if buy and order.rules.get("stop_loss_price") is not None:
            order.rules["stop_loss_price"] -= amount
        if not buy and order.rules.get("take_profit_price") is not None:
            order.rules["take_profit_price"] -= amount
        if never_met(order):
            reached("1.1 never born" if order.status == UNBORN else "1.1 never met")
            cancel(run, order, Reason.DIVIDEND)


def never_met(order):
    """A buy limit, or a sell stop that still waits for its trigger, at zero or below."""
    if order.side > 0:
        return order.kind in (LIMIT, STOP_LIMIT) and order.limit <= 0
    return order.kind in (STOP, STOP_LIMIT) and not order.triggered and order.stop <= 0


def close_out(run, asset, recovery):
    """A delisted or stale asset: its orders end, its position is closed at the recovery price or the last mark."""
    for order in run.pending(asset):
        cancel(run, order, Reason.DELISTED)
    shares = run.positions[asset].shares
    if shares == 0:
        return
    price = run.last[asset] * (1 + run.config["delisting_return"]) if recovery is None else recovery
    settle(run, asset, -shares, price, 0.0, base=price, phase=BOOKING, origin=Origin.DELISTING)


def count_sessions(run):
    """4.5: assets that have gone `max_stale` sessions in a row without a bar are closed."""
    sessions = run.scenario["session"]
    for asset in range(run.assets):
        if run.has_bar(asset):
            run.seen[asset], run.stale[asset] = True, False
    if run.t + 1 < run.bars and sessions[run.t + 1] == sessions[run.t]:
        return
    for asset in range(run.assets):
        run.missed[asset] = 0 if run.seen[asset] else run.missed[asset] + 1
        run.seen[asset] = False
        known = run.last[asset] is not None and not run.delisted[asset]
        if known and run.missed[asset] == run.config["max_stale"]:
            _go_stale(run, asset)


def _go_stale(run, asset):
    """Close a stale asset; later orders on it are refused until it has a bar again."""
    run.stale[asset] = True
    touches = run.positions[asset].shares != 0 or run.pending(asset) != []
    cash = run.cash
    close_out(run, asset, None)
    if touches:
        reached("1.4 stale")
        book(run, asset, STALE, None, run.cash - cash)


def is_gone(run, asset):
    """A delisted or stale asset that has no bar now."""
    return (run.stale[asset] or run.delisted[asset]) and not run.has_bar(asset)


def close_bankrupt(run, again=False):
    """4.5: at or below zero everything is closed at marks with costs, without cap or impact, and frozen.

    again: after stale assets were closed, which may have taken equity there.
    """
    equity = marked_equity(run)
    if not run.held or not at_or_below(equity, 0.0):
        return
    reached("4.5 bankruptcy")
    _count_bankruptcy(run, again)
    write_event(run, BANKRUPT, value=equity)
    if run.charges:
        reached("1.2 bankruptcy")
    for order in run.pending():
        cancel(run, order, Reason.BANKRUPT)
    config = run.config
    for asset in sorted(run.held):
        quantity = -run.positions[asset].shares
        base = run.last[asset]
        rate = half_spread(run, asset) + config["slippage_rate"]
        if quantity > 0:
            price = base * (1 + rate) + config["slippage_fixed"]
        else:
            price = max(0.0, base * (1 - rate) - config["slippage_fixed"])
        order = Order(asset, run.t, MARKET, quantity, quantity)  # only for its side and an empty fee account
        fee = slice_fee(run, order, abs(quantity), price, False)[0]
        settle(
            run, asset, sign(quantity) * abs(quantity), price, fee, base=base, phase=BOOKING, origin=Origin.BANKRUPTCY
        )
    run.frozen = True


def _count_bankruptcy(run, again):
    """Count bankruptcies of margin accounts, and those that a stale asset brings."""
    if again:
        reached("4.5 bankruptcy again")
    if run.config["account"] == "margin":
        forced = any(run.forced(asset) for asset in run.held)
        reached("4.5 bankruptcy on margin" if not forced else "4.5 bankruptcy after a call")
