"""Sweeps that stop half-way: Ctrl-C, a full disk, SIGKILL; what is done is there, and checkpoints are taken up."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from test_sweep import GRID, assert_same_table, at_chunk, few_rows_a_chunk, in_and_out, small_panel, swept

from facade import BacktestWarning
from facade.sweeps import run
from facade.sweeps.rows import rows as store
from facade.sweeps.run import sweep


@pytest.fixture
def ctrl_c():
    """Python's own handler of SIGINT, which a test runner may have replaced."""
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_returns_what_is_done_and_says_how_to_go_on(monkeypatch, ctrl_c):
    panel = small_panel()
    whole = swept(panel, in_and_out(panel), None, GRID, n_jobs=1)
    few_rows_a_chunk(monkeypatch)
    at_chunk(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.warns(BacktestWarning, match=r"interrupted: \d+ of 40 rows are missing; .* checkpoint="):
        result = sweep(panel, in_and_out(panel), None, GRID, n_jobs=2, progress=False)
    assert result.interrupted
    assert 3 <= result.trials < 40
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert whole.table.filter(pl.col("row").is_in(result.table["row"].to_list())).equals(result.table)


def test_ctrl_c_while_a_strategy_is_made_stops_at_once(ctrl_c):
    def slow(panel, every):
        if every == 5:
            signal.raise_signal(signal.SIGINT)
            raise AssertionError("went on after Ctrl-C")
        return in_and_out(panel, every)

    result = swept(small_panel(), slow, None, {"every": [3, 5, 6]}, n_jobs=1)
    assert result.table["row"].to_list() == [0]


def test_an_interrupted_sweep_is_taken_up_from_its_checkpoint(monkeypatch, ctrl_c, tmp_path):
    panel = small_panel()
    whole = swept(panel, in_and_out(panel), None, GRID)
    few_rows_a_chunk(monkeypatch)
    with monkeypatch.context() as first:
        at_chunk(first, 3, lambda: signal.raise_signal(signal.SIGINT))
        result = swept(panel, in_and_out(panel), None, GRID, n_jobs=1, checkpoint=tmp_path / "sweep")
    ran = []
    monkeypatch.setattr(
        run, "columns_of", lambda state, *rest, **more: ran.append(len(state)) or store.columns_of(state, *rest, **more)
    )
    again = swept(panel, in_and_out(panel), None, GRID, n_jobs=1, checkpoint=tmp_path / "sweep")
    assert sum(ran) == 40 - result.trials
    assert not again.interrupted
    assert_same_table(again, whole)
    swept(panel, in_and_out(panel), None, GRID, n_jobs=1, checkpoint=tmp_path / "sweep")
    assert sum(ran) == 40 - result.trials


def test_a_full_disk_stops_the_sweep_which_carries_what_is_safe(monkeypatch, tmp_path):
    panel = small_panel()
    few_rows_a_chunk(monkeypatch)
    add, count = store.Rows.add, iter(range(1_000_000))

    def adding(rows, *arguments):
        if next(count) >= 3:
            raise OSError(28, "No space left on device")
        add(rows, *arguments)

    monkeypatch.setattr(store.Rows, "add", adding)
    with pytest.raises(OSError, match="No space") as caught:
        swept(panel, in_and_out(panel), None, GRID, n_jobs=1, checkpoint=tmp_path / "sweep")
    assert 3 <= caught.value.result.trials <= 12


def test_a_sweep_runs_in_any_thread():
    panel, results = small_panel(), []
    thread = threading.Thread(target=lambda: results.append(swept(panel, in_and_out(panel), None, GRID)))
    thread.start()
    thread.join()
    assert_same_table(results[0], swept(panel, in_and_out(panel), None, GRID))


CHILD = """
import sys, threading
sys.path[:0] = {paths}
from test_sweep import GRID, in_and_out, small_panel
from facade.sweeps import run
from facade.sweeps.workers import pool
from facade.sweeps.rows import rows as store
from facade.sweeps.run import sweep

pool.FIRST_ROWS, pool.BLOCK_ROWS, store.PART_ROWS = 2, 4, 3
take, chunks = run._Recorder.take, iter(range(1000))

def taking(recorder, *chunk):
    take(recorder, *chunk)
    if next(chunks) == 4:
        print("midway", flush=True)
        threading.Event().wait()

run._Recorder.take = taking
panel = small_panel()
sweep(panel, in_and_out(panel), None, GRID, keep={keep!r}, n_jobs=2, progress=False, checkpoint=sys.argv[1])
"""


@pytest.mark.parametrize("keep", ["metrics", "equity"])
def test_a_sweep_killed_midway_runs_only_what_is_missing_and_is_equal_to_the_bit(keep, tmp_path):
    here = Path(__file__).parent
    code = textwrap.dedent(CHILD).format(paths=[str(here), str(here.parent), str(here.parents[1])], keep=keep)
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "sweep")], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "midway\n"
        os.kill(process.pid, signal.SIGKILL) if hasattr(signal, "SIGKILL") else process.kill()
    panel = small_panel()
    whole = swept(panel, in_and_out(panel), None, GRID, keep=keep)
    resumed = swept(panel, in_and_out(panel), None, GRID, keep=keep, checkpoint=tmp_path / "sweep")
    assert 0 < resumed._source._rows.resumed < 40
    assert_same_table(resumed, whole)
    if keep == "equity":
        assert np.array_equal(resumed.curves, whole.curves)
