"""Commission on an order's total, and the round trips that fills make (clauses 7.3 and 8)."""

from contract.by_hand import ends, fills, order, play, rows, trades

CAPPED = [(10, 10, 10, 10, 1000)] * 4  # a tenth of a bar: 100 shares, 1,000 of notional


def fees(result):
    return [round(fee, 9) for fee in result.fills["commission"]]


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
    both = [order(0, 100.0, type="limit", limit_price=9.0), order(0, 10.0)]
    result = play(bars, both, commission_rate=0.01, maker_rate=0.002)
    assert fills(result, "commission") == [(1, 10.0, 10.0, 1.0), (1, 100.0, 9.0, 1.8)]


def test_shares_pay_per_share_and_only_sells_pay_tax():
    result = play([10, 10, 10], [order(0, 100.0), order(1, -100.0)], commission_per_share=0.01, sell_tax_rate=0.005)
    assert fees(result) == [1.0, 6.0]


def test_a_trade_is_booked_at_average_cost():
    bars = [10, 10, 16, 15, 12]
    result = play(bars, [order(0, 10.0), order(1, 20.0), order(2, -15.0), order(3, -15.0)], initial_cash=1000.0)
    # average (100 + 320) / 30 = 14: 15 x (15 - 14) + 15 x (12 - 14)
    assert trades(result, "quantity", "entry_price", "exit_price", "gross_pnl") == [(30.0, 14.0, 13.5, -15.0)]
    assert round(result.metrics["total_return"], 9) == -0.015


def test_a_short_gains_when_the_price_falls():
    result = play([10, 10, 8], [order(0, -10.0), order(1, 10.0)], allow_short_selling=True, initial_cash=1000.0)
    assert trades(result, "direction", "quantity", "gross_pnl") == [("short", -10.0, 20.0)]
    assert result.equity["equity"].to_list() == [1000.0, 1000.0, 1020.0]


def test_excursions_are_seen_from_the_holder():
    bars = [10, (10, 12, 9, 10), (10, 13, 8, 10), (10, 20, 5, 10)]
    long = play(bars, [order(0, 10.0), order(2, -10.0)])
    assert trades(long, "mfe", "mae") == [(0.3, -0.2)]  # the exit bar counts with its exit price only
    short = play(bars, [order(0, -10.0), order(2, 10.0)], allow_short_selling=True)
    assert trades(short, "mfe", "mae") == [(0.2, -0.3)]


def test_a_position_born_inside_meets_its_first_bar_with_fill_and_close_only():
    bars = [10, (10, 15, 8, 11), (10, 10.5, 9.5, 10)]
    result = play(bars, [order(0, 10.0, type="limit", limit_price=9.0), order(1, -10.0)])
    assert trades(result, "entry_price", "mfe", "mae") == [(9.0, round(2 / 9, 9), 0.0)]


def test_a_residue_of_rounding_is_flat():
    # 0.1 + 0.2 is 0.30000000000000004
    result = play([10, 10, 10, 10], [order(0, 0.1), order(0, 0.2), order(1, -0.3)], lot=0)
    assert len(result.trades) == 1
    assert result.equity["open_positions"].to_list() == [0, 1, 0, 0]


def test_an_order_that_crosses_zero_makes_two_fills_and_two_trades():
    bars = [10, 10, 12, 11]
    result = play(bars, [order(0, 100.0), order(1, -150.0), order(2, 50.0)], allow_short_selling=True)
    assert fills(result, "order_id") == [
        (1, 100.0, 10.0, 0),
        (2, -100.0, 12.0, 1),
        (2, -50.0, 12.0, 1),
        (3, 50.0, 11.0, 2),
    ]
    assert trades(result, "quantity", "gross_pnl") == [(100.0, 200.0), (-50.0, 50.0)]


def test_without_shorting_an_order_that_would_cross_is_cut_to_the_position():
    result = play([10, 10, 12, 11], [order(0, 100.0), order(1, -150.0), order(2, -1.0)])
    assert fills(result) == [(1, 100.0, 10.0), (2, -100.0, 12.0)]
    assert ends(result) == [("filled", None, 100.0), ("cancelled", "no_short", 100.0), ("rejected", "no_short", 0.0)]


def test_an_order_is_cut_to_the_position_also_when_the_cap_fills_it_in_part():
    bars = [(10, 10, 10, 10, 1000), (10, 10, 10, 10, 1000), (10, 10, 10, 10, 400)]
    held = order(0, 100.0)
    result = play(bars, [held, order(1, -150.0)], max_participation=0.1)
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0]  # of 100, not of 150
    reduce = order(1, -150.0, reduce_only=True)
    result = play(bars, [held, reduce], max_participation=0.1, allow_short_selling=True)
    assert result.orders["working_quantity"].to_list() == [0.0, 60.0]


def test_two_reduce_only_orders_never_flip_a_position():
    sells = [order(1, -60.0, reduce_only=True), order(1, -60.0, reduce_only=True)]
    result = play([10, 10, 10], [order(0, 100.0), *sells], allow_short_selling=True)
    assert fills(result) == [(1, 100.0, 10.0), (2, -60.0, 10.0), (2, -40.0, 10.0)]
    assert ends(result)[2] == ("cancelled", "no_short", 40.0)


def test_counters_agree_with_the_trades():
    bars = [10, 10, 12, 12, 9, 9]
    result = play(bars, [order(0, 10.0), order(1, -10.0), order(2, 10.0), order(3, -10.0)], initial_cash=1000.0)
    found = result.metrics
    assert (found["num_trades"], found["win_rate"]) == (2, 0.5)
    assert round(found["profit_factor"], 9) == round(20 / 30, 9)
    assert rows(result.equity, "drawdown")[-1] == (round(990 / 1020 - 1, 9),)
    assert round(found["max_drawdown"], 9) == round(abs(990 / 1020 - 1), 9)


def test_a_trade_pays_the_fees_of_its_entry_and_its_exit():
    result = play([10, 10, 12], [order(0, 100.0), order(1, -100.0)], commission_rate=0.01, slippage_fixed=0.5)
    assert trades(result, "fees", "slippage", "pnl") == [(22.0, 100.0, 78.0)]  # 10.5 + 11.5; 1,150 - 1,050 - 22
