"""A row of a sweep run by itself, with its whole tape."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from facade.backtest import run_encoded
from facade.encode.inputs import EncodedInputs, encode
from facade.errors import BacktestWarning
from facade.results.result import Result
from facade.results.run import Run
from facade.sweeps.plan.plan import Plan


def run_of(plan: Plan, row: int, changes: Mapping[str, Any]) -> Run:
    """The run of a row with some fields of its configuration changed; Interrupted on Ctrl-C.

    Without changes the inputs are those of the sweep, so the metrics are those of the table to the bit.
    """
    config, panel = plan.config_of(row).replace(**changes), plan.panel_of(row)
    if changes:
        inputs = encode(panel, plan.strategy_of(row), config, plan.align, plan.flows_of(row))
    else:
        inputs = _inputs_of(plan, row)
    return run_encoded(panel, config, inputs)


def row_runner(plan: Plan) -> Callable[[int, dict[str, Any]], Result]:
    """`run_of` as a function that gives the whole `Result`; what encoding has to warn of was said by the sweep."""

    def run_row(row: int, changes: dict[str, Any]) -> Result:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BacktestWarning)
            return Result.from_run(run_of(plan, row, changes))

    return run_row


def _inputs_of(plan: Plan, row: int) -> EncodedInputs:
    group, place = plan.groups.of(row)
    params = plan.params(group, place, place + 1)
    params["record"] = 1
    params.flags.writeable = False
    return replace(plan.inputs(group), params=params)
