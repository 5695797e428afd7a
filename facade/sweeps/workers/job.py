"""What a worker is given and gives back: the job of a group, chunks of its rows, and what became of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from uuid import uuid4

import numpy as np

from facade.encode.inputs import EncodedInputs
from facade.execute import tape_rows
from facade.results.trades import all_trades
from facade.sweeps.workers.publish import settled
from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries
from ml4t_kernel.schema import PARAMS, STATE, Intents, Market

Columns = dict[str, np.ndarray]
"""Result columns of n rows, as of `facade.sweeps.rows.columns.columns_of`."""


@dataclass(frozen=True, eq=False)
class Job:
    """What the rows of a group share, and what is kept of each.

    rows: capacities of the tape. keep: "metrics", "equity" or "trades". assets: (C,) columns of the panel that market
    and intents are cut to, None: all. idle: scratch of threads that are between two chunks; not pickled.
    """

    token: str
    market: Market
    intents: Intents
    rows: dict[str, int]
    keep: str
    assets: np.ndarray | None = None
    idle: list[Any] = field(default_factory=list)

    def __reduce__(self) -> tuple[Any, ...]:
        return Job, (self.token, self.market, self.intents, self.rows, self.keep, self.assets)


@dataclass(frozen=True, eq=False)
class Outcome:
    """A finished chunk of n rows. state: (n,) STATE from another process; here: columns, made where the rows ran.

    kept: None, or an entry a row: (T,) float64 equity at the end of each bar, or (n,) TRADE of `results.trades`, with
    asset numbers of the row's panel and its bars counted from the first of that panel.
    seconds: of the kernel and of keeping.
    """

    state: np.ndarray | None
    kept: list[np.ndarray] | None
    seconds: float
    columns: Columns | None = None


_making = threading.Lock()


def _scratch(job: Job) -> Any:
    """Scratch for a chunk of the job: an idle one, or a new one. The kernel is loaded by one thread only."""
    try:
        return job.idle.pop()
    except IndexError:
        pass
    bars = job.market.close.shape[0] if job.keep != "metrics" else 1
    scratch = entries.Scratch(job.market, job.intents, job.rows, bars)
    with _making:
        scratch.run(np.zeros(0, PARAMS), np.zeros(0, STATE))
    return scratch


def run_job(job: Job, params: np.ndarray) -> Outcome:
    """Run the accounts of (n,) PARAMS `params`, in a process of its own."""
    scratch, params = _scratch(job), settled(params, PARAMS)
    finals = np.zeros(len(params), STATE)
    kept, seconds = _run(job, scratch, params, finals)
    job.idle.append(scratch)
    return Outcome(finals, kept, seconds)


def run_here(
    job: Job, params: np.ndarray, rows: np.ndarray, finish: Callable[[np.ndarray, np.ndarray], Columns]
) -> Outcome:
    """The same in a thread of this process: the scratch lends the states, and `finish(rows, state)` makes the columns
    before it is given back (fresh memory for the states of 10,000 rows costs as much as their metrics)."""
    scratch = _scratch(job)
    finals = scratch.finals(len(params))
    kept, seconds = _run(job, scratch, params, finals)
    columns = finish(rows, finals)
    job.idle.append(scratch)
    return Outcome(None, kept, seconds, columns)


def _run(job: Job, scratch: Any, params: np.ndarray, finals: np.ndarray) -> tuple[list[np.ndarray] | None, float]:
    """What is kept of each row, and the seconds it took; finals: (n,) STATE, written. The kernel releases the GIL."""
    started = perf_counter()
    kept = None
    if job.keep == "metrics":
        scratch.run(params, finals)
    else:
        kept = _run_recorded(job, scratch, params, finals)
    return kept, perf_counter() - started


def _run_recorded(job: Job, scratch: Any, params: np.ndarray, finals: np.ndarray) -> list[np.ndarray]:
    """Row by row with a tape, of which what is kept is copied."""
    params = params.copy()
    params["record"] = 1
    params.flags.writeable = False
    kept = []
    for row in range(len(params)):
        scratch.run(params[row : row + 1], finals[row : row + 1])
        if job.keep == "equity":
            kept.append(kernel_book.plain(scratch.tape.equity)["equity"][: finals["bar"][row]].copy())
        else:
            kept.append(_trades_of(scratch, finals[row]))
            if job.assets is not None:
                kept[-1]["asset"] = job.assets[kept[-1]["asset"]]
    return kept


def _trades_of(scratch: Any, final: np.void) -> np.ndarray:
    """(n,) TRADE rows of the account that has just run: the closed, then the open ones."""
    closed, booked = (kernel_book.plain(getattr(scratch.tape, name))[: final[name]] for name in ("trades", "booked"))
    return all_trades(closed, kernel_book.plain(scratch.book.positions), booked)


def make_job(inputs: EncodedInputs, keep: str) -> Job:
    """The job of a group's inputs, with room on the tape for what a run is expected to write (it grows)."""
    rows = tape_rows(inputs, recorded=keep != "metrics")
    return Job(uuid4().hex, inputs.market, inputs.intents, rows, keep, inputs.assets)
