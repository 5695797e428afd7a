"""The boundary of the kernel: what it refuses to take, as a shared object and compiled by Numba alike."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel
from facade.encode.inputs import encode
from facade.execute import prepare
from ml4t_kernel import compiled as by_numba
from ml4t_kernel import native, schema
from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.schema import ARGUMENTS

pytestmark = pytest.mark.skipif(INTERPRETED, reason="nothing is compiled")
BUNDLES = tuple(argument.name for argument in ARGUMENTS)
ARRAYS = ("params", "finals")  # bundles of one array


def the_object():
    """The shared object of this machine, as `make object` makes it."""
    kernel = native.load()
    if kernel is None:
        pytest.skip("no shared object of these sources here: make object")
    return kernel


KERNELS = {"object": the_object, "numba": by_numba.load}


@pytest.fixture(scope="module", params=KERNELS)
def kernel(request):
    return KERNELS[request.param]()


@pytest.fixture(scope="module")
def arguments():
    """The bundles of a small run, as the facade hands them to the kernel."""
    closes = np.linspace(10.0, 20.0, 12).reshape(6, 2)
    panel = Panel.from_arrays(closes, closes, closes, closes, np.full((6, 2), 1e6))
    orders = Orders(pl.DataFrame({"timestamp": [1], "symbol": ["A0"], "quantity": [10.0]}))
    config = Config()
    inputs = encode(panel, orders, config, None)
    account, tape = prepare(inputs)
    finals = np.zeros(1, schema.STATE)
    return dict(zip(BUNDLES, (inputs.market, inputs.intents, inputs.params, account, tape, finals), strict=True))


def call(kernel, arguments):
    """Run bars 0 to 0: it does nothing."""
    return kernel.bind(*arguments.values())(0, 1, 0, 0)


def unaligned(array):
    """The same values one byte off; at least one row, for an empty array is always aligned."""
    shape = (max(1, array.shape[0]), *array.shape[1:])
    memory = np.zeros(int(np.prod(shape)) * array.itemsize + 1, np.uint8)
    moved = memory[1:].view(array.dtype).reshape(shape)
    moved[: array.shape[0]] = array
    moved.flags.writeable = array.flags.writeable
    return moved


def narrower(array):
    """The same shape in a dtype that is close, but not the one asked for."""
    if array.dtype.names:
        other = np.dtype([(name, "f4") for name in array.dtype.names])
    else:
        other = np.dtype("f4") if array.dtype.kind == "f" else np.dtype("i8")
    changed = np.zeros(array.shape, other)
    changed.flags.writeable = array.flags.writeable
    return changed


def fortran(array):
    """Columns first; the smallest shape in which that differs."""
    changed = np.zeros(tuple(max(2, size) for size in array.shape), array.dtype, order="F")
    changed.flags.writeable = array.flags.writeable
    return changed


def read_only(array):
    """A view that may not be written."""
    view = array.view()
    view.flags.writeable = False
    return view


def strided(array):
    """Every other element of a longer array."""
    longer = np.zeros((2 * max(2, array.shape[0]), *array.shape[1:]), array.dtype)[::2]
    longer.flags.writeable = array.flags.writeable
    return longer


def flat(array):
    """One dimension more or less."""
    changed = array.reshape(-1) if array.ndim > 1 else array[:, None].copy()
    changed.flags.writeable = array.flags.writeable
    return changed


FLAWS = {
    "float32": narrower,
    "unaligned": unaligned,
    "strided": strided,
    "fortran": fortran,
    "read-only": read_only,
    "flat": flat,
}


def applies(flaw, bundle, array):
    """Whether the flaw makes another array of it: bytes are always aligned, one dimension has one order."""
    if flaw == "fortran":
        return array.ndim > 1
    if flaw == "read-only":
        return bundle in ("book", "tape", "finals")
    return flaw != "unaligned" or array.dtype.itemsize > 1


def flawed(arguments, flaw):
    """(where, arguments with one array changed), for every array."""
    for bundle, given in arguments.items():
        members = [None] if bundle in ARRAYS else given._fields
        for member in members:
            array = given if member is None else getattr(given, member)
            if applies(flaw, bundle, array):
                changed = FLAWS[flaw](array)
                yield (
                    f"{bundle}.{member}",
                    arguments | {bundle: changed if member is None else given._replace(**{member: changed})},
                )


def test_the_kernel_takes_what_the_facade_makes(kernel, arguments):
    assert call(kernel, arguments) == 1


@pytest.mark.parametrize("flaw", FLAWS)
def test_every_array_of_another_kind_is_refused(kernel, arguments, flaw):
    checked = 0
    for where, changed in flawed(arguments, flaw):
        with pytest.raises(TypeError):
            call(kernel, changed)
            pytest.fail(f"the kernel took {where} {flaw}")
        checked += 1
    assert checked >= 8


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_kernel_says_which_array_it_does_not_take(kernel, arguments, flaw):
    said = {
        "float32": r"is \d-dimensional, (a record of \d+ fields|float32|int64)",
        "unaligned": "is .*, not aligned",
        "strided": "is .*, not in C order",
        "fortran": "is .*, not in C order",
        "read-only": "is .*, read-only",
        "flat": r"is \d-dimensional",
    }
    for where, changed in flawed(arguments, flaw):
        bundle, member = where.split(".")
        name = bundle if member == "None" else where
        with pytest.raises(TypeError, match=rf"the kernel takes {name} \d-dimensional, .*; this array {said[flaw]}"):
            call(kernel, changed)


@pytest.mark.parametrize("prices", [0, 3, 5])
def test_bars_of_more_or_fewer_prices_are_refused(kernel, arguments, prices):
    """The distance from bar to bar is a constant in the machine code."""
    market = arguments["market"]
    bars = np.zeros((*market.bars.shape[:2], prices))
    bars.flags.writeable = False
    with pytest.raises(TypeError, match=rf"{prices} at the end"):
        call(kernel, arguments | {"market": market._replace(bars=bars)})


def test_records_of_another_size_are_refused(kernel, arguments):
    """The same fields without the padding between them: equal names and types, other offsets."""
    packed = np.dtype([(name, schema.FILL[name]) for name in schema.FILL.names] + [("more", "f8")])
    tape = arguments["tape"]._replace(fills=np.zeros(4, packed))
    with pytest.raises(TypeError):
        call(kernel, arguments | {"tape": tape})


def test_the_array_is_kept_alive_by_the_call(arguments):
    bound = the_object().bind(*arguments.values())
    assert all(kept is given for kept, given in zip(bound._kept, arguments.values(), strict=True))


def test_the_facade_freezes_what_the_kernel_must_not_write(arguments):
    for bundle in ("market", "intents"):
        arrays = arguments[bundle]._asdict()
        assert [name for name, array in arrays.items() if array.flags.writeable] == []
    assert not arguments["params"].flags.writeable
