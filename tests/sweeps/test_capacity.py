"""More capital fills less of what it orders, costs more, and the table says so in numbers worked by hand."""

import math
import warnings
from datetime import date

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, Signals, TargetWeights, run_backtest
from facade.errors import BacktestWarning, ConfigError, Interrupted, StrategyError
from facade.sweeps.run import sweep
from facade.sweeps.studies.capacity import capacity

DAYS = pl.date_range(date(2021, 1, 4), date(2021, 3, 31), "1d", eager=True)


def flat_panel(bars=4, volume=1_000.0, actions=None, prices=None):
    """One asset at 10, the same volume in every bar."""
    close = np.full((bars, 1), 10.0) if prices is None else np.array(prices)[:, None]
    volumes = None if volume is None else np.full(close.shape, volume)
    return Panel.from_arrays(close, close, close, close, volumes, DAYS[:bars], symbols=["A"], actions=actions)


def buy_once(share=1.0):
    entries = np.zeros((4, 1), dtype=bool)
    entries[0] = True
    return Signals.from_arrays(entries, size=share)


def test_the_unfilled_share_by_hand():
    # A tenth of 1,000 shares a bar, on the three bars after the decision: 300 shares at 10 are all that can be had.
    config = Config(commission_rate=0.0)
    found = capacity(flat_panel(), buy_once(), config, [500, 1_000, 3_000, 6_000, 30_000])
    assert found.table["capital"].to_list() == [500.0, 1_000.0, 3_000.0, 6_000.0, 30_000.0]
    np.testing.assert_allclose(found.table["unfilled"].to_numpy(), [0.0, 0.0, 0.0, 0.5, 0.9], atol=1e-15)
    # 50 of 1,000 shares in one bar; 100 in one; 100 in each of three.
    np.testing.assert_allclose(found.table["participation"].to_numpy(), [0.05, 0.1, 0.1, 0.1, 0.1])
    np.testing.assert_array_equal(found.table["max_participation"].to_numpy(), [0.05, 0.1, 0.1, 0.1, 0.1])
    assert found.table["orders"].to_list() == [1] * 5
    assert len(found.results) == 5 and found.results[3].fills.height == 3


def test_costs_and_returns_by_hand():
    # 100 shares bought at 10 + 1 %, sold at 20 - 1 %: slippage 10 + 20, commission 0.1 % of 1,010 + 1,980.
    prices = [10.0, 10.0, 20.0, 20.0, 20.0]
    orders = Orders(pl.DataFrame({"timestamp": [DAYS[0], DAYS[2]], "symbol": "A", "quantity": [100.0, -100.0]}))
    config = Config(commission_rate=0.001, slippage_rate=0.01, periods_per_year=10.0)
    row = capacity(flat_panel(5, prices=prices), orders, config, [2_000]).table.row(0, named=True)
    assert row["commission"] == pytest.approx(2.99) and row["slippage"] == pytest.approx(30.0)
    assert row["cost"] == pytest.approx(32.99)
    assert row["final_value"] == pytest.approx(3_000.0 - 32.99)
    assert row["total_return"] == pytest.approx((1_000.0 - 32.99) / 2_000.0)
    assert row["gross_total_return"] == pytest.approx(0.5)
    years = (DAYS[4] - DAYS[0]).days / 365.2425  # by the calendar, whatever bars a year are said to be
    assert row["gross_cagr"] == pytest.approx(1.5 ** (1.0 / years) - 1.0)
    assert row["cost_a_year"] == pytest.approx(32.99 / 2_000.0 / years)
    assert row["unfilled"] == 0.0
    known = run_backtest(flat_panel(5, prices=prices), orders, config=config.replace(initial_cash=2_000.0)).metrics
    assert row["cagr"] == known["cagr"] and row["sharpe"] == known["sharpe"]
    assert row["turnover"] == pytest.approx(known["avg_turnover"] * 10.0)


def test_more_capital_never_fills_more_of_its_orders():
    rng = np.random.default_rng(0)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (40, 3)), axis=0))
    volume = rng.uniform(500.0, 5_000.0, close.shape)
    panel = Panel.from_arrays(close, close * 1.01, close * 0.99, close, volume, DAYS[:40])
    weights = np.where(rng.random((40, 1)) < 0.2, rng.dirichlet(np.ones(3), 40) * 0.9, np.nan)
    config = Config(lot=0.0, impact_coefficient=0.1, commission_rate=0.0002)
    found = capacity(panel, TargetWeights.from_array(weights), config, [1e4, 1e5, 1e6, 1e7, 1e8])
    unfilled = found.table["unfilled"].to_numpy()
    assert (np.diff(unfilled) > 0.0).all() and 0.0 <= unfilled[0] < 0.05 and unfilled[-1] > 0.95
    assert found.table["max_participation"].max() == pytest.approx(0.1)
    assert (found.table["gross_total_return"] >= found.table["total_return"]).all()


def test_a_split_changes_neither_what_was_ordered_nor_what_was_filled():
    # 600 shares ordered at 10; 100 filled before a split of two for one, 200 new shares a bar on the two bars after:
    # 100 + 100 + 100 old shares of 600.
    split = pl.DataFrame({"symbol": ["A"], "ex_date": [DAYS[2]], "kind": ["split"], "value": [2.0]})
    close = np.array([10.0, 10.0, 5.0, 5.0])[:, None]
    volume = np.array([1_000.0, 1_000.0, 2_000.0, 2_000.0])[:, None]
    panel = Panel.from_arrays(close, close, close, close, volume, DAYS[:4], symbols=["A"])
    found = capacity(panel, buy_once(), Config(), [6_000], actions=split)
    assert found.results[0].orders["quantity"][0] == 1_200.0
    assert found.table["unfilled"].to_list() == [pytest.approx(0.5)]
    # With a second order of 100 new shares after the split, wholly filled, both are valued in shares of one day.
    orders = pl.DataFrame({"timestamp": [DAYS[0], DAYS[2]], "symbol": "A", "quantity": [600.0, 100.0]})
    both = capacity(panel, Orders(orders), Config(), [1e6], actions=split)
    filled = both.results[0].orders["filled_quantity"].to_list()
    wanted = 1_200.0 * 5.0 + 100.0 * 5.0
    missing = (1_200.0 - filled[0]) * 5.0 + (100.0 - filled[1]) * 5.0
    assert both.table["unfilled"][0] == pytest.approx(missing / wanted)


