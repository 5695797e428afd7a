"""At the close, the bankrupt account, the deciding close (clauses 4.1, 4.2, 4.5, 4.7)."""

from contract.by_hand import ends, equity, fills, order, play, rows

TWO = {"A": [10, 10, 10, 10], "B": [10, 10, 10, 10]}


# 4.1 At the close ----------------------------------------------------------------------------------------------------


def test_market_on_close_fills_at_the_close_and_expires_there():
    bars = [(10, 10, 10, 10, 100)] * 2 + [(10, 12, 10, 11, 100)]
    result = play(bars, [order(1, 20, type="moc")], max_participation=0.10)
    assert fills(result, "phase") == [(2, 10.0, 11.0, "close")]  # a tenth of 100 shares; 4.2: the rest expires
    assert ends(result) == [("expired", "volume", 10.0)]


def test_orders_at_the_close_may_use_what_the_bar_brought():
    bars = {"A": [10, 10, (10, 12, 10, 12)], "B": [10, 10, 10]}
    rows = [order(0, 100.0), order(1, -100.0, limit=11.0), order(1, 110.0, symbol="B", type="moc")]
    result = play(bars, rows, initial_cash=1000.0)
    assert fills(result)[1:] == [(2, -100.0, 11.0), (2, 110.0, 10.0)]


# 4.5 Bankruptcy ------------------------------------------------------------------------------------------------------


def test_bankruptcy_closes_everything_at_marks_and_decides_nothing_after():
    bars = {"A": [10, 10, (10, 31, 10, 31), 10, 10], "B": [10, 10, 10, 10, 10]}
    rows_ = [order(0, -100.0), order(1, 10.0, symbol="B", limit=5.0), order(3, 10.0, symbol="B")]
    result = play(bars, rows_, initial_cash=2000.0, allow_short_selling=True, slippage_rate=0.0, commission_rate=0.01)
    # cash 3,000 - 10 of commission, then 100 bought back at 31 with 31 of commission
    assert fills(result, "origin", "phase")[1] == (2, 100.0, 31.0, "bankruptcy", "booking")
    assert [round(x, 9) for x in result.equity["equity"]] == [2000.0, 1990.0, -141.0, -141.0, -141.0]
    assert ends(result)[1:] == [("cancelled", "bankrupt", 0.0)]


def test_an_account_without_equity_is_closed_at_marks_and_frozen():
    # short 100 at 10 with 1,000: at 25 equity is 2,000 - 2,500 < 0; covered at 25
    result = play([10, 10, 25, 10], [order(0, -100), order(2, 1)], initial_cash=1_000.0, allow_short_selling=True)
    assert fills(result, "phase") == [(1, -100.0, 10.0, "open"), (2, 100.0, 25.0, "booking")]
    assert equity(result) == [1_000, 1_000, -500, -500]
    assert result.orders.height == 1


# 4.7 The deciding close ----------------------------------------------------------------------------------------------


def test_same_bar_close_fills_market_orders_at_the_deciding_close_and_others_later():
    bars = [(10, 12, 8, 11), (11, 11, 8, 9)]
    rows = [order(0, 10.0), order(0, 10.0, limit=10.0), order(0, 10.0, type="moo")]
    result = play(bars, rows, timing="same_bar_close", initial_cash=1000.0)
    assert fills(result, "phase") == [
        (0, 10.0, 11.0, "decision_close"),
        (1, 10.0, 11.0, "open"),
        (1, 10.0, 10.0, "inside"),
    ]
    assert result.equity["equity"].to_list() == [1000.0, 1000 + 30 * 9 - 110 - 110 - 100]


def test_the_deciding_close_trades_under_its_own_name_only():
    rows = [order(0, 5), order(0, 5, stop=12.5)]
    result = play([(10, 12, 9, 11), 13], rows, timing="same_bar_close")
    assert fills(result, "phase") == [(0, 5.0, 11.0, "decision_close"), (1, 5.0, 13.0, "open")]


def test_a_position_of_the_deciding_close_does_not_meet_its_bar():
    bars = [(10, 13, 7, 10), (10, 11, 9.5, 10), (10, 10, 9.5, 10)]
    result = play(bars, [order(0, 10.0), order(2, -10.0)], timing="same_bar_close", stop_loss=0.2, take_profit=0.2)
    assert fills(result) == [(0, 10.0, 10.0), (2, -10.0, 10.0)]
    assert rows(result.trades, "mfe", "mae") == [(0.1, -0.05)]


def test_exits_are_first_at_the_deciding_close_too():
    buys_first = [order(0, 100.0), order(1, 100.0, symbol="B"), order(1, -100.0)]
    result = play(TWO, buys_first, initial_cash=1000.0, timing="same_bar_close")
    assert fills(result, "symbol")[1:] == [(1, -100.0, 10.0, "A"), (1, 100.0, 10.0, "B")]
