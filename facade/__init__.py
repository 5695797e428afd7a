"""Backtests in one compiled loop: load market data, run a strategy given as arrays or a sweep of them, see why."""

from facade import datasets
from facade.backtest import run_backtest
from facade.config.model import Config
from facade.data.panel import Panel, load_panel
from facade.errors import (
    BacktestWarning,
    ConfigError,
    DataError,
    DataWarning,
    Interrupted,
    StrategyError,
)
from facade.results.result import Result
from facade.strategies.orders import Orders
from facade.strategies.signals import Signals
from facade.strategies.targets import TargetShares, TargetWeights
from facade.sweeps.result.result import SweepResult
from facade.sweeps.run import sweep
from facade.sweeps.studies.capacity import capacity
from facade.sweeps.studies.walk_forward import walk_forward

__all__ = [
    "BacktestWarning",
    "Config",
    "ConfigError",
    "DataError",
    "DataWarning",
    "Interrupted",
    "Orders",
    "Panel",
    "Result",
    "Signals",
    "StrategyError",
    "SweepResult",
    "TargetShares",
    "TargetWeights",
    "capacity",
    "datasets",
    "load_panel",
    "run_backtest",
    "sweep",
    "walk_forward",
]
