"""Every enum of the kernel, also as plain integers: nothing else unwraps one."""

from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """Order type."""

    MARKET = 0
    LIMIT = 1
    STOP = 2
    STOP_LIMIT = 3
    TRAILING_STOP = 4


class TimeInForce(IntEnum):
    """How long an order lives (clause 1.7)."""

    GTC = 0
    DAY = 1
    BARS = 2
    IOC = 3
    AT_OPEN = 4
    AT_CLOSE = 5


class Status(IntEnum):
    """State of an order: DECIDED -> LIVE -> one of the final states (clause 8)."""

    DECIDED = 0
    LIVE = 1
    FILLED = 2
    CANCELLED = 3
    REJECTED = 4
    EXPIRED = 5
    REPLACED = 6


class Reason(IntEnum):
    """Why an order was refused, cut or ended before it was filled."""

    NONE = 0
    CASH = 1
    NO_SHORT = 2
    COOLDOWN = 3
    MINIMUM = 4
    LOT = 5
    EXPIRED = 6
    REPLACED = 7
    GROUP = 8
    CANCELLED = 9
    FLAT = 10
    DELISTED = 11
    BANKRUPT = 12
    NO_PRICE = 13
    NO_EQUITY = 14
    SIGNAL_EXIT = 15
    VOLUME = 16
    DIVIDEND = 17
    MARGIN = 18
    LEVERAGE = 19
    MARGIN_CALL = 20
    RESTORED = 21
    NO_BORROW = 22


class Origin(IntEnum):
    """Who made an order, or a booking without an order; the exit reason of a fill and a trade."""

    ORDER = 0
    TARGET = 1
    SIGNAL_ENTRY = 2
    SIGNAL_EXIT = 3
    CHILD = 4
    STOP_LOSS = 5
    TAKE_PROFIT = 6
    TRAILING_STOP = 7
    BREAK_EVEN = 8
    TIME_EXIT = 9
    DELISTING = 10
    BANKRUPTCY = 11
    CASH_IN_LIEU = 12
    MARGIN_CALL = 13
    RECALL = 14


class Phase(IntEnum):
    """Where in the bar a fill happened."""

    OPEN = 0
    INSIDE = 1
    CLOSE = 2
    DECISION_CLOSE = 3
    BOOKING = 4


class Ambiguity(IntEnum):
    """Why the bar does not tell which of two things happened first (clauses 3.0 to 3.2)."""

    TWO_SIDED = 0
    ENTRY_BAR = 1
    TRAIL = 2


class ActionKind(IntEnum):
    """Corporate action, or the end of an asset without bars (clauses 1.1, 1.4)."""

    SPLIT = 0
    DIVIDEND = 1
    DELISTING = 2
    STALE = 3


class ChargeKind(IntEnum):
    """What moves cash before the open: holding over night (clause 1.2), or who puts money in or takes it out (1.3)."""

    BORROW = 0
    INTEREST = 1
    FLOW = 2
    FUNDING = 3


class EventKind(IntEnum):
    """What happened to the account besides fills and charges (clauses 1.3, 1.5, 4.5)."""

    MARGIN_CALL = 0
    BANKRUPT = 1
    FLOW_REFUSED = 2
    RECALL = 3


class InstrumentKind(IntEnum):
    """What an asset is (clause 0.7)."""

    STOCK = 0
    FUTURE = 1
    PERPETUAL = 2


class IntentAction(IntEnum):
    """What a row of orders as given asks for."""

    SUBMIT = 0
    CANCEL = 1
    REPLACE = 2


class SizeType(IntEnum):
    """Unit of the size of a signal; target sizes order the difference to what is held."""

    SHARES = 0
    VALUE = 1
    FRACTION = 2
    TARGET_SHARES = 3
    TARGET_VALUE = 4
    TARGET_FRACTION = 5


class Tie(IntEnum):
    """Which side of the open came first when both are in range (clause 3.0)."""

    PESSIMISTIC = 0
    OPTIMISTIC = 1
    NEAREST = 2


class RunStatus(IntEnum):
    """What `advance` says when it returns before `stop`: a tape or the book has to grow."""

    OK = 0
    GROW_TAPE = 1
    GROW_QUEUES = 2


class Gone(IntEnum):
    """Whether an asset has left the market (clause 1.4)."""

    NO = 0
    DELISTED = 1
    STALE = 2


class Batch(IntEnum):
    """Whether an order is scaled together with others (clause 2.3)."""

    ALONE = 0
    IN_BATCH = 1
    AGAINST = 2
    """In the batch, and trading against the direction of its signal."""


class Listed(IntEnum):
    """Where the chain of an asset stands."""

    NOWHERE = 0
    WAITING = 1
    ASLEEP = 2


class BornSide(IntEnum):
    """The move inside a bar that filled an order, along which levels are certain (clause 3.2)."""

    NEITHER = 0
    UP = 1
    DOWN = 2


