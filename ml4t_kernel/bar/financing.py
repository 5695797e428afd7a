"""1.2, 1.3: what moves cash before the open: holding over night, on the book as the bar before left it, and flows."""

from math import nan

from ml4t_kernel.bar.incidents import note_incident
from ml4t_kernel.bar.room import lack_of_room
from ml4t_kernel.compile.jit import cold, compiled, inlined
from ml4t_kernel.money.instruments import is_settled_daily
from ml4t_kernel.money.prices import RESIDUE, present
from ml4t_kernel.schema import (
    C_BORROW,
    C_FLOW,
    C_FUNDING,
    C_INTEREST,
    E_FLOW_REFUSED,
    GROW_TAPE,
    NO_ROW,
    OK,
    PERPETUAL,
)

DAYS_A_YEAR = 360.0


@inlined
def has_rates(params):
    """Does a night cost or earn anything?"""
    return params.borrow_fee != 0.0 or params.credit_rate != 0.0 or params.debit_rate != 0.0 or params.has_borrow


@inlined
def next_booking(t, stop, market, intents, params, book):
    """First bar after t before which cash may move, at most `stop`: a night's, a row of funding's or a flow's."""
    s = book.state[0]
    if has_rates(params):
        # of a session, or any without dates
        night = t + 1 if t + 1 < stop and market.days[t + 1] > 0.0 else market.session_end[t]
        stop = min(stop, night)
    if s.fund < market.funding.shape[0]:
        stop = min(stop, market.funding[s.fund].bar)
    if s.flow < intents.flows.shape[0]:
        stop = min(stop, intents.flows[s.flow].bar)
    return stop


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
        a = book.held[i]
        p = book.positions[a]
        if is_settled_daily(a, market, params):
            base += p.shares * p.mark  # never paid
        elif p.shares < 0.0:
            value = -p.shares * p.mark
            base -= value
            rate = p.fee if present(p.fee) else params.borrow_fee
            fee = value * rate * days / DAYS_A_YEAR
            if fee != 0.0:
                s.borrow_fees += fee
                book_charge(-fee, t, a, C_BORROW, params, book, tape)
    rate = params.credit_rate if base > 0.0 else params.debit_rate
    interest = base * rate * days / DAYS_A_YEAR
    # What rounding leaves of cash that was spent is neither lent nor owed.
    if interest != 0.0 and abs(base) >= RESIDUE * s.equity:
        s.interest += interest
        book_charge(interest, t, NO_ROW, C_INTEREST, params, book, tape)


@compiled
def fund_perpetuals(t, solvent, market, params, book, tape):
    """1.2: rows of funding that fall to this bar, on the marks of the one before."""
    s = book.state[0]
    while s.fund < market.funding.shape[0] and market.funding[s.fund].bar <= t:
        row = market.funding[s.fund]
        s.fund += 1
        p = book.positions[row.asset]
        amount = -p.shares * p.mark * row.rate
        if solvent and amount != 0.0 and market.instruments[row.asset].kind == PERPETUAL:
            s.funding += amount
            book_charge(amount, t, row.asset, C_FUNDING, params, book, tape)


@compiled
def book_flow(t, amount, params, book, tape):
    """1.3: money from outside is no return: what returns and drawdown are measured from moves with it."""
    s = book.state[0]
    before = s.previous_equity
    if amount < 0.0 and before + amount <= 0.0:
        note_incident(t, NO_ROW, E_FLOW_REFUSED, nan, amount, before, params, book, tape)
        return
    book_charge(amount, t, NO_ROW, C_FLOW, params, book, tape)
    s.flows += amount
    s.previous_equity = before + amount
    if before > 0.0:
        factor = (before + amount) / before
        s.flow_factor *= factor
        s.peak *= factor


@inlined
def book_flows(t, intents, params, book, tape):
    s = book.state[0]
    while s.flow < intents.flows.shape[0] and intents.flows[s.flow].bar <= t:
        amount = intents.flows[s.flow].amount
        s.flow += 1
        if not s.frozen:
            book_flow(t, amount, params, book, tape)


@cold
def book_before_open(t, stop, market, intents, params, book, tape):
    """1.2 and 1.3 before bar t; returns the first bar that a walk must not pass, since cash may move before it.

    Where the bar may need room it returns t itself, and nothing has been charged: whoever stops there has the account
    of the bar before.
    """
    s = book.state[0]
    s.status = lack_of_room(t, market, intents, params, book, tape)
    if s.status != OK:
        return t
    # Below zero nobody lends or collects any more: the account is bankrupt, or was when it closed its last position.
    solvent = s.equity > 0.0 and not s.frozen
    if params.record and s.charges + s.held + market.funding.shape[0] - s.fund + 3 > tape.charges.shape[0]:
        s.status = GROW_TAPE
        return t
    if solvent and market.days[t] > 0.0 and has_rates(params):
        charge_positions(t, market, params, book, tape)
    fund_perpetuals(t, solvent, market, params, book, tape)
    book_flows(t, intents, params, book, tape)
    if s.held == 0:
        s.equity = s.cash
    return next_booking(t, stop, market, intents, params, book)
