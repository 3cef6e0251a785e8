"""Which whole numbers may stand among ids, labels and positions, and what becomes of those that may not?

Owns the bounds and their three watchmen: whoever has values now gets a ValueError that names value, place and
bound; a TensorFlow graph gets an assertion, so that running it raises InvalidArgumentError; and where nothing can
raise (`jax.jit`, XLA, values on an accelerator) the answer of that row, or the loss, becomes NaN, because a gather
clamps or wraps what it does not have and the answer would be plausible. Refuses shapes (`entry.py`).

Eager values are looked at before Keras turns them into tensors: JAX keeps 32 bits, and 2**40 would arrive as 0.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

from .backend import BACKEND, Tensor, concrete
from .errors import ContextLengthError

IGNORED_LABEL = -100

# How a message goes on after the bound; what is not here is a label.
_MENDS = {
    "input_ids": "the tokenizer does not fit the model's vocabulary.",
    "token_type_ids": "types are looked up in the word embeddings.",
    "position_ids": "the model has that many positions (n_positions).",
    "logits_to_keep": "it must be a position of the input.",
    "mc_token_ids": "it must be a position of its choice.",
}

_trusted: ContextVar[bool] = ContextVar("gpt2model_trusted", default=False)


@contextlib.contextmanager
def trusted() -> Iterator[None]:
    """Inside, values of ids are not looked at: for loops that feed a model its own answers."""
    token = _trusted.set(True)
    try:
        yield
    finally:
        _trusted.reset(token)


def check_values(name: str, values: np.ndarray[Any, Any], limit: int) -> None:
    """Refuse numbers outside [0, limit).

    Arguments:
        name: of the argument; labels may be -100 too.
        values: integers.

    Raises:
        ValueError: naming the first offender, its place and the bound (ContextLengthError for positions).

    Example:
        >>> check_values("labels", np.array([[3, -100]]), 4)
        >>> check_values("input_ids", np.array([[3, 7]]), 4)
        Traceback (most recent call last):
        ...
        ValueError: input_ids[0, 1] is 7, outside 0..3; the tokenizer does not fit the model's vocabulary.
    """
    if values.size == 0 or values.dtype.kind not in "iu" or (values.min() >= 0 and values.max() < limit):
        return
    outside = (values < 0) | (values >= limit)
    if name not in _MENDS:
        outside &= values != IGNORED_LABEL
        if not outside.any():
            return
    place = tuple(int(i) for i in next(zip(*outside.nonzero(), strict=True))) if values.ndim else ()
    mend = _MENDS.get(name, f"{IGNORED_LABEL} stands where none counts.")
    what = f"{name}{list(place)} is {int(values[place])}, outside 0..{limit - 1}; {mend}"
    raise ContextLengthError(what) if name == "position_ids" else ValueError(what)


def check_width(name: str, values: np.ndarray[Any, Any]) -> None:
    """Refuse numbers of 64 bits that would not survive as numbers of 32.

    Raises:
        ValueError: naming the first offender and its place.
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8 or values.size == 0:
        return
    if values.min() < -(2**31) or values.max() >= 2**31:
        outside = (values < -(2**31)) | (values >= 2**31)
        place = tuple(int(i) for i in next(zip(*outside.nonzero(), strict=True))) if values.ndim else ()
        raise ValueError(f"{name}{list(place)} is {int(values[place])}, more than 32 bits hold.")


def check_flags(name: str, mask: Any) -> None:
    """Refuse a mask of numbers that are neither 0 nor above, where they can be seen: additive masks among them.

    Raises:
        ValueError: naming the first offender and its place.

    Example:
        >>> check_flags("attention_mask", np.array([[1.0, -np.inf]]))
        Traceback (most recent call last):
        ...
        ValueError: attention_mask[0, 1] is -inf; a mask is 1 where a token counts and 0 where not, never additive.
    """
    if "bfloat16" in str(getattr(mask, "dtype", "")):  # NumPy has no such type
        mask = ops.cast(mask, "float32")
    known = concrete(mask)
    if known is None or known.size == 0 or known.dtype.kind in "bu":
        return
    if not known.min() >= 0:  # NaN is not, either
        place = tuple(int(i) for i in next(zip(*(~(known >= 0)).nonzero(), strict=True)))
        raise ValueError(
            f"{name}{list(place)} is {known[place]}; a mask is 1 where a token counts and 0 where not, never additive."
        )


