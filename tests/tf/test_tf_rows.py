"""What rows the in-graph tokenizer gives and takes: shapes, padding, truncation, and ids back to bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tiktoken
from tf_proof_set import strings

from gpt2tok import GPT2TokenizerFast, TokenizerError
from gpt2tok._core import gpt2_vocabulary
from gpt2tok.tf import TFGPT2Tokenizer


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("cut", ["right", "left"])
@pytest.mark.parametrize("around", [(False, False), (True, False), (True, True)])
def test_dense_rows_equal_the_fast_tokenizers(side: str, cut: str, around: tuple[bool, bool]) -> None:
    fast = GPT2TokenizerFast.from_pretrained(
        "gpt2",
        padding_side=side,
        truncation_side=cut,
        add_bos_token=around[0],
        add_eos_token=around[1],
        pad_token="!",
    )
    layer = TFGPT2Tokenizer.from_tokenizer(fast)
    batch = ["a b c d e f g h i j", "", "Hello world", "a b c d e f g h"]
    if around[1]:
        with pytest.raises(TokenizerError, match="2 tokens stand around each row; it is: 1"):
            layer(batch, max_length=1)
        with pytest.raises(tf.errors.InvalidArgumentError, match="2 tokens stand around each row"):
            tf.function(lambda n: layer(batch, max_length=n))(tf.constant(1))
    for length in (2, 3, 8):
        want = fast(batch, padding="max_length", truncation=True, max_length=length)
        got = layer(batch, max_length=length)
        assert got["input_ids"].numpy().tolist() == want["input_ids"]
        assert got["attention_mask"].numpy().tolist() == want["attention_mask"]
        assert got["input_ids"].shape == (4, length)
    assert layer(batch)["input_ids"].to_list() == fast(batch)["input_ids"]


def test_a_pad_id_of_its_own_and_a_default_length() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", pad_token_id=7, max_length=4, dtype="int64")
    got = layer(["Hello world"])
    assert got["input_ids"].dtype == tf.int64
    assert got["input_ids"].numpy().tolist() == [[15496, 995, 7, 7]]
    assert layer(["Hello world"], max_length=1)["input_ids"].numpy().tolist() == [[15496]]


def test_scalars_matrices_and_ragged_texts(layer: TFGPT2Tokenizer) -> None:
    a, b, empty = [64], [65, 269], []
    assert layer("b c")["input_ids"].numpy().tolist() == b
    assert layer(tf.constant("b c"), max_length=3)["attention_mask"].numpy().tolist() == [1, 1, 0]
    assert layer([["a", "b c"], ["", "a"]])["input_ids"].to_list() == [[a, b], [empty, a]]
    assert layer([["a", "b c"]], max_length=1)["input_ids"].numpy().tolist() == [[[64], [65]]]
    ragged = tf.ragged.constant([["a", "b c"], [], ["a"]])
    assert layer(ragged)["input_ids"].to_list() == [[a, b], [], [a]]
    assert layer(ragged, max_length=2)["input_ids"].to_list() == [[[64, 50256], b], [], [[64, 50256]]]


@pytest.mark.parametrize("kind", [tf.int32, tf.int64])
def test_ragged_texts_of_either_type_of_splits(layer: TFGPT2Tokenizer, kind: tf.DType) -> None:
    texts = tf.ragged.constant([["a", "b c"], []], row_splits_dtype=kind)
    traced = tf.function(
        layer.tokenize, input_signature=[tf.RaggedTensorSpec([None, None], tf.string, row_splits_dtype=kind)]
    )
    for run in (layer.tokenize, traced):
        assert run(texts).to_list() == [[[64], [65, 269]], []]
    assert layer(texts, max_length=1)["input_ids"].to_list() == [[[64], [65]], []]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty_batches(layer: TFGPT2Tokenizer, shape: tuple[int, ...]) -> None:
    nothing = tf.zeros(shape, tf.string)
    assert layer(nothing)["input_ids"].to_list() == np.zeros(shape).tolist()
    dense = layer(nothing, max_length=5)
    assert dense["input_ids"].shape == dense["attention_mask"].shape == (*shape, 5)
    assert layer([])["input_ids"].to_list() == []


def test_a_tensor_as_max_length(layer: TFGPT2Tokenizer) -> None:
    traced = tf.function(lambda x, n: layer(x, max_length=n)["input_ids"])
    for n in (1, 4):
        assert traced(tf.constant(["Hello world"]), tf.constant(n)).numpy().tolist() == [
            [15496, 995, 50256, 50256][:n]
        ]
    with pytest.raises(tf.errors.InvalidArgumentError, match="max_length must be 1 or more"):
        traced(tf.constant(["Hello world"]), tf.constant(0))
    for length in (1 << 27, 1 << 40, (1 << 63) - 1):
        with pytest.raises(tf.errors.InvalidArgumentError, match="rows times max_length"):
            traced(tf.constant(["a", "b", "c"]), tf.constant(length, tf.int64))


# --- detokenize ---


def test_detokenize_equals_decode_bytes(layer: TFGPT2Tokenizer, tiktoken_gpt2: tiktoken.Encoding) -> None:
    chance = np.random.default_rng(0)
    ids = chance.integers(0, 50257, (200, 30))
    want = [tiktoken_gpt2.decode_bytes(row.tolist()) for row in ids]
    assert layer.detokenize(ids).numpy().tolist() == want
    assert layer.detokenize(tf.RaggedTensor.from_tensor(ids)).numpy().tolist() == want
    assert layer.detokenize(ids.reshape(20, 10, 30)).numpy().ravel().tolist() == want
    assert layer.detokenize(ids[0]).numpy() == want[0]
    assert layer.detokenize(188).numpy() == b"\0"
    assert layer.detokenize(188, 1).numpy() == b"\0"
    everything = np.arange(50257)
    assert layer.detokenize(everything[:, None]).numpy().tolist() == [
        tiktoken_gpt2.decode_bytes([i]) for i in everything
    ]


def test_the_text_comes_back(layer: TFGPT2Tokenizer, texts: list[bytes]) -> None:
    short = [text for text in texts if len(text) < 400]
    sound = [text.decode(errors="replace").encode() for text in short]
    rows = layer(strings(short), max_length=1200)
    assert layer.detokenize(**_named(rows)).numpy().tolist() == sound


def _named(rows: dict[str, Any]) -> dict[str, Any]:
    return {"ids": rows["input_ids"], "attention_mask": rows["attention_mask"]}


def test_ragged_rows_and_their_masks() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", pad_token_id=0)
    texts = tf.ragged.constant([["a", "b c"], []])
    for rows in (layer(texts), layer(texts, max_length=3)):
        assert layer.detokenize(**_named(rows)).to_list() == [[b"a", b"b c"], []]
    ids, mask = tf.ragged.constant([[64, 65], [66]]), tf.ragged.constant([[1, 0], [1]])
    assert layer.detokenize(ids, mask).numpy().tolist() == [b"a", b"c"]
    for wrong in (tf.ragged.constant([[1], [1, 0]]), tf.ragged.constant([[1, 0], [1], []])):
        with pytest.raises(tf.errors.InvalidArgumentError, match="rows of the same lengths"):
            layer.detokenize(ids, wrong)
    with pytest.raises(TokenizerError, match="2 ragged dimensions, the ids have 1"):
        layer.detokenize(ids, tf.ragged.constant([[[1]]]))


def test_masked_ids_may_be_anything(layer: TFGPT2Tokenizer) -> None:
    assert layer.detokenize([[15496, -100]], attention_mask=[[1, 0]]).numpy().tolist() == [b"Hello"]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_ids_of_every_integer_type(default_layer: TFGPT2Tokenizer, kind: str) -> None:
    ids = np.array([[39, 72], [64, 0]], kind)
    assert default_layer.detokenize(ids).numpy().tolist() == [b"Hi", b"a!"]
    mask = (ids > 0).astype(kind)
    assert default_layer.detokenize(ids, attention_mask=mask).numpy().tolist() == [b"Hi", b"a"]


def test_a_pad_id_that_is_no_token() -> None:
    layer = TFGPT2Tokenizer.from_pretrained("gpt2", pad_token_id=60_000)
    rows = layer(["a", "b c"], max_length=3)
    assert rows["input_ids"].numpy().tolist() == [[64, 60_000, 60_000], [65, 269, 60_000]]
    assert layer.detokenize(**_named(rows)).numpy().tolist() == [b"a", b"b c"]


def test_an_id_near_the_end_of_31_bits() -> None:
    # A table with a place for every id would take 16 GB.
    vocab, merges = gpt2_vocabulary()
    last = (1 << 31) - 1
    layer = TFGPT2Tokenizer({**vocab, "<last>": last}, merges, added_tokens={last - 7: "<x>"})
    assert layer.detokenize([64, last - 7, 275]).numpy() == b"a<x> b"
    assert layer.detokenize([last, 64]).numpy() == b"<last>a"
    for wrong in (last - 1, 60_000, -1):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=rf"(?s){last}; this is none.*[^\d-]{wrong}\b"
        ):
            layer.detokenize([wrong])
