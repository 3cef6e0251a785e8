"""Which checkpoint lies here? A directory or a file to the format it holds and the files that make it.

Owns the recognition, in a fixed order of preference, and the refusal of pickles, with the line that converts
them. Refuses to open anything but the JSON that tells a keras-hub preset from a Keras weights file: the
formats' own modules read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from ..errors import CheckpointError
from .json_files import read_json

CONFIG, HPARAMS = "config.json", "hparams.json"
GENERATION_CONFIG = "generation_config.json"
SAFETENSORS, SAFETENSORS_INDEX = "model.safetensors", "model.safetensors.index.json"
TF_H5, FLAX = "tf_model.h5", "flax_model.msgpack"
KERAS, WEIGHTS_H5, WEIGHTS_JSON = "model.keras", "model.weights.h5", "model.weights.json"
METADATA = "metadata.json"

# Recognized so that they can be refused by name. A `.ckpt` with a `.ckpt.index` beside it is TensorFlow's,
# not a pickle.
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_FOREIGN = {
    ".gguf": "a GGUF file (llama.cpp)",
    ".onnx": "an ONNX graph",
    ".ot": "a rust-bert file",
    ".tflite": "a TensorFlow Lite model",
    ".npz": "a NumPy archive",
}


# The files that `places.find` prefers to those of a format: beside them, a saved model would never be read.
_RIVALS: Mapping[str, tuple[str, ...]] = {
    "safetensors": (),
    "keras-hub": (SAFETENSORS, SAFETENSORS_INDEX),
    "weights.h5": (SAFETENSORS, SAFETENSORS_INDEX),
    "keras": (SAFETENSORS, SAFETENSORS_INDEX, WEIGHTS_H5, WEIGHTS_JSON),
}
# What each format is made of in a directory. (A `.keras` file may have any name.)
_FILES: Mapping[str, tuple[str, ...]] = {
    "safetensors": (SAFETENSORS, SAFETENSORS_INDEX, CONFIG),
    "keras-hub": (WEIGHTS_H5, WEIGHTS_JSON, METADATA, CONFIG),
    "weights.h5": (WEIGHTS_H5, CONFIG),
    "keras": (KERAS,),
}
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


@final
@dataclass(frozen=True)
class Found:
    """What lies in a place.

    Attributes:
        format: one of the names in `Checkpoint.format`.
        files: the file to start reading from, or for "openai" the `.index` file.
        config: the JSON that holds the configuration, or None.
    """

    format: str
    files: tuple[Path, ...]
    config: Path | None


def find(place: Path) -> Found:
    """What checkpoint a directory or file is.

    A directory may hold several forms of one model, as those on the hub do. The first of these is taken:
    safetensors, a keras-hub preset, a `.keras` file, a `.weights.h5` file, `tf_model.h5`,
    `flax_model.msgpack`, OpenAI's.

    Raises:
        FileNotFoundError: nothing is there.
        CheckpointError: what is there is a pickle, a format this package does not read, or nothing it knows.
    """
    if place.is_dir():
        return _find_in(place)
    if not is_there(place):
        raise FileNotFoundError(f"{place}: no such directory or file")
    return _find_file(place)


def is_there(place: Path) -> bool:
    """Whether a directory, a file or a TensorFlow checkpoint of this name exists, whose name is no file's."""
    return place.exists() or (place.suffix == ".ckpt" and place.with_name(f"{place.name}.index").exists())


def refuse_rivals(folder: Path, format: str) -> None:
    """Nothing, unless files are in a directory that would be read instead of those to be saved there.

    Raises:
        FileExistsError: naming them.
    """
    there = [name for name in _RIVALS[format] if (folder / name).exists()]
    if there:
        raise FileExistsError(
            f"{folder}: {', '.join(there)} would be read instead of what is saved as {format}: remove it"
            " or choose another"
            " directory"
        )


def files_of(folder: Path, format: str) -> list[str]:
    """The names in a directory that saving as a format writes or removes, there or not; shards only where they are."""
    return [*_FILES[format], *(old_shards(folder) if format == "safetensors" else ())]


def old_shards(folder: Path) -> list[str]:
    """The shards of safetensors that are there, whole or in part."""
    return sorted(path.name for path in folder.glob("model-*.safetensors") if _SHARD.fullmatch(path.name))


def _find_in(folder: Path) -> Found:
    names = {path.name for path in folder.iterdir() if path.is_file()}
    for recognize in _RECOGNIZERS:
        found = recognize(folder, names)
        if found is not None:
            return found
    for name in (f"{TF_H5}.index.json", f"{FLAX}.index.json"):
        if name in names:
            raise CheckpointError(
                f"{folder / name}: shards of TensorFlow's and Flax's files are not read, as every GPT-2"
                " fits into one: save"
                " it again with transformers 4 and max_shard_size='20GB'"
            )
    pickles = sorted(name for name in names if name.endswith(PICKLE_SUFFIXES))
    if pickles:
        raise pickle_refusal(folder / pickles[0])
    others = sorted(
        f"{name} ({_FOREIGN[Path(name).suffix]})" for name in names if Path(name).suffix in _FOREIGN
    )
    there = f"only {', '.join(others)}" if others else f"no weights among its {len(names)} files"
    raise CheckpointError(
        f"{folder}: {there}; this package reads {SAFETENSORS} (one or sharded), {TF_H5}, {FLAX},"
        " OpenAI's model.ckpt,"
        " keras-hub presets, .keras and .weights.h5"
    )


