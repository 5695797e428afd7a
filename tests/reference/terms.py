"""Terms on which assets are held: random instruments, what can be borrowed and at which fee, and funding.

`dress` gives them to a scenario that is drawn already; the kinds below are dense in one clause each.
"""

import math

from .accounts import margin
from .enums import FUTURE, PERPETUAL, STOCK
from .instruments import PLAIN
from .intents import Desk, new_row, random_orders, random_signals, random_targets
from .knobs import EXACT_RATE, charge, date_sessions, fraction, off, random_config
from .panels import QUIET, VIOLENT, random_panel

MULTIPLIERS = {True: (0.5, 4.0, 64.0), False: (0.25, 5.0, 50.0)}  # exact: powers of two, which round nothing
LOTS = {True: (0.25, 1.0, 4.0), False: (0.0, 0.001, 1.0, 5.0)}
NONE = math.nan
MARGIN_NAMES = ("initial", "maintenance", "short_initial", "short_maintenance")


def dress(rng, exact, scenario):
    """A scenario with terms in about half of the cases: instruments, borrow, funding, alone or together."""
    if off(rng, 0.5):
        return scenario
    scenario = dict(scenario, config=dict(scenario["config"]))
    if off(rng, 0.5):
        scenario["instruments"] = random_instruments(rng, exact, scenario)
        settle_account(scenario)
        scenario["funding"] = random_funding(rng, exact, scenario)
    if "instruments" not in scenario or off(rng, 0.5):
        scenario["config"].update(random_policies(rng))
        scenario["borrow"] = random_borrow(rng, exact, scenario)
    return scenario


def random_policies(rng):
    """Knobs of 1.5."""
    config = {}
    if off(rng, 0.25):
        config["recall"] = "off"
    if off(rng, 0.3):
        config["short_availability"] = "listed"
    if off(rng, 0.6):
        config["allow_short_selling"] = True
    return config


# Instruments ----------------------------------------------------------------------------------------------------------


def random_instruments(rng, exact, scenario):
    """A row an asset; futures and perpetuals only where no split and no dividend is."""
    acted = {action["asset"] for action in scenario["actions"] if action["kind"] != "delisting"}
    rows = []
    for asset in range(len(scenario["close"][0])):
        kinds = [STOCK] if asset in acted else [STOCK, FUTURE, FUTURE, PERPETUAL, PERPETUAL]
        rows.append(random_instrument(rng, exact, rng.choice(kinds), price_of(scenario, asset)))
    return rows


def price_of(scenario, asset):
    """The first close of an asset."""
    return next((row[asset] for row in scenario["close"] if row[asset] is not None), 1.0)


def random_instrument(rng, exact, kind, price):
    """One row, with a lot and margins of its own now and then."""
    row = {**PLAIN, "kind": kind, **dict.fromkeys(MARGIN_NAMES, NONE)}
    if kind != STOCK:
        row["multiplier"] = rng.choice(MULTIPLIERS[exact])
    if off(rng, 0.35):
        row["lot"] = rng.choice(LOTS[exact])
    if off(rng, 0.5):
        row.update(random_margins(rng, exact, row["multiplier"] * price))
    return row


def random_margins(rng, exact, value):
    """Rates, or amounts a contract of that value; for both sides or for each; maintenance is not above initial."""
    margins = {"by_contract": off(rng, 0.5)}
    sides = ("", "short_") if off(rng, 0.5) else ("",)
    for side in sides:
        rate = fraction(rng, exact, 0.04, 0.8)
        initial = max(round(rate * value * 64), 1) / 64 if margins["by_contract"] else rate
        margins[f"{side}initial"] = initial
        margins[f"{side}maintenance"] = initial * rng.choice([0.5, 0.75, 1.0])
    return margins


def settle_account(scenario):
    """Futures and perpetuals need a margin account, and that has nothing to settle."""
    if any(row["kind"] != STOCK for row in scenario["instruments"]):
        scenario["config"]["account"] = "margin"
        scenario["config"].pop("settlement", None)
        largest = max(row["multiplier"] for row in scenario["instruments"])
        cash = scenario["config"].get("initial_cash", 100_000.0)
        scenario["config"]["initial_cash"] = cash * max(1.0, math.ceil(largest / 4))


# Borrow and funding ---------------------------------------------------------------------------------------------------


def first_bars(scenario):
    """First bars of sessions."""
    sessions = scenario["session"]
    return [t for t in range(len(sessions)) if t == 0 or sessions[t] != sessions[t - 1]]


