"""What can be borrowed, from the table to the frames of a result (1.2, 1.5)."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, TargetShares, run_backtest, sweep
from facade.sweeps.studies.capacity import capacity

pytestmark = pytest.mark.filterwarnings("ignore::facade.errors.BacktestWarning")
SHORT = Config(allow_short_selling=True, initial_cash=10_000.0, max_participation=None)


def days(count):
    return [dt.date(2024, 1, 1) + dt.timedelta(days=day) for day in range(count)]


def panel(count=7, volume=None, borrow=None, price=10.0, **terms):
    """borrow: (day, available, fee) each."""
    prices = np.full((count, 1), price)
    names = ("symbol", "timestamp", "available", "fee")
    rows = [dict(zip(names, ("A", days(day + 1)[-1], *row), strict=True)) for day, *row in borrow or ()]
    table = pl.DataFrame(rows, schema_overrides={"available": pl.Float64, "fee": pl.Float64}) if rows else None
    volumes = None if volume is None else np.full((count, 1), volume)
    return Panel.from_arrays(*[prices] * 4, volumes, days(count), ["A"], borrow=table, **terms)


def orders(*rows):
    return Orders(
        pl.DataFrame([{"timestamp": days(day + 1)[-1], "symbol": "A", "quantity": float(q)} for day, q in rows])
    )


def recalls(result):
    return result.orders.filter(pl.col("origin") == "recall")


def fills(result):
    return [(stamp.day - 1, quantity) for stamp, quantity in result.fills.select("timestamp", "signed_quantity").rows()]


def test_the_recall_of_1_5():
    """100 short, a cap of 30 a bar; on bar 3 45 are available: 55 are called back, 30 on bar 3, 25 on bar 4."""
    found = panel(volume=1000.0, borrow=[(0, 200.0, None), (3, 45.0, None)])
    config = SHORT.replace(max_participation=0.10)
    result = run_backtest(found, orders((0, -100), (2, -10)), config=config)
    assert fills(result)[0] == (1, -100.0)
    found = Panel.from_arrays(
        *[np.full((7, 1), 10.0)] * 4,
        np.array([[1000.0], [1000.0], [1000.0], [300.0], [300.0], [300.0], [300.0]]),
        days(7),
        ["A"],
        borrow=found.borrow,
    )
    result = run_backtest(found, orders((0, -100), (2, -10)), config=config)
    assert fills(result) == [(1, -100.0), (3, 30.0), (4, 25.0)]
    assert recalls(result).select("quantity", "status").rows() == [(55.0, "filled")]
    assert result.rejections.select("rejection_code", "remaining_quantity").rows() == [("no_borrow", 10.0)]


def test_what_comes_back_ends_the_recall():
    """80 on bar 4: of 55 only 30 were bought, 70 are short, and 10 may be sold."""
    volumes = np.array([[1000.0], [1000.0], [1000.0], [300.0], [300.0], [300.0], [300.0]])
    borrow = panel(borrow=[(3, 45.0, None), (4, 80.0, None)]).borrow
    found = Panel.from_arrays(*[np.full((7, 1), 10.0)] * 4, volumes, days(7), ["A"], borrow=borrow)
    result = run_backtest(found, orders((0, -100), (3, -25)), config=SHORT.replace(max_participation=0.10))
    assert fills(result) == [(1, -100.0), (3, 30.0), (4, -10.0)]
    assert recalls(result).select("quantity", "filled_quantity", "status", "reason").rows() == [
        (55.0, 30.0, "cancelled", "restored")
    ]
    assert result.positions["quantity"].to_list()[-1] == -80.0


def test_recalls_can_be_off():
    found = panel(borrow=[(3, 45.0, None)])
    result = run_backtest(found, orders((0, -100), (3, -5)), config=SHORT.replace(recall="off"))
    assert fills(result) == [(1, -100.0)] and recalls(result).is_empty()


def test_nothing_is_sold_of_what_is_not_listed():
    listed = SHORT.replace(short_availability="listed")
    result = run_backtest(panel(borrow=[(3, 45.0, None)]), orders((0, -10), (3, -50)), config=listed)
    assert fills(result) == [(4, -45.0)]
    result = run_backtest(panel(), orders((0, -10)), config=listed)
    assert fills(result) == [] and result.orders["reason"].to_list() == ["no_borrow"]
    told = "no stock can be sold short: short_availability='listed', and the panel has no rows of borrow"
    assert told in result.notices
    assert told not in run_backtest(panel(), orders((0, 10)), config=listed.replace(allow_short_selling=False)).notices


def test_fees_are_of_the_row_in_force():
    """40 at 10 are short from bar 1: 0.09, then from bar 3 that of Config; the row of the bar before counts."""
    found = panel(6, borrow=[(0, None, 0.09), (3, None, None)])
    result = run_backtest(found, orders((0, -40)), config=SHORT.replace(borrow_fee=0.18))
    assert result.charges["amount"].to_list() == pytest.approx([-0.1, -0.1, -0.2, -0.2])
    free = run_backtest(found, orders((0, -40)), config=SHORT)
    assert free.charges["amount"].to_list() == pytest.approx([-0.1, -0.1])
    assert result.metrics["total_borrow_fees"] == pytest.approx(0.6)


def test_a_split_restates_what_can_be_borrowed():
    prices = np.array([[10.0], [10.0], [10.0], [5.0], [5.0], [5.0]])
    split = pl.DataFrame({"symbol": ["A"], "ex_date": [days(4)[3]], "kind": ["split"], "value": [2.0]})
    borrow = panel(borrow=[(0, 60.0, None)]).borrow
    found = Panel.from_arrays(*[prices] * 4, None, days(6), ["A"], actions=split, borrow=borrow)
    result = run_backtest(found, orders((0, -60), (3, -10)), config=SHORT)
    assert fills(result) == [(1, -60.0)] and result.positions["quantity"].to_list()[-1] == -120.0


def test_rows_of_a_sweep_are_single_runs():
    found = panel(volume=400.0, borrow=[(0, 90.0, 0.1), (3, 45.0, 0.5), (5, 80.0, None)])
    strategy = TargetShares.from_array(np.array([[-70.0]] + [[np.nan]] * 3 + [[-100.0]] + [[np.nan]] * 2))
    grid = {"recall": ["excess", "off"], "borrow_fee": [0.0, 0.2], "max_participation": [None, 0.1]}
    grid["account"] = ["cash", "margin"]
    swept = sweep(found, strategy, SHORT, grid, keep="trades", progress=False)
    for row in range(16):
        values = {name: swept.table[name][row] for name in ("recall", "borrow_fee", "account")}
        cap = (None, 0.1)[row // 2 % 2]
        single = run_backtest(found, strategy, config=SHORT.replace(max_participation=cap, **values))
        assert single.metrics["final_value"] == swept.table["final_value"][row]
        assert swept.trades(row).equals(single.trades)


def test_capacity_on_margin_with_what_can_be_borrowed():
    found = panel(volume=1000.0, borrow=[(0, 90.0, 0.1)])
    from facade import TargetWeights

    weights = TargetWeights.from_array(np.array([[-0.5]] + [[np.nan]] * 6))
    config = SHORT.replace(account="margin", max_participation=0.5)
    curve = capacity(found, weights, config, [1_000.0, 10_000.0], progress=False)
    assert curve.table["unfilled"].to_list() == pytest.approx([0.0, (500 - 90) / 500])
