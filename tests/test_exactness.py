"""The ids, judged by tiktoken and by tokenizers: 0 differences, from single characters to long runs; and laws.

Owns what GPT-2's own vocabulary gives for any text. Other vocabularies are `test_load*.py`'s, special tokens and
offsets `test_encoding.py`'s.
"""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest
import tiktoken
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import Encoding, GPT2Tokenizer
from gpt2tok._core import unicode_ranges

# White space of all kinds (and U+001C, which Python calls white space and Unicode does not), the letters of
# contractions, combining marks, digits that are not ASCII, letters without case, characters of 2, 3 and 4 bytes.
NASTY = " \n\t'slervA1_\0\u00a0\u0085\u2003\u001c\u0301\u093f\u00b2\u0663\u2163\U0001f600\u4e2d\u00e9"
SCALARS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]

# Around the limits of the lookup tables (7 and 15 bytes), of the scan (32) and of tiktoken's own switch (100, 500).
LENGTHS = [
    1, 2, 3, 6, 7, 8, 9, 14, 15, 16, 17, 23, 31, 32, 33, 34, 63, 64,
    65, 99, 100, 101, 127, 128, 129, 200, 500, 2000,
]  # fmt: skip


DATA = Path(__file__).parent / "data"

Item = TypeVar("Item")


class Judges:
    """Three tokenizers side by side."""

    def __init__(
        self, gpt2: Encoding, by_tiktoken: tiktoken.Encoding, by_tokenizers: tokenizers.Tokenizer
    ) -> None:
        self.gpt2, self.by_tiktoken, self.by_tokenizers = gpt2, by_tiktoken, by_tokenizers

    def agree(self, texts: Iterable[str]) -> int:
        """Fails on the first text of which the three make different ids; returns how many texts there were."""
        count = 0
        for block in blocks(texts, 20_000):
            self.tiktoken_gives(block, ids := self.ours(block))
            self.tokenizers_gives(block, ids)
            count += len(block)
        return count

    def ours(self, texts: list[str]) -> list[list[int]]:
        return [self.gpt2.encode_ordinary(text) for text in texts]

    def tiktoken_gives(self, texts: list[str], ids: list[list[int]]) -> None:
        same(texts, ids, [self.by_tiktoken.encode_ordinary(text) for text in texts], "tiktoken")

    def tokenizers_gives(self, texts: list[str], ids: list[list[int]]) -> None:
        encoded = self.by_tokenizers.encode_batch_fast(texts, add_special_tokens=False)
        same(texts, ids, [encoding.ids for encoding in encoded], "tokenizers")


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while block := list(itertools.islice(iterator, size)):
        yield block


def same(texts: Sequence[str], ours: list[list[int]], theirs: list[list[int]], judge: str) -> None:
    if ours != theirs:
        text, mine, right = next(row for row in zip(texts, ours, theirs, strict=True) if row[1] != row[2])
        at = next((i for i, (a, b) in enumerate(zip(mine, right, strict=False)) if a != b), 0)
        pytest.fail(f"{text[:1000]!a}: id {at} on: {mine[at:][:40]}, but {judge} gives {right[at:][:40]}")


@pytest.fixture(scope="module")
def judges(gpt2: Encoding, tiktoken_gpt2: Any, tokenizers_gpt2: Any) -> Judges:
    return Judges(gpt2, tiktoken_gpt2, tokenizers_gpt2)


def test_every_vocabulary_entry(judges: Judges) -> None:
    """Alone, twice, after a letter and before one: whole lookups, and what must not be one."""
    texts = []
    for _, token in judges.gpt2.token_bytes():
        try:
            text = token.decode()
        except UnicodeDecodeError:
            continue
        texts += [text, text + text, "a" + text, text + "a", " " + text, text + " "]
    assert judges.agree(texts) > 6 * 49_000


def test_every_unicode_scalar_alone(judges: Judges) -> None:
    assert judges.agree(SCALARS) == 0x110000 - 0x800


