"""Rows of a grid put into groups by what they have in common; whole columns at once, no loop over rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from facade.config.model import PER_ASSET
from facade.config.per_asset import PerAsset
from facade.encode.params import Knobs, Varied, cap_in_force, is_charged

WIDEST = 2**31
"""Most values of a column that numbers of rows are multiplied with: the product stays below 2^63."""


class Numbers(NamedTuple):
    """of: (K,) int32, which distinct combination each row has, by first appearance; first: (n,) int64, where it is."""

    of: np.ndarray
    first: np.ndarray


def number(columns: Sequence[np.ndarray], rows: int) -> Numbers:
    """Numbers of the combinations of (K,) integer columns."""
    sorted_numbers, count = ranked(columns, rows)
    if count == 1:
        return Numbers(np.zeros(rows, np.int32), np.zeros(1, np.int64))
    first = np.empty(count, np.int64)
    first[sorted_numbers[::-1]] = np.arange(rows - 1, -1, -1)
    order = np.argsort(first, kind="stable")
    place = np.empty(count, np.int32)
    place[order] = np.arange(count, dtype=np.int32)
    return Numbers(place[sorted_numbers], first[order])


def ranked(columns: Sequence[np.ndarray], rows: int) -> tuple[np.ndarray, int]:
    """(K,) int64 place of each row's combination among the distinct ones, sorted column by column; how many there are.

    A column of one value costs one pass, others a table or a sort.
    """
    numbers, count = np.zeros(rows, np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        if low == high:
            continue
        codes = column.astype(np.int64) - low
        span = high - low + 1
        if span > WIDEST:
            codes = np.unique(codes, return_inverse=True)[1].reshape(-1)
            span = int(codes.max()) + 1
        numbers, count = _dense(numbers * span + codes, count * span)
    return numbers, count


def _dense(keys: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Keys below `size` as places among the distinct ones, in order."""
    if size > 4 * len(keys) + 65_536:
        distinct, places = np.unique(keys, return_inverse=True)
        return places.reshape(-1), len(distinct)
    met = np.zeros(size, bool)
    met[keys] = True
    return (np.cumsum(met) - 1)[keys], int(np.count_nonzero(met))


@dataclass(frozen=True, eq=False)
class Group:
    """Rows that share inputs: those of its first row. rows: (n,) int64 of the grid, ascending.

    key: numbers of the strategy with its parameters, of the selection (symbols and window), and of the structure.
    """

    index: int
    rows: np.ndarray
    key: tuple[int, int, int]

    @property
    def row(self) -> int:
        """The first, which stands for all of them."""
        return int(self.rows[0])


class Groups(Sequence[Group]):
    """All groups, each made when it is asked for. Those of one strategy follow each other, so that it is made once."""

    def __init__(self, strategies: Numbers, selections: Numbers, structures: Numbers) -> None:
        columns = (strategies.of, selections.of, structures.of)
        rows = len(strategies.of)
        numbers, self._count = ranked(columns, rows)
        self._columns = columns
        self._order = np.arange(rows) if self._count == 1 else np.argsort(numbers, kind="stable")
        self._order.flags.writeable = False
        self._edges = np.concatenate(([0], np.cumsum(np.bincount(numbers, minlength=self._count))))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        rows = self._order[self._edges[at] : self._edges[at + 1]]
        strategy, selection, structure = (int(column[rows[0]]) for column in self._columns)
        return Group(at, rows, (strategy, selection, structure))

    def __iter__(self) -> Iterator[Group]:
        return (self[at] for at in range(len(self)))

    def of(self, row: int) -> tuple[Group, int]:
        """The group of a row, and its place among the group's rows; IndexError for a row that is not there."""
        found = np.flatnonzero(self._order == row)
        if not len(found):
            raise IndexError(f"row {row} is not one of {len(self._order):,}")
        at = int(np.searchsorted(self._edges, found[0], side="right")) - 1
        return self[at], int(found[0] - self._edges[at])


def parts(numbers: Numbers) -> Iterator[np.ndarray]:
    """Rows of each number, ascending."""
    if len(numbers.first) == 1:
        yield np.arange(len(numbers.of))
        return
    order = np.argsort(numbers.of, kind="stable")
    edges = np.cumsum(np.bincount(numbers.of, minlength=len(numbers.first)))
    yield from np.split(order, edges[:-1])


def any_of(values: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    """Whether any value is of one of these types; each type is looked at once, as there may be a million values."""
    return any(issubclass(kind, kinds) for kind in set(map(type, values)))


def structure_columns(
    columns: Mapping[str, Any],
    knobs: Knobs,
    has_volume: bool,
    rows: int,
    has_zeros: bool = False,
    pays_borrow: bool = False,
) -> list[np.ndarray]:
    """(K,) integer columns that tell apart what of the configurations reaches `Market` or `Intents`.

    A field that is read there has to be here; every other field of Config only changes PARAMS. columns: every field,
    one value or `Varied`; has_volume: of the whole panel (a cap in force on a part of it without volume is an error);
    has_zeros: whether a bar of it has a volume of zero, so that a part may have assets without any; pays_borrow:
    whether it has borrow fees of its own.
    """

    def each(name: str, convert: Callable[[Any], int]) -> Any:
        given = columns[name]
        if isinstance(given, Varied):
            return np.array([convert(value) for value in given.values])[given.codes]
        return convert(given)

    def which(name: str, kinds: tuple[type, ...]) -> Any:
        """0 where the value is a number or None, else its own number."""
        given = columns[name]
        if not isinstance(given, Varied) or not any_of(given.values, kinds):
            return 0
        values = enumerate(given.values, 1)
        return np.array([at if isinstance(value, kinds) else 0 for at, value in values])[given.codes]

    read = ("cap", "cap_is_auto", "impact_coefficient", "impact_sigma", "borrow_fee", "credit_rate", "debit_rate")
    values = knobs.at(np.arange(rows), read)
    given = columns["periods_per_year"]
    capped = cap_in_force(values, has_volume) < np.inf
    reads_sigma = (values["impact_coefficient"] > 0) & (values["impact_sigma"] > 0)
    frees = capped & values["cap_is_auto"] & (values["impact_coefficient"] == 0) if has_zeros else 0
    found = [
        frees,  # volume and budget_volume of assets that never trade
        capped * (1 + each("volume_basis", lambda value: value == "previous")),  # budget_volume
        reads_sigma * each("volatility_window", int),  # sigma
        each("max_stale", int),  # stale, events
        (is_charged(values) | pays_borrow) * (1 + given.codes if isinstance(given, Varied) else 0),  # days
        each("allow_short_selling", int),  # weights that are lifted or refused
        each("entry_rank", lambda value: value == "rank"),  # ranks of orders; the demand for ranks
        *(which(name, (PerAsset, str)) for name in PER_ASSET),  # half_spread; rules, asset_rules
    ]
    return [np.asarray(column, np.int64) for column in found if np.ndim(column)]
