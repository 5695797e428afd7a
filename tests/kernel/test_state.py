"""STATE and WORK: each field has a sentence, somebody who writes it and somebody who reads it."""

import ast
from pathlib import Path

import pytest

import facade
import ml4t_kernel
from ml4t_kernel.schema import POSITION, QUEUE, STATE, STATE_FIELDS, WORK

KERNEL = Path(ml4t_kernel.__file__).parent
FACADE = Path(facade.__file__).parent
ROWS_BY_TABLE = {"orders", "details", "fills", "trades", "ambiguous", "booked", "charges", "incidents"}
"""Counters that the facade reads by the name of their table."""


def accesses(folder):
    """(names of attributes written, read), and every string in subscripts, over all sources below `folder`."""
    written, read, keys = set(), set(), set()
    for path in folder.rglob("*.py"):
        if path.parent.name == "schema":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                (written if isinstance(node.ctx, ast.Store) else read).add(node.attr)
            if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute):
                written.add(node.target.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                keys.add(node.value)
    return written, read, keys


WRITTEN, READ, _ = accesses(KERNEL)
KEYS = accesses(FACADE)[2]


def test_the_table_is_the_record():
    listed = [name for group in STATE_FIELDS.values() for name in group]
    assert len(listed) == len(set(listed))
    assert {*listed, "refusals"} == set(STATE.names)
    for group in STATE_FIELDS.values():
        for name, (kind, sentence) in group.items():
            assert STATE[name] == kind, name
            assert sentence.endswith("."), name
            assert len(sentence) > 4, name


@pytest.mark.parametrize("name", [name for name in STATE.names if name != "refusals"])
def test_a_field_has_a_writer_and_a_reader(name):
    assert name in WRITTEN, "nobody writes it"
    assert name in READ or name in KEYS or name in ROWS_BY_TABLE, "nobody reads it"


@pytest.mark.parametrize("name", [*WORK.names, *POSITION.names, *QUEUE.names])
def test_records_of_the_loop_have_no_dead_field(name):
    if not name.startswith("pad"):
        assert name in WRITTEN or name in ("held",), "nobody writes it"
        assert name in READ, "nobody reads it"
