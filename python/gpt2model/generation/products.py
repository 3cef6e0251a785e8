"""How are a few rows multiplied with a big kernel? Whatever its form, without a second copy of it.

Owns the product for every form of the weights and every backend. Refuses to choose the form (`weights.py`).

Milliseconds for one row of 768 numbers against 50,257 rows, inside a loop, on two busy cores (JAX 0.10, minima
of five; figures of one column belong to one run):
    float32, one row                               21.2   15.5   (taken)
    float32, the row eight times                   36.3
    bfloat16, one row: XLA turns the kernel to float32 first, before the loop, and 137 outside of one
    bfloat16, the row twice, float32 result        22.5   26.3   (taken: no such copy)
    bfloat16, the row eight times                  20.9   22.7
    int8, turned to float32 in the product         37.0          (whole kernel turned, before the loop)
    int8 by int8, one row                          31.5          (whole kernel turned to int32)
    int8 by int8, the row twice                    12.2    5.8
    int8 by int8, the row four times                       4.7   (taken)
    int8 by int8, the row eight times               9.8    4.6
"""

from __future__ import annotations

import sys

import keras
from keras import ops

from ..backend import BACKEND, Tensor
from .weights import Kernel

_ROWS = {"bfloat16": 2, "int8": 4}  # one row is multiplied so often: a lone one has no kernel but float32's


def product(left: Tensor, kernel: Kernel) -> Tensor:
    """(..., inputs) to (..., outputs), float32.

    With an int8 kernel the left side is rounded to int8, too, each row by its largest number.
    """
    shape = ops.shape(left)[:-1]
    flat = ops.reshape(left, (-1, left.shape[-1]))  # (m, inputs)
    parts = [_of_shard(flat, rows) for rows in kernel.rows]
    found = parts[0] if len(parts) == 1 else ops.concatenate(parts, axis=1)
    if not isinstance(kernel.scale, tuple):
        found = found * kernel.scale
    if not isinstance(kernel.bias, tuple):
        found = found + kernel.bias
    return ops.reshape(found, (*shape, found.shape[1]))


def _of_shard(flat: Tensor, rows: Tensor) -> Tensor:
    """(m, inputs) and (n, inputs) to (m, n)."""
    form = keras.backend.standardize_dtype(rows.dtype)
    if BACKEND == "torch":
        return _in_torch(flat, rows, form)
    if form == "float32":
        return of_rows(flat, rows)
    count = ops.shape(flat)[0]
    if not isinstance(count, int):  # an exported graph, which XLA is given with the number in its place
        missing = ops.zeros((ops.maximum(_ROWS[form] - count, 0), flat.shape[1]), flat.dtype)
        flat = ops.concatenate([flat, missing])
    elif count == 1:
        flat = ops.broadcast_to(flat, (_ROWS[form], flat.shape[1]))
    return (_of_bytes if form == "int8" else _of_halves)(flat, rows)[:count]


def of_rows(left: Tensor, right: Tensor) -> Tensor:
    """Every row of the left against every row of the right: (..., m, d) and (..., n, d) to (..., m, n); int8 to
    int32.

    On TensorFlow not by einsum, which turns the right side round; for a lone row XLA then does so in memory, at
    every step: about 115 ms for two layers of gpt2-small, and 38 to 46 without.
    """
    if BACKEND == "tensorflow":
        whole = {"output_type": "int32"} if right.dtype == "int8" else {}
        return sys.modules["tensorflow"].linalg.matmul(left, right, transpose_b=True, **whole)
    return ops.einsum("md,nd->mn" if len(left.shape) == 2 else "gmd,gnd->gmn", left, right)


def _in_torch(flat: Tensor, rows: Tensor, form: str) -> Tensor:
    if form == "bfloat16":
        return ops.cast(ops.matmul(ops.cast(flat, form), rows.t()), "float32")
    return ops.matmul(flat, ops.cast(rows, "float32").t())


def _of_halves(flat: Tensor, rows: Tensor) -> Tensor:
    flat = ops.cast(flat, "bfloat16")
    if BACKEND == "jax":
        lax = sys.modules["jax"].lax
        dimensions = (((1,), (1,)), ((), ()))
        return lax.dot_general(flat, rows, dimensions, preferred_element_type="float32")
    return ops.cast(of_rows(flat, rows), "float32")


def _of_bytes(flat: Tensor, rows: Tensor) -> Tensor:
    scale = ops.maximum(ops.max(ops.absolute(flat), axis=1, keepdims=True), 1e-12) / 127.0  # (m, 1)
    whole = ops.cast(ops.round(flat / scale), "int8")
    return ops.cast(of_rows(whole, rows), "float32") * scale
