"""Model tests run once per backend, each in its own process: `KERAS_BACKEND=jax pytest tests/model`.

A run of all tests leaves this folder to `tests/test_model_backends.py`, which starts those processes. The
long tests (every length of a prefill, 1,024 positions, a minute of training) run when asked for:
`KERAS_BACKEND=jax pytest tests/model --long`. Refuses to prepare anything in a process that is not its own.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
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
    flags = "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false"
    # Hundreds of tiny programs are compiled and run once; optimising their machine code is half of that time, on
    # TensorFlow two thirds. `test_xla_left_alone.py` sees to it that nothing depends on it.
    if "--xla-left-alone" not in sys.argv:
        flags += " --xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
        flags += " --xla_llvm_disable_expensive_passes=true"
        os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}"
    # Many tests make models of one shape, and so the same programs, the processes that they start among them: JAX
    # compiles each once in a run and finds it here afterwards. A third of the time of saving and loading.
    programs = tempfile.TemporaryDirectory(prefix="jax-programs-")  # gone with this process
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", programs.name)
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Threads that share out a product of 16 by 16 numbers only wait for each other: a quarter of the time with one.
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    # TensorFlow and torch's compiler crash when they are loaded in the other order.
    import torch._dynamo  # noqa: F401

    # Keras collects garbage after every table that a layer gives up, six times for each that it quantizes, through all
    # objects of three frameworks: three quarters of this suite's time on PyTorch. The young ones are enough here.
    gc.collect = lambda generation=1, collect=gc.collect: collect(generation)

    sys.path.insert(0, str(HERE))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also run the tests that take minutes")
    parser.addoption("--xla-left-alone", action="store_true", help="programs as users get them, and slower")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes minutes; runs with --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is long, unless it was asked for."""
    if not config.getoption("--long"):
        items[:] = [item for item in items if item.get_closest_marker("long") is None]


@pytest.fixture(autouse=True)
def seeds() -> None:
    """Every test begins with the same random numbers."""
    import keras

    keras.utils.set_random_seed(1)


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model of `exported.py`, exported from this backend: half a minute, so once for all who ask it."""
    from exported import NEW, ROWS, model, tokenizer

    from gpt2model import export_text_generator

    place = tmp_path_factory.mktemp("models") / "tiny" / "1"
    export_text_generator(model(), tokenizer(), place, max_new_tokens=NEW, max_batch_size=ROWS)
    return place
