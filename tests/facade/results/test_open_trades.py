"""Trades that are open at the end are rows of `trades`, so that profits and fees reconcile with the account.

`consistency.assert_trades_add_up` says of every run of the suite that they do; here is what the rows say.
"""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, Result, Signals, TargetWeights, run_backtest, sweep
from facade.results.trades import open_trades
from facade.sweeps.result.result import SweepResult
from ml4t_kernel.schema import POSITION

DAYS = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 12, 31), "1d", eager=True)


def orders(*rows):
    return Orders(pl.DataFrame(rows, schema=["timestamp", "symbol", "quantity"], orient="row"))


def by_hand(**config):
    """Buy 10 at 100, 10 at 110, sell 5 at 130; 1.00 an order, lows and highs two away; marked at 120."""
    close = np.array([100.0, 100, 110, 130, 120, 120])
    panel = Panel.from_arrays(close, close + 2, close - 2, close, timestamps=DAYS[:6], symbols=["A"])
    wanted = orders((DAYS[0], "A", 10.0), (DAYS[1], "A", 10.0), (DAYS[2], "A", -5.0))
    return run_backtest(panel, wanted, config=Config(commission_per_trade=1.0, **config))


def test_an_open_trade_by_hand():
    result = by_hand()
    trade = result.trades.row(0, named=True)
    assert result.trades.height == 1
    assert trade["status"] == "open" and trade["direction"] == "long"
    assert [trade[name] for name in ("exit_time", "exit_price", "exit_reason", "exit_order_id")] == [None] * 4
    assert trade["entry_time"] == DAYS[1] and trade["entry_order_id"] == 0
    assert trade["bars_held"] == 4  # from bar 1 to the last, 5
    assert trade["quantity"] == 20.0 and trade["entry_price"] == 105.0  # all that was opened, as of closed trades
    realised, unrealised = 5 * (130 - 105), 15 * (120 - 105)
    assert trade["gross_pnl"] == realised + unrealised and trade["fees"] == 3.0
    assert trade["pnl"] == realised + unrealised - 3.0
    assert trade["pnl_percent"] == pytest.approx((realised + unrealised - 3.0) / (20 * 105))
    # The extremes so far: 132 on bar 3, 98 on bar 1.
    assert trade["mfe"] == pytest.approx(27 / 105) and trade["mae"] == pytest.approx(-7 / 105)
    known = result.metrics
    assert known["num_open_trades"] == 1 and known["num_trades"] == 0 and np.isnan(known["win_rate"])
    assert trade["pnl"] == known["final_value"] - known["initial_cash"]


def test_buy_and_hold_is_a_trade_of_what_it_made():
    close = np.linspace(10.0, 46.4, 50)
    panel = Panel.from_arrays(close, close, close, close, timestamps=DAYS[:50], symbols=["A"])
    result = run_backtest(panel, TargetWeights(pl.DataFrame({"timestamp": DAYS[:1], "A": 1.0})))
    assert result.trades["pnl"].to_list() == pytest.approx([result.metrics["final_value"] - 100_000])


def test_a_short_that_is_open_gains_downwards():
    close = np.array([100.0, 100, 90, 80])
    panel = Panel.from_arrays(close, close + 5, close - 5, close, timestamps=DAYS[:4], symbols=["A"])
    config = Config(allow_short_selling=True)
    trade = run_backtest(panel, orders((DAYS[0], "A", -10.0)), config=config).trades.row(0, named=True)
    assert (trade["direction"], trade["quantity"], trade["pnl"]) == ("short", -10.0, 200.0)
    assert trade["mfe"] == pytest.approx(25 / 100) and trade["mae"] == pytest.approx(-5 / 100)


