"""What comes out of the weights, once they are prepared for generation? GPT-2's forward pass as one pure
function.

Owns the same formula as `model.py`, over a pytree of arrays instead of layers: weights are arguments, so that a
compiled program holds none of them and is shared by all models of a shape. A test holds both equal. Refuses
what generation does not ask for: training, dropout, attention weights, losses.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from keras import ops

from ..activations import activation
from ..attention import explicit_attention, swap
from ..backend import BACKEND, Tensor
from ..blocked_attention import blocked_attention, can_be_blocked
from ..config import GPT2Config
from ..masks import Visibility, causal_mask
from .crossing import Encoded
from .places import placed
from .products import of_rows, product
from .torch_layers import layers_in_torch
from .weights import Kernel, Weights


@final
class Cache(NamedTuple):
    """Keys and values of every layer, (rows * heads, room, head_dim), filled up to `offset`.

    `KVCache` without the axis of rows: with it, XLA has two forms of every buffer for one row, that of the loop
    and that of the product, and copies all of them at every step (33 copies in a program of two layers; none
    so).
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    offset: int | Tensor

    @property
    def room(self) -> Any:
        """Positions there is room for: a number, or a tensor where an exported graph does not know it yet."""
        return ops.shape(self.keys[0])[1]


@final
@dataclass(frozen=True)
class Shape:
    """The numbers of a model that its program depends on."""

    vocabulary: int
    layers: int
    heads: int
    head_dim: int
    epsilon: float
    scales: tuple[float, ...]  # of each layer's attention scores
    activation: str | None
    upcast: bool

    @classmethod
    def of(cls, config: GPT2Config) -> Shape:
        """The shape that a configuration describes."""
        scale = config.head_dim**-0.5 if config.scale_attn_weights else 1.0
        inverse = config.scale_attn_by_inverse_layer_idx
        return cls(
            vocabulary=config.vocab_size,
            layers=config.n_layer,
            heads=config.n_head,
            head_dim=config.head_dim,
            epsilon=config.layer_norm_epsilon,
            scales=tuple(scale / (index + 1 if inverse else 1) for index in range(config.n_layer)),
            activation=config.activation_function,
            upcast=config.reorder_and_upcast_attn,
        )

    def cache(self, rows: int | Tensor, room: int | Tensor) -> Cache:
        """An empty cache, which need not end at `n_positions`: padding takes room too."""
        shape = (rows * self.heads, room, self.head_dim)
        keys = tuple(ops.zeros(shape, "float32") for _ in range(self.layers))
        values = tuple(ops.zeros(shape, "float32") for _ in range(self.layers))
        return Cache(keys, values, 0)


def look_up(table: Kernel, ids: Tensor) -> Tensor:
    """Rows of a table, float32: (...) to (..., n_embd)."""
    found, start = None, 0
    for rows in table.rows:
        here = ids - start  # the place in this shard, if it is in this one
        part = _taken(rows, ops.clip(here, 0, rows.shape[0] - 1))
        found = part if found is None else ops.where(ops.expand_dims(here >= 0, -1), part, found)
        start += int(rows.shape[0])
    if isinstance(table.scale, tuple):
        return found
    return found * ops.expand_dims(ops.take(table.scale, ids, axis=0), -1)


def _taken(rows: Tensor, places: Tensor) -> Tensor:
    """Rows of a shard, float32.

    bfloat16 is looked up as the whole numbers of its bits: XLA on a CPU would turn the whole table to float32 first
    (JAX 0.10: before every loop, for gpt2-small 137 ms and 154 MB).
    """
    if BACKEND == "jax" and rows.dtype == "bfloat16":
        lax = sys.modules["jax"].lax
        bits = ops.take(lax.bitcast_convert_type(rows, "uint16"), places, axis=0)
        return ops.cast(lax.bitcast_convert_type(bits, "bfloat16"), "float32")
    return ops.cast(ops.take(rows, places, axis=0), "float32")


