"""`run_backtest` from outside: what it takes, what it refuses and how, what an interrupted run leaves."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from consistency import assert_consistent
from facade import (
    BacktestWarning,
    Config,
    ConfigError,
    DataError,
    Interrupted,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    datasets,
    execute,
    load_panel,
    run_backtest,
)
from facade.results.facts import FRAMES

SYMBOLS = ["AAPL", "IBM", "MSFT"]
FRICTION = Config(commission_rate=0.001, slippage_rate=0.0005, stop_loss=0.10, trailing_stop=0.15, cooldown=5)


@pytest.fixture(scope="module")
def panel():
    """Three real stocks over four years, AAPL's split of 2005-02-28 and the dividends among them."""
    return load_panel(
        datasets.wiki_stocks(), datasets.wiki_actions(), symbols=SYMBOLS, start="2002-01-01", end="2005-12-31"
    )


def weekly_weights(panel):
    """(T, A) weights that lean towards what has fallen over five bars, every fifth bar."""
    close = panel.adjusted("close")
    weights = np.full(panel.shape, np.nan)
    for bar in range(5, len(close), 5):
        fall = np.maximum(close[bar - 5] / close[bar] - 0.98, 0.0)
        weights[bar] = 0.95 * fall / max(fall.sum(), 0.05)
    return weights


def run(panel, weights, **options):
    """A run of the weights; refused orders are expected and not of interest."""
    with pytest.warns(BacktestWarning, match="COOLDOWN"):
        return run_backtest(panel, TargetWeights.from_array(weights), config=FRICTION, **options)


def assert_same(one, other, frames=FRAMES):
    for name in frames:
        assert one.frame(name).equals(other.frame(name)), name


def days(count):
    return [date(2024, 1, 1) + timedelta(days=day) for day in range(count)]


def bars(closes, symbol="ABC"):
    """Long prices of one symbol on consecutive days."""
    closes = [float(close) for close in closes]
    prices = dict.fromkeys(("open", "high", "low", "close"), closes)
    return pl.DataFrame({"timestamp": days(len(closes)), "symbol": symbol, **prices, "volume": 1e6})


def order(day=0, **columns):
    """One order of ten ABC, decided on that day."""
    row = {"timestamp": date(2024, 1, 1) + timedelta(days=day), "symbol": "ABC", "quantity": 10.0, **columns}
    return Orders(pl.DataFrame([row]))


# What it takes -------------------------------------------------------------------------------------------------------


def test_a_panel_a_frame_and_a_path_give_the_same_run(panel, tmp_path):
    frame = datasets.wiki_stocks()
    frame.write_parquet(tmp_path / "prices.parquet")
    loading = {"symbols": SYMBOLS, "start": "2002-01-01", "end": "2005-12-31"}
    weights = weekly_weights(panel)
    expected = run(panel, weights)
    for source in (frame, frame.lazy(), frame.to_arrow(), str(tmp_path / "prices.parquet"), tmp_path / "*.parquet"):
        assert_same(run(source, weights, actions=datasets.wiki_actions(), **loading), expected)


def test_a_run_leaves_its_panel_alone_and_repeats_itself(panel):
    weights = weekly_weights(panel)
    digest, first = panel.digest, run(panel, weights)
    assert_same(run(panel, weights), first)
    assert panel.digest == digest and first.data_digest == digest
    assert_consistent(first)


def test_actions_may_come_with_the_run(panel):
    bare = load_panel(datasets.wiki_stocks(), symbols=SYMBOLS, start="2002-01-01", end="2005-12-31")
    actions = datasets.wiki_actions().filter(pl.col("symbol").is_in(SYMBOLS))
    weights = weekly_weights(panel)
    assert_same(run(bare, weights, actions=actions), run(panel, weights))


def test_a_configuration_may_be_a_mapping():
    result = run_backtest(bars([10, 10, 11]), order(), config={"initial_cash": 500.0, "commission_per_trade": 1.0})
    assert result.equity["equity"].to_list() == [500.0, 499.0, 509.0]


def test_a_spread_given_by_name_is_loaded_with_the_prices():
    prices = bars([10, 10, 11]).with_columns(quoted=pl.lit(0.02))
    result = run_backtest(prices, order(), config=Config(spread="quoted"))
    assert result.fills["price"].to_list() == [pytest.approx(10.10)]


def test_one_bar_and_one_asset_are_enough():
    result = run_backtest(bars([10]), order())
    assert result.orders["status"].to_list() == ["decided"]
    assert result.equity["equity"].to_list() == [100_000.0]
    assert "1 bar" in result.summary()


def test_a_strategy_without_rows_trades_nothing():
    result = run_backtest(bars([10, 11]), Orders(pl.DataFrame(schema={"timestamp": pl.Date, "symbol": pl.String})))
    assert result.metrics["num_orders"] == 0 and result.metrics["total_return"] == 0.0


