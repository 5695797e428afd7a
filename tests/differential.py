"""The compiled kernel against the naive reference engine: one scenario through both, and the first difference.

A scenario is plain data (see `reference.scenarios`). `kernel_outcome` gives it to the public pieces of the facade
(`Panel.from_arrays`, a strategy object, `encode`, `execute`) and reads the tape back in the form of the reference's
outcome; `first_difference` names the earliest thing on which the two disagree.
"""

import math
import warnings
from functools import cache

import numpy as np
import polars as pl

from facade import Config, Orders, Panel, Signals, TargetShares, TargetWeights
from facade.data.flows import read_flows
from facade.encode.inputs import encode
from facade.execute import execute
from facade.results.decode import gross_exposure, open_positions
from ml4t_kernel.schema import Status
from reference import run as reference_run
from reference.enums import STOCK
from reference.shrink import describe, shrink
from terms_frames import in_quoted_prices, terms_of

MARGIN_CALL, _, FLOW_REFUSED, RECALL = range(4)  # kinds of events
PRICES = ("open", "high", "low", "close", "volume")
BARWISE = (*PRICES, "session")
ORDER_SCHEMA = {
    "timestamp": pl.Int64,
    "symbol": pl.String,
    "quantity": pl.Float64,
    "type": pl.String,
    "limit_price": pl.Float64,
    "stop_price": pl.Float64,
    "trail_amount": pl.Float64,
    "time_in_force": pl.String,
    "bars": pl.Float64,
    "action": pl.String,
    "id": pl.String,
    "parent": pl.String,
    "group": pl.String,
    "reduce_only": pl.Boolean,
    "rank": pl.Float64,
    "stop_loss": pl.Float64,
    "take_profit": pl.Float64,
    "trailing_stop": pl.Float64,
    "trail_activation": pl.Float64,
    "break_even": pl.Float64,
    "time_exit": pl.Float64,
    "stop_loss_price": pl.Float64,
    "take_profit_price": pl.Float64,
}
ORDER_FIELDS = "asset bar end_bar kind time_in_force status reason origin requested filled left".split()
FILL_FIELDS = "order bar asset phase origin quantity price fee slippage flags".split()
TRADE_FIELDS = "asset entry_bar exit_bar quantity entry_price exit_price pnl fees slippage mfe mae origin".split()
BOOKED_FIELDS = "bar asset kind value shares cash".split()
CHARGE_FIELDS = "bar asset kind amount".split()
EVENT_FIELDS = "bar asset kind quantity value limit".split()
MARGIN_FIELDS = ("initial", "maintenance")
CHARGED = ("interest", "borrow_fees", "funding", "flows")
WHOLE = {"asset", "bar", "end_bar", "kind", "time_in_force", "status", "reason", "origin", "order", "phase", "flags"}
WHOLE |= {"entry_bar", "exit_bar"}
PRIORITIES = {"charges": 0, "fills": 0, "orders": 1, "events": 1, "booked": 2, "trades": 3}
"""Of what differs on the same bar that is told which comes first; a charge comes before the open."""


# Scenario to facade --------------------------------------------------------------------------------------------------


def grid(rows):
    """(T, A) float64 of a list of rows, NaN for None."""
    return np.array(rows, dtype=np.float64)


@cache
def symbol(asset):
    """The name `Panel.from_arrays` gives a column."""
    return f"A{asset}"


def panel_of(scenario):
    """The scenario's market: prices, sessions and actions; a spread a bar and asset is an extra column."""
    arrays = {name: grid(scenario[name]) for name in PRICES}
    if np.isnan(arrays["volume"]).all():
        arrays["volume"] = None
    spread = scenario["config"].get("spread")
    extras = {"spread": grid(spread)} if isinstance(spread, list) and isinstance(spread[0], list) else None
    terms = terms_of(scenario, symbol)
    return Panel.from_arrays(
        **arrays, sessions=sessions_of(scenario), actions=actions_of(scenario), extras=extras, **terms
    )


def sessions_of(scenario):
    """(T,) sessions: numbers, or dates where the numbers of the scenario are days."""
    return np.array(scenario["session"], dtype="datetime64[D]" if scenario.get("dated") else np.int64)


