"""Decoding puts names, dates and words back; positions are rebuilt from what moved them."""

import inspect
import re
from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.config.model import Config
from facade.results.columns import enum_dtype
from facade.results.facts import FRAMES
from facade.results.result import Result
from made_runs import Ledger, days, small_ledger
from ml4t_kernel import schema
from ml4t_kernel.schema import Kind, Origin, Phase, Reason, Status, TimeInForce


@pytest.fixture
def result():
    return Result.from_run(small_ledger().run())


def test_orders_carry_names_dates_and_amounts(result):
    orders = result.orders
    assert orders["order_id"].to_list() == [0, 1, 2, 3, 4]
    assert orders["id"].to_list() == ["first", None, None, None, "exit"]
    assert orders["tag"].to_list() == ["entry", None, None, None, None]
    assert orders["symbol"].to_list() == ["A", "B", "B", "A", "B"]
    assert orders["timestamp"].to_list() == [date(2020, 1, d) for d in (1, 1, 2, 3, 4)]
    assert orders["end_timestamp"].to_list() == [date(2020, 1, d) for d in (2, 2, 2, 4)] + [None]
    assert orders["side"].to_list() == ["buy", "buy", None, "sell", "sell"]
    assert orders["signed_quantity"].to_list() == [100.0, 50.0, 0.0, -200.0, -30.0]
    assert orders["filled_quantity"].to_list() == [100.0, 30.0, 0.0, 200.0, 0.0]
    assert orders["working_quantity"].to_list() == [0.0, 0.0, 0.0, 0.0, 30.0]
    assert orders["status"].to_list() == ["filled", "cancelled", "rejected", "filled", "live"]
    assert orders["reason"].to_list() == [None, "cash", "no_price", None, None]
    assert orders["origin"].to_list() == ["order", "target", "target", "stop_loss", "order"]
    assert orders["reduce_only"].to_list() == [False, False, False, True, False]


def test_prices_of_an_order_are_null_for_types_without_them(result):
    orders = result.orders
    assert orders["limit_price"].to_list() == [None, None, None, None, 25.0]
    assert orders["stop_price"].to_list() == [None, None, None, 5.75, None]
    assert orders["trail_amount"].null_count() == 5


def test_orders_sum_what_their_fills_cost():
    ledger = Ledger([[10.0, 1.0]] * 4)
    row = ledger.order(0, 0, 10.0)
    ledger.fill(row, 1, 4.0, 10.0, fee=1.0, slippage=0.5)
    ledger.fill(row, 2, 6.0, 11.0, fee=0.25, slippage=0.25)
    ledger.fill(-1, 3, -10.0, 9.0, asset=0, origin=Origin.DELISTING, phase=Phase.BOOKING, bits=schema.EXIT_LEG)
    orders = Result.from_run(ledger.run()).orders
    assert orders.select("average_price", "commission", "slippage").row(0) == (10.6, 1.25, 0.75)


def test_an_id_follows_a_replaced_order_and_its_replacement():
    ledger = Ledger([[10.0, 1.0]] * 3)
    old = ledger.user_order(0, 0, 10.0, "mine", "t", kind=Kind.LIMIT, limit=9.0, status=Status.REPLACED)
    ledger.details[-1]["intent"] = 0
    new = ledger.user_order(1, 0, 10.0, "mine", None, kind=Kind.LIMIT, limit=9.5, intent=1)
    ledger.placed[:] = [new, new]  # later references to the id mean the new row
    orders = Result.from_run(ledger.run()).orders
    assert orders["id"].to_list() == ["mine", "mine"]
    assert orders["limit_price"].to_list() == [9.0, 9.5]
    assert old == 0


def test_children_name_their_parent_order():
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.order(0, 1, 1.0)
    parent = ledger.order(0, 0, 10.0, kind=Kind.LIMIT, limit=9.0)
    ledger.order(1, 0, -10.0, kind=Kind.STOP, stop=8.0, parent=ledger.orders[parent]["detail"], origin=Origin.CHILD)
    assert Result.from_run(ledger.run()).orders["parent_id"].to_list() == [None, None, parent]


