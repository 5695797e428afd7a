"""Every structured dtype of the kernel."""

from collections.abc import Iterable

import numpy as np

from ml4t_kernel.schema.enums import MAX_TIERS, Reason


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
            "tiers same_bar allow_short tie limit_through entry_assumed trail_proved water_mark_close basis_signal "
            "rank_given reject_short time_exit cooldown "
            # derived by the facade: volume is read, costs are linear, where spread is, any run-wide rule is on
            "needs_volume linear_costs spread_mode has_rules has_batch has_children targets_are_shares size_type "
            "accumulate record"
        ).split()
    ]
    # 1.2: rates a year, fractions; whether any is not 0. Behind what every order reads
    + [(name, "f8") for name in ("borrow_fee", "credit_rate", "debit_rate")]
    + [("has_charges", "i8")]
    # 6.2, 4.5: margin rates; what stays untouched of equity; inf: no limit
    + [(name, "f8") for name in "initial_margin maintenance_margin".split()]
    + [(name, "f8") for name in "short_initial_margin short_maintenance_margin cash_buffer max_leverage".split()]
    # margin: the account is on it; call_all, listed_only, recalls: flags of 4.5 and 1.5; settlement: sessions;
    # has_limits: any of 6.2 besides the plain cash check; has_instruments, has_borrow: the panel gives them;
    # has_forced: margin or has_borrow, so that orders may be forced
    + [(name, "i8") for name in "margin call_all listed_only recalls settlement".split()]
    + [(name, "i8") for name in "has_limits has_instruments has_borrow has_forced".split()],
    align=True,
)
"""One row a configuration; every scalar knob of a run."""

