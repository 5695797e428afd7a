"""Run encoded inputs through the kernel in slices: progress, Ctrl-C, growing tapes, and a result of whole bars."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from facade.config.model import Config
from facade.data.panel import Panel
from facade.encode.inputs import EncodedInputs
from facade.encode.narrow import widen
from facade.progress import progress_bar
from facade.results.run import Run
from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries
from ml4t_kernel.schema import Book, Tape

FIRST_SLICE = 262_144
"""Asset-bars of the first slice; later ones double until one takes SLICE_SECONDS, so that Ctrl-C is heard and a
progress bar moves, while a short run is one or two calls (a call costs 4 microseconds, 50 where Numba compiled the
kernel)."""
SLICE_SECONDS = 0.1


def tape_rows(inputs: EncodedInputs, recorded: bool = True) -> dict[str, int]:
    """Capacities of a tape with room for what the strategy is expected to write.

    Memory that is not written costs nothing, so the estimate is generous; the kernel asks for more when it was not.
    recorded: fills, trades, charges and gross exposure have rows (`params.record`).
    """
    bars, assets = inputs.market.close.shape
    orders = inputs.expected_orders + 8 * assets + 1024
    details = len(inputs.intents.orders) + (orders if inputs.params["basis_signal"][0] else 0) + 8 * assets + 1024
    fills = orders if recorded else 1
    return dict(
        orders=orders,
        details=details,
        fills=fills,
        trades=fills,
        ambiguous=4096,
        gross=bars if recorded and (inputs.params["allow_short"][0] or inputs.params["margin"][0]) else 1,
        margin=bars if recorded and inputs.params["margin"][0] else 1,
        booked=len(inputs.market.actions) + len(inputs.market.stale) + 1,
        charges=bars + len(inputs.market.funding) + 1024 if recorded and inputs.params["has_charges"][0] else 1,
        incidents=1024 if recorded else 1,
    )


def prepare(inputs: EncodedInputs) -> tuple[Book, Tape]:
    """An empty account and its tape."""
    return kernel_book.new_account(inputs.market, inputs.intents, inputs.market.close.shape[0], tape_rows(inputs))


def execute(panel: Panel, config: Config, inputs: EncodedInputs, progress: bool, notices: tuple[str, ...]) -> Run:
    """Advance the account to the end of the panel.

    KeyboardInterrupt between two slices leaves a run of the whole bars done so far: `Run.bars` < `panel.shape[0]`.
    """
    account, tape = prepare(inputs)
    params = kernel_book.records(inputs.params)
    market, intents = kernel_book.readable(inputs.market), kernel_book.readable(inputs.intents)
    bars, assets = market.close.shape
    done, step = 0, max(64, FIRST_SLICE // assets)
    try:
        call = entries.bind(market, intents, params, account, tape, account.state)  # compiles, if anything does
        with progress_bar(bars, "bar", progress) as shown:
            while done < bars:
                edge, started = min(bars, done + step), perf_counter()
                call(0, 1, done, edge)
                reached = entries.bars_done(account)
                shown.update(reached - done)
                done = reached
                if done < edge:
                    account, tape = kernel_book.grow(account, tape)
                    call = entries.bind(market, intents, params, account, tape, account.state)
                elif perf_counter() - started < SLICE_SECONDS / 2:
                    step *= 2
    except KeyboardInterrupt:
        done = entries.bars_done(account)  # it may have come after a slice, before its count
    account, tape = _plain(account), _plain(tape)
    if inputs.assets is not None:
        account, tape = widen(account, tape, inputs.assets, panel.shape[1])
    return Run(panel, config, inputs, account, tape, done, notices)


def _plain(bundle: Any) -> Any:
    """Plain structured arrays again, where the interpreter needed recarrays."""
    return type(bundle)(*(kernel_book.plain(array) for array in bundle))
