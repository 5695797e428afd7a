"""Section 3: inside the bar each asset is walked alone, side by side, nearest level first."""

from dataclasses import dataclass

from .book import Birth, Order, at_or_above, at_or_below, sign, strictly_above, strictly_below
from .coverage import reached
from .enums import (
    AT_CLOSE,
    AT_OPEN,
    ENTRY_BAR,
    INSIDE,
    IOC,
    LIMIT,
    MARKET,
    STOP,
    STOP_LIMIT,
    TRAIL,
    TRAILING_STOP,
    TWO_SIDED,
    Origin,
)
from .fills import Moment, fire_target, take_turn
from .funds import start_pools
from .orders import trigger
from .rules import part_of, stop_in_force, stop_lives, stop_order, target_in_force

DOWN, UP = -1, 1


@dataclass
class Level:
    """A price inside the bar at which an order or a rule of the position acts."""

    price: float
    side: int  # of the open on which it lies: DOWN for buy limits and sell stops, UP for the others
    is_stop: bool
    order: Order | None = None  # None: a rule
    birth: Birth | None = None  # of what came alive inside this bar


def fill_inside_bar(run):
    """Walk the assets by their best live entry, those without one last, then by index (3.4)."""
    start_pools(run)
    ranked = []
    for asset in range(run.assets):
        if not run.has_bar(asset):
            continue
        shares = run.positions[asset].shares
        keys = []
        for order in run.live(asset):
            opposite = sign(shares) == -order.side
            if acts_inside(run, order) and not order.reduce_only and not opposite:
                keys.append(run.rank_key(order))
        ranked.append(((0, min(keys)) if keys else (1, (0.0, 0)), asset))
    ranked.sort()
    if [asset for _, asset in ranked] != sorted(asset for _, asset in ranked):
        reached("3.4 order")
    for _, asset in ranked:
        walk_asset(run, asset)


def walk_asset(run, asset):
    """One side, then the other, then what waits for the close to prove it, then trailing levels of this bar."""
    note_two_sided = is_two_sided(run, asset)
    first = first_side(run, asset)
    for side in (first, -first):
        while True:
            level = nearest(run, asset, side)
            if level is None:
                break
            meet(run, asset, level, side)
    meet_what_the_close_proves(run, asset)
    if note_two_sided:
        cap = run.config["max_participation"]
        bound = "off" if cap is None else "bound" if asset in run.bound else "slack"
        reached("3.0")
        reached(f"tie:{run.config['tie']} x cap:{bound}")
        run.ambiguous.append((run.t, asset, TWO_SIDED))
    trail_this_bar(run, asset)


def acts_inside(run, order):
    """Live orders with a level; market orders, triggered stops and at-the-close orders have none."""
    if order.kind == MARKET or order.time_in_force in (IOC, AT_OPEN, AT_CLOSE) or order.met == run.t:
        return False
    if order.kind == TRAILING_STOP and order.mark is None:
        return False
    return not (order.kind in (STOP, TRAILING_STOP) and order.triggered)


def order_level(run, order):
    """Level at which a resting order acts."""
    buy = order.side > 0
    birth = order.birth if order.birth is not None and inside_now(run, order.birth) else None
    if order.kind == LIMIT or order.triggered:
        return Level(order.limit, DOWN if buy else UP, False, order, birth)
    price = order.stop
    if order.kind == TRAILING_STOP:
        price = order.mark + order.trail if buy else order.mark - order.trail
    return Level(price, UP if buy else DOWN, True, order, birth)


def inside_now(run, birth):
    """Whether something came alive inside this bar."""
    return birth.bar == run.t and birth.phase == INSIDE


def levels(run, asset):
    """Every level of the asset not met in this bar, those of live orders by submission, then stop, then target."""
    position = run.positions[asset]
    shares = position.shares
    born = position.birth if shares != 0 and inside_now(run, position.birth) else None
    found = []
    for order in run.live(asset):
        if acts_inside(run, order):
            level = order_level(run, order)
            if born is not None and level.birth is None and order.reduce_only and sign(shares) == -order.side:
                level.birth = born
            found.append(level)
    away = DOWN if shares > 0 else UP
    stop, goal = stop_in_force(run, asset), target_in_force(run, asset)
    if stop is not None and position.stop_met != run.t:
        found.append(Level(stop, away, True, None, born))
    if goal is not None and position.goal_met != run.t:
        found.append(Level(goal, -away, False, None, born))
    return found


def in_range(run, asset, level):
    """Stops are touched, limits traded through (or touched under "touch")."""
    touch = level.is_stop or run.config["limit_fill"] == "touch"
    if level.side == DOWN:
        low = run.price("low", asset)
        return at_or_below(low, level.price) if touch else strictly_below(low, level.price)
    high = run.price("high", asset)
    return at_or_above(high, level.price) if touch else strictly_above(high, level.price)


def reached_by(price, level):
    """Whether a price is at or through a level."""
    return at_or_below(price, level.price) if level.side == DOWN else at_or_above(price, level.price)


