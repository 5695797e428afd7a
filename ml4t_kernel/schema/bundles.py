"""The bundles of arrays in which everything travels, in this order: Market, Intents, params, Book, Tape."""

from collections import namedtuple
from typing import ClassVar

import numpy as np

PRICES = ("open", "high", "low", "close")
"""What lies side by side in a bar, in this order."""


class Market(
    namedtuple("Market", "bars volume budget_volume half_spread sigma block_high block_low session_end actions stale")
):
    """Read-only panel.

    bars: (T, A, 4) float64, the four PRICES of each on one line of cache; volume: (T, A) float64; budget_volume: (T, A)
    or (1, 1); half_spread: (1, 1), (1, A) or (T, A) fraction; sigma: (T, A) or (1, 1); block_high, block_low:
    (ceil(T / BLOCK), A) extremes of BLOCK bars, or (0, 1): chains never sleep; session_end: (T,) int32, first bar of
    the next session (T: none); actions, stale: (E,) ACTION sorted by bar.

    open, high, low, close: (T, A) views of `bars`; compiled, `compile.references` reads VIEWS for them.
    """

    __slots__ = ()
    VIEWS: ClassVar = {name: ("bars", number, len(PRICES)) for number, name in enumerate(PRICES)}

    @property
    def open(self) -> np.ndarray:
        return self.bars[:, :, 0]

    @property
    def high(self) -> np.ndarray:
        return self.bars[:, :, 1]

    @property
    def low(self) -> np.ndarray:
        return self.bars[:, :, 2]

    @property
    def close(self) -> np.ndarray:
        return self.bars[:, :, 3]


Intents = namedtuple("Intents", "events event_bars weights target_bars target_assets signals orders rules asset_rules")
Intents.__doc__ = """Read-only strategy. events: (T,) uint8 of EVENT_* bits, those of Market included; event_bars:
(N + 1,) int32 bars with an event, ascending, then T; weights: (R, C) target weights or shares, NaN leaves alone;
target_bars: (R,) int32 bar of each row; target_assets: (C,) int32 asset of each column, ascending (assets never wanted
may be left out); signals: (G,) SIGNAL; orders: (I,) INTENT; rules: (>=1,) RULES; asset_rules: (A,) int32 row of rules
for targets and signals."""
Book = namedtuple(
    "Book",
    "state positions queues work new_state new_position new_queue held waiting asleep inside touched placed "
    "queue exits entries key_rank amounts active",
)
Book.__doc__ = """State of one account. state: (1,) STATE; positions: (A,) POSITION; queues: (A,) QUEUE; work: (1,)
WORK; new_state, new_position, new_queue: (1,) row with which each begins; held, waiting, asleep, inside, touched: (A,)
int32 assets; placed: (I,) int32 order row of each intent (-1 not yet, -2 withdrawn, <= -3: row -(x + 3) of details, a
child not yet born); queue, exits, entries: (Q,) int32 order rows; key_rank, amounts: (Q,) float64;
active: (A,) uint8, 0: neither held nor with a working order (1: perhaps)."""
Tape = namedtuple("Tape", "orders details fills trades equity gross ambiguous booked")
Tape.__doc__ = """What a run writes: (N,) ORDER, (D,) DETAIL, (F,) FILL, (K,) TRADE, (T,) EQUITY, (T,) float64 gross
exposure (only where shorting is allowed, else one unused row: gross is equity - cash), AMBIGUOUS, BOOKED rows."""
