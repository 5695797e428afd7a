"""Runs made by hand for the tests of decoding: a small bookkeeper of dicts and loops fills the tape."""

import itertools
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.panel import Panel
from facade.results.run import Run
from ml4t_kernel import schema
from ml4t_kernel.schema import ActionKind, ChargeKind, EventKind, Kind, Origin, Phase, Reason, Status


def days(count, start=date(2020, 1, 1)):
    return pl.Series("timestamp", [start + timedelta(days=i) for i in range(count)])


def rows(records, dtype):
    """Structured array of dicts; missing fields are zero."""
    table = np.zeros(len(records), dtype)
    for row, record in zip(table, records, strict=True):
        for name, value in record.items():
            row[name] = value
    return table


@dataclass
class Ledger:
    """Takes orders, fills and splits in the order in which they happen; `run()` values every bar and fills the tape."""

    close: np.ndarray
    symbols: tuple = ("A", "B")
    timestamps: object = None
    config: Config = field(default_factory=Config)
    ids: list = field(default_factory=list)
    tags: list = field(default_factory=list)
    counts: dict = field(default_factory=dict)
    notices: tuple = ()

    def __post_init__(self):
        self.close = np.asarray(self.close, dtype=np.float64)
        self.orders, self.details, self.fills, self.booked, self.ambiguous, self.trades = [], [{}], [], [], [], []
        self.events, self.placed = [], []
        self.charges, self.incidents, self.given_flows = [], [], []

    def order(self, bar, asset, quantity, *, kind=Kind.MARKET, status=Status.LIVE, reason=Reason.NONE, **other):
        """Row of a new order; filled, left and end bar follow from the fills unless given."""
        row = len(self.orders)
        prices = {name: other.pop(name) for name in ("limit", "stop", "trail", "parent", "intent") if name in other}
        record = {"bar": bar, "asset": asset, "requested": quantity, "left": quantity, "end_bar": -1}
        record |= {"kind": kind, "status": status, "reason": reason, "detail": 0, **other}
        if prices:
            record["detail"] = len(self.details)
            self.details.append({"order": row, "intent": -1, **prices})
        self.orders.append(record)
        return row

    def user_order(self, bar, asset, quantity, name=None, tag=None, **other):
        """An order with an intent row of its own."""
        self.ids.append(name)
        self.tags.append(tag)
        self.placed.append(len(self.orders))
        return self.order(bar, asset, quantity, **other)

    def fill(
        self, order, bar, quantity, price, *, fee=0.0, slippage=0.0, phase=Phase.OPEN, origin=None, asset=None, bits=0
    ):
        """Execute a slice; order -1 is a booking and needs an asset and an origin."""
        if order >= 0:
            record = self.orders[order]
            asset, origin = record["asset"], record.get("origin", 0) if origin is None else origin
            record["filled"] = record.get("filled", 0.0) + quantity
            record["left"] -= quantity
            if record["left"] == 0:
                record |= {"status": Status.FILLED, "end_bar": bar}
        self.fills.append(
            {"order": order, "bar": bar, "asset": asset, "quantity": quantity, "price": price, "fee": fee}
            | {"slippage": slippage, "phase": phase, "origin": origin, "bits": bits}
        )
        self.events.append(("fill", len(self.fills) - 1))

    def split(self, bar, asset, ratio):
        self.booked.append({"bar": bar, "asset": asset, "kind": ActionKind.SPLIT, "value": ratio})
        self.events.append(("split", len(self.booked) - 1))

    def dividend(self, bar, asset, amount):
        self.booked.append({"bar": bar, "asset": asset, "kind": ActionKind.DIVIDEND, "value": amount})
        self.events.append(("dividend", len(self.booked) - 1))

    def charge(self, bar, kind, amount, asset=-1):
        """What moves cash before the open of a bar."""
        self.charges.append({"bar": bar, "asset": asset, "kind": kind, "amount": amount})
        self.events.append(("charge", len(self.charges) - 1))

    def flow(self, bar, amount, paid=True):
        """A deposit or withdrawal; not paid: it is an event, and its value and limit are the caller's."""
        self.given_flows.append({"bar": bar, "amount": amount})
        if paid:
            self.charge(bar, ChargeKind.FLOW, amount)

    def incident(self, bar, kind, *, asset=-1, quantity=np.nan, value=np.nan, limit=np.nan):
        """An event of the account."""
        row = {"bar": bar, "asset": asset, "kind": kind, "quantity": quantity, "value": value, "limit": limit}
        self.incidents.append(row)

    def walk(self):
        """Shares at the end of every bar {(bar, asset): shares} and cash at the end of every bar."""
        cash, shares, held, cashes = self.config.initial_cash, {}, {}, []
        events = sorted(self.events, key=lambda event: (self.bar_of(event), event[0] == "fill", event[0] != "charge"))
        for bar in range(len(self.close)):
            for kind, row in (event for event in events if self.bar_of(event) == bar):
                cash += self.apply(kind, row, shares)
            held |= {(bar, asset): q for asset, q in shares.items() if q}
            cashes.append(cash)
        return held, cashes

    def bar_of(self, event):
        kind, row = event
        return {"fill": self.fills, "charge": self.charges}.get(kind, self.booked)[row]["bar"]

    def apply(self, kind, row, shares):
        """Book one event; returns the cash it brings."""
        if kind == "fill":
            fill = self.fills[row]
            new = shares.get(fill["asset"], 0.0) + fill["quantity"]
            shares[fill["asset"]] = 0.0 if abs(new) <= 1e-9 * abs(fill["quantity"]) else new
            return -fill["quantity"] * fill["price"] - fill["fee"]
        if kind == "charge":
            return self.charges[row]["amount"]
        booked = self.booked[row]
        old = shares.get(booked["asset"], 0.0)
        if kind == "dividend":
            booked |= {"shares": old, "cash": old * booked["value"]}
            return booked["cash"]
        new, lot = old * booked["value"], self.config.lot
        whole = np.trunc(new / lot + np.sign(new) * 1e-9) * lot if lot else new
        brought = (new - whole) * self.last_close(booked["bar"] - 1, booked["asset"]) / booked["value"]
        shares[booked["asset"]] = whole
        booked |= {"shares": whole, "cash": brought}
        return brought

    def last_close(self, bar, asset):
        while np.isnan(self.close[bar, asset]):
            bar -= 1
        return self.close[bar, asset]

    def mark(self, bar, asset):
        """Last close in the shares of `bar`."""
        ratio = 1.0
        while np.isnan(self.close[bar, asset]):
            for booked in self.booked:
                if booked["kind"] == ActionKind.SPLIT and (booked["bar"], booked["asset"]) == (bar, asset):
                    ratio *= booked["value"]
            bar -= 1
        return self.close[bar, asset] / ratio

    def run(self, bars=None):
        """The Run, with every streaming statistic of the account."""
        held, cashes = self.walk()
        count = len(self.close) if bars is None else bars
        equity, gross, counts = np.zeros(count, schema.EQUITY), np.zeros(count), []
        margin, config = np.zeros(count, schema.MARGIN_ROW), self.config
        for bar in range(count):
            values = [q * self.mark(bar, asset) for (b, asset), q in held.items() if b == bar]
            equity[bar] = (cashes[bar] + sum(values), cashes[bar])
            gross[bar] = sum(map(abs, values))
            for value in values:
                side = "short_" if value < 0 else ""
                for name in ("initial", "maintenance"):
                    margin[name][bar] += abs(value) * getattr(config, f"{side}{name}_margin")
            counts.append(len(values))
        tape = schema.Tape(
            orders=rows([*self.orders, {}], schema.ORDER),
            details=rows(self.details, schema.DETAIL),
            fills=rows([*self.fills, {}], schema.FILL),
            trades=rows([*self.trades, {}], schema.TRADE),
            equity=equity,
            gross=gross,
            ambiguous=rows([*self.ambiguous, {}], schema.AMBIGUOUS),
            booked=rows([*self.booked, {}], schema.BOOKED),
            charges=rows([*self.charges, {}], schema.CHARGE),
            incidents=rows([*self.incidents, {}], schema.INCIDENT),
            margin=margin,
        )
        panel = Panel.from_arrays(*[self.close] * 4, timestamps=self.timestamps, symbols=self.symbols)
        placed = np.array(self.placed, dtype=np.int32)
        state = self.state(equity, counts, gross)
        book = schema.Book(**{**dict.fromkeys(schema.Book._fields), "state": state, "placed": placed})
        book = book._replace(positions=self.open_positions(held, count))
        params = np.zeros(1, schema.PARAMS)
        params["allow_short"] = 1
        for name in ("cash_buffer", "initial_margin", "short_initial_margin"):
            params[name] = getattr(config, name)
        params["margin"] = params["has_limits"] = config.account == "margin"
        inputs = SimpleNamespace(
            params=params,
            intents=SimpleNamespace(
                orders=np.zeros(len(placed), schema.INTENT),
                signals=np.zeros(0, schema.SIGNAL),
                weights=np.zeros((0, self.close.shape[1])),
                target_bars=np.zeros(0, np.int32),
                flows=rows(self.given_flows, schema.FLOW),
            ),
            order_ids=pl.Series(self.ids, dtype=pl.String),
            tags=pl.Series(self.tags, dtype=pl.String),
            counts=self.counts,
        )
        return Run(panel, self.config, inputs, book, tape, count, self.notices)

    def open_positions(self, held, count):
        """POSITION rows: what is held after the last bar, since when, at what cost and mark; no high, no low."""
        positions = np.zeros(self.close.shape[1], schema.POSITION)
        for asset in range(len(positions)):
            bar = count - 1
            positions["shares"][asset] = held.get((bar, asset), 0.0)
            while bar > 0 and held.get((bar - 1, asset), 0.0) * positions["shares"][asset] > 0:
                bar -= 1
            positions["born_bar"][asset] = bar
            if positions["shares"][asset]:
                self.open_position(positions[asset], asset, bar, count)
        return positions

    def open_position(self, row, asset, since, count):
        """Average cost by plain sums over the fills since the position was opened; splits are not looked at."""
        fills = [f for f in self.fills if f["asset"] == asset and f["bar"] >= since]
        side = np.sign(row["shares"])
        opening = [f for f in fills if f["quantity"] * side > 0]
        row["opened"] = sum(abs(f["quantity"]) for f in opening)
        row["opened_value"] = sum(abs(f["quantity"]) * f["price"] for f in opening)
        row["avg"] = row["opened_value"] / row["opened"]
        row["realised"] = sum(-f["quantity"] * (f["price"] - row["avg"]) for f in fills if f["quantity"] * side < 0)
        row["fees"], row["slippage"] = (sum(f[name] for f in fills) for name in ("fee", "slippage"))
        row["entry_order"] = opening[0]["order"]
        row["mark"] = self.mark(count - 1, asset)
        row["high"] = row["low"] = row["avg"]

    def charged(self, kind):
        """(bar, amount) of all charges of a kind."""
        return [(row["bar"], row["amount"]) for row in self.charges if row["kind"] == kind]

    def state(self, equity, counts, gross=()):
        """STATE as the kernel keeps it, by plain sums over what happened."""
        s = np.zeros(1, schema.STATE)
        value = [self.config.initial_cash, *equity["equity"]]
        paid = [sum(amount for at, amount in self.charged(ChargeKind.FLOW) if at == bar) for bar in range(len(equity))]
        returns = [b / (a + f) - 1.0 for (a, b), f in zip(itertools.pairwise(value), paid, strict=True)]
        factors = [1.0, *np.cumprod([(a + f) / a if f else 1.0 for a, f in zip(value, paid, strict=False)])]
        returns = returns[returns[:1] == [0.0] :]  # the first bar is a mark, unless the account traded on it
        grown = np.array(value) / factors
        peak = np.maximum.accumulate(grown)
        leverage = [g / e if e > 0 else 0.0 for g, e in zip(gross, equity["equity"], strict=False)]
        calls = {row["bar"] for row in self.incidents if row["kind"] == EventKind.MARGIN_CALL}
        traded = [
            sum(abs(f["quantity"] * f["price"]) for f in self.fills if f["bar"] == bar) for bar in range(len(equity))
        ]
        turnover = [notional / e for notional, e in zip(traded, equity["equity"], strict=True)]
        net = [t["pnl"] - t["fees"] for t in self.trades]
        kinds = [row["kind"] for row in self.ambiguous]
        refused = [o["status"] == Status.REJECTED for o in self.orders]
        cuts = (*range(1, 6), Reason.VOLUME, Reason.DIVIDEND, *range(18, 21), Reason.NO_BORROW)
        cut = [o["status"] in (Status.CANCELLED, Status.EXPIRED) and o["reason"] in cuts for o in self.orders]
        values = {
            "bar": len(equity), "equity": value[-1], "returns": len(returns), "sum1": sum(returns),
            "sum2": sum(r * r for r in returns), "down2": sum(min(r, 0.0) ** 2 for r in returns),
            "drawdown": max((1.0 - v / p for v, p in zip(grown, peak, strict=True)), default=0.0),
            "peak": peak[-1] * factors[-1], "flow_factor": factors[-1], "flows": sum(paid),
            "flow": len(self.given_flows), "charges": len(self.charges), "incidents": len(self.incidents),
            "interest": sum(amount for _, amount in self.charged(ChargeKind.INTEREST)),
            "borrow_fees": -sum(amount for _, amount in self.charged(ChargeKind.BORROW)),
            "funding": sum(amount for _, amount in self.charged(ChargeKind.FUNDING)),
            "margin_calls": len(calls), "sum_leverage": sum(leverage), "max_leverage": max(leverage, default=0.0),
            "recalls": sum(row["kind"] == EventKind.RECALL for row in self.incidents),
            "orders": len(self.orders), "fills": len(self.fills), "trades": len(self.trades),
            "booked": len(self.booked), "ambiguous": len(kinds),
            "two_sided": kinds.count(0), "entry_bars": kinds.count(1), "trails": kinds.count(2),
            "rejected": sum(refused), "cut": sum(cut), "fees": sum(f["fee"] for f in self.fills),
            "slippage": sum(f["slippage"] for f in self.fills), "wins": sum(n > 0 for n in net),
            "gross_profit": sum(n for n in net if n > 0), "gross_loss": -sum(n for n in net if n <= 0),
            "sum_turnover": sum(turnover), "max_turnover": max(turnover, default=0.0),
            "sum_positions": sum(counts), "max_positions": max(counts, default=0),
            "exposed_bars": np.count_nonzero(counts),
            "dividends": sum(b["cash"] for b in self.booked if b["kind"] == ActionKind.DIVIDEND),
            "realised": sum(t["pnl"] for t in self.trades),
            "held": counts[-1] if counts else 0,
        }  # fmt: skip
        for name, number in values.items():
            s[name] = number
        return s


