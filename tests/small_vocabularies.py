"""Small vocabularies for tests, and the libraries that judge them: built by hand, by chance, or out of order.

Owns how a test makes a vocabulary and its two oracles. Refuses to assert anything.
"""

from __future__ import annotations

import base64
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

import tiktoken
import tokenizers
from hypothesis import strategies as st
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from gpt2tok import Encoding
from gpt2tok.formats import byte_alphabet

ALPHABET = byte_alphabet()
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
BYTES = [bytes([byte]) for byte in range(256)]


def spell(token: bytes) -> str:
    """A token as vocab.json spells it."""
    return "".join(ALPHABET[byte] for byte in token)


@dataclass(frozen=True)
class Small:
    """A vocabulary: tokens with their ids, merges in rank order, and characters that its texts are made of."""

    ids: dict[bytes, int]
    merges: list[tuple[bytes, bytes]]
    characters: str
    unknown: bytes | None = None
    model: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        longer = {token: number for token, number in self.ids.items() if len(token) > 1}
        return f"<{longer}, merges {self.merges}, of {self.characters!r}, unknown {self.unknown!r}, {self.model}>"

    @property
    def vocab(self) -> dict[str, int]:
        return {spell(token): number for token, number in self.ids.items()}

    @property
    def spelled_merges(self) -> list[tuple[str, str]]:
        return [(spell(left), spell(right)) for left, right in self.merges]

    def by_tokenizers(self) -> tokenizers.Tokenizer:
        unknown = None if self.unknown is None else spell(self.unknown)
        model = BPE(self.vocab, self.spelled_merges, unk_token=unknown, **self.model)
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        return tokenizer

    def by_tiktoken(self) -> tiktoken.Encoding:
        return tiktoken.Encoding("small", pat_str=PATTERN, mergeable_ranks=self.ids, special_tokens={})

    def loaded(self) -> Encoding:
        unknown = None if self.unknown is None else spell(self.unknown)
        return Encoding.from_vocab_and_merges(self.vocab, self.spelled_merges, unk_token=unknown)

    def tiktoken_file(self) -> bytes:
        return b"".join(b"%s %d\n" % (base64.b64encode(token), number) for token, number in self.ids.items())

    def texts(self, seed: int, count: int) -> list[str]:
        """Texts of these characters on both sides of every limit, some of them made of whole tokens."""
        generator = random.Random(seed)
        tokens = [token for token in self.ids if len(token) > 1] or BYTES[97:99]
        texts = []
        for _ in range(count):
            size = generator.choice([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 34, 40, 65, 100, 129])
            how = generator.random()
            if how < 0.5:
                text = "".join(generator.choices(self.characters, k=size))
            elif how < 0.7:
                text = generator.choice(self.characters) * size
            else:
                text = b"".join(generator.choices(tokens, k=size // 3 + 1)).decode("utf-8", "ignore")
            texts.append(text)
        return texts


@st.composite
def small_vocabularies(draw: st.DrawFn) -> Small:
    """All 256 bytes, and merges of every kind that the formats allow.

    Trained lists in order, products that several merges make, merges that name a product of a later one, entries that
    no merge makes, and ids in any order.
    """
    characters = draw(
        st.sampled_from(["a", "ab", "abc", "abcd", "ab ", "a1", "\u00e9\u00e8", "ab\u4e2d", "'s ", " \n"])
    )
    tokens = sorted({bytes([byte]) for byte in characters.encode()})
    merges: list[tuple[bytes, bytes]] = []
    repeat = draw(st.booleans())
    for _ in range(draw(st.integers(0, 25))):
        left, right = draw(st.sampled_from(tokens)), draw(st.sampled_from(tokens))
        made_before = left + right in tokens
        if (left, right) in merges or len(left + right) > 300 or (made_before and not repeat):
            continue
        merges.append((left, right))
        if not made_before:
            tokens.append(left + right)
    if draw(st.booleans()) and draw(st.booleans()):
        merges = draw(st.permutations(merges))
    entries = [*BYTES, *(token for token in tokens if len(token) > 1)]
    for parts in draw(st.lists(st.lists(st.sampled_from(tokens), min_size=2, max_size=4), max_size=3)):
        if b"".join(parts) not in entries:
            entries.append(b"".join(parts))
    order = draw(st.sampled_from(["ranks", "bytes first", "any", "gaps"]))
    numbers = list(range(len(entries)))
    if order == "bytes first":
        numbers[256:] = draw(st.permutations(numbers[256:]))
    elif order == "any":
        random.Random(draw(st.integers(0, 99))).shuffle(numbers)
    elif order == "gaps":
        numbers = random.Random(draw(st.integers(0, 99))).sample(range(3000), len(entries))
    return Small(dict(zip(entries, numbers, strict=True)), merges, characters)


def trained(text: str, count: int) -> Small:
    """A vocabulary trained on a text, the plain way: its merges in order, each product once. Proper, as GPT-2's is."""
    words = [[bytes([byte]) for byte in word.encode()] for word in text.split(" ")]
    merges: list[tuple[bytes, bytes]] = []
    for _ in range(count):
        pairs: dict[tuple[bytes, bytes], int] = {}
        for word in words:
            for pair in itertools.pairwise(word):
                pairs[pair] = pairs.get(pair, 0) + 1
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = [_merged(word, best) for word in words]
    ids = {
        token: number
        for number, token in enumerate([*BYTES, *dict.fromkeys(left + right for left, right in merges)])
    }
    return Small(ids, merges, "".join(sorted(set(text) - {" "})))


def _merged(word: list[bytes], pair: tuple[bytes, bytes]) -> list[bytes]:
    out: list[bytes] = []
    at = 0
    while at < len(word):
        if tuple(word[at : at + 2]) == pair:
            out.append(word[at] + word[at + 1])
            at += 2
        else:
            out.append(word[at])
            at += 1
    return out
