"""Hand-worked bars for the reference engine itself; every number has its arithmetic in a comment."""

from . import run
from .enums import CANCELLED as CUT
from .enums import ENTRY_BAR, EXPIRED, FILLED, REJECTED, REPLACED, TRAIL, TWO_SIDED, Origin, Reason


def scenario(bars, rows=(), config=None, **more):
    """A scenario from bars (open, high, low, close[, volume]) of one asset, or tuples of such bars of several."""
    several = [bar if isinstance(bar, list) else [bar] for bar in bars]
    columns = {}
    for i, name in enumerate(("open", "high", "low", "close", "volume")):
        columns[name] = [[(*b, None)[i] if b is not None and i < len(b) else None for b in bar] for bar in several]
    base = {"session": list(range(len(bars))), "actions": [], "config": config or {}}
    return {**columns, **base, "strategy": {"kind": "orders", "rows": list(rows)}, **more}


def order(bar, quantity, kind="market", **more):
    """A user order on asset 0 unless another is given."""
    return {"bar": bar, "asset": 0, "quantity": float(quantity), "type": kind, **more}


def flat(price, volume=None):
    """A bar that trades at one price."""
    return (price, price, price, price, volume)


def fills(outcome):
    """(bar, quantity, price) of every fill."""
    return [(f["bar"], f["quantity"], f["price"]) for f in outcome["fills"]]


def ends(outcome):
    """(status, reason) of every order."""
    return [(o["status"], o["reason"]) for o in outcome["orders"]]


def test_clause_0_market_order_waits_for_a_bar_and_nothing_fills_on_the_first():
    out = run(scenario([flat(10.0), None, flat(12.0)], [order(0, 5)]))
    # decided at bar 0, no bar 1, filled at the open of bar 2: 100,000 - 5 x 12 = 99,940
    assert fills(out) == [(2, 5.0, 12.0)]
    assert out["cash"] == [100_000.0, 100_000.0, 99_940.0]


def test_clause_1_1_split_keeps_equity_and_restates_position_and_resting_order():
    action = {"bar": 2, "asset": 0, "kind": "split", "value": 2.0}
    rows = [order(0, 10), order(1, -10, "limit", limit_price=44.0)]
    out = run(scenario([flat(40.0), flat(40.0), flat(20.0), (21.0, 23.0, 21.0, 22.0)], rows, actions=[action]))
    # 10 at 40 become 20 at 20; the limit 44 becomes 22 for 20 shares: 99,600 + 20 x 22 = 100,040
    assert out["equity"] == [100_000.0, 100_000.0, 100_000.0, 100_040.0]
    assert fills(out) == [(1, 10.0, 40.0), (3, -20.0, 22.0)]
    assert out["booked"] == [{"bar": 2, "asset": 0, "kind": 0, "value": 2.0, "shares": 20.0, "cash": 0.0}]
    assert out["orders"][1]["requested"] == -20.0


def test_clause_1_1_fraction_of_a_split_is_paid_at_the_new_mark():
    action = {"bar": 2, "asset": 0, "kind": "split", "value": 0.5}
    out = run(scenario([flat(10.0), flat(10.0), flat(20.0)], [order(0, 5)], actions=[action]))
    # 5 x 0.5 = 2.5 shares: 2 stay, 0.5 are paid at 10 / 0.5 = 20: cash 99,950 + 10
    assert fills(out) == [(1, 5.0, 10.0), (2, -0.5, 20.0)]
    assert out["cash"][2] == 99_960.0 and out["equity"][2] == 100_000.0
    assert out["fills"][1]["origin"] == Origin.CASH_IN_LIEU


def test_clause_1_1_dividend_is_paid_and_lowers_the_stop_but_not_the_target():
    action = {"bar": 2, "asset": 0, "kind": "dividend", "value": 3.0}
    rows = [order(0, 10, stop_loss_price=27.0, take_profit_price=40.0)]
    out = run(scenario([flat(30.0), flat(30.0), (27.0, 27.0, 25.0, 26.0)], rows, actions=[action]))
    # the stop falls to 24 and is not touched at 25; 10 x 3 = 30 of cash
    assert fills(out) == [(1, 10.0, 30.0)]
    assert out["cash"][2] == 100_000.0 - 300.0 + 30.0
    assert out["final"]["dividends"] == 30.0


