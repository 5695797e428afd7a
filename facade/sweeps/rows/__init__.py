"""Finished rows, in memory or in files, and checkpoints."""
