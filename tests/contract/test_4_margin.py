"""The margin call, by the facade with the kernel and by the reference engine (clauses 4.5, 4.6, 2.1, 6.0)."""

import pytest

from contract.both import told
from contract.by_hand import event, order

MARGIN = {"account": "margin", "initial_cash": 10_000.0}  # rates of 0.5 and 0.25, of shorts 0.5 and 0.30
SHORTS = {"allow_short_selling": True}
BUY = [order(0, 150)]
# 150 bought at 100 leave -5,000 of cash: C = 45: E = 1,750, MM = 1,687.50; C = 44: E = 1,600, MM = 1,650: called
FALL = [100, 100, 45, (45, 45, 44, 44)]
CALL = event(3, "margin_call", value=1600, limit=1650)
FIVE = (4, -5.0, 44.0)  # f = 50 / 1,650, of 150 that is 4.55


def test_a_call_sells_what_is_missing_rounded_up_to_lots():
    for run in told([*FALL, 43, 43], BUY, **MARGIN):
        # bar 4: 5 are sold at 43, cash is -4,785, 145 x 43 = 6,235: E = 1,450, MM = 1,558.75: f = 108.75 / 1,558.75,
        # of 145 that is 10.12; bar 5: 134 x 43 = 5,762, MM = 1,440.50: E = 1,450 is enough
        assert run.fills == [(1, 150.0, 100.0), (4, -5.0, 43.0), (5, -11.0, 43.0)], run.judge
        assert run.events == [CALL, event(4, "margin_call", value=1450, limit=1558.75)], run.judge
        assert run.ends[1:] == [("filled", None, 5.0), ("filled", None, 11.0)], run.judge
        assert run.cash == [10_000, -5_000, -5_000, -5_000, -4_785, -4_312], run.judge
        # 0.5 and 0.25 of 15,000, 6,750, 6,600, 6,235 and 5,762
        assert run.margin == [(0, 0), (7500, 3750), (3375, 1687.5), (3300, 1650), (3117.5, 1558.75), (2881, 1440.5)]


def test_a_cash_account_is_not_called_and_records_no_requirements():
    for run in told([100, 100, 1], [order(0, 100)], initial_cash=10_000.0):
        assert run.events == [] and run.margin == [], run.judge


def test_the_costs_of_closing_make_a_call_larger():
    costs = {"spread": 0.02, "slippage_rate": 0.005, "slippage_fixed": 0.05}
    costs |= {"commission_rate": 0.01, "commission_per_share": 0.05, "sell_tax_rate": 0.005}
    for run in told([100, 100, 46, 46], BUY, **MARGIN, **costs):
        # 100 x 1.015 + 0.05 = 101.55; fee 15,232.50 x 0.01 + 150 x 0.05 = 159.825: cash -5,392.325
        assert run.cash[1] == pytest.approx(-5392.325), run.judge
        # C = 46: 6,900; E = 1,507.675, MM = 1,725; cost 6,900 x (0.015 + 0.01 + 0.005) + 150 x 0.10 = 222;
        # f = 217.325 / (1,725 - 222) = 0.144594, of 150 that is 21.69; sold at 46 x 0.985 - 0.05 = 45.26
        assert run.events == [event(2, "margin_call", value=1507.675, limit=1725)], run.judge
        assert run.fills[1] == (3, -22.0, 45.26), run.judge
        # fee 22 x 45.26 x 0.015 + 22 x 0.05 = 16.0358; cash -4,412.6408, 128 x 46 = 5,888: E = 1,475.3592, MM = 1,472
        assert run.equity[3] == pytest.approx(1475.3592), run.judge


def test_of_commissions_in_tiers_a_call_reckons_with_the_first():
    tiers = [(0.0, 0.04), (1000.0, 0.0)]
    for run in told([100, 100, 45, 45], BUY, **MARGIN, commission_tiers=tiers):
        # the purchase pays 1,000 x 0.04 = 40; C = 45: E = 1,710, MM = 1,687.50: no call
        assert run.events == [], run.judge
    for run in told([100, 100, 44, 44], BUY, **MARGIN, commission_tiers=tiers):
        # E = 1,560, MM = 1,650; cost 6,600 x 0.04 = 264: f = 90 / 1,386, of 150 that is 9.74; without it 8.18
        assert run.fills[1] == (3, -10.0, 44.0), run.judge