def test_withdrawn_and_unborn_intents_name_no_order():
    ledger = Ledger([[10.0, 1.0]] * 3)
    for name in ("a", "b", "c", "d"):
        ledger.user_order(0, 0, 1.0, name)
    ledger.placed[:] = [-1, -2, -7, 2]
    assert Result.from_run(ledger.run()).orders["id"].to_list() == [None, None, "d", None]


def test_fills_tell_the_order_the_phase_and_why_a_position_was_closed(result):
    fills = result.fills
    assert fills["order_id"].to_list() == [0, 1, 3]
    assert fills["order_type"].to_list() == ["market", "market", "stop"]
    assert fills["stop_price"].to_list() == [None, None, 5.75]
    assert fills["phase"].to_list() == ["open", "open", "inside"]
    assert fills["exit_reason"].to_list() == [None, None, "stop_loss"]
    assert fills["commission"].to_list() == [1.0, 0.5, 2.0]
    assert fills["signed_quantity"].to_list() == [100.0, 30.0, -200.0]


def test_a_booking_without_order_has_null_order_columns():
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.fill(ledger.order(0, 0, 10.0), 1, 10.0, 10.0, bits=schema.PASSIVE)
    ledger.fill(-1, 2, -10.0, 9.0, asset=0, origin=Origin.DELISTING, phase=Phase.BOOKING, bits=schema.EXIT_LEG)
    fills = Result.from_run(ledger.run()).fills
    names = ("order_id", "order_type", "phase", "passive", "exit_reason")
    assert fills.select(names).rows() == [
        (0, "market", "open", True, None),
        (None, None, "booking", False, "delisting"),
    ]


def test_trades_are_net_of_fees_and_excursions_are_fractions_of_the_entry_price(result):
    trade = result.trades.row(0, named=True)
    assert (trade["pnl"], trade["gross_pnl"], trade["fees"]) == (97.0, 100.0, 3.0)
    assert trade["pnl_percent"] == pytest.approx(97.0 / 1050.0)
    assert trade["gross_return"] == pytest.approx(100.0 / 1050.0)
    assert (trade["mfe"], trade["mae"]) == (pytest.approx(0.2), pytest.approx(-0.2))
    assert (trade["direction"], trade["bars_held"], trade["exit_reason"]) == ("long", 2, "stop_loss")
    assert (trade["entry_time"], trade["exit_time"]) == (date(2020, 1, 2), date(2020, 1, 4))


def test_excursions_of_a_short_are_favourable_downwards():
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.trades.append(
        {
            "entry_order": -1,
            "quantity": -5.0,
            "entry_price": 10.0,
            "mfe": 8.0,
            "mae": 11.0,
            "exit_order": -1,
            "pnl": 3.0,
            "fees": 1.0,
        }
    )
    trade = Result.from_run(ledger.run()).trades.row(0, named=True)
    assert (trade["direction"], trade["exit_order_id"]) == ("short", None)
    assert (trade["mfe"], trade["mae"]) == (pytest.approx(0.2), pytest.approx(-0.1))


def test_the_first_return_is_against_initial_cash():
    ledger = Ledger([[10.0, 1.0], [9.0, 1.0], [12.0, 1.0]], config=Config(initial_cash=1_000.0))
    ledger.fill(ledger.order(0, 0, 10.0), 0, 10.0, 11.0)
    equity = Result.from_run(ledger.run()).equity
    assert equity["equity"].to_list() == [990.0, 980.0, 1010.0]
    assert equity["return"].to_list() == pytest.approx([-0.01, 980 / 990 - 1, 1010 / 980 - 1])
    assert equity["high_water_mark"].to_list() == [1000.0, 1000.0, 1010.0]
    assert equity["drawdown"].to_list() == pytest.approx([-0.01, -0.02, 0.0])
    assert equity["net_exposure"].to_list() == [100.0, 90.0, 120.0]


