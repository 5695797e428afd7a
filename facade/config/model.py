"""The frozen, validated configuration of a run: account, costs, execution policies and run-wide rules."""

from __future__ import annotations

import json
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
from facade.config.knobs import GROUPS, Knob, cost, knobs_of, policy, rule, schema_with, volume
from facade.config.knobs import account as of_account  # the field of that name is Config.account
from facade.config.per_asset import FREEZE, PerAsset
from facade.config.toml import toml_text
from facade.errors import ConfigError
from ml4t_kernel.schema import MAX_SETTLEMENT, MAX_TIERS, MOST_BARS

NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Margin = Annotated[float, Field(gt=0, le=1)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=MOST_BARS)]
FractionRule = Fraction | Annotated[Mapping[str, Fraction], *FREEZE] | None
PositiveRule = Positive | Annotated[Mapping[str, Positive], *FREEZE] | None
ActivationRule = NonNegative | Annotated[Mapping[str, NonNegative], *FREEZE]
CountRule = Count | Annotated[Mapping[str, Count], *FREEZE] | None
NoCap = Annotated[None, Field(description="None for no cap")]
ColumnName = Annotated[str, Field(min_length=1, description="the name of an extra column of the panel")]
Spread = Rate | Annotated[Mapping[str, Rate], *FREEZE] | ColumnName
TIERS = f"pairs (from_notional, rate), the first from 0, strictly increasing, at most {MAX_TIERS}"
Tiers = Annotated[tuple[tuple[NonNegative, Rate], ...], Field(description=TIERS)]


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
    initial_cash: Positive = of_account(100_000.0, "Cash before the first bar.", "account currency", told="")
    allow_short_selling: bool = of_account(False, "Whether positions may be short.", "flag", flag=("allow_short", True))
    lot: NonNegative = of_account(1.0, "Quantities are whole multiples of it; 0 is fractional.", "shares")
    min_notional: NonNegative = of_account(0.0, "Smaller orders are refused.", "account currency")
    periods_per_year: Positive | None = of_account(
        None,
        "Bars a year for annualised metrics, and for rates where bars have no dates; None derives it.",
        "bars",
        told="",
    )
    borrow_fee: Rate = of_account(0.0, "Fee a year of what is held short.", "fraction of its value", told="on")
    credit_rate: Rate = of_account(
        0.0, "Interest a year on cash less the value of shorts.", "fraction of it", told="on"
    )
    debit_rate: Rate = of_account(0.0, "The same where that is below zero.", "fraction of it", told="on")
    account: Literal["cash", "margin"] = of_account(
        "cash", "What entries may use: cash, or equity less margin requirements.", "policy", flag=("margin", "margin")
    )
    initial_margin: Margin = of_account(
        0.5, "What a long position requires to be opened.", "fraction of its value", told="on", part_of="account"
    )
    maintenance_margin: Margin = of_account(
        0.25, "Below which sum of equity a margin call comes.", "fraction of its value", told="on", part_of="account"
    )
    short_initial_margin: Margin = of_account(
        0.5, "The initial margin of shorts.", "fraction of its value", told="on", part_of="account"
    )
    short_maintenance_margin: Margin = of_account(
        0.30, "The maintenance margin of shorts.", "fraction of its value", told="on", part_of="account"
    )
    margin_call: Literal["pro_rata", "all"] = of_account(
        "pro_rata",
        "What a margin call sells: of each position what is needed, or everything.",
        "policy",
        flag=("call_all", "all"),
        told="on",
        part_of="account",
    )
    cash_buffer: Rate = of_account(0.0, "Part of equity that entries leave alone.", "fraction of equity", told="on")
    max_leverage: Positive | None = of_account(
        None, "Most gross exposure after an entry; None is no limit.", "multiple of equity", told="on"
    )
    settlement: Annotated[int, Field(ge=0, le=MAX_SETTLEMENT)] = of_account(
        0, "Sessions until what a sale brought can be spent.", "sessions", told="on"
    )
    short_availability: Literal["unlimited", "listed"] = of_account(
        "unlimited",
        "Whether stocks without a row of `borrow` can be shorted.",
        "policy",
        flag=("listed_only", "listed"),
        told="changed",
    )
    recall: Literal["excess", "off"] = of_account(
        "excess",
        "Whether a short beyond what can be borrowed is bought back.",
        "policy",
        flag=("recalls", "excess"),
        told="changed",
    )

    # costs
    commission_rate: Rate = cost(0.0, "Commission of a taker fill.", "fraction of notional")
    maker_rate: Rate | None = cost(
        None, "Commission of a passive fill; None is commission_rate.", "fraction of notional"
    )
    commission_per_share: NonNegative = cost(0.0, "Commission a share.", "account currency")
    commission_per_trade: NonNegative = cost(0.0, "Commission once an order.", "account currency")
    commission_minimum: NonNegative = cost(0.0, "Least commission of an order.", "account currency")
    commission_maximum: NonNegative | None = cost(
        None, "Most commission of an order; None is no maximum.", "account currency"
    )
    commission_tiers: Tiers | None = cost(
        None,
        "Marginal rates by the order's cumulative notional; they replace commission_rate and maker_rate.",
        "(account currency, fraction of notional)",
    )
    sell_tax_rate: Rate = cost(0.0, "Tax on sales.", "fraction of notional")
    slippage_rate: Rate = cost(0.0, "Adverse slippage of taker fills.", "fraction of price")
    slippage_fixed: NonNegative = cost(0.0, "Adverse slippage a share of taker fills.", "account currency")
    stop_slippage_rate: Rate = cost(0.0, "Further slippage of triggered stops.", "fraction of price")
    spread: Spread = cost(0.0, "Full bid-ask spread, of which a taker pays half.", "fraction of price")
    impact_coefficient: NonNegative = cost(0.0, "k of k x sigma^s x (q/V)^p; 0 is off.", "factor")
    impact_exponent: NonNegative = cost(0.5, "p of k x sigma^s x (q/V)^p.", "power", part_of="impact_coefficient")
    impact_sigma: NonNegative = cost(
        0.0, "s of k x sigma^s x (q/V)^p; 0 reads no sigma.", "power", part_of="impact_coefficient"
    )
    volatility_window: Annotated[int, Field(ge=2, le=MOST_BARS)] = cost(
        20, "Returns in sigma, over the asset's own bars before the fill.", "bars", part_of="impact_coefficient"
    )
    # volume
    max_participation: Literal["auto"] | Annotated[float, Field(gt=0, le=1)] | NoCap = volume(
        "auto",
        "Share of a bar's volume that all fills of an asset may take; auto is 0.10 when the panel has volume.",
        "fraction of volume",
    )
    volume_basis: Literal["bar", "previous"] = volume(
        "bar", "Volume the cap is taken of: the bar's, or the smaller of it and the bar before.", "policy"
    )

    # execution policies
    timing: Literal["next_bar", "same_bar_close"] = policy(
        "next_bar", "When a decision first trades.", flag=("same_bar", "same_bar_close")
    )
    tie: Literal["pessimistic", "optimistic", "nearest"] = policy(
        "pessimistic", "Which side of the open comes first in a bar."
    )
    limit_fill: Literal["through", "touch"] = policy(
        "through", "What fills a limit: trading through it, or touching it.", flag=("limit_through", "through")
    )
    entry_bar: Literal["proved", "assumed"] = policy(
        "proved", "Exits on the bar of an entry born inside it.", flag=("entry_assumed", "assumed")
    )
    trail_timing: Literal["lagged", "proved"] = policy(
        "lagged", "Water mark a trailing level uses.", flag=("trail_proved", "proved")
    )
    water_mark: Literal["extreme", "close"] = policy(
        "extreme", "Price that moves the water mark.", flag=("water_mark_close", "close")
    )
    shortfall: Literal["shrink", "reject"] = policy(
        "shrink", "What happens to an entry that cash does not cover.", flag=("reject_short", "reject")
    )
    entry_rank: Literal["submission", "rank"] = policy(
        "submission", "Order in which entries are served.", flag=("rank_given", "rank")
    )
    cooldown: Annotated[int, Field(ge=0, le=MOST_BARS)] = policy(
        0, "Closes after a stop-out at which entries are refused, its own included.", unit="bars"
    )
    max_stale: Count = policy(20, "Sessions in a row without a bar after which an asset is closed.", unit="sessions")
    delisting_return: Annotated[float, Field(ge=-1)] = policy(
        0.0, "Return on the last mark at a delisting without recovery price.", unit="fraction of price"
    )

    # run-wide rules, defaults of what an order carries
    stop_loss: FractionRule = rule(None, "Loss that closes.", "fraction of basis")
    take_profit: PositiveRule = rule(None, "Profit that closes.", "fraction of basis")
    trailing_stop: FractionRule = rule(None, "Distance of the trail from the water mark.", "fraction of water mark")
    trail_activation: ActivationRule = rule(0.0, "Profit that arms the trail.", "fraction of basis")
    break_even: PositiveRule = rule(None, "Profit that lifts the stop to the average price.", "fraction of basis")
    time_exit: CountRule = rule(None, "Bar of the position at whose close it is ended.", "bars")
    rule_basis: Literal["fill", "signal"] = policy(
        "fill",
        "Price the rules measure from: the average fill, or the signal's close.",
        flag=("basis_signal", "signal"),
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            message = explain(error.errors(include_url=False), values, type(self).model_fields)
        else:
            return
        raise ConfigError(message)

    def __setattr__(self, name: str, value: Any) -> None:
        raise ConfigError(
            f"Config is frozen: {name} stays as it is; config.replace({name}={value!r}) is a changed copy"
        )

    def __delattr__(self, name: str) -> None:
        raise ConfigError(f"Config is frozen: {name} stays as it is; config.replace({name}=...) is a changed copy")

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
    def _margins_agree(self) -> Self:
        for side in ("", "short_"):
            initial, maintenance = f"{side}initial_margin", f"{side}maintenance_margin"
            if getattr(self, maintenance) > getattr(self, initial):
                raise ValueError(
                    f"{maintenance}={getattr(self, maintenance)!r} is above {initial}={getattr(self, initial)!r}; "
                    f"allowed: at most the initial margin"
                )
        if self.account == "margin" and self.settlement:
            raise ValueError(
                f"settlement={self.settlement!r} is of account='cash': an account on margin may borrow meanwhile; "
                f"allowed with account='margin': 0"
            )
        return self

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
        """As TOML text. TOML has no null: None is left out, or "none" where it is not the default."""
        plain = self.to_dict()
        plain |= {name: "none" for name in NONE_GIVEN if plain[name] is None}
        return toml_text({name: value for name, value in plain.items() if value is not None})

    @classmethod
    def from_toml(cls, source: str | Path) -> Self:
        """From TOML text, or from the file of a `Path`."""
        import tomllib

        try:
            values = tomllib.loads(_text(source))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"the configuration is not valid TOML: {error}") from None
        values |= {name: None for name in NONE_GIVEN if values.get(name) == "none"}
        return cls.from_dict(values)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """JSON schema of every field, with description, unit, allowed range and default."""
        return schema_with(KNOBS, cls.model_json_schema())

    def costs_are_zero(self) -> bool:
        """Whether nothing is charged on any fill."""
        costs = (name for name, knob in KNOBS.items() if knob.group == "costs" and not knob.part_of)
        charged = [name for name in costs if name != "commission_maximum" and getattr(self, name)]
        return not charged or (self.commission_maximum == 0 and all(name.startswith("commission") for name in charged))

    def policies(self) -> dict[str, Any]:
        """What is in force, for printing: every execution policy, then the rules and costs that are on."""
        values = self.to_dict()
        on = {name: _is_on(KNOBS[name], value) for name, value in values.items()}
        shown = {
            knob.name: values[knob.name]
            for knob in sorted(KNOBS.values(), key=lambda knob: GROUPS.index(knob.group))
            if knob.told == "always"
            or (knob.told == "on" and on[knob.part_of or knob.name])
            or (knob.told == "changed" and values[knob.name] != knob.default)
        }
        if self.costs_are_zero():
            shown["costs"] = "none"
        return shown

    def _rates(self) -> Iterator[tuple[str, float]]:
        """Rates charged on a fill, the highest of each field."""
        for name in (
            name for name, knob in KNOBS.items() if knob.group == "costs" and knob.unit.startswith("fraction")
        ):
            value = getattr(self, name)
            rates = value.values() if isinstance(value, Mapping) else [value]
            yield name, max((rate for rate in rates if isinstance(rate, float)), default=0.0)
        yield "commission_tiers", max((rate for _, rate in self.commission_tiers or ()), default=0.0)

    def notices(self, has_volume: bool) -> list[str]:
        """What a reader of the result should know about this configuration, one sentence each."""
        lines = []
        if self.costs_are_zero():
            lines.append("costs are zero: no commission, spread, slippage or impact is charged")
        lines += [
            f"{name}={rate:g} is {rate * 100:g} percent on each fill; rates are fractions (0.1 percent is 0.001)"
            for name, rate in self._rates()
            if rate >= HIGH_RATE
        ]
        if self.max_participation == "auto" and not has_volume:
            lines.append("fills are uncapped: the panel has no volume, so max_participation='auto' caps nothing")
        return lines


HIGH_RATE = 0.1
"""Rates of costs from here on are told of: percent may have been meant."""
KNOBS: Mapping[str, Knob] = knobs_of(Config.model_fields)
"""Every field by name, in their order."""
RULE_FIELDS = tuple(name for name, knob in KNOBS.items() if knob.group == "rules")
"""Run-wide rules, which an order may carry as well."""
RULE_SWITCHES = tuple(name for name in RULE_FIELDS if KNOBS[name].can_be_none)
"""Those that are on when they are given."""
PER_ASSET = tuple(name for name, knob in KNOBS.items() if knob.per_asset)
"""Fields that may be mappings symbol -> value."""
NONE_GIVEN = tuple(name for name, knob in KNOBS.items() if knob.can_be_none and knob.default is not None)
"""Fields of which None is a value and not the default."""


def _is_on(knob: Knob, value: Any) -> bool:
    """Whether a field does anything: a flag has the value that makes it 1, anything else is neither None nor 0."""
    return bool(value == knob.flag[1]) if knob.flag else value not in (None, 0.0)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _text(source: str | Path) -> str:
    return source.read_text(encoding="utf-8") if isinstance(source, Path) else source
