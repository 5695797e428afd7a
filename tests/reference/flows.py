"""Deposits and withdrawals, and returns net of them (1.3)."""

from .coverage import reached
from .enums import FLOW, FLOW_REFUSED
from .financing import write
from .orders import write_event


def book_flows(run):
    """1.3: the sum of the bar's flows moves cash before the open, unless it would leave the account nothing."""
    amount = run.flow_of.get(run.t, 0.0)
    if amount == 0:
        return
    _count(run, amount)
    if amount < 0 and run.equity + amount <= 0:
        reached("1.3 refused")
        write_event(run, FLOW_REFUSED, value=amount, limit=run.equity)
        return
    run.cash += amount
    run.flows += amount
    write(run, -1, FLOW, amount)
    if amount < 0 and run.cash < 0:
        reached("1.3 beyond cash")


def returns(run):
    """Return of every bar net of its flow; of the first bar only when the account traded on it (8)."""
    flow = {row["bar"]: row["amount"] for row in run.charges if row["kind"] == FLOW}
    before, found = run.config["initial_cash"], []
    for bar, (equity, *_) in enumerate(run.records):
        moved = flow.get(bar, 0.0)
        worked = before + moved
        quiet = bar == 0 and equity == worked
        found.append(None if quiet or worked <= 0 else (equity - before - moved) / worked)
        before = equity
    return found


def _count(run, amount):
    """Count kinds of flows, and the bars on which they fall."""
    reached("1.3 deposit" if amount > 0 else "1.3 withdrawal")
    if sum(bar == run.t for bar, _ in run.scenario["flows"]) > 1:
        reached("1.3 several")
    if run.t == 0:
        reached("1.3 first bar")
    if run.t == run.bars - 1:
        reached("1.3 last bar")
    for action in run.actions.get(run.t, []):
        if run.recorded and run.positions[action["asset"]].shares != 0:
            reached(f"flow x action:{action['kind']}")
