"""One table says everything of a metric; whatever else lists, ranks, colours, formats or adds up metrics is derived."""

import ast
import copy
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import facade
from facade import Panel, TargetWeights, run_backtest, sweep, walk_forward
from facade.results import metrics as table
from facade.results.metrics import ADDS_UP, LAST, LESS, METRICS, MORE, Accounts, compute, stitched
from facade.results.result import Result
from facade.results.text import FORMS, SECTIONS, TITLES, compared
from facade.sweeps.result.ranking import direction_of, written
from facade.sweeps.result.scales import colours
from facade.sweeps.rows.columns import column_types
from made_runs import Ledger, small_ledger
from made_sweeps import grid_of, result_of, states
from ml4t_kernel.schema import STATE


class Watched(np.ndarray):
    """STATE rows that remember which fields were read."""

    def __getitem__(self, key):
        if isinstance(key, str):
            self.read.add(key)
            return np.asarray(super().__getitem__(key))
        return super().__getitem__(key)


def fields_read(metric):
    state = np.ones(2, STATE).view(Watched)
    state.read = set()
    with np.errstate(all="ignore"):
        METRICS[metric].values(Accounts(state, 1.0, 252.0))
    return state.read


def test_every_row_of_the_table_is_whole():
    for name, metric in METRICS.items():
        assert metric.name == name and name.isidentifier() and metric.formula
        assert metric.unit in FORMS and metric.better in (MORE, LESS, "")
        assert not metric.signed or metric.better == MORE  # colours: above zero is the good side
        section, _, label = metric.shown.partition(": ")
        assert not metric.shown or (section in TITLES and label)
        assert name in table.__doc__ and metric.formula in table.__doc__


def test_what_is_shown_of_a_metric_is_in_the_summary():
    shown = [(label, name) for lines in SECTIONS.values() for label, name, _ in lines]
    assert sorted(name for _, name in shown) == sorted(name for name, metric in METRICS.items() if metric.shown)
    text = Result.from_run(small_ledger().run()).summary()
    assert all(label in text for label, name in shown if not METRICS[name].where)


def test_how_each_field_adds_up_is_declared():
    """A metric that reads a new field of STATE has to say what becomes of it in a walk-forward."""
    read = set().union(*(fields_read(name) for name in METRICS))
    assert read - {"returns", "drawdown"} == set(ADDS_UP) - {"refusals"}


def test_no_other_file_lists_metrics():
    """Names of metrics appear elsewhere one by one, where code means that one; no literal holds four of them.

    But for what a sentence or a short table shows, which is a choice of its own.
    """
    found = []
    for path in Path(facade.__file__).parent.rglob("*.py"):
        if path.name == "metrics.py":
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Tuple | ast.List | ast.Set | ast.Dict):
                continue
            parts = node.keys if isinstance(node, ast.Dict) else node.elts
            names = [part.value for part in parts if isinstance(part, ast.Constant) and part.value in METRICS]
            if len(names) > 3:
                found.append((path.name, node.lineno, names))
    allowed = {
        ("text.py", ("sharpe", "total_return", "max_drawdown", "num_trades", "ambiguous_bars")),
        ("ranking.py", ("total_return", "max_drawdown", "num_trades", "ambiguous_bars")),
    }
    assert {(name, tuple(names)) for name, _, names in found} <= allowed, found


def test_a_new_metric_is_everywhere(monkeypatch):
    """Added to the table alone it is measured, ranked, coloured, written and told."""
    drawdowns = table.Metric("pain", table.FRACTION, LESS, lambda a: 2.0 * a["drawdown"], "twice the drawdown")
    monkeypatch.setattr(table, "METRICS", {**METRICS, "pain": drawdowns})
    found = compute(np.ones(3, STATE), 1.0, 252.0)
    assert list(found)[-1] == "pain" and found["pain"].tolist() == [2.0] * 3
    column_types.cache_clear()
    try:
        assert column_types()["pain"].kind == "f"
    finally:
        column_types.cache_clear()


# ---- which way is better

BETTER_SMALL = (
    *("max_drawdown", "volatility", "total_commission", "total_slippage", "gross_loss", "avg_turnover", "max_turnover"),
    *("num_rejected_orders", "num_cut_orders", "num_capped_orders", "ambiguous_bars", "signal_conflicts"),
    *("refused_cash", "refused_volume", "bankrupt"),
)
BETTER_LARGE = ("sharpe", "sortino", "calmar", "cagr", "total_return", "final_value", "win_rate", "profit_factor")


