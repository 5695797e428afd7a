"""What a slice costs: budget, impact, spread, slippage, limit and fees (6.1, 7). Nothing here moves money."""

import itertools
import math

from .book import RESIDUE, sign
from .coverage import reached
from .enums import LIMIT, STOP, STOP_LIMIT, TRAILING_STOP
from .instruments import value_of


def start_budgets(run):
    """Budget of every asset for this bar, both sides and all phases together (6.1); inf without a cap."""
    config = run.config
    cap = config["max_participation"]
    impact_on = config["impact_coefficient"] != 0
    run.budget = []
    run.used = [{1: 0.0, -1: 0.0} for _ in range(run.assets)]
    run.bound = set()
    for asset in range(run.assets):
        volume = run.price("volume", asset)
        if cap is None:
            run.budget.append(0.0 if impact_on and volume == 0 else math.inf)
        elif config["volume_basis"] == "previous":
            before = run.volume_before[asset]
            run.budget.append(0.0 if volume is None or before is None else min(cap * before, volume))
        else:
            run.budget.append(0.0 if volume is None else cap * volume)


def budget_left(run, asset):
    """Shares that may still trade in this bar."""
    return run.budget[asset]


def use_budget(run, asset, side, quantity):
    """Take `quantity` unsigned shares off the budget; a residue below 1e-9 of the slice is none."""
    run.used[asset][side] += quantity
    rest = run.budget[asset] - quantity
    run.budget[asset] = rest if rest > RESIDUE * quantity else 0.0


def count_bound(run, asset):
    """Note that the cap bound a slice."""
    run.bound.add(asset)
    reached("6.1 cap")
    if run.config["volume_basis"] == "previous":
        reached("6.1 previous")


def half_spread(run, asset):
    """Half the quoted spread as a fraction of price; no value counts as none."""
    spread = run.config["spread"]
    if isinstance(spread, list | tuple):
        row = spread[run.t] if isinstance(spread[0], list | tuple) else spread
        spread = row[asset]
    if spread is None or math.isnan(spread):
        return 0.0
    return spread / 2


def volatility(run, asset):
    """Deviation of the last returns of the asset's own closes, through the bar before (ddof 1)."""
    closes = [close for bar, close in run.closes[asset] if bar < run.t][-(run.config["volatility_window"] + 1) :]
    returns = []
    for before, after in itertools.pairwise(closes):
        returns.append(after / before - 1.0)
    if len(returns) < 2:
        return 0.0
    mean = sum(returns) / len(returns)
    return math.sqrt(sum((r - mean) ** 2 for r in returns) / (len(returns) - 1))


def impact(run, asset, side, quantity):
    """k x sigma^s x (traded on that side in this bar, this slice included, / V)^p."""
    config = run.config
    k, s, p = config["impact_coefficient"], config["impact_sigma"], config["impact_exponent"]
    volume = run.price("volume", asset)
    if k == 0 or not volume:
        return 0.0
    scale = 1.0
    if s != 0:
        sigma = volatility(run, asset)
        scale = sigma**s
    return k * scale * ((run.used[asset][side] + quantity) / volume) ** p


def slice_price(run, order, quantity, base, passive):
    """Price of `quantity` unsigned shares of the order at a base price: costs are adverse, a limit is a promise."""
    if passive:
        return order.limit
    config = run.config
    side = order.side
    cost_rate = half_spread(run, order.asset) + config["slippage_rate"] + impact(run, order.asset, side, quantity)
    if order.kind in (STOP, TRAILING_STOP):
        cost_rate = cost_rate + config["stop_slippage_rate"]
    if side > 0:
        price = base * (1 + cost_rate) + config["slippage_fixed"]
    else:
        price = max(0.0, base * (1 - cost_rate) - config["slippage_fixed"])
    if order.kind in (LIMIT, STOP_LIMIT):
        price = min(price, order.limit) if side > 0 else max(price, order.limit)
    return price


def tiered(tiers, before, after):
    """Marginal commission between two cumulative notionals."""
    total = 0.0
    for i, (start, rate) in enumerate(tiers):
        end = tiers[i + 1][0] if i + 1 < len(tiers) else math.inf
        part = min(after, end) - max(before, start)
        if part > 0:
            total += part * rate
    return total


def slice_fee(run, order, quantity, price, passive):
    """(fee of the slice, raw fee and fee paid of the order after it): a slice pays the difference (7.3)."""
    config = run.config
    value = value_of(run, order.asset, quantity, price)
    rate = config["commission_rate"]
    if passive and config["maker_rate"] is not None:
        rate = config["maker_rate"]
    if config["commission_tiers"]:
        raw = tiered(config["commission_tiers"], order.notional, order.notional + value)
    else:
        raw = value * rate
    raw += config["commission_per_share"] * quantity
    if order.slices == 0:
        raw += config["commission_per_trade"]
    slice_raw, raw = raw, order.raw_fee + raw
    ceiling = math.inf if config["commission_maximum"] is None else config["commission_maximum"]
    total = min(max(raw, config["commission_minimum"]), ceiling)
    fee = slice_raw if costs_are_linear(config) else total - order.paid_fee
    if order.side < 0:
        fee += config["sell_tax_rate"] * value
    return fee, raw, total


def costs_are_linear(config):
    """Whether cash needed is proportional to the quantity."""
    return (
        config["impact_coefficient"] == 0
        and config["commission_minimum"] == 0
        and config["commission_maximum"] is None
        and not config["commission_tiers"]
        and config["commission_per_trade"] == 0
    )


def count_costs(run, order, quantity, base, price, passive):
    """Count the parts of section 7 that a fill met."""
    config = run.config
    if not passive:
        if config["impact_coefficient"] != 0 and run.price("volume", order.asset):
            reached("7.1 impact")
            if config["impact_sigma"] != 0:
                reached("7.1 sigma")
        if half_spread(run, order.asset) > 0:
            reached("7.1 spread")
        if config["slippage_rate"] or config["slippage_fixed"]:
            reached("7.1 slippage")
        if order.kind in (STOP, TRAILING_STOP) and config["stop_slippage_rate"]:
            reached("7.1 stop_slippage")
        if order.kind in (LIMIT, STOP_LIMIT) and price == order.limit and price != base:
            reached("7.2")
    elif config["maker_rate"] is not None:
        reached("7.3 maker")
    for name in ("per_share", "per_trade"):
        if config[f"commission_{name}"]:
            reached(f"7.3 {name}")
    if config["commission_minimum"] > order.raw_fee > 0 or (config["commission_minimum"] and order.raw_fee == 0):
        reached("7.3 minimum")
    if config["commission_maximum"] is not None and order.raw_fee > config["commission_maximum"]:
        reached("7.3 maximum")
    tiers = config["commission_tiers"]
    if tiers and len(tiers) > 1 and order.notional > tiers[1][0]:
        reached("7.3 tiers")
    if config["sell_tax_rate"] and sign(order.side) < 0:
        reached("7.3 sell_tax")
    if order.slices > 1:
        reached("7.3 later slice")
