"""Every format read into the same names, shapes and numbers; which format a place is; and the names themselves."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from checkpoint_files import (
    FORMATS,
    OTHERS,
    READABLE,
    SAFE,
    copied,
    golden_config,
    golden_weights,
    write_golden,
)
from gpt2model import CheckpointError
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.inspecting import describe
from gpt2model.checkpoints.names import canonical, class_of, layer_count
from gpt2model.checkpoints.places import find


@pytest.mark.parametrize("name", READABLE)
def test_a_golden_directory_has_the_golden_weights(name: str) -> None:
    """All were saved from one model, so the plain safetensors file is the judge of the others, to the last bit."""
    expected = golden_weights()
    with open_checkpoint(FORMATS / name) as checkpoint:
        assert set(checkpoint.names()) == set(expected)
        for tensor in expected:
            assert checkpoint.shape(tensor) == expected[tensor].shape
            assert checkpoint.dtype(tensor) == "float32"
            assert np.array_equal(checkpoint.read(tensor), expected[tensor]), tensor
        assert checkpoint.fields is not None
        sizes = {
            "n_layer": 2,
            "n_head": 3,
            "n_embd": 24,
            "n_positions": 64,
            "vocab_size": 97,
            "eos_token_id": 96,
        }
        assert {field: checkpoint.fields[field] for field in sizes} == sizes
        assert checkpoint.nbytes == sum(value.nbytes for value in expected.values())


@pytest.mark.parametrize("name", READABLE)
def test_a_tensor_says_in_which_directory_it_lies(name: str) -> None:
    """As messages name it; an inspection, which names the place first, has the file alone."""
    with open_checkpoint(FORMATS / name) as checkpoint:
        folder = f"{checkpoint.files[0].parent}{os.sep}"
        assert str(FORMATS / name) in folder
        for tensor, found in zip(checkpoint.tensors.values(), describe(checkpoint)["tensors"], strict=True):
            assert tensor.source == folder + found["source"] and os.sep not in found["source"].split(": ")[0]


@pytest.mark.parametrize("name", READABLE)
def test_blocks_are_the_tensor(name: str) -> None:
    expected = golden_weights()
    with open_checkpoint(FORMATS / name) as checkpoint:
        for tensor in checkpoint.tensors.values():
            starts, blocks = zip(*tensor.blocks(500), strict=True)
            assert list(starts) == list(np.cumsum([0, *(len(block) for block in blocks[:-1])]))
            assert np.array_equal(np.concatenate(blocks), expected[tensor.name])
            if not tensor.whole and tensor.nbytes > 1000:
                assert len(blocks) > 1, f"{tensor.name} came in one block"


@pytest.mark.parametrize("name", sorted(path.name for path in OTHERS.iterdir() if path.is_dir()))
def test_heads_of_the_other_directories(name: str) -> None:
    """Names and shapes against the configuration; the numbers are judged by the outputs, in tests/model."""
    from gpt2model import GPT2Config
    from gpt2model.checkpoints.comparing import compare

    with open_checkpoint(OTHERS / name) as checkpoint:
        config = GPT2Config.from_dict(checkpoint.fields or {})
        class_name = class_of(checkpoint.names(), config.architectures or ())
        comparison = compare(config, checkpoint, class_name)
        assert not list(comparison.faults()) and not comparison.new and not comparison.unused
        assert set(comparison.wanted) == set(checkpoint.names())
    assert (
        class_name
        == {
            "flax_base": "GPT2Model",
            "flax_cross_attention": "GPT2LMHeadModel",
            "tf_double_heads": "GPT2DoubleHeadsModel",
            "tf_sequence_classification": "GPT2ForSequenceClassification",
        }[name]
    )


def test_the_token_table_of_older_tensorflow_files(tmp_path: Path) -> None:
    """The shared embedding's variable was once called weight, and a second model's scope had a number."""
    folder = copied("huggingface_tf_h5", tmp_path)
    with h5py.File(folder / "tf_model.h5", "r+") as file:
        table = file["transformer/tfgpt2lm_head_model/transformer/wte"]
        table["weight:0"] = table["embeddings:0"][...]
        del table["embeddings:0"]
        file.move("transformer/tfgpt2lm_head_model", "transformer/tfgpt2lm_head_model_1")
    with open_checkpoint(folder) as checkpoint:
        assert set(checkpoint.names()) == set(golden_weights())
        assert np.array_equal(
            checkpoint.read("transformer.wte.weight"), golden_weights()["transformer.wte.weight"]
        )


def test_masks_and_old_names_of_pytorch_files(tmp_path: Path) -> None:
    """OpenAI's own models on the hub carry causal masks among their weights, and the oldest files gamma and beta."""
    weights = {name.removeprefix("transformer."): value for name, value in golden_weights().items()}
    for layer in range(2):
        weights[f"h.{layer}.attn.bias"] = np.tril(np.ones((1, 1, 64, 64), "float32"))
        weights[f"h.{layer}.attn.masked_bias"] = np.array(-1e4, "float32")
    weights["ln_f.gamma"], weights["ln_f.beta"] = weights.pop("ln_f.weight"), weights.pop("ln_f.bias")
    with open_checkpoint(write_golden(tmp_path / "m", weights)) as checkpoint:
        assert set(checkpoint.names()) == set(golden_weights())
        assert sorted(checkpoint.ignored) == [
            f"h.{layer}.attn.{name}" for layer in range(2) for name in ("bias", "masked_bias")
        ]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_element_types(tmp_path: Path, dtype: str) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    weights = {name: value.astype(kind) for name, value in golden_weights().items()}
    with open_checkpoint(write_golden(tmp_path / "m", weights)) as checkpoint:
        for name, value in weights.items():
            assert checkpoint.dtype(name) == dtype
            assert np.array_equal(checkpoint.read(name), value)


