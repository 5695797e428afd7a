"""A Dask cluster as the place where chunks run."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from time import monotonic
from typing import Any

import numpy as np

from facade.sweeps.workers.publish import Shelf, run_from_memory

ASKED_AGAIN = 5.0
"""Seconds for which the number of a cluster's workers is believed; clusters grow and shrink."""
SCATTER_SECONDS = 60.0
"""After which a scatter that has not answered is tried again, besides the time for its bytes."""
SLOWEST_NETWORK = 5e6
"""Bytes a second that any network carries."""


def pass_on(future: Future[Any], running: Any) -> None:
    """What became of a Dask future.

    `Client.get_executor()` would do it, but its futures never end when the worker is lost after the end of the work and
    before its result was fetched.
    """
    try:
        future.set_result(running.result())
    except BaseException as error:
        future.set_exception(error)


class Cluster:
    """A Dask cluster: jobs are scattered, and again when all workers that had them are gone.

    A job goes to one worker and from there to each that is given a chunk of it. `broadcast=True` would send it to all
    at once, but a worker that dies while Dask replicates is tried for ever, under a lock that every later replication
    of the cluster waits for.
    """

    seconds, least, shares_memory, here = 1.0, 0.1, False, False

    def __init__(self, executor: Any, workers: int | None) -> None:
        self._client, self._options, self._wanted = executor._client, executor._kwargs, workers
        self._shelf = Shelf(self._scatter, lambda future: None)  # Dask frees what nobody holds
        self._workers, self._asked = 0, -ASKED_AGAIN

    def _scatter(self, value: bytes | np.ndarray) -> Any:
        """Send the value to a worker; again when it died on the way."""
        size = value.nbytes if isinstance(value, np.ndarray) else len(value)
        patience = SCATTER_SECONDS + size / SLOWEST_NETWORK
        scatter = partial(self._client.scatter, asynchronous=True)
        for last in (False, False, True):
            try:
                # `sync` waits for the coroutine with an end, which `scatter` alone does without one
                return self._client.sync(scatter, value, hash=False, callback_timeout=patience)
            except (TimeoutError, OSError):  # OSError: the connection to such a worker was closed
                if last:
                    raise
                self._client.wait_for_workers(1, timeout=patience)
        raise AssertionError  # not reached: the last try returns or raises

    def workers(self) -> int:
        if self._wanted is not None:
            return self._wanted
        if monotonic() - self._asked > ASKED_AGAIN:
            self._workers, self._asked = sum(self._client.nthreads().values()), monotonic()
        return max(1, self._workers)

    def submit(self, function: Callable[..., Any], job: Any, *arguments: Any) -> Future[Any]:
        head, pieces = self._shelf.where(job)
        options = {**self._options, "pure": False}
        running = self._client.submit(run_from_memory, function, job.token, arguments, head, *pieces, **options)
        future: Future[Any] = Future()
        running.add_done_callback(partial(pass_on, future))
        return future

    def cancel(self, future: Future[Any]) -> bool:
        return False  # Dask would drop chunks that run as well; at most two a worker are waited for

    def forget(self, job: Any) -> None:
        self._shelf.forget(job)

    def renew(self) -> bool:
        self._shelf.clear()
        return True

    def close(self) -> None:
        self._shelf.clear()
