"""Stop loss, take profit, trailing stop, break-even and time exit: levels in force and the orders they become (5)."""

from .book import RULE_NAMES, RULE_PRICES, Birth, Order, at_or_above, at_or_below, sign
from .coverage import reached
from .enums import (
    DECISION_CLOSE,
    INSIDE,
    LIMIT,
    LIVE,
    MARKET,
    RULE_STOPS,
    STOP,
    Origin,
    Reason,
)
from .orders import cancel, submit

_FIRED = {
    Origin.STOP_LOSS: "5.1 stop_loss",
    Origin.BREAK_EVEN: "5.1 break_even",
    Origin.TRAILING_STOP: "5.1 trailing_stop",
}


def open_position(run, order, price, moment):
    """A position takes the rules of the order that opened it, run-wide values where that order has none."""
    position = run.positions[order.asset]
    position.birth = Birth(run.t, moment.phase, moment.base, moment.side, moment.certain)
    position.first_bar = run.t + (1 if moment.phase == DECISION_CLOSE else 0)
    position.mark = price
    position.basis = price
    if run.config["rule_basis"] == "signal" and order.arrival is not None:
        reached("5.1 signal basis")
        position.basis = order.arrival
    for name in RULE_NAMES:
        own = order.rules.get(name)
        position.rules[name] = run.config[name] if own is None else own
    for name in RULE_PRICES:
        position.rules[name] = order.rules.get(name)
    if any(value is not None for value in order.rules.values()):
        reached("5.1 own rules")
    update_levels(position)


def add_to_basis(run, position, quantity, price):
    """An add moves a fill basis to the weighted price; a signal basis stays. Shares already include the add."""
    if run.config["rule_basis"] == "fill":
        before = position.shares - quantity
        position.basis = (position.basis * before + price * quantity) / position.shares


def update_levels(position):
    """Recompute the stop and the target in force; an armed trail and a reached break-even stay so until flat."""
    side = sign(position.shares)
    rules = position.rules
    _arm(position, side)
    stops = []
    if rules["stop_loss_price"] is not None:
        stops.append((rules["stop_loss_price"], Origin.STOP_LOSS))
    else:
        stops.append((part_of(position.basis, rules["stop_loss"], -side), Origin.STOP_LOSS))
    if position.even:
        stops.append((position.average, Origin.BREAK_EVEN))
    if position.armed:
        stops.append((part_of(position.mark, rules["trailing_stop"], -side), Origin.TRAILING_STOP))
    position.stop = None
    for level, origin in stops:  # the first of equal levels gives the name
        if level is not None and (position.stop is None or side * level > side * position.stop):
            position.stop, position.stop_origin = level, origin
    position.goal = rules["take_profit_price"]
    if position.goal is None:
        position.goal = part_of(position.basis, rules["take_profit"], side)


def part_of(price, fraction, side):
    """A price moved by a fraction up or down; None without a fraction, or of a price that is not above zero (5.1)."""
    if fraction is None:
        return None
    if price <= 0:
        reached("5.1 no price")
        return None
    return price * (1 + side * fraction)


def _arm(position, side):
    """Arm the trail and the break-even stop once the mark has reached their part of the basis."""
    rules = position.rules
    reached_price = at_or_above if side > 0 else at_or_below
    if rules["trailing_stop"] is not None and not position.armed:
        level = part_of(position.basis, rules["trail_activation"] or 0.0, side)
        position.armed = level is not None and reached_price(position.mark, level)
    if rules["break_even"] is not None and not position.even:
        level = part_of(position.basis, rules["break_even"], side)
        position.even = level is not None and reached_price(position.mark, level)


def stop_lives(run, asset):
    """Whether a rule stop or a time exit works: then no rule of the position fires."""
    return any(order.origin in RULE_STOPS for order in run.pending(asset))


