"""How does a result come to the eye? Headings, proofs and times.

Owns the words around a claim, and the clock. Refuses to know what is claimed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from gpt2tok.cli.cells import Style
from gpt2tok.cli.stdout import is_terminal, print_text, stdout_encoding

WIDTH = 100


def style() -> Style:
    """What standard output can show: colours on a terminal, unless NO_COLOR is set."""
    return Style(is_terminal(None) and not os.environ.get("NO_COLOR"), stdout_encoding())


def strong(text: str) -> str:
    """The text, bold where standard output can show that."""
    return f"\x1b[1m{text}\x1b[0m" if style().colored else text


def heading(text: str) -> None:
    """Begin a part."""
    print_text(strong(f"\n== {text}"))
    flush()


def flush() -> None:
    """What has been printed is to be seen now: the next step takes its time."""
    print_text("", end="")
    import sys

    if sys.stdout is not None:
        sys.stdout.flush()


def check(claim: str, texts: Iterable[str], found: Iterable[object], expected: Iterable[object]) -> bool:
    """Print whether the claim holds for every text, and the first for which it does not."""
    for number, (text, one, other) in enumerate(zip(texts, found, expected, strict=True)):
        if one != other:
            print_text(f"  DIFFERENT: {claim}: not for text {number}, which starts {text[:60]!r}")
            return False
    print_text(f"  proven: {claim}")
    return True


def proven(claim: str, holds: bool, otherwise: str) -> bool:
    """Print whether the claim holds, and what was found if it does not."""
    print_text(f"  proven: {claim}" if holds else f"  NOT SO: {claim}: {otherwise}")
    return holds


def timed(work: Callable[[], Any], runs: int = 1) -> tuple[Any, float]:
    """What the work gives, and the seconds that the best of some runs took."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return result, best
