"""Configurations as rows of kernel parameters, and what they demand of the panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from facade.config.model import KNOBS, RULE_FIELDS, RULE_SWITCHES, Config
from facade.data.panel import Panel
from facade.encode.margins import check_instruments
from facade.errors import ConfigError
from facade.wording import did_you_mean, further
from ml4t_kernel.schema import MAX_TIERS, PARAMS, RULES, SizeType, Tie

AUTO_PARTICIPATION = 0.10


class Varied(NamedTuple):
    """A field that differs between K configurations: its distinct values, and (K,) integers, which one each has."""

    values: Sequence[Any]
    codes: np.ndarray


def _number_or(off: float) -> Callable[[Any], float]:
    """The run-wide number, or what is off: what is given per asset goes to `asset_rule_rows`."""
    return lambda value: value if isinstance(value, int | float) else off


def _off(name: str) -> float:
    """What the kernel reads where a rule is off: 0 of a number of bars and of what has no off, else inf."""
    return np.inf if name in RULE_SWITCHES and not _is_whole(name) else 0


def _is_whole(name: str) -> bool:
    span = KNOBS[name].range
    return span is not None and span.whole


def _tier(tiers: Any, item: int) -> list[float]:
    """(MAX_TIERS,) thresholds (item 0) or rates (1), zeros after the last."""
    values = [pair[item] for pair in tiers or ()]
    return values + [0.0] * (MAX_TIERS - len(values))


def _cap(cap: Any) -> float:
    """Share of volume if the panel has any; inf when there is no cap."""
    if cap is None:
        return np.inf
    return AUTO_PARTICIPATION if cap == "auto" else float(cap)


def _equals(wanted: Any) -> Callable[[Any], Any]:
    return lambda value: value == wanted


Made = tuple[str, Callable[[Any], Any] | None]
"""The field of Config that a field of PARAMS is made of, and how (None: as it is)."""
OWN: dict[str, Made] = {
    "tie": ("tie", lambda value: int(Tie[value.upper()])),
    "commission_maximum": ("commission_maximum", _number_or(np.inf)),
    "tiers": ("commission_tiers", lambda value: len(value or ())),
    "tier_from": ("commission_tiers", lambda value: _tier(value, 0)),
    "tier_rate": ("commission_tiers", lambda value: _tier(value, 1)),
    "spread_mode": ("spread", lambda value: 2 if isinstance(value, str) else int(isinstance(value, Mapping))),
    "half_spread": ("spread", lambda value: value / 2 if isinstance(value, float) else 0.0),
    "max_leverage": ("max_leverage", _number_or(np.inf)),
}
"""Fields of PARAMS that are made of one of Config in a way of their own."""
PARTS: dict[str, Made] = {
    "given_maker_rate": ("maker_rate", lambda value: np.nan if value is None else value),
    "cap": ("max_participation", _cap),
    "cap_is_auto": ("max_participation", _equals("auto")),
    **{f"has_{name}": (name, lambda value: value is not None) for name in RULE_SWITCHES},
}
"""What the fields of PARAMS that join several of Config are made of."""
JOINED = {source for source, _ in (*OWN.values(), *PARTS.values())} - set(RULE_FIELDS)
DIRECT: dict[str, Made] = {
    **{name: (name, None) for name in KNOBS if name in (PARAMS.names or ()) and name not in JOINED},
    **{name: (name, _number_or(_off(name))) for name in RULE_FIELDS},
    **{knob.flag[0]: (name, _equals(knob.flag[1])) for name, knob in KNOBS.items() if knob.flag},
    **OWN,
}
"""Fields of PARAMS that are made of one of Config: one of the same name as it is, unless it says otherwise."""
CONVERSIONS = DIRECT | PARTS


class Knobs:
    """Fields of K configurations as the kernel's, each distinct value converted once.

    `columns` gives every field of Config by name: one value for all, or `Varied`. Values are as Config holds them.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.same: dict[str, Any] = {}
        self.varied: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for name, (source, convert) in CONVERSIONS.items():
            given = columns[source]
            if isinstance(given, Varied):
                values = given.values if convert is None else [convert(value) for value in given.values]
                self.varied[name] = np.array(values), given.codes
            else:
                self.same[name] = given if convert is None else convert(given)

    def at(self, rows: np.ndarray, names: Sequence[str] = tuple(CONVERSIONS)) -> dict[str, Any]:
        """What these configurations have, by name: a value for all of them, or (n,) values; rows: (n,) integers."""
        same = {name: self.same[name] for name in names if name in self.same}
        return same | {name: self.varied[name][0][self.varied[name][1][rows]] for name in names if name in self.varied}


