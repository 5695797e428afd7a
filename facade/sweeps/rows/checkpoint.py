"""The directory of a sweep: Parquet parts of finished rows, which outlive whatever happens to the process.

    manifest.json                   whose rows these are: digests, number of rows, what is kept, versions
    part-000007-<digest>.parquet    finished rows: row, parameters, result columns
    trades-000007-<digest>.parquet  the closed trades of the rows of that part (keep="trades")
    equity.f64                      rows x bars float64, NaN after a row's last bar (keep="equity")
    lock.json                       the process that writes; see `facade.sweeps.rows.lock`

A part is written under another name, flushed to disk and renamed, after the trades and curves of its rows are on disk.
So a row is there whole or not at all, and a part that bears the digest of the sweep but cannot be read was damaged
later: it is set aside with a warning and its rows run again.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import tempfile
import uuid
import warnings
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from facade.errors import BacktestWarning, DataError
from facade.files import MANIFEST, load_json, read_file, to_disk
from facade.results.facts import versions
from facade.sweeps.rows.lock import LOCK, Lock, LockedError, acquire

FORMAT = 1
NAME = "ml4t-kernel sweep"
CURVES = "equity.f64"
TAG = 12  # characters of the digest in the name of a part
_DRAFT = ".partial"


class Folder:
    """A directory that this process may write, with the numbers of the parts that are in it.

    `parts` lists the files of finished rows by number, those of this sweep only.
    """

    def __init__(self, path: Path, digest: str, lock: Lock | None) -> None:
        self.path = path
        self.parts: dict[int, Path] = {}
        self._tag = digest[:TAG]
        self._lock = lock
        self._cleanup: Any = None
        self._find_parts()

    @classmethod
    def claim(cls, path: Path, manifest: Mapping[str, Any]) -> Folder:
        """Make the directory, or take up the sweep that is in it.

        Raises DataError when it holds another sweep (naming what differs) or a damaged manifest, FileExistsError when
        it holds something else, LockedError when another process writes there, OSError when it cannot be written.
        """
        _make(path)
        _refuse_foreign(path)
        check_manifest(path, manifest)
        try:
            folder = cls(path, str(manifest["digest"]), acquire(path))
        except LockedError:
            raise
        except OSError as error:
            raise type(error)(error.errno, f"checkpoint={str(path)!r} cannot be written: {error.strerror}") from error
        try:
            for draft in path.glob(f".*{_DRAFT}"):
                draft.unlink(missing_ok=True)
            if not (path / MANIFEST).is_file():
                folder.write(MANIFEST, json.dumps({**manifest, "versions": versions()}, indent=2).encode() + b"\n")
        except BaseException:
            folder.release()
            raise
        return folder

    @classmethod
    def read(cls, path: Path, manifest: Mapping[str, Any]) -> Folder:
        """The sweep that is in a directory, to be read only; raises like `claim`."""
        check_manifest(path, manifest)
        return cls(path, str(manifest["digest"]), None)

    @classmethod
    def temporary(cls, digest: str) -> Folder:
        """A directory of its own, removed when the Folder is collected or the process ends."""
        path = Path(tempfile.mkdtemp(prefix="ml4t-sweep-"))
        folder = cls(path, digest, None)
        folder._cleanup = weakref.finalize(folder, _remove_own, str(path), os.getpid())
        return folder

    def part_path(self, kind: str, number: int) -> Path:
        """Where a part lies: kind is "part" or "trades"."""
        return self.path / f"{kind}-{number:06d}-{self._tag}.parquet"

    def next_number(self) -> int:
        """The number of the next part."""
        return max(self.parts, default=-1) + 1

    def write_part(self, kind: str, number: int, frame: pl.DataFrame) -> Path:
        """Write a frame whole or not at all; OSError when the disk is full."""
        # By way of memory: what fails is then a plain write, with the error number of the system.
        buffer = io.BytesIO()
        frame.write_parquet(buffer, compression="zstd")
        path = self.part_path(kind, number)
        self.write(path.name, buffer.getvalue())
        if kind == "part":
            self.parts[number] = path
        return path

    def write(self, name: str, content: bytes) -> None:
        """A file that is there whole or not at all, also after a loss of power."""
        draft = self.path / f".{name}.{uuid.uuid4().hex}{_DRAFT}"
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path / name)
            to_disk(self.path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    def set_aside(self, number: int, why: str) -> None:
        """A part that cannot be used is no longer one; who may write here renames it and warns."""
        path = self.parts.pop(number)
        if self._lock is not None:
            path.replace(path.with_name(f"{path.name}.damaged"))
            warnings.warn(f"{path}: {why}; its rows run again", BacktestWarning, stacklevel=2)

    def release(self) -> None:
        """Let others write into the directory."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _find_parts(self) -> None:
        """Parts by number; those of another sweep are named in a warning and left alone."""
        foreign = []
        for path in sorted(self.path.glob("part-*.parquet")):
            match = re.fullmatch(r"part-(\d+)-([0-9a-f]+)\.parquet", path.name)
            if match and match[2] == self._tag:
                self.parts[int(match[1])] = path
            else:
                foreign.append(path.name)
        if foreign and self._lock is not None:
            warnings.warn(
                f"{self.path}: {len(foreign):,} parts of another sweep are ignored ({foreign[0]})",
                BacktestWarning,
                stacklevel=2,
            )