def actions_of(scenario):
    """Actions as a frame; the ex-date is that of the bar, or its number. They are on first bars of sessions."""
    rows, dated = scenario["actions"], scenario.get("dated")
    if not rows:
        return None
    days = sessions_of(scenario).tolist() if dated else range(len(scenario["session"]))
    return pl.DataFrame(
        {
            "symbol": [symbol(row["asset"]) for row in rows],
            "ex_date": [days[row["bar"]] for row in rows],
            "kind": [row["kind"] for row in rows],
            "value": [row["value"] for row in rows],
        },
        schema={"symbol": pl.String, "ex_date": pl.Date if dated else pl.Int64, "kind": pl.String, "value": pl.Float64},
    )


def config_of(scenario):
    """The configuration; no cap unless the scenario names one, because the default of the facade is "auto"."""
    values = {"max_participation": None, **scenario["config"]}
    spread = values.get("spread")
    if isinstance(spread, list):
        values["spread"] = (
            "spread" if isinstance(spread[0], list) else dict(zip(map(symbol, range(len(spread))), spread, strict=True))
        )
    return Config(**values)


def strategy_of(scenario):
    """The strategy as the facade takes it."""
    strategy = scenario["strategy"]
    if strategy["kind"] == "orders":
        return Orders(order_frame(strategy["rows"]))
    if strategy["kind"] == "signals":
        return signals_of(strategy)
    bars, assets = len(scenario["close"]), len(scenario["close"][0])
    targets = np.full((bars, assets), np.nan)
    for row in strategy["rows"]:
        targets[row["bar"]] = row["targets"]
    if strategy["kind"] == "shares":
        return TargetShares.from_array(targets, min_notional=strategy["min_notional"])
    return TargetWeights.from_array(
        targets, min_notional=strategy["min_notional"], min_weight_change=strategy["min_weight_change"]
    )


def order_frame(rows):
    """Rows of user orders as a frame with the columns that any of them uses."""
    used = {name for row in rows for name, value in row.items() if value is not None} - {"bar", "asset"}
    columns = {"timestamp": [row["bar"] for row in rows], "symbol": [symbol(row["asset"]) for row in rows]}
    columns["quantity"] = [row.get("quantity") for row in rows]
    submitted_types = {
        row["id"]: row["type"] for row in rows if row.get("action", "submit") == "submit" and "id" in row
    }
    assert all(row["type"] == submitted_types.get(row.get("id"), row["type"]) for row in rows)
    for name in used - {"quantity"}:
        columns[name] = [row.get(name) for row in rows]
    return pl.DataFrame(columns, schema={name: ORDER_SCHEMA[name] for name in columns})


def signals_of(strategy):
    """Signals given as arrays; sizes and ranks are a number or an array."""
    names = ("entries", "exits", "short_entries", "short_exits")
    flags = {name: np.array(strategy[name], dtype=bool) for name in names}
    size, rank = strategy["size"], strategy["rank"]
    return Signals.from_arrays(
        **flags,
        size=grid(size) if isinstance(size, list) else size,
        size_type=strategy["size_type"],
        rank=None if rank is None else grid(rank),
        accumulate=strategy["accumulate"],
    )


def flows_of(scenario):
    """Flows as a frame, timed by the numbers of their bars; None without any."""
    flows = scenario.get("flows")
    if not flows:
        return None
    bars, amounts = zip(*flows, strict=True)
    return pl.DataFrame({"timestamp": bars, "amount": amounts}, schema={"timestamp": pl.Int64, "amount": pl.Float64})


def encoded(scenario):
    """Panel, configuration and encoded inputs of a scenario."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        panel, config = panel_of(scenario), config_of(scenario)
        flows = read_flows(flows_of(scenario), panel)
        return panel, config, encode(panel, strategy_of(scenario), config, flows=flows)


def kernel_run(scenario):
    """The scenario's finished `Run`."""
    return execute(*encoded(scenario), False, ())


# Tape to outcome -----------------------------------------------------------------------------------------------------


def columns_of(rows, names, source=None):
    """Named columns of structured rows as lists; `source` renames ours to the tape's."""
    return {name: rows[(source or {}).get(name, name)].tolist() for name in names}


