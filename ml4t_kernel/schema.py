"""Every enum, structured dtype and array bundle of the kernel; nothing else defines a dtype.

Shape letters: T bars, A assets, N orders, D order details, F fills, K trades, R rows of targets, G signals, I order
intents, E events. Quantities are signed shares, prices and cash are in account currency, rates are fractions.
Enum values are written to disk and never renumbered.
"""

from collections import namedtuple
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
    SPLIT = 0
    DIVIDEND = 1
    DELISTING = 2
    STALE = 3


class IntentAction(IntEnum):
    SUBMIT = 0
    CANCEL = 1
    REPLACE = 2


class SizeType(IntEnum):
    SHARES = 0
    VALUE = 1
    FRACTION = 2
    TARGET_SHARES = 3
    TARGET_VALUE = 4
    TARGET_FRACTION = 5


class Tie(IntEnum):
    PESSIMISTIC = 0
    OPTIMISTIC = 1
    NEAREST = 2


class RunStatus(IntEnum):
    """What `advance` says when it returns before `stop`: a tape or the book has to grow."""

    OK = 0
    GROW_TAPE = 1
    GROW_QUEUES = 2


# Bits of Intents.events: what happens on a bar besides prices.
EVENT_ACTION, EVENT_TARGET, EVENT_SIGNAL, EVENT_ORDER, EVENT_STALE = 1, 2, 4, 8, 16
EVENT_ENTRY = 32  # besides EVENT_SIGNAL: some signal of the bar enters
# Bits of SIGNAL.bits
ENTER_LONG, EXIT_LONG, ENTER_SHORT, EXIT_SHORT = 1, 2, 4, 8
# Bits of FILL.bits
PASSIVE, EXIT_LEG = 1, 2
NEVER = np.iinfo(np.int32).max  # an expiry bar that never comes
MAX_TIERS = 8
BLOCK = 64  # bars over which the chain of an asset may sleep


def _dtype(*arrays: tuple[str, str, tuple[int]], **groups: str) -> np.dtype:
    """Aligned structured dtype from groups of names, widest first: f8="a b", i4="c"; then fields that are arrays."""
    fields = [(name, kind) for kind, names in groups.items() for name in names.split()]
    return np.dtype([*fields, *arrays], align=True)


PARAMS = np.dtype(
    [
        (name, "f8")
        for name in (
            # account and costs; rates are fractions of notional, per_share and fixed amounts are currency
            "initial_cash commission_rate maker_rate commission_per_share commission_per_trade commission_minimum "
            "commission_maximum sell_tax_rate slippage_rate slippage_fixed stop_slippage_rate half_spread "
            "impact_coefficient impact_exponent impact_sigma "
            # quantity; max_participation is inf when there is no cap
            "max_participation lot min_notional min_weight_change "
            # run-wide rules; inf is off (trail_activation: 0)
            "stop_loss take_profit trailing_stop trail_activation break_even delisting_return signal_size"
        ).split()
    ]
    + [("tier_from", "f8", (MAX_TIERS,)), ("tier_rate", "f8", (MAX_TIERS,))]
    + [
        (name, "i8")
        for name in (
            "tiers same_bar allow_short tie limit_through entry_assumed trail_proved mark_close basis_signal "
            "rank_given reject_short time_exit cooldown "
            # derived by the facade: volume is read, costs are linear, spread comes from Market, any run-wide rule is on
            "needs_volume linear_costs spread_mode has_rules has_batch has_children targets_are_shares size_type "
            "accumulate has_strategy record"
        ).split()
    ],
    align=True,
)
"""One row a configuration; every scalar knob of a run."""

STATE = _dtype(
    ("refusals", "i8", (len(Reason),)),
    f8="cash equity previous_equity peak drawdown sum1 sum2 down2 fees slippage realised dividends "
    "bar_notional notional "
    "gross_profit gross_loss sum_turnover max_turnover sum_positions spendable short_value gross",
    i8="bar status orders fresh details fills trades wins ambiguous booked held waiting asleep next_wake "
    "live dormant special open_only "
    "close_only rejected cut returns exposed_bars frozen target_row signal intent event action stale closed "
    "unlist timed touched births_inside starved reachable inside exits "
    "entries opened two_sided capped entry_bars trails conflicts max_positions scaled_batches",
)
"""A running account (one row): counters, cursors and streaming statistics. refusals: orders refused or cut, by
Reason."""

