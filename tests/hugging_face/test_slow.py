"""The slow tokenizer: its own algorithm against the core, tiktoken and transformers."""

from __future__ import annotations

import random
import time
import unicodedata

import pytest
import tiktoken
import tokenizers
from hf_oracle import TEXTS, gpt2, gpt2_files, gpt2_oracle, small, small_files, texts
from hypothesis import given, settings
from hypothesis import strategies as st

import gpt2tok
from gpt2tok import GPT2Tokenizer, UnknownTokenError, VocabError
from gpt2tok.hugging_face.slow_bpe import SlowBPE, merge_plainly, merge_with_a_heap, pretoken_pattern


@pytest.fixture(scope="module")
def slow() -> GPT2Tokenizer:
    return gpt2(GPT2Tokenizer)


@pytest.fixture(scope="module")
def reference() -> tiktoken.Encoding:
    encoding = gpt2tok.get_encoding("gpt2")
    return tiktoken.Encoding(
        "gpt2",
        pat_str=r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+""",
        mergeable_ranks={token: rank for rank, token in encoding.token_bytes()},
        special_tokens={"<|endoftext|>": 50256},
    )


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_ids_are_those_of_tiktoken(slow: GPT2Tokenizer, reference: tiktoken.Encoding, text: str) -> None:
    assert slow.encode(text) == reference.encode(text, allowed_special="all")
    assert slow.encode(text, split_special_tokens=True) == reference.encode_ordinary(text)


@given(texts)
@settings(max_examples=400)
def test_any_text_has_the_ids_of_transformers_and_comes_back(text: str) -> None:
    slow = gpt2(GPT2Tokenizer)
    assert slow.encode(text) == gpt2_oracle().encode(text)
    assert slow.decode(slow.encode(text)) == text


def test_every_entry_of_the_vocabulary_encodes_as_by_the_core(slow: GPT2Tokenizer) -> None:
    encoding = gpt2tok.get_encoding("gpt2")
    wrong = []
    for token_id, token in encoding.token_bytes():
        text = token.decode("utf-8", "replace")
        if "\ufffd" not in text and slow.encode(text) != encoding.encode_ordinary(text):
            wrong.append(token_id)
    assert not wrong


def test_every_character_has_the_class_that_tokenizers_gives_it() -> None:
    """`a?1?!` splits in another way for letters, numbers, white space and the rest."""
    oracle = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    pattern = pretoken_pattern()
    characters = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    # Private and unassigned ones are one class in long runs: every 50th of those will do.
    kept = [c for i, c in enumerate(characters) if unicodedata.category(c) not in ("Co", "Cn") or i % 50 == 0]
    assert len(kept) > 150_000
    for start in range(0, len(kept), 4096):
        text = "".join(f"a{c}1{c}!" for c in kept[start : start + 4096])
        expected = [span for _, span in oracle.pre_tokenize_str(text)]
        assert [match.span() for match in pattern.finditer(text)] == expected


@given(
    st.text("abc", max_size=40),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), max_size=8, unique=True),
    st.data(),
)
@settings(max_examples=300)
def test_the_heap_gives_what_the_definition_gives(
    text: str, merges: list[tuple[str, str]], data: st.DataObject
) -> None:
    known = sorted({*"abc", *(left + right for left, right in merges)})
    merges = merges + data.draw(
        st.lists(st.tuples(st.sampled_from(known), st.sampled_from(known)), max_size=12, unique=True)
    )
    ranks: dict[tuple[str, str], int] = {}
    for merge in data.draw(st.permutations(merges)):
        ranks.setdefault(merge, len(ranks))
    assert merge_with_a_heap(text, ranks) == merge_plainly(text, ranks)


def test_long_pretokens_of_gpt2_by_both_methods() -> None:
    bpe = SlowBPE(*gpt2_files(), None)
    choose = random.Random(2)
    for length in (65, 200, 700):
        for letters in ("a", "ab", "etaoin shrdlu".replace(" ", ""), "日本語"):
            text = "".join(choose.choice(letters) for _ in range(length))
            symbols = [bpe._alphabet[byte] for byte in text.encode()]
            assert merge_with_a_heap(symbols, bpe._ranks) == merge_plainly(symbols, bpe._ranks)


@pytest.mark.parametrize("unit", ["a", " ", "中", "<", "ab", "\u0301"])
def test_no_text_is_quadratic(slow: GPT2Tokenizer, unit: str) -> None:
    def seconds(count: int) -> float:
        start = time.process_time()
        ids = slow.encode(unit * count)
        elapsed = time.process_time() - start
        assert slow.decode(ids) == unit * count
        return elapsed

    seconds(2000)
    short, long = seconds(4000), seconds(32000)
    assert long < 40 * max(short, 1e-3), f"8 times the text took {long / short:.1f} times as long"


def test_offsets_cover_the_text_in_order(slow: GPT2Tokenizer) -> None:
    for text in TEXTS:
        offsets = slow(text, return_offsets_mapping=True)["offset_mapping"]
        covered = {at for start, end in offsets for at in range(start, end)}
        assert covered == set(range(len(text)))
        assert offsets == sorted(offsets)


def test_a_vocabulary_that_lacks_bytes_needs_an_unknown_token() -> None:
    vocab, merges = {"a": 0, "b": 1, "ab": 2, "<unk>": 3}, [("a", "b")]
    with pytest.raises(VocabError, match="254 of the 256 byte tokens are missing"):
        GPT2Tokenizer(vocab, merges, unk_token=None, bos_token=None, eos_token=None)
    with pytest.raises(UnknownTokenError, match="0x63"):
        SlowBPE(vocab, merges, None).encode("abc")
    assert SlowBPE(vocab, merges, 3).encode("abc") == [2, 3]


def test_the_first_of_two_ranks_counts_and_the_cache_changes_nothing() -> None:
    vocab, merges = small_files()
    bpe = SlowBPE(vocab, merges, None)
    once = [bpe.encode(text) for text in TEXTS]
    assert once == [bpe.encode(text) for text in TEXTS]
    assert once == [
        small(gpt2tok.GPT2TokenizerFast).encode(text, split_special_tokens=True) for text in TEXTS
    ]
