"""How files come to disk: whole or not at all.

Owns the one way this project saves: a temporary file beside the target, written, flushed, fsynced and renamed
over it. A reader sees the old bytes or the new ones and never a part, whatever stops the save (full disk,
Ctrl-C, `kill -9`, power). Of several files saved together all appear or none does, but for a crash between two
renames. A file may be given as bytes, or as a library's function that writes it (a model's weights). Refuses to
know what the bytes mean (`formats.py` does), and makes a directory only for a caller who asks for it by name
(`new_directory`).
"""

# The system calls themselves, in the order that matters: pathlib has some of them, under other names.
# ruff: noqa: PTH102, PTH105, PTH106, PTH108, PTH111, PTH112, PTH116, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
    errno.EEXIST: "a file stands there, not a directory: remove it or choose another place",
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


@dataclass(frozen=True)
class Writer:
    """Content that is too large to hold, or that a library insists on writing to a path.

    Args:
        write: writes the file whose path it is given, or raises. An empty file is there, with the permissions of the
            old one; the library may put a file of its own in its place.
        suffix: how the path ends, for libraries that choose by it.
        room: how many bytes will be written at least. A disk without them is refused before `write` is called, where
            the file system can tell.
    """

    write: Callable[[str], object]
    suffix: str = ".tmp"
    room: int = 0


def write_files_atomically(
    directory: AnyPath, files: Mapping[str, bytes | Writer], stale: Iterable[str] = ()
) -> None:
    """Save several files into one directory: all of them appear, or the directory stays as it was.

    All contents are on disk under temporary names, and all old files under a second name (a hard link, or a copy
    where the file system knows none), before the first rename. When a rename fails or is interrupted, the old files
    are put back and new ones removed. Only a crash between two renames (power, `kill -9`) can leave a mixture of new
    and old files, each of them whole.

    Args:
        directory: an existing directory.
        files: plain file names to contents, or to what writes them. They appear in this order.
        stale: plain names of files that go once the others are there, as they would be read instead. Missing ones
            are fine.

    Raises:
        OSError: as for `write_atomically`; the directory is then as it was. On a disk so broken that an old file
            cannot be put back either, the message says under which name its content is kept.
        ValueError: a name that is empty, holds NUL or names a place outside the directory.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_files_atomically(folder, {"vocab.json": b"{}", "merges.txt": b""})
        ...     sorted(os.listdir(folder))
        ['merges.txt', 'vocab.json']
    """
    stale = list(stale)
    for name in (*files, *stale):
        if not name or name in (".", "..") or "\0" in name or os.path.basename(name) != name:
            raise ValueError(f"{name!r} is not a plain file name: leave out directories, separators and NUL")
    # What stands there is looked at first: a model's weights take minutes to write.
    replacements: list[_Replacement] = []
    for name, content in files.items():
        replacements.append(_planned(os.path.join(directory, name), content, replacements))
    removals = [_planned(os.path.join(directory, name), None, replacements) for name in stale]
    replacements += [removal for removal in removals if removal.before is not None]
    try:
        for replacement in replacements:
            _prepare(replacement)
        if len(replacements) > 1:  # One rename is all or nothing by itself.
            for replacement in replacements:
                _keep_old(replacement)
    except BaseException:
        for replacement in replacements:
            replacement.forget()
        raise
    try:
        # Nothing but system calls on names from here on: a crash finds microseconds in which files are half changed.
        for replacement in replacements:
            with _explained(replacement.path, replacement.temporary, replacement.target):
                _rename(replacement)
    except BaseException as error:
        if len(replacements) > 1:
            _put_back(replacements, error)
        else:
            replacements[0].forget()
        raise
    done = [replacement.old for replacement in replacements if replacement.old is not None]
    try:
        for name in done:
            _remove(name)
    except BaseException:  # Ctrl-C: everything is saved, and no second name may stay.
        for name in done:
            _remove(name)
        raise
    for parent in {os.path.dirname(replacement.target) for replacement in replacements}:
        _sync_directory(parent)


def from_home(path: str) -> str:
    """A path with a leading `~` as a shell reads it; where something of that very name is here, as it is.

    Example:
        >>> from_home("models/tiny"), "~" in from_home("~/tiny")
        ('models/tiny', False)
    """
    return os.path.expanduser(path) if path.startswith("~") and not os.path.lexists(path) else path


