"""Figures of a sweep show every configuration, in the order of its values, and need plotly only when made."""

import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from made_sweeps import grid_of, result_of, sharpe_states, small_grid, states

pytest.importorskip("plotly")


@pytest.fixture
def result():
    return result_of(small_grid(), sharpe_states(np.linspace(-1, 2, 12)))


def heat(result, *arguments, **options):
    return result.heatmap(*arguments, **options).data[0]


def test_a_heatmap_shows_each_cell_in_the_order_of_values():
    grid = grid_of({"stop_loss": [0.05, 0.01, 0.1], "take_profit": [0.3, 0.2]})
    result = result_of(grid, sharpe_states([1, 2, 3, 4, 5, -6]))
    trace = heat(result, "stop_loss", "take_profit")
    assert list(trace.x) == ["0.01", "0.05", "0.1"] and list(trace.y) == ["0.2", "0.3"]
    assert np.allclose(trace.z, [[4, 2, -6], [3, 1, 5]])
    assert (trace.zmin, trace.zmax) == pytest.approx((-6, 6)) and trace.text[0][0] == "4.00"


def test_other_parameters_are_aggregated_and_the_title_says_so():
    grid = grid_of({"stop_loss": [0.1, 0.2], "take_profit": [0.3, 0.4], "lot": [1, 2, 5]})
    result = result_of(grid, sharpe_states(np.arange(12.0)))
    figure = result.heatmap("stop_loss", "take_profit")
    assert figure.layout.title.text == "median sharpe over lot; more is better; 12 trials"
    assert np.allclose(figure.data[0].z, [[1, 7], [4, 10]])
    for aggregate, expected in (("max", 2), ("min", 0), ("mean", 1), ("count", 3)):
        assert heat(result, "stop_loss", "take_profit", aggregate=aggregate).z[0][0] == pytest.approx(expected)
    with pytest.raises(ValueError, match="aggregate='best' is not allowed"):
        result.heatmap("stop_loss", "take_profit", aggregate="best")
    plain = result.filter(pl.col("lot") == 1).heatmap("stop_loss", "take_profit")
    assert plain.layout.title.text == "sharpe; more is better; 12 trials"


def test_a_cell_without_a_number_is_a_gap_and_infinity_is_drawn_at_the_end():
    grid = grid_of({"stop_loss": [0.1, 0.2], "take_profit": [0.3, 0.4]})
    state = states(4)
    state["gross_profit"], state["gross_loss"] = [1.0, 0.0, 3.0, 5.0], [1.0, 0.0, 2.0, 0.0]
    trace = heat(result_of(grid, state), "stop_loss", "take_profit", "profit_factor")
    assert trace.z[0][0] == 1.0 and math.isnan(trace.z[1][0]) and trace.z[1][1] == 1.5
    assert trace.text[1][1] == "inf" and trace.text[1][0] == ""


@pytest.mark.parametrize(
    ("axis", "labels"),
    [
        ([None, 0.2, 0.05], ["None", "0.05", "0.2"]),
        ([0.2], ["0.2"]),
    ],
)
def test_axes_with_none_and_with_one_value(axis, labels):
    grid = grid_of({"stop_loss": axis, "tie": ["pessimistic", "nearest"]})
    trace = heat(result_of(grid, states(2 * len(axis))), "stop_loss", "tie")
    assert list(trace.x) == labels and list(trace.y) == ["pessimistic", "nearest"]


def test_axes_of_text_and_flags():
    grid = grid_of({"max_participation": ["auto", None, 0.5], "allow_short_selling": [True, False]})
    trace = heat(result_of(grid, states(6)), "max_participation", "allow_short_selling")
    assert list(trace.x) == ["None", "auto", "0.5"] and list(trace.y) == ["False", "True"]


