"""The law of the cache: any prefill followed by any steps gives what one uncached pass gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers import BACKEND, TOLERANCE, answer, array, compiled, difference, tensor, twins

import gpt2model
from gpt2model import ContextLengthError, KVCache

BASE = {"vocab_size": 120, "n_positions": 64, "n_embd": 32, "n_layer": 2, "n_head": 4}


def random_ids(shape, seed=0, vocab=120):
    return np.random.default_rng(seed).integers(0, vocab, shape)


def model_of(seed=0, **fields):
    return twins("GPT2LMHeadModel", seed=seed, **{**BASE, **fields})[0]


def cuts_of(total, seed, prefill=None):
    """Random lengths that sum up to the total; the first is the prefill."""
    rng = np.random.default_rng(seed)
    cuts = [prefill] if prefill else []
    while sum(cuts) < total:
        cuts.append(int(min(rng.choice([1, 1, 2, 3, 7, 20]), total - sum(cuts))))
    return cuts


def masked(side, rows, length):
    mask = np.ones((rows, length), "int64")
    for row in range(1, rows):
        mask[row, : 5 * row] = 0
    if side == "right":
        mask = mask[:, ::-1].copy()
    return mask


def stepwise(model, ids, cuts, form, *, mask=None, position_ids=None, **encoder):
    """The logits of all positions, computed part by part."""
    rows, total = ids.shape

    def prefill(inputs):
        past = KVCache.empty(model.config, rows, total) if form == "static" else None
        return model(past_key_values=past, use_cache=True, **inputs)

    def step(past, inputs):
        return model(past_key_values=past, **inputs)

    prefill, step = compiled(prefill), compiled(step)  # JAX compiles each length of a part once
    done, logits, past = 0, [], None
    for cut in cuts:
        part = slice(done, done + cut)
        given = {"input_ids": ids[:, part], **encoder}
        if position_ids is not None:
            given["position_ids"] = position_ids[:, part]
        if mask is not None:  # a traced offset wants the mask of the whole room; a known one takes it too
            given["attention_mask"] = mask if form == "static" else mask[:, : done + cut]
        given = {name: tensor(value) for name, value in given.items()}
        output = prefill(given) if past is None else step(past, given)
        past = output.past_key_values
        assert isinstance(past, KVCache) == (form == "static")
        logits.append(array(output.logits))
        done += cut
    assert done == total
    return np.concatenate(logits, 1), past


# In the tuple form every step has shapes of its own, each a compilation to JAX: fewer and longer steps there.
FEW = [17, 1, 5, 1, 40]


@pytest.mark.parametrize("form", ["static", "tuple"])
@pytest.mark.parametrize("seed", range(1 if BACKEND == "jax" else 3))
def test_all_positions(form, seed):
    model, ids = model_of(seed), random_ids((2, 64), seed)
    whole = answer(model, ids, use_cache=True)
    cuts = FEW if form == "tuple" and BACKEND == "jax" else cuts_of(64, seed)
    got, past = stepwise(model, ids, cuts, form)
    assert difference(got, array(whole.logits)) < TOLERANCE
    layers = past.to_tuple() if form == "static" else past
    for ours, layer in zip(layers, whole.past_key_values, strict=True):
        assert difference(array(ours[0]), array(layer[0])) < TOLERANCE
        assert difference(array(ours[1]), array(layer[1])) < TOLERANCE


FLAVOURS = {
    "plain": {},
    "inverse_layer": {"scale_attn_by_inverse_layer_idx": True, "reorder_and_upcast_attn": True},
    "one_head": {"n_head": 1, "n_layer": 1, "scale_attn_weights": False},
    "cross": {"add_cross_attention": True},
}


def check_prefill(prefill, **fields):
    """One prefill length: steps of random lengths after it, under each kind of padding."""
    model, ids, encoder = model_of(prefill, **fields), random_ids((3, 64), prefill), {}
    if model.config.add_cross_attention:
        states = np.random.default_rng(prefill).normal(size=(3, 9, 32)).astype("float32")
        encoder = {
            "encoder_hidden_states": states,
            "encoder_attention_mask": masked("right", 3, 9) | np.eye(3, 9, dtype="int64"),
        }
    for side in (None, "left", "right"):
        mask = None if side is None else masked(side, 3, 64)
        places = None if side is None else np.maximum(np.cumsum(mask, 1) - 1, 0)
        wanted = array(answer(model, ids, attention_mask=mask, position_ids=places, **encoder).logits)
        cuts = cuts_of(64, prefill, prefill)
        got, _ = stepwise(model, ids, cuts, "static", mask=mask, position_ids=places, **encoder)
        seen = np.ones((3, 64), bool) if mask is None else mask == 1
        assert difference(got[seen], wanted[seen]) < TOLERANCE, (prefill, side, cuts)


@pytest.mark.skipif(BACKEND == "jax", reason="a compilation for every length: runs with --long")
@pytest.mark.parametrize("prefill", [1, 2, 31, 63, 64])
def test_prefill_of_some_lengths(prefill):
    check_prefill(prefill)


@pytest.mark.long
@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("prefill", range(1, 65))
def test_prefill_of_every_length(prefill, flavour):
    check_prefill(prefill, **FLAVOURS[flavour])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("form", ["static", "tuple"])
def test_padding(side, form):
    model, ids, mask = model_of(), random_ids((3, 40)), masked(side, 3, 40)
    places = np.maximum(np.cumsum(mask, 1) - 1, 0)
    wanted = array(answer(model, ids, attention_mask=mask, position_ids=places).logits)
    cuts = [18, 1, 21] if BACKEND == "jax" else cuts_of(40, 3)
    got, _ = stepwise(model, ids, cuts, form, mask=mask, position_ids=places)
    assert difference(got[mask == 1], wanted[mask == 1]) < TOLERANCE


@pytest.mark.parametrize("form", ["static", "tuple"])
def test_cross_attention(form):
    model, ids = model_of(add_cross_attention=True), random_ids((2, 30))
    states = np.random.default_rng(1).normal(size=(2, 9, 32)).astype("float32")
    encoder = {
        "encoder_hidden_states": states,
        "encoder_attention_mask": np.array([[1] * 9, [1] * 4 + [0] * 5]),
    }
    wanted = array(answer(model, ids, **encoder).logits)
    cuts = [18, 1, 11] if BACKEND == "jax" else cuts_of(30, 5)
    got, past = stepwise(model, ids, cuts, form, **encoder)
    assert difference(got, wanted) < TOLERANCE
    assert (len(past.cross_keys) if form == "static" else len(past[0]) - 1) == (2 if form == "static" else 3)


def test_head_mask_and_weights():
    """The explicit path through a cache."""
    model, ids = model_of(), random_ids((2, 24))
    factors = np.array([0.0, 1.0, 0.5, 2.0], "float32")
    whole = answer(model, ids, head_mask=factors, output_attentions=True)
    first = answer(model, ids[:, :20], past_key_values=traced(model.make_cache(2, 32)), head_mask=factors)
    output = answer(
        model, ids[:, 20:], past_key_values=first.past_key_values, head_mask=factors, output_attentions=True
    )
    assert difference(array(output.logits), array(whole.logits)[:, 20:]) < TOLERANCE
    for part, full in zip(output.attentions, whole.attentions, strict=True):
        assert difference(array(part)[..., :24], array(full)[:, :, 20:]) < TOLERANCE
        assert not array(part)[..., 24:].any()


def traced(cache):
    """The cache with its offset as a tensor, as a compiled function hands it on."""
    return cache._replace(offset=keras.ops.convert_to_tensor(cache.offset, "int32"))


@pytest.mark.long
@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize("cross", [False, True])
def test_1024_positions(side, cross):
    """The published length."""
    model, ids = model_of(n_positions=1024, add_cross_attention=cross), random_ids((2, 1024))
    mask = None if side is None else masked(side, 2, 1024)
    places = None if side is None else np.maximum(np.cumsum(mask, 1) - 1, 0)
    encoder = {}
    if cross:
        states = np.random.default_rng(1).normal(size=(2, 9, 32)).astype("float32")
        encoder = {"encoder_hidden_states": states}
    wanted = array(answer(model, ids, attention_mask=mask, position_ids=places, **encoder).logits)
    seen = np.ones(ids.shape, bool) if mask is None else mask == 1
    for cuts in ([1] * 1024, [1000, 1, 1, 5, 1, 16], [1, 511, 512], [37] * 27 + [25]):
        got, _ = stepwise(model, ids, cuts, "static", mask=mask, position_ids=places, **encoder)
        assert difference(got[seen], wanted[seen]) < TOLERANCE, cuts[:3]


def test_live_transformers_cache():
    """Steps of ours against steps of transformers with its own cache."""
    import torch

    ours, theirs = twins("GPT2LMHeadModel", **BASE)
    ids = random_ids((2, 20))
    with torch.no_grad():
        theirs_past = theirs(torch.tensor(ids[:, :12]), use_cache=True).past_key_values
    past = answer(ours, ids[:, :12], past_key_values=traced(ours.make_cache(2))).past_key_values
    for step in range(12, 20):
        token = ids[:, step : step + 1]
        with torch.no_grad():
            wanted = theirs(torch.tensor(token), past_key_values=theirs_past, use_cache=True)
        got = answer(ours, token, past_key_values=past, logits_to_keep=1)
        theirs_past, past = wanted.past_key_values, got.past_key_values
        assert difference(array(got.logits), wanted.logits) < TOLERANCE


def test_forms_pass_into_each_other():
    model, ids = model_of(), random_ids((2, 20))
    wanted = array(answer(model, ids).logits)
    first = answer(model, ids[:, :13], use_cache=True)
    cache = KVCache.from_tuple(first.past_key_values, 32)
    output = answer(model, ids[:, 13:], past_key_values=traced(cache))
    assert difference(array(output.logits), wanted[:, 13:]) < TOLERANCE
    stacked = [
        keras.ops.stack(layer) for layer in first.past_key_values
    ]  # as transformers' TensorFlow models had it
    output = answer(model, ids[:, 13:], past_key_values=stacked)
    assert difference(array(output.logits), wanted[:, 13:]) < TOLERANCE


def test_a_cache_keeps_its_meaning():
    """Two continuations of one prefix do not disturb each other, unless overwriting is asked for."""
    model, ids = model_of(n_layer=1), random_ids((1, 20))
    other = random_ids((1, 20), 9)
    prefix = model(tensor(ids[:, :10]), past_key_values=model.make_cache(1)).past_key_values
    assert prefix.offset == 10 and isinstance(prefix.offset, int)
    one = model(tensor(ids[:, 10:15]), past_key_values=prefix).past_key_values
    model(tensor(other[:, 10:15]), past_key_values=prefix)
    got = model(tensor(ids[:, 15:]), past_key_values=one).logits
    assert difference(array(got), array(answer(model, ids).logits)[:, 15:]) < TOLERANCE


@pytest.mark.skipif(BACKEND != "torch", reason="only torch writes in place; elsewhere the compiler decides")
def test_overwriting():
    from gpt2model.cache import overwriting

    model, ids = model_of(), random_ids((2, 20))
    wanted = array(answer(model, ids).logits)
    cache = model.make_cache(2, 20)
    with overwriting():
        past = model(tensor(ids[:, :7]), past_key_values=cache).past_key_values
        assert past.keys[0] is cache.keys[0], "written in place"
        got, _ = stepwise(model, ids, [7, 1, 1, 4, 7], "static")
    assert difference(got, wanted) < TOLERANCE


def test_take_rows():
    model, ids = model_of(), random_ids((3, 12))
    cache = answer(model, ids[:, :10], past_key_values=traced(model.make_cache(3))).past_key_values
    rows = np.array([2, 2, 0, 1])
    got = answer(model, ids[rows][:, 10:], past_key_values=cache.take_rows(tensor(rows))).logits
    assert difference(array(got), array(answer(model, ids[rows]).logits)[:, 10:]) < TOLERANCE


def test_traced_loop():
    """Greedy steps in a compiled while loop that carries the cache equal eager steps without one."""
    model, ids = model_of(), random_ids((2, 8))
    steps = 10

    def loop(ids):
        first = model(ids, past_key_values=model.make_cache(2, 20), logits_to_keep=1)
        token = keras.ops.argmax(first.logits[:, -1], -1)
        token = keras.ops.cast(token, "int32")
        cache = first.past_key_values
        cache = cache._replace(offset=keras.ops.convert_to_tensor(cache.offset, "int32"))
        taken = keras.ops.zeros((2, steps), "int32")

        def body(index, token, cache, taken):
            taken = keras.ops.slice_update(taken, (0, index), token[:, None])
            output = model(token[:, None], past_key_values=cache, logits_to_keep=1)
            following = keras.ops.cast(keras.ops.argmax(output.logits[:, -1], -1), "int32")
            return index + 1, following, output.past_key_values, taken

        return keras.ops.while_loop(
            lambda index, *_: index < steps,
            body,
            (keras.ops.convert_to_tensor(0, "int32"), token, cache, taken),
        )[3]

    wanted = ids
    for _ in range(steps):  # uncached; positions that are not there yet change nothing before them
        room = np.concatenate([wanted, np.zeros((2, 18 - wanted.shape[1]), "int64")], 1)
        following = array(answer(model, room).logits)[:, wanted.shape[1] - 1].argmax(-1)
        wanted = np.concatenate([wanted, following[:, None]], 1)
    for run in compilers(loop):
        assert array(run(tensor(ids.astype("int32")))).tolist() == wanted[:, 8:].tolist()


def compilers(function):
    """A function as the backend compiles it, in every way it has."""
    if BACKEND == "jax":
        import jax

        return [jax.jit(function)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return [tf.function(function), tf.function(function, jit_compile=True)]
    return [function]


def test_full_cache_is_refused():
    model, ids = model_of(n_layer=1), random_ids((1, 20))
    cache = model(tensor(ids), past_key_values=model.make_cache(1, 22)).past_key_values
    with pytest.raises(ContextLengthError, match="room for 22 positions; 20 are filled and 3 more"):
        model(tensor(ids[:, :3]), past_key_values=cache)
    with pytest.raises(ContextLengthError, match="n_positions=64"):
        model.make_cache(1, 65)
    with pytest.raises(ValueError, match="batch 3"):
        model(tensor(random_ids((3, 1))), past_key_values=cache)
    with pytest.raises(ValueError, match="n_layer=1"):
        model(tensor(ids[:, :1]), past_key_values=cache.to_tuple() * 2)
    with pytest.raises(ValueError, match="past_key_values\\[0\\]"):
        model(tensor(ids[:, :1]), past_key_values=[(cache.keys[0],) * 3])
    with pytest.raises(ContextLengthError, match="do not fit"):
        KVCache.from_tuple(cache.to_tuple(), 5)
    with pytest.raises(ContextLengthError, match=r"66 positions \(60 of them in the cache\)"):
        long = model(tensor(random_ids((1, 60))), use_cache=True).past_key_values
        model(tensor(ids[:, :6]), past_key_values=long)


def test_mask_must_cover_the_cache():
    model, ids = model_of(n_layer=1), random_ids((2, 10))
    cache = model(tensor(ids), past_key_values=model.make_cache(2, 20)).past_key_values
    with pytest.raises(ValueError, match=r"attention_mask has shape \(2, 1\); it must be \(2, 11\)"):
        model(tensor(ids[:, :1]), past_key_values=cache, attention_mask=tensor(np.ones((2, 1))))
    whole = tensor(np.ones((2, 20), "int32"))
    got = model(tensor(ids[:, :1]), past_key_values=cache, attention_mask=whole).logits
    assert difference(array(got), array(model(tensor(ids[:, :1]), past_key_values=cache).logits)) < TOLERANCE
    assert isinstance(model, gpt2model.GPT2LMHeadModel)
