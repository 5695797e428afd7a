"""Names beat positions: frames given where arrays may be given are matched by their columns and times, or refused."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from facade import Config, DataError, Panel, Signals, StrategyError, TargetShares, TargetWeights, run_backtest, sweep

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]
SYMBOLS = ("A", "B", "C")
PRICES = np.column_stack([np.linspace(10, 20, 6), np.linspace(30, 20, 6), np.linspace(50, 80, 6)])
PANEL = Panel.from_arrays(PRICES, PRICES, PRICES, PRICES, symbols=SYMBOLS, timestamps=DAYS)
CONFIG = Config(lot=0, allow_short_selling=False)

WEIGHTS = np.full((6, 3), np.nan)
WEIGHTS[1], WEIGHTS[3] = (0.6, 0.0, 0.1), (0.0, 0.3, 0.4)
FLAGS = np.zeros((6, 3), bool)
FLAGS[1, 0] = FLAGS[1, 2] = FLAGS[2, 1] = True

MAKERS = {
    "weights": (TargetWeights.from_array, WEIGHTS),
    "shares": (TargetShares.from_array, WEIGHTS * 100),
    "signals": (lambda values: Signals.from_arrays(values, size=0.3), FLAGS),
    "exits": (lambda values: Signals.from_arrays(FLAGS, values, size=0.3), np.roll(FLAGS, 2, axis=0)),
    "short exits": (lambda values: Signals.from_arrays(FLAGS, short_exits=values, size=0.3), FLAGS),
    "sizes": (lambda values: Signals.from_arrays(FLAGS, size=values), np.where(FLAGS, [0.1, 0.2, 0.3], np.nan)),
    "ranks": (lambda values: Signals.from_arrays(FLAGS, size=0.3, rank=values), np.tile([3.0, 2.0, 1.0], (6, 1))),
}
FRAMES = {
    "pandas, other order": lambda values: pd.DataFrame(values, columns=list(SYMBOLS))[["C", "A", "B"]],
    "pandas with times": lambda values: pd.DataFrame(values, pd.to_datetime(DAYS), list(SYMBOLS))[["B", "C", "A"]],
    "pandas without names": lambda values: pd.DataFrame(values),
    "polars, other order": lambda values: pl.DataFrame(values, schema=list(SYMBOLS)).select("C", "A", "B"),
    "polars with times": lambda values: pl.DataFrame(values, schema=list(SYMBOLS)).with_columns(Date=pl.Series(DAYS)),
    "polars, lazy": lambda values: pl.DataFrame(values, schema=list(SYMBOLS)).lazy().select("B", "A", "C"),
    "polars without names": lambda values: pl.DataFrame(values),
}


def traded(strategy, panel=PANEL):
    """What was done, of the whole run, in its order."""
    ranked = isinstance(strategy, Signals) and strategy.ranks is not None
    config = CONFIG.replace(entry_rank="rank") if ranked else CONFIG
    result = run_backtest(panel, strategy, config=config)
    return result.fills.select("timestamp", "symbol", "side", "quantity", "price").rows()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("form", FRAMES)
def test_a_frame_trades_what_its_names_say(maker, form):
    """In whatever order the columns are, the symbol of a column decides, as if the array had been given."""
    make, values = MAKERS[maker]
    expected = traded(make(values))
    assert expected and traded(make(FRAMES[form](values))) == expected


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["A", "B", "D"], "it has not 'C' and it has 'D' besides"),
        (["A", "B", "C", "D"], "it has 'D' besides"),
        (["A", "B"], "it has not 'C'"),
        (["a", "b", "c"], "it has not 'A', 'B', 'C'"),
    ],
)
@pytest.mark.parametrize("library", [pd, pl])
def test_columns_that_are_not_the_symbols_are_refused(maker, columns, message, library):
    make, values = MAKERS[maker]
    wide = np.column_stack([values, values])[:, : len(columns)]
    frame = pd.DataFrame(wide, columns=columns) if library is pd else pl.DataFrame(wide, schema=columns)
    with pytest.raises(StrategyError, match=f"not the symbols of the panel: {message}"):
        traded(make(frame))


@pytest.mark.parametrize("maker", MAKERS)
def test_rows_are_matched_by_their_times(maker):
    """Rows may come in another order, or for some bars: the others decide nothing. Other times are refused."""
    make, values = MAKERS[maker]
    whole = pd.DataFrame(values, pd.to_datetime(DAYS), list(SYMBOLS))
    assert traded(make(whole.iloc[::-1])) == traded(make(values))
    if maker in ("weights", "shares"):
        assert traded(make(whole.dropna())) == traded(make(values))
    moved = whole.set_axis(whole.index + pd.Timedelta(days=1))
    with pytest.raises(StrategyError, match="lies between the bars 2024-01-05 and 2024-01-08"):
        traded(make(moved))
    with pytest.raises(StrategyError, match="array of shape|columns? without names"):
        traded(make(pd.DataFrame(values[:4], columns=list(SYMBOLS))))


def test_names_survive_the_cut_to_windows_and_symbols():
    """A row of a sweep over parts is the run of that part."""
    frame = FRAMES["pandas, other order"](WEIGHTS)
    grid = {"symbols": [["A", "C"], ["B"]], "window": [(DAYS[0], DAYS[3]), (DAYS[1], None)]}
    by_name, by_place = (
        sweep(PANEL, TargetWeights.from_array(given), CONFIG, grid, progress=False) for given in (frame, WEIGHTS)
    )
    assert by_name.table["final_value"].to_list() == by_place.table["final_value"].to_list()
    flags = [Signals.from_arrays(given, size=0.3) for given in (FRAMES["polars with times"](FLAGS), FLAGS)]
    first, second = (sweep(PANEL, given, CONFIG, grid, progress=False).table["final_value"] for given in flags)
    assert first.to_list() == second.to_list()


ONE = PANEL.select(["A"])


@pytest.mark.parametrize(
    "series",
    [
        WEIGHTS[:, 0],
        pd.Series(WEIGHTS[:, 0]),
        pd.Series(WEIGHTS[:, 0], pd.to_datetime(DAYS), name="A"),
        pd.Series(WEIGHTS[:, 0], pd.to_datetime(DAYS), name="weight"),
        pd.Series(WEIGHTS[:, 0], pd.to_datetime(DAYS)).iloc[::-1],
        pd.Series(WEIGHTS[:, 0], pd.to_datetime(DAYS)).dropna(),
        pd.Series(WEIGHTS[:, 0], name="Adj Close").astype("Float64"),
        pl.Series("A", WEIGHTS[:, 0]),
        pl.Series(WEIGHTS[:, 0]),
    ],
    ids=str,
)
def test_one_dimension_is_enough_for_one_symbol(series):
    assert traded(TargetWeights.from_array(series), ONE) == traded(TargetWeights.from_array(WEIGHTS[:, :1]), ONE) != []


def test_a_series_of_another_symbol_and_one_for_many_are_refused():
    values = WEIGHTS[:, 0]
    with pytest.raises(StrategyError, match="it has not 'A' and it has 'MSFT' besides"):
        traded(TargetWeights.from_array(pd.Series(values, name="MSFT")), ONE)
    with pytest.raises(StrategyError, match=r"shape \(6, 1\) given for a panel of 6 bars x 3"):
        traded(TargetWeights.from_array(pd.Series(values)))
    with pytest.raises(StrategyError, match="1 column without names given for a panel of 3 symbols"):
        traded(TargetWeights.from_array(pd.Series(values, pd.to_datetime(DAYS))))
    with pytest.raises(StrategyError, match="it has not 'B', 'C'"):
        traded(TargetWeights.from_array(pl.Series("A", values)))
    flags = pd.Series(FLAGS[:, 0], pd.to_datetime(DAYS), name="entry")
    assert traded(Signals.from_arrays(flags, size=0.3), ONE) == traded(Signals.from_arrays(FLAGS[:, 0], size=0.3), ONE)
    with pytest.raises(StrategyError, match="Series go to from_array"):
        Signals(flags)


def test_the_order_of_columns_that_first_use_found():
    """Columns MSFT, IBM, AAPL on a panel AAPL, IBM, MSFT bought AAPL."""
    price = np.full((4, 3), 10.0)
    panel = Panel.from_arrays(price, price, price, price, symbols=["AAPL", "IBM", "MSFT"])
    weights = pd.DataFrame({"MSFT": [0.9, 0, 0, 0], "IBM": 0.0, "AAPL": 0.0})
    result = run_backtest(panel, TargetWeights.from_array(weights), config=CONFIG)
    assert set(result.orders["symbol"]) == {"MSFT"}


# Panel.from_arrays ---------------------------------------------------------------------------------------------------


def fields(**changes):
    """Open, high, low, close of a pandas frame each, with names and times."""
    base = pd.DataFrame(PRICES, pd.to_datetime(DAYS), list(SYMBOLS))
    return {"open": base, "high": base + 1, "low": base - 1, "close": base + 0.5, **changes}


def test_the_first_frame_names_symbols_and_times():
    panel = Panel.from_arrays(**fields())
    assert panel.symbols == SYMBOLS and panel.timestamps.dt.date().to_list() == DAYS
    assert panel.periods_per_year != 252.0 or len(panel.session_dates) == 6
    polars = {name: pl.from_pandas(frame.rename_axis("Date").reset_index()) for name, frame in fields().items()}
    assert Panel.from_arrays(**polars).digest == panel.digest


def test_columns_of_every_field_follow_the_names():
    turned = {name: frame[["C", "B", "A"]] for name, frame in fields().items()}
    for name in turned:
        mixed = Panel.from_arrays(**fields(**{name: turned[name]}))
        order = ["C", "B", "A"] if name == "open" else list(SYMBOLS)
        assert list(mixed.symbols) == order
        np.testing.assert_array_equal(mixed.close, fields()["close"][order].to_numpy())
        np.testing.assert_array_equal(mixed.open, fields()["open"][order].to_numpy())
    extra = fields()["open"][["B", "A", "C"]]
    panel = Panel.from_arrays(**fields(), volume=extra, extras={"spread": extra})
    np.testing.assert_array_equal(panel.extras["spread"], fields()["open"].to_numpy())
    np.testing.assert_array_equal(panel.volume, fields()["open"].to_numpy())
    given = Panel.from_arrays(**fields(), symbols=["B", "C", "A"])
    np.testing.assert_array_equal(given.close[:, 0], fields()["close"]["B"].to_numpy())


BASE = fields()["close"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"close": BASE.rename(columns={"C": "D"})}, "columns of close are not those of open: close has not 'C' and"),
        ({"close": BASE[["A", "B"]]}, "close has not 'C'"),
        ({"symbols": ["A", "B", "X"]}, "columns of open are not those of symbols: open has not 'X' and has 'C'"),
        ({"volume": BASE.rename(columns={"A": "a"})}, "columns of volume"),
        ({"extras": {"spread": BASE[["A"]]}}, "columns of spread"),
        ({"low": BASE.set_axis(BASE.index + pd.Timedelta(days=1))}, "times of low are not those of open: 2024-01-03"),
        ({"low": BASE.iloc[::-1]}, "times of low are not those of open: 2024-01-09"),
        ({"low": BASE.iloc[:-1]}, "low has 5 times, open has 6"),
        ({"low": BASE.tz_localize("UTC")}, "times of low are .*UTC.*, those of open"),
        ({"timestamps": [*DAYS[:-1], dt.date(2024, 1, 10)]}, "times of open are not those of timestamps: 2024-01-09"),
        ({"timestamps": DAYS[:-1]}, "open has 6 times, timestamps has 5"),
        ({"close": pd.concat([BASE, BASE[["A"]]], axis=1)}, "close: repeated columns 'A'"),
    ],
)
def test_frames_that_disagree_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        Panel.from_arrays(**fields(**changes))


def test_arrays_beside_frames_and_dates_beside_midnights():
    panel = Panel.from_arrays(**fields(close=fields()["close"].to_numpy()), timestamps=DAYS)
    assert panel.timestamps.dtype == pl.Date and panel.symbols == SYMBOLS
    one = fields()["close"]["A"]
    single = Panel.from_arrays(one, one, one, one)
    assert single.symbols == ("A",) and single.shape == (6, 1)
    named = [one.rename(name) for name in ("Open", "High", "Low", "Close")]
    assert Panel.from_arrays(*named, symbols=["ABC"]).symbols == ("ABC",)
    with pytest.raises(DataError, match="columns of open are not those of symbols"):
        Panel.from_arrays(one, one, one, one, symbols=["ABC"])
