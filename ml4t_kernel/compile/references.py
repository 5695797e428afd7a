"""Bundles by reference: an inner function receives one pointer for a NamedTuple of arrays.

Numba passes a tuple of arrays by value: seven or more machine words an array, some 290 for the four bundles of the
loop, at every call that is not inlined. Measured here: compile time in minutes and over 100 ns a call. A reference is
one word, and since a bundle never changes while the kernel runs, each read of a field is an invariant load that LLVM
may hoist over stores and calls. In the interpreter `reference_to` returns what it is given.

An index into an array of a bundle is never negative (`Counted`).
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing import signature
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, intrinsic, lower_builtin, lower_getattr_generic, register_model
from numba.np.arrayobj import populate_array

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


class Counted(types.Array):
    """An array whose indices count from its beginning: -1 is outside of it, not its last element.

    For Numba each signed index may be negative, and so costs a test and a load of the array's length: W3 0.88, W4 0.84,
    W3m 0.90 of the time without. `NUMBA_BOUNDSCHECK=1` refuses a negative one as it does one too large.
    """

    def __init__(self, array: types.Array) -> None:
        shape = array.dtype, array.ndim, array.layout
        super().__init__(*shape, readonly=not array.mutable, name=f"counted {array.name}", aligned=array.aligned)


@register_model(Counted)
class _CountedModel(models.ArrayModel):
    pass


def _unsigned(index: types.Type) -> types.Type:
    """The type under which Numba takes the same bits as an index from the beginning."""
    if isinstance(index, types.BaseTuple):
        return types.BaseTuple.from_types([_unsigned(kind) for kind in index.types])
    return types.uintp if index == types.intp else index


def _as_numba_does(operation: Any, context: Any, builder: Any, sig: Any, args: Any) -> Any:
    array, index, *value = sig.args
    plain = signature(sig.return_type, array.copy(), _unsigned(index), *value)
    return context.get_function(operation, plain)(builder, args)


@lower_builtin(operator.getitem, Counted, types.Integer)
@lower_builtin(operator.getitem, Counted, types.BaseTuple)
def _lower_getitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _as_numba_does(operator.getitem, context, builder, sig, args)


@lower_builtin(operator.setitem, Counted, types.Any, types.Any)
def _lower_setitem(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return _as_numba_does(operator.setitem, context, builder, sig, args)


@infer_getattr
class _ReferenceAttributes(AttributeTemplate):
    key = Reference

    def generic_resolve(self, typ: Reference, attr: str) -> Any:
        if attr in typ.bundle.fields:
            return Counted(typ.bundle.types[typ.bundle.fields.index(attr)])
        view = _view_type(typ, attr)
        return view and Counted(view)


def _views_of(typ: Reference) -> dict[str, tuple[str, int, int]]:
    """Names that a bundle has besides its fields: (array, element of its last dimension, elements of that)."""
    views: dict[str, tuple[str, int, int]] = getattr(typ.bundle.instance_class, "views", dict)()
    return views


def _view_type(typ: Reference, attr: str) -> Any:
    """Type of such a name: an array of one dimension less; None if there is no such name."""
    views = _views_of(typ)
    if attr not in views:
        return None
    whole = typ.bundle.types[typ.bundle.fields.index(views[attr][0])]
    return whole.copy(ndim=whole.ndim - 1, layout="A")


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
    if attr in typ.bundle.fields:
        index = typ.bundle.fields.index(attr)
        return _invariant_load(builder, cgutils.gep_inbounds(builder, value, 0, index))
    return _lower_view(context, builder, typ, value, attr)


def _lower_view(context: Any, builder: Any, typ: Reference, value: Any, attr: str) -> Any:
    """One element of the last dimension of an array in C order.

    The last stride is a constant, so that an address costs what it costs in an array of its own.
    """
    name, number, width = _views_of(typ)[attr]
    index = typ.bundle.fields.index(name)
    kind, of = typ.bundle.types[index], _view_type(typ, attr)
    field = _invariant_load(builder, cgutils.gep_inbounds(builder, value, 0, index))
    whole, view = context.make_array(kind)(context, builder, field), context.make_array(of)(context, builder)
    size = context.get_abi_sizeof(whole.data.type.pointee)
    shape = cgutils.unpack_tuple(builder, whole.shape)[:-1]
    strides = cgutils.unpack_tuple(builder, whole.strides)[:-1]
    strides[-1] = context.get_constant(types.intp, width * size)
    populate_array(
        view,
        data=cgutils.gep(builder, whole.data, number),
        shape=shape,
        strides=strides,
        itemsize=context.get_constant(types.intp, size),
        meminfo=whole.meminfo,
        parent=whole.parent,
    )
    return view._getvalue()


@intrinsic
def _reference_to(typingctx: Any, bundle: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return cgutils.alloca_once_value(builder, args[0])

    return Reference(bundle)(bundle), codegen


def _itself(bundle: Any) -> Any:
    return bundle


reference_to: Callable[[Any], Any] = _itself if INTERPRETED else _reference_to


@intrinsic
def _prefetch(typingctx: Any, array: Any, t: Any, a: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        rows = context.make_array(kind)(context, builder, args[0])
        at = [context.cast(builder, args[i], signature.args[i], types.intp) for i in (1, 2)]
        pointer = cgutils.get_item_pointer(context, builder, kind, rows, at, wraparound=False)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        call = cgutils.get_or_insert_function(builder.module, shape, "llvm.prefetch.p0")
        # for reading, to stay in all levels of cache, data
        builder.call(call, [builder.bitcast(pointer, byte), *(ir.Constant(word, x) for x in (0, 3, 1))])
        return context.get_dummy_value()

    return types.none(array, t, a), codegen


def _nothing(array: Any, t: Any, a: Any) -> None:
    pass


prefetch: Callable[[Any, Any, Any], None] = _nothing if INTERPRETED else _prefetch
"""Ask for the line of cache of array[t, a], a (T, A) array, so that it is there when it is read; changes nothing.

An address outside of the array is harmless, but interpreted mode has no address: keep t and a inside.
"""
