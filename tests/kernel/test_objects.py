"""Making shared objects: what is refused while they are made, and when they are made again."""

import json
import shutil
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from ml4t_kernel import native
from ml4t_kernel.modes import INTERPRETED

if INTERPRETED:
    pytest.skip("nothing is compiled", allow_module_level=True)
from ml4t_kernel.objects import build

built = pytest.mark.skipif(native.load() is None, reason="no shared object of these sources here: make object")
HEAD = 'target triple = "x86_64-unknown-linux-gnu"\n'


@pytest.fixture(scope="module", autouse=True)
def every_target():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def bitcode(text):
    return llvm.parse_assembly(HEAD + text).as_bitcode()


@pytest.mark.parametrize("name", build.TARGETS)
def test_every_target_and_level_compiles(name):
    """A small module, so that LLVM knows triple and processor of each."""
    code = bitcode("define i64 @ml4t_words() { ret i64 7 }")
    for level in build.TARGETS[name].levels:
        assert len(build.compiled_for(code, build.TARGETS[name], level)) > 100


def test_what_a_platform_may_not_have_is_refused():
    code = bitcode(
        "declare double @exp(double)\n"
        "define double @ml4t_run(double %x) { %y = call double @exp(double %x)\n ret double %y }"
    )
    with pytest.raises(RuntimeError, match="x86-64-v2 needs exp, which a platform may not have"):
        build.compiled_for(code, build.TARGETS["linux-x86_64"], "x86-64-v2")


def test_a_function_of_other_words_is_refused():
    with pytest.raises(RuntimeError, match=rf"takes 1 words, native.py writes {native.WORDS}"):
        build.with_c_entry(bitcode("define i32 @f(ptr %a, ptr %b, i64 %c) { ret i32 0 }"))


def test_two_entries_are_refused():
    with pytest.raises(RuntimeError, match="expected one external function"):
        build.with_c_entry(bitcode("define i32 @f() { ret i32 0 }\ndefine i32 @g() { ret i32 0 }"))


def test_only_the_entry_is_seen_from_outside():
    words = ", ".join(["ptr %a", "ptr %b"] + [f"i64 %w{number}" for number in range(native.WORDS)])
    inner = "define internal i32 @inner() noinline { ret i32 3 }\n"
    code = bitcode(f"{inner}define i32 @f({words}) {{ %x = call i32 @inner()\n ret i32 %x }}")
    module = build.with_c_entry(code)
    seen = {f.name for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external}
    assert seen == {"ml4t_run", "ml4t_words"}


@built
def test_the_objects_need_what_they_may():
    pytest.importorskip("elftools")
    for file in native.FOLDER.glob("*.so"):
        tools = json.loads((native.FOLDER / native.MANIFEST).read_text())["tools"]
        build.check_elf(file, oldest=tools["linker"] != "cc")


@pytest.mark.skipif(sys.platform != "linux", reason="ELF")
def test_an_object_that_needs_python_is_refused():
    pytest.importorskip("elftools")
    extension = next(Path(np.__file__).parent.rglob("_multiarray_umath*.so"))
    with pytest.raises(RuntimeError, match="which a platform may not have"):
        build.check_elf(extension, oldest=True)


@built
def test_objects_are_made_again_when_something_has_changed(tmp_path, monkeypatch):
    pytest.importorskip("ziglang")
    name, folder = build.this_machine(), tmp_path / "machine_code"
    shutil.copytree(native.FOLDER, folder)
    path = folder / native.MANIFEST
    manifest = json.loads(path.read_text()) | {"tools": build.tools(name)}
    path.write_text(json.dumps(manifest))
    assert build.is_there(name, folder)
    for change in ({"sources": "other"}, {"target": "macos-arm64"}, {"tools": {"numba": "0"}}, {"objects": {"x": 1}}):
        path.write_text(json.dumps(manifest | change))
        assert not build.is_there(name, folder), change
    path.write_text(json.dumps(manifest))
    file = folder / next(iter(manifest["objects"].values()))["file"]
    file.write_bytes(file.read_bytes()[:-1])
    assert not build.is_there(name, folder)
    assert not build.is_there(name, tmp_path / "nothing")


def test_a_machine_for_which_none_is_made_is_told(monkeypatch):
    monkeypatch.setattr(build.platform, "machine", lambda: "riscv64")
    with pytest.raises(SystemExit, match="no shared object is made for linux-riscv64"):
        build.this_machine()


def test_without_a_linker_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(build, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="nothing here links for macos-arm64: pip install ziglang"):
        build.linker("macos-arm64")
