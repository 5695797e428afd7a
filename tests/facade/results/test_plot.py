"""The figure shows the whole run with few points, and needs plotly only when it is made."""

import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.results.figure import keep_extremes
from facade.results.result import Result
from made_runs import Ledger, days, small_ledger

pytest.importorskip("plotly")


def long_result(bars, trades=0):
    rng = np.random.default_rng(0)
    ledger = Ledger([[10.0, 1.0]] * 3, timestamps=None)
    run = ledger.run()
    equity = np.zeros(bars, run.tape.equity.dtype)
    equity["equity"] = 1e5 * np.exp(np.cumsum(rng.normal(0, 1e-3, bars)))
    close = np.full((bars, 2), 10.0)
    long = Ledger(close)
    for i in range(trades):
        long.trades.append(
            {"quantity": 1.0, "entry_price": 10.0, "pnl": float(i) - trades / 2, "exit_bar": i % bars, "entry_bar": 0}
        )
    whole = Ledger(close[:1]).run()
    table = np.zeros(trades + 1, whole.tape.trades.dtype)
    for row, trade in zip(table, long.trades, strict=False):
        for name, value in trade.items():
            row[name] = value
    table["entry_order"] = table["exit_order"] = -1
    state = whole.book.state.copy()
    state["bar"], state["trades"] = bars, trades
    panel = type(whole.panel).from_arrays(*[close] * 4)
    tape = whole.tape._replace(equity=equity, gross=equity["equity"].copy(), trades=table)
    return Result.from_run(type(whole)(panel, whole.config, whole.inputs, whole.book._replace(state=state), tape, bars))


@given(st.integers(0, 500), st.integers(4, 60), st.integers(0, 2**32 - 1), st.booleans())
def test_thinning_keeps_ends_extremes_and_the_limit(count, limit, seed, holes):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=count)
    if holes:
        values[rng.random(count) < 0.3] = np.nan
    keep = keep_extremes(values, limit)
    assert len(keep) <= max(limit, 0)
    assert np.all(np.diff(keep) > 0)
    if count:
        assert keep[0] == 0 and keep[-1] == count - 1
    if np.isfinite(values).any():
        assert np.nanmin(values[keep]) == np.nanmin(values)
        assert np.nanmax(values[keep]) == np.nanmax(values)


def test_a_short_run_is_drawn_whole():
    result = Result.from_run(small_ledger().run())
    figure = result.plot()
    lines = {trace.name: trace for trace in figure.data}
    assert list(lines["equity"].y) == result.equity["equity"].to_list()
    assert list(lines["equity"].x) == [str(day) for day in days(5)]
    assert list(lines["winning trade"].y) == result.trades.filter(pl.col("status") == "closed")["pnl_percent"].to_list()
    assert "other trade" not in lines


def test_a_long_run_is_thinned_and_keeps_its_extremes():
    result = long_result(100_000)
    figure = result.plot(max_points=1_000)
    for trace in figure.data:
        assert len(trace.x) == len(trace.y) <= 1_000
    drawn = next(trace for trace in figure.data if trace.name == "equity")
    assert max(drawn.y) == result.equity["equity"].max()
    assert min(drawn.y) == result.equity["equity"].min()


def test_of_too_many_trades_the_largest_are_drawn_and_the_figure_says_so():
    figure = long_result(500, trades=300).plot(max_trades=100)
    drawn = sum(len(trace.x) for trace in figure.data if "trade" in trace.name)
    assert drawn == 100
    assert any("the 100 largest of 300" in note.text for note in figure.layout.annotations)


def test_the_file_needs_no_network(tmp_path):
    path = tmp_path / "equity.html"
    Result.from_run(small_ledger().run()).plot(title="Mine").write_html(path)
    text = path.read_text(encoding="utf-8")
    assert "Mine" in text
    assert '<script src="http' not in text


def test_zoned_times_are_drawn_as_the_clock_on_the_wall():
    import polars as pl

    zoned = days(5).cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York")
    ledger = small_ledger()
    ledger.timestamps = zoned
    figure = Result.from_run(ledger.run()).plot()
    assert str(figure.data[0].x[0]).startswith("2020-01-01 00:00:00")


def test_plotly_is_imported_only_by_plot():
    code = (
        "import sys, facade.results.result, facade.results.figure, facade.results.text; "
        "sys.exit('plotly' in sys.modules or 'pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_plotly_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(ImportError, match=r"ml4t-kernel\[viz\]"):
        Result.from_run(small_ledger().run()).plot()


@pytest.mark.parametrize("options", [{"max_points": 3}, {"max_trades": -1}])
def test_limits_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="max_points must be at least 4"):
        Result.from_run(small_ledger().run()).plot(**options)


@pytest.mark.parametrize("bars", [None, 0])
def test_a_run_without_bars_or_trades_is_still_a_figure(bars):
    ledger = Ledger([[10.0, 1.0]] * 2)
    figure = Result.from_run(ledger.run() if bars is None else ledger.run(bars=bars)).plot()
    drawn = [trace for trace in figure.data if trace.mode != "none"]
    assert len(drawn) == 5
    assert "Closed trades: none" in [text.text for text in figure.layout.annotations]
    (axis,) = [trace for trace in figure.data if trace.mode == "none"]  # without it no panel has dates on its axis
    assert len(axis.x) == (2 if bars is None else 0)


def test_an_account_that_stands_still_has_axes_of_a_percent():
    figure = Result.from_run(Ledger([[10.0, 1.0]] * 2).run()).plot()
    assert figure.layout.yaxis.range == (99_000.0, 101_000.0)
    assert figure.layout.yaxis2.range == (-0.02, 0.0)
    assert Result.from_run(small_ledger().run()).plot().layout.yaxis.range is None
