"""What the account can carry, by the facade with the kernel and by the reference engine (clauses 6.2, 2.3, 3.4)."""

from datetime import date

import pytest

from contract.both import told
from contract.by_hand import order

MARGIN = {"account": "margin", "initial_cash": 1000.0}  # rates of 0.5 and 0.25, of shorts 0.5 and 0.30
CASH = {"initial_cash": 1000.0}
SHORTS = {"allow_short_selling": True}
MANY = [order(0, 250)]


def weights(*targets):
    """Target weights bar by bar."""
    rows = [{"bar": bar, "targets": row} for bar, row in enumerate(targets)]
    return {"kind": "weights", "rows": rows, "min_notional": None, "min_weight_change": 0.0}


# One entry ------------------------------------------------------------------------------------------------------------


def test_margin_carries_what_its_rate_allows_with_the_fee():
    for run in told([10, 10], MANY, **MARGIN, commission_rate=0.01):
        # 196 x (0.5 x 10 + 0.10) = 999.60, 197 need 1,004.70
        assert run.ends == [("cancelled", "margin", 196.0)], run.judge
        assert run.cash[1] == pytest.approx(1000 - 1960 - 19.6), run.judge
        # IM = 980 of E = 980.40
        assert run.margin[1] == (980, 490), run.judge


def test_costs_of_the_price_and_a_buffer_take_their_part():
    costs = {"slippage_rate": 0.01, "commission_rate": 0.01}
    for run in told([10, 10], MANY, **MARGIN, **costs, cash_buffer=0.1):
        # at 10.10, fee 0.101: of 900 each uses 5 + 0.9 x (0.10 + 0.101) = 5.1809: 173 use 896.30, 174 901.48
        assert run.ends == [("cancelled", "margin", 173.0)], run.judge


def test_costs_that_are_not_linear_are_searched_for():
    for run in told([10, 10], MANY, **MARGIN, commission_per_trade=50.0):
        # 5 q + 50 = 1,000
        assert run.ends == [("cancelled", "margin", 190.0)], run.judge


def test_the_tighter_limit_gives_the_name():
    for run in told([10, 10], MANY, **MARGIN, commission_rate=0.01, max_leverage=1.5):
        # 147 x (10 + 1.5 x 0.10) = 1,492.05, 148 use 1,502.20 of 1,500
        assert run.ends == [("cancelled", "leverage", 147.0)], run.judge
    for run in told([10, 10], MANY, **MARGIN, commission_rate=0.01, max_leverage=3.0):
        assert run.ends == [("cancelled", "margin", 196.0)], run.judge


def test_of_limits_that_leave_the_same_the_first_gives_the_name():
    for run in told([10, 10], MANY, **MARGIN, max_leverage=2.0):
        assert run.ends == [("cancelled", "margin", 200.0)], run.judge


def test_what_one_limit_leaves_nothing_of_is_refused():
    rows = [order(0, 150), order(1, 10)]
    for run in told([10, 10, 10], rows, **MARGIN, max_leverage=1.5):
        # gross 1,500 is 1.5 x 1,000; of margin 250 are left
        assert run.ends == [("filled", None, 150.0), ("rejected", "leverage", 0.0)], run.judge


def test_under_reject_the_whole_order_is_refused():
    for run in told([10, 10], MANY, **MARGIN, shortfall="reject"):
        assert run.ends == [("rejected", "margin", 0.0)] and run.cash == [1000, 1000], run.judge
    for run in told([10, 10], [order(0, 200)], **MARGIN, shortfall="reject"):
        assert run.ends == [("filled", None, 200.0)] and run.cash[1] == -1000, run.judge


def test_leverage_holds_in_a_cash_account_too():
    for run in told([10, 10], MANY, **CASH, max_leverage=0.5, commission_rate=0.01):
        # 49 x (10 + 0.5 x 0.10) = 492.45, 50 use 502.50 of 500
        assert run.ends == [("cancelled", "leverage", 49.0)], run.judge


