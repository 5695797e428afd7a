"""Naive reference engine: an independent reading of the execution contract in plain Python."""

from .coverage import counts, missing, reached, reset
from .engine import run

__all__ = ["counts", "missing", "reached", "reset", "run"]