def is_certain(level):
    """Alive since the open, or further along the move that gave birth to it."""
    birth = level.birth
    if birth is None:
        return True
    further = level.price <= birth.price if birth.side == DOWN else level.price >= birth.price
    return birth.certain and level.side == birth.side and further


def is_two_sided(run, asset):
    """Whether levels in range lie on both sides; reduce-only orders without a position to reduce do not count."""
    shares = run.positions[asset].shares
    sides = set()
    for level in levels(run, asset):
        idle = level.order is not None and level.order.reduce_only and sign(shares) != -level.order.side
        if not idle and in_range(run, asset, level):
            sides.add(level.side)
    return len(sides) == 2


def first_side(run, asset):
    """Which side of the open is taken to come first (3.0)."""
    shares, tie = run.positions[asset].shares, run.config["tie"]
    adverse = UP if shares < 0 else DOWN
    if shares != 0 and tie == "pessimistic":
        return adverse
    if shares != 0 and tie == "optimistic":
        return -adverse
    down = run.price("open", asset) - run.price("low", asset)
    up = run.price("high", asset) - run.price("open", asset)
    if down == up:
        return adverse
    return DOWN if down < up else UP


def nearest(run, asset, side):
    """The next level on a side: nearest to O; at equal prices exits (by submission, stop, target), then entries."""
    opened = run.price("open", asset)
    shares = run.positions[asset].shares
    best, best_key = None, None
    for position_in_list, level in enumerate(levels(run, asset)):
        if level.side != side or not is_certain(level) or not in_range(run, asset, level):
            continue
        exits = level.order is None or sign(shares) == -level.order.side
        order_key = (float(position_in_list), 0) if exits else run.rank_key(level.order)
        key = (max(level.price * side, opened * side), not exits, *order_key)
        if best_key is None or key < best_key:
            best, best_key = level, key
    return best


def meet(run, asset, level, side, certain=True):
    """The bar trades at a level: the order or rule there takes its turn, then what it made alive and already passed."""
    if level.birth is not None:
        reached("3.2 certain" if certain and is_certain(level) else "3.2 proved")
    moment = Moment(INSIDE, level.price, False, side, certain)
    if level.order is None:
        meet_rule(run, asset, level.is_stop, moment)
        return
    meet_order(run, level.order, moment)


def meet_rule(run, asset, is_stop, moment):
    """A stop or take profit of the position."""
    position = run.positions[asset]
    if is_stop:
        position.stop_met = run.t
        if position.stop_origin == Origin.TRAILING_STOP:
            reached("3.1 trailing")
        take_turn(run, stop_order(run, asset), moment)
        return
    position.goal_met = run.t
    long = position.shares > 0
    passed = moment.base != position.goal and (strictly_above if long else strictly_below)(moment.base, position.goal)
    order_row = len(run.orders)
    moment.passive = not passed
    fire_target(run, asset, moment, "3.1 limit")
    for order in run.orders[order_row:]:
        order.met = run.t


def meet_order(run, order, moment):
    """A resting order inside the bar. A base away from its own level is the price at which it was already passed."""
    asset = order.asset
    held_before, rows_before = run.positions[asset].birth, len(run.orders)
    buy = order.side > 0
    order.met = run.t
    if order.kind == LIMIT or (order.kind == STOP_LIMIT and order.triggered):
        if order.origin == Origin.TAKE_PROFIT:  # the rule it frees would act at a level the bar has left behind
            run.positions[asset].goal_met = run.t
        better = strictly_below(moment.base, order.limit) if buy else strictly_above(moment.base, order.limit)
        moment.passive = not better
        reached("3.1 limit")
    elif order.kind == STOP_LIMIT:
        trigger(run, order)
        if not stop_limit_moment(run, order, moment):
            return
    else:
        trigger(run, order)
        reached("3.1 trailing" if order.kind == TRAILING_STOP else "3.1 stop")
    take_turn(run, order, moment)
    execute_passed(run, asset, held_before, rows_before, moment)


def stop_limit_moment(run, order, moment):
    """Where a stop-limit fills that triggers inside: at its stop, at its limit if C proves it, or not yet (False)."""
    buy, close = order.side > 0, run.price("close", order.asset)
    at_stop = at_or_above(order.limit, moment.base) if buy else at_or_below(order.limit, moment.base)
    if at_stop:
        reached("3.1 stop_limit at stop")
        return True
    if at_or_below(close, order.limit) if buy else at_or_above(close, order.limit):
        reached("3.1 stop_limit at limit")
        moment.base, moment.passive, moment.certain = order.limit, True, False
        return True
    reached("3.1 stop_limit rests")
    return False


def execute_passed(run, asset, held_before, rows_before, moment):
    """Levels that came alive already passed execute at the price of that moment, never better (3.2)."""
    position = run.positions[asset]
    if position.shares == 0:
        return
    born_now = position.birth is not held_before
    price = moment.base
    for order in run.live(asset):
        fresh = order.row >= rows_before and order.parent is not None
        old_exit = born_now and order.reduce_only and sign(position.shares) == -order.side
        if not (fresh or old_exit) or not order.pending or not acts_inside(run, order):
            continue
        level = order_level(run, order)
        if already_passed(price, level):
            reached("3.2 passed")
            meet_order(run, order, Moment(INSIDE, price, False, moment.side, False))
    if not born_now or run.positions[asset] is not position:
        return
    for level in levels(run, asset):
        if level.order is None and already_passed(price, level):
            reached("3.2 passed")
            meet_rule(run, asset, level.is_stop, Moment(INSIDE, price, False, moment.side, False))
            return


