"""Does a model come back from a file as it was? int8, LoRA, frozen layers, another vocabulary: training goes on.

Keras' own files (`.keras`, `.weights.h5`) and everything that writes them: `save`, callbacks, pickle, copy.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from helpers import STILL, TINY, answer, array, difference, ids_of, prepared

import gpt2model
from gpt2model import GPT2Config
from gpt2model.weight_names import named_weights

LAYERS = {**TINY, "n_layer": 2}
IDS = ids_of(8, vocab=48) | 1  # no padding in it, and room for a smaller vocabulary


def spread(model: Any) -> Any:
    """The model with weights far apart, so that no two layers can be taken for each other."""
    numbers = np.random.default_rng(7)
    for slot in named_weights(model).values():
        slot.assign(numbers.normal(0, 0.15, slot.shape).astype("float32"))
    return model


def language_model(**fields: Any) -> Any:
    return spread(gpt2model.GPT2LMHeadModel(GPT2Config(**LAYERS, **{**STILL, **fields})))


def classifier() -> Any:
    return spread(gpt2model.GPT2ForSequenceClassification(GPT2Config(**LAYERS, **STILL, pad_token_id=0)))


WEIGHTS_ONLY = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)


def quantized(model: Any, how: Any = "int8") -> Any:
    model.quantize(how) if isinstance(how, str) else model.quantize(config=how)
    return model


def adapted(model: Any, **arguments: Any) -> Any:
    """With LoRA whose second half, which begins at nothing, says something."""
    model.enable_lora(**{"rank": 2, "lora_alpha": 5, **arguments})
    numbers = np.random.default_rng(8)
    for layer in model._flatten_layers():
        if getattr(layer, "lora_enabled", False):
            layer.lora_kernel_b.assign(numbers.normal(0, 0.3, layer.lora_kernel_b.shape))
    return model


def frozen(model: Any, *names: str) -> Any:
    for name in names:
        part = model
        for step in name.split("."):
            part = part[int(step)] if step.isdigit() else getattr(part, step)
        part.trainable = False
    return model


def resized(model: Any, rows: int) -> Any:
    model.resize_token_embeddings(rows)
    return model


# Every state in which a model may be saved.
STATES: dict[str, Callable[[], Any]] = {
    "plain": language_model,
    "int8": lambda: quantized(language_model()),
    "int8, untied": lambda: quantized(language_model(tie_word_embeddings=False)),
    "int8, a classifier": lambda: quantized(classifier()),
    "int8, the inputs as they are": lambda: quantized(language_model(), WEIGHTS_ONLY),
    "int4": lambda: quantized(language_model(), "int4"),
    "LoRA": lambda: adapted(language_model()),
    "LoRA, a factor that is no integer": lambda: adapted(language_model(), rank=3, lora_alpha=0.5),
    "LoRA everywhere, and a head": lambda: adapted(
        classifier(), target_names=["c_attn", "c_proj", "c_fc"], also_train=["score"]
    ),
    "QLoRA": lambda: adapted(quantized(language_model())),
    "QLoRA, quantized afterwards": lambda: quantized(adapted(language_model())),
    "a frozen backbone": lambda: frozen(classifier(), "transformer"),
    "a frozen layer and one frozen weight": lambda: frozen(
        language_model(), "transformer.h.0", "transformer.wte", "transformer.h.1.mlp.c_fc.bias"
    ),
    "all frozen": lambda: frozen(language_model(), "transformer"),
    "resized": lambda: resized(language_model(), 70),
    "resized, untied": lambda: resized(language_model(tie_word_embeddings=False), 50),
    "resized, frozen rows": lambda: resized(frozen(language_model(), "transformer.wte"), 70),
    "resized, then LoRA, then int8": lambda: quantized(adapted(resized(language_model(), 70))),
}


def described(model: Any) -> dict[str, Any]:
    """What must be equal, weight by weight, in order."""
    return {
        "weights": [(v.path, tuple(v.shape), str(v.dtype), v.trainable) for v in model.weights],
        "trainable": [v.path for v in model.trainable_variables],
        "policies": [
            (layer.name, layer.dtype_policy.name, layer.quantization_mode)
            for layer in model._flatten_layers(include_self=False)
            if layer.weights
        ],
        "config": model.get_config(),
    }


def assert_same(again: Any, model: Any) -> None:
    assert described(again) == described(model)
    assert all(np.array_equal(array(a), array(b)) for a, b in zip(again.weights, model.weights, strict=True))
    assert difference(array(answer(again, IDS).logits), array(answer(model, IDS).logits)) < 1e-6


@pytest.mark.parametrize("state", STATES)
def test_saved_and_loaded_twice(state: str, tmp_path: Path) -> None:
    """The second time from what the first gave: a loaded model is one like any other."""
    model = STATES[state]()
    once = tmp_path / "once.keras"
    model.save(once)
    again = keras.saving.load_model(once)
    assert_same(again, model)
    again.save(tmp_path / "twice.keras")
    assert_same(keras.saving.load_model(tmp_path / "twice.keras"), model)


@pytest.mark.parametrize("state", STATES)
def test_keras_old_format(state: str, tmp_path: Path) -> None:
    """Files ending in .h5, by `load_model` without `custom_objects`."""
    model = STATES[state]()
    model.save(tmp_path / "m.h5")
    assert_same(keras.saving.load_model(tmp_path / "m.h5"), model)


def test_training_after_keras_old_format(tmp_path: Path) -> None:
    """Keras loses the optimizer's state there, and warns of it: it begins anew, as in a model compiled afresh."""
    model = prepared(language_model(), keras.optimizers.Adam(0.01))
    trained(model, 2)
    model.save(tmp_path / "m.h5")
    again = keras.saving.load_model(tmp_path / "m.h5")
    model.compile(keras.optimizers.Adam(0.01))
    wanted = trained(model, 2)
    losses = trained(again, 2)
    assert np.allclose(losses, wanted, atol=1e-5), (losses, wanted)
    assert int(array(again.optimizer.iterations)) == 2


