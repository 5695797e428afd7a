"""Windows never overlap where they must not, lie in order, and cover what they promise, whatever the sizes."""

from datetime import date, datetime, timedelta
from math import comb

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade.data.panel import Panel
from facade.errors import DataError
from facade.sweeps.studies.splits import Split, Window, purged_splits, walk_forward_splits


def weekdays(start, end):
    every = pl.date_range(start, end, "1d", eager=True)
    return every.filter(every.dt.weekday() <= 5)


def picture(split, bars):
    """T trained on, o tested on, . neither."""
    line = ["."] * bars
    for mark, windows in (("T", split.train), ("o", split.test)):
        for window in windows:
            line[window.slice] = mark * window.bars
    return "".join(line)


# ---- worked by hand


def test_the_pictures_of_the_docstring():
    rolling = [picture(split, 34) for split in walk_forward_splits(34, 12, 9, purge=2)]
    assert rolling == [
        "TTTTTTTTTT..ooooooooo.............",
        ".........TTTTTTTTTT..ooooooooo....",
        "..................TTTTTTTTTT..oooo",
    ]
    anchored = [picture(split, 34) for split in walk_forward_splits(34, 12, 9, purge=2, anchored=True)]
    assert anchored == [
        "TTTTTTTTTT..ooooooooo.............",
        "TTTTTTTTTTTTTTTTTTT..ooooooooo....",
        "TTTTTTTTTTTTTTTTTTTTTTTTTTTT..oooo",
    ]
    assert picture(purged_splits(30, 3, purge=2, embargo=1)[1], 30) == "TTTTTTTT..oooooooooo...TTTTTTT"


def test_steps_and_whole_windows():
    overlapping = walk_forward_splits(10, 4, 4, 2)
    assert [split.test[0] for split in overlapping] == [(4, 7), (6, 9), (8, 9)]
    apart = walk_forward_splits(20, 4, 2, 6)
    assert [(split.train[0], split.test[0]) for split in apart] == [
        ((0, 3), (4, 5)),
        ((6, 9), (10, 11)),
        ((12, 15), (16, 17)),
    ]
    assert [split.test[0] for split in walk_forward_splits(10, 4, 4, whole=True)] == [(4, 7)]
    assert [split.test[0] for split in walk_forward_splits(12, 4, 4, whole=True)] == [(4, 7), (8, 11)]


def test_calendar_durations_begin_on_the_same_day_of_each_year():
    days = weekdays(date(2015, 1, 5), date(2020, 1, 3))
    splits = walk_forward_splits(days, "2y", "1y")
    starts = [days[split.test[0].first] for split in splits]
    assert starts == [date(2017, 1, 5), date(2018, 1, 5), date(2019, 1, 7)]  # the 5th of January 2019 is a Saturday
    assert [days[split.train[0].first] for split in splits] == [date(2015, 1, 5), date(2016, 1, 5), date(2017, 1, 5)]
    assert days[splits[-1].test[0].last] == date(2020, 1, 3)
    # The data end two days (a weekend) before the year does: the window is whole.
    assert walk_forward_splits(days, "2y", "1y", whole=True) == splits
    assert walk_forward_splits(days[:-60], "2y", "1y", whole=True) == splits[:-1]


def test_months_do_not_drift():
    days = pl.date_range(date(2020, 1, 31), date(2020, 8, 30), "1d", eager=True)
    splits = walk_forward_splits(days, "1mo", "1mo")
    starts = [days[split.test[0].first] for split in splits]
    assert starts == [days.filter(days.dt.month() == month)[-1] for month in range(2, 8)]
    compound = walk_forward_splits(days, "1mo15d", "1mo")
    assert days[compound[0].test[0].first] == date(2020, 3, 15)


def test_bars_and_durations_mix_and_time_zones_hold():
    times = pl.datetime_range(datetime(2024, 3, 25), datetime(2024, 4, 5), "1h", time_zone="Europe/Berlin", eager=True)
    splits = walk_forward_splits(times, "3d", 24, purge="2h")
    first = splits[0]
    assert times[first.test[0].first].isoformat() == "2024-03-28T00:00:00+01:00"
    assert first.test[0].bars == 24 and first.train[0] == (0, 3 * 24 - 3)
    daily = walk_forward_splits(times, 24, "1d")
    assert [split.test[0].bars for split in daily[:6]] == [24] * 4 + [24, 23]  # the clocks change on March 31st
    panel = Panel.from_arrays(*[np.ones(len(times))] * 4, timestamps=times)
    assert walk_forward_splits(panel, "3d", 24, purge="2h") == splits


