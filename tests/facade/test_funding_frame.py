"""The frame of funding: the bar it is booked before, every refusal by its message, and how it travels."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from facade import DataError, Panel, load_panel
from facade.data.funding import FUNDING

HOURS = [dt.datetime(2024, 1, 1, hour) for hour in (6, 7, 8, 9, 10)]
DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8)]
NAMES = ("BTC", "ETH", "IBM")
PERPETUALS = [{"symbol": "BTC", "kind": "perpetual"}, {"symbol": "ETH", "kind": "perpetual"}]


def at(hour, minute=0, second=0):
    return dt.datetime(2024, 1, 1, hour, minute, second)


def panel(funding=None, times=HOURS, instruments=PERPETUALS, **arguments):
    close = np.full((len(times), 3), 10.0)
    return Panel.from_arrays(
        *[close] * 4, timestamps=times, symbols=NAMES, instruments=instruments, funding=funding, **arguments
    )


def prices(times=HOURS):
    table = {"timestamp": times, **dict.fromkeys(("open", "high", "low", "close"), 10.0)}
    return pl.concat([pl.DataFrame(table).with_columns(symbol=pl.lit(name)) for name in NAMES])


def row(when, symbol="BTC", rate=0.0001):
    return {"timestamp": when, "symbol": symbol, "rate": rate}


def listed(found):
    return [(int(one["bar"]), int(one["asset"]), float(one["rate"])) for one in found.funding_rows]


def bars(found):
    return found.funding_rows["bar"].tolist()


def test_nothing_given_is_no_frame_and_no_rows():
    plain = panel()
    assert plain.funding is None and (plain.funding_before, plain.funding_after) == (0, 0)
    assert plain.funding_rows.dtype == FUNDING and len(plain.funding_rows) == 0
    assert not plain.funding_rows.flags.writeable


def test_whoever_holds_at_the_end_of_the_bar_pays_before_the_next():
    assert bars(panel([row(at(8))])) == [3]
    assert bars(panel([row(at(7, 59, 59))])) == [2]
    assert bars(panel([row(at(8, 0, 1))])) == [3]


def test_rows_of_one_bar_come_in_the_order_of_time_then_of_symbols():
    rows = [row(at(8, 30), rate=0.3), row(at(8), "ETH", 0.2), row(at(8), rate=-0.1), row(at(7), "ETH", 0.4)]
    found = panel(rows)
    assert listed(found) == [(2, 1, 0.4), (3, 0, -0.1), (3, 1, 0.2), (3, 0, 0.3)]
    assert found.funding.columns == ["timestamp", "symbol", "rate"]
    assert found.funding["rate"].to_list() == [0.4, -0.1, 0.2, 0.3] and not found.funding_rows.flags.writeable


def test_what_meets_nobody_is_dropped_and_counted():
    found = panel([row(at(5)), row(at(5, 30)), row(at(6)), row(at(9, 59)), row(at(10)), row(at(11)), row(at(12))])
    assert bars(found) == [1, 4]
    assert (found.funding_before, found.funding_after) == (2, 3) and len(found.funding) == 2
    nothing = panel([row(at(5))])
    assert nothing.funding is not None and len(nothing.funding) == len(nothing.funding_rows) == 0


# Clocks --------------------------------------------------------------------------------------------------------------


def test_a_date_is_the_end_of_its_session():
    daily = [row(day) for day in (DAYS[0], DAYS[3], dt.date(2024, 1, 6), DAYS[4], dt.date(2024, 1, 1))]
    found = panel(daily, times=DAYS)
    assert bars(found) == [1, 4, 4] and (found.funding_before, found.funding_after) == (1, 1)
    hourly = [dt.datetime(2024, 1, day, hour) for day in (2, 3, 5) for hour in (10, 11)]
    found = panel([row(DAYS[0]), row(DAYS[1]), row(DAYS[2])], times=hourly)
    assert bars(found) == [2, 4, 4]


def test_times_on_bars_of_whole_days_are_within_the_day():
    """A bar labelled with a date is complete at the end of it; what is paid at its midnight is paid as it begins."""
    eights = [dt.datetime(2024, 1, day, hour) for day in (2, 3, 6) for hour in (0, 8, 16)]
    found = panel([row(when) for when in eights], times=DAYS)
    assert bars(found) == [1, 1, 1, 4, 4, 4] and found.funding_before == 3
    # So it is where the same days are bars of 24 hours, labelled by their begin.
    midnights = [dt.datetime(2024, 1, day) for day in (2, 3, 4, 5, 6)]
    moved = panel([row(when) for when in eights], times=midnights, bar_label="open")
    days = panel([row(when) for when in eights], times=[when.date() for when in midnights])
    assert bars(moved) == bars(days) == [1, 1, 1, 4, 4, 4]


def test_labels_that_are_begins_do_not_move_clock_times():
    """The bar labelled 08:00 is complete at 09:00: what is paid at 08:00 is paid before it."""
    assert bars(panel([row(at(8))], bar_label="open")) == [2]
    assert bars(panel([row(at(8))])) == [3]


def test_minute_bars_and_finer_units():
    minutes = pl.datetime_range(at(0), at(1), "1m", time_unit="ms", eager=True)
    close = np.full((len(minutes), 3), 10.0)
    frame = pl.DataFrame({"timestamp": [at(0, 8), at(0, 9)], "symbol": "BTC", "rate": 0.1})
    for moved, expected in ((-1, [8, 9]), (0, [9, 10]), (1, [9, 10])):
        finer = pl.col("timestamp").dt.cast_time_unit("ns") + pl.duration(nanoseconds=moved, time_unit="ns")
        source = frame.with_columns(finer)
        found = Panel.from_arrays(
            *[close] * 4, timestamps=minutes, symbols=NAMES, instruments=PERPETUALS, funding=source
        )
        assert bars(found) == expected


def test_zones_are_compared_as_moments():
    zoned = pl.Series(HOURS).dt.replace_time_zone("America/New_York")
    stamps = pl.Series([at(13)]).dt.replace_time_zone("UTC")  # 08:00 in New York
    found = panel(pl.DataFrame({"timestamp": stamps, "symbol": "BTC", "rate": 0.1}), times=zoned)
    assert bars(found) == [3]
    with pytest.raises(DataError, match="timestamp of funding is in none, the prices in America/New_York"):
        panel([row(at(8))], times=zoned)
    for times in (HOURS, DAYS):
        with pytest.raises(DataError, match="mixed timezones: timestamp of funding is in UTC, the prices in none"):
            panel(pl.DataFrame({"timestamp": stamps, "symbol": "BTC", "rate": 0.1}), times=times)


def test_bars_that_are_numbered():
    close = np.full((4, 3), 10.0)
    found = Panel.from_arrays(*[close] * 4, symbols=NAMES, instruments=PERPETUALS, funding=[row(0), row(2), row(3)])
    assert bars(found) == [1, 3] and found.funding_after == 1
    assert bars(found.select(start=2)) == [1]


# Sources and refusals ------------------------------------------------------------------------------------------------


def test_all_sources_and_names_say_the_same(tmp_path):
    rows = [row(at(7)), row(at(8), "ETH", -0.01)]
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "f.parquet")
    frame.write_csv(tmp_path / "f.csv")
    expected = panel(rows)
    sources = [
        frame,
        frame.lazy(),
        frame.to_arrow(),
        pd.DataFrame(rows),
        pd.DataFrame(rows).set_index("timestamp"),
        frame.rename({"timestamp": "fundingTime", "rate": "fundingRate"}),
        {name: frame.filter(pl.col("symbol") == name).drop("symbol") for name in ("BTC", "ETH")},
        tmp_path / "f.parquet",
        str(tmp_path / "f.csv"),
    ]
    for source in sources:
        for found in (panel(source), load_panel(prices(), instruments=PERPETUALS, funding=source)):
            assert found.funding.equals(expected.funding)
            assert found.funding_rows.tobytes() == expected.funding_rows.tobytes()
            assert found.digest == expected.digest


REFUSED = [
    ([row(at(7)), row(at(7), rate=0.2)], r"unique in \(symbol, timestamp\): symbol 'BTC', 2024-01-01 07:00:00"),
    ([row(at(7), "BTX")], r"one of the prices: symbol 'BTX', 2024-01-01 07:00:00, .* value BTX; did you mean 'BTC'"),
    ([row(at(7), "*")], r"funding: symbol must be one of the prices: symbol '\*'"),
    ([row(at(7), None), row(at(7))], r"funding: symbol must not be null: 2024-01-01 07:00:00"),
    ([row(None), row(at(7))], r"funding: timestamp must not be null: symbol 'BTC'"),
    (
        [row(at(7), "IBM")],
        r"only a perpetual has funding: symbol 'IBM', 2024-01-01 07:00:00, .* of a stock. instruments=",
    ),
    ([row(at(7), rate=1.5)], r"rate must lie within -1 and 1, .* symbol 'BTC', .*'rate', value 1.5. In percent\?"),
    ([row(at(7), rate=-2.0), row(at(8), rate=3.0)], r"rate must lie .* value -2.0; 1 more offender. In percent"),
    ([row(at(7), rate=np.nan)], r"rate must be given and finite: symbol 'BTC', 2024-01-01 07:00:00, .* value nan"),
    ([row(at(7), rate=np.inf)], r"rate must be given and finite: .* value inf"),
    ([row(at(7), rate=None), row(at(8))], r"rate must be given and finite: .* value null"),
    ([row(at(7), rate="0.1")], r"rate must be a number: column 'rate', value of type String"),
    ([{"timestamp": at(7), "symbol": "BTC"}], r"funding: no column for 'rate'; got 'timestamp', 'symbol'"),
    ([{**row(at(7)), "ratte": 1}], r"funding: unknown column 'ratte'; did you mean 'rate'\?"),
    ([row("2024-01-01 07:00")], r"timestamp of funding must be a Date or a Datetime: value of type String"),
    ([row(1_704_092_400_000)], r"timestamp of funding must be .* reads as milliseconds since 1970"),
    ([], "funding have no rows"),
]


@pytest.mark.parametrize(("rows", "message"), REFUSED)
def test_what_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        panel(rows)
    with pytest.raises(DataError, match=message):
        load_panel(prices(), instruments=PERPETUALS, funding=rows)


def test_without_instruments_nothing_is_a_perpetual():
    with pytest.raises(DataError, match="only a perpetual has funding: symbol 'BTC'"):
        panel([row(at(7))], instruments=None)
    future = [{"symbol": "BTC", "kind": "future"}]
    with pytest.raises(DataError, match="value of a future"):
        panel([row(at(7))], instruments=future)


# Parts ---------------------------------------------------------------------------------------------------------------


def test_parts_book_what_the_whole_books_on_their_bars():
    rng = np.random.default_rng(3)
    rows = [row(at(4) + dt.timedelta(minutes=15 * n), str(rng.choice(["BTC", "ETH"])), n / 100) for n in range(30)]
    whole = panel(rows)
    loaded = load_panel(prices(), instruments=PERPETUALS, funding=rows)
    assert whole.digest == loaded.digest
    for start in range(5):
        for end in range(start, 5):
            part = whole.select(start=HOURS[start], end=HOURS[end])
            again = load_panel(prices(), instruments=PERPETUALS, funding=rows, start=HOURS[start], end=HOURS[end])
            expected = [(bar - start, *rest) for bar, *rest in listed(whole) if start < bar <= end]
            assert listed(part) == expected == listed(again)
            assert part.funding.equals(again.funding)
            assert (part.funding_before, part.funding_after) == (again.funding_before, again.funding_after)
    part = whole.select(["ETH"], start=HOURS[1])
    assert listed(part) == [(bar - 1, 0, rate) for bar, asset, rate in listed(whole) if asset == 1 and bar > 1]
    chosen = load_panel(prices(), instruments=PERPETUALS, funding=rows, symbols=["ETH"], start=HOURS[1])
    assert listed(chosen) == listed(part) and chosen.funding.equals(part.funding)


def test_dates_in_a_part_that_begins_within_a_session():
    hourly = [dt.datetime(2024, 1, day, hour) for day in (2, 3, 4) for hour in (10, 11)]
    whole = panel([row(DAYS[0]), row(DAYS[1])], times=hourly)
    assert bars(whole) == [2, 4]
    assert bars(whole.select(start=hourly[3])) == [1]
    assert bars(whole.select(start=hourly[2])) == [2]


def test_the_digest_counts_what_is_in_force():
    plain, some = panel(), panel([row(at(7))])
    others = [panel([row(at(7), rate=0.2)]), panel([row(at(8))]), panel([row(at(7), "ETH")])]
    assert len({found.digest for found in (plain, some, *others)}) == 5
    assert some.digest == panel([row(at(7))]).digest == pickle.loads(pickle.dumps(some)).digest
    assert copy.copy(some).digest == some.digest and some.with_actions(None).funding.equals(some.funding)


def test_it_is_shown():
    found = panel([row(at(7)), row(at(8))])
    assert "3 instruments, 2 funding rows, no volume)" in repr(found)
    assert "1 funding row," in repr(panel([row(at(7))]))
    assert "<th>funding rows</th><td>2</td>" in found._repr_html_()
    assert not pickle.loads(pickle.dumps(found)).funding_rows.flags.writeable
