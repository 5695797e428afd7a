"""A result in words: the text table, its HTML form, one line."""

from collections.abc import Callable, Mapping
from html import escape
from textwrap import wrap
from typing import Any

from facade.results.facts import Facts
from facade.results.metrics import BARS, COUNT, CURRENCY, FRACTION, METRICS, RATIO, YEARS
from facade.results.refusals import describe_refusals
from facade.wording import close_ratio, money, percent, plural, ratio, whole

Metrics = Mapping[str, float | int]
"""Figures by name, as of `facade.results.metrics`."""
WIDTH = 78


FORMS: Mapping[str, Callable[[float], str]] = {
    CURRENCY: money,
    FRACTION: percent,
    RATIO: ratio,
    COUNT: whole,
    BARS: ratio,
    YEARS: ratio,
}
"""How a metric is written, by its unit."""
TITLES = {
    "Account": "Account",
    "Risk": "Risk",
    "Trades": "Trades (closed, after fees)",
    "Activity": "Activity",
    "Costs": "Costs",
}
"""Sections of the summary in order, and their titles."""


def compared(unit: str, value: float) -> str:
    """A metric of that unit beside others: as many digits in each row of a column."""
    return close_ratio(value) if unit == RATIO else FORMS[unit](value)


def _section(name: str) -> list[tuple[str, str, Callable[[float], str]]]:
    """(label, metric, form) of the lines of a section, as the table of metrics has them."""
    shown = [(metric, *metric.shown.partition(": ")) for metric in METRICS.values()]
    return [(label, metric.name, FORMS[metric.unit]) for metric, section, _, label in shown if section == name]


SECTIONS = {title: _section(name) for name, title in TITLES.items()}


def _said(rows: list[tuple[str, str, Callable[[float], str]]], metrics: Metrics) -> list[tuple[str, str, str]]:
    """(label, metric, value) of the lines of a section that say something of this account."""
    used = {name for name, value in metrics.items() if value and value == value}
    return [
        (label, key, form(metrics[key]))
        for label, key, form in rows
        if not METRICS[key].where or METRICS[key].where in used
    ]


AMBIGUITIES = {
    "ambiguous_two_sided": "levels on both sides of the open (tie decided)",
    "ambiguous_entry_bar": "a level on the bar of an entry inside it (entry_bar decided)",
    "ambiguous_trail": "a trailing exit that only the close proves (trail_timing decided)",
}


COUNTED = {
    "dropped_rows": "rows of the strategy lie after the last bar and were dropped",
    "superseded_rows": "rows of the strategy were superseded by a later one on the same bar",
    "closes_left_out": "positions were closed because their symbol was left out of a bar's targets",
    "scaled_rows": "bars had weights above 1 in sum and were scaled",
    "lifted_weights": "negative weights were lifted to zero",
    "dropped_flows": "deposits and withdrawals lie after the last bar and were dropped",
}


def headline(facts: Facts, metrics: Metrics) -> str:
    """One line: span, size, result, activity."""
    text = (
        f"{facts.first} to {facts.last}, {plural(facts.bars, 'bar')}, {plural(facts.symbols, 'symbol')}: "
        f"{money(metrics['initial_cash'])} -> {money(metrics['final_value'])} ({percent(metrics['total_return'])}), "
        f"sharpe {ratio(metrics['sharpe'])}, {plural(metrics['num_trades'], 'trade')}"
    )
    refused = metrics["num_rejected_orders"] + metrics["num_cut_orders"]
    held_back = metrics["num_capped_orders"]
    return ", ".join(
        [
            text,
            *([f"{whole(metrics['num_open_trades'])} open"] if metrics["num_open_trades"] else []),
            *([f"{plural(refused, 'order')} refused or cut"] if refused else []),
            *([f"{plural(held_back, 'order')} held back by volume"] if held_back else []),
        ]
    )


def _span(facts: Facts) -> str:
    bars = plural(facts.bars, "bar")
    if facts.bars < facts.panel_bars:
        bars = f"stopped after {facts.bars:,} of {facts.panel_bars:,} bars"
    return f"{facts.first} to {facts.last}, {bars}, {plural(facts.symbols, 'symbol')}"


def _notes(facts: Facts, metrics: Metrics) -> list[str]:
    """Notices, refusals and what the strategy's encoding counted, a sentence each."""
    refusals = describe_refusals(metrics, facts.rejection_reasons)
    counted = [
        f"{count:,} {COUNTED.get(name, name.replace('_', ' '))}" for name, count in facts.counts.items() if count
    ]
    return [*facts.notices, *([refusals] if refusals else []), *counted]


def _policy(name: str, value: Any) -> str:
    if isinstance(value, float):
        value = f"{value:g}"
    elif isinstance(value, Mapping):
        value = f"by symbol ({len(value):,})"
    return f"{name}={value}"


def _ambiguous(metrics: Metrics) -> list[tuple[int, str]]:
    return [(int(metrics[key]), text) for key, text in AMBIGUITIES.items()]


def summary_text(facts: Facts, metrics: Metrics) -> str:
    """The text table of `Result.summary`."""
    lines = ["Backtest result", _span(facts)]
    for title, rows in SECTIONS.items():
        lines += ["", title]
        cells = [f"{label:<21}{value:>15}" for label, _, value in _said(rows, metrics)]
        lines += ["  " + "    ".join(cells[i : i + 2]) for i in range(0, len(cells), 2)]
    lines += ["", "Ambiguous bars (bars that do not tell what happened first)"]
    lines += [f"  {count:>9,}  {text}" for count, text in _ambiguous(metrics)]
    lines += ["", "Policies in force"]
    # Non-breaking spaces keep a policy on one line.
    policies = ", ".join(_policy(*item).replace(" ", "\u00a0") for item in facts.policies.items())
    lines += [f"  {line}".replace("\u00a0", " ") for line in wrap(policies, WIDTH - 2, break_on_hyphens=False)]
    notes = _notes(facts, metrics)
    if notes:
        lines += ["", "Notices"]
        for note in notes:
            lines += wrap(note, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join(lines)


def summary_html(facts: Facts, metrics: Metrics) -> str:
    """The same as an HTML fragment without scripts or outside resources."""
    cell = "padding:1px 12px 1px 0;text-align:"
    parts = [f"<div><b>Backtest result</b> <span>{escape(_span(facts))}</span>", "<table style='border:0'>"]
    for title, rows in SECTIONS.items():
        parts.append(f"<tr><th colspan='4' style='{cell}left'>{escape(title)}</th></tr>")
        cells = [
            f"<td style='{cell}left'>{escape(label)}</td><td style='{cell}right'>{value}</td>"
            for label, _, value in _said(rows, metrics)
        ]
        parts += [f"<tr>{''.join(cells[i : i + 2])}</tr>" for i in range(0, len(cells), 2)]
    parts.append("</table>")
    lists = {
        "Ambiguous bars": [f"{count:,} {text}" for count, text in _ambiguous(metrics) if count],
        "Notices": _notes(facts, metrics),
        "Policies in force": [", ".join(_policy(*item) for item in facts.policies.items())],
    }
    for title, entries in lists.items():
        if entries:
            items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
            parts.append(f"<details open><summary>{title}</summary><ul>{items}</ul></details>")
    return "".join([*parts, "</div>"])
