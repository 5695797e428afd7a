"""Tapes and queues too small for what comes grow before a bar is touched, whatever the bar goes on to write."""

import random

import numpy as np
import polars as pl
import pytest

import bounds
from contract.by_hand import ends, fills, order, orders
from facade import Config, Orders, Panel, Signals, TargetWeights, run_backtest
from facade import execute as running
from facade.encode.inputs import encode
from ml4t_kernel import book as kernel_book
from ml4t_kernel.modes import INTERPRETED
from ml4t_kernel.schema import Origin

ASSETS = 12
WRITTEN = ("orders", "fills", "trades", "equity", "ambiguous", "booked", "charges", "incidents")


def test_every_integer_of_the_state_is_a_cursor_or_a_counter_to_the_checks_of_the_suite():
    assert bounds.unclassified() == set()


@pytest.mark.parametrize("name", ["orders", "details", "trades", "held", "event", "intent", "live", "bar", "fresh"])
def test_a_cursor_beyond_its_array_is_noticed(name):
    inputs = encode(*both_sides(), Config())
    book, tape = running.prepare(inputs)
    state = kernel_book.plain(book.state)
    state["details"] = 1  # row 0 is always there
    bounds.assert_cursors_within(book.state, inputs.market, inputs.intents, inputs.params, book, tape)
    for wrong in (-1, 10**9):
        state[name] = wrong
        with pytest.raises(AssertionError, match=f"state.{name} is"):
            bounds.assert_cursors_within(book.state, inputs.market, inputs.intents, inputs.params, book, tape)


@pytest.mark.parametrize(("place", "where"), [(-1, "before the first row"), (0, "beyond the last row")])
def test_what_is_written_beside_an_array_is_noticed(place, where):
    book = kernel_book.new_book(2, 0, 0)
    bounds.assert_guards_hold(book)
    at = book.queue.ctypes.data - book.queue.base.ctypes.data + (book.queue.nbytes if place == 0 else 0)
    book.queue.base[at + place] = 0
    with pytest.raises(AssertionError, match=f"{where} of Book.queue"):
        bounds.assert_guards_hold(book)


# The first size of a tape --------------------------------------------------------------------------------------------


def both_sides():
    """Every asset flat, with a buy limit below and a buy stop above that the second bar both reaches."""
    prices = np.full((3, ASSETS), 10.0)
    panel = Panel.from_arrays(prices, prices + 1, prices - 1, prices, np.full(prices.shape, 1e6))
    names = [f"A{a}" for a in range(ASSETS)]
    limits = pl.DataFrame({"timestamp": 0, "symbol": names, "quantity": 1.0, "type": "limit", "limit_price": 9.5})
    stops = pl.DataFrame({"timestamp": 0, "symbol": names, "quantity": 1.0, "type": "stop", "stop_price": 10.5})
    return panel, Orders(pl.concat([limits, stops], how="diagonal"))


@pytest.mark.parametrize("small", [("ambiguous",), ("ambiguous", "fills", "trades")])
def test_ambiguous_bars_of_orders_decided_the_bar_before_have_room(monkeypatch, small):
    """Orders that go live on a bar may make one row an asset there, though none was waiting when room was checked.

    Alone too: a tape that asks for more fills gets more of everything.
    """
    new_tape = kernel_book.new_tape
    monkeypatch.setattr(
        running.kernel_book, "new_tape", lambda bars, rows: new_tape(bars, {**rows, **dict.fromkeys(small, 4)})
    )
    panel, strategy = both_sides()
    result = run_backtest(panel, strategy, config=Config(max_participation=None))
    assert result.ambiguous_bars.height == ASSETS
    assert result.fills.height == 2 * ASSETS


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_the_first_size_of_a_tape_changes_no_result(monkeypatch, rows):
    panel, strategy = both_sides()
    whole = run_backtest(panel, strategy, config=Config(max_participation=None))
    new_tape = kernel_book.new_tape
    tables = ("orders", "details", "fills", "trades", "ambiguous", "booked", "charges", "incidents")
    small = dict.fromkeys(tables, rows)
    monkeypatch.setattr(running.kernel_book, "new_tape", lambda bars, given: new_tape(bars, {**given, **small}))
    again = run_backtest(panel, strategy, config=Config(max_participation=None))
    for name in ("orders", "fills", "equity", "ambiguous_bars"):
        assert whole.frame(name).equals(again.frame(name))


