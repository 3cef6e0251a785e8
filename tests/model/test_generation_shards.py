"""Kernels in shards: as many as suit the rows, one memory, and the products are those of the model's own layers."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import BACKEND, array, tensor, twins

from gpt2model.generation import products
from gpt2model.generation import weights as made
from gpt2model.generation.decoder import head, look_up
from gpt2model.generation.weights import FORMS, prepared

# The last kernel has a number of rows that no number of shards divides; projections too few rows to cut.
FIELDS = {"vocab_size": 1201, "n_positions": 16, "n_embd": 48, "n_layer": 1, "n_head": 2}
CLOSE = {"float32": 1e-5, "bfloat16": 2e-2, "int8": 3e-2}
AMD = frozenset({"AuthenticAMD", "avx512_bf16"})
tensorflow_only = pytest.mark.skipif(BACKEND != "tensorflow", reason="shards are TensorFlow's")


@pytest.mark.parametrize(
    ("form", "processor"),
    [(form, processor) for form in FORMS for processor in (frozenset(), AMD)],
)
@pytest.mark.parametrize("rows", [1, 2, 8, None])
def test_products_and_look_up_of_any_number_of_rows(form, processor, rows, monkeypatch):
    """NumPy's product with the embeddings, and the embeddings themselves; in every spelling that a processor gets."""
    monkeypatch.setattr(made.os, "cpu_count", lambda: 4)
    monkeypatch.setattr(products, "_processor", lambda: processor)
    monkeypatch.setattr(products, "_MUCH", 0)
    monkeypatch.setattr(products, "_PART", 100 * 48)
    model, _ = twins("GPT2LMHeadModel", seed=3, **FIELDS)
    table = array(model.transformer.wte.embeddings).astype("float64")
    hidden = np.random.default_rng(0).standard_normal((rows or 3, 48)).astype("float32")
    weights = prepared(model, form, rows)
    expected = hidden @ table.T
    assert (
        np.abs(array(head(weights, tensor(hidden))) - expected).max() < CLOSE[form] * np.abs(expected).max()
    )
    ids = np.array(
        [[0, 191, 192, 255, 256, 639, 640, 959, 960, 1200]], "int32"
    )  # on both sides of every border
    assert np.abs(array(look_up(weights["wte"], tensor(ids))) - table[ids]).max() < 1e-2 * np.abs(table).max()


@tensorflow_only
@pytest.mark.parametrize(("form", "rows", "shards"), [
    ("float32", 1, 3), ("float32", 8, 2), ("float32", None, 2), ("bfloat16", 1, 3), ("int8", 1, 2), ("int8", 8, 2),
])  # fmt: skip
def test_shards_suit_the_rows(form, rows, shards, monkeypatch):
    """One more than cores for a lone row, but for int8; kernels of few rows stay whole."""
    monkeypatch.setattr(made.os, "cpu_count", lambda: 2)
    model, _ = twins("GPT2LMHeadModel", seed=3, **FIELDS)
    weights = prepared(model, form, rows)
    assert len(weights["wte"].rows) == shards
    assert len(weights["layers"][0]["proj"].rows) == 1


@pytest.mark.skipif(BACKEND != "jax", reason="JAX cuts at once, for any number of rows")
@pytest.mark.parametrize(("form", "head", "first", "second"), [
    ("float32", 1, 3, 1), ("bfloat16", 2, 2, 1), ("int8", 2, 2, 1),
])  # fmt: skip
def test_shards_of_jax(form, head, first, second, monkeypatch):
    """One more than cores for float32 kernels with more outputs than inputs, but for the model's own table, which is
    not copied; few rows stay whole."""
    monkeypatch.setattr(made.os, "cpu_count", lambda: 2)
    model, _ = twins("GPT2LMHeadModel", seed=3, **FIELDS)
    weights = prepared(model, form, 1)
    layer = weights["layers"][0]
    assert [len(part.rows) for part in (weights["wte"], layer["fc"], layer["out"])] == [head, first, second]
    if form == "float32":
        assert weights["wte"].rows[0] is model.transformer.wte.embeddings.value


@tensorflow_only
@pytest.mark.parametrize("form", FORMS)
def test_shards_of_any_number_are_one_memory(form, monkeypatch):
    """Another number of rows makes no second model in memory, and the values outlive all else that held them."""
    monkeypatch.setattr(made.os, "cpu_count", lambda: 2)
    model, _ = twins("GPT2LMHeadModel", seed=3, **FIELDS)
    import tensorflow as tf

    def address(part):
        part = tf.bitcast(part, "uint16") if part.dtype == "bfloat16" else part
        return np.asarray(memoryview(part)).__array_interface__["data"][0]

    one, several = prepared(model, form, 1)["wte"].rows, prepared(model, form, 8)["wte"].rows
    assert address(one[0]) == address(several[0])
    assert prepared(model, form, 1)["wte"].rows[0] is one[0]
    kept = np.concatenate([array(tf.cast(part, "float32")) for part in one])
    del model, several
    keras.backend.clear_session()
    assert np.array_equal(np.concatenate([array(tf.cast(part, "float32")) for part in one]), kept)


def test_new_weights_are_seen():
    """After an assignment the next preparation holds the new numbers, for every number of rows."""
    model, _ = twins("GPT2LMHeadModel", seed=3, **FIELDS)
    hidden = tensor(np.ones((1, 48), "float32"))
    for rows in (1, 8):
        prepared(model, "float32", rows)
    model.transformer.wte.embeddings.assign(np.full((1201, 48), 0.5, "float32"))
    for rows in (1, 8):
        assert np.allclose(array(head(prepared(model, "float32", rows), hidden)), 24.0)
