"""Optuna as the driver: one run a trial, or trials in batches through a sweep. Both find the same best."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Panel, Signals, run_backtest
from facade.sweeps.run import sweep

optuna = pytest.importorskip("optuna")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def made_panel(bars=60):
    rng = np.random.default_rng(7)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.001, 0.02, (bars, 2)), axis=0))
    return Panel.from_arrays(close, close * 1.01, close * 0.99, close)


def trend(panel, length):
    close = pl.DataFrame(panel.close)
    above = (close > close.select(pl.all().rolling_mean(length))).fill_null(False).to_numpy()
    return Signals.from_arrays(above, ~above, size=0.4)


CONFIG = Config(commission_rate=0.001)


def ask(trial):
    """The search space, the same for both ways."""
    return {"length": trial.suggest_int("length", 2, 20), "stop_loss": trial.suggest_float("stop_loss", 0.01, 0.1)}


def test_a_study_optimizes_over_single_runs():
    panel = made_panel()

    def objective(trial):
        chosen = ask(trial)
        config = CONFIG.replace(stop_loss=chosen["stop_loss"])
        return run_backtest(panel, trend(panel, chosen["length"]), config=config).metrics["sharpe"]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=8)
    assert study.best_value == max(trial.value for trial in study.trials)
    found = sweep(panel, trend, CONFIG, [trial.params for trial in study.trials], progress=False)
    assert found.table["sharpe"].to_list() == [trial.value for trial in study.trials]
    assert found.best().row == study.best_trial.number


def test_a_study_asks_for_batches_and_is_told_what_a_sweep_found():
    panel = made_panel()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, constant_liar=True))
    for _ in range(3):
        trials = [study.ask() for _ in range(5)]
        found = sweep(panel, trend, CONFIG, [ask(trial) for trial in trials], progress=False)
        for trial, sharpe in zip(trials, found.table["sharpe"], strict=True):
            study.tell(trial, sharpe)  # NaN: told as failed
    assert len(study.trials) == 15
    best = study.best_trial
    alone = run_backtest(
        panel, trend(panel, best.params["length"]), config=CONFIG.replace(stop_loss=best.params["stop_loss"])
    )
    assert alone.metrics["sharpe"] == best.value
