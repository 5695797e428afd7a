"""Walk-forward: choose on one window of time, trade the next, move on; what was traded is one account."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from facade.arguments import as_config, as_panel, refuse_swapped, refuse_unknown, take_loading
from facade.config.model import Config
from facade.data.flows import read_flows
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import BacktestWarning, ConfigError, DataError, Interrupted
from facade.results.metrics import Metrics
from facade.results.result import Result
from facade.sweeps.grid.grid import Column, Grid, read_grid
from facade.sweeps.grid.labels import labels_of
from facade.sweeps.grid.variants import Variants
from facade.sweeps.plan.plan import Plan, make_plan
from facade.sweeps.result.drill import run_of
from facade.sweeps.result.ranking import check_metric, column_of, direction_of, direction_text, value_of
from facade.sweeps.result.result import SweepResult
from facade.sweeps.rows.columns import column_types
from facade.sweeps.run import sweep
from facade.sweeps.studies.splits import Size, Split, Window, walk_forward_splits
from facade.sweeps.studies.stitch import NO_FLOWS, Stretch, ran, rested, stitched_equity, stitched_metrics
from facade.sweeps.studies.walk_forward_figure import figure_of, title_of
from facade.sweeps.workers.notes import Notes

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

FOLD = (
    *("fold", "train_start", "train_end", "test_start", "test_end", "train_bars", "test_bars", "row"),
    *("in_sample", "out_of_sample", "initial_cash", "final_value"),
)
"""Columns of `folds` besides the parameters."""


@dataclass(frozen=True, eq=False, repr=False)
class WalkForward:
    """What `walk_forward` found; everything but `in_sample` is out of sample."""

    folds: pl.DataFrame
    """One row a fold, in order of time.

    fold (Int64): number, from 0
    train_start, train_end, test_start, test_end: timestamps of the first and last bars of the windows
    train_bars, test_bars (Int64): their lengths
    row (Int64): number of the chosen row of the grid; null: no row could be chosen, the account stayed in cash
    one column a parameter: as the table of a sweep shows it
    in_sample, out_of_sample (Float64): the metric of the chosen row in the train window and in the test window
    initial_cash, final_value (Float64): equity at the start and at the end of the test window
    """
    equity: pl.DataFrame
    """The account through all test windows; columns as in `Result.equity`."""
    metrics: Metrics
    """Of that account; keys and formulas of `facade.results.metrics`."""
    results: tuple[Result | None, ...]
    """The run of each test window; None where the account stayed in cash."""
    splits: tuple[Split, ...]
    metric: str
    maximize: bool
    """Whether the row with the highest metric was chosen in each train window, or with the lowest."""
    trials: int
    """Backtests that were chosen from: rows of the grid x folds."""
    in_sample: SweepResult
    """All of them: row r of fold f is row f x rows + r, parameter "window" is the train window."""

    @property
    def degradation(self) -> dict[str, float]:
        """What choosing promised and what came: means over the folds in which both are finite.

        folds: how many these are; in_sample, out_of_sample: means of the metric; difference: the second less the
        first; ratio: the second over the first, the walk-forward efficiency of Pardo (2008), which means something
        only while in_sample is positive.
        """
        pair = self.folds.select("in_sample", "out_of_sample").filter(pl.all_horizontal(pl.all().is_finite()))
        means = [float(pair[name].mean() or 0.0) if pair.height else nan for name in pair.columns]  # type: ignore[arg-type]
        return {
            "folds": pair.height,
            "in_sample": means[0],
            "out_of_sample": means[1],
            "difference": means[1] - means[0],
            "ratio": means[1] / means[0] if means[0] else nan,
        }

    def plot(self, *, title: str | None = None, max_points: int = 4_000, height: int = 700) -> Figure:
        """A plotly figure: equity with the starts of the test windows; the metric in and out of sample by fold."""
        title = title or title_of(self.folds.height, self.trials, self.metrics)
        chosen = direction_text(self.maximize)
        return figure_of(
            self.folds, self.equity, self.metric, title, chosen=chosen, max_points=max_points, height=height
        )

    def __repr__(self) -> str:
        known = self.metrics
        return (
            f"WalkForward({self.folds.height} folds, {self.trials:,} trials, chosen by {direction_text(self.maximize)} "
            f"{self.metric}; out of sample {known['bars']:,} bars, return {known['total_return']:.2%}, "
            f"sharpe {known['sharpe']:.2f})"
        )


def walk_forward(
    prices: Any,
    strategy: Any,
    config: Config | Mapping[str, Any] | None = None,
    grid: Any = None,
    *,
    train: Size | None = None,
    test: Size | None = None,
    step: Size | None = None,
    anchored: bool = False,
    purge: Size = 0,
    whole: bool = False,
    splits: Sequence[Split] | None = None,
    metric: str = "sharpe",
    maximize: bool | None = None,
    min_trades: int = 0,
    constraint: Callable[[dict[str, Any]], bool] | pl.Expr | None = None,
    seed: int | None = None,
    actions: Any = None,
    flows: Any = None,
    align: str | None = None,
    **keywords: Any,
) -> WalkForward:
    """Choose the best row of a grid on each train window and trade it on the test window that follows.

    All rows are run on all train windows in one sweep. Of each window the row with the best metric is chosen (NaN is
    never chosen; of equal ones the first) and run on the test window, with the equity that the window before left.

    Parameters
    ----------
    prices, strategy, config, grid, constraint, seed, actions, align
        As for `sweep`; the grid has no "window", "initial_cash" or "periods_per_year". A strategy given as a function
        sees the whole panel, so that indicators are warm on the first bar of a window; it must not look ahead, which
        nothing here can check.
    flows
        As for `run_backtest`; each window, of training and of testing, takes those that fall into it.
    train, test, step, anchored, purge, whole
        As for `walk_forward_splits`.
    splits
        Instead of these: windows of your own, whose tests follow each other without gap or overlap.
    metric, maximize
        What to choose by: one of `SweepResult.columns` that is a number; whether its largest value is the best, which
        the metric knows when it is not given (as for `SweepResult.best`).
    min_trades
        Rows with fewer closed trades in a train window are not chosen there.
    **keywords
        Further arguments of `sweep` (n_jobs, progress, executor, ...) and of `load_panel`.

    Returns
    -------
    WalkForward

    Notes
    -----
    The account is flat at each boundary: what was decided in a window trades in that window only, and what is held at
    its end is worth its marks, without costs of closing; the next window starts from that in cash, and pays to enter.
    The first trade of a window can come from a decision on its first bar. Train windows all start with the
    configuration's `initial_cash`. The night at the seam between two windows is not charged: the first bar of a window
    pays no borrow fee, interest or funding. A window in which no row can be chosen is spent in cash, and so is
    everything after the equity has gone.

    Raises
    ------
    DataError, ConfigError, StrategyError
        Before anything runs, naming what is wrong and where.
    Interrupted
        On Ctrl-C; its `result` is the SweepResult in sample, so far.

    Examples
    --------
    >>> from facade import Signals, datasets, load_panel
    >>> panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=["AAPL", "IBM"])
    >>> def trend(panel, length):
    ...     close = pl.DataFrame(panel.adjusted("close"))
    ...     above = (close > close.select(pl.all().rolling_mean(length))).fill_null(False).to_numpy()
    ...     return Signals.from_arrays(above, ~above, size=0.25)
    >>> grid = {"length": [20, 50, 100]}
    >>> found = walk_forward(panel, trend, None, grid, train="4y", test="3y", whole=True, progress=False)
    >>> found.folds.select("test_start", "length").rows()
    [(datetime.date(2004, 3, 1), 50), (datetime.date(2007, 3, 1), 50), (datetime.date(2010, 3, 1), 50)]
    """
    refuse_swapped(prices)
    config = as_config(config)
    check_metric(metric, column_types())
    maximize = direction_of(metric, maximize)
    given = Variants(strategy)
    refuse_unknown(keywords, walk_forward, sweep, own=given.parameters)
    read = read_grid(
        grid,
        config,
        parameters=given.parameters,
        variants=given.names,
        constraint=constraint,
        seed=seed,
        taken=("window", *FOLD),
    )
    _refuse_own(read)
    panel = as_panel(prices, actions, read.values_of("spread", config), take_loading(keywords))
    splits = _splits_of(panel, splits, train, test, step, anchored=anchored, purge=purge, whole=whole)
    trained = _with_windows(read, _labels(panel, [split.train[0] for split in splits]))
    notes = Notes()
    with notes.gathering():
        placed = read_flows(flows, panel)
        tested = _with_windows(read, _labels(panel, [split.test[0] for split in splits]))
        tests = make_plan(panel, given, config, tested, align, placed)
        found = sweep(panel, strategy, config, trained, flows=placed, align=align, **keywords)
    if found.interrupted:
        raise Interrupted(f"interrupted after {len(found):,} of {trained.rows:,} runs in sample; see .result", found)
    chosen, values = _choose(found, len(splits), metric, maximize, min_trades)
    try:
        with notes.gathering():
            stretches = _trade(tests, [split.test[0] for split in splits], chosen)
    except Interrupted as error:
        raise Interrupted("interrupted out of sample; .result is the sweep in sample", found) from error
    notes.warn()
    result = _put_together(panel, config, read, splits, stretches, (chosen, values, metric, maximize), found)
    refused = result.metrics["num_rejected_orders"] + result.metrics["num_cut_orders"]
    if refused:
        text = f"out of sample {refused:,} orders were refused or cut; see rejections of .results"
        warnings.warn(text, BacktestWarning, stacklevel=2)
    return result


OWN = {
    "window": "train and test, or splits, make the windows",
    "initial_cash": "each test window starts with what the one before left; see capacity()",
    "periods_per_year": "the account that goes through all windows has one number of bars a year",
}
"""Axes that the user's grid has not, and why."""


