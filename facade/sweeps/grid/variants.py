"""The strategies of a sweep: one or several by name, each given as an object or as a function of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from facade.data.panel import Panel
from facade.errors import StrategyError
from facade.strategies.functions import PANEL, arguments_of, called
from facade.strategies.strategy import Strategy, kinds_of_strategy, way_to_strategy
from facade.sweeps.grid.axes import shown


@dataclass(frozen=True)
class Variant:
    """One strategy. arguments: name -> has a default, of a function (`panel` included); empty for an object."""

    what: str
    given: Any
    arguments: Mapping[str, bool]

    @property
    def needed(self) -> tuple[str, ...]:
        """Arguments that a row has to give: those without a default, but for the panel."""
        return tuple(name for name, has_default in self.arguments.items() if not has_default and name != PANEL)

    def make(self, parameters: Mapping[str, Any], panel: Panel, row: int) -> Strategy:
        """The strategy of these parameters, of which the function's own are taken; `row` is the first to want it.

        Raises StrategyError naming parameters and row for whatever the function raises (as its cause), and when it
        returns something else than a strategy.
        """
        if isinstance(self.given, Strategy):
            return self.given
        own = {name: parameters[name] for name in self.arguments if name in parameters}
        where = f"{self.what}{_call(own)}, row {row}"
        return called(self.given, own, PANEL in self.arguments, panel, where)


class Variants:
    """What was given as the strategy of a sweep, read and checked.

    names: of a mapping name -> strategy; None when there is one strategy without a name.
    parameters: every argument of the functions -> whether all that take it have a default, or some function does
    without it; what `read_grid` asks for.
    """

    def __init__(self, strategy: Any) -> None:
        self.names: tuple[str, ...] | None = None
        if isinstance(strategy, Mapping):
            self.names = tuple(strategy)
            if not strategy:
                raise StrategyError("the mapping of strategies is empty")
            for name in self.names:
                if not isinstance(name, str) or not name:
                    raise StrategyError(f"the name {name!r} of a strategy is not allowed; names are text")
            self.all = tuple(_read(f"strategy {name!r}", given) for name, given in strategy.items())
        else:
            self.all = (_read("strategy", strategy),)
        everywhere = [name for variant in self.all for name in variant.arguments]
        self.parameters = {
            name: any(variant.arguments.get(name, True) for variant in self.all) for name in dict.fromkeys(everywhere)
        }

    def of(self, name: str | None) -> Variant:
        """The variant called `name`, or the only one."""
        return self.all[0] if self.names is None or name is None else self.all[self.names.index(name)]


def _read(what: str, given: Any) -> Variant:
    if isinstance(given, Strategy):
        return Variant(what, given, {})
    if not callable(given):
        raise StrategyError(
            f"{what} must be {kinds_of_strategy()}, a function of parameters that returns one, or a mapping "
            f"name -> strategy, got {type(given).__name__}{way_to_strategy(given)}"
        )
    return Variant(what, given, arguments_of(what, given))


def _call(parameters: Mapping[str, Any]) -> str:
    """'(fast=5, slow=20)'; long values are cut."""
    return f"({', '.join(f'{name}={shown(value)}' for name, value in parameters.items())})"
