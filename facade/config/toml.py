"""Writer for the small subset of TOML a configuration needs: scalars, lists of numbers and one level of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def _quoted(text: str) -> str:
    """A TOML basic string: JSON's escapes, plus DEL, which JSON leaves alone."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"no TOML form for {type(value).__name__}")


def toml_text(values: Mapping[str, Any]) -> str:
    """TOML document of `values`; a mapping among them becomes a table, after all plain keys."""
    plain = [f"{name} = {_value(value)}" for name, value in values.items() if not isinstance(value, Mapping)]
    lines = list(plain)
    for name, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]"] + [f"{_quoted(key)} = {_value(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"
