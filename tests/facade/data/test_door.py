"""One door for data: whatever users hold gives the panel that plain Polars columns give, or a refusal that says how."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from facade import (
    Config,
    DataError,
    DataWarning,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    load_panel,
    run_backtest,
)
from facade.data.names import FIELDS, find, plain
from facade.data.times import as_times, unit_of

DATA = Path(__file__).parents[2] / "data"
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)]
ROWS = {
    "open": [10.0, 11.0, 12.0, 11.5, 11.0],
    "high": [11.5, 12.5, 12.5, 12.0, 11.5],
    "low": [9.5, 10.5, 11.0, 11.0, 10.0],
    "close": [11.0, 12.0, 11.5, 11.0, 10.5],
    "volume": [1000.0, 2000.0, 1500.0, 1200.0, 900.0],
}


def long(symbols=("AAPL", "LOW"), **changes):
    """Rows of each symbol, whose prices differ by a factor."""
    parts = [
        pl.DataFrame({"timestamp": DAYS, "symbol": symbol, **ROWS}).with_columns(
            pl.col("open", "high", "low", "close") * (1 + number)
        )
        for number, symbol in enumerate(symbols)
    ]
    return pl.concat(parts).with_columns(**changes)


PLAIN = load_panel(long())


def pandas_of(symbol=None, **index):
    """The rows of one symbol with an index of times, or of both, title case."""
    frame = long() if symbol is None else long().filter(symbol=symbol)
    return pd.DataFrame(frame.rename(str.title).to_dict(as_series=False)).assign(
        Timestamp=lambda table: pd.to_datetime(table["Timestamp"])
    )


def flat(symbol="AAPL", name="Date"):
    table = pandas_of(symbol).drop(columns="Symbol").set_index("Timestamp")
    return table.rename_axis(name)


def levels(symbol_first=False, names=("Price", "Ticker")):
    """Columns of two levels, as several symbols come from yfinance."""
    parts = {symbol: flat(symbol) for symbol in ("AAPL", "LOW")}
    wide = pd.concat(parts, axis=1, names=names[::-1])
    return wide if symbol_first else wide.swaplevel(axis=1).sort_index(axis=1)


def same(panel, expected=PLAIN):
    assert panel.symbols == expected.symbols
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(expected, name))
    dates = panel.timestamps if panel.timestamps.dtype == pl.Date else panel.timestamps.dt.date()
    assert dates.to_list() == DAYS


# Names ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spell", [str.upper, str.title, lambda name: f" {name} ", lambda name: f"<{name.upper()}>"])
@pytest.mark.parametrize("time", ["timestamp", "datetime", "date", "time"])
@pytest.mark.parametrize("symbol", ["symbol", "asset", "product", "ticker"])
def test_names_are_found_in_any_case_and_by_their_synonyms(spell, time, symbol):
    frame = long().rename({"timestamp": time, "symbol": symbol})
    same(load_panel(frame.rename({name: spell(name) for name in frame.columns})))


def test_the_first_synonym_counts_and_the_exact_spelling_first():
    assert find(FIELDS["timestamp"], ["Time", "date", "TIMESTAMP"]) == "TIMESTAMP"
    assert find(FIELDS["close"], ["Close", "close", "price"]) == "close"
    assert plain("Adj Close") == plain("adj_close") == plain("adjClose")
    with pytest.raises(DataError, match="the columns 'Close', 'CLOSE' all mean 'close'"):
        load_panel(long().rename({"close": "Close"}).with_columns(CLOSE=pl.col("Close")))


def test_the_mapping_of_columns_is_taken_by_the_letter():
    odd = long().with_columns(Close=pl.col("close") * 2).rename({"close": "raw"})
    same(load_panel(odd, columns={"close": "raw"}))
    with pytest.raises(DataError, match="looked for 'RAW'"):
        load_panel(odd, columns={"close": "RAW"})


def test_a_single_symbol_is_named():
    alone = long().filter(symbol="AAPL").drop("symbol")
    same(load_panel(alone, symbol="AAPL"), PLAIN.select(["AAPL"]))
    with pytest.raises(DataError, match="no column for 'symbol'.*symbol='ABC'"):
        load_panel(alone)
    with pytest.raises(DataError, match=r"have a column of symbols, 'symbol'; symbols=\['AAPL'\] selects"):
        load_panel(long(), symbol="AAPL")
    order = Orders(pl.DataFrame({"date": DAYS[:1], "ticker": "AAPL", "quantity": 1.0}))
    assert run_backtest(alone, order, symbol="AAPL").fills.height == 1


def test_dates_and_times_in_two_columns_are_refused():
    two = long().rename({"timestamp": "Date"}).with_columns(Time=pl.lit(dt.time(9, 30)))
    with pytest.raises(DataError, match=r"pl.col\('Date'\).dt.combine\(pl.col\('Time'\)\)"):
        load_panel(two)


# pandas --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "Date", "Datetime", "timestamp", "index", "Whenever"])
def test_an_index_of_times_is_the_column_of_times(name):
    same(load_panel(flat(name=name), symbol="AAPL"), PLAIN.select(["AAPL"]))
    both = pandas_of().set_index("Timestamp").rename_axis(name)
    same(load_panel(both))
    days = pd.to_datetime(DAYS[:2])
    frame = pd.DataFrame({"Ticker": "AAPL", "Quantity": [2.0, -1.0]}, index=days.rename(name))
    orders = run_backtest(load_panel(both), Orders(frame)).orders
    assert orders["quantity"].to_list() == [2.0, 1.0]


def test_an_index_beside_a_column_of_times_says_nothing():
    table = pandas_of()
    table.index = pd.to_datetime(["2030-01-01"] * len(table))
    same(load_panel(table))
    same(load_panel(table.set_index(np.arange(5, 5 + len(table)))))


def test_a_table_made_of_pandas_keeps_its_index():
    table = pandas_of().set_index("Timestamp").rename_axis(None)
    same(load_panel(pa.Table.from_pandas(table)))
    same(load_panel(pa.Table.from_pandas(pandas_of().set_index(["Timestamp", "Symbol"]).rename_axis([None, None]))))


def test_an_index_of_times_and_symbols_needs_no_names():
    table = pandas_of().set_index(["Timestamp", "Symbol"])
    same(load_panel(table))
    same(load_panel(table.rename_axis([None, None])))
    same(load_panel(pandas_of().set_index(["Symbol", "Timestamp"]).rename_axis([None, None])))


@pytest.mark.parametrize("symbol_first", [False, True])
@pytest.mark.parametrize("names", [("Price", "Ticker"), (None, None)])
def test_columns_of_two_levels_are_stacked_either_way_round(symbol_first, names):
    """A ticker is called LOW here, like a field."""
    same(load_panel(levels(symbol_first, names)))
    one = levels(symbol_first, names)
    level = 0 if symbol_first else 1
    low = one.loc[:, one.columns.get_level_values(level) == "LOW"]
    same(load_panel(low), PLAIN.select(["LOW"]))


def test_a_symbol_without_a_row_of_two_levels_has_no_bar_there():
    wide = levels()
    wide.loc[wide.index[1], [column for column in wide.columns if column[1] == "LOW"]] = np.nan
    panel = load_panel(wide)
    assert np.isnan(panel.close[:, 1]).tolist() == [False, True, False, False, False]


def test_levels_that_are_not_field_and_symbol_are_refused():
    wide = levels()
    with pytest.raises(DataError, match="must be field and symbol; got 'w', 'x'"):
        load_panel(wide.set_axis(pd.MultiIndex.from_product([list("wx"), list("abcde")]), axis=1))
    with pytest.raises(DataError, match="columns of 3 levels"):
        load_panel(pd.concat({"a": wide}, axis=1))


# Files and rows ------------------------------------------------------------------------------------------------------


def test_a_csv_is_read_with_its_dates(tmp_path):
    long().write_csv(tmp_path / "prices.csv")
    same(load_panel(tmp_path / "prices.csv"))
    same(load_panel(str(tmp_path / "*.csv")))
    flat().to_csv(tmp_path / "AAPL.csv")
    same(load_panel(tmp_path / "AAPL.csv"), PLAIN.select(["AAPL"]))
    same(load_panel(tmp_path / "prices.csv", symbols=["LOW"], end="2024-01-09"), PLAIN.select(["LOW"]))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_name_of_a_file_is_the_symbol_of_its_rows(tmp_path, kind):
    for symbol in ("AAPL", "LOW"):
        own = long().filter(symbol=symbol).drop("symbol")
        getattr(own, f"write_{kind}")(tmp_path / f"{symbol}.{kind}")
    (tmp_path / "README.md").write_text("not data")
    same(load_panel(tmp_path))
    same(load_panel(tmp_path / f"*.{kind}"))
    same(load_panel(tmp_path, symbols=["AAPL"]), PLAIN.select(["AAPL"]))
    same(load_panel(tmp_path / f"LOW.{kind}", symbol="renamed").select(["renamed"]).select(), _renamed())


def _renamed():
    return load_panel(long().filter(symbol="LOW").with_columns(symbol=pl.lit("renamed")))


def test_a_column_of_symbols_counts_more_than_the_names_of_files(tmp_path):
    for number, symbol in enumerate(("AAPL", "LOW")):
        long().filter(symbol=symbol).write_parquet(tmp_path / f"part-{number}.parquet")
    same(load_panel(tmp_path))
    deep = tmp_path / "deep"
    for symbol in ("AAPL", "LOW"):
        (deep / f"symbol={symbol}").mkdir(parents=True)
        long().filter(symbol=symbol).drop("symbol").write_parquet(deep / f"symbol={symbol}" / "0.parquet")
    same(load_panel(deep))


def test_files_with_other_spellings_and_types_fit_together(tmp_path):
    long().filter(symbol="AAPL").drop("symbol").write_csv(tmp_path / "AAPL.csv")
    whole = long().filter(symbol="LOW").drop("symbol").rename(str.upper).with_columns(pl.col("VOLUME").cast(pl.Int64))
    whole.write_csv(tmp_path / "LOW.csv")
    same(load_panel(tmp_path))


def test_folders_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(DataError, match="holds neither Parquet nor CSV files"):
        load_panel(tmp_path)
    long().write_csv(tmp_path / "a.csv")
    long().write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="holds Parquet and CSV files; name one kind with a glob"):
        load_panel(tmp_path)


def test_rows_of_an_exchange_are_times_in_utc():
    rows = json.loads((DATA / "ccxt.json").read_text())
    panel = load_panel(rows, symbol="BTC/USDT", bar_label="open")
    assert panel.shape == (12, 1) and panel.timestamps.dtype == pl.Datetime("us", "UTC")
    assert panel.labels[0] == dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    assert panel.timestamps[0] == dt.datetime(2024, 1, 1, 1, tzinfo=dt.UTC)
    assert panel.close[:, 0].tolist() == [row[4] for row in rows]
    pair = load_panel({"BTC/USDT": rows, "ETH/USDT": [tuple(row) for row in rows[2:]]})
    assert pair.symbols == ("BTC/USDT", "ETH/USDT") and np.isnan(pair.close[:2, 1]).all()
    named = load_panel({symbol: flat(symbol) for symbol in ("LOW", "AAPL")})
    same(named)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        ([[1704067200000, 1, 1, 1]], "row 0 is"),
        ([1, 2], "row 0 is 1"),
        ([[1704067200, 1, 1, 1, 1, 1]], "1704067200 in row 0 is no time in milliseconds"),
        ([[1704067200000, "x", 1, 1, 1, 1]], "cannot be read"),
        ({}, "no rows"),
        ({"A": [1.0, 2.0]}, "a dict maps symbols to frames; 'A' is list"),
        ({"A": pl.DataFrame({"symbol": ["A"]})}, "have a column of symbols"),
    ],
)
def test_rows_that_are_no_bars_are_refused(rows, message):
    with pytest.raises(DataError, match=message):
        load_panel(rows) if not rows or isinstance(rows, dict) else load_panel(rows, symbol="X")


# Times that are written otherwise ------------------------------------------------------------------------------------

SECONDS = [1704153600 + 86_400 * number for number in (0, 1, 2, 3, 6)]


@pytest.mark.parametrize(
    "stamps",
    [
        SECONDS,
        [second * 10**3 for second in SECONDS],
        [second * 10**6 for second in SECONDS],
        [second * 10**9 for second in SECONDS],
        [float(second) for second in SECONDS],
        [int(day.strftime("%Y%m%d")) for day in DAYS],
        [day.strftime("%Y%m%d") for day in DAYS],
        [str(second * 1000) for second in SECONDS],
        [day.isoformat() for day in DAYS],
        [f"{day} 00:00:00" for day in DAYS],
        [f"{day}T00:00" for day in DAYS],
        [f"{day}T00:00:00.000Z" for day in DAYS],
        [f"{day} 00:00:00-05:00" for day in DAYS],
        [f"{day} 00:00:00+{hours}:00" for day, hours in zip(DAYS, ("09", "09", "10", "10", "09"), strict=True)],
    ],
    ids=lambda stamps: str(stamps[0]),
)  # fmt: skip
def test_times_in_other_writing_are_read_when_asked(stamps):
    frame = pl.concat([long()[:5], long()[5:]]).with_columns(timestamp=pl.Series(stamps * 2))
    with pytest.raises(DataError, match="repair='text'"):
        load_panel(frame)
    panel = load_panel(frame, repair="text")
    same(panel)
    assert panel.repairs == {"text": 10}
    table = pd.DataFrame(frame.to_dict(as_series=False)).set_index("timestamp")
    same(load_panel(table, repair="text"))


def test_numbers_in_text_are_read_when_asked():
    text = long().with_columns(pl.col("open", "close").cast(pl.String), volume=pl.format(" {} ", "volume"))
    with pytest.raises(DataError, match="open must be a number.*repair='text' reads numbers"):
        load_panel(text)
    same(load_panel(text, repair="text"))
    assert load_panel(long(), repair="text").repairs == {"text": 0}
    empty = text.with_columns(open=pl.when(pl.col("close") == "11.5").then(pl.lit("")).otherwise("open"))
    assert load_panel(empty, repair=["text", "flat_from_close"]).open[2, 0] == 11.5
    with pytest.raises(DataError, match="text must be a number: column 'close', value 'n/a'; 9 more"):
        load_panel(text.with_columns(close=pl.lit("n/a")), repair="text")


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        ([1, 2, 3, 4, 5], "1 is no date and no time since 1970 of a known unit; pl.from_epoch"),
        ([50_000_000_000] * 5, "from_epoch"),
        ([20240102, 1704153600, 3, 4, 5], "from_epoch"),
        (["02/01/2024"] * 5, "text must be ISO.*'02/01/2024' in row 0"),
        (["2024-01-02", "2024-01-03 10:00", "2024-01-04", "2024-01-05", "2024-01-08"], "all in one form"),
        ([20240102, 20240103, 20240104, 20240199, 20240108], "text must be ISO dates.*20240"),
    ],
)
def test_what_is_ambiguous_stays_unread(stamps, message):
    frame = long().with_columns(timestamp=pl.Series(stamps * 2))
    with pytest.raises(DataError, match=message):
        load_panel(frame, repair="text")


def test_units_are_told_apart_by_size():
    for power, unit in ((1, "s"), (1000, "ms"), (10**6, "us"), (10**9, "ns")):
        for year in (1974, 2024, 2250):
            number = int(dt.datetime(year, 6, 1, tzinfo=dt.UTC).timestamp()) * power
            assert unit_of(pl.Series([number])) == unit
            assert as_times(pl.Series([number])).dt.year().to_list() == [year]
    assert unit_of(pl.Series([0, 1])) is None and unit_of(pl.Series([], dtype=pl.Int64)) is None


def test_numbers_as_times_of_a_strategy_name_the_way():
    for number, way in ((1704153600000, r"pl.from_epoch\(pl.col\('timestamp'\), 'ms'\)"), (20240102, "to_date")):
        order = Orders(pl.DataFrame({"timestamp": [number], "symbol": "AAPL", "quantity": 1.0}))
        with pytest.raises(StrategyError, match=way):
            run_backtest(PLAIN, order)


# Strategies ----------------------------------------------------------------------------------------------------------


def test_columns_of_strategies_have_the_names_of_prices():
    keys = pl.DataFrame({"Date": DAYS[:2], "Ticker": "AAPL"})
    exact = keys.rename({"Date": "timestamp", "Ticker": "symbol"})
    pairs = [
        (Orders(keys.with_columns(Quantity=1.0, Type=pl.lit("limit"), **{"Limit Price": 9.9})),
         Orders(exact.with_columns(quantity=1.0, type=pl.lit("limit"), limit_price=9.9))),
        (Signals(keys.with_columns(Entry=True, Exit=False), size=0.1),
         Signals(exact.with_columns(entry=True, exit=False), size=0.1)),
        (Signals(keys.with_columns(Entry=True, Leave=False), exits="Leave", short_exits="Entry", size=0.1),
         Signals(exact.with_columns(entry=True, exit=False, short_exit=True), size=0.1)),
        (TargetWeights(keys.with_columns(Weight=0.3)), TargetWeights(exact.with_columns(weight=0.3))),
        (TargetShares(keys.with_columns(SHARES=3.0)), TargetShares(exact.with_columns(shares=3.0))),
        (TargetWeights(pl.DataFrame({"Date": DAYS[:2], "AAPL": 0.1, "LOW": 0.2})),
         TargetWeights(pl.DataFrame({"timestamp": DAYS[:2], "AAPL": 0.1, "LOW": 0.2}))),
        (TargetWeights(pd.DataFrame({"AAPL": [0.1, 0.1], "LOW": 0.2}, index=pd.to_datetime(DAYS[:2]))),
         TargetWeights(pl.DataFrame({"timestamp": DAYS[:2], "AAPL": 0.1, "LOW": 0.2}))),
        (Signals(pd.DataFrame({"LOW": [True, False]}, index=pd.to_datetime(DAYS[:2])), size=0.1),
         Signals(pl.DataFrame({"timestamp": DAYS[:2], "LOW": [True, False]}), size=0.1)),
    ]  # fmt: skip
    for given, expected in pairs:
        first, second = (run_backtest(PLAIN, strategy).orders for strategy in (given, expected))
        assert first.height and first.equals(second)


def test_symbols_of_a_wide_frame_are_never_fields():
    """LOW, DATE and ASSET are symbols where their columns hold weights."""
    symbols = ("ASSET", "LOW", "PRODUCT")
    panel = load_panel(long(symbols))
    wide = pl.DataFrame({"timestamp": DAYS[:1], "ASSET": 0.1, "LOW": 0.2, "PRODUCT": 0.3})
    assert run_backtest(panel, TargetWeights(wide)).orders["symbol"].to_list() == list(symbols)


def test_a_series_with_its_symbol_is_a_wide_frame():
    weights = pd.Series([0.1, 0.0], pd.to_datetime(DAYS[:2]), name="LOW")
    assert set(run_backtest(PLAIN, TargetWeights(weights)).fills["symbol"]) == {"LOW"}


# Actions -------------------------------------------------------------------------------------------------------------


def yahoo():
    return pd.read_csv(DATA / "yfinance.csv", header=[0, 1], index_col=0, parse_dates=True)


def test_actions_as_yfinance_gives_them():
    """Both level orders, one symbol flat, a Series of dividends; 0 is none, and midnights of a zone are dates."""
    frame = yahoo()
    expected = [("AAPL", dt.date(2024, 1, 9), "dividend", 0.24), ("MSFT", dt.date(2024, 1, 11), "dividend", 0.75)]
    assert load_panel(frame, frame).actions.rows() == expected
    turned = frame.swaplevel(axis=1)
    assert load_panel(turned, turned).actions.rows() == expected
    single = frame.xs("MSFT", axis=1, level=1)
    zoned = single.tz_localize("America/New_York")
    for prices, actions in (
        (single, single),
        (single, single[["Dividends", "Stock Splits"]]),
        (single, single["Dividends"]),
        (zoned, zoned),
        (single, zoned),
    ):
        assert load_panel(prices, actions, symbol="MSFT").actions.rows() == expected[1:]
    late = zoned.set_axis(zoned.index + pd.Timedelta(hours=16))
    with pytest.raises(DataError, match="mixed timezones"):
        load_panel(single, late, symbol="MSFT")


def test_a_file_of_actions_of_the_only_symbol_needs_no_name(tmp_path):
    frame = yahoo().xs("MSFT", axis=1, level=1)[["Dividends"]]
    frame.to_csv(tmp_path / "dividends.csv")
    frame.to_csv(tmp_path / "MSFT.csv")
    one = load_panel(yahoo().xs("MSFT", axis=1, level=1), tmp_path / "dividends.csv", symbol="MSFT")
    assert one.actions.rows() == [("MSFT", dt.date(2024, 1, 11), "dividend", 0.75)]
    assert load_panel(yahoo(), tmp_path / "MSFT.csv").actions.rows() == one.actions.rows()


def test_splits_of_yfinance_are_new_shares_per_old():
    price = [100.0, 100.0, 25.0, 25.0, 25.0]
    table = pd.DataFrame(dict.fromkeys(("Open", "High", "Low", "Close"), price), pd.to_datetime(DAYS))
    table["Dividends"], table["Stock Splits"] = 0.0, [0.0, 0.0, 4.0, 0.0, 0.0]
    assert load_panel(table, table, symbol="X").actions.rows() == [("X", DAYS[2], "split", 4.0)]
    assert load_panel(table, table["Stock Splits"], symbol="X").actions["value"].to_list() == [4.0]
    two = pd.concat({"X": table, "Y": table}, axis=1)
    with pytest.raises(DataError, match="actions need the columns"):
        load_panel(two, table)  # whose splits are these?


def test_what_is_not_read_is_said():
    """Adj Close beside Close, and actions beside prices, are told of; a warning when nothing stands for them."""
    frame = yahoo()
    with pytest.warns(DataWarning, match=r"'Adj Close', 'Dividends', 'Stock Splits' of the prices are not read.*none"):
        silent = load_panel(frame)
    told = load_panel(frame, frame)
    for panel in (silent, told):
        assert any("Adj Close" in notice for notice in panel.notices)
        result = run_backtest(panel, TargetWeights.from_array(np.full(panel.shape, 0.4)))
        assert any("Adj Close" in notice for notice in result.notices)
    bare = load_panel(frame.drop(columns="Adj Close", level=0))
    assert any("Dividends" in notice for notice in bare.notices)
    assert load_panel(long()).notices == ()
    assert load_panel(long(), extras=["Adj Close"], columns={"Adj Close": "close"}).notices == ()


# Refusals ------------------------------------------------------------------------------------------------------------


def test_wide_frames_of_one_field_are_refused_with_the_way_to_stack_them():
    wide = long().pivot("symbol", index="timestamp", values="close")
    indexed = pd.DataFrame({name: wide[name] for name in ("AAPL", "LOW")}, index=pd.to_datetime(DAYS))
    for frame in (wide, wide.rename({"timestamp": "Date"}), indexed):
        with pytest.raises(DataError, match=r"'AAPL', 'LOW' look like symbols.*\.unpivot\(index='.*Panel.from_arrays"):
            load_panel(frame)
    stacked = wide.unpivot(index="timestamp", variable_name="symbol", value_name="close")
    np.testing.assert_array_equal(load_panel(stacked, repair="flat_from_close").close, PLAIN.close)


@pytest.mark.parametrize(
    ("bar", "word"), [({"low": 1.258e-5, "open": 1.257e-5}, "widen_range"), ({"open": None}, "flat_from_close")]
)
def test_refusals_name_the_repair_that_loads(bar, word):
    """An exchange whose open is the last close, so that the low lies above it."""
    row = {"open": 1.257e-5, "high": 1.258e-5, "low": 1.25e-5, "close": 1.258e-5} | bar
    frame = pl.DataFrame({"timestamp": [dt.datetime(2019, 3, 18, 14, 2)], "symbol": "ADA", **row})
    with pytest.raises(DataError, match=word):
        load_panel(frame)
    assert load_panel(frame, repair=word).shape == (1, 1)


def test_frames_without_rows_say_so():
    names = ("timestamp", "symbol", "open", "high", "low", "close")
    for empty in (pl.DataFrame({name: [] for name in names}), long().clear(), pd.DataFrame({n: [] for n in names})):
        with pytest.raises(DataError, match="prices have no rows"):
            load_panel(empty)
    keys = {"timestamp": [], "symbol": []}
    for strategy in (
        Orders(pl.DataFrame({**keys, "quantity": []})),
        Signals(pl.DataFrame({**keys, "entry": []})),
        TargetWeights(pl.DataFrame({**keys, "weight": []})),
        TargetWeights(pl.DataFrame({"timestamp": [], "AAPL": []})),
    ):
        assert run_backtest(PLAIN, strategy, config=Config()).orders.height == 0
    with pytest.raises(DataError, match="timestamp must not be null"):
        load_panel(long().with_columns(timestamp=pl.lit(None)))


def test_shapes_that_are_nearly_right_name_the_way(tmp_path):
    levels().to_csv(tmp_path / "two.csv")
    for given, message in (
        (tmp_path / "two.csv", r"read_csv\(path, header=\[0, 1\]"),
        (pl.from_pandas(levels().reset_index()), "give the pandas frame itself"),
        (flat().set_axis(flat().index.to_period("D")), r"periods; \.to_timestamp\(\)"),
        (pl.DataFrame(), "prices have no columns"),
        (flat().set_axis(range(5, 10)), "no column for 'timestamp'"),
        (pd.concat([flat(), flat()[["Close"]]], axis=1), "Duplicate column names"),
    ):
        with pytest.raises(DataError, match=message):
            load_panel(given)
    text = flat().set_axis(flat().index.strftime("%Y-%m-%d").to_numpy())
    same(load_panel(text, symbol="AAPL", repair="text"), PLAIN.select(["AAPL"]))


def test_arrays_need_nothing_of_this():
    assert Panel.from_arrays(*[np.ones((2, 1))] * 4).symbols == ("A0",)
