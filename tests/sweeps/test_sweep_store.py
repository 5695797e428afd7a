"""Finished rows of a sweep: the same whatever order they came in, never lost, never run twice."""

import errno
import json
import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facade.errors import BacktestWarning, DataError
from facade.results.metrics import compute
from facade.sweeps.rows import checkpoint, lock
from facade.sweeps.rows import rows as store
from facade.sweeps.rows.columns import UNUSED
from facade.sweeps.rows.kept import available_memory
from facade.sweeps.rows.rows import Rows
from made_sweeps import DIGEST, PERIODS, chunks, columns, filled, grid_of, small_grid, states, trades_of, walks
from ml4t_kernel.schema import Reason


def part_of(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def add_all(rows, found, order, size=5, kept=None):
    for chunk in chunks(order, size):
        rows.add(chunk, part_of(found, chunk), None if kept is None else [kept[row] for row in chunk])


# Columns -------------------------------------------------------------------------------------------------------------


def test_columns_are_the_metrics_then_refusals_then_remarks():
    state = states(3)
    state["refusals"][1, Reason.CASH], state["refusals"][1, Reason.LOT] = 2, 5
    found, metrics = columns(state), compute(state, 1e5, PERIODS)
    assert list(found)[: len(metrics)] == list(metrics)
    for name, values in metrics.items():
        assert np.array_equal(found[name], values, equal_nan=True), name
        assert found[name].dtype == (np.float64 if values.dtype.kind == "f" else np.int32)
    assert found["refused_cash"].tolist() == [0, 2, 0] and found["refused_lot"].tolist() == [0, 5, 0]
    assert found["refused_cash"].dtype == np.int32 and found["bankrupt"].dtype == np.bool_


def test_the_remark_names_what_a_row_suffers_from():
    state = states(6)
    state["frozen"][0] = 1
    state["rejected"][1] = state["orders"][1]
    state["fills"][1], state["refusals"][1, Reason.LOT], state["refusals"][1, Reason.CASH] = 0, 13, 7
    state["fills"][2] = 0
    state["fills"][3], state["orders"][3] = 0, 0
    state["rejected"][4] = state["orders"][4] - 1
    grid = grid_of({"stop_loss": [0.1 * i for i in range(1, 7)]})
    expected = ["bankrupt", "every order refused: lot", "no trades", "no trades", None, None]
    assert filled(grid, state).frame()["reason"].to_list() == expected


def test_columns_do_not_refer_to_the_states():
    state = states(2)
    found = columns(state)
    before = {name: values.copy() for name, values in found.items()}
    state["equity"], state["orders"] = 0.0, 99
    assert all(np.array_equal(found[name], before[name], equal_nan=True) for name in found)


# Memory --------------------------------------------------------------------------------------------------------------


def test_the_table_has_row_parameters_and_columns_with_small_types():
    grid = small_grid()
    table = filled(grid, states(grid.rows)).frame()
    assert table.columns[:3] == ["row", "stop_loss", "take_profit"]
    assert table["row"].to_list() == list(range(grid.rows))
    assert table.schema["sharpe"] == pl.Float64 and table.schema["num_trades"] == pl.Int32
    assert table.schema["row"] == pl.Int64 and table.schema["reason"] == pl.String


@given(st.permutations(range(12)), st.integers(1, 12), st.sampled_from([0, 100]))
def test_the_order_of_chunks_does_not_matter(order, size, limit):
    grid, state = small_grid(), states(12)
    found = columns(state)
    with Rows.open(grid, DIGEST, limit=limit) as rows:
        add_all(rows, found, order, size)
    assert rows.done.all() and rows.frame().equals(filled(grid, state).frame())


@pytest.mark.parametrize("limit", [0, 100])
def test_unfinished_rows_are_not_in_the_table(limit):
    grid, found = small_grid(), columns(states(12))
    rows = Rows.open(grid, DIGEST, limit=limit)
    assert rows.frame().height == 0 and rows.frame().columns[0] == "row"
    rows.add(np.array([7, 2]), part_of(found, [7, 2]))
    assert rows.frame()["row"].to_list() == [2, 7] == rows.scan().collect()["row"].to_list()
    assert rows.count == 2 and rows.missing.tolist() == [0, 1, 3, 4, 5, 6, 8, 9, 10, 11]
    assert rows.frame()["stop_loss"].to_list() == grid.frame([2, 7])["stop_loss"].to_list()


@pytest.mark.parametrize("limit", [0, 100])
def test_a_row_that_comes_twice_counts_once_and_the_first_stays(limit):
    grid, first, second = small_grid(), columns(states(12)), columns(states(12, seed=1))
    rows = Rows.open(grid, DIGEST, limit=limit)
    rows.add(np.arange(4), part_of(first, np.arange(4)))
    rows.add(np.arange(2, 12), part_of(second, np.arange(2, 12)))
    rows.add(np.arange(12), second)
    assert rows.frame()["sharpe"].to_list() == [*first["sharpe"][:4], *second["sharpe"][4:]]


def test_a_table_taken_early_does_not_change_later():
    grid, found = small_grid(), columns(states(12))
    rows = Rows.open(grid, DIGEST)
    rows.add(np.arange(6), part_of(found, np.arange(6)))
    early = rows.frame()
    kept = pl.DataFrame(early.to_dict(as_series=False), schema=early.schema)  # a copy of every value
    rows.add(np.arange(6, 12), part_of(found, np.arange(6, 12)))
    whole = rows.frame()
    rows.add(np.arange(12), columns(states(12, seed=3)))
    assert early.equals(kept) and whole["sharpe"].to_list() == found["sharpe"].tolist()


def test_a_metric_named_like_a_parameter_steps_aside():
    grid = grid_of({"initial_cash": [1e4, 2e4], "bars": [5, 6]}, bars=False)
    table = filled(grid, states(4)).frame()
    assert table["initial_cash"].to_list() == [1e4, 1e4, 2e4, 2e4] and table["bars"].to_list() == [5, 6, 5, 6]
    assert table["result_initial_cash"].to_list() == [1e5] * 4 and table["result_bars"].to_list() == [40] * 4
    assert table.columns.index("result_initial_cash") == 3


# Kept ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0, 2**40])
def test_curves_are_kept_in_memory_or_in_a_file(memory, monkeypatch):
    monkeypatch.setattr(store, "available_memory", lambda: memory)
    grid, curves = small_grid(), [curve[: 40 - i] for i, curve in enumerate(walks(12))]
    rows = Rows.open(grid, DIGEST, "equity", 40)
    add_all(rows, columns(states(12)), range(12), kept=curves)
    rows.close()
    assert isinstance(rows.curves, np.memmap) == (memory == 0)
    for row, curve in enumerate(curves):
        assert np.array_equal(rows.equity(row), curve)
        assert np.array_equal(rows.curves[row], [*curve, *[np.nan] * row], equal_nan=True)
    with pytest.raises(ValueError, match="read-only"):
        rows.curves[0, 0] = 1.0


@pytest.mark.parametrize("memory", [0, 3000, 2**40])
@pytest.mark.parametrize("limit", [0, 100])
def test_trades_are_kept_in_memory_or_in_parts(memory, limit, monkeypatch):
    monkeypatch.setattr(store, "available_memory", lambda: memory * 4)
    grid, found = small_grid(), columns(states(12))
    kept = [trades_of(row % 4, row) for row in range(12)]
    with Rows.open(grid, DIGEST, "trades", limit=limit) as rows:
        add_all(rows, found, [3, 1, 2, 0, 11, 10, 5, 4, 7, 6, 9, 8], size=2, kept=kept)
        for row in (3, 8):
            assert np.array_equal(rows.trades(row), kept[row])
    assert all(np.array_equal(rows.trades(row), kept[row]) for row in range(12))
    assert rows.frame().equals(filled(grid, states(12)).frame())


def test_what_was_not_kept_is_asked_for_in_vain():
    rows = filled(small_grid(), states(12))
    with pytest.raises(DataError, match="kept 'metrics'; run it with keep='equity'"):
        rows.equity(0)
    rows = Rows.open(small_grid(), DIGEST, "trades")
    with pytest.raises(IndexError, match="row 3 is not among the 0 rows"):
        rows.trades(3)
    with pytest.raises(ValueError, match="nothing came with the rows"):
        rows.add(np.arange(12), columns(states(12)))


def test_memory_that_is_free_is_known():
    assert available_memory() > 2**20


# Parts ---------------------------------------------------------------------------------------------------------------


def test_more_rows_than_the_limit_go_to_parts_that_vanish_with_them(monkeypatch):
    monkeypatch.setattr(store, "PART_SECONDS", np.inf)
    count, size = store.LIMIT + 1, 50_000
    lags = np.arange(count) % 1000
    grid, some = grid_of(pl.DataFrame({"lag": lags}), lag=False), columns(states(size))
    with Rows.open(grid, DIGEST) as rows:
        for start in range(0, count, size):
            at = np.arange(start, min(count, start + size))
            rows.add(at, part_of(some, at - start))
    table = rows.scan().select("row", "lag", "sharpe").collect()
    assert table["row"].to_list() == list(range(count)) and table["lag"].to_list() == lags.tolist()
    assert np.array_equal(table["sharpe"].to_numpy(), np.resize(some["sharpe"], count))
    folder = rows._folder.path
    assert len(list(folder.glob("part-*"))) == 6
    del rows, table
    assert not folder.exists()


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("keep", ["metrics", "equity", "trades"])
def test_a_sweep_is_taken_up_where_it_stopped(tmp_path, keep, limit):
    grid, found = small_grid(), columns(states(12))
    kept = {"metrics": None, "equity": walks(12), "trades": [trades_of(row % 3, row) for row in range(12)]}[keep]
    with Rows.open(grid, DIGEST, keep, 40, tmp_path / "c", limit) as rows:
        add_all(rows, found, [9, 0, 4, 5], size=3, kept=kept)
    with Rows.open(grid, DIGEST, keep, 40, tmp_path / "c", limit) as rows:
        assert rows.resumed == 4 and rows.durable and rows.missing.tolist() == [1, 2, 3, 6, 7, 8, 10, 11]
        assert rows.frame()["row"].to_list() == [0, 4, 5, 9]
        add_all(rows, found, rows.missing, size=3, kept=kept)
    again = Rows.open(grid, DIGEST, keep, 40, tmp_path / "c", limit)
    assert again.done.all() and again.resumed == 12
    for one in (rows, again):
        assert one.frame().equals(filled(grid, states(12)).frame())
        for row in range(12):
            if keep == "equity":
                assert np.array_equal(one.equity(row), kept[row])
            if keep == "trades":
                assert np.array_equal(one.trades(row), kept[row])


def two_parts(path, keep="metrics", kept=None):
    """A directory with rows 0 to 3 in one part and 4 to 7 in another."""
    for first in (0, 4):
        with Rows.open(small_grid(), DIGEST, keep, 40, path) as rows:
            at = np.arange(first, first + 4)
            rows.add(at, part_of(columns(states(12)), at), None if kept is None else [kept[row] for row in at])
    return sorted(path.glob("part-*.parquet"))


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("damage", ["truncate", "empty", "other columns", "rows beyond", "rows again"])
def test_a_damaged_part_is_set_aside_and_its_rows_run_again(tmp_path, damage, limit):
    first, second = two_parts(tmp_path / "c")
    if damage == "truncate":
        second.write_bytes(second.read_bytes()[:-100])
    elif damage == "empty":
        second.write_bytes(b"")
    elif damage == "other columns":
        pl.read_parquet(second).drop("sharpe").write_parquet(second)
    elif damage == "rows beyond":
        pl.read_parquet(second).with_columns(pl.col("row") + 100).write_parquet(second)
    else:
        second.write_bytes(first.read_bytes())
    with pytest.warns(BacktestWarning, match="part-000001-.*its rows run again") as warned:
        rows = Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c", limit)
    assert len(warned) == 1
    assert rows.missing.tolist() == [4, 5, 6, 7, 8, 9, 10, 11]
    add_all(rows, columns(states(12)), rows.missing)
    rows.close()
    whole = Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c", limit)
    assert whole.frame().equals(filled(small_grid(), states(12)).frame())


def test_a_part_of_another_sweep_is_left_alone(tmp_path):
    first, _ = two_parts(tmp_path / "c")
    stranger = tmp_path / "c" / "part-000009-0123456789ab.parquet"
    stranger.write_bytes(first.read_bytes())
    with pytest.warns(BacktestWarning, match="1 parts of another sweep are ignored"):
        rows = Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")
    rows.close()
    assert rows.count == 8 and stranger.exists()


def test_rows_without_their_trades_or_curves_run_again(tmp_path):
    two_parts(tmp_path / "t", "trades", [trades_of(2, row) for row in range(12)])
    (tmp_path / "t" / f"trades-000000-{DIGEST[:12]}.parquet").unlink()
    with pytest.warns(BacktestWarning, match="part-000000"):
        rows = Rows.open(small_grid(), DIGEST, "trades", 40, tmp_path / "t")
    assert rows.missing.tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    rows.close()
    two_parts(tmp_path / "e", "equity", walks(12))
    (tmp_path / "e" / "equity.f64").unlink()
    with pytest.warns(BacktestWarning, match="equity.f64, with the curves of its rows, is missing"):
        rows = Rows.open(small_grid(), DIGEST, "equity", 40, tmp_path / "e")
    assert rows.count == 0
    rows.close()


def test_drafts_of_a_killed_process_are_removed(tmp_path):
    two_parts(tmp_path / "c")
    (tmp_path / "c" / ".part-000002.x.partial").write_bytes(b"half")
    Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c").close()
    assert not list((tmp_path / "c").glob(".*"))


def test_another_sweep_is_refused_and_what_differs_is_named(tmp_path):
    digests = {"prices": "a", "strategy": "b"}
    Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c", digests=digests).close()
    with pytest.raises(DataError, match="checkpoint of another sweep; different: strategy. Choose another directory"):
        Rows.open(small_grid(), "ff" * 32, "metrics", 40, tmp_path / "c", digests={**digests, "strategy": "x"})
    with pytest.raises(DataError, match=r"different: keep \('metrics' there, 'equity' here\)"):
        Rows.open(small_grid(), DIGEST, "equity", 40, tmp_path / "c", digests=digests)
    with pytest.raises(DataError, match=r"different: rows \(12 there, 6 here\)"):
        Rows.open(small_grid(6), "ee" * 32, "metrics", 40, tmp_path / "c", digests=digests)
    with pytest.raises(DataError, match="different: digest"):
        Rows.open(small_grid(), "dd" * 32, "metrics", 40, tmp_path / "c")


def test_other_versions_are_named(tmp_path, monkeypatch):
    Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c").close()
    monkeypatch.setattr(checkpoint, "versions", lambda: {"numpy": "99.0"})
    with pytest.raises(DataError, match=f"different: numpy \\({np.__version__} there, 99.0 here\\)"):
        Rows.open(small_grid(), "dd" * 32, "metrics", 40, tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: manifest | {"name": "x"}, "not the manifest of a sweep"),
        (lambda manifest: manifest | {"format": 99}, "format 99, this version reads up to 1"),
        (lambda manifest: manifest | {"format": None}, "damaged"),
        (lambda manifest: [], "not the manifest of a sweep"),
    ],
)
def test_a_strange_manifest_is_refused(tmp_path, change, message):
    Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c").close()
    path = tmp_path / "c" / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(DataError, match=message):
        Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")
    path.write_text('{"name": ')
    with pytest.raises(DataError, match="cannot be read"):
        Rows.open(small_grid(), DIGEST, "metrics", 40, tmp_path / "c")


