"""How entries are compiled, and what their cache survives."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit, types

from ml4t_kernel import compiled as kernel
from ml4t_kernel import schema
from ml4t_kernel.accounts import run_accounts
from ml4t_kernel.compile import jit

compiled = pytest.mark.skipif(jit.INTERPRETED, reason="nothing is compiled")


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
def test_the_kernel_counts_no_references():
    assert reference_counts(run_accounts, kernel.RUN_TYPE, pipeline_class=jit._EntryCompiler, **jit.OPTIONS) == 0


# The cache -----------------------------------------------------------------------------------------------------------


@compiled
def test_a_second_process_loads_the_kernel_from_the_cache():
    kernel.load()  # in the cache from here on
    if jit.cache_locator() is None:
        pytest.skip("no folder for a cache")
    script = (
        "from ml4t_kernel import compiled\n"
        "stats = compiled.load().function.stats\n"
        "print(sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "0"]
    assert done.stderr == ""  # nothing is compiled, so nothing is said


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
def test_whoever_compiles_says_so_and_who_loads_does_not(root, capfd):
    hits_and_misses()
    out, said = capfd.readouterr()
    assert out == "" and said.count("\n") == 1
    assert said.startswith("ml4t-kernel: compiling, once: 25 s, on a busy machine up to 90 s; it is kept in ")
    assert str(root) in said
    hits_and_misses()
    assert capfd.readouterr() == ("", "")
    for path in cache_files(root, "nbc"):
        path.write_bytes(b"")
    hits_and_misses()
    assert "compiling" in capfd.readouterr().err


@compiled
def test_what_cannot_be_kept_is_said_too(monkeypatch, capfd):
    monkeypatch.setattr(jit, "_cache_roots", lambda: iter([]))
    hits_and_misses()
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "cannot be kept" in said and "NUMBA_CACHE_DIR" in said


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


def test_a_compiler_flag_changes_the_digest(monkeypatch):
    monkeypatch.setattr(jit.config, "BOUNDSCHECK", 0 if jit.config.BOUNDSCHECK else 1)
    assert jit.build_digest() != jit.DIGEST


def test_an_edited_source_changes_the_digest(monkeypatch):
    monkeypatch.setattr(jit, "digest", lambda: "0123456789abcdef")
    assert jit.build_digest() != jit.DIGEST


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
