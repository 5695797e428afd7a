"""`sweep` from outside: a row is a single run to the bit, however it was computed, interrupted or taken up again."""

import math
import random
import warnings
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential import config_of, panel_of, strategy_of
from facade import BacktestWarning, Config, ConfigError, Panel, Signals, StrategyError, TargetWeights, run_backtest
from facade.sweeps import run
from facade.sweeps.run import sweep
from facade.sweeps.workers import pool
from ml4t_kernel.modes import INTERPRETED
from reference.scenarios import random_scenario

BARS, DAY = 30, date(2020, 1, 1)
KNOBS = {
    "initial_cash": (1000.0, 20_000.0, 5.0),
    "commission_rate": (0.0, 0.01),
    "commission_per_share": (0.0, 0.25),
    "commission_minimum": (0.0, 2.0),
    "slippage_rate": (0.0, 0.002),
    "sell_tax_rate": (0.0, 0.001),
    "lot": (0.0, 1.0, 10.0),
    "min_notional": (0.0, 500.0),
    "stop_loss": (None, 0.02, {"A0": 0.05}),
    "take_profit": (None, 0.03),
    "trailing_stop": (None, 0.04),
    "break_even": (None, 0.01),
    "time_exit": (None, 3),
    "cooldown": (0, 2),
    "tie": ("pessimistic", "optimistic", "nearest"),
    "limit_fill": ("touch", "through"),
    "entry_bar": ("proved", "assumed"),
    "timing": ("next_bar", "same_bar_close"),
    "shortfall": ("shrink", "reject"),
    "rule_basis": ("fill", "signal"),
    "water_mark": ("extreme", "close"),
    "max_stale": (1, 4),
    "spread": (0.0, 0.004, {"A0": 0.002}),
}
"""Fields that any strategy of a scenario takes, and values of them."""
GRID = {"stop_loss": [None, *np.linspace(0.005, 0.1, 19).tolist()], "commission_rate": [0.0, 0.001]}


def small_panel(bars=BARS, assets=2, seed=3):
    """Random walks of a few assets."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, (bars, assets)), axis=0))
    opened = close * np.exp(rng.normal(0.0, 0.005, (bars, assets)))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    volume, days = np.full((bars, assets), 1e6), pl.date_range(DAY, DAY + timedelta(bars - 1), eager=True)
    return Panel.from_arrays(open=opened, high=high, low=low, close=close, volume=volume, timestamps=days)


def in_and_out(panel, every=6, size=0.3):
    """Entries every few bars, exits half-way between."""
    bars = np.arange(panel.shape[0])[:, None] + np.arange(panel.shape[1])
    return Signals.from_arrays(entries=bars % every == 1, exits=bars % every == every // 2 + 1, size=size)


def swept(*arguments, **named):
    """A sweep without progress bar and warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        return sweep(*arguments, progress=False, **named)


def same(one, other):
    """Equal numbers to the bit, NaN equal to NaN."""
    one, other = float(one), float(other)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)


def assert_row_is(result, row, metrics):
    """A row of the table has these metrics."""
    record = result.table.row(by_predicate=pl.col("row") == row, named=True)
    names = result.facts.names
    different = {
        name: (record[names[name]], value) for name, value in metrics.items() if not same(record[names[name]], value)
    }
    assert not different


def assert_same_table(one, other):
    """To the bit: Polars takes NaN for equal to NaN, and zeros of either sign for equal too."""
    assert one.table.equals(other.table)
    for name in one.table.select(pl.col(pl.Float64)).columns:
        signs = [np.signbit(result.table[name].to_numpy()) for result in (one, other)]
        assert np.array_equal(*signs), name


def at_chunk(monkeypatch, number, act):
    """`act` is called when chunk `number` comes back."""
    take, count = run._Recorder.take, iter(range(1_000_000))

    def taking(recorder, *chunk):
        take(recorder, *chunk)
        if next(count) == number:
            act()

    monkeypatch.setattr(run._Recorder, "take", taking)


def few_rows_a_chunk(monkeypatch):
    monkeypatch.setattr(pool, "FIRST_ROWS", 2)
    monkeypatch.setattr(pool, "BLOCK_ROWS", 4)


# A row is a single run -----------------------------------------------------------------------------------------------


def random_grid(rng):
    """A few fields with a few values each, at most 12 rows."""
    names = rng.sample(sorted(KNOBS), 3)
    return {name: rng.sample(KNOBS[name], 2) for name in names}


