"""How many threads a sweep uses: the CPUs this process may run on, not those the machine has.

A container sees all CPUs of its host. What it may use is the affinity mask and the quota of its control group
(Linux kernel documentation: cgroup-v2.rst, "cpu.max"; scheduler/sched-bwc.rst for version 1). Threads beyond the quota
are stopped for the rest of every period, which is slower than not having them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from math import ceil
from numbers import Integral
from pathlib import Path, PurePosixPath
from typing import Any

from facade.errors import ConfigError


def threads_of(n_jobs: Any) -> int:
    """The number of threads asked for; None: one for each CPU this process may use.

    Raises ConfigError unless None or an integer from 1.
    """
    if n_jobs is None:
        return usable_cpus()
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or n_jobs < 1:
        raise ConfigError(f"n_jobs={n_jobs!r}: allowed is a whole number from 1, or None for all usable CPUs")
    return int(n_jobs)


def usable_cpus(root: Path = Path("/")) -> int:
    """CPUs this process may use: of its affinity mask, cut to the quota of its control group (rounded up)."""
    quota = cgroup_quota(root)
    return _affinity() if quota is None else max(1, min(_affinity(), ceil(quota)))


def _affinity() -> int:
    if hasattr(os, "process_cpu_count"):  # Python 3.13; heeds -X cpu_count and PYTHON_CPU_COUNT too
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cgroup_quota(root: Path = Path("/")) -> float | None:
    """CPUs that the control group of this process allows, None without a limit or off Linux.

    Of a group and all groups above it, the tightest holds. `root` is where /proc and /sys are.
    """
    limits = [limit for folder in _folders(root) if (limit := _limit(folder)) is not None]
    return min(limits, default=None)


def _folders(root: Path) -> Iterator[Path]:
    """Folders of the CPU controller, versions 1 and 2: the process's own group and those above it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            mounts = [root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"]
        elif "cpu" in controllers.split(","):
            mounts = [root / "sys/fs/cgroup" / name for name in (controllers, "cpu", "cpu,cpuacct")]
        else:
            continue
        path = PurePosixPath(group.lstrip("/"))
        # Inside a container the path may be that of the host, which is not there; the mount itself then is the group.
        for mount in mounts:
            yield from (mount / part for part in (path, *path.parents) if ".." not in part.parts)


def _limit(folder: Path) -> float | None:
    """CPUs that one group allows."""
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    try:
        share = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # "max", or no such file
        return None
    return share if share > 0 else None  # -1: no limit


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