def test_every_unicode_scalar_among_letters_digits_and_marks(judges: Judges) -> None:
    """Each in ` a?a 1?1 ?'s`: a text of its own for tiktoken; for tokenizers, the slowest, a line of a page.

    A frame ends in `s` and the next begins with a space and an `a`, so whatever stands between, the line end
    is a pretoken by itself and the page's ids are the frames', one id 198 between them.
    """
    for block in blocks(SCALARS, 20_000):
        frames = [f" a{c}a 1{c}1 {c}'s" for c in block]
        judges.tiktoken_gives(frames, ids := judges.ours(frames))
        pages = ["\n".join(page) for page in blocks(frames, 25)]
        lines = ([*line, 198] for line in ids)
        judges.tokenizers_gives(pages, [list(itertools.chain(*page))[:-1] for page in blocks(lines, 25)])


def test_characters_at_the_edges_of_their_class_in_every_context(judges: Judges) -> None:
    """Of all characters `fuzz/examples/differences.rs scalars` does the same, beside a regex engine."""
    names: list[Literal["letter", "number", "space"]] = ["letter", "number", "space"]
    edges = {
        code
        for name in names
        for first, last in unicode_ranges(name)
        for code in (first - 1, first, last, last + 1)
    }
    characters = sorted(chr(code) for code in edges if 0 <= code < 0x110000 and not 0xD800 <= code < 0xE000)
    assert len(characters) > 2500
    before = ["", "a", "1", "!", " ", "  ", "\n", "\u00a0", "'", "x'"]
    after = ["", "a", "1", "!", " ", "  x", "\n", "\u00a0y", "'s", "s", "ll", "\u0301"]
    contexts = list(itertools.product(before, after))
    for place, character in enumerate(characters):
        texts = [first + character + last for first, last in contexts]
        judges.tiktoken_gives(texts, ids := judges.ours(texts))
        if place % 10 == 0:
            judges.tokenizers_gives(texts, ids)


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_every_short_string_of_nasty_characters(judges: Judges, length: int) -> None:
    texts = map("".join, itertools.product(NASTY, repeat=length))
    assert judges.agree(texts) == len(NASTY) ** length


def real_texts(name: str) -> list[str]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines]


def in_every_shape(texts: list[str]) -> list[str]:
    """Each by itself, all in a row, and all without white space: real pretokens that go on and on."""
    return [*texts, "\n\n".join(texts), "".join("".join(texts).split())]


def test_real_text_in_many_languages(judges: Judges, multilingual: list[str]) -> None:
    assert judges.agree(in_every_shape(multilingual)) == 193 + 2


def test_real_text_in_english(judges: Judges) -> None:
    assert judges.agree(in_every_shape(real_texts("english"))) == 11 + 2


def test_real_text_in_chinese(judges: Judges) -> None:
    assert judges.agree(in_every_shape(real_texts("chinese"))) == 693 + 2


def test_real_text_in_python(judges: Judges, library_sources: list[str]) -> None:
    assert judges.agree(library_sources) > 50


