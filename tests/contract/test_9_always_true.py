"""Everything section 9 of the contract calls always true, as properties of random runs."""

import copy
import math
import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from differential import (
    BARWISE,
    assert_run_adds_up,
    encoded,
    kernel_run,
    outcome_of,
    panel_of,
)
from facade.errors import DataError
from facade.execute import execute
from facade.results.run import Run
from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries
from ml4t_kernel.schema import EXIT_LEG, Origin, Phase, Reason, Status
from reference.scenarios import scenario_of

BOOKING = int(Phase.BOOKING)
MANY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
SEEDS = st.integers(0, 2**32 - 1)


def rows_of(table):
    """A table of columns as a list of tuples."""
    return list(zip(*table.values(), strict=True))


# Accounting ----------------------------------------------------------------------------------------------------------


@MANY
@given(SEEDS, st.booleans())
def test_cash_and_holdings_make_equity_and_profit_less_costs(seed, exact):
    assert_run_adds_up(kernel_run(scenario_of(seed, exact)))


def unlevered(scenario):
    """The scenario of stocks in a cash account that holds nothing short."""
    scenario = {name: value for name, value in scenario.items() if name not in ("instruments", "funding")}
    scenario["config"] = {**scenario["config"], "account": "cash", "allow_short_selling": False}
    strategy = scenario["strategy"]
    for row in strategy["rows"] if strategy["kind"] in ("weights", "shares") else ():
        wanted = [None if target is None else abs(target) for target in row["targets"]]
        most = sum(target or 0.0 for target in wanted) if strategy["kind"] == "weights" else 1.0
        row["targets"] = [None if target is None else target / max(most, 1.0) for target in wanted]
    return scenario


@MANY
@given(SEEDS)
def test_cash_is_never_negative_after_an_entry_of_an_unlevered_account(seed):
    scenario = unlevered(scenario_of(seed, False))
    run = kernel_run(scenario)
    booked, charges = run.tape.booked[: run.state["booked"]], run.tape.charges[: run.state["charges"]]
    moved = [(row["bar"], row["cash"]) for row in booked if row["kind"] == 1]
    before_open = {}
    for bar, amount in [*moved, *((row["bar"], row["amount"]) for row in charges)]:
        before_open[int(bar)] = before_open.get(int(bar), 0.0) + float(amount)
    cash, paid = run.config.initial_cash, -1
    for fill in run.fills:
        for bar in range(paid + 1, int(fill["bar"]) + 1):
            cash += before_open.get(bar, 0.0)
        paid = max(paid, int(fill["bar"]))
        cash -= fill["quantity"] * fill["price"] + fill["fee"]
        if fill["phase"] != BOOKING and not fill["bits"] & EXIT_LEG:
            assert cash >= -1e-9 * run.config.initial_cash


# Fills ---------------------------------------------------------------------------------------------------------------


def multiplier_of(scenario, asset):
    """The kernel's prices are those of whole contracts."""
    rows = scenario.get("instruments")
    return rows[asset]["multiplier"] if rows else 1.0


@MANY
@given(SEEDS, st.booleans())
def test_fills_lie_in_the_bar_and_within_the_budget(seed, exact):
    scenario = scenario_of(seed, exact)
    run = kernel_run(scenario)
    cap, used = scenario["config"].get("max_participation"), {}
    for fill in run.fills[run.fills["phase"] != BOOKING]:
        bar, asset, side = int(fill["bar"]), int(fill["asset"]), math.copysign(1.0, fill["quantity"])
        if fill["price"] > 0:  # a price that costs have taken to zero does not tell its base
            base = (fill["price"] - side * fill["slippage"] / abs(fill["quantity"])) / multiplier_of(scenario, asset)
            assert scenario["low"][bar][asset] * (1 - 1e-9) <= base <= scenario["high"][bar][asset] * (1 + 1e-9)
        used[bar, asset] = used.get((bar, asset), 0.0) + abs(fill["quantity"])
    if cap is not None:
        share = 1.0 if scenario["config"].get("volume_basis") == "previous" else cap
        for (bar, asset), quantity in used.items():
            assert quantity <= share * scenario["volume"][bar][asset] * (1 + 1e-9)


