"""Dividends that prices contradict (clause 1.1, guard): too large to be meant, or paid inside adjusted prices."""

import warnings

import numpy as np
import polars as pl
import pytest

from facade import DataError, DataWarning, Panel, datasets, load_panel
from facade.data.dividends import CERTAIN, LIKELY, adjusted_likelihood, gaps_of
from ml4t_kernel.schema import ActionKind

NAMES = ("open", "high", "low", "close")


def paying(price, *dividends, kinds=None):
    """A panel of one symbol that pays (bar, value)."""
    price = np.asarray(price, float)
    frame = pl.DataFrame(
        {
            "symbol": "X",
            "ex_date": [bar for bar, _ in dividends],
            "kind": kinds or ["dividend"] * len(dividends),
            "value": [float(value) for _, value in dividends],
        }
    )
    return Panel.from_arrays(price, price, price, price, symbols=["X"], actions=frame)


@pytest.mark.parametrize("value", [26.9, 10.0, 9.99, 4.0, 10 / 3 + 1e-9, 1e308])
def test_a_dividend_that_the_price_does_not_show_is_refused(value):
    """A share of 10 that stays at 10 has not paid a third of itself, let alone more than it was worth."""
    with pytest.raises(DataError, match=r"dividend.*symbol 'X', 3, column 'dividend', value .* after a close of 10"):
        paying([10.0] * 5, (3, value))


def test_a_fifth_is_warned_of_and_less_is_believed():
    with pytest.warns(DataWarning, match="the price did not fall by this dividend"):
        paying([10.0] * 5, (3, 2.5))
    paying([10.0] * 5, (3, 2.0))


@pytest.mark.parametrize(
    ("price", "value"),
    [
        ([10.0, 10, 10, 5, 5], 5.0),
        ([10.0, 10, 10, 0.01, 0.01], 10.0),  # liquidated; some is paid above the last price
        ([10.0, 10, 10, 6.5, 7], 4.0),
        ([10.0, 10, 10, 4, 4], 4.0),  # fell by more on the same day
    ],
)
def test_a_large_dividend_that_the_price_shows_is_believed(price, value):
    paying(price, (3, value))


def test_dividends_before_the_first_bar_and_of_one_gap_together():
    paying([np.nan, np.nan, 10, 10, 10], (1, 26.9))  # nobody can hold the share
    halted = [10.0, 10, np.nan, np.nan, 10]
    with pytest.raises(DataError, match="value 4 after a close of 10"):
        paying(halted, (2, 2.0), (3, 2.0))
    # A split first: 10 become 2 of 5, and 1 is a fifth of that.
    paying([10.0, 10, 10, 5, 5], (3, 2), (3, 1.0), kinds=["split", "dividend"])
    with pytest.raises(DataError, match="after a close of 5"):
        paying([10.0, 10, 10, 5, 5], (3, 2), (3, 3.0), kinds=["split", "dividend"])


def test_actions_given_later_are_judged_too():
    panel = Panel.from_arrays(*[np.full((5, 1), 10.0)] * 4, symbols=["X"])
    frame = pl.DataFrame({"symbol": ["X"], "ex_date": [3], "kind": ["dividend"], "value": [26.9]})
    with pytest.raises(DataError, match="less than the share was worth"):
        panel.with_actions(frame)


# Prices that contain them --------------------------------------------------------------------------------------------


def adjusted(panel):
    """The prices of a panel less all later dividends, as `auto_adjust` makes them: x (1 - d / close before)."""
    arrays = {name: getattr(panel, name).copy() for name in NAMES}
    splits = {
        (int(row["bar"]), int(row["asset"])): float(row["value"])
        for row in panel.action_rows
        if row["kind"] == ActionKind.SPLIT
    }
    for row in panel.action_rows[panel.action_rows["kind"] == ActionKind.DIVIDEND]:
        bar, asset = int(row["bar"]), int(row["asset"])
        before = panel.close[:bar, asset]
        before = before[~np.isnan(before)][-1] / splits.get((bar, asset), 1.0)
        for array in arrays.values():
            array[:bar, asset] *= 1 - row["value"] / before
    return arrays


