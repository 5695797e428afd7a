"""What an order may not say, each rule once; the columns object makes the error that names the cell."""

from __future__ import annotations

import numpy as np
import polars as pl

from facade.config.knobs import Range
from facade.config.model import KNOBS, RULE_FIELDS, RULE_SWITCHES
from facade.strategies.order_columns import OrderColumns
from facade.strategies.reading import MOST
from ml4t_kernel.schema import RULES, IntentAction, Kind, TimeInForce

SUBMIT, CANCEL, REPLACE = (int(action) for action in IntentAction)
MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING = (int(kind) for kind in Kind)
PRICES = {
    "limit_price": ("limit", (LIMIT, STOP_LIMIT), "limit and stop-limit"),
    "stop_price": ("stop", (STOP, STOP_LIMIT), "stop and stop-limit"),
    "trail_amount": ("trail", (TRAILING,), "trailing-stop"),
}
"""Column -> field of INTENT, the order types that take it, and their names."""
RULE_COLUMNS = RULES.names or ()
"""Columns of the rules that an order carries: the fields of RULES."""
RULE_RANGES = {name: KNOBS[name].range or Range() for name in RULE_SWITCHES}
RULE_RANGES |= {name: Range(above=0) for name in RULE_COLUMNS if name not in RULE_FIELDS}


def check_orders(columns: OrderColumns, intents: np.ndarray, rules: np.ndarray) -> None:
    """Everything that can be judged from one row alone."""
    action = intents["action"]
    submits = action == SUBMIT
    _check_quantity(columns, intents)
    _check_prices(columns, intents)
    _check_time(columns, intents)
    columns.fail_where(
        submits & columns.frame["symbol"].is_null().to_numpy(), "symbol", "a submitted order needs a symbol"
    )
    for name in ("parent", "group"):
        columns.fail_where(~submits & columns.text(name).is_not_null().to_numpy(), name, "belongs to a submitted order")
    columns.fail_where(~submits & columns.text("id").is_null().to_numpy(), "id", "cancel and replace name an order")
    columns.fail_where(~submits & (intents["reduce_only"] != 0), "reduce_only", "belongs to a submitted order")
    columns.fail_where(np.isinf(intents["rank"]), "rank", "must be finite")
    _check_rules(columns, intents, rules)


def _check_quantity(columns: OrderColumns, intents: np.ndarray) -> None:
    quantity, action = intents["quantity"], intents["action"]
    missing = np.isnan(quantity)
    columns.fail_where((action == SUBMIT) & missing, "quantity", "a submitted order needs a quantity of signed shares")
    columns.fail_where(np.isinf(quantity), "quantity", "must be finite")
    columns.fail_where(np.abs(quantity) > MOST, "quantity", f"must be at most {MOST:g} in absolute value")
    columns.fail_where((action != CANCEL) & (quantity == 0), "quantity", "must not be zero")
    columns.fail_where((action == CANCEL) & ~missing & (quantity != 0), "quantity", "a cancel takes no quantity")


def _check_prices(columns: OrderColumns, intents: np.ndarray) -> None:
    action, kind = intents["action"], intents["kind"]
    submits = action == SUBMIT
    for column, (field, kinds, names) in PRICES.items():
        value = intents[field]
        missing = np.isnan(value)
        takes = np.isin(kind, kinds)
        columns.fail_where(submits & takes & missing, column, f"{names} orders need it")
        columns.fail_where(submits & ~takes & ~missing, column, f"only {names} orders take it")
        columns.fail_where(~missing & ~((value > 0) & np.isfinite(value)), column, "must be positive and finite")
        columns.fail_where((action == CANCEL) & ~missing, column, "a cancel takes no price")


def _check_time(columns: OrderColumns, intents: np.ndarray) -> None:
    kind, times, bars = intents["kind"], intents["time_in_force"], intents["bars"]
    counted = times == int(TimeInForce.BARS)
    phased = np.isin(times, (int(TimeInForce.AT_OPEN), int(TimeInForce.AT_CLOSE)))
    columns.fail_where(counted & (bars == 0), "bars", "time_in_force 'bars' needs the number of bars, n >= 1")
    columns.fail_where(~counted & (bars != 0), "bars", "only time_in_force 'bars' takes a number of bars")
    columns.fail_where(
        phased & ~np.isin(kind, (MARKET, LIMIT)),
        "time_in_force",
        "at_open and at_close are for market and limit orders",
    )


