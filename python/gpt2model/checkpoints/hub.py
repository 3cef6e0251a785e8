"""How does a checkpoint come from the Hugging Face hub? The best of its forms, through huggingface_hub.

Owns this package's only use of the network, and the order in which forms are asked for. huggingface_hub is an
optional dependency, imported when a hub id is asked for. Refuses to interpret files, but for the names of
shards in an index.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .json_files import read_json
from .places import (
    CONFIG,
    FLAX,
    HPARAMS,
    KERAS,
    SAFETENSORS,
    SAFETENSORS_INDEX,
    TF_H5,
    WEIGHTS_H5,
    WEIGHTS_JSON,
)
from .safetensors_reading import shard_names

_OPENAI = ("model.ckpt.index", "model.ckpt.data-00000-of-00001")
# A form is its first file; the others are asked for when that one is there.
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
        from huggingface_hub.errors import EntryNotFoundError, HFValidationError
    except ImportError as error:
        raise ImportError(
            f"{model_id!r} is no directory here, and fetching it from the Hugging Face hub needs"
            " huggingface_hub:"
            " pip install 'gpt2tok[hub]'"
        ) from error

    last: Exception | None = None

    def get(name: str) -> Path | None:
        nonlocal last
        try:
            return Path(hf_hub_download(model_id, name, subfolder=subfolder or None, **options))
        except EntryNotFoundError as error:  # No such file, or offline and it is not in the cache.
            last = error
            return None
        except (OSError, HFValidationError) as error:
            raise OSError(
                f"cannot fetch {name} of {model_id!r} from the Hugging Face hub ({error}): check the"
                " name and the connection,"
                " or give the path of a directory"
            ) from error

    config = get(CONFIG)
    if config is not None and config_only:
        return config
    for first, *others in _FORMS:
        path = get(first)
        if path is None:
            continue
        for name in [*others, *_shards(path, get)]:
            if get(name) is None:
                raise CheckpointError(
                    f"{model_id} on the Hugging Face hub: it has {first} and lacks {name}: tell its owner"
                )
        return path
    if config is None:
        raise OSError(
            f"{model_id!r} is no directory here and has no {CONFIG} on the Hugging Face hub, or the hub"
            " cannot be reached and"
            f" it is not in the cache: {last}"
        ) from last
    raise CheckpointError(
        f"{model_id} on the Hugging Face hub: it has none of {', '.join(first for first, *_ in _FORMS)}."
        " If it has only"
        " pytorch_model.bin, which is a pickle and is not read, convert it with transformers where you"
        " trust it:"
        ' python -c "from transformers import GPT2LMHeadModel as M;'
        f" M.from_pretrained('{model_id}').save_pretrained('here')\""
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
