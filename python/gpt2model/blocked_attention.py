"""What does attention in plain order cost on a CPU? Half of it, if no query meets the keys behind it.

Owns one more way to attend, for many positions that see themselves and those before them: the queries are cut
into blocks, and each block meets only the keys up to its own end, at once or, on JAX outside of training, one block of
keys after the other. `explicit_attention` (`attention.py`) is its plain version, and a test holds them equal, gradients
too. Refuses every other case: weights to show, caches with a past, lengths that are not known while tracing,
accelerators (they have kernels for this).

CPU time of one layer of gpt2-small, 8 x 512 positions, on JAX (ms; forward, and with gradient):
    explicit                              247    632
    blocks of 256                         118    398
    blocks of 128                         105    363
    blocks of 128, divided afterwards      91    314      (taken)
    blocks of 64                          108    367
    the last but one, row after row        93     -       (`lax.map`: the scores stay in the cache, nothing gained)
    the same, head after head              79    445      (its backward pass lets only one head work at a time)
The same with freed memory kept, by the clock and in CPU time (ms, JAX 0.10.2, two cores of another processor):
    blocks of 128, divided afterwards      33, 50         gradient 112, 183
    the same, of 256                       33, 47         last block first, batch or heads halved: 31 to 37
    tiles of 128                           25, 42         gradient 122, 186   (taken outside of training)
    tiles of 64, 96, 192, 256              27, 24, 27, 33
gpt2-small forward, 8 x 512, by turns: blocks 3.3, 3.1, 2.8 s, tiles 2.9, 2.7, 2.7 s.
1,024 positions, 4 rows: blocks 54, 96; tiles of 64, 128, 192, 256: 50, 37, 44, 40. XLA copies the keys and the values
of every block anew, and gives a product of so few rows to one core: of tiles there are enough for both.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import keras
from keras import ops

from .backend import BACKEND, Tensor, on_cpu, product_of_rows, sides
from .dropout import dropped, keep_mask
from .masks import Visibility, causal_mask

BLOCK = 128  # queries; fewer save more products, but smaller ones run slower
MOST_BLOCKS = 8  # each is compiled by itself


def can_be_blocked(query: Tensor, key: Tensor, sight: Visibility) -> bool:
    """Whether `blocked_attention` takes these, and is quicker.

    Arguments:
        query, key: (batch, positions, heads, head_dim).
        sight: what may be seen.
    """
    steps, keys = sides(query)[1], sides(key)[1]
    return (
        BACKEND in ("jax", "tensorflow")  # torch has a kernel on every device
        and (sight.causal or sight.ordered)
        and steps is not None
        and steps == keys
        and steps > BLOCK
        and on_cpu()
    )


def blocks_of(length: int) -> Iterator[tuple[int, int]]:
    """Start and end of each block of queries.

    Example:
        >>> list(blocks_of(300))
        [(0, 128), (128, 256), (256, 300)]
    """
    size = max(BLOCK, -(-length // MOST_BLOCKS))
    for start in range(0, length, size):
        yield start, min(start + size, length)


def blocked_attention(  # noqa: PLR0917
    query: Tensor,
    key: Tensor,
    value: Tensor,
    sight: Visibility,
    scale: float,
    dropout: keras.layers.Dropout | None = None,
) -> Tensor:
    """`explicit_attention` for positions in plain order, without its weights.

    Where a query sees nothing at all (padding on the left), the mixture has no meaning, here as there.

    Arguments:
        query, key, value: (batch, heads, positions, head_dim), of a length known while tracing.
        sight: plain order, or a mask that holds it.
        scale: what q k is multiplied by.
        dropout: of the weights, in training.

    Returns:
        The mixture (batch, heads, positions, head_dim).
    """
    length = int(query.shape[2])
    half = keras.backend.standardize_dtype(query.dtype) in ("float16", "bfloat16")
    if not half:  # there the product is scaled, once it is float32: one rounding less
        query = ops.multiply(query, ops.cast(scale, query.dtype))
    if BACKEND == "jax" and not half and dropout is None:
        return _tiled(query, key, value, sight)
    mixtures = []
    for start, end in blocks_of(length):
        scores = product_of_rows(query[:, :, start:end], key[:, :, :end])  # (batch, heads, end - start, end)
        mask = (
            causal_mask(end - start, end, start) if sight.mask is None else sight.mask[:, :, start:end, :end]
        )
        if half:
            scores = ops.multiply(ops.cast(scores, "float32"), scale)
        scores = ops.where(mask, scores, -1e30)
        mixtures.append(_mixture(scores, value[:, :, :end], mask, dropout))
    return ops.concatenate(mixtures, axis=2)


def _tiled(query: Tensor, key: Tensor, value: Tensor, sight: Visibility) -> Tensor:
    """`blocked_attention` with the keys cut like the queries, (batch, heads, positions, head_dim).

    Arguments:
        query: multiplied by the scale.
    """
    blocks = list(blocks_of(int(query.shape[2])))
    queries, keys, values = ([part[:, :, start:end] for start, end in blocks] for part in (query, key, value))
    mixtures = []
    for row, (start, end) in enumerate(blocks):
        tiles = []  # of scores, each (batch, heads, end - start, its keys)
        for column, (first, last) in enumerate(blocks[: row + 1]):
            scores = product_of_rows(queries[row], keys[column])
            if sight.mask is not None:
                scores = ops.where(sight.mask[:, :, start:end, first:last], scores, -1e30)
            elif row == column:
                scores = ops.where(causal_mask(end - start, end - start, 0), scores, -1e30)
            tiles.append(scores)
        most = functools.reduce(ops.maximum, [ops.max(scores, axis=-1, keepdims=True) for scores in tiles])
        powers = [ops.exp(scores - ops.stop_gradient(most)) for scores in tiles]
        total = functools.reduce(ops.add, [ops.sum(part, axis=-1, keepdims=True) for part in powers])
        mixed = [ops.matmul(part, seen) for part, seen in zip(powers, values[: row + 1], strict=True)]
        mixtures.append(ops.divide(functools.reduce(ops.add, mixed), total))
    return ops.concatenate(mixtures, axis=2)


def _mixture(scores: Tensor, value: Tensor, mask: Tensor, dropout: keras.layers.Dropout | None) -> Tensor:
    """softmax(scores) v of one block, (batch, heads, queries, head_dim)."""
    dtype = value.dtype
    nothing_left = dropout is not None and dropout.rate == 1.0
    if BACKEND != "jax" or dtype != scores.dtype or nothing_left:
        weights = ops.cast(ops.softmax(scores, axis=-1), dtype)
        if dropout is not None:
            weights = dropped(dropout, weights, training=True)
        return ops.matmul(weights, value)
    # The division comes after the product: as many quotients as the mixture has numbers, not as there are
    # weights, and one passage less. (Not in half precision, where the sums could overflow; not on TensorFlow,
    # whose softmax is one kernel.)
    powers = ops.exp(scores - ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True)))
    total = ops.sum(powers, axis=-1, keepdims=True)
    if dropout is not None and dropout.rate:
        kept = keep_mask(dropout.seed_generator.next(), powers.shape, 1.0 - dropout.rate)
        powers = ops.where(kept, powers, 0.0)
        total = total * (1.0 - dropout.rate)
    return ops.divide(ops.matmul(powers, value), total)
