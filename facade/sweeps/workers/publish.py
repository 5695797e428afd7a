"""A job made available to worker processes, once each: through files, or scattered on a Dask cluster.

A job (market and intents of a group) goes to every worker once; its big arrays on their own, so that the groups of a
panel share its prices. A chunk then is an array of PARAMS there, and one of STATE back; metrics are computed where the
sweep was called, and threads stay one a worker, so that the executor alone decides how much runs at a time.

When a cluster pays
-------------------
A sweep of n rows that take c seconds of kernel each, on w workers in m processes, takes about

    s + b M m + n max(c (1 + t / C) / w, d)   seconds

of which 2 processes of a `LocalCluster` on one machine of 2 CPUs measured

    s   0.5 to 0.9 s         first chunk in a fresh process: load the kernel from its cache, unpack (and 25 s to compile
                             it where that cache is empty; the start of processes, 2 to 4 s, is not in it)
    M   8 T A x 5 to 10      bytes of market and intents, to each process once
    b   1 ns                 a byte and process (100 MB to two in 0.2 s); 8 ns on a network of 1 Gbit/s
    t   2 ms                 of the scheduler a chunk, so a chunk is C = 1 s of work
    d   3 us                 a row in the driver: 528 bytes there, 680 back, its metrics

So the driver feeds c / d workers and no more, and another machine of k CPUs pays when

    n c (1 / w - 1 / (w + k)) > s + b M m   (m: its processes)

Example: 2,000 bars x 30 assets, c = 0.9 ms, M = 4 MB. Of 100,000 rows 8 threads do 11.3 s; a second machine of 8 CPUs
leaves 5.6 s and costs 1 s: it pays. Of 10,000 rows it takes 0.6 s off and costs 1 s: it does not. 3,000 rows, 2.6 s of
kernel, took 1.46 s on the two workers (1.33 by the formula, without s). Rows of a microsecond (a single asset, some
hundred bars) never leave the process: a million is a second of one thread, and three seconds of the driver's.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

BIG = 32_768
"""Bytes from which an array travels on its own, so that jobs over the same market share it."""
REMEMBERED = 2
"""Jobs that a worker process keeps unpacked: that of a group, and the one before."""


class Published(Protocol):
    """What is published: any object that can be pickled and has a name of its own."""

    @property
    def token(self) -> str: ...


# Packing -------------------------------------------------------------------------------------------------------------


class _Packer(pickle.Pickler):
    """Pickles an object without its big arrays: these are gathered in `big`, numbers stand in their places."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.big: list[np.ndarray] = []

    def persistent_id(self, value: Any) -> tuple[int, np.dtype] | None:
        if type(value) is not np.ndarray or value.nbytes < BIG:
            return None
        self.big.append(value)
        # np.save forgets that a dtype is aligned, and the kernel is compiled for aligned ones.
        return len(self.big) - 1, value.dtype


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: BytesIO, big: Sequence[np.ndarray]) -> None:
        super().__init__(file)
        self.big = big

    def persistent_load(self, reference: Any) -> np.ndarray:
        number, dtype = reference
        return settled(self.big[number], dtype)


def settled(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A plain, aligned, read-only array of that very dtype; a copy only when what came is not aligned.

    Arrays that come through a network begin where their message put them.
    """
    array = np.asarray(array)
    if not array.flags.aligned:
        array = array.copy()
    array = array.view(dtype)
    array.flags.writeable = False
    return array


def packed(job: Any) -> tuple[bytes, list[np.ndarray]]:
    """The job without its big arrays, pickled, and these arrays; the same object in, the same array objects out."""
    file = BytesIO()
    packer = _Packer(file)
    packer.dump(job)
    return file.getvalue(), packer.big


def unpacked(head: bytes, big: Sequence[np.ndarray]) -> Any:
    """The job again; its big arrays are those given, read-only."""
    return _Unpacker(BytesIO(head), big).load()


@dataclass
class _Piece:
    """A big array that was put somewhere, and the jobs that need it; holds it, so that its memory stays its own."""

    array: np.ndarray
    where: Any
    users: set[str]


class Shelf:
    """Jobs and big arrays put somewhere once each, and taken back when nobody needs them.

    put: takes bytes or an array, returns where it now is. take_back: undoes it.
    """

    def __init__(self, put: Callable[[Any], Any], take_back: Callable[[Any], None]) -> None:
        self._put, self._take_back = put, take_back
        self._pieces: dict[tuple[Any, ...], _Piece] = {}
        self._jobs: dict[str, tuple[Any, list[Any]]] = {}
        self._finished: list[str] = []

    def where(self, job: Published) -> tuple[Any, list[Any]]:
        """Where the head of a job and its big arrays are; put there if they are not."""
        if job.token not in self._jobs:
            head, arrays = packed(job)
            places = [self._place(array, job.token) for array in arrays]
            self._jobs[job.token] = self._put(head), places
            # Only now: what this job shares with a finished one stays where it is.
            for token in self._finished:
                self._remove(token)
            self._finished = []
        return self._jobs[job.token]

    def _place(self, array: np.ndarray, token: str) -> Any:
        # Each job has views of its own on the panel's arrays.
        key = (array.ctypes.data, array.shape, array.strides, array.dtype)
        piece = self._pieces.get(key)
        if piece is None:
            piece = self._pieces[key] = _Piece(array, self._put(array), set())
        piece.users.add(token)
        return piece.where

    def _remove(self, token: str) -> None:
        if token not in self._jobs:
            return
        self._take_back(self._jobs.pop(token)[0])
        for key, piece in list(self._pieces.items()):
            piece.users.discard(token)
            if not piece.users:
                self._take_back(piece.where)
                del self._pieces[key]

    def forget(self, job: Published) -> None:
        """Take it back when the next job has been put."""
        self._finished.append(job.token)

    def clear(self) -> None:
        """Forget everything, and where it was."""
        self._pieces, self._jobs, self._finished = {}, {}, []


# In a worker ---------------------------------------------------------------------------------------------------------

_unpacked: OrderedDict[str, Any] = OrderedDict()
_unpacking = Lock()


def _recall(token: str, unpack: Callable[[], Any]) -> Any:
    """The job of that token: unpacked at its first chunk in this process, then remembered."""
    with _unpacking:
        if token not in _unpacked:
            _unpacked[token] = unpack()
            while len(_unpacked) > REMEMBERED:
                _unpacked.popitem(last=False)
        return _unpacked[token]


def run_from_files(function: Callable[..., Any], token: str, head: str, pieces: list[str], *arguments: Any) -> Any:
    """`function(job, *arguments)` with the job read from files; the big arrays are mapped, not copied."""
    try:
        job = _recall(
            token, lambda: unpacked(Path(head).read_bytes(), [np.load(name, mmap_mode="r") for name in pieces])
        )
    except FileNotFoundError as error:
        raise RuntimeError(
            f"a worker of the executor does not see {error.filename}, which this sweep wrote for it; set TMPDIR to a "
            f"directory that all workers share"
        ) from error
    return function(job, *arguments)


def run_from_memory(
    function: Callable[..., Any], token: str, arguments: tuple[Any, ...], head: bytes, *pieces: np.ndarray
) -> Any:
    """`function(job, *arguments)` with the job from what was scattered to this worker."""
    return function(_recall(token, lambda: unpacked(head, pieces)), *arguments)
