"""The runs of the model suite, one process for each backend, since Keras chooses its backend once per process.

Owns their starting and stopping. Refuses to judge them: `test_model_backends.py` does.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("jax", "tensorflow", "torch")

_COMMAND = (
    sys.executable,
    "-m",
    "pytest",
    "tests/model",
    "--tb=short",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore",
)


@dataclass(frozen=True)
class Suite:
    """One backend's run, and the file that it writes to."""

    process: subprocess.Popen[bytes]
    output: Path


@contextmanager
def running(backends: Collection[str], folder: Path) -> Iterator[dict[str, Suite]]:
    """The suites of those backends that are installed, all at once: each keeps one core busy, beside the caller."""
    suites: dict[str, Suite] = {}
    try:
        for backend in BACKENDS:
            if backend in backends and importlib.util.find_spec(backend) is not None:
                output = folder / f"{backend}.txt"
                with output.open("wb") as file:
                    process = subprocess.Popen(
                        _COMMAND,
                        cwd=ROOT,
                        env={**os.environ, "KERAS_BACKEND": backend},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                suites[backend] = Suite(process, output)
        yield suites
    finally:
        for suite in suites.values():
            if suite.process.poll() is None:
                suite.process.terminate()
            suite.process.wait()
