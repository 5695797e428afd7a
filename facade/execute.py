"""Run encoded inputs through the kernel in slices: progress, Ctrl-C, growing tapes, and a result of whole bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from facade.decode import Run
from facade.inputs import EncodedInputs
from ml4t_kernel import book as kernel
from ml4t_kernel.schema import Book, Tape

if TYPE_CHECKING:
    from facade.config import Config
    from facade.panel import Panel

SLICES = 64
"""Calls of the kernel a run is cut into: often enough for a progress bar and Ctrl-C, too few to cost anything."""


def prepare(panel: Panel, inputs: EncodedInputs) -> tuple[Book, Tape]:
    """An empty account and a tape with room for what the strategy is expected to write.

    Memory that is not written costs nothing, so the estimate is generous; the kernel asks for more when it was not.
    """
    orders = inputs.expected_orders + 8 * panel.shape[1] + 1024
    details = len(inputs.intents.orders) + (orders if inputs.params["basis_signal"][0] else 0) + 8 * panel.shape[1] + 1024
    rows = dict(orders=orders, details=details, fills=orders, trades=orders, ambiguous=4096)
    rows["booked"] = len(inputs.market.actions) + len(inputs.market.stale) + 1
    account = kernel.new_book(panel.shape[1], len(inputs.intents.orders), 4 * panel.shape[1] + 1024)
    tape = kernel.new_tape(panel.shape[0], rows)
    kernel.reset(account, tape, inputs.params)
    return account, tape


def execute(panel: Panel, config: Config, inputs: EncodedInputs, progress: bool, notices: tuple[str, ...]) -> Run:
    """Advance the account to the end of the panel.

    KeyboardInterrupt between two slices leaves a run of the whole bars done so far: `Run.bars` < `panel.shape[0]`.
    """
    account, tape = prepare(panel, inputs)
    advance, strategy = kernel.advance(), kernel.no_strategy()
    params = kernel.records(inputs.params)
    market, intents = _as_records(inputs)
    bars = panel.shape[0]
    edges = np.unique(np.linspace(0, bars, min(SLICES, bars) + 1).astype(int)).tolist()
    done = 0
    try:
        with tqdm(total=bars, unit="bar", disable=not progress, leave=True) as shown:
            for edge in edges[1:] if progress or bars > 50_000 else [bars]:
                while done < edge:
                    reached = int(advance(market, intents, params, account, tape, done, edge, strategy))
                    shown.update(reached - done)
                    done = reached
                    if done < edge:
                        account, tape = kernel.grow(account, tape)
    except KeyboardInterrupt:
        pass
    return Run(panel, config, inputs, _plain(account), _plain(tape), done, notices)


def _as_records(inputs: EncodedInputs) -> tuple:
    return tuple(
        type(bundle)(*(kernel.records(array) for array in bundle)) for bundle in (inputs.market, inputs.intents)
    )


def _plain(bundle):
    """Plain structured arrays again, where the interpreter needed recarrays."""
    return type(bundle)(*(kernel.plain(array) for array in bundle))