@MANY
@given(SEEDS, st.booleans())
def test_nothing_fills_before_the_bar_after_its_decision(seed, exact):
    scenario = scenario_of(seed, exact)
    run = kernel_run(scenario)
    orders, fills = run.orders, run.fills[run.fills["order"] >= 0]
    decided = orders["origin"] <= int(Origin.SIGNAL_EXIT)
    decided |= orders["origin"] == int(Origin.TIME_EXIT)
    of = fills["order"]
    waits = decided[of] & (fills["phase"] != int(Phase.DECISION_CLOSE))
    assert (fills["bar"][waits] > orders["bar"][of][waits]).all()
    assert (fills["bar"] >= orders["bar"][of]).all()
    if scenario["config"].get("timing") != "same_bar_close":
        assert not (fills["phase"] == int(Phase.DECISION_CLOSE)).any() and not (run.fills["bar"] == 0).any()


@MANY
@given(SEEDS, st.booleans())
def test_reduce_only_fills_never_increase_a_position_nor_turn_it(seed, exact):
    run = kernel_run(scenario_of(seed, exact))
    ratios = {}
    for row in run.tape.booked[: run.state["booked"]]:
        if row["kind"] == 0:
            ratios.setdefault((int(row["bar"]), int(row["asset"])), float(row["value"]))
    held, last_bar = {}, {}
    for fill in run.fills:
        asset, bar = int(fill["asset"]), int(fill["bar"])
        for day in range(last_bar.get(asset, -1) + 1, bar + 1):
            held[asset] = held.get(asset, 0.0) * ratios.get((day, asset), 1.0)
        last_bar[asset] = max(bar, last_bar.get(asset, -1))
        before = held.get(asset, 0.0)
        after = before + fill["quantity"]
        held[asset] = 0.0 if abs(after) <= 1e-9 * abs(before) else after
        row = int(fill["order"])
        if row >= 0 and run.orders["reduce_only"][row]:
            assert abs(after) < abs(before) and after * before >= -1e-9 * before * before
        if fill["bits"] & EXIT_LEG:
            assert fill["quantity"] * before < 0


@MANY
@given(SEEDS, st.booleans())
def test_a_flat_position_has_no_live_child_and_no_live_rule_order(seed, exact):
    run = kernel_run(scenario_of(seed, exact))
    orders = run.orders
    flat = run.book.positions["shares"][orders["asset"]] == 0
    bound = (orders["origin"] >= int(Origin.CHILD)) & (orders["origin"] <= int(Origin.TIME_EXIT))
    assert not (flat & bound & (orders["status"] == int(Status.LIVE))).any()


@MANY
@given(SEEDS, st.booleans())
def test_refused_orders_have_no_fill_and_a_reason(seed, exact):
    run = kernel_run(scenario_of(seed, exact))
    orders = run.orders
    refused = orders["status"] == int(Status.REJECTED)
    assert (orders["filled"][refused] == 0).all()
    cancelled = (orders["status"] == int(Status.CANCELLED)) | refused
    assert (orders["reason"][cancelled] != int(Reason.NONE)).all()


# The future ----------------------------------------------------------------------------------------------------------


def cut(scenario, bars):
    """The first `bars` bars of a scenario."""
    strategy = dict(scenario["strategy"])
    for name, value in strategy.items():
        if name == "rows":
            strategy["rows"] = [row for row in value if row["bar"] < bars]
        elif isinstance(value, list):
            strategy[name] = value[:bars]
    short = {**scenario, **{name: scenario[name][:bars] for name in BARWISE}, "strategy": strategy}
    for name in ("actions", "borrow", "funding"):
        if name in scenario:
            short[name] = [row for row in scenario[name] if row["bar"] < bars]
    if "flows" in scenario:
        short["flows"] = [(bar, amount) for bar, amount in scenario["flows"] if bar < bars]
    spread = scenario["config"].get("spread")
    if isinstance(spread, list) and isinstance(spread[0], list):
        short["config"] = {**scenario["config"], "spread": spread[:bars]}
    return short


def with_another_future(scenario, bars, rng):
    """The same first `bars` bars; then every bar moves by a factor of its own. Declared dates stay."""
    changed = copy.deepcopy(scenario)
    for t in range(bars, len(scenario["close"])):
        for asset, close in enumerate(scenario["close"][t]):
            if close is not None:
                factor = rng.choice([0.75, 0.9, 1.1, 1.25])
                for name in ("open", "high", "low", "close"):
                    changed[name][t][asset] *= factor
                if changed["volume"][t][asset] is not None:
                    changed["volume"][t][asset] *= 2.0
    changed["actions"] = [a for a in changed["actions"] if a["bar"] < bars or a["kind"] == "delisting"]
    return changed


