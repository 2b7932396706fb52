"""What a figure was measured on, and how: the median of several runs, with their spread."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

RUNS = 5


class Timing(NamedTuple):
    """Seconds of one call: the median of the runs, the least and the most."""

    median: float
    least: float
    most: float


def machine() -> str:
    """Processor, cores and interpreter."""
    name = platform.processor() or platform.machine()
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def timed(call: Callable[[], object], *, repeat: int, runs: int = RUNS) -> Timing:
    """Time `repeat` calls, `runs` times over, after one call that does not count."""
    call()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(repeat):
            call()
        seconds.append((time.perf_counter() - start) / repeat)
    return Timing(statistics.median(seconds), min(seconds), max(seconds))
