"""Tokenizers as Python objects: copies, pickles, construction, what using them imports."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings

import pytest
from hf_oracle import (
    Kind,
    both,
    details,
    gpt2,
    gpt2_files,
    gpt2_oracle,
    small,
)

from gpt2tok import AddedToken, GPT2Tokenizer, GPT2TokenizerFast


@both
def test_copies_and_pickles_are_equal_and_independent(kind: Kind) -> None:
    tokenizer = small(kind, add_bos_token=True, pad_token="<pad>", padding_side="left", image_token="<img>")
    tokenizer.add_tokens([AddedToken("<user>", lstrip=True)])
    text = ["a <user> b<pad>", "x"]
    expected = details(tokenizer(text, padding=True))
    for other in (copy.copy(tokenizer), copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert details(other(text, padding=True)) == expected
        assert repr(other) == repr(tokenizer)
        assert other.image_token_id == tokenizer.image_token_id
        other.add_tokens(["<new>"])
        other.pad_token = "<user>"
        other.bos_token = None
        other.add_bos_token = False
    assert details(tokenizer(text, padding=True)) == expected
    assert "<new>" not in tokenizer.get_vocab()


def test_a_pickle_of_gpt2_is_small() -> None:
    for kind in (GPT2Tokenizer, GPT2TokenizerFast):
        assert len(pickle.dumps(kind.from_pretrained("gpt2"))) < 3000


@both
def test_repr_is_that_of_transformers(kind: Kind) -> None:
    ours, oracle = repr(gpt2(kind)), repr(gpt2_oracle())
    assert ours.replace("GPT2TokenizerFast(", "GPT2Tokenizer(") == oracle


@both
def test_classes_are_final_and_the_surface_abstract(kind: Kind) -> None:
    from gpt2tok.hugging_face.surface import TokenizerSurface

    assert kind.__final__
    with pytest.raises(TypeError, match="abstract"):
        TokenizerSurface()
    assert gpt2(kind).is_fast is (kind is GPT2TokenizerFast)


def test_importing_and_using_the_tokenizers_imports_nothing_else() -> None:
    program = """
import sys
import gpt2tok
for kind in (gpt2tok.GPT2Tokenizer, gpt2tok.GPT2TokenizerFast):
    tokenizer = kind.from_pretrained("gpt2", pad_token="<|endoftext|>")
    batch = tokenizer(["Hello", "a b"], padding=True, return_offsets_mapping=True)
    tokenizer.decode(batch["input_ids"])
found = {name.partition(".")[0] for name in sys.modules}
print(sorted(found & {"numpy", "torch", "tensorflow", "jax", "transformers", "tokenizers", "huggingface_hub"}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@both
def test_names_of_inputs_may_be_changed_in_place(kind: Kind) -> None:
    tokenizer = small(kind)
    tokenizer("a")
    tokenizer.model_input_names.append("token_type_ids")
    assert list(tokenizer("a")) == ["input_ids", "token_type_ids", "attention_mask"]
    assert small(kind).model_input_names == ["input_ids", "attention_mask"]


@both
def test_warnings_point_at_the_caller(kind: Kind) -> None:
    tokenizer = small(kind, pad_token="<|endoftext|>")
    for call in (
        lambda: kind(typo=1),
        lambda: tokenizer("a", typo=1),
        lambda: tokenizer("a", padding=True, max_length=3),
        lambda: tokenizer.encode("a", typo=1),
        lambda: tokenizer.encode_plus("a", typo=1),
        lambda: tokenizer.batch_encode_plus(["a"], typo=1),
        lambda: tokenizer.tokenize("a", typo=1),
        lambda: tokenizer.decode([1], typo=1),
        lambda: tokenizer.add_tokens("é"),
    ):
        with pytest.warns(UserWarning) as caught:
            call()
        assert [warning.filename for warning in caught] == [__file__]


def test_unused_arguments_of_the_constructor() -> None:
    vocab, merges = gpt2_files()
    with pytest.warns(UserWarning, match="kept but not used: add_prefix_spaces"):
        tokenizer = GPT2TokenizerFast(add_prefix_spaces=True)
    assert tokenizer.init_kwargs["add_prefix_spaces"] is True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GPT2TokenizerFast(use_fast=True, trust_remote_code=False)
    with pytest.raises(TypeError, match="the same thing"):
        GPT2TokenizerFast(vocab, merges, vocab_file="vocab.json")
    assert json.dumps(tokenizer.init_kwargs)
