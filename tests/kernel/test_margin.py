"""What the account's limits keep while a phase goes on (3.4, 6.2)."""

import warnings

import numpy as np
import polars as pl

from facade import Config, Orders, Panel, run_backtest
from facade.errors import BacktestWarning


def run(bars, rows, **config):
    """Result of orders (dicts) on (T, A, 4) bars, without a cap."""
    bars = np.asarray(bars, float)
    panel = Panel.from_arrays(*np.moveaxis(bars, 2, 0), symbols=["A", "B"][: bars.shape[1]])
    settings = Config(initial_cash=1000.0, max_participation=None, **config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)  # of what was cut
        return run_backtest(panel, Orders(pl.DataFrame(rows)), settings, progress=False)


def test_entries_inside_use_up_the_leverage_that_the_open_left():
    flat, falls = [10, 10, 10, 10], [10, 10, 7, 8]
    rows = [dict(timestamp=0, symbol=symbol, quantity=100, type="limit", limit_price=8.0) for symbol in ("A", "B")]
    result = run([[flat, flat], [falls, falls]], rows, account="margin", initial_margin=0.25, max_leverage=1.0)
    # 1,000 of leverage: 100 of A use 800 and 25 of B the other 200
    assert result.fills["quantity"].to_list() == [100, 25]
    assert result.orders["reason"].to_list() == [None, "leverage"]


def test_what_an_exit_brings_cannot_be_spent_at_its_own_open():
    flat = [10, 10, 10, 10]
    rows = [
        dict(timestamp=0, symbol="A", quantity=100),
        dict(timestamp=1, symbol="A", quantity=-100),
        dict(timestamp=1, symbol="B", quantity=50),
    ]
    sides = [run([[flat, flat]] * 3, rows, settlement=n).fills["side"].to_list() for n in (0, 1)]
    assert sides == [["buy", "sell", "buy"], ["buy", "sell"]]
