"""Values of a grid: those of fields are what Config makes of them; parameters, strategies, symbols, windows; labels."""

import math
import re
from collections import OrderedDict
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.config.model import Config
from facade.config.per_asset import PerAsset
from facade.errors import ConfigError
from facade.sweeps.grid.checks import ALONE
from sweep_grids import NAN, TWO, Thing, Unhashable, Whole, Word, assert_sound, read, refusal, rows_of

POOL = [
    *(0, 1, 2, 5, 20, -1, 10**30, -(10**400), True, False, None, Whole.TWO, Word.BAR, Decimal("0.5"), 1j, b"bar"),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -0.25, -1.0, 2.0, 1e308, 5e-324, NAN, math.inf, -math.inf, "0.5", "", "auto", "none"),
    *(np.float64(0.5), np.float32(0.1), np.float16(0.5), np.int64(3), np.int8(1), np.uint64(2**63), np.bool_(True)),
    *(np.float64(NAN), np.str_("bar"), np.datetime64(5, "ns"), np.array(0.5), np.array([0.5]), object, Thing()),
    *({}, {"A": 0.5}, {"A": np.float64(0.5)}, {"A": 1}, {"A": np.int64(2), "B": 3}, {"A": True}, {"A": None}, {1: 0.5}),
    *(
        {"A": NAN},
        {"A": 5.0},
        PerAsset({"A": 0.5}),
        OrderedDict(A=0.5),
        {"A": {"B": 0.5}},
        [("A", 0.5)],
        "spread",
        "bar",
    ),
    *([], (), [0.5], [(0, 0.001)], [[0, 0.001], [1e4, 0.0]], ((0.0, 0.001), (1, 0.5)), [(0, 0.001), (0, 0.5)], [(0,)]),
    *([(0, np.float64(0.001))], [(0, 1.0)], [(1.0, 0.001)], [(0, True)], [(0, NAN)], [{"a": 0.0, "b": 0.001}]),
    *([(float(k), 0.001) for k in range(9)], [(float(k), 0.001) for k in range(3)], "x" * 100, date(2024, 1, 1)),
    *("previous next_bar same_bar_close pessimistic optimistic nearest through touch proved assumed lagged".split()),
    *("extreme close shrink reject submission rank fill signal Bar".split()),
    *("cash margin pro_rata all unlimited listed excess off".split()),
]


def alone(name, value):
    """A Config with this value, and no other field that could forbid it."""
    return Config(**{name: value}, **ALONE.get(name, {}))


def as_config(name, value):
    """What Config makes of a value, as (accepted, type, repr)."""
    try:
        held = getattr(alone(name, value), name)
    except ConfigError:
        return False, None, None
    return True, type(held), repr(held)


@pytest.mark.parametrize("name", Config.model_fields)
def test_each_value_of_a_field_is_accepted_refused_and_coerced_as_config_does(name):
    accepted, base = [], Config(**ALONE.get(name, {}))
    for value in POOL:
        expected = as_config(name, value)
        try:
            column = read({name: [value]}, base).columns[0]
            found = True, type(column.values[0]), repr(column.values[0])
        except ConfigError as error:
            found = False, None, None
            assert str(error).startswith(f"grid row 0, column {name!r}: Config {name}")
        assert found == expected, value
        accepted += [value] * expected[0]
    together = assert_sound(read({name: accepted}, base)).columns[0]
    assert together.kind == "config"
    assert [together.value(row) for row in range(len(accepted))] == [getattr(alone(name, v), name) for v in accepted]
    plain = [value for value in accepted if type(value) in (bool, int, float, str, type(None)) and str(value) != "-0.0"]
    column = read({name: plain or [None]}, base).columns[0]  # all at once by the adapter of the type
    held = [getattr(alone(name, value), name) for value in plain or [None]]
    assert repr([column.value(row) for row in range(len(held))]) == repr(held)


@given(st.sampled_from(list(Config.model_fields)), st.data())
def test_random_lists_of_numbers_are_accepted_refused_and_coerced_as_config_does(name, data):
    number = st.one_of(st.floats(), st.floats(0, 1), st.integers(-2, 30), st.booleans(), st.none())
    values = data.draw(st.lists(number, min_size=1, max_size=6))
    expected, base = [as_config(name, value) for value in values], Config(**ALONE.get(name, {}))
    if all(entry[0] for entry in expected):
        column = assert_sound(read({name: values}, base)).columns[0]
        held = [getattr(alone(name, value), name) for value in values]
        assert [column.value(row) for row in range(len(values))] == held
        assert [type(column.value(row)) for row in range(len(values))] == [type(value) for value in held]
    else:
        bad = [entry[0] for entry in expected].index(False)
        assert f"grid row {bad}, column {name!r}: Config {name}={values[bad]!r}" in refusal({name: values}, base)


