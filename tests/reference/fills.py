"""One order's turn: closing leg, opening leg, cash check; and the phases at the open and at closes (2, 4.1, 4.7)."""

from dataclasses import dataclass

from . import funds
from .book import RESIDUE, at_or_above, at_or_below, floor_to_lots, sign, strictly_above, strictly_below
from .borrow import assert_borrowed, locate
from .coverage import reached
from .enums import (
    AT_CLOSE,
    AT_OPEN,
    CLOSE,
    DECIDED,
    DECISION_CLOSE,
    FORCED,
    INSIDE,
    IOC,
    KIND_NAMES,
    LIVE,
    MARKET,
    OPEN,
    PHASE_NAMES,
    RULE_ORDERS,
    RULE_STOPS,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    Reason,
)
from .instruments import lot_of, value_of
from .ledger import settle
from .orders import (
    cancel,
    end_exits_of_flat,
    finish_when_empty,
    grow_children,
    lapse,
    newborn,
    share_fill,
    take_away,
    trigger,
)
from .prices import budget_left, count_bound, count_costs, slice_fee, slice_price, use_budget
from .rules import add_to_basis, open_position, stop_in_force, stop_order, target_in_force, target_order, update_levels


@dataclass
class Moment:
    """Where in the bar an order takes its turn."""

    phase: int
    base: float
    passive: bool = False
    side: int = 0  # inside: the side of the walk; +1 up, -1 down
    certain: bool = False  # inside: levels further along that side come after


def closable(run, order):
    """Unsigned shares that the closing leg of an order can trade now."""
    position = run.positions[order.asset]
    wanted = min(abs(order.left), abs(position.shares))
    if wanted < abs(position.shares):
        wanted = floor_to_lots(wanted, lot_of(run, order.asset))
    return within_budget(run, order, wanted)


def within_budget(run, order, wanted):
    """What the budget lets the order trade of unsigned `wanted`; one that gets less has been held back (6.1)."""
    left = budget_left(run, order.asset)
    if wanted <= left:
        return wanted
    count_bound(run, order.asset)
    quantity = floor_to_lots(left, lot_of(run, order.asset))
    order.held_back = order.held_back or quantity < wanted
    return quantity


def take_turn(run, order, moment, exit_only=False):
    """Fill what the order may: first what reduces the position (never waits), then what opens."""
    asset = order.asset
    if sign(run.positions[asset].shares) == -order.side:
        _closing_leg(run, order, moment)
        if exit_only or not order.pending or sign(run.positions[asset].shares) == -order.side:
            return
        reached("2.2 cross")
    if exit_only:
        return
    if order.reduce_only or (order.side < 0 and not run.config["allow_short_selling"]):
        reached("2.2 refused")
        take_away(run, order, 0.0, Reason.NO_SHORT)
        return
    _opening_leg(run, order, moment)


def _closing_leg(run, order, moment):
    """Cut an order that may not cross to the position, then fill up to the position and the budget."""
    shares = run.positions[order.asset].shares
    stays_flat = order.reduce_only or (order.side < 0 and not run.config["allow_short_selling"])
    if stays_flat and abs(order.left) > abs(shares) * (1 + RESIDUE):
        reached("2.2 cut")
        order.left, order.cut = -shares, Reason.NO_SHORT  # however large the order was, this is no rest of it (6.3)
    quantity = closable(run, order)
    if quantity > 0:
        fill(run, order, quantity, moment)


def capped_entry(run, order):
    """Unsigned shares that an entry may trade now before the cash check."""
    return within_budget(run, order, floor_to_lots(abs(order.left), lot_of(run, order.asset)))


def _opening_leg(run, order, moment):
    """An entry outside a batch: what a limit does not allow is cancelled together with what the cap deferred."""
    if not locate(run, order):  # 1.5
        return
    quantity = capped_entry(run, order)
    if quantity <= 0:
        return
    if run.config["entry_rank"] == "rank" and not order.batch:
        reached("2.3 rank")
    affordable, reason = funds.shrink(run, order, quantity, moment)
    short = affordable < quantity
    if short and run.config["shortfall"] == "reject":
        reached("2.3 reject")
        cancel(run, order, reason)
        return
    if affordable > 0:
        fill(run, order, affordable, moment)
    if short:
        reached("2.3 shrink")
        cancel(run, order, reason)


