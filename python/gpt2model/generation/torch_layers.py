"""What do GPT-2's layers make of new tokens, in PyTorch's own operations? The same as `decoder.py`, with less ado.

Owns one more spelling of the layers, for the backend that runs operation after operation: around each of them Keras'
own spends as long as a small one takes, 10 of 32 ms a token for gpt2-small on two cores. Refuses to differ: a test
holds both spellings equal. Nothing here is meant for a compiler.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..activations import activation
from .crossing import Encoded
from .places import placed
from .products import product
from .weights import Kernel, Weights

if TYPE_CHECKING:
    from .decoder import Cache, Shape

Tensor = Any  # torch.Tensor; torch is an extra


def layers_in_torch(  # noqa: PLR0917
    shape: Shape, weights: Weights, hidden: Tensor, cache: Cache, mask: Tensor, encoder: Encoded
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """New tokens through every layer.

    Arguments:
        hidden: (rows, steps, n_embd), the embedded tokens.
        mask: (rows, 1, steps, seen) booleans, which places up to the last new token each token sees.
        encoder: what cross-attention looks at.

    Returns:
        (rows, steps, n_embd) before the last normalisation, and the keys and values of every layer.
    """
    functional = sys.modules["torch"].nn.functional
    rows, steps, width = hidden.shape
    before, end = mask.shape[-1] - steps, mask.shape[-1]
    act = activation(shape.activation)
    keys, values = list(cache.keys), list(cache.values)

    def normal(states: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(states, (width,), *norm, shape.epsilon)

    def heads_of(states: Tensor, parts: int) -> tuple[Tensor, ...]:
        apart = states.view(rows, steps, parts, shape.heads, shape.head_dim)
        return tuple(apart.permute(2, 0, 3, 1, 4).unbind(0))  # each (rows, heads, steps, head_dim)

    def attended(index: int, query: Tensor, key: Tensor, value: Tensor, seen: Tensor) -> Tensor:
        mixture = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, scale=shape.scales[index]
        )
        return mixture.transpose(1, 2).reshape(rows, steps, width)

    for index, layer in enumerate(weights["layers"]):
        query, key, value = heads_of(_product(normal(hidden, layer["ln_1"]), layer["qkv"]), 3)
        keys[index] = placed(keys[index], key.reshape(-1, steps, shape.head_dim), before)
        values[index] = placed(values[index], value.reshape(-1, steps, shape.head_dim), before)
        key, value = (
            part.view(rows, shape.heads, -1, shape.head_dim)[:, :, :end]
            for part in (keys[index], values[index])
        )
        hidden = hidden + _product(attended(index, query, key, value, mask), layer["proj"])
        if encoder:
            (query,) = heads_of(_product(normal(hidden, layer["ln_cross"]), layer["cross_q"]), 1)
            key, value = (
                part.view(rows, shape.heads, -1, shape.head_dim)
                for part in (encoder.keys[index], encoder.values[index])
            )
            mixture = attended(index, query, key, value, encoder.real[:, None, None])
            hidden = hidden + _product(mixture, layer["cross_proj"])
        inner = act(_product(normal(hidden, layer["ln_2"]), layer["fc"]))
        hidden = hidden + _product(inner, layer["out"])
    return hidden, tuple(keys), tuple(values)


def _product(states: Tensor, kernel: Kernel) -> Tensor:
    """(..., inputs) to (..., outputs), float32: `product`, in one operation where there is one."""
    (rows,), scale, bias = kernel  # shards are TensorFlow's
    torch = sys.modules["torch"]
    if rows.dtype != torch.float32 or not isinstance(scale, tuple) or isinstance(bias, tuple):
        return product(states, kernel)
    flat = states.reshape(-1, states.shape[-1])
    return torch.addmm(bias, flat, rows.t()).view(*states.shape[:-1], -1)
