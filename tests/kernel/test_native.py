"""The shared object of the kernel: which one a process takes, what it passes over, what it needs."""

import json
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ml4t_kernel import compiled, entries, modes, native, sources
from ml4t_kernel.schema import ARGUMENTS

built = pytest.mark.skipif(native.load() is None, reason="no shared object of these sources here: make object")


# Words and types -----------------------------------------------------------------------------------------------------


def test_words_and_numba_types_are_of_one_table():
    """One by one: the arrays of Numba's signature are those that words are written for."""
    given = compiled.RUN_TYPE.args
    assert len(given) == len(ARGUMENTS) + native.CALL_WORDS
    words = native.CALL_WORDS
    for argument, kind in zip(ARGUMENTS, given, strict=False):
        arrays = [kind] if argument.kind is None else list(kind.types)
        if argument.kind is not None:
            assert kind.fields == argument.kind._fields == tuple(argument.fields)
        for (name, field), array in zip(argument.fields.items(), arrays, strict=True):
            assert array.layout == "C" and array.aligned, name
            assert array.mutable == argument.written, name
            assert (array.ndim, array.dtype) == (field.ndim, compiled.numba.from_dtype(field.dtype)), name
            words += len(("meminfo", "parent", "nitems", "itemsize", "data")) + 2 * array.ndim
    assert words == native.WORDS


def test_words_are_the_fields_of_numbas_array():
    finals = ARGUMENTS[-1]
    array = np.zeros(3, finals.fields["finals"].dtype)
    size = array.itemsize
    assert native.words_of(finals, array) == [0, 0, 3, size, array.ctypes.data, 3, size]


# Which object --------------------------------------------------------------------------------------------------------


