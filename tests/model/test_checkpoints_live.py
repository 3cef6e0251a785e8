"""Checkpoints to and from transformers 5 and keras-hub, both installed and run: what they write we read, and
back."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch
from helpers import BACKEND, TOLERANCE, array, compiled, difference, tensor

import gpt2model
from checkpoint_files import FORMATS, SAFE, golden_weights
from gpt2model import GPT2Config, GPT2LMHeadModel, GPT2Model
from gpt2model.checkpoints import open_checkpoint
from gpt2model.cli import main
from gpt2model.weight_names import named_weights
from gpt2tok._core import gpt2_vocabulary

transformers = pytest.importorskip("transformers")
# Files know no backend, and how their numbers get into variables is tested on each in test_checkpoints.py.
pytestmark = pytest.mark.skipif(
    BACKEND != "torch", reason="files are the same on every backend: once is enough"
)

SMALL: dict[str, Any] = {"vocab_size": 41, "n_positions": 16, "n_embd": 20, "n_layer": 3, "n_head": 5,
                         "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3, "initializer_range": 0.2}  # fmt: skip
CLASSES: list[tuple[str, dict[str, Any]]] = [
    ("GPT2Model", {}),
    ("GPT2LMHeadModel", {"tie_word_embeddings": False, "n_inner": 30}),
    ("GPT2LMHeadModel", {"add_cross_attention": True}),
    ("GPT2DoubleHeadsModel", {}),
    ("GPT2DoubleHeadsModel", {"activation_function": "prelu", "summary_activation": "xielu"}),
    ("GPT2LMHeadModel", {"activation_function": "xielu"}),
    ("GPT2ForSequenceClassification", {"num_labels": 4}),
    ("GPT2ForTokenClassification", {"num_labels": 3}),
    ("GPT2ForQuestionAnswering", {}),
]


def state(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a transformers model, without the head that is tied."""
    tied = model.config.tie_word_embeddings
    return {
        name: value.detach().float().numpy()
        for name, value in model.state_dict().items()
        if not (tied and name == "lm_head.weight")
    }


