"""Requirements of positions on margin, and the margin call (4.5, 4.8, 6.2)."""

from .book import RESIDUE, Order, ceil_to_lots, sign
from .coverage import reached
from .enums import CALLED, CANCELLED, MARKET, REPLACED, Origin, Reason
from .instruments import instrument, is_stock, lot_of, margin_term, value_of
from .ledger import marked_equity
from .orders import cancel, end, force, take_away, write_event
from .prices import half_spread


def requirement_of(run, asset, shares, price, kind):
    """What signed shares or contracts tie up at a price: a rate of their value, or an amount a contract (6.2)."""
    term, by_contract = margin_term(run, asset, shares, kind)
    if by_contract:
        reached("6.2 by contract")
        return term * abs(shares)
    return term * abs(value_of(run, asset, shares, price))


def requirement(run, asset, price, kind):
    """What a position ties up at a price."""
    return requirement_of(run, asset, run.positions[asset].shares, price, kind)


def requirements(run, price_of, kind):
    """Sum over all positions; nothing is netted."""
    total = 0.0
    for asset in sorted(run.held):
        total += requirement(run, asset, price_of(asset), kind)
    return total


def mark_of(run):
    """Price of an asset at its mark."""
    return lambda asset: run.last[asset]


def record(run):
    """4.8: on margin the sums of the requirements at the marks."""
    if run.config["account"] == "margin":
        row = tuple(requirements(run, mark_of(run), kind) for kind in ("initial", "maintenance"))
        run.margins.append(row)


def call(run):
    """4.5: an account that holds something and has less than its maintenance requirement is called."""
    run.called = False
    if run.config["account"] != "margin" or run.frozen:
        return
    equity, maintenance = marked_equity(run), requirements(run, mark_of(run), "maintenance")
    short = equity < maintenance * (1 - 1e-9)
    end_earlier_calls(run, short)
    if not run.held or not short:
        return
    run.called = True
    _count_call(run)
    cancel_entries(run)
    part = part_to_close(run, maintenance - equity)
    for asset in sorted(run.held):
        if run.has_bar(asset) or part == 1:
            order_part(run, asset, part)
    write_event(run, CALLED, value=equity, limit=maintenance)


def end_earlier_calls(run, short):
    """What is left of the last call is not needed any more, or is reckoned anew."""
    for order in run.pending():
        if order.origin == Origin.MARGIN_CALL:
            reached("4.5 replaced" if short else "4.5 restored")
            if short:
                end(run, order, REPLACED, Reason.REPLACED)
            else:
                end(run, order, CANCELLED, Reason.RESTORED)


def cancel_entries(run):
    """Orders alive that would enter go; one that would cross zero keeps its closing leg and only reduces."""
    for asset in range(run.assets):
        for order in run.pending(asset):
            shares = run.positions[asset].shares
            if order.reduce_only:
                continue
            if sign(shares) != -order.side:
                reached("4.5 entry")
                cancel(run, order, Reason.MARGIN_CALL)
            elif abs(order.left) > abs(shares) * (1 + RESIDUE):
                reached("4.5 crossing")
                order.reduce_only = True
                take_away(run, order, -shares, Reason.MARGIN_CALL)


def part_to_close(run, missing):
    """The part of every position that can be traded whose closing restores the maintenance requirement."""
    freed = cost = 0.0
    for asset in sorted(run.held):
        if run.has_bar(asset):
            freed += requirement(run, asset, run.last[asset], "maintenance")
            cost += closing_cost(run, asset)
    if run.config["margin_call"] == "all":
        reached("4.5 all")
        return 1.0
    if freed <= cost:
        reached("4.5 no way out")
        return 1.0
    return min(1.0, missing / (freed - cost))


def closing_cost(run, asset):
    """What closing a whole position at C would cost: no impact, no minimum, nothing an order."""
    config, shares = run.config, run.positions[asset].shares
    tiers = config["commission_tiers"]
    rate = half_spread(run, asset) + config["slippage_rate"]
    rate += tiers[0][1] if tiers else config["commission_rate"]
    if shares > 0:
        rate += config["sell_tax_rate"]
    each = value_of(run, asset, 1.0, config["slippage_fixed"]) + config["commission_per_share"]
    return abs(value_of(run, asset, shares, run.last[asset])) * rate + abs(shares) * each


def order_part(run, asset, part):
    """A forced order for a part of a position, rounded up to lots."""
    shares = run.positions[asset].shares
    quantity = min(ceil_to_lots(part * abs(shares), lot_of(run, asset)), abs(shares))
    if quantity <= 0:
        return
    quantity *= -sign(shares)
    order = Order(asset, run.t, MARKET, quantity, quantity, origin=Origin.MARGIN_CALL, reduce_only=True)
    if not run.has_bar(asset):
        reached("4.5 halted whole")
    elif abs(quantity) < abs(shares):
        reached("4.5 part")
    else:
        reached("4.5 whole")
    force(run, order)


def _count_call(run):
    """Count calls, and what stands beside them."""
    reached("4.5 call")
    for asset in run.held:
        if not is_stock(run, asset):
            reached("0.7 called")
            if instrument(run, asset)["by_contract"]:
                reached("0.7 called by contract")
    sides = {sign(run.positions[asset].shares) for asset in run.held}
    reached(f"4.5 call of {'both sides' if len(sides) == 2 else 'longs' if 1 in sides else 'shorts'}")
    if not all(run.has_bar(asset) for asset in run.held):
        reached("call x halted")
    if run.flow_of.get(run.t, 0.0) != 0:
        reached("call x flow")
