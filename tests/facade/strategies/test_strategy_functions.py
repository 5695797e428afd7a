"""A function is a strategy of a single run as it is of a sweep: the same call, the same refusals."""

from functools import partial

import numpy as np
import pytest

from facade import Panel, Signals, StrategyError, TargetWeights, run_backtest, sweep

PRICE = np.column_stack([np.linspace(10, 20, 30), np.linspace(30, 20, 30)])
PANEL = Panel.from_arrays(PRICE, PRICE, PRICE, PRICE)


def rising(panel, length=3, size=0.2):
    above = np.zeros(panel.shape, bool)
    above[length:] = panel.close[length:] > panel.close[:-length]
    return Signals.from_arrays(above, ~above, size=size)


class Model:
    """Anything that can be called."""

    def __call__(self, panel):
        return rising(panel)


@pytest.mark.parametrize("function", [rising, partial(rising, length=3), lambda panel: rising(panel), Model()])
def test_a_function_runs_as_what_it_returns(function):
    given, called = run_backtest(PANEL, rising(PANEL)), run_backtest(PANEL, function)
    assert called.fills.height and called.equity.equals(given.equity)
    assert called.metrics["final_value"] == sweep(PANEL, function, None, {"stop_loss": [None]}, progress=False).table[
        "final_value"
    ][0]  # fmt: skip


def test_it_sees_the_panel_that_is_loaded():
    seen = []

    def spy(panel):
        seen.append(panel)
        return TargetWeights.from_array(np.full(panel.shape, 0.4))

    run_backtest(PANEL, spy)
    assert seen[0] is PANEL
    assert run_backtest(PANEL, lambda: rising(PANEL)).fills.height  # it need not


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda panel, fast, slow: None,
            r"needs 'fast', 'slow', which a single.*functools\.partial\(function, fast",
        ),
        (lambda panel: None, r"strategy\(\): returned NoneType; it must return Orders"),
        (lambda panel: 1 / 0, r"strategy\(\): ZeroDivisionError"),
        (TargetWeights, "strategy must be Orders, .*got the class TargetWeights"),
        (3, "got int"),
    ],
)
def test_functions_that_make_no_strategy_are_refused(function, message):
    with pytest.raises(StrategyError, match=message):
        run_backtest(PANEL, function)


def test_the_error_of_a_function_is_its_cause():
    with pytest.raises(StrategyError) as refusal:
        run_backtest(PANEL, lambda panel: 1 / 0)
    assert isinstance(refusal.value.__cause__, ZeroDivisionError)
