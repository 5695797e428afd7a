"""From the tape of a run to Polars frames: names, dates and words are put back where the kernel kept numbers.

Every function takes a `Run` and returns one frame; nothing here decides a price, a size or an order of events. The
columns of each frame are documented on the property of `Result` that serves it. Rows are decoded column by column
from the structured arrays, so that a million orders cost a few passes over memory.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from facade.results.columns import (
    column,
    enum_dtype,
    finite,
    null_unless,
    nulls,
    pick,
    side_of,
    symbols,
    times,
    words,
)
from facade.results.given import given_terms, written_in
from facade.results.origins import ORIGIN, origin_codes, told_origins
from facade.results.positions import settled_exposure
from facade.results.quoted import quoted, quoted_levels
from facade.results.returns import flow_factors, returns_of
from facade.results.run import Run
from ml4t_kernel import schema
from ml4t_kernel.schema import (
    ActionKind,
    Ambiguity,
    ChargeKind,
    EventKind,
    Kind,
    Phase,
    Reason,
    Status,
    TimeInForce,
)


def _intent_of_order(run: Run) -> np.ndarray:
    """(N,) int32 row of the intent that an order came from, -1 for orders no intent row stands for."""
    orders = run.orders
    count = len(run.inputs.intents.orders)
    intent = np.full(len(orders), -1, dtype=np.int32)
    if not count:
        return intent
    placed = run.book.placed[:count]
    rows = np.flatnonzero((placed >= 0) & (placed < len(orders))).astype(np.int32)
    # Reversed: where several intents point at one order (a replacement of an ended order), the first names it.
    intent[placed[rows[::-1]]] = rows[::-1]
    # An order that was replaced is no longer in `placed`; its detail remembers where it came from.
    lost = np.flatnonzero((intent < 0) & (orders["detail"] > 0))
    intent[lost] = run.tape.details["intent"][orders["detail"][lost]]
    return np.where(intent < count, intent, -1)


def _given_words(values: Sequence[str | None] | pl.Series | None, intent: np.ndarray) -> pl.Series:
    """(N,) what the user called the order (id or tag), null where nothing was given."""
    if values is None or len(values) == 0:
        return nulls(pl.Series("", [], dtype=pl.String), len(intent))
    return pick(pl.Series("", values, dtype=pl.String), intent, intent >= 0)


def _details(run: Run, intent: np.ndarray) -> dict[str, pl.Series]:
    """(N,) limit, stop and trail of each order in today's prices, null for types without them; intent: as above."""
    orders = run.orders
    kind = orders["kind"]
    detail = orders["detail"]
    rows = run.tape.details
    own = (detail > 0) & (detail < len(rows))
    safe = np.where(own, detail, 0)
    has_limit = own & ((kind == Kind.LIMIT) | (kind == Kind.STOP_LIMIT))
    has_stop = own & ((kind == Kind.STOP) | (kind == Kind.STOP_LIMIT))
    written = (written_in(run.inputs.intents.orders, intent, orders, rows), intent) if len(intent) else (intent,)
    levels = {name: quoted_levels(run, name, rows[name][safe], written) for name in ("limit", "stop", "trail")}
    return {
        "limit_price": finite(levels["limit"], has_limit),
        "stop_price": finite(levels["stop"], has_stop),
        "trail_amount": finite(levels["trail"], own & (kind == Kind.TRAILING_STOP)),
    }


def _parent_ids(run: Run) -> pl.Series:
    """(N,) order_id of the order that carries this one as a bracket child, null for all others."""
    rows = run.tape.details
    parent = np.where(run.orders["detail"] > 0, rows["parent"][run.orders["detail"]], 0)
    ids = np.where(parent > 0, rows["order"][parent], -1).astype(np.int64)
    return null_unless(column(ids), ids >= 0)


def _filled_amounts(run: Run, n: int) -> dict[str, pl.Series]:
    """Average price, fees and slippage of each of n orders, from its fills; null price without fills."""
    fills = run.fills[run.fills["order"] >= 0]
    row = fills["order"]
    shares = np.abs(fills["quantity"])
    total = np.bincount(row, shares, n)
    with np.errstate(invalid="ignore", divide="ignore"):
        average = np.bincount(row, shares * quoted(run, fills["price"], fills["asset"]), n) / total
    return {
        "average_price": finite(average, total > 0),
        # Of no rows at all numpy counts in integers.
        "commission": column(np.bincount(row, fills["fee"], n).astype(np.float64)),
        "slippage": column(np.bincount(row, fills["slippage"], n).astype(np.float64)),
    }