class SpreadMode(IntEnum):
    """Where the half spread of a fill comes from: PARAMS, or Market a row an asset, or a row a bar."""

    RUN_WIDE = 0
    PER_ASSET = 1
    PER_BAR = 2


# Enums as integers, for the kernel -----------------------------------------------------------------------------------
# Numba compares a member of an IntEnum as an object with a value: slower to compile. A row a class, its order.

MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP = (int(member) for member in Kind)
GTC, DAY, BARS, IOC, AT_OPEN, AT_CLOSE = (int(member) for member in TimeInForce)
DECIDED, LIVE, FILLED, CANCELLED, REJECTED, EXPIRED, REPLACED = (int(member) for member in Status)
R_NONE, R_CASH, R_NO_SHORT, R_COOLDOWN, R_MINIMUM, R_LOT = (int(Reason(value)) for value in range(6))
R_EXPIRED, R_REPLACED, R_GROUP, R_CANCELLED, R_FLAT, R_DELISTED = (int(Reason(value)) for value in range(6, 12))
R_BANKRUPT, R_NO_PRICE, R_NO_EQUITY, R_SIGNAL_EXIT, R_VOLUME, R_DIVIDEND = (
    int(Reason(value)) for value in range(12, 18)
)
R_MARGIN, R_LEVERAGE, R_MARGIN_CALL, R_RESTORED, R_NO_BORROW = (int(Reason(value)) for value in range(18, 23))
O_ORDER, O_TARGET, O_SIGNAL_ENTRY, O_SIGNAL_EXIT, O_CHILD = (int(Origin(value)) for value in range(5))
O_STOP_LOSS, O_TAKE_PROFIT, O_TRAILING_STOP, O_BREAK_EVEN, O_TIME_EXIT = (int(Origin(value)) for value in range(5, 10))
O_DELISTING, O_BANKRUPTCY, O_CASH_IN_LIEU, O_MARGIN_CALL, O_RECALL = (int(Origin(value)) for value in range(10, 15))
OPEN, INSIDE, CLOSE, DECISION_CLOSE, BOOKING = (int(member) for member in Phase)
TWO_SIDED, ENTRY_BAR, TRAIL = (int(member) for member in Ambiguity)
A_SPLIT, A_DIVIDEND, A_DELISTING, A_STALE = (int(member) for member in ActionKind)
C_BORROW, C_INTEREST, C_FLOW, C_FUNDING = (int(member) for member in ChargeKind)
E_MARGIN_CALL, E_BANKRUPT, E_FLOW_REFUSED, E_RECALL = (int(member) for member in EventKind)
STOCK, FUTURE, PERPETUAL = (int(member) for member in InstrumentKind)
SUBMIT, CANCEL, REPLACE = (int(member) for member in IntentAction)
SHARES, VALUE, FRACTION, TARGET_SHARES, TARGET_VALUE, TARGET_FRACTION = (int(member) for member in SizeType)
PESSIMISTIC, OPTIMISTIC, NEAREST = (int(member) for member in Tie)
OK, GROW_TAPE, GROW_QUEUES = (int(member) for member in RunStatus)
G_NO, G_DELISTED, G_STALE = (int(member) for member in Gone)
ALONE, IN_BATCH, AGAINST = (int(member) for member in Batch)
NOWHERE, WAITING, ASLEEP = (int(member) for member in Listed)
NEITHER, UP, DOWN = (int(member) for member in BornSide)
RUN_WIDE, PER_ASSET, PER_BAR = (int(member) for member in SpreadMode)

# Bits of Intents.events: what happens on a bar besides prices.
EVENT_ACTION, EVENT_TARGET, EVENT_SIGNAL, EVENT_ORDER, EVENT_STALE = 1, 2, 4, 8, 16
EVENT_ENTRY = 32  # besides EVENT_SIGNAL: some signal of the bar enters
EVENT_BORROW = 64  # what can be borrowed changes (1.5)
# Bits of SIGNAL.bits
ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = 1, 2, 4, 8
# Values of POSITION.stale_levels: an addition that the levels have not taken in, a split that only divided them
ADDED, DIVIDED = 1, 2
# Bits of FILL.bits
PASSIVE, EXIT_LEG = 1, 2
REASON_BITS = 127  # of ORDER.reason while the order works
HELD_BACK = 128  # besides the reason in ORDER.reason while the order works: the volume budget has held it back (6.1)
NO_ROW = -1  # of a table: none
WITHDRAWN, UNBORN = -2, -3  # Book.placed: never to be, and (minus a row of details) a child not born yet
NEVER = np.iinfo(np.int32).max  # an expiry bar that never comes
MAX_TIERS = 8
MAX_SETTLEMENT = 10  # sessions
MOST_BARS = 1_000_000_000  # that an order, a time exit or a cooldown may count: with a bar's number it fits 32 bits
BLOCK = 64  # bars over which the chain of an asset may sleep
