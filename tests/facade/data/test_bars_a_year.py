"""Bars a year are counted, a panel has one figure whatever window is looked at, growth is by the calendar.

Wrong figures were reported of other engines for special Saturday sessions (pandas_market_calendars#480, Lean#7709), for
the first bar counted as a return (pyfolio#158, backtesting.py#1346) and for markets that do not trade from Monday on.
"""

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, Signals, TargetWeights, run_backtest, sweep, walk_forward
from facade.data.clock import calendar_years, make_clock

YEAR = 365.2425
MONDAY_TO_FRIDAY, SATURDAY_TO_WEDNESDAY = {0, 1, 2, 3, 4}, {5, 6, 0, 1, 2}


def dates(first, last, weekdays=frozenset(range(7)), *, closed=(), special=()):
    """Every date from first to last on one of the weekdays (Monday is 0) or special, but not closed."""
    first, last = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    every = [first + dt.timedelta(days=day) for day in range((last - first).days + 1)]
    return [day for day in every if (day.weekday() in weekdays or day in special) and day not in closed]


def holidays(years):
    """Nine fixed dates a year; those on a weekend change nothing."""
    days = ((1, 1), (1, 19), (2, 16), (4, 10), (5, 25), (7, 4), (9, 7), (11, 26), (12, 25))
    return {dt.date(year, month, day) for year in years for month, day in days}


def intraday(days, minutes, *, step=1, early=(), zone=None):
    """Ends of bars of `step` minutes from 9:30 on; on `early` days half of them."""
    ends = []
    for day in days:
        count = minutes // 2 if day in early else minutes
        start = dt.datetime.combine(day, dt.time(9, 30))
        ends += [start + dt.timedelta(minutes=minute) for minute in range(step, count + 1, step)]
    return pl.Series(ends).dt.replace_time_zone(zone)


def currencies(weeks, *, cut=(0, 0)):
    """Ends of hourly bars from Sunday 17:00 to Friday 17:00 in New York; cut: bars missing at the two ends."""
    sunday = dt.datetime(2024, 1, 7, 17)
    ends = [sunday + dt.timedelta(weeks=week, hours=hour) for week in range(weeks) for hour in range(1, 121)]
    ends = pl.Series(ends[cut[0] : len(ends) - cut[1]])
    # Clocks change on Sunday at 2:00, when this market is closed.
    return ends.dt.replace_time_zone("America/New_York")


def counted(times, **options):
    return make_clock(pl.Series("timestamp", times), **options).periods_per_year


