"""The book of pending orders."""