@pytest.mark.parametrize(
    "alphabet",
    [
        "a", " ", "-", "0", "=", "\n", "\u00a0", "\u4e2d", "\U0001f600", "\u0301", "\u00c3\u00c2",
        "ab", "aA", " \n", "\t\n\r ", "\u2003\u00a0 ", "01", "!?", "-=", "<|>", "0123456789",
        "abcdefghijklmnopqrstuvwxyz", "ETAOINSHRDLUetaoinshrdlu", "\u0430\u0431\u0432\u0433\u0434\u0435",
        "\u7684\u4e00\u662f\u4e0d\u4e86\u4eba\u6211\u5728\u6709\u4ed6", "\uac00\ub098\ub2e4",
        "\U0001f600\U0001f468\u200d",
    ],
    ids=ascii,
)  # fmt: skip
def test_long_runs_of_one_class(judges: Judges, alphabet: str) -> None:
    """One pretoken, or nearly one: the methods for long pretokens, and the doors between the methods."""
    generator = random.Random(alphabet)
    runs = []
    for length in LENGTHS:
        for _ in range(6):
            run = "".join(generator.choices(alphabet, k=length))
            runs += [
                run,
                f" {run}",
                f"{run} x",
                f"x\n{run}",
                f"'{run}",
                run[: length // 2] + "'s" + run[length // 2 :],
            ]
    assert judges.agree(runs) == 6 * 6 * len(LENGTHS)


@pytest.mark.parametrize("letters", [str.isalpha, str.isdigit, lambda text: not any(map(str.isalnum, text))])
def test_long_pretokens_made_of_tokens(judges: Judges, letters: Any) -> None:
    """Tokens joined without white space make pretokens in which long tokens compete: the hard case for merging."""
    tokens = [token.decode("latin-1") for _, token in judges.gpt2.token_bytes() if token.isascii()]
    tokens = [token for token in tokens if letters(token) and not any(map(str.isspace, token))]
    assert len(tokens) > 500
    generator = random.Random(0)
    texts = ["".join(generator.choices(tokens, k=generator.randint(2, 60))) for _ in range(6000)]
    # Tokens cut short: the longest match is often the wrong one.
    texts += [
        "".join(token[: generator.randint(1, 9)] for token in generator.choices(tokens, k=40))
        for _ in range(4000)
    ]
    assert judges.agree(texts) == 10_000


@pytest.mark.parametrize("alphabet", ["0123456789", "abcdefghijklmnopqrstuvwxyz"])
def test_one_pretoken_of_more_than_a_million_tokens(
    gpt2: Encoding, tiktoken_gpt2: Any, alphabet: str
) -> None:
    """Its tokens are kept in other memory than those of shorter ones."""
    text = "".join(random.Random(9).choices(alphabet, k=2_600_000))
    ids = tiktoken_gpt2.encode_ordinary(text)
    assert len(ids) > 1 << 20
    assert gpt2.encode(text) == ids


def test_every_token_followed_by_a_part_of_every_length_class(judges: Judges) -> None:
    """Two tokens side by side, in pretokens past the scan's 32 bytes."""
    tokens = [token.decode() for _, token in judges.gpt2.token_bytes() if token.isalpha() and len(token) > 3]
    generator = random.Random(1)
    texts = [token * (33 // len(token) + 1) for token in tokens]
    texts += [
        token + other + token[1:] * 4 + other[:-1] * 5
        for token, other in zip(tokens, reversed(tokens), strict=True)
    ]
    texts += ["".join(generator.choices(token, k=40)) for token in tokens]
    assert judges.agree(texts) > 30_000


def slow_gives(judges: Judges, texts: Iterable[str]) -> int:
    """The slow tokenizer as the judge: of the core it has the Unicode tables, and nothing of the algorithm."""
    slow = GPT2Tokenizer()
    count = 0
    for block in blocks(texts, 5000):
        same(block, judges.ours(block), [slow.encode(text) for text in block], "the slow tokenizer")
        count += len(block)
    return count


def test_slow_and_fast_agree_on_real_text(judges: Judges, multilingual: list[str]) -> None:
    assert slow_gives(judges, in_every_shape(multilingual)) == 193 + 2


@pytest.mark.parametrize("length", [1, 2, 3])
def test_slow_and_fast_agree_on_short_strings_of_nasty_characters(judges: Judges, length: int) -> None:
    assert slow_gives(judges, map("".join, itertools.product(NASTY, repeat=length))) == len(NASTY) ** length


def test_slow_and_fast_agree_on_every_scalar_of_the_first_plane(judges: Judges) -> None:
    """Alone; and in pages, among letters, digits and marks, and between line ends that its class decides about."""
    plane = [c for c in SCALARS if ord(c) < 1 << 16]
    pages = ["".join(f" a{c}a 1{c}1 {c}'s" for c in block) for block in blocks(plane, 64)]
    pages += ["\n".join(block) for block in blocks(plane, 64)]
    assert slow_gives(judges, pages) == 2 * len(plane) // 64 == 1984
    assert slow_gives(judges, plane) == (1 << 16) - (1 << 11)


@settings(max_examples=1500)
@given(
    text=st.text(max_size=60)
    | st.text(alphabet=NASTY, max_size=200)
    | st.text(alphabet=st.characters(codec="latin-1"))
)
def test_any_text(judges: Judges, text: str) -> None:
    ids = judges.gpt2.encode_ordinary(text)
    assert ids == judges.by_tiktoken.encode_ordinary(text)
    assert ids == judges.by_tokenizers.encode(text, add_special_tokens=False).ids
    assert ids == judges.gpt2.encode_ordinary(text.encode())
    assert judges.gpt2.decode(ids) == text
    assert judges.gpt2.count(text, disallowed_special=()) == len(ids)


@settings(max_examples=1500)
@given(
    data=st.binary(max_size=80)
    | st.lists(st.sampled_from(NASTY.encode() + b"\xff\xe4\xf0\x9f"), max_size=60).map(bytes)
)
def test_any_bytes(judges: Judges, data: bytes) -> None:
    text = data.decode("utf-8", errors="replace")
    ids = judges.gpt2.encode_ordinary(data, errors="replace")
    assert ids == judges.by_tiktoken.encode_ordinary(text)
    assert judges.gpt2.decode(ids) == text


def hard_texts(seed: int) -> list[str]:
    """Texts of very different sizes, together large enough for threads; the largest is cut between threads."""
    generator = random.Random(seed)
    alphabets = [NASTY, NASTY + "a" * 60, "ab 's\n", " ", "a", "abcdefgh 12345.\u4e2d\n"]
    sizes = [0, 1, 0, 3, 50_000, 7, 900_000, 0, 300, 200_000, 1_200_000, 5, 400_000, 0]
    return ["".join(generator.choices(generator.choice(alphabets), k=size)) for size in sizes]


@pytest.mark.parametrize("seed", range(2))
def test_batches_are_lists_of_single_calls_whatever_the_threads(gpt2: Encoding, seed: int) -> None:
    texts = hard_texts(seed)
    right = [gpt2.encode_ordinary(text) for text in texts]
    assert [gpt2.decode(ids) for ids in right] == texts
    for threads in (1, 2, 4):
        assert gpt2.encode_ordinary_batch(texts, num_threads=threads) == right
        assert gpt2.encode_batch(texts, num_threads=threads) == right
        ids, row_splits = gpt2.encode_ragged(texts, num_threads=threads)
        assert [ids[start:end].tolist() for start, end in itertools.pairwise(row_splits)] == right
        assert gpt2.count_batch(texts, num_threads=threads) == list(map(len, right))
        assert gpt2.decode_batch(right, num_threads=threads) == texts


def test_many_small_texts_on_threads(gpt2: Encoding, tiktoken_gpt2: Any) -> None:
    generator = random.Random(2)
    texts = ["".join(generator.choices(NASTY, k=generator.randint(0, 30))) for _ in range(40_000)]
    assert sum(len(text.encode()) for text in texts) > 1 << 18, "fewer bytes would stay on one thread"
    right = [tiktoken_gpt2.encode_ordinary(text) for text in texts]
    for threads in (1, 2, 3):
        assert gpt2.encode_ordinary_batch(texts, num_threads=threads) == right


def test_threads_with_special_tokens(gpt2: Encoding, tiktoken_gpt2: Any) -> None:
    texts = [text.replace("1", "<|endoftext|>").replace("\0", "<|endoftext|> ") for text in hard_texts(1)]
    assert sum(text.count("<|endoftext|>") for text in texts) > 1000
    right = [tiktoken_gpt2.encode(text, allowed_special="all") for text in texts]
    for threads in (1, 2, 4):
        assert gpt2.encode_batch(texts, num_threads=threads, allowed_special="all") == right
        assert gpt2.count_batch(texts, num_threads=threads, allowed_special="all") == list(map(len, right))


def test_a_text_of_megabytes(judges: Judges) -> None:
    """Long enough for every pretoken length, and for the checks between portions."""
    generator = random.Random(3)
    text = "".join(
        generator.choices(["a", "b", " ", "the", " of", "\n", "12", "'s", "\u4e2d", "  "], k=800_000)
    )
    judges.tiktoken_gives([text], judges.ours([text]))
