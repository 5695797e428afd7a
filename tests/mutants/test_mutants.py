"""The list of mutants fits the sources and the tests as they are: it cannot rot between two runs of `make mutants`."""

import ast

import pytest

from mutants.mutants import ROOT, mutants, mutated, source_of


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_fits_its_source_and_its_killer_exists(mutant):
    source = source_of(mutant).read_text(encoding="utf-8")
    broken = mutated(source, mutant)
    assert broken != source
    ast.parse(broken)
    path, _, name = mutant.node.partition("::")
    tests = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assert name in {node.name for node in tests if isinstance(node, ast.FunctionDef)}


def test_there_are_sixty_mutants_or_more_with_names_of_their_own():
    names = [mutant.name for mutant in mutants()]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


def test_every_file_of_the_kernel_that_decides_something_has_a_mutant():
    broken = {source_of(mutant).name for mutant in mutants()}
    names = {path.name for path in (ROOT / "ml4t_kernel").rglob("*.py")}
    schema = {path.name for path in (ROOT / "ml4t_kernel" / "schema").iterdir()}
    no_decisions = {path.name for path in (ROOT / "ml4t_kernel" / "objects").iterdir()}
    no_decisions |= set("jit.py references.py compiled.py entries.py native.py boundary.py".split())
    no_decisions |= set("modes.py sources.py warmup.py".split())
    assert names - broken - schema == no_decisions - {"__init__.py", "__pycache__"}


def test_the_committed_table_lists_these_mutants_all_killed():
    table = (ROOT / "tests" / "mutants" / "RESULT.md").read_text(encoding="utf-8").splitlines()
    listed = [[cell.strip() for cell in line.strip("|").split("|")] for line in table if line.startswith("| ")][1:]
    assert [row[0] for row in listed] == [mutant.name for mutant in mutants()]
    assert {row[-1] for row in listed} == {"killed"}
