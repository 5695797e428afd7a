"""The result of a sweep: which row is best and whether that can be trusted, figures, files, many trials."""

import math
import warnings
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from facade import Config, Panel, Signals
from facade.errors import BacktestWarning, DataError, Interrupted
from facade.execute import execute
from facade.sweeps.result.facts import Sharpes
from facade.sweeps.result.ranking import value_of
from facade.sweeps.result.result import SweepResult
from facade.sweeps.result.sources import decode_kept_trades
from facade.sweeps.run import sweep
from facade.sweeps.statistics.trials import deflated_sharpe_ratio, moments, overfitting
from made_runs import days
from made_sweeps import (
    PERIODS,
    filled,
    grid_of,
    panel_of_bars,
    plan_of,
    result_of,
    sharpe_states,
    small_grid,
    states,
    trades_of,
    walks,
)


@pytest.fixture
def result():
    return result_of(small_grid(), sharpe_states(np.linspace(-1, 2, 12)))


# Best ----------------------------------------------------------------------------------------------------------------


def test_the_best_row_says_what_it_is(result):
    best = result.best()
    assert best.row == 11 and best.metric == "sharpe" and best.value == result.table["sharpe"][11]
    assert best.parameters == {"stop_loss": 0.04, "take_profit": 0.3}
    assert list(best.metrics) == list(result.columns) and best.metrics["num_trades"] == 10
    assert repr(best).startswith("Best(row 11: stop_loss=0.04, take_profit=0.3; highest sharpe 2.0000, total_return ")
    with pytest.raises(AttributeError):
        best.row = 3


def test_smallest_wins_when_asked_and_equal_rows_are_ranked_by_number(result):
    assert result.best(maximize=False).row == 0
    assert result.best("num_trades").row == 0 == result.best("num_trades", maximize=False).row
    assert result.top(3)["row"].to_list() == [11, 10, 9]
    assert result.top(3, "num_trades")["row"].to_list() == [0, 1, 2]


def test_nan_never_wins_and_infinity_may():
    state = sharpe_states([1.0, 2.0, 0.5])
    state["returns"][1] = 0
    state["gross_loss"][2] = 0.0
    result = result_of(grid_of({"stop_loss": [0.1, 0.2, 0.3]}), state)
    assert math.isnan(result.table["sharpe"][1])
    assert result.best().row == 0 and result.best(maximize=False).row == 2
    assert result.top(5)["row"].to_list() == [0, 2]
    assert result.best("profit_factor").value == math.inf


def test_nothing_can_be_best_of_no_numbers():
    state = sharpe_states([1.0, 2.0])
    state["returns"] = 0
    result = result_of(grid_of({"stop_loss": [0.1, 0.2]}), state)
    with pytest.raises(ValueError, match="no row has a number for metric='sharpe' .2 rows."):
        result.best()
    assert "no row has a Sharpe ratio" in repr(result)
    with pytest.raises(ValueError, match="no row has a Sharpe ratio"):
        result.deflated_sharpe()


def test_an_unknown_metric_is_named(result):
    with pytest.raises(ValueError, match="metric='sharp' is not known; did you mean 'sharpe'"):
        result.best("sharp")
    with pytest.raises(ValueError, match="'stop_loss' is not known"):
        result.best("stop_loss")
    with pytest.raises(ValueError, match="reason.*is text"):
        result.top(1, "reason")


def test_a_metric_goes_by_its_own_name_where_a_parameter_has_it():
    result = result_of(grid_of({"initial_cash": [1e4, 5e4]}), states(2))
    assert result.best("initial_cash").value == 1e5
    assert result.best("initial_cash").parameters == {"initial_cash": 1e4}
    assert result.best().metrics["initial_cash"] == 1e5


# Ambiguity -----------------------------------------------------------------------------------------------------------


class Reruns:
    """Stands in for running rows again: sharpe by (row, policy, reading), counted."""

    def __init__(self, **values):
        self.values, self.asked = values, []

    def __call__(self, row, changes):
        ((policy, reading),) = changes.items()
        self.asked.append((row, policy, reading))
        return SimpleNamespace(metrics={"sharpe": self.values[f"{policy}_{reading}_{row}"]})


