"""Strategies as data: orders, targets and signals, each with its class, its table and its encoding."""
