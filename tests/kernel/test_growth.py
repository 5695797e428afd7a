"""A tape that is too small grows before a bar is touched, whatever the bar goes on to write."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, run_backtest
from facade import execute as running
from ml4t_kernel import book as kernel_book

ASSETS = 12


def both_sides():
    """Every asset flat, with a buy limit below and a buy stop above that the second bar both reaches."""
    prices = np.full((3, ASSETS), 10.0)
    panel = Panel.from_arrays(prices, prices + 1, prices - 1, prices, np.full(prices.shape, 1e6))
    names = [f"A{a}" for a in range(ASSETS)]
    limits = pl.DataFrame({"timestamp": 0, "symbol": names, "quantity": 1.0, "type": "limit", "limit_price": 9.5})
    stops = pl.DataFrame({"timestamp": 0, "symbol": names, "quantity": 1.0, "type": "stop", "stop_price": 10.5})
    return panel, Orders(pl.concat([limits, stops], how="diagonal"))


def test_ambiguous_bars_of_orders_decided_the_bar_before_have_room(monkeypatch):
    """Orders that go live on a bar may make one row an asset there, though none was waiting when room was checked."""
    new_tape = kernel_book.new_tape
    monkeypatch.setattr(
        running.kernel, "new_tape", lambda bars, rows: new_tape(bars, {**rows, "ambiguous": 4, "fills": 4, "trades": 4})
    )
    panel, strategy = both_sides()
    result = run_backtest(panel, strategy, config=Config(max_participation=None))
    assert result.ambiguous_bars.height == ASSETS
    assert result.fills.height == 2 * ASSETS


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_the_first_size_of_a_tape_changes_no_result(monkeypatch, rows):
    panel, strategy = both_sides()
    whole = run_backtest(panel, strategy, config=Config(max_participation=None))
    new_tape = kernel_book.new_tape
    small = dict.fromkeys(("orders", "details", "fills", "trades", "ambiguous", "booked"), rows)
    monkeypatch.setattr(running.kernel, "new_tape", lambda bars, given: new_tape(bars, {**given, **small}))
    again = run_backtest(panel, strategy, config=Config(max_participation=None))
    for name in ("orders", "fills", "equity", "ambiguous_bars"):
        assert whole.frame(name).equals(again.frame(name))