def test_clause_1_4_delisting_and_stale_close_at_the_last_mark():
    action = {"bar": 2, "asset": 0, "kind": "delisting", "value": None}
    out = run(scenario([flat(10.0), flat(12.0), None], [order(0, 5)], {"delisting_return": -0.5}, actions=[action]))
    # 12 x (1 - 0.5) = 6: cash 100,000 - 60 + 30
    assert fills(out)[-1] == (2, -5.0, 6.0) and out["cash"][2] == 99_970.0
    out = run(scenario([flat(10.0), flat(12.0), None, None], [order(0, 5), order(2, 5)], {"max_stale": 2}))
    # two sessions without a bar: closed at 4.5 of bar 3 at 12
    assert fills(out)[-1] == (3, -5.0, 12.0)
    assert ends(out) == [(FILLED, 0), (CUT, Reason.DELISTED)]


def test_clause_1_6_day_and_bars_expire():
    bars = [flat(10.0)] * 4
    rows = [
        order(0, 1, "limit", limit_price=9.0, time_in_force="day"),
        order(0, 1, "limit", limit_price=9.0, time_in_force="bars", bars=2),
    ]
    out = run(scenario(bars, rows, session=[0, 1, 1, 2]))
    # first live bar is 1: the day ends at bar 3 (session 2), two bars (1, 2) end at bar 3
    assert [o["end_bar"] for o in out["orders"]] == [3, 3]
    assert ends(out) == [(EXPIRED, Reason.EXPIRED)] * 2


def test_clause_1_7_immediate_and_auction_orders():
    rows = [
        order(0, 1, "limit", limit_price=9.0, time_in_force="ioc"),
        order(0, 2, time_in_force="at_open"),
        order(0, 3, time_in_force="at_close"),
        order(0, 4, "limit", limit_price=9.0, time_in_force="at_close"),
    ]
    out = run(scenario([flat(10.0), (10.0, 12.0, 8.0, 11.0)], rows))
    # the at-close limit does not fill inside at 9 although the low is 8, nor at C = 11
    assert fills(out) == [(1, 2.0, 10.0), (1, 3.0, 11.0)]
    assert [o["status"] for o in out["orders"]] == [EXPIRED, FILLED, FILLED, EXPIRED]


def test_clause_2_gaps_fill_at_the_open():
    rows = [
        order(0, 1, "limit", limit_price=11.0),
        order(0, 1, "stop", stop_price=9.0),
        order(0, 1, "limit", limit_price=10.0),
    ]
    out = run(scenario([flat(10.0), flat(10.0)], rows))
    # better than 11 and through 9: at O; a limit equal to O needs a trade through it
    assert fills(out) == [(1, 1.0, 10.0), (1, 1.0, 10.0)]
    assert fills(run(scenario([flat(10.0), flat(10.0)], rows, {"limit_fill": "touch"})))[2] == (1, 1.0, 10.0)


def test_clause_2_2_crossing_zero_splits_or_is_cut():
    rows = [order(0, 10), order(1, -15)]
    bars = [flat(10.0), flat(10.0), flat(12.0)]
    out = run(scenario(bars, rows, {"allow_short_selling": True}))
    assert fills(out)[1:] == [(2, -10.0, 12.0), (2, -5.0, 12.0)]
    assert [f["flags"] for f in out["fills"]] == [0, 2, 0]
    assert out["trades"][0]["pnl"] == 20.0 and out["final"]["shares"] == [-5.0]
    out = run(scenario(bars, rows))
    assert fills(out)[1:] == [(2, -10.0, 12.0)] and ends(out)[1] == (CUT, Reason.NO_SHORT)


def test_clause_2_3_exits_pay_for_entries_of_the_same_open():
    bars = [[flat(10.0), flat(10.0)]] * 3
    rows = [order(0, 100), order(1, 100, asset=1), order(1, -100)]
    out = run(scenario(bars, rows, {"initial_cash": 1000.0}))
    # all cash is in asset 0; its sale comes first although it was submitted last
    assert [(f["asset"], f["quantity"]) for f in out["fills"]] == [(0, 100.0), (0, -100.0), (1, 100.0)]