POSITION = np.dtype(
    # what every bar of a held position reads comes first, on one line of cache; 320 bytes, five lines
    [(name, "f8") for name in "shares last mark high low stop goal".split()]
    + [(name, "u1") for name in "armed even stop_origin born_after_open stale_levels gone born_side touched".split()]
    + [
        (name, "f8")
        for name in (
            "avg budget used_buy used_sell basis opened opened_value realised fees slippage stop_loss take_profit "
            "trailing_stop trail_activation break_even stop_price target_price born_at"
        ).split()
    ]
    + [
        (name, "i4")
        for name in (
            "entry_bar entry_order budget_bar listed working closing stop_order target_order time_exit cool_until "
            "walk_bar goal_met_bar ambiguous_bar ambiguous_kinds"
        ).split()
    ]
    + [(name, "f8") for name in "pad1 pad2 pad3 pad4 pad5 pad6 pad7".split()],
    align=True,
)
"""One row an asset. stop and goal are the levels in force (-inf or inf: none); mark is the rules' water mark; high,
low: the
trade's extremes; last: last mark (0: never priced). working, closing, stop_order, target_order: order rows, -1 none.
gone: 1 delisted, 2 stale. birth_side: 1 up, 2 down, 0 nothing certain (3.2)."""

QUEUE = _dtype(f8="band_low band_high", i4="head tail count market trailing expiry listed dirty wake sleeper")
"""One row an asset: its chain of live orders and the wake band outside of which none of them can act.

listed: 0 nowhere, 1 in Book.waiting, 2 asleep until bar `wake`. sleeper: 1 while
it stands in Book.asleep, which what has been woken leaves at the next look."""

ORDER = _dtype(
    f8="requested left filled",
    i4="asset bar end_bar detail",
    u1="kind time_in_force status reason origin reduce_only batch chained",
)
"""One row an order, in submission order (48 bytes). bar: deciding bar. requested, left, filled: signed shares of
today."""

DETAIL = np.dtype(
    # what a search through a chain reads comes first, on one line of cache; 192 bytes
    [(name, "f8") for name in ("limit", "stop", "trail", "mark")]
    + [(name, "i4") for name in ("next", "order", "met_bar")]
    + [(name, "u1") for name in ("kind", "triggered", "time_in_force", "reduce_only")]
    + [(name, "u1") for name in ("buys", "chained", "born_after_open", "born_side", "dormant", "pad1", "pad2", "pad3")]
    + [(name, "i4") for name in ("born_bar", "expiry", "group", "parent", "first_child", "next_sibling")]
    + [(name, "i4") for name in ("previous", "rules", "bars", "intent")]
    + [(name, "f8") for name in ("notional", "raw_fee", "fee", "rank", "opened", "quantity", "arrival")]
    + [(name, "f8") for name in ("stop_price", "target_price", "born_at", "pad4", "pad5")],
    align=True,
)
"""Side row of an order that is not a plain market order or that outlives its first bar; row 0 is the plain market
order.

order: its row in orders (-1: a child not yet born). quantity: unborn or live child: shares it may cover, unsigned.
arrival:
close of the deciding bar in today's shares. stop_price, target_price: absolute levels of the rules it carries, NaN
none.
opened: shares its opening leg has filled, unsigned. next, previous: chain of the asset. buys, reduce_only, kind,
time_in_force, chained: copies of the order's, so that a search need not read it. parent, first_child, next_sibling:
rows of this table, 0 none. born_bar, born_at (price), born_side, born_after_open: its birth (3.2)."""

