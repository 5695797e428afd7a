"""Threads, processes and clusters that run the rows."""
