"""The arrays that cross into the compiled kernel: the bundles in which they travel, their dtypes and dimensions."""

from typing import Annotated, Any, NamedTuple, get_type_hints

import numpy as np

from ml4t_kernel.schema.records import (
    ACTION,
    AMBIGUOUS,
    BOOKED,
    BORROW,
    CHARGE,
    DETAIL,
    EQUITY,
    FILL,
    FLOW,
    FUNDING,
    INCIDENT,
    INSTRUMENT,
    INTENT,
    MARGIN_ROW,
    ORDER,
    PARAMS,
    POSITION,
    QUEUE,
    RULES,
    SIGNAL,
    STATE,
    TRADE,
    WORK,
)

__all__ = ["ARGUMENTS", "PRICES", "TAPE_FIELDS", "Argument", "Book", "Field", "Intents", "Market", "Tape"]


class Field(NamedTuple):
    """An array as the kernel takes it: its dtype and its number of dimensions, in C order and aligned; last: elements
    of its last dimension where machine code counts on them, 0: any."""

    dtype: np.dtype[Any]
    ndim: int
    last: int = 0


def _rows(dtype: Any) -> Field:
    """One dimension of these."""
    return Field(np.dtype(dtype), 1)


Table = Annotated[Any, Field(np.dtype("f8"), 2)]
Floats = Annotated[Any, _rows("f8")]
Ints = Annotated[Any, _rows("i4")]


PRICES = ("open", "high", "low", "close")
"""What lies side by side in a bar, in this order."""


class Market(NamedTuple):
    """Read-only panel.

    bars: (T, A, 4) float64, PRICES of each bar on one line of cache; volume: (T, A) float64; budget_volume: (T, A) or
    (1, 1); half_spread: (1, 1), (1, A) or (T, A) fraction; sigma: (T, A) or (1, 1); block_high, block_low:
    (ceil(T / BLOCK), A) extremes of BLOCK bars, or (0, 1): chains never sleep; session_end: (T,) int32, first bar of
    the next session (T: none); days: (T,) float64, days that rates count before the bar (1.2); actions,
    stale: (E,) ACTION sorted by bar; instruments: (A,) INSTRUMENT, or one unused row where none are given; borrow:
    (B,) BORROW; funding: (F,) FUNDING.

    open, high, low, close: (T, A) views of `bars`; compiled, `compile.references` asks `views` for them.
    """

    bars: Annotated[Any, Field(np.dtype("f8"), 3, len(PRICES))]
    volume: Table
    budget_volume: Table
    half_spread: Table
    sigma: Table
    block_high: Table
    block_low: Table
    session_end: Ints
    days: Floats
    actions: Annotated[Any, _rows(ACTION)]
    stale: Annotated[Any, _rows(ACTION)]
    instruments: Annotated[Any, _rows(INSTRUMENT)]
    borrow: Annotated[Any, _rows(BORROW)]
    funding: Annotated[Any, _rows(FUNDING)]

    @staticmethod
    def views() -> dict[str, tuple[str, int, int]]:
        """Of each view: the array it looks into, the element of its last dimension, and how many there are."""
        return {name: ("bars", number, len(PRICES)) for number, name in enumerate(PRICES)}

    @property
    def open(self) -> Any:
        return self.bars[:, :, 0]

    @property
    def high(self) -> Any:
        return self.bars[:, :, 1]

    @property
    def low(self) -> Any:
        return self.bars[:, :, 2]

    @property
    def close(self) -> Any:
        return self.bars[:, :, 3]


