"""A part of a panel is what `load_panel` would have loaded, and a strategy cut to it decides what it decided there."""

import datetime as dt
import pickle
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from facade import (
    Config,
    DataError,
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
from facade.data.panel import select
from facade.data.selection import locate
from facade.encode.inputs import encode
from facade.strategies.strategy import Placed

FIELDS = ("open", "high", "low", "close", "volume", "sessions")
LABELS = ("timestamps", "session_dates", "actions")
FACTS = ("symbols", "periods_per_year", "has_volume", "inferred_delistings", "digest", "shape")
STOCKS, ACTIONS = datasets.wiki_stocks(), datasets.wiki_actions()
WHOLE = load_panel(STOCKS, ACTIONS)


def assert_same_panel(part, loaded):
    """All is the same but bars a year, which a stretch of time has from the panel it is of."""
    loaded = replace(loaded, periods_per_year=part.periods_per_year)
    for name in FIELDS:
        mine, theirs = getattr(part, name), getattr(loaded, name)
        assert mine.dtype == theirs.dtype and mine.strides == theirs.strides and not mine.flags.writeable, name
        assert np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f"), name
    assert part.action_rows.tobytes() == loaded.action_rows.tobytes() and not part.action_rows.flags.writeable
    for name in LABELS:
        assert getattr(part, name).equals(getattr(loaded, name)), name
    for name in FACTS:
        assert getattr(part, name) == getattr(loaded, name), name
    assert part.extras.keys() == loaded.extras.keys()
    for name, array in part.extras.items():
        assert np.array_equal(array, loaded.extras[name], equal_nan=True)


PARTS = [
    (None, None, None),
    (None, "2012-06-01", "2012-12-31"),
    (["IBM"], None, None),
    (["MSFT", "AAPL", "IBM"], "2001-02-03", dt.date(2004, 3, 1)),
    (["GOOG", "AAPL"], None, "2005-01-01"),
    (["FB"], None, None),
    (["IBM", "FB"], "2012-05-18", "2012-05-18"),
    (["AAPL"], "2005-02-28", "2005-02-28"),  # one bar, the day of a split
    (["AAPL"], "2005-03-01", None),  # begins the day after it
    (["IBM", "IBM", "AAPL"], dt.datetime(2010, 1, 4, 15), "2010-02-01"),
]


@pytest.mark.parametrize(("symbols", "start", "end"), PARTS)
def test_real_data_in_parts_are_as_loaded(symbols, start, end):
    part = WHOLE.select(symbols, start, end)
    loaded = load_panel(STOCKS, ACTIONS, symbols=symbols, start=start, end=end)
    assert_same_panel(part, loaded)
    if symbols is None:
        assert (part.actions_before, part.actions_after) == (loaded.actions_before, loaded.actions_after)


@pytest.mark.parametrize("strategy", ["weights", "orders"])
@pytest.mark.unchecked
def test_a_run_on_a_part_is_a_run_on_what_was_loaded(strategy):
    start, end = dt.date(2005, 2, 14), dt.date(2005, 3, 31)  # with a split of AAPL; FB is not listed yet
    days = pl.Series([dt.date(2005, 2, 14), dt.date(2005, 2, 25), dt.date(2005, 3, 4)])
    made = {
        "weights": TargetWeights(pl.DataFrame({"timestamp": days, "AAPL": 0.5, "GOOG": [0.1, 0.2, None]})),
        "orders": Orders(pl.DataFrame({"timestamp": days, "symbol": ["AAPL", "IBM", "AAPL"], "quantity": 30.0})),
    }[strategy]
    config = Config(commission_rate=0.001, stop_loss=0.05)
    first = run_backtest(WHOLE.select(start=start, end=end), made, config=config)
    second = run_backtest(STOCKS, made, config=config, actions=ACTIONS, start=start, end=end)
    assert first.metrics == pytest.approx(second.metrics, rel=0, abs=0, nan_ok=True)
    for name in ("orders", "fills", "trades", "equity", "actions"):
        assert getattr(first, name).equals(getattr(second, name)), name
    assert WHOLE.select(start=start, end=end).symbols == ("AAPL", "FB", "GOOG", "IBM", "MSFT")  # FB without bars


def long_prices(rng, days, names):
    """Random bars with gaps: late listings, early ends, holes, days on which few trade."""
    calendar = [dt.date(2024, 1, 5) + dt.timedelta(days=int(d)) for d in np.sort(rng.choice(3 * days, days, False))]
    rows = []
    for name in names:
        first, last = np.sort(rng.integers(0, days, 2))
        for bar in range(first, last + 1):
            if rng.random() < 0.7:
                price = float(rng.uniform(10, 20))
                rows.append((calendar[bar], name, price, price + 1, price - 1, price, 100.0))
    columns = ["timestamp", "symbol", "open", "high", "low", "close", "volume"]
    return pl.DataFrame(rows, schema=columns, orient="row"), calendar


def random_actions(rng, calendar, names):
    rows = {(str(rng.choice(names)), calendar[rng.integers(len(calendar))]) for _ in range(6)}
    return pl.DataFrame(
        [(name, day, "dividend", 0.1) for name, day in sorted(rows)],
        schema={"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "value": pl.Float64},
        orient="row",
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_parts_are_as_loaded(seed):
    rng = np.random.default_rng(seed)
    names = ["A", "B", "C", "D"]
    prices, calendar = long_prices(rng, 25, names)
    if prices.is_empty():
        return
    actions = random_actions(rng, calendar, sorted(set(prices["symbol"])))
    infer = "infer" if seed % 2 else None
    panel = load_panel(prices, actions, delisting=infer)
    for _ in range(8):
        start, end = (None if rng.random() < 0.3 else calendar[rng.integers(25)] for _ in range(2))
        symbols = None if rng.random() < 0.3 else list(rng.permutation(panel.symbols)[: rng.integers(1, 4)])
        present = prices.filter(
            pl.lit(True) if start is None else pl.col("timestamp") >= start,
            pl.lit(True) if end is None else pl.col("timestamp") <= end,
            pl.lit(True) if symbols is None else pl.col("symbol").is_in(symbols or []),
        )
        if present.is_empty():
            with pytest.raises(DataError, match=r"prices have no bar in the selection"):
                panel.select(symbols, start, end)
            continue
        with_bars = set(present["symbol"])
        listed = [name for name in symbols or panel.symbols if name in with_bars]
        if symbols is None and len(listed) < len(panel.symbols):
            assert panel.select(None, start, end).symbols == panel.symbols
        loaded = load_panel(prices, actions, symbols=listed, start=start, end=end, delisting=infer)
        assert_same_panel(panel.select(listed, start, end), loaded)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_times_of_day_and_sessions(zone):
    stamps = pl.datetime_range(dt.datetime(2024, 3, 7, 1), dt.datetime(2024, 3, 12), "1h", eager=True, time_zone=zone)
    close = np.linspace(10, 20, 2 * len(stamps)).reshape(-1, 2)
    long = pl.DataFrame({"timestamp": stamps, "A": close[:, 0], "B": close[:, 1]}).unpivot(
        index="timestamp", variable_name="symbol", value_name="close"
    )
    whole = load_panel(long, repair="flat_from_close")
    for start, end in (
        ("2024-03-08", "2024-03-10"),
        (dt.datetime(2024, 3, 9, 12), None),
        (None, dt.datetime(2024, 3, 9, 0)),
        ("2024-03-08T05:00", "2024-03-09T23:00:00"),
    ):
        loaded = load_panel(long, start=start, end=end, repair="flat_from_close")
        assert_same_panel(whole.select(start=start, end=end), loaded)


def small(close, **more):
    close = np.array(close, float)
    return Panel.from_arrays(close, close, close, close, symbols=["A", "B", "C"][: close.shape[1]], **more)


def test_a_stretch_of_all_symbols_copies_nothing_and_columns_are_copied():
    panel = small(np.arange(1.0, 13).reshape(4, 3), volume=np.full((4, 3), 5.0))
    stretch, columns = panel.select(start=1, end=2), panel.select(["C", "A"])
    assert np.shares_memory(stretch.close, panel.close) and stretch.timestamps.to_list() == [1, 2]
    assert not np.shares_memory(columns.close, panel.close) and columns.close.tolist()[0] == [3.0, 1.0]
    for part in (stretch, columns, pickle.loads(pickle.dumps(stretch))):
        assert not part.close.flags.writeable and part.has_volume and part.periods_per_year == 252
    with pytest.raises(ValueError, match="read-only"):
        stretch.close[0, 0] = 1.0
    assert pickle.loads(pickle.dumps(stretch)).digest == stretch.digest


def test_bars_on_which_only_others_trade_are_left_out_and_bars_of_nobody_stay():
    nan = np.nan
    panel = small([[1, 1], [nan, 2], [nan, nan], [3, nan], [nan, 4]])
    assert panel.select(["A"]).timestamps.to_list() == [0, 2, 3]
    assert panel.select(["B"]).timestamps.to_list() == [0, 1, 2, 4]
    assert panel.select(["B", "A"]).timestamps.to_list() == [0, 1, 2, 3, 4]
    assert panel.select(["B"], start=3).sessions.tolist() == [0]
    assert panel.select(["B", "A"], end=0).shape == panel.select(end=0).shape == (1, 2)
    assert np.isnan(panel.select(["A", "B"], start=4).close[:, 0]).all()


def test_what_a_part_leaves_out_leaves_no_trace():
    actions = pl.DataFrame(
        {"symbol": ["A", "A", "B"], "ex_date": [1, 2, 3], "kind": ["split", "dividend", "dividend"],
         "value": [2.0, 0.5, 0.25]}
    )  # fmt: skip
    volume = [[np.nan, 1.0]] * 3 + [[2.0, 1.0]]
    panel = small([[10, 5], [5, 5], [5, 5], [5, 5]], actions=actions, volume=volume, extras={"x": np.eye(4, 2)})
    part = panel.select(start=2)
    assert part.actions["ex_date"].to_list() == [2, 3] and part.action_rows["bar"].tolist() == [0, 1]
    assert (part.actions_before, part.actions_after) == (1, 0) and part.extras["x"].shape == (2, 2)
    assert part.adjusted("close").tolist() == [[5, 5], [5, 5]]
    assert panel.select(["A"], end=1).actions_after == 1
    assert not panel.select(["A"], end=2).has_volume and panel.select(["A"]).has_volume


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(symbols=["A", "BB"]), r"symbols= names 'BB', which the prices do not have; did you mean 'B'\?"),
        (dict(symbols="A"), r"must be a list of symbols: \['A'\]"),
        (dict(symbols=[]), "at least one symbol"),
        (dict(start=9), r"no bar in the selection: start=9, end=None, but the bars are 0 to 3"),
        (dict(start=2, end=1), "no bar in the selection"),
        (dict(start="2024-01-01"), r"start='2024-01-01' must be a bar number"),
        (dict(end=True), "must be a bar number"),
        (dict(symbols=["B"], end=0), "every close is missing"),
    ],
)
def test_impossible_parts_are_refused_by_name(arguments, message):
    panel = small([[1, np.nan], [1, 1], [1, 1], [1, 1]])
    with pytest.raises(DataError, match=message):
        panel.select(**arguments)