def test_clause_2_3_batch_is_scaled_once_and_floored():
    bars = [[flat(10.0), flat(10.0)], [flat(12.0), flat(20.0)]]
    strategy = {"kind": "weights", "rows": [{"bar": 0, "targets": [0.5, 0.5]}]}
    out = run(scenario(bars, config={"initial_cash": 1000.0}, strategy=strategy))
    # 50 of each were decided: 50 x 12 + 50 x 20 = 1,600; 50 x 1000 / 1600 = 31.25 -> 31 each: 372 + 620 = 992
    assert [(f["asset"], f["quantity"]) for f in out["fills"]] == [(0, 31.0), (1, 31.0)]
    assert out["cash"][1] == 8.0
    assert [o["left"] for o in out["orders"]] == [19.0, 19.0]


def test_clause_2_3_shortfall_shrinks_or_rejects():
    rows = [order(0, 100)]
    bars = [flat(10.0), flat(16.0)]
    out = run(scenario(bars, rows, {"initial_cash": 1000.0}))
    assert fills(out) == [(1, 62.0, 16.0)] and ends(out) == [(CUT, Reason.CASH)]  # floor(1000 / 16) = 62
    out = run(scenario(bars, rows, {"initial_cash": 1000.0, "shortfall": "reject"}))
    assert fills(out) == [] and ends(out) == [(REJECTED, Reason.CASH)]


def bracket_rows(**parent):
    """A long bracket with a target at 12 and a stop at 8."""
    return [
        order(0, 10, id="p", **parent),
        order(0, -10, "limit", limit_price=12.0, parent="p"),
        order(0, -10, "stop", stop_price=8.0, parent="p"),
    ]


def test_clause_2_4_bracket_target_ends_its_stop():
    out = run(scenario([flat(10.0), flat(10.0), (10.0, 13.0, 9.0, 12.5)], bracket_rows()))
    assert fills(out) == [(1, 10.0, 10.0), (2, -10.0, 12.0)]
    assert [o["bar"] for o in out["orders"]] == [0, 1, 1]
    assert ends(out) == [(FILLED, 0), (FILLED, 0), (CUT, Reason.GROUP)]


def test_clause_2_4_children_grow_with_their_parent_and_end_its_rest():
    bars = [flat(10.0), flat(10.0, 8.0), flat(10.0, 4.0), (10.0, 13.0, 10.0, 13.0, 100.0)]
    out = run(scenario(bars, bracket_rows(), {"max_participation": 0.5}))
    # the cap lets 4 and 2 through; at bar 3 the parent's rest of 4 fills at the open, then all 10 go at 12
    assert fills(out) == [(1, 4.0, 10.0), (2, 2.0, 10.0), (3, 4.0, 10.0), (3, -10.0, 12.0)]
    assert out["orders"][1]["requested"] == -10.0


def test_clause_3_0_tie_policies_and_the_two_sided_record():
    bars = [flat(10.0), (10.0, 10.0, 10.0, 10.0), (10.0, 13.0, 7.5, 10.0)]
    for tie, price in (("pessimistic", 8.0), ("optimistic", 12.0), ("nearest", 8.0)):
        # nearest: the low is 2.5 away, the high 3
        out = run(scenario(bars, bracket_rows(), {"tie": tie}))
        assert fills(out)[1] == (2, -10.0, price)
        assert out["ambiguous"] == [(2, 0, TWO_SIDED)]


def test_clause_3_1_stop_limit_inside():
    def stop_limit(limit, close, high=13.0):
        rows = [order(0, 1, "stop_limit", stop_price=11.0, limit_price=limit)]
        return run(scenario([flat(10.0), (10.0, high, 9.0, close), flat(12.0)], rows))

    assert fills(stop_limit(11.5, 12.0)) == [(1, 1.0, 11.0)]  # limit beyond the stop: at the stop
    assert fills(stop_limit(10.5, 10.25)) == [(1, 1.0, 10.5)]  # better limit, proven by C
    out = stop_limit(10.5, 12.0)  # not proven: rests from the next bar
    assert fills(out) == [] and out["orders"][0]["status"] == 1


