"""Mistakes that users of pandas, vectorbt, backtesting.py and the event engine make, and what they are told.

Every message names what was given, the rule, and the way out. Each case has the words that must occur, those that must
not (a wrong proposal is worse than none), and the reason.
"""

import inspect
import warnings
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from facade import (
    BacktestWarning,
    Config,
    ConfigError,
    DataError,
    Orders,
    Panel,
    Signals,
    StrategyError,
    TargetShares,
    TargetWeights,
    capacity,
    load_panel,
    run_backtest,
    sweep,
    walk_forward,
)
from facade.config.model import KNOBS
from facade.foreign_names import ABSENT, RENAMED, here, hint
from facade.strategies.order_table import COLUMNS
from facade.wording import did_you_mean

DAYS = [date(2024, 1, 1) + timedelta(days=day) for day in range(6)]
CLOSE = [10.0, 11.0, 12.0, 11.0, 10.0, 12.0]
ROWS = pl.DataFrame({"timestamp": DAYS, "symbol": "ABC"})
PRICES = ROWS.with_columns(
    **{name: pl.Series(CLOSE) for name in ("open", "high", "low", "close")}, volume=pl.lit(1_000_000.0)
)
PANEL = load_panel(PRICES)
HALF = np.full((6, 1), 0.5)
WEIGHTS = TargetWeights.from_array(HALF)
NEVER = np.zeros((6, 1), bool)
SECOND = np.arange(6)[:, None] == 1


@dataclass(frozen=True)
class Case:
    """call: the mistake. words: in the message, all of them. absent: never in it."""

    call: object
    error: type
    words: tuple
    why: str
    absent: tuple = ()


def frame(**columns):
    """A long frame of one row, decided on the first day."""
    return ROWS.head(1).with_columns(**{name: pl.lit(value) for name, value in columns.items()})


def assign(config, name, value):
    setattr(config, name, value)


PLACES = {
    "prices and strategy swapped": Case(
        lambda: run_backtest(WEIGHTS, PANEL), StrategyError, ("TargetWeights", "swapped?", "Prices come first"),
        "the place, not the type, is what is wrong"),
    "swapped, with a frame of prices": Case(
        lambda: run_backtest(WEIGHTS, PRICES), StrategyError, ("TargetWeights", "swapped?"), "the same mistake"),
    "swapped, with a function": Case(
        lambda: run_backtest(lambda panel: WEIGHTS, PANEL), StrategyError, ("swapped?",), "a function is a strategy"),
    "swapped in sweep": Case(
        lambda: sweep(WEIGHTS, PANEL), StrategyError, ("TargetWeights", "swapped?"), "sweep takes both alike"),
    "swapped in walk_forward": Case(
        lambda: walk_forward(WEIGHTS, PANEL, train=2, test=1), StrategyError, ("swapped?",), "so do its studies"),
    "swapped in capacity": Case(
        lambda: capacity(WEIGHTS, PANEL, None, [1e6]), StrategyError, ("swapped?",), "so do its studies"),
    "a panel as strategy": Case(
        lambda: run_backtest(PANEL, PANEL), StrategyError, ("got Panel", "swapped?"), "prices are there twice"),
    "the class instead of an object": Case(
        lambda: run_backtest(PANEL, Signals), StrategyError, ("the class Signals",), "it was not built"),
    "a frame as strategy": Case(
        lambda: run_backtest(PANEL, ROWS), StrategyError, ("DataFrame", "TargetWeights(frame)"),
        "a frame does not say what it is"),
    "a pandas frame as strategy": Case(
        lambda: run_backtest(PANEL, pd.DataFrame({"ABC": CLOSE})), StrategyError, ("TargetWeights(frame)",),
        "of whichever library"),
    "an array as strategy": Case(
        lambda: run_backtest(PANEL, HALF), StrategyError, ("ndarray", "TargetWeights.from_array"),
        "an array does not say what it is"),
    "a frame as strategy of a sweep": Case(
        lambda: sweep(PANEL, ROWS), StrategyError, ("DataFrame", "TargetWeights(frame)"), "as in run_backtest"),
    "a Config as strategy": Case(
        lambda: run_backtest(PANEL, Config()), StrategyError, ("Config", "config="), "it has a place of its own"),
    "a Config in fourth place": Case(
        lambda: run_backtest(PANEL, WEIGHTS, None, Config()), StrategyError, ("context", "Config", "config="),
        "third place is taken for config; fourth is an accident"),
    "two configurations": Case(
        lambda: run_backtest(PANEL, WEIGHTS, Config(), config=Config(lot=0)), ConfigError,
        ("twice", "config=", "third place"), "neither may win in silence"),
    "signals of the event engine": Case(
        lambda: run_backtest(PANEL, WEIGHTS, {"ABC": 1}), StrategyError, ("signals=None", "config="),
        "a mapping without a field of Config is no configuration"),
    "a grid as configuration": Case(
        lambda: sweep(PANEL, WEIGHTS, {"stop_loss": [0.1, 0.2]}), ConfigError, ("list", "grid"),
        "in sweep the grid comes fourth"),
}  # fmt: skip