def test_where_closing_costs_more_than_it_frees_everything_is_ordered_out():
    for run in told([100, 100, 36, 36], BUY, **MARGIN, sell_tax_rate=0.25):
        # E = 400, MM = 1,350, cost 5,400 x 0.25 = 1,350, no less than S: f = 1
        assert run.fills[1] == (3, -150.0, 36.0), run.judge


def test_a_gap_after_a_call_ends_in_bankruptcy():
    for run in told([*FALL, 30, 60], [*BUY, order(4, 1)], **MARGIN):
        # 5 are sold at 30, cash is -4,850; E = 145 x 30 - 4,850 = -500; what comes later is nothing to the account
        assert run.fills[1:] == [(4, -5.0, 30.0), (4, -145.0, 30.0)], run.judge
        assert run.events == [CALL, event(4, "bankrupt", value=-500)], run.judge
        assert run.equity[4:] == [-500, -500] and run.margin[4:] == [(0, 0), (0, 0)], run.judge
        assert len(run.ends) == 2, run.judge


def test_bankruptcy_ends_what_is_left_of_a_call():
    volumes = [(100, 100, 100, 100, 10_000)] * 2 + [(45, 45, 44, 44, 100), (30, 30, 30, 30, 20), 60]
    for run in told(volumes, BUY, **MARGIN, max_participation=0.10):
        # 2 of 5 are sold at 30: E = 148 x 30 - 4,940 = -500
        assert run.ends[1] == ("cancelled", "bankrupt", 2.0), run.judge
        assert run.events[1] == event(3, "bankrupt", value=-500), run.judge


def test_a_short_squeeze_buys_back():
    for run in told([100, 100, 128, 129, 129], [order(0, -150)], **MARGIN, **SHORTS):
        # cash 25,000; C = 128: E = 5,800, MM = 0.30 x 19,200 = 5,760; C = 129: E = 5,650, MM = 5,805:
        # f = 155 / 5,805, of 150 that is 4.005; then 145 x 129 = 18,705: E = 5,650, MM = 5,611.50
        assert run.events == [event(3, "margin_call", value=5650, limit=5805)], run.judge
        assert run.fills[1:] == [(4, 5.0, 129.0)] and run.cash[4] == 24_355, run.judge


def test_longs_and_shorts_are_not_netted():
    prices = {"A": [100, 100, 60, 60], "B": [100, 100, 120, 120]}
    rows = [order(0, 90), order(0, -90, "B")]
    for run in told(prices, rows, **MARGIN, **SHORTS):
        # E = 10,000 - 3,600 - 1,800 = 4,600; MM = 0.25 x 5,400 + 0.30 x 10,800 = 4,590: no call
        assert run.events == [] and run.margin[2] == (2700 + 5400, 1350 + 3240), run.judge
    prices = {"A": [100, 100, 60, 60], "B": [100, 100, 121, 121]}
    for run in told(prices, rows, **MARGIN, **SHORTS):
        # E = 4,510; MM = 1,350 + 3,267 = 4,617: f = 107 / 4,617, of 90 that is 2.09, of both
        assert run.fills[2:] == [(3, -3.0, 60.0), (3, 3.0, 121.0)], run.judge


# Under a cap ----------------------------------------------------------------------------------------------------------

CAP = {**MARGIN, "max_participation": 0.10}


def bars(*prices):
    """Flat bars of a volume of 20, of which 2 can trade; before them 150 can be bought at 100."""
    return [(100, 100, 100, 100, 10_000)] * 2 + [(price, price, price, price, 20) for price in prices]


