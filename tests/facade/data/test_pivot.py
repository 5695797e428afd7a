"""Long rows to dense arrays: equal to a dict of cells for any order, gaps and key spacing; validation of the result."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.data import pivot as pivot_module
from facade.data.load import Long
from facade.data.load_panel import load_panel
from facade.data.panel import Panel
from facade.data.pivot import pivot
from facade.errors import DataError

START = dt.datetime(2024, 1, 1)


def long_frame(cells, unit="us"):
    """Rows ((minute, symbol), value) as a frame with one value column."""
    return pl.DataFrame(
        {
            "timestamp": pl.Series([START + dt.timedelta(minutes=t) for (t, _), _ in cells], dtype=pl.Datetime(unit)),
            "symbol": pl.Series([s for (_, s), _ in cells], dtype=pl.Categorical),
            "x": pl.Series([v for _, v in cells], dtype=pl.Float64),
        }
    )


@st.composite
def cell_lists(draw):
    """Distinct cells in any order, on even or wildly uneven times."""
    times = st.one_of(st.integers(0, 30), st.integers(0, 5_000_000))
    keys = st.tuples(times, st.sampled_from(["b", "a", "zz", "C"]))
    cells = draw(st.dictionaries(keys, st.one_of(st.none(), st.floats(1, 9)), min_size=1, max_size=40))
    return draw(st.permutations(list(cells.items())))


@given(cell_lists(), st.sampled_from(["ms", "us", "ns"]), st.integers(1, 7), st.booleans())
def test_pivot_equals_a_dict_of_cells(cells, unit, chunk, split):
    data = long_frame(cells, unit)
    if split and len(data) > 1:
        data = pl.concat([data[:1], data[1:]], rechunk=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pivot_module, "_CHUNK", chunk)
        grid, duplicates = pivot(Long(data))
    known = dict(cells)
    times, symbols = sorted({t for t, _ in known}), sorted({s for _, s in known})
    assert duplicates == 0
    assert grid.symbols == tuple(symbols)
    assert grid.timestamps.to_list() == [START + dt.timedelta(minutes=t) for t in times]
    expected = [[known.get((t, s)) for s in symbols] for t in times]
    np.testing.assert_array_equal(grid.arrays["x"], np.array(expected, dtype=np.float64))


@given(st.permutations(range(12)))
def test_the_order_of_rows_does_not_matter(order):
    cells = [((t, s), float(10 * t + i)) for t in range(4) for i, s in enumerate("abc")]
    grid, _ = pivot(Long(long_frame([cells[i] for i in order])))
    assert grid.arrays["x"].tolist() == [[10.0 * t + i for i in range(3)] for t in range(4)]


def test_duplicates_are_refused_or_the_last_one_kept():
    cells = [((0, "a"), 1.0), ((1, "a"), 2.0), ((0, "a"), 3.0), ((1, "b"), 4.0), ((1, "a"), 5.0)]
    with pytest.raises(DataError, match=r"must be unique: symbol 'a', 2024-01-01 00:00:00; 1 more offender\. repair="):
        pivot(Long(long_frame(cells)))
    grid, duplicates = pivot(Long(long_frame(cells)), keep_last=True)
    assert duplicates == 2
    np.testing.assert_array_equal(grid.arrays["x"], [[3.0, np.nan], [5.0, 4.0]])


def test_sorted_duplicates_are_found_too():
    with pytest.raises(DataError, match="must be unique"):
        pivot(Long(long_frame([((0, "a"), 1.0), ((0, "a"), 1.0)])))


def test_too_large_a_panel_is_refused_before_allocating(monkeypatch):
    monkeypatch.setattr(pivot_module, "available_memory", lambda: 31)
    cells = [((0, "a"), 1.0), ((1, "b"), 2.0)]
    with pytest.raises(DataError, match="too large for memory: 2 bars x 2 symbols x 1 columns"):
        pivot(Long(long_frame(cells)))
    with pytest.raises(DataError, match="too large"):
        Panel.from_arrays(*[np.ones((3, 3))] * 4)
    assert pivot_module.available_memory() == 31


def test_available_memory_is_known_or_none():
    free = pivot_module.available_memory()
    assert free is None or free > 1_000_000


def prices(**changes):
    base = {
        "timestamp": [dt.date(2024, 1, day) for day in (2, 3, 4)],
        "symbol": ["A"] * 3,
        "open": [10.0, 11.0, 12.0],
        "high": [12.0, 13.0, 14.0],
        "low": [9.0, 10.0, 11.0],
        "close": [11.0, 12.0, 13.0],
        "volume": [1.0, 2.0, 3.0],
    }
    return pl.DataFrame(base | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"low": [9.0, -1.0, 0.0]}, "price must be positive: symbol 'A', 2024-01-03, column 'low', value -1.0; 1 more"),
        ({"high": [12.0, 13.0, np.inf]}, "price must be finite: symbol 'A', 2024-01-04, column 'high', value inf$"),
        ({"high": [10.5, 13.0, 14.0]}, r"high must be at least max.*2024-01-02.*value 10.5 \(open 10.0, close 11.0\)"),
        ({"low": [9.0, 11.5, 11.0]}, r"low must be at most min.*2024-01-03.*value 11.5 \(open 11.0, close 12.0\)"),
        ({"volume": [1.0, -2.0, 3.0]}, "volume must not be negative.*value -2.0"),
        ({"volume": [1.0, np.inf, 3.0]}, "volume must be finite"),
        ({"open": [10.0, None, 12.0]}, r"a bar with a close must have open.*column 'open', value nan\. repair="),
        ({"high": [np.nan, 13.0, 14.0]}, "column 'high', value nan"),
        ({"close": [11.0, -np.inf, 13.0]}, "price must be positive.*value -inf"),
    ],
)
def test_bad_prices_are_refused_by_symbol_date_column_value_and_rule(changes, message):
    with pytest.raises(DataError, match=message):
        load_panel(prices(**changes))


def test_every_broken_rule_has_its_line():
    with pytest.raises(DataError) as caught:
        load_panel(prices(low=[-1.0, 10.0, 11.0], volume=[1.0, 2.0, -3.0]))
    assert len(str(caught.value).splitlines()) == 2


def test_errors_are_found_beyond_the_first_block():
    close = np.full((40_000, 1), 10.0)
    low = close.copy()
    low[39_999] = 11.0
    with pytest.raises(DataError, match="bar 39999, column 'low', value 11.0"):
        Panel.from_arrays(close, close, low, close)


def test_a_row_without_close_is_no_bar():
    panel = load_panel(prices(close=[11.0, None, 13.0], volume=[1.0, -5.0, 3.0]))
    for name in ("open", "high", "low", "close", "volume"):
        assert np.isnan(getattr(panel, name)).tolist() == [[False], [True], [False]]


def test_repairs_do_what_they_are_called_and_are_counted():
    panel = load_panel(prices(open=[10.0, None, 12.0], low=[9.0, 10.0, None]), repair="flat_from_close")
    assert panel.open.ravel().tolist() == [10.0, 12.0, 12.0]
    assert panel.low.ravel().tolist() == [9.0, 10.0, 12.0]
    assert panel.repairs == {"flat_from_close": 2}
    closes = load_panel(prices().select("timestamp", "symbol", "close"), repair="flat_from_close")
    assert closes.high.tolist() == closes.close.tolist()
    assert not closes.has_volume
    wide = load_panel(prices(high=[10.5, 13.0, 14.0], low=[9.0, 11.5, 11.0]), repair=["widen_range"])
    assert (wide.high[0, 0], wide.low[1, 0], wide.repairs) == (11.0, 11.0, {"widen_range": 2})
    double = pl.concat([prices(), prices(volume=[7.0, 8.0, 9.0])])
    last = load_panel(double, repair=("keep_last", "flat_from_close"))
    assert last.volume.ravel().tolist() == [7.0, 8.0, 9.0]
    assert last.repairs == {"flat_from_close": 0, "keep_last": 3}
