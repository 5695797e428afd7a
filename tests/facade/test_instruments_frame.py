"""The frame of instruments: defaults, every refusal by its message, and how it travels with the panel."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

from facade import DataError, Panel, load_panel
from facade.data.instruments import INSTRUMENT, SCHEMA

DAYS = [dt.date(2024, 1, day) for day in (2, 3, 4, 5)]
NAMES = ("ES", "IBM", "PERP")
FUTURE = {"symbol": "ES", "kind": "future", "multiplier": 50.0}


def panel(instruments=None, symbols=NAMES, **arguments):
    close = np.full((len(DAYS), len(symbols)), 10.0)
    return Panel.from_arrays(
        close, close, close, close, timestamps=DAYS, symbols=symbols, instruments=instruments, **arguments
    )


def prices(symbols=NAMES):
    table = {"timestamp": DAYS, **dict.fromkeys(("open", "high", "low", "close"), 10.0)}
    return pl.concat([pl.DataFrame(table).with_columns(symbol=pl.lit(name)) for name in symbols])


def test_nothing_given_is_stocks_and_no_frame():
    plain = panel()
    assert plain.instruments is None and plain.instrument_rows.dtype == INSTRUMENT
    assert plain.instrument_rows["kind"].tolist() == [0, 0, 0]
    assert plain.instrument_rows["multiplier"].tolist() == [1.0, 1.0, 1.0]
    for name in ("lot", "initial", "maintenance", "short_initial", "short_maintenance"):
        assert np.isnan(plain.instrument_rows[name]).all()
    assert not plain.instrument_rows["by_contract"].any() and not plain.instrument_rows.flags.writeable


def test_rows_come_in_the_order_of_the_panel_with_defaults():
    found = panel([{"symbol": "PERP", "kind": "perpetual", "lot": 0.001}, FUTURE])
    assert found.instruments.schema == pl.Schema(SCHEMA)
    assert found.instruments["symbol"].to_list() == list(NAMES)
    assert found.instruments["kind"].to_list() == ["future", "stock", "perpetual"]
    assert found.instruments["multiplier"].to_list() == [50.0, 1.0, 1.0]
    assert found.instruments["margin_basis"].to_list() == ["value"] * 3
    assert found.instruments["lot"].to_list() == [None, None, 0.001]
    assert found.instruments["sector"].to_list() == [None] * 3
    rows = found.instrument_rows
    assert rows["kind"].tolist() == [1, 0, 2] and rows["multiplier"].tolist() == [50.0, 1.0, 1.0]
    assert rows["lot"][2] == 0.001 and np.isnan(rows["lot"][:2]).all()


def test_short_margins_are_those_of_both_sides_unless_given():
    rows = panel(
        [
            {**FUTURE, "initial_margin": 12_000, "maintenance_margin": 11_000, "margin_basis": "contract"},
            {"symbol": "IBM", "initial_margin": 0.5, "maintenance_margin": 0.25, "short_maintenance_margin": 0.3},
            {"symbol": "PERP", "kind": "perpetual", "short_initial_margin": 0.2},
        ]
    ).instrument_rows
    assert rows["by_contract"].tolist() == [1, 0, 0]
    assert rows["initial"].tolist()[:2] == [12_000.0, 0.5] and rows["maintenance"].tolist()[:2] == [11_000.0, 0.25]
    assert rows["short_initial"].tolist() == [12_000.0, 0.5, 0.2]
    assert rows["short_maintenance"].tolist()[:2] == [11_000.0, 0.3]
    for name in ("initial", "maintenance", "short_maintenance"):
        assert np.isnan(rows[name][2])


def test_a_lot_of_zero_is_a_lot():
    assert panel([{"symbol": "IBM", "lot": 0}]).instrument_rows["lot"][1] == 0.0


def test_all_sources_and_names_say_the_same(tmp_path):
    rows = [{"symbol": "ES", "kind": "future", "multiplier": 50, "lot": 1.0}, {"symbol": "IBM", "lot": None}]
    expected = panel(rows)
    frame = pl.DataFrame(rows)
    frame.write_parquet(tmp_path / "i.parquet")
    frame.write_csv(tmp_path / "i.csv")
    sources = [
        frame,
        frame.lazy(),
        frame.to_arrow(),
        pd.DataFrame(rows),
        pd.DataFrame(rows).set_index("symbol"),
        frame.rename({"symbol": "Ticker", "multiplier": "Multiplier"}),
        frame.with_columns(pl.col("kind").cast(pl.Categorical)),
        tmp_path / "i.parquet",
        str(tmp_path / "i.csv"),
        rows[::-1],
    ]
    for source in sources:
        for found in (panel(source), load_panel(prices(), instruments=source)):
            assert found.instruments.equals(expected.instruments)
            assert found.instrument_rows.tobytes() == expected.instrument_rows.tobytes()
            assert found.instruments.schema == expected.instruments.schema


VALUE = {"symbol": "IBM"}
CONTRACT = {**FUTURE, "margin_basis": "contract"}
REFUSED = [
    ([FUTURE, FUTURE], r"instruments: a symbol has one row: symbol 'ES', column 'symbol', value ES$"),
    (
        [{"symbol": "PREP"}],
        r"must be one of the prices: symbol 'PREP', column 'symbol', value PREP; did you mean 'PERP",
    ),
    ([{"symbol": "X"}, {"symbol": "Y"}], r"symbol 'X', column 'symbol', value X; 1 more offender"),
    ([{"symbol": None}, VALUE], r"instruments: symbol must not be null"),
    ([{"kind": "future"}], r"instruments: no column for 'symbol'; got 'kind'"),
    (
        [{**VALUE, "multplier": 2}],
        r"instruments: unknown column 'multplier'; did you mean 'multiplier'\? \(columns: symbol,",
    ),
    ([{**VALUE, "colour": 2}], r"instruments: unknown column 'colour' \(columns"),
    ([{**VALUE, "kind": "futures"}], r"kind must be stock, future or perpetual; did you mean 'future'\?: symbol 'IBM'"),
    (
        [{**VALUE, "kind": "swap"}],
        r"kind must be stock, future or perpetual: symbol 'IBM', column 'kind', value swap",
    ),
    ([{**VALUE, "margin_basis": "lots"}], r"margin_basis must be value or contract: symbol 'IBM'"),
    (
        [{**VALUE, "multiplier": 5}],
        r"multiplier of a stock must be 1: .*'IBM', column 'multiplier', value 5.0. kind='f",
    ),
    ([{**FUTURE, "multiplier": 0}], r"multiplier must be positive and finite: symbol 'ES', .* value 0.0"),
    ([{**FUTURE, "multiplier": -5}], r"multiplier must be positive and finite: .* value -5.0"),
    ([{**FUTURE, "multiplier": np.nan}], r"multiplier must be positive and finite: .* value nan"),
    ([{**FUTURE, "multiplier": np.inf}], r"multiplier must be positive and finite: .* value inf"),
    ([{**VALUE, "multiplier": "5"}], r"multiplier must be a number: column 'multiplier', value of type String"),
    ([{**VALUE, "kind": 5}], r"kind must be text: column 'kind', value of type Int64"),
    ([{**VALUE, "lot": -1}], r"lot must be at least 0 and finite: symbol 'IBM', column 'lot', value -1.0"),
    ([{**VALUE, "lot": np.nan}], r"lot must be at least 0 and finite: .* value nan"),
    ([{**VALUE, "sector": "tech"}], r"given to all symbols of the prices or to none: .*missing for 'ES', 'PERP'"),
    ([{**VALUE, "initial_margin": 50}], r"initial_margin must be at most 1, .* 'IBM', .* value 50.0. In percent\?"),
    ([{**VALUE, "short_initial_margin": 1.5}], r"short_initial_margin must be at most 1, .*percent"),
    ([{**VALUE, "maintenance_margin": 0}], r"maintenance_margin must be positive and finite: .* value 0.0"),
    ([{**VALUE, "short_maintenance_margin": -1}], r"short_maintenance_margin must be positive and finite"),
    ([{**CONTRACT}], r"initial_margin must be given where margin_basis is 'contract': symbol 'ES'.* value null"),
    ([{**CONTRACT, "initial_margin": 9}], r"maintenance_margin must be given where margin_basis is 'contract'"),
    ([{**CONTRACT, "initial_margin": 0, "maintenance_margin": 0}], r"initial_margin must be positive"),
    (
        [{**VALUE, "initial_margin": 0.2, "maintenance_margin": 0.3}],
        r"instruments: maintenance_margin must be at most initial_margin: symbol 'IBM', .* value 0.3",
    ),
    (
        [{**VALUE, "initial_margin": 0.5, "maintenance_margin": 0.3, "short_initial_margin": 0.2}],
        r"short_maintenance_margin must be at most short_initial_margin: symbol 'IBM', .*'short_initial_margin', val",
    ),
    (
        [{**VALUE, "initial_margin": 0.5, "short_maintenance_margin": 0.6}],
        r"short_maintenance_margin must be at most short_initial_margin",
    ),
    ([], "instruments have no rows"),
    (5, "instruments must be a path"),
]


@pytest.mark.parametrize(("rows", "message"), REFUSED)
def test_what_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        panel(rows)
    with pytest.raises(DataError, match=message):
        load_panel(prices(), instruments=rows)


def test_offenders_are_counted():
    rows = [{"symbol": name, "kind": "future", "multiplier": -1.0} for name in NAMES]
    with pytest.raises(DataError, match="symbol 'ES', column 'multiplier', value -1.0; 2 more offenders"):
        panel(rows)


def test_sectors_of_all():
    found = panel([{"symbol": name, "sector": name.lower()} for name in NAMES])
    assert found.instruments["sector"].to_list() == ["es", "ibm", "perp"]


def test_a_selection_leaves_the_others_out():
    rows = [FUTURE, {"symbol": "IBM", "lot": 10.0}, {"symbol": "GONE", "kind": "nonsense"}]
    with pytest.raises(DataError, match="'GONE'"):
        load_panel(prices(), instruments=rows)
    loaded = load_panel(prices(), instruments=rows, symbols=["PERP", "IBM"])
    assert loaded.instruments["symbol"].to_list() == ["PERP", "IBM"]
    part = panel(rows[:2]).select(["PERP", "IBM"])
    assert part.instruments.equals(loaded.instruments) and part.digest == loaded.digest
    assert part.instrument_rows["lot"][1] == 10.0 and len(part.instrument_rows) == 2
    assert panel(rows[:2]).select(start=DAYS[1]).instruments.equals(panel(rows[:2]).instruments)


def test_the_digest_counts_what_is_given_and_nothing_else():
    plain, future = panel(), panel([FUTURE])
    assert plain.digest.startswith("895d8f1b595e2cdf")  # what it was before there were instruments
    digests = [plain.digest, future.digest, panel([{**FUTURE, "multiplier": 5.0}]).digest]
    digests.append(panel([{"symbol": name, "sector": "a"} for name in NAMES]).digest)
    digests.append(panel([{"symbol": name, "sector": "b"} for name in NAMES]).digest)
    assert len(set(digests)) == len(digests)
    assert panel([FUTURE]).digest == future.digest == load_panel(prices(), instruments=[FUTURE]).digest
    assert future.digest == pickle.loads(pickle.dumps(future)).digest == copy.copy(future).digest


def test_it_is_shown_and_pickled():
    found = panel([FUTURE])
    assert repr(found) == "Panel(4 bars x 3 symbols, 2024-01-02 to 2024-01-05, 3 instruments, no volume)"
    assert "<th>instruments</th><td>3</td>" in found._repr_html_() and "instruments" not in panel()._repr_html_()
    again = pickle.loads(pickle.dumps(found))
    assert again.instruments.equals(found.instruments)
    assert again.instrument_rows.tobytes() == found.instrument_rows.tobytes()
