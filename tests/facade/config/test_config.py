"""The configuration: defaults, ranges, messages, round trips, and its row of kernel parameters."""

import pickle
import re
import tomllib

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.config.knobs import GROUPS, Range
from facade.config.model import KNOBS, PER_ASSET, RULE_FIELDS, RULE_SWITCHES, Config
from facade.config.toml import toml_text
from facade.data.panel import Panel
from facade.encode.params import params_row
from facade.errors import ConfigError, StrategyError
from facade.strategies.orders import Orders

BUSY = Config(
    stop_loss={'odd "name"\n\x7f': 0.05, "B": 0.1},
    max_participation=None,
    commission_tiers=[(0, 0.001), (1e4, 0.0005)],
    time_exit=5,
    initial_cash=1e16,
    spread="half_spreads",
    trail_activation={"é": 0.0},
)


def panel(volume=None, gap=None):
    """Three bars of A and B at 10; no bar at `gap`."""
    close = np.full((3, 2), 10.0)
    if gap is not None:
        close[gap] = np.nan
    return Panel.from_arrays(close, close, close, close, volume, symbols=["A", "B"])


def test_defaults_are_those_of_the_contract():
    values = Config().to_dict()
    expected = {
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
        "max_participation": "auto",
        "impact_exponent": 0.5,
        "volatility_window": 20,
        "trail_activation": 0.0,
        "account": "cash",
        "initial_margin": 0.5,
        "maintenance_margin": 0.25,
        "short_initial_margin": 0.5,
        "short_maintenance_margin": 0.30,
        "margin_call": "pro_rata",
        "short_availability": "unlimited",
        "recall": "excess",
    }
    off = {name: value for name, value in values.items() if name not in expected}
    assert {name: values[name] for name in expected} == expected
    assert set(off.values()) <= {0.0, None}


def test_every_field_says_what_it_is():
    properties = Config.json_schema()["properties"]
    assert set(properties) == set(Config.model_fields)
    for name, entry in properties.items():
        assert entry["unit"] and entry["allowed"] and "Allowed:" in entry["description"], name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("initial_cash", 0),
        ("initial_cash", True),
        ("initial_cash", "100000"),
        ("initial_cash", float("inf")),
        ("commission_rate", 1.0),
        ("commission_rate", -0.001),
        ("stop_loss", 5),
        ("trailing_stop", 1.0),
        ("take_profit", 0.0),
        ("trail_activation", None),
        ("time_exit", 2.5),
        ("time_exit", 0),
        ("max_participation", 0),
        ("max_participation", 1.5),
        ("max_participation", "all"),
        ("lot", -1),
        ("cooldown", -1),
        ("max_stale", 0),
        ("delisting_return", -1.1),
        ("volatility_window", 1),
        ("spread", ""),
        ("stop_loss", {}),
        ("timing", "now"),
        ("allow_short_selling", 1),
        ("commission_tiers", [(1.0, 0.001)]),
        ("commission_tiers", [(0.0, 0.001), (0.0, 0.002)]),
        ("commission_tiers", [(float(k), 0.001) for k in range(9)]),
    ],
)
def test_value_out_of_range_names_field_value_and_range(name, value):
    with pytest.raises(ConfigError) as caught:
        Config(**{name: value})
    message = str(caught.value)
    allowed = Config.json_schema()["properties"][name]["allowed"]
    assert f"{name}={value!r}" in message and allowed in message


NUMBERS = {name: knob for name, knob in KNOBS.items() if knob.range is not None}
EDGES = (-1.0, -0.0, 0.0, 5e-324, 0.5, 1.0 - 2**-53, 1.0, 1.0 + 2**-52, 2.0, 1e300, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_range_is_what_is_checked_and_what_is_told(name):
    """One range decides what Config takes, what an order's rule may be and what errors and schema say."""
    span = NUMBERS[name].range
    edges = [int(edge) for edge in EDGES if edge == np.floor(edge) and abs(edge) < 10] if span.whole else EDGES
    for value in edges:
        try:
            Config(**{name: value})
            taken = True
        except ConfigError as error:
            taken = "below commission_minimum" in str(error) or "at most the initial margin" in str(error)
        assert taken == bool(span.holds(np.array([value]))[0]), (name, value)
    assert str(span) in Config.json_schema()["properties"][name]["allowed"]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Range(least=0.0), "x >= 0"),
        (Range(above=0.0), "x > 0"),
        (Range(above=0.0, below=1.0), "0 < x < 1"),
        (Range(least=0.0, most=1.0), "0 <= x <= 1"),
        (Range(least=2, whole=True), "an integer n >= 2"),
        (Range(least=-1.0), "x >= -1"),
        (Range(below=1.0), "x < 1"),
    ],
)
def test_ranges_in_words(span, words):
    assert str(span) == words


