"""How do new keys and values come to their place in a cache? By the operation that the program's surroundings have.

Owns the choice: PyTorch writes over a buffer, where it may. For arrays that cannot be written over XLA has an operation
that writes in place; graphs that are to run without XLA must not hold it: servers link it in with XLA only. Refuses to
know what is written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from keras import ops

from ..backend import BACKEND, Tensor
from ..cache import writes_over

_core_only: ContextVar[bool] = ContextVar("_core_only", default=False)


@contextmanager
def core_operations() -> Iterator[None]:
    """Inside, TensorFlow's own operations only: for graphs that run without XLA."""
    token = _core_only.set(True)
    try:
        yield
    finally:
        _core_only.reset(token)


def only_core_operations() -> bool:
    """Whether it is inside `core_operations`."""
    return _core_only.get()


def written(buffer: Tensor, new: Tensor, offset: int | Tensor) -> Tensor:
    """The buffer (n, room, width) with new positions (n, steps, width) in it from `offset` on."""
    if not only_core_operations():
        return ops.slice_update(buffer, (0, offset, 0), new)
    # One operation, which takes over a buffer that nobody else reads.
    tensorflow = sys.modules["tensorflow"]
    rows, steps = ops.shape(new)[:2]
    row, column = tensorflow.meshgrid(tensorflow.range(rows), tensorflow.range(steps) + offset, indexing="ij")
    return tensorflow.tensor_scatter_nd_update(buffer, tensorflow.stack([row, column], axis=-1), new)


def placed(buffer: Tensor, new: Tensor, offset: int | Tensor) -> Tensor:
    """The buffer (n, room, width) with (n, steps, width) in it from `offset` on; on PyTorch the same buffer."""
    if BACKEND == "torch" and writes_over():
        buffer[:, int(offset) : int(offset) + new.shape[1]] = new
        return buffer
    return written(buffer, new, offset)
