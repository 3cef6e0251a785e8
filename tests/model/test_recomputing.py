"""Does a model that is made in a `keras.RematScope` learn the same, layer after layer computed again?"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from helpers import BACKEND, PLAIN, TINY, array, difference, ids_of, prepared

import gpt2model
from gpt2model import GPT2Config
from gpt2model.weight_names import named_weights

FIELDS = {
    **TINY,
    **PLAIN,
    "n_layer": 3,
    "pad_token_id": 0,
    "resid_pdrop": 0.2,
    "embd_pdrop": 0.2,
    "attn_pdrop": 0.2,
}
# What a scope says, and how many of three layers of 4 x 12 x 16 numbers it means.
SCOPES: dict[str, tuple[dict[str, Any], int]] = {
    "full": ({"mode": "full"}, 3),
    "none": ({"mode": None}, 0),
    "activations": ({"mode": "activations"}, 0),
    "larger than less": ({"mode": "larger_than", "output_size_threshold": 700}, 3),
    "larger than more": ({"mode": "larger_than", "output_size_threshold": 800}, 0),
    "named": ({"mode": "list_of_layers", "layer_names": ["h_1"]}, 1),
}


def trained(class_name: str, scope: dict[str, Any], steps: int = 2, **fields: Any) -> tuple[Any, list[float]]:
    """A model after some steps, and the losses."""
    keras.utils.set_random_seed(5)
    with keras.RematScope(**scope):
        model = getattr(gpt2model, class_name)(GPT2Config(**{**FIELDS, **fields}))
    prepared(model, keras.optimizers.SGD(0.5))
    ids = ids_of(4)
    inputs = {"input_ids": ids, "labels": ids if "LM" in class_name else np.array([1, 0, 1, 1])}
    if fields.get("add_cross_attention"):
        inputs["encoder_hidden_states"] = np.random.default_rng(2).normal(size=(4, 5, 16)).astype("float32")
    return model, [float(model.train_on_batch(inputs)) for _ in range(steps)]


@pytest.mark.parametrize(
    ("class_name", "name", "fields"),
    [
        *(("GPT2LMHeadModel", name, {}) for name in SCOPES),
        ("GPT2LMHeadModel", "full", {"add_cross_attention": True, "activation_function": "prelu"}),
        ("GPT2ForSequenceClassification", "full", {"num_labels": 2}),
    ],
)
def test_the_same_steps(
    class_name: str, name: str, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Losses and weights after two steps, dropout and all."""
    wanted, losses = trained(class_name, {"mode": None}, **fields)
    again, remat = [], keras.remat
    monkeypatch.setattr(keras, "remat", lambda function: again.append(function) or remat(function))
    scope, count = SCOPES[name]
    model, found = trained(class_name, scope, **fields)
    steps = 2 if BACKEND == "torch" else 1  # the others are traced once
    assert len(again) in (count * steps, count * steps * 2)  # Keras may trace a step twice
    assert np.allclose(found, losses, atol=1e-5) and losses[0] != losses[1]
    slots = named_weights(wanted)
    for key, slot in named_weights(model).items():
        assert difference(slot.read(), slots[key].read()) < 1e-5, key
    for one, other in zip(model.variables, wanted.variables, strict=True):
        if "seed" in one.path:
            assert np.array_equal(array(one), array(other)), one.path


def test_other_calls_are_as_ever() -> None:
    model, _ = trained("GPT2LMHeadModel", {"mode": "full"}, steps=1)
    ids = ids_of(2, 5)
    cached, plain = (array(model.generate(ids, max_new_tokens=4, use_cache=cache)) for cache in (True, False))
    assert cached.tolist() == plain.tolist()
    assert model(ids, use_cache=True).past_key_values is not None
    losses = model.fit({"input_ids": ids, "labels": ids}, epochs=1, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
