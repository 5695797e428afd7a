"""The execution contract, clause by clause: hand-worked bars, one sentence a test, prices that a reader can follow;
what is always true; real data.

The mutants of `tests.mutants` are killed by the hand-worked bars.
"""
