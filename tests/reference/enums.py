"""The contract's numbers, written down a second time so that a slip in the kernel's schema shows.

Only constants live here. They are plain integers because the reference engine hands out plain data.
"""

# order types
MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP = range(5)
KINDS = {"market": MARKET, "limit": LIMIT, "stop": STOP, "stop_limit": STOP_LIMIT, "trailing_stop": TRAILING_STOP}
KIND_NAMES = {number: name for name, number in KINDS.items()}

# time in force
GTC, DAY, BARS, IOC, AT_OPEN, AT_CLOSE = range(6)
TIMES = {"gtc": GTC, "day": DAY, "bars": BARS, "ioc": IOC, "at_open": AT_OPEN, "at_close": AT_CLOSE}
TIME_NAMES = {number: name for name, number in TIMES.items()}

# states of an order; a bracket child that waits for its parent has no row and one of the two negative states
WITHDRAWN, UNBORN = -2, -1
DECIDED, LIVE, FILLED, CANCELLED, REJECTED, EXPIRED, REPLACED = range(7)


class Reason:
    """Why an order was refused, cut or ended."""

    NONE, CASH, NO_SHORT, COOLDOWN, MINIMUM, LOT, EXPIRED, REPLACED = range(8)
    GROUP, CANCELLED, FLAT, DELISTED, BANKRUPT, NO_PRICE, NO_EQUITY, SIGNAL_EXIT = range(8, 16)
    VOLUME, DIVIDEND, MARGIN, LEVERAGE, MARGIN_CALL, RESTORED, NO_BORROW = range(16, 23)


# an order that ends for one of these without a fill was refused, not cancelled
REFUSALS = {
    Reason.CASH,
    Reason.MARGIN,
    Reason.LEVERAGE,
    Reason.NO_BORROW,
    Reason.NO_SHORT,
    Reason.COOLDOWN,
    Reason.MINIMUM,
    Reason.LOT,
    Reason.NO_PRICE,
    Reason.NO_EQUITY,
    Reason.MARGIN,
    Reason.LEVERAGE,
    Reason.NO_BORROW,
}


class Origin:
    """Who made an order or a booking."""

    ORDER, TARGET, SIGNAL_ENTRY, SIGNAL_EXIT, CHILD = range(5)
    STOP_LOSS, TAKE_PROFIT, TRAILING_STOP, BREAK_EVEN, TIME_EXIT = range(5, 10)
    DELISTING, BANKRUPTCY, CASH_IN_LIEU, MARGIN_CALL, RECALL = range(10, 15)


STOP_OUTS = {Origin.STOP_LOSS, Origin.TRAILING_STOP, Origin.BREAK_EVEN}
RULE_STOPS = STOP_OUTS | {Origin.TIME_EXIT}
RULE_ORDERS = RULE_STOPS | {Origin.TAKE_PROFIT}
FORCED = (Origin.MARGIN_CALL, Origin.RECALL)  # what the account orders of itself, in the order of its turns (2.1)

# phases of a fill
OPEN, INSIDE, CLOSE, DECISION_CLOSE, BOOKING = range(5)
PHASE_NAMES = {OPEN: "open", INSIDE: "inside", CLOSE: "close", DECISION_CLOSE: "decision_close"}

# ambiguous bars
TWO_SIDED, ENTRY_BAR, TRAIL = range(3)

# bookings of section 1 and 4.5
SPLIT, DIVIDEND, DELISTING, STALE = range(4)
ACTIONS = {"split": SPLIT, "dividend": DIVIDEND, "delisting": DELISTING}

# charges of 1.2 and 1.3
BORROW, INTEREST, FLOW, FUNDING = range(4)

# events of the account
CALLED, BANKRUPT, FLOW_REFUSED, RECALLED = range(4)

# kinds of instruments
STOCK, FUTURE, PERPETUAL = range(3)

# flags of a fill
PASSIVE, EXIT_LEG = 1, 2
