"""The arguments that `run_backtest`, `sweep` and the studies share: panel, configuration, what belongs elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from facade.config.model import Config
from facade.data.panel import Panel, load_panel
from facade.errors import ConfigError, DataError, StrategyError


def refuse_engine_arguments(strategy: Any, signals: Any, context: Any) -> None:
    """Refuse the event engine's `signals` and `context`, which no strategy given as arrays takes."""
    for name, value in (("signals", signals), ("context", context)):
        if value is not None:
            raise StrategyError(
                f"{name}: a strategy given as arrays ({type(strategy).__name__}) carries its own data; "
                f"pass {name}=None and build the strategy from it"
            )


def as_config(config: Config | Mapping[str, Any] | None) -> Config:
    """The configuration that was given: a Config, a mapping of its fields, or None for the defaults."""
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config(**config)
    raise ConfigError(f"config must be a Config or a mapping of its fields, got {type(config).__name__}")


def take_loading(keywords: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `load_panel` (all that can be given by name only), taken out of `keywords`."""
    parameters = inspect.signature(load_panel).parameters.values()
    names = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    return {name: keywords.pop(name) for name in names if name in keywords}


def as_panel(prices: Any, actions: Any, spreads: Iterable[Any], loading: Mapping[str, Any]) -> Panel:
    """The panel of a run: the one given, or loaded with the columns that are named in `spreads`, its values of spread.

    loading: arguments of `load_panel`; DataError when there are any for a panel that is already built.
    """
    if not isinstance(prices, Panel):
        extras = tuple(loading.get("extras", ()))
        named = dict.fromkeys(spread for spread in spreads if isinstance(spread, str) and spread not in extras)
        return load_panel(prices, actions, **{**loading, "extras": (*extras, *named)})
    if loading:
        raise DataError(f"{', '.join(loading)}: arguments of load_panel; this panel is already built")
    if actions is None:
        return prices
    return prices.with_actions(actions)
