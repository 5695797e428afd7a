"""The panel as the kernel's read-only market; what is derived from it is kept as long as the panel lives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from facade.config.model import Config
from facade.data.memory import frozen, remember
from facade.encode.params import asset_values
from facade.errors import ConfigError
from facade.wording import did_you_mean
from ml4t_kernel import market as derived
from ml4t_kernel.schema import ACTION, Market


def make_market(panel: Any, config: Config, params: np.ndarray, resting: bool = False) -> Market:
    """Market of a panel under a configuration; `params` is the row made by `params_row`.

    resting: some orders may wait for their price, so the extremes of blocks of bars are worth having.
    """
    prices = {name: frozen(getattr(panel, name)) for name in ("open", "high", "low", "close")}
    capped = params["max_participation"][0] < np.inf
    volume = frozen(panel.volume)
    budget = _none() if not capped else volume
    if capped and config.volume_basis == "previous":
        budget = remember(panel, ("previous volume",), lambda: _previous_volume(panel))
    block_high, block_low = (
        remember(panel, ("blocks",), lambda: _blocks(panel)) if resting else (_no_rows(), _no_rows())
    )
    return Market(
        **prices,
        volume=volume,
        budget_volume=budget,
        half_spread=half_spread(panel, config),
        sigma=_sigma(panel, config),
        block_high=block_high,
        block_low=block_low,
        session_end=remember(panel, ("sessions",), lambda: frozen(derived.session_end(panel.sessions), np.int32)),
        actions=remember(panel, ("actions",), lambda: frozen(panel.action_rows, ACTION)),
        stale=remember(
            panel,
            ("stale", config.max_stale),
            lambda: frozen(derived.stale_rows(panel.close, panel.sessions, config.max_stale), ACTION),
        ),
    )


def _none() -> np.ndarray:
    """(1, 1) stand-in for an array that nothing reads."""
    return frozen(np.zeros((1, 1)))


def _no_rows() -> np.ndarray:
    return frozen(np.zeros((0, 1)))


def _blocks(panel: Any) -> tuple[np.ndarray, np.ndarray]:
    highest, lowest = derived.block_extremes(panel.high, panel.low)
    return frozen(highest), frozen(lowest)


def _previous_volume(panel: Any) -> np.ndarray:
    return frozen(derived.previous_volume(panel.volume, panel.close, panel.action_rows))


def _sigma(panel: Any, config: Config) -> np.ndarray:
    if not config.impact_coefficient or not config.impact_sigma:
        return _none()
    window = config.volatility_window
    return remember(
        panel, ("sigma", window), lambda: frozen(derived.volatility(panel.close, panel.action_rows, window))
    )


def half_spread(panel: Any, config: Config) -> np.ndarray:
    """(1, 1) scalar (the kernel reads its parameter), (1, A) per asset or (T, A) from a column; NaN is no spread."""
    spread = config.spread
    if isinstance(spread, Mapping):
        return frozen(asset_values(panel, "spread", spread)[None, :] / 2)
    if not isinstance(spread, str):
        return _none()
    if spread not in panel.extras:
        names = ", ".join(panel.extras) or "none"
        raise ConfigError(
            f"spread={spread!r} is not an extra column of the panel{did_you_mean(spread, panel.extras)} "
            f"(extras: {names})"
        )
    return remember(panel, ("spread", spread), lambda: _spread_column(panel, spread))


def _spread_column(panel: Any, name: str) -> np.ndarray:
    column = np.asarray(panel.extras[name], np.float64)
    wrong = np.flatnonzero((column < 0) | (column >= 1))
    if len(wrong):
        bar, asset = divmod(int(wrong[0]), panel.shape[1])
        raise ConfigError(
            f"spread: column {name!r} of {panel.symbols[asset]} at {panel.timestamps[bar]} is {column[bar, asset]}; "
            f"allowed: 0 <= x < 1, a fraction of the price"
        )
    return frozen(column / 2)
