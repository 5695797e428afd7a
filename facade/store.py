"""A result on disk: a directory of Parquet and JSON files with a manifest of checksums.

    orders.parquet ... ambiguous_bars.parquet   one file a frame
    metrics.json       figures; NaN and infinities as the strings "NaN", "Infinity", "-Infinity"
    config.json        the configuration
    facts.json         bars, policies, notices, counts, versions, digest of the data
    manifest.json      format, and size and SHA-256 of every other file; written last

A directory is written under another name next to its place and moved there when it is whole and on disk: an error or
a full disk leaves nothing that loads. Without its manifest, or with a file that does not match it, it is refused.
"""

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from facade.config import Config
from facade.errors import ConfigError, DataError
from facade.result import FRAMES, Facts, Result

FORMAT = 1
NAME = "ml4t-kernel result"
MANIFEST = "manifest.json"


class StoredSource:
    """A result read from files, all of it in memory."""

    def __init__(
        self, config: Config, frames: Mapping[str, pl.DataFrame], metrics: dict[str, float | int], facts: dict[str, Any]
    ) -> None:
        self.config = config
        self._frames = frames
        self._metrics = metrics
        self._digest = str(facts.pop("data_digest"))
        self._facts = Facts(**{**facts, "notices": tuple(facts["notices"])})

    def frame(self, name: str) -> pl.DataFrame:
        """As written."""
        return self._frames[name]

    def metrics(self) -> dict[str, float | int]:
        """As written."""
        return dict(self._metrics)

    def facts(self) -> Facts:
        """As written: the versions are those that made the result."""
        return self._facts

    def data_digest(self) -> str:
        """As written."""
        return self._digest


def write_result(result: Result, directory: str | os.PathLike[str]) -> None:
    """Write a result into `directory`, whole or not at all; see `Result.to_parquet`."""
    place = Path(directory)
    _refuse_foreign(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.parent / f".{place.name}.{uuid.uuid4().hex}.partial"
    draft.mkdir()
    try:
        _write_files(result, draft)
        _move_into_place(draft, place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def read_result(directory: str | os.PathLike[str]) -> Result:
    """Read a result; DataError names the file that is missing, damaged or too new."""
    place = Path(directory)
    _verify(place, _read_manifest(place))
    frames = {name: _read(place / f"{name}.parquet", pl.read_parquet) for name in FRAMES}
    metrics = {name: _from_json(value) for name, value in _read(place / "metrics.json", _load_json).items()}
    try:
        config = Config.from_json((place / "config.json").read_text(encoding="utf-8"))
        source = StoredSource(config, frames, metrics, _read(place / "facts.json", _load_json))
    except (ConfigError, KeyError, TypeError) as error:
        raise DataError(f"{place}: written by another version, and it does not fit this one: {error}") from error
    return Result(source)


def _refuse_foreign(place: Path) -> None:
    if place.is_dir():
        if any(place.iterdir()) and not (place / MANIFEST).is_file():
            raise FileExistsError(f"{place} holds something that is not a result; choose another directory")
    elif place.exists() or place.is_symlink():
        raise FileExistsError(f"{place} exists and is not a directory")


def _write_files(result: Result, draft: Path) -> None:
    for name in FRAMES:
        result.frame(name).write_parquet(draft / f"{name}.parquet", compression="zstd")
    _write_text(draft / "config.json", result.config.to_json())
    _write_json(draft / "metrics.json", {name: _to_json(value) for name, value in result.metrics.items()})
    _write_json(draft / "facts.json", {**asdict(result.facts), "data_digest": result.data_digest})
    files = {}
    for path in sorted(draft.iterdir()):
        _to_disk(path)
        files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    _write_json(draft / MANIFEST, {"name": NAME, "format": FORMAT, "files": files})
    _to_disk(draft / MANIFEST)
    _to_disk(draft)


def _move_into_place(draft: Path, place: Path) -> None:
    """Rename the draft; an earlier result steps aside first and comes back if that fails."""
    if not place.exists():
        draft.rename(place)
    else:
        aside = draft.with_suffix(".replaced")
        place.rename(aside)
        try:
            draft.rename(place)
        except BaseException:
            aside.rename(place)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    _to_disk(place.parent)


def _to_disk(path: Path) -> None:
    """Flush a file or a directory; where a directory cannot be opened (Windows) its flush is left out."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    try:
        handle = os.open(path, flags)
    except PermissionError:
        if path.is_dir():
            return
        raise
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read_manifest(place: Path) -> dict[str, Any]:
    if not place.is_dir():
        raise DataError(f"{place} is not a directory")
    if not (place / MANIFEST).is_file():
        raise DataError(f"{place} holds no result: {MANIFEST} is missing")
    manifest = _read(place / MANIFEST, _load_json)
    if not isinstance(manifest, dict) or manifest.get("name") != NAME:
        raise DataError(f"{place / MANIFEST} is not the manifest of a result")
    written = manifest.get("format")
    if not isinstance(written, int) or not isinstance(manifest.get("files"), dict):
        raise DataError(f"{place / MANIFEST} is damaged")
    if written > FORMAT:
        raise DataError(f"{place} has format {written}, this version reads up to {FORMAT}: upgrade ml4t-kernel")
    return manifest


def _verify(place: Path, manifest: dict[str, Any]) -> None:
    """Every file there, with the size and the checksum of the manifest."""
    needed = {"metrics.json", "config.json", "facts.json", *(f"{name}.parquet" for name in FRAMES)}
    for name in sorted(needed):
        listed, path = manifest["files"].get(name), place / name
        if not isinstance(listed, dict):
            raise DataError(f"{place / MANIFEST} is damaged: it does not list {name}")
        if not path.is_file():
            raise DataError(f"{place} is damaged: {name} is missing")
        if path.stat().st_size != listed.get("bytes") or _sha256(path) != listed.get("sha256"):
            raise DataError(f"{place} is damaged: {name} does not match its checksum")


def _read(path: Path, reader: Callable[[Path], Any]) -> Any:
    try:
        return reader(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def _write_json(path: Path, content: Any) -> None:
    _write_text(path, json.dumps(content, indent=2, allow_nan=False))


def _to_json(value: float) -> float | int | str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _from_json(value: float | str) -> float | int:
    return float(value) if isinstance(value, str) else value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
