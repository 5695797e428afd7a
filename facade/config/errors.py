"""Sentences for a configuration that does not validate: field, value, allowed range, and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from facade.foreign_names import hint


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    way = hint(name, fields) or f"; the fields are {', '.join(sorted(fields))}"
    return f"Config has no field {name!r}{way}"


def _slip(name: str, value: Any, unit: str, allowed: str) -> str:
    """': ...' where a value is of another kind than the field, or written in percent; else nothing."""
    is_number = unit not in ("flag", "policy")
    if is_number and isinstance(value, str):
        text = value.strip()
        return f": it is text, not a number{f'; write {name}={text}' if _is_number(text) else ''}"
    if is_number and isinstance(value, bool):
        return f": it is {value}, not a number"
    if isinstance(value, list | tuple | set) and not unit.startswith("("):
        return f": it is a {type(value).__name__}, not one value; values to try are an axis of the grid of sweep"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    if unit == "flag":
        return f": it is a number; write {name}={bool(value)}" if value in (0, 1) else ""
    if "an integer" in allowed and isinstance(value, float):
        return f": it is a float; write {name}={int(value)}" if value.is_integer() else ": it is no integer"
    if unit.startswith("fraction") and 1 <= value <= 100:
        return f": it is a fraction, so {value:g} percent is {name}={value / 100:g}"
    return ""


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False


def _outside(name: str, location: Sequence[Any], values: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    value = values.get(name)
    key = location[-1] if len(location) > 1 else None
    extra = fields[name].json_schema_extra
    shown = name
    if isinstance(value, Mapping) and key in value:
        shown, value = f"{name}[{key!r}]", value[key]
    slip = _slip(shown, value, extra["unit"], extra["allowed"])
    return f"Config {shown}={value!r} is not allowed{slip}; {name} must be {extra['allowed']} (unit: {extra['unit']})"


def explain(errors: Sequence[Any], values: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """One line a field at fault, from pydantic's `errors`, the `values` given and the model's `fields`."""
    lines: dict[str, str] = {}
    for error in errors:
        location = error["loc"]
        name = str(location[0]) if location else ""
        if not location:
            lines[name] = f"Config {error['ctx']['error']}"
        elif error["type"] == "extra_forbidden":
            lines[name] = _unknown(name, fields)
        else:
            line = _outside(name, location, values, fields)
            if name not in lines or f"{name}[" in line:  # of a union's complaints, the one that names the entry
                lines[name] = line
    return "\n".join(lines.values())
