"""Futures and perpetuals from panel to result: prices of contracts inside, quoted prices outside (0.7)."""

import datetime as dt
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import polars as pl
import pytest

from facade import Config, ConfigError, DataError, Orders, Panel, TargetShares, run_backtest, sweep
from facade.encode.contracts import contract_actions, contract_bars
from facade.encode.inputs import encode

MARGIN = Config(account="margin", initial_cash=100_000.0, commission_per_trade=5.0)
FUTURE = {"symbol": "ES", "kind": "future", "multiplier": 50.0}
PERPETUAL = {"symbol": "P", "kind": "perpetual", "multiplier": 10.0}


def days(count):
    return [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in range(count)]


def panel(bars, symbols=("ES",), instruments=(FUTURE,), **terms):
    """bars: a column a symbol of closes, or of (open, high, low, close); None is no bar."""
    columns = [bars] if len(symbols) == 1 else bars
    cells = [
        [(b if isinstance(b, tuple) else (b,) * 4) if b is not None else (np.nan,) * 4 for b in c] for c in columns
    ]
    prices = np.array(cells, float).transpose(1, 0, 2)
    named = None if instruments is None else list(instruments)
    stamps = days(len(prices))
    return Panel.from_arrays(
        *(prices[:, :, field] for field in range(4)), timestamps=stamps, symbols=symbols, instruments=named, **terms
    )


def orders(*rows, symbol="ES"):
    """(day, quantity, further columns) each."""
    table = [{"timestamp": days(day + 1)[-1], "symbol": symbol, "quantity": float(q), **more} for day, q, more in rows]
    return Orders(pl.DataFrame(table, infer_schema_length=None))


def test_the_worked_example_of_0_7():
    """2 bought at 100; C = 101, no bar, O = 99 where 1 is sold, C = 102."""
    found = panel([100.0, (100.0, 101.0, 100.0, 101.0), None, (99.0, 102.0, 99.0, 102.0)])
    result = run_backtest(found, orders((0, 2, {}), (2, -1, {})), config=MARGIN)
    start = 100_000.0
    assert result.equity["cash"].to_list() == [start, start - 5 + 100, start + 95, start + 95 - 100 - 5 + 50]
    assert result.equity["equity"].to_list() == result.equity["cash"].to_list()
    assert result.equity["gross_exposure"].to_list() == [0.0, 10_100.0, 10_100.0, 5_100.0]
    assert result.equity["net_exposure"].to_list() == [0.0, 10_100.0, 10_100.0, 5_100.0]
    assert result.fills["price"].to_list() == [100.0, 99.0]
    assert result.positions.select("mark", "value").rows() == [(101.0, 10_100.0), (101.0, 10_100.0), (102.0, 5_100.0)]
    trade = result.trades.row(0, named=True)
    assert (trade["entry_price"], trade["gross_pnl"]) == (100.0, 50.0)  # -50 of the one sold, +100 of the other
    assert trade["pnl_percent"] == (50.0 - 10.0) / (2 * 100.0 * 50.0)


def test_excursions_and_slippage_are_of_quoted_prices():
    found = panel([100.0, (100.0, 110.0, 95.0, 105.0), (104.0, 104.0, 104.0, 104.0), 104.0])
    config = MARGIN.replace(slippage_fixed=0.25, commission_per_trade=0.0, commission_per_share=2.0)
    result = run_backtest(found, orders((0, 1, {}), (1, -1, {})), config=config)
    assert result.fills["price"].to_list() == [100.25, 103.75]
    assert result.fills["slippage"].to_list() == [12.5, 12.5] and result.fills["commission"].to_list() == [2.0, 2.0]
    trade = result.trades.row(0, named=True)
    assert trade["exit_price"] == 103.75
    assert (trade["mfe"], trade["mae"]) == pytest.approx(((110 - 100.25) / 100.25, (95 - 100.25) / 100.25), rel=1e-12)


