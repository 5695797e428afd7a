"""What a run gives back: frames decoded on first access, metrics, a summary, a figure, files."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any

import polars as pl

from facade.config.model import Config
from facade.results.facts import FRAMES, Facts, Source
from facade.results.figure import plot
from facade.results.metrics import METRICS, Metrics
from facade.results.run import Run
from facade.results.run_source import RunSource
from facade.results.store import read_result, write_result
from facade.results.text import headline, summary_html, summary_text
from facade.wording import did_you_mean

if TYPE_CHECKING:
    import pandas
    from plotly.graph_objects import Figure


class Result:
    """The outcome of a run.

    Frames are Polars frames, decoded on first access and then kept; rows stand in the order in which things happened.
    Quantities are shares, prices and money are in account currency, everything named return, drawdown, percent or
    weight is a fraction. A timestamp is that of the bar, the time at which it is complete. Null means "there is none".
    `metrics` is a dict whose keys are explained in `facade.results.metrics`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._frames: dict[str, pl.DataFrame] = {}

    @classmethod
    def from_run(cls, run: Run) -> Result:
        """A result that decodes the tape of a run when asked; takes no time itself."""
        return cls(RunSource(run))

    @classmethod
    def from_parquet(cls, directory: str | PathLike[str]) -> Result:
        """Read back what `to_parquet` wrote; a damaged directory or a newer format raises DataError."""
        return cls(read_result(directory))

    def to_parquet(self, directory: str | PathLike[str]) -> None:
        """Write every frame, the metrics, the configuration and where they come from into a directory.

        The directory appears whole or not at all. An earlier result of the same name is replaced; a directory that
        holds anything else is left alone (FileExistsError).
        """
        write_result(directory, self.frame, self.config, self.metrics, self.facts, self.data_digest)

    def to_pandas(self) -> dict[str, pandas.DataFrame]:
        """Every frame as a pandas frame, by name; needs pandas."""
        try:
            import pandas  # noqa: F401
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas: pip install pandas") from error
        return {name: self.frame(name).to_pandas() for name in FRAMES}

    def frame(self, name: str) -> pl.DataFrame:
        """The frame of that name, one of `FRAMES`."""
        if name not in FRAMES:
            raise KeyError(f"no frame {name!r}; there are {', '.join(FRAMES)}")
        if name not in self._frames:
            self._frames[name] = self._source.frame(name)
        return self._frames[name]

    @property
    def orders(self) -> pl.DataFrame:
        """Every order, one row each, in order of submission; refused ones too.

        order_id (Int64): number of the order, from 0; fills, trades and rejections refer to it
        id (String): what the strategy called the order, null if it gave no name
        symbol (String): the asset
        timestamp: bar at whose close the order was decided; of a rule, a bracket child or a recall: on which it became
            live
        end_timestamp: bar on which it was filled, cancelled, refused or expired; null while it is pending
        side (Enum): buy or sell; null for a refused decision without a size
        order_type (Enum): market, limit, stop, stop_limit, trailing_stop
        time_in_force (Enum): gtc, day, bars, ioc, at_open, at_close
        quantity (Float64): shares requested, restated for splits until the order ended
        signed_quantity (Float64): the same, negative for a sale
        filled_quantity (Float64): shares filled, restated likewise
        working_quantity (Float64): shares still pending; what is neither filled nor pending was cancelled
        limit_price (Float64): limit in the shares of the day the order ended, null for types without one
        stop_price (Float64): stop, likewise
        trail_amount (Float64): distance of a trailing stop, likewise
        given_quantity (Float64): shares as the strategy wrote them, negative for a sale, before any split; of an order
            that replaced another: as the replacement wrote them. Null where it wrote none (targets, signals, rules)
        given_limit_price (Float64): limit as it was written, before splits and dividends
        given_stop_price (Float64): stop, likewise
        average_price (Float64): average price of the fills, as they were executed; null without fills
        commission (Float64): fees and taxes of the fills
        slippage (Float64): cost of spread, slippage and impact of the fills, in currency
        status (Enum): decided, live, filled, cancelled, rejected, expired, replaced
        reason (Enum): why it was refused, cut or ended before it was filled; null otherwise
        origin (Enum): who made it: order, target, signal_entry, signal_exit, child, the rule that fired, or the account
            itself: margin_call, recall
        parent_id (Int64): order_id of the order that carries it as a bracket child
        reduce_only (Boolean): it may only make a position smaller
        tag (String): as given by the strategy
        """
        return self.frame("orders")

    @property
    def fills(self) -> pl.DataFrame:
        """Every execution, one row each, in order of execution.

        order_id (Int64): order that was filled; null for a booking without one (delisting, bankruptcy, cash in lieu)
        symbol (String): the asset
        timestamp: bar of the fill
        side (Enum): buy or sell
        quantity (Float64): shares of that day
        signed_quantity (Float64): the same, negative for a sale
        price (Float64): price paid or received, costs of execution included
        commission (Float64): fee and tax of this slice
        slippage (Float64): |quantity x (price - price before spread, slippage and impact)|, in currency
        order_type (Enum): type of the order, null without one
        limit_price (Float64): limit of the order, as in `orders`
        stop_price (Float64): stop of the order, as in `orders`
        phase (Enum): where in the bar: open, inside, close, decision_close, booking
        passive (Boolean): a resting limit that the market came to; it pays fees, no slippage
        origin (Enum): who made the order, or what the booking was
        exit_reason (Enum): origin of a fill that closed or reduced a position, null for one that opened
        """
        return self.frame("fills")

    @property
    def trades(self) -> pl.DataFrame:
        """Every round trip (flat to flat, or to a change of side), one row each, in order of closing.

        What is still open at the end comes last, in the order of the panel, valued at its last mark: `pnl` of all,
        dividends and charges are together the change of equity.

        symbol (String): the asset
        direction (Enum): long or short
        status (Enum): closed or open
        entry_time: bar of the opening fill
        exit_time: bar of the last closing fill; null while it is open
        bars_held (Int32): bars from entry to exit, 0 within one bar; of an open one: to the last bar
        quantity (Float64): shares opened in total, negative for a short, in the shares of the exit day
        entry_price (Float64): average price of the opening fills, in the shares of the exit day
        exit_price (Float64): average price of the closing fills, likewise; null while it is open
        pnl (Float64): profit after fees, dividends apart; of an open one: realised and unrealised
        pnl_percent (Float64): pnl / (|quantity| x entry_price), a fraction
        gross_pnl (Float64): profit before fees
        gross_return (Float64): gross_pnl / (|quantity| x entry_price), a fraction
        fees (Float64): fees and taxes of all its fills
        slippage (Float64): cost of spread, slippage and impact of all its fills; already in the prices
        mfe (Float64): maximum favourable excursion, a fraction of the entry price, positive when it went well
        mae (Float64): maximum adverse excursion, a fraction of the entry price, negative when it went badly
        exit_reason (Enum): origin of the last closing fill, in the words of `actions`; null while it is open
        entry_order_id (Int64): order of the opening fill
        exit_order_id (Int64): order of the last closing fill, null for a booking without one and while it is open
        """
        return self.frame("trades")

    @property
    def equity(self) -> pl.DataFrame:
        """The account at the end of every bar.

        timestamp: the bar
        equity (Float64): cash and positions at their marks
        return (Float64): change against the bar before and the flow since: E_t / (E_(t-1) + F_t) - 1; null on the first
            bar, which is a mark, unless the account traded on it: then against initial cash
        cumulative_return (Float64): product of 1 + return, less 1; without flows equity / initial cash - 1
        drawdown (Float64): equity / high_water_mark - 1, zero or negative
        high_water_mark (Float64): largest equity so far, initial cash included, multiplied as flows multiply equity
        cash (Float64): cash
        gross_exposure (Float64): sum of |position value|, in currency; over equity it is the leverage
        net_exposure (Float64): sum of position values, in currency
        open_positions (Int32): assets held
        """
        return self.frame("equity")

    @property
    def positions(self) -> pl.DataFrame:
        """Every position held at the end of every bar, one row each; sorted by time, then as in the panel.

        timestamp: the bar
        symbol (String): the asset
        quantity (Float64): shares, negative for a short
        mark (Float64): close of the bar, or the last one (in today's shares) when there is no bar
        value (Float64): quantity x mark
        weight (Float64): value / equity
        """
        return self.frame("positions")

    @property
    def rejections(self) -> pl.DataFrame:
        """Orders that were refused, or that lost what was left of them to a rule, to volume or to dividends.

        In order of submission.

        Expiry for want of time, replacement and cancels that were asked for are not among them: see `orders`.

        order_id (Int64): as in `orders`
        id (String): as in `orders`
        symbol (String): the asset
        timestamp: bar at whose close the order was decided
        end_timestamp: bar on which it was refused or cut
        side (Enum): buy or sell; null for a decision without a size
        order_type (Enum): as in `orders`
        requested_quantity (Float64): shares wanted
        filled_quantity (Float64): shares filled before the rest was cut
        remaining_quantity (Float64): shares that were never traded
        limit_price (Float64): as in `orders`
        stop_price (Float64): as in `orders`
        trail_amount (Float64): as in `orders`
        status (Enum): rejected (nothing filled), cancelled (cut), or expired with what the volume cap had left
        origin (Enum): as in `orders`
        rejection_code (Enum): cash, no_short, cooldown, minimum, lot, delisted, no_price, no_equity, volume, dividend,
            margin, leverage, margin_call, no_borrow
        rejection_reason (String): the same in words
        tag (String): as given by the strategy
        """
        return self.frame("rejections")

    @property
    def actions(self) -> pl.DataFrame:
        """Corporate actions that met a position or a pending order, in order of booking.

        timestamp: bar before whose open it was booked (stale: at whose close)
        symbol (String): the asset
        kind (Enum): split, dividend, delisting, stale
        value (Float64): new shares per old, cash per share, or recovery price; null: closed at the last mark
        quantity (Float64): shares held after it
        cash (Float64): cash booked
        """
        return self.frame("actions")

    @property
    def charges(self) -> pl.DataFrame:
        """What moved cash before an open: holding over night (clause 1.2), deposits and withdrawals (1.3).

        Sorted by time, kind and symbol.

        timestamp: bar before whose open it was booked
        symbol (String): the asset that is short, or whose funding it is; null for interest and flows
        kind (Enum): borrow, interest, flow, funding
        amount (Float64): as it moved cash, negative where it was paid
        """
        return self.frame("charges")

    @property
    def events(self) -> pl.DataFrame:
        """What happened to the account besides fills and charges, in order.

        timestamp: the bar: at whose close (margin_call, bankrupt), or before whose open
        kind (Enum): margin_call, bankrupt (clause 4.5), flow_refused (1.3), recall (1.5)
        symbol (String): the asset that is recalled; null where it is the account
        quantity (Float64): of a recall as it was ordered, null without one
        value (Float64): what was compared: equity, of a refused flow its amount, of a recall the shares short
        limit (Float64): with what: the maintenance requirement of a margin call, the equity that a flow would have come
            to, the shares that can be borrowed; null where there is none
        """
        return self.frame("events")

    @property
    def margin(self) -> pl.DataFrame:
        """Requirements of an account on margin at the end of every bar (clause 6.2); no rows in a cash account.

        timestamp: the bar
        initial (Float64): sum of the initial requirements of all positions, in currency
        maintenance (Float64): sum of the maintenance requirements
        available_funds (Float64): equity x (1 - cash_buffer) - initial: what entries may still use
        excess_liquidity (Float64): equity - maintenance; below zero there is a margin call
        leverage (Float64): gross exposure / equity; null without equity
        """
        return self.frame("margin")

    @property
    def ambiguous_bars(self) -> pl.DataFrame:
        """Bars that do not tell which of two things happened first; the policies decided.

        timestamp: the bar
        symbol (String): the asset
        kind (Enum): two_sided, entry_bar, trail (clauses 3.0 to 3.2 of the contract)
        """
        return self.frame("ambiguous_bars")

    if not TYPE_CHECKING:  # a type checker knows what there is

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(name)
            if hasattr(type(self), name):  # a property whose own code failed: its error, not this one
                return object.__getattribute__(self, name)
            raise AttributeError(f"a Result has no attribute {name!r}{_pointer(name)}")

        def __getitem__(self, name: Any) -> Any:
            way = _pointer(name) if isinstance(name, str) else ""
            raise TypeError(f"a Result is no table{way or f'; it has {FRAMES_AND_FIGURES}'}")

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return self._source.config

    @cached_property
    def metrics(self) -> Metrics:
        """Performance and activity figures by name; `facade.results.metrics` lists every key with its formula."""
        return Metrics(self._source.metrics())

    @cached_property
    def facts(self) -> Facts:
        """Bars done, policies, notices, counts and versions."""
        return self._source.facts()

    @cached_property
    def data_digest(self) -> str:
        """Digest of the panel that was traded."""
        return self._source.data_digest()

    @property
    def policies(self) -> Mapping[str, Any]:
        """The policies in force."""
        return self.facts.policies

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader should know about the configuration and the data."""
        return self.facts.notices

    @property
    def rejection_reasons(self) -> Mapping[str, int]:
        """Orders refused or cut by reason, most frequent first."""
        return self.facts.rejection_reasons

    def summary(self) -> str:
        """The result as a text table: account, performance, activity, costs, policies, notices."""
        return summary_text(self.facts, self.metrics)

    def plot(self, **options: Any) -> Figure:
        """A plotly figure of equity, drawdown, exposure and trades; needs the `viz` extra (`results.figure.plot`)."""
        own = self.equity, self.trades, self.facts, self.metrics
        return plot(*own, events=self.events, charges=self.charges, **options)

    def __repr__(self) -> str:
        return f"Result({headline(self.facts, self.metrics)})"

    def _repr_html_(self) -> str:
        return summary_html(self.facts, self.metrics)


FRAMES_AND_FIGURES = f"the frames {', '.join(FRAMES)}, and figures in result.metrics"


def _pointer(name: str) -> str:
    """Where a reader finds what is no attribute, or was asked for by name in brackets."""
    if name in FRAMES:
        return f"; it is a frame: result.{name}"
    if name in METRICS:
        return f"; it is a metric: result.metrics[{name!r}]"
    if name.lower() in ("stats", "statistics", "performance", "report", "describe"):
        return "; figures are in result.metrics, and result.summary() is a table of them"
    near = did_you_mean(name, [known for known in dir(Result) if not known.startswith("_")])
    if near:
        return near
    near = did_you_mean(name.lower(), METRICS)
    return f"{near} (result.metrics)" if near else ""
