"""Accounts on margin and with flows from end to end: runs, sweeps and studies, and what their results say."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, Signals, TargetWeights, capacity, run_backtest, sweep, walk_forward

pytestmark = pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
BARS = 60
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in range(BARS)]


def priced(*closes, **options):
    close = np.array(closes, float)[:, None]
    return Panel.from_arrays(*[close] * 4, timestamps=DAYS[: len(close)], symbols=["A"], **options)


def walk(assets=3, seed=4, bars=BARS, **options):
    close = 50 * np.exp(np.random.default_rng(seed).normal(0, 0.03, (bars, assets)).cumsum(0))
    names = [f"S{n}" for n in range(assets)]
    prices = dict(open=close, high=close * 1.02, low=close * 0.98, close=close)
    return Panel.from_arrays(**prices, timestamps=DAYS[:bars], symbols=names, **options)


def orders(*rows):
    return Orders(pl.DataFrame([{"timestamp": DAYS[bar], "symbol": "A", "quantity": q} for bar, q in rows]))


def flows(*rows):
    return [{"timestamp": DAYS[bar], "amount": amount} for bar, amount in rows]


# Flows ---------------------------------------------------------------------------------------------------------------


def test_a_deposit_is_no_return():
    """The worked bars of clause 1.3."""
    config = Config(initial_cash=1_000.0)
    result = run_backtest(priced(10, 10, 11, 11), orders((0, 50.0)), config=config, flows=flows((2, 500.0)))
    assert result.equity["equity"].to_list() == [1_000.0, 1_000.0, 1_550.0, 1_550.0]
    assert result.equity["return"].to_list()[1:] == pytest.approx([0.0, 50 / 1_500, 0.0])
    assert result.charges.rows() == [(DAYS[2], None, "flow", 500.0)]
    found = result.metrics
    assert found["net_flows"] == 500.0 and found["total_return"] == pytest.approx(50 / 1_500)
    assert found["max_drawdown"] == 0.0 and found["unrealised_pnl"] == 50.0
    grown = 1 + found["money_weighted_return"]
    assert 1_000 * grown ** (3 / 365) + 500 * grown ** (2 / 365) == pytest.approx(1_550.0)


def test_a_withdrawal_that_would_leave_nothing_is_an_event():
    config = Config(initial_cash=1_000.0)
    result = run_backtest(priced(10, 10, 10), orders((0, 50.0)), config=config, flows=flows((2, -1_000.0)))
    assert result.charges.height == 0 and result.equity["equity"][-1] == 1_000.0
    assert result.events.rows() == [(DAYS[2], "flow_refused", None, None, -1_000.0, 1_000.0)]
    assert np.isnan(result.metrics["money_weighted_return"]) and any("withdrawal" in one for one in result.notices)


def test_drawdown_is_of_the_strategy_and_not_of_withdrawals():
    config = Config(initial_cash=1_000.0)
    result = run_backtest(
        priced(10, 10, 10, 8, 8), orders((0, 50.0)), config=config, flows=flows((2, -300.0), (4, 1_000.0))
    )
    assert result.metrics["max_drawdown"] == pytest.approx(100 / 700)
    assert -result.equity["drawdown"].min() == pytest.approx(100 / 700)


# Margin --------------------------------------------------------------------------------------------------------------


def called(**options):
    """The worked margin call of clause 4.5: 150 at 100 with 10,000, marked at 44 and then at 43."""
    config = Config(account="margin", initial_cash=10_000.0, **options)
    return run_backtest(priced(100, 100, 45, 44, 43, 43), orders((0, 150.0)), config=config)


def test_the_worked_margin_call():
    result = called()
    assert result.events.select("timestamp", "kind", "value", "limit").rows() == [
        (DAYS[3], "margin_call", 1_600.0, 1_650.0),
        (DAYS[4], "margin_call", 1_450.0, 1_558.75),
    ]
    forced = result.orders.filter(pl.col("origin") == "margin_call")
    assert forced["signed_quantity"].to_list() == [-5.0, -11.0] and forced["reduce_only"].all()
    assert result.fills["exit_reason"].to_list() == [None, "margin_call", "margin_call"]
    assert result.metrics["margin_calls"] == 2 and result.equity["cash"][4] == -4_785.0


def test_margin_has_a_row_a_bar():
    margin, equity = called().margin, called().equity
    assert margin.height == 6
    marks, held = np.array([100, 100, 45, 44, 43, 43]), np.array([0, 150, 150, 150, 145, 134])
    assert margin["initial"].to_numpy() == pytest.approx(0.5 * marks * held)
    assert margin["maintenance"].to_numpy() == pytest.approx(0.25 * marks * held)
    assert margin["excess_liquidity"].to_numpy() == pytest.approx(equity["equity"].to_numpy() - 0.25 * marks * held)
    assert margin["leverage"].to_numpy() == pytest.approx(marks * held / equity["equity"].to_numpy())
    found = called().metrics
    assert found["peak_leverage"] == pytest.approx(margin["leverage"].max())
    assert found["average_leverage"] == pytest.approx(margin["leverage"].mean())


def test_gross_exposure_is_recorded_on_margin():
    result = called()
    assert result.equity["gross_exposure"].to_list() == pytest.approx([0, 15_000, 6_750, 6_600, 6_235, 5_762])


def test_what_margin_does_not_carry_is_a_rejection():
    config = Config(account="margin", initial_cash=1_000.0, commission_rate=0.01)
    result = run_backtest(priced(10, 10, 10), orders((0, 250.0)), config=config)
    assert result.rejections.select("filled_quantity", "rejection_code").rows() == [(196.0, "margin")]
    tighter = run_backtest(priced(10, 10, 10), orders((0, 250.0)), config=config.replace(max_leverage=1.5))
    assert tighter.rejections.select("filled_quantity", "rejection_code").rows() == [(147.0, "leverage")]


def test_weights_above_one_borrow():
    panel = walk()
    result = run_backtest(
        panel, TargetWeights.from_array(np.full(panel.shape, 0.5)), config=Config(account="margin", lot=0)
    )
    assert result.equity["cash"].min() < 0 and 1.3 < result.metrics["peak_leverage"] < 2.1


def test_a_bankruptcy_is_an_event():
    config = Config(allow_short_selling=True, initial_cash=1_000.0)
    result = run_backtest(priced(10, 10, 25, 25), orders((0, -100.0)), config=config)
    assert result.events.select("kind", "value").rows() == [("bankrupt", -500.0)]


def test_a_recall_is_an_order_and_an_event():
    borrow = [
        {"symbol": "A", "timestamp": DAYS[0], "available": 100.0, "fee": 0.36},
        {"symbol": "A", "timestamp": DAYS[3], "available": 45.0, "fee": None},
    ]
    panel = priced(10, 10, 10, 10, 10, borrow=borrow)
    config = Config(allow_short_selling=True, initial_cash=10_000.0)
    result = run_backtest(panel, orders((0, -120.0)), config=config)
    assert result.rejections.select("filled_quantity", "rejection_code").rows() == [(100.0, "no_borrow")]
    assert result.events.select("timestamp", "kind", "symbol", "value", "limit").rows() == [
        (DAYS[3], "recall", "A", 100.0, 45.0)
    ]
    assert result.fills["origin"].to_list() == ["order", "recall"] and result.metrics["recalls"] == 1
    assert result.charges["kind"].to_list() == ["borrow"] * 2
    assert result.charges["amount"].to_list() == pytest.approx([-1_000 * 0.36 / 360] * 2)
    assert result.policies["recall"] == "excess" and result.policies["short_availability"] == "unlimited"


# Sweeps and studies --------------------------------------------------------------------------------------------------


def strategies():
    panel = walk()
    rng = np.random.default_rng(6)
    flags = [rng.random(panel.shape) < 0.2 for _ in range(4)]
    return {
        "weights": TargetWeights.from_array(
            rng.uniform(-0.3, 1.2, panel.shape) * np.array([3.0, 1.0, 1.0]), scale=True
        ),
        "signals": Signals.from_arrays(*flags, size=0.9),
    }


MIXED = flows((3, 20_000.0), (20, -30_000.0), (41, 5_000.0), (50, -9e9))
GRID = {
    "account": ["cash", "margin"],
    "max_leverage": [None, 1.2],
    "cash_buffer": [0.0, 0.2],
    "maintenance_margin": [0.25, 0.5],
    "margin_call": ["pro_rata", "all"],
}


@pytest.mark.parametrize("kind", ["weights", "signals"])
def test_rows_of_a_sweep_are_their_runs_to_the_bit(kind):
    panel, strategy = walk(), strategies()[kind]
    base = Config(allow_short_selling=True, lot=0, debit_rate=0.05, short_maintenance_margin=0.5)
    found = sweep(panel, strategy, base, GRID, flows=MIXED, progress=False, n_jobs=1, keep="equity")
    assert found.table["margin_calls"].max() > 0 and found.table["net_flows"].n_unique() >= 1
    for row in range(0, len(found), 3):
        changes = {name: found.table[name][row] for name in GRID}
        changes["max_leverage"] = None if changes["max_leverage"] is None else float(changes["max_leverage"])
        alone = run_backtest(panel, strategy, config=base.replace(**changes), flows=MIXED)
        record = {name: found.table[name][row] for name in alone.metrics}
        assert record == pytest.approx(alone.metrics, rel=0, abs=0, nan_ok=True)
        assert found.equity(row)["equity"].equals(alone.equity["equity"])
        assert np.array_equal(found._returns_of(row), alone.equity["return"].drop_nulls().to_numpy())
        assert found.drill(row).events.equals(alone.events) and found.drill(row).margin.equals(alone.margin)


def test_a_window_takes_its_own_flows():
    panel, strategy = walk(), strategies()["weights"]
    base = Config(allow_short_selling=True, lot=0)
    windows = [(None, DAYS[29]), (DAYS[30], None)]
    found = sweep(panel, strategy, base, {"window": windows}, flows=MIXED, progress=False)
    assert found.table["net_flows"].to_list() == [-10_000.0, 5_000.0]
    for row in range(2):
        drilled = found.drill(row)
        assert drilled.metrics["final_value"] == found.table["final_value"][row]
        assert drilled.charges.filter(pl.col("kind") == "flow").height == (2, 1)[row]


def test_capacity_passes_flows_on():
    panel = walk()
    weights = TargetWeights.from_array(np.full(panel.shape, 0.3))
    found = capacity(panel, weights, Config(lot=0), [1e5, 1e6], flows=flows((10, 1_000.0)))
    assert [result.metrics["net_flows"] for result in found.results] == [1_000.0, 1_000.0]
    assert found.table["total_return"].to_list() == [result.metrics["total_return"] for result in found.results]


def test_a_walk_forward_books_flows_in_its_windows():
    panel = walk()
    weights = TargetWeights.from_array(np.full(panel.shape, 0.3))
    paid = flows((5, 7.0), (25, 1_000.0), (45, -500.0))
    found = walk_forward(
        panel, weights, Config(lot=0), {"stop_loss": [None, 0.1]}, train=20, test=20, flows=paid, progress=False
    )
    assert found.metrics["net_flows"] == 500.0 and found.in_sample.table["net_flows"].to_list() == [7.0, 7.0, 1e3, 1e3]
    equity = found.equity
    grown = (1 + equity["return"].drop_nulls()).product() - 1
    assert grown == pytest.approx(found.metrics["total_return"]) == pytest.approx(equity["cumulative_return"][-1])
    assert found.metrics["max_drawdown"] == pytest.approx(-equity["drawdown"].min())


def test_a_window_spent_in_cash_has_its_flows():
    panel = walk()
    weights = TargetWeights.from_array(np.full(panel.shape, 0.3))
    found = walk_forward(
        *(panel, weights, None, {"stop_loss": [None, 0.1]}),
        **dict(train=20, test=20, flows=flows((25, 1_000.0), (30, -9e9)), progress=False, min_trades=10**6),
    )
    assert found.results == (None, None) and found.metrics["final_value"] == 101_000.0
    assert found.metrics["total_return"] == 0.0 and found.equity["return"].drop_nulls().to_list() == [0.0] * 39
    assert found.equity["drawdown"].to_list() == [0.0] * 40 and found.metrics["net_flows"] == 1_000.0


def test_few_assets_of_a_wide_panel_trade_as_if_alone_on_terms():
    """Narrowed to its assets, with rows of borrow and events put back in their columns."""
    rng = np.random.default_rng(8)
    close = 50 * np.exp(rng.normal(0, 0.03, (BARS, 100)).cumsum(0))
    names = [f"S{n}" for n in range(100)]
    borrow = [
        {"symbol": names[n], "timestamp": DAYS[day], "available": available, "fee": 0.1}
        for n in (7, 40, 93)
        for day, available in ((0, 500.0), (30, 60.0))
    ]
    chosen = [names[n] for n in (7, 93)]
    rows = [{"timestamp": DAYS[1], "symbol": name, "quantity": -200.0} for name in chosen]
    config = Config(allow_short_selling=True, account="margin")
    options = dict(timestamps=DAYS)
    wide = Panel.from_arrays(*[close] * 4, symbols=names, borrow=borrow, **options)
    thin = [row for row in borrow if row["symbol"] in chosen]
    narrow = Panel.from_arrays(*[close[:, [7, 93]]] * 4, symbols=chosen, borrow=thin, **options)
    first, second = (
        run_backtest(panel, Orders(pl.DataFrame(rows)), config=config, flows=MIXED[:2]) for panel in (wide, narrow)
    )
    assert first.events.height > 0 and set(first.events["symbol"].drop_nulls()) == set(chosen)
    for name in ("orders", "fills", "trades", "equity", "positions", "charges", "events", "margin"):
        assert first.frame(name).equals(second.frame(name)), name
