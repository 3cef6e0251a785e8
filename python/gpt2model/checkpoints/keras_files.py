"""How are Keras' own files read and written? `.keras` and `.weights.h5`, tensor by tensor like any other.

Owns both directions. Keras names the arrays of such a file by the attributes of the objects that hold them,
so a twin of the model with every side 1 is saved, each variable marked with a number of its own, and its file
tells which array is which
tensor. Refuses to let Keras build anything from a configuration in a file: the archive's class must be one of
this package's six and its configuration is read as a `GPT2Config`.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import GPT2Config
from ..errors import CheckpointError
from .hdf5 import H5Tensor, list_datasets, open_h5
from .json_files import MAX_BYTES, parse_json
from .keras_arrays import is_no_weight, tensors_of
from .names import HEADS, class_of
from .places import CONFIG, KERAS, WEIGHTS_H5, Found
from .saving import json_bytes, save_together, writer
from .tensors import Checkpoint

if TYPE_CHECKING:
    import keras

_WEIGHTS_IN_ARCHIVE, _CONFIG_IN_ARCHIVE = "model.weights.h5", "config.json"
_BROKEN = "it is cut off, still being downloaded, or something else under that name: copy it again"
# Weights hardly compress, and Keras does not compress them: a member that grows more than this is no model.
_MOST_EXPANSION = 20


def read_keras(found: Found, fields: dict[str, Any] | None, place: str) -> Checkpoint:
    """The tensors of a `.keras` archive or a `.weights.h5` file, LoRA merged and int8 turned back to real numbers.

    Arguments:
        found: the file.
        fields: the configuration in the archive, or beside the file; its `architectures` names the class.
        place: the checkpoint's name in messages.

    Raises:
        OSError: no such file, or no room to unpack an archive.
        CheckpointError: a broken file, one of another model, or one without configuration.
    """
    path = found.files[0]
    if fields is None:
        raise CheckpointError(
            f"{path}: no {CONFIG} is beside it, and Keras weights do not say which model they are of:"
            " copy it there"
        )
    try:
        config = GPT2Config.from_dict(fields)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{found.config or path}: {error}") from error
    class_name = class_of((), config.architectures or ())
    checkpoint = Checkpoint(found.format, place, (path,), fields)
    try:
        weights = _unpacked(path, checkpoint) if found.format == "keras" else path
        file = open_h5(weights)
        checkpoint.on_close(file.close)
        datasets = list_datasets(weights, file)
        places = _places(class_name, config, datasets)
        for tensor in tensors_of(path, datasets, places):
            checkpoint.add(tensor)
        checkpoint.ignored += [dataset.name for dataset in datasets if is_no_weight(dataset.name)]
    except BaseException:
        checkpoint.close()
        raise
    return checkpoint


def fields_of_archive(path: Path) -> dict[str, Any]:
    """The configuration in a `.keras` archive, under Hugging Face's names, its class in `architectures`.

    Raises:
        OSError: the file cannot be read.
        CheckpointError: no archive, or one of another model.
    """
    outer = parse_json(_member(path, _CONFIG_IN_ARCHIVE), f"{path}: {_CONFIG_IN_ARCHIVE}")
    class_name = outer.get("class_name")
    if (
        not isinstance(class_name, str)
        or class_name not in HEADS
        or outer.get("registered_name") != f"gpt2model>{class_name}"
    ):
        raise CheckpointError(
            f"{path}: it holds a {outer.get('registered_name') or class_name!r}, and this package reads"
            " its own six classes:"
            " save a keras-hub model with save_to_preset(directory) instead"
        )
    inner = outer.get("config")
    fields = inner.get("config") if isinstance(inner, dict) else None
    if not isinstance(fields, dict):
        raise CheckpointError(f"{path}: its {_CONFIG_IN_ARCHIVE} has no configuration of a GPT-2: {_BROKEN}")
    return {**fields, "architectures": [class_name]}


def write_keras(
    model: keras.Model, path: Path, beside: Mapping[str, bytes | None] | None = None
) -> list[Path]:
    """Save a model as a `.keras` archive, with other files as `write_safetensors`: all or nothing. Raises OSError."""
    archive = writer(partial(_save_apart, model), _room(model), ".keras")
    return save_together(path.parent, {path.name: archive, **(beside or {})})


def write_weights_h5(
    model: keras.Model, folder: Path, beside: Mapping[str, bytes | None] | None = None
) -> list[Path]:
    """Save a model as `model.weights.h5` and a config.json, with other files likewise. Raises OSError."""
    fields = {**model.config.to_dict(), "architectures": [type(model).__name__]}
    weights = writer(model.save_weights, _room(model), ".weights.h5")
    return save_together(folder, {WEIGHTS_H5: weights, CONFIG: json_bytes(fields), **(beside or {})})


def _save_apart(model: keras.Model, path: str) -> None:
    """Keras puts the weights of a large model beside its archive first, under a name that is not hidden."""
    with tempfile.TemporaryDirectory(prefix=".gpt2model-", dir=Path(path).parent) as folder:
        apart = Path(folder, KERAS)
        try:
            model.save(apart)
        except OSError as error:
            if error.filename is None:
                raise
            raise OSError(error.errno, error.strerror, path) from error
        apart.replace(path)


def _room(model: keras.Model) -> int:
    from .model_tensors import checkpoint_of_model

    return checkpoint_of_model(model).nbytes


def _unpacked(path: Path, checkpoint: Checkpoint) -> Path:
    """The archive's weights as a file until the checkpoint is closed: a zip is read only forwards."""
    folder = tempfile.TemporaryDirectory(prefix="gpt2model-")
    checkpoint.on_close(folder.cleanup)
    target = Path(folder.name, _WEIGHTS_IN_ARCHIVE)
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(_WEIGHTS_IN_ARCHIVE)
            if info.file_size > _MOST_EXPANSION * max(info.compress_size, 4096):
                raise CheckpointError(
                    f"{path}: its {_WEIGHTS_IN_ARCHIVE} would grow from {info.compress_size} to"
                    f" {info.file_size} bytes, as no"
                    " weights do: it is not unpacked"
                )
            with archive.open(info) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1024 * 1024)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{path}: no whole .keras archive ({error}): {_BROKEN}") from error
    return target


