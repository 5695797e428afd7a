"""The frozen, validated configuration of a run: account, costs, execution policies and run-wide rules."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from facade.config.errors import explain
from facade.config.per_asset import FREEZE, PerAsset
from facade.config.toml import toml_text
from facade.errors import ConfigError
from ml4t_kernel.schema import MAX_TIERS

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
FractionRule = Fraction | Annotated[Mapping[str, Fraction], *FREEZE] | None
PositiveRule = Positive | Annotated[Mapping[str, Positive], *FREEZE] | None
ActivationRule = NonNegative | Annotated[Mapping[str, NonNegative], *FREEZE]
CountRule = Count | Annotated[Mapping[str, Count], *FREEZE] | None
Spread = Rate | Annotated[Mapping[str, Rate], *FREEZE] | Annotated[str, Field(min_length=1)]

OR_MAPPING = ", a mapping symbol -> such a number, or None"
RATE = "0 <= x < 1"
FROM_ZERO = "x >= 0"


def _field(default: Any, description: str, unit: str, allowed: str) -> Any:
    """A documented field; unit and allowed go into the JSON schema and into every error."""
    text = f"{description} Unit: {unit}. Allowed: {allowed}."
    return Field(default, description=text, json_schema_extra={"unit": unit, "allowed": allowed})


def _policy(default: str, description: str, *choices: str) -> Any:
    return _field(default, description, "policy", " or ".join(repr(choice) for choice in choices))


class Config(BaseModel):
    """Every knob of a run; frozen, keyword-only, checked when built. Numbers are fractions, never percent.

    Fields and their defaults are final; `Config.json_schema()` lists each with description, unit and range.
    A bad value raises `ConfigError` naming field, value and allowed range.

    >>> Config(lot=0, commission_rate=0.0005)
    Config(lot=0.0, commission_rate=0.0005)
    >>> Config().replace(tie="optimistic").tie
    'optimistic'
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    # account
    initial_cash: Positive = _field(100_000.0, "Cash before the first bar.", "account currency", "x > 0")
    allow_short_selling: bool = _field(False, "Whether positions may be short.", "flag", "True or False")
    lot: NonNegative = _field(1.0, "Quantities are whole multiples of it; 0 is fractional.", "shares", FROM_ZERO)
    min_notional: NonNegative = _field(0.0, "Smaller orders are refused.", "account currency", FROM_ZERO)
    periods_per_year: Positive | None = _field(
        None, "Bars a year for annualised metrics; None derives it from the timestamps.", "bars", "x > 0, or None"
    )

    # costs
    commission_rate: Rate = _field(0.0, "Commission of a taker fill.", "fraction of notional", RATE)
    maker_rate: Rate | None = _field(
        None, "Commission of a passive fill; None is commission_rate.", "fraction of notional", f"{RATE}, or None"
    )
    commission_per_share: NonNegative = _field(0.0, "Commission a share.", "account currency", FROM_ZERO)
    commission_per_trade: NonNegative = _field(0.0, "Commission once an order.", "account currency", FROM_ZERO)
    commission_minimum: NonNegative = _field(0.0, "Least commission of an order.", "account currency", FROM_ZERO)
    commission_maximum: NonNegative | None = _field(
        None, "Most commission of an order; None is no maximum.", "account currency", "x >= 0, or None"
    )
    commission_tiers: tuple[tuple[NonNegative, Rate], ...] | None = _field(
        None,
        "Marginal rates by the order's cumulative notional; they replace commission_rate and maker_rate.",
        "(account currency, fraction of notional)",
        f"pairs (from_notional, rate), the first from 0, strictly increasing, at most {MAX_TIERS}, or None",
    )
    sell_tax_rate: Rate = _field(0.0, "Tax on sales.", "fraction of notional", RATE)
    slippage_rate: Rate = _field(0.0, "Adverse slippage of taker fills.", "fraction of price", RATE)
    slippage_fixed: NonNegative = _field(0.0, "Adverse slippage a share of taker fills.", "account currency", FROM_ZERO)
    stop_slippage_rate: Rate = _field(0.0, "Further slippage of triggered stops.", "fraction of price", RATE)
    spread: Spread = _field(
        0.0,
        "Full bid-ask spread, of which a taker pays half.",
        "fraction of price",
        f"{RATE}, a mapping symbol -> such a number, or the name of an extra column of the panel",
    )
    impact_coefficient: NonNegative = _field(0.0, "k of k x sigma^s x (q/V)^p; 0 is off.", "factor", FROM_ZERO)
    impact_exponent: NonNegative = _field(0.5, "p of k x sigma^s x (q/V)^p.", "power", FROM_ZERO)
    impact_sigma: NonNegative = _field(0.0, "s of k x sigma^s x (q/V)^p; 0 reads no sigma.", "power", FROM_ZERO)
    volatility_window: Annotated[int, Field(ge=2)] = _field(
        20, "Returns in sigma, over the asset's own bars before the fill.", "bars", "an integer n >= 2"
    )

    # volume
    max_participation: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] | None = _field(
        "auto",
        "Share of a bar's volume that all fills of an asset may take; auto is 0.10 when the panel has volume.",
        "fraction of volume",
        "'auto', 0 < x <= 1, or None for no cap",
    )
    volume_basis: Literal["bar", "previous"] = _policy(
        "bar", "Volume the cap is taken of: the bar's, or the smaller of it and the bar before.", "bar", "previous"
    )

    # execution policies
    timing: Literal["next_bar", "same_bar_close"] = _policy(
        "next_bar", "When a decision first trades.", "next_bar", "same_bar_close"
    )
    tie: Literal["pessimistic", "optimistic", "nearest"] = _policy(
        "pessimistic", "Which side of the open comes first in a bar.", "pessimistic", "optimistic", "nearest"
    )
    limit_fill: Literal["through", "touch"] = _policy(
        "through", "What fills a limit: trading through it, or touching it.", "through", "touch"
    )
    entry_bar: Literal["proved", "assumed"] = _policy(
        "proved", "Exits on the bar of an entry born inside it.", "proved", "assumed"
    )
    trail_timing: Literal["lagged", "proved"] = _policy(
        "lagged", "Water mark a trailing level uses.", "lagged", "proved"
    )
    water_mark: Literal["extreme", "close"] = _policy("extreme", "Price that moves the water mark.", "extreme", "close")
    shortfall: Literal["shrink", "reject"] = _policy(
        "shrink", "What happens to an entry that cash does not cover.", "shrink", "reject"
    )
    entry_rank: Literal["submission", "rank"] = _policy(
        "submission", "Order in which entries are served.", "submission", "rank"
    )
    cooldown: Annotated[int, Field(ge=0)] = _field(
        0, "Closes after a stop-out at which entries are refused, its own included.", "bars", "an integer n >= 0"
    )
    max_stale: Count = _field(
        20, "Sessions in a row without a bar after which an asset is closed.", "sessions", "an integer n >= 1"
    )
    delisting_return: Annotated[float, Field(ge=-1)] = _field(
        0.0, "Return on the last mark at a delisting without recovery price.", "fraction of price", "x >= -1"
    )

    # run-wide rules, defaults of what an order carries
    stop_loss: FractionRule = _field(None, "Loss that closes.", "fraction of basis", f"0 < x < 1{OR_MAPPING}")
    take_profit: PositiveRule = _field(None, "Profit that closes.", "fraction of basis", f"x > 0{OR_MAPPING}")
    trailing_stop: FractionRule = _field(
        None, "Distance of the trail from the water mark.", "fraction of water mark", f"0 < x < 1{OR_MAPPING}"
    )
    trail_activation: ActivationRule = _field(
        0.0, "Profit that arms the trail.", "fraction of basis", "x >= 0, or a mapping symbol -> such a number"
    )
    break_even: PositiveRule = _field(
        None, "Profit that lifts the stop to the average price.", "fraction of basis", f"x > 0{OR_MAPPING}"
    )
    time_exit: CountRule = _field(
        None, "Bar of the position at whose close it is ended.", "bars", f"an integer n >= 1{OR_MAPPING}"
    )
    rule_basis: Literal["fill", "signal"] = _policy(
        "fill", "Price the rules measure from: the average fill, or the signal's close.", "fill", "signal"
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            message = explain(error.errors(include_url=False), values, type(self).model_fields)
        else:
            return
        raise ConfigError(message)

    @model_validator(mode="before")
    @classmethod
    def _plain_numbers(cls, values: Any) -> Any:
        """Numpy scalars become Python numbers."""
        if not isinstance(values, Mapping):
            return values
        return {name: _plain(value) for name, value in values.items()}

    @field_validator("commission_tiers", mode="before")
    @classmethod
    def _tier_pairs(cls, tiers: Any) -> Any:
        if isinstance(tiers, list | tuple):
            return tuple(tuple(pair) if isinstance(pair, list | tuple) else pair for pair in tiers)
        return tiers

    @field_validator("commission_tiers")
    @classmethod
    def _tiers_rise_from_zero(cls, tiers: tuple[tuple[float, float], ...] | None) -> Any:
        if tiers is not None:
            starts = [start for start, _ in tiers]
            rising = all(low < high for low, high in pairwise(starts))
            if not starts or starts[0] != 0 or not rising or len(starts) > MAX_TIERS:
                raise ValueError("tiers")
        return tiers

    @model_validator(mode="after")
    def _maximum_above_minimum(self) -> Self:
        if self.commission_maximum is not None and self.commission_maximum < self.commission_minimum:
            raise ValueError(
                f"commission_maximum={self.commission_maximum!r} is below "
                f"commission_minimum={self.commission_minimum!r}; allowed: at least the minimum, or None"
            )
        return self

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Only what differs from the default."""
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value != field.default or type(value) is not type(field.default):
                yield name, value

    def __str__(self) -> str:
        return repr(self)

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed, validated as a whole."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Every field as plain Python data (mappings as dicts, tiers as lists)."""
        plain = {name: getattr(self, name) for name in type(self).model_fields}
        for name, value in plain.items():
            if isinstance(value, PerAsset):
                plain[name] = dict(value)
        if self.commission_tiers is not None:
            plain["commission_tiers"] = [list(pair) for pair in self.commission_tiers]
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The configuration of `to_dict`; fields left out take their defaults."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"a configuration is a mapping field -> value, got {type(values).__name__}")
        return cls(**values)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, source: str | Path) -> Self:
        """From JSON text, or from the file of a `Path`."""
        try:
            values = json.loads(_text(source))
        except json.JSONDecodeError as error:
            raise ConfigError(f"the configuration is not valid JSON: {error}") from None
        return cls.from_dict(values)

    def to_toml(self) -> str:
        """As TOML text. TOML has no null: None is left out, but for max_participation = "none"."""
        plain = self.to_dict()
        if self.max_participation is None:
            plain["max_participation"] = "none"
        return toml_text({name: value for name, value in plain.items() if value is not None})

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """From TOML text, or from the file of a `Path`."""
        try:
            values = tomllib.loads(_text(source))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the configuration is not valid TOML: {error}") from None
        if values.get("max_participation") == "none":
            values["max_participation"] = None
        return cls.from_dict(values)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of every field, with description, unit, allowed range and default."""
        return cls.model_json_schema()

    def costs_are_zero(self) -> bool:
        """Whether nothing is charged on any fill."""
        charged = [name for name in COSTS if name != "commission_maximum" and getattr(self, name)]
        return not charged or (self.commission_maximum == 0 and all(name.startswith("commission") for name in charged))

    def policies(self) -> dict[str, Any]:
        """What is in force, for printing: every execution policy, then the rules and costs that are on."""
        values = self.to_dict()
        shown = {name: values[name] for name in POLICIES}
        shown |= {name: values[name] for name in RULE_FIELDS if values[name] not in (None, 0.0)}
        shown |= {name: values[name] for name in COSTS if values[name] not in (None, 0.0)}
        if self.impact_coefficient:
            shown |= {name: values[name] for name in ("impact_exponent", "impact_sigma", "volatility_window")}
        if self.costs_are_zero():
            shown["costs"] = "none"
        return shown

    def notices(self, has_volume: bool) -> list[str]:
        """What a reader of the result should know about this configuration, one sentence each."""
        lines = []
        if self.costs_are_zero():
            lines.append("costs are zero: no commission, spread, slippage or impact is charged")
        if self.max_participation == "auto" and not has_volume:
            lines.append("fills are uncapped: the panel has no volume, so max_participation='auto' caps nothing")
        return lines


COSTS = (
    "commission_rate",
    "maker_rate",
    "commission_per_share",
    "commission_per_trade",
    "commission_minimum",
    "commission_maximum",
    "commission_tiers",
    "sell_tax_rate",
    "slippage_rate",
    "slippage_fixed",
    "stop_slippage_rate",
    "spread",
    "impact_coefficient",
)
RULE_FIELDS = ("stop_loss", "take_profit", "trailing_stop", "trail_activation", "break_even", "time_exit")
POLICIES = (
    "timing",
    "allow_short_selling",
    "max_participation",
    "volume_basis",
    "lot",
    "min_notional",
    "tie",
    "limit_fill",
    "entry_bar",
    "trail_timing",
    "water_mark",
    "shortfall",
    "entry_rank",
    "cooldown",
    "rule_basis",
    "max_stale",
    "delisting_return",
)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _text(source: str | Path) -> str:
    return source.read_text(encoding="utf-8") if isinstance(source, Path) else source
