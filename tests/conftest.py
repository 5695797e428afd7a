"""What holds for every test: each run made through `run_backtest` must tell one consistent story."""

import pytest

from consistency import assert_consistent
from facade import backtest
from facade.result import Result


def pytest_configure(config):
    config.addinivalue_line("markers", "unchecked: runs of this test are too large to be checked for consistency")


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