LONG = ("2020-01-01", "2023-12-31")
CALENDARS = {
    # name: (timestamps, the true number of bars a year, relative tolerance)
    "shares": (dates(*LONG, MONDAY_TO_FRIDAY, closed=holidays(range(2020, 2024))), 252.0, 0.0),
    "shares of a year": (dates("2023-01-03", "2023-12-29", MONDAY_TO_FRIDAY, closed=holidays([2023])), 252.0, 0.0),
    "shares of a quarter": (dates("2023-01-03", "2023-03-30", MONDAY_TO_FRIDAY, closed=holidays([2023])), 252.0, 0.0),
    "no holidays": (dates(*LONG, MONDAY_TO_FRIDAY), 5 / 7 * YEAR, 1e-12),
    "two special Saturdays": (
        dates("2024-01-01", "2024-12-31", MONDAY_TO_FRIDAY, special={dt.date(2024, 1, 20), dt.date(2024, 3, 2)}),
        *(264 / 366 * YEAR, 0.01),
    ),
    "special Saturdays of a quarter": (
        dates("2024-01-01", "2024-03-29", MONDAY_TO_FRIDAY, special={dt.date(2024, 1, 20), dt.date(2024, 3, 2)}),
        *(252.0, 0.0),
    ),
    "Saturday to Wednesday": (dates(*LONG, SATURDAY_TO_WEDNESDAY), 5 / 7 * YEAR, 1e-12),
    "Saturday to Wednesday of a quarter": (dates("2023-01-01", "2023-03-31", SATURDAY_TO_WEDNESDAY), 252.0, 0.0),
    "six days": (dates("2023-01-02", "2023-06-30", {0, 1, 2, 3, 4, 5}), 6 / 7 * YEAR, 1e-12),
    "every day": (dates(*LONG), 365.0, 0.0),
    "every day of a fortnight": (dates("2023-01-01", "2023-01-14"), 365.0, 0.0),
    "three weekdays": (dates("2020-01-01", "2020-01-03"), 252.0, 0.0),
    "one bar": (dates("2020-01-01", "2020-01-01"), 252.0, 0.0),
    "currencies by the hour": (currencies(150), 120 / 7 * YEAR, 1e-12),
    "currencies by the hour, cut off": (currencies(60, cut=(37, 50)), 120 / 7 * YEAR, 1e-12),
    "currencies by the hour, six weeks": (currencies(6, cut=(37, 50)), 120 / 7 * YEAR, 1e-12),
    "every hour, clocks changed": (
        pl.datetime_range(
            dt.datetime(2023, 1, 1, 1), dt.datetime(2025, 1, 1), "1h", eager=True, time_zone="America/New_York"
        ),
        *(24 * 365.0, 1e-3),
    ),
    "minutes, clocks changed": (
        intraday(dates("2024-02-01", "2024-04-12", MONDAY_TO_FRIDAY), 390, zone="America/New_York"),
        *(390 * 252.0, 0.0),
    ),
    "minutes, one half day in ten": (
        intraday(
            dates("2023-01-02", "2023-06-30", MONDAY_TO_FRIDAY),
            *(60,),
            early=dates("2023-01-02", "2023-06-30", MONDAY_TO_FRIDAY)[::10],
        ),
        *(57 * 252.0, 0.01),
    ),
    "minutes of a day": (intraday(dates("2024-01-02", "2024-01-02"), 390), 390 * 252.0, 0.0),
    "minutes, the second day not over": (
        intraday(dates("2024-01-02", "2024-01-03"), 390, early=[dt.date(2024, 1, 3)]),
        *(390 * 252.0, 0.0),
    ),
    "weeks": (dates(*LONG, {4}), 52.0, 0.0),
    "two weeks": (dates("2023-01-01", "2023-01-14", {4}), 52.0, 0.0),
    "months": (pl.date_range(dt.date(2020, 1, 31), dt.date(2023, 1, 31), "1mo", eager=True), 12.0, 0.0),
    "two months": (pl.date_range(dt.date(2020, 1, 31), dt.date(2020, 2, 29), "1mo", eager=True), 12.0, 0.0),
    "quarters": (pl.date_range(dt.date(2010, 1, 1), dt.date(2023, 1, 1), "1q", eager=True), 4.0, 0.0),
    "years": (pl.date_range(dt.date(2010, 1, 1), dt.date(2023, 1, 1), "1y", eager=True), 1.0, 0.0),
    "fortnights": (dates("2020-01-06", "2021-12-31", {0})[::2], YEAR / 14, 1e-12),
}


@pytest.mark.parametrize("name", CALENDARS)
def test_bars_a_year_are_counted(name):
    times, expected, tolerance = CALENDARS[name]
    assert counted(times) == pytest.approx(expected, rel=tolerance, abs=0)


def test_given_sessions_count_as_one_day_each():
    # A currency day begins at 17:00: five sessions a week of 24 bars, where dates make six.
    ends = currencies(60)
    begins = ends.dt.replace_time_zone(None) - dt.timedelta(hours=1)
    sessions = (begins + dt.timedelta(hours=7)).dt.date().alias("session")
    assert counted(ends, session=sessions) == pytest.approx(120 / 7 * YEAR, rel=1e-12)


# ---- one figure a panel


def made_panel(days, seed=0, symbols=("A", "B")):
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, (len(days), len(symbols))), axis=0))
    return Panel.from_arrays(close, close, close, close, timestamps=pl.Series(days), symbols=list(symbols))


def test_every_window_of_a_panel_has_its_bars_a_year():
    days = dates("2022-01-03", "2023-12-29", MONDAY_TO_FRIDAY, closed=holidays([2022, 2023]))
    panel = made_panel(days)
    parts = [panel.select(start=days[first], end=days[last]) for first, last in ((0, 0), (3, 5), (40, 300), (1, 495))]
    assert {part.periods_per_year for part in parts} == {panel.periods_per_year} == {252.0}
    short = panel.select(start=days[0], end=days[2])
    assert short.periods_per_year == panel.periods_per_year
    windows = [(str(days[first]), str(days[last])) for first, last in ((0, 4), (100, 109), (0, 400))]
    weights = TargetWeights.from_array(np.tile([0.5, 0.4], (len(days), 1)))
    found = sweep(panel, weights, None, {"window": windows, "symbols": [["A"], ["B", "A"]]}, progress=False)
    assert found.table["periods_per_year"].unique().to_list() == [252.0]
    for row in range(len(found)):
        single = found.drill(row)
        for name in ("periods_per_year", "years", "cagr", "sharpe"):
            assert found.table[name][row] == single.metrics[name], name


