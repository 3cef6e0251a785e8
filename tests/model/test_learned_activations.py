"""Do activations with weights of their own do all that the others do? Training, policies, files, generation, export.

That their numbers are transformers' is the business of `test_transformers.py` and `test_checkpoints_live.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from helpers import BACKEND, STILL, TINY, answer, array, difference, ids_of, prepared

import gpt2model
from gpt2model import CheckpointError, GPT2Config
from gpt2model.cli import main
from gpt2model.weight_names import named_weights

NAMES = ["prelu", "xielu"]


def model_of(name: str, class_name: str = "GPT2LMHeadModel", dtype: Any = None, **fields: Any) -> Any:
    """A model with these activations, whose numbers are not the first ones."""
    fields = {**TINY, **STILL, "pad_token_id": 0, "eos_token_id": None, "bos_token_id": None, **fields}
    config = GPT2Config(**fields, activation_function=name, summary_activation=name)
    model = getattr(gpt2model, class_name)(config, dtype=dtype)
    for key, slot in learned(model).items():
        if not key.endswith((".beta", ".eps")):
            slot.assign(slot.read() + 0.3)
    return model


def learned(model: Any) -> dict[str, Any]:
    return {name: slot for name, slot in named_weights(model).items() if ".act" in name}


@pytest.mark.parametrize("name", NAMES)
def test_fit_moves_them(name: str) -> None:
    model = model_of(name)
    before = {key: slot.read().copy() for key, slot in learned(model).items()}
    ids = ids_of(8)
    prepared(model, keras.optimizers.SGD(0.5))
    losses = model.fit({"input_ids": ids, "labels": ids}, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for key, slot in learned(model).items():
        assert np.array_equal(slot.read(), before[key]) == key.endswith((".beta", ".eps")), key


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "bfloat16", "float16"])
def test_policies(name: str, dtype: str) -> None:
    exact, rough = model_of(name), model_of(name, dtype=dtype)
    for key, slot in named_weights(rough).items():
        slot.assign(named_weights(exact)[key].read())
    ids = ids_of(2)
    got = keras.ops.cast(answer(rough, ids).logits, "float32")
    assert 0 < difference(array(got), array(answer(exact, ids).logits)) < 0.05
    assert {slot.variable.dtype for slot in learned(rough).values()} == {rough.variable_dtype}


@pytest.mark.parametrize("name", NAMES)
def test_int8_and_lora(name: str) -> None:
    model = model_of(name)
    ids = ids_of(2)
    exact = array(answer(model, ids).logits)
    model.quantize("int8")
    assert 0 < difference(array(answer(model, ids).logits), exact) < 0.1
    model.enable_lora(2, also_train=["act"])
    trained = {
        key for key, slot in learned(model).items() if slot.variable.trainable and slot.layer.trainable
    }
    assert trained == {key for key in learned(model) if not key.endswith((".beta", ".eps"))}
    assert len(model.trainable_variables) == 2 + len(trained)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [None, "bfloat16"])
@pytest.mark.parametrize("format", ["safetensors", "keras", "weights.h5"])
def test_files(name: str, dtype: Any, format: str, tmp_path: Path) -> None:
    model = model_of(name, "GPT2DoubleHeadsModel", dtype)
    model.save_pretrained(tmp_path / "m", format=format)
    assert main(["inspect", "--check", str(tmp_path / "m")]) == 0
    again = gpt2model.GPT2DoubleHeadsModel.from_pretrained(tmp_path / "m", dtype="auto")
    main(["convert", str(tmp_path / "m"), str(tmp_path / "c"), "--format", "keras"])
    restored = keras.saving.load_model(tmp_path / "c" / "model.keras")
    wanted = {key: slot.read() for key, slot in named_weights(model).items()}
    for other in (again, restored):
        found = named_weights(other)
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            assert np.array_equal(found[key].read(), value), key
            assert found[key].variable.dtype == (dtype or "float32"), key


@pytest.mark.parametrize("name", NAMES)
def test_a_head_that_begins_anew(name: str, tmp_path: Path) -> None:
    model_of(name).save_pretrained(tmp_path)
    with pytest.warns(UserWarning, match="multiple_choice_head.activation"):
        again = gpt2model.GPT2DoubleHeadsModel.from_pretrained(tmp_path)
    fresh = gpt2model.GPT2DoubleHeadsModel(again.config)
    for key, slot in learned(fresh).items():
        if key.startswith("multiple_choice_head."):
            assert np.array_equal(learned(again)[key].read(), slot.read()), key


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    model_of("prelu").save_pretrained(tmp_path)
    with pytest.raises(
        CheckpointError, match=r"missing: transformer.h.0.mlp.act.alpha_p, .*extra: .*act.weight"
    ):
        gpt2model.GPT2LMHeadModel.from_pretrained(tmp_path, activation_function="xielu")
    with pytest.raises(CheckpointError, match=r"activation_function='prelu'"):
        model_of("prelu").save_pretrained(tmp_path / "hub", format="keras-hub")


@pytest.mark.parametrize("name", NAMES)
def test_generation(name: str) -> None:
    """As the plain way, which calls the model; also after the numbers have changed."""
    model = model_of(name, initializer_range=0.3)
    ids = ids_of(2, 5)
    answers = []
    for _ in range(2):
        told = {"max_new_tokens": 8, "return_dict_in_generate": True, "output_logits": True}
        got, wanted = (model.generate(ids, use_cache=cached, **told) for cached in (True, False))
        assert array(got.sequences).tolist() == array(wanted.sequences).tolist()
        for one, other in zip(got.logits, wanted.logits, strict=True):
            assert difference(array(one), array(other)) < 1e-4
        answers.append(array(got.logits[0]))
        for key, slot in learned(model).items():
            if not key.endswith((".beta", ".eps")):
                slot.assign(slot.read() + 1)
    assert difference(*answers) > 1e-3


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the graph is TensorFlow's whatever the backend")
@pytest.mark.parametrize("name", NAMES)
def test_export(name: str, tmp_path: Path) -> None:
    from exported import asked, inputs, tokenizer

    model = model_of(
        name, vocab_size=300, n_positions=48, initializer_range=0.3, bos_token_id=299, eos_token_id=299
    )
    gpt2model.export_text_generator(model, tokenizer(), tmp_path / "1", max_new_tokens=6, max_batch_size=2)
    (said,) = asked(tmp_path / "1", [("generate", inputs(["def f", "class A"], max_new_tokens=6))], tmp_path)
    for row, text in enumerate(["def f", "class A"]):
        ids = np.asarray([tokenizer().encode(text)], "int32")
        wanted = array(model.generate(ids, max_new_tokens=6))[0, ids.shape[1] :].tolist()
        wanted = wanted[: wanted.index(299)] if 299 in wanted else wanted
        assert said["token_ids"][row][: said["token_count"][row]] == wanted
