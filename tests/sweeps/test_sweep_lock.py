"""Only one process writes into the directory of a sweep, and a killed one does not keep it."""

import json
import os
import socket
import subprocess
import sys

import pytest

from facade.sweeps.rows import lock
from facade.sweeps.rows.lock import LockedError, acquire
from facade.sweeps.rows.rows import Rows
from made_sweeps import DIGEST, small_grid


def test_two_sweeps_cannot_share_a_directory(tmp_path):
    first = Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")
    with pytest.raises(LockedError, match=f"in use by process {os.getpid()} on {socket.gethostname()}"):
        Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")
    first.close()
    Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c").close()


def dead_pid():
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    return child.pid


@pytest.mark.parametrize(
    ("change", "free"),
    [
        ({"pid": "dead"}, True),
        ({"pid": "dead", "host": "elsewhere"}, False),
        ({"pid": "parent"}, False),
        ({"pid": "parent", "started": "1"}, True),  # the number was given to another process
        ({}, True),  # of an earlier process with this one's number
        (None, False),  # half written
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="there a process cannot be asked whether it runs")
def test_a_lock_left_behind_is_taken_over(tmp_path, change, free):
    text = "{"
    if change is not None:
        holder = lock._myself()
        if change.get("pid") == "parent":
            holder |= {"pid": os.getppid(), "started": lock._started(os.getppid())}
        holder |= {name: value for name, value in change.items() if name != "pid"}
        if change.get("pid") == "dead":
            holder["pid"] = dead_pid()
        text = json.dumps(holder)
    (tmp_path / lock.LOCK).write_text(text)
    if change == {"pid": "parent", "started": "1"} and not lock._started(os.getppid()):
        pytest.skip("the system does not say when a process started")
    if not free:
        with pytest.raises(LockedError, match="delete .*lock.json"):
            acquire(tmp_path)
        return
    taken = acquire(tmp_path)
    assert json.loads((tmp_path / lock.LOCK).read_text())["pid"] == os.getpid()
    taken.release()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_a_zombie_holds_no_lock(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdout=subprocess.PIPE)
    child.stdout.read()  # it has ended, and nobody has waited for it
    while lock._status(child.pid)[:1] != ["Z"]:
        pass
    holder = {"host": socket.gethostname(), "pid": child.pid, "started": lock._started(child.pid)}
    (tmp_path / lock.LOCK).write_text(json.dumps(holder))
    acquire(tmp_path).release()
    child.stdout.close()
    child.wait()


def test_a_fresh_lock_is_put_back_by_who_took_it_for_a_stale_one(tmp_path):
    path = tmp_path / lock.LOCK
    path.write_text(json.dumps(lock._myself()))
    lock._take_away(path, {"host": "h", "pid": 1, "started": "1"})
    assert lock._read(path) == lock._myself() and len(list(tmp_path.iterdir())) == 1


def test_a_lock_goes_with_its_rows(tmp_path):
    rows = Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")
    assert (tmp_path / "c" / lock.LOCK).exists()
    del rows
    assert not (tmp_path / "c" / lock.LOCK).exists()
