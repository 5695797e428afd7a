"""What instruments demand of a configuration, checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facade.data.instruments import KINDS
from facade.errors import ConfigError, listing
from ml4t_kernel.schema import InstrumentKind

SIDES = (("initial", "maintenance"), ("short_initial", "short_maintenance"))
"""Fields of INSTRUMENT; those of Config end in _margin, those of PARAMS as well."""
READ = ("margin", *(f"{name}_margin" for side in SIDES for name in side))
"""Fields of PARAMS that are read here."""


def check_instruments(
    symbols: Sequence[str], instruments: np.ndarray, values: Mapping[str, Any], rows: np.ndarray | None = None
) -> None:
    """Raise ConfigError where a future has no account on margin, or margins of both sources do not fit together.

    Parameters
    ----------
    instruments : (A,) INSTRUMENT
        Of these symbols.
    values
        `READ` of one configuration, or (n,) arrays.
    rows : (n,) integers, optional
        Numbers that the error names.
    """
    margin = np.atleast_1d(np.asarray(values["margin"]) != 0)
    settled = np.flatnonzero(instruments["kind"] != InstrumentKind.STOCK)
    if len(settled) and not margin.all():
        where = "" if rows is None else f"row {rows[int(np.argmin(np.broadcast_to(margin, len(rows))))]}: "
        kind = KINDS[instruments["kind"][settled[0]]]
        names = listing([symbols[int(asset)] for asset in settled])
        raise ConfigError(
            f"{where}account='cash' cannot hold a {kind}: {names}; allowed with futures and perpetuals: "
            f"account='margin'"
        )
    for initial, maintenance in SIDES:
        for own, other in ((initial, maintenance), (maintenance, initial)):
            _compare(symbols, instruments, values, margin, own, other, rows)


def _compare(
    symbols: Sequence[str],
    instruments: np.ndarray,
    values: Mapping[str, Any],
    margin: np.ndarray,
    own: str,
    other: str,
    rows: np.ndarray | None,
) -> None:
    """Margins `own` of instruments that have none of the name `other`, for which Config's counts."""
    alone = np.flatnonzero(~np.isnan(instruments[own]) & np.isnan(instruments[other]))
    if not len(alone):
        return
    least = "maintenance" not in own  # an initial margin has to be at least Config's maintenance, and the reverse
    given = instruments[own][alone]
    asset = alone[int(given.argmin() if least else given.argmax())]
    mine, theirs = float(instruments[own][asset]), np.atleast_1d(values[f"{other}_margin"])
    wrong = np.flatnonzero(margin & ((theirs > mine) if least else (theirs < mine)))
    if not len(wrong):
        return
    first = int(wrong[0])
    where = "" if rows is None else f"row {rows[first]}: "
    beyond = "below" if least else "above"
    value = float(theirs[first] if len(theirs) > 1 else theirs[0])
    raise ConfigError(
        f"{where}{own}_margin={mine!r} of {symbols[asset]} in instruments is {beyond} {other}_margin={value!r} of "
        f"Config, which counts for it; give it a {other}_margin of its own"
    )