def test_clause_3_1_trailing_order_lags_by_a_bar_or_is_proved():
    rows = [order(0, 1), order(1, -1, "trailing_stop", trail_amount=2.0)]
    bars = [flat(10.0), flat(10.0), (10.0, 14.0, 10.0, 11.0), (11.5, 12.0, 11.5, 12.0)]
    out = run(scenario(bars, rows))
    # bar 2: the level in force is 10 - 2 = 8, its own extreme gives 12 and C = 11 is through; bar 3: O is through 12
    assert fills(out)[1] == (3, -1.0, 11.5) and out["ambiguous"] == [(2, 0, TRAIL)]
    out = run(scenario(bars, rows, {"trail_timing": "proved"}))
    assert fills(out)[1] == (2, -1.0, 11.0) and out["ambiguous"] == []


def test_clause_3_2_position_born_inside():
    rows = [
        order(0, 10, "limit", limit_price=9.0, id="p"),
        order(0, -10, "limit", limit_price=11.0, parent="p"),
        order(0, -10, "stop", stop_price=8.0, parent="p"),
    ]
    # down to 9, further down through 8: certain
    assert fills(run(scenario([flat(10.0), (10.0, 12.0, 7.0, 10.0)], rows)))[1] == (1, -10.0, 8.0)
    # the high came before or after the fill: unknown, and C = 10 does not prove 11
    out = run(scenario([flat(10.0), (10.0, 12.0, 8.5, 10.0)], rows))
    assert len(out["fills"]) == 1 and out["ambiguous"] == [(1, 0, ENTRY_BAR)]
    # C = 11.5 proves it
    assert fills(run(scenario([flat(10.0), (10.0, 12.0, 8.5, 11.5)], rows)))[1] == (1, -10.0, 11.0)


def test_clause_3_2_assumed_takes_the_adverse_level():
    rows = [
        order(0, 10, "stop", stop_price=11.0, id="p"),
        order(0, -10, "stop", stop_price=9.0, parent="p"),
    ]
    bars = [flat(10.0), (10.0, 12.0, 8.0, 11.5)]
    assert len(run(scenario(bars, rows))["fills"]) == 1
    out = run(scenario(bars, rows, {"entry_bar": "assumed"}))
    assert fills(out)[1] == (1, -10.0, 9.0) and out["ambiguous"] == [(1, 0, ENTRY_BAR)]


def test_clause_3_4_entries_inside_share_what_the_open_left():
    bars = [[flat(10.0), flat(10.0)], [(10.0, 10.0, 8.0, 9.0), (10.0, 10.0, 8.0, 9.0)]]
    rows = [
        order(0, 60, "limit", limit_price=9.0, rank=2.0),
        order(0, 60, "limit", limit_price=9.0, rank=1.0, asset=1),
    ]
    out = run(scenario(bars, rows, {"initial_cash": 900.0, "entry_rank": "rank"}))
    # 60 x 9 = 540 by rank, then floor(360 / 9) = 40
    assert [(f["asset"], f["quantity"]) for f in out["fills"]] == [(1, 60.0), (0, 40.0)]


def test_clause_4_7_same_bar_close():
    out = run(scenario([flat(10.0), (10.0, 12.0, 9.0, 11.0)], [order(1, 5)], {"timing": "same_bar_close"}))
    assert fills(out) == [(1, 5.0, 11.0)] and out["fills"][0]["phase"] == 3
    assert out["equity"][1] == 100_000.0


def test_clause_4_5_bankruptcy_freezes_below_zero():
    config = {"initial_cash": 1000.0, "allow_short_selling": True}
    out = run(scenario([flat(10.0), flat(10.0), flat(40.0), flat(1.0)], [order(0, -50), order(2, 1)], config))
    # 50 short at 10, at 40: 1,500 - 2,000 = -500; closed at 40, and nothing is decided any more
    assert out["equity"] == [1000.0, 1000.0, -500.0, -500.0]
    assert out["fills"][1]["origin"] == Origin.BANKRUPTCY and len(out["orders"]) == 1


