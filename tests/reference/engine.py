"""The naive reference engine: one page that follows the numbering of the execution contract.

It judges the compiled kernel, shares no line with it, and prefers being plain to being fast.
"""

from . import actions, borrow, decide, fills, financing, flows, funds, ledger, margin, orders, prices, rules, walk
from .book import new_run
from .coverage import reached
from .instruments import pay_marks, value_of


def run(scenario):
    """Run a scenario (plain data) and return the outcome (plain data)."""
    account = new_run(scenario)
    for t in range(account.bars):
        account.t = t
        account.active = account.pending()
        if not account.frozen:
            run_bar(account)
        record(account)  # 4.8
    if account.pending():
        reached("0.5")
    return outcome(account)


def run_bar(account):
    """Everything that happens in one bar, in this order."""
    financing.charge(account)  # 1.2
    flows.book_flows(account)  # 1.3
    actions.apply_actions(account)  # 1.1, 1.4
    borrow.start_rows(account)  # 1.5
    borrow.recall(account)
    ledger.drop_closed(account)
    orders.expire(account)  # 1.6
    orders.activate(account)  # 1.7
    prices.start_budgets(account)  # 6.1
    funds.release(account)  # 6.2
    fills.fill_at_open(account)  # 2
    orders.expire_after_open(account)
    walk.fill_inside_bar(account)  # 3
    fills.fill_at_close(account)  # 4.1
    orders.expire_after_close(account)  # 4.2
    ledger.drop_closed(account)
    mark(account)  # 4.3
    rules.move_marks(account)  # 4.4
    actions.close_bankrupt(account)  # 4.5
    actions.count_sessions(account)
    actions.close_bankrupt(account, again=True)
    margin.call(account)
    rules.decide_time_exits(account)
    ledger.drop_closed(account)
    if not account.frozen:
        decide.decide(account)  # 4.6
        if account.config["timing"] == "same_bar_close":
            fills.fill_at_deciding_close(account)  # 4.7
            ledger.drop_closed(account)


def mark(account):
    """4.3: last closes, volumes and the equity on them."""
    for asset in range(account.assets):
        close = account.price("close", asset)
        if close is not None:
            account.last[asset] = close
            account.volume_before[asset] = account.price("volume", asset)
            account.closes[asset].append((account.t, close))
    if account.held:
        reached("4.3")
    pay_marks(account)
    account.equity = ledger.marked_equity(account)


def record(account):
    """4.8: one row a bar, after everything."""
    pay_marks(account)  # 4.7 may have opened
    account.equity = ledger.marked_equity(account)
    gross = 0.0
    for asset in account.held:
        gross += value_of(account, asset, abs(account.positions[asset].shares), account.last[asset])
    account.records.append((account.equity, account.cash, gross, len(account.held)))
    margin.record(account)
    borrow.assert_called_back(account)
    financing.remember(account)


def order_row(order):
    """An order as plain data."""
    return {
        "asset": order.asset,
        "bar": order.bar,
        "end_bar": order.end_bar,
        "kind": order.kind,
        "time_in_force": order.time_in_force,
        "status": order.status,
        "reason": order.reason,
        "origin": order.origin,
        "requested": order.requested,
        "filled": order.filled,
        "left": order.left,
    }


def capped(account):
    """How many orders a budget has ever held back (6.1)."""
    return sum(order.held_back for order in account.orders)


def outcome(account):
    """Everything the run wrote, as plain data."""
    return {
        "orders": [order_row(order) for order in account.orders],
        "fills": account.fills,
        "trades": account.trades,
        "equity": [row[0] for row in account.records],
        "cash": [row[1] for row in account.records],
        "gross": [row[2] for row in account.records],
        "positions": [row[3] for row in account.records],
        "ambiguous": account.ambiguous,
        "booked": account.booked,
        "charges": account.charges,
        "returns": flows.returns(account),
        "events": account.events,
        "margin": account.margins,
        "counters": {"conflicts": account.conflicts, "closes_left_out": 0, "capped": capped(account)},
        "final": {
            "shares": [position.shares for position in account.positions],
            "avg": [position.average for position in account.positions],
            "last": account.last,
            "realised": account.realised,
            "dividends": account.dividends,
            "fees": account.fees,
            "interest": account.interest,
            "borrow_fees": account.borrow_fees,
            "funding": account.funding,
            "flows": account.flows,
        },
    }