def test_config_has_no_rule_between_fields_that_a_grid_would_miss():
    decorators = Config.__pydantic_decorators__
    assert set(decorators.model_validators) == {"_plain_numbers", "_maximum_above_minimum", "_margins_agree"}


def test_margins_that_cross_are_refused_by_row_and_only_there():
    grid = read({"maintenance_margin": [np.float64(0.3), np.float64(0.9)]}, Config(initial_margin=1.0))
    assert grid.column("maintenance_margin").values == (0.3, 0.9)
    rows = {"initial_margin": [0.2, 0.5], "maintenance_margin": [0.1, 0.3]}
    assert "grid row 1: Config maintenance_margin=0.3 is above initial_margin=0.2" in refusal(rows)
    text = refusal({"short_maintenance_margin": [0.2, 0.6]})
    assert "grid row 1: Config short_maintenance_margin=0.6 is above short_initial_margin=0.5" in text
    text = refusal({"account": ["cash", "margin"], "settlement": [0, 2]})
    assert "grid row 3: Config settlement=2 is of account='cash'" in text


def test_values_that_config_holds_alike_are_one_value_of_two_rows():
    grid = assert_sound(read({"lot": [1, 1.0, np.int32(1), 2, np.float32(2)]}))
    assert grid.rows == 5 and grid.columns[0].values == (1.0, 2.0)
    assert grid.columns[0].codes.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    "axis", [np.linspace(0.1, 0.5, 5), np.float32([0.25, 0.5]), range(1, 4), (1, 2), pl.Series([1, 2])]
)
def test_arrays_ranges_tuples_and_series_are_axes(axis):
    grid = assert_sound(read({"lot": axis, "fast": axis}, parameters=TWO))
    expected = [float(value) for value in axis]
    assert list(grid.column("lot").values) == expected == list(grid.column("fast").values)
    assert {type(value) for value in grid.column("fast").values} <= {int, float}


def test_a_pandas_series_is_an_axis_and_a_pandas_frame_a_grid():
    pandas = pytest.importorskip("pandas")
    assert read({"cooldown": pandas.Series([1, 2])}).columns[0].values == (1, 2)
    frame = pandas.DataFrame({"stop_loss": [0.1, NAN], "tie": ["nearest", "optimistic"]})
    assert rows_of(read(frame)) == [{"stop_loss": 0.1, "tie": "nearest"}, {"stop_loss": None, "tie": "optimistic"}]


def test_parameters_are_distinct_by_value_and_type():
    values = [1, 1.0, True, "1", 1, None, (1, 2), (1.0, 2), [1, 2], [1, 2], {"a": 1}, {"a": True}, {"a": 1}, {1}, {1}]
    grid = assert_sound(read({"fast": values}, None, TWO))
    column = grid.columns[0]
    assert column.codes.tolist() == [0, 1, 2, 3, 0, 4, 5, 6, 7, 7, 8, 9, 8, 10, 10]
    assert [type(value) for value in column.values[:4]] == [int, float, bool, str]
    assert column.labels[:6] == ("1", "1.0", "True", "1 (2)", None, "(1, 2)")
    assert grid.frame().schema["fast"] == pl.String


def test_objects_are_parameters_with_readable_labels():
    first, second, same = Thing(), Thing(), Unhashable(1)
    arrays = [
        np.zeros(3),
        np.zeros(3),
        np.zeros((3, 3)),
        np.array([1, "a"], dtype=object),
        np.array([1, "a"], dtype=object),
    ]
    frame = pl.DataFrame({"x": [1]})
    values = [first, second, first, math.sqrt, Thing, partial(int, base=2), *arrays, same, same, Unhashable(1), frame]
    column = assert_sound(read({"fast": values}, None, TWO)).columns[0]
    assert column.codes.tolist() == [0, 1, 0, 2, 3, 4, 5, 5, 6, 7, 7, 8, 8, 9, 10]
    assert column.labels[:4] == ("Thing", "Thing (2)", "sqrt", "Thing (3)")
    assert column.labels[5] == "array([0., 0., 0.])" and column.labels[6] == "ndarray(3, 3)"
    assert column.labels[8:] == ("Unhashable(1)", "Unhashable(1) (2)", "DataFrame(1, 1)")
    assert not any("0x" in label for label in column.labels)


