"""A run written by hand on terms of its own: instruments, what can be borrowed, and funding; through both judges."""

import datetime
import inspect
import warnings
from typing import Any, NamedTuple

from contract import by_hand
from contract.both import REASONS, STATES, kernel_strategy, scenario, symbols_of
from facade import BacktestWarning, Config, Panel, run_backtest
from reference import enums
from reference import run as reference_run
from reference.instruments import PLAIN
from terms_frames import terms_of

KERNEL = "borrow" in inspect.signature(Panel.from_arrays).parameters  # of a facade that takes terms
KINDS = {"stock": enums.STOCK, "future": enums.FUTURE, "perpetual": enums.PERPETUAL}
CHARGES = ("borrow", "interest", "flow", "funding")
EVENTS = ("margin_call", "bankrupt", "flow_refused", "recall")
ORIGINS = {value: name.lower() for name, value in vars(enums.Origin).items() if name.isupper()}
MARGINS = ("initial", "maintenance", "short_initial", "short_maintenance")
NONE = float("nan")
EPOCH = datetime.date(1970, 1, 1)


class Told(NamedTuple):
    """What a run wrote, the same words for both judges; prices are quoted ones."""

    judge: str
    fills: list  # (bar, symbol, signed contracts, price)
    ends: list  # (status, reason, filled shares) by submission
    origins: list
    fees: float
    slippage: float
    equity: list
    cash: list
    gross: list
    charges: list  # (bar, symbol or None, kind, amount)
    events: list  # (bar, symbol or None, kind, quantity, value, limit); None where none is named
    result: Any  # of the facade, None for the reference


def told(prices, strategy, actions=(), sessions=None, *, instruments=None, borrow=(), funding=(), **config):
    """The run through each judge that knows terms.

    instruments: symbol to the fields of its row that are not a stock's; borrow: (bar, symbol, available, fee);
    funding: (bar, symbol, rate).
    """
    symbols = symbols_of(prices)
    plain = scenario(prices, strategy, actions, sessions, config)
    if plain["dated"]:
        plain["session"] = [(day - EPOCH).days for day in sessions]
    if instruments is not None:
        plain["instruments"] = [row_of(instruments.get(symbol, {})) for symbol in symbols]
    names = ("asset", "bar", "available", "fee")
    plain["borrow"] = [
        dict(zip(names, (symbols.index(symbol), bar, *row), strict=True)) for bar, symbol, *row in borrow
    ]
    plain["funding"] = [{"asset": symbols.index(symbol), "bar": bar, "rate": rate} for bar, symbol, rate in funding]
    judged = [reference_told(plain, symbols)]
    if KERNEL:
        terms = terms_of(plain, lambda asset: symbols[asset])
        judged.append(kernel_told(by_hand.panel(prices, actions, sessions, **terms), strategy, config))
    return judged


def row_of(given):
    """A row of an instrument from what is given of it."""
    row = {**PLAIN, **dict.fromkeys(MARGINS, NONE), **given}
    row["kind"] = KINDS[given.get("kind", "stock")]
    return row


def reference_told(plain, symbols):
    """The reference's outcome."""
    out = reference_run(plain)

    def name(asset):
        return None if asset is None or asset < 0 else symbols[asset]

    return Told(
        "reference",
        [(f["bar"], symbols[f["asset"]], round(f["quantity"], 9), round(f["price"], 9)) for f in out["fills"]],
        [_end(row) for row in out["orders"]],
        [ORIGINS[row["origin"]] for row in out["orders"]],
        sum(f["fee"] for f in out["fills"]),
        sum(f["slippage"] for f in out["fills"]),
        out["equity"],
        out["cash"],
        out["gross"],
        [(c["bar"], name(c["asset"]), CHARGES[c["kind"]], round(c["amount"], 9)) for c in out["charges"]],
        [
            (e["bar"], name(e["asset"]), EVENTS[e["kind"]], *(e[n] for n in ("quantity", "value", "limit")))
            for e in out["events"]
        ],
        None,
    )


def _end(row):
    works = row["end_bar"] < 0
    reason = None if works or row["reason"] == enums.Reason.NONE else REASONS[row["reason"]]
    return (STATES[row["status"]], reason, round(abs(row["filled"]), 9))


def kernel_told(panel, strategy, config):
    """The facade's result; its prices are quoted ones already."""
    decided = kernel_strategy(strategy)
    if isinstance(decided, list):
        decided = by_hand.orders(*decided)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        result = run_backtest(panel, decided, config=Config(**{"max_participation": None, **config}))
    return Told(
        "kernel",
        by_hand.rows(result.fills, "timestamp", "symbol", "signed_quantity", "price"),
        by_hand.ends(result),
        result.orders["origin"].to_list(),
        result.fills["commission"].sum(),
        result.fills["slippage"].sum(),
        result.equity["equity"].to_list(),
        result.equity["cash"].to_list(),
        result.equity["gross_exposure"].to_list(),
        by_hand.charges(result),
        by_hand.rows(result.events, "timestamp", "symbol", "kind", "quantity", "value", "limit"),
        result,
    )
