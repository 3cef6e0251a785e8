"""What did a benchmark run on? Versions, processor, cores, and how busy the machine was.

Owns the description that stands beside every figure, and the choice of cores. Refuses to measure.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path


def chosen_cores(threads: int, asked: int | None = None) -> list[int]:
    """As many cores as threads, the last ones there are; none where the system does not pin."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    if asked is not None:
        if asked not in cores:
            raise SystemExit(f"core {asked} is not one of {cores}")
        cores = [core for core in cores if core != asked] + [asked]
    return cores[-threads:]


def machine(distributions: Iterable[str], cores: list[int]) -> dict[str, str]:
    """What to quote beside the figures."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions)
    where = f"cores {', '.join(map(str, cores))}" if cores else "not pinned"
    return {
        "libraries": versions,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {processor()}, {os.cpu_count()} cores there are, used: {where}",
        "system": f"{platform.system()} {platform.release()}",
    }


def load(threads: int = 1) -> str:
    """What else ran meanwhile: figures of a busy machine are not worth quoting.

    A benchmark loads as many cores as it has threads itself: only more than that is somebody else.
    """
    if not hasattr(os, "getloadavg"):
        return "unknown"
    minute = os.getloadavg()[0]
    return f"{minute:.1f}" + (" (busy: do not quote these figures)" if minute > threads + 0.5 else "")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
