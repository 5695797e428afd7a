"""Deposits and withdrawals: read by name, placed on bars, summed, refused and dropped (clause 1.3)."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from facade import Config, DataError, Panel, TargetWeights, run_backtest, sweep
from facade.data.flows import Flows, read_flows
from facade.encode.inputs import encode
from facade.errors import BacktestWarning
from facade.sweeps.grid.grid import read_grid
from facade.sweeps.plan.plan import make_plan

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9, 10)]
"""Tuesday to Wednesday week."""


def panel_of(timestamps, **options):
    close = np.linspace(10.0, 12.0, len(timestamps))[:, None].repeat(2, axis=1)
    return Panel.from_arrays(*[close] * 4, timestamps=timestamps, symbols=["A", "B"], **options)


DAILY = panel_of(DAYS)
HOURS = [dt.datetime(2024, 1, day, hour) for day in (2, 3, 5) for hour in (10, 11, 12)]
HOURLY = panel_of(HOURS)


def rows_of(source, panel=DAILY):
    return [(int(row["bar"]), float(row["amount"])) for row in read_flows(source, panel).rows]


def table(**columns):
    return pl.DataFrame(columns)


ONE = {"timestamp": [dt.date(2024, 1, 4)], "amount": [500.0]}
FORMS = {
    "polars": lambda: pl.DataFrame(ONE),
    "lazy": lambda: pl.LazyFrame(ONE),
    "columns": lambda: ONE,
    "rows": lambda: [{"timestamp": dt.date(2024, 1, 4), "amount": 500}],
    "arrow": lambda: pl.DataFrame(ONE).to_arrow(),
    "text": lambda: [{"timestamp": "2024-01-04", "amount": 500.0}],
    "other names": lambda: table(Date=ONE["timestamp"], Amount=[500], note=["rent"]),
    "midnights": lambda: table(timestamp=[dt.datetime(2024, 1, 4)], amount=[500.0]),
    "pandas": lambda: pytest.importorskip("pandas").DataFrame({"date": ["2024-01-04"], "amount": [500.0]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_flows_come_in_any_form(form):
    assert rows_of(FORMS[form]()) == [(2, 500.0)]


def test_a_file_of_flows(tmp_path):
    pl.DataFrame(ONE).write_csv(tmp_path / "flows.csv")
    assert rows_of(tmp_path / "flows.csv") == [(2, 500.0)]


def test_a_date_names_its_session_or_the_next_one():
    assert rows_of([{"timestamp": dt.date(2024, 1, 6), "amount": 1.0}]) == [(4, 1.0)]  # Saturday: Monday
    for day, bar in ((2, 0), (3, 3), (4, 6), (5, 6)):
        assert rows_of([{"timestamp": dt.date(2024, 1, day), "amount": 1.0}], HOURLY) == [(bar, 1.0)]


def test_a_time_is_booked_at_the_first_bar_that_ends_then_or_later():
    times = [dt.datetime(2024, 1, 2, 10), dt.datetime(2024, 1, 2, 10, 0, 1), dt.datetime(2024, 1, 4, 23)]
    assert rows_of(table(timestamp=times, amount=[1.0, 2.0, 4.0]), HOURLY) == [(0, 1.0), (1, 2.0), (6, 4.0)]
    # In the first session, before its first bar is complete.
    assert rows_of(table(timestamp=[dt.datetime(2024, 1, 2, 8)], amount=[1.0]), HOURLY) == [(0, 1.0)]


def test_times_are_of_the_clock_and_not_moved_with_labels():
    opened = panel_of(HOURS, bar_label="open")  # the bar of 10:00 is complete at 11:00
    assert rows_of([{"timestamp": dt.datetime(2024, 1, 2, 11), "amount": 1.0}], opened) == [(0, 1.0)]
    assert rows_of([{"timestamp": dt.datetime(2024, 1, 2, 11, 30), "amount": 1.0}], opened) == [(1, 1.0)]


def test_times_of_another_zone_are_the_same_moments():
    zoned = panel_of(pl.Series(HOURS).dt.replace_time_zone("America/New_York"))
    times = pl.Series("timestamp", [dt.datetime(2024, 1, 2, 16)]).dt.replace_time_zone("UTC")
    assert rows_of(pl.DataFrame([times, pl.Series("amount", [1.0])]), zoned) == [(1, 1.0)]
    with pytest.raises(DataError, match="mixed timezones: timestamp of flows is in none, .* America/New_York"):
        rows_of([{"timestamp": dt.datetime(2024, 1, 2, 16), "amount": 1.0}], zoned)


def test_numbers_of_bars_where_bars_are_numbered():
    numbered = Panel.from_arrays(*[np.full((5, 1), 10.0)] * 4)
    assert rows_of([{"timestamp": 3, "amount": -2.0}], numbered) == [(3, -2.0)]
    with pytest.raises(DataError, match="must be a bar number, as the panel has no dates"):
        rows_of(ONE, numbered)
    with pytest.raises(DataError, match="must be a Date or a Datetime: value 3. 3 is no date"):
        rows_of([{"timestamp": 3, "amount": 1.0}])


def test_flows_of_one_bar_are_summed_and_a_sum_of_zero_is_none():
    days = [dt.date(2024, 1, day) for day in (9, 4, 6, 8, 4, 9)]
    amounts = [5.0, 100.0, 7.0, 1.0, -30.0, -5.0]
    assert rows_of(table(timestamp=days, amount=amounts)) == [(2, 70.0), (4, 8.0)]
    assert rows_of(table(timestamp=days[:1], amount=[0])) == []
    assert rows_of([]) == [] and rows_of(table(timestamp=[], amount=[])) == []
    assert read_flows(None, DAILY) is None


WRONG = {
    "no amount": (table(timestamp=DAYS[:1], amont=[1.0]), "column 'amount' is missing; did you mean 'amont'"),
    "no time": (table(amount=[1.0]), r"column 'timestamp' is missing \(columns: amount\)"),
    "text": (table(timestamp=DAYS[:1], amount=["1"]), "amount must be a number: column 'amount', value of type String"),
    "null": (table(timestamp=DAYS[:2], amount=[1.0, None]), "amount must be a finite number: .*value None in row 1"),
    "NaN": (table(timestamp=DAYS[:2], amount=[np.nan, np.inf]), "finite number: .*nan in row 0; 1 more offender"),
    "null time": (table(timestamp=[DAYS[0], None], amount=[1.0, 1.0]), "timestamp must not be null: .*null in row 1"),
    "floats": (table(timestamp=[1.5], amount=[1.0]), "timestamp must be a Date, a Datetime or a bar number"),
    "early": (
        table(timestamp=[DAYS[1], dt.date(2023, 12, 29)], amount=[1.0, 1.0]),
        "row 1, column 'timestamp': 2023-12-29 lies before the first bar 2024-01-02; .*initial_cash of Config",
    ),
    "a number": (5.0, "flows must be a table with the columns timestamp and amount .* not float"),
    "a list": ([5.0], r"must be dicts: \[\{'timestamp'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case):
    given, words = WRONG[case]
    with pytest.raises(DataError, match=words):
        read_flows(given, DAILY)


def test_flows_after_the_last_bar_are_dropped_counted_and_warned_of():
    late = table(timestamp=[dt.date(2024, 1, 4), dt.date(2024, 1, 11)], amount=[1.0, 2.0])
    with pytest.warns(BacktestWarning, match="1 flow lies after the last bar 2024-01-10 and was dropped"):
        found = read_flows(late, DAILY)
    assert found.dropped == 1 and len(found.rows) == 1
    inputs = encode(DAILY, weights(), Config(), None, found)
    assert inputs.counts["dropped_flows"] == 1 and inputs.intents.flows["amount"].tolist() == [1.0]


# What a run is given -------------------------------------------------------------------------------------------------


def weights(size=0.4):
    return TargetWeights.from_array(np.full((len(DAYS), 2), size))


def test_a_run_with_flows_is_charged():
    flows = read_flows(ONE, DAILY)
    assert encode(DAILY, weights(), Config()).params["has_charges"][0] == 0
    inputs = encode(DAILY, weights(), Config(), None, flows)
    assert inputs.params["has_charges"][0] == 1 and not inputs.intents.flows.flags.writeable
    nothing = read_flows([{"timestamp": DAYS[0], "amount": 0.0}], DAILY)
    assert encode(DAILY, weights(), Config(), None, nothing).params["has_charges"][0] == 0


def test_weights_may_sum_above_one_on_margin():
    encode(DAILY, weights(0.8), Config(account="margin"))
    with pytest.raises(ValueError, match="holds at most 1 .account='margin' borrows."):
        encode(DAILY, weights(0.8), Config())
    short = Config(account="margin", allow_short_selling=False)
    with pytest.raises(ValueError, match="allow_short_selling=True"):
        encode(DAILY, weights(-0.8), short)


def plan_of(grid, flows, config=None):
    return make_plan(DAILY, weights(), config or Config(), read_grid(grid, Config(), parameters={}), None, flows)


def test_each_window_takes_the_flows_that_fall_into_it():
    given = table(timestamp=[DAYS[0], dt.date(2024, 1, 6), DAYS[5]], amount=[1.0, 2.0, 4.0])
    windows = [(None, DAYS[3]), (DAYS[4], None), (DAYS[1], DAYS[3]), (None, None)]
    plan = plan_of({"window": windows, "lot": [0.0, 1.0]}, read_flows(given, DAILY))
    # The flow of Saturday is booked on Monday, the first bar of the second window.
    expected = [[(0, 1.0)], [(0, 2.0), (1, 4.0)], [], [(0, 1.0), (4, 2.0), (5, 4.0)]]
    for row in range(plan.grid.rows):
        found = plan.flows_of(row).rows
        assert [(int(one["bar"]), float(one["amount"])) for one in found] == expected[row // 2]
        group, place = plan.groups.of(row)
        params = plan.params(group, place, place + 1)
        assert params["has_charges"][0] == (len(found) > 0)
        alone = encode(plan.panel_of(row), plan.strategy_of(row), plan.config_of(row), None, plan.flows_of(row))
        assert params.tobytes() == alone.params.tobytes() or alone.params["record"][0] == 1
        assert np.array_equal(plan.inputs(group).intents.flows, alone.intents.flows)


def test_times_of_flows_are_years_since_the_first_bar_of_a_row():
    given = table(timestamp=[DAYS[1], DAYS[6]], amount=[1.0, 2.0])
    plan = plan_of({"window": [(None, None), (DAYS[4], None)]}, read_flows(given, DAILY))
    # Of the close before: 2 January, and 9 January less 2 or 8 January.
    assert plan.paid(np.array([0])).times.tolist() == [0.0, 7 / 365]
    assert plan.paid(np.array([1])).times.tolist() == [1 / 365] and plan.paid(np.array([1])).amounts.tolist() == [2.0]


def test_a_plan_knows_its_flows_by_digest():
    without, with_flows = plan_of({"lot": [1.0]}, None), plan_of({"lot": [1.0]}, read_flows(ONE, DAILY))
    more = plan_of({"lot": [1.0]}, read_flows({**ONE, "amount": [501.0]}, DAILY))
    assert "flows" not in without.digests and len({without.digest, with_flows.digest, more.digest}) == 3


def test_flows_that_were_placed_are_those_of_that_panel():
    placed = read_flows(ONE, DAILY)
    assert isinstance(placed, Flows) and read_flows(placed, DAILY) is placed
    with pytest.raises(DataError, match="flows were placed on 7 bars, and the prices have 9"):
        read_flows(placed, HOURLY)


def test_a_result_of_a_sweep_is_attached_with_its_flows(tmp_path):
    found = sweep(DAILY, weights(), None, {"lot": [0.0, 1.0]}, flows=ONE, progress=False, keep="equity")
    found.to_parquet(tmp_path / "s")
    loaded = type(found).load(tmp_path / "s")
    assert loaded.attach(DAILY, weights(), flows=ONE).drill(0) is not None
    for flows in (None, {**ONE, "amount": [1.0]}):
        with pytest.raises(DataError, match="different: flows"):
            loaded.attach(DAILY, weights(), flows=flows)
    for source in (found._source, loaded._source):
        assert source.flows(1).tolist() == [0.0, 0.0, 500.0, 0.0, 0.0, 0.0, 0.0]


def test_a_checkpoint_of_other_flows_is_refused(tmp_path):
    grid = {"lot": [0.0, 1.0]}
    sweep(DAILY, weights(), None, grid, flows=ONE, progress=False, checkpoint=tmp_path / "c")
    for flows in (None, {**ONE, "amount": [1.0]}):
        with pytest.raises(DataError, match="another sweep; different: flows"):
            sweep(DAILY, weights(), None, grid, flows=flows, progress=False, checkpoint=tmp_path / "c")


def test_flows_are_given_by_name_and_known_by_other_names():
    with pytest.raises(ValueError, match=r"no argument 'deposits'; here it is flows="):
        run_backtest(DAILY, weights(), deposits=ONE)
