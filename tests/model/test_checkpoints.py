"""Every checkpoint format into a model, on the backend under test, against golden outputs and other
loaders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import h5py
import keras
import ml_dtypes
import numpy as np
import pytest
from helpers import BACKEND, GOLDEN, TOLERANCE, array, compiled, difference, tensor
from safetensors.numpy import load_file

import gpt2model
from checkpoint_files import FORMATS, OTHERS, PICKLE, READABLE, SAFE, golden_weights, write_golden
from gpt2model import CheckpointError, GPT2Config, GPT2LMHeadModel
from gpt2model.checkpoints import assigning, open_checkpoint
from gpt2model.checkpoints.names import HEADS, backbone_shapes, head_shapes
from gpt2model.initialisation import blank
from gpt2model.weight_names import named_weights

SMALL = {
    "vocab_size": 19,
    "n_positions": 8,
    "n_embd": 12,
    "n_layer": 2,
    "n_head": 3,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    ("GPT2Model", {"add_cross_attention": True, "n_inner": 20}),
    ("GPT2LMHeadModel", {}),
    ("GPT2LMHeadModel", {"tie_word_embeddings": False}),
    ("GPT2DoubleHeadsModel", {"tie_word_embeddings": False}),
    ("GPT2DoubleHeadsModel", {"summary_use_proj": False}),
    ("GPT2DoubleHeadsModel", {"summary_proj_to_labels": False}),
    ("GPT2DoubleHeadsModel", {"activation_function": "prelu", "summary_activation": "xielu"}),
    ("GPT2ForSequenceClassification", {"num_labels": 5, "activation_function": "xielu"}),
    ("GPT2ForTokenClassification", {"num_labels": 1}),
    ("GPT2ForQuestionAnswering", {"num_labels": 7}),
]


def values(model: Any) -> dict[str, np.ndarray[Any, Any]]:
    """All weights of a model under Hugging Face's names."""
    return {name: slot.read() for name, slot in named_weights(model).items()}


def logits(model: Any, ids: Any) -> np.ndarray[Any, Any]:
    """A model's logits, from one compiled call where single operations are slow to compile."""
    return array(compiled(lambda ids: model(ids, use_cache=False).logits)(tensor(ids)))


def assert_same(left: Any, right: Any) -> None:
    ours, theirs = values(left), values(right)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(value, theirs[name]) for name, value in ours.items())


@pytest.mark.parametrize("name", READABLE)
def test_golden_logits_of_every_format(name: str) -> None:
    golden = load_file(FORMATS / "io.safetensors")
    model = GPT2LMHeadModel.from_pretrained(FORMATS / name)
    assert difference(logits(model, golden["in.input_ids"]), golden["out.logits"]) < TOLERANCE


def test_the_pickle_is_refused() -> None:
    with pytest.raises(CheckpointError, match="is a pickle"):
        GPT2LMHeadModel.from_pretrained(PICKLE)


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("flax_base", "GPT2Model"),
        ("flax_cross_attention", "GPT2LMHeadModel"),
        ("tf_double_heads", "GPT2DoubleHeadsModel"),
        ("tf_sequence_classification", "GPT2ForSequenceClassification"),
    ],
)
def test_golden_outputs_of_tensorflow_and_flax_heads(name: str, class_name: str) -> None:
    golden = load_file(OTHERS / name / "io.safetensors")
    inputs = {key[3:]: tensor(value) for key, value in golden.items() if key.startswith("in.")}
    model = getattr(gpt2model, class_name).from_pretrained(OTHERS / name)
    answer = compiled(lambda inputs: dict(model(inputs, use_cache=False)))(inputs)
    for key, value in golden.items():
        if key.startswith("out."):
            assert difference(array(answer[key[4:]]), value) < TOLERANCE, key


@pytest.mark.parametrize("case", sorted(path.name for path in GOLDEN.iterdir()))
def test_every_class_loads_its_golden_checkpoint(case: str, tmp_path: Path) -> None:
    """Loaded and saved again, the file holds the same tensors under the same names."""
    class_name = json.loads((GOLDEN / case / "case.json").read_text())["class"]
    model = getattr(gpt2model, class_name).from_pretrained(GOLDEN / case)
    expected = load_file(GOLDEN / case / "model.safetensors")
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    assert saved.keys() == expected.keys()
    assert all(np.array_equal(saved[name], value) for name, value in expected.items())
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [class_name]


@pytest.mark.parametrize(("class_name", "changes"), VARIANTS, ids=str)
def test_the_names_known_without_a_model_are_the_models(class_name: str, changes: dict[str, Any]) -> None:
    config = GPT2Config(**SMALL, **changes)
    if class_name == "GPT2DoubleHeadsModel":
        config.num_labels = 1
    wanted = dict(backbone_shapes(config)) | head_shapes(config, class_name)
    assert class_name in HEADS
    with blank():
        slots = named_weights(getattr(gpt2model, class_name)(config))
    prefix = "transformer." if class_name == "GPT2Model" else ""
    assert {prefix + name: slot.shape for name, slot in slots.items()} == wanted