def test_a_directory_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="something that is not a sweep .notes.txt."):
        Rows.open(small_grid(), DIGEST, directory=tmp_path)
    with pytest.raises(FileExistsError, match="is not a directory"):
        Rows.open(small_grid(), DIGEST, directory=tmp_path / "notes.txt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]


def refuse(number):
    def open_(*arguments, **named):
        raise OSError(number, os.strerror(number))

    return open_


def test_a_directory_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(lock.os, "open", refuse(errno.EACCES))
    with pytest.raises(PermissionError, match="checkpoint='.*' cannot be written: Permission denied"):
        Rows.open(small_grid(), DIGEST, directory=tmp_path / "c")


def test_a_complete_sweep_is_read_where_nothing_can_be_written(tmp_path, monkeypatch):
    grid = small_grid()
    filled(grid, states(12), directory=tmp_path / "c").close()
    monkeypatch.setattr(lock.os, "open", refuse(errno.EROFS))
    with Rows.open(grid, DIGEST, "metrics", 40, tmp_path / "c") as rows:
        assert rows.frame().equals(filled(grid, states(12)).frame())


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("room", [0, 1])
@pytest.mark.parametrize("keep", ["metrics", "trades"])
def test_a_full_disk_leaves_what_is_done(tmp_path, monkeypatch, limit, room, keep):
    monkeypatch.setattr(store, "PART_SECONDS", 0.0)
    monkeypatch.setattr(store, "PART_SHARE", 0.0)
    grid, found, kept = small_grid(), columns(states(12)), [trades_of(2, row) for row in range(12)]
    rows = Rows.open(grid, DIGEST, keep, 40, tmp_path / "c", limit)
    rows.add(np.arange(4), part_of(found, np.arange(4)), kept[:4])
    syncs = iter([os.fsync] * room)
    with monkeypatch.context() as full:
        full.setattr(checkpoint.os, "fsync", lambda handle: next(syncs, refuse(errno.ENOSPC))(handle))
        full.setattr(checkpoint, "to_disk", lambda path: None)
        with pytest.raises(OSError, match="of 12 rows are safe in .*; make room and start the sweep again") as raised:
            for _ in range(3):
                rows.add(np.arange(4, 8), part_of(found, np.arange(4, 8)), kept[4:8])
                rows.add(np.arange(8, 12), part_of(found, np.arange(8, 12)), kept[8:])
        assert raised.value.errno == errno.ENOSPC
        rows.close()
    done = np.flatnonzero(rows.done).tolist()
    assert rows.frame()["row"].to_list() == done and len(done) >= 8  # of this process nothing is lost
    if keep == "trades":
        assert all(np.array_equal(rows.trades(row), kept[row]) for row in done)
    assert not list((tmp_path / "c").glob(".*"))
    with Rows.open(grid, DIGEST, keep, 40, tmp_path / "c", limit) as rows:
        assert rows.done[:4].all() and not rows.done.all()
        rows.add(rows.missing, part_of(found, rows.missing), [kept[row] for row in rows.missing])
    assert rows.frame().equals(filled(grid, states(12)).frame())


def test_a_row_in_memory_is_small():
    found = columns(states(1))
    assert sum(values.itemsize for name, values in found.items() if name not in UNUSED) < 320
    assert sum(values.itemsize for values in found.values()) < 400


def test_columns_that_nobody_uses_take_no_memory():
    grid, state = small_grid(), states(12)
    rows = filled(grid, state)
    used = set(rows._columns._arrays)
    assert "sharpe" in used and not used & (UNUSED.keys() - {"money_weighted_return"})
    assert rows.frame()["refused_margin"].to_list() == [0] * 12 and rows.frame()["peak_leverage"].is_nan().all()
    state["margin_calls"][7], state["refusals"][3, Reason.MARGIN] = 2, 5
    table = filled(grid, state).frame()
    assert table["margin_calls"].to_list() == [0] * 7 + [2] + [0] * 4
    assert table["refused_margin"].to_list() == [0] * 3 + [5] + [0] * 8
