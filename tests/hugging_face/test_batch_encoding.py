"""BatchEncoding: the mapping and the look-ups between text and tokens, against transformers 5."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
import transformers
from hf_oracle import (
    TEXTS,
    WORDS,
    Kind,
    assert_same,
    both,
    details,
    gpt2,
    gpt2_oracle,
    small,
    small_oracle,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import BatchEncoding, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok.hugging_face.sequence_encoding import CharSpan, SequenceEncoding, TokenSpan


def assert_same_lookups(ours: BatchEncoding, oracle: Any) -> None:
    """Every question that has an answer on both sides. (transformers fails at negative numbers and missing
    words.)
    """
    assert details(ours) == details(oracle)
    for row in range(len(oracle.encodings)):
        assert ours.tokens(row) == oracle.tokens(row)
        assert ours.word_ids(row) == oracle.word_ids(row)
        assert ours.sequence_ids(row) == oracle.sequence_ids(row)
        length = len(oracle.tokens(row))
        for token in range(length + 2):
            assert ours.token_to_sequence(row, token) == oracle.token_to_sequence(row, token)
            assert ours.token_to_word(row, token) == oracle.token_to_word(row, token)
            assert ours.token_to_chars(row, token) == oracle.token_to_chars(row, token)
        for sequence in range(oracle.n_sequences):
            words = [w for w in oracle.word_ids(row) if w is not None]
            for word in range(max(words, default=0) + 2):
                span = oracle.word_to_tokens(row, word, sequence)
                assert ours.word_to_tokens(row, word, sequence) == span
                if span is not None:
                    assert ours.word_to_chars(row, word, sequence) == oracle.word_to_chars(
                        row, word, sequence
                    )
                else:
                    assert ours.word_to_chars(row, word, sequence) is None
            chars = max((end for _, end in oracle[row].offsets), default=0)
            for char in range(chars + 2):
                assert ours.char_to_token(row, char, sequence) == oracle.char_to_token(row, char, sequence)
                assert ours.char_to_word(row, char, sequence) == oracle.char_to_word(row, char, sequence)


@both
def test_lookups_of_texts_pairs_and_words(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    some = [text for text in TEXTS if len(text) < 120]
    assert_same_lookups(ours(some), oracle(some))
    assert_same_lookups(ours(some, some[::-1]), oracle(some, some[::-1]))
    assert_same_lookups(
        ours(some, padding=True, padding_side="left"), oracle(some, padding=True, padding_side="left")
    )
    for words in WORDS[1:]:
        same = {"is_split_into_words": True}
        assert_same_lookups(ours(words, WORDS[2], **same), oracle(words, WORDS[2], **same))
    cut = {"truncation": True, "max_length": 4, "stride": 1, "return_overflowing_tokens": True}
    assert_same_lookups(ours(some, **cut), oracle(some, **cut))


@both
def test_lookups_with_special_tokens(kind: Kind) -> None:
    settings_ = {"add_bos_token": True, "add_eos_token": True, "add_prefix_space": True, "pad_token": "<pad>"}
    ours, oracle = small(kind, **settings_), small_oracle(**settings_)
    pairs = ["Hello 日本", "a"], ["b c", "<|endoftext|> d"]
    assert_same_lookups(ours(*pairs, padding=True), oracle(*pairs, padding=True))


@given(st.lists(texts, min_size=1, max_size=3), st.booleans())
@settings(max_examples=60)
def test_any_lookup(batch: list[str], pairs: bool) -> None:
    second = batch[::-1] if pairs else None
    expected = gpt2_oracle()(batch, second)
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        assert_same_lookups(gpt2(kind)(batch, second), expected)


@both
def test_the_row_may_be_left_out(kind: Kind) -> None:
    batch = gpt2(kind)("Hello 日本", "x")
    assert batch.token_to_chars(1) == batch.token_to_chars(0, 1) == CharSpan(5, 7)
    assert batch.char_to_token(6) == batch.char_to_token(0, 6) == 1
    assert batch.word_to_tokens(1) == batch.word_to_tokens(0, 1) == TokenSpan(1, 6)
    assert batch.word_to_chars(1) == CharSpan(5, 8)
    assert batch.char_to_token(0, sequence_index=1) == batch.char_to_token(0, 0, 1) == 6
    assert batch.token_to_word(6) == 0
    assert batch.token_to_sequence(6) == 1


@both
def test_negative_numbers_count_from_the_end(kind: Kind) -> None:
    # transformers fails here: it asks for attributes that it does not have.
    batch = gpt2(kind)(["Hello 日本", "a b c"], padding=True)
    assert batch.token_to_chars(1, -1) is None
    assert batch.token_to_chars(0, -1) == CharSpan(7, 8)
    assert batch.token_to_word(-2, -1) == 1
    assert batch.token_to_sequence(-1, 0) == 0
    assert batch.word_to_tokens(1, -1) == TokenSpan(2, 3)
    assert batch.word_to_chars(1, -1) == CharSpan(3, 5)
    assert batch.word_to_tokens(1, -9) is None
    assert batch.token_to_chars(0, -99) is None
    assert batch.tokens(-1) == batch.tokens(1)


@both
def test_a_single_text_has_no_second_sequence(kind: Kind) -> None:
    # transformers answers with the first one.
    assert gpt2(kind)("a b").char_to_token(0, sequence_index=1) is None
    assert gpt2_oracle()("a b").char_to_token(0, sequence_index=1) == 0


@both
def test_the_mapping(kind: Kind) -> None:
    for batch in (
        gpt2(kind)("Hello world"),
        gpt2(kind)(["Hello world"]),
        gpt2(kind)("Hello world", return_length=True),
    ):
        assert isinstance(batch, Mapping)
        assert list(batch)[:2] == ["input_ids", "attention_mask"]
        assert batch.input_ids is batch["input_ids"]
        assert "input_ids" in batch and "labels" not in batch
        assert dict(batch) == dict(**batch)
        assert batch.get("labels") is None
        with pytest.raises(KeyError):
            _ = batch["labels"]
        with pytest.raises(AttributeError, match="no attribute 'labels'"):
            _ = batch.labels
        with pytest.raises(IndexError):
            _ = batch[5]
        batch["labels"] = [1]
        assert batch.labels == [1]
        del batch["labels"]
        assert repr(batch) == repr(dict(batch))
    assert gpt2(kind)("a") == gpt2(kind)("a")


@both
def test_rows_by_number(kind: Kind) -> None:
    batch = gpt2(kind)(["Hello world", "a", "b c"])
    assert isinstance(batch[0], SequenceEncoding)
    assert batch[0].ids == [15496, 995]
    assert batch[-1].tokens == ["b", "Ġc"]
    assert [row.ids for row in batch[:2]] == [[15496, 995], [64]]
    assert len(batch[0]) == 2
    assert batch[0].words == batch[0].word_ids == [0, 1]
    assert "num_tokens=2" in repr(batch[0])
    assert batch.encodings is not None and len(batch.encodings) == 3
    assert (batch.is_fast, batch.n_sequences) == (True, 1)
    assert gpt2(kind)("a", "b").n_sequences == 2
    assert gpt2(kind)([]).encodings == []


def test_a_batch_without_rows() -> None:
    ours, oracle = BatchEncoding({"input_ids": [1, 2]}), transformers.BatchEncoding({"input_ids": [1, 2]})
    assert dict(ours) == dict(oracle)
    assert ours[0:1] == oracle[0:1]
    assert ours.encodings is oracle.encodings is None
    assert ours.is_fast is oracle.is_fast is False
    assert ours.n_sequences is oracle.n_sequences is None
    with pytest.raises(KeyError, match="no details of its rows"):
        _ = ours[0]
    for ask in ("tokens", "word_ids", "sequence_ids", "words"):
        with pytest.raises(TokenizerError, match="was not made from text"):
            getattr(ours, ask)()
    for ask in (
        "token_to_chars",
        "token_to_word",
        "token_to_sequence",
        "char_to_token",
        "char_to_word",
        "word_to_tokens",
    ):
        with pytest.raises(TokenizerError, match=ask):
            getattr(ours, ask)(0)
    assert dict(BatchEncoding(None)) == {}
    row = gpt2(GPT2Tokenizer)("a")[0]
    assert (
        BatchEncoding({"input_ids": [64]}, row).tokens()
        == BatchEncoding({"input_ids": [[64]]}, [row]).tokens()
        == ["a"]
    )


@both
def test_pickles_and_copies_know_the_same(kind: Kind) -> None:
    for make in (
        lambda: gpt2(kind)("Hello 日本"),
        lambda: gpt2(kind)(["a b", "c"], ["d", "e"], padding=True),
    ):
        expected = details(make())
        for copied in (copy.copy(make()), copy.deepcopy(make()), pickle.loads(pickle.dumps(make()))):
            assert dict(copied) == dict(make())
            assert details(copied) == expected
            assert copied.n_sequences == make().n_sequences
        batch = make()
        other = copy.copy(batch)
        other["labels"] = [1]
        assert "labels" not in batch


@both
def test_details_are_those_of_the_moment_of_the_call(kind: Kind) -> None:
    """They are made later, but neither the tokenizer nor the caller's lists can change them by then."""
    tokenizer = small(kind)
    batches = [tokenizer("x <user> y"), tokenizer(["x <user> y"])]
    words = [["x", "<user>"]]
    batches.append(tokenizer(words, is_split_into_words=True))
    expected = [details(b) for b in (tokenizer("x <user> y"), tokenizer(["x <user> y"]))]
    expected.append(details(tokenizer([["x", "<user>"]], is_split_into_words=True)))
    tokenizer.add_tokens(["<user>"])
    tokenizer.add_prefix_space = True
    tokenizer.add_bos_token = True
    words[0].append("more")
    for batch in batches:
        batch["input_ids"].append(5) if isinstance(batch["input_ids"][0], int) else batch["input_ids"][
            0
        ].append(5)
    assert [details(batch) for batch in batches] == expected
    assert "<user>" in tokenizer("x <user> y").tokens()


@both
def test_details_do_not_depend_on_when_they_are_made(kind: Kind) -> None:
    for text in TEXTS:
        assert_same(gpt2(kind)(text), gpt2_oracle()(text))
        early = gpt2(kind)(text, return_offsets_mapping=True)
        assert details(early) == details(gpt2(kind)(text))
