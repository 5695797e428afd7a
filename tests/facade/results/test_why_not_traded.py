"""Why something did not trade, or ended, is said wherever a reader looks, in one word; what was given stays there."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Orders, Panel, TargetWeights, run_backtest, sweep
from facade.errors import BacktestWarning
from facade.results.refusals import CUTS, REASON_TEXT
from facade.results.result import Result
from facade.sweeps.rows.columns import REFUSALS
from made_runs import Ledger
from ml4t_kernel.schema import Reason, Status

DAYS = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 12, 31), "1d", eager=True)


def flat_panel(bars=12, volume=1_000.0, symbols=("A",), price=10.0, **options):
    close = np.full((bars, len(symbols)), price)
    volumes = np.full(close.shape, volume)
    return Panel.from_arrays(close, close, close, close, volumes, DAYS[:bars], list(symbols), **options)


def orders(**columns):
    return Orders(pl.DataFrame({"timestamp": DAYS[:1], "symbol": "A", **columns}))


# ---- volume


@pytest.mark.parametrize(
    "life", [{"time_in_force": "day"}, {"time_in_force": "bars", "bars": 1}, {"time_in_force": "ioc"}]
)
def test_an_order_that_the_volume_cap_cut_short_leaves_a_trace_everywhere(life):
    wanted = orders(quantity=[5_000.0], **{name: [value] for name, value in life.items()})
    with pytest.warns(BacktestWarning, match="1 cut of 1 orders; mostly VOLUME .1.: the bars it lived on traded too"):
        result = run_backtest(flat_panel(), wanted)
    order = result.orders.row(0, named=True)
    assert (order["status"], order["reason"], order["filled_quantity"]) == ("expired", "volume", 100.0)
    rejection = result.rejections.row(0, named=True)
    assert (rejection["status"], rejection["rejection_code"]) == ("expired", "volume")
    assert rejection["remaining_quantity"] == 4_900.0 and "max_participation" in rejection["rejection_reason"]
    assert result.metrics["num_cut_orders"] == 1 == result.metrics["num_capped_orders"]
    assert dict(result.rejection_reasons) == {"volume": 1}
    assert "1 order refused or cut, 1 order held back by volume" in repr(result)
    text = result.summary()
    assert "held back by volume" in text and "mostly VOLUME" in text and "max_participation=0.1" in text
    assert [notice for notice in result.notices if "1 order held back on some bar by the volume cap" in notice]


def test_an_order_that_is_worked_off_over_days_is_held_back_and_not_cut():
    result = run_backtest(flat_panel(), orders(quantity=[350.0]))  # no warning: all of it is filled on the fourth bar
    assert result.orders["status"].cast(pl.String).to_list() == ["filled"] and result.fills.height == 4
    assert result.rejections.height == 0 and result.metrics["num_cut_orders"] == 0
    assert result.metrics["num_capped_orders"] == 1 and "held back by volume" in repr(result)
    assert any("1 order held back" in notice and "still wait" not in notice for notice in result.notices)


def test_what_still_waits_for_volume_at_the_end_is_said():
    result = run_backtest(flat_panel(), orders(quantity=[5_000.0]))
    order = result.orders.row(0, named=True)
    assert order["status"] == "live" and order["reason"] is None and order["working_quantity"] == 3_900.0
    assert any("1 partly filled still waits at the end" in notice for notice in result.notices)


def test_without_a_cap_that_binds_nothing_is_said():
    result = run_backtest(flat_panel(), orders(quantity=[100.0]))
    assert result.metrics["num_capped_orders"] == 0 and "volume" not in repr(result)
    assert not [notice for notice in result.notices if "held back" in notice]


def test_an_order_that_had_time_left_out_for_another_reason_is_no_refusal():
    result = run_backtest(
        flat_panel(), orders(quantity=[10.0], type=["limit"], limit_price=[5.0], time_in_force=["day"])
    )
    assert result.orders["reason"].cast(pl.String).to_list() == ["expired"]
    assert result.rejections.height == 0 and result.metrics["num_cut_orders"] == 0


def test_a_sweep_counts_them():
    wanted = orders(quantity=[500.0], time_in_force=["day"])
    grid = {"max_participation": [0.1, 0.4, None]}
    with pytest.warns(BacktestWarning, match="of 3 rows 2 had orders refused or cut"):
        found = sweep(flat_panel(), wanted, None, grid, progress=False)
    assert found.table["refused_volume"].to_list() == [1, 1, 0]
    assert found.table["num_capped_orders"].to_list() == [1, 1, 0]
    assert found.best("refused_volume").row == 2


# ---- dividends


def test_a_limit_that_dividends_carried_to_zero_is_told():
    days = [DAYS[3], DAYS[5], DAYS[7]]
    actions = pl.DataFrame({"symbol": "A", "ex_date": days, "kind": "dividend", "value": 0.8})
    panel = flat_panel(actions=actions)
    wanted = orders(quantity=[10.0], type=["limit"], limit_price=[2.0])
    with pytest.warns(BacktestWarning, match="mostly DIVIDEND .1.: dividends carried its limit or stop to zero"):
        result = run_backtest(panel, wanted)
    order = result.orders.row(0, named=True)
    assert (order["status"], order["reason"], order["end_timestamp"]) == ("cancelled", "dividend", DAYS[7])
    assert order["given_limit_price"] == 2.0 and order["limit_price"] <= 0.0
    assert result.rejections["rejection_code"].cast(pl.String).to_list() == ["dividend"]
    assert result.metrics["num_cut_orders"] == 1


# ---- reasons


def test_every_reason_that_cuts_has_words_and_a_column():
    for reason in CUTS:
        assert REASON_TEXT[reason] and f"refused_{reason.name.lower()}" in REFUSALS


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("status", [Status.CANCELLED, Status.EXPIRED])
def test_an_order_is_cut_if_its_reason_says_so(status, reason):
    ledger = Ledger([[10.0, 1.0]] * 3)
    ledger.order(0, 0, 1.0, status=status, reason=reason, end_bar=1, left=0.0)
    result = Result.from_run(ledger.run())
    assert result.rejections.height == result.metrics["num_cut_orders"] == (reason in CUTS)


# ---- closed for want of bars


def halted_panel(halts=1):
    """Assets H0, H1, ... have no bar from 10 on, OTHER trades on."""
    halted = np.concatenate([np.linspace(100, 150, 10), np.full(30, np.nan)])
    prices = np.column_stack([*[halted] * halts, np.full(40, 50.0)])
    names = [*(f"H{number}" for number in range(halts)), "OTHER"]
    return Panel.from_arrays(prices, prices, prices, prices, timestamps=DAYS[:40], symbols=names)


def test_a_stale_closing_has_one_word_and_a_notice():
    panel = halted_panel()
    result = run_backtest(panel, Orders(pl.DataFrame({"timestamp": DAYS[:1], "symbol": "H0", "quantity": [10.0]})))
    words = {
        "actions": result.actions["kind"],
        "trades": result.trades["exit_reason"],
        "fills": result.fills["exit_reason"].drop_nulls(),
    }
    assert {name: column.cast(pl.String).to_list() for name, column in words.items()} == {
        name: ["stale"] for name in words
    }
    assert result.fills["origin"].cast(pl.String).to_list() == ["order", "stale"]
    assert any("'H0'" in notice and "max_stale" in notice for notice in result.notices)
    assert "max_stale" in result.summary()


def test_a_notice_counts_what_it_does_not_name():
    panel = halted_panel(8)
    weights = TargetWeights(pl.DataFrame({"timestamp": DAYS[:1], **{f"H{n}": 0.1 for n in range(8)}}))
    notices = run_backtest(panel, weights).notices
    assert any("'H0', 'H1', 'H2', 'H3', 'H4' and 3 more" in notice for notice in notices)


def test_a_delisting_is_still_called_one():
    panel = halted_panel().with_actions(None, delisting="infer")
    result = run_backtest(panel, Orders(pl.DataFrame({"timestamp": DAYS[:1], "symbol": "H0", "quantity": [10.0]})))
    assert result.actions["kind"].cast(pl.String).to_list() == ["delisting"]
    assert result.trades["exit_reason"].cast(pl.String).to_list() == ["delisting"]
    assert not [notice for notice in result.notices if notice.startswith("stale")]


def test_kept_trades_of_a_sweep_use_the_word_too():
    weights = TargetWeights(pl.DataFrame({"timestamp": DAYS[:1], "H0": 0.5}))
    found = sweep(halted_panel(), weights, None, {"max_stale": [5, 20]}, keep="trades", progress=False)
    for row in range(2):
        assert found.trades(row)["exit_reason"].cast(pl.String).to_list() == ["stale"]
        assert found.trades(row).equals(found.drill(row).trades)


# ---- what was given


def given(result):
    names = ("given_quantity", "given_limit_price", "given_stop_price")
    return result.orders.select(*names).rows()


def test_what_was_given_stays_beside_todays_shares_and_prices():
    close = np.array([80.0, 80, 80, 40, 40, 40])
    actions = pl.DataFrame(
        {"symbol": "A", "ex_date": [DAYS[3], DAYS[4]], "kind": ["split", "dividend"], "value": [2.0, 1.0]}
    )
    panel = Panel.from_arrays(close, close, close, close, timestamps=DAYS[:6], symbols=["A"], actions=actions)
    wanted = Orders(
        pl.DataFrame(
            {
                "timestamp": [DAYS[0]] * 3,
                "symbol": "A",
                "quantity": [100.0, 100.0, -100.0],
                "type": ["market", "limit", "stop_limit"],
                "limit_price": [None, 60.0, 50.0],
                "stop_price": [None, None, 54.0],
            }
        )
    )
    result = run_backtest(panel, wanted)
    assert given(result) == [(100.0, None, None), (100.0, 60.0, None), (-100.0, 50.0, 54.0)]
    assert result.orders["quantity"].to_list() == [100.0, 200.0, 200.0]
    assert result.orders["limit_price"].to_list() == [None, 29.0, 25.0]
    assert result.orders["stop_price"].to_list() == [None, None, 26.0]


def test_what_nobody_gave_is_null():
    weights = run_backtest(flat_panel(), TargetWeights(pl.DataFrame({"timestamp": DAYS[:1], "A": 0.005})))
    assert given(weights) == [(None, None, None)]
    falling = np.linspace(100, 50, 10)
    panel = Panel.from_arrays(falling, falling, falling, falling, timestamps=DAYS[:10], symbols=["A"])
    stopped = run_backtest(panel, orders(quantity=[10.0], stop_loss=[0.1]))
    assert stopped.orders["origin"].cast(pl.String).to_list() == ["order", "stop_loss"]
    assert given(stopped) == [(10.0, None, None), (None, None, None)]


def test_a_replacement_has_what_it_gave_and_a_child_what_it_was_given():
    wanted = Orders(
        pl.DataFrame(
            {
                "timestamp": [DAYS[0], DAYS[2], DAYS[2], DAYS[4], DAYS[4], DAYS[4]],
                "symbol": "A",
                "id": ["a", "a", "a", "b", None, "a"],
                "action": ["submit", "replace", "replace", "submit", "submit", "cancel"],
                "quantity": [10.0, None, 7.0, 5.0, -5.0, None],
                "type": ["limit", None, None, "market", "limit", None],
                "limit_price": [5.0, 6.0, None, None, 20.0, None],
                "parent": [None, None, None, None, "b", None],
            }
        )
    )
    result = run_backtest(flat_panel(), wanted)
    assert result.orders["id"].to_list() == ["a", "a", "a", "b", None]
    assert result.orders["limit_price"].to_list() == [5.0, 6.0, 6.0, None, 20.0]
    assert given(result) == [
        (10.0, 5.0, None),  # as submitted
        (None, 6.0, None),  # the first replacement gave a limit, the second a quantity
        (7.0, None, None),
        (5.0, None, None),
        (-5.0, 20.0, None),
    ]
