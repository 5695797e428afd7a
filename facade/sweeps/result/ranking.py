"""Which row of a sweep is best, and whether it would still be if ambiguous bars were read another way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from facade.errors import BacktestWarning
from facade.results.metrics import LESS, METRICS, more_is_better, plain_number
from facade.results.result import Result
from facade.results.text import compared
from facade.sweeps.result.facts import SweepFacts
from facade.sweeps.rows.columns import BANKRUPT, ROW
from facade.wording import did_you_mean

READINGS: Mapping[str, tuple[str, tuple[str, str]]] = {
    "ambiguous_two_sided": ("tie", ("pessimistic", "optimistic")),
    "ambiguous_entry_bar": ("entry_bar", ("proved", "assumed")),
    "ambiguous_trail": ("trail_timing", ("lagged", "proved")),
}
"""Each kind of ambiguous bar: the policy that decides it, and the two ways to read it."""
_UNCERTAIN = "ambiguous_trail"  # under "proved" nothing is counted, and a run under "lagged" may still differ


def written(metric: str, value: Any) -> str:
    """A metric for people."""
    if isinstance(value, bool | str) or value is None:
        return str(value)
    return compared(METRICS[metric].unit, value) if metric in METRICS else f"{value:,}"


def direction_of(metric: str, maximize: bool | None = None) -> bool:
    """Whether the largest value of a column is the best: as asked for, else as the table of metrics has it.

    Of the columns that are no metrics, refusals and bankruptcy, less is better.
    """
    if maximize is not None:
        return maximize
    return metric in METRICS and more_is_better(metric)


def direction_text(maximize: bool) -> str:
    """'highest' or 'lowest'."""
    return "highest" if maximize else "lowest"


def direction_note(metric: str) -> str:
    """'; less is better' of a column of numbers, nothing where neither is."""
    better = METRICS[metric].better if metric in METRICS else LESS
    return f"; {better} is better" if better else ""


def assignments(parameters: Mapping[str, Any]) -> str:
    """'stop_loss=0.02, window=20'."""
    return ", ".join(
        f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in parameters.items()
    )


@dataclass(frozen=True, repr=False)
class Best:
    """The winner of a sweep. row: its number in the table; value: of the metric it was chosen by.

    parameters: as the table shows them. metrics: every result column by name. maximize: whether the highest value of
    the metric won, or the lowest.
    """

    row: int
    metric: str
    value: float
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    maximize: bool = True

    def __repr__(self) -> str:
        told = ["total_return", "max_drawdown", "num_trades", "ambiguous_bars"]
        rest = [f"{name} {written(name, self.metrics[name])}" for name in told if name != self.metric]
        where = f": {assignments(self.parameters)}" if self.parameters else ""
        won = f"{direction_text(self.maximize)} {self.metric} {written(self.metric, self.metrics[self.metric])}"
        return f"Best(row {self.row:,}{where}; {won}, {', '.join(rest)})"


def check_metric(metric: str, names: Collection[str]) -> None:
    """ValueError when a metric is none of the result columns `names`, or holds no numbers."""
    if metric == "reason":
        raise ValueError("metric='reason' is text; rank by a number")
    if metric not in names:
        known = ", ".join(name for name in names if name != "reason")
        raise ValueError(f"metric={metric!r} is not known{did_you_mean(metric, names)} (metrics: {known})")


def column_of(facts: SweepFacts, metric: str) -> str:
    """The column of the table that holds a metric; ValueError as of `check_metric`."""
    check_metric(metric, facts.names)
    return facts.names[metric]


def value_of(result: Result, metric: str) -> float:
    """A metric of a single run: any result column of a sweep that is a number."""
    if metric in result.metrics:
        return float(result.metrics[metric])
    if metric == BANKRUPT:  # what is left is closed at once, and nothing is decided ever after
        return float(result.metrics["final_value"] <= 0.0)
    return float(result.facts.rejection_reasons.get(metric.removeprefix("refused_"), 0))


def ranked(table: pl.LazyFrame, column: str, maximize: bool, count: int) -> pl.DataFrame:
    """The `count` best rows, best first; ties by the lowest row. Rows without a number (NaN) are left out."""
    value = pl.col(column).cast(pl.Float64)
    found = table.filter(value.is_not_nan() & value.is_not_null())
    return found.sort(value, ROW, descending=[maximize, False]).head(count).collect()


def rows_of(table: pl.LazyFrame) -> int:
    """How many rows a table has."""
    return int(table.select(pl.len()).collect().item())


def best_of(facts: SweepFacts, record: Mapping[str, Any], metric: str, maximize: bool) -> Best:
    """A row of the table as a Best."""
    return Best(
        row=int(record[ROW]),
        metric=metric,
        value=float(record[facts.names[metric]]),
        parameters={name: record[name] for name in facts.parameters},
        metrics={name: plain_number(record[column]) for name, column in facts.names.items()},
        maximize=maximize,
    )


@dataclass(frozen=True)
class Contest:
    """The best rows of a sweep, to be compared under other readings of their ambiguous bars."""

    facts: SweepFacts
    metric: str
    maximize: bool
    records: list[dict[str, Any]]
    run: Callable[[int, dict[str, Any]], Result]

    def overtaken(self) -> Iterator[tuple[str, str, int, float, float]]:
        """(policy, reading, row, its value, the winner's value) for each reading under which another row wins."""
        winner, *rivals = self.records
        for kind, (policy, readings) in READINGS.items():
            if not winner[self.facts.names[kind]]:
                continue
            for reading in readings:
                own = self._value(winner, kind, policy, reading)
                others = [(self._value(rival, kind, policy, reading), int(rival[ROW])) for rival in rivals]
                better = [(value, row) for value, row in others if self._beats(value, own)]
                if better:
                    value, row = (max if self.maximize else min)(better)
                    yield policy, reading, row, value, own

    def _beats(self, value: float, own: float) -> bool:
        """NaN never wins, and loses to every number."""
        if value != value or own != own:
            return own != own and value == value
        return value > own if self.maximize else value < own

    def _value(self, record: Mapping[str, Any], kind: str, policy: str, reading: str) -> float:
        """The metric of a row under a reading: known where nothing was ambiguous, or that reading was used."""
        used = record[policy] if policy in self.facts.parameters else getattr(self.facts.config, policy)
        clear = not record[self.facts.names[kind]] and not (kind == _UNCERTAIN and used == "proved")
        if clear or used == reading:
            return float(record[self.facts.names[self.metric]])
        return value_of(self.run(int(record[ROW]), {policy: reading}), self.metric)


def ambiguity_warning(contest: Contest, can_run: bool) -> BacktestWarning | None:
    """What to warn of when the winner's rank depends on ambiguous bars; None when it does not."""
    winner, names = contest.records[0], contest.facts.names
    if not winner[names["ambiguous_bars"]] or len(contest.records) == 1:
        return None
    counts = ", ".join(f"{kind[10:]} {winner[names[kind]]:,}" for kind in READINGS if winner[names[kind]])
    bars = f"ambiguous bars, which do not tell what happened first ({counts})"
    if not can_run:
        return BacktestWarning(
            f"row {winner[ROW]} has {bars}; whether it would win if they were read another way cannot be tested "
            "without prices and strategy: attach() them"
        )
    lost = [
        f"under {policy}={reading!r} row {row} wins with {contest.metric} {written(contest.metric, value)} against "
        f"{written(contest.metric, own)}"
        for policy, reading, row, value, own in contest.overtaken()
    ]
    if not lost:
        return None
    return BacktestWarning(
        f"the rank of row {winner[ROW]} depends on {bars}: {'; '.join(lost)}. See .drill({winner[ROW]}).ambiguous_bars"
    )
