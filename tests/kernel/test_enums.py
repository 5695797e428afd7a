"""Every member of every enum is classified for every question that the kernel asks of it, and nothing asks by number.

Values are added at the end of an enum. A test of a range would take a new one in, or leave it out, in silence: the
kernel asks by named predicates that list their members, and a new member fails here until somebody has said what it is.
"""

import ast
from enum import IntEnum
from pathlib import Path

import pytest
from numba import types

import ml4t_kernel
from ml4t_kernel.compile.jit import entry
from ml4t_kernel.decide import sizing
from ml4t_kernel.orders import types as orders
from ml4t_kernel.schema import (
    ActionKind,
    Ambiguity,
    Batch,
    BornSide,
    ChargeKind,
    EventKind,
    Gone,
    InstrumentKind,
    IntentAction,
    Kind,
    Listed,
    Origin,
    Phase,
    Reason,
    RunStatus,
    SizeType,
    SpreadMode,
    Status,
    Tie,
    TimeInForce,
    enums,
)

SOURCES = Path(ml4t_kernel.__file__).parent


def truth(predicate, enum):
    """Names of the members for which the predicate holds; it has no wrapper of its own, so an entry is made of it."""
    ask = entry(types.boolean(types.int64), getattr(predicate, "py_func", predicate))
    return {member.name for member in enum if ask(int(member))}


def names(text):
    return set(text.split())


# A row a question: the predicate, and the members of which it is true and false. Together they are the whole enum.
QUESTIONS = [
    (orders.has_limit, Kind, "LIMIT STOP_LIMIT", "MARKET STOP TRAILING_STOP"),
    (orders.has_fixed_stop, Kind, "STOP STOP_LIMIT", "MARKET LIMIT TRAILING_STOP"),
    (orders.rests_inside, TimeInForce, "GTC DAY BARS", "IOC AT_OPEN AT_CLOSE"),
    (orders.acts_at_opens_only, TimeInForce, "IOC AT_OPEN", "GTC DAY BARS AT_CLOSE"),
    (orders.is_bound_to_a_phase, TimeInForce, "IOC AT_OPEN AT_CLOSE", "GTC DAY BARS"),
    (orders.is_open_status, Status, "DECIDED LIVE", "FILLED CANCELLED REJECTED EXPIRED REPLACED"),
    (
        orders.is_cut,
        Reason,
        "CASH NO_SHORT COOLDOWN MINIMUM LOT VOLUME DIVIDEND MARGIN LEVERAGE MARGIN_CALL NO_BORROW",
        "NONE EXPIRED REPLACED GROUP CANCELLED FLAT DELISTED BANKRUPT NO_PRICE NO_EQUITY SIGNAL_EXIT RESTORED",
    ),
    (
        orders.is_stop_out,
        Origin,
        "STOP_LOSS TRAILING_STOP BREAK_EVEN",
        "ORDER TARGET SIGNAL_ENTRY SIGNAL_EXIT CHILD TAKE_PROFIT TIME_EXIT DELISTING BANKRUPTCY CASH_IN_LIEU "
        "MARGIN_CALL RECALL",
    ),
    (
        orders.exits_a_position,
        Origin,
        "CHILD STOP_LOSS TAKE_PROFIT TRAILING_STOP BREAK_EVEN TIME_EXIT MARGIN_CALL RECALL",
        "ORDER TARGET SIGNAL_ENTRY SIGNAL_EXIT DELISTING BANKRUPTCY CASH_IN_LIEU",
    ),
    (
        orders.is_sized_entry,
        Origin,
        "TARGET SIGNAL_ENTRY",
        "ORDER SIGNAL_EXIT CHILD STOP_LOSS TAKE_PROFIT TRAILING_STOP BREAK_EVEN TIME_EXIT DELISTING BANKRUPTCY "
        "CASH_IN_LIEU MARGIN_CALL RECALL",
    ),
    (
        sizing.is_target_size,
        SizeType,
        "TARGET_SHARES TARGET_VALUE TARGET_FRACTION",
        "SHARES VALUE FRACTION",
    ),
    (sizing.counts_shares, SizeType, "SHARES TARGET_SHARES", "VALUE FRACTION TARGET_VALUE TARGET_FRACTION"),
    (sizing.counts_value, SizeType, "VALUE TARGET_VALUE", "SHARES FRACTION TARGET_SHARES TARGET_FRACTION"),
    (sizing.counts_equity, SizeType, "FRACTION TARGET_FRACTION", "SHARES VALUE TARGET_SHARES TARGET_VALUE"),
]
MATCHED = {
    # Enums whose members the kernel tells apart one by one: a new one needs a branch where these are compared.
    Tie: "PESSIMISTIC OPTIMISTIC NEAREST",
    Phase: "OPEN INSIDE CLOSE DECISION_CLOSE BOOKING",
    ActionKind: "SPLIT DIVIDEND DELISTING STALE",
    IntentAction: "SUBMIT CANCEL REPLACE",
    ChargeKind: "BORROW INTEREST FLOW FUNDING",
    EventKind: "MARGIN_CALL BANKRUPT FLOW_REFUSED RECALL",
    InstrumentKind: "STOCK FUTURE PERPETUAL",
    Ambiguity: "TWO_SIDED ENTRY_BAR TRAIL",
    RunStatus: "OK GROW_TAPE GROW_QUEUES",
    Gone: "NO DELISTED STALE",
    Batch: "ALONE IN_BATCH AGAINST",
    Listed: "NOWHERE WAITING ASLEEP",
    BornSide: "NEITHER UP DOWN",
    SpreadMode: "RUN_WIDE PER_ASSET PER_BAR",
}