V2 = dict.fromkeys("SSE3 SSSE3 SSE41 SSE42 POPCNT".split(), True)
V3 = V2 | dict.fromkeys("AVX AVX2 FMA3 F16C".split(), True)
NAMED = dict.fromkeys("BMI BMI2 LZCNT MOVBE".split(), True)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ({}, []),
        (V2, ["x86-64-v2"]),
        ({**V2, "SSE42": False}, []),
        (V3, ["x86-64-v3", "x86-64-v2"]),
        (V3 | NAMED, ["x86-64-v3", "x86-64-v2"]),
        (V3 | {**NAMED, "BMI2": False}, ["x86-64-v2"]),
        (V3 | {"AVX2": False}, ["x86-64-v2"]),
        ({"X86_V2": True, "X86_V3": True}, ["x86-64-v3", "x86-64-v2"]),
        ({"X86_V2": True, "X86_V3": False}, ["x86-64-v2"]),
        ({"X86_V2": False, "X86_V3": True}, []),
        (V3 | NAMED | {"X86_V2": True, "X86_V3": False}, ["x86-64-v2"]),
    ],
)
def test_levels_follow_from_the_features_of_the_cpu(monkeypatch, features, expected):
    monkeypatch.setattr(native.platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(native, "_cpu_features", lambda: features)
    assert native.levels() == expected


@pytest.mark.parametrize(
    ("machine", "expected"), [("aarch64", ["aarch64"]), ("arm64", ["aarch64"]), ("riscv64", []), ("i686", [])]
)
def test_levels_of_other_machines(monkeypatch, machine, expected):
    monkeypatch.setattr(native.platform, "machine", lambda: machine)
    assert native.levels() == expected


def test_numpy_names_features_of_this_cpu():
    if native.platform.machine() != "x86_64":
        pytest.skip("names of x86-64")
    assert native._cpu_features().get("SSE3") is True


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the objects of the package."""
    monkeypatch.delenv(native.VARIABLE, raising=False)
    copy = tmp_path / "machine_code"
    shutil.copytree(native.FOLDER, copy)
    return copy


def manifest_of(folder):
    return json.loads((folder / native.MANIFEST).read_text())


def best(folder):
    """The file of the object that this CPU would take first."""
    return folder / manifest_of(folder)["objects"][native.levels()[0]]["file"]


@built
def test_the_best_level_is_taken(folder):
    assert native.load(folder).level == native.levels()[0]


@built
@pytest.mark.parametrize("size", [0, 1, 4096, -1])
def test_a_truncated_object_is_passed_over(folder, size):
    """dlopen would take it, and die of a bus error at the first page that is not there."""
    file = best(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    found = native.load(folder)
    assert found is None or found.level != native.levels()[0]


@built
def test_an_edited_or_missing_object_is_passed_over(folder):
    for level in native.levels():
        file = folder / manifest_of(folder)["objects"][level]["file"]
        code = bytearray(file.read_bytes())
        code[len(code) // 2] ^= 1
        file.write_bytes(code)
    assert native.load(folder) is None
    for level in native.levels():
        (folder / manifest_of(folder)["objects"][level]["file"]).unlink()
    assert native.load(folder) is None


@built
@pytest.mark.parametrize("damage", ["missing", "emptied", "list", "no objects", "no level", "number"])
def test_a_damaged_manifest_is_passed_over(folder, damage):
    manifest = manifest_of(folder)
    path = folder / native.MANIFEST
    path.unlink()
    texts = {
        "emptied": "",
        "list": "[]",
        "no objects": json.dumps({"sources": manifest["sources"]}),
        "no level": json.dumps({**manifest, "objects": {}}),
        "number": json.dumps({**manifest, "objects": dict.fromkeys(manifest["objects"], 7)}),
    }
    if damage in texts:
        path.write_text(texts[damage])
    assert native.load(folder) is None


@built
def test_an_object_of_other_sources_is_passed_over(folder, monkeypatch):
    monkeypatch.setattr(native, "digest", lambda: "0123456789abcdef")
    assert native.load(folder) is None


def resigned(folder, level, code):
    """Put other bytes in the place of an object, and their digest into the manifest."""
    manifest = manifest_of(folder)
    entry = manifest["objects"][level]
    (folder / entry["file"]).unlink()  # a process may have mapped it
    (folder / entry["file"]).write_bytes(code)
    entry["sha256"] = native.hashlib.sha256(code).hexdigest()
    (folder / native.MANIFEST).write_text(json.dumps(manifest))


@built
def test_an_object_of_another_machine_is_passed_over(folder):
    """Whole and signed, but its header names another processor."""
    for level in native.levels():
        code = bytearray((folder / manifest_of(folder)["objects"][level]["file"]).read_bytes())
        if code[:4] != b"\x7fELF":
            pytest.skip("objects of Linux")
        code[18:20] = (183 if code[18] != 183 else 62).to_bytes(2, "little")  # e_machine: AArch64 or x86-64
        resigned(folder, level, bytes(code))
    assert native.load(folder) is None


@built
def test_an_object_that_takes_other_words_is_passed_over(folder, monkeypatch):
    monkeypatch.setattr(native, "WORDS", native.WORDS + 1)
    assert native.load(folder) is None


@built
def test_a_folder_without_objects_means_numba(tmp_path):
    assert native.load(tmp_path / "nothing here") is None


# What is asked for ---------------------------------------------------------------------------------------------------


@built
def test_the_variable_takes_a_level_or_numba(folder, monkeypatch):
    worst = native.levels()[-1]
    monkeypatch.setenv(native.VARIABLE, worst)
    assert native.load(folder).level == worst
    monkeypatch.setenv(native.VARIABLE, "numba")
    assert native.load(folder) is None


def test_a_level_that_the_cpu_does_not_run_is_refused(monkeypatch):
    monkeypatch.setattr(modes, "numba_settings", lambda: None)
    monkeypatch.setattr(native, "levels", lambda: ["x86-64-v2"])
    monkeypatch.setenv(native.VARIABLE, "x86-64-v3")
    with pytest.raises(RuntimeError, match="ML4T_KERNEL='x86-64-v3' is not among what this CPU runs: x86-64-v2, numba"):
        native.load()


def test_a_level_that_is_not_here_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(modes, "numba_settings", lambda: None)
    monkeypatch.setattr(native, "levels", lambda: ["x86-64-v2"])
    monkeypatch.setenv(native.VARIABLE, "x86-64-v2")
    with pytest.raises(RuntimeError, match="the package holds no such object of these sources"):
        native.load(tmp_path)


SETTINGS = {
    "NUMBA_DISABLE_JIT": "1",
    "NUMBA_BOUNDSCHECK": "1",
    "NUMBA_DEBUGINFO": "1",
    "NUMBA_OPT": "0",
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_DUMP_ASSEMBLY": "1",
}
HARMLESS = {"NUMBA_NUM_THREADS": "2", "NUMBA_CACHE_DIR": "somewhere", "NUMBA_BOUNDSCHECK": "", "NUMBA_OPT": "3"}


def asks(settings, script="", **where):
    """(asks for Numba, imported Numba) of a fresh process with these settings only."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "ML4T_"))}
    code = (
        f"import sys\n{script}\nfrom ml4t_kernel import modes\n"
        "print(modes.asks_for_numba(), 'numba' in sys.modules, modes.INTERPRETED)"
    )
    environment |= {**settings, "PYTHONPATH": str(Path(native.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, **where)
    assert done.returncode == 0, done.stderr
    return tuple(word == "True" for word in done.stdout.split())


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_that_change_the_code_ask_for_numba(name):
    assert asks({name: SETTINGS[name]}) == (True, True, name == "NUMBA_DISABLE_JIT")


@pytest.mark.parametrize("name", HARMLESS)
def test_other_settings_do_not(name):
    assert asks({name: HARMLESS[name]})[0] is False


def test_nothing_imports_numba_to_ask():
    assert asks({}) == (False, False, False)
    assert asks({"NUMBA_NUM_THREADS": "1"}) == (False, False, False)


def test_a_settings_file_is_read_by_numba(tmp_path):
    (tmp_path / ".numba_config.yaml").write_text("boundscheck: 1\n")
    pytest.importorskip("yaml")
    assert asks({}, cwd=tmp_path) == (True, True, False)


def test_a_setting_made_in_python_is_seen():
    assert asks({}, "import numba; numba.config.BOUNDSCHECK = 1")[0] is True
    assert asks({}, "import numba") == (False, True, False)


def test_interpreting_cannot_begin_halfway():
    script = (
        "from ml4t_kernel import book\nimport numba\nnumba.config.DISABLE_JIT = True\n"
        "try:\n    from ml4t_kernel import compiled\n"
        "except RuntimeError as error:\n    assert 'first import' in str(error)\n"
        "else:\n    raise SystemExit('taken')"
    )
    assert asks({}, script)[0] is True


# The sources ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the kernel's sources, of which the digest is taken."""
    copy = tmp_path / "ml4t_kernel"
    shutil.copytree(sources.FOLDER, copy, ignore=shutil.ignore_patterns("__pycache__", "machine_code"))
    monkeypatch.setattr(sources, "FOLDER", copy)
    return copy


def fresh():
    return sources.digest.__wrapped__()


def test_the_digest_is_that_of_the_sources(copied):
    assert fresh() == sources.digest()


@pytest.mark.parametrize("name", ["money/prices.py", "loop.py", "schema/records.py", "compile/jit.py", "compiled.py"])
def test_an_edited_source_changes_the_digest(copied, name):
    path = copied / name
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert fresh() != sources.digest()


@pytest.mark.parametrize("name", sorted(sources.NOT_COMPILED))
def test_what_only_python_runs_does_not(copied, name):
    path = copied / name
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert fresh() == sources.digest()


def test_finished_rows_depend_on_every_source(copied):
    before = sources.package_digest.__wrapped__()
    path = copied / "market.py"
    path.write_bytes(path.read_bytes() + b"# edited\n")
    assert sources.package_digest.__wrapped__() != before


def test_lines_that_end_as_on_windows_are_the_same(copied):
    path = copied / "loop.py"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert fresh() == sources.digest()


def test_a_new_or_renamed_source_changes_the_digest(copied):
    (copied / "money" / "prices.py").rename(copied / "money" / "costs.py")
    renamed = fresh()
    (copied / "margin.py").write_text("")
    assert len({sources.digest(), renamed, fresh()}) == 3


def test_everything_that_is_compiled_is_in_the_digest():
    """Whatever the compiled entry imports of the package, but what says nothing of machine code."""
    code = "import sys; import ml4t_kernel.compiled; print(*(n for n in sys.modules if n.startswith('ml4t_kernel')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = {name.replace(".", "/") for name in done.stdout.split()}
    listed = {path.relative_to(sources.FOLDER.parent).as_posix() for path in sources.compiled_sources()}
    found = {f"{name}.py" for name in names} | {f"{name}/__init__.py" for name in names}
    imported = {name for name in found if (sources.FOLDER.parent / name).exists()}
    assert imported - listed == {
        f"ml4t_kernel/{name}" for name in ("__init__.py", "boundary.py", "modes.py", "sources.py")
    }


def test_threads_that_ask_at_once_load_the_kernel_once(monkeypatch):
    loads = []

    def load():
        loads.append(threading.get_ident())
        started.wait(5.0)  # until the others have asked, or would have begun as well
        return "kernel"

    started = threading.Event()
    monkeypatch.setattr(entries.native, "load", load)
    entries._loaded.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(entries.runner) for _ in range(4)]
        started.set()
        assert {future.result() for future in asked} == {"kernel"}
    assert len(loads) == 1
    entries._loaded.cache_clear()


# A process that runs -------------------------------------------------------------------------------------------------


RUN = """
import sys
import numpy as np
from facade import Config, Panel, TargetWeights, run_backtest
closes = np.linspace(10.0, 20.0, 12).reshape(6, 2)
panel = Panel.from_arrays(closes, closes, closes, closes)
result = run_backtest(panel, TargetWeights.from_array(np.full((6, 2), 0.4)), config=Config(initial_cash=1e5))
result.summary(), result.metrics, result.fills, result.trades, result.equity
print(repr(result.metrics["final_value"]), result.fills.height)
print(*(name for name in ("numba", "llvmlite") if name in sys.modules))
"""


def run(**settings):
    environment = {**os.environ, **settings}
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


@built
def test_a_run_on_the_object_imports_no_numba_and_says_nothing():
    (result, imported), said = run()
    assert imported == "" and said == ""
    (by_numba, imported), _ = run(**{native.VARIABLE: "numba"})
    assert "numba" in imported
    assert result == by_numba
    for level in native.levels():
        assert run(**{native.VARIABLE: level})[0][0] == result
