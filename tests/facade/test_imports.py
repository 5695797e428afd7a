"""What a plain run imports, and what only those import who ask for it."""

import importlib.metadata
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import facade
from ml4t_kernel import modes, native

ROOT = Path(__file__).parents[2]
NEEDED_BY_NO_PLAIN_RUN = (
    "dask",
    "distributed",
    "facade.demo",
    "facade.sweeps",
    "multiprocessing",
    "optuna",
    "pandas",
    "plotly",
    "pyarrow",
    "scipy.optimize",  # not scipy itself, for which numba looks
    "scipy.stats",
    "tomllib",
    "tqdm",
)
COMPILERS = {"numba", "llvmlite", "ml4t_kernel.compile"}
"""Needed only where the kernel has to be compiled: nobody imports them before that."""
OF_ARRAYS = """
import numpy as np, facade
steps = np.cumsum(np.sin(np.arange(60.0)).reshape(30, 2), axis=0) + 50
panel = facade.Panel.from_arrays(steps, steps + 1, steps - 1, steps)
result = facade.run_backtest(panel, facade.TargetWeights.from_array(np.full((30, 2), 0.4)))
"""
OF_FRAMES = """
import datetime, polars as pl, facade
days = [datetime.date(2024, 1, day) for day in range(1, 21)]
close = [50.0 + day for day in range(20)]
table = {"timestamp": days, "symbol": "ABC", "open": close, "high": close, "low": close, "close": close}
orders = pl.DataFrame({"timestamp": days[:1], "symbol": "ABC", "quantity": 10.0})
result = facade.run_backtest(pl.DataFrame(table), facade.Orders(orders), actions=None)
"""
OF_FILES = """
import numpy as np, facade
panel = facade.load_panel(facade.datasets.wiki_stocks(), facade.datasets.wiki_actions())
result = facade.run_backtest(panel, facade.TargetShares.from_array(np.ones(panel.shape)), config={"spread": 0.001})
"""
READING = """
str(result), result.summary(), result.metrics, result.fills, result.trades, result.equity, result._repr_html_()
"""


def imported_by(code):
    """Names of all modules in a fresh process after `code`."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + "\nimport sys, json; print(json.dumps([*sys.modules]))"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    ["import facade", OF_ARRAYS, OF_FRAMES, OF_FILES, OF_ARRAYS + READING, OF_FRAMES + READING],
    ids=["import", "arrays", "frames", "files", "arrays read", "frames read"],
)
def test_a_plain_run_imports_nothing_for_others(code):
    imported = imported_by(code)
    assert imported & set(NEEDED_BY_NO_PLAIN_RUN) == set()
    settings = any(os.environ.get(name) for name in modes.VARIABLES)
    if not settings and (native.load() is not None or "run_backtest" not in code):
        assert imported & COMPILERS == set()


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("from facade import sweep", "facade.sweeps.run"),
        ("import facade; facade.SweepResult", "facade.sweeps.result.result"),
        ("import facade; facade.sweeps.grid.samplers.random", "facade.sweeps.studies.walk_forward"),
        ("from facade import *; capacity", "facade.sweeps.studies.capacity"),
        ("import facade.progress as p\nwith p.progress_bar(3, 'bar', True) as bar: bar.update(3)", "tqdm"),
    ],
)
def test_whoever_asks_gets_it(code, module):
    assert module in imported_by(code)


def test_the_public_face_is_whole():
    assert set(facade.__all__) <= set(dir(facade))
    assert {"sweeps", "__version__"} <= set(dir(facade))
    for name in facade.__all__:
        assert getattr(facade, name) is getattr(facade, name)
    with pytest.raises(AttributeError, match="module 'facade' has no attribute 'swep'"):
        facade.swep  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'swep'"):
        from facade import swep  # noqa: F401


@pytest.mark.parametrize("name", ["Config", "SweepResult", "capacity", "sweep", "walk_forward"])
def test_names_of_the_face_are_pickled(name):
    assert pickle.loads(pickle.dumps(getattr(facade, name))) is getattr(facade, name)


def test_the_version_is_that_of_the_distribution_or_unknown(monkeypatch):
    monkeypatch.delitem(vars(facade), "__version__", raising=False)
    assert facade.__version__ == importlib.metadata.version("ml4t-kernel")

    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.delitem(vars(facade), "__version__")
    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert facade.__version__ == "0+unknown"
    monkeypatch.delitem(vars(facade), "__version__")


@pytest.mark.parametrize("shown", [False, True])
def test_a_bar_nobody_sees_takes_what_one_takes(shown, capsys):
    from facade.progress import progress_bar

    with progress_bar(10, "bar", shown, done=2) as bar:
        bar.update(8)
    told = capsys.readouterr()
    assert told.out == ""
    assert ("100%" in told.err) is shown
    assert told.err or not shown