def test_the_order_of_preference(tmp_path: Path) -> None:
    """A directory of the hub has many forms; the pickle beside them is no reason to refuse it."""
    folder = tmp_path / "all"
    for name in ("huggingface_pytorch_bin", *READABLE[::-1]):
        if name != "huggingface_safetensors_base_only":
            shutil.copytree(FORMATS / name, folder, dirs_exist_ok=True)
    order = []
    while True:
        try:
            found = find(folder)
        except CheckpointError as error:
            assert "is a pickle" in str(error)
            break
        order.append((found.format, found.files[0].name))
        found.files[0].unlink()
    assert order == [
        ("safetensors", "model.safetensors"),
        ("safetensors", "model.safetensors.index.json"),
        ("tf_model.h5", "tf_model.h5"),
        ("flax_model.msgpack", "flax_model.msgpack"),
        ("openai", "model.ckpt.index"),
    ]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("huggingface_safetensors", "model.safetensors"),
        ("huggingface_safetensors_sharded", "model.safetensors.index.json"),
        ("huggingface_tf_h5", "tf_model.h5"),
        ("huggingface_flax_msgpack", "flax_model.msgpack"),
        ("openai_tf_checkpoint", "model.ckpt.index"),
        ("openai_tf_checkpoint", "model.ckpt"),
        ("openai_tf_checkpoint", "model.ckpt.meta"),
    ],
)
def test_a_file_is_a_place_too(name: str, file: str) -> None:
    with open_checkpoint(FORMATS / name / file) as checkpoint:
        assert set(checkpoint.names()) == set(golden_weights())
        assert checkpoint.fields is not None and checkpoint.fields["n_layer"] == 2


def test_several_openai_checkpoints_in_one_directory(tmp_path: Path) -> None:
    """TensorFlow's note says which is the latest. It may name any path; only names in this directory count."""
    folder = copied("openai_tf_checkpoint", tmp_path)
    for path in folder.glob("model.ckpt.*"):
        shutil.copy(path, folder / path.name.replace("model.ckpt", "model-2.ckpt"))
    assert find(folder).files[0].name == "model.ckpt.index"
    (folder / "checkpoint").write_text('model_checkpoint_path: "model-2.ckpt"\n')
    assert find(folder).files[0].name == "model-2.ckpt.index"
    for elsewhere in ("/etc/passwd", "../openai_tf_checkpoint/model.ckpt", "model-3.ckpt"):
        (folder / "checkpoint").write_text(f'model_checkpoint_path: "{elsewhere}"\n')
        with pytest.raises(CheckpointError, match=r"which of model-2\.ckpt\.index, model\.ckpt\.index"):
            find(folder)


