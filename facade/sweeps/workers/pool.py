"""Rows of a plan in chunks to threads or to an executor: progress, Ctrl-C, lost workers.

The driver (the thread that called) cuts chunks, hands them out and takes what comes back; it computes no row. A chunk
is a stretch of rows of one group; chunk sizes follow the measured speed and never change a result.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np

from facade.encode.inputs import EncodedInputs
from facade.errors import Interrupted
from facade.progress import progress_bar
from facade.sweeps.plan.plan import Group, Plan
from facade.sweeps.workers.job import Columns, Job, Outcome, make_job, run_here, run_job
from facade.sweeps.workers.places import Place, is_lost
from ml4t_kernel import entries

FIRST_ROWS = 256
"""Rows of a group's first chunks, before its speed is known; less where a row looks slow."""
FIRST_SECONDS = 0.02
BLOCK_ROWS = 4096
"""Rows whose parameters are made at once, and the most of a chunk (2 MB there, 3 MB back)."""
KEPT_BYTES = 1 << 24
"""Most of a chunk's equity curves."""
ATTEMPTS = 5
"""Times that a chunk is handed out before the loss of its workers is an error."""
Finish = Callable[[np.ndarray, np.ndarray], Columns]
OnDone = Callable[[np.ndarray, Columns, list[np.ndarray] | None], None]
WAITING = 0.1
"""Seconds between two looks at the progress bar, and at Ctrl-C where the system does not wake a waiting thread."""


# Chunks --------------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Chunk:
    """rows: (n,) int64 of the grid; params: (n,) PARAMS; renewals: of the place when it was handed out."""

    job: Job
    rows: np.ndarray
    params: np.ndarray
    attempts: int = 0
    renewals: int = 0


class _Pace:
    """Sizes of chunks from the speed of those that came back."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._rate = 0.0  # rows a second of one worker, 0: nothing measured yet
        self._new = True  # nothing of this group was measured
        self._first, self._most = FIRST_ROWS, BLOCK_ROWS

    def start(self, inputs: EncodedInputs, keep: str) -> None:
        """A group begins, whose rows may be slower than those before."""
        bars = inputs.market.close.shape[0]
        guess = 20e-9 * bars + 500e-9 * inputs.expected_orders
        self._first = min(FIRST_ROWS, max(1, int(FIRST_SECONDS / guess)))
        self._most = BLOCK_ROWS if keep == "metrics" else max(1, min(BLOCK_ROWS, KEPT_BYTES // (8 * bars)))
        self._new = True

    def measured(self, rows: int, seconds: float) -> None:
        """A chunk came back."""
        self._rate, self._new = rows / max(seconds, 1e-6), False

    def size(self, remaining: int) -> int:
        """Rows of the next chunk, of a group with that many left."""
        aim = self._place.seconds * self._rate
        if self._new:
            # A tenth of what the group before would have got: should rows be a hundred times slower, that is one wait.
            return min(self._most, max(self._first, int(aim / 10)))
        # Shares get smaller towards the end, so that workers end together, but never so small that handing out shows.
        share = ceil(remaining / (1.5 * self._place.workers()))
        return max(1, min(self._most, int(min(aim, max(share, self._place.least * self._rate)))))


def _chunks(plan: Plan, todo: np.ndarray, keep: str, place: Place, pace: _Pace, ears: _Ears) -> Iterator[_Chunk]:
    """Chunks of all rows of which todo, (K,) bool, is True: group by group, cut when asked for."""
    for group in plan.groups:
        left = np.flatnonzero(todo[group.rows])
        if not len(left):
            continue
        with ears.raising():
            inputs = plan.inputs(group)
        job = make_job(inputs, keep)
        pace.start(inputs, keep)
        del inputs
        for rows, params in _blocks(plan, group, left):
            done = 0
            while done < len(rows):
                edge = min(len(rows), done + pace.size(len(left)))
                yield _Chunk(job, rows[done:edge], params[done:edge])
                left = left[edge - done :]
                done = edge


def _blocks(plan: Plan, group: Group, positions: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and their parameters, many at once; positions: (n,) ascending, in the group's rows."""
    for start in range(0, len(positions), BLOCK_ROWS):
        chosen = positions[start : start + BLOCK_ROWS]
        first, last = int(chosen[0]), int(chosen[-1]) + 1
        params = plan.params(group, first, last)
        if last - first > len(chosen):
            params = params[chosen - first]
        params.flags.writeable = False
        yield group.rows[chosen], params


# The driver ----------------------------------------------------------------------------------------------------------


