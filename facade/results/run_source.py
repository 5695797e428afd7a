"""A result straight from a run: frames decoded from its tape."""

from __future__ import annotations

from math import isfinite
from typing import Any

import polars as pl

from facade.results import decode
from facade.results.facts import Facts, versions
from facade.results.metrics import Paid, metrics_of
from facade.results.notices import run_notices
from facade.results.positions import decode_positions
from facade.results.refusals import count_refusals, decode_rejections
from facade.results.run import Run
from facade.results.trades import decode_trades


def _policies(run: Run) -> dict[str, Any]:
    """The policies of the configuration, with what "auto" came to."""
    policies = dict(run.config.policies())
    if policies.get("max_participation") == "auto":
        cap = float(run.inputs.params["max_participation"][0])
        policies["max_participation"] = f"auto ({cap:g})" if isfinite(cap) else "auto (None)"
    if run.inputs.params["has_borrow"][0]:
        policies |= {name: getattr(run.config, name) for name in ("short_availability", "recall")}
    return policies


class RunSource:
    """A result straight from a run."""

    def __init__(self, run: Run) -> None:
        self.config = run.config
        self._run = run
        self._orders: pl.DataFrame | None = None

    def frame(self, name: str) -> pl.DataFrame:
        """Decode the frame; the orders are kept, because the rejections are rows of them."""
        if name == "rejections":
            return decode_rejections(self._run, self.frame("orders"))
        if name == "positions":
            return decode_positions(self._run)
        if name == "trades":
            return decode_trades(self._run)
        if name == "orders":
            if self._orders is None:
                self._orders = decode.decode_orders(self._run)
            return self._orders
        decoded: pl.DataFrame = getattr(decode, f"decode_{name}")(self._run)
        return decoded

    def metrics(self) -> dict[str, float | int]:
        """From the streaming statistics of the account."""
        run = self._run
        flows = run.inputs.intents.flows
        return metrics_of(
            *(run.book.state[:1], float(run.config.initial_cash), run.periods_per_year, run.years),
            limited=bool(run.inputs.params["has_limits"][0]),
            paid=Paid.of(flows[flows["bar"] < run.bars], run.panel.timestamps, run.periods_per_year),
        )

    def facts(self) -> Facts:
        """Names, counts and policies of the run."""
        run = self._run
        times = run.panel.timestamps
        return Facts(
            bars=int(run.bars),
            panel_bars=len(times),
            symbols=len(run.panel.symbols),
            first=str(times[0]) if run.bars else "",
            last=str(times[run.bars - 1]) if run.bars else "",
            policies=_policies(run),
            notices=(*run.notices, *run_notices(run)),
            counts={name: int(count) for name, count in run.inputs.counts.items()},
            rejection_reasons=count_refusals(run),
            versions=versions(),
        )

    def data_digest(self) -> str:
        """Of the panel."""
        return str(self._run.panel.digest)
