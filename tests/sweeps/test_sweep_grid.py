"""Grids: what may be given, what is refused and in which words; constraints."""

import itertools
import pickle
import re
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.config.model import Config
from facade.config.per_asset import PerAsset
from facade.sweeps.grid.axes import DEFAULT
from facade.sweeps.grid.grid import Grid
from facade.sweeps.grid.samplers import Uniform
from sweep_grids import NAN, TWO, Thing, assert_sound, read, refusal, rows_of


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=4), st.booleans())
def test_a_dict_is_the_product_with_the_last_name_fastest(axes, with_variants):
    names = ["lot", "fast", "cooldown", "slow"][: len(axes)]
    variants = ["one", "two"] if with_variants else None
    parameters = {"fast": True, "slow": True}
    grid = assert_sound(read(dict(zip(names, axes, strict=True)), parameters=parameters, variants=variants))
    front = [[{"strategy": name} for name in variants]] if variants else [[{}]]
    products = itertools.product(*front, itertools.product(*axes))
    assert rows_of(grid) == [{**first, **dict(zip(names, row, strict=True))} for first, row in products]
    again = assert_sound(read(grid, parameters=parameters, variants=variants))
    dicts = assert_sound(read(rows_of(grid), parameters=parameters, variants=variants))
    frame = assert_sound(read(grid.frame(), parameters=parameters, variants=variants))
    assert rows_of(again) == rows_of(dicts) == rows_of(frame) == rows_of(grid)


def test_changes_and_parameters_of_a_row():
    grid = read({"fast": [2, 3], "stop_loss": [None, 0.1]}, parameters=TWO)
    assert grid.rows == 4 and grid.dropped == 0 and grid.seed is None
    assert grid.changes(3) == {"stop_loss": 0.1} and grid.parameters(3) == {"fast": 3}
    assert grid.column("stop_loss").kind == "config" and grid.column("fast").kind == "parameter"
    assert grid.column("slow") is None
    assert Config().replace(**grid.changes(3)).stop_loss == 0.1


def test_frame_of_some_rows():
    grid = read(
        {"fast": [2, 3], "stop_loss": [None, 0.1], "tie": ["nearest"], "allow_short_selling": [True]}, None, TWO
    )
    frame = grid.frame()
    assert dict(frame.schema) == {
        "fast": pl.Int64,
        "stop_loss": pl.Float64,
        "tie": pl.String,
        "allow_short_selling": pl.Boolean,
    }
    assert frame["stop_loss"].to_list() == [None, 0.1, None, 0.1]
    assert grid.frame(slice(1, 3)).equals(frame[1:3])
    assert grid.frame(np.array([3, 0, 3])).equals(frame[[3, 0, 3]])
    assert grid.frame(np.array([True, False, False, True])).equals(frame[[0, 3]])
    assert grid.frame(slice(0, 0)).shape == (0, 4)


def test_a_list_of_dicts_may_leave_names_out():
    config = Config(stop_loss={"A": 0.25}, commission_rate=0.5)
    rows = [{"fast": 1}, {"fast": 2, "slow": None, "stop_loss": 0.5}, {"fast": 3, "slow": 7, "commission_rate": 0.125}]
    grid = assert_sound(read(rows, config, TWO))
    assert grid.changes(0) == {"stop_loss": PerAsset({"A": 0.25}), "commission_rate": 0.5}
    assert [grid.parameters(row) for row in range(3)] == [
        {"fast": 1},
        {"fast": 2, "slow": None},
        {"fast": 3, "slow": 7},
    ]
    assert grid.column("slow").values == (DEFAULT, None, 7)
    assert grid.column("slow").labels == ("default", None, "7")
    assert read([{"fast": 1}, {"fast": 1, "slow": 7}], None, TWO).column("slow").labels == (None, 7)
    assert "grid row 1, column 'fast': the row leaves out an argument" in refusal([{"fast": 1}, {"slow": 2}], None, TWO)


