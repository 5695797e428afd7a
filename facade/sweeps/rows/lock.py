"""One process at a time writes into a directory: a lock file that says who holds it.

The file is made with O_EXCL, which only one process can win, on network file systems too. It names host, process and
the time at which the process started, so that a lock left behind by a process that was killed is told from one that
is held, also when the number of the process has been given away again.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
import weakref
from pathlib import Path
from typing import Any

LOCK = "lock.json"
_HELD: set[str] = set()  # locks that this process holds: a stale lock may bear this process's number
_GUARD = threading.Lock()


class LockedError(BlockingIOError):
    """Another process, or another sweep of this one, writes into the directory."""


class Lock:
    """A lock that is held until `release`, garbage collection or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._finalizer = weakref.finalize(self, _remove, str(path), os.getpid())

    def release(self) -> None:
        """Let go; a second call does nothing."""
        self._finalizer()


def acquire(directory: Path) -> Lock:
    """Take the lock of a directory; a stale one of this host is taken over.

    Raises LockedError, naming the holder, or OSError when no file can be made there.
    """
    path = directory.resolve() / LOCK
    with _GUARD:
        for _ in range(3):
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
            except FileExistsError:
                holder = _read(path)
                if _is_alive(path, holder):
                    raise LockedError(_message(directory, path, holder)) from None
                _take_away(path, holder)
                continue
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(_myself(), file)
            _HELD.add(str(path))
            return Lock(path)
    raise LockedError(f"{directory} is being claimed by other processes at this moment")


def _message(directory: Path, path: Path, holder: dict[str, Any]) -> str:
    who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
    return f"{directory} is in use by {who}; wait for it, or delete {path} when it no longer runs"


def _myself() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def _started(pid: int) -> str:
    """When a process started, in ticks since boot; empty where the system does not say (no /proc)."""
    fields = _status(pid)
    return fields[19] if len(fields) > 19 else ""


def _status(pid: int) -> list[str]:
    """Fields of /proc/pid/stat from the third on (proc(5)): state first, the start is the 22nd; empty without it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()  # before it stands the command in brackets, which may hold anything


def _read(path: Path) -> dict[str, Any]:
    """The holder; empty when the file is gone, or not (yet) written whole."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return {"host": str(holder["host"]), "pid": int(holder["pid"]), "started": str(holder["started"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_alive(path: Path, holder: dict[str, Any]) -> bool:
    """Whether the holder may still run. In doubt (another host, an unreadable lock, Windows): yes."""
    if not holder or holder["host"] != socket.gethostname() or os.name == "nt":
        return path.exists()
    pid = holder["pid"]
    if pid == os.getpid():
        return str(path) in _HELD
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user
    # A process that was killed stays a zombie where nobody waits for it, as in a container without an init.
    return _status(pid)[:1] not in (["Z"], ["X"]) and holder["started"] == _started(pid)


def _take_away(path: Path, holder: dict[str, Any]) -> None:
    """Remove a stale lock. Two processes may find it at once: one that renames a fresh lock puts it back."""
    aside = path.with_name(f".{LOCK}.{uuid.uuid4().hex}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if _read(aside) != holder:
        try:
            aside.rename(path)
        except OSError:  # pragma: no cover
            return
        return
    aside.unlink(missing_ok=True)


def _remove(path: str, pid: int) -> None:
    """Delete the lock, unless this is a fork of the process that took it."""
    if os.getpid() == pid:
        _HELD.discard(path)
        Path(path).unlink(missing_ok=True)