@contextmanager
def new_directory(path: AnyPath) -> Iterator[None]:
    """A directory to save into, made with its parents if it is not there; what was made goes if the block raises.

    Args:
        path: the directory. One that is there is used as it is, and stays.

    Raises:
        OSError: it cannot be made: `errno` and `filename` are set, and the message says what to do.

    Example:
        >>> import os, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with new_directory(os.path.join(folder, "a", "b")):
        ...         write_atomically(os.path.join(folder, "a", "b", "ids.bin"), b"0123")
        ...     os.listdir(folder)
        ['a']
    """
    made: list[str] = []
    try:
        _make_directory(os.fspath(path), made)
        yield
    except BaseException:
        for directory in reversed(made):
            with suppress(OSError):  # Somebody else has put something into it by now.
                os.rmdir(directory)
        raise


def _make_directory(path: str, made: list[str]) -> None:
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path.rstrip(os.sep)) if path.rstrip(os.sep) else ""
    if parent and parent != path:
        _make_directory(parent, made)
    with _explained(path, doing="make the directory"):
        try:
            made.append(path)  # Before it is made, for a signal may come in between.
            os.mkdir(path)
        except BaseException as error:
            if isinstance(error, OSError):
                made.remove(path)
            if not isinstance(error, FileExistsError) or not os.path.isdir(path):
                raise


@dataclass
class _Replacement:
    """One file of several: where it goes, where its new content lies, and where its old content is kept meanwhile."""

    path: str  # as the caller has it, for messages
    content: bytes | Writer | None  # None: the file goes
    target: str
    temporary: str
    before: os.stat_result | None
    kept: str | None = None

    @property
    def old(self) -> str | None:
        """Where the old content is to be found: a file that goes takes its temporary name."""
        return self.temporary if self.content is None else self.kept

    def forget(self) -> None:
        """Removes the names that nobody else knows."""
        _remove(self.temporary)
        if self.kept is not None:
            _remove(self.kept)


def _planned(path: str, content: bytes | Writer | None, others: Iterable[_Replacement]) -> _Replacement:
    """Refuses what cannot be one of several files; nothing is made yet."""
    with _explained(path):
        before = _existing(path)
    # A symbolic link stays, and what it leads to is replaced; but of a file that is to go, the link goes.
    folder, name = os.path.split(path)
    target = os.path.realpath(path) if content is not None else os.path.join(os.path.realpath(folder), name)
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise OSError(
            errno.EEXIST,
            "cannot save: a device or pipe stands there: remove it or choose another place",
            path,
        )
    if any(target == other.target for other in others):
        raise OSError(
            errno.EEXIST, "cannot save: this name and another one are links to one file: remove a link", path
        )
    suffix = content.suffix if isinstance(content, Writer) else ".tmp"
    return _Replacement(path, content, target, _temporary_name(target, suffix), before)


def _prepare(replacement: _Replacement) -> None:
    """Writes the content beside its target."""
    content, temporary = replacement.content, replacement.temporary
    if content is None:
        return
    with _explained(replacement.path, temporary, replacement.target):
        with _create(temporary, replacement.before) as file:
            if not isinstance(content, Writer):
                file.write(content)
                _sync(file)
                return
            mode = os.fstat(file.fileno()).st_mode
            _permit(file, None, mode | stat.S_IRUSR | stat.S_IWUSR)  # The library opens it again.
            _reserve(file, content.room)
        content.write(temporary)
        # By now it may be another file, the library's own, with permissions of its own.
        with open(temporary, "rb+") as file:
            _permit(file, replacement.before, mode)
            _sync(file)


def _reserve(file: BinaryIO, room: int) -> None:
    """Finds out now if the disk has so much room. Libraries that notice on the way may take the process with them."""
    if room and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, room)
        except OSError as error:  # File systems that cannot promise.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
                raise
        file.truncate(0)


