"""What can be borrowed: fees of rows (1.2), locates and recalls (1.5), forced orders of recalls (2.1, 2.2)."""

from datetime import date
from math import inf, nan

import pytest

from contract.by_hand import order
from contract.on_terms import told

THURSDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY = (date(2024, 1, day) for day in (4, 5, 8, 9, 10))
SHORTS = {"allow_short_selling": True}


def bars(*volumes, price=10):
    """Flat bars with these volumes; None: no bar."""
    return [None if volume is None else (price, price, price, price, float(volume)) for volume in volumes]


def recalls(run):
    """(bar, quantity ordered, shares short, available) of every recall event."""
    return [(bar, *rest) for bar, _, kind, *rest in run.events if kind == "recall"]


# Fees -----------------------------------------------------------------------------------------------------------------


def test_a_weekend_pays_the_fee_of_the_row_and_earns_interest():
    config = {"initial_cash": 600.0, "borrow_fee": 0.09, "credit_rate": 0.036, **SHORTS}
    sessions = [FRIDAY, FRIDAY, MONDAY]
    for run in told([10] * 3, [order(0, -40)], sessions=sessions, borrow=[(0, "A", inf, 0.18)], **config):
        # 400 x 0.18 x 3 / 360 = 0.60; (1,000 - 400) x 0.036 x 3 / 360 = 0.18, of the cash before the fee
        assert run.charges == [(2, "A", "borrow", -0.6), (2, None, "interest", 0.18)], run.judge
        assert run.cash == pytest.approx([600, 1_000, 999.58]), run.judge


def test_a_fee_changes_while_a_short_is_held():
    sessions = [THURSDAY, FRIDAY, MONDAY, TUESDAY, WEDNESDAY]
    borrow = [(0, "A", inf, 0.09), (2, "A", inf, 0.36), (3, "A", inf, nan)]
    config = {"initial_cash": 600.0, "borrow_fee": 0.18, **SHORTS}
    for run in told([10] * 5, [order(0, -40)], sessions=sessions, borrow=borrow, **config):
        # 400 short. Monday: three days at the 0.09 of Friday: 0.3; Tuesday: one at the 0.36 of Monday: 0.4; Wednesday:
        # the row of Tuesday has none, one day at Config's 0.18: 0.2
        paid = [(2, "A", "borrow", -0.3), (3, "A", "borrow", -0.4), (4, "A", "borrow", -0.2)]
        assert run.charges == paid, run.judge


def test_a_row_without_a_limit_of_a_fee_of_zero_is_free():
    sessions = [THURSDAY, FRIDAY, MONDAY]
    for run in told(
        [10] * 3, [order(0, -40)], sessions=sessions, borrow=[(0, "A", inf, 0.0)], borrow_fee=0.5, **SHORTS
    ):
        assert run.charges == [], run.judge


def test_the_fee_of_a_delisted_short_stops():
    sessions = [THURSDAY, FRIDAY, MONDAY, TUESDAY]
    actions, borrow = [(2, "A", "delisting", 4.0)], [(0, "A", inf, 0.36)]
    config = {"initial_cash": 600.0, **SHORTS}
    for run in told([10, 10, None, None], [order(0, -40)], actions, sessions, borrow=borrow, **config):
        # Monday: 400 x 0.36 x 3 / 360 = 1.2 for the weekend, then 40 are covered at 4; Tuesday owes nothing
        assert run.charges == [(2, "A", "borrow", -1.2)], run.judge
        assert run.cash == pytest.approx([600, 1_000, 838.8, 838.8]), run.judge


# Locates --------------------------------------------------------------------------------------------------------------


def test_a_locate_cuts_an_order_to_what_is_left():
    rows = [order(0, -50), order(1, -5), order(2, 10), order(3, -15)]
    for run in told([10] * 5, rows, borrow=[(0, "A", 30.0, nan)], **SHORTS):
        # 30 of 50, nothing of 5; 10 are bought back, and of 15 there is room for 10
        ends = [("cancelled", "no_borrow", 30.0), ("rejected", "no_borrow", 0.0), ("filled", None, 10.0)]
        assert run.ends == [*ends, ("cancelled", "no_borrow", 10.0)], run.judge
        assert run.events == [], run.judge


