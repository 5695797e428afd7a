"""A result goes to disk whole or not at all, comes back the same, and is refused when damaged."""

import errno
import json
import math

import numpy as np
import polars as pl
import pytest

from facade import files
from facade.config.model import Config
from facade.errors import DataError
from facade.results import store
from facade.results.facts import FRAMES
from facade.results.result import Result
from made_runs import Ledger, days, small_ledger


@pytest.fixture
def result():
    config = Config(commission_rate=0.001, spread={"A": 0.001, "B": 0.002}, commission_tiers=[(0, 0.01), (100, 0.001)])
    return Result.from_run(small_ledger(config=config, notices=("one", "two"), counts={"dropped_rows": 2}).run())


@pytest.fixture
def stored(result, tmp_path):
    result.to_parquet(tmp_path / "result")
    return tmp_path / "result"


def same(left, right):
    return left == right or (isinstance(left, float) and math.isnan(left) and math.isnan(right))


def assert_equal(found, result):
    for name in FRAMES:
        assert found.frame(name).schema == result.frame(name).schema
        assert found.frame(name).equals(result.frame(name)), name
    assert found.metrics.keys() == result.metrics.keys()
    for name, value in result.metrics.items():
        assert same(value, found.metrics[name]) and type(value) is type(found.metrics[name]), name
    assert found.config == result.config
    assert found.facts == result.facts
    assert found.data_digest == result.data_digest
    assert found.summary() == result.summary()


def test_round_trip_is_lossless(result, stored):
    assert_equal(Result.from_parquet(stored), result)


@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_round_trip_keeps_timestamps_nan_and_infinity(tmp_path, zone):
    times = days(2).cast(pl.Datetime("ns")).dt.replace_time_zone(zone)
    result = Result.from_run(Ledger([[10.0, 1.0]] * 2, timestamps=times).run())
    assert math.isnan(result.metrics["win_rate"])
    result.to_parquet(tmp_path / "r")
    assert_equal(Result.from_parquet(tmp_path / "r"), result)


def test_a_stored_result_can_be_drawn_and_stored_again(stored, tmp_path, result):
    pytest.importorskip("plotly")
    again = Result.from_parquet(stored)
    assert len(again.plot().data) == len(result.plot().data)
    again.to_parquet(tmp_path / "again")
    assert_equal(Result.from_parquet(tmp_path / "again"), result)


def test_the_manifest_lists_every_file(stored):
    manifest = json.loads((stored / "manifest.json").read_text())
    assert set(manifest["files"]) == {path.name for path in stored.iterdir()} - {"manifest.json"}
    facts = json.loads((stored / "facts.json").read_text())
    assert set(facts["versions"]) == {"python", "ml4t-kernel", "numba", "numpy", "polars"}
    assert facts["policies"]["tie"] == "pessimistic"
    assert len(facts["data_digest"]) == 64


def test_json_files_are_strict(stored):
    def refuse(token):
        raise AssertionError(token)

    for path in stored.glob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)


@pytest.mark.parametrize("name", ["orders.parquet", "metrics.json", "config.json", "facts.json"])
def test_a_changed_byte_is_found(stored, name):
    content = bytearray((stored / name).read_bytes())
    content[len(content) // 2] ^= 1
    (stored / name).write_bytes(content)
    with pytest.raises(DataError, match=f"damaged: {name} does not match its checksum"):
        Result.from_parquet(stored)


@pytest.mark.parametrize("name", ["fills.parquet", "facts.json"])
def test_a_truncated_or_missing_file_is_found(stored, name):
    content = (stored / name).read_bytes()
    (stored / name).write_bytes(content[:-10])
    with pytest.raises(DataError, match=f"damaged: {name}"):
        Result.from_parquet(stored)
    (stored / name).unlink()
    with pytest.raises(DataError, match=f"damaged: {name} is missing"):
        Result.from_parquet(stored)


def test_without_a_whole_manifest_nothing_loads(stored, tmp_path):
    manifest = stored / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        Result.from_parquet(stored)
    for content, message in (
        ('{"name": "other"}', "not the manifest"),
        ('{"name": "ml4t-kernel result"}', "damaged"),
        ('{"name": "ml4t-kernel result", "format": 1, "files": {}}', "does not list"),
    ):
        manifest.write_text(content)
        with pytest.raises(DataError, match=message):
            Result.from_parquet(stored)
    manifest.unlink()
    with pytest.raises(DataError, match=r"manifest\.json is missing"):
        Result.from_parquet(stored)
    with pytest.raises(DataError, match="not a directory"):
        Result.from_parquet(tmp_path / "nowhere")


def test_a_newer_format_asks_for_an_upgrade(stored):
    manifest = json.loads((stored / "manifest.json").read_text())
    manifest["format"] = store.KIND.format + 1
    (stored / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="upgrade ml4t-kernel"):
        Result.from_parquet(stored)


def test_an_earlier_result_is_replaced(stored, tmp_path):
    other = Result.from_run(Ledger([[10.0, 1.0]] * 3).run())
    other.to_parquet(stored)
    assert_equal(Result.from_parquet(stored), other)
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_other_files_are_never_replaced(result, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("text")
    (tmp_path / "file").write_text("text")
    for name in ("mine", "file"):
        with pytest.raises(FileExistsError):
            result.to_parquet(tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "text"
    (tmp_path / "empty").mkdir()
    result.to_parquet(tmp_path / "empty")
    assert_equal(Result.from_parquet(tmp_path / "empty"), result)


@pytest.mark.parametrize("name", ["ml4t-kernel sweep", "ml4t-kernel sweep result"])
def test_the_directory_of_a_sweep_is_never_replaced(result, tmp_path, name):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "manifest.json").write_text(json.dumps({"name": name, "format": 1}))
    with pytest.raises(FileExistsError, match="something that is not a result"):
        result.to_parquet(tmp_path / "s")
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["manifest.json"]


def full_disk(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("step", ["write_json", "to_disk", "_move_into_place", "_sha256"])
def test_a_full_disk_leaves_nothing_behind_and_spares_the_earlier_result(result, stored, tmp_path, monkeypatch, step):
    monkeypatch.setattr(files, step, full_disk)
    other = Result.from_run(Ledger([[10.0, 1.0]] * 3).run())
    with pytest.raises(OSError, match="No space left"):
        other.to_parquet(tmp_path / "new")
    with pytest.raises(OSError, match="No space left"):
        other.to_parquet(stored)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]
    assert_equal(Result.from_parquet(stored), result)


def test_an_earlier_result_comes_back_when_its_place_cannot_be_taken(result, stored, monkeypatch):
    rename = type(stored).rename

    def refuse_draft(path, target):
        if path.suffix == ".partial":
            raise PermissionError("in use")
        return rename(path, target)

    monkeypatch.setattr(type(stored), "rename", refuse_draft)
    with pytest.raises(PermissionError):
        result.to_parquet(stored)
    monkeypatch.undo()
    assert_equal(Result.from_parquet(stored), result)


def test_parents_are_made_and_the_path_may_be_text(result, tmp_path):
    result.to_parquet(str(tmp_path / "a" / "b"))
    assert Result.from_parquet(str(tmp_path / "a" / "b")).orders.height == 5


def test_pandas_frames_hold_the_same(result):
    pandas = pytest.importorskip("pandas")
    frames = result.to_pandas()
    assert set(frames) == set(FRAMES)
    assert isinstance(frames["orders"], pandas.DataFrame)
    np.testing.assert_array_equal(frames["equity"]["equity"], result.equity["equity"].to_numpy())
    assert frames["orders"]["status"].tolist() == result.orders["status"].to_list()
