"""Prices, fees, and the only writer of cash, shares, fills and trades."""
