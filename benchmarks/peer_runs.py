"""One run of other engines against the floor and ours: W1, W1b, W5, W2; `benchmarks.peers` prints them.

A run begins with prices and a strategy in NumPy arrays and ends with the equity at the end of every bar (W2: the final
one). Of vectorbt and raptorbt that is the call alone, of the event engine frames are made before the clock starts. Ours
is `run_backtest` on a panel that is made before, records and metrics included, as theirs hold theirs.

The workloads are cut to what all of them can express:

- W1 is 98 percent invested, as W1b and W5 are: engines differ in which buy goes without when cash is short.
- W2 has no trailing stop (none has a fixed and a trailing one at once), no slippage and no gaps, as W3 (see
  `peer_sweeps`).
- The event engine takes minutes for what takes us milliseconds: it runs the first bars, and so do we beside it.
- raptorbt rebalances to weights with the fees of Indian exchange segments alone: not comparable, not run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from benchmarks import floor, workloads
from benchmarks.speed import CASH, FLOOR_POLICIES
from facade import Config, Panel, Signals, TargetWeights, run_backtest

Run = Callable[[], np.ndarray]
"""Returns what must agree: equity (T,) at the end of every bar, or (1,) at the end."""
FEE, SLIPPAGE = 0.001, 0.0005
STOP, TARGET, SMALL_FEE = 0.02, 0.05, 0.0001
EVENT_BARS = {"W1": 252, "W1b": 42, "W5": 10, "W2": 20_000}
"""Bars that the event engine runs: a few seconds each."""


@dataclass(frozen=True)
class Rebalancing:
    """Prices and weights (T, A); a row of NaN is a bar without rebalance."""

    prices: workloads.Prices
    weights: np.ndarray

    def first(self, bars: int) -> Rebalancing:
        return Rebalancing(_first(self.prices, bars), self.weights[:bars])


@dataclass(frozen=True)
class Crossing:
    """Prices and signals (T, 1)."""

    prices: workloads.Prices
    entries: np.ndarray
    exits: np.ndarray

    def first(self, bars: int) -> Crossing:
        return Crossing(_first(self.prices, bars), self.entries[:bars], self.exits[:bars])


def _first(prices: workloads.Prices, bars: int) -> workloads.Prices:
    return workloads.Prices(*(np.ascontiguousarray(field[:bars]) for field in vars(prices).values()))


def rebalancing(name: str) -> Rebalancing:
    """W1, W1b or W5."""
    wide = name == "W5"
    prices = workloads.random_prices(2520, 5000 if wide else 500, 6 if wide else 1, 0.02)
    if name == "W1":
        return Rebalancing(prices, workloads.momentum_weights(prices.close) * 0.98)
    make = {"W1b": workloads.daily_weights, "W5": workloads.rotating_weights}[name]
    return Rebalancing(prices, make(prices.close))


def crossing(gaps: bool) -> Crossing:
    """W2; without gaps every bar opens at the close before."""
    prices = workloads.random_prices(1_000_000, 1, 2, 0.002, 0.0)
    prices = prices if gaps else workloads.without_gaps(prices)
    entries, exits = workloads.crossover(prices.close[:, 0])
    return Crossing(prices, entries[:, None], exits[:, None])


# The floor and ours --------------------------------------------------------------------------------------------------


def floor_run(case: Any) -> Run:
    if isinstance(case, Rebalancing):
        record = np.empty((2 * int(np.nansum(case.weights != 0)) + 10, 5))
        equity = np.empty(len(case.weights))

        def rebalance() -> np.ndarray:
            floor.rebalance(case.prices.close, case.weights, CASH, FEE, SLIPPAGE, record, equity)
            return equity

        return rebalance
    names = ("open", "high", "low", "close")
    columns = [np.ascontiguousarray(getattr(case.prices, name)[:, 0]) for name in names]
    signals = [np.ascontiguousarray(flags[:, 0]) for flags in (case.entries, case.exits)]
    return lambda: np.array([floor.stops(*columns, *signals, STOP, 1.0, TARGET, SMALL_FEE, 0.0, CASH)[0]])


def our_run(case: Any) -> Run:
    panel = Panel.from_arrays(**vars(case.prices))
    strategy: Any
    if isinstance(case, Rebalancing):
        strategy = TargetWeights.from_array(case.weights)
        config = Config(initial_cash=CASH, commission_rate=FEE, slippage_rate=SLIPPAGE, **FLOOR_POLICIES)
    else:
        strategy = Signals.from_arrays(case.entries, case.exits)
        costs = dict(commission_rate=SMALL_FEE, stop_loss=STOP, take_profit=TARGET)
        config = Config(initial_cash=CASH, **costs, **FLOOR_POLICIES)

    def run() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = run_backtest(panel, strategy, config=config)
        if isinstance(case, Rebalancing):
            return result.equity["equity"].to_numpy()
        return np.array([result.metrics["final_value"]])

    return run


# vectorbt ------------------------------------------------------------------------------------------------------------


def vectorbt_run(case: Any, engine: str) -> Run:
    return _vectorbt_rebalance(case, engine) if isinstance(case, Rebalancing) else _vectorbt_cross(case, engine)


def _vectorbt_rebalance(case: Rebalancing, engine: str) -> Run:
    import vectorbt as vbt

    settings = dict(size_type="targetpercent", group_by=True, cash_sharing=True, call_seq="auto")

    def rebalance() -> np.ndarray:
        portfolio = vbt.Portfolio.from_orders(
            case.prices.close,
            case.weights,
            fees=FEE,
            slippage=SLIPPAGE,
            init_cash=CASH,
            engine=engine,
            freq="1D",
            **settings,
        )
        return portfolio.value().to_numpy().ravel()

    return rebalance


def _vectorbt_cross(case: Crossing, engine: str) -> Run:
    import vectorbt as vbt
    from vectorbt.portfolio.enums import StopEntryPrice, StopExitPrice

    def cross() -> np.ndarray:
        fields = {name: getattr(case.prices, name) for name in ("open", "high", "low")}
        portfolio = vbt.Portfolio.from_signals(
            case.prices.close,
            case.entries,
            case.exits,
            **fields,
            sl_stop=STOP,
            tp_stop=TARGET,
            fees=SMALL_FEE,
            slippage=0.0,
            init_cash=CASH,
            stop_entry_price=StopEntryPrice.FillPrice,
            stop_exit_price=StopExitPrice.StopMarket,
            engine=engine,
            freq="1min",
        )
        return np.atleast_1d(portfolio.final_value())

    return cross


# raptorbt ------------------------------------------------------------------------------------------------------------


def raptorbt_run(case: Crossing) -> Run:
    import raptorbt

    minutes = np.arange(len(case.entries), dtype=np.int64) * 60_000_000_000
    names = ("open", "high", "low", "close", "volume")
    columns = [np.ascontiguousarray(getattr(case.prices, name)[:, 0]) for name in names]
    signals = [np.ascontiguousarray(flags[:, 0]) for flags in (case.entries, case.exits)]
    config = raptorbt.BacktestConfig(initial_capital=CASH, fees=SMALL_FEE, slippage=0.0, fill_timing="same_bar_close")
    config.set_fixed_stop(STOP)
    config.set_fixed_target(TARGET)

    def run() -> np.ndarray:
        done = raptorbt.run_single_backtest(minutes, *columns, *signals, config=config)
        return np.array([done.metrics.end_value])

    return run


# The event engine ----------------------------------------------------------------------------------------------------


def event_run(case: Any, rules: tuple[float, float] = (STOP, TARGET), fee: float = SMALL_FEE) -> Run:
    """rules and fee: stop, target and commission of a `Crossing`."""
    from ml4t.backtest import DataFeed, Engine

    bars, assets = case.prices.close.shape
    names = [f"A{asset:04d}" for asset in range(assets)]
    stamps = [datetime(2020, 1, 1) + timedelta(minutes=bar) for bar in range(bars)]
    table = {"timestamp": np.repeat(np.array(stamps, "datetime64[us]"), assets), "asset": names * bars}
    prices = pl.DataFrame(table | {name: field.ravel() for name, field in vars(case.prices).items()})
    of_bar = {stamp: bar for bar, stamp in enumerate(stamps)}
    rebalances = isinstance(case, Rebalancing)
    strategy = _event_targets(case, names, of_bar) if rebalances else _event_crosses(case, names[0], of_bar, rules, fee)

    def run() -> np.ndarray:
        config = _event_config(FEE, SLIPPAGE) if rebalances else _event_config(fee, 0.0)
        engine = Engine(DataFeed(prices_df=prices), strategy(), config)
        result = engine.run()
        equity = np.array([value for _, value in result.equity_curve])
        return equity if rebalances else equity[-1:]

    return run


def _event_targets(case: Rebalancing, names: list[str], of_bar: dict[datetime, int]) -> Callable[[], Any]:
    from ml4t.backtest import Strategy

    class Targets(Strategy):
        def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
            row = case.weights[of_bar[timestamp]]
            if np.isnan(row[0]):
                return
            value = broker.get_account_value()
            for name, weight in zip(names, row.tolist(), strict=True):
                position = broker.get_position(name)
                held = position.quantity if position else 0.0
                delta = weight * value / data[name]["close"] - held
                if delta:
                    broker.submit_order(name, delta)

    return Targets


def _event_crosses(
    case: Crossing, name: str, of_bar: dict[datetime, int], rules: tuple[float, float], fee: float
) -> Callable[[], Any]:
    from ml4t.backtest import RuleChain, StopLoss, Strategy, TakeProfit

    class Crosses(Strategy):
        def on_start(self, broker: Any) -> None:
            broker.set_position_rules(RuleChain([StopLoss(pct=rules[0]), TakeProfit(pct=rules[1])]))

        def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
            bar, position = of_bar[timestamp], broker.get_position(name)
            if position and case.exits[bar, 0]:
                broker.close_position(name)
            elif not position and case.entries[bar, 0]:
                price = data[name]["close"]
                broker.submit_order(name, broker.get_cash() / (price * (1 + fee)))

    return Crosses


def _event_config(commission: float, slippage: float) -> Any:
    """All at the close that decides, in fractional shares; without slippage there is no model of it either."""
    from ml4t.backtest import BacktestConfig
    from ml4t.backtest import config as knobs
    from ml4t.backtest import types as kinds

    return BacktestConfig(
        initial_cash=CASH,
        execution_mode=kinds.ExecutionMode.SAME_BAR,
        execution_price=knobs.ExecutionPrice.CLOSE,
        share_type=knobs.ShareType.FRACTIONAL,
        commission_type=knobs.CommissionType.PERCENTAGE,
        commission_rate=commission,
        slippage_type=knobs.SlippageType.PERCENTAGE if slippage else knobs.SlippageType.NONE,
        slippage_rate=slippage,
    )
