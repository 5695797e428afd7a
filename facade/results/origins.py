"""Who made an order, a fill or the end of a trade, in words."""

import numpy as np
import polars as pl

from ml4t_kernel.schema import ActionKind, Origin

STALE = 255
"""Origin of the trades of an asset that was closed for want of bars, where no tape is at hand to tell (1.4)."""
ORIGIN = pl.Enum([*(member.name.lower() for member in Origin), "stale"])


def told_origins(rows: np.ndarray, bars: np.ndarray, booked: np.ndarray) -> np.ndarray:
    """(N,) uint8 origins of fills or trades: STALE where the kernel has DELISTING and `actions` says stale.

    rows: (N,) with fields origin and asset; bars: (N,) bar of each closing; booked: (R,) BOOKED rows of the run.
    """
    origins = np.ascontiguousarray(rows["origin"])
    stale = booked[booked["kind"] == ActionKind.STALE]
    if not len(stale):
        return origins
    removed = np.flatnonzero(origins == Origin.DELISTING)
    keys = [part["asset"].astype(np.int64) << 32 for part in (rows[removed], stale)]
    found = np.isin(keys[0] + bars[removed], keys[1] + stale["bar"])
    origins = origins.copy()
    origins[removed[found]] = STALE
    return origins


def origin_codes(origins: np.ndarray) -> np.ndarray:
    """(N,) places in ORIGIN."""
    return np.where(origins == STALE, len(Origin), origins)
