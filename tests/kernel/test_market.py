"""What the kernel reads of a panel besides prices, and how its tapes grow: plain NumPy (clauses 1.4, 1.7, 6.1, 7.1)."""

import numpy as np

from ml4t_kernel import schema
from ml4t_kernel.book import grow, new_book, new_tape
from ml4t_kernel.market import previous_volume, session_end, stale_rows, volatility
from ml4t_kernel.schema import ACTION, Tape

NAN = np.nan


def column(*values):
    return np.array(values, dtype=np.float64)[:, None]


def split(bar, ratio):
    rows = np.zeros(1, ACTION)
    rows["bar"], rows["kind"], rows["value"] = bar, schema.ActionKind.SPLIT, ratio
    return rows


NONE = np.zeros(0, ACTION)


def test_a_session_ends_with_the_first_bar_of_the_next():
    assert session_end(np.array([0, 0, 1, 3, 3])).tolist() == [2, 2, 3, 5, 5]


def test_stale_is_the_last_bar_of_the_nth_session_without_one():
    close = column(NAN, 1, NAN, NAN, NAN, NAN, 1, NAN)
    sessions = np.array([0, 0, 1, 1, 2, 2, 3, 4])
    assert stale_rows(close, sessions, 2)["bar"].tolist() == [5]
    assert stale_rows(close, sessions, 1)["bar"].tolist() == [3, 7]
    assert len(stale_rows(close, sessions, None)) == 0
    assert len(stale_rows(column(NAN, NAN, 1), np.arange(3), 1)) == 0  # not before its first bar


def test_the_previous_volume_is_that_of_the_assets_last_bar_in_todays_shares():
    close = column(1, NAN, 1, 1)
    volume = column(100, NAN, 300, 400)
    assert previous_volume(volume, close, NONE)[:, 0].tolist() == [0.0, 100.0, 100.0, 300.0]
    assert previous_volume(volume, close, split(1, 2.0))[:, 0].tolist() == [0.0, 200.0, 200.0, 300.0]


def test_volatility_is_that_of_returns_before_the_bar():
    close = column(100, 110, 99, 99, 99)
    spread = np.std([0.1, -0.1], ddof=1)
    found = volatility(close, NONE, 2)[:, 0]
    np.testing.assert_allclose(found, [0, 0, 0, spread, np.std([-0.1, 0.0], ddof=1)], atol=1e-12)
    np.testing.assert_allclose(volatility(close, NONE, 3)[4, 0], np.std([0.1, -0.1, 0.0], ddof=1))
    halved = volatility(column(100, 110, 49.5, 49.5, 49.5), split(2, 2.0), 2)[:, 0]
    np.testing.assert_allclose(halved, found, atol=1e-12)


def test_a_grown_tape_keeps_its_rows():
    tape = new_tape(3, dict.fromkeys((name for name in Tape._fields if name != "equity"), 2))
    book = new_book(1, 0, 1)
    tape.fills["price"][:2] = (7.0, 8.0)
    book.state["fills"], book.state["cash"] = 2, 50.0
    book, larger = grow(book, tape)
    assert larger.fills["price"][:2].tolist() == [7.0, 8.0]
    assert len(larger.fills) > 2
    assert book.state["cash"][0] == 50.0
