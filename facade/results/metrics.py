"""Performance figures of a run, from the streaming statistics that the kernel keeps bar by bar.

`METRICS` is the only list of them: name, unit, arithmetic, formula in words, which way is better, whether zero means
something, and where the summary shows it. Tables of sweeps, rankings, colours, formats and documents are derived from
it. `ADDS_UP` says what becomes of the fields of STATE that they read when runs follow each other.

`compute` works on any number of accounts at once (a sweep is an array of STATE rows), and gives each row the same bits
whatever its neighbours are. Nothing is read twice: no equity curve, no trades, no orders.

Notation: r simple return from the mark of one bar to that of the next, net of flows F: E_t / (E_(t-1) + F_t) - 1, n
their number; P bars a year; Y years; E equity. The first bar is a mark and no return, unless the account traded on it:
then its return is against initial cash. What is a mean over bars is over all of them. Money is in account currency,
everything else a fraction, never percent. Trades are closed round trips, net of fees.

Conventions. A ratio with a zero below is inf, -inf or NaN by the sign of what stands above (0 / 0 is NaN); a mean over
nothing (no bar, no trade) is NaN; volatility and sharpe need two returns, cagr two bars, else NaN. Returns whose spread
is below the rounding of their sums (relative 1e-13) count as constant: volatility 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import nan
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from facade.data.clock import DAYS_A_YEAR, days_since_first
from facade.wording import did_you_mean

DAYS = 365.0
"""Days of a year of the money-weighted return."""

CONSTANT = 1e-13  # sum of squares around the mean, relative to that around zero, below which returns are constant

CURRENCY, FRACTION, RATIO, COUNT, BARS, YEARS = "currency", "fraction", "ratio", "count", "bars", "years"
"""Units."""
MORE, LESS = "more", "less"
"""What is better."""
SUM, LARGEST, LAST, PRODUCT = "sum", "largest", "last", "product"
"""What becomes of a field of STATE when runs follow each other."""

ADDS_UP: Mapping[str, str] = {
    **dict.fromkeys(
        ("sum1", "sum2", "down2", "bar", "fees", "slippage", "realised", "dividends", "interest", "borrow_fees"), SUM
    ),
    **dict.fromkeys(("gross_profit", "gross_loss", "trades", "wins", "held", "orders", "fills"), SUM),
    **dict.fromkeys(("rejected", "cut", "capped", "refusals", "sum_turnover", "sum_positions", "exposed_bars"), SUM),
    **dict.fromkeys(("two_sided", "entry_bars", "trails", "conflicts"), SUM),
    **dict.fromkeys(("funding", "flows", "margin_calls", "recalls", "sum_leverage"), SUM),
    **dict.fromkeys(("max_turnover", "max_positions", "max_leverage"), LARGEST),
    "equity": LAST,
    "flow_factor": PRODUCT,
}
"""Every field that metrics read but `returns` and `drawdown`, which hang together across the seams: see `stitched`."""


class Paid(NamedTuple):
    """What was to be paid in and out. times: (W,) years of 365 days from the first bar to the close before each was
    booked, of bars without dates bars / P; amounts: (W,)."""

    times: np.ndarray
    amounts: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, timestamps: pl.Series, periods_per_year: float) -> Paid | None:
        """Of (W,) FLOW rows on bars with these labels; None of no rows."""
        if not len(rows):
            return None
        bars = np.maximum(rows["bar"] - 1, 0)
        days = days_since_first(timestamps)
        return cls(bars / periods_per_year if days is None else days[bars] / DAYS, rows["amount"].copy())


class Accounts:
    """(K,) accounts that are to be measured: the fields of their final STATE, and what several metrics need."""

    def __init__(
        self,
        state: np.ndarray,
        initial_cash: Any,
        periods_per_year: Any,
        years: Any = None,
        limited: Any = False,
        paid: Paid | None = None,
    ) -> None:
        self.state, self.paid = state, paid
        self.initial = self._one_each(initial_cash)
        self.periods = self._one_each(periods_per_year)
        self.years = (self["bar"] - 1) / self.periods if years is None else self._one_each(years)
        self.span = self.years if years is None else self.years * (DAYS_A_YEAR / DAYS)
        self.limited = np.broadcast_to(np.asarray(limited, dtype=bool), (len(state),))

    def _one_each(self, values: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), (len(self.state),))

    def __getitem__(self, field: str) -> np.ndarray:
        return self.state[field]

    @cached_property
    def mean(self) -> np.ndarray:
        """Of the returns."""
        return self["sum1"] / self["returns"].astype(np.float64)

    @cached_property
    def deviation(self) -> np.ndarray:
        """Of the returns, ddof 1."""
        count, squares = self["returns"].astype(np.float64), self["sum2"]
        around_mean = squares - self["sum1"] * self.mean
        around_mean = np.where(around_mean <= CONSTANT * squares, 0.0, around_mean)
        return np.where(count > 1, np.sqrt(around_mean / (count - 1.0)), np.nan)

    @cached_property
    def downside(self) -> np.ndarray:
        """Square root of the mean square of the returns below zero, the others counted as zero."""
        return np.sqrt(self["down2"] / self["returns"].astype(np.float64))

    @cached_property
    def cagr(self) -> np.ndarray:
        """Growth a year."""
        growth = np.maximum(self["equity"], 0.0) / self.base
        return np.where(self.years > 0.0, growth ** (1.0 / self.years) - 1.0, np.nan)

    @cached_property
    def base(self) -> np.ndarray:
        """What final equity is measured against: initial cash, multiplied as flows have multiplied the account."""
        return self.initial * self["flow_factor"]

    @cached_property
    def unrealised(self) -> np.ndarray:
        """What is left of the change of equity."""
        booked = self["realised"] + self["dividends"] + self["interest"] - self["borrow_fees"] - self["fees"]
        return self["equity"] - self.initial - booked - self["funding"] - self["flows"]

    @cached_property
    def money_weighted(self) -> np.ndarray:
        """Internal rate of return a year of initial cash and flows; NaN where a flow was not paid."""
        final, span = self["equity"], self.span
        if self.paid is None:
            found = (np.maximum(final, 0.0) / self.initial) ** (1.0 / span) - 1.0
            return np.where((span > 0.0) & (self["flows"] == 0.0), found, np.nan)
        given = float(self.paid.amounts.sum())
        whole = np.abs(self["flows"] - given) <= 1e-9 * float(np.abs(self.paid.amounts).sum())
        grown = _log_growth(self.initial, self.paid, final, span)
        found = np.where(final > 0.0, np.expm1(grown / span), -1.0)
        return np.where((span > 0.0) & (whole | (final <= 0.0)), found, np.nan)

    def of_limited(self, values: np.ndarray) -> np.ndarray:
        """The values of accounts with limits of their own, NaN of the others."""
        return np.where(self.limited, values, np.nan)


GRID = np.concatenate([-np.geomspace(30.0, 1e-3, 40), [0.0], np.geomspace(1e-3, 30.0, 40)])
"""Logarithms of growth between which that of an account is looked for."""
NEWTON = 40
"""Steps from there; always as many, so that no row depends on the others."""


def _log_growth(initial: np.ndarray, paid: Paid, final: np.ndarray, span: np.ndarray) -> np.ndarray:
    """(K,) y, the one nearest to zero, at which initial e^y + sum of F e^(y u) = final; u: share of the time that was
    left. By Newton's method, halving where that leaves the bracket."""
    with np.errstate(all="ignore"):
        shares = [np.maximum(1.0 - time / span, 0.0) for time in paid.times]

        def excess(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, slope = initial * np.exp(y) - final, initial * np.exp(y)
            for share, amount in zip(shares, paid.amounts.tolist(), strict=True):
                part = amount * np.exp(y * share)
                value, slope = value + part, slope + share * part
            return value, slope

        low, high = np.full(len(final), GRID[0]), np.full(len(final), GRID[-1])
        nearest = np.full(len(final), np.inf)
        left = excess(np.full(len(final), GRID[0]))[0]
        for begin, end in pairwise(GRID.tolist()):
            right = excess(np.full(len(final), end))[0]
            near = ((left <= 0.0) != (right <= 0.0)) & (min(abs(begin), abs(end)) < nearest)
            low, high = np.where(near, begin, low), np.where(near, end, high)
            nearest = np.where(near, min(abs(begin), abs(end)), nearest)
            left = right
        rises = excess(low)[0] <= 0.0
        y = (low + high) / 2.0
        for _ in range(NEWTON):
            value, slope = excess(y)
            below = (value <= 0.0) == rises
            low, high = np.where(below, y, low), np.where(below, high, y)
            step = y - value / slope
            y = np.where((step > low) & (step < high), step, (low + high) / 2.0)
        return np.where(np.isfinite(nearest), y, np.nan)


@dataclass(frozen=True)
class Metric:
    """A figure of an account.

    better: MORE, LESS or "" (neither). of: its arithmetic, a field of STATE or (K,) accounts to (K,) values. formula:
    in words. shown: "section: label" in the summary, or "". signed: zero means something, and colours diverge from it.
    where: the metric without which, zero or NaN, it says nothing: the summary leaves it out then.
    """

    name: str
    unit: str
    better: str
    of: str | Callable[[Accounts], np.ndarray]
    formula: str
    shown: str = ""
    signed: bool = False
    where: str = ""

    def values(self, accounts: Accounts) -> np.ndarray:
        """(K,) values, which share nothing with the state."""
        return accounts[self.of].copy() if isinstance(self.of, str) else self.of(accounts)


_NEITHER = ""
# fmt: off
_ALL = (
    Metric("initial_cash", CURRENCY, _NEITHER, lambda a: a.initial, "cash before the first bar",
           "Account: initial cash"),
    Metric("final_value", CURRENCY, MORE, "equity", "E of the last bar done", "Account: final value"),
    Metric("total_return", FRACTION, MORE, lambda a: a["equity"] / a.base - 1.0,
           "product of 1 + r, less 1; without flows final_value / initial_cash - 1",
           "Account: total return", signed=True),
    Metric("cagr", FRACTION, MORE, lambda a: a.cagr,
           "(1 + total_return) ** (1 / Y) - 1; -1 when nothing is left",
           "Account: return a year (CAGR)", signed=True),
    Metric("money_weighted_return", FRACTION, MORE, lambda a: a.money_weighted,
           "rate a year (days / 365) at which initial_cash and flows, each from the close before it, grow to "
           "final_value; NaN where a withdrawal was refused",
           "Account: money-weighted", signed=True, where="net_flows"),
    Metric("net_flows", CURRENCY, _NEITHER, "flows", "deposits less withdrawals", "Account: deposits, net",
           where="net_flows"),
    Metric("volatility", FRACTION, LESS, lambda a: a.deviation * np.sqrt(a.periods), "std(r, ddof=1) x sqrt(P)",
           "Risk: volatility a year"),
    Metric("sharpe", RATIO, MORE, lambda a: a.mean / a.deviation * np.sqrt(a.periods),
           "mean(r) / std(r, ddof=1) x sqrt(P), no risk-free rate (Sharpe 1994)", "Risk: Sharpe ratio", signed=True),
    Metric("sortino", RATIO, MORE, lambda a: a.mean / a.downside * np.sqrt(a.periods),
           "mean(r) / sqrt(mean(min(r, 0)^2)) x sqrt(P) (Sortino and Price 1994)", "Risk: Sortino ratio", signed=True),
    Metric("max_drawdown", FRACTION, LESS, "drawdown",
           "max over t of 1 - I_t / max(1, I_0 .. I_t), positive; I: product of 1 + r, without flows E / initial_cash",
           "Risk: maximum drawdown"),
    Metric("calmar", RATIO, MORE, lambda a: a.cagr / a["drawdown"], "cagr / max_drawdown", "Risk: Calmar ratio",
           signed=True),
    Metric("num_trades", COUNT, _NEITHER, "trades", "closed round trips", "Trades: round trips"),
    Metric("num_open_trades", COUNT, _NEITHER, "held", "positions open at the end", "Trades: still open"),
    Metric("winning_trades", COUNT, MORE, "wins", "round trips with a pnl above zero"),
    Metric("win_rate", FRACTION, MORE, lambda a: a["wins"] / a["trades"], "winning_trades / num_trades",
           "Trades: winning"),
    Metric("gross_profit", CURRENCY, MORE, "gross_profit", "sum of the pnl of winning trades"),
    Metric("gross_loss", CURRENCY, LESS, "gross_loss", "minus the sum of the pnl of all other trades"),
    Metric("profit_factor", RATIO, MORE, lambda a: a["gross_profit"] / a["gross_loss"], "gross_profit / gross_loss",
           "Trades: profit factor"),
    Metric("avg_trade_pnl", CURRENCY, MORE, lambda a: (a["gross_profit"] - a["gross_loss"]) / a["trades"],
           "(gross_profit - gross_loss) / num_trades", "Trades: average profit", signed=True),
    Metric("realised_pnl", CURRENCY, MORE, "realised",
           "result of closed quantity by average cost, before fees, open positions included",
           "Account: realised profit", signed=True),
    Metric("unrealised_pnl", CURRENCY, MORE, lambda a: a.unrealised,
           "what the open positions have gained since their average cost, at the last marks",
           "Account: unrealised profit", signed=True),
    Metric("total_commission", CURRENCY, LESS, "fees", "fees and taxes of all fills", "Costs: commission and taxes"),
    Metric("total_slippage", CURRENCY, LESS, "slippage",
           "sum of |quantity x (price - price before costs)| of all fills", "Costs: slippage and impact"),
    Metric("total_dividends", CURRENCY, MORE, "dividends", "dividends received less those paid on shorts",
           "Account: dividends"),
    Metric("total_interest", CURRENCY, MORE, "interest", "interest received less that paid",
           "Account: interest", signed=True),
    Metric("total_borrow_fees", CURRENCY, LESS, "borrow_fees", "fees paid on what was held short",
           "Costs: borrow fees"),
    Metric("total_funding", CURRENCY, MORE, "funding", "funding of perpetuals received less that paid",
           "Account: funding", signed=True, where="total_funding"),
    Metric("num_orders", COUNT, _NEITHER, "orders", "orders, the refused included", "Activity: orders"),
    Metric("num_fills", COUNT, _NEITHER, "fills", "executions", "Activity: fills"),
    Metric("num_rejected_orders", COUNT, LESS, "rejected", "orders refused before anything was filled",
           "Activity: orders refused"),
    Metric("num_cut_orders", COUNT, LESS, "cut",
           "orders that lost their rest to a rule of the account, to the volume cap or to dividends",
           "Activity: orders cut"),
    Metric("num_capped_orders", COUNT, LESS, "capped", "orders that the volume cap held back on some bar",
           "Activity: held back by volume"),
    Metric("avg_turnover", FRACTION, LESS, lambda a: a["sum_turnover"] / a["bar"],
           "mean over bars of traded notional / E", "Activity: turnover a bar"),
    Metric("max_turnover", FRACTION, LESS, "max_turnover", "largest of them"),
    Metric("avg_open_positions", RATIO, _NEITHER, lambda a: a["sum_positions"] / a["bar"],
           "mean over bars of positions held at the close", "Activity: positions, average"),
    Metric("max_open_positions", COUNT, _NEITHER, "max_positions", "largest of them", "Activity: positions, most"),
    Metric("time_in_market", FRACTION, _NEITHER, lambda a: a["exposed_bars"] / a["bar"],
           "share of bars with a position at the close", "Risk: time in the market"),
    Metric("peak_leverage", RATIO, LESS, lambda a: a.of_limited(a["max_leverage"]),
           "largest gross exposure / E at a close; NaN of an account without margin, leverage, buffer or settlement",
           "Risk: leverage, most", where="peak_leverage"),
    Metric("average_leverage", RATIO, _NEITHER, lambda a: a.of_limited(a["sum_leverage"] / a["bar"]),
           "mean over bars of gross exposure / E; NaN likewise", "Risk: leverage, average", where="peak_leverage"),
    Metric("margin_calls", COUNT, LESS, "margin_calls", "closes with a margin call (clause 4.5)",
           "Activity: margin calls", where="margin_calls"),
    Metric("recalls", COUNT, LESS, "recalls", "shorts that were called back (clause 1.5)", "Activity: recalls",
           where="recalls"),
    Metric("ambiguous_bars", COUNT, LESS, lambda a: a["two_sided"] + a["entry_bars"] + a["trails"],
           "bars and assets that do not tell what happened first (the three kinds together)"),
    Metric("ambiguous_two_sided", COUNT, LESS, "two_sided", "levels in range on both sides of the open (clause 3.0)"),
    Metric("ambiguous_entry_bar", COUNT, LESS, "entry_bars",
           "a level in range on the bar of an entry inside it, not proved (clause 3.2)"),
    Metric("ambiguous_trail", COUNT, LESS, "trails",
           "the close proves a trailing exit that the lagged level did not take (clause 3.1)"),
    Metric("signal_conflicts", COUNT, LESS, "conflicts", "long and short entry of one asset on one bar, neither taken",
           "Activity: signal conflicts"),
    Metric("periods_per_year", BARS, _NEITHER, lambda a: a.periods,
           "P: given, or counted from the timestamps of the whole panel", "Account: bars a year"),
    Metric("years", YEARS, _NEITHER, lambda a: a.years,
           "Y: days from the first bar to the last / 365.2425; without timestamps (bars - 1) / P"),
    Metric("bars", BARS, _NEITHER, "bar", "bars done"),
)
# fmt: on

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}
"""Every metric by name, in the order in which they are shown."""
FRACTIONS = frozenset(metric.name for metric in _ALL if metric.unit == FRACTION)
"""Metrics that are shown as percentages."""
SIGNED = frozenset(metric.name for metric in _ALL if metric.signed)
"""Metrics whose zero means something."""


