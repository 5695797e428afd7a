"""4.6: user orders, targets and signals of the deciding close become orders (6.0, 6.3)."""

from .actions import is_gone
from .book import RULE_NAMES, RULE_PRICES, Order, floor_to_lots, sign
from .coverage import reached
from .enums import (
    KINDS,
    MARKET,
    REPLACED,
    TIMES,
    TRAILING_STOP,
    UNBORN,
    Origin,
    Reason,
)
from .instruments import lot_of, multiplier, value_of
from .ledger import marked_equity
from .orders import cancel, end, only_reduce, refuse, submit


def decide(run):
    """What the strategy wants at this close. An account without equity decides nothing but user orders."""
    strategy = run.scenario["strategy"]
    equity = marked_equity(run)
    if strategy["kind"] == "orders":
        for row in run.rows.get(run.t, []):
            user_order(run, row)
    elif equity <= 0:
        return
    elif strategy["kind"] == "signals":
        signals(run, strategy, equity)
    else:
        for row in run.rows.get(run.t, []):
            for asset, target in enumerate(row["targets"]):
                if target is not None:
                    aim(run, strategy, asset, target, equity)


def is_entry(held, quantity):
    """Opens, adds or crosses zero; a pure reduction is not an entry."""
    return not (held * quantity < 0 and abs(quantity) <= abs(held))


def cooling(run, asset):
    """Whether entries decided now fall into a cooldown."""
    return run.config["cooldown"] > 0 and run.t < run.cool_until[asset]


def market(run, asset, quantity, origin, **more):
    """A market order of a target or signal."""
    return Order(asset, run.t, MARKET, quantity, quantity, origin=origin, **more)


def left_by_forced(run, asset):
    """Shares held once the forced orders of the asset are done (6.0)."""
    held = run.positions[asset].shares
    after = held + sum(order.left for order in run.forced(asset))
    return after if after * held > 0 else 0.0


def size_problem(run, asset, quantity, minimum, held):
    """Reason to refuse a sized decision: min_notional, cooldown, margin call, delisted, in this order; else NONE."""
    if quantity != -held and abs(value_of(run, asset, quantity, run.known_price(asset))) < minimum:
        return Reason.MINIMUM
    if is_entry(held, quantity) and cooling(run, asset):
        return Reason.COOLDOWN
    if run.called and not held * quantity < 0:
        return Reason.MARGIN_CALL
    if is_gone(run, asset):
        return Reason.DELISTED
    return Reason.NONE


def count_refusal(reason):
    """Count a refusal at the decision."""
    names = {
        Reason.MINIMUM: "6.3 minimum",
        Reason.COOLDOWN: "5.2 cooldown",
        Reason.MARGIN_CALL: "4.6 margin call",
        Reason.DELISTED: "DELISTED",
        Reason.LOT: "6.3 odd lot",
        Reason.NO_PRICE: "6.0 no price",
    }
    reached(names[reason])


def place(run, order, reason):
    """Submit a sized order, or leave the row of its refusal."""
    if reason == Reason.NONE:
        only_reduce(run, order)
        return submit(run, order)
    against = run.positions[order.asset].shares * order.direction < 0
    if against and reason in (Reason.MINIMUM, Reason.COOLDOWN):
        reached("4.6 anew")
    count_refusal(reason)
    return refuse(run, order, reason)


# targets


def aim(run, strategy, asset, target, equity):
    """Order the difference between a target and the position, in place of the earlier target order."""
    held = run.positions[asset].shares
    price = run.known_price(asset)
    weights = strategy["kind"] == "weights"
    counted = left_by_forced(run, asset)
    threshold = strategy.get("min_weight_change") or 0.0
    weight = 0.0 if price is None else value_of(run, asset, counted, price) / equity
    if weights and target != 0 and price is not None and abs(target - weight) < threshold:
        reached("6.0 left alone")
        return
    for order in run.pending(asset):
        if order.origin == Origin.TARGET:
            reached("6.0 replaced")
            end(run, order, REPLACED, Reason.REPLACED)
    if target == 0:
        if held != 0:
            reached("4.6 target")
            place(run, market(run, asset, -held, Origin.TARGET, batch=True), Reason.NONE)
        return
    if price is None:
        place(run, market(run, asset, 0.0, Origin.TARGET), Reason.NO_PRICE)
        return
    wanted = target * equity / (price * multiplier(run, asset)) if weights else target
    minimum = strategy.get("min_notional")
    minimum = run.config["min_notional"] if minimum is None else minimum
    order = market(run, asset, 0.0, Origin.TARGET, batch=True)
    if counted != held:
        reached("6.0 beside a forced order")
    order_difference(run, asset, wanted, equity, minimum, order, held, counted)


