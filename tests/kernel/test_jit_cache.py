"""The boundary of the compiled kernel: what entries refuse, how they are compiled, what their cache survives."""

import os
import shutil
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from numba import njit, types

from facade import Config, Orders, Panel
from facade.encode.inputs import encode
from facade.execute import prepare
from ml4t_kernel import entries, schema
from ml4t_kernel.compile import jit

compiled = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")
BUNDLES = ("market", "intents", "params", "book", "tape", "finals")
ARRAYS = ("params", "finals")  # bundles of one array


# What an entry refuses -----------------------------------------------------------------------------------------------


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


def call(name, arguments):
    """Call the entry of that name on bars 0 to 0: it does nothing."""
    if name == "no_strategy":
        return entries.no_strategy()(0, arguments["market"], arguments["book"], arguments["tape"])
    bundles = [arguments[bundle] for bundle in BUNDLES]
    return entries.runner()(*bundles, 0, 1, 0, 0, entries.no_strategy())


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


FLAWS = {"float32": narrower, "unaligned": unaligned, "strided": strided, "fortran": fortran, "read-only": read_only}


def applies(flaw, bundle, array):
    """Whether the flaw makes another array of it: bytes are always aligned, one dimension has one order."""
    if flaw == "fortran":
        return array.ndim >= 2
    if flaw == "read-only":
        return bundle in ("book", "tape", "finals")
    return flaw != "unaligned" or array.dtype.itemsize > 1


def flawed(arguments, name, flaw):
    """(where, arguments with one array changed), for every array of an entry."""
    for bundle, given in arguments.items():
        if name == "no_strategy" and bundle in ("intents", *ARRAYS):
            continue
        members = [None] if bundle in ARRAYS else given._fields
        for member in members:
            array = given if member is None else getattr(given, member)
            if applies(flaw, bundle, array):
                changed = FLAWS[flaw](array)
                yield (
                    f"{bundle}.{member}",
                    arguments | {bundle: changed if member is None else given._replace(**{member: changed})},
                )


@compiled
@pytest.mark.parametrize("name", ["runner", "no_strategy"])
def test_an_entry_takes_what_the_facade_makes(arguments, name):
    call(name, arguments)


@compiled
@pytest.mark.parametrize("flaw", [flaw for flaw in FLAWS if flaw != "unaligned"])
@pytest.mark.parametrize("name", ["runner", "no_strategy"])
def test_an_entry_refuses_every_array_of_another_kind(arguments, name, flaw):
    checked = 0
    for where, changed in flawed(arguments, name, flaw):
        with pytest.raises(TypeError):
            call(name, changed)
            pytest.fail(f"{name} took {where} {flaw}")
        checked += 1
    assert checked >= 7


@compiled
def test_arrays_off_their_alignment_are_refused(arguments):
    """By the runner itself: Numba does not look, and no_strategy is called by it alone."""
    moved = list(flawed(arguments, "runner", "unaligned"))
    assert len(moved) >= 30
    for where, changed in moved:
        with pytest.raises(TypeError, match="aligned"):
            call("runner", changed)
            pytest.fail(f"runner took {where} off its alignment")


def test_the_facade_freezes_what_the_kernel_must_not_write(arguments):
    for bundle in ("market", "intents"):
        arrays = arguments[bundle]._asdict()
        assert [name for name, array in arrays.items() if array.flags.writeable] == []
    assert not arguments["params"].flags.writeable


# How it is compiled --------------------------------------------------------------------------------------------------


def reference_counts(function, signature, **options):
    """How often the machine code of a fresh compile counts references."""
    fresh = njit(**options)(function)
    fresh.compile(signature)
    return sum(llvm.count("@NRT_incref") for llvm in fresh.inspect_llvm().values())


def sum_of_firsts(a, b):
    """Arrays chosen at run time, in two ways: every version of Numba counts references in one of them, if at all."""
    pair = (a, b)
    total = 0.0
    for i in range(a.shape[0]):
        total += pair[i & 1][0]
    chosen = a if a.shape[0] > b.shape[0] else b
    return total + chosen[0]


@compiled
def test_kernel_options_switch_reference_counting_off():
    vector = types.float64[::1]
    counted = {name: value for name, value in jit.OPTIONS.items() if name != "_nrt"}
    signature = types.float64(vector, vector)
    assert reference_counts(sum_of_firsts, signature, **counted) > 0
    assert reference_counts(sum_of_firsts, signature, **jit.OPTIONS) == 0


@compiled
@pytest.mark.parametrize("name", ["runner", "no_strategy"])
def test_no_entry_counts_references(name):
    function, signature = {
        "runner": (entries.runner(), entries.RUN_TYPE),
        "no_strategy": (entries.no_strategy(), entries.STRATEGY_TYPE),
    }[name]
    assert reference_counts(function.py_func, signature, pipeline_class=jit._EntryCompiler, **jit.OPTIONS) == 0


