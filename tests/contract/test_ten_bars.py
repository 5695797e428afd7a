"""The ten bars that CONTRACT.md works by hand, run through the kernel: every number of its table."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, run_backtest

NONE = float("nan")
# open, high, low, close, volume of each bar
ABC = [
    (50, 51, 49, 50, 10_000),
    (50, 52, 49, 51, 1_000),
    (54, 56, 53, 55, 1_500),
    (55, 58, 54, 57, 2_000),
    (28, 29, 27, 28, 4_000),
    (27, 28, 26, 27, 4_000),
    (NONE, NONE, NONE, NONE, NONE),
    (17, 18, 16, 17, 3_000),
    (16, 17, 15, 16, 3_000),
    (16, 17, 15, 16, 3_000),
]
XYZ = [
    (20, 21, 19, 20, 5_000),
    (20, 22, 20, 21, 5_000),
    (21, 23, 21, 22, 5_000),
    (22, 23, 20, 21, 5_000),
    (21, 22, 19, 21, 5_000),
    (21, 22, 20, 22, 5_000),
    (22, 24, 21, 23, 5_000),
    (23, 25, 22, 24, 5_000),
    (24, 26, 23, 25, 5_000),
    (25, 27, 24, 26, 5_000),
]
ACTIONS = pl.DataFrame(
    {"symbol": ["ABC", "ABC"], "ex_date": [4, 5], "kind": ["split", "dividend"], "value": [2.0, 1.0]}
)
ORDERS = pl.DataFrame(
    [
        {"timestamp": 0, "symbol": "ABC", "quantity": 200.0, "stop_loss": 0.25},
        {"timestamp": 2, "symbol": "XYZ", "quantity": 100.0, "type": "limit", "limit_price": 20.0},
        {"timestamp": 5, "symbol": "XYZ", "quantity": -100.0, "type": "moc"},
        {"timestamp": 7, "symbol": "XYZ", "quantity": 50.0},
        {"timestamp": 8, "symbol": "ABC", "quantity": -10.0},
        {"timestamp": 9, "symbol": "XYZ", "quantity": -50.0},
    ]
)
CONFIG = Config(initial_cash=20_000, max_participation=0.10, commission_per_trade=1.0)


@pytest.fixture(scope="module")
def result():
    """The run of the example; its one refused order is warned of."""
    columns = np.stack([np.array(ABC, dtype=float), np.array(XYZ, dtype=float)], axis=1).transpose(2, 0, 1)
    panel = Panel.from_arrays(*columns, symbols=["ABC", "XYZ"], actions=ACTIONS)
    with pytest.warns(UserWarning, match="1 refused of 7 orders; mostly NO_SHORT"):
        return run_backtest(panel, Orders(ORDERS), config=CONFIG)


def test_fills_are_those_of_the_table(result):
    columns = ("timestamp", "order_id", "symbol", "phase", "signed_quantity", "price", "commission", "passive")
    assert result.fills.select(columns).rows() == [
        (1, 0, "ABC", "open", 100.0, 50.0, 1.0, False),
        (2, 0, "ABC", "open", 100.0, 54.0, 0.0, False),
        (4, 1, "XYZ", "inside", 100.0, 20.0, 1.0, True),
        (6, 2, "XYZ", "close", -100.0, 23.0, 1.0, False),
        (7, 3, "ABC", "open", -300.0, 17.0, 1.0, False),
        (8, 3, "ABC", "open", -100.0, 16.0, 0.0, False),
        (8, 4, "XYZ", "open", 50.0, 24.0, 1.0, False),
    ]


def test_orders_end_as_the_table_says(result):
    columns = (
        "symbol",
        "timestamp",
        "end_timestamp",
        "signed_quantity",
        "filled_quantity",
        "status",
        "reason",
        "origin",
    )
    assert result.orders.select(columns).rows() == [
        ("ABC", 0, 2, 200.0, 200.0, "filled", None, "order"),
        ("XYZ", 2, 4, 100.0, 100.0, "filled", None, "order"),
        ("XYZ", 5, 6, -100.0, 100.0, "filled", None, "order"),
        ("ABC", 7, 8, -400.0, 400.0, "filled", None, "stop_loss"),
        ("XYZ", 7, 8, 50.0, 50.0, "filled", None, "order"),
        ("ABC", 8, 9, -10.0, 0.0, "rejected", "no_short", "order"),
        ("XYZ", 9, None, -50.0, 0.0, "decided", None, "order"),
    ]


def test_cash_and_equity_are_those_of_the_table(result):
    assert result.equity.select("timestamp", "cash", "equity").rows() == [
        (0, 20_000.0, 20_000.0),
        (1, 14_999.0, 20_099.0),
        (2, 9_599.0, 20_599.0),
        (3, 9_599.0, 20_999.0),
        (4, 7_598.0, 20_898.0),
        (5, 7_998.0, 20_998.0),
        (6, 10_297.0, 21_097.0),
        (7, 15_396.0, 17_096.0),
        (8, 15_795.0, 17_045.0),
        (9, 15_795.0, 17_095.0),
    ]


def test_actions_and_trades_are_those_of_the_table(result):
    assert result.actions.select("timestamp", "kind", "value", "quantity", "cash").rows() == [
        (4, "split", 2.0, 400.0, 0.0),
        (5, "dividend", 1.0, 400.0, 400.0),
    ]
    columns = (
        "symbol",
        "entry_time",
        "exit_time",
        "quantity",
        "entry_price",
        "exit_price",
        "gross_pnl",
        "fees",
        "exit_reason",
    )
    assert result.trades.select(columns).rows() == [
        ("XYZ", 4, 6, 100.0, 20.0, 23.0, 300.0, 2.0, "order"),
        ("ABC", 1, 8, 400.0, 26.0, 16.75, -3_700.0, 2.0, "stop_loss"),
        ("XYZ", 8, None, 50.0, 24.0, None, 100.0, 1.0, None),  # open at the end, marked at 26
    ]


def test_nothing_about_the_ten_bars_is_ambiguous(result):
    assert result.ambiguous_bars.is_empty()
