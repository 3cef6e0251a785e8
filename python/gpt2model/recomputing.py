"""What of a training step is computed again on the way back, instead of kept? Whole layers, by `keras.RematScope`.

Owns what a scope around the making of a model means for it: each GPT-2 layer keeps its input alone (gradient
checkpointing, Chen et al. 2016). Keras itself would have every operation's layer computed again by itself, the model
as a whole included, which saves nothing; traces what is no tensor, such as `training`, on JAX; and draws other numbers
for dropout the second time, on PyTorch and TensorFlow. Refuses calls that do not train.

Eight layers of 128 numbers over 8 x 256 tokens keep 360 MB for their gradients on PyTorch, and 16 MB in a scope of mode
"full". JAX on a CPU takes 332 MB either way: its XLA leaves out the barriers, and computes once what is written twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from .backend import BACKEND, Tensor


def leave_to_blocks(layer: keras.layers.Layer) -> None:
    """Have Keras compute nothing of this layer again: `recomputed` does."""
    layer._remat_mode = None


def is_recomputed(layer: keras.layers.Layer, mode: Any, shape: tuple[int | None, ...]) -> bool:
    """Whether a layer was made in a scope that means it.

    Arguments:
        layer: one of the model's blocks.
        mode: of the scope in which it was made, as Keras notes it; None for none.
        shape: of what it gives.
    """
    if mode is None:
        return False
    if mode.mode == "larger_than":
        return math.prod(side or 1 for side in shape) > mode.output_size_threshold
    if mode.mode == "list_of_layers":
        return layer.name in mode.layer_names
    return bool(mode.mode == "full")  # "activations" are those of Keras' Dense layers, which have none here


def recomputed(call: Callable[..., Any], states: list[Any], *tensors: Tensor) -> Any:
    """What the function makes of the tensors; for gradients it is computed a second time, with the same dropout.

    Arguments:
        call: gives a structure of tensors and None; draws from these random states only.
        states: variables of random generators.
        tensors: floats, or None.
    """
    before = _values(states)
    places: list[Any] = []  # where in the answer a tensor stands
    # The random states afterwards; on JAX they are given back, since nothing may leave a trace otherwise.
    drawn: list[Tensor] = []

    def drawn_alike(*given: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        now = _values(states)
        _assign(states, before)
        found = iter(given)
        answer = call(*(None if tensor is None else next(found) for tensor in tensors))
        after = _values(states)
        _assign(states, now)
        if not places:
            places.append(keras.tree.map_structure(lambda leaf: leaf is not None, answer))
            drawn[:] = after
        leaves = [leaf for leaf in keras.tree.flatten(answer) if leaf is not None]
        return leaves, after if BACKEND == "jax" else []

    leaves, after = keras.remat(drawn_alike)(*(tensor for tensor in tensors if tensor is not None))
    _assign(states, after or drawn)
    found = iter(leaves)
    return keras.tree.map_structure(lambda is_there: next(found) if is_there else None, places[0])


def _values(states: list[Any]) -> list[Tensor]:
    return [ops.copy(ops.convert_to_tensor(state)) for state in states]


def _assign(states: list[Any], values: list[Tensor]) -> None:
    for state, value in zip(states, values, strict=True):
        state.assign(value)