def order_difference(run, asset, wanted, equity, minimum, order, held, counted):
    """Place `order` for the lots between the shares that count as held and the wanted ones; held: those that are."""
    lot = lot_of(run, asset)
    difference = wanted - counted
    quantity = floor_to_lots(difference, lot)
    if quantity != difference:
        reached("6.3 lot")
    if lot == 0 and abs(value_of(run, asset, difference, run.known_price(asset))) < 1e-9 * equity:
        return
    if quantity == 0:
        if held == 0:
            order.requested = order.left = difference
            place(run, order, Reason.LOT)
        return
    order.requested = order.left = quantity
    reached("4.6 target" if order.origin == Origin.TARGET else "4.6 signal")
    place(run, order, size_problem(run, asset, quantity, minimum, held))


# signals


def signals(run, strategy, equity):
    """Entries and exits of this bar, asset by asset."""
    for asset in range(run.assets):
        enter = {1: strategy["entries"][run.t][asset], -1: strategy["short_entries"][run.t][asset]}
        leave = {1: strategy["exits"][run.t][asset], -1: strategy["short_exits"][run.t][asset]}
        side = sign(run.positions[asset].shares)
        if enter[1] and enter[-1]:
            reached("4.6 conflict")
            run.conflicts += 1
            enter = {1: False, -1: False}
        for direction in (1, -1):
            if enter[direction] and leave[direction]:
                if side == 0:
                    enter[direction] = leave[direction] = False
                elif side == direction:
                    enter[direction] = False
        for direction in (1, -1):
            if leave[direction]:
                signal_exit(run, asset, direction)
        for direction in (1, -1):
            if enter[direction]:
                signal_entry(run, strategy, asset, direction, equity)


def working_entries(run, asset, direction):
    """Pending entry orders of signals in one direction."""
    return [o for o in run.pending(asset) if o.origin == Origin.SIGNAL_ENTRY and o.direction == direction]


def signal_exit(run, asset, direction):
    """Cancel what is left of the entry, and close what is held in the direction."""
    for order in working_entries(run, asset, direction):
        cancel(run, order, Reason.SIGNAL_EXIT)
    held = run.positions[asset].shares
    lives = any(order.origin == Origin.SIGNAL_EXIT for order in run.pending(asset))
    if sign(held) == direction and not lives:
        reached("4.6 signal")
        submit(run, market(run, asset, -held, Origin.SIGNAL_EXIT, reduce_only=True))


def signal_entry(run, strategy, asset, direction, equity):
    """Enter, add, or close and reverse."""
    side = sign(run.positions[asset].shares)
    accumulate = strategy.get("accumulate", False)
    working = working_entries(run, asset, direction)
    if (side == direction or working) and not accumulate:
        return
    for order in working_entries(run, asset, -direction):
        cancel(run, order, Reason.SIGNAL_EXIT)
    if side == -direction:
        signal_exit(run, asset, -direction)
    short_refused = direction < 0 and not run.config["allow_short_selling"]
    if short_refused and side == -direction:
        return
    size_entry(run, strategy, asset, direction, equity, short_refused)


def cell(values, t, asset):
    """A scalar, or one cell of a T x A list."""
    return values[t][asset] if isinstance(values, list | tuple) else values


def size_entry(run, strategy, asset, direction, equity, short_refused):
    """Shares of an entry from its size type; target sizes are a batch and replace the working entry."""
    size, kind = cell(strategy["size"], run.t, asset), strategy["size_type"]
    rank = cell(strategy.get("rank"), run.t, asset)
    is_target = kind.startswith("target_")
    price = run.known_price(asset)
    order = market(run, asset, 0.0, Origin.SIGNAL_ENTRY, direction=direction, batch=is_target, rank=rank)
    if price is None:
        place(run, order, Reason.NO_PRICE)
        return
    counts = price * multiplier(run, asset)
    per = {"shares": size, "value": size / counts, "fraction": size * equity / counts}
    wanted = direction * per[kind.removeprefix("target_")]
    if short_refused:
        order.requested = order.left = floor_to_lots(wanted, lot_of(run, asset))
        reached("2.2 refused")
        refuse(run, order, Reason.NO_SHORT)
        return
    held = run.positions[asset].shares
    if is_target:
        for other in working_entries(run, asset, direction):
            reached("6.0 replaced")
            end(run, other, REPLACED, Reason.REPLACED)
        # against an opposite position the exit order already closes what is held
        mine = sign(held) == direction
        held, counted = (held, left_by_forced(run, asset)) if mine else (0.0, 0.0)
        order_difference(run, asset, wanted, equity, run.config["min_notional"], order, held, counted)
        return
    quantity = floor_to_lots(wanted, lot_of(run, asset))
    if quantity == 0:
        order.requested = order.left = wanted
        place(run, order, Reason.LOT)
        return
    order.requested = order.left = quantity
    reached("4.6 signal")
    place(run, order, size_problem(run, asset, quantity, run.config["min_notional"], 0.0))


