"""What the in-graph tokenizer says to bad input: at the door, when traced, in the graph, and in a saved model.

Owns errors only; right answers are the other files'. After each error the next call must be answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.impl.api import StagingError
from tf_proof_set import strings

from gpt2tok import GPT2TokenizerFast, SpecialTokenError, TokenizerError, VocabError
from gpt2tok.formats import byte_alphabet
from gpt2tok.tf import TFGPT2Tokenizer

InvalidArgument = tf.errors.InvalidArgumentError


@pytest.fixture(autouse=True)
def the_next_call_works(default_layer: TFGPT2Tokenizer) -> Iterator[None]:
    yield
    assert default_layer(["Hello world"])["input_ids"].to_list() == [[15496, 995]]
    assert default_layer.detokenize([15496, 995]).numpy() == b"Hello world"


# --- texts and max_length ---


@pytest.mark.parametrize(
    ("texts", "error", "words"),
    [
        (None, TypeError, "not NoneType"),
        ([1.5], TypeError, "not float32"),
        ([1, 2], TypeError, "not int32"),
        (["a", None], TypeError, r"not NoneType \(at \[1\]\)"),
        ([["a"], ["b", 3]], TypeError, r"not int \(at \[1\]\[1\]\)"),
        ({"a": "b"}, TypeError, "not dict"),
        ({"a"}, TypeError, "not set"),
        ((text for text in "ab"), TypeError, "not generator"),
        (tf.zeros([0]), TypeError, "not float32.*input_signature"),
        (tf.sparse.from_dense(["a", ""]), TypeError, "not SparseTensor"),
        (tf.ragged.constant([[1]]), TypeError, "not int32"),
        ([["a"], ["b", "c"]], TokenizerError, "ragged"),
        ([[["a"]]], TokenizerError, "3 dimensions"),
        (tf.ragged.constant([[["a"]]]), TokenizerError, "3 dimensions"),
        (tf.RaggedTensor.from_row_splits(tf.constant([["a"]]), [0, 1]), TokenizerError, "3 dimensions"),
        (np.array(["a", None], object), TypeError, r"not NoneType \(at \[1\]\)"),
        (bytearray(b"ab"), TypeError, "not bytearray"),
        (["ok", "\ud800"], TokenizerError, r"\[1\].*surrogate"),
    ],
    ids=str,
)
def test_texts(default_layer: TFGPT2Tokenizer, texts: Any, error: type[Exception], words: str) -> None:
    for call in (default_layer, default_layer.tokenize):
        with pytest.raises(error, match=words):
            call(texts)


@pytest.mark.parametrize(
    ("length", "error", "words"),
    [
        (0, TokenizerError, "max_length is 0"),
        (-1, TokenizerError, "max_length is -1"),
        (np.int64(0), TokenizerError, "max_length is 0"),
        (1 << 31, TokenizerError, "31 bits"),
        (1 << 70, TokenizerError, "31 bits"),
        (True, TypeError, "not True"),
        (2.5, TypeError, "not 2.5"),
        ("a", TypeError, "not 'a'"),
        ([3], TypeError, "scalar"),
        (tf.constant([3]), TypeError, "scalar.*a label of a dataset"),
        (np.array([3, 4]), TypeError, "scalar"),
        (tf.constant(3.0), TypeError, "integer"),
        (tf.constant(True), TypeError, "integer"),
        (tf.constant(0), TokenizerError, "max_length is 0"),
        (tf.constant(-7, tf.int64), TokenizerError, "max_length is -7"),
    ],
    ids=str,
)
@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
def test_max_length(
    default_layer: TFGPT2Tokenizer, length: Any, error: type[Exception], words: str, traced: bool
) -> None:
    def call(x: Any) -> Any:
        return default_layer(x, max_length=length)["input_ids"]

    with pytest.raises(_as_shown(error, traced), match=words):
        (tf.function(call) if traced else call)(tf.constant(["a"]))


@pytest.mark.parametrize(
    ("shape", "kind", "error", "words"),
    [
        ([None], tf.int32, TypeError, "takes strings.*int32"),
        ([None], tf.float32, TypeError, "takes strings.*float32"),
        ([None, None, None], tf.string, TokenizerError, "3 dimensions"),
        (None, tf.string, TokenizerError, "unknown rank"),
    ],
)
def test_traced(
    default_layer: TFGPT2Tokenizer, shape: Any, kind: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(_as_shown(error, True), match=words):
        tf.function(default_layer.tokenize).get_concrete_function(tf.TensorSpec(shape, kind))


def _as_shown(error: type[Exception], traced: bool) -> Any:
    # AutoGraph tells errors that it does not know as its own, with their text.
    return (error, StagingError) if traced and error is TokenizerError else error


def test_a_variable_as_length(default_layer: TFGPT2Tokenizer) -> None:
    length = keras.Variable(0, dtype="int32")
    with pytest.raises(TokenizerError, match="max_length is 0"):
        default_layer(["a"], max_length=length)
    traced = tf.function(lambda x: default_layer(x, max_length=length)["input_ids"])
    with pytest.raises(InvalidArgument, match="max_length must be 1 or more"):
        traced(tf.constant(["a"]))
    length.assign(2)
    assert traced(tf.constant(["a"])).numpy().tolist() == [[64, 50256]]


def test_a_length_of_unknown_rank(default_layer: TFGPT2Tokenizer) -> None:
    signature = [tf.TensorSpec([None], tf.string), tf.TensorSpec(None, tf.int32)]
    traced = tf.function(lambda x, n: default_layer(x, max_length=n)["input_ids"], input_signature=signature)
    with pytest.raises(InvalidArgument, match="not compatible with expected shape"):
        traced(tf.constant(["a"]), tf.constant([3]))
    assert traced(tf.constant(["a"]), tf.constant(2)).numpy().tolist() == [[64, 50256]]


def test_a_bad_row_in_a_dataset(strict: TFGPT2Tokenizer) -> None:
    rows = tf.data.Dataset.from_tensor_slices(strings([b"ok", b"\xff", b"a"])).batch(1).map(strict.tokenize)
    found = iter(rows)
    assert next(found).to_list() == [[482]]
    with pytest.raises(InvalidArgument, match="not valid UTF-8"):
        next(found)
    assert next(found).to_list() == [[64]]


@pytest.mark.parametrize("good", [b"ok", "é\u3000ok".encode()])
def test_strict_errors(strict: TFGPT2Tokenizer, fast: GPT2TokenizerFast, good: bytes) -> None:
    want = [fast(good.decode())["input_ids"]]
    assert strict([good])["input_ids"].to_list() == want
    traced = tf.function(strict.tokenize)
    for broken in (b"\xff", b"\xc3(", b"\xed\xa0\x80", b"<|endoftext|>\xff"):
        for run in (strict.tokenize, traced):
            with pytest.raises(InvalidArgument, match=r"not valid UTF-8.*\[?1"):
                run(strings([good, broken]))
        assert traced(strings([good])).to_list() == want


# --- ids ---


@pytest.mark.parametrize("bad", [50257, -1, 1 << 30, -(1 << 31)])
def test_ids_out_of_range(default_layer: TFGPT2Tokenizer, bad: int) -> None:
    for run in (default_layer.detokenize, tf.function(default_layer.detokenize)):
        for ids in (tf.constant([[15496, bad]]), tf.ragged.constant([[15496], [bad]])):
            with pytest.raises(InvalidArgument, match=rf"(?s)50256; this is none.*[^\d-]{bad}\b"):
                run(ids)


def test_where_a_wrong_id_stands(default_layer: TFGPT2Tokenizer) -> None:
    with pytest.raises(InvalidArgument, match=r"(?s)\b99999\b.*\b1,? 2\b"):
        default_layer.detokenize([[1, 2, 3], [4, 5, 99_999]])


@pytest.mark.parametrize("wrong", [[[1, 2]], [[1, -1]], [[1.0, 0.5]], [[1.0, float("nan")]]], ids=str)
def test_masks_of_other_numbers(default_layer: TFGPT2Tokenizer, wrong: Any) -> None:
    for run in (default_layer.detokenize, tf.function(default_layer.detokenize)):
        with pytest.raises(InvalidArgument, match=r"(?s)1 and 0 only.*\b0,? 1\b"):
            run(tf.constant([[64, 65]]), tf.constant(wrong))


@pytest.mark.parametrize(
    ("ids", "mask", "error", "words"),
    [
        (None, None, TypeError, "not NoneType"),
        ([1.0], None, TypeError, "not float32"),
        (["a"], None, TypeError, "not string: give it ids"),
        ([True], None, TypeError, "not bool"),
        ([1, "a"], None, TypeError, r"not str \(at \[1\]\)"),
        ({"input_ids": [1]}, None, TypeError, "its 'input_ids'"),
        ([[1], [1, 2]], None, TokenizerError, "ragged"),
        ([1 << 70], None, TokenizerError, "no tensor"),
        (tf.ragged.constant([[1.0]]), None, TypeError, "not float32"),
        (np.array([1 << 62]), None, InvalidArgument, "50256"),
        (np.array([(1 << 64) - 1], np.uint64), None, InvalidArgument, "50256"),
        ([[64, 65], [64, 65]], [[1], [0]], TokenizerError, r"\(2, 1\)"),
        ([[64, 65]], [1, 0, 1], TokenizerError, r"\(3,\)"),
        ([[64, 65]], [["a", "b"]], TypeError, "not string"),
        ([[64, 65]], [[None, 1]], TypeError, r"not NoneType \(at \[0\]\[0\]\)"),
        ([[64, 65], [1, 2]], [[1], [1, 0]], TokenizerError, "no tensor"),
        ([[64, 65]], tf.ragged.constant([[1, 0]]), TypeError, "one of ids and attention_mask is ragged"),
        (tf.ragged.constant([[1]]), [[1]], TypeError, "ragged"),
    ],
    ids=str,
)
def test_detokenize(
    default_layer: TFGPT2Tokenizer, ids: Any, mask: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        default_layer.detokenize(ids, mask)


def test_ids_of_unknown_rank(default_layer: TFGPT2Tokenizer) -> None:
    with pytest.raises((TokenizerError, StagingError), match="unknown rank"):
        tf.function(default_layer.detokenize).get_concrete_function(tf.TensorSpec(None, tf.int32))
    with pytest.raises(TypeError, match="skip_special_tokens is True or False"):
        default_layer.detokenize([64], skip_special_tokens="no")


def test_graphs_of_tensorflow_1(default_layer: TFGPT2Tokenizer) -> None:
    # A set of options that no other test has: what is kept by them must not come from the graph.
    options = {"errors": "strict", "add_prefix_space": True}
    with tf.Graph().as_default():
        with pytest.raises(TokenizerError, match=r"was made inside tf\.Graph"):
            TFGPT2Tokenizer.from_pretrained("gpt2", **options)
        with pytest.raises(TokenizerError, match=r"was called inside tf\.Graph"):
            default_layer.tokenize(tf.constant(["a"]))
        with pytest.raises(TokenizerError, match=r"was called inside tf\.Graph"):
            default_layer.detokenize(tf.constant([64]))
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", **options)
    assert layer(["a"])["input_ids"].to_list() == [[257]]


def test_more_text_than_a_batch_may_hold(default_layer: TFGPT2Tokenizer) -> None:
    many = tf.repeat(tf.constant(["a" * (1 << 20)]), 257)
    with pytest.raises(InvalidArgument, match="268435456 bytes of text at most"):
        default_layer.tokenize(many)


def test_a_mask_whose_shape_only_the_graph_knows(default_layer: TFGPT2Tokenizer) -> None:
    rows = tf.TensorSpec([None, None], tf.int32)
    traced = tf.function(default_layer.detokenize, input_signature=[rows, rows])
    with pytest.raises(InvalidArgument, match="attention_mask must have the shape of the ids"):
        traced(tf.constant([[64, 65], [64, 65]]), tf.constant([[1], [0]]))
    assert traced(tf.constant([[64, 65]]), tf.constant([[0, 1]])).numpy().tolist() == [b"b"]


# --- a saved model ---


def test_a_saved_model(saved: Path) -> None:
    model = tf.saved_model.load(str(saved))
    tokenize, detokenize = (model.signatures[name] for name in ("tokenize", "detokenize"))
    kinds = (TypeError, ValueError, InvalidArgument)  # TensorFlow's own checks of a signature

    def spell(ids: Any, mask: Any) -> Callable[[], Any]:
        return lambda: detokenize(input_ids=tf.constant(ids), attention_mask=tf.constant(mask))

    bad: list[tuple[Callable[[], Any], Any]] = [
        (lambda: tokenize(text=tf.constant([1])), kinds),
        (lambda: tokenize(text=tf.constant([["a"]])), kinds),
        (lambda: tokenize(text=tf.constant("a")), kinds),
        (tokenize, TypeError),
        (spell([[50257]], [[1]]), InvalidArgument),
        (spell([[-1]], [[1]]), InvalidArgument),
        (spell([[15496, 995]], [[1]]), InvalidArgument),
        (spell([[1.0]], [[1]]), kinds),
    ]
    for call, error in bad:
        with pytest.raises(error):
            call()
        rows = tokenize(text=tf.constant(["Hello world", "a"]))
        assert rows["input_ids"].numpy().tolist() == [[15496, 995], [64, 50256]]
        assert detokenize(**rows)["text_bytes"].numpy().tolist() == [b"Hello world", b"a"]


# --- the constructor ---


# Small, for these are many: all bytes, the id of each its value, and a few merges.
MERGES = [("h", "e"), ("t", "h"), ("th", "e")]
VOCAB = {char: byte for byte, char in byte_alphabet().items()} | {
    "he": 256,
    "th": 257,
    "the": 258,
    "Ġthe": 259,
}


def _with(**entries: Any) -> dict[str, int]:
    return {**VOCAB, **entries}


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"vocab": "{"}, VocabError, "not the JSON"),
        ({"vocab": '{"a": 1, "b": 2, "a": 3}'}, VocabError, "'a' twice"),
        ({"vocab": "[]"}, TypeError, "not list"),
        ({"vocab": "[" * 100_000}, VocabError, "not the JSON"),
        ({"vocab": '{"a": ' + "1" * 5000 + "}"}, VocabError, "not the JSON"),
        ({"vocab": None}, TypeError, "not NoneType"),
        ({"vocab": {"a": 0}}, VocabError, "no token for byte"),
        ({"vocab": _with(zz=5)}, VocabError, "share the id 5"),
        ({"vocab": _with(zz=-5)}, VocabError, "'zz' has the id -5"),
        ({"vocab": _with(zz=1 << 31)}, VocabError, "31 bits"),
        ({"vocab": _with(zz=6.5)}, TypeError, "6.5"),
        ({"vocab": _with(zz=True)}, TypeError, "True"),
        ({"vocab": {**VOCAB, 5: 60_000}}, TypeError, "key 5"),
        ({"vocab": _with(**{"\ud800": 60_000})}, VocabError, "surrogate"),
        ({"merges": None}, TypeError, "not NoneType"),
        ({"merges": [5]}, TypeError, r"merges\[0\]"),
        ({"merges": [(1, 2)]}, TypeError, r"merges\[0\]"),
        ({"merges": [("a",)]}, VocabError, r"merges\[0\]"),
        ({"merges": "#version: 0.2\nh e\nh  e\n"}, VocabError, r"merges\[1\]"),
        ({"merges": [("a", "zz")]}, VocabError, "merge 0"),
        ({"merges": [("h", "e"), ("Ġt", "he")]}, VocabError, "merge 1.*order"),
        ({"merges": [("h", "e"), ("t", "h"), ("t", "he"), ("th", "e")]}, VocabError, "merge 3.*second time"),
        ({"added_tokens": ["<x>"]}, TypeError, "dict"),
        ({"added_tokens": {"x": "<x>"}}, TypeError, "key 'x'"),
        ({"added_tokens": {60_000: 5}}, TypeError, "not int"),
        ({"added_tokens": {60_000: {"contents": "x"}}}, VocabError, "content"),
        ({"added_tokens": {60_000: "\ud800"}}, TokenizerError, "surrogate"),
        ({"added_tokens": {60_000: ""}}, SpecialTokenError, "no text"),
        ({"added_tokens": {-1: "<x>"}}, SpecialTokenError, "-1"),
        ({"added_tokens": {38: "<x>"}}, SpecialTokenError, "that of '&'"),
        ({"added_tokens": {60_000: "he"}}, SpecialTokenError, "256 already"),
        ({"added_tokens": {60_000: "<x>", 60_001: "<x>"}}, SpecialTokenError, "60000 already"),
        (
            {"added_tokens": {60_000 + i: f"<{i}>" for i in range((1 << 15) + 1)}},
            SpecialTokenError,
            "too many",
        ),
        ({"add_bos": True, "bos_token": None}, SpecialTokenError, "bos_token"),
        ({"add_bos": True, "bos_token": "<none>"}, SpecialTokenError, "<none>"),
        ({"padding_side": "middle"}, TokenizerError, "padding_side"),
        ({"errors": "ignore"}, TokenizerError, "errors"),
        ({"dtype": "float32"}, TokenizerError, "dtype"),
        ({"max_length": 0}, TokenizerError, "max_length"),
        ({"max_length": "a"}, TypeError, "max_length"),
        ({"max_length": tf.constant(3)}, TypeError, "max_length"),
        ({"pad_token_id": -1}, TokenizerError, "pad_token_id"),
        ({"pad_token_id": "a"}, TypeError, "pad_token_id"),
        ({"pad_token_id": True}, TypeError, "pad_token_id"),
        ({"pad_token_id": 5.5}, TypeError, "pad_token_id"),
        ({"added_tokens": {True: "<x>"}}, TypeError, "key True"),
        ({"bos_token": 5, "add_bos": True}, TypeError, "bos_token is the text"),
        ({"eos_token": ["a"]}, TypeError, "eos_token is the text"),
        ({"add_bos": "no"}, TypeError, "add_bos is True or False"),
        ({"add_eos": None}, TypeError, "add_eos is True or False"),
        ({"split_special_tokens": "yes"}, TypeError, "split_special_tokens is True"),
        ({"add_prefix_space": 1}, TypeError, "add_prefix_space is True"),
        ({"trainable": True}, TokenizerError, "no weights"),
        ({"dtype": "junk"}, TokenizerError, "dtype"),
        (
            {"max_length": 1, "add_bos": True, "bos_token": "a", "add_eos": True, "eos_token": "b"},
            TokenizerError,
            "2 tokens",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_the_constructor(change: dict[str, Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        TFGPT2Tokenizer(**{"vocab": VOCAB, "merges": MERGES, **change})


@pytest.mark.parametrize(
    "added",
    [{"x": "<x>"}, ["<x>"], "<x>", {None: "<x>"}, {1.5: "<x>"}, {True: "<x>"}, {"-1": "<x>"}],
    ids=str,
)
def test_a_configuration_with_wrong_added_tokens(added: Any) -> None:
    config = TFGPT2Tokenizer(VOCAB, MERGES).get_config()
    with pytest.raises(TypeError, match="added_tokens of a configuration"):
        TFGPT2Tokenizer.from_config({**config, "added_tokens": added})


@pytest.mark.parametrize("kind", ["int64", np.int64, np.dtype("int64"), tf.int64])
def test_names_of_a_type(kind: Any) -> None:
    layer = TFGPT2Tokenizer(VOCAB, MERGES, dtype=kind, pad_token_id=np.int64(7))
    rows = layer(["he"], max_length=2)["input_ids"]
    assert rows.dtype == tf.int64
    assert rows.numpy().tolist() == [[256, 7]]


def test_the_same_arguments_unchanged() -> None:
    layer = TFGPT2Tokenizer(VOCAB, MERGES, max_length=2)
    assert layer.detokenize([256, 32]).numpy() == b"he "


def test_from_tokenizer_takes_tokenizers_only() -> None:
    with pytest.raises(TypeError, match="not str"):
        TFGPT2Tokenizer.from_tokenizer("gpt2")