def test_optimizer_slots_are_no_weights(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    names = {name: value for name, value in golden_weights().items() if "h.0" in name}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, value in names.items():
            stored = name.replace("transformer.h.0.", "model/h0/").replace(".", "/")
            stored = (
                stored.removesuffix("weight") + "w"
                if stored.endswith("weight")
                else stored.removesuffix("ias")
            )
            stored = stored.replace("ln_1/w", "ln_1/g").replace("ln_2/w", "ln_2/g")
            stored_value = value[None] if value.ndim == 2 else value
            for slot in ("", "/Adam", "/Adam_1"):
                tf.compat.v1.get_variable(f"{stored}{slot}", initializer=stored_value)
        tf.compat.v1.get_variable("beta1_power", initializer=0.9)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(tmp_path / "model.ckpt"), write_meta_graph=False)
    with open_checkpoint(tmp_path) as checkpoint:
        assert set(checkpoint.names()) == set(names)
        assert len(checkpoint.ignored) == 2 * len(names) + 1
        assert all(np.array_equal(checkpoint.read(name), value) for name, value in names.items())


def test_a_keras_hub_preset_as_older_versions_lay_it_out(tmp_path: Path, preset: Path) -> None:
    """Keras 2.13 called the outer group otherwise, and layers of attention had an underscore before their names."""
    with open_checkpoint(preset) as checkpoint:
        expected = {name: checkpoint.read(name) for name in checkpoint.names()}
    older = tmp_path / "older"
    shutil.copytree(preset, older)
    with h5py.File(older / "model.weights.h5", "r+") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
        root = file["_layer_checkpoint_dependencies"]
        root.move("reversible_embedding", "token_embedding")
        root.move("layer_normalization", "layer_norm")
        root.move("transformer_decoder_1", "transformer_layer_1")
        root.move("transformer_decoder", "transformer_layer_0")
        for layer in ("transformer_layer_0", "transformer_layer_1"):
            attention = root[f"{layer}/_self_attention_layer"]
            for part in ("query", "key", "value", "output"):
                attention.move(f"{part}_dense", f"_{part}_dense")
    with open_checkpoint(older) as checkpoint:
        assert set(checkpoint.names()) == set(expected)
        assert all(np.array_equal(checkpoint.read(name), value) for name, value in expected.items())


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A keras-hub preset laid out by hand, from what keras-hub 0.32 writes; tests/model reads keras-hub's own."""
    folder = tmp_path_factory.mktemp("preset")
    fields = {"vocabulary_size": 97, "num_layers": 2, "num_heads": 3, "hidden_dim": 24, "intermediate_dim": 96,
              "dropout": 0.1, "max_sequence_length": 64}  # fmt: skip
    # The module and the registered name are code to Keras; here they are words.
    preset = {
        "module": "evil",
        "class_name": "GPT2Backbone",
        "config": fields,
        "registered_name": "evil>GPT2Backbone",
    }
    (folder / "config.json").write_text(json.dumps(preset))
    weights = {name.removeprefix("transformer."): value for name, value in golden_weights().items()}
    with h5py.File(folder / "model.weights.h5", "w") as file:

        def put(layer: str, **values: Any) -> None:
            for index, value in enumerate(values.values()):
                file[f"layers/{layer}/vars/{index}"] = value

        put("reversible_embedding", table=weights["wte.weight"])
        put("position_embedding", table=weights["wpe.weight"])
        put("layer_normalization", gamma=weights["ln_f.weight"], beta=weights["ln_f.bias"])
        for index, block in enumerate(("transformer_decoder", "transformer_decoder_1")):
            h = {name.removeprefix(f"h.{index}."): value for name, value in weights.items()}
            put(f"{block}/_self_attention_layer_norm", gamma=h["ln_1.weight"], beta=h["ln_1.bias"])
            put(f"{block}/_feedforward_layer_norm", gamma=h["ln_2.weight"], beta=h["ln_2.bias"])
            put(
                f"{block}/_feedforward_intermediate_dense",
                kernel=h["mlp.c_fc.weight"],
                bias=h["mlp.c_fc.bias"],
            )
            put(
                f"{block}/_feedforward_output_dense", kernel=h["mlp.c_proj.weight"], bias=h["mlp.c_proj.bias"]
            )
            kernels = np.split(h["attn.c_attn.weight"], 3, axis=1)
            biases = np.split(h["attn.c_attn.bias"], 3)
            for part, kernel, bias in zip(("query", "key", "value"), kernels, biases, strict=True):
                put(
                    f"{block}/_self_attention_layer/{part}_dense",
                    kernel=kernel.reshape(24, 3, 8),
                    bias=bias.reshape(3, 8),
                )
            put(
                f"{block}/_self_attention_layer/output_dense",
                kernel=h["attn.c_proj.weight"].reshape(3, 8, 24),
                bias=h["attn.c_proj.bias"],
            )
    return folder


