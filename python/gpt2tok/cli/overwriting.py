"""May a command write here? Not over what stands there, unless it is told to.

Owns the option `--overwrite` and the refusal without it, one rule for `gpt2tok train`, `gpt2tok convert` and
`gpt2model convert`, whose results cost more than a run. Refuses to judge what `-o` of the other commands names: those
are output files like a shell's, made anew each time. In Python the methods that save replace, as Hugging Face's do.
"""

from __future__ import annotations

import argparse
import errno
import os
from collections.abc import Iterable
from pathlib import Path


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """The option, worded alike everywhere."""
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace what stands at TO (otherwise an error that names it)",
    )


def refuse_replacing(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Nothing, unless one of these would be replaced.

    Args:
        paths: the files to be written or removed. Devices and pipes hold nothing that could be lost.
        overwrite: the user said so.

    Raises:
        FileExistsError: naming all that are there.
    """
    there = [] if overwrite else [path for path in paths if path.is_file()]
    if not there:
        return
    first, *others = there
    more = ", ".join(path.name for path in others)
    also = f", and so {'are' if len(others) > 1 else 'is'} {more}" if others else ""
    raise FileExistsError(
        errno.EEXIST,
        f"is there already{also}: choose another place, or give --overwrite to replace {'them' if others else 'it'}",
        os.fspath(first),
    )
