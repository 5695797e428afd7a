"""Bundles by reference: an inner function receives one pointer for a NamedTuple of arrays.

Numba passes a tuple of arrays by value: seven or more machine words an array, some 290 for the four bundles of the
loop, at every call that is not inlined. Measured here: compile time in minutes and over 100 ns a call. A reference is
one word, and since a bundle never changes while the kernel runs, each read of a field is an invariant load that LLVM
may hoist over stores and calls. In the interpreter `reference_to` returns what it is given.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_getattr_generic, register_model

from ml4t_kernel.modes import INTERPRETED


class Reference(types.Type):
    """Pointer to a NamedTuple of arrays that outlives the call."""

    def __init__(self, bundle: Any) -> None:
        self.bundle = bundle
        super().__init__(name=f"Reference({bundle})")


@register_model(Reference)
class _ReferenceModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Reference) -> None:
        super().__init__(dmm, fe_type, ir.PointerType(dmm.lookup(fe_type.bundle).get_value_type()))


@infer_getattr
class _ReferenceAttributes(AttributeTemplate):
    key = Reference

    def generic_resolve(self, typ: Reference, attr: str) -> Any:
        if attr in typ.bundle.fields:
            return typ.bundle.types[typ.bundle.fields.index(attr)]
        return None


def _invariant_load(builder: Any, pointer: Any) -> Any:
    """Load a value member by member, each load marked as never changing, so that unused members vanish."""
    target = pointer.type.pointee
    if isinstance(target, ir.LiteralStructType | ir.ArrayType):
        count = len(target.elements) if isinstance(target, ir.LiteralStructType) else target.count
        value = ir.Constant(target, ir.Undefined)
        for i in range(count):
            member = _invariant_load(builder, cgutils.gep_inbounds(builder, pointer, 0, i))
            value = builder.insert_value(value, member, i)
        return value
    loaded = builder.load(pointer)
    loaded.set_metadata("invariant.load", builder.module.add_metadata([]))
    return loaded


@lower_getattr_generic(Reference)
def _lower_field(context: Any, builder: Any, typ: Reference, value: Any, attr: str) -> Any:
    index = typ.bundle.fields.index(attr)
    return _invariant_load(builder, cgutils.gep_inbounds(builder, value, 0, index))


@intrinsic
def _reference_to(typingctx: Any, bundle: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.alloca_once_value(builder, args[0])

    return Reference(bundle)(bundle), codegen


def _itself(bundle: Any) -> Any:
    return bundle


reference_to: Callable[[Any], Any] = _itself if INTERPRETED else _reference_to