def test_a_keras_hub_preset(preset: Path) -> None:
    expected = golden_weights()
    with open_checkpoint(preset) as checkpoint:
        assert checkpoint.format == "keras-hub"
        assert set(checkpoint.names()) == set(expected)
        for name, value in expected.items():
            assert np.array_equal(
                np.concatenate([block for _, block in checkpoint.tensors[name].blocks(300)]), value
            ), name
        assert checkpoint.fields is not None and checkpoint.fields["n_inner"] is None


def test_names_without_files() -> None:
    assert canonical("transformer.h.11.mlp.c_fc.bias") == "transformer.h.11.mlp.c_fc.bias"
    assert canonical("wte.weight") == "transformer.wte.weight"
    assert canonical("h.0.attn.c_attn.gamma") == "transformer.h.0.attn.c_attn.weight"
    for foreign in (
        "h.0.attn.rotary.weight",
        "transformer.h.x.ln_1.bias",
        "lm_head.weight",
        "h.01.ln_1.bias",
        "",
    ):
        assert canonical(foreign) == foreign
    assert canonical("transformer.h.3.crossattention.masked_bias") is None
    assert (
        layer_count(["transformer.h.4.ln_1.bias", "transformer.wte.weight", "transformer.h.2.ln_1.bias"]) == 5
    )
    assert layer_count([]) == 0


@pytest.mark.parametrize(
    ("names", "architectures", "class_name"),
    [
        ([], ["GPT2Model"], "GPT2Model"),
        ([], ["TFGPT2LMHeadModel"], "GPT2LMHeadModel"),
        ([], ["SomebodysModel"], "GPT2LMHeadModel"),
        (["score.weight"], ["GPT2LMHeadModel"], "GPT2ForSequenceClassification"),
        (["classifier.bias", "classifier.weight"], [], "GPT2ForTokenClassification"),
        (["lm_head.weight", "multiple_choice_head.summary.bias"], [], "GPT2DoubleHeadsModel"),
        (["lm_head.weight"], ["GPT2DoubleHeadsModel"], "GPT2DoubleHeadsModel"),
        (["lm_head.weight"], [], "GPT2LMHeadModel"),
    ],
)
def test_the_class_of_a_checkpoint(names: list[str], architectures: list[str], class_name: str) -> None:
    assert class_of(names, architectures) == class_name


def test_a_checkpoint_without_configuration_opens(tmp_path: Path) -> None:
    shutil.copy(SAFE / "model.safetensors", tmp_path)
    with open_checkpoint(tmp_path) as checkpoint:
        assert checkpoint.fields is None and len(checkpoint.names()) == len(golden_weights())


def test_shards_are_read_where_the_index_says(tmp_path: Path) -> None:
    """As transformers writes them: any names, tensors in any of them."""
    weights = sorted(golden_weights().items())
    save_file(dict(weights[::2]), tmp_path / "even.safetensors")
    save_file(dict(weights[1::2]), tmp_path / "odd.safetensors")
    index = {name: ("even", "odd")[i % 2] + ".safetensors" for i, (name, _) in enumerate(weights)}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    (tmp_path / "config.json").write_text(json.dumps(golden_config()))
    with open_checkpoint(tmp_path) as checkpoint:
        assert [path.name for path in checkpoint.files] == ["even.safetensors", "odd.safetensors"]
        assert all(np.array_equal(checkpoint.read(name), value) for name, value in weights)


def test_the_golden_files_are_as_they_were() -> None:
    """What every other test here trusts: the plain file against the shards, by the safetensors library alone."""
    shards: dict[str, Any] = {}
    for path in (FORMATS / "huggingface_safetensors_sharded").glob("*.safetensors"):
        shards |= load_file(path)
    assert all(np.array_equal(value, shards[name]) for name, value in golden_weights().items())
