"""Model tests run once per backend, each in its own process: `KERAS_BACKEND=jax pytest tests/model`.

A run of all tests leaves this folder to `tests/test_model_backends.py`, which starts those processes. Refuses
to prepare anything in a process that is not its own.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def asked_for() -> bool:
    """Whether the command line names this folder, or stands in it."""
    named = [
        Path(argument.split("::")[0]).resolve() for argument in sys.argv[1:] if not argument.startswith("-")
    ]
    return any(path == HERE or HERE in path.parents for path in [*named, Path.cwd().resolve()])


collect_ignore_glob = [] if asked_for() else ["*"]

if asked_for():
    # Two virtual devices, for the tests of keras.distribution; JAX reads this when it is first imported.
    os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow and torch's compiler crash when they are loaded in the other order.
    import torch._dynamo  # noqa: F401

    sys.path.insert(0, str(HERE))


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Every test begins with the same random numbers."""
    import keras

    keras.utils.set_random_seed(1)