class _Ears:
    """What the driver hears: chunks that came back, and Ctrl-C.

    Ctrl-C puts None among the results instead of raising, so that nothing is interrupted half-way through being
    stored; in `raising` (a user's own function runs) it raises, and so does a second one. Only for the main thread
    under Python's own handler; elsewhere an exception comes, or nothing.
    """

    def __init__(self) -> None:
        self.results: SimpleQueue[tuple[_Chunk, Future[Outcome]] | None] = SimpleQueue()
        self.stopped = False
        self._raises = False
        self._ours = False

    def __enter__(self) -> _Ears:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)
            self._ours = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hear(self, number: int, frame: Any) -> None:
        if self._raises or self.stopped:
            raise KeyboardInterrupt
        self.stopped = True
        self.results.put(None)

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Ctrl-C raises in this block."""
        if self.stopped:
            raise KeyboardInterrupt
        self._raises = True
        try:
            yield
        finally:
            self._raises = False

    def next(self) -> tuple[_Chunk, Future[Outcome]] | None:
        """The next chunk that came back; None after WAITING, or at Ctrl-C."""
        try:
            return self.results.get(timeout=WAITING)
        except Empty:
            return None


class _Driver:
    """Hands out chunks and takes them back, a few more in flight than there are workers."""

    def __init__(self, place: Place, pace: _Pace, ears: _Ears, finish: Finish, on_done: OnDone) -> None:
        self._place, self._pace, self._ears, self._finish, self._on_done = place, pace, ears, finish, on_done
        self._flying: dict[Future[Outcome], _Chunk] = {}
        self._left: dict[str, int] = {}  # chunks of each job in flight
        self._latest: Job | None = None
        self._renewals = 0

    def run(self, chunks: Iterator[_Chunk], shown: Any) -> None:
        """All of them. Whatever stops it, chunks in flight are waited for and handed to `on_done` first.

        After Ctrl-C those that have not begun are taken back.
        """
        try:
            more = True
            while more or self._flying:
                while more and not self._ears.stopped and len(self._flying) < 2 * self._place.workers():
                    chunk = next(chunks, None)
                    more = chunk is not None
                    if chunk is not None:
                        self._begin(chunk)
                        self._hand_out(chunk)
                if self._ears.stopped:
                    raise KeyboardInterrupt
                self._take(shown)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                self._take_back()
            while self._flying:
                self._take(shown, ending=True)
            raise

    def _begin(self, chunk: _Chunk) -> None:
        latest, self._latest = self._latest, chunk.job
        if latest is not None and latest is not chunk.job and not self._left[latest.token]:
            self._place.forget(latest)
        self._left[chunk.job.token] = self._left.get(chunk.job.token, 0) + 1

    def _end(self, chunk: _Chunk) -> None:
        self._left[chunk.job.token] -= 1
        if not self._left[chunk.job.token] and chunk.job is not self._latest:
            self._place.forget(chunk.job)

    def _hand_out(self, chunk: _Chunk) -> None:
        chunk.attempts, chunk.renewals = chunk.attempts + 1, self._renewals
        if self._place.shares_memory:
            future = self._place.submit(run_here, chunk.job, chunk.params, chunk.rows, self._finish)
        else:
            future = self._place.submit(run_job, chunk.job, chunk.params)
        self._flying[future] = chunk
        results = self._ears.results
        future.add_done_callback(lambda done: results.put((chunk, done)))

    def _take(self, shown: Any, ending: bool = False) -> None:
        """Wait for a chunk; store it, or hand it out again when its worker was lost."""
        came = self._ears.next()
        if came is None:
            shown.update(0)
            return
        chunk, future = came
        self._flying.pop(future, None)
        try:
            outcome = future.result()
        except BaseException as error:
            if ending:  # Ctrl-C of a terminal reaches worker processes too; what is lost now is not done
                return
            self._again(chunk, error)
            return
        self._end(chunk)
        if chunk.job is self._latest:
            self._pace.measured(len(chunk.rows), outcome.seconds)
        columns = outcome.columns if outcome.state is None else self._finish(chunk.rows, outcome.state)
        self._on_done(chunk.rows, columns or {}, outcome.kept)
        shown.update(len(chunk.rows))

    def _again(self, chunk: _Chunk, error: BaseException) -> None:
        if self._ears.stopped:
            raise KeyboardInterrupt from error
        if not is_lost(error) or chunk.attempts >= ATTEMPTS:
            raise error
        if chunk.renewals == self._renewals:  # else another chunk of that time already saw to it
            if not self._place.renew():
                raise error
            self._renewals += 1
        self._hand_out(chunk)

    def _take_back(self) -> None:
        for future in list(self._flying):
            if self._place.cancel(future):
                self._flying.pop(future, None)


def run_plan(
    plan: Plan,
    todo: np.ndarray,
    keep: str,
    place: Place,
    finish: Finish,
    on_done: OnDone,
    progress: bool = False,
) -> None:
    """Run every row of the plan of which `todo`, (K,) bool, is True.

    `finish(rows, state)` makes the result columns of a chunk, in any thread; `on_done(rows, columns, kept)` is called
    in this one for each finished chunk, in the order in which they come back.

    Raises
    ------
    Interrupted
        On Ctrl-C. What had begun is finished (a chunk: 0.1 s in threads) and went through `on_done`.
    Exception
        What encoding a group raised, or what the loss of workers came to; after the same.
    """
    rows, total = int(np.count_nonzero(todo)), len(todo)
    pace = _Pace(place)
    if rows and place.here:
        try:
            entries.runner()  # compiled before the bar, if at all, and not by each worker
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error
    with (
        progress_bar(total, "cfg", progress, done=total - rows) as shown,
        _Ears() as ears,
    ):
        driver = _Driver(place, pace, ears, finish, on_done)
        try:
            driver.run(_chunks(plan, todo, keep, place, pace, ears), shown)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted") from error
