"""1.2: what holding over night costs and earns, on the book as the bar before left it."""

from ml4t_kernel.bar.room import lack_of_room
from ml4t_kernel.compile.jit import cold, inlined
from ml4t_kernel.money.prices import RESIDUE
from ml4t_kernel.schema import C_BORROW, C_INTEREST, GROW_TAPE, NO_ROW, OK

DAYS_A_YEAR = 360.0


@inlined
def next_night(t, stop, market):
    """First bar after t before which something may be charged, at most `stop`: of a session, or any without dates."""
    if t + 1 < stop and market.days[t + 1] > 0.0:
        return t + 1
    return min(market.session_end[t], stop)


@inlined
def book_charge(amount, t, a, kind, params, book, tape):
    """One row, and cash."""
    s = book.state[0]
    s.cash += amount
    r = tape.charges[s.charges * params.record]
    r.amount = amount
    r.bar = t
    r.asset = a
    r.kind = kind
    s.charges += 1


@inlined
def charge_positions(t, market, params, book, tape):
    """Fees of what is short, then interest on the cash that stands behind no short."""
    s = book.state[0]
    days = market.days[t]
    base = s.cash
    for i in range(s.held):
        p = book.positions[book.held[i]]
        if p.shares < 0.0:
            value = -p.shares * p.mark
            base -= value
            fee = value * params.borrow_fee * days / DAYS_A_YEAR
            if fee != 0.0:
                s.borrow_fees += fee
                book_charge(-fee, t, book.held[i], C_BORROW, params, book, tape)
    rate = params.credit_rate if base > 0.0 else params.debit_rate
    interest = base * rate * days / DAYS_A_YEAR
    # What rounding leaves of cash that was spent is neither lent nor owed.
    if interest != 0.0 and abs(base) >= RESIDUE * s.equity:
        s.interest += interest
        book_charge(interest, t, NO_ROW, C_INTEREST, params, book, tape)
    if s.held == 0:
        s.equity = s.cash


@cold
def charge_night(t, stop, market, intents, params, book, tape):
    """1.2 before bar t; returns the first bar that a walk must not pass, since there may be charges before it.

    Where the bar may need room it returns t itself, and nothing has been charged: whoever stops there has the account
    of the bar before.
    """
    s = book.state[0]
    s.status = lack_of_room(t, market, intents, params, book, tape)
    if s.status != OK:
        return t
    # Below zero nobody lends or collects any more: the account is bankrupt, or was when it closed its last position.
    if market.days[t] > 0.0 and s.equity > 0.0:
        if params.record and s.charges + s.held + 1 > tape.charges.shape[0]:
            s.status = GROW_TAPE
            return t
        charge_positions(t, market, params, book, tape)
    return next_night(t, stop, market)
