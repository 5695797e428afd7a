"""Prices on their way back from the kernel, which saw those of a whole contract: they are quoted again (0.7)."""

from __future__ import annotations

import numpy as np

from facade.results.run import Run


def quoted(run: Run, prices: np.ndarray, assets: np.ndarray) -> np.ndarray:
    """(n,) prices of these assets, divided by their multipliers; as they are where all are 1."""
    factors = run.panel.multipliers
    return prices if factors is None else prices / factors[assets]


def quoted_levels(run: Run, name: str, levels: np.ndarray, written: tuple[np.ndarray, ...]) -> np.ndarray:
    """(N,) field `name` of the orders' details, NaN without one; to the bit what was written, where it still holds.

    written: rows of the intents, (N,) each, -1 for none, in which an order's level may have been written.
    """
    given = run.inputs.quoted_orders if run.panel.multipliers is not None else None
    found = quoted(run, levels, run.orders["asset"])
    if given is None or not len(given):
        return found
    sent = run.inputs.intents.orders[name]
    for rows in written:
        safe = np.maximum(rows, 0)
        found = np.where((rows >= 0) & (sent[safe] == levels), given[name][safe], found)
    return found