def test_positions_follow_splits_and_carry_the_mark_over_missing_bars():
    close = [[30.0, 5.0], [30.0, 5.0], [np.nan, 5.0], [np.nan, 5.0], [9.0, 5.0]]
    ledger = Ledger(close, config=Config(lot=1.0))
    ledger.fill(ledger.order(0, 0, 7.0), 1, 7.0, 30.0)
    ledger.split(2, 0, 0.5)  # 3.5 shares: 3 are kept, half a share is paid at 60
    ledger.fill(-1, 2, -0.5, 60.0, asset=0, origin=Origin.CASH_IN_LIEU, phase=Phase.BOOKING, bits=schema.EXIT_LEG)
    ledger.events.pop()  # the booking of the split has moved share and cash already
    ledger.split(4, 0, 6.0)
    run = ledger.run()
    positions = Result.from_run(run).positions
    assert positions.select("timestamp", "quantity", "mark", "value").rows() == [
        (1, 7.0, 30.0, 210.0),
        (2, 3.0, 60.0, 180.0),
        (3, 3.0, 60.0, 180.0),
        (4, 18.0, 9.0, 162.0),
    ]
    assert positions["weight"].to_list() == pytest.approx(
        (positions["value"] / run.tape.equity["equity"][1:]).to_list()
    )


