"""Checkpoints that are broken, unsound or of something else: one error class, which says what and what to do."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from checkpoint_files import PICKLE, copied, golden_config, golden_weights, write_golden
from checkpoint_refusals import read_all, refused
from gpt2model import CheckpointError
from gpt2model.checkpoints import open_checkpoint
from gpt2model.checkpoints.numbers import fit

# -- pickles


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "epoch3.ckpt", "model.pkl"])
def test_pickles_are_refused(tmp_path: Path, name: str) -> None:
    shutil.copy(PICKLE / "pytorch_model.bin", tmp_path / name)
    for place in (tmp_path, tmp_path / name):
        refused(place, name, "is a pickle", "python -c", "safetensors.torch", "weights_only=True")


def test_the_line_that_converts_a_pickle_converts_it(tmp_path: Path) -> None:
    """The message's command, run as it stands by a shell, in a directory with a space in its name."""
    pytest.importorskip("torch")
    folder = tmp_path / "a model"
    shutil.copytree(PICKLE, folder)
    command = re.search(r"python -c .*", refused(folder))
    assert command is not None
    line = command[0].replace("python", sys.executable, 1)
    subprocess.run(line, shell=True, check=True, capture_output=True, timeout=120)
    values = read_all(folder)
    assert all(np.array_equal(values[name], value) for name, value in golden_weights().items())


@pytest.mark.parametrize("name", ["model.gguf", "model.onnx", "rust_model.ot", "notes.txt", "model.npz"])
def test_other_formats_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"GGUF....")
    refused(tmp_path, "safetensors", "keras-hub")
    refused(tmp_path / name, name)


@pytest.mark.parametrize("name", ["tf_model.h5", "flax_model.msgpack"])
def test_shards_of_tensorflow_and_flax(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.index.json").write_text("{}")
    refused(tmp_path, f"{name}.index.json", "max_shard_size")


def test_nothing_there(tmp_path: Path) -> None:
    refused(tmp_path, "no weights")
    for place in (tmp_path / "nowhere", tmp_path / "model.safetensors"):
        with pytest.raises(FileNotFoundError):
            open_checkpoint(place)


# -- configuration and weights


def test_missing_tensors_are_named(tmp_path: Path) -> None:
    weights = golden_weights()
    gone = ["transformer.h.1.mlp.c_fc.weight", "transformer.wpe.weight"]
    for name in gone:
        del weights[name]
    refused(write_golden(tmp_path / "m", weights), "missing: ", *gone, "config.json")


def test_all_faults_are_named_beside_missing_layers(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["transformer.wpe.weight"] = np.zeros((9, 24), "float32")
    weights["other.weight"] = weights.pop("transformer.ln_f.bias")
    place = write_golden(tmp_path / "m", weights, config={**golden_config(), "n_layer": 3})
    refused(
        place,
        "transformer.h.2.*, transformer.ln_f.bias; extra: other.weight; wrongly shaped: transformer.wpe",
    )


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "module."])
def test_names_of_a_wrapper(tmp_path: Path, wrapper: str) -> None:
    weights = {f"{wrapper}{name}": value for name, value in golden_weights().items()}
    message = refused(
        write_golden(tmp_path / "m", weights), f"save what it wraps (model.{wrapper}save_pretrained)"
    )
    assert (
        "transformer.wte.weight" in message and f"extra: {wrapper}transformer.h.0.attn.c_attn.bias" in message
    )