def test_a_locate_cuts_the_whole_order_in_lots_whatever_the_cap_lets_through():
    config = {"max_participation": 0.1, "lot": 10.0, **SHORTS}
    for run in told(bars(100, 100, 100, 100), [order(0, -50)], borrow=[(0, "A", 25.0, nan)], **config):
        # 25 are two lots of 10; each bar lets 10 through, and nothing is left for bar 3
        assert run.fills == [(1, "A", -10.0, 10.0), (2, "A", -10.0, 10.0)], run.judge
        assert run.ends == [("cancelled", "no_borrow", 20.0)], run.judge


def test_what_the_cap_left_is_cut_when_there_is_less_to_borrow():
    config = {"max_participation": 0.1, **SHORTS}
    borrow = [(0, "A", 50.0, nan), (2, "A", 25.0, nan)]
    for run in told(bars(200, 200, 200, 200), [order(0, -50)], borrow=borrow, **config):
        # 20 on bar 1; on bar 2 there is room for 5 of the 30 that wait
        assert run.fills == [(1, "A", -20.0, 10.0), (2, "A", -5.0, 10.0)], run.judge
        assert run.ends == [("cancelled", "no_borrow", 25.0)], run.judge


def test_entries_of_a_batch_are_cut_before_it_is_weighed():
    prices = {"A": [10, 20], "B": [10, 20]}
    strategy = {
        "kind": "weights",
        "rows": [{"bar": 0, "targets": [-0.5, -0.5]}, {"bar": 1, "targets": [None, None]}],
        "min_notional": None,
        "min_weight_change": 0.0,
    }
    for run in told(prices, strategy, borrow=[(0, "A", 10.0, nan)], initial_cash=1_000.0, **SHORTS):
        # 50 each are decided. At 20, 10 of A and 50 of B need 200 + 1,000: scaled by 1,000 / 1,200 they are 8.3 and
        # 41.7; uncut they would have been 25 each
        assert run.fills == [(1, "A", -8.0, 20.0), (1, "B", -41.0, 20.0)], run.judge
        assert run.ends == [("live", None, 8.0), ("live", None, 41.0)], run.judge


@pytest.mark.parametrize(("available", "opened"), [(15.0, [(2, "A", -15.0, 10.0)]), (0.0, [])])
def test_a_flip_closes_and_opens_what_can_be_borrowed(available, opened):
    rows = [order(0, 10), order(1, -30)]
    for run in told([10] * 3, rows, borrow=[(0, "A", available, nan)], **SHORTS):
        # the closing leg of 10 borrows nothing
        assert run.fills == [(1, "A", 10.0, 10.0), (2, "A", -10.0, 10.0), *opened], run.judge
        assert run.ends[1] == ("cancelled", "no_borrow", 10.0 + available), run.judge


def test_a_limit_inside_the_bar_is_cut_at_its_turn():
    for run in told([10, (10, 12, 10, 10)], [order(0, -50, limit=11)], borrow=[(0, "A", 20.0, nan)], **SHORTS):
        assert run.fills == [(1, "A", -20.0, 11.0)], run.judge
        assert run.ends == [("cancelled", "no_borrow", 20.0)], run.judge


def test_a_locate_comes_before_the_cash_check():
    # cash for 10, to borrow 20: cut to 20 and then by cash, which names it last
    for run in told([10] * 2, [order(0, -50)], borrow=[(0, "A", 20.0, nan)], initial_cash=100.0, **SHORTS):
        assert run.ends == [("cancelled", "cash", 10.0)], run.judge