def random_borrow(rng, exact, scenario, often=None):
    """Rows of what can be borrowed, about what a short may be; some assets have none."""
    config, rows = scenario["config"], []
    often = rng.choice([0.1, 0.3, 0.6]) if often is None else often
    for asset in range(len(scenario["close"][0])):
        if off(rng, 0.15):
            continue
        lot = lot_of_scenario(scenario, asset) or 1.0
        most = max(config.get("initial_cash", 100_000.0) / price_of(scenario, asset) * 0.6 / lot, 4.0)
        most = min(most, 400.0)
        for bar in first_bars(scenario):
            if off(rng, 0.5 if bar == 0 else often):
                rows.append(borrow_row(rng, exact, bar, asset, lot, most))
    rows.sort(key=lambda row: (row["bar"], row["asset"]))
    return rows


def borrow_row(rng, exact, bar, asset, lot, most):
    """One row: nothing, odd numbers of shares, or no limit; with a fee of its own or without."""
    shares = rng.choice([0.0, 1.0, 1.0, rng.uniform(0, most), rng.uniform(0, most), most, math.inf])
    if math.isfinite(shares):
        shares = round(shares) * lot + (lot / 4 if off(rng, 0.2) else 0.0)
    fee = rng.choice([NONE, 0.0, EXACT_RATE * rng.choice([1, 2, 5]) if exact else rng.uniform(0.01, 3.0)])
    return {"asset": asset, "bar": bar, "available": shares, "fee": fee}


def lot_of_scenario(scenario, asset):
    """Lot of an asset."""
    rows = scenario.get("instruments")
    lot = rows[asset]["lot"] if rows else NONE
    return scenario["config"].get("lot", 1.0) if math.isnan(lot) else lot


def random_funding(rng, exact, scenario, often=None):
    """Funding of the perpetuals, none, one or several rows a bar, of either sign.

    A row needs a time before its bar: of numbered bars the number before, of dates a day since the session before.
    """
    rows, numbers, often = [], [], rng.choice([0.2, 0.5, 1.0]) if often is None else often
    for asset, instrument in enumerate(scenario["instruments"]):
        if instrument["kind"] != PERPETUAL:
            continue
        for bar in range(1, len(scenario["close"])):
            times = scenario["session"][bar] - scenario["session"][bar - 1] if scenario.get("dated") else 1
            if times > 0 and off(rng, often):
                for number in range(min(times, rng.choice([1, 1, 3]))):
                    rate = rng.choice([-1, 1, 2, 0]) / 4096 if exact else rng.gauss(0, 0.002)
                    rows.append({"asset": asset, "bar": bar, "rate": rate})
                    numbers.append(number)
    places = sorted(range(len(rows)), key=lambda i: (rows[i]["bar"], numbers[i], rows[i]["asset"]))
    return [rows[i] for i in places]  # by time


# Kinds ----------------------------------------------------------------------------------------------------------------


def terms_scenario(rng, exact):
    """A scenario of one of the kinds below."""
    return rng.choice(KINDS)(rng, exact)


def market(rng, exact, assets, busy=False, moves=QUIET, **config):
    """A panel and a configuration without rules and rank, with the given fields."""
    bars = rng.choice([8, 12, 20])
    panel = random_panel(rng, bars, assets, exact, busy, False, moves)
    drawn = random_config(rng, exact, panel, rules_on=False, short=True)
    for name in ("entry_rank", "rule_basis", "min_notional"):
        drawn.pop(name, None)
    drawn.update(config)
    if drawn.get("max_participation") is not None:
        for row, closes in zip(panel["volume"], panel["close"], strict=True):
            for asset, close in enumerate(closes):
                if close is not None and row[asset] is None:
                    row[asset] = float(rng.choice([0, 16, 64, 256, 1024]))
    return panel, drawn


def of_orders(panel, config, rows, **more):
    """Plain data of a scenario of orders as given, rows by bar."""
    rows = sorted(rows, key=lambda row: row["bar"])
    return {**panel, "config": config, "strategy": {"kind": "orders", "rows": rows}, **more}


def held_shorts(rng, exact, panel, config, often=0.4):
    """Rows that sell short, again and again, and cover now and then; and flips from long to short."""
    desk, rows = Desk(rng, exact, panel, config), []
    lot = desk.lot or 1.0
    for bar in range(desk.bars - 1):
        asset = rng.randrange(desk.assets)
        if not off(rng, 0.9 if bar < 3 else often):
            continue
        lots = rng.choice([2, 4, 8, 16, 40])
        kind = rng.choice(["market", "market", "market", "limit", "stop"])
        row = new_row(desk, bar, asset, (1 if off(rng, 0.3) else -1) * lots * lot, kind)
        if off(rng, 0.15):
            row["time_in_force"] = rng.choice(["at_close", "ioc"] if kind != "stop" else ["day"])
        rows.append(row)
    return rows


