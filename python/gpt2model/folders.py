"""May a model be saved under this name? A checkpoint is a directory, and people write the names of files.

Owns the door of everything that saves into a directory. Refuses to make or write anything: what the system
forbids it says itself, when the directory is made.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from gpt2tok.files import from_home

AnyPath = str | os.PathLike[str]

# Names that end so are those of weight files. What to write for a directory follows from what was meant.
_FILES = (
    ".safetensors",
    ".keras",
    ".weights.h5",
    ".h5",
    ".hdf5",
    ".msgpack",
    ".bin",
    ".pt",
    ".pth",
    ".ckpt",
    ".json",
)

_HDF5 = (".weights.h5", ".h5", ".hdf5")


def folder_to_save(place: AnyPath) -> Path:
    """The directory that a caller names to save into, there or not.

    Arguments:
        place: its path; a leading `~` is the home directory.

    Returns:
        The same as a `Path`; nothing has been made.

    Raises:
        TypeError: no path.
        ValueError: the name of a file of weights, or none.
        FileExistsError, NotADirectoryError: a file is there, or is where a directory above it should be.

    Example:
        >>> folder_to_save("my-model").name
        'my-model'
        >>> folder_to_save("tiny.safetensors")
        Traceback (most recent call last):
        ...
        ValueError: 'tiny.safetensors' is the name of a file, and a model is saved into a directory: give 'tiny', ...
    """
    if isinstance(place, bytes) or not isinstance(place, str | os.PathLike):
        raise TypeError(f"A model is saved into a directory, whose path is text or a Path, not {place!r}.")
    name = from_home(os.fspath(place))
    if not name:
        raise ValueError("'' names no directory to save into; '.' is the present one.")
    folder = Path(name)
    if folder.is_file():
        message = "a file is there, and a model is saved into a directory: remove it or choose another name"
        raise FileExistsError(errno.EEXIST, message, name)
    for above in folder.parents:
        if above.is_file():
            message = f"{above} is a file, so no directory can be made in it: correct the path"
            raise NotADirectoryError(errno.ENOTDIR, message, name)
    ending = next((ending for ending in _FILES if folder.name.endswith(ending)), None)
    if ending is not None and not folder.is_dir():
        stem = folder.name.removesuffix(ending)
        if ending in _HDF5:
            stem = re.sub(r"(?<=.)[-_.]weights$", "", stem)  # "f-weights.h5" was meant to be "f.weights.h5"
        better = str(folder.with_name(stem)) if stem else str(folder.parent)
        inside, alone = "model.safetensors and config.json will be in it", ""
        if ending == ".keras" or ending in _HDF5:
            kept, save = ("keras", "save") if ending == ".keras" else ("weights.h5", "save_weights")
            file = str(folder.with_name(f"{stem or 'model'}.{kept}"))
            inside = f"model.{kept} with format={kept!r} (model.safetensors without) will be in it"
            alone = f"; model.{save}({file!r}) writes that file alone"
        raise ValueError(
            f"{name!r} is the name of a file, and a model is saved into a directory: give {better!r},"
            f" and {inside}{alone}"
        )
    return folder
