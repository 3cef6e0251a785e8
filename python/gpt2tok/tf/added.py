"""Where in the texts do added tokens stand? Hugging Face's rules for `AddedToken`, in the graph.

Owns the search (the longest token at the leftmost place; `single_word`, `lstrip`, `rstrip`; tokens that are not
normalized first) and the prefix space. Puts a mark of bytes that UTF-8 never holds in the place of each token; the
rest of the graph sees only marks. Refuses to know ids.

A text is cut at every match of one alternation, longest first, and put together again. Texts without a match pay for
one search, which RE2 begins at the first byte of a token.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

from .._core import unicode_ranges
from ..hugging_face.added_matching import _is_word
from ..hugging_face.added_tokens import AddedToken
from .branches import either
from .graph_tables import ROW, added_mark
from .pretokens import as_utf8, refuse, valid_utf8

Tensor = Any

_CUT = bytes([ROW])


class AddedFinder:
    """Puts marks for added tokens into texts. Immutable. Final.

    Args:
        tokens: the mark of a token bears its place in this list.
        split_special: leave special tokens in the text.
        prefix_space: put a space before each piece of text that does not begin with one.
        errors: "replace" or "strict".
    """

    def __init__(
        self, tokens: Sequence[AddedToken], *, split_special: bool, prefix_space: bool, errors: str
    ) -> None:
        self._split_special, self._prefix_space, self._errors = split_special, prefix_space, errors
        numbered = list(enumerate(tokens))
        verbatim = [(number, token) for number, token in numbered if not token.normalized]
        normalized = [(number, token) for number, token in numbered if token.normalized]
        # A group of which nothing may match needs no pass.
        self._passes = [
            group
            for group in (verbatim, normalized)
            if any(not (split_special and token.special) for _, token in group)
        ]

    @property
    def makes_marks(self) -> bool:
        return bool(self._passes)

    def __call__(self, texts: Tensor) -> tuple[Tensor, Tensor | None]:
        """The texts with marks, string [batch], and how many marks there are; None if there never are any."""
        if not self._passes:
            return self._spaced(texts), None

        pattern = _alternation(token for group in self._passes for _, token in group)
        # Cheaper than asking for a match: the text without its tokens is shorter.
        bare = tf.strings.regex_replace(texts, pattern, "")
        none_there = tf.reduce_all(tf.strings.length(bare) == tf.strings.length(texts))
        return either(none_there, lambda: (self._spaced(texts), tf.constant(0)), lambda: self._marked(texts))

    def _marked(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        make_valid = refuse if self._errors == "strict" else as_utf8
        pieces = tf.cond(tf.reduce_all(valid_utf8(texts)), lambda: texts, lambda: make_valid(texts))
        rows = tf.range(tf.size(texts))
        count = tf.constant(0)
        for group in self._passes:
            pieces, rows, found = self._pass(pieces, rows, group)
            count += found
        return tf.strings.unsorted_segment_join(self._spaced(pieces), rows, tf.size(texts)), count

    def _spaced(self, pieces: Tensor) -> Tensor:
        # `[^ ]` is a whole character, so that it never matches a mark.
        return tf.strings.regex_replace(pieces, r"\A([^ ])", r" \1") if self._prefix_space else pieces

    def _pass(
        self, pieces: Tensor, rows: Tensor, group: list[tuple[int, AddedToken]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cuts the tokens of a group out of the pieces: more pieces, their rows, and how many tokens were found."""
        pattern = _alternation(token for _, token in group)
        cut = tf.strings.regex_replace(pieces, pattern, _CUT + rb"\0" + _CUT)
        split = tf.strings.split(cut, _CUT)
        parts = split.values
        # text, match, text, match, text: each piece of text is there, be it empty.
        is_match = tf.bitwise.bitwise_and(tf.ragged.range(split.row_lengths()).values, 1) == 1
        origin = split.value_rowids()
        # Which token each match is: [parts, tokens].
        token_is = is_match[:, None] & (parts[:, None] == _bytes_of([token.content for _, token in group]))

        def said(flags: Iterable[bool]) -> Tensor:
            return tf.reduce_any(token_is & tf.constant([list(flags)]), axis=1)

        accepted = is_match & ~said(self._split_special and token.special for _, token in group)
        if any(token.single_word for _, token in group):
            accepted &= ~(said(token.single_word for _, token in group) & _touches_word(parts, origin))
        if any(token.lstrip for _, token in group):
            taken = accepted & said(token.lstrip for _, token in group)
            parts = _stripped(parts, ~is_match & tf.concat([taken[1:], [False]], 0), f"{_white()}*\\z")
        if any(token.rstrip for _, token in group):
            taken = accepted & said(token.rstrip for _, token in group)
            parts = _stripped(parts, ~is_match & tf.concat([[False], taken[:-1]], 0), f"\\A{_white()}*")
        marks = tf.constant([added_mark(number) for number, _ in group])
        mark = tf.gather(marks, tf.argmax(tf.cast(token_is, tf.uint8), axis=1))
        parts, origin = _rejoined(tf.where(accepted, mark, parts), origin, accepted)
        return parts, tf.gather(rows, origin), tf.math.count_nonzero(accepted, dtype=tf.int32)