def outcome_of(run):
    """What the run wrote, column by column, named as in the reference's outcome, with quoted prices (0.7)."""
    state, tape = run.state, run.tape
    orders = columns_of(run.orders, ORDER_FIELDS)
    # while an order works the kernel keeps in `reason` what has cut it so far; it says something once the order ends
    orders["reason"] = [
        reason if bar >= 0 else 0 for reason, bar in zip(orders["reason"], orders["end_bar"], strict=True)
    ]
    fills = columns_of(run.fills, FILL_FIELDS, {"flags": "bits"})
    trades = columns_of(tape.trades[: state["trades"]], TRADE_FIELDS)
    booked = columns_of(tape.booked[: state["booked"]], BOOKED_FIELDS)
    charges = columns_of(tape.charges[: state["charges"]], CHARGE_FIELDS)
    events = columns_of(tape.incidents[: state["incidents"]], EVENT_FIELDS)
    margin = tape.margin[: run.bars if run.config.account == "margin" else 0]
    ambiguous = tape.ambiguous[: state["ambiguous"]]
    positions = run.book.positions
    outcome = {
        "orders": orders,
        "fills": fills,
        "trades": trades,
        "equity": tape.equity["equity"][: run.bars].tolist(),
        "cash": tape.equity["cash"][: run.bars].tolist(),
        "gross": gross_exposure(run).tolist(),
        "positions": open_positions(run).tolist(),
        "ambiguous": sorted(zip(*(ambiguous[name].tolist() for name in ("bar", "asset", "kind")), strict=True)),
        "booked": booked,
        "charges": charges,
        "events": only_what_is_named(events),
        **{name: margin[name].tolist() for name in MARGIN_FIELDS},
        "conflicts": int(state["conflicts"]),
        "capped": int(state["capped"]),
        "shares": positions["shares"].tolist(),
        "avg": positions["avg"].tolist(),
        "last": positions["mark"].tolist(),
        "realised": float(state["realised"]),
        "dividends": float(state["dividends"]),
        "fees": float(state["fees"]),
        **{name: float(state[name]) for name in CHARGED},
    }
    return outcome if run.panel.instruments is None else in_quoted_prices(outcome, instrument_rows(run)["multiplier"])


def instrument_rows(run):
    """(A,) rows of the panel's instruments: kind, multiplier and more."""
    return run.panel.instrument_rows


def only_what_is_named(events):
    """Events without what the contract does not name of their kind: NaN (8)."""
    kinds, table = events["kind"], dict(events)
    for name, kinds_with_it in (("quantity", (RECALL,)), ("limit", (MARGIN_CALL, FLOW_REFUSED, RECALL))):
        pairs = zip(kinds, events[name], strict=True)
        table[name] = [value if kind in kinds_with_it else math.nan for kind, value in pairs]
    return table


def event_columns(rows):
    """The reference's events column by column; asset -1 for none, NaN for what is not named."""
    unnamed = {"asset": -1, "quantity": math.nan, "value": math.nan, "limit": math.nan}
    return {name: [unnamed[name] if row[name] is None else row[name] for row in rows] for name in EVENT_FIELDS}


def reference_outcome(scenario):
    """The reference's outcome in the same columns."""
    out = reference_run(scenario)
    final = out["final"]
    return {
        "orders": {name: [row[name] for row in out["orders"]] for name in ORDER_FIELDS},
        "fills": {name: [row[name] for row in out["fills"]] for name in FILL_FIELDS},
        "trades": {name: [row[name] for row in out["trades"]] for name in TRADE_FIELDS},
        "booked": {
            name: [math.nan if row[name] is None else row[name] for row in out["booked"]] for name in BOOKED_FIELDS
        },
        "charges": {name: [row[name] for row in out["charges"]] for name in CHARGE_FIELDS},
        "events": event_columns(out["events"]),
        **{name: [row[i] for row in out["margin"]] for i, name in enumerate(MARGIN_FIELDS)},
        **{name: out[name] for name in ("equity", "cash", "gross", "positions")},
        "ambiguous": sorted(tuple(row) for row in out["ambiguous"]),
        "marked": any(row["kind"] for row in scenario.get("instruments") or ()),
        "conflicts": out["counters"]["conflicts"],
        "capped": out["counters"]["capped"],
        **{name: final[name] for name in ("shares", "avg", "last", "realised", "dividends", "fees", *CHARGED)},
    }