def ambiguous(sharpes, two_sided=0, entry_bars=0, trails=0, run_row=None, config=None, grid=None):
    state = sharpe_states(sharpes, two_sided=two_sided, entry_bars=entry_bars, trails=trails)
    grid = grid or grid_of({"stop_loss": [0.01 * (1 + i) for i in range(len(sharpes))]})
    return result_of(grid, state, run_row, config)


def test_without_ambiguous_bars_nothing_is_run_again():
    runs = Reruns()
    assert ambiguous([1.0, 2.0, 0.5], two_sided=[5, 0, 5], run_row=runs).best().row == 1
    assert runs.asked == []


def test_a_winner_by_the_tie_rule_is_warned_of():
    runs = Reruns(tie_pessimistic_1=0.2, tie_pessimistic_0=0.9)
    result = ambiguous([1.0, 2.0, 0.5], two_sided=[3, 40, 0], run_row=runs, config=Config(tie="optimistic"))
    expected = (
        "the rank of row 1 depends on ambiguous bars, .*two_sided 40.: "
        "under tie='pessimistic' row 0 wins with sharpe 0.9000 against 0.2000. See .drill.1..ambiguous_bars"
    )
    with pytest.warns(BacktestWarning, match=expected) as caught:
        assert result.best().row == 1
    assert caught[0].filename == __file__
    # Row 2 has no such bar: its figure is known. The optimistic reading is the one that was run.
    assert sorted(runs.asked) == [(0, "tie", "pessimistic"), (1, "tie", "pessimistic")]


def test_a_winner_that_wins_however_bars_are_read_is_not_warned_of():
    runs = Reruns(tie_optimistic_0=1.2, tie_optimistic_1=2.2)
    assert ambiguous([1.0, 2.0, 0.5], two_sided=[3, 40, 0], run_row=runs).best().row == 1
    assert len(runs.asked) == 2


def test_each_kind_of_ambiguous_bar_is_read_both_ways():
    runs = Reruns(entry_bar_assumed_0=0.1, trail_timing_proved_0=0.5, trail_timing_proved_1=0.6)
    with pytest.warns(BacktestWarning) as caught:
        ambiguous([1.0, 0.9], entry_bars=[2, 0], trails=[1, 1], run_row=runs).best()
    text = str(caught[0].message)
    assert "(entry_bar 2, trail 1)" in text
    assert "under entry_bar='assumed' row 1 wins with sharpe 0.9000 against 0.1000" in text
    assert "under trail_timing='proved' row 1 wins with sharpe 0.6000 against 0.5000" in text


