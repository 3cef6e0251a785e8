"""How is a `tf_model.h5` read, as the TensorFlow classes of transformers 4 and before saved it?

Owns the translation of Keras 2 variable paths to canonical names:
`transformer/tfgpt2lm_head_model/transformer/h_._0/ln_1/ gamma:0`. Kernels of a block have Hugging Face's
orientation, those of heads the transpose; biases of Conv1D have a leading
axis of 1. Refuses what is in the file and is none of these, by leaving its name as it is: the comparison then
names it.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

from .hdf5 import H5Tensor, list_datasets, open_h5
from .names import canonical, is_backbone
from .tensors import Array, Checkpoint, Tensor

_LEAVES = {"gamma": "weight", "beta": "bias", "embeddings": "weight", "kernel": "weight"}
_HEADS = {
    "score": "score",
    "summary": "multiple_choice_head.summary",
    "classifier": "classifier",
    "lm_head": "lm_head",
}


def read_tf_h5(path: Path, fields: dict[str, Any] | None, place: str) -> Checkpoint:
    """The tensors of a `tf_model.h5`.

    Arguments:
        path: the file.
        fields: the configuration beside it, if there is one.
        place: the checkpoint's name in messages.

    Raises:
        OSError: no such file.
        CheckpointError: a broken file, or one that leads to other files.
    """
    checkpoint = Checkpoint("tf_model.h5", place, (path,), fields)
    file = open_h5(path)
    checkpoint.on_close(file.close)
    try:
        for dataset in list_datasets(path, file):
            checkpoint.add(_tensor(dataset))
    except BaseException:
        checkpoint.close()
        raise
    return checkpoint


def _tensor(dataset: H5Tensor) -> Tensor:
    *scopes, leaf = dataset.name.split("/")
    leaf = leaf.partition(":")[0]
    name = dataset.name
    if "transformer" in scopes[1:]:
        inner = scopes[len(scopes) - scopes[::-1].index("transformer") :]
        layer = ".".join(re.sub(r"^h_\._(\d+)$", r"h.\1", scope) for scope in inner)
        name = canonical(f"{layer}.{_LEAVES.get(leaf, leaf)}") or name
    elif scopes and scopes[-1] in _HEADS:
        name = f"{_HEADS[scopes[-1]]}.{_LEAVES.get(leaf, leaf)}"
    if is_backbone(name) and name.endswith(".bias") and len(dataset.shape) == 2 and dataset.shape[0] == 1:
        return Tensor(name, dataset.shape[1:], dataset.dtype, dataset.source, partial(_only_row, dataset))
    if leaf == "kernel" and len(dataset.shape) == 2:
        return Tensor(name, dataset.shape[::-1], dataset.dtype, dataset.source, dataset.rows(transposed=True))
    return Tensor(name, dataset.shape, dataset.dtype, dataset.source, dataset.rows())


def _only_row(dataset: H5Tensor, start: int, stop: int) -> Array:
    return dataset[0, start:stop]
