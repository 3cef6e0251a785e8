"""Are all ways to attend one? Blocks of queries against the formula written out, gradients too; and is what is
dropped on JAX random, and of the right amount?

Refuses to judge rows that see nothing: their mixture has no meaning.
"""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import pytest
from helpers import BACKEND, array, compiled, difference, ids_of, tensor
from keras import ops

import gpt2model
from gpt2model.attention import explicit_attention
from gpt2model.blocked_attention import BLOCK, MOST_BLOCKS, blocked_attention, blocks_of, can_be_blocked
from gpt2model.dropout import keep_mask, threefry
from gpt2model.masks import Visibility, self_visibility

ROWS, HEADS, SIDE = 3, 2, 8
LENGTHS = (BLOCK + 1, 2 * BLOCK, 300, MOST_BLOCKS * BLOCK + 5)


def parts(length: int, seed: int = 0) -> list[Any]:
    """Query, key and value, and what the gradient of their mixture is weighed with."""
    numbers = np.random.default_rng(seed)
    return [tensor(numbers.standard_normal((ROWS, HEADS, length, SIDE)).astype("float32")) for _ in range(4)]


def sight_of(padding: str, length: int) -> tuple[Visibility, np.ndarray[Any, Any]]:
    """What may be seen, and (rows, positions) which rows see anything."""
    mask = np.ones((ROWS, length), "int32")
    if padding == "left":
        mask[0, : length // 2] = 0
        mask[1, :7] = 0
    elif padding == "right":
        mask[0, length // 2 :] = 0
        mask[1, -7:] = 0
    given = None if padding == "none" else tensor(mask)
    sight = self_visibility(given, ROWS, length, 0, length, static=False)
    return sight, np.cumsum(mask, axis=1) > 0


def gradients(function: Any, inputs: list[Any]) -> list[np.ndarray[Any, Any]]:
    """Of a function's sum, by each input."""
    if BACKEND == "jax":
        import jax

        wanted = jax.jit(
            jax.grad(lambda *given: ops.sum(function(*given)), argnums=tuple(range(len(inputs))))
        )
        return [np.asarray(one) for one in wanted(*inputs)]
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = ops.sum(function(*inputs))
        return [array(one) for one in tape.gradient(total, inputs)]
    leaves = [one.detach().clone().requires_grad_() for one in inputs]
    ops.sum(function(*leaves)).backward()
    return [array(one.grad) for one in leaves]


@pytest.mark.parametrize("length", (1, 127, 128, 129, 300, 1024, 1029, 5000))
def test_blocks_cover_every_query_once(length: int) -> None:
    blocks = list(blocks_of(length))
    assert [place for start, end in blocks for place in range(start, end)] == list(range(length))
    assert len(blocks) <= MOST_BLOCKS


@pytest.mark.parametrize("padding", ("none", "left", "right"))
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("training", (False, True))
def test_blocks_are_the_formula(length: int, padding: str, training: bool) -> None:
    if training and BACKEND != "jax":
        pytest.skip("only JAX has another spelling for training")
    query, key, value, weigh = parts(length)
    dropout = keras.layers.Dropout(0.0) if training else None
    sight, seeing = sight_of(padding, length)
    weigh = weigh * tensor(seeing[:, None, :, None].astype("float32"))

    def blocked(query: Any, key: Any, value: Any) -> Any:
        return blocked_attention(query, key, value, sight, 0.3, dropout=dropout) * weigh

    def explicit(query: Any, key: Any, value: Any) -> Any:
        return explicit_attention(query, key, value, sight, 0.3)[0] * weigh

    inputs = [query, key, value]
    assert difference(array(compiled(blocked)(*inputs)), array(compiled(explicit)(*inputs))) < 2e-6
    for ours, plain in zip(gradients(blocked, inputs), gradients(explicit, inputs), strict=True):
        assert difference(ours, plain) < 2e-5


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_blocks_in_half_precision(dtype: str) -> None:
    query, key, value, _ = (ops.cast(part, dtype) for part in parts(200))
    value = value * ops.cast(100.0, dtype)  # a float16 sum over undivided weights would overflow
    sight, _ = sight_of("none", 200)
    blocked = blocked_attention(query, key, value, sight, 0.3)
    explicit, _ = explicit_attention(query, key, value, sight, 0.3)
    exact, _ = explicit_attention(*(ops.cast(part, "float32") for part in (query, key, value)), sight, 0.3)
    assert keras.backend.standardize_dtype(blocked.dtype) == dtype
    error, allowed = (
        difference(array(ops.cast(one, "float32")), array(exact)) for one in (blocked, explicit)
    )
    assert error <= 1.5 * allowed


def test_only_plain_order_is_blocked() -> None:
    long, short = ops.zeros((1, 2 * BLOCK, 1, 4)), ops.zeros((1, BLOCK, 1, 4))
    plain = Visibility(causal=True, mask=None)
    padded = self_visibility(ops.ones((1, 2 * BLOCK)), 1, 2 * BLOCK, 0, 2 * BLOCK, static=False)
    everything = Visibility(causal=False, mask=None)
    cached = self_visibility(None, 1, 2 * BLOCK, 0, 4 * BLOCK, static=True)
    taken = BACKEND != "torch"
    assert padded.ordered and not cached.ordered and not everything.ordered
    assert can_be_blocked(long, long, plain) is taken and can_be_blocked(long, long, padded) is taken
    assert not can_be_blocked(short, short, plain)
    assert not can_be_blocked(long, long, everything) and not can_be_blocked(long, long, cached)
    assert not can_be_blocked(short, long, plain)


@functools.cache
def long_model() -> Any:
    keras.utils.set_random_seed(0)
    config = gpt2model.GPT2Config(vocab_size=64, n_positions=2 * BLOCK, n_embd=16, n_layer=2, n_head=2)
    return gpt2model.GPT2LMHeadModel(config)


@pytest.mark.parametrize("padded", (False, True))
def test_model_answers_alike_with_and_without_blocks(padded: bool) -> None:
    model, ids = long_model(), tensor(ids_of(2, 2 * BLOCK))
    mask = np.ones((2, 2 * BLOCK), "int32")
    mask[0, :9] = 0
    given = {"input_ids": ids, **({"attention_mask": tensor(mask)} if padded else {})}
    blocked = compiled(lambda given: model(**given).logits)(given)
    # Weights are asked for: the formula.
    explicit = compiled(lambda given: model(**given, output_attentions=True).logits)(given)
    rows = mask.astype(bool) if padded else np.ones_like(mask, bool)
    assert difference(array(blocked)[rows], array(explicit)[rows]) < 1e-5
    assert not np.isnan(array(blocked)).any()


def test_dropout_of_blocks_keeps_the_mean() -> None:
    query, key, _, _ = parts(2 * BLOCK)
    value = ops.ones((ROWS, HEADS, 2 * BLOCK, SIDE))
    layer = keras.layers.Dropout(0.25, seed=1)
    plain = Visibility(causal=True, mask=None)
    mixture = array(blocked_attention(query, key, value, plain, 0.3, dropout=layer))
    # Without dropout every number would be 1. The first query sees one key: either nothing is left or 4/3.
    assert abs(mixture.mean() - 1.0) < 0.01 and 0.01 < mixture[:, :, BLOCK:].std() < 0.2
    first = mixture[:, :, 0, 0]
    assert np.all((np.abs(first) < 1e-6) | (np.abs(first - 4 / 3) < 1e-5))
    again = array(blocked_attention(query, key, value, plain, 0.3, dropout=layer))
    assert difference(mixture, again) > 0.01  # another call, other keys


@pytest.mark.skipif(BACKEND != "jax", reason="the draw is JAX's only")
def test_threefry_is_the_one_of_the_paper() -> None:
    """Known answers of Random123 (Salmon et al.), threefry2x32 with 20 rounds: counter, key, answer."""
    for counter, key, wanted in (
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
    ):
        left, right = (ops.convert_to_tensor(number, dtype="uint32") for number in counter)
        got = threefry(ops.convert_to_tensor(key, dtype="uint32"), left, right)
        assert tuple(int(one) for one in got) == wanted


@pytest.mark.skipif(BACKEND != "jax", reason="the draw is JAX's only")
def test_kept_numbers_are_independent_and_of_the_right_amount() -> None:
    seed = ops.convert_to_tensor([5, 0], dtype="uint32")
    other = ops.convert_to_tensor([5, 1], dtype="uint32")
    kept = array(keep_mask(seed, (64, 32, 512), 0.9)).astype("float64")
    count = kept.size
    assert abs(kept.mean() - 0.9) < 5 * (0.09 / count) ** 0.5
    centred = kept - 0.9
    # Neighbours along each side, and the same place under the next seed, know nothing of each other.
    pairs = [
        centred[1:] * centred[:-1],
        centred[:, 1:] * centred[:, :-1],
        centred[..., 1:] * centred[..., :-1],
    ]
    pairs.append(centred * (array(keep_mask(other, (64, 32, 512), 0.9)) - 0.9))
    for product in pairs:
        assert abs(product.mean()) < 5 * 0.09 / product.size**0.5
    assert array(keep_mask(seed, (100_000,), 0.5)).mean() == pytest.approx(0.5, abs=0.01)
    assert array(keep_mask(seed, (7,), 1.0)).all()
