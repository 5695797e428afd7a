"""How messages and tables say things: numbers, counts, near names."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable

NEAR = 0.75  # share of letters in common, from which on names of unlike length are one misspelt


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' when one of `known` is near `name`, else nothing."""
    near = [other for other in difflib.get_close_matches(name, list(known), n=3) if _is_near(name, other)]
    return f"; did you mean {near[0]!r}?" if near else ""


def _is_near(name: str, other: str) -> bool:
    """Whether a slip of the hand or a word left out makes one of the other.

    Letters in common are not enough: `side` has those of `id`, `tp` those of `type`.
    """
    words = set(name.lower().split("_")), set(other.lower().split("_"))
    return (
        abs(len(name) - len(other)) <= 1
        or words[0] <= words[1]
        or words[1] <= words[0]
        or difflib.SequenceMatcher(None, other, name).ratio() >= NEAR
    )


def further(offenders: int) -> str:
    """' (n more like it)' when there is more than one offender."""
    return f" ({offenders - 1} more like it)" if offenders > 1 else ""


ABSENT = "n/a"
HUGE = 1e12  # from here on in powers of ten


def _number(value: float, form: str) -> str:
    if math.isnan(value):
        return ABSENT
    # z: what rounds to zero has no sign.
    return f"{value:.3e}" if math.isfinite(value) and abs(value) >= HUGE else format(value, f"z{form}")


def money(value: float) -> str:
    return _number(value, ",.2f")


def percent(value: float) -> str:
    """0.1234 as 12.34%."""
    return _number(value, ",.2%")


def ratio(value: float) -> str:
    return _number(value, ",.2f")


def close_ratio(value: float) -> str:
    """With the digits that tell it from others."""
    return _number(value, ",.4f")


def whole(value: float) -> str:
    return f"{int(value):,}"


def plural(count: float, word: str) -> str:
    """'1 row', '2 rows'."""
    return f"{int(count):,} {word}{'' if count == 1 else 's'}"
