"""Numba-compiled backtest kernel over dense (bars, assets) arrays; see CONTRACT.md for what happens in a bar."""
