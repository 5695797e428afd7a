"""A walk-forward is, bit for bit, what a loop of single runs gives, and its account is one account."""

import math
import subprocess
import sys
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest

from facade import Config, Panel, Signals, TargetWeights, run_backtest
from facade.errors import BacktestWarning, ConfigError, DataError, Interrupted
from facade.execute import execute
from facade.sweeps.run import sweep
from facade.sweeps.studies.splits import Split, Window, walk_forward_splits
from facade.sweeps.studies.walk_forward import walk_forward

BARS = 54


def made_panel(seed=0, bars=BARS, timestamps=True):
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (bars, 2)), axis=0))
    open_ = close * np.exp(rng.normal(0.0, 0.005, close.shape))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    days = pl.date_range(date(2021, 1, 1), date(2022, 1, 1), "1d", eager=True)[:bars] if timestamps else None
    return Panel.from_arrays(open_, high, low, close, np.full(close.shape, 1e6), days, symbols=["A", "B"])


def entries(panel, length):
    """Above the mean of the last bars; the whole history is looked at, so that it is warm at any boundary."""
    close = pl.DataFrame(panel.close, schema=["A", "B"])
    return (close > close.select(pl.all().rolling_mean(length))).fill_null(False).to_numpy()


def trend(panel, length):
    above = entries(panel, length)
    return Signals.from_arrays(above, ~above, size=0.4)


CONFIG = Config(commission_rate=0.001, slippage_rate=0.0005)
ROWS = [{"length": length, "stop_loss": stop} for length in (3, 5) for stop in (None, 0.02, 0.03)]


def naive_run(panel, row, window, cash):
    """A single run of a row on a window: panel and arrays cut by hand."""
    times = panel.timestamps
    part = panel.select(start=times[window.first], end=times[window.last])
    above = entries(panel, row["length"])[window.slice]
    strategy = Signals.from_arrays(above, ~above, size=0.4)
    return run_backtest(part, strategy, config=CONFIG.replace(initial_cash=cash, stop_loss=row["stop_loss"]))


def naive_walk(panel, splits, metric, maximize=True, min_trades=0):
    cash, folds = CONFIG.initial_cash, []
    for split in splits:
        inside = [naive_run(panel, row, split.train[0], CONFIG.initial_cash).metrics for row in ROWS]
        best = None
        for number, found in enumerate(inside):
            if math.isnan(found[metric]) or found["num_trades"] < min_trades:
                continue
            better = best is None or (found[metric] > inside[best][metric]) == maximize
            if better and (best is None or found[metric] != inside[best][metric]):
                best = number
        result = naive_run(panel, ROWS[best], split.test[0], cash)
        folds.append((best, inside[best][metric], cash, result))
        cash = result.metrics["final_value"]
    return folds


# ---- the same as single runs


@pytest.mark.parametrize(("metric", "maximize"), [("sharpe", True), ("max_drawdown", False)])
@pytest.mark.parametrize("anchored", [False, True])
def test_the_same_bits_as_a_loop_of_single_runs(metric, maximize, anchored):
    panel = made_panel()
    splits = walk_forward_splits(panel, 20, 12, anchored=anchored, purge=1)
    found = walk_forward(
        panel, trend, CONFIG, ROWS, train=20, test=12, anchored=anchored, purge=1,
        metric=metric, maximize=maximize, progress=False, n_jobs=1,
    )  # fmt: skip
    wanted = naive_walk(panel, splits, metric, maximize)
    assert found.splits == splits and found.trials == len(ROWS) * len(splits)
    assert found.folds["row"].to_list() == [best for best, *_ in wanted]
    assert found.folds["length"].to_list() == [ROWS[best]["length"] for best, *_ in wanted]
    assert found.folds["stop_loss"].to_list() == [ROWS[best]["stop_loss"] for best, *_ in wanted]
    assert found.folds["in_sample"].to_list() == [value for _, value, *_ in wanted]
    assert found.folds["initial_cash"].to_list() == [cash for _, _, cash, _ in wanted]
    for own, (*_, result) in zip(found.results, wanted, strict=True):
        assert own.metrics == pytest.approx(result.metrics, rel=0, abs=0, nan_ok=True)
        for frame in ("orders", "fills", "trades", "equity"):
            assert own.frame(frame).equals(result.frame(frame))
    equity = pl.concat([result.equity["equity"] for *_, result in wanted])
    assert found.equity["equity"].equals(equity)
    # One account: the first bar of a later window is a return from the last mark of the one before.
    returns = pl.concat([result.equity["return"].fill_null(0.0) for *_, result in wanted])
    assert found.equity["return"][0] is None and found.equity["return"].fill_null(0.0).equals(returns)
    assert found.equity["timestamp"].equals(panel.timestamps[20:])