def fill(run, order, quantity, moment):
    """Price, charge and book one slice of unsigned `quantity`, then tell the order, its group and its children."""
    asset, side = order.asset, order.side
    if moment.phase == INSIDE and sign(run.positions[asset].shares) != -side:
        reached("3.4")
        funds.take_from_pools(run, order, quantity, moment)
    price = slice_price(run, order, quantity, moment.base, moment.passive)
    fee, raw, paid = slice_fee(run, order, quantity, price, moment.passive)
    order.raw_fee, order.paid_fee = raw, paid
    order.notional += value_of(run, asset, quantity, price)
    order.slices += 1
    count_costs(run, order, quantity, moment.base, price, moment.passive)
    _count_fill(run, order, moment)
    use_budget(run, asset, side, quantity)
    part = min(1.0, quantity / abs(order.left))
    was_flat = run.positions[asset].shares == 0
    closing = settle(
        run,
        asset,
        side * quantity,
        price,
        fee,
        base=moment.base,
        phase=moment.phase,
        origin=order.origin,
        row=order.row,
        passive=moment.passive,
    )
    order.filled += side * quantity
    order.left -= side * quantity
    if not closing:
        _opened(run, order, quantity, price, moment, was_flat)
    if not closing:
        order.opened += side * quantity
        funds.assert_within(run, moment.phase)
        assert_borrowed(run, asset)
        grow_children(run, order, price, moment)
    finish_when_empty(run, order)
    share_fill(run, order, part)
    if closing and run.positions[asset].shares == 0:
        end_exits_of_flat(run, asset)


def _opened(run, order, quantity, price, moment, was_flat):
    """Rules of a new position, or the basis after an add; the levels of that are renewed later (5.1)."""
    run.entered.add(order.asset)
    if was_flat:
        open_position(run, order, price, moment)
        return
    add_to_basis(run, run.positions[order.asset], order.side * quantity, price)


def _count_fill(run, order, moment):
    """Count the pair of order type and phase, and rests of stops."""
    if order.origin not in RULE_ORDERS:
        reached(f"order:{KIND_NAMES[order.kind]} x phase:{PHASE_NAMES[moment.phase]}")
    elif order.origin in RULE_STOPS and order.slices > 1 and moment.phase == OPEN:
        reached("5.2 rest")
    if moment.phase == CLOSE:
        reached("4.1")
    elif moment.phase == DECISION_CLOSE:
        reached("4.7")


def executable(run, order, price, phase):
    """Whether an order can act at the price of an open or a close; a stop it is at or through triggers for good."""
    if order.status != LIVE or (order.time_in_force == AT_CLOSE and phase != CLOSE):
        return False
    buy = order.side > 0
    at_or_through = at_or_above if buy else at_or_below
    if order.kind in (STOP, STOP_LIMIT) and not order.triggered and at_or_through(price, order.stop):
        trigger(run, order)
    if order.kind == TRAILING_STOP and not order.triggered and order.mark is not None:
        level = order.mark + order.trail if buy else order.mark - order.trail
        if at_or_through(price, level):
            trigger(run, order)
    if order.kind == MARKET:
        return True
    if order.kind in (STOP, TRAILING_STOP):
        return order.triggered
    if order.kind == STOP_LIMIT and not order.triggered:
        return False
    return better_than_limit(run, price, order.limit, buy)


def better_than_limit(run, price, limit, buy):
    """A price strictly better than the limit, or equal to it when a touch is enough."""
    if run.config["limit_fill"] == "touch":
        return at_or_below(price, limit) if buy else at_or_above(price, limit)
    return strictly_below(price, limit) if buy else strictly_above(price, limit)


def fill_at_open(run):
    """Section 2: exits, position rules, entries, and levels already passed of what was just opened."""
    auction(run, run.live(), OPEN)


def fill_at_close(run):
    """4.1: at-the-close orders by the rules of section 2, with C for O."""
    auction(run, [order for order in run.live() if order.time_in_force == AT_CLOSE], CLOSE)


def fill_at_deciding_close(run):
    """4.7: market orders just decided; an immediate-or-cancel one has no other chance."""
    chosen = []
    for order in run.pending():
        just_decided = order.status == DECIDED and order.bar == run.t and order.kind == MARKET
        if just_decided and order.time_in_force not in (AT_OPEN, AT_CLOSE):
            order.status = LIVE
            chosen.append(order)
    auction(run, chosen, DECISION_CLOSE)
    for asset in run.entered:  # the first mark of a position opened here is C
        position, close = run.positions[asset], run.price("close", asset)
        if position.shares != 0 and position.birth.bar == run.t and position.birth.phase == DECISION_CLOSE:
            position.high, position.low = max(position.high, close), min(position.low, close)
    for order in chosen:
        if order.time_in_force == IOC and order.pending:
            lapse(run, order)


def auction(run, orders, phase):
    """Exits first, then rules (at the open only), then entries, then what is already passed."""
    name = "open" if phase == OPEN else "close"
    prices = [run.price(name, asset) for asset in range(run.assets)]
    run.entered = set()
    fill_forced(run, orders, prices, phase)
    orders = [order for order in orders if order.origin not in FORCED]
    for order in orders:
        price = prices[order.asset]
        if price is None:
            if order.pending:
                reached("0.2")
            continue
        opposite = sign(run.positions[order.asset].shares) == -order.side
        if order.pending and opposite and executable(run, order, price, phase):
            reached("2.1 exit")
            take_turn(run, order, Moment(phase, price), exit_only=True)
    if phase == OPEN:
        for asset in range(run.assets):
            if prices[asset] is not None:
                rules_at(run, asset, Moment(phase, prices[asset]), "2.1 rule")
    with_price = [order for order in orders if prices[order.asset] is not None]
    fill_batch(run, [order for order in with_price if order.batch], prices, phase)
    for order in sorted((o for o in with_price if not o.batch), key=run.rank_key):
        if order.pending and executable(run, order, prices[order.asset], phase):
            waited = order.reduce_only and order.asset in run.entered
            reached("2.2 waits" if waited and phase == OPEN else "2.1 entry")
            take_turn(run, order, Moment(phase, prices[order.asset]))
    for asset in sorted(run.entered):
        if phase != CLOSE and run.positions[asset].shares != 0:  # additions at 4.1 count from 4.4 on
            update_levels(run.positions[asset])
    for asset in sorted(run.entered):
        passed_levels(run, asset, Moment(phase, prices[asset]))


