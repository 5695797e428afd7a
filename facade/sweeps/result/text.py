"""A sweep in words: one line, and an HTML fragment."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import polars as pl

from facade.sweeps.result.ranking import assignments, written
from facade.sweeps.rows.columns import BANKRUPT, IDLE, REFUSED, ROW
from facade.wording import plural

if TYPE_CHECKING:
    from facade.sweeps.result.result import SweepResult

SHOWN_ROWS = 10
SHOWN_METRICS = ("sharpe", "total_return", "max_drawdown", "num_trades", "ambiguous_bars", "reason")


def _size(result: SweepResult) -> str:
    facts = result.facts
    text = f"{plural(len(result), 'row')}, {plural(facts.trials, 'trial')}"
    if facts.interrupted:
        text += f", interrupted: {facts.trials:,} of {facts.asked:,} configurations were run"
    return text + (f", {facts.dropped:,} combinations dropped by the constraint" if facts.dropped else "")


def oddities(result: SweepResult) -> list[str]:
    """'12 bankrupt', '3 with every order refused', ...: how many rows deserve a look, and why."""
    reason = pl.col(result.facts.names["reason"])
    counts = result.scan().select(
        (reason == BANKRUPT).sum().alias("bankrupt"),
        reason.str.starts_with(REFUSED).sum().alias("with every order refused"),
        (reason == IDLE).sum().alias("without trades"),
    )
    return [f"{count:,} {text}" for text, count in counts.collect().row(0, named=True).items() if count]


def headline(result: SweepResult) -> str:
    """One line: rows, trials, the best Sharpe ratio, what is odd."""
    best = result.top(1).to_dicts()
    parts = [_size(result)]
    if best:
        value = written("sharpe", best[0][result.facts.names["sharpe"]])
        where = assignments({name: best[0][name] for name in result.parameters})
        parts.append(f"best sharpe {value} in row {best[0][ROW]:,}" + (f" ({where})" if where else ""))
    elif len(result):
        parts.append("no row has a Sharpe ratio")
    return "; ".join(parts + ([", ".join(oddities(result))] if oddities(result) else []))


def as_html(result: SweepResult) -> str:
    """What a notebook shows: the line above and the best rows; no scripts, no outside resources."""
    names = result.facts.names
    shown = {name: name for name in (ROW, *result.parameters)} | {name: names[name] for name in SHOWN_METRICS}
    cell = "style='padding:1px 10px;text-align:right'"
    parts = [f"<div><b>Sweep</b> <span>{escape('; '.join([_size(result), *oddities(result)]))}</span>"]
    parts.append(f"<table style='border:0'><tr>{''.join(f'<th {cell}>{escape(name)}</th>' for name in shown)}</tr>")
    for record in result.top(SHOWN_ROWS).to_dicts():
        record[names["reason"]] = record[names["reason"]] or ""
        texts = [escape(written(name, record[column])) for name, column in shown.items()]
        parts.append(f"<tr>{''.join(f'<td {cell}>{text}</td>' for text in texts)}</tr>")
    return "".join([*parts, f"</table><small>the {SHOWN_ROWS} best by Sharpe ratio</small></div>"])
