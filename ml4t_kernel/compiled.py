"""The kernel compiled by Numba on this machine, or interpreted: where no shared object fits, and for whom edits it."""

from functools import partial
from typing import Any

import numba
from numba import types

from ml4t_kernel.accounts import run_accounts
from ml4t_kernel.boundary import arrays_of
from ml4t_kernel.compile.jit import entry
from ml4t_kernel.schema import ARGUMENTS, Argument


def _argument_type(argument: Argument) -> Any:
    """Numba's type of one argument of the entry: C-ordered arrays, read-only where the kernel does not write."""
    arrays = [
        types.Array(numba.from_dtype(field.dtype), field.ndim, "C", readonly=not argument.written)
        for field in argument.fields.values()
    ]
    return arrays[0] if argument.kind is None else types.BaseTuple.from_types(arrays, argument.kind)


RUN_TYPE = types.int64(*map(_argument_type, ARGUMENTS), *[types.int64] * 4)


class CompiledKernel:
    """`run_accounts` on arrays that are what its signature says."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def bind(self, *arguments: Any) -> Any:
        """See `entries.bind`."""
        for argument, given in zip(ARGUMENTS, arguments, strict=True):
            arrays_of(argument, given)
        return partial(self.function, *arguments)


def load() -> CompiledKernel:
    """The kernel from Numba's cache, or compiled now."""
    return CompiledKernel(entry(RUN_TYPE, run_accounts))
