"""Bars labelled by their begin (clause 0.1): whatever carries the labels of the data decides when its bar is complete,
and nothing that is placed on such a panel can fill before that."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import (
    Config,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    load_panel,
    run_backtest,
    sweep,
    walk_forward,
)
from facade.strategies.strategy import Placed

BARS = 500
BEGINS = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=n) for n in range(BARS)]
ENDS = [begin + dt.timedelta(hours=1) for begin in BEGINS]
CONFIG = Config(lot=0)


def candles():
    """A random walk whose opens are the closes before."""
    close = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, BARS)))
    open_ = np.concatenate([[100.0], close[:-1]])
    prices = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    return pl.DataFrame({"timestamp": BEGINS, "symbol": "X", **prices})


CANDLES = candles()
OPEN, CLOSE = load_panel(CANDLES, bar_label="open"), load_panel(CANDLES)
UP = (CANDLES["close"] > CANDLES["open"]).to_numpy()


def columns(stamps, **values):
    return pl.DataFrame({"timestamp": stamps, **values})


FORMS = {
    "signals, long": lambda stamps, up: Signals(columns(stamps, symbol="X", entry=up, exit=~up), size=0.9),
    "signals, wide": lambda stamps, up: Signals(columns(stamps, X=up), columns(stamps, X=~up), size=0.9),
    "weights, long": lambda stamps, up: TargetWeights(columns(stamps, symbol="X", weight=0.9 * up)),
    "weights, wide": lambda stamps, up: TargetWeights(columns(stamps, X=0.9 * up)),
    "shares, long": lambda stamps, up: TargetShares(columns(stamps, symbol="X", shares=100.0 * up)),
    "shares, wide": lambda stamps, up: TargetShares(columns(stamps, X=100.0 * up)),
    "orders": lambda stamps, up: Orders(columns(stamps, symbol="X", quantity=np.where(up, 1.0, 2.0))),
    "array with times": lambda stamps, up: TargetWeights.from_array(columns(stamps, X=0.9 * up)),
    "signal arrays with times": lambda stamps, up: Signals.from_arrays(
        columns(stamps, X=up), columns(stamps, X=~up), size=0.9
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("align", [None, "next"])
def test_labels_of_the_data_give_the_run_of_labels_at_the_close(form, align):
    """The same candles, the same decisions: moving the labels of the bars moves those of the decisions with them."""
    strategy = FORMS[form](BEGINS, UP)
    honest = run_backtest(CLOSE, strategy, config=CONFIG)
    moved = run_backtest(OPEN, strategy, config=CONFIG, align=align)
    assert moved.metrics["final_value"] == honest.metrics["final_value"]
    assert moved.fills["price"].to_list() == honest.fills["price"].to_list()
    assert moved.fills["timestamp"].to_list() == [
        stamp + dt.timedelta(hours=1) for stamp in honest.fills["timestamp"].to_list()
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("align", [None, "next"])
@pytest.mark.parametrize("chosen", [[0], [7], [7, 8, 200], [BARS - 3]])
def test_few_decisions_are_read_as_many_are(form, align, chosen):
    """One row says as little as it can of how it is labelled; it is placed as the whole frame would be."""
    stamps, up = [BEGINS[at] for at in chosen], np.ones(len(chosen), bool)
    strategy = FORMS[form](stamps, up)
    honest = run_backtest(CLOSE, strategy, config=CONFIG).fills["price"].to_list()
    assert honest and run_backtest(OPEN, strategy, config=CONFIG, align=align).fills["price"].to_list() == honest


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("align", [None, "next"])
@pytest.mark.parametrize("stamps", [ENDS, BEGINS[:-1] + ENDS[-1:]], ids=["ends", "mostly begins"])
def test_a_time_that_is_only_the_end_of_a_bar_is_refused(form, align, stamps):
    """Frames labelled by ends, or by a mixture: the last end is the begin of no bar, which tells."""
    with pytest.raises(StrategyError, match=r"no bar begins at 2024-01-21 20:00:00.*panel\.labels") as refusal:
        run_backtest(OPEN, FORMS[form](stamps, UP), config=CONFIG, align=align)
    assert "align" not in str(refusal.value)


def test_ends_at_gaps_of_the_data_tell_as_well():
    """A market of six hours a day: its last end of the day is the begin of no bar."""
    hours = [dt.datetime(2024, 1, day, hour) for day in (2, 3) for hour in range(10, 16)]
    price = np.linspace(10, 11, 12)
    panel = Panel.from_arrays(price, price, price, price, symbols=["X"], timestamps=hours, bar_label="open")
    assert panel.timestamps.to_list()[5] == dt.datetime(2024, 1, 2, 16)
    for align in (None, "next"):
        with pytest.raises(StrategyError, match="no bar begins at 2024-01-02 16:00:00"):
            run_backtest(panel, Orders(columns([hours[3], dt.datetime(2024, 1, 2, 16)], symbol="X", quantity=1.0)),
                         align=align)  # fmt: skip
    with pytest.raises(StrategyError, match="no bar begins at 2024-01-02 10:30:00"):
        run_backtest(panel, Orders(columns([dt.datetime(2024, 1, 2, 10, 30)], symbol="X", quantity=1.0)))
    late = run_backtest(panel, Orders(columns([dt.datetime(2024, 1, 2, 10, 30)], symbol="X", quantity=1.0)),
                        align="next")  # fmt: skip
    assert late.fills["timestamp"].to_list() == [dt.datetime(2024, 1, 2, 13)]  # bar 11 to 12 decides, 12 to 13 fills


@pytest.mark.parametrize("form", FORMS)
def test_no_alignment_looks_ahead(form):
    """Decisions at any time of an hour, moved to the next bar: none fills in the bar in which it came, or before."""
    stamps = [begin + dt.timedelta(minutes=17) for begin in BEGINS[:-1]]
    up = np.arange(BARS - 1) % 2 == 0
    result = run_backtest(OPEN, FORMS[form](stamps, up), config=CONFIG, align="next")
    first = result.fills["timestamp"][0]  # the end of the bar of the fill
    assert first - dt.timedelta(hours=1) >= stamps[0]


def test_labels_of_the_panel_say_how_rows_are_labelled():
    assert OPEN.labels.to_list() == BEGINS and OPEN.timestamps.to_list() == ENDS
    assert CLOSE.labels is CLOSE.timestamps and CLOSE.begins is None
    mine = Orders(columns([OPEN.labels[7]], symbol="X", quantity=1.0))
    assert run_backtest(OPEN, mine).fills["timestamp"].to_list() == [ENDS[8]]
    assert any("begin" in notice for notice in run_backtest(OPEN, mine).notices)
    assert not any("begin" in notice for notice in run_backtest(CLOSE, mine).notices)


def test_a_date_names_its_session_and_nothing_moves():
    days = pl.Series([dt.date(2024, 1, day) for day in range(1, 6)])
    price = np.linspace(10, 11, 5)
    panel = Panel.from_arrays(price, price, price, price, symbols=["X"], timestamps=days, bar_label="open")
    assert panel.begins is None
    order = Orders(columns(days[:1], symbol="X", quantity=1.0))
    assert run_backtest(panel, order).fills["timestamp"].to_list() == [dt.date(2024, 1, 2)]


def test_parts_of_a_panel_keep_its_labels():
    part = OPEN.select(start=ENDS[100], end=ENDS[199])
    assert part.labels.to_list() == BEGINS[100:200]
    strategy = FORMS["signals, long"](BEGINS[100:200], UP[100:200])
    honest = run_backtest(CLOSE.select(start=BEGINS[100], end=BEGINS[199]), strategy, config=CONFIG)
    assert run_backtest(part, strategy, config=CONFIG).metrics["final_value"] == honest.metrics["final_value"]
    two = pl.concat([CANDLES, CANDLES.with_columns(symbol=pl.lit("Y"))])
    both = load_panel(two.filter((pl.col("symbol") == "Y") | (pl.col("timestamp") != BEGINS[5])), bar_label="open")
    assert both.select(["X"]).labels.to_list() == BEGINS[:5] + BEGINS[6:]  # a bar of Y only is none of X
    ends = Panel.from_arrays(OPEN.open, OPEN.high, OPEN.low, OPEN.close, symbols=["X"], timestamps=ENDS)
    assert OPEN.digest != ends.digest  # a checkpoint of one is none of the other


@pytest.mark.parametrize("form", FORMS)
def test_strategies_cut_to_windows_are_cut_by_their_labels(form):
    """What `sweep` gives a window is what the window's own run gives."""
    strategy = FORMS[form](BEGINS, UP)
    windows = [(ENDS[0], ENDS[249]), (ENDS[250], ENDS[-1])]
    found = sweep(OPEN, strategy, CONFIG, {"window": windows}, progress=False)
    honest = sweep(CLOSE, strategy, CONFIG, {"window": [(BEGINS[0], BEGINS[249]), (BEGINS[250], None)]}, progress=False)
    assert found.table["final_value"].to_list() == honest.table["final_value"].to_list()


