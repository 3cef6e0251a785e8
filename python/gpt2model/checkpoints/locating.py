"""Where is the checkpoint that a caller names, and what configuration has it?

Owns the way from a name to a path: a directory or file comes before an id of the hub. Refuses weights and
frameworks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..config import GPT2Config
from ..errors import CheckpointError
from .hub import fetch
from .opening import fields_of
from .places import CONFIG, Found, find, is_there

AnyPath = str | os.PathLike[str]


def locate(
    where: AnyPath,
    *,
    subfolder: str | None = None,
    cache_dir: AnyPath | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
    revision: str = "main",
    config_only: bool = False,
) -> Path:
    """The directory or file of a checkpoint, fetched from the Hugging Face hub when it is not here.

    Arguments:
        where: a directory, a weight file, or an id of the hub ("gpt2", "owner/name"). A directory comes
            before an id.
        subfolder: a directory inside it.
        cache_dir, force_download, local_files_only, token, revision: for the hub.
        config_only: fetch no weights from the hub.

    Raises:
        OSError: no such directory, file or model.
        ImportError: an id of the hub, and huggingface_hub is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     locate(folder) == Path(folder)
        True
    """
    name = os.fspath(where)
    path = Path(name, subfolder) if subfolder else Path(name)
    if name and is_there(path):
        return path
    if (
        not name
        or Path(name).exists()
        or name.startswith((".", "/", "~"))
        or name.count("/") > 1
        or "\\" in name
    ):
        raise FileNotFoundError(
            f"{path}: no such directory or file, and no id of a model on the hub: correct the path"
        )
    return fetch(
        name,
        subfolder=subfolder,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
        revision=revision,
        config_only=config_only,
    )


_HUB_ARGUMENTS = ("subfolder", "cache_dir", "force_download", "local_files_only", "token", "revision")


def load_config(where: AnyPath, **changes: Any) -> GPT2Config:
    """The configuration of a checkpoint; `GPT2Config.from_pretrained` tells of it.

    A directory may hold a `config.json` alone.
    """
    hub = {name: changes.pop(name) for name in _HUB_ARGUMENTS if name in changes}
    path = locate(where, config_only=True, **hub)
    if path.name == CONFIG or (path.is_dir() and {item.name for item in path.iterdir()} == {CONFIG}):
        found = Found("safetensors", (), path if path.name == CONFIG else path / CONFIG)
    else:
        found = find(path)
    place = found.config or path
    try:
        fields = fields_of(found)
        if fields is None:
            raise CheckpointError(f"{path}: no {CONFIG} is beside the weights: copy it there")
        config = GPT2Config.from_dict(fields)
    except CheckpointError:
        raise
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{place}: {error}") from error
    return config.replace(**changes)
