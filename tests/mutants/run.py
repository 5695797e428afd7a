"""`python -m tests.mutants.run [--only NAME ...] [--jobs 2]`: run every mutant against the test that must kill it.

Each worker breaks its own copy of the project, interpreted, so that nothing is compiled and the sources stay untouched.
Writes RESULT.md next to this file when all mutants ran; exits with 1 if one survived or fits no longer.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter

from .mutants import ROOT, Mutant, mutants, mutated, source_of

PARTS = ("ml4t_kernel", "facade", "tests", "pyproject.toml")
TIMEOUT = 60  # seconds; a mutant that loops for ever is noticed too
TIMEOUT_OF_ALL = 600  # seconds for all killers together
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "--no-header")
KILLED, SURVIVED, LOST = "killed", "SURVIVED", "DOES NOT FIT"


def copy_of_project(folder: Path) -> Path:
    """The sources that a killer needs, in a folder of their own."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    return folder


def passes(root: Path, *nodes: str, timeout: float = TIMEOUT) -> bool:
    """Do these tests pass on the copy at `root`?"""
    own = {
        "NUMBA_DISABLE_JIT": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPYCACHEPREFIX": str(root / "bytecode"),
    }
    environment = {**os.environ, **own}
    environment.pop("PYTHONPATH", None)
    command = [sys.executable, "-m", "pytest", *OPTIONS, *nodes]
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):  # 1: tests failed; anything else: they did not run
        raise RuntimeError(f"pytest could not run {nodes}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def write_source(path: Path, source: str) -> None:
    """Write a source that no bytecode of an earlier text of the same second and length is taken for."""
    later = path.stat().st_mtime + 2
    path.write_text(source, encoding="utf-8")
    os.utime(path, (later, later))


def verdict(mutant: Mutant, root: Path) -> str:
    """Break the copy, run the killer, mend the copy."""
    try:
        path = source_of(mutant, root)
        source = path.read_text(encoding="utf-8")
        broken = mutated(source, mutant)
    except (KeyError, ValueError):
        return LOST
    write_source(path, broken)
    try:
        return SURVIVED if passes(root, mutant.node) else KILLED
    finally:
        write_source(path, source)


def run(chosen: list[Mutant], jobs: int, folder: Path) -> list[str]:
    """The verdict on each mutant, in order; `jobs` copies of the project serve them."""
    copies: SimpleQueue[Path] = SimpleQueue()
    for job in range(jobs):
        copies.put(copy_of_project(folder / str(job)))
    first = folder / "0"
    if not passes(first, *sorted({mutant.node for mutant in chosen}), timeout=TIMEOUT_OF_ALL):
        raise SystemExit("the killers must pass on the kernel as it is: run them first")

    def judge(mutant: Mutant) -> str:
        root, started = copies.get(), perf_counter()
        try:
            found = verdict(mutant, root)
        finally:
            copies.put(root)
        print(f"{found:12s} {perf_counter() - started:6.1f} s  {mutant.clause:4s} {mutant.name}", flush=True)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(judge, chosen))


def write_result(chosen: list[Mutant], verdicts: list[str]) -> None:
    """The table that is committed."""
    killed = verdicts.count(KILLED)
    lines = [
        "# Mutants of the kernel",
        "",
        f"{len(chosen)} mutants, {killed} killed, {len(chosen) - killed} not. Written by `make mutants`.",
        "",
        "| mutant | clause | where | killed by | verdict |",
        "|---|---|---|---|---|",
    ]
    for mutant, found in zip(chosen, verdicts, strict=True):
        test = mutant.killer.split("::")[-1]
        lines.append(f"| {mutant.name} | {mutant.clause} | `{mutant.function or mutant.file}` | `{test}` | {found} |")
    (Path(__file__).parent / "RESULT.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants.run", description="Do the tests notice a broken kernel?"
    )
    parser.add_argument("--only", metavar="NAME", nargs="+", help="mutants whose name contains one of these; no table")
    parser.add_argument("--jobs", type=int, default=2, help="copies of the project that work side by side")
    given = parser.parse_args()
    chosen = [mutant for mutant in mutants() if any(name in mutant.name for name in given.only or ("",))]
    if not chosen:
        parser.error(f"no mutant is called {given.only!r}")
    with tempfile.TemporaryDirectory() as folder:
        verdicts = run(chosen, given.jobs, Path(folder))
    alive = [mutant.name for mutant, found in zip(chosen, verdicts, strict=True) if found != KILLED]
    if given.only is None:
        write_result(chosen, verdicts)
    print(f"{len(chosen)} mutants, {len(chosen) - len(alive)} killed" + "".join(f"\nalive: {name}" for name in alive))
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
