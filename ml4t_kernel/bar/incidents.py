"""Events of the account: what happened to it besides fills and charges (clause 8)."""

from ml4t_kernel.compile.jit import cold


@cold
def note_incident(t, a, kind, quantity, value, limit, params, book, tape):
    """One row. a: -1 of the whole account; quantity: NaN where nothing was ordered or cut."""
    s = book.state[0]
    r = tape.incidents[s.incidents * params.record]
    r.quantity = quantity
    r.value = value
    r.limit = limit
    r.bar = t
    r.asset = a
    r.kind = kind
    s.incidents += 1