def test_many_values_are_cut_into_intervals():
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"stop_loss": rng.uniform(0.01, 0.5, 400), "impact_coefficient": 10 ** rng.uniform(-3, 1, 400)}
    )
    result = result_of(grid_of(frame), states(400))
    figure = result.heatmap("stop_loss", "impact_coefficient", aggregate="count", bins=10)
    trace = figure.data[0]
    assert len(trace.x) == len(trace.y) == 10 and np.nansum(trace.z) == 400
    assert figure.layout.xaxis.title.text == "stop_loss (10 intervals)"
    assert trace.y[0].startswith("0.001") and trace.y[5].startswith("0.1")  # equal ratios over four decades


@pytest.mark.parametrize("value", [math.nan, 1.0])
def test_a_metric_without_numbers_and_one_that_is_constant(value):
    grid = small_grid()
    state = states(12, returns=0) if math.isnan(value) else states(12)
    metric = "sharpe" if math.isnan(value) else "num_trades"
    trace = heat(result_of(grid, state), "stop_loss", "take_profit", metric)
    assert trace.zmin < trace.zmax
    assert np.isnan(np.array(trace.z)).all() == math.isnan(value)


def test_what_cannot_be_drawn_is_named(result):
    with pytest.raises(ValueError, match="'lot' is not a parameter of the sweep .stop_loss, take_profit."):
        result.heatmap("lot", "stop_loss")
    with pytest.raises(ValueError, match="x and y are both 'stop_loss'"):
        result.heatmap("stop_loss", "stop_loss")
    with pytest.raises(ValueError, match="no rows to draw"):
        result.filter(pl.lit(False)).heatmap("stop_loss", "take_profit")
    with pytest.raises(ValueError, match="no row has a number"):
        result.filter(pl.lit(False)).parallel_coordinates()
    with pytest.raises(ValueError, match="limit=1"):
        result.parallel_coordinates(limit=1)
    with pytest.raises(ValueError, match="columns: 'x' is neither"):
        result.parallel_coordinates(columns=["x"])


def test_parallel_coordinates_have_a_line_a_row_and_the_metric_last(result):
    trace = result.parallel_coordinates().data[0]
    assert [dimension.label for dimension in trace.dimensions] == ["stop_loss", "take_profit", "sharpe"]
    assert sorted(trace.dimensions[2]["values"]) == pytest.approx(sorted(result.table["sharpe"]))
    assert list(trace.dimensions[2]["values"]) == list(trace.line.color)
    some = result.parallel_coordinates("num_trades", columns=["take_profit", "max_drawdown"])
    assert [dimension.label for dimension in some.data[0].dimensions] == ["take_profit", "max_drawdown", "num_trades"]


def test_of_many_rows_lines_are_drawn_evenly_by_rank():
    count = 500
    grid = grid_of(pl.DataFrame({"lag": np.arange(count)}), lag=False)
    result = result_of(grid, sharpe_states(np.arange(count) / 100))
    figure = result.parallel_coordinates(limit=50)
    drawn = figure.data[0].dimensions[1]["values"]
    assert len(drawn) == 50 and min(drawn) == pytest.approx(0) and max(drawn) == pytest.approx(4.99)
    assert "50 of 500 rows, evenly by rank" in figure.layout.title.text


def test_parallel_axes_of_none_text_and_one_value():
    grid = grid_of({"stop_loss": [None, 0.1, 0.2], "tie": ["nearest", "optimistic"], "lot": [1]})
    trace = result_of(grid, sharpe_states(np.arange(6.0))).parallel_coordinates().data[0]
    stop, tie, _ = trace.dimensions  # lot has no choice
    assert stop.ticktext[0] == "None" and min(stop["values"]) == stop.tickvals[0] < 0.1
    assert list(tie.ticktext) in (["nearest", "optimistic"], ["optimistic", "nearest"])
    nothing = grid_of({"stop_loss": [None], "lot": [1]})
    assert len(result_of(nothing, sharpe_states([1.0])).parallel_coordinates().data[0].dimensions) == 1


def test_plotly_is_imported_when_a_figure_is_made():
    code = "import sys, facade.sweeps.result.result, facade.sweeps.result.figures; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_figures_without_plotly_say_what_to_install(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(ImportError, match="pip install 'ml4t-kernel.viz.'"):
        result.heatmap("stop_loss", "take_profit")
