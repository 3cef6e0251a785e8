"""What is a text to a graph? Bytes.

Owns this one line, for the files beside it. Refuses frameworks.
"""

from __future__ import annotations


def bytes_of(text: str | bytes) -> bytes:
    """A text as UTF-8, bytes as they are.

    Example:
        >>> bytes_of("é"), bytes_of(b"\\xff")
        (b'\\xc3\\xa9', b'\\xff')
    """
    return text.encode() if isinstance(text, str) else text