def recalled(rng, exact):
    """Shorts that are called back: under a cap, without volume, without a bar, and given back before it is done."""
    cap = rng.choice([0.03125, 0.125, 0.5]) if exact else rng.uniform(0.01, 0.3)
    capped = {"max_participation": cap} if off(rng, 0.6) else {}
    panel, config = market(rng, exact, rng.choice([1, 1, 2]), busy=off(rng, 0.4), initial_cash=1e6, **capped)
    if off(rng, 0.6):
        halt_volume(rng, panel)
    rows = held_shorts(rng, exact, panel, config)
    if off(rng, 0.25):  # what is short is called as well
        margin(rng, exact, config, (0.5, 0.25, 0.125), (0.75, 1.0))
        config["initial_cash"] = float(rng.choice([256, 512, 1024, 2048]))
    if off(rng, 0.3):
        config["borrow_fee"] = EXACT_RATE if exact else 0.05
    if off(rng, 0.1):
        config["recall"] = "off"
    return of_orders(panel, config, rows, borrow=tight_rows(rng, exact, panel, config))


def waiting(rng, exact):
    """One large short, then hardly any volume or no bars, while what is available rises and falls from bar to bar."""
    called = off(rng, 0.6)
    moves = VIOLENT if called or off(rng, 0.3) else QUIET
    panel, config = market(rng, exact, 1, busy=off(rng, 0.9), moves=moves, initial_cash=1e6)
    config["max_participation"] = rng.choice([0.125, 0.25, 0.5])
    config["recall"] = "excess"
    lot, bars = config.get("lot", 1.0) or 1.0, len(panel["close"])
    size = rng.choice([16, 40, 64])
    for bar in range(bars):
        if panel["close"][bar][0] is not None:
            panel["volume"][bar][0] = 2.0**14 * lot if bar < 3 else rng.choice([0.0, 0.0, 8.0, 32.0, 64.0]) * lot
    if off(rng, 0.3):
        drop_bars(rng, panel, first=3)
    desk = Desk(rng, exact, panel, config)
    rows = [new_row(desk, 0, 0, -size * lot, "market")]
    for bar in range(2, bars - 1):
        if off(rng, 0.4):
            lots = rng.choice([-4, -16, 2, 8, size, 2 * size])
            rows.append(new_row(desk, bar, 0, lots * lot, rng.choice(["market", "market", "limit", "stop"])))
    borrow = [{"asset": 0, "bar": 0, "available": size * lot, "fee": NONE}]
    for bar in first_bars(panel)[1:]:
        acted = any(action["bar"] == bar for action in panel["actions"])
        if bar > 1 and off(rng, 0.8 if acted or called else 0.6):
            part = rng.choice([0.0, 0.125, 0.125] if acted else [0.0, 0.125, 0.25, 0.5, 0.5, 0.75, 1.0, math.inf])
            borrow.append({"asset": 0, "bar": bar, "available": part * size * lot, "fee": NONE})
    if called:
        margin(rng, exact, config, (0.5, 0.25, 0.125), (0.75, 1.0))
        worth = size * lot * price_of(panel, 0)
        part = config.get("short_initial_margin", 0.5) * rng.choice([1.0625, 1.25])
        config["initial_cash"] = float(max(1, round(worth * part)))
    return of_orders(panel, config, rows, borrow=borrow)


def halt_volume(rng, panel):
    """Hardly any volume from a bar on: what is called back then waits."""
    bars = len(panel["volume"])
    start = rng.randint(min(3, bars - 1), bars - 1)
    for bar in range(start, min(start + rng.randint(2, 6), bars)):
        closes = panel["close"][bar]
        panel["volume"][bar] = [None if close is None else float(rng.choice([0, 0, 8, 16, 64])) for close in closes]


def tight_rows(rng, exact, panel, config):
    """Much at first, then little and much in turn."""
    lot, rows = config.get("lot", 1.0) or 1.0, []
    for asset in range(len(panel["close"][0])):
        for bar in first_bars(panel):
            if bar == 0 or off(rng, 0.45):
                shares = rng.choice([20, 60, 200] if bar < 2 else [0, 1, 3, 10, 30, 60])
                fee = rng.choice([NONE, EXACT_RATE * rng.choice([1, 4]) if exact else rng.uniform(0.01, 3)])
                part = lot * 0.25 if off(rng, 0.1) else 0.0
                rows.append({"asset": asset, "bar": bar, "available": shares * lot + part, "fee": fee})
    rows.sort(key=lambda row: (row["bar"], row["asset"]))
    return rows


