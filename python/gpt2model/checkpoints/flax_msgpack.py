"""How is a `flax_model.msgpack` read, as the Flax classes of transformers 4 saved it?

Owns the walk through the nested maps, which notes where each array begins and reads it only when asked, and
the translation of Flax's names; every kernel in it has the transpose of Hugging Face's PyTorch orientation.
The msgpack library decodes. Refuses sizes that the file cannot hold, so a file of a few bytes cannot ask for
gigabytes, and maps nested without end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, final

import msgpack
import numpy as np

from ..errors import CheckpointError
from .names import HEAD_NAMES, canonical
from .tensors import DTYPES, Array, Checkpoint, Tensor

_LEAVES = {"scale": "weight", "embedding": "weight", "kernel": "weight"}
_NDARRAY = 1  # Flax's extension type: a packed (shape, dtype name, bytes)
_MAX_DEPTH, _MAX_TENSORS = 16, 100_000
_ENTRY_BYTES = 1024 * 1024
# Room for the shape and the type's name around an array's bytes.
_MARGIN = 4096
_BROKEN = "it is cut off, still being downloaded, or something else under that name: copy it again"


def read_flax(path: Path, fields: dict[str, Any] | None, place: str) -> Checkpoint:
    """The tensors of a `flax_model.msgpack`.

    Arguments:
        path: the file.
        fields: the configuration beside it, if there is one.
        place: the checkpoint's name in messages.

    Raises:
        OSError: no such file.
        CheckpointError: a broken file, or one that announces more than it holds.
    """
    checkpoint = Checkpoint("flax_model.msgpack", place, (path,), fields)
    entries = _Entries(path)
    for keys, position, dtype, shape in entries.walk():
        stored = ".".join(keys[1:] if keys[0] == "params" else keys)
        *scopes, leaf = stored.split(".")
        renamed = ".".join([*scopes, _LEAVES.get(leaf, leaf)])
        name = canonical(renamed)
        if name == renamed and name not in HEAD_NAMES and not name.startswith("transformer."):
            name = stored  # Nothing of ours: named as the file names it.
        transposed = leaf == "kernel" and len(shape) == 2
        checkpoint.add(
            Tensor(
                name=name or stored,
                shape=shape[::-1] if transposed else shape,
                dtype=dtype,
                source=f"{path}: {stored}",
                rows=partial(_rows, entries, position, transposed),
                whole=True,
            )
        )
    return checkpoint


def _rows(entries: _Entries, position: int, transposed: bool, start: int, stop: int) -> Array:
    dtype, shape, data = entries.array(position)
    value = np.frombuffer(data, DTYPES[dtype]).reshape(shape)
    return (value.T if transposed else value)[start:stop]


@final
class _Entries:
    """The file as a tree of maps whose leaves are read one at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size

    def walk(self) -> Iterator[tuple[tuple[str, ...], int, str, tuple[int, ...]]]:
        """The keys of each array, the byte at which it begins, its element type and its shape."""
        leaves = 0
        position, pending = 0, self._map_at(0)
        if pending is None:
            raise CheckpointError(f"{self._path}: no map of arrays at its beginning: {_BROKEN}")
        count, position = pending
        stack: list[tuple[tuple[str, ...], int]] = [((), count)]
        while stack:
            keys, left = stack.pop()
            if not left:
                continue
            stack.append((keys, left - 1))
            key, position = self._object(position, _ENTRY_BYTES)
            if not isinstance(key, str) or not key:
                raise CheckpointError(
                    f"{self._path}: {key!r} names an array at byte {position}, which is no text: {_BROKEN}"
                )
            inner = self._map_at(position)
            if inner is None:
                dtype, shape, _, after = self._array_at(position)
                yield (*keys, key), position, dtype, shape
                position = after
                leaves += 1
            else:
                count, position = inner
                stack.append(((*keys, key), count))
            if len(stack) > _MAX_DEPTH or leaves > _MAX_TENSORS:
                raise CheckpointError(
                    f"{self._path}: nested deeper or holding more arrays than any GPT-2: {_BROKEN}"
                )
        if position != self._size:
            raise CheckpointError(f"{self._path}: {self._size - position} bytes follow its arrays: {_BROKEN}")

    def array(self, position: int) -> tuple[str, tuple[int, ...], bytes]:
        """Element type, shape and bytes of the array that begins there."""
        dtype, shape, data, _ = self._array_at(position)
        return dtype, shape, data

    def _array_at(self, position: int) -> tuple[str, tuple[int, ...], bytes, int]:
        leaf, after = self._object(position, self._size)
        if not isinstance(leaf, msgpack.ExtType) or leaf.code != _NDARRAY:
            raise CheckpointError(
                f"{self._path}: {type(leaf).__name__} at byte {position} where an array should be: {_BROKEN}"
            )
        try:
            parts = msgpack.unpackb(leaf.data, raw=False, strict_map_key=True)
        except (ValueError, msgpack.UnpackException) as error:
            raise self._broken(position, error) from error
        if not isinstance(parts, list) or len(parts) != 3:
            raise CheckpointError(
                f"{self._path}: the array at byte {position} is not (shape, type, bytes): {_BROKEN}"
            )
        shape, dtype, data = parts
        sides = isinstance(shape, list) and all(type(side) is int and 0 <= side < 1 << 40 for side in shape)
        if not sides or not isinstance(dtype, str) or not isinstance(data, bytes) or len(shape) > 8:
            raise CheckpointError(
                f"{self._path}: the array at byte {position} has no sound shape and type: {_BROKEN}"
            )
        if dtype in DTYPES and math.prod(shape) * DTYPES[dtype].itemsize != len(data):
            raise CheckpointError(
                f"{self._path}: the array at byte {position} is announced as {tuple(shape)} {dtype} and"
                f" has {len(data)}"
                f" bytes: {_BROKEN}"
            )
        return dtype, tuple(shape), data, after

    def _object(self, position: int, most: int) -> tuple[Any, int]:
        """The object that begins there, of at most so many bytes, and where the next begins."""
        with self._path.open("rb") as file:
            file.seek(position)
            unpacker = self._unpacker(file, min(most, self._size - position) + _MARGIN)
            try:
                return unpacker.unpack(), position + unpacker.tell()
            except (ValueError, msgpack.UnpackException) as error:
                raise self._broken(position, error) from error

    def _map_at(self, position: int) -> tuple[int, int] | None:
        """How many entries the map there has and where the first begins; None when it is no map."""
        with self._path.open("rb") as file:
            file.seek(position)
            unpacker = self._unpacker(file, _MARGIN)
            try:
                return unpacker.read_map_header(), position + unpacker.tell()
            except (ValueError, msgpack.UnpackException):
                return None

    def _unpacker(self, file: Any, most: int) -> msgpack.Unpacker:
        # No limit above `most` bytes: an announced size beyond the file's end is refused before anything is
        # allocated.
        return msgpack.Unpacker(file, read_size=min(most, 65536), raw=False, max_buffer_size=most)

    def _broken(self, position: int, error: Exception) -> CheckpointError:
        return CheckpointError(
            f"{self._path}: the object at byte {position} of {self._size} cannot be read"
            f" ({error or type(error).__name__}):"
            f" {_BROKEN}"
        )