def test_labels_of_the_same_text_are_numbered_and_never_clash():
    values = [("a",), "('a',) (2)", ["a"], "('a',)", "x" * 100 + "1", "x" * 100 + "2", ("x" * 100,)]
    labels = read({"fast": values}, None, TWO).columns[0].labels
    assert labels[:4] == ("('a',)", "('a',) (2)", "['a']", "('a',) (3)")
    assert len(set(labels)) == len(values) and len(labels[6]) == 60


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2.5], pl.Float64),
        ([1, 1.0], pl.String),
        ([2**53 + 1, 0.5], pl.String),
        ([2**63 - 1, -(2**63)], pl.Int64),
        ([2**63, 1], pl.String),
        ([True, None], pl.Boolean),
        ([True, 0], pl.String),
        ([None], pl.String),
        (["a", None], pl.String),
        ([date(2024, 1, 1)], pl.String),
        ([math.inf, 0.5], pl.Float64),
        ([Whole.TWO, 2], pl.String),
    ],
)
def test_dtype_of_the_labels_of_a_parameter(values, dtype):
    column = assert_sound(read({"fast": values}, None, TWO)).columns[0]
    assert column.shown.dtype == dtype and len(column.values) == len(values)


def test_labels_of_fields_that_mix_numbers_and_text():
    grid = assert_sound(read({"max_participation": ["auto", 1, None], "spread": [0, {"A": 0.001}, "spread"]}))
    assert grid.column("max_participation").values == ("auto", 1.0, None)
    assert grid.column("max_participation").labels == ("auto", "1.0", None)
    assert grid.column("spread").labels == ("0.0", "{'A': 0.001}", "spread")


def test_numpy_scalars_become_plain_and_times_stay():
    values = [
        np.int64(1),
        np.float32(0.5),
        np.bool_(True),
        np.str_("a"),
        np.datetime64("2024-01-01T00:00:00.000000001"),
    ]
    found = read({"fast": values}, None, TWO).columns[0].values
    assert [type(value) for value in found[:4]] == [int, float, bool, str]
    assert found[4] == values[4]
    times = np.array(["2024-01-01", "2024-01-02"], "datetime64[ns]")
    assert list(read({"fast": times}, None, TWO).columns[0].values) == list(times)


def test_every_variant_is_an_axis_in_front():
    for grid in (None, {}):
        assert rows_of(read(grid, variants=["a", "b"])) == [{"strategy": "a"}, {"strategy": "b"}]
    rows = rows_of(assert_sound(read([{"lot": 1}, {"lot": 2}], variants=["a", "b"])))
    assert rows == [{"strategy": name, "lot": lot} for name in "ab" for lot in (1.0, 2.0)]
    assert "grid row 1, column 'lot'" in refusal([{"lot": 1}, {"lot": -2}], variants=["a", "b"])
    assert rows_of(read([{}, {}], variants=["a"])) == [{"strategy": "a"}] * 2


def test_a_strategy_axis_names_variants():
    grid = assert_sound(read({"lot": [1, 2], "strategy": ["b"]}, variants=["a", "b"]))
    assert rows_of(grid) == [{"lot": 1.0, "strategy": "b"}, {"lot": 2.0, "strategy": "b"}]
    assert grid.column("strategy").kind == "strategy" and not grid.changes(0).keys() & {"strategy"}
    message = refusal({"strategy": ["b", "momentun"]}, variants=["momentum", "b"])
    assert message.startswith("grid row 1, column 'strategy': 'momentun' is not one of the strategies: 'momentum', 'b'")
    assert message.endswith("did you mean 'momentum'?")
    for value in (None, 1, NAN, ["a"]):
        assert "is not one of the strategies" in refusal({"strategy": ["a", value]}, variants=["a", "b"])
    rows = [{"strategy": "a", "lot": 1}, {"lot": 1}]
    assert "grid row 1, column 'strategy': the row names no strategy" in refusal(rows, variants=["a", "b"])


