"""The entries that Python calls: their types, the compiled loop, and the scratch of a thread of a sweep."""

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from ml4t_kernel import schema
from ml4t_kernel.accounts import run_accounts as _run_accounts
from ml4t_kernel.book import TAPE_ROWS, grow, new_account, plain, readable, records
from ml4t_kernel.compile.jit import INTERPRETED, entry
from ml4t_kernel.schema import Book, Intents, Market, Tape


def _array(dtype: Any, ndim: int = 1, readonly: bool = False) -> types.Array:
    return types.Array(numba.from_dtype(np.dtype(dtype)), ndim, "C", readonly=readonly)


def _bundle(kind: Any, *members: types.Type) -> types.Type:
    return types.BaseTuple.from_types(members, kind)


MARKET_TYPE = _bundle(
    Market,
    _array("f8", 3, True),
    *(_array("f8", 2, True) for _ in range(6)),
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
    _array("u1"),
)
TAPE_TYPE = _bundle(Tape, *(_array(dtype) for dtype in TAPE_ROWS.values()))
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
    """The compiled `run_accounts`, which refuses arrays off their alignment: Numba takes alignment for granted.

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
    """The compiled `run_accounts`: compiled or loaded from the cache at the first call, kept for the process."""
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