def fees_of_rows(rng, exact):
    """Fees that change while a short is held, over weekends, splits, delistings."""
    panel, config = market(rng, exact, rng.choice([1, 2]), busy=True, initial_cash=1e6)
    charge(rng, exact, config, panel)
    config["allow_short_selling"] = True
    config.pop("max_participation", None)
    scenario = of_orders(panel, config, held_shorts(rng, exact, panel, config))
    scenario["borrow"] = random_borrow(rng, exact, scenario, often=0.5)
    for row in scenario["borrow"]:
        if off(rng, 0.6):
            row["available"] = math.inf
    return scenario


def located(rng, exact):
    """Targets and signals that go short and turn, of which less can be borrowed."""
    panel, config = market(rng, exact, rng.choice([1, 2, 3]))
    config.pop("settlement", None)
    kind = rng.choice(["weights", "weights", "shares", "signals", "signals", "orders"])
    if kind == "signals":
        strategy = random_signals(rng, exact, panel, config)
        strategy["size_type"] = rng.choice(["target_shares", "shares"])
        strategy["size"] = float(rng.choice([4, 16, 64])) * (config.get("lot", 1.0) or 1.0)
    elif kind == "orders":
        strategy = random_orders(rng, exact, panel, config, False)
    else:
        strategy = random_targets(rng, exact, panel, config, kind)
    scenario = {**panel, "config": config, "strategy": strategy}
    if off(rng, 0.4):
        config["short_availability"] = "listed"
    if off(rng, 0.3):
        config["recall"] = "off"
    scenario["borrow"] = random_borrow(rng, exact, scenario)
    return scenario


def unacted(panel):
    """A panel without actions but delistings: of futures there are no others."""
    panel["actions"] = [action for action in panel["actions"] if action["kind"] == "delisting"]
    return panel


def futures(rng, exact):
    """Futures over missing bars, turned and added to, beside a stock that splits; margins by contract."""
    assets = rng.choice([1, 2, 3])
    moves = VIOLENT if off(rng, 0.4) else QUIET
    panel, config = market(rng, exact, assets, busy=off(rng, 0.3), moves=moves, initial_cash=1e6, account="margin")
    config.pop("settlement", None)
    if off(rng, 0.6):
        margin(rng, exact, config)
    stock = rng.randrange(assets) if assets > 1 and off(rng, 0.6) else None
    panel["actions"] = [a for a in panel["actions"] if a["asset"] == stock or a["kind"] == "delisting"]
    if off(rng, 0.5):
        drop_bars(rng, panel)
    rows = []
    for asset in range(assets):
        kind = STOCK if asset == stock else rng.choice([FUTURE, PERPETUAL])
        rows.append(random_instrument(rng, exact, kind, price_of(panel, asset)))
    lots = rng.choice([1, 4, 16])
    value = sum(row["multiplier"] * price_of(panel, asset) for asset, row in enumerate(rows))
    scale = rng.choice([0.25, 0.5, 1.0, 4.0, 40.0])  # little cash makes calls
    config["initial_cash"] = max(64.0, float(round(value * lots * scale / 4)))
    scenario = of_orders(panel, config, [], instruments=rows)
    scenario["strategy"]["rows"] = future_orders(rng, exact, scenario, lots)
    scenario["funding"] = random_funding(rng, exact, scenario)
    return scenario


def called_contracts(rng, exact):
    """As many contracts as their margins carry, on prices that move too much for that."""
    assets = rng.choice([1, 1, 2])
    panel, config = market(rng, exact, assets, moves=VIOLENT, initial_cash=1e5)
    unacted(panel)
    margin(rng, exact, config)
    config.pop("settlement", None)
    if off(rng, 0.5):
        drop_bars(rng, panel, first=3)
    rows = []
    for asset in range(assets):
        row = random_instrument(rng, exact, rng.choice([FUTURE, PERPETUAL]), price_of(panel, asset))
        if off(rng, 0.7):
            row.update(random_margins(rng, exact, row["multiplier"] * price_of(panel, asset)), by_contract=True)
            value = row["multiplier"] * price_of(panel, asset)
            row["initial"] = max(round(value * rng.choice([0.0625, 0.125, 0.25]) * 64), 1) / 64
            row["maintenance"] = row["initial"] * rng.choice([0.75, 1.0])
            row["short_initial"] = row["short_maintenance"] = NONE
        rows.append(row)
    scenario = of_orders(panel, config, [], instruments=rows)
    desk = Desk(rng, exact, scenario, config)
    for bar in range(desk.bars - 1):
        for asset in range(assets):
            if off(rng, 0.9 if bar < 2 else 0.2):
                lot = lot_of_scenario(scenario, asset) or 0.5
                largest = 4e5 / assets / (rows[asset]["multiplier"] * price_of(panel, asset))
                quantity = rng.choice([-1, 1, 1]) * max(1, round(largest / lot)) * lot
                scenario["strategy"]["rows"].append(new_row(desk, bar, asset, quantity, "market"))
    if off(rng, 0.5):
        config["allow_short_selling"] = True
    scenario["funding"] = random_funding(rng, exact, scenario)
    return scenario


