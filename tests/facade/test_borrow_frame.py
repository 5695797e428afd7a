"""The frame of what can be borrowed: sessions, everyone, splits, parts as the whole, every refusal by its message."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from facade import Config, DataError, Panel, TargetShares, load_panel, run_backtest
from facade.data.borrow import BORROW

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
NAMES = ("A", "B", "C")
NO_LIMIT, OF_CONFIG = np.inf, np.nan


def day(number):
    return dt.date(2024, 1, number)


def close_of(splits=(), days=DAYS):
    """Flat at 96 but for splits (symbol, ex-date, ratio)."""
    close = np.full((len(days), len(NAMES)), 96.0)
    for symbol, date, ratio in splits:
        close[np.array([when >= date for when in days]), NAMES.index(symbol)] /= ratio
    return close


def actions_of(splits):
    rows = [(symbol, date, "split", float(ratio)) for symbol, date, ratio in splits]
    schema = {"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def panel(borrow=None, splits=(), times=DAYS, **arguments):
    days = [when.date() if isinstance(when, dt.datetime) else when for when in times]
    close = close_of(splits, days)
    actions = actions_of(splits) if splits else None
    return Panel.from_arrays(
        close, close, close, close, timestamps=times, symbols=NAMES, actions=actions, borrow=borrow, **arguments
    )


def prices(splits=()):
    close = close_of(splits)
    parts = [pl.DataFrame({"timestamp": DAYS, "symbol": name, "close": close[:, at]}) for at, name in enumerate(NAMES)]
    return pl.concat(parts).with_columns(pl.col("close").alias(name) for name in ("open", "high", "low"))


def row(symbol, when, available=None, fee=None):
    return {"symbol": symbol, "timestamp": when, "available": available, "fee": fee}


def listed(found):
    """Rows of the kernel as (bar, asset, available, fee), -1 for the fee of Config."""
    return [
        (
            int(one["bar"]),
            int(one["asset"]),
            float(one["available"]),
            -1.0 if np.isnan(one["fee"]) else float(one["fee"]),
        )
        for one in found.borrow_rows
    ]


def test_nothing_given_is_no_frame_and_no_rows():
    plain = panel()
    assert plain.borrow is None and plain.borrow_after == 0
    assert plain.borrow_rows.dtype == BORROW and len(plain.borrow_rows) == 0 and not plain.borrow_rows.flags.writeable


def test_rows_hold_from_their_session_on():
    found = panel([row("B", day(4), 500, 0.03), row("A", day(3), 100), row("A", day(8), None, 0.5)])
    assert listed(found) == [(1, 0, 100.0, -1.0), (2, 1, 500.0, 0.03), (4, 0, NO_LIMIT, 0.5)]
    assert found.borrow.schema == {
        "symbol": pl.String,
        "timestamp": pl.Date,
        "available": pl.Float64,
        "fee": pl.Float64,
    }
    assert found.borrow["timestamp"].to_list() == [day(3), day(4), day(8)]
    assert not found.borrow_rows.flags.writeable


def test_weekends_hold_from_the_next_session_and_the_last_of_them_counts():
    found = panel([row("A", day(6), 100), row("A", day(7), 200)])
    assert listed(found) == [(4, 0, 200.0, -1.0)] and len(found.borrow) == 2
    found = panel([row("A", day(6), 100), row("A", day(8), 300)])
    assert listed(found) == [(4, 0, 300.0, -1.0)]


def test_of_what_lies_before_the_panel_the_last_holds_from_its_first_bar():
    old = dt.date(2023, 5, 6)
    found = panel([row("A", old, 1), row("A", dt.date(2023, 12, 29), 2), row("B", old, 3), row("B", day(2), 4)])
    assert listed(found) == [(0, 0, 2.0, -1.0), (0, 1, 4.0, -1.0)]
    assert found.borrow["available"].to_list() == [2.0, 4.0]


def test_what_lies_after_the_panel_is_dropped_and_counted():
    found = panel([row("A", day(9), 1), row("A", day(10), 2), row("B", day(20), 3)])
    assert listed(found) == [(5, 0, 1.0, -1.0)]
    assert found.borrow_after == 2 and len(found.borrow) == 1
    nothing = panel([row("B", day(20), 3)])
    assert len(nothing.borrow) == 0 and nothing.borrow is not None and len(nothing.borrow_rows) == 0


def test_everyone_is_those_without_rows_of_their_own_whenever_these_are():
    found = panel([row("*", day(2), None, 0.01), row("*", day(4), 50, 0.02), row("B", day(5), 7)])
    everyone = [(0, 0, NO_LIMIT, 0.01), (0, 2, NO_LIMIT, 0.01), (2, 0, 50.0, 0.02), (2, 2, 50.0, 0.02)]
    assert listed(found) == [*everyone, (3, 1, 7.0, -1.0)]
    assert sorted(set(found.borrow["symbol"])) == ["A", "B", "C"]
    later = panel([row("*", day(2), 9), row("B", day(20), 7)])
    assert listed(later) == [(0, 0, 9.0, -1.0), (0, 2, 9.0, -1.0)]


def test_a_column_may_be_missing():
    assert listed(panel([{"symbol": "A", "timestamp": day(3), "fee": 0.4}])) == [(1, 0, NO_LIMIT, 0.4)]
    assert listed(panel([{"symbol": "A", "timestamp": day(3), "available": 4}])) == [(1, 0, 4.0, -1.0)]


def test_zero_is_a_number():
    assert listed(panel([row("A", day(2), 0, 0)])) == [(0, 0, 0.0, 0.0)]


def test_hard_to_borrow_fees_are_taken():
    assert listed(panel([row("A", day(2), None, 10)])) == [(0, 0, NO_LIMIT, 10.0)]


# Splits --------------------------------------------------------------------------------------------------------------


def test_a_split_restates_what_was_available_before_it():
    found = panel([row("A", day(3), 100, 0.1), row("B", day(3), 100)], [("A", day(5), 2)])
    assert listed(found) == [(1, 0, 100.0, 0.1), (1, 1, 100.0, -1.0), (3, 0, 200.0, 0.1)]
    assert found.borrow["available"].to_list() == [100.0, 100.0]


def test_a_row_of_the_ex_date_or_later_is_in_new_shares():
    assert listed(panel([row("A", day(5), 100)], [("A", day(5), 2)])) == [(3, 0, 100.0, -1.0)]
    found = panel([row("A", day(3), 100), row("A", day(5), 150)], [("A", day(5), 2)])
    assert listed(found) == [(1, 0, 100.0, -1.0), (3, 0, 150.0, -1.0)]
    found = panel([row("A", day(3), 100), row("A", day(8), 70)], [("A", day(4), 3)])
    assert listed(found) == [(1, 0, 100.0, -1.0), (2, 0, 300.0, -1.0), (4, 0, 70.0, -1.0)]


def test_splits_add_up_and_no_limit_stays_one():
    splits = [("A", day(3), 2), ("A", day(5), 3), ("B", day(4), 2), ("A", day(9), 0.5)]
    found = panel([row("A", day(2), 10), row("B", day(2), None, 0.2)], splits)
    expected = [(0, 0, 10.0, -1.0), (0, 1, NO_LIMIT, 0.2), (1, 0, 20.0, -1.0), (3, 0, 60.0, -1.0), (5, 0, 30.0, -1.0)]
    assert listed(found) == expected


def test_splits_and_rows_of_a_weekend():
    """All of it falls on Monday: what was said before the ex-date is restated, what was said since is not."""
    splits = [("A", day(7), 2)]
    assert listed(panel([row("A", day(6), 100)], splits)) == [(4, 0, 200.0, -1.0)]
    assert listed(panel([row("A", day(7), 100)], splits)) == [(4, 0, 100.0, -1.0)]
    assert listed(panel([row("A", day(3), 10), row("A", day(8), 100)], splits))[-1] == (4, 0, 100.0, -1.0)


def test_a_split_on_the_first_session_restates_what_was_said_before_the_panel():
    # From prices alone nobody could say that the split was not there: the panel has no bar before it.
    assert listed(panel([row("A", dt.date(2023, 12, 1), 100)], [("A", day(2), 2)])) == [(0, 0, 200.0, -1.0)]
    assert listed(panel([row("A", dt.date(2023, 12, 1), 100)], [("A", dt.date(2023, 12, 15), 2)])) == [
        (0, 0, 100.0, -1.0)
    ]


def test_everyone_is_restated_one_by_one():
    found = panel([row("*", day(2), 10)], [("B", day(4), 2)])
    assert listed(found) == [(0, 0, 10.0, -1.0), (0, 1, 10.0, -1.0), (0, 2, 10.0, -1.0), (2, 1, 20.0, -1.0)]


def test_actions_given_later_restate_too():
    splits = [("A", day(5), 2)]
    rows = [row("A", day(3), 100)]
    close = close_of(splits)
    plain = Panel.from_arrays(close, close, close, close, timestamps=DAYS, symbols=NAMES, borrow=rows)
    assert listed(plain) == [(1, 0, 100.0, -1.0)]
    assert listed(plain.with_actions(actions_of(splits))) == listed(panel(rows, splits))
    assert plain.with_actions(actions_of(splits)).digest == panel(rows, splits).digest


# Clocks --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_minute_bars_take_a_row_at_the_first_bar_of_its_session(zone):
    times = pl.Series([dt.datetime(2024, 1, d, 15, minute) for d in (2, 3, 5) for minute in (1, 2, 3)])
    times = times.dt.replace_time_zone(zone)
    close = np.full((9, 3), 10.0)
    stamps = pl.Series([dt.datetime(2024, 1, 3, 23), dt.datetime(2024, 1, 4)]).dt.replace_time_zone(zone)
    frame = pl.DataFrame({"timestamp": stamps, "symbol": "A", "available": [1.0, 2.0]})
    naive = frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None))
    dates = frame.with_columns(pl.col("timestamp").dt.date())
    for source in (frame, naive, dates):
        found = Panel.from_arrays(*[close] * 4, timestamps=times, symbols=NAMES, borrow=source)
        assert [(bar, number) for bar, _, number, _ in listed(found)] == [(3, 1.0), (6, 2.0)]


def test_zones_that_differ_are_refused_unless_midnights_are_dates():
    stamps = pl.Series([dt.datetime(2024, 1, 3, 5)]).dt.replace_time_zone("UTC")
    frame = pl.DataFrame({"timestamp": stamps, "symbol": "A", "available": 1.0})
    with pytest.raises(DataError, match="mixed timezones: timestamp of borrow is in UTC, the prices in none"):
        panel(frame)
    assert listed(panel(frame.with_columns(pl.col("timestamp").dt.truncate("1d")))) == [(1, 0, 1.0, -1.0)]


def test_bars_that_are_numbered():
    found = Panel.from_arrays(*[np.full((4, 1), 10.0)] * 4, symbols=["A"], borrow=[row("A", 2, 5)])
    assert listed(found) == [(2, 0, 5.0, -1.0)] and found.borrow["timestamp"].to_list() == [2]
    assert listed(found.select(start=3)) == [(0, 0, 5.0, -1.0)]
    with pytest.raises(
        DataError, match="borrow: timestamp must be a bar number, as the panel has no dates; it is Date"
    ):
        Panel.from_arrays(*[np.full((4, 1), 10.0)] * 4, symbols=["A"], borrow=[row("A", day(2), 5)])


def test_begins_of_bars_do_not_move_it():
    times = [dt.datetime(2024, 1, d, hour) for d in (2, 3) for hour in (22, 23)]
    close = np.full((4, 3), 10.0)
    found = Panel.from_arrays(
        *[close] * 4, timestamps=times, symbols=NAMES, borrow=[row("A", day(3), 1)], bar_label="open"
    )
    assert listed(found) == [(2, 0, 1.0, -1.0)]


# Sources and refusals ------------------------------------------------------------------------------------------------


def test_all_sources_and_names_say_the_same(tmp_path):
    rows = [row("A", day(3), 100.0, 0.1), row("*", day(4), None, 0.02)]
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "b.parquet")
    frame.write_csv(tmp_path / "b.csv")
    expected = panel(rows)
    sources = [
        frame,
        frame.lazy(),
        frame.to_arrow(),
        pd.DataFrame(rows),
        pd.DataFrame(rows).assign(timestamp=lambda table: pd.to_datetime(table["timestamp"])).set_index("timestamp"),
        frame.rename({"symbol": "ticker", "timestamp": "Date", "fee": "Fee"}),
        tmp_path / "b.parquet",
        str(tmp_path / "b.csv"),
    ]
    for source in sources:
        for found in (panel(source), load_panel(prices(), borrow=source)):
            assert found.borrow.equals(expected.borrow)
            assert found.borrow_rows.tobytes() == expected.borrow_rows.tobytes()


def test_a_single_symbol_needs_no_column():
    close = np.full(6, 10.0)
    frame = pl.DataFrame({"date": [day(3)], "available": [5]})
    found = Panel.from_arrays(close, close, close, close, timestamps=DAYS, symbols=["A"], borrow=frame)
    assert listed(found) == [(1, 0, 5.0, -1.0)]
    with pytest.raises(DataError, match="borrow: no column for 'symbol'; got 'timestamp', 'available'"):
        panel(frame)


GOOD = row("A", day(3), 100)
REFUSED = [
    ([GOOD, {**GOOD, "available": 3}], r"unique in \(symbol, date\): symbol 'A', 2024-01-03, column 'timestamp'"),
    ([row("*", day(3), 1), row("*", day(3), 2)], r"unique in \(symbol, date\): symbol '\*', 2024-01-03"),
    (
        [row("AB", day(3), 1)],
        r"must be one of the prices: symbol 'AB', 2024-01-03, column 'symbol', value AB; did you m",
    ),
    (
        [row("X1", day(3), 1), row("X2", day(3), 1)],
        r"symbol 'X1', 2024-01-03, column 'symbol', value X1; 1 more offender",
    ),
    ([row(None, day(3), 1), GOOD], r"borrow: symbol must not be null: 2024-01-03, column 'symbol', value null"),
    ([row("A", None, 1), GOOD], r"borrow: timestamp must not be null: symbol 'A', column 'timestamp', value null"),
    (
        [row("A", day(3), -1)],
        r"available must be at least 0 and finite, in shares: symbol 'A', 2024-01-03, .* value -1.0",
    ),
    ([row("A", day(3), np.nan)], r"available must be at least 0 .* value nan. Null is no limit"),
    ([row("A", day(3), np.inf)], r"available must be at least 0 .* value inf"),
    (
        [row("A", day(3), 1, -0.1)],
        r"fee must be at least 0 and finite: symbol 'A', 2024-01-03, column 'fee', value -0.1",
    ),
    ([row("A", day(3), 1, np.nan)], r"fee must be at least 0 and finite: .* value nan"),
    ([row("A", day(3), 1, 12)], r"fee must be at most 10, an annual fraction: symbol 'A', .* value 12.0. In percent\?"),
    (
        [{"symbol": "A", "timestamp": day(3)}],
        r"borrow: no column for 'available' and none for 'fee'; got 'symbol', 'timestamp'",
    ),
    ([{"symbol": "A", "fee": 0.1}], r"borrow: no column for 'timestamp'; got 'symbol', 'fee'"),
    ([{**GOOD, "avalable": 1}], r"borrow: unknown column 'avalable'; did you mean 'available'\?"),
    ([{**GOOD, "available": "many"}], r"available must be a number: column 'available', value of type String"),
    ([row("A", "2024-01-03", 1)], r"timestamp of borrow must be a Date or a Datetime: value of type String"),
    ([row("A", 20240103, 1)], r"timestamp of borrow must be .* value of type Int64. 20240103 reads as a date written"),
    ([], "borrow have no rows"),
]


@pytest.mark.parametrize(("rows", "message"), REFUSED)
def test_what_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        panel(rows)
    with pytest.raises(DataError, match=message):
        load_panel(prices(), borrow=rows)


def test_two_times_of_one_day_are_two_rows_of_one_date():
    rows = [row("A", dt.datetime(2024, 1, 3, 9), 1), row("A", dt.datetime(2024, 1, 3, 10), 2)]
    with pytest.raises(DataError, match=r"unique in \(symbol, date\)"):
        panel(rows)


# Parts ---------------------------------------------------------------------------------------------------------------


def state(found, timestamps):
    """(available, fee) of each symbol at each timestamp of a panel."""
    held = {}
    for number, when in enumerate(found.timestamps):
        for one in found.borrow_rows[found.borrow_rows["bar"] == number]:
            held[found.symbols[one["asset"]]] = (float(one["available"]), str(one["fee"]))
        if when in timestamps:
            yield when, {name: held.get(name) for name in found.symbols}


@pytest.mark.parametrize("seed", range(30))
def test_a_part_says_what_the_whole_says(seed):
    rng = np.random.default_rng(seed)
    dates = [dt.date(2023, 12, 30) + dt.timedelta(days=number) for number in range(14)]
    keys = {(str(rng.choice([*NAMES, "*"])), dates[rng.integers(14)]) for _ in range(8)}
    rows = [row(name, when, None if rng.random() < 0.2 else 100.0 * int(rng.integers(9)), 0.25) for name, when in keys]
    splits = sorted({(str(rng.choice(NAMES)), dates[rng.integers(3, 12)]) for _ in range(4)})
    splits = [(name, when, float(rng.choice([0.5, 2, 3]))) for name, when in splits]
    whole = panel(rows, splits)
    assert whole.digest == load_panel(prices(splits), actions_of(splits), borrow=rows).digest
    for _ in range(6):
        start, end = sorted(rng.choice(6, 2))
        symbols = None if rng.random() < 0.4 else list(rng.permutation(NAMES)[: rng.integers(1, 4)])
        part = whole.select(symbols, DAYS[start], DAYS[end])
        wanted = dict(state(whole, set(part.timestamps)))
        for when, said in state(part, set(part.timestamps)):
            assert said == {name: wanted[when][name] for name in part.symbols}, (symbols, start, end, when)
        again = whole.select(symbols).select(start=DAYS[start]).select(end=DAYS[end])
        assert again.digest == part.digest and again.borrow.equals(part.borrow)
        assert not part.borrow_rows.flags.writeable
        assert part.borrow_rows["bar"].max(initial=0) < part.shape[0]


def test_a_part_in_new_shares_counts_what_it_leaves_out():
    found = panel([row("A", day(3), 100), row("A", day(9), 7), row("A", day(12), 1)], [("A", day(4), 2)])
    part = found.select(start=day(5), end=day(8))
    assert listed(part) == [(0, 0, 200.0, -1.0)] and part.borrow["available"].to_list() == [200.0]
    assert part.borrow_after == 2
    on_it = found.select(start=day(4))
    assert listed(on_it) == [(0, 0, 200.0, -1.0), (3, 0, 7.0, -1.0)] and on_it.borrow["available"][0] == 100.0


def test_a_selection_leaves_the_others_out():
    rows = [row("A", day(3), 1), row("GONE", day(3), 2), row("*", day(2), 3)]
    with pytest.raises(DataError, match="'GONE'"):
        load_panel(prices(), borrow=rows)
    loaded = load_panel(prices(), borrow=rows, symbols=["C", "A"])
    assert listed(loaded) == [(0, 0, 3.0, -1.0), (1, 1, 1.0, -1.0)]
    assert loaded.digest == panel([rows[0], rows[2]]).select(["C", "A"]).digest


def test_the_digest_counts_what_is_in_force():
    plain, some = panel(), panel([GOOD])
    others = [panel([{**GOOD, "available": 99}]), panel([{**GOOD, "fee": 0.1}]), panel([row("B", day(3), 100)])]
    others.append(panel([row("A", day(4), 100)]))
    assert len({found.digest for found in (plain, some, *others)}) == 6
    assert some.digest == panel([GOOD]).digest == pickle.loads(pickle.dumps(some)).digest == copy.copy(some).digest
    assert panel([row("A", day(6), 1)]).digest == panel([row("A", day(8), 1)]).digest  # the same session


def test_it_is_shown_and_runs_load_it():
    found = panel([GOOD, row("B", day(3), 5)])
    assert repr(found) == "Panel(6 bars x 3 symbols, 2024-01-02 to 2024-01-09, 2 borrow rows, no volume)"
    assert "<th>borrow rows</th><td>2</td>" in found._repr_html_()
    assert not pickle.loads(pickle.dumps(found)).borrow_rows.flags.writeable
    weights = TargetShares.from_array(np.ones((6, 3)))
    run = run_backtest(prices(), weights, config=Config(), borrow=[GOOD])
    assert run.equity.equals(run_backtest(found, weights, config=Config()).equity)
    with pytest.raises(DataError, match="borrow: arguments of load_panel; this panel is already built"):
        run_backtest(found, weights, borrow=[GOOD])
