"""The panel: what it holds, its clock and sessions, adjusted prices, its digest, and that it stays as it is."""

import copy
import dataclasses
import datetime as dt
import pickle

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade import datasets
from facade.data.load_panel import load_panel
from facade.data.panel import Panel
from facade.errors import DataError


def flat(times, close=None, **arguments):
    """One symbol A0 with O = H = L = C."""
    values = np.full(len(times), 10.0) if close is None else np.asarray(close, dtype=float)
    return Panel.from_arrays(values, values, values, values, timestamps=times, **arguments)


def days(count, start=dt.date(2024, 1, 1), step=1):
    return [start + dt.timedelta(days=step * i) for i in range(count)]


def weekdays(count):
    return [day for day in days(2 * count + 7) if day.weekday() < 5][:count]


def stocks():
    return load_panel(datasets.wiki_stocks(), datasets.wiki_actions())


def test_arrays_are_copied_and_frozen():
    close = np.full((3, 2), 10.0)
    panel = Panel.from_arrays(close, close, close, close, volume=close, extras={"spread": close})
    close[:] = 5.0
    assert panel.close.min() == 10.0
    for array in (panel.open, panel.volume, panel.sessions, panel.action_rows, panel.extras["spread"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.close = close


def test_bar_numbers_without_timestamps():
    panel = Panel.from_arrays(*[np.full((4, 2), 10.0)] * 4)
    assert panel.timestamps.to_list() == [0, 1, 2, 3]
    assert panel.sessions.tolist() == [0, 1, 2, 3]
    assert panel.sessions.dtype == np.int32
    assert panel.periods_per_year == 252.0
    assert panel.symbols == ("A0", "A1")
    assert panel.shape == (4, 2)
    assert not panel.has_volume
    assert np.isnan(panel.volume).all()


@pytest.mark.parametrize("dtype", ["f4", "i8", "u2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_layout_become_c_float64(dtype, order):
    close = np.array([[1, 2], [3, 4]], dtype=dtype, order=order)
    panel = Panel.from_arrays(close, close, close, close)
    assert panel.bars.flags.c_contiguous and panel.volume.flags.c_contiguous
    assert panel.close.dtype == np.float64
    assert panel.close.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"high": np.ones((2, 2))}, r"high has the shape \(2, 2\), close has \(3, 2\)"),
        ({"volume": np.ones(3)}, "volume has the shape"),
        ({"low": [["a", "b"]] * 3}, "low must be an array of numbers"),
        ({"open": np.ones((3, 2, 1))}, "open must have the shape"),
        ({"symbols": ["A"]}, "symbols must be one a column: 1 given for 2 columns"),
        ({"symbols": ["A", "A"]}, "symbols must be unique; repeated: 'A'"),
        ({"symbols": "AB"}, "symbols must be a list"),
        ({"timestamps": days(2)}, "timestamps must be one a bar: 2 given for 3 bars"),
        ({"timestamps": [days(1)[0]] * 3}, "timestamps must increase from bar to bar: bar 1, value 2024-01-01; 1 more"),
        ({"timestamps": ["a", "b", "c"]}, "timestamps must be dates, datetimes or bar numbers, not String"),
        ({"timestamps": [*days(2), None]}, "timestamps must not be null"),
        ({"sessions": [0, 1]}, "sessions must be one a bar"),
        ({"sessions": [0, 1, 0]}, "the bars of a session must be consecutive"),
        ({"close": None}, "prices need a close"),
    ],
)
def test_bad_arrays_are_refused_by_name(arguments, message):
    base = dict.fromkeys(("open", "high", "low", "close"), np.ones((3, 2)))
    with pytest.raises(DataError, match=message):
        Panel.from_arrays(**(base | arguments))


def test_empty_arrays_are_refused():
    with pytest.raises(DataError, match="no rows or no symbols"):
        Panel.from_arrays(*[np.ones((0, 2))] * 4)


