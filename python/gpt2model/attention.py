"""How do positions look at each other? Multi-head attention, to itself and to an encoder.

Owns the projections, the choice among the ways to attend, and two of them: `fused` hands queries, keys and
values to `keras.ops.dot_product_attention`, `explicit` spells the formula out and has the weights to show. (The
third is `blocked_attention.py`'s.) Tests hold them equal. Refuses to decide who may look at whom (`masks.py`)
and how a cache is laid out (`cache.py`).
"""

from __future__ import annotations

from typing import Any, final

import keras
from keras import ops

from .backend import BACKEND, Tensor, jax_on_cpu, product_of_rows, softmax, static_int
from .blocked_attention import blocked_attention, can_be_blocked
from .cache import write
from .config import GPT2Config
from .dense import GPT2Dense
from .dropout import dropped
from .initialisation import residual_initializer, weight_initializer
from .masks import Visibility, causal_mask


def explicit_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    sight: Visibility,
    scale: float,
    *,
    upcast: bool = False,
    dropout: keras.layers.Dropout | None = None,
    head_mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention by its formula, softmax(q k scale) v.

    Arguments:
        query: (batch, heads, queries, head_dim).
        key, value: (batch, heads, keys, head_dim).
        sight: what may be seen.
        scale: what q k is multiplied by.
        upcast: take the product in float32 and scale the key first (Mistral's `reorder_and_upcast_attn`).

    Returns:
        The mixture (batch, heads, queries, head_dim) and the weights (batch, heads, queries, keys).
    """
    dtype = value.dtype
    if upcast:
        query, key = ops.cast(query, "float32"), ops.cast(key, "float32") * scale
        scores = product_of_rows(query, key)
    else:
        scores = product_of_rows(query, key)
        if scale != 1.0:
            scores = ops.multiply(scores, ops.cast(scale, scores.dtype))
    if keras.backend.standardize_dtype(scores.dtype) != "float64":
        scores = ops.cast(scores, "float32")  # softmax in half precision loses the small weights
    mask = causal_mask(ops.shape(query)[2], ops.shape(key)[2], 0) if sight.causal else sight.mask
    if mask is not None:
        scores = ops.where(mask, scores, -1e30)  # not -inf: a row that sees nothing must not become NaN
    weights = ops.cast(softmax(scores), dtype)
    if dropout is not None:
        weights = dropped(dropout, weights, training=True)
    if head_mask is not None:
        weights = ops.multiply(weights, ops.cast(head_mask, dtype))
    return ops.matmul(weights, value), weights


def fused_attention(query: Tensor, key: Tensor, value: Tensor, sight: Visibility, scale: float) -> Tensor:
    """Attention by the backend's own kernel, flash where the device has it.

    Arguments:
        query: (batch, queries, heads, head_dim).
        key, value: (batch, keys, heads, head_dim).

    Returns:
        (batch, queries, heads, head_dim).
    """
    return ops.dot_product_attention(query, key, value, mask=sight.mask, scale=scale, is_causal=sight.causal)


def swap(tensor: Tensor) -> Tensor:
    """(batch, positions, heads, head_dim) to (batch, heads, positions, head_dim), and back."""
    return ops.transpose(tensor, (0, 2, 1, 3))


@final
class GPT2Attention(keras.layers.Layer):
    """Multi-head attention of one layer.

    Arguments:
        config: the model's configuration.
        layer_index: which layer, from 0 (`scale_attn_by_inverse_layer_idx` divides by it plus one).
        cross: attend to an encoder's states instead of to the own positions.

    Example:
        >>> config = GPT2Config(n_embd=8, n_head=2)
        >>> layer = GPT2Attention(config, 0)
        >>> layer.build((None, None, 8))
        >>> out, kept, weights = layer(ops.ones((1, 3, 8)), sight=Visibility(causal=True, mask=None))
        >>> out.shape == (1, 3, 8), weights
        (True, None)
    """

    def __init__(self, config: GPT2Config, layer_index: int, *, cross: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_embd, self.n_head, self.head_dim = config.n_embd, config.n_head, config.head_dim
        self.cross = cross
        self.upcast = config.reorder_and_upcast_attn
        self.scale = self.head_dim**-0.5 if config.scale_attn_weights else 1.0
        if config.scale_attn_by_inverse_layer_idx:
            self.scale /= layer_index + 1
        width = config.n_embd

        def dense(units: int, name: str, initializer: keras.initializers.Initializer) -> GPT2Dense:
            return GPT2Dense(units, kernel_initializer=initializer, dtype=self.dtype_policy, name=name)

        # Query, key and value of one product, as the checkpoints hold them.
        self.c_attn = dense((2 if cross else 3) * width, "c_attn", weight_initializer(config))
        self.q_attn = dense(width, "q_attn", weight_initializer(config)) if cross else None
        self.c_proj = dense(width, "c_proj", residual_initializer(config))
        self.attn_dropout = keras.layers.Dropout(
            config.attn_pdrop, dtype=self.dtype_policy, name="attn_dropout"
        )
        self.resid_dropout = keras.layers.Dropout(
            config.resid_pdrop, dtype=self.dtype_policy, name="resid_dropout"
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights; shapes do not depend on batch or length."""
        for layer in (self.c_attn, self.q_attn, self.c_proj):
            if layer is not None:
                layer.build((None, None, self.n_embd))
        self.built = True

    def call(
        self,
        hidden: Tensor,
        *,
        sight: Visibility,
        past: tuple[Tensor, Tensor] | None = None,
        offset: int | Tensor | None = None,
        states: Tensor | None = None,
        head_mask: Tensor | None = None,
        keep: bool = False,
        weights: bool = False,
        training: bool | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None, Tensor | None]:
        """Attend.

        Arguments:
            hidden: (batch, queries, n_embd).
            sight: what may be seen.
            past: key and value of earlier positions, (batch, heads, positions, head_dim); for `cross`, the
                encoder's, taken instead of `states`.
            offset: where in `past` the new positions are written; None: they are appended to it.
            states: (batch, encoder positions, n_embd), for `cross`.
            head_mask: factors of the weights.
            keep: give back key and value.
            weights: give back the attention weights.

        Returns:
            (batch, queries, n_embd); key and value (batch, heads, keys, head_dim) or None; weights or None.
        """
        shown = weights or head_mask is not None or (self.upcast and self.compute_dtype != "float32")
        dropout = self.attn_dropout if training else None
        # No backend's fused kernel drops out through Keras. On the CPU JAX has no kernel at all, and its own
        # spelling of the formula takes 61 ms of CPU time where `explicit_attention` takes 27 (2 x 512
        # positions of gpt2-small), and lacks float16.
        explicit = shown or bool(dropout and dropout.rate) or jax_on_cpu()
        query, key, value, kept, swapped = self._projections(hidden, past, offset, states, keep)
        if not shown and not swapped and can_be_blocked(query, key, sight):
            mixture = swap(
                blocked_attention(swap(query), swap(key), swap(value), sight, self.scale, dropout=dropout)
            )
            seen = None
        # One query against a cache is a product of a matrix and a vector, read straight from the cache's
        # layout.
        elif explicit or (swapped and hidden.shape[1] == 1 and BACKEND != "torch"):
            mixture, seen = explicit_attention(
                swap(query),
                key if swapped else swap(key),
                value if swapped else swap(value),
                sight,
                self.scale,
                upcast=self.upcast,
                dropout=dropout,
                head_mask=head_mask,
            )
            mixture = swap(mixture)  # (batch, queries, heads, head_dim), as the other ways give it
        else:
            if swapped:
                key, value = swap(key), swap(value)
            mixture, seen = fused_attention(query, key, value, sight, self.scale), None
        shape = ops.shape(hidden)
        mixture = ops.reshape(mixture, (shape[0], shape[1], self.n_embd))  # the heads side by side
        output = self.c_proj(mixture)  # (batch, queries, n_embd)
        return dropped(self.resid_dropout, output, training), kept, seen if weights else None

    def _projections(
        self,
        hidden: Tensor,
        past: tuple[Tensor, Tensor] | None,
        offset: int | Tensor | None,
        states: Tensor | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None, bool]:
        """Query, key and value (batch, positions, heads, head_dim), what to keep of them, and whether key and
        value are (batch, heads, positions, head_dim) instead, having come out of a cache."""
        if self.q_attn is not None:
            query = self._heads(self.q_attn(hidden))
            if past is not None:
                return query, past[0], past[1], past, True
            key, value = (self._heads(part) for part in ops.split(self.c_attn(states), 2, axis=-1))
            return query, key, value, (swap(key), swap(value)) if keep else None, False
        query, key, value = (self._heads(part) for part in ops.split(self.c_attn(hidden), 3, axis=-1))
        if past is None:
            return query, key, value, (swap(key), swap(value)) if keep else None, False
        if offset is None:
            old_key, old_value = past
            key = ops.concatenate(
                [old_key, swap(key)], axis=2
            )  # (batch, heads, old + new positions, head_dim)
            value = ops.concatenate([old_value, swap(value)], axis=2)
            return query, key, value, (key, value) if keep else None, True
        kept = write(past[0], swap(key), offset), write(past[1], swap(value), offset)
        if (
            static_int(offset) == 0
        ):  # prefill: nothing lies before the new positions, so they see only each other
            return query, key, value, kept, False
        return query, kept[0], kept[1], kept, True

    def _heads(self, tensor: Tensor) -> Tensor:
        """(batch, positions, n_embd) to (batch, positions, heads, head_dim)."""
        shape = ops.shape(tensor)
        return ops.reshape(tensor, (shape[0], shape[1], self.n_head, self.head_dim))