def _keep_old(replacement: _Replacement) -> None:
    """Gives the old file, if there is one, a second name to come back from."""
    if replacement.before is None or replacement.content is None:
        return
    replacement.kept = kept = _temporary_name(replacement.target)
    try:
        os.link(replacement.target, kept)
        return
    except OSError:  # No links on this file system, or to this file.
        pass
    _remove(kept)
    with (
        _explained(replacement.path, kept, replacement.target),
        open(replacement.target, "rb") as old,
        _create(kept, replacement.before) as copy,
    ):
        while block := old.read(1 << 20):
            copy.write(block)
        _sync(copy)
        with suppress(OSError):
            os.utime(kept, ns=(replacement.before.st_atime_ns, replacement.before.st_mtime_ns))


def _rename(replacement: _Replacement) -> None:
    if replacement.content is not None:
        os.replace(replacement.temporary, replacement.target)
        return
    with suppress(FileNotFoundError):  # Somebody else has removed it.
        os.replace(replacement.target, replacement.temporary)


def _put_back(replacements: list[_Replacement], reason: BaseException) -> None:
    """After a failed rename: the old files under their names again, the new ones gone."""
    lost: OSError | None = None
    for replacement in reversed(replacements):
        old, renamed = replacement.old, not os.path.lexists(replacement.temporary)
        if replacement.content is None and renamed:
            continue  # The other way round: it is still there.
        try:
            if old is not None:
                # Where the rename had not come to it, both names are one file, and this does nothing.
                os.replace(old, replacement.target)
            elif renamed:
                os.unlink(replacement.target)
        except OSError as error:
            where = "it is new: remove it" if old is None else f"its old content is in {old!r}"
            message = f"the save failed ({reason}) and cannot be undone ({error.strerror}): {where}"
            lost = OSError(error.errno, message, replacement.path)
            if replacement.content is None:
                continue
            replacement.kept = None
        replacement.forget()
    for parent in {os.path.dirname(replacement.target) for replacement in replacements}:
        with suppress(OSError):
            _sync_directory(parent)
    if lost is not None:
        raise lost from reason


def _existing(path: str) -> os.stat_result | None:
    """What stands there now; a directory cannot be replaced, and saying so early leaves nothing to undo."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    return found


def _temporary_name(target: str, suffix: str = ".tmp") -> str:
    # 128 random bits: nobody else's file has this name, so removing it after any failure is safe, even when
    # the interrupt came before we knew whether it had been created. Short, so that no long target name
    # overflows it.
    return os.path.join(os.path.dirname(target), f".gpt2tok-{os.urandom(16).hex()}{suffix}")


def _create(temporary: str, before: os.stat_result | None) -> BinaryIO:
    """Open a new file with the permissions that the target has, or that the umask gives a new file."""
    mode = 0o666 if before is None else stat.S_IMODE(before.st_mode)

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, mode & 0o777)

    file = open(temporary, "xb", opener=opener)  # noqa: SIM115 - the caller's `with` closes it
    if before is not None:
        _permit(file, before, mode)
    return file


def _permit(file: BinaryIO, before: os.stat_result | None, mode: int) -> None:
    """Best effort, and never wider than the old file's: only root can give a file away (and then its owner should
    stay), and some file systems keep no such bits."""
    if os.name != "posix":
        return
    if before is not None:
        with suppress(OSError):
            os.fchown(file.fileno(), before.st_uid, before.st_gid)
    with suppress(OSError):
        os.fchmod(file.fileno(), stat.S_IMODE(mode))


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
def _explained(path: str, *names: str, doing: str = "save") -> Iterator[None]:
    """Let an OSError about the path name it, not other names of the same file, and say what to do."""
    try:
        yield
    except BrokenPipeError:
        raise  # The reader of a pipe went away: not a failed save, and callers treat it as an ordinary end.
    except OSError as error:
        if error.filename not in (None, path, *names):
            raise  # About another file: the block that fills ours was reading it.
        reason = os.strerror(error.errno) if error.errno else str(error)
        mend = _MENDS.get(error.errno or 0, "check the path and the disk")
        if doing != "save" and error.errno == errno.ENOENT:
            mend = "none can be made there: choose another place"
        message = f"cannot {doing} ({reason}): {mend}"
        if doing == "save":
            message += "; the old file, if there was one, is untouched"
        # OSError picks its own subclass (PermissionError, ...) from the number.
        raise OSError(error.errno, message, path) from error
