"""Every cursor of STATE lies within its array, and nothing is written beside an array: looked at after each call."""

import weakref

import numpy as np

from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries
from ml4t_kernel.schema import STATE, WORK

GUARD, PATTERN = 4096, 0xA5  # bytes on either side of an array of a book or tape, and what they hold

TAPE_CURSORS = "orders details fills trades ambiguous booked charges incidents".split()
"""Rows written so far of the array of the same name."""
BOOK_CURSORS = "held waiting asleep".split()
"""Rows in use of the array of the book of the same name."""
WORK_CURSORS = {"touched": "touched", "exits": "exits", "entries": "entries", "reachable": "queue"}
"""The same, of what one phase needs: fields of WORK."""
WORK_COUNTERS = {"births_inside"}
INPUT_CURSORS = {
    "target_row": ("intents", "target_bars"),
    "signal": ("intents", "signals"),
    "intent": ("intents", "orders"),
    "action": ("market", "actions"),
    "stale": ("market", "stale"),
    "borrow": ("market", "borrow"),
    "fund": ("market", "funding"),
    "flow": ("intents", "flows"),
}
COUNTERS = set(
    # flags and totals: nothing is read or written at them
    "status next_wake special open_only close_only rejected cut returns exposed_bars frozen closed unlist timed "
    "starved wins two_sided capped entry_bars trails conflicts max_positions margin_calls recalls "
    # of orders, none more than there are rows: live, children not yet born, forced when served last
    "live dormant forced".split()
)
"""What STATE counts besides cursors."""
OTHER_CURSORS = {"bar", "event", "fresh", "called_bar", "session_edge"}


def assert_cursors_within(states, market, intents, params, book, tape):
    """states: (n,) STATE of accounts with these inputs; params: the (n,) PARAMS they ran with."""
    states, recorded = kernel_book.plain(states), kernel_book.plain(params)["record"] != 0
    ends = {name: len(getattr(tape, name)) for name in TAPE_CURSORS}
    ends |= {name: len(getattr(book, name)) for name in BOOK_CURSORS}
    bundles = {"market": market, "intents": intents}
    ends |= {name: len(getattr(bundles[bundle], array)) for name, (bundle, array) in INPUT_CURSORS.items()}
    ends["bar"] = len(market.close)
    ends["event"] = len(intents.event_bars) - 1  # the row that is read next
    ends["session_edge"] = len(market.close)
    for name, end in ends.items():
        # an account that records nothing writes every fill, trade, charge and event to row 0, and only counts them
        at = states[name][recorded] if name in ("fills", "trades", "charges", "incidents") else states[name]
        assert ((at >= 0) & (at <= end)).all(), f"state.{name} is {at.tolist()} of an array of {end}"
    work = kernel_book.plain(book.work)[0]
    for name, array in WORK_CURSORS.items():
        end = len(getattr(book, array))
        assert 0 <= work[name] <= end, f"work.{name} is {work[name]} of an array of {end}"
    for part, whole in (
        ("fresh", "orders"),
        ("live", "orders"),
        ("dormant", "details"),
        ("starved", "live"),
        ("forced", "orders"),  # those that lived when they were served last
    ):
        at, end = states[part], states[whole]
        assert ((at >= 0) & (at <= end)).all(), f"state.{part} is {at.tolist()}, state.{whole} {end.tolist()}"
    called, bars = states["called_bar"], states["bar"]
    assert ((called >= -1) & (called < np.maximum(bars, 1))).all(), f"state.called_bar is {called.tolist()}"


def unclassified():
    """Integers of STATE and WORK that are neither a cursor nor a counter here."""
    integers = {name for dtype in (STATE, WORK) for name in dtype.names if dtype[name] == np.dtype("i8")}
    known = {*TAPE_CURSORS, *BOOK_CURSORS, *WORK_CURSORS, *INPUT_CURSORS}
    return integers ^ (known | OTHER_CURSORS | COUNTERS | WORK_COUNTERS)


# Guards --------------------------------------------------------------------------------------------------------------

_MEMORY = {}  # by address of a guarded array, a weak reference to the memory it lies in


def guarded(array, filled):
    """An array like this one between two guards; its first `filled` rows are those of `array`."""
    memory = np.empty(array.nbytes + 2 * GUARD + 128, np.uint8)
    start = GUARD - memory.ctypes.data % 128 + 128
    end = start + array.nbytes
    memory[start - GUARD : start] = PATTERN
    memory[end : end + GUARD] = PATTERN
    twin = memory[start:end].view(array.dtype)
    twin[:filled] = array[:filled]
    _MEMORY[twin.ctypes.data] = weakref.ref(memory), start, end
    return kernel_book.records(twin)


def assert_guards_hold(bundle):
    """Nothing has been written beside the arrays of a book or a tape; those without guards are passed over."""
    for name, array in zip(bundle._fields, bundle, strict=True):
        reference, start, end = _MEMORY.get(array.ctypes.data, (lambda: None, 0, 0))
        memory = reference()
        if memory is None or end - start != array.nbytes:
            continue
        before, after = memory[start - GUARD : start], memory[end : end + GUARD]
        where = f"{type(bundle).__name__}.{name}, {len(array)} rows"
        assert (before == PATTERN).all(), f"written before the first row of {where}"
        assert (after == PATTERN).all(), f"written beyond the last row of {where}"


def watch(monkeypatch):
    """Guard every array of books and tapes made from now on, and look at guards and cursors after each kernel call."""
    together, grown, new_tape, bind = kernel_book._together, kernel_book.grown, kernel_book.new_tape, entries.bind

    def new_guarded_tape(bars, rows):
        tape = new_tape(bars, rows)
        return type(tape)(*(guarded(array, 1) for array in tape))

    def new_guarded_arrays(sizes):
        return [guarded(array, len(array)) for array in together(sizes)]

    def guarded_bind(market, intents, params, book, tape, finals):
        call = bind(market, intents, params, book, tape, finals)

        def guarded_call(first, *numbers):
            done = call(first, *numbers)
            assert_guards_hold(book)
            assert_guards_hold(tape)
            reached = min(done, len(params) - 1)  # the account that `book` holds
            assert_cursors_within(book.state, market, intents, params[reached : reached + 1], book, tape)
            assert_cursors_within(finals[first:done], market, intents, params[first:done], book, tape)
            return done

        return guarded_call

    monkeypatch.setattr(kernel_book, "_together", new_guarded_arrays)
    monkeypatch.setattr(kernel_book, "grown", lambda array, filled: guarded(grown(array, filled), filled))
    monkeypatch.setattr(kernel_book, "new_tape", new_guarded_tape)
    monkeypatch.setattr(entries, "bind", guarded_bind)
