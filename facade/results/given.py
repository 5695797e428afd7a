"""What the user wrote in an order, beside what splits and dividends have made of it."""

import numpy as np
import polars as pl

from ml4t_kernel.schema import IntentAction

TERMS = {"given_quantity": "quantity", "given_limit_price": "limit", "given_stop_price": "stop"}
"""Column of `orders` -> field of INTENT."""


def given_terms(
    intents: np.ndarray, intent: np.ndarray, orders: np.ndarray, details: np.ndarray
) -> dict[str, np.ndarray]:
    """(N,) quantity, limit and stop as written for each order, NaN where nothing was.

    intents: (I,) INTENT; intent: (N,) row of them that names each order, -1 without one; orders: (N,) ORDER; details:
    (D,) DETAIL. An order made by a replacement has what the replacement gave.
    """
    if not len(intents):
        return {name: np.full(len(intent), np.nan) for name in TERMS}
    written = written_in(intents, intent, orders, details)
    safe = np.maximum(written, 0)
    return {name: np.where(written >= 0, intents[field][safe], np.nan) for name, field in TERMS.items()}


def written_in(intents: np.ndarray, intent: np.ndarray, orders: np.ndarray, details: np.ndarray) -> np.ndarray:
    """(N,) row of the intents in which each order was written: the submission, or the replacement that made it.

    The orders of one submission are its own and one for each replacement that found it open, in the same order: on a
    bar none of those is passed over, but those of a child not yet born, or of an order that has ended, make no row.
    """
    changes = np.flatnonzero(intents["action"] == IntentAction.REPLACE)
    if not len(changes):
        return intent
    written = intent.copy()
    known = np.flatnonzero(intent >= 0)
    # The detail of what replaced a plain market order knows no submission.
    detail = orders["detail"][known]
    orphan = (detail > 0) & (details["intent"][detail] < 0)
    again = orphan | ~_is_first(intent[known])
    replaced = known[again]
    columns = {"target": intents["target"][changes], "bar": intents["bar"][changes], "change": changes}
    made = {"target": intent[replaced], "bar": orders["bar"][replaced], "order": replaced}
    frames = [
        pl.DataFrame({name: np.asarray(values, np.int64) for name, values in table.items()}).with_columns(
            pl.int_range(pl.len()).over("target", "bar").alias("place")
        )
        for table in (made, columns)
    ]
    found = frames[0].join(frames[1], on=["target", "bar", "place"], how="left", maintain_order="left")
    written[found["order"].to_numpy()] = found["change"].fill_null(-1).to_numpy()
    return written


def _is_first(values: np.ndarray) -> np.ndarray:
    """(n,) bool: no earlier value is the same."""
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first
