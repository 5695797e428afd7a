"""Borrow fees and interest (1.2) beside what saves work: quiet and idle bars, growth, slices, sweeps, narrow panels."""

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from facade import Config, ConfigError, Orders, Panel, Signals, SweepResult, run_backtest, sweep
from facade.encode.inputs import encode
from facade.execute import tape_rows
from facade.results.result import Result
from ml4t_kernel import book as kernel_book
from ml4t_kernel import entries
from ml4t_kernel.book import grow, new_account, plain, readable, records
from ml4t_kernel.modes import INTERPRETED

BARS = 60 if INTERPRETED else 3000
RATES = {"borrow_fee": 0.2, "credit_rate": 0.03, "debit_rate": 0.08}


def walk(assets=1, bars=BARS, timestamps=None, seed=0):
    """A panel of random walks."""
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (bars, assets)), axis=0))
    open_ = close * np.exp(rng.normal(0.0, 0.003, close.shape))
    high, low = np.maximum(open_, close) * 1.004, np.minimum(open_, close) * 0.996
    return Panel.from_arrays(open_, high, low, close, timestamps=timestamps)


def weekdays(bars):
    """Mondays to Fridays from a Thursday on."""
    days = (date(2020, 1, 2) + timedelta(days=n) for n in range(2 * bars + 7))
    return [day for day in days if day.weekday() < 5][:bars]


