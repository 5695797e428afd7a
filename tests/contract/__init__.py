"""Hand-worked bars, one sentence of the execution contract a test: prices that a reader can follow, and why they must
be.

The mutants of `tests.mutants` are killed by these tests.
"""