def test_windows_and_symbols_left_out_are_all_of_the_panel():
    grid = assert_sound(read([{"symbols": ["A"], "lot": 1}, {"window": ("2020-01-01", None), "lot": 1}]))
    assert grid.column("symbols").values == (("A",), None)
    assert grid.column("window").values == ((None, None), (date(2020, 1, 1), None))
    assert grid.frame()["symbols"].to_list() == ["A", "all"]
    assert grid.frame()["window"].to_list() == ["all", "2020-01-01 to end"]


def test_a_grid_read_before_is_checked_against_what_it_is_now_used_for():
    grid = read({"fast": [1, 2], "commission_maximum": [1]}, None, TWO)
    assert rows_of(read(grid, None, TWO, variants=["a", "b"])) == [
        {"strategy": name, **row} for name in "ab" for row in rows_of(grid)
    ]
    assert "grid: 'fast' is neither a field of Config" in refusal(grid)
    assert "grid row 0: Config commission_maximum=1.0 is below" in refusal(grid, Config(commission_minimum=2), TWO)
    left_out = read([{"fast": 1}, {"fast": 2, "slow": 3}], None, TWO)
    assert rows_of(read(left_out, None, TWO)) == rows_of(left_out)
    assert "grid row 0, column 'slow': the row leaves out" in refusal(left_out, None, {"fast": False, "slow": False})


def test_a_mapping_of_no_strategies_is_refused():
    assert "the mapping of strategies is empty" in refusal({"lot": [1]}, variants=[])


def test_duplicate_rows_are_kept():
    assert read([{"lot": 1}, {"lot": 1}, {"lot": 1.0}]).columns[0].codes.tolist() == [0, 0, 0]
    assert read({"lot": [1, 1]}).rows == 2
    assert read(pl.DataFrame({"lot": [1, 1, 2, 1]})).columns[0].codes.tolist() == [0, 0, 1, 0]


def test_null_in_a_frame_is_none_where_none_is_allowed():
    frame = pl.DataFrame({"maker_rate": [0.1, None, 0.2], "slow": [None, "x", None]})
    grid = assert_sound(read(frame, None, {"slow": True}))
    assert grid.column("maker_rate").values == (0.1, None, 0.2)
    assert grid.column("slow").values == (None, "x")
    message = refusal(pl.DataFrame({"lot": [1.0, 2.0, None]}))
    assert "grid row 2, column 'lot': Config lot=None is not allowed; lot must be x >= 0" in message


def test_frames_of_every_kind_of_column():
    frame = pl.DataFrame(
        {
            "lot": pl.Series([1, 2, 1], dtype=pl.Int8),
            "tie": pl.Series(["nearest", "optimistic", "nearest"], dtype=pl.Categorical),
            "timing": pl.Series(
                ["next_bar", "same_bar_close", "next_bar"], dtype=pl.Enum(["next_bar", "same_bar_close"])
            ),
            "stop_loss": [{"A": 0.1, "B": 0.2}, None, {"A": 0.1, "B": 0.2}],
            "commission_tiers": [[[0.0, 0.001]], None, [[0.0, 0.001], [10.0, 0.0]]],
            "symbols": [["A", "B"], None, ["A"]],
            "window": [{"start": date(2020, 1, 1), "end": None}, None, {"start": date(2020, 1, 1), "end": None}],
            "slow": pl.Series([Thing, 1, Thing], dtype=pl.Object),
        },
    )
    grid = assert_sound(read(frame, None, TWO | {"fast": True}))
    assert [column.codes.tolist() for column in grid.columns] == [[0, 1, 0]] * 4 + [[0, 1, 2]] * 2 + [[0, 1, 0]] * 2
    assert grid.changes(2) == {
        "lot": 1.0,
        "tie": "nearest",
        "timing": "next_bar",
        "stop_loss": PerAsset({"A": 0.1, "B": 0.2}),
        "commission_tiers": ((0.0, 0.001), (10.0, 0.0)),
    }
    assert grid.column("symbols").values == (("A", "B"), None, ("A",))
    assert grid.column("window").values == ((date(2020, 1, 1), None), (None, None))
    assert grid.column("slow").values == (Thing, 1)
    assert rows_of(read(frame.lazy().drop("slow"))) == rows_of(read(frame.drop("slow")))