def test_a_walk_forward_has_the_figure_of_its_panel():
    days = dates("2022-01-03", "2023-12-29", MONDAY_TO_FRIDAY)
    panel = made_panel(days)
    weights = TargetWeights.from_array(np.tile([0.5, 0.4], (len(days), 1)))
    found = walk_forward(panel, weights, None, {"stop_loss": [None, 0.1]}, train=60, test=30, progress=False)
    figures = {result.metrics["periods_per_year"] for result in found.results}
    figures |= {found.metrics["periods_per_year"], *found.in_sample.table["periods_per_year"]}
    assert figures == {panel.periods_per_year}


def test_shares_out_of_a_panel_with_currencies_have_their_own():
    days = dates("2022-01-01", "2023-12-31")
    close = np.full((len(days), 2), 10.0)
    close[[day.weekday() > 4 or day in holidays([2022, 2023]) for day in days], 1] = np.nan
    panel = Panel.from_arrays(close, close, close, close, timestamps=pl.Series(days), symbols=["COIN", "SHARE"])
    assert panel.periods_per_year == 365.0 == panel.select(["COIN"]).periods_per_year
    whole, part = panel.select(["SHARE"]), panel.select(["SHARE"], start="2022-03-01", end="2022-03-20")
    assert whole.periods_per_year == part.periods_per_year == 252.0
    windows = [("2022-03-01", "2022-03-20"), (None, None)]
    never = TargetWeights.from_array(np.full(panel.shape, np.nan))
    grid = {"symbols": [["SHARE"], ["COIN"]], "window": windows}
    found = sweep(panel, never, None, grid, progress=False).table
    assert found["periods_per_year"].to_list() == [252.0, 252.0, 365.0, 365.0]


def test_panels_that_differ_in_bars_a_year_differ_in_their_digest():
    days = dates("2022-01-03", "2023-12-29", MONDAY_TO_FRIDAY)
    whole = made_panel(days)
    part = whole.select(end=days[9])
    alone = Panel.from_arrays(*[part.close] * 4, timestamps=part.timestamps, symbols=part.symbols)
    assert part.periods_per_year != alone.periods_per_year and part.digest != alone.digest


# ---- growth by the calendar


def held_from_the_first_close(days, gross, config=None):
    """Metrics of an account that holds one asset, whose close grows to `gross`, from the close of the first bar on."""
    count = len(days)
    close = 100.0 * gross ** (np.arange(count) / (count - 1))
    panel = Panel.from_arrays(close, close, close, close, timestamps=pl.Series(days), symbols=["A"])
    buy = Orders(pl.DataFrame({"timestamp": days[:1], "symbol": "A", "quantity": 1000.0}))
    return run_backtest(panel, buy, config=(config or Config()).replace(timing="same_bar_close")).metrics


@pytest.mark.parametrize("weekdays", [range(7), MONDAY_TO_FRIDAY, SATURDAY_TO_WEDNESDAY, {4}, {0, 2, 4}])
def test_doubling_within_a_year_is_a_cagr_of_100_percent_on_any_calendar(weekdays):
    days = dates("2023-01-01", "2024-01-01", weekdays)
    found = held_from_the_first_close(days, 2.0)
    years = (days[-1] - days[0]).days / YEAR
    assert found["years"] == years and found["cagr"] == pytest.approx(2.0 ** (1.0 / years) - 1.0)
    assert abs(found["cagr"] - 1.0) < 0.04  # Fridays: 357 days


def test_two_saturday_sessions_are_no_market_of_seven_days():
    days = dates("2024-01-01", "2024-12-31", MONDAY_TO_FRIDAY, special={dt.date(2024, 1, 20), dt.date(2024, 3, 2)})
    found = held_from_the_first_close(days, 2.0)
    assert found["total_return"] == pytest.approx(1.0)
    assert 240 <= found["periods_per_year"] <= 270
    assert found["cagr"] == pytest.approx(1.0, abs=0.01)  # 365 days


def test_growth_is_by_the_calendar_whatever_bars_a_year_are_given():
    days = dates("2023-01-01", "2024-01-01", MONDAY_TO_FRIDAY)
    given = held_from_the_first_close(days, 2.0, Config(periods_per_year=12.0))
    assert given["cagr"] == held_from_the_first_close(days, 2.0)["cagr"] and given["periods_per_year"] == 12.0