ARGUMENTS = {
    "a misspelt argument of the sweep under a study": Case(
        lambda: walk_forward(PANEL, WEIGHTS, None, {"stop_loss": [0.1]}, train=2, test=1, chekpoint="x"), ConfigError,
        ("walk_forward", "'chekpoint'", "'checkpoint'"), "checkpoint belongs to sweep, which walk_forward calls",
        ("load_panel",)),
    "a misspelt argument of sweep": Case(
        lambda: sweep(PANEL, WEIGHTS, None, {"stop_loss": [0.1]}, n_job=1), ConfigError, ("'n_job'", "'n_jobs'"),
        "further arguments go to load_panel, which knows nothing of it", ("load_panel",)),
    "a misspelt argument of capacity": Case(
        lambda: capacity(PANEL, WEIGHTS, None, [1e6], n_job=1), ConfigError, ("capacity", "'n_jobs'"),
        "the name of what was called"),
    "a misspelt argument of load_panel": Case(
        lambda: run_backtest(PRICES, WEIGHTS, repairs="text"), ConfigError, ("'repairs'", "'repair'"),
        "what load_panel takes is taken here"),
    "a field of Config as argument": Case(
        lambda: run_backtest(PANEL, WEIGHTS, commission_rate=0.001), ConfigError,
        ("config=Config(commission_rate=...)",), "costs belong to the configuration", ("load_panel", "grid")),
    "a field of Config as argument of sweep": Case(
        lambda: sweep(PANEL, WEIGHTS, stop_loss=[0.1, 0.2]), ConfigError,
        ("config=Config(stop_loss=...)", "grid={'stop_loss': [...]}"), "both are possible"),
    "an argument of the strategy beside the grid": Case(
        lambda: sweep(PANEL, lambda panel, fast: WEIGHTS, fast=[10, 20]), ConfigError,
        ("an argument of the strategy", "grid={'fast': [...]}"), "the grid is a mapping"),
    "an argument of nobody": Case(
        lambda: run_backtest(PANEL, WEIGHTS, qwerty=1), ConfigError, ("'qwerty'", "'progress'"),
        "without a near name the list of them", ("did you mean",)),
    "a rule given to signals, as vectorbt has it": Case(
        lambda: Signals.from_arrays(SECOND, sl_stop=0.05), StrategyError,
        ("Signals.from_arrays", "'sl_stop'", "stop_loss of Config"), "rules belong to the run or the order"),
    "a field of Config given to a strategy": Case(
        lambda: Signals(frame(entries=True), stop_loss=0.05), StrategyError, ("config=Config(stop_loss=...)",),
        "likewise", ("__init__",)),
    "a misspelt argument of a strategy": Case(
        lambda: TargetWeights(frame(weight=0.5), scales=True), StrategyError, ("'scales'", "'scale'"),
        "the dataclass says only that it is unexpected"),
    "a name of another engine on an axis": Case(
        lambda: sweep(PANEL, WEIGHTS, None, {"tp_stop": [0.1]}), ConfigError, ("'tp_stop'", "take_profit"),
        "a grid names fields of Config", ("trailing_stop",)),
}  # fmt: skip

