"""A row of a sweep run by itself, with its whole tape."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from facade.backtest import _notices
from facade.errors import BacktestWarning
from facade.execute import execute
from facade.inputs import EncodedInputs, encode
from facade.result import Result

if TYPE_CHECKING:
    from facade.sweeps.plan import Plan


def row_runner(plan: Plan) -> Callable[[int, dict[str, Any]], Result]:
    """A function of a row and changed fields of its configuration that gives the whole `Result`.

    Without changes the inputs are those of the sweep, so the metrics are those of the table to the bit. What encoding
    and refused orders give to warn of was said by the sweep, and is in the result.
    """

    def run_row(row: int, changes: dict[str, Any]) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacktestWarning)
            config, panel = plan.config_of(row).replace(**changes), plan.panel_of(row)
            inputs = encode(panel, plan.strategy_of(row), config, plan.align) if changes else _inputs_of(plan, row)
        return Result.from_run(execute(panel, config, inputs, False, _notices(panel, config)))

    return run_row


def _inputs_of(plan: Plan, row: int) -> EncodedInputs:
    group, place = plan.groups.of(row)
    params = plan.params(group, place, place + 1)
    params["record"] = 1
    params.flags.writeable = False
    return replace(plan.inputs(group), params=params)