def likelihoods(panel, arrays):
    found = {}
    for asset, symbol in enumerate(panel.symbols):
        rows = panel.action_rows[panel.action_rows["asset"] == asset]
        gaps = gaps_of(rows, arrays["open"][:, asset], arrays["close"][:, asset], panel.sessions)
        if len(gaps.bars):
            found[symbol] = adjusted_likelihood(gaps)
    return found


RAW = load_panel(datasets.wiki_stocks(), datasets.wiki_actions())


def test_raw_prices_of_thirteen_years_raise_no_alarm():
    """All symbols, each alone, and each year alone: nothing is refused and nothing warned of."""
    found = likelihoods(RAW, {name: getattr(RAW, name) for name in NAMES})
    assert found["IBM"] < -2 and found["MSFT"] < -4 and max(found.values()) < 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for symbol in ("AAPL", "IBM", "MSFT"):
            load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=[symbol])
        for year in range(2000, 2013):
            load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=["AAPL", "IBM", "MSFT"],
                       start=f"{year}-03-01", end=f"{year + 1}-03-01")  # fmt: skip


@pytest.mark.parametrize("symbols", [["IBM"], ["MSFT"], ["IBM", "MSFT"], ["AAPL", "IBM", "MSFT"], list(RAW.symbols)])
def test_adjusted_prices_with_their_dividends_are_refused(symbols):
    """The dividends would be paid twice: of IBM 52, 18,788 of 100,000."""
    part = RAW.select(symbols)
    dividends = datasets.wiki_actions().filter(pl.col("symbol").is_in(symbols))
    with pytest.raises(DataError, match="dividend-adjusted already.*symbol '(IBM|MSFT)'.*raw prices with their div"):
        Panel.from_arrays(**adjusted(part), symbols=symbols, timestamps=part.timestamps, actions=dividends)
    # Without the dividends they are as good as any.
    Panel.from_arrays(
        **adjusted(part),
        symbols=symbols,
        timestamps=part.timestamps,
        actions=dividends.filter(pl.col("kind") == "split"),
    )


def test_split_adjusted_prices_and_dividends_are_judged_alike():
    """Both adjusted, as yfinance gives them: prices without splits, dividends in the shares of these prices."""
    fields = {name: RAW.adjusted(name) for name in NAMES}
    frame = datasets.wiki_actions().filter(pl.col("kind") == "dividend", pl.col("symbol") == "MSFT")
    at = RAW.symbols.index("MSFT")
    shares = np.where(frame["ex_date"].dt.year() < 2003, 1.0, 2.0)  # the split was in February 2003
    frame = frame.with_columns(value=frame["value"] * pl.Series(shares))
    only = {name: array[:, [at]] for name, array in fields.items()}
    honest = Panel.from_arrays(**only, symbols=["MSFT"], timestamps=RAW.timestamps, actions=frame)
    with pytest.raises(DataError, match="dividend-adjusted already"):
        Panel.from_arrays(**adjusted(honest), symbols=["MSFT"], timestamps=RAW.timestamps, actions=frame)


def walk(seed, drop, payers=1, bars=1_000, every=20, dividend=0.01):
    """Random walks that pay a share of their price every so often and open lower by `drop` of it."""
    random = np.random.default_rng(seed)
    opens, closes, rows = np.empty((bars, payers)), np.empty((bars, payers)), []
    for asset in range(payers):
        close = 100.0
        for bar in range(bars):
            gap = random.normal(0, 0.006)
            if bar and bar % every == 0:
                rows.append((f"S{asset}", bar, "dividend", dividend * close))
                gap -= drop * dividend
            opens[bar, asset] = close * np.exp(gap)
            close = closes[bar, asset] = opens[bar, asset] * np.exp(random.normal(0, 0.01))
    frame = pl.DataFrame(rows, schema=["symbol", "ex_date", "kind", "value"], orient="row")
    high, low = np.maximum(opens, closes), np.minimum(opens, closes)
    names = [f"S{asset}" for asset in range(payers)]
    return lambda: Panel.from_arrays(opens, high, low, closes, symbols=names, actions=frame)


