"""The model suite on every backend. The tests are in `tests/model`, and run alone as
`KERAS_BACKEND=jax pytest tests/model`.

Owns the judgement of those runs, which begin with the session (`conftest.py`) and are waited for at its end.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from model_suites import BACKENDS, Suite


@pytest.mark.parametrize("backend", BACKENDS)
def test_model_suite(
    backend: str, model_suites: dict[str, Suite], record_property: Callable[[str, object], None]
) -> None:
    if backend not in model_suites:
        pytest.fail(f"{backend} is not installed; the test extra brings it")
    suite = model_suites[backend]
    code = suite.process.wait()
    text = suite.output.read_text("utf-8", "replace")
    record_property("closing line", f"tests/model on {backend}: {text.strip().splitlines()[-1]}")
    assert code == 0, f"{backend}:\n{text[-20000:]}"
    passed = re.search(r"(\d+) passed", text)
    assert passed is not None and int(passed[1]) > 200, f"{backend}: hardly a test ran\n{text[-2000:]}"
