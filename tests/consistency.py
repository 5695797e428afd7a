"""What every result must satisfy, whatever produced it: its frames and its metrics tell one story."""

import math

import polars as pl
import pytest


def assert_consistent(result):
    """Compare the frames of a result with each other and with its metrics."""
    assert_account_adds_up(result)
    assert_orders_match_fills(result)
    assert_trades_add_up(result)
    assert_metrics_match_frames(result)


def assert_account_adds_up(result):
    """Cash and positions make equity, gross exposure and the number of positions of every bar."""
    settled = settled_daily(result)
    held = result.positions.group_by("timestamp").agg(
        net=pl.col("value").filter(~pl.col("symbol").is_in(settled)).sum(),
        all=pl.col("value").sum(),
        gross=pl.col("value").abs().sum(),
        count=pl.len().cast(pl.Int32),
    )
    rows = result.equity.join(held, on="timestamp", how="left").with_columns(
        pl.col("net", "all", "gross", "count").fill_null(0)
    )
    scale = (
        1e-9 * rows.select(pl.max_horizontal("gross", pl.col("equity").abs(), pl.col("cash").abs())).to_series() + 1e-9
    )
    assert ((rows["cash"] + rows["net"] - rows["equity"]).abs() <= scale).all()
    assert ((rows["gross"] - rows["gross_exposure"]).abs() <= scale).all()
    assert ((rows["all"] - rows["net_exposure"]).abs() <= scale).all()
    assert rows["count"].to_list() == rows["open_positions"].to_list()


def settled_daily(result):
    """Symbols whose gains are cash and whose value is not (0.7); of a stored result none are known."""
    run = getattr(result._source, "_run", None)
    instruments = None if run is None else run.panel.instruments
    return [] if instruments is None else instruments.filter(pl.col("kind") != "stock")["symbol"].to_list()


def assert_orders_match_fills(result):
    """No order trades more than it asked for; what it paid is what its fills paid; only pending orders have no end."""
    orders = result.orders
    pending = orders["status"].cast(pl.String).is_in(["decided", "live"])
    assert (orders["end_timestamp"].is_null() == pending).all()
    traded = orders["filled_quantity"] + orders["working_quantity"]
    assert (traded <= orders["quantity"] * (1 + 1e-9) + 1e-9).all()
    assert (orders.filter(~pending)["working_quantity"] == 0.0).all()
    assert orders.filter(pl.col("status") == "rejected")["filled_quantity"].sum() == 0.0
    filled = orders.filter(pl.col("status") == "filled")
    assert (filled["filled_quantity"] >= filled["quantity"] * (1 - 1e-9)).all()
    by_order = result.fills.drop_nulls("order_id")
    assert orders["commission"].sum() == pytest.approx(by_order["commission"].sum(), rel=1e-9, abs=1e-9)
    sides = by_order.join(orders, on="order_id", suffix="_of_order").select(
        "side", "side_of_order", "symbol", "symbol_of_order"
    )
    assert (sides["side"] == sides["side_of_order"]).all() and (sides["symbol"] == sides["symbol_of_order"]).all()
    has_fills = orders["order_id"].is_in(by_order["order_id"].unique().implode())
    assert ((orders["filled_quantity"] > 0) == has_fills).all()


def assert_trades_add_up(result):
    """Profits of all trades, open ones too, and dividends are the change of equity; open trades are the positions."""
    trades, equity, found = result.trades, result.equity, result.metrics
    is_open = trades["status"] == "open"
    for name in ("exit_time", "exit_price", "exit_reason"):
        assert (trades[name].is_null() == is_open).all()
    assert trades.filter(is_open)["exit_order_id"].null_count() == is_open.sum()
    assert not is_open[: found["num_trades"]].any() and is_open[found["num_trades"] :].all()
    if not equity.height:
        return
    held = result.positions.filter(pl.col("timestamp") == equity["timestamp"][-1])
    assert trades.filter(is_open)["symbol"].to_list() == held["symbol"].to_list()
    booked = found["total_dividends"] + found["total_interest"] - found["total_borrow_fees"]
    booked += found["total_funding"] + found["net_flows"]
    profit = trades["gross_pnl"].sum() - trades["fees"].sum() + booked
    change = found["final_value"] - found["initial_cash"]
    turned = (result.fills["quantity"] * result.fills["price"]).sum()
    scale = max(turned, equity["equity"].abs().max(), equity["gross_exposure"].max())
    assert abs(profit - change) <= 1e-9 * scale + 1e-9
    assert abs(trades["pnl"].sum() + booked - change) <= 1e-9 * scale + 1e-9


def assert_metrics_match_frames(result):
    """The streaming statistics are those of the decoded rows."""
    found, equity, trades = result.metrics, result.equity, result.trades.filter(pl.col("status") == "closed")
    assert found["num_open_trades"] == result.trades.height - trades.height
    for name, frame in (("orders", result.orders), ("fills", result.fills), ("trades", trades)):
        assert found[f"num_{name}"] == frame.height
    assert found["num_rejected_orders"] + found["num_cut_orders"] == result.rejections.height
    assert found["ambiguous_bars"] == result.ambiguous_bars.height
    assert found["bars"] == equity.height
    close = {"rel": 1e-9, "abs": 1e-6}
    assert found["gross_profit"] - found["gross_loss"] == pytest.approx(trades["pnl"].sum(), **close)
    assert found["total_commission"] == pytest.approx(result.fills["commission"].sum(), **close)
    assert found["total_slippage"] == pytest.approx(result.fills["slippage"].sum(), **close)
    if equity.height > 1:
        assert found["final_value"] == equity["equity"][-1]
        assert found["max_drawdown"] == pytest.approx(-equity["drawdown"].min(), **close)
        # The first bar is a mark, not a return, unless the account traded on it: null in the frame.
        returns = equity["return"].drop_nulls()
        assert returns.len() >= equity.height - 1
        expected = math.nan if returns.len() < 2 else returns.std() * found["periods_per_year"] ** 0.5
        assert found["volatility"] == pytest.approx(expected, rel=1e-6, abs=1e-6, nan_ok=True)
    assert found["num_capped_orders"] >= result.rejections.filter(pl.col("rejection_code") == "volume").height