def test_clause_5_1_trail_is_armed_by_its_activation():
    config = {"trailing_stop": 0.125, "trail_activation": 0.25}
    bars = [flat(8.0), flat(8.0), (8.0, 8.0, 6.0, 8.0), (8.0, 10.0, 8.0, 10.0), (10.0, 10.0, 8.0, 9.0)]
    out = run(scenario(bars, [order(0, 1)], config))
    # 6 does not matter before 8 x 1.25 = 10 was seen; then 10 x 0.875 = 8.75
    assert fills(out)[1] == (4, -1.0, 8.75) and out["trades"][0]["origin"] == Origin.TRAILING_STOP


def test_clause_5_1_break_even_and_time_exit():
    bars = [flat(8.0), flat(8.0), (8.0, 9.0, 8.5, 9.0), (9.0, 9.0, 7.0, 7.0), flat(7.0)]
    bars[2] = (8.5, 9.0, 8.5, 9.0)
    out = run(scenario(bars, [order(0, 1)], {"break_even": 0.125}))
    assert fills(out)[1] == (3, -1.0, 8.0) and out["trades"][0]["origin"] == Origin.BREAK_EVEN
    out = run(scenario(bars, [order(0, 1)], {"time_exit": 2}))
    # bar 1 is its first bar, decided at the close of bar 2, sold at the open of bar 3
    assert fills(out)[1] == (3, -1.0, 9.0) and out["orders"][1]["origin"] == Origin.TIME_EXIT


def test_clause_5_2_what_the_cap_leaves_of_a_stop_sells_at_the_next_open():
    bars = [flat(10.0), flat(10.0, 40.0), (10.0, 10.0, 8.0, 8.5, 12.0), flat(8.25, 100.0)]
    out = run(scenario(bars, [order(0, 10)], {"stop_loss": 0.125, "max_participation": 0.25, "cooldown": 1}))
    # 8.75 for 12 / 4 = 3 shares, the other 7 at 8.25
    assert fills(out)[1:] == [(2, -3.0, 8.75), (3, -7.0, 8.25)]
    assert out["trades"][0]["pnl"] == 3 * -1.25 + 7 * -1.75


def test_clause_5_2_cooldown_refuses_entries_after_a_stop_out():
    bars = [flat(10.0), flat(10.0), (10.0, 10.0, 8.0, 9.0), flat(9.0), flat(9.0)]
    out = run(scenario(bars, [order(0, 1), order(2, 1), order(3, 1)], {"stop_loss": 0.125, "cooldown": 1}))
    assert [o["status"] for o in out["orders"]] == [FILLED, FILLED, REJECTED, FILLED]
    assert out["orders"][2]["reason"] == Reason.COOLDOWN


def test_clause_6_0_targets_replace_what_is_left_of_the_earlier_order():
    bars = [flat(10.0, 40.0)] * 4
    strategy = {"kind": "shares", "rows": [{"bar": t, "targets": [30.0]} for t in range(4)]}
    out = run(scenario(bars, config={"max_participation": 0.25}, strategy=strategy))
    # 10 a bar: 30 held after three bars, never more
    assert out["final"]["shares"] == [30.0]
    assert [o["requested"] for o in out["orders"]] == [30.0, 20.0, 10.0]
    assert [o["status"] for o in out["orders"]] == [REPLACED, REPLACED, FILLED]


def test_clause_6_3_lots_and_minimum():
    rows = [order(0, 0.5), order(0, 2.5), order(0, 1)]
    out = run(scenario([flat(10.0), flat(10.0)], rows, {"min_notional": 15.0}))
    assert ends(out) == [(REJECTED, Reason.LOT), (CUT, Reason.LOT), (REJECTED, Reason.MINIMUM)]
    assert [o["filled"] for o in out["orders"]] == [0.0, 2.0, 0.0]


