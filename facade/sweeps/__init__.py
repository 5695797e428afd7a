"""Sweeps: one strategy or several over many configurations, checked before anything runs and told as one table."""