def test_the_default_configuration_says_that_costs_are_zero_and_what_auto_means():
    capped, uncapped = (run_backtest(prices, order()) for prices in (bars([10, 10]), bars([10, 10]).drop("volume")))
    assert capped.policies["max_participation"] == "auto (0.1)"
    assert uncapped.policies["max_participation"] == "auto (None)"
    assert any("costs are zero" in notice for notice in capped.notices)
    assert any("uncapped" in notice for notice in uncapped.notices)


def test_refused_orders_are_warned_of_with_number_and_reason():
    with pytest.warns(BacktestWarning, match=r"1 refused of 1 orders; mostly NO_SHORT \(1\)"):
        result = run_backtest(bars([10, 10]), order(quantity=-10.0))
    assert result.rejections["rejection_code"].to_list() == ["no_short"]


# What it refuses -----------------------------------------------------------------------------------------------------

PRICES = bars([10, 11, 12])
REFUSED = {
    "no rows": (PRICES.head(0), order(), DataError, "no rows"),
    "duplicated rows": (pl.concat([PRICES, PRICES.tail(1)]), order(), DataError, "ABC"),
    "negative price": (bars([10, -11, 12]), order(), DataError, "positive"),
    "a bar without a high": (PRICES.with_columns(high=None), order(), DataError, "high"),
    "not a source": (42, order(), DataError, "int"),
    "not a strategy": (PRICES, "buy low, sell high", StrategyError, "strategy"),
    "unknown symbol": (PRICES, order(symbol="XYZ"), StrategyError, "XYZ"),
    "before the first bar": (PRICES, order(-1), StrategyError, "2023-12-31"),
    "too many weights": (PRICES, TargetWeights.from_array(np.full((3, 1), 1.5)), StrategyError, "scale=True"),
    "weights of another shape": (PRICES, TargetWeights.from_array(np.ones((2, 1))), StrategyError, "3 bars"),
    "short target": (PRICES, TargetShares.from_array(np.full((3, 1), -1.0)), StrategyError, "allow_short_selling"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_before_anything_runs(case, monkeypatch):
    prices, strategy, error, message = REFUSED[case]
    monkeypatch.setattr(execute.entries, "bind", lambda *_: pytest.fail("the kernel was called"))
    with pytest.raises(error, match=message):
        run_backtest(prices, strategy)


BUILT = {
    "infinite quantity": (lambda: order(quantity=np.inf), StrategyError, "quantity"),
    "limit without price": (lambda: order(type="limit"), StrategyError, "limit_price"),
    "infinite weight": (
        lambda: TargetWeights(PRICES.select("timestamp", "symbol", weight=np.inf)),
        StrategyError,
        "inf",
    ),
    "size of zero": (lambda: Signals.from_arrays(np.ones((3, 1), bool), size=0), StrategyError, "size"),
    "field out of range": (lambda: Config(commission_rate=5), ConfigError, "commission_rate"),
    "field that is not one": (lambda: Config(comission_rate=0.1), ConfigError, "comission_rate"),
    "infinite price": (lambda: Panel.from_arrays(*[np.array([10.0, np.inf])] * 4), DataError, "inf"),
}


@pytest.mark.parametrize("case", BUILT)
def test_what_cannot_be_right_is_refused_when_it_is_built(case):
    build, error, message = BUILT[case]
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("name", ["signals", "context"])
def test_arguments_of_the_event_engine_are_refused_by_name(name):
    with pytest.raises(StrategyError, match=f"{name}.*Orders"):
        run_backtest(PRICES, order(), **{name: PRICES})


def test_a_configuration_of_another_kind_is_refused():
    with pytest.raises(ConfigError, match="str"):
        run_backtest(PRICES, order(), config="defaults")


def test_actions_are_given_once(panel):
    with pytest.raises(DataError, match="not to both"):
        run_backtest(panel, TargetWeights.from_array(weekly_weights(panel)), actions=datasets.wiki_actions())


def test_loading_arguments_do_not_go_with_a_panel(panel):
    with pytest.raises(DataError, match="start"):
        run_backtest(panel, TargetWeights.from_array(weekly_weights(panel)), start="2003-01-01")


def test_a_missing_volume_is_refused_under_a_cap_and_the_way_out_is_named():
    prices = PRICES.with_columns(volume=pl.when(pl.col("close") == 11).then(None).otherwise(pl.col("volume")))
    with pytest.raises((DataError, ConfigError), match="None"):
        run_backtest(prices, order())
    result = run_backtest(prices, order(), config=Config(max_participation=None))
    assert result.fills["quantity"].to_list() == [10.0]


def test_a_cap_needs_volume():
    with pytest.raises((DataError, ConfigError), match="volume"):
        run_backtest(PRICES.drop("volume"), order(), config=Config(max_participation=0.1))


def test_orders_after_the_last_bar_are_dropped_and_counted():
    with pytest.warns(BacktestWarning, match="after the last bar"):
        result = run_backtest(PRICES, order(10))
    assert result.metrics["num_orders"] == 0
    assert "dropped" in result.summary()


# Slices --------------------------------------------------------------------------------------------------------------


def test_a_progress_bar_changes_nothing(panel, capsys):
    weights = weekly_weights(panel)
    assert_same(run(panel, weights, progress=True), run(panel, weights))
    assert "100%" in capsys.readouterr().err


def test_tapes_that_have_to_grow_change_nothing(panel, monkeypatch):
    weights = weekly_weights(panel)
    expected = run(panel, weights)
    roomy = execute.kernel_book.new_tape
    grown = []
    monkeypatch.setattr(
        execute.kernel_book, "new_tape", lambda n, rows: roomy(n, {**dict.fromkeys(rows, 1), **fixed(rows)})
    )
    grow = execute.kernel_book.grow
    monkeypatch.setattr(execute.kernel_book, "grow", lambda *state: grown.append(1) or grow(*state))
    assert_same(run(panel, weights), expected)
    assert len(grown) > 3


def fixed(rows):
    """Capacities that follow from the panel and never grow."""
    return {name: rows[name] for name in ("gross", "margin")}


def interrupt_after(monkeypatch, slices):
    """Ctrl-C when the kernel is called for the next slice, after so many of 64 bars."""
    monkeypatch.setattr(execute, "FIRST_SLICE", 0)
    monkeypatch.setattr(execute, "SLICE_SECONDS", 0.0)
    real, calls = execute.entries.bind, []

    def bind(*arrays):
        call = real(*arrays)

        def interrupted(*numbers):
            if len(calls) == slices:
                raise KeyboardInterrupt
            calls.append(numbers)
            return call(*numbers)

        return interrupted

    monkeypatch.setattr(execute.entries, "bind", bind)


@pytest.mark.parametrize("slices", [1, 7, 15])
def test_ctrl_c_leaves_the_run_up_to_the_last_whole_bar(panel, monkeypatch, slices):
    weights = weekly_weights(panel)
    whole = run(panel, weights)
    interrupt_after(monkeypatch, slices)
    with pytest.raises(Interrupted, match=r"interrupted after [\d,]+ of 1,008 bars") as caught:
        run_backtest(panel, TargetWeights.from_array(weights), config=FRICTION, progress=True)
    monkeypatch.undo()
    part = caught.value.result
    done = part.metrics["bars"]
    assert done == 64 * slices == part.equity.height
    assert part.equity.equals(whole.equity.head(done))
    last = panel.timestamps[done - 1]
    for name in ("fills", "positions", "actions", "ambiguous_bars"):
        assert part.frame(name).equals(whole.frame(name).filter(pl.col("timestamp") <= last)), name
    closed = part.trades.filter(pl.col("status") == "closed")
    assert closed.equals(whole.trades.filter(pl.col("exit_time") <= last))
    still_open = whole.trades.filter(pl.col("entry_time") <= last, (pl.col("exit_time") > last).fill_null(True))
    same = ["symbol", "direction", "entry_time", "entry_order_id"]
    assert (
        part.trades.filter(pl.col("status") == "open")
        .select(same)
        .sort(same)
        .equals(still_open.select(same).sort(same))
    )
    assert f"stopped after {done:,} of {panel.shape[0]:,} bars" in part.summary()


def test_an_interrupted_run_is_the_run_of_a_shorter_panel(panel, monkeypatch):
    weights = weekly_weights(panel)
    interrupt_after(monkeypatch, 12)
    with pytest.raises(Interrupted) as caught:
        run_backtest(panel, TargetWeights.from_array(weights), config=FRICTION, progress=True)
    monkeypatch.undo()
    part = caught.value.result
    done = part.metrics["bars"]
    shorter = load_panel(
        datasets.wiki_stocks(),
        datasets.wiki_actions(),
        symbols=SYMBOLS,
        start="2002-01-01",
        end=panel.timestamps[done - 1],
    )
    assert_same(part, run(shorter, weights[:done]))


def test_ctrl_c_before_the_first_bar_leaves_no_result(panel, monkeypatch):
    interrupt_after(monkeypatch, 0)
    with pytest.raises(Interrupted) as caught:
        run_backtest(panel, TargetWeights.from_array(weekly_weights(panel)), config=FRICTION)
    assert caught.value.result is None
    assert isinstance(caught.value, KeyboardInterrupt)
