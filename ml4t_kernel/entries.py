"""What Python calls: the kernel bound to its arrays, as a shared object or compiled by Numba, and the scratch of a
thread of a sweep."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any

import numpy as np

from ml4t_kernel import native, schema
from ml4t_kernel.book import grow, new_account, plain, readable, records
from ml4t_kernel.schema import Book, Intents, Market, Tape

Bound = Callable[[int, int, int, int], int]
"""(first, last, start, stop) -> first account not finished: `accounts.run_accounts` on arrays it was bound to."""


_LOADING = Lock()


def runner() -> Any:
    """The kernel of this process: the shared object of the package where there is one for this machine and these
    sources, else compiled by Numba or loaded from its cache. Kept for the process; the only place that may import
    Numba.

    Says on stderr that it compiles when it does: that takes half a minute or more. Threads that ask meanwhile wait.
    """
    with _LOADING:
        return _loaded()


@cache
def _loaded() -> Any:
    kernel: Any = native.load()
    if kernel is None:
        from ml4t_kernel import compiled

        kernel = compiled.load()
    return kernel


def bind(market: Market, intents: Intents, params: np.ndarray, book: Book, tape: Tape, finals: np.ndarray) -> Bound:
    """The kernel on these arrays, to be called as often as needed until `grow` changes one of them.

    The arrays are those of `schema.ARGUMENTS`; params: (n,) PARAMS, one account each; finals: (n,) STATE, written. The
    call keeps them alive, writes `book`, `tape` and `finals`, and releases the GIL. One thread at a time may use it.

    Raises
    ------
    TypeError
        An array of another dtype, order, alignment, number of dimensions, or one to be written that is read-only.
    """
    return runner().bind(market, intents, params, book, tape, finals)


def advance(market: Market, intents: Intents, params: np.ndarray, book: Book, tape: Tape, start: int, stop: int) -> int:
    """Run bars start .. stop - 1 of the account in `book`, which is made new at bar 0; writes `book` and `tape`.

    Returns the first bar not run: `stop`, or less when a tape or queue has to `grow` first.
    """
    bind(market, intents, params, book, tape, book.state)(0, 1, start, stop)
    return bars_done(book)


def bars_done(book: Book) -> int:
    """Bars that the account in `book` has been through."""
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
        rows, states = records(params), records(finals)
        while done < count:
            call = bind(self.market, self.intents, rows, self.book, self.tape, states)
            done = call(done, count, 0, bars)
            if done < count:
                self.book, self.tape = grow(self.book, self.tape, bool(params["record"][done]))
