"""How the kernel is compiled, and the on-disk cache that belongs to it alone.

`inlined`: forced inline; what is called once an order takes records and scalars, what runs once a bar bundles too.
`compiled`: large, or called from several places: compiled once, never inlined by force. `cold`: the same, and never
inlined at all. None of the three has a wrapper, so none may be called from Python when compiled (it would crash): tests
call `function.py_func`, or `entry(signature, function.py_func)`. `entry` makes the only functions that Python calls.

Numba neither sees edits in an imported module nor its own compile flags, so entries carry a cache of our own, keyed
by a digest of every kernel source, the versions that shape machine code and the flags. `_nrt=False` removes Numba's
reference counting (it cost a factor of 20 in the fill loops) and turns any allocation inside the kernel into a
compile error.
"""

import hashlib
import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy
from llvmlite.binding import Linkage
from numba import njit, types
from numba.core import config
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.sources import FOLDER, digest

OPTIONS: dict[str, Any] = dict(nogil=True, error_model="numpy", _nrt=False)

if bool(config.DISABLE_JIT) != INTERPRETED:
    raise RuntimeError(
        "Numba's DISABLE_JIT was changed after ml4t_kernel was imported: set NUMBA_DISABLE_JIT before the first import"
    )


class _NoEnvironment:
    """A code generator for functions that have no machine code yet, so no place for an environment."""

    def __init__(self, codegen: Any) -> None:
        self._inner = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_env(self, env_name: str, env: Any) -> None:
        pass


class _InnerLibrary(JITCodeLibrary):
    """Code of one inner function: linked into entries; alone it is neither linked, optimised nor assembled."""

    def add_linking_library(self, library: Any) -> None:
        self._linking_libraries.append(library)

    def _optimize_functions(self, ll_module: Any) -> None:
        pass

    def finalize(self) -> None:
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.external:
                function.linkage = "linkonce_odr"
        return self._final_module

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    @property
    def codegen(self) -> Any:
        return _NoEnvironment(self._codegen)


class _EntryLibrary(JITCodeLibrary):
    """Code of an entry: links what it calls, directly or not, once."""

    def finalize(self) -> None:
        found: list[Any] = []
        waiting: list[Any] = list(vars(self)["_linking_libraries"])
        while waiting:
            library = waiting.pop()
            if library not in found:
                found.append(library)
                if isinstance(library, _InnerLibrary):
                    waiting.extend(library._linking_libraries)
        self._linking_libraries = found
        super().finalize()

    def _make_internal(self) -> None:
        """Nothing outside calls inner functions: made internal they are inlined where they are called once, and what
        a caller never varies is folded into them (a quarter of the time of W3)."""
        marks = [f"{len(name)}{name}B" for name in COLD]  # as Numba spells names
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "internal"
                if any(mark in function.name for mark in marks):
                    function.add_function_attribute("noinline")
                    function.add_function_attribute("cold")

    def _optimize_final_module(self) -> None:
        """The passes that Numba runs before these look for reference counts, of which there are none."""
        self._make_internal()
        manager, builder = self._codegen._module_pass_manager()
        manager.run(self._final_module, builder)


class _InnerCompiler(Compiler):
    """Lowers a function into a library of its own kind."""

    library_class: Any = _InnerLibrary

    def __init__(self, typingctx: Any, targetctx: Any, library: Any, *rest: Any) -> None:
        library = self.library_class(targetctx.codegen(), f"ml4t_kernel_{self.library_class.__name__}")
        library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, *rest)


class _EntryCompiler(_InnerCompiler):
    library_class = _EntryLibrary


# By default Numba optimises every function with all that it calls and makes machine code of it, at each level of calls:
# the same code a dozen times over. Measured on this kernel: 300 s that way.
INNER: dict[str, Any] = dict(no_cpython_wrapper=True, no_cfunc_wrapper=True, pipeline_class=_InnerCompiler, **OPTIONS)


PHASE_ARGUMENT = "at"
"""Argument for each constant of which a function is compiled anew: open, close and deciding close differ too much."""


def _widened(kind: types.Type, name: str) -> types.Type:
    """One width of integers, and no constants."""
    if name == PHASE_ARGUMENT:
        return kind
    kind = types.unliteral(kind)
    return types.int64 if isinstance(kind, types.Integer) else kind


