"""Target weights and shares: from what the user gives to rows of targets for the bars given (contract clause 6.0)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import StrategyError
from facade.strategies.frames import (
    float_values,
    is_long,
    require_columns,
    require_panel_shape,
    require_symbols,
    require_timestamps,
    wide_names,
)
from facade.strategies.passes import Survey, rows_of_nan, sums_of_sizes, survey
from facade.strategies.placing import asset_columns, assets_of, bars_of
from facade.strategies.reading import MOST, on_panel, read_array_names, read_named_frame
from facade.strategies.strategy import Placed
from facade.wording import further

SUM_TOLERANCE = 1e-6
"""Excess of a sum of weights that is rounding: single precision leaves some 1e-7. What cash does not cover is cut."""


@dataclass(frozen=True, eq=False)
class GivenTargets:
    """Targets before they meet a panel. Exactly one of three forms.

    Array: values (T, A), stamps and symbols None. Wide: values (R, n), stamps (R,), symbols the n column names.
    Long: values (N,), stamps (N,), symbols (N,) Series.
    whole: an array or wide frame given as an array, whose names `facade.strategies.reading.on_panel` matches first.
    """

    values: np.ndarray
    stamps: pl.Series | None = None
    symbols: pl.Series | tuple[str, ...] | None = None
    whole: bool = False


@dataclass(frozen=True, eq=False)
class TargetRows:
    """weights: (R, A) float64, NaN leaves alone; bars: (R,) int32, increasing; counts: what was dropped or left out."""

    weights: np.ndarray
    bars: np.ndarray
    counts: dict[str, int]

    @cached_property
    def survey(self) -> Survey:
        return survey(self.weights)


def read_target_array(array: Any, what: str) -> GivenTargets:
    """A (T, A) array of targets, or (T,) for one symbol; a NaN row is a bar without rebalance."""
    named = read_array_names(array, what)
    values = named.values
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise StrategyError(f"{what}: expected a numeric array (T, A), got shape {values.shape} of {values.dtype}")
    return GivenTargets(values, named.stamps, named.names, named.names is not None or named.stamps is not None)


def read_target_frame(source: Any, names: tuple[str, ...], what: str) -> GivenTargets:
    """A long frame (timestamp, symbol, one of `names`) or a wide one (timestamp, a column a symbol)."""
    frame = read_named_frame(source, what, names)
    require_columns(frame, ("timestamp",), what)
    stamps = frame["timestamp"]
    require_timestamps(stamps, what)
    if not is_long(frame):
        columns = wide_names(frame)
        values = np.empty((frame.height, len(columns)))
        for at, name in enumerate(columns):
            values[:, at] = float_values(frame[name], what)
        _refuse_infinite(values, stamps, columns, what)
        _refuse_repeated(stamps, what)
        return GivenTargets(values, stamps, tuple(columns))
    require_symbols(frame["symbol"], what)
    if frame["symbol"].null_count():
        raise StrategyError(f"{what}: row {frame['symbol'].is_null().arg_max()}, column 'symbol': null is not a symbol")
    present = [name for name in names if name in frame.columns]
    if len(present) != 1:
        raise StrategyError(f"{what}: a long frame needs one column called {' or '.join(names)}, got {frame.columns}")
    long = float_values(frame[present[0]], what)
    infinite = np.flatnonzero(np.isinf(long))
    if len(infinite):
        row = int(infinite[0])
        raise StrategyError(
            f"{what}: row {row} ({frame['symbol'][row]}, {stamps[row]}), column {present[0]!r}, value {long[row]}: "
            f"must be finite{further(len(infinite))}"
        )
    return GivenTargets(long, stamps, frame["symbol"])


def _refuse_infinite(values: np.ndarray, stamps: Any, names: Any, what: str) -> None:
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        row, column = infinite[0]
        raise StrategyError(
            f"{what}: row {row} ({names[column]}, {stamps[int(row)]}), value {values[row, column]}: "
            f"must be finite{further(len(infinite))}"
        )


def _refuse_repeated(stamps: pl.Series, what: str) -> None:
    if stamps.n_unique() != len(stamps):
        row = int((~stamps.is_first_distinct()).arg_max() or 0)
        raise StrategyError(f"{what}: row {row}, column 'timestamp': {stamps[row]} is given twice")


def place_targets(panel: Panel, given: GivenTargets, align: str | None, what: str) -> TargetRows:
    """Rows of targets on the bars of the panel."""
    given = on_panel(panel, given, what)
    if given.stamps is None:
        return _place_array(panel, given.values, what)
    if isinstance(given.symbols, tuple):
        return _place_wide(panel, given, align, what)
    return _place_long(panel, given, align, what)


def cut_targets(given: GivenTargets, selection: Selection, placed: Placed, what: str) -> GivenTargets:
    """The targets of a part of the panel; what a symbol left out of a frame means is decided by the whole frame."""
    panel = placed.panel
    given = on_panel(panel, given, what)
    if given.stamps is None:
        require_panel_shape(given.values, panel, what)
        return GivenTargets(selection.cut(given.values))
    rows = placed.kept("targets", lambda: place_targets(panel, given, placed.align, what))
    bars, columns = selection.numbers(panel.shape[1])
    keep = np.isin(rows.bars, bars)
    symbols = tuple(panel.symbols[column] for column in columns)
    return GivenTargets(rows.weights[keep][:, columns], panel.labels.gather(rows.bars[keep]), symbols)


def _place_array(panel: Panel, array: np.ndarray, what: str) -> TargetRows:
    require_panel_shape(array, panel, what)
    bars = np.flatnonzero(~rows_of_nan(array))
    rows = TargetRows(frozen(array if len(bars) == len(array) else array[bars]), bars.astype(np.int32), {})
    # A row sum is finite only when the row has neither NaN nor infinity: the others are looked at.
    odd = np.flatnonzero(~np.isfinite(rows.survey.sums))
    if len(odd):
        _refuse_infinite(rows.weights[odd], panel.timestamps.gather(rows.bars[odd]), panel.symbols, what)
    return rows


def _place_wide(panel: Panel, given: GivenTargets, align: str | None, what: str) -> TargetRows:
    assert given.stamps is not None and given.symbols is not None
    assets = asset_columns(panel, list(given.symbols), what)
    order = _time_order(given.stamps)
    stamps = given.stamps if order is None else given.stamps[order]
    values = given.values if order is None else given.values[order]
    bars = bars_of(panel, stamps, align, what, rows=order)
    inside = bars < panel.shape[0]
    told = ~np.isnan(values).all(axis=1) if values.shape[1] else np.zeros(len(bars), bool)
    keep = inside & told
    last = np.ones(len(bars), bool)
    kept = np.flatnonzero(keep)
    last[kept[:-1]] = bars[kept[1:]] != bars[kept[:-1]]
    rows = np.flatnonzero(keep & last)
    weights = np.zeros((len(rows), panel.shape[1]))
    weights[:, assets] = values[rows]
    # A symbol without a column was never given another target than zero.
    counts = {"dropped_rows": int((~inside).sum()), "superseded_rows": int((keep & ~last).sum())}
    return TargetRows(frozen(weights), bars[rows].astype(np.int32), counts)


def _place_long(panel: Panel, given: GivenTargets, align: str | None, what: str) -> TargetRows:
    assert given.stamps is not None and isinstance(given.symbols, pl.Series)
    assets = assets_of(panel, given.symbols, what, given.stamps)
    bars = bars_of(panel, given.stamps, align, what, given.symbols)
    _refuse_repeated_cells(panel, given, assets, bars, what)
    keep = bars < panel.shape[0]
    counts = {"dropped_rows": int(len(keep) - np.count_nonzero(keep)), "superseded_rows": 0}
    if align is not None:
        latest = _latest_time(given.stamps, bars, panel.shape[0])
        counts["superseded_rows"] = int((keep & ~latest).sum())
        keep &= latest
    values = given.values
    if not keep.all():
        assets, bars, values = assets[keep], bars[keep], values[keep]
    on_bar = np.zeros(panel.shape[0], bool)
    on_bar[bars] = True
    target_bars = np.flatnonzero(on_bar).astype(np.int32)
    cells = (np.cumsum(on_bar) - 1)[bars] * panel.shape[1] + assets
    weights = np.zeros(len(target_bars) * panel.shape[1])
    weights[cells] = values
    shape = (len(target_bars), panel.shape[1])
    if len(cells) < weights.size:
        left_out = np.ones(weights.size, bool)
        left_out[cells] = False
        counts["closes_left_out"] = _closes_left_out(weights.reshape(shape), left_out.reshape(shape))
    return TargetRows(frozen(weights.reshape(shape)), target_bars, counts)


def _closes_left_out(weights: np.ndarray, left_out: np.ndarray) -> int:
    """Cells that are zero because the symbol was left out, where its target before was not zero."""
    told = np.where(np.isnan(weights), -1, np.arange(len(weights))[:, None])
    latest = np.maximum.accumulate(told, axis=0)
    row, asset = np.nonzero(left_out[1:])
    before = latest[row, asset]
    return int(((before >= 0) & (weights[np.maximum(before, 0), asset] != 0)).sum())


def _refuse_repeated_cells(panel: Panel, given: GivenTargets, assets: np.ndarray, bars: np.ndarray, what: str) -> None:
    """(timestamp, symbol) may be given once; under align, different times may share a bar."""
    assert given.stamps is not None and isinstance(given.symbols, pl.Series)
    seen = np.zeros((panel.shape[0] + 1) * panel.shape[1], bool)
    seen[bars.astype(np.int64) * panel.shape[1] + assets] = True
    if np.count_nonzero(seen) == len(assets):
        return
    pairs = pl.DataFrame({"timestamp": given.stamps, "asset": assets})
    again = ~pairs.select(pl.struct("timestamp", "asset").is_first_distinct()).to_series()
    if again.any():
        row = int(again.arg_max() or 0)
        raise StrategyError(
            f"{what}: row {row}: symbol {given.symbols[row]!r} is given twice at {given.stamps[row]}"
            f"{further(int(again.sum()))}"
        )


def _latest_time(stamps: pl.Series, bars: np.ndarray, n_bars: int) -> np.ndarray:
    """Where a row carries the latest of the times that fall on its bar."""
    times = stamps.to_physical().cast(pl.Int64).to_numpy()
    latest = np.full(n_bars + 1, np.iinfo(np.int64).min)
    np.maximum.at(latest, bars, times)
    return latest[bars] == times


def _time_order(stamps: pl.Series) -> np.ndarray | None:
    if stamps.is_sorted():
        return None
    return np.argsort(stamps.to_physical().to_numpy(), kind="stable")


def check_targets(
    panel: Panel, rows: TargetRows, allow_short: bool, scale: bool, what: str, margin: bool = False
) -> TargetRows:
    """Target weights that the account can hold; else an error, or with `scale` the weights cut to fit.

    On margin they may sum to whatever is wanted. `scale` lifts negative weights to zero where shorts are not allowed,
    then divides rows whose sum of |w| is above 1.
    """
    if not rows.weights.size:
        return rows
    if not allow_short and rows.survey.least < 0:
        rows = _without_shorts(panel, rows, scale, what)
    if margin:
        return rows
    weights, gross = rows.weights, _gross(rows)
    over = np.flatnonzero(gross > 1.0 + SUM_TOLERANCE)
    if not len(over):
        return rows
    if not scale:
        bar = int(rows.bars[over[0]])
        raise StrategyError(
            f"{what}: the weights of {panel.timestamps[bar]} sum to {gross[over[0]]:.9g} in absolute value; an "
            f"unlevered account holds at most 1 (account='margin' borrows); scale=True divides such rows by their sum"
            f"{further(len(over))}"
        )
    scaled = np.array(weights)
    scaled[over] /= gross[over][:, None]
    return TargetRows(frozen(scaled), rows.bars, {**rows.counts, "scaled_rows": len(over)})


def _gross(rows: TargetRows) -> np.ndarray:
    """(R,) sums of |w| of each row, NaN apart."""
    gross = rows.survey.sums if rows.survey.least >= 0 else sums_of_sizes(rows.weights)
    untold = np.flatnonzero(np.isnan(gross))
    if len(untold):
        gross = gross.copy()
        gross[untold] = np.nansum(np.abs(rows.weights[untold]), axis=1)
    return gross


def refuse_large_targets(panel: Panel, rows: TargetRows, what: str) -> None:
    """Targets in shares that nobody can mean."""
    with np.errstate(invalid="ignore"):
        most = np.fmax.reduce(rows.weights, axis=None, initial=0.0)
        if most > MOST or rows.survey.least < -MOST:
            large = np.argwhere(np.abs(rows.weights) > MOST)
            row, asset = large[0]
            raise StrategyError(
                f"{what}: {panel.symbols[asset]} at {panel.timestamps[int(rows.bars[row])]} is "
                f"{rows.weights[row, asset]:.6g}; a target must be at most {MOST:g} shares{further(len(large))}"
            )


def refuse_short_targets(panel: Panel, rows: TargetRows, what: str, remedy: str) -> None:
    """Negative targets of an account that may not be short."""
    if rows.survey.least < 0:
        negative = np.argwhere(rows.weights < 0)
        row, asset = negative[0]
        raise StrategyError(
            f"{what}: {panel.symbols[asset]} at {panel.timestamps[int(rows.bars[row])]} is "
            f"{rows.weights[row, asset]:.6g}; negative targets need allow_short_selling=True{remedy}"
            f"{further(len(negative))}"
        )


def _without_shorts(panel: Panel, rows: TargetRows, scale: bool, what: str) -> TargetRows:
    """Rows of which some weights are negative, with those lifted to zero; refused without `scale`."""
    if not scale:
        refuse_short_targets(panel, rows, what, " (scale=True lifts them to zero)")
    negative = rows.weights < 0
    counts = {**rows.counts, "lifted_weights": int(np.count_nonzero(negative))}
    return TargetRows(frozen(np.where(negative, 0.0, rows.weights)), rows.bars, counts)
