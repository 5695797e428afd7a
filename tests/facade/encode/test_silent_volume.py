"""An asset whose volume is zero on every bar has no volume (clause 6.1): "auto" caps it no more than a panel without,
and whatever keeps its orders from filling is said."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, TargetWeights, run_backtest, sweep

PRICE = np.column_stack([np.full(90, 1.1), np.linspace(10, 20, 90), np.linspace(30, 20, 90)])
VOLUME = np.column_stack([np.zeros(90), np.full(90, 1000.0), np.zeros(90)])
DAYS = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 3, 30), eager=True)
SYMBOLS = ["EURUSD=X", "STOCK", "FUND"]


def panel(volume=VOLUME, price=PRICE, times=None):
    return Panel.from_arrays(price, price * 1.01, price * 0.99, price, volume, times, SYMBOLS)


def buys(quantity=5_000.0, symbols=SYMBOLS):
    return Orders(pl.DataFrame({"timestamp": [0] * len(symbols), "symbol": symbols, "quantity": quantity}))


RICH = Config(initial_cash=1e9)


@pytest.mark.parametrize("basis", ["bar", "previous"])
def test_only_the_assets_without_a_share_traded_are_uncapped(basis):
    """10 percent of 1,000 shares caps the one; the others fill whole at the first open, as without volume."""
    result = run_backtest(panel(), buys(), config=RICH.replace(volume_basis=basis))
    first = result.fills.filter(pl.col("timestamp") == 1).select("symbol", "quantity").rows()
    assert set(first) >= {("EURUSD=X", 5_000.0), ("FUND", 5_000.0)}
    assert dict(first).get("STOCK", 0.0) <= 100.0
    bare = Panel.from_arrays(PRICE, PRICE * 1.01, PRICE * 0.99, PRICE, symbols=SYMBOLS)
    free = run_backtest(bare, buys(symbols=["EURUSD=X", "FUND"]), config=RICH).fills
    own = result.fills.filter(pl.col("symbol") != "STOCK")
    assert own.select("timestamp", "symbol", "quantity", "price").equals(
        free.select("timestamp", "symbol", "quantity", "price")
    )
    assert any("'EURUSD=X', 'FUND' are uncapped" in notice for notice in result.notices)


def test_many_names_are_counted():
    price = np.full((3, 40), 10.0)
    wide = Panel.from_arrays(price, price, price, price, np.zeros((3, 40)))
    result = run_backtest(wide, TargetWeights.from_array(np.full((3, 40), 0.02)))
    assert any("and 35 more are uncapped" in notice for notice in result.notices)
    assert result.fills.height == 40


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"max_participation": 0.1}, "max_participation=0.1"),
        ({"impact_coefficient": 0.1}, "impact reads volume"),
        ({"max_participation": 0.1, "impact_coefficient": 0.1}, "impact reads volume"),
    ],
)
def test_a_cap_that_was_given_and_impact_keep_it_from_filling_and_say_so(config, why):
    result = run_backtest(panel(), buys(10.0), config=RICH.replace(**config))
    assert set(result.fills["symbol"]) == {"STOCK"}
    assert any(f"nothing of 'EURUSD=X', 'FUND' can fill: volume is zero on every bar, and {why}" in notice
               for notice in result.notices)  # fmt: skip


def test_without_a_cap_nobody_reads_it():
    result = run_backtest(panel(), buys(), config=RICH.replace(max_participation=None))
    assert result.fills.height == 3 and not any("zero on every bar" in notice for notice in result.notices)


def test_one_share_on_one_bar_is_a_volume():
    """Late in the data, and of an asset that has bars on some days only."""
    traded = VOLUME.copy()
    traded[85, 0] = 1.0
    result = run_backtest(panel(traded), buys(), config=RICH)
    assert set(result.fills["symbol"]) == {"STOCK", "FUND"}
    gaps = PRICE.copy()
    gaps[::2, 2] = np.nan
    result = run_backtest(panel(traded, gaps), buys(), config=RICH)
    assert set(result.fills["symbol"]) == {"STOCK", "FUND"}
    assert any("fills of 'FUND' are uncapped" in notice for notice in result.notices)


def test_data_whose_volume_is_zero_throughout_trades():
    """Currencies of yfinance: 1 order, 0 fills, and no word of why."""
    price = np.full((5, 1), 1.1)
    found = Panel.from_arrays(price, price, price, price, np.zeros((5, 1)), symbols=["EURUSD=X"])
    order = Orders(pl.DataFrame({"timestamp": [0], "symbol": "EURUSD=X", "quantity": [1000.0]}))
    result = run_backtest(found, order)
    assert result.fills["quantity"].to_list() == [1000.0]
    assert any("'EURUSD=X' are uncapped" in notice for notice in result.notices)


def test_rows_of_a_sweep_are_single_runs_whatever_caps_them():
    """Rows share a market only where they read the same volume; parts of the panel decide by their own bars."""
    late = VOLUME.copy()
    late[60:, 0] = 1e6
    grid = {
        "max_participation": ["auto", 0.1, None],
        "impact_coefficient": [0.0, 0.1],
        "volume_basis": ["bar", "previous"],
        "window": [(None, None), (None, DAYS[50]), (DAYS[61], None)],
    }
    weights = TargetWeights.from_array(np.full(PRICE.shape, 0.3))
    found = sweep(panel(late, times=DAYS), weights, RICH, grid, progress=False)
    for row in range(0, len(found), 5):
        assert found.drill(row).metrics["final_value"] == found.table["final_value"][row]
    assert found.table["final_value"].n_unique() > 4


def test_a_run_of_few_assets_of_a_wide_panel_is_the_same():
    price = np.full((5, 300), 10.0)
    volume = np.full((5, 300), 100.0)
    volume[:, 7] = 0.0
    wide = Panel.from_arrays(price, price, price, price, volume)
    frame = pl.DataFrame({"timestamp": [0, 0], "symbol": ["A7", "A9"], "quantity": [1000.0, 1000.0]})
    fills = run_backtest(wide, Orders(frame)).fills.filter(pl.col("timestamp") == 1)
    assert dict(fills.select("symbol", "quantity").rows()) == {"A7": 1000.0, "A9": 10.0}
