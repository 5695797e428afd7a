"""Backtests in one compiled loop: load market data, run a strategy given as arrays, look at what happened."""

from facade import datasets
from facade.backtest import run_backtest
from facade.config import Config
from facade.errors import (
    BacktestWarning,
    ConfigError,
    DataError,
    DataWarning,
    Interrupted,
    StrategyError,
)
from facade.panel import Panel, load_panel
from facade.result import Result
from facade.strategies import Orders, Signals, TargetShares, TargetWeights

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
    "TargetShares",
    "TargetWeights",
    "datasets",
    "load_panel",
    "run_backtest",
]
