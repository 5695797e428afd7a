"""Entry and exit signals: from frames or arrays to one sparse list of (bar, asset, bits, size, rank)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import StrategyError
from facade.foreign_names import here
from facade.strategies.frames import (
    float_values,
    is_long,
    require_columns,
    require_panel_shape,
    require_symbols,
    require_timestamps,
    wide_names,
)
from facade.strategies.passes import nonzero_bytes, pieces
from facade.strategies.placing import asset_columns, assets_of, bars_of
from facade.strategies.reading import MOST, on_panel, read_array_names, read_named_frame, spelled
from facade.strategies.strategy import Placed
from facade.wording import further
from ml4t_kernel.schema import ENTER_LONG, ENTER_SHORT, EXIT_LONG, EXIT_SHORT, SIGNAL

WHAT = "Signals"
BITS = {"entries": ENTER_LONG, "exits": EXIT_LONG, "short_entries": ENTER_SHORT, "short_exits": EXIT_SHORT}
ENTRY_BITS = ENTER_LONG | ENTER_SHORT
SINGULAR = {"entry": "entries", "exit": "exits", "short_entry": "short_entries", "short_exit": "short_exits"}


@dataclass(frozen=True, eq=False)
class Cells:
    """Values of one argument on (time, symbol). Array: values (T, A). Wide: values (R, n), symbols n names.

    Long: values (N,), symbols (N,) Series. values are bool for signals and float64 for size and rank.
    whole: given as an array with names, which `facade.strategies.reading.on_panel` matches first.
    """

    values: np.ndarray
    stamps: pl.Series | None = None
    symbols: pl.Series | tuple[str, ...] | None = None
    whole: bool = False


def read_array(name: str, array: Any, flags: bool) -> Cells:
    named = read_array_names(array, f"{WHAT}: {name}")
    values = named.values
    if values.ndim != 2:
        raise StrategyError(f"{WHAT}: {name} must be an array (T, A), got shape {values.shape}")
    if (flags and values.dtype != bool) or (not flags and values.dtype.kind not in "fiu"):
        way = _to_boolean(values.dtype) if flags else ""
        raise StrategyError(f"{WHAT}: {name} must be {'boolean' if flags else 'numeric'}, got {values.dtype}{way}")
    return Cells(values, named.stamps, named.names, named.names is not None or named.stamps is not None)


NUMBERS_TO_BOOLEAN = "; 0 and 1 become False and True with .astype(bool), in Polars with .cast(pl.Boolean)"
GAPS_TO_FALSE = "; where shift() left gaps, .fillna(False).astype(bool) makes booleans again"


def _to_boolean(dtype: np.dtype) -> str:
    """How an array of numbers, or of booleans with gaps, becomes signals."""
    return NUMBERS_TO_BOOLEAN if dtype.kind in "iuf" else GAPS_TO_FALSE if dtype.kind == "O" else ""


def _column(frame: pl.DataFrame, column: str, name: str, flags: bool) -> np.ndarray:
    if not flags:
        return float_values(frame[column], f"{WHAT}: {name}")
    if frame[column].dtype not in (pl.Boolean, pl.Null):
        dtype = frame[column].dtype
        way = NUMBERS_TO_BOOLEAN if dtype.is_numeric() else ""
        raise StrategyError(f"{WHAT}: {name}, column {column!r} must be boolean, got {dtype}{way}")
    return frame[column].cast(pl.Boolean).fill_null(False).to_numpy()


def checked_frame(name: str, source: Any) -> pl.DataFrame:
    frame = read_named_frame(source, f"{WHAT}: {name}", (*BITS, *SINGULAR, "rank"))
    require_columns(frame, ("timestamp",), f"{WHAT}: {name}")
    require_timestamps(frame["timestamp"], f"{WHAT}: {name}")
    if is_long(frame):
        require_symbols(frame["symbol"], f"{WHAT}: {name}")
        if frame["symbol"].null_count():
            row = frame["symbol"].is_null().arg_max()
            raise StrategyError(f"{WHAT}: {name}, row {row}, column 'symbol': null is not a symbol")
        pairs = frame.select("timestamp", "symbol")
        if pairs.n_unique() != pairs.height:
            row = int((~pairs.select(pl.struct(pl.all()).is_first_distinct()).to_series()).arg_max() or 0)
            symbol, stamp = pairs.row(row)[::-1]
            raise StrategyError(f"{WHAT}: {name}, row {row}: symbol {symbol!r} is given twice at {stamp}")
    elif frame["timestamp"].n_unique() != frame.height:
        row = int((~frame["timestamp"].is_first_distinct()).arg_max() or 0)
        raise StrategyError(f"{WHAT}: {name}, row {row}: {frame['timestamp'][row]} is given twice")
    return frame


def long_cells(frame: pl.DataFrame, column: str, name: str, flags: bool) -> Cells:
    """One column of a long frame."""
    column = spelled(column, frame.columns)
    require_columns(frame, (column,), f"{WHAT}: {name}")
    return Cells(_column(frame, column, name, flags), frame["timestamp"], frame["symbol"])


def read_frame(name: str, source: Any, flags: bool) -> Cells:
    """A frame given for one argument: wide, or long with one column of values (called `name` if there are more)."""
    frame = checked_frame(name, source)
    if not is_long(frame):
        names = wide_names(frame)
        values = np.empty((frame.height, len(names)), bool if flags else np.float64)
        for at, column in enumerate(names):
            values[:, at] = _column(frame, column, name, flags)
        return Cells(values, frame["timestamp"], tuple(names))
    columns = [column for column in frame.columns if column not in ("timestamp", "symbol")]
    fitting = [c for c in columns if (frame[c].dtype == pl.Boolean if flags else frame[c].dtype.is_numeric())]
    chosen = [c for c in columns if SINGULAR.get(c, c) == name] or fitting
    if len(chosen) != 1:
        kind, way = "boolean" if flags else "numeric", next(filter(None, map(here, columns)), "")
        if flags and not fitting and any(frame[column].dtype.is_numeric() for column in columns):
            way = NUMBERS_TO_BOOLEAN
        raise StrategyError(f"{WHAT}: {name} needs one {kind} column, or one called {name!r}; got {frame.columns}{way}")
    return long_cells(frame, chosen[0], name, flags)


def _located(panel: Panel, cells: Cells, chosen: np.ndarray, align: str | None, name: str) -> tuple[np.ndarray, ...]:
    """Bar, asset and order of time of the chosen cells (`chosen` has the shape of cells.values)."""
    what = f"{WHAT}: {name}"
    if cells.stamps is None:
        require_panel_shape(cells.values, panel, what)
        bars, assets = np.nonzero(chosen)
        return bars, assets, bars
    times = cells.stamps.to_physical().cast(pl.Int64).to_numpy()
    on_clock, on_panel = _places(panel, cells, align, what)
    if isinstance(cells.symbols, tuple):
        rows, columns = np.nonzero(chosen)
        return on_clock[rows], on_panel[columns], times[rows]
    rows = np.flatnonzero(chosen)
    return on_clock[rows], on_panel[rows], times[rows]


def cut_cells(name: str, cells: Cells, selection: Selection, placed: Placed) -> Cells:
    """The cells of a part of the panel."""
    panel, what = placed.panel, f"{WHAT}: {name}"
    cells = on_panel(panel, cells, what)
    if cells.stamps is None:
        require_panel_shape(cells.values, panel, what)
        return Cells(selection.cut(cells.values))
    bars, assets = placed.kept(name, lambda: _places(panel, cells, placed.align, what))
    wanted_bars, wanted = selection.numbers(panel.shape[1])
    keep = np.isin(bars, wanted_bars)
    if isinstance(cells.symbols, tuple):
        columns = np.flatnonzero(np.isin(assets, wanted))
        names = tuple(cells.symbols[column] for column in columns)
        return Cells(cells.values[keep][:, columns], cells.stamps.filter(pl.Series(keep)), names)
    assert cells.symbols is not None
    keep &= np.isin(assets, wanted)
    mask = pl.Series(keep)
    return Cells(cells.values[keep], cells.stamps.filter(mask), cells.symbols.filter(mask))


def _places(panel: Panel, cells: Cells, align: str | None, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Bar of each row, and column of the panel of each row (long) or of each column (wide)."""
    assert cells.stamps is not None and cells.symbols is not None
    if isinstance(cells.symbols, tuple):
        return bars_of(panel, cells.stamps, align, what), asset_columns(panel, cells.symbols, what)
    bars = bars_of(panel, cells.stamps, align, what, cells.symbols)
    return bars, assets_of(panel, cells.symbols, what, cells.stamps)


