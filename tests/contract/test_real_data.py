"""Real bars with their real splits and dividends: what happened to holders on known days."""

import datetime as dt

import polars as pl
import pytest

from facade import Config, Orders, TargetWeights, datasets, load_panel, run_backtest

SPLIT_DAY, BEFORE_SPLIT = dt.date(2005, 2, 28), dt.date(2005, 2, 25)
SPECIAL, BEFORE_SPECIAL = dt.date(2004, 11, 15), dt.date(2004, 11, 12)
UNCAPPED = Config(max_participation=None)


def held(symbol, quantity, first, last, actions=True, **config):
    """A position opened on the second bar of the period and held to its end."""
    found = datasets.wiki_actions() if actions else None
    panel = load_panel(datasets.wiki_stocks(), found, symbols=[symbol], start=first, end=last)
    frame = pl.DataFrame({"timestamp": [panel.timestamps[0]], "symbol": [symbol], "quantity": [float(quantity)]})
    return run_backtest(panel, Orders(frame), config=UNCAPPED.replace(**config))


def on(result, day):
    """The row of the account on a day."""
    return result.equity.row(by_predicate=pl.col("timestamp") == day, named=True)


def test_apple_held_through_its_split_keeps_its_value_and_its_stop_stays_silent():
    # closes 88.99 and, two for one, 44.86: 0.8 % in truth, 50 % in raw prices
    result = held("AAPL", 100, dt.date(2005, 2, 1), dt.date(2005, 3, 15), stop_loss=0.15, trailing_stop=0.15)
    assert result.fills.height == 1
    split = result.actions.row(0, named=True)
    assert (split["timestamp"], split["kind"], split["quantity"]) == (SPLIT_DAY, "split", 200.0)
    before, after = on(result, BEFORE_SPLIT), on(result, SPLIT_DAY)
    assert before["cash"] == after["cash"]
    assert after["net_exposure"] / before["net_exposure"] == pytest.approx(2 * 44.86 / 88.99, rel=1e-3)


def test_without_its_actions_the_same_apple_is_stopped_out():
    result = held("AAPL", 100, dt.date(2005, 2, 1), dt.date(2005, 3, 15), actions=False, stop_loss=0.15)
    assert result.trades["exit_reason"].to_list() == ["stop_loss"]


@pytest.mark.parametrize("symbol", ["AAPL", "IBM", "MSFT"])
def test_every_recovered_dividend_arrives(symbol):
    result = held(symbol, 100, None, None, lot=0.0)
    paid = result.actions.filter(kind="dividend")
    expected = datasets.wiki_actions().filter(symbol=symbol, kind="dividend")
    entry = result.fills["timestamp"][0]
    expected = expected.filter(pl.col("ex_date") > entry)
    assert paid["timestamp"].to_list() == expected["ex_date"].to_list()
    assert paid["value"].to_list() == pytest.approx(expected["value"].to_list())
    assert paid["cash"].to_list() == pytest.approx((paid["value"] * paid["quantity"]).to_list())
    cost = (result.fills["quantity"] * result.fills["price"]).sum()
    assert result.equity["cash"][-1] == pytest.approx(100_000 - cost + paid["cash"].sum())


@pytest.mark.parametrize("rule", ["stop_loss", "trailing_stop"])
def test_the_special_dividend_of_microsoft_trips_no_stop_of_five_percent(rule):
    # 29.97 before, opens at 27.35, 8.7 % lower, and pays 3.08: a holder has lost nothing
    result = held("MSFT", 100, dt.date(2004, 11, 9), dt.date(2004, 11, 19), **{rule: 0.05})
    assert result.fills.height == 1
    paid = result.actions.row(0, named=True)
    assert (paid["timestamp"], paid["kind"]) == (SPECIAL, "dividend")
    assert (paid["value"], paid["cash"]) == (pytest.approx(3.08, abs=1e-6), pytest.approx(308.0, abs=1e-3))
    assert on(result, SPECIAL)["equity"] == pytest.approx(on(result, BEFORE_SPECIAL)["equity"], rel=1e-3)
    bare = held("MSFT", 100, dt.date(2004, 11, 9), dt.date(2004, 11, 19), actions=False, **{rule: 0.05})
    assert bare.trades["exit_reason"].to_list() == [rule]


def test_a_short_pays_the_special_dividend():
    result = held("MSFT", -100, dt.date(2004, 11, 9), dt.date(2004, 11, 19), allow_short_selling=True)
    assert result.actions["cash"].to_list() == [pytest.approx(-308.0, abs=1e-3)]
    before, after = on(result, BEFORE_SPECIAL), on(result, SPECIAL)
    assert after["cash"] - before["cash"] == pytest.approx(-308.0, abs=1e-3)


def test_raw_prices_with_splits_equal_adjusted_prices():
    """Every split, no dividend: the same account to 1e-9, traded raw or in shares of the first day."""
    stocks = datasets.wiki_stocks().filter(pl.col("symbol").is_in(["AAPL", "MSFT"]))
    splits = datasets.wiki_actions().filter(kind="split")
    raw = load_panel(stocks, splits)
    fields = ("open", "high", "low", "close", "volume")
    adjusted = type(raw).from_arrays(
        **{name: raw.adjusted(name) for name in fields}, timestamps=raw.timestamps, symbols=raw.symbols
    )
    monthly = raw.timestamps.to_frame("timestamp").filter(pl.col("timestamp").dt.month().diff().fill_null(1) != 0)
    weights = monthly.with_columns(AAPL=pl.lit(0.5), MSFT=pl.lit(0.4))
    config = Config(lot=0, commission_rate=0.001, slippage_rate=0.0005, stop_loss=0.1, trailing_stop=0.12)
    first, second = (run_backtest(panel, TargetWeights(weights), config=config) for panel in (raw, adjusted))
    assert first.fills.height == second.fills.height > 200
    assert first.equity["equity"].to_list() == pytest.approx(second.equity["equity"].to_list(), rel=1e-9)
    reasons = set(first.trades["exit_reason"])
    assert {"stop_loss", "trailing_stop"} <= reasons
