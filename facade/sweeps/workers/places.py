"""Where chunks run: threads of this process, processes of an executor, a Dask cluster (`cluster`)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from facade.errors import ConfigError
from facade.sweeps.workers.cluster import Cluster
from facade.sweeps.workers.cpus import threads_of
from facade.sweeps.workers.publish import Shelf, run_from_files


class Place(Protocol):
    """Where chunks run. A place is closed by the one who made it; an executor never is."""

    seconds: float
    """Work aimed at in one chunk: long against the cost of a task, short against the patience of a user."""
    least: float
    """Work of the last, smallest chunks of a group; still long against the cost of a task."""

    shares_memory: bool
    """Whether workers are threads of this process."""
    here: bool
    """Whether workers are on this machine, where one that compiles the kernel does it for all."""

    def workers(self) -> int:
        """Chunks that run at the same time."""

    def submit(self, function: Callable[..., Any], job: Any, *arguments: Any) -> Future[Any]:
        """Run `function(job, *arguments)` there."""

    def cancel(self, future: Future[Any]) -> bool:
        """Take back a chunk that has not begun; False when it has, or when nobody can tell."""

    def forget(self, job: Any) -> None:
        """No more chunks of this job."""

    def renew(self) -> bool:
        """After workers were lost: publish every job again when next asked for; False if nothing can run any more."""

    def close(self) -> None:
        """Take back what was published."""


def place_of(executor: Any, n_jobs: int | None) -> Place:
    """Threads of our own without an executor, else the place that fits it.

    n_jobs: chunks at a time; None: one for each usable CPU, or for each worker of the executor. Raises ConfigError when
    it is below 1, or the executor is neither a concurrent.futures.Executor nor a Dask client, or forks processes.
    """
    threads = threads_of(n_jobs)
    if executor is None:
        return _Threads(ThreadPoolExecutor(threads, thread_name_prefix="sweep"), threads, ours=True)
    if type(executor).__module__.partition(".")[0] == "distributed" and hasattr(executor, "get_executor"):
        executor = executor.get_executor()
    if not isinstance(executor, Executor):
        raise ConfigError(
            f"executor must be a concurrent.futures.Executor (such as ProcessPoolExecutor, or Client.get_executor() of "
            f"Dask) or None for threads, got {type(executor).__name__}"
        )
    if type(executor).__module__.partition(".")[0] == "distributed":
        return Cluster(executor, n_jobs)
    _refuse_forks(executor)
    workers = n_jobs or getattr(executor, "_max_workers", None) or threads
    if isinstance(executor, ThreadPoolExecutor):
        return _Threads(executor, workers, ours=False)
    return _Processes(executor, workers)


def _refuse_forks(executor: Executor) -> None:
    """A forked process has the locks of threads that it does not have, such as those of Polars, and waits for ever."""
    context = getattr(executor, "_mp_context", None)
    if isinstance(executor, ProcessPoolExecutor) and context is not None and context.get_start_method() == "fork":
        raise ConfigError(
            "executor: processes that are forked hang in Polars and Numba, whose threads are not forked with them; use "
            "ProcessPoolExecutor(mp_context=multiprocessing.get_context('spawn'))"
        )


def is_lost(error: BaseException) -> bool:
    """Whether it says that a worker was lost, and nothing about the work itself."""
    return (
        isinstance(error, BrokenExecutor | CancelledError)
        or type(error).__name__ == "CancelledError"  # that of asyncio, which Dask raises
        or type(error).__module__.partition(".")[0] == "distributed"  # KilledWorker, CommClosedError, ...
    )


class _Threads:
    """Threads of this process: nothing to publish."""

    seconds, least, shares_memory, here = 0.1, 0.002, True, True

    def __init__(self, executor: ThreadPoolExecutor, workers: int, ours: bool) -> None:
        self._executor, self._workers, self._ours = executor, workers, ours

    def workers(self) -> int:
        return self._workers

    def submit(self, function: Callable[..., Any], job: Any, *arguments: Any) -> Future[Any]:
        return self._executor.submit(function, job, *arguments)

    def cancel(self, future: Future[Any]) -> bool:
        return future.cancel()

    def forget(self, job: Any) -> None:
        pass

    def renew(self) -> bool:
        return False

    def close(self) -> None:
        if self._ours:
            self._executor.shutdown()


class _Processes:
    """Any executor: jobs go through files of a temporary directory (TMPDIR), which workers map."""

    seconds, least, shares_memory, here = 0.5, 0.02, False, True

    def __init__(self, executor: Executor, workers: int) -> None:
        self._executor, self._workers = executor, workers
        self._directory = tempfile.TemporaryDirectory(prefix="sweep-", ignore_cleanup_errors=True)
        self._shelf = Shelf(self._write, self._delete)
        self._written = 0

    def _write(self, value: bytes | np.ndarray) -> str:
        path = Path(self._directory.name) / str(self._written)
        self._written += 1
        with path.open("wb") as file:
            if isinstance(value, bytes):
                file.write(value)
            else:
                np.save(file, value)
        return str(path)

    def _delete(self, name: str) -> None:
        with suppress(OSError):  # Windows keeps a file that a worker has mapped; the directory goes at the end
            os.unlink(name)

    def workers(self) -> int:
        return self._workers

    def submit(self, function: Callable[..., Any], job: Any, *arguments: Any) -> Future[Any]:
        head, pieces = self._shelf.where(job)
        return self._executor.submit(run_from_files, function, job.token, head, pieces, *arguments)

    def cancel(self, future: Future[Any]) -> bool:
        return future.cancel()

    def forget(self, job: Any) -> None:
        self._shelf.forget(job)

    def renew(self) -> bool:
        return False  # a pool that lost a process is broken for good

    def close(self) -> None:
        self._directory.cleanup()
