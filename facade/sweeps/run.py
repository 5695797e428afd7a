"""`sweep`: one strategy, or several, over many configurations of the account."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from os import PathLike
from typing import Any
from uuid import uuid4

import numpy as np
import polars as pl

from facade.arguments import as_config, as_panel, refuse_engine_arguments, refuse_swapped, refuse_unknown
from facade.config.model import Config
from facade.data.flows import read_flows
from facade.errors import BacktestWarning, ConfigError, Interrupted
from facade.sweeps.grid.grid import read_grid
from facade.sweeps.grid.variants import Variants
from facade.sweeps.plan.plan import Plan, make_plan
from facade.sweeps.result.drill import row_runner
from facade.sweeps.result.result import SweepResult
from facade.sweeps.rows.rows import Rows, columns_of
from facade.sweeps.workers.job import Columns
from facade.sweeps.workers.notes import Notes
from facade.sweeps.workers.places import Place, place_of
from facade.sweeps.workers.pool import run_plan
from facade.wording import did_you_mean

KEPT = ("metrics", "equity", "trades")


def sweep(
    prices: Any,
    strategy: Any,
    config: Config | Mapping[str, Any] | None = None,
    grid: Any = None,
    *,
    keep: str = "metrics",
    n_jobs: int | None = None,
    progress: bool = True,
    seed: int | None = None,
    constraint: Callable[[dict[str, Any]], bool] | pl.Expr | None = None,
    executor: Any = None,
    checkpoint: str | PathLike[str] | None = None,
    actions: Any = None,
    flows: Any = None,
    align: str | None = None,
    **loading: Any,
) -> SweepResult:
    """Run a strategy under every configuration of a grid; each row is, to the bit, what `run_backtest` gives for it.

    Parameters
    ----------
    prices
        As of `run_backtest`: a `Panel`, or whatever `load_panel` takes. Loaded once.
    strategy
        `TargetWeights`, `TargetShares`, `Signals` or `Orders`; a function that returns one, called once for each
        combination of its arguments (`panel` is the whole panel, the others are names of the grid); or a dict name ->
        either of these, all of which are run.
    config
        What the grid does not vary; `Config()` when not given. A mapping of fields is accepted.
    grid
        A dict name -> list of values, of which every combination is run (the last name varies fastest); a list of
        dicts or a Polars frame, one row a configuration; or a sample: `facade.sweeps.grid.samplers.random`,
        `latin_hypercube` or `sobol` of a space. Names: fields of `Config`, arguments of the strategy function,
        "strategy" (names of the dict), "symbols" (lists of symbols) and "window" (pairs of first and last date, None
        for open).
    keep
        What is kept of each row besides its metrics: "metrics" (nothing), "equity" (the equity at the end of every
        bar) or "trades" (closed and open ones). Any row can be run again in full with `drill`.
    n_jobs
        Threads; None: one for each CPU this process may use. With an executor: chunks at a time, None: as many as it
        has workers.
    progress
        Show a progress bar.
    seed
        For a sample without a seed of its own.
    constraint
        Combinations to leave out before anything runs: a function of a row as a dict that says whether it stays, or a
        Polars expression.
    executor
        Where chunks run instead of in threads: any `concurrent.futures.Executor`, or a Dask client. Processes must be
        spawned, not forked: a fork hangs in the locks of Polars. Prices are
        published once a worker, and chunks of lost Dask workers run again; `sweeps.workers.publish` says when it pays.
    checkpoint
        A directory for finished rows. The same sweep started again with it runs only what is missing.
    actions, align, **loading
        As of `run_backtest`; instruments, borrow and funding are among the arguments of `load_panel`.
    flows
        As of `run_backtest`, the same for all rows; of those with a window each takes the flows that fall into it.

    Returns
    -------
    SweepResult
        `table` has a row for each configuration, in the order of the grid: its number, its values, the metrics, and
        for rows that need a second look a reason. On Ctrl-C it holds what is done, `interrupted` is True, and a
        `BacktestWarning` says how to go on.

    Raises
    ------
    ConfigError, DataError
        Before anything runs, naming row, column, value and what is allowed.
    StrategyError
        As `run_backtest`, for the first row whose strategy cannot be encoded. Accounts never raise: a bankrupt one, or
        one that has every order refused, is a row that says so. An error that comes after the first row was run
        carries the finished rows as `result`, also when it says that workers were lost.

    Examples
    --------
    >>> from facade import Signals, datasets, load_panel, sweep
    >>> panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=["AAPL", "IBM"])
    >>> def crossing(panel, fast, slow):
    ...     close = pl.DataFrame(panel.adjusted("close"))
    ...     above = close.select(pl.all().rolling_mean(fast) > pl.all().rolling_mean(slow)).fill_null(False).to_numpy()
    ...     return Signals.from_arrays(entries=above, exits=~above, size=0.3)
    >>> grid = {"fast": [10, 20], "slow": [50, 100], "stop_loss": [None, 0.05]}
    >>> result = sweep(panel, crossing, {"commission_rate": 0.0005}, grid, progress=False)
    >>> result.table.select("row", "fast", "slow", "stop_loss", "num_trades").head(3).rows()
    [(0, 10, 50, None, 79), (1, 10, 50, 0.05, 132), (2, 10, 100, None, 53)]
    """
    _check_arguments(prices, strategy, keep, loading)
    config, variants = as_config(config), Variants(strategy)
    refuse_unknown(loading, sweep, own=variants.parameters)
    with closing(place_of(executor, n_jobs)) as place:
        read = read_grid(
            grid, config, parameters=variants.parameters, variants=variants.names, constraint=constraint, seed=seed
        )
        panel = as_panel(prices, actions, read.values_of("spread", config), loading)
        notes = Notes()
        with notes.gathering():
            plan = make_plan(panel, strategy, config, read, align, read_flows(flows, panel))
        # Of a sweep that leaves nothing behind nobody asks what it was of, and the digest of a large panel takes long.
        identity = (uuid4().hex, None) if checkpoint is None else (plan.digest, plan.digests)
        with Rows.open(read, identity[0], keep, panel.shape[0], checkpoint, digests=identity[1]) as rows:
            return _run(plan, rows, place, notes, progress, checkpoint)


def _check_arguments(prices: Any, strategy: Any, keep: str, loading: dict[str, Any]) -> None:
    refuse_swapped(prices)
    refuse_engine_arguments(strategy, loading.pop("signals", None), loading.pop("context", None))
    if keep not in KEPT:
        near = did_you_mean(str(keep), KEPT)
        raise ConfigError(f"keep={keep!r}: allowed are {', '.join(map(repr, KEPT))}{near}")


class _Recorder:
    """Puts finished chunks into the table, and counts what deserves a warning."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self._plan, self._rows = plan, rows
        self.count = self.refused = self.bankrupt = 0

    def columns(self, rows: np.ndarray, state: np.ndarray) -> Columns:
        """Result columns of (n,) rows that ended in (n,) STATE; for any thread."""
        plan = self._plan
        return columns_of(
            *(state, plan.initial_cash(rows), plan.periods_per_year(rows), plan.years(rows)),
            limited=plan.limited(rows),
            paid=plan.paid(rows),
        )

    def take(self, rows: np.ndarray, columns: Columns, kept: list[np.ndarray] | None) -> None:
        """A chunk came back."""
        self._rows.add(rows, columns, kept)
        self.count += len(rows)
        self.refused += int(np.count_nonzero(columns["num_rejected_orders"] + columns["num_cut_orders"]))
        self.bankrupt += int(np.count_nonzero(columns["bankrupt"]))

    def warn(self, stacklevel: int) -> None:
        """One warning for all rows, where `stacklevel` calls up the user stands."""
        counts = ((self.refused, "had orders refused or cut"), (self.bankrupt, "went bankrupt"))
        found = [f"{count:,} {what}" for count, what in counts if count]
        if found:
            text = f"of {self.count:,} rows {' and '.join(found)}; see refused_*, bankrupt and reason in the table"
            warnings.warn(text, BacktestWarning, stacklevel=stacklevel)


