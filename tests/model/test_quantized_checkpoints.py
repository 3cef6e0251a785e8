"""int8 and LoRA in checkpoints: `from_pretrained` gives real numbers, the command converts, an inspection tells the
truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers import TINY, answer, array, difference, ids_of
from safetensors.numpy import load_file

import gpt2model
from gpt2model import CheckpointError, GPT2Config
from gpt2model.cli import main
from gpt2model.weight_names import named_weights

FIELDS = {**TINY, "n_layer": 2, "pad_token_id": 0}


def lora(model: Any, **arguments: Any) -> Any:
    model.enable_lora(2, lora_alpha=5, **arguments)
    numbers = np.random.default_rng(8)
    for layer in model._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            layer.lora_kernel_b.assign(numbers.normal(0, 0.1, layer.lora_kernel_b.shape))
    return model


def int8(model: Any) -> Any:
    model.quantize("int8")
    return model


PRELU = {"activation_function": "prelu", "summary_activation": "prelu"}
MODELS: dict[str, Callable[[], Any]] = {
    "int8": lambda: int8(gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS))),
    "int8, untied": lambda: int8(gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS, tie_word_embeddings=False))),
    "int8, bfloat16": lambda: int8(gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS), dtype="bfloat16")),
    "int8, a classifier": lambda: int8(gpt2model.GPT2ForSequenceClassification(GPT2Config(**FIELDS))),
    "int8, double heads": lambda: int8(gpt2model.GPT2DoubleHeadsModel(GPT2Config(**FIELDS))),
    "int8, cross-attention": lambda: int8(
        gpt2model.GPT2Model(GPT2Config(**FIELDS, add_cross_attention=True))
    ),
    "int8, prelu": lambda: int8(gpt2model.GPT2DoubleHeadsModel(GPT2Config(**FIELDS, **PRELU))),
    "LoRA": lambda: lora(gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS)), target_names=["c_attn", "c_fc"]),
    "LoRA on a head": lambda: lora(
        gpt2model.GPT2ForQuestionAnswering(GPT2Config(**FIELDS)), target_names=["qa_outputs"]
    ),
    "QLoRA": lambda: lora(int8(gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS)))),
}


@pytest.mark.parametrize("format", ["keras", "weights.h5", "safetensors", "keras-hub"])
@pytest.mark.parametrize("kind", MODELS)
def test_real_numbers_of_every_format(kind: str, format: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    if format == "keras-hub" and type(model).__name__ != "GPT2LMHeadModel":
        pytest.skip("a preset holds a language model")
    if format == "keras-hub" and "untied" in kind:
        pytest.skip("a preset ties its head")
    wanted = {name: slot.read() for name, slot in named_weights(model).items()}
    model.save_pretrained(tmp_path / "m", format=format)
    again, report = type(model).from_pretrained(tmp_path / "m", output_loading_info=True)
    assert not any(report.values())
    for name, slot in named_weights(again).items():
        assert str(slot.variable.dtype) == "float32"
        assert difference(slot.read(), wanted[name]) <= 1e-6 * (1 + np.abs(wanted[name]).max()), name
    assert len(again.trainable_variables) == len(wanted), "a fresh model, all of which learns"


def test_quantized_again_it_is_the_same(tmp_path: Path) -> None:
    """What the documentation promises of a way back to int8."""
    model = MODELS["int8"]()
    model.save_pretrained(tmp_path / "m", format="keras")
    again = int8(gpt2model.GPT2LMHeadModel.from_pretrained(tmp_path / "m"))
    ids = ids_of(4)
    assert difference(array(answer(again, ids).logits), array(answer(model, ids).logits)) < 1e-4
    for one, other in zip(again.weights, model.weights, strict=True):
        if str(one.dtype) == "int8":
            assert np.array_equal(array(one), array(other)), one.path


@pytest.mark.parametrize("kind", ["int8", "QLoRA"])
def test_the_command(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = MODELS[kind]()
    archive = tmp_path / "m.keras"
    model.save(archive)
    assert main(["inspect", "--json", "--check", str(archive)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["faults"] == [] and found["new"] == [] and found["unused"] == []
    told = {tensor["name"]: tensor for tensor in found["tensors"]}
    kernel, table = told["transformer.h.0.attn.c_attn.weight"], told["transformer.wte.weight"]
    assert table["dtype"] == "int8" and table["bytes"] == 64 * 16 + 64 * 4 and table["shape"] == [64, 16]
    assert told["transformer.ln_f.weight"]["dtype"] == "float32"
    more = (16 * 2 + 2 * 48 + 1) * 4 if kind == "QLoRA" else 0
    assert kernel["dtype"] == ("int8 + LoRA" if more else "int8")
    assert kernel["bytes"] == 16 * 48 + 48 * 4 + more
    assert found["parameters"] == sum(int(np.prod(slot.shape)) for slot in named_weights(model).values())
    assert main(["inspect", str(archive)]) == 0
    assert "int8" in capsys.readouterr().out
    assert main(["convert", str(archive), str(tmp_path / "out")]) == 0
    stored = load_file(tmp_path / "out" / "model.safetensors")
    for name, slot in named_weights(model).items():
        assert stored[name].dtype == np.float32 and difference(stored[name], slot.read()) < 1e-6, name


def test_broken_scales_are_found(tmp_path: Path) -> None:
    """A scale of zero makes infinite numbers; scales that are gone, or of another length, make no weight at all."""
    model = MODELS["int8"]()
    for number, (damage, words) in enumerate(
        {
            "zero": "not finite",
            "gone": r"c_attn\.weight \(int8\).*without quantization",
            "short": r"c_attn\.weight \(int8\).*without quantization",
        }.items()
    ):
        folder = tmp_path / str(number)
        model.save_pretrained(folder, format="weights.h5")
        with h5py.File(folder / "model.weights.h5", "r+") as file:
            found: list[str] = []
            file.visit(found.append)
            [scale] = [name for name in found if name.endswith("h/gpt2_block/attn/c_attn/vars/2")]
            if damage == "zero":
                file[scale][3] = 0
            else:
                del file[scale]
                if damage == "short":
                    file[scale] = np.ones(7, "float32")
        with pytest.raises(CheckpointError, match=words):
            gpt2model.GPT2LMHeadModel.from_pretrained(folder)


def test_int4_is_refused_by_name(tmp_path: Path) -> None:
    model = gpt2model.GPT2LMHeadModel(GPT2Config(**FIELDS))
    model.quantize("int4")
    with pytest.raises(ValueError, match=r"quantized to int4, .*or with model\.save\('model\.keras'\)"):
        model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    model.save(tmp_path / "m.keras")
    with pytest.raises(
        CheckpointError, match=r"of a type that is no weight's: .*\(int8\).*without quantization"
    ):
        gpt2model.GPT2LMHeadModel.from_pretrained(tmp_path / "m.keras")