def _refuse_own(grid: Grid) -> None:
    for name, why in OWN.items():
        if grid.column(name) is not None:
            raise ConfigError(f"the grid of a walk-forward has no axis {name!r}: {why}")


def _splits_of(
    panel: Panel,
    splits: Sequence[Split] | None,
    train: Size | None,
    test: Size | None,
    step: Size | None,
    *,
    anchored: bool,
    purge: Size,
    whole: bool,
) -> tuple[Split, ...]:
    """Those given, or those that the sizes make; checked."""
    if splits is None:
        if train is None or test is None:
            raise ConfigError("walk_forward needs train= and test= (bars, or durations such as '3y'), or splits=")
        splits = walk_forward_splits(panel, train, test, step, anchored=anchored, purge=purge, whole=whole)
    elif train is not None or test is not None or step is not None or anchored or purge or whole:
        raise ConfigError("train, test, step, anchored, purge and whole make splits; give either these or splits=")
    splits = tuple(splits)
    _check_splits(splits, panel)
    return splits


def _check_splits(splits: Sequence[Split], panel: Panel) -> None:
    """One window each, train before test, tests one after the other, and timestamps to name them by."""
    if not panel.timestamps.dtype.is_temporal():
        raise DataError("walk_forward needs a panel with timestamps; the bars of this one are numbered")
    if not splits:
        raise ConfigError("splits is empty; at least one fold is needed")
    for number, split in enumerate(splits):
        if len(split.train) != 1 or len(split.test) != 1:
            raise ConfigError(f"fold {number}: {split} has more than one window; a walk-forward has one of each")
        (learned,), (tested,) = split.train, split.test
        if not 0 <= learned.first <= learned.last < tested.first <= tested.last < panel.shape[0]:
            raise ConfigError(f"fold {number}: {split} does not train before it tests within {panel.shape[0]:,} bars")
        if number and tested.first != splits[number - 1].test[0].last + 1:
            raise ConfigError(
                f"fold {number}: its test begins at bar {tested.first:,}, and the one before ends at bar "
                f"{splits[number - 1].test[0].last:,}; they must follow each other without gap or overlap (step = test)"
            )


