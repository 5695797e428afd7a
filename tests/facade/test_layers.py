"""How the packages hang together: no circle of imports, layers as pyproject.toml has them, panels with a type."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
KINDS = ("facade.strategies.orders", "facade.strategies.signals", "facade.strategies.targets")


def circles(imports):
    """Sets of modules that import each other, directly or by way of others; imports: module -> what it imports."""
    reached = {}
    for start in imports:
        seen, waiting = set(), list(imports[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += imports.get(module, ())
        reached[start] = seen
    return {frozenset(other for other in seen if module in reached[other]) for module, seen in reached.items()} - {
        frozenset()
    }


@pytest.fixture(scope="module")
def facade():
    """The graph of imports, those inside functions and under TYPE_CHECKING included."""
    return grimp.build_graph("facade", cache_dir=None)


def test_a_circle_is_found_however_long():
    straight = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert circles(straight) == set()
    assert circles(straight | {"c": {"a"}}) == {frozenset("abc")}
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}, "e": {"a"}}) == {frozenset("ab"), frozenset("cd")}


def test_no_circle_of_imports(facade):
    imports = {module: facade.find_modules_directly_imported_by(module) for module in facade.modules}
    assert len(imports) > 80
    assert circles(imports) == set()


def test_imports_point_downwards():
    """The contracts of the linter, each of them whole: a room without a layer breaks one too."""
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    told = subprocess.run(
        [*command, "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert " 0 broken" in told.stdout


def test_only_the_public_face_knows_the_kinds_of_strategy(facade):
    """Encoding, cutting and digests ask the strategy: whoever adds a kind touches its file and the public face."""
    for kind in KINDS:
        assert facade.find_modules_that_directly_import(kind) == {"facade"}, kind


def untyped_panels(source):
    """Names and lines of parameters and variables called panel that are not typed, or typed as anything."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg):
            name, annotation = node.arg, node.annotation
        elif isinstance(node, ast.AnnAssign):
            name, annotation = ast.unparse(node.target).rpartition(".")[2], node.annotation
        else:
            continue
        said = "Any" if annotation is None else ast.unparse(annotation)
        if name.strip("_") == "panel" and re.search(r"\b(Any|object)\b", said):
            found.append((name, node.lineno))
    return found


def test_every_panel_is_typed():
    assert untyped_panels("def f(panel: Any): ...") == [("panel", 1)]
    assert untyped_panels("def f(panel: 'Any'): ...") == [("panel", 1)]
    assert untyped_panels("def f(panel, *, other): ...") == [("panel", 1)]
    assert untyped_panels("class A:\n    _panel: Any | None") == [("_panel", 2)]
    assert untyped_panels("def f(panel: Panel, prices: Any): ...") == []
    for path in sorted((ROOT / "facade").rglob("*.py")):
        found = untyped_panels(path.read_text(encoding="utf-8"))
        assert not found, f"{path.relative_to(ROOT)}: {found}"