def test_pairs_of_a_frame_may_be_structs_or_lists():
    tiers = [[{"start": 0.0, "rate": 0.001}, {"start": 10.0, "rate": 0.0}]]
    assert read(pl.DataFrame({"commission_tiers": tiers})).changes(0) == {
        "commission_tiers": ((0.0, 0.001), (10.0, 0.0))
    }
    windows = pl.DataFrame({"window": [["2020-01-01", "2020-12-31"], [None, "2021-12-31"]]})
    assert read(windows).column("window").values[1] == (None, date(2021, 12, 31))


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        ({}, "the grid is empty"),
        ([], "the grid is empty"),
        ([{}], "the grid is empty"),
        (None, "the grid is empty"),
        (pl.DataFrame({"lot": []}), "the grid is empty: the frame has 0 rows"),
        (pl.DataFrame(), "the grid is empty: the frame has 0 rows and 0 columns"),
        ({"lot": []}, "grid axis 'lot' is empty"),
        ({"lot": np.array([])}, "grid axis 'lot' is empty"),
        ({"lot": range(0)}, "grid axis 'lot' is empty"),
        ({"tie": "nearest"}, r"grid axis 'tie': 'nearest' is not a list of values; one value alone is \['nearest'\]"),
        ({"lot": 5}, r"grid axis 'lot': 5 is not a list of values; one value alone is \[5\]"),
        ({"lot": np.float64(5)}, "not a list of values"),
        ({"lot": np.array(5.0)}, "not a list of values"),
        ({"lot": None}, "not a list of values"),
        ({"lot": pl.DataFrame({"lot": [1.0]})}, "not a list of values"),
        ({"lot": {1.0, 2.0}}, "has no order; give a list"),
        ({"lot": (value for value in [1.0])}, "not a list of values"),
        ({"stop_loss": {"A": 0.1}}, r"grid axis 'stop_loss': {'A': 0.1} is not a list of values"),
        ({"lot": Uniform(1, 2)}, r"grid axis 'lot': Uniform\(low=1, high=2\) is drawn from; give random\(space, n\)"),
        ("lot", "a grid is a dict name -> list, a list of dicts, a frame or a sample, not str"),
        (5, "not int"),
        (np.zeros((2, 2)), "not ndarray"),
        (Config(), "not Config"),
        ([{"lot": 1}, "lot"], "grid row 1: 'lot' is not a dict"),
        ([{"lot": 1}, None], "grid row 1: None is not a dict"),
        ({1: [1]}, "grid: the name 1 is not allowed; names are text"),
        ([{"lot": 1}, {None: 1}], "grid row 1: the name None is not allowed"),
        (
            {"lot": range(46_341), "max_stale": range(1, 46_342)},
            "the grid has 2,147,488,281 rows; at most 2,147,483,647",
        ),
    ],
)
def test_what_is_no_grid_is_refused(grid, words):
    assert re.search(words, refusal(grid))


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (
            {"comission_rate": [1]},
            "grid: 'comission_rate' is neither a field of Config nor an argument of the strategy; did",
        ),
        ([{"lot": 1}] * 3 + [{"lott": 1}], "grid row 3: 'lott' is neither .*; did you mean 'lot'"),
        ({"fsat": [1]}, "did you mean 'fast'"),
        ({"windows": [1]}, "did you mean 'window'"),
        ({"execution_mode": [1]}, "here it is timing"),
        ({"qqqq": [1]}, r"'qqqq' is neither .* \(its arguments: 'fast', 'slow'\)"),
        ({"panel": [1]}, "'panel' is the argument that receives the panel"),
        ({"strategy": ["a"]}, "the axis 'strategy' needs a mapping"),
        ({"slow": [1]}, "grid: the strategy needs its argument 'fast', which the grid does not give"),
    ],
)
def test_unknown_and_missing_names(grid, words):
    assert re.search(words, refusal(grid, None, {"panel": False, **TWO}))