def test_what_a_cap_leaves_of_a_call_is_replaced_by_the_next_call():
    for run in told(bars(44, 44, 44, 44, 44), BUY, **CAP):
        # 5 are ordered, 2 sold: MM = 0.25 x 148 x 44 = 1,628: f = 28 / 1,628, of 148 that is 2.55; of 3 2 are sold:
        # MM = 0.25 x 146 x 44 = 1,606: f = 6 / 1,606, of 146 that is 0.55; 1 is sold
        assert run.fills[1:] == [(3, -2.0, 44.0), (4, -2.0, 44.0), (5, -1.0, 44.0)], run.judge
        assert [row[0] for row in run.events] == [2, 3, 4], run.judge
        replaced = ("replaced", "replaced", 2.0)
        assert run.ends[1:] == [replaced, replaced, ("filled", None, 1.0)], run.judge


def test_what_a_cap_leaves_of_a_call_ends_where_it_is_not_needed_any_more():
    for run in told(bars(44, 44, 46, 46), BUY, **CAP):
        # bar 4: 146 x 46 - 5,000 + 2 x 44 + 2 x 46 = 1,896, MM = 1,679: the third of 3 is not sold
        assert run.fills[1:] == [(3, -2.0, 44.0), (4, -2.0, 46.0)], run.judge
        assert run.ends[1:] == [("replaced", "replaced", 2.0), ("cancelled", "restored", 2.0)], run.judge
        assert run.end_bars[1:] == [3, 4], run.judge


def test_a_call_and_an_exit_share_the_cap_and_the_call_comes_first():
    for run in told(bars(46, 44, 44), [*BUY, order(2, -10)], **CAP):
        # bar 3: the exit sells 2 at 44: E = 1,600, MM = 0.25 x 148 x 44 = 1,628: 3 are ordered; bar 4: 2 of them
        assert run.fills[1:] == [(3, -2.0, 44.0), (4, -2.0, 44.0)], run.judge
        assert run.ends[2] == ("replaced", "replaced", 2.0) and run.ends[1] == ("live", None, 2.0), run.judge


# Everything, and assets without a bar ---------------------------------------------------------------------------------


def test_a_call_may_order_everything_out():
    for run in told([*FALL, 43], BUY, **MARGIN, margin_call="all"):
        assert run.fills[1:] == [(4, -150.0, 43.0)] and run.cash[4] == 1450, run.judge


# 75 of each bought at 100, both at 50: E = 2,500, MM = 1,875; B at 36: E = 1,450, MM = 0.25 x 6,450 = 1,612.50
HALTED = {"A": [100, 100, 50, None, None, 50, (50, 61, 50, 61)], "B": [100, 100, 50, 36, 36, 36, 36]}
BOTH = [order(0, 75), order(0, 75, "B")]


def test_an_asset_without_a_bar_stays_out_of_a_call():
    for run in told(HALTED, BOTH, **MARGIN):
        # S = 0.25 x 2,700 = 675 of B alone: f = 162.50 / 675, of 75 that is 18.06; then MM = 0.25 x 5,766 = 1,441.50
        assert run.events == [event(3, "margin_call", value=1450, limit=1612.5)], run.judge
        assert run.fills[2:] == [(4, -19.0, 36.0)], run.judge


def test_a_call_of_everything_waits_for_an_asset_without_a_bar():
    for run in told(HALTED, BOTH, **MARGIN, margin_call="all"):
        # bar 4: B is sold, cash is -5,000 + 2,700: E = 3,750 - 2,300 = 1,450, MM = 937.50: A stays
        assert run.fills[2:] == [(4, -75.0, 36.0)], run.judge
        assert run.ends[2:] == [("cancelled", "restored", 0.0), ("filled", None, 75.0)], run.judge


def test_where_no_asset_has_a_bar_all_are_ordered_out():
    prices = {"A": [100, 100, 50, None, 50], "B": [100, 100, 50, None, 50]}
    for run in told(prices, BOTH, flows=[(3, -1000.0)], **MARGIN):
        # E = 7,500 - 6,000 = 1,500, MM = 1,875, and nothing that could be closed: S = 0
        assert run.events == [event(3, "margin_call", value=1500, limit=1875)], run.judge
        assert run.fills[2:] == [(4, -75.0, 50.0), (4, -75.0, 50.0)], run.judge


