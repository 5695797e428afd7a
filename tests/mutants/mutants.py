"""The list of mutants, read from `mutants.toml` next to this file, and what a mutant does to a source."""

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KERNEL = "ml4t_kernel"


@dataclass(frozen=True)
class Mutant:
    """One break: in `file` of the kernel, or in the `function` of that name wherever it stands, `old` becomes `new`.

    killer: node id of the test that must fail then, below `tests/`; clause: of CONTRACT.md.
    """

    name: str
    clause: str
    old: str
    new: str
    killer: str
    file: str = ""
    function: str = ""

    @property
    def node(self) -> str:
        """The killer as pytest names it from the root of the project."""
        return f"tests/{self.killer}"


@cache
def mutants() -> tuple[Mutant, ...]:
    """All mutants in the order of the list."""
    text = (Path(__file__).parent / "mutants.toml").read_text(encoding="utf-8")
    return tuple(Mutant(**row) for row in tomllib.loads(text)["mutant"])


def span(source: str, function: str) -> tuple[int, int]:
    """Where the function stands in the source; the whole source for no function. KeyError if there is none."""
    if not function:
        return 0, len(source)
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return sum(map(len, lines[: node.lineno - 1])), sum(map(len, lines[: node.end_lineno]))
    raise KeyError(f"no function {function!r}")


def mutated(source: str, mutant: Mutant) -> str:
    """The source with the mutant in it; ValueError if its old text does not stand there exactly once."""
    start, stop = span(source, mutant.function)
    body = source[start:stop]
    count = body.count(mutant.old)
    if count != 1:
        raise ValueError(f"{mutant.name}: old text found {count} times in {mutant.file or mutant.function}")
    return source[:start] + body.replace(mutant.old, mutant.new) + source[stop:]


def source_of(mutant: Mutant, root: Path = ROOT) -> Path:
    """The file that the mutant breaks: named, or the one that defines its function."""
    if mutant.file:
        return root / KERNEL / mutant.file
    files = [path for path in sorted((root / KERNEL).rglob("*.py")) if _defines(path, mutant.function)]
    if len(files) != 1:
        raise KeyError(f"{mutant.name}: function {mutant.function!r} is defined in {len(files)} files")
    return files[0]


def _defines(path: Path, function: str) -> bool:
    return f"\ndef {function}(" in path.read_text(encoding="utf-8")
