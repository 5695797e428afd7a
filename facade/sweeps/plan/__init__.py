"""Rows that share market and intents, in groups; their parameters; their fingerprints."""
