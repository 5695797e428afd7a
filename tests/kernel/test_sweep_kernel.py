"""Many accounts over one market: each row of parameters ends in the state of its own single run, bit for bit."""

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from differential import encoded, kernel_run
from facade import Config, Orders, Panel
from facade.encode.inputs import encode
from ml4t_kernel import entries
from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.schema import STATE, Reason, Status
from reference.scenarios import scenario_of

SEEDS = st.integers(0, 2**32 - 1)
CUTS = (
    *(Reason.CASH, Reason.NO_SHORT, Reason.COOLDOWN, Reason.MINIMUM, Reason.LOT, Reason.VOLUME, Reason.DIVIDEND),
    *(Reason.MARGIN, Reason.LEVERAGE, Reason.MARGIN_CALL, Reason.NO_BORROW),
)
MANY = settings(max_examples=20 if INTERPRETED else 150)
PLACES = ("bar", "status", "event")  # where a run stands, not what happened in it


def rows_like(params, rng, count):
    """(count,) PARAMS: the scenario's own row, and neighbours that fill at other prices, sizes and times."""
    rows = np.repeat(params, count)
    for row in rows[1:]:
        row["initial_cash"] = params["initial_cash"][0] * rng.choice([0.001, 0.3, 1.0, 20.0])
        row["slippage_rate"] = rng.choice([0.0, 0.001, 0.3])
        row["lot"] = rng.choice([0.0, 1.0, 7.0])
        row["limit_through"] = rng.randint(0, 1)
        row["tie"] = rng.randint(0, 2)
        if row["has_charges"]:
            row["borrow_fee"] = rng.choice([0.0, 0.3])
            row["credit_rate"] = rng.choice([0.0, 0.05])
        if row["has_rules"]:
            row["stop_loss"] = rng.choice([0.001, 0.05, np.inf])
            row["trailing_stop"] = rng.choice([0.01, np.inf])
    rows["record"] = 0
    return rows


def scratch_of(inputs, rows=4096, bars=1):
    """A scratch with that room on every tape."""
    sizes = dict.fromkeys(("orders", "details", "fills", "trades", "ambiguous", "charges", "incidents"), rows)
    sizes["booked"] = len(inputs.market.actions) + len(inputs.market.stale) + 1
    return entries.Scratch(inputs.market, inputs.intents, sizes | {"gross": bars, "margin": bars}, bars)


def finals_of(scratch, params):
    finals = np.zeros(len(params), STATE)
    scratch.run(params, finals)
    return finals


@MANY
@given(SEEDS, st.booleans())
def test_a_row_ends_as_its_single_run(seed, exact):
    scenario = scenario_of(seed, exact)
    _, _, inputs = encoded(scenario)
    single = kernel_run(scenario).book.state
    own = rows_like(inputs.params, random.Random(seed), 1)
    assert finals_of(scratch_of(inputs), own).tobytes() == np.asarray(single).tobytes()


@MANY
@given(SEEDS, st.booleans(), st.booleans())
def test_rows_do_not_see_each_other(seed, exact, growing):
    """In any order, in any company, on a scratch that has to grow in the middle: the same bits."""
    rng = random.Random(seed)
    _, _, inputs = encoded(scenario_of(seed, exact))
    rows = rows_like(inputs.params, rng, 7)
    alone = np.concatenate([finals_of(scratch_of(inputs), rows[k : k + 1]) for k in range(len(rows))])
    order = rng.sample(range(len(rows)), len(rows))
    together = finals_of(scratch_of(inputs, 1 if growing else 4096), rows[order])
    assert together.tobytes() == alone[order].tobytes()


@MANY
@given(SEEDS, st.booleans())
def test_what_is_recorded_changes_nothing(seed, exact):
    _, _, inputs = encoded(scenario_of(seed, exact))
    rows = rows_like(inputs.params, random.Random(seed), 3)
    silent = finals_of(scratch_of(inputs), rows)
    rows["record"] = 1
    assert finals_of(scratch_of(inputs, bars=inputs.market.close.shape[0]), rows).tobytes() == silent.tobytes()


@MANY
@given(SEEDS, st.booleans())
def test_refusals_are_counted_by_reason(seed, exact):
    run = kernel_run(scenario_of(seed, exact))
    counted = np.zeros(len(Reason), np.int64)
    for order in run.orders:
        cut = order["status"] in (Status.CANCELLED, Status.EXPIRED) and order["reason"] in CUTS
        if cut or order["status"] == Status.REJECTED:
            counted[order["reason"]] += 1
    assert run.state["refusals"].tolist() == counted.tolist()
    assert run.state["refusals"].sum() == run.state["rejected"] + run.state["cut"]


def test_an_account_without_bars_to_run_is_its_beginning():
    _, _, inputs = encoded(scenario_of(1, True))
    scratch = scratch_of(inputs)
    assert len(finals_of(scratch, inputs.params[:0])) == 0


def test_an_account_knows_nothing_of_orders_that_only_the_one_before_placed():
    """The first lives to decide its second order, the second is bankrupt by then."""
    closes = np.array([[10.0], [10.0], [21.0], [9.0], [9.0]])
    panel = Panel.from_arrays(closes, closes, closes, closes)
    frame = pl.DataFrame({"timestamp": [0, 3], "symbol": ["A0", "A0"], "quantity": [-10.0, -1.0]})
    inputs = encode(panel, Orders(frame), Config(allow_short_selling=True))
    rows = np.repeat(inputs.params, 2)
    rows["initial_cash"], rows["record"] = (10_000.0, 100.0), 0
    scratch = scratch_of(inputs)
    finals = finals_of(scratch, rows)
    assert finals["frozen"].tolist() == [0, 1]
    assert scratch.book.placed.tolist() == [0, -1]


@pytest.mark.skipif(INTERPRETED, reason="memory of compiled threads")
def test_scratches_share_no_cache_line():
    _, _, inputs = encoded(scenario_of(1, True))
    books = [scratch_of(inputs).book for _ in range(3)]
    for array in (array for book in books for array in (book.state, book.positions, book.work)):
        assert array.ctypes.data % 128 == 0
