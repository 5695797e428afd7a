"""Deposits and withdrawals, and returns net of them, by the kernel and by the reference engine (clause 1.3)."""

from datetime import date

import pytest

from contract.both import told
from contract.by_hand import event, order

CASH = {"initial_cash": 1000.0}
FIFTY = [order(0, 50)]  # bought at 10: 500 of cash are left


def test_a_deposit_is_no_return():
    for run in told([10, 10, 11, 11], FIFTY, flows=[(2, 500.0)], **CASH):
        assert run.cash == [1000, 500, 1000, 1000] and run.equity == [1000, 1000, 1550, 1550], run.judge
        # (1,550 - 1,000 - 500) / (1,000 + 500)
        assert run.returns[0] is None and run.returns[1:] == pytest.approx([0, 50 / 1500, 0]), run.judge
        assert run.charges == [(2, None, "flow", 500.0)] and run.events == [], run.judge


def test_a_withdrawal_is_no_loss():
    for run in told([10, 10, 11, 12], FIFTY, flows=[(2, -400.0)], **CASH):
        # 100 + 550 = 650: (650 - 1,000 + 400) / 600; then 100 + 600 = 700: 50 / 650
        assert run.equity == [1000, 1000, 650, 700], run.judge
        assert run.returns[1:] == pytest.approx([0, 50 / 600, 50 / 650]), run.judge
        assert run.charges == [(2, None, "flow", -400.0)], run.judge


def test_a_withdrawal_that_leaves_nothing_is_refused():
    for run in told([10, 10, 11, 11], FIFTY, flows=[(2, 500.0), (3, -1550.0)], **CASH):
        assert run.equity == [1000, 1000, 1550, 1550] and run.returns[3] == 0, run.judge
        assert run.events == [event(3, "flow_refused", value=-1550, limit=1550)], run.judge
        assert run.charges == [(2, None, "flow", 500.0)], run.judge
    for run in told([10, 10, 11, 11], FIFTY, flows=[(2, 500.0), (3, -1549.0)], **CASH):
        assert run.events == [] and run.equity[3] == 1, run.judge


def test_the_book_of_the_bar_before_decides_what_is_refused():
    for run in told([10, 10, 30], FIFTY, flows=[(2, -1000.0)], **CASH):
        # E = 1,000 before, though the open makes it 2,000
        assert run.events == [event(2, "flow_refused", value=-1000, limit=1000)], run.judge


def test_flows_of_one_bar_are_one_sum_and_a_sum_of_zero_is_none():
    for run in told([10] * 4, FIFTY, flows=[(2, 500.0), (2, -200.0), (3, 70.0), (3, -70.0)], **CASH):
        assert run.charges == [(2, None, "flow", 300.0)] and run.cash[2:] == [800, 800], run.judge
    for run in told([10] * 3, FIFTY, flows=[(2, -3000.0), (2, 2500.0)], **CASH):
        # neither of them is judged alone
        assert run.charges == [(2, None, "flow", -500.0)] and run.events == [], run.judge


def test_a_flow_on_the_first_bar_is_no_return_of_it():
    for run in told([10, 10, 11], [order(0, 150)], flows=[(0, 500.0)], **CASH):
        assert run.equity == [1500, 1500, 1650], run.judge
        assert run.returns[0] is None and run.returns[1:] == pytest.approx([0, 0.1]), run.judge
    for run in told([10, 10], [order(0, 150)], flows=[(0, -1000.0)], **CASH):
        # the initial cash is the equity before
        assert run.events == [event(0, "flow_refused", value=-1000, limit=1000)], run.judge


def test_the_first_bar_has_a_return_where_the_account_traded_on_it():
    config = {**CASH, "timing": "same_bar_close", "commission_rate": 0.01}
    for run in told([10, 10], [order(0, 150)], flows=[(0, 1000.0)], **config):
        # 1,500 x 0.01 = 15 of fees, of 2,000
        assert run.equity == [1985, 1985] and run.returns == pytest.approx([-15 / 2000, 0]), run.judge


def test_a_deposit_can_be_spent_at_the_open_of_its_bar():
    for run in told([10] * 3, [order(0, 100), order(1, 60)], flows=[(2, 500.0)], **CASH):
        assert run.ends[1] == ("cancelled", "cash", 50.0), run.judge


