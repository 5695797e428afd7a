"""The sources that the kernel is compiled from, and their digest: the key of shared objects, caches and checkpoints."""

import hashlib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

NOT_COMPILED = frozenset(
    "__init__.py book.py entries.py market.py modes.py native.py sources.py warmup.py "
    "objects/__init__.py objects/build.py objects/hook.py".split()
)
"""Sources that only Python runs: no machine code depends on them."""


def compiled_sources() -> list[Path]:
    """Every source on which machine code depends: functions of the kernel, its records, how it is compiled."""
    return sorted(path for path in FOLDER.rglob("*.py") if path.relative_to(FOLDER).as_posix() not in NOT_COMPILED)


@cache
def digest() -> str:
    """First 16 hexadecimal digits of the SHA-256 of the compiled sources as they are on disk now, read once."""
    sha = hashlib.sha256()
    for source in compiled_sources():
        # Newlines as Git for Windows may write them are the same source.
        text = source.read_bytes().replace(b"\r\n", b"\n")
        sha.update(source.relative_to(FOLDER).as_posix().encode() + b"\0" + text)
    return sha.hexdigest()[:16]