def normalized(hidden: Tensor, norm: tuple[Tensor, Tensor], epsilon: float) -> Tensor:
    """Layer normalisation over the last axis."""
    if BACKEND == "torch":
        return ops.layer_normalization(hidden, norm[0], norm[1], axis=-1, epsilon=epsilon)
    middle = hidden - ops.mean(hidden, axis=-1, keepdims=True)
    spread = ops.mean(ops.square(middle), axis=-1, keepdims=True)
    return middle * ops.rsqrt(spread + epsilon) * norm[0] + norm[1]


def forward(  # noqa: PLR0917
    shape: Shape,
    weights: Weights,
    ids: Tensor,
    positions: Tensor,
    cache: Cache,
    real: Tensor,
    *,
    keep: int | None = 1,
    encoder: Encoded = (),
) -> tuple[Tensor, Cache]:
    """Logits of new tokens, and the cache with them in it: `features`, and `head` of them.

    Returns:
        Logits (rows, keep, vocabulary) float32, and the cache.
    """
    hidden, cache = features(shape, weights, ids, positions, cache, real, keep=keep, encoder=encoder)
    return head(weights, hidden), cache


def head(weights: Weights, hidden: Tensor) -> Tensor:
    """Hidden states (..., n_embd) to logits (..., vocabulary) float32."""
    return product(hidden, weights["head"] or weights["wte"])


def features(  # noqa: PLR0917
    shape: Shape,
    weights: Weights,
    ids: Tensor,
    positions: Tensor,
    cache: Cache,
    real: Tensor,
    *,
    keep: int | None = 1,
    order: Tensor | None = None,
    encoder: Encoded = (),
) -> tuple[Tensor, Cache]:
    """The last layer's hidden states of new tokens, and the cache with them in it.

    Arguments:
        ids: (rows, steps) int32, in the vocabulary.
        positions: (rows, steps) int32, of the position embeddings.
        cache: what lies before; offset 0 (a plain number) means a prefill.
        real: (rows, room) booleans, False where the cache holds padding.
        keep: hidden states of the last so many positions; None for all.
        order: (1, 1, steps, room) booleans, which places of the cache each new token sees; None: those up to
            its own.
        encoder: what cross-attention looks at.

    Returns:
        (rows, keep, n_embd) float32 after the last normalisation, and the cache.
    """
    steps = ops.shape(ids)[1]
    offset, room = cache.offset, cache.room
    fresh = _fresh(cache)
    end: Any = steps if fresh else room
    if BACKEND == "torch":
        end = int(offset) + steps  # no fixed shape to keep: attend to what is there
    before: Any = 0 if fresh else offset
    if BACKEND == "torch" and steps == 1 and order is None:  # all of it, then, but for padding
        mask = None if bool(real[:, :end].all()) else ops.expand_dims(real[:, :end], (1, 2))
    else:
        order = causal_mask(steps, end, before) if order is None else order[..., :end]
        mask = ops.logical_and(order, ops.expand_dims(real[:, :end], (1, 2)))
    hidden = look_up(weights["wte"], ids) + ops.take(weights["wpe"], positions, axis=0)
    layers = layers_in_torch if BACKEND == "torch" else _layers
    hidden, keys, values = layers(shape, weights, hidden, cache, mask, encoder)
    if keep is not None:
        hidden = hidden[:, steps - keep :]
    return normalized(hidden, weights["ln_f"], shape.epsilon), Cache(keys, values, offset + steps)