@pytest.mark.parametrize("name", BETTER_SMALL + BETTER_LARGE)
def test_a_metric_knows_which_way_is_better(name):
    assert direction_of(name) == (name in BETTER_LARGE)
    assert direction_of(name, True) and not direction_of(name, False)


@pytest.fixture(scope="module")
def drawn():
    """Drawdowns 0.091, 0.184, 0.045 with costs 3, 1, 2."""
    grid = grid_of({"stop_loss": [0.1, 0.2, 0.05]})
    return result_of(grid, states(3, drawdown=[0.091, 0.184, 0.045], fees=[3.0, 1.0, 2.0]))


@pytest.mark.parametrize(("metric", "order"), [("max_drawdown", [2, 0, 1]), ("total_commission", [1, 2, 0])])
def test_the_best_row_is_the_one_with_the_least_of_it(drawn, metric, order):
    best = drawn.best(metric)
    assert best.row == order[0] and best.maximize is False and f"lowest {metric} " in repr(best)
    assert drawn.top(3, metric)["row"].to_list() == order
    worst = drawn.best(metric, maximize=True)
    assert worst.row == order[-1] and f"highest {metric} " in repr(worst)
    assert drawn.top(3, metric, maximize=True)["row"].to_list() == order[::-1]


def test_a_number_that_is_neither_good_nor_bad_ranks_from_the_top(drawn):
    assert METRICS["num_orders"].better == "" and direction_of("num_orders")


def test_light_is_better_in_a_heatmap_whatever_the_metric(drawn):
    values = np.array([0.1, 0.2])
    assert colours("max_drawdown", values)["colorscale"] == "Viridis_r"
    assert colours("win_rate", values)["colorscale"] == "Viridis" == colours("", values)["colorscale"]


def test_figures_say_which_way_is_better_and_draw_the_best_last():
    pytest.importorskip("plotly")
    grid = grid_of({"stop_loss": [0.1, 0.2], "take_profit": [0.3, 0.4]})
    result = result_of(grid, states(4, drawdown=[0.4, 0.1, 0.3, 0.2]))
    heat = result.heatmap("stop_loss", "take_profit", "max_drawdown")
    assert heat.layout.title.text == "max_drawdown; less is better; 4 trials"
    assert result.heatmap("stop_loss", "take_profit", "num_trades").layout.title.text == "num_trades; 4 trials"
    lines = result.parallel_coordinates("max_drawdown")
    assert "less is better" in lines.layout.title.text
    assert lines.data[0].dimensions[-1].values == pytest.approx([0.4, 0.3, 0.2, 0.1])


def wavy_panel(bars=80):
    close = 50 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.02, (bars, 1)), axis=0))
    days = pl.date_range(pl.date(2021, 1, 1), pl.date(2021, 12, 31), "1d", eager=True)[:bars]
    return Panel.from_arrays(close, close, close, close, timestamps=days, symbols=["A"])


def test_a_walk_forward_trades_the_row_that_fell_least():
    panel = wavy_panel()
    weights = TargetWeights.from_array(np.full(panel.shape, 0.9))
    grid = {"max_participation": [None], "commission_rate": [0.0, 0.02, 0.01]}
    found = walk_forward(panel, weights, None, grid, train=30, test=10, metric="max_drawdown", progress=False)
    table_of = found.in_sample.table["max_drawdown"].to_numpy().reshape(found.folds.height, -1)
    assert found.folds["row"].to_list() == table_of.argmin(axis=1).tolist()
    assert found.maximize is False and "chosen by lowest max_drawdown" in repr(found)
    worst = walk_forward(
        panel, weights, None, grid, train=30, test=10, metric="max_drawdown", maximize=True, progress=False
    )
    assert worst.folds["row"].to_list() == table_of.argmax(axis=1).tolist()


# ---- runs that follow each other


def test_of_runs_that_follow_each_other_every_field_is_put_together():
    rng = np.random.default_rng(1)
    runs = np.zeros(3, STATE)
    for name in ADDS_UP:
        runs[name] = rng.integers(1, 100, runs[name].shape)
    runs["returns"] = runs["bar"] - 1
    whole = stitched(runs, 0.25)
    for name, how in ADDS_UP.items():
        values = runs[name]
        expected = {
            LAST: values[-1],
            "sum": values.sum(axis=0),
            "largest": values.max(),
            "product": values.prod(axis=0),
        }
        expected = expected[how]
        np.testing.assert_array_equal(whole[name][0], expected, name)
    # One account: its only first bar is that of the first run.
    assert whole["returns"][0] == whole["bar"][0] - 1 and whole["drawdown"][0] == 0.25