# What a call does to other orders -------------------------------------------------------------------------------------


def test_a_call_cancels_entries_and_refuses_new_ones():
    prices = {"A": [*FALL, 44, 44], "B": [10] * 6}
    rows = [*BUY, order(1, 100, "B", limit=5), order(3, 1, "B"), order(3, 1), order(4, 1, "B")]
    for run in told(prices, rows, **MARGIN):
        # 5 sold at 44: E = 1,600, MM = 0.25 x 145 x 44 = 1,595; IM = 3,190: nothing can be bought on bar 5 either
        assert run.ends[1] == ("cancelled", "margin_call", 0.0) and run.end_bars[1] == 3, run.judge
        assert run.ends[2] == ("filled", None, 5.0), run.judge
        assert run.ends[3:5] == [("rejected", "margin_call", 0.0)] * 2 and run.end_bars[3:5] == [3, 3], run.judge
        assert run.ends[5] == ("rejected", "margin", 0.0), run.judge


def test_a_call_leaves_exits_and_reduce_only_orders_alone():
    rows = [*BUY, order(1, -150, limit=200), order(1, -150, stop=10, reduce_only=True), order(1, 20, reduce_only=True)]
    for run in told([*FALL, 44], rows, **MARGIN):
        # the last finds nothing to reduce on bar 2
        assert [end[0] for end in run.ends] == ["filled", "live", "live", "rejected", "filled"], run.judge


def test_an_exit_decided_beside_a_call_does_not_turn_the_position():
    for run in told([*FALL, 44], [*BUY, order(3, -150)], **MARGIN, **SHORTS):
        # the call comes first: of 150 145 are left to sell
        assert run.fills[1:] == [FIVE, (4, -145.0, 44.0)], run.judge
        assert run.ends[2] == ("cancelled", "no_short", 145.0), run.judge


def test_an_exit_that_lives_when_a_call_comes_does_not_turn_the_position():
    for run in told([*FALL, (44, 60, 44, 60)], [*BUY, order(1, -150, limit=50)], **MARGIN, **SHORTS):
        assert run.fills[1:] == [FIVE, (4, -145.0, 50.0)], run.judge


def test_an_order_that_would_cross_zero_keeps_its_closing_leg():
    rows = [*BOTH, order(1, -100, limit=60)]
    for run in told(HALTED, rows, **MARGIN, **SHORTS):
        # A has no bar on bar 3 and no order of the call; its 100 become the 75 that are held, sold on bar 6
        assert run.fills[3:] == [(6, -75.0, 60.0)], run.judge
        assert run.ends[2] == ("cancelled", "margin_call", 75.0), run.judge
    for run in told([*FALL, (44, 60, 44, 60)], [*BUY, order(1, -200, limit=50)], **MARGIN, **SHORTS):
        # cut twice: to the 150 held at the call, to the 145 that it left; the last cut gives the name
        assert run.ends[1] == ("cancelled", "no_short", 145.0), run.judge


def test_what_is_decided_against_a_position_at_a_call_only_reduces():
    for run in told(HALTED, [*BOTH, order(3, -100)], **MARGIN, **SHORTS):
        # A has no order of the call, and is sold at its next bar
        assert run.fills[3:] == [(5, -75.0, 50.0)], run.judge
        assert run.ends[3] == ("cancelled", "no_short", 75.0), run.judge


def test_a_time_exit_beside_a_call_sells_what_the_call_leaves():
    for run in told([*FALL, 44], BUY, **MARGIN, time_exit=3):
        # bars 1 to 3 are the three of the time exit
        assert run.fills[1:] == [FIVE, (4, -145.0, 44.0)], run.judge
        assert run.ends[1:] == [("filled", None, 5.0), ("cancelled", "no_short", 145.0)], run.judge


