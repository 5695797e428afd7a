"""Prices and strategy given again to a result that was read from files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from facade.arguments import as_panel
from facade.data.flows import read_flows
from facade.errors import BacktestWarning, DataError
from facade.sweeps.grid.grid import Constraint, read_grid
from facade.sweeps.grid.variants import Variants
from facade.sweeps.plan.plan import Plan, make_plan
from facade.sweeps.result.drill import row_runner
from facade.sweeps.result.saved import StoredSource
from facade.sweeps.result.sources import Source


def attached(
    source: Source,
    prices: Any,
    strategy: Any,
    *,
    grid: Any,
    constraint: Constraint | None,
    align: str | None,
    actions: Any,
    flows: Any,
    loading: Mapping[str, Any],
) -> StoredSource:
    """The source with what runs its rows; DataError naming what is not what the sweep was run with.

    Other versions of Python or the packages are a warning: they may change the last bits of a row.
    """
    if not isinstance(source, StoredSource):
        raise DataError("attach() is for a result that was loaded from files; this one has its prices and strategy")
    _check_grid(source, grid)
    facts, variants = source.facts, Variants(strategy)
    given = source.grid if grid is None else grid
    names, parameters = variants.names, variants.parameters
    grid = read_grid(given, facts.config, parameters=parameters, variants=names, constraint=constraint, seed=facts.seed)
    panel = as_panel(prices, actions, grid.values_of("spread", facts.config), loading)
    plan = make_plan(panel, variants, facts.config, grid, align, read_flows(flows, panel))
    _compare(plan, source.digests)
    return StoredSource(facts, source.digests, source.grid, source.files, row_runner(plan))


def _check_grid(source: StoredSource, grid: Any) -> None:
    if "grid" not in source.digests:
        raise DataError("this result is several that were put together; attach each before it is put together")
    if source.grid is None and grid is None:
        raise DataError(
            "the grid of this result was not written, because it holds values that are not text or numbers; give it "
            "again as grid="
        )


def _compare(plan: Plan, digests: Mapping[str, str]) -> None:
    ours = plan.digests
    names = dict.fromkeys([*ours, *(name for name in ("flows",) if name in digests)])
    differing = [name for name in names if digests.get(name) != ours.get(name)]
    if set(differing) - {"versions"}:
        told = ", ".join(name for name in differing if name != "versions")
        raise DataError(f"this is not what the sweep was run with; different: {told}")
    if differing:
        warnings.warn(
            "the result was made by other versions: rows that are run again may differ in their last bits",
            BacktestWarning,
            stacklevel=4,
        )
