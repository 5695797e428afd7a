"""State of one account in plain objects, the configuration with its defaults, and the comparisons of 6.3."""

import math
from dataclasses import dataclass, field

from .coverage import reached
from .enums import DECIDED, FORCED, GTC, INSIDE, LIVE, OPEN, Origin, Reason

TOLERANCE = 1e-12  # a computed level equals a price within this, relatively
RESIDUE = 1e-9  # shares below this part of an order or position are none
WHOLE_LOTS = 2.0**53  # from here on a float has no fraction of a lot

DEFAULTS = {
    "initial_cash": 100_000.0,
    "allow_short_selling": False,
    "lot": 1.0,
    "timing": "next_bar",
    "tie": "pessimistic",
    "limit_fill": "through",
    "entry_bar": "proved",
    "trail_timing": "lagged",
    "water_mark": "extreme",
    "volume_basis": "bar",
    "shortfall": "shrink",
    "entry_rank": "submission",
    "cooldown": 0,
    "min_notional": 0.0,
    "max_stale": 20,
    "delisting_return": 0.0,
    "rule_basis": "fill",
    "stop_loss": None,
    "take_profit": None,
    "trailing_stop": None,
    "break_even": None,
    "time_exit": None,
    "trail_activation": 0.0,
    "max_participation": None,
    "impact_coefficient": 0.0,
    "impact_exponent": 0.5,
    "impact_sigma": 0.0,
    "volatility_window": 20,
    "spread": 0.0,
    "slippage_rate": 0.0,
    "slippage_fixed": 0.0,
    "stop_slippage_rate": 0.0,
    "commission_rate": 0.0,
    "maker_rate": None,
    "commission_per_share": 0.0,
    "commission_per_trade": 0.0,
    "commission_minimum": 0.0,
    "commission_maximum": None,
    "commission_tiers": None,
    "sell_tax_rate": 0.0,
    "borrow_fee": 0.0,
    "credit_rate": 0.0,
    "debit_rate": 0.0,
    "short_availability": "unlimited",
    "recall": "excess",
    "account": "cash",
    "initial_margin": 0.5,
    "maintenance_margin": 0.25,
    "short_initial_margin": 0.5,
    "short_maintenance_margin": 0.30,
    "margin_call": "pro_rata",
    "cash_buffer": 0.0,
    "max_leverage": None,
    "settlement": 0,
}
RULE_NAMES = ("stop_loss", "take_profit", "trailing_stop", "trail_activation", "break_even", "time_exit")
RULE_PRICES = ("stop_loss_price", "take_profit_price")


def at_or_below(x, y):
    """x <= y for prices, a computed level counting as equal within 1e-12."""
    return x <= y * (1 + TOLERANCE)


def at_or_above(x, y):
    """x >= y for prices, a computed level counting as equal within 1e-12."""
    return x >= y * (1 - TOLERANCE)


def strictly_below(x, y):
    """x < y by more than 1e-12 of y."""
    return not at_or_above(x, y)


def strictly_above(x, y):
    """x > y by more than 1e-12 of y."""
    return not at_or_below(x, y)


def sign(x):
    """-1, 0 or 1."""
    return (x > 0) - (x < 0)


def floor_to_lots(quantity, lot):
    """Toward zero to whole lots after adding 1e-9 lots; lot 0 leaves the quantity."""
    if lot == 0:
        return quantity
    if abs(quantity) / lot >= WHOLE_LOTS:
        reached("6.3 beyond")
        return quantity
    return sign(quantity) * math.floor(abs(quantity) / lot + 1e-9) * lot


def ceil_to_lots(quantity, lot):
    """Unsigned shares up to whole lots after taking 1e-9 lots off (4.5); lot 0 leaves the quantity."""
    if lot == 0 or quantity / lot >= WHOLE_LOTS:
        return quantity
    return max(math.ceil(quantity / lot - 1e-9), 0) * lot


@dataclass
class Birth:
    """When and where a position or a bracket child came alive."""

    bar: int
    phase: int
    price: float  # the price of that moment, before costs
    side: int = 0  # inside the bar: -1 on the way down, +1 on the way up
    certain: bool = False  # levels further along that side are certain to come after


