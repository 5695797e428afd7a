"""What every kind of strategy offers: it encodes itself, it can be cut to a part of its panel, it knows its content.

A new kind is one file with a subclass of `Strategy`; nothing else asks what kind a strategy is.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import copy
from functools import wraps
from typing import Any, ClassVar, ParamSpec, Self, TypeVar

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.data.sources import is_pandas
from facade.errors import StrategyError
from facade.foreign_names import hint
from facade.strategies.draft import Draft

T = TypeVar("T")
P = ParamSpec("P")
K = TypeVar("K", bound="Strategy")


class Strategy(ABC):
    """A strategy given as data, checked as far as it can be without a panel when it is built."""

    UNPARSED: ClassVar[tuple[str, ...]] = ()
    """Attributes that hold what was given; what they were parsed to is in others, and decides."""
    KINDS: ClassVar[list[str]] = []
    """Names of the kinds that come with the package."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__module__.startswith(f"{__package__}."):
            Strategy.KINDS.append(cls.__name__)

    @abstractmethod
    def encode(self, panel: Panel, config: Config, draft: Draft) -> None:
        """Fill the part of `draft` that is this kind's.

        Raises StrategyError naming symbol, date, value and rule for what cannot be placed on the panel, or run under
        the configuration.
        """

    @abstractmethod
    def within(self, selection: Selection, placed: Placed) -> Self:
        """The strategy for the part of `placed.panel` that is selected: other bars and symbols are left out.

        What a symbol left out of a frame of targets means, zero, is decided by the whole frame. Arrays of a stretch of
        bars are views. Raises StrategyError for what cannot be placed on the whole panel.
        """

    def content(self) -> dict[str, Any]:
        """Everything that decides a run, by name; strategies of one kind and equal content run alike."""
        return {name: value for name, value in vars(self).items() if name not in self.UNPARSED}

    def changed(self, **values: Any) -> Self:
        """A copy with other attributes, not checked again."""
        made = copy(self)
        for name, value in values.items():
            object.__setattr__(made, name, value)
        return made


def kinds_of_strategy() -> str:
    """'Orders, Signals, TargetShares or TargetWeights'."""
    *others, last = sorted(Strategy.KINDS)
    return f"{', '.join(others)} or {last}"


def require_strategy(strategy: Any) -> Strategy:
    """The strategy; StrategyError for a frame, an array or a function."""
    if not isinstance(strategy, Strategy):
        got = f"the class {strategy.__name__}" if isinstance(strategy, type) else type(strategy).__name__
        raise StrategyError(f"strategy must be {kinds_of_strategy()}, got {got}{way_to_strategy(strategy)}")
    return strategy


def way_to_strategy(given: Any) -> str:
    """'; ...', what to do with something that stands where a strategy belongs; nothing where nobody can tell."""
    if isinstance(given, Panel):
        return "; are prices and strategy swapped? Prices come first, the strategy second"
    if isinstance(given, Config):
        return "; a Config goes to config="
    if isinstance(given, np.ndarray):
        return "; an array goes into TargetWeights.from_array(weights) or Signals.from_arrays(entries, exits)"
    if isinstance(given, pl.DataFrame | pl.LazyFrame) or is_pandas(given):
        return "; a frame goes into the kind that it is: TargetWeights(frame), Signals(frame) or Orders(frame)"
    return ""


def named(function: Callable[P, T]) -> Callable[P, T]:
    """The function, but an argument that it has not is a StrategyError that says what to write instead."""
    known = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
    what = function.__qualname__.removesuffix(".__init__")

    @wraps(function)
    def call(*args: P.args, **keywords: P.kwargs) -> T:
        for name in keywords:
            if name not in known:
                rule = f"{what} has no argument {name!r}"
                if name in Config.model_fields:
                    raise StrategyError(f"{rule}; it is a field of Config: config=Config({name}=...)")
                raise StrategyError(rule + (hint(name, known) or f" (arguments: {', '.join(known)})"))
        return function(*args, **keywords)

    return call


def named_arguments(kind: type[K]) -> type[K]:
    """The class, built as `named` has it."""
    kind.__init__ = named(kind.__init__)  # type: ignore[method-assign]
    return kind


class Placed:
    """A strategy on the panel it was made for: there its timestamps and symbols are checked, once for all selections.

    align: as for `run_backtest`; under "next" a row belongs to the bar that it is moved to.
    """

    def __init__(self, strategy: Any, panel: Panel, align: str | None = None) -> None:
        self.strategy = require_strategy(strategy)
        self.panel, self.align = panel, align
        self._kept: dict[str, Any] = {}

    def within(self, selection: Selection | None) -> Strategy:
        """The strategy for `select(panel, selection)`; None: the whole panel."""
        return self.strategy if selection is None else self.strategy.within(selection, self)

    def kept(self, name: str, build: Callable[[], T]) -> T:
        """`build()`, made once: where something of the strategy lies on the panel."""
        if name not in self._kept:
            self._kept[name] = build()
        value: T = self._kept[name]
        return value