def both_ways(panel, every=15):
    """Long, flat and short in turn, for some bars each."""
    bars, assets = panel.shape
    phase = (np.arange(bars)[:, None] // every + np.arange(assets)) % 3
    starts = np.diff(phase, axis=0, prepend=-1) != 0
    return Signals.from_arrays(
        (phase == 0) & starts, (phase == 1) & starts, (phase == 2) & starts, (phase == 0) & starts, size=0.3
    )


def charged_by_hand(result, config, days):
    """(T,) what moves cash before each bar, by the frames of a result and nothing of the kernel."""
    equity = result.equity
    by_bar = dict(zip(equity["timestamp"], range(equity.height), strict=True))
    shorts = np.zeros(equity.height)
    for row in result.positions.filter(pl.col("quantity") < 0).iter_rows(named=True):
        shorts[by_bar[row["timestamp"]]] -= row["value"]
    base = equity["cash"].to_numpy() - shorts
    rate = np.where(base > 0, config.credit_rate, config.debit_rate)
    moved = (base * rate - shorts * config.borrow_fee)[:-1] * days[1:] / 360.0
    return np.concatenate(([0.0], moved))


def assert_charged_by_hand(result, config, days):
    """The frame of charges, bar by bar."""
    times = result.equity["timestamp"]
    found = dict(result.charges.group_by("timestamp").agg(pl.col("amount").sum()).iter_rows())
    np.testing.assert_allclose(
        [found.get(time, 0.0) for time in times], charged_by_hand(result, config, days), rtol=1e-9, atol=1e-9
    )
    interest = result.charges.filter(pl.col("kind") == "interest")["amount"].sum()
    fees = -result.charges.filter(pl.col("kind") == "borrow")["amount"].sum()
    assert result.metrics["total_interest"] == pytest.approx(interest, rel=1e-9, abs=1e-9)
    assert result.metrics["total_borrow_fees"] == pytest.approx(fees, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("assets", [1, 3])
def test_every_night_of_thousands_of_bars_is_charged(assets):
    days = weekdays(BARS)
    panel = walk(assets, timestamps=days)
    config = Config(allow_short_selling=True, lot=0, **RATES)
    result = run_backtest(panel, both_ways(panel), config=config)
    counted = np.diff([day.toordinal() for day in days], prepend=days[0].toordinal())
    assert set(counted) == {0, 1, 3}
    assert {"borrow", "interest"} == set(result.charges["kind"])
    assert_charged_by_hand(result, config, counted)


def test_numbered_bars_share_the_year():
    panel = walk()
    config = Config(allow_short_selling=True, lot=0, periods_per_year=100, **RATES)
    result = run_backtest(panel, both_ways(panel), config=config)
    assert_charged_by_hand(result, config, np.full(BARS, 3.6))


def test_bars_of_one_session_are_charged_once():
    hours = [datetime(2024, 3, 8, 10) + timedelta(days=day, hours=hour) for day in (0, 3, 4, 5) for hour in range(6)]
    panel = walk(bars=24, timestamps=hours)
    config = Config(allow_short_selling=True, lot=0, **RATES)
    result = run_backtest(panel, both_ways(panel, every=7), config=config)
    counted = np.zeros(24)
    counted[[6, 12, 18]] = 3, 1, 1
    assert result.charges["timestamp"].unique().sort().to_list() == [hours[6], hours[12], hours[18]]
    assert_charged_by_hand(result, config, counted)


def test_an_idle_account_earns_and_its_returns_say_so():
    panel = walk(timestamps=weekdays(BARS))
    entries_, exits = np.zeros((2, *panel.shape), bool)
    entries_[20], exits[22] = True, True
    result = run_backtest(panel, Signals.from_arrays(entries_, exits, size=0.5), config=Config(credit_rate=0.05))
    returns, bars = result.equity["return"].to_numpy(), result.metrics["periods_per_year"]
    assert (returns[1:15] > 0).all() and (returns[30:] > 0).all()
    assert result.metrics["sharpe"] == pytest.approx(np.nanmean(returns) / np.nanstd(returns, ddof=1) * bars**0.5)
    assert result.charges.height == BARS - 1


def test_rates_of_zero_leave_every_bit_and_no_row():
    panel = walk(2)
    plain_run = run_backtest(panel, both_ways(panel), config=Config(allow_short_selling=True))
    assert plain_run.charges.height == 0
    # A fee that nothing pays: the walk charges nothing, and walks otherwise.
    long_only = Config(debit_rate=0.5, borrow_fee=0.5)
    buys = Signals.from_arrays(*np.arange(2 * BARS).reshape(2, BARS, 1).repeat(2, axis=2) % 40 == 0, size=0.4)
    charged = run_backtest(panel, buys, config=long_only)
    free = run_backtest(panel, buys, config=Config())
    assert charged.charges.height == 0
    for name in ("orders", "fills", "trades", "equity"):
        assert charged.frame(name).equals(free.frame(name))
    assert {**charged.metrics} == pytest.approx({**free.metrics}, rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("alone", [False, True])
def test_slices_and_tapes_of_one_row_charge_each_bar_once(monkeypatch, alone):
    def grown_by_two(array, filled):
        larger = records(np.empty(len(array) + 2, array.dtype))
        larger[:filled] = array[:filled]
        return larger

    monkeypatch.setattr(kernel_book, "grown", grown_by_two)
    bars = min(BARS, 300)
    panel = walk(3, bars, weekdays(bars))
    config = Config(allow_short_selling=True, lot=0, **RATES)
    whole = run_backtest(panel, both_ways(panel), config=config)
    inputs = encode(panel, both_ways(panel), config)
    # where other tapes have to grow as well, that of charges often does with them
    rows = tape_rows(inputs)
    small = (
        rows | {"charges": 1} if alone else dict.fromkeys(rows, 1) | {name: rows[name] for name in ("gross", "margin")}
    )
    book, tape = new_account(inputs.market, inputs.intents, bars, small)
    market, intents = readable(inputs.market), readable(inputs.intents)
    done, rng = 0, np.random.default_rng(3)
    while done < bars:
        edge = min(bars, done + int(rng.integers(1, 90)))
        while done < edge:
            done = entries.advance(market, intents, records(inputs.params), book, tape, done, edge)
            charges = plain(tape.charges)[: plain(book.state)["charges"][0]]
            assert (charges["bar"] < done).all(), "whoever stops here has the account of the bar before"
            if done < edge:
                book, tape = grow(book, tape)
    charged = plain(tape.charges)[: plain(book.state)["charges"][0]]
    assert len(charged) == whole.charges.height
    assert charged["amount"].sum() == pytest.approx(whole.charges["amount"].sum(), rel=1e-12)
    assert np.array_equal(plain(tape.equity)["equity"], whole.equity["equity"].to_numpy())


@pytest.mark.parametrize("keep", ["metrics", "equity", "trades"])
def test_a_row_of_a_sweep_is_its_single_run(keep):
    panel = walk(2, bars=min(BARS, 400))
    base = Config(allow_short_selling=True, lot=0)
    grid = {"borrow_fee": [0.0, 0.3], "credit_rate": [0.0, 0.04], "debit_rate": [0.06], "periods_per_year": [None, 100]}
    rows: SweepResult = sweep(panel, both_ways(panel), base, grid, keep=keep, progress=False)
    for row in range(len(rows)):
        given = {name: rows.table[name][row] for name in grid}
        single = run_backtest(panel, both_ways(panel), config=base.replace(**given))
        for name in ("final_value", "total_interest", "total_borrow_fees", "sharpe", "max_drawdown"):
            assert rows.table[name][row] == single.metrics[name], name
    assert rows.table["total_interest"].n_unique() > 2


@pytest.mark.parametrize(("split", "values"), [("max_stale", [20, 5, 5]), ("allow_short_selling", [False, True, True])])
def test_rows_of_other_days_are_not_run_together(split, values):
    """The first row of the second group has no rates, and another number of bars a year than the last."""
    panel = walk(2, bars=60)
    buys = Signals.from_arrays(*np.arange(120).reshape(2, 60, 1).repeat(2, axis=2) % 40 == 0, size=0.4)
    settings = [(252.0, 0.05), (12.0, 0.0), (252.0, 0.05)]
    grid = [
        {split: value, "periods_per_year": bars, "credit_rate": rate}
        for value, (bars, rate) in zip(values, settings, strict=True)
    ]
    rows = sweep(panel, buys, Config(lot=0), grid, progress=False)
    for row, given in enumerate(grid):
        single = run_backtest(panel, buys, config=Config(lot=0, **given))
        assert rows.table["total_interest"][row] == single.metrics["total_interest"]
    assert rows.table["total_interest"][2] > 0


def test_few_assets_of_a_wide_panel_keep_their_names():
    panel = walk(100, bars=20)
    orders = Orders(pl.DataFrame({"timestamp": [1, 4], "symbol": ["A90", "A7"], "quantity": [-3.0, -5.0]}))
    result = run_backtest(panel, orders, config=Config(allow_short_selling=True, borrow_fee=0.1))
    first = result.charges.group_by("symbol").agg(pl.col("timestamp").min(), pl.len()).sort("symbol")
    assert first.rows() == [("A7", 6, 14), ("A90", 3, 17)]
    assert result.charges.filter(pl.col("kind") == "interest").height == 0


def test_charges_are_stored_with_the_result(tmp_path):
    panel = walk(2, bars=100, timestamps=weekdays(100))
    result = run_backtest(panel, both_ways(panel), config=Config(allow_short_selling=True, **RATES))
    result.to_parquet(tmp_path / "run")
    assert Result.from_parquet(tmp_path / "run").charges.equals(result.charges)
    assert result.charges.height > 100


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("value", [-0.01, 1.0, 5.0])
def test_rates_are_fractions(name, value):
    with pytest.raises(ConfigError, match=f"{name}={value}.*0 <= x < 1"):
        Config(**{name: value})
