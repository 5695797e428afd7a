"""What users hold, as one lazy long frame: files and folders, frames of any library, rows as exchanges return them."""

import os
from collections.abc import Mapping
from datetime import datetime
from glob import glob, has_magic
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facade.data.names import ACTIONS, FIELDS, SYMBOL, TIME, find, is_field, plain
from facade.data.times import unit_of
from facade.errors import DataError, listing

PARQUET, CSV = (".parquet", ".pq"), (".csv", ".csv.gz")
ROW = ("timestamp", "open", "high", "low", "close", "volume")
_FILE = "__file__"


class Opened(NamedTuple):
    """frame: long rows, nothing of which need be in memory; piecewise: columns can be read one by one from a file."""

    frame: pl.LazyFrame
    piecewise: bool


def open_source(source: Any, what: str = "prices", symbol: str | None = None, by_file: bool = True) -> Opened:
    """Lazy long frame of whatever prices or actions can be given as.

    symbol: of all rows, where the source has no column of symbols. by_file: without either, files name theirs.
    DataError for what cannot be read.
    """
    if isinstance(source, (str, os.PathLike)):
        opened = _open_path(os.fspath(source), what, by_file and symbol is None)
    elif isinstance(source, Mapping):
        opened = Opened(_of_each_symbol(source, what), False)
    else:
        opened = Opened(to_lazy(source, what), False)
    if symbol is None:
        return opened
    found = find(SYMBOL, schema_of(opened.frame, what).names(), what)
    if found is not None:
        raise DataError(
            f"symbol={symbol!r}: {what} have a column of symbols, {found!r}; symbols=[{symbol!r}] selects from it"
        )
    return opened._replace(frame=opened.frame.with_columns(pl.lit(str(symbol)).alias("symbol")))


def to_lazy(source: Any, what: str = "prices") -> pl.LazyFrame:
    """Lazy frame over what is in memory: a Polars or pandas frame, the Arrow C stream, rows of an exchange."""
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if isinstance(source, (str, os.PathLike, Mapping)):
        return open_source(source, what).frame
    if is_pandas(source):
        return from_pandas(source, what).lazy()
    if isinstance(source, (list, tuple)):
        return _from_rows(source, what).lazy()
    if hasattr(source, "__arrow_c_stream__"):
        return _from_arrow(source, what).lazy()
    raise DataError(
        f"{what} must be a path (Parquet or CSV, a file, a folder or a glob), a Polars frame, an object with the Arrow "
        f"C stream (pandas, pyarrow, duckdb) or rows [ms since 1970, open, high, low, close, volume], "
        f"not {type(source).__name__}"
    )


def schema_of(frame: pl.LazyFrame, what: str = "prices") -> pl.Schema:
    """Column names and dtypes; a source that cannot be opened is a DataError."""
    try:
        return frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{what} cannot be read: {error}") from error


def collect(frame: pl.LazyFrame, what: str = "prices") -> pl.DataFrame:
    """The rows of a lazy frame; what Polars refuses is a DataError."""
    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{what} cannot be read: {error}") from error


# Files ---------------------------------------------------------------------------------------------------------------


def _open_path(path: str, what: str, by_file: bool) -> Opened:
    if "://" in path:
        return Opened(pl.scan_parquet(path), True)
    files = _files(path, what)
    if path.lower().endswith(CSV) or (files and files[0].lower().endswith(CSV)):
        return Opened(_read_csv(files or [path], what, by_file).lazy(), False)
    # A folder whose Parquet files lie deeper is one data set, perhaps partitioned by symbol, which Polars reads.
    scan = pl.scan_parquet(files or path)
    if by_file and files and find(SYMBOL, schema_of(scan, what).names(), what) is None:
        stem = pl.col(_FILE).str.extract(r"([^/\\]+)$").str.replace(r"(?i)\.(parquet|pq)$", "")
        scan = pl.scan_parquet(files, include_file_paths=_FILE).with_columns(stem.alias("symbol")).drop(_FILE)
    return Opened(scan, True)


