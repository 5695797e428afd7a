"""Allocation, reset and growth of the book and the tape; the entries that Python calls."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from . import schema
from .jit import INTERPRETED, entry
from .loop import advance as _advance
from .schema import Book, Intents, Market, Tape

_ROWS = dict(
    orders=schema.ORDER,
    details=schema.DETAIL,
    fills=schema.FILL,
    trades=schema.TRADE,
    equity=schema.EQUITY,
    gross=np.dtype("f8"),
    ambiguous=schema.AMBIGUOUS,
    booked=schema.BOOKED,
)


def records(array: np.ndarray) -> np.ndarray:
    """Structured rows as the kernel reads them: attribute access needs a recarray when nothing is compiled."""
    return array.view(np.recarray) if INTERPRETED and array.dtype.names else array


def plain(array: np.ndarray) -> np.ndarray:
    return np.asarray(array).view(np.ndarray)


def new_book(assets: int, intents: int, orders: int) -> Book:
    """A book for `assets` assets, `intents` order intents and queues of `orders` rows; call `reset` before use."""
    rows = max(orders, 2 * assets) + 64
    arrays = [records(np.zeros(count, dtype)) for count, dtype in ((1, schema.STATE), (assets, schema.POSITION))]
    arrays += [records(np.zeros(count, dtype)) for count, dtype in ((assets, schema.QUEUE), (1, schema.WORK))]
    arrays += [np.zeros(count, np.int32) for count in (*[assets] * 5, intents, *[rows] * 3)]
    arrays += [np.zeros(rows, np.float64) for _ in range(2)]
    return Book._make(arrays)


PLAIN_DETAIL: dict[str, float] = {
    **dict.fromkeys(("order", "group", "intent", "met_bar", "born_bar"), -1),
    **dict.fromkeys(("stop_price", "target_price"), np.nan),
    "rank": np.inf,
    "expiry": schema.NEVER,
}
"""Row 0 of the details, of which every other begins as a copy: a plain market order; fields not named are 0."""


def reset(book: Book, tape: Tape, params: np.ndarray) -> None:
    """Make the account new: cash, no positions, no orders; modifies book and row 0 of the details in place."""
    for rows in (book.state, book.positions, book.queues, book.work):
        rows.view(np.uint8)[:] = 0
    cash = float(params["initial_cash"][0])
    for name in ("cash", "equity", "previous_equity", "peak"):
        book.state[name] = cash
    for name in ("stop_order", "target_order", "working", "closing", "walk_bar", "budget_bar", "goal_met_bar"):
        book.positions[name] = -1
    for name in ("stop_price", "target_price"):
        book.positions[name] = np.nan
    book.positions["ambiguous_bar"] = -1
    book.placed[:] = -1
    book.state["details"] = 1
    book.state["next_wake"] = schema.NEVER
    tape.details[:1].view(np.uint8)[:] = 0
    for name, value in PLAIN_DETAIL.items():
        tape.details[name][0] = value


def new_tape(bars: int, rows: dict[str, int]) -> Tape:
    """An untouched tape (np.empty: pages cost only when written); rows: capacity by field name, equity excepted.

    rows["gross"]: `bars` where shorting is allowed, else 1.
    """
    sizes = {**rows, "equity": bars}
    return Tape(*(records(np.empty(max(1, sizes[name]), dtype)) for name, dtype in _ROWS.items()))


def grown(array: np.ndarray, filled: int) -> np.ndarray:
    """A copy with twice the rows, the filled ones kept."""
    larger = records(np.empty(2 * len(array) + 64, array.dtype))
    larger[:filled] = array[:filled]
    return larger


def grow(book: Book, tape: Tape) -> tuple[Book, Tape]:
    """What the kernel asked for in state.status, with twice the rows: the queues, or each tape that is half full."""
    state = plain(book.state)[0]
    if state["status"] == schema.RunStatus.GROW_QUEUES:
        names = ("queue", "exits", "entries", "key_rank", "amounts")
        return book._replace(**{name: grown(getattr(book, name), 0) for name in names}), tape
    filled = {name: int(state[name]) for name in ("orders", "details", "fills", "trades", "ambiguous", "booked")}
    full = [name for name, rows in filled.items() if 2 * rows >= len(getattr(tape, name))] or list(filled)
    return book, tape._replace(**{name: grown(getattr(tape, name), filled[name]) for name in full})


# Entries -------------------------------------------------------------------------------------------------------------


def _array(dtype: Any, ndim: int = 1, readonly: bool = False) -> types.Array:
    return types.Array(numba.from_dtype(np.dtype(dtype)), ndim, "C", readonly=readonly)


def _bundle(kind: Any, *members: types.Type) -> types.Type:
    return types.BaseTuple.from_types(members, kind)


MARKET_TYPE = _bundle(
    Market,
    *(_array("f8", 2, True) for _ in range(10)),
    _array("i4", 1, True),
    *(_array(schema.ACTION, 1, True) for _ in range(2)),
)
INTENTS_TYPE = _bundle(
    Intents,
    _array("u1", 1, True),
    _array("f8", 2, True),
    *(_array("i4", 1, True) for _ in range(2)),
    *(_array(dtype, 1, True) for dtype in (schema.SIGNAL, schema.INTENT, schema.RULES)),
    _array("i4", 1, True),
)
BOOK_TYPE = _bundle(
    Book,
    *(_array(dtype) for dtype in (schema.STATE, schema.POSITION, schema.QUEUE, schema.WORK)),
    *(_array("i4") for _ in range(9)),
    *(_array("f8") for _ in range(2)),
)
TAPE_TYPE = _bundle(Tape, *(_array(dtype) for dtype in _ROWS.values()))
PARAMS_TYPE = _array(schema.PARAMS, 1, True)
STRATEGY_TYPE = types.void(types.int64, MARKET_TYPE, BOOK_TYPE, TAPE_TYPE)
ADVANCE_TYPE = types.int64(
    MARKET_TYPE,
    INTENTS_TYPE,
    PARAMS_TYPE,
    BOOK_TYPE,
    TAPE_TYPE,
    types.int64,
    types.int64,
    types.FunctionType(STRATEGY_TYPE),
)


def _no_strategy(t: int, market: Market, book: Book, tape: Tape) -> None:
    """What stands in the slot of a run without a compiled strategy; params.has_strategy 0 skips it."""


@cache
def no_strategy() -> Any:
    """The strategy that decides nothing."""
    if INTERPRETED:
        return _no_strategy
    return entry(STRATEGY_TYPE, _no_strategy)


class _Advance:
    """The compiled `loop.advance`, which refuses arrays off their alignment: Numba takes alignment for granted.

    Two microseconds a call. Everything else is the dispatcher's.
    """

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled

    def __call__(
        self, market: Any, intents: Any, params: Any, book: Any, tape: Any, start: int, stop: int, strategy: Any
    ) -> int:
        for bundle in (market, intents, (params,), book, tape):
            for array in bundle:
                if not array.flags.aligned:
                    raise TypeError("an array of the kernel must be aligned")
        return int(self.compiled(market, intents, params, book, tape, start, stop, strategy))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.compiled, name)


@cache
def advance() -> Any:
    """The compiled `loop.advance`: compiled or loaded from the cache at the first call, kept for the process."""
    return _Advance(entry(ADVANCE_TYPE, _advance))