def params_rows(
    knobs: Knobs, rows: np.ndarray, has_volume: bool, instead: Mapping[str, Any] | None = None
) -> np.ndarray:
    """(n,) PARAMS of these configurations, what the strategy decides being neutral; nothing is checked.

    Parameters
    ----------
    rows : (n,) integers
        Configurations, by their place in the codes of `knobs`.
    has_volume
        Of the panel: whether the cap "auto" caps.
    instead
        Fields of Config that all of them have another value of.
    """
    values = knobs.at(rows)
    for name, (source, convert) in CONVERSIONS.items() if instead else ():
        if instead and source in instead:
            values[name] = instead[source] if convert is None else convert(instead[source])
    if not len(rows):
        return np.zeros(0, PARAMS)
    one = np.zeros(1, PARAMS)
    _fill(
        one[0],
        {name: value[0] if isinstance(value, np.ndarray) else value for name, value in values.items()},
        has_volume,
    )
    found = np.repeat(one, len(rows))
    _fill(_Differing(found), values, has_volume)
    return found


class _Differing:
    """(n,) PARAMS that are alike but for what is assigned as an array: scalars are there already."""

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(value, np.ndarray):
            self._rows[name] = value


def params_row(config: Config, panel: Panel) -> np.ndarray:
    """(1,) PARAMS of a configuration on a panel; what the strategy decides keeps its neutral value.

    Raises ConfigError when volume is needed and the panel has none, or has NaN on a traded bar, and when the account
    cannot hold what the panel has.
    """
    values = Knobs(vars(config)).same
    rows = np.zeros(1, PARAMS)
    row = rows[0]  # a record is written twice as fast as an array of one
    _fill(row, values, panel.has_volume)
    if row["needs_volume"]:
        check_volume(panel, row["max_participation"], row["impact_coefficient"])
    if panel.instruments is not None:
        check_instruments(panel.symbols, panel.instrument_rows, values)
    return rows


def _fill(rows: Any, values: Mapping[str, Any], has_volume: bool) -> None:
    """Write a record, or those of n that differ; values: of each of CONVERSIONS, scalars or (n,) arrays."""
    for name in DIRECT:
        rows[name] = values[name]
    given = values["given_maker_rate"]
    rows["maker_rate"] = _choose(given != given, values["commission_rate"], given)
    cap = cap_in_force(values, has_volume)
    impact = values["impact_coefficient"] > 0
    rows["max_participation"] = cap
    rows["needs_volume"] = (cap < np.inf) | impact
    rows["linear_costs"] = 1 - (
        impact
        | (values["commission_minimum"] != 0)
        | (values["commission_maximum"] < np.inf)
        | (values["tiers"] > 0)
        | (values["commission_per_trade"] != 0)
    )
    has_rules = False
    for name in RULE_SWITCHES:
        has_rules = has_rules | values[f"has_{name}"]
    rows["has_rules"] = has_rules
    rows["has_charges"] = is_charged(values)
    rows["has_forced"] = values["margin"]
    rows["has_limits"] = is_limited(values)
    rows["signal_size"], rows["size_type"], rows["record"] = 1.0, int(SizeType.FRACTION), 1


def is_charged(values: Mapping[str, Any]) -> Any:
    """Whether holding over night costs or earns anything (1.2)."""
    return (values["borrow_fee"] != 0) | (values["credit_rate"] != 0) | (values["debit_rate"] != 0)


