"""How does a model become a preset that keras-hub loads? As an HDF5 file laid out as Keras does it.

Owns the files of a preset and the paths in them. The arrays go in one after the other, so memory holds one at
a time. Refuses models that keras-hub's GPT-2 cannot express (`keras_hub.preset_of_config` names why) and
tensors of other heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from gpt2tok.cli.progress import Progress, progress
from gpt2tok.files import Writer

from ..errors import CheckpointError
from .keras_hub import preset_of_config
from .messages import listed
from .names import HEAD_NAMES, PREFIX, backbone_shapes
from .numbers import fit
from .places import CONFIG, METADATA, WEIGHTS_H5, WEIGHTS_JSON
from .saving import json_bytes, save_together, writer
from .tensors import DTYPES, Array, Checkpoint

if TYPE_CHECKING:
    from ..config import GPT2Config

_VARIABLE = {"weight": "0", "bias": "1"}
_ROOTS = {"wte": "reversible_embedding", "wpe": "position_embedding", "ln_f": "layer_normalization"}
_BLOCK = {
    "ln_1": "_self_attention_layer_norm", "attn.c_proj": "_self_attention_layer/output_dense",
    "ln_2": "_feedforward_layer_norm", "mlp.c_fc": "_feedforward_intermediate_dense",
    "mlp.c_proj": "_feedforward_output_dense",
}  # fmt: skip


def write_keras_hub(
    source: Checkpoint,
    folder: Path,
    config: GPT2Config,
    *,
    dtype: str | None = None,
    beside: Mapping[str, bytes | None] | None = None,
) -> list[Path]:
    """Save the backbone (and with it the tied language-model head) as a keras-hub preset.

    Arguments:
        source: read tensor by tensor.
        folder: made if it is not there.
        config: of the model.
        dtype, beside: as for `write_safetensors`.

    Returns:
        The files.

    Raises:
        OSError: they cannot be written; the directory is then as it was.
        CheckpointError: keras-hub's GPT-2 cannot be this model.
    """
    preset = preset_of_config(config)
    heads = sorted(name for name in source.tensors if name in HEAD_NAMES)
    if heads:
        raise CheckpointError(
            f"{source.place}: a keras-hub preset has no place for {listed(heads)}: save the model as"
            " safetensors or .keras,"
            " or load its backbone (GPT2Model.from_pretrained) and save that"
        )
    policy = dtype or source.common_dtype or "float32"
    room = sum(tensor.size * DTYPES[dtype or tensor.dtype].itemsize for tensor in source.tensors.values())
    with progress(source.nbytes, to_terminal=False) as line:
        files: dict[str, bytes | Writer | None] = {
            WEIGHTS_H5: writer(partial(_write_arrays, source, config, dtype, line), room),
            METADATA: json_bytes(_metadata(source)),
            CONFIG: json_bytes(_serialized(preset, policy)),
            **(beside or {}),
        }
        return save_together(folder, files, [WEIGHTS_JSON])


def _serialized(preset: dict[str, Any], policy: str) -> dict[str, Any]:
    dtype = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": policy},
        "registered_name": None,
    }
    return {
        "module": "keras_hub.src.models.gpt2.gpt2_backbone",
        "class_name": "GPT2Backbone",
        "config": {"name": "gpt2_backbone", "trainable": True, "dtype": dtype, **preset},
        "registered_name": "keras_hub>GPT2Backbone",
    }


def _metadata(source: Checkpoint) -> dict[str, Any]:
    return {
        "keras_version": None,
        "keras_hub_version": None,
        "parameter_count": sum(tensor.size for tensor in source.tensors.values()),
        "tasks": ["CausalLM"],
    }


def _write_arrays(
    source: Checkpoint, config: GPT2Config, dtype: str | None, line: Progress, path: str
) -> None:
    with h5py.File(path, "w") as file:
        for name, _ in backbone_shapes(config):
            tensor = source.tensors[name]
            value = fit(tensor, tensor.read(), dtype or tensor.dtype)
            layer, _, leaf = name.removeprefix(PREFIX).rpartition(".")
            for place, part in _places(layer, leaf, value, config):
                _put(file, place, part)
            line.add(tensor.nbytes)


def _places(layer: str, leaf: str, value: Array, config: GPT2Config) -> list[tuple[str, Array]]:
    """Where a tensor's numbers go: query, key and value apart, and width split into heads."""
    variable = _VARIABLE[leaf]
    if layer in _ROOTS:
        return [(f"layers/{_ROOTS[layer]}/vars/{variable}", value)]
    _, number, part = layer.split(".", 2)
    block = "layers/transformer_decoder" + ("" if number == "0" else f"_{number}")
    heads = (config.n_head, config.head_dim)
    if part == "attn.c_attn":
        width = config.n_embd
        return [
            (
                f"{block}/_self_attention_layer/{kind}_dense/vars/{variable}",
                value[..., index * width : (index + 1) * width].reshape(*value.shape[:-1], *heads),
            )
            for index, kind in enumerate(("query", "key", "value"))
        ]
    if part == "attn.c_proj" and leaf == "weight":
        value = value.reshape(*heads, config.n_embd)
    return [(f"{block}/{_BLOCK[part]}/vars/{variable}", value)]


def _put(file: h5py.File, place: str, value: Array) -> None:
    dataset = file.create_dataset(place, data=value)
    if value.dtype.name == "bfloat16":  # HDF5 has no such type; Keras writes this note beside the bytes.
        dataset.attrs["dtype"] = "bfloat16"
