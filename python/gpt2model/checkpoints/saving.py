"""How do the files of a checkpoint come to disk together? All or none of them.

Owns what a checkpoint's formats share when they save: JSON as their readers expect it, and errors of the libraries
that write large files, told as the system's. How files appear all at once, or not at all, is `gpt2tok.files`'
business. Refuses to know what is in the files.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from gpt2tok.files import Writer, new_directory, write_files_atomically


def json_bytes(fields: Any) -> bytes:
    """JSON as Hugging Face and Keras write it: indented, in UTF-8."""
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()


def writer(write: Callable[[str], object], room: int, suffix: str = ".tmp") -> Writer:
    """Content that a library writes to a path, at least `room` bytes of it, and what it says when it fails.

    A disk without that room is refused before the library begins: HDF5 that cannot write can no longer close its
    file either, and may take the process with it.
    """

    def told(path: str) -> None:
        try:
            write(path)
        except (OSError, RuntimeError, SafetensorError) as error:
            about = getattr(error, "filename", None)
            if about is not None and os.fspath(about) != path:
                raise  # Of another file: one that was being read.
            words = " ".join(str(error).split())
            number = getattr(error, "errno", None) or _number_in(words)
            raise OSError(number, os.strerror(number) if number else words, path) from error

    return Writer(told, suffix, room)


def _number_in(words: str) -> int | None:
    """Libraries have words of their own for what the system said."""
    match = re.search(r"(?:errno = |os error )(\d+)", words)
    return int(match[1]) if match else None


def save_together(
    folder: Path, files: Mapping[str, bytes | Writer | None], stale: Iterable[str] = ()
) -> list[Path]:
    """Write several files into a directory, made if it is not there: all of them, or none.

    Arguments:
        folder: one that is made goes again after an error.
        files: plain names to contents, or to what writes them. They appear in this order, and only a crash
            between two renames can leave new beside old files, each of them whole. None: as if it were `stale`.
        stale: names to remove with the last rename, as their content would be read instead of what was saved.
            Missing ones are fine.

    Returns:
        The paths of what was written, in the order given.

    Raises:
        OSError: a file cannot be written or renamed; then all files are as they were.
    """
    written = {name: content for name, content in files.items() if content is not None}
    with new_directory(folder):
        write_files_atomically(folder, written, [*stale, *(name for name in files if name not in written)])
    return [folder / name for name in written]
