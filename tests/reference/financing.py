"""Borrow fees and interest on what the bar before recorded (1.2)."""

from .coverage import reached
from .enums import BORROW, INTEREST

DAYS_A_YEAR = 360.0
BARS_A_YEAR = 252.0  # of a panel without dates
DUST = 1e-9  # of equity: what rounding leaves of cash


def remember(run):
    """4.8: cash, shares and marks on which the next bar is charged."""
    shares = [position.shares for position in run.positions]
    run.recorded = (run.cash, list(zip(shares, run.last, strict=True)))


def charge(run):
    """1.2: each short pays its fee, by asset; then interest on the cash that no short stands against."""
    if run.t == 0 or not run.equity > 0:
        return
    cash, held = run.recorded
    days, config = days_since(run), run.config
    _count_days(run, days, cash, held)
    shorts = 0.0
    for asset, (shares, mark) in enumerate(held):
        if shares < 0:
            shorts += abs(shares * mark)
            fee = abs(shares * mark) * config["borrow_fee"] * days / DAYS_A_YEAR
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


def _count_days(run, days, cash, held):
    """Count what the calendar makes of a bar that has something to charge."""
    config = run.config
    short = config["borrow_fee"] != 0 and any(shares < 0 for shares, _ in held)
    if not short and not (config["credit_rate"] != 0 and cash > 0):
        return
    if not run.scenario.get("dated"):
        reached("1.2 no dates")
    elif days == 0:
        reached("1.2 no days")
    elif days > 1:
        reached("1.2 days")
