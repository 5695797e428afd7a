"""The rows of a plan are what `encode` makes of each configuration alone, whatever they share with others."""

import datetime as dt
from functools import partial

import numpy as np
import polars as pl
import pytest

from facade import (
    BacktestWarning,
    Config,
    ConfigError,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    datasets,
    load_panel,
    run_backtest,
)
from facade.encode.inputs import encode
from facade.encode.params import params_row
from facade.sweeps.grid.grid import read_grid
from facade.sweeps.grid.variants import Variants
from facade.sweeps.plan.fingerprint import fingerprint
from facade.sweeps.plan.plan import make_plan

BARS, SYMBOLS = 40, ("A", "B", "C")
DAYS = [dt.date(2024, 1, 1) + dt.timedelta(days=bar) for bar in range(BARS)]


def make_panel(volume=True, gap=()):
    rng = np.random.default_rng(2)
    close = 50 * np.exp(rng.normal(0, 0.02, (BARS, 3)).cumsum(0))
    close[20:26, 1] = np.nan
    traded = rng.integers(100, 900, close.shape).astype(float)
    for cell in gap:
        traded[cell] = np.nan
    actions = pl.DataFrame({"symbol": ["A"], "ex_date": [DAYS[10]], "kind": ["dividend"], "value": [0.2]})
    arrays = dict(open=close, high=close * 1.02, low=close * 0.98, close=close, volume=traded if volume else None)
    spread = np.full(close.shape, 0.002)
    return Panel.from_arrays(
        **arrays, timestamps=DAYS, symbols=SYMBOLS, actions=actions, extras={"wide": spread, "tight": spread / 4}
    )


PANEL = make_panel()
VALUES = {
    "initial_cash": [1e5, 5e4],
    "allow_short_selling": [False, True],
    "lot": [1.0, 0.0, 10],
    "min_notional": [0.0, 500.0],
    "periods_per_year": [None, 252, 365.0],
    "commission_rate": [0.0, 0.001],
    "maker_rate": [None, 0.0, 0.0005],
    "commission_per_share": [0.0, 0.01],
    "commission_per_trade": [0.0, 1.0],
    "commission_minimum": [0.0, 2.0],
    "commission_maximum": [None, 9.0],
    "commission_tiers": [None, [(0, 0.001)], [(0, 0.001), (5e3, 0.0005)]],
    "sell_tax_rate": [0.0, 0.002],
    "borrow_fee": [0.0, 0.2],
    "credit_rate": [0.0, 0.03],
    "debit_rate": [0.0, 0.3],
    "account": ["cash", "margin"],
    "initial_margin": [0.5, 0.3],
    "maintenance_margin": [0.25, 0.3],
    "short_initial_margin": [0.5, 0.4],
    "short_maintenance_margin": [0.30, 0.4],
    "margin_call": ["pro_rata", "all"],
    "cash_buffer": [0.0, 0.1],
    "max_leverage": [None, 1.5, 3],
    "settlement": [0, 2],
    "short_availability": ["unlimited", "listed"],
    "recall": ["excess", "off"],
    "slippage_rate": [0.0, 0.001],
    "slippage_fixed": [0.0, 0.01],
    "stop_slippage_rate": [0.0, 0.001],
    "spread": [0.0, 0.004, {"A": 0.001}, {"A": 0.002, "C": 0.001}, "wide", "tight"],
    "impact_coefficient": [0.0, 0.1, 0.2],
    "impact_exponent": [0.5, 0.6],
    "impact_sigma": [0.0, 1.0, 0.5],
    "volatility_window": [20, 5],
    "max_participation": ["auto", None, 0.1, 0.5],
    "volume_basis": ["bar", "previous"],
    "timing": ["next_bar", "same_bar_close"],
    "tie": ["pessimistic", "optimistic", "nearest"],
    "limit_fill": ["through", "touch"],
    "entry_bar": ["proved", "assumed"],
    "trail_timing": ["lagged", "proved"],
    "water_mark": ["extreme", "close"],
    "shortfall": ["shrink", "reject"],
    "entry_rank": ["submission", "rank"],
    "cooldown": [0, 3],
    "max_stale": [20, 4],
    "delisting_return": [0.0, -0.5],
    "stop_loss": [None, 0.1, {"A": 0.1}, {"B": 0.1, "C": 0.2}],
    "take_profit": [None, 0.2, {"A": 0.3}],
    "trailing_stop": [None, 0.1, {"C": 0.1}],
    "trail_activation": [0.0, 0.05, {"C": 0.1}],
    "break_even": [None, 0.05, {"A": 0.05}],
    "time_exit": [None, 5, {"B": 3}],
    "rule_basis": ["fill", "signal"],
}
"""Values of every field of Config that differ in whatever a run can read of it."""
BUSY = Config(impact_coefficient=0.1, impact_sigma=1.0, max_participation=0.2, commission_rate=0.001, lot=0.0)