@pytest.mark.parametrize("name", ["stop_loss", "window", "symbols", "strategy"])
def test_an_argument_called_like_a_field_or_a_reserved_axis_is_ambiguous(name):
    words = f"'{name}' is (a field of Config|a reserved axis of a grid) and an argument of the strategy; rename"
    assert re.search(words, refusal({name: [1]}, None, {name: True}))
    assert re.search(words, refusal({"lot": [1]}, None, {name: False}))
    assert read({"lot": [1]}, None, {name: True}).rows == 1


def test_an_argument_called_like_a_column_of_the_result_is_refused():
    assert "'row' is a column of the result" in refusal({"row": [1]}, None, {"row": False})
    assert "'sharpe' is a column" in refusal({"sharpe": [1]}, None, {"sharpe": False}, taken=("row", "sharpe"))
    assert read({"sharpe": [1]}, None, {"sharpe": False}).rows == 1


def test_refusals_name_the_first_row_with_the_value():
    message = refusal({"lot": [1, 2], "stop_loss": [0.1, 5, 0.2], "cooldown": [0, 1]})
    assert message == (
        "grid row 2, column 'stop_loss': Config stop_loss=5 is not allowed: it is a fraction, so 5 percent is "
        "stop_loss=0.05; stop_loss must be 0 < x < 1, a mapping symbol -> such a number, or None "
        "(unit: fraction of basis)"
    )
    assert "grid row 4, column 'lot': Config lot=-1" in refusal({"lot": [1, -1], "cooldown": [0, 1, 2, 3]})
    assert "grid row 3, column 'lot'" in refusal(pl.DataFrame({"lot": [1, 1, 1, -1, -1]}))
    assert "grid row 2, column 'lot'" in refusal([{"lot": 1}, {"cooldown": 1}, {"lot": "1"}])
    assert "stop_loss['B']=5" in refusal({"stop_loss": [0.1, {"A": 0.1, "B": 5}]})
    assert "grid row 0, column 'tie'" in refusal({"cooldown": [1, 2], "tie": ["x"]}, variants=["a"])


@pytest.mark.parametrize(
    "values", [[0.1, NAN, 0.2], np.array([0.1, NAN, 0.2]), pl.Series([0.1, NAN, 0.2]), [0.1, np.float64(NAN)]]
)
def test_nan_in_the_middle_is_refused_everywhere(values):
    assert re.search(
        r"grid row 1, column 'stop_loss': Config stop_loss=\S*nan\S* is not", refusal({"stop_loss": values})
    )
    assert "grid row 1, column 'fast': NaN is not allowed" in refusal({"fast": values}, None, TWO)
    rows = [{"fast": value} for value in values]
    assert "grid row 1, column 'fast': NaN is not allowed" in refusal(rows, None, TWO)
    assert "grid row 1, column 'fast': NaN" in refusal(pl.DataFrame({"fast": pl.Series(list(values))}), None, TWO)


def test_a_constraint_drops_rows_before_they_count():
    grid = {"fast": [1, 2, 3], "slow": [2, 3], "lot": [1]}
    by_function = assert_sound(read(grid, None, TWO, constraint=lambda row: row["fast"] < row["slow"]))
    by_expression = assert_sound(read(grid, None, TWO, constraint=pl.col("fast") < pl.col("slow")))
    kept = [(1, 2), (1, 3), (2, 3)]
    for read_ in (by_function, by_expression):
        assert [(row["fast"], row["slow"]) for row in rows_of(read_)] == kept
        assert (read_.rows, read_.dropped) == (3, 3)
    assert read(grid, None, TWO, constraint=lambda row: np.bool_(True)).dropped == 0
    assert read(grid, None, TWO, constraint=pl.lit(True)).rows == 6
    further = read(by_function, None, TWO, constraint=pl.col("fast") == 2)
    assert (further.rows, further.dropped) == (1, 5)
    reordered = assert_sound(read({"fast": [1, 2, 3]}, None, TWO, constraint=pl.col("fast") >= 2))
    assert reordered.column("fast").values == reordered.column("fast").labels == (2, 3)


