"""The shipped data: its extent, and that splits and dividends are those known to have happened."""

import datetime as dt
from importlib.resources import files

import polars as pl
import pytest

from facade import datasets
from facade.datasets.build import recover_actions


def test_stocks_are_complete():
    stocks = datasets.wiki_stocks()
    assert stocks.columns == ["timestamp", "symbol", "open", "high", "low", "close", "volume"]
    assert stocks.schema["timestamp"] == pl.Date
    assert stocks.null_count().sum_horizontal().item() == 0
    counts = dict(stocks.group_by("symbol").len().iter_rows())
    assert counts == {"AAPL": 3270, "IBM": 3270, "MSFT": 3270, "GOOG": 2148, "FB": 196}
    extent = stocks.select(first=pl.col("timestamp").min(), last=pl.col("timestamp").max()).row(0)
    assert extent == (dt.date(2000, 3, 1), dt.date(2013, 3, 1))


def test_prices_are_raw():
    apple = datasets.wiki_stocks().filter(symbol="AAPL", timestamp=dt.date(2000, 3, 1))
    assert apple["close"].item() == 130.31


@pytest.mark.parametrize(("symbol", "count"), [("IBM", 52), ("MSFT", 37), ("AAPL", 3), ("GOOG", 0), ("FB", 0)])
def test_every_dividend_is_recovered(symbol, count):
    assert datasets.wiki_actions().filter(symbol=symbol, kind="dividend").height == count


def test_splits_and_the_special_dividend():
    actions = datasets.wiki_actions()
    splits = actions.filter(kind="split").select("symbol", "ex_date", "value").rows()
    assert splits == [
        ("AAPL", dt.date(2000, 6, 21), 2.0),
        ("MSFT", dt.date(2003, 2, 18), 2.0),
        ("AAPL", dt.date(2005, 2, 28), 2.0),
    ]
    special = actions.filter(symbol="MSFT", ex_date=dt.date(2004, 11, 15))
    assert special["value"].to_list() == [pytest.approx(3.08, abs=1e-6)]


def test_actions_follow_from_the_adjusted_closes():
    assert recover_actions(datasets.wiki_stocks(adj_close=True)).equals(datasets.wiki_actions())


def test_the_licence_note_is_shipped():
    assert "public domain" in files("facade.datasets").joinpath("README.md").read_text(encoding="utf-8")