def test_rates_of_shorts_are_their_own_and_proceeds_count_in_equity_alone():
    config = {**MARGIN, **SHORTS, "short_initial_margin": 0.8, "slippage_rate": 0.01}
    for run in told([10, 10, 10], [order(0, -250), order(1, 250)], **config):
        # sold at 9.90: 0.8 x 10 + 0.10 = 8.10 each: 123 use 996.30
        assert run.ends[0] == ("cancelled", "margin", 123.0), run.judge
        assert run.cash[1] == pytest.approx(1000 + 123 * 9.9), run.judge
        # covering 123 waits for nothing; then E = 1,000 - 123 x 0.20 = 975.40: each uses 5 + 0.10: 191
        assert [row[1] for row in run.fills] == [-123, 123, 127], run.judge


def test_an_entry_is_checked_at_the_prices_of_its_phase():
    prices = {"A": [10, 10, 12], "B": [10, 10, 10]}
    rows = [order(0, 100), order(1, 250, "B")]
    for run in told(prices, rows, **MARGIN):
        # A opens at 12: E = 1,200, IM = 600: 600 / 5 = 120 of B
        assert run.ends[1] == ("cancelled", "margin", 120.0), run.judge


def test_a_position_without_a_bar_counts_at_its_mark():
    prices = {"A": [10, 12, None], "B": [10, 10, 10]}
    rows = [order(0, 100), order(1, 250, "B")]
    for run in told(prices, rows, **MARGIN):
        # bought at 12: E = 1,000, IM = 600: 400 / 5 = 80
        assert run.ends[1] == ("cancelled", "margin", 80.0), run.judge


def test_a_loan_pays_interest():
    days = [date(2024, 1, 4), date(2024, 1, 4), date(2024, 1, 5)]
    for run in told([10, 10, 10], [order(0, 150)], sessions=days, **MARGIN, debit_rate=0.36):
        # 1,000 - 1,500 = -500: 500 x 0.36 / 360
        assert run.charges == [(2, None, "interest", -0.5)], run.judge


# A batch --------------------------------------------------------------------------------------------------------------

TWO = {"A": [10, 10, 10], "B": [10, 10, 10]}


def test_a_batch_is_scaled_by_the_limit_it_exceeds_most():
    for run in told(TWO, weights([1.0, 1.0], *[[None, None]] * 2), **MARGIN, max_leverage=1.5):
        # 100 of each: margin 1,000 of 1,000, leverage 2,000 of 1,500: 75 each, and the rests wait
        assert run.fills == [(1, 75.0, 10.0)] * 2, run.judge
        assert [end[0] for end in run.ends] == ["live", "live"], run.judge
    for run in told(TWO, weights([1.0, 1.0], *[[None, None]] * 2), **MARGIN, max_leverage=1.5, initial_margin=0.8):
        # margin 1,600 of 1,000: 62.5, leverage allows 75
        assert run.fills == [(1, 62.0, 10.0)] * 2, run.judge


def test_a_batch_of_a_long_and_a_short_adds_their_uses():
    config = {**MARGIN, **SHORTS, "short_initial_margin": 0.75, "commission_rate": 0.05}
    for run in told(TWO, weights([1.0, -1.0], *[[None, None]] * 2), **config):
        # 100 x (5 + 0.5) + 100 x (7.5 + 0.5) = 1,350: 100 x 1,000 / 1,350 = 74.07 each: 74 x 13.50 = 999
        assert run.fills == [(1, 74.0, 10.0), (1, -74.0, 10.0)], run.judge


def test_a_batch_without_one_of_the_limits_waits():
    rows = weights([1.5, None], [None, 0.5], [None, None])
    for run in told({**TWO, "A": [10, 10, 8]}, rows, **MARGIN, max_leverage=1.5):
        # O = 8: E = 700, gross 1,200 is more than 1,050; margin 700 - 600 = 100
        assert run.fills == [(1, 150.0, 10.0)] and run.ends[1] == ("live", None, 0.0), run.judge


# Inside the bar -------------------------------------------------------------------------------------------------------