def small_ledger(**options):
    """Five days of two assets: A bought and sold with a split, B cut for cash, a refused and a resting order."""
    close = [[10.0, 20.0], [11.0, 21.0], [6.0, 22.0], [5.5, np.nan], [7.0, 24.0]]
    ledger = Ledger(close, timestamps=days(5), ids=[], tags=[], **options)
    buy = ledger.user_order(0, 0, 100.0, "first", "entry")
    cut = ledger.order(0, 1, 50.0, origin=Origin.TARGET, reason=Reason.CASH)
    ledger.fill(buy, 1, 100.0, 10.5, fee=1.0, slippage=5.0)
    ledger.fill(cut, 1, 30.0, 20.5, fee=0.5)
    ledger.orders[cut] |= {"status": Status.CANCELLED, "left": 0.0, "end_bar": 1}
    ledger.order(1, 1, 0.0, status=Status.REJECTED, reason=Reason.NO_PRICE, end_bar=1, left=0.0, origin=Origin.TARGET)
    ledger.split(2, 0, 2.0)
    stop = ledger.order(2, 0, -200.0, kind=Kind.STOP, stop=5.75, origin=Origin.STOP_LOSS, reduce_only=1)
    ledger.fill(stop, 3, -200.0, 5.75, fee=2.0, slippage=1.0, phase=Phase.INSIDE, bits=schema.EXIT_LEG)
    ledger.user_order(3, 1, -30.0, "exit", kind=Kind.LIMIT, limit=25.0, parent=0)
    ledger.trades.append(
        {"asset": 0, "entry_bar": 1, "exit_bar": 3, "quantity": 200.0, "entry_price": 5.25, "exit_price": 5.75}
        | {"pnl": 100.0, "fees": 3.0, "slippage": 6.0, "mfe": 6.3, "mae": 4.2, "entry_order": buy, "exit_order": stop}
        | {"origin": Origin.STOP_LOSS}
    )  # fmt: skip
    ledger.ambiguous.append({"bar": 3, "asset": 0, "kind": 0})
    return ledger
