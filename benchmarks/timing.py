"""Interleaved timing: every arm once a round, medians and ratios over the rounds."""

import gc
import time
from collections.abc import Callable
from statistics import median


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