def _check_rules(columns: OrderColumns, intents: np.ndarray, rules: np.ndarray) -> None:
    """Ranges of the rules an order carries; inf switches the run-wide value off."""
    if len(rules) == 1:
        return
    carried = rules[intents["rules"]]
    for column, allowed in RULE_RANGES.items():
        value = carried[column]
        outside = ~np.isnan(value) & ~np.isposinf(value) & ~allowed.holds(value)
        columns.fail_where(outside, column, f"must be {allowed}, or inf for none")
    activation = carried["trail_activation"]
    rule = f"must be {KNOBS['trail_activation'].range}"
    columns.fail_where(~np.isnan(activation) & ~(activation >= 0), "trail_activation", rule)
    for column in RULE_COLUMNS:
        columns.fail_where(
            (intents["action"] != SUBMIT) & ~np.isnan(carried[column]), column, "rules belong to a submitted order"
        )


def check_references(columns: OrderColumns, intents: np.ndarray, given: dict[str, np.ndarray]) -> None:
    """Parents, targets and groups: that they exist, came first, and are on the same asset."""
    _check_parents(columns, intents)
    _check_targets(columns, intents, given)
    groups = intents["group"]
    if (groups >= 0).any():
        pairs = pl.DataFrame({"group": groups, "symbol": columns.frame["symbol"].cast(pl.String)})
        differs = pairs.select(pl.col("symbol").first().over("group") != pl.col("symbol")).to_series()
        other = differs.fill_null(False).to_numpy()
        columns.fail_where((groups >= 0) & other, "group", "all orders of a group are on one asset")


def _check_parents(columns: OrderColumns, intents: np.ndarray) -> None:
    labelled = columns.text("parent").is_not_null().to_numpy()
    if not labelled.any():
        return
    parent, rows = intents["parent"], np.arange(len(intents))
    columns.fail_where(labelled & (parent < 0), "parent", "is not the id of a submitted order")
    columns.fail_where(labelled & (parent >= rows), "parent", "must be submitted in a row before its children")
    symbols, stamps = columns.frame["symbol"].cast(pl.String), columns.frame["timestamp"].to_physical()
    at = np.maximum(parent, 0)
    columns.fail_where(labelled & (stamps[at] != stamps).to_numpy(), "parent", "a child comes at its parent's bar")
    other = (symbols[at] != symbols).fill_null(False).to_numpy()  # a cancel may leave its symbol out
    columns.fail_where(labelled & other, "parent", "a child is on its parent's asset")
    same_side = intents["quantity"][at] * intents["quantity"] > 0
    columns.fail_where(labelled & same_side, "quantity", "a child is on the opposite side of its parent")
    columns.fail_where(labelled & labelled[at], "parent", "a child cannot be a parent")
    columns.fail_where(labelled & (intents["reduce_only"][at] != 0), "parent", "a reduce-only order opens nothing")
    columns.fail_where(labelled & (intents["group"] >= 0), "group", "the children of a parent are a group of their own")


def _check_targets(columns: OrderColumns, intents: np.ndarray, given: dict[str, np.ndarray]) -> None:
    action, target = intents["action"], intents["target"]
    changes = action != SUBMIT
    if not changes.any():
        return
    columns.fail_where(changes & (target < 0), "id", "is not the id of a submitted order")
    columns.fail_where(changes & (target > np.arange(len(intents))), "id", "is the id of an order submitted later")
    at = np.maximum(target, 0)
    symbols = columns.frame["symbol"].cast(pl.String)
    other = (symbols[at] != symbols).fill_null(False).to_numpy()
    columns.fail_where(changes & other, "symbol", "is not the symbol of the order it refers to")
    replaces = action == REPLACE
    for column, (field, kinds, names) in PRICES.items():
        takes = np.isin(intents["kind"][at], kinds)
        columns.fail_where(replaces & ~np.isnan(intents[field]) & ~takes, column, f"only {names} orders take it")
    for column, field in (("type", "kind"), ("time_in_force", "time_in_force")):
        other = given[column] & (intents[field] != intents[field][at])
        columns.fail_where(replaces & other, column, "a replacement keeps what it does not name: leave it null")
    turned = intents["quantity"][at] * intents["quantity"] < 0
    columns.fail_where(replaces & turned, "quantity", "a replacement keeps the side of the order")
