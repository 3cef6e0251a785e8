"""Which numbers are dropped? Keras' Dropout, with a quicker draw for JAX on a CPU.

Owns the draw. `jax.random` spends 550 ms of CPU time on the 25 million random bits of one layer's attention
weights (gpt2-small, 8 x 512): its Threefry runs round after round over the whole of memory there. The same
cipher written out is fused with what uses its bits, and takes 55 ms. (XLA's own generator, Philox, takes 365,
16 bits for each 230; halving jax.random's bits gains nothing. Nor does keeping the booleans for the gradient,
by an optimization barrier, instead of drawing them again.) Refuses to draw where Keras' own way is quick:
on every other backend, and on accelerators.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", Threefry-2x32 with 20 rounds.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from .backend import Tensor, jax_on_cpu

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def dropped(layer: keras.layers.Dropout, tensor: Tensor, training: bool | None) -> Tensor:
    """What the layer makes of the tensor.

    Arguments:
        layer: owns the rate and the seed.
        tensor: of any shape.
        training: whether to drop at all.
    """
    if not training or not 0.0 < layer.rate < 1.0 or layer.noise_shape is not None or not jax_on_cpu():
        return layer(tensor, training=training)
    kept = keep_mask(layer.seed_generator.next(), tensor.shape, 1.0 - layer.rate)
    return ops.where(kept, ops.divide(tensor, ops.cast(1.0 - layer.rate, tensor.dtype)), 0.0)


def keep_mask(seed: Tensor, shape: tuple[int, ...], probability: float) -> Tensor:
    """Independent booleans, each True with that probability (JAX only).

    Arguments:
        seed: (2,) uint32, as Keras' SeedGenerator gives them.
        shape: of the answer; its first side and the product of the others below 2**32 each.
        probability: between 0 and 1.
    """
    rows, columns = (shape[0], math.prod(shape[1:])) if len(shape) > 1 else (1, math.prod(shape))
    column = ops.expand_dims(ops.arange(columns, dtype="uint32"), 0)
    row = ops.expand_dims(ops.arange(rows, dtype="uint32"), 1)
    left, right = threefry(seed, column, row)
    return ops.reshape(ops.less(left ^ right, uint32(min(round(probability * 2**32), 2**32 - 1))), shape)


def threefry(seed: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Two uint32 of which each bit depends on every bit of the seed and of the two counters.

    Arguments:
        seed: (2,) uint32.
        left, right: uint32 counters, broadcast against each other.
    """
    keys = (seed[0], seed[1], seed[0] ^ seed[1] ^ uint32(PARITY))
    left, right = left + keys[0], right + keys[1]
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            left = left + right
            right = left ^ ((right << uint32(turn)) | (right >> uint32(32 - turn)))
        left = left + keys[(group + 1) % 3]
        right = right + keys[(group + 2) % 3] + uint32(group + 1)
    return left, right


def uint32(value: int) -> Tensor:
    """A scalar of that type: a plain Python number would become an int32."""
    return ops.convert_to_tensor(value, dtype="uint32")
