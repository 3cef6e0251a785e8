"""Wrong questions to a `BatchEncoding`, and wrong `BatchEncoding`s and `AddedToken`s: one clear error for each line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hf_oracle import Kind, both, gpt2
from hf_refusals import KINDS, Case, cases, check

from gpt2tok import AddedToken, BatchEncoding, TokenizerError, VocabError

# What a result is asked (b is of one text of two tokens, "Hello world").
LOOKUPS: list[Case] = [
    (lambda b: b.char_to_token("x"), TypeError, "char_index is of type str, not a whole number: pass an int"),
    (lambda b: b.char_to_token(1.5), TypeError, "char_index is of type float, not a whole number"),
    (lambda b: b.char_to_token(None), TypeError, "char_index is None, not a whole number"),
    (lambda b: b.char_to_token("x", 0), TypeError, "batch_index is of type str, not a whole number"),
    (lambda b: b.char_to_token(5, 0), IndexError, "there is no row 5: this batch has 1, and the first is 0"),
    (lambda b: b.char_to_token(0, 0, "x"), TypeError, "sequence_index is of type str, not a whole number"),
    (lambda b: b.char_to_token(0, 0, 2), TokenizerError, "sequence_index=2: it is 0, or 1 for the second"),
    (lambda b: b.char_to_word("x"), TypeError, "char_index is of type str, not a whole number"),
    (lambda b: b.char_to_word(0, 0, None), TypeError, "sequence_index is None, not a whole number"),
    (lambda b: b.token_to_chars("x"), TypeError, "token_index is of type str, not a whole number"),
    (lambda b: b.token_to_chars(0, 1.0), TypeError, "token_index is of type float, not a whole number"),
    (lambda b: b.token_to_chars(1, 0), IndexError, "there is no row 1"),
    (lambda b: b.token_to_word(None), TypeError, "token_index is None, not a whole number"),
    (lambda b: b.token_to_sequence("x"), TypeError, "token_index is of type str, not a whole number"),
    (lambda b: b.word_to_tokens("x"), TypeError, "word_index is of type str, not a whole number"),
    (lambda b: b.word_to_tokens(0, 0, -1), TokenizerError, "sequence_index=-1: it is 0, or 1"),
    (lambda b: b.word_to_chars(1.0), TypeError, "word_index is of type float, not a whole number"),
    (lambda b: b.tokens(5), IndexError, "there is no row 5: this batch has 1, and the first is 0"),
    (lambda b: b.tokens(-2), IndexError, "there is no row -2"),
    (lambda b: b.tokens("x"), TypeError, "batch_index is of type str, not a whole number"),
    (lambda b: b.tokens(None), TypeError, "batch_index is None, not a whole number"),
    (lambda b: b.tokens(slice(0, 1)), TypeError, "batch_index is of type slice, not a whole number"),
    (lambda b: b.word_ids(1), IndexError, "there is no row 1"),
    (lambda b: b.words("x"), TypeError, "batch_index is of type str"),
    (lambda b: b.sequence_ids(1.5), TypeError, "batch_index is of type float"),
    (lambda b: b[1], IndexError, "there is no row 1"),
    (lambda b: b[1.5], TypeError, "batch_index is of type float"),
    (lambda b: b["labels"], KeyError, "'labels': this batch has the features input_ids, attention_mask"),
    (lambda b: b.labels, AttributeError, "with input_ids, attention_mask has no attribute 'labels'"),
    (lambda b: b[0].char_to_token("x"), TypeError, "char_index is of type str, not a whole number"),
    (lambda b: b[0].char_to_word(0, 7), TokenizerError, "sequence_index=7"),
    (lambda b: b[0].token_to_chars("x"), TypeError, "token_index is of type str, not a whole number"),
    (lambda b: b[0].token_to_word(None), TypeError, "token_index is None, not a whole number"),
    (lambda b: b[0].word_to_tokens("x"), TypeError, "word_index is of type str, not a whole number"),
    (lambda b: b.convert_to_tensors([]), TypeError, r"return_tensors is None or one of .*, not \[\]"),
    (lambda b: b.to(5.5), TypeError, "device is a str, an int or a torch.device, not float"),
]


@cases(LOOKUPS)
def test_lookups(case: Case) -> None:
    check(case, [gpt2(kind)("Hello world") for kind in KINDS])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: BatchEncoding(5), TypeError, "data is of type int, not features by name: pass a dict"),
        (lambda: BatchEncoding([1]), TypeError, "data is of type list, not features by name"),
        (lambda: BatchEncoding("abc"), TypeError, "data is of type str, not features by name"),
        (
            lambda: BatchEncoding({"input_ids": [1]}, 5),
            TypeError,
            r"encoding\[0\] is of type int, not a Sequence",
        ),
        (
            lambda: BatchEncoding({"input_ids": [1]}, [5]),
            TypeError,
            r"encoding\[0\] is of type int, not a Sequence",
        ),
        (lambda: BatchEncoding({5: [1]}).labels, AttributeError, "with 5 has no attribute 'labels'"),
        (lambda: BatchEncoding({5: [1]})[0], KeyError, r"features by name \(5\), but no details"),
        (
            lambda: BatchEncoding({"input_ids": [[1], [2, 3]]}, tensor_type="pt"),
            TokenizerError,
            r"input_ids cannot become a tensor: its rows differ in length \(input_ids\[0\] has 1,"
            r" input_ids\[1\] has 2\); pass padding=True",
        ),
        (
            lambda: BatchEncoding({"offsets": [[[1, 2]], [[3]]]}, tensor_type="pt"),
            TokenizerError,
            r"differ in length \(offsets\[0\]\[0\] has 2, offsets\[1\]\[0\] has 1\)",
        ),
        (
            lambda: BatchEncoding({"input_ids": [[1], ["a"]]}, tensor_type="pt"),
            TokenizerError,
            r"input_ids cannot become a tensor: input_ids\[1\]\[0\] is of type str, not a number; leave",
        ),
        (
            lambda: BatchEncoding({"labels": [None]}, tensor_type="tf"),
            TokenizerError,
            r"labels cannot become a tensor: labels\[0\] is None, not a number",
        ),
        (lambda: AddedToken(5), TypeError, "the content of an added token is a str, not int"),
        (lambda: AddedToken("x", lstrip="no"), TypeError, "lstrip is True or False, not 'no'"),
        (lambda: AddedToken("x", special=5), TypeError, "special is True or False, not 5"),
        (lambda: AddedToken("x", normalized="no"), TypeError, "normalized is True or False, not 'no'"),
        (
            lambda: AddedToken("x\ud800"),
            TokenizerError,
            r"lone surrogate U\+D800 at character 1; read the text",
        ),
        (
            lambda: AddedToken.of(b"x"),
            TypeError,
            "a token is a str or an AddedToken, not bytes: decode it first",
        ),
        (
            lambda: AddedToken.from_dict(5),
            VocabError,
            "an added token is 5: it must be an object with a string",
        ),
        (lambda: AddedToken.from_dict({"content": "x", "lstrip": 5}), VocabError, "is no added token"),
        (lambda: AddedToken.from_dict({"content": "\ud800"}), VocabError, "is not valid Unicode"),
    ],
)
def test_other_objects(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    check((lambda _: make(), error, message), [None])


@both
def test_past_the_end_is_none(kind: Kind) -> None:
    """As in transformers, and a mapping stays one."""
    batch = gpt2(kind)("Hello world")
    assert batch.char_to_token(100) is batch.token_to_chars(100) is batch.word_to_tokens(100) is None
    assert batch.char_to_token(np.int64(5)) == 1
    assert batch.get("labels") is None and batch.pop("labels", 5) == 5