@pytest.mark.parametrize("name", ["huggingface_safetensors", "huggingface_tf_h5", "openai_tf_checkpoint"])
def test_tensors_that_come_in_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every large tensor does: here the block is a few rows of the golden model's."""
    monkeypatch.setattr(assigning, "BLOCK_BYTES", 500)
    model = GPT2LMHeadModel.from_pretrained(FORMATS / name)
    found = values(model)
    assert all(np.array_equal(found[key], value) for key, value in golden_weights().items())


@pytest.mark.parametrize("stored", ["float16", "bfloat16", "float64"])
def test_element_types_become_the_models(
    stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assigning, "BLOCK_BYTES", 2000)
    kind = np.dtype(getattr(ml_dtypes, stored, None) or stored)
    weights = {name: value.astype(kind) for name, value in golden_weights().items()}
    folder = write_golden(tmp_path / "m", weights)
    found = values(GPT2LMHeadModel.from_pretrained(folder))
    for name, value in weights.items():
        assert found[name].dtype == np.float32 and np.array_equal(found[name], value.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "mixed_bfloat16"])
def test_the_dtype_that_is_asked_for(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assigning, "BLOCK_BYTES", 2000)
    model = GPT2LMHeadModel.from_pretrained(SAFE, dtype=dtype)
    variable = "float32" if dtype.startswith("mixed") else dtype
    assert {str(slot.variable.dtype) for slot in named_weights(model).values()} == {variable}
    kind = np.dtype(getattr(ml_dtypes, variable, None) or variable)
    found = values(model)
    for name, value in golden_weights().items():
        assert np.array_equal(found[name].astype("float32"), value.astype(kind).astype("float32")), name
    if dtype.startswith("mixed"):
        golden = load_file(FORMATS / "io.safetensors")
        assert difference(logits(model, golden["in.input_ids"]), golden["out.logits"]) < 0.2


def test_a_dtype_that_is_the_checkpoints(tmp_path: Path) -> None:
    GPT2LMHeadModel.from_pretrained(SAFE, dtype="bfloat16").save_pretrained(tmp_path)
    assert load_file(tmp_path / "model.safetensors")["transformer.ln_f.bias"].dtype == ml_dtypes.bfloat16
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "bfloat16"
    for asked, variable in (("auto", "bfloat16"), (None, "float32"), (np.float16, "float16")):
        model = GPT2LMHeadModel.from_pretrained(tmp_path, dtype=asked)
        assert str(model.transformer.ln_f.gamma.dtype) == variable
    assert GPT2LMHeadModel.from_pretrained(SAFE, torch_dtype="float16").dtype_policy.name == "float16"


def test_numbers_that_are_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = golden_weights()
    weights["transformer.wte.weight"][90, 1] = np.inf
    for block in (assigning.BLOCK_BYTES, 1000):
        monkeypatch.setattr(assigning, "BLOCK_BYTES", block)
        with pytest.raises(
            CheckpointError, match=r"transformer\.wte\.weight: 1 of its numbers are not finite"
        ):
            GPT2LMHeadModel.from_pretrained(write_golden(tmp_path / "m", weights))
    weights["transformer.wte.weight"][90, 1] = 1e5
    folder = write_golden(tmp_path / "m", weights)
    GPT2LMHeadModel.from_pretrained(folder)
    with pytest.raises(CheckpointError, match=r"too large for float16"):
        GPT2LMHeadModel.from_pretrained(folder, dtype="float16")


# -- Keras' own files


@pytest.mark.parametrize("format", ["keras", "weights.h5"])
@pytest.mark.parametrize(
    ("class_name", "changes"),
    [
        ("GPT2Model", {"add_cross_attention": True}),
        ("GPT2LMHeadModel", {"tie_word_embeddings": False, "n_inner": 20}),
        ("GPT2DoubleHeadsModel", {}),
        ("GPT2ForSequenceClassification", {"num_labels": 4}),
        ("GPT2ForTokenClassification", {"num_labels": 3}),
        ("GPT2ForQuestionAnswering", {}),
    ],
)
def test_keras_files_round_trip(
    tmp_path: Path, format: str, class_name: str, changes: dict[str, Any]
) -> None:
    cls = getattr(gpt2model, class_name)
    model = cls(GPT2Config(**SMALL, **changes))
    for index, variable in enumerate(model.trainable_variables):
        variable.assign(np.random.default_rng(index).normal(size=variable.shape).astype("float32"))
    model.save_pretrained(tmp_path, format=format)
    again = cls.from_pretrained(tmp_path)
    assert_same(again, model)
    assert again.config.to_dict() == {**model.config.to_dict(), "architectures": [class_name]}
    # Keras' own loaders, with safe mode on as it is by default, are the judges of what was written.
    if format == "keras":
        assert_same(keras.saving.load_model(tmp_path / "model.keras"), model)
    else:
        fresh = cls(model.config)
        fresh.load_weights(tmp_path / "model.weights.h5")
        assert_same(fresh, model)


