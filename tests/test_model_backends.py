"""The model suite on every backend: one process each, since Keras chooses its backend once per process.

Owns nothing but the starting: the tests are in `tests/model`, and run alone as `KERAS_BACKEND=jax pytest
tests/model`.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_model_suite(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.fail(f"{backend} is not installed; the test extra brings it")
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/model",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-W",
            "ignore",
        ],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{backend}:\n{run.stdout[-20000:]}\n{run.stderr[-2000:]}"
    assert " passed" in run.stdout or "[100%]" in run.stdout, run.stdout[-2000:]
