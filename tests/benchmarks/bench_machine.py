"""What did a benchmark run on? Versions, processor, cores, and how busy the machine was.

Owns the description that stands beside every figure, and the choice of cores. Refuses to measure.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
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
    versions = ", ".join(map(versioned, distributions))
    where = f"cores {', '.join(map(str, cores))}" if cores else "not pinned"
    return {
        "libraries": versions,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {processor()}, {os.cpu_count()} cores, used: {where}",
        "system": f"{platform.system()} {platform.release()}",
    }


def versioned(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        module = importlib.import_module(distribution)  # not installed: found by its path
        return f"{distribution} {getattr(module, '__version__', 'of an unknown version')}"


def load(threads: int = 1) -> str:
    """What else ran meanwhile: figures of a busy machine are not worth quoting.

    A benchmark loads as many cores as it has threads itself: only more than that is somebody else.
    """
    if not hasattr(os, "getloadavg"):
        return "unknown"
    minute = os.getloadavg()[0]
    return f"{minute:.1f}" + (" (busy: do not quote these figures)" if minute > threads + 0.5 else "")


@dataclass(frozen=True)
class Clock:
    """Where the machine's processor time stood: the load average forgets too slowly for a short run."""

    wall: float
    all_seconds: float | None
    own_seconds: float

    @staticmethod
    def now() -> Clock:
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return Clock(times.elapsed, processor_seconds(), own)

    def others(self) -> str:
        """What part of all cores others than this process and its children have used since."""
        end = Clock.now()
        if self.all_seconds is None or end.all_seconds is None:
            return "unknown"
        used = (end.all_seconds - self.all_seconds) - (end.own_seconds - self.own_seconds)
        share = max(0.0, used) / ((end.wall - self.wall) * (os.cpu_count() or 1) or 1)
        return f"{share:.0%} of all cores" + (" (busy: do not quote these figures)" if share > 0.1 else "")


def processor_seconds() -> float | None:
    """Seconds in which any core did anything (user, nice, system), since the machine started."""
    try:
        fields = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    return sum(map(int, fields[1:4])) / os.sysconf("SC_CLK_TCK")


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )
