"""Where in the texts do added tokens stand? Hugging Face's rules for `AddedToken`, in the graph.

Owns the search (the longest token at the leftmost place; `single_word`, `lstrip`, `rstrip`; tokens that are not
normalized first) and the prefix space. Puts a mark of bytes that UTF-8 never holds in the place of each token; the
rest of the graph sees only marks. Refuses to know ids.

A text is cut at every match of one alternation and put together again. Texts without a match pay for one search, which
RE2 begins at the first byte of a token. Refuses more tokens than RE2 has room for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Literal, final

import numpy as np
import tensorflow as tf

from .._core import SpecialTokenError, unicode_ranges
from ..hugging_face.added_tokens import AddedToken
from .branches import either
from .graph_tables import ADDED, ROW, added_mark
from .pretokens import as_utf8, places, refuse, valid_utf8

Tensor = Any

_CUT = bytes([ROW])
_REPLACEMENT = "\ufffd"


@final
class AddedFinder:
    """Puts marks for added tokens into texts. Immutable.

    Args:
        tokens: the mark of a token bears its place in this list.
        split_special: leave special tokens in the text.
        prefix_space: put a space before each stretch of text that does not begin with one.
        errors: "replace" or "strict".

    Raises:
        SpecialTokenError: there are more tokens, or longer ones, than RE2 makes one search of.
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
        self._pattern = _alternation(token for group in self._passes for _, token in group)
        _check_room(self._pattern, len(tokens))
        # What is mended to U+FFFD may be a token then, or a part of one.
        self._mend_first = errors == "replace" and _REPLACEMENT in "".join(
            token.content for group in self._passes for _, token in group
        )

    @property
    def makes_marks(self) -> bool:
        return bool(self._passes)

    def __call__(self, texts: Tensor) -> tuple[Tensor, Tensor | None]:
        """The texts with marks, string [batch], and how many marks there are; None if there never are any."""
        if not self._passes:
            return self._spaced(texts, marked=False), None

        if self._mend_first:
            texts = self._valid(texts)
        # Cheaper than asking for a match: the text without its tokens is shorter.
        bare = tf.strings.regex_replace(texts, self._pattern, "")
        none_there = tf.reduce_all(tf.strings.length(bare) == tf.strings.length(texts))
        return either(
            none_there,
            lambda: (self._spaced(texts, marked=False), tf.constant(0)),
            lambda: self._marked(texts),
        )

    def _valid(self, texts: Tensor) -> Tensor:
        make_valid = refuse if self._errors == "strict" else as_utf8
        return tf.cond(tf.reduce_all(valid_utf8(texts)), lambda: texts, lambda: make_valid(texts))

    def _marked(self, texts: Tensor) -> tuple[Tensor, Tensor]:
        stretches = self._valid(texts)  # string [stretches], at first one for each text
        rows = tf.range(tf.size(texts))
        count = tf.constant(0)
        for group in self._passes:
            stretches, rows, found = self._pass(stretches, rows, group)
            count += found
        spaced = self._spaced(stretches, marked=True)
        return tf.strings.unsorted_segment_join(spaced, rows, tf.size(texts)), count

    def _spaced(self, stretches: Tensor, *, marked: bool) -> Tensor:
        """With a space before each that opens without one; `marked`: a stretch may be a mark, which gets none.

        By bytes, not by RE2: it sees no character where a text is no UTF-8.
        """
        if not self._prefix_space:
            return stretches
        first = tf.strings.substr(stretches, 0, 1)
        as_it_is = (first == b"") | (first == b" ")
        if marked:
            as_it_is |= first == bytes([ADDED])
        return tf.where(as_it_is, stretches, tf.strings.join([" ", stretches]))

    def _pass(
        self, stretches: Tensor, rows: Tensor, group: list[tuple[int, AddedToken]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cuts the tokens of a group out: more stretches, their rows, and how many tokens were found."""
        tokens = [token for _, token in group]
        cut = tf.strings.regex_replace(stretches, _alternation(tokens), _CUT + rb"\0" + _CUT)  # [stretches]
        split = tf.strings.split(cut, _CUT)  # [stretches, None]
        parts, origin = split.values, split.value_rowids()  # [parts], as is all until they are rejoined
        # text, match, text, match, text: each stretch of text is there, be it empty.
        is_match = tf.bitwise.bitwise_and(tf.ragged.range(split.row_lengths()).values, 1) == 1
        which = _index_of(parts, [token.content for token in tokens])  # of texts, any

        def said(flags: Iterable[bool], which: Tensor) -> Tensor:
            return tf.gather(tf.constant(list(flags)), which)

        accepted = is_match & ~said((self._split_special and token.special for token in tokens), which)
        if any(token.single_word for token in tokens):
            accepted &= ~(said((token.single_word for token in tokens), which) & _touches_word(parts, origin))
        parts, kept = _rejoined(parts, origin, accepted)  # [fewer parts]
        origin, which, accepted = (tf.gather(x, kept) for x in (origin, which, accepted))

        lefts = accepted & said((token.lstrip for token in tokens), which)
        rights = accepted & said((token.rstrip for token in tokens), which)
        blanks = [token.lstrip and _is_white(token.content) for token in tokens]
        if any(blanks) and any(token.rstrip for token in tokens):
            taken, rights = _taken_by_the_one_before(
                parts, origin, lefts & said(blanks, which), rights, accepted
            )
            accepted, lefts = accepted & ~taken, lefts & ~taken
            parts = tf.where(taken, "", parts)
        if any(token.lstrip for token in tokens):
            parts = _stripped(parts, ~accepted & tf.concat([lefts[1:], [False]], 0), f"{_white()}*\\z")
        if any(token.rstrip for token in tokens):
            parts = _stripped(parts, ~accepted & tf.concat([[False], rights[:-1]], 0), f"\\A{_white()}*")
        mark = tf.gather(tf.constant([added_mark(number) for number, _ in group]), which)
        parts = tf.where(accepted, mark, parts)
        return parts, tf.gather(rows, origin), tf.math.count_nonzero(accepted, dtype=tf.int32)


def _rejoined(parts: Tensor, origin: Tensor, accepted: Tensor) -> tuple[Tensor, Tensor]:
    """Matches that a rule forbids are text after all, one part with the text around them; and which parts stay.

    What they cover stays hidden from other tokens, as in Hugging Face's libraries: nothing is searched a second time.
    """
    size = tf.size(parts)
    other_origin = tf.concat([[True], origin[1:] != origin[:-1]], 0)[:size]
    first = accepted | other_origin | tf.concat([[False], accepted[:-1]], 0)[:size]
    new = tf.cumsum(tf.cast(first, tf.int32)) - 1
    joined = tf.strings.unsorted_segment_join(parts, new, tf.math.count_nonzero(first, dtype=tf.int32))
    return joined, places(first)


def _taken_by_the_one_before(
    parts: Tensor, origin: Tensor, blank: Tensor, rights: Tensor, accepted: Tensor
) -> tuple[Tensor, Tensor]:
    """Tokens of white space that strip to the left may be gone before their turn comes.

    A token that strips to the right takes all white space, that of later matches too. Of a match that strips to the
    left, nothing is left then; others are found all the same.

    Args:
        parts: string [parts], in each origin text, match, text, match, text.
        origin: int [parts].
        blank: bool [parts], the matches that may be gone.
        rights: bool [parts], the matches that strip to the right.
        accepted: bool [parts], all matches.

    Returns:
        Which matches are gone, and after which ones the text loses the white space that it begins with.
    """
    match = places(accepted)
    text_before = tf.gather(parts, tf.maximum(match - 1, 0))
    goes_on = tf.strings.regex_full_match(text_before, f"{_white()}*")
    same_row = tf.concat([[False], tf.gather(origin, match[1:]) == tf.gather(origin, match[:-1])], 0)[
        : tf.size(match)
    ]
    depends = (
        tf.gather(blank, match) & goes_on & same_row
    )  # gone if the match before strips or is gone itself
    strips = tf.gather(rights, match)
    settled = strips | ~depends
    last_settled = tf.gather(places(settled), tf.cumsum(tf.cast(settled, tf.int32)) - 1)
    strips = tf.gather(strips, last_settled)
    gone = depends & tf.concat([[False], strips], 0)[:-1]
    of_part = tf.cumsum(tf.cast(accepted, tf.int32)) * tf.cast(accepted, tf.int32)  # 0: no match
    gone, strips = (tf.gather(tf.concat([[False], flags], 0), of_part) for flags in (gone, strips))
    return gone, strips


def _index_of(parts: Tensor, contents: list[str]) -> Tensor:
    """Which of the contents each part is, int64, if it is one: by fingerprints, since there may be thousands."""
    with tf.init_scope(), tf.device("/CPU:0"):
        given = _bytes_of(contents)
        buckets = (1 << 63) - 1
        while len(set((prints := tf.strings.to_hash_bucket_fast(given, buckets).numpy()).tolist())) < len(
            contents
        ):
            buckets -= 1
    order = np.argsort(prints)
    found = tf.strings.to_hash_bucket_fast(parts, buckets)
    place = tf.raw_ops.LowerBound(sorted_inputs=tf.constant(prints[order])[None, :], values=found[None, :])[0]
    return tf.gather(tf.constant(order), tf.minimum(place, len(contents) - 1))


def _alternation(tokens: Iterable[AddedToken]) -> str:
    """One regular expression for all.

    RE2 takes the first that matches: backwards by the alphabet, a token comes before those that begin it, and those
    that begin alike stand together, which RE2 makes one of.
    """
    contents = sorted({token.content for token in tokens}, reverse=True)
    return "|".join("".join(map(_escaped, content)) for content in contents)


def _check_room(pattern: str, tokens: int) -> None:
    with tf.init_scope(), tf.device("/CPU:0"):
        try:
            tf.strings.regex_replace(tf.constant([""]), pattern, "")
        except tf.errors.InvalidArgumentError:
            raise SpecialTokenError(
                f"{tokens} added tokens are too long together for the search in the graph, one regular expression that"
                " may take 8 MB: add fewer, train them into the vocabulary, or use GPT2TokenizerFast"
            ) from None


def _escaped(char: str) -> str:
    return char if char.isalnum() and char.isascii() else f"\\x{{{ord(char):x}}}"


def _stripped(parts: Tensor, which: Tensor, pattern: str) -> Tensor:
    return tf.where(which, tf.strings.regex_replace(parts, pattern, ""), parts)


def _touches_word(parts: Tensor, origin: Tensor) -> Tensor:
    """For each match: is there a word character right before or after it, in its own stretch?

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

    before = tf.strings.regex_full_match(neighbour(-1), f"(?s).*[{_ranges('word')}]")
    after = tf.strings.regex_full_match(neighbour(1), f"(?s)[{_ranges('word')}].*")
    return before | after


def _bytes_of(contents: list[str]) -> Tensor:
    # As objects: NumPy's own byte strings lose NULs at their ends.
    return tf.constant(np.array([content.encode() for content in contents], object), tf.string)


@cache
def _white() -> str:
    return f"[{_ranges('space')}]"


def _is_white(content: str) -> bool:
    return all(any(first <= ord(char) <= last for first, last in unicode_ranges("space")) for char in content)


@cache
def _ranges(name: Literal["space", "word"]) -> str:
    """A class of the core's Unicode tables, for RE2, whose own tables are older."""
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in unicode_ranges(name))
