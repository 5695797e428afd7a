"""Sweeps made by hand for the tests of storing, ranking and drawing: states with figures that a test chooses."""

import itertools
from types import SimpleNamespace

import numpy as np

from facade.config.model import Config
from facade.data.panel import Panel
from facade.sweeps.grid.grid import read_grid
from facade.sweeps.result.result import SweepResult
from facade.sweeps.rows.rows import Rows, columns_of
from ml4t_kernel.schema import STATE, TRADE

DIGEST = "5eed" * 16
PERIODS = 252.0


def grid_of(grid, config=None, **parameters):
    """A grid of Config fields and of the strategy arguments named (name=has a default)."""
    return read_grid(grid, config or Config(), parameters=parameters)


def panel_of_bars(bars=40):
    prices = 10.0 + np.arange(bars, dtype=float)[:, None] % 7
    return Panel.from_arrays(prices, prices, prices, prices, symbols=["A"])


def states(count, bars=40, seed=0, **fields):
    """(count,) STATE of accounts that traded; `fields` are set as given."""
    rng = np.random.default_rng(seed)
    state = np.zeros(count, STATE)
    mean = rng.normal(0.0005, 0.001, count)
    drawn = {
        "bar": bars, "returns": bars, "sum1": mean * bars, "sum2": (mean**2 + 1e-4) * bars, "down2": 5e-5 * bars,
        "equity": 1e5 * (1 + mean * bars), "drawdown": rng.uniform(0.01, 0.5, count), "orders": 20, "fills": 20,
        "trades": 10, "wins": rng.integers(1, 10, count), "gross_profit": 200.0, "gross_loss": 100.0,
        "exposed_bars": bars // 2, "flow_factor": 1.0,
    }  # fmt: skip
    for name, value in {**drawn, **fields}.items():
        state[name] = value
    return state


def sharpe_states(values, bars=40, **fields):
    """States whose annualised Sharpe ratios are the values given."""
    state = states(len(values), bars, **fields)
    mean = np.asarray(values, float) / np.sqrt(PERIODS) * 0.01
    state["sum1"], state["sum2"] = mean * bars, mean**2 * bars + 1e-4 * (bars - 1)
    return state


def columns(state, initial_cash=1e5):
    return columns_of(state, initial_cash, PERIODS)


def plan_of(grid, panel=None, config=None, digest=DIGEST):
    panel = panel or panel_of_bars()
    digests = {"prices": panel.digest, "grid": "g"}
    own = {"panel": panel, "grid": grid, "config": config or Config(), "digest": digest, "digests": digests}
    return SimpleNamespace(**own, panel_of=lambda row: panel, flows_of=lambda row: None)


def filled(grid, state, keep="metrics", kept=None, bars=40, **opening):
    """Rows of a grid, all added at once."""
    rows = Rows.open(grid, DIGEST, keep, bars, **opening)
    rows.add(np.arange(grid.rows), columns(state), kept)
    return rows


def result_of(grid, state, run_row=None, config=None, panel=None, **options):
    """A SweepResult over states made by hand."""
    rows = filled(grid, state, **options)
    return SweepResult(rows, plan_of(grid, panel, config), run_row)


def trades_of(count, owner):
    """TRADE rows that tell whose they are."""
    trades = np.zeros(count, TRADE)
    trades["quantity"], trades["entry_price"], trades["exit_price"] = 10.0, 10.0, 11.0 + owner
    trades["pnl"], trades["exit_bar"] = 10.0 * owner, np.arange(count)
    trades["entry_order"], trades["exit_order"] = 2 * np.arange(count), 2 * np.arange(count) + 1
    return trades


def walks(count, bars=40, seed=0, drift=0.0):
    """(count, bars) equity curves."""
    returns = np.random.default_rng(seed).normal(drift, 0.01, (count, bars))
    return 1e5 * np.cumprod(1 + returns, axis=1)


def small_grid(rows=12):
    """Two numeric axes."""
    stops, cash = [0.01 * (1 + i) for i in range(rows // 3)], [1e5, 2e5, 3e5]
    return grid_of({"stop_loss": stops, "take_profit": [c / 1e6 for c in cash]})


def chunks(order, size):
    iterator = iter(order)
    while chunk := list(itertools.islice(iterator, size)):
        yield np.array(chunk)
