"""What does a decoder see of an encoder? Keys and values of its states, made once for a whole generation.

Owns the encoder's part in generation: its form in a program, and its making from hidden states. Refuses to attend
to it (`decoder.py`).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias, final

from keras import ops

from ..attention import swap
from ..backend import Tensor
from .products import product
from .weights import Weights


@final
class Encoder(NamedTuple):
    """What cross-attention reads at every step.

    Attributes:
        keys, values: of each layer, (rows * heads, places, head_dim).
        real: (rows, places) booleans, False where the encoder's states are padding.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    real: Tensor


Encoded: TypeAlias = Encoder | tuple[()]  # nothing: the model has no encoder, or was given no states of it


def encoded(weights: Weights, heads: int, states: Tensor | tuple[()], real: Tensor | tuple[()]) -> Encoded:
    """Keys and values of an encoder's states.

    Arguments:
        states: (rows, places, n_embd), or () for none.
        real: (rows, places) booleans.
    """
    if isinstance(states, tuple):
        return ()
    keys, values = [], []
    for layer in weights["layers"]:
        both = product(states, layer["cross_kv"])  # (rows, places, 2 * n_embd)
        key, value = (_flat(part, heads) for part in ops.split(both, 2, axis=-1))
        keys.append(key)
        values.append(value)
    return Encoder(tuple(keys), tuple(values), real)


def _flat(tensor: Tensor, heads: int) -> Tensor:
    """(rows, places, n_embd) to (rows * heads, places, head_dim)."""
    rows, places, width = tensor.shape
    apart = ops.reshape(tensor, (rows, places, heads, width // heads))
    return ops.reshape(swap(apart), (rows * heads, places, width // heads))
