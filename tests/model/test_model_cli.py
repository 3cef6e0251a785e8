"""`gpt2model convert | inspect` with Keras' own files, which need a model; the rest is in
tests/test_checkpoint_cli.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import BACKEND
from safetensors.numpy import load_file

from checkpoint_files import FORMATS, OTHERS, SAFE, golden_weights
from gpt2model import GPT2Config, GPT2LMHeadModel
from gpt2model.cli import main
from gpt2model.weight_names import named_weights

# Reading and writing Keras' files is tested on each backend in test_checkpoints.py.
pytestmark = pytest.mark.skipif(
    BACKEND != "torch", reason="the command is the same on every backend: once is enough"
)


@pytest.mark.parametrize(
    "name", ["huggingface_safetensors_sharded", "huggingface_tf_h5", "openai_tf_checkpoint"]
)
def test_to_a_keras_file_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    archive = tmp_path / "tiny.keras"
    assert main(["convert", str(FORMATS / name), str(archive)]) == 0
    assert capsys.readouterr().out == f"{archive}\n"
    model = keras.saving.load_model(archive)
    assert isinstance(model, GPT2LMHeadModel)
    for key, slot in named_weights(model).items():
        assert np.array_equal(slot.read(), golden_weights()[key])
    assert main(["convert", str(archive), str(tmp_path / "back")]) == 0
    stored = load_file(tmp_path / "back" / "model.safetensors")
    assert stored.keys() == golden_weights().keys()
    assert all(np.array_equal(stored[key], value) for key, value in golden_weights().items())


def test_a_keras_file_is_replaced_only_with_overwrite(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "tiny.keras"
    archive.write_text("years of work", "utf-8")
    assert main(["convert", str(SAFE), str(archive)]) == 1
    assert f"{archive}: is there already: " in capsys.readouterr().err
    assert archive.read_text("utf-8") == "years of work"
    assert main(["convert", str(SAFE), str(archive), "--overwrite"]) == 0
    assert isinstance(keras.saving.load_model(archive), GPT2LMHeadModel)


def test_the_state_of_an_optimizer_is_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=8, n_embd=4, n_layer=1, n_head=2))
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)  # as the first step of fit does
    model.save(tmp_path / "trained.keras")
    assert main(["inspect", "--check", str(tmp_path / "trained.keras")]) == 0
    printed = capsys.readouterr()
    arrays = len(model.optimizer.variables)
    assert printed.out.endswith(f"\nbeside the weights: the state of an optimizer, {arrays} arrays\n")
    assert "optimizer/" not in printed.out and not printed.err
    assert main(["inspect", "--json", str(tmp_path / "trained.keras")]) == 0
    assert len(json.loads(capsys.readouterr().out)["ignored"]) == arrays


def test_another_models_tokenizer_is_not_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = shutil.copytree(SAFE, tmp_path / "source")
    for name in ("vocab.json", "merges.txt"):
        (source / name).write_text(name, "utf-8")
    (tmp_path / "here").mkdir()
    assert main(["convert", str(source), str(tmp_path / "here" / "a.keras")]) == 0
    assert main(["convert", str(source), str(tmp_path / "here" / "b.keras")]) == 0  # the same tokenizer
    (source / "vocab.json").write_text("another", "utf-8")
    before = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    capsys.readouterr()
    assert main(["convert", str(source), str(tmp_path / "here" / "c.keras")]) == 1
    assert "holds another tokenizer (vocab.json)" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == before


def test_to_keras_weights_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(SAFE), str(tmp_path / "w"), "--format", "weights.h5"]) == 0
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["config.json", "model.weights.h5"]
    assert main(["convert", str(tmp_path / "w"), str(tmp_path / "back"), "--max-shard-size", "30KB"]) == 0
    shards = [load_file(path) for path in (tmp_path / "back").glob("*.safetensors")]
    assert len(shards) > 1
    stored = {key: value for shard in shards for key, value in shard.items()}
    assert all(np.array_equal(stored[key], value) for key, value in golden_weights().items())
    capsys.readouterr()
    assert main(["inspect", "--json", "--check", str(tmp_path / "w")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (
        found["format"] == "weights.h5"
        and found["class"] == "GPT2LMHeadModel"
        and found["parameters"] == 18_360
    )


def test_heads_go_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("tf_double_heads", "tf_sequence_classification", "flax_cross_attention", "flax_base"):
        assert main(["convert", str(OTHERS / name), str(tmp_path / f"{name}.keras")]) == 0
        assert main(["convert", str(tmp_path / f"{name}.keras"), str(tmp_path / name)]) == 0
        assert main(["convert", str(OTHERS / name), str(tmp_path / f"{name}-straight")]) == 0
        around = load_file(tmp_path / name / "model.safetensors")
        straight = load_file(tmp_path / f"{name}-straight" / "model.safetensors")
        assert around.keys() == straight.keys()
        assert all(np.array_equal(value, around[key]) for key, value in straight.items())
    assert not capsys.readouterr().err


def test_dtype_of_a_keras_file(tmp_path: Path) -> None:
    assert (
        main(["convert", str(SAFE), str(tmp_path / "half"), "--format", "keras", "--dtype", "float16"]) == 0
    )
    model = keras.saving.load_model(tmp_path / "half" / "model.keras")
    assert model.dtype_policy.name == "float16"