# What holds without a second opinion ---------------------------------------------------------------------------------


def assert_run_adds_up(run):
    """The account identity of the last bar, and the quantities of every order (clause 9)."""
    state, positions, orders = run.state, run.book.positions, run.orders
    held = positions["shares"] != 0
    unrealised = (positions["shares"] * (positions["mark"] - positions["avg"]))[held].sum()
    booked = state["dividends"] + state["interest"] - state["borrow_fees"] + state["funding"] + state["flows"]
    equity = run.config.initial_cash + state["realised"] + unrealised - state["fees"] + booked
    scale = max(run.config.initial_cash, float(np.abs(run.fills["quantity"] * run.fills["price"]).sum()))
    assert abs(equity - state["equity"]) <= 1e-9 * scale
    owned = held & (instrument_rows(run)["kind"] == STOCK)  # a future or perpetual is worth nothing in equity (0.7)
    cash = run.tape.equity["cash"][run.bars - 1]
    assert abs(cash + (positions["shares"] * positions["mark"])[owned].sum() - state["equity"]) <= 1e-9 * scale
    pending = orders["status"] <= int(Status.LIVE)
    assert ((orders["end_bar"] < 0) == pending).all()
    assert (orders["left"][~pending] == 0).all() and (orders["left"][pending] != 0).all()
    assert (np.abs(orders["filled"] + orders["left"]) <= np.abs(orders["requested"]) * (1 + 1e-9)).all()
    filled = orders["status"] == int(Status.FILLED)
    assert (np.abs(orders["filled"][filled]) >= np.abs(orders["requested"][filled]) * (1 - 1e-9)).all()


# Comparison ----------------------------------------------------------------------------------------------------------


def same(ours, theirs, tolerance, scale):
    """Equal, both NaN, or within tolerance of the larger of the values and `scale`."""
    if ours == theirs:
        return True
    if ours != ours or theirs != theirs:
        return ours != ours and theirs != theirs
    return abs(ours - theirs) <= tolerance * max(abs(ours), abs(theirs), scale)


def first_difference(scenario, exact):
    """None, or the earliest disagreement in words. exact: bit for bit, else 1e-9 relative."""
    ours, theirs = outcome_of(kernel_run(scenario)), reference_outcome(scenario)
    return compare(ours, theirs, 0.0 if exact else 1e-9)


def compare(ours, theirs, tolerance):
    """None, or what differs first: fills tell the cause, so they are read before orders and equity."""
    if theirs["marked"]:  # the kernel's cash has paid for the notional that it is told without (0.7)
        tolerance = max(tolerance, 1e-9)
    scale = max(map(abs, theirs["gross"]), default=0.0) + max(map(abs, theirs["cash"]), default=0.0)
    found = []
    charges = [without_dust(outcome["charges"], 1e-12 * scale if tolerance else 0.0) for outcome in (ours, theirs)]
    found += table_difference("charges", *charges, tolerance)
    for name in ("fills", "orders", "events", "booked", "trades"):
        # sums of requirements, whose rates no float holds exactly
        found += table_difference(
            name, ours[name], theirs[name], max(tolerance, 1e-12) if name == "events" else tolerance
        )
    # a long-only account keeps no gross exposure of its own: it is equity less cash, off by their last bits
    loose = {"gross", *MARGIN_FIELDS}
    for name in ("cash", "equity", "gross", *MARGIN_FIELDS):
        for bar, (a, b) in enumerate(zip(ours[name], theirs[name], strict=True)):
            if not same(a, b, max(tolerance, 1e-12) if name in loose else tolerance, scale):
                found.append((bar, 4, f"{name} at bar {bar}: kernel {a!r}, reference {b!r}"))
                break
    if ours["positions"] != theirs["positions"]:
        bar = next(i for i, (a, b) in enumerate(zip(ours["positions"], theirs["positions"], strict=True)) if a != b)
        found.append(
            (bar, 5, f"positions at bar {bar}: kernel {ours['positions'][bar]}, reference {theirs['positions'][bar]}")
        )
    odd = sorted(set(ours["ambiguous"]) ^ set(theirs["ambiguous"])) or (ours["ambiguous"] != theirs["ambiguous"])
    if odd:
        row = odd[0] if isinstance(odd, list) else None
        who = "kernel" if row in ours["ambiguous"] else "reference"
        found.append((row[0] if row else 0, 3, f"ambiguous (bar, asset, kind) {row}: only the {who}"))
    found += final_differences(ours, theirs, tolerance, scale)
    return min(found)[2] if found else None