def more_is_better(name: str) -> bool:
    """Whether the largest value of a metric is the best, or neither is."""
    return METRICS[name].better != LESS


class Metrics(dict[str, float | int]):
    """The metrics of one account by name; a name that is none of them is a KeyError that says which may be meant."""

    def __missing__(self, name: object) -> float | int:
        near = did_you_mean(str(name).lower().strip().replace(" ", "_").replace("-", "_"), self)
        raise KeyError(f"no metric {name!r}{near} (metrics: {', '.join(self)})")


def compute(
    state: np.ndarray,
    initial_cash: Any,
    periods_per_year: Any,
    years: Any = None,
    limited: Any = False,
    paid: Paid | None = None,
) -> dict[str, np.ndarray]:
    """Every metric of (K,) accounts.

    Parameters
    ----------
    state : (K,) STATE
        Final state of each account, with `bar` bars done.
    initial_cash, periods_per_year : float or (K,) float64
        Account currency; bars a year.
    years : float or (K,) float64, optional
        From the first bar to the last; (bars - 1) / periods_per_year when not given.
    limited : bool or (K,) bool
        Whether accounts have limits of their own (`params.has_limits`), which keep leverage.
    paid
        What all of them were to be paid in and out.

    Returns
    -------
    dict of (K,) arrays that share nothing with `state`, in the order of `METRICS`.
    """
    with np.errstate(all="ignore"):
        accounts = Accounts(state, initial_cash, periods_per_year, years, limited, paid)
        return {name: metric.values(accounts) for name, metric in METRICS.items()}


