"""Padding: in calls and of finished features, against transformers 5."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hf_oracle import Kind, assert_same, both, gpt2, gpt2_oracle, plain, same_call, small, small_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import BatchEncoding, GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok.hugging_face.padding import PaddingStrategy, round_up

BATCH = ["a b c", "d", "", "Hello <|endoftext|>"]
EVERYTHING: dict[str, Any] = {
    "return_token_type_ids": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
    "return_length": True,
}


@both
@pytest.mark.parametrize("side", [None, "left", "right"])
@pytest.mark.parametrize(
    "options",
    [
        {"padding": True},
        {"padding": "longest", "pad_to_multiple_of": 4},
        {"padding": "max_length", "max_length": 7},
        {"padding": "max_length", "max_length": 2},
        {"padding": "max_length", "max_length": 7, "pad_to_multiple_of": 4},
        {"padding": "max_length"},
        {"padding": True, "pad_to_multiple_of": 0},
        {"padding": "do_not_pad", "max_length": 2, "truncation": False},
        {
            "padding": True,
            "truncation": True,
            "max_length": 4,
            "stride": 1,
            "return_overflowing_tokens": True,
        },
        {"padding": "max_length", "truncation": True, "max_length": 4, "pad_to_multiple_of": 4},
    ],
    ids=str,
)
def test_padding_in_calls(kind: Kind, side: str | None, options: dict[str, Any]) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same_call(ours, oracle, BATCH, padding_side=side, **EVERYTHING, **options)
        same_call(ours, oracle, BATCH, BATCH[::-1], padding_side=side, **EVERYTHING, **options)
        same_call(ours, oracle, "a b c", padding_side=side, **EVERYTHING, **options)


@both
def test_the_tokenizers_own_side_length_and_type(kind: Kind) -> None:
    arguments = {"padding_side": "left", "pad_token": "<pad>", "model_max_length": 6, "add_bos_token": True}
    ours, oracle = small(kind, **arguments), small_oracle(**arguments)
    for padding in (True, "max_length"):
        same_call(ours, oracle, BATCH, padding=padding, truncation=True, **EVERYTHING)
    ours.padding_side = oracle.padding_side = "right"
    same_call(ours, oracle, BATCH, padding=True, **EVERYTHING)
    ours = small(kind, pad_token="<pad>", pad_token_type_id=3)
    assert ours(["ZQ", ""], padding=True, return_token_type_ids=True)["token_type_ids"] == [[0, 0], [3, 3]]


@both
def test_padding_needs_its_token(kind: Kind) -> None:
    for call in (lambda t: t(["a", "b c"], padding=True), lambda t: t.pad({"input_ids": [[1], [2, 3]]})):
        with pytest.raises(TokenizerError, match="padding needs a pad_token"):
            call(small(kind))


@both
def test_strategies_may_be_enumerations(kind: Kind) -> None:
    from transformers.utils import PaddingStrategy as Theirs

    expected = gpt2(kind)(BATCH, padding="longest")["input_ids"]
    assert gpt2(kind)(BATCH, padding=PaddingStrategy.LONGEST)["input_ids"] == expected
    assert gpt2(kind)(BATCH, padding=Theirs.LONGEST)["input_ids"] == expected


FEATURES: list[Any] = [
    {"input_ids": [1, 2, 3]},
    {"input_ids": [[1, 2, 3], [4]]},
    {"input_ids": [[1, 2, 3], []]},
    {"input_ids": [[], []]},
    {"input_ids": []},
    {"input_ids": [[1, 2], [3]], "attention_mask": [[1, 0], [1]]},
    {"input_ids": [[1, 2], [3]], "token_type_ids": [[0, 1], [1]], "special_tokens_mask": [[1, 0], [0]]},
    [{"input_ids": [1, 2, 3]}, {"input_ids": [4]}],
    [{"input_ids": [1, 2], "labels": 5}, {"input_ids": [3], "labels": 6}],
    ({"input_ids": [1, 2, 3]}, {"input_ids": [4]}),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"padding": "max_length", "max_length": 5},
    {"padding": "max_length", "max_length": 2},
    {"padding": False},
    {"padding": "longest", "pad_to_multiple_of": 4},
    {"padding_side": "left"},
    {"return_attention_mask": False},
    {"return_attention_mask": True},
    {"padding": "max_length", "max_length": 3, "pad_to_multiple_of": 2, "padding_side": "left"},
]


@both
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_pad(kind: Kind, options: dict[str, Any]) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for features in FEATURES:
        given_ = copy.deepcopy(features)
        mine, its = ours.pad(features, **options), oracle.pad(copy.deepcopy(features), **options)
        assert features == given_, "what was passed must not change"
        assert dict(mine) == dict(its), features
        assert isinstance(mine, BatchEncoding)


@both
def test_pad_takes_what_calls_give(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    texts = ["a b c", "d"]
    assert dict(ours.pad(ours(texts))) == dict(oracle.pad(oracle(texts)))
    assert dict(ours.pad([ours(text) for text in texts])) == dict(
        oracle.pad([oracle(text) for text in texts])
    )
    padded = ours.pad([ours(text) for text in texts], return_tensors="np")
    assert plain(dict(padded)) == plain(
        dict(oracle.pad([oracle(text) for text in texts], return_tensors="np"))
    )
    assert dict(ours.pad(ours(texts))) == dict(ours(texts, padding=True))
    with pytest.raises(TokenizerError, match="was not made from text"):
        ours.pad(ours(texts)).tokens()


@both
def test_pad_keeps_arrays_and_tensors(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for make, name in ((np.array, "ndarray"), (torch.tensor, "Tensor")):
        for features in (
            {"input_ids": [make([1, 2, 3]), make([4])]},
            {"input_ids": make([[1, 2], [3, 4]]), "attention_mask": make([[1, 1], [1, 0]])},
            [{"input_ids": make([1, 2])}, {"input_ids": make([3])}],
        ):
            mine = ours.pad(features)
            assert type(mine["input_ids"]).__name__ == name
            assert plain(dict(mine)) == plain(dict(oracle.pad(copy.deepcopy(features))))
        listed = ours.pad({"input_ids": [make([1, 2, 3]), make([4])]}, return_tensors="pt")
        assert isinstance(listed["input_ids"], torch.Tensor)


@given(
    st.lists(st.lists(st.integers(0, 50256), max_size=6), min_size=1, max_size=4),
    st.sampled_from([True, False, "longest", "max_length"]),
    st.none() | st.integers(0, 9),
    st.sampled_from([None, 1, 2, 8]),
    st.sampled_from([None, "left", "right"]),
    st.none() | st.booleans(),
)
@settings(max_examples=200)
def test_any_padding(  # noqa: PLR0917
    ids: list[list[int]],
    padding: Any,
    max_length: int | None,
    multiple: int | None,
    side: str | None,
    mask: bool | None,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = (padding, max_length, multiple, side, mask)
        expected = gpt2_oracle().pad({"input_ids": copy.deepcopy(ids)}, *arguments)
        for kind in (GPT2Tokenizer, GPT2TokenizerFast):
            assert_same_data(gpt2(kind).pad({"input_ids": ids}, *arguments), expected)


def assert_same_data(ours: Any, oracle: Any) -> None:
    assert dict(ours) == dict(oracle)


@both
@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ({"labels": [1]}, TokenizerError, "encoded_inputs has no 'input_ids', only 'labels'"),
        ({}, TokenizerError, "only nothing"),
        ([], TokenizerError, "there is no example"),
        ("abc", TypeError, "pad takes a dict"),
        ([[1, 2]], TypeError, r"encoded_inputs\[0\] is of type list, not a dict of features"),
        (
            [{"input_ids": [1]}, {"labels": 1}],
            TokenizerError,
            r"encoded_inputs\[1\] has the features 'labels', the first one 'input_ids'",
        ),
        ({"input_ids": [[1], [2]], "labels": [1]}, TokenizerError, "labels has 1 examples, input_ids has 2"),
        (
            {"input_ids": [[1, 2], [3]], "attention_mask": [[1], [1]]},
            TokenizerError,
            "attention_mask has 1 values for 2",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_padded(kind: Kind, features: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gpt2(kind).pad(features)


@pytest.mark.parametrize(
    ("length", "multiple", "rounded"),
    [(0, 8, 0), (1, 8, 8), (8, 8, 8), (9, 8, 16), (9, None, 9), (9, 0, 9), (9, 1, 9)],
)
def test_round_up(length: int, multiple: int | None, rounded: int) -> None:
    assert round_up(length, multiple) == rounded


@both
def test_prepare_for_model_pads(kind: Kind) -> None:
    ours = gpt2(kind)
    prepared = ours.prepare_for_model(
        [1, 2], [3], padding="max_length", max_length=5, return_token_type_ids=True
    )
    assert dict(prepared) == {
        "input_ids": [1, 2, 3, 50256, 50256],
        "token_type_ids": [0, 0, 1, 0, 0],
        "attention_mask": [1, 1, 1, 0, 0],
    }
    assert_same(ours("a b"), gpt2_oracle()("a b"))