# user orders


def user_order(run, row):
    """Submit, cancel or replace."""
    action = row.get("action") or "submit"
    if action == "submit":
        submit_user_order(run, row)
        return
    order = run.by_id.get(row["id"])
    if order is None:
        return
    if action == "cancel":
        if order.pending or order.status == UNBORN:
            reached("4.6 cancel")
        cancel(run, order, Reason.CANCELLED)
    else:
        replace(run, order, row)


def order_from_row(row):
    """An order object with what a row says."""
    names = (*RULE_NAMES, *RULE_PRICES)
    quantity = row["quantity"]
    return Order(
        row["asset"],
        row["bar"],
        KINDS[row.get("type") or "market"],
        quantity,
        quantity,
        time_in_force=TIMES[row.get("time_in_force") or "gtc"],
        limit=row.get("limit_price"),
        stop=row.get("stop_price"),
        trail=row.get("trail_amount"),
        bars=row.get("bars") or 0,
        reduce_only=bool(row.get("reduce_only")),
        rank=row.get("rank"),
        group=row.get("group"),
        rules={name: row[name] for name in names if row.get(name) is not None},
    )


def submit_user_order(run, row):
    """Take a user's order, floored to lots, or refuse it; a bracket child waits for its parent."""
    order = order_from_row(row)
    if row.get("id") is not None:
        run.by_id[row["id"]] = order
    if row.get("parent") is not None:
        parent = run.by_id[row["parent"]]
        order.parent, order.reduce_only, order.origin = parent, True, Origin.CHILD
        order.size, order.status = abs(order.requested), UNBORN
        parent.children.append(order)
        return
    reached("4.6 order")
    held = run.positions[order.asset].shares
    given = order.requested
    closes = given == -held
    quantity = given if closes else floor_to_lots(given, lot_of(run, order.asset))
    price = run.known_price(order.asset)
    small = price is not None and abs(value_of(run, order.asset, quantity, price)) < run.config["min_notional"]
    reason = Reason.NONE
    if quantity == 0:
        reason = Reason.LOT
    elif small and not order.reduce_only and quantity != -held:
        reason = Reason.MINIMUM
    elif is_entry(held, quantity) and not order.reduce_only and cooling(run, order.asset):
        reason = Reason.COOLDOWN
    elif run.called and not held * quantity < 0 and not order.reduce_only:
        reason = Reason.MARGIN_CALL
    elif is_gone(run, order.asset):
        reason = Reason.DELISTED
    if reason != Reason.NONE:
        count_refusal(reason)
        refuse(run, order, reason)
        return
    only_reduce(run, order)
    submit(run, order)
    if quantity != given:
        reached("6.3 lot")
        order.left, order.cut = quantity, Reason.LOT
    if order.kind == TRAILING_STOP:
        order.mark = price


def edit(order, row):
    """Put what a replacing row gives into an order."""
    for name, field in (("limit_price", "limit"), ("stop_price", "stop"), ("trail_amount", "trail")):
        if row.get(name) is not None:
            setattr(order, field, row[name])


def replace(run, old, row):
    """End a pending order and submit its successor; an unborn child is edited in place."""
    quantity = row.get("quantity")
    if old.status == UNBORN:
        reached("4.6 replace")
        edit(old, row)
        if quantity is not None:
            old.size = abs(quantity)
        return
    if not old.pending:
        return
    reached("4.6 replace")
    given = old.left if quantity is None else quantity
    closes = given == -run.positions[old.asset].shares
    quantity = given if closes else floor_to_lots(given, lot_of(run, old.asset))
    new = Order(old.asset, run.t, old.kind, given, given, origin=old.origin, time_in_force=old.time_in_force)
    for name in ("limit", "stop", "trail", "mark", "bars", "triggered", "reduce_only", "rank", "group", "parent"):
        setattr(new, name, getattr(old, name))
    for name in ("children", "opened", "size", "granted", "rules"):
        setattr(new, name, getattr(old, name))
    new.replaces = True  # of which 4.6 checks nothing but the lot
    edit(new, row)
    end(run, old, REPLACED, Reason.REPLACED)
    if quantity == 0:
        count_refusal(Reason.LOT)
        refuse(run, new, Reason.LOT)
    else:
        only_reduce(run, new)
        submit(run, new)
        if quantity != given:
            reached("6.3 lot")
            new.left, new.cut = quantity, Reason.LOT
    for child in new.children:
        child.parent = new
    if new.parent is not None:
        new.parent.children[new.parent.children.index(old)] = new
    for key, order in run.by_id.items():
        if order is old:
            run.by_id[key] = new
