"""Backtests in one compiled loop: load market data, run a strategy given as arrays or a sweep of them, see why."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from facade import datasets
from facade.backtest import run_backtest
from facade.config.model import Config
from facade.data.load_panel import load_panel
from facade.data.panel import Panel
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

if TYPE_CHECKING:
    from facade.sweeps.result.result import SweepResult
    from facade.sweeps.run import sweep
    from facade.sweeps.studies.capacity import capacity
    from facade.sweeps.studies.walk_forward import walk_forward

    __version__: str

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

_SWEEPS = {
    "SweepResult": "facade.sweeps.result.result",
    "sweep": "facade.sweeps.run",
    "capacity": "facade.sweeps.studies.capacity",
    "walk_forward": "facade.sweeps.studies.walk_forward",
}
"""Names of the public face whose module is imported when they are first asked for: a plain run needs none of them."""


def _of_sweeps(name: str) -> Any:
    if name == "sweeps":
        for module in _SWEEPS.values():
            import_module(module)
        return import_module("facade.sweeps")
    return getattr(import_module(_SWEEPS[name]), name)


def _version() -> str:
    """Of the installed distribution; "0+unknown" where the packages lie on the path without one."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ml4t-kernel")
    except PackageNotFoundError:
        return "0+unknown"


if not TYPE_CHECKING:  # a type checker would take any name for one that the package has

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            value = _version()
        elif name == "sweeps" or name in _SWEEPS:
            value = _of_sweeps(name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_SWEEPS, "sweeps", "__version__"})
