"""Calls, encode and tokenize: both tokenizers against transformers 5."""

from __future__ import annotations

import itertools
import logging
import warnings
from typing import Any

import numpy as np
import pytest
from hf_oracle import (
    TEXTS,
    WORDS,
    Kind,
    assert_same,
    both,
    failure,
    gpt2,
    gpt2_oracle,
    kept,
    plain,
    same_call,
    small,
    small_oracle,
    texts,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from gpt2tok import GPT2Tokenizer, GPT2TokenizerFast, TokenizerError
from gpt2tok.hugging_face.call_surface import CallOptions

EVERYTHING: dict[str, Any] = {
    "return_token_type_ids": True,
    "return_special_tokens_mask": True,
    "return_offsets_mapping": True,
    "return_length": True,
}


@both
def test_every_text_alone_with_everything(kind: Kind) -> None:
    for text in TEXTS:
        same_call(gpt2(kind), gpt2_oracle(), text)
        same_call(gpt2(kind), gpt2_oracle(), text, **EVERYTHING)
        same_call(gpt2(kind), gpt2_oracle(), text, **EVERYTHING, return_overflowing_tokens=True)


@both
def test_batches_pairs_and_words(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    same_call(ours, oracle, TEXTS, **EVERYTHING)
    same_call(ours, oracle, tuple(TEXTS[3:6]))
    same_call(ours, oracle, TEXTS, list(reversed(TEXTS)), **EVERYTHING)
    for first, second in itertools.product(TEXTS[:8], repeat=2):
        same_call(ours, oracle, first, second, **EVERYTHING)
    same_call(ours, oracle, [("a", "b c"), ["d", ""]], **EVERYTHING)
    for words in WORDS:
        same_call(ours, oracle, words, is_split_into_words=True, **EVERYTHING)
        same_call(ours, oracle, words, WORDS[1], is_split_into_words=True, **EVERYTHING)
    same_call(ours, oracle, WORDS[1:], is_split_into_words=True, **EVERYTHING)
    same_call(ours, oracle, WORDS[1:], list(reversed(WORDS[1:])), is_split_into_words=True, **EVERYTHING)
    same_call(ours, oracle, [(["a", "b"], ["c"]), (["d"], [])], is_split_into_words=True, **EVERYTHING)
    same_call(ours, oracle, [("a", "b"), ("c",)], is_split_into_words=True, **EVERYTHING)


@both
@pytest.mark.parametrize(
    "settings_",
    [
        {"add_prefix_space": True},
        {"add_bos_token": True},
        {"add_eos_token": True, "add_prefix_space": True},
        {"add_bos_token": True, "add_eos_token": True, "eos_token": "<eos>"},
        {"split_special_tokens": True},
        {"model_input_names": ["input_ids", "token_type_ids"]},
    ],
    ids="+".join,
)
def test_settings_of_the_tokenizer(kind: Kind, settings_: dict[str, Any]) -> None:
    ours, oracle = small(kind, **settings_), small_oracle(**settings_)
    for text in TEXTS:
        same_call(ours, oracle, text)
        same_call(ours, oracle, text, **EVERYTHING)
        same_call(ours, oracle, text, add_special_tokens=False, **EVERYTHING)
        assert ours.encode(text) == oracle.encode(text)
        assert ours.encode(text, add_special_tokens=False) == oracle.encode(text, add_special_tokens=False)
        assert ours.tokenize(text) == oracle.tokenize(text)
        assert ours.tokenize(text, add_special_tokens=True) == oracle.tokenize(text, add_special_tokens=True)
    same_call(ours, oracle, TEXTS, TEXTS[::-1], **EVERYTHING)
    for words in WORDS:
        same_call(ours, oracle, words, WORDS[1], is_split_into_words=True, **EVERYTHING)
    for pair in (False, True):
        assert ours.num_special_tokens_to_add(pair) == oracle.num_special_tokens_to_add(pair)
    assert ours.max_len_single_sentence == oracle.max_len_single_sentence
    assert ours.max_len_sentences_pair == oracle.max_len_sentences_pair


@given(
    st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=4),
    st.booleans(),
    st.fixed_dictionaries(
        {},
        optional={
            "add_special_tokens": st.booleans(),
            "padding": st.sampled_from([True, False, "longest", "max_length", "do_not_pad"]),
            "truncation": st.sampled_from(
                [True, False, None, "longest_first", "only_first", "only_second", "do_not_truncate"]
            ),
            "max_length": st.integers(0, 12),
            "stride": st.integers(0, 3),
            "pad_to_multiple_of": st.sampled_from([None, 1, 4]),
            "padding_side": st.sampled_from([None, "left", "right"]),
            "return_overflowing_tokens": st.booleans(),
            "split_special_tokens": st.booleans(),
        },
    ),
    st.sampled_from(["left", "right"]),
    st.sampled_from(["none", "bos", "both"]),
)
@settings(max_examples=300)
def test_any_call(
    examples: list[tuple[str, str | None]], many: bool, options: dict[str, Any], side: str, frame: str
) -> None:
    """Whatever is asked: the same result; and where transformers fails or panics, an error of ours."""
    pairs = all(second is not None for _, second in examples)
    first: Any = [text for text, _ in examples]
    second: Any = [text for _, text in examples] if pairs else None
    if not many:
        first, second = examples[0][0], examples[0][1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = kept(small_oracle, pad_token="<|endoftext|>", **_frame(frame))
        oracle.truncation_side = side
        call = lambda tokenizer: tokenizer(first, second, **EVERYTHING, **options)  # noqa: E731
        failed = failure(lambda: call(oracle))
        if failed and "effective max length" in failed:
            return  # Of strides without progress `test_truncation.py` says all.
        for kind in (GPT2Tokenizer, GPT2TokenizerFast):
            tokenizer = kept(small, kind=kind, pad_token="<|endoftext|>", **_frame(frame))
            tokenizer.truncation_side = side
            if failed or _has_no_room(tokenizer, options, second):
                with pytest.raises(TokenizerError):
                    call(tokenizer)
                continue
            try:
                found = call(tokenizer)
            except TokenizerError as error:
                # As long as a window, or no window at all: transformers lets that pass until a text is too long.
                plain_ = not options.get("add_special_tokens", True)
                room = options["max_length"] - (0 if plain_ else tokenizer.num_special_tokens_to_add(False))
                assert "leaves no progress" in str(error) and options["stride"] >= room, error
                continue
            assert_same(found, call(oracle))


def _frame(frame: str) -> dict[str, Any]:
    return {"add_bos_token": frame != "none", "add_eos_token": frame == "both"}


def _has_no_room(tokenizer: Any, options: dict[str, Any], second: Any) -> bool:
    """A length below the number of special tokens: transformers silently does not truncate, here it is an
    error.
    """
    truncates = options.get("truncation") not in (None, False, "do_not_truncate") or (
        options.get("truncation") is None and options.get("padding", False) is False
    )
    if not truncates or "max_length" not in options or not options.get("add_special_tokens", True):
        return False
    return options["max_length"] < tokenizer.num_special_tokens_to_add(pair=bool(second))


@both
def test_length_below_the_special_tokens_is_an_error(kind: Kind) -> None:
    tokenizer = small(kind, add_bos_token=True)
    with pytest.raises(TokenizerError, match="max_length=1 is less than the 2 special tokens"):
        tokenizer("a", "b", truncation=True, max_length=1)


@both
def test_targets(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for arguments in (
        {"text": "a b", "text_target": "c d e"},
        {"text_target": "c d e"},
        {"text": ["a b", "c"], "text_target": ["c d e", "f"], "padding": True},
        {
            "text": "a b c",
            "text_target": "c d e",
            "max_length": 3,
            "max_target_length": 2,
            "truncation": True,
        },
        {"text": "a", "text_target": "c", "text_pair_target": "d"},
    ):
        theirs_, ours_ = oracle(**arguments), ours(**arguments)
        assert list(ours_) == list(theirs_)
        assert dict(ours_) == dict(theirs_)


@both
def test_older_names(kind: Kind) -> None:
    ours = gpt2(kind)
    assert dict(ours.encode_plus("Hello", "world")) == dict(ours("Hello", "world"))
    words = ["Hello", "world"]
    assert dict(ours.encode_plus(words, is_split_into_words=True)) == dict(
        ours(words, is_split_into_words=True)
    )
    assert dict(ours.batch_encode_plus(["a", "b c"], padding=True)) == dict(ours(["a", "b c"], padding=True))
    # A tuple in a batch is a pair, as in transformers 4.
    assert ours.batch_encode_plus([("a", "b")])["input_ids"] == ours(["a"], ["b"])["input_ids"]
    with pytest.raises(TypeError, match="encode_plus takes one text"):
        ours.encode_plus(["a", "b"])
    with pytest.raises(TypeError, match="a batch is a list or tuple, not str"):
        ours.batch_encode_plus("a")


@both
def test_encode_and_tokenize_with_options(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    for arguments, options in [
        (("a b", "c"), {}),
        ((["a b", "c"],), {}),
        (("a b c d",), {"max_length": 2}),
        (("a b c d",), {"max_length": 6, "padding": "max_length"}),
        (("a b c d",), {"max_length": 3, "truncation": True, "stride": 1, "return_overflowing_tokens": True}),
        ((["a", "b"],), {"is_split_into_words": True}),
    ]:
        assert ours.encode(*arguments, **options) == oracle.encode(*arguments, **options)
    assert plain(ours.encode("a b", return_tensors="np")) == plain(oracle.encode("a b", return_tensors="np"))
    assert ours.tokenize("a b", "c") == oracle.tokenize("a b", "c")
    assert ours.tokenize(["a", "b"], is_split_into_words=True) == ["a", "b"]
    with pytest.raises(TypeError, match="tokenize takes one text"):
        ours.tokenize(["a", "b"])


@both
def test_an_empty_batch_is_empty(kind: Kind) -> None:
    # transformers 5 fails here with an IndexError; transformers 4 gave this.
    assert dict(gpt2(kind)([])) == {"input_ids": [], "attention_mask": []}
    assert gpt2(kind).encode([]) == []


@both
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "nothing to encode"),
        ((5,), TypeError, "text is of type int, not a str"),
        ((b"abc",), TypeError, "decode it first"),
        (([1, 2],), TypeError, r"text\[0\] is of type int.*prepare_for_model"),
        ((["a", None],), TypeError, r"text\[1\] is None"),
        ((["a", ["b", "c", "d"]],), TypeError, r"text\[1\].*is_split_into_words=True"),
        ((["a"], "b"), TypeError, "text_pair must be one too"),
        ((["a"], ["b", "c"]), TokenizerError, "text holds 1 examples, text_pair 2"),
        ((np.array(["a"]),), TypeError, "tolist"),
    ],
    ids=repr,
)
def test_what_is_not_text(
    kind: Kind, arguments: tuple[Any, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gpt2(kind)(*arguments)


@both
def test_words_must_be_words(kind: Kind) -> None:
    with pytest.raises(TypeError, match="asks for a list of words"):
        gpt2(kind)("Hello", is_split_into_words=True)
    with pytest.raises(TypeError, match=r"text\[1\] is of type int, but words are str"):
        gpt2(kind)(["a", 2], is_split_into_words=True)


@both
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"padding": "bogus"}, TokenizerError, "'longest', 'max_length', 'do_not_pad', not 'bogus'"),
        ({"truncation": "bogus"}, TokenizerError, "'only_first', 'only_second'"),
        ({"max_length": -1, "truncation": True}, TokenizerError, "max_length=-1 is negative"),
        ({"max_length": 1.5, "truncation": True}, TypeError, "max_length is a whole number"),
        ({"stride": -1}, TokenizerError, "stride=-1 is negative"),
        ({"pad_to_multiple_of": -8, "padding": True}, TokenizerError, "pad_to_multiple_of=-8"),
        (
            {"padding": True, "padding_side": "up"},
            TokenizerError,
            "padding_side is 'left' or 'right', not 'up'",
        ),
        ({"return_tensors": "bogus"}, TokenizerError, "'np', 'pt', 'tf', 'jax', not 'bogus'"),
        (
            {"padding": "max_length", "truncation": True, "max_length": 5, "pad_to_multiple_of": 4},
            TokenizerError,
            "max_length=5 is not a multiple of pad_to_multiple_of=4",
        ),
    ],
    ids=str,
)
def test_wrong_options(kind: Kind, options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gpt2(kind)("a b c", **options)


@both
def test_warnings(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    tokenizer = small(kind, pad_token="<|endoftext|>", model_max_length=2)
    with pytest.warns(UserWarning, match="unknown arguments are not used: paddding"):
        tokenizer("a", paddding=True)
    with pytest.warns(UserWarning, match="padding='max_length'"):
        tokenizer("a", padding=True, max_length=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer("a", padding=True, max_length=3, verbose=False)
    with caplog.at_level(logging.WARNING, logger="gpt2tok"):
        tokenizer("abcdefgh", verbose=False)
        assert not caplog.records
        tokenizer("abcdefgh")
        tokenizer("abcdefgh")
        assert len(caplog.records) == 1
        assert "at most 2" in caplog.text


@both
def test_tokenizer_kwargs_take_precedence(kind: Kind) -> None:
    ours, oracle = gpt2(kind), gpt2_oracle()
    more = {"max_length": 2, "truncation": True}
    assert dict(ours("a b c", max_length=3, tokenizer_kwargs=more)) == dict(
        oracle("a b c", max_length=3, tokenizer_kwargs=more)
    )


def test_the_options_are_those_of_transformers() -> None:
    """Every argument of a call has transformers' name, place and default."""
    import inspect

    import transformers

    base = transformers.PreTrainedTokenizerBase
    for name in (
        "__call__",
        "encode",
        "pad",
        "decode",
        "batch_decode",
        "tokenize",
        "add_tokens",
        "convert_ids_to_tokens",
    ):
        theirs_ = inspect.signature(getattr(base, name)).parameters
        ours = inspect.signature(getattr(GPT2TokenizerFast, name)).parameters
        shared = [p for p in theirs_ if p not in ("kwargs",)]
        assert [p for p in ours if p in shared] == shared, name
        for parameter in shared:
            assert ours[parameter].default == theirs_[parameter].default, (name, parameter)
    call = inspect.signature(base.__call__).parameters
    options = CallOptions()
    for option in vars(options):
        if option in call:
            assert getattr(options, option) == call[option].default, option