def decode_orders(run: Run) -> pl.DataFrame:
    """Every order, one row each, in order of submission."""
    orders = run.orders
    requested = np.ascontiguousarray(orders["requested"])
    intent = _intent_of_order(run)
    written = run.inputs.intents.orders if run.panel.multipliers is None else run.inputs.quoted_orders
    given = given_terms(run.inputs.intents.orders if written is None else written, intent, orders, run.tape.details)
    end = orders["end_bar"]
    return pl.DataFrame(
        {
            "order_id": np.arange(len(orders), dtype=np.int64),
            "id": _given_words(run.inputs.order_ids, intent),
            "symbol": symbols(run, orders["asset"]),
            "timestamp": times(run, orders["bar"]),
            "end_timestamp": times(run, end, end >= 0),
            "side": side_of(requested),
            "order_type": words(orders["kind"], enum_dtype(Kind)),
            "time_in_force": words(orders["time_in_force"], enum_dtype(TimeInForce)),
            "quantity": np.abs(requested),
            "signed_quantity": requested,
            "filled_quantity": np.abs(orders["filled"]),
            "working_quantity": np.abs(orders["left"]),
            **_details(run, intent),
            **{name: finite(values) for name, values in given.items()},
            **_filled_amounts(run, len(orders)),
            "status": words(orders["status"], enum_dtype(Status)),
            "reason": words(orders["reason"], enum_dtype(Reason), (orders["reason"] != Reason.NONE) & (end >= 0)),
            "origin": words(orders["origin"], ORIGIN),
            "parent_id": _parent_ids(run),
            "reduce_only": column(orders["reduce_only"] != 0),
            "tag": _given_words(run.inputs.tags, intent),
        }
    )


def decode_fills(run: Run) -> pl.DataFrame:
    """Every execution, one row each, in order of execution."""
    fills, orders = run.fills, run.orders
    quantity = np.ascontiguousarray(fills["quantity"])
    has_order = fills["order"] >= 0
    parent = orders[np.where(has_order, fills["order"], 0)] if len(orders) else np.zeros(len(fills), schema.ORDER)
    details = _details(run, _intent_of_order(run))
    limit, stop = (pick(details[name], fills["order"], has_order) for name in ("limit_price", "stop_price"))
    closes = (fills["bits"] & schema.EXIT_LEG) != 0
    origin = origin_codes(told_origins(fills, fills["bar"], run.tape.booked[: run.state["booked"]]))
    return pl.DataFrame(
        {
            "order_id": pick(pl.Series(np.arange(len(orders), dtype=np.int64)), fills["order"], has_order),
            "symbol": symbols(run, fills["asset"]),
            "timestamp": times(run, fills["bar"]),
            "side": side_of(quantity),
            "quantity": np.abs(quantity),
            "signed_quantity": quantity,
            "price": column(quoted(run, fills["price"], fills["asset"])),
            "commission": column(fills["fee"]),
            "slippage": column(fills["slippage"]),
            "order_type": words(parent["kind"], enum_dtype(Kind), has_order),
            "limit_price": limit,
            "stop_price": stop,
            "phase": words(fills["phase"], enum_dtype(Phase)),
            "passive": column((fills["bits"] & schema.PASSIVE) != 0),
            "origin": words(origin, ORIGIN),
            "exit_reason": words(origin, ORIGIN, closes),
        }
    )


def gross_exposure(run: Run) -> np.ndarray:
    """(bars,) value of all positions, long or short: recorded where shorting is allowed or on margin, else equity -
    cash."""
    if run.has_gross:
        return np.ascontiguousarray(run.tape.gross[: run.bars])
    rows = run.tape.equity[: run.bars]
    return np.abs(rows["equity"] - rows["cash"])


def open_positions(run: Run) -> np.ndarray:
    """(bars,) int32: assets held at the end of each bar, from the bars of round trips and open positions."""
    trades = run.tape.trades[: run.state["trades"]]
    held = run.book.positions[run.book.positions["shares"] != 0.0]
    change = np.bincount(trades["entry_bar"], minlength=run.bars + 1)
    change += np.bincount(held["born_bar"], minlength=run.bars + 1)
    change -= np.bincount(trades["exit_bar"], minlength=run.bars + 1)
    return np.cumsum(change[: run.bars]).astype(np.int32)


