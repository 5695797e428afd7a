"""The price of a fill with its costs, and the commission on an order's total (clause 7)."""

import pytest

from contract.by_hand import fills, order, play

CAPPED = [(10, 10, 10, 10, 1000)] * 4  # a tenth of a bar: 100 shares, 1,000 of notional


def fees(result):
    return [round(fee, 9) for fee in result.fills["commission"]]


# 7.1 Costs -----------------------------------------------------------------------------------------------------------


def test_spread_slippage_and_stop_slippage_are_adverse_and_add_up():
    # half of the spread 0.02, slippage 0.01 and 0.5 a share; a stop 0.05 more
    costs = {"spread": 0.02, "slippage_rate": 0.01, "slippage_fixed": 0.5, "stop_slippage_rate": 0.05}
    rows = [order(0, 10.0), order(1, -4.0), order(1, -6.0, stop=90.0)]
    result = play([100, 100, (100, 100, 90, 95)], rows, **costs)
    # 100 x 1.02 + 0.5; 100 x 0.98 - 0.5; 90 x 0.93 - 0.5
    assert fills(result, "slippage") == [(1, 10.0, 102.5, 25.0), (2, -4.0, 97.5, 10.0), (2, -6.0, 83.2, 40.8)]


def test_impact_grows_with_what_the_side_has_traded_in_the_bar():
    law = {"impact_coefficient": 0.1, "impact_exponent": 0.5}
    bars = [(100, 100, 100, 100, 1000), (100, 100, 100, 100, 10_000), (100, 100, 100, 100, 2500)]
    result = play(bars, [order(0, 100.0), order(0, 300.0), order(1, -100.0)], **law)
    # 0.1 sqrt(100 / 10,000), then 0.1 sqrt(400 / 10,000); the sells of bar 2 start anew: 0.1 sqrt(100 / 2,500)
    assert fills(result) == [(1, 100.0, 101.0), (1, 300.0, 102.0), (2, -100.0, 98.0)]


def test_impact_scales_with_volatility_when_asked():
    law = {"impact_coefficient": 1.0, "impact_exponent": 0.5, "impact_sigma": 1.0, "volatility_window": 2}
    bars = [(p, p, p, p, 10_000) for p in (100, 110, 99, 100)]
    # before bar 3: returns 0.1 and -0.1, sample deviation 0.1 sqrt(2); x sqrt(100 / 10,000)
    assert fills(play(bars, [order(2, 100.0)], **law)) == [(3, 100.0, round(100 * (1 + 0.1 * 2**0.5 * 0.1), 9))]


# 7.2 Limits ----------------------------------------------------------------------------------------------------------


def test_costs_never_push_a_fill_beyond_its_limit():
    costly = {"slippage_rate": 0.10, "allow_short_selling": True}
    buys = [order(0, 5.0), order(0, 5.0, limit=10.5), order(0, 5.0, limit=12.0)]
    assert fills(play([10, 10], buys, **costly)) == [(1, 5.0, 11.0), (1, 5.0, 10.5), (1, 5.0, 11.0)]
    sells = [order(0, -5.0), order(0, -5.0, limit=9.5)]
    assert fills(play([10, 10], sells, **costly)) == [(1, -5.0, 9.0), (1, -5.0, 9.5)]


def test_a_limit_met_inside_the_bar_pays_no_slippage():
    dear = {"slippage_rate": 0.10, "spread": 0.02}
    result = play([10, (10, 10, 8, 10)], [order(0, 5.0, limit=9.0)], **dear)
    assert fills(result, "passive", "slippage") == [(1, 5.0, 9.0, True, 0.0)]


# 7.3 Commission ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ({"commission_rate": 0.001}, [0.4, 0.6]),  # 400 and 600 of notional
        ({"commission_per_share": 0.01}, [0.4, 0.6]),
        ({"commission_per_trade": 2.0}, [2.0, 0.0]),  # once an order
        ({"commission_rate": 0.001, "commission_minimum": 0.7}, [0.7, 0.3]),  # 1.0 in all: a slice pays the difference
        ({"commission_rate": 0.001, "commission_maximum": 0.5}, [0.4, 0.1]),
        ({"commission_tiers": [(0.0, 0.01), (500.0, 0.001)]}, [4.0, 1.0 + 0.5]),  # the part above 500 at 0.1 %
        ({"sell_tax_rate": 0.01}, [0.0, 0.0]),
    ],
)
def test_commission_is_on_the_orders_totals_and_a_slice_pays_the_difference(costs, expected):
    bars = [(10, 10, 10, 10, 1_000), (10, 10, 10, 10, 400), (10, 10, 10, 10, 1_000)]
    result = play(bars, [order(0, 100)], max_participation=0.10, **costs)
    assert fills(result) == [(1, 40.0, 10.0), (2, 60.0, 10.0)]
    assert fees(result) == expected


def test_one_minimum_and_one_maximum_cover_all_slices_of_an_order():
    buy = [order(0, 200.0)]
    # 1 and 2 before the minimum of 1.5: the second slice pays what the total lacks
    assert fees(play(CAPPED, buy, max_participation=0.1, commission_rate=0.001, commission_minimum=1.5)) == [1.5, 0.5]
    assert fees(play(CAPPED, buy, max_participation=0.1, commission_rate=0.01, commission_maximum=15.0)) == [10.0, 5.0]


def test_the_fixed_fee_is_paid_once_an_order():
    result = play(CAPPED, [order(0, 200.0), order(2, -10.0)], max_participation=0.1, commission_per_trade=3.0)
    assert fees(result) == [3.0, 0.0, 3.0]


def test_tiers_are_marginal_and_see_the_whole_order():
    tiers = ((0.0, 0.01), (1000.0, 0.001))
    assert fees(play(CAPPED, [order(0, 200.0)], max_participation=0.1, commission_tiers=tiers)) == [10.0, 1.0]
    assert fees(play(CAPPED, [order(0, 250.0)], commission_tiers=tiers)) == [11.5]


def test_what_rests_and_is_met_pays_the_maker_rate():
    bars = [10, (10, 10, 8, 10), 10]
    both = [order(0, 100.0, limit=9.0), order(0, 10.0)]
    result = play(bars, both, commission_rate=0.01, maker_rate=0.002)
    assert fills(result, "commission") == [(1, 10.0, 10.0, 1.0), (1, 100.0, 9.0, 1.8)]


def test_shares_pay_per_share_and_only_sells_pay_tax():
    result = play([10, 10, 10], [order(0, 100.0), order(1, -100.0)], commission_per_share=0.01, sell_tax_rate=0.005)
    assert fees(result) == [1.0, 6.0]


def test_makers_pay_their_own_rate_and_sales_are_taxed():
    costs = {"commission_rate": 0.01, "maker_rate": 0.001, "sell_tax_rate": 0.002}
    result = play([10, (10, 10, 8, 9), 9], [order(0, 100, limit=9), order(1, -100)], **costs)
    assert fees(result) == [0.9, 9.0 + 1.8]