def _inner(**flags: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorator of inner functions, which are compiled once for all widths and constants of their integers.

    Left to itself Numba compiles `end_order` 23 times: for rows of 32 and of 64 bits, for each constant reason. That
    took 28 s instead of 24. What is forced inline meets its constants there.
    """
    make = njit(**flags, **INNER)

    def decorate(function: Callable[..., Any]) -> Any:
        made = make(function)
        if not INTERPRETED:
            template, names = made.get_call_template, function.__code__.co_varnames
            made.get_call_template = lambda args, kws: template(tuple(map(_widened, args, names)), kws)
        return made

    return decorate


inlined = _inner(forceinline=True)
# Said explicitly: a callee inherits the flag of the function that is being compiled when it is first met, and a kernel
# inlined whole has two million instructions (measured: 300 s of compilation).
compiled = _inner(forceinline=False)
COLD: set[str] = set()


def cold(function: Callable[..., Any]) -> Any:
    """Compiled, off the hot path, and kept out of line: inlined where it is called once it would cost the hot path
    registers and instruction cache."""
    COLD.add(function.__name__)
    return compiled(function)


def build_digest() -> str:
    """Digest of all that decides the machine code of this process: compiled sources, compiler versions, flags."""
    build = (numba.__version__, llvmlite.__version__, numpy.__version__, config.BOUNDSCHECK, int(config.OPT))
    return hashlib.sha256(repr((digest(), build, config.DEBUGINFO_DEFAULT)).encode()).hexdigest()[:16]


DIGEST = build_digest()


def _cache_roots() -> Iterator[Path]:
    """Folders to try, first writable wins."""
    if explicit := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(explicit)
    yield FOLDER / "__pycache__"
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ml4t-kernel"
    # A private folder: a name in the shared temporary folder that somebody else made is refused by _is_private.
    yield Path(tempfile.gettempdir()) / f"ml4t-kernel-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def _is_private(folder: Path) -> bool:
    """True if nobody else can put files there: cache files are pickles, and a foreign pickle is foreign code."""
    if not hasattr(os, "getuid"):
        return True
    info = folder.stat()
    return info.st_uid in (os.getuid(), 0) and not info.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


class _Locator(_CacheLocator):
    def __init__(self, root: Path) -> None:
        self._path = str(root / f"ml4t_kernel-{DIGEST}")

    def get_cache_path(self) -> str:
        return self._path

    def get_source_stamp(self) -> str:
        return DIGEST

    def get_disambiguator(self) -> str:
        return "kernel"


def cache_locator() -> _Locator | None:
    """Locator of the first folder that is writable and private; None: compile without a cache."""
    for root in _cache_roots():
        try:
            locator = _Locator(root)
            path = Path(locator.get_cache_path())
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_private(path):
                with tempfile.TemporaryFile(dir=path):
                    return locator
        except (OSError, RuntimeError):  # RuntimeError: no home folder
            continue
    return None


def announce(kept: str) -> None:
    """Say on stderr, before the wait, that something is compiled and how long that takes; kept: what becomes of it."""
    print(f"ml4t-kernel: compiling, once: 25 s, on a busy machine up to 90 s; {kept}", file=sys.stderr, flush=True)


class _Impl(CompileResultCacheImpl):
    def __init__(self, function: Callable[..., Any]) -> None:
        # Not super().__init__: NUMBA_CACHE_LOCATOR_CLASSES would replace our locator.
        self._lineno, self._locator = function.__code__.co_firstlineno, cache_locator()
        name = f"{function.__module__}.{function.__qualname__}"
        self._filename_base = self.get_filename_base(name, getattr(sys, "abiflags", ""))


class KernelCache(FunctionCache):
    """A cache that costs a compile when it fails, never an error."""

    _impl_class = _Impl

    def load_overload(self, sig: Any, context: Any) -> Any:
        found = None
        try:
            found = super().load_overload(sig, context)
        except Exception:  # truncated, unreadable or foreign: compile
            self._drop()
        if found is None:
            announce(f"it is kept in {self.cache_path}")
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except (OSError, EOFError, pickle.PickleError):
            self._drop()

    def _drop(self) -> None:
        try:
            self.flush()
        except OSError:
            pass


def entry(signature: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile `function` for one explicit signature, or load it from the cache; call it at first use, never at import.

    The result refuses arrays of another layout, dtype or writeability with a TypeError instead of compiling anew.
    """
    if INTERPRETED:
        return function
    compiled = njit(pipeline_class=_EntryCompiler, **OPTIONS)(function)
    if cache_locator() is not None:
        compiled._cache = KernelCache(function)
    else:
        announce("it cannot be kept, for no folder can be written to; NUMBA_CACHE_DIR names another")
    compiled.compile(signature)
    compiled.disable_compile()
    return compiled