def test_closed_trades_come_first_and_open_ones_stand_as_in_the_panel():
    close = np.tile([10.0, 20.0, 30.0], (8, 1))
    panel = Panel.from_arrays(close, close, close, close, timestamps=DAYS[:8], symbols=["C", "B", "A"])
    wanted = orders(
        *((DAYS[0], "A", 1.0), (DAYS[1], "C", 1.0), (DAYS[1], "B", 1.0)),
        *((DAYS[3], "B", -1.0), (DAYS[4], "A", -1.0), (DAYS[5], "A", 2.0)),
    )
    trades = run_backtest(panel, wanted).trades
    assert trades["symbol"].to_list() == ["B", "A", "C", "A"]
    assert trades["status"].cast(pl.String).to_list() == ["closed", "closed", "open", "open"]


def test_in_the_shares_of_the_last_day_after_a_split_and_without_its_dividends():
    close = np.array([100.0, 100, 50, 50, 60])
    actions = pl.DataFrame(
        {"symbol": "A", "ex_date": [DAYS[2], DAYS[3]], "kind": ["split", "dividend"], "value": [2.0, 1.0]}
    )
    panel = Panel.from_arrays(close, close, close, close, timestamps=DAYS[:5], symbols=["A"], actions=actions)
    result = run_backtest(panel, orders((DAYS[0], "A", 10.0)))
    trade = result.trades.row(0, named=True)
    assert (trade["quantity"], trade["entry_price"], trade["pnl"]) == (20.0, 50.0, 200.0)
    assert result.metrics["total_dividends"] == 20.0


def test_the_mark_is_the_last_close_there_was():
    close = np.array([10.0, 10, 14, np.nan, np.nan])
    other = np.full(5, 5.0)
    prices = np.column_stack([close, other])
    panel = Panel.from_arrays(prices, prices, prices, prices, timestamps=DAYS[:5], symbols=["A", "B"])
    assert run_backtest(panel, orders((DAYS[0], "A", 10.0))).trades["pnl"].to_list() == [40.0]


def test_files_and_pandas_have_them(tmp_path):
    result = by_hand()
    result.to_parquet(tmp_path / "r")
    assert Result.from_parquet(tmp_path / "r").trades.equals(result.trades)
    frame = result.to_pandas()["trades"]
    assert frame["status"].tolist() == ["open"] and frame["exit_time"].isna().all()


def wavy(symbols=3, bars=120):
    rng = np.random.default_rng(8)
    close = 40 * np.exp(np.cumsum(rng.normal(0, 0.02, (bars, symbols)), axis=0))
    return Panel.from_arrays(close, close * 1.01, close * 0.99, close, timestamps=DAYS[:bars])


@pytest.mark.parametrize("symbols", [3, 40])  # of a wide panel only the columns that trade are run
def test_kept_trades_of_a_sweep_are_those_of_the_run_open_ones_too(symbols, tmp_path):
    panel = wavy(symbols)
    rng = np.random.default_rng(2)
    flags = [rng.random(panel.shape) < 0.1 for _ in range(2)]
    for one in flags:
        one[:, 3:] = False
    signals = Signals.from_arrays(*flags, size=0.1)
    grid = {"stop_loss": [None, 0.03], "window": [(None, None), (str(DAYS[30]), str(DAYS[90]))]}
    found = sweep(panel, signals, None, grid, keep="trades", progress=False)
    assert found.table["num_open_trades"].max() > 0
    found.to_parquet(tmp_path / "s")
    loaded = SweepResult.load(tmp_path / "s")
    for row in range(len(found)):
        trades = found.drill(row).trades
        assert found.trades(row).equals(trades) and loaded.trades(row).equals(trades)
        assert (trades["status"] == "open").sum() == found.table["num_open_trades"][row]


def test_a_figure_draws_closed_trades_only():
    pytest.importorskip("plotly")
    assert not [trace.name for trace in by_hand().plot().data if "trade" in trace.name]


def test_a_book_without_positions_has_no_open_trades():
    assert len(open_trades(np.zeros(4, POSITION))) == 0