def test_extra_tensors_are_named(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["v_head.summary.weight"] = np.zeros((1, 24), "float32")
    weights["transformer.h.0.attn.rotary"] = np.zeros(3, "float32")
    message = refused(write_golden(tmp_path / "m", weights), "extra: ", "ignore_unexpected=True")
    assert "v_head.summary.weight" in message and "transformer.h.0.attn.rotary" in message


def test_misshapen_tensors_are_named_with_both_shapes(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["transformer.wte.weight"] = np.zeros((101, 24), "float32")
    refused(write_golden(tmp_path / "m", weights), "transformer.wte.weight (101, 24) instead of (97, 24)")
    weights = golden_weights()
    weights["transformer.h.0.attn.c_attn.weight"] = weights["transformer.h.0.attn.c_attn.weight"].T.copy()
    refused(write_golden(tmp_path / "t", weights), "c_attn.weight (72, 24) instead of (24, 72)")
    weights = golden_weights()
    weights["transformer.ln_f.bias"] = np.array(1.0, "float32")
    refused(write_golden(tmp_path / "s", weights), "transformer.ln_f.bias () instead of (24,)")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_layer": 3}, ["missing", "transformer.h.2."]),
        ({"n_layer": 1}, ["extra", "transformer.h.1.attn.c_attn.weight"]),
        ({"n_layer": 10**12}, ["missing", "999999999999"]),
        ({"n_embd": 30}, ["(97, 24) instead of (97, 30)"]),
        ({"n_embd": 3 * 10**11}, ["wrongly shaped"]),
        ({"n_positions": 65}, ["transformer.wpe.weight (64, 24) instead of (65, 24)"]),
        ({"n_inner": 48}, ["mlp.c_fc.weight (24, 96) instead of (24, 48)"]),
        ({"vocab_size": 10**15}, ["wrongly shaped"]),
        ({"n_head": 5}, ["n_head"]),
        ({"n_head": "three"}, ["n_head"]),
        ({"n_layer": True}, ["n_layer"]),
        ({"model_type": "bert"}, ["bert"]),
        ({"activation_function": "os.system"}, ["activation_function"]),
        ({"activation_function": "builtins.eval"}, ["activation_function"]),
        ({"quantization_config": {"load_in_8bit": True}}, ["quantization_config", "model.quantize"]),
    ],
)
def test_configuration_and_weights_that_disagree(
    tmp_path: Path, changes: dict[str, Any], words: list[str]
) -> None:
    refused(write_golden(tmp_path / "m", config={**golden_config(), **changes}), *words)


def test_cross_attention_in_part(tmp_path: Path) -> None:
    """None of it means a model that gains it; some of it means a file that lost the rest."""
    config = {**golden_config(), "add_cross_attention": True}
    assert "transformer.h.0.crossattention.c_attn.weight" not in read_all(
        write_golden(tmp_path / "none", config=config)
    )
    weights = {**golden_weights(), "transformer.h.0.crossattention.q_attn.bias": np.zeros(24, "float32")}
    refused(
        write_golden(tmp_path / "some", weights, config),
        "missing",
        "transformer.h.1.crossattention.q_attn.bias",
    )
    refused(
        write_golden(tmp_path / "unasked", weights), "extra", "transformer.h.0.crossattention.q_attn.bias"
    )


def test_a_head_that_is_not_the_table_it_is_tied_to(tmp_path: Path) -> None:
    weights = golden_weights()
    weights["lm_head.weight"] = weights["transformer.wte.weight"].copy()
    read_all(write_golden(tmp_path / "same", weights))
    weights["lm_head.weight"][96, 23] += 1
    refused(write_golden(tmp_path / "other", weights), "lm_head.weight differs", "tie_word_embeddings")
    weights["lm_head.weight"] = weights["lm_head.weight"][:90].copy()
    refused(write_golden(tmp_path / "shorter", weights), "lm_head.weight differs")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_numbers_that_are_not_finite(tmp_path: Path, bad: float, dtype: str) -> None:
    weights = {name: value.astype(dtype) for name, value in golden_weights().items()}
    weights["transformer.h.1.mlp.c_proj.weight"][95, 23] = bad
    refused(
        write_golden(tmp_path / "m", weights),
        f"{tmp_path / 'm' / 'model.safetensors'}: transformer.h.1.mlp.c_proj.weight: ",
        "1 of its numbers",
        "not finite",
    )


def test_huge_but_finite_numbers_pass(tmp_path: Path) -> None:
    """Their sum overflows, which must not be taken for a number that is not finite."""
    weights = golden_weights()
    weights["transformer.h.1.mlp.c_proj.weight"][:] = 3e38
    read_all(write_golden(tmp_path / "m", weights))
    with open_checkpoint(tmp_path / "m") as checkpoint:
        tensor = checkpoint.tensors["transformer.h.1.mlp.c_proj.weight"]
        with pytest.raises(CheckpointError, match="too large for float16"):
            fit(tensor, tensor.read(), "float16")
    weights["transformer.h.1.mlp.c_proj.weight"] = np.full((96, 24), 1e300)
    with open_checkpoint(write_golden(tmp_path / "w", weights)) as checkpoint:
        tensor = checkpoint.tensors["transformer.h.1.mlp.c_proj.weight"]
        with pytest.raises(CheckpointError, match="too large for float32: take float64"):
            fit(tensor, tensor.read(), "float32")


