"""Strategies given as data: what each refuses when it is built, and in which words."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from facade.errors import StrategyError
from facade.strategies.orders import Orders
from facade.strategies.signals import Signals
from facade.strategies.targets import TargetShares, TargetWeights
from ml4t_kernel.schema import IntentAction, Kind, TimeInForce


def orders(*rows, **common):
    """A frame of orders on asset A at bar 0, ten shares, unless a row says otherwise."""
    full = [{"timestamp": 0, "symbol": "A", "quantity": 10.0, **common, **row} for row in rows]
    return pl.from_dicts(full, infer_schema_length=None)


def intents(*rows, **common):
    return Orders(orders(*rows, **common)).table.intents


def refused(match, *rows, **common):
    with pytest.raises(StrategyError, match=match):
        Orders(orders(*rows, **common))


def test_missing_columns_take_their_defaults():
    row = intents({})[0]
    assert (row["kind"], row["time_in_force"], row["action"]) == (0, 0, 0)
    assert np.isnan([row["limit"], row["stop"], row["trail"], row["rank"]]).all()
    for field in ("target", "parent", "first_child", "next_sibling", "group"):
        assert row[field] == -1
    assert row["reduce_only"] == 0 and row["rules"] == 0 and row["bars"] == 0


def test_names_in_any_case_and_aliases():
    table = intents(
        {"type": "MOO"},
        {"type": "Moc"},
        {"type": "Stop-Limit", "limit_price": 1.0, "stop_price": 2.0},
        {"type": "TRAILING_STOP", "trail_amount": 0.5, "time_in_force": "Day"},
        {"type": None, "time_in_force": "IOC"},
        {"type": "limit", "limit_price": 3.0, "time_in_force": "bars", "bars": 2},
    )
    assert list(table["kind"]) == [0, 0, Kind.STOP_LIMIT, Kind.TRAILING_STOP, 0, Kind.LIMIT]
    assert list(table["time_in_force"]) == [TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE, 0, TimeInForce.DAY, 3, 2]
    assert table["bars"][5] == 2


def test_rows_are_sorted_by_time_and_then_as_submitted():
    made = Orders(orders({"timestamp": 2, "quantity": 1.0}, {"timestamp": 1, "quantity": 2.0}, {"timestamp": 1}))
    assert list(made.table.intents["quantity"]) == [2.0, 10.0, 1.0] and list(made.table.rows) == [1, 2, 0]


@pytest.mark.parametrize(
    ("match", "row"),
    [
        ("column 'limit_price', value None: limit and stop-limit orders need it", {"type": "limit"}),
        ("'limit_price', value 5.0: only limit", {"limit_price": 5.0}),
        ("'stop_price', value None", {"type": "stop"}),
        ("'trail_amount', value None", {"type": "trailing_stop"}),
        ("'limit_price', value -1.0: must be positive", {"type": "limit", "limit_price": -1.0}),
        ("'quantity', value inf: must be finite", {"quantity": float("inf")}),
        ("'quantity', value nan: a submitted order needs", {"quantity": float("nan")}),
        ("'quantity', value 0.0: must not be zero", {"quantity": 0.0}),
        ("'type', value 'limt': is not one of market, limit", {"type": "limt"}),
        ("'time_in_force', value 'gtd': is not one of", {"time_in_force": "gtd"}),
        (
            "at_open and at_close are for market and limit",
            {"type": "stop", "stop_price": 1.0, "time_in_force": "at_open"},
        ),
        ("contradicts the order type", {"type": "moo", "time_in_force": "at_close"}),
        ("'bars', value None: time_in_force 'bars' needs", {"time_in_force": "bars"}),
        ("only time_in_force 'bars' takes", {"bars": 3}),
        ("'bars', value 1.5: must be an integer", {"time_in_force": "bars", "bars": 1.5}),
        ("'parent', value 'x': is not the id", {"parent": "x"}),
        ("'id', value 'x': is not the id", {"action": "cancel", "id": "x", "quantity": None}),
        ("'id', value None: cancel and replace name", {"action": "cancel", "quantity": None}),
        ("'stop_loss', value 5.0: must be 0 < x < 1", {"stop_loss": 5.0}),
        ("'take_profit', value -0.1: must be x > 0", {"take_profit": -0.1}),
        ("'time_exit', value 1.5: must be an integer", {"time_exit": 1.5}),
        ("'trail_activation', value -1.0", {"trail_activation": -1.0}),
        ("'take_profit_price', value 0.0", {"take_profit_price": 0.0}),
        ("'rank', value inf: must be finite", {"rank": float("inf")}),
        ("'symbol', value None: a submitted order needs a symbol", {"symbol": None}),
    ],
)
def test_bad_order_names_row_symbol_date_column_value_and_rule(match, row):
    refused(match, {"timestamp": 0}, {"timestamp": 7, **row})
    refused(r"row 1 \((A|None), 7\)", {"timestamp": 0}, {"timestamp": 7, **row})


def test_further_offenders_are_counted():
    refused(r"\(2 more like it\)", *[{"quantity": 0.0}] * 3)


def test_duplicate_id_is_refused():
    refused("row 1 .*'id', value 'x': is the id of an earlier order", {"id": "x"}, {"id": "x"})


def test_bracket_links_children_in_order():
    table = intents(
        {"id": "p"},
        {"parent": "p", "quantity": -10.0, "type": "limit", "limit_price": 12.0},
        {"id": "q"},
        {"parent": "p", "quantity": -10.0, "type": "stop", "stop_price": 8.0},
        {"parent": "q", "quantity": -5.0, "type": "stop", "stop_price": 8.0},
    )
    assert list(table["parent"]) == [-1, 0, -1, 0, 2]
    assert list(table["first_child"]) == [1, -1, 4, -1, -1]
    assert list(table["next_sibling"]) == [-1, 3, -1, -1, -1]
    assert list(table["reduce_only"]) == [0, 1, 0, 1, 1]


CHILD = {"parent": "p", "quantity": -10.0, "type": "limit", "limit_price": 12.0}


@pytest.mark.parametrize(
    ("match", "parent", "child"),
    [
        ("opposite side", {}, {"quantity": 10.0}),
        ("on its parent's asset", {}, {"symbol": "B"}),
        ("at its parent's bar", {}, {"timestamp": 1}),
        ("a reduce-only order opens nothing", {"reduce_only": True}, {}),
        ("a group of their own", {}, {"group": "g"}),
        ("is not the id of a submitted order", {"id": "other"}, {}),
    ],
)
def test_children_that_cannot_be(match, parent, child):
    refused(match, {"id": "p", **parent}, {**CHILD, **child})


def test_child_comes_after_its_parent_and_has_no_children():
    refused("in a row before", CHILD, {"id": "p"})
    refused("a child cannot be a parent", {"id": "p"}, {**CHILD, "id": "c"}, {"parent": "c", "quantity": 10.0})


def test_group_is_on_one_asset():
    table = intents({"group": "g"}, {"group": None}, {"group": "h"}, {"group": "g"})
    assert table["group"][0] == table["group"][3] >= 0
    assert table["group"][1] == -1 and table["group"][2] not in (-1, table["group"][0])
    refused("all orders of a group are on one asset", {"group": "g"}, {"group": "g", "symbol": "B"})


def test_cancel_and_replace_refer_to_an_earlier_order():
    limit = {"id": "x", "type": "limit", "limit_price": 9.0}
    made = Orders(
        orders(
            limit,
            {"timestamp": 1, "action": "replace", "id": "x", "symbol": None, "quantity": None, "limit_price": 8.0},
            {"timestamp": 2, "action": "cancel", "id": "x", "quantity": None},
        )
    )
    table = made.table.intents
    assert list(table["target"]) == [-1, 0, 0] and list(made.table.symbols) == ["A"] * 3
    assert list(table["action"]) == [IntentAction.SUBMIT, IntentAction.REPLACE, IntentAction.CANCEL]
    assert table["limit"][1] == 8.0 and np.isnan(table["quantity"][1]) and table["kind"][1] == Kind.LIMIT


REPLACE = {"timestamp": 1, "action": "replace", "id": "x", "quantity": None}


@pytest.mark.parametrize(
    ("match", "row"),
    [
        ("keeps the side", {"quantity": -5.0}),
        ("only stop and stop-limit orders take it", {"stop_price": 3.0}),
        ("must not be zero", {"quantity": 0.0}),
        ("keeps what it does not name", {"type": "market"}),
        ("is not the symbol of the order", {"symbol": "B"}),
        ("rules belong to a submitted order", {"stop_loss": 0.1}),
        ("is the id of an order submitted later", {"timestamp": -1}),
        ("belongs to a submitted order", {"group": "g"}),
        ("a cancel takes no price", {"action": "cancel", "limit_price": 1.0}),
        ("a cancel takes no quantity", {"action": "cancel", "quantity": 1.0}),
    ],
)
def test_changes_that_cannot_be(match, row):
    refused(match, {"id": "x", "type": "limit", "limit_price": 9.0}, {**REPLACE, **row})


def test_rules_carried_by_orders():
    made = Orders(
        orders({}, {"stop_loss": 0.1, "stop_loss_price": 4.0}, {"time_exit": 3}, {"take_profit": float("inf")})
    )
    rules = made.table.rules
    assert list(made.table.intents["rules"]) == [0, 1, 2, 3] and np.isnan(rules[0].tolist()).all()
    assert rules["stop_loss"][1] == 0.1 and rules["stop_loss_price"][1] == 4.0 and np.isnan(rules["take_profit"][1])
    assert rules["time_exit"][2] == 3 and rules["take_profit"][3] == np.inf


def test_columns_and_dtypes_of_orders_are_checked():
    good = orders({})
    with pytest.raises(StrategyError, match="column 'limit' is not known; here it is limit_price"):
        Orders(good.with_columns(limit=1.0))
    with pytest.raises(StrategyError, match="column 'symbol' is missing"):
        Orders(good.drop("symbol"))
    with pytest.raises(StrategyError, match="'timestamp' must be Date, Datetime or bar numbers, got String"):
        Orders(good.with_columns(timestamp=pl.lit("2020-01-01")))
    with pytest.raises(StrategyError, match="'quantity' must be numeric"):
        Orders(good.with_columns(quantity=pl.lit("ten")))
    with pytest.raises(StrategyError, match="'reduce_only' must be boolean"):
        Orders(good.with_columns(reduce_only=1))
    with pytest.raises(StrategyError, match="'timestamp': null"):
        Orders(good.with_columns(timestamp=pl.lit(None, pl.Int64)))
    with pytest.raises(StrategyError, match="numpy arrays go to from_array"):
        Orders(np.zeros(3))


def test_sources_lazy_arrow_and_empty():
    frame = orders({}, {"symbol": "B"})
    for source in (frame.lazy(), frame.to_arrow(), frame.with_columns(pl.col("symbol").cast(pl.Categorical))):
        assert len(Orders(source).table.intents) == 2
    assert len(Orders(frame.clear()).table.intents) == 0
    assert isinstance(frame.to_arrow(), pa.Table)


LONG = pl.DataFrame({"timestamp": [0, 0, 1], "symbol": ["A", "B", "A"], "weight": [0.5, 0.5, 1.0]})


def test_targets_check_columns_when_built():
    with pytest.raises(StrategyError, match="needs one column called weight or target"):
        TargetWeights(LONG.rename({"weight": "w"}))
    with pytest.raises(StrategyError, match=r"row 2 \(A, 1\), column 'weight', value inf: must be finite"):
        TargetWeights(LONG.with_columns(weight=pl.Series([0.1, 0.2, float("inf")])))
    with pytest.raises(StrategyError, match="row 1, column 'timestamp': 0 is given twice"):
        TargetWeights(pl.DataFrame({"timestamp": [0, 0], "A": [1.0, 1.0]}))
    with pytest.raises(StrategyError, match="must be numeric"):
        TargetWeights(pl.DataFrame({"timestamp": [0], "A": ["x"]}))
    with pytest.raises(StrategyError, match="min_weight_change=-1"):
        TargetWeights(LONG, min_weight_change=-1)
    with pytest.raises(StrategyError, match="expected a numeric array"):
        TargetWeights.from_array(np.zeros((1, 1, 1)))
    with pytest.raises(StrategyError, match="min_notional"):
        TargetShares.from_array(np.zeros((1, 1)), min_notional=-1.0)


def test_signals_need_an_entry_and_sensible_options():
    flags = np.ones((2, 1), bool)
    with pytest.raises(StrategyError, match="give entries, short_entries, or both"):
        Signals.from_arrays(None, flags)
    with pytest.raises(StrategyError, match="size_type='percent' is not one of"):
        Signals.from_arrays(flags, size_type="percent")
    with pytest.raises(StrategyError, match=r"size=0\.0 is not allowed"):
        Signals.from_arrays(flags, size=0.0)
    with pytest.raises(StrategyError, match="entries must be boolean, got float64"):
        Signals.from_arrays(flags.astype(float))
    with pytest.raises(StrategyError, match="accumulate='yes'"):
        Signals.from_arrays(flags, accumulate="yes")
    Signals.from_arrays(None, short_entries=flags)


def test_signal_frames_in_their_forms():
    long = pl.DataFrame({"timestamp": [0], "symbol": ["A"], "entry": [True], "exits": [False], "mine": [True]})
    assert list(Signals(long).flags) == ["entries", "exits"]
    assert list(Signals(long, short_exits="mine").flags) == ["entries", "exits", "short_exits"]
    wide = pl.DataFrame({"timestamp": [0], "A": [True]})
    assert list(Signals(wide, exits=wide).flags) == ["entries", "exits"]
    one = long.select("timestamp", "symbol", "mine")
    assert list(Signals(one, short_entries=one).flags) == ["entries", "short_entries"]
    with pytest.raises(StrategyError, match="exits is given twice"):
        Signals(long, exits=one)
    with pytest.raises(StrategyError, match="names a column, so entries must be a long frame"):
        Signals(wide, exits="A")
    with pytest.raises(StrategyError, match="must be boolean"):
        Signals(wide.with_columns(A=1.0))
    with pytest.raises(StrategyError, match="'A' is given twice at 0"):
        Signals(pl.concat([long, long]))


def test_reprs_are_short():
    assert repr(Orders(orders({}))) == "Orders(1 rows)"
    assert repr(TargetWeights(LONG)) == "TargetWeights(3 long rows)"
    assert repr(TargetShares.from_array(np.zeros((2, 3)))) == "TargetShares(2 x 3)"