@pytest.mark.parametrize("name", RULE_SWITCHES)
def test_an_order_carries_a_rule_in_the_range_of_the_configuration(name):
    """0.5 for a number of bars, 1.0 for a fraction of the price: no order carries what no run-wide rule may be."""
    span = KNOBS[name].range
    for value in (0.0, 0.5, 1.0, 3.0, -1.0, -np.inf):
        frame = pl.DataFrame({"timestamp": [0], "symbol": ["A"], "quantity": [1.0], name: [value]})
        if span.holds(np.array([value]))[0]:
            Orders(frame)
        else:
            with pytest.raises(StrategyError, match=f"column '{name}'.*{re.escape(str(span))}, or inf for none"):
                Orders(frame)
    Orders(pl.DataFrame({"timestamp": [0], "symbol": ["A"], "quantity": [1.0], name: [np.inf]}))


@pytest.mark.parametrize(("name", "knob"), [(name, knob) for name, knob in KNOBS.items() if knob.flag])
def test_a_flag_follows_its_policy(name, knob):
    """The kernel's 0 or 1 is that of the value which the field names, of every value it may have."""
    flag, wanted = knob.flag
    choices = [False, True] if isinstance(wanted, bool) else re.findall("'(.*?)'", knob.allowed)
    assert wanted in choices and len(choices) == 2
    for choice in choices:
        assert params_row(Config(**{name: choice}), panel())[0][flag] == (choice == wanted)


def test_lists_of_knobs_are_what_fields_say():
    assert RULE_FIELDS == ("stop_loss", "take_profit", "trailing_stop", "trail_activation", "break_even", "time_exit")
    assert tuple(name for name in RULE_FIELDS if name != "trail_activation") == RULE_SWITCHES
    assert ("spread", *RULE_FIELDS) == PER_ASSET
    for name, knob in KNOBS.items():
        assert knob.group in GROUPS and knob.told in ("always", "on", "changed", "") and knob.unit, name
        assert not knob.part_of or knob.part_of in KNOBS, name
        mapped = {"A": 0.5 if knob.range is None or not knob.range.whole else 1}
        if name in PER_ASSET:
            assert getattr(Config(**{name: mapped}), name) == mapped
        else:
            with pytest.raises(ConfigError):
                Config(**{name: mapped})


def test_every_knob_of_a_cost_is_told_when_it_charges():
    """A result never hides what was charged; one whose main switch is off charges nothing and is not told."""
    for name, knob in KNOBS.items():
        if knob.group != "costs":
            continue
        value = [(0.0, 0.001)] if name == "commission_tiers" else 30 if knob.range and knob.range.whole else 0.25
        told = Config(**{name: value}).policies()
        assert (name in told) == (not knob.part_of), name
        if knob.part_of:
            assert name in Config(**{name: value, knob.part_of: 0.1}).policies()


def test_per_asset_error_names_the_symbol():
    with pytest.raises(ConfigError, match=r"stop_loss\['B'\]=5"):
        Config(stop_loss={"A": 0.1, "B": 5})


def test_maximum_below_minimum_is_refused():
    with pytest.raises(ConfigError, match=r"commission_maximum=1\.0 is below commission_minimum=2\.0"):
        Config(commission_minimum=2.0, commission_maximum=1.0)


def test_unknown_field_gets_a_suggestion():
    with pytest.raises(ConfigError, match="did you mean 'commission_rate'"):
        Config(comission_rate=0.1)
    with pytest.raises(ConfigError, match="'execution_mode'; here it is timing"):
        Config(execution_mode="next_bar")
    with pytest.raises(ConfigError, match="'share_type'; here it is lot"):
        Config.from_dict({"share_type": "integer"})


def test_several_errors_are_told_at_once():
    with pytest.raises(ConfigError, match=r"(?s)lot=-1.*tie='x'"):
        Config(lot=-1, tie="x")


def test_frozen_hashable_and_keyword_only():
    config = Config(stop_loss={"A": 0.1})
    with pytest.raises(ValueError, match="frozen"):
        config.lot = 2.0
    with pytest.raises(AttributeError, match="frozen"):
        config.stop_loss.other = 1
    with pytest.raises(TypeError):
        config.stop_loss["A"] = 0.2
    with pytest.raises(TypeError):
        Config(1.0)
    assert hash(config) == hash(Config(stop_loss={"A": 0.1})) and config == Config(stop_loss={"A": 0.1})
    assert config != Config(stop_loss={"A": 0.2})


def test_repr_shows_only_what_is_off_default():
    assert repr(Config()) == "Config()"
    assert repr(Config(max_participation=None, lot=0)) == "Config(lot=0.0, max_participation=None)"


def test_replace_validates():
    assert BUSY.replace(lot=0).commission_tiers == BUSY.commission_tiers
    with pytest.raises(ConfigError):
        BUSY.replace(lot=-1)


def test_round_trips_are_lossless(tmp_path):
    for config in (Config(), BUSY):
        assert Config.from_dict(config.to_dict()) == config
        assert Config.from_json(config.to_json()) == config
        assert Config.from_toml(config.to_toml()) == config
        assert pickle.loads(pickle.dumps(config)) == config
    path = tmp_path / "config.toml"
    path.write_text(BUSY.to_toml(), encoding="utf-8")
    assert Config.from_toml(path) == BUSY


