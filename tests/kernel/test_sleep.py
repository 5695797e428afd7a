"""Chains of resting orders that sleep through blocks of bars give the same tape as chains that never sleep."""

import numpy as np
import polars as pl
import pytest

from facade import Config, Orders, Panel
from facade.encode.inputs import encode
from facade.execute import execute
from ml4t_kernel.schema import BLOCK

BARS, ASSETS = 5 * BLOCK + 7, 3


def random_case(seed):
    """A panel of several blocks with gaps, splits and dividends, and orders far and near of every resting type."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (BARS, ASSETS)), 0))
    open_ = close * np.exp(rng.normal(0, 0.005, close.shape))
    high, low = np.maximum(open_, close) * 1.006, np.minimum(open_, close) * 0.994
    missing = rng.random(close.shape) < 0.03
    fields = [np.where(missing, np.nan, field) for field in (open_, high, low, close)]
    volume = np.where(missing, np.nan, np.round(rng.uniform(100, 1000, close.shape)))
    actions = {
        "symbol": ["A0", "A1", "A2"],
        "ex_date": [BLOCK + 3, 2 * BLOCK, 3 * BLOCK - 1],
        "kind": ["dividend", "split", "dividend"],
        "value": [2.0, 1.1, 0.5],
    }
    bars = np.sort(rng.integers(0, BARS - 1, 120))
    assets = rng.integers(0, ASSETS, len(bars))
    rows = []
    for bar, asset in zip(bars.tolist(), assets.tolist(), strict=True):
        price = np.nan_to_num(fields[3][bar, asset], nan=50.0)
        kind, side = rng.choice(["market", "limit", "stop", "trailing_stop"]), rng.choice([1.0, -1.0])
        gap = rng.choice([0.01, 0.05, 0.2, 0.5])
        rows.append(
            {
                "timestamp": bar,
                "symbol": f"A{asset}",
                "quantity": side * float(rng.integers(1, 400)),
                "type": str(kind),
                "limit_price": price * (1 - side * gap) if kind == "limit" else None,
                "stop_price": price * (1 + side * gap) if kind == "stop" else None,
                "trail_amount": price * gap if kind == "trailing_stop" else None,
                "time_in_force": str(rng.choice(["gtc", "gtc", "bars"])),
            }
        )
    frame = pl.DataFrame(rows).with_columns(bars=pl.when(pl.col("time_in_force") == "bars").then(pl.lit(90)))
    panel = Panel.from_arrays(*fields, volume, actions=pl.DataFrame(actions))
    return panel, Orders(frame)


@pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("short", [False, True])
def test_sleeping_changes_no_bit(seed, short):
    panel, strategy = random_case(seed)
    config = Config(allow_short_selling=short, max_participation=0.2, commission_rate=0.001)
    inputs = encode(panel, strategy, config)
    assert inputs.market.block_high.shape == (6, ASSETS)
    asleep = execute(panel, config, inputs, False, ())
    none = np.zeros((0, 1))
    none.flags.writeable = False
    awake_market = inputs.market._replace(block_high=none, block_low=none)
    object.__setattr__(inputs, "market", awake_market)
    awake = execute(panel, config, inputs, False, ())
    assert asleep.state["orders"] >= 120
    for ours, theirs in ((asleep.orders, awake.orders), (asleep.fills, awake.fills)):
        for name in ours.dtype.names:
            if not name.startswith("pad"):
                assert np.array_equal(ours[name], theirs[name], equal_nan=ours[name].dtype.kind == "f"), name
    for name in ("equity", "cash"):
        assert np.array_equal(asleep.tape.equity[name], awake.tape.equity[name])
    for name in ("ambiguous", "rejected", "cut", "trades"):
        assert asleep.state[name] == awake.state[name]
