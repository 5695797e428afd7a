"""The arguments that `run_backtest`, `sweep` and the studies share: panel, configuration, what belongs elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache
from types import FunctionType
from typing import Any

from facade.config.model import Config
from facade.data.load_panel import load_panel
from facade.data.panel import Panel
from facade.errors import ConfigError, DataError, StrategyError, listing
from facade.foreign_names import hint
from facade.strategies.strategy import Strategy


def refuse_swapped(prices: Any) -> None:
    """StrategyError for a strategy in the place of prices."""
    if isinstance(prices, Strategy | FunctionType) or (isinstance(prices, type) and issubclass(prices, Strategy)):
        got = prices.__name__ if isinstance(prices, FunctionType | type) else type(prices).__name__
        raise StrategyError(
            f"prices: {got} is a strategy; are prices and strategy swapped? Prices come first, the strategy second"
        )


def refuse_engine_arguments(strategy: Any, signals: Any, context: Any) -> None:
    """Refuse the event engine's `signals` and `context`, which no strategy given as arrays takes."""
    for name, value in (("signals", signals), ("context", context)):
        if value is not None:
            if isinstance(value, Config):
                raise StrategyError(f"{name}: a Config stands in the place of {name}; it goes to config=")
            raise StrategyError(
                f"{name}: a strategy given as arrays ({type(strategy).__name__}) carries its own data; "
                f"pass {name}=None and build the strategy from it (a configuration goes to config=)"
            )


def config_in_third_place(signals: Any, config: Any) -> tuple[Any, Any]:
    """(signals, config), with a configuration that was given in the place of `signals` in its own.

    Who calls run_backtest(prices, strategy, config), as `sweep` is called, means that. A mapping is a configuration
    when it names a field of one. ConfigError when there are two configurations.
    """
    if not (isinstance(signals, Config) or (isinstance(signals, Mapping) and signals.keys() & Config.model_fields)):
        return signals, config
    if config is not None:
        raise ConfigError("config is given twice: in third place (signals) and as config=; give it once")
    return None, signals


def as_config(config: Config | Mapping[str, Any] | None) -> Config:
    """The configuration that was given: a Config, a mapping of its fields, or None for the defaults."""
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config(**config)
    raise ConfigError(f"config must be a Config or a mapping of its fields, got {type(config).__name__}")


@cache
def _names(function: Callable[..., Any], *, by_name_only: bool = False) -> tuple[str, ...]:
    """The arguments of a function, without those that gather further ones."""
    parameters = inspect.signature(function).parameters.values()
    wanted = (inspect.Parameter.KEYWORD_ONLY, *([] if by_name_only else [inspect.Parameter.POSITIONAL_OR_KEYWORD]))
    return tuple(one.name for one in parameters if one.kind in wanted)


def take_loading(keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `load_panel` (all that can be given by name only), taken out of `keywords`."""
    return {name: keywords.pop(name) for name in _names(load_panel, by_name_only=True) if name in keywords}


def refuse_unknown(
    keywords: Collection[str], call: Callable[..., Any], *others: Callable[..., Any], own: Iterable[str] = ()
) -> None:
    """ConfigError for the first of `keywords` that neither `load_panel` nor any of `others` takes, with the way out.

    call: what the user called, whose arguments may be meant; own: arguments of the strategy, which a grid takes.
    """
    if not keywords:
        return
    taken = {*_names(load_panel, by_name_only=True), *(name for other in others for name in _names(other))}
    for name in keywords:
        if name in taken:
            continue
        rule = f"{call.__name__} has no argument {name!r}"
        grid = "grid" in _names(call)
        if name in own:
            raise ConfigError(f"{rule}; it is an argument of the strategy: grid={{{name!r}: [...]}}")
        if name in Config.model_fields:
            axis = f", or an axis of the grid: grid={{{name!r}: [...]}}" if grid else ""
            raise ConfigError(f"{rule}; it is a field of Config: config=Config({name}=...){axis}")
        known = dict.fromkeys([*_names(call), *sorted(taken), *Config.model_fields])
        raise ConfigError(f"{rule}{hint(name, known) or f' (arguments: {listing(_names(call), 30)})'}")


def as_panel(prices: Any, actions: Any, spreads: Iterable[Any], loading: Mapping[str, Any]) -> Panel:
    """The panel of a run: the one given, or loaded with the columns that are named in `spreads`, its values of spread.

    loading: arguments of `load_panel`; DataError when there are any for a panel that is already built.
    """
    refuse_swapped(prices)
    if not isinstance(prices, Panel):
        extras = tuple(loading.get("extras", ()))
        named = dict.fromkeys(spread for spread in spreads if isinstance(spread, str) and spread not in extras)
        return load_panel(prices, actions, **{**loading, "extras": (*extras, *named)})
    if loading:
        raise DataError(f"{', '.join(loading)}: arguments of load_panel; this panel is already built")
    if actions is None:
        return prices
    return prices.with_actions(actions)
