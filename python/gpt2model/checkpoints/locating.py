"""Where is the checkpoint that a caller names, and what configuration has it?

Owns the way from a name to a path: a directory or file comes before an id of the hub. Refuses weights and
frameworks.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gpt2tok.files import from_home

from ..config import GPT2Config
from ..errors import CheckpointError
from .hub import fetch
from .opening import fields_of
from .places import CONFIG, PICKLE_SUFFIXES, Found, find, is_there

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
            before an id. A leading `~` is the home directory.
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
    if not os.fspath(where):  # which the system would take for the directory we are in
        raise FileNotFoundError("'' names no checkpoint: give a directory, a weight file or an id of the hub")
    name = from_home(os.fspath(where))
    path = Path(name, subfolder) if subfolder else Path(name)
    if is_there(path):
        return path
    if Path(name).exists() or _looks_like_a_path(name):
        raise FileNotFoundError(
            f"{path}: no such directory or file, and no id of a model on the hub: correct the path{_hint(name)}"
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


def _looks_like_a_path(name: str) -> bool:
    """Whether someone who writes this means a place on the disk: such a name is never asked of the hub."""
    return (
        name.startswith((".", "/", "~"))
        or name.endswith("/")
        or name.count("/") > 1
        or "\\" in name
        or bool(Path(name).drive)
        or name.endswith(_FILE_SUFFIXES)
        or _has_parent(name)
    )


def _has_parent(name: str) -> bool:
    return len(Path(name).parts) > 1 and Path(name).parent.is_dir()


def _hint(name: str) -> str:
    if Path(name).exists() or not _has_parent(name):
        return ""
    return f" (the directory {Path(name).parent} is here, so this is not asked of the hub)"


_FILE_SUFFIXES = (*PICKLE_SUFFIXES, ".safetensors", ".keras", ".h5", ".hdf5", ".msgpack", ".json", ".index")
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
