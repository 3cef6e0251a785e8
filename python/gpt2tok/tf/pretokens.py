"""Where do pretokens start? GPT-2's pattern over whole batches at once, without a regular expression.

Owns the way from a vector of strings to the pretokens' places in one joined text: bytes, classes, starts. Refuses to
know ids (`merging.py`) and rows of results (`dense.py`).

The texts are joined with the byte FF, which UTF-8 never holds, and everything after that is arithmetic on whole
vectors. Measured on one core, a gather costs 4.3 ns an element, `where` 2.5, `cumsum` 6, plain arithmetic on bytes 0.2;
RE2 takes 150 ns a match. So there are few gathers: classes come two bytes at a time from a table of 65,536, and whether
a pretoken starts comes two characters at a time from a table of 4,096.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, final

import numpy as np
import tensorflow as tf

from .branches import either, traced
from .graph_tables import ADDED_DIGITS, EDGE, LEAD, ROW, SPACE, TAIL, byte_tables

Tensor = Any

_FRONT = bytes([ROW]) * 8
# Eight shifted copies lose up to 15 bytes, the last start has no end, and a key reads 16 bytes from its start.
_BACK = bytes([ROW]) * 48
_TAIL_STARTS = 16
# Places 0 and 1 have no window. The row mark after which the first text comes:
FIRST_ROW = len(_FRONT) - 1 - 2

_UTF8 = r"[\x{0}-\x{D7FF}\x{E000}-\x{10FFFF}]*"


@final
class Pretokens:
    """The places of pretokens in joined texts.

    Attributes:
        words: int64 [8 * n], machine words: the eight bytes from place p are words[(p & 7) * n + (p >> 3)].
        start: int64 [pretokens], places. Row marks and added tokens' marks are pretokens of one byte.
        end: int64 [pretokens]
        head: int64 [pretokens], the eight bytes from the start, whatever the length.
        raw: uint8 [8 * n], the joined text.
    """

    def __init__(self, words: Tensor, start: Tensor, end: Tensor, head: Tensor) -> None:
        self.words, self.start, self.end, self.head = words, start, end, head

    @property
    def raw(self) -> Tensor:
        return _bytes(self.words)


def at(words: Tensor, place: Tensor) -> Tensor:
    """The eight bytes from each place, the first one lowest: int64 like `place`."""
    length = tf.size(words, out_type=tf.int64) // 8
    return tf.gather(
        words, tf.bitwise.bitwise_and(place, 7) * length + tf.bitwise.right_shift(place, _i64(3))
    )


def places(mask: Tensor) -> Tensor:
    """Where a vector is true or not 0: int64, ascending. (`tf.boolean_mask` would take ten nodes for two.)"""
    return tf.reshape(tf.where(mask), [-1])


def valid_utf8(texts: Tensor) -> Tensor:
    """bool, like `texts`: is this UTF-8, as Python's strict decoder has it?"""
    return tf.strings.regex_full_match(texts, _UTF8)


def as_utf8(texts: Tensor) -> Tensor:
    """The texts with U+FFFD where they are no UTF-8, as Python's `decode(errors="replace")` puts it."""
    # TensorFlow's own default replacement character is U+FFFD.
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")


def find_pretokens(texts: Tensor, marks: Tensor | None, errors: str) -> Pretokens:
    """The pretokens of a batch.

    Args:
        texts: string [batch], bytes. UTF-8 throughout if there are marks.
        marks: int, how many added tokens' marks the texts hold; None if none ever.
        errors: "replace" or "strict", for what is no UTF-8.
    """
    words, classes, cut = _read(texts)
    marks_found = tf.math.count_nonzero(classes == EDGE, dtype=tf.int32)
    # More bytes F5-FF than were put in: a text holds some.
    marks_made = len(_FRONT) + len(_BACK) - cut + tf.maximum(tf.size(texts) - 1, 0)
    if marks is not None:
        marks_made += marks * (1 + ADDED_DIGITS)

    def beyond_ascii() -> tuple[Tensor, Tensor]:
        valid, filled = _beyond_ascii().character_classes(words, classes)

        def mended() -> tuple[Tensor, Tensor]:
            again, fresh, _ = _read(refuse(texts) if errors == "strict" else as_utf8(texts))
            return again, _beyond_ascii().character_classes(again, fresh)[1]

        sound, known = either(valid & (marks_found == marks_made), lambda: (words, filled), mended)
        wide_space = tf.reduce_any((known == SPACE) & (_bytes(sound) >= 0x80))
        return sound, either(
            ~wide_space, lambda: _beyond_ascii().starts(known), lambda: _starts_of_characters(sound, known)
        )

    plain = (tf.reduce_max(classes) < TAIL) & (marks_found == marks_made)
    words, start = either(plain, lambda: (words, _starts(classes)), beyond_ascii)
    start, head = _contractions(words, start)
    return Pretokens(words, start[:-_TAIL_STARTS], start[1 : 1 - _TAIL_STARTS], head[: 1 - _TAIL_STARTS])


