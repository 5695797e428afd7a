"""Metrics from streaming statistics equal what an oracle computes from the equity curve."""

import math
import re
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.config.model import Config
from facade.results import metrics as metrics_module
from facade.results.metrics import compute, metrics_of
from facade.results.result import Result
from made_runs import Ledger, small_ledger
from ml4t_kernel import schema

PERIODS = 252.0


def state_of(equity, initial=100.0):
    """STATE of an account with this equity curve."""
    rows = np.zeros(len(equity), schema.EQUITY)
    rows["equity"] = equity
    return Ledger([[1.0, 1.0]], config=Config(initial_cash=initial)).state(rows, ())


def figures(equity, initial=100.0):
    return metrics_of(state_of(equity, initial), initial, PERIODS)


@pytest.fixture(scope="module")
def oracle():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("empyrical")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-0.2, 0.2, allow_subnormal=False), min_size=3, max_size=60), st.integers(0, 1000))
def test_ratios_equal_empyrical_on_the_decoded_returns(oracle, changes, seed):
    changes = np.array(changes) + np.random.default_rng(seed).normal(0, 0.01, len(changes))
    # The first bar is a mark: nothing has happened yet, and there is one return less than there are bars.
    equity = np.concatenate([[100.0], 100.0 * np.cumprod(1.0 + changes)])
    found = figures(equity)
    returns = np.diff(equity) / equity[:-1]
    expected = {
        "sharpe": oracle.sharpe_ratio(returns, annualization=PERIODS),
        "sortino": oracle.sortino_ratio(returns, annualization=PERIODS),
        "volatility": oracle.annual_volatility(returns, annualization=PERIODS),
        "cagr": oracle.annual_return(returns, annualization=PERIODS),
        "max_drawdown": -oracle.max_drawdown(returns),
        "total_return": oracle.cum_returns_final(returns),
    }
    if found["max_drawdown"] > 0:
        expected["calmar"] = oracle.calmar_ratio(returns, annualization=PERIODS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_streaming_figures_equal_those_of_the_decoded_frames():
    result = Result.from_run(small_ledger().run())
    found, equity, trades = result.metrics, result.equity, result.trades
    assert found["final_value"] == equity["equity"][-1]
    assert found["max_drawdown"] == pytest.approx(-equity["drawdown"].min())
    assert found["avg_open_positions"] == equity["open_positions"].mean()
    closed, still_open = trades.filter(pl.col("status") == "closed"), trades.filter(pl.col("status") == "open")
    assert found["gross_profit"] == closed["pnl"].sum()
    assert found["num_open_trades"] == 1 and still_open["gross_pnl"].to_list() == [30 * (24.0 - 20.5)]
    assert found["total_commission"] == result.fills["commission"].sum()
    assert found["total_slippage"] == result.fills["slippage"].sum()
    assert found["num_rejected_orders"] + found["num_cut_orders"] == result.rejections.height
    assert found["ambiguous_bars"] == result.ambiguous_bars.height
    open_gain = 30 * (24.0 - 20.5)
    assert found["unrealised_pnl"] == pytest.approx(open_gain)


def test_hand_worked_figures():
    # Returns +10 %, -10 %, +10 %: mean 1/30, sum of squares 0.03, downside sqrt(0.01 / 3).
    found = figures([110.0, 99.0, 108.9])
    deviation = math.sqrt((0.03 - 3 * (1 / 30) ** 2) / 2)
    assert found["volatility"] == pytest.approx(deviation * math.sqrt(252))
    assert found["sharpe"] == pytest.approx(1 / 30 / deviation * math.sqrt(252))
    assert found["sortino"] == pytest.approx(1 / 30 / math.sqrt(0.01 / 3) * math.sqrt(252))
    assert found["max_drawdown"] == pytest.approx(0.1)
    # The account was at 100 when the first bar ended, too: two bars of time.
    assert found["cagr"] == pytest.approx(1.089 ** (252 / 2) - 1)
    assert found["calmar"] == pytest.approx(found["cagr"] / 0.1)


def test_conventions_without_bars_trades_losses_or_spread():
    nothing = metrics_of(np.zeros(1, schema.STATE), 100.0, PERIODS)
    for name in (
        "cagr",
        "volatility",
        "sharpe",
        "sortino",
        "win_rate",
        "profit_factor",
        "avg_turnover",
        "avg_trade_pnl",
    ):
        assert math.isnan(nothing[name]), name
    one = figures([101.0])
    assert math.isnan(one["volatility"]) and math.isnan(one["sharpe"]) and one["sortino"] == math.inf
    flat = figures([100.0, 100.0, 100.0])
    assert (
        flat["volatility"] == 0.0 and math.isnan(flat["sharpe"]) and math.isnan(flat["calmar"]) and flat["cagr"] == 0.0
    )
    steady = figures(100.0 * 1.01 ** np.arange(1, 500))
    assert steady["volatility"] == 0.0 and steady["sharpe"] == math.inf and steady["calmar"] == math.inf
    ruined = figures([50.0, -10.0])
    assert ruined["cagr"] == -1.0 and ruined["max_drawdown"] == pytest.approx(1.1)


def test_win_rate_and_profit_factor_are_net_of_fees():
    ledger = Ledger([[1.0, 1.0]] * 2)
    for pnl, fees in ((10.0, 1.0), (0.5, 1.0), (-4.0, 0.5)):
        ledger.trades.append({"pnl": pnl, "fees": fees, "quantity": 1.0, "entry_price": 1.0})
    found = Result.from_run(ledger.run()).metrics
    assert (found["num_trades"], found["winning_trades"]) == (3, 1)
    assert (found["gross_profit"], found["gross_loss"], found["profit_factor"]) == (9.0, 5.0, 1.8)
    assert found["avg_trade_pnl"] == pytest.approx(4.0 / 3.0)


def test_many_accounts_at_once_give_the_bits_of_each_alone():
    rng = np.random.default_rng(3)
    states = np.concatenate([state_of(100.0 * np.cumprod(1 + rng.normal(0, 0.02, 40))) for _ in range(37)])
    together = compute(states, 100.0, PERIODS)
    for row in range(len(states)):
        alone = compute(states[row : row + 1], 100.0, PERIODS)
        for name, values in together.items():
            assert values[row].tobytes() == alone[name][0].tobytes(), name


def test_the_state_is_not_shared_with_the_figures():
    state = state_of([101.0, 99.0])
    figures_before = compute(state, 100.0, PERIODS)
    before = {name: values.copy() for name, values in figures_before.items()}
    state[:] = 0
    for name, values in before.items():
        np.testing.assert_array_equal(figures_before[name], values)


def test_every_key_is_documented_in_order():
    documented = re.findall(
        r"^(\w+) +(?:currency|fraction|ratio|count|bars|years) ", metrics_module.__doc__, re.MULTILINE
    )
    assert documented == list(figures([101.0]))


def test_keys_of_the_public_surface_exist_and_are_plain_numbers():
    found = figures([101.0, 100.0])
    wanted = {
        *("initial_cash", "final_value", "total_return", "cagr", "volatility", "sharpe", "sortino", "calmar"),
        *("max_drawdown", "num_orders", "num_fills", "num_trades", "win_rate", "profit_factor"),
        *("total_commission", "total_slippage", "num_rejected_orders"),
    }
    assert wanted <= set(found)
    assert {type(value) for value in found.values()} == {float, int}
