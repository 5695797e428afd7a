"""Real market data that comes with the package; see README.md in this folder for source and licence."""

import polars as pl


def wiki_stocks(adj_close: bool = False) -> pl.DataFrame:
    """Raw daily bars of AAPL, FB, GOOG, IBM and MSFT, 2000-03-01 to 2013-03-01.

    Columns timestamp (Date), symbol, open, high, low, close (dollars a share), volume (shares); nothing is adjusted.
    GOOG lists on 2004-08-19 and FB on 2012-05-18. `adj_close` adds the close adjusted by the source for splits and
    dividends, those after 2013 included, so that only its ratios mean something.

    >>> wiki_stocks().columns
    ['timestamp', 'symbol', 'open', 'high', 'low', 'close', 'volume']
    """
    frame = _read("wiki_stocks.parquet")
    return frame if adj_close else frame.drop("adj_close")


def wiki_actions() -> pl.DataFrame:
    """Splits and cash dividends of `wiki_stocks`: symbol, ex_date (Date), kind, value.

    A split is new shares per old; a dividend is dollars a share after the split of its day.

    >>> import polars as pl
    >>> wiki_actions().filter(pl.col("kind") == "split").sort("symbol", "ex_date")["value"].to_list()
    [2.0, 2.0, 2.0]
    """
    return _read("wiki_actions.parquet")


def _read(name: str) -> pl.DataFrame:
    from importlib.resources import as_file, files

    with as_file(files(__name__).joinpath(name)) as path:
        return pl.read_parquet(path)
