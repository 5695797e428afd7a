"""Corporate actions: both forms, their checks, the bar they act on, and the guard against adjusted prices."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade.data.panel import Panel
from facade.errors import BacktestWarning, DataError
from ml4t_kernel.schema import ACTION, ActionKind

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]


def panel(actions=None, close=None, times=DAYS, symbols=("X", "Y"), **arguments):
    """Two flat symbols; X halves on 2024-01-04."""
    if close is None:
        close = np.array([[100.0, 10.0]] * 2 + [[50.0, 10.0]] * 4)
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return Panel.from_arrays(**prices, timestamps=times, symbols=symbols, actions=actions, **arguments)


def long(*rows):
    """Rows (symbol, ex_date, kind, value)."""
    schema = {"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def day(number):
    return dt.date(2024, 1, number)


SPLIT = ("X", day(4), "split", 2.0)


def test_long_rows_become_kernel_rows():
    rows = panel(long(("Y", day(8), "dividend", 0.5), SPLIT)).action_rows
    assert rows.dtype == ACTION
    assert rows["bar"].tolist() == [2, 4]
    assert rows["asset"].tolist() == [0, 1]
    assert rows["kind"].tolist() == [ActionKind.SPLIT, ActionKind.DIVIDEND]
    assert rows["value"].tolist() == [2.0, 0.5]


def test_wide_frames_say_the_same():
    wide = pl.DataFrame(
        {
            "timestamp": [day(3), day(4), day(8), day(9)],
            "symbol": ["Y", "X", "Y", "Y"],
            "split_ratio": [1.0, 2.0, None, 0.0],
            "dividend": [0.0, None, 0.5, float("nan")],
        }
    )
    assert panel(wide).actions.equals(panel(long(SPLIT, ("Y", day(8), "dividend", 0.5))).actions)
    only = wide.select("timestamp", "symbol", "dividend")
    assert panel(only).actions["kind"].to_list() == ["dividend"]


def test_other_sources_and_dtypes():
    expected = panel(long(SPLIT)).actions
    frame = long(SPLIT)
    assert panel(frame.lazy()).actions.equals(expected)
    assert panel(frame.to_arrow()).actions.equals(expected)
    assert panel(frame.with_columns(pl.col("ex_date").cast(pl.Datetime("ns")))).actions.equals(expected)
    assert panel(frame.with_columns(pl.col("symbol", "kind").cast(pl.Categorical))).actions.equals(expected)
    assert panel(frame.with_columns(pl.col("value").cast(pl.Int64))).actions.equals(expected)
    assert panel(frame.rename({"symbol": "ticker"})).actions.equals(expected)
    assert panel(frame.clear()).actions.is_empty()


def test_split_comes_before_dividend_on_one_day():
    rows = panel(long(("X", day(4), "dividend", 1.0), SPLIT)).action_rows
    assert rows["kind"].tolist() == [ActionKind.SPLIT, ActionKind.DIVIDEND]


def test_an_action_acts_on_the_first_panel_bar_at_or_after_its_date():
    weekend = panel(long(("Y", day(6), "dividend", 1.0)))
    assert weekend.action_rows["bar"].tolist() == [4]
    hours = [dt.datetime(2024, 1, d, h) for d in (2, 3) for h in (10, 11, 12)]
    intraday = panel(long(("Y", day(3), "dividend", 1.0)), close=np.full((6, 2), 10.0), times=hours)
    assert intraday.action_rows["bar"].tolist() == [3]


def test_ex_dates_of_earlier_date_come_first_on_one_bar():
    rows = panel(
        long(("Y", day(7), "split", 1.2), ("X", day(6), "dividend", 1.0), ("Y", day(6), "dividend", 2.0)), quiet()
    )
    assert rows.action_rows["value"].tolist() == [1.0, 2.0, 1.2]


def quiet():
    """Prices of which the small split on the weekend is plain to see."""
    return np.array([[100.0, 12.0]] * 4 + [[100.0, 10.0]] * 2)


def test_actions_outside_the_panel_are_dropped_and_counted():
    actions = long(("Y", day(1), "dividend", 1.0), ("gone", day(1), "split", 2.0), ("Y", day(20), "dividend", 1.0))
    found = panel(actions)
    assert (found.actions_before, found.actions_after, len(found.actions)) == (2, 1, 0)
    assert panel(long(("Y", day(2), "dividend", 1.0))).action_rows["bar"].tolist() == [0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("Z", day(3), "split", 2.0), ("W", day(3), "split", 2.0)], "symbols that the prices do not have: 'W', 'Z'"),
        ([("X", day(4), "split", -2.0)], "split must be positive.*symbol 'X', 2024-01-04, column 'value', value -2.0"),
        ([("X", day(4), "split", None)], "value null"),
        ([("X", day(4), "split", float("inf"))], "positive and finite"),
        (
            [("X", day(4), "dividend", 0.0), ("X", day(5), "dividend", -1.0)],
            "dividend must be positive.*1 more offender",
        ),
        ([("X", day(4), "spinoff", 1.0)], "kind must be one of split, dividend, delisting.*value spinoff"),
        ([SPLIT, SPLIT], "unique in .symbol, ex_date, kind.: symbol 'X', 2024-01-04"),
        ([(None, day(4), "split", 2.0)], "symbol of an action must not be null"),
        ([("X", None, "split", 2.0)], "ex_date of an action must not be null"),
        ([("X", day(5), "delisting", -1.0)], "recovery price"),
        ([("X", day(8), "delisting", None)], "no bar at or after its delisting.*2024-01-08.*value 50.0; 1 more"),
        ([("X", day(10), "delisting", None), ("X", day(11), "delisting", None)], "delisted once"),
    ],
)
def test_bad_actions_are_refused_by_name(rows, message):
    with pytest.raises(DataError, match=message):
        panel(long(*rows))


def test_bad_frames_are_refused():
    base = long(SPLIT)
    for frame, message in (
        (base.drop("kind"), "actions need the columns symbol, ex_date, kind, value"),
        (base.with_columns(pl.col("ex_date").cast(pl.String)), "ex_date of actions must be a Date or a Datetime"),
        (base.with_columns(pl.col("value").cast(pl.String)), "numeric column: column 'value'"),
        (
            base.with_columns(pl.col("ex_date").cast(pl.Datetime).dt.offset_by("5h").dt.replace_time_zone("UTC")),
            "mixed",
        ),
        ("actions.json", "actions: only Parquet and CSV"),
    ):
        with pytest.raises(DataError, match=message):
            panel(frame)
    with pytest.raises(DataError, match="ex_date must be a bar number"):
        panel(base, times=None)


def test_bar_numbers_are_dates_of_panels_without_timestamps():
    actions = pl.DataFrame({"symbol": ["X"], "ex_date": [2], "kind": ["split"], "value": [2.0]})
    assert panel(actions, times=None).action_rows["bar"].tolist() == [2]


def test_adjusted_prices_with_a_large_split_are_refused():
    adjusted = np.full((6, 2), 50.0)
    message = (
        r"split-adjusted already.*symbol 'X', 2024-01-04, column 'open', value 50.0 after a close of 50, split 2 for 1"
    )
    with pytest.raises(DataError, match=message):
        panel(long(SPLIT), adjusted)
    with pytest.raises(DataError, match="split-adjusted already"):
        panel(long(("X", day(4), "split", 0.1)), adjusted)


def test_a_small_split_only_warns():
    with pytest.warns(BacktestWarning, match="split-adjusted already"):
        panel(long(("X", day(4), "split", 1.1)), np.full((6, 2), 50.0))


def test_the_guard_looks_across_missing_bars_and_multiplies_splits():
    close = np.array([[100.0, 10.0], [np.nan, 10.0], [np.nan, 10.0], [25.0, 10.0], [25.0, 10.0], [25.0, 10.0]])
    twice = long(("X", day(3), "split", 2.0), ("X", day(4), "split", 2.0))
    assert len(panel(twice, close).actions) == 2
    with pytest.raises(DataError, match="split 4 for 1"):
        panel(twice, np.where(np.isnan(close), np.nan, 100.0))


def test_a_split_before_the_first_or_after_the_last_bar_is_not_judged():
    close = np.array([[np.nan, 10.0]] * 3 + [[50.0, 10.0]] * 2 + [[np.nan, 10.0]])
    assert len(panel(long(SPLIT, ("X", day(9), "split", 2.0)), close).actions) == 2


def gone():
    """X stops after 2024-01-04."""
    return np.array([[100.0, 10.0]] * 3 + [[np.nan, 10.0]] * 3)


def test_delistings_are_inferred_on_request_and_remembered():
    found = panel(close=gone(), delisting="infer")
    assert found.inferred_delistings == ("X",)
    assert found.actions.rows() == [("X", day(5), "delisting", None)]
    assert found.action_rows["bar"].tolist() == [3]
    assert np.isnan(found.action_rows["value"]).all()
    assert panel(close=gone()).actions.is_empty()
    assert panel(delisting="infer").inferred_delistings == ()


def test_a_declared_delisting_is_not_inferred_again():
    declared = long(("X", day(8), "delisting", 3.0))
    found = panel(declared, close=gone(), delisting="infer")
    assert found.inferred_delistings == ()
    assert found.action_rows["value"].tolist() == [3.0]
    assert found.action_rows["bar"].tolist() == [4]


def test_a_symbol_that_stops_inside_the_last_session_is_not_delisted():
    hours = [dt.datetime(2024, 1, 2, h) for h in range(10, 16)]
    assert panel(close=gone(), times=hours, delisting="infer").inferred_delistings == ()


def test_with_actions_shares_the_prices_and_refuses_a_second_set():
    plain = panel()
    acted = plain.with_actions(long(SPLIT))
    assert acted.bars is plain.bars and acted.volume is plain.volume
    assert len(acted.actions) == 1
    assert plain.actions.is_empty()
    with pytest.raises(DataError, match="has actions already"):
        acted.with_actions(long(SPLIT))


def test_with_actions_infers_delistings_anew():
    inferred = panel(close=gone(), delisting="infer")
    declared = inferred.with_actions(long(("Y", day(3), "dividend", 1.0)))
    assert declared.inferred_delistings == ("X",)
    assert declared.actions["kind"].to_list() == ["dividend", "delisting"]