def test_one_bar_is_a_panel():
    assert flat(days(1)).shape == (1, 1)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (weekdays(3), 252.0),
        (days(300), 365.0),
        (days(40, step=7), 52.0),
        (pl.date_range(dt.date(2020, 1, 1), dt.date(2023, 1, 1), "1mo", eager=True), 12.0),
        (pl.date_range(dt.date(2010, 1, 1), dt.date(2023, 1, 1), "1q", eager=True), 4.0),
        (pl.date_range(dt.date(2010, 1, 1), dt.date(2023, 1, 1), "1y", eager=True), 1.0),
        (days(40, step=14), 365.2425 / 14),
        (pl.datetime_range(dt.datetime(2024, 1, 1, 1), dt.datetime(2024, 2, 1), "1h", eager=True), 24 * 365.0),
        ([dt.datetime.combine(d, dt.time(10 + h)) for d in weekdays(20) for h in range(7)], 7 * 252.0),
    ],
)
def test_periods_per_year_follow_the_timestamps(times, expected):
    assert flat(times).periods_per_year == expected


def test_a_session_is_the_date_on_which_the_bar_begins():
    hours = pl.datetime_range(dt.datetime(2024, 1, 1, 1), dt.datetime(2024, 1, 3), "1h", eager=True)
    closing = flat(hours)
    assert np.bincount(closing.sessions).tolist() == [24, 24]
    assert closing.session_dates.to_list() == days(2)
    opening = flat(hours.dt.offset_by("-1h"), bar_label="open")
    assert opening.timestamps.equals(closing.timestamps)
    assert opening.sessions.tolist() == closing.sessions.tolist()


def test_sessions_are_dated_in_the_zone_of_the_panel():
    hours = pl.datetime_range(dt.datetime(2024, 1, 1, 6), dt.datetime(2024, 1, 2, 5), "1h", eager=True, time_zone="UTC")
    assert len(flat(hours).session_dates) == 2
    assert flat(hours.dt.convert_time_zone("America/New_York")).session_dates.to_list() == days(1)


def test_daily_bars_are_dated_by_their_label():
    midnights = pl.Series([dt.datetime.combine(day, dt.time()) for day in weekdays(10)])
    assert flat(midnights).session_dates.to_list() == weekdays(10)
    # New York closes across the change of clocks, which are 23 and 24 hours apart
    closes = pl.Series([dt.datetime(2024, 3, day, 16) for day in (9, 10, 11)]).dt.replace_time_zone("America/New_York")
    assert flat(closes).session_dates.to_list() == days(3, dt.date(2024, 3, 9))


def test_open_labels_move_to_the_end_of_the_bar_and_never_past_the_next():
    times = [dt.datetime(2024, 1, 2, 9, 30), dt.datetime(2024, 1, 2, 9, 35), dt.datetime(2024, 1, 2, 9, 37)]
    times += [dt.datetime(2024, 1, 2, 9, 42)]
    moved = flat(times, bar_label="open").timestamps.to_list()
    assert [t.minute for t in moved] == [35, 37, 42, 47]
    assert flat(days(3), bar_label="open").timestamps.to_list() == days(3)
    with pytest.raises(DataError, match="at least two bars"):
        flat(times[:1], bar_label="open")
    zoned = pl.Series([dt.datetime(2024, 3, day) for day in (8, 9, 10, 11)]).dt.replace_time_zone("America/New_York")
    moved = flat(zoned, bar_label="open")
    assert [t.day for t in moved.timestamps] == [9, 10, 11, 12]
    assert {t.hour for t in moved.timestamps} == {0}
    assert moved.session_dates.to_list() == days(4, dt.date(2024, 3, 8))


def session_frame(sessions):
    times = [dt.datetime(2024, 1, 1, 18), dt.datetime(2024, 1, 2, 10), dt.datetime(2024, 1, 2, 18)]
    return pl.DataFrame(
        {"timestamp": times * 2, "symbol": ["A"] * 3 + ["B"] * 3, "session": sessions}
        | dict.fromkeys(("open", "high", "low", "close"), [1.0] * 6)
    )