def test_symbols_are_lists_or_labelled_lists():
    many = [f"S{number}" for number in range(500)]
    grid = assert_sound(read({"symbols": [["A", "B"], ("A", "B"), np.array(["B"]), None, many]}))
    column = grid.column("symbols")
    assert column.kind == "symbols" and column.values == (("A", "B"), ("B",), None, tuple(many))
    assert column.labels == ("A, B", "B", "all", "S0, S1, S2 and 497 more")
    labelled = assert_sound(read({"symbols": {"tech": ["A"], "same": ["A"], "rest": None}})).column("symbols")
    assert labelled.labels == ("tech", "same", "rest") and labelled.values == (("A",), ("A",), None)
    again = assert_sound(read(read({"symbols": {"tech": ["A"], "rest": ["B"]}})))
    assert again.column("symbols").labels == ("tech", "rest")
    alike = read({"symbols": [[*many, "X"], [*many, "Y"]]}).column("symbols")
    assert alike.labels == ("S0, S1, S2 and 498 more", "S0, S1, S2 and 498 more (2)")


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        (["A", "B"], r"grid row 0, column 'symbols': 'A' is not a list of symbols; .* such as \['A'\]"),
        ([["A"], []], "grid row 1, column 'symbols': the list of symbols is empty"),
        ([["A"], ["A", "B", "A"]], "grid row 1, column 'symbols': the symbol 'A' is named twice"),
        ([["A", 5]], "5 is not a symbol"),
        ([["A", None]], "None is not a symbol"),
        ([[""]], "'' is not a symbol"),
        ([5], "5 is not allowed"),
        ([{"A": 1}], "is not allowed; each value is a list of symbols"),
        ([{"A", "B"}], "is not allowed; each value is a list of symbols"),
        ({}, "grid axis 'symbols' is empty"),
        ({"tech": "A"}, "'A' is not a list of symbols"),
        ({5: ["A"]}, "the label 5 is not allowed; labels are text"),
        ("A", "is not a list of values"),
    ],
)
def test_symbols_of_a_wrong_type_are_refused(axis, words):
    assert re.search(words, refusal({"symbols": axis}))


def test_windows_are_pairs_inclusive_and_open_where_none():
    zone = datetime(2020, 1, 1, tzinfo=UTC)
    pairs = [
        ("2020-01-01", "2020-12-31"),
        [date(2020, 1, 1), date(2020, 12, 31)],
        (None, "2020-12-31T16:00"),
        (np.datetime64("2020-01-01"), None),
        (zone, zone),
        ("2020-01-01T12:00", "2020-01-01"),
        None,
        {"start": None, "end": None},
    ]
    column = assert_sound(read({"window": pairs})).column("window")
    year = date(2020, 1, 1), date(2020, 12, 31)
    assert column.codes.tolist() == [0, 0, 1, 2, 3, 4, 5, 5]
    assert column.values == (
        year,
        (None, datetime(2020, 12, 31, 16)),
        (date(2020, 1, 1), None),
        (zone, zone),
        (datetime(2020, 1, 1, 12), date(2020, 1, 1)),
        (None, None),
    )
    assert column.labels[0] == "2020-01-01 to 2020-12-31" and column.labels[1] == "start to 2020-12-31 16:00:00"
    labelled = read({"window": {"calm": ("2017-01-01", "2017-12-31"), "storm": ("2020-02-01", None)}}).column("window")
    assert labelled.labels == ("calm", "storm") and labelled.values[1] == (date(2020, 2, 1), None)
    days = np.array([["2020-01-01", "2020-12-31"]], "datetime64[D]")
    assert read({"window": days}).column("window").values == (year,)


@pytest.mark.parametrize(
    ("window", "words"),
    [
        (("2021-01-01", "2020-01-01"), "the start lies after the end"),
        (("2020-01-02T00:00", "2020-01-01"), "the start lies after the end"),
        (("2020-01-02", "2020-01-01T23:00"), "the start lies after the end"),
        (("2020-01-01T12:00", "2020-01-01T11:00"), "the start lies after the end"),
        (("2020-13-01", None), "start='2020-13-01' is not an ISO date"),
        ((None, "yesterday"), "end='yesterday' is not an ISO date"),
        ((None, np.datetime64("NaT")), "end='NaT' is not an ISO date"),
        ((2019, 2020), "start must be a date, a datetime or an ISO string, not int"),
        (("2020-01-01T00:00+00:00", "2020-06-01T00:00"), "one end has a time zone and the other has none"),
        (("2020-01-01",), "a window is a pair"),
        (("2020-01-01", "2020-02-01", "2020-03-01"), "a window is a pair"),
        ("2020-01-01", "a window is a pair"),
        ("ab", "a window is a pair"),
        (2020, "a window is a pair"),
        ({"from": None, "to": None}, "a window is a pair"),
    ],
)
def test_windows_reversed_or_unreadable_are_refused(window, words):
    message = refusal({"lot": [1, 2], "window": [(None, None), window]})
    assert message.startswith("grid row 1, column 'window': ") and words in message