@pytest.mark.unchecked
@settings(max_examples=4 if INTERPRETED else 25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["orders", "weights", "shares", "signals"]))
def test_every_row_is_the_single_run_of_its_configuration_however_it_was_computed(seed, kind):
    rng = random.Random(seed)
    scenario = random_scenario(rng, exact=False, bars=14, assets=rng.choice([1, 2, 3]), kind=kind)
    panel, config, strategy = panel_of(scenario), config_of(scenario), strategy_of(scenario)
    grid = random_grid(rng)
    if "commission_minimum" in grid:
        config = config.replace(commission_maximum=None)  # which may be below it
    one = swept(panel, strategy, config, grid, n_jobs=1)
    several = swept(panel, strategy, config, grid, n_jobs=3)
    curves = swept(panel, strategy, config, grid, n_jobs=2, keep="equity")
    trades = swept(panel, strategy, config, grid, n_jobs=2, keep="trades")
    for other in (several, curves, trades):
        assert_same_table(one, other)
    assert one.table.height == 8
    for row in range(one.table.height):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacktestWarning)
            single = run_backtest(panel, strategy, config=config.replace(**one._source.grid.changes(row)))
            again = one.drill(row)
        assert_row_is(one, row, single.metrics)
        assert_row_is(one, row, again.metrics)
        assert curves.equity(row).equals(single.equity.select("timestamp", "equity"))
        assert trades.trades(row).equals(single.trades)
        assert again.orders.equals(single.orders)


def test_functions_variants_symbols_and_windows_are_the_single_runs_of_what_they_stand_for():
    panel = small_panel(assets=3)
    grid = {
        "every": [4, 6],
        "symbols": {"two": ["A0", "A2"], "all": ["A0", "A1", "A2"]},
        "window": [None, ("2020-01-06", "2020-01-21")],
        "stop_loss": [None, 0.02],
    }
    sizes = {"one": 0.3, "other": 0.2}
    strategies = {"one": in_and_out, "other": lambda panel, every: in_and_out(panel, every, size=0.2)}
    result = swept(panel, strategies, None, grid, n_jobs=2, keep="equity")
    assert result.table.height == 32
    for row, record in enumerate(result.table.to_dicts()):
        columns = [0, 2] if record["symbols"] == "two" else [0, 1, 2]
        bars = slice(5, 21) if row // 2 % 2 else slice(0, BARS)
        cut = {name: getattr(panel, name)[bars, columns] for name in ("open", "high", "low", "close", "volume")}
        whole = (np.arange(BARS)[:, None] + np.arange(3))[bars, columns] % record["every"]
        strategy = Signals.from_arrays(
            entries=whole == 1, exits=whole == record["every"] // 2 + 1, size=sizes[record["strategy"]]
        )
        part = Panel.from_arrays(**cut, timestamps=panel.timestamps[bars])
        single = run_backtest(part, strategy, config=Config(stop_loss=record["stop_loss"]))
        assert_row_is(result, row, single.metrics)
        assert np.array_equal(result.equity(row)["equity"], single.equity["equity"])
        assert result.drill(row).equity["equity"].equals(single.equity["equity"])


def test_trades_and_drill_of_few_assets_of_a_wide_panel_have_the_names_of_the_panel():
    panel = small_panel(assets=70)
    entries = np.zeros(panel.shape, bool)
    entries[3::7, [5, 68]] = True
    strategy = Signals.from_arrays(entries=entries, exits=np.roll(entries, 3, axis=0), size=0.3)
    result = swept(panel, strategy, None, {"stop_loss": [None, 0.01]}, keep="trades", n_jobs=1)
    for row in range(2):
        assert set(result.trades(row)["symbol"]) == {"A5", "A68"}
        assert result.trades(row).equals(result.drill(row).trades)


@pytest.mark.parametrize("keep", ["metrics", "equity", "trades"])
def test_scratch_that_has_to_grow_changes_nothing(monkeypatch, keep):
    panel = small_panel(assets=3)
    whole = swept(panel, in_and_out(panel), None, GRID, keep=keep, n_jobs=1)
    make_job = pool.make_job

    def small(inputs, keep):
        job = make_job(inputs, keep)
        return replace(job, rows={**dict.fromkeys(job.rows, 1), "gross": job.rows["gross"]})

    monkeypatch.setattr(pool, "make_job", small)
    result = swept(panel, in_and_out(panel), None, GRID, keep=keep, n_jobs=2)
    assert_same_table(result, whole)
    assert whole.table["num_fills"].min() > 8
    if keep == "trades":
        assert result.trades(5).equals(whole.trades(5))
    if keep == "equity":
        assert np.array_equal(result.curves, whole.curves)


def test_a_spread_that_only_the_grid_names_is_loaded_with_the_prices():
    panel = small_panel()
    frame = pl.concat(
        pl.DataFrame(
            {
                "timestamp": panel.timestamps,
                "symbol": symbol,
                **{name: getattr(panel, name)[:, asset] for name in ("open", "high", "low", "close", "volume")},
                "quoted": np.full(panel.shape[0], 0.01),
            }
        )
        for asset, symbol in enumerate(panel.symbols)
    )
    result = swept(frame, in_and_out(panel), None, {"spread": [0.01, "quoted"]}, n_jobs=1)
    assert same(*result.table["final_value"])