@pytest.mark.parametrize("seed", range(12))
def test_prices_that_fall_by_most_of_it_pass_and_those_that_do_not_are_caught(seed):
    """On ex-dates prices fall by 70 to 100 percent of a dividend, for taxes."""
    for drop in (1.0, 0.85, 0.7):
        walk(seed, drop)()
    with pytest.raises(DataError, match="49 dividends, at whose ex-dates"):
        walk(seed, 0.0)()


def test_many_payers_are_judged_together_and_one_among_many_alone():
    """Four small dividends each tell little, those of forty symbols everything; chance makes one of many unlikely."""
    few = {"payers": 40, "bars": 100, "dividend": 0.004}
    walk(1, 1.0, **few)()
    with pytest.raises(DataError, match=r"160 dividends|further|more offender"):
        walk(1, 0.0, **few)()


def test_opens_made_of_closes_say_nothing_and_closes_are_asked():
    """Sources without an open repeat the close before; the day's return then has the fall."""
    close = walk(3, 1.0)().close[:, 0]
    frame = walk(3, 1.0)().actions
    opens = np.concatenate([close[:1], close[:-1]])
    high, low = np.maximum(opens, close), np.minimum(opens, close)
    Panel.from_arrays(opens, high, low, close, symbols=["S0"], actions=frame)


def test_sessions_and_not_bars_are_compared():
    """Of intraday bars only the first of a session opens after a night; gaps between others are far smaller."""
    random = np.random.default_rng(7)
    days, hours = 600, 6
    stamps = pl.datetime_range(pl.datetime(2020, 1, 1), pl.datetime(2021, 12, 31), "1d", eager=True)[:days]
    times, opens, closes, rows, price = [], [], [], [], 100.0
    for number, day in enumerate(stamps):
        for hour in range(hours):
            gap = random.normal(0, 0.008 if hour == 0 else 0.0002)
            if hour == 0 and number and number % 20 == 0:
                rows.append(("X", day.date(), "dividend", 0.01 * price))
                gap -= 0.01
            opens.append(price * np.exp(gap))
            price = opens[-1] * np.exp(random.normal(0, 0.003))
            closes.append(price)
            times.append(day.replace(hour=10 + hour))
    opens, closes = np.array(opens), np.array(closes)
    frame = pl.DataFrame(rows, schema=["symbol", "ex_date", "kind", "value"], orient="row")
    panel = Panel.from_arrays(opens, np.maximum(opens, closes), np.minimum(opens, closes), closes,
                              symbols=["X"], timestamps=times, actions=frame)  # fmt: skip
    assert likelihoods(panel, {"open": panel.open, "close": panel.close})["X"] < 0
    with pytest.raises(DataError, match="29 dividends"):
        Panel.from_arrays(**adjusted(panel), symbols=["X"], timestamps=times, actions=frame)


def test_a_weak_suspicion_is_a_warning():
    """Between the two thresholds: IBM's dividends of some years."""
    part = RAW.select(["IBM"])
    arrays = adjusted(part)
    for years in range(2, 13):
        first = len(part.timestamps) - 252 * years
        own = {name: array[first:] for name, array in arrays.items()}
        frame = part.actions.filter(pl.col("ex_date") >= part.timestamps[first])
        cut = part.select(start=part.timestamps[first])
        found = likelihoods(cut, own)["IBM"]
        if LIKELY <= found < CERTAIN:
            with pytest.warns(DataWarning, match="look dividend-adjusted already"):
                Panel.from_arrays(**own, symbols=["IBM"], timestamps=part.timestamps[first:], actions=frame)
            return
    raise AssertionError("no stretch lies between the thresholds")
