"""How does a model become safetensors that transformers loads? One file or shards, with a config.json.

Owns the names, the split into shards and the files. Holds no more than one shard in memory; the safetensors
library writes. Refuses to leave an older model's index, shards or single file where they would be read
instead of the new ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - safetensors knows NumPy's bfloat16 by its name
import numpy as np
from safetensors.numpy import save_file

from gpt2tok.cli.progress import Progress, progress
from gpt2tok.files import Writer

from .names import class_of, stored_name
from .numbers import fit
from .places import CONFIG, SAFETENSORS, SAFETENSORS_INDEX, old_shards
from .saving import json_bytes, save_together, writer
from .tensors import DTYPES, Array, Checkpoint, Tensor

DEFAULT_SHARD = 5_000_000_000
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def shard_bytes(size: int | str) -> int:
    """A shard's size in bytes, given as a number or as Hugging Face writes it.

    Raises:
        ValueError: no size, or none above 0.

    Example:
        >>> shard_bytes("5GB"), shard_bytes("1.5MiB")
        (5000000000, 1572864)
    """
    if isinstance(size, int) and not isinstance(size, bool) and size > 0:
        return size
    match = (
        re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,6})?)\s*([KMG]I?B)\s*", size.upper())
        if isinstance(size, str)
        else None
    )
    nbytes = int(float(match[1]) * _UNITS[match[2]]) if match else 0
    if nbytes < 1:
        raise ValueError(
            f"max_shard_size={size!r} is no size: give a number of bytes above 0, or text like '5GB' or"
            " '500MB'"
        )
    return nbytes


def write_safetensors(
    source: Checkpoint,
    folder: Path,
    fields: Mapping[str, Any],
    *,
    dtype: str | None = None,
    max_shard_size: int | str = DEFAULT_SHARD,
    beside: Mapping[str, bytes | None] | None = None,
) -> list[Path]:
    """Save a checkpoint as Hugging Face's safetensors and config.json.

    Arguments:
        source: its tensors are read one shard at a time.
        folder: made if it is not there.
        fields: the configuration, `architectures` with one class in it among them.
        dtype: "float32", "float16" or "bfloat16" to convert to; None keeps each tensor's own.
        max_shard_size: bytes, or text like "5GB"; more than that is split into shards with an index.
        beside: other files that appear with these, or None of those that go.

    Returns:
        The files.

    Raises:
        OSError: they cannot be written; the directory is then as it was.
        CheckpointError: a number that is not finite or that `dtype` cannot hold, or broken bytes in `source`.
    """
    limit = shard_bytes(max_shard_size)
    class_name = class_of(source.tensors, fields.get("architectures") or ())
    shards = _split(list(source.tensors.values()), dtype, limit)
    total = sum(_nbytes(tensor, dtype) for shard in shards for tensor in shard)
    files: dict[str, bytes | Writer | None] = {}
    with progress(total, to_terminal=False) as line:

        def shard_writer(shard: list[Tensor]) -> Writer:
            write = partial(_write_shard, shard, class_name, dtype, line)
            return writer(write, sum(_nbytes(tensor, dtype) for tensor in shard))

        if len(shards) == 1:
            files[SAFETENSORS] = shard_writer(shards[0])
        else:
            weight_map: dict[str, str] = {}
            for number, shard in enumerate(shards, 1):
                name = f"model-{number:05}-of-{len(shards):05}.safetensors"
                files[name] = shard_writer(shard)
                weight_map |= {stored_name(tensor.name, class_name): name for tensor in shard}
            metadata = {"total_parameters": sum(t.size for t in source.tensors.values()), "total_size": total}
            files[SAFETENSORS_INDEX] = json_bytes(
                {"metadata": metadata, "weight_map": dict(sorted(weight_map.items()))}
            )
        files[CONFIG] = json_bytes({**fields, "dtype": dtype or source.common_dtype or "float32"})
        files |= beside or {}
        stale = [SAFETENSORS, SAFETENSORS_INDEX, *old_shards(folder)]
        return save_together(folder, files, [name for name in stale if name not in files])


def _split(tensors: list[Tensor], dtype: str | None, limit: int) -> list[list[Tensor]]:
    """The tensors in order, in lists of at most so many bytes; a larger one stands alone."""
    shards: list[list[Tensor]] = [[]]
    filled = 0
    for tensor in tensors:
        size = _nbytes(tensor, dtype)
        if shards[-1] and filled + size > limit:
            shards.append([])
            filled = 0
        shards[-1].append(tensor)
        filled += size
    return shards


def _nbytes(tensor: Tensor, dtype: str | None) -> int:
    return tensor.size * DTYPES[dtype or tensor.dtype].itemsize


def _write_shard(shard: list[Tensor], class_name: str, dtype: str | None, line: Progress, path: str) -> None:
    arrays: dict[str, Array] = {}
    for tensor in shard:
        arrays[stored_name(tensor.name, class_name)] = np.asarray(
            fit(tensor, tensor.read(), dtype or tensor.dtype), order="C"
        )
        line.add(_nbytes(tensor, dtype))
    save_file(arrays, path, {"format": "pt"})