STATE_FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "account": {
        "cash": ("f8", "Cash."),
        "equity": ("f8", "Cash and the value of positions at their marks."),
        "gross": ("f8", "Value of positions, each without its sign."),
        "fees": ("f8", "Commissions and taxes paid."),
        "slippage": ("f8", "Sum of |q| x |price - base| of fills."),
        "realised": ("f8", "Profit of what was closed, before fees."),
        "dividends": ("f8", "Dividends received less those paid."),
        "frozen": ("i8", "1: bankrupt, nothing is decided any more (4.5)."),
    },
    "statistics, one update a bar": {
        "previous_equity": ("f8", "Equity of the bar before; at first the initial cash."),
        "peak": ("f8", "Highest equity so far, the initial cash included."),
        "drawdown": ("f8", "Largest fall from a peak, a fraction of it."),
        "sum1": ("f8", "Sum of simple returns."),
        "sum2": ("f8", "Sum of their squares."),
        "down2": ("f8", "Sum of squares of the negative ones."),
        "returns": ("i8", "Returns counted: bars, less the first unless the account traded on it (8)."),
        "bar_notional": ("f8", "Value traded on this bar so far."),
        "sum_turnover": ("f8", "Sum over bars of the value traded over equity."),
        "max_turnover": ("f8", "The largest of these."),
        "exposed_bars": ("i8", "Bars that ended with a position."),
        "sum_positions": ("f8", "Sum over bars of the number of positions held at the end."),
        "max_positions": ("i8", "The largest of these."),
    },
    "counters of records": {
        "orders": ("i8", "Rows of Tape.orders."),
        "details": ("i8", "Rows of Tape.details; row 0 is the plain market order."),
        "fills": ("i8", "Rows of Tape.fills."),
        "trades": ("i8", "Rows of Tape.trades."),
        "ambiguous": ("i8", "Rows of Tape.ambiguous."),
        "booked": ("i8", "Rows of Tape.booked."),
        "wins": ("i8", "Trades with a profit after fees."),
        "gross_profit": ("f8", "Sum of the profits of these, after fees."),
        "gross_loss": ("f8", "Sum of the losses of the others, positive."),
        "rejected": ("i8", "Orders that ended REJECTED."),
        "cut": ("i8", "Orders that ended after a part was cut for a reason of `is_cut`."),
        "capped": ("i8", "Orders that the volume budget has held back at least once (6.1)."),
        "conflicts": ("i8", "Bars and assets with a long and a short entry at once (4.6)."),
        "two_sided": ("i8", "Ambiguous bars by kind: levels on both sides of the open (3.0)."),
        "entry_bars": ("i8", "The same: a level of what was born inside (3.2)."),
        "trails": ("i8", "The same: a trail of the bar's own extreme (3.1)."),
    },
    "pending orders": {
        "fresh": ("i8", "First order row decided since the last open; from here to `orders` nothing has been served."),
        "live": ("i8", "Orders DECIDED or LIVE."),
        "dormant": ("i8", "Bracket children not born yet."),
        "special": ("i8", "1: some fresh order has a detail, so the open must activate it."),
        "open_only": ("i8", "Live orders that act at an open only: ioc, at_open."),
        "close_only": ("i8", "Live orders that act at a close only: at_close."),
        "starved": ("i8", "Chained rests of target buys, which do nothing while there is no cash."),
        "waiting": ("i8", "Assets in Book.waiting: chains that every bar looks at."),
        "asleep": ("i8", "Assets in Book.asleep."),
        "next_wake": ("i8", "First bar at which one of those may have to wake."),
    },
    "positions": {
        "held": ("i8", "Assets in Book.held."),
        "closed": ("i8", "1: the fill just booked flattened its position, and the consequences are still to come."),
        "unlist": ("i8", "1: some of them have gone flat since the list was made."),
        "timed": ("i8", "1: some position has carried a time exit."),
    },
    "cursors of inputs": {
        "bar": ("i8", "First bar not done."),
        "status": ("i8", "RunStatus."),
        "target_row": ("i8", "Next row of Intents.weights."),
        "signal": ("i8", "Next row of Intents.signals."),
        "intent": ("i8", "Next row of Intents.orders."),
        "event": ("i8", "Next entry of Intents.event_bars at or after the bar last asked for."),
        "action": ("i8", "Next row of Market.actions."),
        "stale": ("i8", "Next row of Market.stale."),
    },
    "what nights cost and earn (1.2)": {
        "interest": ("f8", "Interest received less that paid."),
        "borrow_fees": ("f8", "Borrow fees paid."),
        "funding": ("f8", "Funding received less that paid."),
        "flows": ("f8", "Deposits less withdrawals."),
        "flow_factor": ("f8", "By what flows have multiplied the account: product of (E + F) / E."),
        "sum_leverage": ("f8", "Sum over bars of gross / E, of an account with limits of its own (params.has_limits)."),
        "max_leverage": ("f8", "The largest of these."),
        "charges": ("i8", "Rows of Tape.charges."),
        "incidents": ("i8", "Rows of Tape.incidents."),
        "margin_calls": ("i8", "Closes with a margin call (4.5)."),
        "recalls": ("i8", "Recalls born (1.5)."),
        "forced": ("i8", "Forced orders that lived when they were last served, and those born since."),
        "called_bar": ("i8", "Bar of the last margin call, at whose close entries are refused; -1: none."),
        "session_edge": ("i8", "First bar of the session after the one up to which sales have settled (6.2)."),
        "flow": ("i8", "Next row of Intents.flows."),
        "borrow": ("i8", "Next row of Market.borrow."),
        "fund": ("i8", "Next row of Market.funding."),
    },
}
"""Fields of STATE by group: type and meaning. What only one phase needs is in WORK."""


def _state_fields(groups: Iterable[str]) -> list[tuple[str, str]]:
    """The fields of these groups, floats first."""
    fields = [(name, kind) for group in groups for name, (kind, _) in STATE_FIELDS[group].items()]
    return sorted(fields, key=lambda field: field[1] == "i8")


*_HOT, _NIGHTS = STATE_FIELDS
STATE = np.dtype(
    [*_state_fields(_HOT), ("refusals", "i8", (len(Reason),)), *_state_fields([_NIGHTS])],
    align=True,
)
"""A running account (one row), see STATE_FIELDS. refusals: orders refused or cut, by Reason."""

