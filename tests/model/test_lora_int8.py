"""Do LoRA and int8 work, alone, and through saving and loading? Keras' own features, on these models."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import BACKEND, STILL, TINY, answer, array, difference, ids_of, prepared, twins

import gpt2model
from gpt2model import GPT2Config
from gpt2model.weight_names import named_weights


def test_lora_trains_its_own_weights_only(tmp_path):
    model = gpt2model.GPT2ForSequenceClassification(
        GPT2Config(**{**TINY, "n_layer": 2}, **STILL, num_labels=2, pad_token_id=0)
    )
    ids, labels = ids_of(16) | 1, np.arange(16) % 2
    calm = array(answer(model, ids).logits)
    model.enable_lora(2, lora_alpha=4, also_train=["score"])
    assert difference(array(answer(model, ids).logits), calm) < 1e-5  # the addition begins at nothing
    trained = {v.path for v in model.trainable_variables}
    assert len(trained) == 2 * model.config.n_layer + 1 and all(
        "lora_kernel" in path or "score" in path for path in trained
    )
    frozen = {
        v.path: array(v).copy() for v in model.variables if v.path not in trained and "seed" not in v.path
    }
    prepared(model, keras.optimizers.Adam(0.05))
    losses = model.fit({"input_ids": ids, "labels": labels}, epochs=15, batch_size=16, verbose=0).history[
        "loss"
    ]
    assert losses[-1] < losses[0] - 0.05
    assert all(difference(array(v), frozen[v.path]) == 0 for v in model.variables if v.path in frozen)
    if BACKEND == "torch":
        assert sum(p.requires_grad for p in model.parameters()) == len(trained)
    merged = gpt2model.GPT2ForSequenceClassification(model.config)
    for name, slot in named_weights(merged).items():
        slot.assign(named_weights(model)[name].read())
    assert difference(array(answer(merged, ids).logits), array(answer(model, ids).logits)) < 1e-4
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert difference(array(answer(again, ids).logits), array(answer(model, ids).logits)) < 1e-6
    assert {v.path for v in again.trainable_variables} == trained
    with pytest.raises(ValueError, match="no such layer: query"):
        merged.enable_lora(2, target_names=["query"])


def test_int8(tmp_path):
    """Quantized logits stay near, are saved and loaded, and turn back into a checkpoint."""
    exact, theirs = twins("GPT2LMHeadModel", **{**TINY, "n_embd": 64})
    ids = ids_of(3)
    wanted = array(answer(exact, ids).logits)
    exact.quantize("int8")
    assert {v.dtype for v in exact.variables if "kernel" in v.path and "scale" not in v.path} == {"int8"}
    got = array(answer(exact, ids).logits)
    assert 0 < difference(got, wanted) < 0.15 * wanted.std()
    cached = answer(exact, ids[:, :8], use_cache=True)
    rest = answer(exact, ids[:, 8:], past_key_values=cached.past_key_values)
    assert difference(array(rest.logits), got[:, 8:]) < 0.15 * wanted.std()
    for name, slot in named_weights(exact).items():
        value = theirs.state_dict()[name].numpy()
        assert difference(slot.read(), value) <= np.abs(value).max() / 120, name
        if slot.variable.dtype == "int8":
            with pytest.raises(ValueError, match="quantize afterwards"):
                slot.assign(value)
    with pytest.raises(ValueError, match="quantized"):
        exact.resize_token_embeddings(70)
    exact.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert difference(array(answer(again, ids).logits), got) < 1e-5