def check_arrays(arguments: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    """Refuse the arrays among a call's arguments that hold what the model has no place for.

    Arguments:
        arguments: by name; only NumPy's arrays are looked at, tensors are when they are used. Arrays that lie in
            files are looked at when they are read, too.
        limits: by name.

    Raises:
        ValueError: as `check_values` and `check_width`.
    """
    if _trusted.get():
        return
    for name, value in arguments.items():
        if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.memmap):
            if name in limits:
                check_values(name, np.asarray(value), limits[name])
            check_width(name, np.asarray(value))


def check_batch(arguments: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    """As `check_arrays`, of everything that has values now: a batch before its step.

    Costs 20 microseconds for ids and labels of 8 x 512.
    """
    for name, limit in limits.items():
        values = _fetched(arguments.get(name))
        if values is not None:
            check_values(name, values, limit)
    for name in ("attention_mask", "encoder_attention_mask"):
        if arguments.get(name) is not None:
            check_flags(name, arguments[name])


def _fetched(value: Any) -> np.ndarray[Any, Any] | None:
    """As `concrete`, and from an accelerator too: a batch has only just gone there, and waits for nothing."""
    if BACKEND == "jax":
        jax = sys.modules["jax"]
        if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
            return np.asarray(value) if value.is_fully_addressable else None
    return None if value is None else concrete(value)


def signed(numbers: Tensor) -> Tensor:
    """Whole numbers of a type that holds -100 and in which none of them becomes another one."""
    kind = keras.backend.standardize_dtype(numbers.dtype)
    if kind in {"int64", "int32"}:
        return numbers
    if kind in ("uint32", "uint64"):
        if BACKEND != "jax" or kind == "uint64":
            return ops.cast(numbers, "int64")
        # JAX has no 64 bits unless asked; what 31 do not hold is out of every bound, and stays so.
        numbers = ops.minimum(numbers, ops.convert_to_tensor(2**31 - 1, kind))
    return ops.cast(numbers, "int32")


def outside(name: str, numbers: Tensor, limit: int | Tensor) -> Tensor | None:
    """Where numbers lie outside [0, limit): an error if they have values, else booleans of their shape.

    Arguments:
        name: of the argument; labels may be -100 too.
        numbers: integers.
        limit: known, or a scalar.

    Returns:
        None if every number is good or need not be looked at.

    Raises:
        ValueError: as `check_values`.
    """
    if _trusted.get() and name in _MENDS:
        return None
    known = concrete(numbers) if isinstance(limit, int) else None
    if known is not None:
        check_values(name, known, int(limit))
        return None
    numbers = signed(numbers)
    bad = ops.logical_or(ops.less(numbers, 0), ops.greater_equal(numbers, limit))
    if name not in _MENDS:
        bad = ops.logical_and(bad, ops.not_equal(numbers, IGNORED_LABEL))
    bound = f"0..{limit - 1}" if isinstance(limit, int) else "what there is"
    assert_none(bad, f"{name} holds numbers outside {bound}; its least and its greatest:", numbers)
    return bad


def assert_none(bad: Tensor, message: str, *values: Any) -> None:
    """In a TensorFlow graph, let running it fail if any of the booleans is true. (XLA leaves assertions out.)"""
    if BACKEND != "tensorflow":
        return
    tf = sys.modules["tensorflow"]
    if not tf.executing_eagerly():
        shown = [value for number in values for value in _ends(number)]
        tf.debugging.Assert(tf.logical_not(tf.reduce_any(bad)), [message, *shown])


def _ends(number: Any) -> list[Any]:
    """A scalar, or the least and the greatest of a tensor."""
    if isinstance(number, int) or len(number.shape) == 0:
        return [number]
    return [ops.min(number), ops.max(number)]


def poison(bad: Tensor, dtype: Any) -> Tensor:
    """NaN where true, 0 where false."""
    return ops.cast(ops.where(bad, float("nan"), 0.0), dtype)