def test_a_spread_column_is_that_of_the_panel_which_may_hold_nonsense_outside_of_the_window():
    panel = small_panel()
    quoted = np.full(panel.shape, 0.01)
    quoted[:5] = 7.0
    panel = replace(panel, extras={"quoted": quoted})
    windows = {"late": (DAY + timedelta(5), None)}
    result = swept(panel, in_and_out(panel), None, {"spread": [0.01, "quoted"], "window": windows}, n_jobs=1)
    assert same(*result.table["final_value"])
    with pytest.raises(ConfigError, match=r"row 3 \(window=all\): spread: column 'quoted' of A0 at 2020-01-01 is 7.0"):
        swept(panel, in_and_out(panel), None, {"spread": [0.01, "quoted"], "window": {**windows, "all": (None, None)}})


# Odd rows ------------------------------------------------------------------------------------------------------------


def test_bankrupt_rows_and_rows_whose_orders_are_all_refused_are_rows_with_a_reason_and_one_warning():
    close = np.array([100.0, 100.0, 100.0, 300.0, 300.0, 300.0])[:, None]
    panel = Panel.from_arrays(open=close, high=close, low=close, close=close, volume=np.full_like(close, 1e6))
    short = np.zeros((6, 1), bool)
    short[0] = True
    none = np.zeros_like(short)
    strategy = Signals.from_arrays(entries=none, exits=none, short_entries=short, short_exits=none, size=0.9)
    rows = [{"allow_short_selling": True}, {"allow_short_selling": False}, {"initial_cash": 1.0, "lot": 1.0}]
    with pytest.warns(BacktestWarning) as caught:
        result = sweep(panel, strategy, {"max_participation": None}, rows, progress=False)
    assert [str(one.message) for one in caught] == [
        "of 3 rows 2 had orders refused or cut and 1 went bankrupt; see refused_*, bankrupt and reason in the table"
    ]
    assert caught[0].filename == __file__
    assert result.table["reason"].to_list()[0] == "bankrupt"
    assert result.table["reason"].str.starts_with("every order refused").to_list()[1:] == [True, True]


def test_what_encoding_warns_of_is_said_once_not_once_a_group():
    panel = small_panel()

    def leaning(panel, lean):
        weights = np.full(panel.shape, np.nan)
        weights[3] = 0.8 + lean
        return TargetWeights.from_array(weights, scale=True)

    with pytest.warns(BacktestWarning) as caught:
        sweep(panel, leaning, None, {"lean": [0.0, 0.01, 0.02]}, progress=False)
    told = [str(one.message) for one in caught if "scaled" in str(one.message)]
    assert len(told) == 1
    assert "2 further warnings" in told[0]


def test_a_strategy_that_cannot_be_made_stops_the_sweep_naming_its_row_and_carries_what_is_done():
    def broken(panel, every):
        if every == 5:
            raise ValueError("five")
        return in_and_out(panel, every)

    with pytest.raises(StrategyError, match="row 4") as caught:
        swept(small_panel(), broken, None, {"every": [3, 4, 5, 6], "stop_loss": [None, 0.05]}, n_jobs=1)
    assert caught.value.result.table["row"].to_list() == [0, 1, 2, 3]
    assert caught.value.result.interrupted
    assert "4 of 8 rows of the sweep are done" in caught.value.__notes__[0]


def test_the_progress_bar_counts_configurations_and_is_quiet_when_not_wanted(capsys):
    panel = small_panel()
    sweep(panel, in_and_out(panel), None, GRID, n_jobs=1)
    assert "40/40" in capsys.readouterr().err
    sweep(panel, in_and_out(panel), None, GRID, n_jobs=1, progress=False)
    assert capsys.readouterr() == ("", "")


# Arguments -----------------------------------------------------------------------------------------------------------


def test_n_jobs_may_be_a_number_of_numpy():
    panel = small_panel()
    assert len(swept(panel, in_and_out(panel), None, GRID, n_jobs=np.int64(2))) == 40


@pytest.mark.parametrize("n_jobs", [0, -1, 1.5, True, "2"])
def test_n_jobs_is_refused_unless_a_whole_number_from_one(n_jobs):
    panel = small_panel()
    with pytest.raises(ConfigError, match="n_jobs="):
        sweep(panel, in_and_out(panel), None, GRID, n_jobs=n_jobs)


def test_other_arguments_are_refused_with_what_is_allowed():
    panel = small_panel()
    with pytest.raises(ConfigError, match="'metrics', 'equity', 'trades'"):
        sweep(panel, in_and_out(panel), None, GRID, keep="equities")
    with pytest.raises(ConfigError, match="concurrent.futures.Executor"):
        sweep(panel, in_and_out(panel), None, GRID, executor="dask")
    with pytest.raises(StrategyError, match="signals"):
        sweep(panel, in_and_out(panel), None, GRID, signals=[1])
