"""Is the package quick to import, and are its classes known to Keras in whatever order both are imported?"""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import pytest
from helpers import BACKEND

import gpt2model
from checkpoint_files import SAFE
from gpt2model import family

REGISTERED = "print(keras.saving.get_registered_object('gpt2model>GPT2LMHeadModel').__name__)"

once = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")


def run(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
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
    exports = {"TextGenerator", "export_text_generator", "load_text_generator"}
    old = {name for name in family.__all__ if name.startswith(("TF", "Flax"))}
    assert set(gpt2model.__all__) == (set(family.__all__) - old) | light | exports and len(old) == 14
    assert all(getattr(gpt2model, name) is not None for name in old.union(gpt2model.__all__))
    assert old.union(gpt2model.__all__) <= set(dir(gpt2model))
    with pytest.raises(AttributeError, match="has no attribute 'GPT3Model'"):
        _ = gpt2model.GPT3Model


@pytest.mark.parametrize(
    ("name", "home", "ours"),
    [
        ("TFGPT2LMHeadModel", "tensorflow", "GPT2LMHeadModel"),
        ("FlaxGPT2Model", "jax", "GPT2Model"),
        ("TFGPT2DoubleHeadsModelOutput", BACKEND, "GPT2DoubleHeadsModelOutput"),
    ],
)
def test_an_old_name_on_another_framework_is_warned_of_once(name, home, ours):
    vars(gpt2model).pop(name, None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):
            assert getattr(gpt2model, name) is getattr(gpt2model, ours)
    assert len(told) == (home != BACKEND)
    for warning in told:
        assert f"set KERAS_BACKEND={home} " in str(warning.message) and warning.filename == __file__


def test_a_star_warns_of_nothing():
    """It gives every name but the old ones, which come when they are written."""
    code = "from gpt2model import *; print('GPT2LMHeadModel' in dir(), 'TFGPT2LMHeadModel' in dir())"
    assert run(f"import warnings; warnings.simplefilter('error', UserWarning); {code}") == "True False"


def test_classes_are_abstract_or_final():
    """And a user's own class, which type checkers will mark, is saved and loaded as any other."""
    for info in pkgutil.walk_packages(gpt2model.__path__, "gpt2model."):
        module = importlib.import_module(info.name)
        for thing in vars(module).values():
            if isinstance(thing, type) and thing.__module__ == info.name:
                is_base = any(thing in other.__bases__ for other in every_class())
                assert is_base != ("@final\n" in before_class(thing)), thing


@functools.cache
def every_class():
    modules = [
        importlib.import_module(info.name) for info in pkgutil.walk_packages(gpt2model.__path__, "gpt2model.")
    ]
    return {thing for module in modules for thing in vars(module).values() if isinstance(thing, type)}


def before_class(thing):
    """The decorators of a class. (Python 3.10 leaves no mark of `@final` on it.)"""
    text = Path(sys.modules[thing.__module__].__file__).read_text("utf-8")
    return re.search(rf"((?:^@.*\n)*)^class {thing.__name__}\b", text, re.MULTILINE)[1]


def test_a_class_of_ones_own_is_saved_and_loaded(tmp_path):
    @keras.saving.register_keras_serializable(package="mine")
    class Mine(gpt2model.GPT2LMHeadModel):
        """Nothing of its own."""

    model = Mine(gpt2model.GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
    model.save(tmp_path / "mine.keras")
    again = keras.saving.load_model(tmp_path / "mine.keras")
    assert type(again) is Mine and again.config == model.config
    model.save_pretrained(tmp_path / "mine")
    assert type(Mine.from_pretrained(tmp_path / "mine")) is Mine


@once
@pytest.mark.parametrize(
    "code",
    [
        "import gpt2model",
        "from gpt2model import GPT2Config, CheckpointError; GPT2Config.of_size('gpt2-xl')",
        "import gpt2model.cli; gpt2model.cli.main(['--help'])",
        "import gpt2model.checkpoints",
        "from gpt2model import export_text_generator, load_text_generator",
        f"import gpt2model.cli as c; c.main(['inspect', '--check', {str(SAFE)!r}])",
        f"import gpt2model.cli as c, sys; c.main(['convert', {str(SAFE)!r}, sys.argv[1]])",
    ],
)
def test_no_framework(code, tmp_path):
    loaded = "print([m for m in ('keras', 'tensorflow', 'jax', 'torch', 'transformers') if m in sys.modules])"
    assert run(f"import sys; {code}; {loaded}", tmp_path / "new").endswith("[]")


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
