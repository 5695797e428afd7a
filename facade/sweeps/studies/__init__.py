"""Sweeps of sweeps: walk-forward, splits, capacity."""