VALUES = {
    "text for a number": Case(
        lambda: Config(initial_cash="100000"), ConfigError, ("'100000'", "text, not a number", "initial_cash=100000"),
        "100000 is above 0: the type is wrong, not the range"),
    "text that is no number": Case(
        lambda: Config(lot="whole"), ConfigError, ("'whole'", "text, not a number"), "nothing to write instead",
        ("write lot",)),
    "text for a number of one symbol": Case(
        lambda: Config(stop_loss={"A": "0.1"}), ConfigError, ("stop_loss['A']='0.1'", "text, not a number"),
        "the symbol is named"),
    "a flag for a number": Case(
        lambda: Config(lot=True), ConfigError, ("lot=True", "not a number"), "True is 1 to Python only"),
    "a number for a flag": Case(
        lambda: Config(allow_short_selling=1), ConfigError, ("write allow_short_selling=True",), "the other way round"),
    "a float for a count": Case(
        lambda: Config(time_exit=5.0), ConfigError, ("write time_exit=5;",), "5.0 >= 1: the type is wrong"),
    "a list for a value": Case(
        lambda: Config(stop_loss=[0.1, 0.2]), ConfigError, ("list", "grid of sweep"), "values to try are a sweep"),
    "percent for a fraction": Case(
        lambda: Config(stop_loss=5), ConfigError, ("5 percent is stop_loss=0.05", "0 < x < 1"),
        "the range alone does not say why"),
    "text of a policy": Case(
        lambda: Config(tie="worst"), ConfigError, ("'pessimistic' or 'optimistic'",), "it is one of few",
        ("not a number",)),
    "a number out of range": Case(
        lambda: Config(initial_cash=-1.0), ConfigError, ("x > 0", "account currency"), "range and unit", ("text",)),
    "assigned": Case(
        lambda: assign(Config(), "lot", 0.0), ConfigError, ("frozen", "config.replace(lot=0.0)"),
        "replace is how a field is changed"),
    "assigned, and unknown": Case(
        lambda: assign(Config(), "fees", 0.1), ConfigError, ("frozen", "replace"), "no attribute is new either"),
    "the configuration as text": Case(
        lambda: run_backtest(PANEL, WEIGHTS, config="defaults"), ConfigError, ("str", "mapping of its fields"),
        "what it may be"),
}  # fmt: skip

STRATEGIES = {
    "size for quantity": Case(
        lambda: Orders(frame(size=1.0)), StrategyError, ("'size'", "quantity"), "backtesting.py's word"),
    "side": Case(
        lambda: Orders(frame(quantity=1.0, side="sell")), StrategyError, ("'side'", "sign", "quantity"),
        "quantities are signed here", ("'id'",)),
    "price": Case(
        lambda: Orders(frame(quantity=1.0, price=10.0)), StrategyError, ("limit_price", "stop_price"),
        "which of them decides what the order is", ("did you mean",)),
    "sl on an order": Case(
        lambda: Orders(frame(quantity=1.0, sl=0.05)), StrategyError, ("stop_loss",), "backtesting.py's word",
        ("trailing_stop",)),
    "a misspelt column": Case(
        lambda: Orders(frame(quantity=1.0, limit_prise=10.0)), StrategyError, ("'limit_price'",), "one letter"),
    "a limit without its price": Case(
        lambda: Orders(frame(quantity=1.0, type="limit")), StrategyError, ("limit_price", "need it", "ABC"),
        "row, symbol and day"),
    "signals of 0 and 1": Case(
        lambda: Signals.from_arrays(SECOND.astype(int)), StrategyError, ("boolean", "int64", ".astype(bool)"),
        "pandas makes integers of booleans readily"),
    "signals of 0 and 1 in a frame": Case(
        lambda: Signals(frame(entries=1)), StrategyError, ("boolean", ".cast(pl.Boolean)"), "the word of Polars"),
    "signals of 0 and 1 under another name": Case(
        lambda: Signals(frame(up=1)), StrategyError, ("boolean", ".astype(bool)"), "no column is boolean"),
    "signals with gaps": Case(
        lambda: Signals.from_arrays(pd.DataFrame({"ABC": SECOND[:, 0]}).shift()), StrategyError,
        ("object", ".fillna(False).astype(bool)"), "what shift() leaves"),
    "buy and sell": Case(
        lambda: Signals(frame(buy=True, sell=False)), StrategyError, ("entries of Signals",), "their names here"),
    "weights in percent": Case(
        lambda: run_backtest(PANEL, TargetWeights.from_array(HALF * 180)), StrategyError, ("sum to 90", "scale=True"),
        "0.9 was meant"),
    "negative weights": Case(
        lambda: run_backtest(PANEL, TargetWeights.from_array(-HALF)), StrategyError, ("allow_short_selling=True",),
        "the account says whether it may"),
    "an unknown symbol": Case(
        lambda: run_backtest(PANEL, Orders(frame(quantity=1.0).with_columns(symbol=pl.lit("ABD")))), StrategyError,
        ("'ABD'", "did you mean 'ABC'"), "one letter of three"),
    "a day without a bar": Case(
        lambda: run_backtest(PRICES.filter(pl.col("timestamp") != DAYS[2]),
                             Orders(frame(quantity=1.0).with_columns(timestamp=DAYS[2]))), StrategyError,
        ("2024-01-03", "between the bars", "align='next'"), "its neighbours, and how it is moved"),
    "an array of another shape": Case(
        lambda: run_backtest(PANEL, TargetWeights.from_array(HALF[:5])), StrategyError, ("(5, 1)", "6 bars x 1"),
        "both shapes"),
    "frames of another column order": Case(
        lambda: run_backtest(PANEL, TargetShares.from_array(pd.DataFrame({"XYZ": CLOSE}))), StrategyError,
        ("'ABC'", "'XYZ'"), "names beat places"),
}  # fmt: skip

