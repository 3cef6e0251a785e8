"""The model suite on every backend: one process each, since Keras chooses its backend once per process.

Owns nothing but the starting, of all processes at once: each keeps one core busy. The tests are in
`tests/model`, and run alone as `KERAS_BACKEND=jax pytest tests/model`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("jax", "tensorflow", "torch")


@pytest.fixture(scope="module")
def suites(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[subprocess.Popen[bytes], Path]]]:
    """The suites of the backends that were selected, all running, each with the file it writes to."""
    selected = {
        item.callspec.params["backend"] for item in request.session.items if item.module is request.module
    }
    folder = tmp_path_factory.mktemp("suites")
    running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "tests/model",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
    ]
    try:
        for backend in BACKENDS:
            if backend in selected and importlib.util.find_spec(backend) is not None:
                output = folder / f"{backend}.txt"
                with output.open("wb") as file:
                    process = subprocess.Popen(
                        command,
                        cwd=ROOT,
                        env={**os.environ, "KERAS_BACKEND": backend},
                        stdin=subprocess.DEVNULL,
                        stdout=file,
                        stderr=subprocess.STDOUT,
                    )
                running[backend] = process, output
        yield running
    finally:
        for process, _ in running.values():
            if process.poll() is None:
                process.terminate()
            process.wait()


@pytest.mark.parametrize("backend", BACKENDS)
def test_model_suite(
    backend: str,
    suites: dict[str, tuple[subprocess.Popen[bytes], Path]],
    record_property: Callable[[str, object], None],
) -> None:
    if backend not in suites:
        pytest.fail(f"{backend} is not installed; the test extra brings it")
    process, output = suites[backend]
    code = process.wait()
    text = output.read_text("utf-8", "replace")
    record_property("closing line", f"tests/model on {backend}: {text.strip().splitlines()[-1]}")
    assert code == 0, f"{backend}:\n{text[-20000:]}"
    passed = re.search(r"(\d+) passed", text)
    assert passed is not None and int(passed[1]) > 200, f"{backend}: hardly a test ran\n{text[-2000:]}"
