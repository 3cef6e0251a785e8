"""What must an algorithm do to be a GPT-2 tokenizer? The small interface that the slow and the fast one fill in.

Owns the question only; `slow.py` and `fast.py` hold the two answers. An engine is immutable: a tokenizer that
changes gets another one, so results that were made before can still be asked about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

Offsets = tuple[int, int]


class Engine(ABC):
    """Text to ids and back, added tokens included. Abstract."""

    @abstractmethod
    def ids(self, text: str, split_special: bool) -> list[int]:
        """The ids of one text; with `split_special`, special tokens in it are ordinary text."""

    @abstractmethod
    def ids_of_all(self, texts: Sequence[str], split_special: bool) -> list[list[int]]:
        """The ids of each text."""

    @abstractmethod
    def trace(self, text: str, split_special: bool) -> tuple[list[int], list[Offsets], list[int]]:
        """The ids, the characters (start, end) that each one touches, and the number of its pretoken."""

    @abstractmethod
    def bytes_of(self, ids: Sequence[int]) -> bytes:
        """The bytes that ids stand for.

        Raises:
            UnknownTokenError: an id that no token has: it names the id and its place.
        """

    # Immutable, so a copy is the same object.
    def __copy__(self) -> Engine:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Engine:
        return self