# Queues and tapes of minimal size, over thousands of bars ------------------------------------------------------------

BARS = 120 if INTERPRETED else 2500
QUEUES = ("queue", "exits", "entries", "key_rank", "amounts")


def make_minimal(monkeypatch):
    """No row to spare: two rows an asset in the queues, one in each tape, and as few more as the kernel asks for.

    The guards of the suite lie right behind the last row: what is written beyond it is noticed, and what reads it
    there differs from the roomy run.
    """
    new_book, new_tape = kernel_book.new_book, kernel_book.new_tape

    def minimal_book(assets, intents, orders):
        book = new_book(assets, intents, 0)
        cut = {name: bounds.guarded(getattr(book, name)[: 2 * assets], 0) for name in QUEUES}
        return book._replace(**cut)

    def minimal_tape(bars, rows):
        return new_tape(bars, dict.fromkeys(rows, 1) | {name: rows[name] for name in ("gross", "margin")})

    def minimally_grown(array, filled):
        more = 1 if filled == 0 else 64  # a step of one row would copy the tapes of a long run at every order
        larger = np.empty(len(array) + more, array.dtype)
        larger[:filled] = array[:filled]
        return bounds.guarded(larger, filled)

    monkeypatch.setattr(kernel_book, "new_book", minimal_book)
    monkeypatch.setattr(kernel_book, "new_tape", minimal_tape)
    monkeypatch.setattr(kernel_book, "grown", minimally_grown)


def both_sizes(panel, strategy, config):
    """The run from books and tapes of minimal size; it has every row of the run that never has to grow."""
    inputs = encode(panel, strategy, config)
    with pytest.MonkeyPatch.context() as small:
        make_minimal(small)
        run = running.execute(panel, config, inputs, False, ())
    roomy = running.execute(panel, config, inputs, False, ())
    for name in WRITTEN:
        assert_same_rows(name, written(run, name), written(roomy, name))
    return run


def written(run, name):
    return getattr(run.tape, name)[: run.bars if name == "equity" else run.state[name]]


def assert_same_rows(name, one, other):
    """Bit for bit, but for fields that only fill a row up to its size."""
    assert len(one) == len(other)
    for field in one.dtype.names:
        if not field.startswith("pad"):
            assert one[field].tobytes() == other[field].tobytes(), f"{name}.{field}"


