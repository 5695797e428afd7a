"""Makes the shared objects of the kernel: typed and lowered by Numba once, compiled by LLVM for each instruction set.

    python -m ml4t_kernel.objects.build                     # of this machine, into the package
    python -m ml4t_kernel.objects.build linux-aarch64 DIR   # of another target, into DIR

What Numba lowers on a 64-bit little-endian machine serves every target below: sizes of types are the same, and no
address of this process is in it. Linked by `zig cc` (the package ziglang), which links for any target from any machine,
for Linux against glibc 2.17; without it, and for this machine only, by `cc`.
"""

import argparse
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import llvmlite.binding as llvm
from numba import njit

from ml4t_kernel import native
from ml4t_kernel.accounts import run_accounts
from ml4t_kernel.compile import jit
from ml4t_kernel.compiled import RUN_TYPE
from ml4t_kernel.sources import digest

IMPORTS = frozenset("pow floor memset memcpy memmove".split())
"""All that an object may need of its platform."""
X86 = ("x86-64-v3", "x86-64-v2")


class Target(NamedTuple):
    """What to compile for: LLVM's triple, zig's, the ending of shared libraries, the levels, the tag of a wheel."""

    triple: str
    zig: str
    ending: str
    levels: tuple[str, ...]
    tag: str


TARGETS = {
    "linux-x86_64": Target(
        "x86_64-unknown-linux-gnu",
        "x86_64-linux-gnu.2.17",
        "so",
        X86,
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
    ),
    "linux-aarch64": Target(
        "aarch64-unknown-linux-gnu",
        "aarch64-linux-gnu.2.17",
        "so",
        ("aarch64",),
        "manylinux_2_17_aarch64.manylinux2014_aarch64",
    ),
    "macos-arm64": Target("arm64-apple-macosx11.0.0", "aarch64-macos.11.0", "dylib", ("aarch64",), "macosx_11_0_arm64"),
    "macos-x86_64": Target("x86_64-apple-macosx10.13.0", "x86_64-macos.10.13", "dylib", X86, "macosx_10_13_x86_64"),
    # not -msvc, which wants `_fltused` of a C library
    "windows-x86_64": Target("x86_64-pc-windows-gnu", "x86_64-windows-gnu", "dll", X86, "win_amd64"),
}
CPUS = {"aarch64": "generic"}
"""LLVM's name of the CPU of a level, where it is not the level's own."""