def make_weights(scale=True):
    rng = np.random.default_rng(3)
    weights = rng.uniform(-0.2, 0.5, (BARS, 3))
    weights[5:9] = np.nan
    return TargetWeights.from_array(weights, scale=scale, min_weight_change=0.01, min_notional=50.0)


def make_shares():
    shares = pl.DataFrame({"timestamp": DAYS[::5], "A": 10.0, "B": 5.0, "C": [float(n) for n in range(8)]})
    return TargetShares(shares)


def make_signals():
    rng = np.random.default_rng(4)
    flags = rng.random((4, BARS, 3)) < 0.1
    sizes, ranks = rng.uniform(1, 9, (2, BARS, 3))
    return Signals.from_arrays(*flags, size=sizes, size_type="target_shares", rank=ranks, accumulate=True)


def make_orders():
    rows = [
        (DAYS[2], "A", 50.0, "market", None, "a", None, 2.0, 0.1),
        (DAYS[2], "C", 20.0, "limit", 48.0, "c", None, 1.0, None),
        (DAYS[2], "C", -20.0, "limit", 60.0, "goal", "c", None, None),
        (DAYS[4], "B", 30.0, "market", None, "b", None, None, None),
        (DAYS[9], "A", -50.0, "market", None, "out", None, None, None),
    ]
    columns = ["timestamp", "symbol", "quantity", "type", "limit_price", "id", "parent", "rank", "stop_loss"]
    return Orders(pl.DataFrame(rows, schema=columns, orient="row"))


STRATEGIES = {"weights": make_weights, "shares": make_shares, "signals": make_signals, "orders": make_orders}


def plan_of(grid, strategy, config=None, panel=PANEL, align=None, constraint=None):
    config, given = config or Config(), Variants(strategy)
    read = read_grid(grid, config, parameters=given.parameters, variants=given.names, constraint=constraint)
    return make_plan(panel, strategy, config, read, align)


def assert_same_arrays(mine, theirs):
    for bundle, other in ((mine.market, theirs.market), (mine.intents, theirs.intents)):
        for name, array in bundle._asdict().items():
            wanted = getattr(other, name)
            assert array.dtype == wanted.dtype and array.shape == wanted.shape, name
            assert array is wanted or array.tobytes() == wanted.tobytes(), name


def assert_rows_are_those_of_single_runs(plan):
    """Bit for bit: parameters, market and intents of each row, encoded by itself."""
    seen = []
    for group in plan.groups:
        shared = plan.inputs(group)
        params = plan.params(group, 0, len(group.rows))
        assert params.flags.writeable and params.shape == group.rows.shape and not params["record"].any()
        for at, row in enumerate(group.rows.tolist()):
            alone = encode(plan.panel_of(row), plan.strategy_of(row), plan.config_of(row), plan.align)
            params["record"][at] = 1
            assert params[at : at + 1].tobytes() == alone.params.tobytes(), (row, plan.config_of(row))
            assert_same_arrays(shared, alone)
            assert shared.settings == alone.settings and shared.expected_orders == alone.expected_orders
            assert plan.initial_cash(group.rows)[at] == plan.config_of(row).initial_cash
            given = plan.config_of(row).periods_per_year
            assert plan.periods_per_year(group.rows)[at] == (given or plan.panel_of(row).periods_per_year)
            assert plan.groups.of(row)[0].index == group.index and plan.groups.of(row)[1] == at
        seen += group.rows.tolist()
    assert sorted(seen) == list(range(plan.grid.rows))


