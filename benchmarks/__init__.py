"""Benchmarks: ratios to a hand-written floor that follows the contract, taken in one process, arms interleaved."""