def test_a_run_under_proved_counts_no_trail_but_may_differ_under_lagged():
    runs = Reruns(trail_timing_proved_0=0.8, trail_timing_lagged_1=0.95)
    grid = grid_of({"trail_timing": ["lagged", "proved"]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ambiguous([1.0, 0.7], trails=[4, 0], run_row=runs, grid=grid).best()
    assert not caught
    assert sorted(runs.asked) == [(0, "trail_timing", "proved"), (1, "trail_timing", "lagged")]


def test_rows_that_only_differ_in_the_policy_do_not_beat_each_other():
    grid = grid_of({"tie": ["pessimistic", "optimistic"]})
    lower, higher = ambiguous([1.0, 2.0], grid=grid).table["sharpe"]
    runs = Reruns(tie_pessimistic_1=lower, tie_optimistic_0=higher)
    assert ambiguous([1.0, 2.0], two_sided=9, run_row=runs, grid=grid).best().row == 1
    assert len(runs.asked) == 2


def test_a_winner_that_has_no_number_under_a_reading_loses():
    runs = Reruns(tie_optimistic_1=math.nan, tie_optimistic_0=1.0)
    with pytest.warns(BacktestWarning, match="row 0 wins with sharpe 1.0000 against n/a"):
        ambiguous([1.0, 2.0], two_sided=1, run_row=runs).best()


def test_the_smallest_of_a_metric_is_compared_the_other_way():
    runs = Reruns(tie_optimistic_0=0.9, tie_optimistic_1=0.4)
    with pytest.warns(BacktestWarning, match="row 1 wins with sharpe 0.4000 against 0.9000"):
        ambiguous([0.5, 1.0], two_sided=1, run_row=runs).best(maximize=False)


def test_contenders_bound_the_work():
    runs = Reruns(**{f"tie_optimistic_{row}": 1.0 for row in range(30)})
    result = ambiguous(np.arange(30.0), two_sided=1, run_row=runs)
    result.best(contenders=4)
    assert sorted({row for row, _, _ in runs.asked}) == [26, 27, 28, 29]
    runs.asked.clear()
    result.best(contenders=1)
    assert runs.asked == []
    with pytest.raises(ValueError, match="contenders=0"):
        result.best(contenders=0)


def test_without_prices_the_warning_says_that_nothing_was_tested(tmp_path):
    ambiguous([1.0, 2.0], two_sided=[0, 4]).to_parquet(tmp_path / "s")
    with pytest.warns(BacktestWarning, match="cannot be tested without prices and strategy: attach"):
        assert SweepResult.load(tmp_path / "s").best().row == 1


# Filter, concat, trials ----------------------------------------------------------------------------------------------


def test_a_filter_keeps_numbers_and_trials(result):
    some = result.filter(pl.col("stop_loss") > 0.015).filter(pl.col("sharpe") < 1, pl.col("take_profit") == 0.3)
    assert some.table["row"].to_list() == [5] and len(some) == 1
    assert some.trials == result.trials == 12
    assert some.best().row == 5 and some.facts.sharpes == result.facts.sharpes
    with pytest.raises(IndexError, match="row 11 is not among the 1 rows"):
        some.drill(11)
    assert len(result.filter(pl.lit(False))) == 0


def test_put_together_trials_add_up_and_rows_are_numbered_anew():
    panel = panel_of_bars()
    drilled = []
    first = result_of(small_grid(), sharpe_states(np.arange(12) / 10), lambda *asked: drilled.append(("a", *asked)))
    other = grid_of({"lot": [0, 5], "lag": [3, 4]}, lag=False)
    second = SweepResult(
        filled(other, sharpe_states([5.0, 6, 7, 8])),
        plan_of(other, panel, Config(stop_loss=0.5)),
        lambda *asked: drilled.append(("b", *asked)),
    )
    both = SweepResult.concat([first.filter(pl.col("row") > 8), second])
    table = both.table
    assert table["row"].to_list() == list(range(7)) and both.trials == 16 == SweepResult.concat([both]).trials
    assert table["stop_loss"].to_list() == [0.04] * 3 + [0.5] * 4  # not varied there: what the configuration has
    assert table["lot"].to_list() == [1.0] * 3 + [0, 0, 5, 5] and table["lag"].to_list() == [None] * 3 + [3, 4, 3, 4]
    assert table["sharpe"].to_list() == [*first.table["sharpe"][9:], *second.table["sharpe"]]
    both.drill(1)
    both.drill(6)
    assert drilled == [("a", 10, {}), ("b", 3, {})]
    all_sharpes = np.concatenate([first.table["sharpe"], second.table["sharpe"]]) / np.sqrt(PERIODS)
    assert both.facts.sharpes.variance == pytest.approx(np.var(all_sharpes, ddof=1), rel=1e-12)


def test_results_of_other_prices_cannot_be_put_together(result):
    other = result_of(small_grid(), states(12), panel=panel_of_bars(41))
    with pytest.raises(DataError, match="result 1 is of other prices"):
        SweepResult.concat([result, other])
    with pytest.raises(ValueError, match="at least one"):
        SweepResult.concat([])
    clash = result_of(grid_of({"sharpe": [1, 2]}, sharpe=False), states(2))
    with pytest.raises(DataError, match="result 0: sharpe is a parameter of another result and only a column"):
        SweepResult.concat([result, clash])


def test_an_interrupted_sweep_counts_what_was_run():
    grid = small_grid()
    rows = filled(grid, states(12), limit=100)
    rows.done[5:] = False
    result = SweepResult(rows, plan_of(grid), interrupted=True)
    assert result.trials == 5 == len(result) and result.interrupted
    assert "5 rows, 5 trials, interrupted: 5 of 12 configurations were run" in repr(result)


def test_spread_of_sharpe_ratios_leaves_out_what_is_no_number():
    found = Sharpes.of(np.array([1.0, np.nan, 3.0, np.inf]), np.array([4.0, 4.0, 4.0, 4.0]))
    assert found.count == 2 and found.mean == 1.0 and found.variance == 0.5
    assert math.isnan(Sharpes().variance)
    assert Sharpes().with_others(found) == found == found.with_others(Sharpes())


# Rows ----------------------------------------------------------------------------------------------------------------


def test_a_row_is_a_number_a_best_or_a_record():
    result = result_of(small_grid(), sharpe_states(np.arange(12)), lambda row, changes: (row, changes))
    assert result.drill(3) == (3, {}) == result.drill(np.int64(3))
    assert result.drill(result.best()) == (11, {}) == result.drill(result.top(1).to_dicts()[0])
    for wrong in (True, "3", 2.0, {"x": 1}, None):
        with pytest.raises(TypeError, match="a row is its number"):
            result.drill(wrong)
    for wrong in (-1, 12):
        with pytest.raises(IndexError, match="is not among the 12 rows"):
            result.drill(wrong)


def test_curves_and_trades_that_were_kept():
    grid, curves, panel = small_grid(), walks(12), panel_of_bars()
    result = result_of(grid, states(12), keep="equity", kept=curves)
    found = result.equity(7)
    assert found["equity"].to_list() == curves[7].tolist() and found["timestamp"].equals(panel.timestamps)
    assert np.array_equal(result.curves, curves)
    assert np.array_equal(result.filter(pl.col("row").is_in([3, 9])).curves, curves[[3, 9]])
    with pytest.raises(DataError, match="kept equity; run it with keep='trades', or take .drill.row..trades"):
        result.trades(0)
    kept = [trades_of(row % 3, row) for row in range(12)]
    result = result_of(grid, states(12), keep="trades", kept=kept)
    assert result.trades(5).equals(decode_kept_trades(panel, kept[5]))
    assert result.trades(5)["exit_price"].to_list() == [16.0, 16.0] and result.trades(3).height == 0
    with pytest.raises(DataError, match="kept trades; run it with keep='equity'"):
        _ = result.curves


# Honesty -------------------------------------------------------------------------------------------------------------


def test_the_deflated_sharpe_ratio_is_that_of_all_trials():
    curves = walks(12, drift=0.001)
    returns = curves / np.concatenate([np.full((12, 1), 1e5), curves[:, :-1]], axis=1) - 1
    sharpes = returns.mean(axis=1) / returns.std(axis=1, ddof=1) * np.sqrt(PERIODS)
    result = result_of(small_grid(), sharpe_states(sharpes), keep="equity", kept=curves)
    best = int(np.argmax(sharpes))
    found = moments(returns[best])
    variance = np.var(sharpes / np.sqrt(PERIODS), ddof=1)
    for trials, asked in ((12, None), (5000, 5000)):
        expected = deflated_sharpe_ratio(
            found.sharpe, variance, trials, found.observations, found.skewness, found.kurtosis
        )
        assert result.deflated_sharpe(trials=asked) == pytest.approx(expected, rel=1e-9)
        few = result.filter(pl.col("row") == best)
        assert few.deflated_sharpe(trials=asked) == pytest.approx(expected, rel=1e-9)
    run_row = lambda row, changes: SimpleNamespace(equity=pl.DataFrame({"return": returns[row]}))  # noqa: E731
    again = result_of(small_grid(), sharpe_states(sharpes), run_row)
    assert again.deflated_sharpe(3) == pytest.approx(result.deflated_sharpe(3), rel=1e-9)


def test_one_trial_is_not_deflated():
    curves = walks(1, drift=0.001)
    result = result_of(grid_of({"stop_loss": [0.1]}), sharpe_states([1.0]), keep="equity", kept=curves)
    assert 0 < result.deflated_sharpe() < 1


def test_overfitting_is_that_of_the_kept_curves():
    curves = walks(12)
    curves[3, 20:] = 0.0  # bankrupt: no returns after that
    result = result_of(small_grid(), states(12), keep="equity", kept=curves)
    with np.errstate(invalid="ignore", divide="ignore"):
        returns = curves / np.concatenate([np.full((12, 1), 1e5), curves[:, :-1]], axis=1) - 1
    returns[3, 21:] = 0.0
    expected = overfitting(np.ascontiguousarray(returns.T), 8)
    assert result.overfitting(8).probability == expected.probability
    assert np.array_equal(result.overfitting(8).logits, expected.logits)
    with pytest.raises(DataError, match="keep='equity'"):
        result_of(small_grid(), states(12)).overfitting()


# Telling -------------------------------------------------------------------------------------------------------------


def test_a_result_tells_what_is_odd():
    state = sharpe_states(np.arange(12.0))
    state["frozen"][:2] = 1
    state["fills"][2:5] = 0
    state["rejected"][5], state["refusals"][5, 1] = state["orders"][5], 20
    text = repr(result_of(small_grid(), state))
    assert text == (
        "SweepResult(12 rows, 12 trials; best sharpe 11.0000 in row 11 (stop_loss=0.04, take_profit=0.3); "
        "2 bankrupt, 1 with every order refused, 3 without trades)"
    )
    html = result_of(small_grid(), state)._repr_html_()
    assert "<td" in html and "take_profit" in html and html.count("<tr>") == 11 and "script" not in html


def test_names_of_users_are_escaped_in_html():
    grid = grid_of({"name": ["<script>", "b"]}, name=False)
    assert "<script>" not in result_of(grid, sharpe_states([1.0, 2.0]))._repr_html_()


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["metrics", "equity", "trades"])
def test_a_result_comes_back_as_it_was(tmp_path, keep):
    kept = {"metrics": None, "equity": walks(12), "trades": [trades_of(row % 3, row) for row in range(12)]}[keep]
    whole = result_of(small_grid(), sharpe_states(np.arange(12) / 7), keep=keep, kept=kept)
    for number, result in enumerate((whole, whole.filter(pl.col("row").is_in([2, 7, 11])))):
        result.to_parquet(tmp_path / f"s{number}")
        found = SweepResult.load(tmp_path / f"s{number}")
        assert found.table.equals(result.table) and found.table.schema == result.table.schema
        assert found.facts == result.facts and found.trials == 12
        assert repr(found) == repr(result) and found.best() == result.best()
        for row in result.table["row"].to_list():
            if keep == "equity":
                assert found.equity(row).equals(result.equity(row))
            if keep == "trades":
                assert found.trades(row).equals(result.trades(row))
        if keep == "equity":
            assert np.array_equal(found.curves, result.curves)
            assert found.deflated_sharpe() == result.deflated_sharpe()
        found.to_parquet(tmp_path / "again")
        assert SweepResult.load(tmp_path / "again").table.equals(result.table)
        with pytest.raises(DataError, match="no prices and strategy; attach"):
            found.drill(2)


def test_damaged_and_foreign_directories_are_refused(tmp_path, result):
    result.to_parquet(tmp_path / "s")
    result.to_parquet(tmp_path / "s")
    table = tmp_path / "s" / "table.parquet"
    table.write_bytes(table.read_bytes()[:-1])
    with pytest.raises(DataError, match="table.parquet does not match its checksum"):
        SweepResult.load(tmp_path / "s")
    table.unlink()
    with pytest.raises(DataError, match="table.parquet is missing"):
        SweepResult.load(tmp_path / "s")
    (tmp_path / "s" / "manifest.json").unlink()
    with pytest.raises(DataError, match="holds no result of a sweep"):
        SweepResult.load(tmp_path / "s")
    with pytest.raises(FileExistsError, match="choose another directory"):
        result.to_parquet(tmp_path / "s")
    (tmp_path / "s" / "manifest.json").write_text('{"name": "ml4t-kernel result"}')
    with pytest.raises(FileExistsError, match="not a result of a sweep"):
        result.to_parquet(tmp_path / "s")


def test_a_grid_of_what_is_no_text_is_written_without_its_values(tmp_path):
    grid = grid_of({"how": [len, sum, max]}, how=False)
    result_of(grid, states(3)).to_parquet(tmp_path / "s")
    found = SweepResult.load(tmp_path / "s")
    assert found.table["how"].to_list() == ["len", "sum", "max"]
    with pytest.raises(DataError, match="give it again as grid="):
        found.attach(panel_of_bars(), None)


# With real runs ------------------------------------------------------------------------------------------------------


def small_panel():
    rng = np.random.default_rng(7)
    close = 100 * np.cumprod(1 + rng.normal(0, 0.02, (50, 2)), axis=0)
    open_ = close * (1 + rng.normal(0, 0.005, close.shape))
    spread = 1 + np.abs(rng.normal(0, 0.02, close.shape))
    high, low = np.maximum(open_, close) * spread, np.minimum(open_, close) / spread
    return Panel.from_arrays(open_, high, low, close, symbols=["A", "B"], timestamps=days(50))


def buy_dips(panel, lag):
    close = panel.close
    below = np.zeros(close.shape, bool)
    below[lag:] = close[lag:] < close[:-lag]
    return Signals.from_arrays(entries=below, exits=~below, size=0.4)


REAL = {"lag": [1, 3], "stop_loss": [0.01, 0.05], "take_profit": [0.01, 0.1]}


def test_a_sweep_that_is_loaded_can_be_given_prices_and_strategy_again(tmp_path):
    panel = small_panel()
    result = sweep(panel, buy_dips, Config(lot=0), REAL, progress=False, n_jobs=1)
    result.to_parquet(tmp_path / "s")
    loaded = SweepResult.load(tmp_path / "s")
    found = loaded.filter(pl.col("row") > 1).attach(panel, buy_dips)
    assert found.table.equals(result.table.filter(pl.col("row") > 1))
    for row in (2, 7):
        metrics = found.drill(row).metrics
        own = result.drill(row).metrics
        assert {name: metrics[name] for name in own} == pytest.approx(own, rel=0, abs=0, nan_ok=True)
        assert metrics["sharpe"] == result.table["sharpe"][row]
    other = Panel.from_arrays(*[panel.close] * 4, symbols=["A", "B"], timestamps=days(50))
    with pytest.raises(DataError, match="not what the sweep was run with; different: prices"):
        loaded.attach(other, buy_dips)
    with pytest.raises(DataError, match="different: strategy"):
        loaded.attach(panel, lambda panel, lag: buy_dips(panel, lag + 1))
    with pytest.raises(DataError, match="different: grid"):
        loaded.attach(panel, buy_dips, grid={**REAL, "lag": [1, 4]})
    with pytest.raises(DataError, match="this one has its prices"):
        result.attach(panel, buy_dips)


def test_a_tight_stop_that_wins_by_the_tie_rule_is_told_from_one_that_wins():
    """Each bar reaches both sides: the optimistic reading takes every profit, the other every stop."""
    bars = 30
    close = np.full((bars, 1), 100.0)
    close[::2] = 100.2
    panel = Panel.from_arrays(np.full((bars, 1), 100.0), close + 3, close - 3, close, symbols=["A"])
    entries = np.ones((bars, 1), bool)
    strategy = Signals.from_arrays(entries=entries, size=0.5)
    grid = {"stop_loss": [0.01, 0.5], "take_profit": [0.02, 0.2]}
    lenient = sweep(panel, strategy, Config(tie="optimistic", lot=0), grid, progress=False, n_jobs=1)
    assert (lenient.table["ambiguous_two_sided"] > 0).to_list() == [True, False, False, False]
    with pytest.warns(BacktestWarning, match="under tie='pessimistic' row 2 wins with total_return .* against -13.52%"):
        assert lenient.best("total_return").row == 0
    strict = sweep(panel, strategy, Config(lot=0), grid, progress=False, n_jobs=1)
    assert strict.best("total_return").row == 2 == lenient.filter(pl.col("stop_loss") > 0.1).best("total_return").row


def test_windows_keep_their_own_bars(tmp_path):
    panel = small_panel()
    grid = {"window": {"all": (None, None), "late": ("2020-01-21", None)}, "stop_loss": [0.02, 0.05]}
    result = sweep(panel, buy_dips(panel, 2), Config(lot=0), grid, keep="equity", progress=False, n_jobs=1)
    result.to_parquet(tmp_path / "s")
    for found in (result, SweepResult.load(tmp_path / "s"), SweepResult.concat([result, result])):
        for row in (0, 3):
            expected = result.drill(row).equity.select("timestamp", "equity")
            assert found.equity(row).equals(expected)
        with pytest.raises(DataError, match="rows 0 and 2 are of different bars; filter to one window"):
            found.overfitting(4)
    assert result.filter(pl.col("window") == "late").overfitting(4).trials == 2


def test_kept_trades_are_those_of_the_run():
    panel = small_panel()
    grid = {"symbols": [["A", "B"], ["B"]], "take_profit": [0.01, 0.05]}
    result = sweep(panel, buy_dips(panel, 2), Config(lot=0), grid, keep="trades", progress=False, n_jobs=1)
    for row in range(4):
        assert result.trades(row).height and result.trades(row).equals(result.drill(row).trades)


def test_refusals_by_reason_add_up():
    panel = small_panel()
    grid = {"lot": [0, 1, 5000], "min_notional": [0, 85_000], "cooldown": [0, 5], "shortfall": ["shrink", "reject"]}
    everything = Signals.from_arrays(entries=np.ones(panel.shape, bool), size=0.8)
    config = Config(take_profit=0.01, stop_loss=0.01)
    with pytest.warns(BacktestWarning):
        table = sweep(panel, everything, config, grid, progress=False, n_jobs=1).table
    refused = table.select(pl.sum_horizontal(pl.col("^refused_.*$")).alias("sum")).to_series()
    assert refused.equals((table["num_rejected_orders"] + table["num_cut_orders"]).alias("sum"))
    assert {name for name in table.columns if name.startswith("refused_") and table[name].sum()} >= {
        "refused_cash",
        "refused_cooldown",
        "refused_lot",
        "refused_minimum",
    }
    assert table["reason"].drop_nulls().str.starts_with("every order refused: ").any()


def test_what_a_sweep_was_of_is_only_computed_when_it_is_asked_for(monkeypatch, tmp_path):
    panel, asked = small_panel(), []
    digest = Panel.digest.func
    monkeypatch.setattr(Panel.digest, "func", lambda panel: asked.append(panel) or digest(panel))
    result = sweep(panel, buy_dips, Config(lot=0), REAL, progress=False, n_jobs=1)
    assert result.best("num_trades").row >= 0 and repr(result) and result.trials == 8 and not asked
    result.to_parquet(tmp_path / "s")
    assert len(asked) == 1


def test_the_rank_of_a_row_by_refusals_or_bankruptcy_is_tested_too():
    bars = 30
    close = np.full((bars, 1), 100.0)
    panel = Panel.from_arrays(close, close + 3, close - 3, close, symbols=["A"])
    entries = np.ones((bars, 1), bool)
    strategy = Signals.from_arrays(entries=entries, size=0.5, accumulate=True)
    grid = {"stop_loss": [0.01, 0.5], "take_profit": [0.02, 0.2]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        result = sweep(panel, strategy, Config(lot=0, tie="optimistic"), grid, progress=False, n_jobs=1)
        assert result.filter(pl.col("row") != 1).best("bankrupt").row == 0
        assert result.best("refused_cash", maximize=False).row == 0
    for row in range(4):
        found = result.drill(row)
        assert value_of(found, "bankrupt") == 0.0 and value_of(found, "num_fills") == found.metrics["num_fills"]
        for name in result.columns:
            if name.startswith("refused_"):
                assert value_of(found, name) == result.table[name][row]


def test_a_bankrupt_run_is_bankrupt_by_itself():
    close = np.array([100.0, 100.0, 100.0, 300.0, 300.0, 300.0])[:, None]
    panel = Panel.from_arrays(close, close, close, close, np.full_like(close, 1e6))
    short = np.zeros((6, 1), bool)
    short[0] = True
    strategy = Signals.from_arrays(entries=np.zeros((6, 1), bool), short_entries=short, size=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        grid = {"allow_short_selling": [True], "lot": [0.0, 1.0]}
        result = sweep(panel, strategy, {"commission_rate": 0.0}, grid, progress=False)
    assert result.table["bankrupt"].to_list() == [True, True]
    assert value_of(result.drill(0), "bankrupt") == 1.0


def test_a_spread_column_that_the_grid_names_is_loaded_when_prices_are_given_again(tmp_path):
    panel = small_panel()
    long = pl.concat(
        pl.DataFrame({"timestamp": panel.timestamps, "symbol": symbol, "quoted": 0.01}
                     | {name: getattr(panel, name)[:, at] for name in ("open", "high", "low", "close")})
        for at, symbol in enumerate(panel.symbols)
    )  # fmt: skip
    grid = {"lag": [1, 3], "spread": [0.0, "quoted"]}
    result = sweep(long, buy_dips, Config(lot=0), grid, progress=False)
    result.to_parquet(tmp_path / "s")
    found = SweepResult.load(tmp_path / "s").attach(long, buy_dips)
    assert found.drill(3).metrics["sharpe"] == result.table["sharpe"][3]


def test_a_grid_that_is_given_again_takes_its_constraint(tmp_path):
    def dips(panel, lag, how):
        return buy_dips(panel, how(lag, 1))

    grid, panel = {"lag": [1, 2, 3], "how": [max, min]}, small_panel()
    result = sweep(panel, dips, Config(lot=0), grid, constraint=lambda row: row["lag"] > 1, progress=False)
    result.to_parquet(tmp_path / "s")
    loaded = SweepResult.load(tmp_path / "s")
    found = loaded.attach(panel, dips, grid=grid, constraint=lambda row: row["lag"] > 1)
    assert found.drill(2).metrics["sharpe"] == result.table["sharpe"][2]
    with pytest.raises(DataError, match="different: grid"):
        loaded.attach(panel, dips, grid=grid)


def test_results_put_together_are_not_run_again_by_their_new_numbers(tmp_path):
    """Row 0 of the whole is row 7 of the sweep."""
    panel = small_panel()
    result = sweep(panel, buy_dips, Config(lot=0), REAL, progress=False, n_jobs=1)
    SweepResult.concat([result.filter(pl.col("row") == 7)]).to_parquet(tmp_path / "s")
    loaded = SweepResult.load(tmp_path / "s")
    for grid in (None, REAL):
        with pytest.raises(DataError, match="put together; attach each before"):
            loaded.attach(panel, buy_dips, grid=grid)


def test_fields_that_are_metrics_too_can_be_put_together():
    panel = small_panel()
    cash = sweep(panel, buy_dips, Config(lot=0), {"lag": [1], "initial_cash": [1e4, 2e4]}, progress=False)
    year = sweep(panel, buy_dips, Config(lot=0), {"lag": [2], "periods_per_year": [12.0]}, progress=False)
    for both, at in ((SweepResult.concat([cash, year]), 0), (SweepResult.concat([year, cash]), 1)):
        table = both.table
        assert sorted(table["initial_cash"]) == sorted(table["result_initial_cash"]) == [1e4, 2e4, 1e5]
        assert table["periods_per_year"].to_list().count(None) == 2
        assert table["result_periods_per_year"][at] != 12.0 and sorted(table["result_periods_per_year"])[0] == 12.0
        assert both.best("initial_cash").value == 1e5
        for row in range(3):
            assert both.drill(row).metrics["sharpe"] == table["sharpe"][row]


def test_ctrl_c_while_a_row_is_run_again_is_no_result(monkeypatch):
    result = sweep(small_panel(), buy_dips, Config(lot=0), REAL, progress=False, n_jobs=1)
    monkeypatch.setattr("facade.backtest.execute", lambda panel, *others: replace(execute(panel, *others), bars=20))
    with pytest.raises(Interrupted, match="after 20 of 50 bars") as caught:
        result.drill(3)
    assert caught.value.result.facts.bars == 20


def test_rows_of_other_configurations_are_told_apart_and_compared_under_their_own():
    """Of results put together twice, or written in between: what differs is a column, not the first configuration's."""
    panel = small_panel()
    made = [
        sweep(panel, buy_dips, Config(lot=0, tie=tie, stop_loss=stop), {"lag": [1, 3]}, progress=False, n_jobs=1)
        for tie, stop in (("pessimistic", None), ("optimistic", 0.01), ("nearest", 0.01))
    ]
    more = sweep(panel, buy_dips, Config(lot=0), {"lag": [1], "take_profit": [0.1]}, progress=False)
    both = SweepResult.concat([SweepResult.concat(made), more])
    assert both.table["tie"].to_list()[::2] == ["pessimistic", "optimistic", "nearest", "pessimistic"]
    assert both.table["stop_loss"].to_list() == [None, None, *[0.01] * 4, None]
    assert set(both.parameters) == {"lag", "stop_loss", "tie", "take_profit"} and both.trials == 7
