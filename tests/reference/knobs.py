"""Random configurations: every knob off its default reasonably often."""

from .book import DEFAULTS

EXACT_RATE = 360 / 1024  # the charge of a day is the value / 1024
FIRST_DAY = 19_723  # 2024-01-01, in days since 1970


def off(rng, probability=0.25):
    """Whether a knob leaves its default."""
    return rng.random() < probability


def fraction(rng, exact, low, high):
    """A rate between low and high; dyadic in the exact profile."""
    value = rng.uniform(low, high)
    return max(round(value * 1024), 1) / 1024 if exact else value


def money(rng, exact, low, high):
    """An amount between low and high; dyadic in the exact profile."""
    value = rng.uniform(low, high)
    return max(round(value * 64), 1) / 64 if exact else value


def random_config(rng, exact, panel, rules_on, short):
    """A configuration; the panel's volumes are taken away where nothing reads them."""
    config = {}
    if off(rng, 0.75):
        config["initial_cash"] = float(rng.choice([1000, 5000, 10_000, 50_000]))
    if short or off(rng, 0.5):
        config["allow_short_selling"] = True
    if exact:
        if off(rng, 0.4):
            config["lot"] = rng.choice([0.25, 4.0, 4.0])
    elif off(rng, 0.5):
        config["lot"] = rng.choice([0.0, 10.0])
    policies(rng, config)
    if rules_on:
        config.update(random_rules(rng, exact))
    if off(rng, 0.15):
        config["rule_basis"] = "signal"
    costs(rng, exact, config, panel)
    capacity(rng, exact, config, panel)
    financing(rng, exact, config, panel)
    return config


def policies(rng, config):
    """Knobs that choose between readings of a bar."""
    choices = {
        "timing": (["same_bar_close"], 0.2),
        "tie": (["optimistic", "nearest"], 0.65),
        "limit_fill": (["touch"], 0.35),
        "entry_bar": (["assumed"], 0.45),
        "trail_timing": (["proved"], 0.4),
        "water_mark": (["close"], 0.2),
        "shortfall": (["reject"], 0.25),
        "entry_rank": (["rank"], 0.3),
        "cooldown": ([1, 2, 3, 5], 0.3),
        "min_notional": ([64.0, 256.0, 1024.0], 0.15),
        "max_stale": ([1, 1, 2, 3], 0.3),
        "delisting_return": ([-0.25, -0.5, -1.0, 0.125], 0.25),
    }
    for name, (values, probability) in choices.items():
        if off(rng, probability):
            config[name] = rng.choice(values)


def random_rules(rng, exact):
    """Rule fractions as a configuration or an order carries them."""
    rules = {}
    if off(rng, 0.45):
        rules["stop_loss"] = fraction(rng, exact, 0.01, 0.08)
    if off(rng, 0.55):
        rules["take_profit"] = fraction(rng, exact, 0.01, 0.08)
    if off(rng, 0.4):
        rules["trailing_stop"] = fraction(rng, exact, 0.01, 0.06)
        if off(rng, 0.4):
            rules["trail_activation"] = fraction(rng, exact, 0.005, 0.05)
    if off(rng, 0.4):
        rules["break_even"] = fraction(rng, exact, 0.005, 0.04)
    if off(rng, 0.5):
        rules["time_exit"] = rng.randint(1, 6)
    return rules


def spreads(rng, exact, panel):
    """A scalar, one per asset, or one per bar and asset with gaps."""
    bars, assets = len(panel["close"]), len(panel["close"][0])
    shape = rng.choice(["scalar", "asset", "panel"])
    if shape == "scalar":
        return 2 * fraction(rng, exact, 0.0005, 0.01)
    if shape == "asset":
        return [2 * fraction(rng, exact, 0.0005, 0.01) for _ in range(assets)]
    return [[2 * fraction(rng, exact, 0.0005, 0.01) for _ in range(assets)] for _ in range(bars)]