# Strategies cut to a part --------------------------------------------------------------------------------------------

DAYS = [dt.date(2024, 1, day) for day in range(2, 12)]
CLOSE = 10.0 + np.random.default_rng(1).normal(0, 0.3, (10, 3)).cumsum(0)
PANEL = Panel.from_arrays(CLOSE, CLOSE + 1, CLOSE - 1, CLOSE, None, DAYS, ["A", "B", "C"])


def cut(strategy, symbols=None, start=None, end=None, align=None, panel=PANEL):
    """The strategy on a part, and the part."""
    found = locate(panel, symbols, start, end)
    return Placed(strategy, panel, align).within(found), select(panel, found)


def assert_same_intents(mine, theirs):
    for name, array in mine.intents._asdict().items():
        other = getattr(theirs.intents, name)
        if array.dtype.names:
            for field in array.dtype.names:
                assert np.array_equal(array[field], other[field], equal_nan=array[field].dtype.kind == "f"), field
        else:
            assert np.array_equal(array, other, equal_nan=array.dtype.kind == "f"), name


@pytest.mark.parametrize("symbols", [None, ["C", "A"], ["B"]])
@pytest.mark.parametrize("kind", ["weights", "shares", "signals"])
def test_arrays_are_sliced(kind, symbols):
    rng = np.random.default_rng(5)
    columns = [PANEL.symbols.index(name) for name in symbols or PANEL.symbols]
    values, flags = rng.uniform(0, 0.3, (10, 3)), rng.random((2, 10, 3)) < 0.3
    values[4] = np.nan

    def make(part):
        if kind == "signals":
            return Signals.from_arrays(part(flags[0]), part(flags[1]), size=part(values), rank=part(values))
        return (TargetWeights if kind == "weights" else TargetShares).from_array(part(values), min_notional=7.0)

    if kind == "signals":
        values = np.nan_to_num(values, nan=0.1)
    made, panel = cut(make(lambda array: array), symbols, DAYS[2], DAYS[7])
    config = Config(lot=0.0, entry_rank="rank" if kind == "signals" else "submission")
    expected = encode(panel, make(lambda array: array[2:8][:, columns]), config)
    mine = encode(panel, made, config)
    assert_same_intents(mine, expected)
    assert mine.settings == expected.settings
    if symbols is None and kind != "signals":
        assert np.shares_memory(made.given.values, values)


