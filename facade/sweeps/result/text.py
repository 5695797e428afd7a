"""A sweep in words: one line, and an HTML fragment."""

from __future__ import annotations

from html import escape
from typing import Any

import polars as pl

from facade.sweeps.result.facts import SweepFacts
from facade.sweeps.result.ranking import assignments, column_of, ranked, rows_of, written
from facade.sweeps.rows.columns import BANKRUPT, IDLE, REFUSED, ROW
from facade.wording import plural

SHOWN_ROWS = 10
SHOWN_METRICS = ("sharpe", "total_return", "max_drawdown", "num_trades", "ambiguous_bars", "reason")


def _size(facts: SweepFacts, rows: int) -> str:
    text = f"{plural(rows, 'row')}, {plural(facts.trials, 'trial')}"
    if facts.interrupted:
        text += f", interrupted: {facts.trials:,} of {facts.asked:,} configurations were run"
    return text + (f", {facts.dropped:,} combinations dropped by the constraint" if facts.dropped else "")


def oddities(facts: SweepFacts, table: pl.LazyFrame) -> list[str]:
    """'12 bankrupt', '3 with every order refused', ...: how many rows deserve a look, and why."""
    reason = pl.col(facts.names["reason"])
    counts = table.select(
        (reason == BANKRUPT).sum().alias("bankrupt"),
        reason.str.starts_with(REFUSED).sum().alias("with every order refused"),
        (reason == IDLE).sum().alias("without trades"),
    )
    return [f"{count:,} {text}" for text, count in counts.collect().row(0, named=True).items() if count]


def _best(facts: SweepFacts, table: pl.LazyFrame, count: int) -> list[dict[str, Any]]:
    """The rows with the largest Sharpe ratios."""
    return ranked(table, column_of(facts, "sharpe"), True, count).to_dicts()


def headline(facts: SweepFacts, table: pl.LazyFrame) -> str:
    """One line: rows, trials, the best Sharpe ratio, what is odd."""
    best, rows, odd = _best(facts, table, 1), rows_of(table), oddities(facts, table)
    parts = [_size(facts, rows)]
    if best:
        value = written("sharpe", best[0][facts.names["sharpe"]])
        where = assignments({name: best[0][name] for name in facts.parameters})
        parts.append(f"best sharpe {value} in row {best[0][ROW]:,}" + (f" ({where})" if where else ""))
    elif rows:
        parts.append("no row has a Sharpe ratio")
    return "; ".join(parts + ([", ".join(odd)] if odd else []))


def as_html(facts: SweepFacts, table: pl.LazyFrame) -> str:
    """What a notebook shows: the line above and the best rows; no scripts, no outside resources."""
    names = facts.names
    shown = {name: name for name in (ROW, *facts.parameters)} | {name: names[name] for name in SHOWN_METRICS}
    cell = "style='padding:1px 10px;text-align:right'"
    told = "; ".join([_size(facts, rows_of(table)), *oddities(facts, table)])
    parts = [f"<div><b>Sweep</b> <span>{escape(told)}</span>"]
    parts.append(f"<table style='border:0'><tr>{''.join(f'<th {cell}>{escape(name)}</th>' for name in shown)}</tr>")
    for record in _best(facts, table, SHOWN_ROWS):
        record[names["reason"]] = record[names["reason"]] or ""
        texts = [escape(written(name, record[column])) for name, column in shown.items()]
        parts.append(f"<tr>{''.join(f'<td {cell}>{text}</td>' for text in texts)}</tr>")
    return "".join([*parts, f"</table><small>the {SHOWN_ROWS} best by Sharpe ratio</small></div>"])