def assert_same_until(ours, theirs, bars):
    """Fills and the account's rows of the first bars, bit for bit."""
    for name in ("fills", "booked"):
        first, second = (
            [row for row in rows_of(table) if row[bar_of(table)] < bars] for table in (ours[name], theirs[name])
        )
        assert repr(first) == repr(second)
    for name in ("equity", "cash", "positions"):
        assert ours[name][:bars] == theirs[name][:bars]


def bar_of(table):
    """Place of the column `bar`."""
    return list(table).index("bar")


def session_ends(scenario):
    """Numbers of bars after which a session is over."""
    sessions = scenario["session"]
    return [t for t in range(1, len(sessions)) if sessions[t] != sessions[t - 1]]


@MANY
@given(SEEDS, st.booleans())
def test_no_fill_depends_on_what_comes_after_it(seed, exact):
    scenario, rng = scenario_of(seed, exact), random.Random(seed)
    ends = session_ends(scenario)
    if not ends or not scenario["strategy"].get("rows", [1]):
        return
    bars = rng.choice(ends)
    if not any(price is not None for row in scenario["close"][:bars] for price in row):
        return  # a panel without a single bar is refused
    whole = outcome_of(kernel_run(scenario))
    shorter = cut(scenario, bars)
    if shorter["strategy"].get("rows", [1]):
        assert_same_until(outcome_of(kernel_run(shorter)), whole, bars)
    try:
        other = kernel_run(with_another_future(scenario, bars, rng))
    except DataError:  # a split whose first bar lies in the new future no longer fits its prices
        return
    assert_same_until(outcome_of(other), whole, bars)


# The same bits however it is run -------------------------------------------------------------------------------------


def sliced(scenario, rng, growing):
    """The run in random slices of bars; growing: from a tape and queues that are too small for anything."""
    panel, config, inputs = encoded(scenario)
    orders = 1 if growing else 4096
    rows = dict(orders=orders, details=2 if growing else 4096, fills=orders, trades=orders, ambiguous=orders)
    rows["charges"] = rows["incidents"] = 1 if growing else 4096
    rows["booked"] = 1 if growing else len(inputs.market.actions) + len(inputs.market.stale) + 1
    rows["gross"] = rows["margin"] = panel.shape[0]
    book = kernel_book.new_book(panel.shape[1], len(inputs.intents.orders), 0)
    if growing:
        names = ("queue", "exits", "entries", "key_rank", "amounts")
        least = 2 * panel.shape[1]  # what every book has: a phase lists assets in them too
        book = book._replace(**{name: getattr(book, name)[:least].copy() for name in names})
    tape = kernel_book.new_tape(panel.shape[0], rows)
    params = kernel_book.records(inputs.params)
    market, intents = (type(b)(*(kernel_book.records(array) for array in b)) for b in (inputs.market, inputs.intents))
    done = 0
    while done < panel.shape[0]:
        stop = min(panel.shape[0], done + rng.randint(1, 6))
        while done < stop:
            done = entries.advance(market, intents, params, book, tape, done, stop)
            if done < stop:
                book, tape = kernel_book.grow(book, tape)
    plain = [type(bundle)(*(kernel_book.plain(array) for array in bundle)) for bundle in (book, tape)]
    return Run(panel, config, inputs, *plain, done, ())


@MANY
@given(SEEDS, st.booleans(), st.booleans())
def test_slices_and_growing_tapes_give_the_same_bits(seed, exact, growing):
    scenario = scenario_of(seed, exact)
    whole, parts = kernel_run(scenario), sliced(scenario, random.Random(seed), growing)
    assert repr(outcome_of(whole)) == repr(outcome_of(parts))
    for name in ("sum1", "sum2", "drawdown", "sum_turnover", "exposed_bars", "rejected", "cut", "wins", "fees"):
        assert whole.state[name] == parts.state[name], name


@MANY
@given(SEEDS, st.booleans())
def test_the_same_inputs_give_the_same_bits(seed, exact):
    scenario = scenario_of(seed, exact)
    panel, config, inputs = encoded(scenario)
    first, second = (execute(panel, config, inputs, False, ()) for _ in range(2))
    assert repr(outcome_of(first)) == repr(outcome_of(second))
    assert panel_of(scenario).digest == panel.digest
