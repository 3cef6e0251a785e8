"""Without any extra, does each door say which one to install, and does the help come all the same?

The processes here see no installed package but this one (`python -S`), by links in a folder of its own: where it is
installed, the others are beside it.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from helpers import BACKEND

import gpt2model
import gpt2tok
from checkpoint_files import SAFE
from gpt2model.cli import main
from gpt2model.extras import extra_named

pytestmark = pytest.mark.skipif(BACKEND != "torch", reason="the same on every backend: once is enough")
PACKAGES = [Path(package.__file__ or "").parent for package in (gpt2model, gpt2tok)]


@functools.cache
def sources() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory()
    for package in PACKAGES:
        (Path(folder.name) / package.name).symlink_to(package, target_is_directory=True)
    return folder


def bare(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": sources().name}
    return subprocess.run(
        [sys.executable, "-S", *arguments], capture_output=True, text=True, check=False, env=environment
    )


@pytest.mark.parametrize(
    "command", [["inspect", str(SAFE)], ["convert", str(SAFE), "nowhere"], ["inspect", "gpt2"]]
)
def test_a_command_names_the_extra(command: list[str]) -> None:
    done = bare("-m", "gpt2model", *command)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("gpt2model: error: ")
    assert "pip install 'gpt2tok[model]'" in done.stderr


HIDING = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in %r:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
import importlib.util as found
there = found.find_spec
found.find_spec = lambda name, *more: None if name in %r else there(name, *more)
sys.meta_path.insert(0, Hidden())
"""


def without(packages: Sequence[str], code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A process of someone who never chose a backend and has not these packages."""
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {"KERAS_HOME": str(home), "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
    return subprocess.run(
        [sys.executable, "-c", HIDING % (packages, packages) + code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def test_convert_takes_the_framework_that_is_there(tmp_path: Path) -> None:
    """Keras' own choice is TensorFlow, installed or not."""
    code = f"from gpt2model.cli import main; sys.exit(main(['convert', {str(SAFE)!r}, 'TO']))"
    archive = str(tmp_path / "tiny.keras")
    done = without(["tensorflow"], code.replace("TO", archive), tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{archive}\n", "")


@pytest.mark.parametrize(
    "code",
    [
        f"from gpt2model.cli import main; sys.exit(main(['convert', {str(SAFE)!r}, '/tiny.keras']))",
        "from gpt2model import GPT2LMHeadModel",
    ],
)
def test_without_any_framework(tmp_path: Path, code: str) -> None:
    """What to install, and not the sixty lines of how Keras came to look for it."""
    done = without(["tensorflow", "jax", "torch"], code, tmp_path)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and done.stderr.count("\n") < 16 and "above exception" not in done.stderr
    assert "TensorFlow, JAX or PyTorch" in last and "pip install 'gpt2tok[model,jax]'" in last


def test_the_framework_that_is_there_is_named(tmp_path: Path) -> None:
    done = without(["tensorflow", "torch"], "from gpt2model import GPT2LMHeadModel", tmp_path)
    assert done.stderr.endswith("or set KERAS_BACKEND=jax before Keras is imported\n")


def test_convert_refuses_a_framework_that_there_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "tensorlow")
    assert main(["convert", str(SAFE), "tiny.keras"]) == 2
    assert "KERAS_BACKEND is 'tensorlow': set it to jax, tensorflow, torch" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["inspect"], ["convert"]])
@pytest.mark.parametrize("module", ["gpt2model", "gpt2model.cli"])
def test_help_needs_nothing(module: str, command: list[str]) -> None:
    done = bare("-m", module, *command, "--help")
    assert done.returncode == 0 and "usage: gpt2model" in done.stdout and not done.stderr


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("gpt2model.GPT2LMHeadModel", "gpt2tok[model,jax]"),
        ("gpt2model.GPT2Config.from_pretrained('x')", "gpt2tok[model]"),
        ("import gpt2model.checkpoints", "gpt2tok[model]"),
    ],
)
def test_python_names_the_extra(code: str, words: str) -> None:
    done = bare("-c", f"import gpt2model\n{code}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ") and f"pip install '{words}'" in last


def test_a_configuration_needs_nothing(tmp_path: Path) -> None:
    code = (
        f"from gpt2model import GPT2Config as C; C(n_layer=2).save_pretrained({str(tmp_path)!r}); print(C())"
    )
    assert bare("-c", code).stdout == "GPT2Config()\n"
    assert gpt2model.GPT2Config.from_pretrained(tmp_path).n_layer == 2


@pytest.mark.parametrize(
    ("package", "extra"),
    [("h5py._hl", "model"), ("tensorflow", "model,tf"), ("torch", "model,torch"), ("huggingface_hub", "hub")],
)
def test_every_extra(package: str, extra: str) -> None:
    words = rf"reading needs \w+, .*pip install 'gpt2tok\[{extra}\]'"
    with pytest.raises(ImportError, match=words), extra_named("reading"):
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    with pytest.raises(ModuleNotFoundError, match="no package of ours"), extra_named("reading"):
        raise ModuleNotFoundError("no package of ours", name="elsewhere")


def test_the_extras_are_those_of_the_distribution() -> None:
    from importlib.metadata import metadata

    from gpt2model.extras import _EXTRAS

    declared = set(metadata("gpt2tok").get_all("Provides-Extra") or ())
    assert set(_EXTRAS.values()) <= declared
