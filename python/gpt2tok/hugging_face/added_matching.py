"""Where in a text do the added tokens stand? The plain Python answer; the Rust core has its own.

Owns Hugging Face's matching rules (the longest token at the leftmost place; `single_word`, `lstrip`,
`rstrip`; tokens that are not normalized first). Refuses to encode what lies between.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from functools import cache

from .._core import unicode_ranges
from .added_tokens import AddedToken

Stretch = tuple[int, int, int | None]  # start, end, and the added token's id or None for text


class AddedMatcher:
    """Cuts texts at a fixed set of added tokens. Immutable. Final.

    Example:
        >>> matcher = AddedMatcher([(7, AddedToken("<x>", rstrip=True))])
        >>> matcher.split("a <x> b", split_special=False)
        [(0, 2, None), (2, 6, 7), (6, 7, None)]
    """

    def __init__(self, tokens: Iterable[tuple[int, AddedToken]]) -> None:
        tokens = list(tokens)
        verbatim = [(token_id, token) for token_id, token in tokens if not token.normalized]
        normalized = [(token_id, token) for token_id, token in tokens if token.normalized]
        self._passes = [_Finder(group) for group in (verbatim, normalized) if group]

    def split(self, text: str, *, split_special: bool) -> list[Stretch]:
        """The text as stretches in order; with `split_special`, special tokens count as text."""
        stretches: list[Stretch] = [(0, len(text), None)] if text else []
        for finder in self._passes:
            after: list[Stretch] = []
            for start, end, token_id in stretches:
                if token_id is None:
                    # Each pass sees a stretch of text alone: its edges are the edges of the world for `single_word`.
                    after.extend(finder.split(text[start:end], start, split_special))
                else:
                    after.append((start, end, token_id))
            stretches = after
        return stretches


class _Finder:
    """One pass: tokens by their first character, then by length, so that many tokens cost no more than a few."""

    def __init__(self, tokens: list[tuple[int, AddedToken]]) -> None:
        self._tokens = {token.content: (token_id, token) for token_id, token in tokens}
        lengths: dict[str, set[int]] = {}
        for content in self._tokens:
            lengths.setdefault(content[0], set()).add(len(content))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}
        self._first = re.compile("[" + "".join(re.escape(first) for first in lengths) + "]")

    def split(self, text: str, origin: int, split_special: bool) -> list[Stretch]:
        stretches: list[Stretch] = []
        done = 0  # everything before is in `stretches`
        at = 0
        space_end = 0  # Of the run of white space that was walked through last: once, whatever stands in it.
        while candidate := self._first.search(text, at):
            start = candidate.start()
            end = self._longest(text, start)
            if end is None:
                at = start + 1
                continue
            # A match that a rule forbids still hides what it covers; white space taken below hides nothing.
            at = end
            token_id, token = self._tokens[text[start:end]]
            if (split_special and token.special) or (token.single_word and _touches_word(text, start, end)):
                continue
            if token.lstrip:
                start = _space_before(text, done, start)
            if token.rstrip:
                if end > space_end:
                    space_end = _space_after(text, end)
                end = space_end
            if start >= end:
                continue  # All of it is white space that the token before has taken.
            if done < start:
                stretches.append((origin + done, origin + start, None))
            stretches.append((origin + start, origin + end, token_id))
            done = end
        if done != len(text):
            stretches.append((origin + done, origin + len(text), None))
        return stretches

    def _longest(self, text: str, start: int) -> int | None:
        for length in self._lengths[text[start]]:
            end = start + length
            if end <= len(text) and text[start:end] in self._tokens:
                return end
        return None


def _touches_word(text: str, start: int, end: int) -> bool:
    return (start > 0 and _is_word(text[start - 1])) or (end < len(text) and _is_word(text[end]))


def _space_before(text: str, done: int, at: int) -> int:
    """Where the white space that ends at `at` begins, but for what is done."""
    space = _white_space()
    while at > done and text[at - 1] in space:
        at -= 1
    return max(at, done)


def _space_after(text: str, at: int) -> int:
    """Where the white space that begins at `at` ends."""
    space = _white_space()
    while at < len(text) and text[at] in space:
        at += 1
    return at


@cache
def _white_space() -> frozenset[str]:
    # White_Space, which is not what str.isspace() means: U+001C to U+001F are not in it.
    return frozenset(chr(c) for first, last in unicode_ranges("space") for c in range(first, last + 1))


@cache
def _word_ranges() -> list[tuple[int, int]]:
    return unicode_ranges("word")


def _is_word(char: str) -> bool:
    r"""Whether `\w` of Rust's regex library holds, in the core's own Unicode, whatever the interpreter's."""
    code = ord(char)
    ranges = _word_ranges()
    at = bisect.bisect_right(ranges, (code, 0x110000)) - 1
    return at >= 0 and code <= ranges[at][1]