def test_levels_come_back_as_they_were_written():
    """0.07 x 50 / 50 and others like it are off by one unit where they are divided."""
    levels = [0.07, 0.29, 0.57, 1.13, 1.1, 2.3]
    instrument = {**FUTURE, "multiplier": 7.3}
    found = panel([3.0] * 8, instruments=[instrument])
    rows = [
        (0, 1, {"type": "limit", "limit_price": level, "stop_price": None, "trail_amount": None}) for level in levels
    ]
    rows += [
        (0, 1, {"type": "stop_limit", "limit_price": 10 + x, "stop_price": 9 + x, "trail_amount": None}) for x in levels
    ]
    rows += [
        (0, -1, {"type": "trailing_stop", "limit_price": None, "stop_price": None, "trail_amount": x}) for x in levels
    ]
    result = run_backtest(found, orders(*rows), config=MARGIN.replace(allow_short_selling=True))
    assert result.orders["limit_price"].drop_nulls().to_list() == [*levels, *(10 + x for x in levels)]
    assert result.orders["given_limit_price"].drop_nulls().to_list() == [*levels, *(10 + x for x in levels)]
    assert result.orders["stop_price"].drop_nulls().to_list() == [9 + x for x in levels]
    assert result.orders["given_stop_price"].drop_nulls().to_list() == [9 + x for x in levels]
    assert result.orders["trail_amount"].drop_nulls().to_list() == levels


def test_a_limit_of_a_replacement_and_absolute_rule_prices():
    found = panel([100.0, 100.0, 100.0, (100.0, 100.0, 97.0, 98.0), (98.0, 98.0, 90.0, 91.0), 91.0])
    rows = [
        {"timestamp": days(1)[0], "quantity": 1.0, "id": "a", "type": "limit", "limit_price": 90.3, "action": "submit"},
        {"timestamp": days(2)[1], "quantity": None, "id": "a", "type": None, "limit_price": 98.1, "action": "replace"},
    ]
    table = pl.DataFrame(rows).with_columns(symbol=pl.lit("ES"), stop_loss_price=pl.Series([95.0, None]))
    result = run_backtest(found, Orders(table), config=MARGIN)
    assert result.orders.filter(pl.col("origin") == "order")["limit_price"].to_list() == [90.3, 98.1]
    assert result.fills["price"].to_list() == pytest.approx([98.1, 95.0], rel=1e-15)
    assert result.trades["exit_reason"].to_list() == ["stop_loss"]


def test_a_delisting_is_booked_at_its_quoted_recovery():
    actions = [{"symbol": "ES", "ex_date": days(3)[2], "kind": "delisting", "value": 103.0}]
    found = panel([100.0, 100.0, None], actions=pl.DataFrame(actions))
    result = run_backtest(found, orders((0, 1, {})), config=MARGIN)
    assert result.actions["value"].to_list() == [103.0] and result.actions["cash"].to_list() == [3.0 * 50]
    assert result.equity["equity"].to_list() == [100_000.0, 99_995.0, 99_995.0 + 150.0]


def perpetual():
    times = [dt.datetime(2024, 1, 1, hour) for hour in (0, 8, 16, 23)]
    prices = np.array([[100.0], [100.0], [110.0], [120.0]])
    funding = [{"timestamp": stamp, "symbol": "P", "rate": 0.001} for stamp in times[:3]]
    return Panel.from_arrays(
        *[prices] * 4, timestamps=times, symbols=["P"], instruments=[PERPETUAL], funding=pl.DataFrame(funding)
    )


def test_funding_of_three_times():
    """Of 08:00 and 16:00 it is paid on marks of 100 and 110; at 00:00 nothing was held."""
    found = perpetual()
    strategy = TargetShares.from_array(np.array([[3.0], [np.nan], [np.nan], [np.nan]]))
    result = run_backtest(found, strategy, config=MARGIN.replace(commission_per_trade=0.0))
    paid = result.charges.filter(pl.col("kind") == "funding")
    assert paid["amount"].to_list() == pytest.approx([-3 * 10 * 100 * 0.001, -3 * 10 * 110 * 0.001])
    assert paid["symbol"].to_list() == ["P", "P"]
    assert result.equity["cash"].to_list() == pytest.approx([1e5, 1e5, 1e5 + 300 - 3.0, 1e5 + 600 - 3.0 - 3.3])