OHLC = PRICES.drop("timestamp", "symbol", "volume").head(1)
DATA = {
    "a number since 1970": Case(
        lambda: load_panel(OHLC.with_columns(timestamp=1_606_715_820_000, symbol=pl.lit("A"))), DataError,
        ("pl.from_epoch(", "'ms'"), "an integer is no text to be parsed", ("str.to_datetime",)),
    "YYYYMMDD": Case(
        lambda: load_panel(OHLC.with_columns(timestamp=20200102, symbol=pl.lit("A"))), DataError,
        ("to_date('%Y%m%d')",), "so Stooq has it"),
    "numbers as text": Case(
        lambda: load_panel(PRICES.with_columns(close=pl.col("close").cast(pl.String))), DataError,
        ("close", "repair='text'"), "so exchanges have it"),
    "a wide frame": Case(
        lambda: load_panel(pl.DataFrame({"timestamp": DAYS, "AAPL": CLOSE, "MSFT": CLOSE})), DataError,
        ("long", ".unpivot("), "how it is made long"),
    "a low above the open": Case(
        lambda: load_panel(PRICES.with_columns(low=pl.col("close") + 1)), DataError, ("low", "repair='widen_range'"),
        "the repair is named"),
    "duplicates": Case(
        lambda: load_panel(pl.concat([PRICES, PRICES.tail(1)])), DataError, ("ABC", "2024-01-06", "keep_last"),
        "which, and the repair"),
    "impact without volume": Case(
        lambda: run_backtest(PRICES.drop("volume"), WEIGHTS, Config(impact_coefficient=0.1)), ConfigError,
        ("impact_coefficient", "volume"), "what it needs"),
    "an array of unlike columns": Case(
        lambda: Panel.from_arrays(pd.DataFrame({"A": [10.0]}), pd.DataFrame({"B": [12.0]}), pd.DataFrame({"A": [8.0]}),
                                  pd.DataFrame({"A": [9.0]})), DataError, ("'B'",), "names beat places"),
}  # fmt: skip

RESULT = run_backtest(PANEL, WEIGHTS)
RESULTS = {
    "a frame in brackets": Case(lambda: RESULT["equity"], TypeError, ("result.equity",), "vectorbt and backtesting.py"),
    "a metric in brackets": Case(lambda: RESULT["sharpe"], TypeError, ("result.metrics['sharpe']",), "likewise"),
    "a number in brackets": Case(lambda: RESULT[0], TypeError, ("orders", "result.metrics"), "what there is"),
    "stats": Case(lambda: RESULT.stats(), AttributeError, ("result.metrics", "result.summary()"), "both peers have it"),
    "a metric as attribute": Case(lambda: RESULT.sharpe, AttributeError, ("result.metrics['sharpe']",), "where it is"),
    "a metric in capitals": Case(lambda: RESULT.metrics["Sharpe"], KeyError, ("did you mean 'sharpe'",), "its name"),
    "a metric of other words": Case(
        lambda: RESULT.sharpe_ratio, AttributeError, ("'sharpe'", "result.metrics"), "a word too many"),
}  # fmt: skip

