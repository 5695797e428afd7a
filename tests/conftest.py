"""What holds for every test: each run made through `run_backtest` must tell one consistent story, and each call of the
kernel stay within its arrays."""

import pytest
from hypothesis import settings

import bounds
from consistency import assert_consistent
from facade import backtest
from facade.results.result import Result
from ml4t_kernel.modes import INTERPRETED

collect_ignore = ["emulated.py"]  # a tool of releases, with packages that tests do not need

# The same examples in every run; `--hypothesis-profile=deep` draws new ones, and more of them.
settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.register_profile("deep", deadline=None, max_examples=1000)
settings.load_profile("steady")


def pytest_configure(config):
    config.addinivalue_line("markers", "unchecked: runs of this test are too large to be checked for consistency")


def pytest_collection_modifyitems(items):
    """Interpreted, the examples of sweeps would take minutes: they are of thousands of bars and many rows."""
    for item in items:
        if INTERPRETED and item.nodeid.startswith(("README.md", "facade/sweeps/")):
            item.add_marker(pytest.mark.skip(reason="too many bars for the interpreter"))


@pytest.fixture(autouse=True)
def every_run_is_consistent(request, monkeypatch):
    """Check the frames and metrics of each run against each other, unless the test is marked `unchecked`."""
    if request.node.get_closest_marker("unchecked"):
        return
    execute = backtest.execute

    def execute_and_check(*arguments, **named):
        run = execute(*arguments, **named)
        assert_consistent(Result.from_run(run))
        return run

    monkeypatch.setattr(backtest, "execute", execute_and_check)


@pytest.fixture(autouse=True)
def every_run_stays_within_its_arrays(monkeypatch):
    """Sweeps included, unless they run in processes of their own."""
    bounds.watch(monkeypatch)