def test_inside_the_bar_entries_use_up_what_the_open_left():
    prices = {"A": [10, (10, 10, 8, 10)], "B": [10, (10, 10, 8, 10)]}
    rows = [order(0, 300, limit=9), order(0, 10, "B", limit=9)]
    for run in told(prices, rows, **MARGIN):
        # 222 x 4.50 = 999; valued at O they would leave 1,222 - 1,110 = 112, but of the 1,000 only 1 is left
        assert run.ends == [("cancelled", "margin", 222.0), ("rejected", "margin", 0.0)], run.judge
    for run in told(prices, rows, **MARGIN, max_leverage=1.5):
        # 166 x 9 = 1,494 of 1,500; B: 6 are left, less than 9
        assert run.ends == [("cancelled", "leverage", 166.0), ("rejected", "leverage", 0.0)], run.judge


def test_inside_the_bar_positions_are_valued_at_the_open():
    prices = {"A": [10, (10, 13, 10, 13)], "B": [10, (10, 13, 10, 10)]}
    rows = [order(0, 100, stop=12), order(0, 300, "B", stop=12)]
    for run in told(prices, rows, **MARGIN):
        # A: 100 x 0.5 x 12 = 600 of 1,000; at O they lost 200: E = 800, IM = 500; the smaller of 300 and 400: 50 x 6
        assert run.ends == [("filled", None, 100.0), ("cancelled", "margin", 50.0)], run.judge


def test_what_an_exit_frees_inside_the_bar_is_for_the_close():
    prices = {"A": [10, 10, (10, 12, 10, 10)], "B": [10, 10, (10, 10, 8, 10)]}
    rows = [order(0, 200), order(1, -200, limit=11), order(1, 100, "B", limit=9)]
    rows.append(order(1, 300, "B", time_in_force="at_close"))
    for run in told(prices, rows, **MARGIN):
        # the open left nothing; at the close E = 1,200: 1,200 / 5 = 240
        assert run.ends[2] == ("rejected", "margin", 0.0), run.judge
        assert run.fills[1:] == [(2, -200.0, 11.0), (2, 240.0, 10.0)], run.judge


# Cash accounts --------------------------------------------------------------------------------------------------------


def test_a_buffer_keeps_cash_back():
    for run in told([10, 10], MANY, **CASH, cash_buffer=0.1):
        assert run.ends == [("cancelled", "cash", 90.0)] and run.cash[1] == 100, run.judge
    for run in told([10, 10], MANY, **CASH, cash_buffer=0.1, commission_rate=0.01):
        # 900 / (10 + 0.9 x 0.10) = 89.2; 101.10 are 0.1 x 991.10 and more, 91 would be less than 99.10
        assert run.ends == [("cancelled", "cash", 89.0)] and run.cash[1] == pytest.approx(101.1), run.judge


def test_a_buffer_is_of_equity_at_the_open():
    prices = {"A": [10, 10, 20], "B": [10, 10, 10]}
    for run in told(prices, [order(0, 80), order(1, 20, "B")], **CASH, cash_buffer=0.1):
        # E = 200 + 80 x 20 = 1,800: 200 - 180 = 20
        assert run.ends[1] == ("cancelled", "cash", 2.0), run.judge


def test_a_buffer_holds_beside_shorts():
    prices = {"A": [10, 10, 10], "B": [10, 10, 10]}
    for run in told(prices, [order(0, -40), order(1, 100, "B")], **CASH, **SHORTS, cash_buffer=0.1):
        # 1,400 - 2 x 400 - 0.1 x 1,000 = 500
        assert run.ends[1] == ("cancelled", "cash", 50.0), run.judge


SOLD = [order(0, 100), order(1, -100)]  # all cash in A, sold at the open of bar 2


def test_a_sale_can_be_spent_from_the_second_session_after_it():
    prices = {"A": [10] * 5, "B": [10] * 5}
    rows = [*SOLD, order(2, 60, "B"), order(3, 60, "B")]
    for run in told(prices, rows, **CASH, settlement=2):
        assert run.ends[2:] == [("rejected", "cash", 0.0), ("filled", None, 60.0)], run.judge
        assert run.fills[2:] == [(4, 60.0, 10.0)] and run.cash == [1000, 0, 1000, 1000, 400], run.judge
        assert run.equity == [1000] * 5, run.judge


def test_a_sale_can_be_spent_with_less_settlement():
    prices = {"A": [10] * 4, "B": [10] * 4}
    for settlement, bars in ((0, [2, 3]), (1, [3])):
        rows = [*SOLD, order(1, 60, "B"), order(2, 40, "B")]
        for run in told(prices, rows, **CASH, settlement=settlement):
            assert [row[0] for row in run.fills[2:]] == bars, run.judge