def test_the_metrics_are_those_of_one_account():
    panel = made_panel(3)
    found = walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12, progress=False)
    known, equity = found.metrics, found.equity["equity"].to_numpy()
    curve = np.concatenate([[CONFIG.initial_cash], equity])
    returns = curve[2:] / curve[1:-1] - 1.0  # the first bar is a mark
    periods = panel.periods_per_year
    assert known["final_value"] == equity[-1] == found.folds["final_value"][-1]
    assert known["bars"] == len(equity) == BARS - 20
    assert known["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1) * math.sqrt(periods))
    assert known["sortino"] == pytest.approx(
        returns.mean() / math.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)) * math.sqrt(periods)
    )
    years = (panel.timestamps[-1] - panel.timestamps[20]).days / 365.2425
    assert known["years"] == years
    assert known["cagr"] == pytest.approx((equity[-1] / CONFIG.initial_cash) ** (1.0 / years) - 1.0)
    peak = np.maximum.accumulate(curve)
    assert known["max_drawdown"] == np.max(1.0 - curve / peak)
    np.testing.assert_array_equal(found.equity["high_water_mark"].to_numpy(), peak[1:])
    np.testing.assert_allclose(found.equity["drawdown"].to_numpy(), (curve / peak - 1.0)[1:], atol=1e-15)
    np.testing.assert_allclose(found.equity["cumulative_return"].to_numpy(), curve[1:] / curve[0] - 1.0)
    for name in ("num_trades", "num_orders", "num_fills", "winning_trades", "total_commission", "total_slippage"):
        assert known[name] == pytest.approx(sum(result.metrics[name] for result in found.results)), name
    assert known["unrealised_pnl"] == pytest.approx(sum(result.metrics["unrealised_pnl"] for result in found.results))
    assert known["max_turnover"] == max(result.metrics["max_turnover"] for result in found.results)
    assert known["avg_turnover"] == pytest.approx(
        sum(result.metrics["avg_turnover"] * result.metrics["bars"] for result in found.results) / known["bars"]
    )


def test_one_fold_has_the_metrics_of_its_run():
    panel = made_panel(1, 40)
    found = walk_forward(panel, trend, CONFIG.replace(periods_per_year=252.0), ROWS, train=20, test=20, progress=False)
    assert found.folds.height == 1
    assert found.metrics == pytest.approx(found.results[0].metrics, rel=0, abs=0, nan_ok=True)
    assert found.equity.equals(found.results[0].equity)


def test_all_forms_of_grid_and_threads_are_the_same():
    panel = made_panel(2, 44)
    options = {"train": 20, "test": 12, "progress": False}
    found = walk_forward(panel, trend, CONFIG, ROWS, n_jobs=2, **options)
    product = {"length": [3, 5], "stop_loss": [None, 0.02, 0.03]}
    frame = pl.DataFrame(ROWS)
    for grid in (product, frame):
        other = walk_forward(panel, trend, CONFIG, grid, n_jobs=1, **options)
        assert other.folds.equals(found.folds) and other.equity.equals(found.equity)
    variants = {"trend": trend, "cash": TargetWeights.from_array(np.zeros((44, 2)))}
    some = walk_forward(panel, variants, CONFIG, {"length": [3, 5], "strategy": ["cash", "trend"]}, **options)
    assert set(some.folds["strategy"]) <= {"cash", "trend"}
    kept = walk_forward(panel, trend, CONFIG, product, constraint=pl.col("length") > 3, **options)
    assert kept.trials == 3 * 2 and set(kept.folds["length"]) == {5}


