"""How do the files of a checkpoint come to disk together? All or none of them.

Owns the one way a checkpoint is saved into a directory: every file is written and synced before the first is
renamed, so a failure on the way leaves the directory as it was. Small files are `gpt2tok.files`' business;
large ones are written by their format's library, which wants a path and may put a file of its own there.
Refuses to know what is in the files.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors import SafetensorError

from gpt2tok.files import new_directory

_MAY_NOT = "choose a directory that you may write into, or change its permissions"
_MENDS = {errno.EACCES: _MAY_NOT, errno.EPERM: _MAY_NOT, errno.EROFS: "choose a place that is not read-only"}


@final
@dataclass(frozen=True)
class Writer:
    """A function that writes the file whose path it is given, and how many bytes it will write at least."""

    write: Callable[[str], None]
    room: int


def json_bytes(fields: Any) -> bytes:
    """JSON as Hugging Face and Keras write it: indented, in UTF-8."""
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def save_together(
    folder: Path, files: dict[str, bytes | Writer], stale: list[str] | None = None
) -> list[Path]:
    """Write several files into a directory: none appears before all could be written.

    Arguments:
        folder: made if it is not there.
        files: plain names to contents, or to what writes them. They appear in this order, and only a crash
            between two renames can leave new beside old files, each of them whole.
        stale: names to remove afterwards, as their content would be read instead of what was saved. Missing
            ones are fine.

    Returns:
        The paths, in the order given.

    Raises:
        OSError: a file cannot be written; then no file is changed.
    """
    for name in files:
        if (folder / name).is_dir():
            message = "cannot save: a directory of that name is there: remove it or choose another place"
            raise IsADirectoryError(errno.EISDIR, message, os.fspath(folder / name))
    ready: list[tuple[Path, Path]] = []
    with new_directory(folder):
        try:
            for name, content in files.items():
                room = 0 if isinstance(content, bytes) else content.room
                with _prepared(folder / name, ".tmp", room) as (temporary, target):
                    ready.append((temporary, target))
                    if isinstance(content, bytes):
                        temporary.write_bytes(content)
                    else:
                        content.write(os.fspath(temporary))
            # Nothing but renames from here on: what a crash can leave half changed is a matter of microseconds.
            for temporary, target in ready:
                with _explained(target, temporary):
                    temporary.replace(target)
        except BaseException:
            for temporary, _ in ready:
                with suppress(OSError):
                    temporary.unlink()
            raise
    for parent in {target.parent for _, target in ready}:
        _sync_directory(parent)
    for name in stale or ():
        with suppress(FileNotFoundError):
            (folder / name).unlink()
    return [folder / name for name in files]


@contextmanager
def saving_to(path: Path, suffix: str = ".tmp", *, room: int = 0) -> Iterator[Path]:
    """A path for a library to write, whose file becomes `path`, whole, when the block ends without error.

    Arguments:
        path: an existing file keeps its permissions; its directory is made if it is not there.
        suffix: what the library insists on.
        room: how many bytes it will write at least. A disk without them is refused before the library begins:
            HDF5 that cannot write can no longer close its file either, and may take the process with it.
    """
    with new_directory(path.parent):
        with _prepared(path, suffix, room) as (temporary, target):
            yield temporary
        try:
            with _explained(path, temporary):
                temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    _sync_directory(target.parent)


@contextmanager
def _prepared(path: Path, suffix: str, room: int) -> Iterator[tuple[Path, Path]]:
    """A temporary file beside `path`, and what it is to replace: on disk, with its permissions, when the block ends,
    and gone if the block raises."""
    target = path.resolve()  # A symbolic link stays, and what it leads to is replaced.
    temporary = target.parent / f".gpt2model-{os.urandom(16).hex()}{suffix}"
    try:
        # An empty file first, for the permissions that a new one gets: libraries put one of their own in
        # its place.
        with _explained(path, temporary), temporary.open("xb") as file:
            mode = os.fstat(file.fileno()).st_mode
            _reserve(file.fileno(), room)
        before = path.stat() if path.exists() else None
        with _explained(path, temporary):
            yield temporary, target
        if before is not None:
            mode = before.st_mode
            if os.name == "posix":
                with suppress(OSError):  # Only root can give a file away, and then its owner should stay.
                    os.chown(temporary, before.st_uid, before.st_gid)
        temporary.chmod(stat.S_IMODE(mode))
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def _explained(path: Path, temporary: Path) -> Iterator[None]:
    """Libraries say what failed in words of their own, and not as an OSError that names the file."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        about = getattr(error, "filename", None)
        if about is not None and os.fspath(about) != os.fspath(temporary):
            raise  # Of another file: one that was being read, or saved inside the block and explained there.
        number = getattr(error, "errno", None) or _number_in(str(error))
        reason = os.strerror(number) if number else " ".join(str(error).split())
        mend = _MENDS.get(number or 0, "make room or choose another place")
        message = f"cannot save ({reason}): {mend}; an old file is untouched"
        raise OSError(number, message, os.fspath(path)) from error


def _reserve(descriptor: int, room: int) -> None:
    if room and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, room)
        except OSError as error:
            if error.errno not in (
                errno.EINVAL,
                errno.EOPNOTSUPP,
                errno.ENOSYS,
            ):  # File systems that cannot promise.
                raise
        os.ftruncate(descriptor, 0)


def _number_in(text: str) -> int | None:
    match = re.search(r"(?:errno = |os error )(\d+)", text)
    return int(match[1]) if match else None


def _sync_directory(folder: Path) -> None:
    """Make the rename survive a power cut, where the system can."""
    if os.name == "posix":
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
