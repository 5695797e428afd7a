"""Allocation and growth of the book and the tape: every array that the kernel writes, and its capacity."""

from typing import Any

import numpy as np

from ml4t_kernel import schema
from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.schema import TAPE_FIELDS, Book, Intents, Market, Tape


def records(array: np.ndarray) -> np.ndarray:
    """Structured rows as the kernel reads them: attribute access needs a recarray when nothing is compiled."""
    return array.view(np.recarray) if INTERPRETED and array.dtype.names else array


def readable(bundle: Any) -> Any:
    """A NamedTuple of arrays as the kernel reads it; see `records`."""
    return type(bundle)(*(records(array) for array in bundle))


def plain(array: np.ndarray) -> np.ndarray:
    return np.asarray(array).view(np.ndarray)


def _beginning(dtype: np.dtype, **values: float) -> np.ndarray:
    """(1,) row of zeros but for these values."""
    row = np.zeros(1, dtype)
    for name, value in values.items():
        row[name] = value
    return records(row)


def new_book(assets: int, intents: int, orders: int) -> Book:
    """A book of `assets` assets, `intents` order intents and queues of `orders` rows; bar 0 makes it new."""
    rows = max(orders, 2 * assets) + 64
    nowhere = (
        "stop_order take_profit_order working closing walk_bar budget_bar take_profit_met_bar ambiguous_bar called "
        "recalled"
    )
    unknown = ("stop_loss_price", "take_profit_price", "available", "fee")
    none = {**dict.fromkeys(nowhere.split(), schema.NO_ROW), **dict.fromkeys(unknown, np.nan)}
    sizes: dict[str, tuple[int, Any]] = {
        **dict(state=(1, schema.STATE), work=(1, schema.WORK)),
        **dict(positions=(assets, schema.POSITION), queues=(assets, schema.QUEUE)),
        **dict.fromkeys(("held", "waiting", "asleep", "inside", "touched"), (assets, np.int32)),
        **dict(placed=(intents, np.int32)),
        **dict.fromkeys(("queue", "exits", "entries"), (rows, np.int32)),
        **dict.fromkeys(("key_rank", "amounts"), (rows, np.float64)),
        **dict(active=(assets, np.uint8), settling=(schema.MAX_SETTLEMENT + 1, np.float64)),
    }
    return Book(
        **{name: records(array) for name, array in zip(sizes, _together(list(sizes.values())), strict=True)},
        new_state=_beginning(
            schema.STATE, details=1, next_wake=schema.NEVER, called_bar=schema.NO_ROW, flow_factor=1.0
        ),
        new_position=_beginning(schema.POSITION, **none),
        new_queue=_beginning(schema.QUEUE),
    )


LINES = 128
"""Bytes that scratch of two threads must not share: closer than that it cost sweeps 67 to 86 percent."""


def _together(sizes: list[tuple[int, Any]]) -> list[np.ndarray]:
    """Arrays of zeros, (count, dtype) each, in one block of memory: each begins on lines of its own, as does the block.

    One block, because where small arrays lay apart by chance W3 took 45 to 57 ms of the same machine code.
    """
    spans = [-(-count * np.dtype(dtype).itemsize // LINES) * LINES for count, dtype in sizes]
    memory = np.zeros(sum(spans) + 2 * LINES, np.uint8)
    at = -memory.ctypes.data % LINES
    arrays = []
    for (count, dtype), span in zip(sizes, spans, strict=True):
        arrays.append(memory[at : at + count * np.dtype(dtype).itemsize].view(dtype))
        at += span
    return arrays


PLAIN_DETAIL: dict[str, float] = {
    **dict.fromkeys(("order", "group", "intent", "met_bar", "born_bar"), -1),
    **dict.fromkeys(("stop_loss_price", "take_profit_price"), np.nan),
    "rank": np.inf,
    "expiry": schema.NEVER,
}
"""Row 0 of the details, of which every other begins as a copy: a plain market order; fields not named are 0."""


def new_tape(bars: int, rows: dict[str, int]) -> Tape:
    """An untouched tape (np.empty: pages cost only when written); rows: capacity by field name, equity excepted.

    rows["gross"], rows["margin"]: `bars` where they are recorded, else 1.
    """
    sizes = {**rows, "equity": bars}
    tape = Tape(*(records(np.empty(max(1, sizes[name]), field.dtype)) for name, field in TAPE_FIELDS.items()))
    tape.details[:1] = _beginning(schema.DETAIL, **PLAIN_DETAIL)
    return tape


def new_account(market: Market, intents: Intents, bars: int, rows: dict[str, int]) -> tuple[Book, Tape]:
    """Book and tape of an account over these inputs; bars and rows: capacities, as for `new_tape`."""
    assets = market.close.shape[1]
    return new_book(assets, len(intents.orders), 4 * assets + 1024), new_tape(bars, rows)


def grown(array: np.ndarray, filled: int) -> np.ndarray:
    """A copy with twice the rows, the filled ones kept."""
    larger = records(np.empty(2 * len(array) + 64, array.dtype))
    larger[:filled] = array[:filled]
    return larger


def grow(book: Book, tape: Tape, recorded: bool = True) -> tuple[Book, Tape]:
    """What the kernel asked for in state.status, with twice the rows: the queues, or each tape that is half full.

    recorded: fills, trades, charges and incidents have rows of their own (params.record).
    """
    state = plain(book.state)[0]
    if state["status"] == schema.RunStatus.GROW_QUEUES:
        names = ("queue", "exits", "entries", "key_rank", "amounts")
        return book._replace(**{name: grown(getattr(book, name), 0) for name in names}), tape
    recordings = ("fills", "trades", "charges", "incidents") if recorded else ()
    names = ("orders", "details", "ambiguous", "booked", *recordings)
    filled = {name: int(state[name]) for name in names}
    full = [name for name, rows in filled.items() if 2 * rows >= len(getattr(tape, name))] or list(filled)
    return book, tape._replace(**{name: grown(getattr(tape, name), filled[name]) for name in full})
