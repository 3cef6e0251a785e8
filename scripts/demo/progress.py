"""How long will it take? A bar in one line of the terminal.

Owns a line that is redrawn in place and wiped away. Refuses to write where nobody watches: a file or a pipe gets the
reports alone.
"""

from __future__ import annotations

import sys
import time

_CELLS, _SECONDS = 30, 0.2


class Bar:
    """Counts steps.

    Args:
        steps: in all.
    """

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._drawn = steps, 0, False
        self._shown = sys.stdout is not None and sys.stdout.isatty()
        self._start = self._due = time.monotonic()

    def step(self, note: str) -> None:
        """One more step is done; the note says how it went."""
        self._done += 1
        now = time.monotonic()
        if self._shown and now >= self._due:
            self._due, self._drawn = now + _SECONDS, True
            sys.stdout.write(f"\r\x1b[K{self.line(now - self._start, note)}")
            sys.stdout.flush()

    def line(self, seconds: float, note: str) -> str:
        """The bar after so many seconds."""
        share = self._done / self._steps
        full = round(_CELLS * share)
        left = seconds / share - seconds
        return f"  [{'#' * full}{'.' * (_CELLS - full)}] {share:4.0%}  {note}  {left:.0f} s left"

    def wipe(self) -> None:
        """Leave the line empty."""
        if self._drawn:
            self._drawn = False
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
