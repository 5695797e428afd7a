"""Digests of what was given to a sweep: whether a checkpoint belongs to it.

Equal content gives equal digests in every process on one version of Python. A function is known by its code,
defaults and closure, and by the functions, classes and data of its own module that it names; an object of another
kind by its attributes or its pickle, and where it has neither by the name of its class; a LazyFrame by its query.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from enum import Enum
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.panel import Panel
from facade.strategies.frames import collect_frame
from facade.strategies.strategy import Strategy

PLAIN = (str, bytes, int, float, complex, bool, type(None), date, time, timedelta, np.generic, type(Ellipsis))

DATA = (*PLAIN, np.ndarray, pl.LazyFrame, Mapping, list, tuple, set, frozenset, range, Panel, Config, Strategy)
"""Besides frames and series, which have the Arrow C stream."""


def fingerprint(*values: Any) -> str:
    """SHA-256, in hexadecimal, of the content of the values."""
    reader = _Reader()
    for value in values:
        reader.read(value)
    return reader.sha.hexdigest()


class _Reader:
    """Feeds values to a hash; what is being read is not read again inside itself."""

    def __init__(self) -> None:
        self.sha = hashlib.sha256()
        self._open: list[int] = []
        self._functions: dict[FunctionType, int] = {}

    def read(self, value: Any) -> None:
        if id(value) in self._open:
            self._tell("itself", len(self._open) - self._open.index(id(value)))
            return
        self._open.append(id(value))
        try:
            self._read(value)
        finally:
            self._open.pop()

    def _tell(self, *words: Any) -> None:
        text = repr(words).encode()
        self.sha.update(len(text).to_bytes(8, "little") + text)

    def _read(self, value: Any) -> None:
        if isinstance(value, Enum):
            self._tell("enum", type(value).__qualname__, value.name)
        elif isinstance(value, PLAIN):
            self._tell(type(value).__name__, value)
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif isinstance(value, pl.Series | pl.DataFrame):
            self._frame(value)
        elif isinstance(value, Mapping):
            self._mapping(value)
        elif isinstance(value, set | frozenset):
            self._tell("set", sorted(fingerprint(item) for item in value))
        elif isinstance(value, list | tuple | range):
            if set(map(type, value)) == {float}:  # a sampled column may have a million
                self._array(np.array(value))
            else:
                self._all(type(value).__name__, value)
        elif isinstance(value, Panel):
            self._tell("panel", value.digest)
        elif isinstance(value, Config):
            self._tell("config", value.to_json())
        else:
            self._read_object(value)

    def _read_object(self, value: Any) -> None:
        if isinstance(value, Strategy):
            self._all("strategy", (type(value).__name__, value.content()))
        elif isinstance(value, CodeType):
            self._all("code", (value.co_code, value.co_consts, value.co_names, value.co_varnames, value.co_freevars))
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._all("method", (value.__func__, value.__self__))
        elif isinstance(value, partial):
            self._all("partial", (value.func, value.args, value.keywords))
        elif isinstance(value, pl.LazyFrame):
            self._tell("lazy", value.explain(optimized=False))
        elif hasattr(value, "__arrow_c_stream__") and not isinstance(value, type):
            self._frame(collect_frame(value, type(value).__name__))
        else:
            self._read_other(value)

    def _function(self, function: FunctionType) -> None:
        """Code, defaults, closure, and the functions, classes and data of its module that it names."""
        if function in self._functions:
            self._tell("function", self._functions[function])
            return
        self._functions[function] = len(self._functions)
        cells = [_content(cell) for cell in function.__closure__ or ()]
        named = {name: function.__globals__.get(name) for name in sorted(_names(function.__code__))}
        known = {
            name: _methods(value) if isinstance(value, type) else value
            for name, value in named.items()
            if _is_data(value) or getattr(value, "__module__", None) == function.__module__
        }
        parts = (function.__code__, function.__defaults__, function.__kwdefaults__, cells, known)
        self._all("function", (function.__qualname__, *parts))

    def _read_other(self, value: Any) -> None:
        kind = value if isinstance(value, type) else type(value)
        self._tell("object", kind.__module__, kind.__qualname__, getattr(value, "__name__", None))
        if isinstance(value, type | ModuleType):
            return
        inner = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)  # compiled, cached
        if isinstance(inner, FunctionType):
            self._function(inner)
        elif hasattr(value, "__dict__"):
            self._all("attributes", (vars(value), _methods(kind) if callable(value) else []))
        else:
            try:
                self.sha.update(pickle.dumps(value, protocol=4))
            except Exception:  # whatever refuses to be pickled
                self._tell("unknown")

    def _all(self, what: str, values: Iterable[Any]) -> None:
        items = list(values)
        self._tell(what, len(items))
        for item in items:
            self.read(item)

    def _mapping(self, mapping: Mapping[Any, Any]) -> None:
        self._tell("mapping", len(mapping))
        for key, value in mapping.items():
            self.read(key)
            self.read(value)

    def _array(self, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            self._all(f"array {array.shape}", array.ravel().tolist())
            return
        self._tell("array", array.shape, str(array.dtype.descr))
        if array.dtype.names:  # gaps between fields hold anything
            for name in array.dtype.names:
                self.sha.update(np.ascontiguousarray(array[name]).tobytes())
        else:
            self.sha.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")

    def _frame(self, frame: pl.Series | pl.DataFrame) -> None:
        table = frame.to_frame() if isinstance(frame, pl.Series) else frame
        self._tell("frame", table.shape, [(name, str(dtype)) for name, dtype in table.schema.items()])
        if any(dtype == pl.Object for dtype in table.dtypes):
            self._all("objects", (column.to_list() for column in table))
            return
        text = table.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        buffer = io.BytesIO()
        text.rechunk().write_ipc(buffer, compression="uncompressed")
        self.sha.update(buffer.getbuffer())


def _is_data(value: Any) -> bool:
    """Whether a global variable holds what a strategy may be computed from, rather than a module or another's code."""
    return isinstance(value, DATA) or (hasattr(value, "__arrow_c_stream__") and not isinstance(value, type))


def _methods(kind: type) -> list[FunctionType]:
    return [method for method in vars(kind).values() if isinstance(method, FunctionType)]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None


def _names(code: CodeType) -> set[str]:
    """Names that a function reads, those of functions inside it included."""
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)
