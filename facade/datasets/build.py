"""Make the Parquet files of this package from the CSV of daily WIKI prices.

    python -m facade.datasets.build wiki_stocks_2000_2013.csv.gz

The CSV has Ticker, Date, Open, High, Low, Close, Volume (all raw) and Adj Close. Splits and dividends are
recovered from f = adj_close / close: r = f / f_before is the split ratio times (1 + dividend / close) of an ex-date.
"""

import sys
from pathlib import Path

import polars as pl

HERE = Path(__file__).parent
# A step of f below this is rounding of the source, not a dividend.
_SMALLEST_YIELD = 1e-6


def read_stocks(csv: str | Path) -> pl.DataFrame:
    """timestamp, symbol, open, high, low, close, volume, adj_close; sorted by timestamp and symbol."""
    names = {"Date": "timestamp", "Ticker": "symbol", "Open": "open", "High": "high", "Low": "low", "Close": "close"}
    names |= {"Volume": "volume", "Adj Close": "adj_close"}
    frame = pl.read_csv(csv, try_parse_dates=True).rename(names).select(names.values())
    return frame.with_columns(pl.col("volume").cast(pl.Int64)).sort("timestamp", "symbol")


def recover_actions(stocks: pl.DataFrame) -> pl.DataFrame:
    """symbol, ex_date, kind, value; a dividend is cash per share after the split of its day."""
    factor = pl.col("adj_close") / pl.col("close")
    step = factor / factor.shift(1).over("symbol")
    split = pl.when(pl.col("step") > 1.5).then(pl.col("step").round()).otherwise(1.0)
    frame = stocks.sort("symbol", "timestamp").with_columns(step=step).with_columns(split=split)
    surplus = pl.col("step") / pl.col("split") - 1
    splits = frame.filter(pl.col("split") != 1).select("symbol", "timestamp", kind=pl.lit("split"), value="split")
    dividends = frame.filter(surplus > _SMALLEST_YIELD).select(
        "symbol", "timestamp", kind=pl.lit("dividend"), value=(surplus * pl.col("close")).round(6)
    )
    return pl.concat([splits, dividends]).rename({"timestamp": "ex_date"}).sort("ex_date", "symbol", "kind")


def main(csv: str) -> None:
    """Write both files next to this module."""
    stocks = read_stocks(csv)
    actions = recover_actions(stocks)
    stocks.write_parquet(HERE / "wiki_stocks.parquet", compression="zstd", compression_level=19)
    actions.write_parquet(HERE / "wiki_actions.parquet", compression="zstd", compression_level=19)
    print(stocks, actions.group_by("symbol", "kind").len().sort("symbol", "kind"))


if __name__ == "__main__":
    main(sys.argv[1])
