"""What the command line says when it cannot go on, and with which exit code.

Owns the two kinds of failure that are the user's to mend, and notes beside a success. Refuses to hide bugs:
what is neither these nor an error of the system or of the tokenizer keeps its traceback.
"""

from __future__ import annotations

import sys
from contextlib import suppress

DONE, DATA_ERROR, USAGE_ERROR = 0, 1, 2
# As a shell reports a process that died of the signal: 128 + SIGINT, SIGPIPE, SIGTERM.
INTERRUPTED, CLOSED_PIPE, TERMINATED = 130, 141, 143


class DataError(Exception):
    """The input, a file or the vocabulary is not what it should be: exit code 1."""


class UsageError(Exception):
    """The command line asks for what cannot be: exit code 2."""


class Terminated(BaseException):
    """SIGTERM came. Like KeyboardInterrupt no kind of Exception: nothing on the way may take it for one."""


def explain(error: object, code: int) -> int:
    """Say on stderr, in one line, what went wrong; gives the exit code back."""
    _say("error", error)
    return code


def note(fact: str) -> None:
    """Say on stderr, in one line, what was done otherwise than one might think."""
    _say("note", fact)


def _say(kind: str, what: object) -> None:
    line = " ".join(str(what).splitlines())
    with suppress(OSError, AttributeError):  # No stderr, or a closed one: the code must do.
        sys.stderr.write(f"gpt2tok: {kind}: {line}\n")
        sys.stderr.flush()
