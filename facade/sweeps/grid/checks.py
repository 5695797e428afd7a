"""Names and values of a grid, checked and coerced, each distinct value once; and how values are shown in a table.

Every refusal is a ConfigError that names row (the first with the value, before any constraint), column, value and
what is allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Annotated, Any

import numpy as np
from pydantic import FailFast, TypeAdapter, ValidationError

from facade.config.model import Config
from facade.data.clock import parse_bound
from facade.errors import ConfigError, DataError, listing
from facade.foreign_names import hint
from facade.strategies.functions import PANEL
from facade.sweeps.grid.axes import DEFAULT, Axis
from facade.wording import did_you_mean

RESERVED = ("strategy", "symbols", "window")
SCALARS = frozenset({bool, int, float, str, type(None)})
Refuse = Callable[[int, str], ConfigError]
"""Makes the error for value number i of an axis, from what is wrong with it."""


@dataclass(frozen=True)
class Names:
    """What a grid may name: fields of Config, `parameters` (name -> has a default), the reserved axes."""

    parameters: Mapping[str, bool]
    variants: Sequence[str] | None
    taken: Collection[str]

    def kind(self, name: Any, where: str) -> str:
        """Kind of the column called `name`; ConfigError when there can be none."""
        if not isinstance(name, str):
            raise ConfigError(f"{where}: the name {name!r} is not allowed; names are text")
        argument = name in self.parameters
        if name == PANEL and argument:
            raise ConfigError(f"{where}: 'panel' is the argument that receives the panel; it cannot be varied")
        if argument and (name in RESERVED or name in Config.model_fields):
            other = "a reserved axis of a grid" if name in RESERVED else "a field of Config"
            raise ConfigError(f"{where}: {name!r} is {other} and an argument of the strategy; rename the argument")
        if argument and name in self.taken:
            raise ConfigError(f"{where}: {name!r} is a column of the result; rename the argument of the strategy")
        if name == "strategy" and self.variants is None:
            raise ConfigError(f"{where}: the axis 'strategy' needs a mapping name -> strategy in place of one strategy")
        if name in RESERVED:
            return name
        if not argument and name not in Config.model_fields:
            raise ConfigError(f"{where}: {self._unknown(name)}")
        return "parameter" if argument else "config"

    def _unknown(self, name: str) -> str:
        rule = f"{name!r} is neither a field of Config nor an argument of the strategy"
        own = [argument for argument in self.parameters if argument != PANEL]
        near = hint(name, [*own, *RESERVED, *Config.model_fields])
        return rule + (near or f" (its arguments: {listing(own, 20) or 'none'})")

    def require(self, given: Collection[str]) -> None:
        """Refuse a grid without an argument that the strategy cannot do without."""
        for name, has_default in self.parameters.items():
            if not has_default and name != PANEL and name not in given:
                self.kind(name, "grid")
                raise ConfigError(f"grid: the strategy needs its argument {name!r}, which the grid does not give")

    def values(self, axis: Axis, kind: str, config: Config, inner: int) -> list[Any]:
        """The values of an axis as a Column holds them; `inner` rows of the grid follow each row of its block."""

        def refuse(at: int, rule: str) -> ConfigError:
            first = axis.first(at)
            where = "grid" if first is None else f"grid row {first * inner}"
            return ConfigError(f"{where}, column {axis.name!r}: {rule}")

        if kind == "config":
            return config_values(axis.name, _filled(axis.values, getattr(config, axis.name)), refuse)
        if kind == "parameter":
            return _parameter_values(axis.values, self.parameters[axis.name], refuse)
        if kind == "strategy":
            return _variant_names(axis.values, self.variants or (), refuse)
        read = _symbols if kind == "symbols" else _window
        return [read(value, at, refuse) for at, value in enumerate(axis.values)]


def _filled(values: list[Any], own: Any) -> list[Any]:
    """The values with `own` where the cell was left out."""
    if type(DEFAULT) not in set(map(type, values)):
        return values
    return [own if value is DEFAULT else value for value in values]


def config_values(name: str, values: list[Any], refuse: Refuse) -> list[Any]:
    """The values as `Config(name=value)` would hold each of them; what it refuses is refused in its words."""
    kinds = set(map(type, values))
    if name in _with_own_validators() or not kinds <= SCALARS:
        return [_by_config(name, value, at, refuse) for at, value in enumerate(values)]
    try:
        return _adapter(name).validate_python(values)
    except ValidationError as error:
        at = int(error.errors(include_url=False)[0]["loc"][0])
        _by_config(name, values[at], at, refuse)
        return [_by_config(name, value, at, refuse) for at, value in enumerate(values)]


ALONE: Mapping[str, Mapping[str, Any]] = {
    f"{side}{name}_margin": {f"{side}{other}_margin": widest}
    for side in ("", "short_")
    for name, other, widest in (("initial", "maintenance", 5e-324), ("maintenance", "initial", 1.0))
}
"""What Config is given besides a value that is looked at alone: rules between fields are looked at by row."""


def _by_config(name: str, value: Any, at: int, refuse: Refuse) -> Any:
    try:
        return getattr(Config(**{name: value}, **ALONE.get(name, {})), name)
    except ConfigError as error:
        raise refuse(at, str(error)) from None


@cache
def _adapter(name: str) -> TypeAdapter[list[Any]]:
    """Validates a list of values of a field as Config validates one, 500 times as fast as a Config each."""
    field = Config.model_fields[name]
    item: Any = field.annotation
    for constraint in field.metadata:
        item = Annotated[item, constraint]
    return TypeAdapter(Annotated[list[item], FailFast()], config=Config.model_config)


@cache
def _with_own_validators() -> frozenset[str]:
    """Fields that Config validates by methods of its own, which an adapter of the type does not know."""
    validators = Config.__pydantic_decorators__.field_validators.values()
    return frozenset(name for validator in validators for name in validator.info.fields)


def _parameter_values(values: list[Any], has_default: bool, refuse: Refuse) -> list[Any]:
    """Whatever the strategy takes; numpy numbers become Python's, NaN is refused."""
    kinds = set(map(type, values))
    if kinds <= SCALARS - {float} or (kinds == {float} and not np.isnan(np.array(values)).any()):
        return values
    plain = list(values)
    for at, value in enumerate(values):
        if isinstance(value, np.generic) and not isinstance(value, np.datetime64 | np.timedelta64):
            plain[at] = value = value.item()
        if isinstance(value, float) and value != value:
            raise refuse(at, "NaN is not allowed; a missing value is None")
        if value is DEFAULT and not has_default:
            raise refuse(at, "the row leaves out an argument for which the strategy has no default")
    return plain


