"""Where the bytes of a command come from and go to.

Owns opening what the command line names (files, `-` for standard input, a text given in place) and the way
out (standard output or a file that appears whole). Refuses to look at the bytes. Errors name the file.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from gpt2tok import files
from gpt2tok.cli.problems import DataError, UsageError
from gpt2tok.cli.stdout import stdout_errors


@dataclass(frozen=True)
class Source:
    """One input. `path` is as given, "-" for standard input, None for a text from the command line itself."""

    path: str | None
    text: bytes = b""
    hint: str = "check the path"

    @property
    def name(self) -> str:
        """How messages call it."""
        return (
            "the command line" if self.path is None else "standard input" if self.path == "-" else self.path
        )

    def size(self) -> int:
        """Its bytes where they can be known beforehand, else 0."""
        if self.path is None:
            return len(self.text)
        try:
            return (os.fstat(0) if self.path == "-" else Path(self.path).stat()).st_size
        except OSError:
            return 0

    @contextmanager
    def reader(self) -> Iterator[Callable[[int], bytes]]:
        """A function that reads at most so many bytes, b"" at the end.

        Raises:
            DataError: it cannot be opened or read.
        """
        with self._open() as file:

            def read(size: int) -> bytes:
                # One system call at a time. A buffered read of many would notice Ctrl-C only when all have
                # returned, and the last may wait for a pipe that brings nothing more.
                parts: list[bytes] = []
                try:
                    while size and (part := file.read1(size)):
                        parts.append(part)
                        size -= len(part)
                except OSError as error:
                    raise self._unreadable(error) from error
                return b"".join(parts)

            yield read

    @contextmanager
    def _open(self) -> Iterator[io.BufferedReader | io.BytesIO]:
        if self.path is None:
            yield io.BytesIO(self.text)
        elif self.path == "-":
            if sys.stdin is None:
                raise DataError("standard input is closed: give a file, or pipe a text in")
            yield cast(io.BufferedReader, sys.stdin.buffer)
        else:
            try:
                file = Path(self.path).open("rb")  # noqa: SIM115 - closed below: only opening is blamed on the path
            except (OSError, ValueError) as error:
                raise self._unreadable(error) from error
            with file:
                yield file

    def _unreadable(self, error: OSError | ValueError) -> DataError:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        absent = isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENAMETOOLONG)
        mend = self.hint if absent else "check the path and its permissions"
        return DataError(f"{self.name}: cannot read it ({reason}): {mend}")


def sources(paths: Sequence[str], text: str | None, option: str | None = "--text") -> list[Source]:
    """The inputs that the command line names: standard input when it names none.

    Args:
        paths: files, "-" for standard input.
        text: what `option` gave instead, if anything.
        option: for those who give a text where a file is wanted; None where there is none.

    Raises:
        UsageError: files and a text at once, standard input twice, or a name that is empty.
    """
    if text is not None:
        if paths:
            raise UsageError(f"a text and files ({paths[0]!r}) cannot both be the input: leave out one")
        return [Source(None, os.fsencode(text))]
    if list(paths).count("-") > 1:
        raise UsageError("standard input (-) can be read only once: name it once")
    if option is None:
        for path in paths:
            refuse_no_name(path, "a file, or - for standard input")
        return [Source(path) for path in paths or ["-"]]
    what = option.removeprefix("--")
    for path in paths:
        refuse_no_name(path, f"a file, - for standard input, or {option} '' for no {what} at all")
    return [
        Source(path, hint=f"check the path, or put {option} before it if it is meant as {what}")
        for path in paths or ["-"]
    ]


def refuse_no_name(path: str, mend: str) -> None:
    """A name that is empty, which the system would take for the directory we are in.

    Raises:
        UsageError: it is. Nearly always a variable of the shell that nobody set.
    """
    if not path:
        raise UsageError(f"'' is not the name of a file: give {mend}")


@contextmanager
def output(path: str | None) -> Iterator[Callable[[bytes], object]]:
    """A function that writes to standard output (None or "-"), or to a file that appears when the block ends.

    Raises:
        DataError: standard output cannot be written.
        UsageError: the path is empty.
        OSError: the file cannot be written.
    """
    if path is not None:
        refuse_no_name(path, "--output a file, or - for standard output")
    if path not in (None, "-"):
        with files.open_atomically(str(path)) as file:
            yield file.write
        return
    if sys.stdout is None:
        raise DataError("standard output is closed: open it, or give --output FILE")
    sys.stdout.flush()
    stdout = sys.stdout.buffer
    with stdout_errors():
        yield stdout.write
        stdout.flush()
