"""How files come to disk: whole or not at all.

Owns the one way this project saves: a temporary file beside the target, written, flushed, fsynced and renamed
over it. A reader sees the old bytes or the new ones and never a part, whatever stops the save (full disk,
Ctrl-C, `kill -9`, power). Refuses to know what the bytes mean (`formats.py` does) and to make directories
(the caller decides where things may appear).
"""

# The system calls themselves, in the order that matters: pathlib has some of them, under other names.
# ruff: noqa: PTH105, PTH108, PTH116, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO

AnyPath = str | os.PathLike[str]

_MENDS = {
    errno.ENOSPC: "the disk is full: free some space or choose another place",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another place",
    errno.EFBIG: "the file would pass the size limit of this process or file system: raise it (ulimit -f), or"
    " choose another place",
    errno.EACCES: "no permission to write there: choose a directory you may write to, or change its mode",
    errno.EPERM: "the system forbids writing there: choose a directory you may write to",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.ENOENT: "the directory does not exist: create it first",
    errno.ENOTDIR: "a part of the path is a file, not a directory: correct the path",
    errno.EISDIR: "a directory stands there: give the path of a file, or remove the directory",
    errno.ENAMETOOLONG: "the name is too long for the file system: choose a shorter one",
}


def write_atomically(path: AnyPath, data: bytes) -> None:
    """Save `data` as the file `path`: afterwards it holds all of `data`, or what it held before.

    Args:
        path: the file to write. An existing file is replaced and keeps its permission bits; a new one gets
            those of the umask. A symbolic link is followed. A device or named pipe is written straight, for
            it holds nothing that could be half-written. Its directory must exist.
        data: the whole content.

    Raises:
        OSError: the file could not be written. `errno` and `filename` are set, the message says what to do,
            and neither a changed file nor a temporary one stays behind.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(os.path.join(folder, "ids.bin"), b"0123")
        ...     os.listdir(folder)
        ['ids.bin']
    """
    with open_atomically(path) as file:
        file.write(data)


@contextmanager
def open_atomically(path: AnyPath) -> Iterator[BinaryIO]:
    """Like `write_atomically` for content too large to hold: a file to write to inside a `with` block.

    The file appears under its name when the block ends, and not at all when the block raises.

    Args:
        path: as for `write_atomically`.

    Yields:
        A binary file open for writing. Do not close it.

    Raises:
        OSError: as for `write_atomically`.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with open_atomically(os.path.join(folder, "ids.bin")) as file:
        ...         _ = file.write(b"01")
        ...         early = os.path.exists(os.path.join(folder, "ids.bin"))
        ...     early, os.path.exists(os.path.join(folder, "ids.bin"))
        (False, True)
    """
    path = os.fspath(path)
    with _explained(path):
        before = _existing(path)
    if before is not None and not stat.S_ISREG(before.st_mode):
        with _explained(path), open(path, "wb") as file:
            yield file
        return
    target = os.path.realpath(path)
    temporary = _temporary_name(target)
    try:
        with _explained(target, temporary):
            with _create(temporary, before) as file:
                yield file
                _sync(file)
            os.replace(temporary, target)
    except BaseException:
        _remove(temporary)
        raise
    _sync_directory(os.path.dirname(target))


def write_files_atomically(directory: AnyPath, files: Mapping[str, bytes]) -> None:
    """Save several files into one directory: none appears unless all of them could be written.

    All contents are on disk under temporary names before the first is renamed, in the order given, so only a
    crash between two renames can leave a mixture of new and old files, each of them whole.

    Args:
        directory: an existing directory.
        files: plain file names to contents.

    Raises:
        OSError: as for `write_atomically`. The directory is then as it was, unless it was a rename that failed (a disk
            that breaks in that moment): the files before it are then the new ones, each of them whole.
        ValueError: a name that is empty or names a place outside the directory.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_files_atomically(folder, {"vocab.json": b"{}", "merges.txt": b""})
        ...     sorted(os.listdir(folder))
        ['merges.txt', 'vocab.json']
    """
    for name in files:
        if not name or name in (".", "..") or os.path.basename(name) != name:
            raise ValueError(f"{name!r} is not a plain file name: leave out directories and separators")
    temporaries: dict[str, str] = {}  # target -> temporary
    try:
        for name, data in files.items():
            path = os.path.join(directory, name)
            with _explained(path):
                before = _existing(path)
            target = os.path.realpath(path)
            temporaries[target] = temporary = _temporary_name(target)
            with _explained(target, temporary), _create(temporary, before) as file:
                file.write(data)
                _sync(file)
        for target, temporary in temporaries.items():
            with _explained(target, temporary):
                os.replace(temporary, target)
    except BaseException:
        for temporary in temporaries.values():
            _remove(temporary)
        raise
    for parent in {os.path.dirname(target) for target in temporaries}:
        _sync_directory(parent)


def _existing(path: str) -> os.stat_result | None:
    """What stands there now; a directory cannot be replaced, and saying so early leaves nothing to undo."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return found


def _temporary_name(target: str) -> str:
    # 128 random bits: nobody else's file has this name, so removing it after any failure is safe, even when
    # the interrupt came before we knew whether it had been created. Short, so that no long target name
    # overflows it.
    return os.path.join(os.path.dirname(target), f".gpt2tok-{os.urandom(16).hex()}.tmp")


def _create(temporary: str, before: os.stat_result | None) -> BinaryIO:
    """Open a new file with the permissions that the target has, or that the umask gives a new file."""
    mode = 0o666 if before is None else stat.S_IMODE(before.st_mode)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, mode & 0o777)

    file = open(temporary, "xb", opener=opener)  # noqa: SIM115 - the caller's `with` closes it
    if before is not None and os.name == "posix":
        # Best effort, and never wider than the old file: the mode above has seen to that. Only root can give
        # a file away (and then its owner should stay), and some file systems keep no such bits.
        with suppress(OSError):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
        with suppress(OSError):
            os.fchmod(file.fileno(), mode)
    return file


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: str) -> None:
    """Make the renames themselves survive a power cut, where the system can."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except PermissionError:  # A directory one may write into but not list.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # Network file systems that know no such thing.
            raise
    finally:
        os.close(descriptor)


def _remove(temporary: str) -> None:
    with suppress(OSError):  # It was never created, or is already renamed, or its directory is gone.
        os.unlink(temporary)


@contextmanager
def _explained(path: str, temporary: str | None = None) -> Iterator[None]:
    """Let an OSError about the path name it, not the temporary file, and say what to do."""
    try:
        yield
    except BrokenPipeError:
        raise  # The reader of a pipe went away: not a failed save, and callers treat it as an ordinary end.
    except OSError as error:
        if error.filename not in (None, path, temporary):
            raise  # About another file: the block that fills ours was reading it.
        reason = os.strerror(error.errno) if error.errno else str(error)
        mend = _MENDS.get(error.errno or 0, "check the path and the disk")
        message = f"cannot save ({reason}): {mend}; the old file, if there was one, is untouched"
        # OSError picks its own subclass (PermissionError, ...) from the number.
        raise OSError(error.errno, message, path) from error
