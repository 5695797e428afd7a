"""What the fields of a configuration say of themselves: unit, group, range. Whatever lists fields reads it here.

The range of a field stands once, in its type; the words for it, in errors and in the schema, are made of that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
from pydantic import Field
from pydantic.fields import FieldInfo

GROUPS = ("policies", "account", "volume", "rules", "costs")
"""In the order in which a result tells what was in force."""
INTERNAL = ("told", "part_of", "flag")
"""Of `json_schema_extra`: for this package, not for the schema."""


@dataclass(frozen=True)
class Range:
    """Numbers allowed. above, below: not themselves; whole: integers only."""

    least: float = -np.inf
    above: float = -np.inf
    most: float = np.inf
    below: float = np.inf
    whole: bool = False

    def holds(self, values: np.ndarray) -> np.ndarray:
        """(n,) bool; NaN and infinities are never allowed."""
        inside = (values >= self.least) & (values > self.above) & (values <= self.most) & (values < self.below)
        return inside & (values == np.floor(values)) if self.whole else inside

    def __str__(self) -> str:
        name = "n" if self.whole else "x"
        low = f"{self.above:g} < " if self.above > -np.inf else f"{self.least:g} <= " if self.least > -np.inf else ""
        high = f" < {self.below:g}" if self.below < np.inf else f" <= {self.most:g}" if self.most < np.inf else ""
        if low and not high:  # "x > 0" rather than "0 < x"
            number, sign = low.split()
            low, high = "", f" {sign.replace('<', '>')} {number}"
        return f"{'an integer ' if self.whole else ''}{low}{name}{high}"


@dataclass(frozen=True)
class Knob:
    """A field of Config. allowed: in words; range: of its numbers, None where it has none of its own.

    per_asset: it may be a mapping symbol -> value. can_be_none: None is a value. told: "always", "on" (where it, or
    what it is part of, is not off), "changed" (where it is not the default) or "": by `Config.policies`. part_of: the
    field without which it does nothing. flag: a field of the kernel's PARAMS, and the value that makes it 1.
    """

    name: str
    group: str
    unit: str
    description: str
    default: Any
    allowed: str
    range: Range | None
    per_asset: bool
    can_be_none: bool
    told: str
    part_of: str
    flag: tuple[str, Any] | None


def _field(
    default: Any,
    description: str,
    unit: str = "policy",
    *,
    group: str,
    told: str = "always",
    part_of: str = "",
    flag: tuple[str, Any] | None = None,
) -> Any:
    data: dict[str, Any] = {"unit": unit, "group": group, "told": told, "part_of": part_of, "flag": flag}
    return Field(default, description=description, json_schema_extra=data)


policy = partial(_field, group="policies")
account = partial(_field, group="account")
volume = partial(_field, group="volume")
rule = partial(_field, group="rules", told="on")
cost = partial(_field, group="costs", told="on")


def knobs_of(fields: Mapping[str, FieldInfo]) -> dict[str, Knob]:
    """Every field of the configuration by name; the words for what is allowed are added to its `json_schema_extra`."""
    found = {}
    for name, field in fields.items():
        data: Any = field.json_schema_extra
        arms = list(_arms(field.annotation, field.metadata))
        allowed = _either([_words(kind, limits) for kind, limits in arms])
        data["allowed"] = allowed
        numbers = [_range(kind, limits) for kind, limits in arms if kind in (int, float)]
        found[name] = Knob(
            name=name,
            description=field.description or "",
            default=field.default,
            allowed=allowed,
            range=numbers[0] if numbers else None,
            per_asset=any(_is_mapping(kind) for kind, _ in arms),
            can_be_none=any(kind is NoneType for kind, _ in arms),
            **{key: data[key] for key in ("group", "unit", *INTERNAL)},
        )
    return found


def _arms(kind: Any, limits: Iterable[Any] = ()) -> Iterable[tuple[Any, list[Any]]]:
    """(type, what limits it) of each member of a union."""
    if get_origin(kind) in (Union, UnionType):
        for arm in get_args(kind):
            yield from _arms(arm)
    elif get_origin(kind) is Annotated:
        inner, *own = get_args(kind)
        yield from _arms(inner, own)
    else:
        yield kind, list(limits)


def _is_mapping(kind: Any) -> bool:
    return isinstance(get_origin(kind), type) and issubclass(get_origin(kind), Mapping)


def _range(kind: type, limits: Iterable[Any]) -> Range:
    bounds = {"ge": "least", "gt": "above", "le": "most", "lt": "below"}
    plain = [one for limit in limits for one in (limit.metadata if isinstance(limit, FieldInfo) else [limit])]
    given = {
        ours: getattr(limit, theirs) for limit in plain for theirs, ours in bounds.items() if hasattr(limit, theirs)
    }
    return Range(**given, whole=kind is int)


def _words(kind: Any, limits: Iterable[Any]) -> str:
    described = [limit.description for limit in limits if isinstance(limit, FieldInfo) and limit.description]
    if described:
        return str(described[0])
    if kind is bool:
        return "True or False"
    if kind is NoneType:
        return "None"
    if _is_mapping(kind):
        return "a mapping symbol -> such a number"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return str(_range(kind, limits))


def _either(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, or {parts[-1]}"


def schema_with(knobs: Mapping[str, Knob], schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON schema of the fields, with unit, group and what is allowed of each, in its description as well."""
    for name, entry in schema["properties"].items():
        knob = knobs[name]
        for key in INTERNAL:
            entry.pop(key, None)
        entry |= {
            "unit": knob.unit,
            "group": knob.group,
            "allowed": knob.allowed,
            "description": f"{knob.description} Unit: {knob.unit}. Allowed: {knob.allowed}.",
        }
    return schema
