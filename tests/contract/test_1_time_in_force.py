"""How long an order lives and from when on (clauses 1.6, 1.7), and what wakes it."""

import pytest

from contract.by_hand import ends, fills, order, play

DEEP = (10, 10, 8, 10)


def buy(bar, limit=9.0, **columns):
    return order(bar, 5.0, limit=limit, **columns)


@pytest.mark.parametrize(
    ("time_in_force", "bars", "end", "end_bar"),
    [
        ("gtc", None, ("live", None, 0.0), None),
        ("day", None, ("expired", "expired", 0.0), 3),  # session 1 is bars 1 and 2; it ends before bar 3
        ("bars", 2, ("expired", "expired", 0.0), 3),  # live on bars 1 and 2
        ("ioc", None, ("expired", "expired", 0.0), 1),  # the open of bar 1 only
        ("at_open", None, ("expired", "expired", 0.0), 1),
        ("at_close", None, ("expired", "expired", 0.0), 1),
    ],
)
def test_a_limit_out_of_reach_ends_with_its_time(time_in_force, bars, end, end_bar):
    rows = [order(0, 5, limit=9, time_in_force=time_in_force, bars=bars)]
    result = play([10] * 4, rows, sessions=[0, 1, 1, 2])
    assert ends(result) == [end]
    assert result.orders["end_timestamp"].to_list() == [end_bar]


@pytest.mark.parametrize(("dip", "filled"), [(1, True), (2, True), (3, False)])
def test_an_order_of_two_bars_lives_on_the_two_bars_after_its_decision(dip, filled):
    bars = [DEEP if bar == dip else 10 for bar in range(5)]
    result = play(bars, [buy(0, time_in_force="bars", bars=2)])
    assert fills(result) == ([(dip, 5.0, 9.0)] if filled else [])
    assert ends(result) == [("filled", None, 5.0) if filled else ("expired", "expired", 0.0)]


def test_a_day_order_ends_with_the_session_of_its_first_live_bar():
    day = [buy(0, time_in_force="day")]
    sessions = [0, 1, 1, 2, 2]
    assert fills(play([10, 10, DEEP, 10, 10], day, sessions=sessions)) == [(2, 5.0, 9.0)]
    result = play([10, 10, 10, DEEP, 10], day, sessions=sessions)
    assert ends(result) == [("expired", "expired", 0.0)]
    assert result.orders["end_timestamp"].to_list() == [3]


def test_an_order_good_till_cancelled_waits_through_bars_without_prices():
    assert fills(play([10, None, 10, DEEP], [buy(0)])) == [(3, 5.0, 9.0)]


def test_immediate_or_cancel_is_the_open_of_the_first_live_bar_only():
    rows = [buy(0, time_in_force="ioc"), order(0, 5.0, time_in_force="ioc"), buy(0, 11.0, time_in_force="ioc")]
    assert fills(play([10, DEEP, 10], rows)) == [(1, 5.0, 10.0), (1, 5.0, 10.0)]
    result = play([10, None, DEEP], rows)  # also when the asset has no bar
    assert [end[0] for end in ends(result)] == ["expired"] * 3
    assert result.orders["end_timestamp"].to_list() == [1, 1, 1]


def test_at_the_open_waits_for_the_first_open_with_a_price():
    rows = [order(0, 5.0, type="moo"), buy(0, 10.5, time_in_force="at_open"), buy(0, time_in_force="at_open")]
    result = play([10, None, DEEP, DEEP], rows)
    assert fills(result) == [(2, 5.0, 10.0), (2, 5.0, 10.0)]
    assert ends(result)[2] == ("expired", "expired", 0.0)


def test_at_the_close_acts_at_the_close_of_the_first_bar_with_a_price():
    rows = [order(0, 5.0, type="moc"), buy(0, 9.5, time_in_force="at_close"), buy(0, 8.5, time_in_force="at_close")]
    result = play([10, None, (10, 10, 8, 9), 8], rows)
    assert fills(result, "phase") == [(2, 5.0, 9.0, "close"), (2, 5.0, 9.0, "close")]
    assert ends(result)[2] == ("expired", "expired", 0.0)


def test_a_resting_order_wakes_on_its_own_side():
    rows = [buy(0), order(0, -5.0, limit=12.0)]
    result = play([10, 10, DEEP, 10, (10, 13, 10, 10)], rows)
    assert fills(result) == [(2, 5.0, 9.0), (4, -5.0, 12.0)]
    rows = [order(0, 5.0, stop=12.0), order(1, -5.0, stop=9.0)]
    result = play([10, 10, 10, (10, 13, 10, 10), DEEP], rows, allow_short_selling=True)
    assert fills(result) == [(3, 5.0, 12.0), (4, -5.0, 9.0)]


def test_orders_before_a_cancelled_one_go_on_living():
    rows = [buy(0, id="first"), buy(0, 8.5, id="second"), order(1, action="cancel", id="second"), buy(2, 9.5)]
    result = play([10, 10, 10, 10, DEEP], rows)
    assert fills(result) == [(4, 5.0, 9.5), (4, 5.0, 9.0)]
    assert ends(result)[1] == ("cancelled", "cancelled", 0.0)