def test_the_sweep_in_sample_can_be_looked_at():
    panel = made_panel(2, 44)
    found = walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12, progress=False)
    table = found.in_sample.table
    assert table.height == found.trials == 2 * len(ROWS)
    own = sweep(panel.select(end=panel.timestamps[19]), trend, CONFIG, ROWS, progress=False).table
    first = table.head(len(ROWS))
    assert first["num_trades"].equals(own["num_trades"]) and first["window"].n_unique() == 1
    assert found.folds["in_sample"][0] == first["sharpe"].max()


# ---- what may be chosen


def test_what_happens_later_changes_nothing_before():
    panel = made_panel(5)
    splits = walk_forward_splits(panel, 20, 12)
    found = walk_forward(panel, trend, CONFIG, ROWS, splits=splits, progress=False)
    cut = splits[1].test[0].last + 1
    arrays = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for name in ("open", "high", "low", "close"):
        arrays[name][cut:] *= np.linspace(1.5, 0.7, BARS - cut)[:, None]
    other = Panel.from_arrays(**arrays, timestamps=panel.timestamps, symbols=panel.symbols)
    changed = walk_forward(other, trend, CONFIG, ROWS, splits=splits, progress=False)
    assert changed.folds.head(2).equals(found.folds.head(2))
    assert changed.equity.head(cut - 20).equals(found.equity.head(cut - 20))
    assert not changed.equity.equals(found.equity)


def test_without_a_row_to_choose_the_window_is_spent_in_cash():
    panel = made_panel(2, 44)
    found = walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12, min_trades=1_000, progress=False)
    assert found.folds["row"].to_list() == [None, None] and found.folds["length"].to_list() == [None, None]
    assert found.folds["in_sample"].is_nan().all() and found.folds["out_of_sample"].is_nan().all()
    assert found.results == (None, None)
    assert (found.equity["equity"] == CONFIG.initial_cash).all() and found.equity.height == 24
    assert found.metrics["total_return"] == 0.0 and found.metrics["num_trades"] == 0 and found.metrics["bars"] == 24
    assert found.degradation["folds"] == 0 and math.isnan(found.degradation["ratio"])
    columns = walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12, progress=False).equity
    assert columns.schema == found.equity.schema


def test_nan_is_never_chosen_and_of_equal_rows_the_first():
    panel = made_panel(2, 44)
    never = TargetWeights.from_array(np.full((44, 2), np.nan))
    options = {"train": 20, "test": 12, "progress": False}
    # Without trades the Sharpe ratio is 0 / 0: the loser is chosen before it.
    falling = TargetWeights.from_array(np.tile([0.5, 0.0], (44, 1)))
    found = walk_forward(panel, {"never": never, "falling": falling}, CONFIG, None, **options)
    assert set(found.folds["strategy"]) == {"falling"}
    same = walk_forward(panel, never, CONFIG, {"stop_loss": [0.01, 0.02]}, metric="total_return", **options)
    assert same.folds["row"].to_list() == [0, 0]
    least = walk_forward(
        panel, never, CONFIG, {"stop_loss": [0.01, 0.02]}, metric="total_return", maximize=False, **options
    )
    assert least.folds["row"].to_list() == [0, 0]


def test_after_a_loss_of_everything_the_rest_is_cash():
    close = np.concatenate([np.full(22, 10.0), np.full(10, 40.0)])[:, None]
    days = pl.date_range(date(2021, 1, 1), date(2021, 12, 31), "1d", eager=True)[:32]
    panel = Panel.from_arrays(close, close, close, close, timestamps=days)
    weights = np.full((32, 1), np.nan)
    weights[[0, 20, 24]] = -0.9
    config = Config(allow_short_selling=True)
    options = {"train": 20, "test": 4, "metric": "total_return", "progress": False}
    with pytest.warns(BacktestWarning, match="of 3 rows 2 went bankrupt"):
        found = walk_forward(panel, TargetWeights.from_array(weights), config, {"lot": [1.0]}, **options)
    assert found.folds["final_value"].to_list()[0] < 0.0
    assert found.results[0] is not None and found.results[1:] == (None, None)
    assert found.folds["final_value"].n_unique() == 1 and found.metrics["cagr"] == -1.0


