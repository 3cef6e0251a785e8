"""How far has training come? One line on stderr: bytes read, then merges.

Owns a line that is redrawn in place and wiped away at the end. Refuses to write when stderr is no terminal, and before
a second has gone by.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType

_FIRST_SECONDS, _NEXT_SECONDS = 1.0, 0.2


class Progress:
    """A line for a person who waits.

    Args:
        total: the bytes to come, 0 when nobody knows.
        shown: False draws nothing.
    """

    def __init__(self, total: int, shown: bool) -> None:
        self._total = total
        self._shown = shown and sys.stderr is not None and sys.stderr.isatty()
        self._drawn = False
        self._due = time.monotonic() + _FIRST_SECONDS

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def read(self, done: int) -> None:
        """So many bytes have been read."""
        if not self._is_due():
            return
        # Only of text files is the size known: JSON has more bytes than its texts.
        share = f" of {self._total / 1e6:.1f} MB ({done / self._total:.0%})" if self._total >= done else " MB"
        self._draw(f"read {done / 1e6:.1f}{share}")

    def merged(self, merges: int, wanted: int) -> None:
        """So many merges have been learned."""
        if wanted and self._is_due():
            self._draw(f"learned {merges:,} of {wanted:,} merges ({merges / wanted:.0%})")

    def wipe(self) -> None:
        """Leave the line empty."""
        if self._drawn:
            self._drawn = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _is_due(self) -> bool:
        return self._shown and time.monotonic() >= self._due

    def _draw(self, text: str) -> None:
        self._due = time.monotonic() + _NEXT_SECONDS
        self._drawn = True
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
