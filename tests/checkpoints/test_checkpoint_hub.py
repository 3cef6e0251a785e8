"""Checkpoints of the Hugging Face hub, through huggingface_hub itself, offline, over a cache made by hand."""

from __future__ import annotations

import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from checkpoint_files import FORMATS, PICKLE, READABLE, golden_weights
from gpt2model import CheckpointError, GenerationConfig, GPT2Config, GPT2LMHeadModel
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.locating import locate
from gpt2model.cli import main

huggingface_hub = pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(cache: Path, model: str, source: Path, subfolder: str = "") -> None:
    """A model in the cache, as the library itself leaves it there: a snapshot of links into a folder of
    blobs."""
    root = cache / f"models--{model.replace('/', '--')}"
    snapshot, blobs = root / "snapshots" / COMMIT / subfolder, root / "blobs"
    for folder in (snapshot, blobs, root / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(COMMIT)
    for path in source.iterdir():
        shutil.copy(path, blobs / path.name)
        (snapshot / path.name).symlink_to(blobs / path.name)


@pytest.mark.parametrize(
    "name",
    [
        "huggingface_safetensors",
        "huggingface_safetensors_sharded",
        "huggingface_tf_h5",
        "huggingface_flax_msgpack",
        "openai_tf_checkpoint",
    ],
)
def test_every_form_comes_from_the_hub(tmp_path: Path, name: str) -> None:
    cached(tmp_path, "someone/tiny", FORMATS / name)
    place = locate("someone/tiny", cache_dir=tmp_path, local_files_only=True)
    with open_checkpoint(place) as checkpoint:
        assert all(np.array_equal(checkpoint.read(name), value) for name, value in golden_weights().items())


def test_from_pretrained_with_a_subfolder(tmp_path: Path) -> None:
    cached(tmp_path, "tiny", FORMATS / "huggingface_safetensors", "inner")
    model = GPT2LMHeadModel.from_pretrained(
        "tiny",
        subfolder="inner",
        cache_dir=str(tmp_path),
        local_files_only=True,
        token=False,
        revision=COMMIT,
    )
    assert model.config.n_layer == 2
    with pytest.raises(OSError, match=r"no config\.json on the Hugging Face hub"):
        GPT2LMHeadModel.from_pretrained("tiny", cache_dir=tmp_path, local_files_only=True)


def test_a_configuration_alone(tmp_path: Path) -> None:
    """Of a cache that holds no weights: none were asked for."""
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(FORMATS / "huggingface_safetensors" / "config.json", source)
    cached(tmp_path, "someone/tiny", source)
    config = GPT2Config.from_pretrained("someone/tiny", n_layer=3, cache_dir=tmp_path, local_files_only=True)
    assert (config.n_layer, config.n_embd) == (3, 24)
    with pytest.raises(OSError, match="someone/other"):
        GPT2Config.from_pretrained("someone/other", cache_dir=tmp_path, local_files_only=True)


@pytest.mark.parametrize("name", READABLE)
def test_the_configuration_of_every_format(name: str) -> None:
    config = GPT2Config.from_pretrained(FORMATS / name)
    assert (config.n_layer, config.n_embd, config.vocab_size) == (
        2,
        24,
        golden_weights()["transformer.wte.weight"].shape[0],
    )


def test_configurations_that_are_not_there(tmp_path: Path) -> None:
    config = GPT2Config(n_layer=3, pad_token_id=7)
    config.save_pretrained(tmp_path / "new" / "place")
    assert GPT2Config.from_pretrained(tmp_path / "new" / "place") == config
    assert GPT2Config.from_pretrained(tmp_path / "new" / "place" / "config.json") == config
    with pytest.raises(FileNotFoundError):
        GPT2Config.from_pretrained(tmp_path / "none")
    with pytest.raises(TypeError, match="n_layr"):
        GPT2Config.from_pretrained(tmp_path / "new" / "place", n_layr=2)
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(CheckpointError, match="llama"):
        GPT2Config.from_pretrained(tmp_path / "llama")


def test_a_model_with_a_pickle_only(tmp_path: Path) -> None:
    cached(tmp_path, "someone/pickled", PICKLE)
    with pytest.raises(CheckpointError, match=r"pytorch_model\.bin, which is a pickle.*python -c"):
        locate("someone/pickled", cache_dir=tmp_path, local_files_only=True)


def test_a_model_that_lacks_a_shard(tmp_path: Path) -> None:
    cached(tmp_path, "someone/torn", FORMATS / "huggingface_safetensors_sharded")
    (tmp_path / "models--someone--torn" / "snapshots" / COMMIT / "model-00003-of-00004.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks model-00003-of-00004\.safetensors"):
        locate("someone/torn", cache_dir=tmp_path, local_files_only=True)


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="'nobody/nothing' is no directory here"):
        locate("nobody/nothing", cache_dir=tmp_path, local_files_only=True)
    with pytest.raises(OSError, match="cannot fetch"):
        locate("not a name!", cache_dir=tmp_path, local_files_only=True)


@pytest.mark.parametrize("name", ["./gone", "/gone/model", "~/model", "a/b/c", "a\\b"])
def test_what_looks_like_a_path_is_not_asked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("the hub was asked"))
    with pytest.raises(FileNotFoundError, match="no such directory or file"):
        locate(name)


@pytest.mark.parametrize("load", [locate, GPT2Config.from_pretrained])
def test_no_name_at_all(load: Any) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"^'' names no checkpoint: give a directory, a weight file or"
    ):
        load("")


def test_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` as a shell reads it, unless there is something of that very name."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    shutil.copytree(FORMATS / "huggingface_safetensors", tmp_path / "home" / "tiny")
    assert locate("~/tiny") == locate(Path("~/tiny")) == tmp_path / "home" / "tiny"
    GPT2Config(n_layer=3).save_pretrained("~/new")
    assert GPT2Config.from_pretrained(tmp_path / "home" / "new").n_layer == 3
    GenerationConfig(top_k=3).save_pretrained("~/new")
    assert GenerationConfig.from_pretrained("~/new").top_k == 3
    assert not list((tmp_path / "here").iterdir())
    (tmp_path / "here" / "~" / "tiny").mkdir(parents=True)
    assert locate("~/tiny") == Path("~/tiny")


def test_a_directory_comes_before_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *a, **k: pytest.fail("the hub was asked"))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(FORMATS / "huggingface_safetensors", tmp_path / "gpt2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GPT2LMHeadModel.from_pretrained("gpt2").config.vocab_size == 97


def test_the_extra_is_named_when_it_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r"pip install 'gpt2tok\[hub\]'"):
        locate("someone/some-model")
    assert main(["inspect", "someone/some-model"]) == 1
    assert "pip install" in capsys.readouterr().err


def test_tensorflow_is_named_when_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'gpt2tok\[tf\]'"):
        open_checkpoint(FORMATS / "openai_tf_checkpoint")
