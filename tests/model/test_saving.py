"""Where a model cannot be saved, is it said why and what to write, and is everything as it was?"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from helpers import TINY

from gpt2model import GenerationConfig, GPT2Config, GPT2LMHeadModel

FORMATS = ("safetensors", "keras-hub", "keras", "weights.h5")


@pytest.fixture(scope="module")
def model() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(**TINY))


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def test_a_model_saved_at_home(
    model: GPT2LMHeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    model.save_pretrained("~/tiny")
    assert not (tmp_path / "~").exists() and (tmp_path / "home" / "tiny" / "model.safetensors").is_file()
    assert GPT2LMHeadModel.from_pretrained("~/tiny").config.n_embd == model.config.n_embd


# What is given, and what must be said of it.
NAMES: dict[str, tuple[type[Exception], str]] = {
    "x.safetensors": (ValueError, r"name of a file.*give '.*x', and model\.safetensors and config\.json"),
    "x.keras": (
        ValueError,
        r"give '.*/x', and model\.keras with format='keras' .*; model\.save\('.*/x\.keras'\)",
    ),
    "x.weights.h5": (ValueError, r"give '.*/x', and model\.weights\.h5"),
    "f-weights.h5": (
        ValueError,
        r"give '.*/f', and model\.weights\.h5 with format='weights\.h5' .*save_weights\('.*/f\.weights\.h5'\)",
    ),
    "f.h5": (ValueError, r"give '.*/f', and model\.weights\.h5 with .*save_weights\('.*/f\.weights\.h5'\)"),
    "weights.h5": (ValueError, r"give '.*/weights', and .*save_weights\('.*/weights\.weights\.h5'\)"),
    "deep/pytorch_model.bin": (ValueError, "give '.*pytorch_model'"),
    "config.json": (ValueError, "name of a file"),
    "file": (FileExistsError, "a file is there.*remove it or choose another name.*/file'"),
    "file.safetensors": (FileExistsError, "a file is there"),
    "file/below": (NotADirectoryError, "file is a file.*correct the path"),
    "file/far/below": (NotADirectoryError, "file is a file"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_no_directory(model: GPT2LMHeadModel, tmp_path: Path, name: str) -> None:
    for file in ("file", "file.safetensors"):
        (tmp_path / file).write_bytes(b"mine")
    before = contents(tmp_path)
    error, words = NAMES[name]
    for save in (model.save_pretrained, model.config.save_pretrained):
        for place in (tmp_path / name, str(tmp_path / name)):
            with pytest.raises(error, match=words):
                save(place)
    for format in FORMATS[1:]:
        with pytest.raises(error, match=words):
            model.save_pretrained(tmp_path / name, format=format)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("place", "error"), [(None, TypeError), (3, TypeError), (b"x", TypeError), ("", ValueError)]
)
def test_what_is_no_path(model: GPT2LMHeadModel, place: Any, error: type[Exception]) -> None:
    for save in (model.save_pretrained, model.config.save_pretrained):
        with pytest.raises(error, match="director"):
            save(place)


def test_a_directory_that_is_called_like_a_file(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    """It is there, so it is meant."""
    (tmp_path / "x.safetensors").mkdir()
    model.save_pretrained(tmp_path / "x.safetensors")
    assert GPT2LMHeadModel.from_pretrained(tmp_path / "x.safetensors").config.n_embd == 16


@pytest.fixture
def as_nobody() -> Iterator[Path]:
    """A directory of root's, seen by a user who may not write into it."""
    if os.name != "posix":
        pytest.skip("permissions of POSIX")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.parametrize("format", FORMATS)
def test_a_directory_one_may_not_write_into(model: GPT2LMHeadModel, as_nobody: Path, format: str) -> None:
    for place in (as_nobody, as_nobody / "new" / "one"):
        with pytest.raises(PermissionError, match=r"cannot .*: .*choose") as caught:
            model.save_pretrained(place, format=format)
        assert str(caught.value.filename).startswith(str(as_nobody))
    with pytest.raises(PermissionError, match="choose"):
        model.config.save_pretrained(as_nobody)
    assert not contents(as_nobody)


