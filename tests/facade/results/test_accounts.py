"""Flows, margin, events and what is made of them: returns net of flows, frames, metrics, marks, words, files."""

import json
import math

import numpy as np
import polars as pl
import pytest

from facade.config.model import Config
from facade.results.facts import FRAMES
from facade.results.metrics import METRICS, Paid, compute, metrics_of
from facade.results.refusals import CUTS, REASON_TEXT
from facade.results.result import Result
from facade.results.returns import flow_factors, paid_flows, returns_of
from made_runs import Ledger, days
from ml4t_kernel.schema import STATE, ChargeKind, EventKind, Origin, Reason, Status

MARGIN = Config(account="margin", initial_cash=1_000.0, cash_buffer=0.1)


def called(config=MARGIN):
    """Six days on margin: 150 bought at 10, a deposit, a call, a recall, funding, a withdrawal and a refused one."""
    ledger = Ledger([[10.0, 1.0], [10.0, 1.0], [8.0, 1.0], [4.5, 1.0], [4.5, 1.0], [5.0, 1.0]], config=config)
    ledger.timestamps = days(6)
    buy = ledger.order(0, 0, 150.0)
    ledger.fill(buy, 1, 150.0, 10.0)
    ledger.flow(2, 200.0)
    ledger.incident(3, EventKind.MARGIN_CALL, value=375.0, limit=380.0)
    forced = ledger.order(3, 0, -50.0, origin=Origin.MARGIN_CALL, reduce_only=1)
    ledger.fill(forced, 4, -50.0, 4.5)
    ledger.order(3, 0, 9.0, status=Status.REJECTED, reason=Reason.MARGIN_CALL, end_bar=3, left=0.0)
    ledger.charge(4, ChargeKind.FUNDING, -2.0, asset=0)
    ledger.incident(4, EventKind.RECALL, asset=1, quantity=5.0, value=45.0, limit=40.0)
    ledger.flow(5, -50.0)
    ledger.flow(5, -9e9, paid=False)
    ledger.incident(5, EventKind.FLOW_REFUSED, value=-9e9, limit=350.0)
    return ledger


@pytest.fixture
def result():
    return Result.from_run(called().run())


# Returns -------------------------------------------------------------------------------------------------------------


def test_the_return_of_a_bar_is_net_of_its_flow():
    """The worked bars of clause 1.3: 1,000 with 50 at 10, 500 paid in, 1,550 at 11."""
    curve, flows = np.array([1_000.0, 1_550.0]), np.array([0.0, 500.0])
    assert returns_of(curve, 1_000.0, flows)[1] == pytest.approx((1_550 - 1_000 - 500) / 1_500)
    assert flow_factors(curve, 1_000.0, flows).tolist() == [1.0, 1.5]


def test_the_first_bar_is_a_mark_beside_its_flow():
    for flow, mark in ((100.0, 1_100.0), (0.0, 1_000.0)):
        first = returns_of(np.array([mark, mark]), 1_000.0, np.array([flow, 0.0]))
        assert np.isnan(first[0]) and first[1] == 0.0
    assert returns_of(np.array([1_210.0]), 1_000.0, np.array([100.0]))[0] == pytest.approx(0.1)


def test_no_flows_are_the_same_bits_as_flows_of_zero():
    curves = 1e5 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, (3, 50)), axis=1)
    assert np.array_equal(returns_of(curves, 1e5), returns_of(curves, 1e5, np.zeros_like(curves)), equal_nan=True)


def test_what_would_leave_nothing_is_not_paid():
    curves = np.array([[100.0, 50.0, 60.0], [100.0, 0.0, 0.0]])
    given = np.array([10.0, -100.0, 20.0])
    assert paid_flows(curves, 90.0, given).tolist() == [[10.0, 0.0, 20.0], [10.0, 0.0, 0.0]]


