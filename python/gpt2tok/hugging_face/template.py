"""What stands around the sequences of a model's input?

Owns the template: in which order the first sequence, the second and the special tokens come, and of which
type each is. Refuses to shorten or fill up (`truncation.py`, `padding.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One place of a template: a sequence (0 or 1), or, when `sequence` is None, these special tokens."""

    sequence: int | None
    type_id: int
    ids: tuple[int, ...] = ()
    tokens: tuple[str, ...] = ()


Parts = tuple[Part, ...]


@dataclass(frozen=True)
class Template:
    """What a single sequence becomes, and what a pair becomes.

    Example:
        >>> template = framed((50256, "<|endoftext|>"), None)
        >>> template.added(pair=True)
        2
    """

    single: Parts
    pair: Parts

    def parts(self, *, pair: bool, special: bool) -> Parts:
        """The places in order; without the special tokens if they are not wanted."""
        parts = self.pair if pair else self.single
        return parts if special else tuple(part for part in parts if part.sequence is not None)

    def added(self, *, pair: bool) -> int:
        """How many special tokens are put in."""
        return sum(len(part.ids) for part in (self.pair if pair else self.single))


def framed(bos: tuple[int, str] | None, eos: tuple[int, str] | None) -> Template:
    """GPT-2's template: each sequence after a bos token and before an eos token, where those are asked for.

    Args:
        bos: its id and text, or None.
        eos: its id and text, or None.
    """

    def frame(sequence: int) -> Parts:
        before, after = (
            () if token is None else (Part(None, sequence, (token[0],), (token[1],)),) for token in (bos, eos)
        )
        return (*before, Part(sequence, sequence), *after)

    return Template(frame(0), frame(0) + frame(1))


def fill(parts: Parts, sequences: tuple[list[T], list[T]], special: Callable[[Part], list[T]]) -> list[T]:
    """One value for each token of the input.

    Args:
        parts: the places.
        sequences: the values of the first and second sequence's tokens.
        special: the values of a place of special tokens.
    """
    filled: list[T] = []
    for part in parts:
        filled += special(part) if part.sequence is None else sequences[part.sequence]
    return filled