@st.composite
def ledgers(draw):
    """Random fills and splits over random closes, some of them missing."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bars, assets, lot = draw(st.integers(2, 12)), draw(st.integers(1, 4)), draw(st.sampled_from([0.0, 1.0]))
    close = rng.integers(64, 640, (bars, assets)) / 64.0
    close[rng.random((bars, assets)) < draw(st.sampled_from([0.0, 0.3]))] = np.nan
    close[0] = 5.0
    ledger = Ledger(close, symbols=tuple("ABCD"[:assets]), config=Config(lot=lot), timestamps=days(bars))
    held = np.zeros(assets)
    for bar in range(1, bars):
        for asset in range(assets):
            if rng.random() < 0.15:
                ratio = float(rng.choice([0.5, 2.0, 1.5]))
                ledger.split(bar, asset, ratio)
                held[asset] = np.trunc(held[asset] * ratio) if lot else held[asset] * ratio
            for _ in range(rng.integers(0, 3)):
                quantity = float(rng.integers(-5, 6)) if lot else float(rng.normal(0, 10))
                quantity = -held[asset] if rng.random() < 0.3 else quantity
                if quantity:
                    ledger.fill(ledger.order(bar - 1, asset, quantity), bar, quantity, 5.0)
                    held[asset] += quantity
    return ledger


@settings(max_examples=60, deadline=None)
@given(ledgers())
def test_rebuilt_positions_equal_those_of_a_bookkeeper_and_add_up_to_equity(ledger):
    run = ledger.run()
    positions = Result.from_run(run).positions
    held, cash = ledger.walk()
    bar = (positions["timestamp"] - ledger.timestamps[0]).dt.total_days().to_list()
    asset = [ledger.symbols.index(symbol) for symbol in positions["symbol"]]
    found = dict(zip(zip(bar, asset, strict=True), positions["quantity"], strict=True))
    assert list(found) == sorted(found)
    assert found.keys() == held.keys()
    if ledger.config.lot:
        assert found == held
    assert [found[key] for key in held] == pytest.approx(list(held.values()), rel=1e-9, abs=1e-12)
    equity = np.array(cash)
    np.add.at(equity, bar, positions["value"].to_numpy())
    assert equity == pytest.approx(run.tape.equity["equity"], rel=1e-9)


def test_rejections_are_the_refused_and_the_cut_and_say_why(result):
    rejections = result.rejections
    assert rejections["order_id"].to_list() == [1, 2]
    assert rejections["rejection_code"].to_list() == ["cash", "no_price"]
    assert rejections["remaining_quantity"].to_list() == [20.0, 0.0]
    assert "cash" in rejections["rejection_reason"][0]


@pytest.mark.parametrize(
    ("status", "reason", "listed"),
    [
        (Status.REJECTED, Reason.DELISTED, True),
        (Status.REJECTED, Reason.NO_EQUITY, True),
        (Status.CANCELLED, Reason.LOT, True),
        (Status.CANCELLED, Reason.DELISTED, False),
        (Status.CANCELLED, Reason.GROUP, False),
        (Status.CANCELLED, Reason.CANCELLED, False),
        (Status.EXPIRED, Reason.EXPIRED, False),
        (Status.REPLACED, Reason.REPLACED, False),
        (Status.LIVE, Reason.LOT, False),
    ],
)
def test_what_ends_an_order_otherwise_is_no_rejection(status, reason, listed):
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.order(0, 0, 1.0, status=status, reason=reason)
    assert Result.from_run(ledger.run()).rejections.height == listed


def test_actions_and_ambiguous_bars_are_named(result):
    assert result.actions.rows() == [(date(2020, 1, 3), "A", "split", 2.0, 200.0, 0.0)]
    assert result.ambiguous_bars.rows() == [(date(2020, 1, 4), "A", "two_sided")]


def test_ambiguous_bars_are_sorted():
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.ambiguous += [{"bar": b, "asset": a, "kind": k} for b, a, k in [(2, 0, 1), (1, 1, 0), (1, 0, 2), (1, 0, 0)]]
    rows = Result.from_run(ledger.run()).ambiguous_bars.rows()
    assert rows == [(1, "A", "two_sided"), (1, "A", "trail"), (1, "B", "two_sided"), (2, "A", "entry_bar")]


@pytest.mark.parametrize("name", FRAMES)
def test_an_empty_run_gives_the_same_columns(name, result):
    empty = Result.from_run(Ledger([[10.0, 1.0]] * 5, timestamps=days(5)).run()).frame(name)
    assert empty.schema == result.frame(name).schema
    assert empty.height == (5 if name == "equity" else 0)


@pytest.mark.parametrize("name", FRAMES)
def test_every_column_is_documented_with_its_type(name, result):
    text = inspect.getdoc(getattr(Result, name))  # without the indentation, which Python 3.13 drops itself
    documented = dict(re.findall(r"^(\w+)(?: \((\w+)\))?: ", text, flags=re.MULTILINE))
    frame = result.frame(name)
    assert list(documented) == frame.columns
    for column, dtype in frame.schema.items():
        if documented[column]:
            assert documented[column] == str(dtype.base_type()), column
        else:
            assert dtype == pl.Date, column


@pytest.mark.parametrize("enum", [Kind, TimeInForce, Status, Reason, Origin, Phase])
def test_enum_columns_follow_the_numbers_of_the_kernel(enum):
    assert [member.value for member in enum] == list(range(len(enum)))
    assert enum_dtype(enum).categories.to_list() == [member.name.lower() for member in enum]


def test_zoned_and_numbered_timestamps_are_kept():
    zoned = days(3).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    for timestamps, dtype in ((zoned, zoned.dtype), (None, pl.Int64)):
        ledger = Ledger([[10.0, 1.0]] * 3, timestamps=timestamps)
        ledger.fill(ledger.order(0, 0, 10.0), 1, 10.0, 10.0)
        result = Result.from_run(ledger.run())
        for name in ("orders", "fills", "equity", "positions"):
            assert result.frame(name)["timestamp"].dtype == dtype


def test_an_interrupted_run_ends_with_its_last_whole_bar():
    ledger = Ledger([[10.0, 1.0]] * 5)
    ledger.fill(ledger.order(0, 0, 10.0), 1, 10.0, 10.0)
    result = Result.from_run(ledger.run(bars=3))
    assert result.equity.height == 3
    assert result.positions["timestamp"].to_list() == [1, 2]
