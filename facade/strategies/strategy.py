"""What a strategy is."""

from __future__ import annotations

from typing import Any

from facade.errors import StrategyError
from facade.strategies.orders import Orders
from facade.strategies.signals import Signals
from facade.strategies.targets import TargetShares, TargetWeights

STRATEGIES = (Orders, TargetWeights, TargetShares, Signals)
STRATEGY_NAMES = "Orders, TargetWeights, TargetShares or Signals"


def require_strategy(strategy: Any) -> None:
    """One of the classes above, not a frame, an array or a function."""
    if not isinstance(strategy, STRATEGIES):
        raise StrategyError(f"strategy must be {STRATEGY_NAMES}, got {type(strategy).__name__}")
