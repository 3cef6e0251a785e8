"""Which constants does the in-graph tokenizer gather from? Character classes, pretokens by their bytes, pairs.

Owns the numbers that the graph and these tables must agree on: the classes of characters, the bytes that never occur in
UTF-8 and serve as marks, the layout of table rows. Refuses frameworks: NumPy only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from .._core import unicode_ranges
from ..formats import byte_alphabet
from ..hugging_face.base_vocabulary import bytes_of
from .graph_hash import PerfectHash, fits, perfect_hash
from .graph_merges import NEVER, MergeTables, merge_tables, whole_tokens

Array = NDArray[Any]

# Classes of characters, three bits each. The bytes of a character all get its class in the end; bytes of characters
# beyond ASCII are TAIL (80-BF) or LEAD (C0-F4) at first.
LETTER, NUMBER, OTHER, BLANK, SPACE, EDGE, TAIL, LEAD = range(8)  # BLANK is " ", SPACE other white space

# No byte of F5-FF occurs in UTF-8: they are marks in the joined text, and edges to the pattern.
ROW = 0xFF  # between texts
ADDED = 0xFE  # an added token, followed by its number in octal digits
DIGIT = 0xF5  # the digit 0
ADDED_DIGITS = 5
MAX_ADDED = 8**ADDED_DIGITS

# Entries of the pretoken table that are no ids.
ROW_END, NOTHING, ADDED_MARK = -1, -2, -3

KEY_BYTES = 15  # the longest pretoken with a place in the table; its length is the sixteenth byte of the key


@final
@dataclass(frozen=True)
class ByteTables:
    """What a pair of bytes means to the pattern. The first byte of a pair is the low one of the uint16."""

    classes: Array  # uint16 [65536]: the classes of the two bytes, in two bytes
    starts: Array  # uint16 [4096]: by four classes, do the two in the middle start a pretoken? 0 or 1 in two bytes
    contraction: Array  # uint8 [65536]: how many of the two letters after ' belong to it (0, 1, 2)
    character: Array  # uint8 [last letter or number + 2]: class by code point; all above are as the last


@final
@dataclass(frozen=True, eq=False)
class GraphTables:
    """All that the graph gathers from. Compared and hashed by identity: `graph_tables` gives equal calls the same."""

    pretoken_hash: PerfectHash  # of two uint64: bytes 0-7; bytes 8-14 and the length
    pretoken_keys: Array  # int64 [slots, 2]: the two parts of the key
    pretoken_ids: Array  # int32 [slots]: id or ROW_END, NOTHING, ADDED_MARK
    pair_hash: PerfectHash  # of one unsigned integer: left << shift | right
    pairs: Array  # int32 [slots, 4 or 5]: the key (of 64 bits: left, right), rank, left threat, right threat
    ids: Array  # int64 [tokens]: id by internal number
    spelt: Mapping[int, bytes]  # by id, all entries
    end: int  # the internal number that stands after a pretoken
    longest: int  # bytes of the longest token


def graph_tables(vocab: Mapping[str, int], merges: Sequence[tuple[str, str]]) -> GraphTables:
    """The tables of a vocabulary, spelt in the byte alphabet.

    Raises:
        VocabError: the vocabulary cannot be arranged (see `merge_tables`).

    Example:
        >>> from gpt2tok._core import gpt2_vocabulary
        >>> graph_tables(*gpt2_vocabulary()).longest
        128
    """
    return _graph_tables(tuple(vocab.items()), tuple(merges))


@lru_cache(maxsize=2)
def _graph_tables(vocab: tuple[tuple[str, int], ...], merges: tuple[tuple[str, str], ...]) -> GraphTables:
    # Kept: they take half a second, and Keras makes a layer anew at every load and clone.
    tables = merge_tables(dict(vocab), merges)
    pretoken_hash, pretoken_keys, pretoken_ids = _pretoken_table(tables)
    pair_hash, pairs = _pair_table(tables)
    return GraphTables(
        pretoken_hash=pretoken_hash,
        pretoken_keys=pretoken_keys,
        pretoken_ids=pretoken_ids,
        pair_hash=pair_hash,
        pairs=pairs,
        ids=tables.ids,
        spelt={
            **{token_id: spelling(token) for token, token_id in vocab},
            **dict(zip(tables.ids.tolist(), tables.tokens, strict=True)),
        },
        end=len(tables.tokens),
        longest=tables.longest,
    )


def _pretoken_table(tables: MergeTables) -> tuple[PerfectHash, Array, Array]:
    short = np.array([n for n, token in enumerate(tables.tokens) if len(token) <= KEY_BYTES], np.int64)
    # An entry that BPE never makes of its own bytes must not be found whole.
    short = short[whole_tokens(tables, short, KEY_BYTES)]
    entries = {tables.tokens[n]: int(tables.ids[n]) for n in short}
    entries.update({bytes([digit]): NOTHING for digit in range(DIGIT, DIGIT + 8)})
    entries[bytes([ROW])] = ROW_END
    entries[bytes([ADDED])] = ADDED_MARK
    raw = b"".join(spelt.ljust(KEY_BYTES, b"\0") + bytes([len(spelt)]) for spelt in entries)
    keys = np.frombuffer(raw, "<u8").reshape(-1, 2).astype(np.uint64)
    # What is left of a pretoken when a contraction has taken its letters: length 0, and whatever byte comes next.
    keys = np.concatenate([keys, np.stack([np.arange(256), np.zeros(256)], axis=1).astype(np.uint64)])
    table = perfect_hash(keys[:, 0].copy(), keys[:, 1].copy())
    there = np.zeros((table.slots, 2), np.int64)
    there[:, 1] = -1  # no key has this
    there[table.slot_of_key] = keys.view(np.int64)
    ids = np.zeros(table.slots, np.int32)
    ids[table.slot_of_key] = [*entries.values(), *[NOTHING] * 256]
    return table, there, ids


def key_masks() -> Array:
    """By length up to KEY_BYTES + 1, which of the 16 bytes from a pretoken's start belong to its key: int64 [17, 2].

    Of an empty pretoken the first byte is left: there is a key for it whatever it is.

    Example:
        >>> [hex(mask) for mask in key_masks()[9]]
        ['-0x1', '0xff']
    """
    of = [max(length, 1) if length <= KEY_BYTES else KEY_BYTES for length in range(KEY_BYTES + 2)]
    return np.frombuffer(b"".join((b"\xff" * length).ljust(16, b"\0") for length in of), "<i8").reshape(-1, 2)


def pair_bits(end: int, pairs: int) -> int:
    """The bits of a pair key: 32 if all numbers, the end mark's too, have 16, and so many pairs find place then.

    Such arithmetic is twice as fast.

    Example:
        >>> pair_bits(end=50_256, pairs=90_000), pair_bits(end=51_256, pairs=110_000), pair_bits(end=70_000, pairs=9)
        (32, 64, 64)
    """
    return 32 if end < 1 << 16 and fits(pairs, 32) else 64


def _pair_table(tables: MergeTables) -> tuple[PerfectHash, Array]:
    bits = pair_bits(len(tables.tokens), len(tables.left))
    key = (tables.left << bits // 2 | tables.right).astype(np.uint32 if bits == 32 else np.uint64)
    table = perfect_hash(key)
    # In empty slots the ranks say NEVER, whatever key stands there.
    names = [key.view(np.int32)] if bits == 32 else [tables.left, tables.right]
    columns = [*names, tables.rank, tables.left_threat, tables.right_threat]
    rows = np.full((table.slots, len(columns)), NEVER, np.int32)
    rows[table.slot_of_key] = np.stack(columns, axis=1)
    return table, rows


@cache
def byte_tables() -> ByteTables:
    """The classes of bytes and characters, from the Unicode tables of the core.

    Example:
        >>> byte_tables().character[ord("a"):ord("d")].tolist() == [LETTER] * 3
        True
    """
    character = _character_classes()
    single = np.full(256, EDGE, np.uint8)
    single[:0x80] = character[:0x80]
    single[0x80:0xC0] = TAIL
    single[0xC0:DIGIT] = LEAD
    pair = np.arange(1 << 16)
    contraction = np.zeros(1 << 16, np.uint8)
    for letter in b"sdmt":
        contraction[pair & 0xFF == letter] = 1
    for letters in (b"ll", b"ve", b"re"):
        contraction[letters[0] | letters[1] << 8] = 2
    return ByteTables(
        classes=_two_bytes(single[pair & 0xFF], single[pair >> 8]),
        starts=_start_table(),
        contraction=contraction,
        character=character,
    )


def _character_classes() -> Array:
    ranges = {name: unicode_ranges(name) for name in ("letter", "number", "space")}
    last = max(end for listed in ranges.values() for _, end in listed)
    classes = np.full(last + 2, OTHER, np.uint8)
    for name, value in (("letter", LETTER), ("number", NUMBER), ("space", SPACE)):
        for start, end in ranges[name]:
            classes[start : end + 1] = value
    classes[0x20] = BLANK
    return classes


def _start_table() -> Array:
    """By classes before, here, next and after next: does a pretoken start here? And at the next one?

    GPT-2's pattern, contractions left out, looks at one character before and one after:
    a run of letters, numbers or others takes a blank before it along; white space goes together but for the last
    character where text follows.
    """
    index = np.arange(8**4)
    window = [index >> 9 & 7, index >> 6 & 7, index >> 3 & 7, index & 7]
    white = [(c == BLANK) | (c == SPACE) for c in window]
    columns = []
    for i in (1, 2):
        before, here = window[i - 1], window[i]
        text = (before != here) & (before != BLANK)
        space = ~white[i - 1] | ~(white[i + 1] | (window[i + 1] == EDGE))
        columns.append((here == EDGE) | (before == EDGE) | np.where(white[i], space, text))
    return _two_bytes(*columns)


def _two_bytes(first: Array, second: Array) -> Array:
    return np.stack([first, second], axis=1).astype(np.uint8).view("<u2").astype(np.uint16).ravel()


def spelling(token: str) -> bytes:
    """The bytes of a token in the byte alphabet; one with other characters is text that stands for itself.

    Example:
        >>> spelling("\u0120the"), spelling("the moon")
        (b' the', b'the moon')
    """
    return bytes_of(token) if _in_alphabet(token) else token.encode()


def _in_alphabet(token: str) -> bool:
    return all(char in _alphabet() for char in token)


@cache
def _alphabet() -> frozenset[str]:
    return frozenset(byte_alphabet().values())


def added_mark(number: int) -> bytes:
    """The bytes that stand for an added token in the joined text.

    Example:
        >>> added_mark(10).hex()
        'fef5f5f5f6f7'
    """
    digits = [number >> 3 * place & 7 for place in reversed(range(ADDED_DIGITS))]
    return bytes([ADDED, *(DIGIT + digit for digit in digits)])