def test_multipliers_of_one_copy_nothing():
    plain = panel([100.0, 101.0], instruments=[{**FUTURE, "multiplier": 1.0}])
    assert plain.multipliers is None and contract_bars(plain) is plain.bars
    assert contract_actions(plain) is plain.action_rows
    inputs = encode(plain, orders((0, 1, {"type": "limit", "limit_price": 99.0})), MARGIN)
    assert inputs.quoted_orders is None and np.shares_memory(inputs.market.bars, plain.bars)


def test_scaled_bars_are_made_once():
    found = panel([100.0, 101.0])
    assert contract_bars(found) is contract_bars(found) and contract_bars(found)[1, 0, 3] == 5050.0


def wide():
    """100 symbols, of which the runs below trade three; a stock is sold short and can be borrowed."""
    symbols = [f"S{number:02d}" for number in range(97)] + ["ES", "P", "X"]
    prices = np.random.default_rng(7).lognormal(0, 0.02, (12, 100)).cumprod(axis=0) * 50
    stamps = [dt.datetime(2024, 1, 1, 12) + dt.timedelta(days=day) for day in range(12)]
    funding = pl.DataFrame({"timestamp": stamps, "symbol": ["P"] * 12, "rate": [0.001] * 12})
    borrow = [{"symbol": "X", "timestamp": dt.date(2024, 1, 3), "available": 40.0, "fee": 0.2}]
    borrow += [{"symbol": "X", "timestamp": dt.date(2024, 1, 6), "available": 10.0, "fee": None}]
    return Panel.from_arrays(
        *[prices] * 4,
        timestamps=stamps,
        symbols=symbols,
        instruments=[FUTURE, {**PERPETUAL, "lot": 0.5}],
        funding=funding,
        borrow=pl.DataFrame(borrow),
    )


def three(found):
    stamps = found.timestamps
    table = {"timestamp": [stamps[2], stamps[2], stamps[2], stamps[8]], "symbol": ["ES", "P", "X", "ES"]}
    return Orders(pl.DataFrame({**table, "quantity": [3.0, -2.5, -60.0, -5.0]}))


SHORT = MARGIN.replace(allow_short_selling=True)
REFUSES = pytest.mark.filterwarnings("ignore::facade.errors.BacktestWarning")


@REFUSES
def test_few_assets_of_a_wide_panel_are_those_of_a_narrow_one():
    found = wide()
    inputs = encode(found, three(found), SHORT)
    assert inputs.assets.tolist() == [97, 98, 99]
    assert inputs.market.instruments["multiplier"].tolist() == [50.0, 10.0, 1.0]
    assert inputs.market.borrow["asset"].tolist() == [2, 2] and set(inputs.market.funding["asset"].tolist()) == {1}
    narrow = found.select(["ES", "P", "X"])
    whole, part = (run_backtest(one, three(one), config=SHORT) for one in (found, narrow))
    for name in ("equity", "fills", "trades", "orders", "charges", "positions"):
        assert whole.frame(name).equals(part.frame(name)), name
    assert whole.charges["symbol"].drop_nulls().unique().sort().to_list() == ["P", "X"]


@REFUSES
def test_rows_of_a_sweep_are_single_runs():
    found = wide()
    grid = {"borrow_fee": [0.0, 0.1], "short_availability": ["unlimited", "listed"], "lot": [1.0, 2.0]}
    swept = sweep(found, three(found), SHORT, grid, keep="trades", progress=False)
    for row in range(8):
        values = swept.table.row(row, named=True)
        single = run_backtest(found, three(found), config=SHORT.replace(**{name: values[name] for name in grid}))
        assert single.metrics["final_value"] == values["final_value"]
        assert swept.trades(row).equals(single.trades)
        assert swept.drill(row).equity.equals(single.equity)


@REFUSES
def test_windows_keep_what_is_in_force():
    found = wide()
    stamps = found.timestamps
    windows = [(None, None), (stamps[4], None), (stamps[1], stamps[9])]
    strategy = TargetShares.from_array(np.tile([np.nan] * 97 + [2.0, -1.5, -30.0], (12, 1)))
    swept = sweep(found, strategy, SHORT, {"window": windows, "symbols": [None, ["X", "ES"]]}, progress=False)
    for row in range(6):
        single = swept.drill(row)
        assert single.metrics["final_value"] == swept.table["final_value"][row]
    late = swept.drill(2)  # of the 40 of day 3 30 are sold on day 6, on which there are 10 and 20 are called back
    sold = late.fills.filter(pl.col("symbol") == "X")["signed_quantity"]
    assert sold.to_list() == [-10.0]


