"""A result in words: the text table, its HTML form, one line."""

import math
from collections.abc import Callable, Mapping
from html import escape
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from facade.results.metrics import BARS, COUNT, CURRENCY, FRACTION, METRICS, RATIO, YEARS
from facade.results.refusals import describe_refusals

if TYPE_CHECKING:
    from facade.results.result import Result

WIDTH = 78
ABSENT = "n/a"
HUGE = 1e12  # from here on in powers of ten


def _number(value: float, form: str) -> str:
    if math.isnan(value):
        return ABSENT
    # z: what rounds to zero has no sign.
    return f"{value:.3e}" if math.isfinite(value) and abs(value) >= HUGE else format(value, f"z{form}")


def _money(value: float) -> str:
    return _number(value, ",.2f")


def percent(value: float) -> str:
    """0.1234 as 12.34%."""
    return _number(value, ",.2%")


def _ratio(value: float) -> str:
    return _number(value, ",.2f")


def _count(value: float) -> str:
    return f"{int(value):,}"


def _plural(count: float, word: str) -> str:
    return f"{int(count):,} {word}{'' if count == 1 else 's'}"


FORMS: Mapping[str, Callable[[float], str]] = {
    CURRENCY: _money,
    FRACTION: percent,
    RATIO: _ratio,
    COUNT: _count,
    BARS: _ratio,
    YEARS: _ratio,
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
    return _number(value, ",.4f") if unit == RATIO else FORMS[unit](value)


def _section(name: str) -> list[tuple[str, str, Callable[[float], str]]]:
    """(label, metric, form) of the lines of a section, as the table of metrics has them."""
    shown = [(metric, *metric.shown.partition(": ")) for metric in METRICS.values()]
    return [(label, metric.name, FORMS[metric.unit]) for metric, section, _, label in shown if section == name]


SECTIONS = {title: _section(name) for name, title in TITLES.items()}

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
}


def headline(result: "Result") -> str:
    """One line: span, size, result, activity."""
    facts, metrics = result.facts, result.metrics
    text = (
        f"{facts.first} to {facts.last}, {_plural(facts.bars, 'bar')}, {_plural(facts.symbols, 'symbol')}: "
        f"{_money(metrics['initial_cash'])} -> {_money(metrics['final_value'])} ({percent(metrics['total_return'])}), "
        f"sharpe {_ratio(metrics['sharpe'])}, {_plural(metrics['num_trades'], 'trade')}"
    )
    refused = metrics["num_rejected_orders"] + metrics["num_cut_orders"]
    held_back = metrics["num_capped_orders"]
    return ", ".join(
        [
            text,
            *([f"{_count(metrics['num_open_trades'])} open"] if metrics["num_open_trades"] else []),
            *([f"{_plural(refused, 'order')} refused or cut"] if refused else []),
            *([f"{_plural(held_back, 'order')} held back by volume"] if held_back else []),
        ]
    )


def _span(result: "Result") -> str:
    facts = result.facts
    bars = _plural(facts.bars, "bar")
    if facts.bars < facts.panel_bars:
        bars = f"stopped after {facts.bars:,} of {facts.panel_bars:,} bars"
    return f"{facts.first} to {facts.last}, {bars}, {_plural(facts.symbols, 'symbol')}"


def _notes(result: "Result") -> list[str]:
    """Notices, refusals and what the strategy's encoding counted, a sentence each."""
    facts = result.facts
    refusals = describe_refusals(result.metrics, facts.rejection_reasons)
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


def _ambiguous(result: "Result") -> list[tuple[int, str]]:
    return [(int(result.metrics[key]), text) for key, text in AMBIGUITIES.items()]


def summary_text(result: "Result") -> str:
    """The text table of `Result.summary`."""
    lines = ["Backtest result", _span(result)]
    for title, rows in SECTIONS.items():
        lines += ["", title]
        cells = [f"{label:<21}{form(result.metrics[key]):>15}" for label, key, form in rows]
        lines += ["  " + "    ".join(cells[i : i + 2]) for i in range(0, len(cells), 2)]
    lines += ["", "Ambiguous bars (bars that do not tell what happened first)"]
    lines += [f"  {count:>9,}  {text}" for count, text in _ambiguous(result)]
    lines += ["", "Policies in force"]
    # Non-breaking spaces keep a policy on one line.
    policies = ", ".join(_policy(*item).replace(" ", "\u00a0") for item in result.policies.items())
    lines += [f"  {line}".replace("\u00a0", " ") for line in wrap(policies, WIDTH - 2, break_on_hyphens=False)]
    notes = _notes(result)
    if notes:
        lines += ["", "Notices"]
        for note in notes:
            lines += wrap(note, WIDTH, initial_indent="  - ", subsequent_indent="    ")
    return "\n".join(lines)


def summary_html(result: "Result") -> str:
    """The same as an HTML fragment without scripts or outside resources."""
    cell = "padding:1px 12px 1px 0;text-align:"
    parts = [f"<div><b>Backtest result</b> <span>{escape(_span(result))}</span>", "<table style='border:0'>"]
    for title, rows in SECTIONS.items():
        parts.append(f"<tr><th colspan='4' style='{cell}left'>{escape(title)}</th></tr>")
        cells = [
            f"<td style='{cell}left'>{escape(label)}</td><td style='{cell}right'>{form(result.metrics[key])}</td>"
            for label, key, form in rows
        ]
        parts += [f"<tr>{''.join(cells[i : i + 2])}</tr>" for i in range(0, len(cells), 2)]
    parts.append("</table>")
    lists = {
        "Ambiguous bars": [f"{count:,} {text}" for count, text in _ambiguous(result) if count],
        "Notices": _notes(result),
        "Policies in force": [", ".join(_policy(*item) for item in result.policies.items())],
    }
    for title, entries in lists.items():
        if entries:
            items = "".join(f"<li>{escape(entry)}</li>" for entry in entries)
            parts.append(f"<details open><summary>{title}</summary><ul>{items}</ul></details>")
    return "".join([*parts, "</div>"])
