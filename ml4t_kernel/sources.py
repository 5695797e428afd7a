"""The sources that the kernel is compiled from, and digests of them: keys of machine code and of finished rows."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

NOT_COMPILED = frozenset(
    "__init__.py book.py boundary.py entries.py market.py modes.py native.py sources.py warmup.py "
    "objects/__init__.py objects/build.py objects/hook.py".split()
)
"""Sources that only Python runs: no machine code depends on them."""


def compiled_sources() -> list[Path]:
    """Every source on which machine code depends: functions of the kernel, its records, how it is compiled."""
    return sorted(path for path in FOLDER.rglob("*.py") if path.relative_to(FOLDER).as_posix() not in NOT_COMPILED)


def _digest(sources: Iterable[Path]) -> str:
    sha = hashlib.sha256()
    for source in sources:
        # Newlines as Git for Windows may write them are the same source.
        text = source.read_bytes().replace(b"\r\n", b"\n")
        sha.update(source.relative_to(FOLDER).as_posix().encode() + b"\0" + text)
    return sha.hexdigest()[:16]


@cache
def digest() -> str:
    """First 16 hexadecimal digits of the SHA-256 of the compiled sources as they are on disk now, read once: the key of
    machine code."""
    return _digest(compiled_sources())


@cache
def package_digest() -> str:
    """The same of every source of the kernel: the key of finished rows, for what Python derives of a panel decides a
    result too (`market`)."""
    return _digest(sorted(FOLDER.rglob("*.py")))