def test_a_symbol_left_out_of_a_long_frame_is_zero_also_when_the_others_are_not_selected():
    rows = [(DAYS[1], "A", 0.5), (DAYS[3], "B", 0.4), (DAYS[3], "C", 0.2), (DAYS[5], "A", 0.3)]
    frame = pl.DataFrame(rows, schema=["timestamp", "symbol", "weight"], orient="row")
    made, panel = cut(TargetWeights(frame), ["A"])
    encoded = encode(panel, made, Config())
    assert encoded.intents.target_bars.tolist() == [1, 3, 5] and encoded.intents.weights[:, 0].tolist() == [0.5, 0, 0.3]
    made, panel = cut(TargetWeights(frame), ["C", "A"], DAYS[2], DAYS[4])
    assert encode(panel, made, Config()).intents.weights.tolist() == [[0.2, 0.0]]


def test_wide_targets_lose_columns_and_rows():
    wide = pl.DataFrame({"timestamp": [DAYS[0], DAYS[4], DAYS[6]], "C": [0.1, None, 0.3], "A": [0.2, 0.3, 0.4]})
    made, panel = cut(TargetWeights(wide), ["B", "C"], DAYS[1])
    encoded = encode(panel, made, Config())  # B has no column, so it is zero; null leaves C alone
    assert encoded.intents.target_bars.tolist() == [3, 5]
    assert np.array_equal(encoded.intents.weights, [[0.0, np.nan], [0.0, 0.3]], equal_nan=True)
    made, panel = cut(TargetWeights(wide), ["B"])
    assert not encode(panel, made, Config()).intents.weights.any()