def test_there_are_values_for_every_field():
    assert VALUES.keys() == Config.model_fields.keys()


@pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("kind", STRATEGIES)
def test_no_field_escapes_the_groups(kind, field):
    assert_rows_are_those_of_single_runs(plan_of({field: VALUES[field]}, STRATEGIES[kind](), BUSY))


@pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("kind", STRATEGIES)
def test_no_combination_of_fields_escapes_the_groups(kind, seed):
    rng = np.random.default_rng(seed)
    fields = [name for name in VALUES if not (kind == "shares" and name == "entry_rank")]
    rows = []
    for _ in range(15):
        chosen = rng.choice(fields, rng.integers(1, 12), replace=False)
        rows.append({name: VALUES[name][rng.integers(len(VALUES[name]))] for name in chosen})
    assert_rows_are_those_of_single_runs(plan_of(rows, STRATEGIES[kind](), BUSY if seed % 2 else None))


@pytest.mark.parametrize(
    ("grid", "groups"),
    [
        ({name: VALUES[name] for name in ("commission_rate", "tie", "lot", "timing", "rule_basis")}, 1),
        ({"max_participation": ["auto", 0.1, 0.2, None], "volume_basis": ["bar", "previous"]}, 3),
        ({"impact_coefficient": [0.0, 0.1, 0.2], "impact_sigma": [0.0, 1.0, 2.0], "volatility_window": [5, 9]}, 3),
        ({"spread": [0.0, 0.1, 0.2], "stop_loss": [None, 0.1, 0.2]}, 1),
        ({"spread": [0.0, "wide", {"A": 0.1}], "stop_loss": [None, {"A": 0.1}, {"A": 0.2}]}, 9),
        ({"max_stale": [3, 4], "allow_short_selling": [False, True], "entry_rank": ["submission"]}, 4),
    ],
)
def test_only_what_reaches_the_inputs_makes_groups(grid, groups):
    plan = plan_of(grid, make_weights())
    assert len(plan.groups) == groups == len(list(plan.groups)) == len(plan.groups[:])
    assert plan.groups[-1].index == groups - 1
    with pytest.raises(IndexError):
        plan.groups[groups]


def test_inputs_are_kept_for_a_few_groups_only():
    plan = plan_of({"max_stale": list(range(1, 30))}, make_signals())
    first = plan.inputs(plan.groups[0])
    assert plan.inputs(plan.groups[0]) is first
    for group in plan.groups:
        plan.inputs(group)
    assert plan.inputs(plan.groups[0]) is not first and len(plan._inputs._held) == 3


# Functions and mappings ----------------------------------------------------------------------------------------------


class Calls:
    """A strategy function that counts its calls."""

    def __init__(self):
        self.seen = []

    def __call__(self, panel, fast, slow=20):
        self.seen.append((fast, slow))
        assert panel is PANEL
        return TargetWeights.from_array(np.full((BARS, 3), fast / 100 + slow / 1000))


def test_a_function_is_called_once_for_each_distinct_combination():
    made = Calls()
    windows = {"first": (None, DAYS[19]), "rest": (DAYS[20], None), "all": (None, None)}
    grid = {"window": windows, "cooldown": [0, 1], "slow": [20, 30], "max_stale": [5, 9], "fast": [1, 2, 3]}
    plan = plan_of(grid, made)
    assert made.seen == [] and len(plan.groups) == 3 * 2 * 2 * 3
    for group in plan.groups:
        plan.inputs(group)
    assert len(made.seen) == 6 == len(set(made.seen))
    assert_rows_are_those_of_single_runs(plan)


def mixed(calls):
    def crossing(fast, slow):
        calls.append(("crossing", fast, slow))
        return TargetWeights.from_array(np.full((BARS, 3), fast / slow / 4))

    def momentum(*ignored, lookback=7, panel, **others):
        assert not others and not ignored
        calls.append(("momentum", lookback))
        return TargetWeights.from_array(np.full(panel.shape, lookback / 100))

    return {"crossing": crossing, "momentum": momentum, "fixed": make_shares(), "half": partial(crossing, slow=8)}