def test_refused_orders_are_told_once():
    panel = made_panel(2, 44)
    halves = TargetWeights.from_array(np.tile([0.5, 0.5], (44, 1)))
    options = {"train": 20, "test": 12, "progress": False}
    with pytest.warns(BacktestWarning) as caught:
        found = walk_forward(panel, halves, CONFIG.replace(min_notional=1e4), {"stop_loss": [None, 0.02]}, **options)
    refused = found.metrics["num_rejected_orders"] + found.metrics["num_cut_orders"]
    assert refused > 0
    texts = [str(one.message) for one in caught]
    assert f"out of sample {refused} orders were refused or cut; see rejections of .results" in texts
    assert len(texts) == 2 and "of 4 rows" in texts[0]


# ---- what is said of it


def test_degradation_and_words():
    found = walk_forward(made_panel(), trend, CONFIG, ROWS, train=20, test=12, progress=False)
    inside, outside = (found.folds[name].mean() for name in ("in_sample", "out_of_sample"))
    assert found.degradation == {
        "folds": 3,
        "in_sample": pytest.approx(inside),
        "out_of_sample": pytest.approx(outside),
        "difference": pytest.approx(outside - inside),
        "ratio": pytest.approx(outside / inside),
    }
    assert repr(found).startswith(
        "WalkForward(3 folds, 18 trials, chosen by highest sharpe; out of sample 34 bars, return "
    )
    folds = found.folds
    assert folds["train_start"][0] == date(2021, 1, 1) and folds["test_start"][0] == date(2021, 1, 21)
    assert folds["test_bars"].to_list() == [12, 12, 10] and folds["train_bars"].to_list() == [20] * 3


def test_durations_are_those_of_the_splits():
    panel = made_panel()
    found = walk_forward(panel, trend, CONFIG, ROWS, train="20d", test="12d", purge="1d", progress=False)
    assert found.splits == walk_forward_splits(panel, 20, 12, purge=1)
    whole = walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12, whole=True, progress=False)
    assert whole.folds["test_bars"].to_list() == [12, 12]


def test_the_figure_shows_equity_and_every_fold():
    pytest.importorskip("plotly")
    found = walk_forward(made_panel(), trend, CONFIG, ROWS, train=20, test=12, progress=False)
    figure = found.plot(title="Mine")
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["equity"].y) == found.equity["equity"].to_list()
    assert list(traces["in sample"].y) == found.folds["in_sample"].to_list()
    assert len(figure.layout.shapes) == 3 and figure.layout.title.text == "Mine"


def test_plotly_is_imported_only_by_plot():
    code = "import sys, facade; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- refusals


def test_an_interrupted_sweep_ends_the_walk_and_is_handed_over(monkeypatch):
    panel = made_panel()
    stopped = sweep(panel, trend, CONFIG, ROWS, progress=False)
    monkeypatch.setattr(type(stopped), "interrupted", True)
    monkeypatch.setattr("facade.sweeps.studies.walk_forward.sweep", lambda *given, **named: stopped)
    with pytest.raises(Interrupted, match="interrupted after 6 of 18 runs in sample") as caught:
        walk_forward(panel, trend, CONFIG, ROWS, train=20, test=12)
    assert caught.value.result is stopped


def window(first, last):
    return (Window(first, last),)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs train= and test="),
        ({"train": 20}, "needs train= and test="),
        ({"train": 20, "splits": ()}, "give either these or splits="),
        ({"splits": ()}, "splits is empty"),
        ({"train": 20, "test": 12, "step": 6}, "fold 1: its test begins at bar 26, and the one before ends at bar 31"),
        ({"splits": [Split(window(0, 9), window(9, 12))]}, "fold 0: .* does not train before it tests"),
        ({"splits": [Split(window(0, 9), window(10, 99))]}, "within 54 bars"),
        ({"splits": [Split(window(0, 3) + window(5, 9), window(10, 12))]}, "more than one window"),
    ],
)
def test_what_cannot_be_walked_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        walk_forward(made_panel(), trend, CONFIG, ROWS, progress=False, **options)