def test_without_a_row_a_listed_market_lends_nothing():
    rows = [order(0, -5), order(1, -5), order(1, -5, "B")]
    prices = {"A": [10] * 3, "B": [10] * 3}
    config = {"short_availability": "listed", **SHORTS}
    for run in told(prices, rows, borrow=[(2, "A", inf, nan)], **config):
        # the row of A acts from the open of bar 2 on; B has none
        ends = [("rejected", "no_borrow", 0.0), ("filled", None, 5.0), ("rejected", "no_borrow", 0.0)]
        assert run.ends == ends, run.judge
    for run in told(prices, rows, borrow=[(2, "A", inf, nan)], **SHORTS):
        assert {end[0] for end in run.ends} == {"filled"}, run.judge


def test_a_split_restates_what_is_available():
    rows, actions = [order(0, -40), order(1, -25)], [(2, "A", "split", 2.0)]
    for run in told([10, 10, 5], rows, actions, borrow=[(0, "A", 50.0, nan)], **SHORTS):
        # 80 short of 100: the order of 25, now 50, has room for 20; nothing is called back
        assert run.fills[1:] == [(2, "A", -20.0, 5.0)] and run.events == [], run.judge
        assert run.ends[1] == ("cancelled", "no_borrow", 20.0), run.judge


def test_a_row_of_the_day_of_a_split_is_in_new_shares():
    actions, borrow = [(2, "A", "split", 2.0)], [(0, "A", 50.0, nan), (2, "A", 60.0, nan)]
    for run in told([10, 10, 5], [order(0, -40)], actions, borrow=borrow, **SHORTS):
        assert recalls(run) == [(2, 20.0, 80.0, 60.0)] and run.fills[1:] == [(2, "A", 20.0, 5.0)], run.judge


# Recalls --------------------------------------------------------------------------------------------------------------


def test_a_hard_to_borrow_short_is_called_back_over_three_bars():
    table = bars(1000, 1000, 300, 300, 300, 300)
    borrow = [(0, "A", 100.0, nan), (2, "A", 30.0, nan)]
    for run in told(table, [order(0, -100)], borrow=borrow, max_participation=0.1, **SHORTS):
        # 70 of 100; each bar lets 30 through
        assert run.fills[1:] == [(2, "A", 30.0, 10.0), (3, "A", 30.0, 10.0), (4, "A", 10.0, 10.0)], run.judge
        assert recalls(run) == [(2, 70.0, 100.0, 30.0), (3, 40.0, 70.0, 30.0), (4, 10.0, 40.0, 30.0)], run.judge
        assert run.ends[1] == ("filled", None, 70.0) and run.origins == ["order", "recall"], run.judge


@pytest.mark.parametrize("back", [False, True])
def test_the_worked_example(back):
    table = bars(1000, 1000, 1000, 300, 300)
    borrow = [(0, "A", inf, nan), (3, "A", 45.0, nan), *([(4, "A", 80.0, nan)] if back else [])]
    rows = [order(0, -100), order(2, -10), order(3, -10)]
    for run in told(table, rows, borrow=borrow, max_participation=0.1, **SHORTS):
        # 55 are called back, 30 of them on bar 3, where nothing can be sold short
        assert run.fills[:2] == [(1, "A", -100.0, 10.0), (3, "A", 30.0, 10.0)], run.judge
        assert run.ends[1] == ("rejected", "no_borrow", 0.0), run.judge
        if back:  # of 80 there are 70 short: the rest is not needed, and 10 may be sold
            assert run.fills[2:] == [(4, "A", -10.0, 10.0)], run.judge
            assert run.ends[2:] == [("cancelled", "restored", 30.0), ("filled", None, 10.0)], run.judge
            assert recalls(run) == [(3, 55.0, 100.0, 45.0)], run.judge
        else:
            assert run.fills[2:] == [(4, "A", 25.0, 10.0)], run.judge
            assert run.ends[2:] == [("filled", None, 55.0), ("rejected", "no_borrow", 0.0)], run.judge
            assert recalls(run) == [(3, 55.0, 100.0, 45.0), (4, 25.0, 70.0, 45.0)], run.judge