def place_signals(
    panel: Panel, flags: Mapping[str, Cells], size: float | Cells, rank: Cells | None, align: str | None
) -> tuple[np.ndarray, dict[str, int]]:
    """(G,) SIGNAL sorted by bar, then asset, and the count of signals after the last bar."""
    flags = {name: on_panel(panel, cells, f"{WHAT}: {name}") for name, cells in flags.items()}
    size = on_panel(panel, size, f"{WHAT}: size") if isinstance(size, Cells) else size
    rank = None if rank is None else on_panel(panel, rank, f"{WHAT}: rank")
    n_assets = panel.shape[1]
    keys: list[np.ndarray] = []
    bits: list[np.ndarray] = []
    dropped = 0
    if all(cells.stamps is None for cells in flags.values()):
        keys, bits = _array_bits(panel, flags)
    else:
        for name, cells in flags.items():
            bars, assets, _ = _located(panel, cells, cells.values, align, name)
            inside = bars < panel.shape[0]
            dropped += int(len(bars) - np.count_nonzero(inside))
            keys.append((bars[inside].astype(np.int64) * n_assets + assets[inside]).astype(np.int64))
            bits.append(np.full(len(keys[-1]), BITS[name], np.uint8))
    key, packed = _merged(np.concatenate(keys), np.concatenate(bits))
    signals = np.zeros(len(key), SIGNAL)
    signals["bar"], signals["asset"] = np.divmod(key, n_assets) if n_assets > 1 else (key, 0)
    signals["bits"] = packed
    signals["amount"] = size if not isinstance(size, Cells) else _values_at(panel, size, key, align, "size")
    signals["rank"] = np.inf if rank is None else _values_at(panel, rank, key, align, "rank")
    _check_sizes(panel, signals)
    signals.flags.writeable = False
    return signals, {"dropped_rows": dropped}


