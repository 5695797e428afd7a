"""Random strategies: user orders with brackets, groups, cancels and replaces; targets; signals."""

from .knobs import off, random_rules


class Desk:
    """What the order writer knows about a scenario while it writes rows."""

    def __init__(self, rng, exact, panel, config):
        self.rng, self.exact, self.panel, self.config = rng, exact, panel, config
        self.bars, self.assets = len(panel["close"]), len(panel["close"][0])
        self.lot = config.get("lot", 1.0)
        self.cash = config.get("initial_cash", 100_000.0)
        self.next_id = 0
        self.submitted = []  # rows that may be cancelled or replaced
        self.leaning = [0.0] * self.assets  # shares asked for so far

    def price(self, bar, asset):
        """Last close known on a bar, else the first one to come."""
        column = [row[asset] for row in self.panel["close"]]
        for t in (*range(bar, -1, -1), *range(bar + 1, self.bars)):
            if column[t] is not None:
                return column[t]
        return 50.0

    def near(self, price, low, high):
        """A level at price x (1 + between low and high), on the grid of the exact profile."""
        level = price * (1 + self.rng.uniform(low, high))
        return max(round(level * 64), 1) / 64 if self.exact else level

    def shares(self, bar, asset):
        """Unsigned quantity between a little and more than the cash allows, in lots."""
        largest = self.cash / self.price(bar, asset)
        wanted = largest * self.rng.choice([0.02, 0.1, 0.2, 0.4, 0.6, 1.1])
        step = self.lot or (0.001 if self.rng.random() < 0.5 else 1.0)
        shares = max(round(wanted / step), 1) * step
        if self.rng.random() < 0.04 and self.lot:
            shares += self.lot / 2
        return min(shares, 400.0 * (self.lot or 1.0)) if self.rng.random() < 0.7 else shares


def random_orders(rng, exact, panel, config, rules_on, limit=None):
    """A strategy of user orders."""
    desk = Desk(rng, exact, panel, config)
    rows = []
    count = rng.randint(1, 2 + desk.bars) if limit is None else limit
    bars = sorted(min(rng.randrange(desk.bars), rng.randrange(desk.bars)) for _ in range(count))
    for bar in bars:
        asset = rng.randrange(desk.assets)
        draw = rng.random()
        old = [row for row in desk.submitted if row["asset"] == asset]
        if draw < 0.1 and old:
            rows.append(change(desk, bar, rng.choice(old[-4:])))
        elif draw < 0.36:
            rows += bracket(desk, bar, asset, rules_on)
        elif draw < 0.48:
            rows += group(desk, bar, asset)
        else:
            rows.append(single(desk, bar, asset, rules_on))
    return {"kind": "orders", "rows": rows}


def new_row(desk, bar, asset, quantity, kind):
    """A submitting row with its levels near the price."""
    rng, price = desk.rng, desk.price(bar, asset)
    row = {"bar": bar, "asset": asset, "quantity": quantity, "type": kind, "id": f"o{desk.next_id}"}
    desk.next_id += 1
    side = 1 if quantity > 0 else -1
    if kind == "limit":
        row["limit_price"] = desk.near(price, *sorted((-0.02 * side, 0.01 * side)))
    elif kind == "stop":
        row["stop_price"] = desk.near(price, *sorted((0.02 * side, -0.005 * side)))
    elif kind == "stop_limit":
        row["stop_price"] = desk.near(price, *sorted((0.02 * side, -0.005 * side)))
        row["limit_price"] = desk.near(row["stop_price"], -0.015, 0.015)
    elif kind == "trailing_stop":
        row["trail_amount"] = desk.near(price, -0.995, -0.96)
    if rng.random() < 0.05 and "limit_price" in row:
        row["limit_price"] = price
    if desk.config.get("entry_rank") == "rank":
        row["rank"] = float(rng.randint(0, 3))
    desk.submitted.append(row)
    return row


def time_in_force(desk, row, child=False):
    """Give a row a time in force its type allows."""
    rng = desk.rng
    choices = ["gtc", "gtc", "day", "bars"]
    if not child or rng.random() < 0.3:
        choices += ["ioc", "ioc"]
        if row["type"] in ("market", "limit"):
            choices += ["at_open", "at_open", "at_close", "at_close"]
    if off(rng, 0.25 if child else 0.6):
        row["time_in_force"] = rng.choice(choices)
        if row["time_in_force"] == "bars":
            row["bars"] = rng.randint(1, 4)


