"""How does a checkpoint come from the Hugging Face hub? The best of its forms, through huggingface_hub.

Owns the order in which forms are preferred. One request lists the files (gpt2tok's `hub` asks it); without an
answer the cache is all there is, and no file is asked for one by one. huggingface_hub is an optional dependency,
imported when a hub id is asked for. Refuses to interpret files, but for the names of shards in an index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from gpt2tok.hugging_face.hub import failures, first_line, list_files, unreachable

from ..errors import CheckpointError
from .json_files import read_json
from .messages import listed
from .places import (
    CONFIG,
    FLAX,
    GENERATION_CONFIG,
    HPARAMS,
    KERAS,
    PICKLE_SUFFIXES,
    SAFETENSORS,
    SAFETENSORS_INDEX,
    TF_H5,
    WEIGHTS_H5,
    WEIGHTS_JSON,
)
from .safetensors_reading import shard_names

_OPENAI = ("model.ckpt.index", "model.ckpt.data-00000-of-00001")
# A form is its first file; the others belong to it.
_FORMS: tuple[tuple[str, ...], ...] = (
    (SAFETENSORS,), (SAFETENSORS_INDEX,), (WEIGHTS_H5,), (WEIGHTS_JSON,), (KERAS,), (TF_H5,), (FLAX,),
    (*_OPENAI, HPARAMS),
)  # fmt: skip


def fetch(model_id: str, *, subfolder: str | None = None, config_only: bool = False, **options: Any) -> Path:
    """Downloads a checkpoint, or takes it from the cache.

    Arguments:
        model_id: "owner/name", or a name alone.
        subfolder: where in the repository it is.
        config_only: its configuration, and no weights.
        **options: of `huggingface_hub.hf_hub_download`: `revision`, `cache_dir`, `token`, `local_files_only`,
        ...

    Returns:
        The first file of its weights (or its configuration), in a directory with everything else that belongs to
        it.

    Raises:
        ImportError: huggingface_hub is not installed.
        OSError: the hub cannot be reached, or has no such model.
        CheckpointError: the model is there, and none of its forms is one that this package reads.
    """
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError as error:
        raise ImportError(
            f"{model_id!r} is no directory here, and fetching it from the Hugging Face hub needs"
            " huggingface_hub:"
            " pip install 'gpt2tok[hub]'"
        ) from error

    missing: tuple[type[Exception], ...] = (EntryNotFoundError, *failures())
    names: set[str] | None = None
    reason: Exception | None = None
    if not options.get("local_files_only"):
        try:
            names = list_files(model_id, subfolder=subfolder, options=options)
        except failures() as error:
            reason = error

    def get(name: str) -> Path | None:
        if names is not None and name not in names:
            return None
        given = (
            options if names is not None else {**options, "local_files_only": True, "force_download": False}
        )
        try:
            return Path(hf_hub_download(model_id, name, subfolder=subfolder or None, **given))
        except missing as error:
            if names is None and isinstance(error, EntryNotFoundError):
                return None  # It is not in the cache.
            raise OSError(
                f"cannot fetch {name} of {model_id!r} from the Hugging Face hub ({first_line(error)}): check"
                " the name and the connection, or give the path of a directory"
            ) from error

    if reason is not None and options.get("force_download"):
        raise unreachable(model_id, reason) from reason
    config = get(CONFIG)
    if config is not None and config_only:
        return config
    get(GENERATION_CONFIG)  # beside the weights it is found by those who want it
    for first, *others in _FORMS:
        path = get(first)
        if path is None:
            continue
        for name in [*others, *_shards(path, get)]:
            if get(name) is None:
                raise _lacking(model_id, first, name, reason) from reason
        return path
    if names is None:
        there = [] if config is None else [path.name for path in config.parent.iterdir()]
        if not _pickles(there):
            raise _not_cached(model_id, reason) from reason
    elif config is None:
        raise FileNotFoundError(
            f"{model_id!r} is no directory here and has no {CONFIG} on the Hugging Face hub: it has"
            f" {listed(sorted(names)) or 'no files'}; check the name, revision= and subfolder="
        )
    raise CheckpointError(
        f"{model_id} on the Hugging Face hub: it has none of {', '.join(first for first, *_ in _FORMS)}."
        " If it has only"
        " pytorch_model.bin, which is a pickle and is not read, convert it with transformers where you"
        " trust it:"
        ' python -c "from transformers import GPT2LMHeadModel as M;'
        f" M.from_pretrained('{model_id}').save_pretrained('here')\""
    )


def _pickles(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(PICKLE_SUFFIXES)]


def _not_cached(model_id: str, reason: Exception | None) -> OSError:
    if reason is not None:
        return unreachable(model_id, reason)
    return FileNotFoundError(
        f"{model_id!r} is no directory here and has no {CONFIG} on the Hugging Face hub as far as its cache"
        " tells, which with local_files_only=True is all that is asked: leave that out once, or give the path of a"
        " directory"
    )


def _lacking(model_id: str, first: str, name: str, reason: Exception | None) -> Exception:
    if reason is not None:
        return unreachable(model_id, reason)
    return CheckpointError(
        f"{model_id} on the Hugging Face hub: it has {first} and lacks {name}: tell its owner"
    )


def _shards(index: Path, get: Callable[[str], Path | None]) -> list[str]:
    if not index.name.endswith(".json"):
        return []
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict):
        raise CheckpointError(f"{index}: it has no weight_map of tensor names to files")
    flat = {
        f"{name} {i}": f
        for name, fs in weight_map.items()
        for i, f in enumerate(fs if isinstance(fs, list) else [fs])
    }
    return shard_names(flat, str(index))
