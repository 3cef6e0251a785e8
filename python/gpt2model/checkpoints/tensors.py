"""What is a checkpoint, whatever file it came from? Named tensors that are not yet read.

Owns the two types every reader fills and every writer drains: `Tensor`, one tensor that can be read in blocks
of rows, and `Checkpoint`, all of them with the configuration they came with. Names, shapes and orientation
are Hugging Face's. Refuses to know any file format and any framework.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, final

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..errors import CheckpointError
from .names import is_activation

Array = NDArray[Any]
Rows = Callable[[int, int], Array]

# Small enough that a block is nothing beside a model, large enough that a block's cost is its bytes.
BLOCK_BYTES = 32 * 1024 * 1024

# The element types weights may have. Everything else in a checkpoint is a quantized or foreign thing.
DTYPES: dict[str, np.dtype[Any]] = {
    "float16": np.dtype(np.float16),
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


@final
@dataclass(frozen=True)
class Tensor:
    """One tensor of a checkpoint, not yet read.

    Attributes:
        name: Hugging Face's name, with the prefix `transformer.` for all of the backbone.
        shape: Hugging Face's shape.
        dtype: the element type in the file: a key of `DTYPES`, or another name when it cannot be read as a
            weight.
        source: where it lies, for messages: "my-gpt2/model.safetensors: h.0.ln_1.weight".
        rows: reads rows `start` to `stop` of the first axis; a single number has one row, itself.
        whole: the format gives whole tensors only, so reading by blocks would read everything many times.
        stored: what the file holds and how many bytes, where reading makes the tensor of it ("int8 and its
            scale"); None where the file holds the tensor itself.

    Example:
        >>> table = np.arange(6.0).reshape(3, 2)
        >>> tensor = Tensor("transformer.wte.weight", (3, 2), "float64", "memory", lambda a, b: table[a:b])
        >>> [block.shape for _, block in tensor.blocks(16)]
        [(1, 2), (1, 2), (1, 2)]
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    source: str
    rows: Rows = field(repr=False)
    whole: bool = False
    stored: tuple[str, int] | None = None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes its numbers take in the file's element type; 0 when that type is unknown."""
        dtype = DTYPES.get(self.dtype)
        return 0 if dtype is None else self.size * dtype.itemsize

    def read(self) -> Array:
        """The whole tensor."""
        if not self.shape:
            return self._checked(self.rows(0, 1).reshape(-1), 1).reshape(())
        return self._checked(self.rows(0, self.shape[0]), self.shape[0])

    def blocks(self, nbytes: int = BLOCK_BYTES) -> Iterator[tuple[int, Array]]:
        """The tensor in blocks of whole rows of about `nbytes`, each with the number of its first row."""
        if not self.shape:
            yield 0, self.read()
            return
        rows = self.shape[0]
        row_bytes = max(1, self.nbytes // max(1, rows))
        step = rows if self.whole else max(1, nbytes // row_bytes)
        for start in range(0, rows, step):
            stop = min(rows, start + step)
            yield start, self._checked(self.rows(start, stop), stop - start)

    def _checked(self, block: Array, rows: int) -> Array:
        if block.shape != (
            rows,
            *self.shape[1:],
        ):  # A reader's bug or a file that changed under it: never assign it.
            raise CheckpointError(
                f"{self.source}: rows of shape {block.shape} came where {(rows, *self.shape[1:])} were"
                " announced;"
                " the file changed while it was read: load it again"
            )
        return block


@final
@dataclass
class Checkpoint:
    """The tensors of a checkpoint by name, and what else it says of itself. Close it, or use it in a `with`.

    Attributes:
        format: "safetensors", "tf_model.h5", "flax_model.msgpack", "openai", "keras-hub", "keras" or
            "weights.h5".
        place: the directory or file, for messages.
        files: the files that hold the tensors.
        fields: the configuration under Hugging Face's names, or None when the checkpoint has none.
        tensors: by Hugging Face's name.
        ignored: names in the files that are no weights (causal masks, optimizer slots).
        stored_prefix: whether the files' own names open with `transformer.`; None where the format has no
            such question.
    """

    format: str
    place: str
    files: tuple[Path, ...]
    fields: dict[str, Any] | None
    tensors: dict[str, Tensor] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    stored_prefix: bool | None = None
    _closing: ExitStack = field(default_factory=ExitStack, repr=False)

    def add(self, tensor: Tensor) -> None:
        """Take one more tensor.

        Raises:
            CheckpointError: there is one of that name already.
        """
        if tensor.name in self.tensors:
            raise CheckpointError(
                f"{self.place}: {tensor.name} is there twice, as {self.tensors[tensor.name].source!r} and as"
                f" {tensor.source!r}: keep one of them"
            )
        self.tensors[tensor.name] = tensor

    def names(self) -> list[str]:
        """All names, in the order of the files."""
        return list(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one tensor. Raises KeyError for a name that is not there."""
        return self.tensors[name].shape

    def dtype(self, name: str) -> str:
        """The element type of one tensor in the file. Raises KeyError for a name that is not there."""
        return self.tensors[name].dtype

    def read(self, name: str) -> Array:
        """One whole tensor. Raises KeyError for an unknown name, CheckpointError for broken bytes."""
        return self.tensors[name].read()

    @property
    def nbytes(self) -> int:
        """The bytes of all tensors together."""
        return sum(tensor.nbytes for tensor in self.tensors.values())

    @property
    def common_dtype(self) -> str | None:
        """The element type that its weights have, or None where they have several.

        Of those that are weights: activations' numbers, which are bfloat16 in any model, aside.
        """
        kinds = {tensor.dtype for tensor in self.tensors.values() if not is_activation(tensor.name)}
        kinds &= DTYPES.keys()
        return kinds.pop() if len(kinds) == 1 else None

    def on_close(self, release: Callable[[], object]) -> None:
        """Have something called when the checkpoint is closed."""
        self._closing.callback(release)

    def close(self) -> None:
        """Let go of the files. The tensors can no longer be read."""
        self._closing.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
