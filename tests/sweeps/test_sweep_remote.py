"""Sweeps on executors: processes, a Dask cluster, killed workers; the rows are those of threads, to the bit."""

import gc
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
import warnings
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from test_sweep import assert_same_table, at_chunk, few_rows_a_chunk, in_and_out, small_panel, swept

from facade import ConfigError
from facade.sweeps.workers import places, publish
from facade.sweeps.workers.cluster import pass_on
from facade.sweeps.workers.job import Job, run_job
from facade.sweeps.workers.places import is_lost
from facade.sweeps.workers.publish import packed, settled, unpacked
from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.schema import INTENT, PARAMS

pytestmark = pytest.mark.unchecked
BARS = 16 if INTERPRETED else 1500
"""Enough for arrays that are published on their own, where there is time for it."""
GRID = {"stop_loss": [None, *np.linspace(0.005, 0.1, 5 if INTERPRETED else 19)], "commission_rate": [0.0, 0.001]}


@pytest.fixture(scope="module")
def panel():
    return small_panel(bars=BARS, assets=4)


def strategies(panel):
    """Two, so that a sweep has two jobs over one market."""
    return {"often": in_and_out(panel, 6), "seldom": in_and_out(panel, 10)}


@pytest.fixture(scope="module")
def expected(panel):
    return {
        keep: swept(panel, strategies(panel), None, GRID, n_jobs=1, keep=keep)
        for keep in ("metrics", "equity", "trades")
    }


def assert_equal(result, expected, keep):
    assert_same_table(result, expected[keep])
    if keep == "equity":
        assert np.array_equal(result.curves, expected[keep].curves)
    if keep == "trades":
        for row in range(0, result.table.height, 7):
            assert result.trades(row).equals(expected[keep].trades(row))


# Publishing ----------------------------------------------------------------------------------------------------------


def test_a_packed_job_comes_back_the_same_with_its_big_arrays_apart_aligned_and_read_only():
    rng = np.random.default_rng(0)
    big, orders, small = rng.random((300, 40)), np.zeros(900, INTENT), np.arange(5)
    for array in (big, orders, small):
        array.flags.writeable = False
    job = Job("token", (big, small), (orders, big), {"orders": 7}, "metrics", idle=["scratch"])
    head, arrays = packed(job)
    assert [id(array) for array in arrays] == [id(big), id(orders), id(big)]
    shifted = []
    for array in arrays:  # as a network message leaves them
        memory = np.zeros(array.nbytes + 1, np.uint8)[1:]
        memory[:] = np.frombuffer(array.tobytes(), np.uint8)
        shifted.append(memory.view(array.dtype).reshape(array.shape))
    back = unpacked(head, shifted)
    assert back.idle == []
    assert (back.token, back.rows, back.keep, back.assets) == ("token", {"orders": 7}, "metrics", None)
    for array, given in zip((*back.market, *back.intents), (*job.market, *job.intents), strict=True):
        assert array.dtype == given.dtype
        assert array.dtype.isalignedstruct == given.dtype.isalignedstruct
        assert array.flags.aligned and not array.flags.writeable
        assert array.tobytes() == given.tobytes()


def test_an_aligned_array_is_not_copied():
    params = np.zeros(3, PARAMS)
    assert np.shares_memory(settled(params, PARAMS), params)