def test_the_equity_frame_is_net_of_flows(result):
    equity = result.equity
    # 500 owed and 150 shares at 10, 8, 4.5: 1,000; 900 with 200 paid in; 375; 50 sold at 4.5, funding; 50 paid out.
    assert equity["equity"].to_list() == [1_000.0, 1_000.0, 900.0, 375.0, 373.0, 373.0]
    growth = [900 / 1_200, 375 / 900, 373 / 375, 373 / 323]
    assert equity["return"].drop_nulls().to_list() == pytest.approx([0.0, *(one - 1 for one in growth)])
    assert equity["cumulative_return"][-1] == pytest.approx(math.prod(growth) - 1) == result.metrics["total_return"]
    index = np.concatenate([[1.0, 1.0], np.cumprod(growth)])
    assert equity["drawdown"].to_numpy() == pytest.approx(index / np.maximum.accumulate(index) - 1)
    assert result.metrics["max_drawdown"] == pytest.approx(-equity["drawdown"].min())
    # The mark moves as the flows move equity: 1,000 x 1.2, and x 323 / 373.
    marks = [1_000.0, 1_000.0, 1_200.0, 1_200.0, 1_200.0, 1_200 * 323 / 373]
    assert equity["high_water_mark"].to_list() == pytest.approx(marks)
    assert (equity["equity"] / equity["high_water_mark"] - 1).to_list() == pytest.approx(equity["drawdown"].to_list())


# Frames --------------------------------------------------------------------------------------------------------------


def test_charges_have_flows_and_funding(result):
    assert result.charges.select("symbol", "kind", "amount").rows() == [
        (None, "flow", 200.0),
        ("A", "funding", -2.0),
        (None, "flow", -50.0),
    ]


def test_events_tell_what_was_compared(result):
    assert result.events.rows() == [
        (days(6)[3], "margin_call", None, None, 375.0, 380.0),
        (days(6)[4], "recall", "B", 5.0, 45.0, 40.0),
        (days(6)[5], "flow_refused", None, None, -9e9, 350.0),
    ]


def test_margin_is_a_row_a_bar_and_nothing_of_a_cash_account(result):
    margin = result.margin
    assert margin.height == 6 and margin["timestamp"].to_list() == days(6).to_list()
    assert margin["initial"].to_list() == [0.0, 750.0, 600.0, 337.5, 225.0, 250.0]
    assert margin["maintenance"].to_list() == [0.0, 375.0, 300.0, 168.75, 112.5, 125.0]
    assert margin["available_funds"][2] == pytest.approx(900 * 0.9 - 600)
    assert margin["excess_liquidity"].to_list() == pytest.approx([1_000.0, 625.0, 600.0, 206.25, 260.5, 248.0])
    assert margin["leverage"].to_list() == pytest.approx([0.0, 1.5, 1_200 / 900, 675 / 375, 450 / 373, 500 / 373])
    cash = Result.from_run(called(Config(initial_cash=1_000.0)).run())
    assert cash.margin.height == 0 and cash.margin.schema == margin.schema


def test_leverage_without_equity_is_null():
    ledger = Ledger([[10.0, 1.0], [1.0, 1.0]], config=MARGIN)
    ledger.fill(ledger.order(0, 0, 150.0), 0, 150.0, 10.0)
    assert Result.from_run(ledger.run()).margin["leverage"].to_list() == [1.5, None]


def test_forced_orders_say_so(result):
    assert result.orders["origin"].to_list() == ["order", "margin_call", "order"]
    assert result.fills["origin"].to_list() == ["order", "margin_call"]
    assert result.rejections.select("rejection_code", "rejection_reason").rows() == [
        ("margin_call", REASON_TEXT[Reason.MARGIN_CALL])
    ]


def test_the_new_reasons_are_rejections_and_a_restored_order_is_none():
    assert {Reason.MARGIN, Reason.LEVERAGE, Reason.MARGIN_CALL, Reason.NO_BORROW} <= set(CUTS) & set(REASON_TEXT)
    assert Reason.RESTORED not in CUTS and Reason.RESTORED not in REASON_TEXT
    ledger = Ledger([[10.0, 1.0]] * 2)
    for reason in (Reason.MARGIN, Reason.LEVERAGE, Reason.NO_BORROW, Reason.RESTORED):
        ledger.order(0, 0, 5.0, status=Status.CANCELLED, reason=reason, end_bar=1, left=0.0)
    found = Result.from_run(ledger.run())
    assert found.rejection_reasons == {"margin": 1, "leverage": 1, "no_borrow": 1}
    assert found.metrics["num_cut_orders"] == 3 and found.rejections.height == 3


# Metrics -------------------------------------------------------------------------------------------------------------


def test_metrics_of_an_account_on_margin(result):
    found = result.metrics
    assert found["net_flows"] == 150.0 and found["total_funding"] == -2.0
    assert found["margin_calls"] == 1 and found["recalls"] == 1
    assert found["peak_leverage"] == pytest.approx(1.8) == result.margin["leverage"].max()
    assert found["average_leverage"] == pytest.approx(result.margin["leverage"].mean())
    # No trade was written: all of the profit is unrealised, and neither flows nor funding are.
    assert found["unrealised_pnl"] == pytest.approx(100 * (5 - 10) + 50 * (4.5 - 10))
    assert math.isnan(found["money_weighted_return"])  # a withdrawal was not paid