def _run(plan: Plan, rows: Rows, place: Place, notes: Notes, progress: bool, checkpoint: Any) -> SweepResult:
    """Run what is missing, store it, and say at the end what a reader should know."""
    recorder, interrupted = _Recorder(plan, rows), False
    try:
        with notes.gathering():
            run_plan(plan, ~rows.done, rows.keep, place, recorder.columns, recorder.take, progress)
    except Interrupted:
        interrupted = True
    except Exception as error:
        _explain(error, plan, rows)
        raise
    rows.close()
    notes.warn(stacklevel=4)
    if interrupted:
        way = "it can be taken up again with checkpoint=" if checkpoint is None else "the same call runs only those"
        missing, total = len(rows.missing), len(rows.done)
        message = f"interrupted: {missing:,} of {total:,} rows are missing; {way}"
        warnings.warn(message, BacktestWarning, stacklevel=3)
    recorder.warn(stacklevel=4)
    return SweepResult(rows, plan, row_runner(plan), interrupted=interrupted)


def _explain(error: Exception, plan: Plan, rows: Rows) -> None:
    """Give an error that stops a sweep half-way the rows that are done."""
    with suppress(OSError):  # a full disk, of which `error` tells
        rows.close()
    if rows.count:
        vars(error)["result"] = SweepResult(rows, plan, row_runner(plan), interrupted=True)
        error.add_note(
            f"{rows.count:,} of {len(rows.done):,} rows of the sweep are done: see .result of this exception"
        )
