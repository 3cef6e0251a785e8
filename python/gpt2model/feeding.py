"""What stands between the data of `fit`, `evaluate` and `predict` and a step? One look at it.

Owns the names of a batch's parts, the check of their values before they reach a step, and the passage of a torch
DataLoader's mappings through Keras on TensorFlow and JAX. Refuses to know any head: a model says what its bounds
are (`value_limits`) and what its labels are called (`label_names`).

A compiled step cannot refuse an id: on TensorFlow and JAX it would train on another one, or on NaN. Looking costs
20 microseconds for a batch of 8 x 512.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any, final

import keras
import numpy as np

from .backend import BACKEND
from .bounds import check_arrays, check_batch
from .entry import as_arrays, labels_as_arrays


def parts_of(model: Any, x: Any, y: Any) -> dict[str, Any]:
    """Inputs and labels by the names they have in a call; labels for a loss given to `compile` are its own affair."""
    parts = dict(x) if isinstance(x, Mapping) else {"input_ids": x}
    if y is None or getattr(model, "_compile_loss", None) is not None:
        return parts
    if isinstance(y, Mapping):
        return {**parts, **y}
    several = type(y) is tuple or (type(y) is list and len(model.label_names) > 1)
    return {**parts, **dict(zip(model.label_names, y if several else (y,), strict=False))}


def data_for(model: Any, x: Any, y: Any = None, *, name: str = "y") -> tuple[Any, Any]:
    """What Keras is given as `x` and `y`.

    Nested lists become arrays, a torch DataLoader of mappings one of tuples; arrays in memory are looked at, all of
    them, before Keras turns them into tensors.

    Arguments:
        name: of `y`, for messages.

    Raises:
        TypeError, ValueError: lists that are no arrays, or values out of bounds.
    """
    if isinstance(x, GeneratorType) and y is None:
        own = getattr(model, "_compile_loss", None) is None  # else labels are that loss' affair
        return (_in_32_bits(batch, own) for batch in x), None
    x, y = in_tuples(as_arrays(x, "x")), labels_as_arrays(y, name)
    parts = parts_of(model, x, y)
    check_arrays(parts, model.value_limits(parts))
    return x, y


def checked(model: Any, batches: Iterable[Any]) -> Iterator[Any]:
    """The same batches, each looked at before it is handed on.

    Raises:
        ValueError: values out of bounds.
    """
    for batch in batches:
        check_step(model, batch)
        yield batch


def check_step(model: Any, batch: Any) -> None:
    """Refuse a batch, (x, y, sample_weight) or the first of them, whose values are out of bounds.

    Raises:
        ValueError: naming the value, its place and the bound.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    parts = parts_of(model, x, y)
    check_batch(parts, model.value_limits(parts))


def _in_32_bits(batch: Any, own_loss: bool) -> Any:
    """A generator's batch in which no number becomes another one on its way: TensorFlow gives all batches the type of
    the first ones, and PyTorch hardly has unsigned numbers of 64 bits. What 32 bits do not hold is out of every
    bound, and stays so; the step's check says it, since Keras hides errors of a generator behind its own.
    """
    if type(batch) is tuple:
        count = len(batch) if own_loss else 1
        return (*(_in_32_bits(part, own_loss) for part in batch[:count]), *batch[count:])
    if type(batch) is dict:
        return {name: _in_32_bits(part, own_loss) for name, part in batch.items()}
    if isinstance(batch, np.ndarray) and batch.dtype in (np.int64, np.uint64) and batch.size:
        least, greatest = -(2**31), 2**31 - 1
        if batch.min() < least or batch.max() > greatest:
            batch = np.clip(batch, max(least, np.iinfo(batch.dtype).min), greatest)
        return batch.astype("int64", copy=False)
    return batch


def in_tuples(data: Any) -> Any:
    """A torch DataLoader whose batches are tuples, as Keras wants them on TensorFlow and JAX; the data else."""
    torch = sys.modules.get("torch")
    if BACKEND == "torch" or torch is None or not isinstance(data, torch.utils.data.DataLoader):
        return data
    loader = copy.copy(data)
    loader.collate_fn = InTuple(data.collate_fn)
    loader._iterator = None  # of workers that outlive an epoch: they have the old function
    return loader


@final
class InTuple:
    """A function of the rows of a batch that gives a tuple where another gives a mapping. (A class, so that it goes
    to worker processes.)
    """

    def __init__(self, collate: Any) -> None:
        self.collate = collate

    def __call__(self, rows: Any) -> Any:
        """The batch of these rows."""
        batch = self.collate(rows)
        return (batch,) if isinstance(batch, Mapping) else batch
