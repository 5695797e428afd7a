"""Equity and the round trips that fills make (clause 8)."""

from contract.by_hand import equity, order, play, rows, trades


def test_equity_is_recorded_once_a_bar_after_the_close():
    result = play([10, 10, 10, (10, 10.5, 9, 9.25), 9.25], [order(0, 10)])
    # 10 shares at 10; marked at 10, 10, 9.25, 9.25
    assert equity(result) == [100_000, 100_000, 100_000, 99_992.5, 99_992.5]
    assert result.equity["cash"].to_list() == [100_000] + [99_900] * 4


def test_a_trade_is_booked_at_average_cost():
    bars = [10, 10, 16, 15, 12]
    result = play(bars, [order(0, 10.0), order(1, 20.0), order(2, -15.0), order(3, -15.0)], initial_cash=1000.0)
    # average (100 + 320) / 30 = 14: 15 x (15 - 14) + 15 x (12 - 14)
    assert trades(result, "quantity", "entry_price", "exit_price", "gross_pnl") == [(30.0, 14.0, 13.5, -15.0)]
    assert round(result.metrics["total_return"], 9) == -0.015


def test_a_trade_is_one_round_trip_of_all_its_fills():
    # 10 at 10 and 10 at 12: average 11; 5 sold at 13, 15 at 10: (13 - 11) x 5 + (10 - 11) x 15 = -5
    bars = [10, 10, 12, (13, 14, 9, 13), 10]
    rows = [order(0, 10), order(1, 10), order(2, -5), order(3, -15)]
    result = play(bars, rows, commission_per_trade=1.0)
    assert trades(result, "quantity", "entry_price", "gross_pnl", "fees", "pnl") == [(20.0, 11.0, -5.0, 4.0, -9.0)]
    # extremes of the bars held: 14 and 9, as fractions of the entry price
    assert trades(result, "exit_price", "mfe", "mae") == [(11 - 5 / 20, round(3 / 11, 9), round(-2 / 11, 9))]


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
    result = play(bars, [order(0, 10.0, limit=9.0), order(1, -10.0)])
    assert trades(result, "entry_price", "mfe", "mae") == [(9.0, round(2 / 9, 9), 0.0)]


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
