"""The in-graph tokenizer's ids, judged by tiktoken and transformers: every text, every way to run.

Added tokens are `test_tf_added.py`'s, shapes and detokenizing `test_tf_rows.py`'s, Keras `test_tf_keras.py`'s, saved
models `test_tf_export.py`'s, the C API `test_tf_c_api.py`'s.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st
from tf_proof_set import NASTY, bad_bytes, differences, expected, flat, strings

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast
from gpt2tok._core import gpt2_vocabulary
from gpt2tok.formats import byte_alphabet
from gpt2tok.tf import TFGPT2Tokenizer, graph_tables


def test_eager(layer: TFGPT2Tokenizer, wanted: tuple[np.ndarray, np.ndarray], texts: list[bytes]) -> None:
    got = layer(strings(texts))
    assert not differences(texts, wanted, *flat(got["input_ids"]))
    assert got["attention_mask"].row_splits.numpy().tolist() == got["input_ids"].row_splits.numpy().tolist()
    assert set(got["attention_mask"].flat_values.numpy()) == {1}


def test_inside_a_function(traced: Any, wanted: tuple[np.ndarray, np.ndarray], texts: list[bytes]) -> None:
    assert not differences(texts, wanted, *flat(traced(strings(texts))))


def test_inside_a_dataset(
    layer: TFGPT2Tokenizer, wanted: tuple[np.ndarray, np.ndarray], texts: list[bytes]
) -> None:
    dataset = (
        tf.data.Dataset.from_tensor_slices(strings(texts))
        .batch(397)
        .map(layer.tokenize, num_parallel_calls=2)
    )
    ids, counts = zip(*map(flat, dataset), strict=True)
    assert not differences(texts, wanted, np.concatenate(ids), np.concatenate(counts))


def test_one_text_at_a_time(
    layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, texts: list[bytes]
) -> None:
    # In a batch the texts share one joined string: alone, each has other neighbours.
    for text in texts[::29]:
        assert layer(text)["input_ids"].numpy().tolist() == tiktoken_gpt2.encode_ordinary(
            text.decode(errors="replace")
        )


def test_batches_of_whole_pretokens_only(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    # Where every pretoken is in the table, merges are skipped: contractions leave empty pretokens behind.
    batches = [
        ["it's"],
        ["it's", "don't go", "", "a"],
        ["we'll we've", "'s", "I'm 'm"],
        ["the cat\n's", ""],
        [""],
    ]
    for batch in batches:
        assert layer(batch)["input_ids"].to_list() == tiktoken_gpt2.encode_ordinary_batch(batch)


def test_every_vocabulary_entry(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    entries = [tiktoken_gpt2.decode_single_token_bytes(i) for i in range(50256)]
    assert not differences(entries, expected(tiktoken_gpt2, entries), *flat(layer.tokenize(strings(entries))))


def test_every_scalar_between_others(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    # Above the last letter all is of one class; a sample does.
    codes = [c for c in [*range(0x32400), *range(0x32400, 0x110000, 101)] if not 0xD800 <= c < 0xE000]
    rows = [
        "".join(f"{c} a{c}a 1{c}1 {c}'s" for c in map(chr, codes[i : i + 64])).encode()
        for i in range(0, len(codes), 64)
    ]
    assert not differences(rows, expected(tiktoken_gpt2, rows), *flat(layer.tokenize(strings(rows))))


def test_all_short_strings_of_nasty_characters(traced: Any, tiktoken_gpt2: tiktoken.Encoding) -> None:
    # Four of all of them: `whole_proof.py`.
    short = ["".join(t).encode() for t in itertools.product(NASTY, repeat=3)]
    short += ["".join(t).encode() for t in itertools.product(" \n'slvea1\u00a0é", repeat=4)]
    assert not differences(short, expected(tiktoken_gpt2, short), *flat(traced(strings(short))))


@settings(max_examples=60)
@given(st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=40)), max_size=20))
def test_any_strings_and_bytes(
    traced: Any, tiktoken_gpt2: tiktoken.Encoding, drawn: list[str | bytes]
) -> None:
    batch = [text.encode() if isinstance(text, str) else text for text in drawn]
    assert not differences(batch, expected(tiktoken_gpt2, batch), *flat(traced(strings(batch))))


def test_bytes_that_are_no_utf8(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    broken = bad_bytes(20_000)
    assert not differences(broken, expected(tiktoken_gpt2, broken), *flat(layer.tokenize(strings(broken))))


def test_real_sources(
    layer: TFGPT2Tokenizer,
    tiktoken_gpt2: tiktoken.Encoding,
    library_sources: list[str],
    multilingual: list[str],
) -> None:
    whole = [text.encode() for text in [*library_sources[:60], *multilingual]]
    assert not differences(whole, expected(tiktoken_gpt2, whole), *flat(layer.tokenize(strings(whole))))


@pytest.mark.parametrize("unit", ["a", "ab", "aab", "thein", "ACGTTGA", " ", "=", "中", "\u3000", "é", "\n"])
def test_long_runs(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding, unit: str) -> None:
    long = [(unit * n).encode() for n in (1, 2, 7, 15, 16, 17, 127, 128, 129, 1000)] + [
        (unit * 5000).encode()
    ]
    assert not differences(long, expected(tiktoken_gpt2, long), *flat(layer.tokenize(strings(long))))


def test_long_pretokens_of_chance(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    chance = random.Random(3)
    long = [
        "".join(chance.choices(alphabet, k=3000)).encode()
        for alphabet in (
            "ab",
            "aab",
            "ACGT",
            "etaoin",
            "abcdefghijklmnopqrstuvwxyz",
            "-=",
            "中文字的",
            "абвгдеё",
            " \n\t",
        )
    ]
    assert not differences(long, expected(tiktoken_gpt2, long), *flat(layer.tokenize(strings(long))))


def test_equals_the_fast_tokenizer(fast: GPT2TokenizerFast, texts: list[bytes]) -> None:
    want = fast([text.decode(errors="replace") for text in texts])["input_ids"]
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    assert layer(strings(texts))["input_ids"].to_list() == want
    assert tf.function(layer.tokenize)(strings(texts)).to_list() == want
    batches = tf.data.Dataset.from_tensor_slices(strings(texts)).batch(397).map(layer.tokenize)
    assert [row for batch in batches for row in batch.to_list()] == want


# --- other vocabularies ---


def test_a_small_vocabulary_with_ids_in_disorder_and_entries_no_merge_makes() -> None:
    chars = list(byte_alphabet().values())
    merges = [
        ("a", "b"),
        ("ab", "c"),
        ("c", "d"),
        ("b", "c"),
        ("bc", "d"),
        ("a", "a"),
        ("aa", "aa"),
        ("Ġ", "a"),
    ]
    tokens = [*chars, *(left + right for left, right in merges), "abcd", "<unmade>"]
    random.Random(1).shuffle(tokens)
    vocab = {token: 3 * i + 2 for i, token in enumerate(tokens)}
    slow = GPT2Tokenizer(vocab, merges, unk_token=None, bos_token=None, eos_token=None)
    layer = TFGPT2Tokenizer(vocab, merges)
    chance = random.Random(2)
    texts = ["".join(chance.choices("abcd a", k=k)) for k in range(60) for _ in range(20)]
    want = [slow.encode(text) for text in texts]
    assert layer(texts)["input_ids"].to_list() == want
    # `bcd` cannot be made once `cd` is: BPE of a token's own bytes need not be the token.
    assert len(layer("bcd")["input_ids"]) == 2
    assert layer.detokenize(layer(texts)["input_ids"]).numpy().tolist() == [text.encode() for text in texts]
    with pytest.raises(tf.errors.InvalidArgumentError, match="none"):
        layer.detokenize([0])


def test_pairs_of_64_bits(
    wanted: tuple[np.ndarray, np.ndarray], texts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a vocabulary of more than 65,279 merges needs them.
    with monkeypatch.context() as patch:
        patch.setattr(graph_tables, "pair_bits", lambda end, pairs: 64)
        graph_tables._graph_tables.cache_clear()
        wide = TFGPT2Tokenizer(*gpt2_vocabulary())
    graph_tables._graph_tables.cache_clear()
    assert not differences(texts, wanted, *flat(wide.tokenize(strings(texts))))


def _grown(count: int) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """GPT-2's vocabulary and so many merges more: of a pretoken that begins with a blank, and one to follow it."""
    chance = random.Random(count)
    given, merges = gpt2_vocabulary()
    vocab, merges = dict(given), list(merges)
    made = [left + right for left, right in merges]
    starts = [token for token in made if token.startswith("Ġ") and token[1:].isalpha() and len(token) > 3]
    ends = [token for token in made if token.isascii() and token.islower() and 2 <= len(token) <= 4]
    while len(merges) < len(made) + count:
        left, right = chance.choice(starts), chance.choice(ends)
        if left + right not in vocab:
            vocab[left + right] = 60_000 + len(vocab)
            merges.append((left, right))
    return vocab, merges


