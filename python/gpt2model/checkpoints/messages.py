"""How are many names put into one message? In full when they are few, and counted when they are not."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 24


def listed(names: Sequence[str]) -> str:
    """Names with commas; past `SHOWN`, the first of them and how many more there are.

    Example:
        >>> listed(["a", "b"])
        'a, b'
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def size_text(nbytes: int) -> str:
    """Bytes for a reader.

    Example:
        >>> size_text(497_759_232)
        '497.8 MB'
    """
    size = float(nbytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