@pytest.mark.parametrize("wide", [False, True])
def test_frames_of_signals_are_filtered(wide):
    rng = np.random.default_rng(3)
    flags = rng.random((10, 3)) < 0.4
    frame = pl.DataFrame({"timestamp": DAYS, **{name: flags[:, at] for at, name in enumerate("ABC")}})
    sizes = pl.DataFrame({"timestamp": DAYS, **{name: rng.uniform(0.1, 1, 10) for name in "CBA"}})
    if not wide:
        frame = frame.unpivot(index="timestamp", variable_name="symbol", value_name="entry").sort("timestamp")
    for symbols, bars in ((["C", "A"], slice(2, 7)), (None, slice(0, 10)), (["B"], slice(9, 10))):
        kept = frame.filter(pl.col("timestamp").is_in(DAYS[bars]))
        size = sizes.filter(pl.col("timestamp").is_in(DAYS[bars])).select("timestamp", *(symbols or "ABC"))
        kept = kept.select("timestamp", *(symbols or "ABC")) if wide else kept.filter(
            pl.col("symbol").is_in(symbols or list("ABC"))
        )  # fmt: skip
        made, panel = cut(Signals(frame, size=sizes), symbols, DAYS[bars][0], DAYS[bars][-1])
        mine, expected = (encode(panel, each, Config()) for each in (made, Signals(kept, size=size)))
        assert_same_intents(mine, expected)


ORDERS = pl.DataFrame(
    [
        (DAYS[1], "A", 10.0, "limit", 9.0, "submit", "a", None, None),
        (DAYS[1], "B", 10.0, "market", None, "submit", "b", None, "g"),
        (DAYS[3], "A", 5.0, "limit", 9.5, "submit", "c", None, "h"),
        (DAYS[3], "C", 5.0, "market", None, "submit", "parent", None, None),
        (DAYS[3], "C", -5.0, "stop", None, "submit", "child", "parent", None),
        (DAYS[3], "C", -5.0, "limit", 99.0, "submit", "other", "parent", None),
        (DAYS[4], None, None, None, 8.0, "replace", "a", None, None),
        (DAYS[4], None, None, None, 8.5, "replace", "c", None, None),
        (DAYS[6], None, None, None, None, "cancel", "a", None, None),
        (DAYS[8], None, None, None, None, "cancel", "c", None, None),
        (DAYS[8], "B", -4.0, "market", None, "submit", "last", None, None),
    ],
    schema={
        "timestamp": pl.Date,
        "symbol": pl.String,
        "quantity": pl.Float64,
        "type": pl.String,
        "limit_price": pl.Float64,
        "action": pl.String,
        "id": pl.String,
        "parent": pl.String,
        "group": pl.String,
    },
    orient="row",
).with_columns(
    stop_price=pl.when(pl.col("id") == "child").then(5.0),
    stop_loss=pl.when((pl.col("id") == "c") & (pl.col("action") == "submit")).then(0.1),
)


