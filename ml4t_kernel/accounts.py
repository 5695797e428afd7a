"""Accounts, one after the other: their beginning, and the walk over the bars of each."""

from ml4t_kernel.bar.financing import book_before_open
from ml4t_kernel.bar.gates import is_idle, is_quiet, moves_no_idle, next_event
from ml4t_kernel.bar.quiet import record_idle, walk_quiet
from ml4t_kernel.bar.room import lack_of_room
from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.compile.references import reference_to
from ml4t_kernel.loop import bar
from ml4t_kernel.schema import NO_ROW, OK


@inlined
def walk(start, stop, jumps, market, intents, params, book, tape):
    """Bars start .. stop - 1; returns the first bar not done. Before a bar is touched its worst case must fit.

    jumps: whether idle bars may be jumped over, which counts no return.
    """
    s = book.state[0]
    t = start
    while t < stop:
        event = min(stop, next_event(t, intents, book))
        if jumps and is_idle(book) and (event > t or moves_no_idle(intents.events[t])):
            event = max(event, t + 1)
            record_idle(t, event, params, book, tape)
            t = event
            continue
        if event > t and is_quiet(params, book):
            t = walk_quiet(t, event, market, params, book, tape)
            if t == stop:
                break
        # Asked before the bar is touched: the caller grows the tapes and resumes at the same bar.
        s.status = lack_of_room(t, market, intents, params, book, tape)
        if s.status != OK:
            return t
        bar(t, market, intents, params, book, tape)
        t += 1
        s.bar = t
    s.status = OK
    s.bar = t
    return t


@inlined
def walk_nights(start, stop, market, intents, params, book, tape):
    """Bars start .. stop - 1, all at once, or from one booking of 1.2 and 1.3 to the next."""
    s = book.state[0]
    s.status = OK
    t = start
    while t < stop and s.status == OK:
        edge = stop
        jumps = True
        if params.has_charges:
            edge = book_before_open(t, stop, market, intents, params, book, tape)
            # What 1.2 alone has moved is a return, of this bar.
            jumps = s.equity == s.previous_equity
            if not jumps:
                edge = min(edge, t + 1)
        if edge > t:
            t = walk(t, edge, jumps, market, intents, params, book, tape)


@compiled
def begin_account(params, book):
    """Cash, no positions, no orders."""
    book.state[0] = book.new_state[0]
    s = book.state[0]
    s.cash = s.equity = s.previous_equity = s.peak = params.initial_cash
    w = book.work[0]
    # Scratch that the account before may have left where this one does not reset it.
    w.short_value = 0.0
    w.touched = 0
    for j in range(book.settling.shape[0]):
        book.settling[j] = 0.0
    for a in range(book.positions.shape[0]):
        book.active[a] = 0
        book.positions[a] = book.new_position[0]
        book.queues[a] = book.new_queue[0]
    for i in range(book.placed.shape[0]):
        book.placed[i] = NO_ROW


def run_accounts(market, intents, params_rows, book, tape, finals, first, last, start, stop):
    """Run bars start .. stop - 1 of the accounts first .. last - 1, one row of `params_rows` each, one after the other.

    All use the same `book` and `tape`, modified in place; an account is made new at bar 0 and its state after the last
    bar goes to its row of `finals`. start > 0 goes on with the account in `book`, which must be the only one asked for.
    Returns the first account not finished: `last`, or less, with state.bar short of `stop` and state.status a GROW_*,
    when a tape or queue has to grow first.
    """
    s = book.state[0]
    # Once, not an account: a reference is made by a copy of its bundle, and four of them were a percent of W3.
    to_market, to_intents = reference_to(market), reference_to(intents)
    to_book, to_tape = reference_to(book), reference_to(tape)
    # A single run is a sweep of one row: a row cannot differ from its run.
    for k in range(first, last):
        if start == 0:
            begin_account(params_rows[k], to_book)
        walk_nights(start, stop, to_market, to_intents, params_rows[k], to_book, to_tape)
        if s.bar < stop:
            return k
        finals[k] = book.state[0]
    return last