def drop_bars(rng, panel, first=1):
    """Bars that are taken away from assets which keep their first one."""
    for asset in range(len(panel["close"][0])):
        traded = [t for t, row in enumerate(panel["close"]) if row[asset] is not None]
        for t in traded[first:]:
            if off(rng, 0.25):
                for name in ("open", "high", "low", "close", "volume"):
                    panel[name][t][asset] = None


def future_orders(rng, exact, scenario, most):
    """Orders of a few contracts, to either side."""
    desk, rows = Desk(rng, exact, scenario, scenario["config"]), []
    for bar in range(desk.bars - 1):
        for asset in range(desk.assets):
            if not off(rng, 0.8 if bar < 2 else 0.35):
                continue
            lot = lot_of_scenario(scenario, asset) or 0.5
            quantity = rng.choice([-1, 1]) * rng.randint(1, most) * lot
            kind = rng.choice(["market", "market", "limit", "stop"])
            rows.append(new_row(desk, bar, asset, quantity, kind))
            if off(rng, 0.15):
                rows[-1]["time_in_force"] = "at_close" if kind == "market" else "day"
    return rows


def costs_of_contracts(rng, exact):
    """Every cost on contracts that count more or less than one, of targets and signals in weights and values."""
    panel, config = market(rng, exact, rng.choice([1, 2]), account="margin")
    config.pop("settlement", None)
    unacted(panel)
    for name, value in (("slippage_rate", 1 / 512), ("commission_rate", 1 / 1024), ("sell_tax_rate", 1 / 1024)):
        if off(rng, 0.5):
            config[name] = value
    for name in ("slippage_fixed", "commission_per_share"):
        if off(rng, 0.4):
            config[name] = 1 / 64
    if off(rng, 0.2):
        config["min_notional"] = rng.choice([256.0, 4096.0])
    kinds = [rng.choice([FUTURE, PERPETUAL]) for _ in panel["close"][0]]
    rows = [random_instrument(rng, exact, kind, price_of(panel, asset)) for asset, kind in enumerate(kinds)]
    largest = max(row["multiplier"] for row in rows)
    config["initial_cash"] = float(rng.choice([10_000, 50_000])) * max(1.0, largest)
    draw = rng.random()
    if draw < 0.5:
        strategy = random_targets(rng, exact, panel, config, "weights")
    else:
        strategy = random_signals(rng, exact, panel, config)
        per = {"shares": 8.0, "value": config["initial_cash"] / 4, "fraction": 0.25}
        strategy["size"] = per[strategy["size_type"].removeprefix("target_")]
    scenario = {**panel, "config": config, "strategy": strategy, "instruments": rows}
    scenario["funding"] = random_funding(rng, exact, scenario)
    return scenario


def many_fundings(rng, exact):
    """Perpetuals over several fundings a bar, beside a stock that splits, in a session of several bars or on dates."""
    panel, config = market(rng, exact, 2, busy=True, account="margin", initial_cash=1e6)
    config.pop("settlement", None)
    panel["actions"] = [a for a in panel["actions"] if a["asset"] == 0 or a["kind"] == "delisting"]
    rows = [
        random_instrument(rng, exact, kind, price_of(panel, asset)) for asset, kind in enumerate((STOCK, PERPETUAL))
    ]
    scenario = of_orders(panel, config, [], instruments=rows)
    scenario["strategy"]["rows"] = future_orders(rng, exact, scenario, 8)
    if not panel.get("dated"):
        date_sessions(rng, scenario)
    scenario["funding"] = random_funding(rng, exact, scenario, often=1.0)
    return scenario


KINDS = (recalled, recalled, recalled, fees_of_rows, fees_of_rows, located, located, futures, futures, futures)
KINDS += (costs_of_contracts, many_fundings, many_fundings, called_contracts, called_contracts) + 8 * (waiting,)