@pytest.mark.parametrize(
    ("symbols", "first", "last", "ids"),
    [
        (None, 0, 9, [*"abc", "parent", "child", "other", *"acac", "last"]),
        (None, 3, 9, ["c", "parent", "child", "other", "c", "c", "last"]),  # a was given before; its changes are gone
        (None, 0, 7, [*"abc", "parent", "child", "other", *"aca"]),  # the cancel of c lies outside
        (["C"], 0, 9, ["parent", "child", "other"]),
        (["B", "A"], 2, 4, ["c", "c"]),
        (["B"], 2, 4, []),
    ],
)
def test_orders_keep_their_chains(symbols, first, last, ids):
    made, panel = cut(Orders(ORDERS), symbols, DAYS[first], DAYS[last])
    assert made.table.ids.to_list() == ids
    names = symbols or list("ABC")
    kept = ORDERS.with_row_index("at").filter(
        pl.col("timestamp").is_between(DAYS[first], DAYS[last]),
        pl.col("symbol").is_in(names) | pl.col("symbol").is_null(),
        pl.col("id").is_in(ids),
    )
    assert made.table.rows.tolist() == kept["at"].to_list()
    config = Config(allow_short_selling=True)
    expected = encode(panel, Orders(kept.drop("at")), config)
    mine = encode(panel, made, config)
    groups = [table.intents.orders["group"] for table in (mine, expected)]
    assert np.array_equal(groups[0] >= 0, groups[1] >= 0)  # numbers of groups are labels
    orders = mine.intents.orders.copy()
    orders["group"] = groups[1]
    assert_same_intents(_with_orders(mine, orders), expected)
    assert mine.settings == expected.settings


def _with_orders(encoded, orders):
    return replace(encoded, intents=encoded.intents._replace(orders=orders))


def test_align_moves_rows_before_they_are_cut():
    days = [dt.date(2024, 1, day) for day in (2, 3, 8, 9)]
    panel = Panel.from_arrays(*[np.full((4, 2), 10.0)] * 4, None, days, ["A", "B"])
    stamps = [dt.date(2024, 1, 6), dt.date(2024, 1, 9), dt.date(2024, 1, 20)]
    for make in (
        lambda: Orders(pl.DataFrame({"timestamp": stamps, "symbol": "A", "quantity": 1.0})),
        lambda: Signals(pl.DataFrame({"timestamp": stamps, "symbol": "A", "entry": True})),
        lambda: TargetWeights(pl.DataFrame({"timestamp": stamps, "symbol": "A", "weight": 0.1})),
    ):
        made, part = cut(make(), ["A"], days[2], days[2], align="next", panel=panel)
        encoded = encode(part, made, Config(), "next")
        assert encoded.intents.events.nonzero()[0].tolist() == [0] and not any(encoded.counts.values())
        with pytest.raises(StrategyError, match=r"2024-01-06 lies between"):
            cut(make(), ["A"], days[2], days[2], panel=panel)


def test_what_does_not_fit_the_whole_panel_is_refused_when_it_is_cut():
    for strategy, message in (
        (TargetWeights.from_array(np.zeros((9, 3))), r"TargetWeights: array of shape \(9, 3\) given for a panel of 10"),
        (Signals.from_arrays(np.zeros((10, 2), bool)), r"Signals: entries: array of shape \(10, 2\)"),
        (Orders(pl.DataFrame({"timestamp": DAYS[:1], "symbol": "Z", "quantity": 1.0})), "'Z' is not in the prices"),
    ):
        with pytest.raises(StrategyError, match=message):
            cut(strategy, ["A"])
    with pytest.raises(StrategyError, match="strategy must be Orders"):
        Placed(3, PANEL)