def without_dust(charges, dust):
    """Rows of charges above `dust`, by asset: cash of 1e-13 that rounding leaves instead of none bears interest."""
    kept = [i for i, amount in enumerate(charges["amount"]) if abs(amount) > dust]
    kept.sort(key=lambda i: (charges["bar"][i], charges["kind"][i], charges["asset"][i]))
    return {name: [column[i] for i in kept] for name, column in charges.items()}


def allowance(name, column, tolerance):
    """Relative tolerance of a column; the cash of a booking is a difference of balances in the reference."""
    if column in WHOLE:
        return 0.0
    return max(tolerance, 1e-12) if (name, column) == ("booked", "cash") else tolerance


def table_difference(name, ours, theirs, tolerance):
    """The first row that differs, as [(bar, priority, words)]."""
    n_ours, n_theirs = len(ours["asset"]), len(theirs["asset"])
    when, priority = "exit_bar" if name == "trades" else "bar", PRIORITIES[name]
    for i in range(min(n_ours, n_theirs)):
        bad = []
        for column in theirs:
            a, b = ours[column][i], theirs[column][i]
            if a != b and not same(a, b, allowance(name, column, tolerance), 1.0 if tolerance else 0.0):
                bad.append(column)
        if bad:
            bar = min(ours[when][i], theirs[when][i])
            if name == "orders" and "asset" not in bad and "bar" not in bad:
                ends = [table["end_bar"][i] for table in (ours, theirs) if table["end_bar"][i] >= 0]
                bar = min(ends, default=10**6)
            return [(bar, priority, row_words(name, i, ours, theirs, bad))]
    if n_ours != n_theirs:
        i = min(n_ours, n_theirs)
        table, who = (ours, "kernel") if n_ours > n_theirs else (theirs, "reference")
        return [(table[when][i], priority, f"{name} row {i}: only the {who}: {row_of(table, i)}")]
    return []


def row_of(table, i):
    """Row i of a table of columns."""
    return {name: column[i] for name, column in table.items()}


def row_words(name, i, ours, theirs, bad):
    """The fields that differ, and the whole row of the reference."""
    fields = ", ".join(f"{column}: kernel {ours[column][i]!r}, reference {theirs[column][i]!r}" for column in bad)
    return f"{name} row {i}: {fields}\n  kernel    {row_of(ours, i)}\n  reference {row_of(theirs, i)}"


def final_differences(ours, theirs, tolerance, scale):
    """What the account ends with."""
    found = []
    for name in ("conflicts", "capped", "realised", "dividends", "fees", *CHARGED):
        if not same(ours[name], theirs[name], tolerance, scale):
            found.append((10**6, 6, f"{name}: kernel {ours[name]!r}, reference {theirs[name]!r}"))
    for asset, shares in enumerate(theirs["shares"]):
        names = ("shares", "avg", "last") if shares else ("shares",)
        for name in names:
            if not same(ours[name][asset], theirs[name][asset], tolerance, 0.0):
                words = (
                    f"final {name} of asset {asset}: kernel {ours[name][asset]!r}, reference {theirs[name][asset]!r}"
                )
                found.append((10**6, 6, words))
    return found


def report(scenario, exact):
    """The smallest scenario that still differs, and its first difference, as text."""
    smallest = shrink(scenario, lambda candidate: first_difference(candidate, exact) is not None)
    return f"{describe(smallest)}\n{first_difference(smallest, exact)}"
