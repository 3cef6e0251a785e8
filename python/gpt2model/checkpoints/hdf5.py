"""How is an HDF5 file opened that anybody may have written? Its own datasets, and nothing that points away.

Owns opening, listing and reading rows, for every format that lies in HDF5. Refuses soft and external links
and external and virtual datasets, which can make one file read another, and whatever is not an array of
numbers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, final

import h5py
import numpy as np

from ..errors import CheckpointError
from .tensors import DTYPES, Array, Rows

_BROKEN = "it is cut off, still being downloaded, or something else under that name: copy it again"


@final
class H5Tensor:
    """A dataset: its path in the file, its shape, the element type of its weights, and its rows."""

    def __init__(self, path: Path, name: str, dataset: Any) -> None:
        self.name = name
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.dtype = _dtype_name(dataset)
        self.source = f"{path}: {name}"
        self._dataset = dataset
        self._place = f"{path}: {name}"

    def __getitem__(self, index: Any) -> Array:
        """Part of the dataset, of the element type `dtype` names."""
        try:
            value = np.asarray(self._dataset[index])
        except (OSError, RuntimeError, ValueError, TypeError, SystemError) as error:
            raise CheckpointError(f"{self._place} cannot be read ({error}): {_BROKEN}") from error
        if value.dtype.kind == "V":  # NumPy's bfloat16 goes into HDF5 as two bytes without meaning.
            value = value.view(DTYPES["bfloat16"])
        return value

    def rows(self, *, transposed: bool = False) -> Rows:
        """A reader of rows of the dataset, or of its transpose."""
        return partial(_columns if transposed else _rows, self)


def _rows(tensor: H5Tensor, start: int, stop: int) -> Array:
    return tensor[start:stop] if tensor.shape else tensor[()]


def _columns(tensor: H5Tensor, start: int, stop: int) -> Array:
    return np.ascontiguousarray(tensor[:, start:stop].T)


def _dtype_name(dataset: Any) -> str:
    dtype = dataset.dtype
    if dtype.kind == "V" and dtype.itemsize == 2 and dataset.attrs.get("dtype") in ("bfloat16", b"bfloat16"):
        return "bfloat16"
    return str(dtype)


def open_h5(path: Path) -> h5py.File:
    """An HDF5 file open for reading. Close it.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: no HDF5 file, or a broken one.
    """
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path}: no whole HDF5 file ({error}): {_BROKEN}") from error


def list_datasets(path: Path, file: h5py.File) -> list[H5Tensor]:
    """All arrays in the file, in the order of their paths.

    Raises:
        CheckpointError: a link or a dataset that leads elsewhere, an array of objects, or a broken file.
    """
    found: list[H5Tensor] = []

    # Both return what is wrong, which ends the walk: h5py loses an exception raised in the first.
    def check_link(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.SoftLink | h5py.ExternalLink):
            return f"{name} is a {type(link).__name__}, which can lead to any other file and is not followed"
        return None

    def visit(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.is_virtual or item.external:
            return f"{name} lies in other files, which are not read"
        if item.dtype.hasobject or item.shape is None:
            return f"{name} holds {item.dtype}, no array of numbers"
        found.append(H5Tensor(path, name, item))
        return None

    try:
        # The second visits each object once, so hard links in a circle end.
        wrong = file.visititems_links(check_link) or file.visititems(visit)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, SystemError) as error:
        # h5py lets a broken name or type through as any of these, a SystemError when it comes from its own
        # callback.
        raise CheckpointError(f"{path}: its table of contents cannot be read ({error}): {_BROKEN}") from error
    if wrong:
        raise CheckpointError(f"{path}: {wrong}: save the weights themselves into this file")
    return found
