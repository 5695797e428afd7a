"""Decisions of the close become orders."""
