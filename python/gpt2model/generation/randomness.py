"""Where does chance come from? A seed and the number of the step, and nothing else.

Owns the noise that turns the likeliest token into a drawn one. The same seed gives the same noise on the same
backend, compiled or not, and on TensorFlow what it gives on JAX. Refuses hidden state.

TensorFlow's own stateless numbers are others in a compiled program than outside of it (2.21, with the algorithm
named, too), hence a generator of our own for it and for JAX; PyTorch, which runs every operation by itself, has
a generator that is quicker than forty operations on integers.
"""

from __future__ import annotations

import random
import sys

from keras import ops

from ..backend import BACKEND, Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA
_SEEDS = 2**31 - 1


def _rotated(x: Tensor, bits: int) -> Tensor:
    left = ops.left_shift(x, ops.convert_to_tensor(bits, "uint32"))
    return ops.bitwise_or(left, ops.right_shift(x, ops.convert_to_tensor(32 - bits, "uint32")))


def threefry(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two random uint32 for every pair of counters: Threefry-2x32 with 20 rounds.

    Source: Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".
    """
    if BACKEND == "jax":  # has the same one, as a loop, which compiles in less time
        from jax.extend.random import threefry_2x32

        found = threefry_2x32(ops.stack(key), ops.concatenate(counter))
        return found[: len(counter[0])], found[len(counter[0]) :]
    parity = ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), ops.convert_to_tensor(_PARITY, "uint32"))
    keys = (key[0], key[1], parity)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for turn in range(5):
        for bits in _ROTATIONS[turn % 2]:
            x = x + y
            y = ops.bitwise_xor(_rotated(y, bits), x)
        x = x + keys[(turn + 1) % 3]
        y = y + keys[(turn + 2) % 3] + ops.convert_to_tensor(turn + 1, "uint32")
    return x, y


def uniform(seed: Tensor, step: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Numbers in (0, 1), float32.

    Arguments:
        seed: scalar int32.
        step: scalar int32.
    """
    if BACKEND == "torch":
        torch = sys.modules["torch"]
        generator = torch.Generator()
        generator.manual_seed(int(seed) * 1_000_003 + int(step))
        return torch.rand(shape, generator=generator) + 2.0**-26
    size = 1
    for side in shape:
        size *= side
    half = -(-size // 2)
    counter = ops.cast(ops.arange(half, dtype="int32"), "uint32")  # XLA has no unsigned range on TensorFlow
    key = (ops.cast(seed, "uint32"), ops.cast(step, "uint32"))
    bits = ops.concatenate(threefry(key, (counter, ops.zeros_like(counter))))[:size]
    high = ops.right_shift(bits, ops.convert_to_tensor(9, "uint32"))  # 23 bits, and a half so that none is 0
    numbers = (ops.cast(ops.cast(high, "int32"), "float32") + 0.5) * 2.0**-23
    return ops.reshape(numbers, shape)


def gumbel(seed: Tensor, step: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Noise that makes the largest of noisy logits a draw from their softmax.

    Source: Gumbel 1954, "Statistical Theory of Extreme Values"; Maddison, Tarlow and Minka 2014, "A*
    Sampling".
    """
    return -ops.log(-ops.log(uniform(seed, step, shape)))


def fresh_seed() -> int:
    """A seed nobody chose, of the backend's own generator.

    So it is the same again after `keras.utils.set_random_seed`, and after `torch.manual_seed`, `tf.random.set_seed` or,
    on JAX, which has no such generator, `random.seed`.
    """
    if BACKEND == "torch":
        return int(sys.modules["torch"].randint(0, _SEEDS, (), device="cpu"))
    if BACKEND == "tensorflow":
        tensorflow = sys.modules["tensorflow"]
        with tensorflow.init_scope():
            return int(tensorflow.random.uniform((), maxval=_SEEDS, dtype="int32"))
    return random.randrange(_SEEDS)