def test_a_session_column_decides():
    night = [dt.date(2024, 1, 2)] * 2 + [dt.date(2024, 1, 3)]
    panel = load_panel(session_frame(night * 2))
    assert panel.sessions.tolist() == [0, 0, 1]
    assert panel.session_dates.to_list() == night[1:]
    named = load_panel(session_frame(["x", "x", "y"] * 2))
    assert named.sessions.tolist() == [0, 0, 1]
    assert load_panel(session_frame(["x", "y", "x"] * 2), columns={"session": None}).sessions.tolist() == [0, 1, 1]
    with pytest.raises(DataError, match="consecutive.*columns={'session': None}"):
        load_panel(session_frame(["x", "y", "x"] * 2))
    with pytest.raises(DataError, match="same session: 2024-01-02 18:00:00, column 'session'"):
        load_panel(session_frame([1, 1, 2, 1, 1, 3]))


def test_extras_travel_with_the_panel():
    data = datasets.wiki_stocks().with_columns(spread=pl.col("close") * 0.001)
    panel = load_panel(data, extras=["spread"], symbols=["IBM"])
    np.testing.assert_array_equal(panel.extras["spread"], panel.close * 0.001)


def test_late_listings_have_no_bar_before():
    panel = stocks()
    fb = panel.symbols.index("FB")
    first = int(np.argmax(~np.isnan(panel.close[:, fb])))
    assert panel.timestamps[first] == dt.date(2012, 5, 18)
    assert np.isnan(panel.open[:first, fb]).all()
    assert np.isnan(panel.volume[:first, fb]).all()


@pytest.mark.parametrize("symbol", ["AAPL", "MSFT", "IBM"])
def test_raw_prices_with_actions_have_the_returns_of_adjusted_prices(symbol):
    panel = stocks()
    ours = panel.adjusted("close", dividends=True)[:, panel.symbols.index(symbol)]
    theirs = datasets.wiki_stocks(adj_close=True).filter(symbol=symbol)["adj_close"].to_numpy()
    np.testing.assert_allclose(ours[1:] / ours[:-1], theirs[1:] / theirs[:-1], rtol=1e-11)


def test_splits_alone_take_out_the_jumps_and_leave_the_rest():
    panel = stocks()
    column = panel.symbols.index("AAPL")
    bar = panel.timestamps.to_list().index(dt.date(2005, 2, 28))
    close, raw = panel.adjusted("close")[:, column], panel.close[:, column]
    assert abs(close[bar] / close[bar - 1] - 1) < 0.05 < abs(raw[bar] / raw[bar - 1] - 1)
    np.testing.assert_array_equal(close[bar:], raw[bar:] * 4.0)
    np.testing.assert_array_equal(panel.adjusted("volume")[bar:, column], panel.volume[bar:, column] / 4.0)
    assert panel.adjusted("close").flags.c_contiguous


def test_adjusted_bars_keep_high_and_low_outside():
    panel = stocks()
    open_, high, low, close = (panel.adjusted(name, dividends=True) for name in ("open", "high", "low", "close"))
    present = ~np.isnan(close)
    assert np.all((high >= np.maximum(open_, close))[present])
    assert np.all((low <= np.minimum(open_, close))[present])


@given(st.integers(1, 3269))
def test_adjusted_prices_never_read_what_comes_later(bar):
    panel = PANEL
    cut = load_panel(
        datasets.wiki_stocks(), datasets.wiki_actions(), end=panel.timestamps[bar], symbols=["AAPL", "MSFT"]
    )
    columns = [panel.symbols.index(name) for name in cut.symbols]
    for dividends in (False, True):
        whole = panel.adjusted("close", dividends)[: bar + 1, columns]
        np.testing.assert_array_equal(cut.adjusted("close", dividends), whole)


def test_adjusted_by_hand_with_a_gap_on_the_ex_date():
    close = [100.0, np.nan, 48.0, 50.0]
    actions = pl.DataFrame(
        {"symbol": ["A0", "A0"], "ex_date": [1, 1], "kind": ["split", "dividend"], "value": [2.0, 1.0]}
    )
    panel = flat([0, 1, 2, 3], close, actions=actions)
    # bar 2: 2 x (48 + 1); from there on 2 x (1 + 1 / 48) shares
    np.testing.assert_allclose(panel.adjusted("close", dividends=True).ravel(), [100, np.nan, 98, 2 * (49 / 48) * 50])
    with pytest.raises(DataError, match="adjusted.. takes open, high"):
        panel.adjusted("vwap")


