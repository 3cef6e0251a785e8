"""Which texts are worst for a tokenizer? One pretoken without end, or pretokens never seen before.

Owns made-up texts of any size, the same ones each time. Real text is `encode_workloads.py`'s.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from functools import cache

from encode_workloads import DATA, documents

WORDS = 100_000  # in one text of distinct words: about a megabyte
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def made(kind: str, size: int, seed: int) -> str:
    """A text of one kind: `size` bytes of UTF-8 or a little less; another one for each seed."""
    return WORST[kind](random.Random(seed), size)


def filled(generator: random.Random, parts: str | list[str], size: int) -> str:
    """Random parts one after another. Above a megabyte blocks of them, shuffled: choosing each part would take longer
    than what is measured."""
    each = len(parts[0].encode())
    block = min(size, 1_000_000) // each + 1
    text = "".join(generator.choices(parts, k=block))
    turns = [
        text[at:] + text[:at]
        for at in (generator.randrange(len(text)) for _ in range(size // (each * block)))
    ]
    return (text + "".join(turns))[: size // each]


def english(generator: random.Random, size: int) -> str:
    """What the others are compared with: real text, from a random place on, again and again where there is less."""
    text = speeches()
    at = generator.randrange(len(text))
    return ((text[at:] + text[:at]) * (size // len(text) + 1))[:size]


@cache
def speeches() -> str:
    return "\n".join(documents(DATA / "english.jsonl.gz")).encode("ascii", "ignore").decode()


@cache
def ideographs() -> list[str]:
    """The characters of real Chinese, as often as they are there."""
    return [
        sign for text in documents(DATA / "chinese.jsonl.gz") for sign in text if "\u4e00" <= sign <= "\u9fff"
    ]


WORST: dict[str, Callable[[random.Random, int], str]] = {
    "English": english,
    "one letter": lambda generator, size: generator.choice(LETTERS) * (size - generator.randrange(9)),
    "spaces": lambda generator, size: " " * (size - generator.randrange(99)),
    "line ends": lambda generator, size: "\n" * (size - generator.randrange(99)),
    "one punctuation mark": lambda generator, size: (
        generator.choice("=-*#.") * (size - generator.randrange(9))
    ),
    "random letters": lambda generator, size: filled(generator, LETTERS, size),
    "random digits": lambda generator, size: filled(generator, "0123456789", size),
    "random punctuation": lambda generator, size: filled(generator, "!#$%&()*+,-./:;<=>?@[]^_{|}~", size),
    "base64": lambda generator, size: base64.b64encode(generator.randbytes(size * 3 // 4)).decode(),
    "Chinese without spaces": lambda generator, size: filled(generator, ideographs(), size),
    "random ideographs": lambda generator, size: filled(
        generator, [chr(at) for at in range(0x4E00, 0x9FA6)], size
    ),
    "random emoji": lambda generator, size: filled(
        generator, [chr(at) for at in range(0x1F300, 0x1F650)], size
    ),
    "distinct words": lambda generator, size: (distinct_words(generator.randrange(100), size // 6))[:size],
}


def distinct_words(number: int, count: int = WORDS) -> str:
    """The words of a counter from number times WORDS on, in lower-case letters: no two alike. The counter is scattered
    over all words of six letters by a prime factor, so that neighbours are not alike either."""
    every = len(LETTERS) ** 6
    words = []
    for counter in range(number * WORDS, number * WORDS + count):
        left, word = counter * 104_729_003 % every, []
        for _ in range(6):
            left, at = divmod(left, 26)
            word.append(LETTERS[at])
        words.append("".join(word))
    return " ".join(words)
