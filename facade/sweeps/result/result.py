"""What a sweep gives back: a table of all configurations, the best of them, figures, files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.errors import DataError
from facade.results.result import Result
from facade.results.returns import paid_flows, returns_of
from facade.sweeps.grid.grid import Constraint
from facade.sweeps.plan.plan import Plan
from facade.sweeps.result.facts import SweepFacts
from facade.sweeps.result.figures import heatmap, parallel_coordinates
from facade.sweeps.result.ranking import (
    Best,
    Contest,
    ambiguity_warning,
    best_of,
    column_of,
    direction_of,
    ranked,
    rows_of,
)
from facade.sweeps.result.reattach import attached
from facade.sweeps.result.saved import read_sweep, write_sweep
from facade.sweeps.result.sources import JoinedSource, LiveSource, RunRow, Source
from facade.sweeps.result.text import as_html, headline
from facade.sweeps.rows.columns import ROW
from facade.sweeps.rows.rows import Rows
from facade.sweeps.statistics.trials import Overfitting, deflated_sharpe_ratio, moments, overfitting

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_CURVES_AT_ONCE = 256


class SweepResult:
    """The outcome of a sweep: one row a configuration.

    `table` has the column `row` (the configuration's number, from 0, in the order of the grid), one column a
    parameter, the metrics of `results.metrics`, `refused_<reason>` (orders refused or cut by reason), `bankrupt`, and
    `reason`: null, or why the row deserves a look ("bankrupt", "every order refused: cash", "no trades"). A metric
    that has the name of a parameter is called `result_<name>` there; methods always take it by its own name.

    `trials` is the number of configurations that were run. It stays what it is when rows are filtered out, and adds
    up when results are put together: the best of many is expected to look good, and `deflated_sharpe` and
    `overfitting` say how good.
    """

    def __init__(self, rows: Rows, plan: Plan, run_row: RunRow | None = None, *, interrupted: bool = False) -> None:
        self._take(LiveSource(rows, plan, run_row, interrupted), ())

    def _take(self, source: Source, filters: tuple[pl.Expr, ...]) -> SweepResult:
        self._source, self._filters = source, filters
        return self

    @classmethod
    def _of(cls, source: Source, filters: tuple[pl.Expr, ...] = ()) -> SweepResult:
        return cls.__new__(cls)._take(source, filters)

    # The table -------------------------------------------------------------------------------------------------------

    @cached_property
    def table(self) -> pl.DataFrame:
        """All rows, sorted by `row`; see the class for the columns. `scan` reads it lazily."""
        return self._scan().collect()

    def scan(self) -> pl.LazyFrame:
        """The table as a LazyFrame; a sweep of a million rows is then not read whole."""
        return self.table.lazy() if "table" in self.__dict__ else self._scan()

    def _scan(self) -> pl.LazyFrame:
        table = self._source.scan()
        for predicate in self._filters:
            table = table.filter(predicate)
        return table

    def __len__(self) -> int:
        return rows_of(self.scan())

    @property
    def facts(self) -> SweepFacts:
        """Everything else that is known: settings, seed, versions."""
        return self._source.facts

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of the "sweep" and of what it was made of ("prices", "strategy", ...), made when first asked for."""
        return self._source.digests

    @property
    def trials(self) -> int:
        """Configurations that were run, those filtered out since included; taken up from a checkpoint: once."""
        return self.facts.trials

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of what was varied."""
        return tuple(self.facts.parameters)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the result columns: metrics, refusals, bankrupt, reason."""
        return tuple(self.facts.names)

    @property
    def config(self) -> Config:
        """The configuration that rows change."""
        return self.facts.config

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped before every row was run; the table has those that were."""
        return self.facts.interrupted

    def filter(self, *predicates: pl.Expr) -> SweepResult:
        """The rows for which all predicates hold; their numbers stay, and so do the trials.

        >>> result.filter(pl.col("num_trades") > 30).best()  # doctest: +SKIP
        """
        return self._of(self._source, (*self._filters, *predicates))

    @classmethod
    def concat(cls, results: Iterable[SweepResult]) -> SweepResult:
        """Several results as one: trials add up, rows are numbered anew in the order given.

        A field of the configuration that one sweep did not vary has the value it had there, and fields in which their
        configurations differ become parameters; any other parameter that a sweep did not have is null. A configuration
        that was run in two sweeps counts twice. Raises DataError when the results are of different prices.
        """
        given = list(results)
        if not given:
            raise ValueError("concat() needs at least one result")
        return cls._of(JoinedSource([(result._source, result.scan()) for result in given]))

    # Rows ------------------------------------------------------------------------------------------------------------

    def best(self, metric: str = "sharpe", maximize: bool | None = None, *, contenders: int = 10) -> Best:
        """The row with the best value of a metric; of equal ones the first. NaN never wins, infinity may.

        Warns (`BacktestWarning`) when the rank of the winner depends on ambiguous bars: bars that do not tell whether
        the stop or the target came first, of which tight stops make their profit under a lenient rule. If the winner
        has any, it and the next best rows are run again with each kind of bar it has (tie, entry_bar, trail_timing)
        read either way, all alike; the warning names each reading under which another row wins. Rows outside the
        contenders are not looked at.

        Parameters
        ----------
        metric : str
            One of `columns`, see `facade.results.metrics`.
        maximize : bool, optional
            Whether the largest value wins, or the smallest. When not given `facade.results.metrics.METRICS` knows: less
            volatility, drawdown, turnover, costs and refusals are better. The Best says which it was.
        contenders : int
            Rows compared: at most six runs each. 1: no test, no warning.

        Raises
        ------
        ValueError
            Unknown metric, or no row has a number for it.
        """
        column, maximize = column_of(self.facts, metric), direction_of(metric, maximize)
        if contenders < 1:
            raise ValueError(f"contenders={contenders!r} is not allowed; it must be at least 1")
        records = ranked(self.scan(), column, maximize, contenders).to_dicts()
        if not records:
            raise ValueError(f"no row has a number for metric={metric!r} ({len(self):,} rows)")
        contest = Contest(self.facts, metric, maximize, records, self._source.run)
        warning = ambiguity_warning(contest, self._source.can_run)
        if warning is not None:
            warnings.warn(warning, stacklevel=2)
        return best_of(self.facts, records[0], metric, maximize)

    def top(self, n: int = 10, metric: str = "sharpe", maximize: bool | None = None) -> pl.DataFrame:
        """The n best rows of the table, best first; rows without a number for the metric are left out.

        maximize: as for `best`.
        """
        return ranked(self.scan(), column_of(self.facts, metric), direction_of(metric, maximize), n)

    def drill(self, row: int | Best | Mapping[str, Any]) -> Result:
        """The whole result of a row (its number, a `Best`, or a record of the table): run again, the same bits."""
        return self._source.run(self._number(row), {})

    def equity(self, row: int | Best | Mapping[str, Any]) -> pl.DataFrame:
        """Timestamp and equity at the end of every bar; needs keep="equity" (`drill` always has it)."""
        self._require_kept("equity")
        number = self._number(row)
        clock = self._source.clock(number)
        curve = self._source.curves(np.array([number]))[0]
        # A run that was stopped half-way has fewer bars than its clock.
        done = int(np.count_nonzero(~np.isnan(curve[: len(clock)])))
        return pl.DataFrame({"timestamp": clock[:done].alias("timestamp"), "equity": np.array(curve[:done])})

    def trades(self, row: int | Best | Mapping[str, Any]) -> pl.DataFrame:
        """Its trades, closed and open, as `Result.trades`; needs keep="trades" (`drill` always has them)."""
        self._require_kept("trades")
        return self._source.trades(self._number(row))

    @property
    def curves(self) -> np.ndarray:
        """(rows, T) equity of every row of the table, in its order, NaN after a row's last bar; needs keep="equity"."""
        self._require_kept("equity")
        return self._source.curves(self._numbers())

    def _numbers(self) -> np.ndarray:
        return self.scan().select(ROW).collect().to_series().to_numpy()

    def _number(self, row: int | Best | Mapping[str, Any]) -> int:
        number = row.row if isinstance(row, Best) else row.get(ROW) if isinstance(row, Mapping) else row
        if isinstance(number, bool) or not isinstance(number, int | np.integer):
            raise TypeError(f"a row is its number, a Best or a record of the table, not {row!r}")
        if self.scan().filter(pl.col(ROW) == int(number)).select(pl.len()).collect().item() == 0:
            raise IndexError(f"row {number} is not among the {len(self):,} rows of this result")
        return int(number)

    def _require_kept(self, keep: str) -> None:
        if self.facts.keep != keep:
            raise DataError(
                f"the sweep kept {self.facts.keep}; run it with keep={keep!r}, or take .drill(row).{keep} of a row"
            )

    # Honesty about many trials ---------------------------------------------------------------------------------------

    def deflated_sharpe(self, row: int | Best | Mapping[str, Any] | None = None, *, trials: int | None = None) -> float:
        """Probability that the true Sharpe ratio of a row is above zero, given how many were tried.

        Bailey and Lopez de Prado (2014), see `statistics.trials.deflated_sharpe_ratio`. The spread of the Sharpe
        ratios is that of all trials. Skewness and kurtosis are those of the row's returns (kept, or run again).

        row: the row with the best Sharpe ratio when not given. trials: this sweep's when not given; more if others
        came before it.
        """
        if row is None:
            best = self.top(1)[ROW].to_list()
            if not best:
                raise ValueError("no row has a Sharpe ratio")
            row = best[0]
        found = moments(self._returns_of(self._number(row)))
        tried = self.trials if trials is None else trials
        variance = 0.0 if tried == 1 else self.facts.sharpes.variance
        return deflated_sharpe_ratio(found.sharpe, variance, tried, found.observations, found.skewness, found.kurtosis)

    def overfitting(self, n_blocks: int = 16, statistic: Any = "sharpe") -> Overfitting:
        """Probability that choosing the best row of this table is overfitting: see `statistics.trials.overfitting`.

        Needs keep="equity", and rows of the same bars. It judges the choice among the rows that are here: filter by
        what you would have filtered by in advance.
        """
        rows = self._numbers()
        returns = self._returns(self._bars_of(rows))
        return overfitting(returns, n_blocks, statistic, names=[f"row {row}" for row in rows.tolist()])

    def _bars_of(self, rows: np.ndarray) -> int:
        """Number of the bars that these rows have in common; DataError when they have others."""
        self._require_kept("equity")
        if not len(rows):
            return 0
        numbers, first = np.unique(self._source.clocks(rows), return_index=True)
        clocks = [self._source.clock(int(rows[at])) for at in first]
        for number, at, clock in zip(numbers, first, clocks, strict=True):
            if number != numbers[0] and not clock.equals(clocks[0]):
                raise DataError(f"rows {rows[first[0]]} and {rows[at]} are of different bars; filter to one window")
        return len(clocks[0])

    def _returns(self, bars: int) -> np.ndarray:
        """(T, N) returns a bar of every row, zero once nothing is left.

        Without the first bar, which is a mark; where a row traded on it, it is a return of zero of all others.
        """
        initial = self.scan().select(self.facts.names["initial_cash"]).collect().to_series().to_numpy()
        curves = self.curves[:, :bars]
        flows = self._flows(self._numbers(), bars)
        returns = np.empty((curves.shape[1], len(curves)))
        for start in range(0, len(curves), _CURVES_AT_ONCE):
            part = slice(start, start + _CURVES_AT_ONCE)
            paid = None if flows is None else paid_flows(curves[part], initial[part], flows[0][flows[1][part]])
            returns[:, part] = returns_of(curves[part], initial[part], paid).T
        marks = np.isnan(returns[:1])
        if marks.all():
            return returns[1:]
        returns[:1][marks] = 0.0
        return returns

    def _flows(self, rows: np.ndarray, bars: int) -> tuple[np.ndarray, np.ndarray] | None:
        """(n, T) flows of the first bars of distinct clocks, and which of them each row has; None without flows."""
        _, first, which = np.unique(self._source.clocks(rows), return_index=True, return_inverse=True)
        given = [self._source.flows(int(rows[at])) for at in first]
        if all(one is None for one in given):
            return None
        return np.stack([np.zeros(bars) if one is None else one[:bars] for one in given]), which.reshape(-1)

    def _returns_of(self, row: int) -> np.ndarray:
        """(n,) returns of a row, as its metrics count them."""
        if self.facts.keep != "equity":
            return self._source.run(row, {}).equity["return"].drop_nulls().to_numpy()
        names = self.facts.names
        initial = self.scan().filter(pl.col(ROW) == row).select(names["initial_cash"]).collect().to_series().to_numpy()
        curve = self.equity(row)["equity"].to_numpy()
        given = self._source.flows(row)
        paid = None if given is None else paid_flows(curve, initial[0], given[: len(curve)])
        returns = returns_of(curve, initial[0], paid)
        return returns[1:] if np.isnan(returns[:1]).any() else returns

    # Figures and files -----------------------------------------------------------------------------------------------

    def heatmap(self, x: str, y: str, metric: str = "sharpe", **options: Any) -> Figure:
        """A plotly figure of a metric over two parameters; see `facade.sweeps.result.figures.heatmap`."""
        return heatmap(self.facts, self.scan(), (x, y), metric, **options)

    def parallel_coordinates(self, metric: str = "sharpe", **options: Any) -> Figure:
        """A plotly figure with a line a row; see `facade.sweeps.result.figures.parallel_coordinates`."""
        return parallel_coordinates(self.facts, self.scan(), metric, **options)

    def to_parquet(self, directory: str | PathLike[str]) -> None:
        """Write table, kept curves or trades, and everything known of the sweep into a directory.

        The directory appears whole or not at all. An earlier one of a sweep is replaced; anything else is left alone
        (FileExistsError).
        """
        write_sweep(directory, self.table, self._source)

    @classmethod
    def load(cls, directory: str | PathLike[str]) -> SweepResult:
        """Read what `to_parquet` wrote. It has everything but `drill`, until prices and strategy are attached.

        Raises DataError when the directory is damaged or of a newer format.
        """
        return cls._of(read_sweep(directory))

    def attach(
        self,
        prices: Any,
        strategy: Any,
        *,
        grid: Any = None,
        constraint: Constraint | None = None,
        align: str | None = None,
        actions: Any = None,
        flows: Any = None,
        **loading: Any,
    ) -> SweepResult:
        """The same result, able to run its rows again.

        prices, strategy, align, actions, flows, loading: what the sweep was run with; DataError when they are not (by
        digest). grid, with its constraint: needed only when it held values that cannot be written as text (functions,
        arrays), and says so.
        """
        own = {"grid": grid, "constraint": constraint, "align": align, "actions": actions, "flows": flows}
        own["loading"] = loading
        return self._of(attached(self._source, prices, strategy, **own), self._filters)

    def __repr__(self) -> str:
        return f"SweepResult({headline(self.facts, self.scan())})"

    def _repr_html_(self) -> str:
        return as_html(self.facts, self.scan())