@pytest.mark.parametrize(("predicate", "enum", "yes", "no"), QUESTIONS)
def test_every_member_is_classified(predicate, enum, yes, no):
    assert names(yes) | names(no) == set(enum.__members__), "a member that nobody has classified"
    assert truth(predicate, enum) == names(yes)


ENUMS = {value for value in vars(enums).values() if isinstance(value, type) and issubclass(value, IntEnum)} - {IntEnum}


def test_every_enum_is_asked_about():
    assert {enum for _, enum, _, _ in QUESTIONS} | set(MATCHED) == ENUMS
    for enum, members in MATCHED.items():
        assert set(enum.__members__) == names(members), enum


def test_a_size_has_one_unit():
    units = [truth(ask, SizeType) for ask in (sizing.counts_shares, sizing.counts_value, sizing.counts_equity)]
    assert sorted(name for unit in units for name in unit) == sorted(SizeType.__members__)


def test_integers_are_those_of_the_enums():
    """Each enum is unwrapped whole, in its order: a member added at the end has to be named there too."""
    plain = {name: value for name, value in vars(enums).items() if name.isupper() and type(value) is int}
    prefixes = {Reason: "R_", Origin: "O_", ActionKind: "A_", ChargeKind: "C_", EventKind: "E_", Gone: "G_"}
    for enum in ENUMS:
        prefix = prefixes.get(enum, "")
        assert {member.name: plain.get(prefix + member.name) for member in enum} == {m.name: int(m) for m in enum}


# No bare numbers -----------------------------------------------------------------------------------------------------

ENUM_FIELDS = {
    "kind",
    "time_in_force",
    "status",
    "reason",
    "origin",
    "stop_origin",
    "phase",
    "at",
    "batch",
    "gone",
    "listed",
    "tie",
    "size_type",
    "spread_mode",
    "action",
    "born_side",
}


def name_of(node):
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_number(node):
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and type(inner.value) in (int, float)


def is_flag(node):
    """`listed` of a position is a flag; as a cursor, `s.action` counts rows."""
    owner = node.value.id if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) else ""
    return (owner, name_of(node)) in {("p", "listed"), ("s", "action")}


def bare_numbers(tree):
    """(line, what) of every comparison, assignment, arithmetic or argument that gives an enum a number or an order."""
    parameters = {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            about = [side for side in sides if name_of(side) in ENUM_FIELDS and not is_flag(side)]
            if about and any(is_number(side) for side in sides):
                yield node.lineno, f"{name_of(about[0])} compared with a number"
            if about and any(isinstance(operator, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for operator in node.ops):
                yield node.lineno, f"{name_of(about[0])} compared by order"
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if name_of(target) in ENUM_FIELDS and not is_flag(target) and is_number(node.value):
                    yield node.lineno, f"{name_of(target)} becomes a number"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and name_of(node.left) in ENUM_FIELDS:
            yield node.lineno, f"arithmetic with {name_of(node.left)}"
        elif isinstance(node, ast.Call):
            for parameter, argument in zip(parameters.get(name_of(node.func), []), node.args, strict=False):
                if parameter in ENUM_FIELDS and is_number(argument):
                    yield node.lineno, f"{parameter} is given as a number"


def kernel_sources():
    return [path for path in sorted(SOURCES.rglob("*.py")) if path.parent.name not in ("schema", "compile")]


def test_no_bare_enum_number_in_the_kernel():
    # all functions of the kernel in one tree, so that calls across files are seen too
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in kernel_sources()}
    everything = ast.Module(body=[node for tree in trees.values() for node in tree.body], type_ignores=[])
    assert list(bare_numbers(everything)) == []


def test_enums_are_unwrapped_in_the_schema_only():
    """Elsewhere in the loop no `int(Enum.MEMBER)`, which was how numbers came back under names of their own."""
    members = {
        f"{enum.__name__}.{member.name}" for enum in {e for _, e, _, _ in QUESTIONS} | set(MATCHED) for member in enum
    }
    for path in kernel_sources():
        if path.name == "market.py":
            continue  # plain NumPy before the loop
        text = path.read_text(encoding="utf-8")
        assert not [member for member in members if f"int({member})" in text], path


@pytest.mark.parametrize(
    "line",
    [
        "o.status <= LIVE",
        "p.stop_origin = 7",
        "w.phase == 3",
        "0 < reason <= 5",
        "params.size_type % 3",
        "end_order(k, FILLED, 0)",
    ],
)
def test_the_test_sees_what_it_looks_for(line):
    assert list(bare_numbers(ast.parse(f"def end_order(k, status, reason):\n    pass\n\n{line}\n")))
