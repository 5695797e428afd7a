"""Counts how often each clause and each pair of knobs acted in the runs of this process."""

from collections import Counter

from .pairs import CLAUSES, PAIRS

_counts: Counter = Counter()


def reached(name):
    """Count one action of a clause ("2.3") or of a pair ("tif:day x partial")."""
    _counts[name] += 1


def counts():
    """Counts so far, as a plain dict in the order of the list in `pairs.py`; unreached names show as 0."""
    known = {name: _counts[name] for name in (*CLAUSES, *PAIRS)}
    known.update({name: count for name, count in sorted(_counts.items()) if name not in known})
    return known


def add(other):
    """Add the counts of another process (a dict as `counts` gives it)."""
    _counts.update(other)


def missing(minimum=50):
    """Clauses and possible pairs that acted less than `minimum` times, with their counts."""
    return {name: _counts[name] for name in (*CLAUSES, *PAIRS) if _counts[name] < minimum}


def reset():
    """Forget all counts."""
    _counts.clear()