def test_a_function_sees_the_values_and_not_what_was_left_to_defaults():
    seen = []
    rows = [{"fast": [1], "stop_loss": {"A": 0.5}}, {"fast": 2, "slow": 3, "window": (None, "2020-01-01")}]
    read(rows, None, TWO, constraint=lambda row: seen.append(row) or True)
    assert seen == [
        {"fast": [1], "stop_loss": {"A": 0.5}, "window": (None, None)},
        {"fast": 2, "slow": 3, "stop_loss": None, "window": (None, date(2020, 1, 1))},
    ]


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (lambda row: False, "the constraint drops all 4 rows"),
        (pl.col("fast") > 9, "the constraint drops all 4 rows"),
        (pl.lit(False), "the constraint drops all 4 rows"),
        (
            lambda row: 1,
            r"grid row 0: the constraint gives 1 for {'fast': 1, 'stop_loss': None}; allowed: True or False",
        ),
        (lambda row: None, "the constraint gives None"),
        (lambda row: np.array([True]), "the constraint gives array"),
        (
            lambda row: row["stop_loss"] is None or row["stop_loss"] / 0,
            "grid row 1: the constraint fails .* ZeroDivision",
        ),
        (lambda row: row["slow"] > 0, "grid row 0: the constraint fails for .*KeyError"),
        (lambda: True, "grid row 0: the constraint fails for .*TypeError"),
        (pl.col("fsat") > 1, r"names a column that the grid has not \(fast, stop_loss\); did you mean 'fast'"),
        (pl.col("fast"), "must give one Boolean column, got Int64"),
        (pl.all() > 0, "must give one Boolean column, got Boolean, Boolean"),
        (pl.col("fast") > "a", "the constraint cannot be evaluated"),
        (pl.col("stop_loss") > 0.0, "grid row 0: the constraint is null"),
        ((pl.col("fast") > 0).head(2), "must give one value a row: 2 for 4 rows"),
        ("fast > 1", "a constraint is a function of a row or a Polars expression, not str"),
    ],
)
def test_constraints_that_cannot_be_used_are_refused(constraint, words):
    assert re.search(words, refusal({"fast": [1, 2], "stop_loss": [None, 0.1]}, None, TWO, constraint=constraint))


def test_maximum_commission_below_the_minimum():
    grid = {"commission_minimum": [1, 5], "commission_maximum": [None, 2, 5]}
    words = "grid row 4: Config commission_maximum=2.0 is below commission_minimum=5.0; allowed: at least the minimum"
    assert words in refusal(grid)
    fine = read(grid, constraint=lambda row: (row["commission_maximum"] or 9) >= row["commission_minimum"])
    assert (fine.rows, fine.dropped) == (5, 1)
    assert "grid row 1: " in refusal({"commission_minimum": [1, 3]}, Config(commission_maximum=2))
    assert "grid row 1: " in refusal({"commission_maximum": [None, 1]}, Config(commission_minimum=2))
    base = Config(commission_minimum=1, commission_maximum=2)
    assert read({"commission_minimum": [5], "commission_maximum": [6]}, base).rows == 1
    assert read({"lot": [5]}, base).rows == 1


def test_a_long_grid_is_cheap():
    axes = {"fast": range(50), "slow": range(50), "stop_loss": np.linspace(0.01, 0.5, 40)}
    grid = read(axes, None, TWO, constraint=pl.col("fast") < pl.col("slow"))
    assert grid.rows == 50 * 49 // 2 * 40 and grid.rows + grid.dropped == 100_000
    assert grid.column("stop_loss").codes.nbytes == 4 * grid.rows
    numbers = np.random.default_rng(1).random(20_000)
    both = np.concatenate([numbers, numbers])
    assert read(pl.DataFrame({"fast": both}), None, TWO).column("fast").values == tuple(numbers)
    assert read({"fast": both}, None, TWO).column("fast").codes.tolist() == [*range(20_000), *range(20_000)]


def test_a_grid_can_be_pickled():
    grid = read([{"fast": 1, "stop_loss": {"A": 0.1}}, {"fast": 2, "slow": 3}], None, TWO)
    again = pickle.loads(pickle.dumps(grid))
    assert isinstance(again, Grid) and again.frame().equals(grid.frame())
    assert again.parameters(0) == {"fast": 1} and again.changes(0) == grid.changes(0)
