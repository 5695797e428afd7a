"""Reading long prices: sources, names, dtypes, selections, and the errors that name what is wrong."""

import datetime as dt
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from facade.data.load import load
from facade.data.load_panel import load_panel
from facade.errors import DataError, Interrupted, describe, listing

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4)]


def frame(**changes):
    """Two symbols, three days; a keyword replaces or adds a column."""
    base = {
        "timestamp": DAYS * 2,
        "symbol": ["B"] * 3 + ["A"] * 3,
        "open": [10.0, 11.0, 12.0, 20.0, 21.0, 22.0],
        "high": [12.0, 13.0, 14.0, 22.0, 23.0, 24.0],
        "low": [9.0, 10.0, 11.0, 19.0, 20.0, 21.0],
        "close": [11.0, 12.0, 13.0, 21.0, 22.0, 23.0],
        "volume": [100, 200, 300, 400, 500, 600],
    }
    return pl.DataFrame(base | changes)


def same(panel, expected=None):
    """The panel holds what `frame()` says, columns sorted by symbol."""
    expected = frame() if expected is None else expected
    assert panel.symbols == ("A", "B")
    assert panel.timestamps.len() == 3
    for name in ("open", "high", "low", "close", "volume"):
        values = expected[name].to_numpy().reshape(2, 3).T[:, ::-1]
        np.testing.assert_array_equal(getattr(panel, name), values)
        array = getattr(panel, name)
        assert array.dtype == np.float64
        assert not array.flags.writeable
        assert not array.flags.writeable


def sources(path):
    data = frame()
    data.write_parquet(path / "part_0.parquet")
    yield path / "part_0.parquet"
    yield str(path / "part_*.parquet")
    yield data
    yield data.lazy()
    yield data.to_arrow()
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(data.to_dict(as_series=False))
    table["timestamp"] = pandas.to_datetime(table["timestamp"])
    yield table
    yield table.set_index(["timestamp", "symbol"])


def test_every_source_gives_the_same_panel(tmp_path):
    for source in sources(tmp_path):
        same(load_panel(source))


def test_a_glob_reads_all_files_and_ignores_their_order(tmp_path):
    frame()[:3].write_parquet(tmp_path / "1.parquet")
    frame()[3:].write_parquet(tmp_path / "0.parquet")
    same(load_panel(tmp_path / "*.parquet"))


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Int32, pl.UInt16, pl.Int64, pl.Decimal(12, 2), pl.Float64])
def test_prices_of_any_numeric_dtype(dtype):
    data = frame().with_columns(pl.col("open", "high", "low", "close").cast(dtype))
    same(load_panel(data))


def test_decimal_prices_keep_their_cents():
    cents = [Decimal("10.01"), Decimal("10.02"), Decimal("10.03")] * 2
    panel = load_panel(frame(open=cents, high=cents, low=cents, close=cents))
    assert panel.close[:, 0].tolist() == [10.01, 10.02, 10.03]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["B", "unused", "A"])])
def test_symbols_of_any_text_dtype(dtype):
    same(load_panel(frame().with_columns(pl.col("symbol").cast(dtype))))


def test_number_symbols_become_text():
    assert load_panel(frame(symbol=[7] * 3 + [5] * 3)).symbols == ("5", "7")


@pytest.mark.parametrize("name", ["asset", "product", "ticker"])
def test_symbol_column_is_found_by_its_usual_names(name):
    same(load_panel(frame().rename({"symbol": name})))


def test_symbol_comes_before_ticker():
    same(load_panel(frame(ticker=["x"] * 6)))


def test_columns_map_our_names_to_those_of_the_source():
    data = frame().rename({"timestamp": "when", "close": "last", "symbol": "id"})
    same(load_panel(data, columns={"timestamp": "when", "close": "last", "symbol": "id"}))
    assert not load_panel(frame(), columns={"volume": None}).has_volume


@pytest.mark.parametrize(
    "dtype",
    [pl.Date, *(pl.Datetime(unit) for unit in ("ms", "us", "ns")), pl.Datetime("us", "America/New_York")],
)
def test_timestamps_of_any_dtype_keep_it(dtype):
    data = frame().with_columns(pl.col("timestamp").cast(pl.Datetime("us")))
    if getattr(dtype, "time_zone", None):
        data = data.with_columns(pl.col("timestamp").dt.replace_time_zone(dtype.time_zone))
    panel = load_panel(data.with_columns(pl.col("timestamp").cast(dtype)))
    same(panel)
    assert panel.timestamps.dtype == dtype
    assert panel.session_dates.to_list() == DAYS


def test_only_needed_columns_are_read():
    data = frame(junk=["x"] * 6).lazy().with_columns(pl.col("junk").map_batches(_explode, return_dtype=pl.Int64))
    same(load_panel(data))


def _explode(_):
    raise AssertionError("an unneeded column was computed")


def test_mixed_time_zones_of_a_pandas_column_are_refused():
    pandas = pytest.importorskip("pandas")
    mixed = [pandas.Timestamp("2024-01-02", tz=zone) for zone in ("UTC", "Asia/Tokyo", None)] * 2
    with pytest.raises(DataError, match="mixed timezones in column 'timestamp': 'Asia/Tokyo', 'None', 'UTC'"):
        load_panel(pandas.DataFrame(frame().to_dict(as_series=False)).assign(timestamp=mixed))


def test_symbols_select_and_order_the_columns():
    panel = load_panel(frame(), symbols=["B", "A"])
    assert panel.symbols == ("B", "A")
    assert panel.close[0].tolist() == [11.0, 21.0]
    assert load_panel(frame(), symbols=["B"]).shape == (3, 1)
    categorical = frame().with_columns(pl.col("symbol").cast(pl.Categorical))
    assert load_panel(categorical, symbols=["B"]).shape == (3, 1)