CASES = {
    f"{group}: {name}": case
    for group, cases in {
        "places": PLACES, "arguments": ARGUMENTS, "values": VALUES, "strategies": STRATEGIES, "data": DATA,
        "results": RESULTS,
    }.items()
    for name, case in cases.items()
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_the_way_out(name):
    case = CASES[name]
    with pytest.raises(case.error) as caught:
        case.call()
    message = str(caught.value)
    for word in case.words:
        assert word in message, f"{word!r} is missing, since {case.why}: {message}"
    for word in case.absent:
        assert word not in message, f"{word!r} misleads, since {case.why}: {message}"


# Names of other engines ----------------------------------------------------------------------------------------------

MEANT = {
    "fees": "commission_rate", "commission": "commission_rate", "slippage": "slippage_rate",
    "fixed_fees": "commission_per_trade", "sl_stop": "stop_loss", "tp_stop": "take_profit",
    "tsl_stop": "trailing_stop", "sl_trail": "trailing_stop", "td_stop": "time_exit", "cash": "initial_cash",
    "init_cash": "initial_cash", "freq": "periods_per_year", "trade_on_close": "same_bar_close",
    "size": "quantity", "side": "sign", "direction": "short_entries", "leverage": "max_leverage",
    "margin": "account='margin'", "hedging": "one net position", "exclusive_orders": "closes an opposite position",
    "cash_sharing": "one account", "size_granularity": "lot",
}  # fmt: skip
"""Keywords of vectorbt and backtesting.py, and the word that leads to what they are here."""
CALLS = {
    "Config": lambda name: Config(**{name: 0.1}),
    "run_backtest": lambda name: run_backtest(PANEL, WEIGHTS, **{name: 0.1}),
    "run_backtest of a frame": lambda name: run_backtest(PRICES, WEIGHTS, **{name: 0.1}),
    "sweep": lambda name: sweep(PANEL, WEIGHTS, None, {"lot": [1.0]}, **{name: 0.1}),
    "a grid": lambda name: sweep(PANEL, WEIGHTS, None, {name: [0.1]}),
    "Orders": lambda name: Orders(frame(quantity=1.0, **{name: 0.1})),
    "TargetWeights": lambda name: TargetWeights.from_array(HALF, **{name: 0.1}),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", MEANT)
def test_a_keyword_of_another_engine_is_translated_wherever_it_is_given(name, call):
    with pytest.raises((ConfigError, StrategyError)) as caught:
        CALLS[call](name)
    message = str(caught.value)
    assert repr(name) in message and MEANT[name] in message and "did you mean" not in message


def test_a_name_that_is_ours_is_not_foreign():
    """Else the table would send people away from what is there; where a name is known it is never looked up."""
    fields, signals = set(Config.model_fields), set(inspect.signature(Signals).parameters)
    assert not (RENAMED.keys() | ABSENT.keys()) & fields
    assert not RENAMED.keys() & ABSENT.keys()
    for name in RENAMED.keys() & signals:
        assert "of Signals" in RENAMED[name]
    assert not (RENAMED.keys() | ABSENT.keys()) & set(COLUMNS)


def test_every_way_out_of_the_table_is_there():
    """A field or column that is renamed must be renamed in the table too."""
    calls = {
        name for call in (run_backtest, load_panel) for name in (call.__name__, *inspect.signature(call).parameters)
    }
    known = {*Config.model_fields, *COLUMNS, *inspect.signature(Signals).parameters, "shares", *calls}
    for name, way in RENAMED.items():
        words = way.replace("=", " ").replace(",", " ").replace(";", " ").replace(":", " ").split()
        assert known & set(words) or "commission_*" in way, f"{name}: {way}"
        for word in words:
            if "_" in word and "'" not in word and "*" not in word:
                assert word in known, f"{name}: {way}"
    assert here("Leverage") == here("leverage") != ""


FIELDS = list(KNOBS)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("comission_rate", FIELDS, "commission_rate"),
        ("initial_cahs", FIELDS, "initial_cash"),
        ("limit", COLUMNS, "limit_price"),
        ("IBN", ["IBM", "AAPL"], "IBM"),
        ("BB", ["A", "B"], "B"),
        ("chekpoint", ["checkpoint", "constraint"], "checkpoint"),
        ("side", COLUMNS, None),  # shares letters with id
        ("sl_stop", FIELDS, None),  # with trailing_stop
        ("tp", COLUMNS, None),  # with type
        ("ticker", FIELDS, None),  # with tie
        ("dt_stop", FIELDS, None),
    ],
)
def test_a_name_is_proposed_only_where_a_slip_explains_it(name, known, meant):
    assert did_you_mean(name, known) == (f"; did you mean {meant!r}?" if meant else "")