def break_writers(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """A disk that is full in the midst of the file after so many good ones."""
    import gpt2model.checkpoints.keras_hub_writing as preset
    import gpt2model.checkpoints.safetensors_writing as safe

    def failing(write: Any, path_at: int) -> Any:
        left = [after]

        def writer(*arguments: Any, **options: Any) -> Any:
            if left[0]:
                left[0] -= 1
                return write(*arguments, **options)
            Path(arguments[path_at]).write_bytes(b"half of it")
            raise OSError(errno.ENOSPC, "No space left on device")

        return writer

    monkeypatch.setattr(safe, "save_file", failing(safe.save_file, 1))
    monkeypatch.setattr(preset.h5py, "File", failing(preset.h5py.File, 0))
    for name in ("save", "save_weights"):
        monkeypatch.setattr(keras.Model, name, failing(getattr(keras.Model, name), 1))


@pytest.mark.parametrize(
    ("format", "shards"), [*((format, False) for format in FORMATS), ("safetensors", True)]
)
def test_a_disk_that_fills_up(
    model: GPT2LMHeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, shards: bool
) -> None:
    options = {"format": format, **({"max_shard_size": "4KB"} if shards else {})}
    old = tmp_path / "old"
    model.save_pretrained(old, **options)
    before = contents(old)
    assert len(before) > 2 if shards else before
    other = GPT2LMHeadModel(GPT2Config(**TINY))
    break_writers(monkeypatch, after=1 if shards else 0)
    with pytest.raises(OSError, match=r"No space left.*free some space.*untouched") as caught:
        other.save_pretrained(old, **options)
    assert caught.value.errno == errno.ENOSPC and Path(caught.value.filename).parent == old
    assert contents(old) == before
    with pytest.raises(OSError, match="No space left"):
        other.save_pretrained(tmp_path / "new" / "deep", **options)
    assert not (tmp_path / "new").exists()
    monkeypatch.undo()
    again = GPT2LMHeadModel.from_pretrained(old)
    for mine, saved in zip(model.weights, again.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(saved))


def test_a_directory_in_a_files_place(model: GPT2LMHeadModel, tmp_path: Path) -> None:
    """Of a shard after the first: nothing may be renamed before it is known."""
    model.save_pretrained(tmp_path, max_shard_size="4KB")
    second = sorted(tmp_path.glob("model-00002-*"))[0]
    second.unlink()
    second.mkdir()
    before = contents(tmp_path)
    with pytest.raises(IsADirectoryError, match=r"a directory stands there: .* remove"):
        GPT2LMHeadModel(GPT2Config(**TINY)).save_pretrained(tmp_path, max_shard_size="4KB")
    assert contents(tmp_path) == before


SHARDS = {"max_shard_size": "4KB"}


@pytest.mark.parametrize(
    ("old", "new"), [({}, {}), ({}, SHARDS), (SHARDS, {}), *(({"format": f},) * 2 for f in FORMATS[1:])]
)
def test_a_rename_that_fails_on_the_way(
    model: GPT2LMHeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: Any, new: Any
) -> None:
    """The first, the last and each between them, and each file that would go: the old ones come back."""
    place, fresh = tmp_path / "place", tmp_path / "fresh"
    model.save_pretrained(place, **old)
    before = contents(place)
    other = GPT2LMHeadModel(GPT2Config(**TINY))
    other.generation_config = GenerationConfig(top_k=3)
    other.save_pretrained(fresh, **new)
    replace, calls, failed = os.replace, 0, 0

    def faulty(source: Any, target: Any) -> None:
        nonlocal calls
        names = Path(source), Path(target)  # A library may rename files of its own.
        ours = any(path.parent == place and not path.name.startswith(".") for path in names)
        calls += ours
        if ours and calls == failed + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO), source, None, target)
        replace(source, target)

    while True:
        calls = 0
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", faulty)
            try:
                other.save_pretrained(place, **new)
                break
            except OSError as error:
                assert "Input/output error" in str(error) and Path(error.filename).parent == place
        failed += 1
        assert contents(place) == before
    assert contents(place).keys() == contents(fresh).keys()
    assert failed == len(before.keys() | contents(fresh).keys())
    again = GPT2LMHeadModel.from_pretrained(place)
    for mine, saved in zip(other.weights, again.weights, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(saved))


def test_what_keras_writes_on_the_way_is_hidden(
    model: GPT2LMHeadModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large model's weights go to a file first, which a kill would leave: not under a name that is seen."""
    from keras.src.saving import saving_lib

    beside, named = [], tempfile.NamedTemporaryFile

    def apart(dir: Path) -> Any:
        beside.append(Path(dir))
        return named(dir=dir)

    monkeypatch.setattr(saving_lib, "is_memory_sufficient", lambda _: False)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", apart)
    model.save_pretrained(tmp_path, format="keras")
    assert [path.parent for path in beside] == [tmp_path] and beside[0].name.startswith(".")
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_a_configuration_is_never_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GPT2Config(n_layer=3).save_pretrained(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for save in (
        lambda: GPT2Config().save_pretrained(tmp_path),
        lambda: GPT2Config().to_json(tmp_path / "config.json"),
    ):
        with pytest.raises(OSError, match="untouched"):
            save()
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert GPT2Config.from_pretrained(tmp_path).n_layer == 3
