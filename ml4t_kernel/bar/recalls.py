"""1.5 before the open: what can be borrowed from this bar on, and the shorts that are called back."""

from ml4t_kernel.bar.forced import bear_forced, forced_order, rounded_up
from ml4t_kernel.bar.incidents import note_incident
from ml4t_kernel.bar.locates import excess_short
from ml4t_kernel.compile.jit import cold, compiled
from ml4t_kernel.compile.sorting import sort_rows
from ml4t_kernel.money.instruments import is_settled_daily, lot_of
from ml4t_kernel.orders.life import end_order
from ml4t_kernel.schema import CANCELLED, E_RECALL, LIVE, NO_ROW, O_RECALL, R_RESTORED


@compiled
def read_borrow(t, market, book):
    """Rows that act from bar t on."""
    s = book.state[0]
    while s.borrow < market.borrow.shape[0] and market.borrow[s.borrow].bar <= t:
        row = market.borrow[s.borrow]
        s.borrow += 1
        book.positions[row.asset].available = row.available
        book.positions[row.asset].fee = row.fee


@compiled
def recall(t, a, market, params, book, tape):
    """The order for a short's excess: born, set to what is needed now, or ended where nothing is."""
    s = book.state[0]
    p = book.positions[a]
    quantity = 0.0
    if not is_settled_daily(a, market, params):
        quantity = min(abs(p.shares), rounded_up(excess_short(p), lot_of(a, market, params)))
    k = forced_order(p, True, tape)
    if quantity > 0.0:
        if k < 0:
            k = bear_forced(t, a, quantity, O_RECALL, book, tape)
            tape.orders[k].status = LIVE
            p.recalled = k
            s.recalls += 1
        else:
            tape.orders[k].requested = tape.orders[k].filled + quantity
            tape.orders[k].left = quantity
        note_incident(t, a, E_RECALL, quantity, -p.shares, p.available, params, book, tape)
    elif k >= 0:
        p.recalled = NO_ROW
        s.forced -= 1
        end_order(k, CANCELLED, R_RESTORED, t, book, tape)


@cold
def recall_shorts(t, market, params, book, tape):
    """Every short beyond what can be borrowed, by asset."""
    s = book.state[0]
    read_borrow(t, market, book)
    if not params.recalls:
        return
    n = 0
    for i in range(s.held):
        a = book.held[i]
        p = book.positions[a]
        if p.shares < 0.0 and (excess_short(p) > 0.0 or forced_order(p, True, tape) >= 0):
            book.inside[n] = a
            n += 1
    if n > 1:
        sort_rows(book.inside, n)
    for i in range(n):
        recall(t, book.inside[i], market, params, book, tape)