def _labels(panel: Panel, windows: Sequence[Window]) -> list[tuple[Any, Any]]:
    """(start, end) timestamps of each window."""
    times = panel.timestamps
    return [(times[window.first], times[window.last]) for window in windows]


def _with_windows(grid: Grid, windows: Sequence[tuple[Any, Any]]) -> Grid:
    """Every row on every window: the rows of window 0 first."""
    folds = len(windows)
    own = [replace(column, codes=frozen(np.tile(column.codes, folds), np.int32)) for column in grid.columns]
    codes = frozen(np.repeat(np.arange(folds), grid.rows), np.int32)
    window = Column("window", "window", tuple(windows), codes, labels_of(windows, "window"))
    return Grid((window, *own), grid.rows * folds, grid.dropped, grid.seed)


def _choose(
    found: SweepResult, folds: int, metric: str, maximize: bool, min_trades: int
) -> tuple[np.ndarray, np.ndarray]:
    """(folds,) int64 best row of each fold, -1 where there is none, and its metric in sample."""
    names = [column_of(found.facts, name) for name in (metric, "num_trades")]
    table = found.scan().select(names).collect()
    values = table[names[0]].cast(pl.Float64).to_numpy().reshape(folds, -1)
    allowed = ~np.isnan(values) & (table[names[1]].to_numpy().reshape(folds, -1) >= min_trades)
    chosen = np.full(folds, -1, dtype=np.int64)
    best = np.full(folds, nan)
    for fold in range(folds):
        rows = np.flatnonzero(allowed[fold])
        if len(rows):
            own = values[fold, rows]
            chosen[fold] = rows[own.argmax() if maximize else own.argmin()]
            best[fold] = values[fold, chosen[fold]]
    return chosen, best