# ---- names that are not there


@pytest.mark.parametrize(
    ("asked", "meant"),
    [("Sharpe", "sharpe"), ("Max Drawdown", "max_drawdown"), ("total-return", "total_return"), ("winrate", "win_rate")],
)
def test_a_metric_that_is_not_there_is_guessed(asked, meant):
    known = Result.from_run(small_ledger().run()).metrics
    with pytest.raises(KeyError, match=f"no metric '{asked}'; did you mean '{meant}'"):
        known[asked]
    with pytest.raises(KeyError, match=r"no metric 7 \(metrics: initial_cash, "):
        known[7]
    assert known.get(asked) is None and asked not in known  # as of any dict


def test_metrics_stay_a_dict_and_survive_copies_and_files(tmp_path):
    result = Result.from_run(small_ledger().run())
    result.to_parquet(tmp_path / "r")
    read = Result.from_parquet(tmp_path / "r")
    for known in (pickle.loads(pickle.dumps(result.metrics)), copy.deepcopy(result.metrics), read.metrics):
        assert known == pytest.approx(result.metrics, rel=0, abs=0, nan_ok=True) and isinstance(known, dict)
        with pytest.raises(KeyError, match="did you mean 'sharpe'"):
            known["Sharpe"]


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("sharpe", r"it is a metric: result.metrics\['sharpe'\]"),
        ("stats", r"result.metrics, and result.summary\(\)"),
        ("trade", "did you mean 'trades'"),
        ("Sortino", r"did you mean 'sortino'. \(result.metrics\)"),
        ("xyzzy", "a Result has no attribute 'xyzzy'$"),
    ],
)
def test_an_attribute_that_is_not_there_points_to_what_is(name, pointer):
    result = Result.from_run(small_ledger().run())
    with pytest.raises(AttributeError, match=pointer):
        getattr(result, name)
    assert not hasattr(result, name)


def test_an_error_within_a_property_is_not_hidden(monkeypatch):
    result = Result.from_run(small_ledger().run())
    monkeypatch.setattr(type(result._source), "facts", lambda self: self.nothing_like_that)
    with pytest.raises(AttributeError, match="nothing_like_that"):
        _ = result.notices
    copied = copy.copy(result)
    assert copied.orders.equals(result.orders)


# ---- numbers in words


def test_what_rounds_to_zero_has_no_sign():
    for unit, form in FORMS.items():
        for value in (-1e-9, -1e-5, -0.0, 0.0):
            assert "-" not in form(value) and "-" not in compared(unit, value), unit
        assert form(-1.0).startswith("-")
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.fill(ledger.order(0, 0, 3.0), 1, 3.0, 10.001 - 1e-3 + 1e-6)
    text = Result.from_run(ledger.run()).summary()
    assert "-0.00" not in text


@pytest.mark.parametrize("metric", ["sharpe", "sortino", "calmar", "profit_factor", "avg_open_positions"])
def test_ratios_beside_each_other_have_as_many_digits(metric):
    assert (written(metric, 0.881), written(metric, 0.8917)) == ("0.8810", "0.8917")


def test_numbers_of_a_sweep_are_written_by_their_unit():
    assert written("total_return", 0.1234) == "12.34%" and written("total_commission", 1234.5) == "1,234.50"
    assert written("num_trades", 1234) == "1,234" and written("refused_cash", 1234) == "1,234"
    assert written("sharpe", float("nan")) == "n/a" and written("reason", None) == "None"


def test_the_headline_counts_open_trades():
    panel = wavy_panel(30)
    weights = TargetWeights(pl.DataFrame({"timestamp": panel.timestamps[:1], "A": 0.9}))
    result = run_backtest(panel, weights)
    assert result.metrics["num_open_trades"] == 1 and ", 0 trades, 1 open" in repr(result)
    assert "still open" in result.summary()
    found = sweep(panel, weights, None, {"stop_loss": [None, 0.001]}, progress=False).table
    assert found["num_open_trades"].to_list() == [1, 0]