def _files(path: str, what: str) -> list[str]:
    """Files of a folder or glob, sorted, all of one kind; or the one file."""
    if os.path.isdir(path):
        found = [entry for entry in sorted(os.listdir(path)) if entry.lower().endswith((*PARQUET, *CSV))]
        files = [os.path.join(path, entry) for entry in found]
        if not files and not any(Path(path).rglob("*.parquet")):
            raise DataError(f"{what}: the folder {path!r} holds neither Parquet nor CSV files")
    else:
        files = sorted(glob(path)) if has_magic(path) else [path] if os.path.isfile(path) else []
    if len({name.lower().endswith(CSV) for name in files}) > 1:
        raise DataError(f"{what}: {path!r} holds Parquet and CSV files; name one kind with a glob such as '*.csv'")
    if path.lower().endswith((".json", ".ipc", ".feather", ".xlsx", ".txt")):
        raise DataError(f"{what}: only Parquet and CSV are read from a path; use pl.read_json or the like for {path!r}")
    return files


def _read_csv(files: list[str], what: str, by_file: bool) -> pl.DataFrame:
    """All rows; the name of a file is the symbol of its rows where it has no column of symbols."""
    frames = []
    for name in files:
        try:
            frame = pl.read_csv(name, try_parse_dates=True, infer_schema_length=None)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{what} cannot be read: {name}: {error}") from error
        if any("_duplicated_" in column for column in frame.columns):
            raise DataError(
                f"{what}: {name} has columns of one name; a header of two rows, as yfinance writes, is read by "
                f"pandas.read_csv(path, header=[0, 1], index_col=0, parse_dates=True)"
            )
        if by_file and find(SYMBOL, frame.columns, what) is None:
            stem = os.path.basename(name)
            stem = stem[: -len(next(kind for kind in reversed(CSV) if stem.lower().endswith(kind)))]
            frame = frame.with_columns(pl.lit(stem).alias("symbol"))
        frames.append(frame)
    return _one_below_the_other(frames, what)


def _one_below_the_other(frames: list[pl.DataFrame], what: str) -> pl.DataFrame:
    """Rows of all frames; columns are matched by name, whatever its spelling."""
    spelled: dict[str, str] = {}
    for frame in frames:
        for name in frame.columns:
            spelled.setdefault(plain(name), name)
    try:
        alike = [frame.rename({name: spelled[plain(name)] for name in frame.columns}) for frame in frames]
        return pl.concat(alike, how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{what}: files or frames of different columns: {error}") from error


def _of_each_symbol(source: Mapping[Any, Any], what: str) -> pl.LazyFrame:
    """Frames or rows by symbol."""
    if not source:
        raise DataError(f"{what} have no rows")
    lists = [name for name, given in source.items() if isinstance(given, (list, tuple)) and not _are_rows(given)]
    if lists:
        raise DataError(f"{what}: a dict maps symbols to frames; {lists[0]!r} is {type(source[lists[0]]).__name__}")
    frames = []
    for name, given in source.items():
        frames.append(collect(open_source(given, f"{what} of {name!r}", str(name)).frame, what))
    return _one_below_the_other(frames, what).lazy()


# Rows of exchanges, Arrow --------------------------------------------------------------------------------------------


def _are_rows(source: Any) -> bool:
    return bool(source) and isinstance(source[0], (list, tuple))


def _utc(milliseconds: Any) -> pl.Expr | pl.Series:
    """Times of a count since 1970, in microseconds as every other clock of the package."""
    times = pl.from_epoch(milliseconds, "ms")
    return times.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _from_rows(source: Any, what: str) -> pl.DataFrame:
    """Rows [ms since 1970, open, high, low, close, volume], as ccxt returns them; times are UTC."""
    if not source:
        raise DataError(f"{what} have no rows")
    wrong = next((at for at, row in enumerate(source) if not isinstance(row, (list, tuple)) or len(row) != 6), None)
    if wrong is not None:
        raise DataError(
            f"{what} given as a list must be rows [ms since 1970, open, high, low, close, volume]; "
            f"row {wrong} is {str(source[wrong])[:60]}"
        )
    try:
        frame = pl.DataFrame([list(column) for column in zip(*source, strict=True)], schema=list(ROW), strict=False)
        stamps = frame["timestamp"].cast(pl.Int64)
        prices = pl.col(*ROW[1:]).cast(pl.Float64)
        if unit_of(stamps) != "ms":
            raise DataError(f"{what}: {stamps[0]} in row 0 is no time in milliseconds since 1970")
        return frame.with_columns(_utc(stamps).alias("timestamp"), prices)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DataError(f"{what} given as a list cannot be read: {error}") from error


def _from_arrow(source: Any, what: str) -> pl.DataFrame:
    import pyarrow as pa

    try:
        # By way of pyarrow, which keeps the index of a pandas frame; Polars itself would drop it.
        table = pl.DataFrame(pa.table(source))
    except Exception as error:  # whatever the producer raises
        raise DataError(f"{what}: {type(source).__name__} cannot be read as an Arrow stream: {error}") from error
    levels = [name for name in table.columns if name.startswith("__index_level_")]
    for level in levels:
        table = _name_level(table, level, len(levels), what)
    return table


# pandas --------------------------------------------------------------------------------------------------------------


def is_pandas(source: Any) -> bool:
    """Whether it is a pandas frame or Series; pandas itself is not imported."""
    return type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "index")