def _rejoined(parts: Tensor, origin: Tensor, accepted: Tensor) -> tuple[Tensor, Tensor]:
    """Matches that a rule forbids are text after all, one piece with the text around them."""
    size = tf.size(parts)
    other_origin = tf.concat([[True], origin[1:] != origin[:-1]], 0)[:size]
    first = accepted | other_origin | tf.concat([[False], accepted[:-1]], 0)[:size]
    piece = tf.cumsum(tf.cast(first, tf.int32)) - 1
    joined = tf.strings.unsorted_segment_join(parts, piece, tf.math.count_nonzero(first, dtype=tf.int32))
    return joined, tf.boolean_mask(origin, first)


def _alternation(tokens: Iterable[AddedToken]) -> str:
    """One regular expression for all: RE2 takes the first that matches, so the longest come first."""
    contents = sorted({token.content for token in tokens}, key=lambda content: -len(content.encode()))
    return "|".join("".join(map(_escaped, content)) for content in contents)


def _escaped(char: str) -> str:
    return char if char.isalnum() and char.isascii() else f"\\x{{{ord(char):x}}}"


def _stripped(parts: Tensor, which: Tensor, pattern: str) -> Tensor:
    return tf.where(which, tf.strings.regex_replace(parts, pattern, ""), parts)


def _touches_word(parts: Tensor, origin: Tensor) -> Tensor:
    """For each match: is there a word character right before or after it, in its own piece?

    Between two matches without text between them, the neighbour is the other match.
    """
    empty = tf.constant([b""])

    def neighbour(step: int) -> Tensor:
        def moved(values: Tensor, fill: Tensor, by: int) -> Tensor:
            for _ in range(by):
                values = tf.concat([fill, values[:-1]], 0) if step < 0 else tf.concat([values[1:], fill], 0)
            return values

        near, far = moved(parts, empty, 1), moved(parts, empty, 2)
        far_origin = moved(origin, tf.constant([-1], origin.dtype), 2)
        return tf.where((near == b"") & (far_origin == origin), far, near)

    before = tf.strings.regex_full_match(neighbour(-1), f"(?s).*[{_word()}]")
    after = tf.strings.regex_full_match(neighbour(1), f"(?s)[{_word()}].*")
    return before | after


def _bytes_of(contents: list[str]) -> Tensor:
    # As objects: NumPy's own byte strings lose NULs at their ends.
    return tf.constant(np.array([content.encode() for content in contents], object), tf.string)


@cache
def _white() -> str:
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in unicode_ranges("space")) + "]"


@cache
def _word() -> str:
    """The characters of `\\w` as ranges. Takes half a second, and is asked for only by `single_word`."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if 0xD800 <= code < 0xE000 or not _is_word(chr(code)):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)
