"""Interleaved timing: every arm once a round, medians, ratios and their range over the rounds; on what host."""

import gc
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from ml4t_kernel import entries


def interleave(arms: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each arm in each round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for count in range(rounds + 1):
        for name, call in arms.items():
            gc.collect()
            start = time.perf_counter()
            call()
            if count:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def ratios(seconds: dict[str, list[float]], base: str) -> dict[str, float]:
    """Median over the rounds of each arm's time divided by the base's time in the same round."""
    return {
        name: median(own / floor for own, floor in zip(times, seconds[base], strict=True))
        for name, times in seconds.items()
    }


def spread(seconds: dict[str, list[float]], base: str) -> dict[str, tuple[float, float]]:
    """Least and largest of the same ratios."""
    found = {name: [a / b for a, b in zip(times, seconds[base], strict=True)] for name, times in seconds.items()}
    return {name: (min(values), max(values)) for name, values in found.items()}


def host() -> str:
    """What the figures below were measured on: processor, load, and how the kernel was compiled."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return f"{name}, {os.cpu_count()} CPUs, load {load}, kernel {getattr(entries.runner(), 'level', 'by Numba')}"


def shown(seconds: dict[str, list[float]], base: str) -> dict[str, str]:
    """Each arm's median and least time, and the median and range of its ratio to the base."""
    middle, ends = ratios(seconds, base), spread(seconds, base)
    return {
        name: f"{median(times) * 1e3:10.3f} ms (least {min(times) * 1e3:.3f})  {middle[name]:6.2f} x floor "
        f"({ends[name][0]:.2f} to {ends[name][1]:.2f})"
        for name, times in seconds.items()
    }
