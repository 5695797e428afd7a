"""What is rounding and what is a violation: ranges of bars, sums of weights; and days whose midnight is missing or
comes twice."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Config, DataError, Panel, StrategyError, TargetWeights, load_panel, run_backtest, sweep

CLOSE = 13.677712440490723


def bar(**prices):
    base = {"open": CLOSE, "high": CLOSE, "low": CLOSE, "close": CLOSE} | prices
    return pl.DataFrame({"timestamp": [dt.date(2021, 1, 13)], "symbol": "X", **base})


def low_high(panel):
    return panel.low[0, 0], panel.high[0, 0]


@pytest.mark.parametrize("field", ["open", "close"])
@pytest.mark.parametrize("ulps", [1, 10, 5_000])
def test_a_range_short_of_a_price_by_rounding_is_taken_for_it(field, ulps):
    """Up to a relative 1e-12 (some 5,600 units in the last place here); the kernel sees a consistent bar."""
    above = CLOSE + ulps * np.spacing(CLOSE)
    assert low_high(load_panel(bar(low=13.0, **{field: above}))) == (13.0, above)
    below = CLOSE - ulps * np.spacing(CLOSE)
    assert low_high(load_panel(bar(high=14.0, **{field: below}))) == (below, 14.0)
    arrays = {name: [[value]] for name, value in bar(low=13.0, **{field: above}).drop("timestamp", "symbol").row(
        0, named=True).items()}  # fmt: skip
    assert low_high(Panel.from_arrays(**arrays)) == (13.0, above)


def test_the_bar_of_yfinance_and_the_bars_around_it():
    assert load_panel(bar(high=13.67771244049072, low=13.5)).high[0, 0] == CLOSE
    assert load_panel(bar(low=np.nextafter(CLOSE, 20), high=14.0)).low[0, 0] == CLOSE
    panel = load_panel(bar(high=13.67771244049072, low=13.5), repair="widen_range")
    assert panel.high[0, 0] == CLOSE and panel.repairs == {"widen_range": 0}  # there was nothing to mend


@pytest.mark.parametrize(
    "prices",
    [
        {"high": 13.6763, "low": 13.5},
        {"high": CLOSE * (1 - 1.1e-12), "low": 13.5},
        {"low": CLOSE * (1 + 1.1e-12), "high": 14.0},
    ],
)
def test_more_than_rounding_is_a_violation(prices):
    with pytest.raises(DataError, match="(high|low) must be at (least|most)"):
        load_panel(bar(**prices))


def test_one_bad_bar_among_rounded_ones_is_named_alone():
    price = np.full((40_000, 1), CLOSE)
    high = np.full((40_000, 1), 13.67771244049072)
    high[39_000] = 13.6
    with pytest.raises(DataError, match=r"bar 39000, column 'high', value 13.6 .*moves it there\.$"):
        Panel.from_arrays(price, high, price - 1, price, symbols=["X"])
    given = high.copy()
    high[39_000] = CLOSE
    panel = Panel.from_arrays(price, high, price - 1, price, symbols=["X"])
    assert (panel.high == price).all() and given[0, 0] != CLOSE and high[0, 0] != CLOSE  # ours, not the caller's


# Sums of weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 10, 500])
def test_weights_of_single_precision_that_sum_to_one_are_taken(count):
    raw = np.exp(np.arange(count, dtype=np.float32) / count)
    weights = np.full((3, count), np.nan)
    weights[0] = raw / raw.sum()
    price = np.full((3, count), 10.0)
    panel = Panel.from_arrays(price, price, price, price)
    for given in (weights, weights.astype(np.float32)):
        result = run_backtest(panel, TargetWeights.from_array(given), config=Config(lot=0))
        assert result.metrics["final_value"] == pytest.approx(100_000) and result.equity["cash"][-1] >= -1e-6


@pytest.mark.parametrize(("excess", "taken"), [(4.3e-8, True), (9.9e-7, True), (1.1e-6, False), (0.01, False)])
def test_the_excess_that_is_not_rounding_is_told(excess, taken):
    price = np.full((3, 2), 10.0)
    panel = Panel.from_arrays(price, price, price, price)
    strategy = TargetWeights.from_array(np.full((3, 2), 0.5 * (1 + excess)))
    if taken:
        assert run_backtest(panel, strategy, config=Config(lot=0)).rejections.height == 0
        return
    with pytest.raises(StrategyError, match=rf"sum to {1 + excess:.9g} in absolute value"):
        run_backtest(panel, strategy, config=Config(lot=0))


# Days and midnights --------------------------------------------------------------------------------------------------

ZONES = {
    "America/Sao_Paulo, midnight skipped": ("America/Sao_Paulo", dt.date(2018, 11, 4)),
    "America/Sao_Paulo, hour before midnight twice": ("America/Sao_Paulo", dt.date(2018, 2, 18)),
    "America/Havana, midnight twice": ("America/Havana", dt.date(2018, 11, 4)),
    "America/Havana, midnight skipped": ("America/Havana", dt.date(2018, 3, 11)),
    "Asia/Beirut, midnight skipped": ("Asia/Beirut", dt.date(2019, 3, 31)),
    "Pacific/Apia, a whole day skipped": ("Pacific/Apia", dt.date(2011, 12, 30)),
    "America/St_Johns, back over midnight": ("America/St_Johns", dt.date(2010, 11, 7)),
    "Europe/Berlin, an ordinary midnight": ("Europe/Berlin", dt.date(2019, 3, 31)),
}


def hours(zone, day, every="30m"):
    """Bars of half an hour from two days before to two days after, in a zone."""
    start = dt.datetime(day.year, day.month, day.day) - dt.timedelta(days=2)
    stamps = pl.datetime_range(start, start + dt.timedelta(days=5), every, time_zone="UTC", eager=True)
    return stamps.dt.convert_time_zone(zone).alias("timestamp")


def prices(stamps):
    return pl.DataFrame({"timestamp": stamps, "symbol": "X", "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0})


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_bounds_are_days_whatever_their_midnight_does(name, unit):
    """start= keeps the bars from the first moment of a day on, end= those up to its last, wherever it is given."""
    zone, day = ZONES[name]
    stamps = hours(zone, day).cast(pl.Datetime(unit, zone))
    frame, panel = prices(stamps), load_panel(prices(stamps))
    shown = stamps.dt.date().cum_max()  # where clocks go back over midnight, the day that has begun goes on
    for offset in (-1, 0, 1):
        bound = day + dt.timedelta(days=offset)
        for given in (bound, bound.isoformat()):
            for bounds, expected in (
                ({"start": given}, (shown >= bound).sum()),
                ({"end": given}, (shown <= bound).sum()),
            ):
                if expected:
                    assert load_panel(frame, **bounds).shape[0] == expected
                    assert panel.select(**bounds).shape[0] == expected
    window = [(day, None), (None, day + dt.timedelta(days=1))]
    found = sweep(panel, TargetWeights.from_array(np.full((len(stamps), 1), np.nan)), None, {"window": window},
                  progress=False)  # fmt: skip
    assert found.table["bars"].to_list() == [(shown >= day).sum(), (shown <= day + dt.timedelta(days=1)).sum()]


def test_the_case_of_sao_paulo():
    stamps = pl.Series("timestamp", [dt.datetime(2018, 11, 1, 15) + dt.timedelta(hours=6 * n) for n in range(24)])
    frame = prices(stamps.dt.replace_time_zone("UTC").dt.convert_time_zone("America/Sao_Paulo"))
    assert load_panel(frame, start="2018-11-04").timestamps[0].hour == 1
    assert load_panel(frame, end="2018-11-03").timestamps[-1].day == 3
    assert load_panel(frame, start="2018-11-04", end="2018-11-04").shape[0] == 4


def test_bounds_at_a_time_that_is_skipped_or_comes_twice():
    """A skipped time bounds at the change of clocks; of one that comes twice, both are inside."""
    skipped = prices(hours("Europe/Berlin", dt.date(2019, 3, 31)))
    after = load_panel(skipped, start=dt.datetime(2019, 3, 31, 2, 30)).timestamps[0]
    before = load_panel(skipped, end=dt.datetime(2019, 3, 31, 2, 30)).timestamps[-1]
    assert (after.hour, after.minute) == (3, 0) and (before.hour, before.minute) == (1, 30)
    twice = prices(hours("Europe/Berlin", dt.date(2019, 10, 27)))
    both = load_panel(twice, start=dt.datetime(2019, 10, 27, 2, 30), end=dt.datetime(2019, 10, 27, 2, 30))
    assert both.timestamps.dt.convert_time_zone("UTC").dt.time().to_list() == [
        dt.time(0, 30),
        dt.time(1),
        dt.time(1, 30),
    ]


@pytest.mark.parametrize("name", ZONES)
def test_sessions_are_days_and_never_fall(name):
    """And an ex-date on such a day acts on its first bar."""
    zone, day = ZONES[name]
    stamps = hours(zone, day)
    action = pl.DataFrame({"symbol": ["X"], "ex_date": [day], "kind": ["dividend"], "value": [0.01]})
    panel = load_panel(prices(stamps), action, bar_label="open")
    shown = stamps.dt.date().cum_max()
    assert panel.session_dates.to_list() == shown.unique().sort().to_list()
    assert (np.diff(panel.sessions) >= 0).all()
    assert panel.action_rows["bar"].tolist() == [int((shown >= day).arg_max())]
    midnight = action.with_columns(pl.col("ex_date").cast(pl.Datetime("us")))
    assert load_panel(prices(stamps), midnight, bar_label="open").action_rows["bar"].tolist() == \
        panel.action_rows["bar"].tolist()  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
def test_daily_bars_labelled_at_their_begin_end_a_day_later(name):
    zone, day = ZONES[name]
    stamps = hours(zone, day)
    first = stamps.filter(stamps.dt.date().cum_max().is_first_distinct())
    panel = load_panel(prices(first), bar_label="open")
    assert panel.timestamps[:-1].to_list() == first[1:].to_list()
    assert panel.labels.to_list() == first.to_list()
