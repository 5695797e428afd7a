"""The configuration as one row of kernel parameters, and what it demands of the panel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from facade.config import RULE_FIELDS, Config
from facade.errors import ConfigError
from facade.frames import did_you_mean, further, remember
from ml4t_kernel.schema import PARAMS, RULES, SizeType, Tie

AUTO_PARTICIPATION = 0.10
SAME_NAME = (
    "initial_cash",
    "commission_rate",
    "commission_per_share",
    "commission_per_trade",
    "commission_minimum",
    "sell_tax_rate",
    "slippage_rate",
    "slippage_fixed",
    "stop_slippage_rate",
    "impact_coefficient",
    "impact_exponent",
    "impact_sigma",
    "lot",
    "min_notional",
    "delisting_return",
    "cooldown",
)
"""Fields that the configuration and the kernel's row share as they are."""
FLAGS = {
    "same_bar": ("timing", "same_bar_close"),
    "allow_short": ("allow_short_selling", True),
    "limit_through": ("limit_fill", "through"),
    "entry_assumed": ("entry_bar", "assumed"),
    "trail_proved": ("trail_timing", "proved"),
    "mark_close": ("water_mark", "close"),
    "basis_signal": ("rule_basis", "signal"),
    "rank_given": ("entry_rank", "rank"),
    "reject_short": ("shortfall", "reject"),
}
"""Field of PARAMS that is 1 when a field of the configuration has that value."""


def participation(config: Config, has_volume: bool) -> float:
    """The cap in force as a fraction of volume; inf when there is none."""
    cap = config.max_participation
    if cap is None:
        return np.inf
    if cap == "auto":
        return AUTO_PARTICIPATION if has_volume else np.inf
    if not has_volume:
        raise ConfigError(f"max_participation={cap!r} needs a panel with volume; None is no cap")
    return float(cap)


def params_row(config: Config, panel: Any) -> np.ndarray:
    """(1,) PARAMS of a configuration on a panel; what the strategy decides keeps its neutral value.

    Raises ConfigError when volume is needed and the panel has none, or has NaN on a traded bar.
    """
    rows = np.zeros(1, PARAMS)
    row = rows[0]
    for name in SAME_NAME:
        row[name] = getattr(config, name)
    for name, (field, value) in FLAGS.items():
        row[name] = getattr(config, field) == value
    row["tie"] = Tie[config.tie.upper()]
    row["maker_rate"] = config.commission_rate if config.maker_rate is None else config.maker_rate
    row["commission_maximum"] = np.inf if config.commission_maximum is None else config.commission_maximum
    for at, (start, rate) in enumerate(config.commission_tiers or ()):
        row["tier_from"][at], row["tier_rate"][at] = start, rate
    row["tiers"] = len(config.commission_tiers or ())
    row["max_participation"] = participation(config, panel.has_volume)
    _set_rules(row, config)
    _set_derived(row, config)
    check_volume(row, panel)
    return rows


def _set_rules(row: Any, config: Config) -> None:
    """Run-wide rules; what is given per asset goes to the rows of `asset_rules`."""
    for name in ("stop_loss", "take_profit", "trailing_stop", "break_even"):
        value = getattr(config, name)
        row[name] = np.inf if value is None or isinstance(value, Mapping) else value
    activation, bars = config.trail_activation, config.time_exit
    row["trail_activation"] = 0.0 if isinstance(activation, Mapping) else activation
    row["time_exit"] = 0 if bars is None or isinstance(bars, Mapping) else bars
    row["has_rules"] = any(getattr(config, name) is not None for name in RULE_FIELDS if name != "trail_activation")


def _set_derived(row: Any, config: Config) -> None:
    capped, impact = row["max_participation"] < np.inf, config.impact_coefficient > 0
    row["needs_volume"] = capped or impact
    row["linear_costs"] = not (
        impact
        or config.commission_minimum
        or config.commission_maximum is not None
        or config.commission_tiers
        or config.commission_per_trade
    )
    row["spread_mode"] = 2 if isinstance(config.spread, str) else int(isinstance(config.spread, Mapping))
    row["half_spread"] = config.spread / 2 if isinstance(config.spread, float) else 0.0
    row["signal_size"], row["size_type"], row["record"] = 1.0, SizeType.FRACTION, 1


def check_volume(row: Any, panel: Any) -> None:
    """While a cap or impact is in force every traded bar has a volume."""
    if not row["needs_volume"]:
        return
    if not panel.has_volume:
        raise ConfigError(f"impact_coefficient={row['impact_coefficient']} needs a panel with volume; 0 is no impact")
    missing = remember(panel, ("missing volume",), lambda: _missing_volume(panel))
    if missing is None:
        return
    bar, asset, count = missing
    remedy = "impact_coefficient=0 needs none" if row["max_participation"] == np.inf else "max_participation=None"
    if row["max_participation"] < np.inf:
        remedy += " trades without a cap" + (" (with impact_coefficient=0)" if row["impact_coefficient"] > 0 else "")
    raise ConfigError(
        f"volume of {panel.symbols[asset]} at {panel.timestamps[bar]} is NaN on a traded bar, and a participation cap "
        f"or impact reads it; {remedy}{further(count)}"
    )


def _missing_volume(panel: Any) -> tuple[int, int, int] | None:
    """First bar and asset with a close but no volume, and how many there are."""
    if not np.isnan(panel.volume.sum()):
        return None
    cells = np.flatnonzero(np.isnan(panel.volume) & ~np.isnan(panel.close))
    if not len(cells):
        return None
    return int(cells[0] // panel.shape[1]), int(cells[0] % panel.shape[1]), len(cells)


def asset_values(panel: Any, name: str, values: Mapping[str, float]) -> np.ndarray:
    """(A,) float64 of a mapping symbol -> value, NaN where the symbol is not in it."""
    result = np.full(panel.shape[1], np.nan)
    index = {symbol: asset for asset, symbol in enumerate(panel.symbols)}
    for symbol, value in values.items():
        if symbol not in index:
            raise ConfigError(f"{name}: {symbol!r} is not in the prices{did_you_mean(symbol, panel.symbols)}")
        result[index[symbol]] = value
    return result


def asset_rule_rows(config: Config, panel: Any) -> np.ndarray | None:
    """(A,) RULES of the rules given per asset, NaN where the run-wide value holds; None when there are none."""
    mapped = [name for name in RULE_FIELDS if isinstance(getattr(config, name), Mapping)]
    if not mapped:
        return None
    rows = np.zeros(panel.shape[1], RULES)
    for field in RULES.names or ():
        rows[field] = np.nan
    for name in mapped:
        rows[name] = asset_values(panel, name, getattr(config, name))
    return rows
