"""What is a keras-hub GPT-2 preset? Its configuration, and where its arrays are.

Owns both directions of the configuration, the paths of the arrays in its HDF5 file in the spelling of each
generation of keras-hub and keras-nlp, and the reading. Refuses presets of other models, and never imports
what a configuration names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CheckpointError
from .hdf5 import H5Tensor, list_datasets, open_h5
from .json_files import read_json
from .messages import listed
from .names import PREFIX
from .safetensors_reading import shard_names
from .tensors import Array, Checkpoint, Tensor

if TYPE_CHECKING:
    from ..config import GPT2Config

_END_OF_TEXT = 50256
_EPSILON, _ACTIVATIONS = 1e-5, ("gelu_new", "gelu_pytorch_tanh", "gelu_accurate", "gelu_python_tanh")
_FIELDS = {
    "vocabulary_size": "vocab_size", "num_layers": "n_layer", "num_heads": "n_head", "hidden_dim": "n_embd",
    "max_sequence_length": "n_positions",
}  # fmt: skip

# The layers of one block, without the underscores that some generations put before names.
_BLOCK = {
    "self_attention_layer_norm": "ln_1",
    "self_attention_layer/output_dense": "attn.c_proj",
    "feedforward_layer_norm": "ln_2",
    "feedforward_intermediate_dense": "mlp.c_fc",
    "feedforward_output_dense": "mlp.c_proj",
}
_PARTS = ("query", "key", "value")
_ROOTS = {
    "token_embedding": "wte", "reversible_embedding": "wte", "position_embedding": "wpe", "layer_norm": "ln_f",
    "layer_normalization": "ln_f",
}  # fmt: skip
_PATH = re.compile(
    r"(?:.*/)?(?:layers|_layer_checkpoint_dependencies)/(?P<layer>[a-z_]+?)(?:_(?P<number>\d+))?"
    r"(?P<inner>(?:/[a-z_]+)*)/vars/(?P<variable>\d+)"
)


def fields_of_preset(preset: Mapping[str, Any], place: str) -> dict[str, Any]:
    """A preset's configuration under Hugging Face's names.

    Raises:
        CheckpointError: the preset is of another model, or lacks a number.
    """
    if preset.get("class_name") != "GPT2Backbone":
        raise CheckpointError(
            f"{place}: a preset of {preset.get('class_name')!r}; this package reads those of GPT2Backbone, as"
            " `backbone.save_to_preset(directory)` writes them"
        )
    given: Mapping[str, Any] = preset["config"]
    missing = [name for name in (*_FIELDS, "intermediate_dim") if type(given.get(name)) is not int]
    if missing:
        raise CheckpointError(f"{place}: it lacks the number of {', '.join(missing)}: save the preset again")
    fields: dict[str, Any] = {ours: given[theirs] for theirs, ours in _FIELDS.items()}
    inner = given["intermediate_dim"]
    rate = given.get("dropout", 0.1)
    end = min(_END_OF_TEXT, max(0, fields["vocab_size"] - 1))
    return {
        "model_type": "gpt2",
        **fields,
        "n_inner": None if inner == 4 * fields["n_embd"] else inner,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), rate),
        "bos_token_id": end,
        "eos_token_id": end,
    }


def preset_of_config(config: GPT2Config) -> dict[str, Any]:
    """The configuration that keras-hub's `GPT2Backbone` takes for the same model.

    Raises:
        CheckpointError: the model has what that class cannot do; its fields are named.
    """
    wanted = {
        "activation_function": config.activation_function in _ACTIVATIONS,
        "layer_norm_epsilon": config.layer_norm_epsilon == _EPSILON,
        "scale_attn_weights": config.scale_attn_weights,
        "scale_attn_by_inverse_layer_idx": not config.scale_attn_by_inverse_layer_idx,
        "add_cross_attention": not config.add_cross_attention,
        "tie_word_embeddings": config.tie_word_embeddings,
    }
    wrong = [f"{name}={getattr(config, name)!r}" for name, fits in wanted.items() if not fits]
    if wrong:
        raise CheckpointError(
            f"keras-hub's GPT-2 has no {listed(wrong)}: the preset would be another model; save it as"
            " safetensors or .keras"
        )
    return {
        **{theirs: getattr(config, ours) for theirs, ours in _FIELDS.items()},
        "intermediate_dim": config.inner_dim,
        "dropout": config.resid_pdrop,
    }


def read_keras_hub(path: Path, fields: dict[str, Any], place: str) -> Checkpoint:
    """The tensors of a preset.

    Arguments:
        path: its `model.weights.h5`, or the `model.weights.json` that names the shards of a large one.
        fields: the configuration, from `fields_of_preset`.
        place: the checkpoint's name in messages.

    Raises:
        OSError: a file is missing.
        CheckpointError: a broken file, or one that leads elsewhere.
    """
    files = _files(path)
    checkpoint = Checkpoint("keras-hub", place, files, fields)
    try:
        found: dict[str, H5Tensor] = {}
        for file_path in files:
            file = open_h5(file_path)
            checkpoint.on_close(file.close)
            for dataset in list_datasets(file_path, file):
                found[_place_of(dataset.name)] = dataset
        _fill(checkpoint, found)
    except BaseException:
        checkpoint.close()
        raise
    return checkpoint


def _files(path: Path) -> tuple[Path, ...]:
    if not path.name.endswith(".json"):
        return (path,)
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(f"{path}: it has no weight_map of arrays to files: copy it again")
    flat: dict[str, object] = {}
    for name, value in weight_map.items():
        for number, file in enumerate(value if isinstance(value, list) else [value]):
            flat[f"{name} ({number})"] = file
    names = shard_names(flat, str(path))
    missing = [name for name in names if not path.with_name(name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path}: these shards are not in the directory: {listed(missing)}; copy them there"
        )
    return tuple(path.with_name(name) for name in names)


def _place_of(stored: str) -> str:
    """The like of "h.0.attn.query.0" for a path in the file; a path of no backbone as it came."""
    match = _PATH.fullmatch(stored)
    if match is None:
        return stored
    layer, variable = match["layer"], match["variable"]
    inner = "/".join(part.removeprefix("_") for part in match["inner"].split("/") if part)
    if layer in ("transformer_decoder", "transformer_layer"):
        number = match["number"] or "0"
        if inner in _BLOCK:
            return f"h.{number}.{_BLOCK[inner]}.{variable}"
        for part in _PARTS:
            if inner == f"self_attention_layer/{part}_dense":
                return f"h.{number}.attn.{part}.{variable}"
    elif layer in _ROOTS and not inner and match["number"] is None:
        return f"{_ROOTS[layer]}.{variable}"
    return stored


_LEAF = {"0": "weight", "1": "bias"}


def _fill(checkpoint: Checkpoint, found: dict[str, H5Tensor]) -> None:
    """Add the tensors, with query, key and value joined into one and heads folded into width."""
    while found:
        place, dataset = next(iter(found.items()))
        layer, _, variable = place.rpartition(".")
        stem = layer.rpartition(".")[0] if layer.endswith(tuple(f".attn.{part}" for part in _PARTS)) else None
        if stem is not None and variable in _LEAF:
            pieces = [found.pop(f"{stem}.{part}.{variable}", None) for part in _PARTS]
            whole = [piece for piece in pieces if piece is not None]
            if len(whole) == len(_PARTS) and len({(piece.shape, piece.dtype) for piece in whole}) == 1:
                checkpoint.add(
                    _joined(f"{PREFIX}{stem}.c_attn.{_LEAF[variable]}", whole, is_bias=variable == "1")
                )
                continue
            for piece in whole:
                checkpoint.add(Tensor(piece.name, piece.shape, piece.dtype, piece.source, piece.rows()))
            continue
        del found[place]
        known = variable in _LEAF and place != dataset.name
        name = f"{PREFIX}{layer}.{_LEAF[variable]}" if known else dataset.name
        if layer.endswith("attn.c_proj") and len(dataset.shape) == 3:  # (heads, head width, width)
            heads, head_dim, width = dataset.shape
            shape: tuple[int, ...] = (heads * head_dim, width)
            rows = partial(_folded, dataset, shape)
            checkpoint.add(Tensor(name, shape, dataset.dtype, dataset.source, rows, whole=True))
        else:
            checkpoint.add(Tensor(name, dataset.shape, dataset.dtype, dataset.source, dataset.rows()))


def _joined(name: str, pieces: list[H5Tensor], *, is_bias: bool) -> Tensor:
    side = int(np.prod(pieces[0].shape[0 if is_bias else 1 :]))
    shape = (3 * side,) if is_bias else (pieces[0].shape[0], 3 * side)
    rows = partial(_joined_bias if is_bias else _joined_kernel, pieces)
    return Tensor(name, shape, pieces[0].dtype, pieces[0].source, rows, whole=is_bias)


def _joined_kernel(pieces: list[H5Tensor], start: int, stop: int) -> Array:
    return np.concatenate([piece[start:stop].reshape(stop - start, -1) for piece in pieces], axis=1)


def _joined_bias(pieces: list[H5Tensor], start: int, stop: int) -> Array:
    return np.concatenate([piece[...].reshape(-1) for piece in pieces])[start:stop]


def _folded(dataset: H5Tensor, shape: tuple[int, ...], start: int, stop: int) -> Array:
    return dataset[...].reshape(shape)[start:stop]
