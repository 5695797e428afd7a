"""A result on disk: a directory of Parquet and JSON files with a manifest of checksums.

    orders.parquet ... margin.parquet           one file a frame; format 1 has neither events nor margin
    metrics.json       figures; NaN and infinities as the strings "NaN", "Infinity", "-Infinity"
    config.json        the configuration
    facts.json         bars, policies, notices, counts, versions, digest of the data
    manifest.json      format, and size and SHA-256 of every other file; written last

A directory is written under another name next to its place and moved there when it is whole and on disk: an error or
a full disk leaves nothing that loads. Without its manifest, or with a file that does not match it, it is refused.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from facade.config.model import Config
from facade.errors import ConfigError, DataError
from facade.files import (
    Kind,
    json_to_number,
    load_json,
    number_to_json,
    read_file,
    verified,
    write_directory,
    write_json,
    write_text,
)
from facade.results.facts import FRAMES, Facts
from facade.results.frames import events_schema, margin_schema
from facade.results.metrics import METRICS, plain_number, without_use


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


NEWER: Mapping[str, Callable[[pl.DataType], dict[str, Any]]] = {"events": events_schema, "margin": margin_schema}
"""Frames that format 1 did not have, and their columns, by the type of the timestamps."""
KIND = Kind(
    *("ml4t-kernel result", 2, "result"),
    ("metrics.json", "config.json", "facts.json", *(f"{name}.parquet" for name in FRAMES if name not in NEWER)),
)


def write_result(
    directory: str | os.PathLike[str],
    frame: Callable[[str], pl.DataFrame],
    config: Config,
    metrics: Mapping[str, float | int],
    facts: Facts,
    data_digest: str,
) -> None:
    """Write a result into `directory`, whole or not at all; see `Result.to_parquet`. frame: gives one by its name."""

    def write(draft: Path) -> None:
        for name in FRAMES:
            frame(name).write_parquet(draft / f"{name}.parquet", compression="zstd")
        write_text(draft / "config.json", config.to_json())
        write_json(draft / "metrics.json", {name: number_to_json(value) for name, value in metrics.items()})
        write_json(draft / "facts.json", {**asdict(facts), "data_digest": data_digest})

    write_directory(Path(directory), KIND, write)


def read_result(directory: str | os.PathLike[str]) -> StoredSource:
    """Read what `write_result` wrote; DataError names the file that is missing, damaged or too new."""
    place = Path(directory)
    files = verified(place, KIND)
    frames = {
        name: read_file(place / f"{name}.parquet", pl.read_parquet) for name in FRAMES if f"{name}.parquet" in files
    }
    times = frames["equity"].schema["timestamp"]
    frames |= {name: pl.DataFrame(schema=NEWER[name](times)) for name in NEWER if name not in frames}
    written = {name: json_to_number(value) for name, value in read_file(place / "metrics.json", load_json).items()}
    own = without_use() | written
    metrics = {name: plain_number(own[name]) for name in dict.fromkeys([*METRICS, *written]) if name in own}
    try:
        config = Config.from_json((place / "config.json").read_text(encoding="utf-8"))
        return StoredSource(config, frames, metrics, read_file(place / "facts.json", load_json))
    except (ConfigError, KeyError, TypeError) as error:
        raise DataError(f"{place}: written by another version, and it does not fit this one: {error}") from error
