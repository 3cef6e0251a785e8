"""Which tensor do these arrays make? A quantized or adapted layer of Keras' files as the weight it computes with.

Owns the arrays of one layer: the kernel or table, the scales of int8, and the addition of LoRA
(`gpt2model.low_rank`), read together and by rows. Refuses other quantizations: what is not understood is left as it
lies, and is refused by name when it is held against a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np

from ..low_rank import LORA_ARRAYS, merged
from .hdf5 import H5Tensor
from .tensors import DTYPES, Array, Tensor

Place = tuple[str, bool]
Lora = tuple[H5Tensor, H5Tensor, H5Tensor]
TABLES = ("transformer.wte.weight", "transformer.wpe.weight")


@final
@dataclass(frozen=True)
class _Layer:
    """The arrays that make one weight.

    Attributes:
        numbers: the kernel (inputs, outputs) or table (rows, width), real or int8.
        scale: what int8 was multiplied by, (outputs,) or (rows,).
        lora: both halves, and the factor.
        is_table, transposed: of the weight.
        dtype: of what is read.
    """

    numbers: H5Tensor
    scale: H5Tensor | None
    lora: Lora | None
    is_table: bool
    transposed: bool
    dtype: str

    def rows(self, start: int, stop: int) -> Array:
        """Rows of the weight, as `Tensor.rows`."""
        inputs, outputs = slice(start, stop), slice(None)
        if self.transposed:
            inputs, outputs = outputs, inputs
        block = self.numbers[inputs, outputs].astype("float32")
        if self.scale is not None:
            scale = self.scale[inputs if self.is_table else outputs].astype("float32")
            with np.errstate(divide="ignore", invalid="ignore"):  # found where all numbers are checked
                block /= scale[:, None] if self.is_table else scale
        if self.lora is not None:
            low, high, alpha = self.lora
            block = merged(
                block, low[inputs].astype("float32"), high[:, outputs].astype("float32"), float(alpha[()])
            )
        block = block.astype(DTYPES[self.dtype], copy=False)
        return np.ascontiguousarray(block.T) if self.transposed else block


def tensors_of(path: Path, datasets: list[H5Tensor], places: Mapping[str, Place]) -> Iterator[Tensor]:
    """The weights that the arrays of a file make.

    Arguments:
        path: of the file, for messages.
        datasets: its arrays, in their order.
        places: of a plain model: the path of an array to the canonical name and whether it lies transposed.
    """
    by_name = {dataset.name: dataset for dataset in datasets}
    used: set[str] = set()
    made: list[Tensor] = []
    for dataset in datasets:
        if dataset.name not in places:
            continue
        name, transposed = places[dataset.name]
        shape = dataset.shape[::-1] if transposed else dataset.shape
        scale, lora = _beside(dataset, by_name, places)
        if scale is None and lora is None:
            rows, dtype, stored = dataset.rows(transposed=transposed), dataset.dtype, None
        else:
            parts = [dataset, *([scale] if scale else []), *(lora or ())]
            used.update(part.name for part in parts)
            dtype = "float32" if scale is not None else dataset.dtype
            rows = _Layer(dataset, scale, lora, name in TABLES, transposed, dtype).rows
            words = [dataset.dtype, *(["LoRA"] if lora else [])]
            stored = (" + ".join(words), sum(int(np.prod(part.shape)) * _width(part) for part in parts))
        made.append(Tensor(name, shape, dtype, f"{path}: {dataset.name}", rows, stored=stored))
    yield from made
    for dataset in datasets:
        if dataset.name not in places and dataset.name not in used and not is_no_weight(dataset.name):
            yield Tensor(
                dataset.name, dataset.shape, dataset.dtype, f"{path}: {dataset.name}", dataset.rows()
            )


def is_no_weight(name: str) -> bool:
    """Whether an array is the state of a random generator or of an optimizer."""
    return "seed_generator" in name or name.startswith(("optimizer/", "_optimizer/"))


def _beside(
    dataset: H5Tensor, by_name: Mapping[str, H5Tensor], places: Mapping[str, Place]
) -> tuple[H5Tensor | None, Lora | None]:
    """The scales and the LoRA of a layer whose first array this is; None for what it does not have."""
    folder, _, number = dataset.name.rpartition("/")
    if number != "0" or len(dataset.shape) != 2:
        return None, None
    scale = None
    if dataset.dtype == "int8":
        # Keras numbers the arrays of a layer, and puts the scales after those that a plain one has.
        plain = sum(name.rpartition("/")[0] == folder for name in places)
        scale = by_name.get(f"{folder}/{plain}")
        axis = 0 if places[dataset.name][0] in TABLES else 1
        if scale is None or scale.shape != (dataset.shape[axis],) or scale.dtype not in DTYPES:
            return None, None  # int4, or something else under this name
    elif dataset.dtype not in DTYPES:
        return None, None
    arrays = [by_name.get(f"{folder}/{name}") for name in LORA_ARRAYS]
    if any(array is None for array in arrays):
        return scale, None
    low, high, alpha = (array for array in arrays if array is not None)
    fits = low.shape[:1] == dataset.shape[:1] and high.shape == (low.shape[-1], dataset.shape[1])
    return scale, (low, high, alpha) if fits and alpha.shape == () else None


def _width(part: H5Tensor) -> int:
    return 1 if part.dtype == "int8" else DTYPES[part.dtype].itemsize if part.dtype in DTYPES else 4
