"""The vocabulary, tokens and ids: both tokenizers against transformers 5."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hf_oracle import (
    Kind,
    both,
    gpt2,
    gpt2_files,
    gpt2_oracle,
    small,
    small_oracle,
)

from gpt2tok import UnknownTokenError


@both
def test_vocabulary(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    assert ours.get_vocab() == oracle.get_vocab()
    assert ours.vocab == oracle.vocab
    assert list(ours.get_vocab().values()) == list(range(50257))
    assert (ours.vocab_size, len(ours)) == (oracle.vocab_size, len(oracle))
    assert ours.get_vocab() is not ours.get_vocab()
    assert ours.encoder == gpt2_files()[0]
    assert ours.bpe_ranks[("Ġ", "t")] == 0
    assert len(ours.bpe_ranks) == 50000
    assert bool(ours) is True


@both
def test_tokens_and_ids(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    tokens = ["Hello", "Ġworld", "<|endoftext|>", "no such token", ""]
    assert ours.convert_tokens_to_ids(tokens) == oracle.convert_tokens_to_ids(tokens)
    assert ours.convert_tokens_to_ids("Ġworld") == oracle.convert_tokens_to_ids("Ġworld")
    ids = [15496, 995, 50256, 0, 188, 220]
    for skip in (False, True):
        assert ours.convert_ids_to_tokens(ids, skip) == oracle.convert_ids_to_tokens(ids, skip)
        assert ours.convert_ids_to_tokens(tuple(ids), skip) == oracle.convert_ids_to_tokens(tuple(ids), skip)
    assert ours.convert_ids_to_tokens(15496) == "Hello"
    assert ours.convert_ids_to_tokens(np.int64(15496)) == "Hello"
    assert ours.convert_ids_to_tokens(np.array([15496])) == ["Hello"]
    assert ours.convert_ids_to_tokens(torch.tensor([15496])) == ["Hello"]
    for bad in (-1, 50257, -100):
        with pytest.raises(UnknownTokenError, match=str(bad)):
            ours.convert_ids_to_tokens(bad)
        with pytest.raises(UnknownTokenError, match=f"{bad} at position 1"):
            ours.convert_ids_to_tokens([0, bad])
    for wrong in ("Hello", 1.5, None, [1.5], ["a"]):
        with pytest.raises(TypeError):
            ours.convert_ids_to_tokens(wrong)
    for wrong in (5, None, [5]):
        with pytest.raises(TypeError):
            ours.convert_tokens_to_ids(wrong)


@both
def test_unknown_tokens_without_an_unknown_token(kind: Kind) -> None:
    ours, oracle = small(kind, unk_token=None), small_oracle(unk_token=None)
    assert ours.convert_tokens_to_ids("no such") is oracle.convert_tokens_to_ids("no such") is None
    assert ours.unk_token_id is None
