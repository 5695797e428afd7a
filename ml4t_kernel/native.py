"""The kernel as a shared object, compiled when the package was built: nothing is compiled or imported to run it.

The object is one C function that needs nothing of Python and of no library but `pow`, `memset` and the like:

    int32_t ml4t_run(const int64_t *words, int64_t *answer, void **error)

`words`: for each array of `schema.ARGUMENTS` the fields of Numba's own array (0, 0, elements, bytes of one, address,
shape, strides), then the four numbers of the call. What the arrays must be, `boundary` asks.
"""

import ctypes
import hashlib
import json
import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Any

from ml4t_kernel.boundary import arrays_of
from ml4t_kernel.modes import asks_for_numba
from ml4t_kernel.schema import ARGUMENTS, Argument
from ml4t_kernel.sources import digest

FOLDER = Path(__file__).parent / "machine_code"
MANIFEST = "objects.json"
"""In FOLDER: the digest of the sources, and of each object by level its file and the SHA-256 of that."""
VARIABLE = "ML4T_KERNEL"
"""Environment variable: "numba" never takes an object, a level ("x86-64-v2") takes that one or fails."""
CALL_WORDS = 4
WORDS = sum(5 + 2 * field.ndim for argument in ARGUMENTS for field in argument.fields.values()) + CALL_WORDS


def levels() -> list[str]:
    """What this CPU can run, best first: names of objects."""
    machine = platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        return ["aarch64"]
    if machine not in ("x86_64", "amd64"):
        return []
    has = _cpu_features()
    # NumPy before 2.4 names single features, and some of its versions not all of them: what it does not name comes with
    # AVX2, FMA and F16C on every CPU that has these.
    v2 = has.get("X86_V2", all(has.get(name) for name in ("SSE3", "SSSE3", "SSE41", "SSE42", "POPCNT")))
    named = ("BMI", "BMI2", "LZCNT", "MOVBE")
    v3 = has.get("X86_V3", all(has.get(name) for name in ("AVX2", "FMA3", "F16C")))
    v3 = v2 and v3 and all(has.get(name, True) for name in named)
    return ["x86-64-v3"] * bool(v3) + ["x86-64-v2"] * bool(v2)


def _cpu_features() -> dict[str, bool]:
    """Of the CPU of this process, by NumPy's names (a private module of NumPy, which moved in 2.0)."""
    for name in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        try:
            return dict(import_module(name).__cpu_features__)
        except (ImportError, AttributeError):
            continue
    return {}


def load(folder: Path = FOLDER) -> "NativeKernel | None":
    """The object for this CPU and these sources; None where there is none, or where a setting asks for Numba.

    A file that is not the one that was built (truncated, edited, of other sources or another machine) is passed over.

    Raises
    ------
    RuntimeError
        ML4T_KERNEL names an object that the CPU cannot run, or that is not here.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked == "numba" or asks_for_numba():
        return None
    able = levels()
    if asked and asked not in able:
        raise RuntimeError(f"{VARIABLE}={asked!r} is not among what this CPU runs: {', '.join([*able, 'numba'])}")
    for level in [asked] if asked else able:
        kernel = _object(folder, level)
        if kernel is not None:
            return kernel
    if asked:
        raise RuntimeError(f"{VARIABLE}={asked!r}: the package holds no such object of these sources")
    return None


def _object(folder: Path, level: str) -> "NativeKernel | None":
    """The object of that level if it is whole, of these sources and of this machine."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["sources"] != digest():
            return None
        file = folder / manifest["objects"][level]["file"]
        # Looked at before it is mapped: the end of a truncated object is a bus error, not an exception.
        if hashlib.sha256(file.read_bytes()).hexdigest() != manifest["objects"][level]["sha256"]:
            return None
        library = ctypes.CDLL(str(file))
        if library.ml4t_words() != WORDS:
            return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    return NativeKernel(library.ml4t_run, level)


class NativeKernel:
    """`run_accounts` of a shared object.

    function: `ml4t_run`; level: the instruction set that it was compiled for.
    """

    def __init__(self, function: Any, level: str) -> None:
        self.function, self.level = function, level
        function.argtypes, function.restype = [ctypes.c_void_p] * 3, ctypes.c_int32

    def bind(self, *arguments: Any) -> "_Bound":
        """See `entries.bind`."""
        return _Bound(self.function, arguments)


def words_of(argument: Argument, given: Any) -> list[int]:
    """What the object reads of the arrays of one argument; raises TypeError for what it must not get."""
    words: list[int] = []
    for array in arrays_of(argument, given):
        words += (0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides)
    return words


class _Bound:
    """The kernel on arrays whose words have been written: a call changes four of them.

    Keeps the arrays alive. Not for two threads at once.
    """

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        words = [
            word for argument, given in zip(ARGUMENTS, arguments, strict=True) for word in words_of(argument, given)
        ]
        self._kept = arguments
        self._words = (ctypes.c_int64 * WORDS)(*words, 0, 0, 0, 0)
        self._answer, self._error = ctypes.c_int64(), ctypes.c_void_p()
        self._call = function, ctypes.byref(self._words), ctypes.byref(self._answer), ctypes.byref(self._error)

    def __call__(self, first: int, last: int, start: int, stop: int) -> int:
        self._words[-4:] = [first, last, start, stop]
        function, words, answer, error = self._call
        status = function(words, answer, error)
        if status:
            raise RuntimeError(f"the kernel ended with status {status}")
        return self._answer.value