def _trade(plan: Plan, tests: Sequence[Window], chosen: np.ndarray) -> list[Stretch]:
    """The chosen row of each fold on its test window, each with the equity that the one before left.

    plan: of every row on every test window, those of window 0 first.
    """
    rows, cash = plan.grid.rows // len(tests), float(plan.config.initial_cash)
    stretches = []
    for fold, (window, row) in enumerate(zip(tests, chosen.tolist(), strict=True)):
        if row >= 0 and cash > 0.0:
            stretches.append(ran(run_of(plan, fold * rows + row, {"initial_cash": cash})))
        else:
            given = NO_FLOWS if plan.flows is None else plan.flows.within(Selection(window.slice, None)).rows
            stretches.append(rested(plan.panel.timestamps[window.slice], cash, given))
        cash = stretches[-1].final_value
    return stretches


def _put_together(
    panel: Panel,
    config: Config,
    grid: Grid,
    splits: tuple[Split, ...],
    stretches: Sequence[Stretch],
    choice: tuple[np.ndarray, np.ndarray, str, bool],
    found: SweepResult,
) -> WalkForward:
    chosen, values, metric, maximize = choice
    initial = float(config.initial_cash)
    periods = float(config.periods_per_year or panel.periods_per_year)
    equity = stitched_equity(stretches, initial)
    finals = [stretch.final_value for stretch in stretches]
    times = panel.timestamps
    ends = {
        f"{name}_{edge}": times.gather([getattr(getattr(split, name)[0], bar) for split in splits])
        for name in ("train", "test")
        for edge, bar in (("start", "first"), ("end", "last"))
    }
    outside = [nan if s.result is None else value_of(s.result, metric) for s in stretches]
    taken = pl.Series("row", chosen).set(pl.Series(chosen < 0), None)
    shown = [column.shown.gather(pl.Series(column.codes).gather(taken)).alias(column.name) for column in grid.columns]
    folds = pl.DataFrame(
        {
            "fold": np.arange(len(splits)),
            **ends,
            "train_bars": [split.train[0].bars for split in splits],
            "test_bars": [split.test[0].bars for split in splits],
            "row": taken,
            **{series.name: series for series in shown},
            "in_sample": values,
            "out_of_sample": outside,
            "initial_cash": [initial, *finals[:-1]],
            "final_value": finals,
        }
    )
    return WalkForward(
        folds=folds,
        equity=equity,
        metrics=stitched_metrics(stretches, equity, initial, periods),
        results=tuple(stretch.result for stretch in stretches),
        splits=splits,
        metric=metric,
        maximize=maximize,
        trials=found.trials,
        in_sample=found,
    )