def _array_bits(panel: Panel, flags: Mapping[str, Cells]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    for name, cells in flags.items():
        require_panel_shape(cells.values, panel, f"{WHAT}: {name}")
    given = [(cells.values.view(np.uint8).ravel(), np.uint8(BITS[name])) for name, cells in flags.items()]
    keys: list[np.ndarray] = []
    bits: list[np.ndarray] = []
    for piece in pieces(given[0][0]):
        packed = given[0][0][piece] * given[0][1]
        for flat, bit in given[1:]:
            packed |= flat[piece] * bit
        found = nonzero_bytes(packed)
        keys.append(found + piece.start)
        bits.append(packed[found])
    return keys, bits


def _merged(key: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct keys with all their bits."""
    if len(key) > 1 and not (key[1:] > key[:-1]).all():
        order = np.argsort(key, kind="stable")
        key, bits = key[order], bits[order]
        starts = np.flatnonzero(np.concatenate(([True], key[1:] != key[:-1])))
        key, bits = key[starts], np.bitwise_or.reduceat(bits, starts)
    return key, bits


def _values_at(panel: Panel, cells: Cells, key: np.ndarray, align: str | None, name: str) -> np.ndarray:
    """Value of each (bar, asset) key; the latest where align moved several to one bar, NaN where none is given."""
    given = ~np.isnan(cells.values)
    bars, assets, times = _located(panel, cells, given, align, name)
    values = cells.values[given].astype(np.float64)
    inside = bars < panel.shape[0]
    own = bars[inside].astype(np.int64) * panel.shape[1] + assets[inside]
    order = np.lexsort((times[inside], own))
    own, values = own[order], values[inside][order]
    found = np.searchsorted(own, key, side="right") - 1
    hit = (found >= 0) & (own[np.maximum(found, 0)] == key) if len(own) else np.zeros(len(key), bool)
    result = np.full(len(key), np.nan)
    result[hit] = values[found[hit]]
    return result


def _check_sizes(panel: Panel, signals: np.ndarray) -> None:
    """Entries need a positive finite size; rank: finite, missing is served last."""
    rank = signals["rank"]
    rank[np.isnan(rank)] = np.inf
    entering = (signals["bits"] & ENTRY_BITS) != 0
    size = signals["amount"]
    wrong = np.flatnonzero(entering & ~((size > 0) & (size <= MOST)))
    if len(wrong):
        signal = signals[wrong[0]]
        raise StrategyError(
            f"{WHAT}: size of {panel.symbols[signal['asset']]} at {panel.timestamps[int(signal['bar'])]} is "
            f"{signal['amount']}; an entry needs a positive finite size, at most {MOST:g}{further(len(wrong))}"
        )
    size[np.isnan(size)] = 0.0
