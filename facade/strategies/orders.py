"""Strategies given as data: orders, target weights, target shares, signals; each checks its columns when built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl

from facade.errors import StrategyError
from facade.strategies.frames import further, is_long
from facade.strategies.order_table import OrderTable, parse_orders
from facade.strategies.reading import MOST
from facade.strategies.signal_cells import (
    BITS,
    SINGULAR,
    Cells,
    checked_frame,
    long_cells,
    read_array,
    read_frame,
)
from facade.strategies.target_rows import GivenTargets, read_target_array, read_target_frame
from ml4t_kernel.schema import SizeType

SIZE_TYPES = tuple(size_type.name.lower() for size_type in SizeType)


@dataclass(frozen=True, eq=False, repr=False)
class Orders:
    """Orders decided at the close of the bar of their timestamp, one a row.

    Parameters
    ----------
    frame
        A Polars DataFrame or LazyFrame, or a table with the Arrow C stream. Columns `timestamp`, `symbol`, `quantity`
        (signed shares) and, each with its default when missing or null: `type` ("market", "limit", "stop",
        "stop_limit", "trailing_stop"; "moo" and "moc" are market orders at the open and at the close; any case),
        `limit_price`, `stop_price`, `trail_amount` (currency), `time_in_force` ("gtc", "day", "bars", "ioc", "at_open",
        "at_close"), `bars`, `action` ("submit", "cancel", "replace"), `id`, `parent` and `group` (labels),
        `reduce_only`, `rank` (smaller is served first, null last), `tag`, and the rules the order carries: `stop_loss`,
        `take_profit`, `trailing_stop`, `trail_activation`, `break_even`, `time_exit`, `stop_loss_price`,
        `take_profit_price` (null is the run-wide value, inf is off).

        A cancel or a replacement names an earlier order by `id`; a replacement changes the prices given, and the
        quantity still to trade when given. A child names its `parent`, of the same timestamp, in a row before it.

    Raises
    ------
    StrategyError
        Naming row, symbol, date, column, value and rule.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"timestamp": [0, 1], "symbol": ["A", "A"], "quantity": [10.0, -10.0], "type": "moo"})
    >>> Orders(frame)
    Orders(2 rows)
    """

    frame: Any
    table: OrderTable = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", parse_orders(self.frame))

    def __repr__(self) -> str:
        return f"Orders({len(self.table.intents):,} rows)"


def _check_non_negative(name: str, value: float | None, what: str) -> None:
    if value is not None and not (isinstance(value, int | float | np.number) and 0 <= value < np.inf):
        raise StrategyError(f"{what}: {name}={value!r} is not allowed; it must be a finite number >= 0")


def _describe_targets(name: str, given: GivenTargets) -> str:
    shape = " x ".join(f"{size:,}" for size in given.values.shape)
    return f"{name}({shape}{' long rows' if given.values.ndim == 1 else ''})"


@dataclass(frozen=True, eq=False, repr=False)
class TargetWeights:
    """Target weights: fractions of equity wanted at the bars given, sized at the close of each.

    Parameters
    ----------
    frame
        Long (`timestamp`, `symbol`, `weight`) or wide (`timestamp`, one column a symbol). Only the bars given are
        rebalanced. A symbol left out of a given bar goes to zero; null and NaN leave it alone; 0 closes.
    scale
        Cut weights that an unlevered account cannot hold (sum of |w| above 1, w < 0 without shorting) instead of
        refusing them.
    min_notional
        In account currency; instead of the configuration's.
    min_weight_change
        Targets closer than this to the weight held are left alone (fraction of equity), zero excepted.

    Examples
    --------
    >>> import numpy as np
    >>> TargetWeights.from_array(np.array([[0.5, 0.5], [np.nan, np.nan], [1.0, 0.0]]))
    TargetWeights(3 x 2)
    """

    frame: Any
    _: KW_ONLY
    scale: bool = False
    min_notional: float | None = None
    min_weight_change: float = 0.0
    given: GivenTargets = field(init=False)

    def __post_init__(self) -> None:
        self._check_options()
        object.__setattr__(self, "given", read_target_frame(self.frame, ("weight", "target"), "TargetWeights"))

    def _check_options(self) -> None:
        if not isinstance(self.scale, bool):
            raise StrategyError(f"TargetWeights: scale={self.scale!r} is not allowed; it is True or False")
        _check_non_negative("min_notional", self.min_notional, "TargetWeights")
        _check_non_negative("min_weight_change", self.min_weight_change, "TargetWeights")

    @classmethod
    def from_array(
        cls,
        weights: Any,
        *,
        scale: bool = False,
        min_notional: float | None = None,
        min_weight_change: float = 0.0,
    ) -> Self:
        """From an array (T, A) in the order of the panel; a NaN row is a bar without rebalance.

        The array is not copied when every bar is given and it is float64 in C order: do not change it during a run.
        """
        made = object.__new__(cls)
        values = {"frame": None, "scale": scale, "min_notional": min_notional, "min_weight_change": min_weight_change}
        for name, value in values.items():
            object.__setattr__(made, name, value)
        made._check_options()
        object.__setattr__(made, "given", read_target_array(weights, "TargetWeights"))
        return made

    def __repr__(self) -> str:
        return _describe_targets("TargetWeights", self.given)


@dataclass(frozen=True, eq=False, repr=False)
class TargetShares:
    """Target positions in shares at the bars given; frames as for `TargetWeights`, long ones with column `shares`.

    Examples
    --------
    >>> import polars as pl
    >>> TargetShares(pl.DataFrame({"timestamp": [0], "symbol": ["A"], "shares": [100.0]}))
    TargetShares(1 long rows)
    """

    frame: Any
    _: KW_ONLY
    min_notional: float | None = None
    given: GivenTargets = field(init=False)

    def __post_init__(self) -> None:
        _check_non_negative("min_notional", self.min_notional, "TargetShares")
        names = ("shares", "quantity", "target")
        object.__setattr__(self, "given", read_target_frame(self.frame, names, "TargetShares"))

    @classmethod
    def from_array(cls, shares: Any, *, min_notional: float | None = None) -> Self:
        """From an array (T, A) in the order of the panel; a NaN row is a bar without rebalance."""
        _check_non_negative("min_notional", min_notional, "TargetShares")
        made = object.__new__(cls)
        object.__setattr__(made, "frame", None)
        object.__setattr__(made, "min_notional", min_notional)
        object.__setattr__(made, "given", read_target_array(shares, "TargetShares"))
        return made

    def __repr__(self) -> str:
        return _describe_targets("TargetShares", self.given)


@dataclass(frozen=True, eq=False, repr=False)
class Signals:
    """Entry and exit signals, decided at the close of their bar.

    Parameters
    ----------
    entries
        A long frame (`timestamp`, `symbol` and boolean columns `entries`, `exits`, `short_entries`, `short_exits`, or
        their singular forms), or a wide frame of booleans, or a long one with one boolean column.
    exits, short_entries, short_exits
        A frame like that, or the name of a column of the long frame given as `entries`.
    size
        A number, a frame, or the name of a column of `entries`; positive, in units of `size_type`.
    size_type
        "shares", "value", "fraction" (of equity), "target_shares", "target_value" or "target_fraction".
    rank
        A frame or a column name; smaller is served first under `entry_rank="rank"`, missing last.
    accumulate
        Whether an entry adds to a position of its direction.

    Examples
    --------
    >>> import polars as pl
    >>> Signals(pl.DataFrame({"timestamp": [0, 1], "symbol": "A", "entry": [True, False], "exit": [False, True]}))
    Signals(entries, exits; size=1.0 fraction)
    """

    entries: Any
    exits: Any = None
    short_entries: Any = None
    short_exits: Any = None
    size: Any = 1.0
    size_type: str = "fraction"
    rank: Any = None
    accumulate: bool = False
    flags: Mapping[str, Cells] = field(init=False)
    sizes: float | Cells = field(init=False)
    ranks: Cells | None = field(init=False)

    def __post_init__(self) -> None:
        base = None if self.entries is None else checked_frame("entries", self.entries)
        flags = {}
        for name in BITS:
            cells = self._flag_cells(name, base)
            if cells is not None:
                flags[name] = cells
        sizes = self._number_cells("size", self.size, base)
        ranks = self._number_cells("rank", self.rank, base)
        if ranks is None and base is not None and is_long(base) and "rank" in base.columns:
            ranks = long_cells(base, "rank", "rank", False)
        self._finish(flags, sizes, ranks)

    def _flag_cells(self, name: str, base: pl.DataFrame | None) -> Cells | None:
        """Cells of one kind of signal, from its own argument or from a column of the frame of entries."""
        given = getattr(self, name)
        if isinstance(given, str):
            return long_cells(_long_base(base, name), given, name, True)
        own = [] if base is None or not is_long(base) else [c for c in base.columns if SINGULAR.get(c, c) == name]
        if name != "entries" and given is not None:
            if own:
                raise StrategyError(f"Signals: {name} is given twice, as an argument and as column {own[0]!r}")
            return read_frame(name, given, True)
        if len(own) > 1:
            raise StrategyError(f"Signals: {name} is given twice, as columns {own[0]!r} and {own[1]!r}")
        if own and base is not None:
            return long_cells(base, own[0], name, True)
        if name != "entries" or base is None:
            return None
        named = any(SINGULAR.get(c, c) in BITS for c in base.columns)
        return None if named and is_long(base) else read_frame(name, base, True)

    def _number_cells(self, name: str, given: Any, base: pl.DataFrame | None) -> Any:
        if isinstance(given, str):
            return long_cells(_long_base(base, name), given, name, False)
        if given is None or isinstance(given, int | float | np.number):
            return given
        return read_frame(name, given, False)

    def _finish(self, flags: dict[str, Cells], sizes: Any, ranks: Any) -> None:
        """Checks what frames and arrays have in common, and fixes the fields."""
        if not {"entries", "short_entries"} & flags.keys():
            raise StrategyError("Signals: give entries, short_entries, or both")
        if self.size_type not in SIZE_TYPES:
            raise StrategyError(f"Signals: size_type={self.size_type!r} is not one of {', '.join(SIZE_TYPES)}")
        if not isinstance(self.accumulate, bool):
            raise StrategyError(f"Signals: accumulate={self.accumulate!r} is not allowed; it is True or False")
        if not isinstance(sizes, Cells):
            if isinstance(sizes, bool) or sizes is None or not 0 < sizes <= MOST:
                raise StrategyError(f"Signals: size={sizes!r} is not allowed; it must be a number 0 < x <= {MOST:g}")
            sizes = float(sizes)
        if ranks is not None and not isinstance(ranks, Cells):
            raise StrategyError(f"Signals: rank={ranks!r} is not allowed; it must be a frame or an array")
        for name, cells in (("size", sizes), ("rank", ranks)):
            if isinstance(cells, Cells) and np.isinf(cells.values).any():
                count = int(np.isinf(cells.values).sum())
                raise StrategyError(f"Signals: {name} holds an infinite value; it must be finite{further(count)}")
        object.__setattr__(self, "flags", flags)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "ranks", ranks)

    @classmethod
    def from_arrays(
        cls,
        entries: Any,
        exits: Any = None,
        short_entries: Any = None,
        short_exits: Any = None,
        size: Any = 1.0,
        size_type: str = "fraction",
        rank: Any = None,
        accumulate: bool = False,
    ) -> Self:
        """From boolean arrays (T, A) in the order of the panel; `size` and `rank` numbers or arrays (T, A)."""
        made = object.__new__(cls)
        values = {"entries": entries, "exits": exits, "short_entries": short_entries, "short_exits": short_exits}
        for name, value in {**values, "size_type": size_type, "accumulate": accumulate}.items():
            object.__setattr__(made, name, None if name in BITS else value)
        flags = {name: read_array(name, array, True) for name, array in values.items() if array is not None}
        object.__setattr__(made, "size", None)
        object.__setattr__(made, "rank", None)
        scalar = isinstance(size, int | float | np.number)
        sizes = size if scalar or size is None else read_array("size", size, False)
        made._finish(flags, sizes, None if rank is None else read_array("rank", rank, False))
        return made

    def __repr__(self) -> str:
        size = self.sizes if isinstance(self.sizes, float) else "given per signal"
        return f"Signals({', '.join(self.flags)}; size={size} {self.size_type})"


def _long_base(base: pl.DataFrame | None, name: str) -> pl.DataFrame:
    if base is None or not is_long(base):
        raise StrategyError(f"Signals: {name} names a column, so entries must be a long frame (timestamp, symbol, ...)")
    return base


STRATEGIES = (Orders, TargetWeights, TargetShares, Signals)
STRATEGY_NAMES = "Orders, TargetWeights, TargetShares or Signals"


def require_strategy(strategy: Any) -> None:
    """One of the classes above, not a frame, an array or a function."""
    if not isinstance(strategy, STRATEGIES):
        raise StrategyError(f"strategy must be {STRATEGY_NAMES}, got {type(strategy).__name__}")
