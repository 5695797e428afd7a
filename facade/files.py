"""Directories on disk that appear whole or not at all, with a manifest of checksums; JSON without surprises."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from facade.errors import DataError

MANIFEST = "manifest.json"


class Kind(NamedTuple):
    """A kind of directory. name, format: in its manifest; what: in words; files: that it cannot be without."""

    name: str
    format: int
    what: str
    files: tuple[str, ...]


def write_directory(place: Path, kind: Kind, write: Callable[[Path], None]) -> None:
    """Make a directory of the files that `write` puts into the empty one it is given, whole or not at all.

    An earlier directory of the kind is replaced; FileExistsError for anything else that is there.
    """
    _refuse_foreign(place, kind)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.parent / f".{place.name}.{uuid.uuid4().hex}.partial"
    draft.mkdir()
    try:
        write(draft)
        _seal(draft, kind)
        _move_into_place(draft, place)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _refuse_foreign(place: Path, kind: Kind) -> None:
    if place.is_dir():
        if any(place.iterdir()) and _name_in(place) != kind.name:
            raise FileExistsError(f"{place} holds something that is not a {kind.what}; choose another directory")
    elif place.exists() or place.is_symlink():
        raise FileExistsError(f"{place} exists and is not a directory")


def _name_in(place: Path) -> Any:
    """What the manifest of a directory says that it is; None without one that can be read."""
    try:
        manifest = read_file(place / MANIFEST, load_json)
    except DataError:
        return None
    return manifest.get("name") if isinstance(manifest, dict) else None


def _seal(draft: Path, kind: Kind) -> None:
    """Have all files on disk, and the manifest that tells their sizes and checksums."""
    files = {}
    for path in sorted(draft.iterdir()):
        to_disk(path)
        files[path.name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    write_json(draft / MANIFEST, {"name": kind.name, "format": kind.format, "files": files})
    to_disk(draft / MANIFEST)
    to_disk(draft)


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
    to_disk(place.parent)


def to_disk(path: Path) -> None:
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


def verified(place: Path, kind: Kind) -> list[str]:
    """Names of the files of a directory, each there with the size and the checksum of the manifest; else DataError."""
    files = _files_listed(place, kind)
    for name in kind.files:
        if name not in files:
            raise DataError(f"{place / MANIFEST} is damaged: it does not list {name}")
    for name, listed in files.items():
        path = place / name
        if not path.is_file():
            raise DataError(f"{place} is damaged: {name} is missing")
        known = isinstance(listed, dict) and path.stat().st_size == listed.get("bytes")
        if not known or _sha256(path) != listed.get("sha256"):
            raise DataError(f"{place} is damaged: {name} does not match its checksum")
    return list(files)


def _files_listed(place: Path, kind: Kind) -> dict[str, Any]:
    """Files by name, as a manifest of the kind tells of them."""
    if not place.is_dir():
        raise DataError(f"{place} is not a directory")
    if not (place / MANIFEST).is_file():
        raise DataError(f"{place} holds no {kind.what}: {MANIFEST} is missing")
    manifest = read_file(place / MANIFEST, load_json)
    if not isinstance(manifest, dict) or manifest.get("name") != kind.name:
        raise DataError(f"{place / MANIFEST} is not the manifest of a {kind.what}")
    written, files = manifest.get("format"), manifest.get("files")
    if not isinstance(written, int) or not isinstance(files, dict):
        raise DataError(f"{place / MANIFEST} is damaged")
    if written > kind.format:
        raise DataError(f"{place} has format {written}, this version reads up to {kind.format}: upgrade ml4t-kernel")
    return files


def read_file(path: Path, reader: Callable[[Path], Any]) -> Any:
    """What the reader makes of a file; DataError naming the file when it cannot."""
    try:
        return reader(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def load_json(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file in UTF-8; ValueError for NaN and infinities, which strict JSON has not."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False))


def number_to_json(value: float) -> float | int | str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def json_to_number(value: float | str) -> float | int:
    return float(value) if isinstance(value, str) else value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
