"""The configuration of a run: its model, its file format, its errors."""
