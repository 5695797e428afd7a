"""Targets become orders of what is missing to them (clauses 4.6, 6.0)."""

from ml4t_kernel.compile.jit import compiled, inlined
from ml4t_kernel.decide.sizing import forced_rest, refusal, refuse, sizing_price, submit_sized, target_delta
from ml4t_kernel.money.instruments import lot_of
from ml4t_kernel.money.prices import absent, present
from ml4t_kernel.orders.life import end_order
from ml4t_kernel.orders.types import is_open
from ml4t_kernel.schema import IN_BATCH, NO_ROW, O_TARGET, R_LOT, R_NO_PRICE, R_NONE, R_REPLACED, REPLACED


@compiled
def replace_working(t, a, status, reason, book, tape):
    """End the asset's earlier working order (6.0)."""
    p = book.positions[a]
    if p.working >= 0 and is_open(tape.orders[p.working]):
        end_order(p.working, status, reason, t, book, tape)
    p.working = NO_ROW


@inlined
def size_target(t, a, wanted, market, intents, params, book, tape):
    """One asset's target weight or shares: replace the earlier order, submit target minus held."""
    s = book.state[0]
    p = book.positions[a]
    held = p.shares
    kept = held + forced_rest(a, params, book, tape)
    price = market.close[t, a]
    if absent(price):
        price = sizing_price(t, a, market, book)
    # Zero is exempt: a close is meant, however small the position is.
    if params.min_weight_change > 0.0 and wanted != 0.0:
        if abs(wanted - kept * price / s.equity) < params.min_weight_change:
            return
    # The new target is computed from what is held, so what still works of the old one would be bought twice.
    if p.working >= 0:
        replace_working(t, a, REPLACED, R_REPLACED, book, tape)
    if wanted == 0.0 and held == 0.0:
        return
    if absent(price):
        refuse(t, a, 0.0, O_TARGET, R_NO_PRICE, book, tape)
        return
    target = wanted if params.targets_are_shares else wanted * s.equity / price
    lot = lot_of(a, market, params)
    delta = target_delta(target, kept if target != 0.0 else held, lot, price, s.equity)
    if delta == 0.0:
        if held == 0.0 and lot > 0.0:
            refuse(t, a, target, O_TARGET, R_LOT, book, tape)
        return
    reason = refusal(t, a, delta, held, price, False, market, params, book)
    if reason != R_NONE:
        refuse(t, a, delta, O_TARGET, reason, book, tape)
        return
    k = submit_sized(t, a, delta, O_TARGET, market, intents, params, book, tape)
    tape.orders[k].batch = IN_BATCH


@inlined
def may_be_active(a, book):
    """Is the asset held, or does an order of it work? A byte an asset says so of most without their positions.

    5,000 assets of W5 are told to hold nothing on each bar; reading two lines of each position was 18 percent of it.
    """
    if book.active[a] == 0:
        return False
    p = book.positions[a]
    if p.shares != 0.0 or p.working >= 0:
        return True
    if p.listed == 0:
        book.active[a] = 0
    return False


@inlined
def size_targets(t, market, intents, params, book, tape):
    """The row of targets of bar t, by asset."""
    s = book.state[0]
    row = s.target_row
    s.target_row += 1
    # No fraction of nothing: a size would be zero or of the wrong sign.
    if s.equity <= 0.0:
        return
    for column in range(intents.weights.shape[1]):
        wanted = intents.weights[row, column]
        a = intents.target_assets[column]
        if present(wanted) and (wanted != 0.0 or may_be_active(a, book)):
            size_target(t, a, wanted, market, intents, params, book, tape)
