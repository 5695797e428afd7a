"""The only writer of cash, shares, fills and trades."""

from .book import RESIDUE, Position, sign
from .coverage import reached
from .enums import BOOKING, EXIT_LEG, STOP_OUTS
from .enums import PASSIVE as PASSIVE_FLAG
from .instruments import is_stock, multiplier, pay_fill, value_of, worth


def settle(run, asset, quantity, price, fee, *, base, phase, origin, row=-1, passive=False):
    """Book a slice that either opens or closes, never both. quantity: signed shares. True when it closed."""
    position = run.positions[asset]
    closing = position.shares * quantity < 0
    slippage = value_of(run, asset, abs(quantity), abs(price - base))
    run.cash += pay_fill(run, asset, quantity, price) - fee
    run.fees += fee
    if phase != BOOKING and position.shares > 0 and closing:
        hold_back(run, asset, -value_of(run, asset, quantity, price) - fee)
    run.fills.append(
        {
            "order": row,
            "bar": run.t,
            "asset": asset,
            "phase": phase,
            "origin": origin,
            "quantity": quantity,
            "price": price,
            "fee": fee,
            "slippage": slippage,
            "flags": (PASSIVE_FLAG if passive else 0) + (EXIT_LEG if closing else 0),
        }
    )
    if position.shares == 0:
        position.high = position.low = price
        position.entry_bar = run.t
        run.held.append(asset)
        if asset not in run.places:
            run.places.append(asset)
    position.fees += fee
    position.slippage += slippage
    if closing:
        _close(run, asset, quantity, price, origin)
    else:
        position.high, position.low = max(position.high, price), min(position.low, price)
        _open(position, quantity, price)
    return closing


def hold_back(run, asset, brought):
    """What the sale of a long position brings to a cash account cannot be spent for some sessions (6.2)."""
    sessions = run.config["settlement"]
    if sessions > 0 and run.config["account"] == "cash" and brought > 0:
        run.unsettled.append({"asset": asset, "bar": run.t, "amount": brought, "sessions": sessions})


def _open(position, quantity, price):
    """Average cost of an opening slice."""
    total = position.shares + quantity
    position.average = (
        price if position.shares == 0 else (position.average * position.shares + price * quantity) / total
    )
    position.shares = total
    position.opened += quantity
    position.opened_value += quantity * price


def _close(run, asset, quantity, price, origin):
    """Profit of a closing slice against the average price; a flat position ends its trade."""
    position = run.positions[asset]
    profit = -value_of(run, asset, quantity, price - position.average)
    position.realised += profit
    run.realised += profit
    left = position.shares + quantity
    if abs(left) > RESIDUE * abs(position.shares):
        position.shares = left
        return
    _write_trade(run, asset, price, origin)
    run.held.remove(asset)
    run.positions[asset] = Position()
    if origin in STOP_OUTS:
        run.cool_until[asset] = run.t + run.config["cooldown"]


def _write_trade(run, asset, price, origin):
    """One row a round trip, flat to flat."""
    position = run.positions[asset]
    high, low = max(position.high, price), min(position.low, price)
    long = sign(position.shares) > 0
    reached("8")
    run.trades.append(
        {
            "asset": asset,
            "entry_bar": position.entry_bar,
            "exit_bar": run.t,
            "quantity": position.opened,
            "entry_price": position.opened_value / position.opened,
            "exit_price": position.opened_value / position.opened
            + position.realised / (position.opened * multiplier(run, asset)),
            "pnl": position.realised,
            "fees": position.fees,
            "slippage": position.slippage,
            "mfe": high if long else low,
            "mae": low if long else high,
            "origin": origin,
        }
    )


def marked_equity(run):
    """Cash and holdings at their marks, added in order of opening."""
    equity = run.cash
    for asset in run.places:
        if run.positions[asset].shares != 0:
            equity += worth(run, asset, run.last[asset])
    return equity


def drop_closed(run):
    """Positions that are flat by now lose their place in the order of sums."""
    run.places = [asset for asset in run.places if run.positions[asset].shares != 0]


def short_value(run, price_of):
    """Value of all shorts in stocks at price_of(asset)."""
    value = 0.0
    for asset in run.held:
        shares = run.positions[asset].shares
        if shares < 0 and is_stock(run, asset):
            value += value_of(run, asset, abs(shares), price_of(asset))
    return value
