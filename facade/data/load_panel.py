"""Long prices become a panel: read, pivoted, given a clock and their actions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from facade.data.clock import make_clock
from facade.data.load import load, told_of
from facade.data.panel import Panel, assemble
from facade.data.pivot import pivot
from facade.data.terms import Given
from facade.data.validate import check_repairs


def load_panel(
    source: Any,
    actions: Any = None,
    *,
    symbols: Sequence[str] | None = None,
    start: Any = None,
    end: Any = None,
    bar_label: str = "close",
    repair: str | Iterable[str] | None = None,
    delisting: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    extras: Iterable[str] = (),
    symbol: str | None = None,
    instruments: Any = None,
    borrow: Any = None,
    funding: Any = None,
) -> Panel:
    """Panel of long prices: one row a (timestamp, symbol), with open, high, low, close and perhaps volume and session.

    Parameters
    ----------
    source
        A path (Parquet or CSV, a file, folder or glob; a file's name is the symbol of its rows where it has no column
        of symbols), a Polars DataFrame or LazyFrame, anything with the Arrow C stream (pandas, pyarrow, duckdb), rows
        [ms since 1970, open, high, low, close, volume] as ccxt has them (UTC), or a dict symbol -> one of these.
        Columns are found by their usual names in any case (`facade.data.names`); of pandas the index is a column, and
        columns of two levels, field and symbol, are stacked. A row whose close is null or NaN is no bar. Rows may
        come in any order.
    actions
        Corporate actions, long (symbol, ex_date, kind, value) or wide (timestamp, symbol, split_ratio, dividend), in
        all of these forms; Dividends and Stock Splits as of yfinance. 0 is none.
    symbols, start, end
        Selection, pushed into the scan. The columns of the panel follow `symbols`, else they are sorted by name.
        `start` and `end` are inclusive dates, datetimes or ISO strings, compared with the labels in the source.
    bar_label
        "close": a bar is labelled with the time at which it is complete; "open": with the time at which it begins, and
        the label is moved to its end; rows of a strategy carry the same labels and are moved with them (`labels` of
        the panel). A Date names the whole session and stays.
    repair
        Names of mends asked for: "flat_from_close", "widen_range", "keep_last", "text"
        (`facade.data.validate.REPAIRS`).
    delisting
        "infer": symbols that stop before the panel does are delisted on the first session after their last bar.
    columns
        Our name -> name in the source; None leaves an optional column out.
    extras
        Further numeric columns to keep as (T, A) arrays, such as a spread.
    symbol
        The symbol of all rows, for prices of a single one without a column of symbols.
    instruments
        What each symbol is, one row a symbol, in all of the forms of prices or as a list of dicts: symbol, kind
        ("stock", "future" or "perpetual"), multiplier (1), sector, lot, initial_margin and maintenance_margin (both
        sides), short_initial_margin and short_maintenance_margin (shorts), margin_basis ("value": fractions of the
        value; "contract": currency a contract). What is missing or null is the value of Config, a stock. A sector is
        given to all symbols or to none.
    borrow
        What can be sold short, in the same forms: symbol ("*": all without rows of their own), timestamp (a row holds
        from the first bar of the first session at or after its date), available (shares short in all; null: no limit;
        in shares of its date, restated by later splits), fee (a year, as a fraction; null: `Config.borrow_fee`).
    funding
        Funding of perpetuals, in the same forms: timestamp, symbol, rate (a fraction each time; longs pay a positive
        one). It is booked before the open of the first bar that is complete after its timestamp, so that whoever holds
        at the end of the bar of 08:00 pays at 08:00; a Date is the end of its session.

        Timestamps of `borrow` and `funding` are times of the clock and no labels: `bar_label="open"` does not move
        them.

    Raises
    ------
    DataError
        Naming symbol, date, column, value and rule of the first offender, and how many more there are.
    """
    repairs = check_repairs(repair)
    long = load(
        source,
        symbols=symbols,
        start=start,
        end=end,
        columns=columns,
        extras=extras,
        close_only="flat_from_close" in repairs,
        symbol=symbol,
        text="text" in repairs,
    )
    grid, duplicates = pivot(long, symbols, keep_last="keep_last" in repairs)
    clock = make_clock(grid.timestamps.alias("timestamp"), bar_label, grid.session)
    selection = symbols is not None
    terms = Given(instruments, borrow, funding)
    panel = assemble(grid.bars, grid.arrays, clock, grid.symbols, actions, repairs, delisting, selection, terms)
    counts = {"keep_last": duplicates, "text": long.converted}
    panel.repairs.update({name: count for name, count in counts.items() if name in repairs})
    return replace(panel, notices=panel.notices + told_of(long.unread, actions))
