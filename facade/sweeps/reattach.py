"""Prices and strategy given again to a result that was read from files."""

from __future__ import annotations

import warnings
from typing import Any

from facade.backtest import _as_panel
from facade.errors import BacktestWarning, DataError
from facade.sweeps.drill import row_runner
from facade.sweeps.facts import SweepFacts
from facade.sweeps.grid import Grid, read_grid
from facade.sweeps.plan import make_plan
from facade.sweeps.sources import RunRow
from facade.sweeps.variants import Variants


def make_again(
    facts: SweepFacts, grid: Any, prices: Any, strategy: Any, align: str | None, loading: dict[str, Any]
) -> RunRow:
    """What runs the rows of a sweep, from what it was made of; DataError naming what is not the same.

    Other versions of Python or the packages are a warning: they may change the last bits of a row.
    """
    variants = Variants(strategy)
    if not isinstance(grid, Grid):
        grid = read_grid(grid, facts.config, parameters=variants.parameters, variants=variants.names, seed=facts.seed)
    loading = dict(loading)
    panel = _as_panel(prices, loading.pop("actions", None), facts.config, loading)
    plan = make_plan(panel, variants, facts.config, grid, align)
    differing = [name for name, digest in plan.digests.items() if facts.digests.get(name) != digest]
    if set(differing) - {"versions"}:
        told = ", ".join(name for name in differing if name != "versions")
        raise DataError(f"this is not what the sweep was run with; different: {told}")
    if differing:
        warnings.warn(
            "the result was made by other versions: rows that are run again may differ in their last bits",
            BacktestWarning,
            stacklevel=5,
        )
    return row_runner(plan)