def test_text_that_does_not_parse_is_a_config_error():
    with pytest.raises(ConfigError, match="not valid JSON"):
        Config.from_json("{")
    with pytest.raises(ConfigError, match="not valid TOML"):
        Config.from_toml("lot = ")
    with pytest.raises(ConfigError, match="mapping"):
        Config.from_json("[1]")


SCALARS = (
    st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
KEYS = st.text("abc_", min_size=1)


@given(
    st.dictionaries(
        KEYS, SCALARS | st.lists(st.floats(allow_nan=False)) | st.dictionaries(st.text("aé \"'.\n\x7f"), SCALARS)
    )
)
def test_toml_writer_is_read_back_exactly(values):
    assert tomllib.loads(toml_text(values)) == values


def test_numpy_scalars_are_numbers():
    assert Config(lot=np.float32(2), cooldown=np.int64(3), time_exit={"A": np.int64(2)}).cooldown == 3


def test_notices_and_policies():
    assert len(Config().notices(True)) == 1 and len(Config().notices(False)) == 2
    assert Config(commission_rate=0.001).notices(True) == []
    assert Config(max_participation=None, slippage_rate=0.001).notices(False) == []
    policies = Config(stop_loss=0.1, impact_coefficient=0.1).policies()
    assert next(iter(policies)) == "timing" and policies["stop_loss"] == 0.1 and policies["impact_exponent"] == 0.5
    assert Config().policies()["costs"] == "none" and "costs" not in policies


def test_costs_are_zero_for_a_maximum_alone():
    assert Config(commission_maximum=5.0).costs_are_zero()
    assert Config(commission_rate=0.1, commission_maximum=0.0).costs_are_zero()
    assert not Config(sell_tax_rate=0.1, commission_maximum=0.0).costs_are_zero()


def test_params_of_defaults():
    row = params_row(Config(), panel())[0]
    assert row["max_participation"] == np.inf and row["commission_maximum"] == np.inf
    for name in ("stop_loss", "take_profit", "trailing_stop", "break_even"):
        assert row[name] == np.inf
    for name in ("time_exit", "has_rules", "needs_volume", "same_bar", "tie", "tiers", "spread_mode", "has_children"):
        assert row[name] == 0, name
    assert row["limit_through"] == 1 and row["linear_costs"] == 1 and row["record"] == 1


def test_params_of_costs_and_policies():
    config = Config(
        commission_rate=0.001,
        spread=0.004,
        commission_tiers=[(0, 0.002), (100, 0.001)],
        commission_maximum=9,
        timing="same_bar_close",
        tie="nearest",
        limit_fill="touch",
        shortfall="reject",
        entry_rank="rank",
        trailing_stop=0.1,
        trail_activation=0.2,
        time_exit=4,
    )
    row = params_row(config, panel())[0]
    assert row["maker_rate"] == 0.001 and row["half_spread"] == 0.002 and row["commission_maximum"] == 9
    assert row["tiers"] == 2 and list(row["tier_from"][:2]) == [0, 100] and list(row["tier_rate"][:2]) == [0.002, 0.001]
    assert row["same_bar"] == 1 and row["tie"] == 2 and row["limit_through"] == 0 and row["reject_short"] == 1
    assert row["rank_given"] == 1 and row["trailing_stop"] == 0.1 and row["trail_activation"] == 0.2
    assert row["time_exit"] == 4 and row["has_rules"] == 1 and row["linear_costs"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"impact_coefficient": 0.1},
        {"commission_minimum": 1.0},
        {"commission_maximum": 1.0},
        {"commission_per_trade": 1.0},
    ],
)
def test_costs_that_are_not_linear(change):
    assert params_row(Config(**change), panel([[1.0, 1.0]] * 3))[0]["linear_costs"] == 0


def test_cap_follows_volume():
    volume = [[1.0, 1.0]] * 3
    assert params_row(Config(), panel(volume))[0]["max_participation"] == 0.10
    assert params_row(Config(max_participation=None), panel(volume))[0]["needs_volume"] == 0
    assert params_row(Config(max_participation=0.5), panel(volume))[0]["needs_volume"] == 1
    with pytest.raises(ConfigError, match=r"max_participation=0\.5 needs a panel with volume; None is no cap"):
        params_row(Config(max_participation=0.5), panel())
    with pytest.raises(ConfigError, match=r"impact_coefficient=0\.1 needs a panel with volume"):
        params_row(Config(impact_coefficient=0.1), panel())


def test_missing_volume_on_a_traded_bar_is_refused_while_a_cap_is_in_force():
    gappy = panel([[1.0, 1.0], [1.0, np.nan], [np.nan, 1.0]])
    with pytest.raises(ConfigError, match=r"volume of B at 1 is NaN.*max_participation=None.*1 more"):
        params_row(Config(), gappy)
    params_row(Config(max_participation=None), gappy)
    params_row(Config(), panel([[1.0, 1.0], [1.0, np.nan], [1.0, 1.0]], gap=(1, 1)))


def test_rules_per_asset_leave_the_run_wide_value_off():
    row = params_row(Config(stop_loss={"A": 0.1}), panel())[0]
    assert row["stop_loss"] == np.inf and row["has_rules"] == 1
