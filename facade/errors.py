"""Exceptions and warnings of the facade, and how their messages are composed.

A message starts with the rule that was broken, then says where: symbol, time, column, value; then how many further
offenders there are; then what can be done about it.
"""

from typing import Any


class DataError(ValueError):
    """Prices, corporate actions or other market data that cannot be used."""


class ConfigError(ValueError):
    """A configuration field, or a combination of fields, out of its allowed range."""


class StrategyError(ValueError):
    """Orders, targets or signals that cannot be run on the panel or the account they are given for."""


class Interrupted(KeyboardInterrupt):
    """A run stopped by Ctrl-C; `result` holds the result up to the last whole bar (None before the first)."""

    def __init__(self, message: str = "interrupted", result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class BacktestWarning(UserWarning):
    """Something that a careful reader of the result should know."""


class DataWarning(BacktestWarning):
    """Market data that was accepted but looks odd."""


def describe(
    rule: str,
    *,
    symbol: str | None = None,
    date: Any = None,
    column: str | None = None,
    value: Any = None,
    more: int = 0,
    hint: str = "",
) -> str:
    """One sentence naming rule, symbol, time, column and value; `more` counts the further offenders.

    >>> describe("price must be positive", symbol="IBM", date="2005-01-03", column="low", value=-1.0, more=2)
    "price must be positive: symbol 'IBM', 2005-01-03, column 'low', value -1.0; 2 more offenders"
    """
    where = []
    if symbol is not None:
        where.append(f"symbol {symbol!r}")
    if date is not None:
        where.append(str(date))
    if column is not None:
        where.append(f"column {column!r}")
    if value is not None:
        where.append(f"value {value}")
    text = rule + (": " + ", ".join(where) if where else "")
    if more:
        text += f"; {more:,} more offender{'s' if more > 1 else ''}"
    return f"{text}. {hint}" if hint else text


def listing(names: Any, limit: int = 5) -> str:
    """The first names of a collection, quoted, and how many are left out: "'A', 'B' and 3 more"."""
    names = list(names)
    text = ", ".join(repr(name) for name in names[:limit])
    return f"{text} and {len(names) - limit:,} more" if len(names) > limit else text