LIMITS = ("margin", "cash_buffer", "max_leverage", "settlement")


def is_limited(values: Mapping[str, Any]) -> Any:
    """Whether the account has any limit besides the plain cash check (6.2); values: of `LIMITS` at least."""
    cash = (values["cash_buffer"] != 0) | (values["settlement"] != 0)
    return (values["margin"] != 0) | (values["max_leverage"] < np.inf) | cash


def pays_borrow(rows: np.ndarray) -> bool:
    """Whether any of (B,) BORROW rows has a fee of its own."""
    fees = rows["fee"]
    return bool(((fees != 0) & (fees == fees)).any())


def _choose(condition: Any, chosen: Any, other: Any) -> Any:
    """`chosen` where the condition holds, else `other`; scalars or (n,) arrays."""
    if isinstance(condition, np.ndarray):
        return np.where(condition, chosen, other)
    return chosen if condition else other


def cap_in_force(values: Mapping[str, Any], has_volume: bool) -> Any:
    """Share of a bar's volume, inf without a cap; on a panel without volume "auto" is none."""
    return values["cap"] if has_volume else _choose(values["cap_is_auto"], np.inf, values["cap"])


def check_volume(panel: Panel, cap: Any, impact: Any, rows: np.ndarray | None = None) -> None:
    """While a cap or impact is in force every traded bar has a volume, else ConfigError.

    cap (inf: none), impact: of one configuration, or (n,) arrays; rows: (n,) numbers that the error names.
    """
    missing = missing_volume(panel) if panel.has_volume else None
    if panel.has_volume and missing is None:
        return
    caps, impacts = np.broadcast_arrays(*np.atleast_1d(cap, impact))
    needing = np.flatnonzero((caps < np.inf) | (impacts > 0))
    if not len(needing):
        return
    first = int(needing[0])
    share, factor = float(caps[first]), float(impacts[first])
    where = "" if rows is None else f"row {rows[first]}: "
    if missing is None:
        if share < np.inf:
            raise ConfigError(f"{where}max_participation={share!r} needs a panel with volume; None is no cap")
        raise ConfigError(f"{where}impact_coefficient={factor} needs a panel with volume; 0 is no impact")
    bar, asset, count = missing
    remedy = "impact_coefficient=0 needs none" if share == np.inf else "max_participation=None"
    if share < np.inf:
        remedy += " trades without a cap" + (" (with impact_coefficient=0)" if factor > 0 else "")
    raise ConfigError(
        f"{where}volume of {panel.symbols[asset]} at {panel.timestamps[bar]} is NaN on a traded bar, and a "
        f"participation cap or impact reads it; {remedy}{further(count)}"
    )


def missing_volume(panel: Panel) -> tuple[int, int, int] | None:
    """First bar and asset with a close but no volume, and how many there are; kept with the panel."""
    return panel.derived("missing volume", lambda: _missing_volume(panel))


def _missing_volume(panel: Panel) -> tuple[int, int, int] | None:
    """First bar and asset with a close but no volume, and how many there are."""
    if not np.isnan(panel.volume.sum()):
        return None
    cells = np.flatnonzero(np.isnan(panel.volume) & ~np.isnan(panel.close))
    if not len(cells):
        return None
    return int(cells[0] // panel.shape[1]), int(cells[0] % panel.shape[1]), len(cells)


def asset_values(panel: Panel, name: str, values: Mapping[str, float]) -> np.ndarray:
    """(A,) float64 of a mapping symbol -> value, NaN where the symbol is not in it."""
    result = np.full(panel.shape[1], np.nan)
    index = {symbol: asset for asset, symbol in enumerate(panel.symbols)}
    for symbol, value in values.items():
        if symbol not in index:
            raise ConfigError(f"{name}: {symbol!r} is not in the prices{did_you_mean(symbol, panel.symbols)}")
        result[index[symbol]] = value
    return result


def asset_rule_rows(config: Config, panel: Panel) -> np.ndarray | None:
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
