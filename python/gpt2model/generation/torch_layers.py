"""What do GPT-2's layers make of new tokens, in PyTorch's own operations? The same as `decoder.py`, with less ado.

Owns one more spelling of the layers, for the backend that runs operation after operation: around each of them Keras'
own spends as long as a small one takes, 10 of 32 ms a token for gpt2-small on two cores. Refuses to differ: a test
holds both spellings equal. Nothing here is meant for a compiler, which gains nothing (`products.py`).

Of 22.4 ms a token of gpt2-small in float32, two cores, PyTorch 2.15 (transformers: 25.8), 18.1 are the products, which
MKL reads at 28 GB/s; 2 the layers' small operations, 0.6 choosing the token. Attention of one query over 97 places,
microseconds, all 12 layers: without a mask 230, with one 360; two `bmm` and a softmax 300, with the mask 360, by
`matmul` 500. The maximum with its place of 50,257 numbers: `max(dim)` 25, `argmax` 73, `topk` 87.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..activations import activation
from ..cache import writes_over
from .crossing import Encoded
from .products import product
from .weights import Weights

if TYPE_CHECKING:
    from .decoder import Cache, Shape

Tensor = Any  # torch.Tensor; torch is an extra


def layers_in_torch(  # noqa: PLR0917
    shape: Shape, weights: Weights, hidden: Tensor, cache: Cache, mask: Tensor | None, encoder: Encoded
) -> tuple[Tensor, tuple[Tensor, ...], tuple[Tensor, ...]]:
    """New tokens through every layer.

    Arguments:
        hidden: (rows, steps, n_embd), the embedded tokens.
        mask: (rows, 1, steps, seen) booleans, which places up to the last new token each token sees; None: all.
        encoder: what cross-attention looks at.

    Returns:
        (rows, steps, n_embd) before the last normalisation, and the keys and values of every layer.
    """
    torch = sys.modules["torch"]
    rows, steps, width = hidden.shape
    before = int(cache.offset)
    end = before + steps
    act = activation(shape.activation)
    keys, values = list(cache.keys), list(cache.values)
    flat = hidden.reshape(-1, width)  # (rows * steps, n_embd), as all that follows but attention

    def normal(states: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return torch.layer_norm(states, (width,), *norm, shape.epsilon)

    def heads_of(states: Tensor, parts: int) -> tuple[Tensor, ...]:
        several = states.view(rows, steps, parts, shape.heads, shape.head_dim)
        return tuple(several.transpose(1, 3).unbind(2))  # each (rows, heads, steps, head_dim)

    def kept(buffer: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
        """The buffer (rows * heads, room, head_dim) with the new in it, and what is filled of it, by rows."""
        buffer = buffer if writes_over() else buffer.clone()
        by_rows = buffer.view(rows, shape.heads, -1, shape.head_dim)
        by_rows.narrow(2, before, steps).copy_(new)
        return buffer, by_rows.narrow(2, 0, end)

    def attended(index: int, query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
        mixture = torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, scale=shape.scales[index]
        )
        return mixture.transpose(1, 2).reshape(-1, width)

    for index, layer in enumerate(weights["layers"]):
        query, key, value = heads_of(product(normal(flat, layer["ln_1"]), layer["qkv"]), 3)
        keys[index], key = kept(keys[index], key)
        values[index], value = kept(values[index], value)
        flat = flat + product(attended(index, query, key, value, mask), layer["proj"])
        if encoder:
            (query,) = heads_of(product(normal(flat, layer["ln_cross"]), layer["cross_q"]), 1)
            key, value = (
                part.view(rows, shape.heads, -1, shape.head_dim)
                for part in (encoder.keys[index], encoder.values[index])
            )
            mixture = attended(index, query, key, value, encoder.real[:, None, None])
            flat = flat + product(mixture, layer["cross_proj"])
        inner = act(product(normal(flat, layer["ln_2"]), layer["fc"]), *layer["act"])
        flat = flat + product(inner, layer["out"])
    return flat.view(hidden.shape), tuple(keys), tuple(values)
