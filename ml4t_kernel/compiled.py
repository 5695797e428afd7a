"""The kernel compiled by Numba on this machine, or interpreted: where no shared object fits, and for whom edits it."""

from functools import partial
from typing import Any

import numba
from numba import types

from ml4t_kernel.accounts import run_accounts
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
    """`run_accounts`, which refuses arrays off their alignment, or of another last dimension than the code counts on:
    Numba takes both for granted.

    Every other refusal is the dispatcher's.
    """

    def __init__(self, function: Any) -> None:
        self.function = function

    def bind(self, *arguments: Any) -> Any:
        """See `entries.bind`; dtypes and orders are refused by the first call."""
        for argument, given in zip(ARGUMENTS, arguments, strict=True):
            arrays = (given,) if argument.kind is None else given
            for (name, field), array in zip(argument.fields.items(), arrays, strict=True):
                if not array.flags.aligned:
                    raise TypeError(f"an array of the kernel must be aligned: {argument.name}.{name} is not")
                if field.last and array.shape[-1] != field.last:
                    raise TypeError(
                        f"{argument.name}.{name} has {array.shape[-1]} elements at the end, not {field.last}"
                    )
        return partial(self.function, *arguments)


def load() -> CompiledKernel:
    """The kernel from Numba's cache, or compiled now."""
    return CompiledKernel(entry(RUN_TYPE, run_accounts))