def test_refused_orders_are_unfilled_and_rules_are_not_ordered():
    orders = pl.DataFrame({"timestamp": DAYS[:1], "symbol": "A", "quantity": [-50.0]})
    with pytest.warns(BacktestWarning, match="refused"):
        found = capacity(flat_panel(), Orders(orders), Config(), [1_000])
    assert found.table["unfilled"].to_list() == [1.0] and found.table["refused_orders"].to_list() == [1]
    assert math.isnan(found.table["participation"][0])
    falling = flat_panel(4, prices=[10.0, 10.0, 5.0, 5.0])
    stopped = capacity(falling, buy_once(), Config(stop_loss=0.1), [1_000])
    assert stopped.results[0].orders["origin"].to_list() == ["signal_entry", "stop_loss"]
    assert stopped.table["unfilled"].to_list() == [0.0]
    never = capacity(flat_panel(), TargetWeights.from_array(np.full((4, 1), np.nan)), Config(), [1_000])
    assert math.isnan(never.table["unfilled"][0]) and never.table["orders"].to_list() == [0]


def test_a_curve_that_is_flat_by_construction_says_so():
    with pytest.warns(BacktestWarning, match="impact_coefficient=0 and max_participation=None"):
        found = capacity(flat_panel(), buy_once(), Config(max_participation=None), [1e3, 1e6])
    assert found.table["unfilled"].to_list() == [0.0, 0.0]
    assert found.table["total_return"].n_unique() == 1
    with pytest.warns(BacktestWarning, match="'auto' without volume, which caps nothing"):
        without = capacity(flat_panel(volume=None), buy_once(), Config(), [1e3])
    assert math.isnan(without.table["participation"][0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capacity(flat_panel(), buy_once(0.5), Config(max_participation=None, impact_coefficient=0.1), [1e3])


def test_functions_and_prices_to_load_are_taken_as_by_a_sweep():
    long = pl.DataFrame(
        {"timestamp": DAYS[:4], "symbol": "A", "open": 10.0, "high": 10.0, "low": 10.0, "close": 10.0, "volume": 1e3}
    )

    def once(panel, share=1.0):
        entries = np.zeros(panel.shape, dtype=bool)
        entries[0] = True
        return Signals.from_arrays(entries, size=share)

    found = capacity(long, once, {"lot": 1.0}, [1_000, 6_000], n_jobs=1, start=DAYS[0])
    assert found.table["unfilled"].to_list() == [0.0, 0.5]


def test_an_interrupted_sweep_is_handed_over(monkeypatch):
    stopped = sweep(flat_panel(), buy_once(), Config(), {"initial_cash": [1e3]}, progress=False)
    monkeypatch.setattr(type(stopped), "interrupted", True)
    monkeypatch.setattr("facade.sweeps.studies.capacity.sweep", lambda *given, **named: stopped)
    with pytest.raises(Interrupted, match="interrupted after 1 of 2 capitals") as caught:
        capacity(flat_panel(), buy_once(), Config(), [1e3, 1e4])
    assert caught.value.result is stopped


def test_capacity_is_of_one_strategy_and_of_capitals_that_a_constraint_leaves():
    with pytest.raises(StrategyError, match="capacity is of one strategy; call it for each of 'a', 'b'"):
        capacity(flat_panel(), {"a": buy_once(), "b": buy_once(0.5)}, None, [1e3])
    found = capacity(flat_panel(), buy_once(), None, [1e3, 1e4], constraint=pl.col("initial_cash") > 5e3)
    assert found.table["capital"].to_list() == [1e4]


@pytest.mark.parametrize(
    ("capital", "message"),
    [
        ([], "capital is empty"),
        ([1e5, 0], r"capital\[1\]=0.0 is not allowed"),
        ([math.nan], r"capital\[0\]=nan is not allowed"),
        ([1e5, math.inf], r"capital\[1\]=inf"),
        ([1e5, 1e6, 1e5], r"capital\[2\]=100000.0 is given twice"),
        (1e5, "capital=100000.0 is not allowed; it is a list of amounts"),
        (["much"], "is not allowed; it is a list of amounts"),
    ],
)
def test_capital_that_is_none_is_refused(capital, message):
    with pytest.raises(ConfigError, match=message):
        capacity(flat_panel(), buy_once(), Config(), capital)


def test_the_figure_and_the_words():
    pytest.importorskip("plotly")
    found = capacity(flat_panel(), buy_once(), Config(), [30_000, 1_000])
    figure = found.plot(title="Mine")
    traces = {trace.name: trace for trace in figure.data}
    assert list(traces["net"].x) == [1_000.0, 30_000.0]
    assert list(traces["ordered, never filled"].y) == [0.0, pytest.approx(0.9)]
    assert figure.layout.xaxis.type == figure.layout.xaxis2.type == "log" and figure.layout.title.text == "Mine"
    assert repr(found).startswith("Capacity(2 capitals, 1,000 to 30,000)")