@dataclass(eq=False)
class Order:
    """An order; bracket children are of this class too while they wait for their parent (row -1)."""

    asset: int
    bar: int
    kind: int
    requested: float
    left: float
    origin: int = Origin.ORDER
    time_in_force: int = GTC
    status: int = DECIDED
    reason: int = Reason.NONE
    row: int = -1
    end_bar: int = -1
    filled: float = 0.0
    limit: float | None = None
    stop: float | None = None
    trail: float | None = None
    mark: float | None = None  # water mark of a trailing order
    bars: int = 0
    first_live: int = -1
    triggered: bool = False
    met: int = -1  # last bar inside which its level was met
    reduce_only: bool = False
    batch: bool = False
    rank: float | None = None
    direction: int = 0  # of the signal that made an entry
    group: object = None
    parent: "Order | None" = None
    children: list = field(default_factory=list)
    opened: float = 0.0  # shares that opening legs of this order have opened, in today's shares
    size: float = 0.0  # a child: its full quantity, unsigned
    granted: float = 0.0  # a child: the part of it that is live so far, unsigned
    birth: Birth | None = None
    rules: dict = field(default_factory=dict)
    arrival: float | None = None  # price at the decision
    cut: int = Reason.NONE  # what took a part of it away
    replaces: bool = False  # the row of a replacement
    held_back: bool = False  # a budget let it trade less than it would have
    # fee account: money only, a split leaves it
    notional: float = 0.0
    raw_fee: float = 0.0
    paid_fee: float = 0.0
    slices: int = 0

    @property
    def pending(self):
        """Decided or live."""
        return self.status in (DECIDED, LIVE)

    @property
    def side(self):
        """+1 buys, -1 sells."""
        return sign(self.requested)


@dataclass(eq=False)
class Position:
    """The position in one asset and the open round trip behind it; all zero when flat."""

    shares: float = 0.0
    average: float = 0.0
    paid: float = 0.0  # of a future: the price up to which its gains are in cash
    basis: float = 0.0
    mark: float = 0.0  # water mark of the rules
    birth: Birth | None = None
    entry_bar: int = -1
    first_bar: int = -1  # bar 1 of a time exit
    high: float = 0.0
    low: float = 0.0
    opened: float = 0.0
    opened_value: float = 0.0
    realised: float = 0.0
    fees: float = 0.0
    slippage: float = 0.0
    rules: dict = field(default_factory=dict)
    stop: float | None = None  # level in force
    stop_origin: int = Origin.STOP_LOSS
    goal: float | None = None
    armed: bool = False
    even: bool = False
    stop_met: int = -1  # bar inside which the level was met
    goal_met: int = -1

    def born_inside(self, bar):
        """True on the bar inside which the position was opened."""
        return self.birth.bar == bar and self.birth.phase == INSIDE

    def held_since_open(self, bar):
        """True when the position has met the whole bar."""
        return self.birth.bar < bar or self.birth.phase == OPEN


