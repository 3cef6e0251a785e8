"""Is the package quick to import, and are its classes known to Keras in whatever order both are imported?"""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import BACKEND

import gpt2model
from gpt2model import family

REGISTERED = "print(keras.saving.get_registered_object('gpt2model>GPT2LMHeadModel').__name__)"

once = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_public_names():
    """One list for those who import, one of what needs Keras: they agree, and every name is there."""
    light = {
        "GenerationConfig",
        "CheckpointError",
        "ContextLengthError",
        "GPT2Config",
        "GenerationConfigError",
    }
    assert set(gpt2model.__all__) == set(family.__all__) | light
    assert all(getattr(gpt2model, name) is not None for name in gpt2model.__all__)
    assert set(gpt2model.__all__) <= set(dir(gpt2model))
    with pytest.raises(AttributeError, match="has no attribute 'GPT3Model'"):
        _ = gpt2model.GPT3Model


@once
@pytest.mark.parametrize(
    "code",
    [
        "import gpt2model",
        "from gpt2model import GPT2Config, CheckpointError; GPT2Config.of_size('gpt2-xl')",
        "import gpt2model.cli; gpt2model.cli.main(['--help'])",
        "import gpt2model.checkpoints",
    ],
)
def test_no_framework(code):
    loaded = "print([m for m in ('keras', 'tensorflow', 'jax', 'torch', 'transformers') if m in sys.modules])"
    assert run(f"import sys; {code}; {loaded}").endswith("[]")


@once
@pytest.mark.parametrize(
    "imports",
    [
        "import gpt2model, keras",
        "import keras, gpt2model",
        "import gpt2model.config; import keras.layers; import keras",
        "from gpt2model.cache import KVCache; import gpt2model, keras; gpt2model.KVCache",
        "from gpt2model import GPT2Model; import keras",
    ],
)
def test_keras_knows_the_classes(imports):
    assert run(f"{imports}; {REGISTERED}") == "GPT2LMHeadModel"


@once
def test_the_watch_goes_away():
    """Nothing of ours stays among Python's importers, and a missing Keras is told as ever."""
    left = "print([f for f in sys.meta_path if type(f).__module__.startswith('gpt2model')])"
    assert run(f"import sys, gpt2model, keras; {left}") == "[]"
    hidden = "sys.path[:] = [p for p in sys.path if 'site-packages' not in p]"
    code = f"import sys, gpt2model; {hidden}\ntry:\n import keras\nexcept ModuleNotFoundError as e: print(e.name)"
    assert run(code) == "keras"