def test_a_recall_waits_without_volume_and_without_a_bar():
    table = bars(1000, 1000, 0, None, 1000)
    borrow = [(0, "A", 50.0, nan), (2, "A", 0.0, nan)]
    for run in told(table, [order(0, -50)], borrow=borrow, max_participation=0.1, **SHORTS):
        assert run.fills[1:] == [(4, "A", 50.0, 10.0)], run.judge
        assert recalls(run) == [(bar, 50.0, 50.0, 0.0) for bar in (2, 3, 4)], run.judge


def test_a_recall_is_born_on_a_bar_that_its_asset_does_not_have():
    table = [10, 10, None, 12]
    borrow = [(0, "A", 50.0, nan), (2, "A", 20.0, nan)]
    for run in told(table, [order(0, -50)], borrow=borrow, **SHORTS):
        assert run.fills[1:] == [(3, "A", 30.0, 12.0)], run.judge
        assert [bar for bar, *_ in recalls(run)] == [2, 3], run.judge


def test_a_recall_follows_the_excess_up_and_down():
    table = bars(1000, 1000, 0, 100, 0, 1000)
    borrow = [(0, "A", inf, nan), (2, "A", 40.0, nan), (3, "A", 20.0, nan), (4, "A", 30.0, nan), (5, "A", 38.0, nan)]
    for run in told(table, [order(0, -50)], borrow=borrow, max_participation=0.1, **SHORTS):
        # 10 too many, then 30, of which 10 fill; of the 40 left 10, then 2 are too many
        waits = [(2, 10.0, 50.0, 40.0), (3, 30.0, 50.0, 20.0), (4, 10.0, 40.0, 30.0), (5, 2.0, 40.0, 38.0)]
        assert recalls(run) == waits, run.judge
        assert run.fills[1:] == [(3, "A", 10.0, 10.0), (5, "A", 2.0, 10.0)], run.judge
        assert run.ends[1] == ("filled", None, 12.0), run.judge  # of 12 requested in the end


def test_what_can_be_borrowed_again_is_restored_without_a_fill():
    table = bars(1000, 1000, 0, 1000, 1000)
    borrow = [(0, "A", 50.0, nan), (2, "A", 0.0, nan), (3, "A", inf, nan)]
    for run in told(table, [order(0, -50)], borrow=borrow, max_participation=0.1, **SHORTS):
        assert run.ends[1] == ("cancelled", "restored", 0.0) and len(run.fills) == 1, run.judge
        assert recalls(run) == [(2, 50.0, 50.0, 0.0)], run.judge


@pytest.mark.parametrize(("lot", "available", "called"), [(10.0, 45.0, 40.0), (40.0, 5.0, 80.0), (0.0, 62.5, 17.5)])
def test_a_recall_is_in_whole_lots(lot, available, called):
    borrow = [(0, "A", inf, nan), (2, "A", available, nan)]
    for run in told([10] * 3, [order(0, -80)], borrow=borrow, lot=lot, **SHORTS):
        # 80 short: 35 too many are four lots of 10, 75 are two of 40; without lots 17.5
        assert run.fills[1:] == [(2, "A", called, 10.0)], run.judge


def test_a_recall_is_at_most_the_position():
    # 45 of 50 are too many: in lots of 50 that is all of them
    borrow = [(0, "A", inf, nan), (2, "A", 5.0, nan)]
    for run in told([10] * 3, [order(0, -50)], borrow=borrow, lot=50.0, **SHORTS):
        assert run.fills[1:] == [(2, "A", 50.0, 10.0)] and recalls(run) == [(2, 50.0, 50.0, 5.0)], run.judge