def _find_file(path: Path) -> Found:
    name, config = path.name, _config_beside(path)
    if name.endswith(".safetensors") or name.endswith(".safetensors.index.json"):
        return Found("safetensors", (path,), config)
    if name.endswith(".keras"):
        return Found("keras", (path,), None)
    if name.endswith((".weights.h5", ".weights.json")):
        return _weights_file(path, config)
    if name.endswith((".h5", ".hdf5")):
        return Found("tf_model.h5", (path,), config)
    if name.endswith(".msgpack"):
        return Found("flax_model.msgpack", (path,), config)
    if ".ckpt" in name:
        index = (
            path if name.endswith(".index") else path.with_name(name.partition(".ckpt")[0] + ".ckpt.index")
        )
        if index.exists():
            return Found("openai", (index,), _existing(path.with_name(HPARAMS)))
    if name.endswith(PICKLE_SUFFIXES):
        raise pickle_refusal(path)
    if path.suffix in _FOREIGN:
        raise CheckpointError(f"{path}: this is {_FOREIGN[path.suffix]}, which this package does not read")
    raise CheckpointError(
        f"{path}: the name tells no format of weights: give the directory, or one of its weight files"
    )


def _safetensors(folder: Path, names: set[str]) -> Found | None:
    for name in (SAFETENSORS, SAFETENSORS_INDEX):
        if name in names:
            return Found("safetensors", (folder / name,), _existing(folder / CONFIG))
    return None


def _keras_weights(folder: Path, names: set[str]) -> Found | None:
    for name in (WEIGHTS_H5, WEIGHTS_JSON):
        if name in names:
            return _weights_file(folder / name, _existing(folder / CONFIG))
    return None


def _keras(folder: Path, names: set[str]) -> Found | None:
    archive = _only(folder, names, ".keras", KERAS)
    if archive is not None:
        return Found("keras", (archive,), None)
    weights = _only(folder, names, ".weights.h5", WEIGHTS_H5)
    return None if weights is None else _weights_file(weights, _existing(folder / CONFIG))


def _only(folder: Path, names: set[str], suffix: str, usual: str) -> Path | None:
    matching = sorted(name for name in names if name.endswith(suffix))
    if usual in matching or len(matching) == 1:
        return folder / (usual if usual in matching else matching[0])
    if matching:
        raise CheckpointError(f"{folder}: which of {', '.join(matching)}? Give the path of the file")
    return None


def _weights_file(path: Path, config: Path | None) -> Found:
    if config is not None and is_keras_hub(read_json(config)):
        return Found("keras-hub", (path,), config)
    if path.name.endswith(".json"):
        raise CheckpointError(
            f"{path}: sharded Keras weights are read as part of a keras-hub preset, and no preset's"
            f" {CONFIG} is beside it"
        )
    return Found("weights.h5", (path,), config)


def is_keras_hub(fields: Mapping[str, Any]) -> bool:
    """Whether a configuration file is a keras-hub preset's: a serialized Keras object."""
    return "class_name" in fields and isinstance(fields.get("config"), Mapping)


def _tf_h5(folder: Path, names: set[str]) -> Found | None:
    return Found("tf_model.h5", (folder / TF_H5,), _existing(folder / CONFIG)) if TF_H5 in names else None


def _flax(folder: Path, names: set[str]) -> Found | None:
    return (
        Found("flax_model.msgpack", (folder / FLAX,), _existing(folder / CONFIG)) if FLAX in names else None
    )


def _openai(folder: Path, names: set[str]) -> Found | None:
    indexes = sorted(name for name in names if name.endswith(".index"))
    if not indexes:
        return None
    if len(indexes) > 1:
        indexes = [_latest(folder, indexes)]
    return Found("openai", (folder / indexes[0],), _existing(folder / HPARAMS))


def _latest(folder: Path, indexes: list[str]) -> str:
    """The one that TensorFlow's note names, if it is in this directory: the note may name any path."""
    note = folder / "checkpoint"
    text = note.read_bytes()[:65536].decode("utf-8", "replace") if note.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "([^"]*)"', text, re.MULTILINE)
    if named is not None and f"{named[1]}.index" in indexes:
        return f"{named[1]}.index"
    raise CheckpointError(f"{folder}: which of {', '.join(indexes)}? Give the path of the file")


# Presets of keras-hub come before `.keras` files, which lie beside them only by accident.
_RECOGNIZERS: tuple[Callable[[Path, set[str]], Found | None], ...] = (
    _safetensors, _keras_weights, _keras, _tf_h5, _flax, _openai,
)  # fmt: skip


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


def _config_beside(path: Path) -> Path | None:
    return _existing(path.with_name(CONFIG))


def pickle_refusal(path: Path) -> CheckpointError:
    """The refusal of a pickle, with a line that makes a safetensors file of it and runs nothing in it."""
    target = path.with_name(SAFETENSORS)
    line = (
        "import sys, torch, safetensors.torch as s;"
        " t = torch.load(sys.argv[1], map_location='cpu', weights_only=True);"
        " s.save_file({k: v.clone() for k, v in t.get('state_dict', t).items()}, sys.argv[2],"
        " {'format': 'pt'})"
    )
    command = f'python -c "{line}" {shlex.quote(str(path))} {shlex.quote(str(target))}'
    return CheckpointError(
        f"{path}: this is a pickle, which can run any code when it is read, so it is not read here."
        " Where PyTorch and"
        f" safetensors are installed, convert it with: {command}"
    )
