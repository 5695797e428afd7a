"""Entry and exit signals: the class, checked when it is built, and what the kernel reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import polars as pl

from facade.config.model import Config
from facade.data.memory import frozen
from facade.data.panel import Panel
from facade.data.selection import Selection
from facade.errors import StrategyError
from facade.strategies.draft import Draft
from facade.strategies.frames import is_long
from facade.strategies.reading import MOST
from facade.strategies.signal_cells import (
    BITS,
    SINGULAR,
    Cells,
    checked_frame,
    cut_cells,
    long_cells,
    place_signals,
    read_array,
    read_frame,
)
from facade.strategies.strategy import Placed, Strategy, named, named_arguments
from facade.wording import further
from ml4t_kernel.schema import SIGNAL, SizeType

SIZE_TYPES = tuple(size_type.name.lower() for size_type in SizeType)


@named_arguments
@dataclass(frozen=True, eq=False, repr=False)
class Signals(Strategy):
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

    UNPARSED = ("entries", "exits", "short_entries", "short_exits", "size", "rank")

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
    @named
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
        """From boolean arrays (T, A) in the order of the panel; `size` and `rank` numbers or arrays (T, A).

        Each may be (T,) for one symbol, or a pandas or Polars frame, whose columns (the symbols of the panel in any
        order) and times are matched by name.
        """
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

    def encode(self, panel: Panel, config: Config, draft: Draft) -> None:
        if config.entry_rank == "rank" and self.ranks is None:
            raise StrategyError("Signals: entry_rank='rank' needs rank")
        signals, draft.counts = place_signals(panel, self.flags, self.sizes, self.ranks, draft.align)
        draft.signals = frozen(signals, SIGNAL)
        draft.expected_orders = len(signals)
        size_type = SizeType[self.size_type.upper()]
        draft.settings |= {"size_type": int(size_type), "has_batch": size_type >= SizeType.TARGET_SHARES}
        draft.settings["accumulate"] = self.accumulate
        if isinstance(self.sizes, float):
            draft.settings["signal_size"] = self.sizes

    def within(self, selection: Selection, placed: Placed) -> Self:
        flags = {name: cut_cells(name, cells, selection, placed) for name, cells in self.flags.items()}
        sizes, ranks = (
            cut_cells(name, cells, selection, placed) if isinstance(cells, Cells) else cells
            for name, cells in (("size", self.sizes), ("rank", self.ranks))
        )
        return self.changed(**dict.fromkeys(self.UNPARSED), flags=flags, sizes=sizes, ranks=ranks)

    def __repr__(self) -> str:
        size = self.sizes if isinstance(self.sizes, float) else "given per signal"
        return f"Signals({', '.join(self.flags)}; size={size} {self.size_type})"


def _long_base(base: pl.DataFrame | None, name: str) -> pl.DataFrame:
    if base is None or not is_long(base):
        raise StrategyError(f"Signals: {name} names a column, so entries must be a long frame (timestamp, symbol, ...)")
    return base