def _layers(  # noqa: PLR0917
    shape: Shape, weights: Weights, hidden: Tensor, cache: Cache, mask: Tensor, encoder: Encoded
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """New tokens through every layer; `layers_in_torch` says what is given and given back."""
    offset, end = cache.offset, ops.shape(mask)[-1]
    fresh = _fresh(cache)
    sight = Visibility(causal=False, mask=mask, ordered=fresh)
    act = activation(shape.activation)
    keys, values = [], []
    for index, layer in enumerate(weights["layers"]):
        qkv = product(normalized(hidden, layer["ln_1"], shape.epsilon), layer["qkv"])
        query, key, value = (_in_heads(shape, part) for part in ops.split(qkv, 3, axis=-1))
        keys.append(_written(cache.keys[index], key, offset))
        values.append(_written(cache.values[index], value, offset))
        seen = None if fresh else (keys[-1][:, :end], values[-1][:, :end])
        mixture = _attended(shape, index, query, key, value, seen, sight)
        hidden = hidden + product(mixture, layer["proj"])
        if encoder:
            query = _in_heads(
                shape, product(normalized(hidden, layer["ln_cross"], shape.epsilon), layer["cross_q"])
            )
            seen = (encoder.keys[index], encoder.values[index])
            whole = Visibility(causal=False, mask=ops.expand_dims(encoder.real, (1, 2)))
            mixture = _attended(shape, index, query, None, None, seen, whole)
            hidden = hidden + product(mixture, layer["cross_proj"])
        inner = act(product(normalized(hidden, layer["ln_2"], shape.epsilon), layer["fc"]), *layer["act"])
        hidden = hidden + product(inner, layer["out"])
    return hidden, tuple(keys), tuple(values)


def _fresh(cache: Cache) -> bool:
    """Whether nothing lies before the new tokens, and it is known while tracing."""
    return isinstance(cache.offset, int) and cache.offset == 0


def _in_heads(shape: Shape, tensor: Tensor) -> Tensor:
    """(rows, steps, n_embd) to (rows, steps, heads, head_dim)."""
    return ops.reshape(tensor, (*ops.shape(tensor)[:2], shape.heads, shape.head_dim))


def _written(buffer: Tensor, new: Tensor, offset: int | Tensor) -> Tensor:
    """The buffer (rows * heads, room, head_dim) with new positions (rows, steps, heads, head_dim) in it."""
    rows, steps, heads, width = ops.shape(new)
    return placed(buffer, ops.reshape(swap(new), (rows * heads, steps, width)), offset)


def _from_cache(  # noqa: PLR0917
    shape: Shape, query: Tensor, key: Tensor, value: Tensor, sight: Visibility, scale: float
) -> Tensor:
    """`explicit_attention` over a cache: query (rows, heads, steps, head_dim), to the same shape."""
    rows, heads, steps, width = ops.shape(query)
    flat = ops.reshape(query, (rows * heads, steps, width)) * scale
    scores = of_rows(flat, key)  # (rows * heads, steps, keys)
    scores = ops.where(sight.mask, ops.reshape(scores, (rows, heads, steps, -1)), -1e30)
    weights = ops.reshape(ops.softmax(scores, axis=-1), (rows * heads, steps, -1))
    return ops.reshape(ops.matmul(weights, value), (rows, heads, steps, width))


def _attended(  # noqa: PLR0917
    shape: Shape,
    index: int,
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    seen: tuple[Tensor, Tensor] | None,
    sight: Visibility,
) -> Tensor:
    """(rows, steps, n_embd): each position's mixture of what it sees.

    Arguments:
        query, key, value: (rows, steps, heads, head_dim), of the new positions.
        seen: key and value (rows * heads, keys, head_dim) from the cache or of an encoder; None: the new
            positions are all.
    """
    rows, steps = ops.shape(query)[:2]
    scale = shape.scales[index]
    if seen is None and can_be_blocked(query, key, sight):
        mixture = swap(blocked_attention(swap(query), swap(key), swap(value), sight, scale))
    elif seen is None:
        mixture, _ = explicit_attention(
            swap(query), swap(key), swap(value), sight, scale, upcast=shape.upcast
        )
        mixture = swap(mixture)
    else:
        mixture = swap(_from_cache(shape, swap(query), *seen, sight, scale))
    return ops.reshape(mixture, (rows, steps, shape.heads * shape.head_dim))
