"""How are Hugging Face's safetensors files read? One file or the shards an index names, tensor by tensor.

Owns the index, its checks and the reading of rows through the safetensors library. Refuses to hold a file
mapped for longer
than one block takes: pages of a mapped file count as this process's memory, and a model's file would double
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - safetensors finds NumPy's bfloat16 through its import
from safetensors import SafetensorError, safe_open

from ..errors import CheckpointError
from .json_files import read_json
from .messages import listed
from .names import PREFIX, canonical, is_backbone
from .tensors import Array, Checkpoint, Tensor

_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}


def read_safetensors(path: Path, fields: dict[str, Any] | None, place: str) -> Checkpoint:
    """The tensors of a `.safetensors` file, or of all the shards that an index of them names.

    Arguments:
        path: the file or the index.
        fields: the configuration beside it, if there is one.
        place: the checkpoint's name in messages.

    Raises:
        OSError: a file is missing.
        CheckpointError: a broken file, an index that names a shard outside the directory, or one that
            disagrees with its shards.
    """
    if path.name.endswith(".json"):
        weight_map = _weight_map(path)
        shards = _shards(path, weight_map)
    else:
        weight_map, shards = None, (path,)
    checkpoint = Checkpoint("safetensors", place, shards, fields)
    prefixed = bare = False
    for shard in shards:
        with _opened(shard) as file:
            stored_names = file.keys()
            _check_against_index(shard, set(stored_names), weight_map)
            for stored in stored_names:
                name = canonical(stored)
                if name is None:
                    checkpoint.ignored.append(stored)
                    continue
                if is_backbone(name):
                    prefixed, bare = (
                        prefixed or stored.startswith(PREFIX),
                        bare or not stored.startswith(PREFIX),
                    )
                piece = file.get_slice(stored)
                dtype = piece.get_dtype()
                checkpoint.add(
                    Tensor(
                        name=name,
                        shape=tuple(piece.get_shape()),
                        dtype=_DTYPES.get(dtype, dtype.lower()),
                        source=f"{shard}: {stored}",
                        rows=partial(_read_rows, shard, stored),
                    )
                )
    if prefixed != bare:
        checkpoint.stored_prefix = prefixed
    return checkpoint


def shard_names(weight_map: Mapping[str, object], index: str) -> list[str]:
    """The files an index names, each once, in order of first mention.

    Arguments:
        weight_map: tensor names to file names.
        index: the index's path, for messages.

    Raises:
        CheckpointError: a file is named by anything but a plain name of this directory.
    """
    names: dict[str, None] = {}
    for tensor, name in weight_map.items():
        plain = (
            isinstance(name, str) and name not in ("", ".", "..") and not {"/", "\\", ":", "\0"} & set(name)
        )
        if not plain:
            raise CheckpointError(
                f"{index}: it puts {tensor} into {name!r}, which is no plain file name of its own"
                " directory: only files"
                " beside the index are read"
            )
        names[str(name)] = None
    return list(names)


def _weight_map(index: Path) -> dict[str, object]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: it has no weight_map of tensor names to files: copy it again")
    return weight_map


def _shards(index: Path, weight_map: Mapping[str, object]) -> tuple[Path, ...]:
    names = sorted(shard_names(weight_map, str(index)))
    missing = [name for name in names if not index.with_name(name).is_file()]
    if missing:
        raise CheckpointError(
            f"{index}: these shards are not in the directory: {listed(missing)}; copy them there"
        )
    wrong = [name for name in names if not name.endswith(".safetensors")]
    if wrong:
        raise CheckpointError(f"{index}: these shards are no .safetensors files: {listed(wrong)}")
    return tuple(index.with_name(name) for name in names)


def _check_against_index(shard: Path, stored: set[str], weight_map: Mapping[str, object] | None) -> None:
    if weight_map is None:
        return
    announced = {name for name, file in weight_map.items() if file == shard.name}
    for difference, what in (
        (announced - stored, "lacks"),
        (stored - announced, "holds, against the index,"),
    ):
        if difference:
            raise CheckpointError(
                f"{shard}: it {what} {listed(sorted(difference))}: index and shards are of different"
                " checkpoints; copy"
                " all of them again"
            )


def _read_rows(path: Path, stored: str, start: int, stop: int) -> Array:
    with _opened(path) as file:
        piece = file.get_slice(stored)
        rows: Array = piece[start:stop] if piece.get_shape() else file.get_tensor(stored)
        return rows


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    opening: Callable[..., Any] = safe_open
    try:
        with opening(path, framework="np") as file:
            yield file
    except SafetensorError as error:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path}: no whole safetensors file ({error}; {size} bytes): it is cut off, still being"
            " downloaded, or"
            " something else under that name: copy it again"
        ) from error
