"""A finished run: what went in, and the arrays the kernel wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.clock import calendar_years
from facade.data.panel import Panel
from ml4t_kernel import schema


class Inputs(Protocol):
    """What decoding reads of the encoded strategy."""

    @property
    def params(self) -> np.ndarray: ...
    @property
    def intents(self) -> schema.Intents: ...
    @property
    def order_ids(self) -> Sequence[str | None] | pl.Series | None: ...
    @property
    def tags(self) -> Sequence[str | None] | pl.Series | None: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def quoted_orders(self) -> np.ndarray | None: ...


@dataclass(frozen=True)
class Run:
    """A finished (or interrupted) run: what went in, and the arrays the kernel wrote.

    bars: number of whole bars done, at most `panel.n_bars`. notices: sentences about the configuration and the data
    that are printed with the result. The arrays must not be written after the result is built.
    """

    panel: Panel
    config: Config
    inputs: Inputs
    book: schema.Book
    tape: schema.Tape
    bars: int
    notices: tuple[str, ...] = ()

    @property
    def state(self) -> np.void:
        """The scalars of the account, one STATE record."""
        return self.book.state[0]

    @property
    def orders(self) -> np.ndarray:
        """(N,) ORDER rows in order of submission."""
        return self.tape.orders[: self.state["orders"]]

    @property
    def fills(self) -> np.ndarray:
        """(F,) FILL rows in order of execution."""
        return self.tape.fills[: self.state["fills"]]

    @property
    def periods_per_year(self) -> float:
        """Bars a year: the configuration's when given, else the panel's."""
        given = getattr(self.config, "periods_per_year", None)
        return float(self.panel.periods_per_year if given is None else given)

    @property
    def flows(self) -> np.ndarray | None:
        """(bars,) what was paid in (above zero) and out before each bar done; None where nothing was."""
        if not self.state["flow"]:
            return None
        rows = self.tape.charges[: self.state["charges"]]
        rows = rows[rows["kind"] == schema.ChargeKind.FLOW]
        return np.bincount(rows["bar"], rows["amount"], self.bars) if len(rows) else None

    @property
    def has_gross(self) -> bool:
        """Whether gross exposure was recorded: where it is not what equity has beside cash."""
        params = self.inputs.params
        return bool(params["allow_short"][0] or params["margin"][0])

    @property
    def years(self) -> float | None:
        """Calendar time from the first bar to the last one done; None where bars are numbered."""
        return calendar_years(self.panel.timestamps[: self.bars])
