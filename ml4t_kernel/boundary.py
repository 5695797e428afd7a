"""Which arrays may cross into the kernel: the shared object and the code that Numba made take them as they are.

Numba's dispatcher would refuse most of these itself, but neither arrays off their alignment nor those of another last
dimension than the code counts on; nothing else stands between a wrong array and memory in a shared object.
"""

from typing import Any

import numpy as np

from ml4t_kernel.schema import Argument, Field


def arrays_of(argument: Argument, given: Any) -> tuple[np.ndarray, ...]:
    """The arrays of one argument in the order of its fields; raises TypeError for one that the kernel must not get."""
    arrays = (given,) if argument.kind is None else tuple(given)
    for (name, field), array in zip(argument.fields.items(), arrays, strict=True):
        if not _fits(array, field, argument.written):
            raise TypeError(_refusal(argument, name, array))
    return arrays


def _fits(array: np.ndarray, field: Field, written: bool) -> bool:
    flags = array.flags
    return bool(
        array.dtype == field.dtype
        and array.itemsize == field.dtype.itemsize
        and array.ndim == field.ndim
        and (not field.last or array.shape[-1] == field.last)
        and (flags.c_contiguous and flags.aligned)
        and (not written or flags.writeable)
    )


def _refusal(argument: Argument, name: str, array: np.ndarray) -> str:
    field = argument.fields[name]
    where = name if argument.kind is None else f"{argument.name}.{name}"
    wanted = f"{field.ndim}-dimensional, {_short(field.dtype)}, in C order, aligned"
    wanted += f", {field.last} at the end" if field.last else ""
    found = f"{array.ndim}-dimensional, {_short(array.dtype)}"
    found += f", {array.shape[-1]} at the end" if field.last and array.ndim else ""
    found += "" if array.flags.c_contiguous else ", not in C order"
    found += "" if array.flags.aligned else ", not aligned"
    if argument.written:
        wanted, found = wanted + ", writeable", found + ("" if array.flags.writeable else ", read-only")
    return f"the kernel takes {where} {wanted}; this array is {found}"


def _short(dtype: Any) -> str:
    """A dtype in a message: records have dozens of fields."""
    return f"a record of {len(dtype.names)} fields, {dtype.itemsize} bytes" if dtype.names else str(dtype)
