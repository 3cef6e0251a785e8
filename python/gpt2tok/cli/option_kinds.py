"""What do options of several commands have in common? Whole numbers, and the choice about special tokens.

Owns these, for `arguments.py` and the files of single commands. Refuses to know a command.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Protocol

_LARGEST = 1 << 31


class _Options(Protocol):
    """A parser, or a group of its options."""

    def add_mutually_exclusive_group(self) -> argparse._MutuallyExclusiveGroup:
        """Of its options one may be given."""


def add_special_choice(options: _Options, where: str) -> None:
    """`--allow-special` and `--special-as-text`, in `special`: "allow", "text", or "refuse" without them.

    Args:
        options: to add them to.
        where: what holds the special token: "the text".
    """
    special = options.add_mutually_exclusive_group()
    special.add_argument(
        "--allow-special",
        dest="special",
        action="store_const",
        const="allow",
        default="refuse",
        help=f"a special token in {where} is that token (without this and the next option it is an error)",
    )
    special.add_argument(
        "--special-as-text",
        dest="special",
        action="store_const",
        const="text",
        help=f"a special token in {where} is ordinary text",
    )


def whole(least: int) -> Callable[[str], int]:
    """Reads a whole number that is no smaller than this."""

    def read(text: str) -> int:
        number = int(text) if text.isdecimal() and len(text) < 20 else -1
        if number >= _LARGEST:
            raise argparse.ArgumentTypeError(f"{text!r} is too large: give less than {_LARGEST}")
        if number < least:
            range_ = "above 0" if least == 1 else f"from {least} on"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {range_}")
        return number

    return read


positive = whole(1)