def test_clause_7_prices_and_fees():
    config = {"spread": 0.0625, "slippage_rate": 0.03125, "slippage_fixed": 0.5, "commission_rate": 0.125}
    out = run(scenario([flat(16.0), flat(16.0)], [order(0, 2), order(0, 2, "limit", limit_price=17.0)], config))
    # 16 x (1 + 1/32 + 1/32) + 0.5 = 17.5, held by the limit to 17
    assert fills(out) == [(1, 2.0, 17.5), (1, 2.0, 17.0)]
    assert [f["fee"] for f in out["fills"]] == [4.375, 4.25]
    assert [f["slippage"] for f in out["fills"]] == [3.0, 2.0]


def test_clause_7_3_one_minimum_an_order_and_tiers():
    bars = [flat(10.0), flat(10.0, 20.0), flat(10.0, 20.0)]
    config = {"max_participation": 0.5, "commission_rate": 0.0625, "commission_minimum": 8.0}
    out = run(scenario(bars, [order(0, 20)], config))
    # 100 x 1/16 = 6.25 -> 8; then 12.5 in total, 4.5 more
    assert [f["fee"] for f in out["fills"]] == [8.0, 4.5]
    config = {"commission_tiers": [(0.0, 0.125), (100.0, 0.0625)], "sell_tax_rate": 0.25}
    out = run(scenario([*bars, flat(10.0)], [order(0, 20), order(1, -20)], config))
    # 100 x 1/8 + 100 x 1/16 = 18.75; the sale pays a quarter of 200 besides
    assert [f["fee"] for f in out["fills"]] == [18.75, 68.75]


def test_clause_7_1_square_root_impact():
    config = {"impact_coefficient": 0.125}
    out = run(scenario([flat(10.0, 400.0), flat(16.0, 400.0)], [order(0, 100), order(0, 300)], config))
    # 16 x (1 + 0.125 x sqrt(100/400)) = 17; 16 x (1 + 0.125 x sqrt(400/400)) = 18
    assert fills(out) == [(1, 100.0, 17.0), (1, 300.0, 18.0)]


def test_signals_enter_reverse_and_count_conflicts():
    bars = [flat(10.0)] * 5
    off = [[False]] * 5
    strategy = {"kind": "signals", "size": 3.0, "size_type": "shares", "rank": None, "accumulate": False}
    strategy |= {"entries": [[True], [True], [False], [True], [False]], "exits": off, "short_exits": off}
    strategy |= {"short_entries": [[False], [False], [True], [True], [False]]}
    out = run(scenario(bars, config={"allow_short_selling": True}, strategy=strategy))
    # bar 1: already held or working; bar 2: close and reverse; bar 3: conflict
    assert fills(out) == [(1, 3.0, 10.0), (3, -3.0, 10.0), (3, -3.0, 10.0)]
    assert out["counters"]["conflicts"] == 1


def test_cancel_and_replace():
    rows = [
        order(0, 5, "limit", limit_price=8.0, id="a"),
        order(0, 5, "limit", limit_price=8.0, id="b"),
        {"bar": 1, "asset": 0, "quantity": None, "type": "limit", "id": "a", "action": "cancel"},
        {"bar": 1, "asset": 0, "quantity": 3.0, "type": "limit", "id": "b", "action": "replace", "limit_price": 11.0},
    ]
    out = run(scenario([flat(10.0), flat(10.0), flat(10.0)], rows))
    assert [o["status"] for o in out["orders"]] == [CUT, REPLACED, FILLED]
    assert fills(out) == [(2, 3.0, 10.0)]


def test_oco_group_scales_and_ends_siblings():
    rows = [order(0, 10), order(1, -10, "limit", limit_price=12.0, group="g", reduce_only=True)]
    rows.append(order(1, -10, "stop", stop_price=8.0, group="g", reduce_only=True))
    bars = [flat(10.0, 100.0), flat(10.0, 100.0), (10.0, 13.0, 10.0, 10.0, 8.0), (10.0, 10.0, 7.0, 7.0, 100.0)]
    out = run(scenario(bars, rows, {"max_participation": 0.5}))
    # 4 of 10 at the limit; the stop keeps 6 and takes the rest
    assert fills(out)[1:] == [(2, -4.0, 12.0), (3, -6.0, 8.0)]
    assert ends(out)[1:] == [(CUT, Reason.GROUP), (CUT, Reason.GROUP)]
    assert [o["filled"] for o in out["orders"]] == [10.0, -4.0, -6.0]