@REFUSES
def test_workers_in_processes_get_the_same_terms():
    found = wide()
    grid = {"borrow_fee": [0.0, 0.1, 0.2]}
    here = sweep(found, three(found), SHORT, grid, progress=False)
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        there = sweep(found, three(found), SHORT, grid, progress=False, executor=executor)
    assert here.table.equals(there.table)


def test_a_future_needs_an_account_on_margin():
    found = panel([100.0, 101.0])
    with pytest.raises(ConfigError, match=r"account='cash' cannot hold a future: 'ES'; allowed .* account='margin'"):
        run_backtest(found, orders((0, 1, {})))
    with pytest.raises(ConfigError, match="row 1: account='cash' cannot hold a future: 'ES'"):
        sweep(found, orders((0, 1, {})), None, {"account": ["margin", "cash"]}, progress=False)
    stock = panel([[100.0, 101.0], [1.0, 1.0]], ("ES", "IBM"))
    swept = sweep(stock, TargetShares.from_array(np.full((2, 2), 1.0)), None, {"symbols": [["IBM"]]}, progress=False)
    assert swept.table.height == 1  # the row has no future


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({"initial_margin": 0.2}, "initial_margin=0.2 of ES in instruments is below maintenance_margin=0.25 of Config"),
        ({"maintenance_margin": 0.6}, "maintenance_margin=0.6 of ES in instruments is above initial_margin=0.5 of"),
        ({"short_maintenance_margin": 0.7}, "short_maintenance_margin=0.7 of ES .* above short_initial_margin=0.5"),
    ],
)
def test_margins_of_two_sources_fit_together(own, told):
    found = panel([100.0, 101.0], instruments=[{**FUTURE, **own}])
    with pytest.raises(ConfigError, match=told):
        run_backtest(found, orders((0, 1, {})), config=MARGIN)


def test_margins_are_compared_row_by_row():
    found = panel([100.0, 101.0], instruments=[{**FUTURE, "initial_margin": 0.4, "short_maintenance_margin": 0.1}])
    with pytest.raises(ConfigError, match="row 1: initial_margin=0.4 of ES .* below maintenance_margin=0.45"):
        sweep(found, orders((0, 1, {})), MARGIN, {"maintenance_margin": [0.2, 0.45]}, progress=False)


@pytest.mark.parametrize("kind", ["split", "dividend"])
def test_only_stocks_have_splits_and_dividends(kind):
    actions = pl.DataFrame([{"symbol": "ES", "ex_date": days(2)[1], "kind": kind, "value": 2.0}])
    with pytest.raises(DataError, match=f"actions: a future has no {kind}s: symbol 'ES', 2024-01-02"):
        panel([100.0, 50.0], actions=actions)
    with pytest.raises(DataError, match=f"actions: a future has no {kind}s"):
        panel([100.0, 50.0]).with_actions(actions)


def test_terms_are_arguments_of_loading():
    table = pl.DataFrame({"timestamp": days(3), "symbol": ["ES"] * 3, "close": [100.0, 100.0, 101.0]})
    prices = table.with_columns(open=pl.col("close"), high=pl.col("close"), low=pl.col("close"))
    result = run_backtest(prices, orders((0, 1, {})), config=MARGIN, instruments=[FUTURE])
    assert result.metrics["final_value"] == 100_000.0 - 5 + 50
    with pytest.raises(DataError, match="instruments, funding: arguments of load_panel; this panel is already built"):
        run_backtest(panel([1.0, 1.0]), orders((0, 1, {})), config=MARGIN, instruments=[FUTURE], funding=[])
    with pytest.raises(ConfigError, match="here it is multiplier of the table instruments="):
        run_backtest(prices, orders((0, 1, {})), config=MARGIN, contract_size=50)


def test_a_part_of_a_panel_scales_its_own_bars():
    found = wide()
    part = found.select(["ES"])
    assert part.multipliers.tolist() == [50.0] and (contract_bars(part) == part.bars * 50.0).all()