def test_a_mapping_mixes_objects_and_functions_of_different_arguments():
    calls = []
    plan = plan_of({"fast": [1, 2], "slow": [4, 5], "lookback": [7, 9], "lot": [0.0, 1.0]}, mixed(calls))
    assert plan.variants.names == ("crossing", "momentum", "fixed", "half")
    assert plan.variants.parameters == {"fast": True, "slow": True, "lookback": True, "panel": True}
    assert plan.grid.rows == 4 * 16 and len(plan.groups) == 4 + 2 + 1 + 4
    for group in plan.groups:
        plan.inputs(group)
    own = [("crossing", f, s) for f in (1, 2) for s in (4, 5)]
    assert sorted(calls) == sorted([*own, *own, ("momentum", 7), ("momentum", 9)])
    assert_rows_are_those_of_single_runs(plan)


def test_rows_may_leave_arguments_to_the_function():
    calls = []
    rows = [
        {"strategy": "crossing", "fast": 1, "slow": 4},
        {"strategy": "momentum"},
        {"strategy": "momentum", "lookback": 9},
        {"strategy": "fixed", "stop_loss": 0.1},
    ]
    plan = plan_of(rows, mixed(calls))
    assert_rows_are_those_of_single_runs(plan)
    assert {("momentum", 7), ("momentum", 9)} <= set(calls)
    assert plan.config_of(3).stop_loss == 0.1 and plan.config_of(0).stop_loss is None
    for lacking, row in (
        ([{"strategy": "crossing", "fast": 1}], "row 0 .strategy=crossing, fast=1."),
        ({"strategy": ["fixed", "crossing"], "fast": [1, 2]}, "row 2 .strategy=crossing, fast=1."),
        ([*rows, {"strategy": "crossing", "fast": 3}], "row 4 .*fast=3.*"),
    ):
        with pytest.raises(ConfigError, match=rf"^{row}: strategy 'crossing' needs its argument 'slow', which the row"):
            plan_of(lacking, mixed(calls))


def test_errors_of_functions_name_parameters_and_the_first_row():
    def failing(fast, slow):
        if fast > slow:
            raise ValueError("fast is slow")
        return [fast] if fast == slow else make_weights()

    plan = plan_of({"lot": [0.0, 1.0], "fast": [1, 3, 4], "slow": [2, 4]}, failing)
    with pytest.raises(StrategyError, match=r"strategy\(fast=3, slow=2\), row 2: ValueError: fast is slow") as caught:
        plan.strategy_of(8)
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(StrategyError, match=r"strategy\(fast=4, slow=4\), row 5: returned list; it must return Orders"):
        plan.strategy_of(11)
    assert isinstance(plan.strategy_of(0), TargetWeights)


def test_errors_of_encoding_name_the_row():
    plan = plan_of({"scale": [True, False], "lot": [0.0, 1.0]}, lambda scale: make_weights(scale))
    with pytest.warns(BacktestWarning):
        plan.inputs(plan.groups[0])
    with pytest.raises(StrategyError, match=r"row 2 \(scale=False\): TargetWeights: .*allow_short_selling=True"):
        plan.inputs(plan.groups[1])
    alone = plan_of({"lot": [0.0, 1.0]}, make_weights(False))
    with pytest.raises(StrategyError, match=r"^TargetWeights: "):
        alone.inputs(alone.groups[0])
    plan = plan_of(
        {"shape": [(40, 2)], "window": [(DAYS[3], None)]}, lambda shape: TargetShares.from_array(np.ones(shape))
    )
    with pytest.raises(StrategyError, match=r"row 0 .*array of shape \(40, 2\) given for a panel of 40 bars x 3"):
        plan.inputs(plan.groups[0])


def cooling(cooldown):
    raise AssertionError


def looking(window=20):
    raise AssertionError


