"""How far a long command has come, for a person who waits.

Owns one line on stderr that is redrawn in place and wiped away at the end. Refuses to write anything when
stderr is no terminal, and anything before a second has gone by.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_FIRST_SECONDS, _NEXT_SECONDS = 1.0, 0.2


class Progress:
    """Counts bytes; draws them while `shown`."""

    def __init__(self, total: int, shown: bool) -> None:
        self._total, self._shown, self._drawn = total, shown, False
        self._done = 0
        self._start = time.monotonic()
        self._due = self._start + _FIRST_SECONDS

    def add(self, size: int) -> None:
        """Take note of `size` more bytes."""
        self._done += size
        if self._shown and (now := time.monotonic()) >= self._due:
            self._due = now + _NEXT_SECONDS
            self._drawn = True
            sys.stderr.write(f"\r\x1b[K{self._line(now)}")
            sys.stderr.flush()

    def wipe(self) -> None:
        """Leave the line empty."""
        if self._drawn:
            self._drawn = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _line(self, now: float) -> str:
        done, total = self._done / 1e6, self._total / 1e6
        rate = done / (now - self._start)
        if self._done > self._total:  # A pipe, whose size nobody knows.
            return f"{done:.1f} MB, {rate:.1f} MB/s"
        left = (total - done) / rate if rate else 0.0
        return f"{done:.1f} of {total:.1f} MB ({done / total:.0%}), {rate:.1f} MB/s, {left:.0f} s left"


@contextmanager
def progress(total: int, to_terminal: bool) -> Iterator[Progress]:
    """A progress line for `total` bytes, 0 when unknown.

    Args:
        total: the bytes to come.
        to_terminal: the command's own output goes to a terminal, where the two would mix: show nothing.
    """
    shown = not to_terminal and sys.stderr is not None and sys.stderr.isatty()
    line = Progress(total, shown)
    try:
        yield line
    finally:
        line.wipe()