def metrics_of(
    state: np.ndarray,
    initial_cash: float,
    periods_per_year: float,
    years: float | None = None,
    limited: bool = False,
    paid: Paid | None = None,
) -> Metrics:
    """The metrics of one account, a (1,) STATE array, as Python numbers."""
    found = compute(state, initial_cash, periods_per_year, years, limited, paid)
    return Metrics({name: plain_number(values[0].item()) for name, values in found.items()})


def plain_number(value: Any) -> Any:
    """The value; of NaN always the same object, so that metrics of equal runs are equal dicts."""
    return nan if value != value else value


PUT_TOGETHER: Mapping[str, Callable[[np.ndarray], Any]] = {
    SUM: lambda values: values.sum(axis=0),
    LARGEST: lambda values: values.max(axis=0),
    LAST: lambda values: values[-1],
    PRODUCT: lambda values: values.prod(axis=0),
}


def without_use() -> dict[str, float | int]:
    """Values of the metrics that older results do not have, as of an account that uses nothing of what they measure."""
    return {name: {COUNT: 0, CURRENCY: 0.0}.get(m.unit, nan) for name, m in METRICS.items() if m.where}


def stitched(states: np.ndarray, drawdown: float) -> np.ndarray:
    """(1,) STATE of the account that went through (n,) runs one after the other; drawdown: of all of them.

    What metrics read of it, and no more. The first bar of a later run is a return from the last mark of the one before.
    """
    whole = np.zeros(1, states.dtype)
    for name, how in ADDS_UP.items():
        values = states[name]
        whole[name] = PUT_TOGETHER[how](values)
    whole["returns"] = states["returns"][0] + states["bar"][1:].sum()
    whole["drawdown"] = drawdown
    return whole


def as_table() -> str:
    """The metrics as a table of text: name, unit, better, formula."""
    rows = [("key", "unit", "better", "formula"), *((m.name, m.unit, m.better, m.formula) for m in _ALL)]
    return "\n".join(f"{name:<20} {unit:<9} {better:<7} {formula}" for name, unit, better, formula in rows)


__doc__ = f"{__doc__}\n{as_table()}\n"