def test_calendar_time_is_that_of_whole_bars_done_and_of_clocks():
    hours = pl.datetime_range(dt.datetime(2024, 3, 9), dt.datetime(2024, 3, 11), "1h", eager=True, time_zone="UTC")
    assert calendar_years(hours) == pytest.approx(2 / YEAR, rel=1e-15)
    # On the wall 48 hours pass where the clocks are put forward, on the clock 47.
    zoned = hours.dt.replace_time_zone("America/New_York", non_existent="null").drop_nulls()
    assert calendar_years(zoned) == pytest.approx(47 / 24 / YEAR, rel=1e-15)
    assert calendar_years(hours[:1]) == 0.0 and calendar_years(pl.Series([0, 1, 2])) is None


@pytest.mark.parametrize("days", [dates("2020-01-01", "2020-01-01"), None])
def test_of_one_bar_there_is_no_growth_a_year(days):
    close = np.array([10.0])
    panel = Panel.from_arrays(close, close, close, close, timestamps=days)
    found = run_backtest(panel, TargetWeights.from_array(np.array([[0.5]]))).metrics
    assert math.isnan(found["cagr"]) and math.isnan(found["volatility"]) and found["years"] == 0.0
    assert found["total_return"] == 0.0 and found["bars"] == 1


# ---- the first bar is a mark


def figures_of(returns, periods):
    """Metrics of an account that holds an asset with these returns from the first close on; bars are numbered."""
    close = 100 * np.cumprod(np.concatenate([[1.0], 1 + np.asarray(returns)]))
    panel = Panel.from_arrays(close, close, close, close, symbols=["X"])
    buy = Orders(pl.DataFrame({"timestamp": [0], "symbol": "X", "quantity": [1000.0]}))
    return run_backtest(panel, buy, config=Config(timing="same_bar_close", periods_per_year=periods)).metrics


def test_a_published_sortino_ratio_and_the_growth_of_26_weeks():
    # Rollinger and Hoffman, "Sortino: a 'sharper' ratio" (Red Rock Capital): returns of eight years and their ratio.
    returns = [0.17, 0.15, 0.23, -0.05, 0.12, 0.09, 0.13, -0.04]
    assert figures_of(returns, 1.0)["sortino"] == pytest.approx(4.417261, abs=1e-6)
    weekly = figures_of([0.006] * 26, 52.0)
    assert weekly["cagr"] == pytest.approx(1.006**52 - 1, abs=1e-9)
    assert weekly["volatility"] == 0.0


def test_what_is_a_mean_over_bars_is_over_all_bars():
    found = figures_of([0.1, 0.1, 0.1], 252.0)
    assert found["bars"] == 4 and found["time_in_market"] == 1.0 and found["avg_open_positions"] == 1.0
    assert found["avg_turnover"] == pytest.approx(1.0 / 4)  # all of the equity, once in four bars


def test_a_first_bar_that_was_traded_on_is_a_return():
    days = dates("2023-01-02", "2023-03-31", MONDAY_TO_FRIDAY)
    panel = made_panel(days)
    every = np.ones(panel.shape, bool)
    config = Config(timing="same_bar_close", commission_rate=0.01)
    result = run_backtest(panel, Signals.from_arrays(every, ~every, size=0.4), config=config)
    returns = result.equity["return"]
    assert returns[0] < 0.0 and returns.null_count() == 0
    known = result.metrics
    assert known["sharpe"] == pytest.approx(returns.mean() / returns.std() * known["periods_per_year"] ** 0.5)
    later = run_backtest(panel, Signals.from_arrays(every, ~every, size=0.4), config=config.replace(timing="next_bar"))
    returns = later.equity["return"]
    assert returns[0] is None and returns.null_count() == 1
    known = later.metrics
    assert known["sharpe"] == pytest.approx(returns.mean() / returns.std() * known["periods_per_year"] ** 0.5)


@pytest.mark.parametrize("keep", ["metrics", "equity"])
def test_the_deflated_sharpe_ratio_is_of_the_same_returns(keep):
    days = dates("2022-01-03", "2023-12-29", MONDAY_TO_FRIDAY)
    panel = made_panel(days)
    weights = TargetWeights.from_array(np.tile([0.5, 0.4], (len(days), 1)))
    found = sweep(panel, weights, None, {"lot": [0.0, 1.0]}, keep=keep, progress=False)
    returns = found._returns_of(0)
    single = found.drill(0)
    assert len(returns) == len(days) - 1
    np.testing.assert_array_equal(returns, single.equity["return"].drop_nulls().to_numpy())
    sharpe = returns.mean() / returns.std(ddof=1) * single.metrics["periods_per_year"] ** 0.5
    assert single.metrics["sharpe"] == pytest.approx(sharpe)
    if keep == "equity":
        blocks = found._returns(len(days))
        assert blocks.shape == (len(days) - 1, 2) and not np.isnan(blocks).any()
