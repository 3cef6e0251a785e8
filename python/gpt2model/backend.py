"""Which framework runs under Keras, and does this tensor have values yet?

Owns the few questions that Keras has no word for: is a tensor concrete, is gradient recording on. Refuses to
import a framework that Keras does not already run on.
"""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import keras
import numpy as np

Tensor: TypeAlias = Any  # a tensor of whatever backend Keras runs on

BACKEND: str = keras.backend.backend()  # Keras fixes it when it is imported


def concrete(value: Any) -> np.ndarray[Any, Any] | None:
    """The values of a tensor that has them now, or None under tracing, where looking would cost or fail.

    Values on an accelerator count as absent: fetching them would stall the device at every call.

    Example:
        >>> import numpy as np
        >>> concrete(np.array([1, 2])).tolist()
        [1, 2]
    """
    if isinstance(value, int | float | np.ndarray | np.generic):
        return np.asarray(value)
    if BACKEND == "tensorflow":
        # An EagerTensor has .numpy(); a symbolic one in a tf.function has not.
        on_host = hasattr(value, "numpy") and "CPU" in getattr(value, "device", "CPU")
        return np.asarray(value.numpy()) if on_host else None
    if BACKEND == "jax":
        jax = sys.modules["jax"]
        if (
            not isinstance(value, jax.Array)
            or isinstance(value, jax.core.Tracer)
            or not value.is_fully_addressable
        ):
            return None
        return np.asarray(value) if all(device.platform == "cpu" for device in value.devices()) else None
    if BACKEND == "torch":
        torch = sys.modules["torch"]
        plain = (
            type(value) is torch.Tensor and value.device.type == "cpu"
        )  # no FakeTensor, no functorch wrapper
        if not plain or torch.compiler.is_compiling():
            return None
        return np.asarray(value.detach().numpy())
    return None


def sides(tensor: Tensor) -> tuple[int | None, ...]:
    """The shape of a tensor, with None for every side that is not known yet.

    TensorFlow says None itself; JAX and torch's compiler have symbols there, and Keras gives torch's tensors sides
    of no meaning on the "meta" device when it builds a functional model.

    Example:
        >>> sides(keras.ops.zeros((2, 3)))
        (2, 3)
    """
    if BACKEND == "torch" and getattr(getattr(tensor, "device", None), "type", "") == "meta":
        return (None,) * len(tensor.shape)
    return tuple(side if isinstance(side, int) else None for side in tensor.shape)


def static_int(value: Any) -> int | None:
    """A whole number if it is known now, else None.

    Example:
        >>> static_int(3)
        3
    """
    if isinstance(value, int | np.integer):
        return int(value)
    known = concrete(value)
    return None if known is None else int(known)


def on_cpu() -> bool:
    """Whether the backend, JAX or TensorFlow, computes on the CPU."""
    if BACKEND == "tensorflow":
        return not any(
            device.device_type in ("GPU", "TPU")
            for device in sys.modules["tensorflow"].config.list_logical_devices()
        )
    return bool(sys.modules["jax"].default_backend() == "cpu")


def jax_on_cpu() -> bool:
    """Whether JAX computes, on the CPU."""
    return BACKEND == "jax" and on_cpu()


def softmax(scores: Tensor) -> Tensor:
    """Shares of the last axis; of one number alone 1, without the warning that Keras has for that."""
    if scores.shape[-1] == 1:
        return keras.ops.exp(scores - scores)
    return keras.ops.softmax(scores, axis=-1)


def product_of_rows(left: Tensor, right: Tensor) -> Tensor:
    """Every row of the left against every row of the right: (..., m, d) and (..., n, d) to (..., m, n).

    A product that names its axes, because `matmul` with a transposed operand makes XLA copy that operand
    first: for the head of gpt2-small over 4,096 positions 2.3 s instead of 1.4 s on TensorFlow. TensorFlow's
    own einsum kernel, however, is wrong in float16 (2.21, CPU: errors as large as the values), so that type
    goes the other way.

    Arguments:
        right: with the leading axes of `left`, or none.
    """
    if BACKEND == "tensorflow" and keras.backend.standardize_dtype(left.dtype) == "float16":
        return keras.ops.matmul(left, keras.ops.swapaxes(right, -1, -2))
    if len(right.shape) == 2:
        # Flat, not "...d,nd->...n": TensorFlow's gradient of the ellipsis holds an outer product for every
        # row of the left.
        shape = keras.ops.shape(left)
        flat = keras.ops.einsum("md,nd->mn", keras.ops.reshape(left, (-1, shape[-1])), right)
        return keras.ops.reshape(flat, (*shape[:-1], right.shape[0]))
    return keras.ops.einsum("bhmd,bhnd->bhmn", left, right)
