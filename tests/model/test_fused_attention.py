"""Is the backend's own attention kernel taken where it should be, and is its answer the formula's?"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import BACKEND, STILL, TOLERANCE, array, difference, ids_of, prepared, tensor

import gpt2model
from gpt2model import GPT2Config, attention, blocked_attention, dropout

BASE = {"vocab_size": 64, "n_positions": 192, "n_embd": 16, "n_layer": 2, "n_head": 4}
IDS = ids_of(3)


@pytest.fixture
def calls(monkeypatch):
    """The calls of keras.ops.dot_product_attention, as they come."""
    seen = []
    fused = keras.ops.dot_product_attention

    def counted(*args, **kwargs):
        seen.append(kwargs)
        return fused(*args, **kwargs)

    monkeypatch.setattr(keras.ops, "dot_product_attention", counted)
    return seen


@pytest.fixture
def accelerated(monkeypatch):
    """The branches of an accelerator, whatever computes here."""
    monkeypatch.setattr(attention, "jax_on_cpu", lambda: False)
    monkeypatch.setattr(dropout, "jax_on_cpu", lambda: False)
    monkeypatch.setattr(blocked_attention, "on_cpu", lambda: False)


def model_of(**fields):
    return gpt2model.GPT2LMHeadModel(GPT2Config(**{**BASE, **fields}))


MASK = np.array([[0] * 5 + [1] * 7, [1] * 12, [1] * 9 + [0] * 3])
STATES = np.random.default_rng(1).normal(size=(3, 6, 16)).astype("float32")
INPUTS = {
    "plain order": {},
    "padding": {"attention_mask": MASK},
    "an encoder": {"encoder_hidden_states": STATES},
    "training without dropout": {"training": True},
}


@pytest.mark.parametrize("case", INPUTS)
def test_taken_on_an_accelerator(case, calls, accelerated):
    """Once a layer (twice with an encoder), and the answer is the explicit path's."""
    inputs = {name: value if name == "training" else tensor(value) for name, value in INPUTS[case].items()}
    model = model_of(**STILL, add_cross_attention="encoder_hidden_states" in inputs)
    got = array(model(tensor(IDS), **inputs).logits)
    assert len(calls) == (4 if case == "an encoder" else 2)
    assert calls[0]["is_causal"] == (case != "padding") and (calls[0]["mask"] is None) == (case != "padding")
    wanted = array(model(tensor(IDS), **inputs, output_attentions=True).logits)
    assert len(calls) == (4 if case == "an encoder" else 2), "weights were asked for: the explicit path"
    seen = MASK == 1 if case == "padding" else np.ones_like(MASK, bool)
    assert difference(got[seen], wanted[seen]) < TOLERANCE


def test_taken_for_long_rows_and_caches_on_an_accelerator(calls, accelerated):
    model, ids = model_of(**STILL), ids_of(2, 150)
    wanted = array(model(tensor(ids), output_attentions=True).logits)
    assert not calls
    assert difference(array(model(tensor(ids)).logits), wanted) < TOLERANCE and len(calls) == 2
    cache = model(tensor(ids[:, :100]), past_key_values=model.make_cache(2)).past_key_values
    assert len(calls) == 4
    output = model(tensor(ids[:, 100:]), past_key_values=cache)
    assert len(calls) == 6 and calls[-1]["mask"] is not None
    assert difference(array(output.logits), wanted[:, 100:]) < TOLERANCE


def test_taken_here(calls):
    """As this machine is: torch and TensorFlow have a kernel on the CPU too, JAX has none there."""
    from gpt2model.backend import on_cpu

    model = model_of()
    model(tensor(IDS))
    assert len(calls) == (0 if BACKEND == "jax" and on_cpu() else 2)


NOT_TAKEN = {
    "dropout in training": {"training": True},
    "weights": {"output_attentions": True},
    "a head mask": {"head_mask": np.array([0.0, 1.0, 1.0, 0.5], "float32")},
}


@pytest.mark.parametrize("case", NOT_TAKEN)
def test_not_taken(case, calls, accelerated):
    """What no kernel does through Keras."""
    model_of()(tensor(IDS), **NOT_TAKEN[case])
    assert not calls


def test_taken_by_fit_without_attention_dropout(calls, accelerated):
    data = {"input_ids": IDS, "labels": IDS}
    for rate, taken in ((0.0, True), (0.1, False)):
        calls.clear()
        prepared(model_of(attn_pdrop=rate), "sgd").fit(data, verbose=0)
        assert bool(calls) == taken