def test_holes_in_the_data_give_no_fold():
    days = pl.concat([pl.date_range(date(2020, 1, 1), date(2020, 3, 31), "1d", eager=True)] * 1)
    days = days.filter(~days.is_between(date(2020, 2, 10), date(2020, 2, 20)))
    splits = walk_forward_splits(days, "4w", "4d", anchored=True)
    covered = np.concatenate([split.test_bars for split in splits])
    np.testing.assert_array_equal(covered, np.arange(28, len(days)))
    with pytest.raises(DataError, match="train='4d' .* no bar to train on before bar 40"):
        walk_forward_splits(days, "4d", "4d")


def test_purge_and_embargo_as_durations():
    days = weekdays(date(2020, 1, 6), date(2020, 2, 14))  # six whole weeks
    by_bars, by_days = (purged_splits(days, 3, purge=size, embargo=2) for size in (1, "1d"))
    assert by_bars[1].train == ((0, 8), (23, 29))
    # Tests begin on Mondays: the day before is a Sunday, so no bar is dropped there; after Friday comes Monday.
    assert by_days[1].train == ((0, 9), (23, 29))


def test_combinatorial_splits():
    splits = purged_splits(12, 6, 2)
    assert len(splits) == comb(6, 2)
    assert splits[0] == Split((Window(4, 11),), (Window(0, 3),))  # neighbours are one window
    assert splits[1] == Split((Window(2, 3), Window(6, 11)), (Window(0, 1), Window(4, 5)))
    tested = np.bincount(np.concatenate([split.test_bars for split in splits]))
    assert (tested == comb(5, 1)).all()
    assert [window.bars for split in purged_splits(11, 3) for window in split.test] == [4, 4, 3]


def test_repr_and_arrays():
    split = walk_forward_splits(2_000, 1_200, 800)[0]
    assert repr(split) == "Split(train 0 to 1,199; test 1,200 to 1,999)"
    np.testing.assert_array_equal(split.train_bars, np.arange(1_200))
    assert split.test[0].bars == 800
    values = np.arange(2_000)
    assert values[split.test[0].slice][0] == 1_200


# ---- always true


@settings(max_examples=200)
@given(st.data())
def test_walk_forward_never_looks_ahead_and_covers_the_rest(data):
    bars = data.draw(st.integers(2, 120))
    train = data.draw(st.integers(1, bars - 1))
    test = data.draw(st.integers(1, bars))
    step = data.draw(st.none() | st.integers(1, bars))
    purge = data.draw(st.integers(0, train - 1))
    anchored = data.draw(st.booleans())
    splits = walk_forward_splits(bars, train, test, step, anchored=anchored, purge=purge)
    for fold, split in enumerate(splits):
        (learned,), (tested,) = split.train, split.test
        assert 0 <= learned.first <= learned.last < tested.first <= tested.last < bars
        assert tested.first - learned.last - 1 == purge
        assert tested.first == train + fold * (step or test)
        assert learned.first == 0 if anchored else learned.bars == train - purge
        assert tested.bars == min(test, bars - tested.first)
    if step is None:
        np.testing.assert_array_equal(np.concatenate([s.test_bars for s in splits]), np.arange(train, bars))
    whole = [split for split in splits if split.test[0].bars == test]
    if whole:
        assert list(walk_forward_splits(bars, train, test, step, anchored=anchored, purge=purge, whole=True)) == whole


@settings(max_examples=100)
@given(st.data())
def test_durations_never_look_ahead_either(data):
    gaps = data.draw(st.lists(st.integers(1, 5), min_size=20, max_size=80))
    days = pl.Series(np.cumsum(gaps), dtype=pl.Int32).cast(pl.Date)
    train, test = data.draw(st.integers(10, 30)), data.draw(st.integers(5, 40))
    purge = data.draw(st.integers(0, 4))
    splits = walk_forward_splits(days, f"{train}d", f"{test}d", purge=f"{purge}d" if purge else 0)
    for split in splits:
        (learned,), (tested,) = split.train, split.test
        assert learned.last < tested.first <= tested.last
        assert (days[tested.first] - days[learned.last]).days > purge
        assert (days[learned.last] - days[learned.first]).days < train
        assert (days[tested.last] - days[tested.first]).days < test
    start = int((days - days[0]).dt.total_days().search_sorted(train))
    np.testing.assert_array_equal(np.concatenate([s.test_bars for s in splits]), np.arange(start, len(days)))


