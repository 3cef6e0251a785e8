"""`encode_with_offsets` and `decode_with_offsets`: judged by tokenizers and tiktoken, and by slicing the text.

Owns where tokens stand in GPT-2's own vocabulary and in vocabularies with an unknown token.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from gpt2tok import Encoding

END = "<|endoftext|>"
# Astral characters (split over 2 to 4 tokens), combining marks, joined emoji, characters that share a token's bytes.
PIECES = [
    "a", " the", " ", "\n", "\t", "'s", "12", "\u00e9", "e\u0301", "\u0301\u0308\u0323", "\U0001f600",
    "\U0001f468\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "\U00010348", "\u4e2d", "\u6587\u5b57",
    "\u0921\u093c", "\ud55c", "\u1112\u1161\u11ab", "\u00a0", "\u2003", "\ufffd", "\0", "\u00df",
    "\ufb01", "\u0130", "\U000e0041", "\U0010ffff", "\ufeff", "\u202e",
]  # fmt: skip


def judge(gpt2: Encoding, tokenizers_gpt2: Any, text: str) -> int:
    """Compares one text; returns how many of its tokens are parts of a character."""
    right = tokenizers_gpt2.encode(text, add_special_tokens=False)
    ids, spans = gpt2.encode_with_offsets(text)
    assert ids == right.ids
    assert spans == right.offsets, ascii(text)
    same, byte_spans = gpt2.encode_with_offsets(text, unit="byte")
    data = text.encode()
    assert same == ids
    assert [data[start:end] for start, end in byte_spans] == gpt2.decode_tokens_bytes(ids)
    assert all(span[1] == after[0] for span, after in itertools.pairwise(byte_spans)), "bytes tile the text"
    # A character belongs to each token that holds a byte of it.
    whose = [number for number, character in enumerate(text) for _ in character.encode()]
    assert spans == [(whose[start], whose[end - 1] + 1) for start, end in byte_spans]
    return sum(before[1] > span[0] for before, span in itertools.pairwise(spans))


def test_all_pairs_and_triples_of_hard_pieces(gpt2: Encoding, tokenizers_gpt2: Any) -> None:
    split = 0
    for length in (1, 2, 3):
        for pieces in itertools.product(PIECES, repeat=length):
            split += judge(gpt2, tokenizers_gpt2, "".join(pieces))
    assert split > 10_000, "tokens that share a character are the point of this test"


def test_real_text(gpt2: Encoding, tokenizers_gpt2: Any, multilingual: list[str]) -> None:
    assert sum(judge(gpt2, tokenizers_gpt2, text) for text in multilingual) > 1000


@settings(max_examples=600)
@given(text=st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_text(gpt2: Encoding, tokenizers_gpt2: Any, text: str) -> None:
    judge(gpt2, tokenizers_gpt2, text)


@pytest.mark.parametrize("unit", ["char", "byte"])
def test_special_tokens_have_offsets(gpt2: Encoding, unit: Any) -> None:
    text = f"\u4e2d\U0001f600{END}{END} caf\u00e9{END}x"
    ids, spans = gpt2.encode_with_offsets(text, unit=unit, allowed_special="all")
    assert ids == gpt2.encode(text, allowed_special="all") and ids.count(gpt2.eot_token) == 3
    found = text if unit == "char" else text.encode()
    name = END if unit == "char" else END.encode()
    assert [found[start:end] for number, (start, end) in zip(ids, spans, strict=True) if number == 50256] == [
        name
    ] * 3
    assert spans[0][0] == 0 and spans[-1][1] == len(found)
    assert all(before[0] <= after[0] <= before[1] for before, after in itertools.pairwise(spans))
    ordinary, _ = gpt2.encode_with_offsets(text, unit=unit, disallowed_special=())
    assert ordinary == gpt2.encode_ordinary(text)


def test_bytes_count_as_the_text_they_spell(gpt2: Encoding) -> None:
    text = "na\u00efve \U0001f600 \u4e2d\u6587"
    for unit in ("char", "byte"):
        assert gpt2.encode_with_offsets(text.encode(), unit=unit) == gpt2.encode_with_offsets(text, unit=unit)
    assert gpt2.encode_with_offsets("") == ([], [])


@pytest.mark.parametrize("special", [False, True], ids=["plain", "unknown is special"])
def test_bytes_outside_the_vocabulary_have_offsets(tmp_path: Any, special: bool) -> None:
    """An unknown token stands for one byte, unless it stands in the text by its own name."""
    oracle = tokenizers.Tokenizer(BPE({"a": 0, "b": 1, "ab": 2, "<unk>": 3}, [("a", "b")], unk_token="<unk>"))
    oracle.pre_tokenizer = ByteLevel(add_prefix_space=False)
    if special:
        oracle.add_special_tokens(["<unk>"])
    oracle.save(str(tmp_path / "tokenizer.json"))
    ours = Encoding.from_tokenizer_json(tmp_path / "tokenizer.json")
    for text in (
        "abxab",
        "xx",
        "\u00e9a\u00e9b",
        "\U0001f600ab",
        "ab<unk>xab<unk>",
        "<unk><unk>ab\u4e2d<unk>b",
    ):
        right = oracle.encode(text)
        assert ours.encode_with_offsets(text, allowed_special="all") == (right.ids, right.offsets), text


def test_decoding_with_offsets_is_tiktoken_s(
    gpt2: Encoding, tiktoken_gpt2: Any, multilingual: list[str]
) -> None:
    generator = random.Random(0)
    texts = [*multilingual, "", *("".join(generator.choices(PIECES, k=20)) for _ in range(300))]
    for text in texts:
        ids = gpt2.encode_ordinary(text)
        assert gpt2.decode_with_offsets(ids) == tiktoken_gpt2.decode_with_offsets(ids), ascii(text)


def test_decoding_half_a_character_with_offsets_raises_as_tiktoken_does(
    gpt2: Encoding, tiktoken_gpt2: Any
) -> None:
    generator = random.Random(1)
    raised = 0
    parts = [number for number, token in gpt2.token_bytes() if not token.isascii()]
    for _ in range(500):
        ids = generator.choices(parts, k=generator.randint(1, 3))
        try:
            right = tiktoken_gpt2.decode_with_offsets(ids)
        except UnicodeDecodeError as error:
            raised += 1
            with pytest.raises(UnicodeDecodeError) as caught:
                gpt2.decode_with_offsets(ids)
            assert caught.value.args == error.args
        else:
            assert gpt2.decode_with_offsets(ids) == right
    assert 50 < raised < 500