WORK = _dtype(
    f8="want level limit mark volume sigma half_spread price need available",
    i4="bar asset order born_from",
    u1="phase origin passive stop entry short_cash batch born_side opened",
)
"""The slice being priced (one row, scratch). want: signed shares; level: price before costs; limit: worst price
allowed;
mark: price of the phase; volume: of the bar; opened: 1 once a fill of the turn opened a
position; born_from: first order row that the turn could have brought to life."""
FILL = _dtype(f8="quantity price fee slippage", i4="order bar asset", u1="phase origin bits pad1")
TRADE = _dtype(
    f8="quantity entry_price exit_price pnl fees slippage mfe mae",
    i4="asset entry_bar exit_bar entry_order exit_order",
    u1="origin pad1 pad2 pad3",
)
"""One row a round trip, flat to flat or flip. quantity: signed shares opened (today's shares); pnl before fees;
mfe and mae: prices."""
EQUITY = _dtype(f8="equity cash")
"""One row a bar, after 4.7. What else an equity table shows is derived from fills when somebody looks."""
AMBIGUOUS = _dtype(i4="bar asset", u1="kind pad1 pad2 pad3")
BOOKED = _dtype(f8="value shares cash", i4="bar asset kind pad1")
"""One row a corporate action that met a position or a live order. shares: after the action; cash: booked."""

ACTION = _dtype(f8="value", i4="bar asset kind pad1")
"""Sorted by bar, then ex-date, asset, kind. value: new per old, cash per share, or recovery price (NaN:
delisting_return)."""
SIGNAL = _dtype(f8="amount rank", i4="bar asset", u1="bits pad1 pad2 pad3 pad4 pad5 pad6 pad7")
"""Sorted by bar, then asset. amount: in units of params.size_type, positive."""
INTENT = _dtype(
    f8="quantity limit stop trail rank",
    i4="bar asset target parent first_child next_sibling group rules bars",
    u1="action kind time_in_force reduce_only",
)
"""Sorted by bar, then as submitted. target, parent, first_child, next_sibling: rows of this table, -1 none.
group: -1 none."""
RULES = _dtype(f8="stop_loss take_profit trailing_stop trail_activation break_even time_exit stop_price target_price")
"""Rules carried by an order; NaN: the run-wide value, inf: off. Row 0 is all NaN. *_price: absolute levels."""

Market = namedtuple(
    "Market",
    "open high low close volume budget_volume half_spread sigma block_high block_low session_end actions stale",
)
Market.__doc__ = """Read-only panel. open .. close, volume: (T, A) float64; budget_volume: (T, A) or (1, 1);
half_spread:
(1, 1), (1, A) or (T, A) fraction; sigma: (T, A) or (1, 1); block_high, block_low:
(ceil(T / BLOCK), A) extremes of BLOCK bars, or (0, 1): chains never sleep; session_end: (T,) int32, first bar of the
next session (T: none); actions, stale: (E,) ACTION sorted by bar."""
Intents = namedtuple("Intents", "events event_bars weights target_bars target_assets signals orders rules asset_rules")
Intents.__doc__ = """Read-only strategy. events: (T,) uint8 of EVENT_* bits, those of Market included;
event_bars: (N + 1,) int32 bars with an event, ascending, then T; weights: (R, C)
target
weights or shares, NaN leaves alone; target_bars: (R,) int32 bar of each row; target_assets: (C,) int32 asset of each
column, ascending (assets never wanted may be left out); signals: (G,) SIGNAL; orders: (I,) INTENT;
rules: (>=1,) RULES; asset_rules: (A,) int32 row of rules for targets and signals."""
Book = namedtuple(
    "Book",
    "state positions queues work new_state new_position new_queue held waiting asleep inside touched placed "
    "queue exits entries key_rank amounts",
)
Book.__doc__ = """State of one account. state: (1,) STATE; positions: (A,) POSITION; queues: (A,) QUEUE; work: (1,)
WORK; new_state, new_position, new_queue: (1,) row with which each begins; held, waiting, asleep, inside, touched: (A,)
int32 assets; placed: (I,) int32 order row of each intent (-1 not yet, -2 withdrawn, <= -3: row -(x + 3) of details, a
child not yet born); queue, exits, entries: (Q,) int32 order rows; key_rank, amounts: (Q,) float64."""
Tape = namedtuple("Tape", "orders details fills trades equity gross ambiguous booked")
Tape.__doc__ = """What a run writes: (N,) ORDER, (D,) DETAIL, (F,) FILL, (K,) TRADE, (T,) EQUITY, (T,) float64 gross
exposure (only where shorting is allowed, else one unused row: gross is equity - cash), AMBIGUOUS, BOOKED rows."""

MARKET, LIMIT, STOP, STOP_LIMIT, TRAILING_STOP = (int(k) for k in Kind)
GTC, DAY, BARS, IOC, AT_OPEN, AT_CLOSE = (int(k) for k in TimeInForce)