def fill_forced(run, orders, prices, phase):
    """2.1 (0): what the account orders of itself comes first, margin calls before recalls, each by asset."""
    forced = [order for order in orders if order.origin in FORCED]
    for order in sorted(forced, key=lambda order: (FORCED.index(order.origin), order.asset)):
        if order.pending and prices[order.asset] is not None:
            reached("2.1 forced" if phase == OPEN else "2.1 forced at the close")
            count_forced(run, order, orders)
            take_turn(run, order, Moment(phase, prices[order.asset]), exit_only=True)


def count_forced(run, order, orders):
    """Count what stands beside a forced order that the cap does not let through whole."""
    if abs(order.left) <= budget_left(run, order.asset):
        return
    for other in orders:
        if other.asset == order.asset and other.side == order.side and other.origin not in FORCED:
            reached("cap x forced and another exit")
            return


def rules_at(run, asset, moment, name):
    """Fire the position's stop, else its take profit, when the price is at or through it."""
    long = run.positions[asset].shares > 0
    stop = stop_in_force(run, asset)
    if stop is not None and (at_or_below if long else at_or_above)(moment.base, stop):
        reached(name)
        take_turn(run, stop_order(run, asset), moment)
        return
    goal = target_in_force(run, asset)
    if goal is not None and better_than_limit(run, moment.base, goal, buy=not long):
        fire_target(run, asset, moment, name)


def fire_target(run, asset, moment, name):
    """A take profit becomes an order only when it can fill something."""
    shares = run.positions[asset].shares
    left = budget_left(run, asset)
    if abs(shares) <= left or floor_to_lots(left, lot_of(run, asset)) > 0:
        reached(name)
        take_turn(run, target_order(run, asset), moment)
    else:
        count_bound(run, asset)


def passed_levels(run, asset, moment):
    """Children by submission, then rules, whose level is already passed at the price that opened the position."""
    for order in run.live(asset):
        if order.kind == MARKET or not order.pending:
            continue
        if not newborn(run, order, moment.phase):
            older = order.parent is not None and order.stop is not None and moment.phase != OPEN
            if older and (at_or_above if order.side > 0 else at_or_below)(moment.base, order.stop):
                reached("2.1 older child")
            continue
        if moment.phase != OPEN and order.time_in_force in (IOC, AT_OPEN, AT_CLOSE):
            reached("1.7 child waits")  # for the next open, or expires at 4.2
        elif executable(run, order, moment.base, moment.phase):
            reached("2.1 passed")
            take_turn(run, order, moment)
    if run.positions[asset].shares != 0:
        rules_at(run, asset, moment, "2.1 passed")


def fill_batch(run, orders, prices, phase):
    """The entries of one rebalance: scaled once when cash is short, then filled by submission; the rest waits."""
    wanted, available = [], funds.available_to_batch(run, phase)
    for order in orders:
        shares = run.positions[order.asset].shares
        if not order.pending or sign(shares) == -order.side:
            continue
        if order.reduce_only or (order.side < 0 and not run.config["allow_short_selling"]):
            reached("2.2 refused")
            take_away(run, order, 0.0, Reason.NO_SHORT)
            continue
        if not locate(run, order):  # 1.5
            continue
        if not all(funds.counts(run, order.asset, has) for has in available):
            # no cash, no slice that the budget could hold back
            continue
        moment = Moment(phase, prices[order.asset])
        quantity = capped_entry(run, order)
        if quantity > 0:
            wanted.append((order, quantity, moment))
    tightest = funds.scale(run, wanted, available)
    count_batch(run, wanted)
    for order, quantity, moment in wanted:
        reached("2.3")
        if tightest is not None:
            reached("2.3 scaled")
            needed, there_is = tightest
            quantity = floor_to_lots(quantity * there_is / needed, lot_of(run, order.asset))
        if quantity > 0:
            quantity = funds.shrink(run, order, quantity, moment)[0]
        if quantity > 0:
            fill(run, order, quantity, moment)


def count_batch(run, wanted):
    """Count batches on margin that hold shorts beside longs, and those of two limits."""
    if run.config["account"] == "margin" and len({order.side for order, _, _ in wanted}) == 2:
        reached("batch of shorts and longs on margin")
    if wanted and run.config["max_leverage"] is not None:
        reached("2.3 two limits")