def test_a_stop_beside_a_call_takes_what_the_call_leaves():
    for run in told([*FALL, 39], BUY, **MARGIN, stop_loss=0.6):
        # the stop is at 40; at O = 39 the call sells 5, then the stop 145
        assert run.fills[1:] == [(4, -5.0, 39.0), (4, -145.0, 39.0)], run.judge


def weights(*targets):
    """Target weights bar by bar."""
    rows = [{"bar": bar, "targets": row} for bar, row in enumerate(targets)]
    return {"kind": "weights", "rows": rows, "min_notional": None, "min_weight_change": 0.0}


def test_a_target_is_reckoned_from_what_a_call_leaves():
    for run in told([*FALL, 44], weights([1.5], [None], [None], [3.0], [None]), **MARGIN):
        # 3 x 1,600 / 44 = 109.09; of 145, not of 150, 35.91 are to be sold: 35
        assert run.fills == [(1, 150.0, 100.0), FIVE, (4, -35.0, 44.0)], run.judge
    for run in told([*FALL, 44], weights([1.5], [None], [None], [3.99], [None]), **MARGIN):
        # 3.99 x 1,600 / 44 = 145.09: met by the call
        assert run.fills[1:] == [FIVE] and len(run.ends) == 2, run.judge
    for run in told([*FALL, 44], weights([1.5], [None], [None], [4.1], [None]), **MARGIN):
        # 149.09: 4 to be bought, which is an entry
        assert run.ends[2] == ("rejected", "margin_call", 0.0), run.judge
    for run in told([*FALL, 44], weights([1.5], [None], [None], [0.0], [None]), **MARGIN):
        # closed whole: 150, of which 145 are left
        assert run.fills[1:] == [FIVE, (4, -145.0, 44.0)], run.judge


def test_a_target_that_waits_is_cancelled_by_a_call():
    prices = {"A": [*FALL, 44], "B": [10, None, None, None, 10]}
    for run in told(prices, weights([1.5, 0.1], *[[None, None]] * 4), **MARGIN):
        assert run.ends[1] == ("cancelled", "margin_call", 0.0) and run.end_bars[1] == 3, run.judge


# Clocks ---------------------------------------------------------------------------------------------------------------


def test_at_the_deciding_close_a_call_acts_at_once_and_first():
    for run in told(
        [(100, 100, 100, 100)] * 2 + [45, 44], [order(1, 150), order(3, -150)], timing="same_bar_close", **MARGIN
    ):
        assert run.fills[1:] == [(3, -5.0, 44.0), (3, -145.0, 44.0)], run.judge
        assert run.events == [CALL] and run.margin[3] == (0, 0), run.judge


def test_an_account_that_holds_nothing_is_not_called():
    for run in told([100, 100, 100, 0.5, 0.5], [order(0, 150), order(1, -150)], **MARGIN, sell_tax_rate=0.7):
        # the sale pays 15,000 x 0.7 = 10,500: E = -500 and flat; neither bankrupt nor called
        assert run.equity[2:] == [-500] * 3 and run.events == [], run.judge


def test_a_stale_asset_can_bankrupt_an_account_that_still_holds_something():
    prices = {"A": [100, 100, None, 100], "B": [100, 100, 100, 100]}
    for run in told(prices, BOTH, max_stale=1, delisting_return=-1.0, **{**MARGIN, "initial_cash": 7600.0}):
        # cash -7,400; A is worth nothing any more: E = 7,500 - 7,400 = 100, MM = 1,875: called
        assert run.events == [event(2, "margin_call", value=100, limit=1875)], run.judge
    for run in told(prices, BOTH, max_stale=1, delisting_return=-1.0, **{**MARGIN, "initial_cash": 7500.0}):
        # E = 0 with 75 of B held: bankrupt now, and B is closed at its mark
        assert run.events == [event(2, "bankrupt", value=0)], run.judge
        assert run.fills[2:] == [(2, -75.0, 0.0), (2, -75.0, 100.0)], run.judge
