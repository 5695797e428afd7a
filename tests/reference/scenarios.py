"""Random scenarios: by seed for bulk runs, and as a thin hypothesis strategy.

`scenario_of(seed, exact, profile)` is all a bulk run needs. exact: prices, levels and fees are dyadic, so
that an engine that adds in the same order gives the same bits; otherwise free floats, compared to 1e-9.
"""

import random

from . import long_runs
from .accounts import with_account
from .called import called_scenario
from .intents import random_orders, random_signals, random_targets
from .knobs import random_config
from .panels import random_panel
from .settled import settled_scenario
from .terms import dress, terms_scenario

KINDS = ("orders", "orders", "orders", "orders", "orders", "weights", "shares", "signals", "signals")


def random_scenario(rng, exact, bars=None, assets=None, kind=None, order_count=None):
    """A scenario from a random generator; structure that is not given is drawn."""
    bars = rng.choice([1, 3, 8, 14, 20, 24, 24, 24, 24, 24]) if bars is None else bars
    assets = rng.choice([1, 2, 2, 3, 4]) if assets is None else assets
    kind = rng.choice(KINDS) if kind is None else kind
    busy, jumpy = rng.random() < 0.5, rng.random() < 0.14
    rules_on = rng.random() < (0.2 if jumpy else 0.75)
    panel = random_panel(rng, bars, assets, exact, busy, jumpy)
    config = random_config(rng, exact, panel, rules_on, short=jumpy)
    if kind == "orders":
        strategy = random_orders(rng, exact, panel, config, rules_on, order_count)
    elif kind == "signals":
        strategy = random_signals(rng, exact, panel, config)
    else:
        strategy = random_targets(rng, exact, panel, config, kind)
    scenario = with_account(rng, exact, {**panel, "config": config, "strategy": strategy})
    return dress(rng, exact, scenario)


PROFILES = {
    "short": random_scenario,  # up to 24 bars of everything
    "settled": settled_scenario,  # up to 24 bars around single clauses
    "terms": terms_scenario,  # up to 20 bars of instruments, borrow and funding
    "called": called_scenario,  # up to 24 bars of violent prices and accounts at their limits
    "sparse": long_runs.sparse_scenario,  # 130 to 400 bars, few orders
    "long": long_runs.long_scenario,  # 2,000 to 5,000 bars
}


def scenario_of(seed, exact, profile="short", **structure):
    """The scenario of an integer seed; structure (bars) is drawn where it is not given."""
    return PROFILES[profile](random.Random(seed), exact, **structure)


def scenarios(exact):
    """Hypothesis strategy: structure is drawn (and shrinks), the bulk comes from one seed."""
    from hypothesis import strategies as st

    return st.builds(
        lambda seed, bars, assets, kind, count: random_scenario(random.Random(seed), exact, bars, assets, kind, count),
        st.integers(0, 2**32 - 1),
        st.integers(1, 24),
        st.integers(1, 4),
        st.sampled_from(sorted(set(KINDS))),
        st.integers(1, 24),
    )
