"""What a reader should know of how a run went, besides refusals: sentences for `Result.notices`."""

import numpy as np

from facade.errors import listing
from facade.results.run import Run
from facade.wording import plural
from ml4t_kernel.schema import (
    BLOCK,
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    ActionKind,
    EventKind,
    SizeType,
    Status,
)

ENTRIES = ENTER_LONG | ENTER_SHORT


def run_notices(run: Run) -> list[str]:
    """Assets closed for want of bars, orders that wait for volume, what happened to the account, and what of the
    strategy did nothing or too much."""
    account = [*_stale(run), *_held_back(run), *_events(run)]
    return [*account, *_undecided(run), *_contradictions(run), *oversized(run), *_sold_again(run)]


def _stale(run: Run) -> list[str]:
    booked = run.tape.booked[: run.state["booked"]]
    assets = dict.fromkeys(booked["asset"][booked["kind"] == ActionKind.STALE].tolist())
    if not assets:
        return []
    names = listing([run.panel.symbols[asset] for asset in assets])
    return [
        f"stale: no bar for {run.config.max_stale} sessions in a row (max_stale), so positions were closed at the last "
        f"mark and orders cancelled: {names}"
    ]


def _events(run: Run) -> list[str]:
    """Margin calls, recalls and withdrawals that were not paid: how many, and when first."""
    rows = run.tape.incidents[: run.state["incidents"]]
    said = {
        EventKind.MARGIN_CALL: ("margin call", "positions were sold, entries cancelled"),
        EventKind.RECALL: ("recall", "shorts beyond what can be borrowed were bought back"),
        EventKind.FLOW_REFUSED: ("withdrawal", "not paid, since nothing would have been left"),
    }
    return [
        f"{plural(len(found), what)}, first at {run.panel.timestamps[int(found['bar'][0])]}: {then} (result.events)"
        for kind, (what, then) in said.items()
        if len(found := rows[rows["kind"] == kind])
    ]


def _held_back(run: Run) -> list[str]:
    capped = int(run.state["capped"])
    if not capped:
        return []
    cap = f"max_participation={float(run.inputs.params['max_participation'][0]):g}"
    text = f"{capped:,} order{'s' * (capped != 1)} held back on some bar by the volume cap ({cap})"
    orders = run.orders
    waiting = int(((orders["status"] == Status.LIVE) & (orders["filled"] != 0.0)).sum())
    return [f"{text}; {waiting:,} partly filled still wait{'s' * (waiting == 1)} at the end" if waiting else text]


def _undecided(run: Run) -> list[str]:
    """A strategy that cannot have traded."""
    intents = run.inputs.intents
    if len(intents.orders):
        return []
    if len(intents.signals):
        if (intents.signals["bits"] & ENTRIES).any():
            return []
        return ["no entry signal is ever true: the strategy has exits only, so it never trades"]
    if any(_is_target(intents.weights[start : start + BLOCK]).any() for start in range(0, len(intents.weights), BLOCK)):
        return []
    if len(intents.weights):
        return ["every target is zero: the strategy never buys anything"]
    return ["nothing is ever decided: the strategy has no signal that is true, no target and no order"]


def _is_target(weights: np.ndarray) -> np.ndarray:
    """Bool of the same shape: a position is wanted. NaN leaves alone."""
    return (weights != 0) & (weights == weights)


def _contradictions(run: Run) -> list[str]:
    """Signals that say two things at once (contract clause 4.6)."""
    signals = run.inputs.intents.signals
    bits = signals["bits"]
    both = [(bits & pair) == pair for pair in (ENTER_LONG | EXIT_LONG, ENTER_SHORT | EXIT_SHORT)]
    cases = (
        (both[0] | both[1], "to enter and to exit at once", "what is held is closed, and while flat nothing happens"),
        ((bits & ENTRIES) == ENTRIES, "to enter long and to enter short at once", "neither is taken"),
    )
    return [
        f"{plural(count, 'signal')} {what}, first at {run.panel.timestamps[int(signals['bar'][rows.argmax()])]}: {then}"
        for rows, what, then in cases
        if (count := int(np.count_nonzero(rows)))
    ]


def oversized(run: Run) -> list[str]:
    """Sizes of signals that are fractions of equity and more than the account can carry."""
    signals, size_type = run.inputs.intents.signals, int(run.inputs.params["size_type"][0])
    if not len(signals) or size_type not in (SizeType.FRACTION, SizeType.TARGET_FRACTION):
        return []
    one = run.inputs.settings.get("signal_size")  # one size for all need not be looked for in each: 5 percent of W2
    size = float(signals["amount"].max() if one is None else one)
    params = run.inputs.params[0]
    most = 1.0 / min(params["initial_margin"], params["short_initial_margin"]) if params["margin"] else 1.0
    if size <= most:
        return []
    given = f"size={size:g} with size_type={SizeType(size_type).name.lower()!r}"
    leverage = f"margin carries {most:g} times" if params["margin"] else "a cash account has no leverage"
    return [
        f"{given} is {size:g} times the equity, and {leverage}: {size:g} percent is "
        f"size={size / 100:g}, shares are size_type='shares'"
    ]


def _sold_again(run: Run) -> list[str]:
    """Rows of targets of which each is followed by zeros on the next bar: zeros in the place of NaN."""
    intents = run.inputs.intents
    bars, found = intents.target_bars, 0
    for start in range(0, len(bars) - 1, BLOCK):  # the first block tells of nearly every strategy that it is not so
        wanted = np.asarray(_is_target(intents.weights[start : start + BLOCK + 1]).any(axis=1))
        bought = np.flatnonzero(wanted[:-1])
        at = start + bought
        if not ((bars[at + 1] == bars[at] + 1) & ~wanted[bought + 1]).all():
            return []
        found += len(bought)
    if found < 2:
        return []
    return [
        f"each of {found:,} rows of targets is followed by zeros on the next bar, which sell what was bought one bar "
        f"later: a bar without rebalance is NaN, 0 closes"
    ]
