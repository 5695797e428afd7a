"""The parts of the kernel's intents that a strategy fills."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from facade.config.model import RULE_FIELDS, RULE_SWITCHES
from facade.data.memory import frozen
from ml4t_kernel.schema import INTENT, RULES, SIGNAL

SWITCHES = tuple(name for name in RULES.names or () if name in RULE_SWITCHES or name not in RULE_FIELDS)
"""Fields of RULES of which any finite one is a rule to watch."""
WIDE = 64
"""Panels up to this many assets are not cut to those that trade."""


@dataclass
class Draft:
    """The parts of the intents that a strategy fills; the rest keeps its empty value.

    align: as for `run_backtest`. rules, asset_rules: those given per asset, there already. settings: fields of PARAMS
    that the strategy decides. counts: what was dropped or left out, by the names of `EncodedInputs.counts`.
    expected_orders: estimate, for sizing the tape. order_ids, tags, rows: labels of each of `orders`, if any.
    """

    n_bars: int
    n_assets: int
    align: str | None = None
    weights: np.ndarray = field(init=False)
    target_bars: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0), np.int32))
    target_assets: np.ndarray = field(init=False)
    signals: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0, SIGNAL), SIGNAL))
    orders: np.ndarray = field(default_factory=lambda: frozen(np.zeros(0, INTENT), INTENT))
    rules: np.ndarray = field(init=False)
    asset_rules: np.ndarray = field(init=False)
    settings: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    expected_orders: int = 0
    order_ids: pl.Series | None = None
    tags: pl.Series | None = None
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.weights = frozen(np.zeros((0, self.n_assets)))
        self.target_assets = frozen(np.arange(self.n_assets), np.int32)
        self.rules = no_rules(1)
        self.asset_rules = np.zeros(self.n_assets, np.int32)


def no_rules(rows: int) -> np.ndarray:
    rules = np.zeros(rows, RULES)
    for name in RULES.names or ():
        rules[name] = np.nan
    return rules