@pytest.mark.parametrize("state", ["int8", "QLoRA", "a frozen backbone"])
def test_copies(state: str, tmp_path: Path) -> None:
    model = STATES[state]()
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    for one in (model, again):
        assert_same(pickle.loads(pickle.dumps(one)), model)
        assert_same(copy.deepcopy(one), model)
        twin = type(one).from_config(one.get_config())
        assert described(twin) == described(model)
        one.save_weights(tmp_path / "m.weights.h5")
        twin.load_weights(tmp_path / "m.weights.h5")
        assert_same(twin, model)


def trained(model: Any, epochs: int, first: int = 0) -> list[float]:
    x = {"input_ids": IDS}
    x["labels"] = (
        np.arange(8) % 2 if isinstance(model, gpt2model.GPT2ForSequenceClassification) else x["input_ids"]
    )
    fitted = model.fit(x, epochs=first + epochs, initial_epoch=first, batch_size=8, verbose=0)
    losses: list[float] = fitted.history["loss"]
    return losses


@pytest.mark.parametrize(
    "state",
    [
        "LoRA",
        "LoRA everywhere, and a head",
        "QLoRA",
        "a frozen backbone",
        "a frozen layer and one frozen weight",
        "resized",
        "resized, untied",
    ],
)
def test_training_goes_on_where_it_stopped(state: str, tmp_path: Path) -> None:
    """Whoever was saved and goes on, and who is loaded and goes on: the same losses, the same weights.

    Saving changes nothing of the one that is saved. (Each model more is a program more, seconds on TensorFlow.)
    """
    model = prepared(STATES[state](), keras.optimizers.Adam(0.01))
    started = trained(model, 2)
    before = [array(v).copy() for v in (*model.weights, *model.optimizer.variables)]
    model.save(tmp_path / "half.keras")
    for one, value in zip((*model.weights, *model.optimizer.variables), before, strict=True):
        assert np.array_equal(array(one), value), one.path
    wanted = trained(model, 2, first=2)
    again = keras.saving.load_model(tmp_path / "half.keras")
    assert len(again.optimizer.variables) == len(model.optimizer.variables)
    losses = trained(again, 2, first=2)
    assert np.allclose(losses, wanted, atol=1e-5), (losses, wanted)
    assert abs(wanted[-1] - started[0]) > 1e-3, "it learns something"
    for one, other in zip(again.weights, model.weights, strict=True):
        assert difference(array(one), array(other)) < 1e-5, one.path