def test_a_walk_forward_places_by_labels():
    strategies = {name: FORMS[name](BEGINS, UP) for name in ("signals, long", "weights, wide")}
    made = {"train": 100, "test": 50, "progress": False}
    moved, honest = (walk_forward(panel, strategies, CONFIG, {}, **made) for panel in (OPEN, CLOSE))
    assert moved.metrics["final_value"] == honest.metrics["final_value"]
    assert moved.folds["row"].to_list() == honest.folds["row"].to_list()


def test_a_strategy_that_was_cut_still_carries_labels():
    cut = Placed(FORMS["weights, long"](BEGINS, UP), OPEN).within(None)
    assert cut.given.stamps.to_list() == BEGINS


def test_zones_and_units_change_nothing():
    zoned = CANDLES.with_columns(pl.col("timestamp").dt.replace_time_zone("America/New_York", non_existent="null"))
    panel = load_panel(zoned, bar_label="open")
    flags = zoned.select("timestamp", "symbol", entry=pl.Series(UP), exit=pl.Series(~UP))
    honest = run_backtest(CLOSE, FORMS["signals, long"](BEGINS, UP), config=CONFIG).metrics["final_value"]
    for unit in ("ms", "us", "ns"):
        given = flags.with_columns(pl.col("timestamp").cast(pl.Datetime(unit, "America/New_York")))
        assert run_backtest(panel, Signals(given, size=0.9), config=CONFIG).metrics["final_value"] == honest