def own_rules(desk, row, rules_on):
    """Rules that an opening order may carry, as fractions and as absolute levels."""
    rng = desk.rng
    if not rules_on or not off(rng, 0.4):
        return
    row.update(random_rules(rng, desk.exact))
    price, side = desk.price(row["bar"], row["asset"]), 1 if row["quantity"] > 0 else -1
    if off(rng, 0.25):
        row["stop_loss_price"] = desk.near(price, *sorted((-0.06 * side, -0.005 * side)))
    if off(rng, 0.25):
        row["take_profit_price"] = desk.near(price, *sorted((0.06 * side, 0.005 * side)))


def direction(desk, asset):
    """Side of the next order: toward flat more often than not once something was asked for."""
    rng, leaning = desk.rng, desk.leaning[asset]
    if leaning > 0:
        return -1 if rng.random() < 0.55 else 1
    if leaning < 0:
        return 1 if rng.random() < 0.55 else -1
    return -1 if rng.random() < (0.5 if desk.config.get("allow_short_selling") else 0.08) else 1


def single(desk, bar, asset, rules_on):
    """One order of any type."""
    rng = desk.rng
    side, shares = direction(desk, asset), desk.shares(bar, asset)
    if off(rng, 0.2) and side * desk.leaning[asset] < 0:
        shares = abs(desk.leaning[asset])
    kind = rng.choice(["market", "market", "limit", "limit", "stop", "stop_limit", "trailing_stop"])
    row = new_row(desk, bar, asset, side * shares, kind)
    time_in_force(desk, row)
    if (side * desk.leaning[asset] < 0 and off(rng, 0.3)) or off(rng, 0.04):
        row["reduce_only"] = True
    else:
        own_rules(desk, row, rules_on)
    desk.leaning[asset] += side * shares
    return row


def bracket(desk, bar, asset, rules_on):
    """A parent with one to three children."""
    rng = desk.rng
    side, shares = direction(desk, asset), desk.shares(bar, asset)
    parent = new_row(desk, bar, asset, side * shares, rng.choice(["market", "market", "limit", "stop", "stop_limit"]))
    time_in_force(desk, parent)
    own_rules(desk, parent, rules_on and off(rng, 0.2))
    rows, price = [parent], desk.price(bar, asset)
    for kind in rng.sample(
        ["limit", "stop", "trailing_stop", "stop_limit", "market"][: rng.choice([4, 4, 4, 5])], rng.randint(1, 3)
    ):
        size = shares if rng.random() < 0.8 else max(1, round(shares / 2 / (desk.lot or 1))) * (desk.lot or 1)
        child = new_row(desk, bar, asset, -side * size, kind)
        if kind == "limit":
            child["limit_price"] = desk.near(price, *sorted((-0.003 * side, 0.03 * side)))
        elif kind in ("stop", "stop_limit"):
            child["stop_price"] = desk.near(price, *sorted((0.005 * side, -0.03 * side)))
            if kind == "stop_limit":
                child["limit_price"] = desk.near(child["stop_price"], -0.01, 0.01)
        child["parent"] = parent["id"]
        time_in_force(desk, child, child=True)
        rows.append(child)
    return rows


def group(desk, bar, asset):
    """Two or three orders of which one cancels the others: exits of a position, or entries."""
    rng = desk.rng
    name = f"g{desk.next_id}"
    rows = []
    leaning = desk.leaning[asset]
    exits = leaning != 0 and rng.random() < 0.6
    side = (-1 if leaning > 0 else 1) if exits else direction(desk, asset)
    for kind in rng.sample(["limit", "stop", "stop_limit", "trailing_stop"], rng.randint(2, 3)):
        shares = abs(leaning) if exits else desk.shares(bar, asset)
        row = new_row(desk, bar, asset, side * shares, kind)
        time_in_force(desk, row)
        row["group"] = name
        if exits and rng.random() < 0.7:
            row["reduce_only"] = True
        rows.append(row)
    if not exits:
        desk.leaning[asset] += side * abs(rows[0]["quantity"])
    return rows


