"""`run_backtest`: market data and a strategy in, a result out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from facade.config import Config
from facade.errors import ConfigError, DataError, Interrupted, StrategyError
from facade.execute import execute
from facade.inputs import encode
from facade.panel import Panel, load_panel
from facade.refusals import warn_of_rejections
from facade.result import Result


def run_backtest(
    prices: Any,
    strategy: Any,
    signals: Any = None,
    context: Any = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    actions: Any = None,
    align: str | None = None,
    progress: bool = False,
    **loading: Any,
) -> Result:
    """Run a strategy given as arrays over market data, in one compiled loop.

    Parameters
    ----------
    prices
        A `Panel` (built once, shared by runs), or whatever `load_panel` takes: a Parquet path or glob, a Polars frame,
        anything with the Arrow C stream. Long: one row a (timestamp, symbol).
    strategy
        `TargetWeights`, `TargetShares`, `Signals` or `Orders`. What is decided from bar t trades from bar t + 1 on.
    signals, context
        Places of the event engine's call; array strategies carry their own arrays, so both are refused.
    config
        Account, costs and execution policies; `Config()` when not given. A mapping of fields is accepted.
    actions
        Splits, dividends and delistings; refused when the panel already has some.
    align
        None: the strategy's timestamps are exactly those of prices. "next": the first bar at or after each.
    progress
        Show a progress bar.
    **loading
        Further arguments of `load_panel` (symbols, start, end, bar_label, repair, delisting, columns, extras), refused
        with a `Panel`.

    Returns
    -------
    Result
        Orders, fills, trades, equity, positions, rejections, actions and ambiguous bars as Polars frames; metrics.

    Raises
    ------
    DataError, ConfigError, StrategyError
        Before anything runs, naming what is wrong and where.
    Interrupted
        On Ctrl-C; its `result` holds the run up to the last whole bar.

    Examples
    --------
    >>> import polars as pl
    >>> from facade import Config, TargetWeights, datasets, load_panel, run_backtest
    >>> panel = load_panel(datasets.wiki_stocks(), datasets.wiki_actions(), symbols=["AAPL", "IBM"])
    >>> first = panel.timestamps[0]
    >>> half_each = pl.DataFrame({"timestamp": [first] * 2, "symbol": ["AAPL", "IBM"], "weight": [0.45, 0.45]})
    >>> result = run_backtest(panel, TargetWeights(half_each), config=Config(commission_rate=0.0005))
    >>> result.orders.select("symbol", "status", "filled_quantity").rows()
    [('AAPL', 'filled', 345.0), ('IBM', 'filled', 448.0)]
    """
    _refuse_engine_arguments(strategy, signals, context)
    config = _as_config(config)
    panel = _as_panel(prices, actions, config, loading)
    inputs = encode(panel, strategy, config, align)
    run = execute(panel, config, inputs, progress, _notices(panel, config))
    result = Result.from_run(run)
    if run.bars < panel.shape[0]:
        message = f"interrupted after {run.bars:,} of {panel.shape[0]:,} bars; see .result"
        raise Interrupted(message, result if run.bars else None)
    warn_of_rejections(result)
    return result


def _refuse_engine_arguments(strategy: Any, signals: Any, context: Any) -> None:
    for name, value in (("signals", signals), ("context", context)):
        if value is not None:
            raise StrategyError(
                f"{name}: a strategy given as arrays ({type(strategy).__name__}) carries its own data; "
                f"pass {name}=None and build the strategy from it"
            )


def _as_config(config: Config | Mapping[str, Any] | None) -> Config:
    if config is None:
        return Config()
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config(**config)
    raise ConfigError(f"config must be a Config or a mapping of its fields, got {type(config).__name__}")


def _as_panel(prices: Any, actions: Any, config: Config, loading: dict[str, Any]) -> Panel:
    """The panel of the run; a spread given as a column's name is loaded with it."""
    if not isinstance(prices, Panel):
        if isinstance(config.spread, str) and config.spread not in loading.get("extras", ()):
            loading = {**loading, "extras": (*loading.get("extras", ()), config.spread)}
        return load_panel(prices, actions, **loading)
    if loading:
        raise DataError(f"{', '.join(loading)}: arguments of load_panel; this panel is already built")
    if actions is None:
        return prices
    return prices.with_actions(actions)


def _notices(panel: Panel, config: Config) -> tuple[str, ...]:
    """What a reader of the result should know of data and configuration."""
    sentences = list(config.notices(panel.has_volume))
    if panel.inferred_delistings:
        sentences.append(f"delistings inferred from the end of the data: {', '.join(panel.inferred_delistings)}")
    sentences += [f"{count:,} bars mended by repair={name!r}" for name, count in panel.repairs.items() if count]
    return tuple(sentences)
