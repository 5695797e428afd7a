"""The panel as the kernel's read-only market; what is derived from it is kept as long as the panel lives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facade.config.model import Config
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.encode.params import asset_values
from facade.errors import ConfigError
from facade.wording import did_you_mean
from ml4t_kernel.market import block_extremes, previous_volume, session_end, stale_rows, volatility
from ml4t_kernel.schema import Market


def make_market(panel: Panel, config: Config, params: np.ndarray, resting: bool = False) -> Market:
    """Market of a panel under a configuration; `params` is the row made by `params_row`.

    resting: some orders may wait for their price, so the extremes of blocks of bars are worth having.
    """
    stale = config.max_stale
    capped = params["max_participation"][0] < np.inf
    budget = panel.volume if capped else _none()
    if capped and config.volume_basis == "previous":
        budget = panel.derived("previous volume", lambda: previous_volume(panel.volume, panel.close, panel.action_rows))
    blocks = (_no_rows(), _no_rows())
    if resting:
        blocks = panel.derived("blocks", lambda: block_extremes(panel.high, panel.low))
    return Market(
        open=panel.open,
        high=panel.high,
        low=panel.low,
        close=panel.close,
        volume=panel.volume,
        budget_volume=budget,
        half_spread=half_spread(panel, config),
        sigma=_sigma(panel, config),
        block_high=blocks[0],
        block_low=blocks[1],
        session_end=panel.derived("sessions", lambda: session_end(panel.sessions)),
        actions=panel.action_rows,
        stale=panel.derived("stale", lambda: stale_rows(panel.close, panel.sessions, stale), of=stale),
    )


def _none() -> np.ndarray:
    """(1, 1) stand-in for an array that nothing reads."""
    return frozen(np.zeros((1, 1)))


def _no_rows() -> np.ndarray:
    return frozen(np.zeros((0, 1)))


def _sigma(panel: Panel, config: Config) -> np.ndarray:
    if not config.impact_coefficient or not config.impact_sigma:
        return _none()
    window = config.volatility_window
    return panel.derived("sigma", lambda: volatility(panel.close, panel.action_rows, window), of=window)


def half_spread(panel: Panel, config: Config) -> np.ndarray:
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
    return panel.derived("spread", lambda: _spread_column(panel, spread), of=spread)


def _spread_column(panel: Panel, name: str) -> np.ndarray:
    column = np.asarray(panel.extras[name], np.float64)
    wrong = np.flatnonzero((column < 0) | (column >= 1))
    if len(wrong):
        bar, asset = divmod(int(wrong[0]), panel.shape[1])
        raise ConfigError(
            f"spread: column {name!r} of {panel.symbols[asset]} at {panel.timestamps[bar]} is {column[bar, asset]}; "
            f"allowed: 0 <= x < 1, a fraction of the price"
        )
    return column / 2
