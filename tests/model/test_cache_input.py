"""Caches that are not the model's are refused by name, old forms are taken, and the encoder's keys are used again."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import BACKEND, TOLERANCE, answer, array, compiled, difference, ids_of, tensor, twins

import gpt2model
from gpt2model import ContextLengthError, GPT2Config, KVCache

BASE = {"vocab_size": 64, "n_positions": 32, "n_embd": 16, "n_layer": 2, "n_head": 4}
IDS = ids_of(3)


@pytest.fixture(scope="module")
def model():
    return gpt2model.GPT2LMHeadModel(GPT2Config(**BASE))


@pytest.fixture(scope="module")
def crossed():
    return twins("GPT2LMHeadModel", **BASE, add_cross_attention=True)[0]


def zeros(*shape, dtype="float32"):
    return keras.ops.zeros(shape, dtype)


def pairs(layers=2, shape=(3, 4, 5, 4), dtype="float32"):
    return [[zeros(*shape, dtype=dtype), zeros(*shape, dtype=dtype)] for _ in range(layers)]


def replaced(layer, part, value):
    past = pairs()
    past[layer][part] = value
    return tuple(map(tuple, past))


class DynamicCache:
    """As transformers 5 has it."""

    layers = ()


TUPLES = {
    "a short value": (
        replaced(0, 1, zeros(3, 4, 3, 4)),
        ValueError,
        r"value of layer 0 has shape \(3, 4, 3, 4\).*positions 5",
    ),
    "a short layer": (replaced(1, 0, zeros(3, 4, 3, 4)), ValueError, "key of layer 1 has shape"),
    "another batch": (replaced(1, 1, zeros(1, 4, 5, 4)), ValueError, "value of layer 1 .*batch 3"),
    "other heads": (replaced(1, 0, zeros(3, 2, 5, 4)), ValueError, "key of layer 1 .*n_head 4"),
    "another head size": (replaced(0, 1, zeros(3, 4, 5, 8)), ValueError, "value of layer 0 .*head_dim 4"),
    "integers": (
        tuple(map(tuple, pairs(dtype="int32"))),
        TypeError,
        "key of layer 0 is int32, .*computes in float32",
    ),
    "three layers": (tuple(map(tuple, pairs(3))), ValueError, "3 layers; the model has n_layer=2"),
    "three layers of none": ((None,) * 3, ValueError, r"past_key_values\[0\] is None"),
    "one layer of none": ((tuple(pairs()[0]), None), ValueError, r"past_key_values\[1\] is None"),
    "an encoder's keys": (tuple((*pair, *pair) for pair in pairs()), ValueError, "no cross-attention"),
    "mixed": ((tuple(pairs()[0]), tuple(pairs()[0] * 2)), ValueError, r"past_key_values\[1\] has 4 parts"),
    "transformers'": (DynamicCache(), TypeError, r"not DynamicCache; tuple\(\(layer.keys.numpy\(\)"),
    "a number": (3, TypeError, "past_key_values must be a KVCache"),
    "nested lists": (
        [[np.zeros((3, 4, 5, 4)).tolist()] * 2] * 2,
        TypeError,
        r"past_key_values\[0\] must be tensors or arrays, .* not list",
    ),
    "numbers": ((1, 2), TypeError, r"past_key_values\[0\] must be tensors or arrays, .* not int"),
}


@pytest.mark.parametrize("case", TUPLES)
def test_bad_tuples(model, case):
    past, error, message = TUPLES[case]
    with pytest.raises(error, match=message):
        model(IDS, past_key_values=past)


STATIC = {
    "negative offset": (
        lambda cache: cache._replace(offset=-3),
        ValueError,
        "offset is -3; .* of the 16 positions",
    ),
    "offset beyond": (lambda cache: cache._replace(offset=17), ValueError, "offset is 17"),
    "float offset": (
        lambda cache: cache._replace(offset=2.7),
        TypeError,
        "offset must be one integer, not float",
    ),
    "float tensor": (
        lambda cache: cache._replace(offset=tensor(2.0)),
        TypeError,
        "offset must be one integer",
    ),
    "true": (lambda cache: cache._replace(offset=True), TypeError, "offset must be one integer, not bool"),
    "offsets": (
        lambda cache: cache._replace(offset=tensor([1, 2, 3])),
        TypeError,
        r"offset must be one .*\(3,\)",
    ),
    "fewer values": (
        lambda cache: cache._replace(values=cache.values[:1]),
        ValueError,
        "values has 1 layers",
    ),
    "less room": (
        lambda cache: cache._replace(keys=(cache.keys[0], zeros(3, 4, 3, 4))),
        ValueError,
        r"key of layer 1 has shape \(3, 4, 3, 4\)",
    ),
    "half precision": (
        lambda cache: cache._replace(values=(zeros(3, 4, 16, 4, dtype="float16"),) * 2, offset=1),
        TypeError,
        "value of layer 0 is float16, but the model computes in float32; model.make_cache",
    ),
    "an encoder's keys": (
        lambda cache: cache._replace(cross_keys=cache.keys, cross_values=cache.values),
        ValueError,
        "no cross-attention",
    ),
    "cross keys alone": (
        lambda cache: cache._replace(cross_keys=cache.keys),
        ValueError,
        "2 cross_keys and 0 cross_values",
    ),
}


@pytest.mark.parametrize("case", STATIC)
def test_bad_caches(model, case):
    change, error, message = STATIC[case]
    with pytest.raises(error, match=message):
        model(IDS, past_key_values=change(model.make_cache(3, 16)))


SIZES = [
    ((-1,), ValueError, "batch_size must be at least 1, not -1"),
    ((0,), ValueError, "batch_size must be at least 1"),
    ((None,), TypeError, "batch_size must be an integer, not None"),
    ((1, "8"), TypeError, "max_length must be an integer, not '8'"),
    ((1, 0), ValueError, "max_length must be at least 1, not 0"),
    ((1, 2.0), TypeError, "max_length must be an integer, not 2.0"),
    ((True,), TypeError, "batch_size must be an integer, not True"),
    ((1, 33), ContextLengthError, "n_positions=32"),
]


@pytest.mark.parametrize(("sizes", "error", "message"), SIZES, ids=[str(case[0]) for case in SIZES])
def test_bad_sizes(model, sizes, error, message):
    with pytest.raises(error, match=message):
        KVCache.empty(model.config, *sizes)


@pytest.mark.parametrize("past", [None, ()])
def test_a_cache_of_no_layers(past):
    with pytest.raises(ValueError, match=r"no layers; KVCache.empty makes"):
        KVCache.from_tuple(past, 16)


def test_an_empty_cache_fits_a_model_of_any_type(model):
    """`KVCache.empty` is told a configuration, which does not say in what type a model computes."""
    half = gpt2model.GPT2LMHeadModel(model.config, dtype="bfloat16")
    output = half(IDS[:, :4], past_key_values=KVCache.empty(half.config, 3, 12))
    output = half(IDS[:, 4:5], past_key_values=output.past_key_values)
    assert {keras.backend.standardize_dtype(key.dtype) for key in output.past_key_values.keys} == {"bfloat16"}
    wanted = array(keras.ops.cast(half(IDS[:, :5]).logits[:, 4:], "float32"))
    assert difference(array(keras.ops.cast(output.logits, "float32")), wanted) < 0.02


def test_good_caches(model):
    """Hugging Face's first call, NumPy's numbers as sizes, and a cache among a mapping's inputs."""
    wanted = array(model(IDS).logits)
    for none in ((None, None), [None, None]):
        output = model(IDS, past_key_values=none)
        assert difference(array(output.logits), wanted) < TOLERANCE and len(output.past_key_values) == 2
    cache = KVCache.empty(model.config, np.int64(3), np.int32(12))._replace(offset=np.int64(0))
    for output in (model(IDS, past_key_values=cache), model({"input_ids": IDS, "past_key_values": cache})):
        assert isinstance(output.past_key_values, KVCache)
        assert difference(array(output.logits), wanted) < TOLERANCE