def test_leverage_is_of_accounts_with_limits():
    found = Result.from_run(called(Config(initial_cash=1_000.0)).run()).metrics
    assert math.isnan(found["peak_leverage"]) and math.isnan(found["average_leverage"])


def state_of(final, factor=1.0, flows=0.0):
    state = np.zeros(1, STATE)
    state["bar"], state["equity"], state["flow_factor"], state["flows"] = 3, final, factor, flows
    return state


def rate(final, times=(), amounts=(), initial=100.0, years=1.0):
    """Money-weighted return over so many years of 365 days."""
    paid = Paid(np.array(times, float), np.array(amounts, float)) if times else None
    state = state_of(final, flows=sum(amounts))
    return metrics_of(state, initial, 252.0, years * 365 / 365.2425, paid=paid)["money_weighted_return"]


def test_money_weighted_return_is_the_rate_at_which_everything_grows():
    assert rate(121.0, years=2.0) == pytest.approx(0.1)
    # 100 for a year and 100 for half of it, at 21 percent.
    assert rate(121 + 110, [0.5], [100.0]) == pytest.approx(0.21)
    assert rate(121 - 55, [0.5], [-50.0]) == pytest.approx(0.21)
    assert rate(100 * 0.81 + 40 * 0.9 - 10, [0.5, 1.0], [40.0, -10.0]) == pytest.approx(-0.19)
    assert rate(300.0, [0.0, 0.5], [50.0, 150.0]) == pytest.approx(0.0, abs=1e-12)


def test_money_weighted_return_where_there_is_none():
    assert rate(0.0, [0.5], [100.0]) == -1.0 and rate(-5.0, [0.5], [100.0]) == -1.0
    assert math.isnan(rate(100.0, [0.5], [1.0], years=0.0))
    unpaid = metrics_of(state_of(100.0), 100.0, 252.0, 1.0, paid=Paid(np.array([0.5]), np.array([-200.0])))
    assert math.isnan(unpaid["money_weighted_return"])


@pytest.mark.parametrize("seed", range(20))
def test_money_weighted_return_solves_its_equation(seed):
    rng = np.random.default_rng(seed)
    years, initial = rng.uniform(0.1, 5), 10 ** rng.uniform(0, 6)
    times = np.sort(rng.uniform(0, years, 8))
    amounts = initial * rng.uniform(0.0, 0.5, 8)
    finals = initial * rng.uniform(0.1, 30, 7)
    state = np.concatenate([state_of(final, flows=amounts.sum()) for final in finals])
    paid, span = Paid(times, amounts), years * 365 / 365.2425
    found = compute(state, initial, 252.0, span, paid=paid)["money_weighted_return"]
    for final, one in zip(finals, found, strict=True):
        grown = initial * (1 + one) ** years + (amounts * (1 + one) ** (years - times)).sum()
        assert grown == pytest.approx(final, rel=1e-9)
    for row in range(7):  # whatever its neighbours are
        alone = compute(state[row : row + 1], initial, 252.0, span, paid=paid)["money_weighted_return"]
        assert alone.tobytes() == found[row : row + 1].tobytes()


def test_total_return_is_net_of_flows():
    found = metrics_of(state_of(330.0, factor=3.0, flows=200.0), 100.0, 252.0, 1.0)
    assert found["total_return"] == pytest.approx(0.1) == pytest.approx(found["cagr"])


# Words ---------------------------------------------------------------------------------------------------------------


def test_the_summary_says_what_is_used(result):
    text, plain = result.summary(), Result.from_run(Ledger([[10.0, 1.0]] * 3).run()).summary()
    rare = [metric.shown.partition(": ")[2] for metric in METRICS.values() if metric.where]
    assert all(label in text for label in rare if label) and not any(label in plain for label in rare if label)
    assert "deposits, net" in result._repr_html_()
    assert "initial_margin=0.5" in text and "margin_call=pro_rata" in text and "initial_margin" not in plain


def test_notices_tell_of_margin_calls_recalls_and_refused_withdrawals(result):
    text = " ".join(result.notices)
    for words in ("1 margin call, first at 2020-01-04", "1 recall, first at 2020-01-05", "1 withdrawal, first at"):
        assert words in text


