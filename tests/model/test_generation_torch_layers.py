"""PyTorch's own spelling of the layers beside the common one: prefill with padding, steps, an encoder."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import BACKEND, array, tensor, twins

from gpt2model.generation.crossing import encoded
from gpt2model.generation.decoder import Shape, _layers
from gpt2model.generation.torch_layers import layers_in_torch
from gpt2model.generation.weights import FORMS, prepared
from gpt2model.masks import causal_mask

pytestmark = pytest.mark.skipif(BACKEND != "torch", reason="the spelling is PyTorch's only")

FIELDS = {"vocab_size": 50, "n_positions": 32, "n_embd": 16, "n_layer": 3, "n_head": 2}
KINDS = {
    "plain": {},
    "scaled by the layer": {"scale_attn_by_inverse_layer_idx": True, "activation_function": "relu"},
    "a slope that is learned": {"activation_function": "prelu"},
    "slopes that are learned": {"activation_function": "xielu"},
    "an encoder": {"add_cross_attention": True, "n_inner": 24},
}
ROOM, PADDING = 12, 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_spellings_agree(kind, form):
    """The same hidden states, keys and values, whatever stands in the cache; nothing given is written over."""
    random = np.random.default_rng(5)
    model, _ = twins("GPT2LMHeadModel", seed=1, **FIELDS, **KINDS[kind])
    config = model.config
    weights, shape = prepared(model, form), Shape.of(config)
    cross = config.add_cross_attention
    states = tensor(random.standard_normal((2, 4, 16)).astype("float32")) if cross else ()
    encoder = encoded(weights, config.n_head, states, tensor(np.array([[1, 1, 1, 0], [1, 1, 0, 0]], bool)))
    cache = shape.cache(2, ROOM)
    before = 0
    for steps in (5, 1, 3, 1):
        hidden = tensor(random.standard_normal((2, steps, 16)).astype("float32"))
        end = before + steps
        real = np.ones((2, 1, 1, end), bool)
        real[0, :, :, :PADDING] = False
        mask = causal_mask(steps, end, before) & tensor(real)
        given = [array(part).copy() for part in (*cache.keys, *cache.values)]
        expected = _layers(shape, weights, hidden, cache, mask, encoder)
        got = layers_in_torch(shape, weights, hidden, cache, mask, encoder)
        assert all(
            np.array_equal(array(now), then)
            for now, then in zip((*cache.keys, *cache.values), given, strict=True)
        )
        first = max(PADDING - before, 0)  # what padding itself becomes has no meaning
        seen = slice(PADDING, end)
        tolerance = 1e-5 if form == "float32" else 2e-2  # one rounding of a half may tip the next
        assert np.abs(array(got[0])[:, first:] - array(expected[0])[:, first:]).max() < tolerance
        for ours, theirs in zip((*got[1], *got[2]), (*expected[1], *expected[2]), strict=True):
            assert np.abs(array(ours)[:, seen] - array(theirs)[:, seen]).max() < tolerance
        cache = cache._replace(keys=got[1], values=got[2], offset=end)
        before = end
