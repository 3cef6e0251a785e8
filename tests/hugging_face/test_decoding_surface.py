"""From ids to text: both tokenizers against transformers 5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hf_oracle import (
    TEXTS,
    Kind,
    both,
    gpt2,
    gpt2_files,
    gpt2_oracle,
    kept,
    small,
    small_oracle,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, TokenizerError, UnknownTokenError


@both
def test_decode(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for text in TEXTS:
        ids = oracle.encode(text)
        for skip in (False, True):
            assert ours.decode(ids, skip) == oracle.decode(ids, skip)
            assert ours.decode(ids, skip_special_tokens=skip) == oracle.decode(ids, skip_special_tokens=skip)
        assert ours.decode(ids) == text
        tokens = oracle.convert_ids_to_tokens(ids)
        assert ours.convert_tokens_to_string(tokens) == oracle.convert_tokens_to_string(tokens)
    batch = [[15496], [], [995, 50256]]
    assert ours.decode(batch) == oracle.decode(batch)
    assert ours.batch_decode(batch, True) == oracle.batch_decode(batch, True)
    for ids in (
        15496,
        [],
        [[]],
        (15496, 995),
        np.array([15496, 995]),
        np.array([[15496], [995]]),
        np.int64(15496),
        torch.tensor([15496, 995]),
        torch.tensor([[15496], [995]]),
        [torch.tensor([15496]), torch.tensor([995])],
        [np.array([15496, 995])],
        {"input_ids": [15496]},
        [True],
    ):
        expected = oracle.decode(
            ids if not isinstance(ids, list) else [getattr(i, "tolist", lambda i=i: i)() for i in ids]
        )
        assert ours.decode(ids) == expected
    assert ours.decode([np.int64(15496), np.int64(995)]) == "Hello world"
    assert ours.decode(ours("Hello world")) == "Hello world"
    assert ours.batch_decode([15496, 995]) == oracle.batch_decode([15496, 995]) == ["Hello world"]
    assert ours.batch_decode([]) == []
    assert ours.decode([15496], spaces_between_special_tokens=True) == "Hello"


@given(st.lists(st.integers(0, 756), max_size=20), st.booleans())
@settings(max_examples=200)
def test_any_ids_decode_as_in_transformers(ids: list[int], skip: bool) -> None:
    """Most of them are not UTF-8: both put U+FFFD at the same places."""
    expected = kept(small_oracle).decode(ids, skip_special_tokens=skip)
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        assert kept(small, kind=kind).decode(ids, skip_special_tokens=skip) == expected


@both
def test_decoding_refuses_what_transformers_leaves_out(kind: Kind) -> None:
    ours = gpt2(kind)
    for bad in (50257, -1, -100, 10**12, 10**30):
        with pytest.raises(UnknownTokenError, match=f"id {bad} at position 1"):
            ours.decode([15496, bad])
    for wrong in ("abc", b"abc", [1.5], ["a"], None, [None], 1.5):
        with pytest.raises(TypeError):
            ours.decode(wrong)
    with pytest.raises(TypeError, match="not a list of str: put it in a list"):
        ours.convert_tokens_to_string("Hello")


@both
def test_errors_decide_about_bytes_that_are_no_text(kind: Kind) -> None:
    half = gpt2_oracle().encode("é")[:1] if len(gpt2_oracle().encode("é")) > 1 else [127]
    for errors in ("replace", "ignore", "backslashreplace"):
        tokenizer = small(kind, errors=errors)
        assert tokenizer.decode([0, *half]) == "!" + bytes([tokenizer_byte(half[0])]).decode("utf-8", errors)
    with pytest.raises(UnicodeDecodeError):
        small(kind, errors="strict").decode(half)
    with pytest.raises(TokenizerError, match="errors is a way to decode bytes"):
        small(kind, errors="nonsense")


def tokenizer_byte(token_id: int) -> int:
    from gpt2tok.formats import byte_alphabet

    names = {char: byte for byte, char in byte_alphabet().items()}
    vocab = gpt2_files()[0]
    return names[next(token for token, known in vocab.items() if known == token_id)]


@both
def test_clean_up(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    text = "Hello , it 's fine . Is n't it ? Yes !"
    ids = ours.encode(text)
    assert ours.decode(ids) == text
    assert ours.decode(ids, clean_up_tokenization_spaces=True) == oracle.clean_up_tokenization(text)
    # The setting alone does nothing, as in transformers 5: files that transformers 4 wrote have it without
    # being asked.
    tokenizer = small(kind, clean_up_tokenization_spaces=True)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    both_flags = {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True}
    tokenizer = small(kind, clean_up_tokenization_spaces=True, **both_flags)
    assert tokenizer.decode(tokenizer.encode(text)) == oracle.clean_up_tokenization(text)
