"""Allocation, reset and growth of the book and the tape; the entries that Python calls."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from ml4t_kernel import schema
from ml4t_kernel.compile.jit import INTERPRETED, entry
from ml4t_kernel.loop import run_accounts as _run_accounts
from ml4t_kernel.schema import Book, Intents, Market, Tape

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
    """A book for `assets` assets, `intents` order intents and queues of `orders` rows; the kernel makes it new at
    bar 0."""
    rows = max(orders, 2 * assets) + 64
    arrays = [records(_apart(count, dtype)) for count, dtype in ((1, schema.STATE), (assets, schema.POSITION))]
    arrays += [records(_apart(count, dtype)) for count, dtype in ((assets, schema.QUEUE), (1, schema.WORK))]
    nowhere = "stop_order target_order working closing walk_bar budget_bar goal_met_bar ambiguous_bar".split()
    arrays += [
        _beginning(schema.STATE, details=1, next_wake=schema.NEVER),
        _beginning(schema.POSITION, **dict.fromkeys(nowhere, -1), stop_price=np.nan, target_price=np.nan),
        _beginning(schema.QUEUE),
    ]
    arrays += [_apart(count, np.int32) for count in (*[assets] * 5, intents, *[rows] * 3)]
    arrays += [_apart(rows, np.float64) for _ in range(2)]
    return Book._make(arrays)


def _apart(count: int, dtype: Any) -> np.ndarray:
    """(count,) zeros that share no 128 bytes with anything else.

    Scratch of two threads closer than that cost sweeps 67 to 86 percent.
    """
    size = count * np.dtype(dtype).itemsize
    memory = np.zeros(size + 256, np.uint8)
    offset = -memory.ctypes.data % 128
    return memory[offset : offset + size].view(dtype)


PLAIN_DETAIL: dict[str, float] = {
    **dict.fromkeys(("order", "group", "intent", "met_bar", "born_bar"), -1),
    **dict.fromkeys(("stop_price", "target_price"), np.nan),
    "rank": np.inf,
    "expiry": schema.NEVER,
}
"""Row 0 of the details, of which every other begins as a copy: a plain market order; fields not named are 0."""


def new_tape(bars: int, rows: dict[str, int]) -> Tape:
    """An untouched tape (np.empty: pages cost only when written); rows: capacity by field name, equity excepted.

    rows["gross"]: `bars` where shorting is allowed, else 1.
    """
    sizes = {**rows, "equity": bars}
    tape = Tape(*(records(np.empty(max(1, sizes[name]), dtype)) for name, dtype in _ROWS.items()))
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

    recorded: fills and trades have rows of their own (params.record).
    """
    state = plain(book.state)[0]
    if state["status"] == schema.RunStatus.GROW_QUEUES:
        names = ("queue", "exits", "entries", "key_rank", "amounts")
        return book._replace(**{name: grown(getattr(book, name), 0) for name in names}), tape
    names = ("orders", "details", "ambiguous", "booked", *(("fills", "trades") if recorded else ()))
    filled = {name: int(state[name]) for name in names}
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
    _array("i4", 1, True),
    _array("f8", 2, True),
    *(_array("i4", 1, True) for _ in range(2)),
    *(_array(dtype, 1, True) for dtype in (schema.SIGNAL, schema.INTENT, schema.RULES)),
    _array("i4", 1, True),
)
BOOK_TYPE = _bundle(
    Book,
    *(_array(dtype) for dtype in (schema.STATE, schema.POSITION, schema.QUEUE, schema.WORK)),
    *(_array(dtype) for dtype in (schema.STATE, schema.POSITION, schema.QUEUE)),
    *(_array("i4") for _ in range(9)),
    *(_array("f8") for _ in range(2)),
)
TAPE_TYPE = _bundle(Tape, *(_array(dtype) for dtype in _ROWS.values()))
PARAMS_TYPE = _array(schema.PARAMS, 1, True)
STRATEGY_TYPE = types.void(types.int64, MARKET_TYPE, BOOK_TYPE, TAPE_TYPE)
RUN_TYPE = types.int64(
    MARKET_TYPE,
    INTENTS_TYPE,
    PARAMS_TYPE,
    BOOK_TYPE,
    TAPE_TYPE,
    _array(schema.STATE),
    *[types.int64] * 4,
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


class _Runner:
    """The compiled `loop.run_accounts`, which refuses arrays off their alignment: Numba takes alignment for granted.

    Two microseconds a call. Everything else is the dispatcher's.
    """

    def __init__(self, compiled: Any) -> None:
        self.compiled = compiled

    def __call__(self, *arguments: Any) -> int:
        market, intents, params, book, tape, finals, first, last, start, stop, strategy = arguments
        for bundle in (market, intents, (params, finals), book, tape):
            for array in bundle:
                if not array.flags.aligned:
                    raise TypeError("an array of the kernel must be aligned")
        return int(self.compiled(market, intents, params, book, tape, finals, first, last, start, stop, strategy))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.compiled, name)


@cache
def runner() -> Any:
    """The compiled `loop.run_accounts`: compiled or loaded from the cache at the first call, kept for the process."""
    return _Runner(entry(RUN_TYPE, _run_accounts))


def advance(
    market: Market, intents: Intents, params: Any, book: Book, tape: Tape, start: int, stop: int, strategy: Any
) -> int:
    """Run bars start .. stop - 1 of the account in `book`, which is made new at bar 0; writes `book` and `tape`.

    Returns the first bar not run: `stop`, or less when a tape or queue has to `grow` first.
    """
    runner()(market, intents, params, book, tape, book.state, 0, 1, start, stop, strategy)
    return int(plain(book.state)["bar"][0])


class Scratch:
    """Book and tape of one thread of a sweep: made new by the kernel for each account, grown when one asks for it.

    rows: capacities of the tape, as for `new_tape`; bars: rows of its equity, 1 when nothing is recorded.
    """

    def __init__(self, market: Market, intents: Intents, rows: dict[str, int], bars: int) -> None:
        self.market, self.intents = readable(market), readable(intents)
        self.book, self.tape = new_account(market, intents, bars, rows)
        self._finals = np.empty(0, schema.STATE)

    def finals(self, count: int) -> np.ndarray:
        """(count,) STATE to be written by `run`: lent, until the next call."""
        if len(self._finals) < count:
            self._finals = np.empty(count, schema.STATE)
        return self._finals[:count]

    def run(self, params: np.ndarray, finals: np.ndarray) -> None:
        """Run the accounts of (n,) PARAMS `params` one by one to the last bar; finals: (n,) STATE, written.

        Releases the GIL. An account for which a tape or queue has to grow is run again from its first bar.
        """
        done, count, bars = 0, len(params), self.market.close.shape[0]
        run, strategy, rows, states = runner(), no_strategy(), records(params), records(finals)
        while done < count:
            arguments = (self.market, self.intents, rows, self.book, self.tape, states, done, count, 0, bars, strategy)
            done = run(*arguments)
            if done < count:
                self.book, self.tape = grow(self.book, self.tape, bool(params["record"][done]))