def change(desk, bar, old):
    """A cancel or a replace of an earlier order."""
    rng = desk.rng
    row = {
        "bar": bar,
        "asset": old["asset"],
        "quantity": None,
        "type": old["type"],
        "id": old["id"],
        "action": "cancel",
    }
    if rng.random() < 0.45:
        return row
    row["action"] = "replace"
    side, price = 1 if old["quantity"] > 0 else -1, desk.price(bar, old["asset"])
    if rng.random() < 0.4:
        row["quantity"] = side * desk.shares(bar, old["asset"])
        if desk.lot:
            row["quantity"] = side * max(1, int(abs(row["quantity"]) / desk.lot)) * desk.lot
    if "limit_price" in old and rng.random() < 0.7:
        row["limit_price"] = desk.near(price, *sorted((-0.02 * side, 0.01 * side)))
    if "stop_price" in old and rng.random() < 0.7:
        row["stop_price"] = desk.near(price, *sorted((0.02 * side, -0.005 * side)))
    if "trail_amount" in old and rng.random() < 0.7:
        row["trail_amount"] = desk.near(price, -0.995, -0.96)
    return row


def random_targets(rng, exact, panel, config, kind):
    """Target weights (sum of |w| at most 1) or target shares on some of the bars."""
    desk = Desk(rng, exact, panel, config)
    short = config.get("allow_short_selling", False)
    often = rng.choice([0.2, 0.5, 1.0])
    rows = []
    for bar in range(desk.bars):
        if rng.random() < often:
            rows.append({"bar": bar, "targets": targets_of_bar(desk, bar, kind, short)})
    if not rows:
        rows.append({"bar": 0, "targets": targets_of_bar(desk, 0, kind, short)})
    strategy = {"kind": kind, "rows": rows, "min_notional": None, "min_weight_change": 0.0}
    if off(rng, 0.2):
        strategy["min_notional"] = rng.choice([0.0, 128.0, 512.0])
    if kind == "weights" and off(rng, 0.4):
        strategy["min_weight_change"] = 1 / 64 if exact else rng.uniform(0.005, 0.05)
    return strategy


def targets_of_bar(desk, bar, kind, short):
    """One target an asset, None here and there."""
    rng = desk.rng
    room, targets = 256, []
    for asset in range(desk.assets):
        draw = rng.random()
        sign = -1 if short and rng.random() < 0.4 else 1
        if draw < 0.15:
            targets.append(None)
        elif draw < 0.3:
            targets.append(0.0)
        elif kind == "shares":
            targets.append(sign * desk.shares(bar, asset))
        else:
            part = rng.randint(0, room) if rng.random() < 0.8 else min(room, 1)
            room -= part
            weight = part / 256 if desk.exact else part / 256 * rng.uniform(0.9, 1.0)
            targets.append(sign * weight if weight else 0.0)
    return targets


def random_signals(rng, exact, panel, config):
    """Entries and exits with any size type."""
    desk = Desk(rng, exact, panel, config)
    often = rng.choice([0.1, 0.2, 0.4])

    def flags(probability):
        return [[rng.random() < probability for _ in range(desk.assets)] for _ in range(desk.bars)]

    kind = rng.choice(["shares", "value", "fraction", "target_shares", "target_value", "target_fraction"])
    short_often = often if config.get("allow_short_selling") else often / 4

    def size(bar, asset):
        if kind.endswith("shares"):
            return desk.shares(bar, asset)
        part = rng.randint(4, 200) / 256
        return part * desk.cash if kind.endswith("value") else part

    sizes = size(0, 0)
    if rng.random() < 0.4:
        sizes = [[size(t, a) for a in range(desk.assets)] for t in range(desk.bars)]
    strategy = {"kind": "signals", "size": sizes, "size_type": kind, "rank": None, "accumulate": off(rng, 0.35)}
    strategy |= {"entries": flags(often), "exits": flags(often / 2)}
    strategy |= {"short_entries": flags(short_often), "short_exits": flags(short_often / 2)}
    if config.get("entry_rank") == "rank":
        strategy["rank"] = [[float(rng.randint(0, 3)) for _ in range(desk.assets)] for _ in range(desk.bars)]
    return strategy


__all__ = ["random_orders", "random_signals", "random_targets"]
