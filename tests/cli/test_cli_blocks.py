"""Texts cut into blocks have the tokens of the whole: judged by tiktoken on every cut of nasty strings."""

from __future__ import annotations

import io
import itertools
import json
import random
from pathlib import Path

import pytest
import tiktoken

from gpt2tok.blocks import exact_blocks

END_OF_TEXT = "<|endoftext|>"
# What meets at the edges of GPT-2's pattern: every class, white space of one to three bytes, the separators
# that Python alone takes for white space, contractions and their beginnings, marks, and CJK with its marks.
_CHARACTERS = "ab1  \n\t\r'.(²é中国。、！：😀\x00\x1c\x85\xa0\u2003\u2028\u3000\ufeff\u0301"
NASTY = [*_CHARACTERS, "'s", "'ll", "'l", END_OF_TEXT]


def tokens(tiktoken_gpt2: tiktoken.Encoding, text: bytes) -> list[int]:
    return tiktoken_gpt2.encode(text.decode("utf-8", "replace"), allowed_special="all")


def blocks_of(text: bytes, size: int, special: tuple[str, ...] = (END_OF_TEXT,)) -> list[bytes]:
    blocks = list(exact_blocks(io.BytesIO(text).read, special, size))
    assert b"".join(blocks) == text
    assert all(blocks)
    return blocks


def assert_exact(tiktoken_gpt2: tiktoken.Encoding, text: bytes, size: int) -> int:
    blocks = blocks_of(text, size)
    assert [i for block in blocks for i in tokens(tiktoken_gpt2, block)] == tokens(tiktoken_gpt2, text), (
        text,
        blocks,
    )
    return len(blocks) - 1


def test_every_string_of_four_edges(tiktoken_gpt2: tiktoken.Encoding) -> None:
    edges = ["a", "1", ".", "'", " ", "\n", "\u3000", "中", "。"]
    cuts = 0
    for parts in itertools.product(edges, repeat=4):
        for size in (1, 2):
            cuts += assert_exact(tiktoken_gpt2, "".join(parts).encode(), size)
    assert cuts > 2000


def test_random_nasty_texts_valid_and_not(tiktoken_gpt2: tiktoken.Encoding) -> None:
    generator = random.Random(0)
    cuts = 0
    for _ in range(20_000):
        text = bytearray("".join(generator.choices(NASTY, k=generator.randint(1, 24))).encode())
        if generator.random() < 0.3:
            text.insert(generator.randrange(len(text) + 1), generator.choice(b"\x80\xc2\xe3\xe5\xed\xf0\xff"))
        cuts += assert_exact(tiktoken_gpt2, bytes(text), generator.randint(1, 8))
    assert cuts > 15_000


def test_real_text_in_many_languages(tiktoken_gpt2: tiktoken.Encoding) -> None:
    sample = Path(__file__).parents[1] / "data" / "multilingual.jsonl"
    text = "".join(json.loads(line)["text"] for line in sample.read_text("utf-8").splitlines()).encode()
    for size in (7, 100, 4096):
        assert assert_exact(tiktoken_gpt2, text, size) > len(text) / size / 4


@pytest.mark.parametrize(
    "text", [" ".join("word" * 5000), "。".join("中文" * 5000), "a\n" * 20_000, "é " * 9000]
)
def test_blocks_stay_bounded(text: str) -> None:
    assert max(map(len, blocks_of(text.encode(), 1024))) < 1100


@pytest.mark.parametrize("text", ["a" * 300_000, "a" + " " * 300_000, "é" * 150_000, "\u3000 " * 70_000])
def test_where_no_cut_is_exact_there_is_none_and_no_quadratic_search(text: str) -> None:
    whole = text.encode()
    assert (
        max(map(len, blocks_of(whole, 16))) >= len(whole) - 4
    )  # 20,000 reads: at 16 bytes a step, n² is minutes


@pytest.mark.parametrize(
    "special", ["two words", "a\nb", " lead", "中。国", "tail ", "x y z w v u t s r q p"]
)
def test_a_special_token_with_a_space_inside_is_never_cut(special: str) -> None:
    text = f"one {special} two{special}{special} {special} three four"
    # The start and end of each occurrence; no block may begin strictly between.
    starts = [at for at in range(len(text)) if text.startswith(special, at)]
    inside = {len(text[:at].encode()) + k for at in starts for k in range(1, len(special.encode()))}
    for size in range(1, 40):
        blocks = blocks_of(text.encode(), size, (special, END_OF_TEXT))
        assert not inside & set(itertools.accumulate(map(len, blocks)))
    assert len(blocks_of(text.encode(), 1, (special,))) > 1
