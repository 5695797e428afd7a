"""Every enum, structured dtype and array bundle of the kernel; nothing else defines a dtype or unwraps an enum.

Shape letters: T bars, A assets, N orders, D order details, F fills, K trades, R rows of targets, G signals, I order
intents, E events. Quantities are signed shares, prices and cash are in account currency, rates are fractions.
Enum values are written to disk and never renumbered. What follows from a value (does this reason count as cut?) is a
named predicate beside the code that asks, with its members listed; `tests/kernel/test_enums.py` classifies every
member, so that a new one cannot be wrong in silence.
"""

from ml4t_kernel.schema.bundles import *  # noqa: F403
from ml4t_kernel.schema.enums import *  # noqa: F403
from ml4t_kernel.schema.records import *  # noqa: F403
