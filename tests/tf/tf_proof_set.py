"""Which texts must the in-graph tokenizer get right? The proof set, and the comparison with tiktoken.

Owns the texts and how batches are compared. Refuses to build tokenizers.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tiktoken

# White space of all kinds and widths, the letters of contractions, marks, digits and letters of 1 to 4 bytes.
NASTY = " \n\t'slervA1_\0\u00a0\u0085\u2003\u001c\u0301\u00b2\u0663\U0001f600\u4e2d\u00e9"

NAMED = [
    "",
    " ",
    "a\n\nb",
    "a\0b",
    "\0\0 \0",
    "\u00a0\u00a0x\u00a0 y",
    "\u0085a\u0085\u0085",
    "a\u2003b  \u2003",
    "\u096c\u096c x\u096c",
    "\n 's 't\n's \t'll",
    "it's we'll they've I'd I'm you're 'S 'LL ''s '''s 's's x'ss 'reve",
    "\ufeffBOM \ufffd \U0010ffff \ufdd0",
    "x" * 70 + " " * 70 + "\n" * 70 + "=" * 70 + "中" * 40,
    "aa" * 999 + "ab" * 999 + "aab" * 500,
]


def bad_bytes(count: int = 3000) -> list[bytes]:
    """Byte strings that are mostly no UTF-8: chance, and the classic mistakes."""
    chance = random.Random(5)
    special = [
        0x20,
        0x27,
        0x41,
        0x73,
        0x80,
        0xA0,
        0xBF,
        0xC0,
        0xC2,
        0xC3,
        0xE0,
        0xED,
        0xEF,
        0xF0,
        0xF4,
        0xF5,
        0xFE,
        0xFF,
    ]
    found = [
        b"\xff", b"\xfe\xf5\xf5\xf5\xf5\xf5", b"\xff" * 50, b"a\xffb", b"\xc0\x80", b"\xe0\x80\x80", b"\xed\xa0\x80",
        b"\xed\xbf\xbf\xed", b"\xf4\x90\x80\x80", b"\xf0\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x80", b"\xe4\xb8",
        b"x\xc3", b"\xc3\xc3\xa9", b"\xf0\x9f\x98", b"ok \xf0\x9f\x98\x80 \xc2\xa0 \xf5",
    ]  # fmt: skip
    for _ in range(count):
        source = special if chance.random() < 0.7 else range(256)
        found.append(bytes(chance.choice(source) for _ in range(chance.randrange(1, 16))))
    return found


def proof_set(encoding: tiktoken.Encoding, real: Sequence[str]) -> list[bytes]:
    """A few thousand texts of every kind, for tests that run the set more than once."""
    chance = random.Random(11)
    texts: list[str | bytes] = [*NAMED, *bad_bytes(800)]
    texts += ["".join(t) for n in (1, 2) for t in itertools.product(NASTY, repeat=n)]
    texts += [encoding.decode_single_token_bytes(i) for i in range(0, 50256, 17)]
    alphabets = [
        "ab",
        "aA 1'",
        NASTY,
        "ACGT",
        "аб вг",
        "中文字",
        " \n",
        "thein rs",
        "=-_ ",
        "\u3000 a",
        "é\u0301ü ",
    ]
    for alphabet in alphabets:
        texts += ["".join(chance.choices(alphabet, k=k)) for k in (3, 5, 9, 17, 33, 65, 129, 700)]
    texts += [line for text in real for line in text.splitlines()[:40]]
    texts += [text[:4000] for text in real[::10]]
    return [text.encode() if isinstance(text, str) else text for text in texts]


def expected(encoding: tiktoken.Encoding, texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """tiktoken's ids of all texts, one after the other, and how many each has."""
    rows = encoding.encode_ordinary_batch([text.decode(errors="replace") for text in texts], num_threads=2)
    return np.array(list(itertools.chain(*rows)), np.int64), np.array([len(row) for row in rows])


def differences(
    texts: Sequence[bytes], want: tuple[np.ndarray, np.ndarray], ids: np.ndarray, counts: np.ndarray
) -> list[bytes]:
    """The texts whose ids are not those wanted."""
    if np.array_equal(want[0], ids) and np.array_equal(want[1], counts):
        return []
    ours, theirs = (np.split(values, np.cumsum(lengths)[:-1]) for values, lengths in ((ids, counts), want))
    return [text for text, a, b in zip(texts, ours, theirs, strict=True) if not np.array_equal(a, b)]


def strings(values: Sequence[bytes]) -> Any:
    """Texts as a tensor. As objects: NumPy's own byte strings lose NULs at their ends."""
    return tf.constant(np.array(values, object), tf.string)


def flat(ragged: Any) -> tuple[np.ndarray, np.ndarray]:
    """The ids of ragged rows, one after the other, and how many each has."""
    return ragged.flat_values.numpy(), ragged.row_lengths().numpy()
