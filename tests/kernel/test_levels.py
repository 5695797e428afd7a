"""A moved water mark changes the trail alone: `follow_water_mark` leaves the bits of `set_levels`."""

from math import inf, nan

import numba
import numpy as np
import pytest
from numba import types

from ml4t_kernel.bar.actions import split_position
from ml4t_kernel.book import records
from ml4t_kernel.compile.jit import entry
from ml4t_kernel.rules.levels import follow_water_mark, set_levels
from ml4t_kernel.schema import POSITION


def first_difference(all_levels, trail_alone, moves, ratios):
    """First of the moves of both positions' water mark after which their levels differ, -1 if none."""
    p = all_levels[0]
    q = trail_alone[0]
    set_levels(p)
    set_levels(q)
    for i in range(len(moves)):
        if ratios[i] != 1.0:
            split_position(p, ratios[i])
            split_position(q, ratios[i])
        p.water_mark = p.water_mark * moves[i]
        q.water_mark = q.water_mark * moves[i]
        set_levels(p)
        follow_water_mark(q)
        same = p.stop_level == q.stop_level and p.take_profit_level == q.take_profit_level
        if not same or p.stop_origin != q.stop_origin or p.armed != q.armed or p.even != q.even:
            return i
    return -1


@pytest.fixture(scope="module")
def compare():
    position = types.Array(numba.from_dtype(POSITION), 1, "C")
    numbers = types.Array(types.float64, 1, "C")
    return entry(types.int64(position, position, numbers, numbers), first_difference)


def test_a_moved_water_mark_moves_the_trail_alone(compare):
    rng = np.random.default_rng(8)
    for _ in range(2000):
        side = rng.choice([-1.0, 1.0])
        one = np.zeros(1, POSITION)
        one["shares"] = 100.0 * side
        one["avg"] = one["water_mark"] = price = rng.uniform(1.0, 200.0)
        # with a basis of its own, as of a signal's price; at or below zero, as after large dividends
        one["basis"] = price * rng.choice([1.0, rng.uniform(0.9, 1.1), -0.1], p=[0.6, 0.3, 0.1])
        one["stop_loss"] = rng.choice([0.02, 0.1, inf])
        one["take_profit"] = rng.choice([0.05, 0.3, inf])
        one["trailing_stop"] = rng.choice([0.01, 0.02, 0.2, inf])
        one["trail_activation"] = rng.choice([0.0, 0.01, 0.05])
        one["break_even"] = rng.choice([0.01, 0.02, inf])
        one["stop_loss_price"] = rng.choice([nan, price * (1.0 - 0.05 * side)])
        one["take_profit_price"] = rng.choice([nan, price * (1.0 + 0.05 * side)])
        # moves of a unit in the last place too, where trails are equal
        moves = 1.0 + side * rng.choice([2.5e-16, 1e-4, 0.004, 0.02], 30)
        ratios = rng.choice([1.0, 3.0, 0.7], 30, p=[0.9, 0.05, 0.05])
        assert compare(records(one.copy()), records(one.copy()), moves, ratios) == -1, one
