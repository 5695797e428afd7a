"""Hand-worked bars of margin, limits and flows for the reference engine itself; every number with its arithmetic."""

import pytest

from . import run
from .book import ceil_to_lots
from .enums import BANKRUPT, CALLED, CANCELLED, FILLED, FLOW, FLOW_REFUSED, REPLACED, Origin, Reason
from .scenarios import scenario_of
from .test_reference import fills, flat, order, scenario

MARGIN = {"account": "margin", "initial_cash": 10_000.0}


@pytest.mark.parametrize(
    ("quantity", "lot", "expected"),
    [
        (4.55, 1.0, 5.0),
        (4.0000000001, 1.0, 4.0),
        (4.1, 4.0, 8.0),
        (4.55, 0.0, 4.55),
        (1e-10, 1.0, 0.0),
        (2e17, 1.0, 2e17),
    ],
)
def test_lots_up(quantity, lot, expected):
    assert ceil_to_lots(quantity, lot) == expected


def test_clause_4_5_the_call_of_the_contract():
    bars = [flat(100.0), flat(100.0), flat(45.0), (45.0, 45.0, 44.0, 44.0), flat(43.0), flat(43.0)]
    out = run(scenario(bars, [order(0, 150)], MARGIN))
    # E = 1,600, MM = 1,650: 150 x 50 / 1,650 = 4.55; E = 1,450, MM = 1,558.75: 145 x 108.75 / 1,558.75 = 10.12
    assert fills(out)[1:] == [(4, -5.0, 43.0), (5, -11.0, 43.0)]
    assert [(e["kind"], e["bar"], e["value"], e["limit"]) for e in out["events"]] == [
        (CALLED, 3, 1600.0, 1650.0),
        (CALLED, 4, 1450.0, 1558.75),
    ]
    assert [o["origin"] for o in out["orders"]] == [Origin.ORDER, Origin.MARGIN_CALL, Origin.MARGIN_CALL]
    assert out["margin"][3] == (3300.0, 1650.0)


def test_clause_4_5_rests_are_replaced_or_restored():
    bars = [flat(100.0, 10_000.0)] * 2 + [flat(price, 20.0) for price in (44.0, 44.0, 46.0)]
    out = run(scenario(bars, [order(0, 150)], {**MARGIN, "max_participation": 0.125}))
    # 2 of 5, MM = 0.25 x 148 x 44 = 1,628 of E = 1,600; then 2 of 3, and at 46 E = 1,896 is above MM = 1,679
    assert [(o["status"], o["reason"]) for o in out["orders"][1:]] == [
        (REPLACED, Reason.REPLACED),
        (CANCELLED, Reason.RESTORED),
    ]


def test_clause_4_5_a_forced_order_ends_with_a_position_that_a_split_takes_away():
    actions = [{"bar": 3, "asset": 0, "kind": "split", "value": 0.25}]
    bars = [[flat(100.0), flat(100.0)]] * 2 + [[flat(50.0), flat(36.0)], [None, flat(36.0)], [None, flat(36.0)]]
    bars[2] = [None, flat(36.0)]
    rows = [order(0, 3), order(0, 147, asset=1)]
    config = {**MARGIN, "margin_call": "all"}
    out = run(scenario(bars, rows, config, actions=actions))
    # 3 shares become 0.75, which are paid in cash: the order of the call has nothing to wait for
    assert out["orders"][2]["origin"] == Origin.MARGIN_CALL and out["orders"][2]["asset"] == 0
    assert (out["orders"][2]["status"], out["orders"][2]["reason"]) == (CANCELLED, Reason.FLAT)


def test_clause_4_5_a_stale_asset_bankrupts_what_is_left():
    bars = [[flat(100.0), flat(100.0)]] * 2 + [[None, flat(100.0)], [flat(100.0), flat(100.0)]]
    config = {**MARGIN, "initial_cash": 7500.0, "max_stale": 1, "delisting_return": -1.0}
    out = run(scenario(bars, [order(0, 75), order(0, 75, asset=1)], config))
    # -7,500 of cash beside 75 x 100
    assert [(e["kind"], e["bar"], e["value"]) for e in out["events"]] == [(BANKRUPT, 2, 0.0)]


def test_clause_6_2_the_tighter_limit_names_the_rest():
    config = {"account": "margin", "initial_cash": 1000.0, "commission_rate": 0.01}
    for leverage, bought, reason in ((None, 196.0, Reason.MARGIN), (1.5, 147.0, Reason.LEVERAGE)):
        out = run(scenario([flat(10.0)] * 2, [order(0, 250)], {**config, "max_leverage": leverage}))
        assert fills(out) == [(1, bought, 10.0)] and out["orders"][0]["reason"] == reason


def test_clause_6_2_a_sale_settles_after_its_sessions():
    rows = [order(0, 100), order(1, -100), order(2, 60), order(3, 60)]
    out = run(scenario([flat(10.0)] * 5, rows, {"initial_cash": 1000.0, "settlement": 2}))
    # sold in session 2: nothing to spend in session 3, all of it in session 4
    assert fills(out)[2:] == [(4, 60.0, 10.0)] and out["orders"][2]["reason"] == Reason.CASH


def test_clause_1_3_flows_and_returns():
    flows = [(2, 300.0), (2, 200.0), (3, -1550.0)]
    out = run(scenario([flat(10.0)] * 2 + [flat(11.0)] * 2, [order(0, 50)], {"initial_cash": 1000.0}, flows=flows))
    # 1,550 - 1,000 - 500 of 1,500; what would leave 1,550 - 1,550 is refused
    assert out["returns"] == [None, 0.0, 50 / 1500, 0.0]
    assert out["charges"] == [{"bar": 2, "asset": -1, "kind": FLOW, "amount": 500.0}]
    assert [(e["kind"], e["value"], e["limit"]) for e in out["events"]] == [(FLOW_REFUSED, -1550.0, 1550.0)]
    assert out["final"]["flows"] == 500.0


def test_clause_9_rates_of_one_make_the_fills_of_a_cash_account():
    compared = 0
    for seed in range(200):
        drawn = scenario_of(seed, True)
        drawn = {name: value for name, value in drawn.items() if name not in ("instruments", "funding")}
        config = {name: value for name, value in drawn["config"].items() if "margin" not in name and name != "account"}
        config |= {"allow_short_selling": False, "settlement": 0}
        cash = run({**drawn, "config": config})
        if min(cash["cash"]) < 0:  # what a cash account owes is no call
            continue
        ones = {"account": "margin", "initial_margin": 1.0, "maintenance_margin": 0.5}
        other = run({**drawn, "config": config | ones})
        compared += bool(cash["fills"])
        assert other["fills"] == cash["fills"] and other["equity"] == cash["equity"], seed
    assert compared > 50


def test_clause_9_calls_are_many_and_filled():
    statuses = [
        row["status"]
        for seed in range(100)
        for row in run(scenario_of(seed, True, "called"))["orders"]
        if row["origin"] == Origin.MARGIN_CALL
    ]
    assert statuses.count(FILLED) > 20 and statuses.count(REPLACED) > 5
