"""The market data of a run: dense arrays, their clock and their corporate actions, checked once and then frozen."""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import polars as pl

from facade.data.actions import (
    Actions,
    action_rows,
    adjust,
    declared,
    guard_against_adjusted,
    infer_delistings,
    read_actions,
)
from facade.data.arrays import check_symbols, copy_arrays, freeze, raw_bytes
from facade.data.clock import Clock, bar_dates, make_clock, session_values, to_timestamps
from facade.data.dividends import guard_dividends
from facade.data.instruments import instrument_rows
from facade.data.matching import match_names
from facade.data.memory import all_frozen, begun_on_line
from facade.data.selection import Selection, clock_of, has_volume, locate
from facade.data.terms import NOTHING, Given, cut_terms, digested, read_terms, restated, told
from facade.data.validate import check_repairs, clean_prices
from facade.errors import DataError, listing
from facade.wording import plural
from ml4t_kernel.schema import BORROW, FUNDING, PRICES

FIELDS = (*PRICES, "volume")
BEGINS = "the data labels bars by their begin (bar_label='open'), and so are the rows of a strategy read"
T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class Panel:
    """Prices of A symbols over T bars, built once by `load_panel` or `Panel.from_arrays` and shared by runs and sweeps.

    All arrays are float64 and read-only, with NaN where a symbol has no bar. Prices are in account currency a share,
    volume in shares. The four prices of a bar lie side by side in `bars`, so that a run finds them on one line of
    cache; `open`, `high`, `low` and `close` are views of it, 32 bytes from cell to cell. What goes through one of them
    many times is faster on a dense copy, `np.ascontiguousarray(panel.close)`.
    """

    bars: np.ndarray
    """(T, A, 4) open, high, low and close of each bar, in C order."""
    volume: np.ndarray
    """(T, A) shares traded in the bar, in C order; NaN throughout when the data has no volume."""
    timestamps: pl.Series
    """(T,) time at which each bar is complete: Date, Datetime, or the bar number when there are no timestamps."""
    symbols: tuple[str, ...]
    """(A,) names of the columns."""
    sessions: np.ndarray
    """(T,) int32 number of the session of each bar, from 0."""
    session_dates: pl.Series
    """(S,) date of each session; bar numbers when there are no timestamps."""
    periods_per_year: float
    """Bars a year, derived from the timestamps as `facade.data.clock.periods_per_year` says."""
    actions: pl.DataFrame
    """Corporate actions in force: symbol, ex_date, kind, value; sorted by ex_date."""
    action_rows: np.ndarray
    """(E,) ACTION rows of the kernel, sorted by bar, ex-date, asset, kind."""
    extras: dict[str, np.ndarray] = field(default_factory=dict)
    """Further (T, A) columns by name."""
    has_volume: bool = False
    """Whether any bar has a volume."""
    actions_before: int = 0
    """Actions dropped because they lie before the first session."""
    actions_after: int = 0
    """Actions dropped because they lie after the last session."""
    inferred_delistings: tuple[str, ...] = ()
    """Symbols that `delisting="infer"` took to be delisted after their last bar."""
    delisting: str | None = None
    """"infer" when delistings were to be inferred, whether or not any were."""
    repairs: dict[str, int] = field(default_factory=dict)
    """How many bars each repair that was asked for changed."""
    begins: pl.Series | None = None
    """(T,) labels of the data where `bar_label="open"` moved them to the ends of the bars; None: nothing was moved."""
    instruments: pl.DataFrame | None = None
    """(A,) kind, multiplier, sector, lot and margins of each symbol, in their order; None: all are stocks."""
    borrow: pl.DataFrame | None = None
    """What can be borrowed: symbol, timestamp, available, fee in force, sorted by timestamp, "*" written out."""
    borrow_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, BORROW))
    """(B,) BORROW sorted by bar and asset: what holds from a bar on, `available` in the shares of that bar."""
    borrow_after: int = 0
    """Rows of `borrow` dropped because they lie after the last session."""
    funding: pl.DataFrame | None = None
    """Funding of perpetuals in force: timestamp, symbol, rate; sorted by bar and timestamp."""
    funding_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, FUNDING))
    """(R,) FUNDING sorted by bar, time, asset; each is booked before the open of its bar."""
    funding_before: int = 0
    """Rows of `funding` dropped because they would be booked before the first bar, when nobody holds."""
    funding_after: int = 0
    """Rows of `funding` dropped because no bar is complete after them."""
    notices: tuple[str, ...] = ()
    """What a reader of a result should know of the data, one sentence each."""
    _derived: dict[str, tuple[Hashable, Any]] = field(default_factory=dict, init=False)
    """What `derived` keeps: name -> what it is of, and the value."""

    @classmethod
    def from_arrays(
        cls,
        open: Any,
        high: Any,
        low: Any,
        close: Any,
        volume: Any = None,
        timestamps: Any = None,
        symbols: Sequence[str] | None = None,
        sessions: Any = None,
        actions: Any = None,
        extras: Mapping[str, Any] | None = None,
        *,
        bar_label: str = "close",
        repair: str | Iterable[str] | None = None,
        delisting: str | None = None,
        instruments: Any = None,
        borrow: Any = None,
        funding: Any = None,
    ) -> "Panel":
        """Panel of (T, A) arrays, or (T,) for one symbol; the arrays are copied.

        Of pandas and Polars frames and Series the columns are matched by name: to `symbols`, or to those of the first
        frame, which then are the symbols. An index of times (of Polars: a column of times) gives `timestamps`, or has
        to equal those given; frames that disagree are refused. Without `timestamps` bars are numbered, each is a
        session of its own and a year has 252 of them. `instruments` (a row a symbol), `borrow` (shares, fee a year) and
        `funding` (a fraction each time) are tables as of `load_panel`, their timestamps bar numbers where bars are
        numbered; DataError for a row that breaks a rule.

        >>> import numpy as np
        >>> Panel.from_arrays(*[np.array([10.0, 11.0, 10.5])] * 4, symbols=["ABC"])
        Panel(3 bars x 1 symbol, 0 to 2, no volume)
        """
        repairs = check_repairs(repair)
        given = {"open": open, "high": high, "low": low, "close": close, "volume": volume, **(extras or {})}
        matched = match_names(
            {name: values for name, values in given.items() if values is not None}, symbols, timestamps
        )
        whole, arrays = copy_arrays(matched.arrays)
        bars, assets = arrays["close"].shape
        names, timestamps = check_symbols(matched.symbols, assets), matched.timestamps
        clock = make_clock(to_timestamps(timestamps, bars), bar_label, session_values(sessions, bars))
        given_terms = Given(instruments, borrow, funding)
        return assemble(whole, arrays, clock, names, actions, repairs, delisting, terms=given_terms)

    @cached_property
    def open(self) -> np.ndarray:
        """(T, A) first price of the bar."""
        return self.bars[:, :, 0]

    @cached_property
    def high(self) -> np.ndarray:
        """(T, A) highest price of the bar."""
        return self.bars[:, :, 1]

    @cached_property
    def low(self) -> np.ndarray:
        """(T, A) lowest price of the bar."""
        return self.bars[:, :, 2]

    @cached_property
    def close(self) -> np.ndarray:
        """(T, A) last price of the bar; NaN: no bar."""
        return self.bars[:, :, 3]

    @property
    def shape(self) -> tuple[int, int]:
        """(T, A): bars and symbols."""
        return self.bars.shape[0], self.bars.shape[1]

    @property
    def labels(self) -> pl.Series:
        """(T,) how the data labels the bars, and so the rows of a strategy: `timestamps`, or the begins of the bars."""
        return self.timestamps if self.begins is None else self.begins

    @property
    def instrument_rows(self) -> np.ndarray:
        """(A,) INSTRUMENT of each symbol, NaN for what is Config's; stocks where no `instruments` were given."""
        return self.derived("instruments", lambda: instrument_rows(self.instruments, len(self.symbols)))

    @property
    def multipliers(self) -> np.ndarray | None:
        """(A,) what one share or contract counts; None where each is 1."""
        if self.instruments is None:
            return None
        factors = self.instrument_rows["multiplier"]
        return self.derived("multipliers", lambda: None if (factors == 1.0).all() else factors)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of what can change a result: labels, sessions, arrays, actions, bars a year, terms.

        Instruments, borrow and funding count where they are given.
        """
        sha = hashlib.sha256()
        labels = (self.shape, self.symbols, str(self.timestamps.dtype), self.periods_per_year, sorted(self.extras))
        sha.update(repr(labels).encode())
        times = (self.timestamps,) if self.begins is None else (self.timestamps, self.begins)
        arrays = [column.to_physical().cast(pl.Int64).to_numpy() for column in times]
        arrays += [self.sessions, *(getattr(self, name) for name in FIELDS)]
        arrays += [self.extras[name] for name in sorted(self.extras)]
        arrays += [self.action_rows[name] for name in ("bar", "asset", "kind", "value")]
        for array in (*arrays, *digested(self)):
            for part in (array,) if isinstance(array, bytes) else raw_bytes(array):
                sha.update(part)
        return sha.hexdigest()

    def adjusted(self, field: str, dividends: bool = False) -> np.ndarray:
        """(T, A) prices times the product of the splits up to each bar; volume is divided by it.

        Causal: what a bar says never depends on later bars or actions, so signals may be computed from it while orders
        trade at raw prices. With `dividends` each cash dividend is reinvested at the close of its ex-date, and returns
        are total returns (volume is not affected).

        >>> import polars as pl
        >>> prices = [[90.0], [45.0], [46.0]]
        >>> split = pl.DataFrame({"symbol": ["A0"], "ex_date": [1], "kind": ["split"], "value": [2.0]})
        >>> Panel.from_arrays(prices, prices, prices, prices, actions=split).adjusted("close").tolist()
        [[90.0], [90.0], [92.0]]
        """
        if field not in FIELDS:
            raise DataError(f"adjusted() takes {', '.join(FIELDS)}, not {field!r}")
        return adjust(getattr(self, field), self.close, self.action_rows, dividends, volume=field == "volume")

    def with_actions(self, actions: Any, delisting: str | None = None) -> "Panel":
        """The same prices with corporate actions; the arrays are shared. Inferred delistings are inferred anew."""
        if len(self.actions) > len(self.inferred_delistings):
            raise DataError("the panel has actions already: give them to the panel or to the run, not to both")
        infer = delisting or self.delisting
        clock = Clock(self.timestamps, self.sessions, self.session_dates, self.periods_per_year)
        found, inferred = _resolve_actions(actions, clock, self.symbols, self.open, self.close, infer, False)
        return replace(
            self,
            actions=found.frame,
            action_rows=found.rows,
            actions_before=found.before,
            actions_after=found.after,
            inferred_delistings=inferred,
            delisting=infer,
            **restated(self, clock, found.frame),
        )

    def select(self, symbols: Sequence[str] | None = None, start: Any = None, end: Any = None) -> "Panel":
        """Some symbols and a stretch of time, as `load_panel` with these arguments would have loaded them.

        Sessions are numbered anew, inferred delistings derived anew, and actions outside the stretch dropped; a split
        before it has no effect on it. Bars on which only other symbols trade are left out. Four things differ: bars a
        year are those of this panel, whatever the stretch (counted anew over all of its time where bars of other
        symbols are left out); `start` and `end` (inclusive; bar numbers where the panel has no dates) are compared
        with `timestamps`, which are ends of bars; a symbol that has no bar in the stretch keeps its column; and what
        can be borrowed on a bar is what it is in this panel, restated by splits before the stretch. A stretch of all
        symbols shares the arrays of this panel; columns are copied.

        Raises DataError for an unknown symbol, and where there is no bar.

        >>> import numpy as np
        >>> prices = np.arange(1.0, 9.0).reshape(4, 2)
        >>> panel = Panel.from_arrays(*[prices] * 4, symbols=["A", "B"])
        >>> panel.select(["B"], start=1).close.tolist()
        [[4.0], [6.0], [8.0]]
        """
        return select(self, locate(self, symbols, start, end))

    def __repr__(self) -> str:
        bars, assets = self.shape
        parts = [f"{bars:,} bar{'s' * (bars != 1)} x {assets:,} symbol{'s' * (assets != 1)}"]
        parts.append(f"{self.timestamps[0]} to {self.timestamps[-1]}")
        if len(self.actions):
            parts.append(f"{len(self.actions):,} action{'s' * (len(self.actions) != 1)}")
        parts += [plural(count, name) for name, count in told(self).items()]
        if not self.has_volume:
            parts.append("no volume")
        return f"Panel({', '.join(parts)})"

    def _repr_html_(self) -> str:
        bars, assets = self.shape
        cells = {
            "bars": f"{bars:,}",
            "from": self.timestamps[0],
            "to": self.timestamps[-1],
            "symbols": f"{assets:,}: {listing(self.symbols)}",
            "sessions": f"{len(self.session_dates):,}",
            "periods a year": f"{self.periods_per_year:g}",
            "actions": f"{len(self.actions):,}",
            **{f"{name}s": f"{count:,}" for name, count in told(self).items()},
            "volume": "yes" if self.has_volume else "no",
        }
        lines = "".join(f"<tr><th>{name}</th><td>{_escape(str(value))}</td></tr>" for name, value in cells.items())
        return f"<table><caption>Panel</caption>{lines}</table>"

    def derived(self, name: str, build: Callable[[], T], of: Hashable = None) -> T:
        """`build()`, made once and kept as long as the panel lives, its arrays read-only: what runs share.

        of: what the value depends on besides the panel; of each name the value asked for last is kept.
        """
        held = self._derived.get(name)
        if held is None or held[0] != of:
            held = self._derived[name] = (of, all_frozen(build()))
        value: T = held[1]
        return value

    def __getstate__(self) -> dict[str, Any]:
        # Made again where it is needed: what is derived may be as large as the panel, and views would become copies.
        kept = {name: value for name, value in self.__dict__.items() if name not in PRICES}
        return {**kept, "_derived": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickling forgets where an array began, and that it is read-only.
        self.__dict__.update(state, bars=begun_on_line(state["bars"]))
        freeze(self.__dict__)


def assemble(
    bars: np.ndarray,
    arrays: dict[str, np.ndarray],
    clock: Clock,
    symbols: tuple[str, ...],
    actions: Any,
    repairs: frozenset[str],
    delisting: str | None,
    selection: bool = False,
    terms: Given = NOTHING,
) -> Panel:
    """Panel of arrays that are ours to modify, prices views of `bars`: checked, repaired, frozen, with actions."""
    shape = arrays["close"].shape
    volume = arrays.get("volume")
    for number, name in enumerate(PRICES):
        if name not in arrays:  # only where flat_from_close was asked for
            bars[:, :, number] = np.nan
    prices = {name: bars[:, :, number] for number, name in enumerate(PRICES)}
    prices["volume"] = np.full(shape, np.nan) if volume is None else volume
    repaired = clean_prices(prices, clock.timestamps, symbols, repairs)
    found, inferred = _resolve_actions(actions, clock, symbols, prices["open"], prices["close"], delisting, selection)
    state: dict[str, Any] = {
        "bars": bars,
        "volume": prices["volume"],
        **clock._asdict(),
        "symbols": symbols,
        "actions": found.frame,
        "action_rows": found.rows,
        "extras": {name: array for name, array in arrays.items() if name not in FIELDS},
        "has_volume": volume is not None and not bool(np.isnan(volume).all()),
        "actions_before": found.before,
        "actions_after": found.after,
        "inferred_delistings": inferred,
        "delisting": delisting,
        "repairs": repaired,
        "notices": () if clock.begins is None else (BEGINS,),
        **read_terms(terms, clock, symbols, found.frame, selection),
    }
    freeze(state)
    return Panel(**state)


def _resolve_actions(
    actions: Any,
    clock: Clock,
    symbols: tuple[str, ...],
    open_: np.ndarray,
    close: np.ndarray,
    delisting: str | None,
    selection: bool,
) -> tuple[Actions, tuple[str, ...]]:
    if delisting not in (None, "infer"):
        raise DataError(f"delisting must be None or 'infer', not {delisting!r}")
    found = read_actions(actions, clock, symbols, close, selection)
    guard_against_adjusted(found.rows, open_, close, clock, symbols)
    guard_dividends(found.rows, open_, close, clock, symbols)
    inferred: tuple[str, ...] = ()
    if delisting == "infer":
        found, inferred = infer_delistings(found, clock, symbols, close)
    found.rows.flags.writeable = False
    return found, inferred


def select(panel: Panel, selection: Selection) -> Panel:
    """The panel of a selection; what lies outside it leaves no trace, neither in actions nor in inferred delistings."""
    clock = clock_of(panel, selection)
    symbols = panel.symbols if selection.assets is None else tuple(panel.symbols[a] for a in selection.assets)
    arrays: dict[str, Any] = {name: selection.cut(getattr(panel, name)) for name in ("bars", "volume")}
    extras = {name: selection.cut(array) for name, array in panel.extras.items()}
    for array in (*arrays.values(), *extras.values(), clock.sessions):
        array.flags.writeable = False
    found, inferred = _actions_of(panel, clock, symbols, arrays["bars"][:, :, PRICES.index("close")])
    before, after = (panel.actions_before, panel.actions_after) if selection.assets is None else (0, 0)
    return replace(
        panel,
        **arrays,
        **clock._asdict(),
        symbols=symbols,
        extras=extras,
        has_volume=has_volume(panel, selection),
        actions=found.frame,
        action_rows=found.rows,
        actions_before=before + found.before,
        actions_after=after + found.after,
        inferred_delistings=inferred,
        **cut_terms(panel, clock, symbols, found.frame),
    )


def _actions_of(
    panel: Panel, clock: Clock, symbols: tuple[str, ...], close: np.ndarray
) -> tuple[Actions, tuple[str, ...]]:
    """Declared actions of the symbols between the first session and the last; delistings are inferred anew."""
    frame = declared(panel.actions, panel.inferred_delistings, symbols if symbols != panel.symbols else None)
    dates = bar_dates(clock.sessions, clock.session_dates)
    ex_dates = frame["ex_date"].to_physical().cast(pl.Int64).to_numpy()
    early, late = ex_dates < dates[0], ex_dates > dates[-1]
    frame = frame.filter(pl.Series(~(early | late)))
    found = Actions(frame, action_rows(frame, clock, symbols), int(early.sum()), int(late.sum()))
    inferred: tuple[str, ...] = ()
    if panel.delisting == "infer":
        found, inferred = infer_delistings(found, clock, symbols, close)
    found.rows.flags.writeable = False
    return found, inferred


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
