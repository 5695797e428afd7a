"""Inputs that nobody can mean are refused by name and value, before the kernel sees them."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest

from facade import (
    Config,
    ConfigError,
    DataError,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    run_backtest,
    sweep,
)

PRICE = np.full((5, 2), 10.0)
PANEL = Panel.from_arrays(PRICE, PRICE, PRICE, PRICE, symbols=["A", "B"])
LARGEST = 1e15


def orders(**columns):
    return pl.DataFrame({"timestamp": [0, 1], "symbol": "A", "quantity": [1.0, -1.0], **columns})


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("value", [1.1e15, 9.3e18, 1e300])
def test_quantities_above_the_largest_are_refused(sign, value):
    with pytest.raises(StrategyError, match=r"row 1 \(A, 1\), column 'quantity', value .*at most 1e\+15"):
        Orders(orders(quantity=[1.0, sign * value]))
    shares = np.full((5, 2), np.nan)
    shares[1, 1] = sign * value
    frames = (
        TargetShares.from_array(shares),
        TargetShares(pl.DataFrame({"timestamp": [1], "symbol": "B", "shares": [sign * value]})),
        TargetShares(pl.DataFrame({"timestamp": [1], "B": [sign * value]})),
    )
    for strategy in frames:
        with pytest.raises(StrategyError, match=r"B at 1 is -?[0-9.e+]+; a target must be at most 1e\+15 shares"):
            run_backtest(PANEL, strategy, config={"allow_short_selling": True})


@pytest.mark.parametrize("size_type", ["shares", "value", "fraction", "target_shares", "target_value"])
def test_sizes_of_signals_above_the_largest_are_refused(size_type):
    flags = np.zeros((5, 2), bool)
    flags[2, 0] = True
    with pytest.raises(StrategyError, match=r"size=1100000000000000\.0 is not .* 0 < x <= 1e\+15"):
        Signals.from_arrays(flags, size=1.1e15, size_type=size_type)
    sizes = np.where(flags, 1.1e15, np.nan)
    with pytest.raises(StrategyError, match=r"size of A at 2 is 1100000000000000\.0; .*at most 1e\+15"):
        run_backtest(PANEL, Signals.from_arrays(flags, size=sizes, size_type=size_type))


def test_the_largest_itself_runs_to_a_row_that_says_what_became_of_it():
    with pytest.warns(UserWarning, match="CASH"):
        result = run_backtest(PANEL, Orders(orders(quantity=[LARGEST, -1.0])))
    assert result.orders["quantity"][0] == LARGEST and result.orders["reason"][0] == "cash"


@pytest.mark.parametrize("bars", [10**9 + 1, 2**31, 2.0**40, 0, -1, 1.5])
def test_the_range_of_bars_is_in_the_message(bars):
    with pytest.raises(StrategyError, match="must be an integer 1 <= n <= 1,000,000,000|needs the number of bars"):
        Orders(orders(time_in_force="bars", bars=[1.0, float(bars)]))
    longest = Orders(orders(type="limit", limit_price=[1.0, 99.0], time_in_force="bars", bars=[10**9, 10**9]))
    assert run_backtest(PANEL, longest).orders["status"].to_list() == ["live", "live"]  # not expired at once


@pytest.mark.parametrize("name", ["time_exit", "cooldown", "max_stale", "volatility_window"])
@pytest.mark.parametrize("bars", [10**9 + 1, 2**31, 2**32 + 5])
def test_counts_of_bars_fit_the_kernel(name, bars):
    """2^32 + 5 bars would be 5 in 32 bits."""
    with pytest.raises(ConfigError, match=f"{name}={bars}"):
        Config(**{name: bars})
    assert run_backtest(PANEL, Orders(orders()), config=Config(**{name: 10**9})).orders.height == 2


@pytest.mark.parametrize(
    ("sessions", "rule"),
    [
        ([3, 2, 1, 0, -1], "sessions must not fall from bar to bar: .*value 2; 3 more"),
        ([1, 1, 0, 0, 2], "sessions must not fall"),
        ([0, 1, 0, 1, 1], "must be consecutive"),
        (["b", "a", "b", "b", "b"], "must be consecutive"),
        (pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 1, 5), eager=True).reverse(), "sessions must not fall"),
    ],
)
def test_sessions_that_fall_are_refused(sessions, rule):
    with pytest.raises(DataError, match=rule):
        Panel.from_arrays(PRICE, PRICE, PRICE, PRICE, sessions=sessions)
    assert len(Panel.from_arrays(PRICE, PRICE, PRICE, PRICE, sessions=list("zzyyx")).session_dates) == 3


def test_forked_processes_are_refused_and_spawned_ones_and_threads_are_not():
    """A fork keeps the locks of Polars' threads without the threads: it waits for ever."""
    weights, grid = TargetWeights.from_array(np.full((5, 2), 0.4)), {"stop_loss": [0.1, 0.2]}
    if "fork" in multiprocessing.get_all_start_methods():
        with (
            ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as forked,
            pytest.raises(ConfigError, match=r"forked hang in Polars.*get_context\('spawn'\)"),
        ):
            sweep(PANEL, weights, None, grid, executor=forked, progress=False)
    with ThreadPoolExecutor(1) as threads:
        assert len(sweep(PANEL, weights, None, grid, executor=threads, progress=False)) == 2