# The cache -----------------------------------------------------------------------------------------------------------


@compiled
def test_a_second_process_loads_every_entry_from_the_cache():
    entries.runner(), entries.no_strategy()  # in the cache from here on
    if jit.cache_locator() is None:
        pytest.skip("no folder for a cache")
    script = (
        "from ml4t_kernel import entries\n"
        "for entry in entries.runner(), entries.no_strategy():\n"
        "    print(sum(entry.stats.cache_hits.values()), sum(entry.stats.cache_misses.values()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0", "1", "0"]


def double(x):
    """A function small enough to be compiled again and again."""
    return 2.0 * x


SIGNATURE = types.float64(types.float64)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """The only folder that the cache may use."""
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([tmp_path]))
    return tmp_path


def hits_and_misses():
    """Compile or load `double`, check that it works, and tell which it was."""
    entry = jit.entry(SIGNATURE, double)
    assert entry(21.0) == 42.0
    return sum(entry.stats.cache_hits.values()), sum(entry.stats.cache_misses.values())


def cache_files(root, ending):
    return list(root.rglob(f"*.{ending}"))


@compiled
def test_a_small_entry_is_compiled_once_and_then_loaded(root):
    assert hits_and_misses() == (0, 1)
    assert hits_and_misses() == (1, 0)


@compiled
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "foreign", "unreadable"])
def test_a_damaged_cache_costs_a_compile(root, ending, damage):
    hits_and_misses()
    files = cache_files(root, ending)
    assert files
    for path in files:
        whole = path.read_bytes()
        path.unlink()
        if damage == "unreadable":
            path.mkdir()
        else:
            path.write_bytes({"truncated": whole[: len(whole) // 2], "emptied": b"", "foreign": b"not a cache"}[damage])
    hits, _ = hits_and_misses()
    assert hits == 0


@compiled
def test_a_damaged_cache_mends_itself(root):
    hits_and_misses()
    for path in cache_files(root, "nbc"):
        path.write_bytes(b"")
    hits_and_misses()
    assert hits_and_misses() == (1, 0)


@compiled
def test_a_folder_that_cannot_be_made_is_passed_over(tmp_path, monkeypatch):
    occupied, free = tmp_path / "file", tmp_path / "free"
    occupied.write_text("in the way")
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([occupied, free]))
    assert hits_and_misses() == (0, 1)
    assert hits_and_misses() == (1, 0)
    assert cache_files(free, "nbc")


@compiled
@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.skipif(hasattr(os, "getuid") and os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_costs_a_compile(root):
    root.chmod(0o500)
    assert hits_and_misses()[0] == 0
    assert hits_and_misses()[0] == 0
    root.chmod(0o700)


@compiled
def test_without_any_folder_entries_are_compiled(monkeypatch):
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([]))
    assert jit.cache_locator() is None
    assert hits_and_misses()[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_others_may_write_is_refused(root, mode):
    folder = root / f"ml4t_kernel-{jit.DIGEST}"
    folder.mkdir()
    folder.chmod(mode)
    assert jit.cache_locator() is None
    folder.chmod(0o700)
    assert jit.cache_locator() is not None


# The key of the cache ------------------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of the kernel's sources, of which the digest is taken."""
    copy = tmp_path / "ml4t_kernel"
    shutil.copytree(jit.SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(jit, "SOURCES", copy)
    return copy


def test_the_digest_is_that_of_the_sources(sources):
    assert jit.source_digest() == jit.DIGEST


@pytest.mark.parametrize("name", ["money/prices.py", "loop.py", "schema/records.py"])
def test_an_edited_source_changes_the_digest(sources, name):
    path = sources / name
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert jit.source_digest() != jit.DIGEST


def test_a_new_or_renamed_source_changes_the_digest(sources):
    (sources / "money" / "prices.py").rename(sources / "money" / "costs.py")
    renamed = jit.source_digest()
    (sources / "margin.py").write_text("")
    assert len({jit.DIGEST, renamed, jit.source_digest()}) == 3


def test_a_compiler_flag_changes_the_digest(monkeypatch):
    monkeypatch.setattr(jit.config, "BOUNDSCHECK", 0 if jit.config.BOUNDSCHECK else 1)
    assert jit.source_digest() != jit.DIGEST


# The schema ----------------------------------------------------------------------------------------------------------


def structured_dtypes():
    return {name: value for name, value in vars(schema).items() if isinstance(value, np.dtype) and value.names}


@pytest.mark.parametrize("name", structured_dtypes())
def test_no_field_is_named_like_an_attribute_of_a_record(name):
    """Interpreted, rows are np.record: such a field would read the attribute instead."""
    assert set(structured_dtypes()[name].names) & set(dir(np.record)) == set()


@pytest.mark.parametrize("name", structured_dtypes())
def test_rows_are_aligned(name):
    assert structured_dtypes()[name].isalignedstruct