def walks(assets, bars=BARS, seed=0):
    """A panel of random walks with thin bars and missing ones, and two dividends."""
    rng = np.random.default_rng(seed)
    close = 20.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, (bars, assets)), axis=0))
    open_ = close * np.exp(rng.normal(0.0, 0.005, close.shape))
    high = np.maximum(open_, close) * (1.0 + np.abs(rng.normal(0.0, 0.01, close.shape)))
    low = np.minimum(open_, close) * (1.0 - np.abs(rng.normal(0.0, 0.01, close.shape)))
    gone = rng.random(close.shape) < 0.03
    gone[0] = False
    fields = [np.where(gone, np.nan, field) for field in (open_, high, low, close)]
    volume = np.where(gone, np.nan, rng.integers(20, 2000, close.shape))
    events = [(bars // 3, "A0", "dividend", 0.05), (bars // 2, "A1", "dividend", 0.02)]
    actions = pl.DataFrame(events, schema=["ex_date", "symbol", "kind", "value"], orient="row")
    return Panel.from_arrays(*fields, volume, actions=actions)


def brackets(panel, seed=0):
    """Orders of every type and time in force, on every bar: parents with children, groups, cancels, replacements."""
    rng, close = random.Random(seed), panel.close
    rows, known = [], []
    for bar in range(panel.shape[0]):
        for asset, symbol in enumerate(panel.symbols):
            price = close[bar, asset]
            if price != price or rng.random() < 0.4:
                continue
            side, name = rng.choice((1, -1)), f"{bar}-{symbol}"
            entry = rng.choice(({}, {}, {"limit": price * (1 - 0.01 * side)}, {"stop": price * (1 + 0.01 * side)}))
            rows.append(order(bar, side * rng.randint(1, 30), symbol, id=name, **in_force(rng), **entry))
            for level in rng.sample(("limit", "stop", "trail"), rng.randint(0, 3)):
                away = rng.choice((0.0, 0.005, 0.02, 0.2)) * side * (1 if level == "limit" else -1)
                price_of = {level: price * (1 + away) if level != "trail" else 0.02 * price}
                child, quantity = f"{name}-{level}", -side * rng.randint(1, 30)
                rows.append(order(bar, quantity, symbol, parent=name, id=child, **in_force(rng), **price_of))
                known.append((symbol, child, quantity))
            if rng.random() < 0.2:
                pair = {"group": f"{name}-pair", "symbol": symbol}
                rows += [order(bar, -5.0, limit=price * 1.03, **pair), order(bar, -5.0, stop=price * 0.97, **pair)]
            if known and rng.random() < 0.3:
                symbol_of, target, was = known[rng.randrange(max(0, len(known) - 12), len(known))]
                change = rng.choice(({"action": "cancel"}, {"action": "replace", "quantity": 2 * was}))
                rows.append(order(bar, symbol=symbol_of, id=target, **change))
    return orders(*rows)


def in_force(rng):
    """A time in force that orders of all types may have."""
    kind = rng.choice(("gtc", "gtc", "day", "bars", "ioc"))
    return {"time_in_force": kind, **({"bars": rng.randint(1, 90)} if kind == "bars" else {})}


@pytest.mark.parametrize("timing", ["next_bar", "same_bar_close"])
@pytest.mark.parametrize("short", [False, True])
def test_brackets_and_groups_of_thousands_of_bars_have_room(timing, short):
    panel = walks(3)
    config = Config(timing=timing, allow_short_selling=short, max_participation=0.1, cooldown=2, max_stale=3)
    run = both_sizes(panel, brackets(panel), config)
    assert len(run.fills) > BARS
    assert {Origin.CHILD, Origin.ORDER} <= set(run.fills["origin"])


@pytest.mark.parametrize("timing", ["next_bar", "same_bar_close"])
def test_rules_of_positions_opened_by_signals_have_room(timing):
    panel = walks(5)
    rng = np.random.default_rng(1)
    flags = [rng.random(panel.shape) < chance for chance in (0.2, 0.05, 0.2, 0.05)]
    strategy = Signals.from_arrays(*flags, size=20, size_type="shares", accumulate=True)
    rules = {"stop_loss": 0.02, "take_profit": 0.02, "trailing_stop": 0.03, "break_even": 0.01, "time_exit": 3}
    config = Config(timing=timing, allow_short_selling=True, max_participation=0.1, entry_bar="assumed", **rules)
    run = both_sizes(panel, strategy, config)
    assert {Origin.STOP_LOSS, Origin.TAKE_PROFIT, Origin.TIME_EXIT} <= set(run.fills["origin"])


def test_rebalances_of_every_asset_have_room():
    panel = walks(ASSETS)
    weights = np.random.default_rng(2).dirichlet(np.ones(ASSETS), panel.shape[0])
    config = Config(max_participation=0.05, stop_loss=0.03)
    run = both_sizes(panel, TargetWeights.from_array(weights), config)
    assert len(run.fills) > BARS


def test_children_born_at_the_deciding_close_of_every_bar_have_room():
    """Each child is live at once for a walk that is over, so it is listed for none: the list of a walk stays empty."""
    bars = 120 if INTERPRETED else 1200
    prices = np.full((bars, 1), 100.0)
    panel = Panel.from_arrays(prices, prices, prices, prices)
    rows = []
    for bar in range(bars):
        rows.append(order(bar, 1.0, "A0", id=f"{bar}"))
        rows.append(order(bar, -1.0, "A0", parent=f"{bar}", stop=10.0, time_in_force="bars", bars=1))
    config = Config(timing="same_bar_close", max_participation=None, initial_cash=1e6)
    with pytest.MonkeyPatch.context() as small:
        make_minimal(small)
        result = run_backtest(panel, orders(*rows), config=config)
    assert fills(result) == [(bar, 1.0, 100.0) for bar in range(bars)]
    # born at the close of t, it lives on bar t + 1 and expires before t + 2; the last two are alive
    children = ends(result)[1::2]
    assert children == [("expired", "expired", 0.0)] * (bars - 2) + [("live", None, 0.0)] * 2
    assert result.orders["end_timestamp"].to_list()[1::2][:-2] == list(range(2, bars))