class Inline(Executor):
    """An executor that runs what is submitted at once, by way of pickle."""

    _max_workers = 1

    def submit(self, function, *arguments):
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            function, arguments = pickle.loads(pickle.dumps((function, arguments)))
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def test_files_are_written_once_shared_by_jobs_and_taken_away(panel, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(publish, "BIG", 8 * BARS)
    written, most = [], 0
    write = places._Processes._write

    def writing(place, value):
        nonlocal most
        written.append("head" if isinstance(value, bytes) else "prices" if value.ndim == 3 else "other")
        path = write(place, value)
        most = max(most, len(list(Path(path).parent.iterdir())))
        return path

    monkeypatch.setattr(places._Processes, "_write", writing)
    grid = {"every": [4, 5, 6, 7, 8, 9], "stop_loss": [None, 0.02]}
    result = swept(panel, in_and_out, None, grid, executor=Inline())
    assert_same_table(result, swept(panel, in_and_out, None, grid, n_jobs=1))
    assert written.count("head") == 6, "one a job"
    assert written.count("prices") == 1, "open, high, low and close once, whatever the number of jobs"
    assert most < len(written), "what only finished jobs need is taken back"
    assert not list(tmp_path.iterdir())


def test_a_job_that_a_worker_does_not_see_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(RuntimeError, match="TMPDIR"):
        publish.run_from_files(run_job, "unknown", str(tmp_path / "0"), [], None)


# Executors of the standard library -----------------------------------------------------------------------------------


def test_threads_of_the_user_are_used_and_left_alone(panel, expected):
    with ThreadPoolExecutor(2) as executor:
        assert_equal(swept(panel, strategies(panel), None, GRID, executor=executor), expected, "metrics")
        assert executor.submit(int).result() == 0


def test_spawned_processes_give_the_same_rows(panel, expected):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        for keep in ("metrics", "equity", "trades"):
            assert_equal(swept(panel, strategies(panel), None, GRID, executor=executor, keep=keep), expected, keep)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_pool_that_lost_a_process_stops_the_sweep_which_carries_what_is_done(panel, expected, monkeypatch, tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        worker = executor.submit(os.getpid).result()
        few_rows_a_chunk(monkeypatch)
        at_chunk(monkeypatch, 3, lambda: os.kill(worker, signal.SIGKILL))
        with pytest.raises(BrokenExecutor) as caught:
            swept(panel, strategies(panel), None, GRID, executor=executor, checkpoint=tmp_path / "sweep")
    assert 4 <= caught.value.result.trials < expected["metrics"].trials
    monkeypatch.undo()
    resumed = swept(panel, strategies(panel), None, GRID, checkpoint=tmp_path / "sweep")
    assert_equal(resumed, expected, "metrics")


# Dask ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    """A cluster of two worker processes."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        )
        with distributed.Client(cluster) as client:
            yield client
        try:
            cluster.close()
        except KeyError:  # on a busy machine it hears of the end of a worker that it never heard of
            cluster.status = distributed.Status.closed
        gc.collect()


quiet = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")


@quiet
@pytest.mark.parametrize("keep", ["metrics", "equity", "trades"])
def test_a_dask_cluster_gives_the_same_rows(client, panel, expected, keep):
    executor = client.get_executor() if keep == "metrics" else client
    assert_equal(swept(panel, strategies(panel), None, GRID, executor=executor, keep=keep), expected, keep)


@quiet
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
@pytest.mark.parametrize("killed", [1, 2])
def test_dask_workers_killed_midway_cost_time_but_no_row(client, panel, expected, monkeypatch, killed):
    client.wait_for_workers(2, timeout=60)

    def kill():
        # A worker of the test before may still be listed, and be gone.
        for worker in list(client.run(os.getpid, on_error="ignore").values())[:killed]:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    few_rows_a_chunk(monkeypatch)
    at_chunk(monkeypatch, 3, kill)
    assert_equal(swept(panel, strategies(panel), None, GRID, executor=client), expected, "metrics")


@quiet
def test_nothing_is_replicated_by_the_scheduler_which_would_try_a_dead_worker_for_ever(
    client, panel, expected, monkeypatch
):
    def refused(*_, **__):
        raise AssertionError("replicate")

    monkeypatch.setattr(client.cluster.scheduler, "replicate", refused)
    assert_equal(swept(panel, strategies(panel), None, GRID, executor=client), expected, "metrics")


def test_a_result_that_is_lost_after_the_work_was_done_ends_the_future():
    class Lost:
        def result(self):
            raise CancelledError

    future = Future()
    pass_on(future, Lost())
    assert is_lost(future.exception(timeout=0))


@quiet
def test_nothing_stays_on_the_cluster(client, panel, expected):
    client.wait_for_workers(2, timeout=60)
    swept(panel, strategies(panel), None, GRID, executor=client)
    gc.collect()
    left = threading.Event()
    for _ in range(100):
        held = client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        if not held:
            break
        left.wait(0.05)
    assert held == 0


def test_an_executor_is_an_executor(panel):
    with pytest.raises(ConfigError, match="got function"):
        swept(panel, strategies(panel), None, GRID, executor=swept)
