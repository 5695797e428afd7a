"""`run_backtest`: market data and a strategy in, a result out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from facade.arguments import as_config, as_panel, config_in_third_place, refuse_engine_arguments, refuse_unknown
from facade.config.model import Config
from facade.data.flows import read_flows
from facade.data.panel import Panel
from facade.encode.inputs import EncodedInputs, encode
from facade.encode.market import volume_notices
from facade.errors import BacktestWarning, Interrupted
from facade.execute import execute
from facade.results.notices import oversized
from facade.results.refusals import count_refusals, describe_refusals
from facade.results.result import Result
from facade.results.run import Run
from facade.strategies.functions import strategy_on


def run_backtest(
    prices: Any,
    strategy: Any,
    signals: Any = None,
    context: Any = None,
    config: Config | Mapping[str, Any] | None = None,
    *,
    actions: Any = None,
    flows: Any = None,
    align: str | None = None,
    progress: bool = False,
    **loading: Any,
) -> Result:
    """Run a strategy given as arrays over market data, in one compiled loop.

    Parameters
    ----------
    prices
        A `Panel` (built once, shared by runs), or whatever `load_panel` takes: files, Polars and pandas frames,
        anything with the Arrow C stream. Long: one row a (timestamp, symbol).
    strategy
        `TargetWeights`, `TargetShares`, `Signals` or `Orders`, or a function that returns one, as for `sweep`: its
        argument `panel` is the panel, others need defaults. What is decided from bar t trades from bar t + 1 on.
    signals, context
        Places of the event engine's call; array strategies carry their own arrays, so both are refused. But a
        configuration in third place, where `sweep` has it, is taken as `config`.
    config
        Account, costs and execution policies; `Config()` when not given. A mapping of fields is accepted.
    actions
        Splits, dividends and delistings; refused when the panel already has some.
    flows
        Deposits (amount above zero) and withdrawals: a table with the columns `timestamp` and `amount`, in any form
        that prices have, or a list of dicts. Each is booked before the open of the first bar at or after its time; a
        date is the session of that date. In account currency; finite, none before the first bar, those after the last
        are dropped with a warning. Returns, drawdown and all figures made of them are net of flows.
    align
        None: the strategy's timestamps are exactly those of prices, as the data labels them (`Panel.labels`). "next":
        the first bar at or after each.
    progress
        Show a progress bar.
    **loading
        Further arguments of `load_panel` (symbol, symbols, start, end, bar_label, repair, delisting, columns,
        extras, instruments, borrow, funding), refused with a `Panel`.

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

    With half as much again paid in on the second day, which is no return:

    >>> deposit = [{"timestamp": panel.timestamps[1], "amount": 50_000.0}]
    >>> result = run_backtest(panel, TargetWeights(half_each), flows=deposit)
    >>> result.charges.select("kind", "amount").rows(), result.metrics["net_flows"]
    ([('flow', 50000.0)], 50000.0)
    """
    refuse_unknown(loading, run_backtest)
    signals, config = config_in_third_place(signals, config)
    refuse_engine_arguments(strategy, signals, context)
    config = as_config(config)
    panel = as_panel(prices, actions, [config.spread], loading)
    placed = read_flows(flows, panel)
    inputs = encode(panel, strategy_on(strategy, panel), config, align, placed)
    run = run_encoded(panel, config, inputs, progress)
    result = Result.from_run(run)
    warn_of_rejections(result, run)
    return result


def run_encoded(panel: Panel, config: Config, inputs: EncodedInputs, progress: bool = False) -> Run:
    """The whole run of encoded inputs.

    Raises Interrupted on Ctrl-C, with the Result up to the last whole bar.
    """
    run = execute(panel, config, inputs, progress, _notices(panel, config))
    if run.bars < panel.shape[0]:
        message = f"interrupted after {run.bars:,} of {panel.shape[0]:,} bars; see .result"
        raise Interrupted(message, Result.from_run(run) if run.bars else None)
    return run


def _notices(panel: Panel, config: Config) -> tuple[str, ...]:
    """What a reader of the result should know of data and configuration."""
    sentences = [*config.notices(panel.has_volume), *volume_notices(panel, config), *panel.notices]
    if config.allow_short_selling and config.short_availability == "listed" and not len(panel.borrow_rows):
        sentences.append("no stock can be sold short: short_availability='listed', and the panel has no rows of borrow")
    if panel.inferred_delistings:
        sentences.append(f"delistings inferred from the end of the data: {', '.join(panel.inferred_delistings)}")
    sentences += [f"{count:,} bars mended by repair={name!r}" for name, count in panel.repairs.items() if count]
    return tuple(sentences)


def warn_of_rejections(result: Result, run: Run | None = None, stacklevel: int = 3) -> None:
    """Warn (`BacktestWarning`) when orders were refused or cut, naming how many, the main reason, and what of the
    strategy of `run` made it likely.

    Costs two counters when there are none, and one pass over the orders' status and reason otherwise.
    """
    # Of a run its counters, for 40 metrics take longer than a short run.
    if not (run.state["rejected"] or run.state["cut"] if run is not None else describe_refusals(result.metrics, {})):
        return
    # Of a run, since the facts of a result hold its notices too, for which whole arrays of the strategy are read.
    reasons = result.rejection_reasons if run is None else count_refusals(run)
    causes = [] if run is None else oversized(run)
    text = ". ".join([describe_refusals(result.metrics, reasons), *causes, "See result.rejections"])
    warnings.warn(text, BacktestWarning, stacklevel=stacklevel)