@pytest.mark.parametrize(
    ("strategy", "grid", "error", "message"),
    [
        (cooling, {"cooldown": [1]}, ConfigError, "'cooldown' is a field of Config and an argument of the strategy"),
        (cooling, {"lot": [1.0]}, ConfigError, "'cooldown' is a field of Config and an argument of the strategy"),
        (looking, {"window": [10, 20]}, ConfigError, "'window' is a reserved axis of a grid and an argument"),
        (lambda panel, fast: 0, {"panel": [1]}, ConfigError, "'panel' is the argument that receives the panel"),
        (lambda **others: 0, {"fast": [1]}, ConfigError, "'fast' is neither a field of Config nor an argument"),
        (lambda fast, /: 0, {"lot": [1.0]}, StrategyError, "'fast' cannot be given by name"),
        (3, {"lot": [1.0]}, StrategyError, "strategy must be Orders.* a function .* got int"),
        ({}, {"lot": [1.0]}, StrategyError, "the mapping of strategies is empty"),
        ({"": make_shares()}, {"lot": [1.0]}, StrategyError, "names are text"),
        ({"a": 3}, {"lot": [1.0]}, StrategyError, "strategy 'a' must be"),
    ],
)
def test_what_cannot_be_varied_is_refused_by_name(strategy, grid, error, message):
    with pytest.raises(error, match=message):
        plan_of(grid, strategy)


def test_a_grid_read_for_another_strategy_is_refused():
    config = Config()
    read = read_grid({"fast": [1]}, config, parameters={"fast": False})
    with pytest.raises(ConfigError, match="'fast' is not an argument of the strategy"):
        make_plan(PANEL, make_shares(), config, read)
    with pytest.raises(ConfigError, match="'cooldown' is a field of Config and an argument"):
        make_plan(PANEL, cooling, config, read_grid({"cooldown": [1]}, config, parameters={}))
    with pytest.raises(ConfigError, match="the axis 'strategy' belongs to a mapping"):
        make_plan(PANEL, {"a": make_shares()}, config, read_grid({"lot": [1.0]}, config, parameters={}))


# Windows and symbols -------------------------------------------------------------------------------------------------

WINDOWS = [(None, None), (None, DAYS[15]), (DAYS[10], DAYS[10]), (DAYS[21], DAYS[24]), (DAYS[5], "2024-01-31")]
UNIVERSES = [["A", "B", "C"], ["C", "A"], ["B"]]


@pytest.mark.filterwarnings("ignore::facade.BacktestWarning")
@pytest.mark.parametrize("kind", STRATEGIES)
def test_windows_and_symbols(kind):
    rules = [None, {"A": 0.1}, {"B": 0.1, "C": 0.2}]
    spreads = [0.01, {"B": 0.01}, "wide"]
    parts = [(w, s) for w in WINDOWS for s in UNIVERSES if not (w == WINDOWS[3] and s == ["B"])]
    rows = [
        {"window": w, "symbols": s, "stop_loss": r, "spread": x, "trail_activation": {"B": 0.1}, "lot": lot}
        for w, s in parts
        for r, x, lot in zip(rules, spreads, (0.0, 1.0, 5.0), strict=True)
    ]
    plan = plan_of(rows, STRATEGIES[kind](), Config(allow_short_selling=True))
    assert_rows_are_those_of_single_runs(plan)
    for group in plan.groups:
        part = plan.panel_of(group.row)
        config = plan.config_of(group.row)
        assert plan.inputs(group).market.close.shape == part.shape
        for name in ("stop_loss", "spread", "trail_activation"):
            value = getattr(config, name)
            assert not hasattr(value, "keys") or (len(value) and set(value) <= set(part.symbols))
    assert plan.panel_of(0) is PANEL


@pytest.mark.unchecked
def test_a_row_on_a_window_is_a_run_on_what_was_loaded():
    stocks, actions = datasets.wiki_stocks(), datasets.wiki_actions()
    panel = load_panel(stocks, actions)
    days = panel.timestamps.gather(range(0, panel.shape[0], 40))
    rows = [(day, name, at % 3 / 5) for at, day in enumerate(days) for name in ("AAPL", "IBM")]
    frame = pl.DataFrame(rows, schema=["timestamp", "symbol", "weight"], orient="row")
    windows = {"split": ("2005-01-03", "2005-12-30"), "after": ("2006-01-01", "2006-06-30")}
    grid = {"window": windows, "symbols": [["IBM", "AAPL"], ["AAPL"]]}
    plan = plan_of(grid, TargetWeights(frame), Config(commission_rate=0.001), panel)
    for group in plan.groups:
        row = group.row
        start, end = plan.grid.column("window").value(row)
        symbols = list(plan.grid.column("symbols").value(row))
        kept = frame.filter(pl.col("symbol").is_in(symbols), pl.col("timestamp") >= start)
        kept = kept.filter(pl.col("timestamp") <= end)
        loaded = run_backtest(
            stocks, TargetWeights(kept), config=plan.config, actions=actions, symbols=symbols, start=start, end=end
        )
        mine = run_backtest(plan.panel_of(row), plan.strategy_of(row), config=plan.config_of(row))
        assert mine.metrics == loaded.metrics and mine.trades.equals(loaded.trades)
        assert mine.equity.equals(loaded.equity)