def test_digest_tells_data_apart_and_nothing_else():
    close = np.full((3, 1), 10.0)
    one = Panel.from_arrays(close, close, close, close)
    assert one.digest == Panel.from_arrays(*[close.astype("f4")] * 4).digest
    split = pl.DataFrame({"symbol": ["A0"], "ex_date": [1], "kind": ["dividend"], "value": [1.0]})
    others = [
        Panel.from_arrays(*[close * 2] * 4),
        Panel.from_arrays(*[close] * 4, symbols=["B"]),
        Panel.from_arrays(*[close] * 4, timestamps=days(3)),
        Panel.from_arrays(*[close] * 4, sessions=[0, 0, 1]),
        Panel.from_arrays(*[close] * 4, volume=close),
        one.with_actions(split),
    ]
    assert len({one.digest, *(panel.digest for panel in others)}) == 7
    assert len(one.digest) == 64


def test_a_pickled_panel_is_the_same_and_still_frozen():
    panel = stocks()
    for other in (pickle.loads(pickle.dumps(panel)), copy.deepcopy(panel)):
        assert other.digest == panel.digest
        assert not other.close.flags.writeable


def test_the_four_prices_of_a_bar_lie_on_one_line_of_cache():
    """Read-only views of one array, however the panel came about; a stretch of bars is a part of it."""
    panel = stocks()
    copies = (panel.select(panel.symbols[1:4]), panel.select(panel.symbols[::-1], start="2005-01-01"))
    for other in (panel, *copies, flat(days(3)), pickle.loads(pickle.dumps(panel)), panel.select(start="2005-01-01")):
        assert other.bars.shape == (*other.shape, 4) and other.bars.dtype == np.float64
        assert other.bars.flags.c_contiguous and other.bars.ctypes.data % 32 == 0
        for number, name in enumerate(("open", "high", "low", "close")):
            price = getattr(other, name)
            assert price.shape == other.shape and not price.flags.writeable
            assert price.ctypes.data == other.bars.ctypes.data + 8 * number
    with pytest.raises(ValueError, match="read-only"):
        panel.bars[0, 0, 0] = 1.0


def test_what_is_derived_is_made_once_frozen_and_never_travels():
    """Runs share it, so nobody may write to it; a part of the panel, a pickle and other actions derive their own."""
    panel, made = flat(days(4)), []

    def build(factor=1.0):
        made.append(factor)
        return panel.close[::-1] * factor, "a word", np.arange(4, dtype=np.int32)

    first = panel.derived("reversed", build)
    assert panel.derived("reversed", build) is first and made == [1.0]
    assert [array.flags.writeable for array in (first[0], first[2])] == [False, False]
    assert first[0].flags.c_contiguous and first[2].dtype == np.int32 and first[1] == "a word"
    twice = panel.derived("reversed", lambda: build(2.0), of=2.0)
    assert twice[0][0, 0] == 20.0 and panel.derived("reversed", build, of=2.0) is twice
    assert panel.derived("reversed", build)[0][0, 0] == 10.0 and made == [1.0, 2.0, 1.0]
    others = (panel.select(start=days(4)[1]), pickle.loads(pickle.dumps(panel)), copy.copy(panel))
    others += (dataclasses.replace(panel), panel.with_actions(None))
    for number, other in enumerate(others):
        other.derived("reversed", lambda number=number: number, of=None)
        assert other.derived("reversed", lambda: "stale") == number
    assert len(made) == 3


def test_representations_are_short():
    panel = stocks()
    assert repr(panel) == "Panel(3,270 bars x 5 symbols, 2000-03-01 to 2013-03-01, 95 actions)"
    assert "<td>3,270</td>" in panel._repr_html_()
    assert repr(flat(days(1))) == "Panel(1 bar x 1 symbol, 2024-01-01 to 2024-01-01, no volume)"


PANEL = stocks()
