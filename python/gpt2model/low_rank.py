"""What does LoRA add to a kernel, and how is it filed? Rank, factor and both halves as plain arrays.

Owns the names of the arrays in Keras' files, the sum, and the check of rank and factor. Refuses frameworks and
layers: checkpoints are read without them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .number_checks import real_number, whole_number

# What stands beside Keras' numbered arrays in the file of a layer that has LoRA.
LORA_ARRAYS = ("lora_kernel_a", "lora_kernel_b", "lora_alpha")


def merged(kernel: Any, low: Any, high: Any, alpha: float) -> Any:
    """A kernel, or rows or columns of it with those of its addition, with the addition in it, in float32 at
    least.

    Example:
        >>> merged(np.zeros((1, 2)), np.ones((1, 1)), np.ones((1, 2)), 3.0)
        array([[3., 3.]])
    """
    kernel = np.asarray(kernel)
    return kernel.astype(np.promote_types(kernel.dtype, "float32")) + (alpha / low.shape[-1]) * (low @ high)


def plain_alpha(alpha: Any) -> int | float:
    """The factor as people write it: 8, not 8.0."""
    number = float(alpha)
    return int(number) if number.is_integer() else number


def check_rank(rank: Any, lora_alpha: Any) -> int:
    """The rank of a LoRA addition as an integer.

    Raises:
        TypeError, ValueError: it is none, or the factor beside it is no positive number.

    Example:
        >>> check_rank(4, None)
        4
    """
    if lora_alpha is not None:
        real_number("enable_lora: lora_alpha", lora_alpha, 0, above=True, hint=" such as 16")
    return whole_number("enable_lora: rank", rank, 1, hint=" such as 8")