def test_parts_of_the_panel_are_kept_while_they_fit():
    windows = [(DAYS[at], DAYS[at + 2]) for at in range(20)]
    plan = plan_of({"symbols": [["C", "B", "A"], ["B", "A", "C"], ["A"]], "window": windows}, make_signals())
    for row in range(plan.grid.rows):
        plan.panel_of(row)
    assert 1 <= len(plan._panels._held) < 60
    assert plan.panel_of(59) is plan.panel_of(59)
    assert plan.periods_per_year(np.arange(60)).tolist() == [plan.panel_of(row).periods_per_year for row in range(60)]


@pytest.mark.parametrize(
    ("grid", "config", "message"),
    [
        ({"symbols": [["A"], ["A", "Z"]]}, {}, r"row 1 \(symbols=A, Z\): symbols= names 'Z', which the prices do not"),
        ({"window": {"whole": (None, None), "late": ("2025-01-01", None)}}, {}, r"row 1 \(window=late\): .*no bar"),
        ({"symbols": [["B"]], "window": [(DAYS[21], DAYS[24])]}, {}, r"row 0 .*no bar in the selection"),
        ({"stop_loss": [None, {"Z": 0.1}]}, {}, r"row 1: stop_loss: 'Z' is not in the prices"),
        ({"lot": [1.0]}, {"stop_loss": {"Z": 0.1}}, r"^stop_loss: 'Z' is not in the prices"),
        ({"spread": [0.0, "wid"]}, {}, r"row 1: spread='wid' is not an extra column .*did you mean 'wide'"),
    ],
)
def test_what_the_panel_does_not_have_is_refused_before_anything_runs(grid, config, message):
    with pytest.raises(ConfigError, match=message):
        plan_of(grid, make_shares(), Config(**config))


def test_volume_that_a_row_needs_is_missed_before_anything_runs():
    without, gappy = make_panel(volume=False), make_panel(gap=[(30, 2)])
    for grid, message in (
        ({"max_participation": ["auto", None, 0.2]}, r"row 2: max_participation=0\.2 needs a panel with volume"),
        ({"impact_coefficient": [0.0, 0.3]}, r"row 1: impact_coefficient=0\.3 needs a panel with volume"),
    ):
        with pytest.raises(ConfigError, match=message):
            plan_of(grid, make_shares(), panel=without)
    assert_rows_are_those_of_single_runs(plan_of({"max_participation": ["auto", None]}, make_shares(), panel=without))
    parts = {"symbols": [["A", "B"], ["C"]], "max_participation": [None, "auto"]}
    with pytest.raises(ConfigError, match=r"row 3: volume of C at 2024-01-31 is NaN .*max_participation=None"):
        plan_of(parts, make_shares(), panel=gappy)
    early = {"window": [(None, DAYS[29])], "max_participation": [None, 0.1]}
    assert_rows_are_those_of_single_runs(plan_of(early, make_shares(), panel=gappy))


def test_single_rows_are_one_case_of_many():
    rows = params_row(Config(stop_loss=0.1, commission_tiers=[(0, 0.001)]), PANEL)
    assert rows.shape == (1,) and rows["record"][0] == 1 and rows["tier_rate"][0].tolist() == [0.001] + [0.0] * 7


# Digests -------------------------------------------------------------------------------------------------------------


def crossing_of(number):
    def crossing(panel, fast=2):
        return TargetWeights.from_array(np.full((BARS, 3), fast / number))

    return crossing