def test_a_foreign_name_goes_before_a_near_one():
    """slippage is near slippage_rate, tsl_stop near trailing_stop: the table also says the unit."""
    assert "fraction" in hint("slippage", FIELDS) and "fraction" in hint("tsl_stop", FIELDS)


# Third place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [Config(commission_per_trade=1.0), {"commission_per_trade": 1.0}])
def test_a_configuration_in_third_place_is_the_configuration(config):
    """sweep has it there, and so do people: one fee of 1 is paid, as with config=."""
    placed, named = run_backtest(PANEL, WEIGHTS, config), run_backtest(PANEL, WEIGHTS, config=config)
    assert placed.config == named.config == Config(commission_per_trade=1.0)
    assert placed.metrics["total_commission"] == named.metrics["total_commission"] > 0


# What runs, and is not what was meant --------------------------------------------------------------------------------


def isolated(step, rest):
    """(6, 1) weights of one half every `step` bars, `rest` between."""
    weights = np.full((6, 1), float(rest))
    weights[::step] = 0.5
    return TargetWeights.from_array(weights)


SHORTS = Config(allow_short_selling=True, commission_rate=0.001)
PAID = Config(commission_rate=0.001)
NOTICES = {
    "no signal": (Signals.from_arrays(NEVER), PAID, "nothing is ever decided"),
    "exits alone": (Signals.from_arrays(NEVER, SECOND), PAID, "no entry signal is ever true"),
    "no order": (Orders(frame(quantity=1.0).head(0)), PAID, "nothing is ever decided"),
    "weights of zero": (TargetWeights.from_array(HALF * 0), PAID, "every target is zero"),
    "weights of NaN": (TargetWeights.from_array(HALF * np.nan), PAID, "nothing is ever decided"),
    "entry and exit": (
        Signals.from_arrays(SECOND, SECOND), PAID,
        "1 signal to enter and to exit at once, first at 2024-01-02: what is held is closed, and while flat nothing"),
    "short entry and exit": (
        Signals.from_arrays(NEVER, short_entries=SECOND, short_exits=SECOND), SHORTS, "to enter and to exit at once"),
    "long and short entry": (
        Signals.from_arrays(SECOND, short_entries=SECOND), SHORTS,
        "1 signal to enter long and to enter short at once, first at 2024-01-02: neither is taken"),
    "zeros for NaN": (isolated(2, 0.0), PAID, "each of 3 rows of targets is followed by zeros on the next bar"),
    "zeros for NaN, far apart": (isolated(3, 0.0), PAID, "a bar without rebalance is NaN, 0 closes"),
    "ten percent": (WEIGHTS, Config(commission_rate=0.1), "commission_rate=0.1 is 10 percent on each fill"),
    "ten percent of a symbol": (WEIGHTS, Config(spread={"ABC": 0.2}), "spread=0.2 is 20 percent"),
    "ten percent in a tier": (WEIGHTS, Config(commission_tiers=[(0.0, 0.15)]), "commission_tiers=0.15 is 15 percent"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTICES)
def test_a_run_that_cannot_be_meant_says_so(name):
    strategy, config, sentence = NOTICES[name]
    result = run_backtest(PANEL, strategy, config)
    assert [notice for notice in result.notices if sentence in notice], result.notices
    assert len(result.notices) == 1 and sentence.split(",")[0] in " ".join(result.summary().split())


QUIET = {
    "entries and exits on bars of their own": Signals.from_arrays(SECOND, np.roll(SECOND, 2), size=0.5),
    "an entry of all the equity": Signals.from_arrays(SECOND, size=0.9),
    "a size of two shares": Signals.from_arrays(SECOND, size=2, size_type="shares"),
    "weights with NaN between": isolated(2, np.nan),
    "weights held for two bars of three": TargetWeights.from_array(np.array([[0.5], [0.5], [0], [0.5], [0.5], [0]])),
    "weights that are held once": TargetWeights.from_array(np.array([[0.5], [0], [0], [0], [0], [0]])),
    "one order": Orders(frame(quantity=1.0)),
}


@pytest.mark.parametrize("name", QUIET)
def test_a_run_that_may_be_meant_says_nothing(name):
    """A notice that comes always is read by nobody."""
    assert run_backtest(PANEL, QUIET[name], PAID).notices == ()


def test_a_size_above_one_is_the_cause_that_the_warning_names():
    """100 was meant as percent, or as shares; not enough cash is only what follows from it."""
    with pytest.warns(BacktestWarning) as told:
        result = run_backtest(PANEL, Signals.from_arrays(SECOND, size=100), PAID.replace(max_participation=None))
    message = str(told[0].message)
    for word in ("CASH", "size_type='fraction'", "100 percent is size=1", "size_type='shares'"):
        assert word in message, message
    assert any("size=100" in notice for notice in result.notices)


def test_a_target_above_one_is_told_although_nothing_is_refused():
    """What cash does not cover of a target stays pending (2.3), so no warning comes."""
    strategy = Signals.from_arrays(SECOND, size=SECOND * 100.0, size_type="target_fraction")
    result = run_backtest(PANEL, strategy, PAID.replace(max_participation=None))
    assert any("size=100 with size_type='target_fraction'" in notice for notice in result.notices)


@pytest.mark.parametrize("rows", [63, 64, 65, 128, 129, 200])
@pytest.mark.parametrize("last", [0.0, 0.5])
def test_zeros_are_found_however_many_rows_there_are(rows, last):
    """Rows are read in blocks of 64; one position held for two bars, at the very end too, is no mistake."""
    weights = np.zeros((rows, 2))
    weights[::3, 1] = 0.5
    weights[-2:] = [0.0, 0.5], [0.0, last]
    weights[-3:-2] = 0.0
    panel = Panel.from_arrays(*[np.full((rows, 2), 10.0)] * 4)
    notices = run_backtest(panel, TargetWeights.from_array(weights), PAID).notices
    assert any("followed by zeros" in notice for notice in notices) == (last == 0.0)


def test_less_than_a_lot_names_the_way_to_fractions():
    """Half a bitcoin is no whole lot: lot=1 is the default, lot=0 is what is wanted."""
    half = Orders(frame(quantity=0.5))
    with pytest.warns(BacktestWarning, match=r"LOT.*lot=0"):
        refused = run_backtest(PANEL, half, PAID)
    assert "lot=0" in refused.rejections["rejection_reason"][0]
    assert run_backtest(PANEL, half, PAID.replace(lot=0)).fills["quantity"].to_list() == [0.5]


def test_nothing_looks_for_them_before_they_are_read(monkeypatch):
    """Notices are made when somebody reads them: neither the call nor a sweep of thousands pays for them."""
    from facade.results import notices

    for name in ("_undecided", "_contradictions", "_sold_again"):
        monkeypatch.setattr(notices, name, lambda run: pytest.fail("looked for"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BacktestWarning)
        found = sweep(PANEL, Signals.from_arrays(SECOND, SECOND), PAID, {"lot": [0.0, 1.0]}, progress=False)
    assert found.table["num_orders"].to_list() == [0, 0]
    with pytest.warns(BacktestWarning, match="CASH"):
        run_backtest(PANEL, Signals.from_arrays(SECOND), PAID)
