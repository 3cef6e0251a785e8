"""How do lists become arrays and tensors?

Owns the conversion to NumPy, PyTorch, TensorFlow and JAX. Imports none of them until one is asked for. Refuses to
guess a shape: rows of different lengths are an error with its mend.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from .._core import TokenizerError
from .arguments import described, shown


class TensorType(str, Enum):
    """Values of the argument `return_tensors`."""

    NUMPY = "np"
    PYTORCH = "pt"
    TENSORFLOW = "tf"
    JAX = "jax"


def tensor_type(value: object) -> TensorType:
    """The kind of tensor that the caller named.

    Raises:
        TypeError: it is no str.
        TokenizerError: there is no such kind.
    """
    try:
        return TensorType(value)
    except ValueError:
        known = ", ".join(repr(kind.value) for kind in TensorType)
        error = TokenizerError if isinstance(value, (str, Enum)) else TypeError
        raise error(f"return_tensors is None or one of {known}, not {shown(value)}") from None


def to_tensor(values: Any, kind: TensorType, name: str) -> Any:
    """`values` as a tensor of whole numbers; what is a tensor of that kind already stays as it is.

    Args:
        values: numbers in lists, nested to any depth. Empty lists become tensors of whole numbers too.
        kind: which library's tensor. NumPy and PyTorch get int64, TensorFlow and JAX int32, their own default.
        name: the feature's name, for messages.

    Raises:
        TokenizerError: the values have no shape (rows of different lengths).
        ImportError: the library is not installed.
    """
    if kind_of(values) == kind.value and not isinstance(values, list):
        return values
    try:
        return _MAKERS[kind](values)
    except ImportError as error:
        raise ImportError(
            f"return_tensors={kind.value!r} needs {error.name or 'a library that'}, which is not installed:"
            " install it, or leave return_tensors out"
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise TokenizerError(f"{name} cannot become a tensor: {_reason(values, name, error)}") from error


def _reason(values: Any, name: str, error: Exception) -> str:
    """Why values have no shape, in our words: the libraries' own name neither the row nor a mend."""
    lengths: dict[int, str] = {}  # length of a row to the first row that has it
    rows = [(name, values)]
    while rows:
        for where, row in rows:
            if not isinstance(row, (list, tuple)):
                if not isinstance(row, (int, float)) and not hasattr(row, "shape"):
                    return f"{where} is {described(row)}, not a number; leave return_tensors out, or this feature"
                continue
            lengths.setdefault(len(row), where)
        if len(lengths) > 1:
            one, other = list(lengths.items())[:2]
            return (
                f"its rows differ in length ({one[1]} has {one[0]}, {other[1]} has {other[0]}); pass padding=True, or"
                " truncation=True with max_length"
            )
        lengths.clear()
        rows = [
            (f"{where}[{i}]", item)
            for where, row in rows
            if isinstance(row, (list, tuple))
            for i, item in enumerate(row)
        ]
    return f"{error}; leave return_tensors out, or this feature"


def kind_of(value: Any) -> str | None:
    """Which library's tensor this is, or the first thing in a list of them; None for anything else.

    Looks at the type's module only, so nothing is imported.
    """
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    package = type(value).__module__.partition(".")[0]
    if package == "numpy" and not hasattr(value, "ndim"):
        return None
    return {"numpy": "np", "torch": "pt", "tensorflow": "tf", "jax": "jax", "jaxlib": "jax"}.get(package)


def _numpy(values: Any) -> Any:
    import numpy as np

    rows = [len(row) for row in values] if isinstance(values, list) and values and _is_row(values[0]) else []
    if len(set(rows)) > 1:
        # As transformers has it: rows of different lengths, each an array of its own.
        ragged = np.empty(len(values), dtype=object)
        ragged[:] = [np.asarray(row) for row in values]
        return ragged
    array = np.asarray(values)
    return array.astype(np.int64) if array.size == 0 else array


def _torch(values: Any) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.int64 if _is_empty(values) else None)


def _tensorflow(values: Any) -> Any:
    import tensorflow as tf

    return tf.constant(values, dtype=tf.int32 if _is_empty(values) else None)


def _jax(values: Any) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(_numpy_strict(values))


def _numpy_strict(values: Any) -> Any:
    import numpy as np

    return np.asarray(values, dtype=np.int32 if _is_empty(values) else None)


def _is_row(value: object) -> bool:
    return isinstance(value, (list, tuple)) or hasattr(value, "shape")


def _is_empty(values: Any) -> bool:
    if isinstance(values, (list, tuple)):
        return all(_is_empty(value) for value in values)
    return False


_MAKERS: dict[TensorType, Callable[[Any], Any]] = {
    TensorType.NUMPY: _numpy,
    TensorType.PYTORCH: _torch,
    TensorType.TENSORFLOW: _tensorflow,
    TensorType.JAX: _jax,
}
