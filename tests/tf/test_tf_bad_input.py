"""What the in-graph tokenizer says to bad input: at the door, when traced, and in the graph.

Owns errors only; right answers are `test_tf.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.impl.api import StagingError

from gpt2tok import SpecialTokenError, TokenizerError, VocabError
from gpt2tok._core import gpt2_vocabulary
from gpt2tok.tf import TFGPT2Tokenizer


@pytest.fixture(scope="module")
def layer() -> TFGPT2Tokenizer:
    return TFGPT2Tokenizer.from_pretrained("gpt2")


def strings(values: Sequence[bytes]) -> Any:
    return tf.constant(np.array(values, object), tf.string)


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "traced"])
@pytest.mark.parametrize(
    ("texts", "arguments", "error"),
    [
        ([1, 2], {}, (TypeError, "takes strings.*int32")),
        ([[["a"]]], {}, (TokenizerError, "3 dimensions")),
        (["a"], {"max_length": 0}, (TokenizerError, "max_length is 0")),
        (["a"], {"max_length": -3}, (TokenizerError, "max_length is -3")),
        (["a"], {"max_length": 2.5}, (TypeError, "max_length is an int")),
    ],
)
def test_bad_calls(
    layer: TFGPT2Tokenizer,
    texts: Any,
    arguments: dict[str, Any],
    error: tuple[type[Exception], str],
    traced: bool,
) -> None:
    kind, words = error

    def call(x: Any) -> Any:
        return layer(x, **arguments)["input_ids"]

    # AutoGraph tells errors that it does not know as its own, with their text.
    kinds = (kind, StagingError) if traced and kind is TokenizerError else kind
    with pytest.raises(kinds, match=words):
        (tf.function(call) if traced else call)(tf.constant(texts))


@pytest.mark.parametrize("bad", [50257, -1, 1 << 30])
def test_ids_out_of_range(layer: TFGPT2Tokenizer, bad: int) -> None:
    for run in (layer.detokenize, tf.function(layer.detokenize)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="50256"):
            run(tf.constant([[15496, bad]]))
    with pytest.raises(TypeError, match="integers"):
        layer.detokenize([[1.0]])


@pytest.fixture(scope="module")
def strict() -> TFGPT2Tokenizer:
    return TFGPT2Tokenizer.from_pretrained("gpt2", errors="strict")


@pytest.mark.parametrize("good", [b"ok", "é\u3000ok".encode()])
def test_strict_errors(strict: TFGPT2Tokenizer, layer: TFGPT2Tokenizer, good: bytes) -> None:
    lenient = layer
    assert strict([good])["input_ids"].to_list() == lenient([good])["input_ids"].to_list()
    traced = tf.function(strict.tokenize)
    for broken in (b"\xff", b"\xc3(", b"\xed\xa0\x80", b"<|endoftext|>\xff"):
        for run in (strict.tokenize, traced):
            with pytest.raises(tf.errors.InvalidArgumentError, match=r"not valid UTF-8.*\[?1"):
                run(strings([good, broken]))
        assert traced(strings([good])).to_list() == lenient([good])["input_ids"].to_list()


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"vocab": "{"}, VocabError, "not the JSON"),
        ({"vocab": {"a": 0}}, VocabError, "no token for byte"),
        ({"merges": [("a", "zz")]}, VocabError, "merge 0"),
        ({"merges": [("a",)]}, VocabError, "merge 0"),
        ({"merges": [("h", "e"), ("Ġt", "he")]}, VocabError, "merge 1.*order"),
        ({"merges": [("h", "e"), ("t", "h"), ("t", "he"), ("th", "e")]}, VocabError, "merge 3.*second time"),
        ({"add_bos": True, "bos_token": None}, SpecialTokenError, "bos_token"),
        ({"add_bos": True, "bos_token": "<none>"}, SpecialTokenError, "<none>"),
        ({"padding_side": "middle"}, TokenizerError, "padding_side"),
        ({"errors": "ignore"}, TokenizerError, "errors"),
        ({"dtype": "float32"}, TokenizerError, "dtype"),
        ({"max_length": 0}, TokenizerError, "max_length"),
        ({"pad_token_id": -1}, TokenizerError, "pad_token_id"),
    ],
)
def test_bad_arguments(change: dict[str, Any], kind: type[Exception], words: str) -> None:
    vocab, merges = gpt2_vocabulary()
    with pytest.raises(kind, match=words):
        TFGPT2Tokenizer(**{"vocab": vocab, "merges": merges, **change})


def test_from_tokenizer_takes_tokenizers_only() -> None:
    with pytest.raises(TypeError, match="not str"):
        TFGPT2Tokenizer.from_tokenizer("gpt2")
