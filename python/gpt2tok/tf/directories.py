"""How does a SavedModel come to its directory? Whole or not at all, and never over other things.

Owns the directory and the warm-up file in it. Refuses to know what is saved.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from ..files import new_directory
from ..serving.conventions import WARM_UP_FILE


def check_place(directory: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The absolute path, if a SavedModel may be put there.

    Raises:
        FileExistsError: a SavedModel is there, and `overwrite` is False; or something else is.
    """
    target = Path(directory).absolute()
    if not (target.exists() or target.is_symlink()) or _is_empty_directory(target):
        return target
    if target.is_symlink() or not target.is_dir():
        kind = "link" if target.is_symlink() else "file"
        raise FileExistsError(
            f"{target} is a {kind}, and a SavedModel is a directory: choose another place, or remove it"
        )
    if not (target / "saved_model.pb").exists():
        raise FileExistsError(
            f"{target} holds other things than a SavedModel, which an export would remove: choose another directory"
            " (for servers, one named by a number in it)"
        )
    if not overwrite:
        raise FileExistsError(f"{target} is there already: choose another directory, or say overwrite=True")
    return target


@contextmanager
def new_saved_model(directory: str | os.PathLike[str], *, overwrite: bool) -> Iterator[Path]:
    """Inside, a path to write a SavedModel to; afterwards it is in its place, or, after an error, nothing is.

    Raises:
        FileExistsError: as `check_place` has it.
        OSError: the directory cannot be written. What was there is there.
    """
    target = check_place(directory, overwrite=overwrite)
    with new_directory(target.parent):  # which goes again after an error
        # Beside the target, so that a rename puts it in place; hidden, so that a server that watches sees no version.
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield scratch / "new"
            _put(scratch / "new", target, scratch / "old")
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def write_warm_up(written: Path, records: Sequence[bytes]) -> None:
    """The file that a server replays before it takes traffic; none for no records."""
    if not records:
        return
    (written / WARM_UP_FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(written / WARM_UP_FILE)) as file:
        for record in records:
            file.write(record)


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _put(written: Path, target: Path, old: Path) -> None:
    """Renames the new directory to its place; what was there goes to `old`, and comes back if that fails."""
    if not target.is_dir():
        written.rename(target)
        return
    target.rename(old)
    try:
        written.rename(target)
    except OSError:
        old.rename(target)
        raise