class _Constants(NamedTuple):
    classes: Tensor
    starts: Tensor
    contraction: Tensor
    character: Tensor


@cache
def _constants() -> _Constants:
    """The tables as eager tensors: graphs capture them, so a SavedModel has each once."""
    with tf.init_scope(), tf.device("/CPU:0"):
        tables = byte_tables()
        return _Constants(*(tf.constant(getattr(tables, name)) for name in _Constants._fields))


class _BeyondAscii(NamedTuple):
    character_classes: Any
    starts: Any


@cache
def _beyond_ascii() -> _BeyondAscii:
    """What several rare branches need, as functions: a saved graph has the nodes of each once."""
    words, classes = tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.uint8)
    return _BeyondAscii(traced(_character_classes, words, classes), traced(_starts, classes))


def _i64(value: int) -> Tensor:
    return tf.constant(value, tf.int64)


def _read(texts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The joined text as words at every place, int64 [8 * n], the classes of its bytes, uint8 [8 * n], and how many
    bytes at its end are left out."""
    joined = tf.strings.join([_FRONT, tf.strings.reduce_join(texts, separator=bytes([ROW])), _BACK])
    whole = tf.strings.length(joined)
    length = tf.bitwise.bitwise_and(whole - 8, -8)
    shifted = tf.strings.substr(tf.fill([8], joined), tf.range(8), tf.fill([8], length))
    words = tf.io.decode_raw(shifted, tf.int64)  # [8, n]
    pairs = tf.cast(tf.reshape(tf.bitcast(words[0], tf.uint16), [-1]), tf.int32)  # [4 * n]
    # Rows of two bytes would be moved by memcpy, twice as slow as numbers of two bytes.
    classes = tf.bitcast(tf.gather(_constants().classes, pairs), tf.uint8)  # [4 * n, 2]
    return tf.reshape(words, [-1]), tf.reshape(classes, [-1]), whole - length


def refuse(texts: Tensor) -> Tensor:
    """Fails, naming the first text that is no UTF-8."""
    bad = places(~valid_utf8(texts))
    message = "not valid UTF-8 (give valid text, or build the tokenizer with errors='replace'); number in the batch:"
    with tf.control_dependencies([tf.debugging.Assert(tf.size(bad) == 0, [message, bad[:1]])]):
        return tf.identity(texts)


def _starts(classes: Tensor) -> Tensor:
    """The places at which pretokens start by the classes before, here and next. int64, ascending.

    Args:
        classes: uint8 [even], opening and closing with EDGE.
    """
    pairs = tf.cast(tf.bitcast(tf.reshape(classes, [-1, 2]), tf.uint16), tf.int32)
    first = tf.bitwise.bitwise_and(pairs, 7)
    second = tf.bitwise.right_shift(pairs, 8)
    window = second[:-2] * 512 + (first * 64 + second * 8)[1:-1] + first[2:]
    starts = tf.bitcast(tf.gather(_constants().starts, window), tf.uint8)  # [even / 2 - 2, 2]
    return places(tf.reshape(starts, [-1])) + 2


def _starts_of_characters(words: Tensor, classes: Tensor) -> Tensor:
    """The same where white space has several bytes and a byte alone cannot see its neighbours."""
    place = places(tf.bitwise.bitwise_and(_bytes(words), 0xC0) != 0x80)
    place = place[: tf.size(place) // 2 * 2]
    return tf.gather(place, _beyond_ascii().starts(tf.gather(classes, place)))


def _bytes(words: Tensor) -> Tensor:
    return tf.reshape(tf.bitcast(words[: tf.size(words) // 8], tf.uint8), [-1])


def _character_classes(words: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Whether all is UTF-8, and the classes with every byte of a character of class `character[code point]`."""
    place = places(classes == LEAD)
    head = tf.cast(at(words, place), tf.int32)  # the four lowest bytes
    lead, second, third, fourth = (
        tf.bitwise.bitwise_and(_shifted(head, 8 * i), 0x3F if i else 0xFF) for i in range(4)
    )
    three, four = lead >= 0xE0, lead >= 0xF0

    def by_length(of_two: Tensor, of_three: Tensor, of_four: Tensor) -> Tensor:
        return tf.where(four, of_four, tf.where(three, of_three, of_two))

    two_bytes = tf.bitwise.bitwise_and(lead, 0x1F) * 64 + second
    three_bytes = (tf.bitwise.bitwise_and(lead, 0x0F) * 64 + second) * 64 + third
    four_bytes = three_bytes * 64 + fourth  # leads end at F4
    code = by_length(two_bytes, three_bytes, four_bytes)

    # Tails where there must be some, and no others; no overlong forms, no surrogates, nothing past the end.
    tail_bits = by_length(
        *(tf.constant(bits - (1 << 32) if bits >> 31 else bits) for bits in (0xC000, 0xC0C000, 0xC0C0C000))
    )
    tails = tf.bitwise.bitwise_and(tail_bits, _i32(0x80808080))
    sound = tf.bitwise.bitwise_and(head, tail_bits) == tails
    sound &= (code >= by_length(0x80, 0x800, 0x10000)) & (code <= 0x10FFFF)
    sound &= tf.bitwise.right_shift(code, 11) != 0x1B
    count = tf.size(place) + _count(three) + _count(four)
    valid = tf.reduce_all(sound) & (_count(classes == TAIL) == count)

    known = tf.gather(_constants().character, tf.minimum(code, len(byte_tables().character) - 1))
    filled = tf.where(classes >= TAIL, tf.constant(0, tf.uint8), classes)
    filled = tf.tensor_scatter_nd_update(filled, place[:, None], known)
    is_tail = tf.cast(classes == TAIL, tf.uint8) * tf.constant(7, tf.uint8)
    for _ in range(3):
        before = tf.concat([tf.constant([EDGE], tf.uint8), filled[:-1]], 0)
        filled = tf.bitwise.bitwise_or(filled, tf.bitwise.bitwise_and(before, is_tail))
    return valid, filled


def _contractions(words: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Gives 's 'd 'm 't 'll 've 're the letters that belong to them, and reads the head of each pretoken.

    An apostrophe that starts a pretoken is one alone if letters follow, and they start the next. That one loses as many
    as the contraction takes, perhaps all: a pretoken of no bytes has no ids.
    """
    head = at(words, start[:-1])
    apostrophe = tf.bitwise.bitwise_and(head, 0xFF) == ord("'")

    def moved() -> tuple[Tensor, Tensor]:
        which = places(apostrophe)
        letters = tf.bitwise.bitwise_and(tf.bitwise.right_shift(tf.gather(head, which), _i64(8)), 0xFFFF)
        after = which + 1
        place = tf.gather(start, after) + tf.cast(tf.gather(_constants().contraction, letters), tf.int64)
        fresh = at(words, place)
        return (
            tf.tensor_scatter_nd_update(start, after[:, None], place),
            tf.tensor_scatter_nd_update(head, after[:, None], fresh),
        )

    return tf.cond(tf.reduce_any(apostrophe), moved, lambda: (start, head))


def _shifted(value: Tensor, bits: int) -> Tensor:
    return tf.bitwise.right_shift(value, bits) if bits else value


def _i32(bits: int) -> Tensor:
    return tf.constant(np.uint32(bits).astype(np.int32))


def _count(mask: Tensor) -> Tensor:
    return tf.math.count_nonzero(mask, dtype=tf.int32)
