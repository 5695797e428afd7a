"""A kind of strategy is one class: what a subclass of `Strategy` offers is all that runs, sweeps and digests need."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
import pytest

from facade import Config, Panel, StrategyError, run_backtest, sweep
from facade.data.memory import frozen
from facade.data.panel import select
from facade.data.selection import locate
from facade.strategies.strategy import Placed, Strategy, kinds_of_strategy, require_strategy
from facade.sweeps.plan.fingerprint import fingerprint
from ml4t_kernel.schema import ENTER_LONG, SIGNAL, SizeType


@dataclass(frozen=True)
class BuyOnce(Strategy):
    """So many shares of one symbol, decided at one bar; a kind that nothing but this file knows."""

    UNPARSED = ("note",)

    symbol: str
    bar: int
    shares: float = 10.0
    note: str = field(default="", compare=False)

    def encode(self, panel, config, draft):
        if self.symbol not in panel.symbols:
            return
        signals = np.zeros(1, SIGNAL)
        signals["bar"], signals["asset"], signals["bits"] = self.bar, panel.symbols.index(self.symbol), ENTER_LONG
        signals["amount"], signals["rank"] = self.shares, np.inf
        draft.signals = frozen(signals, SIGNAL)
        draft.settings |= {"size_type": int(SizeType.SHARES), "signal_size": self.shares}
        draft.expected_orders = 1

    def within(self, selection, placed):
        bars, columns = selection.numbers(placed.panel.shape[1])
        kept = placed.kept("asset", lambda: placed.panel.symbols.index(self.symbol)) in columns and self.bar in bars
        return self.changed(bar=int(np.searchsorted(bars, self.bar))) if kept else self.changed(symbol="")


PRICES = np.array([[10.0, 20.0], [11.0, 21.0], [12.0, 22.0], [13.0, 23.0], [14.0, 24.0]])
DAYS = pl.date_range(date(2024, 1, 1), date(2024, 1, 5), eager=True)
PANEL = Panel.from_arrays(PRICES, PRICES, PRICES, PRICES, timestamps=DAYS, symbols=["A", "B"])
CONFIG = Config(max_participation=None, commission_rate=0.001)


def test_a_run_takes_it():
    result = run_backtest(PANEL, BuyOnce("B", 1), config=CONFIG)
    assert result.fills.select("symbol", "timestamp", "quantity", "price").rows() == [("B", DAYS[2], 10.0, 22.0)]


def test_a_sweep_cuts_it_calls_it_and_tells_it_apart():
    """Rows are runs of their own; the shares of a function's strategies decide, and so does the part of the panel."""
    grid = [
        {"shares": 5.0, "window": (None, None), "symbols": None},
        {"shares": 7.0, "window": (DAYS[1], DAYS[4]), "symbols": ["B"]},
        {"shares": 7.0, "window": (DAYS[2], DAYS[4]), "symbols": ["B"]},
        {"shares": 7.0, "window": (None, None), "symbols": ["A"]},
    ]
    found = sweep(PANEL, lambda shares: BuyOnce("B", 1, shares), CONFIG, grid, progress=False)
    assert found.table["num_fills"].to_list() == [1, 1, 0, 0]
    alone = run_backtest(PANEL.select(["B"], start=DAYS[1]), BuyOnce("B", 0, 7.0), config=CONFIG)
    assert found.drill(1).fills.equals(alone.fills)
    assert found.table["final_value"][1] == alone.metrics["final_value"]


def test_what_decides_is_its_content():
    one = BuyOnce("B", 1, note="as given")
    assert fingerprint(one) == fingerprint(BuyOnce("B", 1, note="otherwise")) and "note" not in one.content()
    assert len({fingerprint(kind) for kind in (one, BuyOnce("B", 2), BuyOnce("A", 1), BuyOnce("B", 1, 5.0))}) == 4


def test_places_are_looked_up_once():
    placed, asked = Placed(BuyOnce("B", 1), PANEL), []
    for _ in range(3):
        placed.kept("asset", lambda: asked.append(1) or 1)
        assert placed.within(locate(PANEL, ["B"])).bar == 1
    assert asked == [1]
    whole = placed.within(None)
    assert whole is placed.strategy and require_strategy(whole) is whole


def test_a_kind_that_leaves_something_out_cannot_be_made():
    class Half(Strategy):
        def encode(self, panel, config, draft): ...

    with pytest.raises(TypeError, match="within"):
        Half()


def test_errors_name_the_kinds_that_come_with_the_package():
    assert kinds_of_strategy() == "Orders, Signals, TargetShares or TargetWeights"
    with pytest.raises(StrategyError, match="strategy must be Orders, Signals, .* got DataFrame"):
        run_backtest(PANEL, pl.DataFrame({"timestamp": [0]}))
    with pytest.raises(StrategyError, match="got the class BuyOnce"):
        require_strategy(BuyOnce)


def test_a_selection_counts_bars_and_columns():
    part = locate(PANEL, ["B"], start=DAYS[2])
    bars, columns = part.numbers(2)
    assert bars.tolist() == [2, 3, 4] and columns.tolist() == [1]
    assert np.array_equal(select(PANEL, part).close, PRICES[2:, 1:])
