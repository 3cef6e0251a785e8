"""How do a tensor's numbers get into a variable? Block by block, without a second copy of the model.

Owns the way into a variable's memory on each backend.
Refuses shapes that differ: those are compared before a model is built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import BACKEND
from ..weight_names import WeightSlot
from .numbers import fit
from .tensors import BLOCK_BYTES, DTYPES, Tensor


def assign(slot: WeightSlot, tensor: Tensor) -> None:
    """Puts a tensor of a checkpoint into its variable.

    Arguments:
        slot: of a fresh model; its variable's old value is lost even when reading fails.
        tensor: of the same shape.

    Raises:
        CheckpointError: NaN or infinite numbers, numbers too large for the variable's type, or broken bytes.
    """
    dtype = str(slot.variable.dtype)
    if slot.transposed or tensor.whole or tensor.nbytes <= BLOCK_BYTES:
        slot.assign(fit(tensor, tensor.read(), dtype))
    elif BACKEND == "torch":
        _assign_torch(slot, tensor)
    else:
        # No slices of a tf.Variable: one such assignment, and TensorFlow copies the whole variable at every
        # later reading.
        value = np.empty(tensor.shape, DTYPES[dtype])
        for start, block in tensor.blocks(BLOCK_BYTES):
            value[start : start + len(block)] = fit(tensor, block, dtype)
        slot.variable.assign(value)


def _assign_torch(slot: WeightSlot, tensor: Tensor) -> None:
    torch = sys.modules["torch"]
    target = slot.variable.value
    dtype = str(slot.variable.dtype)
    with torch.no_grad():
        for start, block in tensor.blocks(BLOCK_BYTES):
            value = fit(tensor, block, dtype)
            if dtype == "bfloat16":  # PyTorch takes no bfloat16 from NumPy.
                value = value.astype(np.float32)
            target[start : start + len(value)].copy_(torch.from_numpy(value))


def let_go(slots: Iterable[WeightSlot]) -> None:
    """Frees a fresh model's numbers before they are replaced: JAX makes a new array for each value.

    Afterwards the variables must be assigned, each of them, before anything reads them.
    """
    if BACKEND != "jax":
        return
    for slot in slots:
        old: Any = slot.variable.value
        if getattr(slot.variable, "_layout", None) is None and not old.is_deleted():
            old.delete()