def test_callbacks_of_a_loaded_qlora(tmp_path: Path) -> None:
    """ModelCheckpoint, whole and weights alone, and BackupAndRestore after a training that broke off."""
    STATES["QLoRA"]().save(tmp_path / "m.keras")
    model = prepared(keras.saving.load_model(tmp_path / "m.keras"), keras.optimizers.Adam(0.01))
    twin = prepared(keras.saving.load_model(tmp_path / "m.keras"), keras.optimizers.Adam(0.01))
    x = {"input_ids": IDS, "labels": IDS}
    wanted = twin.fit(x, epochs=3, batch_size=8, verbose=0).history["loss"]

    class Broken(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise RuntimeError("the machine is gone")

    with pytest.raises(RuntimeError, match="gone"):
        model.fit(
            x,
            epochs=3,
            batch_size=8,
            verbose=0,
            callbacks=[
                keras.callbacks.ModelCheckpoint(tmp_path / "last.keras"),
                keras.callbacks.ModelCheckpoint(tmp_path / "last.weights.h5", save_weights_only=True),
                keras.callbacks.BackupAndRestore(tmp_path / "backup"),
                Broken(),
            ],
        )
    last = keras.saving.load_model(tmp_path / "last.keras")
    assert_same(last, model)
    fresh = prepared(keras.saving.load_model(tmp_path / "m.keras"), keras.optimizers.Adam(0.01))
    fresh.load_weights(tmp_path / "last.weights.h5")
    assert all(np.array_equal(array(a), array(b)) for a, b in zip(fresh.weights, model.weights, strict=True))
    restored = prepared(keras.saving.load_model(tmp_path / "m.keras"), keras.optimizers.Adam(0.01))
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    losses = restored.fit(x, epochs=3, batch_size=8, verbose=0, callbacks=[backup]).history["loss"]
    assert len(losses) == 1 and abs(losses[0] - wanted[2]) < 1e-5


def test_weights_of_a_lora_model_in_a_plain_one(tmp_path: Path) -> None:
    """`.weights.h5` of an adapted model: a plain model takes the sum, another rank is refused, and so is int8."""
    model = adapted(language_model())
    model.save_weights(tmp_path / "lora.weights.h5")
    plain = language_model()
    plain.load_weights(tmp_path / "lora.weights.h5")
    assert difference(array(answer(plain, IDS).logits), array(answer(model, IDS).logits)) < 1e-5
    with pytest.raises(ValueError, match=r"rank 3, and that of the file of rank 2"):
        adapted(language_model(), rank=3).load_weights(tmp_path / "lora.weights.h5")
    quantized(adapted(language_model())).save_weights(tmp_path / "qlora.weights.h5")
    with pytest.raises(ValueError, match=r"enable_lora\(2\) before loading"):
        quantized(language_model()).load_weights(tmp_path / "qlora.weights.h5")
    # And the weights of a plain model in an adapted one: Keras' own manner, the addition begins anew.
    language_model().save_weights(tmp_path / "plain.weights.h5")
    model.load_weights(tmp_path / "plain.weights.h5")
    assert difference(array(answer(model, IDS).logits), array(answer(language_model(), IDS).logits)) < 1e-5


@pytest.mark.parametrize(
    ("learning", "words"),
    [
        ({"lora": {"transformer/h_9/attn/c_attn": [2, 2]}}, "has no layer or weight transformer/h_9"),
        ({"flipped": ["transformer/wte/kernel"]}, "has no layer or weight transformer/wte/kernel"),
        ({"lora": {"transformer/h_0/attn/c_attn": [0, 2]}}, "rank must be at least 1"),
    ],
    ids=["a layer", "a weight", "a rank"],
)
def test_a_configuration_that_names_what_is_not_there(learning: dict[str, Any], words: str) -> None:
    fields = {**language_model().get_config(), "learning": learning}
    with pytest.raises(ValueError, match=words):
        gpt2model.GPT2LMHeadModel.from_config(fields)


def test_a_description_without_a_configuration() -> None:
    with pytest.raises(ValueError, match=r"no 'config' in it, only name, trainable: .* get_config"):
        gpt2model.GPT2LMHeadModel.from_config({"name": "m", "trainable": True})


@pytest.mark.parametrize("name", ["GPT2LMHeadModel", "GPT2DoubleHeadsModel"])
@pytest.mark.parametrize("tie", [True, False], ids=["tied", "untied"])
def test_the_weights_of_a_resized_model_stand_in_order(name: str, tie: bool) -> None:
    """As in a model that had this vocabulary from the start: `set_weights`, optimizers and files go by order."""
    cls = getattr(gpt2model, name)
    model = cls(GPT2Config(**LAYERS, tie_word_embeddings=tie))
    spread(model)
    model.resize_token_embeddings(70)
    other = cls(GPT2Config(**{**LAYERS, "vocab_size": 70}, tie_word_embeddings=tie))
    assert [(v.path.split("/", 1)[1], tuple(v.shape)) for v in model.weights] == [
        (v.path.split("/", 1)[1], tuple(v.shape)) for v in other.weights
    ]
    other.set_weights(model.get_weights())
    ids = IDS[:4].reshape(2, 2, 12) if "Double" in name else IDS
    assert difference(array(answer(other, ids).logits), array(answer(model, ids).logits)) == 0


def test_a_resized_layer_keeps_its_flag() -> None:
    model = adapted(language_model(tie_word_embeddings=False))
    before = [v.path for v in model.trainable_variables]
    model.resize_token_embeddings(70)
    assert [v.path for v in model.trainable_variables] == before
    model = language_model(tie_word_embeddings=False)
    model.transformer.wte.trainable = False
    model.resize_token_embeddings(70)
    learning = {v.path.split("/", 1)[1] for v in model.trainable_variables}
    assert "wte/embeddings" not in learning and "lm_head/kernel" in learning
    assert not model.transformer.wte.trainable


def test_a_resized_head_with_lora_is_refused() -> None:
    model = adapted(language_model(tie_word_embeddings=False), target_names=["lm_head"])
    with pytest.raises(ValueError, match="resize before enable_lora"):
        model.resize_token_embeddings(70)
    assert model.config.vocab_size == 64 and array(answer(model, IDS).logits).shape[-1] == 64


BAD_ARGUMENTS: list[tuple[str, dict[str, Any], type[Exception], str]] = [
    ("enable_lora", {"rank": "3"}, TypeError, "rank must be an integer such as 8, not '3'"),
    ("enable_lora", {"rank": 1.5}, TypeError, "rank must be an integer"),
    ("enable_lora", {"rank": True}, TypeError, "rank must be an integer"),
    ("enable_lora", {"rank": 0}, ValueError, "rank must be at least 1"),
    ("enable_lora", {"rank": 2, "lora_alpha": "4"}, TypeError, "lora_alpha must be a number such as 16"),
    ("enable_lora", {"rank": 2, "lora_alpha": 0}, ValueError, "lora_alpha must be more than 0"),
    ("enable_lora", {"rank": 2, "target_names": "c_attn"}, TypeError, r"sequence of names: \['c_attn'\]"),
    ("enable_lora", {"rank": 2, "target_names": ["wte"]}, ValueError, "wte cannot .*also_train trains them whole"),
    ("enable_lora", {"rank": 2, "target_names": ["wet"]}, ValueError, "no such layer: wet; it has .*wte"),
    ("enable_lora", {"rank": 2, "also_train": "wte"}, TypeError, r"also_train is a sequence of names"),
    ("resize_token_embeddings", {"new_num_tokens": "70"}, TypeError, r"must be an integer.*not '70'"),
    ("resize_token_embeddings", {"new_num_tokens": 2.5}, TypeError, "must be an integer"),
    ("resize_token_embeddings", {"new_num_tokens": True}, TypeError, "must be an integer"),
    ("resize_token_embeddings", {"new_num_tokens": -3}, ValueError, "at least 1 token"),
    ("resize_token_embeddings", {"pad_to_multiple_of": "8"}, TypeError, "pad_to_multiple_of must be an integer"),
    ("resize_token_embeddings", {"pad_to_multiple_of": 0}, ValueError, "at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "error", "words"), BAD_ARGUMENTS)
def test_arguments_that_are_refused(
    method: str, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    model = language_model()
    before = described(model)
    with pytest.raises(error, match=words):
        getattr(model, method)(**arguments)
    assert described(model) == before, "a refusal changes nothing"


def test_lora_twice_is_refused() -> None:
    model = adapted(language_model(), target_names=["c_attn"])
    before = described(model)
    with pytest.raises(ValueError, match="have LoRA already"):
        model.enable_lora(4, target_names=["c_attn", "c_fc"])
    assert described(model) == before
    assert language_model().resize_token_embeddings(np.int64(70)).input_dim == 70


def test_models_do_not_share_their_configuration() -> None:
    config = GPT2Config(**TINY, num_labels=3)
    one, two = gpt2model.GPT2LMHeadModel(config), gpt2model.GPT2LMHeadModel(config)
    labels = gpt2model.GPT2ForSequenceClassification(config)
    gpt2model.GPT2DoubleHeadsModel(config)
    one.resize_token_embeddings(80)
    one.config.use_cache = False
    assert (one.config.vocab_size, two.config.vocab_size, config.vocab_size) == (80, 64, 64)
    assert labels.config.num_labels == config.num_labels == 3 and config.use_cache and two.config.use_cache
    assert one.transformer.config is one.config, "a model and its backbone have one"
    assert array(one(IDS[:, :3]).logits).shape[-1] == 80
    assert gpt2model.GPT2DoubleHeadsModel(config).config.num_labels == 1