class Intents(NamedTuple):
    """Read-only strategy. events: (T,) uint8 of EVENT_* bits, those of Market included; event_bars: (N + 1,) int32
    bars with an event, ascending, then T; weights: (R, C) target weights or shares, NaN leaves alone; target_bars:
    (R,) int32 bar of each row; target_assets: (C,) int32 asset of each column, ascending (assets never wanted may
    be left out); signals: (G,) SIGNAL; orders: (I,) INTENT; rules: (>=1,) RULES; asset_rules: (A,) int32 row of
    rules for targets and signals; flows: (W,) FLOW."""

    events: Annotated[Any, _rows("u1")]
    event_bars: Ints
    weights: Table
    target_bars: Ints
    target_assets: Ints
    signals: Annotated[Any, _rows(SIGNAL)]
    orders: Annotated[Any, _rows(INTENT)]
    rules: Annotated[Any, _rows(RULES)]
    asset_rules: Ints
    flows: Annotated[Any, _rows(FLOW)]


class Book(NamedTuple):
    """State of one account. state: (1,) STATE; positions: (A,) POSITION; queues: (A,) QUEUE; work: (1,) WORK;
    new_state, new_position, new_queue: (1,) row with which each begins; held, waiting, asleep, inside, touched:
    (A,) int32 assets; placed: (I,) int32 order row of each intent (-1 not yet, -2 withdrawn, <= -3: row -(x + 3) of
    details, a child not yet born); queue, exits, entries: (Q,) int32 order rows; key_rank, amounts: (Q,) float64;
    active: (A,) uint8, 0: neither held nor with a working order (1: perhaps); settling: (MAX_SETTLEMENT + 1,) cash of
    sales that becomes spendable that many sessions from now."""

    state: Annotated[Any, _rows(STATE)]
    positions: Annotated[Any, _rows(POSITION)]
    queues: Annotated[Any, _rows(QUEUE)]
    work: Annotated[Any, _rows(WORK)]
    new_state: Annotated[Any, _rows(STATE)]
    new_position: Annotated[Any, _rows(POSITION)]
    new_queue: Annotated[Any, _rows(QUEUE)]
    held: Ints
    waiting: Ints
    asleep: Ints
    inside: Ints
    touched: Ints
    placed: Ints
    queue: Ints
    exits: Ints
    entries: Ints
    key_rank: Floats
    amounts: Floats
    active: Annotated[Any, _rows("u1")]
    settling: Floats


class Tape(NamedTuple):
    """What a run writes: (N,) ORDER, (D,) DETAIL, (F,) FILL, (K,) TRADE, (T,) EQUITY, (T,) float64 gross exposure
    (only where shorting is allowed or on margin, else one unused row: gross is equity - cash), AMBIGUOUS, BOOKED,
    CHARGE, INCIDENT rows, (T,) MARGIN_ROW (of an account on margin, else one unused row)."""

    orders: Annotated[Any, _rows(ORDER)]
    details: Annotated[Any, _rows(DETAIL)]
    fills: Annotated[Any, _rows(FILL)]
    trades: Annotated[Any, _rows(TRADE)]
    equity: Annotated[Any, _rows(EQUITY)]
    gross: Floats
    ambiguous: Annotated[Any, _rows(AMBIGUOUS)]
    booked: Annotated[Any, _rows(BOOKED)]
    charges: Annotated[Any, _rows(CHARGE)]
    incidents: Annotated[Any, _rows(INCIDENT)]
    margin: Annotated[Any, _rows(MARGIN_ROW)]


class Argument(NamedTuple):
    """One argument of the compiled entry: a bundle (`kind`), or a single array (`kind` None)."""

    name: str
    kind: Any
    fields: dict[str, Field]
    written: bool


def _fields(bundle: Any) -> dict[str, Field]:
    """The arrays of a bundle, in its order."""
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(bundle, include_extras=True).items()}


TAPE_FIELDS = _fields(Tape)
ARGUMENTS = (
    Argument("market", Market, _fields(Market), False),
    Argument("intents", Intents, _fields(Intents), False),
    Argument("params", None, {"params": _rows(PARAMS)}, False),
    Argument("book", Book, _fields(Book), True),
    Argument("tape", Tape, TAPE_FIELDS, True),
    Argument("finals", None, {"finals": _rows(STATE)}, True),
)
"""What crosses into the kernel, in this order. Numba's types and the words of the shared object are made of it."""
