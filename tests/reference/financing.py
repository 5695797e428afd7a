"""Borrow fees, interest and funding on what the bar before recorded (1.2)."""

from .borrow import fee_of
from .coverage import reached
from .enums import BORROW, FUNDING, INTEREST
from .instruments import is_perpetual, is_stock, value_of

DAYS_A_YEAR = 360.0
BARS_A_YEAR = 252.0  # of a panel without dates
DUST = 1e-9  # of equity: what rounding leaves of cash


def remember(run):
    """4.8: cash, shares and marks on which the next bar is charged."""
    shares = [position.shares for position in run.positions]
    run.recorded = (run.cash, list(zip(shares, run.last, strict=True)))


def charge(run):
    """1.2: each short in a stock pays its fee, by asset; then interest on the cash that no short stands against."""
    if run.t == 0 or not run.equity > 0:
        return
    cash, held = run.recorded
    days, config = days_since(run), run.config
    _count_days(run, days, cash, held)
    shorts = 0.0
    for asset, (shares, mark) in enumerate(held):
        if shares < 0 and is_stock(run, asset):
            value = abs(value_of(run, asset, shares, mark))
            shorts += value
            fee = value * fee_of(run, asset) * days / DAYS_A_YEAR
            if fee != 0:
                _count_fee(run, asset)
                run.cash -= fee
                run.borrow_fees += fee
                write(run, asset, BORROW, -fee)
    basis = cash - shorts
    rate = config["credit_rate"] if basis > 0 else config["debit_rate"]
    interest = basis * rate * days / DAYS_A_YEAR
    if interest != 0 and not abs(basis) < DUST * run.equity:
        reached("1.2 credit" if interest > 0 else "1.2 debit")
        run.cash += interest
        run.interest += interest
        write(run, -1, INTEREST, interest)
    pay_funding(run, held)


def pay_funding(run, held):
    """Each row of the bar, in its order: longs of a perpetual pay a positive rate, shorts receive it."""
    paid = 0
    for row in run.funding_rows.get(run.t, []):
        asset = row["asset"]
        shares, mark = held[asset]
        if shares == 0 or not is_perpetual(run, asset):
            continue
        amount = -value_of(run, asset, shares, mark) * row["rate"]
        if amount != 0:
            paid += 1
            _count_funding(run, asset, shares, paid)
            run.cash += amount
            run.funding += amount
            write(run, asset, FUNDING, amount)


def days_since(run):
    """Calendar days between the session dates of the bar before and of this one; without dates a bar's part of 360."""
    if run.scenario.get("dated"):
        sessions = run.scenario["session"]  # of a dated panel these are days
        return float(sessions[run.t] - sessions[run.t - 1])
    return DAYS_A_YEAR / (run.config.get("periods_per_year") or BARS_A_YEAR)


def write(run, asset, kind, amount):
    """One row a charge, signed as it moves cash; asset -1 for interest."""
    run.charges.append({"bar": run.t, "asset": asset, "kind": kind, "amount": amount})


def _count_fee(run, asset):
    """Count the fee, and the pairs of it with what else falls on the bar."""
    reached("1.2 borrow")
    for action in run.actions.get(run.t, []):
        if action["asset"] == asset:
            reached(f"charge:borrow x action:{action['kind']}")
            if action["kind"] == "delisting" and run.borrow[asset] is not None:
                reached("1.2 own fee of a delisted short")


def _count_funding(run, asset, shares, paid):
    """Count sides, several rows of a bar, bars that the asset does not have, and splits of others."""
    reached("1.2 funding long" if shares > 0 else "1.2 funding short")
    if paid > 1:
        reached("1.2 several fundings")
    if not run.has_bar(asset):
        reached("1.2 funding without a bar")
    if any(action["kind"] == "split" for action in run.actions.get(run.t, [])):
        reached("funding x action:split")


def _count_days(run, days, cash, held):
    """Count what the calendar makes of a bar that has something to charge."""
    config = run.config
    shorts = [asset for asset, (shares, _) in enumerate(held) if shares < 0 and is_stock(run, asset)]
    short = any(fee_of(run, asset) != 0 for asset in shorts)
    if not short and not (config["credit_rate"] != 0 and cash > 0):
        return
    if not run.scenario.get("dated"):
        reached("1.2 no dates")
    elif days == 0:
        reached("1.2 no days")
    elif days > 1:
        reached("1.2 days")