def this_machine() -> str:
    """The target that this machine is; raises SystemExit where there is none."""
    system = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}.get(platform.system(), platform.system())
    machine = {"AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    name = f"{system}-{machine}"
    if name not in TARGETS:
        raise SystemExit(f"no shared object is made for {name}: of {', '.join(TARGETS)}")
    return name


# The module ----------------------------------------------------------------------------------------------------------


class _LoweredError(Exception):
    """Ends a compilation where the optimiser would begin."""

    def __init__(self, bitcode: bytes) -> None:
        super().__init__("lowered")
        self.bitcode = bitcode


class _ModuleLibrary(jit._EntryLibrary):
    def _optimize_final_module(self) -> None:
        self._make_internal()
        raise _LoweredError(self._final_module.as_bitcode())


class _ModuleCompiler(jit._InnerCompiler):
    library_class = _ModuleLibrary


def lowered() -> bytes:
    """Bitcode of the entry and of all that it calls, linked and not optimised."""
    options = {**jit.OPTIONS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    try:
        njit(pipeline_class=_ModuleCompiler, **options)(run_accounts).compile(RUN_TYPE)
    except _LoweredError as done:
        return done.bitcode
    raise RuntimeError("Numba did not come to the optimiser")


def with_c_entry(bitcode: bytes) -> Any:
    """The module with `ml4t_run`, which loads the arguments of Numba's function from words; all else is internal.

    Numba's function takes a pointer for the result, one for an exception, and then a word of the words for each scalar
    of its arguments, in their order.
    """
    module = llvm.parse_bitcode(bitcode)
    defined = [function for function in module.functions if not function.is_declaration]
    entries = [function for function in defined if function.linkage == llvm.Linkage.external]
    if len(entries) != 1:
        raise RuntimeError(f"expected one external function, not {[function.name for function in entries]}")
    name, kinds = entries[0].name, [str(argument.type) for argument in entries[0].arguments]
    if len(kinds) - 2 != native.WORDS:
        raise RuntimeError(f"Numba's function takes {len(kinds) - 2} words, native.py writes {native.WORDS}")
    lines, passed = [], []
    for word, kind in enumerate(kinds[2:]):
        lines.append(f"  %p{word} = getelementptr i64, ptr %words, i64 {word}")
        lines.append(f"  %a{word} = load {kind}, ptr %p{word}, align 8")
        passed.append(f"{kind} %a{word}")
    text = "\n".join(
        [
            f'target triple = "{module.triple}"',
            f'target datalayout = "{module.data_layout}"',
            f'declare i32 @"{name}"({", ".join(kinds)})',
            f"define i64 @ml4t_words() {{ ret i64 {len(passed)} }}",
            "define i32 @ml4t_run(ptr %words, ptr %answer, ptr %error) {",
            *lines,
            f'  %status = call i32 @"{name}"(ptr %answer, ptr %error, {", ".join(passed)})',
            "  ret i32 %status",
            "}",
        ]
    )
    module.link_in(llvm.parse_assembly(text))
    number = 0
    for thing in (*module.functions, *module.global_variables):
        if not thing.is_declaration and not thing.name.startswith("ml4t_"):
            thing.linkage = "internal"
            # Numba's names carry every type of every argument: megabytes of them
            thing.name, number = f"k{number}", number + 1
    return module


# Machine code --------------------------------------------------------------------------------------------------------


def compiled_for(bitcode: bytes, target: Target, level: str) -> bytes:
    """An object file of the module, optimised for one level; asserts what it needs of the platform."""
    cpu = CPUS.get(level, level)
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=cpu, opt=3, reloc="pic", codemodel="default"
    )
    module = llvm.parse_bitcode(bitcode)
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    # As Numba does: loops are vectorised, straight lines are not.
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.slp_vectorization = True, False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    needed = {function.name for function in module.functions if function.is_declaration}
    needed -= {name for name in needed if name.startswith("llvm.")}
    if not needed <= IMPORTS:
        raise RuntimeError(f"{level} needs {', '.join(sorted(needed - IMPORTS))}, which a platform may not have")
    return machine.emit_object(module)


def linker(name: str) -> list[str]:
    """Command that links objects of a target."""
    if find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", TARGETS[name].zig]
    if name == this_machine() and shutil.which("cc"):
        return ["cc"]
    raise SystemExit(f"nothing here links for {name}: pip install ziglang")


def linked(name: str, code: bytes, file: Path) -> None:
    """Write the shared library of an object file."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "kernel.o"
        source.write_bytes(code)
        libm = [] if name.startswith("windows") else ["-lm"]
        subprocess.run([*linker(name), "-shared", "-s", "-o", str(file), str(source), *libm], check=True)


CRT = frozenset("__cxa_finalize __gmon_start__ _ITM_deregisterTMCloneTable _ITM_registerTMCloneTable".split())
"""What every shared library of Linux may ask for when it is loaded."""
NEWEST_GLIBC = (2, 17)


def _version(name: str) -> tuple[int, ...]:
    """Of a symbol version: (2, 17) of GLIBC_2.17; of GLIBC_PRIVATE, which nobody may ask for, one beyond all."""
    number = name.removeprefix("GLIBC_")
    return tuple(map(int, number.split("."))) if number[0].isdigit() else (sys.maxsize,)


def check_elf(file: Path, oldest: bool) -> None:
    """Raise RuntimeError if an object for Linux needs a symbol, a library or a version of glibc that it must not.

    oldest: linked for glibc 2.17, not for this machine's own.
    """
    from elftools.elf.elffile import ELFFile

    with file.open("rb") as stream:
        elf = ELFFile(stream)
        symbols = elf.get_section_by_name(".dynsym").iter_symbols()
        needed = {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}
        tags = [tag for tag in elf.get_section_by_name(".dynamic").iter_tags() if tag.entry.d_tag == "DT_NEEDED"]
        libraries = {tag.needed for tag in tags}
        versions = elf.get_section_by_name(".gnu.version_r")
        asked = {version.name for _, of in versions.iter_versions() for version in of} if versions else set()
    newer = {name for name in asked if not name.startswith("GLIBC_") or _version(name) > NEWEST_GLIBC}
    wrong = (needed - IMPORTS - CRT) | (libraries - {"libc.so.6", "libm.so.6"}) | (newer if oldest else set())
    if wrong:
        raise RuntimeError(f"{file.name} needs {', '.join(sorted(wrong))}, which a platform may not have")


def tools(name: str) -> dict[str, str]:
    """Versions of what makes the objects of a target: the same ones make the same bytes."""
    links = version("ziglang") if "ziglang" in linker(name) else "cc"
    return {"numba": version("numba"), "llvmlite": version("llvmlite"), "linker": links}


def is_there(name: str, folder: Path) -> bool:
    """Whether the folder holds whole objects of this target, of the sources and tools as they are."""
    try:
        manifest = json.loads((folder / native.MANIFEST).read_text())
        wanted = {"sources": digest(), "target": name, "tools": tools(name)}
        return {key: manifest[key] for key in wanted} == wanted and all(
            hashlib.sha256((folder / made["file"]).read_bytes()).hexdigest() == made["sha256"]
            for made in manifest["objects"].values()
        )
    except (OSError, ValueError, LookupError, TypeError):
        return False


def build(name: str, folder: Path) -> None:
    """Write the objects of a target and their manifest into a folder, which holds nothing else afterwards."""
    if is_there(name, folder):
        print(f"{name}: the objects in {folder} are those of these sources")
        return
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    print(f"{name}: Numba types and lowers the kernel ...", flush=True)
    start = perf_counter()
    bitcode = with_c_entry(lowered()).as_bitcode()
    print(f"  {perf_counter() - start:.1f} s", flush=True)
    target, objects = TARGETS[name], {}
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for level in target.levels:
        start = perf_counter()
        file = folder / f"{level}.{target.ending}"
        linked(name, compiled_for(bitcode, target, level), file)
        if target.ending == "so":
            check_elf(file, oldest="ziglang" in linker(name))
        written = file.read_bytes()
        objects[level] = {"file": file.name, "sha256": hashlib.sha256(written).hexdigest()}
        print(f"  {file.name}: {len(written):,} bytes, {perf_counter() - start:.1f} s", flush=True)
        for other in folder.iterdir():  # what linkers leave beside it (import libraries, debug information)
            if other.name not in {entry["file"] for entry in objects.values()}:
                other.unlink()
    manifest = {"sources": digest(), "target": name, "tag": target.tag, "tools": tools(name), "objects": objects}
    (folder / native.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("target", nargs="?", choices=[*TARGETS, "here"], default="here")
    parser.add_argument("folder", nargs="?", type=Path, default=native.FOLDER)
    given = parser.parse_args()
    build(this_machine() if given.target == "here" else given.target, given.folder)


if __name__ == "__main__":
    main()