@pytest.fixture
def trained() -> GPT2LMHeadModel:
    model = GPT2LMHeadModel(GPT2Config(**SMALL))
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)  # as the first step of fit does
    return model


def test_a_keras_file_of_a_trained_model(tmp_path: Path, trained: GPT2LMHeadModel) -> None:
    """Saved by Keras itself, with the optimizer's state, which is no weight."""
    trained.save(tmp_path / "mine.keras")
    assert_same(GPT2LMHeadModel.from_pretrained(tmp_path / "mine.keras"), trained)
    with open_checkpoint(tmp_path) as checkpoint:
        assert any(name.startswith("optimizer/") for name in checkpoint.ignored)
    base = gpt2model.GPT2Model.from_pretrained(tmp_path / "mine.keras")
    assert_same(base, trained.transformer)


def test_lora_is_merged(tmp_path: Path) -> None:
    model = GPT2LMHeadModel(GPT2Config(**SMALL))
    before = values(model)
    model.enable_lora(2)
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(size=variable.shape).astype("float32"))
    layer = model.transformer.h[1].attn.c_attn
    low, high = (array(part).astype("float64") for part in (layer.lora_kernel_a, layer.lora_kernel_b))
    name = "transformer.h.1.attn.c_attn.weight"
    expected = before[name] + layer.lora_alpha / layer.lora_rank * (low @ high)
    for format in ("safetensors", "keras", "weights.h5"):
        model.save_pretrained(tmp_path / format.replace(".", "-"), format=format)
        plain = GPT2LMHeadModel.from_pretrained(tmp_path / format.replace(".", "-"))
        assert not any("lora" in weight.path for weight in plain.weights)
        found = values(plain)
        assert difference(found[name], expected) < 1e-5, format
        kept = "transformer.h.1.mlp.c_fc.weight"
        assert np.array_equal(found[kept], before[kept])


@pytest.mark.skipif(
    BACKEND == "jax", reason="JAX compiles the quantization of each shape: seconds for the same code"
)
def test_int8_becomes_real_numbers(tmp_path: Path) -> None:
    model = GPT2LMHeadModel.from_pretrained(SAFE)
    before = values(model)
    model.quantize("int8")
    model.save_pretrained(tmp_path)
    saved = values(GPT2LMHeadModel.from_pretrained(tmp_path))
    for name, value in before.items():
        # Each is rounded to one of 255 steps of its column's (or row's) largest number.
        assert difference(saved[name], value) <= np.abs(value).max() / 127, name


def test_keras_weights_beside_another_configuration(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(**SMALL)).save_pretrained(tmp_path, format="weights.h5")
    config = json.loads((tmp_path / "config.json").read_text())
    for changes, words in (
        ({"n_layer": 1}, r"extra: .*1/attn/c_attn"),
        ({"n_layer": 3}, r"missing: transformer\.h\.2"),
        ({"n_embd": 24}, r"transformer\.wte\.weight \(19, 12\) instead of \(19, 24\)"),
        ({"tie_word_embeddings": False}, "says tie_word_embeddings=False: lm_head.weight"),
    ):
        (tmp_path / "config.json").write_text(json.dumps({**config, **changes}))
        with pytest.raises(CheckpointError, match=words):
            GPT2LMHeadModel.from_pretrained(tmp_path)


def test_a_keras_file_that_is_broken(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(**SMALL)).save_pretrained(tmp_path, format="keras")
    data = (tmp_path / "model.keras").read_bytes()
    for length in (0, 10, len(data) // 3, len(data) // 2, len(data) - 30, len(data) - 1):
        (tmp_path / "model.keras").write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"no whole \.keras archive"):
            GPT2LMHeadModel.from_pretrained(tmp_path)


def test_keras_weights_with_a_link_or_nan(tmp_path: Path) -> None:
    model = GPT2LMHeadModel(GPT2Config(**SMALL))
    model.save_pretrained(tmp_path, format="weights.h5")
    path = tmp_path / "model.weights.h5"
    shutil.copy(path, tmp_path / "sound")
    names: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        file[names[0]][0] = np.nan
    with pytest.raises(CheckpointError, match="not finite"):
        GPT2LMHeadModel.from_pretrained(tmp_path)
    shutil.copy(tmp_path / "sound", path)
    with h5py.File(path, "r+") as file:
        del file[names[0]]
        file[names[0]] = h5py.ExternalLink(str(tmp_path / "sound"), names[0])
    with pytest.raises(CheckpointError, match="ExternalLink"):
        GPT2LMHeadModel.from_pretrained(tmp_path)


def test_an_interrupted_save_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = GPT2LMHeadModel(GPT2Config(**SMALL))
    for format in ("safetensors", "keras", "weights.h5", "keras-hub"):
        folder = tmp_path / format.replace(".", "-")
        model.save_pretrained(folder, format=format)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        def fail(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", fail)
            with pytest.raises(KeyboardInterrupt):
                model.save_pretrained(folder, format=format)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