def test_integer_weights_are_refused(tmp_path: Path) -> None:
    weights = {**golden_weights(), "transformer.wpe.weight": np.zeros((64, 24), "int8")}
    refused(write_golden(tmp_path / "m", weights), "transformer.wpe.weight (i8)", "without quantization")


# -- files that are cut off or damaged

BINARY = {
    "huggingface_safetensors": "model.safetensors",
    "huggingface_safetensors_sharded": "model-00003-of-00004.safetensors",
    "huggingface_tf_h5": "tf_model.h5",
    "huggingface_flax_msgpack": "flax_model.msgpack",
}


@pytest.mark.parametrize(("name", "file"), BINARY.items())
def test_a_file_cut_off_anywhere(tmp_path: Path, name: str, file: str) -> None:
    folder = copied(name, tmp_path)
    data = (folder / file).read_bytes()
    step = len(data) // 40
    for length in [0, 1, 7, 8, 9, len(data) - 1, *range(step, len(data), step)]:
        (folder / file).write_bytes(data[:length])
        refused(folder, file)


def test_an_openai_checkpoint_cut_off(tmp_path: Path) -> None:
    folder = copied("openai_tf_checkpoint", tmp_path)
    for file in ("model.ckpt.data-00000-of-00001", "model.ckpt.index"):
        data = (folder / file).read_bytes()
        for length in (0, len(data) // 2, len(data) - 1):
            (folder / file).write_bytes(data[:length])
            refused(folder, "model.ckpt.index")
        (folder / file).write_bytes(data)
    (folder / "model.ckpt.data-00000-of-00001").unlink()
    refused(folder, ".data files are missing")


@pytest.mark.parametrize(("name", "file"), BINARY.items())
def test_a_damaged_file_is_refused_or_read(tmp_path: Path, name: str, file: str) -> None:
    """Bytes changed at random, most of them near the beginning, where the structure is: nothing else may come
    out."""
    folder = copied(name, tmp_path)
    data = (folder / file).read_bytes()
    chance = random.Random(name)
    outcomes = []
    for _ in range(80):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 4, 32))):
            damaged[chance.randrange(min(len(data), chance.choice((64, 2048, len(data)))))] = (
                chance.randrange(256)
            )
        (folder / file).write_bytes(damaged)
        try:
            read_all(folder)
            outcomes.append("read")
        except CheckpointError:
            outcomes.append("refused")
    assert outcomes.count("refused") > 10


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '"x"', "[" * 100_000, "\xff", "{}", '{"weight_map": {}}', '{"weight_map": [1]}'],
)
def test_a_broken_index(tmp_path: Path, text: str) -> None:
    folder = copied("huggingface_safetensors_sharded", tmp_path)
    (folder / "model.safetensors.index.json").write_bytes(text.encode("latin-1"))
    refused(folder, "model.safetensors.index.json")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "[" * 100_000, '{"n_embd": 24', '{"n_embd": NaN}', '{"n_embd": 1e999}']
)
def test_a_broken_configuration(tmp_path: Path, text: str) -> None:
    folder = copied("huggingface_safetensors", tmp_path)
    (folder / "config.json").write_text(text)
    refused(folder)


def test_a_gigantic_configuration_is_not_read(tmp_path: Path) -> None:
    folder = copied("huggingface_safetensors", tmp_path)
    with (folder / "config.json").open("wb") as file:
        file.truncate(1 << 40)
    refused(folder, "too many for a configuration")


def test_broken_hparams(tmp_path: Path) -> None:
    folder = copied("openai_tf_checkpoint", tmp_path)
    (folder / "hparams.json").write_text('{"n_vocab": 97, "n_ctx": "64", "n_embd": 24}')
    refused(folder, "n_ctx, n_head, n_layer")


def test_float8_is_refused_by_name(tmp_path: Path) -> None:
    import ml_dtypes

    weights = {**golden_weights(), "transformer.ln_f.bias": np.zeros(24, ml_dtypes.float8_e4m3fn)}
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(golden_config()))
    refused(tmp_path, "transformer.ln_f.bias (f8_e4m3)")
