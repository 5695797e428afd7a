"""The terms on which assets are held, given beside prices and actions: instruments, borrow and funding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from facade.data import borrow, funding
from facade.data.borrow import read_borrow
from facade.data.clock import Clock
from facade.data.funding import read_funding
from facade.data.instruments import read_instruments
from facade.errors import DataError, describe


class Given(NamedTuple):
    """Frames as the user has them; None: not given."""

    instruments: Any = None
    borrow: Any = None
    funding: Any = None


NOTHING = Given()


class Held(Protocol):
    """What is read here of a `Panel`, whose file is above this one."""

    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def actions(self) -> pl.DataFrame: ...
    @property
    def instruments(self) -> pl.DataFrame | None: ...
    @property
    def instrument_rows(self) -> np.ndarray: ...
    @property
    def borrow(self) -> pl.DataFrame | None: ...
    @property
    def borrow_rows(self) -> np.ndarray: ...
    @property
    def borrow_after(self) -> int: ...
    @property
    def funding(self) -> pl.DataFrame | None: ...
    @property
    def funding_rows(self) -> np.ndarray: ...
    @property
    def funding_before(self) -> int: ...
    @property
    def funding_after(self) -> int: ...


def read_terms(
    given: Given, clock: Clock, symbols: tuple[str, ...], actions: pl.DataFrame, selection: bool
) -> dict[str, Any]:
    """Fields of a panel; actions: those in force."""
    instruments = read_instruments(given.instruments, symbols, selection)
    _refuse_actions(instruments, actions)
    lent = read_borrow(given.borrow, clock, symbols, actions, selection)
    paid = read_funding(given.funding, clock, symbols, instruments, selection)
    return {"instruments": instruments, **_fields(lent, paid)}


def cut_terms(panel: Held, clock: Clock, symbols: tuple[str, ...], actions: pl.DataFrame) -> dict[str, Any]:
    """Fields of a part of a panel; clock, symbols and actions are those of the part."""
    instruments, lent, paid = panel.instruments, panel.borrow, panel.funding
    if instruments is not None and symbols != panel.symbols:
        wanted = pl.DataFrame({"symbol": list(symbols)})
        instruments = wanted.join(instruments, on="symbol", how="left", maintain_order="left")
    fields = _fields(
        borrow.Borrow(None, panel.borrow_rows)
        if lent is None
        else borrow.cut(lent, clock, symbols, panel.actions, actions),
        funding.Funding(None, panel.funding_rows) if paid is None else funding.cut(paid, clock, symbols),
    )
    if symbols == panel.symbols:
        for name in ("borrow_after", "funding_before", "funding_after"):
            fields[name] += getattr(panel, name)
    return {"instruments": instruments, **fields}


def restated(panel: Held, clock: Clock, actions: pl.DataFrame) -> dict[str, Any]:
    """Fields of a panel that is given actions, whose splits restate what can be borrowed."""
    _refuse_actions(panel.instruments, actions)
    if panel.borrow is None:
        return {}
    return {"borrow_rows": borrow.in_force(panel.borrow, clock, panel.symbols, actions).rows}


def _refuse_actions(instruments: pl.DataFrame | None, actions: pl.DataFrame) -> None:
    """DataError for a split or dividend of what is no stock."""
    if instruments is None:
        return
    others = instruments.filter(pl.col("kind") != "stock")
    met = actions.filter(
        pl.col("kind").is_in(["split", "dividend"]), pl.col("symbol").is_in(others["symbol"].to_list())
    )
    if len(met):
        row = met.row(0, named=True)
        kind = others.filter(pl.col("symbol") == row["symbol"])["kind"][0]
        rule = f"actions: a {kind} has no {row['kind']}s"
        where: dict[str, Any] = {"symbol": row["symbol"], "date": row["ex_date"], "value": row["value"]}
        raise DataError(describe(rule, **where, more=len(met) - 1, hint="Only stocks have splits and dividends."))


def _fields(lent: borrow.Borrow, paid: funding.Funding) -> dict[str, Any]:
    return {
        "borrow": lent.frame,
        "borrow_rows": lent.rows,
        "borrow_after": lent.after,
        "funding": paid.frame,
        "funding_rows": paid.rows,
        "funding_before": paid.before,
        "funding_after": paid.after,
    }


def digested(panel: Held) -> Iterator[bytes | np.ndarray]:
    """What of it can change a result, and names of what was given; nothing where nothing was."""
    if panel.instruments is not None:
        rows = panel.instrument_rows
        yield repr(("instruments", panel.instruments["sector"].to_list())).encode()
        yield from (rows[name] for name in rows.dtype.names or ())
    for name, frame, rows in (
        ("borrow", panel.borrow, panel.borrow_rows),
        ("funding", panel.funding, panel.funding_rows),
    ):
        if frame is not None:
            yield repr((name, len(rows))).encode()
            yield from (rows[field] for field in rows.dtype.names or ())


def told(panel: Held) -> dict[str, int]:
    """What was given, in the singular, and how much of it is in force."""
    found = {"instrument": panel.instruments, "borrow row": panel.borrow, "funding row": panel.funding}
    return {name: len(frame) for name, frame in found.items() if frame is not None}