# The pairs of 2,000 more no longer find place in tables of 32 bits; the numbers of 20,000 more have 17.
@pytest.mark.parametrize("count", [500, 2_000, 20_000])
def test_larger_vocabularies(count: int, library_sources: list[str]) -> None:
    vocab, merges = _grown(count)
    fast = GPT2TokenizerFast(vocab, merges, unk_token=None, bos_token=None, eos_token=None)
    new = list(vocab)[50_257:][:: max(1, count // 300)]
    texts = [token.replace("Ġ", " ") + tail for token in new for tail in ("", " the", "s")]
    texts += [source[:3000] for source in library_sources[:40]]
    assert TFGPT2Tokenizer(vocab, merges)(texts)["input_ids"].to_list() == fast(texts)["input_ids"]


def test_entries_that_no_merge_makes_are_spelt_as_the_fast_tokenizer_has_them() -> None:
    vocab = {char: byte for byte, char in byte_alphabet().items()}
    for entry in ("Ġthe", "éĠ", "the moon", "Ġx y", "日本", "<Ġ>"):
        vocab[entry] = len(vocab)
    fast = GPT2TokenizerFast(vocab, [], unk_token=None, bos_token=None, eos_token=None)
    fast.add_tokens([AddedToken("caféĠ", special=False), "<|sp|>"])
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    for token_id in range(len(fast)):
        spelt = layer.detokenize([token_id]).numpy()
        assert spelt.decode(errors="replace") == fast.decode([token_id])


def test_a_vocabulary_without_merges() -> None:
    vocab = {char: byte for byte, char in byte_alphabet().items()}
    assert TFGPT2Tokenizer(vocab, [])(["hé"])["input_ids"].to_list() == [list("hé".encode())]
