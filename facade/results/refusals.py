"""Orders that were refused or cut: which, how many, why, and the warning that says so (contract clause 8)."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from facade.results.columns import column, pick
from facade.results.run import Run
from ml4t_kernel.schema import Reason, Status

CUTS = (
    *(Reason.CASH, Reason.NO_SHORT, Reason.COOLDOWN, Reason.MINIMUM, Reason.LOT),
    *(Reason.VOLUME, Reason.DIVIDEND),
    *(Reason.MARGIN, Reason.LEVERAGE, Reason.MARGIN_CALL, Reason.NO_BORROW),
)
"""Reasons for which an order loses what is left of it and counts as cut: by CANCELLED, or by EXPIRED for VOLUME."""

REASON_TEXT = {
    Reason.CASH: "not enough cash for it at its turn",
    Reason.NO_SHORT: "more than was held, and it may not open a short position",
    Reason.COOLDOWN: "the asset was stopped out a few bars ago (cooldown)",
    Reason.MINIMUM: "its value is below min_notional",
    Reason.LOT: "less than one lot, or not a whole number of them (Config(lot=0) trades fractions)",
    Reason.DELISTED: "the asset was delisted, or has had no bar for max_stale sessions",
    Reason.NO_PRICE: "the asset had no price yet, so no size could be computed",
    Reason.NO_EQUITY: "the account had no equity to size it with",
    Reason.VOLUME: "the bars it lived on traded too little (max_participation is the share it may have of them)",
    Reason.DIVIDEND: "dividends carried its limit or stop to zero or below, where no price can meet it",
    Reason.MARGIN: "equity does not cover its initial margin at its turn",
    Reason.LEVERAGE: "gross exposure would exceed max_leverage times equity",
    Reason.MARGIN_CALL: "it would enter on a bar that closed with a margin call",
    Reason.NO_BORROW: "there are not so many shares to borrow for a short",
}
"""Each reason to refuse or cut an order, in words."""


def is_refused_or_cut(orders: np.ndarray) -> np.ndarray:
    """(N,) bool: the order was refused (REJECTED), or it ended because of one of CUTS."""
    cut = np.zeros(256, dtype=bool)
    cut[list(CUTS)] = True
    status = orders["status"]
    ended = (status == Status.CANCELLED) | (status == Status.EXPIRED)
    return (status == Status.REJECTED) | (ended & cut[orders["reason"]])


def count_refusals(run: Run) -> dict[str, int]:
    """Number of orders refused or cut by reason (lower-case name), most frequent first.

    Reads the orders only when the counters of the account say that there is something to find.
    """
    if not (run.state["rejected"] or run.state["cut"]):
        return {}
    orders = run.orders
    counts = np.bincount(orders["reason"][is_refused_or_cut(orders)], minlength=len(Reason))
    ranked = sorted(Reason, key=lambda reason: -int(counts[reason]))
    return {reason.name.lower(): int(counts[reason]) for reason in ranked if counts[reason]}


def decode_rejections(run: Run, orders: pl.DataFrame) -> pl.DataFrame:
    """The orders that were refused or cut, with the reason in words; `orders` is the decoded frame of all orders."""
    mask = is_refused_or_cut(run.orders)
    texts = pl.Series([REASON_TEXT.get(reason, reason.name.lower()) for reason in Reason], dtype=pl.String)
    return orders.filter(column(mask)).select(
        "order_id",
        "id",
        "symbol",
        "timestamp",
        "end_timestamp",
        "side",
        "order_type",
        pl.col("quantity").alias("requested_quantity"),
        "filled_quantity",
        (pl.col("quantity") - pl.col("filled_quantity")).alias("remaining_quantity"),
        "limit_price",
        "stop_price",
        "trail_amount",
        "status",
        "origin",
        pl.col("reason").alias("rejection_code"),
        pick(texts, run.orders["reason"][mask]).alias("rejection_reason"),
        "tag",
    )


def describe_refusals(metrics: Mapping[str, float | int], reasons: Mapping[str, int]) -> str:
    """One sentence: how many orders were refused and cut, and the main reason; empty when there are none."""
    refused, cut = int(metrics["num_rejected_orders"]), int(metrics["num_cut_orders"])
    if not (refused or cut):
        return ""
    parts = [f"{count:,} {verb}" for count, verb in ((refused, "refused"), (cut, "cut")) if count]
    text = f"{' and '.join(parts)} of {int(metrics['num_orders']):,} orders"
    if reasons:
        name, count = next(iter(reasons.items()))
        text += f"; mostly {name.upper()} ({count:,}): {REASON_TEXT.get(Reason[name.upper()], name)}"
    return text