POSITION = np.dtype(
    # what every bar of a held position reads comes first, on one line of cache; 320 bytes, five lines
    [(name, "f8") for name in "shares mark water_mark high low stop_level take_profit_level".split()]
    + [(name, "u1") for name in "armed even stop_origin born_after_open stale_levels gone born_side touched".split()]
    # what a plain order reads and writes besides: two lines more
    + [(name, "f8") for name in "avg basis opened opened_value realised fees slippage".split()]
    + [(name, "i4") for name in "born_bar entry_order".split()]
    + [(name, "i4") for name in "working listed cool_until budget_bar closing stop_order".split()]
    + [(name, "i4") for name in "take_profit_order time_exit".split()]
    + [(name, "f8") for name in "budget used_buy used_sell born_at".split()]
    + [(name, "f8") for name in "stop_loss take_profit trailing_stop trail_activation break_even".split()]
    + [(name, "f8") for name in "stop_loss_price take_profit_price".split()]
    + [(name, "i4") for name in "walk_bar take_profit_met_bar ambiguous_bar ambiguous_kinds".split()]
    + [(name, "f8") for name in "available fee".split()]
    + [(name, "i4") for name in "called recalled".split()]
    + [(name, "f8") for name in "pad1 pad2 pad3 pad4".split()],
    align=True,
)
"""One row an asset.

mark: last price in today's shares (0: never priced). water_mark, stop_level, take_profit_level: of the rules in force
(5.1; -inf or inf: none). armed, even: the trail and break-even are on. stop_origin: the rule of stop_level.
stale_levels: ADDED, additions have not been taken in; DIVIDED, a split has rounded the levels since they were made.
high, low: extremes of the trade. born_bar, born_at (price), born_side, born_after_open: birth of the position (3.2),
the same four as of an order. working, closing, stop_order, take_profit_order, called, recalled: order rows, -1 none.
available, fee: of the row of Market.borrow in force, NaN: none, the run's (1.5). gone: Gone. listed:
1 while in Book.held. touched: 1 while in Book.touched. budget, used_buy, used_sell: of bar budget_bar (6.1).
cool_until: first bar at whose close entries are decided again."""

QUEUE = _dtype(f8="band_low band_high", i4="head tail count market trailing expiry listed dirty wake sleeper")
"""One row an asset: its chain of live orders and the wake band outside of which none of them can act.

head, tail: details, 0 none. market: orders that may act at any price (market rests, and those bound to one phase, which
must be awake to expire). trailing: trailing orders, whose level moves. expiry: earliest. dirty: the band has to be made
anew. listed: Listed; asleep until bar `wake`. sleeper: 1 while it stands in Book.asleep, which what has been woken
leaves at the next look."""

ORDER = _dtype(
    f8="requested left filled",
    i4="asset bar end_bar detail",
    u1="kind time_in_force status reason origin reduce_only batch chained",
)
"""One row an order, in submission order (48 bytes). bar: deciding bar. requested, left, filled: signed shares of
today. reason: while the order works, what has cut it so far, and HELD_BACK. batch: Batch."""

DETAIL = np.dtype(
    # what a search through a chain reads comes first, on one line of cache; 192 bytes
    [(name, "f8") for name in ("limit", "stop", "trail", "water_mark")]
    + [(name, "i4") for name in ("next", "order", "met_bar")]
    + [(name, "u1") for name in ("kind", "triggered", "time_in_force", "reduce_only")]
    + [(name, "u1") for name in ("buys", "chained", "born_after_open", "born_side", "dormant", "pad1", "pad2", "pad3")]
    + [(name, "i4") for name in ("born_bar", "expiry", "group", "parent", "first_child", "next_sibling")]
    + [(name, "i4") for name in ("previous", "rules", "bars", "intent")]
    + [(name, "f8") for name in ("notional", "raw_fee", "fee", "rank", "opened", "quantity", "arrival")]
    + [(name, "f8") for name in ("stop_loss_price", "take_profit_price", "born_at", "pad4", "pad5")],
    align=True,
)
"""Side row of an order that is not a plain market order or that outlives its first bar; row 0 is the plain market
order.

order: its row in orders (-1: a child not yet born). quantity: unborn or live child: shares it may cover, unsigned.
opened: shares its opening leg has filled, unsigned. arrival: close of the deciding bar in today's shares.
stop_loss_price, take_profit_price: absolute levels of the rules it carries, NaN none. next, previous: chain of the
asset. buys, reduce_only, kind, time_in_force, chained: copies of the order's, so that a search need not read it.
parent, first_child, next_sibling: rows of this table, 0 none. born_bar, born_at (price), born_side, born_after_open:
birth of a child (3.2). met_bar: bar inside which it was met last."""