def from_pandas(source: Any, what: str) -> pl.DataFrame:
    """A pandas frame with its index as columns; columns of two levels (field and symbol, either first) are stacked."""
    frame = source.to_frame() if hasattr(source, "to_frame") and not hasattr(source, "columns") else source
    return _stacked(frame, what) if frame.columns.nlevels > 1 else _flat(frame, what)


def _flat(frame: Any, what: str) -> pl.DataFrame:
    _refuse_mixed_zones(frame, what)
    if str(frame.index.dtype).startswith("period"):
        raise DataError(f"{what}: the index has periods; .to_timestamp() makes times of them")
    names = [str(name) for name in frame.columns]
    index = frame.index
    timed = find(TIME, names, what) is not None
    untold = index.name is None or find(TIME, [str(index.name)], what) is None
    if index.nlevels == 1 and str(index.dtype).startswith("datetime64") and not timed and untold:
        frame = frame.rename_axis(index="timestamp")
    return _from_arrow(frame, what)


def _name_level(table: pl.DataFrame, level: str, levels: int, what: str) -> pl.DataFrame:
    """An unnamed level of an index: times, or symbols beside times; numbers say nothing."""
    dtype, names = table.schema[level], [name for name in table.columns if name != level]
    untimed, unnamed = find(TIME, names, what) is None, find(SYMBOL, names, what) is None
    meaning = None
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        meaning = "timestamp" if untimed else None
    elif isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)):
        meaning = "timestamp" if untimed and levels == 1 else "symbol" if unnamed else None
    return table.drop(level) if meaning is None else table.rename({level: meaning})


def _stacked(frame: Any, what: str) -> pl.DataFrame:
    """Long rows of a frame whose columns are (field, symbol) or (symbol, field)."""
    if frame.columns.nlevels != 2:
        raise DataError(f"{what}: columns of {frame.columns.nlevels} levels; two are read, field and symbol")
    keys = [frame.columns.get_level_values(level) for level in (0, 1)]
    distinct = [list(dict.fromkeys(level)) for level in keys]
    # A ticker may be called LOW or OPEN: the level of fields is the one with a close, or with more that are known.
    likely = [(_has_anchor(names), sum(map(is_field, names)) / len(names)) for names in distinct]
    if likely[0] == likely[1] or max(likely)[1] == 0:
        raise DataError(
            f"{what}: columns of two levels must be field and symbol; got {listing(distinct[0])} and "
            f"{listing(distinct[1])}"
        )
    fields, symbols = (0, 1) if likely[0] > likely[1] else (1, 0)
    parts = []
    for symbol in distinct[symbols]:
        own = frame.loc[:, keys[symbols] == symbol]
        own.columns = own.columns.get_level_values(fields)
        parts.append(_flat(own, what).with_columns(pl.lit(str(symbol)).alias("symbol")))
    return _one_below_the_other(parts, what)


def _has_anchor(names: list[Any]) -> bool:
    anchors = {plain(name) for name in (*FIELDS["close"], *ACTIONS["dividend"], *ACTIONS["split_ratio"])}
    return any(plain(name) in anchors for name in names)


def _refuse_mixed_zones(source: Any, what: str) -> None:
    """Arrow takes the zone of the first value of a pandas object column for all, and naive values for UTC."""
    for name, dtype in zip(source.columns, source.dtypes, strict=True):
        if str(dtype) == "object" and len(source) and isinstance(source[name].iloc[0], datetime):
            zones = {str(value.tzinfo) for value in source[name] if isinstance(value, datetime)}
            if len(zones) > 1:
                raise DataError(f"{what}: mixed timezones in column {name!r}: {listing(sorted(zones))}")
