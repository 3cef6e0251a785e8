"""How does a checkpoint become one of another format? Tensor by tensor, mostly without a model.

Owns `convert`, for `gpt2model convert`. Refuses checkpoints whose weights and configuration disagree: what is
written is sound.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpt2tok import VocabError
from gpt2tok.cli.overwriting import refuse_replacing

from ..config import GPT2Config
from ..errors import CheckpointError
from ..folders import folder_to_save
from ..vocabulary import FIELD, check_fit, vocabulary_of
from .comparing import LM_HEAD, compare
from .messages import listed
from .names import class_of
from .numbers import check_tie
from .opening import open_found
from .places import CONFIG, KERAS, files_of, find, refuse_rivals
from .saving import save_together
from .tensors import Checkpoint
from .tokenizer_files import refuse_another, tokenizer_files

FORMATS = ("safetensors", "keras-hub", "keras", "weights.h5")


def convert(
    source: Path,
    target: Path,
    format: str,
    *,
    dtype: str | None = None,
    max_shard_size: int | str | None = None,
    overwrite: bool = True,
) -> list[Path]:
    """Save a checkpoint in another format, with the tokenizer beside it, whose hash the new configuration keeps.

    Arguments:
        source: a directory or file of any format that `open_checkpoint` takes.
        target: a directory, made if it is not there; for "keras" also the path of a `.keras` file.
        format: one of `FORMATS`.
        dtype: "float32", "float16" or "bfloat16" to convert to; None keeps each tensor's own.
        max_shard_size: for "safetensors"; bytes, or text like "5GB".
        overwrite: replace a model and other tokenizer files that are there.

    Returns:
        The files written.

    Raises:
        OSError: something cannot be read or written, files are there that would be replaced (without
            `overwrite`) or read instead of the new ones, or another tokenizer lies where a `.keras` file is to be.
        CheckpointError: the source is broken or unsound, or the format cannot hold it.
        ValueError: no such format or size, or a file's name where a directory belongs.
    """
    folder = target.parent if target.suffix == ".keras" and format == "keras" else folder_to_save(target)
    refuse_rivals(folder, format)
    found = find(source)
    tokenizer = tokenizer_files(
        source if source.is_dir() else source.parent,
        is_preset=found.format == "keras-hub",
        to_preset=format == "keras-hub",
    )
    if folder == target.parent and tokenizer:
        refuse_another(folder, tokenizer, target.name)
    refuse_replacing(_replaced(target, folder, format, tokenizer), overwrite=overwrite)
    with open_found(found, str(source)) as checkpoint:
        config, class_name = _sound(checkpoint)
        if format != "keras-hub":  # a preset has no place for it
            config = _with_hash(config, tokenizer, str(source))
        fields = {**config.to_dict(), "architectures": [class_name]}
        if format == "safetensors":
            from .safetensors_writing import DEFAULT_SHARD, write_safetensors

            size = DEFAULT_SHARD if max_shard_size is None else max_shard_size
            paths = write_safetensors(checkpoint, folder, fields, dtype=dtype, max_shard_size=size)
        elif format == "keras-hub":
            from .keras_hub_writing import write_keras_hub

            paths = write_keras_hub(checkpoint, folder, config, dtype=dtype)
        elif format in FORMATS:
            changes = {
                FIELD: config.vocabulary_sha256,
                "dtype": dtype or checkpoint.common_dtype or "float32",
            }
            paths = _through_model(source, target, format, class_name, changes)
        else:
            raise ValueError(f"format={format!r}: a checkpoint is written as one of {', '.join(FORMATS)}")
    beside: dict[Path, dict[str, bytes]] = {}
    for relative, data in tokenizer.items():
        path = folder / relative
        beside.setdefault(path.parent, {})[path.name] = data
    for place, files in beside.items():
        paths += save_together(place, files)
    return paths


def _replaced(target: Path, folder: Path, format: str, tokenizer: Mapping[str, bytes]) -> list[Path]:
    """What would be another file, or none, after the conversion; the same bytes again replace nothing."""
    if format == "keras":
        model = [target if folder == target.parent else folder / KERAS]
    else:
        model = [folder / name for name in files_of(folder, format)]
    others = [
        folder / name
        for name, data in tokenizer.items()
        if (folder / name).is_file() and (folder / name).read_bytes() != data
    ]
    return model + others


def _sound(checkpoint: Checkpoint) -> tuple[GPT2Config, str]:
    """The configuration and class of a checkpoint, which is left with the tensors of that class alone."""
    if checkpoint.fields is None:
        raise CheckpointError(f"{checkpoint.place}: no {CONFIG} is beside the weights: copy it there")
    try:
        config = GPT2Config.from_dict(checkpoint.fields)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{checkpoint.place}: {error}") from error
    class_name = class_of(checkpoint.tensors, config.architectures or ())
    if class_name == "GPT2DoubleHeadsModel":
        config = config.replace(num_labels=1)
    comparison = compare(config, checkpoint, class_name)
    comparison.missing += comparison.new
    comparison.raise_faults(checkpoint.place, class_name)
    if comparison.tied:
        check_tie(checkpoint)
        del checkpoint.tensors[LM_HEAD]
    if comparison.unused:
        warnings.warn(
            f"{checkpoint.place}: a {class_name} has no place for {listed(comparison.unused)}: they are"
            " left out",
            stacklevel=3,
        )
        for name in comparison.unused:
            del checkpoint.tensors[name]
    # In the order of the model, whatever that of the file was.
    checkpoint.tensors = {name: checkpoint.tensors[name] for name in comparison.wanted}
    return config, class_name


def _with_hash(config: GPT2Config, tokenizer: Mapping[str, bytes], place: str) -> GPT2Config:
    """The configuration with the hash of the tokenizer beside it, if that is the model's."""
    if not tokenizer.keys() & {"vocab.json", "tokenizer.json"}:
        return config
    from gpt2tok import GPT2TokenizerFast

    with TemporaryDirectory(prefix="gpt2model-convert-") as folder:
        for name, data in tokenizer.items():
            (Path(folder) / name).write_bytes(data)
        try:
            vocabulary = vocabulary_of(GPT2TokenizerFast.from_pretrained(folder))
        except (OSError, TypeError, ValueError):  # as good or bad as it was: it goes along unread
            return config
    try:
        check_fit(vocabulary, config.vocab_size, config.vocabulary_sha256)
    except VocabError as error:
        warnings.warn(f"{place}: {error}", stacklevel=3)
        return config
    return config.replace(vocabulary_sha256=vocabulary.sha256)


def _through_model(
    source: Path, target: Path, format: str, class_name: str, changes: Mapping[str, Any]
) -> list[Path]:
    """Keras lays out its own files by the objects that hold the weights, so it writes them."""
    import gpt2model

    from .keras_files import write_keras, write_weights_h5

    model = getattr(gpt2model, class_name).from_pretrained(source, **changes)
    if format == "weights.h5":
        return write_weights_h5(model, target)
    return write_keras(model, target if target.suffix == ".keras" else target / KERAS)