@dataclass(eq=False)
class Run:
    """Everything a run knows: inputs, book and what has been written so far."""

    scenario: dict
    config: dict
    bars: int
    assets: int
    cash: float
    equity: float
    t: int = -1
    positions: list = field(default_factory=list)
    held: list = field(default_factory=list)  # assets in order of opening
    places: list = field(default_factory=list)  # the same for sums: closed and reopened within a bar keeps its place
    last: list = field(default_factory=list)  # last close in today's shares, None before the first bar
    orders: list = field(default_factory=list)
    active: list = field(default_factory=list)  # the orders that were pending at the start of the bar, and newer ones
    by_id: dict = field(default_factory=dict)
    rows: dict = field(default_factory=dict)  # what the strategy says, by bar
    budget: list = field(default_factory=list)
    used: list = field(default_factory=list)  # per asset {+1: bought, -1: sold} in this bar
    volume_before: list = field(default_factory=list)
    closes: list = field(default_factory=list)  # own (bar, close) so far, restated for splits
    missed: list = field(default_factory=list)  # sessions in a row without a bar
    seen: list = field(default_factory=list)  # a bar in this session
    stale: list = field(default_factory=list)
    delisted: list = field(default_factory=list)
    cool_until: list = field(default_factory=list)
    bound: set = field(default_factory=set)  # assets whose cap bound a slice in this bar
    entered: set = field(default_factory=set)  # assets with an entry fill in this phase
    pools: list = field(default_factory=list)  # by limit: what is left to entries inside the bar (3.4)
    unsettled: list = field(default_factory=list)  # sales of a cash account that cannot be spent yet (6.2)
    frozen: bool = False
    conflicts: int = 0
    realised: float = 0.0
    dividends: float = 0.0
    fees: float = 0.0
    interest: float = 0.0
    borrow_fees: float = 0.0
    funding: float = 0.0
    borrow: list = field(default_factory=list)  # the row of `borrow` in force, by asset
    borrow_rows: dict = field(default_factory=dict)  # rows of `borrow`, by bar
    funding_rows: dict = field(default_factory=dict)  # rows of `funding`, by bar
    flows: float = 0.0
    flow_of: dict = field(default_factory=dict)  # deposits and withdrawals, summed by bar
    called: bool = False  # a margin call at this close
    recorded: tuple = ()  # cash, and shares and mark of each asset, at 4.8 of the bar before
    actions: dict = field(default_factory=dict)  # corporate actions, by bar
    fills: list = field(default_factory=list)
    trades: list = field(default_factory=list)
    ambiguous: list = field(default_factory=list)
    booked: list = field(default_factory=list)
    charges: list = field(default_factory=list)
    events: list = field(default_factory=list)
    margins: list = field(default_factory=list)  # by bar: initial and maintenance requirements
    records: list = field(default_factory=list)

    def price(self, name, asset):
        """A price of this bar, None when the asset has no bar."""
        return self.scenario[name][self.t][asset]

    def has_bar(self, asset):
        """Whether the asset trades on this bar."""
        return self.scenario["close"][self.t][asset] is not None

    def known_price(self, asset):
        """The close, else the last mark, else None."""
        close = self.price("close", asset)
        return self.last[asset] if close is None else close

    def pending(self, asset=None):
        """Decided and live orders by submission, of one asset or of all."""
        return [o for o in self.active if o.status in (DECIDED, LIVE) and (asset is None or o.asset == asset)]

    def live(self, asset=None):
        """Live orders by submission, of one asset or of all."""
        return [o for o in self.active if o.status == LIVE and (asset is None or o.asset == asset)]

    def forced(self, asset):
        """Pending orders that the account made of itself in one asset."""
        return [order for order in self.pending(asset) if order.origin in FORCED]

    def rank_key(self, order):
        """Order of service among entries: the given rank (none: last), then submission."""
        if self.config["entry_rank"] == "rank":
            return (math.inf if order.rank is None else order.rank, order.row)
        return (0.0, order.row)


def new_run(scenario):
    """An account before its first bar."""
    config = {**DEFAULTS, **scenario["config"]}
    bars, assets = len(scenario["close"]), len(scenario["close"][0])
    cash = config["initial_cash"]
    return Run(
        scenario,
        config,
        bars,
        assets,
        cash,
        cash,
        positions=[Position() for _ in range(assets)],
        last=[None] * assets,
        volume_before=[None] * assets,
        closes=[[] for _ in range(assets)],
        missed=[0] * assets,
        seen=[False] * assets,
        stale=[False] * assets,
        delisted=[False] * assets,
        cool_until=[-1] * assets,
        rows=by_bar(scenario["strategy"].get("rows", [])),
        actions=by_bar(scenario["actions"]),
        borrow=[None] * assets,
        borrow_rows=by_bar(scenario.get("borrow", [])),
        funding_rows=by_bar(scenario.get("funding", [])),
        flow_of=summed(scenario.get("flows", ())),
    )


def summed(flows):
    """Amounts of (bar, amount) by bar, those of one bar as their sum (1.3)."""
    found = {}
    for bar, amount in flows:
        found[bar] = found.get(bar, 0.0) + amount
    return found


def by_bar(rows):
    """Rows by the bar they name, in the order given."""
    found = {}
    for row in rows:
        found.setdefault(row["bar"], []).append(row)
    return found
