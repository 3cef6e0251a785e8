"""What keeps XLA on a CPU from computing a gradient again for every loop that reads it? A loop of its own.

Owns one operation for JAX: the identity, whose gradient is computed once and kept. XLA fuses a sum into each loop that
reads it, and the gradient of the residual stream is a sum over all later layers: so each layer summed up all of them
anew, and drew their dropout anew. For a training step of gpt2-small, 4 x 512, that was a quarter of all CPU time: 28.2
seconds without this operation, 21.1 with it (JAX 0.10). XLA drops optimization barriers before it fuses; a loop, of
which it does not know the number of turns, it leaves alone. Refuses to do anything on other backends and devices.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from .backend import Tensor, jax_on_cpu


def computed_once(tensor: Tensor) -> Tensor:
    """The tensor itself; on the way back, its gradient is computed once.

    Example:
        >>> from keras import ops
        >>> float(computed_once(ops.convert_to_tensor([[2.0]]))[0, 0])
        2.0
    """
    return _primitive().bind(tensor, kept=False) if jax_on_cpu() else tensor


@functools.cache
def _primitive() -> Any:
    """JAX's operation: linear, and its transpose is itself with the result kept."""
    from jax.extend.core import Primitive
    from jax.interpreters import ad, batching, mlir

    once = Primitive("computed_once")
    once.def_impl(lambda tensor, *, kept: tensor)
    once.def_abstract_eval(lambda tensor, *, kept: tensor)
    ad.deflinear2(once, lambda gradient, _, *, kept: [once.bind(gradient, kept=True)])
    batching.defvectorized(once)
    lowered = mlir.lower_fun(
        lambda tensor, *, kept: _turned(tensor) if kept else tensor, multiple_results=False
    )
    mlir.register_lowering(once, lowered)
    return once


def _turned(tensor: Tensor) -> Tensor:
    """The numbers with their signs turned an even number of times, which only a look at one of them tells."""
    jax = sys.modules["jax"]
    if 0 in tensor.shape:
        return tensor
    first = tensor[(0,) * tensor.ndim]
    turns = jax.numpy.where(jax.numpy.isnan(first), 4, 2)
    return jax.lax.while_loop(
        lambda state: state[0] < turns, lambda state: (state[0] + 1, -state[1]), (0, tensor)
    )[1]
