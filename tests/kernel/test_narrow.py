"""Few assets of a wide panel: the run reads only those, and its result is that of the same assets alone."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel, Signals, TargetWeights, run_backtest

BARS, ASSETS, CHOSEN = 60, 100, (3, 40, 41, 97)
CONFIG = Config(stop_loss=0.05, commission_rate=0.001, spread={"A40": 0.002})


def wide_prices():
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (BARS, ASSETS)), 0))
    return dict(open=close, high=close * 1.02, low=close * 0.98, close=close, volume=np.full(close.shape, 5_000.0))


def panels():
    prices = wide_prices()
    actions = pl.DataFrame({"symbol": ["A5", "A41"], "ex_date": [20, 30], "kind": ["split"] * 2, "value": [1.2, 1.3]})
    symbols = [f"A{column}" for column in CHOSEN]
    narrow = Panel.from_arrays(
        **{name: field[:, CHOSEN] for name, field in prices.items()},
        symbols=symbols,
        actions=actions.filter(pl.col("symbol").is_in(symbols)),
    )
    return Panel.from_arrays(**prices, actions=actions), narrow


def weights(columns):
    chosen = np.random.default_rng(5).uniform(0.05, 0.24, (BARS, len(CHOSEN)))
    given = np.zeros((BARS, columns))
    given[:, CHOSEN if columns == ASSETS else slice(None)] = chosen
    return TargetWeights.from_array(given)


def signals(columns):
    rng = np.random.default_rng(7)
    given = [np.zeros((BARS, columns), bool) for _ in range(2)]
    for flags in given:
        flags[:, CHOSEN if columns == ASSETS else slice(None)] = rng.random((BARS, len(CHOSEN))) < 0.1
    return Signals.from_arrays(*given, size=0.2)


def orders(columns):
    rng = np.random.default_rng(9)
    bars = np.sort(rng.integers(0, BARS, 40))
    symbols = [f"A{column}" for column in rng.choice(CHOSEN, 40)]
    return Orders(
        pl.DataFrame({"timestamp": bars, "symbol": symbols, "quantity": 20.0, "type": "limit", "limit_price": 49.0})
    )


@pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
@pytest.mark.parametrize("make", [weights, signals, orders])
def test_a_few_of_many_assets_trade_as_if_alone(make):
    wide, narrow = panels()
    first = run_backtest(wide, make(ASSETS), config=CONFIG)
    second = run_backtest(narrow, make(len(CHOSEN)), config=CONFIG)
    assert first.fills.height > 5
    for name in ("orders", "fills", "trades", "equity", "positions", "actions", "ambiguous_bars"):
        assert first.frame(name).equals(second.frame(name)), name
    assert first.metrics == pytest.approx(second.metrics, nan_ok=True)


def test_what_is_given_for_one_run_is_not_kept_for_the_next():
    """Spreads per symbol are an array of their run alone: freed, its memory may be that of the next run's."""
    wide = Panel.from_arrays(**wide_prices())
    order = Orders(pl.DataFrame({"timestamp": [0], "symbol": ["A3"], "quantity": [10.0]}))
    open_ = wide.open[1, 3]
    for step in range(1, 21):
        spread = 0.0005 * step
        for given in ({"A3": spread}, dict.fromkeys(wide.symbols, spread)):
            paid = run_backtest(wide, order, config=Config(spread=given)).fills["price"][0]
            assert paid == pytest.approx(open_ * (1 + spread / 2), rel=1e-12)


def test_policies_that_alternate_keep_their_own_arrays():
    """Volume of the bar or of the one before, volatility of one window or another: cut from whichever the run reads."""
    wide = Panel.from_arrays(**wide_prices())
    order = Orders(pl.DataFrame({"timestamp": [9], "symbol": ["A3"], "quantity": [100.0]}))
    settings = [
        dict(
            volume_basis=basis,
            volatility_window=window,
            impact_coefficient=0.1,
            impact_sigma=1.0,
            commission_rate=0.001,
        )
        for basis in ("bar", "previous")
        for window in (3, 8)
    ]
    first = [run_backtest(wide, order, config=Config(**one)).fills["price"][0] for one in settings]
    assert len(set(first)) == 2  # the window decides the impact, the same volume on every bar the budget
    for _ in range(5):
        for one, expected in zip(settings, first, strict=True):
            assert run_backtest(wide, order, config=Config(**one)).fills["price"][0] == expected
