"""Encoding: strategies on the clock of a panel become the arrays that the kernel's schema documents."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facade.config.model import Config
from facade.data.panel import Panel
from facade.encode.inputs import encode
from facade.errors import BacktestWarning, ConfigError, StrategyError
from facade.strategies.orders import Orders
from facade.strategies.signals import Signals
from facade.strategies.targets import TargetShares, TargetWeights
from ml4t_kernel.schema import (
    ENTER_LONG,
    ENTER_SHORT,
    EVENT_ACTION,
    EVENT_ENTRY,
    EVENT_ORDER,
    EVENT_SIGNAL,
    EVENT_STALE,
    EVENT_TARGET,
    EXIT_LONG,
    INTENT,
    PARAMS,
    SizeType,
)

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 8)]
SHORT = Config(allow_short_selling=True)


def make_panel(timestamps=DAYS, symbols=("A", "B", "C"), volume=None, **more):
    bars = len(timestamps) if timestamps is not None else 4
    close = 10.0 + np.arange(bars * len(symbols)).reshape(bars, -1)
    return Panel.from_arrays(close, close, close, close, volume, timestamps, list(symbols), **more)


PANEL = make_panel()
NAN = np.nan


def long_weights(*rows):
    stamps, symbols, weights = zip(*rows, strict=True)
    return pl.DataFrame({"timestamp": [DAYS[at] if isinstance(at, int) else at for at in stamps],
                         "symbol": symbols, "weight": weights})  # fmt: skip


def assert_kernel_ready(encoded):
    for bundle in (encoded.market, encoded.intents):
        for name, array in bundle._asdict().items():
            flags = array.flags
            assert flags.c_contiguous and flags.aligned and not flags.writeable, name
    assert encoded.params.dtype == PARAMS and encoded.params.shape == (1,)
    for name in ("open", "high", "low", "close", "volume", "budget_volume", "half_spread", "sigma"):
        array = getattr(encoded.market, name)
        assert array.dtype == np.float64 and array.ndim == 2, name
    assert encoded.intents.events.dtype == np.uint8 and encoded.market.session_end.dtype == np.int32


def test_array_of_weights_is_not_copied_when_every_bar_is_given():
    weights = np.full((4, 3), 0.25)
    encoded = encode(PANEL, TargetWeights.from_array(weights), Config())
    assert np.shares_memory(encoded.intents.weights, weights) and weights.flags.writeable
    assert list(encoded.intents.target_bars) == [0, 1, 2, 3]
    assert list(encoded.intents.events) == [EVENT_TARGET] * 4 and encoded.params["has_batch"][0] == 1
    assert_kernel_ready(encoded)


@pytest.mark.parametrize(
    "convert", [np.asfortranarray, lambda a: a.astype(np.float32), lambda a: np.repeat(a, 2, 1)[:, ::2]]
)
def test_other_layouts_are_converted(convert):
    weights = np.full((4, 3), 0.25)
    encoded = encode(PANEL, TargetWeights.from_array(convert(weights)), Config())
    assert np.array_equal(encoded.intents.weights, weights)
    assert_kernel_ready(encoded)


def test_only_given_bars_are_stored():
    weights = np.array([[NAN] * 3, [0.5, NAN, 0.0], [NAN] * 3, [0.1, 0.2, 0.3]])
    encoded = encode(PANEL, TargetWeights.from_array(weights), Config())
    assert list(encoded.intents.target_bars) == [1, 3]
    assert np.array_equal(encoded.intents.weights, weights[[1, 3]], equal_nan=True)
    assert list(encoded.intents.events) == [0, EVENT_TARGET, 0, EVENT_TARGET]
    nothing = encode(PANEL, TargetWeights.from_array(np.full((4, 3), NAN)), Config())
    assert nothing.intents.weights.shape == (0, 3) and not nothing.intents.events.any()


def test_array_errors_name_the_cell():
    with pytest.raises(StrategyError, match=r"shape \(3, 3\) given for a panel of 4 bars x 3 assets"):
        encode(PANEL, TargetWeights.from_array(np.zeros((3, 3))), Config())
    bad = np.full((4, 3), 0.1)
    bad[1:, 2] = NAN, np.inf, 0.1
    with pytest.raises(StrategyError, match=r"\(C, 2024-01-04\), value inf: must be finite"):
        encode(PANEL, TargetWeights.from_array(bad), Config())


def test_long_frame_closes_what_is_left_out_and_counts_it():
    frame = long_weights((0, "A", 0.5), (0, "B", 0.5), (2, "B", 0.3), (2, "C", None), (3, "C", 0.1))
    encoded = encode(PANEL, TargetWeights(frame), Config())
    expected = [[0.5, 0.5, 0.0], [0.0, 0.3, NAN], [0.0, 0.0, 0.1]]
    assert np.array_equal(encoded.intents.weights, expected, equal_nan=True)
    assert list(encoded.intents.target_bars) == [0, 2, 3]
    assert encoded.counts["closes_left_out"] == 2
    shuffled = encode(PANEL, TargetWeights(frame[[3, 1, 4, 0, 2]]), Config())
    assert np.array_equal(shuffled.intents.weights, expected, equal_nan=True)


def test_wide_frame_closes_symbols_without_a_column():
    frame = pl.DataFrame({"timestamp": [DAYS[2], DAYS[0], DAYS[1]], "C": [0.3, 0.1, None], "A": [NAN, 0.2, None]})
    encoded = encode(PANEL, TargetWeights(frame), Config())
    assert list(encoded.intents.target_bars) == [0, 2]
    assert np.array_equal(encoded.intents.weights, [[0.2, 0.0, 0.1], [NAN, 0.0, 0.3]], equal_nan=True)


def test_unknown_symbols_are_errors():
    with pytest.raises(StrategyError, match=r"row 1 \(2024-01-02\), column 'symbol': 'D' is not in the prices"):
        encode(PANEL, TargetWeights(long_weights((0, "A", 0.1), (0, "D", 0.1))), Config())
    with pytest.raises(StrategyError, match="column 'D' is not a symbol"):
        encode(PANEL, TargetWeights(pl.DataFrame({"timestamp": [DAYS[0]], "D": [0.1]})), Config())


def test_errors_of_orders_name_the_row_of_the_users_frame():
    def orders(stamp, symbol):
        return Orders(pl.DataFrame({"timestamp": [DAYS[3], stamp], "symbol": ["A", symbol], "quantity": [1.0, 2.0]}))

    with pytest.raises(StrategyError, match=r"Orders: row 1 \(2024-01-03\), column 'symbol': 'D'"):
        encode(PANEL, orders(DAYS[1], "D"), Config())
    with pytest.raises(StrategyError, match=r"Orders: row 1 \(B\), column 'timestamp': 2024-01-05 lies between"):
        encode(PANEL, orders(dt.date(2024, 1, 5), "B"), Config())


def test_a_cell_given_twice_is_an_error():
    frame = long_weights((0, "A", 0.1), (1, "A", 0.1), (0, "A", 0.2))
    with pytest.raises(StrategyError, match="row 2: symbol 'A' is given twice at 2024-01-02"):
        encode(PANEL, TargetWeights(frame), Config())


def test_times_between_bars_need_align():
    between = long_weights((dt.date(2024, 1, 5), "A", 0.1), (dt.date(2024, 1, 6), "B", 0.2))
    with pytest.raises(
        StrategyError,
        match=r"row 0 \(A\), column 'timestamp': 2024-01-05 lies between the bars 2024-01-04 and 2024-01-08.*1 more",
    ):
        encode(PANEL, TargetWeights(between), Config())
    early = long_weights((dt.date(2023, 1, 5), "A", 0.1))
    with pytest.raises(StrategyError, match="before the first bar"):
        encode(PANEL, TargetWeights(early), Config())
    assert list(encode(PANEL, TargetWeights(early), Config(), align="next").intents.target_bars) == [0]
    with pytest.warns(BacktestWarning, match="1 rows were superseded"):
        encoded = encode(PANEL, TargetWeights(between), Config(), align="next")
    assert list(encoded.intents.target_bars) == [3] and list(encoded.intents.weights[0]) == [0.0, 0.2, 0.0]
    with pytest.raises(StrategyError, match="align='nearest' is not known"):
        encode(PANEL, TargetWeights(between), Config(), align="nearest")


def test_wide_rows_on_one_bar_under_align_the_last_stands():
    frame = pl.DataFrame({"timestamp": [dt.date(2024, 1, 5), dt.date(2024, 1, 8)], "A": [0.1, 0.2]})
    with pytest.warns(BacktestWarning, match="superseded"):
        encoded = encode(PANEL, TargetWeights(frame), Config(), align="next")
    assert encoded.intents.weights[0, 0] == 0.2 and encoded.counts["superseded_rows"] == 1


def test_rows_after_the_last_bar_are_dropped_counted_and_warned_of():
    late = dt.date(2025, 1, 1)
    frame = long_weights((0, "A", 0.1), (late, "A", 0.2), (late, "B", 0.2))
    with pytest.warns(BacktestWarning, match="2 rows of the strategy lie after the last bar 2024-01-08"):
        encoded = encode(PANEL, TargetWeights(frame), Config())
    assert encoded.counts["dropped_rows"] == 2 and list(encoded.intents.target_bars) == [0]
    orders = pl.DataFrame({"timestamp": [late, DAYS[1]], "symbol": "A", "quantity": 1.0})
    with pytest.warns(BacktestWarning, match="1 rows"):
        encoded = encode(PANEL, Orders(orders), Config())
    assert list(encoded.intents.orders["bar"]) == [1] and list(encoded.rows) == [1]


def test_dates_match_midnights_and_zones_do_not_mix():
    noon = [dt.datetime(2024, 1, day) for day in (2, 3)]
    panel = make_panel(noon)
    frame = long_weights((0, "A", 0.1))
    assert list(encode(panel, TargetWeights(frame), Config()).intents.target_bars) == [0]
    aware = frame.with_columns(pl.col("timestamp").cast(pl.Datetime("ns", "UTC")))
    with pytest.raises(StrategyError, match=r"times with a time zone .* the prices have times without"):
        encode(panel, TargetWeights(aware), Config())
    zoned = make_panel(pl.Series(noon).dt.replace_time_zone("UTC"))
    berlin = aware.with_columns(pl.col("timestamp").dt.convert_time_zone("Europe/Berlin"))
    assert list(encode(zoned, TargetWeights(berlin), Config()).intents.target_bars) == [0]
    with pytest.raises(StrategyError, match="bar numbers"):
        encode(panel, TargetWeights(frame.with_columns(timestamp=0)), Config())


def test_weights_that_the_account_cannot_hold():
    over = TargetWeights(long_weights((1, "A", 0.8), (1, "B", 0.4)))
    with pytest.raises(StrategyError, match=r"weights of 2024-01-03 sum to 1.2 in absolute value"):
        encode(PANEL, over, Config())
    negative = long_weights((1, "A", -0.8), (1, "B", 0.6), (2, "C", None))
    with pytest.raises(StrategyError, match=r"A at 2024-01-03 is -0.8; negative targets need allow_short_selling"):
        encode(PANEL, TargetWeights(negative), Config())
    with pytest.raises(StrategyError, match=r"sum to 1.4"):
        encode(PANEL, TargetWeights(negative), SHORT)
    with pytest.warns(BacktestWarning):
        lifted = encode(PANEL, TargetWeights(negative, scale=True), Config())
    assert list(lifted.intents.weights[0]) == [0.0, 0.6, 0.0] and lifted.counts["lifted_weights"] == 1
    with pytest.warns(BacktestWarning):
        scaled = encode(PANEL, TargetWeights(negative, scale=True), SHORT)
    assert np.allclose(scaled.intents.weights[0], [-0.8 / 1.4, 0.6 / 1.4, 0]) and scaled.counts["scaled_rows"] == 1
    assert np.isnan(scaled.intents.weights[1, 2])
    with pytest.raises(StrategyError, match="negative targets"):
        encode(PANEL, TargetShares.from_array(np.full((4, 3), -5.0)), Config())


def test_target_options_reach_the_parameters():
    weights = np.zeros((4, 3))
    row = encode(PANEL, TargetWeights.from_array(weights, min_notional=7, min_weight_change=0.01), Config()).params[0]
    assert row["min_notional"] == 7 and row["min_weight_change"] == 0.01 and row["targets_are_shares"] == 0
    row = encode(PANEL, TargetShares.from_array(weights + 500), Config(min_notional=3)).params[0]
    assert row["min_notional"] == 3 and row["targets_are_shares"] == 1


def test_signals_from_arrays_and_frames_agree():
    enter = np.zeros((4, 3), bool)
    leave, short = enter.copy(), enter.copy()
    enter[0, 1] = enter[2, 0] = leave[2, 0] = short[3, 2] = True
    from_arrays = encode(PANEL, Signals.from_arrays(enter, leave, short, size=0.3), SHORT)
    stamps, symbols = np.repeat(np.array(DAYS, "M8[D]"), 3), list(PANEL.symbols) * 4
    long = pl.DataFrame({"timestamp": stamps, "symbol": symbols, "entry": enter.ravel(), "exit": leave.ravel(),
                         "short_entry": short.ravel()})  # fmt: skip
    from_long = encode(PANEL, Signals(long.reverse(), size=0.3), SHORT)
    wides = [
        pl.DataFrame({"timestamp": DAYS, **{s: flags[:, i] for i, s in enumerate("ABC")}})
        for flags in (enter, leave, short)
    ]
    from_wide = encode(PANEL, Signals(*wides, size=0.3), SHORT)
    signals = from_arrays.intents.signals
    assert [tuple(int(x) for x in row) for row in signals[["bar", "asset", "bits"]].tolist()] == [
        (0, 1, ENTER_LONG),
        (2, 0, ENTER_LONG | EXIT_LONG),
        (3, 2, ENTER_SHORT),
    ]
    assert (signals["amount"] == 0.3).all() and np.isposinf(signals["rank"]).all()
    assert (from_long.intents.signals == signals).all() and (from_wide.intents.signals == signals).all()
    entered = EVENT_SIGNAL | EVENT_ENTRY
    assert list(from_long.intents.events) == [entered, 0, entered, entered]
    assert list(from_long.intents.event_bars) == [0, 2, 3, 4]
    assert_kernel_ready(from_arrays)


def test_sizes_and_ranks_follow_their_signal():
    enter = np.zeros((4, 3), bool)
    enter[1, 0] = enter[1, 2] = True
    size, rank = np.full((4, 3), 5.0), np.full((4, 3), NAN)
    size[1, 2], rank[1, 2] = 7.0, 2.0
    made = Signals.from_arrays(enter, size=size, size_type="target_shares", rank=rank, accumulate=True)
    encoded = encode(PANEL, made, Config(entry_rank="rank"))
    assert list(encoded.intents.signals["amount"]) == [5.0, 7.0]
    assert list(encoded.intents.signals["rank"]) == [np.inf, 2.0]
    row = encoded.params[0]
    assert row["size_type"] == SizeType.TARGET_SHARES and row["accumulate"] == 1 and row["has_batch"] == 1
    long = pl.DataFrame(
        {"timestamp": [DAYS[1]] * 2, "symbol": ["C", "A"], "entry": True, "qty": [7.0, 5.0], "rank": [2, None]}
    )
    from_long = encode(PANEL, Signals(long, size="qty", size_type="shares"), Config(entry_rank="rank"))
    assert (from_long.intents.signals == encoded.intents.signals).all() and from_long.params["has_batch"][0] == 0


def test_an_entry_needs_a_size_and_a_ranking_needs_ranks():
    enter, size = np.ones((4, 3), bool), np.ones((4, 3))
    size[2, 1] = NAN
    with pytest.raises(StrategyError, match="size of B at 2024-01-04 is nan; an entry needs a positive finite size"):
        encode(PANEL, Signals.from_arrays(enter, size=size), Config())
    with pytest.raises(StrategyError, match="entry_rank='rank' needs rank"):
        encode(PANEL, Signals.from_arrays(enter), Config(entry_rank="rank"))
    with pytest.raises(StrategyError, match="entry_rank='rank' needs a column"):
        encode(
            PANEL,
            Orders(pl.DataFrame({"timestamp": DAYS[:1], "symbol": "A", "quantity": 1.0})),
            Config(entry_rank="rank"),
        )
    leave = np.zeros((4, 3), bool)
    leave[2, 1] = True
    exits_need_none = encode(PANEL, Signals.from_arrays(enter & ~leave, leave, size=size), Config())
    assert exits_need_none.intents.signals["amount"].min() == 0.0


def test_late_signals_are_dropped():
    wide = pl.DataFrame({"timestamp": [DAYS[3], dt.date(2025, 1, 1)], "A": [True, True]})
    with pytest.warns(BacktestWarning, match="1 rows"):
        encoded = encode(PANEL, Signals(wide), Config())
    assert len(encoded.intents.signals) == 1 and encoded.counts["dropped_rows"] == 1


ORDERS = pl.DataFrame(
    {
        "timestamp": [DAYS[2], DAYS[0], DAYS[0], DAYS[2]],
        "symbol": ["B", "A", "A", "A"],
        "quantity": [5.0, 1.0, -1.0, 2.0],
        "id": ["x", "p", None, None],
        "parent": [None, None, "p", None],
        "type": ["market", "market", "stop", "market"],
        "stop_price": [None, None, 5.0, None],
        "stop_loss": [None, None, None, 0.2],
        "tag": ["late", None, "child", None],
    }
)


def test_orders_are_placed_sorted_and_keep_their_names():
    encoded = encode(PANEL, Orders(ORDERS), Config())
    rows = encoded.intents.orders
    assert rows.dtype == INTENT and list(rows["bar"]) == [0, 0, 2, 2] and list(rows["asset"]) == [0, 0, 1, 0]
    assert list(rows["parent"]) == [-1, 0, -1, -1] and list(rows["first_child"]) == [1, -1, -1, -1]
    assert list(encoded.order_ids) == ["p", None, "x", None] and list(encoded.tags) == [None, "child", "late", None]
    assert list(encoded.rows) == [1, 2, 0, 3] and encoded.expected_orders == 4
    assert list(encoded.intents.events) == [EVENT_ORDER, 0, EVENT_ORDER, 0]
    assert encoded.params["has_rules"][0] == 1 and encoded.params["has_children"][0] == 1
    assert_kernel_ready(encoded)


def test_ranks_of_orders_are_passed_only_where_they_are_read():
    ranked = Orders(ORDERS.with_columns(rank=pl.Series([3, 1, None, 2])))
    rank = encode(PANEL, ranked, Config(entry_rank="rank")).intents.orders["rank"]
    assert np.array_equal(rank, [1.0, NAN, 3.0, 2.0], equal_nan=True)
    assert np.isnan(encode(PANEL, ranked, Config()).intents.orders["rank"]).all()


def test_rules_of_orders_are_completed_by_those_of_their_asset():
    config = Config(stop_loss={"A": 0.1}, take_profit={"A": 0.5, "C": 0.7}, time_exit={"C": 4})
    intents = encode(PANEL, Orders(ORDERS), config).intents
    rules = intents.rules[intents.orders["rules"]]
    assert np.array_equal(rules["stop_loss"], [0.1, 0.1, NAN, 0.2], equal_nan=True)
    assert np.array_equal(rules["take_profit"], [0.5, 0.5, NAN, 0.5], equal_nan=True)
    assert np.isnan(intents.rules[0].tolist()).all()
    per_asset = intents.rules[intents.asset_rules]
    assert np.array_equal(per_asset["time_exit"], [NAN, NAN, 4.0], equal_nan=True)
    plain = encode(PANEL, Orders(ORDERS.drop("stop_loss")), Config()).intents
    assert len(plain.rules) == 1 and not plain.asset_rules.any() and not plain.orders["rules"].any()
    off = Orders(ORDERS.with_columns(stop_loss=float("inf")))
    assert encode(PANEL, off, Config()).params["has_rules"][0] == 0


def test_per_asset_values_name_unknown_symbols():
    weights = TargetWeights.from_array(np.zeros((4, 3)))
    for change in ({"stop_loss": {"D": 0.1}}, {"spread": {"D": 0.1}}):
        with pytest.raises(ConfigError, match="'D' is not in the prices"):
            encode(PANEL, weights, Config(**change))


def test_market_of_each_spread():
    weights = TargetWeights.from_array(np.zeros((4, 3)))
    column = np.full((4, 3), 0.02)
    panel = make_panel(extras={"spread_seen": column})
    scalar = encode(panel, weights, Config(spread=0.01))
    assert scalar.params["spread_mode"][0] == 0 and scalar.params["half_spread"][0] == 0.005
    mapped = encode(panel, weights, Config(spread={"B": 0.01}))
    assert mapped.params["spread_mode"][0] == 1
    assert np.array_equal(mapped.market.half_spread, [[NAN, 0.005, NAN]], equal_nan=True)
    named = encode(panel, weights, Config(spread="spread_seen"))
    assert named.params["spread_mode"][0] == 2 and np.array_equal(named.market.half_spread, column / 2)
    assert_kernel_ready(named)
    with pytest.raises(ConfigError, match=r"did you mean 'spread_seen'\? \(extras: spread_seen\)"):
        encode(panel, weights, Config(spread="spread_sen"))
    wide = make_panel(extras={"s": column * 100})
    with pytest.raises(ConfigError, match=r"column 's' of A at 2024-01-02 is 2\.0"):
        encode(wide, weights, Config(spread="s"))


def test_market_holds_only_what_is_read():
    weights = TargetWeights.from_array(np.zeros((4, 3)))
    panel = make_panel(volume=np.full((4, 3), 100.0) + np.arange(4)[:, None])
    capped = encode(panel, weights, Config()).market
    assert np.shares_memory(capped.budget_volume, panel.volume) and capped.sigma.shape == (1, 1)
    assert encode(panel, weights, Config(max_participation=None)).market.budget_volume.shape == (1, 1)
    previous = encode(panel, weights, Config(volume_basis="previous")).market.budget_volume
    assert previous.shape == (4, 3) and (previous[1:] == panel.volume[:-1]).all()
    sigma = encode(panel, weights, Config(impact_coefficient=0.1, impact_sigma=1.0)).market.sigma
    assert sigma.shape == (4, 3)
    assert np.shares_memory(capped.close, panel.close)


def test_what_is_derived_from_a_panel_is_built_once():
    weights = TargetWeights.from_array(np.zeros((4, 3)))
    panel = make_panel()
    first, second = (encode(panel, weights, Config()).market for _ in range(2))
    assert first.session_end is second.session_end and first.stale is second.stale
    assert list(first.session_end) == [1, 2, 3, 4]


def test_events_of_the_market_are_marked():
    actions = pl.DataFrame({"symbol": ["A"], "ex_date": [DAYS[1]], "kind": ["dividend"], "value": [0.1]})
    close = np.full((4, 2), 10.0)
    close[1:, 1] = NAN
    panel = Panel.from_arrays(close, close, close, close, timestamps=DAYS, symbols=["A", "B"], actions=actions)
    encoded = encode(panel, TargetWeights.from_array(np.full((4, 2), NAN)), Config(max_stale=2))
    assert list(encoded.intents.events) == [0, EVENT_ACTION, EVENT_STALE, 0]
    assert list(encoded.market.actions["asset"]) == [0] and list(encoded.market.stale["asset"]) == [1]


def test_pandas_frames_keep_a_named_index_and_lose_an_unnamed_one():
    pandas = pytest.importorskip("pandas")
    days = pandas.to_datetime(DAYS)
    long = pandas.DataFrame({"timestamp": days, "symbol": list("ABAB"), "weight": [0.1, 0.2, 0.3, 0.4]})
    expected = [[0.3, 0.0, 0.0], [0.0, 0.4, 0.0]]
    assert np.array_equal(encode(PANEL, TargetWeights(long[2:]), Config()).intents.weights, expected)
    wide = pandas.DataFrame({"A": [0.1] * 4}, index=pandas.Index(days, name="timestamp"))
    assert encode(PANEL, TargetWeights(wide), Config()).intents.weights[:, 0].tolist() == [0.1] * 4


def test_empty_frames_decide_nothing():
    empty = pl.DataFrame(schema={"timestamp": pl.Date, "symbol": pl.String, "weight": pl.Float64})
    orders = empty.rename({"weight": "quantity"})
    signals = pl.DataFrame(schema={"timestamp": pl.Date, "symbol": pl.String, "entry": pl.Boolean})
    for strategy in (TargetWeights(empty), Orders(orders), Signals(signals), TargetWeights(empty.select("timestamp"))):
        encoded = encode(PANEL, strategy, Config())
        assert not encoded.intents.events.any() and encoded.expected_orders == 0
        assert_kernel_ready(encoded)


def test_what_is_not_a_strategy_is_refused():
    with pytest.raises(StrategyError, match="must be Orders, Signals, TargetShares or TargetWeights, got ndarray"):
        encode(PANEL, np.zeros((4, 3)), Config())


@given(arrays(np.float64, (4, 3), elements=st.sampled_from([NAN, 0.0, 0.125, 0.25])), st.randoms())
def test_long_and_array_targets_are_the_same(weights, random):
    rows = [(DAYS[t], "ABC"[a], float(weights[t, a])) for t in range(4) for a in range(3)]
    random.shuffle(rows)
    by_array = encode(PANEL, TargetWeights.from_array(weights), Config()).intents
    by_frame = encode(PANEL, TargetWeights(long_weights(*rows)), Config()).intents
    kept = np.isin(by_frame.target_bars, by_array.target_bars)
    assert np.array_equal(by_frame.weights[kept], by_array.weights, equal_nan=True)
    assert np.isnan(by_frame.weights[~kept]).all()