def test_policies_of_a_margin_account_have_their_rates():
    told, cash = Config(account="margin").policies(), Config().policies()
    rates = {"initial_margin", "maintenance_margin", "short_initial_margin", "short_maintenance_margin", "margin_call"}
    assert rates <= told.keys() and not rates & cash.keys()
    assert not {"recall", "short_availability", "cash_buffer", "max_leverage", "settlement"} & told.keys()
    changed = Config(recall="off", short_availability="listed", settlement=2, max_leverage=1.5, cash_buffer=0.1)
    assert {"recall", "short_availability", "settlement", "max_leverage", "cash_buffer"} <= changed.policies().keys()


# Files ---------------------------------------------------------------------------------------------------------------


def test_events_and_margin_are_written_and_read(result, tmp_path):
    result.to_parquet(tmp_path / "r")
    again = Result.from_parquet(tmp_path / "r")
    for name in FRAMES:
        assert again.frame(name).equals(result.frame(name)), name
    assert again.metrics == result.metrics and again.summary() == result.summary()


def test_a_result_of_the_first_format_is_read(tmp_path):
    """It has neither events nor margin, and none of their metrics."""
    from facade.files import MANIFEST

    result = Result.from_run(Ledger([[10.0, 1.0]] * 3, timestamps=days(3)).run())
    place = tmp_path / "r"
    result.to_parquet(place)
    old = json.loads((place / "metrics.json").read_text())
    old = {name: value for name, value in old.items() if not METRICS[name].where}
    (place / "metrics.json").write_text(json.dumps(old))
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps({k: v for k, v in config.items() if "margin" not in k}))
    manifest = json.loads((place / MANIFEST).read_text())
    for name in ("events", "margin"):
        (place / f"{name}.parquet").unlink()
        del manifest["files"][f"{name}.parquet"]
    for name in ("metrics.json", "config.json"):
        from facade import files

        manifest["files"][name] = {"bytes": (place / name).stat().st_size, "sha256": files._sha256(place / name)}
    manifest["format"] = 1
    (place / MANIFEST).write_text(json.dumps(manifest))
    again = Result.from_parquet(place)
    for name in ("events", "margin"):
        assert again.frame(name).height == 0 and again.frame(name).schema == result.frame(name).schema
    assert again.metrics.keys() == result.metrics.keys() and again.metrics["margin_calls"] == 0
    assert math.isnan(again.metrics["peak_leverage"]) and again.summary() == result.summary()
    assert again.plot is not None and again.to_pandas()["events"].empty


# The figure ----------------------------------------------------------------------------------------------------------


def test_what_happened_is_marked_on_the_line_of_equity(result):
    pytest.importorskip("plotly")
    marks = {trace.name: trace for trace in result.plot().data if trace.mode == "markers"}
    names = ["margin call (1)", "recall (1)", "withdrawal refused (1)", "deposit (1)", "withdrawal (1)"]
    assert [name for name in marks if "trade" not in name] == names
    call = marks["margin call (1)"]
    assert call.yaxis == "y" and list(call.y) == [375.0] and list(call.x) == ["2020-01-04"]
    assert call.text == ("margin call: equity 375.00, maintenance 380.00",)
    assert marks["deposit (1)"].text == ("deposit of 200.00",) and list(marks["deposit (1)"].y) == [900.0]
    assert marks["recall (1)"].text == ("recall of B: 5; 45.00 short, 40.00 to borrow",)


def test_bankruptcy_is_marked():
    pytest.importorskip("plotly")
    ledger = Ledger([[10.0, 1.0], [1.0, 1.0]], timestamps=days(2))
    ledger.incident(1, EventKind.BANKRUPT, value=-35.0)
    traces = Result.from_run(ledger.run()).plot().data
    assert [trace.text for trace in traces if trace.name == "bankrupt (1)"] == [("bankrupt: equity -35.00",)]


def test_marks_are_as_few_as_trades_may_be():
    pytest.importorskip("plotly")
    ledger = Ledger([[10.0, 1.0]] * 60, timestamps=days(60))
    for bar in range(60):
        ledger.flow(bar, 10.0)
    trace = next(t for t in Result.from_run(ledger.run()).plot(max_trades=20).data if t.name == "deposit (60)")
    assert len(trace.x) == 20


def test_a_zoned_clock_of_marks_is_that_of_the_wall():
    pytest.importorskip("plotly")
    times = days(2).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    ledger = Ledger([[10.0, 1.0]] * 2, timestamps=times)
    ledger.flow(1, 10.0)
    trace = next(t for t in Result.from_run(ledger.run()).plot().data if t.name == "deposit (1)")
    assert list(trace.x) == ["2020-01-02 00:00:00.000000"]
