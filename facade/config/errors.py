"""Sentences for a configuration that does not validate: field, value, allowed range, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

EVENT_ENGINE_NAMES = {
    "execution_mode": "timing ('next_bar' or 'same_bar_close')",
    "execution_price": "timing",
    "next_bar_execution_price": "timing",
    "stop_level_basis": "rule_basis ('fill' or 'signal')",
    "trail_hwm_source": "water_mark ('extreme' or 'close')",
    "trail_stop_timing": "trail_timing ('lagged' or 'proved')",
    "share_type": "lot (1 is whole shares, 0 is fractional)",
    "share_rounding": "lot",
    "commission_type": "the commission_* fields themselves; those above zero add up",
    "slippage_type": "slippage_rate, slippage_fixed and spread themselves; those above zero add up",
    "slippage_spread": "spread (a fraction of the price)",
    "slippage_spread_by_asset": "spread (a mapping symbol -> fraction of the price)",
    "slippage_spread_convention": "spread (the full spread)",
    "partial_fills_allowed": "shortfall ('shrink')",
    "reject_on_insufficient_cash": "shortfall ('reject')",
    "entry_order_priority": "entry_rank ('submission' or 'rank')",
    "fill_ordering": "entry_rank (exits are always served first)",
    "cancel_policy": "time_in_force of each order",
    "max_volume_participation": "max_participation",
    "commission": "commission_rate",
    "slippage": "slippage_rate",
    "cash": "initial_cash",
}
"""What a field of the event engine, or a common short name, is called here."""


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    if name in EVENT_ENGINE_NAMES:
        return f"Config has no field {name!r}; here it is {EVENT_ENGINE_NAMES[name]}"
    near = difflib.get_close_matches(name, fields, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; the fields are {', '.join(sorted(fields))}"
    return f"Config has no field {name!r}{hint}"


def _outside(name: str, location: Sequence[Any], values: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    value = values.get(name)
    key = location[-1] if len(location) > 1 else None
    extra = fields[name].json_schema_extra
    shown = f"{name}={value!r}"
    if isinstance(value, Mapping) and key in value:
        shown = f"{name}[{key!r}]={value[key]!r}"
    return f"Config {shown} is not allowed; {name} must be {extra['allowed']} (unit: {extra['unit']})"


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