@settings(max_examples=150)
@given(st.data())
def test_purged_splits_are_disjoint_and_test_everything(data):
    bars = data.draw(st.integers(8, 100))
    groups = data.draw(st.integers(2, 6))
    tests = data.draw(st.integers(1, groups - 1))
    purge, embargo = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    try:
        splits = purged_splits(bars, groups, tests, purge=purge, embargo=embargo)
    except DataError as error:
        assert "leave no bar to train on" in str(error)
        return
    assert len(splits) == comb(groups, tests)
    for split in splits:
        learned, tested = split.train_bars, split.test_bars
        assert not set(learned) & set(tested)
        assert (np.diff(learned) > 0).all() and (np.diff(tested) > 0).all()
        for window in split.test:
            before, after = learned[learned < window.first], learned[learned > window.last]
            assert not len(before) or window.first - before[-1] > purge
            assert not len(after) or after[0] - window.last > purge + embargo
        near = np.zeros(bars, dtype=bool)
        for window in split.test:
            near[max(0, window.first - purge) : window.last + purge + embargo + 1] = True
        np.testing.assert_array_equal(learned, np.flatnonzero(~near))
    tested = np.bincount(np.concatenate([split.test_bars for split in splits]), minlength=bars)
    assert (tested == comb(groups - 1, tests - 1)).all()


# ---- refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 10, 2), "train=10 and test=2 do not fit into 10 bars"),
        ((10, 0, 2), "train=0 is not allowed; it must be at least 1 bars"),
        ((10, 2, 0), "test=0"),
        ((10, 2, True), "test=True is not allowed; it is a number of bars"),
        ((10, 2, 2, 0), "step=0"),
        ((10, "2d", 2), "train='2d' needs the timestamps"),
        ((10, 2.5, 2), "train=2.5 is not allowed"),
        ((0, 2, 2), "bars=0"),
        ((weekdays(date(2020, 1, 1), date(2020, 3, 1)), "3 weeks", 2), "train='3 weeks' is not allowed"),
        ((weekdays(date(2020, 1, 1), date(2020, 3, 1)), "3d4h", 2), "train='3d4h' is finer than the bars"),
        ((weekdays(date(2020, 1, 1), date(2020, 3, 1)), "0d", 2), "train='0d' .* longer than nothing"),
        ((weekdays(date(2020, 1, 1), date(2020, 3, 1)), "1y", 2), "train='1y' and test=2 do not fit into 43 bars"),
    ],
)
def test_sizes_that_cannot_be_laid_out_are_named(arguments, message):
    with pytest.raises(DataError, match=message):
        walk_forward_splits(*arguments)


def test_other_refusals(monkeypatch):
    with pytest.raises(DataError, match="train=3 with purge=3 leaves no bar to train on before bar 3"):
        walk_forward_splits(10, 3, 2, purge=3)
    with pytest.raises(DataError, match="purge=-1"):
        walk_forward_splits(10, 3, 2, purge=-1)
    times = pl.Series([datetime(2020, 1, 1) + timedelta(days=30 * day) for day in range(3)])
    monkeypatch.setattr("facade.sweeps.studies.splits.MOST_SPLITS", 100)
    with pytest.raises(DataError, match="step='1s' is too short: more than 100 folds"):
        walk_forward_splits(times, 1, 1, "1s")
    with pytest.raises(DataError, match="groups=1 .* 2 to the number of bars, 10"):
        purged_splits(10, 1)
    with pytest.raises(DataError, match="tests=3 .* 1 to groups - 1 = 2"):
        purged_splits(10, 3, 3)
    with pytest.raises(DataError, match="purge=9 and embargo=0 leave no bar"):
        purged_splits(10, 2, purge=9)
    with pytest.raises(DataError, match="155,117,520 splits; at most 100"):
        purged_splits(100, 30, 15)
