"""Standard output: where it leads, and how a line gets there.

Owns printing in whatever encoding it has, and saying that it is closed or its disk full. Refuses to import
what `--version` can do without.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gpt2tok.cli.problems import DataError


def flush_stdout() -> None:
    """Send off what has been printed.

    Raises:
        DataError: standard output cannot be written.
    """
    if sys.stdout is not None:
        with stdout_errors():
            sys.stdout.flush()


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Say that it was standard output that could not be written (a full disk behind `>`)."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise DataError(
            f"standard output: cannot write ({error.strerror or error}): free some space or send it elsewhere"
        ) from error


def print_text(text: str, end: str = "\n") -> None:
    """Print a line, or with another end a part of one, to standard output, whatever its encoding: what it cannot say
    comes as a backslash escape.

    Raises:
        DataError: standard output is closed or cannot be written.
    """
    if sys.stdout is None:
        raise DataError("standard output is closed: open it")
    with stdout_errors():
        try:
            sys.stdout.write(text + end)
        except UnicodeEncodeError:  # Nothing has been written: a line is encoded as a whole.
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)


def is_terminal(path: str | None) -> bool:
    """Whether what goes to this output is shown to a person."""
    return path in (None, "-") and sys.stdout is not None and sys.stdout.isatty()


def stdout_encoding() -> str:
    """The encoding of what `print_text` prints."""
    return getattr(sys.stdout, "encoding", None) or "utf-8"
