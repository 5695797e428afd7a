"""The panel as the kernel's read-only market; what is derived from it is kept as long as the panel lives."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facade.config.model import Config
from facade.data.clock import bar_dates
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.encode.contracts import contract_actions, contract_bars, contract_blocks
from facade.encode.params import asset_values
from facade.errors import ConfigError, listing
from facade.wording import did_you_mean
from ml4t_kernel.market import days_between, previous_volume, session_end, stale_rows, volatility
from ml4t_kernel.schema import BLOCK, INSTRUMENT, Market


def make_market(panel: Panel, config: Config, params: np.ndarray, resting: bool = False) -> Market:
    """Market of a panel under a configuration; `params` is the row made by `params_row`.

    resting: some orders may wait for their price, so the extremes of blocks of bars are worth having.
    """
    stale = config.max_stale
    capped = params["max_participation"][0] < np.inf
    budget = panel.volume if capped else _none()
    if capped and config.volume_basis == "previous":
        budget = panel.derived("previous volume", lambda: previous_volume(panel.volume, panel.close, panel.action_rows))
    volume = panel.volume
    if capped and frees_silent_assets(config) and len(silent_assets(panel)):
        volume, budget = panel.derived("freed", lambda: _freed(panel, volume, budget), of=config.volume_basis)
    blocks = (_no_rows(), _no_rows())
    if resting:
        blocks = contract_blocks(panel)
    return Market(
        bars=contract_bars(panel),
        volume=volume,
        budget_volume=budget,
        half_spread=half_spread(panel, config),
        sigma=_sigma(panel, config),
        block_high=blocks[0],
        block_low=blocks[1],
        session_end=panel.derived("sessions", lambda: session_end(panel.sessions)),
        days=_days(panel, config),
        actions=contract_actions(panel),
        stale=panel.derived("stale", lambda: stale_rows(panel.close, panel.sessions, stale), of=stale),
        instruments=_instruments(panel),
        borrow=panel.borrow_rows,
        funding=panel.funding_rows,
    )


def _instruments(panel: Panel) -> np.ndarray:
    """(A,) INSTRUMENT, or one unused row of zeros where all are stocks with the values of the configuration."""
    return frozen(np.zeros(1, INSTRUMENT), INSTRUMENT) if panel.instruments is None else panel.instrument_rows


def _days(panel: Panel, config: Config) -> np.ndarray:
    """(T,) days that the rates of 1.2 count before each bar: of the calendar, or an even share of 360 a year."""
    if panel.session_dates.dtype.is_temporal():
        return panel.derived("days", lambda: days_between(bar_dates(panel.sessions, panel.session_dates)))
    bars_a_year = config.periods_per_year or panel.periods_per_year
    bars = np.arange(panel.shape[0])
    return panel.derived("days", lambda: np.where(bars > 0, 360.0 / bars_a_year, 0.0), of=bars_a_year)


def frees_silent_assets(config: Config) -> bool:
    """Whether an asset without a share traded on any bar is uncapped: nobody asked for a cap, and no price reads V."""
    return config.max_participation == "auto" and config.impact_coefficient == 0


def silent_assets(panel: Panel) -> np.ndarray:
    """(S,) columns of assets that have bars, and a volume of zero on every one of them; kept with the panel."""
    return panel.derived("silent assets", lambda: _silent_assets(panel))


def has_zero_volume(panel: Panel) -> bool:
    """Whether a part of the panel may have silent assets; kept with it."""
    return panel.derived("zero volume", lambda: bool(panel.has_volume and (panel.volume == 0).any()))


def _silent_assets(panel: Panel) -> np.ndarray:
    # The first bars tell of nearly every asset that it trades.
    likely = np.flatnonzero(~(panel.volume[:BLOCK] > 0).any(axis=0))
    volume = panel.volume[:, likely]
    return likely[(volume == 0).any(axis=0) & ~(volume > 0).any(axis=0)]


def _freed(panel: Panel, volume: np.ndarray, budget: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Volume and budget with no end for the silent assets, as for a panel without volume."""
    freed = []
    for given in (volume, budget):
        array = given.copy()
        array[:, silent_assets(panel)] = np.inf
        freed.append(frozen(array))
    return freed[0], freed[1]


def volume_notices(panel: Panel, config: Config) -> list[str]:
    """What a reader should know of assets whose volume is zero on every bar, where a cap or impact reads it."""
    if not panel.has_volume or (config.max_participation is None and config.impact_coefficient == 0):
        return []
    silent = silent_assets(panel)
    if not len(silent):
        return []
    names = listing([panel.symbols[asset] for asset in silent])
    if frees_silent_assets(config):
        return [f"fills of {names} are uncapped: volume is zero on every bar, which 'auto' takes for no volume"]
    why = "impact reads volume" if config.impact_coefficient else f"max_participation={config.max_participation!r}"
    return [f"nothing of {names} can fill: volume is zero on every bar, and {why}"]


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
