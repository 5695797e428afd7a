"""Prices on their way to the kernel, which sees those of a whole contract: quoted price times multiplier (0.7).

What is a price is multiplied here and divided where results are decoded (`facade.results.quoted`); what is money, a
fraction, a number of contracts or `slippage_fixed`, which the kernel multiplies itself, passes as it is. Where every
multiplier is 1 nothing is copied and no bit changes. A multiplier that is no power of two rounds: a price may come back
off by one unit in its last place, unless it was written in an order, and of two extremes that were equally far from
the open (3.0) one may be nearer.
"""

from __future__ import annotations

import numpy as np

from facade.data.memory import frozen, on_lines
from facade.data.panel import Panel
from ml4t_kernel.market import block_extremes
from ml4t_kernel.schema import ACTION, INTENT, PRICES, ActionKind

LEVELS = ("limit", "stop", "trail")
"""Prices of INTENT."""
RULE_PRICES = ("stop_loss_price", "take_profit_price")
"""Prices of RULES."""
SPLIT = int(ActionKind.SPLIT)


def contract_bars(panel: Panel) -> np.ndarray:
    """(T, A, 4) of contracts; kept with the panel."""
    factors = panel.multipliers
    return panel.bars if factors is None else panel.derived("contract bars", lambda: _scaled(panel.bars, factors))


def _scaled(bars: np.ndarray, factors: np.ndarray) -> np.ndarray:
    return np.multiply(bars, factors[:, None], out=on_lines(bars.shape))


def contract_blocks(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Extremes of blocks of these bars; kept with the panel."""

    def build() -> tuple[np.ndarray, np.ndarray]:
        bars = contract_bars(panel)
        return block_extremes(bars[:, :, PRICES.index("high")], bars[:, :, PRICES.index("low")])

    return panel.derived("blocks", build)


def contract_actions(panel: Panel) -> np.ndarray:
    """(E,) ACTION whose amounts, of dividends and recoveries, are a contract's; kept with the panel."""
    factors = panel.multipliers
    if factors is None:
        return panel.action_rows

    def build() -> np.ndarray:
        rows = panel.action_rows.copy()
        rows["value"] *= np.where(rows["kind"] == SPLIT, 1.0, factors[rows["asset"]])
        return frozen(rows, ACTION)

    return panel.derived("contract actions", build)


def contract_orders(panel: Panel, orders: np.ndarray) -> np.ndarray:
    """(I,) INTENT with levels of contracts."""
    factors = panel.multipliers
    if factors is None or not len(orders):
        return orders
    scaled = orders.copy()
    for name in LEVELS:
        scaled[name] *= factors[orders["asset"]]
    return frozen(scaled, INTENT)


def contract_rules(panel: Panel, orders: np.ndarray, rules: np.ndarray) -> np.ndarray:
    """(R,) RULES with prices of contracts; orders: (I,) INTENT, which alone carry rows with prices, each its own."""
    factors = panel.multipliers
    if factors is None or not len(orders):
        return rules
    of_row = np.ones(len(rules))
    of_row[orders["rules"]] = factors[orders["asset"]]
    scaled = rules.copy()
    for name in RULE_PRICES:
        scaled[name] *= of_row
    return scaled