def test_digests_tell_sweeps_apart_and_nothing_else():
    def digests(strategy=None, grid=None, config=None, panel=PANEL, align=None):
        grid = grid or {"lot": [0.0, 1.0], "stop_loss": [None, {"A": 0.1}]}
        return plan_of(grid, strategy or make_weights(), config, panel, align)

    base = digests()
    assert base.digest == digests().digest and len(base.digest) == 64
    for changed, name in (
        (digests(make_weights(False)), "strategy"),
        (digests(make_orders()), "strategy"),
        (digests(align="next"), "strategy"),
        (digests(grid={"lot": [1.0, 0.0], "stop_loss": [None, {"A": 0.1}]}), "grid"),
        (digests(grid={"lot": [0.0, 1.0], "stop_loss": [None, {"A": 0.2}]}), "grid"),
        (digests(config=Config(lot=2.0)), "config"),
        (digests(panel=make_panel(volume=False)), "prices"),
    ):
        assert changed.digest != base.digest
        assert [key for key in base.digests if base.digests[key] != changed.digests[key]] == [name]
    grid = {"fast": [1, 2]}
    functions = [crossing_of(4), crossing_of(4), crossing_of(5), partial(crossing_of(4), panel=PANEL), Calls()]
    found = [digests(function, grid).digests["strategy"] for function in functions]
    assert found[0] == found[1] and len(set(found)) == 4
    assert digests(Calls(), grid).digests["strategy"] == found[-1]


SCALE = 2


def scaled(number):
    return number * SCALE


def reading(names=frozenset({"b", "a", "c"})):
    return [scaled(number) for number in (1, 2)], {"x", "y", "z"} & names


def test_functions_are_known_by_all_that_their_module_gives_them(monkeypatch):
    first = fingerprint(reading)
    assert fingerprint(reading) == first != fingerprint(scaled)
    with monkeypatch.context() as patched:
        patched.setitem(globals(), "SCALE", 3)
        assert fingerprint(reading) != first
    with monkeypatch.context() as patched:
        patched.setattr(scaled, "__code__", (lambda number: number + SCALE).__code__)
        assert fingerprint(reading) != first
    assert fingerprint(reading) == first


TABLE = np.arange(3.0)
CHOICES = {"wide": [TABLE]}


class Scale:
    def __init__(self, number):
        self.number = number


def looked_up(number):
    return TABLE[number] + len(CHOICES) + Scale(number).number


def test_functions_are_known_by_the_data_of_their_module(monkeypatch):
    """An array made in a notebook and used by the strategy: other data are another sweep."""
    first = fingerprint(looked_up)
    for name, value in (("TABLE", np.arange(1.0, 4.0)), ("CHOICES", {"wide": [TABLE + 1]})):
        with monkeypatch.context() as patched:
            patched.setitem(globals(), name, value)
            assert fingerprint(looked_up) != first
    with monkeypatch.context() as patched:
        patched.setattr(Scale, "__init__", lambda self, number: setattr(self, "number", 2 * number))
        assert fingerprint(looked_up) != first
    assert fingerprint(looked_up) == first


def test_equal_content_has_equal_fingerprints():
    class Holder:
        def __init__(self, values):
            self.values, self.me = values, self

    frame = pl.DataFrame({"a": [1, 2], "b": pl.Series(["x", "y"], dtype=pl.Categorical)})
    made = [
        lambda: frame.clone(),
        lambda: frame.select("a").to_pandas(),
        lambda: frame.lazy(),
        lambda: {1, "a", None},
        lambda: np.array([1, "a", None], object),
        lambda: np.zeros(2, [("a", "i1"), ("b", "f8")]),
        lambda: [float(number) for number in range(2000)],
        lambda: Holder(np.arange(3)),
        lambda: Holder(np.arange(4)),
        lambda: np.add,
        lambda: np.subtract,
        lambda: dt.datetime(2024, 1, 1),
        lambda: make_orders(),
        lambda: object(),
        lambda: (number for number in ()),
    ]
    found = [fingerprint(make()) for make in made]
    assert found == [fingerprint(make()) for make in made] and len(set(found)) == len(made)