def test_off_calls_nothing_back_and_lends_nothing_new():
    rows = [order(0, -50), order(2, -5), order(2, 45), order(3, -4)]
    borrow = [(0, "A", 50.0, nan), (2, "A", 10.0, nan)]
    for run in told([10] * 5, rows, borrow=borrow, recall="off", **SHORTS):
        # bar 3: the cover of 45 comes first, which leaves 5 of 10, so that 5 can be sold; then nothing is left
        assert run.events == [] and "recall" not in run.origins, run.judge
        ends = [("filled", None, 50.0), ("filled", None, 5.0), ("filled", None, 45.0), ("rejected", "no_borrow", 0.0)]
        assert run.ends == ends, run.judge


def test_recalls_come_first_and_by_asset():
    prices = {"A": [10] * 3, "B": [10] * 3}
    rows = [order(0, -50, "B"), order(0, -50), order(1, 5)]
    borrow = [(0, "A", 50.0, nan), (0, "B", 50.0, nan), (2, "A", 40.0, nan), (2, "B", 40.0, nan)]
    for run in told(prices, rows, borrow=borrow, **SHORTS):
        # the order to buy 5 was submitted first, and acts after both; the excess does not count it
        assert run.fills[2:] == [(2, "A", 10.0, 10.0), (2, "B", 10.0, 10.0), (2, "A", 5.0, 10.0)], run.judge


def test_beside_a_recall_an_exit_does_not_turn_the_position():
    rows = [order(0, -50), order(1, 60)]
    borrow = [(0, "A", 50.0, nan), (2, "A", 20.0, nan)]
    for run in told([10] * 3, rows, borrow=borrow, **SHORTS):
        # 30 are called back, the order covers the other 20 and only reduces
        assert run.fills[1:] == [(2, "A", 30.0, 10.0), (2, "A", 20.0, 10.0)], run.judge
        assert run.ends[1:] == [("cancelled", "no_short", 20.0), ("filled", None, 30.0)], run.judge


def test_a_target_takes_what_is_called_back_as_done():
    table = bars(1000, 1000, 200, 1000)
    targets = {
        "kind": "weights",
        "rows": [{"bar": bar, "targets": [weight]} for bar, weight in enumerate([-0.5, None, -0.1, None])],
        "min_notional": None,
        "min_weight_change": 0.0,
    }
    borrow = [(0, "A", 50.0, nan), (2, "A", 20.0, nan)]
    for run in told(table, targets, borrow=borrow, initial_cash=1_000.0, max_participation=0.1, **SHORTS):
        # 50 short, 30 called back: 20 on bar 2, 10 wait. -0.1 x 1,000 / 10 = -10 against -30 + 10: 10 are to be bought
        assert run.fills[1:] == [(2, "A", 20.0, 10.0), (3, "A", 10.0, 10.0), (3, "A", 10.0, 10.0)], run.judge
        assert [end[2] for end in run.ends] == [50.0, 30.0, 10.0], run.judge


def test_a_recall_ends_with_the_position():
    table = bars(1000, 1000, 0, 1000)
    borrow = [(0, "A", 50.0, nan), (2, "A", 20.0, nan)]
    actions = [(3, "A", "delisting", None)]
    table[3] = None
    for run in told(table, [order(0, -50)], actions, borrow=borrow, max_participation=0.1, **SHORTS):
        assert run.ends[1] == ("cancelled", "delisted", 0.0), run.judge


def test_a_stop_takes_the_rest_of_a_recall_with_the_position():
    table = [(10, 10, 10, 10, 1000.0), (10, 10, 10, 10, 1000.0), (10, 10, 10, 10, 0.0), (10, 12, 10, 12, 300.0), 10]
    borrow = [(0, "A", 50.0, nan), (2, "A", 45.0, nan)]
    rows = [order(0, -50, stop_loss=0.1)]
    for run in told(table, rows, borrow=borrow, max_participation=0.2, **SHORTS):
        # bar 2 has no volume: the recall of 5 waits; on bar 3 it fills first, and the stop at 11 covers the other 45
        assert run.fills[1:] == [(3, "A", 5.0, 10.0), (3, "A", 45.0, 11.0)], run.judge
        assert run.ends[1:] == [("filled", None, 5.0), ("filled", None, 45.0)], run.judge