def _member(path: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > MAX_BYTES:
                raise CheckpointError(f"{path}: its {name} has more than {MAX_BYTES} bytes: it is not read")
            return archive.read(name)
    except (zipfile.BadZipFile, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise CheckpointError(f"{path}: no whole .keras archive ({error}): {_BROKEN}") from error


def _places(class_name: str, config: GPT2Config, datasets: list[H5Tensor]) -> dict[str, tuple[str, bool]]:
    """Where Keras puts each tensor: path in the file to canonical name and whether it lies transposed."""
    import gpt2model

    from ..initialisation import blank
    from .model_tensors import slots_of

    # n_layer may be a lie, and a twin of a million layers takes for ever: no more than there are arrays to
    # name.
    layers = min(config.n_layer, len(datasets))
    twin_config = config.replace(
        n_embd=1,
        n_head=1,
        n_inner=1,
        vocab_size=1,
        n_positions=1,
        n_layer=max(1, layers),
        pad_token_id=None,
        num_labels=1,
    )
    with blank():
        twin = getattr(gpt2model, class_name)(twin_config, dtype="float32")
    slots = list(slots_of(twin).items())
    for number, (_, slot) in enumerate(slots):
        slot.variable.assign(np.full(slot.variable.shape, number, "float32"))
    places: dict[str, tuple[str, bool]] = {}
    with tempfile.TemporaryDirectory(prefix="gpt2model-") as folder:
        path = Path(folder, "twin.weights.h5")
        twin.save_weights(path)
        with open_h5(path) as file:
            for dataset in list_datasets(path, file):
                if dataset.dtype == "float32":  # The others are states of random generators.
                    name, slot = slots[int(np.ravel(dataset[...])[0])]
                    places[dataset.name] = (name, slot.transposed)
    return places