def test_a_cache_of_transformers_after_the_line_that_converts_it():
    import torch

    ours, theirs = twins("GPT2LMHeadModel", **BASE)
    with torch.no_grad():
        wanted = theirs(torch.tensor(IDS).long()).logits[:, 8:]
        cache = theirs(torch.tensor(IDS[:, :8]).long(), use_cache=True).past_key_values
    with pytest.raises(TypeError, match="not DynamicCache"):
        ours(IDS[:, 8:], past_key_values=cache)
    past = tuple((layer.keys.numpy(), layer.values.numpy()) for layer in cache.layers)
    assert difference(array(ours(IDS[:, 8:], past_key_values=past).logits), wanted) < TOLERANCE


def test_unflattening_asks_nothing(model):
    """A tree library may put anything where the tensors were."""
    cache = model.make_cache(3)
    odd = keras.tree.pack_sequence_as(cache, [object()] * len(keras.tree.flatten(cache)))
    assert isinstance(odd, KVCache) and odd.offset is not None


# -- the encoder's keys


STATES = np.random.default_rng(1).normal(size=(3, 9, 16)).astype("float32")
SEEN = np.array([[1] * 9, [1] * 4 + [0] * 5, [0] * 3 + [1] * 6])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("form", ["static", "tuple"])
def test_steps_use_the_encoders_keys(crossed, form, masked):
    """Steps without the encoder's states equal one uncached pass with them."""
    mask = {"encoder_attention_mask": tensor(SEEN)} if masked else {}
    encoder = {"encoder_hidden_states": tensor(STATES), **mask}
    whole = answer(
        crossed, IDS, encoder_hidden_states=STATES, **({"encoder_attention_mask": SEEN} if masked else {})
    )
    past = crossed.make_cache(3, 16) if form == "static" else None
    parts = [crossed(IDS[:, :5], past_key_values=past, use_cache=True, **encoder)]
    step = compiled(lambda ids, past, mask: crossed(ids, past_key_values=past, **mask))
    for start, end in ((5, 6), (6, 12)):
        past = parts[-1].past_key_values
        if form == "static":
            past = past._replace(offset=tensor(np.int32(start)))
        parts.append(step(tensor(IDS[:, start:end]), past, mask))
    got = np.concatenate([array(part.logits) for part in parts], 1)
    assert difference(got, array(whole.logits)) < TOLERANCE
    last = parts[-1].past_key_values
    keys = last.cross_keys[0] if form == "static" else last[0][2]
    assert tuple(keys.shape) == (3, 4, 9, 4), "and hands them on"