def target_rests(run, asset):
    """The live rest of a take profit, or None."""
    for order in run.pending(asset):
        if order.origin == Origin.TAKE_PROFIT:
            return order
    return None


def stop_in_force(run, asset):
    """Level of the position's stop while it can fire, else None."""
    position = run.positions[asset]
    if position.shares == 0 or stop_lives(run, asset):
        return None
    return position.stop


def target_in_force(run, asset):
    """Level of the position's take profit while it can fire, else None."""
    position = run.positions[asset]
    if position.shares == 0 or stop_lives(run, asset) or target_rests(run, asset) is not None:
        return None
    return position.goal


def rule_order(run, asset, kind, origin, level):
    """The one reduce-only order that a rule becomes; live at once."""
    shares = run.positions[asset].shares
    order = submit(run, exit_order(run, asset, kind, origin, -shares))
    order.status, order.first_live = LIVE, run.t
    if kind == STOP:
        order.stop, order.triggered = level, True
    else:
        order.limit = level
    return order


def exit_order(run, asset, kind, origin, quantity):
    """A reduce-only order that is not a user's."""
    return Order(asset, run.t, kind, quantity, quantity, origin=origin, reduce_only=True)


def drop_target_rest(run, asset):
    """A stop or time exit ends the rest of a take profit."""
    rest = target_rests(run, asset)
    if rest is not None:
        reached("5.2 group")
        cancel(run, rest, Reason.GROUP)


def stop_order(run, asset, origin=None):
    """The order of a stop that fires now."""
    position = run.positions[asset]
    origin = position.stop_origin if origin is None else origin
    reached(_FIRED[origin])
    drop_target_rest(run, asset)
    order = rule_order(run, asset, STOP, origin, position.stop)
    order.met = run.t
    return order


def target_order(run, asset):
    """The order of a take profit that fires now."""
    reached("5.1 take_profit")
    order = rule_order(run, asset, LIMIT, Origin.TAKE_PROFIT, run.positions[asset].goal)
    order.met = run.t
    return order


def decide_time_exits(run):
    """4.5: market orders for positions that have been held for their n bars."""
    for asset in range(run.assets):
        position = run.positions[asset]
        if position.shares == 0 or position.rules["time_exit"] is None:
            continue
        held_bars = run.t - position.first_bar + 1
        if held_bars >= position.rules["time_exit"] and not stop_lives(run, asset):
            reached("4.5 time_exit")
            if run.forced(asset):
                reached("call x time exit")
            drop_target_rest(run, asset)
            submit(run, exit_order(run, asset, MARKET, Origin.TIME_EXIT, -position.shares))


def move_marks(run):
    """4.4: water marks and extremes of this bar, of positions and of trailing orders."""
    extreme = run.config["water_mark"] == "extreme"
    for asset in run.held:
        if not run.has_bar(asset):
            continue
        position = run.positions[asset]
        high, low, close = (run.price(name, asset) for name in ("high", "low", "close"))
        whole = position.held_since_open(run.t)
        position.high = max(position.high, high if whole else close)
        position.low = min(position.low, low if whole else close)
        before = position.mark
        if position.shares > 0:
            position.mark = max(position.mark, high if whole and extreme else close)
        else:
            position.mark = min(position.mark, low if whole and extreme else close)
        if position.mark != before:
            reached("4.4")
        update_levels(position)
    for order in run.live():
        move_order_mark(run, order, extreme)


def move_order_mark(run, order, extreme):
    """Water mark of a live trailing order; without one it starts at the first close seen."""
    if order.trail is None or not run.has_bar(order.asset):
        return
    high, low, close = (run.price(name, order.asset) for name in ("high", "low", "close"))
    if order.mark is None:
        order.mark = close
        return
    whole = extreme and not (order.birth is not None and order.birth.bar == run.t and order.birth.phase >= INSIDE)
    if order.side < 0:
        order.mark = max(order.mark, high if whole else close)
    else:
        order.mark = min(order.mark, low if whole else close)