WORK = _dtype(
    f8="want level limit phase_price volume sigma half_spread price need available spendable short_value "
    "net_value gross_value requirement unsettled leeway leverage_need keep unit initial maintenance fixed",
    i8="exits entries reachable touched births_inside",
    i4="bar asset order born_from",
    u1="phase origin passive stop entry short_cash batch born_side opened cash_reason",
)
"""Scratch (one row). The slice being priced: want (signed shares); level (price before costs); limit (worst price
allowed); phase_price (O or C that shorts are valued at); volume of the bar; fixed (slippage a share); need, available
(cash, or what takes its place), leverage_need, keep and unit (6.2); passive, stop, entry, batch: how it executes;
short_cash: 1 when the account could not carry it whole, cash_reason: the reason that says why; born_from: first order
row that the turn could have brought to life; opened: 1 once a fill of the turn opened a position.

Of a phase: short_value (of all shorts, at its prices), net_value, gross_value, requirement (of all positions, signed,
unsigned, by initial rates), unsettled (cash of sales), spendable and leeway (what entries inside may use of the first
limit and of leverage, 3.4), exits and entries (rows in the lists of that name), reachable (rows in Book.queue of the
asset that is walked), touched (rows in Book.touched), births_inside (positions and children born inside so far). Of a
close: initial, maintenance (requirements at the marks)."""
FILL = _dtype(f8="quantity price fee slippage", i4="order bar asset", u1="phase origin bits pad1")
TRADE = _dtype(
    f8="quantity entry_price exit_price pnl fees slippage mfe mae",
    i4="asset entry_bar exit_bar entry_order exit_order",
    u1="origin pad1 pad2 pad3",
)
"""One row a round trip, flat to flat or flip. quantity: signed shares opened (today's shares); pnl before fees; mfe and
mae: prices."""
EQUITY = _dtype(f8="equity cash")
"""One row a bar, after 4.7. What else an equity table shows is derived from fills when somebody looks."""
AMBIGUOUS = _dtype(i4="bar asset", u1="kind pad1 pad2 pad3")
BOOKED = _dtype(f8="value shares cash", i4="bar asset kind pad1")
"""One row a corporate action that met a position or a live order. shares: after the action; cash: booked."""
CHARGE = _dtype(f8="amount", i4="bar asset kind pad1")
"""One row a charge. amount: as it moved cash; asset: -1 of interest and flows, which are the account's."""
INCIDENT = _dtype(f8="quantity value limit", i4="bar asset kind pad1")
"""One row an event of the account (8). quantity: signed, as ordered, NaN where there is none; value, limit: what was
compared; asset: -1 of the whole account."""
MARGIN_ROW = _dtype(f8="initial maintenance")
"""One row a bar of an account on margin: sums of the requirements at the marks (6.2)."""

ACTION = _dtype(f8="value", i4="bar asset kind pad1")
"""Sorted by bar, then ex-date, asset, kind. value: new per old, cash per share, or recovery price (NaN:
delisting_return)."""
BORROW = _dtype(f8="available fee", i4="bar asset")
"""Sorted by bar, then asset. available: shares of today, inf: no limit; fee: a year, NaN: the run's."""
FUNDING = _dtype(f8="rate", i4="bar asset")
"""Sorted by bar, then time. rate: of the value at the mark before the bar; longs pay a positive one."""
FLOW = _dtype(f8="amount", i4="bar pad1")
"""Sorted by bar, at most one a bar. amount: + into the account."""
INSTRUMENT = _dtype(f8="multiplier lot initial maintenance short_initial short_maintenance", i4="kind by_contract")
"""One row an asset (0.7); NaN: the run's. by_contract: the four margins are currency a contract. The prices that the
kernel sees are those of a whole contract, so that multiplier is for whoever reads a tape."""
SIGNAL = _dtype(f8="amount rank", i4="bar asset", u1="bits pad1 pad2 pad3 pad4 pad5 pad6 pad7")
"""Sorted by bar, then asset. amount: in units of params.size_type, positive."""
INTENT = _dtype(
    f8="quantity limit stop trail rank",
    i4="bar asset target parent first_child next_sibling group rules bars",
    u1="action kind time_in_force reduce_only",
)
"""Sorted by bar, then as submitted. target, parent, first_child, next_sibling: rows of this table, -1 none. group: -1
none."""
RULES = _dtype(
    f8="stop_loss take_profit trailing_stop trail_activation break_even time_exit stop_loss_price take_profit_price"
)
"""Rules carried by an order; NaN: the run-wide value, inf: off. Row 0 is all NaN. *_price: absolute levels."""
