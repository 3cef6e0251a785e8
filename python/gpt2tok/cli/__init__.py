"""The command `gpt2tok`: its way in and its ways out.

Owns the exit codes (0 done, 1 bad data or a failing system, 2 wrong usage, 130 Ctrl-C, 141 a reader that went
away, 143 SIGTERM) and the one line on stderr that explains a failure. Refuses to know the commands:
`arguments.py` names them and each has its file.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from gpt2tok._core import TokenizerError
from gpt2tok.cli.problems import (
    CLOSED_PIPE,
    DATA_ERROR,
    DONE,
    INTERRUPTED,
    TERMINATED,
    USAGE_ERROR,
    DataError,
    Terminated,
    UsageError,
    explain,
)
from gpt2tok.cli.stdout import flush_stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: the command line after the program's name; by default that of this process.

    Example:
        >>> main(["count", "--text", "Hello world"])
        2
        0
    """
    try:
        with suppress(ValueError):  # Only the main thread may.
            signal.signal(signal.SIGTERM, _terminate)
        code = _run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Terminated:
        code = TERMINATED
    except BrokenPipeError:
        code = CLOSED_PIPE
    except UsageError as error:
        code = explain(error, USAGE_ERROR)
    except (DataError, TokenizerError) as error:
        code = explain(error, DATA_ERROR)
    except MemoryError:
        code = explain("out of memory: give smaller files, or a text with spaces to cut it at", DATA_ERROR)
    except OSError as error:
        code = explain(_os_error(error), DATA_ERROR)
    if arguments is None and code not in (DONE, USAGE_ERROR):  # Only where the process is ours.
        _let_go_of_stdout(flush=code == DATA_ERROR)
    return code


def _run(arguments: Sequence[str]) -> int:
    # Here and not above: argparse costs as much as all the rest of starting up.
    from gpt2tok.cli.arguments import parse

    try:
        options = parse(arguments)
        code: int = options.run(options)
    except SystemExit:  # argparse, after --help and --version: its errors are UsageErrors.
        code = DONE
    flush_stdout()
    return code


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # Unlike the default, this unwinds the stack, and so removes the temporary file of a save under way.
    raise Terminated


def _os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"a stream failed ({reason}): check the disk and the other end of the pipe"
    name = os.fsdecode(error.filename)
    if not os.path.isfile(name):  # noqa: PTH113 - pathlib is not imported for this
        reason = reason.partition("; the old file")[0]  # There is none to speak of.
    return f"{name}: {reason}"


def _let_go_of_stdout(*, flush: bool) -> None:
    """Let the interpreter's last flush go nowhere: it would fail again, or wait for a reader for ever."""
    if flush:
        with suppress(OSError, AttributeError, ValueError):
            sys.stdout.flush()
            return
    with suppress(OSError, AttributeError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
