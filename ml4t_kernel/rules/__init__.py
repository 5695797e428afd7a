"""Levels of the rules that a position carries."""
