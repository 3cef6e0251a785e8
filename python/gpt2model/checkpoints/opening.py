"""How is any checkpoint opened? By what lies in the place.

Owns the one door, `open_checkpoint`, and the configuration each format carries. Refuses to build models.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..extras import extra_named
from .json_files import read_json
from .places import Found, find
from .tensors import Checkpoint


def open_checkpoint(place: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in a directory or file: its configuration, and its tensors, not yet read.

    Arguments:
        place: a directory, or one of the weight files in it. No names of the hub: `locating.locate` fetches
            those.

    Returns:
        An open `Checkpoint`; close it, or use it in a `with`.

    Raises:
        OSError: there is nothing, or it cannot be read.
        CheckpointError: a pickle, an unknown format, or broken files.
        ImportError: the format's library is not installed; the message names the extra.

    Example:
        >>> import numpy, tempfile
        >>> from safetensors.numpy import save_file
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_file({"ln_f.bias": numpy.zeros(4, "float32")}, f"{folder}/model.safetensors")
        ...     with open_checkpoint(folder) as checkpoint:
        ...         checkpoint.format, checkpoint.names(), checkpoint.shape("transformer.ln_f.bias")
        ('safetensors', ['transformer.ln_f.bias'], (4,))
    """
    path = Path(place)
    return open_found(find(path), str(path))


def open_found(found: Found, place: str) -> Checkpoint:
    """As `open_checkpoint`, for what `places.find` has found."""
    path = found.files[0]
    with extra_named(f"{place}: reading it"):
        fields = fields_of(found)
        # Imported when chosen: each brings its library.
        if found.format == "safetensors":
            from .safetensors_reading import read_safetensors

            return read_safetensors(path, fields, place)
        if found.format == "tf_model.h5":
            from .tf_h5 import read_tf_h5

            return read_tf_h5(path, fields, place)
        if found.format == "flax_model.msgpack":
            from .flax_msgpack import read_flax

            return read_flax(path, fields, place)
        if found.format == "openai":
            from .openai_tf import read_openai

            return read_openai(path, fields, place)
        if found.format == "keras-hub":
            from .keras_hub import read_keras_hub

            return read_keras_hub(path, fields or {}, place)
        from .keras_files import read_keras

        return read_keras(found, fields, place)


def fields_of(found: Found) -> dict[str, Any] | None:
    """The configuration of a checkpoint under Hugging Face's names; None when it has none.

    Raises:
        CheckpointError: a broken configuration, or that of another kind of model.
    """
    if found.format == "keras":
        from .keras_files import fields_of_archive

        return fields_of_archive(found.files[0])
    if found.config is None:
        return None
    raw = read_json(found.config)
    if found.format == "openai":
        from .openai_tf import fields_of_hparams

        return fields_of_hparams(raw, str(found.config))
    if found.format == "keras-hub":
        from .keras_hub import fields_of_preset

        return fields_of_preset(raw, str(found.config))
    if raw.get("quantization_config"):
        raise CheckpointError(
            f"{found.config}: its quantization_config says that the weights are quantized, which this"
            " package does not"
            " read: save the model without quantization, and quantize it after loading"
            " (model.quantize('int8'))"
        )
    return raw