def decode_equity(run: Run) -> pl.DataFrame:
    """The account at the end of each bar done."""
    rows = run.tape.equity[: run.bars]
    initial = float(run.config.initial_cash)
    equity = np.ascontiguousarray(rows["equity"])
    cash = np.ascontiguousarray(rows["cash"])
    return pl.DataFrame(
        {
            "timestamp": run.panel.timestamps.slice(0, len(equity)).alias("timestamp"),
            "equity": equity,
            **performance(equity, initial, run.flows),
            "cash": cash,
            "gross_exposure": gross_exposure(run),
            "net_exposure": equity - cash + settled_exposure(run),
            "open_positions": open_positions(run),
        }
    )


def performance(equity: np.ndarray, initial: float, flows: np.ndarray | None) -> dict[str, pl.Series | np.ndarray]:
    """Columns of the equity frame that say how an account did, net of (T,) flows."""
    # In money of the beginning: as if nothing had been paid in or out since.
    factor = 1.0 if flows is None else flow_factors(equity, initial, flows)
    grown = equity / factor
    peak = np.maximum.accumulate(np.concatenate([[initial], grown]))[1:]
    return {
        "return": finite(returns_of(equity, initial, flows)),
        "cumulative_return": grown / initial - 1.0,
        "drawdown": grown / peak - 1.0,
        "high_water_mark": peak * factor,
    }


def decode_actions(run: Run) -> pl.DataFrame:
    """Corporate actions that met a position or a live order, in order of booking."""
    booked = run.tape.booked[: run.state["booked"]]
    is_price = booked["kind"] != ActionKind.SPLIT
    value = np.where(is_price, quoted(run, booked["value"], booked["asset"]), booked["value"])
    return pl.DataFrame(
        {
            "timestamp": times(run, booked["bar"]),
            "symbol": symbols(run, booked["asset"]),
            "kind": words(booked["kind"], enum_dtype(ActionKind)),
            "value": finite(value),
            "quantity": column(booked["shares"]),
            "cash": column(booked["cash"]),
        }
    )


def decode_charges(run: Run) -> pl.DataFrame:
    """Borrow fees, interest, funding and flows, sorted by time, kind and symbol."""
    rows = run.tape.charges[: run.state["charges"]]
    rows = rows[np.lexsort((rows["asset"], rows["kind"], rows["bar"]))]
    return pl.DataFrame(
        {
            "timestamp": times(run, rows["bar"]),
            "symbol": _symbols_or_null(run, rows["asset"]),
            "kind": words(rows["kind"], enum_dtype(ChargeKind)),
            "amount": column(rows["amount"]),
        }
    )


def _symbols_or_null(run: Run, assets: np.ndarray) -> pl.Series:
    """Symbols; null for the account, which has the number -1."""
    return null_unless(symbols(run, np.maximum(assets, 0)), assets >= 0)


def decode_events(run: Run) -> pl.DataFrame:
    """What happened to the account, in order."""
    rows = run.tape.incidents[: run.state["incidents"]]
    return pl.DataFrame(
        {
            "timestamp": times(run, rows["bar"]),
            "kind": words(rows["kind"], enum_dtype(EventKind)),
            "symbol": _symbols_or_null(run, rows["asset"]),
            "quantity": finite(rows["quantity"]),
            "value": finite(rows["value"]),
            "limit": finite(rows["limit"]),
        }
    )


def decode_margin(run: Run) -> pl.DataFrame:
    """Requirements and what they leave at the end of each bar done; no rows in a cash account."""
    params = run.inputs.params[0]
    bars = run.bars if params["margin"] else 0
    rows = run.tape.margin[:bars]
    equity = run.tape.equity["equity"][:bars]
    with np.errstate(invalid="ignore", divide="ignore"):
        leverage = np.where(equity > 0, gross_exposure(run)[:bars] / equity, np.nan)
    return pl.DataFrame(
        {
            "timestamp": run.panel.timestamps.slice(0, bars).alias("timestamp"),
            "initial": column(rows["initial"]),
            "maintenance": column(rows["maintenance"]),
            "available_funds": equity * (1.0 - params["cash_buffer"]) - rows["initial"],
            "excess_liquidity": equity - rows["maintenance"],
            "leverage": finite(leverage),
        }
    )


def decode_ambiguous_bars(run: Run) -> pl.DataFrame:
    """Bars that do not tell which of two things happened first, sorted by time, symbol and kind."""
    rows = run.tape.ambiguous[: run.state["ambiguous"]]
    rows = rows[np.lexsort((rows["kind"], rows["asset"], rows["bar"]))]
    return pl.DataFrame(
        {
            "timestamp": times(run, rows["bar"]),
            "symbol": symbols(run, rows["asset"]),
            "kind": words(rows["kind"], enum_dtype(Ambiguity)),
        }
    )