@pytest.mark.parametrize(
    "start", ["2024-01-03", dt.date(2024, 1, 3), dt.datetime(2024, 1, 3), np.datetime64("2024-01-03")]
)
@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("ms"), pl.Datetime("us")])
def test_start_is_inclusive_in_every_form(start, dtype, tmp_path):
    data = frame().with_columns(pl.col("timestamp").cast(dtype))
    data.write_parquet(tmp_path / "p.parquet")
    assert load_panel(data, start=start).shape == (2, 2)
    assert load_panel(tmp_path / "p.parquet", start=start).close[0, 0] == 22.0


def test_an_end_date_includes_its_whole_day():
    times = [dt.datetime(2024, 1, day, 16) for day in (2, 3, 4)] * 2
    assert load_panel(frame(timestamp=times), end="2024-01-03").shape == (2, 2)
    assert load_panel(frame(timestamp=times), end=dt.datetime(2024, 1, 3)).shape == (1, 2)
    assert load_panel(frame(), end=dt.date(2024, 1, 3)).shape == (2, 2)


def test_bounds_of_zoned_prices_are_local_unless_they_carry_a_zone():
    zone = "America/New_York"
    times = pl.Series([dt.datetime(2024, 1, day, 23) for day in (2, 3, 4)] * 2).dt.replace_time_zone(zone)
    assert load_panel(frame(timestamp=times), end="2024-01-03").shape == (2, 2)
    instant = dt.datetime(2024, 1, 4, 4, tzinfo=dt.UTC)  # 23:00 of the third in New York
    assert load_panel(frame(timestamp=times), end=instant).shape == (2, 2)
    with pytest.raises(DataError, match="mixed timezones: end"):
        load_panel(frame(), end=instant)


def test_files_of_different_time_zones_are_refused(tmp_path):
    times = pl.col("timestamp").cast(pl.Datetime("us"))
    frame().with_columns(times.dt.replace_time_zone("UTC")).write_parquet(tmp_path / "0.parquet")
    frame().with_columns(times.dt.replace_time_zone("Asia/Tokyo")).write_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match="prices cannot be read"):
        load_panel(tmp_path / "*.parquet")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (frame().drop("close"), "no column for 'close': looked for 'close' then 'price'"),
        (frame().drop("high"), "no column for 'high'.*repair='flat_from_close'"),
        (frame().drop("symbol"), "looked for 'symbol' then 'asset' then 'product' then 'ticker'"),
        (frame().drop("timestamp"), "no column for 'timestamp'"),
        (frame(open=["1"] * 6), "open must be a number: column 'open', value of type String"),
        (frame(volume=[True] * 6), "volume must be a number"),
        (frame(timestamp=["2024-01-02"] * 6), "timestamp must be a Date or a Datetime.*value of type String"),
        (frame(symbol=[1.5] * 6), "symbol must be text"),
        (frame().clear(), "prices have no rows"),
        (frame(symbol=["B", None, None, "A", "A", "A"]), "symbol must not be null: 2024-01-03, .*; 1 more offender"),
        (frame(timestamp=[*DAYS, None, *DAYS[1:]]), "timestamp must not be null: symbol 'A', .*null in row 3"),
        (frame(close=[None] * 6), "no bar: every close is missing|close must be a number"),
        (frame(close=[float("nan")] * 6), "no bar: every close is missing"),
    ],
)
def test_bad_frames_are_refused_by_name(data, message):
    with pytest.raises(DataError, match=message):
        load_panel(data)


def test_bad_requests_are_refused(tmp_path):
    for message, arguments in {
        "symbols= names 'C'": {"symbols": ["A", "C"]},
        "symbols must be a list": {"symbols": "A"},
        "no rows in the selection": {"start": "2030-01-01"},
        "start='soon' is not an ISO date": {"start": "soon"},
        "end must be a date": {"end": 5},
        "columns maps unknown names 'clse'": {"columns": {"clse": "x"}},
        "no column for 'spread'": {"extras": ["spread"]},
        "extras may not repeat 'open'": {"extras": "open"},
        "repair has no 'magic'": {"repair": "magic"},
        "bar_label must be": {"bar_label": "middle"},
        "delisting must be": {"delisting": "yes"},
    }.items():
        with pytest.raises(DataError, match=message):
            load_panel(frame(), **arguments)
    for source, message in (
        (5, "not int"),
        ("prices.csv", "cannot be read"),
        ("prices.json", "only Parquet and CSV"),
        (tmp_path / "no.parquet", "cannot be read"),
    ):
        with pytest.raises(DataError, match=message):
            load_panel(source)


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path):
    path = tmp_path / "p.parquet"
    frame().write_parquet(path)
    long = load(path)
    path.unlink()
    frame()[:4].write_parquet(path)
    with pytest.raises(DataError, match="changed while they were read|cannot be read"):
        long.take("open")


def test_a_frame_of_the_caller_is_left_alone():
    data = frame()
    load_panel(data)
    assert data.equals(frame())


def test_messages_name_all_they_know():
    text = describe("rule", symbol="A", date=DAYS[0], column="open", value=1.0, more=1, hint="Do this.")
    assert text == "rule: symbol 'A', 2024-01-02, column 'open', value 1.0; 1 more offender. Do this."
    assert listing("abcdefg", 2) == "'a', 'b' and 5 more"
    assert Interrupted(result=3).result == 3
    assert issubclass(Interrupted, KeyboardInterrupt)