def _variant_names(values: list[Any], variants: Sequence[str], refuse: Refuse) -> list[Any]:
    for at, value in enumerate(values):
        if value is DEFAULT:
            raise refuse(at, f"the row names no strategy; allowed: {listing(variants, 20)}")
        if not isinstance(value, str) or value not in variants:
            near = did_you_mean(value, variants) if isinstance(value, str) else ""
            raise refuse(at, f"{value!r} is not one of the strategies: {listing(variants, 20)}{near}")
    return [str(value) for value in values]


def _symbols(value: Any, at: int, refuse: Refuse) -> tuple[str, ...] | None:
    """A tuple of symbols, or None for all of the panel. Whether they are in the panel is not looked at."""
    if value is None or value is DEFAULT:
        return None
    if isinstance(value, str):
        raise refuse(at, f"{value!r} is not a list of symbols; each value of the axis is a list such as [{value!r}]")
    if isinstance(value, Mapping | set | frozenset) or not isinstance(value, Collection):
        raise refuse(at, f"{value!r} is not allowed; each value is a list of symbols, or None for all")
    symbols = tuple(value)
    for symbol in symbols:
        if not isinstance(symbol, str) or not symbol:
            raise refuse(at, f"{symbol!r} is not a symbol; symbols are text")
    if not symbols:
        raise refuse(at, "the list of symbols is empty; None is all symbols")
    twice = [symbol for symbol, count in Counter(symbols).items() if count > 1]
    if twice:
        raise refuse(at, f"the symbol {str(twice[0])!r} is named twice")
    return tuple(map(str, symbols))


def _window(value: Any, at: int, refuse: Refuse) -> tuple[date | None, date | None]:
    """(start, end), both inclusive, None where open; ISO text is read."""
    if value is None or value is DEFAULT:
        return None, None
    pair = value
    if isinstance(value, Mapping):  # the cell of a struct column
        pair = [value["start"], value["end"]] if set(value) == {"start", "end"} else None
    if isinstance(pair, str | set | frozenset) or not isinstance(pair, Collection) or len(pair) != 2:
        raise refuse(at, f"{value!r} is not allowed; a window is a pair (start, end) of dates, ISO text or None")
    try:
        start, end = (parse_bound(bound, name) for bound, name in zip(pair, ("start", "end"), strict=True))
    except DataError as error:
        raise refuse(at, f"{value!r}: {error}") from None
    if (start is not None and start != start) or (end is not None and end != end):
        raise refuse(at, f"{value!r}: not a time; an open end is None")
    if start is not None and end is not None:
        _require_order(value, start, end, at, refuse)
    return start, end


def _require_order(value: Any, start: date, end: date, at: int, refuse: Refuse) -> None:
    if isinstance(start, datetime) and isinstance(end, datetime) and (start.tzinfo is None) != (end.tzinfo is None):
        raise refuse(at, f"{value!r}: one end has a time zone and the other has none")
    if not isinstance(end, datetime):
        late = _clock(start).date() > end  # the whole last day is in the window
    elif isinstance(start, datetime):
        late = start > end
    else:
        late = _clock(start) > _clock(end)
    if late:
        raise refuse(at, f"{value!r}: the start lies after the end")


def _clock(bound: date) -> datetime:
    return bound.replace(tzinfo=None) if isinstance(bound, datetime) else datetime(bound.year, bound.month, bound.day)