def make_manifest(
    digest: str, rows: int, keep: str, bars: int, columns: list[str], digests: Mapping[str, str] | None
) -> dict[str, Any]:
    """What identifies a sweep; `digests` names the parts of `digest` (prices, strategy, grid, ...) for messages."""
    known = {"name": NAME, "format": FORMAT, "digest": digest, "rows": rows, "keep": keep, "bars": bars}
    return {**known, "columns": columns, "digests": dict(digests or {})}


def check_manifest(path: Path, manifest: Mapping[str, Any]) -> None:
    """Refuse a directory whose manifest is of another sweep; without a manifest there is nothing to refuse."""
    if not (path / MANIFEST).is_file():
        return
    found = read_file(path / MANIFEST, load_json)
    if not isinstance(found, dict) or found.get("name") != NAME:
        raise DataError(f"{path / MANIFEST} is not the manifest of a sweep; choose another directory for checkpoint=")
    if not isinstance(found.get("format"), int) or "digest" not in found:
        raise DataError(f"{path / MANIFEST} is damaged")
    if found["format"] > FORMAT:
        raise DataError(f"{path} has format {found['format']}, this version reads up to {FORMAT}: upgrade ml4t-kernel")
    differing = _differences(found, manifest)
    if differing:
        raise DataError(
            f"{path} is the checkpoint of another sweep; different: {', '.join(differing)}. "
            "Choose another directory, or delete it to start afresh"
        )


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """What is not the same, in words; empty when the sweep is the same."""
    words = [
        f"{name} ({found.get(name)!r} there, {wanted[name]!r} here)"
        for name in ("keep", "rows", "bars")
        if found.get(name) != wanted[name]
    ]
    old, new = found.get("digests", {}), wanted["digests"]
    names = dict.fromkeys([*new, *({"flows"} & old.keys() if new else ())])
    words += [name for name in names if old.get(name) != new.get(name) and name != "versions"]
    earlier = found.get("versions", {})
    if found["digest"] != wanted["digest"]:
        words += [
            f"{name} ({earlier[name]} there, {now} here)"
            for name, now in versions().items()
            if earlier.get(name, now) != now
        ]
        words = words or ["the versions of the kernel" if "versions" in new else "digest"]
    if found.get("columns") != wanted["columns"]:
        words = words or ["columns of the table"]
    return words


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise FileExistsError(f"checkpoint={str(path)!r} exists and is not a directory") from None
    except OSError as error:
        raise type(error)(error.errno, f"checkpoint={str(path)!r} cannot be made: {error.strerror}") from error


def _refuse_foreign(path: Path) -> None:
    """Anything in the directory but a sweep, a lock, or the drafts of a sweep that never got to its manifest."""
    if (path / MANIFEST).is_file():
        return
    strange = [entry.name for entry in path.iterdir() if entry.name != LOCK and not entry.name.endswith(_DRAFT)]
    if strange:
        raise FileExistsError(
            f"{path} holds something that is not a sweep ({sorted(strange)[0]}); choose another directory"
        )


def _remove_own(path: str, pid: int) -> None:
    if os.getpid() == pid:
        shutil.rmtree(path, ignore_errors=True)