def test_a_metric_is_refused_before_anything_runs(monkeypatch):
    monkeypatch.setattr("facade.sweeps.studies.walk_forward.sweep", None)
    for metric in ("sharp", "reason"):
        with pytest.raises(ValueError, match=f"metric='{metric}'"):
            walk_forward(made_panel(), trend, CONFIG, ROWS, train=20, test=12, metric=metric)


@pytest.mark.parametrize("metric", ["bankrupt", "refused_cash"])
def test_any_number_of_the_table_can_be_chosen_by(metric):
    greedy = Signals.from_arrays(np.ones((BARS, 2), bool), size=3.0)
    with pytest.warns(BacktestWarning, match="refused or cut"):
        found = walk_forward(
            made_panel(), greedy, CONFIG, {"lot": [0.0, 1.0]}, train=20, test=12, metric=metric, maximize=False,
            progress=False,
        )  # fmt: skip
    assert found.folds["out_of_sample"].is_finite().all()
    counts = [float(result.facts.rejection_reasons.get("cash", 0)) for result in found.results]
    assert found.folds["out_of_sample"].to_list() == (counts if metric == "refused_cash" else [0.0] * 3)


def test_a_spread_column_may_be_named_by_the_grid():
    panel = made_panel()
    panel = replace(panel, extras={"quoted": np.full(panel.shape, 0.01)})
    found, plain = (
        walk_forward(panel, trend, CONFIG, {"length": [3], "spread": [s]}, train=20, test=12, progress=False)
        for s in ("quoted", 0.01)
    )
    assert found.equity.equals(plain.equity)


def test_ctrl_c_out_of_sample_ends_the_walk_and_hands_over_the_sweep(monkeypatch):
    monkeypatch.setattr("facade.backtest.execute", half_run)
    with pytest.raises(Interrupted, match="interrupted out of sample") as caught:
        walk_forward(made_panel(), trend, CONFIG, ROWS, train=20, test=12, progress=False)
    assert len(caught.value.result) == 18


def half_run(panel, *others):
    return replace(execute(panel, *others), bars=panel.shape[0] // 2)


def test_axes_that_are_not_the_users_are_refused():
    options = {"train": 20, "test": 12, "progress": False}
    with pytest.raises(ConfigError, match="no axis 'window'"):
        walk_forward(made_panel(), trend, CONFIG, {"length": [3], "window": [("2021-01-01", None)]}, **options)
    with pytest.raises(ConfigError, match="no axis 'periods_per_year'"):
        walk_forward(made_panel(), trend, CONFIG, {"length": [3], "periods_per_year": [12]}, **options)
    with pytest.raises(ConfigError, match="no axis 'initial_cash'"):
        walk_forward(made_panel(), trend, CONFIG, {"length": [3], "initial_cash": [1e5, 1e6]}, **options)
    with pytest.raises(DataError, match="needs a panel with timestamps"):
        walk_forward(made_panel(timestamps=False), trend, CONFIG, ROWS, **options)
    with pytest.raises(DataError, match="train=50 and test=12 do not fit into 44 bars"):
        walk_forward(made_panel(bars=44), trend, CONFIG, ROWS, train=50, test=12)

    def named(panel, row):
        return trend(panel, row)

    with pytest.raises(ConfigError, match="'row' is a column of the result"):
        walk_forward(made_panel(), named, CONFIG, {"row": [3]}, **options)


def test_a_row_that_has_no_bar_in_a_test_window_is_refused_before_anything_runs(monkeypatch):
    """Found out after the sweep, it would have cost the sweep."""
    panel = made_panel()
    gone = {name: np.array(getattr(panel, name)) for name in ("open", "high", "low", "close", "volume")}
    for array in gone.values():
        array[30:, 1] = np.nan
    panel = Panel.from_arrays(**gone, timestamps=panel.timestamps, symbols=panel.symbols)
    monkeypatch.setattr("facade.sweeps.studies.walk_forward.sweep", None)
    with pytest.raises(ConfigError, match=r"symbols=B\): prices have no bar in the selection"):
        walk_forward(panel, trend, CONFIG, {"length": [3], "symbols": [["A"], ["B"]]}, train=20, test=12)