def test_cached_encoder_shows_its_weights(crossed):
    first = crossed(IDS[:, :5], encoder_hidden_states=STATES)
    whole = crossed(IDS[:, :6], encoder_hidden_states=STATES, output_attentions=True)
    output = crossed(IDS[:, 5:6], past_key_values=first.past_key_values, output_attentions=True)
    for part, full in zip(output.cross_attentions, whole.cross_attentions, strict=True):
        assert difference(array(part), array(full)[:, :, 5:]) < TOLERANCE


@pytest.mark.parametrize("form", ["static", "tuple"])
def test_another_encoder_is_refused(crossed, form):
    past = crossed.make_cache(3, 16) if form == "static" else None
    past = crossed(IDS[:, :5], past_key_values=past, encoder_hidden_states=STATES).past_key_values
    token = IDS[:, 5:6]
    with pytest.raises(ValueError, match="the cache was filled from 9 encoder positions"):
        crossed(token, past_key_values=past, encoder_hidden_states=STATES[:, :3])
    with pytest.raises(ValueError, match=r"encoder_attention_mask has shape \(3, 8\); it must be \(3, 9\)"):
        crossed(token, past_key_values=past, encoder_attention_mask=SEEN[:, :8])
    with pytest.raises(ValueError, match="encoder_attention_mask came without encoder_hidden_states"):
        crossed(token, encoder_attention_mask=SEEN)
    layers = past.to_tuple() if form == "static" else past
    short = tuple((*layer[:2], layer[2], layer[3][:, :, :4]) for layer in layers)
    with pytest.raises(ValueError, match="the encoder's value of layer 0 has shape"):
        crossed(token, past_key_values=short)


def test_a_cache_goes_through_a_compiled_function(model):
    """Shapes are looked at while tracing, values are not."""
    run = compiled(lambda ids, cache: model(ids, past_key_values=cache))
    if BACKEND == "tensorflow":
        import tensorflow as tf

        run = tf.function(lambda ids, cache: model(ids, past_key_values=cache), jit_compile=True)
    cache = model.make_cache(3, 16)._replace(offset=tensor(np.int32(0)))
    first = run(tensor(IDS[:, :8]), cache)
    second = run(tensor(IDS[:, 8:]), first.past_key_values)
    assert int(second.past_key_values.offset) == 12
    assert difference(array(second.logits), array(model(IDS).logits)[:, 8:]) < TOLERANCE
    with pytest.raises(ValueError, match="batch 2"):
        run(tensor(IDS[:2]), cache)
