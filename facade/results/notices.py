"""What a reader should know of how a run went, besides refusals: sentences for `Result.notices`."""

from facade.errors import listing
from facade.results.run import Run
from ml4t_kernel.schema import ActionKind, Status


def run_notices(run: Run) -> list[str]:
    """Assets closed for want of bars, and orders that wait for volume."""
    return [*_stale(run), *_held_back(run)]


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


def _held_back(run: Run) -> list[str]:
    capped = int(run.state["capped"])
    if not capped:
        return []
    cap = f"max_participation={float(run.inputs.params['max_participation'][0]):g}"
    text = f"{capped:,} order{'s' * (capped != 1)} held back on some bar by the volume cap ({cap})"
    orders = run.orders
    waiting = int(((orders["status"] == Status.LIVE) & (orders["filled"] != 0.0)).sum())
    return [f"{text}; {waiting:,} partly filled still wait{'s' * (waiting == 1)} at the end" if waiting else text]
