"""What stands between the two feed-forward products? Hugging Face's activation names as Keras functions.

Owns the table of functions by name, each of one tensor and, for those that learn, of their numbers. Refuses to hold
these (`learned_activation.py`), and any other way to name a function: a configuration cannot bring code. Numbers
follow `transformers.activations`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from keras import ops

from .backend import Tensor
from .config_fields import ACTIVATIONS

Activation = Callable[..., Tensor]


def _gelu(x: Tensor) -> Tensor:
    return ops.gelu(x, approximate=False)


def _gelu_tanh(x: Tensor) -> Tensor:
    # A derivative of its own, which keeps x instead of the tanh, gained JAX nothing that could be measured: a
    # training step of gpt2-small, 8 x 512, took 31.8 and 32.5 CPU seconds with it, 30.5 and 31.1 without.
    return ops.gelu(x, approximate=True)


def _gelu_clipped(x: Tensor) -> Tensor:
    return ops.clip(_gelu(x), -10.0, 10.0)


def _quick_gelu(x: Tensor) -> Tensor:
    return x * ops.sigmoid(1.702 * x)


def _laplace(x: Tensor) -> Tensor:
    mean, deviation = (
        0.707107,
        0.282095,
    )  # Ma et al. 2022 (MEGA), the values that come nearest to squared ReLU
    return 0.5 * (1.0 + ops.erf((x - mean) / (deviation * math.sqrt(2.0))))


def _leaky_relu(x: Tensor) -> Tensor:
    return ops.leaky_relu(x, negative_slope=0.01)  # torch's slope; Keras' own default is 0.2


def _mish(x: Tensor) -> Tensor:
    return x * ops.tanh(ops.softplus(x))


def _relu_squared(x: Tensor) -> Tensor:
    return ops.square(ops.relu(x))


def _sqrt_softplus(x: Tensor) -> Tensor:
    return ops.sqrt(ops.softplus(x))


def _linear(x: Tensor) -> Tensor:
    return x


def _prelu(x: Tensor, weight: Tensor) -> Tensor:
    """He et al. 2015, one slope (1,) for all channels."""
    return ops.where(x > 0, x, ops.cast(weight, x.dtype) * x)


def _xielu(x: Tensor, alpha_p: Tensor, alpha_n: Tensor, beta: Tensor, eps: Tensor) -> Tensor:
    """Huang and Schlag 2024, xIELU; (1,), (1,), () and ().

    transformers keeps these numbers in bfloat16, and computes the two slopes in it, whatever type the model is of: so
    the slopes are rounded here, or a model of float32 would answer otherwise than there.
    """
    middle = ops.cast(beta, "float32")
    rising = _as_bfloat16(ops.softplus(_as_bfloat16(alpha_p)))
    falling = _as_bfloat16(middle + _as_bfloat16(ops.softplus(_as_bfloat16(alpha_n))))
    rising, falling, middle, most = (ops.cast(part, x.dtype) for part in (rising, falling, middle, eps))
    below = (ops.expm1(ops.minimum(x, most)) - x) * falling
    return ops.where(x > 0, rising * x * x, below) + middle * x


def _as_bfloat16(x: Tensor) -> Tensor:
    """Float32 numbers rounded to the nearest bfloat16; for gradients the identity.

    By their bits: XLA takes casts there and back for nothing, and leaves them out.
    """
    x = ops.cast(x, "float32")
    bits = ops.view(ops.stop_gradient(x), dtype="int32")
    # half of what is cut off, less one where the last bit kept is 0: ties go to the even one
    half = 0x7FFF + ops.bitwise_and(ops.right_shift(bits, 16), 1)
    rounded = ops.view(ops.bitwise_and(bits + half, -0x10000), dtype="float32")
    return x + ops.stop_gradient(rounded - x)


# "gelu_new", "gelu_accurate", "gelu_fast" and both tanh names are one formula, written down five times over
# the years.
_FUNCTIONS: Mapping[str, Activation] = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "gelu_10": _gelu_clipped,
    "gelu_new": _gelu_tanh,
    "gelu_fast": _gelu_tanh,
    "gelu_accurate": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "gelu_python_tanh": _gelu_tanh,
    "quick_gelu": _quick_gelu,
    "hardswish": ops.hard_swish,
    "laplace": _laplace,
    "leaky_relu": _leaky_relu,
    "linear": _linear,
    "mish": _mish,
    "prelu": _prelu,
    "relu": ops.relu,
    "relu2": _relu_squared,
    "relu6": ops.relu6,
    "sigmoid": ops.sigmoid,
    "silu": ops.silu,
    "swish": ops.silu,
    "sqrtsoftplus": _sqrt_softplus,
    "tanh": ops.tanh,
    "xielu": _xielu,
}


def activation(name: str | None) -> Activation:
    """The activation of that name; None is the identity. "prelu" and "xielu" take their numbers after the tensor.

    Arguments:
        name: one of `gpt2model.config.ACTIVATIONS`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> float(activation("relu2")(ops.convert_to_tensor([-1.0, 3.0]))[1]) == 9.0
        True
    """
    if name is None:
        return _linear
    if name not in _FUNCTIONS:
        raise ValueError(f"No activation {name!r}; the names are {', '.join(ACTIVATIONS)}.")
    return _FUNCTIONS[name]
