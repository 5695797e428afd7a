"""A result decodes once, tells its story in words, and warns of refused orders."""

import sys
import warnings

import pytest

from consistency import assert_consistent
from facade.backtest import warn_of_rejections
from facade.config.model import Config
from facade.errors import BacktestWarning
from facade.results.facts import FRAMES
from facade.results.refusals import REASON_TEXT, is_refused_or_cut
from facade.results.result import Result
from made_runs import Ledger, small_ledger
from ml4t_kernel.schema import Reason, Status


@pytest.fixture
def result():
    return Result.from_run(
        small_ledger(notices=("costs are zero",), counts={"dropped_rows": 2, "unknown_things": 3, "none": 0}).run()
    )


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_is_decoded_once(result, name):
    assert getattr(result, name) is getattr(result, name) is result.frame(name)


def test_metrics_and_facts_are_computed_once(result):
    assert result.metrics is result.metrics
    assert result.facts is result.facts


def test_an_unknown_frame_is_named(result):
    with pytest.raises(KeyError, match="no frame 'order'; there are orders, fills"):
        result.frame("order")


def test_nothing_is_decoded_before_it_is_asked_for(monkeypatch):
    from facade.results import decode, run_source

    def refuse(run):
        raise AssertionError("decoded")

    for name in ("orders", "fills", "equity"):
        monkeypatch.setattr(decode, f"decode_{name}", refuse)
    monkeypatch.setattr(run_source, "decode_trades", refuse)
    result = Result.from_run(small_ledger().run())
    with pytest.warns(BacktestWarning):
        warn_of_rejections(result)
    assert result.summary() and repr(result)


def test_the_summary_names_what_a_newcomer_asks_for(result):
    text = result.summary()
    for line in (
        "2020-01-01 to 2020-01-05, 5 bars, 2 symbols",
        "final value               100,201.50",
        "tie=pessimistic",
        "  - costs are zero",
        "  - 2 rows of the strategy lie after the last bar and were dropped",
        "  - 3 unknown things",
        "1 refused and 1 cut of 5 orders; mostly CASH (1)",
        "1  levels on both sides of the open",
    ):
        assert line in text
    assert "0 none" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_policies_show_what_auto_came_to(result):
    run = small_ledger().run()
    run.inputs.params["max_participation"] = 0.1
    assert Result.from_run(run).policies["max_participation"] == "auto (0.1)"
    run.inputs.params["max_participation"] = float("inf")
    assert Result.from_run(run).policies["max_participation"] == "auto (None)"


def test_an_interrupted_run_says_so():
    result = Result.from_run(small_ledger().run(bars=3))
    assert "stopped after 3 of 5 bars" in result.summary()
    assert "3 bars" in repr(result)


def test_a_run_of_no_bars_still_speaks():
    result = Result.from_run(Ledger([[10.0, 1.0]] * 2).run(bars=0))
    assert result.equity.height == 0
    assert "n/a" in result.summary() and repr(result) and result._repr_html_()


def test_the_line_of_a_result(result):
    assert repr(result) == (
        "Result(2020-01-01 to 2020-01-05, 5 bars, 2 symbols: 100,000.00 -> 100,201.50 (0.20%), sharpe 10.60, 1 trade, "
        "1 open, 2 orders refused or cut)"
    )


def test_html_escapes_what_users_wrote():
    result = Result.from_run(small_ledger(notices=("<script>alert(1)</script>",)).run())
    assert "<script>" not in result._repr_html_()
    assert "&lt;script&gt;" in result._repr_html_()


def test_periods_a_year_are_those_given_or_those_of_the_panel():
    assert Result.from_run(small_ledger(config=Config(periods_per_year=52.0)).run()).metrics["periods_per_year"] == 52.0
    assert Result.from_run(Ledger([[10.0, 1.0]] * 2).run()).metrics["periods_per_year"] == 252.0


def test_the_warning_names_how_many_and_the_main_reason():
    ledger = Ledger([[10.0, 1.0]] * 2)
    for reason in (Reason.LOT, Reason.CASH, Reason.CASH):
        ledger.order(0, 0, 1.0, status=Status.REJECTED, reason=reason)
    result = Result.from_run(ledger.run())
    with pytest.warns(BacktestWarning, match=r"3 refused of 3 orders; mostly CASH \(2\): not enough cash"):
        warn_of_rejections(result)
    assert result.rejection_reasons == {"cash": 2, "lot": 1}


def test_no_warning_without_refusals():
    ledger = Ledger([[10.0, 1.0]] * 2)
    ledger.order(0, 0, 1.0, status=Status.EXPIRED, reason=Reason.EXPIRED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_rejections(Result.from_run(ledger.run()))


def test_every_reason_to_refuse_is_put_in_words():
    for reason in Reason:
        ledger = Ledger([[10.0, 1.0]])
        ledger.order(0, 0, 1.0, status=Status.CANCELLED, reason=reason)
        if is_refused_or_cut(ledger.run().orders)[0]:
            assert reason in REASON_TEXT


def test_without_pandas_the_error_says_what_to_install(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        result.to_pandas()


def test_frames_and_metrics_of_a_result_agree(result):
    assert_consistent(result)


def test_a_result_whose_frames_disagree_is_found(result):
    for name, column in (("fills", "commission"), ("positions", "quantity"), ("orders", "filled_quantity")):
        wrong = Result.from_run(small_ledger().run())
        frame = wrong.frame(name)
        wrong._frames[name] = frame.with_columns(frame[column] + 1.0)
        if name == "positions":
            wrong._frames[name] = wrong._frames[name].with_columns(value=wrong.positions["quantity"] * frame["mark"])
        with pytest.raises(AssertionError):
            assert_consistent(wrong)