def ours(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    return {name: slot.read() for name, slot in named_weights(model).items()}


def assert_same(left: dict[str, np.ndarray[Any, Any]], right: dict[str, np.ndarray[Any, Any]]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert np.array_equal(value, right[name]), name


@pytest.mark.parametrize(("class_name", "changes"), CLASSES)
def test_what_transformers_saves(tmp_path: Path, class_name: str, changes: dict[str, Any]) -> None:
    theirs = getattr(transformers, class_name)(transformers.GPT2Config(**SMALL, **changes))
    for size, folder in (("5GB", tmp_path / "one"), ("40KB", tmp_path / "many")):
        theirs.save_pretrained(folder, max_shard_size=size)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            model = getattr(gpt2model, class_name).from_pretrained(folder)
        assert_same(ours(model), state(theirs))
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1


@pytest.mark.parametrize(("class_name", "changes"), CLASSES)
def test_what_transformers_loads(tmp_path: Path, class_name: str, changes: dict[str, Any]) -> None:
    model = getattr(gpt2model, class_name)(GPT2Config(**SMALL, **changes))
    for size, folder in (("5GB", tmp_path / "one"), ("40KB", tmp_path / "many")):
        model.save_pretrained(folder, max_shard_size=size)
        theirs, report = getattr(transformers, class_name).from_pretrained(folder, output_loading_info=True)
        assert not any(report.values()), report
        assert_same(state(theirs), ours(model))
        kept = ("n_inner", "add_cross_attention", "pad_token_id", "num_labels", "summary_type", "resid_pdrop")
        assert {name: getattr(theirs.config, name) for name in kept} == {
            name: getattr(model.config, name) for name in kept
        }
    assert type(transformers.AutoModel.from_pretrained(tmp_path / "one")).__name__ == "GPT2Model"


def test_a_base_model_into_heads_as_transformers_does_it() -> None:
    """The same tensors are new and the same are unused in both, whatever the checkpoint and the class."""
    base_only = FORMATS / "huggingface_safetensors_base_only"
    for source in (SAFE, base_only):
        for class_name in sorted({name for name, _ in CLASSES}):
            _, expected = getattr(transformers, class_name).from_pretrained(source, output_loading_info=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                _, found = getattr(gpt2model, class_name).from_pretrained(source, output_loading_info=True)
            for key in ("missing_keys", "unexpected_keys"):
                assert sorted(found[key]) == sorted(expected[key]), (source.name, class_name, key)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_with_transformers(tmp_path: Path, dtype: str) -> None:
    GPT2LMHeadModel.from_pretrained(SAFE).save_pretrained(tmp_path / "ours", dtype=dtype)
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours", dtype="auto")
    assert theirs.dtype == getattr(torch, dtype)
    theirs.save_pretrained(tmp_path / "theirs")
    found = ours(GPT2LMHeadModel.from_pretrained(tmp_path / "theirs"))
    for name, value in golden_weights().items():
        assert np.array_equal(found[name], torch.tensor(value).to(theirs.dtype).float().numpy())


# -- keras-hub


@pytest.fixture(scope="module")
def hub() -> Any:
    return pytest.importorskip("keras_hub")


def hub_logits(backbone: Any, ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    def run(ids: Any) -> Any:
        hidden = backbone({"token_ids": ids, "padding_mask": keras.ops.ones_like(ids)})
        return backbone.token_embedding(hidden, reverse=True)

    return array(compiled(run)(tensor(ids.astype("int32"))))


@pytest.mark.parametrize("name", ["huggingface_safetensors", "openai_tf_checkpoint"])
def test_a_preset_that_keras_hub_loads(hub: Any, tmp_path: Path, name: str) -> None:
    from safetensors.numpy import load_file

    golden = load_file(FORMATS / "io.safetensors")
    assert main(["convert", str(FORMATS / name), str(tmp_path), "--format", "keras-hub"]) == 0
    backbone = hub.models.GPT2Backbone.from_preset(str(tmp_path))
    assert difference(hub_logits(backbone, golden["in.input_ids"]), golden["out.logits"]) < TOLERANCE


def test_a_preset_that_keras_hub_saves(hub: Any, tmp_path: Path) -> None:
    theirs = hub.models.GPT2Backbone(
        vocabulary_size=29,
        num_layers=12,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=24,
        max_sequence_length=10,
        dropout=0.2,
    )
    for index, variable in enumerate(theirs.trainable_variables):
        variable.assign(np.random.default_rng(index).normal(size=variable.shape).astype("float32"))
    ids = np.arange(20).reshape(2, 10)
    expected = hub_logits(theirs, ids)
    for size, folder in ((10, tmp_path / "one"), (1e-5, tmp_path / "many")):
        theirs.save_to_preset(str(folder), max_shard_size=size)
        model = GPT2LMHeadModel.from_pretrained(folder)
        assert (model.config.n_inner, model.config.embd_pdrop, model.config.n_positions) == (24, 0.2, 10)
        answer = array(compiled(lambda ids, model=model: model(ids, use_cache=False).logits)(tensor(ids)))
        assert difference(answer, expected) < TOLERANCE
    assert len(list((tmp_path / "many").glob("*.weights.h5"))) > 1
    # And back: the same numbers in the same places.
    model.save_pretrained(tmp_path / "back", format="keras-hub")
    again = hub.models.GPT2Backbone.from_preset(str(tmp_path / "back"))
    for mine, own in zip(again.trainable_variables, theirs.trainable_variables, strict=True):
        assert np.array_equal(array(mine), array(own)), own.path
    assert again.dropout == 0.2


def test_a_preset_in_half_precision(hub: Any, tmp_path: Path) -> None:
    GPT2Model.from_pretrained(SAFE).save_pretrained(tmp_path / "ours", format="keras-hub", dtype="bfloat16")
    theirs = hub.models.GPT2Backbone.from_preset(str(tmp_path / "ours"))
    theirs.save_to_preset(str(tmp_path / "theirs"))
    found = ours(GPT2LMHeadModel.from_pretrained(tmp_path / "theirs"))
    for name, value in golden_weights().items():
        assert np.array_equal(found[name], torch.tensor(value).bfloat16().float().numpy()), name
    backbone = hub.models.GPT2Backbone.from_preset(str(tmp_path / "ours"), dtype="bfloat16")
    backbone.save_to_preset(str(tmp_path / "half"))
    with open_checkpoint(tmp_path / "half") as checkpoint:
        assert {tensor.dtype for tensor in checkpoint.tensors.values()} == {"bfloat16"}
        value = checkpoint.read("transformer.wte.weight").astype("float32")
    assert np.array_equal(
        value, torch.tensor(golden_weights()["transformer.wte.weight"]).bfloat16().float().numpy()
    )


def test_a_whole_language_model_of_keras_hub(hub: Any, tmp_path: Path) -> None:
    """With its tokenizer: keras-hub makes its CausalLM of what `convert` writes, and it tokenizes like
    ours."""
    import gpt2tok

    pytest.importorskip("tensorflow_text")
    vocab, merges = gpt2_vocabulary()
    source = tmp_path / "hf"
    config = GPT2Config(n_embd=8, n_head=2, n_layer=1, n_positions=16)
    GPT2LMHeadModel(config).save_pretrained(source)
    (source / "vocab.json").write_text(json.dumps(vocab), "utf-8")
    (source / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in merges), "utf-8"
    )
    assert main(["convert", str(source), str(tmp_path / "hub"), "--format", "keras-hub"]) == 0
    task = hub.models.GPT2CausalLM.from_preset(str(tmp_path / "hub"))
    text = "Hello world, it's 2024!<|endoftext|>"
    ids = np.asarray(task.preprocessor.tokenizer(text)).tolist()
    assert ids == gpt2tok.get_encoding("gpt2").encode(text, allowed_special="all")
    assert task.backbone.count_params() == GPT2LMHeadModel(config).count_params()


def test_what_a_preset_cannot_hold(tmp_path: Path) -> None:
    for changes, words in (
        ({"activation_function": "relu"}, "activation_function='relu'"),
        ({"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings"),
        ({"add_cross_attention": True}, "add_cross_attention"),
    ):
        model = GPT2LMHeadModel(GPT2Config(**SMALL, **changes))
        with pytest.raises(gpt2model.CheckpointError, match=words):
            model.save_pretrained(tmp_path / "p", format="keras-hub")
    model = gpt2model.GPT2ForQuestionAnswering(GPT2Config(**SMALL))
    with pytest.raises(gpt2model.CheckpointError, match=r"no place for qa_outputs\.bias, qa_outputs\.weight"):
        model.save_pretrained(tmp_path / "p", format="keras-hub")
    assert not (tmp_path / "p").exists()