def already_passed(price, level):
    """A stop the price is at or through; a limit the price is strictly better than."""
    if level.is_stop:
        return reached_by(price, level)
    return strictly_below(price, level.price) if level.side == DOWN else strictly_above(price, level.price)


def meet_what_the_close_proves(run, asset):
    """Levels born inside that are not certain: adverse ones under "assumed" first, then those C is at or through."""
    close = run.price("close", asset)
    if run.config["entry_bar"] == "assumed":
        meet_waiting(run, asset, lambda level: level.is_stop, "3.2 assumed")
    meet_waiting(run, asset, lambda level: reached_by(close, level), None)


def note_unproven(run, asset, level):
    """Count the bar once when a level in range is neither certain nor proven by the close."""
    row = (run.t, asset, ENTRY_BAR)
    if not reached_by(run.price("close", asset), level) and row not in run.ambiguous:
        reached("3.2 unproven")
        run.ambiguous.append(row)


def waiting_levels(run, asset):
    """Levels that came alive inside this bar and that the walk could not decide."""
    return [level for level in levels(run, asset) if level.birth is not None and not is_certain(level)]


def meet_waiting(run, asset, chosen, name):
    """Meet the chosen waiting levels in range, nearest to the price of their birth first."""
    while True:
        best, best_key = None, None
        for position_in_list, level in enumerate(waiting_levels(run, asset)):
            if not in_range(run, asset, level):
                continue
            note_unproven(run, asset, level)
            if level.birth.certain and level.price == level.birth.price and level.side != level.birth.side:
                reached("3.2 other side")
            if not chosen(level):
                continue
            key = (abs(level.price - level.birth.price), position_in_list)
            if best_key is None or key < best_key:
                best, best_key = level, key
        if best is None:
            return
        if name is not None:
            reached(name)
        meet(run, asset, best, best.side, certain=False)


def trail_this_bar(run, asset):
    """Trailing levels from this bar's own extreme: taken at C when proved, counted when lagged (3.1)."""
    close = run.price("close", asset)
    counted = False
    for order in run.live(asset):
        if not order.pending or not trails_since_open(run, order):
            continue
        mark = own_mark(run, asset, order.mark, order.side < 0)
        level = Level(mark + order.trail * order.side, UP if order.side > 0 else DOWN, True, order)
        idle = order.reduce_only and sign(run.positions[asset].shares) != -order.side
        if not idle and reached_by(close, level):
            counted = True
            if run.config["trail_timing"] == "proved":
                reached("3.1 proved")
                meet_order(run, order, Moment(INSIDE, close))
    position = run.positions[asset]
    if position.shares != 0 and position.armed and not inside_now(run, position.birth) and not stop_lives(run, asset):
        side = sign(position.shares)
        mark = own_mark(run, asset, position.mark, side > 0)
        price = part_of(mark, position.rules["trailing_stop"], -side)
        if price is not None and reached_by(close, Level(price, -side, True)):
            counted = True
            if run.config["trail_timing"] == "proved":
                reached("3.1 proved")
                position.stop_met = run.t
                take_turn(run, stop_order(run, asset, Origin.TRAILING_STOP), Moment(INSIDE, close))
    _count_unarmed(run, asset)
    if counted and run.config["trail_timing"] == "lagged":
        reached("3.1 lagged")
        run.ambiguous.append((run.t, asset, TRAIL))


def _count_unarmed(run, asset):
    """Count trails that the bar's own extreme arms and its close has passed: they say nothing about this bar."""
    position = run.positions[asset]
    if position.shares == 0 or position.armed or position.rules["trailing_stop"] is None:
        return
    if inside_now(run, position.birth) or position.basis <= 0:
        return
    side = sign(position.shares)
    mark, rules = own_mark(run, asset, position.mark, side > 0), position.rules
    activation = part_of(position.basis, rules["trail_activation"] or 0.0, side)
    level = part_of(mark, rules["trailing_stop"], -side)
    arms = (at_or_above if side > 0 else at_or_below)(mark, activation)
    if level is not None and arms and reached_by(run.price("close", asset), Level(level, -side, True)):
        reached("3.1 not armed")


def trails_since_open(run, order):
    """An untriggered trailing order that has met the whole bar."""
    if order.kind != TRAILING_STOP or not acts_inside(run, order):
        return False
    return order.birth is None or not inside_now(run, order.birth)


def own_mark(run, asset, mark, selling):
    """Water mark with this bar's extreme in it."""
    if run.config["water_mark"] == "close":
        extreme = run.price("close", asset)
    else:
        extreme = run.price("high" if selling else "low", asset)
    return max(mark, extreme) if selling else min(mark, extreme)