def test_the_fee_of_a_sale_is_not_waited_for():
    prices = {"A": [10] * 4, "B": [10] * 4}
    rows = [order(0, 50), order(1, -50), order(1, 100, "B"), order(2, 100, "B")]
    for run in told(prices, rows, **CASH, settlement=1, sell_tax_rate=0.1):
        # 500 stay; the sale brings 450
        assert run.fills[2:] == [(2, 50.0, 10.0), (3, 45.0, 10.0)], run.judge


def test_bars_of_one_session_settle_nothing():
    prices = {"A": [10] * 6, "B": [10] * 6}
    rows = [*SOLD, order(2, 60, "B"), order(3, 60, "B"), order(4, 60, "B")]
    for run in told(prices, rows, sessions=[0, 0, 1, 1, 2, 2], **CASH, settlement=1):
        # sold in session 1, which bar 4 ends
        assert [row[0] for row in run.fills[2:]] == [4, 5], run.judge


def test_sessions_are_those_of_the_panel_also_without_a_bar_of_the_asset():
    prices = {"A": [10, 10, 10, None, 10], "B": [10] * 5}
    days = [date(2024, 1, day) for day in (3, 4, 5, 8, 9)]
    for run in told(prices, [*SOLD, order(3, 60, "B")], sessions=days, **CASH, settlement=2):
        assert run.fills[2:] == [(4, 60.0, 10.0)], run.judge


def test_a_batch_waits_for_the_settlement():
    prices = {"A": [10] * 5, "B": [10] * 5}
    rows = weights([1.0, None], [0.0, 0.6], *[[None, None]] * 3)
    for run in told(prices, rows, **CASH, settlement=2):
        assert run.fills == [(1, 100.0, 10.0), (2, -100.0, 10.0), (4, 60.0, 10.0)], run.judge


def test_the_closing_leg_of_an_order_that_crosses_zero_settles_too():
    for run in told([10] * 4, [order(0, 100), order(1, -150), order(2, -10)], **CASH, **SHORTS, settlement=2):
        # 100 sold bring 1,000 that cannot be spent, so that nothing can be sold short
        assert run.ends[1:] == [("cancelled", "cash", 100.0), ("rejected", "cash", 0.0)], run.judge


def test_what_a_short_brings_and_bookings_are_there_at_once():
    prices = {"A": [10, 10, None, None], "B": [10] * 4}
    actions = [(2, "A", "delisting", 10.0)]
    for run in told(prices, [order(0, 100), order(1, 60, "B")], actions, **CASH, settlement=2):
        assert run.fills[2:] == [(2, 60.0, 10.0)], run.judge
    for run in told(prices, [order(0, -40), order(0, 60, "B")], **CASH, **SHORTS, settlement=2):
        # 1,400 - 2 x 400 = 600
        assert run.ends[1] == ("filled", None, 60.0), run.judge


# The same as cash -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("costs", [{}, {"commission_rate": 0.01, "slippage_rate": 0.005}, {"commission_minimum": 3.0}])
def test_margin_with_rates_of_one_makes_the_fills_of_a_cash_account(costs):
    prices = {
        "A": [10, (10, 12, 8, 11), (12, 13, 9, 9), (8, 9, 7, 8), 8],
        "B": [20, (20, 22, 18, 21), 22, (21, 24, 20, 23), 20],
    }
    rows = [
        order(0, 70, limit=9),
        order(0, 20, "B"),
        order(1, -30),
        order(1, 20, "B", limit=21.5),
        order(2, 90),
        order(3, -15, "B"),
    ]
    ones = {"initial_margin": 1.0, "maintenance_margin": 1.0}
    cash = told(prices, rows, **CASH, **costs)
    for run, other in zip(told(prices, rows, **MARGIN, **ones, **costs), cash, strict=True):
        assert len(run.fills) >= 5 and run.fills == other.fills and run.equity == other.equity, run.judge
        named = [tuple("cash" if word == "margin" else word for word in end) for end in run.ends]
        assert named == other.ends and run.events == [], run.judge