def test_cash_below_zero_blocks_entries_of_a_cash_account_until_it_is_back():
    prices = {"A": [10] * 6, "B": [10] * 6}
    rows = [*FIFTY, order(1, 1, "B"), order(2, -10), order(3, -20), order(3, 100, "B")]
    for run in told(prices, rows, flows=[(2, -700.0)], **CASH):
        # 500 - 700 = -200; 10 sold leave -100; 20 more make it 100
        assert run.ends[1] == ("rejected", "cash", 0.0), run.judge
        assert run.cash == [1000, 500, -200, -100, 0, 0], run.judge
        assert run.ends[4] == ("cancelled", "cash", 10.0), run.judge


def test_on_margin_a_withdrawal_beyond_cash_is_a_loan():
    config = {**CASH, "account": "margin", "debit_rate": 0.36}
    days = [date(2024, 1, day) for day in (4, 4, 5, 8)]
    for run in told([10] * 4, [*FIFTY, order(1, 20)], flows=[(2, -700.0)], sessions=days, **config):
        # -200 is owed, E = 300, IM = 250: 50 / 5 = 10 can be bought; 300 x 0.36 x 3 / 360 = 0.90
        assert run.ends[1] == ("cancelled", "margin", 10.0), run.judge
        assert run.charges == [(2, None, "flow", -700.0), (3, None, "interest", -0.9)], run.judge


def test_a_flow_can_bring_a_call_or_spare_one():
    config = {"account": "margin", "initial_cash": 10_000.0}
    for run in told([100, 100, 45, 45, 45], [order(0, 150)], flows=[(3, -200.0)], **config):
        # E = 1,550, MM = 1,687.50: f = 137.50 / 1,687.50, of 150 that is 12.22
        assert run.events == [event(3, "margin_call", value=1550, limit=1687.5)], run.judge
        assert run.fills[1:] == [(4, -13.0, 45.0)], run.judge
    for run in told([100, 100, 45, 44, 44], [order(0, 150)], flows=[(3, 50.0)], **config):
        # E = 1,650 is the MM of 6,600
        assert run.events == [], run.judge


def test_flows_come_after_interest_and_before_dividends():
    days = [date(2024, 1, day) for day in (4, 4, 5)]
    for run in told(
        [10, 10, 9], FIFTY, [(2, "A", "dividend", 1.0)], sessions=days, flows=[(2, 1000.0)], credit_rate=0.36, **CASH
    ):
        # 500 x 0.36 / 360 = 0.50, of the cash before the deposit
        assert run.charges == [(2, None, "interest", 0.5), (2, None, "flow", 1000.0)], run.judge
        assert run.equity[2] == 500 + 0.5 + 1000 + 50 + 450, run.judge
        assert run.returns[2] == pytest.approx(0.5 / 2000), run.judge


def test_a_bankrupt_account_has_no_flows():
    short = {"initial_cash": 1000.0, "allow_short_selling": True}
    for run in told([10, 10, 40, 40], [order(0, -50)], flows=[(3, 5000.0), (3, -1.0)], **short):
        # 1,500 - 2,000 = -500, closed at 40
        assert run.events == [event(2, "bankrupt", value=-500)] and run.charges == [], run.judge
        assert run.equity[2:] == [-500, -500] and not run.returns[3], run.judge


def test_an_account_that_is_flat_below_zero_takes_a_deposit():
    for run in told(
        [10, 10, 40, 40, 40],
        [order(0, -50, stop_loss=0.5)],
        flows=[(3, 600.0), (4, 100.0)],
        allow_short_selling=True,
        **CASH,
    ):
        # stopped out at 40: 1,500 - 2,000 = -500 and flat; -500 + 600 = 100, of which the return is none of anything
        assert run.equity[2:] == [-500, 100, 200] and run.events == [], run.judge
        assert run.returns[3:] == [0, 0], run.judge


def test_total_return_and_drawdown_are_net_of_flows():
    prices = [10, 10, 8, 8, 10, 10]
    for run in told(prices, [order(0, 100)], flows=[(3, 1000.0), (5, -900.0)], **CASH):
        # 1,000, 800, 1,800, 2,000, 1,100: returns -0.2, 0, 1/9, 0
        assert run.equity == [1000, 1000, 800, 1800, 2000, 1100], run.judge
        assert run.returns[1:] == pytest.approx([0, -0.2, 0, 1 / 9, 0]), run.judge
        if run.result is not None:
            assert run.result.metrics["total_return"] == pytest.approx(0.8 * 10 / 9 - 1)
            assert run.result.metrics["max_drawdown"] == pytest.approx(0.2)
            assert run.result.metrics["net_flows"] == pytest.approx(100)
