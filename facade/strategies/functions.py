"""A strategy given as a function: its arguments, and the call that makes the strategy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from facade.data.panel import Panel
from facade.errors import StrategyError, listing
from facade.strategies.strategy import Strategy, kinds_of_strategy

PANEL = "panel"
"""The argument of a strategy function that receives the panel."""
KINDS = inspect.Parameter


def arguments_of(what: str, function: Callable[..., Any]) -> dict[str, bool]:
    """Name -> has a default, of the arguments that can be given by name; *args and **kwargs are given nothing."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise StrategyError(f"{what}: the arguments of {function!r} cannot be read: {error}") from error
    arguments = {}
    for parameter in parameters:
        has_default = parameter.default is not KINDS.empty
        if parameter.kind is KINDS.POSITIONAL_ONLY and not has_default:
            raise StrategyError(f"{what}: the argument {parameter.name!r} cannot be given by name; drop the '/'")
        if parameter.kind in (KINDS.POSITIONAL_OR_KEYWORD, KINDS.KEYWORD_ONLY):
            arguments[parameter.name] = has_default
    return arguments


def called(
    function: Callable[..., Any], own: Mapping[str, Any], takes_panel: bool, panel: Panel, where: str
) -> Strategy:
    """The strategy that a function makes of these arguments.

    Raises StrategyError beginning with `where` for whatever the function raises (as its cause), and when it returns
    something else than a strategy.
    """
    given = {**own, PANEL: panel} if takes_panel else own
    try:
        made = function(**given)
    except Exception as error:
        raise StrategyError(f"{where}: {type(error).__name__}: {error}") from error
    if not isinstance(made, Strategy):
        raise StrategyError(f"{where}: returned {type(made).__name__}; it must return {kinds_of_strategy()}")
    return made


def strategy_on(strategy: Any, panel: Panel) -> Any:
    """The strategy of a single run: an object as it is, a function called with the panel and its own defaults."""
    if isinstance(strategy, (Strategy, type)) or not callable(strategy):
        return strategy
    arguments = arguments_of("strategy", strategy)
    needed = [name for name, has_default in arguments.items() if not has_default and name != PANEL]
    if needed:
        raise StrategyError(
            f"strategy: the function needs {listing(needed)}, which a single run does not give; give defaults, or "
            f"functools.partial(function, {needed[0]}=...), or a grid to sweep"
        )
    return called(strategy, {}, PANEL in arguments, panel, "strategy()")