def costs(rng, exact, config, panel):
    """Slippage, spread and commissions."""
    if off(rng):
        config["spread"] = spreads(rng, exact, panel)
    for name, low, high in (("slippage_rate", 0.0005, 0.01), ("stop_slippage_rate", 0.001, 0.02)):
        if off(rng):
            config[name] = fraction(rng, exact, low, high)
    if off(rng, 0.15):
        config["slippage_fixed"] = money(rng, exact, 0.01, 0.2)
    if off(rng, 0.15):
        middle = float(rng.choice([512, 2048, 8192]))
        rates = (fraction(rng, exact, 0.001, 0.01), fraction(rng, exact, 0.001, 0.004))
        config["commission_tiers"] = [(0.0, rates[0]), (middle, rates[1])]
    else:
        if off(rng):
            config["commission_rate"] = fraction(rng, exact, 0.001, 0.01)
        if off(rng):
            config["maker_rate"] = fraction(rng, exact, 0.0005, 0.005)
    if off(rng, 0.15):
        config["commission_per_share"] = money(rng, exact, 0.01, 0.1)
    if off(rng, 0.15):
        config["commission_per_trade"] = money(rng, exact, 0.5, 5)
    if off(rng, 0.15):
        config["commission_minimum"] = money(rng, exact, 0.5, 10)
    if off(rng, 0.15):
        config["commission_maximum"] = config.get("commission_minimum", 0.0) + money(rng, exact, 1, 20)
    if off(rng, 0.15):
        config["sell_tax_rate"] = fraction(rng, exact, 0.0005, 0.005)


def capacity(rng, exact, config, panel):
    """Cap and impact; without either the panel may have no volume at all, or gaps in it."""
    if off(rng, 0.57):
        config["max_participation"] = (
            rng.choice([0.03125, 0.03125, 0.0625, 0.125, 0.25, 0.5, 1.0])
            if exact
            else rng.choice([rng.uniform(0.02, 0.2), rng.uniform(0.02, 1.0)])
        )
        if off(rng, 0.3):
            config["volume_basis"] = "previous"
    if not exact and off(rng, 0.4):
        config["impact_coefficient"] = rng.choice([0.01, 0.1])
        config["impact_exponent"] = rng.choice([0.5, 0.5, 1.0, 0.6])
        if off(rng, 0.5):
            config["impact_sigma"] = rng.choice([1.0, 0.5])
            config["volatility_window"] = rng.choice([2, 3, 5, 20])
    if "max_participation" not in config and "impact_coefficient" not in config:
        if off(rng, 0.3):
            panel["volume"] = [[None] * len(row) for row in panel["volume"]]
        elif off(rng, 0.1):
            panel["volume"] = [[None if rng.random() < 0.2 else v for v in row] for row in panel["volume"]]
    return config


def financing(rng, exact, config, panel):
    """Borrow fees and interest of 1.2; their rates are exact in 360ths of a year, and their days are calendar days."""
    if off(rng, 0.3):
        charge(rng, exact, config, panel)


def charge(rng, exact, config, panel):
    """Rates, each of them more often than not, and dates more often than not."""
    for name in ("borrow_fee", "credit_rate", "debit_rate"):
        if off(rng, 0.7):
            config[name] = EXACT_RATE if exact else rng.uniform(0.005, 0.6)
    if "borrow_fee" in config and off(rng, 0.5):
        config["allow_short_selling"] = True
    if exact or off(rng, 0.7):
        date_sessions(rng, panel)


def date_sessions(rng, panel):
    """Days in the place of session numbers, with weekends and gaps."""
    day, days = FIRST_DAY, {}
    for number in sorted(set(panel["session"])):
        days[number] = day
        day += rng.choice([1, 1, 1, 1, 2, 3, 3, 7])
    panel["session"] = [days[number] for number in panel["session"]]
    panel["dated"] = True


def knobs_off_default(scenario):
    """Names of the configuration fields that a scenario moves off their defaults."""
    return [name for name, value in scenario["config"].items() if value != DEFAULTS[name]]
